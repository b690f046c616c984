//! What comes to a host, before and after its rules.

use std::{collections::BTreeSet, net::IpAddr};

use serde_json::Value;

use super::lab::Lab;

/// A new packet between two hosts, by their place in the plan. `port` is 0 where there is none; an
/// echo request has the protocol 1 in both IP versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packet {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) version: u8,
    pub(super) ip_protocol: u8,
    pub(super) port: u16,
}

/// Notes every new packet twice. Connection tracking knows it at the priority of `arrived`, and
/// every rule of a firewall was asked before `passed`.
fn table() -> String {
    let mut text = "add table inet watch\ndelete table inet watch\ntable inet watch {\n".to_owned();
    for set in ["arrived", "passed"] {
        for (version, kind) in [("4", "ipv4_addr"), ("6", "ipv6_addr")] {
            let flags = "flags dynamic; size 65535;";
            text.push_str(&format!(
                "set {set}{version} {{ type {kind} . inet_proto . inet_service; {flags} }}\n\
                 set {set}{version}_ip {{ type {kind} . inet_proto; {flags} }}\n"
            ));
        }
    }
    for (set, hook) in [
        ("arrived", "prerouting priority -150"),
        ("passed", "input priority 300"),
    ] {
        text.push_str(&format!(
            "chain {set} {{ type filter hook {hook}; policy accept;\n\
             meta l4proto udp ct state new add @{set}4 {{ ip saddr . meta l4proto . th dport }}\n\
             meta l4proto udp ct state new add @{set}6 {{ ip6 saddr . meta l4proto . th dport }}\n\
             tcp flags & (syn | ack) == syn ct state new add @{set}4 {{ ip saddr . meta l4proto . th dport }}\n\
             tcp flags & (syn | ack) == syn ct state new add @{set}6 {{ ip6 saddr . meta l4proto . th dport }}\n\
             icmp type echo-request add @{set}4_ip {{ ip saddr . meta l4proto }}\n\
             icmpv6 type echo-request add @{set}6_ip {{ ip6 saddr . meta l4proto }}\n\
             meta l4proto != {{ tcp, udp, icmp, ipv6-icmp, igmp }} ct state new add @{set}4_ip {{ ip saddr . meta l4proto }}\n\
             meta l4proto != {{ tcp, udp, icmp, ipv6-icmp, igmp }} ct state new add @{set}6_ip {{ ip6 saddr . meta l4proto }}\n\
             }}\n"
        ));
    }
    // A probe without ports that a host sends is not to make the other host's probe its answer.
    text + "chain sent { type filter hook output priority raw; policy accept;\n\
            meta l4proto != { tcp, udp, icmp, ipv6-icmp } notrack\n}\n}\n"
}

impl Lab {
    /// Begins to note, with nothing noted.
    pub(super) fn watch(&self) {
        for host in 0..self.plan.hosts.len() {
            self.pipe(host, &["nft", "-f", "-"], &table());
        }
    }

    pub(super) fn watch_no_more(&self) {
        for host in 0..self.plan.hosts.len() {
            self.tool(host, &["nft", "delete", "table", "inet", "watch"]);
        }
    }

    /// What was noted at all hosts in the sets whose names begin with `set`.
    pub(super) fn seen(&self, set: &str) -> BTreeSet<Packet> {
        let mut packets = BTreeSet::new();
        for to in 0..self.plan.hosts.len() {
            let listed = self.tool(to, &["nft", "-jn", "list", "table", "inet", "watch"]);
            let listed: Value = serde_json::from_str(&listed).unwrap();
            let items = listed["nftables"].as_array().unwrap();
            for listed in items.iter().filter_map(|item| item.get("set")) {
                let name = listed["name"].as_str().unwrap();
                let Some(version) = name.strip_prefix(set).and_then(|rest| rest.chars().next())
                else {
                    continue;
                };
                let version = if version == '4' { 4 } else { 6 };
                let elements = listed.get("elem").and_then(Value::as_array);
                for element in elements.into_iter().flatten() {
                    packets.insert(self.packet(to, version, element));
                }
            }
        }
        packets
    }

    fn packet(&self, to: usize, version: u8, element: &Value) -> Packet {
        let element = element.pointer("/elem/val").unwrap_or(element);
        let parts = element["concat"].as_array().unwrap();
        let address: IpAddr = parts[0].as_str().unwrap().parse().unwrap();
        let number = |value: &Value| match value.as_str() {
            Some("tcp") => 6,
            Some("udp") => 17,
            Some("icmp") => 1,
            Some("ipv6-icmp") => 58,
            Some("gre") => 47,
            Some("esp") => 50,
            Some("ah") => 51,
            Some(other) => other.parse().unwrap(),
            None => value.as_u64().unwrap(),
        };
        let ip_protocol = match number(&parts[1]) {
            58 => 1,
            number => u8::try_from(number).unwrap(),
        };
        Packet {
            from: self.host_at(address),
            to,
            version,
            ip_protocol,
            port: parts
                .get(2)
                .map_or(0, |port| u16::try_from(number(port)).unwrap()),
        }
    }
}
