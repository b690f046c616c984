//! The four rules, affinity and the load index.

use super::*;

#[test]
fn the_host_with_the_fewest_sessions_for_its_limit_is_chosen() {
    let hosts = [case("a", 3, 10), case("b", 4, 20), case("c", 1, 4)];
    let placement = Scene::of(PlacementRule::FewestSessions, hosts)
        .place()
        .unwrap();
    assert_eq!(placement.host.as_str(), "b");
    let choice = Choice::FewestSessions {
        sessions: 4,
        sessions_max: 20,
    };
    assert_eq!(placement.choice, choice);
    let more = |sessions, sessions_max| NotChosen::MoreSessions {
        sessions,
        sessions_max,
    };
    assert_eq!(
        reasons(&placement.others),
        [("a".into(), more(3, 10)), ("c".into(), more(1, 4))]
    );
}

#[test]
fn the_lot_decides_between_equals_only() {
    let hosts = [case("b", 1, 10), case("a", 2, 20), case("c", 2, 10)];
    for (rule, same) in [
        (PlacementRule::FewestSessions, "as-few-sessions"),
        (PlacementRule::ResourceBased, "same-load"),
    ] {
        let mut scene = Scene::of(rule, hosts.clone());
        for (lot, expected) in [(0, "a"), (1, "b"), (2, "a"), (u64::MAX, "b")] {
            scene.lot = lot;
            let placement = scene.place().unwrap();
            assert_eq!(placement.host.as_str(), expected);
            assert_eq!(placement.others[0].reason.code(), same);
        }
    }
}

#[test]
fn the_user_comes_back_to_the_last_host_when_it_is_as_eligible() {
    let hosts = [case("a", 0, 9), case("b", 8, 9)];
    for rule in [
        PlacementRule::ResourceBased,
        PlacementRule::FewestSessions,
        PlacementRule::RoundRobin,
        PlacementRule::Pack,
    ] {
        let mut scene = Scene::of(rule, hosts.clone());
        scene.last_host = Some(HostId::new("b").unwrap());
        let placement = scene.place().unwrap();
        let choice = Choice::LastHost {
            sessions: 8,
            sessions_max: 9,
        };
        assert_eq!(placement.choice, choice);
        assert_eq!(placement.others[0].reason, NotChosen::NotLastHost);
        let change = [
            (|s: &mut Scene| s.hosts[1].sessions = 9) as fn(&mut Scene),
            |s| s.hosts[1].penalty = Some(penalty::after_failure(None, NOW)),
            |s| {
                s.client_site = Some(SiteId::new("oslo").unwrap());
                s.hosts[1].host.site = Some(SiteId::new("rome").unwrap());
            },
        ];
        for change in change {
            let mut scene = scene.clone();
            change(&mut scene);
            assert_eq!(scene.chosen(), "a");
        }
        scene.rules.affinity = false;
        assert_ne!(scene.place().unwrap().choice.code(), "last-host");
    }
}

#[test]
fn the_load_index_is_the_weighted_mean_over_the_weight() {
    let weights = LoadWeights::default();
    let load = Load {
        cpu: 8_000,
        memory: 5_000,
        run_queue: 10_000,
        disk_wait: 2_000,
        ..Load::default()
    };
    let busy = case("a", 5, 10).with(|c| c.load = Some(load));
    let index = |case: &Case| load::load_index(&case.snapshot(), &weights);
    // 0.40 * 50 + 0.25 * 80 + 0.20 * 50 + 0.10 * 50 + 0.05 * 20 = 56
    assert_eq!(index(&busy), 5_600);
    assert_eq!(index(&busy.clone().weighing(200)), 2_800);
    assert_eq!(index(&busy.clone().weighing(50)), 11_200);
    assert_eq!(index(&case("a", 5, 10)), 5_000, "only sessions are known");
    // Absurd numbers stay numbers.
    let absurd = case("a", u32::MAX, 0).with(|c| {
        c.load = Some(Load {
            cpu: u32::MAX,
            memory: u32::MAX,
            run_queue: u32::MAX,
            disk_wait: u32::MAX,
            ..load
        });
        c.host.weight = 0;
    });
    assert_eq!(index(&absurd), u32::MAX);
    let highest = LoadWeights {
        sessions: u32::MAX,
        cpu: u32::MAX,
        memory: u32::MAX,
        run_queue: u32::MAX,
        disk_wait: u32::MAX,
    };
    assert_eq!(load::load_index(&absurd.snapshot(), &highest), u32::MAX);
    let nothing = LoadWeights {
        sessions: 0,
        cpu: 0,
        memory: 0,
        run_queue: 0,
        disk_wait: 0,
    };
    assert_eq!(load::load_index(&busy.snapshot(), &nothing), 5_600);
}

#[test]
fn each_measure_counts_by_its_weight() {
    let measures: [fn(&mut Load); 4] = [
        |l| l.cpu = 9_000,
        |l| l.memory = 9_000,
        |l| l.run_queue = 90_000,
        |l| l.disk_wait = 9_000,
    ];
    let none = LoadWeights {
        sessions: 1,
        cpu: 0,
        memory: 0,
        run_queue: 0,
        disk_wait: 0,
    };
    let counts: [fn(&mut LoadWeights); 4] = [
        |w| w.cpu = 9,
        |w| w.memory = 9,
        |w| w.run_queue = 9,
        |w| w.disk_wait = 9,
    ];
    for (at, measure) in measures.iter().enumerate() {
        for (with, count) in counts.iter().enumerate() {
            let busy = case("a", 0, 10).busy(0).with(|c| {
                measure(c.load.as_mut().unwrap());
            });
            let mut scene = Scene::of(
                PlacementRule::ResourceBased,
                [busy, case("b", 1, 10).busy(0)],
            );
            scene.rules.load_weights = none;
            count(&mut scene.rules.load_weights);
            let expected = if at == with { "b" } else { "a" };
            assert_eq!(scene.chosen(), expected, "measure {at}, weight {with}");
        }
    }
}

