//! Listing the journal, page by page, newest first.

use std::net::IpAddr;

use portico_model::Timestamp;
use rusqlite::{Connection, Row, params_from_iter, types::Value};

use super::{
    chain::{AuditHash, StoredRecord},
    entry::{
        AuditEntry, AuditPage, AuditQuery, AuditRecord, SessionEvent, SessionPage, SessionQuery,
        SessionRecord, page_len,
    },
    seam::JournalError,
};
use crate::{file::trouble::Fault, kv::prefix_end};

/// Columns of [`stored_record`].
pub(super) const RECORD_COLUMNS: &str =
    "seq, at_ms, actor, action, object, outcome, client_address, detail, hash";

/// Lists audit records.
pub(super) fn audit(
    conn: &Connection,
    query: &AuditQuery,
) -> Result<AuditPage, Fault<JournalError>> {
    let mut wanted = Wanted::default();
    wanted.when("actor = ?", query.actor.clone());
    wanted.when("object = ?", query.object.clone());
    wanted.when("action >= ?", query.action.clone());
    wanted.when("action < ?", query.action.as_deref().and_then(prefix_end));
    wanted.when("at_ms >= ?", query.from.map(Timestamp::unix_ms));
    wanted.when("at_ms < ?", query.until.map(Timestamp::unix_ms));
    wanted.when("seq < ?", query.before.map(number));
    let limit = page_len(query.limit);
    let (mut rows, more) = wanted.list(conn, RECORD_COLUMNS, "audit", limit, |row| {
        AuditRecord::try_from(stored_record(row)?)
    })?;
    rows.truncate(limit);
    Ok(AuditPage {
        next: rows.last().filter(|_| more).map(|record| record.seq),
        records: rows,
    })
}

/// Lists session events.
pub(super) fn sessions(
    conn: &Connection,
    query: &SessionQuery,
) -> Result<SessionPage, Fault<JournalError>> {
    let mut wanted = Wanted::default();
    wanted.when("user = ?", query.user.as_ref().map(ToString::to_string));
    wanted.when(
        "session = ?",
        query.session.as_ref().map(ToString::to_string),
    );
    wanted.when("at_ms >= ?", query.from.map(Timestamp::unix_ms));
    wanted.when("at_ms < ?", query.until.map(Timestamp::unix_ms));
    wanted.when("seq < ?", query.before.map(number));
    let limit = page_len(query.limit);
    const COLUMNS: &str = "seq, at_ms, session, user, resource, host, kind";
    let (mut rows, more) = wanted.list(conn, COLUMNS, "session_event", limit, session_record)?;
    rows.truncate(limit);
    Ok(SessionPage {
        next: rows.last().filter(|_| more).map(|record| record.seq),
        records: rows,
    })
}

/// A record as stored.
pub(super) fn stored_record(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    Ok(StoredRecord {
        seq: row.get(0)?,
        at_ms: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        object: row.get(4)?,
        outcome: row.get(5)?,
        client_address: row.get(6)?,
        detail: row.get(7)?,
        hash: AuditHash(row.get(8)?),
    })
}

impl TryFrom<StoredRecord> for AuditRecord {
    type Error = rusqlite::Error;

    fn try_from(stored: StoredRecord) -> Result<Self, rusqlite::Error> {
        let client_address = match stored.client_address.as_str() {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(|e| unreadable(6, e))?),
        };
        Ok(Self {
            seq: stored.seq,
            entry: AuditEntry {
                at: Timestamp::from_unix_ms(stored.at_ms),
                actor: stored.actor,
                action: stored.action,
                object: stored.object,
                outcome: stored.outcome,
                client_address,
                detail: serde_json::from_str(&stored.detail).map_err(|e| unreadable(7, e))?,
            },
            hash: stored.hash,
        })
    }
}

fn session_record(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    let kind: String = row.get(6)?;
    Ok(SessionRecord {
        seq: row.get(0)?,
        event: SessionEvent {
            at: Timestamp::from_unix_ms(row.get(1)?),
            session: id(row, 2)?,
            user: id(row, 3)?,
            resource: id(row, 4)?,
            host: id(row, 5)?,
            kind: serde_json::from_str(&kind).map_err(|e| unreadable(6, e))?,
        },
    })
}

fn id<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|e| unreadable(column, e))
}

fn unreadable(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

/// Numbers beyond what SQLite counts are beyond every record.
fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Conditions that must all hold. Built as text so that SQLite can choose an index.
#[derive(Default)]
struct Wanted {
    conditions: Vec<&'static str>,
    values: Vec<Value>,
}

impl Wanted {
    fn when(&mut self, condition: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.conditions.push(condition);
            self.values.push(value.into());
        }
    }

    /// Up to one more than `limit` rows, and whether there was that one.
    fn list<T>(
        mut self,
        conn: &Connection,
        columns: &str,
        table: &str,
        limit: usize,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<(Vec<T>, bool)> {
        let conditions = match self.conditions.as_slice() {
            [] => "true".to_owned(),
            some => some.join(" AND "),
        };
        let sql =
            format!("SELECT {columns} FROM {table} WHERE {conditions} ORDER BY seq DESC LIMIT ?");
        let one_more = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        self.values.push(one_more.into());
        let mut statement = conn.prepare_cached(&sql)?;
        let rows = statement
            .query_map(params_from_iter(self.values), |row| read(row))?
            .collect::<Result<Vec<_>, _>>()?;
        let more = rows.len() > limit;
        Ok((rows, more))
    }
}
