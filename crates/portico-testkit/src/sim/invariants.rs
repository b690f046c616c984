//! What must hold, and where it is looked at: at every commit of the store, at every session that
//! begins on a host, at every answer, and once everything is quiet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use portico_broker::LaunchError;
use portico_model::{
    HostId, ResourceId, SessionId, UserId,
    estate::SessionsPerUser,
    launch::Refusal,
    session::{EndReason, Session, SessionState},
};
use portico_store::{Change, WatchEvent};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    people::brief,
    world::{Phase, State, World, user_id},
};

/// Somebody who keeps trying, while a host has room at each try, is in by then.
const TURNED_AWAY_MAX: Duration = Duration::from_secs(30);
/// What is so for this time, a broker has seen.
const SEEN_WITHIN: Duration = Duration::from_secs(25);
/// Time from a log-on on a host until the broker knows that its connection is open.
const COMING_BACK: Duration = Duration::from_secs(5);
/// A host at which a launch failed may be avoided for so long.
const PENALTY_MAX: Duration = Duration::from_secs(600);

/// A promise of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// No accidental second session: one of each user and resource, or by the rule of the pool.
    OneSession,
    /// No host has more sessions than its limit, pending ones included.
    Limit,
    /// Every acknowledged session is known, or its end is explained, truly.
    Known,
    /// Pending log-ons are counted, and what is counted runs.
    Counted,
    /// Who keeps trying while a host has room gets in.
    NoStarvation,
    /// After quiet the directory equals the truth on the hosts.
    Quiet,
    /// Every call is answered, without a panic.
    Answers,
}

impl Invariant {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::OneSession,
        Self::Limit,
        Self::Known,
        Self::Counted,
        Self::NoStarvation,
        Self::Quiet,
        Self::Answers,
    ];
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What was seen.
    pub what: String,
    /// When, from the start.
    pub at_ms: u64,
}

impl Violation {
    /// What was seen without the names in it: two of a kind have one cause, most likely.
    pub(crate) fn kind(&self) -> (Invariant, String) {
        let is_name = |word: &&str| word.contains(|c: char| c.is_ascii_digit());
        let words = self.what.split(' ').filter(|word| !is_name(word));
        (self.invariant, words.collect::<Vec<_>>().join(" "))
    }
}

/// The session directory as the store has it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) reservations: BTreeMap<HostId, Vec<Reserved>>,
    running: BTreeMap<(UserId, ResourceId), BTreeSet<SessionId>>,
    /// When a session came to be and when it ended, by the true time.
    began: BTreeMap<SessionId, Instant>,
    ended: BTreeMap<SessionId, Instant>,
}

/// A place that is taken.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reserved {
    pub(crate) id: SessionId,
    pub(crate) account: String,
}

#[derive(Deserialize)]
struct Record {
    sessions: Vec<Reserved>,
}

#[derive(Deserialize)]
struct Document<T> {
    body: T,
}

/// How a session changed.
struct Changed {
    id: SessionId,
    before: Option<Session>,
    after: Option<Session>,
}

impl Directory {
    /// The running sessions of a user and resource.
    pub(crate) fn running_of(&self, user: &UserId, resource: &ResourceId) -> Vec<SessionId> {
        let found = self.running.get(&(user.clone(), resource.clone()));
        found.into_iter().flatten().cloned().collect()
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Session> {
        let ids = self.running.values().flatten();
        ids.filter_map(|id| self.sessions.get(id))
    }

    fn taken(&self, host: &HostId) -> &[Reserved] {
        self.reservations.get(host).map_or(&[], Vec::as_slice)
    }

    fn pending_on(&self, host: &HostId) -> usize {
        let on = self.taken(host).iter();
        on.filter_map(|it| self.sessions.get(&it.id))
            .filter(|session| matches!(session.state, SessionState::Pending { .. }))
            .count()
    }

    fn put(&mut self, session: Session) -> Option<Session> {
        let key = (session.user.clone(), session.resource.clone());
        let running = self.running.entry(key).or_default();
        if session.state.is_running() {
            running.insert(session.id.clone());
        } else {
            running.remove(&session.id);
            self.ended
                .entry(session.id.clone())
                .or_insert_with(Instant::now);
        }
        self.began
            .entry(session.id.clone())
            .or_insert_with(Instant::now);
        self.sessions.insert(session.id.clone(), session)
    }

    fn remove(&mut self, id: &SessionId) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        let key = (session.user.clone(), session.resource.clone());
        if let Some(running) = self.running.get_mut(&key) {
            running.remove(id);
        }
        Some(session)
    }
}

