//! Probes of the hosts' protocol from here, where the gateway is. For hosts without agent they
//! are all that is known.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use portico_brokering::Reachability;
use portico_model::{
    HostId, Timestamp,
    estate::{AgentMode, Estate, Host},
};
use portico_probe::ProbeTarget;

use crate::{
    broker::{Broker, Inner},
    port_checks::RecheckFrom,
};

/// Probes at once.
const PROBES_MAX: usize = 32;
/// Time that a launch waits for probes of hosts that were never probed.
const LAUNCH_PROBE_TIMEOUT: Duration = Duration::from_secs(4);

/// What the last probe of a host saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostState {
    /// Whether it answered in its protocol.
    pub reachable: bool,
    /// What was seen, for operators.
    pub detail: String,
    /// Since when it is so.
    pub since: Timestamp,
    /// When it was probed last.
    pub checked_at: Timestamp,
    /// What was probed; a host whose address has changed meanwhile was not.
    target: ProbeTarget,
}

/// The states of all hosts that were probed.
#[derive(Debug, Default)]
pub(crate) struct Probes(Mutex<BTreeMap<HostId, HostState>>);

impl Broker {
    /// What was seen of the hosts; those that were not probed yet are missing.
    pub fn host_states(&self) -> BTreeMap<HostId, HostState> {
        self.0.hosts.probes.lock().clone()
    }

    /// Probes every host without an agent now.
    pub async fn probe_hosts(&self) -> Result<(), crate::EstateReadError> {
        let (_, estate) = self.0.estate().await?;
        self.0.hosts.probes.forget_others(&estate);
        self.0.forget_agents(&estate);
        let all = estate.hosts.iter().filter(|(_, host)| is_probed(host));
        self.0.probe(all.collect()).await;
        Ok(())
    }
}

impl Inner {
    /// Probes those of `hosts` that were never probed, for a launch that cannot wait for the next
    /// round. What does not answer in time stays "not probed".
    pub(crate) async fn probe_new(&self, hosts: &[(&HostId, &Host)]) {
        if let Err(error) = self.agents_loaded().await {
            tracing::debug!(%error, "What is known of agents could not be read");
        }
        let new: Vec<_> = hosts
            .iter()
            .copied()
            .filter(|(id, host)| {
                is_probed(host)
                    && self.hosts.probes.reachability(id, host) == Reachability::NotProbed
            })
            .collect();
        if new.is_empty() {
            return;
        }
        let probing = self.probe(new);
        if tokio::time::timeout(LAUNCH_PROBE_TIMEOUT, probing)
            .await
            .is_err()
        {
            tracing::debug!("Probes for a launch took too long");
        }
    }

    async fn probe(&self, hosts: Vec<(&HostId, &Host)>) {
        // Owned before the futures are made, so that they borrow nothing of the estate.
        let targets: Vec<(HostId, ProbeTarget)> = hosts
            .into_iter()
            .map(|(id, host)| (id.clone(), ProbeTarget::from(host)))
            .collect();
        stream::iter(targets)
            .for_each_concurrent(PROBES_MAX, |(id, target)| async move {
                let outcome = self.prober.probe(&target).await;
                let (reachable, detail) = match outcome {
                    Ok(ok) => (true, ok.detail),
                    Err(error) => (false, error.detail),
                };
                let probes = &self.hosts.probes;
                let now = self.clock.now();
                if probes.saw(id.clone(), target, reachable, detail, now) {
                    // What the port check shows of the host shall not say something else.
                    self.recheck_ports(&id, RecheckFrom::Here);
                }
            })
            .await;
    }
}

impl Probes {
    /// What placement is told about a host.
    pub(crate) fn reachability(&self, id: &HostId, host: &Host) -> Reachability {
        let states = self.lock();
        match states.get(id) {
            Some(state) if state.target != ProbeTarget::from(host) => Reachability::NotProbed,
            Some(state) if state.reachable => Reachability::Reachable,
            Some(state) => Reachability::Unreachable {
                detail: state.detail.clone(),
            },
            None => Reachability::NotProbed,
        }
    }

    /// What the last probe of a host saw, if it was of this host's address.
    pub(super) fn state(&self, id: &HostId, host: &Host) -> Option<HostState> {
        let states = self.lock();
        let state = states.get(id)?;
        (state.target == ProbeTarget::from(host)).then(|| state.clone())
    }

    /// Keeps what a probe saw; whether it is something new.
    fn saw(
        &self,
        id: HostId,
        target: ProbeTarget,
        reachable: bool,
        detail: String,
        now: Timestamp,
    ) -> bool {
        let mut states = self.lock();
        let before = states.get(&id).filter(|state| state.target == target);
        let same = before.filter(|state| state.reachable == reachable);
        if same.is_none() {
            tracing::info!(host_id = %id, reachable, detail, "Host changed its state");
        }
        let is_new = same.is_none();
        let since = same.map_or(now, |state| state.since);
        states.insert(
            id,
            HostState {
                reachable,
                detail,
                since,
                checked_at: now,
                target,
            },
        );
        is_new
    }

    /// Forgets the hosts that are not in `estate`.
    fn forget_others(&self, estate: &Estate) {
        self.lock().retain(|id, _| estate.hosts.contains_key(id));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<HostId, HostState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_probed(host: &Host) -> bool {
    match host.agent {
        AgentMode::None => true,
        AgentMode::Required => false,
    }
}
