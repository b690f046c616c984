use portico_model::{PoolId, ResourceId, estate::Protocol, session::EndReason};

use super::*;

const WALL: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn now() -> (Instant, Timestamp) {
    (Instant::now(), WALL)
}

fn session(n: u128, state: SessionState) -> Session {
    Session {
        id: SessionId::from_random(n),
        user: UserId::new("ina").unwrap(),
        resource: ResourceId::new("desktop").unwrap(),
        pool: PoolId::new("p").unwrap(),
        host: HostId::new("h").unwrap(),
        account: "ina".into(),
        protocol: Protocol::Rdp,
        created_at: WALL,
        state,
        state_since: WALL,
        reconnect_grant_hash: String::new(),
        last_client: None,
        on_host: None,
        holder: None,
    }
}

fn pending() -> SessionState {
    SessionState::Pending { until: WALL }
}

fn ended() -> SessionState {
    SessionState::Ended {
        reason: EndReason::UserEnded,
    }
}

fn left() -> SessionState {
    SessionState::Disconnected {
        reason: EndReason::ClientLost,
    }
}

fn stored(session: &Session, mod_revision: Revision) -> KeyValue {
    let key = documents::session_key(&session.id);
    KeyValue {
        value: documents::write(&key, session).unwrap(),
        key,
        create_revision: 1,
        mod_revision,
        version: 1,
        lease: None,
    }
}

fn told(item: KeyValue) -> WatchEvent {
    WatchEvent {
        revision: item.mod_revision,
        changes: vec![Change::Put(item)],
    }
}

fn learn(index: &mut Index, session: &Session, revision: Revision) {
    let item = stored(session, revision);
    index.learnt(&item.key, Some(&item.value), revision, now());
}

fn state(index: &Index) -> Option<SessionState> {
    let entry = index.session(&SessionId::from_random(1));
    entry.map(|entry| entry.session.state.clone())
}

#[test]
fn own_writes_and_the_watch_agree_in_whichever_order_they_come() {
    let (first, second) = (session(1, pending()), session(1, left()));
    let mut index = Index::default();
    learn(&mut index, &second, 3);
    index.watched(&told(stored(&first, 2)), now());
    assert_eq!(state(&index), Some(left()), "an older change comes later");
    index.watched(&told(stored(&second, 3)), now());
    assert_eq!(state(&index), Some(left()));
    assert!(index.ahead.is_empty(), "the watch has passed it");
    learn(&mut index, &first, 2);
    assert_eq!(state(&index), Some(left()), "an older write is told later");
}

#[test]
fn a_deletion_that_was_written_here_is_not_undone_by_an_older_change() {
    let mut index = Index::default();
    let running = session(1, left());
    learn(&mut index, &running, 2);
    index.learnt(&documents::session_key(&running.id), None, 4, now());
    index.watched(&told(stored(&running, 2)), now());
    index.watched(&told(stored(&running, 3)), now());
    assert_eq!(state(&index), None);
}

#[test]
fn what_was_written_while_the_store_was_read_is_kept() {
    let mut index = Index::default();
    learn(&mut index, &session(1, ended()), 9);
    let host = HostId::new("h").unwrap();
    let reserved = Reserved {
        id: SessionId::from_random(2),
        account: "ina".into(),
    };
    index.plan(&host, reserved);
    index.load(&[stored(&session(1, left()), 3)], 5, now());
    assert_eq!(state(&index), Some(ended()));
    assert_eq!(index.on_host(&host).count(), 0);
    assert_eq!(
        index.taken(&host, "ina").sessions,
        1,
        "planned ones as well"
    );
    index.load(&[stored(&session(1, left()), 10)], 10, now());
    assert_eq!(state(&index), Some(left()));
    assert_eq!(index.on_host(&host).count(), 1);
}

#[test]
fn a_place_whose_session_is_not_known_yet_is_a_sign_in() {
    let mut index = Index::default();
    let host = HostId::new("h").unwrap();
    let key = documents::reservations_key(&host);
    let places = Reservations {
        sessions: [1, 2]
            .map(|n| Reserved {
                id: SessionId::from_random(n),
                account: format!("u{n}"),
            })
            .to_vec(),
    };
    let value = documents::write(&key, &places).unwrap();
    index.learnt(&key, Some(&value), 2, now());
    assert_eq!(index.taken(&host, "u1").sign_ins, 2);
    learn(&mut index, &session(1, left()), 3);
    let taken = index.taken(&host, "u1");
    assert_eq!(
        (taken.sessions, taken.sign_ins, taken.has_account),
        (2, 1, true)
    );
}

#[test]
fn a_record_that_cannot_be_read_is_passed_over() {
    let mut index = Index::default();
    let key = documents::session_key(&SessionId::from_random(1));
    index.learnt(&key, Some(b"{}"), 2, now());
    index.learnt("/elsewhere", Some(b"{}"), 3, now());
    assert_eq!(state(&index), None);
}
