//! The rules: what is planned and not let in, what is let in and not planned, what is not understood.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Class, Drift, Finding, Side, Traffic,
    compare::{Seen, addresses_of, networks_of, port_numbers, shown_networks, traffic},
    judge::{Cause, Outcome, Part, judge},
    packets::{Dimension, Packets, Version, number, without_all},
    ranges::Ranges,
    ruleset::{Interfaces, RuleId, Ruleset},
};
use crate::{flow::Transport, plan::PlannedFlow};

/// Parts into which a difference may fall.
const PARTS_MAX: usize = 20_000;

/// Names of hosts, networks and rules that a finding has.
const SHOWN_MAX: usize = 6;

/// Ports from which programs connect; lower ones are for services and for root.
const CLIENT_PORT_MIN: u128 = 1024;

/// What a host needs to work at all, and no plan names: ICMP errors, neighbour discovery and
/// multicast membership (RFC 4890, section 4.4.1).
fn essentials(version: Version) -> Ranges {
    match version {
        Version::V4 => Ranges::new([(3, 3), (11, 12)]),
        Version::V6 => Ranges::new([(1, 4), (130, 137), (141, 143), (148, 149), (151, 153)]),
    }
}

/// Addresses that one machine can have for itself.
fn unicast(version: Version) -> Ranges {
    match version {
        Version::V4 => Ranges::new([(1 << 24, (127 << 24) - 1), (128 << 24, (224 << 24) - 1)]),
        Version::V6 => Ranges::new([(2, (0xff << 120) - 1)]),
    }
}

/// Packets of one planned flow.
struct Planned<'s> {
    flow: &'s PlannedFlow,
    /// Those that have to be let in.
    sure: Option<Packets>,
    /// Those that may be let in.
    wide: Option<Packets>,
    /// Who sends them: addresses of each host.
    peers: Vec<(String, Ranges)>,
}

/// Compares the rules of both versions.
pub(super) fn compare(seen: &Seen<'_>, rules: &Ruleset, drift: &mut Drift) {
    let host_interfaces = seen.question.interfaces.iter();
    let names = host_interfaces.map(|(name, _)| name.clone());
    let interfaces = Interfaces::new(rules, names);
    let mut found = Found::default();
    for version in Version::ALL {
        let planned = planned(seen, version, &interfaces, drift);
        if !rules.versions.contains(&version) {
            if planned.iter().any(|one| one.sure.is_some()) {
                drift.findings.push(not_judged(
                    version,
                    "they are not in what was read",
                    "give them, too: `nft -j list ruleset`, or `ip6tables-save` beside \
                     `iptables-save`",
                ));
            }
            continue;
        }
        let start = Packets::all(version, interfaces.outside())
            .only(Dimension::Source, &unicast(version))
            .and_then(|packets| packets.only(Dimension::Destination, &unicast(version)));
        let Some(start) = start else { continue };
        let judged = judge(rules, &interfaces, version, start).ok();
        let told = judged.and_then(|parts| {
            let ends = Ends::of(&parts);
            missing(&planned, &ends, version, &mut found)?;
            superfluous(&planned, &ends, version, &mut found)
        });
        if told.is_none() {
            drift.findings.push(not_judged(
                version,
                "they cut packets into more parts than are judged",
                "look at them by hand",
            ));
        }
    }
    found.tell(seen, rules, &interfaces, drift);
}

fn not_judged(version: Version, why: &str, next_step: &str) -> Finding {
    Finding {
        class: Class::Unexplained,
        side: Side::Rule,
        traffic: Vec::new(),
        flows: Vec::new(),
        needed_by: Vec::new(),
        from: Vec::new(),
        processes: Vec::new(),
        evidence: format!("the rules for {} are not judged: {why}", version.name()),
        next_step: next_step.to_owned(),
    }
}

