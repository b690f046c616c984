//! Where the hosts of an estate are in the network and what they do there, as far as the port
//! planner needs to know it. Names of roles, features and operating systems are those of the port
//! catalogue; `portico-estate` has checked them.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{SiteId, ZoneId};

/// What holds for the port plan of the whole estate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSettings {
    /// Whether flows are planned that are not needed for the service to work.
    pub optional: bool,
    /// Features that are on or off; others are as the catalogue says.
    pub features: BTreeMap<String, bool>,
}

/// A part of the network; between zones there are firewalls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Name to show. Free text.
    pub title: String,
    /// Its networks; those of different zones do not overlap.
    pub networks: Vec<IpNet>,
}

/// A host on which Portico runs no sessions: it is in the estate for its ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherHost {
    /// Name to show. Free text.
    pub title: String,
    /// Its roles, one at least.
    pub roles: Vec<String>,
    /// Where it stands.
    pub site: Option<SiteId>,
    /// Where it is in the network; one address at least.
    pub network: HostNetwork,
}

/// Where a host is in the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostNetwork {
    /// Addresses, networks (of hosts that are all alike) and names; of a session host those
    /// beside the one that the gateway dials.
    pub addresses: Vec<String>,
    /// Zone; by the addresses when absent.
    pub zone: Option<ZoneId>,
    /// Operating system.
    pub os: Option<String>,
    /// Features that are on or off here.
    pub features: BTreeMap<String, bool>,
    /// Ports on which it listens: by the port of the catalogue (`443/tcp`), or by name where the
    /// documents leave the port open.
    pub ports: BTreeMap<String, u16>,
    /// Hosts, zones and sites that it opens connections to; any when absent.
    pub reaches: Option<Vec<String>>,
}
