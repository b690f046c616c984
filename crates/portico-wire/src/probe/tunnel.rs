//! Tunnels: PPTP's control connection (RFC 2637), L2TP (RFC 2661), IKE version 2 (RFC 7296).

use super::{Ask, Heard, OWN_NAME, Proof, Reading, pdu::u16_be, pdu::u32_be, shown};

const PPTP_COOKIE: u32 = 0x1a2b_3c4d;
const PPTP_LEN: usize = 156;
/// Stop-Control-Connection-Request with reason "none" (RFC 2637 §2.3).
const PPTP_STOP: &[u8] = &[0, 16, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, 3, 0, 0, 1, 0, 0, 0];

/// Start-Control-Connection-Request (RFC 2637 §2.1).
pub(super) fn pptp_opening() -> Vec<u8> {
    let mut out = vec![0, 156, 0, 1];
    out.extend_from_slice(&PPTP_COOKIE.to_be_bytes());
    // Type 1, version 1.0, both framings, both bearers, no channels, no firmware.
    out.extend_from_slice(&[0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 0]);
    out.extend_from_slice(OWN_NAME.as_bytes());
    out.resize(PPTP_LEN, 0);
    out
}

/// Start-Control-Connection-Reply (RFC 2637 §2.2).
pub(super) fn pptp(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let cookie = [0, 156, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, 2];
    if !super::greeting::starts_alike(bytes, &cookie) {
        return Reading::Wrong;
    }
    let Some(packet) = bytes.get(..PPTP_LEN) else {
        return heard.unfinished();
    };
    let name = |from: usize| {
        let text = packet.get(from..from + 64).unwrap_or_default();
        let end = text
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(text.len());
        shown(text.get(..end).unwrap_or_default())
    };
    Reading::proven_parting(format!("PPTP, {} by {}", name(28), name(92)), PPTP_STOP)
}

/// The number that we give to the tunnel; never zero.
fn tunnel(ask: &Ask) -> u16 {
    u16_be(&ask.nonce, 0).unwrap_or(0) | 1
}

/// Start-Control-Connection-Request (RFC 2661 §6.1).
pub(super) fn l2tp_opening(ask: &Ask) -> Vec<u8> {
    let mut pairs = vec![
        0x80, 8, 0, 0, 0, 0, 0, 1, // message type SCCRQ
        0x80, 8, 0, 0, 0, 2, 1, 0, // protocol version 1.0
        0x80, 10, 0, 0, 0, 3, 0, 0, 0, 3, // both framings
        0x80, 8, 0, 0, 0, 9, // assigned tunnel
    ];
    pairs.extend_from_slice(&tunnel(ask).to_be_bytes());
    pairs.extend_from_slice(&[0x80, 6 + 13, 0, 0, 0, 7]);
    pairs.extend_from_slice(OWN_NAME.as_bytes());
    l2tp_message(0, 0, 0, &pairs)
}

fn l2tp_message(tunnel: u16, sent: u16, received: u16, pairs: &[u8]) -> Vec<u8> {
    let len = u16::try_from(12 + pairs.len()).unwrap_or(u16::MAX);
    let mut out = vec![0xc8, 0x02];
    for number in [len, tunnel, 0, sent, received] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(pairs);
    out
}

/// SCCRP or StopCCN to our tunnel. A tunnel that was begun is ended.
pub(super) fn l2tp(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let (Some(flags), Some(len), Some(to)) = (u16_be(bytes, 0), u16_be(bytes, 2), u16_be(bytes, 4))
    else {
        return heard.unfinished();
    };
    if flags & 0xc80f != 0xc802 || usize::from(len) != bytes.len() || to != tunnel(ask) {
        return Reading::Wrong;
    }
    let mut theirs = None;
    let (mut kind, mut rest) = (None, bytes.get(12..).unwrap_or_default());
    while let (Some(head), Some(attribute)) = (u16_be(rest, 0), u16_be(rest, 4)) {
        let pair_len = usize::from(head & 0x3ff);
        let value = u16_be(rest, 6);
        match attribute {
            _ if pair_len < 6 => break,
            0 if kind.is_none() => kind = value,
            9 => theirs = value,
            _ => {}
        }
        rest = rest.get(pair_len..).unwrap_or_default();
    }
    match (kind, theirs) {
        (Some(2), Some(theirs)) => {
            let mut stop = vec![0x80, 8, 0, 0, 0, 0, 0, 4, 0x80, 8, 0, 0, 0, 9];
            stop.extend_from_slice(&tunnel(ask).to_be_bytes());
            stop.extend_from_slice(&[0x80, 8, 0, 0, 0, 1, 0, 6]);
            Reading::proven_parting("L2TP, takes tunnels", &l2tp_message(theirs, 1, 1, &stop))
        }
        (Some(4), _) => Reading::proven("L2TP, refuses the tunnel"),
        _ => Reading::Wrong,
    }
}

