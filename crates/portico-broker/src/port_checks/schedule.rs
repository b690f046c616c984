//! When what is checked again.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portico_model::{HostId, Timestamp};
use tokio::{sync::Notify, time::Instant};

use super::records::{CheckedRow, is_failure, verdict_of};

/// However often it is asked for, no flow is checked twice in so short a time.
const AGE_MIN_MS: i64 = 10_000;
/// Nor one that does not work, in so short a time: a host that is back shall be used soon.
const FAILED_AGE_MIN_MS: i64 = 2_000;
const MINUTE: Duration = Duration::from_secs(60);
/// Always.
pub(crate) const AT_ONCE: Timestamp = Timestamp::from_unix_ms(i64::MIN);

/// How often flows are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Often {
    /// One that works, or of which nothing can be said.
    pub(crate) every_ms: i64,
    /// One that does not work.
    pub(crate) again_ms: i64,
}

/// Who is due when.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    state: Mutex<State>,
    /// Somebody wants something checked now.
    pub(crate) wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Hosts that have nothing to do before.
    next: BTreeMap<HostId, Timestamp>,
    running: BTreeSet<HostId>,
    asked_all: Option<Timestamp>,
    asked_from: BTreeMap<HostId, Timestamp>,
    asked_to: BTreeMap<HostId, Timestamp>,
    /// The newest of them.
    asked_to_last: Option<Timestamp>,
    /// The hosts of the estate that this process is.
    own: BTreeSet<HostId>,
    /// Changes that went into the audit log of late.
    noted: u32,
    noted_since: Option<Instant>,
}

impl Schedule {
    /// What `host` opens is due.
    pub(crate) fn ask_from(&self, host: &HostId, now: Timestamp) {
        let mut state = self.lock();
        state.asked_from.insert(host.clone(), now);
        state.next.remove(host);
        drop(state);
        self.wake.notify_one();
    }

    /// What this process opens to `host` is due.
    pub(crate) fn ask_to(&self, host: &HostId, now: Timestamp) {
        let mut state = self.lock();
        state.asked_to.insert(host.clone(), now);
        state.asked_to_last = state.asked_to_last.max(Some(now));
        let State { next, own, .. } = &mut *state;
        next.retain(|host, _| !own.contains(host));
        drop(state);
        self.wake.notify_one();
    }

    /// Everything is due.
    pub(crate) fn ask_all(&self, now: Timestamp) {
        let mut state = self.lock();
        state.asked_all = Some(now);
        state.next.clear();
        drop(state);
        self.wake.notify_one();
    }

    /// The estate is another one: everybody is looked at, and what was never checked is due.
    /// `own` are the hosts of it that this process is.
    pub(crate) fn plan_changed(&self, own: &BTreeSet<HostId>) {
        let mut state = self.lock();
        state.next.clear();
        state.own.clone_from(own);
        drop(state);
        self.wake.notify_one();
    }

    /// Whether a host may have something to do and does nothing yet.
    pub(crate) fn is_free(&self, host: &HostId, now: Timestamp) -> bool {
        let state = self.lock();
        !state.running.contains(host) && state.next.get(host).is_none_or(|next| *next <= now)
    }

    /// Takes a host; `false` when somebody has it.
    pub(crate) fn begin(&self, host: &HostId) -> bool {
        let mut state = self.lock();
        // What is asked for from here on must not be lost when this round ends.
        state.next.remove(host);
        state.running.insert(host.clone())
    }

    /// Gives a host back that has nothing to do before `next`, unless it was asked for meanwhile.
    pub(crate) fn end(&self, host: &HostId, begun: Timestamp, next: Timestamp) {
        let mut state = self.lock();
        state.running.remove(host);
        let asked_to = state.asked_to_last.filter(|_| state.own.contains(host));
        let asked = [
            state.asked_all,
            state.asked_from.get(host).copied(),
            asked_to,
        ];
        let newest = asked.into_iter().flatten().max();
        if newest.is_none_or(|asked| asked <= begun) {
            state.next.insert(host.clone(), next);
        }
    }

    /// Whether one more change goes into the audit log, of `max` in a minute.
    pub(crate) fn may_note(&self, max: u32, now: Instant) -> bool {
        let mut state = self.lock();
        let is_over = state
            .noted_since
            .is_none_or(|since| now.duration_since(since) >= MINUTE);
        if is_over {
            (state.noted_since, state.noted) = (Some(now), 0);
        }
        state.noted = state.noted.saturating_add(1);
        state.noted <= max
    }

