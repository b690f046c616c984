//! What a host has loaded and who listens there: from its tools and `/proc`, or from files.

use std::{
    fs::File,
    io::{self, Read},
    net::IpAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use portico_catalogue::{
    PortRange,
    drift::{self, DUMP_LEN_MAX, DumpError, Listeners, Ruleset, packets::Version},
};
use portico_net::holders;
use serde::Deserialize;
use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use crate::cli::failure::Failure;

/// How long a tool may take.
const TOOL_TIMEOUT: Duration = Duration::from_secs(30);

/// What `nft` is asked for.
const NFT: [&str; 4] = ["nft", "-j", "list", "ruleset"];

/// Rules and sockets of one host.
pub(super) struct HostState {
    /// Its rules, if they are to be judged.
    pub(super) rules: Option<Ruleset>,
    /// Its sockets, if they are to be judged.
    pub(super) listeners: Option<Listeners>,
    /// Ports that its programs get when they ask for any.
    pub(super) client_ports: PortRange,
}

impl HostState {
    /// Of the network namespace of this process.
    pub(super) async fn of_this_machine() -> Result<Self, Failure> {
        let rules = rules_of_this_machine().await?;
        let sockets = tokio::task::spawn_blocking(holders::all_listeners).await;
        let sockets = sockets.map_err(io::Error::other).and_then(|read| read);
        let sockets = sockets.map_err(|error| {
            Failure::new("The sockets of this machine cannot be read")
                .reason(error)
                .next_step("mount /proc, or give what `ss -Hlntup` prints with --sockets")
        })?;
        Ok(Self {
            rules: Some(rules),
            listeners: Some(Listeners {
                sockets,
                unread: Vec::new(),
            }),
            client_ports: holders::client_ports(),
        })
    }

    /// From what was dumped on another host; what is not given is not judged.
    pub(super) fn from_files(rules: &[PathBuf], sockets: Option<&Path>) -> Result<Self, Failure> {
        let mut dumps = Vec::new();
        for path in rules {
            dumps.push(file(path)?);
        }
        let texts: Vec<&str> = dumps.iter().map(String::as_str).collect();
        let rules = match rules.is_empty() {
            true => None,
            false => Some(drift::read_rules(&texts).map_err(|(place, error)| {
                let path = rules.get(place).map(|path| path.display().to_string());
                not_a_dump(&path.unwrap_or_default(), &error, RULES_STEP)
            })?),
        };
        let listeners = match sockets {
            None => None,
            Some(path) => Some(drift::read_ss(&file(path)?).map_err(|error| {
                let step = "give what `ss -Hlntup` printed, as root, unchanged";
                not_a_dump(&path.display().to_string(), &error, step)
            })?),
        };
        Ok(Self {
            rules,
            listeners,
            // What Linux begins with; the dump does not say.
            client_ports: PortRange::new(32_768, 60_999),
        })
    }
}

const RULES_STEP: &str = "give what `nft -j list ruleset`, `iptables-save` or `ip6tables-save` \
                          printed, as root, unchanged";

fn not_a_dump(name: &str, error: &DumpError, next_step: &str) -> Failure {
    Failure::new(format!("{name} cannot be judged"))
        .reason(error)
        .next_step(next_step)
}

fn file(path: &Path) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!("{} cannot be read", path.display()))
            .reason(error)
            .next_step("check the path, and that the file is yours to read")
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(DUMP_LEN_MAX).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() > DUMP_LEN_MAX {
        return Err(failed(&DumpError::TooLong));
    }
    String::from_utf8(bytes).map_err(|_| failed(&"it is not text"))
}

