//! In which column each group stands, and in which order: who opens connections stands to the left
//! of who listens, as far as that is possible.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;

/// Rounds of sorting columns by their neighbours.
const SWEEPS: usize = 6;

/// Something that takes height in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Group(usize),
    /// Where the bundle passes through the column.
    Lane {
        bundle: usize,
        column: usize,
    },
}

/// Columns from left to right, each from top to bottom.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) items: Vec<Vec<Item>>,
    paths: Vec<Vec<Item>>,
    /// What any line touches.
    pub(super) joined: BTreeSet<Item>,
    of_group: Vec<usize>,
}

impl Columns {
    pub(super) fn of(graph: &Graph) -> Self {
        let of_group = columns_of_groups(graph);
        let count = of_group.iter().max().map_or(1, |last| last + 1);
        let mut items: Vec<Vec<Item>> = vec![Vec::new(); count];
        for (group, column) in of_group.iter().enumerate() {
            if let Some(items) = items.get_mut(*column) {
                items.push(Item::Group(group));
            }
        }
        let mut columns = Self {
            items,
            paths: Vec::new(),
            joined: BTreeSet::new(),
            of_group,
        };
        for bundle in 0..graph.bundles.len() {
            let path = columns.path(graph, bundle);
            for item in &path {
                if let Item::Lane { column, .. } = item
                    && let Some(items) = columns.items.get_mut(*column)
                {
                    items.push(*item);
                }
            }
            columns.paths.push(path);
        }
        columns.joined = columns
            .paths
            .iter()
            .filter(|path| path.first() != path.last())
            .flatten()
            .copied()
            .collect();
        columns.sort();
        for items in &mut columns.items {
            items.sort_by_key(|item| !columns.joined.contains(item));
        }
        columns
    }

    /// What a bundle touches from its start to its end.
    pub(super) fn path_of(&self, bundle: usize) -> &[Item] {
        self.paths.get(bundle).map_or(&[], Vec::as_slice)
    }

    fn path(&self, graph: &Graph, bundle: usize) -> Vec<Item> {
        let Some(ends) = graph.bundles.get(bundle) else {
            return Vec::new();
        };
        let from = graph.group_of_end(ends.from);
        let to = graph.group_of_end(ends.to);
        let (a, b) = (self.column(from), self.column(to));
        let mut items = vec![Item::Group(from)];
        let lane = |column| Item::Lane { bundle, column };
        if a < b {
            items.extend((a + 1..b).map(lane));
        } else {
            items.extend((b + 1..a).rev().map(lane));
        }
        items.push(Item::Group(to));
        items
    }

    pub(super) fn column(&self, group: usize) -> usize {
        self.of_group.get(group).copied().unwrap_or(0)
    }

    pub(super) fn column_of(&self, item: Item) -> usize {
        match item {
            Item::Group(group) => self.column(group),
            Item::Lane { column, .. } => column,
        }
    }

    /// Puts what is joined side by side: the mean of the neighbours in the column before, then in
    /// the column after, several times.
    fn sort(&mut self) {
        let mut neighbours: BTreeMap<Item, Vec<Item>> = BTreeMap::new();
        for items in &self.paths {
            for (a, b) in items.iter().zip(items.iter().skip(1)) {
                neighbours.entry(*a).or_default().push(*b);
                neighbours.entry(*b).or_default().push(*a);
            }
        }
        let count = self.items.len();
        for sweep in 0..SWEEPS {
            let rightwards = sweep % 2 == 0;
            for step in 1..count {
                let column = if rightwards { step } else { count - 1 - step };
                let other = if rightwards { column - 1 } else { column + 1 };
                self.sort_column(column, other, &neighbours);
            }
        }
    }

    fn sort_column(&mut self, column: usize, other: usize, neighbours: &BTreeMap<Item, Vec<Item>>) {
        let fixed = relative_places(self.items.get(other));
        let own = relative_places(self.items.get(column));
        let key = |item: &Item| -> u64 {
            let places: Vec<u64> = neighbours
                .get(item)
                .into_iter()
                .flatten()
                .filter_map(|neighbour| fixed.get(neighbour).copied())
                .collect();
            mean(&places).unwrap_or_else(|| own.get(item).copied().unwrap_or(0))
        };
        if let Some(items) = self.items.get_mut(column) {
            items.sort_by_cached_key(key);
        }
    }
}

fn mean(places: &[u64]) -> Option<u64> {
    let count = u64::try_from(places.len()).ok()?;
    places.iter().sum::<u64>().checked_div(count)
}

/// Places in a column from 0 at its top to a million at its bottom.
fn relative_places(items: Option<&Vec<Item>>) -> BTreeMap<Item, u64> {
    let items = items.map(Vec::as_slice).unwrap_or_default();
    let count = u64::try_from(items.len()).unwrap_or(1).max(1);
    let place = |n: u64| (2 * n + 1) * 500_000 / count;
    items
        .iter()
        .zip(0..)
        .map(|(item, n)| (*item, place(n)))
        .collect()
}

