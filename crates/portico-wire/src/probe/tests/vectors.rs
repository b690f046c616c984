//! What real servers answered to the questions of the probes with the nonce of the tests, captured
//! on loopback; each says which server. At the end stand those that are made by the specification,
//! because no server for them was there.

use super::{Over, Service};

/// An answer that proves.
pub(super) struct Vector {
    pub(super) name: &'static str,
    pub(super) service: Service,
    pub(super) over: Over,
    /// What came in each step, up to the byte that completes the proof.
    pub(super) answers: &'static [&'static [u8]],
    pub(super) evidence: &'static str,
    /// The server closes after it, and that belongs to the proof.
    pub(super) ends: bool,
    pub(super) starts_tls: bool,
    /// A shorter answer is a whole one, too.
    pub(super) has_open_end: bool,
}

#[rustfmt::skip]
pub(super) const WHOLE: &[Vector] = &[
    // Portico itself, before its set-up
    Vector {
        name: "portal",
        service: Service::Portal,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/portal-0.bin")],
        evidence: "HTTP 200, Portico 0.0.0",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // FreeRADIUS 3.2
    Vector {
        name: "radius-status",
        service: Service::Radius,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/radius-status-0.bin")],
        evidence: "RADIUS, answers Status-Server with Access-Accept",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // FreeRADIUS 3.2
    Vector {
        name: "radius-reject",
        service: Service::Radius,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/radius-reject-0.bin")],
        evidence: "RADIUS, answers Access-Request of nobody with Access-Reject",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // FreeRADIUS 3.2
    Vector {
        name: "radius-accounting",
        service: Service::RadiusAccounting,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/radius-accounting-0.bin")],
        evidence: "RADIUS, answers Status-Server with Accounting-Response",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // FreeRADIUS 3.2
    Vector {
        name: "radius-tcp",
        service: Service::Radius,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/radius-tcp-0.bin")],
        evidence: "RADIUS, answers Status-Server with Access-Accept",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Net-SNMP 5.9
    Vector {
        name: "snmp-v2c",
        service: Service::SnmpCommunity,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/snmp-v2c-0.bin")],
        evidence: "SNMP v2c, Linux probe host",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // dnsmasq 2.90, with padding behind its end
    Vector {
        name: "dhcp",
        service: Service::Dhcp,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/dhcp-0.bin")],
        evidence: "DHCP, server 198.18.77.1, name servers 198.18.77.1, domain probe.example",
        ends: false,
        starts_tls: false,
        has_open_end: true,
    },
    // OpenSSL 3.0
    Vector {
        name: "dtls-cookie",
        service: Service::Dtls,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/dtls-cookie-0.bin")],
        evidence: "DTLS, asks for a cookie before anything else",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // openbsd-inetd
    Vector {
        name: "chargen-tcp",
        service: Service::Chargen,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/chargen-tcp-0.bin")],
        evidence: "sends the ring of characters",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // openbsd-inetd
    Vector {
        name: "chargen-udp",
        service: Service::Chargen,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/chargen-udp-0.bin")],
        evidence: "sends the ring of characters",
        ends: false,
        starts_tls: false,
        has_open_end: true,
    },
    // openbsd-inetd
    Vector {
        name: "daytime-tcp",
        service: Service::Daytime,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/daytime-tcp-0.bin")],
        evidence: "Sun Nov 29 09:13:09 2026",
        ends: true,
        starts_tls: false,
        has_open_end: true,
    },
    // openbsd-inetd
    Vector {
        name: "daytime-udp",
        service: Service::Daytime,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/daytime-udp-0.bin")],
        evidence: "Sun Nov 29 09:17:02 2026",
        ends: false,
        starts_tls: false,
        has_open_end: true,
    },
    // BIND 9.18
    Vector {
        name: "dns-tcp",
        service: Service::Dns,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/dns-tcp-0.bin")],
        evidence: "DNS REFUSED, 0 answers, no recursion offered",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // BIND 9.18
    Vector {
        name: "dns-udp",
        service: Service::Dns,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/dns-udp-0.bin")],
        evidence: "DNS REFUSED, 0 answers, no recursion offered",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // openbsd-inetd
    Vector {
        name: "echo-tcp",
        service: Service::Echo,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/echo-tcp-0.bin")],
        evidence: "sends back what it gets",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // openbsd-inetd
    Vector {
        name: "echo-udp",
        service: Service::Echo,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/echo-udp-0.bin")],
        evidence: "sends back what it gets",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // etcd 3.4
    Vector {
        name: "etcd",
        service: Service::Etcd,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/etcd-0.bin")],
        evidence: "HTTP 200, {\"etcdserver\":\"3.4.23\",\"etcdcluster\":\"not_decided\"}",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // vsftpd 3.0
    Vector {
        name: "ftp",
        service: Service::Ftp,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/ftp-0.bin"), include_bytes!("../../../tests/corpus/probe/ftp-1.bin")],
        evidence: "220 (vsFTPd 3.0.3); FTP without TLS",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // strongSwan 5.9
    Vector {
        name: "ike-nat",
        service: Service::IkeNat,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/ike-nat-0.bin")],
        evidence: "IKE version 2, NO_PROPOSAL_CHOSEN",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // strongSwan 5.9
    Vector {
        name: "ike",
        service: Service::Ike,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/ike-0.bin")],
        evidence: "IKE version 2, NO_PROPOSAL_CHOSEN",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Dovecot 2.3
    Vector {
        name: "imap",
        service: Service::Imap,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/imap-0.bin"), include_bytes!("../../../tests/corpus/probe/imap-1.bin")],
        evidence: "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN] Dovecot (Debian) ready.; * CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // InfluxDB 1.6
    Vector {
        name: "influxdb",
        service: Service::InfluxDb,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/influxdb-0.bin")],
        evidence: "HTTP 204, InfluxDB 1.6.7~rc0",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // CUPS 2.4
    Vector {
        name: "ipp",
        service: Service::Ipp,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/ipp-0.bin")],
        evidence: "HTTP 200, CUPS/2.4 IPP/2.1, IPP status 0x0406",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // MIT krb5 1.20
    Vector {
        name: "kerberos-mit-tcp",
        service: Service::Kerberos,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/kerberos-mit-tcp-0.bin")],
        evidence: "Kerberos realm PORTICO.INVALID, KDC_ERR_C_PRINCIPAL_UNKNOWN",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // MIT krb5 1.20
    Vector {
        name: "kerberos-mit-udp",
        service: Service::Kerberos,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/kerberos-mit-udp-0.bin")],
        evidence: "Kerberos realm PORTICO.INVALID, KDC_ERR_C_PRINCIPAL_UNKNOWN",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "kerberos-tcp",
        service: Service::Kerberos,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/kerberos-tcp-0.bin")],
        evidence: "Kerberos realm PORTICO.INVALID, KDC_ERR_C_PRINCIPAL_UNKNOWN",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "kerberos-udp",
        service: Service::Kerberos,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/kerberos-udp-0.bin")],
        evidence: "Kerberos realm PORTICO.INVALID, KDC_ERR_C_PRINCIPAL_UNKNOWN",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // MIT krb5 1.20
    Vector {
        name: "kpasswd-mit-tcp",
        service: Service::Kpasswd,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/kpasswd-mit-tcp-0.bin")],
        evidence: "Kerberos password service: Kerberos realm MIT.EXAMPLE, KRB_ERR_GENERIC",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // MIT krb5 1.20
    Vector {
        name: "kpasswd-mit-udp",
        service: Service::Kpasswd,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/kpasswd-mit-udp-0.bin")],
        evidence: "Kerberos password service: Kerberos realm MIT.EXAMPLE, KRB_ERR_GENERIC",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "kpasswd-tcp",
        service: Service::Kpasswd,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/kpasswd-tcp-0.bin")],
        evidence: "Kerberos password service: Kerberos realm PROBE.EXAMPLE, error 2",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "kpasswd-udp",
        service: Service::Kpasswd,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/kpasswd-udp-0.bin")],
        evidence: "Kerberos password service: Kerberos realm PROBE.EXAMPLE, error 2",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // xl2tpd 1.3
    Vector {
        name: "l2tp",
        service: Service::L2tp,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/l2tp-0.bin")],
        evidence: "L2TP, takes tunnels",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // OpenLDAP 2.5
    Vector {
        name: "ldap-openldap",
        service: Service::Ldap,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/ldap-openldap-0.bin")],
        evidence: "namingContexts=dc=nodomain supportedLDAPVersion=3",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "ldap-udp",
        service: Service::Ldap,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/ldap-udp-0.bin")],
        evidence: "defaultNamingContext=DC=probe,DC=example supportedLDAPVersion=2 dnsHostName=dc1.probe.example namingContexts=DC=probe,DC=example",
        ends: false,
        starts_tls: false,
        has_open_end: true,
    },
    // Samba 4.17
    Vector {
        name: "ldap",
        service: Service::Ldap,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/ldap-0.bin")],
        evidence: "defaultNamingContext=DC=probe,DC=example supportedLDAPVersion=2 dnsHostName=dc1.probe.example namingContexts=DC=probe,DC=example",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // cups-lpd 2.4
    Vector {
        name: "lpd",
        service: Service::Lpd,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/lpd-0.bin")],
        evidence: "refuses the queue with 1",
        ends: true,
        starts_tls: false,
        has_open_end: false,
    },
    // LPRng 3.8
    Vector {
        name: "lpd-lprng",
        service: Service::Lpd,
        over: Over::Stream,
        answers: &[include_bytes!(
            "../../../tests/corpus/probe/lpd-lprng-0.bin"
        )],
        evidence: "refuses the queue with 3: spool queue for 'portico-probe' does not exist on server svc2.portico.test\\ncheck for correct printer name or you may need to run\\n'checkpc -f' to create queue",
        ends: true,
        starts_tls: false,
        has_open_end: true,
    },
    // MariaDB 10.11
    Vector {
        name: "mysql",
        service: Service::Mysql,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/mysql-0.bin")],
        evidence: "version 5.5.5-10.11.19-MariaDB-0+deb12u1",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "netbios-name",
        service: Service::NetbiosName,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/netbios-name-0.bin")],
        evidence: "NetBIOS names DC1, PROBE, __SAMBA__",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "netbios-session",
        service: Service::NetbiosSession,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/netbios-session-0.bin")],
        evidence: "NetBIOS session, accepted",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // chrony 4.3
    Vector {
        name: "ntp",
        service: Service::Ntp,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/ntp-0.bin")],
        evidence: "NTP, stratum 8",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Dovecot 2.3
    Vector {
        name: "pop3",
        service: Service::Pop3,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/pop3-0.bin"), include_bytes!("../../../tests/corpus/probe/pop3-1.bin")],
        evidence: "+OK Dovecot (Debian) ready.; POP3: CAPA, TOP, UIDL, RESP-CODES, PIPELINING, AUTH-RESP-CODE, USER, SASL PLAIN",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // PostgreSQL 15
    Vector {
        name: "postgres",
        service: Service::Postgres,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/postgres-0.bin"), include_bytes!("../../../tests/corpus/probe/postgres-1.bin")],
        evidence: "PostgreSQL without TLS: unsupported frontend protocol 9999.0: server supports 3.0 to 3.0",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // pptpd 1.4
    Vector {
        name: "pptp",
        service: Service::Pptp,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/pptp-0.bin")],
        evidence: "PPTP, local by linux",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // openbsd-inetd with echo(1)
    Vector {
        name: "quote-tcp",
        service: Service::Quote,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/quote-tcp-0.bin")],
        evidence: "A word a day keeps the doctor away.",
        ends: true,
        starts_tls: false,
        has_open_end: true,
    },
    // netkit rlogind
    Vector {
        name: "rlogin",
        service: Service::Rlogin,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/rlogin-0.bin")],
        evidence: "refuses as it should: rlogind: Permission denied.",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "wins-replication",
        service: Service::WinsReplication,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/wins-replication-0.bin")],
        evidence: "WINS replication, version 2.5",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "rpc-mapper",
        service: Service::RpcMapper,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/rpc-mapper-0.bin"), include_bytes!("../../../tests/corpus/probe/rpc-mapper-1.bin")],
        evidence: "RPC endpoint mapper, names 4 TCP ports",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "rpc",
        service: Service::Rpc,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/rpc-0.bin")],
        evidence: "RPC, has no endpoint mapper (result 2)",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Samba 4.17
    Vector {
        name: "smb",
        service: Service::Smb,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/smb-0.bin")],
        evidence: "SMB 3.0.2, signing required",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Postfix 3.7
    Vector {
        name: "smtp-tls",
        service: Service::Smtp,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/smtp-tls-0.bin"), include_bytes!("../../../tests/corpus/probe/smtp-tls-1.bin"), include_bytes!("../../../tests/corpus/probe/smtp-tls-2.bin")],
        evidence: "220 vm ESMTP Postfix (Debian/GNU); 220 2.0.0 Ready to start TLS",
        ends: false,
        starts_tls: true,
        has_open_end: false,
    },
    // Postfix 3.7
    Vector {
        name: "smtp",
        service: Service::Smtp,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/smtp-0.bin"), include_bytes!("../../../tests/corpus/probe/smtp-1.bin")],
        evidence: "220 vm ESMTP Postfix (Debian/GNU); no STARTTLS",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // Net-SNMP 5.9
    Vector {
        name: "snmp",
        service: Service::Snmp,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/snmp-0.bin")],
        evidence: "SNMP v3, engine 80001f88804b8a2e2307ef0b6b00000000",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // OpenSSH 9.2
    Vector {
        name: "ssh",
        service: Service::Ssh,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/ssh-0.bin")],
        evidence: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // inetutils-telnetd 2.4
    Vector {
        name: "telnet",
        service: Service::Telnet,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/telnet-0.bin")],
        evidence: "negotiates options as telnet does",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // tftpd-hpa 5.2
    Vector {
        name: "tftp",
        service: Service::Tftp,
        over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/tftp-0.bin")],
        evidence: "TFTP, error 1: File not found",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // TigerVNC 1.12
    Vector {
        name: "vnc",
        service: Service::Vnc,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/vnc-0.bin"), include_bytes!("../../../tests/corpus/probe/vnc-1.bin")],
        evidence: "RFB 003.008; VNC, security: none, VNC password",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // TigerVNC 1.12
    Vector {
        name: "x11",
        service: Service::X11,
        over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/x11-0.bin")],
        evidence: "X11, and lets every client in without a cookie",
        ends: false,
        starts_tls: false,
        has_open_end: false,
    },
    // MS-RDPBCGR 4.1.2, with the negotiation response of xrdp's kind: TLS
    Vector {
        name: "rdp", service: Service::Rdp, over: Over::Stream,
        answers: &[&[3, 0, 0, 0x13, 0x0e, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0]],
        evidence: "RDP with TLS", ends: false, starts_tls: true, has_open_end: false,
    },
    // BSD rshd(8) and rexecd(8)
    Vector {
        name: "rsh", service: Service::Rsh, over: Over::Stream,
        answers: &[b"\x01Permission denied.\n"],
        evidence: "refuses as it should: Permission denied.", ends: false, starts_tls: false,
        has_open_end: false,
    },
    Vector {
        name: "rexec", service: Service::Rexec, over: Over::Stream,
        answers: &[b"\x01Login incorrect.\n"],
        evidence: "refuses as it should: Login incorrect.", ends: false, starts_tls: false,
        has_open_end: false,
    },
    // RFC 1282: the zero byte, and the question of login(1)
    Vector {
        name: "rlogin-accepted", service: Service::Rlogin, over: Over::Stream,
        answers: &[b"\0P"],
        evidence: "takes the connection and goes on to the log-on", ends: false, starts_tls: false,
        has_open_end: false,
    },
    // MS-TDS 2.2.6.5, server version 15.0.2000
    Vector {
        name: "tds", service: Service::Tds, over: Over::Stream,
        answers: &[&[
            4, 1, 0, 0x1a, 0, 0, 1, 0, 0, 0, 0x0b, 0, 6, 1, 0, 0x11, 0, 1, 0xff, 0x0f, 0, 0x07, 0xd0,
            0, 0, 0,
        ]],
        evidence: "SQL Server 15.0.2000", ends: false, starts_tls: false, has_open_end: false,
    },
    // MC-SQLR 2.2.5
    Vector {
        name: "sql-browser", service: Service::SqlBrowser, over: Over::Datagram,
        answers: &[b"\x05\x23\x00ServerName;A;InstanceName;B;tcp;1;;"],
        evidence: "ServerName;A;InstanceName;B;tcp;1;;", ends: false, starts_tls: false,
        has_open_end: false,
    },
    // MS-RDPEUDP 2.2.2.1 and 3.1.5.1.3: SYN and ACK of our sequence number
    Vector {
        name: "rdp-udp", service: Service::RdpUdp, over: Over::Datagram,
        answers: &[b"Port\x00\x40\x00\x05\x01\x02\x03\x04\x04\xd0\x04\xd0"],
        evidence: "RDP over UDP, takes connections", ends: false, starts_tls: false,
        has_open_end: false,
    },
    // UPnP Device Architecture 1.1, section 1.3.3
    Vector {
        name: "ssdp", service: Service::Ssdp, over: Over::Datagram,
        answers: &[b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1\r\nSERVER: OS/1 UPnP/1.1 x/1\r\n\r\n"],
        evidence: "SSDP, OS/1 UPnP/1.1 x/1", ends: false, starts_tls: false, has_open_end: false,
    },
    // DSP0226 section 11, as Windows answers a stranger (MS-WSMV 3.1.4.1.30)
    Vector {
        name: "winrm", service: Service::WinRm, over: Over::Stream,
        answers: &[b"HTTP/1.1 200 \r\nContent-Length: 88\r\n\r\n<wsmid:IdentifyResponse><wsmid:ProductVendor>V</wsmid:ProductVendor></IdentifyResponse>."],
        evidence: "HTTP 200, V", ends: false, starts_tls: false, has_open_end: false,
    },
    Vector {
        name: "winrm-401", service: Service::WinRm, over: Over::Stream,
        answers: &[b"HTTP/1.1 401 \r\nServer: Microsoft-HTTPAPI/2.0\r\nWWW-Authenticate: Negotiate\r\n\r\n"],
        evidence: "HTTP 401, Microsoft-HTTPAPI/2.0, asks for Negotiate", ends: false,
        starts_tls: false, has_open_end: false,
    },
    // MS-TSGU 3.2.5.3.1 and MS-RPCH 3.2.2.5.6: both ask who is there
    Vector {
        name: "rd-gateway", service: Service::RdGateway, over: Over::Stream,
        answers: &[b"HTTP/1.1 401 Unauthorized\r\nServer: Microsoft-IIS/10.0\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n\r\n"],
        evidence: "HTTP 401, Microsoft-IIS/10.0, asks for Negotiate, NTLM", ends: false,
        starts_tls: false, has_open_end: false,
    },
    // RFC 2326 section 10.1
    Vector {
        name: "rtsp", service: Service::Rtsp, over: Over::Stream,
        answers: &[b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP\r\n\r\n"],
        evidence: "RTSP 200, DESCRIBE, SETUP", ends: false, starts_tls: false, has_open_end: false,
    },
    // RFC 3977 section 7.1.3
    Vector {
        name: "nntp", service: Service::Nntp, over: Over::Stream,
        answers: &[b"201 NNTP Service Ready, posting prohibited\r\n", b"111 19990623135624\r\n"],
        evidence: "201 NNTP Service Ready, posting prohibited; 111 19990623135624", ends: false,
        starts_tls: false, has_open_end: false,
    },
    // RFC 8555 section 7.1.1
    Vector {
        name: "acme", service: Service::Acme, over: Over::Stream,
        answers: &[b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 39\r\n\r\n{\"newNonce\": \"https://example.com/non\"}"],
        evidence: "HTTP 200", ends: false, starts_tls: false, has_open_end: false,
    },
    // RFC 9112 section 2.1
    Vector {
        name: "http", service: Service::Http, over: Over::Stream,
        answers: &[b"HTTP/1.1 404 Not Found\r\nServer: example\r\n\r\n"],
        evidence: "HTTP 404, example", ends: false, starts_tls: false, has_open_end: false,
    },
    // The answer of dnsmasq as RFC 2131 section 4.1 has it: no padding
    Vector {
        name: "dhcp-short", service: Service::Dhcp, over: Over::Datagram,
        answers: &[include_bytes!("../../../tests/corpus/probe/dhcp-made-0.bin")],
        evidence: "DHCP, server 198.18.77.1, name servers 198.18.77.1, domain probe.example",
        ends: false, starts_tls: false, has_open_end: false,
    },
    // RFC 6347 section 4.2.1 and RFC 5246 section 7.4.1.3: a server that wants no cookie
    Vector {
        name: "dtls-hello", service: Service::Dtls, over: Over::Datagram,
        answers: &[&[
            22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 2, 0, 0, 38, 0, 0, 0, 0, 0, 0, 0, 38,
            0xfe, 0xfd, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1,
            2, 3, 4, 5, 6, 7, 8, 0, 0xc0, 0x2f, 0,
        ]],
        evidence: "DTLS 1.2, begins the handshake", ends: false, starts_tls: false,
        has_open_end: false,
    },
    // RFC 5246 section 7.2: handshake_failure
    Vector {
        name: "dtls-alert", service: Service::Dtls, over: Over::Datagram,
        answers: &[&[21, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]],
        evidence: "DTLS, refuses the handshake with alert 40 (level 2)", ends: false,
        starts_tls: false, has_open_end: false,
    },
    // MS-MQQB 2.2.7 and 3.1.7.7
    Vector {
        name: "msmq-ping", service: Service::MsmqPing, over: Over::Datagram,
        answers: &[b"\x01\0\x48\x55Port\x90\x9e\xa0\xfc\x90\x78\x44\x45\x8f\x11\x39\x4c\x43\xcd\x89\x07"],
        evidence: "message queuing, takes sessions, queue manager fca09e90-7890-4544-8f11-394c43cd8907",
        ends: false, starts_tls: false, has_open_end: false,
    },
    // MS-MQQB 2.2.3, with the fields of the example in 4.1.4
    Vector {
        name: "msmq", service: Service::Msmq, over: Over::Stream,
        answers: &[include_bytes!("../../../tests/corpus/probe/msmq-made-0.bin")],
        evidence: "message queuing, queue manager fca09e90-7890-4544-8f11-394c43cd8907",
        ends: false, starts_tls: false, has_open_end: false,
    },
    // MS-RPCH 2.1.2.2.1
    Vector {
        name: "rpc-http-server", service: Service::RpcHttpServer, over: Over::Stream,
        answers: &[b"ncacn_http/1.0"],
        evidence: "RPC over HTTP, ncacn_http/1.0", ends: false, starts_tls: false,
        has_open_end: false,
    },
    // C706 section 12.6.4.7: nca_s_fault_access_denied for the list
    Vector {
        name: "rpc-mapper-fault", service: Service::RpcMapper, over: Over::Stream,
        answers: &[
            include_bytes!("../../../tests/corpus/probe/rpc-mapper-0.bin"),
            b"\x05\0\x03\x03\x10\0\0\0\x20\0\0\0Port\x20\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0",
        ],
        evidence: "RPC endpoint mapper, keeps its list to itself (fault 0x00000005)", ends: false,
        starts_tls: false, has_open_end: false,
    },
    // MC-NMF 2.2.5
    Vector {
        name: "net-tcp", service: Service::NetTcp, over: Over::Stream,
        answers: &[b"\x08\x47http://schemas.microsoft.com/ws/2006/05/framing/faults/EndpointNotFound"],
        evidence: "WCF over TCP, answers EndpointNotFound", ends: false, starts_tls: false,
        has_open_end: false,
    },
];
