//! Launching: decide, reserve by one transaction, and give out a ticket.

use std::time::Duration;

use portico_brokering::{
    Asker, entitled, life_cycle::RESERVATION_LIFE_MS, placement::is_resumable,
};
use portico_identity::{
    CustodyError, seal_for_gateway,
    tokens::{self, NoRandomness},
};
use portico_model::{
    GatewayId, HostId, ResourceId, Secret, SessionId, Timestamp,
    estate::{Estate, Host, Pool, Protocol, Resource, ResourceKind, SessionPolicy},
    grant::LAUNCH_TICKET_LIFE_MS,
    launch::{Choice, Client, Placement, Refusal},
    people::Principal,
    session::{Session, SessionState},
};
use portico_store::StoreError;
use tokio::time::Instant;

use crate::{
    audit::Note,
    broker::{Broker, Inner},
    candidates::Question,
    gateways::Gateway,
    recent::{LaunchOutcome, LaunchRecord},
    reserve::Wanted,
    tickets::{NoTicket, Ticket},
};

/// Times that a launch is decided anew at once, when others were first.
const TRIES_MAX: usize = 8;
/// Then it waits in line for so long at most.
const LINE_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between tries in line.
const LINE_PAUSE: Duration = Duration::from_millis(10);

/// A launch that was granted.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The session it leads to.
    pub session: SessionId,
    /// What was launched.
    pub resource: ResourceId,
    /// The launch ticket: one use, by this gateway, before it lapses.
    pub ticket: Secret,
    /// When the ticket lapses.
    pub ticket_expires_at: Timestamp,
    /// With this the viewer comes back after its path broke. It becomes good when the ticket's
    /// connection is open, in place of the one before.
    pub reconnect_grant: Secret,
    /// Whether the session was there before.
    pub resumed: bool,
    /// Where it runs, and why not elsewhere.
    pub placement: Placement,
    /// Which viewer it takes.
    pub protocol: Protocol,
    /// What it may do.
    pub policy: SessionPolicy,
    /// Gateway that redeems the ticket.
    pub gateway: GatewayId,
}

/// Why a launch was not granted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LaunchError {
    /// Refused, with the reasons.
    #[error("the launch is refused")]
    Refused(Refusal),
    /// No such session of this user, or it is over.
    #[error("there is no such session any more; launch again")]
    SessionNotFound,
    /// The reconnect grant is not the one of the session's last viewer.
    #[error("the session was taken over by another viewer; launch again to take it back")]
    GrantNotGood,
    /// No gateway is there to carry the connection.
    #[error("no gateway is running")]
    NoGateway,
    /// The password cannot be handed to the gateway.
    #[error("the password could not be handed to the gateway")]
    Password(#[from] CustodyError),
    /// No random bytes.
    #[error("no ticket could be made")]
    NoRandomness(#[from] NoRandomness),
}

impl From<Refusal> for LaunchError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for LaunchError {
    fn from(error: StoreError) -> Self {
        Self::Refused(store_away(&error))
    }
}

impl From<NoTicket> for LaunchError {
    fn from(error: NoTicket) -> Self {
        match error {
            NoTicket::TooMany => Self::Refused(Refusal::Busy),
        }
    }
}

/// The refusal for a store that cannot be read or written.
pub(crate) fn store_away(error: &StoreError) -> Refusal {
    Refusal::StoreAway {
        detail: error.to_string(),
    }
}

/// A resource with all that is needed to start it.
pub(crate) struct Startable<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) pool_id: &'a portico_model::PoolId,
    pub(crate) pool: &'a Pool,
    pub(crate) protocol: Protocol,
}

impl<'a> Startable<'a> {
    /// `resource` of the estate, if it is something to start.
    pub(crate) fn of(estate: &'a Estate, id: &ResourceId) -> Result<Self, Refusal> {
        let not_found = || Refusal::NotFound {
            resource: id.clone(),
        };
        let resource = estate.resources.get(id).ok_or_else(not_found)?;
        let Some(pool_id) = resource.kind.pool() else {
            return Err(Refusal::IsLink {
                resource: id.clone(),
            });
        };
        Ok(Self {
            resource,
            pool_id,
            pool: estate.pools.get(pool_id).ok_or_else(not_found)?,
            protocol: match resource.kind {
                ResourceKind::Terminal { .. } => Protocol::Ssh,
                ResourceKind::Desktop { .. }
                | ResourceKind::Application { .. }
                | ResourceKind::Link { .. } => Protocol::Rdp,
            },
        })
    }

