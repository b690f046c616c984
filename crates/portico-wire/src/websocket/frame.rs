//! The frame header (RFC 6455, section 5.2).

use super::mask::apply_mask;

/// Longest header: two bytes, eight of length, four of masking key.
pub const HEADER_LEN_MAX: usize = 14;

/// Longest payload of a control frame (RFC 6455, section 5.5).
pub const CONTROL_LEN_MAX: usize = 125;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message begun before.
    Continuation,
    /// Beginning of a UTF-8 message.
    Text,
    /// Beginning of a binary message.
    Binary,
    /// The other side ends the connection.
    Close,
    /// The other side asks for a [`Opcode::Pong`] with the same payload.
    Ping,
    /// Answer to a ping, or a sign of life.
    Pong,
}

impl Opcode {
    /// Whether frames of this kind may come between the frames of a message.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn to_bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }
}

/// Why bytes are not a frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A reserved bit is set although no extension was negotiated.
    #[error("a reserved bit is set in a WebSocket frame")]
    ReservedBit,
    /// An opcode that RFC 6455 does not define.
    #[error("the WebSocket opcode {0:#x} is not defined")]
    UnknownOpcode(u8),
    /// The length is written with more bytes than needed, or has its highest bit set.
    #[error("the length of a WebSocket frame is not written in its shortest form")]
    Length,
    /// A control frame that is fragmented or longer than [`CONTROL_LEN_MAX`].
    #[error("a WebSocket control frame is fragmented or too long")]
    Control,
}

/// Header of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether the frame is the last of its message.
    pub fin: bool,
    /// What it carries.
    pub opcode: Opcode,
    /// Masking key; clients must give one, servers must not.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload that follow.
    pub payload_len: u64,
}

impl FrameHeader {
    /// Reads a header from the front of `bytes` and says how many bytes it took; `None` when
    /// `bytes` ends within it.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeaderError> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(HeaderError::ReservedBit);
        }
        let fin = first & 0x80 != 0;
        let opcode =
            Opcode::from_bits(first & 0x0f).ok_or(HeaderError::UnknownOpcode(first & 0x0f))?;
        let short_len = second & 0x7f;
        if opcode.is_control() && (!fin || usize::from(short_len) > CONTROL_LEN_MAX) {
            return Err(HeaderError::Control);
        }
        let (payload_len, rest, length_bytes) = match short_len {
            126 => match rest.split_first_chunk::<2>() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest, 2),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest, 8),
                None => return Ok(None),
            },
            len => (u64::from(len), rest, 0),
        };
        let shortest = match length_bytes {
            2 => payload_len > 125,
            8 => payload_len > u64::from(u16::MAX) && payload_len >> 63 == 0,
            _ => true,
        };
        if !shortest {
            return Err(HeaderError::Length);
        }
        let (mask, mask_bytes) = if second & 0x80 == 0 {
            (None, 0)
        } else {
            match rest.first_chunk::<4>() {
                Some(key) => (Some(*key), 4),
                None => return Ok(None),
            }
        };
        let header = Self {
            fin,
            opcode,
            mask,
            payload_len,
        };
        Ok(Some((header, 2 + length_bytes + mask_bytes)))
    }

    /// The header as bytes. The caller keeps to the limits of control frames.
    pub fn encode(&self) -> HeaderBytes {
        let mut out = HeaderBytes {
            bytes: [0; HEADER_LEN_MAX],
            len: 0,
        };
        let fin = if self.fin { 0x80 } else { 0 };
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        out.push(&[fin | self.opcode.to_bits()]);
        match (
            u8::try_from(self.payload_len),
            u16::try_from(self.payload_len),
        ) {
            (Ok(len @ ..=125), _) => out.push(&[masked | len]),
            (_, Ok(len)) => {
                out.push(&[masked | 126]);
                out.push(&len.to_be_bytes());
            }
            _ => {
                out.push(&[masked | 127]);
                out.push(&self.payload_len.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            out.push(&key);
        }
        out
    }
}

/// An encoded header.
#[derive(Debug, Clone, Copy)]
pub struct HeaderBytes {
    bytes: [u8; HEADER_LEN_MAX],
    // INVARIANT: at most HEADER_LEN_MAX.
    len: usize,
}

impl HeaderBytes {
    fn push(&mut self, more: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + more.len()) {
            place.copy_from_slice(more);
            self.len += more.len();
        }
    }
}

impl AsRef<[u8]> for HeaderBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A whole unfragmented frame, masked when a key is given. For small frames and for clients; a
/// relay writes headers and payloads apart.
pub fn encode_frame(opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        fin: true,
        opcode,
        mask,
        payload_len: payload.len().try_into().unwrap_or(u64::MAX),
    }
    .encode();
    let header = header.as_ref();
    let mut frame = Vec::with_capacity(header.len() + payload.len());
    frame.extend_from_slice(header);
    frame.extend_from_slice(payload);
    if let (Some(key), Some(body)) = (mask, frame.get_mut(header.len()..)) {
        apply_mask(body, key, 0);
    }
    frame
}
