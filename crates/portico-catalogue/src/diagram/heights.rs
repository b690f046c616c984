//! Heights: each line leaves and enters a box at a height of its own, and its label has that height
//! for itself.

use std::collections::BTreeMap;

use super::{
    EndKind,
    boxes::{
        self, LABEL_LINES, LABEL_WIDTH, PADDING, group_inside, group_width, header_height, int,
        node_columns, node_height,
    },
    columns::{Columns, Item},
    graph::{Graph, Group},
    layout::Label,
};

/// Between boxes of one column, and between a line that passes and what is above or below it.
const GAP: i32 = 30;
const LANE_GAP: i32 = 8;
pub(super) const LANE_HEIGHT: i32 = 12;
/// Height that an arrowhead has for itself.
const ARROW_ROW: i32 = 16;
/// Above a label, and between it and its line; below the line.
const LABEL_ABOVE: i32 = 3;
pub(super) const LABEL_BELOW: i32 = 4;
const LINE_BELOW: i32 = 5;
/// How often heights are adjusted to each other.
const ROUNDS: usize = 6;

/// Where a line touches a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Touch {
    Start,
    Finish,
}

/// Height at a side of a box that one line has for itself.
#[derive(Debug, Clone, Copy)]
struct Row {
    bundle: usize,
    touch: Touch,
    height: i32,
    /// The line, from the upper end of the row.
    line: i32,
}

/// Sides of the boxes that lines touch: by end, and whether it is the right one.
type Rows = BTreeMap<(usize, bool), Vec<Row>>;

/// Everything with its height.
pub(super) struct Heights<'g> {
    pub(super) graph: &'g Graph,
    pub(super) columns: Columns,
    /// Labels of the bundles, at 0, 0.
    pub(super) labels: Vec<Label>,
    /// Heights of the contents of nodes, and the labels of what stays inside of framed groups.
    node_heights: Vec<i32>,
    insides: Vec<Option<Label>>,
    rows: Rows,
    /// Upper side of each item.
    pub(super) tops: BTreeMap<Item, i32>,
    /// Upper side and height of each end.
    ends: BTreeMap<usize, (i32, i32)>,
    /// Height of each line where it touches a box.
    touches: BTreeMap<(usize, Touch), i32>,
}

impl<'g> Heights<'g> {
    /// Heights at which everything in the picture stands, from `top` downwards.
    pub(super) fn of(graph: &'g Graph, top: i32) -> Self {
        let columns = Columns::of(graph);
        let labels = graph
            .bundles
            .iter()
            .map(|bundle| boxes::label(&bundle.items, LABEL_WIDTH, LABEL_LINES))
            .collect();
        let nodes = graph.nodes.iter().enumerate();
        let groups = graph.groups.iter().enumerate();
        let mut heights = Self {
            graph,
            columns,
            labels,
            node_heights: nodes
                .map(|(place, node)| node_height(graph, place, node))
                .collect(),
            insides: groups
                .map(|(place, group)| framed_inside(graph, place, group))
                .collect(),
            rows: Rows::new(),
            tops: BTreeMap::new(),
            ends: BTreeMap::new(),
            touches: BTreeMap::new(),
        };
        heights.rows = heights.first_rows();
        heights.stack();
        for round in 0..ROUNDS {
            heights.sort_rows();
            heights.adjust(round % 2 == 0);
        }
        heights.straighten();
        heights.move_to(top);
        heights
    }

    fn first_rows(&self) -> Rows {
        let mut rows = Rows::new();
        for (place, bundle) in self.graph.bundles.iter().enumerate() {
            if bundle.from == bundle.to {
                continue;
            }
            let from = self.columns.column(self.graph.group_of_end(bundle.from));
            let to = self.columns.column(self.graph.group_of_end(bundle.to));
            let label = self.labels.get(place).map_or(0, |label| label.rect.height);
            let line = LABEL_ABOVE + label + LABEL_BELOW;
            let start = Row {
                bundle: place,
                touch: Touch::Start,
                height: line + LINE_BELOW,
                line,
            };
            let finish = Row {
                bundle: place,
                touch: Touch::Finish,
                height: ARROW_ROW,
                line: ARROW_ROW / 2,
            };
            rows.entry((bundle.from, from <= to))
                .or_default()
                .push(start);
            rows.entry((bundle.to, from >= to))
                .or_default()
                .push(finish);
        }
        rows
    }

    fn rows_height(&self, end: usize) -> i32 {
        let sum = |right| -> i32 {
            self.rows
                .get(&(end, right))
                .into_iter()
                .flatten()
                .map(|row| row.height)
                .sum()
        };
        let height = sum(false).max(sum(true));
        if height > 0 { height + 8 } else { 0 }
    }

