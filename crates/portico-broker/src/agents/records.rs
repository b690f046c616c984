//! What the store keeps of agents, and the keys it stands under.

use std::net::IpAddr;

use portico_model::{
    BrokerId, HostId, JoinTokenId, MaintenanceId, Timestamp,
    estate::{Pin, Protocol},
};
use serde::{Deserialize, Serialize};

use crate::{documents::ROOT, hosts::PeerIdentity};

/// A re-join that nobody decided on is forgotten after this time.
pub(crate) const WAITING_LIFE_MS: u64 = 24 * 3_600_000;

/// The identities that an agent offers are changed once in this time. An agent looks at its host's
/// servers once a minute and tells what is new within some seconds: one that sees something new at
/// each look must not be refused for it, because it has no link while it waits.
const OFFER_GAP_MS: u64 = 50_000;

pub(crate) fn agents_prefix() -> String {
    format!("{ROOT}/agent/")
}

pub(crate) fn agent_key(host: &HostId) -> String {
    format!("{ROOT}/agent/{host}")
}

pub(crate) fn modes_prefix() -> String {
    format!("{ROOT}/host-mode/")
}

pub(crate) fn mode_key(host: &HostId) -> String {
    format!("{ROOT}/host-mode/{host}")
}

pub(crate) fn tokens_prefix() -> String {
    format!("{ROOT}/join-token/")
}

pub(crate) fn token_key(id: &JoinTokenId) -> String {
    format!("{ROOT}/join-token/{id}")
}

pub(crate) fn brokers_prefix() -> String {
    format!("{ROOT}/agent-broker/")
}

pub(crate) fn broker_key(id: &BrokerId) -> String {
    format!("{ROOT}/agent-broker/{id}")
}

pub(crate) fn maintenances_prefix() -> String {
    format!("{ROOT}/maintenance/")
}

pub(crate) fn maintenance_key(id: &MaintenanceId) -> String {
    format!("{ROOT}/maintenance/{id}")
}

/// What is known of the agent of a host for good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentRecord {
    /// The certificate it has.
    #[serde(default)]
    pub(crate) certificate: Option<Certificate>,
    /// The one before, of the same key. It counts until it lapses, because the answer with the
    /// next one may have been lost on its way.
    #[serde(default)]
    pub(crate) former: Option<Certificate>,
    /// Set: the agent is shut out, whatever certificate it shows.
    #[serde(default)]
    pub(crate) revoked: Option<Act>,
    /// A machine that waits for an operator.
    #[serde(default)]
    pub(crate) waiting: Option<Waiting>,
    /// Identities of the host's servers that count when the estate has no pins.
    #[serde(default)]
    pub(crate) accepted: Vec<Pin>,
    /// Other identities that the agent told; they wait for an operator.
    #[serde(default)]
    pub(crate) offered: Option<Offered>,
    /// When the offered identities were changed last.
    #[serde(default)]
    pub(crate) offered_changed_at: Option<Timestamp>,
    /// When the first certificate was issued.
    #[serde(default)]
    pub(crate) joined_at: Option<Timestamp>,
    /// When it was renewed last.
    #[serde(default)]
    pub(crate) renewed_at: Option<Timestamp>,
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) serial: String,
    /// In lower-case hexadecimal.
    pub(crate) key_sha256: String,
    pub(crate) expires_at: Timestamp,
}

/// Something an operator did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    #[serde(default)]
    pub(crate) reason: String,
}

/// A machine that wants to be this host's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// In lower-case hexadecimal.
    pub(crate) key_sha256: String,
    #[serde(default)]
    pub(crate) address: Option<IpAddr>,
    pub(crate) at: Timestamp,
    #[serde(default)]
    pub(crate) software: String,
    /// Set: it gets its certificate when it asks again.
    #[serde(default)]
    pub(crate) approved: Option<Act>,
}

/// Identities that an agent told and that were not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offered {
    pub(crate) at: Timestamp,
    pub(crate) pins: Vec<Pin>,
}

/// A join token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredToken {
    pub(crate) host: HostId,
    /// In lower-case hexadecimal.
    pub(crate) secret_sha256: String,
    pub(crate) created_by: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) enable: bool,
    pub(crate) rejoin: bool,
    #[serde(default)]
    pub(crate) used: Option<Used>,
}

