//! Placement at 10,000 hosts and 100,000 sessions: how long one decision takes.
//!
//! `cargo bench -p portico-brokering`. Prints p50 and p99 of each rule beside the budget, and
//! fails when one is over it. The snapshot is made before the clock starts: that is the caller's
//! part.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints its table and may stop at the first error"
)]

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use portico_brokering::{
    HostSnapshot, PlacementInput, Sight, place,
    placement::{Decision, decide},
};
use portico_model::{
    HostId, PoolId, Timestamp,
    estate::{
        AgentLink, AgentMode, Host, HostMode, Pin, PlacementRule, Pool, Protocol, RdpSecurity,
        SessionsPerAccount,
    },
    network::HostNetwork,
    seen::Load,
};

/// Hosts of the pool.
const HOSTS: u32 = 10_000;
/// Sessions of each host, on average.
const SESSIONS: u32 = 10;
/// Decisions of each row.
const DECISIONS: u64 = 500;
/// Times that a decision is measured again because the kernel gave the processor to another
/// program meanwhile, which is no cost of placement.
const TRIES_MAX: u32 = 100;
/// Times that each decision is measured; the least counts. A decision is the same each time, so what
/// is above that is the machine: other programs, other machines on the same processor.
const REPEATS: u32 = 3;
/// Budget of p99, of the decision with the reasons of every other host.
const BUDGET: Duration = Duration::from_millis(2);
/// Hosts and launches of the burst.
const BURST: (u32, u64) = (50, 1_000);

fn main() -> ExitCode {
    let hosts: Vec<(HostId, Host)> = (0..HOSTS).map(host).collect();
    println!(
        "{HOSTS} hosts, {} sessions; budget: p99 {} ms",
        HOSTS * SESSIONS,
        BUDGET.as_secs_f64() * 1e3
    );
    println!(
        "{:<18} {:<28} {:>9} {:>9}",
        "rule", "what", "p50 ms", "p99 ms"
    );
    let mut is_over = false;
    for (name, rule) in [
        ("resource-based", PlacementRule::ResourceBased),
        ("fewest-sessions", PlacementRule::FewestSessions),
        ("round-robin", PlacementRule::RoundRobin),
        ("pack", PlacementRule::Pack),
    ] {
        for tied in [false, true] {
            let pool = Pool {
                placement: rule,
                ..Pool::default()
            };
            let id = PoolId::new("p").unwrap();
            let mut input = input(&id, &pool, &hosts, tied);
            let what = if tied { ", all alike" } else { "" };
            for (part, run) in [
                ("choice", choose as fn(&PlacementInput<'_>)),
                ("with all reasons", explain),
            ] {
                let p99 = row(name, &format!("{part}{what}"), &mut input, run);
                is_over |= p99 > BUDGET;
            }
        }
    }
    let worst = burst();
    let (of, launches) = BURST;
    println!(
        "burst of {launches} on {of} equal hosts: {worst} on the worst one, {} are ideal",
        launches / u64::from(of)
    );
    is_over |= u64::from(worst) > launches / u64::from(of) + 1;
    if is_over {
        println!("over budget");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn choose(input: &PlacementInput<'_>) {
    let decision: Decision<'_, '_> = decide(input, NOW).unwrap();
    black_box(decision);
}

fn explain(input: &PlacementInput<'_>) {
    black_box(place(input, NOW).unwrap());
}

fn row(
    name: &str,
    what: &str,
    input: &mut PlacementInput<'_>,
    run: fn(&PlacementInput<'_>),
) -> Duration {
    let mut times: Vec<Duration> = (0..DECISIONS)
        .map(|n| {
            input.turn = n;
            input.lot = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let repeats = (0..REPEATS).map(|_| measured(|| run(input)));
            repeats.min().unwrap()
        })
        .collect();
    times.sort_unstable();
    let at = |part: usize| *times.get(times.len() * part / 100).unwrap();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{name:<18} {what:<28} {:>9.3} {:>9.3}",
        ms(at(50)),
        ms(at(99))
    );
    at(99)
}

/// How long it takes when no other program gets in between.
fn measured(run: impl Fn()) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..TRIES_MAX {
        let before = interruptions();
        let start = Instant::now();
        run();
        took = start.elapsed();
        if interruptions() == before {
            break;
        }
    }
    took
}

/// How often the kernel took the processor from this thread, where it tells.
fn interruptions() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find(|line| line.starts_with("nonvoluntary_ctxt_switches"))?;
    Some(line.to_owned())
}

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn host(n: u32) -> (HostId, Host) {
    let host = Host {
        title: String::new(),
        pool: PoolId::new("p").unwrap(),
        roles: vec![],
        address: "192.0.2.1".into(),
        protocol: Protocol::Rdp,
        port: 3389,
        security: RdpSecurity::Negotiate,
        agent: AgentMode::Required,
        sessions_max: 40,
        mode: HostMode::Enabled,
        pins: vec![Pin::CertificateSha256([0; 32])],
        weight: 100,
        sessions_per_account: SessionsPerAccount::default(),
        site: None,
        agent_link: AgentLink::default(),
        network: HostNetwork::default(),
    };
    (HostId::new(format!("session-host-{n:05}")).unwrap(), host)
}

fn input<'a>(
    pool_id: &'a PoolId,
    pool: &'a Pool,
    hosts: &'a [(HostId, Host)],
    tied: bool,
) -> PlacementInput<'a> {
    let snapshots = hosts.iter().zip(0_u32..).map(|((id, host), n)| {
        let odd = if tied {
            0
        } else {
            n.wrapping_mul(2_654_435_761) >> 16
        };
        HostSnapshot {
            id,
            host,
            sight: Sight::Fresh,
            mode: None,
            trusted: true,
            load: Some(Load {
                cpu: odd % 10_000,
                memory: odd % 7_919,
                ..Load::default()
            }),
            sessions: if tied {
                SESSIONS
            } else {
                odd % (2 * SESSIONS + 1)
            },
            sign_ins: 0,
            accounts: vec!["somebody.else@example.com"; SESSIONS as usize],
            holds_account: false,
            penalty: None,
        }
    });
    PlacementInput {
        pool_id,
        pool,
        protocol: Protocol::Rdp,
        account: "anna.larsen@example.com",
        hosts: snapshots.collect(),
        session: None,
        last_host: None,
        client_site: None,
        client_address: None,
        turn: 0,
        lot: 0,
    }
}

/// Sessions on the worst host after a burst in which no load sample changes.
fn burst() -> u32 {
    let hosts: Vec<(HostId, Host)> = (0..BURST.0).map(host).collect();
    let pool = Pool {
        sign_ins_max: 0,
        ..Pool::default()
    };
    let id = PoolId::new("p").unwrap();
    let mut input = input(&id, &pool, &hosts, true);
    input.hosts.iter_mut().for_each(|host| host.sessions = 0);
    for n in 0..BURST.1 {
        input.lot = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let chosen = decide(&input, NOW).unwrap().host();
        for host in input.hosts.iter_mut().filter(|host| host.id == chosen) {
            host.sessions += 1;
        }
    }
    input.hosts.iter().map(|host| host.sessions).max().unwrap()
}
