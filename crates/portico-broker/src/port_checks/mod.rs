//! The port check of the running deployment: every flow of the plan is proven from the host that
//! opens it, by the agent there or by this process, and what came of it is kept.
//!
//! Read [`Broker::check_ports`] (the work) and [`Broker::port_checks`] (what is known) first.
//! `wanted` makes of the estate what is to be checked; nothing else is ever sent anything.

mod bars;
mod explained;
mod pairs;
mod records;
mod run;
mod schedule;
mod unreached;
mod wanted;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portico_brokering::{Action, authorize};
use portico_catalogue::{Flow, PortRange};
use portico_model::{HostId, Timestamp, estate::Host, people::Principal};
use portico_probe::check::Clue;
use portico_store::{Revision, StoreError};

pub use explained::{ExplainedFlow, FlowCause, FlowExplainError, FlowExplanation, FlowQuestion};
pub use run::PortCheckSettings;
pub use unreached::BrokenFlows;

use crate::{
    agents::{HostActError, Mirror},
    audit::Note,
    broker::{Broker, Inner},
};
use bars::Bars;
use pairs::Pairing;
use records::{NOT_CHECKED, PairRecord, RowKey, is_failure, pair_id, pair_of, verdict_of};
use schedule::Schedule;
use wanted::{Vantage, Wanted, WantedRow, has_agent};

/// Rows of one answer at most.
pub const PORT_CHECK_ROWS_MAX: usize = 20_000;
/// Changes of one answer at most.
pub const PORT_CHANGES_MAX: usize = 1_000;

/// What is kept of the port check in this process.
#[derive(Default)]
pub(crate) struct PortChecks {
    pub(crate) records: Mirror<PairRecord>,
    settings: Mutex<PortCheckSettings>,
    /// Of the estate at this revision.
    wanted: Mutex<Option<(Revision, Arc<Wanted>)>>,
    schedule: Schedule,
    bars: Bars,
}

/// Which rows to tell.
#[derive(Debug, Clone, Default)]
pub struct PortCheckFilter {
    /// Only those of this host.
    pub from: Option<HostId>,
    /// Only those to this host.
    pub to: Option<HostId>,
    /// Only those with this verdict, by its slug.
    pub verdict: Option<String>,
    /// So many at most.
    pub limit: usize,
}

/// The flows of the plan with their last verdicts.
#[derive(Debug, Clone, Default)]
pub struct PortCheckTable {
    /// When something was checked last.
    pub checked_at: Option<Timestamp>,
    /// The flows, host by host.
    pub rows: Vec<PortCheckRow>,
    /// The hosts that open them.
    pub vantages: Vec<PortVantage>,
    /// Whether there are more.
    pub is_cut: bool,
}

/// One flow to one address of a host.
#[derive(Debug, Clone)]
pub struct PortCheckRow {
    /// The line of the catalogue.
    pub flow: &'static Flow,
    /// The host that opens connections.
    pub from: HostId,
    /// The host that listens.
    pub to: HostId,
    /// Its address.
    pub address: String,
    /// Port; zero when the transport has none.
    pub port: u16,
    /// The ports that this is about, where there are several.
    pub ports: Option<PortRange>,
    /// Whether the services fail without it.
    pub is_required: bool,
    /// The verdict by its slug, or `not-checked`.
    pub verdict: String,
    /// What it rests on.
    pub evidence: String,
    /// What an operator can do.
    pub next_step: Option<String>,
    /// What the verdict alone does not tell.
    pub clue: Option<Clue>,
    /// Time that it took, in milliseconds.
    pub took_ms: Option<u32>,
    /// When it was checked last.
    pub checked_at: Option<Timestamp>,
    /// Since when the verdict is what it is.
    pub since: Option<Timestamp>,
}

impl PortCheckRow {
    /// Whether the flow was seen not to work.
    pub fn is_failure(&self) -> bool {
        verdict_of(&self.verdict).is_some_and(is_failure)
    }
}

/// A host that opens flows.
#[derive(Debug, Clone)]
pub struct PortVantage {
    /// Which.
    pub host: HostId,
    /// Whether anybody checks from there.
    pub state: PortVantageState,
    /// What about it, for operators.
    pub detail: String,
    /// When something was checked from there last.
    pub last_report_at: Option<Timestamp>,
}

/// Whether anybody checks from a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortVantageState {
    /// Its agent does, or this process, which is that host.
    Reporting,
    /// It has an agent, which does not.
    Silent,
    /// It has none.
    NoAgent,
}

/// A verdict that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortChange {
    /// When.
    pub at: Timestamp,
    /// Flow.
    pub flow: String,
    /// The host that opens connections.
    pub from: HostId,
    /// The host that listens.
    pub to: HostId,
    /// Its address.
    pub address: String,
    /// Port; zero when the transport has none.
    pub port: u16,
    /// What it became, by its slug.
    pub verdict: String,
    /// What it was, or `not-checked`.
    pub before: String,
    /// What the new one rests on.
    pub evidence: String,
}

