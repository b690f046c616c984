//! Reasons in words, for operators: why a host was not chosen, and what would change it. Users get
//! their own, shorter texts from the portal.

use super::{Choice, NotChosen};
use crate::seen::ModeSet;

impl NotChosen {
    /// Its name in kebab-case, the same as in JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Disabled { .. } => "disabled",
            Self::Draining { .. } => "draining",
            Self::NeverJoined => "never-joined",
            Self::WaitingForApproval => "waiting-for-approval",
            Self::Revoked => "revoked",
            Self::Silent { .. } => "silent",
            Self::Unreachable { .. } => "unreachable",
            Self::NotProbed => "not-probed",
            Self::NotTrusted => "not-trusted",
            Self::OtherProtocol => "other-protocol",
            Self::Full { .. } => "full",
            Self::SignInsInProgress { .. } => "sign-ins-in-progress",
            Self::OtherSite { .. } => "other-site",
            Self::Penalised { .. } => "penalised",
            Self::NotLastHost => "not-last-host",
            Self::HigherLoad { .. } => "higher-load",
            Self::SameLoad { .. } => "same-load",
            Self::NotItsTurn => "not-its-turn",
            Self::EmptierThanChosen { .. } => "emptier-than-chosen",
            Self::AsFull { .. } => "as-full",
            Self::MoreSessions { .. } => "more-sessions",
            Self::AsFewSessions { .. } => "as-few-sessions",
            Self::SessionElsewhere => "session-elsewhere",
            Self::AccountInUse { .. } => "account-in-use",
        }
    }

    /// Whether it may well pass without anybody doing something, so that trying again soon makes
    /// sense.
    pub const fn passes_by_itself(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NotProbed
                | Self::Silent { .. }
                | Self::Full { .. }
                | Self::SignInsInProgress { .. }
                | Self::Penalised { .. }
        )
    }

    /// Whether the host could have taken the session and another was better.
    pub const fn was_eligible(&self) -> bool {
        matches!(
            self,
            Self::NotLastHost
                | Self::HigherLoad { .. }
                | Self::SameLoad { .. }
                | Self::NotItsTurn
                | Self::EmptierThanChosen { .. }
                | Self::AsFull { .. }
                | Self::MoreSessions { .. }
                | Self::AsFewSessions { .. }
        )
    }

    /// Why, said of "it", for operators. May contain text of the host or of an operator: make it
    /// printable before it is shown.
    pub fn why(&self) -> String {
        match self {
            Self::Disabled { set } => mode("it is disabled", set.as_ref()),
            Self::Draining { set } => mode("it drains: reconnections only", set.as_ref()),
            Self::NeverJoined => "no agent of it has joined yet".into(),
            Self::WaitingForApproval => "its agent waits for approval".into(),
            Self::Revoked => "the certificate of its agent was revoked".into(),
            Self::Silent { .. } => "its agent says nothing any more".into(),
            Self::Unreachable { detail } => format!("it does not answer: {detail}"),
            Self::NotProbed => "it was not probed yet".into(),
            Self::NotTrusted => "nobody trusts its identity: it has no pin, and no identity that \
                                 its agent told was accepted"
                .into(),
            Self::OtherProtocol => "it speaks another protocol than the resource needs".into(),
            Self::Full {
                sessions,
                sessions_max,
            } => format!("it is full ({sessions} of {sessions_max} sessions)"),
            Self::SignInsInProgress {
                sign_ins,
                sign_ins_max,
            } => format!(
                "{sign_ins} sign-ins are in progress on it, of at most {sign_ins_max} at once"
            ),
            Self::OtherSite { site } => format!("it stands at another site ({site})"),
            Self::Penalised { failures, .. } => match failures {
                1 => "the last launch on it failed".into(),
                _ => format!("the last {failures} launches on it failed"),
            },
            Self::NotLastHost => "the user's last session was on the chosen one".into(),
            Self::HigherLoad { index, chosen } => format!(
                "its load is higher ({} against {})",
                percent(*index),
                percent(*chosen)
            ),
            Self::SameLoad { index } => format!(
                "it is as loaded as the chosen one ({}), and lost the draw",
                percent(*index)
            ),
            Self::NotItsTurn => "it was not its turn".into(),
            Self::EmptierThanChosen {
                sessions,
                sessions_max,
            } => format!(
                "it is emptier ({sessions} of {sessions_max} sessions), and the pool fills one \
                 host after the other"
            ),
            Self::AsFull {
                sessions,
                sessions_max,
            } => format!(
                "it is as full as the chosen one ({sessions} of {sessions_max} sessions), which \
                 comes first by weight or name"
            ),
            Self::MoreSessions {
                sessions,
                sessions_max,
            } => format!(
                "it has more sessions for its capacity ({sessions} of {sessions_max} sessions)"
            ),
            Self::AsFewSessions {
                sessions,
                sessions_max,
            } => format!(
                "it has as few sessions ({sessions} of {sessions_max} sessions), and lost the draw"
            ),
            Self::SessionElsewhere => "the user's session runs on another host".into(),
            Self::AccountInUse { account } => format!(
                "another session of the account {account} runs there, and it gives each account \
                 one only"
            ),
        }
    }

    /// What would change the answer, for operators; `None` when the host was eligible and another
    /// was better.
    pub const fn next_step(&self) -> Option<&'static str> {
        Some(match self {
            Self::Disabled { set: None } | Self::Draining { set: None } => {
                "mode = \"enabled\" of the host in the estate"
            }
            Self::Disabled { set: Some(set) } | Self::Draining { set: Some(set) } => {
                match set.until_restart_of {
                    Some(_) => "a restart of the host, or `portico hosts enable` with its name",
                    None => "`portico hosts enable` with its name",
                }
            }
            Self::NeverJoined => {
                "an agent on the host (`portico tokens create --host` with its name), or \
                 agent = \"none\""
            }
            Self::WaitingForApproval => "`portico hosts approve` with its name",
            Self::Revoked => "a new join token with --rejoin, and its approval",
            Self::Silent { .. } => "an agent that runs, and a network that lets it reach a broker",
            Self::Unreachable { .. } => {
                "a host that runs, and a network that lets the gateway reach it"
            }
            Self::NotProbed => "a few seconds of patience",
            Self::NotTrusted => {
                "`portico hosts trust` with its name, or pins = [\"…\"] of the host"
            }
            Self::OtherProtocol => "a host with that protocol, or another pool for the resource",
            Self::Full { .. } => "a session that ends, or a larger sessions_max",
            Self::SignInsInProgress { .. } => {
                "a sign-in that completes, or a larger sign_ins_max of the pool"
            }
            Self::OtherSite { .. } => {
                "a client at that site, another site of the host, or another site_rule of the pool"
            }
            Self::Penalised { .. } => {
                "some minutes without a failure, or a launch there that opens"
            }
            Self::SessionElsewhere | Self::AccountInUse { .. } => "the end of that session",
            Self::NotLastHost
            | Self::HigherLoad { .. }
            | Self::SameLoad { .. }
            | Self::NotItsTurn
            | Self::EmptierThanChosen { .. }
            | Self::AsFull { .. }
            | Self::MoreSessions { .. }
            | Self::AsFewSessions { .. } => return None,
        })
    }
}

