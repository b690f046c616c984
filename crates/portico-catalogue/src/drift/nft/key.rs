//! The left side of a comparison: what of a packet is looked at, and when it is as wanted.

use serde_json::Value;

use super::{list, text, words};
use crate::drift::{
    packets::{Dimension, Version},
    ranges::Ranges,
    ruleset::Condition,
};

/// What is compared.
pub(super) enum Key {
    /// One thing, and what a packet must be to have it.
    One(Vec<Condition>, What),
    /// Several at once.
    Many(Vec<Key>),
    /// Not understood.
    Unknown(Vec<Condition>, String),
}

/// One thing of a packet.
#[derive(Clone, Copy)]
pub(super) enum What {
    Number(Dimension, Kind),
    Interface,
    Version,
    /// A word that is known of the first packet of a connection to this host.
    Word(&'static str),
    /// Flags of TCP, of which only those of the mask are looked at.
    TcpFlags(u128),
    /// The way back to the sender: there is one.
    WayBack,
}

/// How the numbers of a dimension are written.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Address(Version),
    Protocol,
    IcmpType(Version),
    Plain,
}

/// The flags of the first packet of a connection.
const SYN: u128 = 2;

impl Key {
    pub(super) fn of(left: &Value) -> Self {
        let Some((kind, body)) = left.as_object().and_then(super::only_member) else {
            return Self::Unknown(Vec::new(), "a left side that is not known".into());
        };
        match kind {
            "payload" => payload(text(body, "protocol"), text(body, "field")),
            "meta" => meta(text(body, "key")),
            "ct" if text(body, "key") == "state" => Self::One(Vec::new(), What::Word("new")),
            "ct" => Self::Unknown(Vec::new(), format!("ct {}", text(body, "key"))),
            "fib" => fib(body),
            "concat" => Self::Many(list(body).iter().map(Self::of).collect()),
            "&" => masked(body),
            other => Self::Unknown(Vec::new(), other.to_owned()),
        }
    }

    /// Conditions when the right side is not known.
    pub(super) fn unknown(&self, why: &str) -> Vec<Condition> {
        let mut conditions = self.implied();
        conditions.push(Condition::Unknown(why.to_owned()));
        conditions
    }

    fn implied(&self) -> Vec<Condition> {
        match self {
            Self::One(implied, _) | Self::Unknown(implied, _) => implied.clone(),
            Self::Many(keys) => keys.iter().flat_map(Self::implied).collect(),
        }
    }

    /// Conditions for a comparison with alternatives.
    pub(super) fn compared(&self, op: &str, elements: &[&Value]) -> Vec<Condition> {
        let mut conditions = self.implied();
        let tested = match self {
            Self::Unknown(_, why) => Err(why.clone()),
            Self::One(_, what) => what.tested(op, elements),
            Self::Many(keys) => any_of(keys, op, elements),
        };
        conditions.push(tested.unwrap_or_else(Condition::Unknown));
        conditions
    }
}

fn any_of(keys: &[Key], op: &str, elements: &[&Value]) -> Result<Condition, String> {
    if op != "==" && op != "in" {
        return Err("several things at once, negated".into());
    }
    let mut lists = Vec::new();
    for element in elements {
        let parts = element.get("concat").map_or(&[][..], list);
        if parts.len() != keys.len() {
            return Err("an element with another number of things".into());
        }
        let mut conditions = Vec::new();
        for (key, part) in keys.iter().zip(parts) {
            match key {
                Key::One(_, what) => conditions.push(what.tested("==", &[part])?),
                Key::Many(_) => return Err("several things within several".into()),
                Key::Unknown(_, why) => return Err(why.clone()),
            }
        }
        lists.push(conditions);
    }
    Ok(Condition::AnyOf(lists))
}

impl What {
    fn tested(self, op: &str, elements: &[&Value]) -> Result<Condition, String> {
        let is_in = match op {
            "==" | "in" => true,
            "!=" => false,
            "<" | ">" | "<=" | ">=" => return self.ordered(op, elements),
            other => return Err(format!("operator {other}")),
        };
        let values = || elements.iter().flat_map(|element| list(element));
        match self {
            Self::Number(dimension, kind) => {
                let mut ranges = Vec::new();
                for element in elements {
                    ranges.push(words::range(element, kind)?);
                }
                Ok(Condition::Within {
                    dimension,
                    ranges: Ranges::new(ranges),
                    is_in,
                })
            }
            Self::Interface => {
                let names: Option<Vec<String>> = elements
                    .iter()
                    .map(|name| name.as_str().map(str::to_owned))
                    .collect();
                let names = names.ok_or("interfaces that are not names")?;
                Ok(Condition::Interface { names, is_in })
            }
            Self::Version => match values().map(Value::as_str).collect::<Vec<_>>().as_slice() {
                [Some("ipv4" | "ip")] if is_in => Ok(Condition::Version(Version::V4)),
                [Some("ipv6" | "ip6")] if is_in => Ok(Condition::Version(Version::V6)),
                [Some("ipv4" | "ip")] => Ok(Condition::Version(Version::V6)),
                [Some("ipv6" | "ip6")] => Ok(Condition::Version(Version::V4)),
                _ => Err("versions that are not known".into()),
            },
            Self::Word(word) => {
                if !values().all(Value::is_string) {
                    return Err("words that are not known".into());
                }
                let has = values().any(|value| value.as_str() == Some(word));
                Ok(Condition::Always(has == is_in))
            }
            Self::TcpFlags(mask) => tcp_flags(mask, op, elements),
            Self::WayBack => {
                // `missing` is printed as false or 0, `exists` as true or 1.
                let exists = match elements {
                    [Value::Bool(exists)] => *exists,
                    [Value::Number(number)] => number.as_u64() != Some(0),
                    _ => return Err("the interface of the way back".into()),
                };
                Ok(Condition::Always(exists == is_in))
            }
        }
    }

