//! The work: rounds of checks from each host, and keeping what came of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use portico_model::{HostId, Timestamp};
use portico_net::tasks::{ShutdownToken, Tasks};
use portico_probe::check::{Clue, Means, Pace, Target, walk};
use portico_store::{Compare, Op, StoreError, Txn};
use portico_wire::agent::{CHECK_TARGETS_MAX, FlowTarget};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    key_of, lock,
    pairs::{PAIRS_OF_ROUND_MAX, Pairing},
    records::{
        self, Found, PairRecord, RowKey, StoredChange, pair_id, pair_key, pair_of, verdict_of,
    },
    schedule::{AT_ONCE, Often, due_at},
    wanted::{Vantage, Wanted, has_agent},
};
use crate::{
    agents::follow,
    audit::Note,
    broker::{Broker, Inner},
    documents,
};

/// The schedule is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Hosts from which is checked at the same time.
const HOSTS_AT_ONCE: usize = 32;
/// Targets of one round of this process.
const OWN_TARGETS_MAX: usize = 256;
/// Checks of this process at the same time, and in a second.
const OWN_PACE: (u32, u32) = (16, 50);
/// A host of which nothing came is asked again after so long.
const AGAIN_MS: i64 = 30_000;
/// Times that a change of a record is tried against others who change it.
const TRIES_MAX: usize = 16;
/// Changes of verdicts that go into the audit log in a minute, in all. Each of them is in the
/// history of its flow.
const NOTED_MAX: u32 = 120;
/// Changes that one line of the audit log lists.
const LISTED_MAX: usize = 20;
/// Time for rounds that run when this ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// How often is checked, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortCheckSettings {
    /// Each flow is checked so often.
    pub every: Duration,
    /// One that does not work is checked so often.
    pub again: Duration,
    /// The hosts of the estate that this process is. None: the only one that has roles of Portico's
    /// processes.
    pub own: Vec<HostId>,
}

impl Default for PortCheckSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(600),
            again: Duration::from_secs(60),
            own: Vec::new(),
        }
    }
}

impl PortCheckSettings {
    fn often(&self) -> Often {
        Often {
            every_ms: ms(self.every),
            again_ms: ms(self.again),
        }
    }

    /// How long a failure keeps sessions away when nobody checks it anew.
    pub(super) fn bar_life_ms(&self) -> i64 {
        let again = self.often().again_ms.min(self.often().every_ms);
        again.saturating_mul(3).max(120_000)
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A round of one host that is due.
struct Round {
    from: HostId,
    is_own: bool,
    /// The targets, by their places in the vantage.
    places: Vec<usize>,
    /// Whether more are due.
    has_more: bool,
}

impl Broker {
    /// Checks the flows of the plan until shutdown: those that this process opens by itself, the
    /// others by the agents of the hosts that open them.
    pub async fn check_ports(
        &self,
        settings: PortCheckSettings,
        means: Means,
        shutdown: ShutdownToken,
    ) {
        *lock(&self.0.port_checks.settings) = settings;
        *lock(&self.0.port_checks.wanted) = None;
        let tasks = Tasks::under("port checks", &shutdown);
        let (broker, stop) = (self.clone(), tasks.shutdown_token());
        tasks.spawn("follow port checks", async move {
            let inner = &broker.0;
            let prefix = records::checks_prefix();
            follow(inner, &inner.port_checks.records, &prefix, &stop, |id| {
                inner.learned_elsewhere(id);
            })
            .await;
        });
        let places = Arc::new(Semaphore::new(HOSTS_AT_ONCE));
        let mut pruned: Option<Arc<Wanted>> = None;
        loop {
            match self.0.due_hosts().await {
                Ok((wanted, due)) => {
                    let is_new = pruned
                        .as_ref()
                        .is_none_or(|last| !Arc::ptr_eq(last, &wanted));
                    if is_new {
                        let outcome = self.0.prune_checks(&wanted).await;
                        self.log(outcome, "Outcomes of flows that are no more are still kept");
                        pruned = Some(Arc::clone(&wanted));
                    }
                    for from in due {
                        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                            break;
                        };
                        let (broker, means) = (self.clone(), means.clone());
                        let wanted = Arc::clone(&wanted);
                        tasks.spawn(format!("check from {from}"), async move {
                            broker.0.check_from(&wanted, from, &means).await;
                            drop(place);
                            broker.0.port_checks.schedule.wake.notify_one();
                        });
                    }
                }
                Err(error) => tracing::warn!(%error, "Ports are not checked"),
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.0.port_checks.schedule.wake.notified() => {}
            }
        }
        let _joined = tasks.join(STOP_TIMEOUT).await;
    }

    /// Lets every host that is due do one round, and waits for it: for tests and simulations.
    #[doc(hidden)]
    pub async fn check_due_ports(
        &self,
        settings: PortCheckSettings,
        means: &Means,
    ) -> Result<usize, StoreError> {
        *lock(&self.0.port_checks.settings) = settings;
        let (wanted, due) = self.0.due_hosts().await?;
        let count = due.len();
        stream::iter(due)
            .for_each_concurrent(HOSTS_AT_ONCE, |from| {
                self.0.check_from(&wanted, from, means)
            })
            .await;
        Ok(count)
    }
}

impl Inner {
    /// The hosts that have something to do, and are able to.
    async fn due_hosts(&self) -> Result<(Arc<Wanted>, Vec<HostId>), StoreError> {
        self.port_checks_loaded().await?;
        let wanted = self.wanted_checks().await?;
        let (_, estate) = self.estate().await?;
        let now = self.clock.now();
        let schedule = &self.port_checks.schedule;
        let due = wanted.vantages.keys().filter(|from| {
            if !schedule.is_free(from, now) {
                return false;
            }
            match has_agent(&estate, from) {
                true => self.agent_checks_flows(from) == Some(true),
                false => wanted.own.contains(*from),
            }
        });
        let due = due.cloned().collect();
        Ok((wanted, due))
    }

