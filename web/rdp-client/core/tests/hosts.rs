//! What a host may do to a client, made from recordings of well-behaved ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::{borrow::Cow, fs, path::PathBuf};

use ironrdp_core::encode_vec;
use ironrdp_pdu::{
    mcs::{DisconnectProviderUltimatum, DisconnectReason, McsMessage, SendDataIndication},
    x224::X224,
};
use rdp_client_core::{Client, End, EndCode, Event, fuzzing};

/// Channels of the recording of xrdp 0.9: graphics and errors, then the dynamic channels.
const IO_CHANNEL: u16 = 1003;
const DYNAMIC_CHANNEL: u16 = 1004;

fn file(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    fs::read(folder.join(name)).unwrap()
}

fn end(client: &mut Client) -> Option<End> {
    client
        .take_events()
        .into_iter()
        .find_map(|event| match event {
            Event::End(end) => Some(end),
            _ => None,
        })
}

/// A client whose desktop has just been opened.
fn open(name: &str) -> Client {
    let file = file(name);
    let recording = fuzzing::Recording::read(&file).unwrap();
    let mut client = Client::new(&recording.settings);
    client.feed(&recording.bytes[..recording.opening_len().unwrap()]);
    assert_eq!(end(&mut client), None);
    client
}

fn indication(channel_id: u16, user_data: &[u8]) -> Vec<u8> {
    encode_vec(&X224(McsMessage::SendDataIndication(SendDataIndication {
        initiator_id: 1002,
        channel_id,
        user_data: Cow::Borrowed(user_data),
    })))
    .unwrap()
}

/// A Set Error Info PDU (MS-RDPBCGR 2.2.5.1).
fn error_info(code: u32) -> Vec<u8> {
    let mut bytes = vec![
        22, 0, 0x17, 0, 0xEA, 3, 0xEA, 3, 1, 0, 0, 1, 4, 0, 0x2F, 0, 0, 0,
    ];
    bytes.extend(code.to_le_bytes());
    indication(IO_CHANNEL, &bytes)
}

/// Replays a recording in which the bytes after the first `pattern` are replaced.
fn replay_with(name: &str, pattern: &[u8], replacement: &[u8]) -> Option<End> {
    let mut file = file(name);
    let at = file
        .windows(pattern.len())
        .position(|window| window == pattern)
        .unwrap()
        + pattern.len();
    file[at..at + replacement.len()].copy_from_slice(replacement);
    let recording = fuzzing::Recording::read(&file).unwrap();
    let mut client = Client::new(&recording.settings);
    client.feed(&recording.bytes);
    end(&mut client)
}

#[test]
fn what_the_host_says_about_an_end_is_passed_on() {
    for (code, expected) in [
        (0x05, EndCode::TakenOver),
        (0x0C, EndCode::LoggedOff),
        (0x02, EndCode::EndedByAdministrator),
    ] {
        let mut client = open("xrdp-0.9-desktop.rec");
        client.feed(&error_info(code));
        let end = end(&mut client).unwrap();
        assert_eq!((end.code, end.error_info), (expected, Some(code)));
        client.feed(&error_info(code));
        assert!(client.take_events().is_empty(), "nothing after the end");
    }
}

#[test]
fn a_host_that_closes_without_a_word_is_told_from_one_that_says_why() {
    let ultimatum = McsMessage::DisconnectProviderUltimatum(
        DisconnectProviderUltimatum::from_reason(DisconnectReason::ProviderInitiated),
    );
    let mut client = open("xrdp-0.9-desktop.rec");
    client.feed(&encode_vec(&X224(ultimatum)).unwrap());
    assert_eq!(end(&mut client).unwrap().code, EndCode::HostClosed);
}

