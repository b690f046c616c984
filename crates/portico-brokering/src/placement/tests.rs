//! Tests of placement, by what they are about.

use portico_model::{
    ResourceId, SessionId, UserId,
    estate::{
        AgentLink, AgentMode, HostMode, LoadWeights, Pin, PlacementRule, RdpSecurity,
        SessionsPerAccount,
    },
    session::{EndReason, SessionState},
};

use super::*;

mod eligible;
mod properties;
mod resuming;
mod ruling;

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn host(sessions_max: u32) -> Host {
    Host {
        title: String::new(),
        pool: PoolId::new("p").unwrap(),
        roles: vec![],
        address: "192.0.2.1".into(),
        protocol: Protocol::Rdp,
        port: 3389,
        security: RdpSecurity::Negotiate,
        agent: AgentMode::None,
        sessions_max,
        mode: HostMode::Enabled,
        pins: vec![Pin::CertificateSha256([0; 32])],
        weight: 100,
        sessions_per_account: SessionsPerAccount::default(),
        site: None,
        agent_link: AgentLink::default(),
        network: Default::default(),
    }
}

/// A host of the pool as a test case.
#[derive(Debug, Clone)]
struct Case {
    id: HostId,
    host: Host,
    sight: Sight,
    mode: Option<ModeSet>,
    trusted: bool,
    load: Option<Load>,
    sessions: u32,
    sign_ins: u32,
    accounts: Vec<&'static str>,
    holds_account: bool,
    penalty: Option<Penalty>,
}

fn case(id: &str, sessions: u32, sessions_max: u32) -> Case {
    Case {
        id: HostId::new(id).unwrap(),
        host: host(sessions_max),
        sight: Sight::Reachable,
        mode: None,
        trusted: true,
        load: None,
        sessions,
        sign_ins: 0,
        accounts: vec![],
        holds_account: false,
        penalty: None,
    }
}

impl Case {
    fn weighing(mut self, weight: u32) -> Self {
        self.host.weight = weight;
        self
    }

    fn at(mut self, site: &str) -> Self {
        self.host.site = Some(SiteId::new(site).unwrap());
        self
    }

    fn busy(mut self, cpu: u32) -> Self {
        self.load = Some(Load {
            cpu,
            ..Load::default()
        });
        self
    }

    fn penalised(mut self) -> Self {
        self.penalty = Some(penalty::after_failure(None, NOW));
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn snapshot(&self) -> HostSnapshot<'_> {
        HostSnapshot {
            id: &self.id,
            host: &self.host,
            sight: self.sight.clone(),
            mode: self.mode.clone(),
            trusted: self.trusted,
            load: self.load,
            sessions: self.sessions,
            sign_ins: self.sign_ins,
            accounts: self.accounts.clone(),
            holds_account: self.holds_account,
            penalty: self.penalty,
        }
    }
}

/// A launch as a test case.
#[derive(Debug, Clone, Default)]
struct Scene {
    rules: Pool,
    hosts: Vec<Case>,
    session: Option<Session>,
    last_host: Option<HostId>,
    client_site: Option<SiteId>,
    client_address: Option<IpAddr>,
    turn: u64,
    lot: u64,
}

impl Scene {
    fn of(rule: PlacementRule, hosts: impl IntoIterator<Item = Case>) -> Self {
        Self {
            rules: Pool {
                placement: rule,
                ..Pool::default()
            },
            hosts: hosts.into_iter().collect(),
            ..Self::default()
        }
    }

    fn coming_back_to(mut self, session: Session) -> Self {
        self.session = Some(session);
        self
    }

    fn with<T>(&self, look: impl FnOnce(&PlacementInput<'_>) -> T) -> T {
        let pool_id = PoolId::new("p").unwrap();
        let session = self.session.as_ref().map(|session| {
            let home = self.hosts.iter().find(|host| host.id == session.host);
            Resumable {
                session,
                host: home.map(|home| &home.host),
                mode: home.and_then(|home| home.mode.as_ref()),
                trusted: home.is_some_and(|home| home.trusted),
            }
        });
        look(&PlacementInput {
            pool_id: &pool_id,
            pool: &self.rules,
            protocol: Protocol::Rdp,
            account: "ina",
            hosts: self.hosts.iter().map(Case::snapshot).collect(),
            session,
            last_host: self.last_host.as_ref(),
            client_site: self.client_site.as_ref(),
            client_address: self.client_address,
            turn: self.turn,
            lot: self.lot,
        })
    }

    fn place(&self) -> Result<Placement, Refusal> {
        self.with(|input| place(input, NOW))
    }

    fn chosen(&self) -> String {
        self.place().unwrap().host.to_string()
    }

    /// The reasons of the hosts of a refusal, by host in the order of the input.
    fn refused(&self) -> Vec<(String, NotChosen)> {
        match self.place() {
            Err(Refusal::NoHost { hosts, .. }) => reasons(&hosts),
            other => panic!("{other:?}"),
        }
    }
}

fn reasons(hosts: &[HostVerdict]) -> Vec<(String, NotChosen)> {
    hosts
        .iter()
        .map(|v| (v.host.to_string(), v.reason.clone()))
        .collect()
}

fn session(on: &str, state: SessionState) -> Session {
    Session {
        id: SessionId::from_random(7),
        user: UserId::new("ina").unwrap(),
        resource: ResourceId::new("desktop").unwrap(),
        pool: PoolId::new("p").unwrap(),
        host: HostId::new(on).unwrap(),
        account: "ina".into(),
        protocol: Protocol::Rdp,
        created_at: NOW,
        state,
        state_since: NOW,
        reconnect_grant_hash: String::new(),
        last_client: None,
        on_host: None,
        holder: None,
    }
}

fn disconnected() -> SessionState {
    SessionState::Disconnected {
        reason: EndReason::ClientLost,
    }
}

fn set(mode: HostMode) -> ModeSet {
    ModeSet {
        mode,
        by: "olga".into(),
        at: NOW,
        reason: "disks".into(),
        until_restart_of: None,
    }
}
