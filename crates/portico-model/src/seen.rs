//! What is *seen* of hosts: the reports of their agents, and the orders that agents are given.
//!
//! An agent's clock is not trusted, so reports carry ages and never points in time. What comes
//! from an agent is checked once, by [`HostReport::check`] and [`AgentHello::check`].

use serde::{Deserialize, Serialize};

use crate::{
    HostId, Timestamp,
    estate::{HostMode, Pin, Protocol},
};

/// Sessions in one report.
pub const REPORT_SESSIONS_MAX: usize = 5_000;
/// Bytes of each text in a report, a hello or an outcome.
pub const TEXT_LEN_MAX: usize = 256;
/// Identities that one host may have.
pub const IDENTITIES_MAX: usize = 16;
/// Bytes of the algorithm's name in an SSH identity.
pub const KEY_ALGORITHM_LEN_MAX: usize = 64;
/// Bytes of the base64 text of an SSH identity: enough for an RSA key of 16384 bits.
pub const KEY_BLOB_LEN_MAX: usize = 3_072;
/// The whole, of shares that are given per ten thousand.
pub const WHOLE: u32 = 10_000;
/// A host whose agent said nothing for so long is stale.
pub const STALE_AFTER_MS: u64 = 10_000;
/// Time between two reports of an agent.
pub const REPORT_EVERY_MS: u64 = 2_000;
/// Longest age that is believed, in seconds: 10 years.
pub const AGE_MAX_S: u64 = 315_360_000;
/// Highest run queue that is told apart: 100 waiting tasks for each processor.
pub const RUN_QUEUE_MAX: u32 = 100 * WHOLE;

/// How busy a host is. Shares are per ten thousand, 0 to [`WHOLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Load {
    /// Share of processor time in use since the last report.
    pub cpu: u32,
    /// Share of memory in use: what is not available for new programs.
    pub memory: u32,
    /// Memory in bytes.
    pub memory_total_bytes: u64,
    /// Tasks ready to run for each processor, in ten-thousandths: 10,000 is one for each.
    pub run_queue: u32,
    /// Share of the time since the last report in which processors idled because of disks.
    pub disk_wait: u32,
    /// Pressure stall information, where the kernel has it.
    #[serde(default)]
    pub pressure: Option<Pressure>,
    /// Bytes received each second, loopback left out.
    pub received_bytes_s: u64,
    /// Bytes sent each second, loopback left out.
    pub sent_bytes_s: u64,
}

/// Share of the last 10 s in which some task was stalled (`some avg10` of `/proc/pressure`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pressure {
    /// For processor time.
    pub cpu: u32,
    /// For memory.
    pub memory: u32,
    /// For disks.
    pub io: u32,
}

/// A session that exists on a host, whoever started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSession {
    /// The agent's name for it, for example `xrdp:10` or `ssh:pts/3`; one session each.
    pub key: String,
    /// Account it runs as.
    pub account: String,
    /// What it is.
    pub kind: HostSessionKind,
    /// X display, terminal or seat.
    #[serde(default)]
    pub display: Option<String>,
    /// Whether somebody is connected to it.
    pub state: HostSessionState,
    /// How long it exists, in seconds.
    pub age_s: u64,
    /// How long it is in that state, in seconds, where that is known.
    #[serde(default)]
    pub state_age_s: Option<u64>,
    /// How long nobody typed or moved the pointer, in seconds, where that is known.
    #[serde(default)]
    pub idle_s: Option<u64>,
}

/// What a session on a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostSessionKind {
    /// A remote desktop.
    Rdp,
    /// A shell over SSH.
    Ssh,
    /// Somebody at the machine itself.
    Console,
}

/// Whether somebody is connected to a session on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostSessionState {
    /// Somebody is.
    Active,
    /// Nobody is; it goes on.
    Disconnected,
}

/// What an agent tells about its host every [`REPORT_EVERY_MS`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostReport {
    /// Number of the report on this link, from 1 on, each one higher than the last.
    pub number: u64,
    /// How busy it is.
    pub load: Load,
    /// Every session there is on it.
    pub sessions: Vec<HostSession>,
}

/// What an agent says of itself when a link opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentHello {
    /// The host it believes to be; must be the one in its certificate.
    pub host: HostId,
    /// Name and version of the program.
    pub software: String,
    /// Changes with each start of the machine.
    pub boot: String,
    /// Operating system, for people.
    pub system: String,
    /// Processors.
    pub cpus: u32,
    /// What the host's RDP and SSH servers show to prove who they are.
    #[serde(default)]
    pub identities: Vec<Pin>,
}

