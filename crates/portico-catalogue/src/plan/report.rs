//! A plan host by host: for one host, and for all of them as data.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Serialize, Serializer};

use super::{Address, FlowPlan, Gap, HostSet, PlannedFlow, Zone};
use crate::flow::{Direction, Flow, OsGeneration, PortRange, Source, Transport};

/// Everything planned at one host.
#[derive(Debug, Clone)]
pub struct HostFlows<'p> {
    /// Flows on which it listens, sorted by flow id.
    pub inbound: Vec<HostFlow<'p>>,
    /// Flows that it opens, sorted by flow id.
    pub outbound: Vec<HostFlow<'p>>,
}

/// A planned flow as one of its hosts sees it.
#[derive(Debug, Clone)]
pub struct HostFlow<'p> {
    /// The host, by its place in [`FlowPlan::hosts`].
    pub host: u32,
    /// The flow, its ports and roles.
    pub planned: &'p PlannedFlow,
    /// The set at the other end, which may have the host itself in it, too.
    pub peer_set: &'p HostSet,
}

impl HostFlow<'_> {
    /// The hosts at the other end.
    pub fn peers(&self) -> impl Iterator<Item = u32> {
        let peers = self.peer_set.iter().copied();
        peers.filter(|peer| *peer != self.host)
    }
}

impl PlannedFlow {
    /// Why it is needed, in a sentence: between which roles, and for what.
    pub fn reason(&self) -> String {
        reason(self.flow, self.from_role, self.to_role)
    }

    /// Whether this lets `from` open connections to `to`.
    pub fn connects(&self, from: u32, to: u32) -> bool {
        from != to && self.from.binary_search(&from).is_ok() && self.to.binary_search(&to).is_ok()
    }
}

pub(super) fn reason(flow: &Flow, from_role: &str, to_role: &str) -> String {
    format!("{from_role} to {to_role}: {}", flow.purpose)
}

impl FlowPlan {
    /// The place of a host in [`FlowPlan::hosts`], by its id.
    pub fn place(&self, id: &str) -> Option<u32> {
        let place = self.hosts.iter().position(|host| host.id == id)?;
        u32::try_from(place).ok()
    }

    /// What is planned at one host.
    pub fn of_host(&self, host: u32) -> HostFlows<'_> {
        let row = |own: &HostSet, planned, peer_set| {
            let row = HostFlow {
                host,
                planned,
                peer_set,
            };
            (own.binary_search(&host).is_ok() && row.peers().next().is_some()).then_some(row)
        };
        let flows = || self.flows.iter();
        HostFlows {
            inbound: flows()
                .filter_map(|flow| row(&flow.to, flow, &flow.from))
                .collect(),
            outbound: flows()
                .filter_map(|flow| row(&flow.from, flow, &flow.to))
                .collect(),
        }
    }

    /// The plan as data, for `-o json` and the like.
    pub fn report(&self) -> PlanReport<'_> {
        let names = SetNames::new(self.flows.iter().map(|flow| (flow.from_role, &flow.from)));
        let mut inbound: Vec<Vec<Arc<InboundRow<'_>>>> = vec![Vec::new(); self.hosts.len()];
        for planned in &self.flows {
            let row = Arc::new(InboundRow::new(planned, &names));
            for host in planned.to.iter() {
                let is_alone = planned.from[..] == [*host];
                if let Some(rows) = inbound.get_mut(*host as usize).filter(|_| !is_alone) {
                    rows.push(Arc::clone(&row));
                }
            }
        }
        let hosts = self.hosts.iter().zip(inbound);
        PlanReport {
            zones: &self.zones,
            sets: names.sets(|place| self.hosts.get(place as usize).map(|host| &host.id)),
            hosts: hosts
                .map(|(host, inbound)| HostReport {
                    id: &host.id,
                    title: &host.title,
                    roles: &host.roles,
                    addresses: &host.addresses,
                    zone: host.zone.as_deref(),
                    site: host.site.as_deref(),
                    os: host.os,
                    inbound,
                })
                .collect(),
            gaps: &self.gaps,
            assumptions: &self.assumptions,
        }
    }
}

