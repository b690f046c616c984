//! The processes that sessions hang on: X servers of xrdp and the SSH server's processes. Only
//! new processes are looked at, and afterwards only those that matter.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    files::Files,
    parse::{
        load::Now,
        process::{self, Ids, ProcessStat},
    },
};

/// A process changes its name when it starts another program, so young ones are looked at again.
const YOUNG_TICKS: u64 = 1_000;
/// Rounds after which everything is looked at anew, whatever the process ids say.
const FULL_EVERY_ROUNDS: u64 = 30;
/// Rounds between two looks at the titles of SSH processes that are no longer young.
const TITLE_EVERY_ROUNDS: u64 = 3;
/// Processes that are remembered. Beyond that only the young ones are missed.
pub const PROCESSES_MAX: usize = 100_000;
/// Processes that are followed: X servers and SSH processes.
pub const FOLLOWED_MAX: usize = 20_000;

/// Names one process, also when its id is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Its id.
    pub pid: u32,
    /// When it was started, in ticks since the machine's start.
    pub start: u64,
}

/// What a process that is followed does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Shows a desktop.
    XServer,
    /// Serves an SSH connection.
    Ssh,
}

/// A process that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub id: ProcessId,
    /// What it does.
    pub part: Part,
    /// Program name.
    pub name: String,
    /// Who it runs as.
    pub ids: Ids,
    /// Its arguments or title.
    pub arguments: Vec<String>,
    /// Its parent, as far as it can still be looked at.
    pub parent: Option<Parent>,
}

/// What is known of a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub id: ProcessId,
    /// Its name.
    pub name: String,
    /// Its user.
    pub uid: u32,
}

/// The processes of the host, as of the last [`ProcessTable::update`].
#[derive(Debug, Default)]
pub struct ProcessTable {
    /// Of no interest, and old enough to stay so.
    others: BTreeSet<u32>,
    followed: BTreeMap<u32, Process>,
    /// Whether every process was old enough the last time.
    settled: bool,
    last_pid: u32,
    round: u64,
}

impl ProcessTable {
    /// Looks at what may have changed. `uptime_ticks` is the age of the machine in the unit of
    /// [`ProcessId::start`].
    pub fn update(&mut self, files: &mut Files, now: Now, uptime_ticks: u64) {
        let full = self.round.is_multiple_of(FULL_EVERY_ROUNDS) || now.last_pid < self.last_pid;
        if full {
            // Ids went round: any of them may have been used again.
            self.others.clear();
        }
        self.check_followed(files, uptime_ticks);
        if full || !self.settled || now.last_pid != self.last_pid {
            self.look_for_new(files, uptime_ticks);
        }
        self.last_pid = now.last_pid;
        self.round += 1;
    }

    /// The processes that are followed, by id.
    pub fn followed(&self) -> impl Iterator<Item = &Process> {
        self.followed.values()
    }

    /// Drops those that are gone or are others by now, and reads titles again.
    fn check_followed(&mut self, files: &mut Files, uptime_ticks: u64) {
        let titles = self.round.is_multiple_of(TITLE_EVERY_ROUNDS);
        self.followed.retain(|pid, process| {
            let Some(stat) = stat_of(files, *pid) else {
                return false;
            };
            if stat.start != process.id.start || part_of(&stat) != Some(process.part) {
                return false;
            }
            let young = is_young(stat.start, uptime_ticks);
            if young || (titles && process.part == Part::Ssh) {
                match read_process(files, *pid) {
                    Some(new) => *process = new,
                    None => return false,
                }
            }
            true
        });
    }

    fn look_for_new(&mut self, files: &mut Files, uptime_ticks: u64) {
        let there: Vec<u32> = files
            .names("proc")
            .iter()
            .filter_map(|name| name.parse().ok())
            .take(PROCESSES_MAX)
            .collect();
        let mut others = BTreeSet::new();
        self.settled = true;
        for pid in there {
            if self.followed.contains_key(&pid) {
                continue;
            }
            if self.others.contains(&pid) {
                others.insert(pid);
                continue;
            }
            let Some(stat) = stat_of(files, pid) else {
                continue;
            };
            if part_of(&stat).is_some() && self.followed.len() < FOLLOWED_MAX {
                if let Some(process) = read_process(files, pid) {
                    self.followed.insert(pid, process);
                }
            } else if is_young(stat.start, uptime_ticks) {
                self.settled = false;
            } else {
                others.insert(pid);
            }
        }
        self.others = others;
    }
}

/// What `/proc` says of a process that is alive.
pub fn stat_of(files: &mut Files, pid: u32) -> Option<ProcessStat> {
    let stat = process::stat(files.bytes(&format!("proc/{pid}/stat")).ok()?)?;
    stat.is_alive().then_some(stat)
}

/// Who a process runs as.
pub fn ids_of(files: &mut Files, pid: u32) -> Option<Ids> {
    process::status(files.bytes(&format!("proc/{pid}/status")).ok()?)
}

fn is_young(start: u64, uptime_ticks: u64) -> bool {
    uptime_ticks.saturating_sub(start) < YOUNG_TICKS
}

fn part_of(stat: &ProcessStat) -> Option<Part> {
    match stat.name.as_str() {
        "Xorg" | "Xvnc" | "Xtigervnc" | "Xtightvnc" | "X" => Some(Part::XServer),
        "sshd" | "sshd-session" => Some(Part::Ssh),
        _ => None,
    }
}

/// Everything of one process, or `None` when it vanished or became another while it was read.
fn read_process(files: &mut Files, pid: u32) -> Option<Process> {
    let stat = stat_of(files, pid)?;
    let part = part_of(&stat)?;
    let ids = ids_of(files, pid)?;
    let arguments = process::arguments(files.bytes(&format!("proc/{pid}/cmdline")).ok()?);
    let parent = read_parent(files, stat.parent);
    let again = stat_of(files, pid)?;
    (again.start == stat.start && again.name == stat.name).then_some(Process {
        id: ProcessId {
            pid,
            start: stat.start,
        },
        part,
        name: stat.name,
        ids,
        arguments,
        parent,
    })
}

fn read_parent(files: &mut Files, pid: u32) -> Option<Parent> {
    let stat = stat_of(files, pid)?;
    Some(Parent {
        id: ProcessId {
            pid,
            start: stat.start,
        },
        uid: ids_of(files, pid)?.uid,
        name: stat.name,
    })
}
