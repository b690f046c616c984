use proptest::prelude::*;

use super::*;

/// Events with owned payloads; parts of one message are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(CloseFrame),
}

/// Feeds the parts one after the other.
fn decode_parts(
    decoder: &mut Decoder,
    parts: impl IntoIterator<Item = Vec<u8>>,
) -> Result<Vec<Seen>, DecodeError> {
    let mut seen = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    for mut part in parts {
        let mut input = part.as_mut_slice();
        while let Some(event) = decoder.decode(&mut input)? {
            match event {
                Event::Data { kind, payload, end } => {
                    let mut message = open.take().unwrap_or_default();
                    message.extend_from_slice(payload);
                    if end {
                        seen.push(Seen::Message(kind, message));
                    } else {
                        open = Some(message);
                    }
                }
                Event::Ping(payload) => seen.push(Seen::Ping(payload.as_ref().to_vec())),
                Event::Pong(payload) => seen.push(Seen::Pong(payload.as_ref().to_vec())),
                Event::Close(close) => seen.push(Seen::Close(close)),
            }
        }
        assert!(input.is_empty(), "bytes were left");
    }
    Ok(seen)
}

fn decode_whole(role: Role, bytes: &[u8]) -> Result<Vec<Seen>, DecodeError> {
    decode_parts(&mut Decoder::new(role, 1 << 20), [bytes.to_vec()])
}

#[test]
fn examples_of_rfc_6455_section_5_7_decode() {
    let hello = || Seen::Message(MessageKind::Text, b"Hello".to_vec());
    let cases: [(Role, &[u8], Vec<Seen>); 5] = [
        (
            Role::Client,
            &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
            vec![hello()],
        ),
        (
            Role::Server,
            &[
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
            ],
            vec![hello()],
        ),
        (
            Role::Client,
            &[0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f],
            vec![hello()],
        ),
        (
            Role::Client,
            &[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
            vec![Seen::Ping(b"Hello".to_vec())],
        ),
        (
            Role::Server,
            &[
                0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
            ],
            vec![Seen::Pong(b"Hello".to_vec())],
        ),
    ];
    for (role, bytes, expected) in cases {
        assert_eq!(decode_whole(role, bytes).unwrap(), expected);
    }
    let mut long = vec![0x82, 0x7e, 0x01, 0x00];
    long.extend([7; 256]);
    assert_eq!(
        decode_whole(Role::Client, &long).unwrap(),
        vec![Seen::Message(MessageKind::Binary, vec![7; 256])]
    );
    let mut longer = vec![0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
    longer.extend(vec![7; 65536]);
    assert_eq!(
        decode_whole(Role::Client, &longer).unwrap(),
        vec![Seen::Message(MessageKind::Binary, vec![7; 65536])]
    );
    assert_eq!(encode_frame(Opcode::Binary, None, &[7; 256]), long);
    assert_eq!(encode_frame(Opcode::Binary, None, &[7; 65536]), longer);
}

#[test]
fn broken_frames_are_refused_with_the_right_code() {
    let cases: [(&[u8], DecodeError); 11] = [
        (&[0xc2, 0x80, 0, 0, 0, 0], HeaderError::ReservedBit.into()),
        (
            &[0x83, 0x80, 0, 0, 0, 0],
            HeaderError::UnknownOpcode(3).into(),
        ),
        (
            &[0x82, 0xfe, 0, 125, 0, 0, 0, 0],
            HeaderError::Length.into(),
        ),
        (
            &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0],
            HeaderError::Length.into(),
        ),
        (
            &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            HeaderError::Length.into(),
        ),
        (&[0x09, 0x80, 0, 0, 0, 0], HeaderError::Control.into()),
        (&[0x89, 0xfe, 0, 126], HeaderError::Control.into()),
        (&[0x82, 0x00], DecodeError::Masking),
        (&[0x80, 0x80, 0, 0, 0, 0], DecodeError::Fragments),
        (
            &[0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0],
            DecodeError::Fragments,
        ),
        (&[0x88, 0x81, 0, 0, 0, 0, 3], DecodeError::Close),
    ];
    for (bytes, expected) in cases {
        let error = decode_whole(Role::Server, bytes).unwrap_err();
        assert_eq!(error, expected, "{bytes:x?}");
        assert_eq!(error.close_code(), CloseCode::PROTOCOL);
    }
    let error = decode_parts(
        &mut Decoder::new(Role::Server, 4),
        [encode_frame(Opcode::Binary, Some([1; 4]), b"12345")],
    )
    .unwrap_err();
    assert_eq!(error, DecodeError::TooLong { len: 5, max: 4 });
    assert_eq!(error.close_code(), CloseCode::TOO_BIG);
}

#[test]
fn nothing_may_follow_a_close_frame() {
    let mut bytes = encode_frame(
        Opcode::Close,
        Some([1, 2, 3, 4]),
        &CloseFrame::new(CloseCode::NORMAL, "done").encode(),
    );
    assert_eq!(
        decode_whole(Role::Server, &bytes).unwrap(),
        vec![Seen::Close(CloseFrame::new(CloseCode::NORMAL, "done"))]
    );
    bytes.push(0x82);
    assert_eq!(
        decode_whole(Role::Server, &bytes),
        Err(DecodeError::AfterClose)
    );
}

#[test]
fn close_payloads_keep_to_the_rules() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        assert_eq!(CloseCode::new(code), None, "{code}");
    }
    assert!(CloseFrame::decode(&[0x03, 0xe8, 0xff]).is_none());
    let long = CloseFrame::new(CloseCode::NORMAL, &"ä".repeat(100));
    assert_eq!(long.encode().len(), 2 + 122);
    assert_eq!(CloseFrame::decode(&long.encode()), Some(long));
}

