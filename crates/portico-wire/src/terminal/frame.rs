//! Frames, borrowed from the buffer they were read into.

use portico_model::session::EndReason;

use super::{
    INPUT_LEN_MAX, OUTPUT_LEN_MAX, REASON_LEN_MAX, REFUSED_LEN_MAX, SIDE_RANGE, SIGNAL_LEN_MAX,
    TICKET_LEN_MAX, TYPE_ACK, TYPE_CLOSED, TYPE_DISCONNECT, TYPE_END, TYPE_EXITED, TYPE_HELLO,
    TYPE_INPUT, TYPE_OPENED, TYPE_OUTPUT, TYPE_REFUSED, TYPE_RESIZE, VERSION,
};

/// Why bytes are not a frame, or a frame cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No bytes at all.
    #[error("the frame is empty")]
    Empty,
    /// A type this side does not send.
    #[error("a frame of type 0x{kind:02x} is not expected here")]
    UnknownType {
        /// The first byte.
        kind: u8,
    },
    /// Ends too early.
    #[error("{frame}: ends before or in its field {field}")]
    Truncated {
        /// Name of the frame.
        frame: &'static str,
        /// Name of the field.
        field: &'static str,
    },
    /// Does not end where it should.
    #[error("{frame}: {extra} bytes too many")]
    TrailingBytes {
        /// Name of the frame.
        frame: &'static str,
        /// How many.
        extra: usize,
    },
    /// A length beyond its limit.
    #[error("{frame}: {len} bytes, at most {max} are allowed")]
    TooLong {
        /// Name of the frame.
        frame: &'static str,
        /// Length in bytes.
        len: usize,
        /// Limit in bytes.
        max: usize,
    },
    /// Columns or rows outside of [`SIDE_RANGE`].
    #[error("{frame}: {value} columns or rows, 1 to 2000 are allowed")]
    Side {
        /// Name of the frame.
        frame: &'static str,
        /// What was asked for.
        value: u16,
    },
    /// A Hello of another protocol version.
    #[error("Hello: version {version} is unknown, this side speaks {VERSION}")]
    Version {
        /// The version.
        version: u8,
    },
    /// Text that is not UTF-8.
    #[error("{frame}: {field} is not UTF-8")]
    NotText {
        /// Name of the frame.
        frame: &'static str,
        /// Name of the field.
        field: &'static str,
    },
    /// A number or name that has no meaning.
    #[error("{frame}: {field} has no known value")]
    UnknownValue {
        /// Name of the frame.
        frame: &'static str,
        /// Name of the field.
        field: &'static str,
    },
}

/// What a viewer sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewerFrame<'a> {
    /// First frame, and only between viewer and gateway: it carries the ticket.
    Hello {
        /// Columns of the viewer's screen.
        cols: u16,
        /// Rows of the viewer's screen.
        rows: u16,
        /// Bytes of output this viewer already has; 0 for a new one.
        received: u64,
        /// Launch ticket.
        ticket: &'a str,
    },
    /// Keystrokes and pasted text.
    Input(&'a [u8]),
    /// The viewer's screen has another size.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// All output up to this offset is drawn.
    Ack {
        /// Stream offset.
        received: u64,
    },
    /// Leave, and let the program go on.
    Disconnect,
    /// End the program.
    End,
}

