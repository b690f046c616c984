//! Durable launches a second, fairness of a burst, and settling a full directory after a start.
//!
//! `cargo bench -p portico-broker`. The disk decides; `TMPDIR` says which one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its table and may stop at the first error"
)]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use portico_broker::{
    Advertised, AgentSeam, Broker, BrokerParts, EnrollingPeer, GatewaySeam, IssuedMachine, Launch,
    MachineCa, MachineCaError, NewJoinToken, PeerIdentity, Served,
};
use portico_identity::{GatewayKeyPair, LocalUsers, tokens::SystemChance};
use portico_model::{
    BrokerId, ConnectionId, GatewayId, GroupId, HostId, ResourceId, SessionId, Timestamp, UserId,
    launch::Client,
    people::{Principal, Role, Strength},
    seen::{AgentHello, HostReport, HostSession, HostSessionKind, HostSessionState, Load, Order},
    session::EndReason,
};
use portico_net::{
    clock::{Clock, SystemClock},
    tasks::ShutdownToken,
};
use portico_probe::{BoxFuture, ProbeError, ProbeOk, ProbeTarget, Prober};
use portico_store::{SqliteJournal, SqliteStore, Store};
use portico_wire::agent::{EnrollmentAnswer, EnrollmentRequest};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Launches a second on two cores.
const LAUNCHES_BUDGET: f64 = 500.0;
/// Sessions that the worst host of a burst has above the ideal.
const FAIRNESS_BUDGET: usize = 1;
/// Seconds until a directory of 1,000 hosts with 20 sessions each is right after a start.
const RESYNC_BUDGET_S: f64 = 10.0;
/// Hosts, and sessions on each, of the resynchronisation.
const RESYNC: (usize, usize) = (1_000, 20);
/// Launches in progress at once.
const AT_ONCE: usize = 64;

struct AlwaysUp;

impl Prober for AlwaysUp {
    fn probe<'a>(&'a self, _: &'a ProbeTarget) -> BoxFuture<'a, Result<ProbeOk, ProbeError>> {
        Box::pin(async {
            Ok(ProbeOk {
                rtt: Duration::ZERO,
                detail: "up".into(),
            })
        })
    }
}

struct NoConnections;

impl GatewaySeam for NoConnections {
    fn close(&self, _: &ConnectionId, _: EndReason, _: Option<&str>) -> bool {
        false
    }

    fn end_terminal<'a>(
        &'a self,
        _: &'a SessionId,
        _: EndReason,
    ) -> portico_store::BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    println!("{:<44} {:>10} {:>10}", "broker", "seen", "budget");
    runtime.block_on(launches());
    runtime.block_on(burst());
    runtime.block_on(resync());
}

fn row(what: &str, seen: String, budget: String) {
    println!("{what:<44} {seen:>10} {budget:>10}");
}

/// 4,000 people on 200 hosts, 64 launches in progress at a time.
async fn launches() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(&folder, 200, 100).await;
    let begun = Instant::now();
    launch_all(&broker, 4_000, AT_ONCE).await;
    let rate = 4_000.0 / begun.elapsed().as_secs_f64();
    let budget = format!("{LAUNCHES_BUDGET:.0}");
    row("durable launches a second", format!("{rate:.0}"), budget);
}

/// 1,000 launches at the same moment on 50 equal hosts.
async fn burst() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(&folder, 50, 100).await;
    let begun = Instant::now();
    let on = launch_all(&broker, 1_000, 1_000).await;
    let took = begun.elapsed().as_secs_f64();
    let worst = on.values().max().copied().unwrap_or(0).saturating_sub(20);
    let budget = FAIRNESS_BUDGET.to_string();
    row(
        "burst of 1,000 on 50: worst above ideal",
        worst.to_string(),
        budget,
    );
    row(
        "burst of 1,000 on 50: seconds",
        format!("{took:.2}"),
        "-".into(),
    );
}