    /// One round of one host.
    async fn check_from(&self, wanted: &Wanted, from: HostId, means: &Means) {
        let schedule = &self.port_checks.schedule;
        let begun = self.clock.now();
        if !schedule.begin(&from) {
            return;
        }
        // Given back whatever becomes of the round.
        let mut running = Running {
            inner: self,
            host: from.clone(),
            begun,
            next: begun.plus_ms(AGAIN_MS),
        };
        let Some(vantage) = wanted.vantages.get(&from) else {
            return;
        };
        let is_own = wanted.own.contains(&from);
        let round = self.round(&from, is_own, vantage, begun);
        running.next = match round {
            Ok(next) => next,
            Err(round) => {
                let has_more = round.has_more;
                match self.do_round(round, vantage, means).await {
                    true if has_more => AT_ONCE,
                    true => self
                        .round(&from, is_own, vantage, self.clock.now())
                        .unwrap_or(AT_ONCE),
                    false => self.clock.now().plus_ms(AGAIN_MS),
                }
            }
        };
    }

    /// What a host has to do now; when there is nothing, the time when there is.
    fn round(
        &self,
        from: &HostId,
        is_own: bool,
        vantage: &Vantage,
        now: Timestamp,
    ) -> Result<Timestamp, Round> {
        let often = lock(&self.port_checks.settings).often();
        let schedule = &self.port_checks.schedule;
        let asked_from = schedule.asked_from(from);
        let mut due_of: BTreeMap<usize, Timestamp> = BTreeMap::new();
        // An agent that a test waits for may come any time, and tells nobody but itself.
        let mut latest = now.plus_ms(often.every_ms);
        for row in &vantage.rows {
            let Some(target) = vantage.targets.get(row.target) else {
                continue;
            };
            match vantage.pair(row).map(|pair| self.pairing(from, pair)) {
                Some(Pairing::Possible) => {}
                Some(Pairing::Waits(_)) => {
                    latest = latest.min(now.plus_ms(AGAIN_MS));
                    continue;
                }
                None if vantage.skipped(row.target).is_some() => continue,
                None => {}
            }
            let record = self.port_checks.records.get(&pair_id(from, &row.to));
            let last = record
                .as_ref()
                .and_then(|record| record.row(&key_of(row, target)));
            let asked = match is_own {
                true => asked_from.max(schedule.asked_to(&row.to)),
                false => asked_from,
            };
            let due = due_at(last, asked, often, from);
            let known = due_of.entry(row.target).or_insert(due);
            *known = (*known).min(due);
        }
        let mut order: Vec<(Timestamp, usize)> = due_of
            .into_iter()
            .map(|(target, due)| (due, target))
            .collect();
        order.sort_unstable();
        let count_max = match is_own {
            true => OWN_TARGETS_MAX,
            false => CHECK_TARGETS_MAX,
        };
        let due_now = order.iter().take_while(|(due, _)| *due <= now);
        let places: Vec<usize> = due_now.map(|(_, target)| *target).collect();
        match places.len() {
            0 => Ok(order.first().map_or(latest, |(due, _)| latest.min(*due))),
            count => Err(Round {
                from: from.clone(),
                is_own,
                places: places.into_iter().take(count_max).collect(),
                has_more: count > count_max,
            }),
        }
    }

