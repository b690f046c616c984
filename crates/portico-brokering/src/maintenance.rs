//! What is due for planned maintenances: hosts are drained, people warned, sessions ended, hosts
//! restarted a few at a time, and given back.
//!
//! [`plan`] is a function of what is wanted, how far each host is, what is seen, and the time. The
//! executor notes durably that it begins what is due ([`Begun`]), carries it out, notes that with
//! [`Progress::after`] (only when it worked), and asks again; asking twice asks for the same.
//! Whatever the clock does, a session is never ended before the start, nobody is warned twice, and
//! a host that was drained is undrained at the end.
//!
//! An executor that dies in a step leaves it begun. Whether it was carried out is not known then,
//! so the step is decided anew: it is repeated while it still makes sense, and only a warning is
//! heard twice by that.

use std::collections::{BTreeMap, BTreeSet};

use portico_model::{HostId, MaintenanceId, Timestamp};

/// A planned maintenance.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which.
    pub id: &'a MaintenanceId,
    /// Its hosts, in the order in which they restart.
    pub hosts: &'a [HostId],
    /// When sessions end, and hosts may restart.
    pub starts_at: Timestamp,
    /// When hosts are given back, whatever came of it.
    pub ends_at: Timestamp,
    /// People are warned so long before the start, in seconds; 0: they are not.
    pub warn_before_s: u32,
    /// Hosts take no new sessions from so long before the start on, in seconds.
    pub drain_before_s: u32,
    /// Whether the hosts restart.
    pub restart: bool,
    /// Hosts that may be restarting at once; 0 counts as 1.
    pub at_once: u32,
    /// Whether it was called off: its hosts are given back, and nothing else is done.
    pub cancelled: bool,
    /// How far its hosts are; a host that is missing is at the beginning.
    pub progress: &'a BTreeMap<HostId, Progress>,
}

/// A step that was begun and not noted as carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Which.
    pub step: Step,
    /// Whether who began it is gone: otherwise it is still at it.
    pub abandoned: bool,
}

/// How far a host is in one maintenance. Kept with the maintenance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// What somebody is at, or was at when they died.
    pub begun: Option<Begun>,
    /// It was drained for it.
    pub drained: bool,
    /// Its people were warned.
    pub warned: bool,
    /// Its sessions were ended.
    pub ended: bool,
    /// The boot it had when it was told to restart.
    pub restarted_from: Option<String>,
    /// It was given back; nothing more is done to it.
    pub back: bool,
}

/// What is seen of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Its boot, while its agent reports; `None` while nobody can tell it anything.
    pub boot: Option<&'a str>,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due<'a> {
    /// For which maintenance.
    pub maintenance: &'a MaintenanceId,
    /// To which host.
    pub host: &'a HostId,
    /// What.
    pub step: Step,
}

/// Something to do to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Let no new sessions come.
    Drain,
    /// Tell people on it when their sessions end.
    Warn,
    /// End every session on it.
    EndSessions,
    /// Restart it.
    Restart {
        /// The boot it has now.
        boot: String,
    },
    /// Take its drain back.
    Undrain,
    /// Leave it drained, because another maintenance needs it so; this one is done with it.
    HandOver,
}

impl Progress {
    /// The progress after a step was carried out.
    #[must_use]
    pub fn after(mut self, step: &Step) -> Self {
        self.begun = None;
        match step {
            Step::Drain => self.drained = true,
            Step::Warn => self.warned = true,
            Step::EndSessions => self.ended = true,
            Step::Restart { boot } => self.restarted_from = Some(boot.clone()),
            Step::Undrain | Step::HandOver => self.back = true,
        }
        self
    }

    /// The progress by which the next step is decided. `None`: somebody is at a step.
    fn settled(&self, is_over: bool, seen: Option<Seen<'_>>) -> Option<Self> {
        let Some(Begun { step, abandoned }) = &self.begun else {
            return Some(self.clone());
        };
        if !abandoned {
            return None;
        }
        let decided_anew = Self {
            begun: None,
            ..self.clone()
        };
        Some(match step {
            // Perhaps it is drained: then it must be given back.
            Step::Drain if is_over => decided_anew.after(step),
            // Told or not: it has another boot now, or nobody can say yet.
            Step::Restart { boot } if seen.and_then(|seen| seen.boot) != Some(boot) => {
                decided_anew.after(step)
            }
            _ => decided_anew,
        })
    }

    /// Whether this maintenance keeps the host drained.
    fn holds(&self) -> bool {
        let begun = self.begun.as_ref().map(|begun| &begun.step);
        let is_drained = self.drained || begun == Some(&Step::Drain);
        is_drained && !self.back && !self.is_being_given_back()
    }

    /// Whether somebody is about to give it back, or was when they died: nothing else is done to
    /// it any more.
    fn is_being_given_back(&self) -> bool {
        let begun = self.begun.as_ref();
        begun.is_some_and(|begun| matches!(begun.step, Step::Undrain | Step::HandOver))
    }

    /// Whether somebody is about to restart it, or was when they died.
    fn is_being_restarted(&self) -> bool {
        let begun = self.begun.as_ref();
        begun.is_some_and(|begun| matches!(begun.step, Step::Restart { .. }))
    }

    /// Whether it was told to restart and is not back.
    fn is_down(&self) -> bool {
        self.restarted_from.is_some() && !self.back
    }
}

