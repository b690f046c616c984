//! The planner against a model that looks at every pair of hosts.

use std::collections::BTreeSet;

use portico_catalogue::{
    Catalogue, Condition, Direction, End, Flow, OsGeneration, PortRange, Transport,
    plan::{Change, Comparison, DeployedHost, Deployment, FlowPlan, PortKey, compare, plan},
};
use proptest::prelude::*;

use super::{check_shape, estate, host};

/// From host, to host, transport, port (0 for none), flow.
type Line = (usize, usize, Transport, u16, String);

fn model(catalogue: &'static Catalogue, estate: &Deployment) -> BTreeSet<Line> {
    let mut lines = BTreeSet::new();
    for flow in catalogue.flows() {
        for (a, from) in estate.hosts.iter().enumerate() {
            for (b, to) in estate.hosts.iter().enumerate() {
                let forward = needs(catalogue, estate, flow, from, to);
                let back = flow.direction == Direction::BothWays
                    && needs(catalogue, estate, flow, to, from);
                if a == b || !(forward || back) || !reaches(from, to) {
                    continue;
                }
                for port in ports(catalogue, estate, flow, to) {
                    lines.insert((a, b, flow.transport, port, flow.id.clone()));
                }
            }
        }
    }
    lines
}

fn has(catalogue: &Catalogue, host: &DeployedHost, role: &str) -> bool {
    let mut names: Vec<&str> = host.roles.iter().map(String::as_str).collect();
    let mut n = 0;
    while let Some(name) = names.get(n).copied() {
        let entry = catalogue.role(name).unwrap();
        names.extend(entry.includes.iter().map(String::as_str));
        n += 1;
    }
    names.contains(&role)
}

fn needs(
    catalogue: &Catalogue,
    estate: &Deployment,
    flow: &Flow,
    from: &DeployedHost,
    to: &DeployedHost,
) -> bool {
    let is_on = |host: &DeployedHost, feature: &String| {
        let told = host.features.get(feature).or(estate.features.get(feature));
        *told.unwrap_or(&catalogue.feature(feature).unwrap().default)
    };
    has(catalogue, from, &flow.from)
        && has(catalogue, to, &flow.to)
        && flow.conditions.iter().all(|condition| match condition {
            Condition::Feature { feature } => is_on(from, feature) && is_on(to, feature),
            Condition::Os { at, first, last } => {
                let host = if *at == End::From { from } else { to };
                let os = host.os.unwrap_or(OsGeneration::Other);
                os != OsGeneration::Other
                    && first.is_none_or(|first| first <= os)
                    && last.is_none_or(|last| os <= last)
            }
            Condition::SameSite => from.site == to.site,
            Condition::Optional { .. } => estate.with_optional,
            Condition::PortGiven { .. } | Condition::Note { .. } => true,
        })
}

fn reaches(from: &DeployedHost, to: &DeployedHost) -> bool {
    from.reaches.as_ref().is_none_or(|names| {
        names.contains(&to.id)
            || to.zone.as_ref().is_some_and(|zone| names.contains(zone))
            || to.site.as_ref().is_some_and(|site| names.contains(site))
    })
}

fn ports(
    catalogue: &Catalogue,
    estate: &Deployment,
    flow: &Flow,
    to: &DeployedHost,
) -> BTreeSet<u16> {
    if !flow.transport.has_ports() {
        return BTreeSet::from([0]);
    }
    if let Some(name) = flow.port_name() {
        let given = to.ports.get(&PortKey::Named(name.to_owned()));
        return given.into_iter().copied().collect();
    }
    let changed = |port: u16| {
        let key = PortKey::Default(port, flow.transport);
        to.ports.get(&key).copied().unwrap_or(port)
    };
    let mut found = BTreeSet::new();
    for range in &flow.ports {
        match &range.formula {
            Some(formula) => {
                let hosts = estate.hosts.iter();
                let count = hosts.filter(|host| has(catalogue, host, &formula.each));
                let count = u16::try_from(count.count().max(1)).unwrap();
                found.extend((0..count).map(|n| changed(range.first + n * formula.step)));
            }
            None if range.first == range.last => {
                found.insert(changed(range.first));
            }
            None => found.extend(range.first..=range.last),
        }
    }
    found
}

fn expand(plan: &FlowPlan) -> BTreeSet<Line> {
    let mut lines = BTreeSet::new();
    for planned in &plan.flows {
        let ports = planned.ports.iter();
        let mut ports: Vec<u16> = ports.flat_map(|range| range.first..=range.last).collect();
        if ports.is_empty() {
            ports.push(0);
        }
        for from in planned.from.iter() {
            for to in planned.to.iter().filter(|to| *to != from) {
                for port in &ports {
                    let id = planned.flow.id.clone();
                    let (from, to) = (*from as usize, *to as usize);
                    let line = (from, to, planned.transport, *port, id);
                    assert!(lines.insert(line.clone()), "{line:?} is there twice");
                }
            }
        }
    }
    lines
}

fn condition() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("{ when = \"feature\", feature = \"d.on\" }"),
        Just("{ when = \"feature\", feature = \"d.off\" }"),
        Just("{ when = \"os\", at = \"to\", first = \"windows-2008\" }"),
        Just("{ when = \"os\", at = \"from\", last = \"windows-2003\" }"),
        Just("{ when = \"same-site\" }"),
        Just("{ when = \"optional\", why = \"-\" }"),
        Just("{ when = \"note\", text = \"-\" }"),
    ]
}

