//! The state of portico and its history.
//!
//! Read [`Store`] (a revisioned key-value store with etcd's semantics) and [`Journal`] (audit log
//! and session history) first. Both are seams; [`SqliteStore`] and [`SqliteJournal`] are the
//! adapters that need nothing else to run.
//!
//! What an acknowledged write promises: it was flushed to the disk and is there after the process
//! is killed or the machine loses power, as far as the disk keeps its own promises.
//! On a full disk writes are refused, nothing is damaged, and the store works again when there is
//! room. Setting the clock changes nothing: leases count monotonic time.
#![warn(missing_docs)]

pub mod limits;

mod error;
mod file;
mod journal;
mod kv;
mod lease;
mod seam;
mod sqlite;

pub use error::{OpenError, StoreError, WatchError};
pub use file::{
    backup::BackupError,
    examine::{FileReport, FileUser},
};
pub use journal::{
    Anchor, AnchorError, AuditEntry, AuditHash, AuditPage, AuditQuery, AuditRecord, Fault,
    FaultKind, Journal, JournalError, SessionEvent, SessionEventKind, SessionPage, SessionQuery,
    SessionRecord, SqliteJournal, Verdict,
};
pub use kv::{
    Compare, KeyValue, LeaseId, Op, OpResult, RangeOutcome, Revision, Txn, TxnOutcome, check_key,
    check_prefix, prefix_end,
};
#[cfg(feature = "testing")]
pub use lease::ManualLeaseClock;
pub use lease::{LeaseClock, SystemLeaseClock};
pub use seam::{BoxFuture, Change, Lease, Store, Watch, WatchEvent, WatchSource};
pub use sqlite::{SqliteStore, SqliteStoreOptions};
#[cfg(feature = "testing")]
pub mod conformance;
