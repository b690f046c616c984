//! Services that greet with a line of text: SSH (RFC 4253), SMTP (RFC 5321), POP3 (RFC 1939),
//! IMAP (RFC 3501), NNTP (RFC 3977), FTP (RFC 959 and 2389).
//!
//! A greeting alone can be that of a relative (220 greets for SMTP and FTP), so that a second
//! question follows which only the service itself answers as it should.

use super::{Heard, Proof, Reading, shown};

/// Longest line, with its end: RFC 5321 allows 512, and some banners are longer.
const LINE_LEN_MAX: usize = 2048;
/// Lines that an SSH server may send before it identifies itself, as OpenSSH reads them.
const SSH_LINES_BEFORE_MAX: usize = 50;
/// Longest SSH identification with its CR LF (RFC 4253 §4.2).
const SSH_LINE_LEN_MAX: usize = 255;

/// The first line without its end, and what follows it.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let text = bytes.get(..end)?;
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    Some((text, bytes.get(end + 1..).unwrap_or_default()))
}

/// A reply of one or more lines with a code of three digits (RFC 5321 §4.2, RFC 959 §4.2).
enum Reply<'a> {
    Short,
    Other,
    Whole { code: u16, lines: Vec<&'a [u8]> },
}

fn reply(bytes: &[u8]) -> Reply<'_> {
    let digits = |line: &[u8]| line.iter().take(3).all(u8::is_ascii_digit);
    let (mut lines, mut rest) = (Vec::new(), bytes);
    let mut code: Option<&[u8]> = None;
    while let Some((text, after)) = line(rest) {
        let own = text.get(..3).filter(|own| digits(own));
        let is_last = text.get(3).is_none_or(|byte| *byte != b'-');
        let code = match (code, own) {
            (None, None) => return Reply::Other,
            (None, Some(own)) => *code.insert(own),
            (Some(code), _) => code,
        };
        lines.push(text);
        if is_last && own == Some(code) {
            let code = code
                .iter()
                .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
            return Reply::Whole { code, lines };
        }
        rest = after;
    }
    if rest.len() > LINE_LEN_MAX || (code.is_none() && !digits(rest)) {
        return Reply::Other;
    }
    Reply::Short
}

fn first<'a>(lines: &[&'a [u8]]) -> &'a [u8] {
    lines.first().copied().unwrap_or_default()
}

fn has(lines: &[&[u8]], word: &[u8]) -> bool {
    lines.iter().any(|line| {
        line.windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word))
    })
}

pub(super) fn ssh(heard: Heard<'_>) -> Reading {
    let mut rest = heard.bytes;
    for _ in 0..=SSH_LINES_BEFORE_MAX {
        let Some((text, after)) = line(rest) else {
            return match rest.len() > SSH_LINE_LEN_MAX {
                true => Reading::Wrong,
                false => heard.unfinished(),
            };
        };
        // 1.99 is version 2 that also speaks version 1 (RFC 4253 §5.1).
        if text.starts_with(b"SSH-2.0-") || text.starts_with(b"SSH-1.99-") {
            // Ours, so that the server logs a client that went away and not an attack.
            return Reading::proven_parting(shown(text), b"SSH-2.0-Portico_probe\r\n");
        }
        if text.starts_with(b"SSH-") || super::recognise(heard.bytes).is_some() {
            return Reading::Wrong;
        }
        rest = after;
    }
    Reading::Wrong
}

pub(super) fn smtp(step: u8, heard: Heard<'_>) -> Reading {
    let (code, lines) = match reply(heard.bytes) {
        Reply::Short => return heard.unfinished(),
        Reply::Other => return Reading::Wrong,
        Reply::Whole { code, lines } => (code, lines),
    };
    match (step, code) {
        // Some servers check that the name in EHLO is a name or an address literal.
        (0, 220) => Reading::Say(b"EHLO [127.0.0.1]\r\n".to_vec()),
        (1, 250) if has(&lines, b"STARTTLS") => Reading::Say(b"STARTTLS\r\n".to_vec()),
        (1, 250) => Reading::proven_parting("no STARTTLS", b"QUIT\r\n"),
        (2, 220) => Reading::Proven(Proof {
            evidence: shown(first(&lines)),
            starts_tls: true,
            ..Proof::default()
        }),
        (2, 454) => Reading::proven_parting(
            format!("STARTTLS is offered and refused: {}", shown(first(&lines))),
            b"QUIT\r\n",
        ),
        _ => Reading::Wrong,
    }
}

pub(super) fn ftp(step: u8, heard: Heard<'_>) -> Reading {
    let (code, lines) = match reply(heard.bytes) {
        Reply::Short => return heard.unfinished(),
        Reply::Other => return Reading::Wrong,
        Reply::Whole { code, lines } => (code, lines),
    };
    let quit = b"QUIT\r\n";
    match (step, code) {
        (0, 220) if has(&lines, b"SMTP") => Reading::Wrong,
        (0, 220) => Reading::Say(b"FEAT\r\n".to_vec()),
        // A mail server knows no FEAT (500, 502), and its 530 has a code of RFC 3463 in it.
        (1, 211) => Reading::proven_parting(
            match has(&lines, b"AUTH TLS") {
                true => "FTP with AUTH TLS",
                false => "FTP without TLS",
            },
            quit,
        ),
        (1, 500 | 502 | 530) => Reading::Say(b"SYST\r\n".to_vec()),
        (2, 215) => Reading::proven_parting(shown(first(&lines)), quit),
        (2, 530) if !first(&lines).starts_with(b"530 5.") => {
            Reading::proven_parting(shown(first(&lines)), quit)
        }
        _ => Reading::Wrong,
    }
}

