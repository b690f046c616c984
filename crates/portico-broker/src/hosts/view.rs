//! Everything that is known of the hosts, for people.

use std::{collections::BTreeMap, sync::Arc};

use portico_brokering::{HostSnapshot, Penalty, Sight, load::load_index, placement::why_not};
use portico_model::{
    HostId, SessionId, Timestamp,
    estate::{AgentLink, AgentMode, Estate, Host, HostMode, Pin, Pool},
    launch::NotChosen,
    seen::{HostSession, Load, ModeSet},
};
use portico_store::StoreError;

use super::{HostState, LoadHistory, RefusedReports, SeenHost};
use crate::{
    agents::{AgentRecord, stricter},
    broker::{Broker, Inner},
};

/// Longest history that is given, in minutes.
const HISTORY_MINUTES_MAX: u32 = 60;

/// A host with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct HostOverview {
    /// Its id.
    pub id: HostId,
    /// What the estate says of it.
    pub host: Host,
    /// What it takes: the stricter of the estate's mode and the one that was set.
    pub mode: HostMode,
    /// The mode that was set, while it counts.
    pub mode_set: Option<ModeSet>,
    /// Whether it can be used, as far as is known.
    pub sight: Sight,
    /// Since when it is so, where that is known.
    pub since: Option<Timestamp>,
    /// What the last probe saw, of a host without agent.
    pub probe: Option<HostState>,
    /// Its agent, if it shall have one.
    pub agent: Option<AgentOverview>,
    /// Its load, while it is fresh.
    pub load: Option<LoadSeen>,
    /// By what its identity is checked.
    pub identity: Identity,
    /// Identities that the gateway accepts.
    pub pins: Vec<Pin>,
    /// Sessions that count on it, pending ones included.
    pub sessions: u32,
    /// Of those, the ones that wait for their first connection.
    pub sign_ins: u32,
    /// Set while launches fail there, so that other hosts come first.
    pub penalty: Option<Penalty>,
    /// Sessions on it that Portico did not start.
    pub unmanaged: Arc<[HostSession]>,
    /// Why no new session comes to it, whoever asks; empty when it takes some.
    pub why_not: Vec<NotChosen>,
}

/// The agent of a host.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentOverview {
    /// Where it stands.
    pub state: AgentState,
    /// Since when the link is open, or closed.
    pub since: Option<Timestamp>,
    /// Whether a link to this broker is open.
    pub link: LinkState,
    /// Name and version of the program.
    pub software: Option<String>,
    /// Operating system.
    pub system: Option<String>,
    /// Boot of the host.
    pub boot: Option<String>,
    /// Processors.
    pub cpus: Option<u32>,
    /// When its certificate lapses.
    pub certificate_expires_at: Option<Timestamp>,
    /// When it joined first.
    pub joined_at: Option<Timestamp>,
    /// Who opens the link.
    pub opened_by: AgentLink,
    /// Its last report.
    pub reported_at: Option<Timestamp>,
    /// Reports that were refused since this broker started.
    pub refused: RefusedReports,
}

/// Where an agent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentState {
    /// It reports.
    Connected,
    /// It joined, and nothing was heard of it for a while.
    Silent,
    /// It never joined.
    NeverJoined,
    /// A machine waits for an operator to let it be the agent.
    Waiting,
    /// An operator shut it out.
    Revoked,
}

/// Whether a link is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It is.
    Open,
    /// It is not.
    Closed,
}

/// The load of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadSeen {
    /// When it was reported, by the broker's clock.
    pub at: Timestamp,
    /// It.
    pub load: Load,
    /// The load index that placement compares, over the host's weight; per ten thousand.
    pub index: u32,
}

/// By what a host's identity is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// By the pins of the estate.
    Pinned,
    /// By what its agent told and was accepted.
    Accepted,
    /// Its agent tells of other identities than the accepted ones: an operator must look.
    Changed,
    /// It cannot be checked.
    None,
}

/// A session on a host, with ours that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSessionView {
    /// As the agent sees it.
    pub seen: HostSession,
    /// Ours; `None` when Portico did not start it.
    pub session: Option<SessionId>,
}

impl Broker {
    /// All hosts of the estate with what is known of them, by name.
    pub async fn host_views(&self) -> Result<Vec<HostOverview>, StoreError> {
        let inner = &self.0;
        let (_, estate) = inner.estate().await?;
        inner.agents_loaded().await?;
        inner.freshen().await?;
        let now = inner.clock.now();
        let views = estate.hosts.iter();
        Ok(views
            .map(|(id, host)| inner.view(&estate, (id, host), self.host_penalty(id), now))
            .collect())
    }

    /// Load of a host in the last `minutes`, one hour at most.
    pub fn load_history(&self, host: &HostId, minutes: u32) -> LoadHistory {
        let (now, minutes) = (self.0.clock.now(), minutes.min(HISTORY_MINUTES_MAX));
        let history = self
            .0
            .hosts
            .with(host, |agent| agent.history.since(now, minutes));
        history.unwrap_or_else(|| super::history::History::default().since(now, minutes))
    }

