//! Keeping the [`Index`] in step with the store: read whole once, then told by a watch.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use portico_model::Timestamp;
use portico_store::{
    KeyValue, Op, OpResult, Revision, StoreError, Txn, Watch, WatchError, WatchEvent,
};
use tokio::time::Instant;

use super::index::Index;
use crate::{
    broker::{Broker, Inner},
    documents,
};

/// Records read at once.
const PAGE_LEN: usize = 500;
/// Times that the directory is read anew because it was compacted meanwhile.
const LOADS_MAX: usize = 4;
/// Pause after the watch broke.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The index and what keeps it.
#[derive(Default)]
pub(crate) struct Directory {
    index: Mutex<Index>,
    /// `None` before the first load, and when the watch broke. Held while the index is loaded.
    watch: tokio::sync::Mutex<Option<Watch>>,
}

impl Broker {
    /// Follows the directory until the store is closed. [`run`](Self::run) does it; without, the
    /// index is brought up to date whenever somebody looks at it.
    pub(crate) async fn follow(&self) {
        let directory = &self.0.directory;
        loop {
            let mut watch = directory.watch.lock().await;
            let outcome = match self.0.watch_of(&mut watch).await {
                Ok(open) => open.next().await,
                Err(error) => {
                    let detail = error.to_string();
                    Err(WatchError::Away { detail })
                }
            };
            match outcome {
                Ok(event) => self.0.take(&event),
                Err(WatchError::Closed) => return,
                Err(error) => {
                    *watch = None;
                    drop(watch);
                    tracing::warn!(%error, "The watch of the directory broke; reading it anew");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }
}

impl Inner {
    /// Has the index loaded and as fresh as it can be without waiting.
    pub(crate) async fn freshen(&self) -> Result<(), StoreError> {
        // When somebody else has it, it is `follow`, which tells the index itself, or a load that
        // must be waited for.
        let mut watch = match self.directory.watch.try_lock() {
            Ok(watch) => watch,
            Err(_) if self.index().is_loaded() => return Ok(()),
            Err(_) => self.directory.watch.lock().await,
        };
        loop {
            let open = self.watch_of(&mut watch).await?;
            match open.next().now_or_never() {
                Some(Ok(event)) => self.take(&event),
                Some(Err(_)) => *watch = None,
                None => return Ok(()),
            }
        }
    }

    /// The index as it is. Nothing that can panic runs under the lock but allocation.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.directory
            .index
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a transaction of the directory: true when it was done, false when its conditions do
    /// not hold. Either way the index knows its keys afterwards as they are.
    pub(crate) async fn commit(&self, mut txn: Txn) -> Result<bool, StoreError> {
        let keys: Vec<String> = txn
            .compare
            .iter()
            .map(|compare| compare.key().to_owned())
            .collect();
        txn.otherwise = keys
            .iter()
            .map(|key| Op::Get { key: key.clone() })
            .collect();
        let written = txn.then.clone();
        let outcome = self.store.txn(txn).await?;
        let now = self.times();
        let mut index = self.index();
        if outcome.succeeded {
            for op in &written {
                match op {
                    Op::Put { key, value, .. } => {
                        index.learnt(key, Some(value), outcome.revision, now);
                    }
                    Op::Delete { key } => index.learnt(key, None, outcome.revision, now),
                    Op::DeletePrefix { .. } | Op::Get { .. } | Op::Range { .. } => {}
                }
            }
            return Ok(true);
        }
        for (key, result) in keys.iter().zip(&outcome.results) {
            match result {
                OpResult::Get(Some(found)) => {
                    index.learnt(key, Some(&found.value), found.mod_revision, now);
                }
                OpResult::Get(None) => index.learnt(key, None, outcome.revision, now),
                OpResult::Put | OpResult::Deleted { .. } | OpResult::Range { .. } => {}
            }
        }
        Ok(false)
    }

    /// Now, on the clock that is measured by and on the one that is set.
    pub(crate) fn times(&self) -> (Instant, Timestamp) {
        (Instant::now(), self.clock.now())
    }

    fn take(&self, event: &WatchEvent) {
        let now = self.times();
        self.index().watched(event, now);
    }

    async fn watch_of<'a>(
        &self,
        watch: &'a mut Option<Watch>,
    ) -> Result<&'a mut Watch, StoreError> {
        let open = match watch.take() {
            Some(open) => open,
            None => self.load().await?,
        };
        Ok(watch.insert(open))
    }

    async fn load(&self) -> Result<Watch, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.read_all().await {
                Ok((items, revision)) => {
                    let prefix = documents::root_prefix();
                    let watch = self
                        .store
                        .watch(&prefix, revision.saturating_add(1))
                        .await?;
                    let now = self.times();
                    self.index().load(&items, revision, now);
                    return Ok(watch);
                }
                Err(StoreError::Compacted { .. }) if tries < LOADS_MAX => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Every record of the directory, as of one revision.
    async fn read_all(&self) -> Result<(Vec<KeyValue>, Revision), StoreError> {
        let mut items = Vec::new();
        let mut at: Option<Revision> = None;
        for prefix in [
            documents::sessions_prefix(),
            documents::reservations_prefix(),
            documents::log_offs_prefix(),
        ] {
            let mut after: Option<String> = None;
            loop {
                let page = self
                    .store
                    .range_after(&prefix, after.as_deref(), at, Some(PAGE_LEN))
                    .await?;
                let _revision = *at.get_or_insert(page.revision);
                after = page.items.last().map(|last| last.key.clone());
                items.extend(page.items);
                if !page.more || after.is_none() {
                    break;
                }
            }
        }
        Ok((items, at.unwrap_or_default()))
    }
}
