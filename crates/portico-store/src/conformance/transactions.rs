use super::{Subject, keys, put, revision};
use crate::{Compare, LeaseId, Op, OpResult, StoreError, Txn};

pub async fn the_branch_depends_on_all_comparisons(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let at = put(store, "a", "1").await;
    let txn = |compare: Vec<Compare>| Txn {
        compare,
        then: vec![Op::Get { key: "a".into() }],
        otherwise: vec![Op::Get { key: "b".into() }, Op::Get { key: "a".into() }],
    };
    let good = store
        .txn(txn(vec![Compare::unchanged("a", at), Compare::absent("b")]))
        .await
        .unwrap();
    assert!(good.succeeded);
    assert!(matches!(good.results.as_slice(), [OpResult::Get(Some(_))]));
    let bad = store
        .txn(txn(vec![Compare::unchanged("a", at), Compare::absent("a")]))
        .await
        .unwrap();
    assert!(!bad.succeeded);
    assert!(matches!(
        bad.results.as_slice(),
        [OpResult::Get(None), OpResult::Get(Some(_))]
    ));
    assert!(store.txn(txn(vec![])).await.unwrap().succeeded);
}

pub async fn each_comparison_sees_an_absent_and_a_present_key(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let first = put(store, "a", "1").await;
    let last = put(store, "a", "2").await;
    let lease = store
        .lease_grant(std::time::Duration::from_secs(100))
        .await
        .unwrap()
        .id;
    let bound = Op::Put {
        key: "l".into(),
        value: vec![],
        lease: Some(lease),
    };
    store.txn(Txn::of([bound])).await.unwrap();
    let key = |key: &str| key.to_owned();
    for (holds, compare) in [
        (
            true,
            Compare::ModRevision {
                key: key("a"),
                equals: last,
            },
        ),
        (
            false,
            Compare::ModRevision {
                key: key("a"),
                equals: first,
            },
        ),
        (
            false,
            Compare::ModRevision {
                key: key("a"),
                equals: 0,
            },
        ),
        (
            true,
            Compare::ModRevision {
                key: key("x"),
                equals: 0,
            },
        ),
        (
            true,
            Compare::CreateRevision {
                key: key("a"),
                equals: first,
            },
        ),
        (
            true,
            Compare::CreateRevision {
                key: key("x"),
                equals: 0,
            },
        ),
        (
            true,
            Compare::Version {
                key: key("a"),
                equals: 2,
            },
        ),
        (
            true,
            Compare::Version {
                key: key("x"),
                equals: 0,
            },
        ),
        (
            false,
            Compare::Version {
                key: key("x"),
                equals: 1,
            },
        ),
        (
            true,
            Compare::Value {
                key: key("a"),
                equals: b"2".to_vec(),
            },
        ),
        (
            false,
            Compare::Value {
                key: key("a"),
                equals: b"1".to_vec(),
            },
        ),
        (
            false,
            Compare::Value {
                key: key("x"),
                equals: vec![],
            },
        ),
        (
            true,
            Compare::Lease {
                key: key("l"),
                equals: Some(lease),
            },
        ),
        (
            false,
            Compare::Lease {
                key: key("l"),
                equals: None,
            },
        ),
        (
            true,
            Compare::Lease {
                key: key("a"),
                equals: None,
            },
        ),
        (
            true,
            Compare::Lease {
                key: key("x"),
                equals: None,
            },
        ),
    ] {
        let outcome = store.txn(Txn::when([compare.clone()], [])).await.unwrap();
        assert_eq!(outcome.succeeded, holds, "{compare:?}");
    }
}

