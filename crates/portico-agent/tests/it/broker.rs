//! A broker that does what the test says: enrollment and link, over real sockets with real TLS.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use portico_model::{
    HostId, Secret,
    estate::AgentLink,
    seen::{AgentHello, HostReport, Order, OrderOutcome},
};
use portico_net::{
    TcpListener,
    clock::{Clock, SystemClock},
    flows,
    link::{LinkReader, LinkWriter, PING_EVERY},
    tls::{
        BuiltInCa, ClientCertificate, ExpectedPeer, MachineIdentity, PeerMachine,
        machine_client_config, machine_server_config, machine_server_name,
    },
};
use portico_wire::agent::{
    CHECKS_FLOWS, ENROLLMENT_FRAME_LEN_MAX, EnrollmentAnswer, EnrollmentRequest, JoinToken,
    PAIRS_FLOWS, TELLS_PORTS, ToAgent, ToBroker,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Long enough for a machine that does much else; nothing waits for it when all is well.
pub(crate) const SOON: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Number of the broker's own pings, which tests do not see answered.
const KEEP_ALIVE: u64 = u64::MAX;

/// What the broker answers to the next requests for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Issue {
        life_ms: i64,
    },
    Wait,
    Refuse(&'static str),
    /// The connection is closed without an answer.
    Nothing,
}

pub(crate) struct TestBroker {
    _folder: tempfile::TempDir,
    pub(crate) ca: Arc<BuiltInCa>,
    pub(crate) identity: MachineIdentity,
    pub(crate) enrollment: SocketAddr,
    pub(crate) link: SocketAddr,
    pub(crate) rules: Arc<Mutex<Rules>>,
    links: mpsc::UnboundedReceiver<Link>,
}

/// How the broker behaves from now on.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) answers: Vec<Answer>,
    pub(crate) asked: Vec<String>,
    /// When, for each of them.
    pub(crate) asked_at: Vec<tokio::time::Instant>,
    /// Answers that were given and whose connection the agent has closed.
    pub(crate) answered: usize,
    /// Refuses every hello with this code, and this time to wait.
    pub(crate) refuse: Option<(&'static str, u64)>,
    /// Link addresses that are told.
    pub(crate) brokers: Vec<String>,
    pub(crate) link: AgentLink,
}

/// A link of an agent that was welcomed or refused.
pub(crate) struct Link {
    pub(crate) hello: AgentHello,
    pub(crate) peer: PeerMachine,
    pub(crate) from: mpsc::UnboundedReceiver<ToBroker>,
    pub(crate) to: mpsc::UnboundedSender<ToAgent>,
}

impl TestBroker {
    pub(crate) async fn start(address: Ipv4Addr) -> Self {
        portico_net::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let now = SystemClock.now();
        let ca = Arc::new(BuiltInCa::open(folder.path(), now).unwrap());
        let identity = ca.issue_broker(&["localhost".into()], now).unwrap();
        let bind = SocketAddr::from((address, 0));
        let enrollment = TcpListener::bind(flows::AGENT_BROKER_ENROLLMENT, bind)
            .await
            .unwrap();
        let link = TcpListener::bind(flows::AGENT_BROKER_LINK, bind)
            .await
            .unwrap();
        let (links_to, links) = mpsc::unbounded_channel();
        let rules = Arc::new(Mutex::new(Rules {
            answers: Vec::new(),
            asked: Vec::new(),
            asked_at: Vec::new(),
            answered: 0,
            refuse: None,
            brokers: vec![link.local_addr().to_string()],
            link: AgentLink::Dial,
        }));
        let broker = Self {
            enrollment: enrollment.local_addr(),
            link: link.local_addr(),
            _folder: folder,
            ca: Arc::clone(&ca),
            identity: identity.clone(),
            rules: Arc::clone(&rules),
            links,
        };
        let acceptor = broker.acceptor(ClientCertificate::Optional);
        tokio::spawn(serve_enrollment(
            enrollment,
            acceptor,
            ca,
            Arc::clone(&rules),
        ));
        let acceptor = broker.acceptor(ClientCertificate::Required);
        tokio::spawn(serve_links(link, acceptor, rules, links_to));
        broker
    }

