//! What the writer of the store knows beside the file: its revision, its leases, and what has to
//! be told to watches after the next commit.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rusqlite::{Connection, params};

use super::{apply, feed::Feed, read};
use crate::{
    error::StoreError,
    file::{readers::lock, trouble::Fault, writer::Ledger},
    kv::{LeaseId, Revision, Txn, TxnOutcome},
    lease::{LeaseClock, LeaseTable},
    limits::{LEASE_TICK, LEASES_MAX, SWEEP_ROWS},
    seam::{Lease, WatchEvent},
};

pub(super) enum Request {
    Txn(Txn),
    Grant(Duration),
    Revoke(LeaseId),
    Compact(Revision),
    /// The ledger's own: a lease lapsed.
    Lapse(LeaseId),
    /// The ledger's own: delete some rows that a compaction made superfluous.
    Sweep,
}

pub(super) enum Reply {
    Txn(TxnOutcome),
    Lease(Lease),
    Done,
}

pub(super) struct StoreLedger {
    feed: Feed,
    clock: Arc<dyn LeaseClock>,
    leases: Arc<Mutex<LeaseTable>>,
    /// Revisions to keep at least when compacting without being asked; `None`: never do.
    history: Option<u64>,
    /// As of the last commit.
    durable: Marks,
    /// With what was applied since.
    working: Marks,
    events: Vec<WatchEvent>,
    lease_changes: Vec<LeaseChange>,
}

#[derive(Clone, Copy)]
struct Marks {
    revision: Revision,
    compacted: Revision,
    /// Last row of the log a running compaction looked at.
    swept_to: Option<u64>,
}

enum LeaseChange {
    Granted(Lease),
    Ended(LeaseId),
}

