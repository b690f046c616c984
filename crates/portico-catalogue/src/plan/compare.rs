//! What changes between two plans, in sets of hosts.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{
    FlowPlan, HostSet, PlannedFlow,
    ports::{merged, without},
    report::{SetNames, reason},
};
use crate::flow::{Flow, PortRange, Transport};

/// What one plan has and the other has not. Equal plans have nothing here, however they bundle
/// their flows.
///
/// Hosts are the same in both when their ids are. As JSON it is
/// `{"sets": {NAME: [HOST, …]}, "gained": […], "lost": […]}`, and changes name their sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Ids of the hosts of both plans; [`Change`] tells hosts by their place here.
    pub hosts: Vec<String>,
    /// What only the second plan has, sorted by flow, then by hosts.
    pub gained: Vec<Change>,
    /// What only the first plan has, in the same order.
    pub lost: Vec<Change>,
}

/// Ports of a flow that each of `from` gains or loses towards each of `to`, but not to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Id of the flow.
    pub flow: &'static str,
    /// Hosts that open connections, by their place in [`Comparison::hosts`].
    pub from: HostSet,
    /// Hosts that listen, by their place in [`Comparison::hosts`].
    pub to: HostSet,
    /// Role of `from`.
    pub from_role: &'static str,
    /// Role of `to`.
    pub to_role: &'static str,
    /// What carries it.
    pub transport: Transport,
    /// Number of the IP protocol when the transport is [`Transport::Ip`].
    pub ip_protocol: Option<u8>,
    /// The ports that are gained or lost; empty when the transport has none.
    pub ports: Vec<PortRange>,
    /// What the flow is for, and between which roles.
    pub reason: String,
}

impl Comparison {
    /// Whether both plans let the same through.
    pub fn is_empty(&self) -> bool {
        self.gained.is_empty() && self.lost.is_empty()
    }

    /// Ids of the hosts of a set.
    pub fn names<'c>(&'c self, set: &'c HostSet) -> impl Iterator<Item = &'c str> {
        let ids = set.iter();
        ids.filter_map(|place| self.hosts.get(*place as usize).map(String::as_str))
    }
}

/// Compares what two plans let through.
pub fn compare(before: &FlowPlan, after: &FlowPlan) -> Comparison {
    let mut hosts = Hosts::default();
    let mut sets = HashSet::new();
    let before = by_flow(before, &hosts.places(before), &mut sets);
    let after = by_flow(after, &hosts.places(after), &mut sets);
    let (mut gained, mut lost) = (Vec::new(), Vec::new());
    let ids: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    for id in ids {
        let of = |side: &BTreeMap<&'static str, Vec<Bundle>>| -> Vec<Bundle> {
            side.get(id).cloned().unwrap_or_default()
        };
        let (old, new) = apart(of(&before), of(&after));
        for (into, of, taken) in [(&mut gained, &new, &old), (&mut lost, &old, &new)] {
            into.extend(difference(of, taken, &mut sets));
        }
    }
    Comparison {
        hosts: hosts.ids,
        gained,
        lost,
    }
}

