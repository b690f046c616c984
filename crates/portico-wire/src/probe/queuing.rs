//! Message queuing of Windows: the ping (MS-MQQB 2.2.7), and the first packet of a session
//! (MS-MQQB 2.2.3), which is answered whether it is taken or refused.

use super::{Ask, Heard, Reading, pdu::u16_le, pdu::u32_le};

/// MS-MQQB 2.2.7.
const PING_SIGNATURE: u16 = 0x5548;
const PING_LEN: usize = 24;
/// Bit of a ping's answer: no session is taken.
const PING_REFUSES: u16 = 2;

/// MS-MQMQ 2.2.19.1, with the version before it.
const SIGNATURE: &[u8] = b"LIOR";
const ESTABLISH_LEN: usize = 16 + 4 + 552;
/// Packet type 2: EstablishConnection.
const ESTABLISH: u16 = 2;
/// Bit of the internal header: refused.
const REFUSED: u16 = 0x10;

fn cookie(ask: &Ask) -> &[u8] {
    ask.nonce.get(..4).unwrap_or_default()
}

pub(super) fn ping_opening(ask: &Ask) -> Vec<u8> {
    // From a client and not from a server.
    let mut out = vec![1, 0];
    out.extend_from_slice(&PING_SIGNATURE.to_le_bytes());
    out.extend_from_slice(cookie(ask));
    out.extend(identifier(ask));
    out
}

/// A queue manager that there is not.
fn identifier(ask: &Ask) -> Vec<u8> {
    ask.nonce.repeat(2)
}

pub(super) fn ping(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let (Some(flags), Some(signature)) = (u16_le(bytes, 0), u16_le(bytes, 2)) else {
        return heard.unfinished();
    };
    let is_answer = signature == PING_SIGNATURE && bytes.get(4..8) == Some(cookie(ask));
    let Some(manager) = bytes.get(8..PING_LEN) else {
        return Reading::Wrong;
    };
    // An echo of the question has our own identifier.
    if !is_answer || bytes.len() != PING_LEN || manager == identifier(ask) {
        return Reading::Wrong;
    }
    let sessions = match flags & PING_REFUSES {
        0 => "takes sessions",
        _ => "takes no sessions now",
    };
    let manager = super::rpc::uuid(manager);
    Reading::proven(format!(
        "message queuing, {sessions}, queue manager {manager}"
    ))
}

pub(super) fn session_opening(ask: &Ask) -> Vec<u8> {
    // Version, reserved, an internal message of priority 3.
    let mut out = vec![0x10, 0, 0x0b, 0];
    out.extend_from_slice(SIGNATURE);
    let len = u32::try_from(ESTABLISH_LEN).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&[0xff; 4]);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&ESTABLISH.to_le_bytes());
    out.extend(identifier(ask));
    // Whichever queue manager is there, for a session that no ping went before.
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(cookie(ask));
    out.extend_from_slice(&[0x10, 1, 0, 0]);
    out.resize(ESTABLISH_LEN, 0);
    out
}

pub(super) fn session(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let signature = bytes.get(4..8.min(bytes.len())).unwrap_or_default();
    let begins = super::greeting::starts_alike(bytes, &[0x10])
        && super::greeting::starts_alike(signature, SIGNATURE);
    if !begins {
        return Reading::Wrong;
    }
    let Some(packet) = bytes.get(..ESTABLISH_LEN) else {
        return heard.unfinished();
    };
    let len = u32_le(packet, 8).and_then(|len| usize::try_from(len).ok());
    let (Some(flags), Some(client), Some(server), Some(stamp)) = (
        u16_le(packet, 18),
        packet.get(20..36),
        packet.get(36..52),
        packet.get(52..56),
    ) else {
        return Reading::Wrong;
    };
    let is_answer = len == Some(ESTABLISH_LEN)
        && flags & 0xf == ESTABLISH
        && client == identifier(ask)
        && stamp == cookie(ask);
    let is_refusal = flags & REFUSED != 0;
    // Our own packet names no server.
    if !is_answer || (!is_refusal && server == [0; 16]) {
        return Reading::Wrong;
    }
    Reading::proven(match is_refusal {
        true => "message queuing, refuses the session of a stranger".into(),
        false => format!(
            "message queuing, queue manager {}",
            super::rpc::uuid(server)
        ),
    })
}