const IKE_HEAD_LEN: usize = 28;
const IKE_SA_INIT: u8 = 34;

/// IKE_SA_INIT that offers MODP 2048 and brings a share for another group, so that the answer is
/// an error and no state is kept (RFC 7296 §1.2). On 4500/udp four zero bytes stand before it
/// (RFC 3948 §2.2).
pub(super) fn ike_opening(ask: &Ask, behind_nat: bool) -> Vec<u8> {
    let transforms: &[u8] = &[
        3, 0, 0, 12, 1, 0, 0, 12, 0x80, 14, 1, 0, // AES-CBC, 256 bits
        3, 0, 0, 8, 2, 0, 0, 5, // PRF HMAC-SHA2-256
        3, 0, 0, 8, 3, 0, 0, 12, // HMAC-SHA2-256-128
        0, 0, 0, 8, 4, 0, 0, 14, // MODP 2048
    ];
    let mut proposal = vec![0, 0, 0, 44, 1, 1, 0, 4];
    proposal.extend_from_slice(transforms);
    let mut share = vec![0, 19, 0, 0];
    share.extend_from_slice(&ask.nonce.repeat(8));
    let mut body = Vec::new();
    for (next, payload) in [(34, proposal), (40, share), (0, ask.nonce.repeat(4))] {
        let len = u16::try_from(payload.len() + 4).unwrap_or(u16::MAX);
        body.extend_from_slice(&[next, 0]);
        body.extend_from_slice(&len.to_be_bytes());
        body.extend_from_slice(&payload);
    }
    let mut out = if behind_nat { vec![0; 4] } else { Vec::new() };
    out.extend_from_slice(&ask.nonce);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[33, 0x20, IKE_SA_INIT, 0x08, 0, 0, 0, 0]);
    let len = u32::try_from(IKE_HEAD_LEN + body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&body);
    out
}

pub(super) fn ike(ask: &Ask, heard: Heard<'_>, behind_nat: bool) -> Reading {
    let bytes = match behind_nat {
        true => match heard.bytes.strip_prefix(&[0; 4]) {
            Some(bytes) => bytes,
            None => return Reading::Wrong,
        },
        false => heard.bytes,
    };
    let (Some(own), Some([next, version, exchange, flags]), Some(len)) = (
        bytes.get(..8),
        bytes.get(16..20),
        u32_be(bytes, 24).and_then(|len| usize::try_from(len).ok()),
    ) else {
        return heard.unfinished();
    };
    let is_answer = own == ask.nonce && version >> 4 == 2 && flags & 0x20 != 0;
    if !is_answer || *exchange != IKE_SA_INIT || len != bytes.len() {
        return Reading::Wrong;
    }
    let kind = match next {
        41 => u16_be(bytes, IKE_HEAD_LEN + 6),
        33 => return Reading::proven("IKE version 2, takes the proposal"),
        _ => return Reading::Wrong,
    };
    Reading::Proven(Proof {
        evidence: match kind {
            Some(14) => "IKE version 2, NO_PROPOSAL_CHOSEN".into(),
            Some(17) => "IKE version 2, INVALID_KE_PAYLOAD".into(),
            Some(other) => format!("IKE version 2, notifies {other}"),
            None => return Reading::Wrong,
        },
        ..Proof::default()
    })
}
