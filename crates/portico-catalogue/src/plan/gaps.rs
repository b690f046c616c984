//! What a plan lacks, in words that say what to write into the estate.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Gap, GapKind, PortKey,
    planner::both,
    ports::formula_runs_out,
    survey::{Survey, effective_roles, product},
};
use crate::flow::{Condition, End, Flow, OsGeneration, Transport};

/// Most names in one message.
const NAMES_MAX: usize = 5;

/// A port that the documents leave open.
pub(super) struct Asked {
    /// Where the administrator finds the number.
    pub(super) question: &'static str,
    /// Flows that need it.
    pub(super) flows: BTreeSet<&'static str>,
    /// Hosts that do not name it.
    pub(super) hosts: BTreeSet<u32>,
}

/// Gaps found so far.
#[derive(Default)]
pub(super) struct Gaps {
    /// By the end, the role that the estate gives, and the role that would help.
    missing: BTreeMap<(Missing, &'static str, &'static str), Lack>,
    /// By the role that listens.
    callers: BTreeMap<&'static str, Callers>,
    found: Vec<Gap>,
}

/// Which end nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    From,
    To,
}

/// Roles that nobody has, and hosts that need somebody to have them.
#[derive(Default)]
struct Lack {
    absent: BTreeSet<&'static str>,
    flows: BTreeSet<&'static str>,
    /// Features without any of which none of the flows is needed.
    features: Option<BTreeSet<&'static str>>,
    hosts: BTreeSet<u32>,
}

/// Who could use a role that a host has.
#[derive(Default)]
struct Callers {
    is_settled: bool,
    absent: BTreeSet<&'static str>,
    flows: BTreeSet<&'static str>,
    hosts: BTreeSet<u32>,
}

impl Gaps {
    /// Notes the counterparts of a flow that no host has, where an administrator wants to know.
    ///
    /// What nobody has on both sides is no concern of this estate. Roles that are missing together
    /// and that one role brings are one gap: a member of a domain lacks a domain controller, and
    /// not seven services. Nobody at the from end matters for people, who would be locked out, and
    /// for a role that nobody at all uses.
    pub(super) fn look_for_counterparts(&mut self, survey: &Survey<'_>, flow: &'static Flow) {
        let is_absent = |role: &str| survey.with_role(role).is_empty();
        let role = survey.catalogue.role(&flow.from);
        let is_external = role.is_some_and(|role| role.external);
        if is_absent(&flow.to) {
            // People use what there is.
            if is_external {
                return;
            }
            let mut hosts = survey.eligible(flow, End::From);
            hosts.retain(|host| survey.opens_any(*host));
            for given in survey.bringing(&flow.from) {
                self.note(survey, (Missing::To, given), flow, &hosts);
            }
            return;
        }
        let hosts = survey.eligible(flow, End::To);
        let is_missed = is_absent(&flow.from) && is_external;
        for given in survey.bringing(&flow.to) {
            if is_missed && product(given) == product(&flow.from) {
                self.note(survey, (Missing::From, given), flow, &hosts);
            }
            let concerned = both(&hosts, survey.given_role(given));
            if !concerned.is_empty() {
                let callers = self.callers.entry(given).or_default();
                // Missing people are a gap of their own.
                callers.is_settled |= is_missed || !is_absent(&flow.from);
                callers.absent.insert(&flow.from);
                callers.flows.insert(&flow.id);
                callers.hosts.extend(concerned);
            }
        }
    }