fn last(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}

fn body<T: DeserializeOwned>(value: &[u8]) -> T {
    let document: Document<T> = serde_json::from_slice(value).expect("a document of the broker");
    document.body
}

/// A broker's transaction is done: looks at all it changed.
pub(crate) fn committed(world: &World, broker: usize, event: &Arc<WatchEvent>) {
    let mut state = world.lock();
    let (mut sessions, mut hosts) = (Vec::new(), BTreeSet::new());
    for change in &event.changes {
        let key = change.key();
        let id = last(key);
        if key.contains("/session/") {
            let id = SessionId::new(id).expect("an id");
            let (before, after) = match change {
                Change::Put(kv) => {
                    let session: Session = body(&kv.value);
                    (state.directory.put(session.clone()), Some(session))
                }
                Change::Deleted { .. } => (state.directory.remove(&id), None),
            };
            let changed = Changed { id, before, after };
            note_change(world, &mut state, broker, &changed);
            sessions.push(changed);
        } else if key.contains("/host-load/") {
            let host = HostId::new(id).expect("an id");
            let taken = match change {
                Change::Put(kv) => body::<Record>(&kv.value).sessions,
                Change::Deleted { .. } => Vec::new(),
            };
            state.directory.reservations.insert(host.clone(), taken);
            hosts.insert(host);
        }
    }
    let mut found = Vec::new();
    for changed in &sessions {
        found.extend(check_session(world, &state, broker, changed));
    }
    for host in &hosts {
        found.extend(check_reservations(&state, host));
    }
    for (invariant, what) in found {
        state.violated(world.start, invariant, what);
        world.stop.notify_one();
    }
}

fn note_change(world: &World, state: &mut State, broker: usize, changed: &Changed) {
    let id = short(&changed.id);
    let Some(after) = &changed.after else {
        return state.note(world.start, format_args!("b{broker} purges s{id}"));
    };
    if changed.before.as_ref().map(|it| &it.state) == Some(&after.state) {
        return;
    }
    state.note(
        world.start,
        format_args!(
            "b{broker} s{id} {}/{} at {}: {}",
            after.user,
            after.resource,
            after.host,
            state_text(&after.state)
        ),
    );
}

fn state_text(state: &SessionState) -> String {
    match state {
        SessionState::Pending { .. } => "pending".into(),
        SessionState::Active { .. } => "active".into(),
        SessionState::Disconnected { reason } => format!("disconnected, {}", reason.as_str()),
        SessionState::Ended { reason } => format!("ended, {}", reason.as_str()),
    }
}

type Found = Option<(Invariant, String)>;

