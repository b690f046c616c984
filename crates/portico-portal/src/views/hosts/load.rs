//! How busy a host is, now and over time.

use portico_broker::LoadHistory;
use portico_model::{
    Timestamp,
    seen::{Load, Pressure},
};
use serde::Serialize;
use utoipa::ToSchema;

/// How busy a host is. Shares are per ten thousand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadView {
    /// When it was reported, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Processor time in use.
    pub(crate) cpu: u32,
    /// Memory in use.
    pub(crate) memory: u32,
    /// Memory in bytes.
    pub(crate) memory_total_bytes: u64,
    /// Tasks ready to run for each processor; 10,000 is one.
    pub(crate) run_queue: u32,
    /// Time spent waiting for disks.
    pub(crate) disk_wait: u32,
    /// Pressure stall information, where the kernel has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pressure: Option<PressureView>,
    /// Bytes received each second.
    pub(crate) received_bytes_s: u64,
    /// Bytes sent each second.
    pub(crate) sent_bytes_s: u64,
    /// The load index that placement compares; lower is chosen first.
    pub(crate) index: u32,
}

/// Share of the last 10 s in which some task was stalled, per ten thousand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PressureView {
    /// For processor time.
    pub(crate) cpu: u32,
    /// For memory.
    pub(crate) memory: u32,
    /// For disks.
    pub(crate) io: u32,
}

impl From<Pressure> for PressureView {
    fn from(pressure: Pressure) -> Self {
        Self {
            cpu: pressure.cpu,
            memory: pressure.memory,
            io: pressure.io,
        }
    }
}

impl LoadView {
    /// The view of a load reported at `at`.
    pub(crate) fn new(load: &Load, at: Timestamp, index: u32) -> Self {
        Self {
            at_ms: at.unix_ms(),
            cpu: load.cpu,
            memory: load.memory,
            memory_total_bytes: load.memory_total_bytes,
            run_queue: load.run_queue,
            disk_wait: load.disk_wait,
            pressure: load.pressure.map(Into::into),
            received_bytes_s: load.received_bytes_s,
            sent_bytes_s: load.sent_bytes_s,
            index,
        }
    }
}

/// Load of a host over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadHistoryView {
    /// Seconds between two points.
    pub(crate) period_s: u32,
    /// The points, oldest first.
    pub(crate) points: Vec<LoadPointView>,
}

/// Load of a host at one time. Shares are per ten thousand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadPointView {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Processor time in use.
    pub(crate) cpu: u32,
    /// Memory in use.
    pub(crate) memory: u32,
    /// Tasks ready to run for each processor; 10,000 is one.
    pub(crate) run_queue: u32,
    /// Time spent waiting for disks.
    pub(crate) disk_wait: u32,
    /// Sessions on it.
    pub(crate) sessions: u32,
}

impl From<LoadHistory> for LoadHistoryView {
    fn from(history: LoadHistory) -> Self {
        let points = history.points.into_iter().map(|point| LoadPointView {
            at_ms: point.at.unix_ms(),
            cpu: point.cpu,
            memory: point.memory,
            run_queue: point.run_queue,
            disk_wait: point.disk_wait,
            sessions: point.sessions,
        });
        Self {
            period_s: history.period_s,
            points: points.collect(),
        }
    }
}
