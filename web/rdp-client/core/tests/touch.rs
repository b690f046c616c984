//! Touch input, against messages of a host that are built by hand after MS-RDPEI: no server of
//! the tests has the channel.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::{borrow::Cow, fs, path::PathBuf};

use ironrdp_core::{decode, encode_vec};
use ironrdp_pdu::{
    mcs::{McsMessage, SendDataIndication},
    x224::X224,
};
use ironrdp_rdpei::pdu::{PenFlags, RdpeiPdu, TouchContactFlags, TouchEventPdu};
use rdp_client_core::{Client, Event, FingerPhase, PenSample, fuzzing, limits::TOUCH_CONTACTS_MAX};

const DYNAMIC_CHANNEL: u16 = 1004;
/// Number of the touch channel within the dynamic one.
const TOUCH: u8 = 9;

const DOWN: TouchContactFlags = TouchContactFlags::DOWN
    .union(TouchContactFlags::INRANGE)
    .union(TouchContactFlags::INCONTACT);
const HELD: TouchContactFlags = TouchContactFlags::UPDATE
    .union(TouchContactFlags::INRANGE)
    .union(TouchContactFlags::INCONTACT);
const UP: TouchContactFlags = TouchContactFlags::UP;
const CANCELED: TouchContactFlags = TouchContactFlags::UP.union(TouchContactFlags::CANCELED);

struct Host {
    client: Client,
}

impl Host {
    /// A desktop of xrdp that has just been opened, by a viewer that offers touch.
    fn open(touch: bool) -> Self {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/xrdp-0.9-desktop.rec");
        let file = fs::read(path).unwrap();
        let recording = fuzzing::Recording::read(&file).unwrap();
        let settings = recording
            .settings
            .trim_end()
            .trim_end_matches('}')
            .to_owned();
        let mut client = Client::new(&format!("{settings},\"touch\":{touch}}}"));
        client.feed(&recording.bytes[..recording.opening_len().unwrap()]);
        client.take_events();
        client.take_output();
        Self { client }
    }

    /// A message of the dynamic channel.
    fn dynamic(&mut self, message: &[u8]) {
        let len = u32::try_from(message.len()).unwrap();
        let chunk = [&len.to_le_bytes()[..], &[3, 0, 0, 0], message].concat();
        let pdu = McsMessage::SendDataIndication(SendDataIndication {
            initiator_id: 1002,
            channel_id: DYNAMIC_CHANNEL,
            user_data: Cow::Owned(chunk),
        });
        self.client.feed(&encode_vec(&X224(pdu)).unwrap());
    }

    /// Opens the channel (MS-RDPEDYC 2.2.2.1) and says hello in a version (MS-RDPEI 2.2.3.1).
    fn begin(&mut self, version: u32) {
        self.create();
        let hello = [&[1, 0, 10, 0, 0, 0][..], &version.to_le_bytes()].concat();
        self.touch(&hello);
    }

    fn create(&mut self) {
        let name = b"Microsoft::Windows::RDS::Input\0";
        self.dynamic(&[&[0x10, TOUCH][..], name].concat());
    }

    /// A message of the touch channel.
    fn touch(&mut self, message: &[u8]) {
        self.dynamic(&[&[0x30, TOUCH][..], message].concat());
    }

    /// What the host got on the touch channel since the last call.
    fn got(&mut self) -> Vec<RdpeiPdu> {
        let output = self.client.take_output();
        let mut rest = &output[..];
        let mut got = Vec::new();
        while let [3, 0, high, low, ..] = *rest {
            let len = usize::from(u16::from_be_bytes([high, low]));
            let (pdu, others) = rest.split_at(len);
            rest = others;
            let Ok(X224(McsMessage::SendDataRequest(data))) = decode::<X224<McsMessage<'_>>>(pdu)
            else {
                continue;
            };
            if let [_, _, _, _, _, _, _, _, 0x30, TOUCH, payload @ ..] = &*data.user_data {
                got.push(decode(payload).unwrap());
            }
        }
        got
    }

