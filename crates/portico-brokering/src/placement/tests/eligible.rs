//! Who is no candidate, and why.

use portico_model::estate::SiteRule;

use super::*;

#[test]
fn every_host_that_cannot_take_the_session_says_why() {
    let down = Sight::Unreachable {
        detail: "refused".into(),
    };
    let silent = Sight::Silent { since: NOW };
    let sight = |id: &str, sight: Sight| case(id, 0, 9).with(|c| c.sight = sight);
    let mut scene = Scene::of(
        PlacementRule::ResourceBased,
        [
            case("off", 0, 9).with(|c| c.host.mode = HostMode::Disabled),
            case("drain", 0, 9).with(|c| c.host.mode = HostMode::Drain),
            case("set-off", 0, 9).with(|c| c.mode = Some(set(HostMode::Disabled))),
            case("set-drain", 0, 9).with(|c| c.mode = Some(set(HostMode::Drain))),
            case("ssh", 0, 9).with(|c| c.host.protocol = Protocol::Ssh),
            case("new", 0, 9).with(|c| c.trusted = false),
            sight("revoked", Sight::Revoked),
            sight("never", Sight::NeverJoined),
            sight("waiting", Sight::WaitingForApproval),
            case("far", 0, 9).at("rome"),
            case("mine", 1, 9).with(|c| c.accounts = vec!["tom", "ina"]),
            sight("silent", silent),
            sight("down", down),
            sight("unseen", Sight::NotProbed),
            case("full", 9, 9),
            case("nothing", 0, 0),
            case("storm", 2, 9).with(|c| c.sign_ins = 2),
        ],
    );
    scene.rules.site_rule = SiteRule::Require;
    let expected = [
        NotChosen::Disabled { set: None },
        NotChosen::Draining { set: None },
        NotChosen::Disabled {
            set: Some(set(HostMode::Disabled)),
        },
        NotChosen::Draining {
            set: Some(set(HostMode::Drain)),
        },
        NotChosen::OtherProtocol,
        NotChosen::NotTrusted,
        NotChosen::Revoked,
        NotChosen::NeverJoined,
        NotChosen::WaitingForApproval,
        NotChosen::OtherSite {
            site: SiteId::new("rome").unwrap(),
        },
        NotChosen::AccountInUse {
            account: "ina".into(),
        },
        NotChosen::Silent { since: NOW },
        NotChosen::Unreachable {
            detail: "refused".into(),
        },
        NotChosen::NotProbed,
        NotChosen::Full {
            sessions: 9,
            sessions_max: 9,
        },
        NotChosen::Full {
            sessions: 0,
            sessions_max: 0,
        },
        NotChosen::SignInsInProgress {
            sign_ins: 2,
            sign_ins_max: 2,
        },
    ];
    let names = scene.hosts.iter().map(|c| c.id.to_string());
    let expected: Vec<_> = names.zip(expected).collect();
    assert_eq!(scene.refused(), expected);
}

#[test]
fn what_an_operator_set_is_told_before_what_passes_by_itself() {
    let mut worst = case("a", 9, 9).with(|c| {
        c.mode = Some(set(HostMode::Drain));
        c.trusted = false;
        c.sight = Sight::Silent { since: NOW };
        c.sign_ins = 9;
        c.accounts = vec!["ina"];
    });
    let mut told = Vec::new();
    for mend in [
        |c: &mut Case| c.mode = None,
        |c: &mut Case| c.trusted = true,
        |c: &mut Case| c.accounts = vec![],
        |c: &mut Case| c.sight = Sight::Fresh,
        |c: &mut Case| c.sessions = 8,
        |c: &mut Case| c.sign_ins = 0,
    ] {
        let scene = Scene::of(PlacementRule::ResourceBased, [worst.clone()]);
        told.push(scene.refused().swap_remove(0).1.code());
        mend(&mut worst);
    }
    let order = [
        "draining",
        "not-trusted",
        "account-in-use",
        "silent",
        "full",
        "sign-ins-in-progress",
    ];
    assert_eq!(told, order);
    let scene = Scene::of(PlacementRule::ResourceBased, [worst]);
    assert_eq!(scene.chosen(), "a");
}

#[test]
fn the_stricter_mode_counts_and_only_one_that_matters_is_named() {
    let both = |estate: HostMode, over: HostMode| {
        case("a", 0, 9).with(|c| {
            c.host.mode = estate;
            c.mode = Some(set(over));
        })
    };
    for (estate, over, reason) in [
        (
            HostMode::Drain,
            HostMode::Enabled,
            NotChosen::Draining { set: None },
        ),
        (
            HostMode::Drain,
            HostMode::Drain,
            NotChosen::Draining { set: None },
        ),
        (
            HostMode::Drain,
            HostMode::Disabled,
            NotChosen::Disabled {
                set: Some(set(HostMode::Disabled)),
            },
        ),
        (
            HostMode::Disabled,
            HostMode::Drain,
            NotChosen::Disabled { set: None },
        ),
    ] {
        let scene = Scene::of(PlacementRule::ResourceBased, [both(estate, over)]);
        assert_eq!(scene.refused(), [("a".into(), reason)]);
    }
}

