//! Flows that brokers let this agent prove: those of an order, one after the other, gently.
//!
//! An order names flows of the catalogue, addresses and ports. What is said there is the flow's own
//! probe in this program, so that a broker can make an agent greet a service and nothing else.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use portico_catalogue::Catalogue;
use portico_model::printable;
use portico_net::{FlowId, clock::Clock};
use portico_probe::check::{Limits, Means, Outcome, Pace, Target, Verdict, What, walk};
use portico_wire::agent::{CHECK_TEXT_LEN_MAX, FlowOutcome, FlowTarget, ToBroker};
use tokio::sync::mpsc;

use crate::orders::Host;

/// Orders that are carried out at the same time, whichever brokers gave them; more are refused.
pub const CHECKS_MAX: usize = 2;
/// Checks of one order that run at the same time, and that begin within a second. The host has
/// other work.
const PACE: (u32, u32) = (4, 4);

/// Begins a check, or answers why not. A task is made only when there is a place for it and for
/// its answer.
pub(crate) fn begin(
    host: &Host,
    answers: &mpsc::Sender<ToBroker>,
    check: u64,
    targets: Vec<FlowTarget>,
) -> Result<(), Box<ToBroker>> {
    let slot = answers.clone().try_reserve_owned();
    let slot = slot.map_err(|_full| refused(check))?;
    let place = Arc::clone(&host.0.checks).try_acquire_owned();
    let place = place.map_err(|_full| refused(check))?;
    tracing::debug!(check, targets = targets.len(), "Check of flows");
    let clock = Arc::clone(&host.0.clock);
    tokio::spawn(async move {
        let answer = carry_out(clock, check, &targets).await;
        drop(place);
        // A link that is gone has nobody who wants to know.
        slot.send(answer);
    });
    Ok(())
}

fn refused(check: u64) -> Box<ToBroker> {
    Box::new(ToBroker::Checked {
        check,
        outcomes: Vec::new(),
        refused: Some(format!("it does {CHECKS_MAX} checks already; try again")),
    })
}

