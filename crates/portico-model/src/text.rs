//! Text of others made safe to show. Titles, program output and messages of hosts are hostile:
//! an escape sequence in one must not reach a terminal, nor a bidirectional mark turn a line round.

use std::{borrow::Cow, fmt::Write};

/// `text` with every character escaped that a terminal would act on or that hides or reorders
/// its neighbours: controls, line separators, bidirectional marks, invisible formatting and tags.
///
/// Meant for people: a backslash stays as it is, so the result is not to be parsed back.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe_to_show) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe_to_show(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal or reader could be misled by `character`.
pub fn is_unsafe_to_show(character: char) -> bool {
    character.is_control()
        || is_bidi_control(character)
        || matches!(character,
            '\u{ad}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2064}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether `character` ends a line or controls a device: C0, DEL, C1 and the two separators.
pub fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The explicit directional marks of UAX #9, section 2.
fn is_bidi_control(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` with an apostrophe before everything that a spreadsheet would take for the beginning of a
/// formula: at the beginning of a cell, in quotes or not, and after a semicolon, which separates
/// cells in many countries.
pub fn without_formulas(text: &str) -> String {
    const SIGNS: &[char] = &[
        '=', '+', '-', '@', '|', '%', '\t', '\r', '＝', '＋', '－', '＠',
    ];
    let mut out = String::with_capacity(text.len() + 1);
    let mut is_start = true;
    for character in text.chars() {
        if is_start && SIGNS.contains(&character) {
            out.push('\'');
        }
        is_start = character == ';' || (is_start && (character == ' ' || character == '"'));
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_a_spreadsheet_begins_like_a_formula() {
        for (text, safe) in [
            ("a=b", "a=b"),
            ("=cmd", "'=cmd"),
            ("  =cmd", "  '=cmd"),
            ("\"=cmd\"", "\"'=cmd\""),
            ("a;=cmd;b; +1", "a;'=cmd;b; '+1"),
            ("＝cmd", "'＝cmd"),
            ("", ""),
        ] {
            assert_eq!(without_formulas(text), safe);
        }
    }

    #[test]
    fn ordinary_text_is_untouched() {
        for text in [
            "",
            "Büro \u{1f469}\u{200d}\u{1f4bb} =cmd ${HOME} \"a\" <b> EX\\ina",
            "مرحبا",
        ] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\n\tc\u{9b}d\u{7f}e\u{202e}f\u{2028}g\u{e0041}"),
            "a\\u{1b}[2Jb\\r\\n\\tc\\u{9b}d\\u{7f}e\\u{202e}f\\u{2028}g\\u{e0041}"
        );
    }

    #[test]
    fn the_result_has_nothing_left_to_escape() {
        let all: String = ('\0'..=char::MAX).collect();
        assert!(!printable(&all).chars().any(is_unsafe_to_show));
    }
}
