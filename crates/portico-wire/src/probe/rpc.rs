//! The endpoint mapper of DCE RPC (C706 chapter 12, MS-RPCE): a bind to its interface, which
//! every RPC server answers, if only by refusing the interface; then the list of what listens where
//! (C706 appendix O, ept_lookup). RPC over HTTP without its proxy (MS-RPCH) greets.

use super::{
    Ask, Endpoint, Heard, Proof, Reading, greeting,
    pdu::{array, u16_be, u16_le, u32_le},
    shown,
};

/// The endpoint mapper, version 3.0.
const MAPPER: [u8; 20] = [
    0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa,
    0x03, 0x00, 0x00, 0x00,
];
/// The transfer syntax NDR, version 2.0.
const NDR: [u8; 20] = [
    0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60,
    0x02, 0x00, 0x00, 0x00,
];
const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const FAULT: u8 = 3;
const BIND: u8 = 11;
const BIND_ACK: u8 = 12;
const BIND_NAK: u8 = 13;
const BIND_LEN: u16 = 16 + 8 + 4 + 4 + 40;
const HEAD_LEN: usize = 16;
const FRAGMENT_LEN_MAX: usize = 5840;
/// Ends of a message that comes in fragments.
const LAST_FRAGMENT: u8 = 2;
/// Endpoints that are asked for: as many as fit into the longest answer.
const ENDPOINTS_MAX: u32 = 300;
/// Number of ept_lookup.
const LOOKUP: u16 = 2;
/// Protocols of the floors of a tower (C706 appendix I).
const FLOOR_UUID: u8 = 0x0d;
const FLOOR_TCP: u8 = 0x07;
/// What a server of RPC over HTTP says to whoever connects (MS-RPCH 2.1.2.2.1).
const HTTP_GREETING: &[u8] = b"ncacn_http/1.0";

pub(super) fn opening(ask: &Ask) -> Vec<u8> {
    // Version 5.0, bind, first and last fragment, little-endian.
    let mut out = vec![5, 0, BIND, 3, 0x10, 0, 0, 0];
    out.extend_from_slice(&BIND_LEN.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(call(ask));
    out.extend_from_slice(&5840_u16.to_le_bytes());
    out.extend_from_slice(&5840_u16.to_le_bytes());
    out.extend_from_slice(&[0, 0, 0, 0]);
    // One context with one transfer syntax.
    out.extend_from_slice(&[1, 0, 0, 0, 0, 0, 1, 0]);
    out.extend_from_slice(&MAPPER);
    out.extend_from_slice(&NDR);
    out
}

fn call(ask: &Ask) -> &[u8] {
    ask.nonce.get(..4).unwrap_or_default()
}

/// Any RPC server: one that has no endpoint mapper says so.
pub(super) fn bind(ask: &Ask, heard: Heard<'_>) -> Reading {
    let packet = match packet(ask, heard, &[BIND_ACK, BIND_NAK]) {
        Ok(packet) => packet,
        Err(reading) => return reading,
    };
    match (packet.get(2), bound(packet)) {
        (Some(&BIND_NAK), _) => Reading::proven("RPC, refuses the interface"),
        (_, Some((0, address))) => {
            Reading::proven(format!("RPC endpoint mapper at {}", shown(address)))
        }
        (_, Some((reason, _))) => {
            Reading::proven(format!("RPC, has no endpoint mapper (result {reason})"))
        }
        (_, None) => Reading::Wrong,
    }
}

/// The endpoint mapper: its interface has to be there, and then it is asked what listens.
pub(super) fn mapper(ask: &Ask, step: u8, heard: Heard<'_>) -> Reading {
    if step > 0 {
        return list(ask, heard);
    }
    match packet(ask, heard, &[BIND_ACK, BIND_NAK]) {
        Err(reading) => reading,
        Ok(packet) if packet.get(2) == Some(&BIND_ACK) => match bound(packet) {
            Some((0, _)) => Reading::Say(lookup(ask)),
            _ => Reading::Wrong,
        },
        Ok(_) => Reading::Wrong,
    }
}

/// The first fragment, when it is whole and one of these kinds.
fn packet<'a>(ask: &Ask, heard: Heard<'a>, kinds: &[u8]) -> Result<&'a [u8], Reading> {
    let bytes = heard.bytes;
    let begins = greeting::starts_alike(bytes, &[5, 0]);
    let kind = bytes.get(2);
    if !begins || kind.is_some_and(|kind| !kinds.contains(kind)) {
        return Err(Reading::Wrong);
    }
    let Some(len) = u16_le(bytes, 8).map(usize::from) else {
        return Err(heard.unfinished());
    };
    // Little-endian as we asked; servers answer in the client's order.
    if bytes.get(4) != Some(&0x10) || !(HEAD_LEN..=FRAGMENT_LEN_MAX).contains(&len) {
        return Err(Reading::Wrong);
    }
    let packet = bytes.get(..len).ok_or_else(|| heard.unfinished())?;
    match packet.get(12..16) == Some(call(ask)) {
        true => Ok(packet),
        false => Err(Reading::Wrong),
    }
}

