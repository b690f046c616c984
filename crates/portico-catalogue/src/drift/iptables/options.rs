//! Options of one rule: what has to hold, and the target.

use std::net::IpAddr;

use crate::drift::{
    nft::words::{icmp_type, network, protocol, tcp_flag},
    packets::{Dimension, Version, number},
    ranges::Ranges,
    ruleset::Condition,
};

/// Flags of the first packet of a TCP connection.
const SYN: u128 = 2;

/// Where a rule leads.
pub(super) struct Target {
    pub(super) name: String,
    pub(super) is_goto: bool,
}

/// A rule's options.
pub(super) struct Parsed {
    pub(super) conditions: Vec<Condition>,
    pub(super) target: Option<Target>,
}

impl Parsed {
    /// Reads the words after the chain.
    pub(super) fn of(words: &[String], version: Version) -> Self {
        let mut parsed = Self {
            conditions: Vec::new(),
            target: None,
        };
        let mut rest = words.iter().map(String::as_str).peekable();
        let mut is_in = true;
        while let Some(word) = rest.next() {
            if word == "!" {
                is_in = false;
                continue;
            }
            if word == "--comment" {
                // Free text, which may look like an option.
                rest.next();
                continue;
            }
            let mut values = Vec::new();
            // What follows up to the next option belongs to this one.
            while let Some(value) = rest.next_if(|next| *next != "!" && !is_option(next)) {
                values.push(value);
            }
            match word {
                "-j" | "-g" => {
                    parsed.target = values.first().map(|name| Target {
                        name: (*name).to_owned(),
                        is_goto: word == "-g",
                    });
                    // The rest is how the target does it.
                    break;
                }
                "-m" if rest.peek().is_none() && values.is_empty() => {
                    parsed.conditions.push(Condition::Unknown("-m".into()));
                }
                "-m" => parsed.module(&values),
                option => {
                    let found = condition(option, &values, version, is_in);
                    let unknown =
                        || Condition::Unknown([&[option], &values[..]].concat().join(" "));
                    parsed
                        .conditions
                        .extend(found.unwrap_or_else(|| vec![unknown()]));
                }
            }
            is_in = true;
        }
        parsed
    }

    /// Modules whose options say all, and those that may match without any.
    fn module(&mut self, values: &[&str]) {
        let known = matches!(
            values,
            ["tcp"
                | "udp"
                | "udplite"
                | "sctp"
                | "dccp"
                | "multiport"
                | "comment"
                | "conntrack"
                | "state"
                | "icmp"
                | "icmp6"
                | "hl"
                | "ttl"
                | "addrtype"
                | "pkttype"
                | "iprange"
                | "rpfilter"
                | "limit"
                | "hashlimit"
                | "recent"
                | "connlimit"
                | "mark"
                | "set"
                | "u32"
                | "string"
                | "owner"
                | "mac"]
        );
        // rpfilter without options matches what has a way back; the last option may not be there.
        if !known {
            let name = values.join(" ");
            self.conditions
                .push(Condition::Unknown(format!("-m {name}")));
        }
    }
}

/// Negative numbers are no options, and no match has them.
fn is_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}

/// What one option asks for; `None` when it is not known.
fn condition(
    option: &str,
    values: &[&str],
    version: Version,
    is_in: bool,
) -> Option<Vec<Condition>> {
    let within = |dimension, ranges: Ranges| {
        Some(vec![Condition::Within {
            dimension,
            ranges,
            is_in,
        }])
    };
    let always = |holds: bool| Some(vec![Condition::Always(holds == is_in)]);
    let has = |list: &str, word: &str| list.split(',').any(|item| item == word);
    match (option, values) {
        ("-p", ["all"]) => always(true),
        ("-p", [name]) => within(Dimension::Protocol, Ranges::one(protocol(name)?)),
        ("-s", [net]) => within(Dimension::Source, networks(net, version)?),
        ("-d", [net]) => within(Dimension::Destination, networks(net, version)?),
        ("-i", [name]) => Some(vec![Condition::Interface {
            names: vec![interface(name)],
            is_in,
        }]),
        // Of input chains nothing leaves.
        ("-o", [_]) => always(false),
        // A first packet is no later fragment.
        ("-f", []) => always(false),
        ("--dport" | "--destination-port", [range]) => {
            within(Dimension::DestinationPort, ports(range, ':')?)
        }
        ("--sport" | "--source-port", [range]) => within(Dimension::SourcePort, ports(range, ':')?),
        ("--dports", [list]) => within(Dimension::DestinationPort, port_list(list)?),
        ("--sports", [list]) => within(Dimension::SourcePort, port_list(list)?),
        ("--ports", [list]) if is_in => {
            let ranges = port_list(list)?;
            Some(vec![Condition::AnyOf(vec![
                vec![Condition::within(
                    Dimension::DestinationPort,
                    ranges.clone(),
                )],
                vec![Condition::within(Dimension::SourcePort, ranges)],
            ])])
        }
        ("--tcp-flags", [mask, wanted]) => {
            let (mask, wanted) = (flags(mask)?, flags(wanted)?);
            always(SYN & mask == wanted)
        }
        ("--syn", []) => always(true),
        ("--ctstate" | "--state", [states]) => {
            // Words for a new connection that was sent elsewhere are not known of a packet.
            let is_plain = !has(states, "DNAT") && !has(states, "SNAT");
            (is_plain || has(states, "NEW"))
                .then(|| vec![Condition::Always(has(states, "NEW") == is_in)])
        }
        ("--icmp-type" | "--icmpv6-type", ["any"]) => always(true),
        ("--icmp-type" | "--icmpv6-type", [wanted]) => icmp(wanted, version, is_in),
        ("--hl-eq" | "--ttl-eq", [hops]) => {
            within(Dimension::Hops, Ranges::one(hops.parse().ok()?))
        }
        ("--hl-lt" | "--ttl-lt", [hops]) => {
            let last = hops.parse::<u128>().ok()?.checked_sub(1)?;
            within(Dimension::Hops, Ranges::up_to(last))
        }
        ("--hl-gt" | "--ttl-gt", [hops]) => {
            let first = hops.parse::<u8>().ok()?.checked_add(1)?;
            within(Dimension::Hops, Ranges::new([(first.into(), 255)]))
        }
        ("--dst-type", [types]) => always(has(types, "LOCAL")),
        ("--src-type", ["LOCAL" | "MULTICAST" | "BROADCAST" | "BLACKHOLE" | "PROHIBIT"]) => {
            always(false)
        }
        ("--pkt-type", [kind]) => always(matches!(*kind, "unicast" | "host")),
        ("--src-range", [range]) => within(Dimension::Source, addresses(range, version)?),
        ("--dst-range", [range]) => within(Dimension::Destination, addresses(range, version)?),
        // The way back to the sender is there: what has none is no planned flow.
        ("--invert", []) => always(false),
        ("--loose" | "--validmark" | "--accept-local", []) => Some(Vec::new()),
        _ => None,
    }
}

