//! The way of output from the host to a viewer: never more than the window ahead of what the
//! viewer has drawn, never more memory than the ring, and a clean start for who comes late.
//! Pure: bytes and frames in, frames out.

use portico_wire::terminal::{EngineFrame, OUTPUT_LEN_MAX, WINDOW_LEN, framing};

use crate::{
    ring::{RING_LEN_MAX, Ring, offset},
    screen::{RESTORE_LEN_MAX, Screen},
};

/// Most bytes that wait for a viewer that keeps up before the host has to wait too. What is left
/// of the ring is output that was sent already, for a viewer that loses its connection.
pub(crate) const UNSENT_LEN_MAX: usize = 64 * 1024;
/// How far a replay looks for the beginning of a line.
const LINE_SEARCH_LEN_MAX: u64 = 16 * 1024;

/// Output of one session.
#[derive(Debug, Default)]
pub(crate) struct Outflow {
    ring: Ring,
    /// The screen as it is where the ring starts.
    screen: Screen,
    viewer: Option<Viewer>,
    /// Offsets that were given to the text in front of the last replay: no output has them.
    replayed: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Viewer {
    /// Offset after the last byte that was put into a frame.
    sent: u64,
    /// Offset up to which it has drawn.
    acked: u64,
    /// An Opened frame that must go first.
    opened: Option<Opened>,
    /// It did not draw for so long that output goes on without it.
    is_behind: bool,
}

#[derive(Debug)]
struct Opened {
    start: u64,
    resumed: bool,
    /// Brings its terminal to the state in which the output goes on.
    restore: Vec<u8>,
}

/// How a viewer was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attached {
    /// It gets exactly what it misses.
    Resumed,
    /// It gets what is kept, from a clean start. A full-screen program then has to draw again.
    Replayed {
        /// Such a program runs.
        full_screen: bool,
    },
}

impl Outflow {
    /// Takes output of the host. Call only after [`Self::room`] was more than 0, with at most one
    /// SSH packet.
    pub(crate) fn push(&mut self, output: &[u8]) {
        self.ring.push(output, |gone| self.screen.feed(gone));
    }

    /// Bytes that may be read from the host now; 0 makes the host wait.
    pub(crate) fn room(&self) -> usize {
        match &self.viewer {
            Some(viewer) if !viewer.is_behind => UNSENT_LEN_MAX.saturating_sub(self.unsent(viewer)),
            // INVARIANT: without a viewer, or with one that is behind, the oldest is dropped.
            _ => RING_LEN_MAX,
        }
    }

    /// A viewer comes that already has the output up to `received`; 0 for a new one.
    pub(crate) fn attach(&mut self, received: u64) -> Attached {
        let is_forged = self
            .replayed
            .is_some_and(|(from, to)| (from..to).contains(&received));
        let is_kept = (self.ring.start()..=self.ring.end()).contains(&received);
        if received > 0 && is_kept && !is_forged {
            self.viewer = Some(Viewer {
                sent: received,
                acked: received,
                opened: Some(Opened {
                    start: received,
                    resumed: true,
                    restore: Vec::new(),
                }),
                is_behind: false,
            });
            return Attached::Resumed;
        }
        self.replay();
        Attached::Replayed {
            full_screen: self.screen_at_end().is_alternate(),
        }
    }

    /// The viewer is gone.
    pub(crate) fn detach(&mut self) {
        self.viewer = None;
    }

    /// The viewer has drawn everything up to `received`.
    pub(crate) fn ack(&mut self, received: u64) {
        let start = self.ring.start();
        let Some(viewer) = &mut self.viewer else {
            return;
        };
        // More than was sent is the mistake of the viewer, and less an old frame: both harmless.
        viewer.acked = viewer.acked.max(received.min(viewer.sent));
        if viewer.is_behind && viewer.window() > 0 {
            viewer.is_behind = false;
            // What it has not got is partly dropped.
            if viewer.sent < start {
                self.replay();
            }
        }
    }

