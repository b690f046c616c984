//! Hosts as operators see them.

mod agents;
mod load;
mod requests;

use portico_broker::{HostOverview, Identity};
use portico_brokering::Sight;
use portico_model::{
    Timestamp,
    estate::{HostMode, Pin, PlacementRule},
    launch::NotChosen,
    seen::ModeSet,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProtocolView;

pub(crate) use agents::{AgentModeView, AgentStateView, HostSessionView, OutcomeView, WaitingView};
pub(crate) use load::{LoadHistoryView, LoadView};
pub(crate) use requests::{
    MessageRequest, ModeRequest, ProbeRequest, ReasonRequest, RejectRequest, RestartRequest,
    SeenRequest,
};

/// A host, for operators.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostView {
    /// Its id.
    pub(crate) id: String,
    /// Name to show.
    pub(crate) title: String,
    /// Its pool.
    pub(crate) pool: String,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) site: Option<String>,
    /// Where it is.
    pub(crate) address: String,
    /// Its port.
    pub(crate) port: u16,
    /// Its protocol.
    pub(crate) protocol: ProtocolView,
    /// Capacity in relation to other hosts, in percent.
    pub(crate) weight: u32,
    /// What it takes: `enabled`, `drain` or `disabled`; the stricter of the next two.
    pub(crate) mode: HostModeView,
    /// What the estate says.
    pub(crate) wanted_mode: HostModeView,
    /// What somebody, or a rule, has set beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode_set: Option<ModeSetView>,
    /// Whether it is there.
    pub(crate) state: HostStateView,
    /// What was seen last.
    pub(crate) detail: String,
    /// Since when it is in that state, in milliseconds since 1970.
    pub(crate) since_ms: Option<i64>,
    /// Whether a new session may come to it now, as far as it does not depend on who asks.
    pub(crate) takes_new: bool,
    /// Why not.
    pub(crate) why_not: Vec<WhyNotView>,
    /// Whether an agent shall run there.
    pub(crate) agent: AgentModeView,
    /// What is known of its agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_state: Option<AgentStateView>,
    /// How busy it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<LoadView>,
    /// Whether its identity can be checked.
    pub(crate) identity: IdentityView,
    /// Sessions on it, pending ones included.
    pub(crate) sessions: u32,
    /// Its limit.
    pub(crate) sessions_max: u32,
    /// Sign-ins in progress.
    pub(crate) sign_ins: u32,
    /// Set while launches fail there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) penalty: Option<PenaltyView>,
    /// Sessions that the agent sees and Portico did not start.
    pub(crate) unmanaged_sessions: u32,
    /// Roles in the names of the port catalogue.
    pub(crate) roles: Vec<String>,
    /// Identities accepted.
    pub(crate) pins: Vec<String>,
}

/// What a host takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HostModeView {
    /// New sessions and reconnections.
    Enabled,
    /// Reconnections only.
    Drain,
    /// Nothing.
    Disabled,
}

impl From<HostMode> for HostModeView {
    fn from(mode: HostMode) -> Self {
        match mode {
            HostMode::Enabled => Self::Enabled,
            HostMode::Drain => Self::Drain,
            HostMode::Disabled => Self::Disabled,
        }
    }
}

/// Whether a host is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HostStateView {
    /// It answers, or its agent reports.
    Up,
    /// It does not answer.
    Down,
    /// It was not looked at yet.
    Unknown,
    /// Its agent has not reported for a while.
    Silent,
    /// Its agent never joined.
    NeverJoined,
    /// Its agent waits for an operator.
    Waiting,
    /// Its agent's certificate was revoked.
    Revoked,
}

/// A mode that was set beside the estate's.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModeSetView {
    /// Which.
    pub(crate) mode: HostModeView,
    /// By whom.
    pub(crate) by: String,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Why. Free text.
    pub(crate) reason: String,
    /// Whether it ends with the next start of the host.
    pub(crate) until_restart: bool,
}

impl From<&ModeSet> for ModeSetView {
    fn from(set: &ModeSet) -> Self {
        Self {
            mode: set.mode.into(),
            by: set.by.clone(),
            at_ms: set.at.unix_ms(),
            reason: set.reason.clone(),
            until_restart: set.until_restart_of.is_some(),
        }
    }
}

/// A reason for which a host takes no new session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhyNotView {
    /// Stable name for programs, in kebab case.
    pub(crate) code: String,
    /// In words.
    pub(crate) message: String,
    /// What would change it.
    pub(crate) next_step: String,
}