async fn carry_out(clock: Arc<dyn Clock>, check: u64, wanted: &[FlowTarget]) -> ToBroker {
    // Made for each order and dropped after it: an agent at rest keeps no certificates in memory.
    let means = match Means::of_machine(Limits::default(), clock) {
        Ok(means) => means,
        Err(error) => {
            let why = format!("the certificate authorities of the host cannot be read: {error}");
            return ToBroker::Checked {
                check,
                outcomes: Vec::new(),
                refused: Some(fit(&why)),
            };
        }
    };
    let (mut targets, mut places, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for (place, wanted) in (0_u16..).zip(wanted) {
        match target(wanted) {
            Ok(target) => {
                targets.push(target);
                places.push(place);
            }
            Err((why, next_step)) => outcomes.push(FlowOutcome {
                target: place,
                verdict: Verdict::Skipped.slug().into(),
                evidence: fit(&why),
                next_step: Some(next_step.into()),
                clue: None,
                took_ms: 0,
            }),
        }
    }
    let (parallel, per_second) = PACE;
    let at_least = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    let pace = Pace {
        parallel: at_least(parallel),
        per_second: at_least(per_second),
    };
    let seen = walk(&targets, &means, pace, |_, _| {}).await;
    let told = places.iter().zip(&seen);
    outcomes.extend(told.map(|(place, outcome)| told_of(*place, outcome)));
    ToBroker::Checked {
        check,
        outcomes,
        refused: None,
    }
}

/// What is checked for a target of an order, or why it is not.
fn target(wanted: &FlowTarget) -> Result<Target, (String, &'static str)> {
    let Some(flow) = Catalogue::portico().find(&wanted.flow) else {
        return Err((
            format!("the agent does not know the flow {}", wanted.flow),
            "update the agent",
        ));
    };
    if !is_address(&wanted.address) {
        return Err((
            format!("{} is no address", wanted.address),
            "correct the host's address in the estate",
        ));
    }
    if wanted.port == 0 && flow.transport.has_ports() {
        return Err((
            "the port is zero".into(),
            "correct the host's port in the estate",
        ));
    }
    Ok(Target {
        flow: FlowId::checked(flow),
        host: wanted.address.clone(),
        port: wanted.port,
        what: What::of(flow, wanted.port),
    })
}

/// An IP address, or a name of the characters that names of hosts have.
fn is_address(text: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    text.parse::<IpAddr>().is_ok() || (!text.is_empty() && text.bytes().all(of_name))
}

fn told_of(target: u16, outcome: &Outcome) -> FlowOutcome {
    FlowOutcome {
        target,
        verdict: outcome.verdict.slug().into(),
        evidence: fit(&outcome.evidence),
        next_step: outcome.next_step.as_deref().map(fit),
        clue: outcome.clue.map(|clue| clue.slug().into()),
        took_ms: u32::try_from(outcome.took.as_millis()).unwrap_or(u32::MAX),
    }
}

/// Printable, and cut to what an outcome may hold.
pub(crate) fn fit(text: &str) -> String {
    let text = printable(text);
    let end = (0..=CHECK_TEXT_LEN_MAX.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use portico_model::Timestamp;
    use portico_net::clock::ManualClock;
    use portico_wire::agent::encode;

    use super::*;

    fn wanted(flow: &str, address: &str, port: u16) -> FlowTarget {
        FlowTarget {
            flow: flow.into(),
            address: address.into(),
            port,
        }
    }

    #[test]
    fn an_order_names_a_service_and_the_agent_knows_what_to_say() {
        let known = target(&wanted(
            "portico.gateway-host-ssh-probe",
            "dc1.example",
            2222,
        ));
        let known = known.unwrap();
        assert_eq!((known.host.as_str(), known.port), ("dc1.example", 2222));
        assert!(matches!(known.what, What::Speak { .. }), "{known:?}");
        for (flow, address, port, says) in [
            ("portico.no-such-flow", "127.0.0.1", 1, "does not know"),
            ("portico.gateway-host-rdp", "a b", 1, "is no address"),
            ("portico.gateway-host-rdp", "", 1, "is no address"),
            ("portico.gateway-host-rdp", "10.0.0.0/8", 1, "is no address"),
            ("portico.gateway-host-rdp", "127.0.0.1", 0, "port is zero"),
        ] {
            let (why, _) = target(&wanted(flow, address, port)).unwrap_err();
            assert!(why.contains(says), "{why}");
        }
    }

    #[tokio::test]
    #[allow(
        clippy::disallowed_methods,
        reason = "a port of the test's own, which nobody holds any more"
    )]
    async fn every_target_has_one_outcome_and_the_answer_can_be_sent() {
        portico_net::tls::install_provider();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let order = [
            wanted("portico.gateway-host-rdp", "127.0.0.1", port),
            wanted("portico.\u{1b}[2J", "127.0.0.1", port),
        ];
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(0)));
        let answer = carry_out(clock, 7, &order).await;
        encode(&answer).unwrap();
        let ToBroker::Checked {
            check,
            mut outcomes,
            refused,
        } = answer
        else {
            panic!("{answer:?}");
        };
        assert_eq!((check, refused), (7, None));
        outcomes.sort_by_key(|outcome| outcome.target);
        let said: Vec<(u16, &str)> = outcomes
            .iter()
            .map(|outcome| (outcome.target, outcome.verdict.as_str()))
            .collect();
        assert_eq!(said, [(0, "refused"), (1, "skipped")]);
        assert!(!outcomes[1].evidence.contains('\u{1b}'), "{outcomes:?}");
    }

    #[test]
    fn long_and_hostile_texts_are_made_to_fit() {
        let text = fit(&"\u{202e}ä".repeat(1_000));
        assert!(text.len() <= CHECK_TEXT_LEN_MAX);
        assert_eq!(printable(&text), text);
    }
}
