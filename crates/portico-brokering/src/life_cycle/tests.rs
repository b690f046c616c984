use portico_model::{BrokerId, HostId, PoolId, ResourceId, SessionId, UserId};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn connection(n: u128) -> ConnectionId {
    ConnectionId::from_random(n)
}

fn session(protocol: Protocol, state: SessionState) -> Session {
    Session {
        id: SessionId::from_random(1),
        user: UserId::new("ina").unwrap(),
        resource: ResourceId::new("desktop").unwrap(),
        pool: PoolId::new("p").unwrap(),
        host: HostId::new("h").unwrap(),
        account: "ina".into(),
        protocol,
        created_at: NOW,
        state,
        state_since: NOW,
        reconnect_grant_hash: "old".into(),
        last_client: None,
        on_host: None,
        holder: None,
    }
}

fn pending(until: Timestamp) -> SessionState {
    SessionState::Pending { until }
}

fn active(n: u128) -> SessionState {
    SessionState::Active {
        connection: connection(n),
        client_address: None,
    }
}

fn disconnected(reason: EndReason) -> SessionState {
    SessionState::Disconnected { reason }
}

fn ended(reason: EndReason) -> SessionState {
    SessionState::Ended { reason }
}

fn opened(n: u128) -> Event {
    Event::Opened {
        connection: connection(n),
        client_address: None,
        reconnect_grant_hash: "new".into(),
        holder: BrokerId::new("b").unwrap(),
    }
}

fn closed(n: u128, reason: EndReason) -> Event {
    Event::Closed {
        connection: connection(n),
        reason,
        host_word: HostWord::None,
    }
}

fn tick() -> Event {
    Event::Tick(Times::default())
}

fn close(n: u128, reason: EndReason) -> Option<Close> {
    Some(Close {
        connection: connection(n),
        reason,
        by: None,
    })
}

/// What becomes of an RDP session in `state`, and what is closed.
fn check(state: SessionState, event: &Event) -> (Result<SessionState, Unchanged>, Option<Close>) {
    check_protocol(Protocol::Rdp, state, event)
}

fn check_protocol(
    protocol: Protocol,
    state: SessionState,
    event: &Event,
) -> (Result<SessionState, Unchanged>, Option<Close>) {
    match step(&session(protocol, state), NOW, event) {
        Step::Changed { session, close } => (Ok(session.state), close),
        Step::Unchanged { why, close } => (Err(why), close),
    }
}

#[test]
fn a_launch_becomes_active_then_disconnected_then_active_again() {
    let lost = closed(1, EndReason::ClientLost);
    assert_eq!(
        check(pending(NOW.plus_ms(1)), &opened(1)),
        (Ok(active(1)), None)
    );
    assert_eq!(
        check(active(1), &lost),
        (Ok(disconnected(EndReason::ClientLost)), None)
    );
    assert_eq!(
        check(disconnected(EndReason::ClientLost), &opened(2)),
        (Ok(active(2)), None)
    );
}

#[test]
fn a_second_viewer_takes_over_with_its_own_grant_and_closes_the_first() {
    let before = session(Protocol::Rdp, active(1));
    let Step::Changed {
        session,
        close: closing,
    } = step(&before, NOW, &opened(2))
    else {
        panic!("not taken over");
    };
    assert_eq!(session.state, active(2));
    assert_eq!(session.reconnect_grant_hash, "new");
    assert_eq!(closing, close(1, EndReason::TakenOver));
    // The late report of the first connection is not about the session any more.
    assert_eq!(
        check(active(2), &closed(1, EndReason::TakenOver)),
        (Err(Unchanged::OtherConnection), None)
    );
}

#[test]
fn a_launch_that_fails_at_the_host_frees_its_place() {
    let failed = Event::Failed {
        connection: connection(1),
    };
    let state = pending(NOW.plus_ms(1));
    assert_eq!(
        check(state.clone(), &failed),
        (Ok(ended(EndReason::HostFailed)), None)
    );
    assert_eq!(
        check(state.clone(), &closed(1, EndReason::HostLost)),
        (Ok(ended(EndReason::HostLost)), None)
    );
    assert_eq!(
        check(state, &closed(1, EndReason::ClientLost)),
        (Err(Unchanged::NotOpenedYet), None)
    );
}

#[test]
fn a_failed_reconnect_does_not_end_the_session() {
    let failed = Event::Failed {
        connection: connection(2),
    };
    for state in [active(1), disconnected(EndReason::ClientLost)] {
        assert!(check(state, &failed).0.is_err());
    }
}

