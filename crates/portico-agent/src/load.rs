//! How busy the host is: two readings of counters and the time between them make a
//! [`Load`]. Of the whole machine, or of the control group the agent is in, for hosts that are
//! containers.

use std::{io, time::Duration};

use portico_model::seen::{Load, Pressure, RUN_QUEUE_MAX, WHOLE};

use crate::{
    files::Files,
    parse::{
        self,
        cgroup::{self, Groups},
        load::{CpuTimes, Memory, Stat},
        net::Traffic,
        process, share,
    },
};

/// Processes of a control group that are looked at for its run queue.
pub const GROUP_PROCESSES_MAX: usize = 256;

/// What the load is measured of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LoadOf {
    /// The machine.
    #[default]
    Machine,
    /// The control group that the agent is in: for containers.
    Cgroup,
}

/// Why the load could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file that every Linux has cannot be read.
    #[error("cannot read /{path}")]
    Read {
        /// Its path.
        path: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not what the kernel writes.
    #[error("/{path} is not as the kernel writes it")]
    Text {
        /// Its path.
        path: &'static str,
    },
}

/// One reading of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// When, on a clock that does not jump.
    pub at: Duration,
    /// Processor time of the machine, in ticks.
    pub times: CpuTimes,
    /// Processor time of the group, in nanoseconds, and the processors it may use, in
    /// ten-thousandths of one.
    pub group: Option<(u64, u64)>,
    /// Processors of the machine.
    pub cpus: u32,
    /// Tasks that run or wait, the agent left out.
    pub running: u32,
    /// Memory.
    pub memory: Memory,
    /// Bytes through the interfaces.
    pub traffic: Traffic,
    /// Pressure.
    pub pressure: Option<Pressure>,
}

/// The load between two readings. `running` are other samples of the run queue in between.
pub fn load(before: &Reading, now: &Reading, running: &[u32]) -> Load {
    let total = now.times.total.saturating_sub(before.times.total);
    let elapsed = now.at.saturating_sub(before.at);
    let each_second = |before: u64, now: u64| {
        let bytes = u128::from(now.saturating_sub(before)) * 1_000;
        u64::try_from(bytes / elapsed.as_millis().max(1)).unwrap_or(u64::MAX)
    };
    // In ten-thousandths of one processor.
    let (cpu, processors) = match (before.group, now.group) {
        (Some((before, _)), Some((used, processors))) => {
            let room = elapsed.as_nanos().saturating_mul(u128::from(processors)) / 10_000;
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            (share(used.saturating_sub(before), room), processors)
        }
        _ => (
            share(now.times.busy.saturating_sub(before.times.busy), total),
            u64::from(now.cpus.max(1)) * 10_000,
        ),
    };
    // The kernel's own text says that this counter may go back.
    let waited = now.times.disk_wait.saturating_sub(before.times.disk_wait);
    let memory = &now.memory;
    Load {
        cpu,
        memory: share(
            memory.total_bytes.saturating_sub(memory.available_bytes),
            memory.total_bytes,
        ),
        memory_total_bytes: memory.total_bytes,
        run_queue: run_queue(now.running, running, processors),
        disk_wait: if now.group.is_some() {
            0
        } else {
            share(waited, total)
        },
        pressure: now.pressure,
        received_bytes_s: each_second(before.traffic.received, now.traffic.received),
        sent_bytes_s: each_second(before.traffic.sent, now.traffic.sent),
    }
}

/// Mean of the samples for each processor.
fn run_queue(last: u32, others: &[u32], processors: u64) -> u32 {
    let sum = others
        .iter()
        .chain([&last])
        .map(|n| u64::from(*n))
        .sum::<u64>();
    let count = u64::try_from(others.len())
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let whole = u64::from(WHOLE);
    let queue =
        sum.saturating_mul(whole).saturating_mul(whole) / count.saturating_mul(processors).max(1);
    u32::try_from(queue).unwrap_or(u32::MAX).min(RUN_QUEUE_MAX)
}

