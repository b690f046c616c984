//! How many agents may link in a short time, so that all of them coming back at once after a
//! restart of the broker do not take its time from people.
//!
//! Each that comes too early is told when to come again: those who wait are spread over the time
//! that it takes to let them in, so that they come once more and not again and again.

use std::{collections::BTreeMap, time::Duration};

use portico_model::HostId;
use tokio::time::Instant;

/// Agents that may link at once.
pub const CONNECTS_AT_ONCE: u32 = 500;
/// Afterwards so many may link each second.
pub const CONNECTS_PER_S: u32 = 500;
/// Links of one host that may open at once; afterwards one each second.
pub const CONNECTS_OF_HOST_AT_ONCE: u32 = 10;
/// Nobody is sent away for longer. Brokers may be restarted meanwhile.
pub(super) const RETRY_MAX: Duration = Duration::from_secs(120);
/// Up to so much is added to each wait by lot.
const JITTER_MS: u64 = 500;

const GAP: Duration = Duration::from_micros(1_000_000 / CONNECTS_PER_S as u64);

const GAP_OF_HOST: Duration = Duration::from_secs(1);

/// Lets agents in.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// When the allowance is whole again (the "theoretical arrival time" of the generic cell rate
    /// algorithm).
    whole_at: Option<Instant>,
    /// Until when those who were sent away have been promised the gate.
    promised_until: Option<Instant>,
    /// When the allowance of each host is whole again.
    hosts_whole_at: BTreeMap<HostId, Instant>,
}

impl Gate {
    /// Lets one in, or says how long it must wait. `lot` is a random number. A host that comes too
    /// often takes nothing of what all have.
    pub(super) fn admit(&mut self, host: &HostId, now: Instant, lot: u64) -> Result<(), Duration> {
        let whole_at = self.hosts_whole_at.get(host);
        let next = whole_at.map_or(now, |at| (*at).max(now)) + GAP_OF_HOST;
        let over = next.saturating_duration_since(now + GAP_OF_HOST * CONNECTS_OF_HOST_AT_ONCE);
        if !over.is_zero() {
            return Err(over + jitter(lot));
        }
        self.admit_one_of_all(now, lot)?;
        self.hosts_whole_at.insert(host.clone(), next);
        Ok(())
    }

    /// Forgets hosts that have their whole allowance.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.hosts_whole_at.retain(|_, whole_at| *whole_at > now);
    }

    fn admit_one_of_all(&mut self, now: Instant, lot: u64) -> Result<(), Duration> {
        let whole_at = self.whole_at.map_or(now, |at| at.max(now));
        let next = whole_at + GAP;
        if next.saturating_duration_since(now) <= GAP * CONNECTS_AT_ONCE {
            self.whole_at = Some(next);
            return Ok(());
        }
        let promised = self.promised_until.map_or(now, |at| at.max(now)) + GAP;
        let wait = promised.saturating_duration_since(now).min(RETRY_MAX);
        self.promised_until = Some(now + wait);
        Err(wait + jitter(lot))
    }
}

fn jitter(lot: u64) -> Duration {
    Duration::from_millis(lot.checked_rem(JITTER_MS).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::{cmp::Reverse, collections::BinaryHeap};

    use super::*;

    /// All agents come in the same instant, and come again when they are told to.
    fn reconnect(agents: usize) -> (Vec<Duration>, Vec<u32>) {
        let (mut gate, start) = (Gate::default(), Instant::now());
        let mut coming: BinaryHeap<Reverse<(Duration, usize)>> = (0..agents)
            .map(|agent| Reverse((Duration::ZERO, agent)))
            .collect();
        let (mut admitted, mut tries) = (Vec::new(), vec![0; agents]);
        let mut lot = 1_u64;
        while let Some(Reverse((at, agent))) = coming.pop() {
            lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            tries[agent] += 1;
            match gate.admit_one_of_all(start + at, lot >> 33) {
                Ok(()) => admitted.push(at),
                Err(wait) => coming.push(Reverse((at + wait, agent))),
            }
        }
        (admitted, tries)
    }

    #[test]
    fn ten_thousand_agents_at_once_are_let_in_evenly_and_do_not_stampede() {
        let (admitted, tries) = reconnect(10_000);
        assert_eq!(admitted.len(), 10_000);
        let last = admitted.iter().max().unwrap();
        assert!(*last < Duration::from_secs(24), "{last:?}");
        assert!(
            tries.iter().all(|tries| *tries <= 6),
            "{:?}",
            tries.iter().max()
        );
        let all: u32 = tries.iter().sum();
        assert!(all < 25_000, "{all} tries for 10,000 agents");
        for second in 0..24 {
            let from = Duration::from_secs(second);
            let within = from..from + Duration::from_secs(1);
            let in_it = admitted.iter().filter(|at| within.contains(*at)).count();
            let most = CONNECTS_AT_ONCE + CONNECTS_PER_S;
            assert!(in_it <= most as usize, "{in_it} in second {second}");
        }
    }

    #[test]
    fn a_few_agents_are_let_in_at_once() {
        let (admitted, tries) = reconnect(CONNECTS_AT_ONCE as usize);
        assert!(admitted.iter().all(|at| at.is_zero()));
        assert!(tries.iter().all(|tries| *tries == 1));
    }

    #[test]
    fn a_host_that_comes_again_and_again_takes_no_place_of_others() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        let (loud, other) = (HostId::new("loud").unwrap(), HostId::new("other").unwrap());
        let admitted = (0..10_000).filter(|lot| gate.admit(&loud, now, *lot).is_ok());
        assert_eq!(admitted.count(), CONNECTS_OF_HOST_AT_ONCE as usize);
        assert_eq!(gate.admit(&other, now, 0), Ok(()));
        assert!(gate.admit(&loud, now + GAP_OF_HOST, 0).is_ok());
        assert!(gate.admit(&loud, now + GAP_OF_HOST, 0).is_err());
        gate.forget_old(now + GAP_OF_HOST * (CONNECTS_OF_HOST_AT_ONCE + 2));
        assert!(gate.hosts_whole_at.is_empty());
    }

    #[test]
    fn nobody_is_sent_away_for_longer_than_the_limit() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        let waits = (0..200_000).filter_map(|lot| gate.admit_one_of_all(now, lot).err());
        let longest = waits.max().unwrap();
        assert!(longest <= RETRY_MAX + Duration::from_millis(JITTER_MS));
        assert!(longest >= RETRY_MAX);
    }
}
