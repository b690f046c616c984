//! The embedded store passes the suite every adapter must pass, in a file and in memory.

use std::{path::PathBuf, sync::Arc, time::Duration};

use portico_store::{
    BoxFuture, ManualLeaseClock, SqliteStore, SqliteStoreOptions, Store,
    conformance::{Running, Subject, history::histories_are_those_of_the_model},
};

struct InFile;

struct RunningFile {
    store: SqliteStore,
    clock: Arc<ManualLeaseClock>,
    path: PathBuf,
    folder: tempfile::TempDir,
}

impl Subject for InFile {
    fn start(&self) -> BoxFuture<'_, Box<dyn Running>> {
        Box::pin(async { RunningFile::open(tempfile::tempdir().unwrap()) })
    }
}

impl RunningFile {
    fn open(folder: tempfile::TempDir) -> Box<dyn Running> {
        let path = folder.path().join("state.db");
        let (store, clock) = open(|options| SqliteStore::open_with(&path, options).unwrap());
        Box::new(Self {
            store,
            clock,
            path,
            folder,
        })
    }
}

impl Running for RunningFile {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.clock.advance(time);
        Box::pin(async {})
    }

    fn restart(self: Box<Self>) -> BoxFuture<'static, Box<dyn Running>> {
        Box::pin(async move {
            let Self {
                store,
                path,
                folder,
                ..
            } = *self;
            drop(store);
            assert!(path.exists());
            Self::open(folder)
        })
    }
}

fn open(make: impl Fn(SqliteStoreOptions) -> SqliteStore) -> (SqliteStore, Arc<ManualLeaseClock>) {
    let clock = Arc::new(ManualLeaseClock::default());
    let options = SqliteStoreOptions {
        clock: Arc::clone(&clock) as _,
        ..SqliteStoreOptions::default()
    };
    (make(options), clock)
}

mod in_file {
    use super::InFile;
    portico_store::store_conformance!(InFile);
}

#[test]
fn histories_in_a_file_are_those_of_the_model() {
    histories_are_those_of_the_model(&InFile, 48);
}

/// What is in memory is gone after a restart, so only the histories without one are for it: those
/// are the ones above with another place for the bytes. Here: that it works at all.
#[tokio::test]
async fn a_store_in_memory_is_a_store() {
    let (store, clock) = open(|options| SqliteStore::open_in_memory(options).unwrap());
    let lease = store.lease_grant(Duration::from_secs(9)).await.unwrap();
    let put = portico_store::Op::Put {
        key: "a".into(),
        value: b"1".to_vec(),
        lease: Some(lease.id),
    };
    let at = store
        .txn(portico_store::Txn::of([put]))
        .await
        .unwrap()
        .revision;
    let mut watch = store.watch("", at).await.unwrap();
    assert_eq!(watch.next().await.unwrap().revision, at);
    assert_eq!(store.get("a").await.unwrap().unwrap().value, b"1");
    clock.advance(lease.ttl);
    assert_eq!(watch.next().await.unwrap().revision, at + 1);
    assert_eq!(store.get("a").await.unwrap(), None);
}
