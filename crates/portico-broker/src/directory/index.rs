//! The directory in memory: what the store has of sessions, places on hosts and log-offs, for
//! decisions that look at every host. It may be behind the store: whoever writes compares.
//!
//! It is fed by this broker's own writes as soon as they are durable, and by a watch of
//! everybody's. The two may come in either order, so what was written here is remembered until
//! the watch has passed it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use portico_brokering::witness::{Known, REPORT_LATE_MS};
use portico_model::{
    HostId, SessionId, Timestamp, UserId,
    seen::HostSession,
    session::{Session, SessionState},
};
use portico_store::{Change, KeyValue, Revision, WatchEvent};
use tokio::time::Instant;

use crate::documents::{self, Document, LogOff, Reservations, Reserved};

/// The directory as far as this broker knows it.
#[derive(Debug, Default)]
pub(crate) struct Index {
    sessions: BTreeMap<SessionId, Entry>,
    by_user: BTreeMap<UserId, BTreeSet<SessionId>>,
    hosts: BTreeMap<HostId, Places>,
    log_offs: BTreeMap<HostId, BTreeMap<SessionId, LogOff>>,
    /// Keys that were written or read here at a revision that the watch has not passed.
    ahead: BTreeMap<String, Revision>,
    /// Everything up to this revision is in here.
    watched_to: Revision,
    loaded: bool,
}

/// A session with its revision and the times at which it was born and came to its state, on the
/// clock that nobody sets.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) session: Arc<Session>,
    pub(crate) revision: Revision,
    born: Instant,
    since: Instant,
    /// When it was learnt what the session is called on its host.
    named: Instant,
    /// Whether a report to this broker had it by that name.
    sighted: bool,
}

/// What is known of the places on a host.
#[derive(Debug, Default)]
struct Places {
    reserved: Arc<Reservations>,
    revision: Revision,
    /// Running sessions, whether they have a place or not.
    running: BTreeSet<SessionId>,
    /// Of the places, those whose session waits for its connection.
    signing_in: usize,
    /// Places that launches of this broker are about to write.
    planned: Vec<Reserved>,
}

/// A host's places, as placement needs them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Places that are taken or about to be.
    pub(crate) sessions: usize,
    /// Of those, the ones that wait for their first connection.
    pub(crate) sign_ins: usize,
    /// Whether the account that was asked for has one of them.
    pub(crate) has_account: bool,
}

impl Entry {
    pub(crate) fn in_state_ms(&self, now: Instant) -> u64 {
        ms_between(self.since, now)
    }

    pub(crate) fn age_ms(&self, now: Instant) -> u64 {
        ms_between(self.born, now)
    }

    /// As the rules of belief look at it.
    pub(crate) fn known(&self, now: Instant) -> Known<'_> {
        Known {
            session: &self.session,
            in_state_ms: self.in_state_ms(now),
            age_ms: self.age_ms(now),
            seen_before: self.sighted || ms_between(self.named, now) >= REPORT_LATE_MS,
        }
    }
}

impl Index {
    /// Everything the store has, as of `revision`. Ages are taken from the wall clock, as there is
    /// no other that outlives a process.
    pub(crate) fn load(
        &mut self,
        items: &[KeyValue],
        revision: Revision,
        now: (Instant, Timestamp),
    ) {
        let mut before = std::mem::take(self);
        self.watched_to = revision;
        self.loaded = true;
        for item in items {
            self.put(item, now);
        }
        for (host, places) in &mut before.hosts {
            if !places.planned.is_empty() {
                let planned = std::mem::take(&mut places.planned);
                self.hosts.entry(host.clone()).or_default().planned = planned;
            }
        }
        // What was written here while the store was read is newer than what was read.
        for (key, at) in std::mem::take(&mut before.ahead) {
            if at > revision {
                self.keep(&key, &before);
                self.ahead.insert(key, at);
            }
        }
        // What was measured here is better than what the wall clock says.
        for (id, entry) in &mut self.sessions {
            if let Some(known) = before.sessions.get(id) {
                entry.born = known.born;
                if known.session.on_host == entry.session.on_host {
                    (entry.named, entry.sighted) = (known.named, known.sighted);
                }
                if known.session.state_since == entry.session.state_since {
                    entry.since = known.since;
                }
            }
        }
    }

    /// Takes what the watch tells.
    pub(crate) fn watched(&mut self, event: &WatchEvent, now: (Instant, Timestamp)) {
        for change in &event.changes {
            // The same revision is this broker's own write, which is in here already.
            let is_known = |at: &Revision| *at >= event.revision;
            if self.ahead.get(change.key()).is_some_and(is_known) {
                continue;
            }
            match change {
                Change::Put(item) => self.put(item, now),
                Change::Deleted { key } => self.delete(key),
            }
        }
        self.watched_to = self.watched_to.max(event.revision);
        let watched_to = self.watched_to;
        self.ahead.retain(|_, at| *at > watched_to);
    }

