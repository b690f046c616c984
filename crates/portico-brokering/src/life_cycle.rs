//! The life cycle of a session: `Pending → Active ⇄ Disconnected → Ended`.
//!
//! [`step`] is total: each event in each state has an answer, if only the reason why it changes
//! nothing. What a step asks of the gateway comes back with it; the broker carries it out.
//!
//! Three witnesses speak here. The relay says whether a connection is open ([`Event::Opened`],
//! [`Event::Failed`], [`Event::Closed`]), the host's agent whether the session exists
//! ([`Event::SeenOnHost`], [`Event::MissingOnHost`], [`Event::HostRestarted`], which
//! [`crate::witness`] concludes from reports), and operators and rules what shall be
//! ([`Event::Disconnect`], [`Event::End`], [`Event::Tick`]).

use std::net::IpAddr;

use portico_model::{
    BrokerId, ConnectionId, Timestamp,
    estate::Protocol,
    session::{EndReason, OnHost, Session, SessionState},
};

/// How long a reservation is kept for a ticket that was not used.
pub const RESERVATION_LIFE_MS: i64 = portico_model::grant::LAUNCH_TICKET_LIFE_MS + 15_000;

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A launch came back to it, and another ticket is out.
    Relaunched,
    /// A connection to it is open.
    Opened {
        /// Which.
        connection: ConnectionId,
        /// Where its client is.
        client_address: Option<IpAddr>,
        /// Hash of the reconnect grant that its viewer has; takes the place of the former one,
        /// so that the viewer it was taken from does not take it back by itself.
        reconnect_grant_hash: String,
        /// The broker whose gateway has the connection.
        holder: BrokerId,
    },
    /// A connection could not be made, for the host's side.
    Failed {
        /// Which.
        connection: ConnectionId,
    },
    /// A connection is over.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: EndReason,
        /// Who tells what became of the session.
        host_word: HostWord,
    },
    /// Somebody asks to disconnect it.
    Disconnect {
        /// In what capacity.
        reason: EndReason,
    },
    /// Somebody, or a rule, ends it.
    End {
        /// In what capacity.
        reason: EndReason,
    },
    /// Time passed.
    Tick(Times),
    /// The process that held its connections stopped; all of them are gone.
    ProcessStopped,
    /// The agent of its host sees it.
    SeenOnHost {
        /// What it is there.
        on_host: OnHost,
    },
    /// The agent of its host, which would see it, does not.
    MissingOnHost,
    /// Its host was started anew since it was seen there.
    HostRestarted,
}

/// Who tells what became of a session whose host closed the connection in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostWord {
    /// Nobody: there is no agent, so the closing itself must do.
    None,
    /// The agent, in its next report.
    Agent,
}

/// How long a session has been what it is, and how long it may be. Durations are measured, so
/// that setting a clock neither ends nor prolongs a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// Since it came to its state.
    pub in_state_ms: u64,
    /// Since it was launched.
    pub age_ms: u64,
    /// A disconnected one is ended after so long; 0: never.
    pub disconnected_timeout_s: u32,
    /// Any one is ended after so long; 0: never.
    pub session_timeout_s: u32,
}

impl Times {
    fn is_disconnected_too_long(&self) -> bool {
        is_reached(self.in_state_ms, self.disconnected_timeout_s)
    }

    fn is_too_old(&self) -> bool {
        is_reached(self.age_ms, self.session_timeout_s)
    }
}

fn is_reached(ms: u64, timeout_s: u32) -> bool {
    timeout_s > 0 && ms >= u64::from(timeout_s) * 1_000
}

/// What an event makes of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The session as it is now.
    Changed {
        /// To be stored.
        session: Box<Session>,
        /// A connection to close, once it is stored.
        close: Option<Close>,
    },
    /// It stays as it is.
    Unchanged {
        /// Why.
        why: Unchanged,
        /// A connection to close all the same.
        close: Option<Close>,
    },
}

/// A connection that must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// Which.
    pub connection: ConnectionId,
    /// What its viewer is told.
    pub reason: EndReason,
    /// The client that took the session over.
    pub by: Option<IpAddr>,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchanged {
    /// The session is over; it never comes back.
    Over,
    /// It is there already.
    AlreadySo,
    /// The event is about a connection that is not the session's present one.
    OtherConnection,
    /// The client left before the host answered; the reservation stands until it lapses.
    NotOpenedYet,
    /// No connection is open.
    NotConnected,
    /// It is not time yet.
    NotYet,
}

/// What `event` makes of `session` at `now`.
pub fn step(session: &Session, now: Timestamp, event: &Event) -> Step {
    match &session.state {
        SessionState::Pending { until } => pending(session, *until, now, event),
        SessionState::Active { connection, .. } => active(session, connection, now, event),
        SessionState::Disconnected { .. } => disconnected(session, now, event),
        SessionState::Ended { .. } => ended(event),
    }
}

