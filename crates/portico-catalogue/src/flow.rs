//! One flow and what belongs to it. The serialised form is the one of `portico ports list -o json`.

use serde::{Deserialize, Serialize};

/// Who talks to whom, over which ports, why, and where that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// Stable id: `<document>.<name>`.
    pub id: String,
    /// Role that opens the connection.
    pub from: String,
    /// Role that is listening.
    pub to: String,
    /// What carries it.
    pub transport: Transport,
    /// Number of the IP protocol; only when the transport is [`Transport::Ip`].
    pub ip_protocol: Option<u8>,
    /// Ports at `to`; empty for ICMP and IP protocols, and while the estate has to name the port
    /// ([`Condition::PortGiven`]).
    pub ports: Vec<PortRange>,
    /// Protocol spoken over it.
    pub application_protocol: String,
    /// Title of the service.
    pub service: String,
    /// Name of the system service as the document writes it.
    pub system_service_name: Option<String>,
    /// What it is for.
    pub purpose: String,
    /// Whether `to` also opens connections to `from`.
    pub direction: Direction,
    /// When it is needed: all of them together; always when empty.
    pub conditions: Vec<Condition>,
    /// How it can be shown to work.
    pub proof: Proof,
    /// Where it is written.
    pub sources: Vec<Source>,
    /// What the sources get wrong, with the correction. [`Flow::ports`] stays as written.
    pub errata: Vec<Erratum>,
    /// What Portico does about it.
    pub portico: Answer,
}

impl Flow {
    /// The first port of the first range; what the code listens on or dials by default.
    pub fn default_port(&self) -> Option<u16> {
        self.ports.first().map(|range| range.first)
    }

    /// The ports that really serve: those of the errata where they correct them, else as written.
    pub fn corrected_ports(&self) -> &[PortRange] {
        let corrected = self
            .errata
            .iter()
            .find_map(|erratum| match &erratum.effect {
                ErratumEffect::Ports { ports } => Some(ports.as_slice()),
                ErratumEffect::Words | ErratumEffect::LeaveOut => None,
            });
        corrected.unwrap_or(&self.ports)
    }

    /// Whether an erratum says that there is no such traffic: no plan has it.
    pub fn is_left_out(&self) -> bool {
        self.errata
            .iter()
            .any(|erratum| erratum.effect == ErratumEffect::LeaveOut)
    }

    /// Name by which the estate gives the port, when the document names none.
    pub fn port_name(&self) -> Option<&str> {
        self.conditions
            .iter()
            .find_map(|condition| match condition {
                Condition::PortGiven { name, .. } => Some(name.as_str()),
                _ => None,
            })
    }

    /// Name of what carries it, as people write it: `tcp`, `udp`, `icmp`, `gre`, `ip/99`.
    pub fn transport_name(&self) -> String {
        match (self.transport, self.ip_protocol) {
            (Transport::Tcp, _) => "tcp".into(),
            (Transport::Udp, _) => "udp".into(),
            (Transport::Icmp, _) => "icmp".into(),
            (Transport::Ip, Some(47)) => "gre".into(),
            (Transport::Ip, Some(50)) => "esp".into(),
            (Transport::Ip, Some(51)) => "ah".into(),
            (Transport::Ip, number) => format!("ip/{}", number.unwrap_or_default()),
        }
    }
}

/// What carries a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// Another IP protocol, by number.
    Ip,
}

impl Transport {
    /// Whether it has ports.
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }
}

/// Ports from `first` to `last`, both included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
    /// How the ports in use follow from the estate, where they are not all of the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<Formula>,
}

impl PortRange {
    /// From `first` to `last`.
    pub const fn new(first: u16, last: u16) -> Self {
        Self {
            first,
            last,
            formula: None,
        }
    }

    /// One port.
    pub const fn one(port: u16) -> Self {
        Self::new(port, port)
    }
}

/// `first`, `first + step`, …: as many as hosts of the estate have the role `each`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Formula {
    /// The formula in words, as in `4000 + 2n for member n of the array`.
    pub text: String,
    /// Distance of one port to the next.
    pub step: u16,
    /// Role whose hosts are counted.
    pub each: String,
}

/// Who opens connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Only `from`; answers come back on the same connection.
    OneWay,
    /// Each of both.
    BothWays,
}

/// When a flow is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "when", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Condition {
    /// A feature is on at both ends.
    Feature {
        /// Id of the [`FeatureEntry`].
        feature: String,
    },
    /// The operating system at one end is of these generations.
    Os {
        /// Which end.
        at: End,
        /// The oldest; from the beginning when absent.
        #[serde(default)]
        first: Option<OsGeneration>,
        /// The newest; to the end when absent.
        #[serde(default)]
        last: Option<OsGeneration>,
    },
    /// Both ends stand at the same site.
    SameSite,
    /// It works without; planned only when the estate asks for optional flows.
    Optional {
        /// What is lost without it.
        why: String,
    },
    /// The document names no port: the estate gives it by name.
    PortGiven {
        /// Key in the `ports` of the host at `to`.
        name: String,
        /// Where the administrator finds the number.
        question: String,
    },
    /// For the reader only.
    Note {
        /// A sentence.
        text: String,
    },
}

/// One end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Who opens the connection.
    From,
    /// Who listens.
    To,
}

