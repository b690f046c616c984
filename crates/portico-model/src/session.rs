//! Sessions, as the session directory keeps them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    BrokerId, ConnectionId, HostId, PoolId, ResourceId, SessionId, Timestamp, UserId,
    estate::Protocol,
};

/// A user's session on a host. It outlives its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// What was launched.
    pub resource: ResourceId,
    /// Pool the host was chosen from.
    pub pool: PoolId,
    /// Where it runs.
    pub host: HostId,
    /// Name of the user on that host.
    pub account: String,
    /// Protocol to reach it.
    pub protocol: Protocol,
    /// When it was launched.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: SessionState,
    /// When it came to that state.
    pub state_since: Timestamp,
    /// Hash (SHA-256, lower-case hexadecimal) of the reconnect grant.
    pub reconnect_grant_hash: String,
    /// Where the client was that had it last.
    #[serde(default)]
    pub last_client: Option<IpAddr>,
    /// What the host's agent last saw of it; `None` until it did.
    #[serde(default)]
    pub on_host: Option<OnHost>,
    /// The broker whose gateway has its connection, or launched it last.
    #[serde(default)]
    pub holder: Option<BrokerId>,
}

/// A session as the agent of its host knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnHost {
    /// The agent's name for it, for example `xrdp:10`.
    pub key: String,
    /// Boot of the host that it belongs to.
    pub boot: String,
}

/// State of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum SessionState {
    /// Placed; the ticket is out and no connection was made yet.
    Pending {
        /// When the reservation lapses.
        until: Timestamp,
    },
    /// A connection is open.
    Active {
        /// Which one.
        connection: ConnectionId,
        /// Where its client is.
        client_address: Option<IpAddr>,
    },
    /// No connection is open, the session goes on.
    Disconnected {
        /// Why the last one ended.
        reason: EndReason,
    },
    /// Over.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

impl SessionState {
    /// Whether the session still counts on its host.
    pub fn is_running(&self) -> bool {
        !matches!(self, Self::Ended { .. })
    }
}

/// Why a connection or session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// The viewer closed it in order.
    ClientClosed,
    /// The path to the client broke.
    ClientLost,
    /// The host closed it in order, as after a log-off.
    HostClosed,
    /// The path to the host broke.
    HostLost,
    /// The connection to the host could not be made.
    HostFailed,
    /// Another viewer of the same user took the session over.
    TakenOver,
    /// The user asked to disconnect.
    UserDisconnected,
    /// The user asked to end it.
    UserEnded,
    /// Somebody with a role asked to end it.
    OperatorEnded,
    /// Nobody used it for the time the policy allows.
    IdleTimeout,
    /// It was connected for the time the policy allows.
    TotalTimeout,
    /// The sign-in it belonged to ended.
    SignedOut,
    /// A limit of Portico was reached.
    LimitReached,
    /// The broker, gateway or engine that held it stopped.
    ProcessStopped,
    /// The ticket was not used in time.
    TicketLapsed,
    /// The program on the host ended by itself.
    ProgramExited,
    /// The agent of the host saw it end, as after a log-off.
    LoggedOff,
    /// The host was restarted.
    HostRestarted,
    /// It was disconnected for the time the policy allows.
    DisconnectedTimeout,
    /// It existed for the time the policy allows.
    SessionTimeout,
    /// The host went into maintenance.
    Maintenance,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 21] = [
        Self::ClientClosed,
        Self::ClientLost,
        Self::HostClosed,
        Self::HostLost,
        Self::HostFailed,
        Self::TakenOver,
        Self::UserDisconnected,
        Self::UserEnded,
        Self::OperatorEnded,
        Self::IdleTimeout,
        Self::TotalTimeout,
        Self::SignedOut,
        Self::LimitReached,
        Self::ProcessStopped,
        Self::TicketLapsed,
        Self::ProgramExited,
        Self::LoggedOff,
        Self::HostRestarted,
        Self::DisconnectedTimeout,
        Self::SessionTimeout,
        Self::Maintenance,
    ];

    /// Its name in kebab-case, the same as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientClosed => "client-closed",
            Self::ClientLost => "client-lost",
            Self::HostClosed => "host-closed",
            Self::HostLost => "host-lost",
            Self::HostFailed => "host-failed",
            Self::TakenOver => "taken-over",
            Self::UserDisconnected => "user-disconnected",
            Self::UserEnded => "user-ended",
            Self::OperatorEnded => "operator-ended",
            Self::IdleTimeout => "idle-timeout",
            Self::TotalTimeout => "total-timeout",
            Self::SignedOut => "signed-out",
            Self::LimitReached => "limit-reached",
            Self::ProcessStopped => "process-stopped",
            Self::TicketLapsed => "ticket-lapsed",
            Self::ProgramExited => "program-exited",
            Self::LoggedOff => "logged-off",
            Self::HostRestarted => "host-restarted",
            Self::DisconnectedTimeout => "disconnected-timeout",
            Self::SessionTimeout => "session-timeout",
            Self::Maintenance => "maintenance",
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// What a relay or engine tells the broker. Reported once per step, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionEvent {
    /// Session it belongs to.
    pub session: SessionId,
    /// Connection it is about.
    pub connection: ConnectionId,
    /// What happened.
    pub kind: ConnectionEventKind,
}

/// What happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ConnectionEventKind {
    /// The host answered and the viewer sees it.
    Opened,
    /// The host could not be reached or did not accept; `detail` is for operators.
    Failed {
        /// Cause in words, without secrets.
        detail: String,
    },
    /// It is over.
    Closed {
        /// Why.
        reason: EndReason,
        /// Bytes from host to client.
        bytes_down: u64,
        /// Bytes from client to host.
        bytes_up: u64,
        /// Exit status of a terminal's program.
        exit_status: Option<i32>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_end_reasons_are_those_in_json() {
        for reason in EndReason::ALL {
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.as_str()));
            assert_eq!(EndReason::from_name(reason.as_str()), Some(reason));
        }
        assert_eq!(EndReason::from_name("bored"), None);
    }
}