    fn ordered(self, op: &str, elements: &[&Value]) -> Result<Condition, String> {
        let (Self::Number(dimension, kind), [one]) = (self, elements) else {
            return Err(format!("operator {op}"));
        };
        let (first, last) = words::range(one, kind)?;
        let ranges = match op {
            "<" => first.checked_sub(1).map(|last| (0, last)),
            "<=" => Some((0, last)),
            ">" => last.checked_add(1).map(|first| (first, u128::MAX)),
            _ => Some((first, u128::MAX)),
        };
        Ok(Condition::within(dimension, Ranges::new(ranges)))
    }
}

fn tcp_flags(mask: u128, op: &str, elements: &[&Value]) -> Result<Condition, String> {
    let mut wanted = Vec::new();
    for element in elements {
        wanted.push(words::tcp_flags(element).ok_or("flags that are not known")?);
    }
    let holds = match op {
        // Any of them is set.
        "in" => wanted.iter().any(|flags| SYN & mask & flags != 0),
        _ => wanted.contains(&(SYN & mask)) == (op != "!="),
    };
    Ok(Condition::Always(holds))
}

fn number(implied: Vec<Condition>, dimension: Dimension, kind: Kind) -> Key {
    Key::One(implied, What::Number(dimension, kind))
}

fn payload(protocol: &str, field: &str) -> Key {
    let carried = |numbers: &[u128]| {
        let numbers = Ranges::new(numbers.iter().map(|number| (*number, *number)));
        vec![Condition::within(Dimension::Protocol, numbers)]
    };
    let implied = match protocol {
        "tcp" => carried(&[6]),
        "udp" => carried(&[17]),
        "udplite" => carried(&[136]),
        "sctp" => carried(&[132]),
        "dccp" => carried(&[33]),
        "th" => carried(&[6, 17, 33, 132, 136]),
        "ip" => vec![Condition::Version(Version::V4)],
        "ip6" => vec![Condition::Version(Version::V6)],
        "icmp" | "icmpv6" => {
            let version = match protocol {
                "icmp" => Version::V4,
                _ => Version::V6,
            };
            let mut implied = vec![Condition::Version(version)];
            implied.extend(carried(&[version.icmp()]));
            implied
        }
        _ => Vec::new(),
    };
    let version = match protocol {
        "ip6" | "icmpv6" => Version::V6,
        _ => Version::V4,
    };
    match (protocol, field) {
        ("tcp" | "udp" | "udplite" | "sctp" | "dccp" | "th", "dport") => {
            number(implied, Dimension::DestinationPort, Kind::Plain)
        }
        ("tcp" | "udp" | "udplite" | "sctp" | "dccp" | "th", "sport") => {
            number(implied, Dimension::SourcePort, Kind::Plain)
        }
        ("tcp", "flags") => Key::One(implied, What::TcpFlags(u128::MAX)),
        ("ip" | "ip6", "saddr") => number(implied, Dimension::Source, Kind::Address(version)),
        ("ip" | "ip6", "daddr") => number(implied, Dimension::Destination, Kind::Address(version)),
        // `nexthdr` is the first header only; of a first packet that is the transport's.
        ("ip", "protocol") | ("ip6", "nexthdr") => {
            number(implied, Dimension::Protocol, Kind::Protocol)
        }
        ("ip", "ttl") | ("ip6", "hoplimit") => number(implied, Dimension::Hops, Kind::Plain),
        ("icmp" | "icmpv6", "type") => {
            number(implied, Dimension::IcmpType, Kind::IcmpType(version))
        }
        ("icmp" | "icmpv6", "code") => number(implied, Dimension::IcmpCode, Kind::Plain),
        _ => Key::Unknown(implied, format!("{protocol} {field}")),
    }
}

fn meta(key: &str) -> Key {
    match key {
        "l4proto" => number(Vec::new(), Dimension::Protocol, Kind::Protocol),
        "nfproto" | "protocol" => Key::One(Vec::new(), What::Version),
        "iif" | "iifname" => Key::One(Vec::new(), What::Interface),
        // What is for this host alone, as the first packet of a connection is.
        "pkttype" => Key::One(Vec::new(), What::Word("host")),
        other => Key::Unknown(Vec::new(), format!("meta {other}")),
    }
}

fn fib(body: &Value) -> Key {
    let flags = body.get("flags").map_or(&[][..], list);
    let looks_at = |flag: &str| flags.iter().any(|known| known.as_str() == Some(flag));
    match text(body, "result") {
        "type" if looks_at("daddr") => Key::One(Vec::new(), What::Word("local")),
        "oif" | "oifname" if looks_at("saddr") => Key::One(Vec::new(), What::WayBack),
        _ => Key::Unknown(Vec::new(), "fib".into()),
    }
}

fn masked(body: &Value) -> Key {
    if let [key, mask] = list(body)
        && let Key::One(implied, What::TcpFlags(_)) = Key::of(key)
        && let Some(mask) = words::tcp_flags(mask)
    {
        return Key::One(implied, What::TcpFlags(mask));
    }
    Key::Unknown(Vec::new(), "a masked number".into())
}
