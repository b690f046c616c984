//! A store in memory with etcd's semantics: it passes the conformance suite of `portico-store`.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use portico_store::{
    BoxFuture, Change, KeyValue, Lease, LeaseClock, LeaseId, Op, OpResult, RangeOutcome, Revision,
    Store, StoreError, SystemLeaseClock, Txn, TxnOutcome, Watch, WatchError, WatchEvent,
    WatchSource, check_key, check_prefix,
    limits::{
        LEASE_TICK, LEASE_TTL_MAX, LEASE_TTL_MIN, LEASES_MAX, RANGE_BYTES_MAX, RANGE_ITEMS_MAX,
        WATCH_BATCH_REVISIONS, WATCHES_MAX,
    },
};
use tokio::sync::Notify;

/// Revision of a store in which nothing was written yet, as in etcd.
const FIRST_REVISION: Revision = 1;

/// A store in memory, for tests. Clones are one store.
#[derive(Clone)]
pub struct MemoryStore(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    clock: Arc<dyn LeaseClock>,
    /// A `Notify` and not a watch channel: that wakes its receivers in a random order.
    changed: Arc<Notify>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.changed.notify_waiters();
    }
}

struct State {
    revision: Revision,
    compacted: Revision,
    now: BTreeMap<String, KeyValue>,
    /// The keys as they were before `events`.
    base: BTreeMap<String, KeyValue>,
    /// INVARIANT: of consecutive revisions up to `revision`, the first is not above `compacted`
    /// unless that is 0.
    events: VecDeque<Arc<WatchEvent>>,
    /// Revisions kept at least; at twice as many it compacts by itself.
    history: Option<usize>,
    leases: BTreeMap<LeaseId, Held>,
    last_lease: u64,
    watches: usize,
}

/// A lease: its life and its end.
struct Held {
    ttl: Duration,
    ends: Duration,
}

/// What a transaction did: the outcome, and the changes if there were any.
pub type Done = (TxnOutcome, Option<Arc<WatchEvent>>);

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Arc::new(SystemLeaseClock::default()), None)
    }
}

impl MemoryStore {
    /// An empty store. With `history`, it keeps so many revisions at least and compacts by itself
    /// at twice as many.
    pub fn new(clock: Arc<dyn LeaseClock>, history: Option<usize>) -> Self {
        let state = State {
            revision: FIRST_REVISION,
            compacted: 0,
            now: BTreeMap::new(),
            base: BTreeMap::new(),
            events: VecDeque::new(),
            history,
            leases: BTreeMap::new(),
            last_lease: 0,
            watches: 0,
        };
        Self::of(state, clock)
    }