impl<'a> ViewerFrame<'a> {
    /// Reads one frame, all of `bytes`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let (&kind, rest) = bytes.split_first().ok_or(FrameError::Empty)?;
        match kind {
            TYPE_HELLO => Self::decode_hello(rest),
            TYPE_INPUT => {
                limit("Input", rest.len(), INPUT_LEN_MAX)?;
                Ok(Self::Input(rest))
            }
            TYPE_RESIZE => {
                let mut fields = Fields::new("Resize", rest);
                let cols = fields.side("cols")?;
                let rows = fields.side("rows")?;
                fields.end()?;
                Ok(Self::Resize { cols, rows })
            }
            TYPE_ACK => {
                let mut fields = Fields::new("Ack", rest);
                let received = fields.u64("received")?;
                fields.end()?;
                Ok(Self::Ack { received })
            }
            TYPE_DISCONNECT => Fields::new("Disconnect", rest)
                .end()
                .map(|()| Self::Disconnect),
            TYPE_END => Fields::new("End", rest).end().map(|()| Self::End),
            _ => Err(FrameError::UnknownType { kind }),
        }
    }

    fn decode_hello(rest: &'a [u8]) -> Result<Self, FrameError> {
        let mut fields = Fields::new("Hello", rest);
        let version = fields.u8("version")?;
        if version != VERSION {
            return Err(FrameError::Version { version });
        }
        let cols = fields.side("cols")?;
        let rows = fields.side("rows")?;
        let received = fields.u64("received")?;
        let ticket_len = usize::from(fields.u16("ticket length")?);
        limit("Hello", ticket_len, TICKET_LEN_MAX)?;
        let ticket = fields.text("ticket", ticket_len)?;
        fields.end()?;
        Ok(Self::Hello {
            cols,
            rows,
            received,
            ticket,
        })
    }

    /// Appends the frame to `out`; on an error `out` is as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        match *self {
            Self::Hello {
                cols,
                rows,
                received,
                ticket,
            } => {
                check_side("Hello", cols)?;
                check_side("Hello", rows)?;
                limit("Hello", ticket.len(), TICKET_LEN_MAX)?;
                let ticket_len: u16 = length("Hello", ticket.len())?;
                out.extend_from_slice(&[TYPE_HELLO, VERSION]);
                out.extend_from_slice(&cols.to_be_bytes());
                out.extend_from_slice(&rows.to_be_bytes());
                out.extend_from_slice(&received.to_be_bytes());
                out.extend_from_slice(&ticket_len.to_be_bytes());
                out.extend_from_slice(ticket.as_bytes());
            }
            Self::Input(input) => {
                limit("Input", input.len(), INPUT_LEN_MAX)?;
                out.push(TYPE_INPUT);
                out.extend_from_slice(input);
            }
            Self::Resize { cols, rows } => {
                check_side("Resize", cols)?;
                check_side("Resize", rows)?;
                out.push(TYPE_RESIZE);
                out.extend_from_slice(&cols.to_be_bytes());
                out.extend_from_slice(&rows.to_be_bytes());
            }
            Self::Ack { received } => {
                out.push(TYPE_ACK);
                out.extend_from_slice(&received.to_be_bytes());
            }
            Self::Disconnect => out.push(TYPE_DISCONNECT),
            Self::End => out.push(TYPE_END),
        }
        Ok(())
    }
}

