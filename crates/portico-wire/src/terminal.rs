//! The terminal protocol `portico.terminal.v1`: viewer ⇄ gateway ⇄ engine.
//!
//! Between viewer and gateway each binary WebSocket message is one frame, its first byte being the
//! type. Between gateway and engine, on a Unix stream, the same frames have a length in front
//! ([`framing`]) and the first one is a header ([`header`]) that only the gateway can write.
//! All numbers are big-endian.
//!
//! Output is counted: the viewer acknowledges what it has drawn, the engine is never more than
//! [`WINDOW_LEN`] bytes ahead, and a viewer that comes back says how much it already has.

mod frame;
pub mod framing;
pub mod header;

pub use frame::{EngineFrame, FrameError, ViewerFrame};

/// Name of the WebSocket sub-protocol.
pub const SUB_PROTOCOL: &str = "portico.terminal.v1";
/// Version in the Hello frame.
pub const VERSION: u8 = 1;
/// Most bytes of output beyond the last Ack.
pub const WINDOW_LEN: u64 = 256 * 1024;
/// Longest Input, in bytes of keystrokes or pasted text.
pub const INPUT_LEN_MAX: usize = 64 * 1024;
/// Longest Output, in bytes.
pub const OUTPUT_LEN_MAX: usize = 32 * 1024;
/// Longest launch ticket, in bytes.
pub const TICKET_LEN_MAX: usize = 256;
/// Longest JSON text of a Refused frame, in bytes.
pub const REFUSED_LEN_MAX: usize = 8 * 1024;
/// Longest name of a signal, in bytes.
pub const SIGNAL_LEN_MAX: usize = 32;
/// Longest name of a reason, in bytes.
pub const REASON_LEN_MAX: usize = 32;
/// Smallest and largest number of columns or rows.
pub const SIDE_RANGE: std::ops::RangeInclusive<u16> = 1..=2000;
/// Longest frame of a viewer: an Input with its type.
pub const VIEWER_FRAME_LEN_MAX: usize = 1 + INPUT_LEN_MAX;
/// Longest frame of an engine: an Output with its type.
pub const ENGINE_FRAME_LEN_MAX: usize = 1 + OUTPUT_LEN_MAX;

/// First byte of a Hello frame.
pub const TYPE_HELLO: u8 = 0x00;
/// First byte of an Input frame.
pub const TYPE_INPUT: u8 = 0x01;
/// First byte of a Resize frame.
pub const TYPE_RESIZE: u8 = 0x02;
/// First byte of an Ack frame.
pub const TYPE_ACK: u8 = 0x03;
/// First byte of a Disconnect frame.
pub const TYPE_DISCONNECT: u8 = 0x04;
/// First byte of an End frame.
pub const TYPE_END: u8 = 0x05;
/// First byte of a Control frame, on the Unix stream only.
pub const TYPE_CONTROL: u8 = 0x7e;
/// First byte of an Open frame, on the Unix stream only.
pub const TYPE_OPEN: u8 = 0x7f;
/// First byte of an Opened frame.
pub const TYPE_OPENED: u8 = 0x80;
/// First byte of an Output frame.
pub const TYPE_OUTPUT: u8 = 0x81;
/// First byte of an Exited frame.
pub const TYPE_EXITED: u8 = 0x82;
/// First byte of a Refused frame.
pub const TYPE_REFUSED: u8 = 0x83;
/// First byte of a Closed frame.
pub const TYPE_CLOSED: u8 = 0x84;
