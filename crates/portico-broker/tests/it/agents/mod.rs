//! Agents: joining, linking, reporting, and what operators decide about them.

mod approvals;
mod join;
mod links;
mod maintenance;
mod network;
mod operating;
mod ports;
mod reports;

use std::sync::{Arc, Mutex};

use portico_broker::{
    Advertised, AgentRefused, AgentSeam, AgentWelcome, EnrollingPeer, NewJoinToken, PeerIdentity,
    Served,
};
use portico_model::{
    HostId, Timestamp,
    estate::Pin,
    seen::{AgentHello, HostReport, HostSession, HostSessionKind, HostSessionState, Load, Order},
};
use portico_net::{
    clock::ManualClock,
    tls::{BuiltInCa, MachineKey, PeerMachine},
};
use portico_wire::agent::{
    EnrollmentAnswer, EnrollmentRequest, FlowTarget, JoinToken, PairListen, PairSend,
};
use tempfile::TempDir;

use crate::estate::{START, TestEstate, owner};

/// Two hosts with agents, and one that is not managed.
pub(crate) const MANAGED: &str = r#"
version = 1

[[pools]]
id = "desktops"
title = "Desktops"

[[hosts]]
id = "m1"
pool = "desktops"
address = "127.0.0.1"
protocol = "rdp"
agent = "required"

[[hosts]]
id = "m2"
pool = "desktops"
address = "192.0.2.2"
protocol = "rdp"
agent = "required"

[[hosts]]
id = "plain"
pool = "desktops"
address = "192.0.2.3"
protocol = "rdp"
pins = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]

[[resources]]
id = "desktop"
title = "Desktop"
kind = "desktop"
pool = "desktops"

[[entitlements]]
id = "staff"
users = ["ina"]
resources = ["desktop"]

[[users]]
id = "ina"
display_name = "Ina"

[[users]]
id = "hanna"
display_name = "Hanna"
role = "help-desk"

[[users]]
id = "otto"
display_name = "Otto"
role = "operator"
"#;

/// A broker with managed hosts, and the authority of its agents.
pub(crate) struct Agents {
    pub(crate) estate: TestEstate,
    pub(crate) ca: Arc<BuiltInCa>,
    /// Where the authority's key is.
    _folder: TempDir,
}

/// What the broker asked of a link.
#[derive(Default)]
pub(crate) struct FakeLink {
    pub(crate) orders: Mutex<Vec<(u64, Order)>>,
    pub(crate) closed: Mutex<Option<String>>,
    pub(crate) is_full: std::sync::atomic::AtomicBool,
    /// Whether the agent says that it can check flows.
    pub(crate) is_able: std::sync::atomic::AtomicBool,
    pub(crate) checks: Mutex<Vec<(u64, Vec<FlowTarget>)>>,
    /// Whether the agent says that it can do paired probes.
    pub(crate) pairs: std::sync::atomic::AtomicBool,
    pub(crate) listens: Mutex<Vec<PairListen>>,
    pub(crate) sends: Mutex<Vec<PairSend>>,
    /// Whether the agent says that it can tell rules and listeners.
    pub(crate) tells_ports: std::sync::atomic::AtomicBool,
    pub(crate) ports_asked: Mutex<Vec<u64>>,
}

impl AgentSeam for FakeLink {
    fn send(&self, id: u64, order: Order) -> bool {
        if self.is_full.load(std::sync::atomic::Ordering::SeqCst) {
            return false;
        }
        self.orders.lock().unwrap().push((id, order));
        true
    }