    /// Whether output waits that the window does not let out.
    #[cfg(test)]
    pub(crate) fn is_blocked(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| {
            !viewer.is_behind && viewer.window() == 0 && self.unsent(viewer) > 0
        })
    }

    /// Lets the output go on without a viewer that was blocked for too long. When it acknowledges
    /// again it continues, by a replay if it must.
    pub(crate) fn leave_behind(&mut self) {
        if let Some(viewer) = &mut self.viewer {
            viewer.is_behind = true;
        }
    }

    /// Whether a viewer has been sent all there is.
    pub(crate) fn is_sent(&self) -> bool {
        self.viewer
            .as_ref()
            .is_some_and(|viewer| viewer.opened.is_none() && self.unsent(viewer) == 0)
    }

    /// Appends the next frame, with its length, to `out`. False when there is none now: call again
    /// after `push`, `attach` or `ack`.
    pub(crate) fn poll_frame(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(viewer) = &mut self.viewer else {
            return false;
        };
        if let Some(opened) = viewer.opened.take() {
            let Opened {
                start,
                resumed,
                restore,
            } = opened;
            append(out, &EngineFrame::Opened { start, resumed });
            if !restore.is_empty() {
                append(out, &EngineFrame::Output(&restore));
            }
            viewer.sent = viewer.sent.saturating_add(offset(restore.len()));
            return true;
        }
        if viewer.is_behind {
            return false;
        }
        let len = OUTPUT_LEN_MAX.min(usize::try_from(viewer.window()).unwrap_or(OUTPUT_LEN_MAX));
        let (front, back) = self.ring.read(viewer.sent, len);
        if front.is_empty() && back.is_empty() {
            return false;
        }
        viewer.sent = viewer.sent.saturating_add(offset(front.len() + back.len()));
        append_output(out, front, back);
        true
    }

    fn unsent(&self, viewer: &Viewer) -> usize {
        usize::try_from(self.ring.end().saturating_sub(viewer.sent)).unwrap_or(usize::MAX)
    }

    fn replay(&mut self) {
        let (cut, restore) = self.cut();
        let start = cut.saturating_sub(offset(restore.len()));
        self.replayed = Some((start, cut));
        self.viewer = Some(Viewer {
            sent: start,
            acked: start,
            opened: Some(Opened {
                start,
                resumed: false,
                restore,
            }),
            is_behind: false,
        });
    }

    /// Where a replay begins, and what brings a terminal to the state it has there: the first line
    /// that begins outside of an escape sequence, or else the first character.
    fn cut(&self) -> (u64, Vec<u8>) {
        let start = self.ring.start();
        if start == 0 {
            // Everything is there, for a terminal that is new.
            return (0, Vec::new());
        }
        // The text in front takes the offsets before the cut, so there must be enough of them.
        let mut place = start.max(offset(RESTORE_LEN_MAX));
        let mut screen = self.screen.clone();
        self.feed(&mut screen, start, place);
        let first = (place, screen.clone());
        let search_end = self
            .ring
            .end()
            .min(place.saturating_add(LINE_SEARCH_LEN_MAX));
        while let Some(line_end) = self.find(place, search_end, |byte| byte == b'\n') {
            self.feed(&mut screen, place, line_end.saturating_add(1));
            place = line_end.saturating_add(1);
            if screen.is_between_sequences() {
                return (place, screen.restore());
            }
        }
        let (place, mut screen) = first;
        // Not in the middle of a character: bytes 10xxxxxx continue one.
        let is_first = |byte: u8| byte & 0b1100_0000 != 0b1000_0000;
        let character = self.find(place, search_end, is_first).unwrap_or(place);
        self.feed(&mut screen, place, character);
        (character, screen.restore())
    }

    fn screen_at_end(&self) -> Screen {
        let mut screen = self.screen.clone();
        self.feed(&mut screen, self.ring.start(), self.ring.end());
        screen
    }

    fn feed(&self, screen: &mut Screen, from: u64, to: u64) {
        let (front, back) = self.between(from, to);
        screen.feed(front);
        screen.feed(back);
    }

    /// Offset of the first byte between `from` and `to` that `is` says so of.
    fn find(&self, from: u64, to: u64, is: impl Fn(u8) -> bool) -> Option<u64> {
        let (front, back) = self.between(from, to);
        let place = front.iter().chain(back).position(|&byte| is(byte))?;
        Some(from.saturating_add(offset(place)))
    }

    fn between(&self, from: u64, to: u64) -> (&[u8], &[u8]) {
        let len = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        self.ring.read(from, len)
    }
}

impl Viewer {
    /// Bytes that may be sent now.
    fn window(&self) -> u64 {
        self.acked
            .saturating_add(WINDOW_LEN)
            .saturating_sub(self.sent)
    }
}

/// Appends `frame`, whose parts are within their limits by construction.
pub(crate) fn append(out: &mut Vec<u8>, frame: &EngineFrame<'_>) {
    if let Err(error) = framing::append(out, |out| frame.encode(out)) {
        tracing::error!(%error, "Frame was not written");
    }
}

/// An Output frame of two parts, without putting them together first.
fn append_output(out: &mut Vec<u8>, front: &[u8], back: &[u8]) {
    out.reserve_exact(framing::LENGTH_LEN + 1 + front.len() + back.len());
    let result = framing::append(out, |out| {
        EngineFrame::Output(front).encode(out)?;
        out.extend_from_slice(back);
        Ok(())
    });
    if let Err(error) = result {
        tracing::error!(%error, "Frame was not written");
    }
}

#[cfg(test)]
mod tests;
