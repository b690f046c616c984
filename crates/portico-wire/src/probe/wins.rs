//! Replication of WINS (MS-WINSRA): the start of an association, and its end.

use super::{Ask, Heard, Reading, pdu::u16_be, pdu::u32_be};

/// What stands behind the length in every message (MS-WINSRA 2.2.1).
const MARK: [u8; 4] = [0, 0, 0x78, 0];
const START: u32 = 0;
const STARTED: u32 = 1;
const STOP: u32 = 2;
const STARTED_LEN: usize = 45;

fn message(to: u32, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut out = MARK.to_vec();
    out.extend_from_slice(&to.to_be_bytes());
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(body);
    super::pdu::behind_u32(&out)
}

/// Our handle of the association.
fn handle(ask: &Ask) -> u32 {
    u32_be(&ask.nonce, 0).unwrap_or(1)
}

pub(super) fn opening(ask: &Ask) -> Vec<u8> {
    let mut body = handle(ask).to_be_bytes().to_vec();
    // Version 2.5 of the protocol, and what is reserved.
    body.extend_from_slice(&[0, 2, 0, 5]);
    body.extend_from_slice(&[0; 21]);
    message(0, START, &body)
}

pub(super) fn read(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let len = u32_be(bytes, 0).and_then(|len| usize::try_from(len).ok());
    let mark = bytes.get(4..8.min(bytes.len())).unwrap_or_default();
    if len.is_some_and(|len| 4 + len != STARTED_LEN) || !super::greeting::starts_alike(mark, &MARK)
    {
        return Reading::Wrong;
    }
    let Some(packet) = bytes.get(..STARTED_LEN) else {
        return heard.unfinished();
    };
    let (Some(to), Some(kind), Some(theirs)) =
        (u32_be(packet, 8), u32_be(packet, 12), u32_be(packet, 16))
    else {
        return Reading::Wrong;
    };
    if to != handle(ask) || kind != STARTED {
        return Reading::Wrong;
    }
    let version = u16_be(packet, 20).zip(u16_be(packet, 22));
    let (major, minor) = version.unwrap_or_default();
    let stop = message(theirs, STOP, &[0; 28]);
    Reading::proven_parting(format!("WINS replication, version {major}.{minor}"), &stop)
}
