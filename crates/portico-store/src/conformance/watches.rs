use std::{future::Future, pin::pin, task::Poll, time::Duration};

use super::{MUST_HAPPEN_WITHIN, Subject, delete, next, put};
use crate::{
    Change, Op, Txn, Watch, WatchError,
    limits::{WATCH_BATCH_CHANGES, WATCH_BUFFER_CHANGES_MAX},
};

pub async fn a_watch_sees_each_change_once_and_in_order(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    put(store, "before", "").await;
    let mut watch = store.watch("", 0).await.unwrap();
    let one = put(store, "a", "1").await;
    let two = put(store, "a", "2").await;
    let three = delete(store, "a").await;
    let event = next(&mut watch).await;
    assert_eq!(event.revision, one);
    let [Change::Put(kv)] = event.changes.as_slice() else {
        panic!("{event:?}");
    };
    assert_eq!(
        (kv.mod_revision, kv.version, kv.value.as_slice()),
        (one, 1, b"1".as_slice())
    );
    let event = next(&mut watch).await;
    assert_eq!(event.revision, two);
    let event = next(&mut watch).await;
    assert_eq!(event.revision, three);
    assert_eq!(event.changes, [Change::Deleted { key: "a".into() }]);
    assert!(is_idle(&mut watch).await);
}

pub async fn a_watch_sees_only_its_prefix_and_whole_revisions(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let mut watch = store.watch("a/", 0).await.unwrap();
    put(store, "a", "").await;
    put(store, "a0", "").await;
    let steps = ["b", "a/2", "c", "a/1"].map(|key| Op::put(key, ""));
    let both = store.txn(Txn::of(steps)).await.unwrap().revision;
    put(store, "b", "").await;
    let prefix = "a/".to_owned();
    let gone = store
        .txn(Txn::of([Op::DeletePrefix { prefix }]))
        .await
        .unwrap()
        .revision;
    let event = next(&mut watch).await;
    assert_eq!(event.revision, both);
    let keys: Vec<_> = event.changes.iter().map(Change::key).collect();
    assert_eq!(keys, ["a/2", "a/1"], "in the order of the transaction");
    let event = next(&mut watch).await;
    assert_eq!((event.revision, event.changes.len()), (gone, 2));
    assert!(is_idle(&mut watch).await);
}

pub async fn a_watch_replays_the_past_and_waits_for_the_future(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let one = put(store, "a", "1").await;
    let mut past = store.watch("a", one).await.unwrap();
    let mut future = store.watch("a", one + 2).await.unwrap();
    put(store, "a", "2").await;
    put(store, "a", "3").await;
    for revision in one..=one + 2 {
        assert_eq!(next(&mut past).await.revision, revision);
    }
    assert_eq!(next(&mut future).await.revision, one + 2);
    assert!(is_idle(&mut past).await && is_idle(&mut future).await);
}

pub async fn a_watch_resumes_where_it_left_off(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let first = put(store, "a", "0").await;
    let mut from = first;
    for n in 1..=30 {
        put(store, "a", &n.to_string()).await;
    }
    let mut running = running;
    while from <= first + 30 {
        let mut watch = running.store().watch("a", from).await.unwrap();
        for _ in 0..4 {
            let revision = next(&mut watch).await.revision;
            assert_eq!(revision, from);
            from = revision + 1;
            if from > first + 30 {
                break;
            }
        }
        drop(watch);
        if from % 3 == 0 {
            running = running.restart().await;
        }
    }
}

pub async fn a_watch_of_what_was_compacted_is_told_so(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let one = put(store, "a", "1").await;
    let two = put(store, "a", "2").await;
    let three = put(store, "a", "3").await;
    store.compact(two).await.unwrap();
    let mut watch = store.watch("a", one).await.unwrap();
    let told = tokio::time::timeout(MUST_HAPPEN_WITHIN, watch.next())
        .await
        .unwrap();
    assert_eq!(told, Err(WatchError::Compacted { revision: two }));
    let mut watch = store.watch("a", two).await.unwrap();
    assert_eq!(next(&mut watch).await.revision, two);
    assert_eq!(next(&mut watch).await.revision, three);
}

pub async fn a_watch_that_is_far_behind_misses_nothing(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let mut watch = store.watch("a/", 0).await.unwrap();
    let per_txn = 100;
    let txns = (WATCH_BUFFER_CHANGES_MAX + 2 * WATCH_BATCH_CHANGES) / per_txn + 1;
    let mut revisions = Vec::new();
    for n in 0..txns {
        let steps: Vec<_> = (0..per_txn)
            .map(|k| Op::put(format!("a/{k}"), n.to_string()))
            .collect();
        revisions.push(store.txn(Txn::of(steps)).await.unwrap().revision);
        put(store, "b", "").await;
    }
    for revision in revisions {
        let event = next(&mut watch).await;
        assert_eq!((event.revision, event.changes.len()), (revision, per_txn));
    }
    assert!(is_idle(&mut watch).await);
}

pub async fn a_wait_that_is_given_up_loses_nothing(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let first = put(store, "a", "0").await;
    let mut watch = store.watch("a", first).await.unwrap();
    for n in 1..50 {
        put(store, "a", &n.to_string()).await;
    }
    let mut seen = Vec::new();
    while seen.len() < 50 {
        // Given up after one poll most of the time.
        match once(watch.next()).await {
            Some(event) => seen.push(event.unwrap().revision),
            None => tokio::task::yield_now().await,
        }
        if seen.len() < 50 {
            let waited = tokio::time::timeout(Duration::from_millis(1), watch.next()).await;
            seen.extend(waited.ok().map(|event| event.unwrap().revision));
        }
    }
    assert_eq!(seen, (first..first + 50).collect::<Vec<_>>());
}

/// Whether nothing is ready. A store that is slow to deliver too much may get away with it here;
/// the histories look closer.
async fn is_idle(watch: &mut Watch) -> bool {
    once(watch.next()).await.is_none()
}

async fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
