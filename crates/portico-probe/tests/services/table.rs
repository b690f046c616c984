//! Which protocol is proven against which real server.

use std::collections::BTreeSet;

use portico_model::Secret;
use portico_probe::check::{Outcome, Secrets, Tls, Verdict, What, check};
use portico_wire::probe::{Over, Service};

use crate::{
    PATIENT, expect,
    lab::{Lab, lab},
    means, target, unlike,
};

/// A protocol, and a real server that speaks it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Its name among people; what TLS or a port makes another service has a name of its own.
    pub(crate) protocol: &'static str,
    pub(crate) service: Service,
    pub(crate) over: Over,
    pub(crate) tls: Tls,
    /// The lab's server.
    pub(crate) server: &'static str,
    pub(crate) port: u16,
    /// Part of what it says of itself.
    evidence: &'static str,
    /// Whether its certificate is of the lab's authority.
    certificate: Certificate,
}

/// What is expected of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certificate {
    /// There is no TLS.
    None,
    /// It has nothing wrong with it.
    Good,
    /// It is the server's own.
    Own,
}

use Certificate::{Good, Own};
use Over::{Datagram, Stream};

const fn row(
    protocol: &'static str,
    service: Service,
    server: &'static str,
    port: u16,
    evidence: &'static str,
) -> Row {
    Row {
        protocol,
        service,
        over: Stream,
        tls: Tls::Never,
        server,
        port,
        evidence,
        certificate: Certificate::None,
    }
}

impl Row {
    const fn udp(self) -> Self {
        Self {
            over: Datagram,
            ..self
        }
    }

    const fn in_tls(self) -> Self {
        Self {
            tls: Tls::FromTheStart,
            certificate: Good,
            ..self
        }
    }

    /// TLS begins when it is asked for.
    const fn starts_tls(self, certificate: Certificate) -> Self {
        Self {
            certificate,
            ..self
        }
    }

    /// What is asked of it.
    pub(crate) const fn what(&self) -> What {
        What::Speak {
            service: self.service,
            over: self.over,
            tls: self.tls,
        }
    }
}

