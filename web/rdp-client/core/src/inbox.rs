//! Finds whole PDUs in a stream that is cut anywhere.

use ironrdp_pdu::Action;

use crate::End;

/// Bytes that came and are not used yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Where the unused ones begin; moving them for each PDU would copy a large read many times.
    start: usize,
}

impl Inbox {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// All bytes that are not used yet.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Takes `len` bytes; `None` when there are fewer.
    pub(crate) fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let taken = self.rest().get(..len)?.to_vec();
        self.start += len;
        Some(taken)
    }

    /// Takes the next RDP PDU: TPKT (X.224) or fast path; both say their length in at most four
    /// bytes, and it is at most 64 KiB.
    pub(crate) fn take_pdu(&mut self) -> Result<Option<(Action, Vec<u8>)>, End> {
        let Some(info) = ironrdp_pdu::find_size(self.rest())
            .map_err(|error| End::protocol("the host sent no RDP PDU", error))?
        else {
            return Ok(None);
        };
        if info.length == 0 {
            return Err(End::protocol("the host sent an RDP PDU", "of length 0"));
        }
        Ok(self.take(info.length).map(|pdu| (info.action, pdu)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pdus_come_out_whole_wherever_the_stream_is_cut() {
        let stream = [
            &[3, 0, 0, 7, 1, 2, 3][..], // TPKT of 7 bytes
            &[0, 4, 9, 9],              // fast path of 4 bytes
            &[0, 0x80, 5, 7, 7],        // fast path with a long length
        ]
        .concat();
        for cut in 1..=stream.len() {
            let mut inbox = Inbox::default();
            let mut seen = Vec::new();
            for part in stream.chunks(cut) {
                inbox.push(part);
                while let Some((_, pdu)) = inbox.take_pdu().unwrap() {
                    seen.push(pdu.len());
                }
            }
            assert_eq!(seen, [7, 4, 5], "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_pdu_is_told() {
        for bytes in [&[3_u8, 0, 0, 0][..], &[0, 0], &[2, 2, 2, 2]] {
            let mut inbox = Inbox::default();
            inbox.push(bytes);
            assert!(inbox.take_pdu().is_err(), "{bytes:?}");
        }
    }
}
