//! What is logged of connections that are refused: somebody who opens thousands shall not fill the
//! disk with a line for each.

use std::time::Duration;

use tokio::time::Instant;

/// Time from one line to the next.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Refused connections of one listener.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    untold: u64,
    told: Option<Instant>,
}

impl Refusals {
    /// Counts one. When it is time for a line: how many were refused since the one before, this
    /// one included.
    pub(super) fn count(&mut self, now: Instant) -> Option<u64> {
        self.untold = self.untold.saturating_add(1);
        if self
            .told
            .is_some_and(|told| now.saturating_duration_since(told) < TELL_EVERY)
        {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_is_told_at_once_and_a_flood_in_one_line() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.count(Instant::now()), Some(1));
        for _ in 0..999 {
            assert_eq!(refusals.count(Instant::now()), None);
        }
        tokio::time::advance(TELL_EVERY).await;
        assert_eq!(refusals.count(Instant::now()), Some(1_000));
        assert_eq!(refusals.count(Instant::now()), None);
    }
}
