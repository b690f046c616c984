//! What the port planner gets of an estate.

use portico_catalogue::{
    OsGeneration, Transport,
    plan::{Address, DeployedHost, Deployment, PortKey},
};
use portico_estate::{deployment, parse};

fn read(text: &str) -> Deployment {
    let draft = parse("estate.toml", &format!("version = 1\n{text}"))
        .map_err(|errors| crate::errors::lines(&errors))
        .unwrap();
    deployment(&draft.estate)
}

fn host<'a>(deployment: &'a Deployment, id: &str) -> &'a DeployedHost {
    deployment.hosts.iter().find(|host| host.id == id).unwrap()
}

const POOL: &str = "[[pools]]\nid = \"p\"\ntitle = \"P\"\n";

#[test]
fn a_session_host_brings_protocol_port_and_agent_with_it() {
    let deployment = read(&format!(
        "{POOL}
        [[hosts]]
        id = \"a\"
        pool = \"p\"
        address = \"10.0.0.1\"
        addresses = [\"2001:db8::1\"]
        protocol = \"rdp\"
        port = 3390
        agent = \"required\"
        agent_link = \"listen\"
        [[hosts]]
        id = \"b\"
        pool = \"p\"
        address = \"b.example.org\"
        protocol = \"ssh\""
    ));
    let a = host(&deployment, "a");
    assert_eq!(a.roles, ["portico.session-host"]);
    assert_eq!(
        a.addresses,
        ["10.0.0.1", "2001:db8::1"].map(|ip| Address::Ip(ip.parse().unwrap()))
    );
    assert_eq!(
        a.ports,
        [(PortKey::Default(3389, Transport::Tcp), 3390)].into()
    );
    let on = |host: &DeployedHost| -> Vec<String> {
        let on = host.features.iter().filter(|(_, on)| **on);
        on.map(|(feature, _)| feature.clone()).collect()
    };
    assert_eq!(
        on(a),
        ["portico.agent", "portico.agent-listens", "portico.host-rdp"]
    );
    let b = host(&deployment, "b");
    assert_eq!(b.addresses, [Address::Name("b.example.org".into())]);
    assert_eq!(b.ports, [].into());
    assert_eq!(on(b), ["portico.host-ssh"]);
    assert!(deployment.features["portico.agent-listens"]);
}

#[test]
fn nobody_opens_links_to_agents_unless_one_listens() {
    let deployment =
        read("[[hosts]]\nid = \"a\"\nroles = [\"portico.broker\"]\naddress = \"10.0.0.1\"");
    assert!(!deployment.features["portico.agent-listens"]);
}

#[test]
fn a_host_without_pool_is_there_for_its_ports() {
    let deployment = read(
        "[ports]
        optional = true
        features = { \"portico.host-ssh\" = false }
        [[zones]]
        id = \"wide\"
        networks = [\"10.0.0.0/8\"]
        [[sites]]
        id = \"oslo\"
        [[hosts]]
        id = \"a\"
        roles = [\"portico.broker\", \"portico.gateway\"]
        address = \"10.1.2.3\"
        site = \"oslo\"
        os = \"windows-11\"
        features = { \"portico.host-rdp\" = true }
        ports = { \"443/tcp\" = 8443 }
        reaches = [\"wide\", \"oslo\"]
        [[hosts]]
        id = \"clients\"
        roles = [\"portico.client\"]
        addresses = [\"10.9.0.0/16\", \"pc.example.org\"]",
    );
    assert!(deployment.with_optional);
    assert!(!deployment.features["portico.host-ssh"]);
    let a = host(&deployment, "a");
    assert_eq!(a.zone.as_deref(), Some("wide"));
    assert_eq!(a.site.as_deref(), Some("oslo"));
    assert_eq!(a.os, Some(OsGeneration::Windows2016));
    assert_eq!(a.features, [("portico.host-rdp".to_owned(), true)].into());
    assert_eq!(
        a.ports,
        [(PortKey::Default(443, Transport::Tcp), 8443)].into()
    );
    assert_eq!(
        a.reaches.as_deref(),
        Some(&["wide".to_owned(), "oslo".to_owned()][..])
    );
    let clients = host(&deployment, "clients");
    assert_eq!(clients.zone.as_deref(), Some("wide"));
    assert_eq!(
        clients.addresses,
        [
            Address::Network("10.9.0.0/16".parse().unwrap()),
            Address::Name("pc.example.org".into())
        ]
    );
}

#[test]
fn the_zone_that_is_named_counts_before_the_networks() {
    let deployment = read(
        "[[zones]]
        id = \"lan\"
        networks = [\"10.0.0.0/8\"]
        [[zones]]
        id = \"lab\"
        [[hosts]]
        id = \"named\"
        roles = [\"portico.broker\"]
        address = \"10.1.2.3\"
        zone = \"lab\"
        [[hosts]]
        id = \"nowhere\"
        roles = [\"portico.broker\"]
        address = \"192.0.2.1\"",
    );
    assert_eq!(host(&deployment, "named").zone.as_deref(), Some("lab"));
    assert_eq!(host(&deployment, "nowhere").zone, None);
}

#[test]
fn ten_thousand_hosts_are_read_and_deployed() {
    let hosts: String = (0..10_000)
        .map(|n| {
            let (a, b) = (n / 250, n % 250);
            format!("[[hosts]]\nid = \"h{n}\"\nroles = [\"portico.session-host\"]\naddress = \"10.0.{a}.{b}\"\n")
        })
        .collect();
    assert_eq!(read(&hosts).hosts.len(), 10_000);
}
