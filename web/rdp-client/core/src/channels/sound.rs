//! Sound of the host (MS-RDPEA), as plain PCM: every host offers it, and it needs no decoder.
//!
//! Two channels carry it: a static one, and a dynamic one that newer hosts prefer.

use std::{borrow::Cow, time::Duration};

use ironrdp_core::impl_as_any;
use ironrdp_dvc::{DvcClientProcessor, DvcMessage, DvcProcessor};
use ironrdp_pdu::{PduResult, gcc::ChannelName};
use ironrdp_rdpsnd::{
    client::{Rdpsnd, RdpsndClientHandler, RdpsndDvc, RdpsndDvcState},
    pdu::{
        AudioFormat, AudioFormatFlags, ClientAudioOutputPdu, PitchPdu, TrainingConfirmPdu,
        VolumePdu, WaveFormat,
    },
};
use ironrdp_svc::{CompressionCondition, SvcClientProcessor, SvcMessage, SvcProcessor};

use super::{Notice, Outlet};
use crate::Event;

/// What the sound's channels tell.
#[derive(Debug)]
pub(crate) enum SoundNotice {
    /// A block of sound.
    Wave {
        /// Channels and rate.
        format: (u16, u32),
        /// Interleaved samples, 16 bits, little endian.
        samples: Vec<u8>,
    },
    /// The host plays nothing any more.
    Silence,
}

/// Highest rate that is taken, in samples per second.
const RATE_MAX: u32 = 48_000;

/// `msgType` of the server's formats and of its Training PDU (MS-RDPEA 2.2.1).
const FORMATS: u8 = 0x07;
const TRAIN: u8 = 0x06;

/// A Training PDU without data (MS-RDPEA 2.2.3.1).
///
/// The layer below takes no sound before one came. Hosts measure the network with it when they
/// care; xrdp and GNOME do not, and begin to play at once. So each list of formats is followed by
/// one that no host sent, and its answer is dropped.
const TRAINING: [u8; 8] = [0x06, 0, 4, 0, 0, 0, 0, 0];

/// The answer to a Training PDU of a host (MS-RDPEA 2.2.3.2), with its `wPackSize` as it was.
///
/// The layer below takes the size of the headers off it, and GNOME then refuses the answer.
fn training_confirm(payload: &[u8]) -> Option<ClientAudioOutputPdu> {
    let [TRAIN, _, _, _, t0, t1, p0, p1, ..] = payload else {
        return None;
    };
    Some(ClientAudioOutputPdu::TrainingConfirm(TrainingConfirmPdu {
        timestamp: u16::from_le_bytes([*t0, *t1]),
        pack_size: u16::from_le_bytes([*p0, *p1]),
    }))
}

/// The static channel.
pub(crate) fn channel(outlet: &Outlet) -> Sound {
    let clock = outlet.clone();
    let inner = Rdpsnd::new(Box::new(Handler::new(outlet.clone())))
        .with_clock(Box::new(move || Duration::from_millis(clock.now_ms())));
    Sound { inner }
}

/// Name of the dynamic channel.
pub(crate) const DYNAMIC_NAME: &str = ironrdp_rdpsnd::client::DVC_CHANNEL_NAME;

/// The dynamic channel.
pub(crate) fn dynamic_channel(outlet: &Outlet) -> DynamicSound {
    let clock = outlet.clone();
    let inner = RdpsndDvcState::new(Box::new(Handler::new(outlet.clone())))
        .with_clock(Box::new(move || Duration::from_millis(clock.now_ms())))
        .channel();
    DynamicSound { inner }
}

/// The static channel's processor.
#[derive(Debug)]
pub(crate) struct Sound {
    inner: Rdpsnd,
}

impl_as_any!(Sound);

impl SvcProcessor for Sound {
    fn channel_name(&self) -> ChannelName {
        self.inner.channel_name()
    }

    fn compression_condition(&self) -> CompressionCondition {
        self.inner.compression_condition()
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        if let Some(confirm) = training_confirm(payload) {
            return Ok(vec![SvcMessage::from(confirm)]);
        }
        let answer = self.inner.process(payload)?;
        if payload.first() == Some(&FORMATS) {
            self.inner.process(&TRAINING)?;
        }
        Ok(answer)
    }
}

impl SvcClientProcessor for Sound {}

/// The dynamic channel's processor.
#[derive(Debug)]
pub(crate) struct DynamicSound {
    inner: RdpsndDvc,
}

impl_as_any!(DynamicSound);

impl DvcProcessor for DynamicSound {
    fn channel_name(&self) -> &str {
        self.inner.channel_name()
    }

    fn start(&mut self, channel_id: u32) -> PduResult<Vec<DvcMessage>> {
        self.inner.start(channel_id)
    }

    fn process(&mut self, channel_id: u32, payload: &[u8]) -> PduResult<Vec<DvcMessage>> {
        if let Some(confirm) = training_confirm(payload) {
            return Ok(vec![Box::new(confirm)]);
        }
        let answer = self.inner.process(channel_id, payload)?;
        if payload.first() == Some(&FORMATS) {
            self.inner.process(channel_id, &TRAINING)?;
        }
        Ok(answer)
    }

