//! `/proc/stat`, `/proc/meminfo`, `/proc/loadavg`, `/proc/pressure/*`, `/proc/uptime` (proc(5)).

use portico_model::seen::WHOLE;

/// Processor time since the start of the machine, in ticks of all processors together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuTimes {
    /// Spent on programs and on the kernel.
    pub busy: u64,
    /// Idle because a disk had not answered.
    pub disk_wait: u64,
    /// All of it.
    pub total: u64,
}

/// What `/proc/stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// Time of all processors.
    pub times: CpuTimes,
    /// Processors in use.
    pub cpus: u32,
    /// Tasks that run or wait for a processor, whoever reads this included.
    pub running: u32,
}

/// `/proc/stat`.
pub fn stat(text: &str) -> Option<Stat> {
    let mut stat = Stat::default();
    let mut seen = false;
    for line in text.lines() {
        let (name, rest) = line.split_once(' ')?;
        match name {
            "cpu" => {
                stat.times = cpu_times(rest)?;
                seen = true;
            }
            "procs_running" => stat.running = rest.trim().parse().ok()?,
            _ if name.starts_with("cpu") => stat.cpus = stat.cpus.saturating_add(1),
            _ => {}
        }
    }
    seen.then_some(stat)
}

/// user nice system idle iowait irq softirq steal; guest time is in user and nice already.
fn cpu_times(fields: &str) -> Option<CpuTimes> {
    let mut times = CpuTimes::default();
    let mut count = 0;
    for (place, field) in fields.split_ascii_whitespace().take(8).enumerate() {
        let ticks: u64 = field.parse().ok()?;
        times.total = times.total.saturating_add(ticks);
        match place {
            3 => {}
            4 => times.disk_wait = ticks,
            _ => times.busy = times.busy.saturating_add(ticks),
        }
        count += 1;
    }
    (count >= 4).then_some(times)
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// What new programs could have without swapping.
    pub available_bytes: u64,
}

/// `/proc/meminfo`.
pub fn meminfo(text: &str) -> Option<Memory> {
    let mut total = None;
    let mut available = None;
    // Kernels before 3.14 do not say what is available.
    let mut free = 0_u64;
    for line in text.lines() {
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        let kib = || rest.trim().trim_end_matches(" kB").parse::<u64>().ok();
        match name {
            "MemTotal" => total = kib(),
            "MemAvailable" => available = kib(),
            "MemFree" | "Buffers" | "Cached" => free = free.saturating_add(kib().unwrap_or(0)),
            _ => {}
        }
    }
    let total = total?;
    Some(Memory {
        total_bytes: total.saturating_mul(1024),
        available_bytes: available.unwrap_or(free).min(total).saturating_mul(1024),
    })
}

/// What `/proc/loadavg` tells at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Tasks that run or wait for a processor, whoever reads this included.
    pub running: u32,
    /// Id of the process that was made last.
    pub last_pid: u32,
}

/// `/proc/loadavg`.
pub fn loadavg(text: &str) -> Option<Now> {
    let mut fields = text.split_ascii_whitespace().skip(3);
    let (running, _) = fields.next()?.split_once('/')?;
    Some(Now {
        running: running.parse().ok()?,
        last_pid: fields.next()?.parse().ok()?,
    })
}

/// `some avg10` of a pressure file (`/proc/pressure/*`, `cpu.pressure` of a cgroup), per ten
/// thousand.
pub fn pressure(text: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent = line
        .split_ascii_whitespace()
        .find_map(|field| field.strip_prefix("avg10="))?;
    let (whole, part) = percent.split_once('.')?;
    let hundredths = part.get(..2).unwrap_or("0").parse::<u32>().ok()?;
    let whole = whole.parse::<u32>().ok()?.checked_mul(100)?;
    Some(whole.checked_add(hundredths)?.min(WHOLE))
}

/// Hundredths of a second since the start of the machine: `/proc/uptime`.
pub fn uptime(text: &str) -> Option<u64> {
    let (seconds, part) = text.split_ascii_whitespace().next()?.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    seconds
        .checked_mul(100)?
        .checked_add(part.get(..2)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_busy_idle_or_waiting_for_a_disk() {
        let text = "cpu  100 20 30 1000 50 1 2 3 99 99\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5 0\nprocs_running 4\nprocs_blocked 0\n";
        assert_eq!(
            stat(text),
            Some(Stat {
                times: CpuTimes {
                    busy: 156,
                    disk_wait: 50,
                    total: 1206
                },
                cpus: 2,
                running: 4
            })
        );
    }

    #[test]
    fn what_is_no_text_of_the_kernel_is_refused() {
        for wrong in ["", "cpu", "cpu 1 2", "cpu -1 2 3 4", "cpu a b c d", "\u{0}"] {
            assert_eq!(stat(wrong), None, "{wrong:?}");
        }
        for wrong in ["", "MemAvailable: 5 kB", "MemTotal: -5 kB", "MemTotal:"] {
            assert_eq!(meminfo(wrong), None, "{wrong:?}");
        }
        for wrong in ["", "1 2 3", "1 2 3 4 5", "1 2 3 x/5 6", "1 2 3 4/5"] {
            assert_eq!(loadavg(wrong), None, "{wrong:?}");
        }
        for wrong in [
            "",
            "some",
            "some avg10=",
            "some avg10=x.y",
            "full avg10=1.00",
        ] {
            assert_eq!(pressure(wrong), None, "{wrong:?}");
        }
        for wrong in ["", "12", "12.", "x.00"] {
            assert_eq!(uptime(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn memory_is_what_new_programs_could_have() {
        let text = "MemTotal:       4000 kB\nMemFree:  10 kB\nMemAvailable:   3000 kB\n";
        assert_eq!(
            meminfo(text),
            Some(Memory {
                total_bytes: 4_096_000,
                available_bytes: 3_072_000
            })
        );
        let old = "MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 5 kB\n";
        assert_eq!(meminfo(old).unwrap().available_bytes, 20 * 1024);
    }

    #[test]
    fn the_rest_of_the_small_files() {
        assert_eq!(
            loadavg("4.68 4.61 3.09 3/290 7810\n"),
            Some(Now {
                running: 3,
                last_pid: 7810
            })
        );
        let psi = "some avg10=4.73 avg60=42.53 avg300=42.71 total=4242578068\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(pressure(psi), Some(473));
        assert_eq!(pressure("some avg10=100.00 x"), Some(10_000));
        assert_eq!(pressure("some avg10=429496729.99"), None);
        assert_eq!(uptime("13954.91 2000.00\n"), Some(1_395_491));
    }
}
