//! The kinds of objects an estate has.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kind of an object of the estate, in the order of the file and of plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Names and notice of the site; there is one, and it has no id.
    Site,
    /// A place that clients and hosts are at.
    ClientSite,
    /// A part of the network.
    Zone,
    /// What holds for the port plan; there is one, and it has no id.
    Ports,
    /// A pool.
    Pool,
    /// A host.
    Host,
    /// A published resource.
    Resource,
    /// An entitlement.
    Entitlement,
    /// A session policy.
    SessionPolicy,
    /// A group.
    Group,
    /// A user.
    User,
}

impl Kind {
    /// Name of its section in the file.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::ClientSite => "sites",
            Self::Zone => "zones",
            Self::Ports => "ports",
            Self::Pool => "pools",
            Self::Host => "hosts",
            Self::Resource => "resources",
            Self::Entitlement => "entitlements",
            Self::SessionPolicy => "session_policies",
            Self::Group => "groups",
            Self::User => "users",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Site => "site",
            Self::ClientSite => "client site",
            Self::Zone => "zone",
            Self::Ports => "port plan",
            Self::Pool => "pool",
            Self::Host => "host",
            Self::Resource => "resource",
            Self::Entitlement => "entitlement",
            Self::SessionPolicy => "session policy",
            Self::Group => "group",
            Self::User => "user",
        })
    }
}
