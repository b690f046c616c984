//! The hosts of a deployment, counted off once by everything that conditions ask for, so that no
//! flow has to look at pairs of hosts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{DeployedHost, Deployment, PortKey};
use crate::{
    Catalogue,
    flow::{Condition, End, Flow, OsGeneration},
};

/// Documents whose products run on Windows: a host with one of their roles that does not tell its
/// operating system is taken for a current Windows.
const WINDOWS_PRODUCTS: [&str; 3] = ["windows", "ras", "rds"];

/// What a host without an operating system in the estate is taken for.
const CURRENT_WINDOWS: OsGeneration = OsGeneration::Windows2016;

/// A deployment, by role, profile, site, reach and ports.
#[derive(Debug)]
pub(super) struct Survey<'d> {
    pub(super) catalogue: &'static Catalogue,
    pub(super) deployment: &'d Deployment,
    pub(super) profiles: Groups<Profile<'d>>,
    pub(super) sites: Groups<Option<&'d str>>,
    /// Hosts that a host opens connections to; `None`: any.
    pub(super) reaches: Groups<Option<Arc<[u32]>>>,
    pub(super) ports: Groups<&'d BTreeMap<PortKey, u16>>,
    by_role: BTreeMap<&'static str, Vec<u32>>,
    given: BTreeMap<&'static str, Vec<u32>>,
    brought_by: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

/// All that feature and operating system conditions ask of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Profile<'d> {
    features: &'d BTreeMap<String, bool>,
    told: Option<OsGeneration>,
    is_windows: bool,
}

impl Profile<'_> {
    /// The operating system, taken from the roles when the estate does not tell it.
    pub(super) fn os(&self) -> OsGeneration {
        self.told.unwrap_or(if self.is_windows {
            CURRENT_WINDOWS
        } else {
            OsGeneration::Other
        })
    }

    pub(super) const fn is_assumed(&self) -> bool {
        self.told.is_none()
    }
}

/// Hosts grouped by a key that they have in common.
#[derive(Debug)]
pub(super) struct Groups<K> {
    keys: Vec<K>,
    of: Vec<u32>,
}

impl<K: Ord + Clone> Groups<K> {
    pub(super) fn new(of_hosts: impl Iterator<Item = K>) -> Self {
        let mut numbers: BTreeMap<K, u32> = BTreeMap::new();
        let mut keys = Vec::new();
        let mut of = Vec::new();
        for key in of_hosts {
            // There are no more keys than hosts, and hosts are counted in u32.
            let next = u32::try_from(keys.len()).unwrap_or(u32::MAX);
            let number = *numbers.entry(key.clone()).or_insert(next);
            if number == next {
                keys.push(key);
            }
            of.push(number);
        }
        Self { keys, of }
    }

    /// The number of the group that a host is in.
    pub(super) fn number(&self, host: u32) -> u32 {
        self.of.get(host as usize).copied().unwrap_or(u32::MAX)
    }

    pub(super) fn key(&self, number: u32) -> Option<&K> {
        self.keys.get(number as usize)
    }

    pub(super) fn of(&self, host: u32) -> Option<&K> {
        self.key(self.number(host))
    }

    /// An answer for each group, worked out once a group.
    pub(super) fn map<T>(&self, answer: impl FnMut(&K) -> T) -> Vec<T> {
        self.keys.iter().map(answer).collect()
    }
}

impl<'d> Survey<'d> {
    pub(super) fn new(catalogue: &'static Catalogue, deployment: &'d Deployment) -> Self {
        let hosts = &deployment.hosts;
        let roles = Groups::new(hosts.iter().map(|host| host.roles.as_slice()));
        let effective = roles.map(|given| effective_roles(catalogue, given));
        let mut by_role: BTreeMap<&'static str, Vec<u32>> = BTreeMap::new();
        let mut given: BTreeMap<&'static str, Vec<u32>> = BTreeMap::new();
        let mut is_windows = Vec::new();
        for (place, host) in (0_u32..).zip(hosts) {
            let all = effective.get(roles.number(place) as usize);
            for role in all.into_iter().flatten() {
                by_role.entry(role).or_default().push(place);
            }
            for role in host.roles.iter().filter_map(|role| catalogue.role(role)) {
                let holders = given.entry(role.id.as_str()).or_default();
                if holders.last() != Some(&place) {
                    holders.push(place);
                }
            }
            is_windows.push(all.is_some_and(|roles| roles.iter().any(|role| is_of_windows(role))));
        }
        let profiles = hosts
            .iter()
            .zip(is_windows)
            .map(|(host, is_windows)| Profile {
                features: &host.features,
                told: host.os,
                is_windows,
            });
        Self {
            catalogue,
            deployment,
            profiles: Groups::new(profiles),
            sites: Groups::new(hosts.iter().map(|host| host.site.as_deref())),
            reaches: reaches(deployment),
            ports: Groups::new(hosts.iter().map(|host| &host.ports)),
            by_role,
            given,
            brought_by: brought_by(catalogue),
        }
    }

    /// Hosts with a role, be it given or included.
    pub(super) fn with_role(&self, role: &str) -> &[u32] {
        self.by_role.get(role).map_or(&[], Vec::as_slice)
    }

