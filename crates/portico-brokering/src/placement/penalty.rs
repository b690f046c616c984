//! Hosts where launches fail come last for a while.
//!
//! A penalty never makes a host ineligible: when every other is out, a penalised one is better
//! than none. It ends by itself, and the first launch that opens ends it at once.

use portico_model::Timestamp;

/// How long the first failure counts.
pub const FIRST_MS: i64 = 10_000;
/// The longest that failures count; a host that fails on and on is tried again so often.
pub const LONGEST_MS: i64 = 600_000;
/// Failures in a row that are told apart.
pub const FAILURES_MAX: u32 = 1_000;
/// Failures are forgotten when nothing failed for this long after the penalty.
pub const FORGOTTEN_AFTER_MS: u64 = 600_000;

/// What failed launches earned a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Penalty {
    /// Failures in a row, at least 1.
    pub failures: u32,
    /// When it is as good as the others again.
    pub until: Timestamp,
}

impl Penalty {
    /// Whether it counts at `now`. A time further away than any penalty lasts is from before the
    /// clock was set back, and does not.
    pub fn counts(&self, now: Timestamp) -> bool {
        now < self.until && self.until <= now.plus_ms(LONGEST_MS)
    }
}

/// The penalty after a launch failed on a host that had `before`.
pub fn after_failure(before: Option<Penalty>, now: Timestamp) -> Penalty {
    let failures = match before {
        Some(before) if now.ms_since(before.until) < FORGOTTEN_AFTER_MS => {
            before.failures.saturating_add(1).min(FAILURES_MAX)
        }
        _ => 1,
    };
    let doubled = failures.saturating_sub(1).min(30);
    let length_ms = FIRST_MS.saturating_mul(1 << doubled).min(LONGEST_MS);
    Penalty {
        failures,
        until: now.plus_ms(length_ms),
    }
}

/// The penalty after a launch opened on a host: none, whatever it had.
pub const fn after_success() -> Option<Penalty> {
    None
}
