//! Makes maintenances true: writes down what is begun, does it, and writes down that it is done. A
//! step is begun once, by whichever broker wrote it down; when that one is gone, it is decided
//! anew. What an agent did not do is in the record as trouble.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portico_brokering::{
    Event, Sight,
    maintenance::{Begun, Progress, Seen, Step, Wanted, plan},
};
use portico_model::{
    BrokerId, HostId, MaintenanceId, Timestamp,
    estate::HostMode,
    seen::{HostSessionKind, ModeSet, Order, OrderOutcome, SessionOnHost},
    session::EndReason,
};
use portico_store::{Compare, KeyValue, Op, StoreError, Txn};

use super::{Maintenance, MaintenanceDoing, MaintenanceProgress, MaintenanceStep};
use crate::{
    agents::{TRIES_MAX, records},
    audit::Note,
    broker::{Broker, Inner},
    documents,
    hosts::OrderError,
};

/// With this the names of maintenances begin where they set a mode. No person has a space in
/// theirs.
const AUTHOR: &str = "maintenance ";

impl Broker {
    /// Does what is due for the maintenances. Called again and again.
    pub async fn do_maintenance(&self) -> Result<(), StoreError> {
        let inner = &self.0;
        let _mine = inner.agents.maintaining.lock().await;
        inner.agents_loaded().await?;
        let all = inner.stored_maintenances().await?;
        let at_it = self.brokers_at_steps(&all).await?;
        let now = inner.clock.now();
        let mut steps: BTreeMap<MaintenanceId, Vec<(HostId, Step)>> = BTreeMap::new();
        {
            let boots = inner.boots_of(&all, now).await?;
            let progress = all.iter().map(|(one, _)| one.core_progress(&at_it));
            let progress: Vec<_> = progress.collect();
            let wanted: Vec<Wanted<'_>> = all
                .iter()
                .zip(&progress)
                .map(|((one, _), progress)| one.wanted(progress))
                .collect();
            let seen = |host: &HostId| {
                let boot = boots.get(host)?.as_deref();
                Some(Seen { boot })
            };
            for due in plan(&wanted, seen, now) {
                let own = steps.entry(due.maintenance.clone()).or_default();
                own.push((due.host.clone(), due.step));
            }
        }
        if !steps.is_empty() {
            // Others must not take this one for gone while it is at them.
            self.announce().await?;
        }
        for (one, stored) in all {
            if let Some(steps) = steps.remove(&one.id) {
                inner.advance(one, &stored, steps, now).await?;
            }
        }
        Ok(())
    }

    /// Other brokers that have begun steps and run.
    async fn brokers_at_steps(
        &self,
        all: &[(Maintenance, KeyValue)],
    ) -> Result<BTreeSet<BrokerId>, StoreError> {
        let mut begun = all.iter().flat_map(|(one, _)| one.progress.values());
        let is_anothers = |doing: &MaintenanceDoing| doing.by != self.0.id;
        if begun.any(|host| host.doing.as_ref().is_some_and(is_anothers)) {
            return self.others().await;
        }
        Ok(BTreeSet::new())
    }
}

impl Inner {
    async fn advance(
        &self,
        mut maintenance: Maintenance,
        stored: &KeyValue,
        steps: Vec<(HostId, Step)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (host, step) in &steps {
            let so_far = maintenance.progress.entry(host.clone()).or_default();
            so_far.doing = Some(MaintenanceDoing {
                step: step.into(),
                by: self.id.clone(),
                at: now,
            });
        }
        // Another broker was first: it does them.
        if !self.write_maintenance(stored, &maintenance).await? {
            return Ok(());
        }
        let doing = steps.into_iter().map(|(host, step)| async {
            let trouble = self.take_step(&maintenance, &host, &step).await.err();
            (host, step, trouble)
        });
        let done = futures_util::future::join_all(doing).await;
        let mut outcomes = Vec::new();
        for (host, step, trouble) in done {
            self.note(Note {
                actor: "maintenance",
                action: action(&step),
                object: host.as_str(),
                outcome: trouble.as_deref().unwrap_or("ok"),
                client_address: None,
                detail: serde_json::json!({ "maintenance": maintenance.id }),
            })
            .await;
            outcomes.push((host, step, trouble));
        }
        self.keep_outcomes(&stored.key, &outcomes).await
    }

