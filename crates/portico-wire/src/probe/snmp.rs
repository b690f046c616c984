//! SNMP version 3: discovery of the engine (RFC 3414 §4), which needs no user and no community.

use super::{
    Ask, Heard, Reading,
    ber::{self, Element, INTEGER, OCTETS, SEQUENCE},
    pdu::u32_be,
};

const GET_REQUEST: u8 = 0xa0;
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
        Some(engine) => {
            let hex: String = engine.iter().take(32).map(|b| format!("{b:02x}")).collect();
            Reading::proven(format!("SNMP v3, engine {hex}"))
        }
        None => heard.unfinished(),
    }
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
