use portico_model::{
    BrokerId, ConnectionId, HostId, PoolId, ResourceId, Timestamp, UserId, seen::HostSessionState,
};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn session(n: u128, account: &str, state: SessionState) -> Session {
    Session {
        id: SessionId::from_random(n),
        user: UserId::new("ina").unwrap(),
        resource: ResourceId::new("desktop").unwrap(),
        pool: PoolId::new("p").unwrap(),
        host: HostId::new("h").unwrap(),
        account: account.into(),
        protocol: Protocol::Rdp,
        created_at: NOW,
        state,
        state_since: NOW,
        reconnect_grant_hash: String::new(),
        last_client: None,
        on_host: None,
        holder: Some(BrokerId::new("b").unwrap()),
    }
}

fn active() -> SessionState {
    SessionState::Active {
        connection: ConnectionId::from_random(1),
        client_address: None,
    }
}

fn left() -> SessionState {
    SessionState::Disconnected {
        reason: EndReason::ClientLost,
    }
}

fn pending() -> SessionState {
    SessionState::Pending { until: NOW }
}

fn was_seen(session: Session, key: &str, boot: &str) -> Session {
    Session {
        on_host: Some(OnHost {
            key: key.into(),
            boot: boot.into(),
        }),
        ..session
    }
}

fn reported(key: &str, account: &str, kind: HostSessionKind, age_s: u64) -> HostSession {
    HostSession {
        key: key.into(),
        account: account.into(),
        kind,
        display: None,
        state: HostSessionState::Active,
        age_s,
        state_age_s: None,
        idle_s: None,
    }
}

fn rdp(key: &str, account: &str) -> HostSession {
    reported(key, account, HostSessionKind::Rdp, 1)
}

fn seen(key: &str) -> Event {
    Event::SeenOnHost {
        on_host: OnHost {
            key: key.into(),
            boot: "now".into(),
        },
    }
}

/// The event of each session, in their order, and the keys of what is unmanaged.
fn check(
    known: &[(&Session, u64)],
    reported: &[HostSession],
    one_per_account: bool,
) -> (Vec<Option<Event>>, Vec<String>) {
    let testimony = Testimony {
        known: known
            .iter()
            .map(|(session, ms)| Known {
                session,
                in_state_ms: *ms,
                age_ms: *ms,
                seen_before: true,
            })
            .collect(),
        reported,
        boot: "now",
        one_per_account,
    };
    let judged = judge(&testimony);
    let event_of = |id: &SessionId| {
        let mut events = judged.events.iter().filter(|(of, _)| *of == id);
        let event = events.next().map(|(_, event)| event.clone());
        assert!(events.next().is_none(), "one event for each session");
        event
    };
    let events = known.iter().map(|(session, _)| event_of(&session.id));
    let unmanaged = judged.unmanaged.iter().map(|left| left.key.clone());
    (events.collect(), unmanaged.collect())
}

/// What a report without the session makes of it.
fn check_missing(session: &Session, in_state_ms: u64) -> Option<Event> {
    check(&[(session, in_state_ms)], &[], true).0.remove(0)
}

#[test]
fn a_session_is_known_by_its_account_then_by_its_key() {
    let fresh = session(1, "ina", active());
    let (events, unmanaged) = check(
        &[(&fresh, 0)],
        &[rdp("xrdp:10", "ina"), rdp("xrdp:11", "tom")],
        true,
    );
    assert_eq!(events, [Some(seen("xrdp:10"))]);
    assert_eq!(unmanaged, ["xrdp:11"]);
    let known = was_seen(fresh, "xrdp:10", "now");
    let (events, unmanaged) = check(&[(&known, 0)], &[rdp("xrdp:10", "ina")], true);
    assert_eq!((events, unmanaged), (vec![None], vec![]));
}

