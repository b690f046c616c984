//! Lines through the gutter between two columns: which upright part stands left of which other.

/// Rounds of moving parts to where they cross least.
const ROUNDS: usize = 8;
/// More upright parts than this are not moved about: the picture is beyond help, and shall be quick.
const MOVED_MAX: usize = 300;
/// What it costs that one line seems to go on in another.
const MERGED: i32 = 1000;

/// Side of a gutter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A line through a gutter, from one height at one side to another height, perhaps at the same side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) bundle: usize,
    pub(super) ends: [(Side, i32); 2],
}

impl Segment {
    /// Whether it needs no upright part.
    pub(super) fn is_straight(&self) -> bool {
        let [(a, from), (b, to)] = self.ends;
        a != b && from == to
    }

    fn span(&self) -> (i32, i32) {
        let [(_, a), (_, b)] = self.ends;
        (a.min(b), a.max(b))
    }

    fn spans(&self, y: i32) -> bool {
        let (top, bottom) = self.span();
        top <= y && y <= bottom
    }

    fn at(&self, side: Side) -> impl Iterator<Item = i32> {
        self.ends
            .into_iter()
            .filter(move |(at, _)| *at == side)
            .map(|(_, y)| y)
    }
}

/// Places of the upright parts from left to right, by place in `segments`.
pub(super) fn order(segments: &[Segment]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..segments.len()).collect();
    order.sort_by_key(|place| {
        segments
            .get(*place)
            .map(|segment| (start_key(segment), *place))
    });
    if segments.len() > MOVED_MAX {
        return order;
    }
    for _ in 0..ROUNDS {
        let mut better = false;
        for place in 0..segments.len() {
            better |= move_to_best(segments, &mut order, place);
        }
        if !better {
            break;
        }
    }
    order
}

/// Lines that go down nest from the right, those that go up from the left.
fn start_key(segment: &Segment) -> i32 {
    let left = segment.at(Side::Left).next();
    let right = segment.at(Side::Right).next();
    match (left, right) {
        (Some(left), Some(right)) if left < right => -left,
        (Some(left), _) => left,
        (None, right) => right.unwrap_or(0),
    }
}

/// Moves one part to where it costs least; whether that is another place.
fn move_to_best(segments: &[Segment], order: &mut Vec<usize>, place: usize) -> bool {
    let Some(at) = order.iter().position(|other| *other == place) else {
        return false;
    };
    let Some(own) = segments.get(place) else {
        return false;
    };
    order.remove(at);
    let others: Vec<&Segment> = order
        .iter()
        .filter_map(|other| segments.get(*other))
        .collect();
    // Costs relative to standing left of all others.
    let (mut cost, mut best, mut cost_at) = (0, (0, 0), 0);
    for (passed, other) in others.iter().enumerate() {
        cost += pair_cost(other, own) - pair_cost(own, other);
        if cost < best.0 {
            best = (cost, passed + 1);
        }
        if passed + 1 == at {
            cost_at = cost;
        }
    }
    let is_better = best.0 < cost_at;
    order.insert(if is_better { best.1 } else { at }, place);
    is_better
}

/// Crossings of two lines when `a` has its upright part to the left of that of `b`.
fn pair_cost(a: &Segment, b: &Segment) -> i32 {
    let mut cost = 0;
    for y in b.at(Side::Left) {
        cost += i32::from(a.spans(y));
        cost += a
            .at(Side::Right)
            .filter(|other| (other - y).abs() <= 3)
            .map(|_| MERGED)
            .sum::<i32>();
    }
    for y in a.at(Side::Right) {
        cost += i32::from(b.spans(y));
    }
    cost
}
