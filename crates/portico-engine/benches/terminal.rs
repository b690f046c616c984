//! The terminal path against `ssh -tt`, to the same OpenSSH host of the lab, in one run.
//!
//! `PORTICO_LAB_FACTS=… cargo bench -p portico-engine --bench terminal`, with `ssh1` up in the lab.
//! The engine runs in a process of its own, this one is its viewer at the Unix socket; the peer is
//! OpenSSH's client with its output on a pipe. Both sides are measured from the start of the
//! connection to the last byte, in turns, and medians are compared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a bench"
)]

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use portico_engine::EngineSettings;
use portico_model::{ConnectionId, HostId, Secret, SessionId, UserId, estate::Pin};
use portico_net::{flows::GATEWAY_ENGINE, tasks::ShutdownToken, unix};
use portico_wire::terminal::{
    ENGINE_FRAME_LEN_MAX, EngineFrame, ViewerFrame, framing,
    header::{Open, ProgramToRun, TERM},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::{Child, Command},
};

const ENGINE_SOCKET: &str = "PORTICO_BENCH_ENGINE_SOCKET";
const REPETITIONS: usize = 7;
const KEYS: usize = 300;
const KEY_PAUSE: Duration = Duration::from_millis(4);
const SESSIONS: usize = 50;
/// Clock ticks of /proc/PID/stat (sysconf(_SC_CLK_TCK) is 100 on Linux).
const TICKS_PER_S: f64 = 100.0;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if let Ok(socket) = std::env::var(ENGINE_SOCKET) {
        let shutdown = ShutdownToken::new();
        portico_engine::stop_with_parent(shutdown.clone()).unwrap();
        let settings = EngineSettings::new(PathBuf::from(socket));
        runtime
            .block_on(portico_engine::run(settings, shutdown))
            .unwrap();
        return;
    }
    let Some(host) = Host::from_lab() else {
        println!("terminal: missing: no lab (PORTICO_LAB_FACTS is not set, or ssh1 is not up)");
        return;
    };
    runtime.block_on(bench(&host));
}

/// The OpenSSH host.
struct Host {
    address: String,
    port: u16,
    key: String,
    password: String,
}

impl Host {
    fn from_lab() -> Option<Self> {
        let path = std::env::var("PORTICO_LAB_FACTS").ok()?;
        let text = std::fs::read_to_string(path).ok()?;
        let facts: serde_json::Value = serde_json::from_str(&text).ok()?;
        let servers = facts["servers"].as_array()?;
        let server = servers.iter().find(|server| server["name"] == "ssh1")?;
        Some(Self {
            address: server["address"].as_str()?.to_owned(),
            port: u16::try_from(server["port"].as_u64()?).ok()?,
            key: server["host_keys"][0].as_str()?.to_owned(),
            password: facts["password"].as_str()?.to_owned(),
        })
    }

    fn open(&self, session: usize, program: Option<&str>) -> Open {
        let (algorithm, blob) = self.key.split_once(' ').unwrap();
        Open {
            session: SessionId::from_random(session as u128),
            connection: ConnectionId::from_random(session as u128),
            user: UserId::new("demo").unwrap(),
            host: HostId::new("ssh1").unwrap(),
            address: self.address.clone(),
            port: self.port,
            pins: vec![Pin::SshKey {
                algorithm: algorithm.into(),
                blob: blob.into(),
            }],
            account: "demo".into(),
            password: Some(Secret::new(self.password.clone())),
            program: program.map(|command| ProgramToRun {
                command: command.into(),
                work_dir: String::new(),
            }),
            cols: 102,
            rows: 48,
            received: 0,
            term: TERM.into(),
            idle_timeout_s: 0,
            total_timeout_s: 0,
        }
    }

    /// OpenSSH's client, with its defaults but for the known host.
    fn ssh(&self, folder: &Path, command: &str) -> Command {
        let known = folder.join("known_hosts");
        std::fs::write(&known, format!("{} {}\n", self.address, self.key)).unwrap();
        let mut ssh = Command::new("sshpass");
        ssh.args([
            "-e",
            "ssh",
            "-tt",
            "-F",
            "none",
            "-o",
            "PreferredAuthentications=password",
        ])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known.display()))
        .args([
            "-p",
            &self.port.to_string(),
            &format!("demo@{}", self.address),
            command,
        ])
        .env("SSHPASS", &self.password)
        .env("TERM", TERM)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
        ssh
    }
}

/// The engine, in a process of its own.
struct EngineProcess {
    child: Child,
    socket: PathBuf,
}

impl EngineProcess {
    async fn start(folder: &Path) -> Self {
        let socket = folder.join("engine.sock");
        let child = Command::new(std::env::current_exe().unwrap())
            .env(ENGINE_SOCKET, &socket)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while unix::dial(GATEWAY_ENGINE, &socket).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { child, socket }
    }

    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // Fields 14 and 15, counted after the name in parentheses.
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / TICKS_PER_S
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn id(&self) -> u32 {
        self.child.id().unwrap()
    }
}

