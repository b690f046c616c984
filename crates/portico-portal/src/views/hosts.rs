//! Hosts, their agents, join tokens and maintenances, as operators see them.

use portico_broker::{
    AgentOverview, AgentState, AgentWaiting, HostOverview, Identity, LoadHistory, TokenState,
    WaitingFor,
};
use portico_brokering::Sight;
use portico_model::{
    Timestamp,
    estate::{AgentLink, AgentMode, HostMode, Pin, PlacementRule},
    launch::NotChosen,
    seen::{HostSession, HostSessionKind, HostSessionState, Load, ModeSet, OrderOutcome, Pressure},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProtocolView;

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

/// How busy a host is. Shares are per ten thousand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadView {
    /// When it was reported, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Processor time in use.
    pub(crate) cpu: u32,
    /// Memory in use.
    pub(crate) memory: u32,
    /// Memory in bytes.
    pub(crate) memory_total_bytes: u64,
    /// Tasks ready to run for each processor; 10,000 is one.
    pub(crate) run_queue: u32,
    /// Time spent waiting for disks.
    pub(crate) disk_wait: u32,
    /// Pressure stall information, where the kernel has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pressure: Option<PressureView>,
    /// Bytes received each second.
    pub(crate) received_bytes_s: u64,
    /// Bytes sent each second.
    pub(crate) sent_bytes_s: u64,
    /// The load index that placement compares; lower is chosen first.
    pub(crate) index: u32,
}

/// Share of the last 10 s in which some task was stalled, per ten thousand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PressureView {
    /// For processor time.
    pub(crate) cpu: u32,
    /// For memory.
    pub(crate) memory: u32,
    /// For disks.
    pub(crate) io: u32,
}

impl From<Pressure> for PressureView {
    fn from(pressure: Pressure) -> Self {
        Self {
            cpu: pressure.cpu,
            memory: pressure.memory,
            io: pressure.io,
        }
    }
}

impl LoadView {
    /// The view of a load reported at `at`.
    pub(crate) fn new(load: &Load, at: Timestamp, index: u32) -> Self {
        Self {
            at_ms: at.unix_ms(),
            cpu: load.cpu,
            memory: load.memory,
            memory_total_bytes: load.memory_total_bytes,
            run_queue: load.run_queue,
            disk_wait: load.disk_wait,
            pressure: load.pressure.map(Into::into),
            received_bytes_s: load.received_bytes_s,
            sent_bytes_s: load.sent_bytes_s,
            index,
        }
    }
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

/// Load of a host over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadHistoryView {
    /// Seconds between two points.
    pub(crate) period_s: u32,
    /// The points, oldest first.
    pub(crate) points: Vec<LoadPointView>,
}

/// Load of a host at one time. Shares are per ten thousand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadPointView {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Processor time in use.
    pub(crate) cpu: u32,
    /// Memory in use.
    pub(crate) memory: u32,
    /// Tasks ready to run for each processor; 10,000 is one.
    pub(crate) run_queue: u32,
    /// Time spent waiting for disks.
    pub(crate) disk_wait: u32,
    /// Sessions on it.
    pub(crate) sessions: u32,
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

/// A mode to set on a host.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ModeRequest {
    /// Which; `estate` goes back to what the estate says.
    pub(crate) mode: WantedModeView,
    /// Why. Free text.
    #[serde(default)]
    pub(crate) reason: String,
    /// Whether it ends with the next start of the host.
    #[serde(default)]
    pub(crate) until_restart: bool,
}

/// A mode to set on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WantedModeView {
    /// New sessions and reconnections.
    Enabled,
    /// Reconnections only.
    Drain,
    /// Nothing.
    Disabled,
    /// What the estate says.
    Estate,
}

impl From<WantedModeView> for Option<HostMode> {
    fn from(mode: WantedModeView) -> Self {
        match mode {
            WantedModeView::Enabled => Some(HostMode::Enabled),
            WantedModeView::Drain => Some(HostMode::Drain),
            WantedModeView::Disabled => Some(HostMode::Disabled),
            WantedModeView::Estate => None,
        }
    }
}

/// A reason. Free text.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ReasonRequest {
    /// The reason.
    #[serde(default)]
    pub(crate) reason: String,
}

/// A text to show to people.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MessageRequest {
    /// The text.
    pub(crate) text: String,
}

/// A restart.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RestartRequest {
    /// Seconds from now.
    pub(crate) after_s: u32,
    /// What people there are told.
    #[serde(default)]
    pub(crate) text: String,
}

/// What an agent shall probe.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ProbeRequest {
    /// Host whose protocol it tries.
    pub(crate) host: String,
}

/// What an operator was shown, and answers.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SeenRequest {
    /// Fingerprint of what was shown, all 64 hexadecimal digits of it. When something else waits
    /// by now, nothing is done.
    pub(crate) fingerprint: String,
}

/// Which machine to turn away.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RejectRequest {
    /// Fingerprint of what was shown; without it whichever machine waits is turned away.
    #[serde(default)]
    pub(crate) fingerprint: Option<String>,
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

/// A join token to make.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct JoinTokenRequest {
    /// Host that may join with it.
    pub(crate) host: String,
    /// Whether the host takes sessions at once instead of starting in drain.
    #[serde(default)]
    pub(crate) enable: bool,
    /// Whether it may take the place of an agent that has joined before.
    #[serde(default)]
    pub(crate) rejoin: bool,
    /// Seconds for which it is good, an hour unless told, an hour at most.
    #[serde(default)]
    pub(crate) life_s: Option<u32>,
}

/// A join token, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewJoinTokenView {
    /// Its id, for revoking.
    pub(crate) id: String,
    /// The token: a secret.
    pub(crate) token: String,
    /// Host that may join with it.
    pub(crate) host: String,
    /// Until when, in milliseconds since 1970.
    pub(crate) expires_at_ms: i64,
    /// What to run on the host.
    pub(crate) command: String,
}

/// A join token without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JoinTokenView {
    /// Its id, for revoking.
    pub(crate) id: String,
    /// Host that may join with it.
    pub(crate) host: String,
    /// Until when, in milliseconds since 1970.
    pub(crate) expires_at_ms: i64,
    /// Whether the host takes sessions at once.
    pub(crate) enable: bool,
    /// Whether it may take the place of an agent that has joined before.
    pub(crate) rejoin: bool,
    /// `usable`, `lapsed` or `used`.
    pub(crate) state: String,
    /// Who made it.
    pub(crate) created_by: String,
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

impl From<LoadHistory> for LoadHistoryView {
    fn from(history: LoadHistory) -> Self {
        let points = history.points.into_iter().map(|point| LoadPointView {
            at_ms: point.at.unix_ms(),
            cpu: point.cpu,
            memory: point.memory,
            run_queue: point.run_queue,
            disk_wait: point.disk_wait,
            sessions: point.sessions,
        });
        Self {
            period_s: history.period_s,
            points: points.collect(),
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

impl From<&portico_broker::JoinTokenView> for JoinTokenView {
    fn from(token: &portico_broker::JoinTokenView) -> Self {
        Self {
            id: token.id.to_string(),
            host: token.host.to_string(),
            expires_at_ms: token.expires_at.unix_ms(),
            enable: token.enable,
            rejoin: token.rejoin,
            state: match &token.state {
                TokenState::Usable => "usable",
                TokenState::Lapsed => "lapsed",
                TokenState::Used { .. } => "used",
            }
            .into(),
            created_by: token.created_by.clone(),
        }
    }
}
