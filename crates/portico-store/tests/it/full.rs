//! A full disk: clear refusals, nothing damaged, and on it goes when there is room.

use std::{fs::File, io::Write, path::Path, time::Duration};

use portico_store::{
    Journal, JournalError, LeaseId, Op, SqliteJournal, SqliteStore, SqliteStoreOptions, Store,
    StoreError, Txn,
};

use crate::{child, journal::entry};

#[tokio::test]
async fn a_store_at_its_page_limit_refuses_and_works_again_when_compacted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let options = SqliteStoreOptions {
        page_count_max: Some(100),
        ..SqliteStoreOptions::default()
    };
    let store = SqliteStore::open_with(&path, options).unwrap();
    let last = fill(&store, &path).await;
    assert_eq!(read_all(&store).await, last);
    // A compaction needs no room and makes some: most of what fills it is history.
    store.compact(last).await.unwrap();
    // The rows go in steps after the compaction was acknowledged.
    assert_eq!(until_there_is_room(&store).await, last + 1);
    assert_eq!(
        store
            .range("fill/", Some(last), None)
            .await
            .unwrap()
            .items
            .len(),
        KEYS
    );
}

#[tokio::test]
async fn one_write_that_is_too_much_does_not_take_others_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteStoreOptions {
        page_count_max: Some(150),
        ..SqliteStoreOptions::default()
    };
    let store = SqliteStore::open_with(&folder.path().join("state.db"), options).unwrap();
    let put = |key: String, len| store.txn(Txn::of([Op::put(key, vec![7; len])]));
    let (big, one, two, three) = tokio::join!(
        put("big".into(), 1_000_000),
        put("one".into(), 10),
        put("two".into(), 10),
        put("three".into(), 10),
    );
    assert!(matches!(big, Err(StoreError::Full { .. })), "{big:?}");
    let mut revisions = [one, two, three].map(|outcome| outcome.unwrap().revision);
    revisions.sort_unstable();
    assert_eq!(revisions, [2, 3, 4]);
}

/// A disk of 4 MiB: a tmpfs in a mount namespace of the child, gone with it.
#[test]
fn a_full_disk_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=4m portico-test \"$0\" && exec \"$@\"";
    let mount = folder.path().to_str().unwrap();
    let wrap = ["unshare", "-rm", "sh", "-c", script, mount];
    let can = std::process::Command::new("unshare")
        .args(["-rm", "true"])
        .status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("not run: this machine allows no mount namespace (unshare -rm)");
        return;
    }
    let output = child::command("full::child_fills_its_disk", folder.path(), &wrap)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("child: survived"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The child's work.
#[tokio::test]
async fn child_fills_its_disk() {
    let Some(folder) = child::folder() else {
        return;
    };
    let (path, journal_path) = (folder.join("state.db"), folder.join("journal.db"));
    let store = SqliteStore::open(&path).unwrap();
    let journal = SqliteJournal::open(&journal_path).unwrap();
    let lease = store
        .lease_grant(Duration::from_secs(3600))
        .await
        .unwrap()
        .id;
    journal.append_audit(entry(1)).await.unwrap();
    let ballast = folder.join("ballast");
    File::create(&ballast)
        .unwrap()
        .write_all(&vec![1; 1 << 20])
        .unwrap();

    let last = fill(&store, &path).await;
    stuff(&folder.join("rest"));
    audit_is_refused(&journal).await;
    assert_eq!(read_all(&store).await, last);
    assert!(store.lease_keep_alive(lease).await.is_ok());

    // Not even opened anew does it lose anything, be there room for that or not.
    drop((store, journal));
    if let Err(error) = SqliteStore::open(&path) {
        assert!(error.to_string().contains("room"), "{error}");
    }
    std::fs::remove_file(folder.join("rest")).unwrap();
    std::fs::remove_file(&ballast).unwrap();
    works_again(&path, &journal_path, last, lease).await;
    child::tell("survived");
}

async fn works_again(path: &Path, journal_path: &Path, last: u64, lease: LeaseId) {
    let store = SqliteStore::open(path).unwrap();
    assert_eq!(read_all(&store).await, last);
    let more = store
        .txn(Txn::of([Op::put("more", vec![2; 10_000])]))
        .await
        .unwrap();
    assert_eq!(more.revision, last + 1);
    store.lease_revoke(lease).await.unwrap();
    let journal = SqliteJournal::open(journal_path).unwrap();
    journal.append_audit(entry(2)).await.unwrap();
    let verdict = journal.verify(None).await.unwrap();
    assert!(verdict.is_intact(), "{verdict:?}");
}

/// Keys that are written over and over.
const KEYS: usize = 4;

/// Writes until there is no room, in smaller and smaller steps; returns the last revision.
async fn fill(store: &SqliteStore, path: &Path) -> u64 {
    let (mut last, mut n) = (0, 0_usize);
    for len in [20_000, 200] {
        let error = loop {
            n += 1;
            let put = Op::put(format!("fill/{}", n % KEYS), vec![3; len]);
            match store.txn(Txn::of([put])).await {
                Ok(outcome) => last = outcome.revision,
                Err(error) => break error,
            }
            assert!(n < 100_000, "it never fills");
        };
        assert_eq!(
            error,
            StoreError::Full {
                place: path.display().to_string()
            }
        );
        assert!(error.is_retryable());
        let text = error.to_string();
        assert!(
            text.contains("no room") && text.contains("state.db"),
            "{text}"
        );
    }
    last
}

/// Takes every byte that is left.
fn stuff(path: &Path) {
    let mut file = File::create(path).unwrap();
    for len in [4096, 1] {
        while file.write_all(&vec![9; len]).is_ok() {}
    }
}

async fn audit_is_refused(journal: &SqliteJournal) {
    for n in 2.. {
        match journal.append_audit(entry(n)).await {
            // What SQLite had room for already.
            Ok(_) => assert!(n < 100_000, "it never fills"),
            Err(error) => {
                assert!(matches!(error, JournalError::Full { .. }), "{error}");
                return;
            }
        }
    }
}

/// Every key is there, whole, and every revision in the log; returns the last.
async fn read_all(store: &SqliteStore) -> u64 {
    let found = store.range("fill/", None, None).await.unwrap();
    assert!(!found.items.is_empty());
    assert!(
        found
            .items
            .iter()
            .all(|kv| kv.value.iter().all(|byte| *byte == 3))
    );
    let mut watch = store.watch("", 2).await.unwrap();
    for revision in 2..=found.revision {
        assert_eq!(watch.next().await.unwrap().revision, revision);
    }
    found.revision
}

async fn until_there_is_room(store: &SqliteStore) -> u64 {
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            match store
                .txn(Txn::of([Op::put("again", vec![4; 100_000])]))
                .await
            {
                Ok(outcome) => return outcome.revision,
                Err(StoreError::Full { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    })
    .await
    .expect("room")
}
