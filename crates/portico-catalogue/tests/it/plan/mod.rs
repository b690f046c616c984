//! Plans of small catalogues, rule by rule, and against a model that looks at every pair of hosts.

mod deployments;
mod gaps;
mod large;
mod model;
mod rules;
mod views;

use std::collections::{BTreeMap, BTreeSet};

use portico_catalogue::{
    Catalogue, DocumentText, PortRange,
    plan::{Address, DeployedHost, Deployment, FlowPlan, plan},
};

/// A catalogue with the roles `d.a` to `d.e`, of which `d.e` includes `d.d`, the features `d.on`
/// and `d.off`, and these flows.
pub(crate) fn catalogue(flows: &str) -> &'static Catalogue {
    catalogue_with("", flows)
}

pub(crate) fn catalogue_with(more: &str, flows: &str) -> &'static Catalogue {
    let role = |name: &str, more: &str| {
        format!("[[role]]\nid = \"d.{name}\"\ntitle = \"{name}\"\ndescription = \"-\"\n{more}\n")
    };
    let feature = |name: &str, default: bool| {
        format!(
            "[[feature]]\nid = \"d.{name}\"\ntitle = \"{name}\"\ndescription = \"-\"\n\
             default = {default}\n"
        )
    };
    let text = [
        "document = \"d\"\ntitle = \"D\"\n".to_owned(),
        ["a", "b", "c", "d"].map(|name| role(name, "")).concat(),
        role("e", "includes = [\"d.d\"]"),
        feature("on", true),
        feature("off", false),
        more.to_owned(),
        flows.to_owned(),
    ];
    let text = text.concat();
    let documents = [DocumentText {
        file_name: "d.toml",
        text: &text,
    }];
    let read = Catalogue::parse(&documents);
    Box::leak(Box::new(read.unwrap_or_else(|errors| panic!("{errors:?}"))))
}

/// A flow over TCP; `more` are lines of its own, such as conditions.
pub(crate) fn flow(name: &str, from: &str, to: &str, ports: &str, more: &str) -> String {
    let direction = if more.contains("direction") {
        ""
    } else {
        "direction = \"one-way\"\n"
    };
    let transport = if more.contains("transport") {
        ""
    } else {
        "transport = \"tcp\"\n"
    };
    format!(
        "[[flow]]\nid = \"d.{name}\"\nfrom = \"{from}\"\nto = \"{to}\"\n{transport}\
         ports = [{ports}]\napplication_protocol = \"X\"\nservice = \"X\"\n\
         purpose = \"to test\"\n{direction}{more}\nproof = \"A\"\n\
         sources = [{{ document = \"d\", section = \"S\", row = 1, as_written = \"1\" }}]\n\
         portico = {{ answer = \"catalogued\", why = \"to test\" }}\n"
    )
}

pub(crate) fn one(port: u16) -> String {
    format!("{{ first = {port}, last = {port} }}")
}

pub(crate) fn host(id: &str, roles: &[&str]) -> DeployedHost {
    DeployedHost {
        id: id.to_owned(),
        title: id.to_owned(),
        roles: roles.iter().map(ToString::to_string).collect(),
        addresses: vec![Address::Name(format!("{id}.example.org"))],
        zone: None,
        site: None,
        os: None,
        features: BTreeMap::new(),
        ports: BTreeMap::new(),
        reaches: None,
    }
}

pub(crate) fn estate(hosts: impl IntoIterator<Item = DeployedHost>) -> Deployment {
    Deployment {
        hosts: hosts.into_iter().collect(),
        ..Deployment::default()
    }
}

/// Everything that a plan lets through, as `flow: from > to ports`, sorted.
pub(crate) fn lines(plan: &FlowPlan) -> Vec<String> {
    let id = |place: &u32| plan.hosts[*place as usize].id.as_str();
    let mut lines = Vec::new();
    for planned in &plan.flows {
        for from in planned.from.iter() {
            for to in planned.to.iter().filter(|to| *to != from) {
                lines.push(format!(
                    "{}: {} > {} {}",
                    planned.flow.id,
                    id(from),
                    id(to),
                    ports(&planned.ports)
                ));
            }
        }
    }
    lines.sort();
    lines
}

fn ports(ranges: &[PortRange]) -> String {
    let range = |range: &PortRange| {
        if range.first == range.last {
            range.first.to_string()
        } else {
            format!("{}-{}", range.first, range.last)
        }
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}

#[track_caller]
pub(crate) fn check(flows: &str, estate: &Deployment, expected: &[&str]) {
    let plan = plan(catalogue(flows), estate);
    assert_eq!(lines(&plan), expected);
    check_shape(&plan);
}

/// What holds for every plan.
#[track_caller]
pub(crate) fn check_shape(plan: &FlowPlan) {
    let ascending = |set: &[u32]| set.windows(2).all(|two| two[0] < two[1]);
    let mut seen = BTreeSet::new();
    for planned in &plan.flows {
        assert!(!planned.from.is_empty() && !planned.to.is_empty());
        assert!(ascending(&planned.from) && ascending(&planned.to));
        let apart = |two: &[PortRange]| u32::from(two[0].last) + 1 < u32::from(two[1].first);
        assert!(planned.ports.windows(2).all(apart));
        assert!(planned.ports.iter().all(|range| range.formula.is_none()));
        assert_eq!(planned.transport.has_ports(), !planned.ports.is_empty());
        for from in planned.from.iter() {
            for to in planned.to.iter().filter(|to| *to != from) {
                assert!(
                    seen.insert((&planned.flow.id, *from, *to)),
                    "{} twice",
                    planned.flow.id
                );
            }
        }
    }
    let order = plan.flows.iter();
    let order = order.map(|planned| (&planned.flow.id, &planned.from, &planned.to, &planned.ports));
    assert!(order.is_sorted());
}
