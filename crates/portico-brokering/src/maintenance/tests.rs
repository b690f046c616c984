use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn at(s: i64) -> Timestamp {
    START.plus_ms(s * 1_000)
}

fn id(text: &str) -> HostId {
    HostId::new(text).unwrap()
}

/// A maintenance with its progress, and a world to carry it out in.
#[derive(Debug, Clone)]
struct Scene {
    id: MaintenanceId,
    hosts: Vec<HostId>,
    warn_before_s: u32,
    drain_before_s: u32,
    restart: bool,
    at_once: u32,
    cancelled: bool,
    progress: BTreeMap<HostId, Progress>,
    boots: BTreeMap<HostId, Option<String>>,
}

impl Scene {
    fn of(hosts: usize, at_once: u32) -> Self {
        let hosts: Vec<HostId> = (0..hosts).map(|n| id(&format!("h{n}"))).collect();
        Self {
            id: MaintenanceId::new("m1").unwrap(),
            boots: hosts
                .iter()
                .map(|h| (h.clone(), Some("1".to_owned())))
                .collect(),
            hosts,
            warn_before_s: 300,
            drain_before_s: 600,
            restart: true,
            at_once,
            cancelled: false,
            progress: BTreeMap::new(),
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            id: &self.id,
            hosts: &self.hosts,
            starts_at: START,
            ends_at: at(3_600),
            warn_before_s: self.warn_before_s,
            drain_before_s: self.drain_before_s,
            restart: self.restart,
            at_once: self.at_once,
            cancelled: self.cancelled,
            progress: &self.progress,
        }
    }

    fn due(&self, s: i64) -> Vec<(String, Step)> {
        let seen = |host: &HostId| {
            let boot = self.boots.get(host)?;
            Some(Seen {
                boot: boot.as_deref(),
            })
        };
        plan(&[self.wanted()], seen, at(s))
            .into_iter()
            .map(|due| (due.host.to_string(), due.step))
            .collect()
    }

    fn did(&mut self, host: &str, step: &Step) {
        let progress = self.progress.entry(id(host)).or_default();
        *progress = std::mem::take(progress).after(step);
    }

    /// Carries out everything that is due at a time, until nothing is.
    fn run(&mut self, s: i64) -> Vec<String> {
        let mut done = Vec::new();
        // No host has more steps than these.
        for _ in 0..6 {
            let due = self.due(s);
            if due.is_empty() {
                return done;
            }
            for (host, step) in due {
                self.did(&host, &step);
                done.push(format!("{} {host}", name(&step)));
            }
        }
        panic!("it never comes to an end: {done:?}");
    }

