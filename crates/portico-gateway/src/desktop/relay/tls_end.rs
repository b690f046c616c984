//! One end of a relay: a socket and its TLS session, driven by hand. What `tokio_rustls` does
//! not give is control over buffers: here none is kept between two readings, and a reading takes
//! many records at once.

use std::{
    io::{self, IoSlice, Read as _, Write},
    task::{Context, Poll, ready},
};

use rustls::Connection;
use tokio::net::TcpStream;

use super::scratch::{HEADROOM, Scratch};

/// What a reading brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// So many bytes of plain text are in the scratch buffer, maybe none yet.
    Plain(usize),
    /// The other side has ended the stream, by close_notify or at the end of TCP.
    End,
}

/// One end.
pub(super) struct TlsEnd {
    tcp: TcpStream,
    tls: Box<Connection>,
    /// The session may hold plain text from before the relay.
    fresh: bool,
    ended: bool,
}

impl TlsEnd {
    pub(super) fn new(tcp: TcpStream, tls: impl Into<Connection>) -> Self {
        let mut tls = Box::new(tls.into());
        // The relay writes only when all was sent, so its own reading bounds what is queued.
        tls.set_buffer_limit(None);
        Self {
            tcp,
            tls,
            fresh: true,
            ended: false,
        }
    }

    /// Reads what the socket has, up to the scratch buffer's length, and decrypts it.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<Filled>> {
        if self.fresh {
            self.fresh = false;
            let state = self.tls.process_new_packets().map_err(invalid)?;
            self.ended |= state.peer_has_closed();
            let plain = scratch.plain.get_mut(HEADROOM..).unwrap_or_default();
            let len = drain(&mut self.tls, state.plaintext_bytes_to_read(), plain)?;
            if len > 0 {
                return Poll::Ready(Ok(Filled::Plain(len)));
            }
        }
        if self.ended {
            return Poll::Ready(Ok(Filled::End));
        }
        let read = loop {
            ready!(self.tcp.poll_read_ready(cx))?;
            match self.tcp.try_read(&mut scratch.wire) {
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        };
        if read == 0 {
            self.ended = true;
            return Poll::Ready(Ok(Filled::End));
        }
        let mut wire = scratch.wire.get(..read).unwrap_or_default();
        let mut filled = 0;
        while !wire.is_empty() {
            self.tls.read_tls(&mut wire)?;
            let state = self.tls.process_new_packets().map_err(invalid)?;
            self.ended |= state.peer_has_closed();
            let place = scratch.plain.get_mut(HEADROOM + filled..);
            let waiting = state.plaintext_bytes_to_read();
            filled += drain(&mut self.tls, waiting, place.unwrap_or_default())?;
            if state.peer_has_closed() {
                break; // what follows a close_notify is not part of the stream
            }
        }
        Poll::Ready(Ok(Filled::Plain(filled)))
    }

    /// Encrypts all of `plain`. Call it only after [`poll_flush`](Self::poll_flush) was ready.
    pub(super) fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(plain)
    }

    /// Sends what is encrypted and not sent yet.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            let sent = self.tls.write_tls(&mut Socket(&self.tcp));
            match sent {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.tcp.poll_write_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether everything is sent.
    pub(super) fn is_flushed(&self) -> bool {
        !self.tls.wants_write()
    }

    /// Reads until the other side has ended the connection, and throws it away.
    pub(super) async fn discard_rest(&mut self) -> io::Result<()> {
        let mut sink = [0; 1024];
        while tokio::io::AsyncReadExt::read(&mut self.tcp, &mut sink).await? > 0 {}
        Ok(())
    }

    /// Ends our direction in order: close_notify, then the end of TCP.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        std::future::poll_fn(|cx| self.poll_flush(cx)).await?;
        tokio::io::AsyncWriteExt::shutdown(&mut self.tcp).await
    }
}

/// Moves `waiting` bytes of plain text out of the session.
fn drain(tls: &mut Connection, waiting: usize, place: &mut [u8]) -> io::Result<usize> {
    if waiting == 0 {
        return Ok(0);
    }
    let place = place.get_mut(..waiting).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "more plain text than its cipher text",
        )
    })?;
    tls.reader().read_exact(place)?;
    Ok(waiting)
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The socket as a writer that does not wait.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
