//! What can go wrong, and what to do about it.

use std::path::PathBuf;

use crate::{
    kv::{LeaseId, Revision},
    limits::LEASES_MAX,
};

/// Why an operation of the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room. Nothing was changed; the store works again when there is room.
    #[error(
        "there is no room to write {place}; nothing was changed; make room there and try again"
    )]
    Full {
        /// File.
        place: String,
    },
    /// The store does not answer. Whether a write was done is not known.
    #[error("the store {place} does not answer: {detail}")]
    Away {
        /// File or address.
        place: String,
        /// Cause in words.
        detail: String,
    },
    /// The file is damaged.
    #[error("{place} is damaged ({detail}); stop portico and restore the file from a backup")]
    Corrupt {
        /// File.
        place: String,
        /// Cause in words.
        detail: String,
    },
    /// The revision is no longer kept.
    #[error("revision {asked} was compacted; the oldest that can be read is {oldest}")]
    Compacted {
        /// What was asked for.
        asked: Revision,
        /// Oldest that can be read.
        oldest: Revision,
    },
    /// The revision was not reached yet.
    #[error("revision {asked} is in the future; the store is at {current}")]
    FutureRevision {
        /// What was asked for.
        asked: Revision,
        /// Where the store is.
        current: Revision,
    },
    /// A limit of the store.
    #[error("{what} is {len}; at most {max} is allowed")]
    TooLarge {
        /// What is too large, with its unit.
        what: &'static str,
        /// How large it is.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Not a key.
    #[error("key {key:?} {reason}")]
    BadKey {
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Etcd forbids it.
    #[error("key {key:?} is written twice in one branch of a transaction")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// No such lease, or it lapsed.
    #[error("lease {lease} does not exist or has lapsed")]
    LeaseNotFound {
        /// The lease.
        lease: LeaseId,
    },
    /// Too many leases.
    #[error("there are {LEASES_MAX} leases, which is the limit")]
    TooManyLeases,
    /// Too many watches.
    #[error("there are {max} open watches, which is the limit")]
    TooManyWatches {
        /// The limit.
        max: usize,
    },
}

impl StoreError {
    /// Whether the same call may work later without anything being changed about it.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Full { .. }
                | Self::Away { .. }
                | Self::TooManyLeases
                | Self::TooManyWatches { .. }
        )
    }
}

/// Why a watch ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// What came next was compacted: read the keys anew, then watch from the revision of that
    /// range and one.
    #[error("the watch fell behind: the oldest revision that can be read is {revision}")]
    Compacted {
        /// Oldest revision that can be read.
        revision: Revision,
    },
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
    /// The store does not answer; watch again from where the last event left off.
    #[error("the store could not be read: {detail}")]
    Away {
        /// Cause in words.
        detail: String,
    },
}

/// Why a file could not be opened. Each text names the file and the next step.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Written by a later version.
    #[error(
        "{} has schema {found} and this portico knows up to {known}; run the portico that wrote it or a later one",
        file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema.
        found: i64,
        /// The latest schema this version knows.
        known: i64,
    },
    /// Damaged, or not a database at all.
    #[error("{} is damaged ({detail}); move it away and restore it from a backup", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Cause in words.
        detail: String,
    },
    /// A database of something else.
    #[error("{} is a database, but not {expected}; give another path", file.display())]
    OtherFile {
        /// The file.
        file: PathBuf,
        /// What was expected.
        expected: &'static str,
    },
    /// Another process has it.
    #[error(
        "{} is in use by {}; stop that process or give another path",
        file.display(),
        holder.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The file.
        file: PathBuf,
        /// Process that has it, if it said so.
        holder: Option<u32>,
    },
    /// The folder is missing, or rights are.
    #[error("{} cannot be opened; check that its folder exists and belongs to the user portico runs as", file.display())]
    NoAccess {
        /// The file.
        file: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// No room.
    #[error("there is no room to write {}; make room there and start again", file.display())]
    Full {
        /// The file.
        file: PathBuf,
    },
    /// The key that signs the audit chain cannot be used.
    #[error("{} is not a signing key of portico ({detail}); restore it from a backup", file.display())]
    BadKey {
        /// The key file.
        file: PathBuf,
        /// Cause in words.
        detail: String,
    },
    /// Anything else SQLite says.
    #[error("{} cannot be opened ({detail})", file.display())]
    Other {
        /// The file.
        file: PathBuf,
        /// Cause in words.
        detail: String,
    },
}
