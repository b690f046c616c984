//! The planner: flow by flow, between groups of hosts that are alike in what the flow asks for.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use super::{
    Deployment, FlowPlan, HostSet, PlannedFlow,
    gaps::{Asked, Gaps},
    ports::{changes_used, ports_at},
    survey::Survey,
};
use crate::{
    Catalogue,
    flow::{Condition, Direction, End, Flow, PortRange},
};

/// The flows that a deployment needs: exactly those of which all conditions hold, between the
/// hosts for which they hold.
///
/// - A host has its roles and all that they include.
/// - A feature has to be on at both ends: the host's word counts before the estate's, and that
///   before the catalogue's default.
/// - A host that does not tell its operating system is taken for a current Windows when it has a
///   role of a product that runs on Windows, and for something else when not;
///   [`FlowPlan::assumptions`] says so where it makes a difference.
/// - Hosts without a site stand at one site together.
/// - Ports are those of the catalogue with its errata, changed by what the listening host says. A
///   port that the documents leave open is never guessed: without it there is a gap.
///
/// It never looks at pairs of hosts: time and memory grow with hosts × flows and with the number
/// of different sites, ports and reaches.
pub fn plan(catalogue: &'static Catalogue, deployment: &Deployment) -> FlowPlan {
    let survey = Survey::new(catalogue, deployment);
    let mut planner = Planner::new(&survey);
    let mut gaps = Gaps::default();
    for flow in catalogue.flows() {
        if is_planned_at_all(flow, deployment) {
            let begun = planner.flows.len();
            planner.plan_flow(flow);
            gaps.look_for_counterparts(&survey, flow);
            if planner.flows.len() > begun {
                gaps.look_for_formula(&survey, flow);
            }
        }
    }
    let assumptions = planner.assumptions();
    FlowPlan {
        hosts: deployment.hosts.clone(),
        zones: deployment.zones.clone(),
        flows: planner.flows,
        gaps: gaps.finish(&survey, planner.asked),
        assumptions,
    }
}

/// Whether a flow may come into a plan before any host is looked at.
pub(super) fn is_planned_at_all(flow: &Flow, deployment: &Deployment) -> bool {
    let is_optional = flow
        .conditions
        .iter()
        .any(|condition| matches!(condition, Condition::Optional { .. }));
    !flow.is_left_out() && (deployment.with_optional || !is_optional)
}

/// Work in progress.
pub(super) struct Planner<'s, 'd> {
    survey: &'s Survey<'d>,
    sets: HashSet<HostSet>,
    /// What came out so far.
    pub(super) flows: Vec<PlannedFlow>,
    /// Ports that hosts have to name, by the name.
    pub(super) asked: BTreeMap<&'static str, Asked>,
    /// Changed ports that had an effect, with the group of hosts that changes them so.
    used_changes: BTreeSet<(u32, &'d super::PortKey)>,
    /// Whether the operating system of a host was assumed where a condition asks for it.
    is_assumed: Vec<bool>,
}

/// Hosts of one flow in one direction.
struct Block {
    from: Vec<u32>,
    to: Vec<u32>,
    /// Whether it is the way back of a flow that both ends open.
    is_reverse: bool,
}

/// What the hosts of `to` listen on: the ports of each of their groups, and what each group has.
struct Listening {
    ports: Vec<Option<Vec<PortRange>>>,
    of_group: Vec<usize>,
}

impl<'s, 'd> Planner<'s, 'd> {
    pub(super) fn new(survey: &'s Survey<'d>) -> Self {
        Self {
            survey,
            sets: HashSet::new(),
            flows: Vec::new(),
            asked: BTreeMap::new(),
            used_changes: BTreeSet::new(),
            is_assumed: vec![false; survey.deployment.hosts.len()],
        }
    }

    /// Plans one flow that [`is_planned_at_all`].
    pub(super) fn plan_flow(&mut self, flow: &'static Flow) {
        let survey = self.survey;
        if survey.with_role(&flow.from).is_empty() || survey.with_role(&flow.to).is_empty() {
            return;
        }
        self.note_assumed(flow);
        let from = survey.eligible(flow, End::From);
        let to = survey.eligible(flow, End::To);
        if from.is_empty() || to.is_empty() {
            return;
        }
        let listening = self.listening(flow);
        let begun = self.flows.len();
        for block in blocks(flow, from, to) {
            self.note_used(flow, &block.to);
            self.plan_block(flow, &block, &listening);
        }
        if let Some(new) = self.flows.get_mut(begun..) {
            new.sort_by(|a, b| (&a.from, &a.to, &a.ports).cmp(&(&b.from, &b.to, &b.ports)));
        }
    }

    fn listening(&self, flow: &Flow) -> Listening {
        let survey = self.survey;
        let mut numbers = BTreeMap::new();
        let of_group = survey.ports.map(|changes| {
            let ports = ports_at(flow, changes, |role| survey.count(role));
            let next = numbers.len();
            *numbers.entry(ports).or_insert(next)
        });
        let mut ports: Vec<_> = numbers.into_iter().collect();
        ports.sort_by_key(|(_, number)| *number);
        Listening {
            ports: ports.into_iter().map(|(ports, _)| ports).collect(),
            of_group,
        }
    }

