//! From what was seen of a flow to the most likely cause, without any I/O.
//!
//! Read [`Observation`] (what one machine saw of one flow), [`Case`] (which flow is to be
//! explained, and all that is known) and [`causes`] first. Observations may come from a check that
//! ran just now, or from the store: nothing here opens a socket or reads a clock.

mod certificate;
mod connection;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use portico_catalogue::{Flow, Transport, plan::DeployedHost};
use portico_net::tls::TlsFault;

use super::{Clue, Outcome, Target, Verdict, verdict::CLOCK_OFF_MS};

/// An answer that takes longer than this is slow, in milliseconds.
pub const SLOW_MS: u64 = 2_000;
/// Observations that are looked at, the newest ones; an estate has far fewer of one host.
pub const OBSERVATIONS_MAX: usize = 10_000;

/// What one machine saw of one flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The host that checked, by its id in the estate; empty when it is none of the estate's.
    pub vantage: String,
    /// Id of the flow in the catalogue.
    pub flow: String,
    /// The host that should listen, by its id in the estate.
    pub to: String,
    /// Its address or name as the estate has it.
    pub host: String,
    /// Port; zero when the transport has none.
    pub port: u16,
    /// What carries the flow.
    pub transport: Transport,
    /// The verdict.
    pub verdict: Verdict,
    /// What the verdict alone does not tell.
    pub clue: Option<Clue>,
    /// What the verdict rests on; printable.
    pub evidence: String,
    /// What the check said is to be done.
    pub next_step: Option<String>,
    /// Addresses that the name had, as far as known: all of them, or the one that was spoken with.
    pub addresses: Vec<IpAddr>,
    /// What TLS showed, where it was spoken.
    pub tls: Option<Certificate>,
    /// How far the server's clock is ahead of the vantage point's, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
    /// Time that the check took, in milliseconds.
    pub took_ms: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A server's own certificate as a vantage point saw it. Its texts are the server's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificate {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// SHA-256 of its DER, as pins are written.
    pub sha256: String,
    /// Begin, in milliseconds since 1970.
    pub not_before_ms: i64,
    /// End, in milliseconds since 1970.
    pub not_after_ms: i64,
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// What is wrong with it.
    pub faults: Vec<TlsFault>,
}

/// Which flow is to be explained, and all that is known.
#[derive(Debug, Clone, Copy)]
pub struct Case<'c> {
    /// Id of the flow in the catalogue.
    pub flow: &'c str,
    /// The host that opens the connection.
    pub from: &'c str,
    /// The host that should listen.
    pub to: &'c str,
    /// The port.
    pub port: u16,
    /// What was seen: of this flow, of others to the same host, from any vantage point, in any
    /// order. What is about other hosts only tells whose clock is wrong.
    pub observations: &'c [Observation],
    /// The hosts of the estate with their addresses.
    pub hosts: &'c [DeployedHost],
    /// Parts of the names of issuers whose certificates are expected; any when empty.
    pub issuers: &'c [String],
}

/// How sure a cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The evidence leaves nothing else.
    Sure,
    /// It is what usually gives such evidence.
    Likely,
    /// It would give such evidence, and so would something else.
    Possible,
}

impl Certainty {
    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sure => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// Why a flow does not work, or will stop to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What it is.
    pub kind: CauseKind,
    /// How sure that is.
    pub certainty: Certainty,
    /// The evidence, in a sentence; printable.
    pub why: String,
    /// What to do.
    pub next_step: String,
}

/// Kinds of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// The plan has no such flow.
    NotPlanned,
    /// Nobody looked so far, or nothing could be sent.
    Unchecked,
    /// The name has no address.
    NameUnknown,
    /// The name leads to an address that the estate does not have for the host.
    AddressOfAnother,
    /// The host is there and nothing listens on the port.
    NothingListens,
    /// A firewall drops what is sent to the port.
    FirewallDrops,
    /// A firewall answers that it is forbidden.
    FirewallRejects,
    /// No port of the host answers: it is down, or there is no way to it.
    HostDown,
    /// Something resets the connection after it was made.
    ConnectionReset,
    /// Datagrams go out and nothing comes back, though the host is there.
    ReversePathMissing,
    /// Another service is on the port.
    WrongService,
    /// The service takes too long.
    TooSlow,
    /// The server and the check have no common TLS, or the server wants a certificate.
    TlsRefused,
    /// The certificate has ended.
    CertificateExpired,
    /// The certificate ends soon.
    CertificateExpiresSoon,
    /// The certificate has not begun.
    CertificateNotYetValid,
    /// The certificate is for other names.
    CertificateWrongName,
    /// The certificate is its own issuer.
    CertificateSelfSigned,
    /// Somebody between shows a certificate of their own.
    CertificateIntercepted,
    /// The vantage point does not trust the certificate's issuer.
    CertificateUntrusted,
    /// A clock is wrong.
    ClockSkew,
    /// Something is there, and it cannot be shown that it is the service.
    NotShown,
}

