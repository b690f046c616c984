//! What can only be checked when the whole file is read: that ids exist, that groups have no
//! cycles, that a pool has hosts for the protocol of its resources.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use portico_model::{
    GroupId, SiteId, ZoneId,
    estate::{Estate, Group, Protocol, ResourceKind},
};

use super::reader::Reader;
use crate::{Kind, document::Nature};

pub(super) fn check(reader: &Reader<'_>, estate: &Estate) {
    missing(reader);
    cycles(reader, &estate.groups);
    protocols(reader, estate);
    networks(reader, estate);
    zones(reader, estate);
    reached(reader);
}

/// Reports networks of a zone that lie in one of another zone: which firewall stands between?
fn zones(reader: &Reader<'_>, estate: &Estate) {
    let Some(described) = reader.described(Kind::Zone) else {
        return;
    };
    let mut networks: Vec<(IpNet, &ZoneId)> = estate
        .zones
        .iter()
        .flat_map(|(id, zone)| zone.networks.iter().map(move |network| (*network, id)))
        .collect();
    // Sorted so, what lies in a network comes right after it.
    networks.sort_by_key(|(network, _)| (network.network(), network.prefix_len()));
    let mut around: Vec<(IpNet, &ZoneId)> = Vec::new();
    for (network, id) in networks {
        around.retain(|(outer, _)| outer.contains(&network));
        let other = around.iter().find(|(_, other)| *other != id);
        if let (Some((outer, other)), Some(place)) = (other, described.get(id.as_str())) {
            reader.document().report(
                Nature::Written,
                &place.named("networks"),
                format!("{network} overlaps with {outer} of zone \"{other}\""),
                "give each part of the network to one zone".to_owned(),
            );
        }
        around.push((network, id));
    }
}

/// Reports ids in `reaches` that nothing has.
fn reached(reader: &Reader<'_>) {
    let kinds = [Kind::Host, Kind::Zone, Kind::ClientSite];
    let known = || {
        kinds
            .iter()
            .filter_map(|kind| reader.described(*kind))
            .flat_map(|described| described.keys().map(String::as_str))
    };
    for (id, place) in reader.places() {
        let is_known = kinds.iter().any(|kind| {
            reader
                .described(*kind)
                .is_some_and(|described| described.contains_key(id))
        });
        if is_known {
            continue;
        }
        if reader.document().is_full() {
            return;
        }
        let hint = reader.document().did_you_mean(id, known());
        reader.document().report(
            Nature::Absent,
            place,
            format!("there is no host, zone or site \"{id}\" in this file"),
            format!("name one of them{hint}"),
        );
    }
}

/// Reports networks that two sites have: of overlapping ones the narrower counts, but of equal
/// ones neither.
fn networks(reader: &Reader<'_>, estate: &Estate) {
    let Some(described) = reader.described(Kind::ClientSite) else {
        return;
    };
    let mut taken: BTreeMap<IpNet, &SiteId> = BTreeMap::new();
    for (id, site) in &estate.sites {
        for network in &site.client_networks {
            let Some(other) = taken.insert(*network, id).filter(|other| *other != id) else {
                continue;
            };
            if let Some(place) = described.get(id.as_str()) {
                reader.document().report(
                    Nature::Written,
                    &place.named("client_networks"),
                    format!("{network} is also a network of client site \"{other}\""),
                    "leave it to one of them".to_owned(),
                );
            }
        }
    }
}

fn missing(reader: &Reader<'_>) {
    let none = BTreeMap::new();
    for reference in reader.references() {
        let (kind, id) = (reference.kind, reference.id.as_str());
        let described = reader.described(kind).unwrap_or(&none);
        if described.contains_key(id) {
            continue;
        }
        if reader.document().is_full() {
            return;
        }
        let hint = reader
            .document()
            .did_you_mean(id, described.keys().map(String::as_str));
        let advice = match kind {
            Kind::User => " (a user made at set-up keeps password and role when only named there)",
            _ => "",
        };
        reader.document().report(
            Nature::Absent,
            &reference.place,
            format!("there is no {kind} \"{id}\" in this file"),
            format!("describe it under [[{}]]{advice}{hint}", kind.section()),
        );
    }
}

