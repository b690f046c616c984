use std::collections::BTreeMap;

use portico_catalogue::{
    Catalogue,
    plan::{Address, DeployedHost, Deployment, FlowPlan, plan},
};
use portico_probe::check::{What, targets};

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
            What::Tls { why } | What::Connect { why } => assert!(!why.is_empty()),
            What::Skip { why, next_step } => {
                assert!(!why.is_empty() && !next_step.is_empty(), "{}", flow.id);
            }
        }
    }
    assert!(spoken > 150, "{spoken} flows are spoken");
}
