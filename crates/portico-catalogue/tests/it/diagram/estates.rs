//! Small catalogues and plans by hand, as large as real ones and without their planner.

use std::{collections::BTreeMap, sync::Arc};

use ipnet::IpNet;
use portico_catalogue::{
    Catalogue, DocumentText, Transport,
    plan::{Address, DeployedHost, FlowPlan, PlannedFlow, Zone},
};

/// Roles: id, title, whether it stands outside.
const ROLES: &[(&str, &str, bool)] = &[
    ("client.pc", "Client", true),
    ("ras.broker", "RAS Connection Broker", false),
    ("ras.gateway", "RAS Secure Gateway", false),
    ("ras.session-host", "RD Session Host", false),
    ("ras.console", "RAS Console", false),
    ("ras.licensing", "Parallels licensing", true),
    ("rds.gateway", "RD Gateway", false),
    ("rds.web", "RD Web Access", false),
    ("rds.broker", "RD Connection Broker", false),
    ("rds.session-host", "RD Session Host", false),
    ("rds.license", "RD Licensing", false),
    ("windows.dc", "Domain controller", false),
    ("windows.file", "File server", false),
    ("sql.server", "SQL Server", false),
    ("tarantella.server", "Tarantella server", false),
    ("tarantella.x", "Application server (X11)", false),
    ("tarantella.windows", "Application server (Windows)", false),
    ("tarantella.ldap", "LDAP directory", false),
];

/// From, to, transport, ports, protocol.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(u16, u16)],
    &'static str,
);