/// Something an agent is told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// End a session and all its programs.
    LogOff {
        /// Which.
        session: SessionOnHost,
    },
    /// Cut a session's connection; the session goes on.
    Disconnect {
        /// Which.
        session: SessionOnHost,
    },
    /// Show a text to people.
    Message {
        /// To one session, or to every one.
        session: Option<SessionOnHost>,
        /// Who says it.
        from: String,
        /// The text.
        text: String,
    },
    /// Prove from there that a protocol answers somewhere.
    Probe {
        /// Protocol.
        protocol: Protocol,
        /// Address or name.
        address: String,
        /// Port.
        port: u16,
    },
    /// Restart the machine.
    Restart {
        /// Seconds from now.
        after_s: u32,
        /// What people there are told.
        text: String,
    },
    /// Tell the identities of the host's servers again.
    TellIdentities,
}

/// A session in an order. The agent checks that the key still belongs to the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOnHost {
    /// The agent's name for it; `None`: every session of the account and kind.
    #[serde(default)]
    pub key: Option<String>,
    /// Account it runs as.
    pub account: String,
    /// What it is.
    pub kind: HostSessionKind,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum OrderOutcome {
    /// It was done.
    Done {
        /// What was seen, in words.
        detail: String,
    },
    /// There is no such session any more.
    NotFound,
    /// It was tried.
    Failed {
        /// Why it failed, in words.
        detail: String,
    },
    /// This agent cannot do it on this host.
    NotSupported {
        /// Why, in words.
        detail: String,
    },
    /// Answer to [`Order::TellIdentities`].
    Identities {
        /// What the host's servers show.
        identities: Vec<Pin>,
    },
}

/// A mode that an operator, or a rule, has set on a host beside the one of the estate. The
/// stricter of the two counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeSet {
    /// What it takes.
    pub mode: HostMode,
    /// Who set it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why. Free text.
    pub reason: String,
    /// Ends when the host's boot is another than this one.
    #[serde(default)]
    pub until_restart_of: Option<String>,
}

/// What is wrong with something an agent sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeenError {
    /// More sessions than one report may have.
    #[error("the report names {count} sessions; at most {REPORT_SESSIONS_MAX} are taken")]
    TooManySessions {
        /// How many.
        count: usize,
    },
    /// A number outside its range.
    #[error("{field} is {value}; at most {max} is possible")]
    OutOfRange {
        /// Which.
        field: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        max: u64,
    },
    /// A text that is empty where it must not be, or too long.
    #[error("{field} has {len} bytes; 1 to {TEXT_LEN_MAX} are taken")]
    TextLength {
        /// Which.
        field: &'static str,
        /// Its bytes.
        len: usize,
    },
    /// Two sessions with one key.
    #[error("two sessions have the key {key:?}")]
    SameKey {
        /// It.
        key: String,
    },
    /// An SSH key with a part that is empty or longer than any key has.
    #[error("{field} of an identity has {len} bytes; 1 to {max} are taken")]
    IdentityLength {
        /// Which part.
        field: &'static str,
        /// Its bytes.
        len: usize,
        /// What it may have.
        max: usize,
    },
    /// More identities than a host can have.
    #[error("the agent names {count} identities; at most {IDENTITIES_MAX} are taken")]
    TooManyIdentities {
        /// How many.
        count: usize,
    },
}

impl HostReport {
    /// Checks every bound. A report that breaks one is refused whole.
    pub fn check(&self) -> Result<(), SeenError> {
        if self.sessions.len() > REPORT_SESSIONS_MAX {
            return Err(SeenError::TooManySessions {
                count: self.sessions.len(),
            });
        }
        self.load.check()?;
        let mut keys = std::collections::BTreeSet::new();
        for session in &self.sessions {
            session.check()?;
            if !keys.insert(session.key.as_str()) {
                return Err(SeenError::SameKey {
                    key: session.key.clone(),
                });
            }
        }
        Ok(())
    }
}

impl Load {
    fn check(&self) -> Result<(), SeenError> {
        at_most("load.cpu", self.cpu, WHOLE)?;
        at_most("load.memory", self.memory, WHOLE)?;
        at_most("load.disk_wait", self.disk_wait, WHOLE)?;
        at_most("load.run_queue", self.run_queue, RUN_QUEUE_MAX)?;
        let pressure = self.pressure.unwrap_or_default();
        at_most("load.pressure.cpu", pressure.cpu, WHOLE)?;
        at_most("load.pressure.memory", pressure.memory, WHOLE)?;
        at_most("load.pressure.io", pressure.io, WHOLE)
    }
}

impl HostSession {
    fn check(&self) -> Result<(), SeenError> {
        text("session.key", &self.key)?;
        text("session.account", &self.account)?;
        if let Some(display) = &self.display {
            text("session.display", display)?;
        }
        let ages = [Some(self.age_s), self.state_age_s, self.idle_s];
        for age in ages.into_iter().flatten() {
            at_most("age of a session", age, AGE_MAX_S)?;
        }
        Ok(())
    }
}

