//! Looking at a TLS server, and keeping the first bytes of one that turns out to be none.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use portico_net::tls::{TlsSurvey, client_config_survey, survey};
use portico_wire::probe::{Wrong, recognise, shown};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Clue, Means, Outcome, Target, Verdict};

/// Bytes that are kept of what a server sends first.
const KEPT_LEN: usize = 256;

/// A stream that keeps the first bytes that it reads.
#[derive(Debug)]
pub(super) struct Keeping<S> {
    inner: S,
    kept: Vec<u8>,
}

impl<S> Keeping<S> {
    pub(super) fn new(inner: S) -> Self {
        Self {
            inner,
            kept: Vec::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Keeping<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let room = KEPT_LEN.saturating_sub(self.kept.len());
        let new = buffer.filled().get(before..).unwrap_or_default();
        let new = new.get(..room).unwrap_or(new);
        self.kept.extend_from_slice(new);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Keeping<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Begins TLS and looks at what the server shows.
pub(super) async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    target: &Target,
    means: &Means,
    deadline: Instant,
    stream: S,
) -> Result<(TlsStream<Keeping<S>>, TlsSurvey), Box<Outcome>> {
    let name = server_name(&target.host);
    let connector = TlsConnector::from(client_config_survey());
    let handshake = connector
        .connect(name.clone(), Keeping::new(stream))
        .into_fallible();
    match tokio::time::timeout_at(deadline, handshake).await {
        Ok(Ok(done)) => {
            let (_, connection) = done.get_ref();
            let seen = survey(connection, &name, &means.authorities, means.clock.now());
            Ok((done, seen))
        }
        Ok(Err((error, stream))) => Err(Box::new(failed(target, &stream.kept, &error))),
        Err(_elapsed) => {
            let outcome = Outcome::new(
                Verdict::ReachableNotProven,
                "takes the connection and does not end the TLS handshake",
                format!(
                    "see the log of the service on {}, and that nothing between looks into TLS",
                    target.host
                ),
            );
            Err(Box::new(outcome.with_clue(Clue::Silent)))
        }
    }
}

fn server_name(host: &str) -> ServerName<'static> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).ok();
    // A name that no certificate can have: what is wrong is then said by the survey.
    #[expect(clippy::expect_used, reason = "the constant is a name")]
    name.unwrap_or_else(|| ServerName::try_from("portico.invalid").expect("it is a name"))
}

/// A handshake that failed: the server answered with an alert, or is none of TLS.
fn failed(target: &Target, kept: &[u8], error: &io::Error) -> Outcome {
    let alert = matches!(kept, [0x15, 3, ..]);
    let hello = matches!(kept, [0x16, 3, ..]);
    if alert || hello {
        return Outcome::new(
            Verdict::ReachableNotProven,
            format!(
                "speaks TLS and refuses the handshake: {}",
                shown_error(error)
            ),
            format!(
                "let the service on {} offer TLS 1.2 or 1.3 with a common cipher, and see whether \
                 it wants a certificate of the client",
                target.host
            ),
        )
        .with_clue(Clue::TlsRefused);
    }
    let wrong = Wrong {
        said: shown(kept),
        looks_like: recognise(kept),
    };
    Outcome::wrong(target, "TLS", wrong)
}

fn shown_error(error: &io::Error) -> String {
    shown(error.to_string().as_bytes())
}
