//! Checking the audit log: each record against the one before, then against what was signed.

use std::fmt;

use portico_model::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{
    chain::{Anchor, AnchorVersion, AuditHash, StoredRecord},
    ledger::chain_row,
    read::{RECORD_COLUMNS, stored_record},
};
use crate::limits::FAULTS_MAX;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Number of the last record.
    pub last_seq: u64,
    /// Last record that a signed head in the file covers.
    pub signed_seq: u64,
    /// Record of the anchor, when one was given.
    pub anchored_seq: Option<u64>,
    /// What is wrong, at most [`FAULTS_MAX`] of them; empty when nothing is.
    pub faults: Vec<Fault>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Something wrong with the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Record where it shows.
    pub seq: u64,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What can be wrong with the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum FaultKind {
    /// The record, or the hash of the one before, is not what was appended.
    Edited,
    /// The record cannot be read.
    Unreadable {
        /// Cause in words.
        detail: String,
    },
    /// Records from this one up to `until` are missing, later ones exist.
    Missing {
        /// Last of them.
        until: u64,
    },
    /// Records from this one up to `until` existed and are missing at the end.
    CutOff {
        /// Last that is known to have existed.
        until: u64,
    },
    /// A record from `since` up to this one is not what was signed.
    Rewritten {
        /// First that may have been changed.
        since: u64,
    },
    /// The signature of the head at this record is wrong.
    HeadForged,
    /// The head at this record was signed with another key than the one beside the journal.
    OtherKey,
    /// The note of where the chain ends does not agree with the records.
    HeadMoved,
    /// The anchor is of another journal.
    OtherJournal,
    /// SQLite finds the file damaged: an index that lists other records than there are, or worse.
    File {
        /// What it said.
        detail: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match &self.kind {
            FaultKind::Edited => write!(f, "record {seq} was edited, or the one before it"),
            FaultKind::Unreadable { detail } => write!(f, "record {seq} cannot be read: {detail}"),
            FaultKind::Missing { until } => write!(f, "records {seq} to {until} are missing"),
            FaultKind::CutOff { until } => {
                write!(f, "records {seq} to {until} were cut off at the end")
            }
            FaultKind::Rewritten { since } => write!(
                f,
                "the log was rewritten: a record from {since} to {seq} is not what was signed"
            ),
            FaultKind::HeadForged => write!(f, "the signature at record {seq} is wrong"),
            FaultKind::OtherKey => write!(f, "record {seq} was signed with another key"),
            FaultKind::HeadMoved => {
                write!(
                    f,
                    "the note of the end of the log does not agree with record {seq}"
                )
            }
            FaultKind::OtherJournal => write!(f, "the anchor is of another journal"),
            FaultKind::File { detail } => write!(f, "the file is damaged: {detail}"),
        }
    }
}

/// Checks everything. `public_key` is that of the key beside the journal, if it is there.
/// Errors are only those of a file that cannot be read at all.
pub(super) fn verify(
    conn: &Connection,
    public_key: Option<&[u8]>,
    anchor: Option<&Anchor>,
) -> rusqlite::Result<Verdict> {
    let (writer, chain_seq, chain_hash) = chain_row(conn)?;
    let mut check = Check {
        public_key,
        anchor,
        heads: Heads::new(conn, &writer),
        next_head: None,
        last: (0, AuditHash::genesis(&writer)),
        trusted_seq: 0,
        signed_seq: 0,
        anchor_hash_seen: None,
        faults: Vec::new(),
    };
    check.file(conn);
    check.next_head = check.heads.next();
    check.records(conn);
    check.end(chain_seq, chain_hash);
    check.against_anchor(&writer);
    let mut faults = check.faults;
    faults.sort_by_key(|fault| fault.seq);
    faults.truncate(FAULTS_MAX);
    Ok(Verdict {
        last_seq: check.last.0,
        signed_seq: check.signed_seq,
        anchored_seq: anchor.map(|anchor| anchor.seq),
        faults,
    })
}