/// Reads counters and keeps the last reading.
#[derive(Debug)]
pub struct LoadReader {
    group: Option<GroupFiles>,
    last: Option<Reading>,
    running: Vec<u32>,
}

/// Samples of the run queue that are kept between two reports.
const RUNNING_MAX: usize = 64;

impl LoadReader {
    /// A reader of what `of` says. Falls back to the machine where the agent's group has no files.
    pub fn new(of: LoadOf, files: &mut Files) -> Self {
        let group = match of {
            LoadOf::Machine => None,
            LoadOf::Cgroup => GroupFiles::find(files),
        };
        if of == LoadOf::Cgroup && group.is_none() {
            tracing::warn!("The agent's control group has no accounting; the machine is measured");
        }
        Self {
            group,
            last: None,
            running: Vec::new(),
        }
    }

    /// Takes a sample of the run queue between two reports, the agent left out.
    pub fn note_running(&mut self, running: u32) {
        if self.group.is_none() && self.running.len() < RUNNING_MAX {
            self.running.push(running);
        }
    }

    /// Reads all counters; the load since the last call. The first call tells no traffic, and the
    /// processor time since the machine's start.
    ///
    /// # Errors
    /// [`LoadError`]; the next call tries again.
    pub fn read(&mut self, files: &mut Files, at: Duration) -> Result<Load, LoadError> {
        let now = self.reading(files, at)?;
        let before = self.last.unwrap_or(Reading {
            at,
            traffic: now.traffic,
            group: now.group,
            ..Reading::default()
        });
        let load = load(&before, &now, &self.running);
        self.running.clear();
        self.last = Some(now);
        Ok(load)
    }

    /// Processors of the host, for the hello.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn cpus(&self, files: &mut Files) -> Result<u32, LoadError> {
        let stat = read_stat(files)?;
        Ok(match &self.group {
            Some(group) => {
                let parts = group.processors(files, stat.cpus);
                u32::try_from(parts.div_ceil(10_000)).unwrap_or(stat.cpus)
            }
            None => stat.cpus,
        })
    }

    fn reading(&self, files: &mut Files, at: Duration) -> Result<Reading, LoadError> {
        let stat = read_stat(files)?;
        let memory = parsed(files, "proc/meminfo", parse::load::meminfo)?;
        let mut reading = Reading {
            at,
            times: stat.times,
            group: None,
            cpus: stat.cpus,
            running: stat.running.saturating_sub(1),
            memory,
            // A namespace without network still has the file.
            traffic: parsed(files, "proc/net/dev", parse::net::net_dev)?,
            pressure: None,
        };
        match &self.group {
            Some(group) => group.read_into(files, &mut reading),
            None => {
                reading.pressure = pressure(
                    files,
                    [
                        "proc/pressure/cpu",
                        "proc/pressure/memory",
                        "proc/pressure/io",
                    ],
                );
            }
        }
        Ok(reading)
    }
}

fn read_stat(files: &mut Files) -> Result<Stat, LoadError> {
    parsed(files, "proc/stat", parse::load::stat)
}

fn parsed<T>(
    files: &mut Files,
    path: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, LoadError> {
    let text = files
        .text(path)
        .map_err(|source| LoadError::Read { path, source })?;
    parse(&text).ok_or(LoadError::Text { path })
}

/// `None` where the kernel was built or started without pressure stall information.
fn pressure(files: &mut Files, paths: [&str; 3]) -> Option<Pressure> {
    let mut of = |path: &str| parse::load::pressure(&files.text(path).ok()?);
    let [cpu, memory, io] = paths;
    Some(Pressure {
        cpu: of(cpu)?,
        memory: of(memory).unwrap_or(0),
        io: of(io).unwrap_or(0),
    })
}

/// Folders of the agent's control group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GroupFiles {
    unified: Option<String>,
    cpuacct: Option<String>,
    cpu: Option<String>,
    memory: Option<String>,
}

