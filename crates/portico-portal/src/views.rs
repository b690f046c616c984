//! Shapes of the HTTP API. The API owns them: the domain types may change without it.

mod flow_explained;
mod hosts;
mod join_tokens;
mod launches;
mod maintenances;
mod port_checks;
mod ports;

pub(crate) use flow_explained::{FlowCauseView, FlowExplanationView};
pub(crate) use hosts::{
    HostSessionView, HostView, LoadHistoryView, MessageRequest, ModeRequest, OutcomeView,
    ProbeRequest, ReasonRequest, RejectRequest, RestartRequest, SeenRequest, WaitingView,
    placement_rule,
};
pub(crate) use join_tokens::{JoinTokenRequest, JoinTokenView, NewJoinTokenView};
pub(crate) use launches::LaunchRecordView;
pub(crate) use maintenances::{MaintenanceRequest, MaintenanceView};
pub(crate) use port_checks::{PortChangeView, PortCheckRequest, PortCheckRowView, PortChecksView};
pub(crate) use ports::PortPlanView;

use portico_model::{
    estate::{
        Clipboard, Drive, Estate, Microphone, Printer, Protocol, ResourceKind, SessionPolicy, User,
    },
    people::{Principal, Role},
    session::{EndReason, Session, SessionState},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the sign-in page needs to know.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteView {
    /// Name of the installation.
    pub(crate) name: String,
    /// Text to show before sign-in.
    pub(crate) notice: Option<String>,
    /// Version of Portico.
    pub(crate) version: String,
    /// True until somebody can sign in.
    pub(crate) setup_needed: bool,
}

/// The first owner, made with the one-time set-up link.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SetupRequest {
    /// Token of the set-up link.
    #[schema(value_type = String)]
    pub(crate) token: portico_model::Secret,
    /// Name to sign in with.
    pub(crate) user: String,
    /// Name to show.
    pub(crate) display_name: String,
    /// Password, at least twelve characters.
    #[schema(value_type = String)]
    pub(crate) password: portico_model::Secret,
    /// Name of the installation; unchanged when empty.
    pub(crate) site_name: String,
}

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignInRequest {
    /// Name.
    pub(crate) user: String,
    /// Password.
    #[schema(value_type = String)]
    pub(crate) password: portico_model::Secret,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// Name signed in with.
    pub(crate) user: String,
    /// Name to show.
    pub(crate) display_name: String,
    /// Role in Portico.
    pub(crate) role: RoleView,
    /// Groups, nested ones included.
    pub(crate) groups: Vec<String>,
    /// To be sent as `X-Portico-Csrf` with every call that changes something; empty where no
    /// cookie is used.
    pub(crate) csrf_token: String,
    /// Since when, in milliseconds since 1970.
    pub(crate) signed_in_at_ms: i64,
    /// Until when at most, in milliseconds since 1970.
    pub(crate) expires_at_ms: Option<i64>,
}

/// A sign-in of the command line: the token takes the cookie's place.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// To be sent as `Authorization: Bearer`.
    pub(crate) token: String,
    /// Who it is for.
    pub(crate) me: Me,
}

/// Role of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoleView {
    /// Uses what is published.
    User,
    /// Reads everything.
    Auditor,
    /// Helps users with their sessions.
    HelpDesk,
    /// Changes the estate.
    Operator,
    /// May do everything.
    Owner,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Auditor => Self::Auditor,
            Role::HelpDesk => Self::HelpDesk,
            Role::Operator => Self::Operator,
            Role::Owner => Self::Owner,
        }
    }
}

impl Me {
    /// The view of a principal.
    pub(crate) fn new(
        principal: &Principal,
        csrf_token: String,
        expires_at_ms: Option<i64>,
    ) -> Self {
        Self {
            user: principal.user.to_string(),
            display_name: principal.display_name.clone(),
            role: principal.role.into(),
            groups: principal.groups.iter().map(ToString::to_string).collect(),
            csrf_token,
            signed_in_at_ms: principal.signed_in_at.unix_ms(),
            expires_at_ms,
        }
    }
}

/// Kind of a published resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KindView {
    /// A whole desktop.
    Desktop,
    /// One program.
    Application,
    /// A shell.
    Terminal,
    /// A web page.
    Link,
}

