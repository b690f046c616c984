//! Sets of numbers: addresses, ports, protocols, all as ranges of `u128`.

use std::sync::Arc;

/// Numbers, as ranges with both ends included: ascending, none touching another one. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranges(Arc<[(u128, u128)]>);

impl Ranges {
    /// The numbers of all `ranges`, which may overlap; one that ends before it begins has none.
    pub fn new(ranges: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let mut sorted: Vec<(u128, u128)> = ranges
            .into_iter()
            .filter(|(first, last)| first <= last)
            .collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last)
                }
                _ => merged.push((first, last)),
            }
        }
        Self(merged.into())
    }

    /// One number.
    pub fn one(number: u128) -> Self {
        Self::new([(number, number)])
    }

    /// From zero to `last`.
    pub fn up_to(last: u128) -> Self {
        Self::new([(0, last)])
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        self.0.iter().copied()
    }

    /// Whether there is no number in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `number` is in it.
    pub fn contains(&self, number: u128) -> bool {
        let next = self.0.partition_point(|(_, last)| *last < number);
        self.0.get(next).is_some_and(|(first, _)| *first <= number)
    }

    /// Numbers of both.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        let mut found = Vec::new();
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                found.push((first, last));
            }
            if a.1 < b.1 {
                left.next();
            } else {
                right.next();
            }
        }
        Self(found.into())
    }

    /// Numbers of this one that `other` has not.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut found = Vec::new();
        let mut taken = other.iter().peekable();
        for (first, last) in self.iter() {
            let mut from = Some(first);
            while let (Some(at), Some((low, high))) = (from, taken.peek().copied()) {
                if high < at {
                    taken.next();
                    continue;
                }
                if low > last {
                    break;
                }
                if at < low {
                    found.push((at, low - 1));
                }
                from = high.checked_add(1).filter(|next| *next <= last);
            }
            found.extend(from.map(|from| (from, last)));
        }
        Self(found.into())
    }

    /// Numbers of either.
    #[must_use]
    pub fn either(&self, other: &Self) -> Self {
        Self::new(self.iter().chain(other.iter()))
    }

    /// Whether no number is in both.
    pub fn is_apart(&self, other: &Self) -> bool {
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            if a.0.max(b.0) <= a.1.min(b.1) {
                return false;
            }
            if a.1 < b.1 {
                left.next();
            } else {
                right.next();
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_all_numbers_are_kept() {
        let all = Ranges::up_to(u128::MAX);
        assert!(all.without(&all).is_empty());
        assert_eq!(
            all.without(&Ranges::one(u128::MAX)),
            Ranges::up_to(u128::MAX - 1)
        );
        assert_eq!(all.without(&Ranges::one(0)), Ranges::new([(1, u128::MAX)]));
        assert_eq!(Ranges::new([(5, 4)]), Ranges::new([]));
    }

    proptest! {
        #[test]
        fn sets_of_ranges_are_sets_of_numbers(
            a in prop::collection::vec((0_u128..40, 0_u128..6), 0..6),
            b in prop::collection::vec((0_u128..40, 0_u128..6), 0..6),
        ) {
            let set = |pairs: &[(u128, u128)]| {
                Ranges::new(pairs.iter().map(|(first, len)| (*first, first + len)))
            };
            let (a, b) = (set(&a), set(&b));
            for n in 0..50 {
                let (in_a, in_b) = (a.contains(n), b.contains(n));
                prop_assert_eq!(a.both(&b).contains(n), in_a && in_b);
                prop_assert_eq!(a.without(&b).contains(n), in_a && !in_b);
                prop_assert_eq!(a.either(&b).contains(n), in_a || in_b);
            }
            prop_assert_eq!(a.is_apart(&b), a.both(&b).is_empty());
            // The same numbers are the same value.
            prop_assert_eq!(a.without(&b).either(&a.both(&b)), a);
        }
    }
}
