//! What a decision is told about a host.

use std::sync::Arc;

use portico_brokering::Sight;
use portico_model::{
    HostId, Timestamp,
    estate::{AgentMode, Host, Pin},
    seen::{HostSession, Load, ModeSet},
};

use super::agent::Agent;
use crate::{agents::AgentRecord, broker::Inner};

/// What is seen of a host at one moment.
#[derive(Debug, Clone)]
pub(crate) struct SeenHost {
    /// Whether it can be used, as far as is known.
    pub(crate) sight: Sight,
    /// Mode that was set beside the estate's.
    pub(crate) mode: Option<ModeSet>,
    /// Whether there are identities to check it by, and it shows one of them.
    pub(crate) trusted: bool,
    /// Those identities: the estate's, else the accepted ones.
    pub(crate) pins: Vec<Pin>,
    /// Load of the last report, while that is fresh.
    pub(crate) load: Option<Load>,
    /// Sessions on it that the directory does not know.
    pub(crate) unmanaged: Arc<[HostSession]>,
    /// Its boot, as its agent told last.
    #[allow(dead_code, reason = "the directory's part follows")]
    pub(crate) boot: Option<String>,
}

impl Inner {
    /// What is seen of a host of the estate.
    pub(crate) fn seen_host(&self, id: &HostId, host: &Host, now: Timestamp) -> SeenHost {
        let record = match host.agent {
            AgentMode::None => None,
            AgentMode::Required => self.agents.records.get(id.as_str()),
        };
        let record = record.as_deref();
        let agents = self.hosts.lock();
        let agent = match host.agent {
            AgentMode::None => None,
            AgentMode::Required => agents.get(id),
        };
        let boot = agent.and_then(|agent| agent.hello.as_ref().map(|hello| hello.boot.clone()));
        let (trusted, pins) = identities(host, record);
        SeenHost {
            sight: match host.agent {
                AgentMode::None => self.hosts.probes.reachability(id, host).into(),
                AgentMode::Required => match self.sight(record, agent, now) {
                    // It lives; whether the gateway gets to it is another question.
                    Sight::Fresh => match self.port_bar(id, host, now) {
                        Some(detail) => Sight::Unreachable { detail },
                        None => Sight::Fresh,
                    },
                    other => other,
                },
            },
            mode: self.mode_of(id, boot.as_deref()),
            trusted,
            pins,
            load: agent.and_then(Agent::fresh).map(|reported| reported.load),
            unmanaged: agent.map_or_else(Arc::default, |agent| Arc::clone(&agent.unmanaged)),
            boot,
        }
    }

    fn sight(&self, record: Option<&AgentRecord>, agent: Option<&Agent>, now: Timestamp) -> Sight {
        let Some(record) = record else {
            return Sight::NeverJoined;
        };
        if record.revoked.is_some() {
            return Sight::Revoked;
        }
        if record.certificate.is_some()
            && agent.is_some_and(|agent| agent.is_judged && agent.fresh().is_some())
        {
            return Sight::Fresh;
        }
        if record.waiting(now).is_some() {
            return Sight::WaitingForApproval;
        }
        if record.certificate.is_none() {
            return Sight::NeverJoined;
        }
        let last = agent.and_then(|agent| match &agent.reported {
            Some(reported) => Some(reported.at),
            None => agent.since,
        });
        Sight::Silent {
            since: last.unwrap_or(self.agents.started_at),
        }
    }

    /// The mode that is set on a host, unless it was for another boot.
    fn mode_of(&self, id: &HostId, boot: Option<&str>) -> Option<ModeSet> {
        let set = self.agents.modes.get(id.as_str())?;
        let is_over = match (&set.until_restart_of, boot) {
            (Some(set_for), Some(boot)) => set_for != boot,
            _ => false,
        };
        (!is_over).then(|| ModeSet::clone(&set))
    }
}

fn identities(host: &Host, record: Option<&AgentRecord>) -> (bool, Vec<Pin>) {
    if !host.pins.is_empty() {
        return (true, host.pins.clone());
    }
    match record {
        Some(record) => (record.is_trusted(host.protocol), record.accepted.clone()),
        None => (false, Vec::new()),
    }
}