#[test]
fn a_stream_decodes_the_same_when_cut_anywhere() {
    let mask = Some([0x37, 0xfa, 0x21, 0x3d]);
    let mut stream = encode_frame(Opcode::Binary, mask, b"first message");
    let mut fragment = encode_frame(Opcode::Text, mask, b"sec");
    fragment[0] &= 0x7f;
    stream.extend(&fragment);
    stream.extend(encode_frame(Opcode::Ping, mask, b"between"));
    stream.extend(encode_frame(Opcode::Continuation, mask, b"ond"));
    stream.extend(encode_frame(Opcode::Binary, mask, &[9; 200]));
    stream.extend(encode_frame(Opcode::Binary, mask, b""));
    stream.extend(encode_frame(Opcode::Close, mask, &[]));
    let whole = decode_whole(Role::Server, &stream).unwrap();
    assert_eq!(whole.len(), 6);
    for cut in 0..=stream.len() {
        let (front, back) = stream.split_at(cut);
        let parts = [front.to_vec(), back.to_vec()];
        let mut decoder = Decoder::new(Role::Server, 1 << 20);
        assert_eq!(decode_parts(&mut decoder, parts).unwrap(), whole, "{cut}");
        // What is cut off is missed, but nothing wrong is said.
        let seen = decode_whole(Role::Server, front).unwrap();
        assert_eq!(seen, whole[..seen.len()]);
    }
    let bytes = stream.iter().map(|byte| vec![*byte]);
    let mut decoder = Decoder::new(Role::Server, 1 << 20);
    assert_eq!(decode_parts(&mut decoder, bytes).unwrap(), whole);
}

#[test]
fn headers_are_incomplete_at_every_length_before_their_end() {
    for payload_len in [0, 125, 126, 65535, 65536, u64::MAX >> 1] {
        for mask in [None, Some([1, 2, 3, 4])] {
            let header = FrameHeader {
                fin: true,
                opcode: Opcode::Binary,
                mask,
                payload_len,
            };
            let bytes = header.encode();
            let bytes = bytes.as_ref();
            for len in 0..bytes.len() {
                assert_eq!(FrameHeader::decode(&bytes[..len]), Ok(None));
            }
            assert_eq!(FrameHeader::decode(bytes), Ok(Some((header, bytes.len()))));
        }
    }
}

proptest! {
    #[test]
    fn masking_is_bytewise_and_its_own_inverse(
        payload in proptest::collection::vec(any::<u8>(), 0..100),
        key: [u8; 4],
        offset in 0_u16..9,
    ) {
        let mut masked = payload.clone();
        apply_mask(&mut masked, key, offset.into());
        for (place, (plain, masked)) in payload.iter().zip(&masked).enumerate() {
            prop_assert_eq!(plain ^ masked, key[(place + usize::from(offset)) % 4]);
        }
        apply_mask(&mut masked, key, offset.into());
        prop_assert_eq!(masked, payload);
    }

    #[test]
    fn frames_come_back_as_they_were(
        payload in proptest::collection::vec(any::<u8>(), 0..2000),
        key: [u8; 4],
        cut in 0_usize..2014,
    ) {
        let frame = encode_frame(Opcode::Binary, Some(key), &payload);
        let (front, back) = frame.split_at(cut.min(frame.len()));
        let seen = decode_parts(
            &mut Decoder::new(Role::Server, 2000),
            [front.to_vec(), back.to_vec()],
        )
        .unwrap();
        prop_assert_eq!(seen, vec![Seen::Message(MessageKind::Binary, payload)]);
    }

    #[test]
    fn any_bytes_keep_the_oracle(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::websocket(&bytes);
    }

    #[test]
    fn almost_right_bytes_keep_the_oracle(
        sample in 0..SAVED.len(),
        at in 0_usize..40,
        byte: u8,
        twice: bool,
    ) {
        let mut bytes = SAVED[sample].to_vec();
        if twice {
            bytes.extend_from_slice(SAVED[sample]);
        }
        let at = at % bytes.len();
        bytes[at] = byte;
        crate::fuzzing::websocket(&bytes);
    }
}

/// Input saved for the fuzz target.
const SAVED: [&[u8]; 3] = [
    include_bytes!("../../tests/corpus/websocket/fragments-with-ping"),
    include_bytes!("../../tests/corpus/websocket/huge-length"),
    include_bytes!("../../tests/corpus/websocket/close-with-reason"),
];

#[test]
fn saved_input_keeps_the_oracle_at_every_length() {
    for bytes in SAVED {
        for len in 0..=bytes.len() {
            crate::fuzzing::websocket(&bytes[..len]);
        }
    }
}
