//! Name services: DNS (RFC 1035) and the NetBIOS name service (RFC 1002).

use super::{Ask, Heard, Over, Reading, pdu, pdu::u16_be, shown};

fn id(ask: &Ask) -> [u8; 2] {
    [ask.nonce[0], ask.nonce[1]]
}

/// The name servers of the root, not recursively: a question that every server answers in some way
/// and for which none has to ask another one.
const ROOT_NS: &[u8] = &[0, 0, 2, 0, 1];

pub(super) fn dns_opening(ask: &Ask) -> Vec<u8> {
    let mut out = id(ask).to_vec();
    out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(ROOT_NS);
    match ask.over {
        Over::Stream => pdu::behind_u16(&out),
        Over::Datagram => out,
    }
}

pub(super) fn dns(ask: &Ask, heard: Heard<'_>) -> Reading {
    let mut bytes = heard.bytes;
    if ask.over == Over::Stream {
        let Some(len) = u16_be(bytes, 0).map(usize::from) else {
            return heard.unfinished();
        };
        if len < 12 || bytes.get(2..4).is_some_and(|own| own != id(ask)) {
            return Reading::Wrong;
        }
        match bytes.get(2..2 + len) {
            Some(message) => bytes = message,
            None => return heard.unfinished(),
        }
    }
    let (Some(own), Some(flags), Some(questions), Some(answers)) = (
        bytes.get(..2),
        u16_be(bytes, 2),
        u16_be(bytes, 4),
        u16_be(bytes, 6),
    ) else {
        return heard.unfinished();
    };
    let is_answer = own == id(ask) && flags & 0xf800 == 0x8000 && bytes.len() >= 12;
    // A server that refuses may leave the question out.
    let repeats = match questions {
        0 => flags & 0xf != 0,
        1 => bytes
            .get(12..)
            .is_some_and(|rest| rest.starts_with(ROOT_NS)),
        _ => false,
    };
    if !is_answer || !repeats {
        return Reading::Wrong;
    }
    let code = match flags & 0xf {
        0 => "NOERROR".into(),
        1 => "FORMERR".into(),
        2 => "SERVFAIL".into(),
        3 => "NXDOMAIN".into(),
        4 => "NOTIMP".into(),
        5 => "REFUSED".into(),
        other => format!("code {other}"),
    };
    let recursion = match flags & 0x80 {
        0 => "no recursion",
        _ => "recursion",
    };
    Reading::proven(format!(
        "DNS {code}, {answers} answers, {recursion} offered"
    ))
}

/// A node status request for `*` (RFC 1002 §4.2.17).
pub(super) fn netbios_name_opening(ask: &Ask) -> Vec<u8> {
    let mut out = id(ask).to_vec();
    out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&encoded(b"*", 0));
    out.extend_from_slice(&[0, 0x21, 0, 1]);
    out
}

/// A name in first-level encoding (RFC 1001 §14.1): two letters for each byte, padded with `pad`.
pub(super) fn encoded(name: &[u8], pad: u8) -> Vec<u8> {
    let mut out = vec![0x20];
    let padded = name.iter().copied().chain(std::iter::repeat(pad)).take(16);
    for byte in padded {
        out.extend_from_slice(&[b'A' + (byte >> 4), b'A' + (byte & 0xf)]);
    }
    out.push(0);
    out
}

/// Length of what stands before the list of names: header, name, type, class, life, length.
const STATUS_HEAD_LEN: usize = 12 + 34 + 2 + 2 + 4 + 2;
/// Length of one name of the list.
const STATUS_NAME_LEN: usize = 18;

pub(super) fn netbios_name(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let (Some(own), Some(flags), Some(kind)) =
        (bytes.get(..2), u16_be(bytes, 2), u16_be(bytes, 12 + 34))
    else {
        return heard.unfinished();
    };
    // A positive answer to an operation 0, of type NBSTAT.
    if own != id(ask) || flags & 0xf80f != 0x8000 || kind != 0x21 {
        return Reading::Wrong;
    }
    let Some(count) = bytes.get(STATUS_HEAD_LEN).copied().map(usize::from) else {
        return heard.unfinished();
    };
    let begin = STATUS_HEAD_LEN + 1;
    // Statistics follow the names (RFC 1002 §4.2.18), and nobody needs them.
    let len = u16_be(bytes, STATUS_HEAD_LEN - 2).map(usize::from);
    if len.is_none_or(|len| bytes.len() < STATUS_HEAD_LEN + len) {
        return heard.unfinished();
    }
    let Some(list) = bytes.get(begin..begin + count * STATUS_NAME_LEN) else {
        return heard.unfinished();
    };
    let mut names: Vec<String> = list
        .chunks(STATUS_NAME_LEN)
        .filter_map(|entry| entry.get(..15))
        .map(|name| shown(name.trim_ascii_end()))
        .collect();
    names.dedup();
    Reading::proven(format!("NetBIOS names {}", names.join(", ")))
}
