//! One request for a certificate over TLS.

use std::{sync::Arc, time::Duration};

use portico_net::{
    link::{LinkError, LinkReader, LinkWriter},
    tls::{MachineTlsError, PeerMachine},
};
use portico_wire::agent::{ENROLLMENT_FRAME_LEN_MAX, EnrollmentRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::{Shell, agent_of, front::Taken, metered::Metered};
use crate::agents::EnrollingPeer;

/// Time for all of it, the handshake included.
pub(super) const ENROLLMENT_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes that may come: a handshake with certificates, and one frame.
pub(super) const ENROLLMENT_BYTES_MAX: u64 = 128 * 1024;

/// Serves a connection that was taken.
pub(super) async fn taken(shell: Arc<Shell>, taken: Taken) {
    let address = taken.address;
    // Strangers to the end: the first request of a machine proves nothing of it.
    let (_stranger, _place) = (taken.stranger, taken.place);
    let serving = serve(&shell, taken.stream, Some(address.ip()));
    let outcome = tokio::select! {
        biased;
        () = shell.shutdown.cancelled() => return,
        outcome = tokio::time::timeout(ENROLLMENT_TIMEOUT, serving) => outcome,
    };
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(%address, error, "Enrollment failed"),
        Err(_elapsed) => tracing::info!(%address, "Enrollment took too long"),
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    shell: &Shell,
    stream: S,
    address: Option<std::net::IpAddr>,
) -> Result<(), String> {
    let (stream, _allowance) = Metered::new(stream, ENROLLMENT_BYTES_MAX);
    let config = Arc::clone(&shell.tls.now().enrollment);
    let stream = TlsAcceptor::from(config).accept(stream).await;
    let stream = stream.map_err(|error| match MachineTlsError::in_io(&error) {
        Some(why) => why.to_string(),
        None => error.to_string(),
    })?;
    let machine = PeerMachine::of(stream.get_ref().1).map_err(|error| error.to_string())?;
    let (read, write) = tokio::io::split(stream);
    let mut reader = LinkReader::with_max(read, ENROLLMENT_FRAME_LEN_MAX);
    let mut writer = LinkWriter::new(write);
    let text = |error: LinkError| error.to_string();
    let request: EnrollmentRequest = reader.read(ENROLLMENT_TIMEOUT).await.map_err(text)?;
    let peer = EnrollingPeer {
        address,
        certificate: machine.and_then(agent_of),
    };
    let answer = shell.broker.enroll(shell.ca.as_ref(), request, peer).await;
    let written = writer.write(&answer, ENROLLMENT_TIMEOUT).await;
    writer.close(ENROLLMENT_TIMEOUT).await;
    written.map_err(text)
}
