//! Lock-out, as pure decisions over a record that the caller keeps in the store.
//!
//! An attempt is *charged before* the password is looked at and given back when it was right, so
//! that a thousand attempts at the same instant count as a thousand. There is one record per user
//! name (known or not, so that lock-out tells nothing) and one per client network.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use portico_model::Timestamp;
use serde::{Deserialize, Serialize};

/// When attempts begin to cost time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockOutRule {
    /// Wrong attempts without any delay.
    pub free: u32,
    /// Delay after the next one, in milliseconds; doubles with each further one.
    pub first_delay_ms: i64,
    /// Longest delay, in milliseconds.
    pub delay_max_ms: i64,
    /// Without a further wrong attempt for so long, the record is forgotten, in milliseconds.
    pub forget_after_ms: i64,
}

/// For one user name.
pub const BY_USER: LockOutRule = LockOutRule {
    free: 5,
    first_delay_ms: 2_000,
    delay_max_ms: 15 * 60_000,
    forget_after_ms: 24 * 3_600_000,
};

/// For one client network, behind which there may be many people.
pub const BY_NETWORK: LockOutRule = LockOutRule {
    free: 50,
    first_delay_ms: 2_000,
    delay_max_ms: 15 * 60_000,
    forget_after_ms: 24 * 3_600_000,
};

/// What is kept of wrong attempts. Serialisable, so that a restart forgives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOutRecord {
    /// Attempts charged and not given back.
    pub attempts: u32,
    /// When the last one was charged.
    pub last_at: Timestamp,
    /// No further attempt for so long after `last_at`, in milliseconds.
    pub delay_ms: i64,
}

/// The answer to "may they try?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Yes; this record must be stored before the password is looked at.
    Charged(LockOutRecord),
    /// No; this record, when it differs from the stored one, should be stored.
    Locked {
        /// Whole seconds until the next attempt, at least 1.
        retry_after_s: u64,
        /// The record, its time corrected when the clock was set back.
        record: LockOutRecord,
    },
}

/// Decides about one attempt at `now`, with the `record` of the user or network so far.
///
/// A clock that was set back neither unlocks early nor locks for longer than the delay that was
/// due: a record from the future is taken as one of this instant.
pub fn attempt(rule: &LockOutRule, record: Option<LockOutRecord>, now: Timestamp) -> Attempt {
    let record = record
        .map(|record| LockOutRecord {
            last_at: record.last_at.min(now),
            // Stored values are not trusted beyond the rule.
            delay_ms: record.delay_ms.clamp(0, rule.delay_max_ms),
            ..record
        })
        .filter(|record| !is_forgotten(rule, record, now));
    let Some(record) = record else {
        return Attempt::Charged(charge(rule, 0, now));
    };
    let left_ms = record
        .delay_ms
        .unsigned_abs()
        .saturating_sub(now.ms_since(record.last_at));
    if left_ms > 0 {
        return Attempt::Locked {
            retry_after_s: left_ms.div_ceil(1000),
            record,
        };
    }
    Attempt::Charged(charge(rule, record.attempts, now))
}

/// The record after the password was right: a user's is dropped altogether, a network's only
/// loses the one attempt, or signing in once would pardon guessing at others.
pub fn after_success(record: LockOutRecord) -> Option<LockOutRecord> {
    let attempts = record.attempts.saturating_sub(1);
    (attempts > 0).then_some(LockOutRecord {
        attempts,
        delay_ms: 0,
        ..record
    })
}

/// Whether `record` may be deleted from the store at `now`.
pub fn is_forgotten(rule: &LockOutRule, record: &LockOutRecord, now: Timestamp) -> bool {
    now.ms_since(record.last_at) > rule.forget_after_ms.unsigned_abs()
}

/// The network that an address counts for: /24 for IPv4 (also when mapped into IPv6), /64 for
/// IPv6, as one person commonly has a whole one.
pub fn network(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Net::new(v4, 24).unwrap_or(v4.into()).trunc().into(),
        IpAddr::V6(v6) => Ipv6Net::new(v6, 64).unwrap_or(v6.into()).trunc().into(),
    }
}

