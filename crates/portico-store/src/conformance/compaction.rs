use super::{Subject, delete, keys, next, put};
use crate::StoreError;

pub async fn what_was_compacted_is_refused_and_the_rest_stays(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let first = put(store, "untouched", "1").await;
    put(store, "gone", "1").await;
    put(store, "changed", "1").await;
    delete(store, "gone").await;
    let to = put(store, "changed", "2").await;
    let later = put(store, "changed", "3").await;
    store.compact(to).await.unwrap();
    for revision in first..to {
        let error = store.range("", Some(revision), None).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Compacted { .. }),
            "{revision}: {error}"
        );
    }
    let at = store.range("", Some(to), None).await.unwrap();
    let pairs: Vec<_> = at
        .items
        .iter()
        .map(|kv| (kv.key.as_str(), kv.value.as_slice()))
        .collect();
    assert_eq!(pairs, [("changed", b"2".as_slice()), ("untouched", b"1")]);
    assert_eq!(
        (at.items[0].version, at.items[1].create_revision),
        (2, first)
    );
    assert_eq!(at.revision, later);
    assert_eq!(keys(store, "", None).await, ["changed", "untouched"]);
    let running = running.restart().await;
    let again = running.store().range("", Some(to), None).await.unwrap();
    assert_eq!(again, at);
    assert!(running.store().range("", Some(first), None).await.is_err());
}

pub async fn only_a_revision_between_the_last_and_now_is_compacted_to(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let one = put(store, "a", "1").await;
    let two = put(store, "a", "2").await;
    let future = store.compact(two + 1).await;
    assert!(
        matches!(future, Err(StoreError::FutureRevision { .. })),
        "{future:?}"
    );
    store.compact(two).await.unwrap();
    for revision in [one, two] {
        let again = store.compact(revision).await;
        assert!(
            matches!(again, Err(StoreError::Compacted { .. })),
            "{again:?}"
        );
    }
}

pub async fn a_compacted_log_goes_on_without_a_gap(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    for n in 0..2_000 {
        put(store, &format!("k/{}", n % 7), &n.to_string()).await;
    }
    let last = delete(store, "k/3").await;
    store.compact(last).await.unwrap();
    let at = put(store, "k/3", "back").await;
    assert_eq!(at, last + 1);
    let mut watch = store.watch("", at).await.unwrap();
    assert_eq!(next(&mut watch).await.revision, at);
    let running = running.restart().await;
    let store = running.store();
    assert_eq!(keys(store, "k/", None).await.len(), 7);
    assert_eq!(keys(store, "k/", Some(last)).await.len(), 6);
    assert_eq!(put(store, "k/3", "on").await, at + 1);
}