    /// The sessions on a host that its agent told last.
    pub async fn host_sessions(&self, host: &HostId) -> Result<Vec<HostSessionView>, StoreError> {
        let seen = self.0.hosts.with(host, |agent| {
            let reported = agent.reported.as_ref();
            reported.map(|reported| Arc::clone(&reported.sessions))
        });
        let Some(seen) = seen.flatten() else {
            return Ok(Vec::new());
        };
        let ours = self.sessions().await?;
        let ours: BTreeMap<&str, &SessionId> = ours
            .iter()
            .filter(|session| session.host == *host)
            .filter_map(|session| Some((session.on_host.as_ref()?.key.as_str(), &session.id)))
            .collect();
        let views = seen.iter().map(|seen| HostSessionView {
            session: ours.get(seen.key.as_str()).map(|id| (*id).clone()),
            seen: seen.clone(),
        });
        Ok(views.collect())
    }
}

impl Inner {
    fn view(
        &self,
        estate: &Estate,
        (id, host): (&HostId, &Host),
        penalty: Option<Penalty>,
        now: Timestamp,
    ) -> HostOverview {
        let record = self.agents.records.get(id.as_str());
        let seen = self.seen_host(id, host, now);
        let probe = self.hosts.probes.state(id, host);
        let agent = match host.agent {
            AgentMode::None => None,
            AgentMode::Required => Some(self.agent_view(id, host, record.as_deref(), &seen.sight)),
        };
        let since = match (&seen.sight, &agent) {
            (Sight::Silent { since }, _) => Some(*since),
            (_, Some(agent)) => agent.since,
            (_, None) => probe.as_ref().map(|probe| probe.since),
        };
        let taken = self.index().taken(id, "");
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let snapshot = HostSnapshot {
            id,
            host,
            sight: seen.sight.clone(),
            mode: seen.mode.clone(),
            trusted: seen.trusted,
            load: seen.load,
            sessions: count(taken.sessions + seen.unmanaged.len()),
            sign_ins: count(taken.sign_ins),
            accounts: Vec::new(),
            holds_account: false,
            penalty,
        };
        let pool = estate.pools.get(&host.pool).cloned().unwrap_or_default();
        HostOverview {
            id: id.clone(),
            mode: stricter(host.mode, seen.mode.as_ref()),
            sessions: count(taken.sessions),
            sign_ins: snapshot.sign_ins,
            penalty: snapshot.penalty.filter(|penalty| penalty.counts(now)),
            why_not: why_not(&pool, &snapshot),
            host: host.clone(),
            since,
            probe,
            agent,
            load: self.load_seen(id, &snapshot, &pool),
            identity: identity(host, record.as_deref(), &seen),
            mode_set: seen.mode,
            sight: seen.sight,
            pins: seen.pins,
            unmanaged: seen.unmanaged,
        }
    }

    fn agent_view(
        &self,
        id: &HostId,
        host: &Host,
        record: Option<&AgentRecord>,
        sight: &Sight,
    ) -> AgentOverview {
        let state = match sight {
            // Of a host with agent it is said only while that reports.
            Sight::Fresh | Sight::Unreachable { .. } => AgentState::Connected,
            Sight::WaitingForApproval => AgentState::Waiting,
            Sight::Revoked => AgentState::Revoked,
            Sight::NeverJoined => AgentState::NeverJoined,
            Sight::Silent { .. } | Sight::NotProbed | Sight::Reachable => AgentState::Silent,
        };
        let agents = self.hosts.lock();
        let agent = agents.get(id);
        let hello = agent.and_then(|agent| agent.hello.as_ref());
        let certificate = record.and_then(|record| record.certificate.as_ref());
        AgentOverview {
            state,
            since: agent.and_then(|agent| agent.since),
            link: match agent.is_some_and(|agent| agent.link.is_some()) {
                true => LinkState::Open,
                false => LinkState::Closed,
            },
            software: hello.map(|hello| hello.software.clone()),
            system: hello.map(|hello| hello.system.clone()),
            boot: hello.map(|hello| hello.boot.clone()),
            cpus: hello.map(|hello| hello.cpus),
            certificate_expires_at: certificate.map(|certificate| certificate.expires_at),
            joined_at: record.and_then(|record| record.joined_at),
            opened_by: host.agent_link,
            reported_at: agent
                .and_then(|agent| agent.reported.as_ref())
                .map(|reported| reported.at),
            refused: agent.map(|agent| agent.refused.clone()).unwrap_or_default(),
        }
    }

    fn load_seen(&self, id: &HostId, snapshot: &HostSnapshot<'_>, pool: &Pool) -> Option<LoadSeen> {
        let load = snapshot.load?;
        let at = self
            .hosts
            .with(id, |agent| agent.reported.as_ref().map(|r| r.at))??;
        Some(LoadSeen {
            at,
            load,
            index: load_index(snapshot, &pool.load_weights),
        })
    }
}

fn identity(host: &Host, record: Option<&AgentRecord>, seen: &SeenHost) -> Identity {
    let offers_others = record.is_some_and(|record| record.offered.is_some());
    match (host.pins.is_empty(), seen.pins.is_empty()) {
        (false, _) => Identity::Pinned,
        (true, _) if offers_others => Identity::Changed,
        (true, false) => Identity::Accepted,
        (true, true) => Identity::None,
    }
}
