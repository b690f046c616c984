//! Planned maintenances, as operators see and write them.

use portico_broker::{Maintenance, NewMaintenance};
use portico_model::{HostId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A maintenance to plan. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
pub(crate) struct MaintenanceRequest {
    /// Which hosts.
    pub(crate) hosts: Vec<String>,
    /// When sessions end and hosts may restart.
    pub(crate) starts_at_ms: i64,
    /// When hosts go back whatever came of it.
    pub(crate) ends_at_ms: i64,
    /// People are warned so long before the start.
    pub(crate) warn_before_s: u32,
    /// Hosts take no new sessions from so long before the start on.
    pub(crate) drain_before_s: u32,
    /// What people are told.
    pub(crate) text: String,
    /// Whether the hosts restart.
    pub(crate) restart: bool,
    /// Hosts that restart at once.
    pub(crate) at_once: u32,
}

/// A planned maintenance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MaintenanceView {
    /// Its id.
    pub(crate) id: String,
    /// What was planned.
    #[serde(flatten)]
    pub(crate) plan: MaintenanceRequest,
    /// Who planned it.
    pub(crate) by: String,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Where it stands.
    pub(crate) state: MaintenanceStateView,
}

/// Where a maintenance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MaintenanceStateView {
    /// Nothing was done yet.
    Planned,
    /// Its hosts take no new sessions.
    Draining,
    /// It has begun.
    Running,
    /// Its time is over.
    Over,
}

impl MaintenanceRequest {
    /// What the broker is asked, with the hosts that were named.
    pub(crate) fn with_hosts(self, hosts: Vec<HostId>) -> NewMaintenance {
        NewMaintenance {
            hosts,
            starts_at: Timestamp::from_unix_ms(self.starts_at_ms),
            ends_at: Timestamp::from_unix_ms(self.ends_at_ms),
            warn_before_s: self.warn_before_s,
            drain_before_s: self.drain_before_s,
            text: self.text,
            restart: self.restart,
            at_once: self.at_once,
        }
    }
}

impl MaintenanceView {
    /// The view of a maintenance at `now`.
    pub(crate) fn new(maintenance: &Maintenance, now: Timestamp) -> Self {
        let plan = &maintenance.plan;
        let drains_at = plan
            .starts_at
            .plus_ms(-i64::from(plan.drain_before_s).saturating_mul(1_000));
        let state = if now >= plan.ends_at {
            MaintenanceStateView::Over
        } else if now >= plan.starts_at {
            MaintenanceStateView::Running
        } else if now >= drains_at {
            MaintenanceStateView::Draining
        } else {
            MaintenanceStateView::Planned
        };
        Self {
            id: maintenance.id.to_string(),
            plan: MaintenanceRequest {
                hosts: plan.hosts.iter().map(ToString::to_string).collect(),
                starts_at_ms: plan.starts_at.unix_ms(),
                ends_at_ms: plan.ends_at.unix_ms(),
                warn_before_s: plan.warn_before_s,
                drain_before_s: plan.drain_before_s,
                text: plan.text.clone(),
                restart: plan.restart,
                at_once: plan.at_once,
            },
            by: maintenance.by.clone(),
            at_ms: maintenance.at.unix_ms(),
            state,
        }
    }
}
