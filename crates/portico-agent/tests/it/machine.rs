//! The load as it is read on the machine of the test.

use std::{fs, time::Duration};

use portico_agent::{
    files::Files,
    load::{LoadOf, LoadReader},
};
use portico_model::seen::HostReport;

#[test]
fn this_machine_tells_a_load_that_a_broker_takes() {
    let mut files = Files::new("/");
    let mut reader = LoadReader::new(LoadOf::Machine, &mut files);
    for second in 1..=2 {
        let load = reader
            .read(&mut files, Duration::from_secs(second))
            .unwrap();
        let report = HostReport {
            number: second,
            load,
            sessions: Vec::new(),
        };
        assert_eq!(report.check(), Ok(()));
        assert!(
            load.memory > 0 && load.memory_total_bytes > 1 << 20,
            "{load:?}"
        );
    }
    assert!(reader.cpus(&mut files).unwrap() >= 1);
}

/// A machine whose agent sits in a control group.
fn machine(groups: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder,
        "proc/stat",
        "cpu 100 0 0 100 0 0 0 0\ncpu0 0 0 0 0\ncpu1 0 0 0 0\nprocs_running 9\n",
    );
    write(
        &folder,
        "proc/meminfo",
        "MemTotal: 1000 kB\nMemAvailable: 900 kB\n",
    );
    write(
        &folder,
        "proc/net/dev",
        "a\nb\n eth0: 5 0 0 0 0 0 0 0 7 0\n",
    );
    write(&folder, "proc/self/cgroup", groups);
    folder
}

fn write(folder: &tempfile::TempDir, path: &str, text: &str) {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_group_of_the_first_version_is_measured() {
    let folder = machine("4:memory:/lab/a\n2:cpuacct:/lab/a\n1:cpu:/lab/a\n0::/\n");
    let group = |name: &str, text: &str| write(&folder, &format!("sys/fs/cgroup/{name}"), text);
    group("cpuacct/lab/a/cpuacct.usage", "1000000000\n");
    group("cpuacct/lab/a/cgroup.procs", "0\n77\n78\n");
    group("cpu/lab/a/cpu.cfs_quota_us", "50000\n");
    group("cpu/lab/a/cpu.cfs_period_us", "100000\n");
    group("memory/lab/a/memory.usage_in_bytes", "307200\n");
    group(
        "memory/lab/a/memory.limit_in_bytes",
        "9223372036854771712\n",
    );
    group(
        "memory/lab/a/memory.stat",
        "inactive_file 1\ntotal_inactive_file 102400\n",
    );
    write(&folder, "proc/77/stat", "77 (x) R 1 0");
    let rest = "0 ".repeat(20);
    write(&folder, "proc/78/stat", &format!("78 (y) R 1 {rest}\n"));
    let mut files = Files::new(folder.path());
    let mut reader = LoadReader::new(LoadOf::Cgroup, &mut files);
    assert_eq!(reader.cpus(&mut files).unwrap(), 1);
    reader.read(&mut files, Duration::from_secs(10)).unwrap();
    group("cpuacct/lab/a/cpuacct.usage", "1250000000\n");
    let load = reader.read(&mut files, Duration::from_secs(12)).unwrap();
    // A quarter of a second in two, of half a processor.
    assert_eq!(load.cpu, 2_500);
    // 200 of 1000 KiB: the cache of files is free for the asking.
    assert_eq!(load.memory, 2_000);
    // One task on half a processor; the machine's nine are those of others.
    assert_eq!(load.run_queue, 20_000);
    assert_eq!(load.pressure, None);
}

#[test]
fn a_group_of_the_second_version_is_measured_also_at_the_root_of_its_mount() {
    for (path, below) in [
        ("0::/\n", ""),
        ("0::/system.slice/agent\n", "/system.slice/agent"),
    ] {
        let folder = machine(path);
        let group = |name: &str, text: &str| {
            write(&folder, &format!("sys/fs/cgroup{below}/{name}"), text);
        };
        group("cpu.stat", "usage_usec 1000000\nuser_usec 0\n");
        group("cpu.max", "max 100000\n");
        group(
            "cpu.pressure",
            "some avg10=12.34 avg60=0.00\nfull avg10=0.00\n",
        );
        group("memory.pressure", "some avg10=1.00 avg60=0.00\n");
        group("io.pressure", "some avg10=0.50 avg60=0.00\n");
        group("memory.current", "409600\n");
        group("memory.max", "819200\n");
        group("memory.stat", "anon 5\ninactive_file 204800\n");
        let mut files = Files::new(folder.path());
        let mut reader = LoadReader::new(LoadOf::Cgroup, &mut files);
        reader.read(&mut files, Duration::from_secs(1)).unwrap();
        group("cpu.stat", "usage_usec 3000000\nuser_usec 0\n");
        let load = reader.read(&mut files, Duration::from_secs(3)).unwrap();
        assert_eq!((load.cpu, load.memory), (5_000, 2_500));
        assert_eq!(load.memory_total_bytes, 819_200);
        let pressure = load.pressure.unwrap();
        assert_eq!(
            (pressure.cpu, pressure.memory, pressure.io),
            (1_234, 100, 50)
        );
    }
}

#[test]
fn without_accounting_of_groups_the_machine_is_measured() {
    let folder = machine("broken");
    let mut files = Files::new(folder.path());
    let mut reader = LoadReader::new(LoadOf::Cgroup, &mut files);
    let load = reader.read(&mut files, Duration::from_secs(1)).unwrap();
    assert_eq!((load.cpu, load.memory), (5_000, 1_000));
    // A file that is gone is an error that names it, not a load of zero.
    fs::remove_file(folder.path().join("proc/stat")).unwrap();
    let error = reader.read(&mut files, Duration::from_secs(2)).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /proc/stat");
}
