//! `TestEstate`: a broker over a store file, some hosts, a gateway, and a clock to set.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};

use portico_broker::{Broker, BrokerParts, GatewaySeam, Launch, LaunchError};
use portico_estate::Draft;
use portico_identity::{GatewayKeyPair, LocalUsers};
use portico_model::{
    BrokerId, ConnectionId, GatewayId, ResourceId, Secret, SessionId, SignInId, Timestamp, UserId,
    estate::Protocol,
    grant::{ChannelGrant, RedeemError},
    launch::{Client, Refusal},
    people::{Principal, Role, Strength},
    session::{ConnectionEvent, ConnectionEventKind, EndReason, Session},
};
use portico_net::clock::ManualClock;
use portico_probe::{ProbeError, ProbeOk, ProbeTarget, Prober};
use portico_store::{BoxFuture, Journal, Op, OpResult, SqliteJournal, SqliteStore, Store, Txn};
use tempfile::TempDir;

use crate::trouble::Trouble;

/// Two RDP hosts, two SSH hosts, three users with different entitlements.
pub(crate) const ESTATE: &str = r#"
version = 1

[[pools]]
id = "desktops"
title = "Desktops"
sign_ins_max = 0

[[pools]]
id = "terminals"
title = "Terminals"
account_exceptions = { ina = "root" }

[[hosts]]
id = "d1"
pool = "desktops"
address = "192.0.2.1"
protocol = "rdp"
pins = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]

[[hosts]]
id = "d2"
pool = "desktops"
address = "192.0.2.2"
protocol = "rdp"
pins = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]

[[hosts]]
id = "t1"
pool = "terminals"
address = "192.0.2.3"
protocol = "ssh"
pins = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"]

[[resources]]
id = "desktop"
title = "Desktop"
kind = "desktop"
pool = "desktops"

[[resources]]
id = "editor"
title = "Editor"
kind = "application"
pool = "desktops"
program = "xterm -e nano"

[[resources]]
id = "paint"
title = "Paint"
kind = "application"
pool = "desktops"
program = "xpaint"

[[resources]]
id = "terminal"
title = "Terminal"
kind = "terminal"
pool = "terminals"

[[resources]]
id = "manual"
title = "Manual"
kind = "link"
url = "https://example.org/"

[[resources]]
id = "secret"
title = "Nobody may know"
kind = "desktop"
pool = "desktops"

[[resources]]
id = "office-only"
title = "From the office"
kind = "desktop"
pool = "desktops"

[[entitlements]]
id = "staff"
groups = ["staff"]
resources = ["desktop", "editor", "paint", "terminal", "manual"]

[[entitlements]]
id = "office"
groups = ["staff"]
resources = ["office-only"]
client_networks = ["10.0.0.0/8"]

[[groups]]
id = "staff"
title = "Staff"
members = ["ina", "tom", "hanna"]

[[users]]
id = "ina"
display_name = "Ina"
password = "violet anchor tin"

[[users]]
id = "tom"
display_name = "Tom"

[[users]]
id = "hanna"
display_name = "Hanna"
role = "help-desk"

[[users]]
id = "eve"
display_name = "Eve"
"#;

pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

/// Answers for hosts by address.
#[derive(Default)]
pub(crate) struct FakeHosts(Mutex<BTreeMap<String, String>>);

impl FakeHosts {
    pub(crate) fn down(&self, address: &str) {
        let mut down = self.0.lock().unwrap();
        down.insert(address.into(), "connection refused".into());
    }
}

impl Prober for FakeHosts {
    fn probe<'a>(
        &'a self,
        target: &'a ProbeTarget,
    ) -> portico_probe::BoxFuture<'a, Result<ProbeOk, ProbeError>> {
        Box::pin(async move {
            match self.0.lock().unwrap().get(&target.address) {
                Some(detail) => Err(ProbeError {
                    detail: detail.clone(),
                    next_step: String::new(),
                }),
                None => Ok(ProbeOk {
                    rtt: std::time::Duration::ZERO,
                    detail: "hello".into(),
                }),
            }
        })
    }
}

/// Remembers what the broker asked of it.
pub(crate) struct FakeGateway {
    pub(crate) keys: GatewayKeyPair,
    pub(crate) closed: Mutex<Vec<(ConnectionId, EndReason)>>,
    pub(crate) terminals_ended: Mutex<Vec<SessionId>>,
    /// Details of closings.
    pub(crate) told: Mutex<Vec<String>>,
}

