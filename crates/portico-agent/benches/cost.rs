//! What the agent costs: it runs against a broker that takes its reports, and its processor time
//! and memory are read from `/proc`. Prints figures beside their budgets; over budget ends with 1.
//!
//! `cargo bench -p portico-agent --bench cost [-- SECONDS]`, best with a release build. The
//! figures are those of this machine with the processes it has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench"
)]

#[path = "../tests/it/broker.rs"]
#[allow(dead_code, reason = "the bench uses a part of it")]
mod broker;

use std::{fs, net::Ipv4Addr, process::Command, time::Duration};

use portico_wire::agent::ToBroker;

/// Part of one core, in percent.
const CPU_MAX_PERCENT: f64 = 0.5;
/// Resident memory, in KiB.
const RESIDENT_MAX_KIB: f64 = 15.0 * 1024.0;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo test` runs benches without arguments, `cargo bench` with `--bench`.
    let seconds = std::env::args().skip(1).find_map(|a| a.parse::<u64>().ok());
    let seconds = seconds.unwrap_or(if std::env::args().any(|a| a == "--bench") {
        60
    } else {
        3
    });
    if !rustix::process::geteuid().is_root() {
        eprintln!("the agent runs as root: not run");
        return;
    }
    let mut broker = broker::TestBroker::start(Ipv4Addr::LOCALHOST).await;
    let folder = tempfile::tempdir().unwrap();
    let token = broker.token("cost", Ipv4Addr::LOCALHOST).to_text();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_portico-agent"))
        .args(["--join", token.expose(), "--state-dir"])
        .arg(folder.path())
        .spawn()
        .unwrap();
    let mut link = broker.next_link().await;
    link.report(|report| report.number >= 2).await;

    let before = processor_ms(agent.id());
    let begun = tokio::time::Instant::now();
    let (mut reports, mut sessions) = (0_u32, 0);
    let until = begun + Duration::from_secs(seconds);
    while let Ok(Some(message)) = tokio::time::timeout_at(until, link.from.recv()).await {
        if let ToBroker::Report(report) = message {
            reports += 1;
            sessions = report.sessions.len();
        }
    }
    let elapsed = begun.elapsed();
    let spent = processor_ms(agent.id()) - before;
    let percent = spent / elapsed.as_secs_f64() / 10.0;
    let resident = status_kib(agent.id(), "VmRSS:");
    let own = status_kib(agent.id(), "RssAnon:");
    agent.kill().unwrap();
    agent.wait().unwrap();

    let processes = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.parse::<u32>().is_ok())
    });
    println!(
        "{reports} reports in {:.0} s, {} processes, {sessions} sessions",
        elapsed.as_secs_f64(),
        processes.count()
    );
    println!("processor  {percent:.3} % of a core (budget {CPU_MAX_PERCENT} %)");
    println!(
        "resident   {:.1} MiB, of it {:.1} MiB not of files (budget {:.0} MiB)",
        resident / 1024.0,
        own / 1024.0,
        RESIDENT_MAX_KIB / 1024.0
    );
    let is_release = !cfg!(debug_assertions);
    if is_release && (percent > CPU_MAX_PERCENT || resident > RESIDENT_MAX_KIB) {
        println!("over budget");
        std::process::exit(1);
    }
    if !is_release {
        println!("a debug build: the budgets are those of a release build");
    }
}

/// Processor time of all threads, in milliseconds: the scheduler's own count in nanoseconds.
fn processor_ms(pid: u32) -> f64 {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
        .map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let spent = text
                .split_ascii_whitespace()
                .next()
                .and_then(|ns| ns.parse::<f64>().ok());
            spent.unwrap_or(0.0) / 1e6
        })
        .sum()
}

fn status_kib(pid: u32, key: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    line.split_ascii_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}
