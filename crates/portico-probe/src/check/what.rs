//! Which probe proves which flow of the catalogue, and why some are not proven.

use portico_catalogue::{Flow, PortRange, Proof, Transport};
use portico_wire::probe::{Over, Service};

/// What is done about a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Speak this.
    Speak {
        /// The service.
        service: Service,
        /// What carries it.
        over: Over,
        /// Whether it is inside of TLS.
        tls: Tls,
    },
    /// Begin TLS with a part of Portico, which shows by its certificate what it is.
    Portico(PorticoLink),
    /// Ask the endpoint mapper of the host which of these ports are in use, and speak RPC with
    /// those.
    Mapped {
        /// Port of the endpoint mapper, which the plan has, too.
        mapper: u16,
        /// The ports that may be in use.
        range: PortRange,
        /// All ports of the host that the plan has, over TCP.
        planned: Vec<PortRange>,
    },
    /// Begin TLS and look at it.
    Tls {
        /// Why no more is done.
        why: String,
    },
    /// Connect.
    Connect {
        /// Why no more is done.
        why: String,
    },
    /// Send nothing.
    Skip {
        /// Why.
        why: String,
        /// What an operator can do.
        next_step: String,
    },
}

/// Whether a service is inside of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// It is not, at least not before it is asked to.
    Never,
    /// From the first byte.
    FromTheStart,
}

/// A link of Portico's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PorticoLink {
    /// The agent link, at a broker.
    Broker,
    /// The agent link, at an agent that listens.
    Agent,
    /// Enrollment, at a broker.
    Enrollment,
}

impl PorticoLink {
    /// Name to show.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broker => "the agent link of a broker",
            Self::Agent => "the agent link of an agent",
            Self::Enrollment => "enrollment",
        }
    }

    fn of(flow: &Flow) -> Option<Self> {
        match flow.application_protocol.as_str() {
            "Portico agent link over TLS" if flow.to == "portico.broker" => Some(Self::Broker),
            "Portico agent link over TLS" => Some(Self::Agent),
            "Portico enrollment over TLS" => Some(Self::Enrollment),
            _ => None,
        }
    }
}

impl What {
    pub(super) fn skip(why: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::Skip {
            why: why.into(),
            next_step: next_step.into(),
        }
    }

    /// What is done about a port of a flow.
    pub fn of(flow: &Flow, port: u16) -> Self {
        let over = match flow.transport {
            Transport::Tcp => Over::Stream,
            Transport::Udp => Over::Datagram,
            Transport::Icmp | Transport::Ip => {
                return Self::skip(
                    format!("{} is not checked so far", flow.transport_name()),
                    "ping the host, or look at a capture on it",
                );
            }
        };
        if let Some(link) = PorticoLink::of(flow) {
            return Self::Portico(link);
        }
        let default = flow.corrected_ports().first().map(|range| range.first);
        let protocol = protocol_of(flow);
        match service_of(protocol, over, default.unwrap_or(port)) {
            Some((service, tls)) if service.carriers().contains(&over) => {
                Self::Speak { service, over, tls }
            }
            _ => Self::without_probe(flow, over),
        }
    }

    fn without_probe(flow: &Flow, over: Over) -> Self {
        let protocol = &flow.application_protocol;
        if flow.proof == Proof::C {
            return Self::skip(
                format!("{protocol} never answers, so that only the far end could tell"),
                "look at a capture on the far end while it is sent",
            );
        }
        let why = match flow.proof {
            Proof::B => format!("{protocol} answers only who knows a secret"),
            _ => format!("there is no probe for {protocol} so far"),
        };
        match over {
            Over::Stream if protocol.contains("TLS") => Self::Tls { why },
            Over::Stream => Self::Connect { why },
            // A datagram that the service does not know would prove nothing either way.
            Over::Datagram => Self::skip(why, "see with a client of the service whether it works"),
        }
    }
}

/// The protocol, more exactly than the documents name it where they name only the web protocol that
/// carries it.
fn protocol_of(flow: &Flow) -> &str {
    let protocol = flow.application_protocol.as_str();
    match (flow.service.as_str(), protocol) {
        ("Windows Remote Management (WinRM)", "HTTP") => "WinRM",
        ("Windows Remote Management (WinRM)", "HTTPS") => "WinRM over HTTPS",
        _ => protocol,
    }
}

