//! Orders to agents, and their answers.

use std::{sync::Arc, time::Duration};

use portico_model::{
    HostId, Timestamp,
    seen::{Order, OrderOutcome},
};
use tokio::sync::oneshot;

use super::{
    LinkId,
    agent::{Agent, AgentSeam},
};
use crate::broker::{Broker, Inner};

/// Time an agent has for an order.
pub const ORDER_TIMEOUT: Duration = Duration::from_secs(10);
/// Orders that one agent may have at once.
pub const ORDERS_MAX: usize = 64;

/// Why an order has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No agent is linked to this broker for the host.
    #[error("no agent of host {host} is connected")]
    NoAgent {
        /// The host.
        host: HostId,
    },
    /// A link is open, but nothing came over it for some time.
    #[error("the agent of host {host} is silent")]
    Silent {
        /// The host.
        host: HostId,
        /// Its last report.
        since: Timestamp,
    },
    /// No answer in time. Whether it was done is not known.
    #[error("the agent of host {host} did not answer within {} s", ORDER_TIMEOUT.as_secs())]
    TimedOut {
        /// The host.
        host: HostId,
    },
    /// The agent has [`ORDERS_MAX`] orders already, or its link takes no more.
    #[error("the agent of host {host} has too many orders; try again")]
    TooMany {
        /// The host.
        host: HostId,
    },
}

/// Where an order goes, and where its answer comes.
type Waiting = (Arc<dyn AgentSeam>, oneshot::Receiver<OrderOutcome>);

impl Broker {
    /// The answer to an order. One that nobody waits for any more, or that comes over another
    /// link than the order went, is passed over.
    pub fn agent_outcome(&self, host: &HostId, link: LinkId, order: u64, outcome: OrderOutcome) {
        let waiting = self.0.hosts.with(host, |agent| {
            let is_the_link = agent.link.as_ref().is_some_and(|open| open.id == link);
            if is_the_link {
                agent.orders.remove(&order)
            } else {
                None
            }
        });
        match waiting.flatten() {
            // Who asked may have gone meanwhile.
            Some(waiting) => drop(waiting.send(outcome)),
            None => {
                tracing::debug!(host_id = %host, order, "Answer to an order that nobody waits for");
            }
        }
    }
}

impl Inner {
    /// Gives an order to the agent of `host` and waits for its outcome, [`ORDER_TIMEOUT`] at most.
    pub(crate) async fn order(
        &self,
        host: &HostId,
        order: Order,
    ) -> Result<OrderOutcome, OrderError> {
        let no_agent = || OrderError::NoAgent { host: host.clone() };
        let id = self.hosts.next_number();
        let waiting = self.hosts.with(host, |agent| agent.wait(host, id));
        let (seam, answer) = waiting.ok_or_else(no_agent)??;
        // Not under the lock: a seam may answer at once.
        if !seam.send(id, order) {
            self.hosts.with(host, |agent| agent.orders.remove(&id));
            return Err(OrderError::TooMany { host: host.clone() });
        }
        match tokio::time::timeout(ORDER_TIMEOUT, answer).await {
            Ok(Ok(outcome)) => Ok(outcome),
            // The link ended.
            Ok(Err(_gone)) => Err(no_agent()),
            Err(_elapsed) => {
                self.hosts.with(host, |agent| agent.orders.remove(&id));
                Err(OrderError::TimedOut { host: host.clone() })
            }
        }
    }
}

impl Agent {
    /// A place for the answer to order `id`, and where to send the order.
    fn wait(&mut self, host: &HostId, id: u64) -> Result<Waiting, OrderError> {
        let host = || host.clone();
        let link = self.link.as_ref();
        let link = link.ok_or_else(|| OrderError::NoAgent { host: host() })?;
        if let Some(last) = &self.reported
            && self.fresh().is_none()
        {
            let since = last.at;
            return Err(OrderError::Silent {
                host: host(),
                since,
            });
        }
        let seam = Arc::clone(&link.seam);
        // Whoever stopped waiting has dropped its end.
        self.orders.retain(|_, waiting| !waiting.is_closed());
        if self.orders.len() >= ORDERS_MAX {
            return Err(OrderError::TooMany { host: host() });
        }
        let (answer, wait) = oneshot::channel();
        self.orders.insert(id, answer);
        Ok((seam, wait))
    }
}