impl Choice {
    /// Its name in kebab-case, the same as in JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Resumed { .. } => "resumed",
            Self::RunsThere => "runs-there",
            Self::LastHost { .. } => "last-host",
            Self::ResourceBased { .. } => "resource-based",
            Self::RoundRobin => "round-robin",
            Self::Pack { .. } => "pack",
            Self::FewestSessions { .. } => "fewest-sessions",
        }
    }

    /// Why the host was chosen, for operators.
    pub fn why(&self) -> String {
        match self {
            Self::Resumed { session } => {
                format!("the user's session of it runs there ({session})")
            }
            Self::RunsThere => {
                "the account already has a session there, which this launch leads to".into()
            }
            Self::LastHost {
                sessions,
                sessions_max,
            } => {
                format!("the user's last session was there ({sessions} of {sessions_max} sessions)")
            }
            Self::ResourceBased {
                index,
                sessions,
                sessions_max,
            } => format!(
                "lowest load ({}; {sessions} of {sessions_max} sessions)",
                percent(*index)
            ),
            Self::RoundRobin => "it was its turn".into(),
            Self::Pack {
                sessions,
                sessions_max,
            } => format!("fullest with room ({sessions} of {sessions_max} sessions)"),
            Self::FewestSessions {
                sessions,
                sessions_max,
            } => format!("fewest sessions for its capacity ({sessions} of {sessions_max})"),
        }
    }
}

/// A share per ten thousand as people write it, with one digit after the point.
fn percent(share: u32) -> String {
    format!("{}.{} %", share / 100, share % 100 / 10)
}

/// A mode, and who set it why.
fn mode(what: &str, set: Option<&ModeSet>) -> String {
    let Some(ModeSet { by, reason, .. }) = set else {
        return what.to_owned();
    };
    match reason.trim() {
        "" => format!("{what}; set by {by}"),
        reason => format!("{what}; set by {by}: {reason}"),
    }
}

#[cfg(test)]
mod tests;
