//! The last bytes of a stream, with their offsets.

use std::collections::VecDeque;

/// Most bytes that are kept.
pub(crate) const RING_LEN_MAX: usize = 128 * 1024;
/// Room that is taken at first; most sessions write little.
const ROOM_FIRST: usize = 4 * 1024;

/// The last [`RING_LEN_MAX`] bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    bytes: VecDeque<u8>,
    start: u64,
}

impl Ring {
    /// Offset of the first byte that is kept.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Offset after the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(offset(self.bytes.len()))
    }

    /// Appends `new`; what no longer fits goes to `dropped`, oldest first, in order.
    pub(crate) fn push(&mut self, new: &[u8], mut dropped: impl FnMut(&[u8])) {
        // Of a piece longer than the ring only the end can stay.
        let (passed, kept) = new.split_at(new.len().saturating_sub(RING_LEN_MAX));
        let excess = (self.bytes.len() + kept.len()).saturating_sub(RING_LEN_MAX);
        let (front, back) = slices(&self.bytes, 0, excess);
        dropped(front);
        dropped(back);
        dropped(passed);
        self.bytes.drain(..excess);
        self.start = self.start.saturating_add(offset(excess + passed.len()));
        let len = self.bytes.len() + kept.len();
        if len > self.bytes.capacity() {
            let room = len.next_power_of_two().clamp(ROOM_FIRST, RING_LEN_MAX);
            self.bytes
                .reserve_exact(room.saturating_sub(self.bytes.len()));
        }
        self.bytes.extend(kept);
    }

    /// Up to `len` bytes from the offset `from`, in two parts. Empty when they are not kept.
    pub(crate) fn read(&self, from: u64, len: usize) -> (&[u8], &[u8]) {
        match from.checked_sub(self.start).map(usize::try_from) {
            Some(Ok(place)) => slices(&self.bytes, place, len),
            _ => (&[], &[]),
        }
    }
}

/// Up to `len` bytes of `bytes` from the place `from`.
fn slices(bytes: &VecDeque<u8>, from: usize, len: usize) -> (&[u8], &[u8]) {
    let (front, back) = bytes.as_slices();
    let cut = |part: &'_ [u8], from: usize, len: usize| -> std::ops::Range<usize> {
        let from = from.min(part.len());
        from..from.saturating_add(len).min(part.len())
    };
    let first = cut(front, from, len);
    let second = cut(
        back,
        from.saturating_sub(front.len()),
        len.saturating_sub(first.len()),
    );
    (
        front.get(first).unwrap_or_default(),
        back.get(second).unwrap_or_default(),
    )
}

/// A length in memory as a distance in the stream.
pub(crate) fn offset(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(ring: &Ring, from: u64, len: usize) -> Vec<u8> {
        let (front, back) = ring.read(from, len);
        [front, back].concat()
    }

    #[test]
    fn the_ring_takes_no_more_than_its_limit() {
        let mut ring = Ring::default();
        for _ in 0..40 {
            ring.push(&[b'x'; 10_000], |_| {});
            assert!(
                ring.bytes.capacity() <= RING_LEN_MAX,
                "{}",
                ring.bytes.capacity()
            );
        }
        assert_eq!(ring.end(), 400_000);
        assert_eq!(ring.start(), 400_000 - offset(RING_LEN_MAX));
        ring.push(&[b'y'; 300_000], |_| {});
        assert_eq!(ring.end(), 700_000);
        assert_eq!(ring.bytes.len(), RING_LEN_MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn dropped_and_kept_are_the_whole_stream(
            pieces in proptest::collection::vec(0usize..60_000, 1..12),
            from in any::<prop::sample::Index>(),
            len in 0usize..50_000,
        ) {
            let (mut ring, mut all, mut dropped) = (Ring::default(), Vec::new(), Vec::new());
            for (number, piece) in pieces.iter().enumerate() {
                let bytes: Vec<u8> = (0..*piece)
                    .map(|i| u8::try_from((i * 31 + number * 7) % 251).unwrap())
                    .collect();
                ring.push(&bytes, |gone| dropped.extend_from_slice(gone));
                all.extend_from_slice(&bytes);
            }
            prop_assert_eq!(offset(dropped.len()), ring.start());
            prop_assert_eq!(offset(all.len()), ring.end());
            prop_assert_eq!(&dropped[..], &all[..dropped.len()]);
            let at = from.index(all.len() + 1);
            let got = text(&ring, offset(at), len);
            if at < dropped.len() {
                prop_assert!(got.is_empty());
            } else {
                prop_assert_eq!(&got[..], &all[at..(at + len).min(all.len())]);
            }
        }
    }
}
