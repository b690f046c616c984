//! Log-on of old: telnet (RFC 854), rlogin (RFC 1282), rexec and rsh (BSD), and the line printer
//! daemon (RFC 1179).

use super::{Heard, OWN_NAME, Reading, shown};

/// IAC DO SUPPRESS-GO-AHEAD: every telnet server has to answer it with WILL or WONT.
pub(super) const TELNET_OPENING: &[u8] = &[255, 253, 3];
/// Text before the first option that a server may send.
const TELNET_TEXT_MAX: usize = 4 << 10;

pub(super) fn telnet(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    if super::recognise(bytes).is_some_and(|known| known != "telnet") {
        return Reading::Wrong;
    }
    // An echo sends the question back. A telnet server may ask the same by itself, and then goes on.
    if bytes == TELNET_OPENING {
        return heard.unfinished();
    }
    let Some(place) = bytes.iter().position(|byte| *byte == 255) else {
        return match bytes.len() > TELNET_TEXT_MAX {
            true => Reading::Wrong,
            false => heard.unfinished(),
        };
    };
    // WILL, WONT, DO, DONT with an option that is assigned or private, or a subnegotiation.
    match (bytes.get(place + 1), bytes.get(place + 2)) {
        (Some(250..=254), Some(_)) => Reading::proven("negotiates options as telnet does"),
        (Some(250..=254) | None, None) => heard.unfinished(),
        _ => Reading::Wrong,
    }
}

/// No port for errors, and no user, password or command: nobody can be logged on by that.
pub(super) const REXEC_OPENING: &[u8] = b"0\0\0\0\0";

/// rexec(1): an error is one byte 1 and a line of text.
pub(super) fn rexec(heard: Heard<'_>) -> Reading {
    one_and_line(heard, "rexecd")
}

/// The three have this in common; some begin the line with their name, which tells them apart.
fn one_and_line(heard: Heard<'_>, own: &str) -> Reading {
    let others = ["rexecd", "rshd", "rlogind"];
    let is_other = |text: &[u8]| {
        let mut others = others.iter().filter(|name| **name != own);
        others.any(|name| text.starts_with(name.as_bytes()))
    };
    match heard.bytes {
        [] => heard.unfinished(),
        [1, text @ ..] if !text.iter().all(is_text) => Reading::Wrong,
        [1, text @ ..] => match super::greeting::line(text) {
            Some((text, _)) if is_other(text) => Reading::Wrong,
            Some((text, _)) => Reading::proven(format!("refuses as it should: {}", shown(text))),
            None if text.len() > 512 => Reading::Wrong,
            None => heard.unfinished(),
        },
        _ => Reading::Wrong,
    }
}

fn is_text(byte: &u8) -> bool {
    matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~')
}

/// No port for errors, our name on both sides, and no command.
pub(super) fn rsh_opening() -> Vec<u8> {
    format!("0\0{OWN_NAME}\0{OWN_NAME}\0\0").into_bytes()
}

/// rshd: an error is one byte 1 and a line of text, with the name of the program before it when
/// the port of the client is not a privileged one.
pub(super) fn rsh(heard: Heard<'_>) -> Reading {
    one_and_line(heard, "rshd")
}

/// RFC 1282: an empty string, user there, user here, terminal and speed.
pub(super) fn rlogin_opening() -> Vec<u8> {
    format!("\0{OWN_NAME}\0{OWN_NAME}\0dumb/9600\0").into_bytes()
}

/// RFC 1282: the server answers with a zero byte; an error is as rshd's.
pub(super) fn rlogin(heard: Heard<'_>) -> Reading {
    let said = rlogin_opening();
    match heard.bytes {
        [] | [0] => heard.unfinished(),
        // An echo sends back what we said.
        bytes if bytes.starts_with(&said) => Reading::Wrong,
        bytes if said.starts_with(bytes) => heard.unfinished(),
        // What follows is the question for a password or the log-on's own text, or the request for
        // the size of the window.
        [0, b'\r' | b'\n' | b' '..=b'~' | 0x80, ..] => {
            Reading::proven("takes the connection and goes on to the log-on")
        }
        [1, ..] => one_and_line(heard, "rlogind"),
        _ => Reading::Wrong,
    }
}

/// Longest text behind the number of a refusal.
const LPD_TEXT_LEN_MAX: usize = 512;

/// Whether this is the text of a print server, and not of rsh and its relatives, which begin a
/// refusal with one and text, too.
fn is_refusal(text: &[u8]) -> bool {
    let others: [&[u8]; 5] = [
        b"rexecd",
        b"rshd",
        b"rlogind",
        b"Permission denied",
        b"Login",
    ];
    text.len() <= LPD_TEXT_LEN_MAX
        && text.iter().all(is_text)
        && !others.iter().any(|other| text.starts_with(other))
}

/// RFC 1179 §5.2, "Receive a printer job", for a queue that is not there. Nothing is printed.
pub(super) fn lpd_opening() -> Vec<u8> {
    format!("\x02{OWN_NAME}\n").into_bytes()
}

/// One byte: zero when there is such a queue; another number and the end when not. LPRng says why
/// behind the number.
pub(super) fn lpd(step: u8, heard: Heard<'_>) -> Reading {
    match (step, heard.bytes) {
        // An echo sends back what we said.
        (0, bytes) if bytes.starts_with(&lpd_opening()) => Reading::Wrong,
        (0, []) => heard.unfinished(),
        // Abort the job (RFC 1179 §6.1), so that not even an empty one stays.
        (0, [0]) => Reading::Say(b"\x01\n".to_vec()),
        (0, [refusal @ 1..=9]) if heard.is_all => {
            Reading::proven(format!("refuses the queue with {refusal}"))
        }
        (0, [1..=9]) => Reading::More,
        (0, [refusal @ 1..=9, text @ ..]) if is_refusal(text) => match heard.is_all {
            true => Reading::proven(format!("refuses the queue with {refusal}: {}", shown(text))),
            false => Reading::More,
        },
        // It answers the end of the job, too, or leaves.
        (1, [0..=9]) => Reading::proven("accepts print jobs"),
        (1, []) if heard.is_all => Reading::proven("accepts print jobs"),
        (1, []) => Reading::More,
        _ => Reading::Wrong,
    }
}
