//! A plan seen from one host, from one flow, against another plan, and as data.

use portico_catalogue::{
    Transport,
    plan::{Deployment, FlowLesson, HostFlow, PortKey, compare, plan, roles, why},
};

use super::{catalogue, check, estate, flow, host, one};

fn simple(more: &str) -> String {
    flow("x", "d.a", "d.b", &one(80), more)
}

fn small() -> Deployment {
    estate([
        host("a", &["d.a"]),
        host("ab", &["d.a", "d.b"]),
        host("b", &["d.b"]),
    ])
}

#[test]
fn a_host_sees_its_flows_in_and_out_and_not_itself_as_a_peer() {
    let plan = plan(catalogue(&simple("")), &small());
    let peers = |host: &str| {
        let flows = plan.of_host(plan.place(host).unwrap());
        let ids = |rows: &[HostFlow<'_>]| -> Vec<String> {
            let peers = rows.iter().flat_map(|row| row.peers().collect::<Vec<_>>());
            peers
                .map(|peer| plan.hosts[peer as usize].id.clone())
                .collect()
        };
        (ids(&flows.inbound), ids(&flows.outbound))
    };
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
    assert_eq!(peers("a"), (names(&[]), names(&["ab", "b"])));
    assert_eq!(peers("ab"), (names(&["a"]), names(&["b"])));
    assert_eq!(peers("b"), (names(&["a", "ab"]), names(&[])));
    assert_eq!(plan.place("nowhere"), None);
    let [only] = plan.flows.as_slice() else {
        panic!()
    };
    assert_eq!(only.reason(), "d.a to d.b: to test");
    assert!(only.connects(0, 1) && only.connects(1, 2));
    assert!(!only.connects(1, 1) && !only.connects(2, 0));
}

#[test]
fn a_host_that_is_alone_in_both_sets_of_a_flow_has_no_row_of_it() {
    let hosts = [host("a", &["d.a"]), host("ab", &["d.a", "d.b"])];
    let plan = plan(catalogue(&simple("")), &estate(hosts));
    assert_eq!(plan.of_host(1).outbound.len(), 0);
    assert_eq!(plan.of_host(1).inbound.len(), 1);
}

#[test]
fn a_report_has_each_flow_at_the_host_that_listens_with_its_set_by_name() {
    let mut estate = small();
    estate.hosts[2]
        .ports
        .insert(PortKey::Default(80, Transport::Tcp), 81);
    let plan = plan(catalogue(&simple("")), &estate);
    let json = serde_json::to_value(plan.report()).unwrap();
    assert_eq!(json["sets"], serde_json::json!({ "d.a": ["a", "ab"] }));
    assert_eq!(json["hosts"][0]["inbound"], serde_json::json!([]));
    assert_eq!(
        json["hosts"][2]["inbound"],
        serde_json::json!([{
            "flow": "d.x",
            "from": "d.a",
            "from_role": "d.a",
            "to_role": "d.b",
            "transport": "tcp",
            "ip_protocol": null,
            "ports": [{ "first": 81, "last": 81 }],
            "direction": "one-way",
            "reason": "d.a to d.b: to test",
            "sources": [{ "document": "d", "section": "S", "row": 1, "as_written": "1" }],
        }])
    );
    assert_eq!(json["gaps"], serde_json::json!([]));
    assert_eq!(
        json["hosts"][2]["addresses"],
        serde_json::json!([{ "name": "b.example.org" }])
    );
}

#[test]
fn equal_plans_have_no_difference_and_the_order_of_hosts_is_none() {
    let catalogue = catalogue(&simple(""));
    let mut turned = small();
    turned.hosts.reverse();
    let comparison = compare(&plan(catalogue, &small()), &plan(catalogue, &turned));
    assert!(comparison.is_empty(), "{comparison:?}");
}

#[test]
fn a_host_neither_gains_nor_loses_a_flow_to_itself() {
    let catalogue = catalogue(&simple(""));
    let mut after = small();
    after.hosts[0].roles.clear();
    let key = PortKey::Default(80, Transport::Tcp);
    after.hosts[1].ports.insert(key, 81);
    let comparison = compare(&plan(catalogue, &small()), &plan(catalogue, &after));
    assert_eq!(comparison.gained, []);
    let lost = comparison.lost.iter();
    let lost: Vec<(&[u32], &[u32])> = lost.map(|lost| (&lost.from[..], &lost.to[..])).collect();
    assert_eq!(lost, [(&[0_u32][..], &[1_u32, 2][..])]);
}

#[test]
fn a_comparison_as_json_names_its_sets() {
    let catalogue = catalogue(
        &[
            simple(""),
            flow("i", "d.a", "d.b", "", "transport = \"icmp\""),
        ]
        .concat(),
    );
    let mut after = small();
    after.hosts.push(host("b2", &["d.b"]));
    let comparison = compare(&plan(catalogue, &small()), &plan(catalogue, &after));
    let change = |flow: &str, transport: &str, ports: serde_json::Value| {
        serde_json::json!({
            "flow": flow,
            "from": "d.a",
            "to": "d.b",
            "transport": transport,
            "ip_protocol": null,
            "ports": ports,
            "reason": "d.a to d.b: to test",
        })
    };
    assert_eq!(
        serde_json::to_value(&comparison).unwrap(),
        serde_json::json!({
            "sets": { "d.a": ["a", "ab"], "d.b": ["b2"] },
            "gained": [
                change("d.i", "icmp", serde_json::json!([])),
                change("d.x", "tcp", serde_json::json!([{ "first": 80, "last": 80 }])),
            ],
            "lost": [],
        })
    );
    let names: Vec<&str> = comparison.names(&comparison.gained[0].to).collect();
    assert_eq!(names, ["b2"]);
}