impl CauseKind {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::NotPlanned,
        Self::Unchecked,
        Self::NameUnknown,
        Self::AddressOfAnother,
        Self::NothingListens,
        Self::FirewallDrops,
        Self::FirewallRejects,
        Self::HostDown,
        Self::ConnectionReset,
        Self::ReversePathMissing,
        Self::WrongService,
        Self::TooSlow,
        Self::TlsRefused,
        Self::CertificateExpired,
        Self::CertificateExpiresSoon,
        Self::CertificateNotYetValid,
        Self::CertificateWrongName,
        Self::CertificateSelfSigned,
        Self::CertificateIntercepted,
        Self::CertificateUntrusted,
        Self::ClockSkew,
        Self::NotShown,
    ];

    /// In one word, for programs.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::NotPlanned => "not-planned",
            Self::Unchecked => "unchecked",
            Self::NameUnknown => "name-unknown",
            Self::AddressOfAnother => "address-of-another",
            Self::NothingListens => "nothing-listens",
            Self::FirewallDrops => "firewall-drops",
            Self::FirewallRejects => "firewall-rejects",
            Self::HostDown => "host-down",
            Self::ConnectionReset => "connection-reset",
            Self::ReversePathMissing => "reverse-path-missing",
            Self::WrongService => "wrong-service",
            Self::TooSlow => "too-slow",
            Self::TlsRefused => "tls-refused",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateExpiresSoon => "certificate-expires-soon",
            Self::CertificateNotYetValid => "certificate-not-yet-valid",
            Self::CertificateWrongName => "certificate-wrong-name",
            Self::CertificateSelfSigned => "certificate-self-signed",
            Self::CertificateIntercepted => "certificate-intercepted",
            Self::CertificateUntrusted => "certificate-untrusted",
            Self::ClockSkew => "clock-skew",
            Self::NotShown => "not-shown",
        }
    }

    /// The one that a program means by `slug`.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }

    /// In words for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NotPlanned => "the plan has no such flow",
            Self::Unchecked => "nobody could look",
            Self::NameUnknown => "the name does not resolve",
            Self::AddressOfAnother => "the name leads to another address than the estate has",
            Self::NothingListens => "nothing listens there",
            Self::FirewallDrops => "a firewall drops it",
            Self::FirewallRejects => "a firewall rejects it",
            Self::HostDown => "the host is down, or there is no way to it",
            Self::ConnectionReset => "the connection is reset",
            Self::ReversePathMissing => "nothing comes back",
            Self::WrongService => "another service is there",
            Self::TooSlow => "the service answers too slowly",
            Self::TlsRefused => "TLS is refused",
            Self::CertificateExpired => "the certificate has expired",
            Self::CertificateExpiresSoon => "the certificate expires soon",
            Self::CertificateNotYetValid => "the certificate is not valid yet",
            Self::CertificateWrongName => "the certificate is for other names",
            Self::CertificateSelfSigned => "the certificate is self-signed",
            Self::CertificateIntercepted => "somebody between looks into TLS",
            Self::CertificateUntrusted => "the issuer of the certificate is not trusted",
            Self::ClockSkew => "a clock is wrong",
            Self::NotShown => "it cannot be shown that it is the service",
        }
    }
}

/// The causes that explain a case, the most likely first; none when the flow works and nothing is
/// wrong with it.
pub fn causes(case: &Case<'_>) -> Vec<Cause> {
    let seen = Seen::of(case);
    let Some(own) = seen.own else {
        return vec![Cause {
            kind: CauseKind::Unchecked,
            certainty: Certainty::Sure,
            why: format!("no check of {} to {} is known", case.flow, case.to),
            next_step: format!(
                "run `portico explain flow` on {}, or let its agent check",
                case.from
            ),
        }];
    };
    let mut out = Vec::new();
    out.extend(connection::address_of_another(case, own));
    out.extend(connection::of_verdict(case, &seen, own));
    out.extend(clock(case, own));
    out.extend(certificate::of(case, &seen, own, is_early(case, own)));
    out.extend(too_slow(own));
    if own.vantage != case.from {
        // What another machine sees is a hint about this way, and no more.
        for cause in &mut out {
            cause.certainty = cause.certainty.max(Certainty::Possible);
        }
    }
    // Stable: of the same certainty, the order above counts.
    out.sort_by_key(|cause| cause.certainty);
    out
}

