//! The session directory: sessions in the store, and the transactions that move them on.

mod follow;
mod index;

use portico_brokering::{
    Event, Step, Unchanged,
    life_cycle::{Close, HostWord},
    step,
};
use portico_model::{
    ConnectionId, SessionId, UserId,
    estate::AgentMode,
    session::{ConnectionEvent, ConnectionEventKind, EndReason, Session, SessionState},
};
use portico_store::{Compare, KeyValue, Op, OpResult, SessionEventKind, StoreError, Txn};

use crate::{
    broker::{Broker, Inner},
    documents::{self, PlacedSession, Reservations},
};
pub(crate) use follow::Directory;
pub(crate) use index::{Entry, Index, Taken};

/// Times that a step is tried against others who change the same session or host.
const TRIES_MAX: usize = 64;
/// Records read at once when several are.
const GETS_MAX: usize = 100;
/// Reports kept while the store is away.
pub(crate) const UNSETTLED_MAX: usize = 10_000;

/// What became of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Moved {
    /// The session changed: before and after.
    To {
        before: Box<Session>,
        after: Box<Session>,
    },
    /// It stayed as it is.
    Stayed {
        session: Box<Session>,
        why: Unchanged,
    },
    /// There is no such session.
    Unknown,
}

/// An event that the store could not take yet.
#[derive(Debug, Clone)]
pub(crate) struct Unsettled {
    session: SessionId,
    event: Event,
}

impl Broker {
    /// Takes what a gateway or engine tells about a connection. Never fails: what the store cannot
    /// take now is kept and taken later, in order.
    pub async fn report(&self, report: ConnectionEvent) {
        let inner = &self.0;
        let Some(event) = inner.event_of(&report) else {
            return;
        };
        // The lock is not held while the store writes, so that reports share its commits. Order
        // matters within one connection only, and a gateway reports those one after the other.
        if inner.unsettled.lock().await.is_empty() {
            match inner.settle_one(&report.session, &event).await {
                Ok(moved) => return inner.connection_history(&moved, &report).await,
                Err(error) => {
                    tracing::warn!(session_id = %report.session, %error, "Report is kept until the store takes it");
                }
            }
        }
        let mut unsettled = inner.unsettled.lock().await;
        if unsettled.len() >= UNSETTLED_MAX {
            tracing::error!(session_id = %report.session, "Too many reports wait; the oldest is dropped");
            unsettled.pop_front();
        }
        unsettled.push_back(Unsettled {
            session: report.session,
            event,
        });
    }

    /// Gives the store the reports that it could not take. How many are left.
    pub(crate) async fn settle(&self) -> usize {
        let mut unsettled = self.0.unsettled.lock().await;
        while let Some(first) = unsettled.front() {
            let settled = self.0.settle_one(&first.session, &first.event).await;
            if settled.is_err() {
                break;
            }
            unsettled.pop_front();
        }
        unsettled.len()
    }
}

impl Inner {
    /// The event of a report, with what the broker knows of the connection. `None`: it is not
    /// about a connection that was granted for this session.
    fn event_of(&self, report: &ConnectionEvent) -> Option<Event> {
        let mut connections = self.connections();
        let known = connections
            .get(&report.connection)
            .filter(|known| known.session == report.session)
            .cloned();
        let connection = report.connection.clone();
        match &report.kind {
            ConnectionEventKind::Opened => {
                let Some(known) = known else {
                    drop(connections);
                    let reason = EndReason::ProcessStopped;
                    tracing::warn!(session_id = %report.session, "Unknown connection is closed");
                    self.gateways.close(&connection, reason);
                    return None;
                };
                Some(Event::Opened {
                    connection,
                    client_address: known.client_address,
                    reconnect_grant_hash: known.reconnect_grant_hash,
                    holder: self.id.clone(),
                })
            }
            ConnectionEventKind::Failed { detail } => {
                tracing::info!(session_id = %report.session, error = detail, "Connection failed");
                connections.remove(&connection);
                known.map(|_| Event::Failed { connection })
            }
            ConnectionEventKind::Closed { reason, .. } => {
                connections.remove(&connection);
                // Also of connections from before a restart: the session may still name them.
                Some(Event::Closed {
                    connection,
                    reason: *reason,
                    host_word: HostWord::None,
                })
            }
        }
    }

