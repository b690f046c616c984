//! Real packets through real firewalls: an estate of network namespaces, rules loaded by the real
//! tools, every planned flow used, and everything else tried.
//!
//! Needs root, `ip`, `nsenter`, `nft`, `iptables-restore` and `ip6tables-restore`; says so where they are not.
//!
//! How a packet is known to be dropped by the rules, and not lost: a table of the test's own notes
//! new packets before the rules (`arrived`) and after them (`passed`). All that was sent has to
//! arrive, and exactly what is planned has to pass.
#![allow(
    clippy::disallowed_methods,
    reason = "the packets of the test are its own, and it runs the tools of administrators"
)]

mod child;
mod lab;
mod watch;

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

use portico_catalogue::{
    Catalogue, Transport,
    plan::{self, Address, DeployedHost, Deployment, FlowPlan, PortKey},
    rules::{self, Format, Options, OutboundRule, RuleFile},
};

use self::{
    child::{Job, Target},
    lab::Lab,
    watch::Packet,
};
use crate::{rules_hostile::HOSTILE, rules_plans::plan as drawn};

/// Ports from which probes are sent: none of them is probed, so that no probe is the answer to
/// another one.
const SOURCE_PORTS: std::ops::RangeInclusive<u16> = 20_000..=24_000;

/// A port that no plan has, for the rules that are broken on purpose.
const UNPLANNED_PORT: u16 = 5555;

/// IP protocols that are probed without ports: ICMP (as an echo request), GRE, ESP, AH, OSPF.
const IP_PROTOCOLS: [u8; 5] = [1, 47, 50, 51, 89];

/// Two zones, six hosts, both IP versions.
pub(super) fn estate() -> FlowPlan {
    let hosts: &[(&str, &[&str])] = &[
        ("client", &["10.77.1.10", "fd77:1::10"]),
        ("gateway", &["10.77.1.20", "fd77:1::20"]),
        ("broker", &["10.77.2.10", "fd77:2::10"]),
        ("session1", &["10.77.2.20", "fd77:2::20"]),
        ("session2", &["10.77.2.21", "fd77:2::21"]),
        ("dc", &["10.77.2.53", "fd77:2::53"]),
    ];
    let sessions = "session1 session2";
    let members = "gateway broker session1 session2";
    let many =
        "tcp 1001 1003 1005 1007 1009 1011 1013 1015 1017 1019 1021 1023 1101-1109 1201-1209";
    drawn(
        hosts,
        &[
            ("t.https", "tcp 443", "client", "gateway"),
            ("t.datagrams", "udp 3391", "client", "gateway"),
            ("t.rdp", "tcp 3389", "gateway", sessions),
            ("t.agent", "tcp 30004", sessions, "broker"),
            ("t.dns", "udp 53", members, "dc"),
            ("t.dns-tcp", "tcp 53", members, "dc"),
            ("t.kerberos", "tcp 88", members, "dc"),
            ("t.names", "udp 137", members, "dc"),
            ("t.names-more", "udp 138-139", members, "dc"),
            ("t.rpc", "tcp 49152-65535", members, "dc"),
            ("t.mesh", "tcp 5985-5986", sessions, sessions),
            ("t.ping", "icmp", "broker", "dc"),
            ("t.gre", "ip 47", "gateway", sessions),
            ("t.esp", "ip 50", "gateway", "dc"),
            ("t.many", many, "broker", "gateway"),
        ],
    )
}

/// The same hosts as a deployment of Remote Desktop Services, planned from the documents.
pub(super) fn planned_estate() -> FlowPlan {
    let drawn = estate();
    let roles = |id: &str| -> &[&str] {
        match id {
            // Somebody who administers, too: hosts outside of the estate get no rules.
            "client" => &["rds.client", "rds.management"],
            "gateway" => &["rds.gateway"],
            "broker" => &["rds.connection-broker", "windows.domain-member"],
            "dc" => &["windows.domain-controller"],
            _ => &["rds.session-host", "windows.domain-member"],
        }
    };
    let hosts = drawn.hosts.into_iter().map(|host| DeployedHost {
        roles: roles(&host.id).iter().map(ToString::to_string).collect(),
        ports: match host.id.as_str() {
            "dc" => [(PortKey::Named("ntds-rpc".into()), 50_000)].into(),
            "session2" => [(PortKey::Default(3389, Transport::Tcp), 3390)].into(),
            _ => Default::default(),
        },
        ..host
    });
    let deployment = Deployment {
        hosts: hosts.collect(),
        features: [("rds.direct-clients".to_owned(), false)].into(),
        ..Deployment::default()
    };
    let planned = plan::plan(Catalogue::portico(), &deployment);
    assert!(planned.flows.len() > 40, "{}", planned.flows.len());
    planned
}

