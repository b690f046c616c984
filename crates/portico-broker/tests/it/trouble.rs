//! A store with trouble on order.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portico_store::{
    BoxFuture, KeyValue, Lease, LeaseId, RangeOutcome, Revision, Store, StoreError, Txn,
    TxnOutcome, Watch,
};
use tokio::sync::Barrier;

pub(crate) struct Trouble {
    inner: Arc<dyn Store>,
    away: AtomicBool,
    full: AtomicBool,
    always_late: AtomicBool,
    meeting: Mutex<Option<(usize, Arc<Barrier>)>>,
    /// Writes until the process dies, and whether the last one is still done.
    dies: Mutex<Option<(usize, bool)>>,
    dead: AtomicBool,
}

impl Trouble {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            away: AtomicBool::new(false),
            full: AtomicBool::new(false),
            always_late: AtomicBool::new(false),
            meeting: Mutex::default(),
            dies: Mutex::default(),
            dead: AtomicBool::new(false),
        }
    }

    /// It does not answer.
    pub(crate) fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// It reads but does not write.
    pub(crate) fn full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Somebody else is always first.
    pub(crate) fn always_late(&self, late: bool) {
        self.always_late.store(late, Ordering::SeqCst);
    }

    /// The process is killed at the write with this number, counted from 0: before it is done, or
    /// before it is acknowledged. Nothing is read or written after that.
    pub(crate) fn die_at(&self, write: usize, done: bool) {
        *self.dies.lock().unwrap() = Some((write, done));
    }

    /// Whether the process was killed.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Another process.
    pub(crate) fn live_again(&self) {
        *self.dies.lock().unwrap() = None;
        self.dead.store(false, Ordering::SeqCst);
    }

    /// Whether this write is the last, and whether it is done.
    fn is_last_write(&self) -> Option<bool> {
        let mut dies = self.dies.lock().unwrap();
        let (left, done) = dies.as_mut()?;
        if *left > 0 {
            *left -= 1;
            return None;
        }
        self.dead.store(true, Ordering::SeqCst);
        Some(*done)
    }

    /// The next `count` writers meet before any of them writes: each has read what the others
    /// have not yet changed.
    pub(crate) fn let_writers_meet(&self, count: usize) {
        *self.meeting.lock().unwrap() = Some((count, Arc::new(Barrier::new(count))));
    }

    fn meeting(&self) -> Option<Arc<Barrier>> {
        let mut meeting = self.meeting.lock().unwrap();
        let (left, barrier) = meeting.as_mut().filter(|(left, _)| *left > 0)?;
        *left -= 1;
        Some(Arc::clone(barrier))
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.away.load(Ordering::SeqCst) || self.dead.load(Ordering::SeqCst) {
            return Err(StoreError::Away {
                place: "store.db".into(),
                detail: "on order".into(),
            });
        }
        Ok(())
    }
}

impl Store for Trouble {
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<KeyValue>, StoreError>> {
        match self.check() {
            Ok(()) => self.inner.get(key),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn range_after(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
        limit: Option<usize>,
    ) -> BoxFuture<'_, Result<RangeOutcome, StoreError>> {
        match self.check() {
            Ok(()) => self.inner.range_after(prefix, after, at, limit),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnOutcome, StoreError>> {
        if let Err(error) = self.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        if !txn.is_read_only() && self.full.load(Ordering::SeqCst) {
            let place = "store.db".into();
            return Box::pin(std::future::ready(Err(StoreError::Full { place })));
        }
        if !txn.is_read_only() && self.always_late.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Ok(TxnOutcome {
                succeeded: false,
                revision: 1,
                results: vec![],
            })));
        }
        if !txn.is_read_only()
            && let Some(done) = self.is_last_write()
        {
            return Box::pin(async move {
                if done {
                    self.inner.txn(txn).await?;
                }
                Err(StoreError::Away {
                    place: "store.db".into(),
                    detail: "killed".into(),
                })
            });
        }
        let meeting = if txn.is_read_only() {
            None
        } else {
            self.meeting()
        };
        Box::pin(async move {
            if let Some(meeting) = meeting {
                meeting.wait().await;
            }
            self.inner.txn(txn).await
        })
    }

    fn watch(
        &self,
        prefix: &str,
        from_revision: Revision,
    ) -> BoxFuture<'_, Result<Watch, StoreError>> {
        self.inner.watch(prefix, from_revision)
    }

    fn lease_grant(&self, ttl: Duration) -> BoxFuture<'_, Result<Lease, StoreError>> {
        self.inner.lease_grant(ttl)
    }

    fn lease_keep_alive(&self, lease: LeaseId) -> BoxFuture<'_, Result<Duration, StoreError>> {
        self.inner.lease_keep_alive(lease)
    }

    fn lease_revoke(&self, lease: LeaseId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.lease_revoke(lease)
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.compact(revision)
    }
}
