//! Opening a file: whose it is, which version, whether it is whole; then its migrations.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rusqlite::{Connection, OpenFlags};

use super::trouble::TroubleKind;
use crate::{
    error::OpenError,
    limits::{BUSY_TIMEOUT, CHECKED_AT_OPEN_BYTES_MAX},
};

/// What a file is: the mark in its header and the steps that make its tables.
pub(crate) struct Schema {
    /// Name for messages.
    pub(crate) what: &'static str,
    /// `application_id` of the file.
    pub(crate) mark: i32,
    /// Step n brings a file from schema n to n + 1; never changed once released.
    pub(crate) steps: &'static [&'static str],
}

/// Opens a connection for writing, makes or migrates the tables. The caller holds the lock.
pub(crate) fn open_to_write(path: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(|e| failed(path, &e))?;
    check_whose(path, &conn, schema)?;
    set_up_writer(&conn).map_err(|e| failed(path, &e))?;
    check_whole(path, &conn)?;
    migrate(&mut conn, schema).map_err(|e| failed(path, &e))?;
    Ok(conn)
}

/// A database that lives only as long as the connection.
pub(crate) fn open_in_memory(schema: &Schema) -> Result<Connection, OpenError> {
    let path = Path::new(":memory:");
    let mut conn = Connection::open_in_memory().map_err(|e| failed(path, &e))?;
    migrate(&mut conn, schema).map_err(|e| failed(path, &e))?;
    Ok(conn)
}

/// Opens a connection for reading a file that exists.
pub(crate) fn open_to_read(path: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    File::open(path).map_err(|source| OpenError::NoAccess {
        file: path.to_owned(),
        source,
    })?;
    // Not SQLITE_OPEN_READ_ONLY: a reader of a WAL file may have to recover its index.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|e| failed(path, &e))?;
    let found = check_whose(path, &conn, schema)?;
    if found < known(schema) {
        return Err(OpenError::Other {
            file: path.to_owned(),
            detail: format!(
                "it has schema {found} and is read at {}; start portico serve once to migrate it",
                known(schema)
            ),
        });
    }
    conn.busy_timeout(BUSY_TIMEOUT)
        .and_then(|()| conn.pragma_update(None, "query_only", true))
        .map_err(|e| failed(path, &e))?;
    Ok(conn)
}

/// The schema that a file has, which may be older than that of this program.
pub(super) fn schema_of(path: &Path, schema: &Schema) -> Result<i64, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|e| failed(path, &e))?;
    check_whose(path, &conn, schema)
}

/// A file that holds hashes and ciphertext is for its owner only; SQLite gives the files beside
/// it the same mode.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let no_access = |source| OpenError::NoAccess {
        file: path.to_owned(),
        source,
    };
    if path.try_exists().map_err(no_access)? {
        return Ok(());
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.sync_all())
        .map_err(no_access)?;
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(no_access)?;
    }
    Ok(())
}

/// Returns the schema the file has; 0 for a new one.
fn check_whose(path: &Path, conn: &Connection, schema: &Schema) -> Result<i64, OpenError> {
    let fail = |e: rusqlite::Error| failed(path, &e);
    conn.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    let mark: i32 = pragma(conn, "application_id").map_err(fail)?;
    let found: i64 = pragma(conn, "user_version").map_err(fail)?;
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fail)?;
    let is_new = mark == 0 && found == 0 && tables == 0;
    if !is_new && mark != schema.mark {
        return Err(OpenError::OtherFile {
            file: path.to_owned(),
            expected: schema.what,
        });
    }
    if found > known(schema) {
        return Err(OpenError::Newer {
            file: path.to_owned(),
            found,
            known: known(schema),
        });
    }
    Ok(found)
}

fn set_up_writer(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// A damaged page is better found now than at the launch that needs it. Large files would make
/// the start wait; their pages are checked as they are read.
pub(super) fn check_whole(path: &Path, conn: &Connection) -> Result<(), OpenError> {
    let bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
    if bytes > CHECKED_AT_OPEN_BYTES_MAX {
        return Ok(());
    }
    let said: String = conn
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|e| failed(path, &e))?;
    if said != "ok" {
        return Err(OpenError::Corrupt {
            file: path.to_owned(),
            detail: said,
        });
    }
    Ok(())
}

/// Each step is a transaction of its own with the new schema number in it.
fn migrate(conn: &mut Connection, schema: &Schema) -> rusqlite::Result<()> {
    let found: i64 = pragma(conn, "user_version")?;
    let done = usize::try_from(found).unwrap_or(0);
    for (step, after) in schema.steps.iter().skip(done).zip(found + 1..) {
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "application_id", schema.mark)?;
        tx.pragma_update(None, "user_version", after)?;
        tx.commit()?;
    }
    Ok(())
}

pub(super) fn known(schema: &Schema) -> i64 {
    i64::try_from(schema.steps.len()).unwrap_or(i64::MAX)
}

fn pragma<T: rusqlite::types::FromSql>(conn: &Connection, name: &str) -> rusqlite::Result<T> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}

/// What an error at opening means.
pub(crate) fn failed(path: &Path, error: &rusqlite::Error) -> OpenError {
    let file = path.to_owned();
    if matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    ) {
        return OpenError::InUse { file, holder: None };
    }
    if matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly)
    ) {
        return OpenError::NoAccess {
            file,
            source: std::io::Error::other(error.to_string()),
        };
    }
    match TroubleKind::of(error) {
        TroubleKind::Full => OpenError::Full { file },
        TroubleKind::Corrupt(detail) => OpenError::Corrupt { file, detail },
        TroubleKind::Unsynced(detail) | TroubleKind::Away(detail) => {
            OpenError::Other { file, detail }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Schema = Schema {
        what: "a test",
        mark: 7,
        steps: &["CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);"],
    };
    const TWO: Schema = Schema {
        steps: &[
            ONE.steps[0],
            "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 2;",
        ],
        ..ONE
    };
    const OTHER: Schema = Schema { mark: 8, ..ONE };

    #[test]
    fn a_file_is_migrated_step_by_step_and_never_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        drop(open_to_write(&path, &ONE).unwrap());
        assert!(matches!(
            open_to_read(&path, &TWO),
            Err(OpenError::Other { .. })
        ));
        for _ in 0..2 {
            let conn = open_to_write(&path, &TWO).unwrap();
            let row: (i64, i64) = conn
                .query_row("SELECT x, y FROM a", [], |r| Ok((r.get(0)?, r.get(1)?)))
                .unwrap();
            assert_eq!(row, (1, 2));
        }
        let error = open_to_write(&path, &ONE).unwrap_err();
        assert!(matches!(
            error,
            OpenError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ));
        assert!(error.to_string().contains("a.db has schema 2"), "{error}");
        assert!(matches!(
            open_to_write(&path, &OTHER),
            Err(OpenError::OtherFile { .. })
        ));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        const BAD: Schema = Schema {
            steps: &[
                ONE.steps[0],
                "CREATE TABLE b (x INTEGER) STRICT; SELECT wrong;",
            ],
            ..ONE
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        drop(open_to_write(&path, &ONE).unwrap());
        assert!(open_to_write(&path, &BAD).is_err());
        drop(open_to_write(&path, &TWO).unwrap());
    }
}
