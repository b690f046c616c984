//! What the port plan needs: zones, hosts that are in the estate for their ports only, and where
//! each host is in the network.

use std::collections::BTreeMap;

use portico_catalogue::{Catalogue, Condition, OsGeneration, Transport};
use portico_model::{
    HostId, ZoneId,
    estate::Host,
    network::{HostNetwork, OtherHost, PortSettings, Zone},
};

use super::{
    hosts::{self, optional, short_list},
    reader::Reader,
    resources::networks,
};
use crate::{
    Kind,
    deployment::port_key,
    document::{Item, Table, Wrong, shortened},
    limits, values,
};

/// What a `[[hosts]]` describes.
pub(super) enum Described {
    /// A host that runs sessions.
    Session(Box<Host>),
    /// One that is there for its ports.
    Other(OtherHost),
}

const FEATURES_FORM: &str = "a table of features, such as { \"rds.gateway-udp\" = false }";
const PORTS_FORM: &str = "a table of ports, such as { \"443/tcp\" = 8443 }";

pub(super) fn host<'d>(
    reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    id: &HostId,
) -> Option<Described> {
    // A host without pool runs no sessions of Portico; one without either has lost its pool.
    if table.has("pool") || !table.has("roles") {
        hosts::host(reader, table, id).map(|host| Described::Session(Box::new(host)))
    } else {
        other_host(reader, table, id).map(Described::Other)
    }
}

fn other_host<'d>(
    reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    id: &HostId,
) -> Option<OtherHost> {
    let title = optional(table, "title", |item| item.parsed("a name", values::title));
    let roles = table.optional("roles").and_then(|item| {
        let roles = roles(&item)?;
        if item.list("").is_some_and(|written| written.is_empty()) {
            item.wrong(Wrong::new(
                "is empty",
                "name at least one role; `portico ports roles` lists them",
            ));
        }
        Some(roles)
    });
    let site = optional(table, "site", |item| {
        reader.reference(Kind::ClientSite, item).map(Some)
    });
    let address = optional(table, "address", |item| {
        item.parsed("an address", values::host_address)
    });
    let mut network = host_network(reader, table)?;
    if let Some(address) = address? {
        network.addresses.insert(0, address);
    }
    if network.addresses.is_empty() {
        table.required(
            "address",
            "address = \"…\", an IP address, a network of hosts that are alike, or a host name; \
             or addresses = [\"…\"]",
        );
        return None;
    }
    let roles = roles?;
    Some(OtherHost {
        title: title?.unwrap_or_else(|| id.to_string()),
        roles,
        site: site?.flatten(),
        network,
    })
}

/// The keys that every host may have.
pub(super) fn host_network<'d>(
    reader: &mut Reader<'d>,
    table: &mut Table<'d>,
) -> Option<HostNetwork> {
    let addresses = optional(table, "addresses", |item| {
        short_list(
            item,
            "a list of addresses, such as [\"10.0.0.11\", \"2001:db8::11\"]",
            |item| item.parsed("an address", values::host_address),
        )
    });
    let zone = optional(table, "zone", |item| {
        reader.reference(Kind::Zone, item).map(Some)
    });
    let os = optional(table, "os", |item| item.choice(&os_choices()));
    let features = optional(table, "features", features);
    let ports = optional(table, "ports", ports);
    let reaches = optional(table, "reaches", |item| {
        let reached = short_list(item, "a list of ids of hosts, zones and sites", |element| {
            let text = element.text("the id of a host, zone or site")?;
            reader.reference_to_place(text, element);
            Some(text.to_owned())
        })?;
        Some(Some(reached))
    });
    Some(HostNetwork {
        addresses: addresses?.unwrap_or_default(),
        zone: zone?.flatten(),
        os: os?.map(str::to_owned),
        features: features?.unwrap_or_default(),
        ports: ports?.unwrap_or_default(),
        reaches: reaches?.flatten(),
    })
}

fn os_choices() -> Vec<(&'static str, &'static str)> {
    OsGeneration::NAMES
        .iter()
        .map(|(name, _)| (*name, *name))
        .collect()
}

pub(super) fn zone<'d>(
    _reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    id: &ZoneId,
) -> Option<Zone> {
    let title = optional(table, "title", |item| item.parsed("a name", values::title));
    let networks = optional(table, "networks", networks);
    Some(Zone {
        title: title?.unwrap_or_else(|| id.to_string()),
        networks: networks?.unwrap_or_default(),
    })
}

