//! Deployments as people have them, planned from the built-in documents: which ports each pair of
//! hosts gets, and what the plan asks for.

use std::{collections::BTreeMap, fmt::Write as _};

use expect_test::{Expect, expect};
use portico_catalogue::{
    Catalogue, OsGeneration,
    plan::{DeployedHost, Deployment, PortKey, plan},
};

use super::{check_shape, estate, host, ports};

/// Compares the ports of every pair of hosts, and the gaps, with what is expected.
#[track_caller]
fn check(deployment: &Deployment, expected: &Expect) {
    let plan = plan(Catalogue::portico(), deployment);
    check_shape(&plan);
    let mut pairs: BTreeMap<(u32, u32), BTreeMap<String, Vec<_>>> = BTreeMap::new();
    for planned in &plan.flows {
        for from in planned.from.iter() {
            for to in planned.to.iter().filter(|to| *to != from) {
                let pair = pairs.entry((*from, *to)).or_default();
                let ranges = pair.entry(planned.flow.transport_name()).or_default();
                ranges.extend(planned.ports.iter().cloned());
            }
        }
    }
    let id = |place: u32| &plan.hosts[place as usize].id;
    let mut text = String::new();
    for ((from, to), transports) in pairs {
        write!(text, "{} > {}:", id(from), id(to)).unwrap();
        for (transport, mut ranges) in transports {
            ranges.sort();
            ranges.dedup();
            let ports = ports(&ranges);
            let space = if ports.is_empty() { "" } else { " " };
            write!(text, " {transport}{space}{ports}").unwrap();
        }
        text.push('\n');
    }
    for gap in &plan.gaps {
        writeln!(text, "{:?} {:?}: {}", gap.kind, gap.hosts, gap.next_step).unwrap();
    }
    for assumption in &plan.assumptions {
        writeln!(text, "{assumption}").unwrap();
    }
    expected.assert_eq(&text);
}

fn windows(id: &str, roles: &[&str]) -> DeployedHost {
    DeployedHost {
        os: Some(OsGeneration::Windows2016),
        ..host(id, roles)
    }
}

fn on(feature: &str, is_on: bool) -> BTreeMap<String, bool> {
    BTreeMap::from([(feature.to_owned(), is_on)])
}

