//! How loaded hosts are, exactly and in integers.

use std::cmp::Ordering;

use portico_model::{
    estate::{LOAD_WEIGHT_MAX, LoadWeights, WEIGHT_MAX},
    seen::{Load, WHOLE},
};

use super::HostSnapshot;

/// What the measured part is multiplied with before it is divided by a host's weight.
const SCALE: u128 = 100_000;

/// How loaded a host is, per ten thousand, divided by its weight: the weighted mean of its
/// sessions against its limit and of what its agent measured. Of a host whose load is not known
/// only the sessions count.
pub fn load_index(host: &HostSnapshot<'_>, weights: &LoadWeights) -> u32 {
    Scale::new(weights, std::iter::empty()).index(host)
}

/// What loads are measured with in one decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    sessions: u64,
    cpu: u64,
    memory: u64,
    run_queue: u64,
    disk_wait: u64,
    /// The measured part that a host without load is taken to have: the average of those that
    /// report. Hosts with and without agent are then told apart by their sessions, and neither
    /// kind is better from the start. `None` when nobody reports.
    assumed: Option<u128>,
}

/// A load as a fraction. Loads are compared without rounding, so that a host with one session
/// more is never as good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fraction {
    over: u128,
    under: u128,
}

impl Fraction {
    pub(super) fn cmp(self, other: Self) -> Ordering {
        let left = self.over.saturating_mul(other.under);
        left.cmp(&other.over.saturating_mul(self.under))
    }
}

impl Scale {
    /// A scale for a choice between `hosts`.
    pub(super) fn new<'h, 'a: 'h>(
        weights: &LoadWeights,
        hosts: impl Iterator<Item = &'h HostSnapshot<'a>>,
    ) -> Self {
        let used = |weights: &LoadWeights| Self {
            sessions: clamped(weights.sessions),
            cpu: clamped(weights.cpu),
            memory: clamped(weights.memory),
            run_queue: clamped(weights.run_queue),
            disk_wait: clamped(weights.disk_wait),
            assumed: None,
        };
        let mut scale = used(weights);
        if scale.sum() == 0 {
            scale = used(&LoadWeights::default());
        }
        let (mut sum, mut count) = (0_u128, 0_u128);
        for host in hosts {
            if let Some(load) = &host.load {
                sum = sum.saturating_add(scale.measured(load, host));
                count += 1;
            }
        }
        scale.assumed = sum.checked_div(count);
        scale
    }

    /// The load of a host for a new session.
    pub(super) fn burden(&self, host: &HostSnapshot<'_>) -> Fraction {
        let measured = match &host.load {
            Some(load) => Some(self.measured(load, host)),
            None => self.assumed,
        };
        let under = u128::from(host.host.sessions_max.max(1)) * u128::from(weight(host));
        let sessions = u128::from(host.sessions) * u128::from(WHOLE) * SCALE;
        let over = match measured {
            Some(measured) => sessions * u128::from(self.sessions) + measured * under,
            None => sessions * u128::from(self.sum()),
        };
        Fraction { over, under }
    }

    /// The load index of a host.
    pub(super) fn index(&self, host: &HostSnapshot<'_>) -> u32 {
        let Fraction { over, under } = self.burden(host);
        // A weight is in percent.
        let index = over.saturating_mul(100) / (under * SCALE * u128::from(self.sum()).max(1));
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// What an agent measured, weighted, in relation to its host's weight.
    fn measured(&self, load: &Load, host: &HostSnapshot<'_>) -> u128 {
        let whole = u64::from(WHOLE);
        let share = |share: u32| u64::from(share).min(whole);
        // Half the scale at one waiting task for each processor, and never the end of it: a queue
        // that is twice as long is always worse.
        let queue = u64::from(load.run_queue);
        let queue = queue * whole / (queue + whole);
        let sum = self.cpu * share(load.cpu)
            + self.memory * share(load.memory)
            + self.run_queue * queue
            + self.disk_wait * share(load.disk_wait);
        u128::from(sum) * SCALE / u128::from(weight(host))
    }

    fn sum(&self) -> u64 {
        self.sessions + self.cpu + self.memory + self.run_queue + self.disk_wait
    }
}

/// Sessions in relation to the limit and the weight.
pub(super) fn crowd(host: &HostSnapshot<'_>) -> Fraction {
    let fullness = fullness(host);
    Fraction {
        under: fullness.under * u128::from(weight(host)),
        ..fullness
    }
}

/// Sessions in relation to the limit alone.
pub(super) fn fullness(host: &HostSnapshot<'_>) -> Fraction {
    Fraction {
        over: host.sessions.into(),
        under: host.host.sessions_max.max(1).into(),
    }
}

/// The weight of a host, in percent.
pub(super) fn weight(host: &HostSnapshot<'_>) -> u32 {
    host.host.weight.clamp(1, WEIGHT_MAX)
}

fn clamped(weight: u32) -> u64 {
    weight.min(LOAD_WEIGHT_MAX).into()
}
