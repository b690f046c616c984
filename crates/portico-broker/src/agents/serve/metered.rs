//! A stream that gives a stranger a limited number of bytes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Counts what comes in until it is lifted.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    left: Allowance,
}

/// Bytes that may still come; [`u64::MAX`]: any number.
#[derive(Debug, Clone)]
pub(super) struct Allowance(Arc<AtomicU64>);

impl Allowance {
    /// From now on any number of bytes may come.
    pub(super) fn lift(&self) {
        self.0.store(u64::MAX, Ordering::Relaxed);
    }
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, bytes: u64) -> (Self, Allowance) {
        let left = Allowance(Arc::new(AtomicU64::new(bytes)));
        let metered = Self {
            stream,
            left: left.clone(),
        };
        (metered, left)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = this.left.0.load(Ordering::Relaxed);
        if left == u64::MAX {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let read = u64::try_from(buffer.filled().len().saturating_sub(before)).unwrap_or(u64::MAX);
        match left.checked_sub(read) {
            Some(left) => {
                this.left.0.store(left, Ordering::Relaxed);
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Err(io::Error::other(
                "too many bytes before it was known who sends them",
            ))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn only_so_many_bytes_come_until_it_is_lifted() {
        let (mut far, near) = tokio::io::duplex(64);
        let (mut metered, allowance) = Metered::new(near, 4);
        far.write_all(b"abcd").await.unwrap();
        let mut four = [0; 4];
        metered.read_exact(&mut four).await.unwrap();
        far.write_all(b"e").await.unwrap();
        let error = metered.read_u8().await.unwrap_err();
        assert!(error.to_string().contains("too many bytes"), "{error}");
        allowance.lift();
        far.write_all(b"fghij").await.unwrap();
        let mut five = [0; 5];
        metered.read_exact(&mut five).await.unwrap();
        assert_eq!(&five, b"fghij");
    }
}
