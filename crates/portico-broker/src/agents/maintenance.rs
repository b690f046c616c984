//! Planned maintenance: hosts are drained, people are warned, sessions end, hosts restart, and go
//! back to what they were.

mod execute;

use std::collections::BTreeMap;

use portico_brokering::{Action, Forbidden, authorize};
use portico_identity::tokens::{self, NoRandomness};
use portico_model::{BrokerId, HostId, MaintenanceId, Timestamp, people::Principal};
use portico_store::{Compare, KeyValue, Op, StoreError, Txn};
use serde::{Deserialize, Serialize};

use super::{HostActError, MESSAGE_LEN_MAX, TRIES_MAX, records};
use crate::{
    audit::Note,
    broker::{Broker, Inner},
    documents,
};

/// Hosts in one maintenance.
pub const MAINTENANCE_HOSTS_MAX: usize = 1_000;
/// Maintenances that are kept.
pub const MAINTENANCES_MAX: usize = 500;
/// Longest time between start and end, and before the start.
pub const MAINTENANCE_LENGTH_MAX_S: u32 = 7 * 24 * 3_600;
/// One that is over stays in the list for so long.
const KEPT_MS: i64 = 7 * 24 * 3_600_000;

/// A maintenance to be planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMaintenance {
    /// Which hosts.
    pub hosts: Vec<HostId>,
    /// When sessions end and hosts may restart.
    pub starts_at: Timestamp,
    /// When hosts go back, whatever came of it.
    pub ends_at: Timestamp,
    /// People are warned so long before the start, in seconds.
    pub warn_before_s: u32,
    /// Hosts take no new sessions from so long before the start on, in seconds.
    pub drain_before_s: u32,
    /// What people are told.
    pub text: String,
    /// Whether the hosts restart. Those that have restarted go back at once.
    pub restart: bool,
    /// Hosts that restart at once.
    pub at_once: u32,
}

/// A planned maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Its id.
    pub id: MaintenanceId,
    /// What was planned.
    pub plan: NewMaintenance,
    /// Who planned it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Who cancelled it.
    #[serde(default)]
    pub cancelled_by: Option<String>,
    /// How far each host is; those with which nothing was begun are missing.
    #[serde(default)]
    pub progress: BTreeMap<HostId, MaintenanceProgress>,
}

/// How far a host is in a maintenance: when each step was carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceProgress {
    /// The step that a broker is at, or was at when it died.
    #[serde(default)]
    pub doing: Option<MaintenanceDoing>,
    /// It takes no new sessions.
    #[serde(default)]
    pub drained_at: Option<Timestamp>,
    /// People on it were told.
    #[serde(default)]
    pub warned_at: Option<Timestamp>,
    /// Its sessions were ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// It was told to restart.
    #[serde(default)]
    pub restarted_at: Option<Timestamp>,
    /// Its boot at that time.
    #[serde(default)]
    pub boot_before: Option<String>,
    /// It went back to what it was.
    #[serde(default)]
    pub back_at: Option<Timestamp>,
    /// What went wrong last, in words.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// A step that a broker has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceDoing {
    /// Which.
    pub step: MaintenanceStep,
    /// The broker. When it is gone, the step is decided anew.
    pub by: BrokerId,
    /// When.
    pub at: Timestamp,
}

/// A step of a maintenance at one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum MaintenanceStep {
    /// It is to take no new sessions.
    Drain,
    /// People on it are told.
    Warn,
    /// Its sessions are ended.
    EndSessions,
    /// It is told to restart.
    Restart {
        /// The boot it had.
        boot: String,
    },
    /// Its drain is taken back.
    Undrain,
    /// It is left drained for another maintenance.
    HandOver,
}

