//! The agents of the hosts, from the join token to the orders they are given: who may link, what
//! an operator decides, and what the store keeps of it.
//!
//! Read [`Broker::agent_connected`] first: links of agents, tests and simulations all come
//! through it. [`Broker::enroll`] is how an agent comes to its certificate.

mod acts;
mod approvals;
mod connect;
mod enrollment;
mod follow;
mod gate;
mod machine_ca;
mod maintenance;
mod mirror;
mod modes;
mod noted;
mod records;
mod serve;
mod tokens;
mod waiting;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU16, Ordering},
};

use portico_brokering::Forbidden;
use portico_model::{
    HostId, Timestamp,
    estate::{AgentMode, Estate, Host, HostMode},
    seen::ModeSet,
};
use portico_net::flows;
use portico_store::{Compare, Op, StoreError, Txn};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub use acts::{MESSAGE_LEN_MAX, RESTART_AFTER_MAX_S};
pub use connect::{AgentRefused, AgentWelcome};
pub use enrollment::EnrollingPeer;
pub(crate) use follow::follow;
use gate::Gate;
pub use gate::{CONNECTS_AT_ONCE, CONNECTS_OF_HOST_AT_ONCE, CONNECTS_PER_S};
pub use machine_ca::{IssuedMachine, MachineCa, MachineCaError};
pub use maintenance::{
    MAINTENANCE_HOSTS_MAX, MAINTENANCE_LENGTH_MAX_S, MAINTENANCES_MAX, Maintenance,
    MaintenanceDoing, MaintenanceError, MaintenanceProgress, MaintenanceStep, NewMaintenance,
};
pub(crate) use mirror::Mirror;
use noted::{Doer, Noted};
pub use noted::{NOTED_OF_HOST_MAX, REFUSALS_NOTED_MAX, TOKEN_REFUSALS_NOTED_MAX};
pub(crate) use records::AgentRecord;
pub use serve::AgentListeners;
pub use tokens::{
    JOIN_TOKEN_LIFE_MAX_S, JOIN_TOKEN_LIFE_MIN_S, JOIN_TOKENS_MAX, JoinTokenView, NewJoinToken,
    TokenError, TokenState,
};
pub use waiting::{AgentWaiting, FINGERPRINT_DIGITS, Fingerprint, NoFingerprint, WaitingFor};

use crate::{
    broker::{Broker, Inner},
    documents,
    hosts::OrderError,
};

/// Times that a change of a record is tried against others who change it.
const TRIES_MAX: usize = 16;

/// Where agents find a broker, `host:port` each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advertised {
    /// For links.
    pub link: Vec<String>,
    /// For enrollment.
    pub enrollment: Vec<String>,
}

/// How this broker is found by agents, and the authority that they trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Where.
    pub advertise: Advertised,
    /// SHA-256 of the authority's certificate.
    pub ca_sha256: [u8; 32],
}

/// Why something was not done to a host or its agent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HostActError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Not in the estate.
    #[error("there is no host {host} in the estate")]
    NoSuchHost {
        /// What was asked for.
        host: HostId,
    },
    /// The estate says that it has no agent.
    #[error("host {host} is not managed: the estate says that it has no agent")]
    NotManaged {
        /// The host.
        host: HostId,
    },
    /// Nothing waits there for an operator.
    #[error("nothing waits for approval at host {host}")]
    NothingWaits {
        /// The host.
        host: HostId,
    },
    /// Something else waits than what the operator was shown.
    #[error("at host {host} now waits {waiting}, and not {seen}, which the answer is about")]
    AnotherWaits {
        /// The host.
        host: HostId,
        /// What was shown.
        seen: Fingerprint,
        /// What waits now.
        waiting: Fingerprint,
    },
    /// No machine has joined as this host.
    #[error("no agent has joined for host {host}")]
    NeverJoined {
        /// The host.
        host: HostId,
    },
    /// The mode of the estate is stricter than what was asked, and the stricter one counts.
    #[error("the estate keeps host {host} in mode {mode:?}; change it there")]
    EstateIsStricter {
        /// The host.
        host: HostId,
        /// Mode in the estate.
        mode: HostMode,
    },
    /// Without an agent nobody knows when the host restarts.
    #[error("the agent of host {host} has not told its boot, so its restart would not be seen")]
    BootUnknown {
        /// The host.
        host: HostId,
    },
    /// A text or number that is too long or large.
    #[error("{field} is {value}; at most {max} is taken")]
    TooLarge {
        /// Which.
        field: &'static str,
        /// Its length or value.
        value: usize,
        /// What it may be.
        max: usize,
    },
    /// The agent did not do it.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Others kept changing the same record.
    #[error("others keep changing host {host}; try again")]
    Busy {
        /// The host.
        host: HostId,
    },
    /// The store refused or did not answer.
    #[error("the record of the host could not be read or written")]
    Store(#[from] StoreError),
}

/// What is kept of agents beside their links.
pub(crate) struct Agents {
    pub(crate) records: Mirror<AgentRecord>,
    pub(crate) modes: Mirror<ModeSet>,
    /// Where each broker is found.
    pub(crate) brokers: Mirror<Advertised>,
    /// Since when this broker can have heard of agents.
    pub(crate) started_at: Timestamp,
    /// Port of hosts that listen.
    dial_port: AtomicU16,
    gate: Mutex<Gate>,
    /// Held while this process does maintenance: what else is begun in its name, a former process
    /// has left.
    pub(crate) maintaining: tokio::sync::Mutex<()>,
    noted: Mutex<Noted>,
    served: Mutex<Option<Served>>,
}

