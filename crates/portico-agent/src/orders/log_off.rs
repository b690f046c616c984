//! Ending a session: its program is asked, then told, then killed.

use std::time::Duration;

use portico_model::seen::OrderOutcome;
use rustix::process::Signal;

use super::{
    Host, desktop,
    signals::{gone, signal},
};
use crate::{
    files::Files,
    parse::process,
    processes::{ProcessId, ids_of, stat_of},
    sessions::{Hold, HoldKind, SeenSession},
};

/// Time a desktop has to end after its window manager was asked to.
pub(crate) const ASK_GRACE: Duration = Duration::from_secs(3);
/// Time the rest has after TERM, before it is killed.
pub(crate) const TERM_GRACE: Duration = Duration::from_millis(1_500);
/// Time for the kernel to end what was killed.
const KILL_GRACE: Duration = Duration::from_secs(1);
/// Processes of one session that are ended.
const MEMBERS_MAX: usize = 10_000;

/// Ends one session. All limits together stay below the 10 s that a broker waits.
pub(crate) async fn log_off(host: &Host, seen: &SeenSession) -> OrderOutcome {
    let hold = &seen.hold;
    // Before anything ends: afterwards nobody knows whose they were.
    let mut members = members(host, hold);
    let first = match &hold.kind {
        HoldKind::Desktop { .. } => desktop::window_managers(host, hold),
        // A connection with several terminals goes on for the others.
        HoldKind::Terminal { shared: true, .. } => members.clone(),
        HoldKind::Terminal { .. } | HoldKind::Seat => vec![hold.leader],
    };
    let whole_connection = !matches!(hold.kind, HoldKind::Terminal { shared: true, .. });
    let first = if first.is_empty() {
        vec![hold.leader]
    } else {
        first
    };
    let how = match &hold.kind {
        // What a shell gets when its terminal goes.
        HoldKind::Terminal { shared: true, .. } => Signal::HUP,
        _ => Signal::TERM,
    };
    for id in &first {
        if let Err(error) = signal(*id, how) {
            return OrderOutcome::Failed {
                detail: format!("process {} cannot be ended: {error}", id.pid),
            };
        }
    }
    let leader: &[ProcessId] = if whole_connection {
        &[hold.leader]
    } else {
        &first
    };
    let in_order = gone(leader, ASK_GRACE).await;
    if whole_connection && !members.contains(&hold.leader) {
        members.push(hold.leader);
    }
    for (how, grace) in [(Signal::TERM, TERM_GRACE), (Signal::KILL, KILL_GRACE)] {
        if gone(&members, Duration::ZERO).await {
            break;
        }
        for id in &members {
            // One that cannot be signalled is seen below.
            let _refused = signal(*id, how);
        }
        gone(&members, grace).await;
    }
    if !gone(leader, Duration::ZERO).await {
        return OrderOutcome::Failed {
            detail: "it was killed and still runs".into(),
        };
    }
    let detail = if in_order {
        "it ended in order"
    } else {
        "it did not end by itself and was killed"
    };
    OrderOutcome::Done {
        detail: detail.into(),
    }
}

/// The processes of a session, besides those that look after it.
fn members(host: &Host, hold: &Hold) -> Vec<ProcessId> {
    let mut files = Files::new(&host.0.root);
    let mut members = Vec::new();
    let device = match &hold.kind {
        HoldKind::Terminal { terminal, .. } => terminal_device(&files, terminal),
        _ => None,
    };
    let pids = files
        .names("proc")
        .into_iter()
        .filter_map(|name| name.parse().ok());
    for pid in pids.collect::<Vec<u32>>() {
        if members.len() >= MEMBERS_MAX {
            break;
        }
        let Some(stat) = stat_of(&mut files, pid) else {
            continue;
        };
        let belongs = match &hold.kind {
            HoldKind::Desktop { display, keeper } => {
                keeper.is_some_and(|keeper| keeper.pid == stat.parent)
                    || shows_on(&mut files, pid, *display)
            }
            HoldKind::Terminal { .. } => device.is_some() && device == Some(stat.terminal),
            HoldKind::Seat => false,
        };
        // The user's own only: an environment can say anything.
        if belongs && ids_of(&mut files, pid).is_some_and(|ids| ids.uid == hold.uid) {
            members.push(ProcessId {
                pid,
                start: stat.start,
            });
        }
    }
    members
}

/// Whether a process was started in the desktop with this display.
fn shows_on(files: &mut Files, pid: u32, display: u16) -> bool {
    let Ok(environ) = files.bytes(&format!("proc/{pid}/environ")) else {
        return false;
    };
    process::variable(environ, "XRDP_SESSION").is_some()
        && process::variable(environ, "DISPLAY").is_some_and(|on| process::is_display(&on, display))
}

/// The number of a terminal as `/proc/PID/stat` has it: minor in bits 31–20 and 7–0, major in
/// bits 15–8 (proc(5)).
fn terminal_device(files: &Files, terminal: &str) -> Option<i64> {
    use std::os::unix::fs::MetadataExt as _;
    let device = std::fs::metadata(files.path(&format!("dev/{terminal}")))
        .ok()?
        .rdev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let number = ((minor & 0xfff00) << 12) | (major << 8) | (minor & 0xff);
    Some(i64::from(number))
}
