//! The port check against real servers of many protocols, and against what can go wrong with them.
//!
//! These run when `PORTICO_LAB_FACTS` names the facts of a lab (`lab facts -o json`) in which
//! `svc1` to `svc4` and `sh1` are up; otherwise they say so and do nothing, unless
//! `PORTICO_SERVICES=required` is set, as `scripts/test-services` does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod faults;
mod lab;
mod names;
mod plan;
mod table;
mod wrong;

use std::time::Duration;

use portico_net::{FlowId, clock::SystemClock, flows, tls::Authorities};
use portico_probe::check::{Limits, Means, Outcome, Target, Verdict, What};

use lab::Lab;

/// Which flow it is does not matter here: the table says what is to be found where.
const FLOW: FlowId = flows::GATEWAY_HOST_RDP;

/// Time for a server that answers, on a machine that is busy.
const PATIENT: Limits = Limits {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(20),
    whole: Duration::from_secs(30),
};

/// Those of this machine, but that it trusts the lab's authority and no other.
fn means(lab: &Lab, limits: Limits) -> Means {
    let mut means = Means::of_machine(limits, std::sync::Arc::new(SystemClock)).unwrap();
    means.authorities = Authorities::from_pem(&lab.authority).unwrap();
    means
}

fn target(host: &str, port: u16, what: What) -> Target {
    Target {
        flow: FLOW,
        host: host.into(),
        port,
        what,
    }
}

/// What does not fit what was expected, for a list of all that does not; and what holds for every
/// outcome.
fn unlike(outcome: &Outcome, verdict: Verdict, part: &str) -> Option<String> {
    assert!(
        !outcome.evidence.is_empty() && !outcome.evidence.chars().any(char::is_control),
        "{outcome:?}"
    );
    assert!(
        outcome.verdict == Verdict::Proven || outcome.next_step.is_some(),
        "{outcome:?}"
    );
    let fits = outcome.verdict == verdict && outcome.evidence.contains(part);
    (!fits).then(|| {
        format!(
            "is {}: {}; should be {} with {part:?}",
            outcome.verdict.name(),
            outcome.evidence,
            verdict.name()
        )
    })
}

/// Verdict, part of the evidence and part of the next step.
fn expect(outcome: &Outcome, verdict: Verdict, evidence: &str, next_step: &str) {
    assert_eq!(unlike(outcome, verdict, evidence), None);
    let said = outcome.next_step.as_deref().unwrap_or_default();
    assert!(
        said.contains(next_step),
        "{outcome:?} must advise {next_step:?}"
    );
}