    fn of(state: State, clock: Arc<dyn LeaseClock>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            clock,
            changed: Arc::default(),
        }))
    }

    /// The store after it was stopped and started: the same state, all leases with their full
    /// time, no watches. The old one must not be used any more.
    pub fn restarted(&self) -> Self {
        let mut old = self.lock();
        let now = self.0.clock.elapsed();
        let leases = old.leases.iter().map(|(id, held)| {
            let ttl = held.ttl;
            (
                *id,
                Held {
                    ttl,
                    ends: now + ttl,
                },
            )
        });
        let state = State {
            revision: old.revision,
            compacted: old.compacted,
            leases: leases.collect(),
            now: std::mem::take(&mut old.now),
            base: std::mem::take(&mut old.base),
            events: std::mem::take(&mut old.events),
            history: old.history,
            last_lease: old.last_lease,
            watches: 0,
        };
        drop(old);
        Self::of(state, Arc::clone(&self.0.clock))
    }

    /// [`Store::get`] at once.
    pub fn get_now(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        check_key(key)?;
        Ok(self.current().now.get(key).cloned())
    }

    /// [`Store::range_after`] at once.
    pub fn range_now(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
        limit: Option<usize>,
    ) -> Result<RangeOutcome, StoreError> {
        check_prefix(prefix)?;
        self.current().range(prefix, after, at, limit)
    }

    /// [`Store::txn`] at once, with the changes it made.
    pub fn txn_now(&self, txn: &Txn) -> Result<Done, StoreError> {
        txn.check()?;
        let done = self.current().txn(txn, self.0.clock.elapsed())?;
        if done.1.is_some() {
            self.0.changed.notify_waiters();
        }
        Ok(done)
    }

    /// Its revision.
    pub fn revision(&self) -> Revision {
        self.current().revision
    }

    /// Every key that begins with `prefix`, however many there are.
    pub fn all(&self, prefix: &str) -> Vec<KeyValue> {
        let state = self.current();
        starting(&state.now, prefix, None)
            .map(|(_, kv)| kv.clone())
            .collect()
    }

    /// The state after what lapsed meanwhile is gone.
    fn current(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if state.lapse(self.0.clock.elapsed()) {
            self.0.changed.notify_waiters();
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What panics under the lock fails a test anyway.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
        limit: Option<usize>,
    ) -> Result<RangeOutcome, StoreError> {
        let at = at.filter(|at| *at != 0).unwrap_or(self.revision);
        self.check_readable(at)?;
        let limit = limit.unwrap_or(RANGE_ITEMS_MAX);
        let past;
        let keys = if at == self.revision {
            &self.now
        } else {
            past = self.state_at(at);
            &past
        };
        let (items, more) = page(starting(keys, prefix, after), limit);
        Ok(RangeOutcome {
            revision: self.revision,
            items,
            more,
        })
    }

    fn check_readable(&self, asked: Revision) -> Result<(), StoreError> {
        if asked > self.revision {
            let current = self.revision;
            return Err(StoreError::FutureRevision { asked, current });
        }
        if asked < self.compacted {
            let oldest = self.compacted;
            return Err(StoreError::Compacted { asked, oldest });
        }
        Ok(())
    }

    fn state_at(&self, at: Revision) -> BTreeMap<String, KeyValue> {
        let mut keys = self.base.clone();
        for event in self.events.iter().take_while(|event| event.revision <= at) {
            apply(&mut keys, event);
        }
        keys
    }

    fn txn(&mut self, txn: &Txn, now: Duration) -> Result<Done, StoreError> {
        let holds = |compare: &portico_store::Compare| compare.holds(self.now.get(compare.key()));
        let succeeded = txn.compare.iter().all(holds);
        let branch = if succeeded { &txn.then } else { &txn.otherwise };
        // Before anything is done: a transaction that is refused changes nothing.
        for op in branch {
            if let Op::Put {
                lease: Some(lease), ..
            } = op
                && self.leases.get(lease).is_none_or(|held| held.ends <= now)
            {
                return Err(StoreError::LeaseNotFound { lease: *lease });
            }
        }
        let mut changes = Vec::new();
        let results = branch.iter().map(|op| self.op(op, &mut changes)).collect();
        let event = self.commit(changes);
        let outcome = TxnOutcome {
            succeeded,
            revision: self.revision,
            results,
        };
        Ok((outcome, event))
    }

    fn op(&mut self, op: &Op, changes: &mut Vec<Change>) -> OpResult {
        match op {
            Op::Put { key, value, lease } => {
                let (before, revision) = (self.now.get(key), self.revision + 1);
                let kv = KeyValue {
                    key: key.clone(),
                    value: value.clone(),
                    create_revision: before.map_or(revision, |kv| kv.create_revision),
                    mod_revision: revision,
                    version: before.map_or(0, |kv| kv.version) + 1,
                    lease: *lease,
                };
                self.now.insert(key.clone(), kv.clone());
                changes.push(Change::Put(kv));
                OpResult::Put
            }
            Op::Delete { key } => OpResult::Deleted {
                count: usize::from(self.delete(key, changes)),
            },
            Op::DeletePrefix { prefix } => {
                let keys = starting(&self.now, prefix, None).map(|(key, _)| key.clone());
                let keys: Vec<String> = keys.collect();
                for key in &keys {
                    self.delete(key, changes);
                }
                OpResult::Deleted { count: keys.len() }
            }
            Op::Get { key } => OpResult::Get(self.now.get(key).cloned()),
            Op::Range { prefix } => {
                let (items, more) = page(starting(&self.now, prefix, None), RANGE_ITEMS_MAX);
                OpResult::Range { items, more }
            }
        }
    }

    fn delete(&mut self, key: &str, changes: &mut Vec<Change>) -> bool {
        let was = self.now.remove(key).is_some();
        if was {
            changes.push(Change::Deleted { key: key.into() });
        }
        was
    }

    fn commit(&mut self, changes: Vec<Change>) -> Option<Arc<WatchEvent>> {
        if changes.is_empty() {
            return None;
        }
        self.revision += 1;
        let event = Arc::new(WatchEvent {
            revision: self.revision,
            changes,
        });
        self.events.push_back(Arc::clone(&event));
        if let Some(history) = self.history
            && self.events.len() > 2 * history
        {
            let kept = u64::try_from(history).unwrap_or(u64::MAX);
            self.forget_before(self.revision.saturating_sub(kept));
        }
        Some(event)
    }

    fn forget_before(&mut self, revision: Revision) {
        self.compacted = revision;
        while let Some(first) = self.events.front()
            && first.revision < revision
        {
            apply(&mut self.base, first);
            self.events.pop_front();
        }
    }

    /// Ends the leases without time left. Whether keys went with them.
    fn lapse(&mut self, now: Duration) -> bool {
        let lapsed = self.leases.iter().filter(|(_, held)| held.ends <= now);
        let lapsed: Vec<LeaseId> = lapsed.map(|(id, _)| *id).collect();
        let mut changed = false;
        for lease in lapsed {
            changed |= self.end_lease(lease);
        }
        changed
    }

    fn end_lease(&mut self, lease: LeaseId) -> bool {
        self.leases.remove(&lease);
        let bound = self.now.values().filter(|kv| kv.lease == Some(lease));
        let keys: Vec<String> = bound.map(|kv| kv.key.clone()).collect();
        let mut changes = Vec::new();
        for key in keys {
            self.delete(&key, &mut changes);
        }
        self.commit(changes).is_some()
    }

    /// Events of `prefix` from `from` on, and where to go on.
    fn watched(&self, prefix: &str, from: Revision) -> (Vec<WatchEvent>, Revision) {
        let first = self.events.front().map_or(from, |event| event.revision);
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let (mut events, mut next) = (Vec::new(), self.revision + 1);
        for event in self.events.iter().skip(skip) {
            if events.len() >= WATCH_BATCH_REVISIONS {
                next = event.revision;
                break;
            }
            let wanted = |change: &&Change| change.key().starts_with(prefix);
            let changes: Vec<Change> = event.changes.iter().filter(wanted).cloned().collect();
            if !changes.is_empty() {
                let revision = event.revision;
                events.push(WatchEvent { revision, changes });
            }
        }
        (events, next.max(from))
    }
}

