//! What is drawn, before anything has a place: groups, nodes, and bundles of flows between them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Bundling, DiagramOptions, EndKind, GroupKind,
    label::{Items, items},
    text::shown,
};
use crate::plan::{DeployedHost, FlowPlan};

/// More alike hosts than this are one node.
const ALIKE_MAX: usize = 2;
/// In an estate of more hosts than this, alike hosts are always one node.
const HOSTS_FEW: usize = 6;
/// At most so many nodes, and so many pairs of them, are drawn with a line for each pair.
const NODES_FEW: usize = 10;
const PAIRS_FEW: usize = 14;

/// Groups, nodes and bundles.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) groups: Vec<Group>,
    pub(super) nodes: Vec<Node>,
    /// What the ends of the bundles are.
    pub(super) ends: EndKind,
    pub(super) bundles: Vec<Bundle>,
}

/// A zone, or a host that stands alone.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) kind: GroupKind,
    pub(super) nodes: Vec<usize>,
}

/// A host, or hosts that are alike.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) group: usize,
    pub(super) hosts: Vec<String>,
    /// Places in [`FlowPlan::hosts`].
    pub(super) places: Vec<u32>,
    pub(super) roles: Vec<String>,
    pub(super) role_titles: Vec<String>,
    pub(super) is_external: bool,
}

/// Flows from one end to another.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Places in [`FlowPlan::flows`], ascending.
    pub(super) flows: Vec<usize>,
    pub(super) items: Items,
}

impl Graph {
    pub(super) fn of(plan: &FlowPlan, options: &DiagramOptions<'_>) -> Self {
        let (groups, nodes, node_of) = groups_and_nodes(plan, options);
        let group_of: Vec<usize> = node_of
            .iter()
            .map(|node| nodes.get(*node).map_or(0, |node| node.group))
            .collect();
        let has_zones = groups.iter().any(|group| group.kind.has_frame());
        let by_node = match options.bundling {
            Bundling::Nodes => true,
            Bundling::Groups => false,
            Bundling::Auto => !has_zones || nodes.len() <= NODES_FEW,
        };
        let mut ends = EndKind::Group;
        let mut pairs = BTreeMap::new();
        if by_node {
            ends = EndKind::Node;
            pairs = pairs_of(plan, &node_of);
            let lines = pairs.keys().filter(|(from, to)| from != to).count();
            if options.bundling == Bundling::Auto && has_zones && lines > PAIRS_FEW {
                ends = EndKind::Group;
            }
        }
        if ends == EndKind::Group {
            pairs = pairs_of(plan, &group_of);
        }
        let bundles = pairs
            .into_iter()
            .map(|((from, to), flows)| {
                let items = items(plan, &flows);
                Bundle {
                    from,
                    to,
                    flows,
                    items,
                }
            })
            .collect();
        Self {
            groups,
            nodes,
            ends,
            bundles,
        }
    }

    /// Group in which an end of a bundle stands.
    pub(super) fn group_of_end(&self, end: usize) -> usize {
        match self.ends {
            EndKind::Group => end,
            EndKind::Node => self.nodes.get(end).map_or(0, |node| node.group),
        }
    }
}

/// Hosts of one group with the same roles.
type Alike = BTreeMap<(usize, Vec<String>), Vec<usize>>;

fn groups_and_nodes(
    plan: &FlowPlan,
    options: &DiagramOptions<'_>,
) -> (Vec<Group>, Vec<Node>, Vec<usize>) {
    let mut groups: Vec<Group> = plan.zones.iter().map(zone_group).collect();
    let zones: BTreeMap<&str, usize> = plan
        .zones
        .iter()
        .enumerate()
        .map(|(place, zone)| (zone.id.as_str(), place))
        .collect();
    let unzoned = groups.len();
    let alone = groups.len() + 1;
    let has_zones = plan
        .hosts
        .iter()
        .any(|host| zone_of(host, &zones).is_some());
    let mut alike = Alike::new();
    for (place, host) in plan.hosts.iter().enumerate() {
        let group = match zone_of(host, &zones) {
            Some(zone) => zone,
            None if has_zones && !options.is_external(host) => unzoned,
            None => alone,
        };
        let mut roles = host.roles.clone();
        roles.sort();
        alike.entry((group, roles)).or_default().push(place);
    }
    groups.push(Group {
        id: "no-zone".into(),
        title: "Without zone".into(),
        subtitle: String::new(),
        kind: GroupKind::Unzoned,
        nodes: Vec::new(),
    });
    let mut nodes: Vec<Node> = Vec::new();
    let mut node_of = vec![0; plan.hosts.len()];
    for hosts in classes(&alike, plan.hosts.len()) {
        let Some(node) = node(plan, options, &hosts, nodes.len()) else {
            continue;
        };
        for host in &hosts.1 {
            if let Some(slot) = node_of.get_mut(*host) {
                *slot = nodes.len();
            }
        }
        let mut node = node;
        if hosts.0 == alone {
            node.group = groups.len();
            groups.push(alone_group(&node));
        }
        if let Some(group) = groups.get_mut(node.group) {
            group.nodes.push(nodes.len());
        }
        nodes.push(node);
    }
    drop_empty(&mut groups, &mut nodes);
    (groups, nodes, node_of)
}

