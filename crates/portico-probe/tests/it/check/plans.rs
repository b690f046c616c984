use std::collections::BTreeMap;

use portico_catalogue::{
    Catalogue,
    plan::{Address, DeployedHost, Deployment, FlowPlan, plan},
};
use portico_probe::check::{PorticoLink, Tls, What, targets};
use portico_wire::probe::{Over, Service};

fn host(id: &str, roles: &[&str], address: Address) -> DeployedHost {
    DeployedHost {
        id: id.into(),
        title: id.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        addresses: vec![address],
        zone: None,
        site: None,
        os: None,
        features: BTreeMap::new(),
        ports: BTreeMap::new(),
        reaches: None,
    }
}

fn ip(text: &str) -> Address {
    Address::Ip(text.parse().unwrap())
}

fn estate() -> FlowPlan {
    let hosts = vec![
        host("dc1", &["windows.domain-controller"], ip("192.0.2.1")),
        host("gw1", &["rds.gateway"], ip("192.0.2.2")),
        host("sh1", &["rds.session-host"], ip("192.0.2.3")),
        host(
            "clients",
            &["rds.client"],
            Address::Network("198.51.100.0/24".parse().unwrap()),
        ),
    ];
    let deployment = Deployment {
        hosts,
        ..Deployment::default()
    };
    plan(Catalogue::portico(), &deployment)
}

#[test]
fn only_what_the_plan_has_is_sent_anything() {
    let plan = estate();
    let made = targets(&plan, None);
    assert!(made.flows.len() > 10, "{}", made.flows.len());
    for checked in &made.flows {
        let target = &made.targets[checked.target];
        let is_planned = plan.flows.iter().any(|planned| {
            planned.flow.id == checked.flow.id
                && planned.to.contains(&checked.to)
                && (planned.ports.is_empty()
                    || planned
                        .ports
                        .iter()
                        .any(|range| (range.first..=range.last).contains(&target.port)))
        });
        assert!(is_planned, "{checked:?}");
        assert!(!checked.from.contains(&checked.to), "{checked:?}");
        // A whole network is nobody to send to.
        let sends = !matches!(target.what, What::Skip { .. });
        assert!(!(sends && target.host.contains('/')), "{target:?}");
    }
}

#[test]
fn from_takes_what_that_host_opens_and_nothing_else() {
    let plan = estate();
    let gateway = plan.place("gw1").unwrap();
    let made = targets(&plan, Some(&[gateway]));
    assert!(!made.flows.is_empty());
    assert!(made.flows.iter().all(|flow| flow.from == [gateway]));
    let all = targets(&plan, None);
    assert!(made.flows.len() < all.flows.len());
}

#[test]
fn the_same_question_to_the_same_port_is_asked_once() {
    let made = targets(&estate(), None);
    let ldap = |target: &&portico_probe::check::Target| {
        target.host == "192.0.2.1"
            && target.port == 389
            && format!("{:?}", target.what).contains("Ldap, over: Stream")
    };
    assert_eq!(made.targets.iter().filter(ldap).count(), 1);
    let place = made
        .targets
        .iter()
        .position(|target| ldap(&target))
        .unwrap();
    let flows = made.flows.iter().filter(|flow| flow.target == place);
    assert!(flows.count() > 1, "several flows need it");
}

#[test]
fn every_flow_of_the_catalogue_has_a_probe_or_a_reason() {
    let mut spoken = 0;
    for flow in Catalogue::portico().flows() {
        let port = flow.default_port().unwrap_or(0);
        match What::of(flow, port) {
            What::Speak { service, over, .. } => {
                spoken += 1;
                assert!(service.carriers().contains(&over), "{}", flow.id);
            }
            // Only for whole plans, in which a mapper is known.
            What::Mapped { .. } => panic!("{}", flow.id),
            What::Portico(link) => {
                spoken += 1;
                assert!(flow.id.starts_with("portico."), "{} {link:?}", flow.id);
            }
            What::Tls { why } | What::Connect { why } => assert!(!why.is_empty()),
            What::Skip { why, next_step } => {
                assert!(!why.is_empty() && !next_step.is_empty(), "{}", flow.id);
            }
        }
    }
    assert!(spoken > 150, "{spoken} flows are spoken");
}

