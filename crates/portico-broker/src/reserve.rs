//! What a launch knows of its user, and the transactions that reserve a place.

use std::{collections::BTreeMap, net::IpAddr};

use portico_brokering::{Event, Step, step};
use portico_model::{
    HostId, PoolId, ResourceId, SessionId, Timestamp, UserId,
    estate::{Pool, SessionsPerUser},
    session::{EndReason, Session, SessionState},
};
use portico_store::{Compare, KeyValue, Op, OpResult, SessionEventKind, StoreError, Txn};

use crate::{
    broker::Inner,
    candidates::Planned,
    directory::write_reservations,
    documents::{self, LastHost, Place, PlacedSession, Reservations, Reserved},
};

/// What is known of a user: their running sessions and where the last one was.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Their placement keys.
    placements: Vec<KeyValue>,
    /// The sessions that those name, with their revisions.
    sessions: Vec<(Session, u64)>,
    /// Host of their last session in the pool.
    pub(crate) last_host: Option<HostId>,
}

/// Which of a user's sessions a launch comes back to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// What the rule of the pool says.
    ByRule {
        resource: &'a ResourceId,
        pool_id: &'a PoolId,
        pool: &'a Pool,
    },
    /// This one and no other.
    Only(&'a SessionId),
}

impl Snapshot {
    /// The session that is wanted, and its revision. Of several, as after a change of the rule,
    /// the one that was launched last.
    pub(crate) fn session(&self, wanted: Wanted<'_>) -> Option<&(Session, u64)> {
        let is_wanted = |session: &Session| match wanted {
            Wanted::Only(id) => session.id == *id,
            Wanted::ByRule {
                resource,
                pool_id,
                pool,
            } => match pool.sessions_per_user {
                SessionsPerUser::Resource => session.resource == *resource,
                SessionsPerUser::Pool => session.pool == *pool_id,
                SessionsPerUser::Many => false,
            },
        };
        let found = self
            .sessions
            .iter()
            .filter(|(session, _)| is_wanted(session));
        found.max_by_key(|(session, _)| (session.created_at, session.id.clone()))
    }

    /// Whether the user has the same sessions in both.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.placements == other.placements
    }

    fn revision_of(&self, key: &str) -> u64 {
        let found = self.placements.iter().find(|stored| stored.key == key);
        found.map_or(0, |stored| stored.mod_revision)
    }
}

impl Inner {
    /// What the store has of a user.
    pub(crate) async fn snapshot(
        &self,
        user: &UserId,
        pool: &PoolId,
    ) -> Result<Snapshot, StoreError> {
        let ops = [
            Op::Range {
                prefix: documents::placements_prefix(user),
            },
            Op::Get {
                key: documents::last_host_key(user, pool),
            },
        ];
        let mut snapshot = Snapshot::default();
        for result in self.store.txn(Txn::of(ops)).await?.results {
            match result {
                OpResult::Range { items, .. } => snapshot.placements = items,
                OpResult::Get(Some(stored)) => {
                    let last: LastHost = documents::read(&stored)?;
                    snapshot.last_host = Some(last.host);
                }
                OpResult::Get(None) | OpResult::Put | OpResult::Deleted { .. } => {}
            }
        }
        let mut keys = Vec::with_capacity(snapshot.placements.len());
        for stored in &snapshot.placements {
            let placed: PlacedSession = documents::read(stored)?;
            keys.push(documents::session_key(&placed.session));
        }
        for stored in self.get_all(&keys).await?.into_iter().flatten() {
            let session: Session = documents::read(&stored)?;
            if session.state.is_running() {
                snapshot.sessions.push((session, stored.mod_revision));
            }
        }
        Ok(snapshot)
    }

    /// What this broker knows of a user without asking the store: good enough to foresee.
    pub(crate) fn known_snapshot(&self, user: &UserId) -> Snapshot {
        let index = self.index();
        let sessions = index.of_user(user);
        Snapshot {
            sessions: sessions
                .map(|entry| (Session::clone(&entry.session), entry.revision))
                .collect(),
            ..Snapshot::default()
        }
    }

    /// Keeps the reservation of a session that is launched again. `None` on conflict.
    pub(crate) async fn relaunch(
        &self,
        (session, revision): &(Session, u64),
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let Step::Changed { session, .. } = step(session, now, &Event::Relaunched) else {
            return Ok(Some(session.clone()));
        };
        let key = documents::session_key(&session.id);
        let value = documents::write(&key, &session)?;
        let compare = [Compare::unchanged(&key, *revision)];
        let written = self
            .commit(Txn::when(compare, [Op::put(&key, value)]))
            .await?;
        Ok(written.then_some(*session))
    }