const FLOWS: &[Row] = &[
    ("client.pc", "ras.gateway", "tcp", &[(443, 443)], "HTTPS"),
    ("client.pc", "ras.gateway", "tcp", &[(80, 80)], "HTTP"),
    (
        "client.pc",
        "ras.gateway",
        "udp",
        &[(20000, 20000)],
        "RAS client",
    ),
    ("client.pc", "ras.gateway", "tcp", &[(3389, 3389)], "RDP"),
    (
        "ras.gateway",
        "ras.broker",
        "tcp",
        &[(20002, 20003)],
        "RAS Broker",
    ),
    (
        "ras.gateway",
        "ras.session-host",
        "tcp",
        &[(3389, 3389)],
        "RDP",
    ),
    (
        "ras.gateway",
        "ras.session-host",
        "udp",
        &[(3389, 3389)],
        "RDP",
    ),
    (
        "ras.gateway",
        "ras.session-host",
        "tcp",
        &[(30004, 30005)],
        "RAS agent",
    ),
    (
        "ras.broker",
        "ras.session-host",
        "tcp",
        &[(30010, 30010), (30004, 30005)],
        "RAS agent",
    ),
    (
        "ras.session-host",
        "ras.broker",
        "udp",
        &[(20003, 20003)],
        "RAS agent",
    ),
    (
        "ras.broker",
        "ras.broker",
        "tcp",
        &[(20010, 20010)],
        "RAS sync",
    ),
    (
        "ras.console",
        "ras.broker",
        "tcp",
        &[(20001, 20002)],
        "RAS Console",
    ),
    ("ras.broker", "ras.licensing", "tcp", &[(443, 443)], "HTTPS"),
    (
        "ras.broker",
        "ras.gateway",
        "tcp",
        &[(20009, 20009)],
        "RAS control",
    ),
    (
        "ras.broker",
        "windows.dc",
        "tcp",
        &[(389, 389), (636, 636)],
        "LDAP",
    ),
    (
        "ras.session-host",
        "windows.dc",
        "tcp",
        &[(389, 389)],
        "LDAP",
    ),
    (
        "ras.session-host",
        "windows.dc",
        "tcp",
        &[(88, 88)],
        "Kerberos",
    ),
    (
        "ras.session-host",
        "windows.dc",
        "udp",
        &[(88, 88)],
        "Kerberos",
    ),
    ("ras.session-host", "windows.dc", "udp", &[(53, 53)], "DNS"),
    (
        "ras.session-host",
        "windows.dc",
        "tcp",
        &[(135, 135)],
        "RPC",
    ),
    (
        "ras.session-host",
        "windows.dc",
        "tcp",
        &[(49152, 65535)],
        "RPC",
    ),
    (
        "ras.session-host",
        "windows.file",
        "tcp",
        &[(445, 445)],
        "SMB",
    ),
    ("client.pc", "rds.gateway", "tcp", &[(443, 443)], "HTTPS"),
    (
        "client.pc",
        "rds.gateway",
        "udp",
        &[(3391, 3391)],
        "RDP/UDP",
    ),
    ("client.pc", "rds.web", "tcp", &[(443, 443)], "HTTPS"),
    (
        "rds.gateway",
        "rds.session-host",
        "tcp",
        &[(3389, 3389)],
        "RDP",
    ),
    (
        "rds.gateway",
        "rds.session-host",
        "udp",
        &[(3389, 3389)],
        "RDP",
    ),
    ("rds.gateway", "windows.dc", "tcp", &[(88, 88)], "Kerberos"),
    ("rds.gateway", "windows.dc", "tcp", &[(135, 135)], "RPC"),
    ("rds.gateway", "windows.dc", "tcp", &[(389, 389)], "LDAP"),
    ("rds.gateway", "windows.dc", "udp", &[(53, 53)], "DNS"),
    (
        "rds.gateway",
        "windows.dc",
        "udp",
        &[(1812, 1812)],
        "RADIUS",
    ),
    ("rds.gateway", "rds.broker", "tcp", &[(3389, 3389)], "RDP"),
    ("rds.web", "rds.broker", "tcp", &[(135, 135)], "RPC"),
    ("rds.web", "rds.broker", "tcp", &[(5985, 5985)], "WinRM"),
    (
        "rds.broker",
        "rds.session-host",
        "tcp",
        &[(5985, 5985)],
        "WinRM",
    ),
    (
        "rds.broker",
        "rds.session-host",
        "tcp",
        &[(445, 445)],
        "SMB",
    ),
    (
        "rds.session-host",
        "rds.broker",
        "tcp",
        &[(5504, 5504)],
        "RD broker",
    ),
    (
        "rds.session-host",
        "rds.license",
        "tcp",
        &[(135, 135)],
        "RPC",
    ),
    (
        "rds.session-host",
        "rds.license",
        "tcp",
        &[(49152, 65535)],
        "RPC",
    ),
    (
        "rds.session-host",
        "windows.dc",
        "tcp",
        &[(389, 389)],
        "LDAP",
    ),
    (
        "rds.session-host",
        "windows.dc",
        "tcp",
        &[(88, 88)],
        "Kerberos",
    ),
    (
        "rds.session-host",
        "windows.file",
        "tcp",
        &[(445, 445)],
        "SMB",
    ),
    ("rds.broker", "sql.server", "tcp", &[(1433, 1433)], "TDS"),
    ("rds.broker", "windows.dc", "tcp", &[(389, 389)], "LDAP"),
    ("windows.dc", "windows.dc", "tcp", &[(135, 135)], "RPC"),
    ("windows.dc", "windows.dc", "tcp", &[(389, 389)], "LDAP"),
    ("windows.dc", "windows.dc", "tcp", &[(445, 445)], "SMB"),
    ("windows.dc", "windows.dc", "udp", &[(123, 123)], "NTP"),
    (
        "client.pc",
        "tarantella.server",
        "tcp",
        &[(443, 443)],
        "HTTPS",
    ),
    (
        "client.pc",
        "tarantella.server",
        "tcp",
        &[(5307, 5307)],
        "AIP",
    ),
    (
        "tarantella.server",
        "tarantella.server",
        "tcp",
        &[(5427, 5427)],
        "Array",
    ),
    (
        "tarantella.server",
        "tarantella.server",
        "tcp",
        &[(515, 515)],
        "LPD print",
    ),
    (
        "tarantella.server",
        "tarantella.x",
        "tcp",
        &[(22, 22)],
        "SSH",
    ),
    (
        "tarantella.server",
        "tarantella.x",
        "tcp",
        &[(23, 23)],
        "Telnet",
    ),
    (
        "tarantella.x",
        "tarantella.server",
        "tcp",
        &[(6010, 65535)],
        "X11",
    ),
    (
        "tarantella.x",
        "tarantella.server",
        "tcp",
        &[(5427, 5427)],
        "Client drive",
    ),
    (
        "tarantella.server",
        "tarantella.windows",
        "tcp",
        &[(3389, 3389)],
        "RDP",
    ),
    (
        "tarantella.windows",
        "tarantella.server",
        "tcp",
        &[(515, 515)],
        "LPD print",
    ),
    (
        "tarantella.server",
        "tarantella.ldap",
        "tcp",
        &[(389, 389)],
        "LDAP",
    ),
    (
        "tarantella.server",
        "tarantella.ldap",
        "tcp",
        &[(636, 636)],
        "LDAPS",
    ),
    (
        "tarantella.server",
        "tarantella.ldap",
        "tcp",
        &[(88, 88)],
        "Kerberos",
    ),
];

/// The catalogue of the tables above.
pub(crate) fn catalogue() -> &'static Catalogue {
    let mut text = "document = \"d\"\ntitle = \"D\"\n".to_owned();
    for (id, title, external) in ROLES {
        text.push_str(&format!(
            "[[role]]\nid = \"{id}\"\ntitle = \"{title}\"\ndescription = \"x\"\nexternal = {external}\n"
        ));
    }
    for (number, (from, to, transport, ports, protocol)) in FLOWS.iter().enumerate() {
        let ports: Vec<String> = ports
            .iter()
            .map(|(first, last)| format!("{{ first = {first}, last = {last} }}"))
            .collect();
        text.push_str(&format!(
            "[[flow]]\nid = \"d.f{number:03}\"\nfrom = \"{from}\"\nto = \"{to}\"\n\
             transport = \"{transport}\"\nports = [{}]\napplication_protocol = \"{protocol}\"\n\
             service = \"S\"\npurpose = \"p\"\ndirection = \"one-way\"\nproof = \"A\"\n\
             sources = [{{ document = \"d\", section = \"S\", row = 1, as_written = \"x\" }}]\n\
             portico = {{ answer = \"catalogued\", why = \"to test\" }}\n",
            ports.join(", ")
        ));
    }
    let document = DocumentText {
        file_name: "d.toml",
        text: &text,
    };
    Box::leak(Box::new(Catalogue::parse(&[document]).unwrap()))
}