    fn checks_flows(&self) -> bool {
        self.is_able.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn check(&self, check: u64, targets: Vec<FlowTarget>) -> bool {
        self.checks.lock().unwrap().push((check, targets));
        true
    }

    fn pairs_flows(&self) -> bool {
        self.pairs.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn listen(&self, listen: PairListen) -> bool {
        self.listens.lock().unwrap().push(listen);
        true
    }

    fn send_pair(&self, send: PairSend) -> bool {
        self.sends.lock().unwrap().push(send);
        true
    }

    fn tells_ports(&self) -> bool {
        self.tells_ports.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn tell_ports(&self, ask: u64) -> bool {
        if self.is_full.load(std::sync::atomic::Ordering::SeqCst) {
            return false;
        }
        self.ports_asked.lock().unwrap().push(ask);
        true
    }

    fn close(&self, why: &str) {
        *self.closed.lock().unwrap() = Some(why.to_owned());
    }
}

impl FakeLink {
    pub(crate) fn closed(&self) -> Option<String> {
        self.closed.lock().unwrap().clone()
    }
}

impl Agents {
    pub(crate) async fn new() -> Self {
        Self::with(MANAGED).await
    }

    pub(crate) async fn with(text: &str) -> Self {
        portico_net::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let ca = Arc::new(BuiltInCa::open(folder.path(), START).unwrap());
        let estate = TestEstate::with(text).await;
        estate.broker.set_served(Served {
            advertise: Advertised {
                link: vec!["broker.example.org:30004".into()],
                enrollment: vec!["broker.example.org:30030".into()],
            },
            ca_sha256: ca.certificate().sha256(),
        });
        Self {
            estate,
            ca,
            _folder: folder,
        }
    }

    pub(crate) fn clock(&self) -> &ManualClock {
        &self.estate.clock
    }

    pub(crate) async fn token(&self, host: &str) -> JoinToken {
        self.token_of(new_token(host)).await
    }

    pub(crate) async fn token_of(&self, new: NewJoinToken) -> JoinToken {
        let made = self.estate.broker.create_join_token(&owner(), new).await;
        made.unwrap().0
    }

    pub(crate) async fn enroll(
        &self,
        request: EnrollmentRequest,
        certificate: Option<PeerIdentity>,
    ) -> EnrollmentAnswer {
        let peer = EnrollingPeer {
            address: Some("192.0.2.77".parse().unwrap()),
            certificate,
        };
        let broker = &self.estate.broker;
        broker.enroll(self.ca.as_ref(), request, peer).await
    }

    pub(crate) async fn join(&self, token: &JoinToken, key: &MachineKey) -> EnrollmentAnswer {
        self.enroll(join_request(token, key), None).await
    }

    pub(crate) async fn poll(&self, host: &str, key: &MachineKey) -> EnrollmentAnswer {
        let request = EnrollmentRequest::Poll {
            host: host_id(host),
            csr_der: key.csr_der().unwrap(),
        };
        self.enroll(request, None).await
    }

    pub(crate) async fn renew(&self, peer: &PeerIdentity, key: &MachineKey) -> EnrollmentAnswer {
        let request = EnrollmentRequest::Renew {
            csr_der: key.csr_der().unwrap(),
        };
        self.enroll(request, Some(peer.clone())).await
    }

    /// A machine that has joined as `host`, and takes sessions.
    pub(crate) async fn joined(&self, host: &str) -> (PeerIdentity, MachineKey) {
        let token = self
            .token_of(NewJoinToken {
                enable: true,
                ..new_token(host)
            })
            .await;
        let key = MachineKey::generate().unwrap();
        let answer = self.join(&token, &key).await;
        (peer_of(&answer), key)
    }

    pub(crate) async fn link(
        &self,
        peer: &PeerIdentity,
    ) -> Result<(AgentWelcome, Arc<FakeLink>), AgentRefused> {
        self.link_with(peer, hello(peer.host.as_str())).await
    }

    pub(crate) async fn link_with(
        &self,
        peer: &PeerIdentity,
        hello: AgentHello,
    ) -> Result<(AgentWelcome, Arc<FakeLink>), AgentRefused> {
        let link = Arc::new(FakeLink::default());
        let seam = Arc::clone(&link) as Arc<dyn AgentSeam>;
        let welcome = self.estate.broker.agent_connected(peer, hello, seam).await;
        welcome.map(|welcome| (welcome, link))
    }

    /// A host whose agent is linked and has reported.
    pub(crate) async fn reporting(
        &self,
        host: &str,
    ) -> (PeerIdentity, AgentWelcome, Arc<FakeLink>) {
        let (peer, _) = self.joined(host).await;
        let (welcome, link) = self.link(&peer).await.unwrap();
        let report = report(1, 1_000);
        let broker = &self.estate.broker;
        broker
            .agent_report(&peer.host, welcome.link, report)
            .await
            .unwrap();
        (peer, welcome, link)
    }

    pub(crate) async fn overview(&self, host: &str) -> portico_broker::HostOverview {
        let views = self.estate.broker.host_views().await.unwrap();
        views
            .into_iter()
            .find(|view| view.id.as_str() == host)
            .unwrap()
    }
}

pub(crate) fn new_token(host: &str) -> NewJoinToken {
    NewJoinToken {
        host: host_id(host),
        enable: false,
        rejoin: false,
        life_s: 3_600,
    }
}

pub(crate) fn join_request(token: &JoinToken, key: &MachineKey) -> EnrollmentRequest {
    EnrollmentRequest::Join {
        host: token.host.clone(),
        secret: token.secret.clone(),
        csr_der: key.csr_der().unwrap(),
        software: "portico-agent test".into(),
    }
}

/// The machine that a certificate was issued for.
pub(crate) fn peer_of(answer: &EnrollmentAnswer) -> PeerIdentity {
    let EnrollmentAnswer::Issued { chain_der, .. } = answer else {
        panic!("{answer:?}");
    };
    let machine = PeerMachine::of_chain(chain_der).unwrap();
    let portico_net::tls::MachineRole::Host(host) = machine.role else {
        panic!("a broker");
    };
    PeerIdentity {
        host,
        serial: machine.serial_hex,
        key_sha256: machine.key_sha256,
        expires_at: machine.expires_at,
    }
}

/// Code of a refusal.
pub(crate) fn code(answer: &EnrollmentAnswer) -> &str {
    match answer {
        EnrollmentAnswer::Refused { code, .. } => code,
        EnrollmentAnswer::Issued { .. } => "issued",
        EnrollmentAnswer::Waiting { .. } => "waiting",
    }
}

pub(crate) fn hello(host: &str) -> AgentHello {
    AgentHello {
        host: host_id(host),
        software: "portico-agent test".into(),
        boot: "boot-1".into(),
        system: "Debian 12".into(),
        cpus: 2,
        identities: vec![pin(1)],
    }
}

pub(crate) fn pin(byte: u8) -> Pin {
    Pin::CertificateSha256([byte; 32])
}

pub(crate) fn report(number: u64, cpu: u32) -> HostReport {
    HostReport {
        number,
        load: Load {
            cpu,
            memory: 2_000,
            memory_total_bytes: 1 << 30,
            ..Load::default()
        },
        sessions: vec![],
    }
}

pub(crate) fn session(key: &str) -> HostSession {
    HostSession {
        key: key.into(),
        account: "ina".into(),
        kind: HostSessionKind::Rdp,
        display: Some(":10".into()),
        state: HostSessionState::Active,
        age_s: 60,
        state_age_s: None,
        idle_s: None,
    }
}

pub(crate) fn host_id(id: &str) -> HostId {
    HostId::new(id).unwrap()
}

pub(crate) fn hours(count: i64) -> i64 {
    count * 3_600_000
}

pub(crate) fn at(ms: i64) -> Timestamp {
    START.plus_ms(ms)
}