/// Observations by what they can tell.
struct Seen<'c> {
    /// The newest one of the case, from its own end when there is one.
    own: Option<&'c Observation>,
    /// The newest ones of other ports of the host, from where `own` was seen.
    beside: Vec<&'c Observation>,
    /// The newest ones of the same port, from elsewhere.
    elsewhere: Vec<&'c Observation>,
}

impl<'c> Seen<'c> {
    fn of(case: &Case<'c>) -> Self {
        let mut newest: Vec<&Observation> = case.observations.iter().collect();
        newest.sort_by_key(|seen| std::cmp::Reverse(seen.at_ms));
        newest.truncate(OBSERVATIONS_MAX);
        let is_it = |seen: &&Observation| {
            seen.flow == case.flow && seen.to == case.to && seen.port == case.port
        };
        // Of several addresses of the host, one that does not answer is the one to explain.
        let of = |vantage: Option<&str>| {
            let all = newest.iter().copied().filter(is_it);
            let mut all = all.filter(|seen| vantage.is_none_or(|vantage| seen.vantage == vantage));
            let first = all.next()?;
            let mut same_run = all.filter(|seen| {
                seen.vantage == first.vantage && first.at_ms.saturating_sub(seen.at_ms) < RUN_MS
            });
            match first.verdict {
                Verdict::Proven => Some(
                    same_run
                        .find(|seen| seen.verdict != Verdict::Proven)
                        .unwrap_or(first),
                ),
                _ => Some(first),
            }
        };
        let own = of(Some(case.from)).or_else(|| of(None));
        let vantage = own.map(|own| own.vantage.as_str()).unwrap_or_default();
        let mut known: Vec<(&str, &str, u16, Transport)> = Vec::new();
        let mut beside = Vec::new();
        let mut elsewhere = Vec::new();
        let is_fresh =
            |seen: &&Observation| own.is_some_and(|own| own.at_ms.abs_diff(seen.at_ms) <= FRESH_MS);
        let of_host = newest.iter().copied().filter(|seen| seen.to == case.to);
        for seen in of_host.filter(is_fresh) {
            let key = (
                seen.vantage.as_str(),
                seen.host.as_str(),
                seen.port,
                seen.transport,
            );
            let is_same_port =
                own.is_some_and(|own| own.port == seen.port && own.transport == seen.transport);
            if known.contains(&key) {
                continue;
            }
            known.push(key);
            match (seen.vantage == vantage, is_same_port) {
                (true, false) => beside.push(seen),
                (false, true) => elsewhere.push(seen),
                _ => {}
            }
        }
        Self {
            own,
            beside,
            elsewhere,
        }
    }

    /// Another port of the host that answers in some way, from the same vantage point; at the same
    /// address when that can be told.
    fn host_answers(&self, own: &Observation) -> Option<&'c Observation> {
        let answers = |seen: &&&Observation| is_alive(seen) && seen.host == own.host;
        // A service that was proven tells the most.
        let mut best: Vec<&&Observation> = self.beside.iter().filter(answers).collect();
        best.sort_by_key(|seen| seen.verdict);
        best.first().map(|seen| **seen)
    }

    /// Whether the port answers somebody else as it should.
    fn works_elsewhere(&self) -> Option<&'c Observation> {
        let mut elsewhere = self.elsewhere.iter();
        elsewhere
            .find(|seen| seen.verdict == Verdict::Proven)
            .copied()
    }
}

/// Checks that are no further apart belong to one run.
const RUN_MS: i64 = 60_000;
/// What was seen longer before or after says nothing about the same state of the network.
const FRESH_MS: u64 = 3_600_000;

/// Whether the host itself said something, be it no.
fn is_alive(seen: &Observation) -> bool {
    matches!(
        seen.verdict,
        Verdict::Proven | Verdict::ReachableNotProven | Verdict::WrongService | Verdict::Refused
    )
}

