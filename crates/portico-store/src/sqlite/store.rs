//! The store itself: checks, then hands writes to the writer and reads to the readers.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    apply,
    feed::FeedReader,
    ledger::{Reply, Request, StoreLedger},
    read::{self, RangeOf},
    schema::SCHEMA,
    watch::SqliteWatch,
};
use crate::{
    error::{OpenError, StoreError},
    file::{
        backup::{BackupError, back_up},
        examine::{FileReport, examine},
        lock::FileLock,
        open::{failed, open_in_memory, open_to_write},
        readers::{Readers, lock},
        writer::Writer,
    },
    kv::{KeyValue, LeaseId, RangeOutcome, Revision, Txn, TxnOutcome, check_key, check_prefix},
    lease::{LeaseClock, LeaseTable, SystemLeaseClock, granted_ttl},
    limits::{HISTORY_REVISIONS, WATCHES_MAX},
    seam::{BoxFuture, Lease, Store, Watch},
};

/// A store in a SQLite file, for one process. See the [crate] page for what it promises.
pub struct SqliteStore {
    writer: Writer<StoreLedger>,
    readers: Readers,
    leases: Arc<Mutex<LeaseTable>>,
    clock: Arc<dyn LeaseClock>,
    feed: FeedReader,
    watches: Arc<Semaphore>,
}

/// What can be set about an embedded store.
#[derive(Clone)]
pub struct SqliteStoreOptions {
    /// Time of leases.
    pub clock: Arc<dyn LeaseClock>,
    /// Revisions to keep at least; at twice as many the store compacts by itself. `None`: it
    /// never does.
    pub history_revisions: Option<u64>,
    /// Most pages (4 KiB) the file may have; beyond, writes fail with [`StoreError::Full`].
    pub page_count_max: Option<u32>,
}

impl Default for SqliteStoreOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemLeaseClock::default()),
            history_revisions: Some(HISTORY_REVISIONS),
            page_count_max: None,
        }
    }
}

impl SqliteStore {
    /// Opens the file, which is made if it does not exist (its folder is not), with mode 0600.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, SqliteStoreOptions::default())
    }

    /// [`SqliteStore::open`] with options.
    pub fn open_with(path: &Path, options: SqliteStoreOptions) -> Result<Self, OpenError> {
        let file_lock = FileLock::take(path)?;
        let conn = open_to_write(path, &SCHEMA)?;
        let readers = Readers::open(path, &SCHEMA)?;
        let conn = Arc::new(Mutex::new(conn));
        Self::start(path, conn, readers, Some(file_lock), options)
    }

    /// Looks at a file that another process may be using, and changes nothing; `None` when it does
    /// not exist.
    ///
    /// # Errors
    /// It is damaged, of a later version, something else, or may not be read.
    pub fn examine(path: &Path) -> Result<Option<FileReport>, OpenError> {
        examine(path, &SCHEMA)
    }

    /// A store in memory, for tests. It is gone when dropped.
    pub fn open_in_memory(options: SqliteStoreOptions) -> Result<Self, OpenError> {
        let conn = Arc::new(Mutex::new(open_in_memory(&SCHEMA)?));
        let readers = Readers::shared(Arc::clone(&conn));
        Self::start(Path::new(":memory:"), conn, readers, None, options)
    }

    fn start(
        path: &Path,
        conn: Arc<Mutex<rusqlite::Connection>>,
        readers: Readers,
        file_lock: Option<FileLock>,
        options: SqliteStoreOptions,
    ) -> Result<Self, OpenError> {
        let SqliteStoreOptions {
            clock,
            history_revisions,
            page_count_max,
        } = options;
        let ledger = {
            let conn = lock(&conn);
            if let Some(pages) = page_count_max {
                conn.pragma_update(None, "max_page_count", pages)
                    .map_err(|e| failed(path, &e))?;
            }
            StoreLedger::load(&conn, Arc::clone(&clock), history_revisions)
                .map_err(|e| failed(path, &e))?
        };
        let (feed, leases) = (ledger.feed().reader(), ledger.leases());
        let writer = Writer::start("portico-store", readers.place(), conn, file_lock, ledger)
            .map_err(|source| OpenError::NoAccess {
                file: path.to_owned(),
                source,
            })?;
        Ok(Self {
            writer,
            readers,
            leases,
            clock,
            feed,
            watches: Arc::new(Semaphore::new(WATCHES_MAX)),
        })
    }

    /// Copies one consistent state to `to`, which must not exist, while the store is in use.
    pub async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let (from, to) = (self.readers.path().to_owned(), to.to_owned());
        crate::file::backup::blocking(move || back_up(&from, &to)).await
    }

    async fn write(&self, request: Request) -> Result<Reply, StoreError> {
        self.writer.submit(request).await
    }
}

