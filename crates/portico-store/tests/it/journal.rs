//! What the journal keeps and what its verification finds.

use std::{os::unix::fs::PermissionsExt, path::Path};

use portico_model::{
    ConnectionId, HostId, ResourceId, SessionId, Timestamp, UserId,
    session::{ConnectionEventKind, EndReason, SessionState},
};
use portico_store::{
    Anchor, AnchorError, AuditEntry, AuditQuery, FaultKind, Journal, JournalError, OpenError,
    SessionEvent, SessionEventKind, SessionQuery, SqliteJournal, Verdict, limits::PAGE_LEN_MAX,
};
use rusqlite::Connection;

pub(crate) fn entry(n: u64) -> AuditEntry {
    AuditEntry {
        at: Timestamp::from_unix_ms(1_700_000_000_000 + i64::try_from(n).unwrap() * 1000),
        actor: format!("user-{}", n % 3),
        action: ["sign-in.ok", "sign-in.failed", "launch.placed"][(n % 3) as usize].into(),
        object: format!("desktop-{n}"),
        outcome: "ok".into(),
        client_address: n.is_multiple_of(2).then(|| "2001:db8::7".parse().unwrap()),
        detail: serde_json::json!({ "n": n, "text": "naïve \u{202e} \n" }),
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("journal.db")
    }

    /// A closed journal of `records` with heads signed after these records.
    async fn with_records(records: u64, signed_after: &[u64]) -> (Self, Vec<Anchor>) {
        let folder = Self::new();
        let journal = SqliteJournal::open(&folder.path()).unwrap();
        let mut anchors = Vec::new();
        for n in 1..=records {
            let record = journal.append_audit(entry(n)).await.unwrap();
            assert_eq!(record.seq, n);
            if signed_after.contains(&n) {
                let now = Timestamp::from_unix_ms(n.cast_signed());
                anchors.push(journal.sign_head(now).await.unwrap().unwrap());
            }
        }
        (folder, anchors)
    }

    /// What somebody with the file and without care for locks can do.
    fn tamper(&self, sql: &str) {
        let conn = Connection::open(self.path()).unwrap();
        conn.execute_batch(sql).unwrap();
    }

    async fn verify(&self, anchor: Option<&Anchor>) -> Verdict {
        verify(&self.path(), anchor).await.unwrap()
    }

    async fn faults(&self, anchor: Option<&Anchor>) -> Vec<(u64, FaultKind)> {
        let verdict = self.verify(anchor).await;
        assert_eq!(verdict.is_intact(), verdict.faults.is_empty());
        let faults = verdict.faults.into_iter();
        faults.map(|fault| (fault.seq, fault.kind)).collect()
    }
}

async fn verify(path: &Path, anchor: Option<&Anchor>) -> Result<Verdict, String> {
    let journal = SqliteJournal::open_to_read(path).map_err(|e| e.to_string())?;
    let verdict = journal.verify(anchor.cloned()).await;
    verdict.map_err(|e| e.to_string())
}

#[tokio::test]
async fn an_untouched_journal_is_intact_and_goes_on_after_a_restart() {
    let (folder, anchors) = Folder::with_records(5, &[2, 4]).await;
    let verdict = folder.verify(Some(&anchors[0])).await;
    assert!(verdict.is_intact(), "{verdict:?}");
    assert_eq!((verdict.last_seq, verdict.signed_seq), (5, 4));
    assert_eq!(verdict.anchored_seq, Some(2));
    let journal = SqliteJournal::open(&folder.path()).unwrap();
    assert_eq!(journal.anchor().await.unwrap().as_ref(), Some(&anchors[1]));
    assert_eq!(journal.append_audit(entry(6)).await.unwrap().seq, 6);
    let now = Timestamp::from_unix_ms(9);
    let anchor = journal.sign_head(now).await.unwrap().unwrap();
    assert_eq!((anchor.seq, anchor.at), (6, now));
    assert_eq!(journal.sign_head(now).await.unwrap(), None, "nothing new");
    assert!(journal.verify(Some(anchor)).await.unwrap().is_intact());
    // A second process may read meanwhile, and may not write.
    assert!(folder.verify(None).await.is_intact());
    let reader = SqliteJournal::open_to_read(&folder.path()).unwrap();
    let refused = reader.append_audit(entry(7)).await;
    assert!(matches!(refused, Err(JournalError::ReadOnly { .. })));
    let second = SqliteJournal::open(&folder.path());
    assert!(matches!(second, Err(OpenError::InUse { .. })));
}

