//! LDAP (RFC 4511) over TCP and, as domain controllers do, over UDP: the entry at the root, which
//! every server shows to strangers.

use super::{
    Ask, Heard, Over, Reading,
    ber::{self, ENUMERATED, Element, INTEGER, OCTETS, SEQUENCE},
    shown,
};

const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
/// The server ends the connection of itself (RFC 4511 §4.4.1).
const EXTENDED_RESPONSE: u8 = 0x78;
/// An UnbindRequest, message 2.
const UNBIND: &[u8] = &[0x30, 0x05, 0x02, 0x01, 0x02, 0x42, 0x00];

/// What is asked of the entry; the first that is there is shown.
const ATTRIBUTES: &[&str] = &[
    "defaultNamingContext",
    "namingContexts",
    "dnsHostName",
    "supportedLDAPVersion",
];

pub(super) fn opening() -> Vec<u8> {
    let attributes = ATTRIBUTES
        .iter()
        .map(|name| ber::element(OCTETS, name.as_bytes()))
        .collect::<Vec<_>>();
    let search = ber::of(
        SEARCH_REQUEST,
        &[
            ber::element(OCTETS, b""),
            ber::number(ENUMERATED, 0),
            ber::number(ENUMERATED, 0),
            ber::integer(0),
            ber::integer(10),
            ber::element(0x01, &[0]),
            ber::element(0x87, b"objectClass"),
            ber::of(SEQUENCE, &attributes),
        ],
    );
    ber::of(SEQUENCE, &[ber::integer(1), search])
}

pub(super) fn read(ask: &Ask, heard: Heard<'_>) -> Reading {
    let mut rest = heard.bytes;
    let mut evidence = None;
    loop {
        // Early: what does not begin as a message is none, however short it is.
        if rest.first().is_some_and(|tag| *tag != SEQUENCE) {
            return Reading::Wrong;
        }
        let message = match ber::read(rest) {
            ber::Read::Whole(message) => message,
            ber::Read::Bad => return Reading::Wrong,
            ber::Read::Short => {
                return match (ask.over, evidence) {
                    // Over UDP the end of the search may come in another datagram.
                    (Over::Datagram, Some(evidence)) if rest.is_empty() => {
                        Reading::proven(evidence)
                    }
                    _ => heard.unfinished(),
                };
            }
        };
        let Some((id, operation)) = operation(message) else {
            return Reading::Wrong;
        };
        match operation.tag {
            SEARCH_ENTRY if id == 1 => evidence = Some(entry(operation)),
            SEARCH_DONE if id == 1 => {
                let Some(code) = operation.parts().next().and_then(Element::number) else {
                    return Reading::Wrong;
                };
                let evidence = evidence.unwrap_or_else(|| {
                    format!("LDAP, and shows strangers nothing (result {code})")
                });
                return Reading::proven_parting(evidence, UNBIND);
            }
            EXTENDED_RESPONSE if id == 0 => {
                return Reading::proven("LDAP, and ends connections of strangers");
            }
            _ => return Reading::Wrong,
        }
        rest = message.rest;
    }
}

fn operation(message: Element<'_>) -> Option<(u32, Element<'_>)> {
    let mut parts = message.parts();
    let id = parts.next().filter(|id| id.tag == INTEGER)?.number()?;
    Some((id, parts.next()?))
}

/// Attributes of the entry in words.
fn entry(entry: Element<'_>) -> String {
    let mut found = Vec::new();
    let attributes = entry.parts().nth(1);
    for attribute in attributes.into_iter().flat_map(Element::parts) {
        let mut parts = attribute.parts();
        let (Some(name), Some(values)) = (parts.next(), parts.next()) else {
            continue;
        };
        if let Some(value) = values.parts().next() {
            found.push(format!("{}={}", shown(name.content), shown(value.content)));
        }
    }
    match found.is_empty() {
        true => "LDAP, and an empty entry at the root".into(),
        false => found.join(" "),
    }
}
