//! Files that are not as they should be, and backups.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use portico_store::{
    Journal, ManualLeaseClock, Op, OpenError, SqliteJournal, SqliteStore, SqliteStoreOptions,
    Store, StoreError, Txn, WatchError,
    limits::{LEASES_MAX, RANGE_ITEMS_MAX, WATCHES_MAX, WRITE_QUEUE_LEN_MAX},
};

use crate::journal::entry;

fn refused(path: &Path) -> OpenError {
    let error = SqliteStore::open(path).err().expect("a refusal");
    let text = error.to_string();
    assert!(text.contains("state.db"), "names the file: {text}");
    error
}

async fn filled(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).unwrap();
    for n in 0..200 {
        let put = Op::put(format!("k/{n}"), vec![5; 500]);
        store.txn(Txn::of([put])).await.unwrap();
    }
    store
}

#[tokio::test]
async fn a_file_in_use_is_refused_with_the_holder_and_free_when_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = filled(&path).await;
    let error = refused(&path);
    let text = error.to_string();
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    assert!(text.contains("stop that process"), "{text}");
    drop(store);
    drop(SqliteStore::open(&path).unwrap());
}

#[tokio::test]
async fn a_file_locked_by_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(filled(&path).await);
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;")
        .unwrap();
    let error = refused(&path);
    assert!(
        matches!(error, OpenError::InUse { holder: None, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(filled(&path).await);
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let before = std::fs::read(&path).unwrap();
    let error = refused(&path);
    assert!(
        matches!(error, OpenError::Newer { found: 99, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("run the portico that wrote it"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn what_is_not_a_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    std::fs::write(&path, "version = 1\n".repeat(1000)).unwrap();
    assert!(matches!(refused(&path), OpenError::Corrupt { .. }));
    std::fs::remove_file(&path).unwrap();
    drop(SqliteJournal::open(&path).unwrap());
    assert!(matches!(refused(&path), OpenError::OtherFile { .. }));
    std::fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE people (name TEXT)")
        .unwrap();
    drop(other);
    assert!(matches!(refused(&path), OpenError::OtherFile { .. }));
    let no_folder = folder.path().join("none/state.db");
    let error = refused(&no_folder);
    assert!(matches!(error, OpenError::NoAccess { .. }), "{error}");
    std::fs::create_dir(no_folder.parent().unwrap()).unwrap();
    std::fs::create_dir(&no_folder).unwrap();
    assert!(matches!(refused(&no_folder), OpenError::NoAccess { .. }));
}

#[tokio::test]
async fn a_damaged_file_is_refused_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(filled(&path).await);
    let whole = std::fs::read(&path).unwrap();
    let mut scrambled = whole.clone();
    for byte in &mut scrambled[4096 * 4..4096 * 8] {
        *byte ^= 0x5a;
    }
    std::fs::write(&path, &scrambled).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert!(
        error.to_string().contains("restore it from a backup"),
        "{error}"
    );
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(refused(&path), OpenError::Corrupt { .. }));
}

#[tokio::test]
async fn damage_under_a_running_store_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = filled(&path).await;
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    // Another writer's change, so that what readers remember of the pages is no longer good.
    conn.execute_batch("PRAGMA user_version = 1").unwrap();
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(conn);
    let pages = std::fs::metadata(&path).unwrap().len() / 4096;
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for page in 1..pages {
        std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 4096], page * 4096).unwrap();
    }
    let error = store.range("k/", None, None).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let _store = filled(&path).await;
    let mut seen = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        seen += 1;
    }
    assert_eq!(seen, 4, "file, wal, shm, lock");
}

#[tokio::test]
async fn a_backup_is_a_store_at_one_revision_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(filled(&folder.path().join("state.db")).await);
    let to = folder.path().join("backup.db");
    let (writing, stop) = (
        Arc::clone(&store),
        Arc::new(std::sync::atomic::AtomicBool::new(false)),
    );
    let stopped = Arc::clone(&stop);
    let writer = tokio::spawn(async move {
        while !stopped.load(std::sync::atomic::Ordering::SeqCst) {
            let both = [Op::put("left", "x"), Op::put("right", "x")];
            writing.txn(Txn::of(both)).await.unwrap();
        }
    });
    store.backup(&to).await.unwrap();
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    writer.await.unwrap();
    let error = store.backup(&to).await.unwrap_err().to_string();
    assert!(error.contains("backup.db"), "{error}");
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let copy = SqliteStore::open(&to).unwrap();
    assert_eq!(copy.range("k/", None, None).await.unwrap().items.len(), 200);
    let [left, right] = ["left", "right"].map(|key| copy.get(key));
    let (left, right) = (left.await.unwrap(), right.await.unwrap());
    assert_eq!(
        left.map(|kv| kv.mod_revision),
        right.map(|kv| kv.mod_revision)
    );

    let journal = SqliteJournal::open(&folder.path().join("journal.db")).unwrap();
    journal.append_audit(entry(1)).await.unwrap();
    let to = folder.path().join("journal-backup.db");
    journal.backup(&to).await.unwrap();
    let copy = SqliteJournal::open_to_read(&to).unwrap();
    assert_eq!(copy.verify(None).await.unwrap().last_seq, 1);
}