/// `[ports]`.
pub(super) fn settings(root: &mut Table<'_>) -> Option<PortSettings> {
    let mut table = root.optional("ports")?.table("a section [ports]")?;
    let is_optional = optional(&mut table, "optional", Item::truth);
    let features = optional(&mut table, "features", features);
    table.finish();
    Some(PortSettings {
        optional: is_optional?.unwrap_or_default(),
        features: features?.unwrap_or_default(),
    })
}

/// Roles of the catalogue; each is one that it knows.
pub(super) fn roles(item: &Item<'_>) -> Option<Vec<String>> {
    let catalogue = Catalogue::portico();
    short_list(
        item,
        "a list of roles, such as [\"portico.session-host\"]",
        |item| {
            let role = item.parsed("the name of a role", values::role)?;
            if catalogue.role(&role).is_some() {
                return Some(role);
            }
            let known = catalogue.roles().map(|role| role.id.as_str());
            let hint = item.document().did_you_mean(&role, known);
            item.wrong(Wrong::new(
                format!("\"{role}\" is no role of the port catalogue"),
                format!("give one that `portico ports roles` lists{hint}"),
            ));
            None
        },
    )
}

fn features(item: &Item<'_>) -> Option<BTreeMap<String, bool>> {
    let catalogue = Catalogue::portico();
    let mut features = BTreeMap::new();
    for (name, value) in item.table(FEATURES_FORM)?.entries() {
        if catalogue.feature(name).is_none() {
            let known = catalogue.features().map(|feature| feature.id.as_str());
            let hint = item.document().did_you_mean(name, known);
            value.wrong(Wrong::new(
                format!(
                    "\"{}\" is no feature of the port catalogue",
                    shortened(name)
                ),
                format!("give one that `portico ports roles --features` lists{hint}"),
            ));
            continue;
        }
        if let Some(is_on) = value.truth() {
            features.insert(name.to_owned(), is_on);
        }
    }
    Some(features)
}

fn ports(item: &Item<'_>) -> Option<BTreeMap<String, u16>> {
    let entries = item.table(PORTS_FORM)?.entries();
    if entries.len() > limits::LIST_LEN_MAX {
        item.wrong(Wrong::new(
            format!("has {} entries", entries.len()),
            format!("give at most {}", limits::LIST_LEN_MAX),
        ));
        return None;
    }
    let mut ports = BTreeMap::new();
    for (name, value) in entries {
        if let Err(wrong) = known_port(name, &value) {
            value.wrong(wrong);
            continue;
        }
        let port = value.whole_number(1..=u32::from(u16::MAX));
        if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
            ports.insert(name.to_owned(), port);
        }
    }
    Some(ports)
}

fn known_port(name: &str, value: &Item<'_>) -> Result<(), Wrong> {
    use portico_catalogue::plan::PortKey;
    let flows = || Catalogue::portico().flows();
    let (found, known): (bool, Vec<String>) = match port_key(name) {
        Some(PortKey::Default(port, transport)) => {
            let is_there = flows().any(|flow| {
                flow.transport == transport
                    && flow.ports.iter().any(|range| {
                        range.first == port && range.last == port && range.formula.is_none()
                    })
            });
            let wire = if transport == Transport::Tcp {
                "udp"
            } else {
                "tcp"
            };
            (is_there, vec![format!("{port}/{wire}")])
        }
        Some(PortKey::Named(name)) => {
            let names = flows()
                .flat_map(|flow| &flow.conditions)
                .filter_map(|condition| match condition {
                    Condition::PortGiven { name, .. } => Some(name.clone()),
                    _ => None,
                });
            let names: Vec<String> = names.collect();
            (names.contains(&name), names)
        }
        None => (false, Vec::new()),
    };
    if found {
        return Ok(());
    }
    let hint = value
        .document()
        .did_you_mean(name, known.iter().map(String::as_str));
    Err(Wrong::new(
        format!(
            "\"{}\" is neither a port of the catalogue nor the name of one that it leaves open",
            shortened(name)
        ),
        format!(
            "write the port and its transport as the catalogue has them, such as \"443/tcp\"{hint}"
        ),
    ))
}