impl GroupFiles {
    fn find(files: &mut Files) -> Option<Self> {
        let groups: Groups = cgroup::groups(&files.text("proc/self/cgroup").ok()?);
        let found = Self {
            unified: folder(
                files,
                groups.unified,
                &["sys/fs/cgroup", "sys/fs/cgroup/unified"],
                "cpu.pressure",
            )
            // Below a hybrid mount the v2 group exists without any controller.
            .filter(|folder| files.path(&format!("{folder}/memory.current")).exists()),
            cpuacct: folder(
                files,
                groups.cpuacct,
                &["sys/fs/cgroup/cpuacct", "sys/fs/cgroup/cpu,cpuacct"],
                "cpuacct.usage",
            ),
            cpu: folder(
                files,
                groups.cpu,
                &["sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"],
                "cpu.cfs_quota_us",
            ),
            memory: folder(
                files,
                groups.memory,
                &["sys/fs/cgroup/memory"],
                "memory.usage_in_bytes",
            ),
        };
        (found.unified.is_some() || found.cpuacct.is_some()).then_some(found)
    }

    fn read_into(&self, files: &mut Files, reading: &mut Reading) {
        let mut number = |folder: &Option<String>, name: &str| {
            let text = files.text(&format!("{}/{name}", folder.as_ref()?)).ok()?;
            cgroup::number(&text)
        };
        let (used, limit) = match &self.unified {
            Some(_) => (
                number(&self.unified, "memory.current"),
                number(&self.unified, "memory.max"),
            ),
            None => (
                number(&self.memory, "memory.usage_in_bytes"),
                number(&self.memory, "memory.limit_in_bytes"),
            ),
        };
        if let Some(used) = used {
            // Pages of files that nobody used lately are free for the asking.
            let cache = self.file_cache(files);
            let total = limit.unwrap_or(u64::MAX).min(reading.memory.total_bytes);
            reading.memory = Memory {
                total_bytes: total,
                available_bytes: total.saturating_sub(used.saturating_sub(cache)),
            };
        }
        let processors = self.processors(files, reading.cpus);
        if let Some(nanoseconds) = self.nanoseconds(files) {
            reading.group = Some((nanoseconds, processors));
        }
        reading.running = self.running(files);
        reading.pressure = self.unified.as_ref().and_then(|folder| {
            let [cpu, memory, io] =
                ["cpu", "memory", "io"].map(|of| format!("{folder}/{of}.pressure"));
            pressure(files, [&cpu, &memory, &io])
        });
    }

    fn file_cache(&self, files: &mut Files) -> u64 {
        let (folder, name) = match &self.unified {
            Some(folder) => (Some(folder), "inactive_file"),
            None => (self.memory.as_ref(), "total_inactive_file"),
        };
        folder
            .and_then(|folder| {
                let text = files.text(&format!("{folder}/memory.stat")).ok()?;
                cgroup::field(&text, name)
            })
            .unwrap_or(0)
    }

    fn nanoseconds(&self, files: &mut Files) -> Option<u64> {
        if let Some(folder) = &self.unified {
            let text = files.text(&format!("{folder}/cpu.stat")).ok()?;
            return cgroup::usage_usec(&text)?.checked_mul(1_000);
        }
        let folder = self.cpuacct.as_ref()?;
        cgroup::number(&files.text(&format!("{folder}/cpuacct.usage")).ok()?)
    }

    /// In ten-thousandths of one processor.
    fn processors(&self, files: &mut Files, cpus: u32) -> u64 {
        let all = u64::from(cpus.max(1)) * 10_000;
        let quota = match (&self.unified, &self.cpu) {
            (Some(folder), _) => files
                .text(&format!("{folder}/cpu.max"))
                .ok()
                .and_then(|text| cgroup::cpu_max(&text)),
            (None, Some(folder)) => {
                let mut of =
                    |name: &str| cgroup::number(&files.text(&format!("{folder}/{name}")).ok()?);
                // -1 is no quota, and no number for us.
                of("cpu.cfs_quota_us")
                    .zip(of("cpu.cfs_period_us"))
                    .and_then(|(quota, period)| cgroup::quota_of(quota, period))
            }
            (None, None) => None,
        };
        quota.filter(|parts| *parts > 0).unwrap_or(all).min(all)
    }

