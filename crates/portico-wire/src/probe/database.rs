//! Databases: MySQL and MariaDB, PostgreSQL, SQL Server (MS-TDS) and its browser (MC-SQLR).

use super::{Heard, Proof, Reading, pdu::u16_be, pdu::u16_le, pdu::u32_be, shown};

/// Longest greeting of MySQL.
const MYSQL_LEN_MAX: usize = 1024;

/// The server speaks first: length in three bytes, number 0, and version 10 of the protocol or an
/// error ("MySQL Client/Server Protocol", Protocol::HandshakeV10).
pub(super) fn mysql(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let head = match *bytes {
        [a, b, 0, 0, kind, ..] => (u16::from_le_bytes([a, b]), kind),
        [_, _, c, n, ..] if c != 0 || n != 0 => return Reading::Wrong,
        _ if bytes.len() >= 5 => return Reading::Wrong,
        _ => return heard.unfinished(),
    };
    let (len, kind) = (usize::from(head.0), head.1);
    if !matches!(kind, 10 | 0xff) || !(4..=MYSQL_LEN_MAX).contains(&len) {
        return Reading::Wrong;
    }
    let Some(packet) = bytes.get(4..4 + len) else {
        return heard.unfinished();
    };
    if kind == 0xff {
        let text = packet.get(3..).unwrap_or_default();
        return Reading::proven(format!("refuses this client: {}", shown(text)));
    }
    match packet.iter().position(|byte| *byte == 0) {
        Some(end) => {
            let version = packet.get(1..end).unwrap_or_default();
            Reading::proven(format!("version {}", shown(version)))
        }
        None => Reading::Wrong,
    }
}

/// SSLRequest ("Frontend/Backend Protocol", section "Message Formats").
pub(super) const POSTGRES_OPENING: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// A start in a version that no server has, so that nobody's log-on is tried.
const POSTGRES_START: &[u8] = &[0, 0, 0, 9, 0x27, 0x0f, 0, 0, 0];

pub(super) fn postgres(step: u8, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    match (step, bytes) {
        (_, []) => heard.unfinished(),
        // That TLS begins is the proof; it is for the holder of the socket to see to it.
        (0, b"S") => Reading::Proven(Proof {
            evidence: "PostgreSQL, begins TLS when asked".into(),
            starts_tls: true,
            ..Proof::default()
        }),
        (0, b"N") => Reading::Say(POSTGRES_START.to_vec()),
        (1, [b'E', ..]) => match u32_be(bytes, 1) {
            Some(len @ 5..=8192) => match bytes.get(5..1 + len as usize) {
                Some(fields) => postgres_error(fields),
                None => heard.unfinished(),
            },
            Some(_) => Reading::Wrong,
            None => heard.unfinished(),
        },
        _ => Reading::Wrong,
    }
}

/// Fields of an ErrorResponse: a letter and a text each.
fn postgres_error(fields: &[u8]) -> Reading {
    let texts = fields.split(|byte| *byte == 0);
    let texts: Vec<&[u8]> = texts.filter(|text| !text.is_empty()).collect();
    let field = |letter: u8| texts.iter().find(|text| text.first() == Some(&letter));
    match (field(b'S'), field(b'M')) {
        (Some(_), Some(message)) => Reading::proven(format!(
            "PostgreSQL without TLS: {}",
            shown(message.get(1..).unwrap_or_default())
        )),
        _ => Reading::Wrong,
    }
}

/// PRELOGIN (MS-TDS 2.2.6.5): our version and that we can encrypt.
pub(super) const TDS_OPENING: &[u8] = &[
    0x12, 0x01, 0x00, 0x1a, 0, 0, 1, 0, // header: 26 bytes, packet 1
    0x00, 0x00, 0x0b, 0x00, 0x06, // VERSION at 11
    0x01, 0x00, 0x11, 0x00, 0x01, // ENCRYPTION at 17
    0xff, // end
    0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, // version 15.0
    0x00, // off, but available
];

/// The answer is a tabular result with the same options.
pub(super) fn tds(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    match *bytes {
        [] => return heard.unfinished(),
        [4] | [4, 1] => return heard.unfinished(),
        [4, 1, ..] => {}
        _ => return Reading::Wrong,
    }
    let Some(len) = u16_be(bytes, 2).map(usize::from) else {
        return heard.unfinished();
    };
    if !(19..=4096).contains(&len) {
        return Reading::Wrong;
    }
    let Some(body) = bytes.get(8..len) else {
        return heard.unfinished();
    };
    // The first option is the version of the server.
    let place = match body.first() {
        Some(0) => u16_be(body, 1).map(usize::from),
        _ => return Reading::Wrong,
    };
    let version = place.and_then(|place| body.get(place..place + 4));
    match version {
        Some([major, minor, build @ ..]) => {
            let build = u16_be(build, 0).unwrap_or(0);
            Reading::proven(format!("SQL Server {major}.{minor}.{build}"))
        }
        _ => Reading::Wrong,
    }
}

/// CLNT_UCAST_EX (MC-SQLR 2.2.2): all instances of this machine.
pub(super) const SQL_BROWSER_OPENING: &[u8] = &[3];

/// SVR_RESP (MC-SQLR 2.2.5): 5, length, and a list in text.
pub(super) fn sql_browser(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let Some(len) = u16_le(bytes, 1).map(usize::from) else {
        return heard.unfinished();
    };
    match (bytes.first(), bytes.get(3..3 + len)) {
        (Some(5), Some(list)) if list.starts_with(b"ServerName;") => Reading::proven(shown(list)),
        (Some(5), None) => heard.unfinished(),
        _ => Reading::Wrong,
    }
}
