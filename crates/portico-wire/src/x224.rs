//! The first exchange of RDP: X.224 Connection Request and Confirm with the security negotiation
//! in them (MS-RDPBCGR 2.2.1.1 "Client X.224 Connection Request PDU" and 2.2.1.2 "Server X.224
//! Connection Confirm PDU", in TPKT packets of RFC 1006 §6).
//!
//! Read [`frame_len`] (how many bytes make the packet) and [`ConnectionConfirm`] first. Unknown
//! protocols and failure codes are kept as numbers; unknown structures are refused.

mod codec;
#[cfg(test)]
mod tests;

use std::fmt;

/// Length of the TPKT header.
pub const TPKT_LEN: usize = 4;
/// Fixed part of the X.224 header: length indicator, type, two references, class.
const X224_LEN: usize = 1 + 1 + 2 + 2 + 1;
/// Longest packet: the X.224 length indicator has one byte, 255 is reserved (X.224 §13.2.1).
pub const PACKET_LEN_MAX: usize = TPKT_LEN + 1 + 254;
/// Length of each negotiation structure.
const NEGOTIATION_LEN: usize = 1 + 1 + 2 + 4;
/// Length of the correlation structure: type, flags, length, id, reserved.
const CORRELATION_LEN: usize = 1 + 1 + 2 + 16 + 16;
/// Longest cookie line that fits beside both structures.
pub const COOKIE_LEN_MAX: usize =
    PACKET_LEN_MAX - TPKT_LEN - X224_LEN - NEGOTIATION_LEN - CORRELATION_LEN - 2;

/// A Connection Request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionRequest {
    /// Line before the negotiation without its CR LF: `Cookie: mstshash=…` or a routing token.
    pub cookie: Option<Vec<u8>>,
    /// The security negotiation; clients before RDP 5.2 send none.
    pub negotiation: Option<NegotiationRequest>,
}

/// RDP_NEG_REQ (MS-RDPBCGR 2.2.1.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NegotiationRequest {
    /// Restricted admin and its like; [`CORRELATION_PRESENT`] is set by `correlation_id`.
    pub flags: u8,
    /// What the client can do.
    pub protocols: SecurityProtocols,
    /// RDP_NEG_CORRELATION_INFO (MS-RDPBCGR 2.2.1.1.2), an id for logs.
    pub correlation_id: Option<[u8; 16]>,
}

/// Flag of a request that a correlation id follows.
pub const CORRELATION_PRESENT: u8 = 0x08;

/// A Connection Confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionConfirm {
    /// What the host answered to the negotiation.
    pub negotiation: NegotiationResponse,
}

/// Answer to the security negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NegotiationResponse {
    /// None: the host knows only standard RDP security.
    Absent,
    /// RDP_NEG_RSP (MS-RDPBCGR 2.2.1.2.1).
    Selected {
        /// Extended client data supported and its like.
        flags: u8,
        /// The one that the host selected.
        protocol: SecurityProtocols,
    },
    /// RDP_NEG_FAILURE (MS-RDPBCGR 2.2.1.2.2).
    Failed {
        /// Why.
        code: FailureCode,
    },
}

/// Bits of `requestedProtocols`; in a response one of them, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecurityProtocols(pub u32);

impl SecurityProtocols {
    /// Standard RDP security.
    pub const RDP: Self = Self(0);
    /// TLS.
    pub const TLS: Self = Self(0x01);
    /// CredSSP, that is NLA.
    pub const CREDSSP: Self = Self(0x02);
    /// RDSTLS, after a redirection.
    pub const RDSTLS: Self = Self(0x04);
    /// CredSSP with the early user authorization result.
    pub const CREDSSP_EARLY: Self = Self(0x08);
    /// Azure AD authentication.
    pub const AAD: Self = Self(0x10);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for SecurityProtocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::RDP => f.write_str("standard RDP security"),
            Self::TLS => f.write_str("TLS"),
            Self::CREDSSP => f.write_str("network level authentication (CredSSP)"),
            Self::RDSTLS => f.write_str("RDSTLS"),
            Self::CREDSSP_EARLY => {
                f.write_str("network level authentication (CredSSP with early authorization)")
            }
            Self::AAD => f.write_str("Azure AD authentication"),
            Self(other) => write!(f, "security protocols {other:#x}"),
        }
    }
}