fn pending(session: &Session, until: Timestamp, now: Timestamp, event: &Event) -> Step {
    let reserve_again = || {
        let until = now.plus_ms(RESERVATION_LIFE_MS);
        to(session, now, SessionState::Pending { until })
    };
    match event {
        Event::Relaunched => reserve_again(),
        Event::Opened { .. } => open(session, now, event, None),
        Event::Failed { .. } => end(session, now, EndReason::HostFailed, None),
        // What the host did before the viewer saw anything leaves no session behind.
        Event::Closed { reason, .. } if is_by_host(*reason) => end(session, now, *reason, None),
        Event::Closed { .. } => unchanged(Unchanged::NotOpenedYet),
        Event::Disconnect { .. } => unchanged(Unchanged::NotConnected),
        Event::End { reason } => end(session, now, *reason, None),
        // A reservation can only end further ahead than its life when the clock was set back.
        Event::Tick(_) if until > now.plus_ms(RESERVATION_LIFE_MS) => reserve_again(),
        Event::Tick(_) if now < until => unchanged(Unchanged::NotYet),
        // The desktop is there all the same, and its user comes back to it.
        Event::Tick(_) if session.on_host.is_some() => {
            let reason = EndReason::TicketLapsed;
            to(session, now, SessionState::Disconnected { reason })
        }
        Event::Tick(_) => end(session, now, EndReason::TicketLapsed, None),
        // Its connection may have been about to open, and a desktop be there already: the place
        // is kept for one more reservation, so that the user comes back to that desktop.
        Event::ProcessStopped => reserve_again(),
        Event::SeenOnHost { on_host } => seen(session, on_host),
        // It was there before the launch, or never was.
        Event::MissingOnHost | Event::HostRestarted => unseen(session),
    }
}

fn active(session: &Session, current: &ConnectionId, now: Timestamp, event: &Event) -> Step {
    let close = |reason| {
        Some(Close {
            connection: current.clone(),
            reason,
            by: None,
        })
    };
    match event {
        Event::Relaunched => unchanged(Unchanged::AlreadySo),
        Event::Opened { connection, .. } if connection == current => {
            unchanged(Unchanged::AlreadySo)
        }
        Event::Opened { client_address, .. } => {
            let taken_over = Close {
                connection: current.clone(),
                reason: EndReason::TakenOver,
                by: *client_address,
            };
            open(session, now, event, Some(taken_over))
        }
        // Whichever connection tells it: the program was the session.
        Event::Closed {
            reason: EndReason::ProgramExited,
            connection,
            ..
        } => {
            let close = (connection != current).then(|| close(EndReason::ProgramExited));
            end(session, now, EndReason::ProgramExited, close.flatten())
        }
        Event::Failed { connection } | Event::Closed { connection, .. }
            if connection != current =>
        {
            unchanged(Unchanged::OtherConnection)
        }
        Event::Failed { .. } => after_connection(session, now, EndReason::HostFailed),
        // A log-off, or the host only cut the connection: its agent says which.
        Event::Closed {
            reason: reason @ EndReason::HostClosed,
            host_word: HostWord::Agent,
            ..
        } if session.protocol == Protocol::Rdp => {
            to(session, now, SessionState::Disconnected { reason: *reason })
        }
        Event::Closed { reason, .. } => after_connection(session, now, *reason),
        Event::Disconnect { reason } => {
            let state = SessionState::Disconnected { reason: *reason };
            changed(session, now, state, close(*reason))
        }
        Event::End { reason } => end(session, now, *reason, close(*reason)),
        Event::Tick(times) if times.is_too_old() => {
            let reason = EndReason::SessionTimeout;
            end(session, now, reason, close(reason))
        }
        Event::Tick(_) => unchanged(Unchanged::NotYet),
        Event::ProcessStopped => after_connection(session, now, EndReason::ProcessStopped),
        Event::SeenOnHost { on_host } => seen(session, on_host),
        Event::MissingOnHost => {
            let reason = EndReason::LoggedOff;
            end(session, now, reason, close(reason))
        }
        Event::HostRestarted => {
            let reason = EndReason::HostRestarted;
            end(session, now, reason, close(reason))
        }
    }
}

fn disconnected(session: &Session, now: Timestamp, event: &Event) -> Step {
    match event {
        Event::Relaunched => unchanged(Unchanged::AlreadySo),
        Event::Opened { .. } => open(session, now, event, None),
        // The host may be restarting; whether the session is gone, nobody has seen.
        Event::Failed { .. } => unchanged(Unchanged::AlreadySo),
        Event::Closed { reason, .. } if *reason == EndReason::ProgramExited => {
            end(session, now, *reason, None)
        }
        Event::Closed { .. } => unchanged(Unchanged::OtherConnection),
        Event::Disconnect { .. } => unchanged(Unchanged::AlreadySo),
        Event::End { reason } => end(session, now, *reason, None),
        Event::Tick(times) if times.is_too_old() => {
            end(session, now, EndReason::SessionTimeout, None)
        }
        Event::Tick(times) if times.is_disconnected_too_long() => {
            end(session, now, EndReason::DisconnectedTimeout, None)
        }
        Event::Tick(_) => unchanged(Unchanged::NotYet),
        Event::ProcessStopped => match session.protocol {
            Protocol::Rdp => unchanged(Unchanged::AlreadySo),
            Protocol::Ssh => end(session, now, EndReason::ProcessStopped, None),
        },
        Event::SeenOnHost { on_host } => seen(session, on_host),
        Event::MissingOnHost => end(session, now, EndReason::LoggedOff, None),
        Event::HostRestarted => end(session, now, EndReason::HostRestarted, None),
    }
}

