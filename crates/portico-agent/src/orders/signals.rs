//! Signals to processes that may be gone, whose ids may be somebody else's by now.

use std::{io, time::Duration};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::{
    files::Files,
    processes::{ProcessId, stat_of},
};

/// Time between two looks whether a process is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// It was sent.
    Sent,
    /// The process is gone.
    Gone,
}

/// Sends a signal to that process and no other: the kernel's handle is taken first, and then the
/// start time compared, so the id cannot change hands in between.
pub(crate) fn signal(id: ProcessId, signal: Signal) -> io::Result<Signalled> {
    let Some(pid) = i32::try_from(id.pid).ok().and_then(Pid::from_raw) else {
        return Ok(Signalled::Gone);
    };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(rustix::io::Errno::SRCH) => return Ok(Signalled::Gone),
        Err(error) => return Err(error.into()),
    };
    if !is_alive(id) {
        return Ok(Signalled::Gone);
    }
    match pidfd_send_signal(handle, signal) {
        Ok(()) => Ok(Signalled::Sent),
        Err(rustix::io::Errno::SRCH) => Ok(Signalled::Gone),
        Err(error) => Err(error.into()),
    }
}

/// Whether that process still runs.
pub(crate) fn is_alive(id: ProcessId) -> bool {
    stat_of(&mut Files::new("/"), id.pid).is_some_and(|stat| stat.start == id.start)
}

/// Waits until none of them runs, at most `limit`. Answers whether that came about.
pub(crate) async fn gone(ids: &[ProcessId], limit: Duration) -> bool {
    let until = tokio::time::Instant::now() + limit;
    loop {
        if !ids.iter().any(|id| is_alive(*id)) {
            return true;
        }
        if tokio::time::Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
