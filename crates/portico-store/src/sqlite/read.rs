//! Reading keys, now and at old revisions. Every function runs inside a transaction of its
//! caller, so that all it sees is of one state.

use rusqlite::{Connection, OptionalExtension, Row, params, types::Value};

use crate::{
    error::StoreError,
    file::trouble::Fault,
    kv::{KeyValue, LeaseId, RangeOutcome, Revision, prefix_end},
    limits::{RANGE_BYTES_MAX, RANGE_ITEMS_MAX, WATCH_BATCH_BYTES, WATCH_BATCH_CHANGES},
    seam::{Change, WatchEvent},
};

/// Revision of a store in which nothing was written yet, as in etcd.
pub(super) const FIRST_REVISION: Revision = 1;

/// Revision of the store.
pub(super) fn revision(conn: &Connection) -> rusqlite::Result<Revision> {
    // A compaction never deletes rows of the last revision.
    let last: Option<Revision> = conn
        .prepare_cached("SELECT max(revision) FROM log")?
        .query_row([], |row| row.get(0))?;
    Ok(last.unwrap_or(FIRST_REVISION))
}

/// Revision up to which the log was compacted; 0: never.
pub(super) fn compacted(conn: &Connection) -> rusqlite::Result<Revision> {
    conn.prepare_cached("SELECT value FROM meta WHERE name = 'compacted'")?
        .query_row([], |row| row.get(0))
}

/// The key as it is now.
pub(super) fn get(conn: &Connection, key: &str) -> rusqlite::Result<Option<KeyValue>> {
    conn.prepare_cached(
        "SELECT log.key, value, create_revision, revision, version, lease
         FROM current JOIN log ON log.id = current.log_id WHERE current.key = ?1",
    )?
    .query_row([key], key_value)
    .optional()
}

/// What to range over.
pub(super) struct RangeOf {
    pub(super) prefix: String,
    pub(super) after: Option<String>,
    pub(super) at: Option<Revision>,
    pub(super) limit: Option<usize>,
}

/// Reads a range.
pub(super) fn range(conn: &Connection, of: &RangeOf) -> Result<RangeOutcome, Fault<StoreError>> {
    let current = revision(conn)?;
    let at = of.at.filter(|at| *at != 0 && *at != current);
    if let Some(asked) = at {
        check_readable(asked, current, compacted(conn)?)?;
    }
    let limit = of.limit.unwrap_or(RANGE_ITEMS_MAX).min(RANGE_ITEMS_MAX);
    let mut statement = conn.prepare_cached(match at {
        None => {
            "SELECT log.key, value, create_revision, revision, version, lease
             FROM current JOIN log ON log.id = current.log_id
             WHERE current.key >= ?1 AND current.key < ?2 AND current.key > ?3 AND ?4 IS NULL
             ORDER BY current.key LIMIT ?5"
        }
        Some(_) => {
            "SELECT key, value, create_revision, revision, version, lease FROM log
             WHERE key >= ?1 AND key < ?2 AND key > ?3 AND NOT deleted
               AND revision = (SELECT max(revision) FROM log AS other
                               WHERE other.key = log.key AND other.revision <= ?4)
             ORDER BY key LIMIT ?5"
        }
    })?;
    let mut rows = statement.query(params![
        of.prefix,
        upper_bound(&of.prefix),
        of.after.as_deref().unwrap_or_default(),
        at,
        limit.saturating_add(1),
    ])?;
    let (mut items, mut bytes, mut more) = (Vec::new(), 0, false);
    while let Some(row) = rows.next()? {
        if items.len() >= limit || bytes >= RANGE_BYTES_MAX {
            more = true;
            break;
        }
        let item = key_value(row)?;
        bytes += item.key.len() + item.value.len();
        items.push(item);
    }
    Ok(RangeOutcome {
        revision: current,
        items,
        more,
    })
}

/// Changes of keys that begin with `prefix` from `from` on, and where to go on reading.
pub(super) fn log_from(
    conn: &Connection,
    prefix: &str,
    from: Revision,
) -> Result<(Vec<WatchEvent>, Revision), Fault<StoreError>> {
    let (current, compacted) = (revision(conn)?, compacted(conn)?);
    if from < compacted {
        return Err(Fault::Refused(StoreError::Compacted {
            asked: from,
            oldest: compacted,
        }));
    }
    // Without the `+` SQLite might walk the index of keys and sort all of it.
    let mut statement = conn.prepare_cached(
        "SELECT key, value, create_revision, revision, version, lease, deleted FROM log
         WHERE revision >= ?1 AND +key >= ?2 AND +key < ?3 ORDER BY revision, id",
    )?;
    let mut rows = statement.query(params![from, prefix, upper_bound(prefix)])?;
    let (mut events, mut changes, mut bytes) = (Vec::<WatchEvent>::new(), 0, 0);
    while let Some(row) = rows.next()? {
        let revision: Revision = row.get(3)?;
        let is_next = events.last().is_none_or(|event| event.revision != revision);
        if is_next && (changes >= WATCH_BATCH_CHANGES || bytes >= WATCH_BATCH_BYTES) {
            return Ok((events, revision));
        }
        let change = change(row)?;
        changes += 1;
        bytes += change.bytes();
        match events.last_mut() {
            Some(event) if !is_next => event.changes.push(change),
            _ => events.push(WatchEvent {
                revision,
                changes: vec![change],
            }),
        }
    }
    Ok((events, current.saturating_add(1).max(from)))
}

/// Whether a revision can be read.
fn check_readable(
    asked: Revision,
    current: Revision,
    compacted: Revision,
) -> Result<(), Fault<StoreError>> {
    if asked > current {
        return Err(Fault::Refused(StoreError::FutureRevision {
            asked,
            current,
        }));
    }
    if asked < compacted {
        return Err(Fault::Refused(StoreError::Compacted {
            asked,
            oldest: compacted,
        }));
    }
    Ok(())
}

/// First value beyond the prefix. SQLite orders every blob after every text.
pub(super) fn upper_bound(prefix: &str) -> Value {
    prefix_end(prefix).map_or(Value::Blob(Vec::new()), Value::Text)
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    if row.get(6)? {
        return Ok(Change::Deleted { key: row.get(0)? });
    }
    Ok(Change::Put(key_value(row)?))
}

fn key_value(row: &Row<'_>) -> rusqlite::Result<KeyValue> {
    Ok(KeyValue {
        key: row.get(0)?,
        value: row.get(1)?,
        create_revision: row.get(2)?,
        mod_revision: row.get(3)?,
        version: row.get(4)?,
        lease: row.get::<_, Option<u64>>(5)?.map(LeaseId::from_raw),
    })
}
