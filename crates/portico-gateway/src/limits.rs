//! Limits of the gateway, in one place.

use std::time::Duration;

/// Limits of a gateway process.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at the same time, terminals included.
    pub connections_max: usize,
    /// Connections that are not open yet: upgrade to first relayed byte.
    pub handshakes_max: usize,
    /// Time from the upgrade until the ticket is here.
    pub ticket_timeout: Duration,
    /// Time to reach a host by TCP.
    pub dial_timeout: Duration,
    /// Time for each step of the handshake with a host: X.224, TLS, CredSSP.
    pub host_step_timeout: Duration,
    /// Time for the client to go through the part of the connect sequence that is rewritten.
    pub rewrite_timeout: Duration,
    /// Time for what is left to be written when a connection ends.
    pub close_timeout: Duration,
    /// A client that sent nothing for this time is asked for a sign of life; one that stays
    /// silent for as long again is lost.
    pub ping_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 5000,
            handshakes_max: 200,
            ticket_timeout: Duration::from_secs(10),
            dial_timeout: Duration::from_secs(5),
            host_step_timeout: Duration::from_secs(10),
            rewrite_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(30),
        }
    }
}
