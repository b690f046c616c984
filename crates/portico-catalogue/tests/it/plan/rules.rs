//! One test for each rule by which flows come into a plan.

use portico_catalogue::{
    OsGeneration, Transport,
    plan::{DeployedHost, Deployment, PortKey, plan},
};

use super::{catalogue, catalogue_with, check, check_shape, estate, flow, host, lines, one};

fn simple(more: &str) -> String {
    flow("x", "d.a", "d.b", &one(80), more)
}

fn with(mut host: DeployedHost, change: impl FnOnce(&mut DeployedHost)) -> DeployedHost {
    change(&mut host);
    host
}

#[test]
fn a_flow_is_needed_between_each_host_of_one_role_and_each_of_the_other_but_not_to_itself() {
    check(
        &simple(""),
        &estate([
            host("a", &["d.a"]),
            host("ab", &["d.a", "d.b"]),
            host("b", &["d.b"]),
            host("c", &["d.c"]),
        ]),
        &["d.x: a > ab 80", "d.x: a > b 80", "d.x: ab > b 80"],
    );
    check(&simple(""), &estate([host("ab", &["d.a", "d.b"])]), &[]);
}

#[test]
fn a_host_has_the_roles_that_its_roles_include_through_any_number_of_steps() {
    let more =
        "[[role]]\nid = \"d.top\"\ntitle = \"T\"\ndescription = \"-\"\nincludes = [\"d.e\"]\n";
    let catalogue = catalogue_with(more, &flow("x", "d.a", "d.d", &one(1), ""));
    let plan = plan(
        catalogue,
        &estate([
            host("a", &["d.a"]),
            host("t", &["d.top", "d.top", "unknown"]),
        ]),
    );
    assert_eq!(lines(&plan), ["d.x: a > t 1"]);
    check_shape(&plan);
}

#[test]
fn a_feature_is_on_at_both_ends_by_the_host_before_the_estate_before_the_catalogue() {
    let hosts = || {
        [
            host("a", &["d.a"]),
            host("b", &["d.b"]),
            host("b2", &["d.b"]),
        ]
    };
    for (feature, of_estate, of_b, expected) in [
        ("d.on", None, None, &["d.x: a > b 80", "d.x: a > b2 80"][..]),
        ("d.off", None, None, &[]),
        ("d.on", Some(false), None, &[]),
        ("d.off", Some(true), Some(false), &["d.x: a > b2 80"]),
        ("d.on", None, Some(false), &["d.x: a > b2 80"]),
        ("d.off", None, Some(true), &[]),
    ] {
        let mut estate = estate(hosts());
        let feature = feature.to_owned();
        estate
            .features
            .extend(of_estate.map(|on| (feature.clone(), on)));
        let of_b = of_b.map(|on| (feature.clone(), on));
        estate.hosts[1].features.extend(of_b);
        let condition = format!("conditions = [{{ when = \"feature\", feature = {feature:?} }}]");
        check(&simple(&condition), &estate, expected);
    }
}

#[test]
fn an_operating_system_counts_at_the_end_that_the_condition_names() {
    let os = |id: &str, role: &str, os| with(host(id, &[role]), |host| host.os = Some(os));
    let hosts = [
        os("a-old", "d.a", OsGeneration::Windows2003),
        os("a-new", "d.a", OsGeneration::Windows2008),
        os("b-old", "d.b", OsGeneration::Windows2003),
        os("b-new", "d.b", OsGeneration::Windows2008),
        os("b-other", "d.b", OsGeneration::Other),
    ];
    let at = |rest: &str| simple(&format!("conditions = [{{ when = \"os\", {rest} }}]"));
    check(
        &at("at = \"to\", first = \"windows-2008\""),
        &estate(hosts.clone()),
        &["d.x: a-new > b-new 80", "d.x: a-old > b-new 80"],
    );
    check(
        &at("at = \"from\", last = \"windows-2003\""),
        &estate(hosts.clone()),
        &[
            "d.x: a-old > b-new 80",
            "d.x: a-old > b-old 80",
            "d.x: a-old > b-other 80",
        ],
    );
    check(
        &at("at = \"to\", first = \"other\", last = \"other\""),
        &estate(hosts),
        &["d.x: a-new > b-other 80", "d.x: a-old > b-other 80"],
    );
}

