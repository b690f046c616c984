//! A watch pulls: from memory while it keeps up, from the log when it is behind. So a watch that
//! nobody reads costs nothing.

use tokio::sync::OwnedSemaphorePermit;

use super::{feed::FeedReader, read};
use crate::{
    error::{StoreError, WatchError},
    file::readers::Readers,
    kv::Revision,
    seam::{BoxFuture, Change, WatchEvent, WatchSource},
};

pub(super) struct SqliteWatch {
    pub(super) prefix: String,
    /// First revision that was not handed out yet.
    pub(super) next: Revision,
    pub(super) feed: FeedReader,
    pub(super) readers: Readers,
    pub(super) _slot: OwnedSemaphorePermit,
}

impl WatchSource for SqliteWatch {
    fn next_events(&mut self) -> BoxFuture<'_, Result<Vec<WatchEvent>, WatchError>> {
        Box::pin(async move {
            loop {
                let oldest = self.feed.compacted();
                if self.next < oldest {
                    return Err(WatchError::Compacted { revision: oldest });
                }
                let latest = *self.feed.latest.borrow_and_update();
                if latest < self.next {
                    if self.feed.latest.changed().await.is_err() {
                        return Err(WatchError::Closed);
                    }
                    continue;
                }
                // `next` moves only after the last await, so a dropped future loses nothing.
                let (events, next) = match self.recent(latest) {
                    Some(taken) => taken,
                    None => self.logged().await?,
                };
                self.next = next;
                if !events.is_empty() {
                    return Ok(events);
                }
            }
        })
    }
}

impl SqliteWatch {
    fn recent(&self, latest: Revision) -> Option<(Vec<WatchEvent>, Revision)> {
        let all = self.feed.recent(self.next)?;
        let next = all.last().map_or(latest, |event| event.revision) + 1;
        let events = all.iter().filter_map(|event| self.wanted(event)).collect();
        Some((events, next))
    }

    fn wanted(&self, event: &WatchEvent) -> Option<WatchEvent> {
        let is_wanted = |change: &&Change| change.key().starts_with(&self.prefix);
        let changes: Vec<_> = event.changes.iter().filter(is_wanted).cloned().collect();
        (!changes.is_empty()).then_some(WatchEvent {
            revision: event.revision,
            changes,
        })
    }

    async fn logged(&self) -> Result<(Vec<WatchEvent>, Revision), WatchError> {
        let (prefix, from) = (self.prefix.clone(), self.next);
        self.readers
            .read(move |conn| read::log_from(conn, &prefix, from))
            .await
            .map_err(|error| match error {
                StoreError::Compacted { oldest, .. } => WatchError::Compacted { revision: oldest },
                other => WatchError::Away {
                    detail: other.to_string(),
                },
            })
    }
}