    /// Bundles the hosts of a block: sources that reach the same destinations come together, and
    /// destinations that listen on the same ports.
    fn plan_block(&mut self, flow: &'static Flow, block: &Block, listening: &Listening) {
        let survey = self.survey;
        let same_site = flow.conditions.contains(&Condition::SameSite);
        let site = |host: u32| same_site.then(|| survey.sites.number(host));
        let mut sources: BTreeMap<(Option<u32>, u32), Vec<u32>> = BTreeMap::new();
        for host in &block.from {
            let key = (site(*host), survey.reaches.number(*host));
            sources.entry(key).or_default().push(*host);
        }
        let mut destinations: BTreeMap<Option<u32>, Vec<u32>> = BTreeMap::new();
        for host in &block.to {
            destinations.entry(site(*host)).or_default().push(*host);
        }
        let mut bundles: BTreeMap<(usize, HostSet), Vec<u32>> = BTreeMap::new();
        for ((site, reach), from) in sources {
            let all = destinations.get(&site).map_or(&[][..], Vec::as_slice);
            let to = match survey.reaches.key(reach) {
                Some(Some(reach)) => both(all, reach),
                _ => all.to_vec(),
            };
            for (number, to) in by_ports(survey, listening, &to) {
                let to = self.shared(to);
                bundles.entry((number, to)).or_default().extend(&from);
            }
        }
        for ((number, to), mut from) in bundles {
            from.sort_unstable();
            if from == to[..] && from.len() == 1 {
                continue;
            }
            match listening.ports.get(number).cloned().flatten() {
                Some(ports) => self.add(flow, block, from, to, ports),
                None => self.ask(flow, &from, &to),
            }
        }
    }

    fn add(
        &mut self,
        flow: &'static Flow,
        block: &Block,
        from: Vec<u32>,
        to: HostSet,
        ports: Vec<PortRange>,
    ) {
        let from = self.shared(from);
        let (from_role, to_role) = if block.is_reverse {
            (&flow.to, &flow.from)
        } else {
            (&flow.from, &flow.to)
        };
        self.flows.push(PlannedFlow {
            flow,
            from,
            to,
            from_role,
            to_role,
            transport: flow.transport,
            ip_protocol: flow.ip_protocol,
            ports,
        });
    }

    fn ask(&mut self, flow: &'static Flow, from: &[u32], to: &[u32]) {
        for condition in &flow.conditions {
            if let Condition::PortGiven { name, question } = condition {
                let asked = self.asked.entry(name).or_insert_with(|| Asked {
                    question,
                    flows: BTreeSet::new(),
                    hosts: BTreeSet::new(),
                });
                asked.flows.insert(&flow.id);
                // A host alone at one end does not ask for its own port.
                let is_peer = |host: &&u32| from.len() > 1 || from.first() != Some(*host);
                asked.hosts.extend(to.iter().filter(is_peer));
            }
        }
    }

    /// The one copy of a set of hosts.
    fn shared(&mut self, hosts: Vec<u32>) -> HostSet {
        if let Some(set) = self.sets.get(hosts.as_slice()) {
            return Arc::clone(set);
        }
        let set: HostSet = hosts.into();
        self.sets.insert(Arc::clone(&set));
        set
    }

    fn note_used(&mut self, flow: &Flow, to: &[u32]) {
        let survey = self.survey;
        let groups: BTreeSet<u32> = to.iter().map(|host| survey.ports.number(*host)).collect();
        for group in groups {
            if let Some(changes) = survey.ports.key(group) {
                let used = changes_used(flow, changes, |role| survey.count(role));
                self.used_changes.extend(used.map(|key| (group, key)));
            }
        }
    }

    fn note_assumed(&mut self, flow: &Flow) {
        for condition in &flow.conditions {
            let Condition::Os { at, .. } = condition else {
                continue;
            };
            for host in self.survey.with_role(super::survey::role_at(flow, *at)) {
                let profile = self.survey.profiles.of(*host);
                if let Some(note) = self.is_assumed.get_mut(*host as usize) {
                    *note |= profile.is_some_and(|profile| profile.is_assumed());
                }
            }
        }
    }

    fn assumptions(&self) -> Vec<String> {
        super::gaps::assumptions(self.survey, &self.is_assumed, &self.used_changes)
    }
}

/// Which hosts open connections to which, so that no pair is there twice.
fn blocks(flow: &Flow, from: Vec<u32>, to: Vec<u32>) -> Vec<Block> {
    if flow.direction == Direction::OneWay || from == to {
        return vec![Block {
            from,
            to,
            is_reverse: false,
        }];
    }
    // The way back, without pairs that the way out has already: those whose source may be at the
    // from end, too, and whose destination may be at the to end.
    let to_only = except(&to, &from);
    let from_only = except(&from, &to);
    let either = both(&to, &from);
    let back = [(to_only, from.clone()), (either, from_only)];
    let mut blocks = vec![Block {
        from,
        to,
        is_reverse: false,
    }];
    let back = back.into_iter().map(|(from, to)| Block {
        from,
        to,
        is_reverse: true,
    });
    blocks.extend(back.filter(|block| !block.from.is_empty() && !block.to.is_empty()));
    blocks
}

/// Destinations by the ports that they listen on, in the order of the ports' numbers.
fn by_ports(survey: &Survey<'_>, listening: &Listening, to: &[u32]) -> BTreeMap<usize, Vec<u32>> {
    let mut found: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for host in to {
        let group = survey.ports.number(*host) as usize;
        if let Some(number) = listening.of_group.get(group) {
            found.entry(*number).or_default().push(*host);
        }
    }
    found
}

/// Hosts that are in both; both ascending. Walks the shorter one.
pub(super) fn both(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let is_there = |host: &u32| long.binary_search(host).is_ok();
    short.iter().copied().filter(is_there).collect()
}

/// Hosts of `a` that are not in `b`; both ascending.
fn except(a: &[u32], b: &[u32]) -> Vec<u32> {
    let is_left = |host: &u32| b.binary_search(host).is_err();
    a.iter().copied().filter(is_left).collect()
}