impl From<&ResourceKind> for KindView {
    fn from(kind: &ResourceKind) -> Self {
        match kind {
            ResourceKind::Desktop { .. } => Self::Desktop,
            ResourceKind::Application { .. } => Self::Application,
            ResourceKind::Terminal { .. } => Self::Terminal,
            ResourceKind::Link { .. } => Self::Link,
        }
    }
}

/// What somebody is offered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkspaceView {
    /// Published resources this person may launch, or could under other conditions.
    pub(crate) resources: Vec<OfferView>,
    /// Their sessions that are not over.
    pub(crate) sessions: Vec<SessionView>,
}

/// A resource on somebody's webtop.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfferView {
    /// Its id.
    pub(crate) id: String,
    /// Name to show.
    pub(crate) title: String,
    /// What it is.
    pub(crate) kind: KindView,
    /// Name of a built-in icon.
    pub(crate) icon: String,
    /// Folders, outermost first, separated by `/`.
    pub(crate) folder: String,
    /// What it is about.
    pub(crate) description: String,
    /// Whether this person marked it.
    pub(crate) favourite: bool,
    /// Address of a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Whether it can be launched now.
    pub(crate) availability: AvailabilityView,
}

/// Whether a resource can be launched now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AvailabilityView {
    /// The answer.
    pub(crate) state: AvailabilityState,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_step: Option<String>,
    /// The same for programs: the refusal that a launch would get.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) refusal: Option<serde_json::Value>,
}

/// Whether a resource can be launched now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AvailabilityState {
    /// It can.
    Available,
    /// It cannot.
    Unavailable,
}

/// What to launch.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LaunchRequest {
    /// Id of the resource.
    pub(crate) resource: String,
}

/// What a viewer comes back with.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ReconnectRequest {
    /// The reconnect grant of the launch.
    #[schema(value_type = String)]
    pub(crate) grant: portico_model::Secret,
}

/// A launch that was placed: what the viewer needs to connect.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaunchView {
    /// The session.
    pub(crate) session: String,
    /// What was launched.
    pub(crate) resource: String,
    /// Its name.
    pub(crate) title: String,
    /// Which viewer shows it.
    pub(crate) viewer: ViewerKind,
    /// Opaque, good once.
    pub(crate) ticket: String,
    /// Until when the ticket is good, in milliseconds since 1970.
    pub(crate) ticket_expires_at_ms: i64,
    /// Opaque; lets the viewer come back after the network dropped.
    pub(crate) reconnect_grant: String,
    /// Whether a running session was found.
    pub(crate) resumed: bool,
    /// Where the gateway takes the viewer.
    pub(crate) gateway: GatewayView,
    /// What the session may do.
    pub(crate) policy: PolicyView,
    /// The chosen host.
    pub(crate) host: String,
}

/// Which viewer shows a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ViewerKind {
    /// The desktop viewer.
    Desktop,
    /// The terminal viewer.
    Terminal,
}

impl From<Protocol> for ViewerKind {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Rdp => Self::Desktop,
            Protocol::Ssh => Self::Terminal,
        }
    }
}

/// Where the gateway takes a viewer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewayView {
    /// Path of the WebSocket on the portal's own origin.
    pub(crate) path: String,
}

/// What a session may do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyView {
    /// Directions of the clipboard.
    pub(crate) clipboard: ClipboardView,
    /// What the host may do in a folder of the device.
    pub(crate) drive: DriveView,
    /// Whether the host may print on the device.
    pub(crate) printer: PrinterView,
    /// Seconds without use until it is disconnected; 0 means never.
    pub(crate) idle_timeout_s: u32,
    /// Seconds until a connection is ended; 0 means never.
    pub(crate) total_timeout_s: u32,
    /// Whether the host may listen to the device.
    pub(crate) microphone: MicrophoneView,
}

impl From<&SessionPolicy> for PolicyView {
    fn from(policy: &SessionPolicy) -> Self {
        Self {
            clipboard: policy.clipboard.into(),
            drive: policy.drive.into(),
            printer: policy.printer.into(),
            idle_timeout_s: policy.idle_timeout_s,
            total_timeout_s: policy.total_timeout_s,
            microphone: policy.microphone.into(),
        }
    }
}

/// Whether a host may listen to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MicrophoneView {
    /// It may not.
    Off,
    /// The user decides, each time.
    On,
}