    /// Whether anything came of it.
    async fn do_round(&self, round: Round, vantage: &Vantage, means: &Means) -> bool {
        let Round {
            from,
            is_own,
            places,
            ..
        } = round;
        let (pairs, places): (Vec<usize>, Vec<usize>) = places
            .into_iter()
            .partition(|place| vantage.pairs.contains_key(place));
        let targets: Vec<Target> = places
            .iter()
            .filter_map(|place| vantage.targets.get(*place).cloned())
            .collect();
        let found = match is_own {
            _ if targets.is_empty() => Ok(Vec::new()),
            true => Ok(prove(&targets, means).await),
            false => self.let_prove(&from, &targets).await,
        };
        let found = found.unwrap_or_else(|error| {
            tracing::debug!(host_id = %from, %error, "Flows were not checked");
            Vec::new()
        });
        let mut found: BTreeMap<usize, Found> = found
            .into_iter()
            .filter_map(|(at, found)| Some((*places.get(at)?, found)))
            .collect();
        for place in pairs.into_iter().take(PAIRS_OF_ROUND_MAX) {
            if let (Some(target), Some(pair)) =
                (vantage.targets.get(place), vantage.pairs.get(&place))
                && let Some(tested) = self.do_pair(&from, vantage, target, pair).await
            {
                found.insert(place, tested);
            }
        }
        match self.keep_found(&from, is_own, vantage, &found).await {
            Ok(()) => !found.is_empty(),
            Err(error) => {
                tracing::warn!(host_id = %from, %error, "Outcomes of checks were not kept");
                false
            }
        }
    }

    /// Has the agent of a host prove targets.
    async fn let_prove(
        &self,
        from: &HostId,
        targets: &[Target],
    ) -> Result<Vec<(usize, Found)>, crate::hosts::CheckError> {
        let order = targets.iter().map(|target| FlowTarget {
            flow: target.flow.as_str().to_owned(),
            address: target.host.clone(),
            port: target.port,
        });
        let outcomes = self.order_check(from, order.collect()).await?;
        let found = outcomes.into_iter().filter_map(|outcome| {
            let found = Found {
                // A verdict that is not known here is of a later agent: as good as none.
                verdict: verdict_of(&outcome.verdict)?,
                evidence: outcome.evidence,
                next_step: outcome.next_step,
                clue: outcome.clue.as_deref().and_then(Clue::from_slug),
                took_ms: outcome.took_ms,
            };
            Some((usize::from(outcome.target), found))
        });
        Ok(found.collect())
    }

    /// Keeps what was found at targets, in the records of all flows that they are for.
    async fn keep_found(
        &self,
        from: &HostId,
        is_own: bool,
        vantage: &Vantage,
        found: &BTreeMap<usize, Found>,
    ) -> Result<(), StoreError> {
        let at = self.clock.now();
        let mut by_host: BTreeMap<&HostId, Vec<(RowKey, Found)>> = BTreeMap::new();
        let mut wanted: BTreeSet<(&HostId, RowKey)> = BTreeSet::new();
        for row in &vantage.rows {
            let Some(target) = vantage.targets.get(row.target) else {
                continue;
            };
            wanted.insert((&row.to, key_of(row, target)));
            if let Some(found) = found.get(&row.target) {
                let of_host = by_host.entry(&row.to).or_default();
                of_host.push((key_of(row, target), found.clone()));
            }
        }
        for (to, found) in by_host {
            let is_wanted = |key: &RowKey| wanted.contains(&(to, key.clone()));
            let (record, changes) = self.change_pair(from, to, &found, is_wanted, at).await?;
            if is_own {
                let life_ms = lock(&self.port_checks.settings).bar_life_ms();
                self.port_checks.bars.take(from, to, &record, life_ms);
            }
            self.tell_changes(from, to, &changes).await;
        }
        Ok(())
    }

