//! What enrollment makes of the record of an agent.

use std::net::IpAddr;

use portico_model::Timestamp;

use crate::{
    agents::{
        machine_ca::IssuedMachine,
        records::{AgentRecord, Certificate, Waiting},
    },
    hosts::PeerIdentity,
};

impl AgentRecord {
    /// A machine has become the agent; whoever was it before has lost its right.
    pub(super) fn issue(&mut self, issued: &IssuedMachine, now: Timestamp) {
        let before = self.certificate.as_ref();
        let changes_machine = before.is_some_and(|own| own.key_sha256 != issued.key_sha256);
        if changes_machine || self.revoked.is_some() || before.is_none() {
            // Whoever waited did so for a place that another one has got since.
            self.waiting = None;
        }
        // The machine that is the agent, and joins again, does not send away whoever waits to take
        // its place: an operator decides about that.
        if changes_machine || self.revoked.is_some() {
            // Another machine shows other identities, and the operator's word was for it.
            self.accepted.clear();
            self.offered = None;
        }
        self.certificate = Some(issued.into());
        self.former = None;
        self.revoked = None;
        self.joined_at = Some(now);
        self.renewed_at = None;
    }

    /// The next certificate of the same machine.
    pub(super) fn renew(&mut self, issued: &IssuedMachine, shown: &PeerIdentity, now: Timestamp) {
        self.former = Some(Certificate {
            serial: shown.serial.clone(),
            key_sha256: shown.key_sha256.clone(),
            expires_at: shown.expires_at,
        });
        self.certificate = Some(issued.into());
        self.renewed_at = Some(now);
    }

    pub(super) fn wait(
        &mut self,
        key_sha256: &str,
        address: Option<IpAddr>,
        software: &str,
        now: Timestamp,
    ) {
        let before = self.waiting(now);
        if before.is_some_and(|before| before.key_sha256 == key_sha256) {
            return;
        }
        self.waiting = Some(Waiting {
            key_sha256: key_sha256.to_owned(),
            address,
            at: now,
            software: software.to_owned(),
            approved: None,
        });
    }
}

impl From<&IssuedMachine> for Certificate {
    fn from(issued: &IssuedMachine) -> Self {
        Self {
            serial: issued.serial.clone(),
            key_sha256: issued.key_sha256.clone(),
            expires_at: issued.expires_at,
        }
    }
}