/// Why a maintenance was not planned or cancelled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MaintenanceError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// A host is not there, or something is too large.
    #[error(transparent)]
    Host(#[from] HostActError),
    /// The plan contradicts itself.
    #[error("{reason}")]
    Plan {
        /// How.
        reason: &'static str,
    },
    /// Too many.
    #[error("there are {MAINTENANCES_MAX} maintenances; cancel some, or wait until they are over")]
    TooMany,
    /// There is none with this id.
    #[error("there is no such maintenance")]
    NotFound,
    /// No random bytes.
    #[error("no id could be made")]
    NoRandomness(#[from] NoRandomness),
    /// The store refused or did not answer.
    #[error("the maintenances could not be read or written")]
    Store(#[from] StoreError),
}

impl Broker {
    /// Plans a maintenance.
    pub async fn plan_maintenance(
        &self,
        actor: &Principal,
        new: NewMaintenance,
    ) -> Result<Maintenance, MaintenanceError> {
        authorize(actor, Action::OperateHosts)?;
        let inner = &self.0;
        let now = inner.clock.now();
        check(&new, now)?;
        for host in &new.hosts {
            inner.managed_host(host).await?;
        }
        if inner.stored_maintenances().await?.len() >= MAINTENANCES_MAX {
            return Err(MaintenanceError::TooMany);
        }
        let number = tokens::u64_of(&*inner.chance)?;
        let id = MaintenanceId::new(format!("{number:016x}"));
        let maintenance = Maintenance {
            id: id.map_err(|_| MaintenanceError::NotFound)?,
            plan: new,
            by: actor.user.as_str().to_owned(),
            at: now,
            cancelled_by: None,
            progress: BTreeMap::new(),
        };
        let key = records::maintenance_key(&maintenance.id);
        let put = Op::put(&key, documents::write(&key, &maintenance)?);
        let txn = Txn::when([Compare::absent(&key)], [put]);
        inner.store.txn(txn).await?;
        inner
            .note(Note {
                detail: serde_json::json!({ "plan": maintenance.plan }),
                ..Note::by(actor, "maintenance.plan", maintenance.id.as_str())
            })
            .await;
        Ok(maintenance)
    }

    /// The maintenances that are planned, run, or ended in the last week, by start.
    pub async fn maintenances(&self) -> Result<Vec<Maintenance>, StoreError> {
        let stored = self.0.stored_maintenances().await?;
        let mut all: Vec<Maintenance> = stored.into_iter().map(|(one, _)| one).collect();
        all.sort_by(|a, b| (a.plan.starts_at, &a.id).cmp(&(b.plan.starts_at, &b.id)));
        Ok(all)
    }

    /// Cancels a maintenance; its hosts go back to what they were.
    pub async fn cancel_maintenance(
        &self,
        actor: &Principal,
        id: &MaintenanceId,
    ) -> Result<(), MaintenanceError> {
        authorize(actor, Action::OperateHosts)?;
        let key = records::maintenance_key(id);
        for _ in 0..TRIES_MAX {
            let stored = self.0.store.get(&key).await?;
            let stored = stored.ok_or(MaintenanceError::NotFound)?;
            let mut maintenance: Maintenance = documents::read(&stored)?;
            let by = actor.user.as_str().to_owned();
            maintenance.cancelled_by.get_or_insert(by);
            if self.0.write_maintenance(&stored, &maintenance).await? {
                self.0
                    .note(Note::by(actor, "maintenance.cancel", id.as_str()))
                    .await;
                return Ok(());
            }
        }
        Err(MaintenanceError::Store(StoreError::Away {
            place: key,
            detail: "others kept changing the maintenance".into(),
        }))
    }
}

impl Inner {
    /// All that are kept, with their keys; those that are long over are deleted on the way.
    async fn stored_maintenances(&self) -> Result<Vec<(Maintenance, KeyValue)>, StoreError> {
        let now = self.clock.now();
        let mut after: Option<String> = None;
        let mut kept = Vec::new();
        loop {
            let prefix = records::maintenances_prefix();
            let page = self
                .store
                .range_after(&prefix, after.as_deref(), None, None)
                .await?;
            after = page.items.last().map(|last| last.key.clone());
            for item in page.items {
                let maintenance: Maintenance = documents::read(&item)?;
                let is_over = now >= maintenance.plan.ends_at.plus_ms(KEPT_MS);
                if is_over && maintenance.is_settled() {
                    let compare = [Compare::unchanged(&item.key, item.mod_revision)];
                    let txn = Txn::when(compare, [Op::delete(&item.key)]);
                    self.store.txn(txn).await?;
                } else {
                    kept.push((maintenance, item));
                }
            }
            if !page.more || after.is_none() {
                return Ok(kept);
            }
        }
    }

    /// False when somebody else wrote it meanwhile.
    async fn write_maintenance(
        &self,
        stored: &KeyValue,
        maintenance: &Maintenance,
    ) -> Result<bool, StoreError> {
        let put = Op::put(&stored.key, documents::write(&stored.key, maintenance)?);
        let compare = [Compare::unchanged(&stored.key, stored.mod_revision)];
        Ok(self.store.txn(Txn::when(compare, [put])).await?.succeeded)
    }
}

impl Maintenance {
    /// Whether every host that was drained went back. Of steps that were begun only a warning may
    /// be left: it is too late for it.
    fn is_settled(&self) -> bool {
        let mut hosts = self.progress.values();
        hosts.all(|host| {
            let is_back = host.drained_at.is_none() || host.back_at.is_some();
            let step = host.doing.as_ref().map(|doing| &doing.step);
            is_back && matches!(step, None | Some(MaintenanceStep::Warn))
        })
    }
}

fn check(new: &NewMaintenance, now: Timestamp) -> Result<(), MaintenanceError> {
    let wrong = |reason| Err(MaintenanceError::Plan { reason });
    super::approvals::at_most(
        "the number of hosts",
        new.hosts.len(),
        MAINTENANCE_HOSTS_MAX,
    )?;
    super::approvals::at_most(
        "the text's length in bytes",
        new.text.len(),
        MESSAGE_LEN_MAX,
    )?;
    let mut hosts = new.hosts.clone();
    hosts.sort_unstable();
    hosts.dedup();
    if hosts.len() != new.hosts.len() || hosts.is_empty() {
        return wrong("a maintenance has one host or more, each once");
    }
    if new.ends_at <= new.starts_at || new.ends_at <= now {
        return wrong("a maintenance ends after its start, and in the future");
    }
    if new.ends_at.ms_since(new.starts_at) > u64::from(MAINTENANCE_LENGTH_MAX_S) * 1_000
        || new.warn_before_s.max(new.drain_before_s) > MAINTENANCE_LENGTH_MAX_S
    {
        return wrong("a maintenance takes a week at most, and is announced a week before at most");
    }
    if new.at_once == 0 {
        return wrong("one host or more restart at once");
    }
    Ok(())
}
