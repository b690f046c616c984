//! A viewer that is attached to a session: its stream, and what it is still to be sent.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use portico_model::{ConnectionId, session::EndReason};
use portico_wire::terminal::{
    EngineFrame, FrameError, VIEWER_FRAME_LEN_MAX, framing,
    header::{Open, RefusedError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::Instant,
};

use crate::outflow::{Outflow, append};

/// Room for reading; keystrokes are small.
const READ_LEN: usize = 4 * 1024;
/// Room that is kept when nothing waits in it.
const ROOM_KEPT_MAX: usize = 16 * 1024;
/// Time for the last frames to a viewer that is being left.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

/// A viewer.
pub(crate) struct Viewer {
    pub(crate) connection: ConnectionId,
    stream: UnixStream,
    inbox: BytesMut,
    outbox: Vec<u8>,
    /// Bytes of the outbox that are sent.
    sent: usize,
    since: Instant,
    last_input: Instant,
    idle_timeout: Option<Duration>,
    total_timeout: Option<Duration>,
    was_told_the_end: bool,
}

/// What can happen at a viewer's stream.
pub(crate) enum Progress {
    /// Bytes came; ask [`Viewer::next_frame`].
    Read,
    /// Bytes went.
    Written,
    /// It is gone.
    Gone,
}

impl Viewer {
    /// A viewer whose Open was read; `rest` is what came after it.
    pub(crate) fn new(open: &Open, stream: UnixStream, rest: &[u8]) -> Self {
        let now = Instant::now();
        let timeout = |s: u32| (s > 0).then(|| Duration::from_secs(s.into()));
        Self {
            connection: open.connection.clone(),
            stream,
            inbox: BytesMut::from(rest),
            outbox: Vec::new(),
            sent: 0,
            since: now,
            last_input: now,
            idle_timeout: timeout(open.idle_timeout_s),
            total_timeout: timeout(open.total_timeout_s),
            was_told_the_end: false,
        }
    }

    /// Puts the next frame of `outflow` into the outbox when that is empty.
    pub(crate) fn fill(&mut self, outflow: &mut Outflow) {
        if self.is_flushed() {
            self.outbox = Vec::new();
            self.sent = 0;
            outflow.poll_frame(&mut self.outbox);
        }
    }

    /// Whether all frames are written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.sent == self.outbox.len()
    }

    /// Reads or writes what is possible. Nothing is lost when the future is dropped.
    pub(crate) async fn progress(&mut self, may_read: bool) -> Progress {
        let Self {
            stream,
            inbox,
            outbox,
            sent,
            ..
        } = self;
        let (mut reader, mut writer) = stream.split();
        let rest = outbox.get(*sent..).unwrap_or_default();
        inbox.reserve(READ_LEN);
        tokio::select! {
            written = writer.write(rest), if !rest.is_empty() => match written {
                Ok(len) => { *sent += len; Progress::Written }
                Err(_) => Progress::Gone,
            },
            read = reader.read_buf(inbox), if may_read => match read {
                Ok(0) | Err(_) => Progress::Gone,
                Ok(_) => Progress::Read,
            },
            else => std::future::pending().await,
        }
    }

    /// Hands the next whole frame that was read to `take`; false when there is none.
    pub(crate) fn next_frame(&mut self, take: impl FnOnce(&[u8])) -> Result<bool, FrameError> {
        match framing::split(&self.inbox, VIEWER_FRAME_LEN_MAX)? {
            Some((frame, taken)) => {
                take(frame);
                self.inbox.advance(taken);
                Ok(true)
            }
            None => {
                if self.inbox.is_empty() && self.inbox.capacity() > ROOM_KEPT_MAX {
                    self.inbox = BytesMut::new();
                }
                Ok(false)
            }
        }
    }

    /// Puts the program's end behind what is still to be written.
    pub(crate) fn tell_the_end<'a>(&mut self, last: impl Iterator<Item = EngineFrame<'a>>) {
        for frame in last {
            append(&mut self.outbox, &frame);
        }
        self.was_told_the_end = true;
    }

    /// Whether [`Viewer::tell_the_end`] was called.
    pub(crate) fn was_told_the_end(&self) -> bool {
        self.was_told_the_end
    }

    /// It was used.
    pub(crate) fn note_input(&mut self) {
        self.last_input = Instant::now();
    }

    /// When it is to be disconnected, and why.
    pub(crate) fn deadline(&self) -> Option<(Instant, EndReason)> {
        let idle = self
            .idle_timeout
            .map(|after| (self.last_input + after, EndReason::IdleTimeout));
        let total = self
            .total_timeout
            .map(|after| (self.since + after, EndReason::TotalTimeout));
        idle.into_iter().chain(total).min_by_key(|(at, _)| *at)
    }

    /// Sends what is in the outbox, then `last`, and closes the stream.
    pub(crate) async fn leave(mut self, last: &[EngineFrame<'_>]) {
        for frame in last {
            append(&mut self.outbox, frame);
        }
        let rest = self.outbox.get(self.sent..).unwrap_or_default();
        if let Err(error) = farewell(&mut self.stream, rest).await {
            tracing::debug!(connection_id = %self.connection, %error, "Viewer was gone already");
        }
    }
}

/// Tells a viewer why it is not taken in.
pub(crate) async fn refuse(mut stream: UnixStream, error: &RefusedError) {
    let mut frames = Vec::new();
    append(&mut frames, &EngineFrame::Refused(&error.to_json()));
    if let Err(error) = farewell(&mut stream, &frames).await {
        tracing::debug!(%error, "Viewer was gone already");
    }
}

async fn farewell(stream: &mut UnixStream, frames: &[u8]) -> io::Result<()> {
    let writing = async {
        stream.write_all(frames).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(FAREWELL_TIMEOUT, writing)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