fn apply(keys: &mut BTreeMap<String, KeyValue>, event: &WatchEvent) {
    for change in &event.changes {
        match change {
            Change::Put(kv) => {
                keys.insert(kv.key.clone(), kv.clone());
            }
            Change::Deleted { key } => {
                keys.remove(key);
            }
        }
    }
}

fn starting<'a>(
    keys: &'a BTreeMap<String, KeyValue>,
    prefix: &'a str,
    after: Option<&'a str>,
) -> impl Iterator<Item = (&'a String, &'a KeyValue)> {
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    keys.range::<str, _>((from, Bound::Unbounded))
        .take_while(move |(key, _)| key.starts_with(prefix))
}

fn page<'a>(
    items: impl Iterator<Item = (&'a String, &'a KeyValue)>,
    limit: usize,
) -> (Vec<KeyValue>, bool) {
    let limit = limit.min(RANGE_ITEMS_MAX);
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for (key, kv) in items {
        if taken.len() >= limit || bytes >= RANGE_BYTES_MAX {
            return (taken, true);
        }
        bytes += key.len() + kv.value.len();
        taken.push(kv.clone());
    }
    (taken, false)
}

/// Life a lease gets for what was asked: whole seconds within the limits, as etcd counts.
fn granted_ttl(asked: Duration) -> Duration {
    let up = u64::from(asked.subsec_nanos() > 0);
    Duration::from_secs(asked.as_secs().saturating_add(up)).clamp(LEASE_TTL_MIN, LEASE_TTL_MAX)
}

impl Store for MemoryStore {
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<KeyValue>, StoreError>> {
        let key = key.to_owned();
        Box::pin(async move { self.get_now(&key) })
    }

    fn range_after(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
        limit: Option<usize>,
    ) -> BoxFuture<'_, Result<RangeOutcome, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.map(ToOwned::to_owned));
        Box::pin(async move { self.range_now(&prefix, after.as_deref(), at, limit) })
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnOutcome, StoreError>> {
        Box::pin(async move { self.txn_now(&txn).map(|(outcome, _)| outcome) })
    }

