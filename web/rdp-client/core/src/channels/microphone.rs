//! The device's microphone for the host (MS-RDPEAI), as plain PCM.
//!
//! The host says when it wants to listen, and in which format; whether anything is sent is the
//! person's choice, which the page asks for.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use ironrdp_rdpeai::{
    AudioFormat, WaveFormat,
    client::{AudioPacketSink, RdpeaiCaptureHandler, RdpeaiClient},
    pdu::OpenReplyPdu,
};
use ironrdp_svc::SvcMessage;

use super::{Notice, Outlet};
use crate::{Event, limits::MICROPHONE_PACKET_MAX};

/// Messages of the channel, on their way to the host.
pub(crate) struct Packet(pub(crate) Vec<SvcMessage>);

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Packet").field(&self.0.len()).finish()
    }
}

/// Where what the device hears goes in; shared with the channel, which the session layer owns.
#[derive(Clone, Default)]
pub(crate) struct Microphone {
    capture: Arc<Mutex<Option<Capture>>>,
}

/// While the host listens.
struct Capture {
    sink: AudioPacketSink,
    packet_len: usize,
    /// The beginning of the next packet.
    pending: Vec<u8>,
}

impl Microphone {
    /// Sends what the device heard, in the format that the host wants; dropped while nobody
    /// listens.
    pub(crate) fn heard(&self, samples: &[u8]) {
        let mut capture = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(capture) = capture.as_mut() else {
            return;
        };
        capture.pending.extend_from_slice(samples);
        let whole = capture.pending.len() - capture.pending.len() % capture.packet_len;
        let rest = capture.pending.split_off(whole);
        for packet in std::mem::replace(&mut capture.pending, rest).chunks(capture.packet_len) {
            (capture.sink)(packet.to_vec());
        }
    }

    fn set(&self, capture: Option<Capture>) {
        *self.capture.lock().unwrap_or_else(PoisonError::into_inner) = capture;
    }
}

/// The channel. Without it a host that wants to listen is told that there is no microphone.
pub(crate) fn channel(outlet: &Outlet, microphone: &Microphone) -> RdpeaiClient {
    let handler = Handler {
        outlet: outlet.clone(),
        microphone: microphone.clone(),
    };
    let outlet = outlet.clone();
    RdpeaiClient::new(
        Box::new(handler),
        Box::new(move |_channel_id, messages| {
            outlet.tell(Notice::Microphone(Packet(messages)));
            Ok(())
        }),
    )
}

struct Handler {
    outlet: Outlet,
    microphone: Microphone,
}

fn is_good(format: &AudioFormat) -> bool {
    format.format == WaveFormat::PCM
        && format.bits_per_sample == 16
        && (1..=2).contains(&format.n_channels)
        && (8_000..=48_000).contains(&format.n_samples_per_sec)
        && format.n_block_align == format.n_channels * 2
}

impl Handler {
    fn begin(&self, format: &AudioFormat) {
        self.outlet.event(Event::MicrophoneWanted {
            channels: format.n_channels,
            rate: format.n_samples_per_sec,
        });
    }
}

impl RdpeaiCaptureHandler for Handler {
    fn supported_formats(&self) -> &[AudioFormat] {
        &[]
    }

    /// Only the best, and in one channel where there is a choice: a voice has one.
    fn choose_formats(&self, offered: &[AudioFormat]) -> Vec<AudioFormat> {
        offered
            .iter()
            .filter(|format| is_good(format))
            .max_by_key(|format| {
                (
                    format.n_samples_per_sec,
                    std::cmp::Reverse(format.n_channels),
                )
            })
            .cloned()
            .into_iter()
            .collect()
    }

    fn open(
        &mut self,
        _capture_format: &AudioFormat,
        encode_format: &AudioFormat,
        packet_size: usize,
        sink: AudioPacketSink,
    ) -> i32 {
        if !is_good(encode_format) || packet_size == 0 || packet_size > MICROPHONE_PACKET_MAX {
            return OpenReplyPdu::E_FAIL;
        }
        self.microphone.set(Some(Capture {
            sink,
            packet_len: packet_size,
            pending: Vec::new(),
        }));
        self.begin(encode_format);
        OpenReplyPdu::S_OK
    }

    fn set_format(&mut self, encode_format: &AudioFormat, _packet_size: usize) -> bool {
        let good = is_good(encode_format);
        if good {
            self.begin(encode_format);
        }
        good
    }

