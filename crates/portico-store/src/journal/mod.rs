//! History: the audit log, whose records are chained and whose head is signed, and what happened
//! to sessions.

mod chain;
mod entry;
mod ledger;
mod read;
mod schema;
mod seam;
mod signing;
mod sqlite;
mod verify;

pub use chain::{Anchor, AnchorError, AuditHash};
pub use entry::{
    AuditEntry, AuditPage, AuditQuery, AuditRecord, SessionEvent, SessionEventKind, SessionPage,
    SessionQuery, SessionRecord,
};
pub use seam::{Journal, JournalError};
pub use sqlite::SqliteJournal;
pub use verify::{Fault, FaultKind, Verdict};
