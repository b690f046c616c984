//! The broker as one value: what it is made of, and the small things that belong nowhere else.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portico_identity::{LocalUsers, SignInSettings, SignIns, tokens::Chance};
use portico_model::{BrokerId, GatewayId, HostId, UserId, people::Principal, session::EndReason};
use portico_net::clock::Clock;
use portico_probe::Prober;
use portico_store::{Journal, LeaseId, Store};

use crate::{
    agents::Agents,
    candidates::Lots,
    connections::Connections,
    directory::{Directory, Unsettled},
    estate::EstateCache,
    gateways::{Gateway, GatewayDirectory, GatewaySeam},
    hosts::Hosts,
    log_off::LogOffs,
    port_checks::PortChecks,
    recent::RecentLaunches,
    tickets::Tickets,
    turns::Turns,
};

/// What a broker is made of.
pub struct BrokerParts {
    /// The state.
    pub store: Arc<dyn Store>,
    /// The history.
    pub journal: Arc<dyn Journal>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Name in its tickets.
    pub broker_id: BrokerId,
    /// Tells whether hosts answer.
    pub prober: Arc<dyn Prober>,
    /// Checks and hashes passwords of estate files; the pool that sign-ins use as well.
    pub local_users: LocalUsers,
    /// Where every random number of the broker comes from.
    pub chance: Arc<dyn Chance>,
}

/// The connection broker. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Broker(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// Name in its tickets, and of its connections in the directory.
    pub(crate) id: BrokerId,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) prober: Arc<dyn Prober>,
    pub(crate) local_users: LocalUsers,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) sign_ins: SignIns,
    pub(crate) gateways: GatewayDirectory,
    pub(crate) estate: EstateCache,
    pub(crate) hosts: Hosts,
    pub(crate) agents: Agents,
    pub(crate) directory: Directory,
    /// The lease by which other brokers know that this one runs.
    pub(crate) presence: tokio::sync::Mutex<Option<LeaseId>>,
    /// Turns at the reservation records of hosts.
    pub(crate) turns: Turns<HostId>,
    /// Turns at launching for a user.
    pub(crate) user_turns: Turns<UserId>,
    pub(crate) lots: Lots,
    pub(crate) log_offs: LogOffs,
    pub(crate) port_checks: PortChecks,
    recent: Mutex<RecentLaunches>,
    tickets: Mutex<Tickets>,
    connections: Mutex<Connections>,
    /// Where launches wait that lost against others too often.
    pub(crate) line: tokio::sync::Mutex<()>,
    /// Reports that could not be written yet, oldest first.
    pub(crate) unsettled: tokio::sync::Mutex<VecDeque<Unsettled>>,
}

impl Broker {
    /// A broker over a store. It does nothing by itself until [`run`](Self::run).
    pub fn new(parts: BrokerParts) -> Self {
        let sign_ins = SignIns::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.clock),
            SignInSettings::default(),
        );
        let agents = Agents::new(parts.clock.now());
        Self(Arc::new(Inner {
            id: parts.broker_id.clone(),
            store: parts.store,
            journal: parts.journal,
            clock: parts.clock,
            prober: parts.prober,
            local_users: parts.local_users,
            chance: parts.chance,
            sign_ins,
            gateways: GatewayDirectory::default(),
            estate: EstateCache::default(),
            hosts: Hosts::default(),
            agents,
            directory: Directory::default(),
            presence: tokio::sync::Mutex::default(),
            turns: Turns::default(),
            user_turns: Turns::default(),
            lots: Lots::default(),
            log_offs: LogOffs::default(),
            port_checks: PortChecks::default(),
            recent: Mutex::default(),
            tickets: Mutex::new(Tickets::new(parts.broker_id)),
            connections: Mutex::default(),
            line: tokio::sync::Mutex::default(),
            unsettled: tokio::sync::Mutex::default(),
        }))
    }

    /// Makes a gateway known: tickets can be given for it, and its connections be closed.
    pub fn register_gateway(
        &self,
        id: GatewayId,
        public_key: [u8; 32],
        seam: Arc<dyn GatewaySeam>,
    ) {
        self.0.gateways.register(id, Gateway { public_key, seam });
    }

    /// Ends what hangs on the sign-in of `principal`: tickets are void, connections are closed.
    /// The sessions go on.
    pub async fn signed_out(&self, principal: &Principal) {
        let Some(sign_in) = &principal.sign_in else {
            return;
        };
        self.0.tickets().void_sign_in(sign_in);
        let connections = self.0.connections().of_sign_in(sign_in);
        for connection in connections {
            self.0.gateways.close(&connection, EndReason::SignedOut);
        }
    }
}

impl Inner {
    /// Voids the tickets of a user and closes their connections: they have gone, or have another
    /// password now. Their sessions stay.
    pub(crate) fn cut_off(&self, user: &UserId) {
        self.tickets().void_user(user);
        let connections = self.connections().of_user(user);
        for connection in connections {
            self.gateways.close(&connection, EndReason::SignedOut);
        }
    }

    // Nothing that can panic runs under these locks, and what they guard is whole at every step.
    pub(crate) fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn recent(&self) -> MutexGuard<'_, RecentLaunches> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