/// What an engine sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineFrame<'a> {
    /// The session is there. Comes again when output was skipped because the viewer fell behind.
    Opened {
        /// Stream offset of the first byte of the Output that follows.
        start: u64,
        /// The Output goes on exactly where the viewer was. Otherwise the viewer clears its
        /// terminal first.
        resumed: bool,
    },
    /// Output of the program.
    Output(&'a [u8]),
    /// The program ended.
    Exited {
        /// Exit status; -1 when a signal ended it.
        status: i32,
        /// Name of that signal without `SIG`, or empty.
        signal: &'a str,
    },
    /// The session cannot be opened: an error as the HTTP API gives it, in JSON
    /// ([`super::header::Refused`]).
    Refused(&'a str),
    /// Nothing follows.
    Closed(EndReason),
}

impl<'a> EngineFrame<'a> {
    /// Reads one frame, all of `bytes`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let (&kind, rest) = bytes.split_first().ok_or(FrameError::Empty)?;
        match kind {
            TYPE_OPENED => {
                let mut fields = Fields::new("Opened", rest);
                let start = fields.u64("start")?;
                let resumed = match fields.u8("resumed")? {
                    0 => false,
                    1 => true,
                    _ => {
                        return Err(FrameError::UnknownValue {
                            frame: "Opened",
                            field: "resumed",
                        });
                    }
                };
                fields.end()?;
                Ok(Self::Opened { start, resumed })
            }
            TYPE_OUTPUT => {
                limit("Output", rest.len(), OUTPUT_LEN_MAX)?;
                Ok(Self::Output(rest))
            }
            TYPE_EXITED => {
                let mut fields = Fields::new("Exited", rest);
                let status = i32::from_be_bytes(fields.array("status")?);
                let signal_len = usize::from(fields.u8("signal length")?);
                limit("Exited", signal_len, SIGNAL_LEN_MAX)?;
                let signal = fields.text("signal", signal_len)?;
                fields.end()?;
                Ok(Self::Exited { status, signal })
            }
            TYPE_REFUSED => {
                limit("Refused", rest.len(), REFUSED_LEN_MAX)?;
                Ok(Self::Refused(text("Refused", "error", rest)?))
            }
            TYPE_CLOSED => {
                limit("Closed", rest.len(), REASON_LEN_MAX)?;
                EndReason::from_name(text("Closed", "reason", rest)?)
                    .map(Self::Closed)
                    .ok_or(FrameError::UnknownValue {
                        frame: "Closed",
                        field: "reason",
                    })
            }
            _ => Err(FrameError::UnknownType { kind }),
        }
    }

    /// Appends the frame to `out`; on an error `out` is as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        match *self {
            Self::Opened { start, resumed } => {
                out.push(TYPE_OPENED);
                out.extend_from_slice(&start.to_be_bytes());
                out.push(u8::from(resumed));
            }
            Self::Output(output) => {
                limit("Output", output.len(), OUTPUT_LEN_MAX)?;
                out.push(TYPE_OUTPUT);
                out.extend_from_slice(output);
            }
            Self::Exited { status, signal } => {
                limit("Exited", signal.len(), SIGNAL_LEN_MAX)?;
                let signal_len: u8 = length("Exited", signal.len())?;
                out.push(TYPE_EXITED);
                out.extend_from_slice(&status.to_be_bytes());
                out.push(signal_len);
                out.extend_from_slice(signal.as_bytes());
            }
            Self::Refused(error) => {
                limit("Refused", error.len(), REFUSED_LEN_MAX)?;
                out.push(TYPE_REFUSED);
                out.extend_from_slice(error.as_bytes());
            }
            Self::Closed(reason) => {
                out.push(TYPE_CLOSED);
                out.extend_from_slice(reason.as_str().as_bytes());
            }
        }
        Ok(())
    }
}

fn limit(frame: &'static str, len: usize, max: usize) -> Result<(), FrameError> {
    if len > max {
        return Err(FrameError::TooLong { frame, len, max });
    }
    Ok(())
}

fn length<N: TryFrom<usize>>(frame: &'static str, len: usize) -> Result<N, FrameError> {
    N::try_from(len).map_err(|_| FrameError::TooLong { frame, len, max: 0 })
}

fn check_side(frame: &'static str, value: u16) -> Result<(), FrameError> {
    if SIDE_RANGE.contains(&value) {
        Ok(())
    } else {
        Err(FrameError::Side { frame, value })
    }
}

fn text<'a>(
    frame: &'static str,
    field: &'static str,
    bytes: &'a [u8],
) -> Result<&'a str, FrameError> {
    std::str::from_utf8(bytes).map_err(|_| FrameError::NotText { frame, field })
}

/// The part of a frame that is not read yet.
struct Fields<'a> {
    frame: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn new(frame: &'static str, rest: &'a [u8]) -> Self {
        Self { frame, rest }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FrameError> {
        let (array, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(FrameError::Truncated {
                frame: self.frame,
                field,
            })?;
        self.rest = rest;
        Ok(*array)
    }

    fn u8(&mut self, field: &'static str) -> Result<u8, FrameError> {
        self.array(field).map(u8::from_be_bytes)
    }

    fn u16(&mut self, field: &'static str) -> Result<u16, FrameError> {
        self.array(field).map(u16::from_be_bytes)
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, FrameError> {
        self.array(field).map(u64::from_be_bytes)
    }

    fn side(&mut self, field: &'static str) -> Result<u16, FrameError> {
        let value = self.u16(field)?;
        check_side(self.frame, value)?;
        Ok(value)
    }

    fn text(&mut self, field: &'static str, len: usize) -> Result<&'a str, FrameError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(FrameError::Truncated {
                frame: self.frame,
                field,
            })?;
        self.rest = rest;
        text(self.frame, field, bytes)
    }

    fn end(&self) -> Result<(), FrameError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(FrameError::TrailingBytes {
                frame: self.frame,
                extra,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
