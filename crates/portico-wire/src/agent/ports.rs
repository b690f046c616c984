//! What a host has loaded as firewall rules and who listens there, as its agent tells it.
//!
//! The answer may be larger than a frame, and must not keep the link from its reports: it is one
//! JSON document, [`HostPorts`], cut into [`PortsPart`]s that [`PortsParts`] puts together again.
//! A broker asks only agents whose hello names [`TELLS_PORTS`].

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    codec::{LimitError, at_most, base64_bytes, text},
    link::LONG_TEXT_LEN_MAX,
};

/// Ability of an agent that answers [`ToAgent::TellPorts`](super::ToAgent::TellPorts).
pub const TELLS_PORTS: &str = "tell-ports";
/// Bytes of the document in one part.
pub const PORTS_PART_LEN_MAX: usize = 64 << 10;
/// Longest document, in bytes.
pub const PORTS_LEN_MAX: usize = 16 << 20;
/// Most parts of one answer: the longest document, and a last part that may be empty.
pub const PORTS_PARTS_MAX: u32 = 257;
/// Longest output of one tool, in bytes. A longer one is not sent, because a part of a ruleset
/// says nothing certain about any packet.
pub const RULES_LEN_MAX: usize = 4 << 20;
/// Sockets in one answer.
pub const SOCKETS_MAX: usize = 16_384;
/// Processes that are named of one socket: servers that fork share one.
pub const PROCESSES_MAX: usize = 16;
/// Addresses of interfaces in one answer.
pub const INTERFACES_MAX: usize = 4_096;
/// Longest name of a process or of an interface, in bytes.
pub const NAME_LEN_MAX: usize = 64;
/// Longest reason why something was not read, in bytes.
pub const WHY_LEN_MAX: usize = 600;

/// A piece of the answer to [`ToAgent::TellPorts`](super::ToAgent::TellPorts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortsPart {
    /// Number of the question.
    pub ask: u64,
    /// Its place in the answer, from 0.
    pub part: u32,
    /// Whether it is the last one.
    pub is_last: bool,
    /// The piece of the document.
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
    /// Why nothing is told; then this is the only part, and empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Rules and listeners of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPorts {
    /// What each tool said, in the order of [`RulesTool::ALL`].
    pub rules: Vec<RulesDump>,
    /// Sockets that take connections, or datagrams from anybody.
    pub sockets: Vec<HostSocket>,
    /// Why not all sockets are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets_fault: Option<String>,
    /// Its interfaces, an entry for each address.
    pub interfaces: Vec<HostInterface>,
    /// First and last of the ports that its programs get when they ask for any.
    pub client_ports: (u16, u16),
    /// Whether it was read as root. Others see neither the rules nor whose the sockets are.
    pub as_root: bool,
}

/// What one tool said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesDump {
    /// Which.
    pub tool: RulesTool,
    /// What it said.
    #[serde(flatten)]
    pub told: RulesTold,
}

/// A tool that shows rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RulesTool {
    /// `nft -j list ruleset`.
    Nft,
    /// `iptables-save`.
    IptablesSave,
    /// `ip6tables-save`.
    Ip6tablesSave,
}

impl RulesTool {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::IptablesSave, Self::Ip6tablesSave, Self::Nft];

    /// The program and its arguments.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Nft => &["nft", "-j", "list", "ruleset"],
            Self::IptablesSave => &["iptables-save"],
            Self::Ip6tablesSave => &["ip6tables-save"],
        }
    }

    /// The program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::IptablesSave => "iptables-save",
            Self::Ip6tablesSave => "ip6tables-save",
        }
    }
}

/// What came of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RulesTold {
    /// What it printed, whole.
    Text {
        /// That.
        text: String,
    },
    /// It is not installed.
    Absent,
    /// It printed nothing that can be judged.
    Failed {
        /// Why.
        why: String,
    },
}

/// A socket that takes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSocket {
    /// Its protocol.
    pub transport: SocketTransport,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Whether one at an IPv6 address takes IPv4, too.
    pub takes_ipv4: bool,
    /// The only interface that it listens at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Who holds it; at most [`PROCESSES_MAX`] of them.
    pub processes: Vec<HostProcess>,
}

/// The protocol of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketTransport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostProcess {
    /// Its number.
    pub pid: u32,
    /// Its short name.
    pub name: String,
}

/// An interface and one of its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInterface {
    /// Its name.
    pub name: String,
    /// The address.
    pub address: IpAddr,
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// The agent would not.
    #[error("it refused: {0}")]
    Refused(String),
    /// A part is missing or came twice.
    #[error("part {part} came where part {wanted} was due")]
    Order {
        /// Which came.
        part: u32,
        /// Which should have.
        wanted: u32,
    },
    /// It is too long.
    #[error("it has more than {PORTS_LEN_MAX} bytes")]
    TooLong,
    /// It is no such document.
    #[error("it is not the expected JSON (line {line}, column {column})")]
    Json {
        /// Line of the document, from 1.
        line: usize,
        /// Column of that line, from 1.
        column: usize,
    },
    /// A list or a text in it is too long.
    #[error("it breaks a limit: {0}")]
    Limit(LimitError),
}