    fn acceptor(&self, certificate: ClientCertificate) -> TlsAcceptor {
        let ca = self.ca.certificate();
        let config = machine_server_config(
            &self.identity,
            &ca,
            certificate,
            ExpectedPeer::AnyHost,
            Arc::new(SystemClock),
        );
        TlsAcceptor::from(config.unwrap())
    }

    pub(crate) fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules.lock().unwrap());
    }

    pub(crate) fn token(&self, host: &str, at: Ipv4Addr) -> JoinToken {
        JoinToken {
            host: HostId::new(host).unwrap(),
            enrollment: vec![format!("{at}:{}", self.enrollment.port())],
            ca_sha256: self.ca.certificate().sha256(),
            secret: Secret::new("a secret of the tests".into()),
        }
    }

    /// The next link that an agent opens.
    pub(crate) async fn next_link(&mut self) -> Link {
        tokio::time::timeout(SOON, self.links.recv())
            .await
            .expect("an agent connects")
            .unwrap()
    }

    /// A link that an agent has opened by now, if there is one.
    pub(crate) fn link_by_now(&mut self) -> Option<Link> {
        self.links.try_recv().ok()
    }

    /// Opens a link to an agent that listens.
    pub(crate) async fn dial(&self, address: SocketAddr) -> Link {
        let ca = self.ca.certificate();
        let config = machine_client_config(
            &self.identity,
            &ca,
            ExpectedPeer::AnyHost,
            Arc::new(SystemClock),
        )
        .unwrap();
        let stream = portico_net::dial_tcp(
            flows::BROKER_AGENT_LINK,
            "127.0.0.1",
            address.port(),
            TIMEOUT,
        )
        .await
        .unwrap();
        let tls = TlsConnector::from(config)
            .connect(machine_server_name(), stream)
            .await
            .unwrap();
        let peer = PeerMachine::of(tls.get_ref().1).unwrap().unwrap();
        talk(tls, peer, &self.rules).await.unwrap()
    }
}

/// Time passes for everybody at once, and whoever waited for it has turns to do something.
///
/// What has to come is waited for by the caller; the turns are for what must not come.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    for _ in 0..5_000 {
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
}

impl Link {
    /// The next message that is no report.
    pub(crate) async fn answer(&mut self) -> ToBroker {
        loop {
            match self.message().await.expect("the link lives") {
                ToBroker::Report(_) => {}
                other => return other,
            }
        }
    }

    /// The next message; `None` when the link ended.
    pub(crate) async fn message(&mut self) -> Option<ToBroker> {
        tokio::time::timeout(SOON, self.from.recv())
            .await
            .expect("a message comes")
    }

    /// The first report for which `wanted` says yes, and how many came before.
    pub(crate) async fn report(&mut self, wanted: impl Fn(&HostReport) -> bool) -> HostReport {
        loop {
            if let ToBroker::Report(report) = self.message().await.expect("the link lives") {
                assert_eq!(report.check(), Ok(()));
                if wanted(&report) {
                    return report;
                }
            }
        }
    }

    pub(crate) async fn order(&mut self, id: u64, order: Order) -> OrderOutcome {
        self.to.send(ToAgent::Order { id, order }).unwrap();
        match self.answer().await {
            ToBroker::Outcome { order, outcome } if order == id => outcome,
            other => panic!("{other:?}"),
        }
    }
}

