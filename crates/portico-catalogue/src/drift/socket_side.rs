//! The sockets: what is planned and nobody listens, who listens and is not planned.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    Class, Drift, Finding, Listener, Listeners, Process, Side,
    compare::{Seen, addresses_of, port_numbers, some_of, traffic},
    ranges::Ranges,
};
use crate::flow::{PortRange, Proof, Transport};

/// Names of hosts, addresses and processes that a finding has.
const SHOWN_MAX: usize = 6;

/// Compares.
pub(super) fn compare(seen: &Seen<'_>, listeners: &Listeners, drift: &mut Drift) {
    missing(seen, listeners, drift);
    superfluous(seen, listeners, drift);
}

const fn name_of(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        _ => "tcp",
    }
}

/// Flows that come to the same ports.
#[derive(Default)]
struct Wanted {
    flows: BTreeSet<String>,
    peers: BTreeSet<String>,
}

fn missing(seen: &Seen<'_>, listeners: &Listeners, drift: &mut Drift) {
    let mut wanted: BTreeMap<(Transport, &[PortRange]), Wanted> = BTreeMap::new();
    let mut on_demand: BTreeSet<String> = BTreeSet::new();
    for row in seen.inbound {
        let planned = row.planned;
        if !planned.transport.has_ports() || planned.ports.is_empty() {
            continue;
        }
        if planned.flow.proof == Proof::D {
            on_demand.insert(planned.flow.id.clone());
            continue;
        }
        let flows = wanted
            .entry((planned.transport, &planned.ports))
            .or_default();
        flows.flows.insert(planned.flow.id.clone());
        let peers = row.peers().filter_map(|peer| seen.peer(peer));
        flows.peers.extend(peers.map(|peer| peer.id.clone()));
    }
    if !on_demand.is_empty() {
        drift.notes.push(format!(
            "Not looked for, because they bind their ports when they need them: {}",
            some_of(&on_demand, SHOWN_MAX).join(", ")
        ));
    }
    let addresses = addresses_of(seen.host);
    for ((transport, ranges), wanted) in wanted {
        // Of a range that is written as one, programs choose; single ports all have to be there.
        let silent: Vec<PortRange> = ranges
            .iter()
            .filter(|range| !is_served(listeners, transport, range, &addresses))
            .cloned()
            .collect();
        if !silent.is_empty() {
            let finding = silence(listeners, transport, &silent, wanted, &addresses);
            drift.findings.push(finding);
        }
    }
}

fn at<'l>(
    listeners: &'l Listeners,
    transport: Transport,
    range: &PortRange,
) -> impl Iterator<Item = &'l Listener> {
    let (first, last) = (range.first, range.last);
    let sockets = listeners.sockets.iter();
    sockets.filter(move |one| one.transport == transport && (first..=last).contains(&one.port))
}

/// Whether somebody listens at every address of the host; where it has only names, at any.
fn is_served(
    listeners: &Listeners,
    transport: Transport,
    range: &PortRange,
    addresses: &[IpAddr],
) -> bool {
    match addresses {
        [] => at(listeners, transport, range).any(|one| !one.is_local_only()),
        addresses => addresses
            .iter()
            .all(|address| at(listeners, transport, range).any(|one| one.serves(*address))),
    }
}

fn silence(
    listeners: &Listeners,
    transport: Transport,
    ranges: &[PortRange],
    wanted: Wanted,
    addresses: &[IpAddr],
) -> Finding {
    let here: Vec<&Listener> = ranges
        .iter()
        .flat_map(|range| at(listeners, transport, range))
        .collect();
    let unserved: BTreeSet<String> = addresses
        .iter()
        .filter(|address| !here.iter().any(|one| one.serves(**address)))
        .map(ToString::to_string)
        .collect();
    let (evidence, next_step) = if here.is_empty() {
        (
            "nothing listens".to_owned(),
            "start the service, or change its port in the estate".to_owned(),
        )
    } else {
        let places: BTreeSet<String> = here.iter().map(|one| place(one)).collect();
        let places = some_of(&places, SHOWN_MAX).join(", ");
        let evidence = match here.iter().all(|one| one.is_local_only()) {
            true => format!("listens for the host itself only, at {places}"),
            false => format!(
                "nothing listens at {}; it does at {places}",
                some_of(&unserved, SHOWN_MAX).join(", ")
            ),
        };
        let next_step = "let the service listen at the address that the estate gives the host";
        (evidence, next_step.to_owned())
    };
    Finding {
        class: Class::Missing,
        side: Side::Listener,
        traffic: vec![traffic(name_of(transport), &port_numbers(ranges))],
        flows: wanted.flows.into_iter().collect(),
        needed_by: some_of(&wanted.peers, SHOWN_MAX),
        from: Vec::new(),
        processes: processes(here.into_iter()),
        evidence,
        next_step,
    }
}

fn place(listener: &Listener) -> String {
    let address = match listener.address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    format!("{address}:{}", listener.port)
}

fn processes<'l>(listeners: impl Iterator<Item = &'l Listener>) -> Vec<Process> {
    let found: BTreeSet<&Process> = listeners.flat_map(|one| &one.processes).collect();
    found.into_iter().take(SHOWN_MAX).cloned().collect()
}

fn superfluous(seen: &Seen<'_>, listeners: &Listeners, drift: &mut Drift) {
    let mut planned: BTreeMap<Transport, Ranges> = BTreeMap::new();
    for row in seen.inbound {
        let ports = planned
            .entry(row.planned.transport)
            .or_insert_with(|| Ranges::new([]));
        *ports = ports.either(&port_numbers(&row.planned.ports));
    }
    let is_planned = |one: &Listener| {
        let ports = planned.get(&one.transport);
        ports.is_some_and(|ports| ports.contains(one.port.into()))
    };
    let client = seen.question.client_ports;
    let mut clients = 0_usize;
    // One program often has a socket for each address.
    let mut others: BTreeMap<(Transport, u16, &[Process]), Vec<&Listener>> = BTreeMap::new();
    for one in &listeners.sockets {
        if one.is_local_only() || is_planned(one) {
            continue;
        }
        // A UDP socket that is open for answers looks like one that waits for questions.
        if one.transport == Transport::Udp && (client.first..=client.last).contains(&one.port) {
            clients += 1;
            continue;
        }
        let key = (one.transport, one.port, one.processes.as_slice());
        others.entry(key).or_default().push(one);
    }
    if clients > 0 {
        drift.notes.push(format!(
            "UDP sockets passed over, because they may be open for answers: {clients} at ports {} to \
             {}, which programs get when they ask for any",
            client.first, client.last
        ));
    }
    for ((transport, port, _), sockets) in others {
        let places: BTreeSet<String> = sockets.iter().map(|one| place(one)).collect();
        let name = name_of(transport);
        drift.findings.push(Finding {
            class: Class::Superfluous,
            side: Side::Listener,
            traffic: vec![traffic(name, &Ranges::one(port.into()))],
            flows: Vec::new(),
            needed_by: Vec::new(),
            from: Vec::new(),
            processes: processes(sockets.iter().copied()),
            evidence: format!("listens at {}", some_of(&places, SHOWN_MAX).join(", ")),
            next_step: format!(
                "stop it or bind it to loopback, or give the host the role that it has: portico \
                 ports list --port {port} --transport {name}"
            ),
        });
    }
}
