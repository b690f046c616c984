//! The TCP stream under SSH, which can be cut from outside.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// russh reads the length and the rest of each packet apart; this makes one system call of many.
const READ_BUFFER_LEN: usize = 16 * 1024;

/// A stream to a host. russh's own task cannot be stopped while it waits for the host or for us;
/// cutting its stream ends every wait.
pub(super) struct HostStream {
    inner: BufReader<TcpStream>,
    read_cut: Cut,
    write_cut: Cut,
}

/// Tells that the stream was cut.
pub(super) struct Cut {
    token: CancellationToken,
    waits: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Cut {
    pub(super) fn new(token: CancellationToken) -> Self {
        Self {
            waits: Box::pin(token.clone().cancelled_owned()),
            token,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.waits.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl HostStream {
    pub(super) fn new(tcp: TcpStream, cut: Cut) -> Self {
        Self {
            inner: BufReader::with_capacity(READ_BUFFER_LEN, tcp),
            // Reads and writes wait apart, each with its own waker.
            write_cut: Cut::new(cut.token.clone()),
            read_cut: cut,
        }
    }
}

impl AsyncRead for HostStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_read(context, buffer) {
            Poll::Pending => match self.read_cut.poll(context) {
                Ok(()) => Poll::Pending,
                Err(cut) => Poll::Ready(Err(cut)),
            },
            ready => ready,
        }
    }
}

impl AsyncWrite for HostStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(context, bytes) {
            Poll::Pending => match self.write_cut.poll(context) {
                Ok(()) => Poll::Pending,
                Err(cut) => Poll::Ready(Err(cut)),
            },
            ready => ready,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