#[tokio::test]
async fn leases_and_watches_have_a_limit() {
    let clock = Arc::new(ManualLeaseClock::default());
    let options = SqliteStoreOptions {
        clock: Arc::clone(&clock) as _,
        ..SqliteStoreOptions::default()
    };
    let store = SqliteStore::open_in_memory(options).unwrap();
    let mut watches = Vec::new();
    for _ in 0..WATCHES_MAX {
        watches.push(store.watch("", 0).await.unwrap());
    }
    let full = store.watch("", 0).await;
    assert!(matches!(full, Err(StoreError::TooManyWatches { .. })));
    watches.pop();
    assert!(store.watch("", 0).await.is_ok());

    let ttl = Duration::from_secs(10);
    for _ in 0..LEASES_MAX {
        store.lease_grant(ttl).await.unwrap();
    }
    let full = store.lease_grant(ttl).await;
    assert_eq!(full, Err(StoreError::TooManyLeases));
    clock.advance(ttl);
    // Lapsed leases are ended before the request that comes after.
    assert!(store.lease_grant(ttl).await.is_ok());
}

#[tokio::test]
async fn more_writers_than_the_queue_holds_wait_and_are_all_served() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("state.db")).unwrap());
    let writers: Vec<_> = (0..WRITE_QUEUE_LEN_MAX * 2)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let put = Op::put(format!("k/{n:05}"), "");
                store.txn(Txn::of([put])).await.unwrap().revision
            })
        })
        .collect();
    let mut revisions = Vec::new();
    for writer in writers {
        revisions.push(writer.await.unwrap());
    }
    revisions.sort_unstable();
    let all: Vec<_> = (2..2 + 2 * WRITE_QUEUE_LEN_MAX as u64).collect();
    assert_eq!(revisions, all);
}

#[tokio::test]
async fn a_range_stops_at_its_limit_and_says_so() {
    let store = SqliteStore::open_in_memory(SqliteStoreOptions::default()).unwrap();
    for hundred in 0..=RANGE_ITEMS_MAX / 100 {
        let steps: Vec<_> = (0..100)
            .map(|n| Op::put(format!("k/{hundred:05}/{n:02}"), ""))
            .collect();
        store.txn(Txn::of(steps)).await.unwrap();
    }
    let found = store.range("", None, None).await.unwrap();
    assert_eq!((found.items.len(), found.more), (RANGE_ITEMS_MAX, true));
    let last = &found.items.last().unwrap().key;
    let rest = store.range_after("", Some(last), None, None).await.unwrap();
    assert_eq!((rest.items.len(), rest.more), (100, false));
}

#[tokio::test]
async fn an_embedded_store_compacts_by_itself_and_its_log_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    const KEEP: u64 = 100;
    let options = SqliteStoreOptions {
        history_revisions: Some(KEEP),
        ..SqliteStoreOptions::default()
    };
    let store = SqliteStore::open_with(&path, options).unwrap();
    let mut watch = store.watch("", 0).await.unwrap();
    for n in 0..2_000 {
        let put = Op::put(format!("k/{}", n % 3), n.to_string());
        store.txn(Txn::of([put])).await.unwrap();
    }
    let now = store.range("", None, None).await.unwrap();
    let kept = store.range("", Some(now.revision - KEEP), None).await;
    assert_eq!(kept.unwrap().items.len(), 3);
    assert!(store.range("", Some(2), None).await.is_err());
    let told = watch.next().await.unwrap_err();
    assert!(matches!(told, WatchError::Compacted { .. }), "{told}");
    drop(store);
    let conn = rusqlite::Connection::open(&path).unwrap();
    let rows: u64 = conn
        .query_row("SELECT count(*) FROM log", [], |row| row.get(0))
        .unwrap();
    assert!(rows <= 3 * KEEP, "{rows}");
}

#[tokio::test]
async fn watches_end_when_the_store_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(&folder.path().join("state.db")).await;
    let mut watch = store.watch("", 0).await.unwrap();
    drop(store);
    assert_eq!(watch.next().await, Err(WatchError::Closed));
}
