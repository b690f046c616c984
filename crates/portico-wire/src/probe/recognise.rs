//! What bytes of an unknown service look like, and how they are shown.

use super::{SHOWN_LEN_MAX, pdu};

/// What a server sent, fit to be shown: printable ASCII without the line end, the rest as `\xNN`,
/// cut to a length.
pub fn shown(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
        .map_or(0, |last| last + 1);
    let mut text = String::new();
    for byte in bytes.get(..end).unwrap_or_default() {
        if text.len() >= SHOWN_LEN_MAX {
            text.push('…');
            break;
        }
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text
}

/// The protocol that the first bytes of a server look like. It is a hint for people and proves
/// nothing.
pub fn recognise(bytes: &[u8]) -> Option<&'static str> {
    text(bytes).or_else(|| binary(bytes))
}

fn text(bytes: &[u8]) -> Option<&'static str> {
    let starts = |with: &[u8]| bytes.starts_with(with);
    let has = |part: &str| contains_ignoring_case(bytes, part);
    match bytes {
        _ if starts(b"SSH-") => Some("SSH"),
        _ if starts(b"RFB ") => Some("VNC"),
        _ if starts(b" !\"#$%&'()*") => Some("a character generator"),
        _ if starts(b"HTTP/") => Some("HTTP"),
        _ if starts(b"RTSP/") => Some("RTSP"),
        _ if starts(b"ncacn_http/") => Some("RPC over HTTP"),
        _ if starts(b"+OK") => Some("POP3"),
        _ if starts(b"* OK") || starts(b"* PREAUTH") || starts(b"* BYE") => Some("IMAP"),
        [
            b'2' | b'4' | b'5',
            b'0'..=b'9',
            b'0'..=b'9',
            b' ' | b'-',
            ..,
        ] => {
            if has("smtp") || has("mail") {
                Some("SMTP")
            } else if has("ftp") {
                Some("FTP")
            } else if has("nntp") || has("news") || starts(b"200 ") || starts(b"201 ") {
                Some("NNTP")
            } else {
                Some("a mail, news or file server")
            }
        }
        _ => None,
    }
}

fn binary(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x15 | 0x16, 0x03, 0x00..=0x04, ..] => Some("TLS"),
        [0x03, 0x00, _, _, _, 0xd0, ..] => Some("RDP"),
        [0xff, 0xfb..=0xfe, ..] => Some("telnet"),
        [0x05, 0x00, 0x02..=0x0d, ..] => Some("RPC"),
        [0x00, _, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..] => Some("SMB"),
        [0x82..=0x84, 0x00, 0x00, 0x00..=0x06, ..] => Some("NetBIOS session service"),
        [b'E', 0x00, 0x00, _, _, b'S', ..] => Some("PostgreSQL"),
        [_, _, 0x00, 0x00, 0x0a, b'0'..=b'9', ..] => Some("MySQL"),
        [_, _, 0x00, 0x00, 0xff, _, _, ..] => Some("MySQL"),
        [0x00 | 0x02, _, 0x0b, 0x00, ..] | [0x01, 0x00, 0x0b, 0x00, ..] => Some("X11"),
        [0x00, _, _, _, 0x1a, 0x2b, 0x3c, 0x4d, ..] => Some("PPTP"),
        [0x04, 0x01, ..] if pdu::u16_be(bytes, 2) == u16::try_from(bytes.len()).ok() => {
            Some("SQL Server")
        }
        [0x10, _, _, _, b'L', b'I', b'O', b'R', ..] => Some("MSMQ"),
        [0x7e | 0x6b, ..] => Some("Kerberos"),
        [0x30, ..] if is_ldap(bytes) => Some("LDAP"),
        _ => None,
    }
}

/// LDAPMessage with a message id of one byte and one of the operations that answer.
fn is_ldap(bytes: &[u8]) -> bool {
    let Some(body) = super::ber::Element::first(bytes) else {
        return false;
    };
    matches!(body.content, [0x02, 0x01, _, 0x61 | 0x64 | 0x65 | 0x78, ..])
}

fn contains_ignoring_case(bytes: &[u8], part: &str) -> bool {
    let part = part.as_bytes();
    bytes
        .windows(part.len().max(1))
        .any(|window| window.eq_ignore_ascii_case(part))
}
