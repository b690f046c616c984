//! What the writer of the journal knows beside the file: the head of the chain and the key.

use portico_model::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    chain::{Anchor, AuditHash, StoredRecord, hex},
    entry::{AuditEntry, AuditRecord, SessionEvent},
    seam::JournalError,
    signing::SigningKey,
};
use crate::file::{trouble::Fault, writer::Ledger};

pub(super) enum Request {
    Audit(AuditEntry),
    Session(SessionEvent),
    Sign(Timestamp),
}

pub(super) enum Reply {
    Record(AuditRecord),
    Head(Option<Anchor>),
    Done,
}

pub(super) struct JournalLedger {
    writer: String,
    key: SigningKey,
    /// As of the last commit.
    durable: Head,
    /// With what was applied since.
    working: Head,
}

#[derive(Clone, Copy)]
struct Head {
    seq: u64,
    hash: AuditHash,
    signed_seq: u64,
}

impl JournalLedger {
    /// Reads where the chain stands; begins one in a new file.
    pub(super) fn load(conn: &Connection, key: SigningKey) -> rusqlite::Result<Self> {
        begin_chain(conn)?;
        let (writer, seq, hash) = chain_row(conn)?;
        let mut head = Head {
            seq,
            hash,
            signed_seq: conn.query_row("SELECT coalesce(max(seq), 0) FROM head", [], |row| {
                row.get(0)
            })?,
        };
        let last: Option<(u64, AuditHash)> = conn
            .query_row(
                "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, AuditHash(row.get(1)?))),
            )
            .optional()?;
        let (last_seq, last_hash) = last.unwrap_or((0, AuditHash::genesis(&writer)));
        if (last_seq, last_hash) != (head.seq, head.hash) {
            // The audit log goes on where a verification will always show the break.
            tracing::error!(
                last_seq,
                head_seq = head.seq,
                "Audit log was changed from outside, run portico audit verify"
            );
            if last_seq > head.seq {
                (head.seq, head.hash) = (last_seq, last_hash);
            }
        }
        Ok(Self {
            writer,
            key,
            durable: head,
            working: head,
        })
    }

    fn audit(&mut self, conn: &Connection, entry: &AuditEntry) -> rusqlite::Result<Reply> {
        let entry = entry.clone().within_limits();
        let mut stored = StoredRecord {
            seq: self.working.seq + 1,
            at_ms: entry.at.unix_ms(),
            actor: entry.actor.clone(),
            action: entry.action.clone(),
            object: entry.object.clone(),
            outcome: entry.outcome.clone(),
            client_address: entry
                .client_address
                .map_or(String::new(), |address| address.to_string()),
            detail: entry.detail.to_string(),
            hash: self.working.hash,
        };
        stored.hash = stored.hash_after(&self.working.hash);
        conn.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
            .execute(params![
                stored.seq,
                stored.at_ms,
                stored.actor,
                stored.action,
                stored.object,
                stored.outcome,
                stored.client_address,
                stored.detail,
                stored.hash.0,
            ])?;
        conn.prepare_cached("UPDATE chain SET seq = ?1, hash = ?2")?
            .execute(params![stored.seq, stored.hash.0])?;
        self.working.seq = stored.seq;
        self.working.hash = stored.hash;
        Ok(Reply::Record(AuditRecord {
            seq: stored.seq,
            entry,
            hash: stored.hash,
        }))
    }

    fn sign(&mut self, conn: &Connection, now: Timestamp) -> rusqlite::Result<Reply> {
        let Head {
            seq,
            hash,
            signed_seq,
        } = self.working;
        if seq == 0 || seq <= signed_seq {
            return Ok(Reply::Head(None));
        }
        let anchor = self.key.sign(&self.writer, seq, hash, now);
        conn.prepare_cached("INSERT INTO head VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                seq,
                now.unix_ms(),
                hash.0,
                anchor.public_key,
                anchor.signature
            ])?;
        self.working.signed_seq = seq;
        Ok(Reply::Head(Some(anchor)))
    }
}

/// The head of the chain as its own table has it: writer, number, hash.
pub(super) fn chain_row(conn: &Connection) -> rusqlite::Result<(String, u64, AuditHash)> {
    conn.query_row("SELECT writer, seq, hash FROM chain", [], |row| {
        Ok((row.get(0)?, row.get(1)?, AuditHash(row.get(2)?)))
    })
}

/// A writer has a random name, so that no two chains begin alike.
fn begin_chain(conn: &Connection) -> rusqlite::Result<()> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.to_string().into()))?;
    let writer = hex::encode(&random);
    conn.execute(
        "INSERT OR IGNORE INTO chain (only, writer, seq, hash) VALUES (1, ?1, 0, ?2)",
        params![writer, AuditHash::genesis(&writer).0],
    )?;
    Ok(())
}

fn session(conn: &Connection, event: &SessionEvent) -> rusqlite::Result<Reply> {
    let kind = serde_json::to_string(&event.kind)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    conn.prepare_cached(
        "INSERT INTO session_event (at_ms, session, user, resource, host, kind)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        event.at.unix_ms(),
        event.session.as_str(),
        event.user.as_str(),
        event.resource.as_str(),
        event.host.as_str(),
        kind,
    ])?;
    Ok(Reply::Done)
}

impl Ledger for JournalLedger {
    type Request = Request;
    type Reply = Reply;
    type Error = JournalError;

    fn bytes(request: &Request) -> usize {
        match request {
            Request::Audit(entry) => entry.actor.len() + entry.object.len(),
            Request::Session(_) | Request::Sign(_) => 0,
        }
    }

    fn apply(
        &mut self,
        conn: &Connection,
        request: &Request,
    ) -> Result<Reply, Fault<JournalError>> {
        Ok(match request {
            Request::Audit(entry) => self.audit(conn, entry)?,
            Request::Session(event) => session(conn, event)?,
            Request::Sign(now) => self.sign(conn, *now)?,
        })
    }

    fn committed(&mut self) {
        self.durable = self.working;
    }

    fn rolled_back(&mut self) {
        self.working = self.durable;
    }

    fn wait_max(&self) -> Option<std::time::Duration> {
        None
    }

    fn due(&mut self) -> Vec<Request> {
        Vec::new()
    }
}
