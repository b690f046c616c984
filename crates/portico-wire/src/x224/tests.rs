use proptest::prelude::*;

use super::*;

/// Request of MS-RDPBCGR 4.1.1 "Client X.224 Connection Request PDU".
const REQUEST: &[u8] = &[
    0x03, 0x00, 0x00, 0x2c, 0x27, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x43, 0x6f, 0x6f, 0x6b, 0x69,
    0x65, 0x3a, 0x20, 0x6d, 0x73, 0x74, 0x73, 0x68, 0x61, 0x73, 0x68, 0x3d, 0x65, 0x6c, 0x74, 0x6f,
    0x6e, 0x73, 0x0d, 0x0a, 0x01, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
];
/// Confirm of MS-RDPBCGR 4.1.2 "Server X.224 Connection Confirm PDU".
const CONFIRM: &[u8] = &[
    0x03, 0x00, 0x00, 0x13, 0x0e, 0xd0, 0x00, 0x00, 0x12, 0x34, 0x00, 0x02, 0x00, 0x08, 0x00, 0x00,
    0x00, 0x00, 0x00,
];

#[test]
fn the_examples_of_the_specification_are_read_and_written() {
    let request = ConnectionRequest {
        cookie: Some(b"Cookie: mstshash=eltons".to_vec()),
        negotiation: Some(NegotiationRequest::default()),
    };
    assert_eq!(ConnectionRequest::decode(REQUEST), Ok(request.clone()));
    assert_eq!(request.encode().unwrap(), REQUEST);
    let confirm = ConnectionConfirm {
        negotiation: NegotiationResponse::Selected {
            flags: 0,
            protocol: SecurityProtocols::RDP,
        },
    };
    assert_eq!(ConnectionConfirm::decode(CONFIRM), Ok(confirm));
    assert_eq!(confirm.encode(), CONFIRM);
}

#[test]
fn a_packet_cut_at_any_length_is_refused_and_never_half_read() {
    for whole in [REQUEST, CONFIRM] {
        for len in 0..whole.len() {
            let cut = &whole[..len];
            assert!(ConnectionRequest::decode(cut).is_err(), "{len}");
            assert!(ConnectionConfirm::decode(cut).is_err(), "{len}");
            let framed = frame_len(cut).unwrap();
            assert_eq!(framed, (len >= TPKT_LEN).then_some(whole.len()), "{len}");
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert!(ConnectionRequest::decode(&longer).is_err());
        assert!(ConnectionConfirm::decode(&longer).is_err());
    }
}

#[test]
fn a_body_cut_with_lengths_put_right_is_refused() {
    let with_correlation = ConnectionRequest {
        cookie: Some(b"Cookie: mstshash=a".to_vec()),
        negotiation: Some(NegotiationRequest {
            correlation_id: Some([7; 16]),
            ..Default::default()
        }),
    }
    .encode()
    .unwrap();
    // The places where a shorter packet is a whole one: no body, and after the cookie.
    let after_cookie = TPKT_LEN + X224_LEN + b"Cookie: mstshash=a\r\n".len();
    for len in TPKT_LEN + X224_LEN..with_correlation.len() {
        let mut cut = with_correlation[..len].to_vec();
        cut[3] = u8::try_from(len).unwrap();
        cut[4] = u8::try_from(len - 5).unwrap();
        let whole = len == TPKT_LEN + X224_LEN || len == after_cookie;
        assert_eq!(ConnectionRequest::decode(&cut).is_ok(), whole, "{len}");
    }
}

#[test]
fn damaged_headers_are_refused_with_what_is_wrong() {
    let damaged = |place: usize, value: u8| {
        let mut packet = CONFIRM.to_vec();
        packet[place] = value;
        ConnectionConfirm::decode(&packet).unwrap_err()
    };
    assert_eq!(damaged(0, b'S'), X224Error::Version(b'S'));
    assert_eq!(damaged(2, 1), X224Error::Length(0x113));
    assert_eq!(damaged(3, 10), X224Error::Length(10));
    assert_eq!(damaged(4, 0x0d), X224Error::Indicator(0x0d));
    assert_eq!(damaged(5, 0xe0), X224Error::Type(0xe0));
    assert_eq!(damaged(10, 2), X224Error::Class(2));
    assert_eq!(damaged(11, 9), X224Error::Structure { kind: 9 });
    assert_eq!(damaged(13, 9), X224Error::Structure { kind: 2 });
}

#[test]
fn a_cookie_is_one_line_within_its_limit() {
    let encode = |cookie: &[u8]| {
        let negotiation = Some(NegotiationRequest {
            correlation_id: Some([1; 16]),
            ..Default::default()
        });
        ConnectionRequest {
            cookie: Some(cookie.to_vec()),
            negotiation,
        }
        .encode()
    };
    let longest = encode(&[b'a'; COOKIE_LEN_MAX]).unwrap();
    assert_eq!(longest.len(), PACKET_LEN_MAX);
    assert!(ConnectionRequest::decode(&longest).is_ok());
    for wrong in [
        &[b'a'; COOKIE_LEN_MAX + 1][..],
        b"a\r\nb",
        b"a\nb",
        b"",
        b"\x01a",
    ] {
        assert_eq!(encode(wrong), Err(X224Error::Cookie), "{wrong:?}");
    }
}

#[test]
fn unknown_failure_codes_are_kept() {
    for code in 0..10 {
        let confirm = ConnectionConfirm {
            negotiation: NegotiationResponse::Failed {
                code: FailureCode::from_code(code),
            },
        };
        assert_eq!(ConnectionConfirm::decode(&confirm.encode()), Ok(confirm));
        assert_eq!(FailureCode::from_code(code).code(), code);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        cookie in proptest::option::of(proptest::collection::vec(0x20..=0x7e_u8, 1..=COOKIE_LEN_MAX)),
        negotiation in proptest::option::of((any::<u8>(), any::<u32>(), any::<Option<[u8; 16]>>())),
    ) {
        let negotiation = negotiation.map(|(flags, protocols, correlation_id)| NegotiationRequest {
            flags: flags & !CORRELATION_PRESENT,
            protocols: SecurityProtocols(protocols),
            correlation_id,
        });
        let request = ConnectionRequest { cookie, negotiation };
        prop_assert_eq!(ConnectionRequest::decode(&request.encode().unwrap()), Ok(request));
    }

    #[test]
    fn any_bytes_hold_the_oracle(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::x224(&bytes);
        // Random bytes seldom pass the header; give them a right one too.
        let len = bytes.len().clamp(11, PACKET_LEN_MAX);
        bytes.resize(len, 0);
        let indicator = u8::try_from(len - 5).unwrap();
        let head = [3, 0, u8::try_from(len >> 8).unwrap(), u8::try_from(len & 0xff).unwrap(), indicator];
        bytes[..5].copy_from_slice(&head);
        for kind in [0xe0, 0xd0] {
            bytes[5] = kind;
            bytes[10] = 0;
            crate::fuzzing::x224(&bytes);
        }
    }
}
