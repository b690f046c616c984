//! Kerberos (RFC 4120) and its password service (RFC 3244): a question for nobody's ticket. Any
//! error of the KDC is the proof.

use super::{
    Ask, Heard, OWN_NAME, Over, Proof, Reading,
    ber::{self, Element, SEQUENCE},
    pdu::{self, u16_be, u32_be},
    shown,
};

const AS_REQ: u8 = 0x6a;
const AS_REP: u8 = 0x6b;
const KRB_ERROR: u8 = 0x7e;
const AP_REQ: u8 = 0x6e;
const GENERAL_STRING: u8 = 0x1b;
const GENERALIZED_TIME: u8 = 0x18;
const BIT_STRING: u8 = 0x03;
/// Realm that is asked for where the host has an address and no name.
const NO_REALM: &str = "PORTICO.INVALID";

/// Context tag `[n]` around an element.
fn tagged(number: u8, content: Vec<u8>) -> Vec<u8> {
    ber::element(0xa0 | number, &content)
}

fn name(kind: u32, parts: &[&str]) -> Vec<u8> {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| ber::element(GENERAL_STRING, part.as_bytes()))
        .collect();
    ber::of(
        SEQUENCE,
        &[
            tagged(0, ber::integer(kind)),
            tagged(1, ber::of(SEQUENCE, &parts)),
        ],
    )
}

/// The realm that the host's name is in by custom.
fn realm(host: &str) -> String {
    let domain = host.split_once('.').map(|(_, domain)| domain);
    let is_name = |domain: &&str| {
        domain.len() <= 253
            && domain.chars().any(|c| c.is_ascii_alphabetic())
            && domain
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
    };
    domain
        .filter(is_name)
        .map_or_else(|| NO_REALM.into(), str::to_ascii_uppercase)
}

pub(super) fn opening(ask: &Ask) -> Vec<u8> {
    let realm = realm(&ask.host);
    let nonce = u32_be(&ask.nonce, 0).unwrap_or(1) & 0x7fff_ffff;
    let etypes = [18, 17, 23].map(ber::integer);
    let body = ber::of(
        SEQUENCE,
        &[
            tagged(0, ber::element(BIT_STRING, &[0, 0x40, 0x81, 0, 0x10])),
            tagged(1, name(1, &[OWN_NAME])),
            tagged(2, ber::element(GENERAL_STRING, realm.as_bytes())),
            tagged(3, name(2, &["krbtgt", &realm])),
            tagged(5, ber::element(GENERALIZED_TIME, b"20370913024805Z")),
            tagged(7, ber::integer(nonce)),
            tagged(8, ber::of(SEQUENCE, &etypes)),
        ],
    );
    let request = ber::of(
        SEQUENCE,
        &[
            tagged(1, ber::integer(5)),
            tagged(2, ber::integer(10)),
            tagged(4, body),
        ],
    );
    let request = ber::element(AS_REQ, &request);
    match ask.over {
        Over::Stream => pdu::behind_u32(&request),
        Over::Datagram => request,
    }
}

/// The message, without the length that it has over TCP.
enum Message<'a> {
    Short,
    Other,
    Whole(&'a [u8]),
}

/// Longest message that is awaited.
const LEN_MAX: usize = 16 << 10;

fn message<'a>(ask: &Ask, heard: Heard<'a>) -> Message<'a> {
    if ask.over == Over::Datagram {
        return Message::Whole(heard.bytes);
    }
    let Some(len) = u32_be(heard.bytes, 0) else {
        // The length is a small one.
        return match heard.bytes.first() {
            None | Some(0) => Message::Short,
            Some(_) => Message::Other,
        };
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if !(8..=LEN_MAX).contains(&len) {
        return Message::Other;
    }
    match heard.bytes.get(4..4 + len) {
        Some(message) => Message::Whole(message),
        None => Message::Short,
    }
}

