//! Files for `iptables-restore --noflush` and `ip6tables-restore --noflush`.
//!
//! Only chains of Portico's own are written, replaced as a whole by each load; the chains of others
//! stay. A packet that is planned *returns* to the chain that asked: what other rules forbid stays
//! forbidden. The jump to the chains is made once, by hand, because the file format has no way to
//! make it only where it is missing.

use std::fmt::{Display, Write as _};

use super::{
    HostRules, Job, OutboundRule, Protocol, Rule, RuleFile, RulesError,
    error::Problems,
    text::{Names, comment, plain},
};
use crate::flow::PortRange;

/// Longest comment that the comment match takes, in bytes.
const COMMENT_LEN_MAX: usize = 255;

/// Ports that one multiport match takes; a range counts twice.
const MULTIPORT_MAX: usize = 15;

#[derive(Clone, Copy, PartialEq)]
enum Version {
    V4,
    V6,
}

pub(super) fn write(job: &Job<'_>) -> Result<Vec<RuleFile>, RulesError> {
    let mut problems = Problems::new(job.format);
    job.hosts.iter().for_each(|host| problems.add_names(host));
    problems.result()?;
    let names = Names::of(job.plan, 100);
    let mut files = Vec::new();
    for host in job.hosts {
        let name = names.of_host(host);
        for (version, ending) in [(Version::V4, "v4"), (Version::V6, "v6")] {
            files.push(RuleFile {
                name: format!("{name}.rules.{ending}"),
                text: table(job, host, version),
            });
        }
    }
    Ok(files)
}

fn table(job: &Job<'_>, host: &HostRules<'_>, version: Version) -> String {
    let program = match version {
        Version::V4 => "iptables",
        Version::V6 => "ip6tables",
    };
    let mut text = format!(
        "# Portico: rules of host {} ({})\n# {}\n",
        plain(&host.host.id),
        plain(&host.host.title),
        job.outbound_note()
    );
    for note in &job.notes {
        line(&mut text, format_args!("# {}", plain(note)));
    }
    let planned = job.options.outbound == OutboundRule::Planned;
    let what =
        format!("# Load: {program}-restore --noflush FILE\n# Then, where it is not there yet:");
    line(&mut text, what);
    for (builtin, chain) in [("INPUT", "PORTICO-IN"), ("OUTPUT", "PORTICO-OUT")] {
        let jump = format_args!(
            "#   {program} -C {builtin} -j {chain} || {program} -I {builtin} -j {chain}"
        );
        line(&mut text, jump);
    }
    text.push_str("*filter\n:PORTICO-IN - [0:0]\n:PORTICO-OUT - [0:0]\n");
    essentials(&mut text, version, Direction::In);
    host.inbound
        .iter()
        .for_each(|rule| write_rule(&mut text, rule, version, Direction::In));
    text.push_str("-A PORTICO-IN -j DROP\n");
    // An empty chain returns: what was left of an earlier file does not stay.
    if planned {
        essentials(&mut text, version, Direction::Out);
        host.outbound
            .iter()
            .for_each(|rule| write_rule(&mut text, rule, version, Direction::Out));
        text.push_str("-A PORTICO-OUT -j DROP\n");
    }
    text.push_str("COMMIT\n");
    text
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    In,
    Out,
}

impl Direction {
    const fn chain(self) -> &'static str {
        match self {
            Self::In => "PORTICO-IN",
            Self::Out => "PORTICO-OUT",
        }
    }

    /// Option for the end of the packet where the peers are.
    const fn peers(self) -> &'static str {
        match self {
            Self::In => "-s",
            Self::Out => "-d",
        }
    }
}

/// What every host needs; the reasons are those of the nftables format.
fn essentials(text: &mut String, version: Version, direction: Direction) {
    let chain = direction.chain();
    let interface = match direction {
        Direction::In => "-i lo",
        Direction::Out => "-o lo",
    };
    let mut rule = |matched: &str, why: &str| {
        let rule = format_args!("-A {chain} {matched} -m comment --comment \"{why}\" -j RETURN");
        line(text, rule);
    };
    rule(
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "answers, and errors such as packet too big",
    );
    rule(interface, "the host to itself");
    if version == Version::V4 {
        return;
    }
    let (discovery, multicast, source): (&[u8], &[u8], &str) = match direction {
        Direction::In => (&[134, 135, 136], &[130], "-s fe80::/10 "),
        Direction::Out => (&[133, 135, 136], &[131, 132, 143], ""),
    };
    for kind in discovery {
        rule(
            &format!("-p ipv6-icmp -m icmp6 --icmpv6-type {kind} -m hl --hl-eq 255"),
            "IPv6 neighbour discovery",
        );
    }
    for kind in multicast {
        rule(
            &format!("{source}-p ipv6-icmp -m icmp6 --icmpv6-type {kind}"),
            "IPv6 multicast, which neighbour discovery needs",
        );
    }
}

fn write_rule(text: &mut String, rule: &Rule, version: Version, direction: Direction) {
    let networks: Vec<String> = match version {
        Version::V4 => rule.peers.v4.iter().map(ToString::to_string).collect(),
        Version::V6 => rule.peers.v6.iter().map(ToString::to_string).collect(),
    };
    let why = comment(&rule.flows, COMMENT_LEN_MAX);
    if rule.flows.len() > 1 && !networks.is_empty() {
        // The comment may have no room for all of them; this line has.
        let ids: Vec<String> = rule.flows.iter().map(|flow| plain(&flow.id)).collect();
        line(text, format_args!("# {}", ids.join(", ")));
    }
    for network in &networks {
        for matched in matched(&rule.protocol, version) {
            let rule = format_args!(
                "-A {} {} {network} {matched} -m comment --comment \"{why}\" -j RETURN",
                direction.chain(),
                direction.peers()
            );
            line(text, rule);
        }
    }
}

fn matched(protocol: &Protocol, version: Version) -> Vec<String> {
    match (protocol, version) {
        (Protocol::Tcp(ports), _) => multiport("tcp", ports),
        (Protocol::Udp(ports), _) => multiport("udp", ports),
        (Protocol::Icmp, Version::V4) => vec!["-p icmp -m icmp --icmp-type 8".to_owned()],
        (Protocol::Icmp, Version::V6) => {
            vec!["-p ipv6-icmp -m icmp6 --icmpv6-type 128".to_owned()]
        }
        (Protocol::Ip(number), _) => vec![format!("-p {number}")],
    }
}

fn multiport(transport: &str, ports: &[PortRange]) -> Vec<String> {
    let mut matches: Vec<(Vec<String>, usize)> = Vec::new();
    for range in ports {
        let (port, weight) = match range.first == range.last {
            true => (range.first.to_string(), 1),
            false => (format!("{}:{}", range.first, range.last), 2),
        };
        match matches.last_mut() {
            Some((chunk, used)) if *used + weight <= MULTIPORT_MAX => {
                chunk.push(port);
                *used += weight;
            }
            _ => matches.push((vec![port], weight)),
        }
    }
    let one = |(chunk, _): (Vec<String>, usize)| match chunk.as_slice() {
        [port] => format!("-p {transport} -m {transport} --dport {port}"),
        chunk => format!("-p {transport} -m multiport --dports {}", chunk.join(",")),
    };
    matches.into_iter().map(one).collect()
}

fn line(text: &mut String, line: impl Display) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}
