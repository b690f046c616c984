//! Processes of the bench: start, port, CPU time, memory, end.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ClientConfig;

use crate::client::{Dialect, tls_config};

/// A fresh folder with the key and certificate of all sides.
pub(crate) fn scratch_dir() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("portico-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let made = rcgen::generate_simple_self_signed(["bench.test".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    fs::write(folder.join("cert.pem"), &cert).unwrap();
    fs::write(folder.join("key.pem"), &key).unwrap();
    fs::write(folder.join("both.pem"), cert + &key).unwrap();
    fs::write(
        folder.join("cert.sha256"),
        portico_net::tls::sha256(made.cert.der()),
    )
    .unwrap();
    folder
}

fn sha256_of(folder: &Path) -> [u8; 32] {
    fs::read(folder.join("cert.sha256"))
        .unwrap()
        .try_into()
        .unwrap()
}

/// Ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts this program in a role; gives the first line it prints.
fn start_role(arguments: &[String]) -> (Running, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("--role")
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (Running(child), line.trim().to_owned())
}

/// What the relays relay to.
pub(crate) struct Backend {
    _process: Running,
    pub(crate) rdp_port: u16,
    pub(crate) tls_port: u16,
    pub(crate) plain_port: u16,
}

pub(crate) fn start_backend(folder: &Path) -> Backend {
    let (process, line) = start_role(&["backend".into(), folder.display().to_string()]);
    let ports: Vec<u16> = line.split(' ').map(|p| p.parse().unwrap()).collect();
    Backend {
        _process: process,
        rdp_port: ports[0],
        tls_port: ports[1],
        plain_port: ports[2],
    }
}

/// A relay that runs.
pub(crate) struct Relay {
    process: Running,
    port: u16,
    dialect: Dialect,
    config: Arc<ClientConfig>,
}

impl Relay {
    /// Starts a relay by name; none when its program is not there.
    pub(crate) fn start(name: &str, folder: &Path, backend: &Backend) -> Option<Self> {
        let place = folder.display().to_string();
        let (process, port, dialect) = match name {
            "portico" | "tokio" => {
                let (to, dialect) = if name == "portico" {
                    (backend.rdp_port, Dialect::CleanPath)
                } else {
                    (backend.tls_port, Dialect::Tls)
                };
                let (process, line) = start_role(&[name.into(), place, to.to_string()]);
                (process, line.parse().unwrap(), dialect)
            }
            "haproxy" => {
                let port = free_port();
                let file = folder.join("haproxy.cfg");
                fs::write(&file, haproxy_config(folder, port, backend.tls_port)).unwrap();
                let process = start_peer("haproxy", &["-db", "-f", file.to_str().unwrap()])?;
                (process, port, Dialect::Tls)
            }
            _ => {
                let port = free_port();
                let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
                let arguments = [
                    "--ssl-only",
                    "--cert",
                    cert.to_str().unwrap(),
                    "--key",
                    key.to_str().unwrap(),
                    &format!("127.0.0.1:{port}"),
                    &format!("127.0.0.1:{}", backend.plain_port),
                ];
                let process = start_peer("websockify", &arguments)?;
                (process, port, Dialect::WebSocket)
            }
        };
        wait_for(port);
        Some(Self {
            process,
            port,
            dialect,
            config: tls_config(sha256_of(folder)),
        })
    }

    /// What a client needs.
    pub(crate) fn target(&self) -> (Dialect, u16, Arc<ClientConfig>) {
        (self.dialect, self.port, Arc::clone(&self.config))
    }

    /// CPU seconds so far, of its children too.
    pub(crate) fn cpu_s(&self) -> f64 {
        /// What Linux tells programs, whatever its own clock.
        const TICKS_PER_S: f64 = 100.0;
        let ticks: u64 = family(self.process.0.id())
            .into_iter()
            .filter_map(stat)
            .map(|stat| stat.ticks)
            .sum();
        ticks as f64 / TICKS_PER_S
    }

    /// Resident memory, of its children too.
    pub(crate) fn resident_kib(&self) -> u64 {
        family(self.process.0.id())
            .into_iter()
            .filter_map(|pid| {
                let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
                let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
                line.split_whitespace().nth(1)?.parse::<u64>().ok()
            })
            .sum()
    }
}

struct Stat {
    parent: u32,
    /// User and system time, with that of children that were waited for.
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may have spaces.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        parent: number(1)? as u32,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
    })
}

/// The process and all below it.
fn family(root: u32) -> Vec<u32> {
    let mut members = vec![root];
    let all: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, stat(pid)?.parent))
        })
        .collect();
    let mut seen = 0;
    while seen < members.len() {
        let parent = members[seen];
        members.extend(all.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| pid));
        seen += 1;
    }
    members
}

fn start_peer(program: &str, arguments: &[&str]) -> Option<Running> {
    let child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.ok().map(Running)
}

/// A port that was free a moment ago; peers cannot tell which one they got.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench looks for a free port; nothing is served on this socket"
)]
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bench waits until its relay listens; the relay is measured, not this"
)]
fn wait_for(port: u16) {
    let end = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn haproxy_config(folder: &Path, port: u16, to: u16) -> String {
    let both = folder.join("both.pem");
    format!(
        "global
    nbthread 2
    maxconn 9000
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
    ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend in
    bind 127.0.0.1:{port} ssl crt {} ssl-min-ver TLSv1.3 no-tls-tickets
    default_backend out
backend out
    server host 127.0.0.1:{to} ssl verify none no-ssl-reuse
",
        both.display()
    )
}