pub(super) fn read(ask: &Ask, heard: Heard<'_>) -> Reading {
    let message = match message(ask, heard) {
        Message::Short => return heard.unfinished(),
        Message::Other => return Reading::Wrong,
        Message::Whole(message) => message,
    };
    match Element::first(message) {
        Some(answer) if answer.tag == AS_REP => Reading::proven("Kerberos, gives tickets"),
        Some(answer) if answer.tag == KRB_ERROR => match error(ask, answer) {
            Some(proof) => Reading::Proven(proof),
            None => Reading::Wrong,
        },
        Some(_) => Reading::Wrong,
        None => heard.unfinished(),
    }
}

/// KRB-ERROR (RFC 4120 §5.9.1).
fn error(ask: &Ask, answer: Element<'_>) -> Option<Proof> {
    let fields = Element::tagged(answer.content, SEQUENCE)?;
    let field = |number: u8| {
        let around = fields.part(0xa0 | number)?;
        Element::first(around.content)
    };
    if field(0)?.number()? != 5 || field(1)?.number()? != 30 {
        return None;
    }
    let code = field(6)?.number()?;
    let realm = field(9)
        .map(|realm| shown(realm.content))
        .unwrap_or_default();
    let clock_ahead_ms = field(4)
        .and_then(|time| unix_seconds(time.content))
        .map(|seconds| seconds * 1000 - ask.now_unix_ms);
    Some(Proof {
        evidence: format!("Kerberos realm {realm}, {}", error_name(code)),
        clock_ahead_ms,
        ..Proof::default()
    })
}

fn error_name(code: u32) -> String {
    match code {
        6 => "KDC_ERR_C_PRINCIPAL_UNKNOWN".into(),
        12 => "KDC_ERR_POLICY".into(),
        14 => "KDC_ERR_ETYPE_NOSUPP".into(),
        25 => "KDC_ERR_PREAUTH_REQUIRED".into(),
        60 => "KRB_ERR_GENERIC".into(),
        68 => "KDC_ERR_WRONG_REALM".into(),
        other => format!("error {other}"),
    }
}

/// `YYYYMMDDHHMMSSZ` as seconds since 1970.
fn unix_seconds(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        std::str::from_utf8(text.get(from..to)?).ok()?.parse().ok()
    };
    if text.len() != 15 || text.last() != Some(&b'Z') {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    if !(1..=12).contains(&month) {
        return None;
    }
    // Days of the civil calendar, with the year beginning in March.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(((days * 24 + number(8, 10)?) * 60 + number(10, 12)?) * 60 + number(12, 14)?)
}

/// A request to change a password with a ticket that is none.
pub(super) fn password_opening(ask: &Ask) -> Vec<u8> {
    let ticket = ber::element(AP_REQ, &ber::of(SEQUENCE, &[tagged(0, ber::integer(5))]));
    let mut body = vec![0, 1];
    body.extend_from_slice(&pdu::behind_u16(&ticket));
    // What would be the KRB-PRIV, so that the request is not cut short.
    body.extend_from_slice(&[0x75, 0x00, 0, 0]);
    let len = u16::try_from(body.len() + 2).unwrap_or(u16::MAX);
    let mut out = len.to_be_bytes().to_vec();
    out.extend_from_slice(&body);
    match ask.over {
        Over::Stream => pdu::behind_u32(&out),
        Over::Datagram => out,
    }
}

/// Length, version, no AP-REP, and the error.
pub(super) fn password(ask: &Ask, heard: Heard<'_>) -> Reading {
    let message = match message(ask, heard) {
        Message::Short => return heard.unfinished(),
        Message::Other => return Reading::Wrong,
        Message::Whole(message) => message,
    };
    let (Some(len), Some(version), Some(reply)) =
        (u16_be(message, 0), u16_be(message, 2), u16_be(message, 4))
    else {
        return heard.unfinished();
    };
    if usize::from(len) != message.len() || !matches!(version, 1 | 0xff80) {
        return Reading::Wrong;
    }
    let error_begins = 6 + usize::from(reply);
    let answer = message.get(error_begins..).and_then(Element::first);
    match answer {
        Some(answer) if answer.tag == KRB_ERROR && reply == 0 => match error(ask, answer) {
            Some(proof) => Reading::Proven(Proof {
                evidence: format!("Kerberos password service: {}", proof.evidence),
                ..proof
            }),
            None => Reading::Wrong,
        },
        Some(_) => Reading::Wrong,
        None => heard.unfinished(),
    }
}
