//! From an estate to what the port planner starts from.

use std::net::IpAddr;

use ipnet::IpNet;
use portico_catalogue::{
    OsGeneration, Transport,
    plan::{Address, DeployedHost, Deployment, PortKey, Zone},
};
use portico_model::estate::{AgentLink, AgentMode, Estate, Host, Protocol};

const AGENT: &str = "portico.agent";
const AGENT_DIALS: &str = "portico.agent-dials";
const AGENT_LISTENS: &str = "portico.agent-listens";
const HOST_RDP: &str = "portico.host-rdp";
const HOST_SSH: &str = "portico.host-ssh";

/// The estate as the port planner sees it. Session hosts bring their protocol, port and agent
/// with them.
pub fn deployment(estate: &Estate) -> Deployment {
    let zones: Vec<Zone> = estate
        .zones
        .iter()
        .map(|(id, zone)| Zone {
            id: id.to_string(),
            title: zone.title.clone(),
            networks: zone.networks.clone(),
        })
        .collect();
    let session_hosts = estate.hosts.iter().map(|(id, host)| {
        let mut deployed = DeployedHost {
            id: id.to_string(),
            title: host.title.clone(),
            roles: host.roles.clone(),
            addresses: vec![address(&host.address)],
            zone: None,
            site: host.site.as_ref().map(ToString::to_string),
            os: None,
            features: session_features(host),
            ports: session_port(host).into_iter().collect(),
            reaches: None,
        };
        place(&mut deployed, &host.network, &zones);
        deployed
    });
    let other_hosts = estate.other_hosts.iter().map(|(id, host)| {
        let mut deployed = DeployedHost {
            id: id.to_string(),
            title: host.title.clone(),
            roles: host.roles.clone(),
            addresses: Vec::new(),
            zone: None,
            site: host.site.as_ref().map(ToString::to_string),
            os: None,
            features: Default::default(),
            ports: Default::default(),
            reaches: None,
        };
        place(&mut deployed, &host.network, &zones);
        deployed
    });
    let mut hosts: Vec<DeployedHost> = session_hosts.chain(other_hosts).collect();
    hosts.sort_by(|a, b| a.id.cmp(&b.id));
    let mut features = estate.ports.features.clone();
    // A feature holds when it is on at both ends: brokers open links as soon as one agent listens.
    let listens = estate
        .hosts
        .values()
        .any(|host| host.agent == AgentMode::Required && host.agent_link == AgentLink::Listen);
    features.entry(AGENT_LISTENS.into()).or_insert(listens);
    Deployment {
        zones,
        features,
        with_optional: estate.ports.optional,
        hosts,
    }
}

/// Which listener a key of `ports` means: `443/tcp`, or the name of a port that the documents
/// leave open.
pub(crate) fn port_key(text: &str) -> Option<PortKey> {
    match text.split_once('/') {
        Some((port, transport)) => {
            let port = port.parse().ok().filter(|port| *port > 0)?;
            match transport {
                "tcp" => Some(PortKey::Default(port, Transport::Tcp)),
                "udp" => Some(PortKey::Default(port, Transport::Udp)),
                _ => None,
            }
        }
        None => Some(PortKey::Named(text.to_owned())),
    }
}

fn place(host: &mut DeployedHost, network: &portico_model::network::HostNetwork, zones: &[Zone]) {
    host.addresses
        .extend(network.addresses.iter().map(|text| address(text)));
    host.zone = match &network.zone {
        Some(zone) => Some(zone.to_string()),
        None => zone_of(&host.addresses, zones),
    };
    host.os = network.os.as_deref().and_then(OsGeneration::by_name);
    host.features
        .extend(network.features.iter().map(|(id, on)| (id.clone(), *on)));
    let ports = network.ports.iter();
    host.ports
        .extend(ports.filter_map(|(key, port)| Some((port_key(key)?, *port))));
    host.reaches.clone_from(&network.reaches);
}

/// The zone whose network is the narrowest around one of the addresses.
fn zone_of(addresses: &[Address], zones: &[Zone]) -> Option<String> {
    let holds = |network: &IpNet| {
        addresses.iter().any(|address| match address {
            Address::Ip(ip) => network.contains(ip),
            Address::Network(inner) => network.contains(inner),
            Address::Name(_) => false,
        })
    };
    zones
        .iter()
        .flat_map(|zone| zone.networks.iter().map(move |network| (zone, network)))
        .filter(|(_, network)| holds(network))
        .max_by_key(|(_, network)| network.prefix_len())
        .map(|(zone, _)| zone.id.clone())
}

fn address(text: &str) -> Address {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Address::Ip(ip);
    }
    match text.parse::<IpNet>() {
        Ok(network) => Address::Network(network),
        Err(_) => Address::Name(text.to_owned()),
    }
}

fn session_features(host: &Host) -> std::collections::BTreeMap<String, bool> {
    let has_agent = host.agent == AgentMode::Required;
    let link = |link| has_agent && host.agent_link == link;
    [
        (AGENT, has_agent),
        (AGENT_DIALS, link(AgentLink::Dial)),
        (AGENT_LISTENS, link(AgentLink::Listen)),
        (HOST_RDP, host.protocol == Protocol::Rdp),
        (HOST_SSH, host.protocol == Protocol::Ssh),
    ]
    .map(|(feature, is_on)| (feature.to_owned(), is_on))
    .into()
}

fn session_port(host: &Host) -> Option<(PortKey, u16)> {
    let default = host.protocol.default_port();
    (host.port != default).then_some((PortKey::Default(default, Transport::Tcp), host.port))
}
