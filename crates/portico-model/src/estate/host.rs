//! Session hosts: what they speak, take and are known by.

use serde::{Deserialize, Serialize};

use crate::{PoolId, SiteId, network::HostNetwork};

/// A session host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Name to show. Free text.
    pub title: String,
    /// Pool it belongs to.
    pub pool: PoolId,
    /// Roles, in the names of the port catalogue, such as `portico.session-host`.
    pub roles: Vec<String>,
    /// Address or name that the gateway dials.
    pub address: String,
    /// Protocol of its sessions.
    pub protocol: Protocol,
    /// Port of that protocol.
    pub port: u16,
    /// What RDP security it wants; meaningless for SSH.
    pub security: RdpSecurity,
    /// Whether an agent runs on it.
    pub agent: AgentMode,
    /// Limit of sessions.
    pub sessions_max: u32,
    /// What new sessions may come to it.
    pub mode: HostMode,
    /// Identities that the gateway accepts. When empty, those count that its agent reported and
    /// that were accepted; without either nobody trusts it yet.
    pub pins: Vec<Pin>,
    /// Capacity in relation to other hosts, in percent: 200 takes twice the load of 100.
    #[serde(default = "weight_default")]
    pub weight: u32,
    /// Whether one account can have several sessions on it.
    #[serde(default)]
    pub sessions_per_account: SessionsPerAccount,
    /// Where it stands; `None` serves every site.
    #[serde(default)]
    pub site: Option<SiteId>,
    /// Who opens the agent link.
    #[serde(default)]
    pub agent_link: AgentLink,
    /// Where it is in the network beside its address, for the port plan.
    #[serde(default)]
    pub network: HostNetwork,
}

/// Weight of a host unless the estate says otherwise, in percent.
pub const WEIGHT_DEFAULT: u32 = 100;

/// Highest weight of a host, in percent. The lowest is 1.
pub const WEIGHT_MAX: u32 = 1_000;

const fn weight_default() -> u32 {
    WEIGHT_DEFAULT
}

/// Whether one account can have several sessions on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionsPerAccount {
    /// By protocol: one for RDP (xrdp, and Windows unless told otherwise, lead a second
    /// connection of an account into its first session), many for SSH.
    #[default]
    ByProtocol,
    /// One.
    One,
    /// Many.
    Many,
}

/// Who opens the link between agent and broker. The messages are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentLink {
    /// The agent, to port 30004 of every broker.
    #[default]
    Dial,
    /// Every broker, to port 30004 of the host.
    Listen,
}

impl Host {
    /// Whether a second session of one account is not possible on it.
    pub fn gives_each_account_one_session(&self) -> bool {
        match (self.sessions_per_account, self.protocol) {
            (SessionsPerAccount::One, _) | (SessionsPerAccount::ByProtocol, Protocol::Rdp) => true,
            (SessionsPerAccount::Many, _) | (SessionsPerAccount::ByProtocol, Protocol::Ssh) => {
                false
            }
        }
    }
}

/// Protocol between gateway or engine and host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Remote Desktop Protocol.
    Rdp,
    /// Secure Shell.
    Ssh,
}

impl Protocol {
    /// Port the protocol has by default.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Rdp => 3389,
            Self::Ssh => 22,
        }
    }
}

/// How an RDP host authenticates users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RdpSecurity {
    /// Whatever the host selects, network level authentication preferred.
    #[default]
    Negotiate,
    /// TLS only: the log-on goes in the Client Info PDU.
    Tls,
    /// Network level authentication (CredSSP) only.
    Nla,
}

/// Whether a host carries an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentMode {
    /// None: eligible while a protocol probe from the gateway succeeds.
    #[default]
    None,
    /// Eligible while its agent reports.
    Required,
}

/// What a host takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostMode {
    /// New sessions and reconnections.
    #[default]
    Enabled,
    /// Reconnections only.
    Drain,
    /// Nothing.
    Disabled,
}

/// An identity of a host that an operator has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pin {
    /// SHA-256 of the DER certificate, 32 bytes.
    CertificateSha256([u8; 32]),
    /// SSH public key: algorithm and base64 blob as in `known_hosts`.
    SshKey {
        /// For example `ssh-ed25519`.
        algorithm: String,
        /// Base64 of the key blob.
        blob: String,
    },
}
