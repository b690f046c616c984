//! Screens: VNC (RFC 6143), X11, RDP's first exchange (MS-RDPBCGR) and its UDP transport
//! (MS-RDPEUDP).

use super::{Ask, Heard, Proof, Reading, pdu::u16_be, pdu::u16_le, pdu::u32_be, shown};
use crate::{x11, x224};

/// RFC 6143 §7.1.1 and §7.1.2: twelve bytes of version, ours in answer, and the kinds of security.
pub(super) fn vnc(step: u8, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    if step == 0 {
        return match bytes.get(..12) {
            Some([b'R', b'F', b'B', b' ', major @ .., b'\n'])
                if major.get(3) == Some(&b'.') && major.iter().all(is_version) =>
            {
                // 3.8 and 3.7 list kinds of security; a server of 3.3 is answered with 3.3.
                match major {
                    b"003.008" | b"003.889" | b"004.000" | b"004.001" | b"005.000" => {
                        Reading::Say(b"RFB 003.008\n".to_vec())
                    }
                    b"003.007" => Reading::Say(b"RFB 003.007\n".to_vec()),
                    _ => Reading::proven(format!("VNC {}", shown(major))),
                }
            }
            Some(_) => Reading::Wrong,
            None if super::greeting::starts_alike(bytes, b"RFB ") => heard.unfinished(),
            None => Reading::Wrong,
        };
    }
    match bytes {
        [] => heard.unfinished(),
        // No kind of security, and why.
        [0, ..] => match u32_be(bytes, 1) {
            Some(len @ 0..=4096) => match bytes.get(5..5 + len as usize) {
                Some(why) => Reading::proven(format!("VNC, and refuses: {}", shown(why))),
                None => heard.unfinished(),
            },
            Some(_) => Reading::Wrong,
            None => heard.unfinished(),
        },
        [count, kinds @ ..] => match kinds.get(..usize::from(*count)) {
            Some(kinds) => {
                let names: Vec<String> = kinds.iter().map(|kind| security(*kind)).collect();
                Reading::proven(format!("VNC, security: {}", names.join(", ")))
            }
            None => heard.unfinished(),
        },
    }
}

fn is_version(byte: &u8) -> bool {
    byte.is_ascii_digit() || *byte == b'.'
}

/// Kinds of security of RFC 6143 §7.1.2 and of the registry of IANA.
fn security(kind: u8) -> String {
    match kind {
        1 => "none".into(),
        2 => "VNC password".into(),
        5 | 6 | 13 => "RealVNC".into(),
        16 => "Tight".into(),
        18 => "TLS".into(),
        19 => "VeNCrypt".into(),
        other => format!("kind {other}"),
    }
}

/// The setup request of a client without cookie.
pub(super) const X11_OPENING: &[u8] = &[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The setup's answer. That it refuses is the rule: there is no cookie.
pub(super) fn x11_setup(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let len = match x11::setup_len(bytes) {
        Ok(None) => return heard.unfinished(),
        Ok(Some(len)) => len,
        Err(_) => return Reading::Wrong,
    };
    if !matches!(bytes.first(), Some(2)) && u16_le(bytes, 2) != Some(11) {
        return Reading::Wrong;
    }
    let Some(packet) = bytes.get(..len) else {
        return heard.unfinished();
    };
    match x11::SetupReply::decode(packet) {
        Ok(x11::SetupReply::Accepted { .. }) => {
            Reading::proven("X11, and lets every client in without a cookie")
        }
        Ok(x11::SetupReply::MoreWanted) => Reading::proven("X11, wants a proof of who asks"),
        Ok(x11::SetupReply::Refused) => {
            let end = packet.get(1).map_or(8, |len| 8 + usize::from(*len));
            let why = packet.get(8..end).unwrap_or_default();
            Reading::proven(format!("X11, refuses without a cookie: {}", shown(why)))
        }
        Err(_) => Reading::Wrong,
    }
}

/// Offers TLS and CredSSP.
pub(super) fn rdp_opening() -> Vec<u8> {
    let request = x224::ConnectionRequest {
        cookie: None,
        negotiation: Some(x224::NegotiationRequest {
            protocols: x224::SecurityProtocols::TLS.with(x224::SecurityProtocols::CREDSSP),
            ..x224::NegotiationRequest::default()
        }),
    };
    // It has no cookie, which is the only thing that cannot be written.
    request.encode().unwrap_or_default()
}

pub(super) fn rdp(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let len = match x224::frame_len(bytes) {
        Ok(None) => return heard.unfinished(),
        Ok(Some(len)) => len,
        Err(_) => return Reading::Wrong,
    };
    let Some(packet) = bytes.get(..len) else {
        return heard.unfinished();
    };
    match x224::ConnectionConfirm::decode(packet).map(|confirm| confirm.negotiation) {
        Ok(x224::NegotiationResponse::Selected { protocol, .. }) => {
            let secure = x224::SecurityProtocols::TLS.with(x224::SecurityProtocols::CREDSSP);
            Reading::Proven(Proof {
                evidence: format!("RDP with {protocol}"),
                // CredSSP runs over TLS, too.
                starts_tls: protocol.0 & secure.0 != 0,
                ..Proof::default()
            })
        }
        Ok(x224::NegotiationResponse::Absent) => {
            Reading::proven("RDP with standard RDP security only")
        }
        Ok(x224::NegotiationResponse::Failed { code }) => {
            Reading::proven(format!("RDP, and refuses the security offered: {code}"))
        }
        Err(_) => Reading::Wrong,
    }
}

/// Length of a SYN datagram: MS-RDPEUDP 3.1.5.1.1 has it padded to the largest that shall pass.
const RDP_UDP_SYN_LEN: usize = 1232;
const RDP_UDP_SYN: u16 = 0x0001;
const RDP_UDP_ACK: u16 = 0x0004;

/// MS-RDPEUDP 2.2.2.1 RDPUDP_FEC_HEADER and 2.2.2.5 RDPUDP_SYNDATA_PAYLOAD.
pub(super) fn rdp_udp_opening(ask: &Ask) -> Vec<u8> {
    let mut out = vec![0xff; 4];
    out.extend_from_slice(&64_u16.to_be_bytes());
    out.extend_from_slice(&RDP_UDP_SYN.to_be_bytes());
    out.extend_from_slice(ask.nonce.get(..4).unwrap_or_default());
    out.extend_from_slice(&1232_u16.to_be_bytes());
    out.extend_from_slice(&1232_u16.to_be_bytes());
    out.resize(RDP_UDP_SYN_LEN, 0);
    out
}

/// SYN and ACK, and an acknowledgement of our sequence number.
pub(super) fn rdp_udp(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let (Some(acknowledged), Some(flags)) = (bytes.get(..4), u16_be(bytes, 6)) else {
        return heard.unfinished();
    };
    let both = RDP_UDP_SYN | RDP_UDP_ACK;
    match flags & both == both && Some(acknowledged) == ask.nonce.get(..4) && bytes.len() >= 16 {
        true => Reading::proven("RDP over UDP, takes connections"),
        false => Reading::Wrong,
    }
}
