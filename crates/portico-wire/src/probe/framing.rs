//! Services of WCF over TCP (MC-NMF): a preamble for a service that is not there, which the server
//! refuses by name before it asks who is there.

use super::{Heard, OWN_NAME, Reading, greeting::starts_alike, shown};

const FAULT: u8 = 0x08;
/// What stands before the name of every fault of the preamble (MC-NMF 2.2.5).
const FAULTS: &[u8] = b"http://schemas.microsoft.com/ws/2006/05/framing/faults/";
/// Longest name of a fault; its length is one byte as long as it is below 128.
const FAULT_LEN_MAX: usize = 127;

pub(super) fn opening() -> Vec<u8> {
    let via = format!("net.tcp://localhost/{OWN_NAME}");
    // Version 1.0, both directions.
    let mut out = vec![0, 1, 0, 1, 2, 2];
    out.push(u8::try_from(via.len()).unwrap_or(0));
    out.extend_from_slice(via.as_bytes());
    // Binary with a dictionary in it; the end of the preamble.
    out.extend_from_slice(&[3, 8, 0x0c]);
    out
}

pub(super) fn read(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let text = bytes.get(2..).unwrap_or_default();
    if !starts_alike(bytes, &[FAULT]) || !starts_alike(text, FAULTS) {
        return Reading::Wrong;
    }
    let Some(len) = bytes.get(1).copied().map(usize::from) else {
        return heard.unfinished();
    };
    if !(FAULTS.len()..=FAULT_LEN_MAX).contains(&len) {
        return Reading::Wrong;
    }
    match text.get(FAULTS.len()..len) {
        Some(name) => Reading::proven(format!("WCF over TCP, answers {}", shown(name))),
        None => heard.unfinished(),
    }
}
