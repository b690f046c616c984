//! What a terminal would remember after some output, as far as a replay needs it: modes, colours,
//! whether an escape sequence is still open. The picture itself is not kept.
//!
//! Sequences: ECMA-48 and the xterm control sequences document, as xterm.js implements them in
//! UTF-8, where bytes 0x80 to 0x9f are parts of characters and no controls.

/// Longest parameters of a sequence that are remembered.
const PARAMS_LEN_MAX: usize = 64;
/// Longest chain of colour changes that is remembered.
const COLOURS_LEN_MAX: usize = 96;
/// Longest text of [`Screen::restore`].
pub(crate) const RESTORE_LEN_MAX: usize = 1024;

/// Private modes (CSI ? n h) that are kept, each with its state after a reset.
const MODES: [(u16, bool); 14] = [
    (1, false),    // application cursor keys
    (5, false),    // reverse video
    (6, false),    // origin
    (7, true),     // wrap
    (9, false),    // mouse: X10
    (25, true),    // cursor is visible
    (45, false),   // reverse wrap
    (66, false),   // application keypad
    (1000, false), // mouse: buttons
    (1002, false), // mouse: drag
    (1003, false), // mouse: any move
    (1004, false), // focus events
    (1006, false), // mouse: SGR coordinates
    (2004, false), // bracketed paste
];

/// State of a terminal that has read some output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Screen {
    parser: Parser,
    params: Vec<u8>,
    pub(crate) memory: Memory,
}

/// What is left when no sequence is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    /// In the order of [`MODES`].
    modes: [bool; MODES.len()],
    alternate: bool,
    keypad: bool,
    /// Colour sequences since the last that reset them, as they came.
    colours: Vec<u8>,
    /// Parameters of the last scroll region (DECSTBM) and cursor shape (DECSCUSR).
    region: Vec<u8>,
    cursor: Vec<u8>,
    /// Final byte of the character set in G0.
    charset: u8,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            modes: MODES.map(|(_, on)| on),
            alternate: false,
            keypad: false,
            colours: Vec::new(),
            region: Vec::new(),
            cursor: Vec::new(),
            charset: b'B',
        }
    }
}

/// Named by what came last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Parser {
    #[default]
    Text,
    Escape,
    /// ESC and an intermediate byte, such as `(`.
    EscapeIntermediate(u8),
    /// CSI; the parameters go on.
    Csi,
    /// OSC, DCS, SOS, PM or APC: everything up to its end belongs to it.
    InString,
    /// ESC inside such a string.
    StringEscape,
}

