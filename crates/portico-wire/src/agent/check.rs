//! Flows that an agent proves for a broker: the targets of one order, and what came of each.
//!
//! Both are kinds of their own, so that an agent or a broker that does not know them passes over
//! them. A broker sends the order only to agents whose hello names [`CHECKS_FLOWS`].

use serde::{Deserialize, Serialize};

use super::codec::{LimitError, at_most, text};

/// Ability of an agent that answers [`ToAgent::Check`](super::ToAgent::Check).
pub const CHECKS_FLOWS: &str = "check-flows";
/// Abilities in one hello.
pub const ABILITIES_MAX: usize = 16;
/// Longest name of an ability, in bytes.
pub const ABILITY_LEN_MAX: usize = 64;
/// Targets in one order. Their outcomes fit into one answer, and an agent is done with them
/// within its time even when none of them answers.
pub const CHECK_TARGETS_MAX: usize = 32;
/// Longest id of a flow, in bytes.
pub const FLOW_LEN_MAX: usize = 128;
/// Longest address or name of a target, in bytes: a domain name (RFC 1035 §2.3.4 "Size limits").
pub const TARGET_ADDRESS_LEN_MAX: usize = 255;
/// Longest verdict, in bytes.
pub const VERDICT_LEN_MAX: usize = 32;
/// Longest evidence or next step of an outcome, in bytes.
pub const CHECK_TEXT_LEN_MAX: usize = 600;

/// What an agent shall prove. What is said there it takes from its own catalogue by the flow, so
/// that an order can name a service and never bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowTarget {
    /// Id of the flow in the catalogue.
    pub flow: String,
    /// Address or name of the host that listens.
    pub address: String,
    /// Port; zero when the transport has none.
    pub port: u16,
}

/// What came of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowOutcome {
    /// Its place in the order, from 0.
    pub target: u16,
    /// The verdict in one word.
    pub verdict: String,
    /// What it rests on.
    pub evidence: String,
    /// What an operator can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// What the verdict alone does not tell, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clue: Option<String>,
    /// Time that it took, in milliseconds.
    pub took_ms: u32,
}

pub(super) fn check_abilities(abilities: &[String]) -> Result<(), LimitError> {
    at_most("abilities", "items", abilities.len(), ABILITIES_MAX)?;
    abilities
        .iter()
        .try_for_each(|ability| text("ability", ability, ABILITY_LEN_MAX))
}

pub(super) fn check_targets(targets: &[FlowTarget]) -> Result<(), LimitError> {
    at_most("targets", "items", targets.len(), CHECK_TARGETS_MAX)?;
    targets.iter().try_for_each(|target| {
        text("flow", &target.flow, FLOW_LEN_MAX)?;
        text("address", &target.address, TARGET_ADDRESS_LEN_MAX)
    })
}

pub(super) fn check_outcomes(outcomes: &[FlowOutcome]) -> Result<(), LimitError> {
    at_most("outcomes", "items", outcomes.len(), CHECK_TARGETS_MAX)?;
    outcomes.iter().try_for_each(|outcome| {
        text("verdict", &outcome.verdict, VERDICT_LEN_MAX)?;
        text("evidence", &outcome.evidence, CHECK_TEXT_LEN_MAX)?;
        if let Some(clue) = &outcome.clue {
            text("clue", clue, VERDICT_LEN_MAX)?;
        }
        match &outcome.next_step {
            Some(next_step) => text("next_step", next_step, CHECK_TEXT_LEN_MAX),
            None => Ok(()),
        }
    })
}
