//! Paired probes: one agent listens, another sends. An agent can lie about what it heard; it can
//! neither be asked for more than one test at a time nor answer for one that it was not asked for.

use std::{sync::Arc, time::Duration};

use portico_model::HostId;
use portico_wire::agent::{PairHeard, PairListen, PairSend, SentOutcome};
use tokio::sync::oneshot;

use super::{
    LinkId,
    agent::{Agent, AgentSeam},
};
use crate::broker::{Broker, Inner};

/// Time until an agent listens, and for sending. Connecting and the nonce take five seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time after the end of listening for the answer to come.
const HEARD_SLACK: Duration = Duration::from_secs(5);

/// Tests that an agent was asked for and has not answered: one at each end.
#[derive(Debug, Default)]
pub(super) struct WaitingPairs {
    listen: Option<WaitingListen>,
    send: Option<WaitingSend>,
}

#[derive(Debug)]
struct WaitingListen {
    id: u64,
    /// Taken by the first answer.
    listens: Option<oneshot::Sender<Option<String>>>,
    heard: oneshot::Sender<PairHeard>,
}

#[derive(Debug)]
struct WaitingSend {
    id: u64,
    answer: oneshot::Sender<(SentOutcome, Option<String>)>,
}

/// Why a test came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PairError {
    /// No agent is linked to this broker for the host, or it is silent, or too old.
    #[error("no agent of host {host} reports that can do paired probes")]
    NoAgent {
        /// The host.
        host: HostId,
    },
    /// It has a test already, or its link takes no more.
    #[error("the agent of host {host} is busy")]
    Busy {
        /// The host.
        host: HostId,
    },
    /// The far end would not listen.
    #[error("the agent of {host} did not listen: {why}")]
    Refused {
        /// The host.
        host: HostId,
        /// What it said.
        why: String,
    },
    /// No answer in time.
    #[error("the agent of host {host} did not answer in time")]
    TimedOut {
        /// The host.
        host: HostId,
    },
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairSeen {
    pub(crate) heard: PairHeard,
    pub(crate) sent: SentOutcome,
    /// What the near end says of it, printable.
    pub(crate) detail: Option<String>,
}

impl Broker {
    /// The first answer of a far end. One that nobody waits for, or that comes over another link
    /// than the order went, is passed over; so are the other two.
    pub fn agent_listens(&self, host: &HostId, link: LinkId, pair: u64, refused: Option<String>) {
        self.of_link(host, link, |agent| {
            let waiting = agent.pairs.listen.as_mut().filter(|own| own.id == pair);
            let listens = waiting.and_then(|own| own.listens.take());
            if refused.is_some() && listens.is_some() {
                agent.pairs.listen = None;
            }
            // Who asked may have gone meanwhile.
            let _gone = listens.map(|listens| listens.send(refused));
        });
    }

    /// The second answer of a far end.
    pub fn agent_heard(&self, host: &HostId, link: LinkId, heard: PairHeard) {
        self.of_link(host, link, |agent| {
            let is_meant = |own: &mut WaitingListen| own.id == heard.pair && own.listens.is_none();
            let waiting = agent.pairs.listen.take_if(is_meant);
            let _gone = waiting.map(|own| own.heard.send(heard));
        });
    }

    /// The answer of a near end.
    pub fn agent_sent(
        &self,
        host: &HostId,
        link: LinkId,
        pair: u64,
        outcome: SentOutcome,
        detail: Option<String>,
    ) {
        self.of_link(host, link, |agent| {
            let waiting = agent.pairs.send.take_if(|own| own.id == pair);
            let _gone = waiting.map(|own| own.answer.send((outcome, detail)));
        });
    }

    fn of_link(&self, host: &HostId, link: LinkId, work: impl FnOnce(&mut Agent)) {
        self.0.hosts.with(host, |agent| {
            if agent.link.as_ref().is_some_and(|open| open.id == link) {
                work(agent);
            }
        });
    }
}

