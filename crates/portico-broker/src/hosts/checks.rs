//! Flows that agents prove, and their answers. An agent can lie about what it saw; it can neither
//! answer for what it was not asked nor say more than the limits of the link allow.

use std::time::Duration;

use portico_model::HostId;
use portico_wire::agent::{CHECK_TARGETS_MAX, FlowOutcome, FlowTarget};
use tokio::sync::oneshot;

use super::{LinkId, agent::Agent};
use crate::broker::{Broker, Inner};

/// Time an agent has for the targets of one order. With four at a time and ten seconds for each it
/// needs less than half of it.
const CHECK_TIMEOUT: Duration = Duration::from_secs(180);

/// A check that was sent and not answered.
#[derive(Debug)]
pub(super) struct WaitingCheck {
    id: u64,
    count: usize,
    answer: oneshot::Sender<Result<Vec<FlowOutcome>, CheckError>>,
}

/// Why a check has no outcomes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CheckError {
    /// No agent is linked to this broker for the host, or it is silent.
    #[error("no agent of host {host} reports")]
    NoAgent {
        /// The host.
        host: HostId,
    },
    /// The agent is older than the check.
    #[error("the agent of host {host} cannot check flows: update it")]
    NotAble {
        /// The host.
        host: HostId,
    },
    /// It has a check already, or its link takes no more.
    #[error("the agent of host {host} is busy")]
    Busy {
        /// The host.
        host: HostId,
    },
    /// The agent would not.
    #[error("the agent of host {host} did not check: {why}")]
    Refused {
        /// The host.
        host: HostId,
        /// What it said.
        why: String,
    },
    /// No answer in time.
    #[error("the agent of host {host} did not answer within {} s", CHECK_TIMEOUT.as_secs())]
    TimedOut {
        /// The host.
        host: HostId,
    },
    /// The answer is about something else than was asked.
    #[error("the agent of host {host} answered for target {target}, of {count} that it was asked")]
    NotAsked {
        /// The host.
        host: HostId,
        /// The place that it named.
        target: u16,
        /// Targets of the order.
        count: usize,
    },
    /// The answer has two outcomes of one target.
    #[error("the agent of host {host} answered twice for target {target}")]
    Twice {
        /// The host.
        host: HostId,
        /// The place that it named.
        target: u16,
    },
}

impl Broker {
    /// The answer to a check. One that nobody waits for, or that comes over another link than the
    /// order went, is passed over; one about targets that were not asked is refused whole.
    pub fn agent_checked(
        &self,
        host: &HostId,
        link: LinkId,
        check: u64,
        outcomes: Vec<FlowOutcome>,
        refused: Option<String>,
    ) {
        let waiting = self.0.hosts.with(host, |agent| {
            let is_the_link = agent.link.as_ref().is_some_and(|open| open.id == link);
            let is_meant = agent.check.as_ref().is_some_and(|own| own.id == check);
            (is_the_link && is_meant)
                .then(|| agent.check.take())
                .flatten()
        });
        let Some(waiting) = waiting.flatten() else {
            tracing::debug!(host_id = %host, check, "Answer to a check that nobody waits for");
            return;
        };
        let answer = match refused {
            Some(why) => Err(CheckError::Refused {
                host: host.clone(),
                why: portico_model::printable(&why).into_owned(),
            }),
            None => only_asked(host, waiting.count, outcomes),
        };
        if let Err(error) = &answer {
            tracing::warn!(host_id = %host, %error, "Outcomes of a check are not taken");
        }
        // Who asked may have gone meanwhile.
        drop(waiting.answer.send(answer));
    }
}

/// The outcomes, if each is of a target that was asked and none is there twice.
fn only_asked(
    host: &HostId,
    count: usize,
    outcomes: Vec<FlowOutcome>,
) -> Result<Vec<FlowOutcome>, CheckError> {
    let mut seen = [false; CHECK_TARGETS_MAX];
    for outcome in &outcomes {
        let target = outcome.target;
        let place = usize::from(target);
        let slot = seen.get_mut(place).filter(|_| place < count);
        let Some(slot) = slot else {
            let host = host.clone();
            return Err(CheckError::NotAsked {
                host,
                target,
                count,
            });
        };
        if std::mem::replace(slot, true) {
            let host = host.clone();
            return Err(CheckError::Twice { host, target });
        }
    }
    Ok(outcomes)
}

impl Inner {
    /// Lets the agent of `host` prove flows, and waits for what came of them.
    pub(crate) async fn order_check(
        &self,
        host: &HostId,
        targets: Vec<FlowTarget>,
    ) -> Result<Vec<FlowOutcome>, CheckError> {
        let no_agent = || CheckError::NoAgent { host: host.clone() };
        let busy = || CheckError::Busy { host: host.clone() };
        let id = self.hosts.next_number();
        let (answer, wait) = oneshot::channel();
        let waiting = WaitingCheck {
            id,
            count: targets.len(),
            answer,
        };
        let seam = self.hosts.with(host, |agent| {
            let link = agent.link.as_ref().filter(|_| agent.fresh().is_some());
            let seam = std::sync::Arc::clone(&link.ok_or_else(no_agent)?.seam);
            if !seam.checks_flows() {
                return Err(CheckError::NotAble { host: host.clone() });
            }
            // Whoever stopped waiting has dropped its end.
            agent.check.take_if(|own| own.answer.is_closed());
            if agent.check.is_some() {
                return Err(busy());
            }
            agent.check = Some(waiting);
            Ok(seam)
        });
        let seam = seam.ok_or_else(no_agent)??;
        let forget = || {
            self.hosts.with(host, |agent| {
                agent.check.take_if(|own| own.id == id);
            });
        };
        // Not under the lock: a seam may answer at once.
        if !seam.check(id, targets) {
            forget();
            return Err(busy());
        }
        match tokio::time::timeout(CHECK_TIMEOUT, wait).await {
            Ok(Ok(answer)) => answer,
            // The link ended.
            Ok(Err(_gone)) => Err(no_agent()),
            Err(_elapsed) => {
                forget();
                Err(CheckError::TimedOut { host: host.clone() })
            }
        }
    }

    /// Whether the agent of `host` is linked, reports, and can prove flows; `None` when nobody
    /// reports.
    pub(crate) fn agent_checks_flows(&self, host: &HostId) -> Option<bool> {
        self.hosts.with(host, Agent::checks_flows).flatten()
    }
}

impl Agent {
    fn checks_flows(&mut self) -> Option<bool> {
        let link = self.link.as_ref().filter(|_| self.fresh().is_some())?;
        Some(link.seam.checks_flows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(target: u16) -> FlowOutcome {
        FlowOutcome {
            target,
            verdict: "proven".into(),
            evidence: String::new(),
            next_step: None,
            clue: None,
            took_ms: 1,
        }
    }

    #[test]
    fn what_was_not_asked_and_what_comes_twice_is_refused() {
        let host = HostId::new("sh1").unwrap();
        let of = |targets: &[u16]| {
            let outcomes = targets.iter().copied().map(outcome).collect();
            only_asked(&host, 2, outcomes).map(|outcomes| outcomes.len())
        };
        assert_eq!(of(&[]), Ok(0));
        assert_eq!(of(&[1, 0]), Ok(2));
        for (targets, says) in [
            (&[0, 2][..], "for target 2, of 2"),
            (&[u16::MAX], "for target 65535"),
            (&[1, 1], "twice for target 1"),
        ] {
            let error = of(targets).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