fn listener() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop_oneof![
        Just(("{ first = 10, last = 10 }", "")),
        Just(("{ first = 10, last = 10 }, { first = 11, last = 13 }", "")),
        Just(("{ first = 9, last = 12 }", "transport = \"udp\"\n")),
        Just((
            "{ first = 10, last = 99, formula = { text = \"-\", step = 2, each = \"d.c\" } }",
            ""
        )),
        Just(("", "transport = \"icmp\"\n")),
        Just(("", "GIVEN")),
    ]
}

fn one_flow() -> impl Strategy<Value = String> {
    let role = || prop::sample::select(vec!["d.a", "d.b", "d.c", "d.d", "d.e"]);
    let conditions = prop::collection::vec(condition(), 0..3);
    (role(), role(), listener(), conditions, any::<bool>()).prop_map(
        |(from, to, (ports, more), conditions, both)| {
            let mut conditions = conditions;
            let given = "{ when = \"port-given\", name = \"n\", question = \"-\" }";
            if more == "GIVEN" {
                conditions.push(given);
            }
            let mut more = more.replace("GIVEN", "");
            more += &format!("conditions = [{}]\n", conditions.join(", "));
            if both {
                more += "direction = \"both-ways\"";
            }
            super::flow("NAME", from, to, ports, &more)
        },
    )
}

fn flows() -> impl Strategy<Value = String> {
    prop::collection::vec(one_flow(), 1..5).prop_map(|flows| {
        let flows = flows.iter().enumerate();
        let named = flows.map(|(n, flow)| flow.replace("d.NAME", &format!("d.f{n}")));
        named.collect::<Vec<_>>().concat()
    })
}

fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(names, 0..=names.len())
}

fn one_host() -> impl Strategy<Value = DeployedHost> {
    let os = prop::option::of(prop::sample::select(vec![
        OsGeneration::Windows2003,
        OsGeneration::Windows2008,
        OsGeneration::Other,
    ]));
    let place = |names: &'static [&'static str]| prop::option::of(prop::sample::select(names));
    let reaches = prop::option::of(some_of(&["h0", "h1", "h2", "z1", "z2", "s1"]));
    let port = prop::sample::subsequence(
        vec![
            (PortKey::Default(10, Transport::Tcp), 14),
            (PortKey::Default(12, Transport::Tcp), 10),
            (PortKey::Default(10, Transport::Udp), 20),
            (PortKey::Named("n".into()), 30),
        ],
        0..=2,
    );
    let features = prop::collection::btree_map(
        prop::sample::select(vec!["d.on".to_owned(), "d.off".to_owned()]),
        any::<bool>(),
        0..=2,
    );
    let roles = some_of(&["d.a", "d.b", "d.c", "d.d", "d.e"]);
    let places = (place(&["z1", "z2"]), place(&["s1", "s2"]));
    (roles, places, os, features, port, reaches).prop_map(
        |(roles, (zone, site), os, features, ports, reaches)| {
            let mut host = host("", &roles);
            host.zone = zone.map(ToString::to_string);
            host.site = site.map(ToString::to_string);
            host.os = os;
            host.features = features;
            host.ports = ports.into_iter().collect();
            host.reaches = reaches.map(|names| names.iter().map(ToString::to_string).collect());
            host
        },
    )
}

fn deployment() -> impl Strategy<Value = Deployment> {
    let features = prop::option::of(any::<bool>());
    let hosts = prop::collection::vec(one_host(), 0..8);
    (hosts, features, any::<bool>()).prop_map(|(mut hosts, off, with_optional)| {
        for (n, host) in hosts.iter_mut().enumerate() {
            host.id = format!("h{n}");
        }
        let mut estate = estate(hosts);
        estate
            .features
            .extend(off.map(|on| ("d.off".to_owned(), on)));
        estate.with_optional = with_optional;
        estate
    })
}

fn expand_changes(comparison: &Comparison, changes: &[Change]) -> BTreeSet<Line> {
    let mut lines = BTreeSet::new();
    let place = |number: &u32| {
        let id = comparison.hosts[*number as usize].as_str();
        id.trim_start_matches('h').parse::<usize>().unwrap()
    };
    for change in changes {
        assert!(
            change.from.len() > 1 || change.from != change.to,
            "{change:?}"
        );
        let mut ports: Vec<u16> = change.ports.iter().flat_map(range).collect();
        if !change.transport.has_ports() {
            ports.push(0);
        }
        for from in change.from.iter() {
            for to in change.to.iter().filter(|to| *to != from) {
                for port in &ports {
                    let id = change.flow.to_owned();
                    let line = (place(from), place(to), change.transport, *port, id);
                    assert!(lines.insert(line.clone()), "{line:?} is there twice");
                }
            }
        }
    }
    lines
}

fn range(range: &PortRange) -> impl Iterator<Item = u16> + use<> {
    range.first..=range.last
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_what_a_look_at_every_pair_finds(flows in flows(), estate in deployment()) {
        let catalogue = super::catalogue(&flows);
        let plan = plan(catalogue, &estate);
        check_shape(&plan);
        prop_assert_eq!(expand(&plan), model(catalogue, &estate));
    }

    #[test]
    fn a_comparison_is_the_difference_of_all_pairs(
        flows in flows(),
        before in deployment(),
        after in deployment(),
    ) {
        let catalogue = super::catalogue(&flows);
        let (before, after) = (plan(catalogue, &before), plan(catalogue, &after));
        let (all_before, all_after) = (expand(&before), expand(&after));
        let comparison = compare(&before, &after);
        let gained: BTreeSet<Line> = all_after.difference(&all_before).cloned().collect();
        let lost: BTreeSet<Line> = all_before.difference(&all_after).cloned().collect();
        prop_assert_eq!(expand_changes(&comparison, &comparison.gained), gained);
        prop_assert_eq!(expand_changes(&comparison, &comparison.lost), lost);
    }
}
