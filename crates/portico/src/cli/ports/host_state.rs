//! What a host has loaded and who listens there, made ready to be judged: read on this machine, told
//! by an agent, or from files.

use std::{
    fs::File,
    io::Read,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use portico_catalogue::{
    PortRange,
    drift::{self, DUMP_LEN_MAX, DumpError, Listeners, Ruleset, packets::Version},
};
use portico_net::host_ports::{self, HostPorts, ReadLimits, RulesDump, RulesTold, RulesTool};

use crate::cli::failure::Failure;

/// How much of this machine is read.
const LIMITS: ReadLimits = ReadLimits {
    tool: Duration::from_secs(30),
    rules_len_max: DUMP_LEN_MAX,
    sockets_max: 65_536,
};

/// Rules and sockets of one host.
#[derive(Debug)]
pub(super) struct HostState {
    /// Its rules, if they are to be judged.
    pub(super) rules: Option<Ruleset>,
    /// Its sockets, if they are to be judged.
    pub(super) listeners: Option<Listeners>,
    /// Its interfaces with their addresses; empty when they are not known.
    pub(super) interfaces: Vec<(String, IpAddr)>,
    /// Ports that its programs get when they ask for any.
    pub(super) client_ports: PortRange,
    /// What the reader has to know of how it was read.
    pub(super) notes: Vec<String>,
}

impl HostState {
    /// Of the network namespace of this process.
    pub(super) async fn of_this_machine() -> Result<Self, Failure> {
        let told = host_ports::read(LIMITS).await;
        let rules = rules_of(&told.rules).map_err(|fault| match fault {
            RulesFault::NotRead(why) => {
                Failure::new("The firewall rules of this machine cannot be read")
                    .reason(why)
                    .next_step(
                        "run the command as root, or install nftables, or give what `nft -j list \
                         ruleset` prints with --rules",
                    )
            }
            RulesFault::NotADump(tool, error) => {
                Failure::new(format!("What {} prints cannot be judged", tool.program()))
                    .reason(error)
                    .next_step(
                        "run it by hand and look at its end: nft 1.0.6 stops in the middle when \
                         there is a dormant table",
                    )
            }
        })?;
        if let Some(why) = &told.sockets_fault {
            return Err(Failure::new("The sockets of this machine cannot be judged")
                .reason(why)
                .next_step("mount /proc, or give what `ss -Hlntup` prints with --sockets"));
        }
        Ok(Self {
            rules: Some(rules),
            notes: Vec::new(),
            ..Self::without_rules(&told)
        })
    }

    /// As its agent told. What the agent could not read is not judged, and a note says so.
    pub(super) fn of_agent(host: &str, told: &HostPorts) -> Result<Self, Failure> {
        let mut state = Self::without_rules(told);
        match rules_of(&told.rules) {
            Ok(rules) => state.rules = Some(rules),
            Err(RulesFault::NotRead(why)) => state.notes.push(format!(
                "The host's rules are not judged: {why}; run the agent as root where nft or \
                 iptables is installed"
            )),
            Err(RulesFault::NotADump(tool, error)) => {
                let what = format!(
                    "What {} prints on host {host} cannot be judged",
                    tool.program()
                );
                return Err(Failure::new(what).reason(error).next_step(
                    "run it there by hand and look at its end; if it is whole, the agent is not \
                     what it was",
                ));
            }
        }
        if let Some(why) = &told.sockets_fault {
            state.listeners = None;
            state.notes.push(format!(
                "The host's sockets are not judged: {why}; run `portico ports diff` on the host"
            ));
        }
        if !told.as_root {
            state.notes.push(
                "The agent does not run as root: whose the sockets of other users are, it cannot \
                 tell"
                    .to_owned(),
            );
        }
        Ok(state)
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
        let mut notes = Vec::new();
        for (is_judged, what) in [
            (
                rules.is_some(),
                "rules are not judged: give them with --rules",
            ),
            (
                listeners.is_some(),
                "sockets are not judged: give them with --sockets",
            ),
        ] {
            if !is_judged {
                notes.push(format!("The host's {what}"));
            }
        }
        Ok(Self {
            rules,
            listeners,
            interfaces: Vec::new(),
            // What Linux begins with; the dump does not say.
            client_ports: PortRange::new(32_768, 60_999),
            notes,
        })
    }

    /// Whether both sides are judged.
    pub(super) fn is_whole(&self) -> bool {
        self.rules.is_some() && self.listeners.is_some()
    }

    fn without_rules(told: &HostPorts) -> Self {
        let (first, last) = told.client_ports;
        let interfaces = told.interfaces.iter();
        Self {
            rules: None,
            listeners: Some(Listeners {
                sockets: host_ports::listeners(&told.sockets),
                unread: Vec::new(),
            }),
            interfaces: interfaces
                .map(|interface| (interface.name.clone(), interface.address))
                .collect(),
            client_ports: PortRange::new(first, last),
            notes: Vec::new(),
        }
    }
}

/// Interfaces of this machine with their addresses; none when they are not told.
pub(super) async fn interfaces() -> Vec<(String, IpAddr)> {
    let told = host_ports::interfaces(LIMITS.tool).await.into_iter();
    told.map(|interface| (interface.name, interface.address))
        .collect()
}

/// Why there are no rules to judge.
#[derive(Debug)]
enum RulesFault {
    /// They cannot be read.
    NotRead(String),
    /// A tool prints something else.
    NotADump(RulesTool, DumpError),
}

/// The rules that tools showed. nft has to be read where it is: it shows what the others do not.
fn rules_of(dumps: &[RulesDump]) -> Result<Ruleset, RulesFault> {
    let (mut texts, mut absent, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut versions = Vec::new();
    for dump in dumps {
        let program = dump.tool.program();
        match &dump.told {
            RulesTold::Text { text } => {
                versions.extend(match dump.tool {
                    RulesTool::IptablesSave => Some(Version::V4),
                    RulesTool::Ip6tablesSave => Some(Version::V6),
                    RulesTool::Nft => None,
                });
                // It prints nothing at all when there are no tables.
                if dump.tool == RulesTool::Nft || !text.trim().is_empty() {
                    texts.push((dump.tool, text.as_str()));
                }
            }
            RulesTold::Absent => absent.push(program),
            RulesTold::Failed { why } if dump.tool == RulesTool::Nft => {
                return Err(RulesFault::NotRead(format!("nft failed: {why}")));
            }
            RulesTold::Failed { why } => failed.push(format!("{program} failed: {why}")),
        }
    }
    if texts.is_empty() && versions.is_empty() {
        return Err(RulesFault::NotRead(match failed.is_empty() {
            true => format!("it has none of {}", absent.join(", ")),
            false => failed.join("; "),
        }));
    }
    let only: Vec<&str> = texts.iter().map(|(_, text)| *text).collect();
    let mut rules = drift::read_rules(&only).map_err(|(place, error)| {
        let tool = texts.get(place).map_or(RulesTool::Nft, |(tool, _)| *tool);
        RulesFault::NotADump(tool, error)
    })?;
    rules.versions.extend(versions);
    rules.unread.extend(failed);
    Ok(rules)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn dumps(iptables: RulesTold, ip6tables: RulesTold, nft: RulesTold) -> Vec<RulesDump> {
        let told = [iptables, ip6tables, nft];
        let pairs = RulesTool::ALL.into_iter().zip(told);
        pairs.map(|(tool, told)| RulesDump { tool, told }).collect()
    }

    fn text(text: &str) -> RulesTold {
        RulesTold::Text { text: text.into() }
    }

    fn failed() -> RulesTold {
        RulesTold::Failed {
            why: "you must be root".into(),
        }
    }

    #[test]
    fn what_tools_say_is_rules_or_the_reason_why_there_are_none() {
        use RulesTold::Absent;
        // No table at all: everything is let in, and that is known.
        let none = rules_of(&dumps(text(""), text("\n"), Absent)).unwrap();
        assert!(none.rules.is_empty() && none.chains.is_empty());
        assert_eq!(none.versions.len(), 2);
        // One version is known, and the other is told.
        let half = rules_of(&dumps(text(""), failed(), Absent)).unwrap();
        assert_eq!(half.versions.len(), 1);
        assert_eq!(half.unread, ["ip6tables-save failed: you must be root"]);
        for (dumps, says) in [
            (
                dumps(Absent, Absent, Absent),
                "it has none of iptables-save",
            ),
            (dumps(text(""), text(""), failed()), "nft failed: you must"),
            (dumps(failed(), Absent, Absent), "iptables-save failed: you"),
        ] {
            let Err(RulesFault::NotRead(why)) = rules_of(&dumps) else {
                panic!("{says}: rules");
            };
            assert!(why.starts_with(says), "{why}");
        }
        let cut = rules_of(&dumps(text("*filter"), text(""), text("{\"nftables\":")));
        assert!(matches!(
            cut,
            Err(RulesFault::NotADump(RulesTool::Nft, DumpError::NotJson(_)))
        ));
        let other = rules_of(&dumps(text("hello"), Absent, Absent));
        assert!(matches!(
            other,
            Err(RulesFault::NotADump(RulesTool::IptablesSave, _))
        ));
    }
}