fn check_session(
    world: &World,
    state: &State,
    broker: usize,
    changed: &Changed,
) -> Vec<(Invariant, String)> {
    let id = short(&changed.id);
    let was_running = changed
        .before
        .as_ref()
        .is_some_and(|it| it.state.is_running());
    let Some(after) = &changed.after else {
        let what = format!("s{id} runs and was deleted");
        return Vec::from_iter(was_running.then_some((Invariant::Known, what)));
    };
    let mut found = Vec::new();
    if after.state.is_running() {
        if changed.before.is_some() && !was_running {
            found.push((Invariant::Known, format!("s{id} was over and runs again")));
        }
        found.extend(check_one(world, state, after));
        let times = state.directory.taken(&after.host);
        let times = times.iter().filter(|it| it.id == after.id).count();
        if times != 1 {
            let what = format!("s{id} runs on {} and is counted {times} times", after.host);
            found.push((Invariant::Counted, what));
        }
        if changed.before.is_none() {
            found.extend(check_new(world, state, broker, after));
        }
    } else {
        let times = state.directory.taken(&after.host);
        if times.iter().any(|it| it.id == after.id) {
            let what = format!("s{id} is over and still counted on {}", after.host);
            found.push((Invariant::Counted, what));
        }
        if let Some(before) = changed.before.as_ref().filter(|_| was_running)
            && let SessionState::Ended { reason } = after.state
            && let Err(why) = explain(world, state, before, reason)
        {
            let what = format!("s{id} ended as {}: {why}", reason.as_str());
            found.push((Invariant::Known, what));
        }
    }
    found
}

/// One session, by the rule of the pool.
fn check_one(world: &World, state: &State, session: &Session) -> Found {
    let running = match world.scenario.sessions_per_user {
        SessionsPerUser::Resource => state
            .directory
            .running_of(&session.user, &session.resource)
            .len(),
        SessionsPerUser::Pool => state
            .directory
            .running
            .iter()
            .filter(|((user, _), _)| *user == session.user)
            .map(|(_, ids)| ids.len())
            .sum(),
        SessionsPerUser::Many => return None,
    };
    let what = || {
        format!(
            "{} has {running} sessions of {}",
            session.user, session.resource
        )
    };
    (running > 1).then(|| (Invariant::OneSession, what()))
}

/// A session that was just placed.
fn check_new(
    world: &World,
    state: &State,
    broker: usize,
    session: &Session,
) -> Vec<(Invariant, String)> {
    let mut found = Vec::new();
    let Some(host) = state.host(&session.host) else {
        let what = format!("{} is no host", session.host);
        return vec![(Invariant::Limit, what)];
    };
    let taken = state.directory.taken(&session.host);
    let max = usize::try_from(host.plan.sessions_max).unwrap_or(usize::MAX);
    let others = unmanaged_for_sure(state, broker, host.plan.host);
    // A launch that is led into a session that is there, as far as the broker was told, adds
    // nothing to the host and signs nobody in.
    let is_mine = |account: &String| *account == session.account;
    let told = state.facts.reports.get(&(broker, host.plan.host));
    let is_led = told.is_some_and(|(_, accounts)| accounts.iter().any(is_mine))
        || host.sessions.values().any(|it| is_mine(&it.account));
    if is_led {
        return found;
    }
    if taken.len() + others > max {
        let what = format!(
            "{} has {} of {max} sessions and {others} that are not managed",
            session.host,
            taken.len()
        );
        found.push((Invariant::Limit, what));
    }
    let twice = taken.iter().filter(|it| it.account == session.account);
    if twice.count() > 1 {
        let what = format!("{} has two sessions on {}", session.account, session.host);
        found.push((Invariant::OneSession, what));
    }
    let (pending, guard) = (
        state.directory.pending_on(&session.host),
        usize::try_from(world.scenario.sign_ins_max).unwrap_or(0),
    );
    if guard > 0 && pending > guard {
        let what = format!("{} has {pending} sign-ins, guard {guard}", session.host);
        found.push((Invariant::Limit, what));
    }
    found
}

/// Sessions of accounts without a place that a broker has been told of for a while, and that are
/// there.
fn unmanaged_for_sure(state: &State, broker: usize, host: u64) -> usize {
    let Some(truth) = state.hosts.get(&host).filter(|host| host.plan.agent) else {
        return 0;
    };
    let Some((_, told)) = state.facts.reports.get(&(broker, host)) else {
        return 0;
    };
    let is_old = |since: Instant| since.elapsed() >= SEEN_WITHIN;
    let taken = state.directory.taken(&truth.id);
    let sessions = truth.sessions.values();
    sessions
        .filter(|it| is_old(it.since) && it.of.is_empty() && told.contains(&it.account))
        .filter(|it| taken.iter().all(|taken| taken.account != it.account))
        .count()
}