impl Agents {
    pub(crate) fn new(started_at: Timestamp) -> Self {
        Self {
            records: Mirror::default(),
            modes: Mirror::default(),
            brokers: Mirror::default(),
            started_at,
            dial_port: AtomicU16::new(portico_net::default_port(flows::BROKER_AGENT_LINK)),
            gate: Mutex::default(),
            maintaining: tokio::sync::Mutex::default(),
            noted: Mutex::default(),
            served: Mutex::default(),
        }
    }

    /// Whether one more thing that somebody did goes into the audit log.
    fn may_note(&self, doer: Doer<'_>) -> bool {
        self.noted().may_note(doer, Instant::now())
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn served(&self) -> Option<Served> {
        self.served
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The stricter of the estate's mode and the one that was set.
pub(crate) fn stricter(wanted: HostMode, set: Option<&ModeSet>) -> HostMode {
    let rank = |mode: HostMode| match mode {
        HostMode::Enabled => 0,
        HostMode::Drain => 1,
        HostMode::Disabled => 2,
    };
    match set {
        Some(set) if rank(set.mode) > rank(wanted) => set.mode,
        _ => wanted,
    }
}

impl Broker {
    /// Says how agents find this broker, for join tokens and welcomes.
    /// [`serve_agents`](Self::serve_agents) does it; simulations do it themselves.
    pub fn set_served(&self, served: Served) {
        let place = self.0.agents.served.lock();
        let mut place = place.unwrap_or_else(PoisonError::into_inner);
        *place = Some(served);
    }
}

impl Broker {
    /// Dials agents that listen at another port than that of the catalogue: for tests.
    #[doc(hidden)]
    pub fn dial_agents_at(&self, port: u16) {
        self.0.agents.dial_port.store(port, Ordering::Relaxed);
    }
}

impl Inner {
    /// Reads what the store has of agents, unless that was done.
    pub(crate) async fn agents_loaded(&self) -> Result<(), StoreError> {
        let (agents, store) = (&self.agents, self.store.as_ref());
        if !agents.records.is_loaded() {
            agents
                .records
                .load(store, &records::agents_prefix())
                .await?;
        }
        if !agents.modes.is_loaded() {
            agents.modes.load(store, &records::modes_prefix()).await?;
        }
        if !agents.brokers.is_loaded() {
            agents
                .brokers
                .load(store, &records::brokers_prefix())
                .await?;
        }
        Ok(())
    }

    /// A host of the estate.
    async fn host(&self, id: &HostId) -> Result<Host, HostActError> {
        let (_, estate) = self.estate().await?;
        let host = estate.hosts.get(id).cloned();
        host.ok_or_else(|| HostActError::NoSuchHost { host: id.clone() })
    }

    /// A host of the estate that has an agent.
    pub(crate) async fn managed_host(&self, id: &HostId) -> Result<Host, HostActError> {
        let host = self.host(id).await?;
        match host.agent {
            AgentMode::Required => Ok(host),
            AgentMode::None => Err(HostActError::NotManaged { host: id.clone() }),
        }
    }

    /// Changes the record of an agent: reads it, applies `change`, writes it by compare-and-set,
    /// and starts over when somebody else was first. Links that have lost their right are closed.
    async fn change_agent<R>(
        &self,
        host: &HostId,
        change: impl Fn(&mut AgentRecord) -> Result<R, HostActError>,
    ) -> Result<R, HostActError> {
        let key = records::agent_key(host);
        for _ in 0..TRIES_MAX {
            let stored = self.store.get(&key).await?;
            let (before, revision): (AgentRecord, u64) =
                documents::read_or_default(stored.as_ref())?;
            let mut after = before.clone();
            let made = change(&mut after)?;
            if after == before {
                return Ok(made);
            }
            let put = Op::put(&key, documents::write(&key, &after)?);
            let txn = Txn::when([Compare::unchanged(&key, revision)], [put]);
            let outcome = self.store.txn(txn).await?;
            if outcome.succeeded {
                self.learn_agent(host, outcome.revision, after);
                return Ok(made);
            }
        }
        Err(HostActError::Busy { host: host.clone() })
    }

    /// Takes a record that was written, and closes the link that it gives no right to.
    fn learn_agent(&self, host: &HostId, revision: u64, record: AgentRecord) {
        let record = Some(Arc::new(record));
        self.agents.records.learn(host.as_str(), revision, record);
        self.enforce(host);
    }

    /// Closes the link of a host if its certificate does not count any more.
    fn enforce(&self, host: &HostId) {
        let now = self.clock.now();
        let Some(peer) = self.hosts.peer(host) else {
            return;
        };
        let record = self.agents.records.get(host.as_str());
        let why = match record.map(|record| record.standing(&peer, now)) {
            // An open link outlives its certificate for as long as it takes to renew it; the
            // periodic look closes it when that did not happen.
            Some(records::Standing::Current | records::Standing::Former) => return,
            Some(records::Standing::Revoked) => "the certificate was revoked",
            Some(records::Standing::Expired) => "the certificate lapsed",
            Some(records::Standing::Foreign) | None => "another machine is the agent now",
        };
        if let Some(closing) = self.hosts.unlink(host, None, now) {
            tracing::info!(host_id = %host, why, "Agent link is closed");
            closing.close(why);
        }
    }

    /// Forgets agents of hosts that have none in `estate`, and closes links that have no right
    /// any more.
    pub(crate) fn forget_agents(&self, estate: &Estate) {
        let now = self.clock.now();
        self.agents.noted().forget_old(Instant::now());
        self.agents.gate().forget_old(Instant::now());
        let is_managed = |id: &HostId| {
            let host = estate.hosts.get(id);
            host.is_some_and(|host| host.agent == AgentMode::Required)
        };
        for closing in self.hosts.keep_agents(now, is_managed) {
            closing.close("the estate has no agent for this host any more");
        }
        for host in self.hosts.linked() {
            self.enforce(&host);
        }
    }
}
