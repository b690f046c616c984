//! What a plan asks the administrator for, and when it keeps quiet.

use portico_catalogue::plan::{Gap, GapKind, PortKey, plan};

use super::{catalogue, catalogue_with, estate, flow, host, lines, one};

const EXTERNAL: &str = "[[role]]\nid = \"d.people\"\ntitle = \"People\"\ndescription = \"-\"\n\
                        external = true\n[[role]]\nid = \"o.server\"\ntitle = \"O\"\n\
                        description = \"-\"\nexternal = true\n";

#[track_caller]
fn only(gaps: &[Gap]) -> &Gap {
    let [gap] = gaps else { panic!("{gaps:?}") };
    gap
}

#[test]
fn a_port_that_the_documents_leave_open_is_asked_for_by_name_and_never_guessed() {
    let given =
        "conditions = [{ when = \"port-given\", name = \"wmi\", question = \"see the registry\" }]";
    let flows = [
        flow("x", "d.a", "d.b", "", given),
        flow("y", "d.c", "d.b", "", given),
    ];
    let mut named = host("named", &["d.b"]);
    named.ports.insert(PortKey::Named("wmi".into()), 24158);
    let estate = estate([
        host("a", &["d.a"]),
        host("c", &["d.c"]),
        host("b", &["d.b"]),
        named,
    ]);
    let plan = plan(catalogue(&flows.concat()), &estate);
    assert_eq!(
        lines(&plan),
        ["d.x: a > named 24158", "d.y: c > named 24158"]
    );
    let gap = only(&plan.gaps);
    assert_eq!(gap.kind, GapKind::Port);
    assert_eq!(gap.hosts, ["b"]);
    assert_eq!(gap.flow, "d.x");
    assert!(
        gap.reason.contains("\"wmi\"") && gap.reason.contains("\"d.y\""),
        "{gap:?}"
    );
    assert!(gap.next_step.contains("see the registry"), "{gap:?}");
}

#[test]
fn a_port_is_not_asked_for_when_nobody_connects_to_it() {
    let given = "conditions = [{ when = \"port-given\", name = \"wmi\", question = \"-\" }]";
    let flows = flow("x", "d.a", "d.b", "", given);
    for hosts in [vec![host("ab", &["d.a", "d.b"])], vec![host("c", &["d.c"])]] {
        assert_eq!(plan(catalogue(&flows), &estate(hosts)).gaps, []);
    }
}

#[test]
fn a_counterpart_that_no_host_has_is_one_gap_with_the_role_to_give_and_the_feature_to_switch_off() {
    let condition = "conditions = [{ when = \"feature\", feature = \"d.on\" }]";
    let flows = [
        flow("x", "d.a", "d.b", &one(1), condition),
        flow("y", "d.a", "d.b", &one(2), condition),
    ];
    let catalogue = catalogue(&flows.concat());
    let gaps = plan(
        catalogue,
        &estate((0..9).map(|n| host(&format!("a{n}"), &["d.a"]))),
    )
    .gaps;
    let gap = only(&gaps);
    assert_eq!(gap.hosts.len(), 5);
    assert!(
        gap.reason.contains("\"d.b\"") && gap.reason.contains("\"d.y\""),
        "{gap:?}"
    );
    assert_eq!(
        gap.next_step,
        "give the role \"d.b\" to a host, or switch off \"d.on\" where \"d.a\" does not use it"
    );
    let mut off = estate([host("a", &["d.a"])]);
    off.features.insert("d.on".into(), false);
    assert_eq!(plan(catalogue, &off).gaps, []);
}

#[test]
fn roles_that_nobody_has_at_either_end_are_silent() {
    let flows = flow("x", "d.a", "d.b", &one(1), "");
    assert_eq!(
        plan(catalogue(&flows), &estate([host("c", &["d.c"])])).gaps,
        []
    );
}

#[test]
fn absent_roles_that_one_role_brings_are_one_gap_that_names_it() {
    let flows = [
        flow("x", "d.a", "d.two", &one(1), ""),
        flow("y", "d.a", "d.three", &one(2), ""),
        flow("z", "d.a", "d.d", &one(3), ""),
    ];
    let role = |name: &str, more: &str| {
        format!("[[role]]\nid = \"d.{name}\"\ntitle = \"-\"\ndescription = \"-\"\n{more}\n")
    };
    let more = [
        role("two", ""),
        role("three", ""),
        role("both", "includes = [\"d.two\", \"d.three\"]"),
    ];
    let catalogue = catalogue_with(&more.concat(), &flows.concat());
    let gaps = plan(catalogue, &estate([host("a", &["d.a"])])).gaps;
    let steps: Vec<&str> = gaps.iter().map(|gap| gap.next_step.as_str()).collect();
    assert_eq!(
        steps,
        [
            "give the role \"d.both\" to a host, which brings them",
            "give the role \"d.d\" to a host, or \"d.e\", which brings it",
        ]
    );
}

