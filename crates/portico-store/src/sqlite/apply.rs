//! What a transaction does to the tables.

use rusqlite::{Connection, params};

use super::read::{RangeOf, get, range, upper_bound};
use crate::{
    error::StoreError,
    file::trouble::Fault,
    kv::{KeyValue, LeaseId, Op, OpResult, Revision, Txn, TxnOutcome},
    seam::{Change, WatchEvent},
};

/// A transaction at work: `revision` is what its changes, if there are any, will carry.
struct Work<'a> {
    conn: &'a Connection,
    revision: Revision,
    changes: Vec<Change>,
}

/// Does `txn` on a store at `current`; the event is there when something changed.
/// `is_alive` tells whether a lease can be bound to.
pub(super) fn txn(
    conn: &Connection,
    txn: &Txn,
    current: Revision,
    is_alive: impl Fn(LeaseId) -> bool,
) -> Result<(TxnOutcome, Option<WatchEvent>), Fault<StoreError>> {
    let mut succeeded = true;
    for compare in &txn.compare {
        succeeded = succeeded && compare.holds(get(conn, compare.key())?.as_ref());
    }
    let branch = if succeeded { &txn.then } else { &txn.otherwise };
    let mut work = Work::new(conn, current);
    let mut results = Vec::with_capacity(branch.len());
    for op in branch {
        if let Op::Put {
            lease: Some(lease), ..
        } = op
            && !is_alive(*lease)
        {
            return Err(Fault::Refused(StoreError::LeaseNotFound { lease: *lease }));
        }
        results.push(work.op(op)?);
    }
    let event = work.event();
    let outcome = TxnOutcome {
        succeeded,
        revision: event.as_ref().map_or(current, |event| event.revision),
        results,
    };
    Ok((outcome, event))
}

/// Ends a lease and deletes its keys.
pub(super) fn revoke(
    conn: &Connection,
    lease: LeaseId,
    current: Revision,
) -> Result<Option<WatchEvent>, Fault<StoreError>> {
    let keys = conn
        .prepare_cached("SELECT key FROM lease_key WHERE lease = ?1 ORDER BY key")?
        .query_map([lease.raw()], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut work = Work::new(conn, current);
    for key in keys {
        work.delete(&key)?;
    }
    conn.prepare_cached("DELETE FROM lease WHERE id = ?1")?
        .execute([lease.raw()])?;
    Ok(work.event())
}

impl<'a> Work<'a> {
    fn new(conn: &'a Connection, current: Revision) -> Self {
        Self {
            conn,
            revision: current + 1,
            changes: Vec::new(),
        }
    }

    fn event(self) -> Option<WatchEvent> {
        (!self.changes.is_empty()).then_some(WatchEvent {
            revision: self.revision,
            changes: self.changes,
        })
    }

    fn op(&mut self, op: &Op) -> Result<OpResult, Fault<StoreError>> {
        Ok(match op {
            Op::Put { key, value, lease } => {
                self.put(key, value, *lease)?;
                OpResult::Put
            }
            Op::Delete { key } => OpResult::Deleted {
                count: usize::from(self.delete(key)?),
            },
            Op::DeletePrefix { prefix } => OpResult::Deleted {
                count: self.delete_prefix(prefix)?,
            },
            Op::Get { key } => OpResult::Get(get(self.conn, key)?),
            Op::Range { prefix } => {
                let found = range(
                    self.conn,
                    &RangeOf {
                        prefix: prefix.clone(),
                        after: None,
                        at: None,
                        limit: None,
                    },
                )?;
                OpResult::Range {
                    items: found.items,
                    more: found.more,
                }
            }
        })
    }

    fn put(&mut self, key: &str, value: &[u8], lease: Option<LeaseId>) -> rusqlite::Result<()> {
        let before = get(self.conn, key)?;
        let kv = KeyValue {
            key: key.to_owned(),
            value: value.to_vec(),
            create_revision: before
                .as_ref()
                .map_or(self.revision, |kv| kv.create_revision),
            mod_revision: self.revision,
            version: before.as_ref().map_or(0, |kv| kv.version) + 1,
            lease,
        };
        self.conn
            .prepare_cached(
                "INSERT INTO log (revision, key, deleted, create_revision, version, lease, value)
                 VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                kv.mod_revision,
                kv.key,
                kv.create_revision,
                kv.version,
                lease.map(LeaseId::raw),
                kv.value,
            ])?;
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO current (key, log_id) VALUES (?1, ?2)")?
            .execute(params![key, self.conn.last_insert_rowid()])?;
        self.bind(key, before.and_then(|kv| kv.lease), lease)?;
        self.changes.push(Change::Put(kv));
        Ok(())
    }

    fn delete(&mut self, key: &str) -> rusqlite::Result<bool> {
        let Some(before) = get(self.conn, key)? else {
            return Ok(false);
        };
        self.conn
            .prepare_cached(
                "INSERT INTO log (revision, key, deleted, create_revision, version, lease, value)
                 VALUES (?1, ?2, 1, 0, 0, NULL, x'')",
            )?
            .execute(params![self.revision, key])?;
        self.conn
            .prepare_cached("DELETE FROM current WHERE key = ?1")?
            .execute([key])?;
        self.bind(key, before.lease, None)?;
        self.changes.push(Change::Deleted {
            key: key.to_owned(),
        });
        Ok(true)
    }

    fn delete_prefix(&mut self, prefix: &str) -> rusqlite::Result<usize> {
        let keys = self
            .conn
            .prepare_cached("SELECT key FROM current WHERE key >= ?1 AND key < ?2 ORDER BY key")?
            .query_map(params![prefix, upper_bound(prefix)], |row| {
                row.get::<_, String>(0)
            })?
            .collect::<Result<Vec<_>, _>>()?;
        for key in &keys {
            self.delete(key)?;
        }
        Ok(keys.len())
    }

    fn bind(&self, key: &str, from: Option<LeaseId>, to: Option<LeaseId>) -> rusqlite::Result<()> {
        if from == to {
            return Ok(());
        }
        if let Some(from) = from {
            self.conn
                .prepare_cached("DELETE FROM lease_key WHERE lease = ?1 AND key = ?2")?
                .execute(params![from.raw(), key])?;
        }
        if let Some(to) = to {
            self.conn
                .prepare_cached("INSERT INTO lease_key (lease, key) VALUES (?1, ?2)")?
                .execute(params![to.raw(), key])?;
        }
        Ok(())
    }
}
