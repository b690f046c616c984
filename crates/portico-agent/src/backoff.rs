//! When to try again. Pure: the caller says what happened and draws the lot.
//!
//! Waits are drawn evenly between nothing and a ceiling that doubles ("full jitter"), so that ten
//! thousand agents whose broker restarts come back spread over [`FIRST_MAX_MS`] and not at once.
//! The highest ceiling is low, because a host whose agent is away for ten seconds takes no
//! sessions: a broker that comes back has every agent within [`LATER_MAX_MS`].

use std::time::Duration;

/// Ceiling of the first wait, in milliseconds.
pub const FIRST_MAX_MS: u64 = 4_000;
/// Ceiling of every later wait, in milliseconds.
pub const LATER_MAX_MS: u64 = 8_000;
/// Least wait of an agent whose certificate was revoked, in milliseconds.
pub const REVOKED_MIN_MS: u64 = 300_000;
/// Longest wait that a broker can ask for, in milliseconds.
pub const ASKED_MAX_MS: u64 = 3_600_000;

/// What came of the last try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The link was open, and is no more.
    Lost,
    /// No link came about.
    Failed,
    /// The broker refused, and said how long to wait at least.
    Refused {
        /// That time, in milliseconds.
        retry_after_ms: u64,
    },
    /// The broker refused for good: somebody revoked the agent. An operator may undo that, so it
    /// is asked again, seldom.
    Revoked,
}

/// The waits between tries to reach one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backoff {
    /// Tries without success since the last link.
    failures: u32,
}

impl Backoff {
    /// Whether the last try was the first since a link.
    pub fn is_first(&self) -> bool {
        self.failures <= 1
    }

    /// How long to wait before the next try. `lot` is a random number.
    pub fn after(&mut self, ended: Ended, lot: u64) -> Duration {
        if ended == Ended::Lost {
            self.failures = 0;
        }
        let doubled = FIRST_MAX_MS.checked_shl(self.failures).unwrap_or(u64::MAX);
        let ceiling = doubled.clamp(FIRST_MAX_MS, LATER_MAX_MS);
        self.failures = self.failures.saturating_add(1).min(16);
        let least = match ended {
            Ended::Lost | Ended::Failed => 0,
            Ended::Refused { retry_after_ms } => retry_after_ms.min(ASKED_MAX_MS),
            Ended::Revoked => REVOKED_MIN_MS,
        };
        let spread = match ended {
            Ended::Revoked => REVOKED_MIN_MS,
            // Those who were told the same time must not come together.
            _ => ceiling.max(least / 2),
        };
        Duration::from_millis(least.saturating_add(even(lot, spread)))
    }
}

/// A number from 0 to `max`, evenly drawn by `lot`.
fn even(lot: u64, max: u64) -> u64 {
    let drawn = (u128::from(lot) * (u128::from(max) + 1)) >> 64;
    u64::try_from(drawn).unwrap_or(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64: small, and the same on every machine.
    struct Chance(u64);

    impl Chance {
        fn lot(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        }
    }

    /// Connects of `agents` that all lose their broker at 0 and find it again at `back_ms`, as
    /// times in milliseconds.
    fn connects(agents: u64, back_ms: u64, seed: u64) -> Vec<u64> {
        let mut times = Vec::new();
        for agent in 0..agents {
            let mut chance = Chance(seed ^ agent.wrapping_mul(0x2545_F491_4F6C_DD1D));
            let mut backoff = Backoff::default();
            let mut at = 0;
            let mut ended = Ended::Lost;
            loop {
                let wait = backoff.after(ended, chance.lot());
                at += u64::try_from(wait.as_millis()).unwrap();
                times.push(at);
                if at >= back_ms {
                    break;
                }
                ended = Ended::Failed;
            }
        }
        times.sort_unstable();
        times
    }

    /// Most connects in any window of `window_ms`.
    fn most_in(times: &[u64], window_ms: u64) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (last, at) in times.iter().enumerate() {
            while times[first] + window_ms <= *at {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }

    #[test]
    fn ten_thousand_agents_whose_broker_restarts_do_not_stampede() {
        for seed in 1..=5 {
            // Spread evenly over 4 s, each window of 100 ms would have 250; while the broker is
            // away, second tries overlap with first ones.
            for back_ms in [0, 500, 3_000, 30_000] {
                let times = connects(10_000, back_ms, seed);
                let most = most_in(&times, 100);
                assert!(
                    most <= 500,
                    "{most} connects in 100 ms (seed {seed}, back after {back_ms})"
                );
                let last = times.last().unwrap();
                assert!(*last <= back_ms + LATER_MAX_MS, "{last}");
            }
        }
    }

    #[test]
    fn waits_stay_within_their_bounds_whatever_the_lot() {
        for lot in [0, 1, u64::MAX / 2, u64::MAX] {
            let mut backoff = Backoff::default();
            let first = backoff.after(Ended::Lost, lot);
            assert!(first <= Duration::from_millis(FIRST_MAX_MS));
            for _ in 0..200 {
                assert!(backoff.after(Ended::Failed, lot) <= Duration::from_millis(LATER_MAX_MS));
            }
            assert!(backoff.after(Ended::Lost, lot) <= Duration::from_millis(FIRST_MAX_MS));
        }
    }

    #[test]
    fn a_refused_agent_waits_as_it_was_told_and_a_revoked_one_long() {
        for lot in [0, u64::MAX] {
            let mut backoff = Backoff::default();
            let told = backoff.after(
                Ended::Refused {
                    retry_after_ms: 30_000,
                },
                lot,
            );
            assert!((30_000..=45_000).contains(&told.as_millis()), "{told:?}");
            let absurd = backoff.after(
                Ended::Refused {
                    retry_after_ms: u64::MAX,
                },
                lot,
            );
            assert!(absurd.as_millis() <= u128::from(ASKED_MAX_MS + ASKED_MAX_MS / 2));
            let revoked = backoff.after(Ended::Revoked, lot).as_millis();
            assert!((300_000..=600_000).contains(&revoked), "{revoked}");
        }
    }
}
