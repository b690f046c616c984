//! The comparison: what both sides of it start from, and how their findings come together.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    Class, Drift, Finding, Question, Side, Traffic,
    packets::{Version, number},
    ranges::Ranges,
    rule_side, socket_side,
};
use crate::{
    flow::PortRange,
    plan::{Address, DeployedHost, HostFlow},
};

/// Compares. Deterministic.
pub fn diff(question: &Question<'_>) -> Drift {
    let empty = Drift {
        host: String::new(),
        flows: 0,
        rules_judged: question.rules.is_some(),
        sockets: question.listeners.map_or(0, |found| found.sockets.len()),
        findings: Vec::new(),
        notes: Vec::new(),
    };
    let place = usize::try_from(question.host).ok();
    let Some(host) = place.and_then(|place| question.plan.hosts.get(place)) else {
        return empty;
    };
    let inbound = question.plan.of_host(question.host).inbound;
    let mut drift = Drift {
        host: host.id.clone(),
        flows: inbound.len(),
        ..empty
    };
    let seen = Seen {
        question,
        host,
        inbound: &inbound,
    };
    if let Some(rules) = question.rules {
        rule_side::compare(&seen, rules, &mut drift);
    }
    if let Some(listeners) = question.listeners {
        socket_side::compare(&seen, listeners, &mut drift);
    }
    for text in question.rules.iter().flat_map(|rules| &rules.unread) {
        drift.findings.push(unread(Side::Rule, text));
    }
    for text in question.listeners.iter().flat_map(|found| &found.unread) {
        let told = format!("a socket that is not understood: {text}");
        drift.findings.push(unread(Side::Listener, &told));
    }
    drift.notes.sort();
    drift.notes.dedup();
    drift.findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.class, finding.side, finding.traffic.clone());
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.flows, &a.evidence).cmp(&(&b.flows, &b.evidence)))
    });
    drift
}

fn unread(side: Side, text: &str) -> Finding {
    Finding {
        class: Class::Unexplained,
        side,
        traffic: Vec::new(),
        flows: Vec::new(),
        needed_by: Vec::new(),
        from: Vec::new(),
        processes: Vec::new(),
        evidence: text.to_owned(),
        next_step: "look at it by hand: it is not judged".to_owned(),
    }
}

/// A host, and what is planned there.
pub(super) struct Seen<'s> {
    pub(super) question: &'s Question<'s>,
    pub(super) host: &'s DeployedHost,
    pub(super) inbound: &'s [HostFlow<'s>],
}

impl Seen<'_> {
    /// The host at a place of the plan.
    pub(super) fn peer(&self, place: u32) -> Option<&DeployedHost> {
        let place = usize::try_from(place).ok()?;
        self.question.plan.hosts.get(place)
    }

    /// Command that writes the rules of this host.
    pub(super) fn rules_command(&self, format: &str) -> String {
        format!(
            "portico ports rules{} --host {} --format {format}",
            self.question.estate_option,
            shell_word(&self.host.id)
        )
    }
}

/// A word as a shell takes it literally.
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+,".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Networks of one version that a host has; whether it has any address at all.
pub(super) fn networks_of(host: &DeployedHost, version: Version) -> (Ranges, bool) {
    let mut ranges = Vec::new();
    let mut has_any = false;
    for address in &host.addresses {
        let network = match address {
            Address::Ip(address) => IpNet::from(*address),
            Address::Network(network) => *network,
            Address::Name(_) => continue,
        };
        has_any = true;
        if Version::of(network.addr()) == version {
            ranges.push((number(network.network()), number(network.broadcast())));
        }
    }
    (Ranges::new(ranges), has_any)
}

/// Single addresses that a host has.
pub(super) fn addresses_of(host: &DeployedHost) -> Vec<IpAddr> {
    let single = host.addresses.iter().filter_map(|address| match address {
        Address::Ip(address) => Some(*address),
        Address::Network(_) | Address::Name(_) => None,
    });
    single.collect()
}

