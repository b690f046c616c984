//! Control groups, v1 and v2: where a process is, and the files of its group.

/// Where a process is, from `/proc/self/cgroup`. Paths begin with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    /// Of the one hierarchy of v2.
    pub unified: Option<String>,
    /// Of v1's `cpuacct`.
    pub cpuacct: Option<String>,
    /// Of v1's `cpu`, where quotas are.
    pub cpu: Option<String>,
    /// Of v1's `memory`.
    pub memory: Option<String>,
}

/// `/proc/self/cgroup` (cgroups(7)).
pub fn groups(text: &str) -> Groups {
    let mut groups = Groups::default();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(names), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        // A group outside of the reader's cgroup namespace is shown as `/../..`.
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            continue;
        }
        if names.is_empty() {
            groups.unified = Some(path.to_owned());
        }
        for name in names.split(',') {
            match name {
                "cpuacct" => groups.cpuacct = Some(path.to_owned()),
                "cpu" => groups.cpu = Some(path.to_owned()),
                "memory" => groups.memory = Some(path.to_owned()),
                _ => {}
            }
        }
    }
    groups
}

/// Processor time in microseconds: `usage_usec` of v2's `cpu.stat`.
pub fn usage_usec(cpu_stat: &str) -> Option<u64> {
    field(cpu_stat, "usage_usec")
}

/// A counter of files such as `cpu.stat` and `memory.stat`.
pub fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

/// A number alone in its file; `max`, and what v1 writes for "no limit", is `None`.
pub fn number(text: &str) -> Option<u64> {
    // v1's no limit is the largest multiple of the page size in an i64.
    const NO_LIMIT: u64 = 1 << 62;
    text.trim().parse().ok().filter(|value| *value < NO_LIMIT)
}

/// Processors that v2's `cpu.max` allows, in ten-thousandths of one; `None` is no limit.
pub fn cpu_max(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    quota_of(quota.parse().ok()?, period.parse().ok()?)
}

/// Processors that a quota and period allow, in ten-thousandths of one.
pub fn quota_of(quota_us: u64, period_us: u64) -> Option<u64> {
    quota_us.checked_mul(10_000)?.checked_div(period_us)
}

/// Process ids in `cgroup.procs`. Those of other pid namespaces are 0 and left out.
pub fn members(text: &str) -> impl Iterator<Item = u32> {
    text.lines()
        .filter_map(|line| line.trim().parse().ok())
        .filter(|pid| *pid != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_groups_are_found() {
        let text =
            "9:name=systemd:/\n4:memory:/lab/sh1\n2:cpu,cpuacct:/lab/sh1:x\n0::/unified\nbroken\n";
        assert_eq!(
            groups(text),
            Groups {
                unified: Some("/unified".into()),
                cpuacct: Some("/lab/sh1:x".into()),
                cpu: Some("/lab/sh1:x".into()),
                memory: Some("/lab/sh1".into()),
            }
        );
        assert_eq!(
            groups("0::/../../etc\n2:memory:relative\n"),
            Groups::default()
        );
    }

    #[test]
    fn numbers_and_limits() {
        assert_eq!(usage_usec("usage_usec 123\nuser_usec 5\n"), Some(123));
        assert_eq!(
            field("total_inactive_file 7\ninactive_file 5\n", "inactive_file"),
            Some(5)
        );
        assert_eq!(number("4096\n"), Some(4096));
        assert_eq!(number("max\n"), None);
        assert_eq!(number("9223372036854771712\n"), None);
        assert_eq!(cpu_max("150000 100000\n"), Some(15_000));
        assert_eq!(cpu_max("max 100000\n"), None);
        assert_eq!(cpu_max("5 0\n"), None);
        assert_eq!(members("0\n12\nx\n13\n").collect::<Vec<_>>(), [12, 13]);
    }
}