/// Puts the parts of one answer together.
#[derive(Debug, Default)]
pub struct PortsParts {
    bytes: Vec<u8>,
    next: u32,
}

impl PortsParts {
    /// Takes the next part; after the last one the document, for [`HostPorts::read`], which is left
    /// to the caller because it takes its time. Nothing can be taken after that, or after an error.
    ///
    /// # Errors
    /// [`PortsError`].
    pub fn take(&mut self, part: PortsPart) -> Result<Option<Vec<u8>>, PortsError> {
        if let Some(why) = part.refused {
            return Err(PortsError::Refused(why));
        }
        if part.part != self.next {
            let (part, wanted) = (part.part, self.next);
            return Err(PortsError::Order { part, wanted });
        }
        if self.bytes.len().saturating_add(part.bytes.len()) > PORTS_LEN_MAX {
            return Err(PortsError::TooLong);
        }
        self.next = self.next.saturating_add(1);
        self.bytes.extend_from_slice(&part.bytes);
        Ok(part.is_last.then(|| std::mem::take(&mut self.bytes)))
    }
}

impl HostPorts {
    /// Reads a whole document.
    ///
    /// # Errors
    /// [`PortsError`].
    pub fn read(bytes: &[u8]) -> Result<Self, PortsError> {
        if bytes.len() > PORTS_LEN_MAX {
            return Err(PortsError::TooLong);
        }
        let read: Self = serde_json::from_slice(bytes).map_err(|error| PortsError::Json {
            line: error.line(),
            column: error.column(),
        })?;
        read.check().map_err(PortsError::Limit)?;
        Ok(read)
    }

    /// Cuts it into the parts of the answer to `ask`; into one that says why not, when it is larger
    /// than an answer may be.
    pub fn parts(&self, ask: u64) -> Vec<PortsPart> {
        let document = match self.check() {
            Ok(()) => serde_json::to_vec(self).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let document = document.and_then(|document| match document.len() > PORTS_LEN_MAX {
            true => Err(format!(
                "what the host has loaded makes {} bytes; at most {PORTS_LEN_MAX} are sent",
                document.len()
            )),
            false => Ok(document),
        });
        let document = match document {
            Ok(document) => document,
            Err(why) => return vec![PortsPart::refused(ask, why)],
        };
        let pieces: Vec<&[u8]> = document.chunks(PORTS_PART_LEN_MAX).collect();
        let last = pieces.len().saturating_sub(1);
        let numbered = (0_u32..).zip(pieces).enumerate();
        let parts = numbered.map(|(place, (part, piece))| PortsPart {
            ask,
            part,
            is_last: place == last,
            bytes: piece.to_vec(),
            refused: None,
        });
        parts.collect()
    }

    fn check(&self) -> Result<(), LimitError> {
        at_most(
            "rules",
            "items",
            self.rules.len(),
            const { RulesTool::ALL.len() },
        )?;
        for dump in &self.rules {
            match &dump.told {
                RulesTold::Text { text: dump } => text("text", dump, RULES_LEN_MAX)?,
                RulesTold::Failed { why } => text("why", why, WHY_LEN_MAX)?,
                RulesTold::Absent => {}
            }
        }
        at_most("sockets", "items", self.sockets.len(), SOCKETS_MAX)?;
        for socket in &self.sockets {
            at_most("processes", "items", socket.processes.len(), PROCESSES_MAX)?;
            for process in &socket.processes {
                text("name of a process", &process.name, NAME_LEN_MAX)?;
            }
            let interface = socket.interface.as_deref().unwrap_or_default();
            text("interface", interface, NAME_LEN_MAX)?;
        }
        let fault = self.sockets_fault.as_deref().unwrap_or_default();
        text("sockets_fault", fault, WHY_LEN_MAX)?;
        at_most("interfaces", "items", self.interfaces.len(), INTERFACES_MAX)?;
        self.interfaces
            .iter()
            .try_for_each(|interface| text("name of an interface", &interface.name, NAME_LEN_MAX))
    }
}

impl PortsPart {
    /// The only part of an answer that tells nothing.
    pub fn refused(ask: u64, why: String) -> Self {
        Self {
            ask,
            part: 0,
            is_last: true,
            bytes: Vec::new(),
            refused: Some(why),
        }
    }
}

pub(super) fn check_part(part: &PortsPart) -> Result<(), LimitError> {
    at_most("bytes", "bytes", part.bytes.len(), PORTS_PART_LEN_MAX)?;
    let refused = part.refused.as_deref().unwrap_or_default();
    text("refused", refused, LONG_TEXT_LEN_MAX)
}