    /// Groups have no counter of tasks that run, so their processes are looked at, some of them.
    fn running(&self, files: &mut Files) -> u32 {
        let Some(folder) = self.unified.as_ref().or(self.cpuacct.as_ref()) else {
            return 0;
        };
        let members: Vec<u32> = match files.text(&format!("{folder}/cgroup.procs")) {
            Ok(text) => cgroup::members(&text).take(GROUP_PROCESSES_MAX).collect(),
            Err(_) => return 0,
        };
        let own = std::process::id();
        let mut running = 0;
        for pid in members.into_iter().filter(|pid| *pid != own) {
            // One that is gone does not run.
            let stat = files
                .bytes(&format!("proc/{pid}/stat"))
                .ok()
                .and_then(process::stat);
            if stat.is_some_and(|stat| stat.state == 'R') {
                running += 1;
            }
        }
        running
    }
}

/// The folder of a group: below the first mount that has it. A container often sees its own group
/// as the root of the mount.
fn folder(files: &Files, group: Option<String>, mounts: &[&str], file: &str) -> Option<String> {
    let group = group?;
    let group = group.trim_matches('/');
    mounts
        .iter()
        .flat_map(|mount| [format!("{mount}/{group}"), (*mount).to_owned()])
        .map(|folder| folder.trim_end_matches('/').to_owned())
        .find(|folder| files.path(&format!("{folder}/{file}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_s: u64, busy: u64, wait: u64, total: u64) -> Reading {
        Reading {
            at: Duration::from_secs(at_s),
            times: CpuTimes {
                busy,
                disk_wait: wait,
                total,
            },
            cpus: 2,
            ..Reading::default()
        }
    }

    #[test]
    fn load_is_what_happened_between_two_readings() {
        let before = reading(10, 1_000, 50, 10_000);
        let now = Reading {
            running: 3,
            memory: Memory {
                total_bytes: 1_000,
                available_bytes: 250,
            },
            traffic: Traffic {
                received: 3_000,
                sent: 500,
            },
            ..reading(12, 1_100, 90, 10_400)
        };
        let load = load(&before, &now, &[1]);
        assert_eq!(
            (load.cpu, load.disk_wait, load.memory),
            (2_500, 1_000, 7_500)
        );
        // Mean of 1 and 3 on two processors.
        assert_eq!(load.run_queue, 10_000);
        assert_eq!((load.received_bytes_s, load.sent_bytes_s), (1_500, 250));
    }

    #[test]
    fn counters_that_go_back_and_clocks_that_stand_still_give_no_absurd_load() {
        let high = Reading {
            traffic: Traffic {
                received: u64::MAX,
                sent: u64::MAX,
            },
            running: u32::MAX,
            group: Some((u64::MAX, 1)),
            ..reading(10, u64::MAX, u64::MAX, u64::MAX)
        };
        let low = Reading {
            group: Some((0, 1)),
            ..reading(10, 0, 0, 0)
        };
        for (before, now) in [(high, low), (low, high), (high, high)] {
            let report = portico_model::seen::HostReport {
                number: 1,
                load: load(&before, &now, &[u32::MAX, 0]),
                sessions: Vec::new(),
            };
            assert_eq!(report.check(), Ok(()));
        }
    }

    #[test]
    fn a_group_is_measured_against_the_processors_it_may_use() {
        let half = 5_000;
        let before = Reading {
            group: Some((0, half)),
            ..reading(0, 0, 0, 0)
        };
        // Half a second of processor time in two seconds, of half a processor: 50 %.
        let now = Reading {
            group: Some((500_000_000, half)),
            ..reading(2, 0, 0, 0)
        };
        assert_eq!(load(&before, &now, &[]).cpu, 5_000);
    }
}