    /// Writes the planned place of a new session, and ends the session it takes the place of.
    /// `None` when somebody else was first.
    pub(crate) async fn reserve(
        &self,
        snapshot: &Snapshot,
        stale: Option<&(Session, u64)>,
        session: Session,
        rule: SessionsPerUser,
        planned: &Planned<'_>,
    ) -> Result<Option<Session>, StoreError> {
        let stale_host = stale.map(|(stale, _)| &stale.host);
        let _turn = self
            .turns
            .of(stale_host.into_iter().chain([&session.host]))
            .await;
        if !planned.still_stands(&self.index()) {
            return Ok(None);
        }
        let mut writes = Writes::default();
        let place = match rule {
            SessionsPerUser::Resource => Place::Resource(&session.resource),
            SessionsPerUser::Pool => Place::Pool(&session.pool),
            SessionsPerUser::Many => Place::Own(&session.id),
        };
        let key = documents::placement_key(&session.user, place);
        let placed = PlacedSession {
            session: session.id.clone(),
        };
        writes.unchanged(&key, snapshot.revision_of(&key));
        writes.put(&key, &placed)?;
        let mut changed: BTreeMap<&HostId, (Reservations, u64)> = BTreeMap::new();
        let mut over = None;
        if let Some((stale, revision)) = stale {
            over = self.replace(snapshot, (stale, *revision), &key, &mut writes)?;
            changed.insert(&stale.host, self.without(&stale.host, &stale.id));
        }
        let (reserved, _) = changed
            .entry(&session.host)
            .or_insert_with(|| self.without(&session.host, &session.id));
        reserved.sessions.push(Reserved {
            id: session.id.clone(),
            account: session.account.clone(),
        });
        for (host, (reserved, revision)) in &changed {
            let key = documents::reservations_key(host);
            writes.unchanged(&key, *revision);
            writes.ops.push(write_reservations(&key, reserved)?);
        }
        writes.put(&documents::session_key(&session.id), &session)?;
        let last = LastHost {
            host: session.host.clone(),
        };
        if snapshot.last_host.as_ref() != Some(&last.host) {
            let key = documents::last_host_key(&session.user, &session.pool);
            writes.put(&key, &last)?;
        }
        if !self.commit(Txn::when(writes.compare, writes.ops)).await? {
            return Ok(None);
        }
        self.reserved_history(&session, over.as_deref()).await;
        Ok(Some(session))
    }

    /// The records of a host without a session, and their revision.
    fn without(&self, host: &HostId, session: &SessionId) -> (Reservations, u64) {
        let (reserved, revision) = self.index().reservations(host);
        (reserved.without(session), revision)
    }

    /// Adds to `writes` what ends the session whose place is taken.
    fn replace(
        &self,
        snapshot: &Snapshot,
        (stale, revision): (&Session, u64),
        new_key: &str,
        writes: &mut Writes,
    ) -> Result<Option<Box<Session>>, StoreError> {
        let key = documents::session_key(&stale.id);
        writes.unchanged(&key, revision);
        for key in documents::placement_keys(stale) {
            let names_it = snapshot.placements.iter().find(|stored| {
                let placed: Result<PlacedSession, _> = documents::read(stored);
                stored.key == key && placed.is_ok_and(|placed| placed.session == stale.id)
            });
            if let Some(stored) = names_it
                && key != new_key
            {
                writes.unchanged(&key, stored.mod_revision);
                writes.ops.push(Op::delete(&key));
            }
        }
        let reason = match stale.state {
            SessionState::Pending { .. } => EndReason::TicketLapsed,
            _ => EndReason::HostLost,
        };
        let Step::Changed { session: over, .. } =
            step(stale, self.clock.now(), &Event::End { reason })
        else {
            return Ok(None);
        };
        writes.put(&key, &over)?;
        Ok(Some(over))
    }

    async fn reserved_history(&self, session: &Session, over: Option<&Session>) {
        if let Some(over) = over {
            let to = over.state.clone();
            self.session_history(over, SessionEventKind::StateChanged { to })
                .await;
        }
        let client_address: Option<IpAddr> = session.last_client;
        self.session_history(session, SessionEventKind::Created { client_address })
            .await;
    }
}

/// A transaction in the making.
#[derive(Default)]
struct Writes {
    compare: Vec<Compare>,
    ops: Vec<Op>,
}

impl Writes {
    fn unchanged(&mut self, key: &str, revision: u64) {
        self.compare.push(Compare::unchanged(key, revision));
    }

    fn put<T: serde::Serialize>(&mut self, key: &str, value: &T) -> Result<(), StoreError> {
        self.ops.push(Op::put(key, documents::write(key, value)?));
        Ok(())
    }
}
