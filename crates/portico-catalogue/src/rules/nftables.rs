//! A file for `nft -f`: one table of Portico's own, replaced as a whole in one transaction.
//!
//! Loaded twice it is the same, other tables are left alone, and between the old and the new rules
//! there is no moment without any. A packet has to pass the other tables, too.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
    sync::Arc,
};

use super::{
    HostRules, Job, OutboundRule, Peers, Protocol, Rule, RuleFile, RulesError,
    error::Problems,
    text::{Names, comment, plain},
};
use crate::flow::PortRange;

/// Longest comment that nft takes, in bytes.
const COMMENT_LEN_MAX: usize = 128;

pub(super) fn write(job: &Job<'_>) -> Result<Vec<RuleFile>, RulesError> {
    let mut problems = Problems::new(job.format);
    job.hosts.iter().for_each(|host| problems.add_names(host));
    problems.result()?;
    let names = Names::of(job.plan, 100);
    let file = |host: &HostRules<'_>| RuleFile {
        name: format!("{}.nft", names.of_host(host)),
        text: table(job, host),
    };
    Ok(job.hosts.iter().map(file).collect())
}

fn table(job: &Job<'_>, host: &HostRules<'_>) -> String {
    let mut sets = Sets::default();
    let inbound = rules(&host.inbound, "saddr", &mut sets);
    let outbound = rules(&host.outbound, "daddr", &mut sets);
    let mut text = format!(
        "#!/usr/sbin/nft -f\n# Portico: rules of host {} ({})\n# {}\n",
        plain(&host.host.id),
        plain(&host.host.title),
        job.outbound_note()
    );
    for note in &job.notes {
        line(&mut text, format_args!("# {}", plain(note)));
    }
    text.push_str("add table inet portico\ndelete table inet portico\ntable inet portico {\n");
    text.push_str(&sets.text);
    text.push_str(CHAIN_INPUT);
    text.push_str(&inbound);
    text.push_str("\t}\n");
    if job.options.outbound == OutboundRule::Planned {
        text.push_str(CHAIN_OUTPUT);
        text.push_str(&outbound);
        text.push_str("\t}\n");
    }
    text.push_str("}\n");
    text
}

/// What every host needs to let in. Errors on the way (too big, unreachable) are `related`. Neighbour
/// discovery is IPv6's ARP: without it no IPv6 packet finds its way; hop limit 255 shows that it was
/// sent on this link. A host that does not answer multicast listener queries is forgotten by
/// switches, and neighbour discovery with it.
const CHAIN_INPUT: &str = r#"	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept comment "answers, and errors such as packet too big"
		iif "lo" accept comment "the host to itself"
		icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept comment "IPv6 neighbour discovery"
		icmpv6 type mld-listener-query ip6 saddr fe80::/10 accept comment "IPv6 multicast, which neighbour discovery needs"
"#;

/// The other side of the same.
const CHAIN_OUTPUT: &str = r#"	chain output {
		type filter hook output priority filter; policy drop;
		ct state established,related accept comment "answers, and errors such as packet too big"
		oif "lo" accept comment "the host to itself"
		icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept comment "IPv6 neighbour discovery"
		icmpv6 type { mld-listener-report, mld-listener-reduction, mld2-listener-report } accept comment "IPv6 multicast, which neighbour discovery needs"
"#;

/// Rules of one chain; `side` is the end of the packet where the peers are.
fn rules(rules: &[Rule], side: &'static str, sets: &mut Sets) -> String {
    let mut text = String::new();
    for rule in rules {
        let why = comment(&rule.flows, COMMENT_LEN_MAX);
        if rule.flows.len() > 1 {
            // The comment may have no room for all of them; this line has.
            let ids: Vec<String> = rule.flows.iter().map(|flow| plain(&flow.id)).collect();
            line(&mut text, format_args!("\t\t# {}", ids.join(", ")));
        }
        for (peers, version) in sets.peers(&rule.peers, side) {
            let matched = matched(&rule.protocol, version);
            let rule = format_args!("\t\t{peers} {matched} accept comment \"{why}\"");
            line(&mut text, rule);
        }
    }
    text
}