    /// Which session of a user a launch of it comes back to.
    pub(crate) fn wanted(&self, resource: &'a ResourceId) -> Wanted<'a> {
        Wanted::ByRule {
            resource,
            pool_id: self.pool_id,
            pool: self.pool,
        }
    }

    /// Hosts of its pool.
    pub(crate) fn hosts(&self, estate: &'a Estate) -> Vec<(&'a HostId, &'a Host)> {
        let hosts = estate.hosts.iter();
        hosts
            .filter(|(_, host)| host.pool == *self.pool_id)
            .collect()
    }
}

/// The policy of the sessions of a pool.
pub(crate) fn policy(estate: &Estate, pool: &Pool) -> SessionPolicy {
    let named = pool.session_policy.as_ref();
    named
        .and_then(|id| estate.session_policies.get(id))
        .cloned()
        .unwrap_or_default()
}

/// A decision that is in the store.
struct Decided {
    session: Session,
    placement: Placement,
    policy: SessionPolicy,
}

/// Who launches what from where.
struct Ask<'a> {
    principal: &'a Principal,
    resource: &'a ResourceId,
    client: &'a Client,
    /// Hash of the reconnect grant of a session that is new.
    grant_hash: &'a str,
    /// The session to come back to, and to no other.
    only: Option<&'a SessionId>,
}

impl Broker {
    /// Launches `resource` for `principal`, or resumes their running session of it as the rule of
    /// its pool says. `password` is sealed for the gateway at once.
    pub async fn launch(
        &self,
        principal: &Principal,
        resource: &ResourceId,
        client: Client,
        password: Option<Secret>,
    ) -> Result<Launch, LaunchError> {
        self.0
            .launch_and_tell(principal, resource, &client, password, None)
            .await
    }

    /// Comes back to a session with the reconnect grant of its last viewer.
    pub async fn reconnect(
        &self,
        principal: &Principal,
        session: &SessionId,
        grant: &str,
        client: Client,
        password: Option<Secret>,
    ) -> Result<Launch, LaunchError> {
        let found = self.0.own_session(principal, session).await?;
        if !tokens::matches_hash(grant, &found.reconnect_grant_hash) {
            return Err(LaunchError::GrantNotGood);
        }
        self.0
            .launch_and_tell(principal, &found.resource, &client, password, Some(session))
            .await
    }

    /// Comes back to one of their own sessions, from whichever viewer has it: what launching its
    /// resource does not do where each launch is a new session.
    pub async fn resume(
        &self,
        principal: &Principal,
        session: &SessionId,
        client: Client,
        password: Option<Secret>,
    ) -> Result<Launch, LaunchError> {
        let found = self.0.own_session(principal, session).await?;
        self.0
            .launch_and_tell(principal, &found.resource, &client, password, Some(session))
            .await
    }
}

impl Inner {
    /// A running session of `principal`.
    async fn own_session(
        &self,
        principal: &Principal,
        session: &SessionId,
    ) -> Result<Session, LaunchError> {
        let found = self.session(session).await?;
        let own = found.filter(|found| found.user == principal.user && found.state.is_running());
        own.ok_or(LaunchError::SessionNotFound)
    }

    async fn launch_and_tell(
        &self,
        principal: &Principal,
        resource: &ResourceId,
        client: &Client,
        password: Option<Secret>,
        only: Option<&SessionId>,
    ) -> Result<Launch, LaunchError> {
        let begun = Instant::now();
        let outcome = self
            .launch(principal, resource, client, password, only)
            .await;
        let took = begun.elapsed().as_millis();
        self.recent().push(LaunchRecord {
            at: self.clock.now(),
            user: principal.user.clone(),
            resource: resource.clone(),
            outcome: match &outcome {
                Ok(launch) => LaunchOutcome::Placed {
                    placement: launch.placement.clone(),
                    resumed: launch.resumed,
                },
                Err(LaunchError::Refused(refusal)) => LaunchOutcome::Refused(refusal.clone()),
                Err(error) => LaunchOutcome::Failed {
                    detail: error.to_string(),
                },
            },
            session: outcome.as_ref().ok().map(|launch| launch.session.clone()),
            client_address: client.address,
            took_ms: u64::try_from(took).unwrap_or(u64::MAX),
        });
        self.audit_launch(principal, resource, &outcome).await;
        outcome
    }

    async fn launch(
        &self,
        principal: &Principal,
        resource: &ResourceId,
        client: &Client,
        password: Option<Secret>,
        only: Option<&SessionId>,
    ) -> Result<Launch, LaunchError> {
        let grant = tokens::token_of(&*self.chance)?;
        let grant_hash = tokens::sha256_hex(grant.expose().as_bytes());
        let ask = Ask {
            principal,
            resource,
            client,
            grant_hash: &grant_hash,
            only,
        };
        // Before anything is reserved: without a gateway nothing could use it.
        let (gateway, Gateway { public_key, .. }) =
            self.gateways.choose().ok_or(LaunchError::NoGateway)?;
        let sealed_password = match &password {
            Some(password) => Some(seal_for_gateway(&public_key, password)?),
            None => None,
        };
        drop(password);
        let Decided {
            session,
            placement,
            policy,
        } = self.decide(&ask).await?;
        let ticket = Ticket {
            session: session.id.clone(),
            user: principal.user.clone(),
            resource: resource.clone(),
            sign_in: principal.sign_in.clone(),
            gateway: gateway.clone(),
            protocol: session.protocol,
            sealed_password,
            client_address: client.address,
            reconnect_grant_hash: grant_hash.clone(),
        };
        let text = tokens::token_of(&*self.chance)?;
        let ticket = self.tickets().issue(Instant::now(), &text, ticket)?;
        Ok(Launch {
            session: session.id,
            resource: resource.clone(),
            ticket,
            ticket_expires_at: self.clock.now().plus_ms(LAUNCH_TICKET_LIFE_MS),
            reconnect_grant: grant,
            resumed: matches!(placement.choice, Choice::Resumed { .. }),
            placement,
            protocol: session.protocol,
            policy,
            gateway,
        })
    }

