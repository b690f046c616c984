//! The port check: proves one flow after the other by speaking its protocol.
//!
//! Read [`Target`] (what is to be proven), [`Outcome`] (what came of it) and [`check`] first;
//! [`targets`] makes targets of a plan, and [`walk()`] checks many of them within limits. Only what
//! a plan has is ever sent anything.

pub mod cause;
mod datagram;
mod mapped;
mod plan;
mod portico;
mod stream;
mod tls;
mod verdict;
mod walk;
mod what;

use std::{fmt, sync::Arc, time::Duration};

use portico_model::Secret;
use portico_net::{FlowId, clock::Clock, tls::Authorities};
use portico_wire::probe::{Ask, Over, Service};
use tokio::time::Instant;

pub use plan::{CheckedFlow, Targets, targets};
pub use verdict::{Clue, Outcome, Verdict};
pub use walk::{Pace, walk, walk_over};
pub use what::{PorticoLink, Tls, What};

/// What is to be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The flow of the plan.
    pub flow: FlowId,
    /// Address or name of the host.
    pub host: String,
    /// Port; zero when the transport has none.
    pub port: u16,
    /// What should be there.
    pub what: What,
}

impl Target {
    fn is_of(&self, wanted: Service) -> bool {
        matches!(self.what, What::Speak { service, .. } if service == wanted)
    }
}

/// How long each part may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connecting, with the resolution of the name.
    pub connect: Duration,
    /// Until the first byte of an answer.
    pub first_byte: Duration,
    /// All of it.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(5),
            whole: Duration::from_secs(10),
        }
    }
}

/// What every check needs beside its target.
#[derive(Clone)]
pub struct Means {
    /// Times.
    pub limits: Limits,
    /// Tells expired certificates and clocks that are wrong.
    pub clock: Arc<dyn Clock>,
    /// Whom this machine trusts to issue certificates.
    pub authorities: Authorities,
    /// Eight bytes that nobody can guess, for each check.
    pub nonce: Arc<dyn Fn() -> [u8; 8] + Send + Sync>,
    /// What services answer to that answer no stranger.
    pub secrets: Secrets,
}

/// Secrets that services answer to; each is said to every server of its protocol.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// Shared secret of RADIUS.
    pub radius: Option<Secret>,
    /// Community of SNMP version 2c; it goes over the network as it is.
    pub snmp_community: Option<Secret>,
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Means {
    /// Those of this machine.
    ///
    /// # Errors
    /// The file of its certificate authorities cannot be read.
    pub fn of_machine(limits: Limits, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        Ok(Self {
            limits,
            clock,
            authorities: Authorities::of_machine()?,
            nonce: Arc::new(nonce),
            secrets: Secrets::default(),
        })
    }

    /// With secrets.
    #[must_use]
    pub fn with_secrets(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    fn ask(&self, target: &Target, service: Service, over: Over) -> Ask {
        let secrets = &self.secrets;
        let (service, secret) = match (service, &secrets.snmp_community) {
            (Service::Snmp, Some(community)) => (Service::SnmpCommunity, Some(community)),
            (Service::SnmpCommunity, community) => (service, community.as_ref()),
            (Service::Radius | Service::RadiusAccounting, _) => (service, secrets.radius.as_ref()),
            _ => (service, None),
        };
        Ask {
            service,
            over,
            host: target.host.clone(),
            nonce: (self.nonce)(),
            now_unix_ms: self.clock.now().unix_ms(),
            secret: secret.cloned(),
            own_address: None,
        }
    }
}

/// Eight random bytes. Without a source of chance they are zero, which costs the certainty that an
/// answer is one to this question, and nothing else.
fn nonce() -> [u8; 8] {
    let mut bytes = [0; 8];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        tracing::warn!("No random bytes; answers are not told apart");
    }
    bytes
}

/// Proves one target, within the limits.
pub async fn check(target: &Target, means: &Means) -> Outcome {
    let begun = Instant::now();
    let deadline = begun + means.limits.whole;
    let mut outcome = match &target.what {
        What::Skip { why, next_step } => Outcome::skipped(why, next_step),
        What::Connect { why } => stream::connect_only(target, means, why).await,
        What::Tls { why } => stream::tls_only(target, means, deadline, why).await,
        What::Portico(link) => portico::look(target, means, deadline, *link).await,
        What::Mapped {
            mapper,
            range,
            planned,
        } => mapped::follow(target, means, deadline, *mapper, range, planned).await,
        What::Speak { service, over, tls } => {
            let ask = means.ask(target, *service, *over);
            match over {
                Over::Stream => stream::speak(target, means, deadline, ask, *tls).await,
                Over::Datagram => datagram::speak(target, means, deadline, ask).await,
            }
        }
    };
    outcome.took = begun.elapsed();
    tracing::debug!(flow = %target.flow, host = target.host, port = target.port,
        verdict = outcome.verdict.name(), "Checked");
    outcome
}