/// iptables writes `+` where nft writes `*`.
fn interface(name: &str) -> String {
    name.strip_suffix('+')
        .map_or_else(|| name.to_owned(), |beginning| format!("{beginning}*"))
}

fn address(text: &str, version: Version) -> Option<u128> {
    let address: IpAddr = text.parse().ok()?;
    (Version::of(address) == version).then(|| number(address))
}

fn networks(text: &str, version: Version) -> Option<Ranges> {
    let mut ranges = Vec::new();
    for net in text.split(',') {
        let (base, prefix) = net.split_once('/').unwrap_or((net, ""));
        let base = address(base, version)?;
        let prefix_len = match prefix.parse::<u64>() {
            Ok(len) => len,
            Err(_) if prefix.is_empty() => match version {
                Version::V4 => 32,
                Version::V6 => 128,
            },
            Err(_) => mask_len(prefix, version)?,
        };
        ranges.push(network(base, prefix_len, version)?);
    }
    Some(Ranges::new(ranges))
}

/// Length of a mask such as `255.255.0.0`; `None` when it has holes.
fn mask_len(mask: &str, version: Version) -> Option<u64> {
    let mask: IpAddr = mask.parse().ok()?;
    let ones = match (mask, version) {
        (IpAddr::V4(mask), Version::V4) => {
            let bits = u32::from(mask);
            (bits.leading_ones() == bits.count_ones()).then_some(bits.leading_ones())
        }
        (IpAddr::V6(mask), Version::V6) => {
            let bits = u128::from(mask);
            (bits.leading_ones() == bits.count_ones()).then_some(bits.leading_ones())
        }
        _ => None,
    };
    ones.map(u64::from)
}

fn addresses(text: &str, version: Version) -> Option<Ranges> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(Ranges::new([(
        address(first, version)?,
        address(last, version)?,
    )]))
}

fn ports(text: &str, between: char) -> Option<Ranges> {
    let (first, last) = text.split_once(between).unwrap_or((text, text));
    let port = |text: &str, default: u16| match text {
        "" => Some(default),
        text => text.parse::<u16>().ok(),
    };
    let (first, last) = (port(first, 0)?, port(last, u16::MAX)?);
    Some(Ranges::new([(first.into(), last.into())]))
}

fn port_list(text: &str) -> Option<Ranges> {
    let ranges: Option<Vec<Ranges>> = text.split(',').map(|range| ports(range, ':')).collect();
    Some(Ranges::new(
        ranges?.iter().flat_map(Ranges::iter).collect::<Vec<_>>(),
    ))
}

fn flags(text: &str) -> Option<u128> {
    match text {
        "ALL" => return Some(0x3f),
        "NONE" => return Some(0),
        _ => {}
    }
    text.split(',')
        .try_fold(0, |flags, word| Some(flags | tcp_flag(word)?))
}

fn icmp(wanted: &str, version: Version, is_in: bool) -> Option<Vec<Condition>> {
    let (kind, code) = match wanted.split_once('/') {
        Some((kind, code)) => (kind, Some(code.parse::<u8>().ok()?)),
        None => (wanted, None),
    };
    let kind = icmp_type(kind, version)?;
    let of_type = |is_in| Condition::Within {
        dimension: Dimension::IcmpType,
        ranges: Ranges::one(kind),
        is_in,
    };
    match code {
        None => Some(vec![of_type(is_in)]),
        Some(code) if is_in => Some(vec![
            of_type(true),
            Condition::within(Dimension::IcmpCode, Ranges::one(code.into())),
        ]),
        Some(_) => None,
    }
}
