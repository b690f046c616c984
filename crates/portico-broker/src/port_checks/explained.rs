//! Why a flow works or does not, from what is stored of it: the verdicts of every vantage point
//! count, and so do those of other ports of the same host.
//!
//! Read [`explain`] (what is told of a question) and [`causes_of_row`] (why one row is as it is)
//! first; both are pure.

use std::collections::{BTreeMap, BTreeSet};

use portico_catalogue::{Flow, Transport};
use portico_model::HostId;
use portico_probe::check::{
    Verdict,
    cause::{Case, Cause, CauseKind, Certainty, Observation, causes},
};
use portico_store::StoreError;

use super::{
    PORT_CHECK_ROWS_MAX, PortCheckFilter, PortCheckRow,
    records::{NOT_CHECKED, is_failure, verdict_of},
};
use crate::broker::Broker;

/// Causes of one answer at most.
const CAUSES_MAX: usize = 50;
/// Ways into the host that are explained at most, the worst ones.
const EXPLAINED_MAX: usize = 50;

/// Which flow is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowQuestion {
    /// The host that opens it; any when `None`.
    pub from: Option<HostId>,
    /// The host that listens.
    pub to: HostId,
    /// The port.
    pub port: u16,
    /// What carries it; any when `None`.
    pub transport: Option<Transport>,
}

/// What is known of a flow.
#[derive(Debug, Clone, Default)]
pub struct FlowExplanation {
    /// The flows of the plan that are meant, each once.
    pub flows: Vec<ExplainedFlow>,
    /// Their last verdicts from every vantage point, those of the asked one first.
    pub seen: Vec<PortCheckRow>,
    /// What is most likely wrong; none when it works.
    pub causes: Vec<FlowCause>,
    /// Whether the plan has no such flow.
    pub is_not_planned: bool,
}

/// A flow of the plan to a host.
#[derive(Debug, Clone)]
pub struct ExplainedFlow {
    /// The line of the catalogue.
    pub flow: &'static Flow,
    /// The hosts that open it.
    pub from: Vec<HostId>,
    /// The host that listens.
    pub to: HostId,
    /// Whether the services fail without it.
    pub is_required: bool,
}

/// A cause, and what it is a cause of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowCause {
    /// The flow in the catalogue; `None` when the plan has none.
    pub flow: Option<String>,
    /// The host that opens it; `None` when none was asked for and none is planned.
    pub from: Option<HostId>,
    /// The host that listens.
    pub to: HostId,
    /// The cause.
    pub cause: Cause,
}