#[test]
fn what_is_planned_from_the_documents_passes_and_nothing_else() {
    let Some(lab) = Lab::of(planned_estate()) else {
        return;
    };
    prove(
        &lab,
        [OutboundRule::Any, OutboundRule::Planned],
        |outbound| {
            lab.load_nftables(&files(&lab, Format::Nftables, outbound));
        },
    );
}

#[test]
fn nftables_lets_the_planned_flows_pass_and_nothing_else() {
    let Some(lab) = Lab::of(estate()) else { return };
    prove(
        &lab,
        [OutboundRule::Any, OutboundRule::Planned],
        |outbound| {
            lab.load_nftables(&files(&lab, Format::Nftables, outbound));
        },
    );
}

#[test]
fn iptables_lets_the_planned_flows_pass_and_nothing_else() {
    let Some(lab) = Lab::of(estate()) else { return };
    // The file with less comes last: what was left of the other one must not stay.
    prove(
        &lab,
        [OutboundRule::Planned, OutboundRule::Any],
        |outbound| {
            lab.load_iptables(&files(&lab, Format::Iptables, outbound));
        },
    );
}

#[test]
fn nftables_rules_that_are_broken_on_purpose_are_found_out() {
    let Some(lab) = Lab::of(estate()) else { return };
    let mut nftables = files(&lab, Format::Nftables, OutboundRule::Any);
    // One rule less at the session host, one more at the domain controller.
    let session = &mut nftables[3].text;
    let rules = session.lines().filter(|line| !line.contains("t.rdp"));
    *session = rules.collect::<Vec<_>>().join("\n") + "\n";
    let opened = format!("policy drop;\n\t\ttcp dport {UNPLANNED_PORT} accept");
    nftables[5].text = nftables[5].text.replacen("policy drop;", &opened, 1);
    lab.load_nftables(&nftables);
    let (missing, extra) = differences(&lab, OutboundRule::Any);
    let missing_at: BTreeSet<(usize, u16)> = missing.iter().map(|p| (p.to, p.port)).collect();
    assert_eq!(missing_at, BTreeSet::from([(3, 3389)]));
    assert_eq!(missing.len(), 2, "IPv4 and IPv6: {missing:?}");
    let extra_at: BTreeSet<(usize, u16)> = extra.iter().map(|p| (p.to, p.port)).collect();
    assert_eq!(extra_at, BTreeSet::from([(5, UNPLANNED_PORT)]));
    assert_eq!(extra.len(), 10, "five hosts, IPv4 and IPv6: {extra:?}");
    let broken = use_planned(&lab);
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(
        broken.iter().all(|line| line.contains("3389")),
        "{broken:?}"
    );
}

#[test]
fn iptables_rules_that_are_broken_on_purpose_are_found_out() {
    let Some(lab) = Lab::of(estate()) else { return };
    let mut iptables = files(&lab, Format::Iptables, OutboundRule::Any);
    // Nothing is dropped at the broker over IPv6.
    iptables[5].text = iptables[5].text.replace("-A PORTICO-IN -j DROP\n", "");
    lab.load_iptables(&iptables);
    let (missing, extra) = differences(&lab, OutboundRule::Any);
    assert_eq!(missing, BTreeSet::new());
    assert!(extra.len() > 1000, "{}", extra.len());
    assert!(extra.iter().all(|p| p.to == 2 && p.version == 6));
}

#[test]
fn the_real_tools_load_rules_with_hostile_names() {
    let mut plan = estate();
    for (number, planned) in plan.flows.iter_mut().enumerate() {
        let name = HOSTILE[number % HOSTILE.len()];
        let flow = crate::rules_plans::flow(&format!("{name}{number}"), &name.repeat(40));
        planned.flow = Box::leak(Box::new(flow));
    }
    for (host, name) in plan.hosts.iter_mut().zip(HOSTILE) {
        host.title = (*name).to_owned();
    }
    let Some(lab) = Lab::of(plan) else { return };
    lab.load_nftables(&files(&lab, Format::Nftables, OutboundRule::Planned));
    lab.load_iptables(&files(&lab, Format::Iptables, OutboundRule::Planned));
}

