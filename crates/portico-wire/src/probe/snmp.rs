//! SNMP version 3: discovery of the engine (RFC 3414 §4), which needs no user and no community; and
//! version 2c (RFC 1901, RFC 3416) for whoever has a community.

use super::{
    Ask, Heard, Reading,
    ber::{self, Element, INTEGER, OCTETS, SEQUENCE},
    pdu::u32_be,
    shown,
};

const GET_REQUEST: u8 = 0xa0;
const RESPONSE: u8 = 0xa2;
const OBJECT: u8 = 0x06;
const NULL: u8 = 0x05;
/// How version 2c calls itself.
const VERSION_2C: u32 = 1;
/// sysDescr.0 and sysObjectID.0 (RFC 3418 §2).
const SYS_DESCR: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 1, 0];
const SYS_OBJECT_ID: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 2, 0];
const REPORT: u8 = 0xa8;
/// Flag that a report is wanted.
const REPORTABLE: u8 = 4;
/// User-based security model.
const USM: u32 = 3;

fn id(ask: &Ask) -> u32 {
    u32_be(&ask.nonce, 0).unwrap_or(1) & 0x7fff_ffff
}

pub(super) fn opening(ask: &Ask) -> Vec<u8> {
    let empty = || ber::element(OCTETS, b"");
    let head = ber::of(
        SEQUENCE,
        &[
            ber::integer(id(ask)),
            ber::integer(65_507),
            ber::element(OCTETS, &[REPORTABLE]),
            ber::integer(USM),
        ],
    );
    let nobody = ber::of(
        SEQUENCE,
        &[
            empty(),
            ber::integer(0),
            ber::integer(0),
            empty(),
            empty(),
            empty(),
        ],
    );
    let request = ber::of(
        GET_REQUEST,
        &[
            ber::integer(id(ask)),
            ber::integer(0),
            ber::integer(0),
            ber::of(SEQUENCE, &[]),
        ],
    );
    let scoped = ber::of(SEQUENCE, &[empty(), empty(), request]);
    let parts = [ber::integer(3), head, ber::element(OCTETS, &nobody), scoped];
    ber::of(SEQUENCE, &parts)
}

pub(super) fn read(ask: &Ask, heard: Heard<'_>) -> Reading {
    match engine(ask, heard.bytes) {
        Some(engine) => Reading::proven(format!("SNMP v3, engine {}", hex(engine))),
        None => heard.unfinished(),
    }
}

fn hex(engine: &[u8]) -> String {
    engine.iter().take(32).map(|b| format!("{b:02x}")).collect()
}

/// The community, which everybody on the way can read.
fn community(ask: &Ask) -> &[u8] {
    match &ask.secret {
        Some(secret) => secret.expose().as_bytes(),
        None => b"",
    }
}

/// What is asked for the first time, the second, and so on: an agent that does not know the
/// community says nothing, and one that is there at all may know version 3.
pub(super) fn community_question(ask: &Ask, asked: u32) -> Vec<u8> {
    if asked > 1 {
        return opening(ask);
    }
    let wanted = [SYS_DESCR, SYS_OBJECT_ID].map(|object| {
        let parts = [ber::element(OBJECT, object), ber::element(NULL, b"")];
        ber::of(SEQUENCE, &parts)
    });
    let request = [
        ber::integer(id(ask)),
        ber::integer(0),
        ber::integer(0),
        ber::of(SEQUENCE, &wanted),
    ];
    let parts = [
        ber::integer(VERSION_2C),
        ber::element(OCTETS, community(ask)),
        ber::of(GET_REQUEST, &request),
    ];
    ber::of(SEQUENCE, &parts)
}

pub(super) fn by_community(ask: &Ask, heard: Heard<'_>) -> Reading {
    if let Some(engine) = engine(ask, heard.bytes) {
        return Reading::proven(format!(
            "SNMP v3, engine {}; no answer to the community in version 2c",
            hex(engine)
        ));
    }
    match described(ask, heard.bytes) {
        Some(described) => Reading::proven(format!("SNMP v2c, {described}")),
        None => heard.unfinished(),
    }
}

/// What the answer to our question says.
fn described(ask: &Ask, bytes: &[u8]) -> Option<String> {
    let mut parts = Element::tagged(bytes, SEQUENCE)?.parts();
    let version = parts.next().filter(|part| part.tag == INTEGER)?;
    let own = parts.next().filter(|part| part.tag == OCTETS)?;
    let response = parts.next().filter(|part| part.tag == RESPONSE)?;
    let mut parts = response.parts();
    let number = parts.next()?.number()?;
    if version.number()? != VERSION_2C || own.content != community(ask) || number != id(ask) {
        return None;
    }
    let status = parts.next().filter(|part| part.tag == INTEGER)?.number()?;
    let list = parts.nth(1).filter(|part| part.tag == SEQUENCE)?;
    if status != 0 {
        return Some(format!("refuses with status {status}"));
    }
    let mut pairs = list.parts().map(|pair| {
        let mut pair = pair.parts();
        (pair.next(), pair.next())
    });
    let text = pairs.find_map(|(object, value)| {
        let is_text = object?.content == SYS_DESCR && value?.tag == OCTETS;
        is_text.then(|| shown(value.map_or(b"", |value| value.content)))
    });
    Some(text.unwrap_or_else(|| "does not say what it is".into()))
}

/// The engine of a report to our question.
fn engine<'a>(ask: &Ask, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let message = Element::tagged(bytes, SEQUENCE)?;
    let mut parts = message.parts();
    let version = parts.next().filter(|part| part.tag == INTEGER)?;
    let head = parts.next().filter(|part| part.tag == SEQUENCE)?;
    let security = parts.next().filter(|part| part.tag == OCTETS)?;
    let scoped = parts.next().filter(|part| part.tag == SEQUENCE)?;
    let own = head.parts().next()?.number()?;
    if version.number()? != 3 || own != id(ask) {
        return None;
    }
    let report = scoped.parts().nth(2)?;
    let engine = Element::tagged(security.content, SEQUENCE)?
        .parts()
        .next()?;
    (report.tag == REPORT && !engine.content.is_empty()).then_some(engine.content)
}
