//! From bytes, as they come from the transport, to events. Payloads are unmasked in place and
//! handed out as parts of the caller's buffer: nothing is copied but control payloads.

use super::{
    close::{CloseCode, CloseFrame},
    frame::{CONTROL_LEN_MAX, FrameHeader, HEADER_LEN_MAX, HeaderError, Opcode},
    mask::apply_mask,
};

/// Which side decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Frames must be masked.
    Server,
    /// Frames must not be masked.
    Client,
}

/// What a message is made of. That text is UTF-8 is for the caller to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Text.
    Text,
    /// Bytes.
    Binary,
}

/// Payload of a ping or pong, at most [`CONTROL_LEN_MAX`] bytes.
#[derive(Clone, Copy)]
pub struct ControlPayload {
    bytes: [u8; CONTROL_LEN_MAX],
    // INVARIANT: at most CONTROL_LEN_MAX.
    len: usize,
}

impl ControlPayload {
    const EMPTY: Self = Self {
        bytes: [0; CONTROL_LEN_MAX],
        len: 0,
    };

    fn push(&mut self, part: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + part.len()) {
            place.copy_from_slice(part);
            self.len += part.len();
        }
    }
}

impl AsRef<[u8]> for ControlPayload {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl std::fmt::Debug for ControlPayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ControlPayload({} bytes)", self.len)
    }
}

/// What was found in the bytes.
#[derive(Debug)]
pub enum Event<'a> {
    /// A part of a message, unmasked. Empty only when it ends the message.
    Data {
        /// Kind of the message.
        kind: MessageKind,
        /// The bytes.
        payload: &'a mut [u8],
        /// Whether the message ends with this part.
        end: bool,
    },
    /// Must be answered by a pong with the same payload.
    Ping(ControlPayload),
    /// Answer to a ping.
    Pong(ControlPayload),
    /// The other side closes; nothing may follow.
    Close(CloseFrame),
}

/// How the other side broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a frame header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A client frame without mask, or a server frame with one.
    #[error("a WebSocket frame is masked where it must not be, or the other way round")]
    Masking,
    /// A continuation without a beginning, or a beginning within a message.
    #[error("WebSocket fragments come in the wrong order")]
    Fragments,
    /// A data frame is longer than allowed.
    #[error("a WebSocket frame of {len} bytes is longer than the {max} allowed")]
    TooLong {
        /// Its length in bytes.
        len: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// A close frame with a wrong payload.
    #[error("a WebSocket close frame has a wrong payload")]
    Close,
    /// Bytes after the close frame.
    #[error("bytes follow a WebSocket close frame")]
    AfterClose,
}

impl DecodeError {
    /// The code to close with.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::TooLong { .. } => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL,
        }
    }
}

/// The decoder of one connection.
///
/// After an error the connection must be closed; what the decoder returns then has no meaning.
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    frame_len_max: u64,
    message: Option<MessageKind>,
    state: State,
}

/// What is awaited.
#[derive(Debug)]
enum State {
    /// A header; its first bytes are here.
    Header {
        bytes: [u8; HEADER_LEN_MAX],
        // INVARIANT: less than HEADER_LEN_MAX.
        len: usize,
    },
    /// More payload of a data frame.
    Data { header: FrameHeader, done: u64 },
    /// More payload of a control frame. Boxed, as it is rare and would be most of the size.
    Control {
        header: FrameHeader,
        payload: Box<ControlPayload>,
    },
    /// Nothing: the close frame was seen.
    Closed,
}

impl State {
    const START: Self = Self::Header {
        bytes: [0; HEADER_LEN_MAX],
        len: 0,
    };
}

impl Decoder {
    /// A decoder at the beginning of a connection that takes data frames of up to
    /// `frame_len_max` bytes. Parts are handed out as they come, so this is no buffer size.
    pub const fn new(role: Role, frame_len_max: u64) -> Self {
        Self {
            role,
            frame_len_max,
            message: None,
            state: State::START,
        }
    }

    /// Sets the limit for frames to come.
    pub const fn set_frame_len_max(&mut self, frame_len_max: u64) {
        self.frame_len_max = frame_len_max;
    }