impl Broker {
    /// The flows of the plan with their last verdicts.
    pub async fn port_checks(
        &self,
        filter: &PortCheckFilter,
    ) -> Result<PortCheckTable, StoreError> {
        self.0.port_check_table(filter).await
    }

    /// Verdicts that changed, newest first: [`PORT_CHANGES_MAX`] at most.
    pub async fn port_changes(
        &self,
        flow: Option<&str>,
        from: Option<&HostId>,
        to: Option<&HostId>,
    ) -> Result<Vec<PortChange>, StoreError> {
        self.0.port_checks_loaded().await?;
        let mut changes = Vec::new();
        for (id, record) in self.0.port_checks.records.all() {
            let Some((source, target)) = pair_of(&id) else {
                continue;
            };
            let is_meant =
                from.is_none_or(|only| *only == source) && to.is_none_or(|only| *only == target);
            if !is_meant {
                continue;
            }
            let of_flow = record.changes.iter();
            let of_flow = of_flow.filter(|change| flow.is_none_or(|only| only == change.key.flow));
            changes.extend(of_flow.map(|change| PortChange {
                at: change.at,
                flow: change.key.flow.clone(),
                from: source.clone(),
                to: target.clone(),
                address: change.key.address.clone(),
                port: change.key.port,
                verdict: change.verdict.clone(),
                before: change.before.clone(),
                evidence: change.evidence.clone(),
            }));
        }
        changes.sort_by_key(|change| std::cmp::Reverse(change.at));
        changes.truncate(PORT_CHANGES_MAX);
        Ok(changes)
    }

    /// Has every flow of these hosts checked as soon as possible, or of all hosts.
    pub async fn check_ports_now(
        &self,
        actor: &Principal,
        from: Option<&[HostId]>,
    ) -> Result<(), HostActError> {
        authorize(actor, Action::OperateHosts)?;
        let inner = &self.0;
        let (_, estate) = inner.estate().await?;
        let unknown = from
            .unwrap_or_default()
            .iter()
            .find(|id| !estate.hosts.contains_key(*id) && !estate.other_hosts.contains_key(*id));
        if let Some(host) = unknown {
            return Err(HostActError::NoSuchHost { host: host.clone() });
        }
        let now = inner.clock.now();
        match from {
            Some(hosts) => {
                for host in hosts {
                    inner.port_checks.schedule.ask_from(host, now);
                }
            }
            None => inner.port_checks.schedule.ask_all(now),
        }
        inner
            .note(Note {
                detail: serde_json::json!({ "from": from }),
                ..Note::by(actor, "port-check.now", "estate")
            })
            .await;
        Ok(())
    }
}

impl Inner {
    /// Why a new session does not come to a host whose agent reports.
    pub(crate) fn port_bar(&self, id: &HostId, host: &Host, now: Timestamp) -> Option<String> {
        self.port_checks.bars.why(id, host, now)
    }

    /// The flows from and to a host are worth another look: it has come, or something failed there.
    pub(crate) fn recheck_ports(&self, host: &HostId, from: RecheckFrom) {
        let now = self.clock.now();
        let schedule = &self.port_checks.schedule;
        schedule.ask_to(host, now);
        if from == RecheckFrom::There {
            schedule.ask_from(host, now);
        }
    }

    /// Reads what the store has of checks, unless that was done.
    pub(crate) async fn port_checks_loaded(&self) -> Result<(), StoreError> {
        let records = &self.port_checks.records;
        if !records.is_loaded() {
            let prefix = records::checks_prefix();
            records.load(self.store.as_ref(), &prefix).await?;
        }
        Ok(())
    }

    /// What is to be checked of the estate as it is now.
    async fn wanted_checks(&self) -> Result<Arc<Wanted>, StoreError> {
        let (revision, estate) = self.estate().await?;
        let known = lock(&self.port_checks.wanted).clone();
        if let Some((of, wanted)) = known
            && of == revision
        {
            return Ok(wanted);
        }
        let own = lock(&self.port_checks.settings).own.clone();
        let made = tokio::task::spawn_blocking(move || wanted::wanted(&estate, &own)).await;
        let made = match made {
            Ok(made) => Arc::new(made),
            Err(error) => {
                tracing::error!(%error, "The plan for the port check was not made");
                Arc::default()
            }
        };
        *lock(&self.port_checks.wanted) = Some((revision, Arc::clone(&made)));
        self.port_checks.schedule.plan_changed(&made.own);
        self.port_checks.bars.clear();
        for (id, record) in self.port_checks.records.all() {
            self.learn_bars(&made, &id, &record);
        }
        Ok(made)
    }

    /// What a record of the mirror says about hosts that this process reaches.
    fn learn_bars(&self, wanted: &Wanted, id: &str, record: &PairRecord) {
        if let Some((from, to)) = pair_of(id)
            && wanted.own.contains(&from)
        {
            let life_ms = lock(&self.port_checks.settings).bar_life_ms();
            self.port_checks.bars.take(&from, &to, record, life_ms);
        }
    }

