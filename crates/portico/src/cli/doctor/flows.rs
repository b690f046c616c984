//! The flows that this node opens.

use std::num::NonZeroU32;

use portico_catalogue::{
    Catalogue,
    plan::{self, Address, Deployment, FlowPlan},
};
use portico_estate::deployment;
use portico_model::estate::Estate;
use portico_net::own;
use portico_probe::check::{Outcome, Pace, Targets, Verdict, targets, walk};

use super::{DoctorArgs, Line};
use crate::cli::{
    failure::Failure,
    ports::{from_file, means, place, wire},
};

const ABOUT: &str = "flows";
/// Clocks that differ by more are worth a word, in milliseconds: Kerberos allows five minutes
/// (RFC 4120 §1.6).
pub(super) const SKEW_MAX_MS: i64 = 60_000;
/// Flows that are told one by one.
const TOLD_MAX: usize = 20;
/// Roles of the hosts that run this program.
const OWN_ROLES: &str = "portico.";
/// The role of a host that runs it as agent only.
const AGENT_ROLE: &str = "portico.session-host";

/// How far the clock of a host is ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skew {
    /// The host, by its id.
    pub(super) host: String,
    /// Milliseconds.
    pub(super) ahead_ms: i64,
}

/// Checks them, and tells of the clocks that were seen.
pub(super) async fn flows(args: &DoctorArgs, stored: Option<Estate>) -> (Vec<Line>, Vec<Skew>) {
    if args.no_flows {
        return (vec![], vec![]);
    }
    match checked(args, stored).await {
        Ok(found) => found,
        Err(failure) => {
            let reason = failure.reason.map(|reason| format!(": {reason}"));
            let what = format!("{}{}", failure.what, reason.unwrap_or_default());
            let next_step = failure.next_step.unwrap_or_else(|| "see the estate".into());
            (vec![Line::failed(ABOUT, what, next_step)], vec![])
        }
    }
}

async fn checked(
    args: &DoctorArgs,
    stored: Option<Estate>,
) -> Result<(Vec<Line>, Vec<Skew>), Failure> {
    let (estate, name) = match (&args.estate.file, stored) {
        (Some(path), _) => from_file(path)?,
        (None, Some(stored)) => (stored, "the estate of the server".to_owned()),
        (None, None) => {
            let line = Line::skipped(
                ABOUT,
                "there is no estate to tell which flows this node opens",
                "give an estate file with -f",
            );
            return Ok((vec![line], vec![]));
        }
    };
    let mut deployment: Deployment = deployment(&estate);
    deployment.with_optional |= args.estate.optional;
    deployment
        .features
        .extend(args.estate.feature.iter().cloned());
    let planned = plan::plan(Catalogue::portico(), &deployment);
    let from = match &args.host {
        Some(id) => vec![place(&planned, id, &name)?],
        None => own_hosts(&planned).await,
    };
    if from.is_empty() {
        let line = Line::skipped(
            ABOUT,
            format!("no host of {name} with a role of Portico has an address of this machine"),
            "name it with --host, or describe it under [[hosts]] with its roles and address",
        );
        return Ok((vec![line], vec![]));
    }
    let found = targets(&planned, Some(&from));
    let means = means(args.whole())?;
    let at_least = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    let pace = Pace {
        parallel: at_least(Pace::PARALLEL),
        per_second: at_least(Pace::PER_SECOND),
    };
    let outcomes = walk(&found.targets, &means, pace, |_, _| {}).await;
    Ok(told(&planned, &from, &found, &outcomes))
}

/// The hosts that this machine is.
async fn own_hosts(plan: &FlowPlan) -> Vec<u32> {
    let mut out = Vec::new();
    for (place, host) in (0u32..).zip(&plan.hosts) {
        let mut roles = host.roles.iter();
        if !roles.any(|role| role.starts_with(OWN_ROLES) && role != AGENT_ROLE) {
            continue;
        }
        for address in &host.addresses {
            if let Address::Ip(ip) = address
                && own::is_own(*ip).await
            {
                out.push(place);
                break;
            }
        }
    }
    out
}

fn told(
    plan: &FlowPlan,
    from: &[u32],
    found: &Targets,
    outcomes: &[Outcome],
) -> (Vec<Line>, Vec<Skew>) {
    let id = |place: u32| {
        let host = plan.hosts.get(place as usize);
        host.map_or("", |host| host.id.as_str())
    };
    let mut lines = Vec::new();
    let mut skew: Vec<Skew> = Vec::new();
    let (mut proven, mut unclear, mut bad) = (0, 0, 0);
    for flow in &found.flows {
        let Some(outcome) = outcomes.get(flow.target) else {
            continue;
        };
        if let Some(ahead_ms) = outcome.clock_ahead_ms {
            skew.push(Skew {
                host: id(flow.to).to_owned(),
                ahead_ms,
            });
        }
        let is_bad = match outcome.verdict {
            Verdict::Proven => {
                proven += 1;
                continue;
            }
            Verdict::Skipped | Verdict::ReachableNotProven => {
                unclear += 1;
                continue;
            }
            _ => flow.required,
        };
        bad += 1;
        if bad > TOLD_MAX {
            continue;
        }
        let what = format!(
            "{} to {} {} is {}: {} [{}]",
            flow.flow.application_protocol,
            id(flow.to),
            wire(flow),
            outcome.verdict.name(),
            outcome.evidence,
            flow.flow.id
        );
        let next_step = outcome.next_step.clone();
        let next_step = next_step.unwrap_or_else(|| "see the service and its log".into());
        lines.push(match is_bad {
            true => Line::failed(ABOUT, what, next_step),
            false => Line::warning(ABOUT, what, next_step),
        });
    }
    if bad > TOLD_MAX {
        lines.push(Line::failed(
            ABOUT,
            format!("{} more do not work", bad - TOLD_MAX),
            "`portico ports check` lists them all",
        ));
    }
    let hosts: Vec<&str> = from.iter().map(|place| id(*place)).collect();
    let all = proven + unclear + bad;
    let unclear = match unclear {
        0 => String::new(),
        count => format!("; {count} cannot be proven (`portico ports check` says why)"),
    };
    lines.insert(
        0,
        Line::ok(
            ABOUT,
            format!(
                "{proven} of {all} that {} opens are proven{unclear}",
                hosts.join(", ")
            ),
        ),
    );
    (lines, skew)
}
