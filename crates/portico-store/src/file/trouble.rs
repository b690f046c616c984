//! What SQLite reports, sorted by what can be done about it.

use std::sync::Arc;

use rusqlite::{ErrorCode, ffi};

use crate::error::StoreError;

/// A failure of the file, not of the request.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) place: Arc<str>,
    pub(crate) kind: TroubleKind,
}

#[derive(Debug, Clone)]
pub(crate) enum TroubleKind {
    /// No room; SQLite rolled back.
    Full,
    /// The file is damaged or not a database.
    Corrupt(String),
    /// The disk did not take what was written. What is on it is not known until the next start,
    /// so nothing more may be written.
    Unsynced(String),
    /// Anything else.
    Away(String),
}

impl TroubleKind {
    pub(crate) fn of(error: &rusqlite::Error) -> Self {
        let text = error.to_string();
        let Some(code) = error.sqlite_error() else {
            // A row that cannot be read as what was written: somebody else wrote it.
            return Self::Corrupt(text);
        };
        match (code.code, code.extended_code) {
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => Self::Corrupt(text),
            (_, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => Self::Unsynced(text),
            _ => Self::Away(text),
        }
    }
}

impl From<Trouble> for StoreError {
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

/// Why one request failed: it was refused, or the file failed.
#[derive(Debug)]
pub(crate) enum Fault<E> {
    Refused(E),
    Sql(rusqlite::Error),
}

impl<E> From<rusqlite::Error> for Fault<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}