pub(crate) const ROWS: &[Row] = &[
    // Samba as a domain controller.
    row("DNS", Service::Dns, "svc1", 53, "DNS"),
    row("DNS", Service::Dns, "svc1", 53, "DNS").udp(),
    row(
        "Kerberos",
        Service::Kerberos,
        "svc1",
        88,
        "C_PRINCIPAL_UNKNOWN",
    ),
    row(
        "Kerberos",
        Service::Kerberos,
        "svc1",
        88,
        "C_PRINCIPAL_UNKNOWN",
    )
    .udp(),
    row(
        "Kerberos passwords",
        Service::Kpasswd,
        "svc1",
        464,
        "assword",
    ),
    row(
        "Kerberos passwords",
        Service::Kpasswd,
        "svc1",
        464,
        "assword",
    )
    .udp(),
    row(
        "LDAP",
        Service::Ldap,
        "svc1",
        389,
        "DC=ad,DC=portico,DC=test",
    ),
    row(
        "LDAPS",
        Service::Ldap,
        "svc1",
        636,
        "DC=ad,DC=portico,DC=test",
    )
    .in_tls(),
    row(
        "CLDAP",
        Service::Ldap,
        "svc1",
        389,
        "DC=ad,DC=portico,DC=test",
    )
    .udp(),
    row(
        "global catalogue",
        Service::Ldap,
        "svc1",
        3268,
        "DC=ad,DC=portico,DC=test",
    ),
    row(
        "global catalogue in TLS",
        Service::Ldap,
        "svc1",
        3269,
        "DC=ad,DC=portico,DC=test",
    )
    .in_tls(),
    row("SMB", Service::Smb, "svc1", 445, "SMB"),
    row(
        "NetBIOS session",
        Service::NetbiosSession,
        "svc1",
        139,
        "NetBIOS session",
    ),
    row(
        "NetBIOS names and WINS",
        Service::NetbiosName,
        "svc1",
        137,
        "SVC1",
    )
    .udp(),
    row(
        "RPC endpoint mapper",
        Service::RpcMapper,
        "svc1",
        135,
        "endpoint mapper",
    ),
    row("RPC", Service::Rpc, "svc1", 49152, "RPC"),
    // Mail, news, files, printing.
    row("SSH", Service::Ssh, "svc2", 22, "SSH-2.0-OpenSSH_9.2"),
    row("SMTP with STARTTLS", Service::Smtp, "svc2", 25, "Postfix").starts_tls(Good),
    row("SMTP with STARTTLS", Service::Smtp, "svc2", 587, "Postfix").starts_tls(Good),
    row("SMTP in TLS", Service::Smtp, "svc2", 465, "Postfix").in_tls(),
    row("POP3 with STLS", Service::Pop3, "svc2", 110, "Dovecot").starts_tls(Good),
    row("POP3 in TLS", Service::Pop3, "svc2", 995, "Dovecot").in_tls(),
    row("IMAP with STARTTLS", Service::Imap, "svc2", 143, "Dovecot").starts_tls(Good),
    row("IMAP in TLS", Service::Imap, "svc2", 993, "Dovecot").in_tls(),
    row("NNTP", Service::Nntp, "svc2", 119, "InterNetNews"),
    row("NNTP in TLS", Service::Nntp, "svc2", 563, "InterNetNews").in_tls(),
    row("FTP", Service::Ftp, "svc2", 21, "vsFTPd"),
    row("TFTP", Service::Tftp, "svc2", 69, "TFTP, error").udp(),
    row("HTTP", Service::Http, "svc2", 80, "nginx"),
    row("HTTPS", Service::Http, "svc2", 443, "nginx").in_tls(),
    row("IPP", Service::Ipp, "svc2", 631, "CUPS"),
    row("LPD", Service::Lpd, "svc2", 515, "refuses the queue"),
    // Log-on of old, the small services, screens.
    row("telnet", Service::Telnet, "svc2", 23, "negotiates options"),
    row("rlogin", Service::Rlogin, "svc2", 513, ""),
    row("rsh", Service::Rsh, "svc2", 514, "refuses as it should"),
    row("echo", Service::Echo, "svc2", 7, "sends back"),
    row("echo", Service::Echo, "svc2", 7, "sends back").udp(),
    row("daytime", Service::Daytime, "svc2", 13, ":"),
    row("daytime", Service::Daytime, "svc2", 13, ":").udp(),
    row(
        "quote of the day",
        Service::Quote,
        "svc2",
        17,
        "Whoever asks",
    ),
    row("character generator", Service::Chargen, "svc2", 19, "ring"),
    row("character generator", Service::Chargen, "svc2", 19, "ring").udp(),
    row("VNC", Service::Vnc, "svc2", 5900, "RFB 003.008"),
    row("X11", Service::X11, "svc2", 6000, "X11"),
    row("RDP", Service::Rdp, "sh1", 3389, "RDP with").starts_tls(Own),
    // Names, directories and time that are not Active Directory's.
    row("DNS", Service::Dns, "svc3", 53, "DNS"),
    row("DNS", Service::Dns, "svc3", 53, "DNS").udp(),
    row("LDAP", Service::Ldap, "svc3", 389, "dc=portico,dc=test"),
    row("LDAPS", Service::Ldap, "svc3", 636, "dc=portico,dc=test").in_tls(),
    row(
        "Kerberos",
        Service::Kerberos,
        "svc3",
        88,
        "C_PRINCIPAL_UNKNOWN",
    ),
    row(
        "Kerberos",
        Service::Kerberos,
        "svc3",
        88,
        "C_PRINCIPAL_UNKNOWN",
    )
    .udp(),
    row(
        "Kerberos passwords",
        Service::Kpasswd,
        "svc3",
        464,
        "assword",
    ),
    row(
        "Kerberos passwords",
        Service::Kpasswd,
        "svc3",
        464,
        "assword",
    )
    .udp(),
    row("NTP", Service::Ntp, "svc3", 123, "NTP, stratum 8").udp(),
    row(
        "SNMP version 2c",
        Service::SnmpCommunity,
        "svc3",
        161,
        "SNMP",
    )
    .udp(),
    row("RADIUS", Service::Radius, "svc3", 1812, "RADIUS").udp(),
    row(
        "RADIUS accounting",
        Service::RadiusAccounting,
        "svc3",
        1813,
        "RADIUS",
    )
    .udp(),
    row("DTLS", Service::Dtls, "svc3", 3391, "DTLS").udp(),
    row("DHCP", Service::Dhcp, "svc3", 67, "DHCP").udp(),
    row(
        "SNMP version 3",
        Service::Snmp,
        "svc3",
        161,
        "SNMP v3, engine",
    )
    .udp(),
    row("SSDP", Service::Ssdp, "svc3", 1900, "MiniUPnPd").udp(),
    row("RTSP", Service::Rtsp, "svc3", 554, "RTSP 200"),
    // Tunnels.
    row("IKE", Service::Ike, "svc3", 500, "IKE version 2").udp(),
    row(
        "IKE behind NAT",
        Service::IkeNat,
        "svc3",
        4500,
        "IKE version 2",
    )
    .udp(),
    row("L2TP", Service::L2tp, "svc3", 1701, "L2TP").udp(),
    row("PPTP", Service::Pptp, "svc3", 1723, "PPTP"),
    // Databases and what speaks HTTP.
    row("MySQL", Service::Mysql, "svc3", 3306, "MariaDB"),
    row("PostgreSQL", Service::Postgres, "svc3", 5432, "begins TLS").starts_tls(Own),
    row("InfluxDB", Service::InfluxDb, "svc3", 8086, "InfluxDB 1."),
    row("etcd", Service::Etcd, "svc3", 2379, "etcdserver"),
    row("ACME", Service::Acme, "svc3", 14443, "HTTP 200").in_tls(),
];

