//! Refusals of the gateway, in words for the user. Those of the engine pass through as they are.

use portico_model::{grant::RedeemError, session::EndReason};
use portico_wire::terminal::header::RefusedError;

use super::HelloError;
use crate::channel::OpenError;

pub(super) fn hello(error: &HelloError) -> RefusedError {
    refusal(
        "protocol",
        "the terminal could not be opened",
        &error.to_string(),
        "reload the page",
    )
}

/// What the viewer is told, and the reason in the close frame.
pub(super) fn channel(error: &OpenError) -> (RefusedError, EndReason) {
    match error {
        OpenError::Redeem(RedeemError::NotGood | RedeemError::OtherProtocol { .. }) => (
            // Which of them it was is nobody's business who has no good ticket.
            refusal(
                "ticket-not-good",
                "the launch ticket is not good",
                "it was used already, lapsed, or is for something else",
                "start the terminal again",
            ),
            EndReason::TicketLapsed,
        ),
        OpenError::Redeem(RedeemError::HostGone { host }) => (
            refusal(
                "host-gone",
                "the host of this session is gone",
                &format!("{host} is not part of the estate any more"),
                "start the terminal again to get another host",
            ),
            EndReason::HostFailed,
        ),
        OpenError::Redeem(RedeemError::StoreAway { .. }) => (
            refusal(
                "store-away",
                "Portico cannot read its state at the moment",
                "",
                "try again in a minute; if it stays so, ask an operator",
            ),
            EndReason::ProcessStopped,
        ),
        OpenError::Full(_) => (
            refusal(
                "gateway-full",
                "the gateway has as many connections as it may have",
                "",
                "try again in a minute",
            ),
            EndReason::LimitReached,
        ),
        OpenError::Password(_) => (
            refusal(
                "password-lost",
                "your password did not reach the gateway",
                "it was sealed to another gateway, or this one was restarted",
                "start the terminal again",
            ),
            EndReason::HostFailed,
        ),
    }
}

pub(super) fn engine_away() -> RefusedError {
    refusal(
        "engine-away",
        "terminals are not available at the moment",
        "the engine that runs them does not answer",
        "try again in a minute; if it stays so, ask an operator whether the engine role runs",
    )
}

fn refusal(code: &str, message: &str, reason: &str, next_step: &str) -> RefusedError {
    RefusedError {
        code: code.to_owned(),
        message: message.to_owned(),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        next_step: Some(next_step.to_owned()),
        details: None,
    }
}