/// Result and secondary address of a bind_ack; after the address comes the list of results.
fn bound(packet: &[u8]) -> Option<(u16, &[u8])> {
    let address_len = usize::from(u16_le(packet, 24)?);
    let address = packet.get(26..26 + address_len)?;
    let list = (26 + address_len).next_multiple_of(4);
    let result = u16_le(packet, list + 4)?;
    Some((result, address.strip_suffix(b"\0").unwrap_or(address)))
}

/// ept_lookup for everything there is, from the begin.
fn lookup(ask: &Ask) -> Vec<u8> {
    let mut body = Vec::new();
    // All elements, no object, no interface, of all versions.
    for number in [0_u32, 0, 0, 1] {
        body.extend_from_slice(&number.to_le_bytes());
    }
    body.extend_from_slice(&[0; 20]);
    body.extend_from_slice(&ENDPOINTS_MAX.to_le_bytes());
    let len = u16::try_from(HEAD_LEN + 8 + body.len()).unwrap_or(u16::MAX);
    let mut out = vec![5, 0, REQUEST, 3, 0x10, 0, 0, 0];
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(call(ask));
    out.extend_from_slice(&(len - 24).to_le_bytes());
    // Context 0.
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(&LOOKUP.to_le_bytes());
    out.extend_from_slice(&body);
    out
}

fn list(ask: &Ask, heard: Heard<'_>) -> Reading {
    let mut rest = heard;
    let mut body = Vec::new();
    loop {
        let packet = match packet(ask, rest, &[RESPONSE, FAULT]) {
            Ok(packet) => packet,
            Err(reading) => return reading,
        };
        if packet.get(2) == Some(&FAULT) {
            // What a server keeps from strangers is not less of a mapper.
            return match u32_le(packet, 24) {
                Some(status) => Reading::proven(format!(
                    "RPC endpoint mapper, keeps its list to itself (fault {status:#010x})"
                )),
                None => Reading::Wrong,
            };
        }
        let Some(part) = packet.get(24..) else {
            return Reading::Wrong;
        };
        body.extend_from_slice(part);
        if packet
            .get(3)
            .is_some_and(|flags| flags & LAST_FRAGMENT != 0)
        {
            break;
        }
        rest.bytes = rest.bytes.get(packet.len()..).unwrap_or_default();
    }
    let Some(endpoints) = endpoints(&body) else {
        return Reading::Wrong;
    };
    let mut ports: Vec<u16> = endpoints.iter().map(|endpoint| endpoint.port).collect();
    ports.sort_unstable();
    ports.dedup();
    Reading::Proven(Proof {
        evidence: format!(
            "RPC endpoint mapper, names {}",
            many(ports.len(), "TCP port")
        ),
        endpoints,
        ..Proof::default()
    })
}