fn check_reservations(state: &State, host: &HostId) -> Found {
    for taken in state.directory.taken(host) {
        let session = state.directory.sessions.get(&taken.id);
        let counts = session.is_some_and(|it| it.host == *host && it.state.is_running());
        if !counts {
            let id = short(&taken.id);
            let what = format!("s{id} is counted on {host} and does not run there");
            return Some((Invariant::Counted, what));
        }
    }
    None
}

/// Whether the reason of an end is true.
fn explain(
    world: &World,
    state: &State,
    session: &Session,
    reason: EndReason,
) -> Result<(), String> {
    let facts = &state.facts;
    let truth = state.truth_of(session);
    let host = state.host(&session.host);
    let has_agent = host.is_some_and(|host| host.plan.agent);
    // Somebody is coming back, over a connection that the broker does not know to be open yet,
    // while it is concluded that nothing is left: they find a new desktop.
    let is_open = matches!(session.state, SessionState::Active { .. });
    let told = match &session.state {
        SessionState::Active { connection, .. } => Some(connection),
        _ => None,
    };
    let is_coming_back = |host: u64, display: u64| {
        let host = state.hosts.get(&host);
        let truth = host.and_then(|host| host.sessions.get(&display));
        truth.is_some_and(|truth| {
            truth.since.elapsed() < COMING_BACK
                && (told.is_none() || truth.connection.as_ref() != told)
        })
    };
    let lives = || match truth {
        Some((host, display)) if !is_coming_back(host, display) => {
            Err(format!("it lives on as :{display} at h{host}"))
        }
        _ => Ok(()),
    };
    let said = |is: bool, what: &str| if is { Ok(()) } else { Err(what.to_owned()) };
    match reason {
        EndReason::UserEnded => said(
            facts.ended_by_user.contains(&session.id),
            "the user never asked",
        ),
        EndReason::OperatorEnded => said(
            facts.ended_by_operator.contains(&session.id),
            "no operator asked",
        ),
        EndReason::HostFailed => said(facts.failed.contains(&session.id), "no connection failed"),
        EndReason::HostClosed if has_agent => lives(),
        EndReason::HostClosed => said(
            facts.closed_by_host.contains(&session.id),
            "the host closed no connection of it",
        ),
        EndReason::LoggedOff => {
            lives()?;
            let mut connections = state.connections.values();
            let logging_on =
                connections.any(|it| it.session == session.id && it.phase == Phase::LoggingOn);
            // Who comes back may find that there was nothing left, or that it has just ended.
            said(
                !logging_on || !is_open || facts.landed.contains(&session.id),
                "its user is logging on",
            )
        }
        EndReason::HostRestarted => {
            lives()?;
            said(
                host.is_some_and(|host| host.boot > 1),
                "the host was never restarted",
            )
        }
        EndReason::TicketLapsed => match truth {
            Some((host, display)) if is_told(state, host, display) => Err(format!(
                "every broker was told that it lives on as :{display} at h{host}"
            )),
            _ => Ok(()),
        },
        EndReason::DisconnectedTimeout => said(
            world.scenario.disconnected_timeout_s > 0
                && matches!(session.state, SessionState::Disconnected { .. }),
            "no limit was reached",
        ),
        EndReason::SessionTimeout => {
            let limit = u64::from(world.scenario.session_timeout_s);
            let began = state.directory.began.get(&session.id);
            let age = began.map_or(0, |began| began.elapsed().as_secs());
            // Clocks of two brokers may be apart.
            said(limit > 0 && age + 25 >= limit, "no limit was reached")
        }
        EndReason::HostLost => said(
            host.is_none() || facts.lost.contains(&session.id),
            "the host is there",
        ),
        other => Err(format!("{} ends no desktop", other.as_str())),
    }
}