struct Check<'a> {
    public_key: Option<&'a [u8]>,
    anchor: Option<&'a Anchor>,
    heads: Heads<'a>,
    /// First head that no record was compared with yet.
    next_head: Option<Anchor>,
    /// Last record seen.
    last: (u64, AuditHash),
    /// Last record that is what a good head says.
    trusted_seq: u64,
    /// Last record with a head that is signed well.
    signed_seq: u64,
    anchor_hash_seen: Option<AuditHash>,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, seq: u64, kind: FaultKind) {
        // Two bounds of one list: this one keeps memory small, the one in `verify` the answer.
        if self.faults.len() < 2 * FAULTS_MAX {
            self.faults.push(Fault { seq, kind });
        }
    }

    fn file(&mut self, conn: &Connection) {
        let said: rusqlite::Result<String> =
            conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
        match said {
            Ok(said) if said == "ok" => {}
            Ok(detail) => self.fault(0, FaultKind::File { detail }),
            Err(error) => self.fault(
                0,
                FaultKind::File {
                    detail: error.to_string(),
                },
            ),
        }
    }

    fn records(&mut self, conn: &Connection) {
        let read = || -> rusqlite::Result<_> {
            // `NOT INDEXED`: the table itself, not a copy of it in an index.
            conn.prepare(&format!(
                "SELECT {RECORD_COLUMNS} FROM audit NOT INDEXED ORDER BY seq"
            ))
        };
        let done = read().and_then(|mut statement| {
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                match stored_record(row) {
                    Ok(record) => self.record(&record),
                    Err(error) => self.unreadable(&error),
                }
            }
            Ok(())
        });
        if let Err(error) = done {
            self.unreadable(&error);
        }
    }

    fn unreadable(&mut self, error: &rusqlite::Error) {
        self.fault(
            self.last.0 + 1,
            FaultKind::Unreadable {
                detail: error.to_string(),
            },
        );
    }

    fn record(&mut self, record: &StoredRecord) {
        let (last_seq, last_hash) = self.last;
        let expected = last_seq + 1;
        if record.seq > expected {
            let until = record.seq - 1;
            self.fault(expected, FaultKind::Missing { until });
        } else if record.seq < expected || record.hash_after(&last_hash) != record.hash {
            self.fault(record.seq, FaultKind::Edited);
        }
        // Going on from the stored hash, one edit is one fault and not one for each later record.
        self.last = (record.seq, record.hash);
        if self.anchor.is_some_and(|anchor| anchor.seq == record.seq) {
            self.anchor_hash_seen = Some(record.hash);
        }
        while let Some(head) = self.next_head.take_if(|head| head.seq <= record.seq) {
            self.next_head = self.heads.next();
            self.head(&head, record);
        }
    }

    fn head(&mut self, head: &Anchor, record: &StoredRecord) {
        if !self.is_good(head) || head.seq != record.seq {
            // A head of a record that is missing: that fault is listed already.
            return;
        }
        self.signed_seq = head.seq;
        if head.hash == record.hash {
            self.trusted_seq = head.seq;
        } else {
            let since = self.trusted_seq + 1;
            self.fault(head.seq, FaultKind::Rewritten { since });
        }
    }

    fn is_good(&mut self, head: &Anchor) -> bool {
        let is_ours = self.public_key.is_none_or(|key| key == head.public_key);
        if !is_ours {
            self.fault(head.seq, FaultKind::OtherKey);
        } else if !head.is_signed() {
            self.fault(head.seq, FaultKind::HeadForged);
        } else {
            return true;
        }
        false
    }

    fn end(&mut self, chain_seq: u64, chain_hash: AuditHash) {
        let (last_seq, last_hash) = self.last;
        let mut existed = 0;
        while let Some(head) = self.next_head.take() {
            self.next_head = self.heads.next();
            if self.is_good(&head) {
                existed = head.seq;
            }
        }
        if let Some(error) = self.heads.failed.take() {
            let detail = format!("signed heads: {error}");
            self.fault(last_seq, FaultKind::File { detail });
        }
        if chain_seq > last_seq {
            existed = existed.max(chain_seq);
        } else if (chain_seq, chain_hash) != (last_seq, last_hash) {
            self.fault(last_seq, FaultKind::HeadMoved);
        }
        if existed > last_seq {
            self.fault(last_seq + 1, FaultKind::CutOff { until: existed });
        }
    }

    fn against_anchor(&mut self, writer: &str) {
        let Some(anchor) = self.anchor else { return };
        if anchor.writer != writer {
            self.fault(anchor.seq, FaultKind::OtherJournal);
            return;
        }
        if !self.is_good(anchor) {
            return;
        }
        let last_seq = self.last.0;
        match self.anchor_hash_seen {
            Some(hash) if hash == anchor.hash => {}
            Some(_) => {
                // When a head in the file agrees with what the anchor denies, the key itself was
                // misused, and no head in the file says anything about earlier records.
                let trusted = self.trusted_seq;
                let since = if trusted < anchor.seq { trusted + 1 } else { 1 };
                self.fault(anchor.seq, FaultKind::Rewritten { since });
            }
            None if anchor.seq > last_seq => {
                let until = anchor.seq;
                self.fault(last_seq + 1, FaultKind::CutOff { until });
            }
            // Missing in the middle: that fault is listed already.
            None => {}
        }
    }
}