#[test]
fn the_real_tools_take_peers_that_are_everybody() {
    let Some(lab) = Lab::of(estate()) else { return };
    let everybody: &[&str] = &["0.0.0.0/0", "::/0"];
    let anybody = drawn(
        &[("any", everybody), ("web", &["10.77.1.10"])],
        &[
            ("t.https", "tcp 443", "any", "web"),
            ("t.ping", "icmp", "any", "web"),
            ("t.gre", "ip 47", "any", "web"),
            ("t.out", "udp 53", "web", "any"),
        ],
    );
    let options = Options {
        outbound: OutboundRule::Planned,
        ..Options::default()
    };
    let write = |format| rules::write(format, &anybody, Some("web"), &options).unwrap();
    lab.pipe(
        0,
        &["nft", "-c", "-f", "-"],
        &write(Format::Nftables)[0].text,
    );
    for (file, program) in write(Format::Iptables)
        .iter()
        .zip(["iptables", "ip6tables"])
    {
        let check = [&format!("{program}-restore"), "--noflush", "--test"];
        lab.pipe(0, &check, &file.text);
    }
}

fn files(lab: &Lab, format: Format, outbound: OutboundRule) -> Vec<RuleFile> {
    let options = Options {
        outbound,
        ..Options::default()
    };
    rules::write(format, &lab.plan, None, &options).unwrap()
}

/// First all that is tried with all rules, then all that is used: connection tracking remembers for
/// minutes that hosts spoke GRE or ESP with each other, and what comes back is no new packet.
#[track_caller]
fn prove(lab: &Lab, outbounds: [OutboundRule; 2], load: impl Fn(OutboundRule)) {
    for outbound in outbounds {
        load(outbound);
        let (missing, extra) = differences(lab, outbound);
        assert_eq!(missing, BTreeSet::new(), "planned, and dropped");
        assert_eq!(extra, BTreeSet::new(), "not planned, and passed");
    }
    for outbound in outbounds {
        load(outbound);
        assert_eq!(use_planned(lab), Vec::<String>::new(), "{outbound:?}");
    }
}

/// Sends everything from every host to every other one. Planned packets that did not pass, and
/// packets that passed without being planned.
fn differences(lab: &Lab, outbound: OutboundRule) -> (BTreeSet<Packet>, BTreeSet<Packet>) {
    let ports = probed_ports(&lab.plan);
    let planned = planned_packets(&lab.plan, &ports);
    let expected = match outbound {
        OutboundRule::Any => all_packets(&lab.plan, &ports),
        OutboundRule::Planned => planned.clone(),
    };
    lab.watch();
    let mut arrived = BTreeSet::new();
    // A full queue may lose a packet. What is sent once more can only pass if the rules let it.
    for _ in 0..5 {
        for host in 0..lab.plan.hosts.len() {
            lab.run(
                host,
                &Job::Probe {
                    to: others(&lab.plan, host),
                    ports: ports.clone(),
                    ip_protocols: IP_PROTOCOLS.to_vec(),
                    source_port: *SOURCE_PORTS.start(),
                },
            );
        }
        arrived = lab.seen("arrived");
        if arrived.is_superset(&expected) {
            break;
        }
    }
    let lost: Vec<_> = expected.difference(&arrived).take(5).collect();
    assert!(lost.is_empty(), "sent, and never arrived: {lost:?}, …");
    let unexpected: Vec<_> = arrived.difference(&expected).take(5).collect();
    assert!(
        unexpected.is_empty(),
        "left a host unplanned: {unexpected:?}, …"
    );
    let passed = lab.seen("passed");
    lab.watch_no_more();
    (
        planned.difference(&passed).copied().collect(),
        passed.difference(&planned).copied().collect(),
    )
}

/// Uses every planned flow as a program would; what failed.
fn use_planned(lab: &Lab) -> Vec<String> {
    let _listeners = lab.listen();
    let mut failed = Vec::new();
    for (index, host) in lab.plan.hosts.iter().enumerate() {
        let targets = targets_from(&lab.plan, index);
        let told = lab.run(index, &Job::Use { targets });
        failed.extend(told.into_iter().map(|line| format!("{}: {line}", host.id)));
    }
    failed
}

fn targets_from(plan: &FlowPlan, from: usize) -> Vec<Target> {
    let mut targets = Vec::new();
    for_each_pair(plan, |flow, a, b| {
        if a != from {
            return;
        }
        for address in addresses(plan, b) {
            match flow.transport {
                Transport::Icmp => targets.push(Target::Ping { address }),
                Transport::Ip => targets.push(Target::Ip {
                    address,
                    number: flow.ip_protocol.unwrap(),
                }),
                Transport::Tcp | Transport::Udp => {
                    let udp = flow.transport == Transport::Udp;
                    for port in listening_ports(flow) {
                        targets.push(Target::Port { address, port, udp });
                    }
                }
            }
        }
    });
    targets
}