/// Which service of which flow is spoken.
fn spoken(id: &str) -> What {
    let flow = Catalogue::portico().find(id).unwrap();
    What::of(flow, flow.default_port().unwrap_or(0))
}

#[test]
fn a_flow_is_asked_for_the_service_that_the_catalogue_means() {
    for (id, service, over, tls) in [
        (
            "windows-services.winrm-2-http",
            Service::WinRm,
            Over::Stream,
            Tls::Never,
        ),
        (
            "windows-services.winrm-2-https",
            Service::WinRm,
            Over::Stream,
            Tls::FromTheStart,
        ),
        (
            "portico.client-portal-https",
            Service::Portal,
            Over::Stream,
            Tls::FromTheStart,
        ),
        (
            "ras-connection-broker.performance-monitor",
            Service::InfluxDb,
            Over::Stream,
            Tls::Never,
        ),
        (
            "rds-2012.gateway-radius-authentication",
            Service::Radius,
            Over::Datagram,
            Tls::Never,
        ),
        (
            "windows-services.radius-legacy-accounting",
            Service::RadiusAccounting,
            Over::Datagram,
            Tls::Never,
        ),
        (
            "ras-connection-broker.two-factor-radius-authentication-tcp",
            Service::Radius,
            Over::Stream,
            Tls::Never,
        ),
        (
            "windows-services.dhcp",
            Service::Dhcp,
            Over::Datagram,
            Tls::Never,
        ),
        (
            "windows-services.wins-replication",
            Service::WinsReplication,
            Over::Stream,
            Tls::Never,
        ),
        (
            "windows-services.message-queuing-ping",
            Service::MsmqPing,
            Over::Datagram,
            Tls::Never,
        ),
        (
            "windows-services.message-queuing-messages",
            Service::Msmq,
            Over::Stream,
            Tls::Never,
        ),
        (
            "rds-2012.client-gateway-udp",
            Service::Dtls,
            Over::Datagram,
            Tls::Never,
        ),
        (
            "windows-services.rpc-over-http",
            Service::RpcHttpServer,
            Over::Stream,
            Tls::Never,
        ),
    ] {
        assert_eq!(spoken(id), What::Speak { service, over, tls }, "{id}");
    }
    for (id, link) in [
        ("portico.agent-broker-link", PorticoLink::Broker),
        ("portico.broker-agent-link", PorticoLink::Agent),
        ("portico.agent-broker-enrollment", PorticoLink::Enrollment),
    ] {
        assert_eq!(spoken(id), What::Portico(link), "{id}");
    }
    assert!(matches!(
        spoken("windows-services.snmp-trap"),
        What::Skip { .. }
    ));
}

#[test]
fn ranges_of_rpc_follow_the_mapper_only_where_the_plan_has_one_on_the_host() {
    let hosts = vec![
        host("rpc1", &["windows.rpc-server"], ip("192.0.2.1")),
        host("rpc2", &["windows.rpc-client"], ip("192.0.2.2")),
        host("gw1", &["rds.gateway"], ip("192.0.2.3")),
    ];
    let deployment = Deployment {
        hosts,
        ..Deployment::default()
    };
    let plan = plan(Catalogue::portico(), &deployment);
    let made = targets(&plan, None);
    let (mut followed, mut not) = (0, 0);
    for target in &made.targets {
        let has_mapper = made.targets.iter().any(|other| {
            let is_mapper = format!("{:?}", other.what).contains("service: RpcMapper");
            other.host == target.host && other.port == 135 && is_mapper
        });
        match &target.what {
            What::Mapped {
                mapper,
                range,
                planned,
            } => {
                followed += 1;
                assert_eq!(*mapper, 135);
                assert!(has_mapper, "{target:?}");
                assert_eq!(range.first, target.port);
                assert!(planned.contains(range), "{planned:?}");
                assert!(
                    planned.iter().any(|range| range.first == 135),
                    "{planned:?}"
                );
            }
            What::Skip { why, .. } if why.contains("no endpoint mapper") => {
                not += 1;
                assert!(!has_mapper, "{target:?}");
            }
            _ => {}
        }
    }
    assert!(
        followed > 0,
        "of {} targets, {not} are not followed",
        made.targets.len()
    );
}
