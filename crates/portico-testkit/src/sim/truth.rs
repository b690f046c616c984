//! Hosts with a truth of their own, as xrdp has it: an account has one session; a second
//! connection of the account lands in the first session and cuts the former connection.

use std::collections::{BTreeMap, BTreeSet};

use portico_model::{
    ConnectionId, HostId, SessionId,
    seen::{HostSession, HostSessionKind, HostSessionState},
};
use tokio::time::Instant;

use super::scenario::HostPlan;

/// A host.
#[derive(Debug)]
pub(crate) struct TrueHost {
    pub(crate) id: HostId,
    pub(crate) plan: HostPlan,
    /// Number of the boot.
    pub(crate) boot: u64,
    /// Whether the machine runs, and how many troubles keep it from being reached.
    pub(crate) is_up: bool,
    pub(crate) unreachable: u32,
    pub(crate) agent_down: u32,
    /// Since when connections to it can be made.
    pub(crate) reachable_since: Instant,
    /// Its sessions by display.
    pub(crate) sessions: BTreeMap<u64, TrueSession>,
    next_display: u64,
}

/// A session as it is.
#[derive(Debug, Clone)]
pub(crate) struct TrueSession {
    pub(crate) account: String,
    pub(crate) since: Instant,
    pub(crate) state_since: Instant,
    pub(crate) connection: Option<ConnectionId>,
    /// Sessions of the directory that landed in it; none: it was begun at the host itself.
    pub(crate) of: BTreeSet<SessionId>,
}

/// Where a connection landed.
pub(crate) struct Landed {
    pub(crate) display: u64,
    pub(crate) is_new: bool,
    /// The connection that was cut for it.
    pub(crate) cut: Option<ConnectionId>,
}

impl TrueHost {
    pub(crate) fn new(plan: HostPlan, now: Instant) -> Self {
        Self {
            id: host_id(plan.host),
            plan,
            boot: 1,
            is_up: true,
            unreachable: 0,
            agent_down: 0,
            reachable_since: now,
            sessions: BTreeMap::new(),
            next_display: 10,
        }
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.is_up && self.unreachable == 0
    }

    pub(crate) fn boot_name(&self) -> String {
        format!("boot-{}-{}", self.plan.host, self.boot)
    }

    /// A log-on of `account` over `connection`.
    pub(crate) fn log_on(
        &mut self,
        account: &str,
        connection: Option<(&ConnectionId, &SessionId)>,
        now: Instant,
    ) -> Landed {
        let existing = self
            .sessions
            .iter_mut()
            .find(|(_, it)| it.account == account);
        let Some((display, session)) = existing else {
            let display = self.next_display;
            self.next_display += 1;
            let session = TrueSession {
                account: account.to_owned(),
                since: now,
                state_since: now,
                connection: connection.map(|(connection, _)| connection.clone()),
                of: connection.iter().map(|(_, of)| (*of).clone()).collect(),
            };
            self.sessions.insert(display, session);
            return Landed {
                display,
                is_new: true,
                cut: None,
            };
        };
        let mut cut = None;
        if let Some((connection, of)) = connection {
            cut = session.connection.replace(connection.clone());
            session.of.insert(of.clone());
            session.state_since = now;
        }
        Landed {
            display: *display,
            is_new: false,
            cut,
        }
    }

    /// The connection is gone; the session goes on. Whether there was one.
    pub(crate) fn disconnected(&mut self, connection: &ConnectionId, now: Instant) -> bool {
        let mut sessions = self.sessions.values_mut();
        let session = sessions.find(|it| it.connection.as_ref() == Some(connection));
        let Some(session) = session else {
            return false;
        };
        session.connection = None;
        session.state_since = now;
        true
    }

    /// Ends sessions. The connections that were open.
    pub(crate) fn end(
        &mut self,
        is_ended: impl Fn(u64, &TrueSession) -> bool,
    ) -> Vec<ConnectionId> {
        let mut cut = Vec::new();
        self.sessions.retain(|display, session| {
            let ends = is_ended(*display, session);
            if ends {
                cut.extend(session.connection.clone());
            }
            !ends
        });
        cut
    }

    /// The sessions as the agent sees them.
    pub(crate) fn seen(&self, now: Instant) -> Vec<HostSession> {
        self.sessions
            .iter()
            .map(|(display, session)| HostSession {
                key: format!("xrdp:{display}"),
                account: session.account.clone(),
                kind: HostSessionKind::Rdp,
                display: Some(format!(":{display}")),
                state: match session.connection {
                    Some(_) => HostSessionState::Active,
                    None => HostSessionState::Disconnected,
                },
                age_s: (now - session.since).as_secs(),
                state_age_s: Some((now - session.state_since).as_secs()),
                idle_s: None,
            })
            .collect()
    }
}

/// Id of the host with this number.
pub(crate) fn host_id(host: u64) -> HostId {
    HostId::new(format!("h{host}")).expect("a slug")
}
