//! DHCP (RFC 2131): a DHCPINFORM to one server (§4.3.5). It asks for settings by an address that
//! the client has already, so that no lease is made.

use std::net::{IpAddr, Ipv4Addr};

use super::{Ask, Heard, Reading, pdu::array, shown};

const HEAD_LEN: usize = 236;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// Some relays drop what is shorter (RFC 1542 §2.1).
const REQUEST_LEN: usize = 300;

const END: u8 = 255;
const PAD: u8 = 0;
const DNS_SERVERS: u8 = 6;
const DOMAIN: u8 = 15;
const KIND: u8 = 53;
const SERVER: u8 = 54;
const WANTED: u8 = 55;
const ACK: u8 = 5;
const INFORM: u8 = 8;

fn own_id(ask: &Ask) -> &[u8] {
    ask.nonce.get(..4).unwrap_or_default()
}

/// A hardware address that no card has: it is locally administered.
fn hardware(ask: &Ask) -> Vec<u8> {
    let mut out = vec![2];
    out.extend_from_slice(ask.nonce.get(3..).unwrap_or_default());
    out
}

pub(super) fn opening(ask: &Ask) -> Vec<u8> {
    let own = match ask.own_address {
        Some(IpAddr::V4(own)) => own,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    // A request of a client with an Ethernet address, not relayed.
    let mut out = vec![1, 1, 6, 0];
    out.extend_from_slice(own_id(ask));
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&own.octets());
    out.extend_from_slice(&[0; 12]);
    out.extend(hardware(ask));
    out.resize(HEAD_LEN, 0);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[KIND, 1, INFORM, WANTED, 3, DNS_SERVERS, DOMAIN, SERVER, END]);
    out.resize(REQUEST_LEN, 0);
    out
}

pub(super) fn read(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let is_answer = bytes.starts_with(&[2, 1, 6])
        && bytes.get(4..8) == Some(own_id(ask))
        && bytes.get(28..34) == Some(&hardware(ask))
        && array(bytes, HEAD_LEN) == Some(MAGIC);
    let options = bytes.get(HEAD_LEN + MAGIC.len()..).and_then(options);
    let (true, Some(options)) = (is_answer, options) else {
        return Reading::Wrong;
    };
    let value = |wanted: u8| {
        options
            .iter()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, v)| *v)
    };
    if value(KIND) != Some(&[ACK]) {
        return Reading::Wrong;
    }
    let addresses = |kind: u8| {
        let list = value(kind).unwrap_or_default().chunks_exact(4).take(4);
        let list = list.filter_map(|bytes| Some(Ipv4Addr::from(array::<4>(bytes, 0)?)));
        list.map(|address| address.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut out = "DHCP".to_owned();
    for (what, said) in [
        ("server", addresses(SERVER)),
        ("name servers", addresses(DNS_SERVERS)),
        ("domain", value(DOMAIN).map(shown).unwrap_or_default()),
    ] {
        if !said.is_empty() {
            out.push_str(&format!(", {what} {said}"));
        }
    }
    Reading::proven(out)
}

/// Options up to the end mark; none when it is missing.
fn options(mut rest: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut out = Vec::new();
    loop {
        match rest.split_first()? {
            (&END, _) => return Some(out),
            (&PAD, after) => rest = after,
            (kind, after) => {
                let (len, after) = after.split_first()?;
                let (value, after) = after.split_at_checked(usize::from(*len))?;
                out.push((*kind, value));
                rest = after;
            }
        }
    }
}