#[test]
fn a_host_without_operating_system_is_a_current_windows_by_its_roles_and_the_plan_says_so() {
    let roles = "[[role]]\nid = \"windows.s\"\ntitle = \"S\"\ndescription = \"-\"\n\
                 [[role]]\nid = \"windows.t\"\ntitle = \"T\"\ndescription = \"-\"\n";
    let condition = "conditions = [{ when = \"os\", at = \"to\", first = \"windows-2016\" }]";
    let flows = [
        flow("windows", "d.a", "windows.s", &one(1), condition),
        flow("other", "d.a", "d.b", &one(2), condition),
        flow("any", "d.a", "windows.t", &one(3), ""),
    ];
    let estate = estate([
        host("a", &["d.a"]),
        host("b", &["d.b"]),
        host("s", &["windows.s"]),
        host("t", &["windows.t"]),
    ]);
    let plan = plan(catalogue_with(roles, &flows.concat()), &estate);
    assert_eq!(lines(&plan), ["d.any: a > t 3", "d.windows: a > s 1"]);
    let [windows, other] = plan.assumptions.as_slice() else {
        panic!("{:?}", plan.assumptions)
    };
    assert!(
        windows.contains("current Windows") && windows.ends_with(": \"s\""),
        "{windows}"
    );
    assert!(
        other.contains("other than Windows") && other.ends_with(": \"b\""),
        "{other}"
    );
}

#[test]
fn same_site_is_an_equal_site_or_none_at_both_ends() {
    let at = |id: &str, role: &str, site: Option<&str>| {
        with(host(id, &[role]), |host| {
            host.site = site.map(str::to_owned)
        })
    };
    let hosts = [
        at("a1", "d.a", Some("s1")),
        at("a2", "d.a", Some("s2")),
        at("a", "d.a", None),
        at("b1", "d.b", Some("s1")),
        at("b", "d.b", None),
    ];
    check(
        &simple("conditions = [{ when = \"same-site\" }]"),
        &estate(hosts),
        &["d.x: a > b 80", "d.x: a1 > b1 80"],
    );
}

#[test]
fn optional_flows_come_only_on_demand_and_what_is_left_out_never() {
    let hosts = || [host("a", &["d.a"]), host("b", &["d.b"])];
    let optional = simple("conditions = [{ when = \"optional\", why = \"-\" }]");
    check(&optional, &estate(hosts()), &[]);
    let demanding = Deployment {
        with_optional: true,
        ..estate(hosts())
    };
    check(&optional, &demanding, &["d.x: a > b 80"]);
    let left_out = "errata = [{ written = \"-\", correction = \"-\", effect = \"leave-out\" }]";
    check(&simple(left_out), &demanding, &[]);
}

#[test]
fn errata_correct_ports() {
    let errata = "errata = [{ written = \"80\", correction = \"81\", \
                  effect = { ports = { ports = [{ first = 81, last = 81 }] } } }]";
    check(
        &simple(errata),
        &estate([host("a", &["d.a"]), host("b", &["d.b"])]),
        &["d.x: a > b 81"],
    );
}

#[test]
fn the_listening_host_changes_a_port_that_stands_alone_and_no_dynamic_range() {
    let ports = [one(80), one(82), "{ first = 1000, last = 2000 }".to_owned()].join(", ");
    let changed = |key: PortKey, port| {
        with(host("b2", &["d.b"]), |host| {
            host.ports.insert(key, port);
        })
    };
    for (key, port, expected) in [
        (PortKey::Default(80, Transport::Tcp), 81, "81-82,1000-2000"),
        (PortKey::Default(80, Transport::Udp), 81, "80,82,1000-2000"),
        (
            PortKey::Default(1500, Transport::Tcp),
            81,
            "80,82,1000-2000",
        ),
        (PortKey::Default(82, Transport::Tcp), 1001, "80,1000-2000"),
    ] {
        check(
            &flow("x", "d.a", "d.b", &ports, ""),
            &estate([host("a", &["d.a"]), host("b", &["d.b"]), changed(key, port)]),
            &[
                "d.x: a > b 80,82,1000-2000",
                &format!("d.x: a > b2 {expected}"),
            ],
        );
    }
}

#[test]
fn a_changed_port_that_nothing_listens_on_is_told() {
    let mut b = host("b", &["d.b"]);
    b.ports.insert(PortKey::Default(80, Transport::Tcp), 8080);
    b.ports.insert(PortKey::Default(81, Transport::Udp), 8081);
    b.ports.insert(PortKey::Named("n".into()), 1);
    let plan = plan(catalogue(&simple("")), &estate([host("a", &["d.a"]), b]));
    assert_eq!(lines(&plan), ["d.x: a > b 8080"]);
    let [default, named] = plan.assumptions.as_slice() else {
        panic!("{:?}", plan.assumptions)
    };
    assert!(default.contains("81/udp changes nothing"), "{default}");
    assert!(named.contains("\"n\" changes nothing"), "{named}");
}

