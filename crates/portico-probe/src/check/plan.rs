//! From a plan to what is to be proven. Nothing that a plan does not have comes out of here.

use std::collections::BTreeMap;

use portico_catalogue::{
    Condition, Flow, FlowId, PortRange, Proof, Transport,
    plan::{Address, FlowPlan, PlannedFlow},
};

use portico_wire::probe::{Over, Service};

use super::{Target, What};

/// Ports of a range that are all checked; of a longer one none is, because only those in use
/// listen.
const RANGE_LEN_MAX: u16 = 16;
/// Addresses of a host that are checked.
const ADDRESSES_MAX: usize = 8;

/// What is to be proven of a plan.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// Each once, however many flows it is for.
    pub targets: Vec<Target>,
    /// The flows of the plan, destination by destination.
    pub flows: Vec<CheckedFlow>,
}

/// A flow of the plan to one destination.
#[derive(Debug, Clone)]
pub struct CheckedFlow {
    /// The line of the catalogue.
    pub flow: &'static Flow,
    /// Hosts that open connections, by their place in the plan; never the destination itself.
    pub from: Vec<u32>,
    /// The host that listens, by its place in the plan.
    pub to: u32,
    /// The ports that this is about; `None` when the transport has none.
    pub ports: Option<PortRange>,
    /// Whether the services fail without it.
    pub required: bool,
    /// Its target, by the place in [`Targets::targets`].
    pub target: usize,
}

/// The targets of a plan: of all its flows, or of those that one of `from` opens.
pub fn targets(plan: &FlowPlan, from: Option<&[u32]>) -> Targets {
    let mut out = Builder::default();
    for planned in &plan.flows {
        for to in planned.to.iter().copied() {
            let sources: Vec<u32> = planned
                .from
                .iter()
                .copied()
                .filter(|source| *source != to)
                .filter(|source| from.is_none_or(|from| from.contains(source)))
                .collect();
            if !sources.is_empty() {
                out.destination(plan, planned, &sources, to);
            }
        }
    }
    out.follow_mappers();
    out.out
}

#[derive(Default)]
struct Builder {
    out: Targets,
    /// Targets that are there, by everything that makes them differ.
    known: BTreeMap<(String, u16, String, String), usize>,
    /// Ranges of RPC, of which the endpoint mapper says what is in use, by the place of the target.
    dynamic: BTreeMap<usize, PortRange>,
}

impl Builder {
    fn destination(&mut self, plan: &FlowPlan, planned: &PlannedFlow, from: &[u32], to: u32) {
        let Some(host) = plan.hosts.get(to as usize) else {
            return;
        };
        let addresses = host
            .addresses
            .get(..ADDRESSES_MAX)
            .unwrap_or(&host.addresses);
        for address in addresses {
            for (ports, port, what) in of_flow(planned, address) {
                let target = Target {
                    flow: FlowId::checked(planned.flow),
                    host: shown(address),
                    port,
                    what,
                };
                let is_dynamic = is_dynamic_rpc(planned.flow, ports.as_ref(), &target.what);
                let target = self.place(target, planned.flow);
                if let (true, Some(range)) = (is_dynamic, &ports) {
                    self.dynamic.insert(target, range.clone());
                }
                self.out.flows.push(CheckedFlow {
                    flow: planned.flow,
                    from: from.to_vec(),
                    to,
                    ports,
                    required: is_required(planned.flow),
                    target,
                });
            }
        }
    }

    /// Ranges of RPC are followed where the endpoint mapper of the host is asked anyway.
    fn follow_mappers(&mut self) {
        for (place, range) in &self.dynamic {
            let Some(host) = self.out.targets.get(*place).map(|target| &target.host) else {
                continue;
            };
            let of_host = self
                .out
                .targets
                .iter()
                .filter(|target| target.host == *host);
            let mapper = of_host
                .filter(|target| target.is_of(Service::RpcMapper))
                .map(|target| target.port)
                .next();
            let Some(mapper) = mapper else {
                continue;
            };
            let mut planned: Vec<PortRange> = Vec::new();
            for checked in &self.out.flows {
                let target = self.out.targets.get(checked.target);
                let is_of_host = target.is_some_and(|target| target.host == *host);
                if is_of_host && checked.flow.transport == Transport::Tcp {
                    planned.extend(checked.ports.clone());
                }
            }
            planned.sort_unstable();
            planned.dedup();
            if let Some(target) = self.out.targets.get_mut(*place) {
                target.what = What::Mapped {
                    mapper,
                    range: range.clone(),
                    planned,
                };
            }
        }
    }

    /// Flows that ask the same of the same port are checked once.
    fn place(&mut self, target: Target, flow: &Flow) -> usize {
        let key = (
            target.host.clone(),
            target.port,
            flow.transport_name(),
            format!("{:?}", target.what),
        );
        let next = self.out.targets.len();
        let place = *self.known.entry(key).or_insert(next);
        if place == next {
            self.out.targets.push(target);
        }
        place
    }
}

fn shown(address: &Address) -> String {
    match address {
        Address::Ip(ip) => ip.to_string(),
        Address::Network(network) => network.to_string(),
        Address::Name(name) => name.clone(),
    }
}

fn is_required(flow: &Flow) -> bool {
    let mut conditions = flow.conditions.iter();
    !conditions.any(|condition| matches!(condition, Condition::Optional { .. }))
}

/// The parts of a flow at one address: ports, the port that is asked, and what is asked.
fn of_flow(planned: &PlannedFlow, address: &Address) -> Vec<(Option<PortRange>, u16, What)> {
    let flow = planned.flow;
    let is_network = matches!(address, Address::Network(_));
    let network = || {
        What::skip(
            "the host is a whole network of hosts that are alike",
            "check one of them: describe it in the estate as a host of its own",
        )
    };
    if planned.ports.is_empty() {
        let what = match is_network {
            true => network(),
            false => What::of(flow, 0),
        };
        return vec![(None, 0, what)];
    }
    let mut out = Vec::new();
    for range in &planned.ports {
        let count = range.last - range.first;
        if is_network {
            out.push((Some(range.clone()), range.first, network()));
        } else if count >= RANGE_LEN_MAX || (count > 0 && flow.proof == Proof::D) {
            let what = match What::of(flow, range.first) {
                What::Speak {
                    service: Service::Rpc,
                    over: Over::Stream,
                    ..
                } => unmapped(count),
                _ => on_demand(count),
            };
            out.push((Some(range.clone()), range.first, what));
        } else {
            let ports = range.first..=range.last;
            out.extend(ports.map(|port| (Some(PortRange::one(port)), port, What::of(flow, port))));
        }
    }
    out
}

/// Whether this is a range of which the endpoint mapper of the host says what is in use.
fn is_dynamic_rpc(flow: &Flow, ports: Option<&PortRange>, what: &What) -> bool {
    ports.is_some_and(|range| *what == unmapped(range.last - range.first))
        && flow.transport == Transport::Tcp
}

/// A range of RPC, as long as no endpoint mapper is known for it.
fn unmapped(count: u16) -> What {
    What::skip(
        format!(
            "of these {} ports only those in use listen, and the plan has no endpoint mapper on \
             the host that could be asked which those are",
            u32::from(count) + 1
        ),
        "see that firewalls let the whole range through, and that the plan has the flow to the \
         endpoint mapper (135/tcp)",
    )
}

fn on_demand(count: u16) -> What {
    What::skip(
        format!(
            "of these {} ports only those in use listen, and which those are is not known here",
            u32::from(count) + 1
        ),
        "see that firewalls let the whole range through",
    )
}
