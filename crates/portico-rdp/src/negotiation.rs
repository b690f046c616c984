//! X.224 negotiation with the host (MS-RDPBCGR 2.2.1.1 and 2.2.1.2).

use ironrdp_pdu::{
    nego::{ConnectionConfirm, ConnectionRequest, RequestFlags, ResponseFlags, SecurityProtocol},
    x224::X224,
};
use portico_model::estate::RdpSecurity;

/// Longest X.224 confirm that is read, in bytes; real ones have 19.
pub const CONFIRM_LEN_MAX: usize = 512;

/// Length of a TPKT header.
const TPKT_HEADER_LEN: usize = 4;

/// What the gateway offers to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// TLS only.
    Tls,
    /// TLS and CredSSP, as the host likes.
    TlsOrCredSsp,
    /// The same on the wire, but a host that chooses TLS alone is refused.
    CredSsp,
}

impl Offer {
    /// What to offer to a host. Without a password there is nothing to do CredSSP with.
    pub const fn new(security: RdpSecurity, has_password: bool) -> Self {
        match (security, has_password) {
            (RdpSecurity::Nla, _) => Self::CredSsp,
            (RdpSecurity::Tls, _) | (RdpSecurity::Negotiate, false) => Self::Tls,
            (RdpSecurity::Negotiate, true) => Self::TlsOrCredSsp,
        }
    }

    /// The X.224 connection request: no cookie, no routing token.
    pub fn encode(self) -> Vec<u8> {
        let protocol = match self {
            Self::Tls => SecurityProtocol::SSL,
            // SSL must be set along with HYBRID (MS-RDPBCGR 2.2.1.1.1).
            Self::TlsOrCredSsp | Self::CredSsp => {
                SecurityProtocol::SSL | SecurityProtocol::HYBRID | SecurityProtocol::HYBRID_EX
            }
        };
        let request = ConnectionRequest {
            nego_data: None,
            flags: RequestFlags::empty(),
            protocol,
            correlation_info: None,
        };
        // A request of fixed size always encodes.
        ironrdp_core::encode_vec(&X224(request)).unwrap_or_default()
    }
}

/// What the host chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS; the log-on is in the Client Info PDU.
    Tls,
    /// TLS, then CredSSP.
    Hybrid,
    /// TLS, then CredSSP, then the early user authorization result.
    HybridEx,
}

impl Security {
    /// The value of `selectedProtocol` on the wire.
    pub const fn wire_value(self) -> u32 {
        match self {
            Self::Tls => SecurityProtocol::SSL.bits(),
            Self::Hybrid => SecurityProtocol::HYBRID.bits(),
            Self::HybridEx => SecurityProtocol::HYBRID_EX.bits(),
        }
    }
}

/// A host that is ready for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// What it chose.
    pub security: Security,
    flags: ResponseFlags,
}

impl Selected {
    /// The confirm for the browser: TLS is chosen, whatever the gateway does with the host.
    pub fn confirm_for_browser(&self) -> Vec<u8> {
        // The browser has no use for what concerns credentials.
        let flags = self.flags
            & (ResponseFlags::EXTENDED_CLIENT_DATA_SUPPORTED
                | ResponseFlags::DYNVC_GFX_PROTOCOL_SUPPORTED);
        let confirm = ConnectionConfirm::Response {
            flags,
            protocol: SecurityProtocol::SSL,
        };
        ironrdp_core::encode_vec(&X224(confirm)).unwrap_or_default()
    }
}

/// Why the negotiation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// Not an X.224 confirm.
    #[error("the host did not answer with an X.224 confirm: is it an RDP server?")]
    NotConfirm,
    /// The host refused, with its reason.
    #[error("the host refused the negotiation: {reason}")]
    Refused {
        /// The reason in words.
        reason: String,
        /// The confirm as it came.
        confirm: Vec<u8>,
    },
    /// The host wants RDP's own encryption.
    #[error("the host offers only RDP's own encryption, which is not secure; switch TLS on there")]
    NoTls,
    /// The host chose something that was not offered.
    #[error("the host chose security {0:#x}, which was not offered")]
    NotOffered(u32),
    /// The host is set to network level authentication in the estate, but did not choose it.
    #[error("the host chose TLS without network level authentication, which the estate demands")]
    NoCredSsp,
}

/// How many bytes the confirm at the front of `bytes` has; `None` until that can be told.
pub fn confirm_len(bytes: &[u8]) -> Result<Option<usize>, NegotiationError> {
    match bytes {
        [3, _, high, low, ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if (TPKT_HEADER_LEN..=CONFIRM_LEN_MAX).contains(&len) {
                Ok(Some(len))
            } else {
                Err(NegotiationError::NotConfirm)
            }
        }
        [] | [3] | [3, _] | [3, _, _] => Ok(None),
        _ => Err(NegotiationError::NotConfirm),
    }
}

