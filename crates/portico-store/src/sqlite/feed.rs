//! The last changes in memory, so that watches that keep up do not read the file.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use crate::{
    file::readers::lock,
    kv::Revision,
    limits::{WATCH_BATCH_REVISIONS, WATCH_BUFFER_BYTES_MAX, WATCH_BUFFER_CHANGES_MAX},
    seam::{Change, WatchEvent},
};

/// The writer's end. Dropping it ends every watch.
pub(super) struct Feed {
    recent: Arc<Mutex<Recent>>,
    compacted: Arc<AtomicU64>,
    latest: watch::Sender<Revision>,
}

/// A watch's end.
#[derive(Clone)]
pub(super) struct FeedReader {
    recent: Arc<Mutex<Recent>>,
    compacted: Arc<AtomicU64>,
    pub(super) latest: watch::Receiver<Revision>,
}

impl Feed {
    pub(super) fn new(revision: Revision, compacted: Revision) -> Self {
        Self {
            recent: Arc::new(Mutex::new(Recent::new(revision + 1))),
            compacted: Arc::new(AtomicU64::new(compacted)),
            latest: watch::Sender::new(revision),
        }
    }

    pub(super) fn reader(&self) -> FeedReader {
        FeedReader {
            recent: Arc::clone(&self.recent),
            compacted: Arc::clone(&self.compacted),
            latest: self.latest.subscribe(),
        }
    }

    /// Tells of durable events, which follow the last ones without a gap.
    pub(super) fn publish(&self, events: Vec<WatchEvent>) {
        let Some(last) = events.last().map(|event| event.revision) else {
            return;
        };
        let mut recent = lock(&self.recent);
        for event in events {
            recent.push(event);
        }
        drop(recent);
        self.latest.send_replace(last);
    }

    pub(super) fn compacted(&self, revision: Revision) {
        self.compacted.store(revision, Ordering::SeqCst);
    }
}

impl FeedReader {
    /// Revision up to which the log was compacted.
    pub(super) fn compacted(&self) -> Revision {
        self.compacted.load(Ordering::SeqCst)
    }

    /// Events from `from` on, all keys; `None` when they are no longer in memory.
    pub(super) fn recent(&self, from: Revision) -> Option<Vec<Arc<WatchEvent>>> {
        lock(&self.recent).from(from)
    }
}

/// INVARIANT: the events are of consecutive revisions, the first of which is `first`.
struct Recent {
    first: Revision,
    events: VecDeque<Arc<WatchEvent>>,
    changes: usize,
    bytes: usize,
}

impl Recent {
    fn new(first: Revision) -> Self {
        Self {
            first,
            events: VecDeque::new(),
            changes: 0,
            bytes: 0,
        }
    }

    fn push(&mut self, event: WatchEvent) {
        self.changes += event.changes.len();
        self.bytes += bytes(&event);
        self.events.push_back(Arc::new(event));
        while self.changes > WATCH_BUFFER_CHANGES_MAX || self.bytes > WATCH_BUFFER_BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.changes -= oldest.changes.len();
            self.bytes -= bytes(&oldest);
            self.first = oldest.revision + 1;
        }
    }

    fn from(&self, from: Revision) -> Option<Vec<Arc<WatchEvent>>> {
        let skip = usize::try_from(from.checked_sub(self.first)?).ok()?;
        let events = self.events.iter().skip(skip).take(WATCH_BATCH_REVISIONS);
        Some(events.cloned().collect())
    }
}

fn bytes(event: &WatchEvent) -> usize {
    event.changes.iter().map(Change::bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(revision: Revision, changes: usize, len: usize) -> WatchEvent {
        let change = Change::Deleted {
            key: "k".repeat(len),
        };
        WatchEvent {
            revision,
            changes: vec![change; changes],
        }
    }

    #[test]
    fn the_buffer_forgets_the_oldest_revisions_at_each_of_its_limits() {
        let mut recent = Recent::new(2);
        recent.push(event(2, 1, 1));
        assert_eq!(recent.from(2).unwrap().len(), 1);
        assert_eq!(recent.from(3).unwrap().len(), 0);
        assert!(recent.from(1).is_none());
        recent.push(event(3, WATCH_BUFFER_CHANGES_MAX, 1));
        assert!(recent.from(2).is_none());
        assert_eq!(recent.from(3).unwrap().len(), 1);
        recent.push(event(4, 1, WATCH_BUFFER_BYTES_MAX));
        assert!(recent.from(3).is_none());
        recent.push(event(5, 1, 1));
        assert!(recent.from(4).is_none());
        assert_eq!(recent.from(5).unwrap()[0].revision, 5);
        recent.push(event(6, WATCH_BUFFER_CHANGES_MAX + 1, 1));
        assert_eq!((recent.first, recent.changes, recent.bytes), (7, 0, 0));
    }

    #[test]
    fn a_watch_takes_a_bounded_number_of_revisions_at_a_time() {
        let mut recent = Recent::new(1);
        for revision in 1..=1000 {
            recent.push(event(revision, 1, 1));
        }
        let taken = recent.from(11).unwrap();
        assert_eq!(taken.len(), WATCH_BATCH_REVISIONS);
        assert_eq!(taken[0].revision, 11);
    }
}