impl From<Microphone> for MicrophoneView {
    fn from(microphone: Microphone) -> Self {
        match microphone {
            Microphone::Off => Self::Off,
            Microphone::On => Self::On,
        }
    }
}

/// Directions of the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClipboardView {
    /// Neither.
    None,
    /// To the host only.
    ToHost,
    /// From the host only.
    FromHost,
    /// Both.
    Both,
}

impl From<Clipboard> for ClipboardView {
    fn from(clipboard: Clipboard) -> Self {
        match clipboard {
            Clipboard::None => Self::None,
            Clipboard::ToHost => Self::ToHost,
            Clipboard::FromHost => Self::FromHost,
            Clipboard::Both => Self::Both,
        }
    }
}

/// What a host may do in a folder of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DriveView {
    /// No folder is shared.
    Off,
    /// The host reads.
    Read,
    /// The host reads and writes.
    ReadWrite,
}

impl From<Drive> for DriveView {
    fn from(drive: Drive) -> Self {
        match drive {
            Drive::Off => Self::Off,
            Drive::Read => Self::Read,
            Drive::ReadWrite => Self::ReadWrite,
        }
    }
}

/// Whether a host may print on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PrinterView {
    /// It may not.
    Off,
    /// What it prints becomes a download.
    On,
}

impl From<Printer> for PrinterView {
    fn from(printer: Printer) -> Self {
        match printer {
            Printer::Off => Self::Off,
            Printer::On => Self::On,
        }
    }
}

/// A session, as its user and operators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// Its id.
    pub(crate) id: String,
    /// Whose it is.
    pub(crate) user: String,
    /// What was launched.
    pub(crate) resource: String,
    /// Its name; the id when it is not published any more.
    pub(crate) title: String,
    /// What it is.
    pub(crate) kind: KindView,
    /// Where it runs.
    pub(crate) host: String,
    /// Pool of that host.
    pub(crate) pool: String,
    /// Name of the user on that host.
    pub(crate) account: String,
    /// How it is reached.
    pub(crate) protocol: ProtocolView,
    /// Where it stands.
    pub(crate) state: SessionStateView,
    /// Since when, in milliseconds since 1970.
    pub(crate) since_ms: i64,
    /// When it was launched, in milliseconds since 1970.
    pub(crate) created_at_ms: i64,
    /// Where its client is, or was last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_address: Option<String>,
    /// The name that the host's agent has for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on_host: Option<String>,
    /// Why it is disconnected or over, in kebab case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Protocol between gateway or engine and host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProtocolView {
    /// Remote Desktop Protocol.
    Rdp,
    /// Secure Shell.
    Ssh,
}

impl From<Protocol> for ProtocolView {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Rdp => Self::Rdp,
            Protocol::Ssh => Self::Ssh,
        }
    }
}

/// State of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SessionStateView {
    /// Placed, not connected yet.
    Pending,
    /// Connected.
    Active,
    /// Running without a viewer.
    Disconnected,
    /// Over.
    Ended,
}

/// An [`EndReason`] as its kebab-case name.
pub(crate) fn end_reason(reason: EndReason) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::from("unknown"),
    }
}

impl SessionView {
    /// The view of a session in an estate.
    pub(crate) fn new(session: &Session, estate: &Estate) -> Self {
        let resource = estate.resources.get(&session.resource);
        let (state, client_address, reason) = match &session.state {
            SessionState::Pending { .. } => (SessionStateView::Pending, None, None),
            SessionState::Active { client_address, .. } => (
                SessionStateView::Active,
                client_address.map(|a| a.to_string()),
                None,
            ),
            SessionState::Disconnected { reason } => (
                SessionStateView::Disconnected,
                None,
                Some(end_reason(*reason)),
            ),
            SessionState::Ended { reason } => {
                (SessionStateView::Ended, None, Some(end_reason(*reason)))
            }
        };
        Self {
            id: session.id.to_string(),
            user: session.user.to_string(),
            resource: session.resource.to_string(),
            title: resource.map_or_else(|| session.resource.to_string(), |r| r.title.clone()),
            kind: resource.map_or(
                match session.protocol {
                    Protocol::Rdp => KindView::Desktop,
                    Protocol::Ssh => KindView::Terminal,
                },
                |r| KindView::from(&r.kind),
            ),
            host: session.host.to_string(),
            pool: session.pool.to_string(),
            account: session.account.clone(),
            protocol: session.protocol.into(),
            state,
            since_ms: session.state_since.unix_ms(),
            created_at_ms: session.created_at.unix_ms(),
            client_address: client_address
                .or_else(|| session.last_client.map(|address| address.to_string())),
            on_host: session.on_host.as_ref().map(|seen| seen.key.clone()),
            reason,
        }
    }
}

