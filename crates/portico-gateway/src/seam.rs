//! What the gateway needs of the broker.

use portico_model::{
    estate::Protocol,
    grant::{ChannelGrant, RedeemError},
    session::ConnectionEvent,
};

/// The broker, as the gateway sees it: in the same process, or behind a link.
pub trait BrokerSeam: Send + Sync + 'static {
    /// Trades a launch ticket for the right to open one connection. A ticket works once.
    fn redeem(
        &self,
        ticket: &str,
        protocol: Protocol,
    ) -> impl Future<Output = Result<ChannelGrant, RedeemError>> + Send;

    /// Tells what happened to a connection. For each grant: at most one `Opened`, then exactly one
    /// `Failed` or `Closed`.
    fn report(&self, event: ConnectionEvent) -> impl Future<Output = ()> + Send;
}

impl<B: BrokerSeam> BrokerSeam for std::sync::Arc<B> {
    fn redeem(
        &self,
        ticket: &str,
        protocol: Protocol,
    ) -> impl Future<Output = Result<ChannelGrant, RedeemError>> + Send {
        B::redeem(self, ticket, protocol)
    }

    fn report(&self, event: ConnectionEvent) -> impl Future<Output = ()> + Send {
        B::report(self, event)
    }
}
