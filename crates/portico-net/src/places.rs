//! How many connections a listener takes, in all and from those who count together. Until it is
//! known who opened one, nothing else keeps a stranger from taking all of them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// A place among the connections that count together; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    counted: IpAddr,
}

/// How many connections there are, in all and of those that count together.
#[derive(Debug)]
pub struct Places {
    counts: Mutex<Counts>,
    counted_by: fn(IpAddr) -> IpAddr,
    together_max: usize,
    all_max: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    /// None of them is zero.
    together: BTreeMap<IpAddr, usize>,
}

/// Connections of one address count together. For those of whom more will be known: a LAN of many
/// hosts may be one /64.
fn by_address(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Connections of one /64 of IPv6 count together, because whoever has one address of it can take
/// any other (RFC 4291, section 2.5.1, "Interface Identifiers"). For IPv4, also when it is mapped
/// into IPv6, those of one address do.
fn by_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 => v4,
    }
}

impl Places {
    /// For connections of which it is known soon who opened them: at most `together_max` of one
    /// address, and `all_max` in all.
    pub fn of_known(together_max: usize, all_max: usize) -> Arc<Self> {
        Self::new(by_address, together_max, all_max)
    }

    /// For connections of which it is not known who opened them: at most `together_max` of one IPv4
    /// address or one /64 of IPv6, and `all_max` in all.
    pub fn of_strangers(together_max: usize, all_max: usize) -> Arc<Self> {
        Self::new(by_network, together_max, all_max)
    }

    fn new(counted_by: fn(IpAddr) -> IpAddr, together_max: usize, all_max: usize) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            counted_by,
            together_max,
            all_max,
        })
    }

    /// A place for one more, unless there are too many.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let counted = (self.counted_by)(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let together = counts.together.get(&counted).copied().unwrap_or(0);
        if together >= self.together_max || counts.all >= self.all_max {
            return None;
        }
        counts.together.insert(counted, together + 1);
        counts.all += 1;
        Some(Place {
            places: Arc::clone(self),
            counted,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let counts = self.places.counts.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        match counts.together.get_mut(&self.counted) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.together.remove(&self.counted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_limited_by_address_and_in_all_and_come_back() {
        for places in [Places::of_known(2, 3), Places::of_strangers(2, 3)] {
            let (one, other) = (at("192.0.2.1"), at("192.0.2.2"));
            let first = places.take(one).unwrap();
            let _second = places.take(one).unwrap();
            assert!(places.take(one).is_none());
            let third = places.take(other).unwrap();
            assert!(places.take(other).is_none(), "three in all");
            assert!(places.take(at("192.0.2.3")).is_none(), "three in all");
            let known = places.counts.lock().unwrap().together.len();
            assert_eq!(known, 2, "who is refused is not kept in mind");
            drop(first);
            drop(third);
            assert!(places.take(one).is_some());
            assert_eq!(places.counts.lock().unwrap().together.len(), 1);
            assert_eq!(places.counts.lock().unwrap().all, 1);
        }
    }

    #[test]
    fn strangers_are_counted_by_the_network_of_which_one_has_all_addresses() {
        let strangers = Places::of_strangers(2, 100);
        let _first = strangers.take(at("2001:db8:1:2::1")).unwrap();
        let second = strangers
            .take(at("2001:db8:1:2:ffff:ffff:ffff:ffff"))
            .unwrap();
        for address in ["2001:db8:1:2::2", "2001:db8:1:2:8000::"] {
            assert!(strangers.take(at(address)).is_none(), "{address}");
        }
        // The networks beside it are others.
        for address in [
            "2001:db8:1:1:ffff::",
            "2001:db8:1:3::",
            "2001:db8::1",
            "::1",
        ] {
            assert!(strangers.take(at(address)).is_some(), "{address}");
        }
        drop(second);
        assert!(strangers.take(at("2001:db8:1:2::2")).is_some());

        // IPv4 in IPv6 is IPv4: neither one /64 for all of it, nor another address.
        let _one = strangers.take(at("::ffff:192.0.2.1")).unwrap();
        let _same = strangers.take(at("192.0.2.1")).unwrap();
        assert!(strangers.take(at("::ffff:192.0.2.1")).is_none());
        assert!(strangers.take(at("::ffff:192.0.2.2")).is_some());

        let known = Places::of_known(1, 100);
        let _link = known.take(at("2001:db8:1:2::1")).unwrap();
        assert!(known.take(at("2001:db8:1:2::2")).is_some(), "another host");
        assert!(known.take(at("2001:db8:1:2::1")).is_none());
    }
}