    /// Decides until a decision stands: at once a few times, then one after the other.
    async fn decide(&self, ask: &Ask<'_>) -> Result<Decided, LaunchError> {
        // A second launch of the same user comes back to the session of the first one.
        let _turn = self.user_turns.of([&ask.principal.user]).await;
        for _ in 0..TRIES_MAX {
            if let Some(decided) = self.try_once(ask).await? {
                return Ok(decided);
            }
        }
        let deadline = Instant::now() + LINE_TIMEOUT;
        let turn = tokio::time::timeout_at(deadline, self.line.lock()).await;
        let Ok(_turn) = turn else {
            return Err(Refusal::Busy.into());
        };
        while Instant::now() < deadline {
            if let Some(decided) = self.try_once(ask).await? {
                return Ok(decided);
            }
            tokio::time::sleep(LINE_PAUSE).await;
        }
        Err(Refusal::Busy.into())
    }

    /// Reads, decides, and writes if nobody else wrote in between; `None` when somebody did.
    async fn try_once(&self, ask: &Ask<'_>) -> Result<Option<Decided>, LaunchError> {
        let (_, estate) = self.estate().await?;
        let now = self.clock.now();
        let (principal, resource) = (ask.principal, ask.resource);
        let asker = Asker {
            client_address: ask.client.address,
            ..Asker::from(principal)
        };
        entitled(&estate, &asker, resource, now).into_result(resource)?;
        let start = Startable::of(&estate, resource)?;
        let snapshot = self.snapshot(&principal.user, start.pool_id).await?;
        let wanted = match ask.only {
            Some(only) => Wanted::Only(only),
            None => start.wanted(resource),
        };
        let found = snapshot.session(wanted);
        if ask.only.is_some() && found.is_none() {
            return Err(LaunchError::SessionNotFound);
        }
        if found.is_none_or(|(session, _)| !is_resumable(session, now)) {
            self.probe_new(&start.hosts(&estate)).await;
        }
        self.freshen().await?;
        let account = start.pool.account.account(&principal.user);
        let question = Question {
            estate: &estate,
            start: &start,
            account: &account,
            session: found.map(|(session, _)| session),
            last_host: snapshot.last_host.as_ref(),
            client_address: ask.client.address,
            lot: tokens::u64_of(&*self.chance)?,
        };
        let id = SessionId::from_random(tokens::u128_of(&*self.chance)?);
        let (placement, planned) = match self.plan(&question, id.clone(), now) {
            Ok(planned) => planned,
            // Perhaps because another broker has just launched it for them.
            Err(refusal) => {
                let again = self.snapshot(&principal.user, start.pool_id).await?;
                return if again.is_like(&snapshot) {
                    Err(refusal.into())
                } else {
                    Ok(None)
                };
            }
        };
        let session = match (&planned, found) {
            (Some(planned), _) => {
                let session = Session {
                    id,
                    user: principal.user.clone(),
                    resource: resource.clone(),
                    pool: start.pool_id.clone(),
                    host: placement.host.clone(),
                    account: account.clone(),
                    protocol: start.protocol,
                    created_at: now,
                    state: SessionState::Pending {
                        until: now.plus_ms(RESERVATION_LIFE_MS),
                    },
                    state_since: now,
                    reconnect_grant_hash: ask.grant_hash.to_owned(),
                    last_client: ask.client.address,
                    on_host: None,
                    holder: Some(self.id.clone()),
                };
                let rule = start.pool.sessions_per_user;
                self.reserve(&snapshot, found, session, rule, planned)
                    .await?
            }
            (None, Some(found)) => self.relaunch(found, now).await?,
            (None, None) => None,
        };
        Ok(session.map(|session| Decided {
            session,
            placement,
            policy: policy(&estate, start.pool),
        }))
    }

    async fn audit_launch(
        &self,
        principal: &Principal,
        resource: &ResourceId,
        outcome: &Result<Launch, LaunchError>,
    ) {
        let (action, text, detail) = match outcome {
            Ok(launch) => {
                let action = if launch.resumed {
                    "launch.resumed"
                } else {
                    "launch.placed"
                };
                let detail = serde_json::json!({
                    "session": launch.session, "host": launch.placement.host,
                    "choice": launch.placement.choice,
                });
                (action, "ok".to_owned(), detail)
            }
            Err(LaunchError::Refused(refusal)) => {
                let detail = serde_json::to_value(refusal).unwrap_or_default();
                ("launch.refused", "refused".to_owned(), detail)
            }
            Err(error) => ("launch.failed", error.to_string(), serde_json::Value::Null),
        };
        self.note(Note {
            outcome: &text,
            detail,
            ..Note::by(principal, action, resource.as_str())
        })
        .await;
    }
}
