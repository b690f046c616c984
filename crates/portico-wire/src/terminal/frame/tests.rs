use proptest::prelude::*;

use super::super::framing;
use super::*;

fn encoded(frame: &ViewerFrame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame.encode(&mut out).unwrap();
    out
}

fn encoded_engine(frame: &EngineFrame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame.encode(&mut out).unwrap();
    out
}

#[test]
fn frames_have_these_bytes() {
    let hello = ViewerFrame::Hello {
        cols: 80,
        rows: 24,
        received: 0x0102_0304_0506_0708,
        ticket: "b1.abc",
    };
    assert_eq!(
        encoded(&hello),
        b"\x00\x01\x00\x50\x00\x18\x01\x02\x03\x04\x05\x06\x07\x08\x00\x06b1.abc"
    );
    assert_eq!(encoded(&ViewerFrame::Input(b"ls\r")), b"\x01ls\r");
    let resize = ViewerFrame::Resize { cols: 300, rows: 2 };
    assert_eq!(encoded(&resize), b"\x02\x01\x2c\x00\x02");
    assert_eq!(
        encoded(&ViewerFrame::Ack { received: 258 }),
        b"\x03\x00\x00\x00\x00\x00\x00\x01\x02"
    );
    assert_eq!(encoded(&ViewerFrame::Disconnect), b"\x04");
    assert_eq!(encoded(&ViewerFrame::End), b"\x05");
    let opened = EngineFrame::Opened {
        start: 5,
        resumed: true,
    };
    assert_eq!(
        encoded_engine(&opened),
        b"\x80\x00\x00\x00\x00\x00\x00\x00\x05\x01"
    );
    assert_eq!(encoded_engine(&EngineFrame::Output(b"hi")), b"\x81hi");
    let exited = EngineFrame::Exited {
        status: -1,
        signal: "KILL",
    };
    assert_eq!(encoded_engine(&exited), b"\x82\xff\xff\xff\xff\x04KILL");
    assert_eq!(encoded_engine(&EngineFrame::Refused("{}")), b"\x83{}");
    assert_eq!(
        encoded_engine(&EngineFrame::Closed(EndReason::TakenOver)),
        b"\x84taken-over"
    );
}

#[test]
fn a_frame_cut_at_any_length_is_refused() {
    let hello = encoded(&ViewerFrame::Hello {
        cols: 80,
        rows: 24,
        received: 9,
        ticket: "broker.secret",
    });
    let fixed = [
        hello,
        encoded(&ViewerFrame::Resize { cols: 80, rows: 24 }),
        encoded(&ViewerFrame::Ack { received: 1 }),
    ];
    for frame in &fixed {
        for len in 0..frame.len() {
            let result = ViewerFrame::decode(&frame[..len]);
            assert!(result.is_err(), "{len} of {frame:?}: {result:?}");
        }
    }
    let fixed = [
        encoded_engine(&EngineFrame::Opened {
            start: 1,
            resumed: false,
        }),
        encoded_engine(&EngineFrame::Exited {
            status: 0,
            signal: "TERM",
        }),
        encoded_engine(&EngineFrame::Closed(EndReason::HostLost)),
    ];
    for frame in &fixed {
        for len in 0..frame.len() {
            let result = EngineFrame::decode(&frame[..len]);
            assert!(result.is_err(), "{len} of {frame:?}: {result:?}");
        }
    }
}

#[test]
fn unknown_types_and_those_of_the_other_side_are_refused() {
    for kind in 0..=u8::MAX {
        let frame = [kind, 0, 0];
        if kind > TYPE_END {
            let error = ViewerFrame::decode(&frame).unwrap_err();
            assert_eq!(error, FrameError::UnknownType { kind });
        }
        if !(TYPE_OPENED..=TYPE_CLOSED).contains(&kind) {
            let error = EngineFrame::decode(&frame).unwrap_err();
            assert_eq!(error, FrameError::UnknownType { kind });
        }
    }
    assert_eq!(ViewerFrame::decode(&[]), Err(FrameError::Empty));
    assert_eq!(EngineFrame::decode(&[]), Err(FrameError::Empty));
}

