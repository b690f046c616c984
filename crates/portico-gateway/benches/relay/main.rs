//! The relay of desktops, side by side with its peers in one run: CPU per GiB, set-ups, round
//! trips, memory of idle sessions. Run it with `cargo bench -p portico-gateway --bench relay`.
//!
//! Each relay is a process of its own, so its CPU time and memory are its own. All use TLS 1.3
//! with AES-128-GCM and P-256 keys and no resumption:
//!
//! - `portico`: RDCleanPath over WSS in, TLS out, through the whole gateway.
//! - `haproxy`: TLS in, TLS out, no WebSocket, no tickets.
//! - `tokio`: the same by `tokio_rustls` and `copy_bidirectional`, about 30 lines.
//! - `websockify`: WSS in, plain TCP out (it cannot do TLS there).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench ends when something is not as it should be"
)]

mod backend;
mod client;
mod load;
mod process;
mod relays;
mod report;

use std::{path::Path, time::Duration};

use process::{Relay, scratch_dir};
use report::Report;

/// What the measurements cost in time and size.
pub(crate) struct Scale {
    pub(crate) streams: usize,
    pub(crate) bytes_per_stream: u64,
    pub(crate) setup_time: Duration,
    pub(crate) setup_workers: usize,
    pub(crate) echo_time: Duration,
    pub(crate) idle_counts: &'static [usize],
}

const FULL: Scale = Scale {
    streams: 8,
    bytes_per_stream: 192 << 20,
    setup_time: Duration::from_secs(4),
    setup_workers: 16,
    echo_time: Duration::from_secs(4),
    idle_counts: &[1000, 5000],
};

/// websockify starts a process for each connection.
const FOR_PROCESSES: Scale = Scale {
    streams: 4,
    bytes_per_stream: 16 << 20,
    idle_counts: &[50],
    ..FULL
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    portico_net::tls::install_provider();
    match arguments.first().map(String::as_str) {
        Some("--role") => relays::run_role(&arguments[1..]),
        _ if arguments.iter().any(|a| a == "--bench") => measure_all(&arguments),
        _ => println!("run it with `cargo bench -p portico-gateway --bench relay`"),
    }
}

/// Arguments beyond cargo's choose relays by name.
fn measure_all(arguments: &[String]) {
    let wanted: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let folder = scratch_dir();
    let files = load::raise_open_files();
    println!("open files allowed: {files}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut report = Report::default();
    {
        let backend = process::start_backend(&folder);
        for name in ["tokio", "haproxy", "portico", "websockify"] {
            if !wanted.is_empty() && !wanted.iter().any(|w| *w == name) {
                continue;
            }
            eprintln!("measuring {name} …");
            let scale = if name == "websockify" {
                &FOR_PROCESSES
            } else {
                &FULL
            };
            let Some(row) = measure(&runtime, name, scale, files, &folder, &backend) else {
                report.missing(name);
                continue;
            };
            report.add(name, row);
        }
    }
    report.print();
    let _ = std::fs::remove_dir_all(folder);
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    name: &str,
    scale: &Scale,
    files: usize,
    folder: &Path,
    backend: &process::Backend,
) -> Option<report::Row> {
    let start = || Relay::start(name, folder, backend);
    let mut row = report::Row::default();
    {
        let relay = start()?;
        runtime.block_on(async {
            row.cpu_down = load::throughput(&relay, scale, load::Direction::Down).await;
            row.cpu_up = load::throughput(&relay, scale, load::Direction::Up).await;
            row.setups = load::setups(&relay, scale).await;
            row.echo = load::round_trips(&relay, scale).await;
        });
    }
    for count in scale.idle_counts {
        // Two descriptors for each connection in the relay, and some.
        if count * 2 + 100 > files {
            row.idle.push((*count, None));
            continue;
        }
        let relay = start()?;
        let kib = runtime.block_on(load::idle(&relay, *count));
        row.idle.push((*count, Some(kib)));
    }
    Some(row)
}
