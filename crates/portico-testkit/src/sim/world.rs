//! Everything beside the brokers: the store, the hosts, the connections, what was promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portico_model::{
    ConnectionId, HostId, SessionId, Timestamp, UserId,
    session::{EndReason, Session},
};
use portico_net::clock::Clock;
use portico_probe::{ProbeError, ProbeOk, ProbeTarget, Prober};
use portico_store::LeaseClock;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::Instant,
};

use super::{
    agent::OpenLink,
    invariants::{Directory, Invariant, Violation},
    process::Process,
    sabotage::Sabotage,
    scenario::Scenario,
    trace::Trace,
    truth::{TrueHost, host_id},
};
use crate::{MemoryJournal, MemoryStore, chance::Dice};

/// Wall-clock time at the start of every run.
const START_MS: i64 = 1_700_000_000_000;
/// Operations of the store in one run, events of watches included. The largest of the first
/// thousand seeds takes a twentieth of it; a broker that asks again without a pause reaches it before
/// it has taken the machine's memory, as no virtual time passes meanwhile.
pub(crate) const OPERATIONS_MAX: u64 = 200_000;

/// The world of one run.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    /// A rule that is broken on purpose.
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) memory: MemoryStore,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) start: Instant,
    /// Tasks of people and agents: they do not die with a broker.
    pub(crate) tasks: Mutex<JoinSet<()>>,
    pub(crate) stop: Notify,
    operations: AtomicU64,
    state: Mutex<State>,
}

/// What changes in it.
pub(crate) struct State {
    pub(crate) trace: Trace,
    pub(crate) hosts: BTreeMap<u64, TrueHost>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) directory: Directory,
    pub(crate) facts: Facts,
    pub(crate) violation: Option<Violation>,
    pub(crate) brokers: Vec<BrokerState>,
    pub(crate) is_quiet: bool,
    /// Hosts that an operator drains.
    pub(crate) drained: BTreeMap<u64, Instant>,
    /// Tasks of the agents that run.
    pub(crate) agents: BTreeMap<u64, Vec<tokio::task::AbortHandle>>,
    pub(crate) agent_starts: u64,
    /// Open links by host and broker.
    pub(crate) links: BTreeMap<(u64, u64), OpenLink>,
    /// When a host last went in or out of drain.
    pub(crate) mode_changed: BTreeMap<u64, Instant>,
}

/// A broker as the world sees it.
#[derive(Default)]
pub(crate) struct BrokerState {
    pub(crate) process: Option<Arc<Process>>,
    pub(crate) lives: u32,
    pub(crate) skew_ms: i64,
    pub(crate) store_away: u32,
    /// How long it stays down when it is killed next.
    pub(crate) down: Duration,
    /// Since when it runs and its store answers it.
    pub(crate) well_since: Option<Instant>,
}

/// What people and hosts did, by which the end of a session is explained.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) ended_by_user: BTreeSet<SessionId>,
    pub(crate) ended_by_operator: BTreeSet<SessionId>,
    pub(crate) failed: BTreeSet<SessionId>,
    pub(crate) closed_by_host: BTreeSet<SessionId>,
    /// Sessions to which a path broke on the host's side.
    pub(crate) lost: BTreeSet<SessionId>,
    /// Sessions of the directory that were led into one on their host.
    pub(crate) landed: BTreeSet<SessionId>,
    /// Acknowledged sessions.
    pub(crate) acknowledged: BTreeSet<SessionId>,
    /// When a connection to a host failed last.
    pub(crate) failed_at: BTreeMap<u64, Instant>,
    /// Last report that a broker took of a host: when, and the accounts in it.
    pub(crate) reports: BTreeMap<(usize, u64), (Instant, Vec<String>)>,
    pub(crate) launches: u64,
    pub(crate) refusals: u64,
    pub(crate) reports_taken: u64,
    pub(crate) crashes: u64,
}

