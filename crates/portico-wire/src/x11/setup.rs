//! The first exchange ("X Window System Protocol", section 8 "Connection Setup" and appendix B).

use zeroize::Zeroizing;

use super::{COOKIE_LEN, COOKIE_NAME, Cookie, X11Error, padded, put_padded, u16_at, u32_at};

/// Longest answer, in bytes. Servers with many kinds of pixels have some 30,000.
pub const SETUP_LEN_MAX: usize = 64 << 10;
/// Status, one byte of its own, two versions, the length of the rest in groups of four.
const HEAD_LEN: usize = 1 + 1 + 2 + 2 + 2;
/// What is always in an answer that accepts, with the head.
const ACCEPTED_LEN: usize = HEAD_LEN + 32;
/// A format of pixels.
const FORMAT_LEN: usize = 8;
/// A screen without its depths.
const SCREEN_LEN: usize = 40;
const VERSION: u16 = 11;
const LEAST_SIGNIFICANT_FIRST: u8 = b'l';
const REFUSED: u8 = 0;
const ACCEPTED: u8 = 1;
const MORE_WANTED: u8 = 2;

/// What a client begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupRequest {
    /// Shows who it is.
    pub cookie: Cookie,
}

impl SetupRequest {
    /// Length on the wire.
    pub const LEN: usize = 1 + 1 + 2 + 2 + 2 + 2 + 2 + padded(COOKIE_NAME.len()) + COOKIE_LEN;

    /// Bytes on the wire.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "two constants, 18 and 16 long"
    )]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(Self::LEN));
        out.extend_from_slice(&[LEAST_SIGNIFICANT_FIRST, 0]);
        for number in [VERSION, 0, COOKIE_NAME.len() as u16, COOKIE_LEN as u16, 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_padded(&mut out, COOKIE_NAME);
        out.extend_from_slice(self.cookie.expose());
        out
    }
}

/// What a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupReply {
    /// It does not let the client in; its reason is not kept.
    Refused,
    /// It lets the client in.
    Accepted {
        /// The root window of its first screen.
        root: u32,
    },
    /// It wants another proof of who the client is.
    MoreWanted,
}

/// Length of the whole answer, as soon as its head is there; `None` asks for more bytes.
///
/// # Errors
/// [`X11Error::Status`]; [`X11Error::SetupLength`] past [`SETUP_LEN_MAX`].
pub fn setup_len(bytes: &[u8]) -> Result<Option<usize>, X11Error> {
    match bytes.first() {
        None => return Ok(None),
        Some(&(REFUSED | ACCEPTED | MORE_WANTED)) => {}
        Some(other) => return Err(X11Error::Status(*other)),
    }
    let Some(groups) = u16_at(bytes, HEAD_LEN - 2) else {
        return Ok(None);
    };
    let len = HEAD_LEN + 4 * usize::from(groups);
    if len > SETUP_LEN_MAX {
        return Err(X11Error::SetupLength(len));
    }
    Ok(Some(len))
}

impl SetupReply {
    /// Reads exactly one whole answer.
    ///
    /// # Errors
    /// [`X11Error`] for what is wrong with its head, its lengths, its version; or no screen.
    pub fn decode(packet: &[u8]) -> Result<Self, X11Error> {
        let has = packet.len();
        let wants = setup_len(packet)?.unwrap_or(HEAD_LEN);
        if has != wants {
            return Err(X11Error::Truncated { has, wants });
        }
        let short = X11Error::SetupLength(has);
        match *packet {
            [REFUSED, reason_len, ..] if HEAD_LEN + usize::from(reason_len) > has => Err(short),
            [REFUSED, ..] => Ok(Self::Refused),
            [ACCEPTED, ..] => accepted(packet),
            _ => Ok(Self::MoreWanted),
        }
    }

    /// The shortest answer of this kind, for servers of tests.
    pub fn encode(&self) -> Vec<u8> {
        let (status, len) = match self {
            Self::Refused => (REFUSED, HEAD_LEN),
            Self::Accepted { .. } => (ACCEPTED, ACCEPTED_LEN + SCREEN_LEN),
            Self::MoreWanted => (MORE_WANTED, HEAD_LEN),
        };
        let mut out = vec![status, 0];
        let groups = u16::try_from((len - HEAD_LEN) / 4).unwrap_or(0);
        for number in [VERSION, 0, groups] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        if let Self::Accepted { root } = self {
            // One screen, no formats, no name of a vendor.
            out.extend_from_slice(&[0; 20]);
            out.extend_from_slice(&[1, 0]);
            out.resize(ACCEPTED_LEN, 0);
            out.extend_from_slice(&root.to_le_bytes());
            out.resize(len, 0);
        }
        out
    }
}

fn accepted(packet: &[u8]) -> Result<SetupReply, X11Error> {
    let short = X11Error::SetupLength(packet.len());
    match u16_at(packet, 2) {
        Some(VERSION) => {}
        other => return Err(X11Error::Version(other.unwrap_or(0))),
    }
    let vendor_len = usize::from(u16_at(packet, 24).ok_or(short)?);
    let (Some(screens), Some(formats)) = (packet.get(28), packet.get(29)) else {
        return Err(short);
    };
    if *screens == 0 {
        return Err(X11Error::NoScreen);
    }
    let at = ACCEPTED_LEN + padded(vendor_len) + FORMAT_LEN * usize::from(*formats);
    if packet.len() < at + SCREEN_LEN * usize::from(*screens) {
        return Err(short);
    }
    let root = u32_at(packet, at).ok_or(short)?;
    Ok(SetupReply::Accepted { root })
}
