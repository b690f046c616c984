//! The store as one process of a broker sees it: with latency, lost answers and outages, and with
//! an operation at which the process dies.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use portico_store::{
    BoxFuture, KeyValue, Lease, LeaseId, RangeOutcome, Revision, Store, StoreError, Txn,
    TxnOutcome, Watch, WatchError, WatchEvent, WatchSource,
};

use super::{
    invariants,
    world::{World, up_to},
};
use crate::{MemoryStore, chance::Dice};

/// Longest time until an error of a store that is away.
const AWAY_MS: u64 = 3_000;

/// The store of one process.
pub(crate) struct SimStore {
    world: Arc<World>,
    broker: usize,
    life: u32,
    operations: AtomicU64,
    /// Operation at which the process dies, and whether that one is still done.
    dies_at: Mutex<Option<(u64, bool)>>,
    dice: Mutex<Dice>,
}

impl SimStore {
    pub(crate) fn new(world: Arc<World>, broker: usize, life: u32) -> Self {
        let number = (broker as u64) * 1000 + u64::from(life);
        let dice = Dice::of(world.scenario.seed, "store", number);
        Self {
            world,
            broker,
            life,
            operations: AtomicU64::new(0),
            dies_at: Mutex::default(),
            dice: Mutex::new(dice),
        }
    }

    /// The process dies at its operation so many from now; `op_done`: after it, not before.
    pub(crate) fn die_at(&self, from_now: u64, op_done: bool) {
        let at = self.operations.load(Ordering::SeqCst) + from_now;
        *lock(&self.dies_at) = Some((at, op_done));
    }

    pub(crate) fn live_on(&self) {
        *lock(&self.dies_at) = None;
    }

    async fn pause(&self, times: u64) {
        let most = if self.world.is_quiet() {
            1
        } else {
            self.world.scenario.chances.store_ms * times
        };
        let pause = up_to(&mut lock(&self.dice), most);
        if pause.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pause).await;
        }
    }

    fn is_away(&self) -> bool {
        self.world.lock().brokers[self.broker].store_away > 0
    }

    fn away(&self) -> StoreError {
        StoreError::Away {
            place: "simulated".into(),
            detail: "no answer".into(),
        }
    }

    /// Dies, if it is time to.
    async fn die(&self, operation: u64, is_done: bool) {
        let dies = lock(&self.dies_at).is_some_and(|(at, done)| operation >= at && done == is_done);
        if dies {
            self.world.kill(self.broker, self.life);
            std::future::pending::<()>().await;
        }
    }

    async fn operation<T>(
        &self,
        is_write: bool,
        of: impl FnOnce(&MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let operation = self.operations.fetch_add(1, Ordering::SeqCst);
        if !self.world.may_go_on() {
            std::future::pending::<()>().await;
        }
        self.pause(1).await;
        self.die(operation, false).await;
        if self.is_away() {
            let pause = up_to(&mut lock(&self.dice), AWAY_MS);
            tokio::time::sleep(pause).await;
            return Err(self.away());
        }
        let result = of(&self.world.memory);
        self.die(operation, true).await;
        let lost = self.world.scenario.chances.answer_lost;
        let is_lost = lock(&self.dice).happens(lost) && is_write && !self.world.is_quiet();
        if is_lost {
            self.world
                .note(format_args!("b{} answer lost", self.broker));
            let pause = up_to(&mut lock(&self.dice), AWAY_MS);
            tokio::time::sleep(pause).await;
            return Err(self.away());
        }
        self.pause(1).await;
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for SimStore {
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<KeyValue>, StoreError>> {
        let key = key.to_owned();
        Box::pin(async move { self.operation(false, |memory| memory.get_now(&key)).await })
    }

    fn range_after(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
        limit: Option<usize>,
    ) -> BoxFuture<'_, Result<RangeOutcome, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.map(ToOwned::to_owned));
        Box::pin(async move {
            self.operation(false, |memory| {
                memory.range_now(&prefix, after.as_deref(), at, limit)
            })
            .await
        })
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'_, Result<TxnOutcome, StoreError>> {
        Box::pin(async move {
            let txn = match self.world.sabotage {
                None => txn,
                Some(sabotage) => match sabotage.transaction(txn) {
                    Some(txn) => txn,
                    None => std::future::pending().await,
                },
            };
            self.operation(!txn.is_read_only(), |memory| {
                let (outcome, event) = memory.txn_now(&txn)?;
                if let Some(event) = event {
                    invariants::committed(&self.world, self.broker, &event);
                }
                Ok(outcome)
            })
            .await
        })
    }

    fn watch(&self, prefix: &str, from: Revision) -> BoxFuture<'_, Result<Watch, StoreError>> {
        let prefix = prefix.to_owned();
        Box::pin(async move {
            self.operation(false, |_| Ok(())).await?;
            let number = self.operations.load(Ordering::SeqCst);
            let watch = self.world.memory.watch(&prefix, from).await?;
            Ok(Watch::new(Box::new(SlowWatch {
                watch,
                late: None,
                world: Arc::clone(&self.world),
                broker: self.broker,
                dice: Dice::of(
                    self.world.scenario.seed,
                    "watch",
                    number * 10 + self.broker as u64,
                ),
            })))
        })
    }

    fn lease_grant(&self, ttl: std::time::Duration) -> BoxFuture<'_, Result<Lease, StoreError>> {
        Box::pin(async move {
            self.operation(true, |_| Ok(())).await?;
            self.world.memory.lease_grant(ttl).await
        })
    }

    fn lease_keep_alive(
        &self,
        lease: LeaseId,
    ) -> BoxFuture<'_, Result<std::time::Duration, StoreError>> {
        Box::pin(async move {
            self.operation(true, |_| Ok(())).await?;
            self.world.memory.lease_keep_alive(lease).await
        })
    }

    fn lease_revoke(&self, lease: LeaseId) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.operation(true, |_| Ok(())).await?;
            self.world.memory.lease_revoke(lease).await
        })
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.operation(true, |_| Ok(())).await?;
            self.world.memory.compact(revision).await
        })
    }
}

/// A watch whose events come late, and which breaks while the store is away.
struct SlowWatch {
    watch: Watch,
    /// Taken from the watch and not handed out yet: a wait that is given up loses nothing.
    late: Option<WatchEvent>,
    world: Arc<World>,
    broker: usize,
    dice: Dice,
}

impl WatchSource for SlowWatch {
    fn next_events(&mut self) -> BoxFuture<'_, Result<Vec<WatchEvent>, WatchError>> {
        Box::pin(async move {
            if !self.world.may_go_on() {
                std::future::pending::<()>().await;
            }
            if self.late.is_none() {
                self.late = Some(self.watch.next().await?);
            }
            if !self.world.is_quiet() {
                let most = self.world.scenario.chances.store_ms;
                tokio::time::sleep(up_to(&mut self.dice, most)).await;
            }
            if self.world.lock().brokers[self.broker].store_away > 0 {
                return Err(WatchError::Away {
                    detail: "no answer".into(),
                });
            }
            Ok(self.late.take().into_iter().collect())
        })
    }
}
