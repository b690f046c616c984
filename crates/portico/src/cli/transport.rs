//! The connection below the API: a Unix socket, or TLS with a pinned certificate.

use std::{path::Path, time::Duration};

use hyper_util::rt::TokioIo;
use portico_model::estate::Pin;
use portico_net::{flows, tls};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{failure::Failure, server::Server};

/// Time for connecting, and again for the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// SHA-256 of a certificate.
pub(crate) type Fingerprint = [u8; 32];

/// A byte stream to a server.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The server's certificate is not the pinned one; it has this fingerprint.
    OtherCertificate(Fingerprint),
    /// Anything else.
    Failed(Failure),
}

/// Connects to `server`, whose certificate must have the fingerprint `pin`.
pub(crate) async fn connect(
    server: &Server,
    pin: Option<Fingerprint>,
) -> Result<TokioIo<Box<dyn Stream>>, ConnectError> {
    match server {
        Server::Socket(path) => local(path).await.map_err(ConnectError::Failed),
        Server::Https { host, port } => over_tls(server, host, *port, pin).await,
    }
}

/// The fingerprint that `server` shows. Nothing is sent to it.
pub(crate) async fn seen_fingerprint(server: &Server) -> Result<Fingerprint, Failure> {
    match connect(server, None).await {
        Err(ConnectError::OtherCertificate(seen)) => Ok(seen),
        Err(ConnectError::Failed(failure)) => Err(failure),
        Ok(_) => Err(Failure::new(format!("{server} shows no certificate"))),
    }
}

async fn local(path: &Path) -> Result<TokioIo<Box<dyn Stream>>, Failure> {
    match portico_net::unix::dial(flows::CLI_PORTAL, path).await {
        Ok(stream) => Ok(TokioIo::new(Box::new(stream))),
        Err(error) => Err(Failure::new("Portico on this machine cannot be asked")
            .reason(&error)
            .next_step(format!(
                "{}; for a Portico on another machine run `portico login --server URL`",
                error.next_step()
            ))),
    }
}

async fn over_tls(
    server: &Server,
    host: &str,
    port: u16,
    pin: Option<Fingerprint>,
) -> Result<TokioIo<Box<dyn Stream>>, ConnectError> {
    let unreachable = |reason: String, next_step: String| {
        ConnectError::Failed(
            Failure::new(format!("{server} cannot be reached"))
                .reason(reason)
                .next_step(next_step),
        )
    };
    let stream = portico_net::dial_tcp(flows::CLIENT_PORTAL_HTTPS, host, port, CONNECT_TIMEOUT)
        .await
        .map_err(|error| unreachable(error.to_string(), error.next_step().to_string()))?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| unreachable(error.to_string(), "check the address".into()))?;
    let pins: Vec<Pin> = pin.into_iter().map(Pin::CertificateSha256).collect();
    let connector = tokio_rustls::TlsConnector::from(tls::client_config_pinned(&pins));
    match tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(TokioIo::new(Box::new(stream))),
        Ok(Err(error)) => match tls::PinMismatch::in_io(&error) {
            Some(mismatch) => Err(ConnectError::OtherCertificate(mismatch.seen)),
            None => Err(unreachable(
                error.to_string(),
                "check that the address and port are those of Portico".into(),
            )),
        },
        Err(_) => Err(unreachable(
            format!("no TLS answer within {} s", CONNECT_TIMEOUT.as_secs()),
            "check that the address and port are those of Portico".into(),
        )),
    }
}