    /// Whether it was read from the store at all.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// A key that this broker has written or read: it is so as of `revision`.
    pub(crate) fn learnt(
        &mut self,
        key: &str,
        value: Option<&[u8]>,
        revision: Revision,
        now: (Instant, Timestamp),
    ) {
        let known = self.ahead.get(key).copied().unwrap_or_default();
        if revision <= self.watched_to.max(known) {
            return;
        }
        self.ahead.insert(key.to_owned(), revision);
        match value {
            Some(value) => self.put_at(key, value, revision, now),
            None => self.delete(key),
        }
    }

    pub(crate) fn session(&self, id: &SessionId) -> Option<&Entry> {
        self.sessions.get(id)
    }

    /// All sessions, those that ended a short time ago included.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &Entry> {
        self.sessions.values()
    }

    /// The running sessions on a host.
    pub(crate) fn on_host(&self, host: &HostId) -> impl Iterator<Item = &Entry> {
        let ids = self.hosts.get(host).into_iter().flat_map(|h| &h.running);
        ids.filter_map(|id| self.sessions.get(id))
    }

    /// Notes which sessions a report of `boot` has, by their names on the host.
    pub(crate) fn sighted(&mut self, host: &HostId, boot: &str, reported: &[HostSession]) {
        let Some(places) = self.hosts.get(host) else {
            return;
        };
        let keys: BTreeSet<&str> = reported.iter().map(|it| it.key.as_str()).collect();
        for id in &places.running {
            let Some(entry) = self.sessions.get_mut(id).filter(|it| !it.sighted) else {
                continue;
            };
            let name = entry.session.on_host.as_ref();
            entry.sighted =
                name.is_some_and(|name| name.boot == boot && keys.contains(name.key.as_str()));
        }
    }

    /// The running sessions of a user.
    pub(crate) fn of_user(&self, user: &UserId) -> impl Iterator<Item = &Entry> {
        let ids = self.by_user.get(user).into_iter().flatten();
        ids.filter_map(|id| self.sessions.get(id))
    }

    /// The reservation record of a host and its revision.
    pub(crate) fn reservations(&self, host: &HostId) -> (Arc<Reservations>, Revision) {
        match self.hosts.get(host) {
            Some(places) => (Arc::clone(&places.reserved), places.revision),
            None => Default::default(),
        }
    }

    /// The places of a host, from the standpoint of somebody who would be `account` there.
    pub(crate) fn taken(&self, host: &HostId, account: &str) -> Taken {
        let Some(places) = self.hosts.get(host) else {
            return Taken::default();
        };
        let written = self.written(host, account);
        let planned = &places.planned;
        Taken {
            sessions: written.sessions + planned.len(),
            sign_ins: written.sign_ins + planned.len(),
            has_account: written.has_account
                || planned.iter().any(|place| place.account == account),
        }
    }

    /// [`taken`](Self::taken), of what is written alone.
    pub(crate) fn written(&self, host: &HostId, account: &str) -> Taken {
        let Some(places) = self.hosts.get(host) else {
            return Taken::default();
        };
        let reserved = &places.reserved.sessions;
        Taken {
            sessions: reserved.len(),
            sign_ins: places.signing_in,
            has_account: reserved.iter().any(|place| place.account == account),
        }
    }

    /// Counts a place that is about to be written, until [`unplan`](Self::unplan).
    pub(crate) fn plan(&mut self, host: &HostId, place: Reserved) {
        let places = self.hosts.entry(host.clone()).or_default();
        places.planned.push(place);
    }

    pub(crate) fn unplan(&mut self, host: &HostId, session: &SessionId) {
        if let Some(places) = self.hosts.get_mut(host) {
            places.planned.retain(|place| place.id != *session);
        }
        self.forget_empty(host);
    }

    /// The log-offs that hosts have not confirmed.
    pub(crate) fn log_offs(&self) -> impl Iterator<Item = (&HostId, &SessionId, &LogOff)> {
        let hosts = self.log_offs.iter();
        hosts.flat_map(|(host, all)| all.iter().map(move |(id, log_off)| (host, id, log_off)))
    }

    /// Those of one host.
    pub(crate) fn log_offs_of(&self, host: &HostId) -> impl Iterator<Item = (&SessionId, &LogOff)> {
        self.log_offs.get(host).into_iter().flatten()
    }

    /// Has a key as it was `before`.
    fn keep(&mut self, key: &str, before: &Self) {
        self.delete(key);
        match Document::of(key) {
            Some(Document::Session(id)) => {
                if let Some(entry) = before.sessions.get(&id) {
                    let session = Arc::clone(&entry.session);
                    self.note_running(&session, session.state.is_running());
                    self.sessions.insert(id, entry.clone());
                    self.recount(&session.host);
                }
            }
            Some(Document::Reservations(host)) => {
                if let Some(known) = before.hosts.get(&host) {
                    let places = self.hosts.entry(host.clone()).or_default();
                    (places.reserved, places.revision) =
                        (Arc::clone(&known.reserved), known.revision);
                    self.recount(&host);
                }
            }
            Some(Document::LogOff(host, session)) => {
                if let Some(log_off) = before.log_offs.get(&host).and_then(|of| of.get(&session)) {
                    let of_host = self.log_offs.entry(host).or_default();
                    of_host.insert(session, log_off.clone());
                }
            }
            None => {}
        }
    }

    fn put(&mut self, item: &KeyValue, now: (Instant, Timestamp)) {
        self.put_at(&item.key, &item.value, item.mod_revision, now);
    }

    fn put_at(&mut self, key: &str, value: &[u8], revision: Revision, now: (Instant, Timestamp)) {
        let Some(kind) = Document::of(key) else {
            return;
        };
        let outcome = match kind {
            Document::Session(_) => {
                documents::parse(key, value).map(|session| self.put_session(session, revision, now))
            }
            Document::Reservations(host) => {
                documents::parse(key, value).map(|reserved: Reservations| {
                    let places = self.hosts.entry(host.clone()).or_default();
                    (places.reserved, places.revision) = (Arc::new(reserved), revision);
                    // What is written counts as such, and not twice.
                    let written = &places.reserved.sessions;
                    places
                        .planned
                        .retain(|plan| !written.iter().any(|place| place.id == plan.id));
                    self.recount(&host);
                })
            }
            Document::LogOff(host, session) => documents::parse(key, value).map(|log_off| {
                let of_host = self.log_offs.entry(host).or_default();
                of_host.insert(session, log_off);
            }),
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "A record of the directory cannot be read");
        }
    }

    fn put_session(&mut self, session: Session, revision: Revision, now: (Instant, Timestamp)) {
        let (instant, wall) = now;
        let at = |timestamp: Timestamp| {
            let ago = std::time::Duration::from_millis(wall.ms_since(timestamp));
            instant.checked_sub(ago).unwrap_or(instant)
        };
        let before = self.sessions.get(&session.id);
        let since = match before {
            Some(before) if before.session.state_since == session.state_since => before.since,
            Some(_) => instant,
            None => at(session.state_since),
        };
        let born = before.map_or_else(|| at(session.created_at), |before| before.born);
        let (named, sighted) = match before {
            Some(before) if before.session.on_host == session.on_host => {
                (before.named, before.sighted)
            }
            _ => (instant, false),
        };
        self.note_running(&session, session.state.is_running());
        let host = session.host.clone();
        let entry = Entry {
            revision,
            born,
            since,
            named,
            sighted,
            session: Arc::new(session),
        };
        self.sessions.insert(entry.session.id.clone(), entry);
        self.recount(&host);
    }

    fn delete(&mut self, key: &str) {
        match Document::of(key) {
            Some(Document::Session(id)) => {
                if let Some(entry) = self.sessions.remove(&id) {
                    self.note_running(&entry.session, false);
                    self.recount(&entry.session.host);
                }
            }
            Some(Document::Reservations(host)) => {
                if let Some(places) = self.hosts.get_mut(&host) {
                    (places.reserved, places.revision) = Default::default();
                }
                self.recount(&host);
            }
            Some(Document::LogOff(host, session)) => {
                if let Some(of_host) = self.log_offs.get_mut(&host) {
                    of_host.remove(&session);
                    if of_host.is_empty() {
                        self.log_offs.remove(&host);
                    }
                }
            }
            None => {}
        }
    }

    fn note_running(&mut self, session: &Session, is_running: bool) {
        if is_running {
            let of_user = self.by_user.entry(session.user.clone()).or_default();
            of_user.insert(session.id.clone());
            let places = self.hosts.entry(session.host.clone()).or_default();
            places.running.insert(session.id.clone());
            return;
        }
        if let Some(of_user) = self.by_user.get_mut(&session.user) {
            of_user.remove(&session.id);
            if of_user.is_empty() {
                self.by_user.remove(&session.user);
            }
        }
        if let Some(places) = self.hosts.get_mut(&session.host) {
            places.running.remove(&session.id);
        }
    }

    /// Counts again who signs in on a host. A place whose session is not known yet is one that
    /// another broker has just given.
    fn recount(&mut self, host: &HostId) {
        if let Some(places) = self.hosts.get_mut(host) {
            let reserved = places.reserved.sessions.iter();
            places.signing_in = reserved
                .filter(|reserved| {
                    self.sessions.get(&reserved.id).is_none_or(|entry| {
                        matches!(entry.session.state, SessionState::Pending { .. })
                    })
                })
                .count();
        }
        self.forget_empty(host);
    }

    fn forget_empty(&mut self, host: &HostId) {
        let is_empty = |places: &Places| {
            places.reserved.sessions.is_empty()
                && places.running.is_empty()
                && places.planned.is_empty()
                && places.revision == 0
        };
        if self.hosts.get(host).is_some_and(is_empty) {
            self.hosts.remove(host);
        }
    }
}

fn ms_between(from: Instant, to: Instant) -> u64 {
    let passed = to.saturating_duration_since(from).as_millis();
    u64::try_from(passed).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