fn planned<'s>(
    seen: &'s Seen<'_>,
    version: Version,
    interfaces: &Interfaces,
    drift: &mut Drift,
) -> Vec<Planned<'s>> {
    let (own, has_any) = networks_of(seen.host, version);
    let own = match has_any {
        true => own,
        false => unicast(version),
    };
    let own_interfaces = own_interfaces(seen, version, interfaces);
    let mut all = Vec::new();
    for row in seen.inbound {
        let (mut peers, mut sources, mut has_all) = (Vec::new(), Ranges::new([]), true);
        for peer in row.peers().filter_map(|peer| seen.peer(peer)) {
            let (networks, has_any) = networks_of(peer, version);
            if has_any {
                sources = sources.either(&networks);
            } else {
                has_all = false;
                drift.notes.push(format!(
                    "Host {} has no address in the estate: whether the rules let it in cannot be said",
                    peer.id
                ));
            }
            peers.push((peer.id.clone(), networks));
        }
        // Rules seldom name the host's own address.
        let all_of = Packets::all(version, interfaces.outside());
        let all_of = carried(row.planned, version, all_of);
        let sure = all_of.as_ref().and_then(|packets| {
            let client = Ranges::new([(CLIENT_PORT_MIN, u16::MAX.into())]);
            packets
                .only(Dimension::Source, &sources.both(&unicast(version)))?
                .only(Dimension::Destination, &own)?
                .only(Dimension::SourcePort, &client)?
                .only(Dimension::IcmpCode, &Ranges::one(0))?
                .only(Dimension::Interface, &own_interfaces)
        });
        let wide = match has_all {
            true => all_of.and_then(|packets| packets.only(Dimension::Source, &sources)),
            false => all_of,
        };
        all.push(Planned {
            flow: row.planned,
            sure,
            wide,
            peers,
        });
    }
    all
}

/// Interfaces that have an address of the host's; all that come from outside when none is known.
fn own_interfaces(seen: &Seen<'_>, version: Version, interfaces: &Interfaces) -> Ranges {
    let own: Vec<u128> = addresses_of(seen.host)
        .into_iter()
        .filter(|address| Version::of(*address) == version)
        .map(number)
        .collect();
    let names: Vec<String> = seen
        .question
        .interfaces
        .iter()
        .filter(|(_, address)| Version::of(*address) == version && own.contains(&number(*address)))
        .map(|(name, _)| name.clone())
        .collect();
    let known = interfaces.numbers(&names).both(&interfaces.outside());
    match known.is_empty() {
        true => interfaces.outside(),
        false => known,
    }
}

fn carried(flow: &PlannedFlow, version: Version, packets: Packets) -> Option<Packets> {
    let number: u128 = match flow.transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
        Transport::Icmp => version.icmp(),
        Transport::Ip => flow.ip_protocol?.into(),
    };
    let packets = packets.only(Dimension::Protocol, &Ranges::one(number))?;
    match flow.transport {
        Transport::Tcp | Transport::Udp => {
            packets.only(Dimension::DestinationPort, &port_numbers(&flow.ports))
        }
        Transport::Icmp => packets.only(Dimension::IcmpType, &Ranges::one(version.echo_request())),
        Transport::Ip => Some(packets),
    }
}

/// Parts by how they ended.
struct Ends<'p> {
    accepted: Vec<&'p Part>,
    dropped: Vec<&'p Part>,
    unclear: Vec<&'p Part>,
}

impl<'p> Ends<'p> {
    fn of(parts: &'p [Part]) -> Self {
        let with = |outcome| parts.iter().filter(move |part| part.outcome == outcome);
        Self {
            accepted: with(Outcome::Accepted).collect(),
            dropped: with(Outcome::Dropped).collect(),
            unclear: with(Outcome::Unclear).collect(),
        }
    }

    /// Parts that may let in what another part drops.
    fn perhaps_in(&self) -> impl Iterator<Item = &'p Packets> + '_ {
        let parts = self.accepted.iter().chain(&self.unclear);
        parts.map(|part| &part.packets)
    }
}

/// What a finding about rules is gathered from, over both versions.
#[derive(Default)]
struct Gathered {
    traffic: BTreeMap<String, Ranges>,
    sources: BTreeMap<Version, Ranges>,
    interfaces: Option<Ranges>,
    flows: BTreeSet<String>,
    peers: BTreeSet<String>,
    causes: BTreeSet<Cause>,
}