/// A host.
pub(crate) fn host(id: &str, roles: &[&str], zone: Option<&str>) -> DeployedHost {
    DeployedHost {
        id: id.into(),
        title: id.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        addresses: vec![Address::Ip([192, 0, 2, 1].into())],
        zone: zone.map(str::to_owned),
        site: None,
        os: None,
        features: BTreeMap::new(),
        ports: BTreeMap::new(),
        reaches: None,
    }
}

/// A zone.
pub(crate) fn zone(id: &str, title: &str, network: &str) -> Zone {
    Zone {
        id: id.into(),
        title: title.into(),
        networks: vec![network.parse::<IpNet>().unwrap()],
    }
}

/// Every flow of the catalogue between the hosts that have its roles.
pub(crate) fn plan(zones: Vec<Zone>, hosts: Vec<DeployedHost>) -> FlowPlan {
    let with = |role: &str| -> Arc<[u32]> {
        let has = |host: &DeployedHost| host.roles.iter().any(|it| it == role);
        (0..)
            .zip(&hosts)
            .filter(|(_, host)| has(host))
            .map(|(place, _)| place)
            .collect()
    };
    let flows = catalogue()
        .flows()
        .map(|flow| PlannedFlow {
            flow,
            from: with(&flow.from),
            to: with(&flow.to),
            from_role: &flow.from,
            to_role: &flow.to,
            transport: flow.transport,
            ip_protocol: None,
            ports: if flow.transport == Transport::Icmp {
                Vec::new()
            } else {
                flow.ports.clone()
            },
        })
        .filter(|planned| !planned.from.is_empty() && !planned.to.is_empty())
        .collect();
    FlowPlan {
        hosts,
        zones,
        flows,
        gaps: Vec::new(),
        assumptions: Vec::new(),
    }
}

fn many(hosts: &mut Vec<DeployedHost>, count: usize, prefix: &str, role: &str, zone: &str) {
    for number in 1..=count {
        hosts.push(host(&format!("{prefix}{number:02}"), &[role], Some(zone)));
    }
}

/// RAS with a perimeter: 30 hosts.
pub(crate) fn ras() -> FlowPlan {
    let zones = vec![
        zone("internet", "Internet", "0.0.0.0/0"),
        zone("perimeter", "Perimeter", "192.0.2.0/24"),
        zone("sessions", "Session hosts", "10.20.0.0/16"),
        zone("infra", "Infrastructure", "10.10.0.0/16"),
    ];
    let mut hosts = vec![host("clients", &["client.pc"], Some("internet"))];
    many(&mut hosts, 2, "sg", "ras.gateway", "perimeter");
    many(&mut hosts, 20, "sh", "ras.session-host", "sessions");
    many(&mut hosts, 2, "cb", "ras.broker", "infra");
    many(&mut hosts, 2, "dc", "windows.dc", "infra");
    hosts.push(host("files", &["windows.file"], Some("infra")));
    hosts.push(host("admin-pc", &["ras.console"], Some("infra")));
    hosts.push(host("license.parallels.example", &["ras.licensing"], None));
    plan(zones, hosts)
}

/// RDS with RD Gateway in a perimeter network.
pub(crate) fn rds() -> FlowPlan {
    let zones = vec![
        zone("internet", "Internet", "0.0.0.0/0"),
        zone("perimeter", "Perimeter", "192.0.2.0/24"),
        zone("internal", "Internal", "10.0.0.0/16"),
    ];
    let mut hosts = vec![
        host("clients", &["client.pc"], Some("internet")),
        host("gw1", &["rds.gateway", "rds.web"], Some("perimeter")),
        host("broker1", &["rds.broker", "rds.license"], Some("internal")),
        host("dc1", &["windows.dc"], Some("internal")),
        host("files", &["windows.file", "sql.server"], Some("internal")),
    ];
    many(&mut hosts, 4, "rdsh", "rds.session-host", "internal");
    plan(zones, hosts)
}

/// A Tarantella array without zones.
pub(crate) fn tarantella() -> FlowPlan {
    let mut hosts = vec![host("clients", &["client.pc"], None)];
    for number in 1..=3 {
        hosts.push(host(&format!("tta{number}"), &["tarantella.server"], None));
    }
    hosts.push(host("unix1", &["tarantella.x"], None));
    hosts.push(host("unix2", &["tarantella.x"], None));
    hosts.push(host("win1", &["tarantella.windows"], None));
    hosts.push(host("ldap.example.org", &["tarantella.ldap"], None));
    plan(Vec::new(), hosts)
}