pub async fn a_transaction_is_one_revision_and_sees_its_own_steps(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    put(store, "old/1", "").await;
    let before = put(store, "old/2", "").await;
    let outcome = store
        .txn(Txn::of([
            Op::put("new/1", "x"),
            Op::Get {
                key: "new/1".into(),
            },
            Op::DeletePrefix {
                prefix: "old/".into(),
            },
            Op::Range { prefix: "".into() },
            Op::put("new/2", "y"),
            Op::Delete {
                key: "old/1".into(),
            },
        ]))
        .await
        .unwrap();
    assert_eq!(outcome.revision, before + 1);
    let [
        put,
        OpResult::Get(Some(seen)),
        deleted,
        OpResult::Range { items, more },
        put_2,
        gone,
    ] = outcome.results.as_slice()
    else {
        panic!("{:?}", outcome.results);
    };
    assert_eq!((put, put_2), (&OpResult::Put, &OpResult::Put));
    assert_eq!((seen.mod_revision, seen.version), (before + 1, 1));
    assert_eq!(deleted, &OpResult::Deleted { count: 2 });
    assert_eq!(items, std::slice::from_ref(seen));
    assert!(!more);
    assert_eq!(gone, &OpResult::Deleted { count: 0 });
    let found = store.range("", None, None).await.unwrap();
    assert!(found.items.iter().all(|kv| kv.mod_revision == before + 1));
    assert_eq!(found.items.len(), 2);
}

pub async fn a_transaction_that_changes_nothing_has_no_revision(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let before = put(store, "a", "1").await;
    for txn in [
        Txn::default(),
        Txn::of([Op::Get { key: "a".into() }]),
        Txn::of([Op::delete("x")]),
        Txn::when([Compare::absent("a")], [Op::put("a", "2")]),
    ] {
        assert_eq!(store.txn(txn).await.unwrap().revision, before);
    }
    assert_eq!(revision(store).await, before);
}

pub async fn a_refused_transaction_leaves_nothing_behind(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let before = put(store, "a", "1").await;
    let twice = Txn::of([Op::put("b", "1"), Op::put("c", "1"), Op::put("b", "2")]);
    let error = store.txn(twice).await.unwrap_err();
    assert!(matches!(error, StoreError::DuplicateKey { .. }), "{error}");
    let lease = Some(LeaseId::from_raw(0x1234_5678));
    let unknown = Op::Put {
        key: "c".into(),
        value: vec![],
        lease,
    };
    let error = store
        .txn(Txn::of([Op::put("b", "1"), unknown]))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::LeaseNotFound { .. }), "{error}");
    assert_eq!(keys(store, "", None).await, ["a"]);
    assert_eq!(put(store, "a", "2").await, before + 1);
}

pub async fn of_many_at_once_one_wins(subject: &dyn Subject) {
    const ROUNDS: usize = 20;
    const RIVALS: usize = 16;
    let running = subject.start().await;
    let store = running.store();
    for round in 0..ROUNDS {
        let key = format!("placement/{round}");
        let tries = (0..RIVALS).map(|rival| {
            let value = rival.to_string();
            store.txn(Txn::when([Compare::absent(&key)], [Op::put(&key, value)]))
        });
        // Polled in turn, so all are under way before one is done.
        let outcomes = all(tries.collect()).await;
        let winners: Vec<_> = outcomes
            .into_iter()
            .map(Result::unwrap)
            .enumerate()
            .filter(|(_, outcome)| outcome.succeeded)
            .collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let kv = store.get(&key).await.unwrap().unwrap();
        assert_eq!(kv.value, winners[0].0.to_string().into_bytes());
        assert_eq!(kv.mod_revision, winners[0].1.revision);
    }
}

pub async fn what_was_acknowledged_is_there_after_a_restart(subject: &dyn Subject) {
    let running = subject.start().await;
    let old = put(running.store(), "a", "1").await;
    let last = put(running.store(), "a", "2").await;
    let before = running.store().range("", None, None).await.unwrap();
    let running = running.restart().await;
    let store = running.store();
    assert_eq!(store.range("", None, None).await.unwrap(), before);
    let at_old = store.range("", Some(old), None).await.unwrap();
    assert_eq!(at_old.items[0].value, b"1");
    let mut watch = store.watch("", old).await.unwrap();
    assert_eq!(super::next(&mut watch).await.revision, old);
    assert_eq!(super::next(&mut watch).await.revision, last);
    assert_eq!(put(store, "b", "").await, last + 1);
}

/// Runs futures side by side.
async fn all<T>(futures: Vec<crate::BoxFuture<'_, T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(Some).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(move |cx| {
        for (slot, result) in waiting.iter_mut().zip(&mut done) {
            if let Some(future) = slot
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                (*slot, *result) = (None, Some(value));
            }
        }
        if done.iter().all(Option::is_some) {
            return std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect());
        }
        std::task::Poll::Pending
    })
    .await
}
