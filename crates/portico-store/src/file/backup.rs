//! A copy of a file in use.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rusqlite::{Connection, backup::Backup};

/// Why a backup failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file exists already or cannot be written.
    #[error("{file} cannot be written; give a path that does not exist yet, in a folder with room")]
    Target {
        /// The file.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
    /// Copying failed.
    #[error("{from} could not be copied to {to}")]
    Copy {
        /// What was copied.
        from: String,
        /// Where to.
        to: String,
        /// Cause.
        source: rusqlite::Error,
    },
}

/// Pages copied at a time.
const PAGES_PER_STEP: i32 = 1024;

/// Copies one consistent state of `from` to `to`, which must not exist, with mode 0600.
pub(crate) fn back_up(from: &Path, to: &Path) -> Result<(), BackupError> {
    let target = |source| BackupError::Target {
        file: to.display().to_string(),
        source,
    };
    let copy = |source| BackupError::Copy {
        from: from.display().to_string(),
        to: to.display().to_string(),
        source,
    };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(target)?;
    let source = Connection::open(from).map_err(copy)?;
    let mut copied = Connection::open(to).map_err(copy)?;
    // A read transaction keeps the copy from starting over at each write of the original.
    source
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")
        .map_err(copy)?;
    let done = Backup::new(&source, &mut copied).and_then(|backup| {
        backup.run_to_completion(PAGES_PER_STEP, std::time::Duration::ZERO, None)
    });
    if let Err(error) = done {
        drop(copied);
        // Half a copy is worse than none.
        let _ = std::fs::remove_file(to);
        return Err(copy(error));
    }
    // One file without others beside it is what people expect of a backup.
    copied
        .pragma_update(None, "journal_mode", "DELETE")
        .map_err(copy)?;
    copied.close().map_err(|(_, error)| copy(error))?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(target)
}

/// Runs a backup on a thread where blocking is allowed.
pub(crate) async fn blocking(
    work: impl FnOnce() -> Result<(), BackupError> + Send + 'static,
) -> Result<(), BackupError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(BackupError::Target {
            file: "the backup".into(),
            source: std::io::Error::other(error),
        }),
    }
}
