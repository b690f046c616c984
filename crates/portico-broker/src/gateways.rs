//! The gateways that redeem this broker's tickets.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use portico_model::{ConnectionId, GatewayId, SessionId, session::EndReason};
use portico_store::BoxFuture;

/// What the broker asks of a gateway. Orders only: what comes of them the gateway reports.
pub trait GatewaySeam: Send + Sync + 'static {
    /// Closes a connection. False when the gateway does not have it. `detail` is for the viewer
    /// beside the reason: of a connection that was taken over it says by whom, as
    /// `by=<address of the other client>`.
    fn close(&self, connection: &ConnectionId, reason: EndReason, detail: Option<&str>) -> bool;

    /// Ends the program of a terminal session in the gateway's engine. False when there is none.
    fn end_terminal<'a>(&'a self, session: &'a SessionId, reason: EndReason)
    -> BoxFuture<'a, bool>;
}

/// The gateways by id.
#[derive(Clone, Default)]
pub(crate) struct GatewayDirectory(Arc<RwLock<BTreeMap<GatewayId, Gateway>>>);

#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) public_key: [u8; 32],
    pub(crate) seam: Arc<dyn GatewaySeam>,
}

impl GatewayDirectory {
    pub(crate) fn register(&self, id: GatewayId, gateway: Gateway) {
        let mut gateways = self.0.write().unwrap_or_else(PoisonError::into_inner);
        gateways.insert(id, gateway);
    }

    /// The gateway for a new connection. There is one until gateways are processes of their own.
    pub(crate) fn choose(&self) -> Option<(GatewayId, Gateway)> {
        let gateways = self.0.read().unwrap_or_else(PoisonError::into_inner);
        gateways
            .first_key_value()
            .map(|(id, gateway)| (id.clone(), gateway.clone()))
    }

    /// Closes a connection at whichever gateway has it.
    pub(crate) fn close(&self, connection: &ConnectionId, reason: EndReason) -> bool {
        self.close_with(connection, reason, None)
    }

    /// [`close`](Self::close) with more for the viewer.
    pub(crate) fn close_with(
        &self,
        connection: &ConnectionId,
        reason: EndReason,
        detail: Option<&str>,
    ) -> bool {
        self.all()
            .iter()
            .any(|gateway| gateway.seam.close(connection, reason, detail))
    }

    /// Ends a terminal at whichever gateway's engine has it.
    pub(crate) async fn end_terminal(&self, session: &SessionId, reason: EndReason) -> bool {
        for gateway in self.all() {
            if gateway.seam.end_terminal(session, reason).await {
                return true;
            }
        }
        false
    }

    // Seams are called without the lock: what they do is not known here.
    fn all(&self) -> Vec<Gateway> {
        let gateways = self.0.read().unwrap_or_else(PoisonError::into_inner);
        gateways.values().cloned().collect()
    }
}