#[test]
fn harmless_messages_that_the_layers_below_do_not_know_do_no_harm() {
    let mut client = open("xrdp-0.9-desktop.rec");
    // Play Sound, Set Keyboard IME Status, Set Keyboard Indicators with Caps Lock.
    for (kind, payload) in [
        (0x22_u8, &[1_u8, 0, 0, 0, 1, 0, 0, 0][..]),
        (0x2D, &[0; 10]),
        (0x29, &[0, 0, 4, 0]),
    ] {
        let len = u8::try_from(18 + payload.len()).unwrap();
        let head = [
            len, 0, 0x17, 0, 0xEA, 3, 0xEA, 3, 1, 0, 0, 1, 0, 0, kind, 0, 0, 0,
        ];
        client.feed(&indication(IO_CHANNEL, &[&head[..], payload].concat()));
    }
    let events = client.take_events();
    assert!(
        events.contains(&Event::KeyboardLeds {
            scroll: false,
            num: false,
            caps: true,
            kana: false,
        }),
        "{events:?}"
    );
    assert!(!events.iter().any(|event| matches!(event, Event::End(_))));
}

#[test]
fn absurd_sizes_end_the_connection_and_take_no_memory() {
    // Bitmap capability set of the Demand Active PDU (MS-RDPBCGR 2.2.7.1.2): desktop size.
    let bitmap = [2, 0, 0x1C, 0, 0x20, 0, 1, 0, 1, 0, 1, 0];
    let end = replay_with("xrdp-0.9-desktop.rec", &bitmap, &[0xFF; 4]).unwrap();
    assert_eq!(end.code, EndCode::Limit, "{end:?}");
    // Reset Graphics (MS-RDPEGFX 2.2.2.14): 32766 x 32766, then 16384 x 16384.
    let reset = [0x0E, 0, 0, 0, 0x54, 1, 0, 0];
    for size in [[0xFE, 0x7F, 0, 0], [0, 0x40, 0, 0]] {
        let both = [size, size].concat();
        let end = replay_with("grd-43-progressive.rec", &reset, &both).unwrap();
        assert_eq!(end.code, EndCode::Limit, "{end:?}");
    }
}

#[test]
fn a_channel_message_that_would_fill_the_memory_is_refused_at_its_first_part() {
    let mut client = open("xrdp-0.9-desktop.rec");
    let head = [&0x7FFF_FFFF_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0; 100]].concat();
    client.feed(&indication(DYNAMIC_CHANNEL, &head));
    assert_eq!(end(&mut client).unwrap().code, EndCode::Limit);
}

#[test]
fn messages_of_channels_before_the_desktop_is_open_are_kept_or_refused() {
    let file = file("xrdp-0.9-desktop.rec");
    let recording = fuzzing::Recording::read(&file).unwrap();
    // The Demand Active PDU: everything before it is the connect sequence up to the licence.
    let demand = [0x11, 0, 0xEF, 3];
    let licensed = recording
        .bytes
        .windows(4)
        .position(|window| window[..2] == demand[..2] && window[3] == 3 && window[2] > 0xE0)
        .unwrap();
    // Back to the TPKT header.
    let at = recording.bytes[..licensed]
        .windows(2)
        .rposition(|window| window == [3, 0])
        .unwrap();
    let chunk = [&8_u32.to_le_bytes()[..], &[3, 0, 0, 0], &[0x70; 8]].concat();
    let early = indication(DYNAMIC_CHANNEL, &chunk);
    let mut client = Client::new(&recording.settings);
    client.feed(&recording.bytes[..at]);
    let mut sent = 0;
    let end = loop {
        client.feed(&early);
        sent += early.len();
        if let Some(end) = end(&mut client) {
            break end;
        }
        assert!(sent < 1 << 20, "there is a limit");
    };
    assert_eq!(end.code, EndCode::Limit);
}

#[test]
fn the_viewer_ends_a_connection_in_order() {
    let mut client = open("xrdp-0.9-desktop.rec");
    client.key(0x1D, false, true);
    client.take_output();
    client.shutdown();
    let output = client.take_output();
    // The key is let go of, then the Disconnect Provider Ultimatum goes: reason 3.
    assert_eq!(
        output[output.len() - 9..],
        [3, 0, 0, 9, 2, 0xF0, 0x80, 0x21, 0x80]
    );
    assert!(output.len() > 9);
    assert_eq!(end(&mut client).unwrap().code, EndCode::Closed);
    client.shutdown();
    client.feed(&[0; 10]);
    client.key(0x1D, false, true);
    assert!(client.take_events().is_empty() && client.take_output().is_empty());
}
