//! What about agents waits for an operator, and the fingerprint by which an answer says what it
//! is about.
//!
//! Between the look and the answer something else may have come to wait: another machine after a
//! rejection, other identities after another change. An answer counts only for what was shown.

use std::{fmt, net::IpAddr};

use portico_identity::tokens;
use portico_model::{HostId, Timestamp, estate::Pin};

use super::{
    AgentRecord,
    records::{Offered, Waiting},
};

/// Hexadecimal digits of a [`Fingerprint`].
pub const FINGERPRINT_DIGITS: usize = 64;

/// Something about an agent that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentWaiting {
    /// The host.
    pub host: HostId,
    /// Since when.
    pub at: Timestamp,
    /// What an answer has to name.
    pub fingerprint: Fingerprint,
    /// What waits.
    pub what: WaitingFor,
}

/// What waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingFor {
    /// A machine wants to be the host's agent in the place of the one that joined before.
    Join {
        /// Where it is.
        address: Option<IpAddr>,
        /// Name and version of its program; empty when it did not say.
        software: String,
        /// SHA-256 of its key, in lower-case hexadecimal.
        key_sha256: String,
    },
    /// The agent tells of other identities than the accepted ones.
    Identity {
        /// What it tells.
        offered: Vec<Pin>,
        /// What is accepted.
        accepted: Vec<Pin>,
    },
}

/// Names one thing that waits: the SHA-256 of the key of a machine, or of all the identities that
/// are offered. In lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(String);

/// A text that is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is {FINGERPRINT_DIGITS} hexadecimal digits")]
pub struct NoFingerprint;

impl Fingerprint {
    /// Reads one, in whole: a part of it is none.
    pub fn new(text: &str) -> Result<Self, NoFingerprint> {
        let is_whole = text.len() == FINGERPRINT_DIGITS;
        if is_whole && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NoFingerprint)
        }
    }

    /// As it is shown and given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Of a machine that waits: the same that its agent shows on the host.
    pub(super) fn of_machine(waiting: &Waiting) -> Self {
        Self(waiting.key_sha256.clone())
    }

    /// Of identities that wait, in whichever order they were told.
    pub(super) fn of_identities(offered: &Offered) -> Self {
        let mut parts: Vec<Vec<u8>> = offered.pins.iter().map(canonical).collect();
        parts.sort_unstable();
        let mut all = b"portico offered identities 1\0".to_vec();
        for part in &parts {
            part_of(&mut all, part);
        }
        Self(tokens::sha256_hex(&all))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One identity as bytes of which no other identity has the same.
fn canonical(pin: &Pin) -> Vec<u8> {
    let mut bytes = Vec::new();
    match pin {
        Pin::CertificateSha256(hash) => {
            bytes.push(0);
            part_of(&mut bytes, hash);
        }
        Pin::SshKey { algorithm, blob } => {
            bytes.push(1);
            part_of(&mut bytes, algorithm.as_bytes());
            part_of(&mut bytes, blob.as_bytes());
        }
    }
    bytes
}

/// With its length in front, so that no two lists of parts make the same bytes.
fn part_of(bytes: &mut Vec<u8>, part: &[u8]) {
    let len = u64::try_from(part.len()).unwrap_or(u64::MAX);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(part);
}

impl AgentRecord {
    /// What of this host waits for an operator.
    pub(super) fn waits(&self, host: &HostId, now: Timestamp) -> Vec<AgentWaiting> {
        let machine = self
            .waiting(now)
            .filter(|waiting| waiting.approved.is_none())
            .map(|waiting| AgentWaiting {
                host: host.clone(),
                at: waiting.at,
                fingerprint: Fingerprint::of_machine(waiting),
                what: WaitingFor::Join {
                    address: waiting.address,
                    software: waiting.software.clone(),
                    key_sha256: waiting.key_sha256.clone(),
                },
            });
        let identity = self.offered.as_ref().map(|offered| AgentWaiting {
            host: host.clone(),
            at: offered.at,
            fingerprint: Fingerprint::of_identities(offered),
            what: WaitingFor::Identity {
                offered: offered.pins.clone(),
                accepted: self.accepted.clone(),
            },
        });
        machine.into_iter().chain(identity).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pins: &[Pin]) -> Fingerprint {
        Fingerprint::of_identities(&Offered {
            at: Timestamp::from_unix_ms(0),
            pins: pins.to_vec(),
        })
    }

    fn key(algorithm: &str, blob: &str) -> Pin {
        Pin::SshKey {
            algorithm: algorithm.into(),
            blob: blob.into(),
        }
    }

    #[test]
    fn a_fingerprint_is_of_the_identities_and_not_of_their_order() {
        let (one, two) = (Pin::CertificateSha256([1; 32]), key("ssh-ed25519", "AAAA"));
        let both = of(&[one.clone(), two.clone()]);
        assert_eq!(both, of(&[two.clone(), one.clone()]));
        assert_eq!(Fingerprint::new(both.as_str()), Ok(both.clone()));
        // Texts that an agent chooses are not moved from one field, or one key, to the next.
        let others = [
            of(&[]),
            of(std::slice::from_ref(&one)),
            of(std::slice::from_ref(&two)),
            of(&[one.clone(), one.clone(), two.clone()]),
            of(&[Pin::CertificateSha256([2; 32]), two]),
            of(&[one.clone(), key("ssh-ed25519A", "AAA")]),
            of(&[one, key("ssh-ed25519", "AA"), key("A", "A")]),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(*other, both, "{at}");
            assert!(!others[..at].contains(other), "{at}");
        }
    }

    #[test]
    fn only_a_whole_fingerprint_is_read() {
        let whole = "0123456789abcdef".repeat(4);
        assert_eq!(Fingerprint::new(&whole).unwrap().as_str(), whole);
        let upper = Fingerprint::new(&whole.to_uppercase()).unwrap();
        assert_eq!(upper.as_str(), whole);
        let short = &whole[..FINGERPRINT_DIGITS - 1];
        for wrong in ["", short, &format!("{whole}0"), &format!("{short}g")] {
            assert_eq!(Fingerprint::new(wrong), Err(NoFingerprint), "{wrong}");
        }
    }
}
