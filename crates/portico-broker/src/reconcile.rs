//! The periodic work: each piece is idempotent and takes no input; what fails is tried again the
//! next time.

use std::{collections::BTreeSet, future::Future, time::Duration};

use futures_util::{TryStreamExt, stream};
use portico_brokering::{Event, Step, life_cycle::Times, step};
use portico_identity::tokens;
use portico_model::{
    BrokerId,
    estate::{Estate, Protocol},
    session::{Session, SessionState},
};
use portico_net::tasks::{ShutdownToken, Tasks};
use portico_store::{Compare, Op, StoreError, Txn};
use tokio::time::Instant;

use crate::{broker::Broker, directory::Entry, documents, launch::policy};

/// Hosts are probed so often.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// Up to so much is added to each period, so that several brokers do not probe in step.
const PROBE_JITTER_MS: u64 = 1_000;
/// Reservations are looked through so often.
const REAP_EVERY: Duration = Duration::from_secs(5);
/// Reports that the store did not take are tried so often.
const SETTLE_EVERY: Duration = Duration::from_secs(1);
/// Log-offs that wait are looked at so often.
const LOG_OFF_EVERY: Duration = Duration::from_secs(2);
/// Open connections are compared with the directory so often.
const CONNECTIONS_EVERY: Duration = Duration::from_secs(1);
/// Other brokers are told so often that this one runs.
const PRESENCE_EVERY: Duration = Duration::from_secs(3);
/// A broker that was silent for so long is gone.
const PRESENCE_LIFE: Duration = Duration::from_secs(15);
/// Sessions that are settled at once after a start, so that they share the store's commits.
const RECOVERED_AT_ONCE: usize = 256;
/// Ended sessions are purged so often.
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// An ended session stays in the directory for so long; the journal keeps its history.
const ENDED_KEPT_MS: u64 = 3_600_000;
/// How often the first look at the directory is tried while the store is away.
const RECOVER_AGAIN: Duration = Duration::from_secs(1);
/// Time that tasks get to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

impl Broker {
    /// Does the periodic work until shutdown. First of all it settles what a former process left.
    pub async fn run(&self, shutdown: ShutdownToken) {
        let tasks = Tasks::under("broker", &shutdown);
        self.follow_agents(&tasks);
        let broker = self.clone();
        self.spawn(&tasks, "probe hosts", move || {
            let broker = broker.clone();
            async move {
                if let Err(error) = broker.probe_hosts().await {
                    tracing::warn!(%error, "Hosts were not probed");
                }
                PROBE_EVERY + broker.jitter()
            }
        });
        while let Err(error) = self.recover().await {
            tracing::warn!(%error, "The session directory could not be read; trying again");
            tokio::select! {
                biased;
                () = tokio::time::sleep(RECOVER_AGAIN) => {}
                () = shutdown.cancelled() => return,
            }
        }
        let broker = self.clone();
        self.spawn(&tasks, "reap reservations", move || {
            let broker = broker.clone();
            async move {
                broker.log(broker.reap().await, "Reservations were not reaped");
                REAP_EVERY
            }
        });
        let broker = self.clone();
        let follow = tasks.shutdown_token();
        tasks.spawn("follow the directory", async move {
            tokio::select! {
                biased;
                () = follow.cancelled() => {}
                () = broker.follow() => {}
            }
        });
        let broker = self.clone();
        self.spawn(&tasks, "tell other brokers", move || {
            let broker = broker.clone();
            async move {
                broker.log(broker.announce().await, "Other brokers were not told");
                broker.log(
                    broker.take_over().await,
                    "Sessions of other brokers were not taken over",
                );
                PRESENCE_EVERY
            }
        });
        let broker = self.clone();
        self.spawn(&tasks, "compare connections", move || {
            let broker = broker.clone();
            async move {
                let compared = broker.compare_connections().await;
                broker.log(compared, "Connections were not compared with the directory");
                CONNECTIONS_EVERY
            }
        });
        let (broker, spawner) = (self.clone(), tasks.spawner());
        self.spawn(&tasks, "send log-offs", move || {
            let (broker, spawner) = (broker.clone(), spawner.clone());
            async move {
                let sent = broker.send_log_offs(&spawner).await;
                broker.log(sent, "Log-offs were not sent");
                LOG_OFF_EVERY
            }
        });
        let broker = self.clone();
        self.spawn(&tasks, "purge ended sessions", move || {
            let broker = broker.clone();
            async move {
                broker.log(broker.purge().await, "Ended sessions were not purged");
                PURGE_EVERY
            }
        });
        let broker = self.clone();
        self.spawn(&tasks, "settle reports", move || {
            let broker = broker.clone();
            async move {
                let _left = broker.settle().await;
                SETTLE_EVERY
            }
        });
        shutdown.cancelled().await;
        let joined = tasks.join(STOP_TIMEOUT).await;
        if !joined.aborted.is_empty() {
            tracing::warn!(aborted = ?joined.aborted, "Periodic work was cut off");
        }
    }

    /// Settles what a former process left: its connections are gone, so active desktops are
    /// disconnected and their users can resume them; shells ended with their engine; a
    /// reservation is kept for its time once more. [`run`](Self::run) does it first; it may be
    /// called before gateways are let in, and again at any time.
    pub async fn recover(&self) -> Result<(), StoreError> {
        // What this process was told itself comes first: it knows better how a connection ended.
        let _left = self.settle().await;
        self.announce().await?;
        let others = self.others().await?;
        let left_over = self.0.all_sessions().await?.into_iter();
        let left_over = left_over.filter(|entry| self.is_left_over(&entry.session, &others));
        stream::iter(left_over.map(Ok))
            .try_for_each_concurrent(RECOVERED_AT_ONCE, |entry| async move {
                self.0
                    .move_session(&entry.session.id, &Event::ProcessStopped)
                    .await
                    .map(drop)
            })
            .await
    }

