//! Keys of the store that the broker writes, and the documents under them.

use portico_model::{
    BrokerId, HostId, PoolId, ResourceId, SessionId, Timestamp, UserId,
    seen::SessionOnHost,
    session::{EndReason, Session},
};
use portico_store::{KeyValue, StoreError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Where all documents of this tenant stand.
pub(crate) const ROOT: &str = "/portico/v1/default";
const VERSION: u32 = 1;

/// The wanted estate, whole.
pub(crate) fn estate_key() -> String {
    format!("{ROOT}/estate/wanted")
}

/// Everything the broker writes.
pub(crate) fn root_prefix() -> String {
    format!("{ROOT}/")
}

/// All sessions.
pub(crate) fn sessions_prefix() -> String {
    format!("{ROOT}/session/")
}

/// One session.
pub(crate) fn session_key(id: &SessionId) -> String {
    format!("{ROOT}/session/{id}")
}

/// The placement key of a session: no two running sessions have the same.
pub(crate) fn placement_key(user: &UserId, place: Place<'_>) -> String {
    // An id begins with a letter or digit, so that no resource is called like a pool or session.
    match place {
        Place::Resource(resource) => format!("{ROOT}/user-session/{user}/{resource}"),
        Place::Pool(pool) => format!("{ROOT}/user-session/{user}/@pool/{pool}"),
        Place::Own(session) => format!("{ROOT}/user-session/{user}/@own/{session}"),
    }
}

/// What of a user there is one session at most.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Of each resource.
    Resource(&'a ResourceId),
    /// In each pool.
    Pool(&'a PoolId),
    /// Any number: the session has a place of its own.
    Own(&'a SessionId),
}

/// Every placement key that a session may have: the rule of its pool may have changed since.
pub(crate) fn placement_keys(session: &Session) -> [String; 3] {
    [
        Place::Resource(&session.resource),
        Place::Pool(&session.pool),
        Place::Own(&session.id),
    ]
    .map(|place| placement_key(&session.user, place))
}

/// Host of the user's last session in a pool.
pub(crate) fn last_host_key(user: &UserId, pool: &PoolId) -> String {
    format!("{ROOT}/last-host/{user}/{pool}")
}

/// All log-offs that hosts have not confirmed.
pub(crate) fn log_offs_prefix() -> String {
    format!("{ROOT}/log-off/")
}

/// The log-off of a session that its host has not confirmed.
pub(crate) fn log_off_key(host: &HostId, session: &SessionId) -> String {
    format!("{ROOT}/log-off/{host}/{session}")
}

/// Brokers that run.
pub(crate) fn brokers_prefix() -> String {
    format!("{ROOT}/broker/")
}

/// A broker that runs; bound to its lease.
pub(crate) fn broker_key(id: &BrokerId) -> String {
    format!("{ROOT}/broker/{id}")
}

/// What a key of the directory is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Document {
    Session(SessionId),
    Reservations(HostId),
    LogOff(HostId, SessionId),
}

impl Document {
    /// `None` for keys that the directory is not kept in.
    pub(crate) fn of(key: &str) -> Option<Self> {
        let rest = key.strip_prefix(ROOT)?.strip_prefix('/')?;
        let (kind, id) = rest.split_once('/')?;
        match kind {
            "session" => Some(Self::Session(SessionId::new(id).ok()?)),
            "host-load" => Some(Self::Reservations(HostId::new(id).ok()?)),
            "log-off" => {
                let (host, session) = id.split_once('/')?;
                let host = HostId::new(host).ok()?;
                Some(Self::LogOff(host, SessionId::new(session).ok()?))
            }
            _ => None,
        }
    }
}

/// All placement keys of a user.
pub(crate) fn placements_prefix(user: &UserId) -> String {
    format!("{ROOT}/user-session/{user}/")
}

/// All reservation records.
pub(crate) fn reservations_prefix() -> String {
    format!("{ROOT}/host-load/")
}

/// Reservation record of a host.
pub(crate) fn reservations_key(host: &HostId) -> String {
    format!("{ROOT}/host-load/{host}")
}

/// Favourites of a user.
pub(crate) fn favourites_key(user: &UserId) -> String {
    format!("{ROOT}/favourites/{user}")
}

/// The sessions that count on a host: pending, active and disconnected ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reservations {
    pub(crate) sessions: Vec<Reserved>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reserved {
    pub(crate) id: SessionId,
    pub(crate) account: String,
}

impl Reservations {
    pub(crate) fn without(&self, id: &SessionId) -> Self {
        let sessions = self.sessions.iter().filter(|s| s.id != *id);
        Self {
            sessions: sessions.cloned().collect(),
        }
    }
}

/// Value of a placement key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlacedSession {
    pub(crate) session: SessionId,
}

/// Value of the last host of a user in a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastHost {
    pub(crate) host: HostId,
}

/// A log-off that a host shall do: the session is over in the directory and may go on there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogOff {
    pub(crate) session: SessionOnHost,
    /// Boot of the host that it belongs to, where that is known.
    pub(crate) boot: Option<String>,
    pub(crate) reason: EndReason,
    pub(crate) at: Timestamp,
}

/// Value of the favourites of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Favourites {
    pub(crate) resources: Vec<ResourceId>,
}

/// What is under a key: the version comes first, so that a later Portico knows what it reads.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    body: T,
}

pub(crate) fn write<T: Serialize>(key: &str, body: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Versioned { v: VERSION, body }).map_err(|error| corrupt(key, error))
}

pub(crate) fn read<T: DeserializeOwned>(stored: &KeyValue) -> Result<T, StoreError> {
    parse(&stored.key, &stored.value)
}

/// The document in the value of `key`.
pub(crate) fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StoreError> {
    let versioned: Versioned<T> =
        serde_json::from_slice(value).map_err(|error| corrupt(key, error))?;
    if versioned.v == VERSION {
        Ok(versioned.body)
    } else {
        let detail = format!("version {} is not known", versioned.v);
        Err(corrupt(key, detail))
    }
}

/// The document of an optional key, and the revision to compare with: 0 when it is absent.
pub(crate) fn read_or_default<T: DeserializeOwned + Default>(
    stored: Option<&KeyValue>,
) -> Result<(T, u64), StoreError> {
    match stored {
        Some(stored) => Ok((read(stored)?, stored.mod_revision)),
        None => Ok((T::default(), 0)),
    }
}

fn corrupt(key: &str, detail: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        place: key.to_owned(),
        detail: detail.to_string(),
    }
}