/// Reads the host's answer to `offer`.
pub fn decode_confirm(offer: Offer, bytes: &[u8]) -> Result<Selected, NegotiationError> {
    if confirm_len(bytes)? != Some(bytes.len()) {
        return Err(NegotiationError::NotConfirm);
    }
    let X224(confirm) = ironrdp_core::decode::<X224<ConnectionConfirm>>(bytes)
        .map_err(|_| NegotiationError::NotConfirm)?;
    let (flags, protocol) = match confirm {
        ConnectionConfirm::Response { flags, protocol } => (flags, protocol),
        ConnectionConfirm::Failure { code } => {
            return Err(NegotiationError::Refused {
                reason: code.to_string(),
                confirm: bytes.to_vec(),
            });
        }
    };
    let security = match protocol {
        SecurityProtocol::SSL => Security::Tls,
        SecurityProtocol::HYBRID => Security::Hybrid,
        SecurityProtocol::HYBRID_EX => Security::HybridEx,
        other if other.is_empty() => return Err(NegotiationError::NoTls),
        other => return Err(NegotiationError::NotOffered(other.bits())),
    };
    match (offer, security) {
        (Offer::Tls, Security::Hybrid | Security::HybridEx) => {
            Err(NegotiationError::NotOffered(protocol.bits()))
        }
        (Offer::CredSsp, Security::Tls) => Err(NegotiationError::NoCredSsp),
        _ => Ok(Selected { security, flags }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn confirm(kind: u8, value: u32) -> [u8; 19] {
        let [a, b, c, d] = value.to_le_bytes();
        [
            3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, kind, 0x1f, 8, 0, a, b, c, d,
        ]
    }

    #[test]
    fn the_request_has_no_cookie() {
        assert_eq!(
            Offer::Tls.encode(),
            [3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 1, 0, 0, 0]
        );
        assert_eq!(Offer::TlsOrCredSsp.encode()[15..], [0x0b, 0, 0, 0]);
    }

    #[test]
    fn the_browser_is_told_tls_whatever_the_host_chose() {
        for (value, security) in [
            (1, Security::Tls),
            (2, Security::Hybrid),
            (8, Security::HybridEx),
        ] {
            let selected = decode_confirm(Offer::TlsOrCredSsp, &confirm(2, value)).unwrap();
            assert_eq!(selected.security, security);
            let told = selected.confirm_for_browser();
            assert_eq!(told[11..], [2, 3, 8, 0, 1, 0, 0, 0]);
        }
    }

    #[test]
    fn a_host_must_choose_from_what_was_offered() {
        let outcome = |offer, kind, value| decode_confirm(offer, &confirm(kind, value)).err();
        assert_eq!(
            outcome(Offer::Tls, 2, 2),
            Some(NegotiationError::NotOffered(2))
        );
        assert_eq!(
            outcome(Offer::CredSsp, 2, 1),
            Some(NegotiationError::NoCredSsp)
        );
        assert_eq!(outcome(Offer::Tls, 2, 0), Some(NegotiationError::NoTls));
        assert_eq!(
            outcome(Offer::TlsOrCredSsp, 2, 4),
            Some(NegotiationError::NotOffered(4))
        );
        let Some(NegotiationError::Refused { reason, .. }) = outcome(Offer::Tls, 3, 5) else {
            panic!("not refused");
        };
        assert!(reason.contains("CredSSP"), "{reason}");
    }

    #[test]
    fn a_confirm_cut_at_any_length_is_incomplete_or_refused() {
        let bytes = confirm(2, 1);
        for len in 0..bytes.len() {
            let expected = if len < 4 { None } else { Some(19) };
            assert_eq!(confirm_len(&bytes[..len]), Ok(expected));
            assert!(decode_confirm(Offer::Tls, &bytes[..len]).is_err());
        }
        assert!(confirm_len(b"SSH-2.0").is_err());
        assert!(confirm_len(&[3, 0, 0xff, 0xff]).is_err());
        // No negotiation data at all: a server from before TLS.
        let old = [3, 0, 0, 11, 6, 0xd0, 0, 0, 0, 0, 0];
        assert_eq!(
            decode_confirm(Offer::Tls, &old),
            Err(NegotiationError::NoTls)
        );
    }

    #[test]
    fn without_a_password_credssp_is_not_offered() {
        assert_eq!(Offer::new(RdpSecurity::Negotiate, false), Offer::Tls);
        assert_eq!(
            Offer::new(RdpSecurity::Negotiate, true),
            Offer::TlsOrCredSsp
        );
        assert_eq!(Offer::new(RdpSecurity::Nla, false), Offer::CredSsp);
        assert_eq!(Offer::new(RdpSecurity::Tls, true), Offer::Tls);
    }
}
