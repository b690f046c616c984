//! Ranges of RPC: the endpoint mapper says which ports are in use, and those are spoken with.
//! Nothing outside the range is sent anything, whatever the mapper names.

use std::collections::BTreeMap;

use portico_catalogue::PortRange;
use portico_net::race::SourcePort;
use portico_wire::probe::{Ask, Conversation, Endpoint, Over, Service};
use tokio::time::Instant;

use super::{
    Means, Outcome, Target, Tls, Verdict, What,
    stream::{self, Heard},
};

/// Ports of a range that are spoken with: those of a host are all alike to a firewall.
const FOLLOWED_MAX: usize = 8;
/// Ports that are listed in a text.
const LISTED_MAX: usize = 12;

/// Asks the mapper and follows it into the range.
pub(super) async fn follow(
    target: &Target,
    means: &Means,
    deadline: Instant,
    mapper: u16,
    range: &PortRange,
    planned: &[PortRange],
) -> Outcome {
    let named = match named(target, means, deadline, mapper).await {
        Ok(named) => named,
        Err(outcome) => return without_mapper(mapper, &outcome),
    };
    let mut ports: BTreeMap<u16, Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in &named {
        ports.entry(endpoint.port).or_default().push(endpoint);
    }
    let is_in = |range: &PortRange, port: u16| (range.first..=range.last).contains(&port);
    let unplanned: Vec<u16> = ports
        .keys()
        .copied()
        .filter(|port| !planned.iter().any(|range| is_in(range, *port)))
        .collect();
    ports.retain(|port, _| is_in(range, *port));
    let outcome = match ports.is_empty() {
        true => Outcome::skipped(
            &format!(
                "the endpoint mapper at {mapper}/tcp names no port of {} to {}",
                range.first, range.last
            ),
            "nothing to check now: see that firewalls let the whole range through",
        ),
        false => speak_with(target, means, deadline, &ports).await,
    };
    with_unplanned(outcome, &unplanned)
}

/// What the mapper names.
async fn named(
    target: &Target,
    means: &Means,
    deadline: Instant,
    mapper: u16,
) -> Result<Vec<Endpoint>, Box<Outcome>> {
    let target = Target {
        port: mapper,
        what: What::Speak {
            service: Service::RpcMapper,
            over: Over::Stream,
            tls: Tls::Never,
        },
        ..target.clone()
    };
    let mut dialled = stream::dial(&target, means, SourcePort::Any).await?;
    let ask: Ask = means.ask(&target, Service::RpcMapper, Over::Stream);
    let mut conversation = Conversation::new(ask);
    match stream::converse(means, deadline, &mut dialled.stream, &mut conversation).await {
        Heard::Proof(proof) => Ok(proof.endpoints),
        other => Err(Box::new(stream::not_proven(&target, &conversation, other))),
    }
}

fn without_mapper(mapper: u16, outcome: &Outcome) -> Outcome {
    Outcome::skipped(
        &format!(
            "the endpoint mapper at {mapper}/tcp says which ports are in use, and it does not: {} \
             ({})",
            outcome.evidence,
            outcome.verdict.name()
        ),
        &format!("mend the flow to {mapper}/tcp first"),
    )
}

/// One after the other, so that a check is one connection at a time.
async fn speak_with(
    target: &Target,
    means: &Means,
    deadline: Instant,
    ports: &BTreeMap<u16, Vec<&Endpoint>>,
) -> Outcome {
    let (mut proven, mut worst): (Vec<String>, Option<Outcome>) = (Vec::new(), None);
    let mut address = None;
    for (port, endpoints) in ports.iter().take(FOLLOWED_MAX) {
        let one = Target {
            port: *port,
            what: What::Speak {
                service: Service::Rpc,
                over: Over::Stream,
                tls: Tls::Never,
            },
            ..target.clone()
        };
        let ask = means.ask(&one, Service::Rpc, Over::Stream);
        let mut outcome = stream::speak(&one, means, deadline, ask, Tls::Never).await;
        address = address.or(outcome.address);
        if outcome.verdict == Verdict::Proven {
            proven.push(called(*port, endpoints));
            continue;
        }
        outcome.evidence = format!("{}: {}", called(*port, endpoints), outcome.evidence);
        let is_worse = worst
            .as_ref()
            .is_none_or(|worst| outcome.verdict > worst.verdict);
        if is_worse {
            worst = Some(outcome);
        }
    }
    let left = match ports.len().saturating_sub(FOLLOWED_MAX) {
        0 => String::new(),
        left => format!(", and {left} more that were not asked"),
    };
    let mut answered = format!(
        "the endpoint mapper names {} of these ports{left}; RPC answers at {}",
        ports.len(),
        proven.join(", ")
    );
    if proven.is_empty() {
        answered = format!("the endpoint mapper names {} of these ports", ports.len());
    }
    let outcome = match worst {
        Some(worst) => Outcome {
            evidence: format!("{answered}; {}", worst.evidence),
            ..worst
        },
        None => Outcome {
            next_step: None,
            ..Outcome::new(Verdict::Proven, answered, "")
        },
    };
    match address {
        Some(address) => outcome.at(address),
        None => outcome,
    }
}

/// A port, and what it is called where it says so.
fn called(port: u16, endpoints: &[&Endpoint]) -> String {
    let names = endpoints
        .iter()
        .map(|endpoint| endpoint.annotation.as_str());
    match names.filter(|name| !name.is_empty()).min() {
        Some(name) => format!("{port} ({name})"),
        None => port.to_string(),
    }
}

/// Ports that the mapper names and the plan does not have are told, and nothing is sent to them.
fn with_unplanned(mut outcome: Outcome, unplanned: &[u16]) -> Outcome {
    if unplanned.is_empty() {
        return outcome;
    }
    let mut list: Vec<String> = unplanned
        .iter()
        .take(LISTED_MAX)
        .map(u16::to_string)
        .collect();
    if unplanned.len() > LISTED_MAX {
        list.push("…".into());
    }
    let list = list.join(", ");
    outcome.evidence = format!(
        "{}; the endpoint mapper names ports that the plan does not have: {list}",
        outcome.evidence
    );
    if matches!(outcome.verdict, Verdict::Proven | Verdict::Skipped) {
        outcome.next_step = Some(format!(
            "the plan does not have {list}: set the range of the host (`netsh int ipv4 set \
             dynamicport tcp`), or give its flow in the estate the range that it has"
        ));
    }
    outcome
}
