//! Close frames (RFC 6455, sections 5.5.1 and 7.4).

use super::frame::CONTROL_LEN_MAX;

/// A status code of a close frame that may be on the wire: 1000 to 1003, 1007 to 1014 and 3000
/// to 4999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server goes down or the page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The other side broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// A kind of message that is not accepted here.
    pub const UNSUPPORTED: Self = Self(1003);
    /// A text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// The message breaks a rule of the endpoint.
    pub const POLICY: Self = Self(1008);
    /// A message that is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// Something unexpected on the server.
    pub const INTERNAL: Self = Self(1011);

    /// The code, when it may be on the wire.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn value(self) -> u16 {
        self.0
    }
}

/// Payload of a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// Why, as a number; absent when the frame is empty.
    pub code: Option<CloseCode>,
    /// Why, in words; at most 123 bytes.
    pub reason: String,
}

impl CloseFrame {
    /// A frame with `code` and `reason`, which is cut at a character when it is too long.
    pub fn new(code: CloseCode, reason: &str) -> Self {
        let end = reason.floor_char_boundary(CONTROL_LEN_MAX - 2);
        Self {
            code: Some(code),
            reason: reason.get(..end).unwrap_or_default().to_owned(),
        }
    }

    /// Reads a payload; `None` when it breaks the rules (one byte, a code that must not be sent, a
    /// reason that is not UTF-8).
    pub fn decode(payload: &[u8]) -> Option<Self> {
        if payload.is_empty() {
            return Some(Self {
                code: None,
                reason: String::new(),
            });
        }
        let (code, reason) = payload.split_first_chunk::<2>()?;
        Some(Self {
            code: Some(CloseCode::new(u16::from_be_bytes(*code))?),
            reason: str::from_utf8(reason).ok()?.to_owned(),
        })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(2 + self.reason.len());
        if let Some(code) = self.code {
            payload.extend_from_slice(&code.0.to_be_bytes());
            payload.extend_from_slice(self.reason.as_bytes());
        }
        payload
    }
}