#[derive(Default)]
struct Found {
    /// By flow.
    missing: BTreeMap<String, Gathered>,
    /// By what lets it in.
    superfluous: BTreeMap<Cause, Gathered>,
    /// By the rule that is not understood.
    doubtful: BTreeMap<RuleId, Gathered>,
    /// Planned, and let in by some interfaces only; by flow.
    by_interface: BTreeMap<String, Gathered>,
}

impl Gathered {
    fn add(&mut self, version: Version, packets: &Packets) {
        let source = packets.get(Dimension::Source);
        let sources = self
            .sources
            .entry(version)
            .or_insert_with(|| Ranges::new([]));
        *sources = sources.either(source);
        let interface = packets.get(Dimension::Interface);
        self.interfaces = Some(match &self.interfaces {
            Some(known) => known.either(interface),
            None => interface.clone(),
        });
        for (name, ports) in protocols(version, packets) {
            let known = self.traffic.entry(name).or_insert_with(|| Ranges::new([]));
            *known = known.either(&ports);
        }
    }

    fn add_flow(&mut self, version: Version, planned: &Planned<'_>, packets: &Packets) {
        self.add(version, packets);
        self.flows.insert(planned.flow.flow.id.clone());
        let source = packets.get(Dimension::Source);
        let peers = planned.peers.iter();
        let touched = peers.filter(|(_, networks)| !networks.is_apart(source));
        self.peers.extend(touched.map(|(id, _)| id.clone()));
    }

    fn traffic(&self) -> Vec<Traffic> {
        let all = self.traffic.iter();
        all.map(|(name, ports)| traffic(name, ports)).collect()
    }

    fn networks(&self) -> Vec<String> {
        let is_all = |version: Version| {
            self.sources
                .get(&version)
                .is_some_and(|known| unicast(version).without(known).is_empty())
        };
        if Version::ALL.into_iter().all(is_all) {
            return vec!["anywhere".to_owned()];
        }
        let mut shown = BTreeSet::new();
        for (version, sources) in &self.sources {
            match is_all(*version) {
                true => drop(shown.insert(format!("anywhere over {}", version.name()))),
                false => shown.extend(shown_networks(*version, sources, SHOWN_MAX)),
            }
        }
        shown.into_iter().collect()
    }
}

/// Protocols of packets in words, with ports where they have any.
fn protocols(version: Version, packets: &Packets) -> Vec<(String, Ranges)> {
    /// More than so many others are not named.
    const OTHERS_MAX: usize = 4;
    let none = || Ranges::new([]);
    let all = packets.get(Dimension::Protocol);
    let mut found = Vec::new();
    for (protocol, name) in [(6, "tcp"), (17, "udp")] {
        if all.contains(protocol) {
            found.push((
                name.to_owned(),
                packets.get(Dimension::DestinationPort).clone(),
            ));
        }
    }
    if all.contains(version.icmp()) {
        let types = packets.get(Dimension::IcmpType);
        let is_all = Ranges::up_to(255).without(&types.either(&essentials(version)));
        let echo = Ranges::one(version.echo_request());
        let name = match (is_all.is_empty(), *types == echo) {
            (true, _) => "icmp".to_owned(),
            (false, true) => "icmp echo request".to_owned(),
            (false, false) => {
                let one = |(first, last): (u128, u128)| match first == last {
                    true => first.to_string(),
                    false => format!("{first}-{last}"),
                };
                let listed: Vec<String> = types.iter().map(one).collect();
                format!("icmp of {} types {}", version.name(), listed.join(","))
            }
        };
        found.push((name, none()));
    }
    let usual = Ranges::new([(6, 6), (17, 17), (version.icmp(), version.icmp())]);
    let others = all.without(&usual);
    let numbers: Vec<u128> = others
        .iter()
        .flat_map(|(first, last)| first..=last)
        .take(OTHERS_MAX + 1)
        .collect();
    if numbers.len() > OTHERS_MAX {
        found.push(("other protocols".to_owned(), none()));
    } else {
        found.extend(numbers.into_iter().map(|number| {
            let name = match number {
                47 => "gre".to_owned(),
                50 => "esp".to_owned(),
                51 => "ah".to_owned(),
                number => format!("ip/{number}"),
            };
            (name, none())
        }));
    }
    found
}

