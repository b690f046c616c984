//! Looking at a file that another process may be using, without changing anything about it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use super::{
    lock::lock_path,
    open::{Schema, check_whole, known, open_to_read, schema_of},
};
use crate::error::OpenError;

/// What a file of the store or the journal is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Version of its tables; those of this program are [`FileReport::schema_known`].
    pub schema: i64,
    /// Version of the tables that this program works with.
    pub schema_known: i64,
    /// Its length, in bytes, without what was written since the last checkpoint.
    pub bytes: u64,
    /// Its permissions, as in 0o600.
    pub mode: u32,
    /// Whether a process uses it.
    pub user: FileUser,
    /// Whether this process may write to it.
    pub is_writable: bool,
}

/// Which process uses a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileUser {
    /// None.
    Nobody,
    /// The one with this id, if it said so.
    Process(Option<u32>),
}

/// Looks at a file; `None` when it does not exist.
pub(crate) fn examine(path: &Path, schema: &Schema) -> Result<Option<FileReport>, OpenError> {
    let no_access = |source| OpenError::NoAccess {
        file: path.to_owned(),
        source,
    };
    if !path.try_exists().map_err(no_access)? {
        return Ok(None);
    }
    let meta = std::fs::metadata(path).map_err(no_access)?;
    let user = user_of(path);
    let is_writable = OpenOptions::new().append(true).open(path).is_ok();
    // A file of an older version is good: the next start migrates it.
    let schema_found = schema_of(path, schema)?;
    if schema_found == known(schema) {
        check_whole(path, &open_to_read(path, schema)?)?;
    }
    Ok(Some(FileReport {
        schema: schema_found,
        schema_known: known(schema),
        bytes: meta.len(),
        mode: meta.permissions().mode() & 0o777,
        user,
        is_writable,
    }))
}

/// Who holds the lock. It is taken for an instant and shared, when nobody has it; a process that
/// starts in that instant says that the file is in use, and is started again.
fn user_of(path: &Path) -> FileUser {
    let Ok(mut lock) = File::open(lock_path(path)) else {
        return FileUser::Nobody;
    };
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The holder is told for convenience only.
            let _ = lock.read_to_string(&mut text);
            FileUser::Process(text.trim().parse().ok())
        }
        Ok(()) | Err(TryLockError::Error(_)) => FileUser::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{lock::FileLock, open::open_to_write};

    const ONE: Schema = Schema {
        what: "a test",
        mark: 7,
        steps: &["CREATE TABLE a (x INTEGER) STRICT;"],
    };
    const TWO: Schema = Schema {
        steps: &[ONE.steps[0], "ALTER TABLE a ADD COLUMN y INTEGER;"],
        ..ONE
    };

    #[test]
    fn a_file_is_looked_at_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        assert_eq!(examine(&path, &ONE).unwrap(), None);
        assert!(!path.exists());
        let held = FileLock::take(&path).unwrap();
        drop(open_to_write(&path, &ONE).unwrap());
        let seen = examine(&path, &TWO).unwrap().unwrap();
        assert_eq!((seen.schema, seen.schema_known, seen.mode), (1, 2, 0o600));
        assert_eq!(seen.user, FileUser::Process(Some(std::process::id())));
        drop(held);
        let seen = examine(&path, &ONE).unwrap().unwrap();
        assert_eq!((seen.schema, seen.user), (1, FileUser::Nobody));
        // Nobody is kept from it afterwards.
        FileLock::take(&path).unwrap();
        let error = {
            drop(open_to_write(&path, &TWO).unwrap());
            examine(&path, &ONE).unwrap_err()
        };
        assert!(matches!(
            error,
            OpenError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ));
    }

    #[test]
    fn what_is_no_database_is_said_to_be_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::fs::write(
            &path,
            "no database at all, but long enough to be read as one",
        )
        .unwrap();
        let error = examine(&path, &ONE).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    }
}