#[tokio::test]
async fn an_empty_journal_is_intact() {
    let journal = SqliteJournal::open_in_memory().unwrap();
    assert_eq!(journal.sign_head(Timestamp::default()).await.unwrap(), None);
    assert_eq!(journal.anchor().await.unwrap(), None);
    assert!(journal.verify(None).await.unwrap().is_intact());
}

#[tokio::test]
async fn each_edited_column_is_found_at_its_record() {
    for edit in [
        "at_ms = at_ms + 1",
        "actor = 'user-9'",
        "action = 'launch.refused'",
        "object = 'x'",
        "outcome = 'refused'",
        "client_address = '10.0.0.1'",
        "detail = '{}'",
        "detail = detail || ' '",
        "hash = zeroblob(32)",
    ] {
        let (folder, _) = Folder::with_records(5, &[5]).await;
        folder.tamper(&format!("UPDATE audit SET {edit} WHERE seq = 3"));
        let faults = folder.faults(None).await;
        assert_eq!(faults[0], (3, FaultKind::Edited), "{edit}: {faults:?}");
    }
}

#[tokio::test]
async fn missing_and_moved_records_are_found() {
    let (folder, _) = Folder::with_records(6, &[]).await;
    folder.tamper("DELETE FROM audit WHERE seq IN (3, 4)");
    assert_eq!(
        folder.faults(None).await,
        [(3, FaultKind::Missing { until: 4 })]
    );

    let (folder, _) = Folder::with_records(6, &[]).await;
    folder.tamper("UPDATE audit SET seq = seq + 100 WHERE seq = 6");
    let faults = folder.faults(None).await;
    assert_eq!(
        faults[0],
        (6, FaultKind::Missing { until: 105 }),
        "{faults:?}"
    );

    let (folder, _) = Folder::with_records(3, &[]).await;
    folder.tamper(
        "CREATE TEMP TABLE two AS SELECT * FROM audit WHERE seq IN (2, 3);
         UPDATE two SET seq = 5 - seq;
         DELETE FROM audit WHERE seq IN (2, 3);
         INSERT INTO audit SELECT * FROM two;",
    );
    assert_eq!(folder.faults(None).await[0], (2, FaultKind::Edited));
}

#[tokio::test]
async fn deleting_the_last_records_is_found() {
    // Without care: the note of the end says so.
    let (folder, _) = Folder::with_records(5, &[]).await;
    folder.tamper("DELETE FROM audit WHERE seq > 3");
    assert_eq!(
        folder.faults(None).await,
        [(4, FaultKind::CutOff { until: 5 })]
    );

    // With the note made to fit, a signed head says so.
    let fitted = "DELETE FROM audit WHERE seq > 3;
        UPDATE chain SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3);";
    let (folder, anchors) = Folder::with_records(5, &[2, 4]).await;
    folder.tamper(fitted);
    assert_eq!(
        folder.faults(None).await,
        [(4, FaultKind::CutOff { until: 4 })]
    );

    // With the heads gone too, an anchor kept elsewhere says so, and only that.
    folder.tamper("DELETE FROM head WHERE seq > 3");
    assert_eq!(folder.faults(None).await, []);
    let faults = folder.faults(Some(&anchors[1])).await;
    assert_eq!(faults, [(4, FaultKind::CutOff { until: 4 })]);

    // The journal goes on after it; the break stays.
    let journal = SqliteJournal::open(&folder.path()).unwrap();
    for n in 4..=6 {
        journal.append_audit(entry(n + 100)).await.unwrap();
    }
    let verdict = journal.verify(Some(anchors[1].clone())).await.unwrap();
    assert_eq!(verdict.faults[0].kind, FaultKind::Rewritten { since: 3 });
}