/// Whether a host's identity can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IdentityView {
    /// By the pins of the estate.
    Pinned,
    /// By what its agent reported and Portico accepted.
    Accepted,
    /// Its agent reports another identity than the accepted one; an operator must look.
    Changed,
    /// It cannot.
    None,
}

/// Why a host comes last for a while.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PenaltyView {
    /// Launches that failed there in a row.
    pub(crate) failures: u32,
    /// Until when it comes last, in milliseconds since 1970.
    pub(crate) until_ms: i64,
}

/// A placement rule in the words of the estate file.
pub(crate) fn placement_rule(rule: PlacementRule) -> &'static str {
    match rule {
        PlacementRule::ResourceBased => "resource-based",
        PlacementRule::FewestSessions => "fewest-sessions",
        PlacementRule::RoundRobin => "round-robin",
        PlacementRule::Pack => "pack",
    }
}

/// A pin in the words of the estate file.
pub(crate) fn pin(pin: &Pin) -> String {
    match pin {
        Pin::CertificateSha256(hash) => {
            let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("sha256:{hex}")
        }
        Pin::SshKey { algorithm, blob } => format!("{algorithm} {blob}"),
    }
}

/// Pins in the words of the estate file.
pub(crate) fn pins(pins: &[Pin]) -> Vec<String> {
    pins.iter().map(pin).collect()
}

impl From<&HostOverview> for HostView {
    fn from(seen: &HostOverview) -> Self {
        let host = &seen.host;
        let (state, detail) = standing(seen);
        Self {
            id: seen.id.to_string(),
            title: host.title.clone(),
            pool: host.pool.to_string(),
            site: host.site.as_ref().map(ToString::to_string),
            address: host.address.clone(),
            port: host.port,
            protocol: host.protocol.into(),
            weight: host.weight,
            mode: seen.mode.into(),
            wanted_mode: host.mode.into(),
            mode_set: seen.mode_set.as_ref().map(Into::into),
            state,
            detail,
            since_ms: seen.since.map(Timestamp::unix_ms),
            takes_new: seen.why_not.is_empty(),
            why_not: seen.why_not.iter().map(WhyNotView::from).collect(),
            agent: host.agent.into(),
            agent_state: seen.agent.as_ref().map(AgentStateView::from),
            load: seen
                .load
                .as_ref()
                .map(|load| LoadView::new(&load.load, load.at, load.index)),
            identity: seen.identity.into(),
            sessions: seen.sessions,
            sessions_max: host.sessions_max,
            sign_ins: seen.sign_ins,
            penalty: seen.penalty.as_ref().map(|penalty| PenaltyView {
                failures: penalty.failures,
                until_ms: penalty.until.unix_ms(),
            }),
            unmanaged_sessions: u32::try_from(seen.unmanaged.len()).unwrap_or(u32::MAX),
            roles: host.roles.clone(),
            pins: pins(&seen.pins),
        }
    }
}

/// Whether a host is there, and what was seen of it last.
fn standing(seen: &HostOverview) -> (HostStateView, String) {
    let plain = |state, detail: &str| (state, detail.to_owned());
    match &seen.sight {
        Sight::NotProbed => plain(HostStateView::Unknown, "not probed yet"),
        Sight::Unreachable { detail } => (HostStateView::Down, detail.clone()),
        Sight::Reachable => {
            let detail = seen.probe.as_ref().map(|probe| probe.detail.clone());
            (HostStateView::Up, detail.unwrap_or_default())
        }
        Sight::NeverJoined => plain(HostStateView::NeverJoined, "no agent has joined"),
        Sight::WaitingForApproval => {
            plain(HostStateView::Waiting, "its agent waits for an operator")
        }
        Sight::Revoked => plain(HostStateView::Revoked, "its agent's certificate is revoked"),
        Sight::Silent { .. } => plain(HostStateView::Silent, "its agent does not report"),
        Sight::Fresh => plain(HostStateView::Up, "its agent reports"),
    }
}

impl From<&NotChosen> for WhyNotView {
    fn from(reason: &NotChosen) -> Self {
        Self {
            code: reason.code().to_owned(),
            message: reason.why(),
            next_step: reason.next_step().unwrap_or_default().to_owned(),
        }
    }
}

impl From<Identity> for IdentityView {
    fn from(identity: Identity) -> Self {
        match identity {
            Identity::Pinned => Self::Pinned,
            Identity::Accepted => Self::Accepted,
            Identity::Changed => Self::Changed,
            Identity::None => Self::None,
        }
    }
}