fn zone_group(zone: &crate::plan::Zone) -> Group {
    let networks: Vec<String> = zone.networks.iter().map(ToString::to_string).collect();
    let title = if zone.title.is_empty() {
        &zone.id
    } else {
        &zone.title
    };
    Group {
        id: shown(&zone.id),
        title: shown(title),
        subtitle: networks.join(", "),
        kind: GroupKind::Zone,
        nodes: Vec::new(),
    }
}

fn alone_group(node: &Node) -> Group {
    Group {
        id: node.id.clone(),
        title: String::new(),
        subtitle: String::new(),
        kind: if node.is_external {
            GroupKind::External
        } else {
            GroupKind::Alone
        },
        nodes: Vec::new(),
    }
}

fn zone_of(host: &DeployedHost, zones: &BTreeMap<&str, usize>) -> Option<usize> {
    host.zone
        .as_deref()
        .and_then(|zone| zones.get(zone))
        .copied()
}

/// Splits classes of few alike hosts into single hosts; in the order of the estate.
fn classes(alike: &Alike, hosts: usize) -> Vec<(usize, Vec<usize>)> {
    let mut classes = Vec::new();
    for ((group, _), members) in alike {
        if members.len() > ALIKE_MAX || hosts > HOSTS_FEW {
            classes.push((*group, members.clone()));
        } else {
            classes.extend(members.iter().map(|member| (*group, vec![*member])));
        }
    }
    classes.sort_by_key(|(group, members)| (*group, members.first().copied()));
    classes
}

fn node(
    plan: &FlowPlan,
    options: &DiagramOptions<'_>,
    (group, members): &(usize, Vec<usize>),
    place: usize,
) -> Option<Node> {
    let hosts: Vec<&DeployedHost> = members
        .iter()
        .filter_map(|host| plan.hosts.get(*host))
        .collect();
    let first = hosts.first()?;
    let mut roles = first.roles.clone();
    roles.sort();
    Some(Node {
        id: format!("n{place}"),
        group: *group,
        hosts: hosts.iter().map(|host| shown(&host.id)).collect(),
        places: members
            .iter()
            .filter_map(|member| u32::try_from(*member).ok())
            .collect(),
        role_titles: roles
            .iter()
            .map(|role| shown(options.role_title(role)))
            .collect(),
        roles: roles.iter().map(|role| shown(role)).collect(),
        is_external: options.is_external(first),
    })
}

/// Groups without a host are not drawn.
fn drop_empty(groups: &mut Vec<Group>, nodes: &mut [Node]) {
    let mut place_of: Vec<usize> = Vec::new();
    let mut kept = 0;
    for group in groups.iter() {
        place_of.push(kept);
        kept += usize::from(!group.nodes.is_empty());
    }
    for node in nodes {
        node.group = place_of.get(node.group).copied().unwrap_or(0);
    }
    groups.retain(|group| !group.nodes.is_empty());
}

/// Flows by pair of ends. A host opens no connection to itself, but may to one beside it.
fn pairs_of(plan: &FlowPlan, end_of: &[usize]) -> BTreeMap<(usize, usize), Vec<usize>> {
    let mut pairs: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (place, flow) in plan.flows.iter().enumerate() {
        let from = ends(&flow.from, end_of);
        let to = ends(&flow.to, end_of);
        for (a, at_a) in &from {
            for (b, at_b) in &to {
                let only_itself = a == b && at_a.len() == 1 && at_a == at_b;
                if !only_itself {
                    pairs.entry((*a, *b)).or_default().push(place);
                }
            }
        }
    }
    pairs
}

/// Ends with their hosts, two of each at most: more are not needed to tell whether there is another.
fn ends(hosts: &[u32], end_of: &[usize]) -> BTreeMap<usize, BTreeSet<u32>> {
    let mut ends: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
    for host in hosts {
        let place = usize::try_from(*host).unwrap_or(usize::MAX);
        if let Some(end) = end_of.get(place) {
            let seen = ends.entry(*end).or_default();
            if seen.len() < 2 {
                seen.insert(*host);
            }
        }
    }
    ends
}
