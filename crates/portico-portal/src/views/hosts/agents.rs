//! What is known of agents, what they see and do, and what about them waits for an operator.

use portico_broker::{AgentOverview, AgentState, AgentWaiting, WaitingFor};
use portico_model::{
    Timestamp,
    estate::{AgentLink, AgentMode},
    seen::{HostSession, HostSessionKind, HostSessionState, OrderOutcome},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{pin, pins};

/// Whether an agent shall run on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AgentModeView {
    /// No: the host is not managed, Portico knows only what a probe sees.
    None,
    /// Yes.
    Required,
}

impl From<AgentMode> for AgentModeView {
    fn from(mode: AgentMode) -> Self {
        match mode {
            AgentMode::None => Self::None,
            AgentMode::Required => Self::Required,
        }
    }
}

/// What is known of an agent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentStateView {
    /// Where it stands.
    pub(crate) state: AgentLinkStateView,
    /// Since when, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since_ms: Option<i64>,
    /// Name and version of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) software: Option<String>,
    /// Operating system of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) system: Option<String>,
    /// Changes with each start of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) boot: Option<String>,
    /// Processors of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpus: Option<u32>,
    /// Until when its certificate is good, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_expires_ms: Option<i64>,
    /// Who opens the link.
    pub(crate) link: AgentLinkView,
}

/// Where an agent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AgentLinkStateView {
    /// Its link is open and it reports.
    Connected,
    /// It has not reported for a while.
    Silent,
    /// It never joined.
    NeverJoined,
    /// It waits for an operator.
    Waiting,
    /// Its certificate was revoked.
    Revoked,
}

/// Who opens the agent link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AgentLinkView {
    /// The agent.
    Dial,
    /// The broker.
    Listen,
}

/// A session that the agent of a host sees.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostSessionView {
    /// The agent's name for it.
    pub(crate) key: String,
    /// Account it runs as.
    pub(crate) account: String,
    /// What it is: `rdp`, `ssh` or `console`.
    pub(crate) kind: String,
    /// X display, terminal or seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display: Option<String>,
    /// `active` or `disconnected`.
    pub(crate) state: String,
    /// How long it exists.
    pub(crate) age_s: u64,
    /// How long nobody used it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle_s: Option<u64>,
    /// Our session that it is; absent when Portico did not start it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
}

impl HostSessionView {
    /// The view of a session on a host, with ours that it is.
    pub(crate) fn new(seen: &HostSession, session: Option<String>) -> Self {
        let kind = match seen.kind {
            HostSessionKind::Rdp => "rdp",
            HostSessionKind::Ssh => "ssh",
            HostSessionKind::Console => "console",
        };
        let state = match seen.state {
            HostSessionState::Active => "active",
            HostSessionState::Disconnected => "disconnected",
        };
        Self {
            key: seen.key.clone(),
            account: seen.account.clone(),
            kind: kind.into(),
            display: seen.display.clone(),
            state: state.into(),
            age_s: seen.age_s,
            idle_s: seen.idle_s,
            session,
        }
    }
}

/// What became of an order to an agent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutcomeView {
    /// `done`, `not-found`, `failed` or `not-supported`.
    pub(crate) outcome: String,
    /// In words.
    pub(crate) detail: String,
}

impl From<OrderOutcome> for OutcomeView {
    fn from(outcome: OrderOutcome) -> Self {
        let (outcome, detail) = match outcome {
            OrderOutcome::Done { detail } => ("done", detail),
            OrderOutcome::NotFound => ("not-found", "the session is not there any more".into()),
            OrderOutcome::Failed { detail } => ("failed", detail),
            OrderOutcome::NotSupported { detail } => ("not-supported", detail),
            OrderOutcome::Identities { identities } => {
                let identities: Vec<String> = identities.iter().map(pin).collect();
                ("done", identities.join(", "))
            }
        };
        Self {
            outcome: outcome.into(),
            detail,
        }
    }
}

/// Something about an agent that an operator must decide.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingView {
    /// Its host.
    pub(crate) host: String,
    /// `join`: it wants a certificate for a new key. `identity`: its host shows another identity.
    pub(crate) kind: String,
    /// Since when, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Names what waits, in 64 hexadecimal digits; an answer has to say it. For `join` it is the
    /// SHA-256 of the machine's key, for `identity` one of all identities that are offered.
    pub(crate) fingerprint: String,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// Name and version of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) software: Option<String>,
    /// SHA-256 of its new key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_sha256: Option<String>,
    /// Identities that are accepted so far.
    pub(crate) accepted: Vec<String>,
    /// Identities that the host shows now.
    pub(crate) offered: Vec<String>,
}

impl From<&AgentOverview> for AgentStateView {
    fn from(agent: &AgentOverview) -> Self {
        Self {
            state: match agent.state {
                AgentState::Connected => AgentLinkStateView::Connected,
                AgentState::Silent => AgentLinkStateView::Silent,
                AgentState::NeverJoined => AgentLinkStateView::NeverJoined,
                AgentState::Waiting => AgentLinkStateView::Waiting,
                AgentState::Revoked => AgentLinkStateView::Revoked,
            },
            since_ms: agent.since.map(Timestamp::unix_ms),
            software: agent.software.clone(),
            system: agent.system.clone(),
            boot: agent.boot.clone(),
            cpus: agent.cpus,
            certificate_expires_ms: agent.certificate_expires_at.map(Timestamp::unix_ms),
            link: match agent.opened_by {
                AgentLink::Dial => AgentLinkView::Dial,
                AgentLink::Listen => AgentLinkView::Listen,
            },
        }
    }
}

impl From<&AgentWaiting> for WaitingView {
    fn from(waiting: &AgentWaiting) -> Self {
        let view = Self {
            host: waiting.host.to_string(),
            kind: String::new(),
            at_ms: waiting.at.unix_ms(),
            fingerprint: waiting.fingerprint.to_string(),
            address: None,
            software: None,
            key_sha256: None,
            accepted: Vec::new(),
            offered: Vec::new(),
        };
        match &waiting.what {
            WaitingFor::Join {
                address,
                software,
                key_sha256,
            } => Self {
                kind: "join".into(),
                address: address.map(|address| address.to_string()),
                software: Some(software.clone()),
                key_sha256: Some(key_sha256.clone()),
                ..view
            },
            WaitingFor::Identity { offered, accepted } => Self {
                kind: "identity".into(),
                accepted: pins(accepted),
                offered: pins(offered),
                ..view
            },
        }
    }
}
