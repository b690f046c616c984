//! One hour of load of one host, in memory only.

use std::collections::VecDeque;

use portico_model::{Timestamp, seen::Load};

/// Time that one point stands for.
pub const PERIOD_S: u32 = 10;
/// Points that are kept: one hour.
pub const POINTS_MAX: usize = 360;

/// The load of a host over time, oldest first. Points without a report are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadHistory {
    /// Time that one point stands for, in seconds.
    pub period_s: u32,
    /// The points.
    pub points: Vec<LoadPoint>,
}

/// Means of the reports of one period. Shares are per ten thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadPoint {
    /// Begin of the period, by the broker's clock.
    pub at: Timestamp,
    /// Processor time in use.
    pub cpu: u32,
    /// Memory in use.
    pub memory: u32,
    /// Tasks ready to run for each processor, in ten-thousandths.
    pub run_queue: u32,
    /// Time in which processors idled because of disks.
    pub disk_wait: u32,
    /// Sessions on the host, whoever started them.
    pub sessions: u32,
}

/// The ring behind it.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Whole periods, oldest first.
    past: VecDeque<LoadPoint>,
    now: Option<Period>,
}

/// The period that is not over.
#[derive(Debug)]
struct Period {
    begins: Timestamp,
    reports: u64,
    cpu: u64,
    memory: u64,
    run_queue: u64,
    disk_wait: u64,
    sessions: u64,
}

impl History {
    /// Adds a report that came at `at`.
    pub(crate) fn add(&mut self, at: Timestamp, load: &Load, sessions: usize) {
        let begins = period_of(at);
        match &mut self.now {
            Some(now) if now.begins == begins => now.add(load, sessions),
            other => {
                let mut period = Period::beginning(begins);
                period.add(load, sessions);
                if let Some(over) = other.replace(period) {
                    self.keep(over.mean());
                }
            }
        }
    }

    /// The points of the last `minutes` before `now`.
    pub(crate) fn since(&self, now: Timestamp, minutes: u32) -> LoadHistory {
        let from = now.plus_ms(-i64::from(minutes) * 60_000);
        let points = self.past.iter().copied();
        let points = points.chain(self.now.as_ref().map(Period::mean));
        LoadHistory {
            period_s: PERIOD_S,
            points: points.filter(|point| point.at >= from).collect(),
        }
    }

    fn keep(&mut self, point: LoadPoint) {
        // A clock that was set back must not leave two points for one time.
        while self.past.back().is_some_and(|last| last.at >= point.at) {
            self.past.pop_back();
        }
        if self.past.len() >= POINTS_MAX {
            self.past.pop_front();
        }
        self.past.push_back(point);
    }
}

impl Period {
    fn beginning(begins: Timestamp) -> Self {
        Self {
            begins,
            reports: 0,
            cpu: 0,
            memory: 0,
            run_queue: 0,
            disk_wait: 0,
            sessions: 0,
        }
    }

    fn add(&mut self, load: &Load, sessions: usize) {
        self.reports += 1;
        self.cpu += u64::from(load.cpu);
        self.memory += u64::from(load.memory);
        self.run_queue += u64::from(load.run_queue);
        self.disk_wait += u64::from(load.disk_wait);
        self.sessions += u64::try_from(sessions).unwrap_or(u64::MAX);
    }

    fn mean(&self) -> LoadPoint {
        let mean = |sum: u64| {
            let mean = sum.checked_div(self.reports).unwrap_or(0);
            u32::try_from(mean).unwrap_or(u32::MAX)
        };
        LoadPoint {
            at: self.begins,
            cpu: mean(self.cpu),
            memory: mean(self.memory),
            run_queue: mean(self.run_queue),
            disk_wait: mean(self.disk_wait),
            sessions: mean(self.sessions),
        }
    }
}

fn period_of(at: Timestamp) -> Timestamp {
    let period_ms = i64::from(PERIOD_S) * 1_000;
    Timestamp::from_unix_ms(at.unix_ms() - at.unix_ms().rem_euclid(period_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(cpu: u32) -> Load {
        Load {
            cpu,
            ..Load::default()
        }
    }

    fn at(s: i64) -> Timestamp {
        Timestamp::from_unix_ms(s * 1_000)
    }

    #[test]
    fn a_point_is_the_mean_of_its_period() {
        let mut history = History::default();
        history.add(at(100), &load(1_000), 2);
        history.add(at(109), &load(3_000), 4);
        history.add(at(110), &load(9_000), 1);
        let points = history.since(at(110), 60).points;
        assert_eq!(points.len(), 2);
        assert_eq!((points[0].at, points[0].cpu), (at(100), 2_000));
        assert_eq!(points[0].sessions, 3);
        assert_eq!((points[1].at, points[1].cpu), (at(110), 9_000));
    }

    #[test]
    fn one_hour_is_kept_and_no_more() {
        let mut history = History::default();
        for period in 0..1_000 {
            history.add(at(period * 10), &load(1), 0);
        }
        assert_eq!(history.past.len(), POINTS_MAX);
        let all = history.since(at(10_000), 100_000).points;
        assert_eq!(all.len(), POINTS_MAX + 1);
        assert_eq!(all[0].at, at((999 - 360) * 10));
        assert_eq!(history.since(at(9_990), 1).points.len(), 7);
    }

    #[test]
    fn a_clock_set_back_leaves_no_point_twice() {
        let mut history = History::default();
        for s in [100, 110, 120, 100, 110, 130] {
            history.add(at(s), &load(1), 0);
        }
        let points = history.since(at(130), 60).points;
        let times: Vec<_> = points.iter().map(|point| point.at).collect();
        assert_eq!(times, [at(100), at(110), at(130)]);
    }
}