/// Why a flow is not explained.
#[derive(Debug, thiserror::Error)]
pub enum FlowExplainError {
    /// The estate has no such host.
    #[error("there is no host {host}")]
    NoSuchHost {
        /// Which was asked for.
        host: HostId,
    },
    /// The store refused or did not answer.
    #[error("the state could not be read")]
    Store(#[from] StoreError),
}

impl Broker {
    /// What is known of a flow to a host, and why it does not work.
    pub async fn explain_flow(
        &self,
        question: &FlowQuestion,
    ) -> Result<FlowExplanation, FlowExplainError> {
        let (_, estate) = self.0.estate().await?;
        let is_there =
            |id: &HostId| estate.hosts.contains_key(id) || estate.other_hosts.contains_key(id);
        let mut asked = question.from.iter().chain([&question.to]);
        if let Some(host) = asked.find(|id| !is_there(id)) {
            return Err(FlowExplainError::NoSuchHost { host: host.clone() });
        }
        let filter = PortCheckFilter {
            to: Some(question.to.clone()),
            limit: PORT_CHECK_ROWS_MAX,
            ..PortCheckFilter::default()
        };
        let table = self.port_checks(&filter).await?;
        Ok(explain(question, &table.rows, table.is_cut))
    }
}

/// What is told of a flow, out of everything that is stored of flows to the same host. `is_cut`:
/// the plan has more than these rows.
pub(super) fn explain(
    question: &FlowQuestion,
    rows: &[PortCheckRow],
    is_cut: bool,
) -> FlowExplanation {
    let flows = flows(question, rows);
    if flows.is_empty() {
        return FlowExplanation {
            causes: vec![FlowCause {
                flow: None,
                from: question.from.clone(),
                to: question.to.clone(),
                cause: no_flow(question, is_cut),
            }],
            is_not_planned: !is_cut,
            ..FlowExplanation::default()
        };
    }
    let ids: BTreeSet<&str> = flows.iter().map(|flow| flow.flow.id.as_str()).collect();
    let is_meant =
        |row: &&PortCheckRow| ids.contains(row.flow.id.as_str()) && has_port(row, question);
    let mut seen: Vec<&PortCheckRow> = rows.iter().filter(is_meant).collect();
    let is_other = |row: &PortCheckRow| {
        let from = question.from.as_ref();
        from.is_some_and(|from| *from != row.from)
    };
    seen.sort_by_key(|row| is_other(row));
    let own: Vec<&PortCheckRow> = seen.iter().copied().filter(|row| !is_other(row)).collect();
    FlowExplanation {
        causes: causes_of(&own, rows),
        seen: seen.into_iter().cloned().collect(),
        flows,
        is_not_planned: false,
    }
}

/// Why the flow of a row is as it is, the most likely first; none when it works. `rows` is
/// everything that is stored of flows to the same host, `row` with it.
pub(super) fn causes_of_row(row: &PortCheckRow, rows: &[PortCheckRow]) -> Vec<Cause> {
    let is_sibling = |other: &PortCheckRow| {
        // Of several addresses of the host this one is to be explained, and no other.
        (&other.from, &other.flow.id, other.port) == (&row.from, &row.flow.id, row.port)
            && other.address != row.address
    };
    let others = rows.iter().filter(|other| other.to == row.to);
    let observations: Vec<Observation> = others
        .filter(|other| !is_sibling(other))
        .filter_map(observation)
        .collect();
    let found = causes(&Case {
        flow: &row.flow.id,
        from: row.from.as_str(),
        to: row.to.as_str(),
        port: row.port,
        observations: &observations,
        // Of names only those who asked them know what they led to.
        hosts: &[],
        issuers: &[],
    });
    if observation(row).is_some() {
        return found;
    }
    // What others see is a hint; that nobody looked from here is certain.
    let unseen = Cause {
        kind: CauseKind::Unchecked,
        certainty: Certainty::Sure,
        why: format!("nothing is known from {}: {}", row.from, row.evidence),
        next_step: row.next_step.clone().unwrap_or_else(|| {
            format!(
                "run `portico explain flow` on {}, or let its agent check",
                row.from
            )
        }),
    };
    let hints = found
        .into_iter()
        .filter(|cause| cause.kind != CauseKind::Unchecked);
    std::iter::once(unseen).chain(hints).collect()
}

/// The causes of all that fails among `rows`, which is everything that is stored of flows to a host.
pub(super) fn causes_of_failures(rows: &[PortCheckRow]) -> Vec<FlowCause> {
    let failing: Vec<&PortCheckRow> = rows.iter().filter(|row| row.is_failure()).collect();
    causes_of(&failing, rows)
}

/// The flows that are meant, each once, with the hosts that open it.
fn flows(question: &FlowQuestion, rows: &[PortCheckRow]) -> Vec<ExplainedFlow> {
    let mut flows: BTreeMap<&str, ExplainedFlow> = BTreeMap::new();
    let is_from = |row: &&PortCheckRow| question.from.as_ref().is_none_or(|from| *from == row.from);
    for row in rows
        .iter()
        .filter(is_from)
        .filter(|row| has_port(row, question))
    {
        let known = flows.entry(&row.flow.id).or_insert_with(|| ExplainedFlow {
            flow: row.flow,
            from: Vec::new(),
            to: row.to.clone(),
            is_required: false,
        });
        known.is_required |= row.is_required;
        if !known.from.contains(&row.from) {
            known.from.push(row.from.clone());
        }
    }
    flows.into_values().collect()
}

fn has_port(row: &PortCheckRow, question: &FlowQuestion) -> bool {
    let carried = row.flow.transport;
    let is_in_range = row
        .ports
        .as_ref()
        .is_some_and(|range| (range.first..=range.last).contains(&question.port));
    row.to == question.to
        && carried.has_ports()
        && question.transport.is_none_or(|only| only == carried)
        && (row.port == question.port || is_in_range)
}

/// The causes of what was asked for, the surest first. Several vantage points may give the same one,
/// which is told once.
pub(super) fn causes_of(own: &[&PortCheckRow], rows: &[PortCheckRow]) -> Vec<FlowCause> {
    let worst = own.iter().map(|row| badness(row)).min();
    let mut of: Vec<&PortCheckRow> = own.to_vec();
    // Where something fails, that is the answer, and not that somebody else has not looked yet.
    if worst.is_some_and(|worst| worst <= Badness::Unproven) {
        of.retain(|row| badness(row) <= Badness::Unproven);
    } else if own.iter().any(|row| badness(row) == Badness::Works) {
        of.retain(|row| badness(row) == Badness::Works);
    }
    of.sort_by_key(|row| badness(row));
    let mut out: Vec<FlowCause> = Vec::new();
    for row in of.into_iter().take(EXPLAINED_MAX) {
        for cause in causes_of_row(row, rows) {
            let found = FlowCause {
                flow: Some(row.flow.id.clone()),
                from: Some(row.from.clone()),
                to: row.to.clone(),
                cause,
            };
            let is_known = out.iter().any(|known| known.cause == found.cause);
            if !is_known && out.len() < CAUSES_MAX {
                out.push(found);
            }
        }
    }
    // Stable: of the same certainty, what is worse comes first.
    out.sort_by_key(|found| found.cause.certainty);
    out
}

/// How much a row is worth an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Badness {
    Fails,
    Unproven,
    Unknown,
    Works,
}