    /// Takes bytes from the front of `input` until there is an event; `None` when all of `input`
    /// is used up. Call again until then.
    pub fn decode<'a>(
        &mut self,
        input: &mut &'a mut [u8],
    ) -> Result<Option<Event<'a>>, DecodeError> {
        loop {
            match &mut self.state {
                State::Closed if input.is_empty() => return Ok(None),
                State::Closed => return Err(DecodeError::AfterClose),
                State::Header { bytes, len } => {
                    let Some(header) = take_header(bytes, len, input)? else {
                        return Ok(None);
                    };
                    self.begin(header)?;
                    // An empty frame has its event without any more bytes.
                    if header.payload_len > 0 && input.is_empty() {
                        return Ok(None);
                    }
                }
                State::Data { header, done } => {
                    if input.is_empty() && header.payload_len > *done {
                        return Ok(None);
                    }
                    let payload = take(input, header.payload_len - *done);
                    if let Some(key) = header.mask {
                        apply_mask(payload, key, *done);
                    }
                    *done += len_u64(payload);
                    let frame_ends = *done == header.payload_len;
                    let end = frame_ends && header.fin;
                    let Some(kind) = self.message else {
                        return Err(DecodeError::Fragments);
                    };
                    if frame_ends {
                        self.state = State::START;
                    }
                    if end {
                        self.message = None;
                    }
                    if payload.is_empty() && !end {
                        continue; // an empty fragment says nothing
                    }
                    return Ok(Some(Event::Data { kind, payload, end }));
                }
                State::Control { header, payload } => {
                    let done = len_u64(payload.as_ref().as_ref());
                    if input.is_empty() && header.payload_len > done {
                        return Ok(None);
                    }
                    let part = take(input, header.payload_len - done);
                    if let Some(key) = header.mask {
                        apply_mask(part, key, done);
                    }
                    payload.push(part);
                    if len_u64(payload.as_ref().as_ref()) < header.payload_len {
                        return Ok(None);
                    }
                    let (opcode, payload) = (header.opcode, **payload);
                    self.state = State::START;
                    return self.control(opcode, payload).map(Some);
                }
            }
        }
    }

    fn begin(&mut self, header: FrameHeader) -> Result<(), DecodeError> {
        if header.mask.is_some() != (self.role == Role::Server) {
            return Err(DecodeError::Masking);
        }
        if header.opcode.is_control() {
            self.state = State::Control {
                header,
                payload: Box::new(ControlPayload::EMPTY),
            };
            return Ok(());
        }
        if header.payload_len > self.frame_len_max {
            return Err(DecodeError::TooLong {
                len: header.payload_len,
                max: self.frame_len_max,
            });
        }
        self.message = match (header.opcode, self.message) {
            (Opcode::Continuation, Some(kind)) => Some(kind),
            (Opcode::Text, None) => Some(MessageKind::Text),
            (Opcode::Binary, None) => Some(MessageKind::Binary),
            _ => return Err(DecodeError::Fragments),
        };
        self.state = State::Data { header, done: 0 };
        Ok(())
    }

    fn control<'a>(
        &mut self,
        opcode: Opcode,
        payload: ControlPayload,
    ) -> Result<Event<'a>, DecodeError> {
        match opcode {
            Opcode::Ping => Ok(Event::Ping(payload)),
            Opcode::Pong => Ok(Event::Pong(payload)),
            _ => {
                self.state = State::Closed;
                CloseFrame::decode(payload.as_ref())
                    .map(Event::Close)
                    .ok_or(DecodeError::Close)
            }
        }
    }
}

/// Moves bytes of a header from `input` to `bytes` until it is whole.
fn take_header(
    bytes: &mut [u8; HEADER_LEN_MAX],
    len: &mut usize,
    input: &mut &mut [u8],
) -> Result<Option<FrameHeader>, DecodeError> {
    if *len == 0
        && let Some((header, used)) = FrameHeader::decode(input)?
    {
        take(input, u64::try_from(used).unwrap_or(u64::MAX));
        return Ok(Some(header));
    }
    while !input.is_empty() {
        let byte = take(input, 1);
        if let (Some(place), [byte]) = (bytes.get_mut(*len), byte) {
            *place = *byte;
            *len += 1;
        }
        let so_far = bytes.get(..*len).unwrap_or_default();
        if let Some((header, _)) = FrameHeader::decode(so_far)? {
            return Ok(Some(header));
        }
    }
    Ok(None)
}

/// Cuts up to `len` bytes from the front of `input`.
fn take<'a>(input: &mut &'a mut [u8], len: u64) -> &'a mut [u8] {
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(input.len());
    let (front, rest) = std::mem::take(input).split_at_mut(len);
    *input = rest;
    front
}

fn len_u64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
