//! The endpoint mapper of DCE RPC (C706 chapter 12, MS-RPCE): a bind to its interface, which
//! every RPC server answers, if only by refusing the interface.

use super::{Ask, Heard, Reading, pdu::u16_le, pdu::u32_le, shown};

/// The endpoint mapper, version 3.0.
const MAPPER: [u8; 20] = [
    0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa,
    0x03, 0x00, 0x00, 0x00,
];
/// The transfer syntax NDR, version 2.0.
const NDR: [u8; 20] = [
    0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60,
    0x02, 0x00, 0x00, 0x00,
];
const BIND: u8 = 11;
const BIND_ACK: u8 = 12;
const BIND_NAK: u8 = 13;
const BIND_LEN: u16 = 16 + 8 + 4 + 4 + 40;
const HEAD_LEN: usize = 16;
const FRAGMENT_LEN_MAX: usize = 5840;

pub(super) fn opening(ask: &Ask) -> Vec<u8> {
    // Version 5.0, bind, first and last fragment, little-endian.
    let mut out = vec![5, 0, BIND, 3, 0x10, 0, 0, 0];
    out.extend_from_slice(&BIND_LEN.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(call(ask));
    out.extend_from_slice(&5840_u16.to_le_bytes());
    out.extend_from_slice(&5840_u16.to_le_bytes());
    out.extend_from_slice(&[0, 0, 0, 0]);
    // One context with one transfer syntax.
    out.extend_from_slice(&[1, 0, 0, 0, 0, 0, 1, 0]);
    out.extend_from_slice(&MAPPER);
    out.extend_from_slice(&NDR);
    out
}

fn call(ask: &Ask) -> &[u8] {
    ask.nonce.get(..4).unwrap_or_default()
}

/// `mapper`: the interface has to be there; else any RPC server is right.
pub(super) fn read(ask: &Ask, heard: Heard<'_>, mapper: bool) -> Reading {
    let bytes = heard.bytes;
    let begins = super::greeting::starts_alike(bytes, &[5, 0]);
    let kind = bytes.get(2);
    if !begins || kind.is_some_and(|kind| !matches!(*kind, BIND_ACK | BIND_NAK)) {
        return Reading::Wrong;
    }
    let (Some(kind), Some(len)) = (kind, u16_le(bytes, 8).map(usize::from)) else {
        return heard.unfinished();
    };
    // Little-endian as we asked; servers answer in the client's order.
    if bytes.get(4) != Some(&0x10) || !(HEAD_LEN..=FRAGMENT_LEN_MAX).contains(&len) {
        return Reading::Wrong;
    }
    let Some(packet) = bytes.get(..len) else {
        return heard.unfinished();
    };
    if packet.get(12..16) != Some(call(ask)) {
        return Reading::Wrong;
    }
    match (*kind, mapper) {
        (BIND_NAK, false) => Reading::proven("RPC, refuses the interface"),
        (BIND_NAK, true) => Reading::Wrong,
        _ => acknowledged(packet, mapper),
    }
}

/// bind_ack: after the secondary address comes the list of results.
fn acknowledged(packet: &[u8], mapper: bool) -> Reading {
    let Some(address_len) = u16_le(packet, 24).map(usize::from) else {
        return Reading::Wrong;
    };
    let address = packet.get(26..26 + address_len).unwrap_or_default();
    let list = (26 + address_len).next_multiple_of(4);
    let Some(result) = u16_le(packet, list + 4) else {
        return Reading::Wrong;
    };
    let address = address.strip_suffix(b"\0").unwrap_or(address);
    match (result, mapper) {
        (0, _) => Reading::proven(format!("RPC endpoint mapper at {}", shown(address))),
        (_, true) => Reading::Wrong,
        (reason, false) => {
            let _ = u32_le(packet, list + 8);
            Reading::proven(format!("RPC, has no endpoint mapper (result {reason})"))
        }
    }
}