/// Host ids of both plans, with one number each.
#[derive(Default)]
struct Hosts {
    ids: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl Hosts {
    /// The number of each host of a plan.
    fn places(&mut self, plan: &FlowPlan) -> Vec<u32> {
        let mut places = Vec::with_capacity(plan.hosts.len());
        for host in &plan.hosts {
            // Hosts are counted in u32 by the planner, too.
            let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
            let number = *self.numbers.entry(host.id.clone()).or_insert(next);
            if number == next {
                self.ids.push(host.id.clone());
            }
            places.push(number);
        }
        places
    }
}

/// A planned flow with its hosts by the numbers of both plans.
#[derive(Debug, Clone)]
struct Bundle {
    flow: &'static Flow,
    from: HostSet,
    to: HostSet,
    from_role: &'static str,
    to_role: &'static str,
    ports: Vec<PortRange>,
}

impl Bundle {
    fn key(&self) -> (&HostSet, &HostSet, &[PortRange]) {
        (&self.from, &self.to, &self.ports)
    }
}

/// A transport without ports is compared as if it had this one, which no flow can name.
const NO_PORT: u16 = 0;

fn by_flow(
    plan: &FlowPlan,
    places: &[u32],
    sets: &mut HashSet<HostSet>,
) -> BTreeMap<&'static str, Vec<Bundle>> {
    let mut seen: BTreeMap<HostSet, HostSet> = BTreeMap::new();
    let mut renumbered = |set: &HostSet| {
        let known = seen.entry(Arc::clone(set)).or_insert_with(|| {
            let numbers = set.iter().filter_map(|host| places.get(*host as usize));
            let mut numbers: Vec<u32> = numbers.copied().collect();
            numbers.sort_unstable();
            shared(sets, numbers)
        });
        Arc::clone(known)
    };
    let mut flows: BTreeMap<&'static str, Vec<Bundle>> = BTreeMap::new();
    for planned in &plan.flows {
        let PlannedFlow {
            flow,
            from_role,
            to_role,
            ..
        } = *planned;
        let ports = if flow.transport.has_ports() {
            planned.ports.clone()
        } else {
            vec![PortRange::one(NO_PORT)]
        };
        flows.entry(&flow.id).or_default().push(Bundle {
            flow,
            from: renumbered(&planned.from),
            to: renumbered(&planned.to),
            from_role,
            to_role,
            ports,
        });
    }
    flows
}

/// Takes out the bundles that are the same on both sides. As no pair of hosts is twice in one
/// plan, nothing else says anything about their pairs.
fn apart(mut old: Vec<Bundle>, mut new: Vec<Bundle>) -> (Vec<Bundle>, Vec<Bundle>) {
    let keys = |side: &[Bundle]| -> BTreeSet<(HostSet, HostSet, Vec<PortRange>)> {
        let keys = side.iter();
        keys.map(|b| (Arc::clone(&b.from), Arc::clone(&b.to), b.ports.clone()))
            .collect()
    };
    let (of_old, of_new) = (keys(&old), keys(&new));
    let is_in = |side: &BTreeSet<(HostSet, HostSet, Vec<PortRange>)>, bundle: &Bundle| {
        let (from, to, ports) = bundle.key();
        side.contains(&(Arc::clone(from), Arc::clone(to), ports.to_vec()))
    };
    old.retain(|bundle| !is_in(&of_new, bundle));
    new.retain(|bundle| !is_in(&of_old, bundle));
    (old, new)
}

/// Hosts of one end that stand in the same bundles, by the numbers of the bundles: those of `of`
/// come first, then those of `taken`.
type Classes = BTreeMap<Vec<usize>, Vec<u32>>;

/// Pairs and ports of `of` that `taken` has not, all of one flow.
fn difference(of: &[Bundle], taken: &[Bundle], sets: &mut HashSet<HostSet>) -> Vec<Change> {
    let all: Vec<&Bundle> = of.iter().chain(taken).collect();
    let froms = classes(&all, |bundle| &bundle.from);
    let tos = classes(&all, |bundle| &bundle.to);
    let mut in_bundle: Vec<Vec<&Vec<usize>>> = vec![Vec::new(); all.len()];
    for numbers in tos.keys() {
        for number in numbers {
            if let Some(classes) = in_bundle.get_mut(*number) {
                classes.push(numbers);
            }
        }
    }
    // All hosts of a class are alike, so the ports are worked out once for two classes.
    let mut left: BTreeMap<(usize, Vec<PortRange>, Vec<u32>), Vec<u32>> = BTreeMap::new();
    for (from_in, from) in &froms {
        let own = from_in.iter().filter(|number| **number < of.len());
        let facing: BTreeSet<&Vec<usize>> = own
            .filter_map(|number| in_bundle.get(*number))
            .flatten()
            .copied()
            .collect();
        let mut towards: BTreeMap<(usize, Vec<PortRange>), Vec<u32>> = BTreeMap::new();
        for to_in in facing {
            let Some(to) = tos.get(to_in) else { continue };
            let shared = from_in.iter().filter(|number| to_in.contains(number));
            let shared: Vec<usize> = shared.copied().collect();
            let Some(first) = shared.first().copied().filter(|first| *first < of.len()) else {
                continue;
            };
            let ports = left_over(&all, &shared, of.len());
            let is_itself = from == to && from.len() == 1;
            if !ports.is_empty() && !is_itself {
                towards
                    .entry((first_like(&all, first), ports))
                    .or_default()
                    .extend(to);
            }
        }
        for ((bundle, ports), mut to) in towards {
            to.sort_unstable();
            left.entry((bundle, ports, to)).or_default().extend(from);
        }
    }
    let mut changes: Vec<Change> = left
        .into_iter()
        .filter_map(|((bundle, ports, to), from)| {
            all.get(bundle)
                .map(|bundle| change(bundle, from, to, ports, sets))
        })
        .collect();
    changes.sort_by(|a, b| (&a.from, &a.to, &a.ports).cmp(&(&b.from, &b.to, &b.ports)));
    changes
}

