//! File service: SMB2's negotiation (MS-SMB2 2.2.3) over TCP, and the session service of NetBIOS
//! (RFC 1002 §4.3).

use super::{
    Ask, Heard, Proof, Reading, names,
    pdu::{u16_le, u32_be, u32_le, u64_le},
};

const SMB2: &[u8] = b"\xfeSMB";
/// SMB 2.0.2, 2.1, 3.0 and 3.0.2; 3.1.1 wants contexts, and every server of it knows these, too.
const DIALECTS: [u16; 4] = [0x0202, 0x0210, 0x0300, 0x0302];

pub(super) fn smb_opening(ask: &Ask) -> Vec<u8> {
    let mut out = SMB2.to_vec();
    out.extend_from_slice(&64_u16.to_le_bytes());
    // Charge 0, status 0, command NEGOTIATE, credits 1, no flags, no next, message 0.
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    out.resize(64, 0);
    out.extend_from_slice(&36_u16.to_le_bytes());
    out.extend_from_slice(&4_u16.to_le_bytes());
    // Signing is possible; no capabilities.
    out.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&ask.nonce);
    out.extend_from_slice(&ask.nonce);
    out.extend_from_slice(&[0; 8]);
    for dialect in DIALECTS {
        out.extend_from_slice(&dialect.to_le_bytes());
    }
    super::pdu::behind_u32(&out)
}

/// Longest answer: 64 of header, 64 of body and a security blob.
const SMB_LEN_MAX: usize = 16 << 10;
/// Seconds between 1601 and 1970.
const WINDOWS_EPOCH_MS: i64 = 11_644_473_600_000;

pub(super) fn smb(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    if bytes.first().is_some_and(|first| *first != 0) {
        return Reading::Wrong;
    }
    let Some(len) = u32_be(bytes, 0) else {
        return heard.unfinished();
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let magic = bytes.get(4..8.min(bytes.len())).unwrap_or_default();
    if len > SMB_LEN_MAX || !super::greeting::starts_alike(magic, SMB2) {
        return Reading::Wrong;
    }
    let Some(packet) = bytes.get(4..4 + len) else {
        return heard.unfinished();
    };
    let (Some(status), Some(command), Some(flags)) =
        (u32_le(packet, 8), u16_le(packet, 12), u32_le(packet, 16))
    else {
        return Reading::Wrong;
    };
    if command != 0 || flags & 1 == 0 {
        return Reading::Wrong;
    }
    if status != 0 {
        return Reading::proven(format!("SMB2, refuses the dialects with {status:#010x}"));
    }
    let (Some(mode), Some(dialect)) = (u16_le(packet, 66), u16_le(packet, 68)) else {
        return Reading::Wrong;
    };
    let signing = match mode & 2 {
        0 => "signing not required",
        _ => "signing required",
    };
    // 100 ns since 1601.
    let time = u64_le(packet, 64 + 40).filter(|time| *time != 0);
    let time_ms = time.and_then(|time| i64::try_from(time / 10_000).ok());
    Reading::Proven(Proof {
        evidence: format!(
            "SMB {}.{}.{}, {signing}",
            dialect >> 8,
            dialect >> 4 & 0xf,
            dialect & 0xf
        ),
        clock_ahead_ms: time_ms.map(|ms| ms - WINDOWS_EPOCH_MS - ask.now_unix_ms),
        ..Proof::default()
    })
}

/// A session request to the name that every server has.
pub(super) fn session_opening() -> Vec<u8> {
    let mut out = vec![0x81, 0, 0, 68];
    out.extend_from_slice(&names::encoded(b"*SMBSERVER", b' '));
    out.extend_from_slice(&names::encoded(b"PORTICO-PROBE", b' '));
    out
}

/// Positive, negative with a code, or a retarget.
pub(super) fn session(heard: Heard<'_>) -> Reading {
    let code = |code: u8| match code {
        0x80 => "nothing listens on the called name".to_owned(),
        0x81 => "nothing listens for the calling name".to_owned(),
        0x82 => "the called name is not there".to_owned(),
        0x83 => "no resources".to_owned(),
        other => format!("code {other:#04x}"),
    };
    match *heard.bytes {
        [0x82, 0, 0, 0, ..] => Reading::proven("NetBIOS session, accepted"),
        [0x83, 0, 0, 1, why @ 0x80..=0x8f, ..] => {
            Reading::proven(format!("NetBIOS session, refused: {}", code(why)))
        }
        [0x84, 0, 0, 6, _, _, _, _, _, _, ..] => Reading::proven("NetBIOS session, sent elsewhere"),
        [0x82, 0, 0]
        | [0x82, 0]
        | [0x82]
        | [0x83, 0, 0, 1]
        | [0x83 | 0x84, 0, 0]
        | [0x83 | 0x84, 0]
        | [0x83 | 0x84]
        | [0x84, 0, 0, 6, ..]
        | [] => heard.unfinished(),
        _ => Reading::Wrong,
    }
}