/// A broker is killed with 20,000 sessions on 1,000 hosts with agents, one session of each
/// host logs off meanwhile, and the next broker learns it all.
async fn resync() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("s.db")).unwrap());
    let before = over(&folder, Arc::clone(&store), "before");
    let (hosts, each) = RESYNC;
    apply(&before, &estate(hosts, 100, "none")).await;
    let mut on: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open: JoinSet<(String, String)> = JoinSet::new();
    for n in 0..hosts * each {
        let broker = before.clone();
        open.spawn(async move { connect(&broker, n).await });
        while open.len() >= 256 || (n + 1 == hosts * each && !open.is_empty()) {
            let (host, user) = open.join_next().await.unwrap().unwrap();
            on.entry(host).or_default().push(user);
        }
    }
    apply(&before, &estate(hosts, 100, "required")).await;
    let mut peers = Vec::new();
    for host in on.keys() {
        peers.push(join(&before, host).await);
    }
    drop(before);

    let begun = Instant::now();
    let after = over(&folder, store, "after");
    let shutdown = ShutdownToken::new();
    let running = {
        let (broker, shutdown) = (after.clone(), shutdown.clone());
        tokio::spawn(async move { broker.run(shutdown).await })
    };
    let mut reports = JoinSet::new();
    for peer in peers {
        let (broker, users) = (after.clone(), on.remove(peer.host.as_str()).unwrap());
        let shutdown = shutdown.clone();
        reports.spawn(async move {
            tell(&broker, peer, users.get(1..).unwrap(), &shutdown).await;
        });
    }
    let wanted = hosts * (each - 1);
    loop {
        let sessions = after.sessions().await.unwrap();
        let seen = sessions.iter().filter(|session| session.on_host.is_some());
        if seen.count() == wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = begun.elapsed().as_secs_f64();
    shutdown.cancel();
    running.await.unwrap();
    while let Some(reported) = reports.join_next().await {
        reported.unwrap();
    }
    let budget = format!("{RESYNC_BUDGET_S:.0}");
    row(
        "resync of 1,000 hosts x 20: seconds",
        format!("{took:.2}"),
        budget,
    );
}

async fn broker(folder: &TempDir, hosts: usize, sessions_max: usize) -> Broker {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("s.db")).unwrap());
    let broker = over(folder, store, "bench");
    apply(&broker, &estate(hosts, sessions_max, "none")).await;
    broker
}

fn over(folder: &TempDir, store: Arc<dyn Store>, id: &str) -> Broker {
    let journal = SqliteJournal::open(&folder.path().join(format!("{id}.db"))).unwrap();
    let broker = Broker::new(BrokerParts {
        store,
        journal: Arc::new(journal),
        clock: Arc::new(SystemClock),
        broker_id: BrokerId::new("bench").unwrap(),
        prober: Arc::new(AlwaysUp),
        local_users: LocalUsers::new().unwrap(),
        chance: Arc::new(SystemChance),
    });
    let keys = GatewayKeyPair::generate().unwrap();
    broker.register_gateway(gateway(), keys.public(), Arc::new(NoConnections));
    broker
}

fn estate(hosts: usize, sessions_max: usize, agent: &str) -> String {
    let mut text = String::from(
        "version = 1\n[[pools]]\nid = \"p\"\ntitle = \"P\"\nsign_ins_max = 0\n\
         [[groups]]\nid = \"all\"\ntitle = \"All\"\n\
         [[resources]]\nid = \"desktop\"\ntitle = \"D\"\nkind = \"desktop\"\npool = \"p\"\n\
         [[entitlements]]\nid = \"e\"\ngroups = [\"all\"]\nresources = [\"desktop\"]\n",
    );
    for n in 0..hosts {
        text += &format!(
            "[[hosts]]\nid = \"h{n}\"\npool = \"p\"\naddress = \"h{n}.example.org\"\n\
             protocol = \"rdp\"\nagent = \"{agent}\"\nsessions_max = {sessions_max}\n\
             pins = [\"sha256:{}\"]\n",
            "0".repeat(64)
        );
    }
    text
}

async fn apply(broker: &Broker, text: &str) {
    let draft = portico_estate::parse("estate.toml", text).unwrap();
    broker
        .apply(&person("root", Role::Owner), draft)
        .await
        .unwrap();
}

fn gateway() -> GatewayId {
    GatewayId::new("gateway").unwrap()
}

fn person(name: &str, role: Role) -> Principal {
    Principal {
        user: UserId::new(name).unwrap(),
        display_name: name.into(),
        groups: vec![GroupId::new("all").unwrap()],
        role,
        strength: Strength::Password,
        sign_in: None,
        signed_in_at: SystemClock.now(),
        client_address: None,
    }
}

async fn launch(broker: &Broker, n: usize) -> Launch {
    let who = person(&format!("u{n}"), Role::User);
    let what = ResourceId::new("desktop").unwrap();
    broker
        .launch(&who, &what, Client::default(), None)
        .await
        .unwrap()
}

