//! A broker that gives tickets for grants and remembers what it was told.

use std::{collections::HashMap, sync::Mutex};

use portico_gateway::BrokerSeam;
use portico_identity::custody::seal_for_gateway;
use portico_model::{
    ConnectionId, Secret, SessionId, Timestamp, UserId,
    estate::{Clipboard, Drive, Microphone, Printer, Protocol},
    grant::{ChannelGrant, Program, RedeemError, Target},
    session::{ConnectionEvent, ConnectionEventKind},
};
use tokio::sync::mpsc;

use super::soon;

pub(crate) const PASSWORD: &str = "pass wörd";

pub(crate) struct TestBroker {
    public_key: [u8; 32],
    state: Mutex<State>,
    sender: mpsc::UnboundedSender<ConnectionEvent>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<ConnectionEvent>>,
}

#[derive(Default)]
struct State {
    grants: HashMap<String, Result<ChannelGrant, RedeemError>>,
    made: u128,
    redemptions: usize,
}

impl TestBroker {
    pub(crate) fn new(public_key: [u8; 32]) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        Self {
            public_key,
            state: Mutex::default(),
            sender,
            events: tokio::sync::Mutex::new(events),
        }
    }

    /// What passwords are sealed to.
    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.public_key
    }

    /// A ticket for an ordinary desktop on `target`.
    pub(crate) fn ticket(&self, target: Target) -> String {
        self.ticket_with(target, |_| {})
    }

    /// A ticket for a grant that `change` made different.
    pub(crate) fn ticket_with(
        &self,
        target: Target,
        change: impl FnOnce(&mut ChannelGrant),
    ) -> String {
        let password = Secret::new(PASSWORD.into());
        let sealed = seal_for_gateway(&self.public_key, &password).unwrap();
        let mut state = self.state.lock().unwrap();
        state.made += 1;
        let number = state.made;
        let mut grant = ChannelGrant {
            session: SessionId::from_random(1000 + number),
            connection: ConnectionId::from_random(number),
            user: UserId::new("anna").unwrap(),
            target,
            account: "EX\\anna".into(),
            sealed_password: Some(sealed),
            program: Some(Program {
                command: "xterm".into(),
                work_dir: "/srv".into(),
            }),
            client_address: None,
            clipboard: Clipboard::None,
            drive: Drive::Off,
            printer: Printer::Off,
            idle_timeout_s: 0,
            total_timeout_s: 0,
            microphone: Microphone::Off,
            granted_at: Timestamp::from_unix_ms(0),
            cause: None,
        };
        change(&mut grant);
        let ticket = format!("b1.ticket-{number}");
        state.grants.insert(ticket.clone(), Ok(grant));
        ticket
    }

    /// A ticket that is refused.
    pub(crate) fn bad_ticket(&self, error: RedeemError) -> String {
        let mut state = self.state.lock().unwrap();
        state.made += 1;
        let ticket = format!("b1.bad-{}", state.made);
        state.grants.insert(ticket.clone(), Err(error));
        ticket
    }

    /// How many tickets came.
    pub(crate) fn redemptions(&self) -> usize {
        self.state.lock().unwrap().redemptions
    }

    /// The next thing the gateway reports.
    pub(crate) async fn event(&self) -> ConnectionEvent {
        let mut events = self.events.lock().await;
        soon(events.recv()).await.unwrap()
    }

    /// As [`event`](Self::event), without whose it is.
    pub(crate) async fn kind(&self) -> ConnectionEventKind {
        self.event().await.kind
    }

    /// Whether the gateway has reported nothing more.
    pub(crate) async fn is_quiet(&self) -> bool {
        self.events.lock().await.try_recv().is_err()
    }
}

impl BrokerSeam for TestBroker {
    async fn redeem(&self, ticket: &str, protocol: Protocol) -> Result<ChannelGrant, RedeemError> {
        assert_eq!(protocol, Protocol::Rdp);
        let mut state = self.state.lock().unwrap();
        state.redemptions += 1;
        // Once, as the contract says.
        state
            .grants
            .remove(ticket)
            .unwrap_or(Err(RedeemError::NotGood))
    }

    async fn report(&self, event: ConnectionEvent) {
        self.sender.send(event).unwrap();
    }
}