/// A plan as it is written: each flow stands at the host that listens, and names the set of hosts
/// that it comes from. Sets are written once, so that the size does not grow with pairs of hosts.
#[derive(Debug, Serialize)]
pub struct PlanReport<'p> {
    /// Parts of the network.
    pub zones: &'p [Zone],
    /// Ids of the hosts of each set, by its name. A host that is in a set of its own sources does
    /// not connect to itself.
    pub sets: BTreeMap<String, Vec<&'p String>>,
    /// All hosts, in the order of the estate.
    pub hosts: Vec<HostReport<'p>>,
    /// What could not be planned.
    pub gaps: &'p [Gap],
    /// What was taken for granted.
    pub assumptions: &'p [String],
}

/// A host and what is let in to it.
#[derive(Debug, Serialize)]
pub struct HostReport<'p> {
    /// Id.
    pub id: &'p str,
    /// Name to show. Free text.
    pub title: &'p str,
    /// Roles that the estate gives it.
    pub roles: &'p [String],
    /// Where it is.
    pub addresses: &'p [Address],
    /// Zone, by id.
    pub zone: Option<&'p str>,
    /// Site, by id.
    pub site: Option<&'p str>,
    /// Operating system, if the estate tells.
    pub os: Option<OsGeneration>,
    /// Flows on which it listens, sorted by flow id.
    #[serde(serialize_with = "rows")]
    pub inbound: Vec<Arc<InboundRow<'p>>>,
}

/// A flow at its destination.
#[derive(Debug, Serialize)]
pub struct InboundRow<'p> {
    /// Id of the flow.
    pub flow: &'static str,
    /// Name of the set of hosts that open connections.
    pub from: String,
    /// Role of those.
    pub from_role: &'static str,
    /// Role of the host that answers.
    pub to_role: &'static str,
    /// What carries it.
    pub transport: Transport,
    /// Number of the IP protocol when the transport is [`Transport::Ip`].
    pub ip_protocol: Option<u8>,
    /// Ports at the host; empty when the transport has none.
    pub ports: &'p [PortRange],
    /// Whether the catalogue has the flow both ways; the way back stands at the other host.
    pub direction: Direction,
    /// Why it is needed.
    pub reason: String,
    /// Where it is written.
    pub sources: &'static [Source],
}

impl<'p> InboundRow<'p> {
    fn new(planned: &'p PlannedFlow, names: &SetNames) -> Self {
        Self {
            flow: &planned.flow.id,
            from: names.of(&planned.from).to_owned(),
            from_role: planned.from_role,
            to_role: planned.to_role,
            transport: planned.transport,
            ip_protocol: planned.ip_protocol,
            ports: &planned.ports,
            direction: planned.flow.direction,
            reason: planned.reason(),
            sources: &planned.flow.sources,
        }
    }
}

fn rows<S: Serializer>(rows: &[Arc<InboundRow<'_>>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().map(AsRef::as_ref))
}

/// Names for sets of hosts: the role that they have in the flow that comes first, and a number
/// when another set has that name.
#[derive(Debug)]
pub(super) struct SetNames {
    names: BTreeMap<HostSet, String>,
}

impl SetNames {
    pub(super) fn new<'s>(sets: impl Iterator<Item = (&'static str, &'s HostSet)>) -> Self {
        let mut names: BTreeMap<HostSet, String> = BTreeMap::new();
        let mut uses: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut seen: BTreeSet<*const u32> = BTreeSet::new();
        for (role, set) in sets {
            // Sets are shared: most come again as the same object, which is found faster.
            if !seen.insert(set.as_ptr()) || names.contains_key(set) {
                continue;
            }
            let used = uses.entry(role).or_default();
            *used += 1;
            let name = if *used == 1 {
                role.to_owned()
            } else {
                format!("{role} #{used}")
            };
            names.insert(Arc::clone(set), name);
        }
        Self { names }
    }

    pub(super) fn of(&self, set: &HostSet) -> &str {
        self.names.get(set).map_or("", String::as_str)
    }

    /// The hosts of each set, by its name.
    pub(super) fn sets<'h>(
        &self,
        id: impl Fn(u32) -> Option<&'h String>,
    ) -> BTreeMap<String, Vec<&'h String>> {
        let sets = self.names.iter();
        sets.map(|(set, name)| {
            let ids = set.iter().filter_map(|host| id(*host));
            (name.clone(), ids.collect())
        })
        .collect()
    }
}