fn badness(row: &PortCheckRow) -> Badness {
    match observation_verdict(row) {
        Some(verdict) if is_failure(verdict) => Badness::Fails,
        Some(Verdict::ReachableNotProven) => Badness::Unproven,
        Some(Verdict::Proven) => Badness::Works,
        _ => Badness::Unknown,
    }
}

/// The verdict of a row that somebody checked.
fn observation_verdict(row: &PortCheckRow) -> Option<Verdict> {
    row.checked_at?;
    (row.verdict != NOT_CHECKED).then(|| verdict_of(&row.verdict))?
}

/// A row as what somebody saw; `None` when nobody has looked.
fn observation(row: &PortCheckRow) -> Option<Observation> {
    Some(Observation {
        vantage: row.from.to_string(),
        flow: row.flow.id.clone(),
        to: row.to.to_string(),
        host: row.address.clone(),
        port: row.port,
        transport: row.flow.transport,
        verdict: observation_verdict(row)?,
        clue: row.clue,
        evidence: row.evidence.clone(),
        next_step: row.next_step.clone(),
        addresses: Vec::new(),
        tls: None,
        clock_ahead_ms: None,
        took_ms: row.took_ms.unwrap_or_default().into(),
        at_ms: row.checked_at?.unix_ms(),
    })
}

fn no_flow(question: &FlowQuestion, is_cut: bool) -> Cause {
    let FlowQuestion { from, to, port, .. } = question;
    if is_cut {
        return Cause {
            kind: CauseKind::Unchecked,
            certainty: Certainty::Sure,
            why: format!(
                "the plan is larger than what is checked, so nobody checks port {port} of {to}"
            ),
            next_step: "run `portico explain flow` on the host that opens the connection".into(),
        };
    }
    let why = match from {
        Some(_) => "nothing that the two hosts do by their roles and features needs it".to_owned(),
        None => {
            format!("nothing that {to} does by its roles and features listens there for others")
        }
    };
    Cause {
        kind: CauseKind::NotPlanned,
        certainty: Certainty::Sure,
        why,
        next_step: format!(
            "correct the port, or the roles or features of the hosts in the estate; `portico ports \
             plan --host {to}` shows what it needs"
        ),
    }
}

#[cfg(test)]
mod tests {
    use portico_catalogue::Catalogue;
    use portico_model::Timestamp;

    use super::*;

    const RDP: &str = "portico.gateway-host-rdp";
    const SSH: &str = "portico.gateway-host-ssh-probe";

    fn host(id: &str) -> HostId {
        HostId::new(id).unwrap()
    }

    /// A row of a check of one host: from, flow, port, verdict.
    fn row((from, flow, port, verdict): (&str, &str, u16, &str)) -> PortCheckRow {
        let is_seen = verdict != NOT_CHECKED;
        let at = Timestamp::from_unix_ms(1_000);
        PortCheckRow {
            flow: Catalogue::portico().find(flow).unwrap(),
            from: host(from),
            to: host("sh1"),
            address: "192.0.2.1".into(),
            port,
            ports: None,
            is_required: true,
            verdict: verdict.into(),
            evidence: format!("evidence of {from}"),
            next_step: None,
            clue: None,
            took_ms: is_seen.then_some(3),
            checked_at: is_seen.then_some(at),
            since: is_seen.then_some(at),
        }
    }

    fn question(from: Option<&str>, port: u16) -> FlowQuestion {
        FlowQuestion {
            from: from.map(host),
            to: host("sh1"),
            port,
            transport: None,
        }
    }

    /// The causes as `kind certainty from`.
    fn check(
        from: Option<&str>,
        port: u16,
        rows: &[(&str, &str, u16, &str)],
    ) -> (FlowExplanation, Vec<String>) {
        let rows: Vec<PortCheckRow> = rows.iter().copied().map(row).collect();
        let told = explain(&question(from, port), &rows, false);
        let causes = told.causes.iter().map(|found| {
            let from = found.from.as_ref().map_or("-", |from| from.as_str());
            let cause = &found.cause;
            format!("{} {} {from}", cause.kind.slug(), cause.certainty.name())
        });
        let causes = causes.collect();
        (told, causes)
    }