    /// Takes the event of a report, with what only the session tells.
    async fn settle_one(&self, id: &SessionId, event: &Event) -> Result<Moved, StoreError> {
        let event = match event {
            Event::Closed {
                connection,
                reason: EndReason::HostClosed,
                ..
            } => Event::Closed {
                connection: connection.clone(),
                reason: EndReason::HostClosed,
                host_word: self.host_word(id).await?,
            },
            other => other.clone(),
        };
        let moved = self.move_session(id, &event).await?;
        if let Event::Opened { connection, .. } = &event {
            self.connections().told(connection);
        }
        self.note_launch_result(&moved, &event);
        Ok(moved)
    }

    /// Whether an agent will tell what became of a session.
    async fn host_word(&self, id: &SessionId) -> Result<HostWord, StoreError> {
        let Some(session) = self.session(id).await? else {
            return Ok(HostWord::None);
        };
        let (_, estate) = self.estate().await?;
        let host = estate.hosts.get(&session.host);
        Ok(match host.map(|host| host.agent) {
            Some(AgentMode::Required) => HostWord::Agent,
            Some(AgentMode::None) | None => HostWord::None,
        })
    }

    async fn connection_history(&self, moved: &Moved, report: &ConnectionEvent) {
        let session = match moved {
            Moved::To { after, .. } => after,
            Moved::Stayed { session, .. } => session,
            Moved::Unknown => return,
        };
        let kind = SessionEventKind::Connection {
            connection: report.connection.clone(),
            event: report.kind.clone(),
        };
        self.session_history(session, kind).await;
    }

    /// Applies `event` to a session: reads, steps, writes by compare-and-set, starts over when
    /// somebody else was first, and then closes what the step says.
    pub(crate) async fn move_session(
        &self,
        id: &SessionId,
        event: &Event,
    ) -> Result<Moved, StoreError> {
        let key = documents::session_key(id);
        for _ in 0..TRIES_MAX {
            let Some(stored) = self.store.get(&key).await? else {
                return Ok(Moved::Unknown);
            };
            let before: Session = documents::read(&stored)?;
            if let Some(moved) = self.try_move(&before, stored.mod_revision, event).await? {
                return Ok(moved);
            }
        }
        Err(StoreError::Away {
            place: key,
            detail: "others kept changing the session or its host".into(),
        })
    }

    /// Applies `event` to a session as it was at `revision`; `None` when it has changed since.
    pub(crate) async fn try_move(
        &self,
        before: &Session,
        revision: u64,
        event: &Event,
    ) -> Result<Option<Moved>, StoreError> {
        let (after, close) = match step(before, self.clock.now(), event) {
            Step::Unchanged { why, close } => {
                self.close(close);
                let session = Box::new(before.clone());
                return Ok(Some(Moved::Stayed { session, why }));
            }
            Step::Changed { session, close } => (session, close),
        };
        let written = if after.state.is_running() {
            self.write_running(&after, revision).await?
        } else {
            self.write_over(before, &after, revision).await?
        };
        if !written {
            return Ok(None);
        }
        self.close(close);
        if after.state != before.state {
            let to = after.state.clone();
            self.session_history(&after, SessionEventKind::StateChanged { to })
                .await;
        }
        Ok(Some(Moved::To {
            before: Box::new(before.clone()),
            after,
        }))
    }

    async fn write_running(&self, after: &Session, revision: u64) -> Result<bool, StoreError> {
        let key = documents::session_key(&after.id);
        let value = documents::write(&key, after)?;
        let compare = [Compare::unchanged(&key, revision)];
        self.commit(Txn::when(compare, [Op::put(&key, value)]))
            .await
    }

