//! What every [`Store`] must do, whatever keeps its state. An adapter passes all of it unchanged.
//!
//! An adapter implements [`Subject`] and [`Running`] in its tests and calls
//! [`store_conformance!`](crate::store_conformance) in a module of its own. Nothing here expects
//! a certain revision number, only how revisions move.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests that happen to be in a library; the name of each states its rule"
)]

pub mod compaction;
pub mod history;
pub mod keys;
pub mod leases;
pub mod model;
pub mod transactions;
pub mod watches;

use std::time::Duration;

use crate::{BoxFuture, Op, Revision, Store, Txn, Watch};

/// Makes stores to test.
pub trait Subject: Send + Sync {
    /// Starts an empty store.
    fn start(&self) -> BoxFuture<'_, Box<dyn Running>>;
}

/// A running store.
pub trait Running: Send + Sync {
    /// The store.
    fn store(&self) -> &dyn Store;

    /// Lets the time of leases pass: by moving a clock, or by waiting.
    fn pass(&self, time: Duration) -> BoxFuture<'_, ()>;

    /// Stops the store and starts it again with the same state.
    fn restart(self: Box<Self>) -> BoxFuture<'static, Box<dyn Running>>;
}

/// Makes a test of each rule for the subject that the expression gives.
#[macro_export]
macro_rules! store_conformance {
    ($subject:expr) => {
        $crate::store_conformance! { @tests $subject;
            keys: a_put_counts_versions_and_revisions,
            keys: a_key_that_comes_back_begins_anew,
            keys: deleting_what_is_not_there_changes_nothing,
            keys: a_range_is_in_byte_order_and_of_its_prefix_only,
            keys: pages_of_one_revision_make_up_the_whole,
            keys: an_old_revision_shows_what_was,
            keys: limits_are_refused_and_nothing_is_done,
            keys: values_are_any_bytes_up_to_the_limit,
            transactions: the_branch_depends_on_all_comparisons,
            transactions: each_comparison_sees_an_absent_and_a_present_key,
            transactions: a_transaction_is_one_revision_and_sees_its_own_steps,
            transactions: a_transaction_that_changes_nothing_has_no_revision,
            transactions: a_refused_transaction_leaves_nothing_behind,
            transactions: of_many_at_once_one_wins,
            transactions: what_was_acknowledged_is_there_after_a_restart,
            compaction: what_was_compacted_is_refused_and_the_rest_stays,
            compaction: only_a_revision_between_the_last_and_now_is_compacted_to,
            compaction: a_compacted_log_goes_on_without_a_gap,
            watches: a_watch_sees_each_change_once_and_in_order,
            watches: a_watch_sees_only_its_prefix_and_whole_revisions,
            watches: a_watch_replays_the_past_and_waits_for_the_future,
            watches: a_watch_resumes_where_it_left_off,
            watches: a_watch_of_what_was_compacted_is_told_so,
            watches: a_watch_that_is_far_behind_misses_nothing,
            watches: a_wait_that_is_given_up_loses_nothing,
            leases: a_lease_that_lapses_takes_its_keys_at_one_revision,
            leases: a_lease_that_is_kept_alive_stays,
            leases: a_revoked_lease_takes_its_keys_and_is_gone,
            leases: a_key_leaves_a_lease_when_it_is_put_without_or_with_another,
            leases: a_lease_that_is_not_there_is_refused,
            leases: a_lease_has_its_full_time_again_after_a_restart,
        }
    };
    (@tests $subject:expr; $($module:ident: $rule:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let subject = $subject;
                $crate::conformance::$module::$rule(&subject).await;
            }
        )*
    };
}

/// Longest wait for something that must happen; reaching it is a failure, not a delay.
const MUST_HAPPEN_WITHIN: Duration = Duration::from_secs(30);

async fn put(store: &dyn Store, key: &str, value: &str) -> Revision {
    store
        .txn(Txn::of([Op::put(key, value)]))
        .await
        .unwrap()
        .revision
}

async fn delete(store: &dyn Store, key: &str) -> Revision {
    store
        .txn(Txn::of([Op::delete(key)]))
        .await
        .unwrap()
        .revision
}

async fn revision(store: &dyn Store) -> Revision {
    store.range("", None, Some(1)).await.unwrap().revision
}

async fn keys(store: &dyn Store, prefix: &str, at: Option<Revision>) -> Vec<String> {
    let found = store.range(prefix, at, None).await.unwrap();
    found.items.into_iter().map(|item| item.key).collect()
}

async fn next(watch: &mut Watch) -> crate::WatchEvent {
    tokio::time::timeout(MUST_HAPPEN_WITHIN, watch.next())
        .await
        .expect("an event")
        .unwrap()
}