#[test]
fn a_formula_has_a_port_for_each_host_of_its_role_and_one_at_least() {
    let formula = |first: u16, last: u16, step: u16| {
        format!(
            "{{ first = {first}, last = {last}, \
             formula = {{ text = \"f\", step = {step}, each = \"d.c\" }} }}"
        )
    };
    let hosts = |count: usize| {
        let counted = (0..count).map(|n| host(&format!("c{n}"), &["d.c"]));
        estate(
            [host("a", &["d.a"]), host("b", &["d.b"])]
                .into_iter()
                .chain(counted),
        )
    };
    let by = |ports: String| flow("x", "d.a", "d.b", &ports, "");
    check(&by(formula(10, 99, 2)), &hosts(0), &["d.x: a > b 10"]);
    check(&by(formula(10, 99, 2)), &hosts(3), &["d.x: a > b 10,12,14"]);
    check(&by(formula(10, 10, 1)), &hosts(3), &["d.x: a > b 10-12"]);
    let two = format!("{}, {}", formula(10, 99, 2), formula(11, 99, 2));
    check(&by(two), &hosts(2), &["d.x: a > b 10-13"]);
    let mut changed = hosts(2);
    let key = PortKey::Default(12, Transport::Tcp);
    changed.hosts[1].ports.insert(key, 20);
    check(&by(formula(10, 99, 2)), &changed, &["d.x: a > b 10,20"]);
}

#[test]
fn a_flow_that_both_ends_open_goes_both_ways_and_no_pair_has_it_twice() {
    let both = simple("direction = \"both-ways\"");
    check(
        &both,
        &estate([
            host("a", &["d.a"]),
            host("ab", &["d.a", "d.b"]),
            host("b", &["d.b"]),
        ]),
        &[
            "d.x: a > ab 80",
            "d.x: a > b 80",
            "d.x: ab > a 80",
            "d.x: ab > b 80",
            "d.x: b > a 80",
            "d.x: b > ab 80",
        ],
    );
    let peers = flow("x", "d.a", "d.a", &one(80), "direction = \"both-ways\"");
    check(
        &peers,
        &estate([host("a", &["d.a"]), host("a2", &["d.a"])]),
        &["d.x: a > a2 80", "d.x: a2 > a 80"],
    );
    let plan = plan(
        catalogue(&both),
        &estate([host("a", &["d.a"]), host("b", &["d.b"])]),
    );
    let roles: Vec<_> = plan
        .flows
        .iter()
        .map(|f| (f.from_role, f.to_role))
        .collect();
    assert_eq!(roles, [("d.a", "d.b"), ("d.b", "d.a")]);
}

#[test]
fn a_host_opens_connections_only_to_the_hosts_zones_and_sites_that_it_reaches() {
    let hosts = |reaches: Option<&[&str]>| {
        let names = reaches.map(|names| names.iter().map(ToString::to_string).collect());
        estate([
            with(host("a", &["d.a"]), |host| host.reaches = names),
            host("a2", &["d.a"]),
            host("b1", &["d.b"]),
            with(host("b2", &["d.b"]), |host| host.zone = Some("z".into())),
            with(host("b3", &["d.b"]), |host| host.site = Some("s".into())),
        ])
    };
    let always = ["d.x: a2 > b1 80", "d.x: a2 > b2 80", "d.x: a2 > b3 80"];
    for (reaches, own) in [
        (
            None,
            &["d.x: a > b1 80", "d.x: a > b2 80", "d.x: a > b3 80"][..],
        ),
        (Some(&["b1"][..]), &["d.x: a > b1 80"]),
        (Some(&["z"]), &["d.x: a > b2 80"]),
        (
            Some(&["s", "b1", "nowhere"]),
            &["d.x: a > b1 80", "d.x: a > b3 80"],
        ),
        (Some(&[]), &[]),
    ] {
        check(&simple(""), &hosts(reaches), &[own, &always].concat());
    }
}

#[test]
fn transports_without_ports_are_planned_without() {
    let icmp = flow("x", "d.a", "d.b", "", "transport = \"icmp\"");
    let gre = flow(
        "y",
        "d.a",
        "d.b",
        "",
        "transport = \"ip\"\nip_protocol = 47",
    );
    let hosts = [host("a", &["d.a"]), host("b", &["d.b"])];
    let plan = plan(catalogue(&[icmp, gre].concat()), &estate(hosts));
    let seen: Vec<_> = plan
        .flows
        .iter()
        .map(|f| (f.transport, f.ip_protocol))
        .collect();
    assert_eq!(seen, [(Transport::Icmp, None), (Transport::Ip, Some(47))]);
    check_shape(&plan);
}

#[test]
fn two_flows_over_one_port_between_the_same_hosts_are_both_there() {
    let second = flow("y", "d.a", "d.b", &one(80), "");
    check(
        &[simple(""), second].concat(),
        &estate([host("a", &["d.a"]), host("b", &["d.b"])]),
        &["d.x: a > b 80", "d.y: a > b 80"],
    );
}

#[test]
fn flows_of_the_same_hosts_share_one_set() {
    let second = flow("y", "d.a", "d.b", &one(81), "");
    let hosts = [host("a", &["d.a"]), host("b", &["d.b"])];
    let plan = plan(catalogue(&[simple(""), second].concat()), &estate(hosts));
    let [x, y] = plan.flows.as_slice() else {
        panic!("{:?}", plan.flows)
    };
    assert!(std::sync::Arc::ptr_eq(&x.from, &y.from));
    assert!(std::sync::Arc::ptr_eq(&x.to, &y.to));
}