    /// Writes the end of a session: it gives its placement key and its place on the host free,
    /// and leaves a log-off where the host has to be told.
    async fn write_over(
        &self,
        before: &Session,
        after: &Session,
        revision: u64,
    ) -> Result<bool, StoreError> {
        let key = documents::session_key(&after.id);
        let mut compare = vec![Compare::unchanged(&key, revision)];
        let mut ops = vec![Op::put(&key, documents::write(&key, after)?)];
        let log_off = self.log_off_of(before, after).await?;
        if let Some(log_off) = log_off {
            let key = documents::log_off_key(&after.host, &after.id);
            ops.push(Op::put(&key, documents::write(&key, &log_off)?));
        }
        for placement in self.placements_of(after).await? {
            compare.push(Compare::unchanged(&placement.key, placement.mod_revision));
            ops.push(Op::delete(&placement.key));
        }
        self.freshen().await?;
        let _turn = self.turns.of([&after.host]).await;
        let (reserved, revision) = self.index().reservations(&after.host);
        let without = reserved.without(&after.id);
        let key = documents::reservations_key(&after.host);
        // Also when it is not in there: the index may be behind.
        compare.push(Compare::unchanged(&key, revision));
        if without != *reserved {
            ops.push(write_reservations(&key, &without)?);
        }
        self.commit(Txn::when(compare, ops)).await
    }

    /// The placement keys that name a session.
    async fn placements_of(&self, session: &Session) -> Result<Vec<KeyValue>, StoreError> {
        let found = self.get_all(&documents::placement_keys(session)).await?;
        let mut placements = Vec::new();
        for stored in found.into_iter().flatten() {
            let placed: PlacedSession = documents::read(&stored)?;
            if placed.session == session.id {
                placements.push(stored);
            }
        }
        Ok(placements)
    }

    /// Several keys, each as it is now, in their order.
    pub(crate) async fn get_all(
        &self,
        keys: &[String],
    ) -> Result<Vec<Option<KeyValue>>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(GETS_MAX) {
            let gets: Vec<Op> = keys
                .iter()
                .map(|key| Op::Get { key: key.clone() })
                .collect();
            let results = self.store.txn(Txn::of(gets)).await?.results;
            found.extend(results.into_iter().map(|result| match result {
                OpResult::Get(stored) => stored,
                OpResult::Put | OpResult::Deleted { .. } | OpResult::Range { .. } => None,
            }));
        }
        Ok(found)
    }

    /// One session; `None` when there is none, or none any more.
    pub(crate) async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        match self.store.get(&documents::session_key(id)).await? {
            Some(stored) => documents::read(&stored).map(Some),
            None => Ok(None),
        }
    }

    /// All sessions and their revisions, those that ended a short time ago included, as this
    /// broker knows them.
    pub(crate) async fn all_sessions(&self) -> Result<Vec<Entry>, StoreError> {
        self.freshen().await?;
        Ok(self.index().sessions().cloned().collect())
    }

    /// The running sessions of a user, as this broker knows them, the oldest first.
    pub(crate) async fn sessions_of(&self, user: &UserId) -> Result<Vec<Session>, StoreError> {
        self.freshen().await?;
        let mut sessions: Vec<Session> = self
            .index()
            .of_user(user)
            .map(|entry| Session::clone(&entry.session))
            .collect();
        sessions.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(sessions)
    }

    pub(crate) fn close(&self, close: Option<Close>) {
        if let Some(Close {
            connection,
            reason,
            by,
        }) = close
        {
            let detail = by.map(|address| format!("by={address}"));
            self.gateways
                .close_with(&connection, reason, detail.as_deref());
        }
    }

    /// Whether this process holds the connection.
    pub(crate) fn has_connection(&self, connection: &ConnectionId) -> bool {
        self.connections().get(connection).is_some()
    }

    /// What a launch came to counts for or against its host.
    fn note_launch_result(&self, moved: &Moved, event: &Event) {
        let Moved::To { before, after } = moved else {
            return;
        };
        let was_pending = matches!(before.state, SessionState::Pending { .. });
        match (event, &after.state) {
            (Event::Opened { .. }, SessionState::Active { .. }) => self.launch_opened(&after.host),
            (Event::Failed { .. } | Event::Closed { .. }, SessionState::Ended { .. })
                if was_pending =>
            {
                self.launch_failed(&after.host);
            }
            _ => {}
        }
    }
}

/// The operation that makes `reservations` those of the host.
pub(crate) fn write_reservations(key: &str, reservations: &Reservations) -> Result<Op, StoreError> {
    if reservations.sessions.is_empty() {
        return Ok(Op::delete(key));
    }
    Ok(Op::put(key, documents::write(key, reservations)?))
}