#[test]
fn a_desktop_that_was_seen_and_is_missing_is_over_at_once() {
    for state in [active(), left()] {
        let session = was_seen(session(1, "ina", state), "xrdp:10", "now");
        assert_eq!(check_missing(&session, 0), Some(Event::MissingOnHost));
    }
}

#[test]
fn a_desktop_that_was_never_seen_gets_time() {
    let (disconnected, open) = (session(1, "ina", left()), session(2, "ina", active()));
    assert_eq!(
        check_missing(&disconnected, UNSEEN_DISCONNECTED_MS - 1),
        None
    );
    assert_eq!(
        check_missing(&disconnected, UNSEEN_DISCONNECTED_MS),
        Some(Event::MissingOnHost)
    );
    assert_eq!(check_missing(&open, UNSEEN_ACTIVE_MS - 1), None);
    assert_eq!(
        check_missing(&open, UNSEEN_ACTIVE_MS),
        Some(Event::MissingOnHost)
    );
    let by_host = SessionState::Disconnected {
        reason: EndReason::HostClosed,
    };
    let by_host = session(3, "ina", by_host);
    assert_eq!(check_missing(&by_host, UNSEEN_CLOSED_MS - 1), None);
    assert_eq!(
        check_missing(&by_host, UNSEEN_CLOSED_MS),
        Some(Event::MissingOnHost)
    );
}

#[test]
fn another_boot_ends_what_was_seen_before_unless_its_user_came_back_before_the_agent() {
    let left = was_seen(session(1, "ina", left()), "xrdp:10", "before");
    let open = was_seen(session(1, "ina", active()), "xrdp:10", "before");
    let ended = (vec![Some(Event::HostRestarted)], vec!["xrdp:10".to_owned()]);
    let found = (vec![Some(seen("xrdp:10"))], vec![]);
    // The account's session on the host is one second old.
    for (session, in_state_ms, expected) in [
        (&left, 60_000, &ended),
        (&left, 1_500, &found),
        (&open, 60_000, &found),
    ] {
        let now = check(&[(session, in_state_ms)], &[rdp("xrdp:10", "ina")], true);
        assert_eq!(now, *expected, "{in_state_ms}");
    }
    for session in [&left, &open] {
        assert_eq!(check_missing(session, 0), Some(Event::HostRestarted));
    }
}

#[test]
fn a_reservation_is_never_ended_and_notes_what_is_there() {
    let fresh = session(1, "ina", pending());
    assert_eq!(check_missing(&fresh, u64::MAX), None);
    let (events, unmanaged) = check(&[(&fresh, 0)], &[rdp("xrdp:10", "ina")], true);
    assert_eq!((events, unmanaged), (vec![Some(seen("xrdp:10"))], vec![]));
    let noted = was_seen(fresh, "xrdp:10", "before");
    assert_eq!(check_missing(&noted, 0), Some(Event::MissingOnHost));
    let (events, _) = check(&[(&noted, 0)], &[rdp("xrdp:12", "ina")], true);
    assert_eq!(events, [Some(seen("xrdp:12"))]);
}

#[test]
fn shells_are_named_but_never_ended_by_the_agent() {
    let shell = |n, state| Session {
        protocol: Protocol::Ssh,
        ..session(n, "root", state)
    };
    let (mine, other) = (shell(1, active()), shell(2, pending()));
    let on_host = [
        reported("ssh:1", "root", HostSessionKind::Ssh, 500),
        reported("ssh:2", "root", HostSessionKind::Ssh, 5),
        reported("tty1", "root", HostSessionKind::Console, 5),
    ];
    let (events, unmanaged) = check(&[(&mine, 6_000), (&other, 1)], &on_host, false);
    assert_eq!(events, [Some(seen("ssh:2")), None]);
    assert_eq!(unmanaged, ["ssh:1", "tty1"]);
    for session in [&mine, &was_seen(mine.clone(), "ssh:2", "before")] {
        assert_eq!(check_missing(session, u64::MAX), None);
    }
}