impl Screen {
    /// Reads more output.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // Plain text changes nothing, and nearly all output is plain text.
            if self.parser == Parser::Text {
                let Some(place) = bytes.iter().position(|&byte| byte == 0x1b) else {
                    return;
                };
                bytes = bytes.get(place..).unwrap_or_default();
            }
            if let Some((&byte, rest)) = bytes.split_first() {
                self.step(byte);
                bytes = rest;
            }
        }
    }

    /// Whether no sequence is open.
    pub(crate) fn is_between_sequences(&self) -> bool {
        self.parser == Parser::Text
    }

    /// Whether the alternate screen is shown, as full-screen programs do.
    pub(crate) fn is_alternate(&self) -> bool {
        self.memory.alternate
    }

    /// Output that brings any terminal to this state: a reset, then what differs from it, then the
    /// beginning of the sequence that is open. At most [`RESTORE_LEN_MAX`] bytes.
    pub(crate) fn restore(&self) -> Vec<u8> {
        let memory = &self.memory;
        let mut out = b"\x1bc".to_vec();
        if memory.alternate {
            out.extend_from_slice(b"\x1b[?1049h");
        }
        for ((number, initial), on) in MODES.iter().zip(memory.modes) {
            if on != *initial {
                let end = if on { 'h' } else { 'l' };
                out.extend_from_slice(format!("\x1b[?{number}{end}").as_bytes());
            }
        }
        if memory.keypad {
            out.extend_from_slice(b"\x1b=");
        }
        if !memory.region.is_empty() {
            // Setting the region moves the cursor home, so it comes before anything is drawn.
            sequence(&mut out, &memory.region, b"r");
        }
        if !memory.cursor.is_empty() {
            sequence(&mut out, &memory.cursor, b" q");
        }
        if memory.charset != b'B' {
            out.extend_from_slice(&[0x1b, b'(', memory.charset]);
        }
        out.extend_from_slice(&memory.colours);
        match self.parser {
            Parser::Text => {}
            Parser::Escape => out.push(0x1b),
            Parser::EscapeIntermediate(byte) => out.extend_from_slice(&[0x1b, byte]),
            Parser::Csi => {
                out.extend_from_slice(b"\x1b[");
                out.extend_from_slice(&self.params);
            }
            // The rest of the string would be printed as text. This one means nothing, and ends
            // where the string ends.
            Parser::InString => out.extend_from_slice(b"\x1b]99999;"),
            Parser::StringEscape => out.extend_from_slice(b"\x1b]99999;\x1b"),
        }
        out
    }

    fn step(&mut self, byte: u8) {
        self.parser = match (self.parser, byte) {
            // CAN and SUB end whatever is open.
            (_, 0x18 | 0x1a) => Parser::Text,
            (Parser::InString, 0x1b) => Parser::StringEscape,
            (Parser::InString, 0x07) => Parser::Text,
            (Parser::InString, _) => Parser::InString,
            (_, 0x1b) => Parser::Escape,
            (Parser::Text, _) => Parser::Text,
            // ESC ends the string, whatever follows; `\` is only the polite end.
            (Parser::StringEscape | Parser::Escape, _) => self.escape(byte),
            (Parser::EscapeIntermediate(first), 0x30..=0x7e) => {
                if first == b'(' {
                    self.memory.charset = byte;
                }
                Parser::Text
            }
            (Parser::EscapeIntermediate(first), _) => Parser::EscapeIntermediate(first),
            (Parser::Csi, 0x40..=0x7e) => {
                self.csi(byte);
                Parser::Text
            }
            (Parser::Csi, 0x20..=0x3f) => {
                // One byte more than the limit marks parameters that are not known in full.
                if self.params.len() <= PARAMS_LEN_MAX {
                    self.params.push(byte);
                }
                Parser::Csi
            }
            (Parser::Csi, _) => Parser::Csi,
        };
    }

    fn escape(&mut self, byte: u8) -> Parser {
        match byte {
            b'[' => {
                self.params.clear();
                return Parser::Csi;
            }
            b']' | b'P' | b'X' | b'^' | b'_' => return Parser::InString,
            0x20..=0x2f => return Parser::EscapeIntermediate(byte),
            b'c' => self.memory = Memory::default(),
            b'=' => self.memory.keypad = true,
            b'>' => self.memory.keypad = false,
            0x00..=0x1f => return Parser::Escape,
            _ => {}
        }
        Parser::Text
    }

    fn csi(&mut self, end: u8) {
        if self.params.len() > PARAMS_LEN_MAX {
            return;
        }
        let memory = &mut self.memory;
        match (end, self.params.as_slice()) {
            (b'h' | b'l', [b'?', numbers @ ..]) => {
                for number in numbers.split(|&byte| byte == b';') {
                    memory.set_mode(decimal(number), end == b'h');
                }
            }
            (b'm', numbers)
                if numbers
                    .iter()
                    .all(|b| b.is_ascii_digit() || b";:".contains(b)) =>
            {
                memory.colour(numbers);
            }
            (b'r', region) if is_numbers(region) => memory.region = region.to_vec(),
            (b'q', [shape @ .., b' ']) if is_numbers(shape) => memory.cursor = shape.to_vec(),
            (b'p', b"!") => {
                let alternate = memory.alternate;
                *memory = Memory {
                    alternate,
                    ..Memory::default()
                };
            }
            _ => {}
        }
    }
}

impl Memory {
    fn set_mode(&mut self, number: Option<u16>, on: bool) {
        match number {
            Some(47 | 1047 | 1049) => self.alternate = on,
            Some(number) => {
                for ((known, _), state) in MODES.iter().zip(&mut self.modes) {
                    if *known == number {
                        *state = on;
                    }
                }
            }
            None => {}
        }
    }

    fn colour(&mut self, numbers: &[u8]) {
        // An empty first parameter is 0: back to the default, and what follows builds on that.
        let resets = numbers.is_empty()
            || numbers.starts_with(b"0;")
            || numbers.starts_with(b";")
            || numbers == b"0";
        if resets {
            self.colours.clear();
        }
        if matches!(numbers, b"" | b"0") {
            return;
        }
        if self.colours.len() + numbers.len() + 3 > COLOURS_LEN_MAX {
            // Only a program that never resets comes here; the latest changes matter most.
            self.colours.clear();
        }
        sequence(&mut self.colours, numbers, b"m");
    }
}

fn sequence(out: &mut Vec<u8>, params: &[u8], end: &[u8]) {
    out.extend_from_slice(b"\x1b[");
    out.extend_from_slice(params);
    out.extend_from_slice(end);
}

fn is_numbers(params: &[u8]) -> bool {
    params.iter().all(|b| b.is_ascii_digit() || *b == b';')
}