struct Viewer {
    stream: UnixStream,
    inbox: BytesMut,
    received: u64,
}

impl Viewer {
    async fn open(engine: &EngineProcess, open: &Open) -> Self {
        let mut stream = unix::dial(GATEWAY_ENGINE, &engine.socket).await.unwrap();
        stream
            .write_all(&open.encode_framed().unwrap())
            .await
            .unwrap();
        Self {
            stream,
            inbox: BytesMut::with_capacity(256 * 1024),
            received: 0,
        }
    }

    async fn send(&mut self, frame: &ViewerFrame<'_>) -> bool {
        let mut out = Vec::new();
        framing::append(&mut out, |out| frame.encode(out)).unwrap();
        self.stream.write_all(&out).await.is_ok()
    }

    /// Takes what is there, acknowledges it, and gives the output to `see`. False at the end.
    async fn read(&mut self, mut see: impl FnMut(&[u8])) -> bool {
        self.inbox.reserve(64 * 1024);
        if !matches!(self.stream.read_buf(&mut self.inbox).await, Ok(1..)) {
            return false;
        }
        let before = self.received;
        while let Some((frame, taken)) = framing::split(&self.inbox, ENGINE_FRAME_LEN_MAX).unwrap()
        {
            match EngineFrame::decode(frame).unwrap() {
                EngineFrame::Output(output) => {
                    self.received += output.len() as u64;
                    see(output);
                }
                EngineFrame::Opened { start, .. } => self.received = start,
                EngineFrame::Refused(json) => panic!("{json}"),
                EngineFrame::Exited { .. } | EngineFrame::Closed(_) => {}
            }
            let _ = self.inbox.split_to(taken);
        }
        if self.received != before {
            let received = self.received;
            self.send(&ViewerFrame::Ack { received }).await;
        }
        true
    }

    /// Bytes until the end, and when the first came.
    async fn drain(&mut self) -> (u64, Instant) {
        let (mut bytes, mut first) = (0, None);
        while self
            .read(|output| {
                bytes += output.len() as u64;
                first.get_or_insert_with(Instant::now);
            })
            .await
        {}
        (bytes, first.unwrap_or_else(Instant::now))
    }
}

/// One measurement.
#[derive(Clone, Copy)]
struct Flood {
    time_s: f64,
    /// From the first byte of output to the last: without the set-up.
    flow_s: f64,
    cpu_s: f64,
    bytes: u64,
}

async fn engine_flood(host: &Host, engine: &EngineProcess, session: usize, work: &str) -> Flood {
    let cpu = engine.cpu_s();
    let begin = Instant::now();
    let mut viewer = Viewer::open(engine, &host.open(session, Some(work))).await;
    let (bytes, first) = viewer.drain().await;
    Flood {
        time_s: begin.elapsed().as_secs_f64(),
        flow_s: first.elapsed().as_secs_f64(),
        cpu_s: engine.cpu_s() - cpu,
        bytes,
    }
}

async fn ssh_flood(host: &Host, folder: &Path, work: &str) -> Flood {
    let cpu = children_cpu_s();
    let begin = Instant::now();
    let mut child = host.ssh(folder, work).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let (mut bytes, mut first) = (0, None);
    while let Ok(read @ 1..) = output.read(&mut buffer).await {
        bytes += read as u64;
        first.get_or_insert_with(Instant::now);
    }
    let time_s = begin.elapsed().as_secs_f64();
    let flow_s = first.unwrap_or_else(Instant::now).elapsed().as_secs_f64();
    child.wait().await.unwrap();
    Flood {
        time_s,
        flow_s,
        cpu_s: children_cpu_s() - cpu,
        bytes,
    }
}

/// CPU of the children that were waited for.
fn children_cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap()) / TICKS_PER_S
}

