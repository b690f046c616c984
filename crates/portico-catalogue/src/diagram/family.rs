//! Families of application protocols: what a colour and a mark of the picture stand for.

use serde::Serialize;

use crate::flow::{Flow, Transport};

/// What a flow is for, roughly. In the order in which a short label names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Desktops, applications and terminals.
    Display,
    /// Web pages and interfaces over HTTP.
    Web,
    /// What the parts of one product say to each other.
    Product,
    /// Sign-in and directories.
    Directory,
    /// Files, print and mail.
    Files,
    /// Remote procedure calls and administration.
    Administration,
    /// Names, addresses and time.
    Names,
    /// Everything else.
    Other,
}

/// Words of protocol names; the first line that has a word of the name tells its family.
const WORDS: [(Family, &str); 7] = [
    (
        Family::Display,
        "rdp ssh telnet x11 aip ica pcoip vnc rexec rlogin rcmd terminal wincenter",
    ),
    // Before the directory: HTTP may carry Kerberos.
    (Family::Web, "http https websocket"),
    (
        Family::Directory,
        "ldap ldaps kerberos radius locator catalog directory securid",
    ),
    (Family::Names, "dns dhcp madcap ntp sntp wins name"),
    (
        Family::Files,
        "smb cifs nfs ftp tftp lpd ipp smtp pop3 imap nntp print session",
    ),
    (Family::Names, "netbios"),
    (Family::Administration, "rpc wmi dcom winrm snmp icmp"),
];

impl Family {
    /// All, in order.
    pub const ALL: [Self; 8] = [
        Self::Display,
        Self::Web,
        Self::Product,
        Self::Directory,
        Self::Files,
        Self::Administration,
        Self::Names,
        Self::Other,
    ];

    /// The family of a flow, by the protocol that it carries.
    pub fn of(flow: &Flow) -> Self {
        let protocol = flow.application_protocol.to_lowercase();
        if let Some((family, _)) = WORDS.iter().find(|(_, known)| {
            words(&protocol).any(|word| known.split(' ').any(|known| known == word))
        }) {
            return *family;
        }
        if flow.transport == Transport::Icmp {
            return Self::Administration;
        }
        let product = |role: &str| role.split('.').next().map(str::to_owned);
        let same = product(&flow.from) == product(&flow.to);
        if same && !flow.from.starts_with("windows.") {
            Self::Product
        } else {
            Self::Other
        }
    }

    /// Name to show.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Display => "Desktops and terminals",
            Self::Web => "Web",
            Self::Product => "Product's own",
            Self::Directory => "Directory and sign-in",
            Self::Files => "Files, print and mail",
            Self::Administration => "RPC and administration",
            Self::Names => "Names and time",
            Self::Other => "Other",
        }
    }

    /// Name in class names and identifiers.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Display => "display",
            Self::Web => "web",
            Self::Product => "product",
            Self::Directory => "directory",
            Self::Files => "files",
            Self::Administration => "administration",
            Self::Names => "names",
            Self::Other => "other",
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}