    /// Writes down what was done and what went wrong. A step that must be done for the maintenance
    /// to go on is due again.
    async fn keep_outcomes(
        &self,
        key: &str,
        outcomes: &[(HostId, Step, Option<String>)],
    ) -> Result<(), StoreError> {
        for (host, step, trouble) in outcomes {
            if let Some(trouble) = trouble {
                tracing::warn!(host_id = %host, ?step, error = trouble, "Step of a maintenance failed");
            }
        }
        for _ in 0..TRIES_MAX {
            let Some(stored) = self.store.get(key).await? else {
                return Ok(());
            };
            let mut maintenance: Maintenance = documents::read(&stored)?;
            let now = self.clock.now();
            for (host, step, trouble) in outcomes {
                let so_far = maintenance.progress.entry(host.clone()).or_default();
                so_far.end(&self.id, step, trouble.as_deref(), now);
            }
            if self.write_maintenance(&stored, &maintenance).await? {
                return Ok(());
            }
        }
        // They stay begun in this broker's name, and are decided anew at the next look.
        tracing::warn!(key, "Others kept changing the maintenance");
        Ok(())
    }

    /// The hosts of maintenances that are in the estate, with their boot while they report.
    async fn boots_of(
        &self,
        all: &[(Maintenance, KeyValue)],
        now: Timestamp,
    ) -> Result<BTreeMap<HostId, Option<String>>, StoreError> {
        let (_, estate) = self.estate().await?;
        let hosts = all.iter().flat_map(|(one, _)| &one.plan.hosts);
        Ok(hosts
            .filter_map(|id| Some((id, estate.hosts.get(id)?)))
            .map(|(id, host)| {
                let seen = self.seen_host(id, host, now);
                let boot = seen.boot.filter(|_| seen.sight == Sight::Fresh);
                (id.clone(), boot)
            })
            .collect())
    }

    /// Does a step; in words what went wrong.
    async fn take_step(
        &self,
        maintenance: &Maintenance,
        host: &HostId,
        step: &Step,
    ) -> Result<(), String> {
        let text = &maintenance.plan.text;
        match step {
            Step::Drain => self
                .drain(maintenance, host)
                .await
                .map_err(|e| e.to_string()),
            Step::Undrain => self.give_back(host).await.map_err(|e| e.to_string()),
            Step::HandOver => Ok(()),
            Step::Warn => {
                let order = Order::Message {
                    session: None,
                    from: maintenance.by.clone(),
                    text: text.clone(),
                };
                done(self.order(host, order).await)
            }
            Step::EndSessions => self.empty(host).await,
            Step::Restart { .. } => {
                let order = Order::Restart {
                    after_s: 0,
                    text: text.clone(),
                };
                done(self.order(host, order).await)
            }
        }
    }

    /// Lets no new sessions come, unless somebody has already.
    async fn drain(&self, maintenance: &Maintenance, host: &HostId) -> Result<(), StoreError> {
        let key = records::mode_key(host);
        if self.store.get(&key).await?.is_some() {
            return Ok(());
        }
        let set = ModeSet {
            mode: HostMode::Drain,
            by: author(maintenance),
            at: self.clock.now(),
            reason: maintenance.plan.text.clone(),
            until_restart_of: None,
        };
        let put = Op::put(&key, documents::write(&key, &set)?);
        let outcome = self
            .store
            .txn(Txn::when([Compare::absent(&key)], [put]))
            .await?;
        if outcome.succeeded {
            let modes = &self.agents.modes;
            modes.learn(host.as_str(), outcome.revision, Some(Arc::new(set)));
        }
        Ok(())
    }

    /// Takes the mode back that a maintenance has set, and no operator's. The planner says it
    /// only when no other maintenance needs the host so.
    async fn give_back(&self, host: &HostId) -> Result<(), StoreError> {
        let key = records::mode_key(host);
        let Some(stored) = self.store.get(&key).await? else {
            return Ok(());
        };
        let set: ModeSet = documents::read(&stored)?;
        if !set.by.starts_with(AUTHOR) {
            return Ok(());
        }
        let compare = [Compare::unchanged(&key, stored.mod_revision)];
        let outcome = self
            .store
            .txn(Txn::when(compare, [Op::delete(&key)]))
            .await?;
        if outcome.succeeded {
            let modes = &self.agents.modes;
            modes.learn(host.as_str(), outcome.revision, None);
        }
        Ok(())
    }

    /// Ends the sessions of the directory there, and tells the agent to log off other desktops.
    async fn empty(&self, host: &HostId) -> Result<(), String> {
        let away = |error: StoreError| error.to_string();
        self.freshen().await.map_err(away)?;
        let ours: Vec<_> = self
            .index()
            .on_host(host)
            .filter(|entry| entry.session.state.is_running())
            .map(|entry| entry.session.id.clone())
            .collect();
        let event = Event::End {
            reason: EndReason::Maintenance,
        };
        for session in ours {
            self.move_session(&session, &event).await.map_err(away)?;
        }
        for other in self.hosts.unmanaged(host).iter() {
            if other.kind != HostSessionKind::Rdp {
                continue;
            }
            let order = Order::LogOff {
                session: SessionOnHost {
                    key: Some(other.key.clone()),
                    account: other.account.clone(),
                    kind: other.kind,
                },
            };
            done(self.order(host, order).await)?;
        }
        Ok(())
    }
}