#[test]
fn a_gap_of_an_included_role_is_told_for_the_role_that_the_estate_gives() {
    let flows = flow("x", "d.d", "d.b", &one(1), "");
    let gaps = plan(catalogue(&flows), &estate([host("e", &["d.e"])])).gaps;
    assert_eq!(
        only(&gaps).reason,
        "no host has the role \"d.b\", to which \"d.e\" opens connections by \"d.x\""
    );
}

#[test]
fn a_service_outside_of_the_estate_is_asked_for_with_its_address() {
    let flows = flow("x", "d.a", "o.server", &one(443), "");
    let catalogue = catalogue_with(EXTERNAL, &flows);
    let gaps = plan(catalogue, &estate([host("a", &["d.a"])])).gaps;
    assert!(only(&gaps).next_step.contains("its address"), "{gaps:?}");
}

#[test]
fn people_do_not_miss_what_nobody_runs() {
    let flows = flow("x", "d.people", "d.b", &one(443), "");
    let estate = estate([host("people", &["d.people"])]);
    assert_eq!(plan(catalogue_with(EXTERNAL, &flows), &estate).gaps, []);
}

#[test]
fn only_a_feature_that_switches_off_all_flows_of_a_gap_is_named() {
    let condition = "conditions = [{ when = \"feature\", feature = \"d.on\" }]";
    let flows = [
        flow("x", "d.a", "d.b", &one(1), condition),
        flow("y", "d.a", "d.b", &one(2), ""),
    ];
    let gaps = plan(catalogue(&flows.concat()), &estate([host("a", &["d.a"])])).gaps;
    assert_eq!(only(&gaps).next_step, "give the role \"d.b\" to a host");
}

#[test]
fn people_that_no_host_stands_for_are_missed_where_others_connect() {
    let flows = [
        flow("x", "d.people", "d.b", &one(443), ""),
        flow("y", "d.a", "d.b", &one(444), ""),
        flow("z", "o.server", "d.b", &one(445), ""),
    ];
    let catalogue = catalogue_with(EXTERNAL, &flows.concat());
    let gaps = plan(
        catalogue,
        &estate([host("a", &["d.a"]), host("b", &["d.b"])]),
    )
    .gaps;
    let gap = only(&gaps);
    assert!(
        gap.reason.contains("nobody is let in to \"d.b\""),
        "{gap:?}"
    );
    assert_eq!(
        (gap.flow.as_str(), &gap.hosts),
        ("d.x", &vec!["b".to_owned()])
    );
}

#[test]
fn a_role_that_no_other_role_of_the_estate_uses_is_told_once() {
    let flows = [
        flow("x", "d.a", "d.b", &one(1), ""),
        flow("y", "d.c", "d.b", &one(2), ""),
    ];
    let catalogue = catalogue(&flows.concat());
    let gaps = plan(catalogue, &estate([host("b", &["d.b"])])).gaps;
    assert!(only(&gaps).reason.contains("\"d.a\", \"d.c\""), "{gaps:?}");
    assert_eq!(gaps[0].kind, GapKind::Unused);
    let used = estate([host("b", &["d.b"]), host("c", &["d.c"])]);
    assert_eq!(plan(catalogue, &used).gaps, []);
}

#[test]
fn a_role_that_opens_connections_is_of_use_without_callers() {
    let flows = [
        flow("x", "d.a", "d.e", &one(1), ""),
        flow("y", "d.d", "d.b", &one(2), ""),
    ];
    let estate = estate([host("b", &["d.b"]), host("e", &["d.e"])]);
    assert_eq!(plan(catalogue(&flows.concat()), &estate).gaps, []);
}

#[test]
fn a_role_is_used_when_one_that_it_includes_is() {
    let flows = [
        flow("x", "d.a", "d.d", &one(1), ""),
        flow("y", "d.c", "d.e", &one(2), ""),
    ];
    let used = estate([host("a", &["d.a"]), host("e", &["d.e"])]);
    assert_eq!(plan(catalogue(&flows.concat()), &used).gaps, []);
}

#[test]
fn a_formula_that_runs_out_of_ports_is_told() {
    let ports =
        "{ first = 10, last = 12, formula = { text = \"10 + n\", step = 1, each = \"d.c\" } }";
    let flows = flow("x", "d.a", "d.b", ports, "");
    let hosts = |count: usize| {
        let counted = (0..count).map(|n| host(&format!("c{n}"), &["d.c"]));
        estate(
            [host("a", &["d.a"]), host("b", &["d.b"])]
                .into_iter()
                .chain(counted),
        )
    };
    assert_eq!(plan(catalogue(&flows), &hosts(3)).gaps, []);
    let four = plan(catalogue(&flows), &hosts(4));
    assert_eq!(lines(&four), ["d.x: a > b 10-12"]);
    assert!(
        only(&four.gaps)
            .reason
            .starts_with("4 hosts have the role \"d.c\"")
    );
}
