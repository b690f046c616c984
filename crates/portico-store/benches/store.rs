//! Durable transactions a second: each is flushed to the disk before it is acknowledged.
//!
//! `cargo bench -p portico-store`. The disk decides; `TMPDIR` says which one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its table and may stop at the first error"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portico_store::{Compare, Op, SqliteStore, Store, Txn};

/// How long each row is measured.
const MEASURED: Duration = Duration::from_secs(3);

/// Bytes of a value: a session record is about so long.
const VALUE_LEN: usize = 512;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "{:<10} {:>12} {:>12} {:>12}",
        "writers", "txn/s", "p50 ms", "p99 ms"
    );
    for writers in [1, 8, 64] {
        let mut latencies = runtime.block_on(durable(writers));
        latencies.sort_unstable();
        let at = |part: usize| {
            let index = latencies.len() * part / 100;
            latencies
                .get(index)
                .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        let count = u32::try_from(latencies.len()).unwrap();
        println!(
            "{writers:<10} {:>12.0} {:>12.2} {:>12.2}",
            f64::from(count) / MEASURED.as_secs_f64(),
            at(50),
            at(99)
        );
    }
}

/// Each writer compares and sets keys of its own, as a placement does.
async fn durable(writers: usize) -> Vec<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("state.db")).unwrap());
    let end = Instant::now() + MEASURED;
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let (key, mut at, mut latencies) = (format!("bench/{writer}"), 0, Vec::new());
                while Instant::now() < end {
                    let start = Instant::now();
                    let put = Op::put(&key, vec![0; VALUE_LEN]);
                    let outcome = store
                        .txn(Txn::when([Compare::unchanged(&key, at)], [put]))
                        .await
                        .unwrap();
                    assert!(outcome.succeeded);
                    at = outcome.revision;
                    latencies.push(start.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}
