//! Many checks at once, within limits.

use std::{num::NonZeroU32, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;

use super::{Means, Outcome, Target, check};

/// How hard the network is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Checks that run at the same time.
    pub parallel: NonZeroU32,
    /// Checks that begin within a second, at most.
    pub per_second: NonZeroU32,
}

impl Pace {
    /// Checks at the same time, unless somebody wants others.
    pub const PARALLEL: u32 = 64;
    /// Checks that begin within a second, unless somebody wants others.
    pub const PER_SECOND: u32 = 200;

    /// Time between two beginnings.
    fn gap(self) -> Duration {
        Duration::from_secs(1) / self.per_second.get()
    }
}

/// Checks every target and tells of each as it ends. The outcomes are in the order of the targets.
pub async fn walk(
    targets: &[Target],
    means: &Means,
    pace: Pace,
    ended: impl FnMut(usize, &Outcome),
) -> Vec<Outcome> {
    begin_each(targets, means, pace, pace.gap(), ended).await
}

/// The same, with the beginnings of the checks spread evenly over `over`, so that a network that is
/// watched all day feels nothing of it. Takes longer when the pace does not allow that.
pub async fn walk_over(
    targets: &[Target],
    means: &Means,
    pace: Pace,
    over: Duration,
    ended: impl FnMut(usize, &Outcome),
) -> Vec<Outcome> {
    let count = targets.iter().filter(|target| sends(target)).count();
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    let gap = pace.gap().max(over / count);
    begin_each(targets, means, pace, gap, ended).await
}

async fn begin_each(
    targets: &[Target],
    means: &Means,
    pace: Pace,
    gap: Duration,
    mut ended: impl FnMut(usize, &Outcome),
) -> Vec<Outcome> {
    let parallel = usize::try_from(pace.parallel.get()).unwrap_or(usize::MAX);
    let mut outcomes: Vec<Option<Outcome>> = vec![None; targets.len()];
    let mut waiting = targets.iter().enumerate();
    let mut running = FuturesUnordered::new();
    let mut next_at = Instant::now();
    loop {
        while running.len() < parallel && Instant::now() >= next_at {
            let Some((place, target)) = waiting.next() else {
                break;
            };
            if sends(target) {
                // What was missed while all places were taken is not made up for in one burst.
                next_at = (next_at + gap).max(Instant::now() - gap);
            }
            running.push(async move { (place, check(target, means).await) });
        }
        let is_held_back = running.len() < parallel && waiting.len() > 0;
        tokio::select! {
            Some((place, outcome)) = running.next(), if !running.is_empty() => {
                ended(place, &outcome);
                if let Some(slot) = outcomes.get_mut(place) {
                    *slot = Some(outcome);
                }
            }
            () = tokio::time::sleep_until(next_at), if is_held_back => {}
            else => break,
        }
    }
    outcomes.into_iter().flatten().collect()
}

/// Whether a check sends anything; what does not need not be held back.
fn sends(target: &Target) -> bool {
    !matches!(target.what, super::What::Skip { .. })
}
