//! Reconnecting wins over placement.

use portico_model::estate::{ResumeFrom, SessionsPerUser};

use super::*;

#[test]
fn an_empty_pool_is_refused_without_hosts() {
    assert_eq!(Scene::default().refused(), []);
}

#[test]
fn a_draining_full_or_silent_host_takes_reconnects_but_no_new_sessions() {
    let mut scene = Scene::of(
        PlacementRule::ResourceBased,
        [
            case("a", 1, 1).with(|c| {
                c.mode = Some(set(HostMode::Drain));
                c.sight = Sight::Silent { since: NOW };
                c.accounts = vec!["ina"];
                c.sign_ins = 5;
                c.penalty = Some(penalty::after_failure(None, NOW));
            }),
            case("b", 0, 9),
        ],
    );
    assert_eq!(scene.chosen(), "b");
    scene.session = Some(session("a", disconnected()));
    let placement = scene.place().unwrap();
    assert_eq!(placement.host.as_str(), "a");
    assert_eq!(
        placement.choice,
        Choice::Resumed {
            session: SessionId::from_random(7)
        }
    );
    assert_eq!(
        reasons(&placement.others),
        [("b".into(), NotChosen::SessionElsewhere)]
    );
}

#[test]
fn a_host_that_lets_nobody_in_keeps_its_sessions_from_being_doubled_elsewhere() {
    for (change, reason) in [
        (
            (|c: &mut Case| c.host.mode = HostMode::Disabled) as fn(&mut Case),
            NotChosen::Disabled { set: None },
        ),
        (
            |c: &mut Case| c.mode = Some(set(HostMode::Disabled)),
            NotChosen::Disabled {
                set: Some(set(HostMode::Disabled)),
            },
        ),
        (|c: &mut Case| c.trusted = false, NotChosen::NotTrusted),
        (
            |c: &mut Case| c.host.protocol = Protocol::Ssh,
            NotChosen::OtherProtocol,
        ),
    ] {
        let hosts = [case("a", 1, 9).with(change), case("b", 0, 9)];
        let mut scene = Scene::of(PlacementRule::ResourceBased, hosts)
            .coming_back_to(session("a", disconnected()));
        let refused = [
            ("a".into(), reason),
            ("b".into(), NotChosen::SessionElsewhere),
        ];
        assert_eq!(scene.refused(), refused);
        // The same of a desktop that only the agent knows, but for hosts that have none.
        scene.session = None;
        scene.hosts[0].holds_account = true;
        if scene.hosts[0].host.protocol == Protocol::Rdp {
            assert_eq!(scene.refused(), refused);
        }
    }
}

#[test]
fn a_session_is_resumed_on_a_host_that_is_not_in_the_pool_any_more() {
    let mut scene = Scene::of(PlacementRule::ResourceBased, [case("a", 0, 9)]);
    let elsewhere = host(9);
    let session = session("x", disconnected());
    scene.rules.site_rule = portico_model::estate::SiteRule::Require;
    let placement = scene.with(|input| {
        let resumable = Resumable {
            session: &session,
            host: Some(&elsewhere),
            mode: None,
            trusted: true,
        };
        let input = PlacementInput {
            session: Some(resumable),
            ..input.clone()
        };
        place(&input, NOW).unwrap()
    });
    assert_eq!(placement.host.as_str(), "x");
    assert_eq!(placement.others.len(), 1);
}

#[test]
fn there_is_nothing_to_resume_when_the_host_has_gone_or_the_reservation_lapsed() {
    let scene = Scene::of(
        PlacementRule::ResourceBased,
        [case("a", 5, 9), case("b", 0, 9)],
    );
    let ended = SessionState::Ended {
        reason: EndReason::HostClosed,
    };
    for session in [
        session("gone", disconnected()),
        session("a", SessionState::Pending { until: NOW }),
        session("a", ended),
    ] {
        assert_eq!(scene.clone().coming_back_to(session).chosen(), "b");
    }
    let until = NOW.plus_ms(1);
    let pending = session("a", SessionState::Pending { until });
    assert_eq!(scene.coming_back_to(pending).chosen(), "a");
}