/// The service that a protocol of the catalogue is; `port` is the one that the catalogue has.
fn service_of(protocol: &str, over: Over, port: u16) -> Option<(Service, Tls)> {
    use Service as S;
    let service = match protocol {
        "LDAP" | "DC Locator" | "LDAP SSL" | "LDAPS" | "Global Catalog" => {
            let tls = matches!(port, 636 | 3269) || matches!(protocol, "LDAP SSL" | "LDAPS");
            return match (tls, over) {
                (true, Over::Datagram) => None,
                (true, Over::Stream) => Some((S::Ldap, Tls::FromTheStart)),
                (false, _) => Some((S::Ldap, Tls::Never)),
            };
        }
        "HTTPS" | "HTTPS with certificates" => return Some((S::Http, Tls::FromTheStart)),
        "HTTPS, WebSocket" => return Some((S::Portal, Tls::FromTheStart)),
        "WinRM over HTTPS" => return Some((S::WinRm, Tls::FromTheStart)),
        "ACME" | "ACME over HTTPS" => return Some((S::Acme, Tls::FromTheStart)),
        "etcd over HTTPS" => return Some((S::Etcd, Tls::FromTheStart)),
        "InfluxDB over HTTPS" => return Some((S::InfluxDb, Tls::FromTheStart)),
        "IPPS" | "IPP over HTTPS" => return Some((S::Ipp, Tls::FromTheStart)),
        "HTTPS, RPC over HTTP" => return Some((S::RdGateway, Tls::FromTheStart)),
        "RPC over HTTPS" if port == 443 => return Some((S::RpcOverHttp, Tls::FromTheStart)),
        "WinRM" if port == 5986 => return Some((S::WinRm, Tls::FromTheStart)),
        "POP3 over SSL" => return Some((S::Pop3, Tls::FromTheStart)),
        "IMAP over SSL" => return Some((S::Imap, Tls::FromTheStart)),
        "NNTP over SSL" => return Some((S::Nntp, Tls::FromTheStart)),
        "Kerberos" => S::Kerberos,
        "Kerberos Password V5" => S::Kpasswd,
        "DNS" => S::Dns,
        "SMB" => S::Smb,
        "SMB over NetBIOS" | "NetBIOS Session Service" => S::NetbiosSession,
        "NetBIOS Name Resolution" => S::NetbiosName,
        "RPC" | "DCOM" | "WMI" | "RPC/WMI" | "RPC/NP" | "NetBIOS" | "RPC/named pipes (NP)" => {
            return windows(port, over).map(|service| (service, Tls::Never));
        }
        "RDP" | "Terminal Services" => S::Rdp,
        "RDP over UDP" => S::RdpUdp,
        "HTTP" | "HTTP with Kerberos" => S::Http,
        "WinRM" => S::WinRm,
        "SSH" => S::Ssh,
        "Telnet" => S::Telnet,
        "rexec" => S::Rexec,
        "rlogin" => S::Rlogin,
        "rcmd" => S::Rsh,
        "X11" => S::X11,
        "LPD" => S::Lpd,
        "SMTP" => S::Smtp,
        "POP3" => S::Pop3,
        "IMAP" => S::Imap,
        "NNTP" => S::Nntp,
        "FTP" | "FTP control" => S::Ftp,
        "NTP" | "SNTP" => S::Ntp,
        "SNMP" => S::Snmp,
        "RADIUS" | "Legacy RADIUS" | "RADIUS Authentication" | "RADIUS Accounting" => match port {
            1646 | 1813 => S::RadiusAccounting,
            _ => S::Radius,
        },
        "DHCP" => S::Dhcp,
        "RDP over UDP in DTLS" => S::Dtls,
        "MSMQ-Ping" => S::MsmqPing,
        "MSMQ" => S::Msmq,
        // Its other ports are RPC interfaces (MS-MQMP, MS-MQDS, MS-MQMR).
        "MSMQ-RPC" | "MSMQ-DCs" | "MSMQ-Mgmt" => S::Rpc,
        "Active Directory Web Services (ADWS)"
        | "Active Directory Management Gateway Service"
        | "WCF" => S::NetTcp,
        "WINS Replication" => S::WinsReplication,
        // Both are led to by the proxy of RPC over HTTP, and so are three of Exchange.
        "RPC over HTTP" | "RPC over HTTPS" if port == 593 => S::RpcHttpServer,
        "Information Store" | "Directory Referral" | "DSProxy/NSPI" => S::RpcHttpServer,
        "TFTP" => S::Tftp,
        "SQL over TCP" => S::Tds,
        "SQL Probe" => S::SqlBrowser,
        "IPsec ISAKMP" => S::Ike,
        "NAT-T" => S::IkeNat,
        "PPTP" => S::Pptp,
        "L2TP" => S::L2tp,
        "SSDP" => S::Ssdp,
        "RTSP" => S::Rtsp,
        "Echo" => S::Echo,
        "Daytime" => S::Daytime,
        "Quote of the Day" => S::Quote,
        "Chargen" => S::Chargen,
        "InfluxDB over HTTP" => S::InfluxDb,
        "etcd" | "etcd over HTTP" => S::Etcd,
        "IPP" | "IPP over HTTP" => S::Ipp,
        _ => return None,
    };
    Some((service, Tls::Never))
}

/// Names that the documents use for several services, which the port tells apart.
fn windows(port: u16, over: Over) -> Option<Service> {
    match (port, over) {
        (135, Over::Stream) => Some(Service::RpcMapper),
        (137, Over::Datagram) => Some(Service::NetbiosName),
        (139, Over::Stream) => Some(Service::NetbiosSession),
        (445, Over::Stream) => Some(Service::Smb),
        (138, _) | (_, Over::Datagram) => None,
        (_, Over::Stream) => Some(Service::Rpc),
    }
}
