//! What the port check found out, as the API shows it. Times are in milliseconds since 1970.

use portico_broker::{PortChange, PortCheckRow, PortCheckTable, PortVantage, PortVantageState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The flows of the plan, each with its last verdict.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortChecksView {
    /// When something was checked last; `null`: never.
    checked_at_ms: Option<i64>,
    rows: Vec<PortCheckRowView>,
    /// The hosts that open flows.
    vantages: Vec<PortVantageView>,
    /// Whether there are more rows than are shown.
    more: bool,
}

/// One flow from one host to one address of another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortCheckRowView {
    /// Id in the catalogue.
    flow: String,
    application_protocol: String,
    purpose: String,
    /// The host that opens connections.
    from: String,
    /// The host that listens.
    to: String,
    /// Its address that is asked.
    address: String,
    /// `tcp`, `udp`, `icmp`, or `ip` with the number of the protocol.
    transport: String,
    /// The port that is asked, the first of a range; `null` when the transport has none.
    port: Option<u16>,
    /// The last port of the range.
    port_last: Option<u16>,
    /// Whether the services fail without it.
    required: bool,
    /// `proven`, `reachable`, `wrong-service`, `refused`, `no-answer`, `blocked`,
    /// `not-resolvable`, `skipped` or `not-checked`.
    verdict: String,
    /// What it rests on.
    evidence: String,
    /// What an operator can do.
    next_step: Option<String>,
    /// What the network or the server did that the verdict alone does not tell: `unreachable`,
    /// `prohibited`, `reset`, `silent`, `unfinished` or `tls-refused`.
    clue: Option<String>,
    /// Time that the check took, in milliseconds.
    took_ms: Option<u32>,
    /// When it was checked last.
    checked_at_ms: Option<i64>,
    /// Since when the verdict is what it is.
    since_ms: Option<i64>,
}

/// A host that opens flows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortVantageView {
    host: String,
    state: PortVantageStateView,
    /// What about it.
    detail: String,
    /// When something was checked from there last.
    last_report_at_ms: Option<i64>,
}

/// Whether anybody checks from a host.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PortVantageStateView {
    /// Its agent does, or Portico itself, which runs there.
    Reporting,
    /// It has an agent, which does not.
    Silent,
    /// It has none.
    NoAgent,
}

/// A verdict that changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortChangeView {
    at_ms: i64,
    /// Id in the catalogue.
    flow: String,
    from: String,
    to: String,
    address: String,
    port: u16,
    /// What it became.
    verdict: String,
    /// What it was.
    before: String,
    /// What the new one rests on.
    evidence: String,
}

/// What to check now.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct PortCheckRequest {
    /// Only what these hosts open; without it, everything.
    #[serde(default)]
    pub(crate) from: Option<Vec<String>>,
}

impl From<&PortCheckTable> for PortChecksView {
    fn from(table: &PortCheckTable) -> Self {
        Self {
            checked_at_ms: table.checked_at.map(|at| at.unix_ms()),
            rows: table.rows.iter().map(PortCheckRowView::from).collect(),
            vantages: table.vantages.iter().map(PortVantageView::from).collect(),
            more: table.is_cut,
        }
    }
}

impl From<&PortCheckRow> for PortCheckRowView {
    fn from(row: &PortCheckRow) -> Self {
        let has_ports = row.flow.transport.has_ports();
        Self {
            flow: row.flow.id.clone(),
            application_protocol: row.flow.application_protocol.clone(),
            purpose: row.flow.purpose.clone(),
            from: row.from.to_string(),
            to: row.to.to_string(),
            address: row.address.clone(),
            transport: row.flow.transport_name(),
            port: has_ports.then_some(row.port),
            port_last: row
                .ports
                .as_ref()
                .filter(|range| range.last > range.first)
                .map(|range| range.last),
            required: row.is_required,
            verdict: row.verdict.clone(),
            evidence: row.evidence.clone(),
            next_step: row.next_step.clone(),
            clue: row.clue.map(|clue| clue.slug().into()),
            took_ms: row.took_ms,
            checked_at_ms: row.checked_at.map(|at| at.unix_ms()),
            since_ms: row.since.map(|at| at.unix_ms()),
        }
    }
}

impl From<&PortVantage> for PortVantageView {
    fn from(vantage: &PortVantage) -> Self {
        Self {
            host: vantage.host.to_string(),
            state: match vantage.state {
                PortVantageState::Reporting => PortVantageStateView::Reporting,
                PortVantageState::Silent => PortVantageStateView::Silent,
                PortVantageState::NoAgent => PortVantageStateView::NoAgent,
            },
            detail: vantage.detail.clone(),
            last_report_at_ms: vantage.last_report_at.map(|at| at.unix_ms()),
        }
    }
}

impl From<&PortChange> for PortChangeView {
    fn from(change: &PortChange) -> Self {
        Self {
            at_ms: change.at.unix_ms(),
            flow: change.flow.clone(),
            from: change.from.to_string(),
            to: change.to.to_string(),
            address: change.address.clone(),
            port: change.port,
            verdict: change.verdict.clone(),
            before: change.before.clone(),
            evidence: change.evidence.clone(),
        }
    }
}