    async fn port_check_table(
        &self,
        filter: &PortCheckFilter,
    ) -> Result<PortCheckTable, StoreError> {
        self.port_checks_loaded().await?;
        let (_, estate) = self.estate().await?;
        let wanted = self.wanted_checks().await?;
        let mut last_of: BTreeMap<HostId, Timestamp> = BTreeMap::new();
        for (id, record) in self.port_checks.records.all() {
            let newest = record.rows.iter().map(|row| row.checked_at).max();
            if let (Some((from, _)), Some(newest)) = (pair_of(&id), newest) {
                let last = last_of.entry(from).or_insert(newest);
                *last = (*last).max(newest);
            }
        }
        let mut table = PortCheckTable {
            checked_at: last_of.values().max().copied(),
            is_cut: wanted.is_cut,
            ..PortCheckTable::default()
        };
        let limit = filter.limit.min(PORT_CHECK_ROWS_MAX);
        for (from, vantage) in &wanted.vantages {
            if filter.from.as_ref().is_some_and(|only| only != from) {
                continue;
            }
            let (state, detail) = self.vantage_state(&wanted, has_agent(&estate, from), from);
            for row in &vantage.rows {
                if filter.to.as_ref().is_some_and(|only| *only != row.to) {
                    continue;
                }
                let Some(row) = self.told(from, vantage, row, (state, &detail)) else {
                    continue;
                };
                if filter
                    .verdict
                    .as_ref()
                    .is_some_and(|only| *only != row.verdict)
                {
                    continue;
                }
                if table.rows.len() >= limit {
                    table.is_cut = true;
                    break;
                }
                table.rows.push(row);
            }
            if table.vantages.len() < limit {
                table.vantages.push(PortVantage {
                    last_report_at: last_of.get(from).copied(),
                    host: from.clone(),
                    state,
                    detail,
                });
            }
        }
        Ok(table)
    }

    fn vantage_state(
        &self,
        wanted: &Wanted,
        has_agent: bool,
        host: &HostId,
    ) -> (PortVantageState, String) {
        use PortVantageState as State;
        if !has_agent {
            return match wanted.own.contains(host) {
                true => (State::Reporting, "this Portico checks from here".into()),
                false => (State::NoAgent, "no agent runs there".into()),
            };
        }
        match self.agent_checks_flows(host) {
            Some(true) => (State::Reporting, "its agent checks".into()),
            Some(false) => (State::Silent, "its agent is too old to check flows".into()),
            None => (State::Silent, "its agent says nothing".into()),
        }
    }

    /// A row as it is told.
    fn told(
        &self,
        from: &HostId,
        vantage: &Vantage,
        row: &WantedRow,
        (state, state_detail): (PortVantageState, &str),
    ) -> Option<PortCheckRow> {
        let target = vantage.targets.get(row.target)?;
        let mut told = PortCheckRow {
            flow: row.flow,
            from: from.clone(),
            to: row.to.clone(),
            address: target.host.clone(),
            port: target.port,
            ports: row.ports.clone(),
            is_required: row.is_required,
            verdict: NOT_CHECKED.into(),
            evidence: String::new(),
            next_step: None,
            clue: None,
            took_ms: None,
            checked_at: None,
            since: None,
        };
        let pairing = vantage.pair(row).map(|pair| self.pairing(from, pair));
        if let Some((why, next_step)) = vantage.skipped(row.target)
            && pairing != Some(Pairing::Possible)
        {
            told.verdict = portico_probe::check::Verdict::Skipped.slug().into();
            (told.evidence, told.next_step) = match pairing {
                Some(Pairing::Waits(waits)) => (
                    format!("{why}; {waits}"),
                    Some("see why: portico get hosts".into()),
                ),
                _ => (why.to_owned(), Some(next_step.to_owned())),
            };
            return Some(told);
        }
        let record = self.port_checks.records.get(&pair_id(from, &row.to));
        let last = record
            .as_ref()
            .and_then(|record| record.row(&key_of(row, target)));
        match last {
            Some(last) => {
                told.verdict.clone_from(&last.verdict);
                told.evidence.clone_from(&last.evidence);
                told.next_step.clone_from(&last.next_step);
                told.clue = last.clue.as_deref().and_then(Clue::from_slug);
                told.took_ms = Some(last.took_ms);
                told.checked_at = Some(last.checked_at);
                told.since = Some(last.since);
            }
            None => {
                let (evidence, next_step) = match state {
                    PortVantageState::Reporting => ("its turn has not come yet", "wait a moment"),
                    PortVantageState::Silent => (state_detail, "see why: portico get hosts"),
                    PortVantageState::NoAgent => (
                        state_detail,
                        "run an agent there, or on that host: portico ports check --from HOST",
                    ),
                };
                told.evidence = evidence.to_owned();
                told.next_step = Some(next_step.to_owned());
            }
        }
        Some(told)
    }
}

/// Whether the flows that a host opens are checked anew, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecheckFrom {
    /// Only those of this process to it.
    Here,
    /// Its own as well.
    There,
}

fn key_of(row: &WantedRow, target: &portico_probe::check::Target) -> RowKey {
    RowKey {
        flow: row.flow.id.clone(),
        address: target.host.clone(),
        port: target.port,
    }
}

// Nothing that can panic runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
