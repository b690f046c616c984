//! What the report of a host's agent means for the sessions that the directory has there.
//!
//! [`judge`] is a function of the directory, the report and the boot. Its rules, which
//! `docs/decisions/0007-who-is-believed.md` explains:
//!
//! - A session of the directory and one of the report are the same when the agent called it so
//!   before ([`Session::on_host`]); else when account and kind are the same and, on hosts where an
//!   account can have several, the one on the host is not older than the launch.
//! - A desktop that was seen and is missing is over. One that was never seen is over when it has
//!   been disconnected for [`UNSEEN_DISCONNECTED_MS`], or for [`UNSEEN_CLOSED_MS`] since its host
//!   closed it; while its connection is open the relay's word counts for [`UNSEEN_ACTIVE_MS`].
//! - What is missing in a report, or is of another boot, was seen *before* that report was made:
//!   a report that was late on its way to one broker says nothing about what another broker was
//!   told meanwhile.
//! - Another boot ends the desktops that were seen in the former one, unless their users came back
//!   before the agent did.
//! - Shells hang on the engine's connection, and the engine says when they end: the agent's word
//!   only tells what they are called there.
//! - A reservation is never ended here. What the account has on the host is noted with it, so that
//!   it does not lapse under a desktop that exists.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use portico_model::{
    SessionId,
    estate::Protocol,
    seen::{HostSession, HostSessionKind},
    session::{EndReason, OnHost, Session, SessionState},
};

use crate::life_cycle::Event;

/// A disconnected desktop that was never seen on its host is over after so long.
pub const UNSEEN_DISCONNECTED_MS: u64 = 10_000;
/// One that its host closed in order, after so long: a report that comes at once may have been on
/// its way since before the desktop was there.
pub const UNSEEN_CLOSED_MS: u64 = 3_000;
/// A desktop with an open connection that was never seen on its host is over after so long: time
/// enough to type a password at the host's own log-on.
pub const UNSEEN_ACTIVE_MS: u64 = 120_000;
/// No report is on its way for so long: a link that is silent for that time is ended. Reports over
/// one link are ordered, those over the links to different brokers are not.
pub const REPORT_LATE_MS: u64 = portico_model::seen::STALE_AFTER_MS;
/// The clocks of host and broker measure ages this differently at most.
const AGE_SLACK_MS: u64 = 10_000;

/// A session of the directory.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The session.
    pub session: &'a Session,
    /// How long it has been in its state, measured.
    pub in_state_ms: u64,
    /// How long ago it was launched, measured.
    pub age_ms: u64,
    /// Whether the report was surely made after the session was seen on its host: an earlier
    /// report to the same broker had it, or that is longer ago than [`REPORT_LATE_MS`].
    pub seen_before: bool,
}

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Testimony<'a> {
    /// The running sessions that the directory has on the host.
    pub known: Vec<Known<'a>>,
    /// The sessions that the agent sees. Checked: no key comes twice.
    pub reported: &'a [HostSession],
    /// The boot that the agent told.
    pub boot: &'a str,
    /// Whether the host gives each account one session only.
    pub one_per_account: bool,
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// Events that change something, each for the session as it was looked at.
    pub events: Vec<(&'a SessionId, Event)>,
    /// Sessions on the host that the directory does not have.
    pub unmanaged: Vec<&'a HostSession>,
}

/// Judges what an agent tells.
pub fn judge<'a>(testimony: &Testimony<'a>) -> Judgement<'a> {
    let mut free: BTreeMap<&str, &'a HostSession> = testimony
        .reported
        .iter()
        .map(|reported| (reported.key.as_str(), reported))
        .collect();
    let of_name = by_name(&free);
    let mut matched: Vec<Option<&'a HostSession>> = testimony
        .known
        .iter()
        .map(|known| by_key(known.session, testimony.boot, &mut free))
        .collect();
    // The oldest first, so that each finds the session on the host that is as old; reservations
    // last, as what is open or was has the better claim.
    let mut order: Vec<usize> = (0..testimony.known.len()).collect();
    order.sort_by_key(|at| {
        testimony.known.get(*at).map(|known| {
            let pending = matches!(known.session.state, SessionState::Pending { .. });
            (pending, Reverse(known.age_ms), &known.session.id)
        })
    });
    for at in order {
        let (Some(known), Some(found)) = (testimony.known.get(at), matched.get_mut(at)) else {
            continue;
        };
        if found.is_none() {
            *found = by_account(known, testimony, &of_name, &mut free);
        }
    }
    let events = testimony.known.iter().zip(&matched);
    let events = events.filter_map(|(known, found)| {
        let event = conclude(known, *found, testimony.boot)?;
        Some((&known.session.id, event))
    });
    Judgement {
        events: events.collect(),
        unmanaged: testimony
            .reported
            .iter()
            .filter(|reported| free.contains_key(reported.key.as_str()))
            .collect(),
    }
}

/// Whether two names are those of one account. A name without domain is taken to be of the same
/// domain; names with one are compared as Windows does, without regard to case.
pub fn same_account(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let ((domain_a, name_a), (domain_b, name_b)) = (parts(a), parts(b));
    let one_domain = match (domain_a, domain_b) {
        (None, None) => return false,
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (Some(_), None) | (None, Some(_)) => true,
    };
    one_domain && name_a.eq_ignore_ascii_case(name_b)
}

