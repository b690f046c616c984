//! How the roles meet inside one process.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use portico_broker::{Broker, GatewaySeam};
use portico_gateway::{BrokerSeam, Gateway};
use portico_model::{
    ConnectionId, GatewayId, SessionId,
    estate::Protocol,
    grant::{ChannelGrant, RedeemError},
    session::{ConnectionEvent, EndReason},
};
use portico_store::BoxFuture;
use tokio::signal::unix::{SignalKind, signal};

/// The broker, as the gateway of the same process sees it.
pub(super) struct BrokerForGateway {
    pub(super) broker: Broker,
    pub(super) gateway: GatewayId,
}

impl BrokerSeam for BrokerForGateway {
    async fn redeem(&self, ticket: &str, protocol: Protocol) -> Result<ChannelGrant, RedeemError> {
        self.broker.redeem(ticket, protocol, &self.gateway).await
    }

    async fn report(&self, event: ConnectionEvent) {
        self.broker.report(event).await;
    }
}

/// The gateway, as the broker of the same process sees it. Each needs the other, so the broker
/// gets this first and the gateway is put in when it exists.
#[derive(Clone)]
pub(super) struct GatewayForBroker {
    gateway: Arc<OnceLock<Gateway<BrokerForGateway>>>,
    engine_socket: PathBuf,
}

impl GatewayForBroker {
    pub(super) fn new(engine_socket: PathBuf) -> Self {
        Self {
            gateway: Arc::default(),
            engine_socket,
        }
    }

    pub(super) fn connect(&self, gateway: Gateway<BrokerForGateway>) {
        // Set once, right after both exist.
        let _ = self.gateway.set(gateway);
    }
}

impl GatewaySeam for GatewayForBroker {
    fn close(&self, connection: &ConnectionId, reason: EndReason, detail: Option<&str>) -> bool {
        self.gateway
            .get()
            .is_some_and(|gateway| gateway.close(connection, reason, detail))
    }

    fn end_terminal<'a>(
        &'a self,
        session: &'a SessionId,
        reason: EndReason,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            match portico_gateway::end_terminal_session(&self.engine_socket, session, reason).await
            {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::warn!(session_id = %session, %error, "The engine does not answer");
                    false
                }
            }
        })
    }
}

/// Whether a process of this user may do everything by the Unix socket: root, and the user that
/// Portico itself runs as.
pub(super) fn may_administer(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Returns at SIGINT or SIGTERM; never when the signals cannot be watched.
pub(super) async fn stop_signal() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        tracing::error!("Signals cannot be watched; stop Portico by killing it");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