#[test]
fn why_tells_the_hosts_and_the_roles_that_bring_them() {
    let catalogue = catalogue(&flow("x", "d.a", "d.d", &one(80), ""));
    let estate = estate([host("a", &["d.a"]), host("e", &["d.e"])]);
    let why = why(catalogue, &estate, "d.x").unwrap();
    assert_eq!(
        (why.from.hosts, why.from.through),
        (vec!["a".into()], vec!["d.a".into()])
    );
    assert_eq!(
        (why.to.hosts, why.to.through),
        (vec!["e".into()], vec!["d.e".into()])
    );
    assert_eq!(why.planned[0].to, ["e"]);
    assert_eq!(why.not_planned, Vec::<String>::new());
}

#[track_caller]
fn check_not_planned(more: &str, estate: &Deployment, expected: &[&str]) {
    let why = why(catalogue(&simple(more)), estate, "d.x").unwrap();
    assert_eq!(why.not_planned, expected);
    check(&simple(more), estate, &[]);
}

#[test]
fn why_tells_which_role_nobody_has() {
    check_not_planned(
        "",
        &estate([host("c", &["d.c"])]),
        &[
            "no host has the role \"d.a\"",
            "no host has the role \"d.b\"",
        ],
    );
    check_not_planned(
        "",
        &estate([host("ab", &["d.a", "d.b"])]),
        &["\"ab\" is alone at both ends, and needs no network to reach itself"],
    );
}

#[test]
fn why_tells_which_condition_fails_for_whom() {
    let hosts = || estate([host("a", &["d.a"]), host("b", &["d.b"])]);
    check_not_planned(
        "conditions = [{ when = \"feature\", feature = \"d.off\" }]",
        &hosts(),
        &[
            "it is planned only when the feature \"d.off\" is on at both ends, \
           which does not hold for \"a\", \"b\"",
        ],
    );
    check_not_planned(
        "conditions = [{ when = \"os\", at = \"to\", first = \"windows-2008\" }]",
        &hosts(),
        &[
            "it is planned only when who listens runs windows-2008 or newer, \
           which does not hold for \"b\"",
        ],
    );
    check_not_planned(
        "conditions = [{ when = \"optional\", why = \"slow\" }]",
        &hosts(),
        &["it is planned only when the estate asks for optional flows (slow)"],
    );
    let mut apart = hosts();
    apart.hosts[0].site = Some("s".into());
    check_not_planned(
        "conditions = [{ when = \"same-site\" }]",
        &apart,
        &["it is planned only when both ends stand at the same site, \
           which does not hold for \"a\", \"b\""],
    );
    let mut closed = hosts();
    closed.hosts[0].reaches = Some(vec![]);
    check_not_planned(
        "",
        &closed,
        &["no host that opens it reaches one that listens: see the reaches of its hosts"],
    );
    check_not_planned(
        "errata = [{ written = \"-\", correction = \"it is udp\", effect = \"leave-out\" }]",
        &hosts(),
        &["there is no such traffic: it is udp"],
    );
}

#[test]
fn why_tells_a_condition_that_fails_for_some_of_a_planned_flow() {
    let mut estate = small();
    estate.hosts[2].features.insert("d.on".into(), false);
    let condition = "conditions = [{ when = \"feature\", feature = \"d.on\" }]";
    let why = why(catalogue(&simple(condition)), &estate, "d.x").unwrap();
    assert_eq!(why.planned.len(), 1);
    let [failed] = why.failed.as_slice() else {
        panic!("{:?}", why.failed)
    };
    assert_eq!((failed.from.len(), &failed.to), (0, &vec!["b".to_owned()]));
}

#[test]
fn an_unknown_flow_is_told_with_the_nearest() {
    let error = why(catalogue(&simple("")), &small(), "d.y").unwrap_err();
    assert_eq!(
        error.to_string(),
        "flow \"d.y\" is not known; did you mean \"d.x\"?; `portico ports list` has them all"
    );
}

#[test]
fn roles_teach_what_they_include_open_and_answer() {
    let flows = [
        simple(""),
        flow("y", "d.b", "d.a", &one(1), "direction = \"both-ways\""),
        flow("z", "d.d", "d.b", &one(2), ""),
    ];
    let lessons = roles(catalogue(&flows.concat()));
    let role = |id: &str| lessons.iter().find(|role| role.id == id).unwrap();
    let flows = |of: &[FlowLesson]| -> Vec<String> {
        of.iter()
            .map(|flow| format!("{} {}", flow.flow, flow.peer))
            .collect()
    };
    assert_eq!(flows(&role("d.a").opens), ["d.x d.b", "d.y d.b"]);
    assert_eq!(flows(&role("d.a").answers), ["d.y d.b"]);
    assert_eq!(
        flows(&role("d.b").answers),
        ["d.x d.a", "d.y d.a", "d.z d.d"]
    );
    assert_eq!(role("d.e").includes, ["d.d"]);
    assert_eq!(flows(&role("d.e").opens), Vec::<String>::new());
}
