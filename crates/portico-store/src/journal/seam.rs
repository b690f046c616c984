//! The seam of the journal.

use portico_model::Timestamp;

use super::{
    chain::Anchor,
    entry::{
        AuditEntry, AuditPage, AuditQuery, AuditRecord, SessionEvent, SessionPage, SessionQuery,
    },
    verify::Verdict,
};
use crate::{
    file::trouble::{Trouble, TroubleKind},
    seam::BoxFuture,
};

/// Audit log and session history. What is appended is durable when acknowledged.
pub trait Journal: Send + Sync + 'static {
    /// Appends to the audit log. Texts beyond the limits are cut, never refused.
    fn append_audit(&self, entry: AuditEntry) -> BoxFuture<'_, Result<AuditRecord, JournalError>>;

    /// Appends to the session history.
    fn session_event(&self, event: SessionEvent) -> BoxFuture<'_, Result<(), JournalError>>;

    /// Lists audit records, newest first.
    fn audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<AuditPage, JournalError>>;

    /// Lists session events, newest first.
    fn sessions(&self, query: SessionQuery) -> BoxFuture<'_, Result<SessionPage, JournalError>>;

    /// Signs the last audit record; to be called every
    /// [`HEAD_SIGNED_EVERY`](crate::limits::HEAD_SIGNED_EVERY). `None` when there is nothing new.
    /// The anchor can be sent off the host.
    fn sign_head(&self, now: Timestamp) -> BoxFuture<'_, Result<Option<Anchor>, JournalError>>;

    /// The last signed head, to be kept off the host.
    fn anchor(&self) -> BoxFuture<'_, Result<Option<Anchor>, JournalError>>;

    /// Checks the whole audit log: each record, the signed heads and, when given, an anchor that
    /// was kept elsewhere. Without an anchor, somebody who can write the file *and* has the
    /// signing key can rewrite everything unseen, and the last records since the last signed head
    /// can be cut off by somebody who takes care.
    fn verify(&self, anchor: Option<Anchor>) -> BoxFuture<'_, Result<Verdict, JournalError>>;
}

/// Why an operation of the journal failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// No room. Nothing was changed; the journal works again when there is room.
    #[error(
        "there is no room to write {place}; nothing was changed; make room there and try again"
    )]
    Full {
        /// File.
        place: String,
    },
    /// The journal does not answer. Whether a write was done is not known.
    #[error("the journal {place} does not answer: {detail}")]
    Away {
        /// File or address.
        place: String,
        /// Cause in words.
        detail: String,
    },
    /// The file is damaged.
    #[error(
        "{place} is damaged ({detail}); run portico audit verify, then restore the file from a backup"
    )]
    Corrupt {
        /// File.
        place: String,
        /// Cause in words.
        detail: String,
    },
    /// It was opened for reading.
    #[error("{place} was opened for reading only")]
    ReadOnly {
        /// File.
        place: String,
    },
}

impl From<Trouble> for JournalError {
    fn from(Trouble { place, kind }: Trouble) -> Self {
        let place = place.to_string();
        match kind {
            TroubleKind::Full => Self::Full { place },
            TroubleKind::Corrupt(detail) => Self::Corrupt { place, detail },
            TroubleKind::Unsynced(detail) | TroubleKind::Away(detail) => {
                Self::Away { place, detail }
            }
        }
    }
}
