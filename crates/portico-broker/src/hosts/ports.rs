//! What agents tell of their hosts' firewall rules and listeners. An agent can lie about its own
//! host; it can neither tell of another one nor more than the limits of the link allow.

use std::{sync::Arc, time::Duration};

use portico_brokering::{Action, Forbidden, authorize};
use portico_model::{HostId, people::Principal, printable};
use portico_wire::agent::{HostPorts, PortsError, PortsPart, PortsParts};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

use super::{LinkId, agent::AgentSeam};
use crate::{
    agents::HostActError,
    broker::{Broker, Inner},
};

/// Time an agent has to read its host and to tell it.
pub const PORTS_TIMEOUT: Duration = Duration::from_secs(20);
/// Agents that are asked at the same time: each answer may have megabytes. Who comes later waits.
pub const PORTS_ASKED_MAX: usize = 8;

/// A question that was sent and not answered.
#[derive(Debug)]
pub(super) struct WaitingPorts {
    id: u64,
    parts: PortsParts,
    answer: oneshot::Sender<Result<Vec<u8>, PortsError>>,
}

/// Places for [`PORTS_ASKED_MAX`] questions.
#[derive(Debug)]
pub(super) struct PortsPlaces(Semaphore);

impl Default for PortsPlaces {
    fn default() -> Self {
        Self(Semaphore::new(PORTS_ASKED_MAX))
    }
}

/// Why nothing is known of a host's rules and listeners.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HostPortsError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The host is not there, or has no agent.
    #[error(transparent)]
    Host(HostActError),
    /// No agent is linked to this broker for the host, or it is silent.
    #[error("no agent of host {host} is connected")]
    NoAgent {
        /// The host.
        host: HostId,
    },
    /// The agent is older than the question.
    #[error("the agent of host {host} is too old to tell its firewall rules and listeners")]
    NotAble {
        /// The host.
        host: HostId,
    },
    /// Somebody else asks it, or too many ask agents.
    #[error("the agent of host {host} is being asked already")]
    Busy {
        /// The host.
        host: HostId,
    },
    /// No answer in time.
    #[error("the agent of host {host} did not tell all within {} s", PORTS_TIMEOUT.as_secs())]
    TimedOut {
        /// The host.
        host: HostId,
    },
    /// The agent would not.
    #[error("the agent of host {host} did not tell them: {why}")]
    Refused {
        /// The host.
        host: HostId,
        /// What it said.
        why: String,
    },
    /// It said something else.
    #[error("what the agent of host {host} tells cannot be read: {fault}")]
    Unreadable {
        /// The host.
        host: HostId,
        /// What is wrong with it.
        fault: PortsError,
    },
}

impl Broker {
    /// Asks the agent of `host` which firewall rules are loaded there and who listens. Only for
    /// operators: rules and names of processes tell whoever attacks the host where to begin.
    pub async fn host_ports(
        &self,
        actor: &Principal,
        host: &HostId,
    ) -> Result<HostPorts, HostPortsError> {
        authorize(actor, Action::OperateHosts)?;
        let managed = self.0.managed_host(host).await;
        managed.map_err(HostPortsError::Host)?;
        self.0.ask_ports(host).await
    }

    /// A part of the answer to such a question. One that nobody waits for, or that comes over
    /// another link than the question went, is passed over.
    pub fn agent_ports(&self, host: &HostId, link: LinkId, part: PortsPart) {
        let ended = self.0.hosts.with(host, |agent| {
            let is_the_link = agent.link.as_ref().is_some_and(|open| open.id == link);
            let waiting = agent.ports.as_mut().filter(|own| own.id == part.ask);
            let taken = match waiting.filter(|_| is_the_link)?.parts.take(part) {
                Ok(None) => return None,
                Ok(Some(document)) => Ok(document),
                Err(error) => Err(error),
            };
            agent.ports.take().map(|waiting| (waiting.answer, taken))
        });
        if let Some((answer, taken)) = ended.flatten() {
            // Who asked may have gone meanwhile.
            drop(answer.send(taken));
        }
    }
}

impl Inner {
    async fn ask_ports(&self, host: &HostId) -> Result<HostPorts, HostPortsError> {
        let busy = || HostPortsError::Busy { host: host.clone() };
        let no_agent = || HostPortsError::NoAgent { host: host.clone() };
        let place = timeout(PORTS_TIMEOUT, self.hosts.ports_places.0.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(busy());
        };
        let id = self.hosts.next_number();
        let (answer, wait) = oneshot::channel();
        let waiting = WaitingPorts {
            id,
            parts: PortsParts::default(),
            answer,
        };
        let seam = self.hosts.with(host, |agent| {
            let link = agent.link.as_ref().filter(|_| agent.fresh().is_some());
            let seam: Arc<dyn AgentSeam> = Arc::clone(&link.ok_or_else(no_agent)?.seam);
            if !seam.tells_ports() {
                return Err(HostPortsError::NotAble { host: host.clone() });
            }
            // Whoever stopped waiting has dropped its end.
            agent.ports.take_if(|own| own.answer.is_closed());
            if agent.ports.is_some() {
                return Err(busy());
            }
            agent.ports = Some(waiting);
            Ok(seam)
        });
        let seam = seam.ok_or_else(no_agent)??;
        let forget = || {
            self.hosts.with(host, |agent| {
                agent.ports.take_if(|own| own.id == id);
            });
        };
        // Not under the lock: a seam may answer at once.
        if !seam.tell_ports(id) {
            forget();
            return Err(busy());
        }
        let told = match timeout(PORTS_TIMEOUT, wait).await {
            Ok(Ok(told)) => told,
            // The link ended.
            Ok(Err(_gone)) => return Err(no_agent()),
            Err(_elapsed) => {
                forget();
                return Err(HostPortsError::TimedOut { host: host.clone() });
            }
        };
        let read = async {
            let document = told?;
            // Megabytes of JSON take their time.
            let read = tokio::task::spawn_blocking(move || HostPorts::read(&document));
            // It is not cancelled and does not panic.
            read.await
                .unwrap_or(Err(PortsError::Json { line: 0, column: 0 }))
        };
        read.await.map_err(|error| {
            let host = host.clone();
            tracing::warn!(host_id = %host, error = %printable(&error.to_string()), "Rules and listeners are not told");
            match error {
                PortsError::Refused(why) => HostPortsError::Refused {
                    host,
                    why: printable(&why).into_owned(),
                },
                fault => HostPortsError::Unreadable { host, fault },
            }
        })
    }
}
