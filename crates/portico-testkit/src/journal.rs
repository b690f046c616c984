//! A journal in memory. It keeps everything and signs nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use portico_model::Timestamp;
use portico_store::{
    Anchor, AuditEntry, AuditHash, AuditPage, AuditQuery, AuditRecord, BoxFuture, Journal,
    JournalError, SessionEvent, SessionPage, SessionQuery, SessionRecord, Verdict,
};

/// Audit log and session history in memory. Listing gives all records, newest first, whatever
/// the query asks for beside the session: tests look themselves.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    audit: Vec<AuditEntry>,
    sessions: Vec<SessionEvent>,
}

impl MemoryJournal {
    /// The audit entries, oldest first.
    pub fn audit_entries(&self) -> Vec<AuditEntry> {
        self.lock().audit.clone()
    }

    /// The session events, oldest first.
    pub fn session_events(&self) -> Vec<SessionEvent> {
        self.lock().sessions.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_hash() -> Result<AuditHash, JournalError> {
    serde_json::from_value("0".repeat(64).into()).map_err(|error| JournalError::Corrupt {
        place: "memory".into(),
        detail: error.to_string(),
    })
}

fn record(seq: usize, entry: AuditEntry) -> Result<AuditRecord, JournalError> {
    Ok(AuditRecord {
        seq: seq as u64,
        entry,
        hash: no_hash()?,
    })
}

impl Journal for MemoryJournal {
    fn append_audit(&self, entry: AuditEntry) -> BoxFuture<'_, Result<AuditRecord, JournalError>> {
        let mut kept = self.lock();
        kept.audit.push(entry.clone());
        let record = record(kept.audit.len(), entry);
        Box::pin(std::future::ready(record))
    }

    fn session_event(&self, event: SessionEvent) -> BoxFuture<'_, Result<(), JournalError>> {
        self.lock().sessions.push(event);
        Box::pin(std::future::ready(Ok(())))
    }

    fn audit(&self, _query: AuditQuery) -> BoxFuture<'_, Result<AuditPage, JournalError>> {
        let entries = self.audit_entries().into_iter().enumerate().rev();
        let records: Result<_, _> = entries.map(|(at, entry)| record(at + 1, entry)).collect();
        let page = records.map(|records| AuditPage {
            records,
            next: None,
        });
        Box::pin(std::future::ready(page))
    }

    fn sessions(&self, query: SessionQuery) -> BoxFuture<'_, Result<SessionPage, JournalError>> {
        let events = self.session_events().into_iter().enumerate().rev();
        let wanted = events.filter(|(_, event)| {
            let wanted = query.session.as_ref();
            wanted.is_none_or(|session| *session == event.session)
        });
        let records = wanted.map(|(at, event)| SessionRecord {
            seq: at as u64 + 1,
            event,
        });
        Box::pin(std::future::ready(Ok(SessionPage {
            records: records.collect(),
            next: None,
        })))
    }

    fn sign_head(&self, _now: Timestamp) -> BoxFuture<'_, Result<Option<Anchor>, JournalError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn anchor(&self) -> BoxFuture<'_, Result<Option<Anchor>, JournalError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn verify(&self, _anchor: Option<Anchor>) -> BoxFuture<'_, Result<Verdict, JournalError>> {
        let verdict = Verdict {
            last_seq: self.lock().audit.len() as u64,
            signed_seq: 0,
            anchored_seq: None,
            faults: Vec::new(),
        };
        Box::pin(std::future::ready(Ok(verdict)))
    }
}