async fn rules_of_this_machine() -> Result<Ruleset, Failure> {
    let nft = tool(&NFT).await;
    let (mut dumps, mut absent, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut versions = Vec::new();
    let iptables = [
        ("iptables-save", Version::V4),
        ("ip6tables-save", Version::V6),
    ];
    for (program, version) in iptables {
        match tool(&[program]).await {
            Ok(text) => {
                versions.push(version);
                // It prints nothing at all when there are no tables.
                if !text.trim().is_empty() {
                    dumps.push((program, text));
                }
            }
            Err(Fault::Absent) => absent.push(program),
            Err(Fault::Failed(why)) => failed.push(format!("{program} failed: {why}")),
        }
    }
    match nft {
        Ok(text) => dumps.push(("nft", text)),
        Err(Fault::Absent) => absent.push("nft"),
        Err(Fault::Failed(why)) => {
            return Err(
                Failure::new("The firewall rules of this machine cannot be read")
                    .reason(format!("nft failed: {why}"))
                    .next_step(
                        "run the command as root, or give what `nft -j list ruleset` prints with \
                     --rules",
                    ),
            );
        }
    }
    if dumps.is_empty() && versions.is_empty() {
        let why = match failed.is_empty() {
            true => format!("it has none of {}", absent.join(", ")),
            false => failed.join("; "),
        };
        return Err(
            Failure::new("The firewall rules of this machine cannot be read")
                .reason(why)
                .next_step("run the command as root, or install nftables, or give --rules"),
        );
    }
    let texts: Vec<&str> = dumps.iter().map(|(_, text)| text.as_str()).collect();
    let mut rules = drift::read_rules(&texts).map_err(|(place, error)| {
        let program = dumps.get(place).map_or("a tool", |(program, _)| *program);
        Failure::new(format!("What {program} prints cannot be judged"))
            .reason(error)
            .next_step(
                "run it by hand and look at its end: nft 1.0.6 stops in the middle when there is \
                 a dormant table",
            )
    })?;
    rules.versions.extend(versions);
    rules.unread.extend(failed);
    Ok(rules)
}

/// Why a tool gave nothing.
enum Fault {
    /// It is not installed.
    Absent,
    /// It could not.
    Failed(String),
}

/// What a tool prints. Administrators' tools are often not in the path of others.
async fn tool(words: &[&str]) -> Result<String, Fault> {
    let [program, arguments @ ..] = words else {
        return Err(Fault::Absent);
    };
    for folder in ["", "/usr/sbin/", "/sbin/"] {
        match run(&format!("{folder}{program}"), arguments).await {
            Err(Fault::Absent) => {}
            done => return done,
        }
    }
    Err(Fault::Absent)
}

async fn run(program: &str, arguments: &[&str]) -> Result<String, Fault> {
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
    let done = timeout(TOOL_TIMEOUT, async {
        let (out, errors) = tokio::join!(
            begin_of(stdout, DUMP_LEN_MAX + 1),
            begin_of(stderr, 64 * 1024)
        );
        let out = out?;
        if out.len() > DUMP_LEN_MAX {
            return Err(io::Error::other(DumpError::TooLong));
        }
        Ok((out, errors?, child.wait().await?))
    });
    let (out, errors, status) = done
        .await
        .map_err(|_| failed(&format!("no end after {} s", TOOL_TIMEOUT.as_secs())))?
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

/// Interfaces of this machine with their addresses; none when they are not told.
pub(super) async fn interfaces() -> Vec<(String, IpAddr)> {
    match tool(&["ip", "-j", "address"]).await {
        Ok(text) => parse_interfaces(&text),
        Err(_) => Vec::new(),
    }
}

fn parse_interfaces(text: &str) -> Vec<(String, IpAddr)> {
    let interfaces: Vec<Interface> = serde_json::from_str(text).unwrap_or_default();
    let pairs = interfaces.into_iter().flat_map(|interface| {
        let name = interface.ifname;
        let addresses = interface.addr_info.into_iter();
        addresses.filter_map(move |address| Some((name.clone(), address.local?)))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_as_ip_prints_them() {
        let text = r#"[{"ifindex":1,"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},
            {"ifname":"eth0","addr_info":[{"family":"inet6","local":"fd00::1"},{"family":"inet"}]},{"ifname":"x"}]"#;
        assert_eq!(
            parse_interfaces(text),
            [
                ("lo".to_owned(), IpAddr::from([127, 0, 0, 1])),
                ("eth0".to_owned(), "fd00::1".parse().unwrap())
            ]
        );
        assert_eq!(parse_interfaces("not json"), []);
    }

    #[tokio::test]
    async fn a_tool_that_is_not_there_and_one_that_fails_are_told_apart() {
        assert!(matches!(
            tool(&["portico-no-such-tool"]).await,
            Err(Fault::Absent)
        ));
        let failed = tool(&["sh", "-c", "echo >&2; echo no way >&2; exit 3"]).await;
        assert!(matches!(failed, Err(Fault::Failed(why)) if why == "no way"));
        assert!(matches!(tool(&["echo", "x"]).await, Ok(text) if text == "x\n"));
    }
}