/// Why the host refused the negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// The host wants TLS or better.
    TlsRequired,
    /// The host is set to standard RDP security only.
    TlsNotAllowed,
    /// The host has no certificate.
    NoCertificate,
    /// The flags of the request contradict each other.
    InconsistentFlags,
    /// The host wants NLA.
    NlaRequired,
    /// The host wants TLS with a client certificate.
    TlsWithUserAuthRequired,
    /// A code that the specification does not have.
    Unknown(u32),
}

impl FailureCode {
    /// The code on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::TlsRequired => 1,
            Self::TlsNotAllowed => 2,
            Self::NoCertificate => 3,
            Self::InconsistentFlags => 4,
            Self::NlaRequired => 5,
            Self::TlsWithUserAuthRequired => 6,
            Self::Unknown(code) => code,
        }
    }

    /// The meaning of a code.
    pub const fn from_code(code: u32) -> Self {
        match code {
            1 => Self::TlsRequired,
            2 => Self::TlsNotAllowed,
            3 => Self::NoCertificate,
            4 => Self::InconsistentFlags,
            5 => Self::NlaRequired,
            6 => Self::TlsWithUserAuthRequired,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TlsRequired => f.write_str("it requires TLS"),
            Self::TlsNotAllowed => f.write_str("it is set to standard RDP security only"),
            Self::NoCertificate => f.write_str("it has no certificate for TLS"),
            Self::InconsistentFlags => f.write_str("it finds the request contradictory"),
            Self::NlaRequired => f.write_str("it requires network level authentication"),
            Self::TlsWithUserAuthRequired => {
                f.write_str("it requires TLS with a client certificate")
            }
            Self::Unknown(code) => write!(f, "it gives the unknown failure code {code:#x}"),
        }
    }
}

/// Why bytes are not such a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum X224Error {
    /// Not TPKT version 3.
    #[error("the packet begins with {0:#04x}, not with TPKT version 3")]
    Version(u8),
    /// The packet's length cannot be right.
    #[error("the packet gives its length as {0}, which is not between 11 and {PACKET_LEN_MAX}")]
    Length(usize),
    /// The bytes end before the packet does, or go on after it.
    #[error("the packet has {has} bytes where {wants} belong")]
    Truncated {
        /// Bytes that are there.
        has: usize,
        /// Bytes that it claims.
        wants: usize,
    },
    /// The X.224 length does not match the packet's.
    #[error("the X.224 length {0} does not match the packet")]
    Indicator(u8),
    /// Another X.224 packet.
    #[error("the X.224 packet is of type {0:#04x}")]
    Type(u8),
    /// A class other than 0.
    #[error("the X.224 class is {0:#04x}, not 0")]
    Class(u8),
    /// A cookie that does not end, is too long, or holds CR or LF.
    #[error("the cookie is not one line")]
    Cookie,
    /// A negotiation structure that is not known, or has a wrong length.
    #[error("the negotiation structure of type {kind:#04x} is not valid here")]
    Structure {
        /// Its type.
        kind: u8,
    },
    /// Bytes after the last structure.
    #[error("{0} bytes follow the last structure")]
    Trailing(usize),
}

/// Length of the whole packet, as soon as its header is there; `None` asks for more bytes.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, X224Error> {
    codec::frame_len(bytes)
}

impl ConnectionRequest {
    /// Bytes on the wire.
    ///
    /// # Errors
    /// [`X224Error::Cookie`] when the cookie is too long or not one line.
    pub fn encode(&self) -> Result<Vec<u8>, X224Error> {
        codec::encode_request(self)
    }

    /// Reads exactly one whole packet.
    pub fn decode(packet: &[u8]) -> Result<Self, X224Error> {
        codec::decode_request(packet)
    }
}

impl ConnectionConfirm {
    /// Bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode_confirm(self)
    }

    /// Reads exactly one whole packet.
    pub fn decode(packet: &[u8]) -> Result<Self, X224Error> {
        codec::decode_confirm(packet)
    }
}