impl Store for SqliteStore {
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<KeyValue>, StoreError>> {
        let key = key.to_owned();
        Box::pin(async move {
            check_key(&key)?;
            self.readers
                .read(move |conn| Ok(read::get(conn, &key)?))
                .await
        })
    }

    fn range_after(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
        limit: Option<usize>,
    ) -> BoxFuture<'_, Result<RangeOutcome, StoreError>> {
        let of = RangeOf {
            prefix: prefix.to_owned(),
            after: after.map(ToOwned::to_owned),
            at,
            limit,
        };
        Box::pin(async move {
            check_prefix(&of.prefix)?;
            self.readers.read(move |conn| read::range(conn, &of)).await
        })
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnOutcome, StoreError>> {
        Box::pin(async move {
            txn.check()?;
            if txn.is_read_only() {
                let read = move |conn: &rusqlite::Connection| {
                    let current = read::revision(conn)?;
                    Ok(apply::txn(conn, &txn, current, |_| false)?.0)
                };
                return self.readers.read(read).await;
            }
            match self.write(Request::Txn(txn)).await? {
                Reply::Txn(outcome) => Ok(outcome),
                Reply::Lease(_) | Reply::Done => Err(odd_reply(&self.readers)),
            }
        })
    }

    fn watch(
        &self,
        prefix: &str,
        from_revision: Revision,
    ) -> BoxFuture<'_, Result<Watch, StoreError>> {
        let prefix = prefix.to_owned();
        Box::pin(async move {
            check_prefix(&prefix)?;
            let slot = Arc::clone(&self.watches)
                .try_acquire_owned()
                .map_err(|_| StoreError::TooManyWatches { max: WATCHES_MAX })?;
            let feed = self.feed.clone();
            let latest = *feed.latest.borrow();
            let next = match from_revision {
                0 => latest.saturating_add(1),
                given => given,
            };
            Ok(Watch::new(Box::new(SqliteWatch {
                prefix,
                next,
                feed,
                readers: self.readers.clone(),
                _slot: slot,
            })))
        })
    }

    fn lease_grant(&self, ttl: Duration) -> BoxFuture<'_, Result<Lease, StoreError>> {
        Box::pin(async move {
            match self.write(Request::Grant(granted_ttl(ttl))).await? {
                Reply::Lease(lease) => Ok(lease),
                Reply::Txn(_) | Reply::Done => Err(odd_reply(&self.readers)),
            }
        })
    }

    fn lease_keep_alive(&self, lease: LeaseId) -> BoxFuture<'_, Result<Duration, StoreError>> {
        // Not through the writer: a slow disk must not let leases lapse.
        let now = self.clock.elapsed();
        let kept = lock(&self.leases).keep_alive(lease, now);
        Box::pin(async move { kept.ok_or(StoreError::LeaseNotFound { lease }) })
    }

    fn lease_revoke(&self, lease: LeaseId) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.write(Request::Revoke(lease)).await.map(drop) })
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.write(Request::Compact(revision)).await.map(drop) })
    }
}

fn odd_reply(readers: &Readers) -> StoreError {
    StoreError::Away {
        place: readers.place().to_string(),
        detail: "its writer answered something else".into(),
    }
}