fn many(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// Those of an answer that listen on TCP, each once.
fn endpoints(body: &[u8]) -> Option<Vec<Endpoint>> {
    let mut list = Ndr { body, place: 20 };
    let count = list.number()?;
    let (_, offset, same) = (list.number()?, list.number()?, list.number()?);
    if count > ENDPOINTS_MAX || offset != 0 || same != count {
        return None;
    }
    let mut towers = Vec::new();
    for _ in 0..count {
        list.skip(16)?;
        let has_tower = list.number()? != 0;
        let (offset, len) = (list.number()?, list.number()?);
        // NDR's string of at most 64 characters (C706 appendix O).
        if offset != 0 || len > 64 {
            return None;
        }
        let annotation = list.take(len)?;
        list.align()?;
        towers.extend(has_tower.then_some(annotation));
    }
    let mut out: Vec<Endpoint> = Vec::new();
    for annotation in towers {
        let (_, len) = (list.number()?, list.number()?);
        let tower = list.take(len)?;
        list.align()?;
        let end = annotation.iter().position(|byte| *byte == 0);
        let annotation = annotation.get(..end.unwrap_or(annotation.len()))?;
        if let Some((interface, port)) = tcp_of(tower) {
            let endpoint = Endpoint {
                port,
                interface,
                annotation: shown(annotation),
            };
            if !out.contains(&endpoint) {
                out.push(endpoint);
            }
        }
    }
    // The status of the call: nothing is there, or all is well.
    list.number()?;
    Some(out)
}

/// Interface and port of a tower that leads over TCP; floors are little-endian but for the port.
fn tcp_of(tower: &[u8]) -> Option<(String, u16)> {
    let mut rest = tower.get(2..)?;
    let (mut interface, mut port) = (None, None);
    for floor in 0..u16_le(tower, 0)?.min(8) {
        let left_len = usize::from(u16_le(rest, 0)?);
        let left = rest.get(2..2 + left_len)?;
        rest = rest.get(2 + left_len..)?;
        let right_len = usize::from(u16_le(rest, 0)?);
        let right = rest.get(2..2 + right_len)?;
        rest = rest.get(2 + right_len..)?;
        match left.first() {
            Some(&FLOOR_UUID) if floor == 0 => interface = Some(uuid(left.get(1..17)?)),
            Some(&FLOOR_TCP) => port = u16_be(right, 0).filter(|port| *port != 0),
            _ => {}
        }
    }
    Some((interface?, port?))
}

/// As it is written; the first three parts are little-endian (MS-DTYP 2.3.4.2).
pub(super) fn uuid(bytes: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let first = u32_le(bytes, 0).unwrap_or(0);
    let (second, third) = (u16_le(bytes, 4).unwrap_or(0), u16_le(bytes, 6).unwrap_or(0));
    let (fourth, fifth): ([u8; 2], [u8; 6]) = (
        array(bytes, 8).unwrap_or_default(),
        array(bytes, 10).unwrap_or_default(),
    );
    let (fourth, fifth) = (hex(&fourth), hex(&fifth));
    format!("{first:08x}-{second:04x}-{third:04x}-{fourth}-{fifth}")
}

/// NDR (C706 chapter 14), little-endian.
struct Ndr<'a> {
    body: &'a [u8],
    place: usize,
}

impl<'a> Ndr<'a> {
    fn number(&mut self) -> Option<u32> {
        let number = u32_le(self.body, self.place)?;
        self.place += 4;
        Some(number)
    }

    fn take(&mut self, len: u32) -> Option<&'a [u8]> {
        let end = self.place.checked_add(usize::try_from(len).ok()?)?;
        let taken = self.body.get(self.place..end)?;
        self.place = end;
        Some(taken)
    }

    fn skip(&mut self, len: u32) -> Option<()> {
        self.take(len).map(|_| ())
    }

    /// To the next multiple of four.
    fn align(&mut self) -> Option<()> {
        let pad = self.place.next_multiple_of(4) - self.place;
        self.skip(u32::try_from(pad).ok()?)
    }
}

/// RPC over HTTP without its proxy: whoever connects is told so.
pub(super) fn http_greeting(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    match (
        bytes.len() < HTTP_GREETING.len(),
        greeting::starts_alike(bytes, HTTP_GREETING),
    ) {
        (_, false) => Reading::Wrong,
        (true, true) => heard.unfinished(),
        (false, true) => Reading::proven("RPC over HTTP, ncacn_http/1.0"),
    }
}