/// Who used a join token. The same key may ask again: the answer may have been lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Used {
    /// In lower-case hexadecimal.
    pub(crate) key_sha256: String,
    pub(crate) at: Timestamp,
    #[serde(default)]
    pub(crate) address: Option<IpAddr>,
}

/// What a certificate is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is the agent's certificate.
    Current,
    /// The one before it, of the same key.
    Former,
    /// The agent is shut out.
    Revoked,
    /// It lapsed.
    Expired,
    /// None that this host's agent has.
    Foreign,
}

impl AgentRecord {
    /// What the certificate of `peer` is worth.
    pub(crate) fn standing(&self, peer: &PeerIdentity, now: Timestamp) -> Standing {
        if self.revoked.is_some() {
            return Standing::Revoked;
        }
        let standing = if self.certificate.as_ref().is_some_and(|own| own.is(peer)) {
            Standing::Current
        } else if self.former.as_ref().is_some_and(|own| own.is(peer)) {
            Standing::Former
        } else {
            return Standing::Foreign;
        };
        if peer.expires_at <= now {
            return Standing::Expired;
        }
        standing
    }

    /// The machine that waits, unless its time is over.
    pub(crate) fn waiting(&self, now: Timestamp) -> Option<&Waiting> {
        let waiting = self.waiting.as_ref()?;
        (now.ms_since(waiting.at) < WAITING_LIFE_MS).then_some(waiting)
    }

    /// Whether a machine has, or had, the right to be this agent.
    pub(crate) fn has_joined(&self) -> bool {
        self.certificate.is_some() || self.revoked.is_some()
    }

    /// Takes what the agent says its host's servers show. The first identities are accepted, as
    /// its join token was an operator's word for the host; other ones than those wait.
    pub(crate) fn take_identities(&mut self, told: &[Pin], now: Timestamp) {
        if told.is_empty() {
            return;
        }
        if self.accepted.is_empty() && self.offered.is_none() {
            self.accepted = told.to_vec();
            return;
        }
        if told.iter().all(|pin| self.accepted.contains(pin)) {
            self.offered = None;
            return;
        }
        if self.offers_other(told) && self.identities_wait_ms(told, now).is_none() {
            self.offered = Some(Offered {
                at: now,
                pins: told.to_vec(),
            });
            self.offered_changed_at = Some(now);
        }
    }

    /// How long an agent that tells of these must wait: its offer changes seldom, and each change
    /// is written and audited.
    pub(crate) fn identities_wait_ms(&self, told: &[Pin], now: Timestamp) -> Option<u64> {
        let at = self.offered_changed_at.filter(|at| *at <= now)?;
        let left = OFFER_GAP_MS.saturating_sub(now.ms_since(at));
        (left > 0 && self.offers_other(told)).then_some(left)
    }

    fn offers_other(&self, told: &[Pin]) -> bool {
        let offered = self.offered.as_ref();
        let is_first = self.accepted.is_empty() && offered.is_none();
        let is_same = offered.is_some_and(|offered| offered.pins == told);
        !is_first && !is_same && !told.iter().all(|pin| self.accepted.contains(pin))
    }

    /// Whether the identities that count are those the host shows, as far as its agent told.
    pub(crate) fn is_trusted(&self, protocol: Protocol) -> bool {
        let accepted: Vec<&Pin> = of_protocol(&self.accepted, protocol).collect();
        if accepted.is_empty() {
            return false;
        }
        match &self.offered {
            None => true,
            Some(offered) => {
                of_protocol(&offered.pins, protocol).any(|pin| accepted.contains(&pin))
            }
        }
    }
}

fn of_protocol(pins: &[Pin], protocol: Protocol) -> impl Iterator<Item = &Pin> {
    pins.iter().filter(move |pin| match (pin, protocol) {
        (Pin::CertificateSha256(_), Protocol::Rdp) | (Pin::SshKey { .. }, Protocol::Ssh) => true,
        (Pin::CertificateSha256(_), Protocol::Ssh) | (Pin::SshKey { .. }, Protocol::Rdp) => false,
    })
}

impl Certificate {
    fn is(&self, peer: &PeerIdentity) -> bool {
        self.serial == peer.serial && self.key_sha256 == peer.key_sha256
    }
}
