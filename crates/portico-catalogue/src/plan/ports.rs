//! Sets of ports: what a flow needs at one host, and arithmetic on them.

use std::collections::BTreeMap;

use super::PortKey;
use crate::flow::{Flow, PortRange};

/// Ports of a flow at a host with these changes, merged and ascending; empty when its transport
/// has none. `None`: the host has to name the port, and does not.
///
/// `count` tells how many ports a formula over a role has. A change replaces a port that stands
/// alone in the catalogue or comes out of a formula, and leaves wider ranges alone: a dynamic range
/// is not what somebody means who moves one listener.
pub(super) fn ports_at(
    flow: &Flow,
    changes: &BTreeMap<PortKey, u16>,
    count: impl Fn(&str) -> usize,
) -> Option<Vec<PortRange>> {
    if let Some(name) = flow.port_name() {
        let given = changes.get(&PortKey::Named(name.to_owned()))?;
        return Some(vec![PortRange::one(*given)]);
    }
    let mut ports = Vec::new();
    for range in flow.corrected_ports() {
        if range.formula.is_none() && range.first < range.last {
            ports.push(PortRange::new(range.first, range.last));
            continue;
        }
        let changed = members(range, &count).map(|port| {
            let key = PortKey::Default(port, flow.transport);
            PortRange::one(changes.get(&key).copied().unwrap_or(port))
        });
        ports.extend(changed);
    }
    Some(merged(ports))
}

/// Whether a formula of the flow needs more ports than its range has.
pub(super) fn formula_runs_out(flow: &Flow, count: impl Fn(&str) -> usize) -> Option<&PortRange> {
    flow.corrected_ports().iter().find(|range| {
        let formula = range.formula.as_ref();
        formula.is_some_and(|formula| members(range, &count).count() < count(&formula.each))
    })
}

/// The changes that have an effect on the flow.
pub(super) fn changes_used<'c>(
    flow: &Flow,
    changes: &'c BTreeMap<PortKey, u16>,
    count: impl Fn(&str) -> usize,
) -> impl Iterator<Item = &'c PortKey> {
    changes.keys().filter(move |key| match key {
        PortKey::Named(name) => flow.port_name() == Some(name),
        PortKey::Default(port, transport) => {
            flow.transport == *transport
                && flow.port_name().is_none()
                && flow.corrected_ports().iter().any(|range| {
                    (range.formula.is_some() || range.first == range.last)
                        && members(range, &count).any(|member| member == *port)
                })
        }
    })
}

/// Ports of a formula, or the single port of a range without one.
fn members(range: &PortRange, count: impl Fn(&str) -> usize) -> impl Iterator<Item = u16> {
    let formula = range.formula.as_ref();
    let (step, count) = formula.map_or((1, 1), |formula| (formula.step, count(&formula.each)));
    // A formula that is written with its first port only has no upper end of its own.
    let last = if range.last > range.first {
        range.last
    } else {
        u16::MAX
    };
    std::iter::successors(Some(range.first), move |port| port.checked_add(step))
        .take_while(move |port| *port <= last)
        .take(count)
}

/// Sorted, without overlaps, neighbours joined, without formulas.
pub(super) fn merged(mut ranges: Vec<PortRange>) -> Vec<PortRange> {
    ranges.sort_unstable();
    let mut out: Vec<PortRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(before) if range.first <= before.last.saturating_add(1) => {
                before.last = before.last.max(range.last);
            }
            _ => out.push(PortRange::new(range.first, range.last)),
        }
    }
    out
}

/// Ports of `of` that are not in `taken`; both merged.
pub(super) fn without(of: &[PortRange], taken: &[PortRange]) -> Vec<PortRange> {
    let mut left = Vec::new();
    for range in of {
        let mut first = Some(range.first);
        for other in taken {
            let Some(from) = first else { break };
            if other.last < from || range.last < other.first {
                continue;
            }
            if from < other.first {
                left.push(PortRange::new(from, other.first - 1));
            }
            first = other.last.checked_add(1).filter(|next| *next <= range.last);
        }
        left.extend(first.map(|first| PortRange::new(first, range.last)));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(pairs: &[(u16, u16)]) -> Vec<PortRange> {
        let ranges = pairs.iter();
        ranges
            .map(|(first, last)| PortRange::new(*first, *last))
            .collect()
    }

    #[test]
    fn neighbours_and_overlaps_become_one_range_up_to_the_last_port() {
        let merge = |pairs: &[(u16, u16)]| merged(ranges(pairs));
        assert_eq!(merge(&[(3, 4), (1, 2)]), ranges(&[(1, 4)]));
        assert_eq!(
            merge(&[(1, 9), (2, 3), (11, 11)]),
            ranges(&[(1, 9), (11, 11)])
        );
        assert_eq!(
            merge(&[(65535, 65535), (1024, 65535)]),
            ranges(&[(1024, 65535)])
        );
    }

    #[test]
    fn the_difference_cuts_at_both_ends_and_in_the_middle() {
        let cut = |of: &[(u16, u16)], taken: &[(u16, u16)]| without(&ranges(of), &ranges(taken));
        assert_eq!(cut(&[(1, 9)], &[(3, 4)]), ranges(&[(1, 2), (5, 9)]));
        assert_eq!(cut(&[(1, 9)], &[(1, 4), (8, 12)]), ranges(&[(5, 7)]));
        assert_eq!(cut(&[(1, 65535)], &[(9, 65535)]), ranges(&[(1, 8)]));
        assert_eq!(cut(&[(5, 5), (7, 7)], &[(1, 9)]), ranges(&[]));
        assert_eq!(cut(&[(5, 5)], &[]), ranges(&[(5, 5)]));
    }
}
