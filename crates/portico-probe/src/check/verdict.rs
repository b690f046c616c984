//! What came of a check.

use std::{net::SocketAddr, time::Duration};

use portico_net::{DialError, tls::TlsSurvey};
use portico_wire::probe::{Ask, Proof, Wrong};

use super::Target;

/// The verdict about a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The service answered as only it does.
    Proven,
    /// Something is there, and whether it is the service cannot be shown.
    ReachableNotProven,
    /// Something else is there.
    WrongService,
    /// The host says that nothing listens.
    Refused,
    /// Nothing came back.
    NoAnswer,
    /// Somebody on the way forbids it, or there is no way.
    Blocked,
    /// The name has no address.
    NotResolvable,
    /// Nothing was sent.
    Skipped,
}

impl Verdict {
    /// All, best first.
    pub const ALL: &[Self] = &[
        Self::Proven,
        Self::ReachableNotProven,
        Self::WrongService,
        Self::Refused,
        Self::NoAnswer,
        Self::Blocked,
        Self::NotResolvable,
        Self::Skipped,
    ];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::ReachableNotProven => "reachable, not proven",
            Self::WrongService => "wrong service",
            Self::Refused => "refused",
            Self::NoAnswer => "no answer",
            Self::Blocked => "blocked",
            Self::NotResolvable => "not resolvable",
            Self::Skipped => "skipped",
        }
    }

    /// In one word, for programs and options.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::ReachableNotProven => "reachable",
            Self::WrongService => "wrong-service",
            Self::Refused => "refused",
            Self::NoAnswer => "no-answer",
            Self::Blocked => "blocked",
            Self::NotResolvable => "not-resolvable",
            Self::Skipped => "skipped",
        }
    }
}

/// What came of a check. Every text of a server in it is printable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What it rests on.
    pub evidence: String,
    /// What an operator can do; there is one for everything that is not proven, and for what is
    /// proven and has something wrong with it.
    pub next_step: Option<String>,
    /// Time that it took.
    pub took: Duration,
    /// The address that was spoken with.
    pub address: Option<SocketAddr>,
    /// What TLS showed, where it was spoken.
    pub tls: Option<TlsSurvey>,
    /// How far the server's clock is ahead, in milliseconds, where it told.
    pub clock_ahead_ms: Option<i64>,
}

/// A clock that is off by more than this is worth a word: Kerberos allows five minutes
/// (RFC 4120 §1.6).
pub(super) const CLOCK_OFF_MS: i64 = 60_000;

impl Outcome {
    pub(super) fn new(
        verdict: Verdict,
        evidence: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            verdict,
            evidence: evidence.into(),
            next_step: Some(next_step.into()),
            took: Duration::ZERO,
            address: None,
            tls: None,
            clock_ahead_ms: None,
        }
    }

    pub(super) fn skipped(why: &str, next_step: &str) -> Self {
        Self::new(Verdict::Skipped, why, next_step)
    }

    /// Of the form of the service, and no proof of it.
    pub(super) fn unproven(ask: &Ask, why: &str) -> Self {
        let next_step = match ask.secret {
            Some(_) => "see that the secret is that of the server for this machine",
            None => "name the file of the shared secret (--radius-secret-file)",
        };
        Self::new(Verdict::ReachableNotProven, why, next_step)
    }

    pub(super) fn at(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    pub(super) fn proven(proof: Proof) -> Self {
        let off = proof
            .clock_ahead_ms
            .filter(|ahead| ahead.saturating_abs() > CLOCK_OFF_MS);
        Self {
            verdict: Verdict::Proven,
            evidence: proof.evidence,
            next_step: off.map(|ahead| {
                let seconds = ahead.unsigned_abs() / 1000;
                let side = if ahead > 0 { "ahead of" } else { "behind" };
                format!("its clock is {seconds} s {side} that of this machine: set both by NTP")
            }),
            took: Duration::ZERO,
            address: None,
            tls: None,
            clock_ahead_ms: proof.clock_ahead_ms,
        }
    }

    /// Adds what TLS showed.
    pub(super) fn with_tls(mut self, survey: TlsSurvey) -> Self {
        if !survey.findings.is_empty() && self.next_step.is_none() {
            self.next_step = Some(format!(
                "clients that check certificates refuse this: {}",
                survey.findings.join("; ")
            ));
        }
        self.tls = Some(survey);
        self
    }

    pub(super) fn wrong(target: &Target, wanted: &str, wrong: Wrong) -> Self {
        let what = match (wrong.looks_like, wrong.said.is_empty()) {
            (Some(known), _) => format!("speaks {known}, not {wanted}: {:?}", wrong.said),
            (None, false) => format!("does not speak {wanted}: {:?}", wrong.said),
            (None, true) => {
                format!("takes the connection and closes it without a word of {wanted}")
            }
        };
        // Debug quotes what is escaped already once more.
        let what = what.replace("\\\\", "\\");
        Self::new(
            Verdict::WrongService,
            what,
            format!(
                "see on {} which program listens on {} (`ss -ltnup`), or correct the port in the estate",
                target.host, target.port
            ),
        )
    }

    /// A connection that was not made.
    pub(super) fn undialled(error: &DialError) -> Self {
        let verdict = match error {
            DialError::Resolve { .. } => Verdict::NotResolvable,
            DialError::Refused { .. } => Verdict::Refused,
            DialError::TimedOut { .. } => Verdict::NoAnswer,
            DialError::Unreachable { .. } => Verdict::Blocked,
            // A firewall that rejects with "administratively prohibited" over IPv6.
            DialError::Other { source, .. }
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Verdict::Blocked
            }
            DialError::Other { .. } => Verdict::NoAnswer,
        };
        Self::new(verdict, error.to_string(), error.next_step())
    }
}