#[test]
fn a_log_off_ends_the_session_and_a_lost_host_keeps_the_desktop_but_not_the_shell() {
    for protocol in [Protocol::Rdp, Protocol::Ssh] {
        assert_eq!(
            check_protocol(protocol, active(1), &closed(1, EndReason::HostClosed)).0,
            Ok(ended(EndReason::HostClosed))
        );
    }
    let lost = closed(1, EndReason::HostLost);
    assert_eq!(
        check(active(1), &lost).0,
        Ok(disconnected(EndReason::HostLost))
    );
    assert_eq!(
        check_protocol(Protocol::Ssh, active(1), &lost).0,
        Ok(ended(EndReason::HostLost))
    );
}

#[test]
fn the_exit_of_the_program_ends_the_session_whoever_tells_it() {
    let exited = closed(1, EndReason::ProgramExited);
    let over = Ok(ended(EndReason::ProgramExited));
    assert_eq!(check(active(1), &exited), (over.clone(), None));
    assert_eq!(
        check(active(2), &exited),
        (over.clone(), close(2, EndReason::ProgramExited))
    );
    assert_eq!(
        check(disconnected(EndReason::ClientLost), &exited),
        (over, None)
    );
}

#[test]
fn an_unused_reservation_lapses_at_its_time() {
    assert_eq!(
        check(pending(NOW.plus_ms(1)), &tick()).0,
        Err(Unchanged::NotYet)
    );
    assert_eq!(
        check(pending(NOW), &tick()).0,
        Ok(ended(EndReason::TicketLapsed))
    );
    let again = pending(NOW.plus_ms(RESERVATION_LIFE_MS));
    assert_eq!(check(pending(NOW), &Event::Relaunched).0, Ok(again));
}

#[test]
fn a_clock_set_back_does_not_keep_a_reservation_for_an_hour() {
    let from_before = pending(NOW.plus_ms(3_600_000));
    assert_eq!(
        check(from_before, &tick()).0,
        Ok(pending(NOW.plus_ms(RESERVATION_LIFE_MS)))
    );
}

#[test]
fn a_stopped_process_leaves_desktops_disconnected_and_ends_shells() {
    let stopped = EndReason::ProcessStopped;
    let event = Event::ProcessStopped;
    assert_eq!(check(active(1), &event).0, Ok(disconnected(stopped)));
    assert_eq!(
        check_protocol(Protocol::Ssh, active(1), &event).0,
        Ok(ended(stopped))
    );
    assert_eq!(
        check_protocol(Protocol::Ssh, disconnected(EndReason::ClientLost), &event).0,
        Ok(ended(stopped))
    );
    assert_eq!(
        check(pending(NOW), &event).0,
        Ok(pending(NOW.plus_ms(RESERVATION_LIFE_MS)))
    );
}

#[test]
fn disconnecting_and_ending_close_the_connection() {
    let end = Event::End {
        reason: EndReason::OperatorEnded,
    };
    let disconnect = Event::Disconnect {
        reason: EndReason::UserDisconnected,
    };
    assert_eq!(
        check(active(1), &disconnect),
        (
            Ok(disconnected(EndReason::UserDisconnected)),
            close(1, EndReason::UserDisconnected)
        )
    );
    assert_eq!(
        check(active(1), &end),
        (
            Ok(ended(EndReason::OperatorEnded)),
            close(1, EndReason::OperatorEnded)
        )
    );
    assert_eq!(
        check(pending(NOW), &disconnect).0,
        Err(Unchanged::NotConnected)
    );
}

#[test]
fn a_connection_that_opens_after_the_end_is_closed() {
    assert_eq!(
        check(ended(EndReason::UserEnded), &opened(3)),
        (Err(Unchanged::Over), close(3, EndReason::UserEnded))
    );
}

fn seen(key: &str) -> Event {
    Event::SeenOnHost {
        on_host: on_host(key),
    }
}

fn on_host(key: &str) -> OnHost {
    OnHost {
        key: key.into(),
        boot: "boot".into(),
    }
}

fn closed_with_agent(n: u128, reason: EndReason) -> Event {
    Event::Closed {
        connection: connection(n),
        reason,
        host_word: HostWord::Agent,
    }
}

#[test]
fn an_orderly_close_waits_for_the_agents_word_where_there_is_an_agent() {
    let event = closed_with_agent(1, EndReason::HostClosed);
    assert_eq!(
        check(active(1), &event).0,
        Ok(disconnected(EndReason::HostClosed))
    );
    // An engine knows its shells itself.
    assert_eq!(
        check_protocol(Protocol::Ssh, active(1), &event).0,
        Ok(ended(EndReason::HostClosed))
    );
    assert_eq!(
        check(disconnected(EndReason::HostClosed), &Event::MissingOnHost).0,
        Ok(ended(EndReason::LoggedOff))
    );
}

