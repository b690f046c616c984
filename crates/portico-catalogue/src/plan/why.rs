//! Why a flow is planned, or is not.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    Deployment,
    gaps::some,
    planner::{Planner, is_planned_at_all},
    survey::{Survey, effective_roles, role_at},
};
use crate::{
    Catalogue,
    flow::{Condition, End, Flow, OsGeneration, PortRange},
    parse::nearest,
};

/// The reason for a flow in a plan, or for its absence.
#[derive(Debug, Clone, Serialize)]
pub struct Why {
    /// The line of the catalogue, with its sources.
    pub flow: &'static Flow,
    /// Who would open connections.
    pub from: WhyEnd,
    /// Who would listen.
    pub to: WhyEnd,
    /// Conditions that do not hold for some or all hosts; a flow may be planned between others.
    pub failed: Vec<FailedCondition>,
    /// Between which hosts it is planned; empty when it is not.
    pub planned: Vec<WhyBundle>,
    /// Why it is not planned at all, in sentences; empty when it is.
    pub not_planned: Vec<String>,
}

/// One end of a flow in an estate.
#[derive(Debug, Clone, Serialize)]
pub struct WhyEnd {
    /// Role.
    pub role: &'static str,
    /// Roles of the estate that bring it: itself, or those that include it.
    pub through: Vec<String>,
    /// Ids of all hosts with the role.
    pub hosts: Vec<String>,
}

/// A condition and the hosts for which it does not hold.
#[derive(Debug, Clone, Serialize)]
pub struct FailedCondition {
    /// The condition.
    pub condition: &'static Condition,
    /// What it asks for, in words.
    pub asks: String,
    /// Ids of the hosts at the from end for which it does not hold.
    pub from: Vec<String>,
    /// Ids of the hosts at the to end for which it does not hold.
    pub to: Vec<String>,
}

/// Each of `from` opens connections to each of `to`, but none to itself.
#[derive(Debug, Clone, Serialize)]
pub struct WhyBundle {
    /// Ids of the hosts that open connections.
    pub from: Vec<String>,
    /// Ids of the hosts that listen.
    pub to: Vec<String>,
    /// Ports of `to`; empty when the transport has none.
    pub ports: Vec<PortRange>,
}

/// No flow has this id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("flow {id:?} is not known{nearest}; `portico ports list` has them all")]
pub struct UnknownFlow {
    id: String,
    nearest: String,
}

/// Why a flow is in the plan of a deployment, or why it is not.
pub fn why(
    catalogue: &'static Catalogue,
    deployment: &Deployment,
    id: &str,
) -> Result<Why, UnknownFlow> {
    let Some(flow) = catalogue.find(id) else {
        let ids: Vec<String> = catalogue.flows().map(|flow| flow.id.clone()).collect();
        return Err(UnknownFlow {
            id: id.to_owned(),
            nearest: nearest(id, ids.iter()),
        });
    };
    let survey = Survey::new(catalogue, deployment);
    let mut planner = Planner::new(&survey);
    if is_planned_at_all(flow, deployment) {
        planner.plan_flow(flow);
    }
    let planned = planner.flows.iter().map(|planned| WhyBundle {
        from: survey.ids(planned.from.iter()),
        to: survey.ids(planned.to.iter()),
        ports: planned.ports.clone(),
    });
    let planned: Vec<WhyBundle> = planned.collect();
    let failed = failed(&survey, flow, &planner);
    let not_planned = if planned.is_empty() {
        reasons(&survey, flow, &failed)
    } else {
        Vec::new()
    };
    Ok(Why {
        flow,
        from: end(&survey, flow, End::From),
        to: end(&survey, flow, End::To),
        failed,
        planned,
        not_planned,
    })
}

fn end(survey: &Survey<'_>, flow: &'static Flow, end: End) -> WhyEnd {
    let role = role_at(flow, end);
    let hosts = survey.with_role(role);
    let mut through = BTreeSet::new();
    for host in hosts.iter().filter_map(|host| survey.host(*host)) {
        let bring = |given: &&String| {
            !through.contains(*given)
                && effective_roles(survey.catalogue, std::slice::from_ref(*given)).contains(role)
        };
        let new: Vec<String> = host.roles.iter().filter(bring).cloned().collect();
        through.extend(new);
    }
    WhyEnd {
        role: match end {
            End::From => &flow.from,
            End::To => &flow.to,
        },
        through: through.into_iter().collect(),
        hosts: survey.ids(hosts),
    }
}

