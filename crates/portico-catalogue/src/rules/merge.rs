//! What all formats start from: for each host, who may reach it over what, merged.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::RulesError;
use crate::{
    catalogue::Catalogue,
    flow::{Flow, PortRange, Transport},
    plan::{Address, DeployedHost, FlowPlan, HostSet, PlannedFlow},
};

/// The rules of one host.
#[derive(Debug, Clone)]
pub struct HostRules<'a> {
    /// The host.
    pub host: &'a DeployedHost,
    /// What it lets in; sorted by protocol, ports, peers.
    pub inbound: Vec<Rule>,
    /// What it opens; sorted likewise.
    pub outbound: Vec<Rule>,
}

/// These peers, over that. No two rules of one host and direction have the same peers, the same
/// protocol, and ports that touch or overlap: they are one rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The other end: who connects (inbound), or what is connected to (outbound).
    pub peers: Arc<Peers>,
    /// What is carried, with the ports of the listening end.
    pub protocol: Protocol,
    /// Flows that need it, sorted by id, each once; one at least.
    pub flows: Vec<&'static Flow>,
}

/// The other end of a rule. A host that has an address is known by its addresses, and its names are
/// taken for other words for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    /// By their place in [`FlowPlan::hosts`], ascending.
    pub hosts: Vec<u32>,
    /// Networks, sorted, none of which touches or overlaps another one so that both could be one.
    pub v4: Vec<Ipv4Net>,
    /// Likewise.
    pub v6: Vec<Ipv6Net>,
    /// Names of hosts that have no address; the id of one that has no name either. Sorted, each
    /// once.
    pub names: Vec<String>,
}

/// What a rule lets through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP to these ports: sorted, none touching another one.
    Tcp(Vec<PortRange>),
    /// UDP to these ports, likewise.
    Udp(Vec<PortRange>),
    /// An echo request (the catalogue's ICMP flows are all of that kind) of the peers' IP version.
    Icmp,
    /// Another IP protocol, by number.
    Ip(u8),
}

impl Protocol {
    /// Its ports; none where it has no such thing.
    pub fn ports(&self) -> &[PortRange] {
        match self {
            Self::Tcp(ports) | Self::Udp(ports) => ports,
            Self::Icmp | Self::Ip(_) => &[],
        }
    }

    /// Its name, as people write it.
    pub fn name(&self) -> String {
        match self {
            Self::Tcp(_) => "tcp".into(),
            Self::Udp(_) => "udp".into(),
            Self::Icmp => "icmp".into(),
            Self::Ip(47) => "gre".into(),
            Self::Ip(50) => "esp".into(),
            Self::Ip(51) => "ah".into(),
            Self::Ip(number) => format!("ip/{number}"),
        }
    }
}

/// The rules of `only`, or of every host that is not outside of the estate, in the order of the
/// plan.
///
/// # Errors
/// When there is no such host.
pub fn host_rules<'a>(
    plan: &'a FlowPlan,
    only: Option<&str>,
) -> Result<Vec<HostRules<'a>>, RulesError> {
    let mut merger = Merger {
        plan,
        whole: HashMap::new(),
    };
    let mut all = Vec::new();
    for (index, host) in (0_u32..).zip(&plan.hosts) {
        let wanted = match only {
            Some(id) => host.id == id,
            None => !is_outside(host),
        };
        if wanted {
            all.push(merger.host(index, host));
        }
    }
    match only {
        Some(id) if all.is_empty() => Err(RulesError::UnknownHost {
            host: id.to_owned(),
            known: nearest(plan, id),
        }),
        _ => Ok(all),
    }
}

fn is_outside(host: &DeployedHost) -> bool {
    let external = |role: &String| {
        Catalogue::portico()
            .role(role)
            .is_some_and(|entry| entry.external)
    };
    !host.roles.is_empty() && host.roles.iter().all(external)
}