#[test]
fn several_sessions_of_an_account_are_told_apart_by_age() {
    let (old, young) = (session(1, "ina", active()), session(2, "ina", left()));
    let on_host = [
        reported("a", "ina", HostSessionKind::Rdp, 30),
        reported("b", "ina", HostSessionKind::Rdp, 300),
        reported("c", "ina", HostSessionKind::Rdp, 9_000),
    ];
    let (events, unmanaged) = check(&[(&young, 31_000), (&old, 301_000)], &on_host, false);
    assert_eq!(events, [Some(seen("a")), Some(seen("b"))]);
    assert_eq!(unmanaged, ["c"]);
}

#[test]
fn accounts_with_and_without_domain_are_one() {
    for (a, b, same) in [
        ("ina", "ina", true),
        ("ina", "Ina", false),
        ("EXAMPLE\\ina", "ina", true),
        ("EXAMPLE\\Ina", "example\\ina", true),
        ("ina@example.org", "ina", true),
        ("EXAMPLE\\ina", "OTHER\\ina", false),
        ("EXAMPLE\\ina", "tom", false),
        ("", "ina", false),
        ("\\", "", true),
    ] {
        assert_eq!(same_account(a, b), same, "{a:?} {b:?}");
        assert_eq!(same_account(b, a), same, "{b:?} {a:?}");
    }
}

#[test]
fn absurd_accounts_are_nobodys() {
    let mine = was_seen(session(1, "ina", active()), "xrdp:10", "now");
    let absurd = ["\u{202e}ani", "ina\0", "../ina", "ina ", "%", "@", "ina@"].map(|account| {
        let key = format!("key of {account}");
        rdp(&key, account)
    });
    let mut all = absurd.to_vec();
    all.push(rdp("xrdp:10", "ina"));
    let (events, unmanaged) = check(&[(&mine, 0)], &all, true);
    assert_eq!((events, unmanaged.len()), (vec![None], absurd.len()));
}

fn any_known() -> impl Strategy<Value = Vec<(Session, u64)>> {
    let states = prop_oneof![Just(active()), Just(left()), Just(pending())];
    let seen = prop_oneof![Just(None), ("[ab][0-3]", "now|before").prop_map(Some)];
    let one = (states, "[ab]", seen, any::<bool>(), 0..200_000_u64);
    proptest::collection::vec(one, 0..6).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(n, (state, account, seen, ssh, ms))| {
            let mut session = session(n as u128, &account, state);
            if let Some((key, boot)) = seen {
                session = was_seen(session, &key, &boot);
            }
            if ssh {
                session.protocol = Protocol::Ssh;
            }
            (session, ms)
        })
        .collect()
    })
}

fn any_reported() -> impl Strategy<Value = Vec<HostSession>> {
    let kinds = prop_oneof![
        Just(HostSessionKind::Rdp),
        Just(HostSessionKind::Ssh),
        Just(HostSessionKind::Console)
    ];
    proptest::collection::btree_map("[ab][0-3]", ("[abc]", kinds, 0..300_u64), 0..8).prop_map(
        |all| {
            let all = all.into_iter();
            all.map(|(key, (account, kind, age_s))| reported(&key, &account, kind, age_s))
                .collect()
        },
    )
}