fn ended(event: &Event) -> Step {
    let close = match event {
        // It opened while the session was being ended.
        Event::Opened { connection, .. } => Some(Close {
            connection: connection.clone(),
            reason: EndReason::UserEnded,
            by: None,
        }),
        Event::Relaunched
        | Event::Failed { .. }
        | Event::Closed { .. }
        | Event::Disconnect { .. }
        | Event::End { .. }
        | Event::Tick(_)
        | Event::ProcessStopped
        | Event::SeenOnHost { .. }
        | Event::MissingOnHost
        | Event::HostRestarted => None,
    };
    Step::Unchanged {
        why: Unchanged::Over,
        close,
    }
}

/// An active session has lost its connection: does it go on without?
fn after_connection(session: &Session, now: Timestamp, reason: EndReason) -> Step {
    let over = match reason {
        // Where no agent says whether it was a log-off, in order means over, as hosts keep a
        // session when the *client* leaves and close in order when the user logs off.
        EndReason::HostClosed
        | EndReason::ProgramExited
        | EndReason::UserEnded
        | EndReason::OperatorEnded
        | EndReason::LoggedOff
        | EndReason::HostRestarted
        | EndReason::DisconnectedTimeout
        | EndReason::SessionTimeout
        | EndReason::Maintenance => true,
        // A desktop goes on on its host. A shell hangs on its SSH connection, which the engine
        // holds: when that breaks or the engine stops, the shell is gone.
        EndReason::HostLost | EndReason::HostFailed | EndReason::ProcessStopped => {
            session.protocol == Protocol::Ssh
        }
        EndReason::ClientClosed
        | EndReason::ClientLost
        | EndReason::TakenOver
        | EndReason::UserDisconnected
        | EndReason::IdleTimeout
        | EndReason::TotalTimeout
        | EndReason::SignedOut
        | EndReason::LimitReached
        | EndReason::TicketLapsed => false,
    };
    if over {
        end(session, now, reason, None)
    } else {
        to(session, now, SessionState::Disconnected { reason })
    }
}

fn is_by_host(reason: EndReason) -> bool {
    matches!(
        reason,
        EndReason::HostClosed
            | EndReason::HostLost
            | EndReason::HostFailed
            | EndReason::ProgramExited
    )
}

fn open(session: &Session, now: Timestamp, event: &Event, close: Option<Close>) -> Step {
    let Event::Opened {
        connection,
        client_address,
        reconnect_grant_hash,
        holder,
    } = event
    else {
        return unchanged(Unchanged::AlreadySo);
    };
    let state = SessionState::Active {
        connection: connection.clone(),
        client_address: *client_address,
    };
    let session = Session {
        reconnect_grant_hash: reconnect_grant_hash.clone(),
        last_client: *client_address,
        holder: Some(holder.clone()),
        // What the agent saw before may be a desktop that has ended meanwhile; a report that was
        // on its way must not end the one that just opened.
        on_host: None,
        ..session.clone()
    };
    changed(&session, now, state, close)
}

/// The session as before, with what its host's agent says of it.
fn seen(session: &Session, on_host: &OnHost) -> Step {
    if session.on_host.as_ref() == Some(on_host) {
        return unchanged(Unchanged::AlreadySo);
    }
    noted(session, Some(on_host.clone()))
}

/// A reservation for which nothing is on the host.
fn unseen(session: &Session) -> Step {
    if session.on_host.is_none() {
        return unchanged(Unchanged::AlreadySo);
    }
    noted(session, None)
}

fn noted(session: &Session, on_host: Option<OnHost>) -> Step {
    Step::Changed {
        session: Box::new(Session {
            on_host,
            ..session.clone()
        }),
        close: None,
    }
}

fn end(session: &Session, now: Timestamp, reason: EndReason, close: Option<Close>) -> Step {
    changed(session, now, SessionState::Ended { reason }, close)
}

fn to(session: &Session, now: Timestamp, state: SessionState) -> Step {
    changed(session, now, state, None)
}

fn changed(session: &Session, now: Timestamp, state: SessionState, close: Option<Close>) -> Step {
    Step::Changed {
        session: Box::new(Session {
            state,
            state_since: now,
            ..session.clone()
        }),
        close,
    }
}

fn unchanged(why: Unchanged) -> Step {
    Step::Unchanged { why, close: None }
}

#[cfg(test)]
mod tests;
