//! Rules as rows for people: what the CSV, Markdown and HTML formats share.

use super::{HostRules, Job, OutboundRule, Rule};
use crate::flow::PortRange;

/// Names of the columns of [`Row::cells`].
pub(super) const COLUMNS: [&str; 7] = [
    "Direction",
    "Protocol",
    "Ports",
    "Peers",
    "Addresses",
    "Flows",
    "Why",
];

/// One rule.
pub(super) struct Row {
    /// In the order of [`COLUMNS`].
    pub(super) cells: [String; 7],
}

/// All rules of a host.
pub(super) fn rows(job: &Job<'_>, host: &HostRules<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = host
        .inbound
        .iter()
        .map(|r| row(job, "inbound", r))
        .collect();
    rows.extend(host.outbound.iter().map(|r| row(job, "outbound", r)));
    if job.options.outbound == OutboundRule::Any {
        let cells = ["outbound", "any", "any", "any", "any", "", "not restricted"];
        rows.push(Row {
            cells: cells.map(str::to_owned),
        });
    }
    rows
}

fn row(job: &Job<'_>, direction: &str, rule: &Rule) -> Row {
    let peers = rule.peers.hosts.iter().filter_map(|host| {
        let host = job.plan.hosts.get(usize::try_from(*host).ok()?)?;
        Some(host.id.clone())
    });
    let v4 = rule.peers.v4.iter().map(ToString::to_string);
    let v6 = rule.peers.v6.iter().map(ToString::to_string);
    let addresses = v4.chain(v6).chain(rule.peers.names.iter().cloned());
    let mut why: Vec<&str> = rule
        .flows
        .iter()
        .map(|flow| flow.purpose.as_str())
        .collect();
    why.sort_unstable();
    why.dedup();
    let flows: Vec<&str> = rule.flows.iter().map(|flow| flow.id.as_str()).collect();
    Row {
        cells: [
            direction.to_owned(),
            rule.protocol.name(),
            list(rule.protocol.ports().iter().map(port_text)),
            list(peers),
            list(addresses),
            flows.join(", "),
            why.join("; "),
        ],
    }
}

/// `443` or `5000-5010`.
pub(super) fn port_text(range: &PortRange) -> String {
    match range.first == range.last {
        true => range.first.to_string(),
        false => format!("{}-{}", range.first, range.last),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<String>>().join(", ")
}