/// Makes the chain anew from a record on, as somebody who knows how it is made can.
async fn rewrite(folder: &Folder, from: u64, to: u64) {
    let conn = Connection::open(folder.path()).unwrap();
    let sql = format!(
        "DELETE FROM audit WHERE seq >= {from};
         UPDATE chain SET seq = {from} - 1, hash = (SELECT hash FROM audit WHERE seq = {from} - 1);"
    );
    conn.execute_batch(&sql).unwrap();
    drop(conn);
    let journal = SqliteJournal::open(&folder.path()).unwrap();
    for n in from..=to {
        journal.append_audit(entry(n + 1000)).await.unwrap();
    }
}

#[tokio::test]
async fn a_chain_rewritten_from_a_record_on_is_found_by_signature_and_anchor() {
    let (folder, anchors) = Folder::with_records(8, &[2, 4, 6]).await;
    rewrite(&folder, 4, 8).await;
    let faults = folder.faults(None).await;
    assert_eq!(
        faults,
        [
            (4, FaultKind::Rewritten { since: 3 }),
            (6, FaultKind::Rewritten { since: 3 })
        ]
    );

    // The heads that tell are gone: the anchor still tells.
    folder.tamper("DELETE FROM head WHERE seq > 2");
    assert_eq!(folder.faults(None).await, []);
    let faults = folder.faults(Some(&anchors[2])).await;
    assert_eq!(faults, [(6, FaultKind::Rewritten { since: 3 })]);

    // The attacker even has the key and signs again: only the anchor tells, and it cannot say
    // where it began.
    let journal = SqliteJournal::open(&folder.path()).unwrap();
    journal
        .sign_head(Timestamp::default())
        .await
        .unwrap()
        .unwrap();
    drop(journal);
    assert_eq!(folder.faults(None).await, []);
    let faults = folder.faults(Some(&anchors[2])).await;
    assert_eq!(faults, [(6, FaultKind::Rewritten { since: 1 })]);
}

#[tokio::test]
async fn forged_heads_other_keys_and_other_journals_are_found() {
    let (folder, anchors) = Folder::with_records(3, &[2, 3]).await;
    folder.tamper("UPDATE head SET at_ms = at_ms + 1 WHERE seq = 2");
    assert_eq!(folder.faults(None).await, [(2, FaultKind::HeadForged)]);

    let (other, others) = Folder::with_records(3, &[3]).await;
    let faults = other.faults(Some(&anchors[1])).await;
    assert_eq!(faults, [(3, FaultKind::OtherJournal)]);

    let key = |folder: &Folder| folder.0.path().join("journal.db.signing-key");
    std::fs::copy(key(&folder), key(&other)).unwrap();
    assert_eq!(other.faults(None).await, [(3, FaultKind::OtherKey)]);

    folder.tamper("UPDATE chain SET hash = zeroblob(32)");
    let faults = folder.faults(Some(&others[0])).await;
    assert!(faults.contains(&(3, FaultKind::HeadMoved)), "{faults:?}");
}

#[tokio::test]
async fn an_anchor_file_that_was_changed_is_refused() {
    let (_, anchors) = Folder::with_records(2, &[2]).await;
    let text = anchors[0].to_json().unwrap();
    assert_eq!(Anchor::from_json(&text).unwrap(), anchors[0]);
    let changed = text.replace("\"seq\": 2", "\"seq\": 1");
    assert_ne!(changed, text);
    assert!(matches!(
        Anchor::from_json(&changed),
        Err(AnchorError::Signature)
    ));
    for wrong in ["", "{}", &text.replace("\"v\": 1", "\"v\": 2")] {
        assert!(
            matches!(Anchor::from_json(wrong), Err(AnchorError::Form(_))),
            "{wrong}"
        );
    }
}

/// Every byte of every record, in the file itself: lengths, types, numbers and texts.
#[tokio::test]
async fn any_changed_byte_of_any_record_is_found() {
    let (folder, _) = Folder::with_records(6, &[6]).await;
    let page: u32 = {
        let conn = Connection::open(folder.path()).unwrap();
        conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        conn.query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'audit'",
            [],
            |r| r.get(0),
        )
        .unwrap()
    };
    let whole = std::fs::read(folder.path()).unwrap();
    let cells = cells_of_leaf(&whole, page);
    assert_eq!(cells.len(), 6);
    assert!(folder.verify(None).await.is_intact());
    let mut flipped = 0;
    for cell in cells {
        for place in cell {
            for mask in [0x01, 0x80] {
                let mut bytes = whole.clone();
                bytes[place] ^= mask;
                std::fs::write(folder.path(), &bytes).unwrap();
                // Damage that keeps the file from being read at all is found as well.
                if let Ok(verdict) = verify(&folder.path(), None).await {
                    assert!(
                        !verdict.is_intact(),
                        "byte {place} xor {mask:#x} is not found"
                    );
                }
                flipped += 1;
            }
        }
    }
    assert!(flipped > 1000, "{flipped}");
    std::fs::write(folder.path(), &whole).unwrap();
    assert!(folder.verify(None).await.is_intact());
}