impl GatewaySeam for FakeGateway {
    fn close(&self, connection: &ConnectionId, reason: EndReason, detail: Option<&str>) -> bool {
        if let Some(detail) = detail {
            self.told.lock().unwrap().push(detail.to_owned());
        }
        self.closed
            .lock()
            .unwrap()
            .push((connection.clone(), reason));
        true
    }

    fn end_terminal<'a>(
        &'a self,
        session: &'a SessionId,
        _reason: EndReason,
    ) -> BoxFuture<'a, bool> {
        self.terminals_ended.lock().unwrap().push(session.clone());
        Box::pin(std::future::ready(true))
    }
}

pub(crate) struct TestEstate {
    pub(crate) folder: Arc<TempDir>,
    pub(crate) clock: ManualClock,
    pub(crate) hosts: Arc<FakeHosts>,
    pub(crate) gateway: Arc<FakeGateway>,
    pub(crate) trouble: Arc<Trouble>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) broker: Broker,
}

impl TestEstate {
    /// A broker with [`ESTATE`] applied.
    pub(crate) async fn new() -> Self {
        Self::with(ESTATE).await
    }

    pub(crate) async fn with(text: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let this = Self::open(folder, ManualClock::at(START), Arc::default());
        this.apply(text).await;
        this
    }

    pub(crate) fn open(folder: Arc<TempDir>, clock: ManualClock, hosts: Arc<FakeHosts>) -> Self {
        let store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
        let journal = SqliteJournal::open(&folder.path().join("journal.db")).unwrap();
        let trouble = Arc::new(Trouble::over(Arc::new(store)));
        Self::over(folder, clock, hosts, trouble, Arc::new(journal))
    }

    fn over(
        folder: Arc<TempDir>,
        clock: ManualClock,
        hosts: Arc<FakeHosts>,
        trouble: Arc<Trouble>,
        journal: Arc<dyn Journal>,
    ) -> Self {
        Self::called("b1", folder, clock, hosts, trouble, journal)
    }

    fn called(
        name: &str,
        folder: Arc<TempDir>,
        clock: ManualClock,
        hosts: Arc<FakeHosts>,
        trouble: Arc<Trouble>,
        journal: Arc<dyn Journal>,
    ) -> Self {
        let store: Arc<dyn Store> = Arc::clone(&trouble) as Arc<dyn Store>;
        let broker = Broker::new(BrokerParts {
            store: Arc::clone(&store),
            journal: Arc::clone(&journal),
            clock: Arc::new(clock.clone()),
            broker_id: BrokerId::new(name).unwrap(),
            prober: Arc::clone(&hosts) as Arc<dyn Prober>,
            local_users: local_users(),
            chance: Arc::new(portico_identity::tokens::SystemChance),
        });
        let gateway = Arc::new(FakeGateway {
            keys: GatewayKeyPair::generate().unwrap(),
            closed: Mutex::default(),
            terminals_ended: Mutex::default(),
            told: Mutex::default(),
        });
        let seam = Arc::clone(&gateway) as Arc<dyn GatewaySeam>;
        broker.register_gateway(gateway_id(), gateway.keys.public(), seam);
        Self {
            folder,
            clock,
            hosts,
            gateway,
            trouble,
            store,
            journal,
            broker,
        }
    }

    /// The same, over another store.
    pub(crate) fn over_store(self, trouble: Arc<Trouble>) -> Self {
        Self::over(self.folder, self.clock, self.hosts, trouble, self.journal)
    }

    /// The lease of a broker that is gone has lapsed.
    pub(crate) async fn forget_broker(&self, name: &str) {
        let key = format!("/portico/v1/default/broker/{name}");
        let txn = Txn::of([Op::delete(key)]);
        let outcome = self.store.txn(txn).await.unwrap();
        assert_eq!(outcome.results, [OpResult::Deleted { count: 1 }]);
    }

    /// A second broker process over the same store, as in a cluster.
    pub(crate) fn second_broker(&self) -> Self {
        self.broker_called("b1")
    }

    /// The same with a name of its own.
    pub(crate) fn broker_called(&self, name: &str) -> Self {
        Self::called(
            name,
            Arc::clone(&self.folder),
            self.clock.clone(),
            Arc::clone(&self.hosts),
            Arc::clone(&self.trouble),
            Arc::clone(&self.journal),
        )
    }

