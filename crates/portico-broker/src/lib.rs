//! The broker: it decides with `portico-brokering`, keeps what it decided in the store by
//! compare-and-set, and hands out launch tickets for gateways to redeem.
//!
//! Read [`Broker::launch`] (from a person and a resource to a ticket) and [`Broker::report`] (from
//! what happened to a connection to the session directory) first. [`Broker::run`] does the
//! periodic work.
#![warn(missing_docs)]

mod agents;
mod apply;
mod audit;
mod broker;
mod candidates;
mod connections;
mod directory;
mod documents;
mod estate;
mod explain;
mod gateways;
mod hosts;
mod launch;
mod log_off;
mod own_connections;
mod port_checks;
mod recent;
mod reconcile;
mod redeem;
mod reserve;
mod sessions;
mod tickets;
mod turns;
mod witness;
mod workspace;

pub use agents::{
    Advertised, AgentListeners, AgentRefused, AgentWaiting, AgentWelcome, CONNECTS_AT_ONCE,
    CONNECTS_OF_HOST_AT_ONCE, CONNECTS_PER_S, EnrollingPeer, FINGERPRINT_DIGITS, Fingerprint,
    HostActError, IssuedMachine, JOIN_TOKEN_LIFE_MAX_S, JOIN_TOKEN_LIFE_MIN_S, JOIN_TOKENS_MAX,
    JoinTokenView, MAINTENANCE_HOSTS_MAX, MAINTENANCE_LENGTH_MAX_S, MAINTENANCES_MAX,
    MESSAGE_LEN_MAX, MachineCa, MachineCaError, Maintenance, MaintenanceDoing, MaintenanceError,
    MaintenanceProgress, MaintenanceStep, NOTED_OF_HOST_MAX, NewJoinToken, NewMaintenance,
    NoFingerprint, REFUSALS_NOTED_MAX, RESTART_AFTER_MAX_S, Served, TOKEN_REFUSALS_NOTED_MAX,
    TokenError, TokenState, WaitingFor,
};
pub use apply::ApplyError;
pub use broker::{Broker, BrokerParts};
pub use estate::{EstateReadError, stored_estate};
pub use explain::ExplainError;
pub use gateways::GatewaySeam;
pub use hosts::{
    AgentOverview, AgentSeam, AgentState, HostOverview, HostSessionView, HostState, Identity,
    LinkId, LinkState, LoadHistory, LoadPoint, LoadSeen, ORDER_TIMEOUT, ORDERS_MAX, OrderError,
    PERIOD_S, POINTS_MAX, PeerIdentity, REPORT_BURST, REPORT_GAP, REPORT_NUMBER_LEAP_MAX,
    RefusedReports, ReportRefused,
};
pub use launch::{Launch, LaunchError};
pub use port_checks::{
    BrokenFlows, ExplainedFlow, FlowCause, FlowExplainError, FlowExplanation, FlowQuestion,
    PORT_CHANGES_MAX, PORT_CHECK_ROWS_MAX, PortChange, PortCheckFilter, PortCheckRow,
    PortCheckSettings, PortCheckTable, PortVantage, PortVantageState,
};
/// Kinds of causes of flows that do not work.
pub use portico_probe::check::cause::CauseKind;
pub use recent::{LaunchOutcome, LaunchRecord, RECENT_LAUNCHES_MAX};
pub use sessions::{Ended, SessionActError};
pub use workspace::{OfferedResource, Workspace};
