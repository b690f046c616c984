//! What holds for every input.

use portico_model::estate::SiteRule;
use proptest::prelude::*;

use super::*;
use crate::placement::eligibility::barrier;

fn any_load() -> impl Strategy<Value = Option<Load>> {
    proptest::option::of(
        (0..10_001_u32, 0..10_001_u32, 0..50_000_u32, 0..10_001_u32).prop_map(
            |(cpu, memory, run_queue, disk_wait)| Load {
                cpu,
                memory,
                run_queue,
                disk_wait,
                ..Load::default()
            },
        ),
    )
}

fn any_mode() -> impl Strategy<Value = HostMode> {
    prop_oneof![
        8 => Just(HostMode::Enabled),
        1 => Just(HostMode::Drain),
        1 => Just(HostMode::Disabled),
    ]
}

/// Mostly the same, so that hosts are often equally good.
fn any_weight() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(100_u32), 1 => Just(200_u32), 1 => 1..400_u32]
}

fn any_sight() -> impl Strategy<Value = Sight> {
    prop_oneof![
        6 => Just(Sight::Reachable),
        6 => Just(Sight::Fresh),
        1 => Just(Sight::NotProbed),
        1 => Just(Sight::Unreachable { detail: String::new() }),
        1 => Just(Sight::NeverJoined),
        1 => Just(Sight::WaitingForApproval),
        1 => Just(Sight::Revoked),
        1 => Just(Sight::Silent { since: NOW }),
    ]
}

fn any_case() -> impl Strategy<Value = Case> {
    let wanted = (any_mode(), any_mode(), 0..8_u32, any_weight(), 0..3_u8);
    let seen = (any_sight(), 0..8_u32, 0..4_u32, any_load());
    let odd = prop::bool::weighted(0.15);
    let flags = (prop::bool::weighted(0.9), odd, odd, odd, odd);
    (wanted, seen, flags).prop_map(|(wanted, seen, flags)| {
        let (mode, over, sessions_max, weight, site) = wanted;
        let (sight, sessions, sign_ins, load) = seen;
        let (trusted, ssh, mine, held, penalised) = flags;
        let mut case = case("x", sessions, sessions_max).weighing(weight);
        case.host.mode = mode;
        case.mode = (over != HostMode::Enabled).then(|| set(over));
        case.host.site = match site {
            0 => None,
            1 => Some(SiteId::new("oslo").unwrap()),
            _ => Some(SiteId::new("rome").unwrap()),
        };
        if ssh {
            case.host.protocol = Protocol::Ssh;
        }
        case.sight = sight;
        case.sign_ins = sign_ins;
        case.load = load;
        case.trusted = trusted;
        case.accounts = if mine { vec!["ina"] } else { vec![] };
        case.holds_account = held;
        case.penalty = penalised.then(|| penalty::after_failure(None, NOW));
        case
    })
}

fn any_rule() -> impl Strategy<Value = PlacementRule> {
    prop_oneof![
        Just(PlacementRule::ResourceBased),
        Just(PlacementRule::FewestSessions),
        Just(PlacementRule::RoundRobin),
        Just(PlacementRule::Pack),
    ]
}

prop_compose! {
    fn any_scene()(
        mut hosts in proptest::collection::vec(any_case(), 0..10),
        rule in any_rule(),
        site_rule in prop_oneof![Just(SiteRule::Prefer), Just(SiteRule::Require), Just(SiteRule::Ignore)],
        sign_ins_max in 0..4_u32,
        affinity: bool,
        at_oslo: bool,
        last in proptest::option::of(0..10_usize),
        running_on in proptest::option::weighted(0.2, 0..11_usize),
        (turn, lot) in any::<(u64, u64)>(),
    ) -> Scene {
        for (n, case) in hosts.iter_mut().enumerate() {
            case.id = HostId::new(format!("h{n}")).unwrap();
        }
        let id = |n: usize| HostId::new(format!("h{n}")).unwrap();
        let mut scene = Scene::of(rule, hosts);
        scene.rules.site_rule = site_rule;
        scene.rules.sign_ins_max = sign_ins_max;
        scene.rules.affinity = affinity;
        scene.client_site = at_oslo.then(|| SiteId::new("oslo").unwrap());
        scene.last_host = last.map(id);
        scene.session = running_on.map(|n| session(&format!("h{n}"), disconnected()));
        scene.turn = turn;
        scene.lot = lot;
        scene
    }
}

