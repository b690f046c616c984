//! A broker's process with the gateway in it: it can be killed at any await point.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portico_broker::{Broker, BrokerParts, GatewaySeam};
use portico_identity::LocalUsers;
use portico_model::{BrokerId, ConnectionId, GatewayId, SessionId, session::EndReason};
use portico_net::tasks::ShutdownToken;
use portico_store::BoxFuture;
use tokio::{sync::oneshot, task::JoinSet};

use super::{
    invariants::Invariant,
    store::SimStore,
    world::{SimClock, SimProber, World},
};
use crate::chance::{Dice, SeededChance};

/// No call of a broker takes so long while its process lives.
const CALL_MAX: Duration = Duration::from_secs(300);

/// A life of a broker.
pub(crate) struct Process {
    world: Arc<World>,
    pub(crate) index: usize,
    pub(crate) life: u32,
    pub(crate) broker: Broker,
    pub(crate) store: Arc<SimStore>,
    pub(crate) gateway: GatewayId,
    tasks: Mutex<JoinSet<()>>,
    is_dead: AtomicBool,
}

impl Process {
    /// Does something with the broker as part of the process. `None`: it was killed meanwhile.
    pub(crate) async fn call<T, F>(&self, what: impl FnOnce(Broker) -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work = what(self.broker.clone());
        self.spawn(async move {
            let _gone = answer.send(work.await);
        })?;
        match tokio::time::timeout(CALL_MAX, answered).await {
            Ok(answered) => answered.ok(),
            Err(_) => {
                let what = format!("a call of broker {} took {CALL_MAX:?}", self.index);
                self.world.violated(Invariant::Answers, what);
                None
            }
        }
    }

    /// Starts a task that dies with the process. `None`: it is dead.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<()> {
        if self.is_dead() {
            return None;
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(done) = tasks.try_join_next() {
            if let Err(error) = done
                && error.is_panic()
            {
                let what = format!("a task of broker {} panicked", self.index);
                drop(tasks);
                self.world.violated(Invariant::Answers, what);
                return None;
            }
        }
        tasks.spawn(task);
        Some(())
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }
}

impl World {
    /// Starts a broker that does not run.
    pub(crate) fn start_broker(self: &Arc<Self>, index: usize) {
        let life = {
            let mut state = self.lock();
            let broker = &mut state.brokers[index];
            if broker.process.is_some() {
                return;
            }
            broker.lives += 1;
            broker.lives
        };
        let number = (index as u64) * 1000 + u64::from(life);
        let store = Arc::new(SimStore::new(Arc::clone(self), index, life));
        let broker = Broker::new(BrokerParts {
            store: Arc::clone(&store) as _,
            journal: Arc::clone(&self.journal) as _,
            clock: Arc::new(SimClock {
                world: Arc::clone(self),
                broker: index,
            }),
            broker_id: BrokerId::new(format!("b{index}")).expect("a slug"),
            prober: Arc::new(SimProber(Arc::clone(self))),
            local_users: local_users(),
            chance: Arc::new(SeededChance::new(Dice::of(
                self.scenario.seed,
                "broker",
                number,
            ))),
        });
        let gateway = GatewayId::new(format!("g{index}")).expect("a slug");
        let seam = SimGateway {
            world: Arc::downgrade(self),
            broker: index,
            life,
        };
        broker.register_gateway(gateway.clone(), [7; 32], Arc::new(seam));
        let process = Arc::new(Process {
            world: Arc::clone(self),
            index,
            life,
            broker: broker.clone(),
            store,
            gateway,
            tasks: Mutex::default(),
            is_dead: AtomicBool::new(false),
        });
        process.spawn(async move { broker.run(ShutdownToken::new()).await });
        let mut state = self.lock();
        state.brokers[index].process = Some(process);
        state.brokers[index].well_since = Some(tokio::time::Instant::now());
        state.note(self.start, format_args!("b{index} starts, life {life}"));
    }

    /// Kills a process at the await points its tasks are at, if it still is in this life.
    pub(crate) fn kill(self: &Arc<Self>, index: usize, life: u32) {
        let (process, down) = {
            let mut state = self.lock();
            let broker = &mut state.brokers[index];
            let is_it = |process: &mut Arc<Process>| process.life == life;
            let Some(process) = broker.process.take_if(is_it) else {
                return;
            };
            broker.well_since = None;
            state.facts.crashes += 1;
            let down = state.brokers[index].down;
            state.note(self.start, format_args!("b{index} is killed, life {life}"));
            (process, down)
        };
        process.is_dead.store(true, Ordering::SeqCst);
        let mut tasks = process.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.abort_all();
        drop(tasks);
        self.forget_connections(index, life);
        let world = Arc::clone(self);
        self.spawn(async move {
            tokio::time::sleep(down).await;
            world.start_broker(index);
        });
    }
}

/// One pool of argon2 for all runs: making one costs a hash, and none of them is ever used.
fn local_users() -> LocalUsers {
    static USERS: std::sync::OnceLock<LocalUsers> = std::sync::OnceLock::new();
    USERS
        .get_or_init(|| LocalUsers::new().expect("argon2"))
        .clone()
}

/// The gateway in a process: it closes connections when the broker asks.
struct SimGateway {
    world: Weak<World>,
    broker: usize,
    life: u32,
}

impl GatewaySeam for SimGateway {
    fn close(&self, connection: &ConnectionId, reason: EndReason, _detail: Option<&str>) -> bool {
        let Some(world) = self.world.upgrade() else {
            return false;
        };
        let state = world.lock();
        let found = state.connections.get(connection);
        let found = found.filter(|it| it.broker == self.broker && it.life == self.life);
        found.is_some_and(|it| it.close.send(reason).is_ok())
    }

    fn end_terminal<'a>(
        &'a self,
        _session: &'a SessionId,
        _reason: EndReason,
    ) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}