/// A connection through the gateway of a broker's process.
pub(crate) struct Connection {
    pub(crate) broker: usize,
    pub(crate) life: u32,
    pub(crate) session: SessionId,
    pub(crate) user: u64,
    pub(crate) resource: u64,
    pub(crate) host: u64,
    pub(crate) phase: Phase,
    pub(crate) opened_at: Option<Instant>,
    pub(crate) close: mpsc::UnboundedSender<EndReason>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Dialing,
    LoggingOn,
    /// In the session with this display.
    On(u64),
}

impl World {
    pub(crate) fn new(
        scenario: Scenario,
        sabotage: Option<Sabotage>,
        keep_trace: bool,
    ) -> Arc<Self> {
        let start = Instant::now();
        let hosts = scenario.hosts.iter();
        let hosts = hosts.map(|plan| (plan.host, TrueHost::new(*plan, start)));
        let brokers = (0..scenario.brokers).map(|_| BrokerState::default());
        let state = State {
            trace: Trace::new(keep_trace),
            hosts: hosts.collect(),
            connections: BTreeMap::new(),
            directory: Directory::default(),
            facts: Facts::default(),
            violation: None,
            brokers: brokers.collect(),
            is_quiet: false,
            drained: BTreeMap::new(),
            mode_changed: BTreeMap::new(),
            agents: BTreeMap::new(),
            agent_starts: 0,
            links: BTreeMap::new(),
        };
        let mut dice = Dice::of(scenario.seed, "world", 0);
        let history = *dice.one_of(&[None, None, Some(50)]).unwrap_or(&None);
        Arc::new(Self {
            memory: MemoryStore::new(Arc::new(VirtualTime(start)), history),
            journal: Arc::default(),
            start,
            tasks: Mutex::default(),
            stop: Notify::new(),
            operations: AtomicU64::new(0),
            state: Mutex::new(state),
            sabotage,
            scenario,
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task that lives as long as the world.
    pub(crate) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::AbortHandle {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task)
    }

    pub(crate) fn note(&self, line: fmt::Arguments<'_>) {
        self.lock().note(self.start, line);
    }

    pub(crate) fn violated(&self, invariant: Invariant, what: String) {
        self.lock().violated(self.start, invariant, what);
        self.stop.notify_one();
    }

    /// Counts an operation of the store. False when there were too many: the run is over.
    pub(crate) fn may_go_on(&self) -> bool {
        let before = self.operations.fetch_add(1, Ordering::Relaxed);
        if before == OPERATIONS_MAX {
            let what = format!("{OPERATIONS_MAX} operations of the store: somebody asks for ever");
            self.violated(Invariant::Answers, what);
        }
        before < OPERATIONS_MAX
    }

    /// Operations of the store so far.
    pub(crate) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.lock().is_quiet
    }

    /// Wall-clock time as broker `broker` has it.
    fn now_of(&self, broker: usize) -> Timestamp {
        let ms = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        let skew_ms = self.lock().brokers[broker].skew_ms;
        Timestamp::from_unix_ms(START_MS + ms + skew_ms)
    }

    /// The process of a broker, if it runs.
    pub(crate) fn process(&self, broker: u64) -> Option<Arc<Process>> {
        let broker = usize::try_from(broker).unwrap_or(usize::MAX);
        self.lock().brokers.get(broker)?.process.clone()
    }

    /// Cuts connections, for `reason`.
    pub(crate) fn cut(&self, connections: &[ConnectionId], reason: EndReason) {
        let state = self.lock();
        for id in connections {
            if let Some(connection) = state.connections.get(id) {
                let _gone = connection.close.send(reason);
            }
        }
    }

    /// Cuts every connection to a host.
    pub(crate) fn cut_host(&self, host: u64, reason: EndReason) {
        let state = self.lock();
        for connection in state.connections.values().filter(|it| it.host == host) {
            let _gone = connection.close.send(reason);
        }
    }

    /// A process is gone: its connections break, and no event of them is ever reported.
    pub(crate) fn forget_connections(&self, broker: usize, life: u32) {
        let now = Instant::now();
        let mut state = self.lock();
        let of = |it: &Connection| it.broker == broker && it.life == life;
        let gone: Vec<(ConnectionId, u64)> = state
            .connections
            .iter()
            .filter(|(_, it)| of(it))
            .map(|(id, it)| (id.clone(), it.host))
            .collect();
        for (id, host) in gone {
            state.connections.remove(&id);
            if let Some(host) = state.hosts.get_mut(&host) {
                host.disconnected(&id, now);
            }
        }
    }
}

impl State {
    pub(crate) fn note(&mut self, start: Instant, line: fmt::Arguments<'_>) {
        let at = start.elapsed().as_millis();
        self.trace.push(format!("{at:>8} {line}"));
    }