/// Launches for `count` people, so many at once, and how many came to each host.
async fn launch_all(broker: &Broker, count: usize, at_once: usize) -> BTreeMap<String, usize> {
    let mut on: BTreeMap<String, usize> = BTreeMap::new();
    let mut running: JoinSet<Launch> = JoinSet::new();
    for n in 0..count {
        let broker = broker.clone();
        running.spawn(async move { launch(&broker, n).await });
        while running.len() >= at_once || (n + 1 == count && !running.is_empty()) {
            let launch = running.join_next().await.unwrap().unwrap();
            *on.entry(launch.placement.host.to_string()).or_default() += 1;
        }
    }
    on
}

/// A session: its host and user.
async fn connect(broker: &Broker, n: usize) -> (String, String) {
    let launch = launch(broker, n).await;
    (launch.placement.host.to_string(), format!("u{n}"))
}

/// A certificate authority that signs nothing: what is measured is the directory.
struct NoCa;

impl MachineCa for NoCa {
    fn key_of(&self, csr_der: &[u8]) -> Result<String, MachineCaError> {
        Ok(portico_identity::tokens::sha256_hex(csr_der))
    }

    fn issue(
        &self,
        csr_der: &[u8],
        _: &HostId,
        now: Timestamp,
    ) -> Result<IssuedMachine, MachineCaError> {
        Ok(IssuedMachine {
            chain_der: vec![csr_der.to_vec()],
            serial: self.key_of(csr_der)?,
            key_sha256: self.key_of(csr_der)?,
            expires_at: now.plus_ms(86_400_000),
        })
    }
}

async fn join(broker: &Broker, host: &str) -> PeerIdentity {
    let host = HostId::new(host).unwrap();
    let new = NewJoinToken {
        host: host.clone(),
        enable: true,
        rejoin: false,
        life_s: 3_600,
    };
    broker.set_served(Served {
        advertise: Advertised {
            link: vec!["broker.example.org:30004".into()],
            enrollment: vec!["broker.example.org:30030".into()],
        },
        ca_sha256: [0; 32],
    });
    let owner = person("root", Role::Owner);
    let (token, _) = broker.create_join_token(&owner, new).await.unwrap();
    let csr_der = host.as_str().as_bytes().to_vec();
    let request = EnrollmentRequest::Join {
        host: host.clone(),
        secret: token.secret.clone(),
        csr_der: csr_der.clone(),
        software: "bench".into(),
    };
    let peer = EnrollingPeer {
        address: None,
        certificate: None,
    };
    let answer = broker.enroll(&NoCa, request, peer).await;
    assert!(matches!(answer, EnrollmentAnswer::Issued { .. }));
    PeerIdentity {
        host,
        serial: NoCa.key_of(&csr_der).unwrap(),
        key_sha256: NoCa.key_of(&csr_der).unwrap(),
        expires_at: SystemClock.now().plus_ms(86_400_000),
    }
}

struct NoOrders;

impl AgentSeam for NoOrders {
    fn send(&self, _: u64, _: Order) -> bool {
        true
    }

    fn close(&self, _: &str) {}
}

/// Links the agent of a host, as often as it is told to come later, and reports until shutdown.
async fn tell(broker: &Broker, peer: PeerIdentity, users: &[String], shutdown: &ShutdownToken) {
    let hello = AgentHello {
        host: peer.host.clone(),
        software: "bench".into(),
        boot: "boot".into(),
        system: "bench".into(),
        cpus: 1,
        identities: vec![],
    };
    let welcome = loop {
        let link = Arc::new(NoOrders);
        match broker.agent_connected(&peer, hello.clone(), link).await {
            Ok(welcome) => break welcome,
            Err(refused) => {
                tokio::time::sleep(Duration::from_millis(refused.retry_after_ms)).await;
            }
        }
    };
    let sessions = users.iter().enumerate().map(|(n, user)| HostSession {
        key: format!("xrdp:{n}"),
        account: user.clone(),
        kind: HostSessionKind::Rdp,
        display: None,
        state: HostSessionState::Disconnected,
        age_s: 100,
        state_age_s: None,
        idle_s: None,
    });
    let mut report = HostReport {
        number: 0,
        load: Load::default(),
        sessions: sessions.collect(),
    };
    while !shutdown.is_cancelled() {
        report.number += 1;
        broker
            .agent_report(&peer.host, welcome.link, report.clone())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(portico_model::seen::REPORT_EVERY_MS)).await;
    }
}