pub(super) fn nntp(step: u8, heard: Heard<'_>) -> Reading {
    let (code, lines) = match reply(heard.bytes) {
        Reply::Short => return heard.unfinished(),
        Reply::Other => return Reading::Wrong,
        Reply::Whole { code, lines } => (code, lines),
    };
    let line = shown(first(&lines));
    match (step, code) {
        (0, 200 | 201) => Reading::Say(b"DATE\r\n".to_vec()),
        // The date as RFC 3977 §7.1 has it; a server of before that knows no DATE.
        (1, 111) => Reading::proven_parting(line, b"QUIT\r\n"),
        (1, 480 | 500) => Reading::Say(b"HELP\r\n".to_vec()),
        (2, 100) => Reading::proven_parting(line, b"QUIT\r\n"),
        _ => Reading::Wrong,
    }
}

pub(super) fn pop3(step: u8, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let Some((text, rest)) = line(bytes) else {
        let may_be = starts_alike(bytes, b"+OK") || starts_alike(bytes, b"-ERR");
        return match may_be && bytes.len() <= LINE_LEN_MAX {
            true => heard.unfinished(),
            false => Reading::Wrong,
        };
    };
    let is_ok = text.starts_with(b"+OK");
    match step {
        0 if is_ok => Reading::Say(b"CAPA\r\n".to_vec()),
        // RFC 2449; servers of before that refuse it, with the same words as all of POP3.
        1 if text.starts_with(b"-ERR") => {
            Reading::proven_parting("POP3 without capabilities", b"QUIT\r\n")
        }
        1 if is_ok => match ends_with_dot(rest) {
            None => heard.unfinished(),
            Some(lines) if has(&lines, b"STLS") => Reading::Say(b"STLS\r\n".to_vec()),
            Some(lines) => {
                let names: Vec<String> = lines.iter().map(|line| shown(line)).collect();
                Reading::proven_parting(format!("POP3: {}", names.join(", ")), b"QUIT\r\n")
            }
        },
        2 if is_ok => Reading::Proven(Proof {
            evidence: shown(text),
            starts_tls: true,
            ..Proof::default()
        }),
        _ => Reading::Wrong,
    }
}

/// Lines up to one with nothing but a dot.
fn ends_with_dot(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut lines, mut rest) = (Vec::new(), bytes);
    while let Some((text, after)) = line(rest) {
        if text == b"." {
            return Some(lines);
        }
        lines.push(text);
        rest = after;
    }
    None
}

/// Whether `bytes` begin as `with` does, as far as they go.
pub(super) fn starts_alike(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(a, b)| a == b)
}

pub(super) fn imap(step: u8, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let Some((text, _)) = line(bytes) else {
        let may_be = starts_alike(bytes, b"* ") || (step > 0 && starts_alike(bytes, b"a"));
        return match may_be && bytes.len() <= ANSWER_LINE_LEN_MAX {
            true => heard.unfinished(),
            false => Reading::Wrong,
        };
    };
    if step == 0 {
        return match text.starts_with(b"* OK") || text.starts_with(b"* PREAUTH") {
            true => Reading::Say(b"a1 CAPABILITY\r\n".to_vec()),
            false => Reading::Wrong,
        };
    }
    let tag: &[u8] = if step == 1 { b"a1 " } else { b"a2 " };
    let Some((before, last)) = tagged(bytes, tag) else {
        return heard.unfinished();
    };
    let capability = before
        .iter()
        .copied()
        .find(|line| line.starts_with(b"* CAPABILITY"));
    let is_ok = last.get(3..).is_some_and(|rest| rest.starts_with(b"OK"));
    match (step, capability) {
        (1, Some(line)) if is_ok && has(&[line], b"STARTTLS") => {
            Reading::Say(b"a2 STARTTLS\r\n".to_vec())
        }
        (1, Some(line)) if is_ok => Reading::proven_parting(shown(line), b"a3 LOGOUT\r\n"),
        (2, _) if is_ok => Reading::Proven(Proof {
            evidence: shown(last),
            starts_tls: true,
            ..Proof::default()
        }),
        (2, _) => Reading::proven_parting(
            format!("STARTTLS is offered and refused: {}", shown(last)),
            b"a3 LOGOUT\r\n",
        ),
        _ => Reading::Wrong,
    }
}

/// Longest line of capabilities.
const ANSWER_LINE_LEN_MAX: usize = 8 << 10;

/// Lines before the one with the tag, and that one.
fn tagged<'a>(bytes: &'a [u8], tag: &[u8]) -> Option<(Vec<&'a [u8]>, &'a [u8])> {
    let (mut lines, mut rest) = (Vec::new(), bytes);
    while let Some((text, after)) = line(rest) {
        if text.starts_with(tag) {
            return Some((lines, text));
        }
        lines.push(text);
        rest = after;
    }
    None
}
