//! Over real TLS on loopback: who is let in, and that a link works either way round.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portico_broker::{
    Advertised, AgentListeners, LinkState, NewJoinToken, REPORT_BURST, REPORT_GAP, ReportRefused,
    Served,
};
use portico_brokering::Sight;
use portico_model::{
    Timestamp,
    estate::AgentLink,
    seen::{HostReport, OrderOutcome, REPORT_SESSIONS_MAX, SeenError},
};
use portico_net::{
    TcpListener, dial_tcp, flows,
    link::{LinkError, LinkReader, LinkWriter},
    tasks::ShutdownToken,
    tls::{
        BuiltInCa, ClientCertificate, ExpectedPeer, MACHINE_LIFE_MS, MachineIdentity, MachineKey,
        enrollment_client_config, machine_client_config, machine_server_config,
        machine_server_name, seen_authority,
    },
};
use portico_wire::agent::{
    CHECKS_FLOWS, ENROLLMENT_FRAME_LEN_MAX, EnrollmentAnswer, EnrollmentRequest, FlowOutcome,
    LINK_VERSION, ToAgent, ToBroker,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::{Agents, MANAGED, code, hello, host_id, join_request, new_token, report, session};
use crate::estate::{START, owner};

const PATIENCE: Duration = Duration::from_secs(20);

/// A broker that serves agents.
struct Site {
    agents: Agents,
    link: SocketAddr,
    enrollment: SocketAddr,
    shutdown: ShutdownToken,
}

/// The agent's end of a link.
struct Wire<S> {
    reader: LinkReader<ReadHalf<S>>,
    writer: LinkWriter<WriteHalf<S>>,
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    fn new(stream: S) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self {
            reader: LinkReader::new(read),
            writer: LinkWriter::new(write),
        }
    }

    async fn say(&mut self, message: &ToBroker) {
        self.writer.write(message, PATIENCE).await.unwrap();
    }

    /// The next message that is no ping.
    async fn hear(&mut self) -> Result<ToAgent, LinkError> {
        loop {
            match self.reader.read(PATIENCE).await? {
                ToAgent::Ping { .. } => {}
                other => return Ok(other),
            }
        }
    }

    async fn greet(&mut self, host: &str, versions: Vec<u16>) -> Result<ToAgent, LinkError> {
        let hello = hello(host);
        let hello = ToBroker::Hello {
            versions,
            hello,
            abilities: vec![],
        };
        self.writer.write(&hello, PATIENCE).await?;
        self.hear().await
    }
}

impl Site {
    async fn new() -> Self {
        Self::of(Agents::new().await).await
    }

