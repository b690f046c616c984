//! Every failure on the way to a host, in words for the user.

use std::time::Duration;

use portico_net::DialError;
use portico_wire::terminal::header::{Open, RefusedError};
use serde_json::json;

use super::key::{LinkError, SshPin};

/// Why a sign-in failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignInFailure {
    /// The host did not accept it.
    WrongPassword,
    /// The sign-in at Portico left none.
    NoPassword,
    /// The host takes neither passwords nor answers.
    NoMethod,
    /// The host wants more than the password.
    MoreWanted,
}

/// A refusal; `reason` may be empty.
pub(crate) fn refusal(code: &str, message: String, reason: &str, next_step: &str) -> RefusedError {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    RefusedError {
        code: code.into(),
        message,
        reason: filled(reason),
        next_step: filled(next_step),
        details: None,
    }
}

pub(super) fn not_trusted(open: &Open) -> RefusedError {
    refusal(
        "host-not-trusted",
        format!("{} is not trusted yet", open.host),
        "the estate has no host key for it, so its identity cannot be checked",
        "ask an operator to add the host's key to its pins",
    )
}

pub(super) fn dial(open: &Open, error: &DialError) -> RefusedError {
    let code = match error {
        DialError::Resolve { .. } => "host-unknown",
        DialError::Refused { .. } => "host-refused",
        DialError::TimedOut { .. } => "host-timed-out",
        DialError::Unreachable { .. } | DialError::Other { .. } => "host-unreachable",
    };
    let message = format!("{} cannot be reached", open.host);
    refusal(code, message, &error.to_string(), &error.next_step())
}

pub(super) fn timed_out(open: &Open, step: &str, after: Duration) -> RefusedError {
    refusal(
        "host-timed-out",
        format!("{} did not answer in time", open.host),
        &format!("{step} took longer than {} s", after.as_secs()),
        "try again; if it stays so, ask an operator to look at the host",
    )
}

pub(super) fn key_exchange(open: &Open, pins: &[SshPin], error: LinkError) -> RefusedError {
    match error {
        LinkError::KeyChanged { seen } => {
            let expected: Vec<String> = pins.iter().map(SshPin::fingerprint).collect();
            let mut refused = refusal(
                "host-key-changed",
                format!("{} is not the host it was", open.host),
                &format!("its key is {seen}, expected was {}", expected.join(" or ")),
                "do not sign in there; ask an operator whether the host got a new key",
            );
            refused.details = Some(json!({ "seen": seen, "expected": expected }));
            refused
        }
        LinkError::Ssh(error @ russh::Error::NoCommonAlgo { .. }) => refusal(
            "host-protocol",
            format!("{} and Portico have no encryption in common", open.host),
            &error.to_string(),
            "ask an operator to allow current algorithms on the host",
        ),
        LinkError::Ssh(error) => refusal(
            "host-protocol",
            format!("{} does not speak SSH as it should", open.host),
            &error.to_string(),
            "ask an operator whether an SSH server listens there, and look at its log",
        ),
    }
}

pub(super) fn sign_in(open: &Open, failure: SignInFailure) -> RefusedError {
    let (code, reason, next_step) = match failure {
        SignInFailure::WrongPassword => (
            "wrong-password",
            "the host did not accept the account and password of your sign-in",
            "sign out and in again with your current password; if it stays so, ask an operator \
             whether the account exists on the host",
        ),
        SignInFailure::NoPassword => (
            "no-password",
            "the host wants a password and your sign-in has none",
            "sign in with your password",
        ),
        SignInFailure::NoMethod => (
            "sign-in-method",
            "the host takes neither a password nor answers to questions",
            "ask an operator to allow passwords for this account",
        ),
        SignInFailure::MoreWanted => (
            "sign-in-method",
            "the host wants more than the password, or a new one",
            "sign in to the host once by other means, or ask an operator",
        ),
    };
    let message = format!("{} did not sign in {}", open.host, open.account);
    refusal(code, message, reason, next_step)
}

pub(super) fn no_session(open: &Open, error: &russh::Error) -> RefusedError {
    match error {
        russh::Error::ChannelOpenFailure(reason) => refusal(
            "host-refused",
            format!("{} takes no more terminals", open.host),
            &format!("{reason:?}"),
            "close another terminal, or ask an operator",
        ),
        error => lost(open, error),
    }
}

pub(super) fn not_started(open: &Open, what: &str) -> RefusedError {
    refusal(
        "host-refused",
        format!("{} did not give {what}", open.host),
        "the SSH server refused the request for this account",
        "ask an operator to look at the SSH server's settings for the account",
    )
}

pub(super) fn lost(open: &Open, error: &russh::Error) -> RefusedError {
    refusal(
        "host-lost",
        format!("{} closed the connection", open.host),
        &error.to_string(),
        "try again; if it stays so, ask an operator to look at the host's log",
    )
}
