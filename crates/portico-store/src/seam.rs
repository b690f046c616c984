//! The seam: what every store can do, whatever keeps its state.

use std::{collections::VecDeque, future::Future, pin::Pin, time::Duration};

use crate::{
    error::{StoreError, WatchError},
    kv::{KeyValue, LeaseId, RangeOutcome, Revision, Txn, TxnOutcome},
};

/// A future of a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A revisioned key-value store with etcd's semantics.
///
/// A write is acknowledged when it is durable. Reads see every write acknowledged before them.
pub trait Store: Send + Sync + 'static {
    /// The key as it is now.
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<KeyValue>, StoreError>>;

    /// The keys that begin with `prefix` (all for the empty one), in byte order, as they were at
    /// `at` or are now. At most `limit` items and never more than the limits of a range:
    /// look at `more`.
    fn range(
        &self,
        prefix: &str,
        at: Option<Revision>,
        limit: Option<usize>,
    ) -> BoxFuture<'_, Result<RangeOutcome, StoreError>> {
        self.range_after(prefix, None, at, limit)
    }

    /// [`Store::range`] without the keys up to and including `after`: the next page. Give `at`
    /// the revision of the first page so that all pages show one state.
    fn range_after(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
        limit: Option<usize>,
    ) -> BoxFuture<'_, Result<RangeOutcome, StoreError>>;

    /// Does a transaction.
    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnOutcome, StoreError>>;

    /// Every change of keys that begin with `prefix` from `from_revision` on, which may be past
    /// (they are replayed), 0 (from now on) or future.
    fn watch(
        &self,
        prefix: &str,
        from_revision: Revision,
    ) -> BoxFuture<'_, Result<Watch, StoreError>>;

    /// Makes a lease of at least `ttl`. Time is monotonic: setting the clock changes nothing.
    /// After a restart of the store each lease has its full time again.
    fn lease_grant(&self, ttl: Duration) -> BoxFuture<'_, Result<Lease, StoreError>>;

    /// Gives a lease its full time again; returns that time.
    fn lease_keep_alive(&self, lease: LeaseId) -> BoxFuture<'_, Result<Duration, StoreError>>;

    /// Ends a lease and deletes its keys, all at one revision.
    fn lease_revoke(&self, lease: LeaseId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Forgets what was before `revision`; that revision itself can still be read.
    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// A lease as it was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Its life without keep-alive: what was asked for or more.
    pub ttl: Duration,
}

/// All changes of one revision that a watch asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchEvent {
    /// The revision. To resume, watch from the next one.
    pub revision: Revision,
    /// The changes, in the order the transaction did them; never empty.
    pub changes: Vec<Change>,
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was put and is now so.
    Put(KeyValue),
    /// It was deleted.
    Deleted {
        /// The key.
        key: String,
    },
}

impl Change {
    /// The key.
    pub fn key(&self) -> &str {
        match self {
            Self::Put(kv) => &kv.key,
            Self::Deleted { key } => key,
        }
    }

    /// Bytes of key and value.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Put(kv) => kv.key.len() + kv.value.len(),
            Self::Deleted { key } => key.len(),
        }
    }
}

/// Where an adapter's watch gets its events from.
pub trait WatchSource: Send {
    /// Waits for the next events, which are of rising revisions and never empty. Must be
    /// cancel-safe: dropping the future loses nothing.
    fn next_events(&mut self) -> BoxFuture<'_, Result<Vec<WatchEvent>, WatchError>>;
}

/// An open watch: ordered, without gaps, and slow readers cost the store no memory.
pub struct Watch {
    source: Box<dyn WatchSource>,
    ready: VecDeque<WatchEvent>,
}

impl Watch {
    /// For adapters.
    pub fn new(source: Box<dyn WatchSource>) -> Self {
        Self {
            source,
            ready: VecDeque::new(),
        }
    }

    /// Waits for the next revision with changes. Cancel-safe. After an error the watch is over.
    pub async fn next(&mut self) -> Result<WatchEvent, WatchError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            self.ready.extend(self.source.next_events().await?);
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}