    fn close(&mut self, channel_id: u32) {
        self.inner.close(channel_id);
    }
}

impl DvcClientProcessor for DynamicSound {}

#[derive(Debug)]
struct Handler {
    outlet: Outlet,
}

impl Handler {
    fn new(outlet: Outlet) -> Self {
        Self { outlet }
    }
}

fn is_good(format: &AudioFormat) -> bool {
    format.format == WaveFormat::PCM
        && format.bits_per_sample == 16
        && (1..=2).contains(&format.n_channels)
        && (8_000..=RATE_MAX).contains(&format.n_samples_per_sec)
        && format.n_block_align == format.n_channels * 2
}

impl RdpsndClientHandler for Handler {
    fn get_flags(&self) -> AudioFormatFlags {
        AudioFormatFlags::VOLUME
    }

    fn get_formats(&self) -> &[AudioFormat] {
        &[]
    }

    /// Only the best: some hosts take the first that they share, some the last.
    fn choose_formats(&self, offered: &[AudioFormat]) -> Vec<AudioFormat> {
        offered
            .iter()
            .filter(|format| is_good(format))
            .max_by_key(|format| (format.n_channels, format.n_samples_per_sec))
            .cloned()
            .into_iter()
            .collect()
    }

    fn wave(&mut self, format: &AudioFormat, _timestamp: u32, data: Cow<'_, [u8]>) {
        if !is_good(format) {
            return;
        }
        let mut samples = data.into_owned();
        // A block that ends within a sample would swap the channels of all that follows.
        samples.truncate(samples.len() - samples.len() % usize::from(format.n_block_align));
        self.outlet.tell(Notice::Sound(SoundNotice::Wave {
            format: (format.n_channels, format.n_samples_per_sec),
            samples,
        }));
    }

    fn playback_latency(&self) -> Duration {
        Duration::from_millis(self.outlet.sound_latency_ms())
    }

    fn set_volume(&mut self, volume: VolumePdu) {
        self.outlet.event(Event::SoundVolume {
            left: volume.volume_left,
            right: volume.volume_right,
        });
    }

    fn set_pitch(&mut self, _pitch: PitchPdu) {}

    fn close(&mut self) {
        self.outlet.tell(Notice::Sound(SoundNotice::Silence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::Outlet;

    /// Server Audio Formats and Version of xrdp 0.10 (recorded): 44.1 kHz in two channels, and
    /// 22.05 kHz.
    const XRDP_FORMATS: [u8; 64] = [
        0x07, 0, 0x3C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 5, 0, 0, //
        1, 0, 2, 0, 0x44, 0xAC, 0, 0, 0x10, 0xB1, 2, 0, 4, 0, 16, 0, 0, 0, //
        1, 0, 2, 0, 0x22, 0x56, 0, 0, 0x88, 0x58, 1, 0, 4, 0, 16, 0, 0, 0, //
        0, 0, 0, 0,
    ];
    const WAVE_INFO: [u8; 16] = [0x02, 0, 0x10, 0, 9, 0, 0, 0, 7, 0, 0, 0, 1, 2, 3, 4];
    const WAVE: [u8; 8] = [0, 0, 0, 0, 5, 6, 7, 8];

    #[test]
    fn sound_without_training_is_played_and_the_best_format_taken() {
        let (outlet, notices) = Outlet::new();
        let mut sound = channel(&outlet);
        assert!(!sound.process(&XRDP_FORMATS).unwrap().is_empty());
        assert!(sound.process(&WAVE_INFO).unwrap().is_empty());
        // The confirmation, without which a host stops.
        assert_eq!(sound.process(&WAVE).unwrap().len(), 1);
        let wave = notices.try_iter().find_map(|notice| match notice {
            Notice::Sound(SoundNotice::Wave { format, samples }) => Some((format, samples)),
            _ => None,
        });
        assert_eq!(wave, Some(((2, 44_100), vec![1, 2, 3, 4, 5, 6, 7, 8])));
    }

    #[test]
    fn training_is_confirmed_with_the_size_that_the_host_sent() {
        let confirm = training_confirm(&[0x06, 0, 4, 4, 1, 0, 0, 4, 0, 0]).unwrap();
        assert_eq!(
            confirm,
            ClientAudioOutputPdu::TrainingConfirm(TrainingConfirmPdu {
                timestamp: 1,
                pack_size: 1024,
            })
        );
        for len in 0..8 {
            assert!(training_confirm(&TRAINING[..len]).is_none());
        }
    }

    #[test]
    fn cut_messages_are_survived() {
        for message in [&XRDP_FORMATS[..], &WAVE_INFO, &TRAINING] {
            for len in 0..message.len() {
                let mut sound = channel(&Outlet::new().0);
                let _ = sound.process(&message[..len]);
                let _ = sound.process(&WAVE_INFO);
                let _ = sound.process(&WAVE[..len.min(8)]);
            }
        }
    }
}