    /// When everything that a host opens was asked for last.
    pub(crate) fn asked_from(&self, host: &HostId) -> Option<Timestamp> {
        let state = self.lock();
        let own = state.asked_from.get(host).copied();
        own.max(state.asked_all)
    }

    /// When what this process opens to a host was asked for last.
    pub(crate) fn asked_to(&self, host: &HostId) -> Option<Timestamp> {
        self.lock().asked_to.get(host).copied()
    }

    /// Forgets hosts that are no more.
    pub(crate) fn keep(&self, is_kept: impl Fn(&HostId) -> bool) {
        let mut state = self.lock();
        state.next.retain(|host, _| is_kept(host));
        state.asked_from.retain(|host, _| is_kept(host));
        state.asked_to.retain(|host, _| is_kept(host));
    }

    // Nothing that can panic runs under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a flow is due whose last outcome is `last`, and that was asked for at `asked`.
pub(crate) fn due_at(
    last: Option<&CheckedRow>,
    asked: Option<Timestamp>,
    often: Often,
    from: &HostId,
) -> Timestamp {
    let Some(last) = last else {
        return AT_ONCE;
    };
    let fails = verdict_of(&last.verdict).is_some_and(is_failure);
    let after_ms = match fails {
        true => often.again_ms.min(often.every_ms),
        false => often.every_ms,
    };
    let mut hasher = DefaultHasher::new();
    (from, &last.key.flow, &last.key.address, last.key.port).hash(&mut hasher);
    // By the flow and not by lot, so that several brokers come to the same time, and whoever is
    // first has done it.
    let lot = i64::try_from(hasher.finish() >> 1).unwrap_or(0);
    let jitter_ms = lot.checked_rem((after_ms / 10).max(1)).unwrap_or(0);
    let due = last.checked_at.plus_ms(after_ms.saturating_add(jitter_ms));
    match asked {
        Some(asked) if last.checked_at < asked => {
            let age_min_ms = if fails { FAILED_AGE_MIN_MS } else { AGE_MIN_MS };
            due.min(last.checked_at.plus_ms(age_min_ms))
        }
        _ => due,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port_checks::records::RowKey;

    const OFTEN: Often = Often {
        every_ms: 600_000,
        again_ms: 60_000,
    };

    fn host() -> HostId {
        HostId::new("sh1").unwrap()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    fn last(verdict: &str) -> CheckedRow {
        CheckedRow {
            key: RowKey {
                flow: "f".into(),
                address: "a".into(),
                port: 1,
            },
            verdict: verdict.into(),
            evidence: String::new(),
            next_step: None,
            clue: None,
            took_ms: 1,
            checked_at: at(1_000_000),
            since: at(1_000_000),
        }
    }

    #[test]
    fn what_fails_is_checked_again_sooner_and_what_is_asked_for_at_once_but_not_twice() {
        let due = |verdict: &str, asked| {
            let due = due_at(Some(&last(verdict)), asked, OFTEN, &host());
            due.unix_ms() - 1_000_000
        };
        assert!((600_000..660_000).contains(&due("proven", None)));
        assert!((600_000..660_000).contains(&due("reachable", None)));
        assert!((60_000..66_000).contains(&due("refused", None)));
        assert_eq!(due("proven", Some(at(1_000_001))), AGE_MIN_MS);
        assert_eq!(due("refused", Some(at(1_000_001))), FAILED_AGE_MIN_MS);
        assert!(due("proven", Some(at(1_000_000))) >= 600_000);
        assert_eq!(due_at(None, None, OFTEN, &host()), AT_ONCE);
    }

    #[test]
    fn what_is_asked_for_while_a_host_is_at_it_is_not_lost() {
        let schedule = Schedule::default();
        assert!(schedule.is_free(&host(), at(0)));
        assert!(schedule.begin(&host()));
        assert!(!schedule.begin(&host()));
        assert!(!schedule.is_free(&host(), at(0)));
        schedule.end(&host(), at(0), at(100));
        assert!(!schedule.is_free(&host(), at(99)));
        assert!(schedule.is_free(&host(), at(100)));
        schedule.begin(&host());
        schedule.ask_from(&host(), at(101));
        schedule.end(&host(), at(100), at(900));
        assert!(schedule.is_free(&host(), at(101)));
    }
}