/// Ports that are really listened on: the ends and the middle of each range.
fn listening_ports(flow: &portico_catalogue::plan::PlannedFlow) -> BTreeSet<u16> {
    let middle = |first: u16, last: u16| first + (last - first) / 2;
    flow.ports
        .iter()
        .flat_map(|range| [range.first, middle(range.first, range.last), range.last])
        .collect()
}

/// The ports of this plan and of the whole catalogue (both ends of each range, and their
/// neighbours), and 200 others.
fn probed_ports(plan: &FlowPlan) -> Vec<u16> {
    let mut ports = BTreeSet::from([UNPLANNED_PORT]);
    let ranges = plan.flows.iter().flat_map(|flow| &flow.ports);
    for range in ranges.chain(Catalogue::portico().flows().flat_map(|flow| &flow.ports)) {
        ports.extend([range.first.saturating_sub(1), range.first]);
        ports.extend([range.last, range.last.saturating_add(1)]);
    }
    ports.extend(plan.flows.iter().flat_map(listening_ports));
    let (random, mut number) = (RandomState::new(), 0_u64);
    let known = ports.len();
    while ports.len() < known + 200 {
        number += 1;
        ports.insert(u16::try_from(random.hash_one(number) & 0xffff).unwrap());
    }
    ports.retain(|port| *port > 0 && !SOURCE_PORTS.contains(port));
    ports.into_iter().collect()
}

fn all_packets(plan: &FlowPlan, ports: &[u16]) -> BTreeSet<Packet> {
    let mut packets = BTreeSet::new();
    let hosts = 0..plan.hosts.len();
    for (from, to) in hosts
        .clone()
        .flat_map(|a| hosts.clone().map(move |b| (a, b)))
    {
        for version in [4, 6].into_iter().filter(|_| from != to) {
            let packet = |ip_protocol, port| Packet {
                from,
                to,
                version,
                ip_protocol,
                port,
            };
            packets.extend(IP_PROTOCOLS.map(|number| packet(number, 0)));
            packets.extend(
                ports
                    .iter()
                    .flat_map(|port| [packet(6, *port), packet(17, *port)]),
            );
        }
    }
    packets
}

fn planned_packets(plan: &FlowPlan, ports: &[u16]) -> BTreeSet<Packet> {
    let mut packets = BTreeSet::new();
    for_each_pair(plan, |flow, from, to| {
        for version in [4, 6] {
            let packet = |ip_protocol, port| Packet {
                from,
                to,
                version,
                ip_protocol,
                port,
            };
            match flow.transport {
                Transport::Icmp => packets.extend([packet(1, 0)]),
                Transport::Ip => packets.extend([packet(flow.ip_protocol.unwrap(), 0)]),
                Transport::Tcp | Transport::Udp => {
                    let number = if flow.transport == Transport::Tcp {
                        6
                    } else {
                        17
                    };
                    let planned = |port: &&u16| {
                        flow.ports
                            .iter()
                            .any(|r| (r.first..=r.last).contains(*port))
                    };
                    packets.extend(ports.iter().filter(planned).map(|p| packet(number, *p)));
                }
            }
        }
    });
    packets
}

fn for_each_pair(
    plan: &FlowPlan,
    mut each: impl FnMut(&portico_catalogue::plan::PlannedFlow, usize, usize),
) {
    for flow in &plan.flows {
        for a in flow.from.iter() {
            for b in flow.to.iter().filter(|b| *b != a) {
                each(
                    flow,
                    usize::try_from(*a).unwrap(),
                    usize::try_from(*b).unwrap(),
                );
            }
        }
    }
}

fn addresses(plan: &FlowPlan, host: usize) -> Vec<IpAddr> {
    let addresses = plan.hosts[host].addresses.iter();
    let ip = |address: &Address| match address {
        Address::Ip(ip) => Some(*ip),
        _ => None,
    };
    addresses.filter_map(ip).collect()
}

fn others(plan: &FlowPlan, host: usize) -> Vec<IpAddr> {
    let others = (0..plan.hosts.len()).filter(|other| *other != host);
    others.flat_map(|other| addresses(plan, other)).collect()
}