fn clock(case: &Case<'_>, own: &Observation) -> Option<Cause> {
    let ahead = ahead_of(case, own)?;
    let seconds = ahead.unsigned_abs() / 1000;
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    // A machine from which several hosts are off by the same is wrong itself.
    let mut others: Vec<&str> = case
        .observations
        .iter()
        .filter(|seen| seen.vantage == own.vantage && seen.to != own.to)
        .filter(|seen| {
            let other = seen
                .clock_ahead_ms
                .filter(|ms| ms.saturating_abs() > CLOCK_OFF_MS);
            other.is_some_and(|other| other.saturating_sub(ahead).saturating_abs() < CLOCK_OFF_MS)
        })
        .map(|seen| seen.to.as_str())
        .collect();
    others.sort_unstable();
    others.dedup();
    let vantage = shown_vantage(&own.vantage);
    let (whose, why) = match others.as_slice() {
        [] => (
            case.to,
            format!(
                "the clock of {} is {seconds} s {side} that of {vantage}",
                case.to
            ),
        ),
        others => (
            vantage,
            format!(
                "the clocks of {} and {} are {seconds} s {side} that of {vantage}: {vantage} is \
                 wrong",
                case.to,
                others.join(", ")
            ),
        ),
    };
    Some(Cause {
        kind: CauseKind::ClockSkew,
        certainty: Certainty::Sure,
        why,
        next_step: format!(
            "set the clock of {whose} by NTP; Kerberos refuses log-ons from five minutes on"
        ),
    })
}

/// How far the clock of the host is ahead, when that is worth a word: as this flow told, or another
/// one to the same host.
fn ahead_of(case: &Case<'_>, own: &Observation) -> Option<i64> {
    let same = |seen: &&Observation| seen.vantage == own.vantage && seen.to == own.to;
    let told = case.observations.iter().filter(same);
    let newest = told
        .filter(|seen| seen.clock_ahead_ms.is_some())
        .max_by_key(|seen| seen.at_ms)
        .and_then(|seen| seen.clock_ahead_ms);
    own.clock_ahead_ms
        .or(newest)
        .filter(|ms| ms.saturating_abs() > CLOCK_OFF_MS)
}

/// Whether a certificate that is not valid here would be by the host's clock.
fn is_early(case: &Case<'_>, own: &Observation) -> bool {
    ahead_of(case, own).is_some_and(|ahead| {
        let certificate = own.tls.as_ref();
        certificate.is_some_and(|seen| {
            let there = own.at_ms.saturating_add(ahead);
            (seen.not_before_ms..=seen.not_after_ms).contains(&there)
        })
    })
}

fn too_slow(own: &Observation) -> Option<Cause> {
    let is_slow = own.verdict == Verdict::Proven && own.took_ms > SLOW_MS;
    is_slow.then(|| Cause {
        kind: CauseKind::TooSlow,
        certainty: Certainty::Likely,
        why: format!("the answer took {} ms", own.took_ms),
        next_step: format!(
            "see the load of {}, the resolver that its service asks for names of clients, and the \
             way there",
            own.to
        ),
    })
}

fn shown_vantage(vantage: &str) -> &str {
    match vantage {
        "" => "this machine",
        vantage => vantage,
    }
}

impl Observation {
    /// What a check that ran on `vantage` found out about `flow` to the host `to`. Flows may share a
    /// target, which names the first of them only.
    pub fn of(
        vantage: &str,
        to: &str,
        flow: &Flow,
        target: &Target,
        outcome: &Outcome,
        at_ms: i64,
    ) -> Self {
        let survey = outcome.tls.as_ref();
        let tls = survey.map(|survey| {
            let own = survey.chain.first();
            Certificate {
                faults: survey.faults.clone(),
                ..own.map(Certificate::from).unwrap_or_default()
            }
        });
        Self {
            vantage: vantage.to_owned(),
            flow: flow.id.clone(),
            to: to.to_owned(),
            host: target.host.clone(),
            port: target.port,
            transport: flow.transport,
            verdict: outcome.verdict,
            clue: outcome.clue,
            evidence: outcome.evidence.clone(),
            next_step: outcome.next_step.clone(),
            addresses: outcome.address.iter().map(|address| address.ip()).collect(),
            tls,
            clock_ahead_ms: outcome.clock_ahead_ms,
            took_ms: u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
            at_ms,
        }
    }
}

impl From<&portico_net::tls::CertificateSeen> for Certificate {
    fn from(seen: &portico_net::tls::CertificateSeen) -> Self {
        Self {
            subject: seen.subject.clone(),
            issuer: seen.issuer.clone(),
            sha256: seen.sha256.clone(),
            not_before_ms: seen.not_before.unix_ms(),
            not_after_ms: seen.not_after.unix_ms(),
            names: seen.names.clone(),
            faults: Vec::new(),
        }
    }
}