fn classes(all: &[&Bundle], end: impl Fn(&Bundle) -> &HostSet) -> Classes {
    let mut of_host: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (number, bundle) in all.iter().enumerate() {
        for host in end(bundle).iter() {
            of_host.entry(*host).or_default().push(number);
        }
    }
    let mut classes = Classes::new();
    for (host, numbers) in of_host {
        classes.entry(numbers).or_default().push(host);
    }
    classes
}

/// Ports of the bundles before `split` that none of those after it has.
fn left_over(all: &[&Bundle], numbers: &[usize], split: usize) -> Vec<PortRange> {
    let ports = |is_own: bool| {
        let side = numbers.iter().filter(|number| (**number < split) == is_own);
        let ranges = side.filter_map(|number| all.get(*number));
        let ranges = ranges.flat_map(|bundle| bundle.ports.iter().cloned());
        merged(ranges.collect())
    };
    without(&ports(true), &ports(false))
}

/// The first bundle with the same roles: what tells changes of one flow apart besides hosts and
/// ports.
fn first_like(all: &[&Bundle], number: usize) -> usize {
    let roles = |bundle: &&Bundle| (bundle.from_role, bundle.to_role);
    let wanted = all.get(number).map(roles);
    let mut bundles = all.iter();
    bundles
        .position(|bundle| Some(roles(bundle)) == wanted)
        .unwrap_or(number)
}

fn change(
    bundle: &Bundle,
    mut from: Vec<u32>,
    to: Vec<u32>,
    mut ports: Vec<PortRange>,
    sets: &mut HashSet<HostSet>,
) -> Change {
    from.sort_unstable();
    ports.retain(|range| range.last != NO_PORT);
    Change {
        flow: &bundle.flow.id,
        from: shared(sets, from),
        to: shared(sets, to),
        from_role: bundle.from_role,
        to_role: bundle.to_role,
        transport: bundle.flow.transport,
        ip_protocol: bundle.flow.ip_protocol,
        ports,
        reason: reason(bundle.flow, bundle.from_role, bundle.to_role),
    }
}

fn shared(sets: &mut HashSet<HostSet>, hosts: Vec<u32>) -> HostSet {
    if let Some(set) = sets.get(hosts.as_slice()) {
        return Arc::clone(set);
    }
    let set: HostSet = hosts.into();
    sets.insert(Arc::clone(&set));
    set
}

/// A change as it is written, with its sets by name.
#[derive(Serialize)]
struct Written<'c> {
    flow: &'static str,
    from: &'c str,
    to: &'c str,
    transport: Transport,
    ip_protocol: Option<u8>,
    ports: &'c [PortRange],
    reason: &'c str,
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.gained.iter().chain(&self.lost);
        let names = SetNames::new(all.flat_map(|change| {
            [
                (change.from_role, &change.from),
                (change.to_role, &change.to),
            ]
        }));
        let mut out = serializer.serialize_struct("Comparison", 3)?;
        out.serialize_field("sets", &names.sets(|place| self.hosts.get(place as usize)))?;
        out.serialize_field("gained", &written(&self.gained, &names))?;
        out.serialize_field("lost", &written(&self.lost, &names))?;
        out.end()
    }
}

fn written<'c>(changes: &'c [Change], names: &'c SetNames) -> Vec<Written<'c>> {
    let changes = changes.iter();
    changes
        .map(|change| Written {
            flow: change.flow,
            from: names.of(&change.from),
            to: names.of(&change.to),
            transport: change.transport,
            ip_protocol: change.ip_protocol,
            ports: &change.ports,
            reason: &change.reason,
        })
        .collect()
}
