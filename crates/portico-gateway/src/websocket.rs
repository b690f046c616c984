//! A WebSocket as a stream of messages: for terminals and for the handshake of desktops. The
//! relay of desktops takes it apart and works on frames.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use portico_wire::websocket::{
    CloseCode, CloseFrame, DecodeError, Decoder, Event, MessageKind, Opcode, Role, encode_frame,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What a viewer's connection runs over.
pub(crate) type ClientStream = tokio_rustls::server::TlsStream<TcpStream>;

/// Bytes read at once.
const READ_LEN: usize = 8 * 1024;

/// A pong is dropped when this much waits to be sent: the other side does not read anyway.
const PONG_BACKLOG_MAX: usize = 4 * 1024;

/// Write buffers that grew beyond this are given back when empty.
const KEEP_CAPACITY_MAX: usize = 16 * 1024;

/// What the other side sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A whole message.
    Binary(Vec<u8>),
    /// The other side closes. Nothing comes after that.
    Close(CloseFrame),
}

/// How a WebSocket broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebSocketError {
    /// The transport broke or ended without a close frame.
    #[error("the connection to the viewer broke")]
    Io(#[from] io::Error),
    /// The other side broke the protocol.
    #[error(transparent)]
    Protocol(#[from] DecodeError),
    /// A message longer than the caller takes.
    #[error("a WebSocket message is longer than the {max} bytes allowed")]
    TooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// A text message; only binary ones have a meaning here.
    #[error("a WebSocket text message where only binary ones are taken")]
    Text,
}

impl WebSocketError {
    /// The code to close with; none when the transport itself is broken.
    pub(crate) fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Io(_) => None,
            Self::Protocol(error) => Some(error.close_code()),
            Self::TooLong { .. } => Some(CloseCode::TOO_BIG),
            Self::Text => Some(CloseCode::UNSUPPORTED),
        }
    }
}