/// Reports each cycle of groups once, at the group of it that stands first in the file.
fn cycles(reader: &Reader<'_>, groups: &BTreeMap<GroupId, Group>) {
    let Some(described) = reader.described(Kind::Group) else {
        return;
    };
    let mut done: BTreeSet<&GroupId> = BTreeSet::new();
    let mut starts: Vec<&GroupId> = groups.keys().collect();
    starts.sort_by_key(|id| {
        described
            .get(id.as_str())
            .map(|place| reader.document().line(place))
    });
    for start in starts {
        // A walk in depth with its own stack, as a chain may be as long as there are groups.
        // INVARIANT: `path` is the chain from `start` to the group being looked at, each with
        // the number of its inner groups that were followed; `on_path` has the same groups.
        let mut path: Vec<(&GroupId, usize)> = Vec::new();
        let mut on_path: BTreeSet<&GroupId> = BTreeSet::new();
        if !done.contains(start) {
            path.push((start, 0));
            on_path.insert(start);
        }
        while let Some((id, followed)) = path.last_mut() {
            let next = groups
                .get(*id)
                .and_then(|group| group.groups.get(*followed));
            *followed += 1;
            match next {
                None => {
                    done.insert(id);
                    on_path.remove(id);
                    path.pop();
                }
                Some(next) if on_path.contains(next) => {
                    if reader.document().is_full() {
                        return;
                    }
                    report_cycle(reader, &path, next);
                }
                Some(next) if !done.contains(next) && groups.contains_key(next) => {
                    path.push((next, 0));
                    on_path.insert(next);
                }
                Some(_) => {}
            }
        }
    }
}

/// Groups of a cycle that are named; a longer one is shortened.
const CYCLE_SHOWN_MAX: usize = 20;

fn report_cycle(reader: &Reader<'_>, path: &[(&GroupId, usize)], back_to: &GroupId) {
    let names: Vec<&str> = path
        .iter()
        .map(|(id, _)| id.as_str())
        .skip_while(|id| *id != back_to.as_str())
        .collect();
    let mut shown: Vec<&str> = names.iter().copied().take(CYCLE_SHOWN_MAX).collect();
    if names.len() > CYCLE_SHOWN_MAX {
        shown.push("…");
    }
    shown.push(back_to.as_str());
    let place = reader
        .described(Kind::Group)
        .and_then(|described| described.get(back_to.as_str()));
    if let Some(place) = place {
        reader.document().report(
            Nature::Written,
            &place.named("members"),
            format!("the groups contain each other: {}", shown.join(" → ")),
            "take one of them out of the other".to_owned(),
        );
    }
}

/// Reports resources whose pool has hosts, but none that speaks their protocol.
fn protocols(reader: &Reader<'_>, estate: &Estate) {
    let mut spoken: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for host in estate.hosts.values() {
        spoken
            .entry(host.pool.as_str())
            .or_default()
            .insert(word(host.protocol));
    }
    for (id, resource) in &estate.resources {
        let needed = match resource.kind {
            ResourceKind::Desktop { .. } | ResourceKind::Application { .. } => Protocol::Rdp,
            ResourceKind::Terminal { .. } => Protocol::Ssh,
            ResourceKind::Link { .. } => continue,
        };
        let (Some(pool), Some(described)) =
            (resource.kind.pool(), reader.described(Kind::Resource))
        else {
            continue;
        };
        let hosts = spoken.get(pool.as_str());
        if hosts.is_none_or(|hosts| hosts.contains(word(needed))) {
            continue;
        }
        if let Some(place) = described.get(id.as_str()) {
            reader.document().report(
                Nature::Absent,
                &place.named("pool"),
                format!(
                    "needs hosts that speak {}, and no host of pool \"{pool}\" does",
                    word(needed)
                ),
                format!(
                    "choose a pool whose hosts have protocol = \"{}\", or another kind",
                    word(needed)
                ),
            );
        }
    }
}

const fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Rdp => "rdp",
        Protocol::Ssh => "ssh",
    }
}