fn columns_of_groups(graph: &Graph) -> Vec<usize> {
    let count = graph.groups.len();
    let mut weights: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for bundle in &graph.bundles {
        let (from, to) = (
            graph.group_of_end(bundle.from),
            graph.group_of_end(bundle.to),
        );
        if from != to {
            *weights.entry((from, to)).or_default() += bundle.flows.len();
        }
    }
    let joined: BTreeSet<usize> = weights.keys().flat_map(|(a, b)| [*a, *b]).collect();
    let order = order(&joined, &weights);
    let rank: BTreeMap<usize, usize> = order
        .iter()
        .enumerate()
        .map(|(rank, group)| (*group, rank))
        .collect();
    let mut columns = vec![0; count];
    for group in &order {
        let before = weights
            .keys()
            .filter(|(from, to)| to == group && rank.get(from) < rank.get(to));
        let column = before
            .filter_map(|(from, _)| columns.get(*from).copied())
            .max()
            .map_or(0, |last: usize| last + 1);
        if let Some(slot) = columns.get_mut(*group) {
            *slot = column;
        }
    }
    squeeze(&mut columns, &joined, &weights);
    spread_unjoined(&mut columns, &joined);
    columns
}

/// Groups from who only opens to who only listens; where all do both, first who opens most.
fn order(joined: &BTreeSet<usize>, weights: &BTreeMap<(usize, usize), usize>) -> Vec<usize> {
    let mut rest = joined.clone();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let sums = |group: usize| {
            let mut sums = (0, 0);
            for ((from, to), weight) in weights {
                if rest.contains(from) && rest.contains(to) {
                    sums.0 += if *from == group { *weight } else { 0 };
                    sums.1 += if *to == group { *weight } else { 0 };
                }
            }
            sums
        };
        let sums: Vec<(usize, (usize, usize))> =
            rest.iter().map(|group| (*group, sums(*group))).collect();
        let sink = sums
            .iter()
            .rev()
            .find(|(_, (out, into))| *out == 0 && *into > 0);
        let source = sums.iter().find(|(_, (_, into))| *into == 0);
        if let Some((group, _)) = source {
            left.push(*group);
            rest.remove(group);
        } else if let Some((group, _)) = sink {
            right.push(*group);
            rest.remove(group);
        } else if let Some((group, _)) = sums.iter().max_by_key(|(group, (out, into))| {
            (
                out.saturating_mul(1000) / into.max(&1),
                std::cmp::Reverse(*group),
            )
        }) {
            left.push(*group);
            rest.remove(group);
        }
    }
    right.reverse();
    left.extend(right);
    left
}

/// Fewer columns when they would be many: the picture shall fit on a page. The two neighbours with
/// the fewest lines between them become one; of equals those to the right.
fn squeeze(
    columns: &mut [usize],
    joined: &BTreeSet<usize>,
    weights: &BTreeMap<(usize, usize), usize>,
) {
    let allowed = match joined.len() {
        0..=6 => 4,
        7..=14 => 5,
        _ => 6,
    };
    loop {
        let count = columns.iter().max().map_or(1, |last| last + 1);
        if count <= allowed {
            return;
        }
        let mut between = vec![0_usize; count - 1];
        for (from, to) in weights.keys() {
            let (Some(a), Some(b)) = (columns.get(*from), columns.get(*to)) else {
                continue;
            };
            if a.abs_diff(*b) == 1
                && let Some(lines) = between.get_mut(*a.min(b))
            {
                *lines += 1;
            }
        }
        let fewest = between
            .iter()
            .enumerate()
            .rev()
            .min_by_key(|(_, lines)| **lines);
        let at = fewest.map_or(0, |(column, _)| column);
        for column in columns.iter_mut().filter(|column| **column > at) {
            *column -= 1;
        }
    }
}

/// Groups that nothing joins fill up the columns that have little.
fn spread_unjoined(columns: &mut [usize], joined: &BTreeSet<usize>) {
    let unjoined: Vec<usize> = (0..columns.len())
        .filter(|group| !joined.contains(group))
        .collect();
    let used = columns.iter().max().map_or(1, |last| last + 1);
    let wanted = (1..).find(|n| n * n * 2 >= unjoined.len()).unwrap_or(1);
    let mut heights = vec![0_usize; used.max(wanted)];
    for group in joined {
        if let Some(height) = columns
            .get(*group)
            .and_then(|column| heights.get_mut(*column))
        {
            *height += 1;
        }
    }
    for group in unjoined {
        let lowest = heights
            .iter_mut()
            .enumerate()
            .min_by_key(|(column, height)| (**height, *column));
        if let (Some((column, height)), Some(slot)) = (lowest, columns.get_mut(group)) {
            *height += 1;
            *slot = column;
        }
    }
}