#[test]
fn remote_application_server() {
    let hosts = [
        windows("broker-1", &["ras.connection-broker"]),
        windows("broker-2", &["ras.connection-broker"]),
        windows("gateway", &["ras.secure-gateway"]),
        windows("rdsh", &["ras.rd-session-host"]),
        windows("radius", &["windows.radius-server"]),
        windows("dc", &["windows.domain-controller"]),
        host("licensing", &["ras.licensing-server"]),
    ];
    let mut estate = estate(hosts);
    check(
        &estate,
        &expect![[r#"
        broker-1 > broker-2: tcp 135,445,20001,20030,49179
        broker-1 > gateway: tcp 135,445,49179
        broker-1 > rdsh: tcp 135,445,30004,49179 udp 30004
        broker-1 > dc: tcp 88,389,636,3268,3269 udp 53,88
        broker-1 > licensing: tcp 443
        broker-2 > broker-1: tcp 135,445,20001,20030,49179
        broker-2 > gateway: tcp 135,445,49179
        broker-2 > rdsh: tcp 135,445,30004,49179 udp 30004
        broker-2 > dc: tcp 88,389,636,3268,3269 udp 53,88
        broker-2 > licensing: tcp 443
        Counterpart ["broker-1", "broker-2"]: give the role "ras.provider-agent" to a host
        Counterpart ["broker-1", "broker-2"]: give the role "ras.enrollment-server" to a host, or switch off "ras.remote-install" where "ras.connection-broker" does not use it
        Counterpart ["broker-1", "broker-2"]: give the role "ras.guest-agent" to a host, or switch off "ras.remote-install" where "ras.connection-broker" does not use it
        Counterpart ["broker-1", "broker-2"]: give the role "ras.remote-pc" to a host
        Counterpart ["broker-1", "broker-2"]: give the role "ras.remote-installer" to a host, or switch off "ras.remote-install" where "ras.connection-broker" does not use it
        Unused ["radius"]: give a host one of these roles, or nobody the role "windows.radius-server"
    "#]],
    );
    estate.features = on("ras.remote-install", false);
    let radius = on("ras.two-factor-radius", true);
    estate.features.extend(radius);
    check(
        &estate,
        &expect![[r#"
        broker-1 > broker-2: tcp 20001,20030
        broker-1 > rdsh: tcp 30004 udp 30004
        broker-1 > radius: tcp 1812,1813 udp 1812,1813
        broker-1 > dc: tcp 88,389,636,3268,3269 udp 53,88
        broker-1 > licensing: tcp 443
        broker-2 > broker-1: tcp 20001,20030
        broker-2 > rdsh: tcp 30004 udp 30004
        broker-2 > radius: tcp 1812,1813 udp 1812,1813
        broker-2 > dc: tcp 88,389,636,3268,3269 udp 53,88
        broker-2 > licensing: tcp 443
        Counterpart ["broker-1", "broker-2"]: give the role "ras.provider-agent" to a host
        Counterpart ["broker-1", "broker-2"]: give the role "ras.remote-pc" to a host
    "#]],
    );
}

#[test]
fn remote_desktop_services_with_the_gateway_in_front() {
    let mut dc = windows("dc", &["windows.domain-controller"]);
    dc.ports.insert(PortKey::Named("ntds-rpc".into()), 50000);
    let mut estate = estate([
        host("clients", &["rds.client"]),
        windows("gateway", &["rds.gateway"]),
        windows("web", &["rds.web-access"]),
        windows("broker", &["rds.connection-broker"]),
        windows("rdsh", &["rds.session-host"]),
        windows("licensing", &["rds.licensing-server"]),
        windows("crl", &["rds.crl-server"]),
        dc,
    ]);
    estate.features = on("rds.direct-clients", false);
    check(
        &estate,
        &expect![[r#"
        clients > gateway: tcp 443 udp 3391
        clients > web: tcp 443
        gateway > broker: tcp 3389
        gateway > rdsh: tcp 3389 udp 3389
        gateway > crl: tcp 80
        gateway > dc: tcp 53,88,135,389,50000 udp 53,389
        web > broker: tcp 5504
        broker > rdsh: tcp 135,445,3389,49152-65535
        rdsh > licensing: tcp 135,445,49152-65535
        rdsh > dc: tcp 389,636
        licensing > dc: tcp 389 udp 389
        Counterpart ["broker"]: give the role "rds.virtualization-host" to a host
        Counterpart ["gateway"]: give the role "rds.virtual-desktop" to a host
        Counterpart ["licensing"]: add a host with the role "rds.clearing-house" and its address, name or networks
    "#]],
    );
}

#[test]
fn tarantella_with_an_array() {
    check(
        &estate([
            host("clients", &["tarantella.client"]),
            host(
                "primary",
                &["tarantella.primary-server", "tarantella.web-server"],
            ),
            host("second", &["tarantella.server", "tarantella.web-server"]),
            host("applications", &["tarantella.application-server"]),
        ]),
        &expect![[r#"
            clients > primary: tcp 80,443,3144,5307
            clients > second: tcp 80,443,3144,5307
            primary > second: tcp 5427
            primary > applications: tcp 22,3389
            second > primary: tcp 5427
            second > applications: tcp 22,3389
            applications > primary: tcp 515,6010-65535
            applications > second: tcp 515,6010-65535
        "#]],
    );
}

#[test]
fn a_domain_with_two_sites_and_an_old_controller() {
    let at = |mut host: DeployedHost, site: &str| {
        host.site = Some(site.to_owned());
        host
    };
    let mut old = host("dc-south", &["windows.domain-controller"]);
    old.os = Some(OsGeneration::Windows2003);
    check(
        &estate([
            at(windows("dc-north", &["windows.domain-controller"]), "north"),
            at(old, "south"),
            at(host("member", &["windows.domain-member"]), "north"),
        ]),
        &expect![[r#"
            dc-north > dc-south: icmp tcp 53,88,135,389,445,464,636,1025-5000,3268,3269 udp 53,88,123,389,464
            dc-south > dc-north: icmp tcp 53,88,135,389,445,464,636,3268,3269,49152-65535 udp 53,88,123,389,464
            member > dc-north: icmp tcp 53,88,135,389,445,464,636,3268,3269,49152-65535 udp 53,88,123,389,464
            member > dc-south: icmp tcp 53,88,135,389,445,464,636,1025-5000,3268,3269 udp 53,88,123,389,464
            hosts that do not tell their operating system are taken for a current Windows (windows-2016 and newer), because their roles are of Windows: "member"
        "#]],
    );
}

#[test]
fn a_member_of_a_domain_without_controller_lacks_one_role() {
    check(
        &estate([windows("member", &["windows.domain-member"])]),
        &expect![[r#"
            Counterpart ["member"]: give the role "windows.domain-controller" to a host, which brings them
        "#]],
    );
}
