//! Drift: what an estate needs, against what a host's firewall lets in and what really listens there.
//!
//! Read [`Question`] and [`Drift`] first; [`diff()`] compares. [`read_rules`] and [`read_ss`] read
//! what the tools of the host print. The rules are not tried with packets: every packet that might
//! come is put through them at once, in sets ([`packets`]) that the conditions cut into parts.
//!
//! Pure: the caller runs the tools. What is not understood is kept, and told as "unexplained".

mod compare;
mod iptables;
mod judge;
mod listeners;
mod nft;
pub mod packets;
pub mod ranges;
mod rule_side;
pub mod ruleset;
mod socket_side;

use std::net::IpAddr;

use serde::Serialize;

pub use compare::{diff, shell_word};
pub use listeners::{Listener, Listeners, Process, read_ss};
pub use ruleset::Ruleset;

use crate::{flow::PortRange, plan::FlowPlan};

/// Longest dump that is read, in bytes.
pub const DUMP_LEN_MAX: usize = 32 << 20;

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The plan of the estate.
    pub plan: &'q FlowPlan,
    /// The host, by its place in [`FlowPlan::hosts`].
    pub host: u32,
    /// Its firewall rules; `None` when they are not to be judged.
    pub rules: Option<&'q Ruleset>,
    /// Its sockets; `None` when they are not to be judged.
    pub listeners: Option<&'q Listeners>,
    /// Its interfaces with their addresses; empty when they are not known.
    pub interfaces: &'q [(String, IpAddr)],
    /// Ports that its programs get when they ask for any.
    pub client_ports: &'q PortRange,
    /// How the estate is named to `portico ports rules`: `-f FILE` with a blank before it, or
    /// nothing.
    pub estate_option: &'q str,
}

/// Where a host and its plan differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Id of the host.
    pub host: String,
    /// Flows planned at it.
    pub flows: usize,
    /// Whether its rules were judged.
    pub rules_judged: bool,
    /// Sockets that were judged.
    pub sockets: usize,
    /// The differences, by class, then rules before listeners.
    pub findings: Vec<Finding>,
    /// What the reader has to know to trust it.
    pub notes: Vec<String>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of difference.
    pub class: Class,
    /// Where.
    pub side: Side,
    /// What traffic it is about; empty when that is not known.
    pub traffic: Vec<Traffic>,
    /// Planned flows that it is about, by id.
    pub flows: Vec<String>,
    /// Hosts that need it, by id.
    pub needed_by: Vec<String>,
    /// Networks that it is about, in words; at most a handful.
    pub from: Vec<String>,
    /// Processes that listen.
    pub processes: Vec<Process>,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub next_step: String,
}

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Planned, and not let in, or nothing listens.
    Missing,
    /// Let in or listened on, and not planned.
    Superfluous,
    /// Cannot be judged.
    Unexplained,
}

impl Class {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::Missing, Self::Superfluous, Self::Unexplained];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Superfluous => "superfluous",
            Self::Unexplained => "unexplained",
        }
    }
}

/// Where a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// In the firewall's rules.
    Rule,
    /// In who listens.
    Listener,
}

impl Side {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Listener => "listener",
        }
    }
}

/// A protocol and its ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Traffic {
    /// As people write it: `tcp`, `udp`, `icmp`, `gre`, `ip/99`, `other protocols`.
    pub protocol: String,
    /// Ports; empty when it has none.
    pub ports: Vec<PortRange>,
}

/// A dump that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// Not the document that nft prints.
    #[error("it begins as JSON and is not a whole document: {0}")]
    NotJson(#[source] serde_json::Error),
    /// JSON of something else.
    #[error("it is JSON without the list \"nftables\" that `nft -j list ruleset` prints")]
    NoRuleset,
    /// No table of iptables in it.
    #[error("there is no table in it, as `iptables-save` begins each with an asterisk")]
    NoTable,
    /// Not what ss prints.
    #[error("no line of it is a socket as `ss -Hlntup` prints them")]
    NoSocket,
    /// Too much to judge.
    #[error("it has more than {max} rules")]
    TooManyRules {
        /// The limit.
        max: usize,
    },
    /// Too much to judge.
    #[error("it has more than {max} sockets")]
    TooManySockets {
        /// The limit.
        max: usize,
    },
    /// Too long.
    #[error("it is longer than {DUMP_LEN_MAX} bytes")]
    TooLong,
}

/// Reads the rules of one host from what its tools print: `nft -j list ruleset`, `iptables-save`
/// and `ip6tables-save`, each in a text of its own or the last two in one. Tables that iptables
/// keeps in nftables are taken from its own dump, when that is there.
///
/// # Errors
/// With the place of the text in `dumps` that is not such a dump.
pub fn read_rules(dumps: &[&str]) -> Result<Ruleset, (usize, DumpError)> {
    let is_json = |dump: &str| dump.trim_start().starts_with('{');
    let mut rules = Ruleset::default();
    let numbered = || dumps.iter().enumerate();
    for (place, dump) in numbered() {
        if dump.len() > DUMP_LEN_MAX {
            return Err((place, DumpError::TooLong));
        }
        if !is_json(dump) {
            let read = iptables::read(dump).map_err(|error| (place, error))?;
            rules = rules.and(read);
        }
    }
    for (place, dump) in numbered().filter(|(_, dump)| is_json(dump)) {
        let read = nft::read(dump, &rules).map_err(|error| (place, error))?;
        rules = rules.and(read);
    }
    Ok(rules)
}
