//! Nothing in a picture stands on anything else.

use portico_catalogue::diagram::{
    Bundling, DiagramOptions, EndKind, Label, Layout, Point, Rect, TextLine, layout,
};
use portico_catalogue::plan::FlowPlan;
use proptest::prelude::*;

use super::estates::{self, catalogue, host, zone};

fn drawn(plan: &FlowPlan, bundling: Bundling) -> Layout {
    let options = DiagramOptions {
        bundling,
        ..DiagramOptions::new(catalogue())
    };
    layout(plan, &options)
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

fn within(inner: &Rect, outer: &Rect) -> bool {
    inner.x >= outer.x
        && inner.y >= outer.y
        && inner.right() <= outer.right()
        && inner.bottom() <= outer.bottom()
}

/// From above the capitals to below the tails of letters.
fn rect_of(text: &TextLine) -> Rect {
    let size = text.style.size();
    Rect {
        x: text.x,
        y: text.y - size,
        width: text.width,
        height: size + size / 4,
    }
}

fn check_disjoint(what: &str, rects: &[Rect]) {
    for (place, a) in rects.iter().enumerate() {
        for b in rects.iter().skip(place + 1) {
            assert!(!overlap(a, b), "{what}: {a:?} and {b:?}");
        }
    }
}

/// Whether an upright or level line goes through a rectangle.
fn crosses(a: Point, b: Point, rect: &Rect) -> bool {
    let line = Rect {
        x: a.x.min(b.x),
        y: a.y.min(b.y),
        width: (a.x - b.x).abs().max(1),
        height: (a.y - b.y).abs().max(1),
    };
    overlap(&line, rect)
}

fn check_label(label: &Label) -> Vec<Rect> {
    let texts: Vec<Rect> = label.items.iter().map(|item| rect_of(&item.text)).collect();
    check_disjoint("services of a label", &texts);
    for text in &texts {
        assert!(
            within(text, &label.rect),
            "{text:?} leaves {:?}",
            label.rect
        );
    }
    texts
}

fn check_room(layout: &Layout) {
    let page = Rect {
        x: 0,
        y: 0,
        width: layout.width,
        height: layout.height,
    };
    let groups: Vec<Rect> = layout.groups.iter().map(|group| group.rect).collect();
    let nodes: Vec<Rect> = layout.nodes.iter().map(|node| node.rect).collect();
    check_disjoint("groups", &groups);
    check_disjoint("nodes", &nodes);
    for node in &layout.nodes {
        assert!(within(&node.rect, &groups[node.group]), "{node:?}");
    }
    let mut outside = Vec::new();
    let mut texts = Vec::new();
    for bundle in &layout.bundles {
        check_label(&bundle.label);
        if bundle.path.is_empty() {
            let place = bundle.connection.from;
            let home = match layout.ends {
                EndKind::Group => groups[place],
                EndKind::Node => nodes[place],
            };
            assert!(within(&bundle.label.rect, &home), "{bundle:?} in {home:?}");
            texts.push(bundle.label.rect);
        } else {
            outside.push(bundle.label.rect);
        }
    }
    outside.push(layout.legend.rect);
    check_label(&layout.legend);
    outside.extend(layout.texts.iter().map(rect_of));
    let with_groups: Vec<Rect> = outside.iter().chain(&groups).copied().collect();
    check_disjoint("labels and groups", &with_groups);
    assert!(
        with_groups.iter().all(|rect| within(rect, &page)),
        "{page:?}"
    );
    for group in &layout.groups {
        let own: Vec<Rect> = group.texts.iter().map(rect_of).collect();
        assert!(own.iter().all(|text| within(text, &group.rect)));
        let inner = group.nodes.iter().map(|node| nodes[*node]);
        check_disjoint(
            "titles and nodes",
            &own.iter().copied().chain(inner).collect::<Vec<_>>(),
        );
        texts.extend(own);
    }
    for node in &layout.nodes {
        let own: Vec<Rect> = node.texts.iter().map(rect_of).collect();
        assert!(own.iter().all(|text| within(text, &node.rect)), "{node:?}");
        texts.extend(own);
    }
    check_disjoint("text in boxes", &texts);
    check_lines(layout, &outside, &nodes, &page);
}

/// Lines are level or upright, begin and end at their boxes, and go through no other and no label.
fn check_lines(layout: &Layout, labels: &[Rect], nodes: &[Rect], page: &Rect) {
    for bundle in layout
        .bundles
        .iter()
        .filter(|bundle| !bundle.path.is_empty())
    {
        for (a, b) in bundle.path.iter().zip(bundle.path.iter().skip(1)) {
            assert!(a.x == b.x || a.y == b.y, "{:?}", bundle.path);
            for rect in labels.iter().chain(nodes) {
                assert!(!crosses(*a, *b, rect), "{a:?} to {b:?} through {rect:?}");
            }
            assert!(a.x >= 0 && a.y >= 0 && a.x <= page.width && a.y <= page.height);
        }
        let rect = |end: usize| match layout.ends {
            EndKind::Group => layout.groups[end].rect,
            EndKind::Node => layout.nodes[end].rect,
        };
        let (from, to) = (rect(bundle.connection.from), rect(bundle.connection.to));
        let (first, last) = (bundle.path[0], bundle.path[bundle.path.len() - 1]);
        assert!(first.x == from.x || first.x == from.right());
        assert!(last.x == to.x || last.x == to.right());
        assert!(first.y > from.y && first.y < from.bottom());
        assert!(last.y > to.y && last.y < to.bottom());
    }
}

#[test]
fn the_example_estates_have_room_for_everything() {
    for plan in [estates::ras(), estates::rds(), estates::tarantella()] {
        for bundling in [Bundling::Auto, Bundling::Groups, Bundling::Nodes] {
            check_room(&drawn(&plan, bundling));
        }
    }
}

#[test]
fn a_plan_without_hosts_or_without_flows_is_a_picture_too() {
    check_room(&drawn(
        &estates::plan(Vec::new(), Vec::new()),
        Bundling::Auto,
    ));
    let hosts = (0..40).map(|n| host(&format!("h{n}"), &[], None)).collect();
    check_room(&drawn(&estates::plan(Vec::new(), hosts), Bundling::Auto));
}

#[test]
fn every_flow_between_two_hosts_is_in_a_bundle() {
    let plan = estates::ras();
    for bundling in [Bundling::Groups, Bundling::Nodes] {
        let layout = drawn(&plan, bundling);
        let mut seen: Vec<usize> = layout
            .bundles
            .iter()
            .flat_map(|bundle| bundle.connection.planned.clone())
            .collect();
        seen.sort_unstable();
        seen.dedup();
        let single_to_itself = |n: &usize| {
            let flow = &plan.flows[*n];
            flow.from == flow.to && flow.from.len() == 1
        };
        let expected: Vec<usize> = (0..plan.flows.len())
            .filter(|n| !single_to_itself(n))
            .collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn many_alike_hosts_are_one_node_with_their_number() {
    let layout = drawn(&estates::ras(), Bundling::Auto);
    let pile = layout
        .nodes
        .iter()
        .find(|node| node.hosts.len() == 20)
        .unwrap();
    assert!(pile.texts.iter().any(|text| text.text == "20×"));
    assert!(layout.nodes.len() < 10, "{}", layout.nodes.len());
}

#[test]
fn who_only_opens_connections_stands_left_of_who_listens() {
    let layout = drawn(&estates::rds(), Bundling::Auto);
    let x = |id: &str| {
        layout
            .groups
            .iter()
            .find(|group| group.id == id)
            .unwrap()
            .rect
            .x
    };
    assert!(x("internet") < x("perimeter") && x("perimeter") < x("internal"));
}

#[test]
fn ten_thousand_hosts_are_drawn_from_their_classes() {
    let zones = (0..4)
        .map(|n| zone(&format!("z{n}"), "Z", &format!("10.{n}.0.0/16")))
        .collect();
    let roles = [
        "ras.session-host",
        "windows.dc",
        "client.pc",
        "ras.broker",
        "ras.gateway",
    ];
    let hosts = (0..10_000)
        .map(|n| {
            host(
                &format!("h{n}"),
                &[roles[n % 5]],
                Some(&format!("z{}", n % 4)),
            )
        })
        .collect();
    let layout = drawn(&estates::plan(zones, hosts), Bundling::Auto);
    assert_eq!(layout.nodes.len(), 20);
    check_room(&layout);
}

const ROLES: [&str; 12] = [
    "client.pc",
    "ras.broker",
    "ras.gateway",
    "ras.session-host",
    "ras.licensing",
    "rds.gateway",
    "rds.broker",
    "rds.session-host",
    "windows.dc",
    "windows.file",
    "tarantella.server",
    "tarantella.x",
];

/// 1 to 40 hosts with names of any kind, in up to 6 zones or none.
pub(crate) fn any_plan() -> impl Strategy<Value = FlowPlan> {
    let name = prop_oneof![3 => "[a-z]{1,12}", 1 => "\\PC{1,40}", 1 => any::<String>()];
    let roles = proptest::collection::vec(0..ROLES.len(), 0..4);
    let hosts = proptest::collection::vec((name.clone(), roles, 0..9_usize), 1..41);
    (hosts, proptest::collection::vec(name, 0..7)).prop_map(|(hosts, zones)| {
        let count = zones.len();
        let zones = zones
            .iter()
            .enumerate()
            .map(|(n, title)| zone(&format!("z{n}"), title, &format!("10.{n}.0.0/16")))
            .collect();
        let hosts = hosts
            .iter()
            .map(|(name, roles, at)| {
                let roles: Vec<&str> = roles.iter().map(|role| ROLES[*role]).collect();
                let zone = (*at < count).then(|| format!("z{at}"));
                host(name, &roles, zone.as_deref())
            })
            .collect();
        estates::plan(zones, hosts)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_overlaps_with_1_to_40_hosts(plan in any_plan(), choice in 0..3_usize) {
        let bundling = [Bundling::Auto, Bundling::Groups, Bundling::Nodes][choice];
        check_room(&drawn(&plan, bundling));
    }
}
