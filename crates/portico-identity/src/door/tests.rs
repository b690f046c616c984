use portico_model::{
    Timestamp,
    estate::{Group, User},
};
use portico_net::clock::ManualClock;
use portico_store::{AuditQuery, SqliteJournal, SqliteStore};

use super::*;
use crate::sign_ins::SignInSettings;

const START: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

struct Fixture {
    folder: tempfile::TempDir,
    clock: ManualClock,
    users: LocalUsers,
    journal: Arc<SqliteJournal>,
    door: Door,
    estate: Estate,
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(START);
    // The queue takes all of the 200 at once here; its limit has a test of its own.
    let users = LocalUsers::with_limits(2, 1000).unwrap();
    let journal = Arc::new(SqliteJournal::open(&folder.path().join("journal.db")).unwrap());
    let door = open(&folder, &clock, &users, &journal);
    let hash = users.hash(secret("right password")).await.unwrap().unwrap();
    let mut estate = Estate::default();
    for (name, hash) in [("ina", Some(hash)), ("nopass", None)] {
        estate.users.insert(
            UserId::new(name).unwrap(),
            User {
                password_hash: hash,
                ..User::default()
            },
        );
    }
    estate.groups.insert(
        portico_model::GroupId::new("staff").unwrap(),
        Group {
            users: vec![UserId::new("ina").unwrap()],
            ..Group::default()
        },
    );
    Fixture {
        folder,
        clock,
        users,
        journal,
        door,
        estate,
    }
}

fn open(
    folder: &tempfile::TempDir,
    clock: &ManualClock,
    users: &LocalUsers,
    journal: &Arc<SqliteJournal>,
) -> Door {
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&folder.path().join("store.db")).unwrap());
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let sign_ins = SignIns::new(
        Arc::clone(&store),
        Arc::clone(&clock),
        SignInSettings::default(),
    );
    let journal = Arc::clone(journal) as Arc<dyn Journal>;
    Door::new(store, journal, clock, users.clone(), sign_ins)
}

impl Fixture {
    async fn enter(&self, name: &str, password: &str, from: &str) -> Result<UserId, SignInError> {
        let address = Some(from.parse().unwrap());
        self.door
            .sign_in(&self.estate, name, secret(password), address)
            .await
            .map(|(principal, _)| principal.user)
    }
}

#[tokio::test]
async fn the_right_password_signs_in_whatever_the_case_of_the_name() {
    let fixture = fixture().await;
    let address = Some("192.0.2.1".parse().unwrap());
    let (principal, made) = fixture
        .door
        .sign_in(&fixture.estate, " Ina ", secret("right password"), address)
        .await
        .unwrap();
    assert_eq!(principal.user.as_str(), "ina");
    assert_eq!(principal.groups.len(), 1);
    assert_eq!(principal.client_address, address);
    assert_eq!(principal.sign_in, Some(made.id));
}

