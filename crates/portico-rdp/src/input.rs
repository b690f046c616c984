//! Tells a user's input from the rest of what a client sends once the session runs.
//!
//! Clients send on their own, such as frame acknowledgements while the picture moves; that is no
//! sign of a user. Input is a fast-path input PDU (MS-RDPBCGR 2.2.8.1.2) or a slow-path PDU of
//! type input (2.2.8.1.1.3). Only lengths and types are looked at.

/// Bytes of a slow-path PDU up to and with its type: TPKT 4, X.224 3, MCS 6 and a length of two,
/// share control header 6, share data header 9.
const SLOW_PATH_TYPE_END: usize = 4 + 3 + 6 + 2 + 6 + 9;

/// `PDUTYPE2_INPUT`.
const TYPE_INPUT: u8 = 28;

/// Watches what one client sends, wherever the stream is cut.
#[derive(Debug, Default)]
pub struct InputWatch {
    /// Beginning of the PDU at hand.
    head: [u8; SLOW_PATH_TYPE_END],
    head_len: usize,
    /// Bytes of the PDU that are still to come and do not matter.
    skip: usize,
    /// The stream is not RDP as it is known here; then everything counts as input.
    lost: bool,
}

impl InputWatch {
    /// A watch at the beginning of a PDU.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what the client sent and says whether a user's input is in it.
    pub fn feed(&mut self, mut bytes: &[u8]) -> bool {
        let mut input = self.lost;
        while !bytes.is_empty() && !self.lost {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let (byte, rest) = match bytes.split_first() {
                Some((byte, rest)) => (*byte, rest),
                None => break,
            };
            bytes = rest;
            if let Some(place) = self.head.get_mut(self.head_len) {
                *place = byte;
                self.head_len += 1;
            }
            input |= self.look();
        }
        input || self.lost
    }

    /// Looks at the beginning of the PDU; when enough is known, goes on to the next one.
    fn look(&mut self) -> bool {
        let head = self.head.get(..self.head_len).unwrap_or_default();
        let (len, input) = match head {
            [3, _, high, low, ..] => {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                if head.len() < len.min(SLOW_PATH_TYPE_END) {
                    return false;
                }
                (len, is_slow_path_input(head))
            }
            [3] | [3, _] | [3, _, _] | [] => return false,
            // The lowest two bits are the action: 0 is fast-path input.
            [first, ..] if first & 3 != 0 => (0, false),
            [_] | [_, 0x80..=0xff] => return false,
            [_, short @ ..=0x7f, ..] => (usize::from(*short), true),
            [_, high, low, ..] => (usize::from(u16::from_be_bytes([high & 0x7f, *low])), true),
        };
        match len.checked_sub(self.head_len) {
            Some(skip) => self.skip = skip,
            None => self.lost = true,
        }
        self.head_len = 0;
        input
    }
}

/// Whether a slow-path PDU is a Send Data Request with a data PDU of type input.
fn is_slow_path_input(head: &[u8]) -> bool {
    let [
        _,
        _,
        _,
        _,
        2,
        0xf0,
        0x80,
        choice,
        _,
        _,
        _,
        _,
        _,
        len,
        rest @ ..,
    ] = head
    else {
        return false;
    };
    if choice >> 2 != 25 {
        return false;
    }
    let rest = if *len & 0x80 == 0 {
        Some(rest)
    } else {
        rest.get(1..)
    };
    // Total length, PDU type, source; share id, padding, stream, length, type.
    match rest.unwrap_or_default() {
        [_, _, kind, _, _, _, _, _, _, _, _, _, _, _, kind2, ..] => {
            kind & 0x0f == 7 && *kind2 == TYPE_INPUT
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x04, 0x04, 0x00, 0x1e];
    const LONG_KEY: [u8; 5] = [0x08, 0x80, 0x05, 0x00, 0x1e];

    fn slow_path(kind: u8) -> Vec<u8> {
        let mut pdu = vec![
            3, 0, 0, 44, 2, 0xf0, 0x80, 0x64, 0, 6, 3, 0xeb, 0x70, 0x80, 29,
        ];
        pdu.extend([29, 0, 0x17, 0, 0xef, 3, 1, 0, 0, 0, 0, 1, 29, 0, kind]);
        pdu.resize(44, 0);
        pdu
    }

    #[test]
    fn keys_are_input_and_acknowledgements_are_not() {
        let acknowledgement = slow_path(0x38);
        for (stream, expected) in [
            (KEY.to_vec(), true),
            (LONG_KEY.to_vec(), true),
            (slow_path(TYPE_INPUT), true),
            (acknowledgement.clone(), false),
            ([acknowledgement.clone(), KEY.to_vec()].concat(), true),
            (acknowledgement.repeat(3), false),
            (vec![], false),
        ] {
            assert_eq!(InputWatch::new().feed(&stream), expected, "{stream:x?}");
            let mut watch = InputWatch::new();
            let seen = stream.chunks(1).filter(|byte| watch.feed(byte)).count();
            assert_eq!(seen > 0, expected);
            // The next PDU is found in any case.
            assert!(!watch.feed(&acknowledgement));
            assert!(watch.feed(&KEY));
        }
    }

    #[test]
    fn a_stream_that_is_not_understood_counts_as_input() {
        for stream in [&[0x05, 9, 9][..], &[3, 0, 0, 2], &[0, 1]] {
            let mut watch = InputWatch::new();
            watch.feed(stream);
            assert!(watch.feed(&[0; 3]), "{stream:x?}");
        }
    }
}