/// Planned packets that the rules drop; `None` when they fall into too many parts.
fn missing(
    planned: &[Planned<'_>],
    ends: &Ends<'_>,
    version: Version,
    found: &mut Found,
) -> Option<()> {
    for one in planned {
        let Some(sure) = &one.sure else { continue };
        let id = one.flow.flow.id.clone();
        for part in &ends.dropped {
            let Some(here) = sure.both(&part.packets) else {
                continue;
            };
            if part.doubts.is_empty() {
                let gathered = match is_in_elsewhere(&here, sure, ends) {
                    true => found.by_interface.entry(id.clone()).or_default(),
                    false => found.missing.entry(id.clone()).or_default(),
                };
                gathered.add_flow(version, one, &here);
                gathered.causes.insert(part.cause);
                continue;
            }
            // What nothing lets in is dropped, whatever the rules in doubt do.
            let surely = without_all(&here, ends.perhaps_in(), PARTS_MAX)?;
            for packets in &surely {
                let gathered = found.missing.entry(id.clone()).or_default();
                gathered.add_flow(version, one, packets);
                gathered.causes.insert(part.cause);
            }
            for packets in without_all(&here, &surely, PARTS_MAX)? {
                found.doubt(part, |gathered| gathered.add_flow(version, one, &packets));
            }
        }
        for part in &ends.unclear {
            if let Some(here) = sure.both(&part.packets) {
                found.doubt(part, |gathered| gathered.add_flow(version, one, &here));
            }
        }
    }
    Some(())
}

/// Whether the same packets would be let in if they came by another interface by which they may
/// come.
fn is_in_elsewhere(here: &Packets, sure: &Packets, ends: &Ends<'_>) -> bool {
    let own = here.get(Dimension::Interface);
    let others = sure.get(Dimension::Interface).without(own);
    let Some(elsewhere) = here.with(Dimension::Interface, others) else {
        return false;
    };
    ends.accepted
        .iter()
        .any(|part| !part.packets.is_apart(&elsewhere))
}

impl Found {
    /// Adds to the rules that a part has doubts about: those that it obeyed, or else all.
    fn doubt(&mut self, part: &Part, add: impl Fn(&mut Gathered)) {
        let taken: Vec<RuleId> = part
            .doubts
            .iter()
            .filter(|doubt| doubt.is_taken)
            .map(|doubt| doubt.rule)
            .collect();
        let all = || part.doubts.iter().map(|doubt| doubt.rule).collect();
        let rules: Vec<RuleId> = if taken.is_empty() { all() } else { taken };
        for rule in rules {
            add(self.doubtful.entry(rule).or_default());
        }
    }
}

/// Packets that the rules let in and nothing plans; `None` when they fall into too many parts.
fn superfluous(
    planned: &[Planned<'_>],
    ends: &Ends<'_>,
    version: Version,
    found: &mut Found,
) -> Option<()> {
    let essential = Packets::all(version, Ranges::up_to(u128::MAX))
        .only(Dimension::Protocol, &Ranges::one(version.icmp()))
        .and_then(|packets| packets.only(Dimension::IcmpType, &essentials(version)));
    let known: Vec<&Packets> = planned
        .iter()
        .filter_map(|one| one.wide.as_ref())
        .chain(&essential)
        .collect();
    for part in &ends.accepted {
        let is_in_doubt = part.doubts.iter().any(|doubt| doubt.is_taken);
        for packets in without_all(&part.packets, known.iter().copied(), PARTS_MAX)? {
            match is_in_doubt {
                false => found
                    .superfluous
                    .entry(part.cause)
                    .or_default()
                    .add(version, &packets),
                true => found.doubt(part, |gathered| gathered.add(version, &packets)),
            }
        }
    }
    for part in &ends.unclear {
        for packets in without_all(&part.packets, known.iter().copied(), PARTS_MAX)? {
            found.doubt(part, |gathered| gathered.add(version, &packets));
        }
    }
    Some(())
}