    async fn of(agents: Agents) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let link = TcpListener::bind(flows::AGENT_BROKER_LINK, any).await;
        let enrollment = TcpListener::bind(flows::AGENT_BROKER_ENROLLMENT, any).await;
        let (link, enrollment) = (link.unwrap(), enrollment.unwrap());
        let (link_at, enrollment_at) = (link.local_addr(), enrollment.local_addr());
        let shutdown = ShutdownToken::new();
        let advertise = Advertised {
            link: vec![link_at.to_string()],
            enrollment: vec![enrollment_at.to_string()],
        };
        // Serving says it too, but its task may begin after the first token is made.
        agents.estate.broker.set_served(Served {
            advertise: advertise.clone(),
            ca_sha256: agents.ca.certificate().sha256(),
        });
        let listeners = AgentListeners {
            advertise,
            link: Some(link),
            enrollment: Some(enrollment),
            ca: Arc::clone(&agents.ca),
        };
        let (broker, stop) = (agents.estate.broker.clone(), shutdown.clone());
        tokio::spawn(async move { broker.serve_agents(listeners, stop).await });
        Self {
            agents,
            link: link_at,
            enrollment: enrollment_at,
            shutdown,
        }
    }

    fn clock(&self) -> Arc<dyn portico_net::clock::Clock> {
        Arc::new(self.agents.estate.clock.clone())
    }

    /// A certificate of `ca` for `host`, known to the broker or not.
    fn forged(&self, ca: &BuiltInCa, host: &str, from: Timestamp) -> MachineIdentity {
        let key = MachineKey::generate().unwrap();
        let csr = key.csr_der().unwrap();
        let issued = ca.issue_machine(&csr, &host_id(host), from, MACHINE_LIFE_MS);
        MachineIdentity::new(&key, issued.unwrap().chain_der).unwrap()
    }

    async fn enrolled(&self, host: &str) -> MachineIdentity {
        enrolled(&self.agents, host).await
    }

    /// Dials the link port with a certificate. The handshake may only fail with the first read.
    async fn dial(
        &self,
        identity: &MachineIdentity,
    ) -> std::io::Result<client::TlsStream<TcpStream>> {
        let ca = self.agents.ca.certificate();
        let config = machine_client_config(identity, &ca, ExpectedPeer::Broker, self.clock());
        let flow = flows::AGENT_BROKER_LINK;
        let stream = dial_tcp(flow, "127.0.0.1", self.link.port(), PATIENCE).await;
        TlsConnector::from(config.unwrap())
            .connect(machine_server_name(), stream.unwrap())
            .await
    }

    /// Whether an agent with this certificate is let as far as a hello.
    async fn is_let_in(&self, identity: &MachineIdentity, host: &str) -> bool {
        let Ok(stream) = self.dial(identity).await else {
            return false;
        };
        Wire::new(stream)
            .greet(host, vec![LINK_VERSION])
            .await
            .is_ok()
    }

    async fn linked(&self, host: &str) -> Wire<client::TlsStream<TcpStream>> {
        let identity = self.enrolled(host).await;
        let mut wire = Wire::new(self.dial(&identity).await.unwrap());
        let answer = wire.greet(host, vec![LINK_VERSION]).await.unwrap();
        assert!(matches!(answer, ToAgent::Welcome { .. }), "{answer:?}");
        wire
    }

    async fn until_fresh(&self, host: &str) {
        while self.agents.overview(host).await.sight != Sight::Fresh {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A machine that has joined as `host`.
async fn enrolled(agents: &Agents, host: &str) -> MachineIdentity {
    let token = agents
        .token_of(NewJoinToken {
            enable: true,
            ..new_token(host)
        })
        .await;
    let key = MachineKey::generate().unwrap();
    let answer = agents.join(&token, &key).await;
    let EnrollmentAnswer::Issued { chain_der, .. } = answer else {
        panic!("{answer:?}");
    };
    MachineIdentity::new(&key, chain_der).unwrap()
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[tokio::test]
async fn an_agent_joins_links_reports_and_obeys_over_the_network() {
    let site = Site::new().await;
    let token = site.agents.token("m1").await;
    assert_eq!(token.enrollment, [site.enrollment.to_string()]);
    let config = enrollment_client_config(token.ca_sha256, site.clock()).unwrap();
    let flow = flows::AGENT_BROKER_ENROLLMENT;
    let stream = dial_tcp(flow, "127.0.0.1", site.enrollment.port(), PATIENCE).await;
    let stream = TlsConnector::from(config)
        .connect(machine_server_name(), stream.unwrap())
        .await
        .unwrap();
    assert!(seen_authority(stream.get_ref().1, token.ca_sha256).is_some());
    let (read, write) = tokio::io::split(stream);
    let mut reader = LinkReader::with_max(read, ENROLLMENT_FRAME_LEN_MAX);
    let key = MachineKey::generate().unwrap();
    let mut writer = LinkWriter::new(write);
    let request: EnrollmentRequest = join_request(&token, &key);
    writer.write(&request, PATIENCE).await.unwrap();
    let answer: EnrollmentAnswer = reader.read(PATIENCE).await.unwrap();
    let EnrollmentAnswer::Issued {
        chain_der,
        brokers,
        link,
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert_eq!(link, AgentLink::Dial);
    assert_eq!(brokers, [site.link.to_string()]);

    let identity = MachineIdentity::new(&key, chain_der).unwrap();
    let mut wire = Wire::new(site.dial(&identity).await.unwrap());
    let answer = wire.greet("m1", vec![LINK_VERSION, 99]).await.unwrap();
    assert!(matches!(
        answer,
        ToAgent::Welcome {
            version: LINK_VERSION,
            ..
        }
    ));
    wire.say(&ToBroker::Report(report(1, 1_000))).await;
    site.until_fresh("m1").await;

    let broker = site.agents.estate.broker.clone();
    let (actor, m1) = (owner(), host_id("m1"));
    let (outcome, ()) = tokio::join!(broker.message_host(&actor, &m1, "Hello"), async {
        let ToAgent::Order { id: order, .. } = wire.hear().await.unwrap() else {
            panic!("no order");
        };
        let outcome = OrderOutcome::NotFound;
        wire.say(&ToBroker::Outcome { order, outcome }).await;
    });
    assert_eq!(outcome.unwrap(), OrderOutcome::NotFound);
}

#[tokio::test]
async fn certificates_that_do_not_count_are_not_let_in() {
    let site = Site::new().await;
    let folder = tempfile::tempdir().unwrap();
    let other_ca = BuiltInCa::open(folder.path(), START).unwrap();
    let foreign = site.forged(&other_ca, "m1", START);
    assert!(!site.is_let_in(&foreign, "m1").await, "another authority");
    let own = &site.agents.ca;
    let long_ago = START.plus_ms(-MACHINE_LIFE_MS - 1);
    let expired = site.forged(own, "m1", long_ago);
    assert!(!site.is_let_in(&expired, "m1").await, "expired");
    let broker = own.issue_broker(&["localhost".into()], START).unwrap();
    assert!(!site.is_let_in(&broker, "m1").await, "a broker is no agent");
}

#[tokio::test]
async fn agents_without_right_are_told_why() {
    let site = Site::new().await;
    let refused = async |identity: &MachineIdentity, host: &str, version: u16| {
        let mut wire = Wire::new(site.dial(identity).await.unwrap());
        match wire.greet(host, vec![version]).await.unwrap() {
            ToAgent::Refused { code, .. } => {
                // Nothing more comes.
                assert!(wire.hear().await.is_err());
                code
            }
            other => panic!("{other:?}"),
        }
    };
    let m1 = site.enrolled("m1").await;
    assert_eq!(refused(&m1, "m2", LINK_VERSION).await, "other-host");
    assert_eq!(refused(&m1, "m1", 0).await, "version");
    let unknown = site.forged(&site.agents.ca, "m1", START);
    assert_eq!(refused(&unknown, "m1", LINK_VERSION).await, "not-enrolled");
    let broker = &site.agents.estate.broker;
    broker
        .revoke_agent(&owner(), &host_id("m1"), "")
        .await
        .unwrap();
    assert_eq!(refused(&m1, "m1", LINK_VERSION).await, "revoked");
}

#[tokio::test]
async fn a_revocation_ends_the_link_at_once() {
    let site = Site::new().await;
    let mut wire = site.linked("m1").await;
    let broker = &site.agents.estate.broker;
    broker
        .revoke_agent(&owner(), &host_id("m1"), "")
        .await
        .unwrap();
    assert!(wire.hear().await.is_err());
}

#[tokio::test]
async fn an_absurd_report_does_not_end_the_link_and_an_absurd_frame_does() {
    let site = Site::new().await;
    let mut wire = site.linked("m1").await;
    wire.say(&ToBroker::Report(report(1, u32::MAX))).await;
    wire.say(&ToBroker::Report(report(2, 1_000))).await;
    site.until_fresh("m1").await;
    let m1 = site.agents.overview("m1").await;
    assert_eq!(m1.agent.unwrap().refused.count, 1);

    let identity = site.enrolled("m2").await;
    let mut stream = site.dial(&identity).await.unwrap();
    stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut wire = Wire::new(stream);
    assert!(wire.hear().await.is_err());
}

/// Loads that cannot be, as an agent of another make could write them down.
#[tokio::test]
async fn a_negative_load_or_one_that_is_no_number_ends_the_link_and_the_last_good_report_stays() {
    let site = Site::new().await;
    let identity = site.enrolled("m1").await;
    let text = |message: &ToBroker| serde_json::to_string(message).unwrap();
    let hello = text(&ToBroker::Hello {
        versions: vec![LINK_VERSION],
        hello: hello("m1"),
        abilities: vec![],
    });
    let good = text(&ToBroker::Report(report(7, 1_000)));
    for wrong in ["-1", "-1e9", "0.5", "NaN", "Infinity", "1e400", "null"] {
        // A new number, as one that is not new would be refused unread.
        let bad = good.replace("\"number\":7", "\"number\":8");
        let bad = bad.replace("\"cpu\":1000", &format!("\"cpu\":{wrong}"));
        assert_ne!(bad, good);
        let mut stream = site.dial(&identity).await.unwrap();
        for frame in [&hello, &good, &bad] {
            let len = u32::try_from(frame.len()).unwrap();
            stream.write_all(&len.to_be_bytes()).await.unwrap();
            stream.write_all(frame.as_bytes()).await.unwrap();
        }
        stream.flush().await.unwrap();
        let mut wire = Wire::new(stream);
        let welcome = wire.hear().await.unwrap();
        assert!(matches!(welcome, ToAgent::Welcome { .. }), "{welcome:?}");
        assert!(wire.hear().await.is_err(), "{wrong} ends the link");
        let load = site.agents.overview("m1").await.load.unwrap();
        assert_eq!(load.load.cpu, 1_000, "{wrong}");
    }
}

/// The agent's end of a link that writes whatever the test wants.
struct RawWire {
    reader: LinkReader<ReadHalf<client::TlsStream<TcpStream>>>,
    write: WriteHalf<client::TlsStream<TcpStream>>,
}

impl RawWire {
    /// A link of `host` that is welcome.
    async fn linked(site: &Site, host: &str) -> Self {
        let identity = site.enrolled(host).await;
        let (read, write) = tokio::io::split(site.dial(&identity).await.unwrap());
        let mut wire = Self {
            reader: LinkReader::new(read),
            write,
        };
        wire.say(&ToBroker::Hello {
            versions: vec![LINK_VERSION],
            hello: hello(host),
            abilities: vec![],
        })
        .await;
        let answer: ToAgent = wire.reader.read(PATIENCE).await.unwrap();
        assert!(matches!(answer, ToAgent::Welcome { .. }), "{answer:?}");
        wire
    }

    async fn say(&mut self, message: &ToBroker) {
        let text = serde_json::to_string(message).unwrap();
        self.frame(&text).await;
    }

    async fn frame(&mut self, text: &str) {
        let len = u32::try_from(text.len()).unwrap();
        self.write.write_all(&len.to_be_bytes()).await.unwrap();
        self.write.write_all(text.as_bytes()).await.unwrap();
        self.write.flush().await.unwrap();
    }
}

/// Waits without letting time pass, so that neither a ping nor a report falls due meanwhile.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "it does not come to that");
        tokio::task::yield_now().await;
    }
}

/// What is no JSON would end the link if it was read.
#[tokio::test]
async fn reports_that_come_too_soon_or_too_late_are_refused_by_their_first_bytes() {
    let site = Site::new().await;
    let mut wire = RawWire::linked(&site, "m1").await;
    tokio::time::pause();
    let refused = async || {
        let m1 = site.agents.overview("m1").await;
        m1.agent.unwrap().refused
    };
    let burst = u64::from(REPORT_BURST);
    wire.say(&ToBroker::Report(report(5, 1_000))).await;
    wire.frame(r#"{"kind":"report","number":5,neither JSON nor new"#)
        .await;
    until(async || refused().await.count == 1).await;
    let old = ReportRefused::OldNumber { number: 5, last: 5 };
    assert_eq!(refused().await.last, Some(old));
    // The two have spent two of the burst.
    for number in 0..burst - 2 {
        wire.say(&ToBroker::Report(report(6 + number, 1_000))).await;
    }
    for number in 0..100 {
        let number = 1_000 + number;
        wire.frame(&format!(r#"{{"kind":"report","number":{number},no JSON"#))
            .await;
    }
    until(async || refused().await.count == 101).await;
    assert_eq!(refused().await.last, Some(ReportRefused::TooOften));
    // The link goes on, and takes the next one that comes in time.
    tokio::time::advance(REPORT_GAP).await;
    wire.say(&ToBroker::Report(report(1_200, 3_000))).await;
    until(async || {
        let load = site.agents.overview("m1").await.load;
        load.is_some_and(|load| load.load.cpu == 3_000)
    })
    .await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_report_of_too_many_sessions_is_refused_and_the_link_goes_on() {
    let site = Site::new().await;
    let mut wire = site.linked("m1").await;
    let many = (0..=REPORT_SESSIONS_MAX).map(|n| session(&n.to_string()));
    wire.say(&ToBroker::Report(HostReport {
        sessions: many.collect(),
        ..report(1, 1_000)
    }))
    .await;
    wire.say(&ToBroker::Report(report(2, 2_000))).await;
    site.until_fresh("m1").await;
    let refused = site.agents.overview("m1").await.agent.unwrap().refused;
    assert_eq!(refused.count, 1);
    let count = REPORT_SESSIONS_MAX + 1;
    let wrong = SeenError::TooManySessions { count };
    assert_eq!(refused.last, Some(ReportRefused::Absurd(wrong)));
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_not_read_and_those_asked_for_have_a_limit() {
    let site = Site::new().await;
    let mut wire = RawWire::linked(&site, "m1").await;
    let ToAgent::Ping { ping } = wire.reader.read(PATIENCE).await.unwrap() else {
        panic!("no ping");
    };
    // Before the next ping.
    tokio::time::pause();
    wire.say(&ToBroker::Pong { ping }).await;
    for _ in 0..100 {
        wire.frame(r#"{"kind":"outcome","order":1,no JSON"#).await;
        wire.frame(r#"{"kind":"later","#).await;
    }
    wire.say(&ToBroker::Report(report(1, 1_000))).await;
    until(async || site.agents.overview("m1").await.sight == Sight::Fresh).await;
    tokio::time::resume();

    let ToAgent::Ping { ping } = wire.reader.read(PATIENCE).await.unwrap() else {
        panic!("no ping");
    };
    let filler = "x".repeat(128 * 1024);
    wire.frame(&format!(
        r#"{{"kind":"pong","ping":{ping},"more":"{filler}"}}"#
    ))
    .await;
    let ended = loop {
        match wire.reader.read::<ToAgent>(PATIENCE).await {
            Ok(ToAgent::Ping { .. }) => {}
            other => break other,
        }
    };
    assert!(ended.is_err(), "{ended:?}");

    let mut wire = RawWire::linked(&site, "m2").await;
    wire.frame(r#"{"number":1,"kind":"report"}"#).await;
    let ended = loop {
        match wire.reader.read::<ToAgent>(PATIENCE).await {
            Ok(ToAgent::Ping { .. }) => {}
            other => break other,
        }
    };
    assert!(ended.is_err(), "the kind does not stand first: {ended:?}");
}

#[tokio::test]
async fn hosts_that_listen_are_dialled_and_must_be_who_the_estate_says() {
    let listens = MANAGED.replacen("id = \"m1\"", "id = \"m1\"\nagent_link = \"listen\"", 1);
    let agents = Agents::with(&listens).await;
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listener = TcpListener::bind(flows::BROKER_AGENT_LINK, any)
        .await
        .unwrap();
    let broker = agents.estate.broker.clone();
    broker.dial_agents_at(listener.local_addr().port());
    // Before the broker dials, as it waits for a handshake only so long.
    let own = enrolled(&agents, "m1").await;
    let other = enrolled(&agents, "m2").await;
    let site = Site::of(agents).await;
    let acceptor = |identity: &MachineIdentity| {
        let config = machine_server_config(
            identity,
            &site.agents.ca.certificate(),
            ClientCertificate::Required,
            ExpectedPeer::Broker,
            site.clock(),
        );
        TlsAcceptor::from(config.unwrap())
    };
    // Another machine at the address of the host.
    let (stream, _) = listener.accept().await.unwrap();
    assert!(acceptor(&other).accept(stream).await.is_err());
    // The broker comes again.
    let (stream, _) = listener.accept().await.unwrap();
    let stream = acceptor(&own).accept(stream).await.unwrap();
    let mut wire = Wire::new(stream);
    let answer = wire.greet("m1", vec![LINK_VERSION]).await.unwrap();
    assert!(matches!(answer, ToAgent::Welcome { .. }), "{answer:?}");
    wire.say(&ToBroker::Report(report(1, 1_000))).await;
    site.until_fresh("m1").await;
    // And again when the link has ended.
    drop(wire);
    listener.accept().await.unwrap();
}

#[tokio::test]
async fn strangers_who_say_nothing_do_not_keep_others_out() {
    let site = Site::new().await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        let flow = flows::AGENT_BROKER_LINK;
        let stream = dial_tcp(flow, "127.0.0.1", site.link.port(), PATIENCE).await;
        silent.push(stream.unwrap());
    }
    let mut wire = site.linked("m1").await;
    wire.say(&ToBroker::Report(report(1, 1_000))).await;
    site.until_fresh("m1").await;
    // What is no TLS at all is dropped.
    for stream in &mut silent {
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    }
    assert_eq!(
        code(
            &site
                .agents
                .poll("m1", &MachineKey::generate().unwrap())
                .await
        ),
        "not-waiting"
    );
}

/// Lets time pass by itself until the other end gives up.
async fn until_dropped<S: AsyncRead + Unpin>(mut stream: S) -> Duration {
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let mut rest = Vec::new();
    // How it ends does not matter: in order, or broken.
    let _ended = stream.read_to_end(&mut rest).await;
    tokio::time::resume();
    begun.elapsed()
}

#[tokio::test]
async fn a_client_that_stalls_before_or_after_its_handshake_is_dropped() {
    let site = Site::new().await;
    for port in [site.link.port(), site.enrollment.port()] {
        let flow = flows::AGENT_BROKER_LINK;
        let stream = dial_tcp(flow, "127.0.0.1", port, PATIENCE).await;
        let took = until_dropped(stream.unwrap()).await;
        assert!(took <= Duration::from_secs(16), "{took:?}");
    }
    let identity = site.enrolled("m1").await;
    let stream = site.dial(&identity).await.unwrap();
    let took = until_dropped(stream).await;
    assert!(took <= Duration::from_secs(16), "{took:?}");
}

#[tokio::test]
async fn a_link_that_stalls_half_open_ends_and_its_host_falls_silent() {
    let site = Site::new().await;
    let identity = site.enrolled("m1").await;
    let stream = site.dial(&identity).await.unwrap();
    let mut wire = Wire::new(stream);
    wire.greet("m1", vec![LINK_VERSION]).await.unwrap();
    wire.say(&ToBroker::Report(report(1, 1_000))).await;
    site.until_fresh("m1").await;
    // From here on it takes what comes and says nothing, not even to pings.
    tokio::time::pause();
    let ended = loop {
        match wire.reader.read::<ToAgent>(PATIENCE).await {
            Ok(ToAgent::Ping { .. }) => {}
            other => break other,
        }
    };
    tokio::time::resume();
    assert!(
        !matches!(ended, Err(LinkError::TimedOut { .. })),
        "{ended:?}"
    );
    let m1 = site.agents.overview("m1").await;
    assert!(matches!(m1.sight, Sight::Silent { .. }), "{:?}", m1.sight);
    assert_eq!(m1.agent.unwrap().link, LinkState::Closed);
}

/// An agent that can check flows, over the network, at a site where there is something to check.
async fn able(site: &Site) -> Wire<client::TlsStream<TcpStream>> {
    let identity = site.enrolled("m1").await;
    let mut wire = Wire::new(site.dial(&identity).await.unwrap());
    wire.say(&ToBroker::Hello {
        versions: vec![LINK_VERSION],
        hello: hello("m1"),
        abilities: vec!["dance".into(), CHECKS_FLOWS.into()],
    })
    .await;
    let answer = wire.hear().await.unwrap();
    assert!(matches!(answer, ToAgent::Welcome { .. }), "{answer:?}");
    wire.say(&ToBroker::Report(report(1, 1_000))).await;
    site.until_fresh("m1").await;
    wire
}

#[tokio::test]
async fn an_agent_that_says_it_can_is_given_flows_and_its_answer_is_kept() {
    let text = format!(
        "{MANAGED}\n[[hosts]]\nid = \"gate\"\nroles = [\"portico.broker\"]\naddress = \"192.0.2.9\"\n"
    );
    let site = Site::of(Agents::with(&text).await).await;
    let mut wire = able(&site).await;
    let broker = site.agents.estate.broker.clone();
    let means = crate::port_checks::means(&site.agents);
    let settings = crate::port_checks::settings();
    let round = tokio::spawn({
        let broker = broker.clone();
        async move { broker.check_due_ports(settings, &means).await.unwrap() }
    });
    // What nobody asked for is passed over, and the link goes on.
    wire.say(&ToBroker::Pong { ping: 99 }).await;
    let order = wire.hear().await.unwrap();
    let ToAgent::Check { check, targets } = order else {
        panic!("{order:?}");
    };
    let asked: Vec<(&str, u16)> = targets
        .iter()
        .map(|target| (target.address.as_str(), target.port))
        .collect();
    assert_eq!(asked, [("192.0.2.9", 30_030), ("192.0.2.9", 30_004)]);
    let outcome = |target| FlowOutcome {
        target,
        verdict: "no-answer".into(),
        evidence: "nothing \u{1b}[2J came back".into(),
        next_step: Some("look".into()),
        clue: None,
        took_ms: 3_000,
    };
    wire.say(&ToBroker::Checked {
        check,
        outcomes: vec![outcome(0), outcome(1)],
        refused: None,
    })
    .await;
    // This process has no host to reach: only the agent was asked.
    assert_eq!(round.await.unwrap(), 1);
    let table = broker
        .port_checks(&crate::port_checks::all())
        .await
        .unwrap();
    let m1 = table.rows.iter().filter(|row| row.from.as_str() == "m1");
    let m1: Vec<_> = m1.collect();
    assert_eq!(m1.len(), 2);
    for row in m1 {
        assert_eq!(row.verdict, "no-answer");
        assert_eq!(row.evidence, "nothing \\u{1b}[2J came back");
    }
    // The host that is not managed has nobody who checks, and the silent one says so.
    let state = |host: &str| {
        let vantage = table.vantages.iter().find(|v| v.host.as_str() == host);
        vantage.map(|vantage| vantage.state)
    };
    use portico_broker::PortVantageState as State;
    assert_eq!(state("m1"), Some(State::Reporting));
    assert_eq!(state("m2"), Some(State::Silent));
}