fn decimal(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(output: &[u8]) -> Screen {
        let mut screen = Screen::default();
        screen.feed(output);
        screen
    }

    #[test]
    fn a_fresh_screen_needs_only_a_reset() {
        assert_eq!(after(b"hello\r\nworld").restore(), b"\x1bc");
    }

    #[test]
    fn modes_of_a_full_screen_program_are_restored_and_undone() {
        let begin = b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\x1b[?2004h\x1b[1;24r\x1b[?25l\x1b[2 q";
        let screen = after(begin);
        assert!(screen.is_alternate());
        assert_eq!(
            screen.restore(),
            b"\x1bc\x1b[?1049h\x1b[?1h\x1b[?25l\x1b[?2004h\x1b=\x1b[1;24r\x1b[2 q"
        );
        let end = b"\x1b[?2004l\x1b[?1l\x1b>\x1b[?25h\x1b[?1049l\x1b[r\x1b[0 q";
        let screen = after(&[&begin[..], end].concat());
        assert!(!screen.is_alternate());
        assert_eq!(screen.restore(), b"\x1bc\x1b[0 q");
    }

    #[test]
    fn colours_count_from_the_last_reset() {
        assert_eq!(
            after(b"\x1b[31m\x1b[1mx").restore(),
            b"\x1bc\x1b[31m\x1b[1m"
        );
        assert_eq!(after(b"\x1b[31m\x1b[0;32mx").restore(), b"\x1bc\x1b[0;32m");
        assert_eq!(after(b"\x1b[31mx\x1b[m").restore(), b"\x1bc");
        // A query of xterm's key settings is not a colour.
        assert_eq!(after(b"\x1b[>4;2m\x1b[?4m").restore(), b"\x1bc");
    }

    #[test]
    fn a_sequence_that_is_open_is_begun_again() {
        for (open, begun) in [
            (&b"\x1b"[..], &b"\x1b"[..]),
            (b"\x1b(", b"\x1b("),
            (b"\x1b[38;5", b"\x1b[38;5"),
            (b"\x1b]0;title", b"\x1b]99999;"),
            (b"\x1bPq#0;2", b"\x1b]99999;"),
            (b"\x1b]0;title\x1b", b"\x1b]99999;\x1b"),
        ] {
            let screen = after(open);
            assert!(!screen.is_between_sequences(), "{open:?}");
            assert_eq!(screen.restore(), [b"\x1bc", begun].concat(), "{open:?}");
        }
        for closed in [
            &b"\x1b]0;title\x07"[..],
            b"\x1b]8;;x\x1b\\",
            b"\x1b[1\x18",
            b"\x1bP\x1a",
            b"\x1b(0\x1b(B",
        ] {
            assert!(after(closed).is_between_sequences(), "{closed:?}");
            assert_eq!(after(closed).restore(), b"\x1bc", "{closed:?}");
        }
    }

    #[test]
    fn line_drawing_and_resets_are_seen() {
        assert_eq!(after(b"\x1b(0qqq").restore(), b"\x1bc\x1b(0");
        assert_eq!(after(b"\x1b(0\x1b[?25l\x1b[31m\x1bc").restore(), b"\x1bc");
        assert_eq!(
            after(b"\x1b[?1049h\x1b[31m\x1b[!p").restore(),
            b"\x1bc\x1b[?1049h"
        );
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut hostile = Vec::new();
        for number in 0..2000 {
            hostile.extend_from_slice(format!("\x1b[{number};1;1;1;1;1m").as_bytes());
        }
        hostile.extend_from_slice(b"\x1b[");
        hostile.extend(std::iter::repeat_n(b'1', 100_000));
        let screen = after(&hostile);
        assert!(screen.restore().len() <= RESTORE_LEN_MAX);
        assert!(screen.params.len() <= PARAMS_LEN_MAX + 1);
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"plain text\r\n".to_vec()),
            "[ -~äπ]{0,12}".prop_map(String::into_bytes),
            (
                prop::sample::select(MODES.map(|(n, _)| n).to_vec()),
                any::<bool>()
            )
                .prop_map(|(n, on)| format!("\x1b[?{n}{}", if on { 'h' } else { 'l' }).into()),
            any::<bool>().prop_map(|on| format!("\x1b[?1049{}", if on { 'h' } else { 'l' }).into()),
            "\u{1b}\\[[0-9;]{0,9}m".prop_map(String::into_bytes),
            "\u{1b}\\[[0-9]{1,2};[0-9]{1,2}r".prop_map(String::into_bytes),
            "\u{1b}[()][0B]".prop_map(String::into_bytes),
            "\u{1b}[=>c78]".prop_map(String::into_bytes),
            "\u{1b}\\][0-9];[a-z]{0,6}(\u{7}|\u{1b}\\\\)".prop_map(String::into_bytes),
            "\u{1b}\\[[0-6] q".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..6),
        ]
    }

    proptest! {
        /// The promise of a replay: a new terminal that reads `restore` at any cut and then the
        /// rest is where one that read everything is.
        #[test]
        fn restore_and_the_rest_give_the_same_memory(
            pieces in proptest::collection::vec(pieces(), 0..30),
            cut in any::<prop::sample::Index>(),
        ) {
            let output = pieces.concat();
            let cut = cut.index(output.len() + 1);
            let restored = after(&[&after(&output[..cut]).restore(), &output[cut..]].concat());
            let whole = after(&output);
            prop_assert_eq!(restored.memory, whole.memory);
            prop_assert_eq!(restored.parser == Parser::Text, whole.parser == Parser::Text);
        }

        #[test]
        fn pieces_of_output_are_read_the_same_as_the_whole(
            pieces in proptest::collection::vec(pieces(), 0..30),
        ) {
            let mut screen = Screen::default();
            for byte in pieces.concat() {
                screen.feed(&[byte]);
            }
            prop_assert_eq!(screen.memory, after(&pieces.concat()).memory);
        }
    }
}
