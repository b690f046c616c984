//! The small services: echo (RFC 862), daytime (RFC 867), quote of the day (RFC 865) and character
//! generator (RFC 864); NTP (RFC 5905) and TFTP (RFC 1350), which are not much larger.

use super::{Ask, Heard, OWN_NAME, Over, Proof, Reading, pdu::u16_be, pdu::u32_be, shown};

/// Longest text of daytime and quote (RFC 865: less than 512).
const TEXT_LEN_MAX: usize = 512;

/// A line that only an echo sends back.
pub(super) fn echo_opening(ask: &Ask) -> Vec<u8> {
    format!("{OWN_NAME} {:016x}\r\n", u64::from_be_bytes(ask.nonce)).into_bytes()
}

pub(super) fn echo(ask: &Ask, heard: Heard<'_>) -> Reading {
    let said = echo_opening(ask);
    if heard.bytes == said {
        return Reading::proven("sends back what it gets");
    }
    match said.starts_with(heard.bytes) {
        true => heard.unfinished(),
        false => Reading::Wrong,
    }
}

/// Text and the end, with a time of day in it. Over TCP the server closes.
pub(super) fn daytime(heard: Heard<'_>) -> Reading {
    let is_time = |part: &[u8]| match part {
        [a, b, b':', c, d] => [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()),
        _ => false,
    };
    let has_time = heard.bytes.windows(5).any(is_time);
    text_then_end(heard, has_time)
}

/// Text and the end. There is no more to a quote than that, so that it must not look like anything
/// that is known.
pub(super) fn quote(ask: &Ask, heard: Heard<'_>) -> Reading {
    // An echo over UDP sends back the empty line that asked; a character generator sends text, too.
    let has_words = heard.bytes.iter().any(u8::is_ascii_graphic);
    let is_ring = matches!(chargen(ask, heard), Reading::Proven(_));
    text_then_end(heard, has_words && !is_ring)
}

fn text_then_end(heard: Heard<'_>, is_one: bool) -> Reading {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~' | 0x80..);
    let fits = heard.bytes.len() < TEXT_LEN_MAX
        && heard.bytes.iter().all(is_text)
        && super::recognise(heard.bytes).is_none();
    match (fits, heard.is_all) {
        (false, _) => Reading::Wrong,
        (true, false) => Reading::More,
        (true, true) if is_one && !heard.bytes.is_empty() => Reading::proven(shown(heard.bytes)),
        (true, true) => Reading::Wrong,
    }
}

/// Printable characters of a line.
const LINE: usize = 72;

/// Over TCP two lines, each the ring of printable characters from one place on and the second one
/// place further; over UDP any number of characters of that ring.
pub(super) fn chargen(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let whole = lines.len().saturating_sub(1);
    let follows =
        |a: u8, b: u8| b == a.wrapping_add(1) || (a >= b'~' && (b' '..=b'!').contains(&b));
    let is_ring = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.windows(2).all(|pair| match pair {
            [a, b] => follows(*a, *b),
            _ => true,
        })
    };
    if !lines.iter().all(|line| is_ring(line)) {
        return Reading::Wrong;
    }
    let len = |line: &&[u8]| line.strip_suffix(b"\r").unwrap_or(line).len();
    let needs = if ask.over == Over::Datagram { 1 } else { 2 };
    let full = lines.iter().take(whole).filter(|line| len(line) == LINE);
    if full.count() >= needs {
        return Reading::proven("sends the ring of characters");
    }
    match whole >= needs || bytes.len() > 4 * LINE {
        true => Reading::Wrong,
        false => heard.unfinished(),
    }
}

/// RFC 5905 §7.3: version 4, mode 3 (client); our time is the nonce.
pub(super) fn ntp_opening(ask: &Ask) -> Vec<u8> {
    let mut out = vec![0; 48];
    if let Some(first) = out.first_mut() {
        *first = 0x23;
    }
    out.truncate(40);
    out.extend_from_slice(&ask.nonce);
    out
}

/// Seconds between 1900 and 1970.
const NTP_EPOCH_S: i64 = 2_208_988_800;

pub(super) fn ntp(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let (Some([first, stratum]), Some(originate)) = (bytes.get(..2), bytes.get(24..32)) else {
        return heard.unfinished();
    };
    let (Some(seconds), Some(fraction)) = (u32_be(bytes, 40), u32_be(bytes, 44)) else {
        return heard.unfinished();
    };
    // Mode 4 (server), a version that exists, and the answer to this question.
    if first & 7 != 4 || !(1..=4).contains(&(first >> 3 & 7)) || originate != ask.nonce {
        return Reading::Wrong;
    }
    if *stratum == 0 {
        let code = shown(bytes.get(12..16).unwrap_or_default());
        return Reading::proven(format!("NTP, and tells clients to go away: {code}"));
    }
    let is_set = first >> 6 != 3;
    let ms = i64::from(fraction) * 1000 / (1 << 32);
    let clock_ms = (i64::from(seconds) - NTP_EPOCH_S) * 1000 + ms;
    Reading::Proven(Proof {
        evidence: match is_set {
            true => format!("NTP, stratum {stratum}"),
            false => format!("NTP, stratum {stratum}, and its own clock is not set"),
        },
        clock_ahead_ms: is_set.then_some(clock_ms - ask.now_unix_ms),
        ..Proof::default()
    })
}

/// RFC 1350 §5: a read request for a file that is not there.
pub(super) fn tftp_opening(ask: &Ask) -> Vec<u8> {
    let name = format!("{OWN_NAME}-{:016x}", u64::from_be_bytes(ask.nonce));
    let mut out = vec![0, 1];
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\0octet\0");
    out
}

/// An error, or data of a server that has every file.
pub(super) fn tftp(heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    match (u16_be(bytes, 0), u16_be(bytes, 2)) {
        (Some(5), Some(code @ 0..=8)) => match bytes.get(4..).unwrap_or_default() {
            [text @ .., 0] => Reading::proven(format!("TFTP, error {code}: {}", shown(text))),
            _ => heard.unfinished(),
        },
        (Some(3), Some(1)) if bytes.len() <= 516 => Reading::proven("TFTP, sends a file"),
        (Some(5 | 3), None) | (None, _) => heard.unfinished(),
        _ => Reading::Wrong,
    }
}