async fn serve_enrollment(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ca: Arc<BuiltInCa>,
    rules: Arc<Mutex<Rules>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(tls) = acceptor.accept(stream).await else {
            continue;
        };
        let peer = PeerMachine::of(tls.get_ref().1).unwrap();
        let (read, write) = tokio::io::split(tls);
        let mut reader = LinkReader::with_max(read, ENROLLMENT_FRAME_LEN_MAX);
        let mut writer = LinkWriter::new(write);
        let Ok(request) = reader.read::<EnrollmentRequest>(TIMEOUT).await else {
            continue;
        };
        let (kind, host, csr) = match request {
            EnrollmentRequest::Join {
                host,
                secret,
                csr_der,
                ..
            } => {
                assert_eq!(secret.expose(), "a secret of the tests");
                ("join", host, csr_der)
            }
            EnrollmentRequest::Poll { host, csr_der } => ("poll", host, csr_der),
            EnrollmentRequest::Renew { csr_der } => {
                let portico_net::tls::MachineRole::Host(host) = peer.unwrap().role else {
                    panic!("a broker renews");
                };
                ("renew", host, csr_der)
            }
        };
        let (answer, brokers, link) = {
            let mut rules = rules.lock().unwrap();
            let key = portico_net::tls::csr_key_sha256(&csr).unwrap();
            rules.asked.push(format!("{kind} {}", &key[..8]));
            rules.asked_at.push(tokio::time::Instant::now());
            let answer = if rules.answers.is_empty() {
                Answer::Issue {
                    life_ms: 86_400_000,
                }
            } else {
                rules.answers.remove(0)
            };
            (answer, rules.brokers.clone(), rules.link)
        };
        let answer = match answer {
            Answer::Issue { life_ms } => EnrollmentAnswer::Issued {
                chain_der: ca
                    .issue_machine(&csr, &host, SystemClock.now(), life_ms)
                    .unwrap()
                    .chain_der,
                brokers,
                link,
            },
            Answer::Wait => EnrollmentAnswer::Waiting {
                retry_after_s: 0,
                message: "an operator decides".into(),
            },
            Answer::Refuse(code) => EnrollmentAnswer::Refused {
                code: code.into(),
                message: format!("the token is {code}"),
                next_step: "make another".into(),
            },
            Answer::Nothing => continue,
        };
        writer.write(&answer, TIMEOUT).await.unwrap();
        writer.close(TIMEOUT).await;
        // Nothing more comes; how it ends does not matter.
        let _end = reader.read::<EnrollmentRequest>(TIMEOUT).await;
        rules.lock().unwrap().answered += 1;
    }
}

async fn serve_links(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    rules: Arc<Mutex<Rules>>,
    links: mpsc::UnboundedSender<Link>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, rules, links) = (acceptor.clone(), Arc::clone(&rules), links.clone());
        tokio::spawn(async move {
            let Ok(tls) = acceptor.accept(stream).await else {
                return;
            };
            let peer = PeerMachine::of(tls.get_ref().1).unwrap().unwrap();
            if let Some(link) = talk(tls, peer, &rules).await {
                // The test may be over.
                let _over = links.send(link);
            }
        });
    }
}

async fn talk<S>(stream: S, peer: PeerMachine, rules: &Mutex<Rules>) -> Option<Link>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let (mut reader, mut writer) = (LinkReader::new(read), LinkWriter::new(write));
    let Ok(ToBroker::Hello {
        versions,
        hello,
        abilities,
    }) = reader.read::<ToBroker>(TIMEOUT).await
    else {
        return None;
    };
    assert_eq!(versions, [1]);
    assert_eq!(abilities, [CHECKS_FLOWS, PAIRS_FLOWS, TELLS_PORTS]);
    assert_eq!(hello.check(), Ok(()));
    let (refuse, brokers) = {
        let rules = rules.lock().unwrap();
        (rules.refuse, rules.brokers.clone())
    };
    let answer = match refuse {
        None => ToAgent::Welcome {
            version: 1,
            report_every_ms: 2_000,
            brokers,
        },
        Some((code, retry_after_ms)) => ToAgent::Refused {
            code: code.into(),
            message: "no".into(),
            next_step: "ask".into(),
            retry_after_ms,
        },
    };
    writer.write(&answer, TIMEOUT).await.ok()?;
    let (from_to, from) = mpsc::unbounded_channel();
    let (to, mut to_from) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(message) = reader.read::<ToBroker>(SOON).await {
            if message == (ToBroker::Pong { ping: KEEP_ALIVE }) {
                continue;
            }
            if from_to.send(message).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let mut pings = tokio::time::interval(PING_EVERY);
        loop {
            let message = tokio::select! {
                _ = pings.tick() => ToAgent::Ping { ping: KEEP_ALIVE },
                message = to_from.recv() => match message {
                    Some(message) => message,
                    None => break,
                },
            };
            if writer.write::<ToAgent>(&message, TIMEOUT).await.is_err() {
                return;
            }
        }
        writer.close(TIMEOUT).await;
    });
    Some(Link {
        hello,
        peer,
        from,
        to,
    })
}