    #[test]
    fn every_vantage_point_and_every_port_counts() {
        // Alone: silent, and nothing else is known of the host.
        let silent = ("gw1", RDP, 3389, "no-answer");
        assert_eq!(check(None, 3389, &[silent]).1, ["host-down possible gw1"]);
        // Another vantage point gets through: it is a firewall.
        let proven = ("gw2", RDP, 3389, "proven");
        let (told, causes) = check(None, 3389, &[silent, proven]);
        assert_eq!(causes, ["firewall-drops likely gw1"]);
        assert!(
            told.causes[0].cause.why.contains("gw2"),
            "{:?}",
            told.causes
        );
        assert_eq!(told.seen.len(), 2);
        // Another port of the host answers: so it is, too.
        let other = ("gw1", SSH, 22, "proven");
        let (told, causes) = check(None, 3389, &[silent, other]);
        assert_eq!(causes, ["firewall-drops likely gw1"]);
        assert_eq!((told.flows.len(), told.seen.len()), (1, 1));
        // Refused here and refused there: nothing listens.
        let refused = [("gw1", RDP, 3389, "refused"), ("gw2", RDP, 3389, "refused")];
        let (_, causes) = check(None, 3389, &refused);
        assert_eq!(
            causes,
            [
                "nothing-listens likely gw1",
                "firewall-rejects possible gw1"
            ]
        );
    }

    #[test]
    fn a_clue_that_was_stored_tells_a_reset_from_a_host_that_is_away() {
        let mut rows = [row(("gw1", RDP, 3389, "blocked"))];
        let kind = |rows: &[PortCheckRow]| {
            explain(&question(None, 3389), rows, false).causes[0]
                .cause
                .kind
        };
        assert_eq!(kind(&rows), CauseKind::HostDown);
        rows[0].clue = Some(portico_probe::check::Clue::Reset);
        assert_eq!(kind(&rows), CauseKind::ConnectionReset);
    }

    #[test]
    fn of_the_asked_vantage_point_its_own_verdict_counts_and_others_are_hints() {
        let rows = [
            ("gw1", RDP, 3389, NOT_CHECKED),
            ("gw2", RDP, 3389, "refused"),
            ("gw3", RDP, 3389, "proven"),
        ];
        let (told, causes) = check(Some("gw3"), 3389, &rows);
        assert_eq!(causes, [""; 0]);
        let order: Vec<&str> = told.seen.iter().map(|row| row.from.as_str()).collect();
        assert_eq!(order, ["gw3", "gw1", "gw2"]);
        let (_, causes) = check(Some("gw2"), 3389, &rows);
        assert_eq!(causes, ["firewall-rejects likely gw2"]);
        let (told, causes) = check(Some("gw1"), 3389, &rows[..2]);
        assert_eq!(
            causes,
            [
                "unchecked certain gw1",
                "nothing-listens possible gw1",
                "firewall-rejects possible gw1"
            ]
        );
        assert!(told.causes[0].cause.why.contains("evidence of gw1"));
        // Whoever has not looked is no news while it works from elsewhere.
        let (_, causes) = check(None, 3389, &[rows[0], rows[2]]);
        assert_eq!(causes, [""; 0]);
    }

    #[test]
    fn of_several_addresses_the_one_that_fails_is_explained() {
        let mut rows = [
            row(("gw1", RDP, 3389, "proven")),
            row(("gw1", RDP, 3389, "refused")),
        ];
        rows[1].address = "192.0.2.2".into();
        // Long before the other was proven: a later proof is of another address.
        rows[0].checked_at = Some(Timestamp::from_unix_ms(500_000));
        let told = explain(&question(Some("gw1"), 3389), &rows, false);
        assert_eq!(told.causes[0].cause.kind, CauseKind::NothingListens);
    }

    #[test]
    fn a_port_is_one_of_its_range_and_over_its_transport() {
        let mut rows = [row(("gw1", RDP, 3389, "refused"))];
        rows[0].ports = Some(portico_catalogue::PortRange::new(3389, 3399));
        let told = explain(&question(None, 3391), &rows, false);
        assert_eq!(told.causes[0].cause.kind, CauseKind::NothingListens);
        let udp = FlowQuestion {
            transport: Some(Transport::Udp),
            ..question(None, 3389)
        };
        assert!(explain(&udp, &rows, false).is_not_planned);
        let unplanned = explain(&question(Some("gw2"), 3389), &rows, false);
        assert!(unplanned.is_not_planned && unplanned.seen.is_empty());
        assert_eq!(unplanned.causes[0].cause.kind, CauseKind::NotPlanned);
        // Of a plan that is cut nobody knows that.
        let cut = explain(&question(Some("gw2"), 3389), &rows, true);
        assert!(!cut.is_not_planned);
        assert_eq!(cut.causes[0].cause.kind, CauseKind::Unchecked);
    }
}