    /// Hosts that the estate gives a role by its name.
    pub(super) fn given_role(&self, role: &str) -> &[u32] {
        self.given.get(role).map_or(&[], Vec::as_slice)
    }

    /// Roles of the catalogue that a host may be given to have this one: itself, and those that
    /// include it.
    pub(super) fn bringing(&self, role: &str) -> impl Iterator<Item = &'static str> {
        self.brought_by.get(role).into_iter().flatten().copied()
    }

    pub(super) fn host(&self, place: u32) -> Option<&'d DeployedHost> {
        self.deployment.hosts.get(place as usize)
    }

    /// Whether a feature is on at a host: its own word, then the estate's, then the catalogue's.
    pub(super) fn is_on(&self, profile: &Profile<'_>, feature: &str) -> bool {
        let told = profile.features.get(feature);
        let told = told.or_else(|| self.deployment.features.get(feature));
        told.copied().unwrap_or_else(|| {
            let entry = self.catalogue.feature(feature);
            entry.is_some_and(|entry| entry.default)
        })
    }

    /// Whether a host with this profile may stand at one end of a flow, as far as this condition
    /// is about one host alone.
    pub(super) fn holds_at(&self, condition: &Condition, end: End, profile: &Profile<'_>) -> bool {
        match condition {
            Condition::Feature { feature } => self.is_on(profile, feature),
            Condition::Os { at, first, last } if *at == end => {
                let os = profile.os();
                if os == OsGeneration::Other {
                    // A condition on Windows may have no upper bound: it does not mean all that
                    // is not Windows, too.
                    return *first == Some(os);
                }
                first.is_none_or(|first| first <= os) && last.is_none_or(|last| os <= last)
            }
            _ => true,
        }
    }

    /// Hosts that may stand at one end of a flow, ascending.
    pub(super) fn eligible(&self, flow: &Flow, end: End) -> Vec<u32> {
        let hosts = self.with_role(role_at(flow, end));
        let passes = self.profiles.map(|profile| {
            let mut conditions = flow.conditions.iter();
            conditions.all(|condition| self.holds_at(condition, end, profile))
        });
        let is_eligible = |host: &u32| {
            let number = self.profiles.number(*host) as usize;
            passes.get(number).copied().unwrap_or(false)
        };
        hosts.iter().copied().filter(is_eligible).collect()
    }

    /// Whether a host opens connections to any host at all.
    pub(super) fn opens_any(&self, host: u32) -> bool {
        let reach = self.reaches.of(host);
        reach.is_some_and(|reach| reach.as_ref().is_none_or(|hosts| !hosts.is_empty()))
    }

    /// How many ports a formula over `role` has: one for each host with it, and one at least.
    pub(super) fn count(&self, role: &str) -> usize {
        self.with_role(role).len().max(1)
    }

    pub(super) fn ids<'a>(&self, hosts: impl IntoIterator<Item = &'a u32>) -> Vec<String> {
        let hosts = hosts.into_iter().filter_map(|place| self.host(*place));
        hosts.map(|host| host.id.clone()).collect()
    }
}

/// Role that a flow has at one end.
pub(super) fn role_at(flow: &Flow, end: End) -> &str {
    match end {
        End::From => &flow.from,
        End::To => &flow.to,
    }
}

/// Product that a role is of: what stands before the dot.
pub(super) fn product(role: &str) -> &str {
    role.split_once('.').map_or(role, |(product, _)| product)
}

fn is_of_windows(role: &str) -> bool {
    WINDOWS_PRODUCTS.contains(&product(role))
}

/// Roles and all that they include; those that the catalogue does not know are not there.
pub(super) fn effective_roles(
    catalogue: &'static Catalogue,
    given: &[String],
) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = given.iter().map(String::as_str).collect();
    while let Some(id) = open.pop() {
        let Some(role) = catalogue.role(id) else {
            continue;
        };
        // A circle of inclusions ends here.
        if found.insert(role.id.as_str()) {
            open.extend(role.includes.iter().map(String::as_str));
        }
    }
    found
}

fn brought_by(catalogue: &'static Catalogue) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut brought_by: BTreeMap<&'static str, BTreeSet<&'static str>> = BTreeMap::new();
    for role in catalogue.roles() {
        for brought in effective_roles(catalogue, std::slice::from_ref(&role.id)) {
            brought_by.entry(brought).or_default().insert(&role.id);
        }
    }
    brought_by
}

fn reaches(deployment: &Deployment) -> Groups<Option<Arc<[u32]>>> {
    let mut places: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (place, host) in (0_u32..).zip(&deployment.hosts) {
        places.entry(&host.id).or_default().push(place);
        for name in [&host.zone, &host.site].into_iter().flatten() {
            places.entry(name).or_default().push(place);
        }
    }
    let written = Groups::new(deployment.hosts.iter().map(|host| host.reaches.as_ref()));
    let resolved = written.map(|names| {
        names.map(|names| {
            let named = names.iter().filter_map(|name| places.get(name.as_str()));
            let hosts: BTreeSet<u32> = named.flatten().copied().collect();
            hosts.into_iter().collect::<Arc<[u32]>>()
        })
    });
    let of_hosts = written.of.iter().map(|number| {
        let reach = resolved.get(*number as usize);
        reach.cloned().flatten()
    });
    Groups::new(of_hosts)
}
