//! DTLS (RFC 6347): a ClientHello without a cookie, which a careful server answers with a cookie
//! and forgets.

use super::{Ask, Heard, Reading, pdu::u16_be};

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
/// As long as the record's version is not agreed on.
const DTLS_1_0: u16 = 0xfeff;
const DTLS_1_2: u16 = 0xfefd;
const RECORD_HEAD_LEN: usize = 13;
const HANDSHAKE_HEAD_LEN: usize = 12;

/// ECDHE and plain RSA, with GCM and with CBC: what servers of any age take.
const SUITES: &[u16] = &[
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xc027, 0xc028, 0xc013, 0xc014, 0x009c, 0x009d, 0x003c, 0x002f,
    0x0035,
];
const EXTENSIONS: &[u8] = &[
    0, 10, 0, 8, 0, 6, 0, 23, 0, 24, 0, 25, // curves P-256, P-384, P-521
    0, 11, 0, 2, 1, 0, // uncompressed points
    0, 13, 0, 14, 0, 12, 4, 1, 4, 3, 5, 1, 5, 3, 2, 1, 2, 3, // signatures
];

pub(super) fn opening(ask: &Ask) -> Vec<u8> {
    let mut body = DTLS_1_2.to_be_bytes().to_vec();
    body.extend(ask.nonce.repeat(4));
    // Neither session nor cookie.
    body.extend_from_slice(&[0, 0]);
    let suites: Vec<u8> = SUITES
        .iter()
        .flat_map(|suite| suite.to_be_bytes())
        .collect();
    body.extend(super::pdu::behind_u16(&suites));
    body.extend_from_slice(&[1, 0]);
    body.extend(super::pdu::behind_u16(EXTENSIONS));
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let [_, len @ ..] = len;
    let mut message = vec![CLIENT_HELLO];
    message.extend_from_slice(&len);
    // Message 0, in one piece.
    message.extend_from_slice(&[0; 5]);
    message.extend_from_slice(&len);
    message.extend(body);
    let mut out = vec![HANDSHAKE];
    out.extend_from_slice(&DTLS_1_0.to_be_bytes());
    // Epoch and sequence number.
    out.extend_from_slice(&[0; 8]);
    out.extend(super::pdu::behind_u16(&message));
    out
}

/// The first record of the answer; others may follow it.
pub(super) fn read(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let (Some(kind), Some(version), Some(len)) =
        (bytes.first(), u16_be(bytes, 1), u16_be(bytes, 11))
    else {
        return heard.unfinished();
    };
    let Some(record) = bytes.get(RECORD_HEAD_LEN..RECORD_HEAD_LEN + usize::from(len)) else {
        return heard.unfinished();
    };
    // The epoch of what is not encrypted.
    if !matches!(version, DTLS_1_0 | DTLS_1_2) || u16_be(bytes, 3) != Some(0) {
        return Reading::Wrong;
    }
    match (*kind, record) {
        (ALERT, [level @ 1..=2, alert]) => Reading::proven(format!(
            "DTLS, refuses the handshake with alert {alert} (level {level})"
        )),
        (HANDSHAKE, [HELLO_VERIFY_REQUEST, ..]) => {
            let cookie = record.get(HANDSHAKE_HEAD_LEN + 2).copied().map(usize::from);
            match cookie.is_some_and(|len| record.len() == HANDSHAKE_HEAD_LEN + 3 + len) {
                true => Reading::proven("DTLS, asks for a cookie before anything else"),
                false => Reading::Wrong,
            }
        }
        (HANDSHAKE, [SERVER_HELLO, ..]) => match u16_be(record, HANDSHAKE_HEAD_LEN) {
            Some(DTLS_1_0) => Reading::proven("DTLS 1.0, begins the handshake"),
            Some(DTLS_1_2) => Reading::proven("DTLS 1.2, begins the handshake"),
            _ => Reading::Wrong,
        },
        _ => Reading::Wrong,
    }
}
