//! What the planner starts from: the hosts of an estate, as far as their traffic is concerned.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::flow::{OsGeneration, Transport};

/// An estate as the planner sees it. Made by `portico-estate`, which has checked every name in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// Parts of the network between which there are firewalls; may be none.
    pub zones: Vec<Zone>,
    /// Features that are on or off everywhere, by id; others are as the catalogue says.
    pub features: BTreeMap<String, bool>,
    /// Whether optional flows are planned, too.
    pub with_optional: bool,
    /// The hosts, in the order of the estate; their ids differ.
    pub hosts: Vec<DeployedHost>,
}

/// A part of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Id.
    pub id: String,
    /// Name to show. Free text.
    pub title: String,
    /// Its networks, which overlap with those of no other zone.
    pub networks: Vec<IpNet>,
}

/// A host and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedHost {
    /// Id.
    pub id: String,
    /// Name to show. Free text.
    pub title: String,
    /// Its roles, in the names of the catalogue, without those that they include.
    pub roles: Vec<String>,
    /// Where it is; one at least.
    pub addresses: Vec<Address>,
    /// Zone, by id.
    pub zone: Option<String>,
    /// Site, by id.
    pub site: Option<String>,
    /// Operating system, if the estate tells.
    pub os: Option<OsGeneration>,
    /// Features that are on or off on this host, before those of the estate.
    pub features: BTreeMap<String, bool>,
    /// Ports on which this host listens instead of those of the catalogue.
    pub ports: BTreeMap<PortKey, u16>,
    /// Ids of the hosts, zones and sites that it opens connections to; `None`: any.
    pub reaches: Option<Vec<String>>,
}

/// Which listener a port of the estate is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PortKey {
    /// The one that the catalogue has at this port: `3389/tcp`.
    Default(u16, Transport),
    /// The one whose port the documents leave open, by the name in
    /// [`Condition::PortGiven`](crate::Condition::PortGiven).
    Named(String),
}

/// Where a host is, or many like it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// One address.
    Ip(IpAddr),
    /// A network of hosts that are all alike, such as clients.
    Network(IpNet),
    /// A name, which firewalls may not be able to use.
    Name(String),
}
