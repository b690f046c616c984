//! The simulation over many seeds, and that a seed can be replayed and made small.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use portico_testkit::sim::{
    Invariant, Outcome, Sabotage, Scenario, Size, run, run_sabotaged, run_traced, shrink,
};

/// Seeds of an ordinary run; `PORTICO_SIM_SEEDS` asks for another number.
const SEEDS: u64 = 1_000;
/// Failures after which no further seed is begun; `PORTICO_SIM_FAILURES` asks for another number.
const FAILURES_MAX: u64 = 20;
/// Seeds that run at once: each takes a core, and a large one some hundred megabytes.
const WORKERS_MAX: usize = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The command line that replays a seed.
fn replay(seed: u64) -> String {
    format!("PORTICO_SIM_SEED={seed} cargo test -p portico-testkit sim -- --nocapture")
}

/// `cargo test -p portico-testkit sim`: with `PORTICO_SIM_SEED` that seed alone, with its whole
/// trace; with `PORTICO_SIM_SCENARIO` the scenario in that file; otherwise many seeds.
#[test]
fn every_promise_holds_over_all_seeds() {
    if let Ok(path) = std::env::var("PORTICO_SIM_SCENARIO") {
        let text = std::fs::read_to_string(path).unwrap();
        return one(&serde_json::from_str(&text).unwrap());
    }
    if let Some(seed) = number("PORTICO_SIM_SEED") {
        return one(&Scenario::of_seed(seed));
    }
    let from = number("PORTICO_SIM_FROM").unwrap_or(0);
    many(from, number("PORTICO_SIM_SEEDS").unwrap_or(SEEDS));
}

fn one(scenario: &Scenario) {
    let outcome = run_traced(scenario);
    for line in &outcome.trace {
        println!("{line}");
    }
    println!("{:?}, trace {:016x}", outcome.counts, outcome.trace_hash);
    if outcome.violation.is_some() {
        panic!("{}", report(scenario, &outcome));
    }
}

fn report(scenario: &Scenario, outcome: &Outcome) -> String {
    let violation = outcome.violation.as_ref().unwrap();
    let small = shrink(scenario);
    let again = run_traced(&small);
    let trace = again.trace[again.trace.len().saturating_sub(60)..].join("\n");
    format!(
        "seed {}: {:?} is broken at {} ms: {}\n\
         replay with: {}\n\
         the smallest scenario that breaks it (save it, and replay it with PORTICO_SIM_SCENARIO):\n{}\n\
         its trace:\n{trace}",
        scenario.seed,
        violation.invariant,
        violation.at_ms,
        violation.what,
        replay(scenario.seed),
        serde_json::to_string(&small).unwrap(),
    )
}

fn many(from: u64, seeds: u64) {
    let (next, failed) = (AtomicU64::new(from), Mutex::new(BTreeMap::new()));
    let totals = Mutex::new([0_u64; 6]);
    let most_operations = AtomicU64::new(0);
    let failures_max = number("PORTICO_SIM_FAILURES").unwrap_or(FAILURES_MAX);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let workers = workers.min(WORKERS_MAX);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds || failed.lock().unwrap().len() as u64 >= failures_max {
                        return;
                    }
                    let outcome = run(&Scenario::of_seed(seed));
                    let counts = outcome.counts;
                    most_operations.fetch_max(counts.operations, Ordering::Relaxed);
                    let counted = [
                        counts.launches,
                        counts.refusals,
                        counts.sessions,
                        counts.reports,
                        counts.crashes,
                        counts.revisions,
                    ];
                    for (total, count) in totals.lock().unwrap().iter_mut().zip(counted) {
                        *total += count;
                    }
                    if outcome.violation.is_some() {
                        failed.lock().unwrap().insert(seed, outcome);
                    }
                }
            });
        }
    });
    let [launches, refusals, sessions, reports, crashes, revisions] = *totals.lock().unwrap();
    println!(
        "{seeds} seeds from {from}: {launches} launches, {refusals} refused, {sessions} sessions, \
         {reports} reports, {crashes} brokers killed, {revisions} revisions, \
         {} operations of the store at most",
        most_operations.into_inner()
    );
    let failed = failed.into_inner().unwrap();
    let Some((seed, first)) = failed.first_key_value() else {
        return;
    };
    for (seed, outcome) in &failed {
        let violation = outcome.violation.as_ref().unwrap();
        println!(
            "{seed} ({} brokers): {:?}: {}",
            Scenario::of_seed(*seed).brokers,
            violation.invariant,
            violation.what
        );
    }
    panic!("{}", report(&Scenario::of_seed(*seed), first));
}

#[test]
fn the_same_seed_has_the_same_trace_in_every_run() {
    for seed in 0..40 {
        let scenario = Scenario::of_seed(seed);
        let (one, two) = (run_traced(&scenario), run_traced(&scenario));
        let differs = one.trace.iter().zip(&two.trace).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.trace_hash, two.trace_hash, "seed {seed}");
        assert_eq!(one, two);
    }
}

/// Seeds until a broken rule has to be seen.
const SEEN_WITHIN: u64 = 120;

#[test]
fn each_promise_is_seen_to_break_when_its_rule_is_broken_on_purpose() {
    let mut unseen = Vec::new();
    for (sabotage, invariant) in Sabotage::ALL {
        let breaks = |seed: &u64| {
            let outcome = run_sabotaged(&Scenario::of_size(*seed, Size::Small), sabotage);
            outcome
                .violation
                .is_some_and(|violation| violation.invariant == invariant)
        };
        match (0..SEEN_WITHIN).find(breaks) {
            Some(seed) => println!("{sabotage:?}: {invariant:?}, small seed {seed}"),
            None => unseen.push((sabotage, invariant)),
        }
    }
    assert_eq!(unseen, []);
    let seen = Sabotage::ALL.map(|(_, invariant)| invariant);
    assert!(Invariant::ALL.iter().all(|it| seen.contains(it)));
}