    fn node_height(&self, node: usize) -> i32 {
        let own = self.node_heights.get(node).copied().unwrap_or(0);
        match self.graph.ends {
            EndKind::Node => own.max(self.rows_height(node)),
            EndKind::Group => own,
        }
    }

    /// Height of the nodes of a group, in rows of as many as stand beside each other.
    pub(super) fn node_rows(&self, group: &Group) -> Vec<(Vec<usize>, i32)> {
        group
            .nodes
            .chunks(node_columns(self.graph, group))
            .map(|nodes| {
                let height = nodes.iter().map(|node| self.node_height(*node)).max();
                (nodes.to_vec(), height.unwrap_or(0))
            })
            .collect()
    }

    pub(super) fn inside(&self, place: usize) -> Option<&Label> {
        self.insides.get(place).and_then(Option::as_ref)
    }

    pub(super) fn item_height(&self, item: Item) -> i32 {
        let Item::Group(place) = item else {
            return LANE_HEIGHT;
        };
        let Some(group) = self.graph.groups.get(place) else {
            return 0;
        };
        let rows = self.node_rows(group);
        let mut height: i32 = rows.iter().map(|(_, height)| height + PADDING).sum();
        if group.kind.has_frame() {
            height += header_height(group);
            height += self
                .inside(place)
                .map_or(0, |label| label.rect.height + PADDING);
        } else {
            height -= PADDING;
        }
        match self.graph.ends {
            EndKind::Group => height.max(self.rows_height(place)),
            EndKind::Node => height,
        }
    }

    /// Puts the items of each column under each other, the columns centred.
    fn stack(&mut self) {
        let mut tops = BTreeMap::new();
        for items in &self.columns.items {
            let mut y = 0;
            let mut before = None;
            let mut column = Vec::new();
            for item in items {
                y += before.map_or(0, |before| gap(before, *item));
                column.push((*item, y));
                y += self.item_height(*item);
                before = Some(*item);
            }
            tops.extend(column.into_iter().map(|(item, top)| (item, top - y / 2)));
        }
        self.tops = tops;
        self.touch();
    }

    /// Heights of ends and of the lines that touch them, from the heights of the items.
    fn touch(&mut self) {
        self.ends.clear();
        for (place, group) in self.graph.groups.iter().enumerate() {
            let item = Item::Group(place);
            let top = self.tops.get(&item).copied().unwrap_or(0);
            let height = self.item_height(item);
            if self.graph.ends == EndKind::Group {
                self.ends.insert(place, (top, height));
                continue;
            }
            let mut y = top + header_height(group);
            for (nodes, height) in self.node_rows(group) {
                self.ends
                    .extend(nodes.into_iter().map(|node| (node, (y, height))));
                y += height + PADDING;
            }
        }
        self.touches.clear();
        for ((end, _), rows) in &self.rows {
            let (top, height) = self.ends.get(end).copied().unwrap_or_default();
            let mut y = top + (height - rows.iter().map(|row| row.height).sum::<i32>()) / 2;
            for row in rows {
                self.touches.insert((row.bundle, row.touch), y + row.line);
                y += row.height;
            }
        }
    }

    /// Heights at which a line passes from one column to the next, from its start to its end.
    pub(super) fn heights(&self, bundle: usize) -> Vec<i32> {
        let items = self.columns.path_of(bundle);
        let last = items.len().saturating_sub(1);
        let touch = |touch| self.touches.get(&(bundle, touch)).copied().unwrap_or(0);
        items
            .iter()
            .enumerate()
            .map(|(place, item)| match item {
                Item::Lane { .. } => self.tops.get(item).copied().unwrap_or(0) + LANE_HEIGHT / 2,
                Item::Group(_) if place == last => touch(Touch::Finish),
                Item::Group(_) => touch(Touch::Start),
            })
            .collect()
    }

    /// Lines touch a box in the order of the heights that they come from or go to.
    fn sort_rows(&mut self) {
        let other = |row: &Row| {
            let heights = self.heights(row.bundle);
            match row.touch {
                Touch::Start => heights.get(1).copied(),
                Touch::Finish => heights.iter().rev().nth(1).copied(),
            }
        };
        let mut sorted = self.rows.clone();
        for rows in sorted.values_mut() {
            rows.sort_by_cached_key(|row| (other(row), row.bundle, row.touch));
        }
        self.rows = sorted;
        self.touch();
    }