/// Places of the cells of an index leaf page, as the records of a table without row ids are
/// stored (<https://www.sqlite.org/fileformat2.html>, 1.6 "B-tree Pages").
fn cells_of_leaf(file: &[u8], page: u32) -> Vec<std::ops::Range<usize>> {
    let page_size = usize::from(u16::from_be_bytes([file[16], file[17]]));
    let start = (page as usize - 1) * page_size;
    let leaf = &file[start..start + page_size];
    assert_eq!(leaf[0], 0x0a, "an index leaf");
    let u16_at = |at: usize| usize::from(u16::from_be_bytes([leaf[at], leaf[at + 1]]));
    (0..u16_at(3))
        .map(|n| {
            let cell = u16_at(8 + 2 * n);
            let (mut len, mut at) = (0, cell);
            loop {
                len = len << 7 | usize::from(leaf[at] & 0x7f);
                at += 1;
                if leaf[at - 1] & 0x80 == 0 {
                    break;
                }
            }
            start + cell..start + at + len
        })
        .collect()
}

#[tokio::test]
async fn an_index_that_hides_a_record_is_found() {
    let (folder, _) = Folder::with_records(4, &[]).await;
    // A partial rebuild: the index no longer lists the record, so a listing by actor would not.
    folder.tamper(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = sql || ' WHERE seq <> 3' WHERE name = 'audit_actor';",
    );
    folder.tamper("REINDEX audit_actor");
    folder.tamper(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, ' WHERE seq <> 3', '')
         WHERE name = 'audit_actor';",
    );
    let faults = folder.faults(None).await;
    assert!(
        matches!(faults.as_slice(), [(0, FaultKind::File { .. })]),
        "{faults:?}"
    );
}

#[tokio::test]
async fn the_key_is_private_and_a_wrong_one_is_refused() {
    let (folder, _) = Folder::with_records(1, &[]).await;
    let key = folder.0.path().join("journal.db.signing-key");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&key), mode(&folder.path())), (0o600, 0o600));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = SqliteJournal::open(&folder.path())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("its mode is 640 and must be 600"), "{error}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&key, "not a key").unwrap();
    let error = SqliteJournal::open(&folder.path()).err().unwrap();
    assert!(matches!(error, OpenError::BadKey { .. }), "{error}");
}

#[tokio::test]
async fn audit_is_listed_by_condition_and_page_newest_first() {
    let journal = SqliteJournal::open_in_memory().unwrap();
    for n in 1..=20 {
        journal.append_audit(entry(n)).await.unwrap();
    }
    let list = async |query: AuditQuery| {
        let page = journal.audit(query).await.unwrap();
        let seqs: Vec<_> = page.records.iter().map(|record| record.seq).collect();
        (seqs, page.next)
    };
    let first = AuditQuery {
        limit: 8,
        ..AuditQuery::default()
    };
    assert_eq!(
        list(first.clone()).await,
        ((13..=20).rev().collect(), Some(13))
    );
    let second = AuditQuery {
        before: Some(13),
        ..first.clone()
    };
    assert_eq!(list(second).await, ((5..=12).rev().collect(), Some(5)));
    let last = AuditQuery {
        before: Some(5),
        ..first
    };
    assert_eq!(list(last).await, ((1..=4).rev().collect(), None));
    let by = |query: AuditQuery| list(query);
    let none = AuditQuery::default;
    assert_eq!(
        by(AuditQuery {
            action: Some("launch.".into()),
            ..none()
        })
        .await
        .0,
        [20, 17, 14, 11, 8, 5, 2]
    );
    assert_eq!(
        by(AuditQuery {
            actor: Some("user-0".into()),
            from: Some(entry(6).at),
            until: Some(entry(12).at),
            ..none()
        })
        .await
        .0,
        [9, 6]
    );
    assert_eq!(
        by(AuditQuery {
            object: Some("desktop-7".into()),
            ..none()
        })
        .await
        .0,
        [7]
    );
    let found = journal
        .audit(AuditQuery {
            before: Some(5),
            limit: 1,
            ..none()
        })
        .await
        .unwrap();
    assert_eq!(found.records[0].entry, entry(4));
    let hostile = AuditQuery {
        actor: Some("' OR 1=1 --".into()),
        ..none()
    };
    assert_eq!(by(hostile).await, (vec![], None));
}

