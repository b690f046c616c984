//! Wall-clock time for services. Cores are told the time; services ask a [`Clock`], so that tests
//! can set it. Durations are measured by `tokio::time`, which no change of the clock disturbs.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use portico_model::Timestamp;

/// Tells the wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// The time now. May go back when somebody sets the machine's clock.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that others ask"
    )]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A machine before 1970 or after the year 292,000,000 has no clock worth asking.
        let ms = since.ok().and_then(|d| i64::try_from(d.as_millis()).ok());
        Timestamp::from_unix_ms(ms.unwrap_or(0))
    }
}

/// A clock that only moves when told to. Copies show the same time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.unix_ms())))
    }

    /// Sets it, back as well as forth.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.unix_ms(), Ordering::SeqCst);
    }

    /// Moves it by `ms`, back when negative.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::SeqCst))
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::from_unix_ms(10_000));
        let copy = clock.clone();
        assert_eq!(copy.now(), Timestamp::from_unix_ms(10_000));
        clock.advance_ms(-3_000);
        assert_eq!(copy.now(), Timestamp::from_unix_ms(7_000));
        clock.set(Timestamp::from_unix_ms(1));
        assert_eq!(copy.now(), Timestamp::from_unix_ms(1));
    }

    #[test]
    fn the_system_clock_is_past_2026() {
        assert!(SystemClock.now() > Timestamp::from_unix_ms(1_767_225_600_000));
    }
}
