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

    /// The one that a program means by `slug`.
    pub fn from_slug(slug: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|verdict| verdict.slug() == slug)
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

/// What the network or the server did that the verdict alone does not tell, for whoever looks for
/// the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clue {
    /// There is no way, or a firewall says so: "host unreachable", "network unreachable".
    Unreachable,
    /// A firewall says that it forbids it.
    Prohibited,
    /// The connection was made, and reset before an answer.
    Reset,
    /// The connection was made, and nothing came.
    Silent,
    /// An answer began and did not end in time.
    Unfinished,
    /// The server refuses the TLS handshake.
    TlsRefused,
}

impl Clue {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Unreachable,
        Self::Prohibited,
        Self::Reset,
        Self::Silent,
        Self::Unfinished,
        Self::TlsRefused,
    ];

    /// In one word, for programs.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Prohibited => "prohibited",
            Self::Reset => "reset",
            Self::Silent => "silent",
            Self::Unfinished => "unfinished",
            Self::TlsRefused => "tls-refused",
        }
    }

    /// The one that a program means by `slug`.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|clue| clue.slug() == slug)
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
    /// The address that was spoken with, or of which the network told something.
    pub address: Option<SocketAddr>,
    /// What the verdict alone does not tell.
    pub clue: Option<Clue>,
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
            clue: None,
            tls: None,
            clock_ahead_ms: None,
        }
    }

    /// Of a target that nobody came to.
    pub fn unchecked() -> Self {
        Self::skipped(
            "the check ended before it was its turn",
            "let the check run longer",
        )
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

    pub(super) fn with_clue(mut self, clue: Clue) -> Self {
        self.clue = Some(clue);
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
            clue: None,
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
        let (verdict, clue, address) = match error {
            DialError::Resolve { .. } => (Verdict::NotResolvable, None, None),
            DialError::Refused { address, .. } => (Verdict::Refused, None, Some(*address)),
            DialError::TimedOut { .. } => (Verdict::NoAnswer, None, None),
            DialError::Unreachable { address, .. } => {
                (Verdict::Blocked, Some(Clue::Unreachable), Some(*address))
            }
            // A firewall that rejects with "administratively prohibited" over IPv6.
            DialError::Other {
                source, address, ..
            } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                (Verdict::Blocked, Some(Clue::Prohibited), Some(*address))
            }
            DialError::Other { address, .. } => (Verdict::NoAnswer, None, Some(*address)),
        };
        Self {
            clue,
            address,
            ..Self::new(verdict, error.to_string(), error.next_step())
        }
    }
}