fn parts(account: &str) -> (Option<&str>, &str) {
    if let Some((domain, name)) = account.split_once('\\') {
        return (Some(domain), name);
    }
    match account.rsplit_once('@') {
        Some((name, domain)) => (Some(domain), name),
        None => (None, account),
    }
}

/// The kind that sessions of a protocol have on their host.
pub fn kind_of(protocol: Protocol) -> HostSessionKind {
    match protocol {
        Protocol::Rdp => HostSessionKind::Rdp,
        Protocol::Ssh => HostSessionKind::Ssh,
    }
}

fn is_like(session: &Session, reported: &HostSession) -> bool {
    reported.kind == kind_of(session.protocol) && same_account(&session.account, &reported.account)
}

fn by_key<'a>(
    session: &Session,
    boot: &str,
    free: &mut BTreeMap<&str, &'a HostSession>,
) -> Option<&'a HostSession> {
    let on_host = session.on_host.as_ref().filter(|seen| seen.boot == boot)?;
    let found = free.get(on_host.key.as_str()).copied()?;
    if !is_like(session, found) {
        return None;
    }
    free.remove(on_host.key.as_str())
}

/// Reported sessions by kind and name of the account without its domain, each list by key: a large
/// report is not gone through anew for each session of the directory.
type OfName<'a> = HashMap<(HostSessionKind, String), Vec<&'a HostSession>>;

fn by_name<'a>(free: &BTreeMap<&str, &'a HostSession>) -> OfName<'a> {
    let mut of_name = OfName::new();
    for session in free.values() {
        let place = of_name.entry(name_of(session.kind, &session.account));
        place.or_default().push(session);
    }
    of_name
}

/// The same for all accounts that [`same_account`] takes to be one.
fn name_of(kind: HostSessionKind, account: &str) -> (HostSessionKind, String) {
    let (_, name) = parts(account);
    (kind, name.to_ascii_lowercase())
}

fn by_account<'a>(
    known: &Known<'_>,
    testimony: &Testimony<'_>,
    of_name: &OfName<'a>,
    free: &mut BTreeMap<&str, &'a HostSession>,
) -> Option<&'a HostSession> {
    let session = known.session;
    let is_pending = matches!(session.state, SessionState::Pending { .. });
    let name = name_of(kind_of(session.protocol), &session.account);
    let mut like = of_name
        .get(&name)
        .into_iter()
        .flatten()
        .copied()
        .filter(|reported| free.contains_key(reported.key.as_str()) && is_like(session, reported));
    let found = if testimony.one_per_account {
        like.next()
    } else if is_pending {
        // Which of several it would become nobody can tell.
        None
    } else {
        let age_max_ms = known.age_ms.saturating_add(AGE_SLACK_MS);
        like.filter(|reported| reported.age_s.saturating_mul(1_000) <= age_max_ms)
            .max_by_key(|reported| reported.age_s)
    }?;
    if is_of_former_boot(known, testimony.boot) && !has_come_back(known, found) {
        return None;
    }
    free.remove(found.key.as_str())
}

fn is_of_former_boot(known: &Known<'_>, boot: &str) -> bool {
    let seen = known.session.on_host.as_ref();
    seen.is_some_and(|seen| seen.boot != boot)
}

/// What was seen in a former boot is gone, whatever the account has now; but its user may have
/// come back to the restarted host before the agent did: then `found` was there when the
/// connection was.
fn has_come_back(known: &Known<'_>, found: &HostSession) -> bool {
    match known.session.state {
        SessionState::Pending { .. } | SessionState::Active { .. } => true,
        SessionState::Disconnected { .. } => {
            found.age_s.saturating_add(1).saturating_mul(1_000) > known.in_state_ms
        }
        SessionState::Ended { .. } => false,
    }
}

/// What follows for one session; `None`: nothing new.
fn conclude(known: &Known<'_>, found: Option<&HostSession>, boot: &str) -> Option<Event> {
    let session = known.session;
    if let Some(found) = found {
        let on_host = OnHost {
            key: found.key.clone(),
            boot: boot.to_owned(),
        };
        let is_new = session.on_host.as_ref() != Some(&on_host);
        return is_new.then_some(Event::SeenOnHost { on_host });
    }
    match (&session.state, &session.on_host) {
        (SessionState::Ended { .. }, _) => None,
        (_, Some(_)) if !known.seen_before => None,
        (SessionState::Pending { .. }, seen) => seen.as_ref().map(|_| Event::MissingOnHost),
        _ if session.protocol == Protocol::Ssh => None,
        (_, Some(seen)) if seen.boot != boot => Some(Event::HostRestarted),
        (_, Some(_)) => Some(Event::MissingOnHost),
        (SessionState::Active { .. }, None) => {
            (known.in_state_ms >= UNSEEN_ACTIVE_MS).then_some(Event::MissingOnHost)
        }
        (SessionState::Disconnected { reason }, None) => {
            let wait_ms = match reason {
                EndReason::HostClosed => UNSEEN_CLOSED_MS,
                _ => UNSEEN_DISCONNECTED_MS,
            };
            (known.in_state_ms >= wait_ms).then_some(Event::MissingOnHost)
        }
    }
}

#[cfg(test)]
mod tests;
