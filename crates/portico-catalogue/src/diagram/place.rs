//! Gives everything its place. Heights are known; here come the widths: labels have a strip beside
//! the boxes in which no line goes up or down. So no text can stand on text, on a line, or on a box.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    EndKind,
    boxes::{
        self, PADDING, group_texts, group_width, header_height, int, line, moved, node_columns,
        node_inside, node_texts,
    },
    columns::Item,
    family::Family,
    graph::{Graph, Group},
    heights::{Heights, LABEL_BELOW, LANE_HEIGHT},
    layout::{BundleLine, Connection, GroupBox, Label, Layout, NodeBox, Point, Rect, TextStyle},
    route::{Segment, Side, order},
};
use crate::plan::FlowPlan;

/// Space around everything.
const MARGIN: i32 = 28;
/// Height of the heading and the summary.
const HEADING: i32 = 68;
/// Narrowest picture.
const WIDTH_MIN: i32 = 680;
/// Between a box and its label, and between a label and the first upright line.
const LABEL_GAP: i32 = 8;
/// Between upright lines.
const TRACK: i32 = 9;
/// Room of an arrowhead with a piece of its line.
const ARROW_ROOM: i32 = 24;
/// Between columns.
const GUTTER_MIN: i32 = 48;

/// The picture of `graph`, which was made from `plan`.
pub(super) fn place(plan: &FlowPlan, graph: &Graph, title: &str) -> Layout {
    Heights::of(graph, HEADING + MARGIN).finish(plan, title)
}

/// What lies between two columns.
#[derive(Debug, Default)]
struct Gutter {
    segments: Vec<Segment>,
    /// Room for labels and arrowheads at each side.
    left: i32,
    right: i32,
}

/// Sides of the columns, and the upright parts of lines by gutter and bundle.
struct Across {
    columns: Vec<(i32, i32)>,
    uprights: BTreeMap<(usize, usize), i32>,
    right: i32,
}