/// Ports as ranges of the catalogue.
pub(super) fn port_ranges(ports: &Ranges) -> Vec<PortRange> {
    let port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
    ports
        .iter()
        .map(|(first, last)| PortRange::new(port(first), port(last)))
        .collect()
}

/// Ports of the catalogue as numbers.
pub(super) fn port_numbers(ports: &[PortRange]) -> Ranges {
    Ranges::new(
        ports
            .iter()
            .map(|range| (range.first.into(), range.last.into())),
    )
}

/// One kind of traffic with ports.
pub(super) fn traffic(protocol: &str, ports: &Ranges) -> Traffic {
    Traffic {
        protocol: protocol.to_owned(),
        ports: port_ranges(ports),
    }
}

/// Some of many names, and how many more there are.
pub(super) fn some_of(names: &BTreeSet<String>, shown_max: usize) -> Vec<String> {
    let mut shown: Vec<String> = names.iter().take(shown_max).cloned().collect();
    if names.len() > shown_max {
        shown.push(format!("and {} more", names.len() - shown_max));
    }
    shown
}

/// Networks in words, at most `shown_max` and a count of the others.
pub(super) fn shown_networks(
    version: Version,
    addresses: &Ranges,
    shown_max: usize,
) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    let mut more = 0_usize;
    for (first, last) in addresses.iter() {
        let mut at = first;
        loop {
            let (text, end) = largest_block(version, at, last);
            if shown.len() < shown_max {
                shown.insert(text);
            } else {
                more += 1;
            }
            match end
                .checked_add(1)
                .filter(|next| *next <= last && more < 1000)
            {
                Some(next) => at = next,
                None => break,
            }
        }
    }
    if more > 0 {
        shown.insert(format!("and {more} more {} networks", version.name()));
    }
    shown
}

/// The largest network that begins at `first` and does not go beyond `last`, and its end.
fn largest_block(version: Version, first: u128, last: u128) -> (String, u128) {
    let bits: u32 = match version {
        Version::V4 => 32,
        Version::V6 => 128,
    };
    let size_of = |host_bits: u32| match host_bits {
        128 => u128::MAX,
        bits => (1_u128 << bits) - 1,
    };
    let mut host_bits = first.trailing_zeros().min(bits);
    while host_bits > 0
        && first
            .checked_add(size_of(host_bits))
            .is_none_or(|end| end > last)
    {
        host_bits -= 1;
    }
    let address: IpAddr = match version {
        Version::V4 => u32::try_from(first)
            .unwrap_or(u32::MAX)
            .to_be_bytes()
            .into(),
        Version::V6 => first.to_be_bytes().into(),
    };
    let text = match host_bits {
        0 => address.to_string(),
        host_bits => format!("{address}/{}", bits - host_bits),
    };
    (text, first.saturating_add(size_of(host_bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_the_fewest_networks() {
        let number_of = |text: &str| number(text.parse().unwrap());
        let shown = |version, first: &str, last: &str| -> Vec<String> {
            let ranges = Ranges::new([(number_of(first), number_of(last))]);
            shown_networks(version, &ranges, 3).into_iter().collect()
        };
        assert_eq!(
            shown(Version::V4, "10.0.0.0", "10.255.255.255"),
            ["10.0.0.0/8"]
        );
        assert_eq!(
            shown(Version::V4, "10.0.0.7", "10.0.0.8"),
            ["10.0.0.7", "10.0.0.8"]
        );
        assert_eq!(
            shown(Version::V4, "0.0.0.0", "255.255.255.255"),
            ["0.0.0.0/0"]
        );
        assert_eq!(
            shown(Version::V6, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ["::/0"]
        );
        assert_eq!(
            shown(Version::V4, "10.0.0.1", "10.0.0.30"),
            [
                "10.0.0.1",
                "10.0.0.2/31",
                "10.0.0.4/30",
                "and 5 more IPv4 networks"
            ]
        );
    }

    #[test]
    fn words_for_a_shell_are_quoted_where_they_must_be() {
        assert_eq!(shell_word("gw1"), "gw1");
        assert_eq!(shell_word("a b$(x)'"), r"'a b$(x)'\'''");
        assert_eq!(shell_word(""), "''");
    }
}