    fn close(&mut self) {
        self.microphone.set(None);
        self.outlet.event(Event::MicrophoneUnwanted);
    }
}

#[cfg(test)]
mod tests {
    use ironrdp_dvc::DvcProcessor as _;

    use super::*;

    /// A host's side, built by hand after MS-RDPEAI 2.2: no server of the tests has the channel.
    const VERSION: [u8; 5] = [1, 1, 0, 0, 0];

    fn wave(channels: u8, rate: u32) -> Vec<u8> {
        let block = channels * 2;
        let mut bytes = vec![1, 0, channels, 0];
        bytes.extend(rate.to_le_bytes());
        bytes.extend((rate * u32::from(block)).to_le_bytes());
        bytes.extend([block, 0, 16, 0, 0, 0]);
        bytes
    }

    fn formats(formats: &[Vec<u8>]) -> Vec<u8> {
        let len: usize = formats.iter().map(Vec::len).sum();
        let mut bytes = vec![2];
        bytes.extend(u32::try_from(formats.len()).unwrap().to_le_bytes());
        bytes.extend(u32::try_from(len + 9).unwrap().to_le_bytes());
        bytes.extend(formats.concat());
        bytes
    }

    /// Open PDU (2.2.2.3): frames of a packet, index of the format, the format.
    fn open(frames: u32, wave: Vec<u8>) -> Vec<u8> {
        let mut bytes = vec![3];
        bytes.extend(frames.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(wave);
        bytes
    }

    fn sent(notices: &std::sync::mpsc::Receiver<Notice>) -> (usize, Vec<Event>) {
        let mut packets = 0;
        let mut events = Vec::new();
        for notice in notices.try_iter() {
            match notice {
                Notice::Microphone(_) => packets += 1,
                Notice::Event(event) => events.push(event),
                other => panic!("{other:?}"),
            }
        }
        (packets, events)
    }

    #[test]
    fn a_host_that_listens_gets_whole_packets_and_nothing_afterwards() {
        let (outlet, notices) = Outlet::new();
        let microphone = Microphone::default();
        let mut channel = channel(&outlet, &microphone);
        channel.start(7).unwrap();
        channel.process(7, &VERSION).unwrap();
        let offered = [wave(2, 48_000), wave(1, 48_000), wave(1, 22_050)];
        assert_eq!(channel.process(7, &formats(&offered)).unwrap().len(), 2);
        microphone.heard(&[0; 64]);
        assert_eq!(sent(&notices), (0, vec![]), "nobody listens yet");
        channel.process(7, &open(16, wave(1, 48_000))).unwrap();
        let wanted = Event::MicrophoneWanted {
            channels: 1,
            rate: 48_000,
        };
        assert_eq!(sent(&notices), (0, vec![wanted]));
        microphone.heard(&[1; 40]);
        assert_eq!(sent(&notices).0, 1, "16 frames of 2 bytes");
        microphone.heard(&[1; 24]);
        assert_eq!(sent(&notices).0, 1, "the rest was kept");
        channel.close(7);
        microphone.heard(&[1; 64]);
        assert_eq!(sent(&notices), (0, vec![Event::MicrophoneUnwanted]));
    }

    #[test]
    fn hosts_that_want_too_much_or_what_is_not_pcm_get_nothing() {
        for (offer, frames) in [
            (wave(1, 48_000), 0),
            (
                wave(1, 48_000),
                u32::try_from(MICROPHONE_PACKET_MAX).unwrap(),
            ),
            (wave(2, 96_000), 16),
        ] {
            let (outlet, notices) = Outlet::new();
            let microphone = Microphone::default();
            let mut channel = channel(&outlet, &microphone);
            channel.start(7).unwrap();
            channel.process(7, &VERSION).unwrap();
            let _ = channel.process(7, &formats(std::slice::from_ref(&offer)));
            let _ = channel.process(7, &open(frames, offer));
            microphone.heard(&[0; 256]);
            assert_eq!(sent(&notices).0, 0);
        }
    }

    #[test]
    fn cut_messages_are_survived() {
        for message in [
            VERSION.to_vec(),
            formats(&[wave(2, 44_100)]),
            open(1024, wave(2, 44_100)),
        ] {
            for len in 0..message.len() {
                let microphone = Microphone::default();
                let mut channel = channel(&Outlet::new().0, &microphone);
                channel.start(7).unwrap();
                let _ = channel.process(7, &message[..len]);
                microphone.heard(&[0; 16]);
            }
        }
    }
}