    pub(crate) fn violated(&mut self, start: Instant, invariant: Invariant, what: String) {
        self.note(start, format_args!("BROKEN {invariant:?}: {what}"));
        self.violation.get_or_insert(Violation {
            invariant,
            what,
            at_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// The live session of a host that a session of the directory landed in.
    pub(crate) fn truth_of(&self, session: &Session) -> Option<(u64, u64)> {
        let hosts = self.hosts.values().filter(|host| host.id == session.host);
        let mut found = hosts.flat_map(|host| {
            let sessions = host.sessions.iter();
            sessions
                .filter(|(_, it)| it.of.contains(&session.id))
                .map(|(display, _)| (host.plan.host, *display))
        });
        found.next()
    }

    pub(crate) fn host(&self, id: &HostId) -> Option<&TrueHost> {
        number_of(id.as_str()).and_then(|number| self.hosts.get(&number))
    }
}

/// The number in an id such as `h12`.
pub(crate) fn number_of(id: &str) -> Option<u64> {
    id.get(1..)?.parse().ok()
}

/// Id of the user with this number.
pub(crate) fn user_id(user: u64) -> UserId {
    UserId::new(format!("u{user}")).expect("a slug")
}

/// A span drawn from 0 up to `most_ms`.
pub(crate) fn up_to(dice: &mut Dice, most_ms: u64) -> Duration {
    Duration::from_millis(dice.between(0, most_ms))
}

/// The clock of one broker.
pub(crate) struct SimClock {
    pub(crate) world: Arc<World>,
    pub(crate) broker: usize,
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.world.now_of(self.broker)
    }
}

struct VirtualTime(Instant);

impl LeaseClock for VirtualTime {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Probes the hosts as they are.
pub(crate) struct SimProber(pub(crate) Arc<World>);

impl Prober for SimProber {
    fn probe<'a>(
        &'a self,
        target: &'a ProbeTarget,
    ) -> portico_probe::BoxFuture<'a, Result<ProbeOk, ProbeError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let state = self.0.lock();
            let mut hosts = state.hosts.values();
            let up =
                hosts.any(|host| address(host.plan.host) == target.address && host.is_reachable());
            if up {
                return Ok(ProbeOk {
                    rtt: Duration::from_millis(2),
                    detail: "hello".into(),
                });
            }
            Err(ProbeError {
                detail: "no answer".into(),
                next_step: String::new(),
            })
        })
    }
}

/// Address of a host.
pub(crate) fn address(host: u64) -> String {
    format!("{}.example", host_id(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Size;

    #[test]
    fn a_run_that_asks_the_store_for_ever_is_ended_and_named() {
        let world = World::new(Scenario::of_size(0, Size::Small), None, false);
        world
            .operations
            .store(OPERATIONS_MAX - 1, Ordering::Relaxed);
        assert!(world.may_go_on());
        assert_eq!(world.lock().violation, None);
        assert!(!world.may_go_on());
        assert!(!world.may_go_on());
        let violation = world.lock().violation.clone().unwrap();
        assert_eq!(violation.invariant, Invariant::Answers);
        assert!(violation.what.contains("for ever"), "{}", violation.what);
    }
}
