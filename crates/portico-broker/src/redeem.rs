//! Redeeming a ticket: from its text to all that one connection needs.

use portico_brokering::{Asker, Entitled, entitled};
use portico_identity::tokens;
use portico_model::{
    ConnectionId, GatewayId,
    estate::{Estate, Protocol, ResourceKind},
    grant::{ChannelGrant, Program, RedeemError, Target},
    people::Strength,
    session::Session,
};
use portico_store::StoreError;
use tokio::time::Instant;

use crate::{
    broker::{Broker, Inner},
    connections::Connection,
    launch::{Startable, policy},
    tickets::Ticket,
};

impl Broker {
    /// Trades a ticket for the right to open one connection. The ticket is used up whatever comes
    /// of it, unless it was none.
    pub async fn redeem(
        &self,
        ticket: &str,
        protocol: Protocol,
        gateway: &GatewayId,
    ) -> Result<ChannelGrant, RedeemError> {
        let outcome = self.0.redeem(ticket, protocol, gateway).await;
        if let Err(error) = &outcome {
            tracing::info!(%error, %gateway, "Ticket was not redeemed");
        }
        outcome
    }
}

impl Inner {
    async fn redeem(
        &self,
        ticket: &str,
        protocol: Protocol,
        gateway: &GatewayId,
    ) -> Result<ChannelGrant, RedeemError> {
        let ticket = self.tickets().take(Instant::now(), ticket, gateway);
        let ticket = ticket.ok_or(RedeemError::NotGood)?;
        if ticket.protocol != protocol {
            return Err(RedeemError::OtherProtocol {
                expected: ticket.protocol,
            });
        }
        let session = self.session(&ticket.session).await.map_err(away)?;
        let session = session.filter(|session| session.state.is_running());
        let session = session.ok_or(RedeemError::NotGood)?;
        // The estate as it is now, not as it was at the launch: what an operator took out or
        // changed in between counts.
        let (_, estate) = self.estate().await.map_err(away)?;
        let cause = self.cause_kind_of_host(&session.host).await;
        let grant = ChannelGrant {
            cause: cause.map(|kind| kind.slug().to_owned()),
            ..self.grant(&estate, &session, &ticket)?
        };
        let known = Connection {
            session: session.id,
            user: ticket.user,
            sign_in: ticket.sign_in,
            client_address: ticket.client_address,
            reconnect_grant_hash: ticket.reconnect_grant_hash,
            is_told: false,
        };
        if !self.connections().insert(grant.connection.clone(), known) {
            tracing::error!("Too many connections; a ticket was refused");
            return Err(RedeemError::NotGood);
        }
        Ok(grant)
    }

    fn grant(
        &self,
        estate: &Estate,
        session: &Session,
        ticket: &Ticket,
    ) -> Result<ChannelGrant, RedeemError> {
        let gone = || RedeemError::HostGone {
            host: session.host.clone(),
        };
        let host = estate.hosts.get(&session.host).ok_or_else(gone)?;
        if host.protocol != session.protocol {
            return Err(gone());
        }
        // Taken back meanwhile: the launch would be refused now.
        if !self.is_still_entitled(estate, ticket) {
            return Err(RedeemError::NotGood);
        }
        let start = Startable::of(estate, &ticket.resource).map_err(|_| RedeemError::NotGood)?;
        // What was launched first is what the session is, whichever resource came back to it.
        let launched = estate.resources.get(&session.resource);
        let program = match &launched.unwrap_or(start.resource).kind {
            ResourceKind::Application {
                program, work_dir, ..
            } => Some(Program {
                command: program.clone(),
                work_dir: work_dir.clone(),
            }),
            ResourceKind::Desktop { .. }
            | ResourceKind::Terminal { .. }
            | ResourceKind::Link { .. } => None,
        };
        let policy = policy(estate, start.pool);
        let random = tokens::u128_of(&*self.chance).map_err(|_| RedeemError::NotGood)?;
        Ok(ChannelGrant {
            session: session.id.clone(),
            connection: ConnectionId::from_random(random),
            user: ticket.user.clone(),
            target: Target {
                host: session.host.clone(),
                address: host.address.clone(),
                port: host.port,
                protocol: host.protocol,
                security: host.security,
                pins: self.seen_host(&session.host, host, self.clock.now()).pins,
            },
            account: session.account.clone(),
            sealed_password: ticket.sealed_password.clone(),
            program,
            client_address: ticket.client_address,
            clipboard: policy.clipboard,
            drive: policy.drive,
            printer: policy.printer,
            idle_timeout_s: policy.idle_timeout_s,
            total_timeout_s: policy.total_timeout_s,
            microphone: policy.microphone,
            granted_at: self.clock.now(),
            cause: None,
        })
    }
}

impl Inner {
    /// Whether an entitlement names the user for the resource. Conditions such as the time were
    /// met at the launch, a minute ago at most.
    fn is_still_entitled(&self, estate: &Estate, ticket: &Ticket) -> bool {
        let asker = Asker {
            user: &ticket.user,
            groups: &estate.groups_of(&ticket.user),
            strength: Strength::default(),
            client_address: ticket.client_address,
        };
        entitled(estate, &asker, &ticket.resource, self.clock.now()) != Entitled::Never
    }
}

fn away(error: StoreError) -> RedeemError {
    RedeemError::StoreAway {
        detail: error.to_string(),
    }
}