    /// Moves the items of each column to where their lines to the columns before (or after) are
    /// straight, as far as their order and gaps allow.
    fn adjust(&mut self, rightwards: bool) {
        let mut votes: BTreeMap<Item, Vec<(usize, i32)>> = BTreeMap::new();
        for bundle in 0..self.graph.bundles.len() {
            let items = self.columns.path_of(bundle);
            let hops = items.iter().zip(items.iter().skip(1));
            for (hop, (a, b)) in hops.enumerate() {
                let (before, after) = (self.columns.column_of(*a), self.columns.column_of(*b));
                if before == after {
                    continue;
                }
                let (near, at) = if (before < after) == rightwards {
                    (*b, 1)
                } else {
                    (*a, 0)
                };
                votes
                    .entry(near)
                    .or_default()
                    .push((bundle, int(hop) * 2 + at));
            }
        }
        let columns = self.columns.items.clone();
        let count = columns.len();
        for step in 0..count {
            let column = if rightwards { step } else { count - 1 - step };
            if let Some(items) = columns.get(column) {
                self.adjust_column(items, &votes);
            }
        }
    }

    fn is_joined(&self, item: Item) -> bool {
        self.columns.joined.contains(&item)
    }

    fn adjust_column(&mut self, items: &[Item], votes: &BTreeMap<Item, Vec<(usize, i32)>>) {
        let wanted = |item: &Item| -> i32 {
            let top = self.tops.get(item).copied().unwrap_or(0);
            let shifts: Vec<i32> = votes
                .get(item)
                .into_iter()
                .flatten()
                .filter_map(|(bundle, place)| {
                    let heights = self.heights(*bundle);
                    let hop = usize::try_from(place / 2).ok()?;
                    let (a, b) = (heights.get(hop)?, heights.get(hop + 1)?);
                    Some(if place % 2 == 1 { a - b } else { b - a })
                })
                .collect();
            top + median(shifts)
        };
        // What nothing joins stands right under what is above it.
        let wanted: Vec<(Item, i32)> = items
            .iter()
            .enumerate()
            .map(|(place, item)| match self.is_joined(*item) || place == 0 {
                true => (*item, wanted(item)),
                false => (*item, i32::MIN / 4),
            })
            .collect();
        let mut placed = Vec::new();
        let (mut free, mut before) = (i32::MIN / 2, None);
        for (item, want) in &wanted {
            let top = (*want).max(free + before.map_or(0, |before| gap(before, *item)));
            placed.push((*item, top));
            free = top + self.item_height(*item);
            before = Some(*item);
        }
        let late = placed
            .iter()
            .zip(&wanted)
            .filter(|((item, _), _)| self.is_joined(*item));
        let back = median(late.map(|((_, is), (_, want))| is - want).collect());
        self.tops
            .extend(placed.into_iter().map(|(item, top)| (item, top - back)));
        self.touch();
    }

    /// Moves lines that pass through a column to the height that they come from, where that is free.
    fn straighten(&mut self) {
        for items in self.columns.items.clone() {
            // Downwards, then upwards: a line may wait for the one below it to make room.
            let places = (0..items.len()).chain((0..items.len()).rev());
            for (place, item) in places.filter_map(|place| Some((place, items.get(place)?))) {
                let Item::Lane { bundle, .. } = *item else {
                    continue;
                };
                let hop = self
                    .columns
                    .path_of(bundle)
                    .iter()
                    .position(|it| it == item);
                let heights = self.heights(bundle);
                let before = hop
                    .and_then(|hop| hop.checked_sub(1))
                    .and_then(|hop| heights.get(hop));
                let Some(wanted) = before.map(|height| height - LANE_HEIGHT / 2) else {
                    continue;
                };
                let top = |other: Item| self.tops.get(&other).copied().unwrap_or(0);
                let above = place
                    .checked_sub(1)
                    .and_then(|place| items.get(place))
                    .map_or(i32::MIN / 2, |above| {
                        top(*above) + self.item_height(*above) + gap(*above, *item)
                    });
                let below = items.get(place + 1).map_or(i32::MAX / 2, |below| {
                    top(*below) - LANE_HEIGHT - gap(*item, *below)
                });
                if above <= below {
                    self.tops.insert(*item, wanted.clamp(above, below));
                }
            }
        }
        self.touch();
    }

    fn move_to(&mut self, top: i32) {
        let highest = self.tops.values().min().copied().unwrap_or(0);
        for y in self.tops.values_mut() {
            *y += top - highest;
        }
        self.touch();
    }
}

fn framed_inside(graph: &Graph, place: usize, group: &Group) -> Option<Label> {
    let room = group_width(graph, group);
    group
        .kind
        .has_frame()
        .then(|| group_inside(graph, place, room))?
}

/// Of an even number the lower of the middle two: one line at least becomes straight.
fn median(mut shifts: Vec<i32>) -> i32 {
    shifts.sort_unstable();
    shifts
        .get(shifts.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0)
}

fn gap(above: Item, below: Item) -> i32 {
    match (above, below) {
        (Item::Group(_), Item::Group(_)) => GAP,
        (Item::Lane { .. }, Item::Lane { .. }) => 0,
        _ => LANE_GAP,
    }
}
