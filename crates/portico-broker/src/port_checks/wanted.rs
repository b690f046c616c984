//! What is to be checked from where: made of the plan of the estate, and of nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use portico_catalogue::{
    Catalogue, Flow, PortRange,
    plan::{self, Address, FlowPlan, PlannedFlow},
};
use portico_estate::deployment;
use portico_model::{
    HostId,
    estate::{AgentMode, Estate},
};
use portico_probe::check::{Target, Targets, What, targets};

use super::{pairs::Pair, records::ROWS_MAX as ROWS_OF_PAIR_MAX};

/// Rows in all. Of a larger plan those of this process come first, then those of agents.
const ROWS_MAX: usize = 100_000;
/// Destinations of one flow from one host.
const DESTINATIONS_MAX: usize = 20_000;
/// Roles that the processes of Portico play.
const OWN_ROLES: [&str; 4] = [
    "portico.gateway",
    "portico.broker",
    "portico.portal",
    "portico.engine",
];

/// Everything that is to be checked.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// By the host from which.
    pub(crate) vantages: BTreeMap<HostId, Vantage>,
    /// The hosts of the estate that this process is.
    pub(crate) own: BTreeSet<HostId>,
    /// Whether the plan has more.
    pub(crate) is_cut: bool,
}

/// What is to be checked from one host.
#[derive(Debug, Default)]
pub(crate) struct Vantage {
    /// Each once, however many flows it is for.
    pub(crate) targets: Vec<Target>,
    /// The flows.
    pub(crate) rows: Vec<WantedRow>,
    /// Addresses of the host itself that are no names.
    pub(crate) own_addresses: Vec<IpAddr>,
    /// Tests for the agents of both ends, of targets that are skipped otherwise.
    pub(crate) pairs: BTreeMap<usize, Pair>,
}

/// One flow to one address of a host.
#[derive(Debug)]
pub(crate) struct WantedRow {
    pub(crate) flow: &'static Flow,
    pub(crate) to: HostId,
    /// `None` when the transport has none.
    pub(crate) ports: Option<PortRange>,
    /// Whether the services fail without it.
    pub(crate) is_required: bool,
    /// By the place in [`Vantage::targets`].
    pub(crate) target: usize,
}

impl Vantage {
    /// Why a target is never sent anything, and what to do; `None` when it is checked.
    pub(crate) fn skipped(&self, target: usize) -> Option<(&str, &str)> {
        match &self.targets.get(target)?.what {
            What::Skip { why, next_step } => Some((why, next_step)),
            _ => None,
        }
    }
}

/// What is to be checked of `estate`. `own` are the hosts of it that the settings say this process
/// is; without them it is the only one that has roles of Portico's processes.
pub(crate) fn wanted(estate: &Estate, own: &[HostId]) -> Wanted {
    let own = own_hosts(estate, own);
    let mut plan = plan::plan(Catalogue::portico(), &deployment(estate));
    let all = std::mem::take(&mut plan.flows);
    let mut wanted = Wanted {
        own,
        ..Wanted::default()
    };
    let mut order: Vec<(u8, u32, HostId)> = (0..)
        .zip(&plan.hosts)
        .filter_map(|(place, host)| {
            let id = HostId::new(&host.id).ok()?;
            Some((rank(estate, &wanted.own, &id), place, id))
        })
        .collect();
    order.sort();
    let mut left = ROWS_MAX;
    for (_, place, id) in order {
        if left == 0 {
            wanted.is_cut = true;
            break;
        }
        let flows = all
            .iter()
            .filter(|flow| flow.from.binary_search(&place).is_ok());
        plan.flows = flows
            .map(|flow| {
                let to = flow.to.get(..DESTINATIONS_MAX);
                wanted.is_cut |= flow.to.len() > DESTINATIONS_MAX;
                PlannedFlow {
                    from: Arc::from([place]),
                    to: to.map_or_else(|| Arc::clone(&flow.to), Arc::from),
                    ..flow.clone()
                }
            })
            .collect();
        let Targets { targets, flows } = targets(&plan, None);
        wanted.is_cut |= flows.len() > left;
        let mut to_host: BTreeMap<u32, usize> = BTreeMap::new();
        let mut is_cut = false;
        let rows: Vec<WantedRow> = flows
            .into_iter()
            .filter(|flow| {
                let count = to_host.entry(flow.to).or_default();
                *count += 1;
                is_cut |= *count > ROWS_OF_PAIR_MAX;
                *count <= ROWS_OF_PAIR_MAX
            })
            .take(left)
            .filter_map(|flow| {
                let to = plan.hosts.get(usize::try_from(flow.to).ok()?)?;
                Some(WantedRow {
                    flow: flow.flow,
                    to: HostId::new(&to.id).ok()?,
                    ports: flow.ports,
                    is_required: flow.required,
                    target: flow.target,
                })
            })
            .collect();
        wanted.is_cut |= is_cut;
        left = left.saturating_sub(rows.len());
        if !rows.is_empty() {
            let mut vantage = Vantage {
                targets,
                rows,
                own_addresses: own_addresses(&plan, place),
                pairs: BTreeMap::new(),
            };
            vantage.pairs = pairs(estate, &id, &vantage);
            wanted.vantages.insert(id, vantage);
        }
    }
    wanted
}