#[test]
fn what_the_agent_sees_is_noted_and_an_opening_forgets_it() {
    for state in [
        pending(NOW.plus_ms(1)),
        active(1),
        disconnected(EndReason::ClientLost),
    ] {
        let before = session(Protocol::Rdp, state.clone());
        let later = NOW.plus_ms(5);
        let Step::Changed { session, close } = step(&before, later, &seen("xrdp:10")) else {
            panic!("not noted");
        };
        assert_eq!(session.on_host, Some(on_host("xrdp:10")));
        assert_eq!((&session.state, session.state_since), (&state, NOW));
        assert_eq!(close, None);
        let again = step(&session, later, &seen("xrdp:10"));
        assert!(matches!(again, Step::Unchanged { .. }));
        let Step::Changed { session, .. } = step(&session, later, &opened(2)) else {
            panic!("not opened");
        };
        assert_eq!(session.on_host, None);
        assert_eq!(session.holder.as_ref().unwrap().as_str(), "b");
    }
}

#[test]
fn a_reservation_does_not_lapse_under_a_desktop_that_exists() {
    let mut before = session(Protocol::Rdp, pending(NOW));
    before.on_host = Some(on_host("xrdp:10"));
    let Step::Changed { session, .. } = step(&before, NOW, &tick()) else {
        panic!("still pending");
    };
    assert_eq!(session.state, disconnected(EndReason::TicketLapsed));
    // The agent saw it go before the ticket lapsed.
    let Step::Changed { session, .. } = step(&before, NOW, &Event::MissingOnHost) else {
        panic!("still noted");
    };
    assert_eq!((&session.state, &session.on_host), (&pending(NOW), &None));
}

#[test]
fn missing_and_restarted_end_what_runs_and_close_its_connection() {
    for (event, reason) in [
        (Event::MissingOnHost, EndReason::LoggedOff),
        (Event::HostRestarted, EndReason::HostRestarted),
    ] {
        assert_eq!(
            check(active(1), &event),
            (Ok(ended(reason)), close(1, reason))
        );
        let left = disconnected(EndReason::ClientLost);
        assert_eq!(check(left, &event), (Ok(ended(reason)), None));
        assert_eq!(
            check(pending(NOW), &event).0,
            Err(Unchanged::AlreadySo),
            "a reservation is not ended by what is not there yet"
        );
    }
}

#[test]
fn limits_end_a_session_at_their_second_and_not_before() {
    let at = |in_state_ms, age_ms| {
        Event::Tick(Times {
            in_state_ms,
            age_ms,
            disconnected_timeout_s: 60,
            session_timeout_s: 600,
        })
    };
    let left = || disconnected(EndReason::ClientLost);
    let too_long = Ok(ended(EndReason::DisconnectedTimeout));
    assert_eq!(check(left(), &at(59_999, 0)).0, Err(Unchanged::NotYet));
    assert_eq!(check(left(), &at(60_000, 0)).0, too_long);
    let too_old = EndReason::SessionTimeout;
    assert_eq!(check(left(), &at(0, 600_000)).0, Ok(ended(too_old)));
    assert_eq!(check(active(1), &at(0, 599_999)).0, Err(Unchanged::NotYet));
    assert_eq!(
        check(active(1), &at(0, 600_000)),
        (Ok(ended(too_old)), close(1, too_old))
    );
    // 0 means never.
    let never = Event::Tick(Times {
        in_state_ms: u64::MAX,
        age_ms: u64::MAX,
        ..Times::default()
    });
    for state in [active(1), left()] {
        assert_eq!(check(state, &never).0, Err(Unchanged::NotYet));
    }
}