    /// Notes a flow for those of its hosts that the estate gives the role `given`.
    fn note(
        &mut self,
        survey: &Survey<'_>,
        (missing, given): (Missing, &'static str),
        flow: &'static Flow,
        hosts: &[u32],
    ) {
        let concerned = both(hosts, survey.given_role(given));
        if concerned.is_empty() {
            return;
        }
        let absent = match missing {
            Missing::From => &flow.from,
            Missing::To => &flow.to,
        };
        let key = (missing, given, helping(survey, absent));
        let lack = self.missing.entry(key).or_default();
        lack.absent.insert(absent);
        lack.flows.insert(&flow.id);
        lack.hosts.extend(concerned);
        let features: BTreeSet<&'static str> = flow
            .conditions
            .iter()
            .filter_map(|condition| match condition {
                Condition::Feature { feature } => Some(feature.as_str()),
                _ => None,
            })
            .collect();
        match &mut lack.features {
            Some(common) => common.retain(|feature| features.contains(feature)),
            None => lack.features = Some(features),
        }
    }

    /// Notes a formula of a planned flow that has fewer ports than hosts to give them to.
    pub(super) fn look_for_formula(&mut self, survey: &Survey<'_>, flow: &'static Flow) {
        let short = formula_runs_out(flow, |role| survey.count(role));
        let Some(formula) = short.and_then(|range| range.formula.as_ref()) else {
            return;
        };
        let hosts = survey.with_role(&formula.each);
        self.found.push(Gap {
            kind: GapKind::Formula,
            hosts: survey.ids(hosts.iter().take(NAMES_MAX)),
            flow: flow.id.clone(),
            reason: format!(
                "{} hosts have the role {:?}, and its formula ({}) has no ports for so many",
                hosts.len(),
                formula.each,
                formula.text
            ),
            next_step: format!(
                "give the role {:?} to fewer hosts of one estate",
                formula.each
            ),
        });
    }

    /// All gaps, sorted by flow, then by hosts.
    pub(super) fn finish(
        mut self,
        survey: &Survey<'_>,
        asked: BTreeMap<&'static str, Asked>,
    ) -> Vec<Gap> {
        for ((missing, given, helping), lack) in std::mem::take(&mut self.missing) {
            self.found.push(lack.gap(survey, missing, given, helping));
        }
        for (role, callers) in std::mem::take(&mut self.callers) {
            self.found.extend(callers.gap(survey, role));
        }
        let asked = asked.into_iter();
        self.found
            .extend(asked.filter_map(|(name, asked)| asked.gap(survey, name)));
        self.found
            .sort_by(|a, b| (&a.flow, &a.hosts, &a.reason).cmp(&(&b.flow, &b.hosts, &b.reason)));
        self.found
    }
}

impl Lack {
    fn gap(self, survey: &Survey<'_>, missing: Missing, given: &str, helping: &str) -> Gap {
        let absent = some(self.absent.iter().copied());
        let roles = if self.absent.len() == 1 {
            "the role"
        } else {
            "any of the roles"
        };
        let flows = some(self.flows.iter().copied());
        let reason = match missing {
            Missing::To => format!(
                "no host has {roles} {absent}, to which {given:?} opens connections by {flows}"
            ),
            Missing::From => {
                format!("no host has {roles} {absent}: nobody is let in to {given:?} by {flows}")
            }
        };
        Gap {
            kind: GapKind::Counterpart,
            hosts: survey.ids(self.hosts.iter().take(NAMES_MAX)),
            flow: self
                .flows
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            reason,
            next_step: self.next_step(survey, given, helping),
        }
    }

    fn next_step(&self, survey: &Survey<'_>, given: &str, helping: &str) -> String {
        let is_external = |role: &&str| survey.catalogue.role(role).is_some_and(|r| r.external);
        let absent = some(self.absent.iter().copied());
        let mut step = if self.absent.iter().any(is_external) {
            format!("add a host with the role {absent} and its address, name or networks")
        } else if self.absent.contains(helping) {
            format!("give the role {helping:?} to a host")
        } else if self.absent.len() == 1 {
            format!("give the role {absent} to a host, or {helping:?}, which brings it")
        } else {
            format!("give the role {helping:?} to a host, which brings them")
        };
        if let Some(feature) = self.features.iter().flatten().next() {
            step += &format!(", or switch off {feature:?} where {given:?} does not use it");
        }
        step
    }
}

/// The role to give to a host so that it has an absent one: the smallest that brings others along
/// with it, or the absent one itself.
fn helping(survey: &Survey<'_>, absent: &'static str) -> &'static str {
    let others = survey.bringing(absent).filter(|role| *role != absent);
    let size = |role: &&str| effective_roles(survey.catalogue, &[(*role).to_owned()]).len();
    others.min_by_key(size).unwrap_or(absent)
}