proptest! {
    #[test]
    fn each_session_on_the_host_is_somebodys_or_unmanaged_and_telling_it_twice_is_telling_it_once(
        known in any_known(), reported in any_reported(), one_per_account: bool,
    ) {
        let borrowed: Vec<_> = known.iter().map(|(session, ms)| (session, *ms)).collect();
        let (events, unmanaged) = check(&borrowed, &reported, one_per_account);
        let mut after = Vec::new();
        for ((session, ms), event) in known.iter().zip(events) {
            let after_event = match event {
                None => session.clone(),
                Some(event) => {
                    if matches!(session.state, SessionState::Pending { .. }) {
                        let keeps = matches!(event, Event::SeenOnHost { .. } | Event::MissingOnHost);
                        prop_assert!(keeps);
                    }
                    match crate::step(session, NOW, &event) {
                        crate::Step::Changed { session, .. } => *session,
                        crate::Step::Unchanged { why, .. } => {
                            return Err(TestCaseError::fail(format!("{why:?}")));
                        }
                    }
                }
            };
            if after_event.state.is_running() {
                after.push((after_event, *ms));
            }
        }
        let named: Vec<_> = after
            .iter()
            .filter_map(|(session, _)| session.on_host.as_ref())
            .filter(|on_host| on_host.boot == "now")
            .map(|on_host| on_host.key.as_str())
            .filter(|key| reported.iter().any(|reported| reported.key == *key))
            .collect();
        for reported in &reported {
            let is_named = named.contains(&reported.key.as_str());
            prop_assert!(is_named || unmanaged.contains(&reported.key));
        }
        let borrowed: Vec<_> = after.iter().map(|(session, ms)| (session, *ms)).collect();
        let (events, again) = check(&borrowed, &reported, one_per_account);
        prop_assert!(events.iter().all(Option::is_none), "{:?}", events);
        prop_assert_eq!(again, unmanaged);
    }
}

#[test]
fn a_report_that_may_be_older_than_the_sighting_ends_nothing() {
    let other_boot = OnHost {
        key: "xrdp:10".into(),
        boot: "then".into(),
    };
    let this_boot = OnHost {
        boot: "now".into(),
        ..other_boot.clone()
    };
    for on_host in [other_boot, this_boot] {
        let session = Session {
            on_host: Some(on_host),
            ..session(1, "ina", active())
        };
        let events = |seen_before| {
            let known = Known {
                session: &session,
                in_state_ms: 1,
                age_ms: 1,
                seen_before,
            };
            let testimony = Testimony {
                known: vec![known],
                reported: &[],
                boot: "now",
                one_per_account: true,
            };
            judge(&testimony).events.len()
        };
        assert_eq!((events(false), events(true)), (0, 1));
    }
}

#[test]
fn accounts_that_are_one_are_found_by_one_name() {
    let names = [
        "anna",
        "ANNA",
        "EX\\anna",
        "ex\\Anna",
        "anna@ex",
        "Anna@EX",
        "anna@other",
        "ann",
        "",
        "a@b@c",
        "a\\b\\c",
        "a\\b@c",
        "\\anna",
        "@anna",
    ];
    for (a, b) in names.iter().flat_map(|a| names.iter().map(move |b| (a, b))) {
        let one_name = name_of(HostSessionKind::Rdp, a) == name_of(HostSessionKind::Rdp, b);
        assert!(one_name || !same_account(a, b), "{a} {b}");
    }
}

#[test]
fn a_large_report_is_looked_through_once_and_not_for_each_session() {
    let many = 4_000_u32;
    let sessions: Vec<Session> = (0..many)
        .map(|n| session(u128::from(n), &format!("user{n}"), active()))
        .collect();
    let strangers: Vec<HostSession> = (0..many)
        .map(|n| {
            reported(
                &format!("key{n}"),
                &format!("other{n}"),
                HostSessionKind::Rdp,
                1,
            )
        })
        .collect();
    let testimony = Testimony {
        known: sessions
            .iter()
            .map(|session| Known {
                session,
                in_state_ms: 0,
                age_ms: 0,
                seen_before: false,
            })
            .collect(),
        reported: &strangers,
        boot: "b",
        one_per_account: true,
    };
    let of_name = by_name(&strangers.iter().map(|it| (it.key.as_str(), it)).collect());
    assert_eq!(of_name.len(), strangers.len());
    assert!(of_name.values().all(|like| like.len() == 1));
    assert_eq!(judge(&testimony).unmanaged.len(), strangers.len());
}