/// All ids, those that share the longest beginning with `id` first.
fn nearest(plan: &FlowPlan, id: &str) -> Vec<String> {
    let shared = |other: &str| {
        let pairs = other.chars().zip(id.chars());
        pairs.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
    };
    let mut ids: Vec<&str> = plan.hosts.iter().map(|host| host.id.as_str()).collect();
    ids.sort_by_key(|other| (std::cmp::Reverse(shared(other)), *other));
    ids.into_iter().map(str::to_owned).collect()
}

/// Ports that one flow opens.
type FlowPorts<'a> = (&'a [PortRange], &'static Flow);

struct Merger<'a> {
    plan: &'a FlowPlan,
    /// Peers of whole sets: thousands of hosts share a few sets. By the place of the set in memory,
    /// which the borrowed plan keeps.
    whole: HashMap<usize, Arc<Peers>>,
}

impl<'a> Merger<'a> {
    fn host(&mut self, index: u32, host: &'a DeployedHost) -> HostRules<'a> {
        let mut inbound = Groups::default();
        let mut outbound = Groups::default();
        let mut without: HashMap<usize, Arc<Peers>> = HashMap::new();
        for planned in &self.plan.flows {
            if planned.to.binary_search(&index).is_ok() {
                inbound.add(self.peers(&planned.from, index, &mut without), planned);
            }
            if planned.from.binary_search(&index).is_ok() {
                outbound.add(self.peers(&planned.to, index, &mut without), planned);
            }
        }
        HostRules {
            host,
            inbound: inbound.rules(),
            outbound: outbound.rules(),
        }
    }

    /// The set without `index`: no host opens connections to itself.
    fn peers(
        &mut self,
        set: &HostSet,
        index: u32,
        without: &mut HashMap<usize, Arc<Peers>>,
    ) -> Arc<Peers> {
        let cache = match set.binary_search(&index) {
            Ok(_) => without,
            Err(_) => &mut self.whole,
        };
        let place = Arc::as_ptr(set).cast::<u32>().addr();
        let peers = cache
            .entry(place)
            .or_insert_with(|| Arc::new(collect(self.plan, set, index)));
        Arc::clone(peers)
    }
}

fn collect(plan: &FlowPlan, set: &[u32], without: u32) -> Peers {
    let hosts: Vec<u32> = set
        .iter()
        .copied()
        .filter(|host| *host != without)
        .collect();
    let (mut v4, mut v6, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for host in &hosts {
        let found = usize::try_from(*host).ok().and_then(|i| plan.hosts.get(i));
        let Some(found) = found else { continue };
        let mut has_address = false;
        for address in &found.addresses {
            let network = match address {
                Address::Ip(ip) => IpNet::from(*ip),
                Address::Network(network) => *network,
                Address::Name(_) => continue,
            };
            has_address = true;
            match network {
                IpNet::V4(network) => v4.push(network.trunc()),
                IpNet::V6(network) => v6.push(network.trunc()),
            }
        }
        if !has_address {
            let named = found.addresses.iter().filter_map(|address| match address {
                Address::Name(name) => Some(name),
                Address::Ip(_) | Address::Network(_) => None,
            });
            let before = names.len();
            names.extend(named.cloned());
            if names.len() == before {
                // Without anything, a rule would say nothing of this host, or mean all hosts.
                names.push(found.id.clone());
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    Peers {
        hosts,
        v4: Ipv4Net::aggregate(&v4),
        v6: Ipv6Net::aggregate(&v6),
        names,
    }
}

/// Flows of one host and direction, by peers and protocol.
#[derive(Default)]
struct Groups<'a> {
    groups: BTreeMap<Key, Vec<FlowPorts<'a>>>,
}

/// Flows with the same key may be one rule.
struct Key {
    transport: Transport,
    ip_protocol: Option<u8>,
    peers: Arc<Peers>,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let carried = |key: &Self| (key.transport, key.ip_protocol);
        carried(self).cmp(&carried(other)).then_with(|| {
            // Most peers are shared, and comparing thousands of numbers is not free.
            if Arc::ptr_eq(&self.peers, &other.peers) {
                return Ordering::Equal;
            }
            self.peers.hosts.cmp(&other.peers.hosts)
        })
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

impl<'a> Groups<'a> {
    fn add(&mut self, peers: Arc<Peers>, planned: &'a PlannedFlow) {
        if peers.hosts.is_empty() {
            return;
        }
        let key = Key {
            transport: planned.transport,
            ip_protocol: planned.ip_protocol,
            peers,
        };
        let flows = self.groups.entry(key).or_default();
        flows.push((&planned.ports, planned.flow));
    }

    fn rules(self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (key, flows) in self.groups {
            for (ports, flows) in join(&flows, key.transport.has_ports()) {
                let protocol = match key.transport {
                    Transport::Tcp => Protocol::Tcp(ports),
                    Transport::Udp => Protocol::Udp(ports),
                    Transport::Icmp => Protocol::Icmp,
                    Transport::Ip => Protocol::Ip(key.ip_protocol.unwrap_or_default()),
                };
                rules.push(Rule {
                    peers: Arc::clone(&key.peers),
                    protocol,
                    flows,
                });
            }
        }
        rules.sort_by(|a, b| {
            let peers = || a.peers.hosts.cmp(&b.peers.hosts);
            a.protocol.cmp(&b.protocol).then_with(peers)
        });
        rules
    }
}

/// Joins flows whose ports touch or overlap; the others stay apart, so that each rule says why it is
/// there.
fn join(flows: &[FlowPorts<'_>], has_ports: bool) -> Vec<(Vec<PortRange>, Vec<&'static Flow>)> {
    if !has_ports {
        return vec![(Vec::new(), sorted(flows.iter().map(|(_, flow)| *flow)))];
    }
    let mut rules: Vec<(Vec<PortRange>, Vec<&'static Flow>)> = Vec::new();
    for (ports, flow) in flows.iter().filter(|(ports, _)| !ports.is_empty()) {
        let mut mine = (union(ports.iter()), vec![*flow]);
        // What it touches becomes one with it; a joined rule may touch further ones, but those
        // would have touched one of its parts before.
        let mut apart = Vec::new();
        for rule in rules {
            if touch(&rule.0, &mine.0) {
                mine = (
                    union(rule.0.iter().chain(&mine.0)),
                    [rule.1, mine.1].concat(),
                );
            } else {
                apart.push(rule);
            }
        }
        apart.push(mine);
        rules = apart;
    }
    let sort = |(ports, flows): (Vec<PortRange>, Vec<&'static Flow>)| (ports, sorted(flows));
    rules.into_iter().map(sort).collect()
}

fn sorted(flows: impl IntoIterator<Item = &'static Flow>) -> Vec<&'static Flow> {
    let by_id: BTreeMap<&str, &'static Flow> = flows
        .into_iter()
        .map(|flow| (flow.id.as_str(), flow))
        .collect();
    by_id.into_values().collect()
}

/// Sorted ranges with touching and overlapping ones made one.
fn union<'r>(ranges: impl Iterator<Item = &'r PortRange>) -> Vec<PortRange> {
    let mut sorted: Vec<(u16, u16)> = ranges.map(|range| (range.first, range.last)).collect();
    sorted.sort_unstable();
    let mut merged: Vec<PortRange> = Vec::new();
    for (first, last) in sorted {
        match merged.last_mut() {
            Some(before) if first <= before.last.saturating_add(1) => {
                before.last = before.last.max(last);
            }
            _ => merged.push(PortRange::new(first, last)),
        }
    }
    merged
}

fn touch(a: &[PortRange], b: &[PortRange]) -> bool {
    a.iter().any(|a| {
        let near = |b: &PortRange| {
            a.first <= b.last.saturating_add(1) && b.first <= a.last.saturating_add(1)
        };
        b.iter().any(near)
    })
}