impl Inner {
    /// Lets the agent of `to` listen and then that of `from` send, and waits for both.
    pub(crate) async fn order_pair(
        &self,
        from: &HostId,
        to: &HostId,
        listen: PairListen,
    ) -> Result<PairSeen, PairError> {
        let id = self.hosts.next_number();
        let listen = PairListen { pair: id, ..listen };
        let send = PairSend {
            pair: id,
            flow: listen.flow.clone(),
            address: listen.address,
            port: listen.port,
            nonce: listen.nonce,
        };
        let _forget = Forget {
            inner: self,
            id,
            hosts: [from, to],
        };
        let seconds = Duration::from_secs(listen.seconds.into());
        let (listens, wait_listens) = oneshot::channel();
        let (heard, wait_heard) = oneshot::channel();
        let seam = self.able(to, |agent| {
            let pairs = &mut agent.pairs;
            pairs.listen.take_if(|own| own.heard.is_closed());
            let is_free = pairs.listen.is_none();
            if is_free {
                let listens = Some(listens);
                pairs.listen = Some(WaitingListen { id, listens, heard });
            }
            is_free
        })?;
        // Not under the lock: a seam may answer at once.
        if !seam.listen(listen) {
            return Err(PairError::Busy { host: to.clone() });
        }
        if let Some(why) = answer(to, ANSWER_TIMEOUT, wait_listens).await? {
            let (host, why) = (to.clone(), portico_model::printable(&why).into_owned());
            return Err(PairError::Refused { host, why });
        }
        let (sent, wait_sent) = oneshot::channel();
        let seam = self.able(from, |agent| {
            let pairs = &mut agent.pairs;
            pairs.send.take_if(|own| own.answer.is_closed());
            let is_free = pairs.send.is_none();
            if is_free {
                pairs.send = Some(WaitingSend { id, answer: sent });
            }
            is_free
        })?;
        if !seam.send_pair(send) {
            return Err(PairError::Busy { host: from.clone() });
        }
        // Both are waited for, so that neither end still has a test when the next one comes.
        let (heard, sent) = tokio::join!(
            answer(to, seconds + HEARD_SLACK, wait_heard),
            answer(from, ANSWER_TIMEOUT, wait_sent),
        );
        let (heard, (sent, detail)) = (heard?, sent?);
        let detail = detail.map(|detail| portico_model::printable(&detail).into_owned());
        Ok(PairSeen {
            heard,
            sent,
            detail,
        })
    }

    /// Whether the agent of `host` can do paired probes; `None` when nobody reports.
    pub(crate) fn agent_pairs_flows(&self, host: &HostId) -> Option<bool> {
        let able = self.hosts.with(host, |agent| {
            let link = agent.link.as_ref().filter(|_| agent.fresh().is_some())?;
            Some(link.seam.pairs_flows())
        });
        able.flatten()
    }

    /// The link of an agent that can do it, when it takes the test.
    fn able(
        &self,
        host: &HostId,
        take: impl FnOnce(&mut Agent) -> bool,
    ) -> Result<Arc<dyn AgentSeam>, PairError> {
        let no_agent = || PairError::NoAgent { host: host.clone() };
        let seam = self.hosts.with(host, |agent| {
            let link = agent.link.as_ref().filter(|_| agent.fresh().is_some());
            let seam = Arc::clone(&link.ok_or_else(no_agent)?.seam);
            if !seam.pairs_flows() {
                return Err(no_agent());
            }
            match take(agent) {
                true => Ok(seam),
                false => Err(PairError::Busy { host: host.clone() }),
            }
        });
        seam.ok_or_else(no_agent)?
    }
}

async fn answer<T>(
    host: &HostId,
    timeout: Duration,
    wait: oneshot::Receiver<T>,
) -> Result<T, PairError> {
    match tokio::time::timeout(timeout, wait).await {
        Ok(Ok(answer)) => Ok(answer),
        // The link ended.
        Ok(Err(_gone)) => Err(PairError::NoAgent { host: host.clone() }),
        Err(_elapsed) => Err(PairError::TimedOut { host: host.clone() }),
    }
}

/// Forgets a test when nobody waits for it any more.
struct Forget<'a> {
    inner: &'a Inner,
    id: u64,
    hosts: [&'a HostId; 2],
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        for host in self.hosts {
            self.inner.hosts.with(host, |agent| {
                agent.pairs.listen.take_if(|own| own.id == self.id);
                agent.pairs.send.take_if(|own| own.id == self.id);
            });
        }
    }
}
