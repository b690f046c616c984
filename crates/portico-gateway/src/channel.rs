//! A granted connection from redemption to its end: the table by which the broker can close it,
//! and the reports that the broker gets, each exactly once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use portico_identity::custody::{CustodyError, GatewayKeyPair};
use portico_model::{
    ConnectionId, Secret,
    estate::Protocol,
    grant::{ChannelGrant, RedeemError},
    session::{ConnectionEvent, ConnectionEventKind, EndReason},
};
use tokio::sync::oneshot;

use crate::BrokerSeam;

/// Why a ticket did not lead to a channel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The broker refused.
    #[error(transparent)]
    Redeem(#[from] RedeemError),
    /// As many connections as this gateway may have.
    #[error("the gateway has {0} connections, as many as it may")]
    Full(usize),
    /// The password in the grant was not sealed to this gateway.
    #[error("the password of the grant could not be opened")]
    Password(#[source] CustodyError),
}

/// All channels of a gateway.
pub(crate) struct Channels<B> {
    broker: B,
    keys: GatewayKeyPair,
    connections_max: usize,
    open: Mutex<Table>,
}

/// The broker's order to close a channel.
#[derive(Debug)]
struct Order {
    reason: EndReason,
    /// More for the viewer, such as who took over.
    detail: Option<String>,
}

#[derive(Default)]
struct Table {
    stopped: bool,
    by_connection: HashMap<ConnectionId, oneshot::Sender<Order>>,
}

impl<B: BrokerSeam> Channels<B> {
    pub(crate) fn new(broker: B, keys: GatewayKeyPair, connections_max: usize) -> Self {
        Self {
            broker,
            keys,
            connections_max,
            open: Mutex::default(),
        }
    }

    /// Redeems `ticket`. From here on the broker can close the channel.
    pub(crate) async fn open(
        self: &Arc<Self>,
        ticket: &str,
        protocol: Protocol,
    ) -> Result<Channel<B>, OpenError> {
        // Asked before the ticket is spent, so that the viewer can try again.
        let open = self.count();
        if open >= self.connections_max {
            return Err(OpenError::Full(open));
        }
        let grant = self.broker.redeem(ticket, protocol).await?;
        let (sender, closed) = oneshot::channel();
        {
            let mut table = self.table();
            if table.stopped {
                // The sender is dropped, which the channel reads as `ProcessStopped`.
                drop(sender);
            } else {
                table.by_connection.insert(grant.connection.clone(), sender);
            }
        }
        let mut channel = Channel {
            grant,
            password: None,
            closed: CloseSignal::new(closed),
            channels: Arc::clone(self),
            settled: false,
        };
        match &channel.grant.sealed_password {
            None => {}
            Some(sealed) => match self.keys.open(sealed) {
                Ok(password) => channel.password = Some(password),
                Err(error) => {
                    channel
                        .failed("the password in the grant was not sealed to this gateway".into())
                        .await;
                    return Err(OpenError::Password(error));
                }
            },
        }
        Ok(channel)
    }

    /// Asks the channel of `connection` to end; false when there is none.
    pub(crate) fn close(
        &self,
        connection: &ConnectionId,
        reason: EndReason,
        detail: Option<&str>,
    ) -> bool {
        let sender = self.table().by_connection.remove(connection);
        let detail = detail.map(str::to_owned);
        sender.is_some_and(|sender| sender.send(Order { reason, detail }).is_ok())
    }

    /// Asks all channels to end, those that come later too.
    pub(crate) fn stop(&self) {
        let all = {
            let mut table = self.table();
            table.stopped = true;
            std::mem::take(&mut table.by_connection)
        };
        for sender in all.into_values() {
            // A receiver that is gone has ended by itself.
            let _ = sender.send(Order {
                reason: EndReason::ProcessStopped,
                detail: None,
            });
        }
    }

    /// How many channels are open.
    pub(crate) fn count(&self) -> usize {
        self.table().by_connection.len()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Right to one connection, redeemed. Ends with [`failed`](Self::failed) or
/// [`ended`](Self::ended); when it is dropped without, as after a panic, the broker is told that
/// the process stopped it.
pub(crate) struct Channel<B: BrokerSeam> {
    /// Where to go, as whom, under which policy.
    pub(crate) grant: ChannelGrant,
    /// Password to log on with, opened.
    pub(crate) password: Option<Secret>,
    /// Resolves when the broker wants the channel closed.
    pub(crate) closed: CloseSignal,
    channels: Arc<Channels<B>>,
    // INVARIANT: true once `Failed` or `Closed` was handed to the broker.
    settled: bool,
}

impl<B: BrokerSeam> Channel<B> {
    /// The host answered and the viewer sees it.
    pub(crate) async fn opened(&self) {
        self.report(ConnectionEventKind::Opened).await;
    }

    /// The host could not be reached or did not accept; `detail` is for operators.
    pub(crate) async fn failed(mut self, detail: String) {
        self.settle(ConnectionEventKind::Failed { detail }).await;
    }

    /// The connection is over.
    pub(crate) async fn ended(
        mut self,
        reason: EndReason,
        bytes_down: u64,
        bytes_up: u64,
        exit_status: Option<i32>,
    ) {
        self.settle(ConnectionEventKind::Closed {
            reason,
            bytes_down,
            bytes_up,
            exit_status,
        })
        .await;
    }

    async fn settle(&mut self, kind: ConnectionEventKind) {
        self.settled = true;
        self.leave_table();
        self.report(kind).await;
    }

    async fn report(&self, kind: ConnectionEventKind) {
        self.channels.broker.report(self.event(kind)).await;
    }

    fn event(&self, kind: ConnectionEventKind) -> ConnectionEvent {
        ConnectionEvent {
            session: self.grant.session.clone(),
            connection: self.grant.connection.clone(),
            kind,
        }
    }

    fn leave_table(&self) {
        self.channels
            .table()
            .by_connection
            .remove(&self.grant.connection);
    }
}

impl<B: BrokerSeam> Drop for Channel<B> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        self.leave_table();
        let event = self.event(ConnectionEventKind::Closed {
            reason: EndReason::ProcessStopped,
            bytes_down: 0,
            bytes_up: 0,
            exit_status: None,
        });
        let channels = Arc::clone(&self.channels);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { channels.broker.report(event).await });
        }
    }
}

/// Resolves once, when the broker wants the channel closed.
pub(crate) struct CloseSignal {
    order: Option<oneshot::Receiver<Order>>,
    detail: Option<String>,
}

impl CloseSignal {
    fn new(order: oneshot::Receiver<Order>) -> Self {
        Self {
            order: Some(order),
            detail: None,
        }
    }

    /// What the viewer is told beside the reason, once the signal has resolved.
    pub(crate) fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Waits for the order to close. Cancel safe. Pending for ever after it resolved.
    pub(crate) async fn wait(&mut self) -> EndReason {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// As [`wait`](Self::wait).
    pub(crate) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<EndReason> {
        let Some(receiver) = &mut self.order else {
            return std::task::Poll::Pending;
        };
        let order = std::task::ready!(std::pin::Pin::new(receiver).poll(cx));
        self.order = None;
        let Ok(Order { reason, detail }) = order else {
            return std::task::Poll::Ready(EndReason::ProcessStopped);
        };
        self.detail = detail;
        std::task::Poll::Ready(reason)
    }
}
