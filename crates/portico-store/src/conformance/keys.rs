use super::{Subject, delete, keys, put, revision};
use crate::{Op, StoreError, Txn, limits::*};

pub async fn a_put_counts_versions_and_revisions(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    assert_eq!(store.get("a").await.unwrap(), None);
    let first = put(store, "a", "1").await;
    let kv = store.get("a").await.unwrap().unwrap();
    assert_eq!(
        (kv.key.as_str(), kv.value.as_slice()),
        ("a", b"1".as_slice())
    );
    assert_eq!(
        (kv.create_revision, kv.mod_revision, kv.version),
        (first, first, 1)
    );
    assert_eq!(kv.lease, None);
    assert_eq!(put(store, "b", "").await, first + 1);
    // The same value again is a change all the same.
    assert_eq!(put(store, "a", "1").await, first + 2);
    let kv = store.get("a").await.unwrap().unwrap();
    assert_eq!(
        (kv.create_revision, kv.mod_revision, kv.version),
        (first, first + 2, 2)
    );
}

pub async fn a_key_that_comes_back_begins_anew(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    put(store, "a", "1").await;
    put(store, "a", "2").await;
    delete(store, "a").await;
    assert_eq!(store.get("a").await.unwrap(), None);
    let again = put(store, "a", "3").await;
    let kv = store.get("a").await.unwrap().unwrap();
    assert_eq!((kv.create_revision, kv.version), (again, 1));
}

pub async fn deleting_what_is_not_there_changes_nothing(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let before = put(store, "a", "1").await;
    assert_eq!(delete(store, "b").await, before);
    let prefix = "b/".to_owned();
    let outcome = store
        .txn(Txn::of([Op::DeletePrefix { prefix }]))
        .await
        .unwrap();
    assert_eq!(outcome.revision, before);
    assert_eq!(revision(store).await, before);
}

pub async fn a_range_is_in_byte_order_and_of_its_prefix_only(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    for key in [
        "b",
        "a/2",
        "a",
        "a/10",
        "a0",
        "a/ü",
        "a/\u{10ffff}x",
        "é",
        "A",
    ] {
        put(store, key, "").await;
    }
    assert_eq!(
        keys(store, "", None).await,
        [
            "A",
            "a",
            "a/10",
            "a/2",
            "a/ü",
            "a/\u{10ffff}x",
            "a0",
            "b",
            "é"
        ]
    );
    assert_eq!(
        keys(store, "a/", None).await,
        ["a/10", "a/2", "a/ü", "a/\u{10ffff}x"]
    );
    assert_eq!(keys(store, "a/\u{10ffff}", None).await, ["a/\u{10ffff}x"]);
    assert!(keys(store, "none", None).await.is_empty());
}

pub async fn pages_of_one_revision_make_up_the_whole(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    for n in 0..25 {
        put(store, &format!("p/{n:02}"), "").await;
    }
    let all = store.range("p/", None, None).await.unwrap();
    assert!(!all.more);
    let exactly = store.range("p/", None, Some(25)).await.unwrap();
    assert!(!exactly.more);
    let (mut pages, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store
            .range_after("p/", after.as_deref(), Some(all.revision), Some(10))
            .await
            .unwrap();
        assert!(page.items.len() <= 10);
        after = page.items.last().map(|item| item.key.clone());
        pages.extend(page.items);
        if !page.more {
            break;
        }
        // Changes in between are not seen.
        put(store, "p/03x", "").await;
        delete(store, "p/24").await;
    }
    assert_eq!(pages, all.items);
    let rest = store
        .range_after("p/", Some("p/23"), None, None)
        .await
        .unwrap();
    assert!(rest.items.is_empty() && !rest.more);
}

pub async fn an_old_revision_shows_what_was(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let empty = revision(store).await;
    let one = put(store, "a", "1").await;
    let two = put(store, "b", "1").await;
    let three = put(store, "a", "2").await;
    let four = delete(store, "b").await;
    let at = async |at| {
        let found = store.range("", Some(at), None).await.unwrap();
        assert_eq!(found.revision, four, "the revision is the store's");
        let pair =
            |kv: crate::KeyValue| format!("{}={}", kv.key, String::from_utf8_lossy(&kv.value));
        found
            .items
            .into_iter()
            .map(pair)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(at(empty).await, "");
    assert_eq!(at(one).await, "a=1");
    assert_eq!(at(two).await, "a=1 b=1");
    assert_eq!(at(three).await, "a=2 b=1");
    assert_eq!(at(four).await, "a=2");
    assert_eq!(at(0).await, "a=2", "0 means now");
    let future = store.range("", Some(four + 1), None).await;
    assert!(
        matches!(future, Err(StoreError::FutureRevision { .. })),
        "{future:?}"
    );
}

pub async fn limits_are_refused_and_nothing_is_done(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let before = put(store, "a", "1").await;
    let long = "k".repeat(KEY_LEN_MAX + 1);
    let too_many: Vec<_> = (0..=TXN_OPS_MAX)
        .map(|n| Op::put(n.to_string(), ""))
        .collect();
    for refused in [
        Txn::of([Op::put(long.clone(), "")]),
        Txn::of([Op::put("", "")]),
        Txn::of([Op::put("a\0b", "")]),
        Txn::of([Op::put("b", vec![0; VALUE_LEN_MAX + 1])]),
        Txn::of([
            Op::put("b", vec![0; VALUE_LEN_MAX]),
            Op::put("c", vec![0; 9000]),
        ]),
        Txn::of(too_many),
    ] {
        let error = store.txn(refused).await.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::TooLarge { .. } | StoreError::BadKey { .. }
            ),
            "{error}"
        );
    }
    assert!(store.get(&long).await.is_err());
    assert!(store.range(&long, None, None).await.is_err());
    assert!(store.watch(&long, 0).await.is_err());
    assert_eq!(revision(store).await, before);
    assert_eq!(keys(store, "", None).await, ["a"]);
}

pub async fn values_are_any_bytes_up_to_the_limit(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let bytes: Vec<u8> = (0..=255).cycle().take(VALUE_LEN_MAX).collect();
    let key = "k".repeat(KEY_LEN_MAX);
    store
        .txn(Txn::of([Op::put(&key, bytes.clone())]))
        .await
        .unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap().value, bytes);
    let most: Vec<_> = (0..TXN_OPS_MAX)
        .map(|n| Op::put(n.to_string(), ""))
        .collect();
    store.txn(Txn::of(most)).await.unwrap();
}