    /// Takes over from brokers that are gone what [`recover`](Self::recover) takes from a former
    /// process of this one.
    pub(crate) async fn take_over(&self) -> Result<(), StoreError> {
        let others = self.others().await?;
        for entry in self.0.all_sessions().await? {
            let session = &entry.session;
            let is_anothers = session.holder.as_ref().is_some_and(|of| *of != self.0.id);
            let is_active = matches!(session.state, SessionState::Active { .. });
            if is_active && is_anothers && self.is_left_over(session, &others) {
                self.0
                    .move_session(&session.id, &Event::ProcessStopped)
                    .await?;
            }
        }
        Ok(())
    }

    /// Tells other brokers that this one runs, for the life of a lease.
    pub(crate) async fn announce(&self) -> Result<(), StoreError> {
        let mut lease = self.0.presence.lock().await;
        if let Some(id) = *lease {
            match self.0.store.lease_keep_alive(id).await {
                Ok(_) => return Ok(()),
                Err(StoreError::LeaseNotFound { .. }) => *lease = None,
                Err(error) => return Err(error),
            }
        }
        let granted = self.0.store.lease_grant(PRESENCE_LIFE).await?.id;
        let key = documents::broker_key(&self.0.id);
        let put = Op::Put {
            value: documents::write(&key, &())?,
            key,
            lease: Some(granted),
        };
        self.0.store.txn(Txn::of([put])).await?;
        *lease = Some(granted);
        Ok(())
    }

    /// The other brokers that run on this store.
    pub(crate) async fn others(&self) -> Result<BTreeSet<BrokerId>, StoreError> {
        let prefix = documents::brokers_prefix();
        let found = self.0.store.range(&prefix, None, None).await?;
        let ids = found.items.iter().filter_map(|item| {
            let id = item.key.strip_prefix(&prefix)?;
            BrokerId::new(id).ok().filter(|id| *id != self.0.id)
        });
        Ok(ids.collect())
    }

    fn is_left_over(&self, session: &Session, others: &BTreeSet<BrokerId>) -> bool {
        if session
            .holder
            .as_ref()
            .is_some_and(|of| others.contains(of))
        {
            return false;
        }
        match &session.state {
            SessionState::Active { connection, .. } => !self.0.has_connection(connection),
            SessionState::Disconnected { .. } => session.protocol == Protocol::Ssh,
            SessionState::Pending { .. } => true,
            SessionState::Ended { .. } => false,
        }
    }

    /// Ends the reservations whose ticket was not used in time.
    pub(crate) async fn reap(&self) -> Result<(), StoreError> {
        self.0.tickets().forget_lapsed(Instant::now());
        self.0.freshen().await?;
        let (_, estate) = self.0.estate().await?;
        for (entry, event) in self.due(&estate) {
            // Whoever was first has changed it; the next round looks again.
            let _moved = self
                .0
                .try_move(&entry.session, entry.revision, &event)
                .await?;
        }
        Ok(())
    }

    /// The sessions whose time is up, with the event that says so.
    fn due(&self, estate: &Estate) -> Vec<(Entry, Event)> {
        let (now, wall) = self.0.times();
        let index = self.0.index();
        let ticks = index.sessions().filter_map(|entry| {
            let session = &entry.session;
            let policy = estate
                .pools
                .get(&session.pool)
                .map(|pool| policy(estate, pool));
            let policy = policy.unwrap_or_default();
            let event = Event::Tick(Times {
                in_state_ms: entry.in_state_ms(now),
                age_ms: entry.age_ms(now),
                disconnected_timeout_s: policy.disconnected_timeout_s,
                session_timeout_s: policy.session_timeout_s,
            });
            let is_due = matches!(step(session, wall, &event), Step::Changed { .. });
            is_due.then(|| (entry.clone(), event))
        });
        ticks.collect()
    }

    /// Deletes the records of sessions that ended a while ago.
    pub(crate) async fn purge(&self) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        for entry in self.0.all_sessions().await? {
            let (session, revision) = (&entry.session, entry.revision);
            let is_old = now.ms_since(session.state_since) >= ENDED_KEPT_MS;
            if !session.state.is_running() && is_old {
                let key = documents::session_key(&session.id);
                let compare = [Compare::unchanged(&key, revision)];
                let txn = Txn::when(compare, [Op::delete(&key)]);
                self.0.commit(txn).await?;
            }
        }
        Ok(())
    }

    /// Runs `work` again and again; it says how long to wait.
    fn spawn<F>(
        &self,
        tasks: &Tasks,
        name: &'static str,
        mut work: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = Duration> + Send + 'static,
    {
        let shutdown = tasks.shutdown_token();
        tasks.spawn(name, async move {
            loop {
                let pause = tokio::select! {
                    biased;
                    pause = work() => pause,
                    () = shutdown.cancelled() => return,
                };
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.cancelled() => return,
                }
            }
        });
    }

    fn jitter(&self) -> Duration {
        let random = tokens::u64_of(&*self.0.chance).unwrap_or(0);
        Duration::from_millis(random.checked_rem(PROBE_JITTER_MS).unwrap_or(0))
    }

    pub(crate) fn log(&self, outcome: Result<(), StoreError>, message: &'static str) {
        if let Err(error) = outcome {
            tracing::warn!(%error, message);
        }
    }
}