impl Wanted<'_> {
    /// Whether nothing is left to do: it is over, no host is held, and nobody is at a step.
    pub fn is_done(&self, now: Timestamp) -> bool {
        let is_left = |progress: &Progress| {
            let begun = progress.begun.as_ref();
            let is_at_it = begun.is_some_and(|begun| !begun.abandoned);
            progress.holds() || progress.is_being_given_back() || is_at_it
        };
        self.is_over(now) && !self.progress.values().any(is_left)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.cancelled || now >= self.ends_at
    }

    fn is_due(&self, now: Timestamp, before_s: u32) -> bool {
        now >= self
            .starts_at
            .plus_ms(-i64::from(before_s).saturating_mul(1_000))
    }

    fn of(&self, host: &HostId) -> Progress {
        self.progress.get(host).cloned().unwrap_or_default()
    }
}

/// What is due at `now`, at most one step for each host of each maintenance, in their order.
///
/// `seen` says what is seen of a host; `None` for one that is not in the estate any more, which is
/// passed over and given back at the end.
pub fn plan<'a, 's>(
    wanted: &[Wanted<'a>],
    seen: impl Fn(&HostId) -> Option<Seen<'s>>,
    now: Timestamp,
) -> Vec<Due<'a>> {
    let mut due = Vec::new();
    let mut given_back = BTreeSet::new();
    for (at, maintenance) in wanted.iter().enumerate() {
        let is_over = maintenance.is_over(now);
        let mut down = down(maintenance, is_over, &seen);
        let mut listed = BTreeSet::new();
        for host in maintenance.hosts {
            if !listed.insert(host) {
                continue;
            }
            let noted = maintenance.of(host);
            let Some(progress) = noted.settled(is_over, seen(host)) else {
                continue;
            };
            // Its own restart that is to be repeated keeps the place it has.
            let has_place = noted.is_being_restarted() && !progress.is_down();
            let others = down.saturating_sub(usize::from(has_place));
            let mut step = match noted.is_being_given_back() {
                true => Some(Step::Undrain),
                false => step(maintenance, &progress, seen(host), now, others),
            };
            if step == Some(Step::Undrain) {
                given_back.insert((at, host));
                if is_held_by_another(wanted, host, &given_back) {
                    step = Some(Step::HandOver);
                }
            }
            if let Some(step) = step {
                if matches!(step, Step::Restart { .. }) {
                    down = others.saturating_add(1);
                }
                due.push(Due {
                    maintenance: maintenance.id,
                    host,
                    step,
                });
            }
        }
    }
    due
}

/// The next step of one host, when `down` others are restarting.
fn step(
    wanted: &Wanted<'_>,
    progress: &Progress,
    seen: Option<Seen<'_>>,
    now: Timestamp,
    down: usize,
) -> Option<Step> {
    if progress.back {
        return None;
    }
    if wanted.is_over(now) {
        return progress.drained.then_some(Step::Undrain);
    }
    let boot = seen.and_then(|seen| seen.boot);
    if let Some(before) = &progress.restarted_from {
        // It counts as down until it is seen with another boot. One that never comes back holds
        // up the others: better than to take down more.
        let is_back = boot.is_some_and(|boot| boot != before);
        return is_back.then_some(Step::Undrain);
    }
    let has_begun = now >= wanted.starts_at;
    if !progress.drained && seen.is_some() && wanted.is_due(now, wanted.drain_before_s) {
        return Some(Step::Drain);
    }
    if !has_begun {
        let warn = wanted.warn_before_s > 0
            && !progress.warned
            && seen.is_some()
            && wanted.is_due(now, wanted.warn_before_s);
        return warn.then_some(Step::Warn);
    }
    if !progress.drained || seen.is_none() {
        return None;
    }
    if !progress.ended {
        return Some(Step::EndSessions);
    }
    let at_once = usize::try_from(wanted.at_once.max(1)).unwrap_or(usize::MAX);
    let may_restart = wanted.restart && down < at_once;
    // One that cannot be told anything is passed over until it can.
    boot.filter(|_| may_restart).map(|boot| Step::Restart {
        boot: boot.to_owned(),
    })
}

/// Hosts that are restarting.
fn down<'s>(
    wanted: &Wanted<'_>,
    is_over: bool,
    seen: &impl Fn(&HostId) -> Option<Seen<'s>>,
) -> usize {
    let hosts: BTreeSet<&HostId> = wanted.hosts.iter().collect();
    let is_down = |host: &HostId, progress: &Progress| {
        let settled = progress.settled(is_over, seen(host));
        progress.is_being_restarted() || settled.is_some_and(|settled| settled.is_down())
    };
    let down = hosts.into_iter().filter(|host| {
        let progress = wanted.progress.get(*host);
        progress.is_some_and(|progress| is_down(host, progress))
    });
    down.count()
}

/// Whether a maintenance that has not just given the host back needs it drained. Of several that
/// end at once the last one undrains it.
fn is_held_by_another(
    wanted: &[Wanted<'_>],
    host: &HostId,
    given_back: &BTreeSet<(usize, &HostId)>,
) -> bool {
    let others = wanted.iter().enumerate();
    others
        .filter(|(other, _)| !given_back.contains(&(*other, host)))
        .filter_map(|(_, other)| other.progress.get(host))
        .any(Progress::holds)
}

#[cfg(test)]
mod tests;