async fn engine_keys(host: &Host, engine: &EngineProcess, session: usize) -> Vec<f64> {
    let mut viewer = Viewer::open(engine, &host.open(session, Some("echo ready; exec cat"))).await;
    while viewer.received < 7 {
        assert!(viewer.read(|_| {}).await);
    }
    let mut times = Vec::new();
    for _ in 0..KEYS {
        tokio::time::sleep(KEY_PAUSE).await;
        let begin = Instant::now();
        viewer.send(&ViewerFrame::Input(b"x")).await;
        let mut echoed = 0;
        while echoed == 0 {
            assert!(viewer.read(|output| echoed += output.len()).await);
        }
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    viewer.send(&ViewerFrame::End).await;
    viewer.drain().await;
    times
}

async fn ssh_keys(host: &Host, folder: &Path) -> Vec<f64> {
    let mut child = host.ssh(folder, "echo ready; exec cat").spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut buffer = [0; 4096];
    let mut begun = 0;
    while begun < 7 {
        begun += output.read(&mut buffer).await.unwrap();
    }
    let mut times = Vec::new();
    for _ in 0..KEYS {
        tokio::time::sleep(KEY_PAUSE).await;
        let begin = Instant::now();
        input.write_all(b"x").await.unwrap();
        assert_ne!(output.read(&mut buffer).await.unwrap(), 0);
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    child.kill().await.unwrap();
    times
}

/// KiB of resident memory per session: sessions that have each shown 1 MB and have a viewer.
async fn memory(host: &Host, folder: &Path) -> (u64, f64) {
    let engine = EngineProcess::start(folder).await;
    // The first session pays for what all share.
    engine_flood(host, &engine, 1, "seq 1 100000").await;
    let before = engine.resident_kib();
    let work = "seq 1 150000; echo d''one; exec cat";
    let mut viewers = Vec::new();
    for session in 0..SESSIONS {
        let mut viewer = Viewer::open(&engine, &host.open(100 + session, Some(work))).await;
        let mut last = Vec::new();
        while !last.ends_with(b"done\r\n") {
            assert!(
                viewer
                    .read(|output| {
                        last.extend_from_slice(output);
                        last.drain(..last.len().saturating_sub(16));
                    })
                    .await
            );
        }
        viewers.push(viewer);
    }
    let after = engine.resident_kib();
    (
        before,
        after.saturating_sub(before) as f64 / SESSIONS as f64,
    )
}

async fn bench(host: &Host) {
    let folder = tempfile::tempdir().unwrap();
    let engine = EngineProcess::start(folder.path()).await;
    let make = "[ -s bench.txt ] || head -c 15000000 /dev/urandom | base64 > bench.txt";
    engine_flood(host, &engine, 1, make).await;
    println!("terminal: engine at its Unix socket against ssh -tt, medians of {REPETITIONS}");
    println!(
        "| work | ssh s | engine s | x | ssh, first to last byte s | engine | x \
         | ssh CPU s | engine CPU s | x | bytes | budget |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, work, budget) in [
        ("echo hello (set-up)", "echo hello", None),
        ("seq 1 300000", "seq 1 300000", Some(1.3)),
        ("20 MB of text", "cat bench.txt", Some(1.3)),
    ] {
        let (mut direct, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            direct.push(ssh_flood(host, folder.path(), work).await);
            ours.push(engine_flood(host, &engine, 2, work).await);
        }
        let bytes = ours[0].bytes;
        assert!(
            direct.iter().chain(&ours).all(|flood| flood.bytes == bytes),
            "bytes are missing"
        );
        let of = |floods: &[Flood], what: fn(&Flood) -> f64| median(floods.iter().map(what));
        let (ssh_s, s) = (of(&direct, |f| f.time_s), of(&ours, |f| f.time_s));
        let (ssh_cpu, cpu) = (of(&direct, |f| f.cpu_s), of(&ours, |f| f.cpu_s));
        let (ssh_flow, flow) = (of(&direct, |f| f.flow_s), of(&ours, |f| f.flow_s));
        let (ratio, flow_ratio) = (s / ssh_s, flow / ssh_flow.max(0.001));
        let verdict = match budget {
            None => "-".to_owned(),
            Some(budget) => format!("<= {budget} x: {}", within(ratio <= budget)),
        };
        println!(
            "| {name} | {ssh_s:.3} | {s:.3} | {ratio:.2} | {ssh_flow:.3} | {flow:.3} \
             | {flow_ratio:.2} | {ssh_cpu:.2} | {cpu:.2} | {:.2} | {bytes} | {verdict} |",
            cpu / ssh_cpu.max(0.01),
        );
    }
    let (mut direct, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        direct.extend(ssh_keys(host, folder.path()).await);
        ours.extend(engine_keys(host, &engine, 3).await);
    }
    let (ssh_p50, p50) = (percentile(&direct, 50), percentile(&ours, 50));
    let (ssh_p90, p90) = (percentile(&direct, 90), percentile(&ours, 90));
    println!(
        "keystroke echo, {} keys: ssh p50 {ssh_p50:.3} ms, p90 {ssh_p90:.3}; engine p50 {p50:.3}, p90 {p90:.3}; \
         {:+.3} ms over ssh, budget 1 ms: {}",
        direct.len(),
        p50 - ssh_p50,
        within(p50 - ssh_p50 <= 1.0)
    );
    drop(engine);
    let other = tempfile::tempdir().unwrap();
    let (base, per_session) = memory(host, other.path()).await;
    println!(
        "memory: {per_session:.0} KiB per session at {SESSIONS} sessions that have shown 1 MB each \
         (base {base} KiB), budget 512: {}",
        within(per_session <= 512.0)
    );
}

fn within(is: bool) -> &'static str {
    if is { "within" } else { "OVER" }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    percentile(&values.collect::<Vec<_>>(), 50)
}

fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