#[test]
fn fields_outside_their_range_are_refused() {
    let check = |bytes: &[u8], words: &str| {
        let error = ViewerFrame::decode(bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check(b"\x02\x00\x00\x00\x18", "0 columns or rows");
    check(b"\x02\x00\x50\xff\xff", "65535 columns or rows");
    check(b"\x00\x02\x00\x50\x00\x18", "version 2");
    check(b"\x04x", "1 bytes too many");
    check(
        b"\x00\x01\x00\x50\x00\x18\0\0\0\0\0\0\0\0\x00\x01\xff",
        "ticket is not UTF-8",
    );
    check(
        b"\x00\x01\x00\x50\x00\x18\0\0\0\0\0\0\0\0\xff\xff",
        "65535 bytes, at most 256",
    );
    assert!(EngineFrame::decode(b"\x80\0\0\0\0\0\0\0\0\x02").is_err());
    assert!(EngineFrame::decode(b"\x84bored").is_err());
    assert!(EngineFrame::decode(b"\x83\xff").is_err());
}

#[test]
fn limits_hold_at_their_edges_in_both_directions() {
    let mut input = vec![b'x'; 1 + INPUT_LEN_MAX];
    input[0] = TYPE_INPUT;
    assert!(ViewerFrame::decode(&input).is_ok());
    input.push(b'x');
    assert!(ViewerFrame::decode(&input).is_err());
    let mut out = Vec::new();
    assert!(ViewerFrame::Input(&input).encode(&mut out).is_err());
    let mut output = vec![b'x'; 1 + OUTPUT_LEN_MAX];
    output[0] = TYPE_OUTPUT;
    assert!(EngineFrame::decode(&output).is_ok());
    output.push(b'x');
    assert!(EngineFrame::decode(&output).is_err());
    assert!(EngineFrame::Output(&output).encode(&mut out).is_err());
    assert!(out.is_empty(), "a refused frame leaves nothing behind");
}

fn viewer_frames() -> impl Strategy<Value = (u8, u16, u16, u64, Vec<u8>, String)> {
    (
        0u8..6,
        SIDE_RANGE,
        SIDE_RANGE,
        any::<u64>(),
        proptest::collection::vec(any::<u8>(), 0..200),
        "[a-z0-9.]{0,64}",
    )
}

proptest! {
    #[test]
    fn viewer_frames_survive_the_stream((kind, cols, rows, received, bytes, ticket) in viewer_frames()) {
        let frame = match kind {
            0 => ViewerFrame::Hello { cols, rows, received, ticket: &ticket },
            1 => ViewerFrame::Input(&bytes),
            2 => ViewerFrame::Resize { cols, rows },
            3 => ViewerFrame::Ack { received },
            4 => ViewerFrame::Disconnect,
            _ => ViewerFrame::End,
        };
        let mut stream = Vec::new();
        framing::append(&mut stream, |out| frame.encode(out)).unwrap();
        for len in 0..stream.len() {
            prop_assert_eq!(framing::split(&stream[..len], 4096).unwrap(), None);
        }
        let len = stream.len();
        stream.extend_from_slice(b"next");
        let (got, taken) = framing::split(&stream, 4096).unwrap().unwrap();
        prop_assert_eq!(taken, len);
        prop_assert_eq!(ViewerFrame::decode(got).unwrap(), frame);
    }

    #[test]
    fn engine_frames_round_trip(
        kind in 0u8..5,
        start in any::<u64>(),
        resumed in any::<bool>(),
        status in any::<i32>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        words in "\\PC{0,8}",
        reason in 0..EndReason::ALL.len(),
    ) {
        let frame = match kind {
            0 => EngineFrame::Opened { start, resumed },
            1 => EngineFrame::Output(&bytes),
            2 => EngineFrame::Exited { status, signal: &words },
            3 => EngineFrame::Refused(&words),
            _ => EngineFrame::Closed(EndReason::ALL[reason]),
        };
        let stream = encoded_engine(&frame);
        prop_assert_eq!(EngineFrame::decode(&stream).unwrap(), frame);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        crate::fuzzing::terminal(&bytes);
    }
}

#[test]
fn a_stream_with_a_wrong_length_is_refused_before_it_is_read() {
    assert_eq!(framing::split(b"\0\0\0", 8), Ok(None));
    assert_eq!(framing::split(b"\0\0\0\0", 8), Err(FrameError::Empty));
    assert!(matches!(
        framing::split(b"\0\0\0\x09", 8),
        Err(FrameError::TooLong { len: 9, max: 8, .. })
    ));
    assert_eq!(framing::split(b"\0\0\0\x08", 8), Ok(None));
}

/// A thousand mutations from a seed, where no fuzzer runs.
#[test]
fn mutated_frames_are_decoded_or_refused() {
    let mut seeds = vec![
        b"\x00\x01\x00\x50\x00\x18\0\0\0\0\0\0\0\x09\x00\x03b.t".to_vec(),
        b"\x01ls\r".to_vec(),
        b"\x02\x01\x2c\x00\x02".to_vec(),
        b"\x03\0\0\0\0\0\0\x01\x02".to_vec(),
        b"\x80\0\0\0\0\0\0\0\x05\x01".to_vec(),
        b"\x81hello".to_vec(),
        b"\x82\xff\xff\xff\xff\x04KILL".to_vec(),
        b"\x83{}".to_vec(),
        b"\x84taken-over".to_vec(),
        b"\x7e{\"do\":\"list\"}".to_vec(),
    ];
    let mut stream = Vec::new();
    for seed in &seeds {
        framing::append_raw(&mut stream, seed).unwrap();
    }
    seeds.push(stream);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        // xorshift64: the same mutations in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    for _ in 0..1000 {
        let mut bytes = seeds[random(seeds.len())].clone();
        for _ in 0..=random(4) {
            let place = random(bytes.len());
            match random(4) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, u8::try_from(random(256)).unwrap()),
                2 => bytes.extend_from_within(place..),
                _ => {
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte = u8::try_from(random(256)).unwrap();
                    }
                }
            }
        }
        crate::fuzzing::terminal(&bytes);
    }
}