    fn comes_back(&mut self, host: &str) {
        self.boots.insert(id(host), Some("2".into()));
    }
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Drain => "drain",
        Step::Warn => "warn",
        Step::EndSessions => "end",
        Step::Restart { .. } => "restart",
        Step::Undrain => "undrain",
        Step::HandOver => "hand-over",
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_maintenance_drains_warns_ends_and_restarts_in_the_order_of_the_list() {
    let mut scene = Scene::of(3, 1);
    scene.hosts.swap(0, 2);
    assert_eq!(scene.run(-601), NOTHING);
    assert_eq!(scene.run(-600), ["drain h2", "drain h1", "drain h0"]);
    assert_eq!(scene.run(-301), NOTHING);
    assert_eq!(scene.run(-300), ["warn h2", "warn h1", "warn h0"]);
    assert_eq!(scene.run(-1), NOTHING);
    assert_eq!(scene.run(0), ["end h2", "end h1", "end h0", "restart h2"]);
    assert_eq!(scene.run(60), NOTHING);
    scene.comes_back("h2");
    // The place that is free now is taken at the next look.
    assert_eq!(scene.run(120), ["undrain h2", "restart h1"]);
    scene.comes_back("h1");
    assert_eq!(scene.run(180), ["undrain h1", "restart h0"]);
    scene.comes_back("h0");
    assert_eq!(scene.run(240), ["undrain h0"]);
    assert!(!scene.wanted().is_done(at(300)));
    assert_eq!(scene.run(9_999), NOTHING);
    assert!(scene.wanted().is_done(at(9_999)));
}

#[test]
fn without_restart_hosts_are_given_back_at_the_end() {
    let mut scene = Scene::of(2, 1);
    scene.restart = false;
    scene.warn_before_s = 0;
    assert_eq!(scene.run(-1), ["drain h0", "drain h1"]);
    assert_eq!(scene.run(0), ["end h0", "end h1"]);
    assert_eq!(scene.run(3_599), NOTHING);
    assert_eq!(scene.run(3_600), ["undrain h0", "undrain h1"]);
}

#[test]
fn a_host_that_does_not_come_back_holds_up_the_others_until_the_end() {
    let mut scene = Scene::of(3, 1);
    scene.run(-1);
    scene.run(0);
    scene.boots.insert(id("h0"), None);
    assert_eq!(scene.run(3_599), NOTHING);
    // Also one that reports with the same boot: it was not restarted yet.
    scene.boots.insert(id("h0"), Some("1".into()));
    assert_eq!(scene.run(3_599), NOTHING);
    assert_eq!(scene.run(3_600), ["undrain h0", "undrain h1", "undrain h2"]);
}

#[test]
fn a_host_that_cannot_be_told_anything_is_passed_over() {
    let mut scene = Scene::of(3, 1);
    scene.boots.insert(id("h0"), None);
    scene.boots.remove(&id("h1"));
    assert_eq!(
        scene.run(-1),
        ["drain h0", "drain h2", "warn h0", "warn h2"]
    );
    assert_eq!(scene.run(0), ["end h0", "end h2", "restart h2"]);
    scene.comes_back("h2");
    scene.comes_back("h0");
    assert_eq!(scene.run(60), ["undrain h2", "restart h0"]);
}

#[test]
fn a_maintenance_that_is_called_off_gives_its_hosts_back_and_does_nothing_else() {
    let mut scene = Scene::of(2, 1);
    scene.did("h0", &Step::Drain);
    scene.cancelled = true;
    assert_eq!(scene.run(-400), ["undrain h0"]);
    assert_eq!(scene.run(0), NOTHING);
    assert!(scene.wanted().is_done(at(0)));
}

#[test]
fn a_host_stays_drained_while_another_maintenance_needs_it() {
    let (mut first, mut second) = (Scene::of(1, 1), Scene::of(1, 1));
    second.id = MaintenanceId::new("m2").unwrap();
    first.did("h0", &Step::Drain);
    second.did("h0", &Step::Drain);
    first.cancelled = true;
    let steps = |first: &Scene, second: &Scene| -> Vec<Step> {
        let seen = |_: &HostId| Some(Seen { boot: Some("1") });
        plan(&[first.wanted(), second.wanted()], seen, at(-400))
            .into_iter()
            .map(|due| due.step)
            .collect()
    };
    assert_eq!(steps(&first, &second), [Step::HandOver]);
    // When both end at once, one of them undrains it.
    let called_off = Scene {
        cancelled: true,
        ..second.clone()
    };
    assert_eq!(steps(&first, &called_off), [Step::HandOver, Step::Undrain]);
    first.did("h0", &Step::HandOver);
    assert_eq!(steps(&first, &second), []);
    second.cancelled = true;
    assert_eq!(steps(&first, &second), [Step::Undrain]);
}

#[test]
fn a_start_that_was_slept_through_drains_before_it_ends_and_warns_nobody_late() {
    let mut scene = Scene::of(1, 1);
    assert_eq!(scene.run(100), ["drain h0", "end h0", "restart h0"]);
    // And one that is over before anybody looked does nothing at all.
    assert_eq!(Scene::of(1, 1).run(3_600), NOTHING);
}

#[test]
fn a_host_that_is_named_twice_is_one_host() {
    let mut scene = Scene::of(1, 2);
    scene.hosts.push(id("h0"));
    assert_eq!(scene.run(0), ["drain h0", "end h0", "restart h0"]);
}

/// The first host's only step that is due at `s`, when `step` was begun by somebody.
fn due_after(begun: &Step, abandoned: bool, s: i64, cancelled: bool) -> Vec<Step> {
    let mut scene = Scene::of(1, 1);
    let before: &[Step] = match begun {
        Step::Drain | Step::Warn => &[],
        Step::EndSessions => &[Step::Drain],
        Step::Restart { .. } | Step::Undrain | Step::HandOver => &[Step::Drain, Step::EndSessions],
    };
    for step in before {
        scene.did("h0", step);
    }
    scene.cancelled = cancelled;
    let progress = scene.progress.entry(id("h0")).or_default();
    progress.begun = Some(Begun {
        step: begun.clone(),
        abandoned,
    });
    let due = scene.due(s);
    due.into_iter().map(|(_, step)| step).collect()
}

#[test]
fn a_step_that_somebody_is_at_is_not_begun_by_another() {
    for step in all_steps() {
        for s in [-400, 100, 9_999] {
            assert_eq!(due_after(&step, false, s, false), [], "{step:?} at {s}");
        }
    }
}

#[test]
fn a_step_whose_executor_died_is_repeated_while_it_makes_sense() {
    let restart = Step::Restart { boot: "1".into() };
    for (step, s) in [
        (Step::Drain, -400),
        (Step::EndSessions, 100),
        (restart.clone(), 100),
    ] {
        assert_eq!(due_after(&step, true, s, false), [step]);
    }
    // Once it is over, or called off, nothing is ended or restarted any more, and what may have
    // been drained is given back.
    for step in all_steps() {
        let given_back: &[Step] = match step {
            Step::Warn => &[],
            _ => &[Step::Undrain],
        };
        assert_eq!(due_after(&step, true, 9_999, false), given_back, "{step:?}");
        assert_eq!(due_after(&step, true, 100, true), given_back, "{step:?}");
    }
}

fn all_steps() -> [Step; 6] {
    [
        Step::Drain,
        Step::Warn,
        Step::EndSessions,
        Step::Restart { boot: "1".into() },
        Step::Undrain,
        Step::HandOver,
    ]
}

#[test]
fn a_restart_whose_order_may_have_come_is_not_ordered_again_once_the_host_has_another_boot() {
    let mut scene = Scene::of(2, 1);
    scene.run(-1);
    scene.did("h0", &Step::EndSessions);
    scene.did("h1", &Step::EndSessions);
    scene.progress.get_mut(&id("h0")).unwrap().begun = Some(Begun {
        step: Step::Restart { boot: "1".into() },
        abandoned: true,
    });
    // It does not report: it may be restarting, and counts as down.
    scene.boots.insert(id("h0"), None);
    assert_eq!(scene.due(60), []);
    scene.comes_back("h0");
    assert_eq!(scene.run(120), ["undrain h0", "restart h1"]);
}

#[test]
fn a_host_that_is_being_restarted_counts_as_down() {
    let mut scene = Scene::of(2, 1);
    scene.run(-1);
    scene.did("h0", &Step::EndSessions);
    scene.did("h1", &Step::EndSessions);
    scene.progress.get_mut(&id("h0")).unwrap().begun = Some(Begun {
        step: Step::Restart { boot: "1".into() },
        abandoned: false,
    });
    assert_eq!(scene.due(60), []);
}

/// Something that happens to the world.
#[derive(Debug, Clone)]
enum Happens {
    /// The clock moves, perhaps back.
    Time(i64),
    /// A host comes back from its restart, or loses its agent, or is restarted by somebody.
    Host(usize, Option<u8>),
    /// What is due is carried out, but for some of it.
    Work(u8),
    /// What is due is begun, some of it is carried out, and whoever did it dies.
    Dies(u8),
    CalledOff,
}

fn any_event() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (-900..1_500_i64).prop_map(Happens::Time),
        4 => (0..6_usize, proptest::option::of(0..4_u8)).prop_map(|(h, b)| Happens::Host(h, b)),
        6 => any::<u8>().prop_map(Happens::Work),
        2 => any::<u8>().prop_map(Happens::Dies),
        1 => Just(Happens::CalledOff),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_happens_the_promises_hold(
        hosts in 1..6_usize,
        at_once in 0..4_u32,
        restart: bool,
        warn_before_s in 0..700_u32,
        drain_before_s in 0..700_u32,
        events in proptest::collection::vec(any_event(), 0..60),
    ) {
        let mut scene = Scene::of(hosts, at_once);
        scene.restart = restart;
        scene.warn_before_s = warn_before_s;
        scene.drain_before_s = drain_before_s;
        let mut now = -1_000;
        let mut warned = BTreeMap::<String, u32>::new();
        let mut died = BTreeMap::<String, u32>::new();
        for event in events {
            match event {
                Happens::Time(s) => now += s,
                Happens::Host(n, boot) => {
                    if n < hosts {
                        scene.boots.insert(id(&format!("h{n}")), boot.map(|b| b.to_string()));
                    }
                }
                Happens::CalledOff => scene.cancelled = true,
                Happens::Dies(done) => {
                    for (n, (host, step)) in scene.due(now).into_iter().enumerate() {
                        if done & (1 << (n % 8)) != 0 && step == Step::Warn {
                            *warned.entry(host.clone()).or_default() += 1;
                            *died.entry(host.clone()).or_default() += 1;
                        }
                        let progress = scene.progress.entry(id(&host)).or_default();
                        progress.begun = Some(Begun { step, abandoned: true });
                    }
                }
                Happens::Work(fails) => {
                    let due = scene.due(now);
                    prop_assert_eq!(&due, &scene.due(now), "asking twice asks for the same");
                    for (n, (host, step)) in due.iter().enumerate() {
                        match step {
                            Step::EndSessions | Step::Restart { .. } => {
                                prop_assert!(now >= 0, "nobody's session ends before the start");
                                prop_assert!(!scene.cancelled);
                                let progress = &scene.progress[&id(host)];
                                prop_assert!(progress.drained, "not while new ones may come");
                            }
                            Step::Warn => prop_assert!(now < 0),
                            Step::Drain | Step::Undrain | Step::HandOver => {}
                        }
                        if fails & (1 << (n % 8)) == 0 {
                            if *step == Step::Warn {
                                *warned.entry(host.clone()).or_default() += 1;
                            }
                            scene.did(host, step);
                        }
                    }
                }
            }
            let down = scene.progress.values().filter(|p| p.is_down()).count();
            prop_assert!(down <= at_once.max(1) as usize, "never more than at_once down");
            let once = |(host, times): (&String, &u32)| *times <= 1 + died.get(host).unwrap_or(&0);
            prop_assert!(warned.iter().all(once), "nobody is warned twice, but for a death");
        }
        // In the end every host is given back.
        scene.run(3_600);
        prop_assert!(scene.progress.values().all(|p| p.back || !p.drained));
        prop_assert!(scene.wanted().is_done(at(3_600)));
        prop_assert_eq!(scene.due(-100).iter().filter(|(h, _)| scene.progress.get(&id(h)).is_some_and(|p| p.back)).count(), 0);
    }
}
