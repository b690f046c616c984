//! What this host has loaded as firewall rules and who listens on it: for `portico ports diff`
//! where it runs, and for the agent that a broker asks.
//!
//! Only what shows is run, each program with a limit on its time and its output. Nothing is
//! judged here: [`portico_catalogue::drift`] does that.

use std::{io, net::IpAddr, process::Stdio, time::Duration};

use portico_catalogue::{
    PortRange, Transport,
    drift::{Listener, Process},
};
pub use portico_wire::agent::{
    HostInterface, HostPorts, HostProcess, HostSocket, PortsError, RulesDump, RulesTold, RulesTool,
    SocketTransport,
};
use portico_wire::agent::{INTERFACES_MAX, NAME_LEN_MAX, PROCESSES_MAX, WHY_LEN_MAX};
use serde::Deserialize;
use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use crate::holders;

/// Where administrators' tools are; they are often not in the path of others. That path comes last.
const FOLDERS: [&str; 5] = ["/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/", ""];
/// What is kept of what a tool complains.
const ERRORS_LEN_MAX: usize = 64 * 1024;

/// How much is read.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Time that each tool may take. They run at the same time.
    pub tool: Duration,
    /// Longest output of a tool that shows rules, in bytes.
    pub rules_len_max: usize,
    /// Most sockets.
    pub sockets_max: usize,
}

/// Reads it, in the network namespace of this process. What cannot be read is told in its place.
pub async fn read(limits: ReadLimits) -> HostPorts {
    let dump = |tool: RulesTool| async move {
        let told = match run_first(tool.words(), limits.tool, limits.rules_len_max).await {
            Ok(text) => RulesTold::Text { text },
            Err(Fault::Absent) => RulesTold::Absent,
            Err(Fault::Failed(why)) => RulesTold::Failed {
                why: cut(why, WHY_LEN_MAX),
            },
        };
        RulesDump { tool, told }
    };
    let [first, second, third] = RulesTool::ALL;
    let (first, second, third, interfaces, sockets) = tokio::join!(
        dump(first),
        dump(second),
        dump(third),
        interfaces(limits.tool),
        tokio::task::spawn_blocking(holders::all_listeners)
    );
    let sockets = sockets.map_err(io::Error::other).and_then(|read| read);
    let (sockets, sockets_fault) = match sockets {
        Ok(all) => told_sockets(all, limits.sockets_max),
        Err(error) => (Vec::new(), Some(cut(error.to_string(), WHY_LEN_MAX))),
    };
    let PortRange {
        first: from, last, ..
    } = holders::client_ports();
    HostPorts {
        rules: vec![first, second, third],
        sockets,
        sockets_fault,
        interfaces,
        client_ports: (from, last),
        as_root: rustix::process::geteuid().is_root(),
    }
}

/// Interfaces of this machine with their addresses; none when they are not told.
pub async fn interfaces(tool: Duration) -> Vec<HostInterface> {
    const OUTPUT_LEN_MAX: usize = 4 << 20;
    match run_first(&["ip", "-j", "address"], tool, OUTPUT_LEN_MAX).await {
        Ok(text) => parse_interfaces(&text),
        Err(_) => Vec::new(),
    }
}

/// The sockets that were told, as they are judged.
pub fn listeners(sockets: &[HostSocket]) -> Vec<Listener> {
    let judged = sockets.iter().map(|socket| Listener {
        transport: match socket.transport {
            SocketTransport::Tcp => Transport::Tcp,
            SocketTransport::Udp => Transport::Udp,
        },
        address: socket.address,
        port: socket.port,
        takes_ipv4: socket.takes_ipv4,
        interface: socket.interface.clone(),
        processes: socket
            .processes
            .iter()
            .map(|process| Process {
                pid: process.pid,
                name: process.name.clone(),
            })
            .collect(),
    });
    let mut judged: Vec<Listener> = judged.collect();
    judged.sort();
    judged
}

/// All of them or, when there are too many, as many as may be and that there are more.
fn told_sockets(all: Vec<Listener>, max: usize) -> (Vec<HostSocket>, Option<String>) {
    let fault =
        (all.len() > max).then(|| format!("it has {} sockets, of which {max} are told", all.len()));
    let told = all.into_iter().take(max).map(|socket| HostSocket {
        transport: match socket.transport {
            Transport::Udp => SocketTransport::Udp,
            _ => SocketTransport::Tcp,
        },
        address: socket.address,
        port: socket.port,
        takes_ipv4: socket.takes_ipv4,
        interface: socket.interface,
        processes: socket
            .processes
            .into_iter()
            .take(PROCESSES_MAX)
            .map(|process| HostProcess {
                pid: process.pid,
                name: cut(process.name, NAME_LEN_MAX),
            })
            .collect(),
    });
    (told.collect(), fault)
}

/// Why a tool gave nothing.
#[derive(Debug)]
enum Fault {
    /// It is not installed.
    Absent,
    /// It could not.
    Failed(String),
}

/// What a tool prints.
async fn run_first(words: &[&str], time: Duration, len_max: usize) -> Result<String, Fault> {
    let [program, arguments @ ..] = words else {
        return Err(Fault::Absent);
    };
    for folder in FOLDERS {
        match run(&format!("{folder}{program}"), arguments, time, len_max).await {
            Err(Fault::Absent) => {}
            done => return done,
        }
    }
    Err(Fault::Absent)
}