impl Callers {
    fn gap(self, survey: &Survey<'_>, role: &str) -> Option<Gap> {
        if self.is_settled || opens_connections(survey, role) {
            return None;
        }
        let absent = some(self.absent.iter().copied());
        Some(Gap {
            kind: GapKind::Unused,
            hosts: survey.ids(self.hosts.iter().take(NAMES_MAX)),
            flow: self.flows.first()?.to_string(),
            reason: format!(
                "{role:?} listens, and no host has a role that opens connections to it: {absent}"
            ),
            next_step: format!("give a host one of these roles, or nobody the role {role:?}"),
        })
    }
}

/// Whether a host with this role opens connections, too: such a host is of use though nobody
/// connects to it.
fn opens_connections(survey: &Survey<'_>, role: &str) -> bool {
    let roles = effective_roles(survey.catalogue, &[role.to_owned()]);
    let mut flows = survey.catalogue.flows();
    flows.any(|flow| roles.contains(flow.from.as_str()))
}

impl Asked {
    fn gap(self, survey: &Survey<'_>, name: &str) -> Option<Gap> {
        Some(Gap {
            kind: GapKind::Port,
            hosts: survey.ids(self.hosts.iter().take(NAMES_MAX)),
            flow: self.flows.first()?.to_string(),
            reason: format!(
                "the documents leave the port {name:?} open, and {} of the hosts that listen on it \
                 for {} do not name it",
                self.hosts.len(),
                some(self.flows.iter().copied())
            ),
            next_step: format!(
                "give the port {name:?} in the ports of the host: {}",
                self.question
            ),
        })
    }
}

/// What the plan took for granted, for those who read it.
pub(super) fn assumptions(
    survey: &Survey<'_>,
    is_assumed: &[bool],
    used: &BTreeSet<(u32, &PortKey)>,
) -> Vec<String> {
    let mut by_os: BTreeMap<OsGeneration, Vec<u32>> = BTreeMap::new();
    for (place, _) in (0_u32..)
        .zip(is_assumed)
        .filter(|(_, is_assumed)| **is_assumed)
    {
        if let Some(profile) = survey.profiles.of(place) {
            by_os.entry(profile.os()).or_default().push(place);
        }
    }
    let mut out = Vec::new();
    for (os, hosts) in by_os {
        let taken = if os == OsGeneration::Other {
            "something other than Windows"
        } else {
            "a current Windows (windows-2016 and newer), because their roles are of Windows"
        };
        out.push(format!(
            "hosts that do not tell their operating system are taken for {taken}: {}",
            some_hosts(survey, &hosts)
        ));
    }
    let mut idle: BTreeMap<&PortKey, Vec<u32>> = BTreeMap::new();
    for (place, host) in (0_u32..).zip(&survey.deployment.hosts) {
        let group = survey.ports.number(place);
        for key in host
            .ports
            .keys()
            .filter(|key| !used.contains(&(group, *key)))
        {
            idle.entry(key).or_default().push(place);
        }
    }
    for (key, hosts) in idle {
        let key = match key {
            PortKey::Default(port, transport) => format!("{port}/{}", transport_name(*transport)),
            PortKey::Named(name) => format!("{name:?}"),
        };
        out.push(format!(
            "the port given for {key} changes nothing, as no planned flow has it there: {}",
            some_hosts(survey, &hosts)
        ));
    }
    out
}

const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Icmp => "icmp",
        Transport::Ip => "ip",
    }
}

fn some_hosts(survey: &Survey<'_>, hosts: &[u32]) -> String {
    let ids = hosts.iter().filter_map(|place| survey.host(*place));
    some(ids.map(|host| host.id.as_str()))
}

/// Some of the names, and how many more there are.
pub(super) fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut shown = Vec::new();
    let mut more = 0_usize;
    for name in names {
        if shown.len() < NAMES_MAX {
            shown.push(format!("{name:?}"));
        } else {
            more += 1;
        }
    }
    let shown = shown.join(", ");
    if more == 0 {
        shown
    } else {
        format!("{shown} and {more} more")
    }
}