/// What became of a session that was ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndView {
    /// Whether programs may still run on the host.
    pub(crate) host_keeps_it: bool,
    /// The same in words.
    pub(crate) message: String,
}

/// A pool, for operators.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolView {
    /// Its id.
    pub(crate) id: String,
    /// Name to show.
    pub(crate) title: String,
    /// How a host is chosen.
    pub(crate) placement: String,
    /// Template of the account on its hosts.
    pub(crate) account: String,
    /// Policy of its sessions, if not the built-in one.
    pub(crate) session_policy: Option<String>,
    /// Its hosts.
    pub(crate) hosts: Vec<String>,
    /// Sessions on them.
    pub(crate) sessions: u32,
}

/// A published resource, for operators.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResourceView {
    /// Its id.
    pub(crate) id: String,
    /// Name to show.
    pub(crate) title: String,
    /// What it is.
    pub(crate) kind: KindView,
    /// Its folder.
    pub(crate) folder: String,
    /// Where it runs.
    pub(crate) pool: Option<String>,
    /// Entitlements that grant it.
    pub(crate) entitlements: Vec<String>,
}

/// A person, for operators.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// Name to sign in with.
    pub(crate) id: String,
    /// Name to show.
    pub(crate) display_name: String,
    /// Role in Portico.
    pub(crate) role: RoleView,
    /// Groups, nested ones included.
    pub(crate) groups: Vec<String>,
    /// Whether a password is set.
    pub(crate) has_password: bool,
}

impl UserView {
    /// The view of a user in an estate.
    pub(crate) fn new(id: &portico_model::UserId, user: &User, estate: &Estate) -> Self {
        Self {
            id: id.to_string(),
            display_name: user.display_name.clone(),
            role: user.role.into(),
            groups: estate
                .groups_of(id)
                .iter()
                .map(ToString::to_string)
                .collect(),
            has_password: user.password_hash.is_some(),
        }
    }
}

/// An estate file.
#[derive(Deserialize, ToSchema)]
pub(crate) struct EstateRequest {
    /// Its name, for messages.
    pub(crate) file_name: String,
    /// Its text.
    pub(crate) text: String,
}

/// What an estate file changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanView {
    /// The changes, in the order of the file's sections.
    #[schema(value_type = Vec<Object>)]
    pub(crate) changes: serde_json::Value,
}

/// What to explain.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ExplainLaunchRequest {
    /// For whom.
    pub(crate) user: String,
    /// What.
    pub(crate) resource: String,
    /// Where the client would be.
    pub(crate) client_address: Option<String>,
}

/// The decision about a launch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaunchExplanationView {
    /// For whom.
    pub(crate) user: String,
    /// What.
    pub(crate) resource: String,
    /// Entitlements that allow it.
    pub(crate) allowed_by: Vec<String>,
    /// Where it would be placed, or why it would be refused: host by host.
    #[schema(value_type = Object)]
    pub(crate) outcome: serde_json::Value,
    /// Why hosts are ruled out that Portico does not get to, as far as the port check knows.
    pub(crate) causes: Vec<FlowCauseView>,
}

/// What is known of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionExplanationView {
    /// The directory's record; absent some time after the session ended.
    pub(crate) session: Option<SessionView>,
    /// What the agent of its host sees of it; absent when it sees none, or there is no agent.
    pub(crate) on_host: Option<HostSessionView>,
    /// Flows to its host that do not work, as far as the port check knows.
    pub(crate) broken_flows: Vec<PortCheckRowView>,
    /// What is most likely wrong with them, the surest first.
    pub(crate) causes: Vec<FlowCauseView>,
    /// What happened to it, oldest first.
    #[schema(value_type = Vec<Object>)]
    pub(crate) history: serde_json::Value,
}