    fn watch(
        &self,
        prefix: &str,
        from_revision: Revision,
    ) -> BoxFuture<'_, Result<Watch, StoreError>> {
        let prefix = prefix.to_owned();
        Box::pin(async move {
            check_prefix(&prefix)?;
            let mut state = self.current();
            if state.watches >= WATCHES_MAX {
                return Err(StoreError::TooManyWatches { max: WATCHES_MAX });
            }
            state.watches += 1;
            let next = match from_revision {
                0 => state.revision + 1,
                given => given,
            };
            Ok(Watch::new(Box::new(MemoryWatch {
                shared: Arc::downgrade(&self.0),
                changed: Arc::clone(&self.0.changed),
                prefix,
                next,
            })))
        })
    }

    fn lease_grant(&self, ttl: Duration) -> BoxFuture<'_, Result<Lease, StoreError>> {
        Box::pin(async move {
            let mut state = self.current();
            if state.leases.len() >= LEASES_MAX {
                return Err(StoreError::TooManyLeases);
            }
            let ttl = granted_ttl(ttl);
            state.last_lease += 1;
            let id = LeaseId::from_raw(state.last_lease);
            let ends = self.0.clock.elapsed() + ttl;
            state.leases.insert(id, Held { ttl, ends });
            drop(state);
            // A watch that waits must look at the clock from now on.
            self.0.changed.notify_waiters();
            Ok(Lease { id, ttl })
        })
    }

    fn lease_keep_alive(&self, lease: LeaseId) -> BoxFuture<'_, Result<Duration, StoreError>> {
        Box::pin(async move {
            let mut state = self.current();
            let held = state.leases.get_mut(&lease);
            let held = held.ok_or(StoreError::LeaseNotFound { lease })?;
            held.ends = self.0.clock.elapsed() + held.ttl;
            Ok(held.ttl)
        })
    }

    fn lease_revoke(&self, lease: LeaseId) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut state = self.current();
            if !state.leases.contains_key(&lease) {
                return Err(StoreError::LeaseNotFound { lease });
            }
            state.end_lease(lease);
            drop(state);
            self.0.changed.notify_waiters();
            Ok(())
        })
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut state = self.current();
            state.check_readable(revision)?;
            if revision <= state.compacted {
                return Err(StoreError::Compacted {
                    asked: revision,
                    oldest: state.compacted,
                });
            }
            state.forget_before(revision);
            Ok(())
        })
    }
}

struct MemoryWatch {
    /// Weak, so that a watch that waits does not keep its store.
    shared: Weak<Shared>,
    changed: Arc<Notify>,
    prefix: String,
    next: Revision,
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let store = MemoryStore(shared);
            let mut state = store.lock();
            state.watches = state.watches.saturating_sub(1);
        }
    }
}

impl WatchSource for MemoryWatch {
    fn next_events(&mut self) -> BoxFuture<'_, Result<Vec<WatchEvent>, WatchError>> {
        Box::pin(async move {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                // From here on no change is missed.
                changed.as_mut().enable();
                let (events, has_leases) = {
                    let store = MemoryStore(self.shared.upgrade().ok_or(WatchError::Closed)?);
                    let state = store.current();
                    if self.next < state.compacted {
                        let revision = state.compacted;
                        return Err(WatchError::Compacted { revision });
                    }
                    let (events, next) = state.watched(&self.prefix, self.next);
                    self.next = next;
                    (events, !state.leases.is_empty())
                };
                if !events.is_empty() {
                    return Ok(events);
                }
                if has_leases {
                    // Leases lapse without anybody calling; a lapse is a change.
                    let _passed = tokio::time::timeout(LEASE_TICK, changed).await;
                } else {
                    changed.await;
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &MemoryStore, key: &str) -> Revision {
        let txn = Txn::of([Op::put(key, "v")]);
        store.txn_now(&txn).unwrap().0.revision
    }

    #[test]
    fn it_compacts_by_itself_at_twice_its_history() {
        let store = MemoryStore::new(Arc::new(SystemLeaseClock::default()), Some(10));
        let first = put(&store, "a");
        for n in 0..19 {
            put(&store, &n.to_string());
        }
        assert!(store.range_now("", None, Some(first), None).is_ok());
        let last = put(&store, "b");
        assert!(store.range_now("", None, Some(first), None).is_err());
        let oldest = store.range_now("", None, Some(last - 10), None).unwrap();
        assert_eq!(oldest.items.len(), 11);
        assert_eq!(store.all("").len(), 21);
    }

    #[tokio::test]
    async fn the_number_of_watches_and_of_leases_is_limited() {
        let store = MemoryStore::default();
        let mut watches = Vec::new();
        for _ in 0..WATCHES_MAX {
            watches.push(store.watch("", 0).await.unwrap());
        }
        let error = store.watch("", 0).await.unwrap_err();
        assert!(matches!(error, StoreError::TooManyWatches { .. }));
        watches.pop();
        assert!(store.watch("", 0).await.is_ok());
        // Long enough that none lapses while the others are granted, however slow the machine is.
        let ttl = std::time::Duration::from_secs(3600);
        for _ in 0..LEASES_MAX {
            store.lease_grant(ttl).await.unwrap();
        }
        let error = store.lease_grant(ttl).await.unwrap_err();
        assert_eq!(error, StoreError::TooManyLeases);
    }

    #[tokio::test]
    async fn a_watch_ends_with_its_store() {
        let store = MemoryStore::default();
        let mut watch = store.watch("", 0).await.unwrap();
        drop(store);
        assert_eq!(watch.next().await, Err(WatchError::Closed));
    }
}