#[test]
fn the_storm_guard_spreads_sign_ins_and_0_turns_it_off() {
    let mut scene = Scene::of(
        PlacementRule::ResourceBased,
        [
            case("a", 2, 99).with(|c| c.sign_ins = 2),
            case("b", 50, 99).with(|c| c.sign_ins = 1),
        ],
    );
    assert_eq!(scene.chosen(), "b");
    scene.rules.sign_ins_max = 3;
    assert_eq!(scene.chosen(), "a");
    scene.rules.sign_ins_max = 0;
    assert_eq!(scene.chosen(), "a");
    scene.rules.sign_ins_max = 1;
    assert_eq!(scene.refused().len(), 2);
}

#[test]
fn an_account_has_several_sessions_only_where_the_host_allows_it() {
    let mut scene = Scene::of(
        PlacementRule::ResourceBased,
        [case("a", 1, 9).with(|c| c.accounts = vec!["ina"])],
    );
    assert_eq!(scene.refused()[0].1.code(), "account-in-use");
    scene.hosts[0].host.sessions_per_account = SessionsPerAccount::Many;
    assert_eq!(scene.chosen(), "a");
    scene.hosts[0].host.sessions_per_account = SessionsPerAccount::One;
    assert_eq!(scene.refused()[0].1.code(), "account-in-use");
    scene.hosts[0].accounts = vec!["tom"];
    assert_eq!(scene.chosen(), "a");
}

#[test]
fn hosts_of_the_clients_site_come_first_and_with_require_they_alone() {
    let mut scene = Scene::of(
        PlacementRule::ResourceBased,
        [
            case("everywhere", 6, 9),
            case("oslo", 5, 9).at("oslo"),
            case("rome", 0, 9).at("rome"),
        ],
    );
    // A client that is at no site: nobody is near.
    assert_eq!(scene.chosen(), "rome");
    scene.client_site = Some(SiteId::new("oslo").unwrap());
    let placement = scene.place().unwrap();
    assert_eq!(placement.host.as_str(), "oslo");
    assert_eq!(placement.others[0].reason.code(), "higher-load");
    assert_eq!(placement.others[1].reason.code(), "other-site");
    // One without site serves every site.
    scene.hosts[0].sessions = 4;
    assert_eq!(scene.chosen(), "everywhere");
    // When none is near, a far one is better than none; unless the rule says otherwise.
    scene.hosts[0].sessions = 9;
    scene.hosts[1].sessions = 9;
    assert_eq!(scene.chosen(), "rome");
    scene.rules.site_rule = SiteRule::Require;
    assert_eq!(scene.refused().len(), 3);
    scene.client_site = None;
    assert_eq!(scene.refused().len(), 3);
    scene.hosts[0].sessions = 8;
    assert_eq!(scene.chosen(), "everywhere");
    scene.rules.site_rule = SiteRule::Ignore;
    assert_eq!(scene.chosen(), "rome");
}

#[test]
fn hosts_where_launches_fail_come_last_until_the_penalty_ends() {
    let mut scene = Scene::of(
        PlacementRule::ResourceBased,
        [case("a", 0, 9).penalised(), case("b", 8, 9)],
    );
    let placement = scene.place().unwrap();
    assert_eq!(placement.host.as_str(), "b");
    let until = NOW.plus_ms(penalty::FIRST_MS);
    let penalised = NotChosen::Penalised { until, failures: 1 };
    assert_eq!(placement.others[0].reason, penalised);
    assert_eq!(
        scene.with(|input| place(input, until)).unwrap().host,
        scene.hosts[0].id
    );
    // Better than none.
    scene.hosts[1].sessions = 9;
    assert_eq!(scene.chosen(), "a");
    // A penalty weighs more than the way to another site.
    scene.client_site = Some(SiteId::new("oslo").unwrap());
    scene.hosts[0].host.site = Some(SiteId::new("oslo").unwrap());
    scene.hosts[1] = case("b", 8, 9).at("rome");
    assert_eq!(scene.chosen(), "b");
}

#[test]
fn penalties_double_up_to_a_limit_and_are_forgotten() {
    let mut penalty = penalty::after_failure(None, NOW);
    let mut lengths = Vec::new();
    for _ in 0..9 {
        lengths.push(penalty.until.ms_since(NOW) / 1_000);
        penalty = penalty::after_failure(Some(penalty), NOW);
    }
    assert_eq!(lengths, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
    for _ in 0..penalty::FAILURES_MAX {
        penalty = penalty::after_failure(Some(penalty), NOW);
    }
    assert_eq!(penalty.failures, penalty::FAILURES_MAX);
    assert!(penalty.counts(NOW) && !penalty.counts(penalty.until));
    let much_later = penalty.until.plus_ms(600_000);
    assert_eq!(
        penalty::after_failure(Some(penalty), much_later).failures,
        1
    );
    assert_eq!(penalty::after_success(), None);
    // The clock was set back by a day: the penalty is from a time that never was.
    assert!(!penalty.counts(NOW.plus_ms(-86_400_000)));
    let after = penalty::after_failure(Some(penalty), NOW.plus_ms(-86_400_000));
    assert!(after.until <= NOW);
}

#[test]
fn why_not_lists_everything_that_keeps_new_sessions_away() {
    let pool = Pool::default();
    assert_eq!(why_not(&pool, &case("a", 0, 9).snapshot()), []);
    let bad = case("a", 9, 9).with(|c| {
        c.host.mode = HostMode::Drain;
        c.trusted = false;
        c.sight = Sight::Unreachable {
            detail: "refused".into(),
        };
    });
    let codes: Vec<_> = why_not(&pool, &bad.snapshot())
        .iter()
        .map(NotChosen::code)
        .collect();
    assert_eq!(codes, ["draining", "not-trusted", "unreachable", "full"]);
}
