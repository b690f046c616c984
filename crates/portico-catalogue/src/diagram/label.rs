//! What is written at a bundle: its most important services and ports.

use std::collections::{BTreeMap, BTreeSet};

use super::{family::Family, text::shown};
use crate::{
    flow::PortRange,
    plan::{FlowPlan, PlannedFlow},
};

/// Services of a bundle, the most important first.
#[derive(Debug, Clone, Default)]
pub(super) struct Items {
    pub(super) all: Vec<Item>,
}

/// One service with its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) family: Family,
    pub(super) text: String,
}

/// Longest name of a protocol that is written out.
const NAME_MAX: usize = 22;

/// The services of `flows` (places in the plan), each once. First one of each family, then the
/// second of each, so that a short label tells the most.
pub(super) fn items(plan: &FlowPlan, flows: &[usize]) -> Items {
    // Family, whether the ports are many, lowest port, and name: the same service over TCP and UDP
    // is one item.
    let mut services: BTreeMap<(Family, bool, u16, String, String), BTreeSet<String>> =
        BTreeMap::new();
    for planned in flows.iter().filter_map(|place| plan.flows.get(*place)) {
        let lowest = planned.ports.first().map_or(0, |range| range.first);
        let many = planned
            .ports
            .iter()
            .any(|range| range.last - range.first.min(range.last) > 99);
        let key = (
            Family::of(planned.flow),
            many,
            lowest,
            name(planned),
            ports(&planned.ports),
        );
        services.entry(key).or_default().insert(transport(planned));
    }
    let mut in_family: BTreeMap<Family, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Item)> = services
        .into_iter()
        .map(|((family, _, _, name, ports), transports)| {
            let rank = in_family.entry(family).or_default();
            *rank += 1;
            let transports: Vec<String> = transports.into_iter().collect();
            let transports = transports.join("+");
            let text = if ports.is_empty() {
                format!("{name} {transports}")
            } else {
                format!("{name} {ports}/{transports}")
            };
            (*rank, Item { family, text })
        })
        .collect();
    ranked.sort_by_key(|(rank, item)| (*rank, item.family));
    Items {
        all: ranked.into_iter().map(|(_, item)| item).collect(),
    }
}

fn name(planned: &PlannedFlow) -> String {
    let flow = planned.flow;
    let name = if flow.application_protocol.is_empty() {
        &flow.service
    } else {
        &flow.application_protocol
    };
    let name = shown(name);
    if name.chars().count() <= NAME_MAX {
        return name;
    }
    let first = name.split([',', '(', '/']).next().unwrap_or(&name).trim();
    if !first.is_empty() && first.chars().count() <= NAME_MAX {
        return first.to_owned();
    }
    let mut short: String = name.chars().take(NAME_MAX - 1).collect();
    short.push('…');
    short
}

fn transport(planned: &PlannedFlow) -> String {
    match planned.ip_protocol {
        Some(47) => "gre".into(),
        Some(50) => "esp".into(),
        Some(51) => "ah".into(),
        Some(number) => format!("ip {number}"),
        None => planned.flow.transport_name(),
    }
}

/// Ports as people write them; two ranges, and an ellipsis for more.
fn ports(ranges: &[PortRange]) -> String {
    let mut texts: Vec<String> = ranges
        .iter()
        .take(2)
        .map(|range| {
            if range.first == range.last {
                range.first.to_string()
            } else {
                format!("{}–{}", range.first, range.last)
            }
        })
        .collect();
    if ranges.len() > 2 {
        texts.push("…".into());
    }
    texts.join(",")
}