fn find<'s>(scene: &'s Scene, id: &HostId) -> &'s Case {
    scene.hosts.iter().find(|c| c.id == *id).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn placement_keeps_its_promises(scene in any_scene()) {
        let outcome = scene.place();
        // Every host of the pool appears exactly once.
        let mut seen: Vec<HostId> = match &outcome {
            Ok(placement) => placement.others.iter().map(|v| v.host.clone()).chain([placement.host.clone()]).collect(),
            Err(Refusal::NoHost { hosts, .. }) => hosts.iter().map(|v| v.host.clone()).collect(),
            Err(other) => panic!("{other:?}"),
        };
        seen.sort();
        let mut all: Vec<HostId> = scene.hosts.iter().map(|c| c.id.clone()).collect();
        all.sort();
        prop_assert_eq!(seen, all);
        let home = scene.session.as_ref().filter(|s| scene.hosts.iter().any(|c| c.id == s.host));
        match (&outcome, home) {
            // A running session whose host exists is resumed or refused, never doubled.
            (Ok(placement), Some(session)) => {
                prop_assert_eq!(&placement.host, &session.host);
                prop_assert_eq!(placement.choice.code(), "resumed");
            }
            (Ok(placement), None) if placement.choice == Choice::RunsThere => {
                prop_assert!(find(&scene, &placement.host).holds_account);
            }
            (Ok(placement), None) => {
                let chosen = find(&scene, &placement.host);
                prop_assert!(chosen.sessions < chosen.host.sessions_max, "never above a limit");
                let calm = scene.rules.sign_ins_max == 0 || chosen.sign_ins < scene.rules.sign_ins_max;
                prop_assert!(calm, "never in a storm");
                prop_assert_eq!(chosen.host.mode, HostMode::Enabled);
                prop_assert!(chosen.mode.is_none() && chosen.trusted);
                prop_assert!(matches!(chosen.sight, Sight::Reachable | Sight::Fresh));
                prop_assert_eq!(chosen.host.protocol, Protocol::Rdp);
                prop_assert!(chosen.accounts.is_empty(), "one desktop for each account");
                // No host without penalty was passed over for one with.
                if chosen.penalty.is_some() {
                    let better = scene.with(|input| input.hosts.iter().any(|h| h.penalty.is_none() && barrier(input, h).is_none()));
                    prop_assert!(!better);
                }
            }
            // A refusal means that no host could have taken it, or that one keeps it.
            (Err(_), None) => {
                let held = scene.hosts.iter().any(|c| c.holds_account);
                let none = scene.with(|input| input.hosts.iter().all(|h| barrier(input, h).is_some()));
                prop_assert!(held || none);
            }
            (Err(_), Some(_)) => {}
        }
    }

    #[test]
    fn the_order_of_the_hosts_changes_nothing(scene in any_scene(), by in 0..10_usize, reversed: bool) {
        let mut other = scene.clone();
        let by = by.checked_rem(other.hosts.len()).unwrap_or(0);
        other.hosts.rotate_left(by);
        if reversed {
            other.hosts.reverse();
        }
        let normal = |outcome: Result<Placement, Refusal>| match outcome {
            Ok(mut placement) => {
                placement.others.sort_by(|a, b| a.host.cmp(&b.host));
                Ok(placement)
            }
            Err(Refusal::NoHost { pool, mut hosts }) => {
                hosts.sort_by(|a, b| a.host.cmp(&b.host));
                Err(Refusal::NoHost { pool, hosts })
            }
            other => other,
        };
        prop_assert_eq!(normal(scene.place()), normal(other.place()));
    }

    #[test]
    fn more_load_never_makes_a_host_more_attractive(
        mut scene in any_scene(),
        at in 0..10_usize,
        more in (0..3_u32, 0..3_000_u32, 0..3_000_u32, 0..9_000_u32, 0..3_000_u32),
    ) {
        if scene.hosts.is_empty() {
            return Ok(());
        }
        // `pack` wants them full, and with `round-robin` load does not count.
        if !matches!(scene.rules.placement, PlacementRule::FewestSessions) {
            scene.rules.placement = PlacementRule::ResourceBased;
        }
        scene.session = None;
        let at = at % scene.hosts.len();
        let (sessions, cpu, memory, run_queue, disk_wait) = more;
        let before = scene.place();
        let host = &mut scene.hosts[at];
        host.sessions += sessions;
        if let Some(load) = &mut host.load {
            load.cpu = (load.cpu + cpu).min(10_000);
            load.memory = (load.memory + memory).min(10_000);
            load.run_queue += run_queue;
            load.disk_wait = (load.disk_wait + disk_wait).min(10_000);
        }
        let id = host.id.clone();
        let was_equal = before.as_ref().is_ok_and(|p| p.others.iter().any(|v| {
            v.host == id && matches!(v.reason, NotChosen::SameLoad { .. } | NotChosen::AsFewSessions { .. })
        }));
        if let (Ok(before), Ok(after)) = (before, scene.place()) {
            // Among equals the lot decides, and it may fall on another one of fewer equals; only
            // when the host really got worse it must not.
            let got_worse = sessions > 0;
            if before.host != id && after.host == id {
                prop_assert!(was_equal && !got_worse, "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn sessions_are_spread_in_proportion_to_weights(
        weights in proptest::collection::vec(1..9_u32, 2..7),
        resource_based: bool,
        lot: u64,
    ) {
        let rule = if resource_based { PlacementRule::ResourceBased } else { PlacementRule::FewestSessions };
        let hosts = weights.iter().enumerate().map(|(n, weight)| {
            case(&format!("h{n}"), 0, 100_000).weighing(weight * 100).busy(0)
        });
        let mut scene = Scene::of(rule, hosts);
        let round: u32 = weights.iter().sum();
        for n in 0..round * 10 {
            scene.lot = lot.wrapping_add(u64::from(n) * 7);
            let chosen = scene.place().unwrap().host;
            scene.hosts.iter_mut().find(|c| c.id == chosen).unwrap().sessions += 1;
        }
        for (case, weight) in scene.hosts.iter().zip(&weights) {
            prop_assert_eq!(case.sessions, weight * 10);
        }
    }

    #[test]
    fn round_robin_visits_all_before_it_comes_back(
        weights in proptest::collection::vec(1..30_u32, 1..9),
        from in 0..1_000_000_u64,
    ) {
        let hosts = weights.iter().enumerate().map(|(n, weight)| case(&format!("h{n}"), 0, 9).weighing(*weight));
        let mut scene = Scene::of(PlacementRule::RoundRobin, hosts);
        let shared = weights.iter().copied().reduce(|a, b| { let (mut a, mut b) = (a, b); while b != 0 { (a, b) = (b, a % b); } a }).unwrap();
        let round: u32 = weights.iter().map(|w| w / shared).sum();
        let mut visits = vec![0; weights.len()];
        for turn in 0..u64::from(round) {
            scene.turn = from + turn;
            let chosen = scene.chosen();
            visits[chosen[1..].parse::<usize>().unwrap()] += 1;
        }
        for (visits, weight) in visits.iter().zip(&weights) {
            prop_assert_eq!(*visits, weight / shared);
        }
    }
}

/// A burst that comes so fast that no load sample changes in between.
fn burst(rule: PlacementRule, sign_ins_max: u32, samples: impl Fn(usize) -> Option<Load>) -> Scene {
    let hosts = (0..50).map(|n| case(&format!("h{n:02}"), 0, 100).with(|c| c.load = samples(n)));
    let mut scene = Scene::of(rule, hosts);
    scene.rules.sign_ins_max = sign_ins_max;
    let mut lot = 0x9e37_79b9_7f4a_7c15_u64;
    for n in 0..1_000 {
        lot = lot.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        scene.lot = lot;
        scene.turn = n;
        // With a storm guard, sign-ins complete in the order they began, as many as may be at once.
        if sign_ins_max > 0 && n % 50 == 0 {
            scene.hosts.iter_mut().for_each(|c| c.sign_ins = 0);
        }
        let chosen = scene.place().unwrap().host;
        let host = scene.hosts.iter_mut().find(|c| c.id == chosen).unwrap();
        host.sessions += 1;
        host.sign_ins += 1;
    }
    scene
}

#[test]
fn a_burst_of_1000_on_50_equal_hosts_is_at_most_one_above_the_ideal_anywhere() {
    let idle = Load {
        cpu: 1_200,
        memory: 3_300,
        ..Load::default()
    };
    for rule in [
        PlacementRule::ResourceBased,
        PlacementRule::FewestSessions,
        PlacementRule::RoundRobin,
    ] {
        for sign_ins_max in [0, 2] {
            for samples in [
                (|_, load| Some(load)) as fn(usize, Load) -> Option<Load>,
                |_, _| None,
                // Half of them have no agent.
                |n, load| (n % 2 == 0).then_some(load),
            ] {
                let scene = burst(rule, sign_ins_max, |n| samples(n, idle));
                let worst = scene.hosts.iter().map(|c| c.sessions).max().unwrap();
                assert!(worst <= 21, "{rule:?}: {worst} where 20 are ideal");
                let least = scene.hosts.iter().map(|c| c.sessions).min().unwrap();
                assert!(least >= 19, "{rule:?}: {least} where 20 are ideal");
            }
        }
    }
}
