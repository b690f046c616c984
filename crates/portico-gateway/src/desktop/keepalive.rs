//! TCP keep-alive towards hosts: a session that shows nothing for hours would not notice that its
//! host has gone.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

const IDLE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(15);
const RETRIES: u32 = 4;

/// Switches keep-alive on. Without it the session works as well, so failure is not one.
pub(super) fn enable(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(IDLE)
        .with_interval(INTERVAL)
        .with_retries(RETRIES);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "TCP keep-alive could not be switched on");
    }
}