/// Whether every broker took a report with this session a moment ago.
fn is_told(state: &State, host: u64, display: u64) -> bool {
    let Some(session) = state
        .hosts
        .get(&host)
        .filter(|host| host.plan.agent)
        .and_then(|host| host.sessions.get(&display))
    else {
        return false;
    };
    (0..state.brokers.len()).all(|broker| {
        let told = state.facts.reports.get(&(broker, host));
        told.is_some_and(|(at, accounts)| {
            at.elapsed() < Duration::from_secs(8) && accounts.contains(&session.account)
        })
    })
}

/// A session began on a host for a connection of `of`.
pub(crate) fn began(state: &mut State, world: &World, host: u64, display: u64, of: &SessionId) {
    if world.scenario.sessions_per_user != SessionsPerUser::Resource {
        return;
    }
    let Some(mine) = state.directory.sessions.get(of).cloned() else {
        return;
    };
    // The connection of a session that is over is closed at once; what it left behind is its own.
    if !mine.state.is_running() {
        return;
    }
    let mut found = None;
    for (number, other) in &state.hosts {
        for (at, session) in &other.sessions {
            if (*number, *at) == (host, display) || session.account != mine.account {
                continue;
            }
            let same = session
                .of
                .iter()
                .filter_map(|id| state.directory.sessions.get(id))
                .filter(|it| it.resource == mine.resource);
            let same: Vec<_> = same.collect();
            if same.is_empty() {
                continue;
            }
            let is_excused = same.iter().any(|it| match it.state {
                SessionState::Ended { reason } => ended_on_purpose(reason) || !other.plan.agent,
                _ => false,
            });
            if !is_excused {
                found = Some(format!(
                    "{} has {} as :{at} at h{number} and now as :{display} at h{host}",
                    mine.user, mine.resource
                ));
            }
        }
    }
    if let Some(what) = found {
        state.violated(world.start, Invariant::OneSession, what);
        world.stop.notify_one();
    }
}

/// Reasons after which a session may live on for a while on its host.
fn ended_on_purpose(reason: EndReason) -> bool {
    matches!(
        reason,
        EndReason::UserEnded
            | EndReason::OperatorEnded
            | EndReason::DisconnectedTimeout
            | EndReason::SessionTimeout
            | EndReason::HostFailed
            | EndReason::TicketLapsed
            | EndReason::Maintenance
    )
}

/// Whether a new session of the user surely has a place, as far as this broker can know.
pub(crate) fn has_room(world: &World, user: u64, resource: u64, broker: usize) -> bool {
    let state = world.lock();
    let is_long = |since: Instant| since.elapsed() >= SEEN_WITHIN;
    if !state.brokers[broker].well_since.is_some_and(is_long) {
        return false;
    }
    let (user, resource) = (user_id(user), super::people::resource_id(resource));
    let runs = match world.scenario.sessions_per_user {
        SessionsPerUser::Resource => !state.directory.running_of(&user, &resource).is_empty(),
        SessionsPerUser::Pool | SessionsPerUser::Many => state
            .directory
            .running()
            .any(|session| session.user == user),
    };
    // A session that runs is resumed or refused where it is.
    if runs {
        return false;
    }
    state.hosts.values().any(|host| {
        let number = host.plan.host;
        let taken = state.directory.taken(&host.id);
        let guard = usize::try_from(world.scenario.sign_ins_max).unwrap_or(0);
        let max = usize::try_from(host.plan.sessions_max).unwrap_or(0);
        let is_mine = |account: &str| account == user.as_str();
        let is_told = !host.plan.agent
            || state
                .facts
                .reports
                .get(&(broker, number))
                .is_some_and(|(at, _)| at.elapsed() < Duration::from_secs(6));
        host.is_reachable()
            && host.agent_down == 0
            && is_long(host.reachable_since)
            && is_told
            && !state.drained.contains_key(&number)
            && state
                .mode_changed
                .get(&number)
                .is_none_or(|at| is_long(*at))
            && state
                .facts
                .failed_at
                .get(&number)
                .is_none_or(|at| at.elapsed() > PENALTY_MAX)
            && taken.len() + host.sessions.len() < max
            && (guard == 0 || state.directory.pending_on(&host.id) < guard)
            && !taken.iter().any(|it| is_mine(&it.account))
            && !host.sessions.values().any(|it| is_mine(&it.account))
    })
}

