//! The two requests and their answers, each of 32 bytes.

use super::{X11Error, put_padded, u16_at, u32_at};

/// Name of the extension that knows the idle time.
pub const EXTENSION: &[u8] = b"MIT-SCREEN-SAVER";
/// Length of errors, events and answers without more.
pub const PACKET_LEN: usize = 32;
/// Longest message that is passed over, in bytes.
pub const PACKET_LEN_MAX: usize = 4 << 10;
/// Code of `QueryExtension`.
const QUERY_EXTENSION: u8 = 98;
/// Code of `ScreenSaverQueryInfo` within its extension.
const QUERY_INFO: u8 = 1;
const ERROR: u8 = 0;
const REPLY: u8 = 1;
/// Events of extensions that can be longer ("X Generic Event Extension").
const GENERIC_EVENT: u8 = 35;

/// Whether the server has the extension ("X Window System Protocol", section 9, `QueryExtension`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryExtension;

/// Answer to [`QueryExtension`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtensionReply {
    /// Code of the extension's requests; `None` when the server has it not.
    pub opcode: Option<u8>,
}

/// What the screen saver knows ("X11 Screen Saver Extension", `ScreenSaverQueryInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryInfo {
    /// Code of the extension's requests.
    pub opcode: u8,
    /// Any window of the screen.
    pub drawable: u32,
}

/// Answer to [`QueryInfo`]; only what is needed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleInfo {
    /// Milliseconds since the last input, or since the start of the server.
    pub idle_ms: u32,
}

impl QueryExtension {
    /// Bytes on the wire.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the name of one extension, 16 bytes long"
    )]
    pub fn encode(self) -> Vec<u8> {
        const GROUPS: u16 = 2 + (EXTENSION.len() / 4) as u16;
        let mut out = vec![QUERY_EXTENSION, 0];
        out.extend_from_slice(&GROUPS.to_le_bytes());
        out.extend_from_slice(&(EXTENSION.len() as u16).to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        put_padded(&mut out, EXTENSION);
        out
    }
}

impl QueryInfo {
    /// Bytes on the wire.
    pub fn encode(self) -> Vec<u8> {
        let mut out = vec![self.opcode, QUERY_INFO];
        out.extend_from_slice(&2_u16.to_le_bytes());
        out.extend_from_slice(&self.drawable.to_le_bytes());
        out
    }
}

/// Length of the whole message, as soon as its head is there; `None` asks for more bytes.
///
/// # Errors
/// [`X11Error::Length`] past [`PACKET_LEN_MAX`].
pub fn packet_len(bytes: &[u8]) -> Result<Option<usize>, X11Error> {
    let (Some(kind), Some(groups)) = (bytes.first(), u32_at(bytes, 4)) else {
        return Ok(None);
    };
    if !matches!(*kind, REPLY | GENERIC_EVENT) {
        return Ok(Some(PACKET_LEN));
    }
    let more = 4 * u64::from(groups);
    let len = usize::try_from(more)
        .ok()
        .and_then(|more| more.checked_add(PACKET_LEN));
    match len {
        Some(len) if len <= PACKET_LEN_MAX => Ok(Some(len)),
        _ => Err(X11Error::Length(more)),
    }
}

/// Whether a message is an event, which comes by itself.
pub(super) fn is_event(packet: &[u8]) -> bool {
    !matches!(packet.first(), None | Some(&(ERROR | REPLY)))
}

/// What an answer to the request `sequence` holds: its second byte, and what follows its head.
fn reply(packet: &[u8], sequence: u16) -> Result<(u8, &[u8]), X11Error> {
    let has = packet.len();
    let wants = packet_len(packet)?.unwrap_or(PACKET_LEN);
    if has != wants {
        return Err(X11Error::Truncated { has, wants });
    }
    let short = X11Error::Truncated {
        has,
        wants: PACKET_LEN,
    };
    let (Some(kind), Some(second)) = (packet.first(), packet.get(1)) else {
        return Err(short);
    };
    let answers = u16_at(packet, 2).ok_or(short)?;
    match *kind {
        _ if is_event(packet) => return Err(X11Error::Kind(*kind)),
        _ if answers != sequence => {
            return Err(X11Error::Sequence {
                has: answers,
                wants: sequence,
            });
        }
        ERROR => return Err(X11Error::Refused(*second)),
        // Neither of the two answers has more than its 32 bytes.
        _ if has != PACKET_LEN => {
            let more = u64::try_from(has - PACKET_LEN).unwrap_or(u64::MAX);
            return Err(X11Error::Length(more));
        }
        _ => {}
    }
    Ok((*second, packet.get(8..).ok_or(short)?))
}

/// Head of an answer without more.
fn head(second: u8, sequence: u16) -> Vec<u8> {
    let mut out = vec![REPLY, second];
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out
}

impl ExtensionReply {
    /// Reads exactly one whole answer to the request `sequence`.
    ///
    /// # Errors
    /// [`X11Error`] for what is wrong with its head, or the error that the server answers.
    pub fn decode(packet: &[u8], sequence: u16) -> Result<Self, X11Error> {
        match reply(packet, sequence)?.1 {
            [0, _, ..] => Ok(Self { opcode: None }),
            // Codes from 128 on are those of extensions.
            [1, opcode, ..] if *opcode >= 128 => Ok(Self {
                opcode: Some(*opcode),
            }),
            [1, other, ..] | [other, ..] => Err(X11Error::Value(*other)),
            [] => Err(X11Error::Truncated {
                has: 8,
                wants: PACKET_LEN,
            }),
        }
    }

    /// Bytes of the answer to the request `sequence`, for servers of tests.
    pub fn encode(self, sequence: u16) -> Vec<u8> {
        let mut out = head(0, sequence);
        out.extend_from_slice(&[u8::from(self.opcode.is_some()), self.opcode.unwrap_or(0)]);
        out.resize(PACKET_LEN, 0);
        out
    }
}

impl IdleInfo {
    /// Reads exactly one whole answer to the request `sequence`.
    ///
    /// # Errors
    /// As [`ExtensionReply::decode`].
    pub fn decode(packet: &[u8], sequence: u16) -> Result<Self, X11Error> {
        let (state, rest) = reply(packet, sequence)?;
        // The screen saver is off, on, or switched off for good.
        if !matches!(state, 0 | 1 | 3) {
            return Err(X11Error::Value(state));
        }
        let short = X11Error::Truncated {
            has: packet.len(),
            wants: PACKET_LEN,
        };
        let idle_ms = u32_at(rest, 8).ok_or(short)?;
        Ok(Self { idle_ms })
    }

    /// Bytes of the answer to the request `sequence`, for servers of tests.
    pub fn encode(self, sequence: u16) -> Vec<u8> {
        let mut out = head(0, sequence);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.idle_ms.to_le_bytes());
        out.resize(PACKET_LEN, 0);
        out
    }
}