fn own_addresses(plan: &FlowPlan, place: u32) -> Vec<IpAddr> {
    let host = usize::try_from(place).ok();
    let host = host.and_then(|place| plan.hosts.get(place));
    let addresses = host.into_iter().flat_map(|host| &host.addresses);
    let ips = addresses.filter_map(|address| match address {
        Address::Ip(ip) => Some(*ip),
        Address::Network(_) | Address::Name(_) => None,
    });
    ips.collect()
}

/// The tests for two agents: both hosts shall have one, and what comes from there must be known by
/// its address.
fn pairs(estate: &Estate, from: &HostId, vantage: &Vantage) -> BTreeMap<usize, Pair> {
    let mut pairs = BTreeMap::new();
    if vantage.own_addresses.is_empty() || !has_agent(estate, from) {
        return pairs;
    }
    for row in &vantage.rows {
        if vantage.skipped(row.target).is_some()
            && has_agent(estate, &row.to)
            && let Some(target) = vantage.targets.get(row.target)
            && let Some(pair) = Pair::of(target, &row.to, row.ports.as_ref())
        {
            pairs.insert(row.target, pair);
        }
    }
    pairs
}

/// Who comes first where not all find a place.
fn rank(estate: &Estate, own: &BTreeSet<HostId>, id: &HostId) -> u8 {
    if own.contains(id) {
        0
    } else if has_agent(estate, id) {
        1
    } else {
        2
    }
}

/// Whether a host shall have an agent.
pub(crate) fn has_agent(estate: &Estate, id: &HostId) -> bool {
    let host = estate.hosts.get(id);
    host.is_some_and(|host| host.agent == AgentMode::Required)
}

fn own_hosts(estate: &Estate, told: &[HostId]) -> BTreeSet<HostId> {
    let is_known =
        |id: &&HostId| estate.hosts.contains_key(*id) || estate.other_hosts.contains_key(*id);
    if !told.is_empty() {
        return told.iter().filter(is_known).cloned().collect();
    }
    let plays = |roles: &[String]| roles.iter().any(|role| OWN_ROLES.contains(&role.as_str()));
    let hosts = estate.hosts.iter().filter(|(_, host)| plays(&host.roles));
    let others = estate.other_hosts.iter();
    let others = others.filter(|(_, host)| plays(&host.roles));
    let found: BTreeSet<HostId> = hosts
        .map(|(id, _)| id.clone())
        .chain(others.map(|(id, _)| id.clone()))
        .collect();
    // Of several this may be any.
    if found.len() == 1 {
        found
    } else {
        BTreeSet::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTATE: &str = r#"
version = 1
[[pools]]
id = "desktops"
title = "Desktops"
[[hosts]]
id = "sh1"
pool = "desktops"
address = "192.0.2.1"
protocol = "rdp"
port = 3390
agent = "required"
[[hosts]]
id = "sh2"
pool = "desktops"
address = "192.0.2.2"
protocol = "ssh"
[[hosts]]
id = "gate"
roles = ["portico.gateway", "portico.broker", "portico.portal", "portico.engine"]
address = "192.0.2.9"
"#;

    fn estate(text: &str) -> Estate {
        portico_estate::parse("e", text).unwrap().estate
    }

    fn shown(wanted: &Wanted) -> Vec<String> {
        let vantages = wanted.vantages.iter();
        let rows = vantages.flat_map(|(from, vantage)| {
            vantage.rows.iter().map(move |row| {
                let target = &vantage.targets[row.target];
                let flow = row.flow.id.trim_start_matches("portico.");
                format!("{from} {flow} {} {}:{}", row.to, target.host, target.port)
            })
        });
        rows.collect()
    }

    #[test]
    fn each_host_is_asked_for_the_flows_that_it_opens() {
        let wanted = wanted(&estate(ESTATE), &[]);
        assert_eq!(
            shown(&wanted),
            [
                "gate engine-host-ssh sh2 192.0.2.2:22",
                "gate gateway-host-rdp sh1 192.0.2.1:3390",
                "gate gateway-host-ssh-probe sh2 192.0.2.2:22",
                "sh1 agent-broker-enrollment gate 192.0.2.9:30030",
                "sh1 agent-broker-link gate 192.0.2.9:30004",
            ]
        );
        assert!(!wanted.is_cut);
        let own: Vec<&str> = wanted.own.iter().map(HostId::as_str).collect();
        assert_eq!(own, ["gate"]);
    }

    #[test]
    fn of_two_gateways_this_is_the_one_that_the_settings_name() {
        let two = format!(
            "{ESTATE}\n[[hosts]]\nid = \"gate2\"\nroles = [\"portico.gateway\"]\naddress = \"192.0.2.8\"\n"
        );
        let estate = estate(&two);
        assert_eq!(wanted(&estate, &[]).own, BTreeSet::new());
        let gate2 = HostId::new("gate2").unwrap();
        let told = [gate2.clone(), HostId::new("nobody").unwrap()];
        assert_eq!(wanted(&estate, &told).own, BTreeSet::from([gate2]));
    }
}