#[test]
fn a_session_is_resumed_from_its_network_only_where_the_pool_says_so() {
    let mut scene = Scene::of(PlacementRule::ResourceBased, [case("a", 1, 9)]);
    let mut left = session("a", disconnected());
    let mut check = |last: Option<&str>, client: Option<&str>, from: ResumeFrom| {
        left.last_client = last.map(|a| a.parse().unwrap());
        scene.client_address = client.map(|a| a.parse().unwrap());
        scene.rules.resume_from = from;
        match scene.clone().coming_back_to(left.clone()).place() {
            Ok(placement) => placement.host.to_string(),
            Err(Refusal::ResumeElsewhere { network, host, .. }) => {
                assert_eq!(host.as_str(), "a");
                network.to_string()
            }
            other => panic!("{other:?}"),
        }
    };
    let same = ResumeFrom::SameNetwork;
    for (last, client, outcome) in [
        (Some("192.0.2.7"), Some("192.0.2.200"), "a"),
        (Some("192.0.2.7"), Some("::ffff:192.0.2.200"), "a"),
        (Some("::ffff:192.0.2.7"), Some("192.0.2.200"), "a"),
        (Some("192.0.2.7"), Some("192.0.3.7"), "192.0.2.0/24"),
        (Some("192.0.2.7"), Some("2001:db8::7"), "192.0.2.0/24"),
        (Some("192.0.2.7"), None, "192.0.2.0/24"),
        (Some("2001:db8::7"), Some("2001:db8::ffff"), "a"),
        (
            Some("2001:db8::7"),
            Some("2001:db8:0:1::7"),
            "2001:db8::/64",
        ),
        // Where it was used last is not known.
        (None, Some("192.0.2.7"), "a"),
        (None, None, "a"),
    ] {
        assert_eq!(check(last, client, same), outcome, "{last:?} {client:?}");
        assert_eq!(check(last, client, ResumeFrom::Anywhere), "a");
    }
}

#[test]
fn a_desktop_that_only_the_agent_knows_is_gone_to_so_that_no_second_arises() {
    let mut scene = Scene::of(
        PlacementRule::FewestSessions,
        [
            case("a", 0, 9),
            case("b", 9, 9).with(|c| {
                c.holds_account = true;
                c.mode = Some(set(HostMode::Drain));
                c.sign_ins = 7;
            }),
            case("c", 3, 9).with(|c| c.holds_account = true),
        ],
    );
    scene.last_host = Some(HostId::new("a").unwrap());
    let placement = scene.place().unwrap();
    assert_eq!(placement.host.as_str(), "b", "the first by name");
    assert_eq!(placement.choice, Choice::RunsThere);
    assert_eq!(placement.others[0].reason, NotChosen::SessionElsewhere);
    scene.last_host = Some(HostId::new("c").unwrap());
    assert_eq!(scene.chosen(), "c", "the one of the last session");
    // One that lets nobody in is not preferred to one that does.
    scene.hosts[2].trusted = false;
    assert_eq!(scene.chosen(), "b");
    // The directory's own sessions win.
    scene.session = Some(session("a", disconnected()));
    assert_eq!(scene.chosen(), "a");
}

#[test]
fn an_unknown_desktop_counts_only_where_it_would_be_landed_in() {
    let holder = |change: fn(&mut Case)| {
        case("b", 3, 9)
            .with(|c| c.holds_account = true)
            .with(change)
    };
    let place = |b: Case| {
        let scene = Scene::of(PlacementRule::FewestSessions, [case("a", 0, 9), b]);
        scene.place().unwrap()
    };
    for change in [
        (|c: &mut Case| c.host.sessions_per_account = SessionsPerAccount::Many) as fn(&mut Case),
        // A session of another resource is in it.
        |c| c.accounts = vec!["ina"],
        // The word of an agent that was shut out.
        |c| c.sight = Sight::Revoked,
        // Its desktops are not what is launched.
        |c| c.host.protocol = Protocol::Ssh,
    ] {
        assert_eq!(place(holder(change)).host.as_str(), "a");
    }
    assert_eq!(place(holder(|_| ())).choice, Choice::RunsThere);
}

#[test]
fn where_a_person_has_any_number_of_sessions_a_launch_keeps_away_from_unknown_ones() {
    let mut scene = Scene::of(
        PlacementRule::FewestSessions,
        [
            case("a", 5, 9),
            case("b", 0, 9).with(|c| c.holds_account = true),
        ],
    );
    scene.rules.sessions_per_user = SessionsPerUser::Many;
    let placement = scene.place().unwrap();
    assert_eq!(placement.host.as_str(), "a");
    assert_eq!(placement.others[0].reason.code(), "account-in-use");
}
