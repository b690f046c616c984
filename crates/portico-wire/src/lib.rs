//! Codecs without I/O, one module per protocol.
//!
//! Each decoder has a length limit, never panics and never allocates from an unchecked length.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod agent;
pub mod fuzzing;
pub mod probe;
pub mod terminal;
pub mod websocket;
pub mod x11;
pub mod x224;