    /// The process is killed: another one starts over the files as they are at this instant,
    /// without anything having been closed in order.
    pub(crate) async fn killed_and_restarted(&self) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        let this = Self::open(folder, self.clock.clone(), Arc::clone(&self.hosts));
        this.broker.recover().await.unwrap();
        this
    }

    pub(crate) async fn apply(&self, text: &str) {
        let draft = draft(text);
        self.broker.apply(&owner(), draft).await.unwrap();
    }

    pub(crate) async fn principal(&self, name: &str) -> Principal {
        let user = UserId::new(name).unwrap();
        // Without a store nobody has groups.
        let estate = self.broker.estate().await.unwrap_or_default();
        Principal {
            groups: estate.groups_of(&user),
            role: estate.users.get(&user).map_or(Role::User, |user| user.role),
            display_name: name.into(),
            sign_in: Some(SignInId::new(format!("sign-in-of-{name}")).unwrap()),
            user,
            strength: Strength::Password,
            signed_in_at: self.clock_now(),
            client_address: None,
        }
    }

    /// [`principal`](Self::principal), unless the store is away.
    pub(crate) async fn principal_if_there(&self, name: &str) -> Option<Principal> {
        self.broker.estate().await.ok()?;
        Some(self.principal(name).await)
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        portico_net::clock::Clock::now(&self.clock)
    }

    pub(crate) async fn launch(&self, user: &str, what: &str) -> Result<Launch, LaunchError> {
        let principal = self.principal(user).await;
        let password = Some(Secret::new("violet anchor tin".into()));
        self.broker
            .launch(&principal, &resource(what), client(None), password)
            .await
    }

    pub(crate) async fn refused(&self, user: &str, what: &str) -> Refusal {
        match self.launch(user, what).await {
            Err(LaunchError::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn redeem(&self, launch: &Launch) -> Result<ChannelGrant, RedeemError> {
        self.broker
            .redeem(launch.ticket.expose(), launch.protocol, &gateway_id())
            .await
    }

    /// Launches, redeems and opens: the session is active.
    pub(crate) async fn connect(&self, user: &str, what: &str) -> (Launch, ChannelGrant) {
        let launch = self.launch(user, what).await.unwrap();
        let grant = self.redeem(&launch).await.unwrap();
        self.report(&grant, ConnectionEventKind::Opened).await;
        (launch, grant)
    }

    pub(crate) async fn report(&self, grant: &ChannelGrant, kind: ConnectionEventKind) {
        let event = ConnectionEvent {
            session: grant.session.clone(),
            connection: grant.connection.clone(),
            kind,
        };
        self.broker.report(event).await;
    }

    pub(crate) async fn session(&self, id: &SessionId) -> Session {
        self.broker.session(id).await.unwrap().unwrap()
    }

    /// Every action in the audit log, oldest first.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let page = self.journal.audit(Default::default()).await.unwrap();
        let records = page.records.iter().rev();
        records.map(|record| record.entry.action.clone()).collect()
    }
}

/// One pool for all tests: making it computes a hash.
fn local_users() -> LocalUsers {
    static USERS: OnceLock<LocalUsers> = OnceLock::new();
    let users = USERS.get_or_init(|| LocalUsers::with_limits(2, 1_000).unwrap());
    users.clone()
}

pub(crate) fn closed(reason: EndReason) -> ConnectionEventKind {
    ConnectionEventKind::Closed {
        reason,
        bytes_down: 1,
        bytes_up: 2,
        exit_status: None,
    }
}

pub(crate) fn draft(text: &str) -> Draft {
    match portico_estate::parse("estate.toml", text) {
        Ok(draft) => draft,
        Err(errors) => panic!("{errors:#?}"),
    }
}

pub(crate) fn owner() -> Principal {
    Principal {
        user: UserId::new("root").unwrap(),
        display_name: "root".into(),
        groups: vec![],
        role: Role::Owner,
        strength: Strength::Password,
        sign_in: None,
        signed_in_at: START,
        client_address: None,
    }
}

pub(crate) fn client(address: Option<IpAddr>) -> Client {
    Client { address }
}

pub(crate) fn resource(id: &str) -> ResourceId {
    ResourceId::new(id).unwrap()
}

pub(crate) fn gateway_id() -> GatewayId {
    GatewayId::new("gateway").unwrap()
}

pub(crate) fn viewer_of(protocol: Protocol) -> Protocol {
    match protocol {
        Protocol::Rdp => Protocol::Ssh,
        Protocol::Ssh => Protocol::Rdp,
    }
}

/// Every byte of the files in a folder.
pub(crate) fn bytes_in(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    bytes
}
