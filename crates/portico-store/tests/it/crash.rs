//! A process that writes is killed with SIGKILL at random moments, many times over: what it
//! acknowledged is there, the log has no gap, the audit chain is intact.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use portico_store::{
    Change, Journal, Op, Revision, SqliteJournal, SqliteStore, SqliteStoreOptions, Store, Txn,
};

use crate::{child, journal::entry};

/// How often the process is killed.
const KILLS: u64 = 30;

/// Writers at a time, so that there are group commits to be torn.
const WRITERS: u64 = 8;

/// The child's work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_it_is_killed() {
    let Some(folder) = child::folder() else {
        return;
    };
    // Compacting by itself all the time, as that moves most.
    let options = SqliteStoreOptions {
        history_revisions: Some(300),
        ..SqliteStoreOptions::default()
    };
    let store = Arc::new(SqliteStore::open_with(&folder.join("state.db"), options).unwrap());
    let journal = Arc::new(SqliteJournal::open(&folder.join("journal.db")).unwrap());
    let audit = tokio::spawn(async move {
        for n in 0.. {
            let record = journal.append_audit(entry(n)).await.unwrap();
            child::tell(&format!("audit {}", record.seq));
            if n % 16 == 0 {
                journal.sign_head(entry(n).at).await.unwrap();
            }
        }
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let key = format!("writer/{writer}");
                let before = store.get(&key).await.unwrap().map(|kv| kv.value);
                let from = before.map_or(0, |value| number(&value));
                for n in from + 1.. {
                    // Now and then a write that takes the disk a while, so that a kill can hit it.
                    let len = if n % 5 == 0 { 100_000 } else { 2_000 };
                    let side = format!("side/{writer}/{}", n % 5);
                    let steps = [Op::put(&key, n.to_string()), Op::put(side, vec![b'x'; len])];
                    let revision = store.txn(Txn::of(steps)).await.unwrap().revision;
                    child::tell(&format!("put {writer} {n} {revision}"));
                }
            })
        })
        .collect();
    audit.await.unwrap();
    drop(writers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new();
    let mut acknowledged = Acknowledged::default();
    for kill in 0..KILLS {
        let mut child =
            child::command("crash::child_writes_until_it_is_killed", folder.path(), &[])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        let mut left = random.below(400);
        let told = child::told(&mut child);
        for line in told {
            acknowledged.note(&line);
            // What was told between the decision and the kill is read to the end as well.
            if left == 0 {
                // Anywhere in the commit that is under way, not only right after one.
                std::thread::sleep(Duration::from_micros(random.below(6_000)));
                child.kill().unwrap();
            }
            left = left.wrapping_sub(1);
        }
        let status = child.wait().unwrap();
        assert!(!status.success() && status.code().is_none(), "{status}");
        check(folder.path(), &acknowledged, kill).await;
    }
    assert!(acknowledged.puts.len() as u64 > KILLS, "it did write");
}

#[derive(Default)]
struct Acknowledged {
    /// Revision to writer and number.
    puts: BTreeMap<Revision, (u64, u64)>,
    audit: u64,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["put", writer, n, revision] => {
                let (writer, n) = (writer.parse().unwrap(), n.parse().unwrap());
                let twice = self.puts.insert(revision.parse().unwrap(), (writer, n));
                assert_eq!(twice, None, "one revision was given twice");
            }
            ["audit", seq] => self.audit = seq.parse().unwrap(),
            // A last line that the kill cut off says nothing.
            _ => {}
        }
    }
}

async fn check(folder: &std::path::Path, acknowledged: &Acknowledged, kill: u64) {
    let path = folder.join("state.db");
    let options = SqliteStoreOptions {
        history_revisions: None,
        ..SqliteStoreOptions::default()
    };
    let store = SqliteStore::open_with(&path, options).unwrap();
    let now = store.range("writer/", None, None).await.unwrap();
    for (revision, (writer, n)) in &acknowledged.puts {
        let key = format!("writer/{writer}");
        let kv = now.items.iter().find(|kv| kv.key == key).unwrap();
        assert!(*revision <= now.revision, "kill {kill}");
        assert!(number(&kv.value) >= *n, "kill {kill}: {key} lost {n}");
    }
    // The log that is kept is without a gap, whole, and says what was acknowledged.
    let mut watch = store.watch("", oldest(&store).await).await.unwrap();
    let mut seen = None;
    while seen != Some(now.revision) && now.revision > 1 {
        let event = watch.next().await.unwrap();
        assert!(
            seen.is_none_or(|seen| seen + 1 == event.revision),
            "kill {kill}: gap"
        );
        seen = Some(event.revision);
        let Some((writer, n)) = acknowledged.puts.get(&event.revision) else {
            continue;
        };
        let [Change::Put(put), Change::Put(_)] = event.changes.as_slice() else {
            panic!("kill {kill}: {event:?}");
        };
        assert_eq!(put.key, format!("writer/{writer}"));
        assert_eq!(number(&put.value), *n);
    }
    drop(store);
    let journal = SqliteJournal::open(&folder.join("journal.db")).unwrap();
    let verdict = journal.verify(None).await.unwrap();
    assert!(verdict.is_intact(), "kill {kill}: {verdict:?}");
    assert!(
        verdict.last_seq >= acknowledged.audit,
        "kill {kill}: {verdict:?}"
    );
}

/// Oldest revision that a watch can begin at with every change still there.
async fn oldest(store: &SqliteStore) -> Revision {
    let mut watch = store.watch("", 1).await.unwrap();
    let first = tokio::time::timeout(Duration::from_millis(50), watch.next()).await;
    match first {
        Ok(Err(portico_store::WatchError::Compacted { revision })) => revision,
        _ => 1,
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// Moments that differ from run to run; they cannot be repeated anyway.
struct Random(u64);

impl Random {
    fn new() -> Self {
        // What the standard library seeds its hash maps with.
        Self(RandomState::new().build_hasher().finish() | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