/// A launch was refused; `since`: while there was room all the time since then.
pub(crate) fn turned_away(
    world: &World,
    (user, resource): (u64, u64),
    since: Option<Instant>,
    error: &LaunchError,
) {
    let is_away = matches!(error, LaunchError::Refused(Refusal::StoreAway { .. }));
    if let Some(since) = since
        && since.elapsed() > TURNED_AWAY_MAX
        && !is_away
    {
        let what = format!(
            "u{user} was turned away from r{resource} for {:?} while there was room: {}",
            since.elapsed(),
            brief(error)
        );
        world.violated(Invariant::NoStarvation, what);
    }
}

/// Everything is quiet: the directory must equal the truth.
pub(crate) fn check_quiet(world: &World) {
    let mut state = world.lock();
    let mut found = Vec::new();
    for session in state.directory.running() {
        found.extend(check_running(&state, session));
    }
    for host in state.hosts.values().filter(|host| host.plan.agent) {
        for (display, truth) in &host.sessions {
            let runs = state
                .directory
                .taken(&host.id)
                .iter()
                .any(|it| it.account == truth.account);
            // The last session of the directory that was led here says how it should be.
            let began = |id: &&SessionId| state.directory.began.get(*id).copied();
            let last = truth.of.iter().max_by_key(began);
            let last = last.and_then(|id| state.directory.sessions.get(id));
            // Whose log-on was under way when the session ended leaves a desktop that is not
            // managed: its user is led back to it.
            let was_there = |it: &&Session| {
                let ended = state.directory.ended.get(&it.id);
                ended.is_some_and(|ended| *ended > truth.since + COMING_BACK)
            };
            let last = last.filter(was_there);
            let should_be_gone = last.is_some_and(|it| match it.state {
                SessionState::Ended { reason } => should_be_logged_off(reason),
                _ => false,
            });
            if !runs && should_be_gone {
                found.push(format!(
                    "{} was ended and lives on as :{display} at {}",
                    truth.account, host.id
                ));
            }
        }
    }
    for what in found {
        state.violated(world.start, Invariant::Quiet, what);
    }
}

fn should_be_logged_off(reason: EndReason) -> bool {
    matches!(
        reason,
        EndReason::UserEnded
            | EndReason::OperatorEnded
            | EndReason::DisconnectedTimeout
            | EndReason::SessionTimeout
            | EndReason::Maintenance
    )
}

fn check_running(state: &State, session: &Session) -> Option<String> {
    let id = short(&session.id);
    let host = state.host(&session.host)?;
    let truth = host
        .sessions
        .values()
        .find(|it| it.account == session.account);
    match (&session.state, truth) {
        (SessionState::Pending { .. }, _) => Some(format!("s{id} is pending for ever")),
        (_, None) if host.plan.agent => Some(format!(
            "s{id} of {} is {} and not on {}",
            session.user,
            state_text(&session.state),
            host.id
        )),
        (SessionState::Active { connection, .. }, _)
            if !state.connections.contains_key(connection) =>
        {
            Some(format!("s{id} is active without a connection"))
        }
        (SessionState::Disconnected { .. }, Some(truth)) => {
            let connection = truth.connection.as_ref()?;
            let of = &state.connections.get(connection)?.session;
            (*of == session.id)
                .then(|| format!("s{id} is disconnected, and its viewer is connected"))
        }
        _ => None,
    }
}

fn short(id: &SessionId) -> &str {
    id.as_str().get(..6).unwrap_or_default()
}