    /// Number, place and flags of each contact in the one frame that the host got.
    fn frame(&mut self) -> Vec<(u8, i32, i32, TouchContactFlags)> {
        match &self.got()[..] {
            [RdpeiPdu::Touch(TouchEventPdu { frames, .. })] => {
                let [frame] = &frames[..] else {
                    panic!("{} frames", frames.len());
                };
                frame
                    .contacts
                    .iter()
                    .map(|contact| {
                        (
                            contact.contact_id,
                            contact.x,
                            contact.y,
                            contact.contact_flags,
                        )
                    })
                    .collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn finger(&mut self, id: u32, phase: FingerPhase, x: u16, y: u16) {
        self.client.finger(id, phase, x, y, 0);
    }

    fn touch_events(&mut self) -> Vec<(bool, bool)> {
        self.client
            .take_events()
            .into_iter()
            .filter_map(|event| match event {
                Event::TouchInput { fingers, pen } => Some((fingers, pen)),
                Event::End(end) => panic!("{end:?}"),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn a_host_without_the_channel_gets_no_touch() {
    let mut host = Host::open(true);
    host.finger(1, FingerPhase::Down, 10, 20);
    host.client.pen(PenSample::default());
    assert_eq!((host.got(), host.touch_events()), (vec![], vec![]));
    // Not offered: the host is told that there is no such channel.
    let mut host = Host::open(false);
    host.create();
    host.finger(1, FingerPhase::Down, 10, 20);
    assert_eq!((host.got(), host.touch_events()), (vec![], vec![]));
}

#[test]
fn fingers_become_contacts_that_each_frame_restates() {
    let mut host = Host::open(true);
    host.begin(0x0001_0000);
    assert_eq!(host.touch_events(), [(true, false)]);
    let [RdpeiPdu::CsReady(ready)] = &host.got()[..] else {
        panic!("no answer");
    };
    assert_eq!(ready.max_touch_contacts, TOUCH_CONTACTS_MAX);

    host.finger(501, FingerPhase::Down, 10, 20);
    assert_eq!(host.frame(), [(0, 10, 20, DOWN)]);
    host.finger(777, FingerPhase::Down, 300, 200);
    assert_eq!(host.frame(), [(1, 300, 200, DOWN), (0, 10, 20, HELD)]);
    host.finger(501, FingerPhase::Move, 11, 25);
    assert_eq!(host.frame(), [(0, 11, 25, HELD), (1, 300, 200, HELD)]);
    // A contact leaves where it was.
    host.finger(501, FingerPhase::Up, 99, 99);
    assert_eq!(host.frame(), [(0, 11, 25, UP), (1, 300, 200, HELD)]);
    host.finger(777, FingerPhase::Cancel, 300, 200);
    assert_eq!(host.frame(), [(1, 300, 200, CANCELED)]);
    host.finger(777, FingerPhase::Move, 1, 1);
    assert_eq!(host.got(), []);
}

#[test]
fn more_fingers_than_the_host_was_told_of_are_ignored() {
    let mut host = Host::open(true);
    host.begin(0x0001_0000);
    host.got();
    for id in 0..20 {
        host.finger(id, FingerPhase::Down, 5, 5);
    }
    let got = host.got();
    assert_eq!(got.len(), usize::from(TOUCH_CONTACTS_MAX));
    let Some(RdpeiPdu::Touch(last)) = got.last() else {
        panic!("{got:?}");
    };
    assert_eq!(
        last.frames[0].contacts.len(),
        usize::from(TOUCH_CONTACTS_MAX)
    );
}

#[test]
fn a_blur_and_an_end_take_all_contacts_back() {
    let mut host = Host::open(true);
    host.begin(0x0002_0000);
    host.got();
    let pen = PenSample {
        x: 40,
        y: 50,
        in_range: true,
        in_contact: true,
        ..PenSample::default()
    };
    let down = |host: &mut Host| {
        host.finger(1, FingerPhase::Down, 10, 20);
        host.finger(2, FingerPhase::Down, 30, 40);
        host.client.pen(pen);
        assert_eq!(host.got().len(), 3);
    };
    let expect_canceled = |host: &mut Host| {
        let got = host.got();
        let [RdpeiPdu::Touch(fingers), RdpeiPdu::Pen(pen)] = &got[..] else {
            panic!("{got:?}");
        };
        let [frame] = &fingers.frames[..] else {
            panic!("{fingers:?}");
        };
        assert!(
            frame
                .contacts
                .iter()
                .all(|contact| contact.contact_flags == CANCELED)
        );
        assert_eq!(frame.contacts.len(), 2);
        assert_eq!(
            pen.frames[0].contacts[0].contact_flags.bits(),
            CANCELED.bits()
        );
    };
    down(&mut host);
    host.client.release_all();
    expect_canceled(&mut host);
    host.client.release_all();
    assert_eq!(host.got(), [], "there is nothing left to take back");
    down(&mut host);
    host.client.shutdown();
    expect_canceled(&mut host);
}

#[test]
fn while_the_host_is_paused_only_the_ends_of_contacts_are_kept() {
    let mut host = Host::open(true);
    host.begin(0x0001_0000);
    host.got();
    host.finger(1, FingerPhase::Down, 10, 20);
    host.finger(2, FingerPhase::Down, 30, 40);
    host.got();
    host.touch(&[4, 0, 6, 0, 0, 0]);
    for at in 0..5_000 {
        host.finger(1, FingerPhase::Move, at, at);
        host.finger(100 + u32::from(at), FingerPhase::Down, at, at);
        host.finger(100 + u32::from(at), FingerPhase::Up, at, at);
    }
    host.finger(1, FingerPhase::Up, 10, 20);
    assert_eq!(host.got(), []);
    host.touch(&[5, 0, 6, 0, 0, 0]);
    assert_eq!(host.frame(), [(0, 10, 20, UP), (1, 30, 40, HELD)]);
}

#[test]
fn a_pen_hovers_presses_and_leaves() {
    let mut host = Host::open(true);
    host.begin(0x0002_0000);
    assert_eq!(host.touch_events(), [(true, true)]);
    host.got();
    let at = |x, in_range, in_contact, pressure| PenSample {
        x,
        y: 50,
        in_range,
        in_contact,
        pressure,
        tilt_x: 200,
        tilt_y: -30,
        barrel: true,
        eraser: false,
    };
    let flags = |host: &mut Host| {
        let got = host.got();
        let [RdpeiPdu::Pen(event)] = &got[..] else {
            panic!("{got:?}");
        };
        let contact = &event.frames[0].contacts[0];
        assert_eq!(contact.fields.pen_flags, Some(PenFlags::BARREL_PRESSED));
        assert_eq!(
            (contact.fields.tilt_x, contact.fields.tilt_y),
            (Some(90), Some(-30))
        );
        (
            contact.x,
            contact.contact_flags.bits(),
            contact.fields.pressure,
        )
    };
    let hover = TouchContactFlags::UPDATE | TouchContactFlags::INRANGE;
    host.client.pen(at(40, true, false, 0));
    assert_eq!(flags(&mut host), (40, hover.bits(), Some(0)));
    host.client.pen(at(41, true, true, 5_000));
    assert_eq!(flags(&mut host), (41, DOWN.bits(), Some(1024)));
    host.client.pen(at(60, true, false, 0));
    let lifted = TouchContactFlags::UP | TouchContactFlags::INRANGE;
    assert_eq!(flags(&mut host), (41, lifted.bits(), Some(0)));
    host.client.pen(at(60, false, false, 0));
    assert_eq!(
        flags(&mut host),
        (60, TouchContactFlags::UPDATE.bits(), Some(0))
    );
}

#[test]
fn a_channel_that_closes_takes_its_contacts_along() {
    let mut host = Host::open(true);
    host.begin(0x0002_0000);
    host.finger(1, FingerPhase::Down, 10, 20);
    host.dynamic(&[0x40, TOUCH]);
    assert_eq!(host.touch_events(), [(true, true), (false, false)]);
    host.got();
    host.finger(1, FingerPhase::Up, 10, 20);
    assert_eq!(host.got(), []);
    host.begin(0x0001_0000);
    host.got();
    host.finger(1, FingerPhase::Down, 10, 20);
    assert_eq!(host.frame(), [(0, 10, 20, DOWN)]);
}

#[test]
fn cut_and_absurd_messages_end_the_connection_at_worst() {
    let hello = [1, 0, 14, 0, 0, 0, 0, 0, 3, 0, 0xFF, 0xFF, 0xFF, 0xFF];
    for len in 0..hello.len() {
        let mut host = Host::open(true);
        host.begin(0x0003_0000);
        host.touch(&hello[..len]);
        host.finger(1, FingerPhase::Down, u16::MAX, u16::MAX);
        let mut invariants = fuzzing::Invariants::default();
        invariants.check(&mut host.client);
    }
}