/// Signed heads read at a time: there is one for each minute of the journal's life.
const HEADS_AT_A_TIME: usize = 1024;

/// The signed heads, by record, read piece by piece.
struct Heads<'a> {
    conn: &'a Connection,
    writer: &'a str,
    read: std::vec::IntoIter<Anchor>,
    /// Last record of which a head was read.
    last_seq: i64,
    failed: Option<rusqlite::Error>,
}

impl<'a> Heads<'a> {
    fn new(conn: &'a Connection, writer: &'a str) -> Self {
        Self {
            conn,
            writer,
            read: Vec::new().into_iter(),
            last_seq: i64::MIN,
            failed: None,
        }
    }

    fn more(&mut self) -> rusqlite::Result<()> {
        let heads = self
            .conn
            .prepare_cached(
                "SELECT seq, at_ms, hash, public_key, signature FROM head
                 WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )?
            .query_map(params![self.last_seq, HEADS_AT_A_TIME], |row| {
                head(row, self.writer)
            })?
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(last) = heads.last() {
            self.last_seq = i64::try_from(last.seq).unwrap_or(i64::MAX);
        }
        self.read = heads.into_iter();
        Ok(())
    }
}

impl Iterator for Heads<'_> {
    type Item = Anchor;

    fn next(&mut self) -> Option<Anchor> {
        if self.read.len() == 0
            && self.failed.is_none()
            && let Err(error) = self.more()
        {
            self.failed = Some(error);
        }
        self.read.next()
    }
}

fn head(row: &Row<'_>, writer: &str) -> rusqlite::Result<Anchor> {
    Ok(Anchor {
        v: AnchorVersion,
        writer: writer.to_owned(),
        seq: row.get(0)?,
        at: Timestamp::from_unix_ms(row.get(1)?),
        hash: AuditHash(row.get(2)?),
        public_key: row.get(3)?,
        signature: row.get(4)?,
    })
}

/// The last signed head.
pub(super) fn last_head(conn: &Connection) -> rusqlite::Result<Option<Anchor>> {
    let (writer, ..) = chain_row(conn)?;
    conn.prepare_cached(
        "SELECT seq, at_ms, hash, public_key, signature FROM head ORDER BY seq DESC LIMIT 1",
    )?
    .query_row([], |row| head(row, &writer))
    .optional()
}
