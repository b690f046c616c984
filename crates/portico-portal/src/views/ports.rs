//! The port plan as the API shows it.

use portico_catalogue::plan::{Address, FlowPlan, HostSet};
use serde::Serialize;
use utoipa::ToSchema;

/// Which flows an estate needs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortPlanView {
    hosts: Vec<PortHostView>,
    zones: Vec<PortZoneView>,
    flows: Vec<PortFlowView>,
    gaps: Vec<PortGapView>,
    /// What was taken for granted, in sentences.
    assumptions: Vec<String>,
}

/// A host of the plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortHostView {
    id: String,
    title: String,
    /// Roles, in the names of the port catalogue.
    roles: Vec<String>,
    /// Addresses, networks and names.
    addresses: Vec<String>,
    zone: Option<String>,
    site: Option<String>,
}

/// A part of the network.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortZoneView {
    id: String,
    title: String,
    networks: Vec<String>,
}

/// A flow: each host of `from` opens connections to each of `to`, but none to itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortFlowView {
    /// Id in the catalogue.
    flow: String,
    from: Vec<String>,
    to: Vec<String>,
    /// `tcp`, `udp`, `icmp` or `ip`.
    transport: String,
    /// Number of the IP protocol when the transport is `ip`.
    ip_protocol: Option<u8>,
    ports: Vec<PortRangeView>,
    application_protocol: String,
    service: String,
    reason: String,
}

/// Ports from `first` to `last`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortRangeView {
    first: u16,
    last: u16,
}

/// A need that the plan cannot meet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortGapView {
    /// `port` and `formula` leave flows out of the plan; `counterpart` and `unused` ask whether a
    /// host is missing.
    kind: String,
    hosts: Vec<String>,
    flow: String,
    reason: String,
    next_step: String,
}

impl From<&FlowPlan> for PortPlanView {
    fn from(plan: &FlowPlan) -> Self {
        let ids = |set: &HostSet| -> Vec<String> {
            let hosts = set.iter().filter_map(|at| plan.hosts.get(*at as usize));
            hosts.map(|host| host.id.clone()).collect()
        };
        let hosts = plan.hosts.iter().map(|host| PortHostView {
            id: host.id.clone(),
            title: host.title.clone(),
            roles: host.roles.clone(),
            addresses: host.addresses.iter().map(address).collect(),
            zone: host.zone.clone(),
            site: host.site.clone(),
        });
        let zones = plan.zones.iter().map(|zone| PortZoneView {
            id: zone.id.clone(),
            title: zone.title.clone(),
            networks: zone.networks.iter().map(ToString::to_string).collect(),
        });
        let flows = plan.flows.iter().map(|planned| PortFlowView {
            flow: planned.flow.id.clone(),
            from: ids(&planned.from),
            to: ids(&planned.to),
            transport: word(&planned.transport),
            ip_protocol: planned.ip_protocol,
            ports: planned
                .ports
                .iter()
                .map(|range| PortRangeView {
                    first: range.first,
                    last: range.last,
                })
                .collect(),
            application_protocol: planned.flow.application_protocol.clone(),
            service: planned.flow.service.clone(),
            reason: planned.reason(),
        });
        let gaps = plan.gaps.iter().map(|gap| PortGapView {
            kind: word(&gap.kind),
            hosts: gap.hosts.clone(),
            flow: gap.flow.clone(),
            reason: gap.reason.clone(),
            next_step: gap.next_step.clone(),
        });
        Self {
            hosts: hosts.collect(),
            zones: zones.collect(),
            flows: flows.collect(),
            gaps: gaps.collect(),
            assumptions: plan.assumptions.clone(),
        }
    }
}

fn address(address: &Address) -> String {
    match address {
        Address::Ip(ip) => ip.to_string(),
        Address::Network(network) => network.to_string(),
        Address::Name(name) => name.clone(),
    }
}

/// The word that the catalogue's own JSON has for a variant.
fn word<T: Serialize>(of: &T) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
