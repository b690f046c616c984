//! What a message of an agent says first: enough to refuse it without reading the rest.
//!
//! A report may have a megabyte. A broker that is sent too many of them must not read each of them
//! to find that out.

use std::fmt;

use portico_model::seen::{HostReport, HostSession, Load, REPORT_SESSIONS_MAX, SeenError};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

use super::codec::DecodeError;

/// How the JSON of every message begins.
const KIND: &[u8] = b"{\"kind\":\"";
/// How the number of a report follows its kind.
const NUMBER: &[u8] = b",\"number\":";
/// Longest kind that is looked for, in bytes.
const KIND_MAX: usize = 64;
/// Most digits of a number.
const NUMBER_DIGITS_MAX: usize = 20;

/// What a message is, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// A report.
    Report {
        /// Its number, when it stands right after the kind, as this program writes it.
        number: Option<u64>,
    },
    /// A piece of the answer about rules and listeners, of which there may be many to one question.
    Ports,
    /// Any other message, of a kind that is known or not.
    Other,
}

/// Reads the head of a frame that an agent sent, given without its length. Nothing is allocated,
/// and no more than the first hundred bytes are looked at.
///
/// # Errors
/// [`DecodeError::NoKind`] when the kind does not stand first.
pub fn head(frame: &[u8]) -> Result<Head, DecodeError> {
    let rest = frame.strip_prefix(KIND).ok_or(DecodeError::NoKind)?;
    let end = rest
        .iter()
        .take(KIND_MAX + 1)
        .position(|byte| *byte == b'"');
    let (kind, rest) = end
        .and_then(|end| rest.split_at_checked(end))
        .ok_or(DecodeError::NoKind)?;
    // A kind with an escape in it would be read as another one than it seems.
    if kind.contains(&b'\\') {
        return Err(DecodeError::NoKind);
    }
    Ok(match kind {
        b"report" => Head::Report {
            number: number(rest.get(1..).unwrap_or_default()),
        },
        b"ports" => Head::Ports,
        _ => Head::Other,
    })
}

fn number(rest: &[u8]) -> Option<u64> {
    let rest = rest.strip_prefix(NUMBER)?;
    let len = rest
        .iter()
        .take(NUMBER_DIGITS_MAX + 1)
        .position(|byte| !byte.is_ascii_digit())?;
    // What would go on, such as `1.5` or `1e9`, is left to the whole reader.
    if !matches!(rest.get(len), Some(b',' | b'}')) {
        return None;
    }
    std::str::from_utf8(rest.get(..len)?).ok()?.parse().ok()
}

/// Why a report cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It is no report. The link ends.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It has more sessions than are read. It is refused whole, and the link goes on.
    #[error(transparent)]
    TooMany(SeenError),
}

/// Reads the report in one frame, given without its length, of which [`head`] has told that it is
/// one. Of sessions that are too many only their number is found out.
///
/// # Errors
/// [`ReportError`].
pub fn decode_report(frame: &[u8]) -> Result<HostReport, ReportError> {
    let fields: Fields = serde_json::from_slice(frame).map_err(|error| DecodeError::Json {
        line: error.line(),
        column: error.column(),
    })?;
    if fields.sessions.count > REPORT_SESSIONS_MAX {
        return Err(ReportError::TooMany(SeenError::TooManySessions {
            count: fields.sessions.count,
        }));
    }
    Ok(HostReport {
        number: fields.number,
        load: fields.load,
        sessions: fields.sessions.kept,
    })
}

/// A [`HostReport`], and what else the message says is passed over.
#[derive(Deserialize)]
struct Fields {
    number: u64,
    load: Load,
    sessions: Sessions,
}

/// The first [`REPORT_SESSIONS_MAX`], and how many there are.
struct Sessions {
    kept: Vec<HostSession>,
    count: usize,
}

impl<'de> Deserialize<'de> for Sessions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(SessionsVisitor)
    }
}

struct SessionsVisitor;

impl<'de> Visitor<'de> for SessionsVisitor {
    type Value = Sessions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of sessions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Sessions, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < REPORT_SESSIONS_MAX
            && let Some(session) = items.next_element()?
        {
            kept.push(session);
        }
        let mut count = kept.len();
        if count == REPORT_SESSIONS_MAX {
            while items.next_element::<IgnoredAny>()?.is_some() {
                count = count.saturating_add(1);
            }
        }
        Ok(Sessions { kept, count })
    }
}
