//! What is seen of the hosts: probes of those without agent, and what agents tell of the others.
//!
//! Nothing of it is in the store: every agent keeps a link to every broker. What is known of
//! agents for good (certificates, accepted identities, modes) is in [`agents`](crate::agents).

mod agent;
mod checks;
mod history;
mod orders;
mod pairs;
mod ports;
mod probes;
mod seen;
mod view;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use portico_model::{
    HostId, Timestamp,
    seen::{AgentHello, HostReport, HostSession, SeenError},
};

use agent::{Agent, Link};
pub use agent::{
    AgentSeam, LinkId, PeerIdentity, REPORT_BURST, REPORT_GAP, REPORT_NUMBER_LEAP_MAX,
    RefusedReports, ReportRefused,
};
pub(crate) use checks::CheckError;
pub use history::{LoadHistory, LoadPoint, PERIOD_S, POINTS_MAX};
pub use orders::{ORDER_TIMEOUT, ORDERS_MAX, OrderError};
pub(crate) use pairs::{PairError, PairSeen};
use ports::PortsPlaces;
pub use ports::{HostPortsError, PORTS_ASKED_MAX, PORTS_TIMEOUT};
pub use probes::HostState;
use probes::Probes;
pub(crate) use seen::SeenHost;
pub use view::{
    AgentOverview, AgentState, HostOverview, HostSessionView, Identity, LinkState, LoadSeen,
};

/// All that is seen of the hosts.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    probes: Probes,
    agents: Mutex<BTreeMap<HostId, Agent>>,
    ports_places: PortsPlaces,
    /// Number of the last link or order.
    number: AtomicU64,
}

/// A link that ends, and why.
pub(crate) struct Closing(Link);

impl Closing {
    /// Closes it. Not to be called under a lock: the seam may answer at once.
    pub(crate) fn close(self, why: &str) {
        self.0.seam.close(why);
    }
}

impl Hosts {
    /// Opens a link in the place of the one there was.
    pub(crate) fn link(
        &self,
        peer: &PeerIdentity,
        hello: AgentHello,
        seam: Arc<dyn AgentSeam>,
        now: Timestamp,
    ) -> (LinkId, Option<Closing>) {
        let id = LinkId(self.next_number());
        let mut agents = self.lock();
        let agent = agents.entry(peer.host.clone()).or_default();
        let former = agent.unlink(None, now);
        agent.link = Some(Link::new(id, seam, peer.clone()));
        agent.hello = Some(hello);
        agent.since = Some(now);
        (id, former.map(Closing))
    }

    /// The certificate of the link that is open.
    pub(crate) fn peer(&self, host: &HostId) -> Option<PeerIdentity> {
        self.with(host, |agent| {
            agent.link.as_ref().map(|link| link.peer.clone())
        })
        .flatten()
    }

    /// The boot that the agent told last.
    pub(crate) fn boot(&self, host: &HostId) -> Option<String> {
        self.with(host, |agent| {
            agent.hello.as_ref().map(|hello| hello.boot.clone())
        })
        .flatten()
    }

    /// Forgets link `id`, or whichever there is.
    pub(crate) fn unlink(
        &self,
        host: &HostId,
        id: Option<LinkId>,
        now: Timestamp,
    ) -> Option<Closing> {
        let link = self.with(host, |agent| agent.unlink(id, now)).flatten();
        link.map(Closing)
    }

    /// Whether a report of link `id` may come now; see [`Agent::admit`].
    pub(crate) fn admit_report(
        &self,
        host: &HostId,
        id: LinkId,
        number: Option<u64>,
    ) -> Result<(), ReportRefused> {
        self.with(host, |agent| agent.admit(host, id, number))
            .unwrap_or_else(|| Err(ReportRefused::NotTheLink { host: host.clone() }))
    }

    /// Takes a report of link `id` that was admitted; gives the boot that it belongs to. `checked`
    /// is it, or what is wrong with it: it is checked outside of the lock.
    pub(crate) fn take_report(
        &self,
        host: &HostId,
        id: LinkId,
        checked: Result<&HostReport, SeenError>,
        now: Timestamp,
    ) -> Result<String, ReportRefused> {
        self.with(host, |agent| agent.take(host, id, checked, now))
            .unwrap_or_else(|| Err(ReportRefused::NotTheLink { host: host.clone() }))
    }

    /// Keeps the sessions that the directory does not know.
    pub(crate) fn set_unmanaged(&self, host: &HostId, sessions: Vec<HostSession>) {
        self.with(host, |agent| {
            agent.is_judged = true;
            if *agent.unmanaged != *sessions {
                agent.unmanaged = sessions.into();
            }
        });
    }

    /// Sessions that the directory does not know.
    pub(crate) fn unmanaged(&self, host: &HostId) -> Arc<[HostSession]> {
        self.with(host, |agent| Arc::clone(&agent.unmanaged))
            .unwrap_or_default()
    }

    /// Hosts with an open link, by name.
    pub(crate) fn linked(&self) -> Vec<HostId> {
        let agents = self.lock();
        let linked = agents.iter().filter(|(_, agent)| agent.link.is_some());
        linked.map(|(id, _)| id.clone()).collect()
    }

    /// Forgets what agents of other hosts told; gives their links.
    pub(crate) fn keep_agents(
        &self,
        now: Timestamp,
        is_kept: impl Fn(&HostId) -> bool,
    ) -> Vec<Closing> {
        let mut closing = Vec::new();
        self.lock().retain(|id, agent| {
            let kept = is_kept(id);
            if !kept {
                closing.extend(agent.unlink(None, now).map(Closing));
            }
            kept
        });
        closing
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.number
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    /// Something about one agent; `None` when nothing was ever heard of it.
    fn with<R>(&self, host: &HostId, about: impl FnOnce(&mut Agent) -> R) -> Option<R> {
        self.lock().get_mut(host).map(about)
    }

    // Nothing that can panic runs under this lock, and what it guards is whole at every step.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<HostId, Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
