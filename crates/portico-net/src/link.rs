//! The framed link between agent and broker, over any stream, with time limits.
//!
//! [`LinkReader::read`] may be cancelled (in a `select!`) and called again: nothing is lost, and
//! the time goes on. [`LinkWriter::write`] may be cancelled, too: its message then is sent or not,
//! but never cut, because the next write first sends the rest.

use std::{io, time::Duration};

use portico_wire::agent::{
    DecodeError, EncodeError, FrameDecoder, FrameError, Message, decode, encode,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};
use zeroize::Zeroizing;

/// A link on which no whole message came for so long is over, on both sides.
pub const LINK_SILENCE_MAX: Duration = Duration::from_secs(10);
/// Time between two pings of a broker. Three fit into [`LINK_SILENCE_MAX`].
pub const PING_EVERY: Duration = Duration::from_secs(3);
/// Bytes that are read at once. Small, because a broker has ten thousand links.
const READ_LEN: usize = 4 * 1024;

/// Why a link ended, or one message of it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The other side closed it between two messages.
    #[error("the link was closed")]
    Closed,
    /// The other side closed it within a message.
    #[error("the link was closed in the middle of a message")]
    Truncated,
    /// No whole message came, or could be sent, in time.
    #[error("no whole message went over the link for {} s", after.as_secs_f32())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// An earlier write failed; half a message may be on the way.
    #[error("the link is broken by an earlier failure")]
    Broken,
    /// Not frames.
    #[error("the link carries something else than frames")]
    Frame(#[from] FrameError),
    /// Not a message; see [`LinkError::goes_on`].
    #[error("a message cannot be read")]
    Decode(#[from] DecodeError),
    /// The message cannot be sent; nothing was, and the link goes on.
    #[error("a message cannot be written")]
    Encode(#[from] EncodeError),
    /// The stream failed. With TLS, [`MachineTlsError::in_io`](crate::tls::MachineTlsError::in_io)
    /// says why.
    #[error("the connection failed: {0}")]
    Io(#[source] io::Error),
}

impl LinkError {
    /// Whether the link can be used further: a message of an unknown kind was passed over, or a
    /// message of ours was too large.
    pub fn goes_on(&self) -> bool {
        match self {
            Self::Decode(error) => error.link_goes_on(),
            Self::Encode(_) => true,
            _ => false,
        }
    }
}

/// The bytes of one frame, without its length. They are wiped when it goes: it may be a join with
/// its secret.
pub type Frame = Zeroizing<Vec<u8>>;

/// Reads messages.
#[derive(Debug)]
pub struct LinkReader<R> {
    stream: R,
    decoder: FrameDecoder,
    chunk: Vec<u8>,
    /// Since when a message is waited for; set while a `read` goes on or was cancelled.
    waits_since: Option<Instant>,
}

impl<R: AsyncRead + Unpin> LinkReader<R> {
    /// Reads frames of up to [`FRAME_LEN_MAX`](portico_wire::agent::FRAME_LEN_MAX) bytes.
    pub fn new(stream: R) -> Self {
        Self::with_decoder(stream, FrameDecoder::new())
    }

    /// Reads frames of up to `frame_len_max` bytes, as for enrollment.
    pub fn with_max(stream: R, frame_len_max: usize) -> Self {
        Self::with_decoder(stream, FrameDecoder::with_max(frame_len_max))
    }

    fn with_decoder(stream: R, decoder: FrameDecoder) -> Self {
        Self {
            stream,
            decoder,
            chunk: vec![0; READ_LEN],
            waits_since: None,
        }
    }

    /// The next message, whole within `timeout` of the first call that waited for it: bytes that
    /// drip in do not prolong it, and neither does cancelling and calling again.
    ///
    /// # Errors
    /// [`LinkError`]; after one that does not [`LinkError::goes_on`] the link is over.
    pub async fn read<M: Message>(&mut self, timeout: Duration) -> Result<M, LinkError> {
        Ok(decode(&self.read_frame(timeout).await?)?)
    }

    /// The next frame, without its length and not looked into: for a side that refuses messages
    /// before it reads them. The same as [`read`](Self::read) otherwise.
    ///
    /// # Errors
    /// [`LinkError`]; the link is over.
    pub async fn read_frame(&mut self, timeout: Duration) -> Result<Frame, LinkError> {
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        let outcome = self.frame(since + timeout, timeout).await;
        self.waits_since = None;
        outcome
    }

    async fn frame(&mut self, deadline: Instant, timeout: Duration) -> Result<Frame, LinkError> {
        loop {
            if let Some(frame) = self.decoder.next()? {
                return Ok(Zeroizing::new(frame));
            }
            let read = timeout_at(deadline, self.stream.read(&mut self.chunk)).await;
            let len = match read {
                Err(_elapsed) => return Err(LinkError::TimedOut { after: timeout }),
                Ok(Ok(len)) => len,
                // Without a close_notify of TLS it is an end all the same: every message has its
                // length, so nothing can be cut off unseen.
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Ok(Err(error)) => return Err(LinkError::Io(error)),
            };
            if len == 0 {
                return Err(if self.decoder.is_between_frames() {
                    LinkError::Closed
                } else {
                    LinkError::Truncated
                });
            }
            self.decoder.push(self.chunk.get(..len).unwrap_or_default());
        }
    }
}

/// Writes messages.
#[derive(Debug)]
pub struct LinkWriter<W> {
    stream: W,
    /// Bytes from `sent` on still have to go.
    pending: Zeroizing<Vec<u8>>,
    sent: usize,
    is_broken: bool,
}

impl<W: AsyncWrite + Unpin> LinkWriter<W> {
    /// Writes to `stream`.
    pub fn new(stream: W) -> Self {
        Self {
            stream,
            pending: Zeroizing::new(Vec::new()),
            sent: 0,
            is_broken: false,
        }
    }

    /// Sends a message, within `timeout` in all.
    ///
    /// # Errors
    /// [`LinkError`]; after one that does not [`LinkError::goes_on`] nothing more can be sent.
    pub async fn write<M: Message>(
        &mut self,
        message: &M,
        timeout: Duration,
    ) -> Result<(), LinkError> {
        if self.is_broken {
            return Err(LinkError::Broken);
        }
        let frame = Zeroizing::new(encode(message)?);
        let deadline = Instant::now() + timeout;
        // What a cancelled write left goes first, so that at most two messages are kept.
        let outcome = match self.flush(deadline, timeout).await {
            Ok(()) => {
                self.pending = frame;
                self.sent = 0;
                self.flush(deadline, timeout).await
            }
            Err(error) => Err(error),
        };
        self.is_broken = outcome.is_err();
        outcome
    }

    /// Ends the stream in order.
    pub async fn close(&mut self, timeout: Duration) {
        // The other side sees an end in any case.
        let _late = tokio::time::timeout(timeout, self.stream.shutdown()).await;
    }

    async fn flush(&mut self, deadline: Instant, timeout: Duration) -> Result<(), LinkError> {
        let send = async {
            while let Some(rest) = self.pending.get(self.sent..)
                && !rest.is_empty()
            {
                let len = self.stream.write(rest).await?;
                if len == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                self.sent += len;
            }
            self.stream.flush().await
        };
        match timeout_at(deadline, send).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(LinkError::Io(error)),
            Err(_elapsed) => Err(LinkError::TimedOut { after: timeout }),
        }
    }
}
