//! The time of leases. It is monotonic: what the wall clock says has no part in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{
    kv::LeaseId,
    limits::{LEASE_TTL_MAX, LEASE_TTL_MIN},
};

/// A clock that never goes back.
pub trait LeaseClock: Send + Sync + 'static {
    /// Time since some fixed instant.
    fn elapsed(&self) -> Duration;
}

/// The machine's monotonic clock.
#[derive(Debug)]
pub struct SystemLeaseClock(Instant);

impl Default for SystemLeaseClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl LeaseClock for SystemLeaseClock {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that tests move by hand.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub struct ManualLeaseClock(std::sync::atomic::AtomicU64);

#[cfg(feature = "testing")]
impl ManualLeaseClock {
    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(feature = "testing")]
impl LeaseClock for ManualLeaseClock {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

/// Life a lease gets for what was asked: whole seconds within the limits, as etcd counts.
pub(crate) fn granted_ttl(asked: Duration) -> Duration {
    let up = u64::from(asked.subsec_nanos() > 0);
    Duration::from_secs(asked.as_secs().saturating_add(up)).clamp(LEASE_TTL_MIN, LEASE_TTL_MAX)
}

/// Which lease lapses when. Pure: it is told the time.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    leases: BTreeMap<LeaseId, Entry>,
    by_end: BTreeSet<(Duration, LeaseId)>,
}

#[derive(Debug)]
struct Entry {
    ttl: Duration,
    ends: Duration,
}

impl LeaseTable {
    pub(crate) fn len(&self) -> usize {
        self.leases.len()
    }

    /// Adds a lease with its full time.
    pub(crate) fn insert(&mut self, id: LeaseId, ttl: Duration, now: Duration) {
        self.remove(id);
        let ends = now.saturating_add(ttl);
        self.leases.insert(id, Entry { ttl, ends });
        self.by_end.insert((ends, id));
    }

    pub(crate) fn remove(&mut self, id: LeaseId) {
        if let Some(entry) = self.leases.remove(&id) {
            self.by_end.remove(&(entry.ends, id));
        }
    }

    /// Whether it exists and has time left. A lapsed lease never comes back.
    pub(crate) fn is_alive(&self, id: LeaseId, now: Duration) -> bool {
        self.leases.get(&id).is_some_and(|entry| entry.ends > now)
    }

    /// Gives it its full time again, unless it lapsed.
    pub(crate) fn keep_alive(&mut self, id: LeaseId, now: Duration) -> Option<Duration> {
        let ttl = self.leases.get(&id).filter(|entry| entry.ends > now)?.ttl;
        self.insert(id, ttl, now);
        Some(ttl)
    }

    /// Leases without time left.
    pub(crate) fn lapsed(&self, now: Duration) -> Vec<LeaseId> {
        self.by_end
            .iter()
            .take_while(|(ends, _)| *ends <= now)
            .map(|(_, id)| *id)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_lease_lapses_at_its_end_and_never_comes_back() {
        let id = LeaseId::from_raw(1);
        let mut table = LeaseTable::default();
        table.insert(id, S(10), S(0));
        assert_eq!(table.keep_alive(id, S(9)), Some(S(10)));
        assert!(table.is_alive(id, S(18)));
        assert!(table.lapsed(S(18)).is_empty());
        assert!(!table.is_alive(id, S(19)));
        assert_eq!(table.lapsed(S(19)), [id]);
        assert_eq!(table.keep_alive(id, S(19)), None);
        table.remove(id);
        assert!(table.lapsed(S(99)).is_empty());
    }

    #[test]
    fn a_life_is_whole_seconds_within_the_limits() {
        for (asked, granted) in [
            (Duration::ZERO, LEASE_TTL_MIN),
            (Duration::from_millis(2001), S(3)),
            (S(10), S(10)),
            (Duration::MAX, LEASE_TTL_MAX),
        ] {
            assert_eq!(granted_ttl(asked), granted);
        }
    }
}
