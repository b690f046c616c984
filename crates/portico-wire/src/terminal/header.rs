//! Headers on the Unix stream between gateway and engine: what to open, or what to tell.
//!
//! Both ends are the same program, started together, so these are plain JSON without versions.

use portico_model::{
    ConnectionId, HostId, Secret, SessionId, UserId, estate::Pin, session::EndReason,
};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{
    FrameError, TYPE_CONTROL, TYPE_OPEN,
    framing::{LENGTH_LEN, append_raw},
};

/// Longest header, in bytes, type included.
pub const HEADER_LEN_MAX: usize = 64 * 1024;
/// Longest answer to a [`Control`], in bytes, type included.
pub const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;
/// Kind of terminal the programs are told to write for.
pub const TERM: &str = "xterm-256color";

/// First frame of a stream.
#[derive(Debug)]
pub enum Header {
    /// Frames of a viewer and a session follow.
    Open(Box<Open>),
    /// One answer follows.
    Control(Control),
}

/// What to open, or to come back to when the session exists already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Open {
    /// The session. Who may come to it was decided before.
    pub session: SessionId,
    /// The connection, for logs.
    pub connection: ConnectionId,
    /// Whose it is, for logs and lists.
    pub user: UserId,
    /// Id of the host, for logs and lists.
    pub host: HostId,
    /// Address or name to dial.
    pub address: String,
    /// Port to dial.
    pub port: u16,
    /// Host keys to accept. Without any the host is not trusted.
    pub pins: Vec<Pin>,
    /// Name to log on with.
    pub account: String,
    /// Password to log on with; not needed to come back.
    #[serde(serialize_with = "expose")]
    pub password: Option<Secret>,
    /// Program instead of the account's shell.
    pub program: Option<ProgramToRun>,
    /// Columns of the viewer's screen.
    pub cols: u16,
    /// Rows of the viewer's screen.
    pub rows: u16,
    /// Bytes of output the viewer already has.
    pub received: u64,
    /// Kind of terminal, usually [`TERM`].
    pub term: String,
    /// Disconnect after so long without input; 0 means never.
    pub idle_timeout_s: u32,
    /// Disconnect after so long in any case; 0 means never.
    pub total_timeout_s: u32,
}

/// A program and where it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramToRun {
    /// Command line, read by the account's shell.
    pub command: String,
    /// Folder; empty for the account's home.
    pub work_dir: String,
}

/// A question or an order about sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Control {
    /// Which sessions are there?
    List,
    /// End this one.
    End {
        /// Which.
        session: SessionId,
        /// What its viewer is told.
        reason: EndReason,
    },
}

/// What a [`Control`] is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// All sessions.
    Sessions {
        /// In order of id.
        sessions: Vec<TerminalSession>,
    },
    /// The session is being ended.
    Ending,
    /// There is no such session.
    Unknown,
}

/// A session as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSession {
    /// Its id.
    pub session: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Where it runs.
    pub host: HostId,
    /// The connection that is attached, if one is.
    pub connection: Option<ConnectionId>,
    /// Whether its program has ended and only the last output is kept.
    pub exited: bool,
}

/// JSON of a Refused frame: an error as the HTTP API gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The error.
    pub error: RefusedError,
}

/// Why a terminal cannot be opened, in words for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedError {
    /// Which case, in kebab-case.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// More of it, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

/// Why a header cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// Not a header at all.
    #[error("the header is malformed")]
    Frame(#[from] FrameError),
    /// Not the JSON it should be. The text is not in the error: it may hold a password.
    #[error("the header is not the expected JSON (line {line}, column {column})")]
    Json {
        /// Line of the JSON text, from 1.
        line: usize,
        /// Column of that line, from 1.
        column: usize,
    },
}

impl Header {
    /// Reads one header frame, all of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let (&kind, json) = bytes.split_first().ok_or(FrameError::Empty)?;
        check_len(bytes.len(), HEADER_LEN_MAX)?;
        match kind {
            TYPE_OPEN => Ok(Self::Open(Box::new(from_json(json)?))),
            TYPE_CONTROL => Ok(Self::Control(from_json(json)?)),
            _ => Err(FrameError::UnknownType { kind }.into()),
        }
    }
}

impl Open {
    /// The header frame, wiped when dropped because it holds the password.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, HeaderError> {
        // Room for the longest header, so that growing leaves no copy of the password behind.
        let mut out = Zeroizing::new(Vec::with_capacity(HEADER_LEN_MAX));
        out.push(TYPE_OPEN);
        to_json(self, &mut out)?;
        check_len(out.len(), HEADER_LEN_MAX)?;
        Ok(out)
    }
}

impl Open {
    /// The header frame with its length in front, wiped when dropped.
    pub fn encode_framed(&self) -> Result<Zeroizing<Vec<u8>>, HeaderError> {
        let frame = self.encode()?;
        let mut framed = Zeroizing::new(Vec::with_capacity(LENGTH_LEN + frame.len()));
        append_raw(&mut framed, &frame)?;
        Ok(framed)
    }
}

impl Control {
    /// The header frame.
    pub fn encode(&self) -> Result<Vec<u8>, HeaderError> {
        let mut out = vec![TYPE_CONTROL];
        to_json(self, &mut out)?;
        check_len(out.len(), HEADER_LEN_MAX)?;
        Ok(out)
    }
}

impl Answer {
    /// The frame, of the same type as the [`Control`] it answers.
    pub fn encode(&self) -> Result<Vec<u8>, HeaderError> {
        let mut out = vec![TYPE_CONTROL];
        to_json(self, &mut out)?;
        check_len(out.len(), ANSWER_LEN_MAX)?;
        Ok(out)
    }

    /// Reads one answer frame, all of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let (&kind, json) = bytes.split_first().ok_or(FrameError::Empty)?;
        check_len(bytes.len(), ANSWER_LEN_MAX)?;
        if kind != TYPE_CONTROL {
            return Err(FrameError::UnknownType { kind }.into());
        }
        from_json(json)
    }
}

impl Refused {
    /// Reads the text of a Refused frame; `None` when it is another JSON.
    pub fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl RefusedError {
    /// The JSON text of the Refused frame. Texts that came from a host can be long; what does not
    /// fit loses its reason and details first.
    pub fn to_json(&self) -> String {
        let whole = Refused {
            error: self.clone(),
        };
        let short = Refused {
            error: Self {
                reason: None,
                details: None,
                ..self.clone()
            },
        };
        [whole, short]
            .iter()
            .filter_map(|refused| serde_json::to_string(refused).ok())
            .find(|json| json.len() <= super::REFUSED_LEN_MAX)
            .unwrap_or_else(|| {
                r#"{"error":{"code":"refused","message":"the terminal cannot be opened"}}"#.into()
            })
    }
}

fn check_len(len: usize, max: usize) -> Result<(), FrameError> {
    if len > max {
        return Err(FrameError::TooLong {
            frame: "header",
            len,
            max,
        });
    }
    Ok(())
}

fn from_json<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, HeaderError> {
    serde_json::from_slice(json).map_err(|error| json_error(&error))
}

fn to_json<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), HeaderError> {
    serde_json::to_writer(out, value).map_err(|error| json_error(&error))
}

fn json_error(error: &serde_json::Error) -> HeaderError {
    HeaderError::Json {
        line: error.line(),
        column: error.column(),
    }
}

fn expose<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

#[cfg(test)]
mod tests;
