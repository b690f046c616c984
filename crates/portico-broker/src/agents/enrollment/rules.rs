//! Who gets a certificate: what is decided before anything is written.

use portico_model::{HostId, Timestamp};
use portico_store::StoreError;

use crate::{
    agents::{
        machine_ca::MachineCaError,
        records::{AgentRecord, Standing, StoredToken},
    },
    hosts::PeerIdentity,
};

/// An agent has no reason to renew a certificate that is younger.
const RENEWAL_GAP_MS: u64 = 600_000;

/// Why a certificate is issued without asking anybody.
#[derive(Debug)]
pub(super) enum Because {
    First,
    SameMachine,
    TokenApproves,
}

/// What a request comes to, before anything is written.
#[derive(Debug)]
pub(super) enum Decision {
    /// A certificate is issued.
    Issue(Because),
    /// An operator must decide.
    Wait,
}

pub(super) fn decide_join(
    record: &AgentRecord,
    token: &StoredToken,
    key_sha256: &str,
    now: Timestamp,
) -> Result<Decision, No> {
    if !record.has_joined() {
        return Ok(Decision::Issue(Because::First));
    }
    let same_machine = record.revoked.is_none()
        && record
            .certificate
            .as_ref()
            .is_some_and(|own| own.key_sha256 == key_sha256);
    if same_machine {
        return Ok(Decision::Issue(Because::SameMachine));
    }
    // An operator's word counts once: who was replaced or revoked since has the used token still.
    // An answer that was lost comes under the same machine.
    if token.rejoin && token.used.is_none() {
        return Ok(Decision::Issue(Because::TokenApproves));
    }
    no_other_waits(record, &token.host, key_sha256, now)?;
    Ok(Decision::Wait)
}

/// An operator decides about the machine that they were shown: none may take its place meanwhile.
pub(super) fn no_other_waits(
    record: &AgentRecord,
    host: &HostId,
    key_sha256: &str,
    now: Timestamp,
) -> Result<(), No> {
    let other = record.waiting(now);
    if other.is_some_and(|other| other.key_sha256 != key_sha256) {
        return Err(No {
            code: "another-waits",
            message: format!("another machine waits to be the agent of host {host}"),
            next_step: "an operator must reject that one first: `portico hosts reject NAME`",
        });
    }
    Ok(())
}

pub(super) fn check_renewal(
    record: &AgentRecord,
    own: &PeerIdentity,
    now: Timestamp,
) -> Result<(), No> {
    let (code, message) = match record.standing(own, now) {
        Standing::Current if has_just_renewed(record, now) => {
            return Err(No {
                code: "too-soon",
                message: "the certificate was renewed a few minutes ago".into(),
                next_step: "keep it; the agent renews it again when half of its life is over",
            });
        }
        // The answer with the next one may have been lost, however short a time ago.
        Standing::Current | Standing::Former => return Ok(()),
        Standing::Revoked => ("revoked", "the agent was shut out by an operator"),
        Standing::Expired => ("expired", "the certificate has lapsed"),
        Standing::Foreign => (
            "not-enrolled",
            "this certificate is none that the host's agent has",
        ),
    };
    Err(No {
        code,
        message: message.into(),
        next_step: "join the agent again with a token of `portico tokens create --host NAME --rejoin`",
    })
}

fn has_just_renewed(record: &AgentRecord, now: Timestamp) -> bool {
    record
        .renewed_at
        .is_some_and(|at| at <= now && now.ms_since(at) < RENEWAL_GAP_MS)
}

/// Why a request is refused.
pub(super) struct No {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) next_step: &'static str,
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        Self {
            code: "store-away",
            message: format!("the broker cannot read or write its records: {error}"),
            next_step: "look at the broker's store, and try again",
        }
    }
}

impl From<MachineCaError> for No {
    fn from(error: MachineCaError) -> Self {
        let code = match &error {
            MachineCaError::Request(_) => "bad-request",
            MachineCaError::Authority(_) => "authority-failed",
        };
        Self {
            code,
            message: error.to_string(),
            next_step: "update the agent, or look at the broker's log",
        }
    }
}

pub(super) const NEW_TOKEN: &str = "create another with `portico tokens create --host NAME`";

pub(super) fn no_token() -> No {
    No {
        code: "token-unknown",
        message: "there is no such join token; it may have been revoked".into(),
        next_step: NEW_TOKEN,
    }
}

pub(super) fn busy(host: &HostId) -> No {
    No {
        code: "busy",
        message: format!("others keep changing the record of host {host}"),
        next_step: "try again",
    }
}