/// Every event in every state, in one table: what people review.
#[test]
fn the_table_is_complete() {
    use EndReason::*;
    let lapsed = pending(NOW);
    let waiting = pending(NOW.plus_ms(1_000));
    let states = [
        ("pending", waiting),
        ("lapsed", lapsed),
        ("active", active(1)),
        ("disconnected", disconnected(ClientLost)),
        ("ended", ended(LoggedOff)),
    ];
    let mut events: Vec<(String, Event)> = vec![
        ("relaunched".into(), Event::Relaunched),
        ("opened its".into(), opened(1)),
        ("opened other".into(), opened(2)),
        (
            "failed its".into(),
            Event::Failed {
                connection: connection(1),
            },
        ),
        (
            "failed other".into(),
            Event::Failed {
                connection: connection(2),
            },
        ),
        ("tick".into(), tick()),
        ("process-stopped".into(), Event::ProcessStopped),
        ("seen".into(), seen("k")),
        ("missing".into(), Event::MissingOnHost),
        ("restarted".into(), Event::HostRestarted),
        (
            "disconnect".into(),
            Event::Disconnect {
                reason: OperatorEnded,
            },
        ),
        ("end".into(), Event::End { reason: UserEnded }),
        ("agent host-closed".into(), closed_with_agent(1, HostClosed)),
    ];
    for reason in EndReason::ALL {
        events.push((format!("closed {}", reason.as_str()), closed(1, reason)));
    }
    let mut table = String::new();
    for (name, event) in &events {
        table += &format!("{name:<28}");
        for (_, state) in &states {
            let (outcome, close) = check(state.clone(), event);
            let word = match outcome {
                Ok(SessionState::Pending { .. }) => "pending".to_owned(),
                Ok(SessionState::Active { .. }) => "active".to_owned(),
                Ok(SessionState::Disconnected { .. }) => "disconnected".to_owned(),
                Ok(SessionState::Ended { reason }) => format!("-{}", reason.as_str()),
                Err(why) => format!("{why:?}").to_lowercase(),
            };
            let mark = if close.is_some() { "!" } else { "" };
            table += &format!(" {:<21}", format!("{word}{mark}"));
        }
        table = table.trim_end().to_owned() + "\n";
    }
    let names: String = states
        .iter()
        .map(|(name, _)| format!(" {name:<21}"))
        .collect();
    let table = format!("{:<28}{}\n{table}", "", names.trim_end());
    assert_eq!(
        table,
        include_str!("../../data/life-cycle.txt"),
        "\n{table}"
    );
}

fn any_state() -> impl Strategy<Value = SessionState> {
    let reason = || proptest::sample::select(&EndReason::ALL[..]);
    prop_oneof![
        any::<i64>().prop_map(|ms| pending(Timestamp::from_unix_ms(ms))),
        (0..3_u128).prop_map(active),
        reason().prop_map(disconnected),
        reason().prop_map(ended),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let reason = || proptest::sample::select(&EndReason::ALL[..]);
    prop_oneof![
        Just(Event::Relaunched),
        (0..3_u128).prop_map(opened),
        (0..3_u128).prop_map(|n| Event::Failed {
            connection: connection(n)
        }),
        ((0..3_u128), reason()).prop_map(|(n, reason)| closed(n, reason)),
        ((0..3_u128), reason()).prop_map(|(n, reason)| closed_with_agent(n, reason)),
        reason().prop_map(|reason| Event::Disconnect { reason }),
        reason().prop_map(|reason| Event::End { reason }),
        (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>()).prop_map(
            |(in_state_ms, age_ms, disconnected_timeout_s, session_timeout_s)| {
                Event::Tick(Times {
                    in_state_ms,
                    age_ms,
                    disconnected_timeout_s,
                    session_timeout_s,
                })
            }
        ),
        Just(Event::ProcessStopped),
        Just(seen("a")),
        Just(seen("b")),
        Just(Event::MissingOnHost),
        Just(Event::HostRestarted),
    ]
}

proptest! {
    #[test]
    fn every_event_in_every_state_is_answered(
        state in any_state(), event in any_event(), now: i64, ssh: bool, was_seen: bool,
    ) {
        let protocol = if ssh { Protocol::Ssh } else { Protocol::Rdp };
        let mut before = session(protocol, state);
        before.on_host = was_seen.then(|| on_host("a"));
        let now = Timestamp::from_unix_ms(now);
        match step(&before, now, &event) {
            Step::Changed { session, .. } => {
                prop_assert!(before.state.is_running(), "an ended session never comes back");
                let moved = session.state != before.state;
                prop_assert!(!moved || session.state_since == now);
                // Whose it is, what it is and where it runs never change.
                let same = Session {
                    state: before.state.clone(),
                    state_since: before.state_since,
                    reconnect_grant_hash: before.reconnect_grant_hash.clone(),
                    last_client: before.last_client,
                    on_host: before.on_host.clone(),
                    holder: before.holder.clone(),
                    ..(*session).clone()
                };
                prop_assert_eq!(&same, &before);
                if let Event::End { .. } = event {
                    prop_assert!(!session.state.is_running());
                }
            }
            Step::Unchanged { why, .. } => {
                prop_assert_eq!(why == Unchanged::Over, !before.state.is_running());
            }
        }
    }

    #[test]
    fn an_event_that_comes_twice_changes_once(state in any_state(), event in any_event()) {
        if let Step::Changed { session, .. } = step(&session(Protocol::Rdp, state), NOW, &event)
            && let Step::Changed { session: again, .. } = step(&session, NOW, &event)
        {
            // Time goes on all the same: what is disconnected can be so for too long.
            prop_assert!(again == session || matches!(event, Event::Tick(_)));
        }
    }
}