/// Generations of Windows by the version of their kernel, oldest first; everything else is
/// [`OsGeneration::Other`], which no condition on Windows holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OsGeneration {
    /// Windows 2000.
    #[serde(rename = "windows-2000")]
    Windows2000,
    /// Windows XP.
    #[serde(rename = "windows-xp")]
    WindowsXp,
    /// Windows Server 2003 and 2003 R2.
    #[serde(rename = "windows-2003")]
    Windows2003,
    /// Windows Vista and Windows Server 2008.
    #[serde(rename = "windows-2008", alias = "windows-vista")]
    Windows2008,
    /// Windows 7 and Windows Server 2008 R2.
    #[serde(rename = "windows-2008r2", alias = "windows-7")]
    Windows2008R2,
    /// Windows 8 and Windows Server 2012.
    #[serde(rename = "windows-2012", alias = "windows-8")]
    Windows2012,
    /// Windows 8.1 and Windows Server 2012 R2.
    #[serde(rename = "windows-2012r2", alias = "windows-8.1")]
    Windows2012R2,
    /// Windows 10, 11 and Windows Server 2016 and newer.
    #[serde(
        rename = "windows-2016",
        alias = "windows-10",
        alias = "windows-11",
        alias = "windows-2019",
        alias = "windows-2022",
        alias = "windows-2025"
    )]
    Windows2016,
    /// Not Windows.
    #[serde(rename = "other", alias = "linux")]
    Other,
}

impl OsGeneration {
    /// Every name of an operating system and what generation it is, oldest first.
    pub const NAMES: &[(&str, Self)] = &[
        ("windows-2000", Self::Windows2000),
        ("windows-xp", Self::WindowsXp),
        ("windows-2003", Self::Windows2003),
        ("windows-vista", Self::Windows2008),
        ("windows-2008", Self::Windows2008),
        ("windows-7", Self::Windows2008R2),
        ("windows-2008r2", Self::Windows2008R2),
        ("windows-8", Self::Windows2012),
        ("windows-2012", Self::Windows2012),
        ("windows-8.1", Self::Windows2012R2),
        ("windows-2012r2", Self::Windows2012R2),
        ("windows-10", Self::Windows2016),
        ("windows-2016", Self::Windows2016),
        ("windows-2019", Self::Windows2016),
        ("windows-11", Self::Windows2016),
        ("windows-2022", Self::Windows2016),
        ("windows-2025", Self::Windows2016),
        ("linux", Self::Other),
        ("other", Self::Other),
    ];

    /// The generation that a name means.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, generation)| *generation)
    }
}

/// How a flow can be shown to work: the classes of the port check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Proof {
    /// It answers a stranger: one request, one checked reply.
    A,
    /// It answers who knows a secret; without it, reachable is all that can be shown.
    B,
    /// It never answers: the agent at the far end listens and confirms.
    C,
    /// It binds on demand or by a formula: the far end opens the port, or names it.
    D,
    /// It comes back: shown from the destination of the session it belongs to.
    E,
    /// It leaves the site, through a proxy perhaps.
    F,
}

impl Proof {
    /// What the class means, in a few words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::A => "answers a stranger",
            Self::B => "answers who knows a secret",
            Self::C => "never answers: needs a listener at the far end",
            Self::D => "binds on demand or by a formula",
            Self::E => "comes back from the far end",
            Self::F => "leaves the site",
        }
    }
}

/// Something that a source gets wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erratum {
    /// What is written.
    pub written: String,
    /// What would be right, and by what that is known.
    pub correction: String,
    /// What it means for plans.
    #[serde(default)]
    pub effect: ErratumEffect,
}

/// What an erratum means for plans.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ErratumEffect {
    /// Nothing: a name or a word is wrong.
    #[default]
    Words,
    /// These ports instead of the written ones.
    Ports {
        /// The right ones.
        ports: Vec<PortRange>,
    },
    /// There is no such traffic.
    LeaveOut,
}

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Id of the document.
    pub document: String,
    /// Heading.
    pub section: String,
    /// Row of the table, counted from 1; absent when it stands in prose.
    pub row: Option<u32>,
    /// The port cell as written.
    pub as_written: String,
}

/// What Portico does about a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// It speaks it.
    Built {
        /// Crates that do.
        by: String,
    },
    /// Something else serves the purpose.
    Replaced {
        /// What.
        by: String,
        /// Why.
        why: String,
    },
    /// It is known, planned and written as rules, and no more.
    Catalogued {
        /// Why.
        why: String,
    },
    /// It is not done on purpose.
    Declined {
        /// Why.
        why: String,
    },
}

/// A role that a machine, process or person has at one end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// Stable id: `<product>.<name>`.
    pub id: String,
    /// Name to show.
    pub title: String,
    /// What it is.
    pub description: String,
    /// Roles that a host with this one has, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub includes: Vec<String>,
    /// Whether it stands outside of the estate: a service on the Internet, or people's devices.
    #[serde(default)]
    pub external: bool,
}

/// Something that can be on or off in an estate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureEntry {
    /// Stable id: `<product>.<name>`.
    pub id: String,
    /// Name to show.
    pub title: String,
    /// What it does.
    pub description: String,
    /// Whether it is on where the estate does not say.
    pub default: bool,
}

/// A Unix socket on one machine: between two of Portico's processes, or of another program that
/// Portico asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocalSocket {
    /// Stable id.
    pub id: String,
    /// Role that connects.
    pub from: String,
    /// Role that listens.
    pub to: String,
    /// What it is for.
    pub purpose: String,
    /// Whose file it is, and where.
    #[serde(flatten)]
    pub file: SocketFile,
}

/// The file of a [`LocalSocket`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SocketFile {
    /// Portico makes it.
    Own {
        /// Its name in the run folder.
        file_name: String,
        /// Its permissions.
        mode: u32,
    },
    /// Another program makes it.
    Foreign {
        /// Where, with `{display}` for the number of an X display.
        foreign_path: String,
    },
}