#[tokio::test]
async fn every_wrong_sign_in_gets_the_same_answer() {
    let fixture = fixture().await;
    let long = "x".repeat(100_000);
    for (name, password) in [
        ("ina", "wrong"),
        ("nobody", "right password"),
        ("nopass", ""),
        ("nopass", "right password"),
        ("", ""),
        ("../../etc\r\n\u{1b}[2J", "'; drop table"),
        (&long, &long),
    ] {
        assert_eq!(
            fixture.enter(name, password, "192.0.2.1").await,
            Err(SignInError::WrongCredentials)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_wrong_sign_ins_at_once_six_are_looked_at() {
    for name in ["ina", "nobody"] {
        let fixture = Arc::new(fixture().await);
        let attempts: Vec<_> = (0..200)
            .map(|n| {
                let fixture = Arc::clone(&fixture);
                let from = format!("192.0.{n}.1");
                tokio::spawn(async move { fixture.enter(name, "wrong", &from).await })
            })
            .collect();
        let (mut wrong, mut locked) = (0, 0);
        for attempt in attempts {
            match attempt.await.unwrap().unwrap_err() {
                SignInError::WrongCredentials => wrong += 1,
                SignInError::Locked { retry_after_s } => {
                    assert_eq!(retry_after_s, 2);
                    locked += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((wrong, locked), (6, 194), "{name}");
        let right = fixture.enter("ina", "right password", "192.0.2.1").await;
        assert_eq!(
            right.is_ok(),
            name == "nobody",
            "locked even for the right password"
        );
    }
}

#[tokio::test]
async fn guessing_at_many_names_locks_the_network_and_no_other() {
    let fixture = fixture().await;
    for n in 0..51 {
        let name = format!("user{n}");
        let from = format!("192.0.2.{n}");
        let wrong = fixture.enter(&name, "wrong", &from).await;
        assert_eq!(wrong, Err(SignInError::WrongCredentials));
    }
    assert!(matches!(
        fixture.enter("ina", "right password", "192.0.2.200").await,
        Err(SignInError::Locked { .. })
    ));
    assert!(
        fixture
            .enter("ina", "right password", "198.51.100.1")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_lock_holds_across_a_restart_and_ends_in_time() {
    let mut fixture = fixture().await;
    for _ in 0..6 {
        fixture
            .enter("ina", "wrong", "192.0.2.1")
            .await
            .unwrap_err();
    }
    // The file has one owner at a time: the old door must be gone before the new one opens.
    let Fixture {
        folder,
        clock,
        users,
        journal,
        door,
        estate,
    } = fixture;
    drop(door);
    let door = open(&folder, &clock, &users, &journal);
    fixture = Fixture {
        folder,
        clock,
        users,
        journal,
        door,
        estate,
    };
    let locked = fixture.enter("ina", "right password", "192.0.2.1").await;
    assert_eq!(locked, Err(SignInError::Locked { retry_after_s: 2 }));

    // Set back an hour, the clock neither opens at once nor keeps out for an hour.
    fixture.clock.advance_ms(-3_600_000);
    let locked = fixture.enter("ina", "right password", "192.0.2.1").await;
    assert_eq!(locked, Err(SignInError::Locked { retry_after_s: 2 }));
    fixture.clock.advance_ms(2_000);
    assert!(
        fixture
            .enter("ina", "right password", "192.0.2.1")
            .await
            .is_ok()
    );
    assert!(
        fixture.folder.path().exists() && fixture.users.clone().hash(secret("x")).await.is_ok()
    );
}

#[tokio::test]
async fn the_right_password_forgives_the_wrong_ones_before() {
    let fixture = fixture().await;
    for _ in 0..4 {
        for _ in 0..4 {
            fixture
                .enter("ina", "wrong", "192.0.2.1")
                .await
                .unwrap_err();
        }
        fixture
            .enter("ina", "right password", "192.0.2.1")
            .await
            .unwrap();
    }
    fixture.clock.advance_ms(BY_USER.forget_after_ms + 1);
    assert_eq!(
        fixture.door.reap().await.unwrap(),
        1,
        "only the network's was left"
    );
}

#[tokio::test]
async fn sign_ins_are_in_the_audit_log_but_what_is_no_name_is_not() {
    let fixture = fixture().await;
    fixture
        .enter("ina", "right password", "192.0.2.1")
        .await
        .unwrap();
    fixture
        .enter("ina", "wrong", "192.0.2.1")
        .await
        .unwrap_err();
    fixture
        .enter("my-password-by-mistake", "x", "192.0.2.1")
        .await
        .unwrap_err();
    let page = fixture.journal.audit(AuditQuery::default()).await.unwrap();
    let seen: Vec<(&str, &str)> = page
        .records
        .iter()
        .rev()
        .map(|record| (record.entry.actor.as_str(), record.entry.action.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("ina", "sign-in.ok"),
            ("ina", "sign-in.wrong"),
            ("(unknown)", "sign-in.wrong")
        ]
    );
}

#[tokio::test]
async fn attempts_while_locked_do_not_fill_the_audit_log() {
    let fixture = fixture().await;
    let locked = async || {
        let page = fixture.journal.audit(AuditQuery::default()).await.unwrap();
        let actions = page.records.iter().map(|record| &record.entry.action);
        actions.filter(|action| *action == "sign-in.locked").count()
    };
    for _ in 0..50 {
        let _ = fixture.enter("ina", "wrong", "192.0.2.1").await;
    }
    assert_eq!(locked().await, 1);
    let _ = fixture.enter("ina", "wrong", "198.51.100.1").await;
    assert_eq!(locked().await, 2, "another network is news");
    // The lock of the sixth attempt is over by then, and the seventh locks for longer.
    fixture.clock.advance_ms(60_000);
    for _ in 0..50 {
        let _ = fixture.enter("ina", "wrong", "192.0.2.1").await;
    }
    assert_eq!(locked().await, 3, "and so is another minute");
}