impl StoreLedger {
    /// Reads where the file stands; every lease begins with its full time.
    pub(super) fn load(
        conn: &Connection,
        clock: Arc<dyn LeaseClock>,
        history: Option<u64>,
    ) -> rusqlite::Result<Self> {
        let marks = Marks {
            revision: read::revision(conn)?,
            compacted: read::compacted(conn)?,
            // The last run may have stopped in the middle of a compaction.
            swept_to: Some(0),
        };
        let (now, mut leases) = (clock.elapsed(), LeaseTable::default());
        let mut statement = conn.prepare("SELECT id, ttl_s FROM lease")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let ttl = Duration::from_secs(row.get(1)?);
            leases.insert(LeaseId::from_raw(row.get(0)?), ttl, now);
        }
        Ok(Self {
            feed: Feed::new(marks.revision, marks.compacted),
            clock,
            leases: Arc::new(Mutex::new(leases)),
            history,
            durable: marks,
            working: marks,
            events: Vec::new(),
            lease_changes: Vec::new(),
        })
    }

    pub(super) fn feed(&self) -> &Feed {
        &self.feed
    }

    pub(super) fn leases(&self) -> Arc<Mutex<LeaseTable>> {
        Arc::clone(&self.leases)
    }

    fn txn(&mut self, conn: &Connection, txn: &Txn) -> Result<Reply, Fault<StoreError>> {
        let (outcome, event) =
            apply::txn(conn, txn, self.working.revision, |id| self.is_alive(id))?;
        self.note(event);
        Ok(Reply::Txn(outcome))
    }

    fn grant(&mut self, conn: &Connection, ttl: Duration) -> Result<Reply, Fault<StoreError>> {
        if self.lease_count() >= LEASES_MAX {
            return Err(Fault::Refused(StoreError::TooManyLeases));
        }
        let id: u64 = conn
            .prepare_cached("INSERT INTO lease (ttl_s) VALUES (?1) RETURNING id")?
            .query_row([ttl.as_secs()], |row| row.get(0))?;
        let lease = Lease {
            id: LeaseId::from_raw(id),
            ttl,
        };
        self.lease_changes.push(LeaseChange::Granted(lease));
        Ok(Reply::Lease(lease))
    }

    fn end(&mut self, conn: &Connection, lease: LeaseId) -> Result<Reply, Fault<StoreError>> {
        let event = apply::revoke(conn, lease, self.working.revision)?;
        self.note(event);
        self.lease_changes.push(LeaseChange::Ended(lease));
        Ok(Reply::Done)
    }

    fn compact(&mut self, conn: &Connection, to: Revision) -> Result<Reply, Fault<StoreError>> {
        let Marks {
            revision,
            compacted,
            ..
        } = self.working;
        if to > revision {
            return Err(Fault::Refused(StoreError::FutureRevision {
                asked: to,
                current: revision,
            }));
        }
        if to <= compacted {
            return Err(Fault::Refused(StoreError::Compacted {
                asked: to,
                oldest: compacted,
            }));
        }
        conn.prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'compacted'")?
            .execute([to])?;
        self.working.compacted = to;
        self.working.swept_to = Some(0);
        Ok(Reply::Done)
    }

    /// Deletes rows below the compacted revision that a later one at or below it replaces, and
    /// deletions. Oldest first, so that a deletion goes after what it deleted.
    fn sweep(&mut self, conn: &Connection) -> Result<Reply, Fault<StoreError>> {
        let (Some(from), to) = (self.working.swept_to, self.working.compacted) else {
            return Ok(Reply::Done);
        };
        let looked_at = conn
            .prepare_cached(
                "SELECT id, deleted OR EXISTS (
                     SELECT 1 FROM log AS later WHERE later.key = log.key
                     AND later.revision > log.revision AND later.revision <= ?2)
                 FROM log WHERE id > ?1 AND revision < ?2 ORDER BY id LIMIT ?3",
            )?
            .query_map(params![from, to, SWEEP_ROWS], |row| {
                Ok((row.get::<_, u64>(0)?, row.get::<_, bool>(1)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        for (id, is_superfluous) in &looked_at {
            if *is_superfluous {
                conn.prepare_cached("DELETE FROM log WHERE id = ?1")?
                    .execute([id])?;
            }
        }
        self.working.swept_to = looked_at
            .last()
            .filter(|_| looked_at.len() >= SWEEP_ROWS)
            .map(|(id, _)| *id);
        Ok(Reply::Done)
    }

    fn note(&mut self, event: Option<WatchEvent>) {
        if let Some(event) = event {
            self.working.revision = event.revision;
            self.events.push(event);
        }
    }

    /// Leases as of the last commit with what happened to them since.
    fn lease_count(&self) -> usize {
        let granted = |change: &&LeaseChange| matches!(change, LeaseChange::Granted(_));
        let granted = self.lease_changes.iter().filter(granted).count();
        let ended = self.lease_changes.len() - granted;
        (lock(&self.leases).len() + granted).saturating_sub(ended)
    }

    /// Alive as of the last commit and not ended since.
    fn is_alive(&self, id: LeaseId) -> bool {
        let ended = |change: &LeaseChange| matches!(change, LeaseChange::Ended(it) if *it == id);
        !self.lease_changes.iter().any(ended)
            && lock(&self.leases).is_alive(id, self.clock.elapsed())
    }
}

impl Ledger for StoreLedger {
    type Request = Request;
    type Reply = Reply;
    type Error = StoreError;

    fn bytes(request: &Request) -> usize {
        match request {
            Request::Txn(txn) => txn.bytes(),
            _ => 0,
        }
    }

    fn apply(&mut self, conn: &Connection, request: &Request) -> Result<Reply, Fault<StoreError>> {
        match request {
            Request::Txn(txn) => self.txn(conn, txn),
            Request::Grant(ttl) => self.grant(conn, *ttl),
            Request::Revoke(lease) if !self.is_alive(*lease) => {
                Err(Fault::Refused(StoreError::LeaseNotFound { lease: *lease }))
            }
            Request::Revoke(lease) | Request::Lapse(lease) => self.end(conn, *lease),
            Request::Compact(revision) => self.compact(conn, *revision),
            Request::Sweep => self.sweep(conn),
        }
    }

    fn committed(&mut self) {
        let now = self.clock.elapsed();
        let mut leases = lock(&self.leases);
        for change in self.lease_changes.drain(..) {
            match change {
                LeaseChange::Granted(lease) => leases.insert(lease.id, lease.ttl, now),
                LeaseChange::Ended(id) => leases.remove(id),
            }
        }
        drop(leases);
        self.durable = self.working;
        self.feed.compacted(self.durable.compacted);
        self.feed.publish(std::mem::take(&mut self.events));
    }

    fn rolled_back(&mut self) {
        self.working = self.durable;
        self.events.clear();
        self.lease_changes.clear();
    }

    fn wait_max(&self) -> Option<Duration> {
        if self.durable.swept_to.is_some() {
            return Some(Duration::ZERO);
        }
        (lock(&self.leases).len() > 0).then_some(LEASE_TICK)
    }

    fn due(&mut self) -> Vec<Request> {
        let lapsed = lock(&self.leases).lapsed(self.clock.elapsed());
        let mut due: Vec<_> = lapsed.into_iter().map(Request::Lapse).collect();
        let Marks {
            revision,
            compacted,
            swept_to,
        } = self.durable;
        if swept_to.is_some() {
            due.push(Request::Sweep);
        } else if let Some(history) = self.history
            && revision.saturating_sub(compacted) >= history.saturating_mul(2)
        {
            due.push(Request::Compact(revision - history));
        }
        due
    }
}
