use std::time::Duration;

use super::{Subject, keys, next, put, revision};
use crate::{Change, LeaseId, Op, Revision, Store, StoreError, Txn};

/// Life of the leases here; a store may give more, so tests go by what was granted.
const TTL: Duration = Duration::from_secs(5);

pub async fn a_lease_that_lapses_takes_its_keys_at_one_revision(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let lease = store.lease_grant(TTL).await.unwrap();
    assert!(lease.ttl >= TTL);
    put(store, "stays", "").await;
    bind(store, "b", lease.id).await;
    let before = bind(store, "a", lease.id).await;
    let bound = store.get("a").await.unwrap().unwrap();
    assert_eq!(bound.lease, Some(lease.id));
    let mut watch = store.watch("", before + 1).await.unwrap();
    running.pass(lease.ttl + Duration::from_secs(1)).await;
    let event = next(&mut watch).await;
    assert_eq!(event.revision, before + 1);
    let deleted = ["a", "b"].map(|key| Change::Deleted { key: key.into() });
    assert_eq!(event.changes, deleted);
    assert_eq!(keys(store, "", None).await, ["stays"]);
    let late = store.lease_keep_alive(lease.id).await;
    assert!(
        matches!(late, Err(StoreError::LeaseNotFound { .. })),
        "{late:?}"
    );
}

pub async fn a_lease_that_is_kept_alive_stays(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let kept = store.lease_grant(TTL).await.unwrap();
    let lost = store.lease_grant(TTL).await.unwrap();
    bind(store, "kept", kept.id).await;
    let before = bind(store, "lost", lost.id).await;
    let mut watch = store.watch("", before + 1).await.unwrap();
    for _ in 0..3 {
        running.pass(kept.ttl / 2).await;
        assert_eq!(store.lease_keep_alive(kept.id).await.unwrap(), kept.ttl);
    }
    let event = next(&mut watch).await;
    assert_eq!(event.changes, [Change::Deleted { key: "lost".into() }]);
    assert_eq!(keys(store, "", None).await, ["kept"]);
}

pub async fn a_revoked_lease_takes_its_keys_and_is_gone(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let lease = store.lease_grant(TTL).await.unwrap().id;
    bind(store, "a", lease).await;
    let before = bind(store, "b", lease).await;
    store.lease_revoke(lease).await.unwrap();
    assert_eq!(revision(store).await, before + 1);
    assert!(keys(store, "", None).await.is_empty());
    assert_eq!(keys(store, "", Some(before)).await, ["a", "b"]);
    let bare = store.lease_grant(TTL).await.unwrap().id;
    assert_ne!(bare, lease);
    store.lease_revoke(bare).await.unwrap();
    assert_eq!(revision(store).await, before + 1, "no keys, no revision");
    let again = store.lease_revoke(lease).await;
    assert!(
        matches!(again, Err(StoreError::LeaseNotFound { .. })),
        "{again:?}"
    );
}

pub async fn a_key_leaves_a_lease_when_it_is_put_without_or_with_another(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let one = store.lease_grant(TTL).await.unwrap().id;
    let two = store.lease_grant(TTL).await.unwrap().id;
    for key in ["freed", "moved", "stays", "anew"] {
        bind(store, key, one).await;
    }
    put(store, "freed", "").await;
    bind(store, "moved", two).await;
    super::delete(store, "anew").await;
    put(store, "anew", "").await;
    assert_eq!(store.get("freed").await.unwrap().unwrap().lease, None);
    store.lease_revoke(one).await.unwrap();
    assert_eq!(keys(store, "", None).await, ["anew", "freed", "moved"]);
    store.lease_revoke(two).await.unwrap();
    assert_eq!(keys(store, "", None).await, ["anew", "freed"]);
}

pub async fn a_lease_that_is_not_there_is_refused(subject: &dyn Subject) {
    let running = subject.start().await;
    let store = running.store();
    let gone = store.lease_grant(TTL).await.unwrap().id;
    store.lease_revoke(gone).await.unwrap();
    let before = revision(store).await;
    for lease in [gone, LeaseId::from_raw(0x7fff_1234)] {
        let bind = Op::Put {
            key: "a".into(),
            value: vec![],
            lease: Some(lease),
        };
        let error = store.txn(Txn::of([bind])).await.unwrap_err();
        assert!(matches!(error, StoreError::LeaseNotFound { .. }), "{error}");
        let error = store.lease_keep_alive(lease).await.unwrap_err();
        assert!(matches!(error, StoreError::LeaseNotFound { .. }), "{error}");
    }
    assert_eq!(revision(store).await, before);
}

pub async fn a_lease_has_its_full_time_again_after_a_restart(subject: &dyn Subject) {
    let running = subject.start().await;
    let lease = running.store().lease_grant(TTL).await.unwrap();
    let before = bind(running.store(), "a", lease.id).await;
    running.pass(lease.ttl / 2).await;
    let running = running.restart().await;
    let store = running.store();
    running.pass(lease.ttl / 2 + lease.ttl / 4).await;
    assert_eq!(keys(store, "", None).await, ["a"]);
    assert_eq!(store.lease_keep_alive(lease.id).await.unwrap(), lease.ttl);
    let mut watch = store.watch("a", before + 1).await.unwrap();
    running.pass(lease.ttl + Duration::from_secs(1)).await;
    assert_eq!(
        next(&mut watch).await.changes,
        [Change::Deleted { key: "a".into() }]
    );
}

async fn bind(store: &dyn Store, key: &str, lease: LeaseId) -> Revision {
    let op = Op::Put {
        key: key.into(),
        value: vec![],
        lease: Some(lease),
    };
    store.txn(Txn::of([op])).await.unwrap().revision
}
