//! WebSocket framing (RFC 6455), both sides, without I/O.
//!
//! Read [`Decoder`] (bytes to events, as they come) and [`FrameHeader`] (one header, both ways)
//! first. The handshake is HTTP and belongs to whoever speaks HTTP.
//!
//! Limits: a header has at most [`HEADER_LEN_MAX`] bytes, a control frame carries at most
//! [`CONTROL_LEN_MAX`], a data frame at most what the decoder was given. Extensions are not
//! negotiated, so all reserved bits must be clear.

mod close;
mod decoder;
mod frame;
mod mask;

pub use close::{CloseCode, CloseFrame};
pub use decoder::{ControlPayload, DecodeError, Decoder, Event, MessageKind, Role};
pub use frame::{
    CONTROL_LEN_MAX, FrameHeader, HEADER_LEN_MAX, HeaderBytes, HeaderError, Opcode, encode_frame,
};
pub use mask::apply_mask;

#[cfg(test)]
mod tests;
