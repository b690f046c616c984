//! One process per file: leases and watches live in the process that writes.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::error::OpenError;

/// A lock beside the file, held until dropped. It is not on the file itself because closing any
/// descriptor of that would drop the locks of SQLite.
#[derive(Debug)]
pub(crate) struct FileLock {
    _held: File,
}

impl FileLock {
    pub(crate) fn take(file: &Path) -> Result<Self, OpenError> {
        let no_access = |source| OpenError::NoAccess {
            file: file.to_owned(),
            source,
        };
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(lock_path(file))
            .map_err(no_access)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The holder is told for convenience only.
                let _ = lock.read_to_string(&mut text);
                return Err(OpenError::InUse {
                    file: file.to_owned(),
                    holder: text.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(no_access(source)),
        }
        // On a full disk the number is missing, and the lock holds all the same.
        let _ = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self { _held: lock })
    }
}

pub(super) fn lock_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