#[derive(Clone, Copy)]
enum Version {
    V4,
    V6,
}

fn matched(protocol: &Protocol, version: Version) -> String {
    match (protocol, version) {
        (Protocol::Tcp(ports), _) => format!("tcp dport {}", braced(ports)),
        (Protocol::Udp(ports), _) => format!("udp dport {}", braced(ports)),
        (Protocol::Icmp, Version::V4) => "icmp type echo-request".to_owned(),
        (Protocol::Icmp, Version::V6) => "icmpv6 type echo-request".to_owned(),
        (Protocol::Ip(number), _) => format!("meta l4proto {number}"),
    }
}

fn braced(ports: &[PortRange]) -> String {
    let all: Vec<String> = ports.iter().map(super::report::port_text).collect();
    match all.as_slice() {
        [one] => one.clone(),
        all => format!("{{ {} }}", all.join(", ")),
    }
}

/// Named sets, each written once: rules with the same peers share them.
#[derive(Default)]
struct Sets {
    /// By the place of the peers in memory, which the rules keep, and the side.
    known: BTreeMap<(usize, &'static str), Vec<(String, Version)>>,
    names: BTreeMap<Vec<String>, String>,
    text: String,
}

impl Sets {
    /// Expressions that match the peers, one for each IP version that they have.
    fn peers(&mut self, peers: &Arc<Peers>, side: &'static str) -> Vec<(String, Version)> {
        // Thousands of peers are written once, and not for each rule that has them.
        let key = (Arc::as_ptr(peers).addr(), side);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.find(peers, side);
        self.known.insert(key, found.clone());
        found
    }

    fn find(&mut self, peers: &Peers, side: &str) -> Vec<(String, Version)> {
        let mut found = Vec::new();
        let v4 = peers
            .v4
            .iter()
            .map(|net| (net.prefix_len(), net.addr(), 32));
        if let Some(matched) = self.one("ip", side, v4) {
            found.push((matched, Version::V4));
        }
        let v6 = peers
            .v6
            .iter()
            .map(|net| (net.prefix_len(), net.addr(), 128));
        if let Some(matched) = self.one("ip6", side, v6) {
            found.push((matched, Version::V6));
        }
        found
    }

    fn one<A: Display>(
        &mut self,
        family: &str,
        side: &str,
        networks: impl Iterator<Item = (u8, A, u8)>,
    ) -> Option<String> {
        let mut elements = Vec::new();
        for (prefix_len, address, whole) in networks {
            if prefix_len == 0 {
                // A set has no element for all addresses.
                let version = if family == "ip" { "ipv4" } else { "ipv6" };
                return Some(format!("meta nfproto {version}"));
            }
            elements.push(match prefix_len == whole {
                true => address.to_string(),
                false => format!("{address}/{prefix_len}"),
            });
        }
        match elements.as_slice() {
            [] => None,
            [one] => Some(format!("{family} {side} {one}")),
            _ => Some(format!("{family} {side} @{}", self.named(family, elements))),
        }
    }

    fn named(&mut self, family: &str, elements: Vec<String>) -> String {
        if let Some(name) = self.names.get(&elements) {
            return name.clone();
        }
        let (version, kind) = match family {
            "ip" => ("v4", "ipv4_addr"),
            _ => ("v6", "ipv6_addr"),
        };
        let name = format!("peers{}_{version}", self.names.len() + 1);
        let list = elements.join(",\n\t\t             ");
        let set = format_args!(
            "\tset {name} {{\n\t\ttype {kind}\n\t\tflags interval\n\t\telements = {{ {list} }}\n\t}}"
        );
        line(&mut self.text, set);
        self.names.insert(elements, name.clone());
        name
    }
}

fn line(text: &mut String, line: impl Display) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}