    async fn change_pair(
        &self,
        from: &HostId,
        to: &HostId,
        found: &[(RowKey, Found)],
        is_wanted: impl Fn(&RowKey) -> bool,
        at: Timestamp,
    ) -> Result<(Arc<PairRecord>, Vec<StoredChange>), StoreError> {
        let key = pair_key(from, to);
        for _ in 0..TRIES_MAX {
            let stored = self.store.get(&key).await?;
            let (mut record, revision): (PairRecord, u64) =
                documents::read_or_default(stored.as_ref())?;
            let changes = record.take(found, &is_wanted, at);
            let put = Op::put(&key, documents::write(&key, &record)?);
            let txn = Txn::when([Compare::unchanged(&key, revision)], [put]);
            let outcome = self.store.txn(txn).await?;
            if outcome.succeeded {
                let record = Arc::new(record);
                let known = Some(Arc::clone(&record));
                let records = &self.port_checks.records;
                records.learn(&pair_id(from, to), outcome.revision, known);
                return Ok((record, changes));
            }
        }
        Err(StoreError::Away {
            place: key,
            detail: "others keep changing the document".into(),
        })
    }

    /// A change of a verdict is an event: of the log, and of the audit log while there are not too
    /// many.
    async fn tell_changes(&self, from: &HostId, to: &HostId, changes: &[StoredChange]) {
        let Some(first) = changes.first() else {
            return;
        };
        for change in changes {
            let (flow, verdict, before) = (&change.key.flow, &change.verdict, &change.before);
            tracing::info!(%from, %to, flow, verdict, before, "A flow changed its verdict");
        }
        if !self
            .port_checks
            .schedule
            .may_note(NOTED_MAX, Instant::now())
        {
            return;
        }
        let listed: Vec<serde_json::Value> = changes
            .iter()
            .take(LISTED_MAX)
            .map(|change| {
                serde_json::json!({
                    "flow": change.key.flow, "address": change.key.address,
                    "port": change.key.port, "verdict": change.verdict,
                    "before": change.before, "evidence": change.evidence,
                })
            })
            .collect();
        self.note(Note {
            actor: "broker",
            action: "port-check.changed",
            object: &format!("{from} to {to}"),
            outcome: &first.verdict,
            client_address: None,
            detail: serde_json::json!({ "count": changes.len(), "changes": listed }),
        })
        .await;
    }

    /// Another broker has checked something.
    fn learned_elsewhere(&self, id: &str) {
        let wanted = lock(&self.port_checks.wanted).clone();
        let record = self.port_checks.records.get(id);
        if let (Some((_, wanted)), Some(record)) = (wanted, record) {
            self.learn_bars(&wanted, id, &record);
        }
    }

    /// Forgets what was found between hosts that have no flow any more.
    pub(super) async fn prune_checks(&self, wanted: &Wanted) -> Result<(), StoreError> {
        if wanted.is_cut {
            return Ok(());
        }
        let mut pairs: BTreeSet<(&HostId, &HostId)> = BTreeSet::new();
        for (from, vantage) in &wanted.vantages {
            pairs.extend(vantage.rows.iter().map(|row| (from, &row.to)));
        }
        for (id, _) in self.port_checks.records.all() {
            let is_wanted = pair_of(&id).is_some_and(|(from, to)| pairs.contains(&(&from, &to)));
            if !is_wanted {
                let key = format!("{}{id}", records::checks_prefix());
                let outcome = self.store.txn(Txn::of([Op::delete(&key)])).await?;
                self.port_checks.records.learn(&id, outcome.revision, None);
            }
        }
        let listeners: BTreeSet<&HostId> = pairs.iter().map(|(_, to)| *to).collect();
        let is_there =
            |host: &HostId| wanted.vantages.contains_key(host) || listeners.contains(host);
        self.port_checks.schedule.keep(is_there);
        Ok(())
    }
}

/// Proves targets from here.
async fn prove(targets: &[Target], means: &Means) -> Vec<(usize, Found)> {
    let (parallel, per_second) = OWN_PACE;
    let at_least = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    let pace = Pace {
        parallel: at_least(parallel),
        per_second: at_least(per_second),
    };
    let outcomes = walk(targets, means, pace, |_, _| {}).await;
    let found = outcomes.into_iter().map(|outcome| Found {
        verdict: outcome.verdict,
        evidence: outcome.evidence,
        next_step: outcome.next_step,
        clue: outcome.clue,
        took_ms: u32::try_from(outcome.took.as_millis()).unwrap_or(u32::MAX),
    });
    found.enumerate().collect()
}

/// A host whose round runs; given back when it ends, also by being cut off.
struct Running<'a> {
    inner: &'a Inner,
    host: HostId,
    begun: Timestamp,
    next: Timestamp,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let schedule = &self.inner.port_checks.schedule;
        schedule.end(&self.host, self.begun, self.next);
    }
}