#[test]
fn the_least_loaded_host_is_chosen_and_the_others_say_by_how_much() {
    let hosts = [
        case("a", 2, 10).busy(9_000),
        case("b", 4, 10).busy(1_000),
        case("c", 4, 10).busy(1_000),
    ];
    let placement = Scene::of(PlacementRule::ResourceBased, hosts)
        .place()
        .unwrap();
    assert_eq!(placement.host.as_str(), "b");
    let choice = Choice::ResourceBased {
        index: 1_850,
        sessions: 4,
        sessions_max: 10,
    };
    assert_eq!(placement.choice, choice);
    let higher = NotChosen::HigherLoad {
        index: 3_050,
        chosen: 1_850,
    };
    assert_eq!(
        reasons(&placement.others),
        [
            ("a".into(), higher),
            ("c".into(), NotChosen::SameLoad { index: 1_850 })
        ]
    );
}

#[test]
fn a_host_without_agent_is_taken_to_be_as_busy_as_the_others() {
    // All are equally full: neither the one without agent nor those with one are better.
    for sessions in [0, 3, 9] {
        for busy in [0, 5_000, 10_000] {
            let agents = [
                case("a", sessions, 10).busy(busy),
                case("b", sessions, 10).busy(busy),
                case("none", sessions, 10),
            ];
            let mut scene = Scene::of(PlacementRule::ResourceBased, agents);
            let chosen: Vec<_> = (0..3)
                .map(|lot| {
                    scene.lot = lot;
                    scene.chosen()
                })
                .collect();
            assert_eq!(chosen, ["a", "b", "none"]);
            // One session less decides.
            for at in 0..3 {
                let mut scene = scene.clone();
                scene.hosts.iter_mut().for_each(|c| c.sessions += 1);
                scene.hosts[at].sessions -= 1;
                scene
                    .hosts
                    .iter_mut()
                    .for_each(|c| c.host.sessions_max = 11);
                let expected = scene.hosts[at].id.to_string();
                assert_eq!(scene.chosen(), expected);
            }
        }
    }
}

#[test]
fn round_robin_goes_from_host_to_host_and_past_those_that_are_out() {
    let mut scene = Scene::of(
        PlacementRule::RoundRobin,
        [case("c", 0, 9), case("a", 8, 9), case("b", 3, 9)],
    );
    let round = |scene: &mut Scene| -> Vec<String> {
        (0..6)
            .map(|turn| {
                scene.turn = turn;
                let placement = scene.place().unwrap();
                assert_eq!(placement.choice, Choice::RoundRobin);
                assert!(
                    !placement.others[0].reason.was_eligible()
                        || placement.others[0].reason == NotChosen::NotItsTurn
                );
                placement.host.to_string()
            })
            .collect()
    };
    assert_eq!(round(&mut scene), ["a", "b", "c", "a", "b", "c"]);
    scene.hosts[2].sessions = 9;
    assert_eq!(round(&mut scene), ["a", "c", "a", "c", "a", "c"]);
}

#[test]
fn round_robin_gives_turns_by_weight_and_keeps_them_apart() {
    let hosts = [
        case("a", 0, 9).weighing(100),
        case("b", 0, 9).weighing(300),
        case("c", 0, 9).weighing(101),
    ];
    let mut scene = Scene::of(PlacementRule::RoundRobin, hosts);
    let mut turns = std::collections::BTreeMap::new();
    let (mut longest, mut run, mut before) = (0, 0, String::new());
    for turn in 0..501 {
        scene.turn = turn;
        let chosen = scene.chosen();
        run = if chosen == before { run + 1 } else { 1 };
        longest = longest.max(run);
        before.clone_from(&chosen);
        *turns.entry(chosen).or_insert(0) += 1;
    }
    assert_eq!(
        turns.into_iter().collect::<Vec<_>>(),
        [("a".into(), 100), ("b".into(), 300), ("c".into(), 101)]
    );
    assert!(longest <= 4, "{longest} turns in a row");
}

#[test]
fn pack_fills_one_host_after_the_other() {
    let hosts = [
        case("c", 0, 3),
        case("b", 0, 2),
        case("a", 0, 2),
        case("heavy", 0, 2).weighing(200),
    ];
    let mut scene = Scene::of(PlacementRule::Pack, hosts);
    for reversed in [false, true] {
        let mut scene = scene.clone();
        if reversed {
            scene.hosts.reverse();
        }
        let mut filled = Vec::new();
        for lot in 0..9 {
            scene.lot = lot * 7;
            let chosen = scene.place().unwrap().host;
            let host = scene.hosts.iter_mut().find(|c| c.id == chosen).unwrap();
            host.sessions += 1;
            filled.push(chosen.to_string());
        }
        let in_turn = ["heavy", "heavy", "a", "a", "b", "b", "c", "c", "c"];
        assert_eq!(filled, in_turn);
    }
    scene.hosts[0].sessions = 2;
    scene.hosts[1].sessions = 1;
    scene.hosts[2].sessions = 1;
    scene.hosts[3].sessions = 0;
    let placement = scene.place().unwrap();
    assert_eq!(placement.host.as_str(), "c");
    assert!(
        placement
            .others
            .iter()
            .all(|v| v.reason.code() == "emptier-than-chosen")
    );
    scene.hosts.remove(0);
    let placement = scene.place().unwrap();
    assert_eq!(placement.others[0].reason.code(), "as-full");
}