/// Services that no real server here speaks, and why.
const WITHOUT_SERVER: &[(Service, &str)] = &[
    // It is asked all the same: `netkit_rexecd_closes_without_a_word`.
    (
        Service::Rexec,
        "Debian's only rexecd, netkit's, closes without a word for strangers",
    ),
    (Service::RdpUdp, "nothing but Windows speaks it"),
    (Service::Tds, "Debian has no SQL Server"),
    (Service::SqlBrowser, "it is part of SQL Server"),
    (
        Service::WinRm,
        "it is part of Windows, and Debian 12 has no openwsman",
    ),
    (
        Service::RdGateway,
        "nothing but Windows and Portico itself speaks it",
    ),
    (Service::RpcOverHttp, "it is part of Windows"),
    (Service::RpcHttpServer, "it is part of Windows"),
    (Service::Msmq, "it is part of Windows"),
    (Service::MsmqPing, "it is part of Windows"),
    (Service::NetTcp, "it is part of Windows"),
    (
        Service::WinsReplication,
        "the lab's Samba is no WINS server; captured answers of one are in the tests of the codec",
    ),
    (
        Service::Portal,
        "it is Portico itself, which the end-to-end tests have",
    ),
];

/// What the lab's servers of RADIUS and SNMP want to hear.
fn secrets() -> Secrets {
    Secrets {
        radius: Some(Secret::new("portico-demo".to_owned())),
        snmp_community: Some(Secret::new("public".to_owned())),
    }
}

const fn wants_secret(service: Service) -> bool {
    matches!(
        service,
        Service::Radius | Service::RadiusAccounting | Service::SnmpCommunity
    )
}

#[test]
fn every_probe_has_a_real_server_or_a_reason() {
    for service in Service::ALL.iter().copied() {
        let is_excused = WITHOUT_SERVER.iter().any(|(other, _)| *other == service);
        let has_row = |over| {
            ROWS.iter()
                .any(|row| (row.service, row.over) == (service, over))
        };
        let reached = service.carriers().iter().any(|over| has_row(*over));
        assert!(reached != is_excused, "{service:?}");
    }
}

#[tokio::test]
async fn netkit_rexecd_closes_without_a_word() {
    let Some(lab) = lab() else { return };
    let what = What::Speak {
        service: Service::Rexec,
        over: Stream,
        tls: Tls::Never,
    };
    let outcome = check(
        &target(lab.address("svc2"), 512, what),
        &means(&lab, PATIENT),
    )
    .await;
    expect(
        &outcome,
        Verdict::ReachableNotProven,
        "closes without a word, as rexecd may",
        "see the rexec service",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_protocol_is_proven_against_a_real_server() {
    let Some(lab) = lab() else { return };
    let means = means(&lab, PATIENT);
    let knowing = means.clone().with_secrets(secrets());
    let (lab, means, knowing) = (&lab, &means, &knowing);
    let checks = ROWS.iter().map(|row| async move {
        let target = target(lab.address(row.server), row.port, row.what());
        let means = if wants_secret(row.service) {
            knowing
        } else {
            means
        };
        (row, check(&target, means).await)
    });
    let outcomes: Vec<(&Row, Outcome)> = futures_util::future::join_all(checks).await;
    let mut wrong = Vec::new();
    for (row, outcome) in &outcomes {
        println!(
            "{:<24} {:>5} {:>6} ms  {}: {}",
            row.protocol,
            row.port,
            outcome.took.as_millis(),
            outcome.verdict.name(),
            outcome.evidence
        );
        let unlike = unlike(outcome, Verdict::Proven, row.evidence);
        wrong.extend(unlike.or_else(|| certificate(row, outcome)).map(|why| {
            format!(
                "{} at {} port {}: {why}",
                row.protocol, row.server, row.port
            )
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let protocols: BTreeSet<&str> = ROWS.iter().map(|row| row.protocol).collect();
    let services: BTreeSet<Service> = ROWS.iter().map(|row| row.service).collect();
    println!(
        "{} protocols by {} probes over {} ports of real servers",
        protocols.len(),
        services.len(),
        ROWS.len()
    );
    assert!(protocols.len() >= 45, "{}", protocols.len());
}

/// What is wrong with what was seen of TLS.
fn certificate(row: &Row, outcome: &Outcome) -> Option<String> {
    let seen = match (row.certificate, &outcome.tls) {
        (Certificate::None, None) => return None,
        (Certificate::None, Some(_)) => return Some("speaks TLS".into()),
        (_, None) => return Some("speaks no TLS".into()),
        (_, Some(seen)) => seen,
    };
    let is_good = seen.findings.is_empty();
    ((row.certificate == Good) != is_good).then(|| format!("{:?}", seen.findings))
}

/// Every port of a real server once, with the rows that are proven there.
pub(crate) fn ports(lab: &Lab, over: Over) -> Vec<(&'static str, String, u16)> {
    let ports: BTreeSet<(&str, u16)> = ROWS
        .iter()
        .filter(|row| row.over == over)
        .map(|row| (row.server, row.port))
        .collect();
    let with_address = |(server, port)| (server, lab.address(server).to_owned(), port);
    ports.into_iter().map(with_address).collect()
}
