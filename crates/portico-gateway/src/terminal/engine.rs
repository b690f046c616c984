//! The engine, from the gateway's side of its Unix socket.

use std::{io, os::unix::fs::MetadataExt, path::Path, time::Duration};

use bytes::{Buf, BytesMut};
use portico_model::{SessionId, session::EndReason};
use portico_net::{
    flows::GATEWAY_ENGINE,
    unix::{self, UnixError},
};
use portico_wire::terminal::{
    ENGINE_FRAME_LEN_MAX, FrameError, framing,
    header::{ANSWER_LEN_MAX, Answer, Control, HeaderError, Open, TerminalSession},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// Room for reading output.
const READ_LEN: usize = 32 * 1024;
/// Room that is kept when nothing waits in it.
const ROOM_KEPT_MAX: usize = 4 * 1024;
/// Time for a question to the engine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the engine does not answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody listens.
    #[error("the engine does not listen")]
    Dial(#[source] UnixError),
    /// Something else listens there.
    #[error("what answers on the engine's socket runs as user {uid}")]
    OtherUser {
        /// Its user id.
        uid: u32,
    },
    /// The connection broke.
    #[error("the connection to the engine broke")]
    Io(#[from] io::Error),
    /// What it said has no meaning.
    #[error("the engine sent what is no frame")]
    Frame(#[from] FrameError),
    /// What it said has no meaning.
    #[error("the engine sent what is no answer")]
    Answer(#[from] HeaderError),
    /// It says nothing.
    #[error("the engine did not answer in time")]
    TimedOut,
}

/// All terminal sessions of the engine at `socket`.
pub async fn sessions(socket: &Path) -> Result<Vec<TerminalSession>, EngineError> {
    match ask(socket, &Control::List).await? {
        Answer::Sessions { sessions } => Ok(sessions),
        Answer::Ending | Answer::Unknown => Ok(Vec::new()),
    }
}

/// Ends a terminal session, whether or not a viewer is attached. False when there is none.
pub async fn end_session(
    socket: &Path,
    session: &SessionId,
    reason: EndReason,
) -> Result<bool, EngineError> {
    let session = session.clone();
    let answer = ask(socket, &Control::End { session, reason }).await?;
    Ok(answer == Answer::Ending)
}

async fn ask(socket: &Path, control: &Control) -> Result<Answer, EngineError> {
    let asking = async {
        let mut stream = unix::dial(GATEWAY_ENGINE, socket)
            .await
            .map_err(EngineError::Dial)?;
        let mut question = Vec::new();
        framing::append_raw(&mut question, &control.encode()?)?;
        stream.write_all(&question).await?;
        let mut inbox = BytesMut::new();
        loop {
            if let Some((frame, _)) = framing::split(&inbox, ANSWER_LEN_MAX)? {
                return Ok(Answer::decode(frame)?);
            }
            if stream.read_buf(&mut inbox).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    };
    tokio::time::timeout(ANSWER_TIMEOUT, asking)
        .await
        .unwrap_or(Err(EngineError::TimedOut))
}

/// Passwords go this way, so what answers must be a process of the same user.
async fn dial(socket: &Path) -> Result<UnixStream, EngineError> {
    let stream = unix::dial(GATEWAY_ENGINE, socket)
        .await
        .map_err(EngineError::Dial)?;
    let own = std::fs::metadata("/proc/self")?.uid();
    match unix::peer_uid(&stream)? {
        uid if uid == own => Ok(stream),
        uid => Err(EngineError::OtherUser { uid }),
    }
}

/// A stream of frames to and from the engine, for one viewer.
pub(super) struct EngineLink {
    stream: UnixStream,
    inbox: BytesMut,
    outbox: Vec<u8>,
    /// Bytes of the outbox that are sent.
    sent: usize,
}

impl EngineLink {
    /// Dials the engine and asks for a session.
    pub(super) async fn open(socket: &Path, open: &Open) -> Result<Self, EngineError> {
        let opening = async {
            let mut stream = dial(socket).await?;
            stream.write_all(&open.encode_framed()?).await?;
            Ok(stream)
        };
        let stream = tokio::time::timeout(ANSWER_TIMEOUT, opening)
            .await
            .unwrap_or(Err(EngineError::TimedOut))?;
        Ok(Self {
            stream,
            inbox: BytesMut::new(),
            outbox: Vec::new(),
            sent: 0,
        })
    }

    /// Whether all that was put is written.
    pub(super) fn is_flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Puts a frame of the viewer on its way.
    pub(super) fn put(&mut self, frame: &[u8]) -> Result<(), FrameError> {
        framing::append_raw(&mut self.outbox, frame)
    }

    /// Writes what was put, and reads. True when something was read: then take all
    /// [`Self::next_frame`]s. Nothing is lost when the future is dropped.
    pub(super) async fn progress(&mut self) -> io::Result<bool> {
        let (mut reader, mut writer) = self.stream.split();
        let rest = self.outbox.get(self.sent..).unwrap_or_default();
        self.inbox.reserve(if self.inbox.is_empty() {
            ROOM_KEPT_MAX
        } else {
            READ_LEN
        });
        tokio::select! {
            written = writer.write(rest), if !rest.is_empty() => {
                self.sent += written?;
                if self.sent == self.outbox.len() {
                    self.outbox = Vec::new();
                    self.sent = 0;
                }
                Ok(false)
            }
            read = reader.read_buf(&mut self.inbox) => match read? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(true),
            },
        }
    }

    /// The next whole frame that was read.
    pub(super) fn next_frame(&mut self) -> Result<Option<BytesMut>, FrameError> {
        let Some((_, taken)) = framing::split(&self.inbox, ENGINE_FRAME_LEN_MAX)? else {
            return Ok(None);
        };
        let mut frame = self.inbox.split_to(taken);
        frame.advance(framing::LENGTH_LEN);
        Ok(Some(frame))
    }

    /// Writes what was put, for at most `limit`; then the stream ends.
    pub(super) async fn finish(mut self, limit: Duration) {
        let rest = self.outbox.get(self.sent..).unwrap_or_default();
        let writing = async {
            self.stream.write_all(rest).await?;
            self.stream.shutdown().await
        };
        match tokio::time::timeout(limit, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "The engine was gone already"),
            Err(_) => tracing::debug!("The engine did not take the last frames in time"),
        }
    }
}
