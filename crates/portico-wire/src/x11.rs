//! One question to an X server: for how long has nobody used its keyboard and mouse?
//!
//! - The connection: "X Window System Protocol", section 8 "Connection Setup" and appendix B
//!   "Protocol Encoding" (`QueryExtension` of section 9 "Requests"). Everything is written with the
//!   least significant byte first, and a server answers in the order of its client.
//! - The answer: "X11 Screen Saver Extension", request `ScreenSaverQueryInfo` and section
//!   "Encoding". It counts milliseconds in 32 bits, so it begins anew after 49 days.
//! - The cookie: entries of a `.Xauthority` file, as `Xau(3)` writes them.
//!
//! Read [`IdleQuestion`] (the whole exchange, without a socket) and [`cookie_for`] first. The
//! server may belong to somebody who wishes the asker harm, so nothing of it is taken on trust: what
//! is too long, out of turn or not asked for ends the question.

mod authority;
mod messages;
mod question;
mod setup;
#[cfg(test)]
mod tests;

use std::fmt;

use zeroize::Zeroizing;

pub use authority::{AUTHORITY_LEN_MAX, AuthorityEntry, Entries, FAMILY_LOCAL, FAMILY_WILD};
pub use authority::{cookie_for, entries};
pub use messages::{
    EXTENSION, ExtensionReply, IdleInfo, PACKET_LEN, PACKET_LEN_MAX, QueryExtension, QueryInfo,
    packet_len,
};
pub use question::{IdleQuestion, PASSED_OVER_MAX};
pub use setup::{SETUP_LEN_MAX, SetupReply, SetupRequest, setup_len};

/// Name of the way to show who one is by a cookie.
pub const COOKIE_NAME: &[u8] = b"MIT-MAGIC-COOKIE-1";
/// Bytes of a cookie.
pub const COOKIE_LEN: usize = 16;

/// Secret that opens a display.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie(Zeroizing<[u8; COOKIE_LEN]>);

impl Cookie {
    /// The cookie with these bytes.
    pub fn new(bytes: [u8; COOKIE_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes, for the wire.
    pub fn expose(&self) -> &[u8; COOKIE_LEN] {
        &self.0
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(…)")
    }
}

/// Why a question has no answer, or bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum X11Error {
    /// A cookie file that is too long.
    #[error("the cookie file has {0} bytes, more than {AUTHORITY_LEN_MAX}")]
    AuthorityLength(usize),
    /// A cookie file that ends inside of an entry.
    #[error("the cookie file ends inside of an entry")]
    Authority,
    /// A text that does not fit into an entry.
    #[error("a text of {0} bytes does not fit into an entry of a cookie file")]
    TextLength(usize),
    /// Neither refused, nor accepted, nor asked for more.
    #[error("the connection is answered with status {0}, which does not exist")]
    Status(u8),
    /// An answer to the connection that is too long, or too short for what it holds.
    #[error("the answer to the connection has {0} bytes, which cannot be")]
    SetupLength(usize),
    /// The bytes end before the message does, or go on after it.
    #[error("a message has {has} bytes where {wants} belong")]
    Truncated {
        /// Bytes that are there.
        has: usize,
        /// Bytes that belong there.
        wants: usize,
    },
    /// Another protocol.
    #[error("the server speaks version {0} of the X protocol, not 11")]
    Version(u16),
    /// A server without screen.
    #[error("the server has no screen")]
    NoScreen,
    /// The server does not let the asker in.
    #[error("the server does not take the cookie")]
    NotLetIn,
    /// A message that is too long, or has a length where it has none.
    #[error("a message has {0} bytes more than its head, which cannot be")]
    Length(u64),
    /// An answer to another request.
    #[error("an answer to request {has} came where {wants} was asked")]
    Sequence {
        /// What it answers.
        has: u16,
        /// What was asked.
        wants: u16,
    },
    /// Another message than an answer.
    #[error("a message of kind {0} is no answer")]
    Kind(u8),
    /// The server calls the request wrong.
    #[error("the server answers with error {0}")]
    Refused(u8),
    /// A value that the specification does not have.
    #[error("an answer holds {0} where that does not exist")]
    Value(u8),
    /// The extension is missing or switched off.
    #[error("the server has no MIT-SCREEN-SAVER extension")]
    NoExtension,
    /// Nothing but messages that were not asked for.
    #[error("more than {PASSED_OVER_MAX} messages came that were not asked for")]
    PassedOver,
}

/// Reads numbers at places; `None` past the end.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Length of a text with the bytes that fill its last group of four.
const fn padded(len: usize) -> usize {
    len.next_multiple_of(4)
}

fn put_padded(out: &mut Vec<u8>, text: &[u8]) {
    let end = out.len() + padded(text.len());
    out.extend_from_slice(text);
    out.resize(end, 0);
}