impl Heights<'_> {
    /// Gutter to the right of the column of its place.
    fn gutters(&self) -> Vec<Gutter> {
        let mut gutters: Vec<Gutter> = self
            .columns
            .items
            .iter()
            .map(|_| Gutter::default())
            .collect();
        for (bundle, ends) in self.graph.bundles.iter().enumerate() {
            if ends.from == ends.to {
                continue;
            }
            let items = self.columns.path_of(bundle);
            let heights = self.heights(bundle);
            let hops = items
                .iter()
                .zip(items.iter().skip(1))
                .zip(heights.iter().zip(heights.iter().skip(1)));
            let last = items.len().saturating_sub(2);
            for (hop, ((a, b), (from, to))) in hops.enumerate() {
                let (before, after) = (self.columns.column_of(*a), self.columns.column_of(*b));
                let Some(gutter) = gutters.get_mut(before.min(after)) else {
                    continue;
                };
                let start = if before <= after {
                    Side::Left
                } else {
                    Side::Right
                };
                let finish = if before < after {
                    Side::Right
                } else {
                    Side::Left
                };
                gutter.segments.push(Segment {
                    bundle,
                    ends: [(start, *from), (finish, *to)],
                });
                if hop == 0 {
                    let label = self.labels.get(bundle).map_or(0, |label| label.rect.width);
                    gutter.widen(start, label + 2 * LABEL_GAP);
                }
                if hop == last {
                    gutter.widen(finish, ARROW_ROOM);
                }
            }
        }
        gutters
    }

    fn across(&self) -> Across {
        let mut x = MARGIN;
        let mut across = Across {
            columns: Vec::new(),
            uprights: BTreeMap::new(),
            right: MARGIN,
        };
        for (column, gutter) in self.gutters().iter().enumerate() {
            let items = self.columns.items.get(column).into_iter().flatten();
            let widths = items.filter_map(|item| match item {
                Item::Group(group) => self.graph.groups.get(*group),
                Item::Lane { .. } => None,
            });
            let width = widths
                .map(|group| group_width(self.graph, group))
                .max()
                .unwrap_or(0);
            across.columns.push((x, x + width));
            across.right = x + width;
            x += width;
            let mut upright = x + gutter.left.max(LABEL_GAP);
            for place in order(&gutter.segments) {
                if let Some(segment) = gutter.segments.get(place).filter(|it| !it.is_straight()) {
                    upright += TRACK;
                    across.uprights.insert((column, segment.bundle), upright);
                }
            }
            if !gutter.segments.is_empty() {
                across.right = across.right.max(upright);
            }
            x = (upright + TRACK + gutter.right.max(LABEL_GAP)).max(x + GUTTER_MIN);
        }
        across
    }

    fn finish(&self, plan: &FlowPlan, title: &str) -> Layout {
        let across = self.across();
        let (groups, nodes) = self.boxes(&across);
        let bottom = groups.iter().map(|group| group.rect.bottom());
        let lanes = self.tops.values().map(|top| top + LANE_HEIGHT);
        let bottom = bottom.chain(lanes).max().unwrap_or(HEADING + MARGIN);
        let width = (across.right + MARGIN).max(WIDTH_MIN);
        let mut families = BTreeSet::new();
        for bundle in &self.graph.bundles {
            families.extend(bundle.items.all.iter().map(|item| item.family));
        }
        let families: Vec<Family> = families.into_iter().collect();
        let legend = boxes::legend(&families, width - 2 * MARGIN);
        let legend = moved(legend, MARGIN, bottom + MARGIN);
        let height = legend.rect.bottom() + MARGIN;
        let summary = summary(plan, &groups);
        let room = width - 2 * MARGIN;
        let title = super::text::shown(title);
        let mut texts = vec![line(&title, MARGIN, MARGIN + 14, room, TextStyle::Heading)];
        for (sentence, y) in summary.iter().zip((MARGIN + 36..).step_by(16)) {
            texts.push(line(sentence, MARGIN, y, room, TextStyle::Small));
        }
        let bundles = self.bundle_lines(plan, &across, &groups, &nodes);
        Layout {
            title,
            summary: summary.join(" "),
            width,
            height,
            ends: self.graph.ends,
            groups,
            nodes,
            bundles,
            texts,
            legend,
        }
    }

    fn boxes(&self, across: &Across) -> (Vec<GroupBox>, Vec<NodeBox>) {
        let mut groups = Vec::new();
        let mut nodes = BTreeMap::new();
        for (place, group) in self.graph.groups.iter().enumerate() {
            let item = Item::Group(place);
            let column = self.columns.column(place);
            let (left, right) = across.columns.get(column).copied().unwrap_or_default();
            let framed = group.kind.has_frame();
            let width = if framed {
                right - left
            } else {
                group_width(self.graph, group)
            };
            let rect = Rect {
                x: left + (right - left - width) / 2,
                y: self.tops.get(&item).copied().unwrap_or(0),
                width,
                height: self.item_height(item),
            };
            self.node_boxes(place, group, rect, &mut nodes);
            groups.push(GroupBox {
                id: group.id.clone(),
                title: group.title.clone(),
                kind: group.kind,
                rect,
                nodes: group.nodes.clone(),
                texts: group_texts(group, rect),
            });
        }
        (groups, nodes.into_values().collect())
    }

    fn node_boxes(
        &self,
        place: usize,
        group: &Group,
        rect: Rect,
        nodes: &mut BTreeMap<usize, NodeBox>,
    ) {
        let padding = if group.kind.has_frame() { PADDING } else { 0 };
        let beside = int(node_columns(self.graph, group)
            .min(group.nodes.len())
            .max(1));
        let width = (rect.width - padding * (beside + 1)) / beside;
        let mut y = rect.y + header_height(group);
        for (row, height) in self.node_rows(group) {
            let mut x = rect.x + padding;
            let height = if group.kind.has_frame() {
                height
            } else {
                rect.height
            };
            for node in row {
                let rect = Rect {
                    x,
                    y,
                    width,
                    height,
                };
                x += width + padding;
                let Some(it) = self.graph.nodes.get(node) else {
                    continue;
                };
                let drawn = NodeBox {
                    id: it.id.clone(),
                    group: place,
                    hosts: it.hosts.clone(),
                    places: it.places.clone(),
                    roles: it.roles.clone(),
                    external: it.is_external,
                    rect,
                    texts: node_texts(it, rect),
                };
                nodes.insert(node, drawn);
            }
            y += height + PADDING;
        }
    }

    fn bundle_lines(
        &self,
        plan: &FlowPlan,
        across: &Across,
        groups: &[GroupBox],
        nodes: &[NodeBox],
    ) -> Vec<BundleLine> {
        let rect_of = |end: usize| match self.graph.ends {
            EndKind::Group => groups.get(end).map(|group| group.rect),
            EndKind::Node => nodes.get(end).map(|node| node.rect),
        };
        let mut lines = Vec::new();
        for (place, bundle) in self.graph.bundles.iter().enumerate() {
            let from = rect_of(bundle.from).unwrap_or_default();
            let to = rect_of(bundle.to).unwrap_or_default();
            let (path, label) = if bundle.from == bundle.to {
                (Vec::new(), self.inside_label(bundle.from, from, nodes))
            } else {
                // Labels stand outside of the frame.
                let group = groups.get(self.graph.group_of_end(bundle.from));
                let beside = group.map_or(from, |group| group.rect);
                self.path_and_label(place, across, (from, beside), to)
            };
            let flows: BTreeSet<&str> = bundle
                .flows
                .iter()
                .filter_map(|flow| plan.flows.get(*flow))
                .map(|planned| planned.flow.id.as_str())
                .collect();
            lines.push(BundleLine {
                id: format!("b{place}"),
                connection: Connection {
                    from: bundle.from,
                    to: bundle.to,
                    flows: flows.into_iter().map(str::to_owned).collect(),
                    planned: bundle.flows.clone(),
                    services: bundle
                        .items
                        .all
                        .iter()
                        .map(|item| item.text.clone())
                        .collect(),
                },
                family: bundle
                    .items
                    .all
                    .first()
                    .map_or(Family::Other, |item| item.family),
                path,
                label,
            });
        }
        lines
    }

    /// The label of what stays inside stands at the lower end of a frame, or under the roles.
    fn inside_label(&self, end: usize, rect: Rect, nodes: &[NodeBox]) -> Label {
        let group = match self.graph.ends {
            EndKind::Group => self.graph.groups.get(end),
            EndKind::Node => None,
        };
        match group {
            Some(group) if group.kind.has_frame() => {
                let label = self.inside(end).cloned().unwrap_or_default();
                let rows = self.node_rows(group);
                let used: i32 = rows.iter().map(|(_, height)| height + PADDING).sum();
                moved(
                    label,
                    rect.x + PADDING,
                    rect.y + header_height(group) + used,
                )
            }
            _ => {
                let place = group.map_or(Some(end), |group| group.nodes.first().copied());
                let node = place.and_then(|place| nodes.get(place));
                let label = place.and_then(|place| node_inside(self.graph, place));
                let last = node
                    .and_then(|node| node.texts.last())
                    .map_or(0, |text| text.y);
                moved(label.unwrap_or_default(), rect.x + 10, last + 10)
            }
        }
    }

    fn path_and_label(
        &self,
        bundle: usize,
        across: &Across,
        (from, beside): (Rect, Rect),
        to: Rect,
    ) -> (Vec<Point>, Label) {
        let items = self.columns.path_of(bundle);
        let columns: Vec<usize> = items
            .iter()
            .map(|item| self.columns.column_of(*item))
            .collect();
        let heights = self.heights(bundle);
        let (first, last) = match (columns.first(), columns.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => (0, 0),
        };
        let y = heights.first().copied().unwrap_or(0);
        let label = self.labels.get(bundle).cloned().unwrap_or_default();
        let label_y = y - LABEL_BELOW - label.rect.height;
        let (start, label) = if first <= last {
            (
                from.right(),
                moved(label, beside.right() + LABEL_GAP, label_y),
            )
        } else {
            let x = beside.x - LABEL_GAP - label.rect.width;
            (from.x, moved(label, x, label_y))
        };
        let mut path = vec![Point { x: start, y }];
        let hops = columns.iter().zip(columns.iter().skip(1));
        for ((a, b), (from, to)) in hops.zip(heights.iter().zip(heights.iter().skip(1))) {
            if let Some(x) = across.uprights.get(&(*(a.min(b)), bundle)) {
                path.push(Point { x: *x, y: *from });
                path.push(Point { x: *x, y: *to });
            }
        }
        let x = if first < last { to.x } else { to.right() };
        path.push(Point {
            x,
            y: heights.last().copied().unwrap_or(0),
        });
        (path, label)
    }
}

