//! Small plans, written down in a few words.

use std::sync::Arc;

use portico_catalogue::{
    Answer, Direction, Flow, PortRange, Proof, Transport,
    plan::{Address, DeployedHost, FlowPlan, HostSet, PlannedFlow},
};

/// A plan of these hosts; each flow is `(id, carried, from, to)` with `carried` as in `tcp 80 90-99`,
/// `icmp` or `ip 47`, and hosts by id, separated by spaces.
pub(crate) fn plan(hosts: &[(&str, &[&str])], flows: &[(&str, &str, &str, &str)]) -> FlowPlan {
    let hosts: Vec<DeployedHost> = hosts.iter().map(|(id, at)| host(id, at)).collect();
    let planned = |(id, carried, from, to): &(&str, &str, &str, &str)| {
        let purpose = format!("purpose of {id}");
        planned(
            flow(id, &purpose),
            carried,
            set(&hosts, from),
            set(&hosts, to),
        )
    };
    FlowPlan {
        assumptions: Vec::new(),
        flows: flows.iter().map(planned).collect(),
        zones: Vec::new(),
        gaps: Vec::new(),
        hosts,
    }
}

pub(crate) fn host(id: &str, addresses: &[&str]) -> DeployedHost {
    let address = |text: &&str| match (text.parse(), text.parse()) {
        (Ok(ip), _) => Address::Ip(ip),
        (_, Ok(network)) => Address::Network(network),
        _ => Address::Name((*text).to_owned()),
    };
    DeployedHost {
        id: id.to_owned(),
        title: format!("The {id}"),
        roles: vec!["test.role".to_owned()],
        addresses: addresses.iter().map(address).collect(),
        zone: None,
        site: None,
        os: None,
        features: Default::default(),
        ports: Default::default(),
        reaches: None,
    }
}

/// A flow of the catalogue; its ports do not matter, those of the plan do.
pub(crate) fn flow(id: &str, purpose: &str) -> Flow {
    Flow {
        id: id.to_owned(),
        from: "test.role".to_owned(),
        to: "test.role".to_owned(),
        transport: Transport::Tcp,
        ip_protocol: None,
        ports: Vec::new(),
        application_protocol: "Test".to_owned(),
        service: "Test".to_owned(),
        system_service_name: None,
        purpose: purpose.to_owned(),
        direction: Direction::OneWay,
        conditions: Vec::new(),
        proof: Proof::A,
        sources: Vec::new(),
        errata: Vec::new(),
        portico: Answer::Catalogued {
            why: "test".to_owned(),
        },
    }
}

pub(crate) fn planned(flow: Flow, carried: &str, from: HostSet, to: HostSet) -> PlannedFlow {
    let mut words = carried.split(' ');
    let transport = match words.next().unwrap() {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        "icmp" => Transport::Icmp,
        "ip" => Transport::Ip,
        other => panic!("{other}"),
    };
    let (mut ip_protocol, mut ports) = (None, Vec::new());
    for word in words {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        match transport {
            Transport::Ip => ip_protocol = Some(first.parse().unwrap()),
            _ => ports.push(PortRange::new(
                first.parse().unwrap(),
                last.parse().unwrap(),
            )),
        }
    }
    PlannedFlow {
        flow: Box::leak(Box::new(flow)),
        from,
        to,
        from_role: "test.role",
        to_role: "test.role",
        transport,
        ip_protocol,
        ports,
    }
}

fn set(hosts: &[DeployedHost], ids: &str) -> HostSet {
    let place = |id| hosts.iter().position(|host| host.id == id).unwrap();
    let mut places: Vec<u32> = ids
        .split(' ')
        .map(|id| u32::try_from(place(id)).unwrap())
        .collect();
    places.sort_unstable();
    Arc::from(places)
}
