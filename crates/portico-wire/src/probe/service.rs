//! The services that can be proven, and which function speaks for each.

use super::{
    Ask, Heard, Reading, database, dhcp, directory, dtls, framing, greeting, http, kerberos, login,
    names, queuing, radius, rpc, screen, simple, snmp, tunnel, windows, wins,
};

/// What carries an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Over {
    /// TCP, or TLS over it.
    Stream,
    /// UDP.
    Datagram,
}

macro_rules! services {
    ($($variant:ident $name:literal $doc:literal),+ $(,)?) => {
        /// A service that can be proven.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Service {
            $(#[doc = $doc] $variant,)+
        }

        impl Service {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Name to show.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

services! {
    Ssh "SSH" "Secure Shell.",
    Smtp "SMTP" "Mail, with STARTTLS where it is offered.",
    Pop3 "POP3" "Mailboxes, with STLS where it is offered.",
    Imap "IMAP" "Mailboxes, with STARTTLS where it is offered.",
    Nntp "NNTP" "News.",
    Ftp "FTP" "Control connection of FTP.",
    Telnet "telnet" "Telnet.",
    Rlogin "rlogin" "BSD remote log-on; servers want a privileged port of the client.",
    Rexec "rexec" "BSD remote execution with a password.",
    Rsh "rsh" "BSD remote shell; servers want a privileged port of the client.",
    Lpd "LPD" "Line printer daemon.",
    Echo "echo" "Sends back.",
    Daytime "daytime" "Time as text.",
    Quote "quote of the day" "A quote.",
    Chargen "chargen" "A ring of characters.",
    Ntp "NTP" "Time.",
    Tftp "TFTP" "Trivial file transfer; answers come from another port.",
    Vnc "VNC" "Remote frame buffer.",
    X11 "X11" "X server.",
    Rdp "RDP" "Remote Desktop over TCP.",
    RdpUdp "RDP over UDP" "Remote Desktop over UDP.",
    Mysql "MySQL" "MySQL and MariaDB.",
    Postgres "PostgreSQL" "PostgreSQL, with TLS where it is offered.",
    Tds "SQL Server" "SQL Server.",
    SqlBrowser "SQL Server Browser" "Lists the instances of SQL Server.",
    Http "HTTP" "Any web server.",
    WinRm "WinRM" "WS-Management.",
    Ipp "IPP" "Internet Printing Protocol.",
    RdGateway "RD Gateway" "Gateway for RDP in HTTPS.",
    RpcOverHttp "RPC over HTTP" "RPC in HTTP.",
    InfluxDb "InfluxDB" "InfluxDB over HTTP.",
    Etcd "etcd" "etcd over HTTP.",
    Acme "ACME" "Directory of a certificate authority.",
    Portal "Portico's portal" "The portal of Portico itself.",
    Rtsp "RTSP" "Control of streams.",
    Ssdp "SSDP" "Discovery of devices; answers may come from another port.",
    Dns "DNS" "Names.",
    NetbiosName "NetBIOS name service" "NetBIOS names, and WINS.",
    NetbiosSession "NetBIOS session service" "SMB of old.",
    Ldap "LDAP" "Directory: LDAP, LDAPS, global catalogue, CLDAP.",
    Kerberos "Kerberos" "KDC.",
    Kpasswd "Kerberos password service" "Change of passwords.",
    Snmp "SNMP" "Management, by discovery of version 3.",
    SnmpCommunity "SNMP v2c" "Management, by a community.",
    Radius "RADIUS" "Checks users, for who knows the shared secret.",
    RadiusAccounting "RADIUS accounting" "Counts users, for who knows the shared secret.",
    Dhcp "DHCP" "Settings of clients; servers answer port 68.",
    Dtls "DTLS" "Anything in TLS over UDP.",
    MsmqPing "MSMQ ping" "Whether a queue manager is near.",
    Msmq "MSMQ" "Message queuing.",
    NetTcp "WCF over TCP" "Services of WCF, such as the web services of Active Directory.",
    WinsReplication "WINS replication" "WINS servers among themselves.",
    Smb "SMB" "SMB2 and 3.",
    RpcMapper "RPC endpoint mapper" "Where RPC interfaces listen.",
    Rpc "RPC" "Any RPC server over TCP.",
    RpcHttpServer "RPC over HTTP without its proxy" "What the proxy of RPC over HTTP leads to.",
    Pptp "PPTP" "Control connection of PPTP.",
    L2tp "L2TP" "Tunnels.",
    Ike "IKE" "Key exchange of IPsec.",
    IkeNat "IKE behind NAT" "The same on 4500/udp.",
}

impl Service {
    /// What carries it, the usual one first.
    pub const fn carriers(self) -> &'static [Over] {
        match self {
            Self::Dns | Self::Ldap | Self::Echo | Self::Daytime | Self::Quote | Self::Chargen => {
                &[Over::Stream, Over::Datagram]
            }
            Self::Kerberos | Self::Kpasswd => &[Over::Stream, Over::Datagram],
            Self::Ntp | Self::Tftp | Self::RdpUdp | Self::SqlBrowser | Self::Ssdp => {
                &[Over::Datagram]
            }
            Self::NetbiosName | Self::Snmp | Self::L2tp | Self::Ike | Self::IkeNat => {
                &[Over::Datagram]
            }
            Self::SnmpCommunity | Self::Dhcp | Self::Dtls | Self::MsmqPing => &[Over::Datagram],
            Self::Radius | Self::RadiusAccounting => &[Over::Datagram, Over::Stream],
            _ => &[Over::Stream],
        }
    }

    /// Whether an answer comes from a port other than the one that was asked.
    pub const fn answers_from_other_port(self) -> bool {
        matches!(self, Self::Tftp | Self::Ssdp | Self::L2tp)
    }

    /// Whether servers answer only who knows a secret.
    pub const fn wants_secret(self) -> bool {
        matches!(
            self,
            Self::SnmpCommunity | Self::Radius | Self::RadiusAccounting
        )
    }

    /// Port of the client to which servers answer, whichever port was asked from.
    pub const fn answers_to_port(self) -> Option<u16> {
        match self {
            Self::Dhcp => Some(68),
            _ => None,
        }
    }

    /// Whether servers want the client to have a port below 1024.
    pub const fn wants_privileged_port(self) -> bool {
        matches!(self, Self::Rlogin | Self::Rsh)
    }
}

/// What is asked: for the first time (`asked` is zero), and when nothing was answered again.
pub(super) fn question(ask: &Ask, asked: u32) -> Vec<u8> {
    use Service as S;
    match ask.service {
        // They speak first, or as soon as somebody is there.
        S::Ssh | S::Smtp | S::Pop3 | S::Imap | S::Nntp | S::Ftp | S::Vnc | S::Mysql => Vec::new(),
        S::RpcHttpServer => Vec::new(),
        S::Daytime | S::Quote | S::Chargen => match ask.over {
            Over::Stream => Vec::new(),
            // Any datagram asks.
            Over::Datagram => b"\r\n".to_vec(),
        },
        S::Telnet => login::TELNET_OPENING.to_vec(),
        S::Rlogin => login::rlogin_opening(),
        S::Rexec => login::REXEC_OPENING.to_vec(),
        S::Rsh => login::rsh_opening(),
        S::Lpd => login::lpd_opening(),
        S::Echo => simple::echo_opening(ask),
        S::Ntp => simple::ntp_opening(ask),
        S::Tftp => simple::tftp_opening(ask),
        S::X11 => screen::X11_OPENING.to_vec(),
        S::Rdp => screen::rdp_opening(),
        S::RdpUdp => screen::rdp_udp_opening(ask),
        S::Postgres => database::POSTGRES_OPENING.to_vec(),
        S::Tds => database::TDS_OPENING.to_vec(),
        S::SqlBrowser => database::SQL_BROWSER_OPENING.to_vec(),
        S::Http | S::WinRm | S::Ipp | S::RdGateway | S::RpcOverHttp => http::opening(ask),
        S::InfluxDb | S::Etcd | S::Acme | S::Portal => http::opening(ask),
        S::Rtsp => http::rtsp_opening(),
        S::Ssdp => http::ssdp_opening(ask),
        S::Dns => names::dns_opening(ask),
        S::NetbiosName => names::netbios_name_opening(ask),
        S::NetbiosSession => windows::session_opening(),
        S::Ldap => directory::opening(),
        S::Kerberos => kerberos::opening(ask),
        S::Kpasswd => kerberos::password_opening(ask),
        S::Snmp => snmp::opening(ask),
        S::SnmpCommunity => snmp::community_question(ask, asked),
        S::Radius | S::RadiusAccounting => radius::question(ask, asked),
        S::Dhcp => dhcp::opening(ask),
        S::Dtls => dtls::opening(ask),
        S::MsmqPing => queuing::ping_opening(ask),
        S::Msmq => queuing::session_opening(ask),
        S::NetTcp => framing::opening(),
        S::WinsReplication => wins::opening(ask),
        S::Smb => windows::smb_opening(ask),
        S::RpcMapper | S::Rpc => rpc::opening(ask),
        S::Pptp => tunnel::pptp_opening(),
        S::L2tp => tunnel::l2tp_opening(ask),
        S::Ike => tunnel::ike_opening(ask, false),
        S::IkeNat => tunnel::ike_opening(ask, true),
    }
}

pub(super) fn read(ask: &Ask, step: u8, heard: Heard<'_>) -> Reading {
    use Service as S;
    match ask.service {
        S::Ssh => greeting::ssh(heard),
        S::Smtp => greeting::smtp(step, heard),
        S::Pop3 => greeting::pop3(step, heard),
        S::Imap => greeting::imap(step, heard),
        S::Nntp => greeting::nntp(step, heard),
        S::Ftp => greeting::ftp(step, heard),
        S::Telnet => login::telnet(heard),
        S::Rlogin => login::rlogin(heard),
        S::Rexec => login::rexec(heard),
        S::Rsh => login::rsh(heard),
        S::Lpd => login::lpd(step, heard),
        S::Echo => simple::echo(ask, heard),
        S::Daytime => simple::daytime(heard),
        S::Quote => simple::quote(ask, heard),
        S::Chargen => simple::chargen(ask, heard),
        S::Ntp => simple::ntp(ask, heard),
        S::Tftp => simple::tftp(heard),
        S::Vnc => screen::vnc(step, heard),
        S::X11 => screen::x11_setup(heard),
        S::Rdp => screen::rdp(heard),
        S::RdpUdp => screen::rdp_udp(ask, heard),
        S::Mysql => database::mysql(heard),
        S::Postgres => database::postgres(step, heard),
        S::Tds => database::tds(heard),
        S::SqlBrowser => database::sql_browser(heard),
        S::Http | S::WinRm | S::Ipp | S::RdGateway | S::RpcOverHttp => http::read(ask, heard),
        S::InfluxDb | S::Etcd | S::Acme | S::Portal => http::read(ask, heard),
        S::Rtsp => http::rtsp(heard),
        S::Ssdp => http::ssdp(heard),
        S::Dns => names::dns(ask, heard),
        S::NetbiosName => names::netbios_name(ask, heard),
        S::NetbiosSession => windows::session(heard),
        S::Ldap => directory::read(ask, heard),
        S::Kerberos => kerberos::read(ask, heard),
        S::Kpasswd => kerberos::password(ask, heard),
        S::Snmp => snmp::read(ask, heard),
        S::SnmpCommunity => snmp::by_community(ask, heard),
        S::Radius | S::RadiusAccounting => radius::read(ask, heard),
        S::Dhcp => dhcp::read(ask, heard),
        S::Dtls => dtls::read(heard),
        S::MsmqPing => queuing::ping(ask, heard),
        S::Msmq => queuing::session(ask, heard),
        S::NetTcp => framing::read(heard),
        S::WinsReplication => wins::read(ask, heard),
        S::Smb => windows::smb(ask, heard),
        S::RpcMapper => rpc::mapper(ask, step, heard),
        S::Rpc => rpc::bind(ask, heard),
        S::RpcHttpServer => rpc::http_greeting(heard),
        S::Pptp => tunnel::pptp(heard),
        S::L2tp => tunnel::l2tp(ask, heard),
        S::Ike => tunnel::ike(ask, heard, false),
        S::IkeNat => tunnel::ike(ask, heard, true),
    }
}