impl Gutter {
    fn widen(&mut self, side: Side, room: i32) {
        match side {
            Side::Left => self.left = self.left.max(room),
            Side::Right => self.right = self.right.max(room),
        }
    }
}

/// What the picture shows, in lines under the heading; also for people who cannot see it.
fn summary(plan: &FlowPlan, groups: &[GroupBox]) -> Vec<String> {
    let count = |n: usize, one: &str, many: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    };
    let zones = groups.iter().filter(|group| group.kind.has_frame()).count();
    let hosts = count(plan.hosts.len(), "host", "hosts");
    let flows: BTreeSet<&str> = plan
        .flows
        .iter()
        .map(|planned| planned.flow.id.as_str())
        .collect();
    let flows = count(flows.len(), "flow", "flows");
    let counts = if zones > 0 {
        format!("{hosts} in {}, {flows}.", count(zones, "zone", "zones"))
    } else {
        format!("{hosts}, {flows}.")
    };
    let mut lines = vec![format!(
        "{counts} Arrows point from who opens the connection to who listens."
    )];
    if !plan.gaps.is_empty() {
        let gaps = count(plan.gaps.len(), "need is", "needs are");
        lines.push(format!(
            "{gaps} missing here: the plan says what to write for it."
        ));
    }
    lines
}