fn charge(rule: &LockOutRule, before: u32, now: Timestamp) -> LockOutRecord {
    let attempts = before.saturating_add(1);
    let doublings = attempts.saturating_sub(rule.free);
    let delay_ms = match doublings {
        0 => 0,
        n => 1_i64
            .checked_shl(n.saturating_sub(1).min(40))
            .and_then(|factor| rule.first_delay_ms.checked_mul(factor))
            .map_or(rule.delay_max_ms, |delay| delay.min(rule.delay_max_ms)),
    };
    LockOutRecord {
        attempts,
        last_at: now,
        delay_ms,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

    fn charged(outcome: Attempt) -> LockOutRecord {
        match outcome {
            Attempt::Charged(record) => record,
            Attempt::Locked { retry_after_s, .. } => panic!("locked for {retry_after_s} s"),
        }
    }

    /// Tries `count` wrong passwords, one each `every_ms`, and returns how many were looked at.
    fn guesses(rule: &LockOutRule, count: u32, every_ms: i64) -> (u32, LockOutRecord) {
        let (mut looked_at, mut record, mut now) = (0, None, START);
        for _ in 0..count {
            match attempt(rule, record, now) {
                Attempt::Charged(next) => {
                    looked_at += 1;
                    record = Some(next);
                }
                Attempt::Locked { record: next, .. } => record = Some(next),
            }
            now = now.plus_ms(every_ms);
        }
        (looked_at, record.unwrap())
    }

    #[test]
    fn two_hundred_wrong_sign_ins_at_once_are_looked_at_six_times() {
        assert_eq!(guesses(&BY_USER, 200, 0).0, 6);
        assert_eq!(guesses(&BY_NETWORK, 200, 0).0, 51);
    }

    #[test]
    fn the_delay_doubles_up_to_a_quarter_of_an_hour() {
        let (mut record, mut now, mut delays) = (None, START, Vec::new());
        for _ in 0..18 {
            let next = charged(attempt(&BY_USER, record, now));
            delays.push(next.delay_ms / 1000);
            now = now.plus_ms(next.delay_ms);
            record = Some(next);
        }
        assert_eq!(
            delays,
            [
                0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900
            ]
        );
        let (a_day, _) = guesses(&BY_USER, 8_640, 10_000);
        assert!(a_day <= 5 + 9 + 96, "{a_day} guesses in a day");
    }

    #[test]
    fn a_success_pardons_the_user_but_not_the_network() {
        let (_, network) = guesses(&BY_NETWORK, 40, 0);
        let after = after_success(charged(attempt(&BY_NETWORK, Some(network), START))).unwrap();
        assert_eq!(after.attempts, 40);
        assert_eq!(after_success(charged(attempt(&BY_USER, None, START))), None);
    }

    #[test]
    fn the_record_outlives_a_restart() {
        let (_, record) = guesses(&BY_USER, 10, 0);
        let stored = serde_json::to_vec(&record).unwrap();
        let read: LockOutRecord = serde_json::from_slice(&stored).unwrap();
        assert!(matches!(
            attempt(&BY_USER, Some(read), START.plus_ms(1)),
            Attempt::Locked {
                retry_after_s: 2,
                ..
            }
        ));
    }

    #[test]
    fn a_clock_set_back_neither_unlocks_nor_locks_for_ever() {
        let (_, record) = guesses(&BY_USER, 10, 0);
        let back = START.plus_ms(-3_600_000);
        let Attempt::Locked {
            retry_after_s,
            record,
        } = attempt(&BY_USER, Some(record), back)
        else {
            panic!("unlocked by setting the clock back");
        };
        assert_eq!(retry_after_s, 2);
        assert_eq!(record.last_at, back);
        charged(attempt(&BY_USER, Some(record), back.plus_ms(2_000)));
    }

    #[test]
    fn a_day_of_quiet_forgets() {
        let (_, record) = guesses(&BY_USER, 10, 0);
        let later = START.plus_ms(BY_USER.forget_after_ms + 1);
        assert_eq!(charged(attempt(&BY_USER, Some(record), later)).attempts, 1);
    }

    #[test]
    fn neighbours_share_a_network() {
        for (address, expected) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(network(address.parse().unwrap()).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn a_lock_never_lasts_longer_than_the_longest_delay(
            attempts: u32, last_at: i64, delay_ms: i64, now: i64,
        ) {
            let record = LockOutRecord {
                attempts, last_at: Timestamp::from_unix_ms(last_at), delay_ms,
            };
            let now = Timestamp::from_unix_ms(now);
            if let Attempt::Locked { retry_after_s, record } = attempt(&BY_USER, Some(record), now) {
                prop_assert!((1..=900).contains(&retry_after_s));
                let later = now.plus_ms(BY_USER.delay_max_ms);
                prop_assume!(later > now);
                prop_assert!(matches!(attempt(&BY_USER, Some(record), later), Attempt::Charged(_)));
            }
        }
    }
}
