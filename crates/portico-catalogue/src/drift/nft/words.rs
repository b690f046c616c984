//! Numbers as nft and iptables write them: with names for protocols, types and flags.

use std::net::IpAddr;

use serde_json::Value;

use super::{key::Kind, list};
use crate::drift::packets::{Version, number};

/// The numbers that an element means, both ends included.
pub(super) fn range(element: &Value, kind: Kind) -> Result<(u128, u128), String> {
    let element = super::bare(element);
    if let Some(prefix) = element.get("prefix") {
        let Kind::Address(version) = kind else {
            return Err("a prefix of something that is no address".into());
        };
        let first = one(prefix.get("addr").unwrap_or(&Value::Null), kind)?;
        let len = prefix.get("len").and_then(Value::as_u64);
        return network(first, len.unwrap_or(u64::MAX), version)
            .ok_or_else(|| "a prefix that is too long".into());
    }
    if let Some(ends) = element.get("range") {
        let [first, last] = list(ends) else {
            return Err("a range without two ends".into());
        };
        return Ok((one(first, kind)?, one(last, kind)?));
    }
    let only = one(element, kind)?;
    Ok((only, only))
}

/// First and last address of a network.
pub(in crate::drift) fn network(
    address: u128,
    prefix_len: u64,
    version: Version,
) -> Option<(u128, u128)> {
    let bits: u64 = match version {
        Version::V4 => 32,
        Version::V6 => 128,
    };
    let host_bits = u32::try_from(bits.checked_sub(prefix_len)?).ok()?;
    let mask = match host_bits {
        128 => u128::MAX,
        fewer => (1_u128 << fewer) - 1,
    };
    Some((address & !mask, address | mask))
}

fn one(value: &Value, kind: Kind) -> Result<u128, String> {
    if let Some(number) = value.as_u64() {
        return Ok(number.into());
    }
    let word = value.as_str().ok_or("a value that is not known")?;
    let known = match kind {
        Kind::Address(version) => {
            let address: Option<IpAddr> = word.parse().ok();
            address
                .filter(|address| Version::of(*address) == version)
                .map(number)
        }
        Kind::Protocol => protocol(word),
        Kind::IcmpType(version) => icmp_type(word, version),
        Kind::Plain => word.parse().ok(),
    };
    known.ok_or_else(|| format!("the word {word:?}"))
}

/// Number of an IP protocol by its name in `/etc/protocols`, or as it is.
pub(in crate::drift) fn protocol(word: &str) -> Option<u128> {
    let known = match word {
        "icmp" => 1,
        "igmp" => 2,
        "ipencap" | "ipv4" => 4,
        "tcp" => 6,
        "udp" => 17,
        "dccp" => 33,
        "ipv6" => 41,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "ipv6-icmp" | "icmpv6" => 58,
        "ospf" => 89,
        "pim" => 103,
        "comp" | "ipcomp" => 108,
        "vrrp" => 112,
        "l2tp" => 115,
        "sctp" => 132,
        "udplite" => 136,
        number => return number.parse::<u8>().ok().map(u128::from),
    };
    Some(known)
}

/// Number of a type of ICMP messages.
pub(in crate::drift) fn icmp_type(word: &str, version: Version) -> Option<u128> {
    let known = match (version, word) {
        (Version::V4, "echo-reply") => 0,
        (Version::V4, "destination-unreachable") => 3,
        (Version::V4, "source-quench") => 4,
        (Version::V4, "redirect") => 5,
        (Version::V4, "echo-request") => 8,
        (Version::V4, "router-advertisement") => 9,
        (Version::V4, "router-solicitation") => 10,
        (Version::V4, "time-exceeded") => 11,
        (Version::V4, "parameter-problem") => 12,
        (Version::V4, "timestamp-request") => 13,
        (Version::V4, "timestamp-reply") => 14,
        (Version::V4, "info-request") => 15,
        (Version::V4, "info-reply") => 16,
        (Version::V4, "address-mask-request") => 17,
        (Version::V4, "address-mask-reply") => 18,
        (Version::V6, "destination-unreachable") => 1,
        (Version::V6, "packet-too-big") => 2,
        (Version::V6, "time-exceeded") => 3,
        (Version::V6, "parameter-problem") => 4,
        (Version::V6, "echo-request") => 128,
        (Version::V6, "echo-reply") => 129,
        (Version::V6, "mld-listener-query") => 130,
        (Version::V6, "mld-listener-report") => 131,
        (Version::V6, "mld-listener-done" | "mld-listener-reduction") => 132,
        (Version::V6, "nd-router-solicit") => 133,
        (Version::V6, "nd-router-advert") => 134,
        (Version::V6, "nd-neighbor-solicit") => 135,
        (Version::V6, "nd-neighbor-advert") => 136,
        (Version::V6, "nd-redirect") => 137,
        (Version::V6, "router-renumbering") => 138,
        (Version::V6, "ind-neighbor-solicit") => 141,
        (Version::V6, "ind-neighbor-advert") => 142,
        (Version::V6, "mld2-listener-report") => 143,
        (_, number) => return number.parse::<u8>().ok().map(u128::from),
    };
    Some(known)
}

/// One flag of TCP.
pub(in crate::drift) fn tcp_flag(word: &str) -> Option<u128> {
    let known = match word.to_ascii_lowercase().as_str() {
        "fin" => 1,
        "syn" => 2,
        "rst" => 4,
        "psh" => 8,
        "ack" => 16,
        "urg" => 32,
        "ecn" | "ece" => 64,
        "cwr" => 128,
        _ => return None,
    };
    Some(known)
}

/// Flags of TCP: a number, a name, or some of them joined.
pub(super) fn tcp_flags(value: &Value) -> Option<u128> {
    if let Some(number) = value.as_u64() {
        return Some(number.into());
    }
    let parts = value.get("|").unwrap_or(value);
    list(parts).iter().try_fold(0, |flags, part| {
        let more = match part {
            Value::String(word) => tcp_flag(word),
            Value::Object(_) => tcp_flags(part),
            Value::Number(number) => number.as_u64().map(u128::from),
            _ => None,
        };
        Some(flags | more?)
    })
}