/// The server's end of a WebSocket.
pub(crate) struct WebSocketTransport<S = ClientStream> {
    stream: S,
    decoder: Decoder,
    /// Read and not yet decoded: `unread[at..]`.
    unread: Vec<u8>,
    at: usize,
    /// Beginning of a message whose end has not come.
    partial: Vec<u8>,
    /// Frames to write: `unsent[sent..]`. Whole frames are added, so a cancelled send leaves the
    /// stream in order.
    unsent: Vec<u8>,
    sent: usize,
    /// Bytes that came, of whatever kind.
    heard: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketTransport<S> {
    /// The transport after the handshake; `read_ahead` came with it.
    pub(crate) fn new(stream: S, read_ahead: &[u8]) -> Self {
        Self {
            stream,
            decoder: Decoder::new(Role::Server, u64::MAX),
            unread: read_ahead.to_vec(),
            at: 0,
            partial: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            heard: 0,
        }
    }

    /// Waits for the next message of at most `len_max` bytes. Pings are answered meanwhile.
    ///
    /// Cancel safe: what came so far is kept. After an error nothing more can be received; answer
    /// with [`close`](Self::close) and [`WebSocketError::close_code`].
    pub(crate) async fn recv_message(
        &mut self,
        len_max: usize,
    ) -> Result<Incoming, WebSocketError> {
        std::future::poll_fn(|cx| self.poll_recv(cx, len_max)).await
    }

    /// Sends a binary message. Returns when the transport has taken all of it, so the caller feels
    /// a slow viewer. When cancelled, the message still goes out with the next send or receive.
    pub(crate) async fn send_message(&mut self, payload: &[u8]) -> io::Result<()> {
        self.queue(Opcode::Binary, payload);
        self.flush().await
    }

    /// Asks for a sign of life.
    pub(crate) async fn send_ping(&mut self) -> io::Result<()> {
        self.queue(Opcode::Ping, &[]);
        self.flush().await
    }

    /// Bytes that came so far, answers to pings included: a sign of life when it grew.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// Sends a close frame, ends the transport in order (close_notify) and waits until the viewer
    /// has ended it too. What it sends meanwhile is thrown away: closing with bytes unread would
    /// reset the connection, and the viewer might lose the close frame. Bound it with a timeout.
    pub(crate) async fn close(&mut self, frame: &CloseFrame) -> io::Result<()> {
        self.queue(Opcode::Close, &frame.encode());
        self.flush().await?;
        std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await?;
        let mut sink = vec![0; READ_LEN];
        while self.stream.read(&mut sink).await? > 0 {}
        Ok(())
    }

    /// The parts, for a relay: the stream, the decoder, and what was read and not decoded. Call it
    /// between messages, with nothing left to send.
    pub(crate) fn into_parts(self) -> (S, Decoder, Vec<u8>) {
        let mut unread = self.unread;
        unread.drain(..self.at.min(unread.len()));
        (self.stream, self.decoder, unread)
    }

    fn queue(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = encode_frame(opcode, None, payload);
        if self.unsent.is_empty() {
            self.unsent = frame;
        } else {
            self.unsent.extend_from_slice(&frame);
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_flush(cx)).await
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.unsent.get(self.sent..) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.sent = 0;
        self.unsent.clear();
        if self.unsent.capacity() > KEEP_CAPACITY_MAX {
            self.unsent = Vec::new();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        len_max: usize,
    ) -> Poll<Result<Incoming, WebSocketError>> {
        loop {
            if let Some(incoming) = self.decode(len_max)? {
                return Poll::Ready(Ok(incoming));
            }
            // Pongs, and messages whose sending was cancelled. A viewer that does not take them
            // must not keep us from reading.
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error.into()));
            }
            self.at = 0;
            self.unread.resize(READ_LEN, 0);
            let mut buffer = ReadBuf::new(&mut self.unread);
            let outcome = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
            let read = buffer.filled().len();
            self.heard += u64::try_from(read).unwrap_or(0);
            self.unread.truncate(read);
            match outcome {
                Poll::Pending => {
                    self.unread = Vec::new(); // an idle viewer costs no buffer
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(())) if read == 0 => {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
                }
                Poll::Ready(Ok(())) => {}
            }
        }
    }

    fn decode(&mut self, len_max: usize) -> Result<Option<Incoming>, WebSocketError> {
        let max = u64::try_from(len_max).unwrap_or(u64::MAX);
        self.decoder.set_frame_len_max(max);
        let mut unread = std::mem::take(&mut self.unread);
        let outcome = self.decode_from(&mut unread, len_max);
        self.unread = unread;
        outcome
    }

    fn decode_from(
        &mut self,
        unread: &mut [u8],
        len_max: usize,
    ) -> Result<Option<Incoming>, WebSocketError> {
        let total = unread.len();
        let mut input = unread.get_mut(self.at..).unwrap_or_default();
        loop {
            let event = match self.decoder.decode(&mut input) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(DecodeError::TooLong { .. }) => {
                    return Err(WebSocketError::TooLong { max: len_max });
                }
                Err(error) => return Err(error.into()),
            };
            self.at = total - input.len();
            match event {
                Event::Data {
                    kind: MessageKind::Text,
                    ..
                } => return Err(WebSocketError::Text),
                Event::Data { payload, end, .. } => {
                    if self.partial.len() + payload.len() > len_max {
                        return Err(WebSocketError::TooLong { max: len_max });
                    }
                    self.partial.extend_from_slice(payload);
                    if end {
                        let message = std::mem::take(&mut self.partial);
                        return Ok(Some(Incoming::Binary(message)));
                    }
                }
                Event::Ping(payload) => {
                    if self.unsent.len() < PONG_BACKLOG_MAX {
                        self.queue(Opcode::Pong, payload.as_ref());
                    }
                }
                Event::Pong(_) => {}
                Event::Close(frame) => return Ok(Some(Incoming::Close(frame))),
            }
        }
        self.at = total;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::timeout,
    };

    use super::*;

    const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

    fn pair(buffer: usize) -> (WebSocketTransport<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(buffer);
        (WebSocketTransport::new(ours, &[]), theirs)
    }

    #[tokio::test]
    async fn a_cancelled_receive_loses_nothing() {
        let (mut transport, mut viewer) = pair(4096);
        let frame = encode_frame(Opcode::Binary, MASK, b"whole message");
        for byte in &frame[..frame.len() - 1] {
            viewer.write_u8(*byte).await.unwrap();
            let waiting = timeout(Duration::from_millis(1), transport.recv_message(100)).await;
            assert!(waiting.is_err(), "it came too early");
        }
        viewer.write_u8(frame[frame.len() - 1]).await.unwrap();
        let message = transport.recv_message(100).await.unwrap();
        assert_eq!(message, Incoming::Binary(b"whole message".to_vec()));
    }

    #[tokio::test]
    async fn a_cancelled_send_still_goes_out_whole() {
        let (mut transport, mut viewer) = pair(8);
        let sending = timeout(Duration::from_millis(1), transport.send_message(&[7; 50])).await;
        assert!(sending.is_err(), "the pipe is too small for it");
        let reading = tokio::spawn(async move {
            let mut bytes = vec![0; 52 + 5];
            viewer.read_exact(&mut bytes).await.unwrap();
            bytes
        });
        transport.send_message(b"end").await.unwrap();
        let expected = [
            encode_frame(Opcode::Binary, None, &[7; 50]),
            encode_frame(Opcode::Binary, None, b"end"),
        ]
        .concat();
        assert_eq!(reading.await.unwrap(), expected);
    }

    #[tokio::test]
    async fn pings_are_answered_while_waiting_and_not_hoarded() {
        let (mut transport, mut viewer) = pair(64);
        viewer
            .write_all(&encode_frame(Opcode::Ping, MASK, b"?"))
            .await
            .unwrap();
        let waiting = timeout(Duration::from_millis(20), transport.recv_message(10)).await;
        assert!(waiting.is_err());
        let mut pong = [0; 3];
        viewer.read_exact(&mut pong).await.unwrap();
        assert_eq!(pong, encode_frame(Opcode::Pong, None, b"?")[..]);
        // A viewer that never reads: the backlog stays bounded.
        for _ in 0..500 {
            let ping = encode_frame(Opcode::Ping, MASK, &[0; 125]);
            tokio::select! {
                written = viewer.write_all(&ping) => written.unwrap(),
                received = transport.recv_message(10) => panic!("{received:?}"),
            }
        }
        assert!(transport.unsent.len() < PONG_BACKLOG_MAX + 200);
    }

    #[tokio::test]
    async fn too_long_a_message_is_refused_before_it_is_kept() {
        for parts in [1, 2] {
            let (mut transport, mut viewer) = pair(4096);
            for part in 0..parts {
                let opcode = if part == 0 {
                    Opcode::Binary
                } else {
                    Opcode::Continuation
                };
                let mut frame = encode_frame(opcode, MASK, &vec![0; 12 / parts]);
                frame[0] &= if part + 1 < parts { 0x7f } else { 0xff };
                viewer.write_all(&frame).await.unwrap();
            }
            let refused = transport.recv_message(11).await;
            assert!(matches!(refused, Err(WebSocketError::TooLong { max: 11 })));
        }
    }

    #[tokio::test]
    async fn a_transport_that_ends_without_a_close_frame_is_broken() {
        let (mut transport, viewer) = pair(64);
        drop(viewer);
        assert!(matches!(
            transport.recv_message(10).await,
            Err(WebSocketError::Io(_))
        ));
    }
}