async fn run(
    program: &str,
    arguments: &[&str],
    time: Duration,
    len_max: usize,
) -> Result<String, Fault> {
    let failed = |error: &dyn std::fmt::Display| Fault::Failed(error.to_string());
    let spawned = Command::new(program)
        .args(arguments)
        // Its own language, and numbers instead of names.
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Fault::Absent),
        Err(error) => return Err(failed(&error)),
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let done = timeout(time, async {
        let (out, errors) = tokio::join!(
            begin_of(stdout, len_max.saturating_add(1)),
            begin_of(stderr, ERRORS_LEN_MAX)
        );
        let out = out?;
        if out.len() > len_max {
            let why = format!("what it printed is longer than {len_max} bytes");
            return Err(io::Error::other(why));
        }
        Ok((out, errors?, child.wait().await?))
    });
    let (out, errors, status) = done
        .await
        .map_err(|_| failed(&format!("no end after {} s", time.as_secs())))?
        .map_err(|error| failed(&error))?;
    if !status.success() {
        let errors = String::from_utf8_lossy(&errors);
        let first = errors.lines().find(|line| !line.trim().is_empty());
        return Err(Fault::Failed(
            first.map_or_else(|| status.to_string(), |line| line.trim().to_owned()),
        ));
    }
    String::from_utf8(out).map_err(|_| failed(&"what it printed is not text"))
}

async fn begin_of(
    stream: Option<impl tokio::io::AsyncRead + Unpin>,
    len_max: usize,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let limit = u64::try_from(len_max).unwrap_or(u64::MAX);
        stream.take(limit).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

#[derive(Deserialize)]
struct Interface {
    ifname: String,
    #[serde(default)]
    addr_info: Vec<InterfaceAddress>,
}

#[derive(Deserialize)]
struct InterfaceAddress {
    local: Option<IpAddr>,
}

fn parse_interfaces(text: &str) -> Vec<HostInterface> {
    let interfaces: Vec<Interface> = serde_json::from_str(text).unwrap_or_default();
    let pairs = interfaces.into_iter().flat_map(|interface| {
        let name = cut(interface.ifname, NAME_LEN_MAX);
        let addresses = interface.addr_info.into_iter();
        addresses.filter_map(move |address| {
            Some(HostInterface {
                name: name.clone(),
                address: address.local?,
            })
        })
    });
    pairs.take(INTERFACES_MAX).collect()
}

/// The beginning of a text that may be too long.
fn cut(mut text: String, len_max: usize) -> String {
    let end = (0..=len_max.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    #[test]
    fn interfaces_are_read_as_ip_prints_them() {
        let text = r#"[{"ifindex":1,"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},
            {"ifname":"eth0","addr_info":[{"family":"inet6","local":"fd00::1"},{"family":"inet"}]},{"ifname":"x"}]"#;
        let of = |name: &str, address: &str| HostInterface {
            name: name.into(),
            address: address.parse().unwrap(),
        };
        let read = parse_interfaces(text);
        assert_eq!(read, [of("lo", "127.0.0.1"), of("eth0", "fd00::1")]);
        assert_eq!(parse_interfaces("not json"), []);
    }

    #[tokio::test]
    async fn a_tool_that_is_not_there_and_one_that_fails_are_told_apart() {
        let absent = run_first(&["portico-no-such-tool"], TIME, 100).await;
        assert!(matches!(absent, Err(Fault::Absent)));
        let shell = |line: &'static str, time: Duration, len_max: usize| async move {
            run_first(&["sh", "-c", line], time, len_max).await
        };
        let failed = shell("echo >&2; echo no way >&2; exit 3", TIME, 100).await;
        assert!(matches!(failed, Err(Fault::Failed(why)) if why == "no way"));
        assert!(matches!(shell("echo x", TIME, 2).await, Ok(text) if text == "x\n"));
        let long = shell("echo x", TIME, 1).await;
        assert!(matches!(long, Err(Fault::Failed(why)) if why.contains("longer than 1 bytes")));
        let endless = shell("exec sleep 600", Duration::from_millis(20), 1).await;
        assert!(matches!(endless, Err(Fault::Failed(why)) if why.contains("no end after")));
        let binary = shell("printf '\\377'", TIME, 100).await;
        assert!(matches!(binary, Err(Fault::Failed(why)) if why.contains("not text")));
    }

    #[test]
    fn sockets_come_out_as_they_were_and_those_beyond_the_limit_are_counted() {
        let socket = |port, processes: usize| Listener {
            transport: Transport::Udp,
            address: "::".parse().unwrap(),
            port,
            takes_ipv4: true,
            interface: Some("eth0".into()),
            processes: vec![
                Process {
                    pid: 7,
                    name: "ä".repeat(16)
                };
                processes
            ],
        };
        let all = vec![socket(1, 1), socket(2, PROCESSES_MAX)];
        let (told, fault) = told_sockets(all.clone(), 2);
        assert_eq!((listeners(&told), fault), (all, None));
        let (told, fault) = told_sockets(vec![socket(1, PROCESSES_MAX + 1), socket(2, 1)], 1);
        assert_eq!(listeners(&told), [socket(1, PROCESSES_MAX)]);
        let fault = fault.unwrap();
        assert_eq!(fault, "it has 2 sockets, of which 1 are told");
    }

    #[tokio::test]
    async fn what_this_host_tells_can_be_sent() {
        let told = read(ReadLimits {
            tool: TIME,
            rules_len_max: 1 << 20,
            sockets_max: 1_000,
        })
        .await;
        assert_eq!(told.sockets_fault, None);
        let parts = told.parts(1);
        assert!(
            parts.iter().all(|part| part.refused.is_none()),
            "{:?}",
            parts.first()
        );
    }
}
