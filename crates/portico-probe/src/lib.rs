//! Proves that a host answers by speaking the first words of its protocol: RDP or SSH, no log-on.
//!
//! Read [`Prober`] (what the broker asks) and [`NetProber`] (the one over the network) first, and
//! [`check`] for the port check, which knows many more protocols.
//! Whatever the host sends is bounded in length and time, and is shown without control characters.
#![warn(missing_docs)]

pub mod check;
mod rdp;
mod ssh;

use std::{borrow::Cow, future::Future, pin::Pin, time::Duration};

use portico_model::{
    estate::{Protocol, RdpSecurity},
    grant::Target,
};
use portico_net::{DialError, FlowId, dial_tcp, flows};
use tokio::time::Instant;

/// Time for connecting.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for the protocol's first exchange.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest text of a host that is shown.
pub const SHOWN_LEN_MAX: usize = 100;

/// A future of a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where to probe, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// Address or name.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// RDP security that the estate gives for the host; meaningless for SSH.
    pub security: RdpSecurity,
}

impl From<&Target> for ProbeTarget {
    fn from(target: &Target) -> Self {
        Self {
            address: target.address.clone(),
            port: target.port,
            protocol: target.protocol,
            security: target.security,
        }
    }
}

impl From<&portico_model::estate::Host> for ProbeTarget {
    fn from(host: &portico_model::estate::Host) -> Self {
        Self {
            address: host.address.clone(),
            port: host.port,
            protocol: host.protocol,
            security: host.security,
        }
    }
}

/// The host answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOk {
    /// Time that the connection took to be made: one way there and back, and a name's resolution.
    pub rtt: Duration,
    /// What answered, for operators.
    pub detail: String,
}

/// The host did not answer, or not as it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ProbeError {
    /// What happened, for operators.
    pub detail: String,
    /// What an operator can do.
    pub next_step: String,
}

impl ProbeError {
    fn new(detail: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            next_step: next_step.into(),
        }
    }
}

impl From<DialError> for ProbeError {
    fn from(error: DialError) -> Self {
        Self::new(error.to_string(), error.next_step())
    }
}

/// Tells whether a host answers.
pub trait Prober: Send + Sync + 'static {
    /// Speaks the target's protocol until it is known to answer.
    fn probe<'a>(&'a self, target: &'a ProbeTarget) -> BoxFuture<'a, Result<ProbeOk, ProbeError>>;
}

/// Probes over the network.
#[derive(Debug, Clone, Copy)]
pub struct NetProber {
    /// Time for connecting.
    pub connect_timeout: Duration,
    /// Time for the protocol's first exchange.
    pub answer_timeout: Duration,
}

impl Default for NetProber {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }
}

impl Prober for NetProber {
    fn probe<'a>(&'a self, target: &'a ProbeTarget) -> BoxFuture<'a, Result<ProbeOk, ProbeError>> {
        Box::pin(self.run(target))
    }
}

impl NetProber {
    async fn run(&self, target: &ProbeTarget) -> Result<ProbeOk, ProbeError> {
        let begun = Instant::now();
        let flow = flow_of(target.protocol);
        let mut stream = dial_tcp(flow, &target.address, target.port, self.connect_timeout).await?;
        let rtt = begun.elapsed();
        let exchange = async {
            match target.protocol {
                Protocol::Rdp => rdp::probe(&mut stream, target.security).await,
                Protocol::Ssh => ssh::probe(&mut stream).await,
            }
        };
        let detail = match tokio::time::timeout(self.answer_timeout, exchange).await {
            Ok(outcome) => outcome?,
            Err(_elapsed) => {
                return Err(ProbeError::new(
                    format!(
                        "{} port {} took the connection and then said nothing for {} ms",
                        target.address,
                        target.port,
                        self.answer_timeout.as_millis()
                    ),
                    format!(
                        "check the {} service on the host and its log",
                        service(target.protocol)
                    ),
                ));
            }
        };
        tracing::trace!(%flow, address = target.address, port = target.port, detail, "Probed");
        Ok(ProbeOk { rtt, detail })
    }
}

const fn flow_of(protocol: Protocol) -> FlowId {
    match protocol {
        Protocol::Rdp => flows::GATEWAY_HOST_RDP,
        Protocol::Ssh => flows::GATEWAY_HOST_SSH_PROBE,
    }
}

const fn service(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Rdp => "RDP",
        Protocol::Ssh => "SSH",
    }
}

/// The host ended the connection, or it broke.
fn broken(protocol: Protocol, error: &std::io::Error) -> ProbeError {
    let what: Cow<'static, str> = match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "closed the connection".into(),
        std::io::ErrorKind::ConnectionReset => "reset the connection".into(),
        _ => format!("broke the connection ({error})").into(),
    };
    let service = service(protocol);
    ProbeError::new(
        format!("the host {what} before it answered the {service} greeting"),
        format!("check that an {service} service listens on this port, and its log on the host"),
    )
}

/// What a host sent, fit to be shown: printable ASCII, the rest as `\xNN`, cut to a length.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if text.len() >= SHOWN_LEN_MAX {
            text.push('…');
            break;
        }
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_sent_is_shown_without_control_characters_and_cut() {
        assert_eq!(shown(b"SSH-2.0-x\x1b[2J\\"), "SSH-2.0-x\\x1b[2J\\\\");
        assert_eq!(shown(&[b'a'; 500]).chars().count(), SHOWN_LEN_MAX + 1);
    }
}
