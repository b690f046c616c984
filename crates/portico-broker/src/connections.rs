//! Connections that were granted and have not ended: what the broker knows of them beside what is
//! in the store. They live in the gateways, so they are gone when the process is.

use std::{collections::BTreeMap, net::IpAddr};

use portico_model::{ConnectionId, SessionId, SignInId, UserId};

/// Connections at once.
pub(crate) const CONNECTIONS_MAX: usize = 100_000;

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) sign_in: Option<SignInId>,
    pub(crate) client_address: Option<IpAddr>,
    pub(crate) reconnect_grant_hash: String,
    /// Whether the directory was told that it is open.
    pub(crate) is_told: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Connections(BTreeMap<ConnectionId, Connection>);

impl Connections {
    /// False when there are too many.
    pub(crate) fn insert(&mut self, id: ConnectionId, connection: Connection) -> bool {
        if self.0.len() >= CONNECTIONS_MAX {
            return false;
        }
        self.0.insert(id, connection);
        true
    }

    pub(crate) fn get(&self, id: &ConnectionId) -> Option<&Connection> {
        self.0.get(id)
    }

    /// The directory was told that it is open.
    pub(crate) fn told(&mut self, id: &ConnectionId) {
        if let Some(connection) = self.0.get_mut(id) {
            connection.is_told = true;
        }
    }

    /// Those that the directory was told of, with their sessions.
    pub(crate) fn all_told(&self) -> Vec<(ConnectionId, SessionId)> {
        let told = self.0.iter().filter(|(_, connection)| connection.is_told);
        told.map(|(id, connection)| (id.clone(), connection.session.clone()))
            .collect()
    }

    pub(crate) fn remove(&mut self, id: &ConnectionId) {
        self.0.remove(id);
    }

    /// The connections that a sign-in made.
    pub(crate) fn of_sign_in(&self, sign_in: &SignInId) -> Vec<ConnectionId> {
        self.ids(|connection| connection.sign_in.as_ref() == Some(sign_in))
    }

    /// The connections of a user, whatever sign-in made them.
    pub(crate) fn of_user(&self, user: &UserId) -> Vec<ConnectionId> {
        self.ids(|connection| connection.user == *user)
    }

    fn ids(&self, wanted: impl Fn(&Connection) -> bool) -> Vec<ConnectionId> {
        let found = self.0.iter().filter(|(_, connection)| wanted(connection));
        found.map(|(id, _)| id.clone()).collect()
    }
}
