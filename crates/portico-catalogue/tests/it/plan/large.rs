//! An estate of 10,000 hosts: what comes out grows with what differs, and not with pairs of hosts.

use portico_catalogue::{
    Transport,
    plan::{Deployment, PortKey, compare, plan},
};

use super::{catalogue, estate, flow, host, one};

const HOSTS: usize = 10_000;
const SITES: usize = 100;

fn flows() -> String {
    let same_site = "conditions = [{ when = \"same-site\" }]";
    [
        flow("all", "d.a", "d.b", &one(80), ""),
        flow("site", "d.a", "d.b", &one(81), same_site),
        flow("back", "d.b", "d.a", &one(82), "direction = \"both-ways\""),
    ]
    .concat()
}

/// Half of the hosts open, half listen; every tenth listener on another port.
fn large() -> Deployment {
    estate((0..HOSTS).map(|n| {
        let mut host = host(&format!("h{n}"), &[if n % 2 == 0 { "d.a" } else { "d.b" }]);
        host.site = Some(format!("s{}", n / 2 % SITES));
        if n % 20 == 1 {
            host.ports
                .insert(PortKey::Default(80, Transport::Tcp), 8080);
        }
        host
    }))
}

#[test]
fn ten_thousand_hosts_are_bundled_by_what_they_differ_in() {
    let plan = plan(catalogue(&flows()), &large());
    let count = |id: &str| plan.flows.iter().filter(|flow| flow.flow.id == id).count();
    assert_eq!(count("d.all"), 2);
    assert_eq!(count("d.site"), SITES);
    assert_eq!(count("d.back"), 2);
    let pairs = |id: &str| -> usize {
        let flows = plan.flows.iter().filter(|flow| flow.flow.id == id);
        flows.map(|flow| flow.from.len() * flow.to.len()).sum()
    };
    assert_eq!(pairs("d.all"), HOSTS * HOSTS / 4);
    assert_eq!(pairs("d.site"), HOSTS * HOSTS / 4 / SITES);
    assert_eq!(pairs("d.back"), HOSTS * HOSTS / 2);
    assert_eq!(plan.gaps, []);
    assert_eq!(plan.assumptions, Vec::<String>::new());
}

#[test]
fn the_report_of_ten_thousand_hosts_names_each_set_once() {
    let plan = plan(catalogue(&flows()), &large());
    let report = plan.report();
    assert_eq!(report.hosts.len(), HOSTS);
    let names: usize = report.sets.values().map(Vec::len).sum();
    // All that open and all that listen, and those that open once more by site.
    assert_eq!(names, HOSTS / 2 * 3);
    let rows: usize = report.hosts.iter().map(|host| host.inbound.len()).sum();
    assert_eq!(rows, HOSTS / 2 * 3 + HOSTS / 2);
}

#[test]
fn a_moved_port_at_ten_thousand_hosts_is_one_change_gained_and_one_lost() {
    let (before, mut after) = (large(), large());
    for host in &mut after.hosts {
        if host.ports.is_empty() && host.roles == ["d.b"] {
            host.ports
                .insert(PortKey::Default(80, Transport::Tcp), 8080);
        }
    }
    after.hosts.reverse();
    let catalogue = catalogue(&flows());
    let (before, after) = (plan(catalogue, &before), plan(catalogue, &after));
    let comparison = compare(&before, &after);
    let [gained] = comparison.gained.as_slice() else {
        panic!("{:?}", comparison.gained.len())
    };
    let [lost] = comparison.lost.as_slice() else {
        panic!("{:?}", comparison.lost.len())
    };
    assert_eq!((gained.flow, lost.flow), ("d.all", "d.all"));
    assert_eq!((gained.ports[0].first, lost.ports[0].first), (8080, 80));
    assert_eq!(
        (gained.from.len(), gained.to.len()),
        (HOSTS / 2, HOSTS * 9 / 20)
    );
    assert_eq!((&gained.from, &gained.to), (&lost.from, &lost.to));
}
