//! The measurements.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    Scale,
    client::Client,
    process::Relay,
    report::{Echo, Setups},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Down,
    Up,
}

const CHUNK: usize = 64 * 1024;

fn command(kind: u8, len: u64) -> [u8; 16] {
    let mut command = [0; 16];
    command[0] = kind;
    command[8..].copy_from_slice(&len.to_be_bytes());
    command
}

/// Raises the limit of open files as far as it goes; children inherit it.
pub(crate) fn raise_open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, wanted);
    getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |files| files as usize)
}

/// CPU seconds of the relay per GiB.
pub(crate) async fn throughput(relay: &Relay, scale: &Scale, direction: Direction) -> f64 {
    // A small one first: caches, allocator, buffers of threads.
    stream_all(relay, scale.streams, 1 << 20, direction).await;
    let before = relay.cpu_s();
    stream_all(relay, scale.streams, scale.bytes_per_stream, direction).await;
    let cpu = relay.cpu_s() - before;
    let gib = scale.streams as f64 * scale.bytes_per_stream as f64 / (1 << 30) as f64;
    cpu / gib
}

async fn stream_all(relay: &Relay, streams: usize, len: u64, direction: Direction) {
    let mut tasks = Vec::new();
    for _ in 0..streams {
        let (dialect, port, config) = relay.target();
        tasks.push(tokio::spawn(async move {
            let mut client = Client::connect(dialect, port, &config).await.unwrap();
            let mut buffer = vec![0; CHUNK];
            match direction {
                Direction::Down => {
                    client.send(&command(b'd', len)).await.unwrap();
                    client.drain(len, &mut buffer).await.unwrap();
                }
                Direction::Up => {
                    client.send(&command(b'u', len)).await.unwrap();
                    let chunk = client.chunk(CHUNK);
                    for _ in 0..len / CHUNK as u64 {
                        client.send_chunk(&chunk).await.unwrap();
                    }
                    client.flush().await.unwrap();
                    client.drain(1, &mut buffer).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    // Processes of their own are waited for by their parents, and counted only then.
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// Connections set up, used for one byte and closed.
pub(crate) async fn setups(relay: &Relay, scale: &Scale) -> Setups {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let before = relay.cpu_s();
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..scale.setup_workers {
        let (dialect, port, config) = relay.target();
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let mut client = Client::connect(dialect, port, &config).await.unwrap();
                client.send(&command(b'e', 0)).await.unwrap();
                client.send(b"x").await.unwrap();
                client.drain(1, &mut [0; 256]).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    tokio::time::sleep(scale.setup_time).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let elapsed = start.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let cpu = relay.cpu_s() - before;
    let count = count.load(Ordering::Relaxed) as f64;
    Setups {
        per_s: count / elapsed,
        cpu_us: cpu * 1e6 / count,
    }
}

/// 64 bytes there and back: of 500 connections 50 do so 20 times a second.
pub(crate) async fn round_trips(relay: &Relay, scale: &Scale) -> Echo {
    let (connections, active) = if scale.idle_counts.contains(&1000) {
        (500, 50)
    } else {
        (50, 50)
    };
    let mut clients = connect_many(relay, connections).await;
    let idle = clients.split_off(active);
    let mut tasks = Vec::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        let time = scale.echo_time;
        tasks.push(tokio::spawn(async move {
            // Not all at the same instant.
            tokio::time::sleep(Duration::from_millis(number as u64)).await;
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            let end = Instant::now() + time;
            let mut times = Vec::new();
            let mut buffer = [0; 512];
            while Instant::now() < end {
                tick.tick().await;
                let start = Instant::now();
                client.send(&[1; 64]).await.unwrap();
                client.drain(64, &mut buffer).await.unwrap();
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    drop(idle);
    times.sort_by(f64::total_cmp);
    Echo {
        connections,
        p50_us: times[times.len() / 2],
        p99_us: times[times.len() * 99 / 100],
    }
}

async fn connect_many(relay: &Relay, count: usize) -> Vec<Client> {
    let (dialect, port, config) = relay.target();
    let permits = Arc::new(tokio::sync::Semaphore::new(32));
    let mut tasks = Vec::new();
    for _ in 0..count {
        let (config, permits) = (Arc::clone(&config), Arc::clone(&permits));
        tasks.push(tokio::spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            let mut client = Client::connect(dialect, port, &config).await.unwrap();
            client.send(&command(b'e', 0)).await.unwrap();
            client.send(b"x").await.unwrap();
            client.drain(1, &mut [0; 256]).await.unwrap();
            client
        }));
    }
    let mut clients = Vec::new();
    for task in tasks {
        clients.push(task.await.unwrap());
    }
    clients
}

/// KiB of resident memory per idle connection, in a relay that has just started.
pub(crate) async fn idle(relay: &Relay, count: usize) -> f64 {
    let before = relay.resident_kib();
    let clients = connect_many(relay, count).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let kib = (relay.resident_kib() - before) as f64 / count as f64;
    drop(clients);
    kib
}