const fn action(step: &Step) -> &'static str {
    match step {
        Step::Drain => "maintenance.drain",
        Step::Warn => "maintenance.warn",
        Step::EndSessions => "maintenance.end-sessions",
        Step::Restart { .. } => "maintenance.restart",
        Step::Undrain => "maintenance.undrain",
        Step::HandOver => "maintenance.hand-over",
    }
}

impl Maintenance {
    /// Its progress, when of those who have begun steps only the brokers `at_it` run.
    fn core_progress(&self, at_it: &BTreeSet<BrokerId>) -> BTreeMap<HostId, Progress> {
        let hosts = self.progress.iter();
        hosts
            .map(|(host, so_far)| (host.clone(), so_far.core(at_it)))
            .collect()
    }

    fn wanted<'a>(&'a self, progress: &'a BTreeMap<HostId, Progress>) -> Wanted<'a> {
        let plan = &self.plan;
        Wanted {
            id: &self.id,
            hosts: &plan.hosts,
            starts_at: plan.starts_at,
            ends_at: plan.ends_at,
            warn_before_s: plan.warn_before_s,
            drain_before_s: plan.drain_before_s,
            restart: plan.restart,
            at_once: plan.at_once,
            cancelled: self.cancelled_by.is_some(),
            progress,
        }
    }
}

impl MaintenanceProgress {
    fn core(&self, at_it: &BTreeSet<BrokerId>) -> Progress {
        let boot = self.boot_before.clone().unwrap_or_default();
        Progress {
            begun: self.doing.as_ref().map(|doing| Begun {
                step: (&doing.step).into(),
                abandoned: !at_it.contains(&doing.by),
            }),
            drained: self.drained_at.is_some(),
            warned: self.warned_at.is_some(),
            ended: self.ended_at.is_some(),
            restarted_from: self.restarted_at.map(|_| boot),
            back: self.back_at.is_some(),
        }
    }

    /// Writes down what came of `step`, unless it is not the one that `broker` is at.
    fn end(&mut self, broker: &BrokerId, step: &Step, trouble: Option<&str>, now: Timestamp) {
        let is_mine = |doing: &MaintenanceDoing| doing.by == *broker && doing.step == step.into();
        if !self.doing.as_ref().is_some_and(is_mine) {
            return;
        }
        self.doing = None;
        if let Some(trouble) = trouble {
            self.trouble = Some(trouble.to_owned());
        }
        // What the directory has is ended, and one agent's trouble must not hold up the rest.
        let goes_on = matches!(step, Step::EndSessions | Step::Warn | Step::HandOver);
        if trouble.is_some() && !goes_on {
            return;
        }
        match step {
            Step::Drain => self.drained_at = Some(now),
            Step::Warn => self.warned_at = Some(now),
            Step::EndSessions => self.ended_at = Some(now),
            Step::Restart { boot } => {
                self.restarted_at = Some(now);
                self.boot_before = Some(boot.clone());
            }
            Step::Undrain | Step::HandOver => self.back_at = Some(now),
        }
    }
}

impl From<&Step> for MaintenanceStep {
    fn from(step: &Step) -> Self {
        match step {
            Step::Drain => Self::Drain,
            Step::Warn => Self::Warn,
            Step::EndSessions => Self::EndSessions,
            Step::Restart { boot } => Self::Restart { boot: boot.clone() },
            Step::Undrain => Self::Undrain,
            Step::HandOver => Self::HandOver,
        }
    }
}

impl From<&MaintenanceStep> for Step {
    fn from(step: &MaintenanceStep) -> Self {
        match step {
            MaintenanceStep::Drain => Self::Drain,
            MaintenanceStep::Warn => Self::Warn,
            MaintenanceStep::EndSessions => Self::EndSessions,
            MaintenanceStep::Restart { boot } => Self::Restart { boot: boot.clone() },
            MaintenanceStep::Undrain => Self::Undrain,
            MaintenanceStep::HandOver => Self::HandOver,
        }
    }
}

fn author(maintenance: &Maintenance) -> String {
    format!("{AUTHOR}{}", maintenance.id)
}

fn done(outcome: Result<OrderOutcome, OrderError>) -> Result<(), String> {
    match outcome {
        Ok(
            OrderOutcome::Done { .. } | OrderOutcome::Identities { .. } | OrderOutcome::NotFound,
        ) => Ok(()),
        Ok(OrderOutcome::Failed { detail } | OrderOutcome::NotSupported { detail }) => Err(detail),
        Err(error) => Err(error.to_string()),
    }
}