fn failed(
    survey: &Survey<'_>,
    flow: &'static Flow,
    planner: &Planner<'_, '_>,
) -> Vec<FailedCondition> {
    let mut found = Vec::new();
    for condition in &flow.conditions {
        let (from, to) = match condition {
            Condition::Note { .. } => continue,
            Condition::Optional { .. } if survey.deployment.with_optional => continue,
            Condition::Optional { .. } => (Vec::new(), Vec::new()),
            Condition::PortGiven { name, .. } => {
                let hosts = planner.asked.get(name.as_str()).map(|asked| &asked.hosts);
                (Vec::new(), survey.ids(hosts.into_iter().flatten()))
            }
            Condition::SameSite => {
                let (from, to) = (
                    survey.eligible(flow, End::From),
                    survey.eligible(flow, End::To),
                );
                (apart(survey, &from, &to), apart(survey, &to, &from))
            }
            Condition::Feature { .. } | Condition::Os { .. } => {
                let failing = |end: End| {
                    let hosts = survey.with_role(role_at(flow, end)).iter();
                    survey.ids(hosts.filter(|host| {
                        let profile = survey.profiles.of(**host);
                        profile.is_some_and(|profile| !survey.holds_at(condition, end, profile))
                    }))
                };
                (failing(End::From), failing(End::To))
            }
        };
        let is_optional = matches!(condition, Condition::Optional { .. });
        if is_optional || !from.is_empty() || !to.is_empty() {
            found.push(FailedCondition {
                condition,
                asks: asks(condition),
                from,
                to,
            });
        }
    }
    found
}

/// Hosts of one end that have nobody of the other end at their site.
fn apart(survey: &Survey<'_>, hosts: &[u32], others: &[u32]) -> Vec<String> {
    let sites: BTreeSet<u32> = others
        .iter()
        .map(|host| survey.sites.number(*host))
        .collect();
    let is_apart = |host: &&u32| !sites.contains(&survey.sites.number(**host));
    survey.ids(hosts.iter().filter(is_apart))
}

/// What a condition asks for, in words.
fn asks(condition: &Condition) -> String {
    match condition {
        Condition::Feature { feature } => format!("the feature {feature:?} is on at both ends"),
        Condition::Os { at, first, last } => {
            let end = match at {
                End::From => "who opens the connection",
                End::To => "who listens",
            };
            match (first.map(os_name), last.map(os_name)) {
                (Some(first), Some(last)) if first == last => format!("{end} runs {first}"),
                (Some(first), Some(last)) => format!("{end} runs {first} to {last}"),
                (Some(first), None) => format!("{end} runs {first} or newer"),
                (None, Some(last)) => format!("{end} runs {last} or older"),
                (None, None) => format!("{end} runs Windows"),
            }
        }
        Condition::SameSite => "both ends stand at the same site".to_owned(),
        Condition::Optional { why } => format!("the estate asks for optional flows ({why})"),
        Condition::PortGiven { name, question } => {
            format!("who listens names the port {name:?} ({question})")
        }
        Condition::Note { text } => text.clone(),
    }
}

/// A generation as an estate writes it.
const fn os_name(os: OsGeneration) -> &'static str {
    match os {
        OsGeneration::Windows2000 => "windows-2000",
        OsGeneration::WindowsXp => "windows-xp",
        OsGeneration::Windows2003 => "windows-2003",
        OsGeneration::Windows2008 => "windows-2008",
        OsGeneration::Windows2008R2 => "windows-2008r2",
        OsGeneration::Windows2012 => "windows-2012",
        OsGeneration::Windows2012R2 => "windows-2012r2",
        OsGeneration::Windows2016 => "windows-2016",
        OsGeneration::Other => "something other than Windows",
    }
}

fn reasons(survey: &Survey<'_>, flow: &Flow, failed: &[FailedCondition]) -> Vec<String> {
    if flow.is_left_out() {
        let errata = flow.errata.iter();
        let corrections = errata.map(|erratum| erratum.correction.as_str());
        return vec![format!(
            "there is no such traffic: {}",
            corrections.collect::<Vec<_>>().join("; ")
        )];
    }
    let mut out = Vec::new();
    for end in [End::From, End::To] {
        let role = role_at(flow, end);
        if survey.with_role(role).is_empty() {
            out.push(format!("no host has the role {role:?}"));
        }
    }
    if out.is_empty() {
        out.extend(failed.iter().map(|failed| {
            let hosts: BTreeSet<&str> = failed
                .from
                .iter()
                .chain(&failed.to)
                .map(String::as_str)
                .collect();
            if hosts.is_empty() {
                format!("it is planned only when {}", failed.asks)
            } else {
                let hosts = some(hosts.into_iter());
                format!(
                    "it is planned only when {}, which does not hold for {hosts}",
                    failed.asks
                )
            }
        }));
    }
    if out.is_empty() {
        out.push(nobody_else(survey, flow));
    }
    out
}

/// Roles and conditions are all right, and still there is no pair.
fn nobody_else(survey: &Survey<'_>, flow: &Flow) -> String {
    let (from, to) = (survey.with_role(&flow.from), survey.with_role(&flow.to));
    if from == to && from.len() == 1 {
        let hosts = survey.ids(from);
        let host = some(hosts.iter().map(String::as_str));
        return format!("{host} is alone at both ends, and needs no network to reach itself");
    }
    "no host that opens it reaches one that listens: see the reaches of its hosts".to_owned()
}