impl AgentHello {
    /// Checks every bound.
    pub fn check(&self) -> Result<(), SeenError> {
        text("software", &self.software)?;
        text("boot", &self.boot)?;
        text("system", &self.system)?;
        at_most("cpus", self.cpus, 65_536_u32)?;
        if self.identities.len() > IDENTITIES_MAX {
            return Err(SeenError::TooManyIdentities {
                count: self.identities.len(),
            });
        }
        self.identities.iter().try_for_each(check_identity)
    }
}

fn check_identity(pin: &Pin) -> Result<(), SeenError> {
    let Pin::SshKey { algorithm, blob } = pin else {
        return Ok(());
    };
    for (field, text, max) in [
        ("the algorithm", algorithm, KEY_ALGORITHM_LEN_MAX),
        ("the key", blob, KEY_BLOB_LEN_MAX),
    ] {
        let len = text.len();
        if len == 0 || len > max {
            return Err(SeenError::IdentityLength { field, len, max });
        }
    }
    Ok(())
}

fn text(field: &'static str, text: &str) -> Result<(), SeenError> {
    if text.is_empty() || text.len() > TEXT_LEN_MAX {
        return Err(SeenError::TextLength {
            field,
            len: text.len(),
        });
    }
    Ok(())
}

fn at_most(
    field: &'static str,
    value: impl Into<u64>,
    max: impl Into<u64>,
) -> Result<(), SeenError> {
    let (value, max) = (value.into(), max.into());
    if value > max {
        return Err(SeenError::OutOfRange { field, value, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(key: &str) -> HostSession {
        HostSession {
            key: key.into(),
            account: "anna".into(),
            kind: HostSessionKind::Rdp,
            display: Some(":10".into()),
            state: HostSessionState::Active,
            age_s: 5,
            state_age_s: None,
            idle_s: Some(1),
        }
    }

    #[test]
    fn absurd_reports_are_refused_with_the_field() {
        let good = HostReport {
            number: 1,
            load: Load {
                cpu: WHOLE,
                ..Load::default()
            },
            sessions: vec![session("xrdp:10")],
        };
        assert_eq!(good.check(), Ok(()));
        let many = (0..=REPORT_SESSIONS_MAX).map(|n| session(&n.to_string()));
        for (wrong, says) in [
            (
                HostReport {
                    sessions: many.collect(),
                    ..good.clone()
                },
                "names 5001 sessions",
            ),
            (
                HostReport {
                    load: Load {
                        cpu: WHOLE + 1,
                        ..Load::default()
                    },
                    ..good.clone()
                },
                "load.cpu is 10001",
            ),
            (
                HostReport {
                    sessions: vec![session("a"), session("a")],
                    ..good.clone()
                },
                "two sessions have the key \"a\"",
            ),
            (
                HostReport {
                    sessions: vec![HostSession {
                        age_s: u64::MAX,
                        ..session("a")
                    }],
                    ..good.clone()
                },
                "age of a session",
            ),
            (
                HostReport {
                    sessions: vec![session("")],
                    ..good.clone()
                },
                "session.key has 0 bytes",
            ),
        ] {
            let error = wrong.check().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn an_identity_is_as_long_as_a_key_can_be_and_no_longer() {
        let hello = |algorithm: usize, blob: usize| AgentHello {
            host: HostId::new("m1").unwrap(),
            software: "agent".into(),
            boot: "boot".into(),
            system: "system".into(),
            cpus: 1,
            identities: vec![Pin::SshKey {
                algorithm: "a".repeat(algorithm),
                blob: "b".repeat(blob),
            }],
        };
        // The blob of an RSA key of 16384 bits in base64.
        let largest = (4 + 7 + 4 + 3 + 4 + 2_049_usize).div_ceil(3) * 4;
        assert_eq!(hello(7, largest).check(), Ok(()));
        for (algorithm, blob, says) in [
            (
                KEY_ALGORITHM_LEN_MAX + 1,
                68,
                "the algorithm of an identity has 65",
            ),
            (0, 68, "the algorithm of an identity has 0"),
            (11, KEY_BLOB_LEN_MAX + 1, "the key of an identity has 3073"),
            (11, 0, "the key of an identity has 0"),
        ] {
            let error = hello(algorithm, blob).check().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn negative_and_fractional_numbers_are_no_load() {
        for wrong in ["-1", "0.5", "1e400", "NaN", "null"] {
            let json = format!(
                "{{\"cpu\":{wrong},\"memory\":0,\"memory_total_bytes\":0,\"run_queue\":0,\
                 \"disk_wait\":0,\"received_bytes_s\":0,\"sent_bytes_s\":0}}"
            );
            assert!(serde_json::from_str::<Load>(&json).is_err(), "{wrong}");
        }
    }
}
