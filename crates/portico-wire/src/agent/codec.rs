//! Messages as JSON.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::framing::{FrameError, LENGTH_LEN};

/// A message of the link or of enrollment.
pub trait Message: Serialize + DeserializeOwned {
    /// Every kind there is, as in the JSON.
    const KINDS: &'static [&'static str];
    /// Longest frame, in bytes.
    const LEN_MAX: usize;

    /// Checks the limits of its own lists and texts.
    ///
    /// # Errors
    /// The first that is broken.
    fn check(&self) -> Result<(), LimitError>;
}

/// A list or text of a message is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} has {len} {unit}; at most {max} are allowed")]
pub struct LimitError {
    /// Which.
    pub field: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How many there are.
    pub len: usize,
    /// How many there may be.
    pub max: usize,
}

/// Why a message cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It breaks a limit.
    #[error("the message cannot be sent: {0}")]
    Limit(LimitError),
    /// It makes a frame that is too long.
    #[error("the message cannot be sent")]
    Frame(#[from] FrameError),
    /// It is no JSON, which types of messages never are.
    #[error("the message cannot be written as JSON")]
    Json,
}

/// Why a frame is not a message. The texts hold nothing of the frame but the kind: it may be a
/// join with its secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A kind that this version does not have. The link goes on.
    #[error("a message of the unknown kind {kind:?}")]
    UnknownKind {
        /// It, at most [`KIND_LEN_MAX`] bytes of it.
        kind: String,
    },
    /// It does not begin with its kind, as every message does.
    #[error("the message does not begin with its kind")]
    NoKind,
    /// Not the JSON it should be.
    #[error("the message is not the expected JSON (line {line}, column {column})")]
    Json {
        /// Line of the JSON text, from 1.
        line: usize,
        /// Column of that line, from 1.
        column: usize,
    },
    /// It breaks a limit.
    #[error("the message breaks a limit: {0}")]
    Limit(LimitError),
}

/// Bytes that are kept of the name of an unknown kind.
pub const KIND_LEN_MAX: usize = 64;

impl DecodeError {
    /// Whether the reader passes over the message and reads on; otherwise the link ends.
    pub fn link_goes_on(&self) -> bool {
        matches!(self, Self::UnknownKind { .. })
    }
}

/// The frame of a message, with its length in front.
///
/// # Errors
/// [`EncodeError`]; nothing is cut to fit.
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, EncodeError> {
    message.check().map_err(EncodeError::Limit)?;
    let mut out = vec![0; LENGTH_LEN];
    serde_json::to_writer(&mut out, message).map_err(|_| EncodeError::Json)?;
    let len = out.len().saturating_sub(LENGTH_LEN);
    let too_long = FrameError::TooLong {
        len,
        max: M::LEN_MAX,
    };
    let length = u32::try_from(len).map_err(|_| too_long)?;
    if len > M::LEN_MAX {
        return Err(too_long.into());
    }
    if let Some(place) = out.first_chunk_mut::<LENGTH_LEN>() {
        *place = length.to_be_bytes();
    }
    Ok(out)
}

/// Reads the message in one frame, given without its length.
///
/// # Errors
/// [`DecodeError`]; see [`DecodeError::link_goes_on`].
pub fn decode<M: Message>(frame: &[u8]) -> Result<M, DecodeError> {
    let error = match serde_json::from_slice::<M>(frame) {
        Ok(message) => {
            message.check().map_err(DecodeError::Limit)?;
            return Ok(message);
        }
        Err(error) => error,
    };
    match serde_json::from_slice::<KindOnly>(frame) {
        Ok(KindOnly { kind }) if !M::KINDS.contains(&kind.as_str()) => {
            Err(DecodeError::UnknownKind { kind: cut(kind) })
        }
        _ => Err(DecodeError::Json {
            line: error.line(),
            column: error.column(),
        }),
    }
}

#[derive(Deserialize)]
struct KindOnly {
    kind: String,
}

fn cut(mut kind: String) -> String {
    let end = (0..=KIND_LEN_MAX.min(kind.len()))
        .rev()
        .find(|at| kind.is_char_boundary(*at));
    kind.truncate(end.unwrap_or(0));
    kind
}

/// Checks the length of a text, in bytes.
pub(super) fn text(field: &'static str, text: &str, max: usize) -> Result<(), LimitError> {
    at_most(field, "bytes", text.len(), max)
}

/// Checks a number of things.
pub(super) fn at_most(
    field: &'static str,
    unit: &'static str,
    len: usize,
    max: usize,
) -> Result<(), LimitError> {
    if len > max {
        return Err(LimitError {
            field,
            unit,
            len,
            max,
        });
    }
    Ok(())
}

/// Bytes as base64 in JSON.
pub(super) mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD
            .decode(text.as_bytes())
            .map_err(|_| D::Error::custom("not base64"))
    }
}

/// A list of bytes, each as base64 in JSON.
pub(super) mod base64_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Item(#[serde(with = "super::base64_bytes")] Vec<u8>);

    pub(in super::super) fn serialize<S: Serializer>(
        list: &[Vec<u8>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|bytes| Item(bytes.clone())))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        let items = Vec::<Item>::deserialize(deserializer)?;
        Ok(items.into_iter().map(|item| item.0).collect())
    }
}