#[tokio::test]
async fn a_page_has_a_limit() {
    let journal = SqliteJournal::open_in_memory().unwrap();
    for n in 0..=PAGE_LEN_MAX as u64 {
        journal.append_audit(entry(n)).await.unwrap();
    }
    for limit in [0, PAGE_LEN_MAX + 1] {
        let query = AuditQuery {
            limit,
            ..AuditQuery::default()
        };
        let page = journal.audit(query).await.unwrap();
        assert_eq!((page.records.len(), page.next), (PAGE_LEN_MAX, Some(2)));
    }
}

#[tokio::test]
async fn the_order_is_that_of_appending_also_when_the_clock_is_set_back() {
    let journal = SqliteJournal::open_in_memory().unwrap();
    for n in [5000, 1400, 5001] {
        journal.append_audit(entry(n)).await.unwrap();
        journal.sign_head(entry(n).at).await.unwrap().unwrap();
    }
    let page = journal.audit(AuditQuery::default()).await.unwrap();
    let times: Vec<_> = page.records.iter().map(|record| record.entry.at).collect();
    assert_eq!(times, [entry(5001).at, entry(1400).at, entry(5000).at]);
    assert!(journal.verify(None).await.unwrap().is_intact());
}

#[tokio::test]
async fn sessions_are_listed_by_user_session_and_time() {
    let journal = SqliteJournal::open_in_memory().unwrap();
    let event = |n: u64| SessionEvent {
        at: Timestamp::from_unix_ms(n.cast_signed() * 1000),
        session: SessionId::from_random(u128::from(n / 3)),
        user: UserId::new(format!("user-{}", n / 3 % 2)).unwrap(),
        resource: ResourceId::new("desktop").unwrap(),
        host: HostId::new("sh1").unwrap(),
        kind: match n % 3 {
            0 => SessionEventKind::Created {
                client_address: Some("10.0.0.9".parse().unwrap()),
            },
            1 => SessionEventKind::Connection {
                connection: ConnectionId::from_random(7),
                event: ConnectionEventKind::Closed {
                    reason: EndReason::IdleTimeout,
                    bytes_down: u64::MAX,
                    bytes_up: 3,
                    exit_status: Some(-1),
                },
            },
            _ => SessionEventKind::StateChanged {
                to: SessionState::Ended {
                    reason: EndReason::UserEnded,
                },
            },
        },
    };
    for n in 0..12 {
        journal.session_event(event(n)).await.unwrap();
    }
    let list = async |query: SessionQuery| {
        let page = journal.sessions(query).await.unwrap();
        let events: Vec<_> = page
            .records
            .into_iter()
            .map(|record| record.event)
            .collect();
        (events, page.next)
    };
    let none = SessionQuery::default;
    let all: Vec<_> = (0..12).rev().map(event).collect();
    assert_eq!(list(none()).await, (all.clone(), None));
    let session = Some(SessionId::from_random(2));
    assert_eq!(list(SessionQuery { session, ..none() }).await.0, all[3..6]);
    let user = Some(UserId::new("user-1").unwrap());
    let (events, next) = list(SessionQuery {
        user: user.clone(),
        limit: 4,
        ..none()
    })
    .await;
    assert_eq!(events, [&all[0..3], &all[6..7]].concat());
    let (events, next) = list(SessionQuery {
        user,
        before: next,
        limit: 4,
        ..none()
    })
    .await;
    assert_eq!((events, next), (all[7..9].to_vec(), None));
    let query = SessionQuery {
        from: Some(Timestamp::from_unix_ms(2000)),
        until: Some(Timestamp::from_unix_ms(4000)),
        ..none()
    };
    assert_eq!(list(query).await.0, all[8..10]);
}
