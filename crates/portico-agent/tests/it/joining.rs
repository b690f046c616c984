//! Joining, renewing and the link, against a broker of the tests.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use portico_agent::{
    agent::Agent,
    enrollment::{EnrollError, RENEW_PAUSE, join, renewed},
    load::LoadOf,
    orders::Host,
    sampler::Sampler,
    state::{Joined, Joining, StateFolder},
};
use portico_model::{
    estate::{AgentLink, Protocol},
    seen::{Order, OrderOutcome},
};
use portico_net::{
    clock::{Clock, SystemClock},
    tasks::ShutdownToken,
    tls::MachineRole,
};
use portico_wire::agent::{HostPorts, JoinToken, PortsParts, ToAgent, ToBroker};

use crate::broker::{Answer, Link, SOON, TestBroker, pass};

const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

async fn join_with(folder: &Path, token: &JoinToken) -> Result<Joined, EnrollError> {
    let folder = StateFolder::open(folder).unwrap();
    join(&folder, Joining::of(token), Some(token), &clock()).await
}

/// An agent of this machine; ends with the test.
fn start(folder: &Path, joined: Joined, listen: Option<SocketAddr>) -> ShutdownToken {
    let host = Host::new(Sampler::new("/", LoadOf::Machine), clock(), 1, Vec::new());
    let agent = Agent {
        host,
        joined,
        folder: StateFolder::open(folder).unwrap(),
        listen,
        clock: clock(),
    };
    let shutdown = ShutdownToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move { agent.run(&token).await.unwrap() });
    shutdown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_joins_once_and_keeps_its_certificate() {
    let broker = TestBroker::start(LOCAL).await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let token = broker.token("sh1", LOCAL);
    let joined = join_with(&state, &token).await.unwrap();
    assert_eq!(
        joined.identity.about().role,
        MachineRole::Host(token.host.clone())
    );
    let kept = StateFolder::open(&state).unwrap();
    let again = kept.joined().unwrap().unwrap();
    assert_eq!(again.identity.about(), joined.identity.about());
    assert_eq!(again.brokers, [broker.link.to_string()]);
    assert!(kept.joining().unwrap().is_none());
    assert!(again.joining.is_of_same_token(&Joining::of(&token)));
    // Nobody else reads the key, and the secret is nowhere.
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(std::fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(
            std::fs::metadata(&path).unwrap().mode() & 0o077,
            0,
            "{path:?}"
        );
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("a secret of the tests"), "{path:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_waits_or_meets_a_busy_broker_asks_again_with_the_same_key() {
    let broker = TestBroker::start(LOCAL).await;
    broker.rule(|rules| {
        rules.answers = vec![
            Answer::Nothing,
            Answer::Refuse("busy"),
            Answer::Wait,
            Answer::Issue {
                life_ms: 86_400_000,
            },
        ];
    });
    let folder = tempfile::tempdir().unwrap();
    join_with(folder.path(), &broker.token("sh1", LOCAL))
        .await
        .unwrap();
    broker.rule(|rules| {
        let keys: Vec<&str> = rules.asked.iter().map(|asked| &asked[5..]).collect();
        let kinds: Vec<&str> = rules.asked.iter().map(|asked| &asked[..4]).collect();
        assert_eq!(kinds, ["join", "join", "join", "poll"]);
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_ends_the_join_with_the_brokers_words() {
    let broker = TestBroker::start(LOCAL).await;
    broker.rule(|rules| rules.answers = vec![Answer::Refuse("used")]);
    let folder = tempfile::tempdir().unwrap();
    let error = join_with(folder.path(), &broker.token("sh1", LOCAL))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the broker refuses (used): the token is used"
    );
    assert_eq!(error.next_step(), "make another");
    assert!(
        StateFolder::open(folder.path())
            .unwrap()
            .joining()
            .unwrap()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_is_told_to_no_other_authority() {
    let broker = TestBroker::start(LOCAL).await;
    let folder = tempfile::tempdir().unwrap();
    let mut token = broker.token("sh1", LOCAL);
    token.ca_sha256[0] ^= 1;
    // It goes on asking, in case another broker comes up at the address.
    let asking = tokio::time::timeout(Duration::from_secs(2), join_with(folder.path(), &token));
    assert!(asking.await.is_err());
    broker.rule(|rules| assert!(rules.asked.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_reports_answers_pings_and_carries_out_orders() {
    let mut broker = TestBroker::start(LOCAL).await;
    let folder = tempfile::tempdir().unwrap();
    let joined = join_with(folder.path(), &broker.token("sh1", LOCAL))
        .await
        .unwrap();
    let shutdown = start(folder.path(), joined, None);
    let mut link = broker.next_link().await;
    assert_eq!(link.hello.host.as_str(), "sh1");
    assert_eq!(link.peer.role, MachineRole::Host(link.hello.host.clone()));
    assert!(
        link.hello.cpus >= 1 && link.hello.boot.len() >= 36,
        "{:?}",
        link.hello
    );
    let first = link.report(|_| true).await;
    let second = link.report(|report| report.load.memory > 0).await;
    assert!(second.number > first.number || first.load.memory > 0);
    link.to.send(ToAgent::Ping { ping: 77 }).unwrap();
    assert_eq!(link.answer().await, ToBroker::Pong { ping: 77 });
    let outcome = link.order(5, Order::TellIdentities).await;
    assert!(
        matches!(outcome, OrderOutcome::Identities { .. }),
        "{outcome:?}"
    );
    let probe = Order::Probe {
        protocol: Protocol::Ssh,
        address: "127.0.0.1".into(),
        port: broker.link.port(),
    };
    let outcome = link.order(6, probe).await;
    assert!(
        matches!(outcome, OrderOutcome::Failed { .. }),
        "{outcome:?}"
    );
    let told = tells_ports(&mut link, 7).await;
    let own = told
        .sockets
        .iter()
        .find(|socket| socket.port == broker.link.port());
    let own = own.expect("the test's own listener");
    let pid = std::process::id();
    assert!(
        own.processes.iter().any(|process| process.pid == pid),
        "{own:?}"
    );
    // Each tool has said something, if only that it is not there or may not.
    assert_eq!(told.rules.len(), 3, "{:?}", told.rules);
    // A broker that goes away and comes back has its agent again.
    drop(link);
    let mut link = broker.next_link().await;
    link.report(|_| true).await;
    shutdown.cancel();
    while link.message().await.is_some() {}
}

/// What the agent tells when it is asked for its rules and listeners, twice at the same time.
async fn tells_ports(link: &mut Link, ask: u64) -> HostPorts {
    for ask in [ask, ask + 1] {
        link.to.send(ToAgent::TellPorts { ask }).unwrap();
    }
    let mut parts = PortsParts::default();
    let mut second = None;
    loop {
        let ToBroker::Ports(part) = link.answer().await else {
            panic!("another answer");
        };
        if part.ask == ask + 1 {
            assert_eq!(second, None);
            second = Some(part.refused.expect("one answer at a time"));
        } else if let Some(document) = parts.take(part).unwrap() {
            assert!(second.unwrap().contains("already"));
            return HostPorts::read(&document).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_keeps_a_link_to_every_broker_it_is_told_of() {
    let mut one = TestBroker::start(LOCAL).await;
    let folder = tempfile::tempdir().unwrap();
    let joined = join_with(folder.path(), &one.token("sh1", LOCAL))
        .await
        .unwrap();
    // The second broker has the same authority: it is another listener of the first.
    let second = portico_net::TcpListener::bind(
        portico_net::flows::AGENT_BROKER_LINK,
        SocketAddr::from((LOCAL, 0)),
    )
    .await
    .unwrap();
    let (one_at, second_at) = (one.link.to_string(), second.local_addr().to_string());
    one.rule(|rules| rules.brokers = vec![one_at, second_at]);
    let _shutdown = start(folder.path(), joined, None);
    let mut link = one.next_link().await;
    let connected = tokio::time::timeout(SOON, second.accept()).await;
    connected
        .expect("the agent dials the second broker")
        .unwrap();
    // That the second one says nothing does not hold the first.
    link.report(|report| report.number >= 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_agent_is_not_heard_of_for_minutes_and_a_refused_one_waits() {
    let mut broker = TestBroker::start(LOCAL).await;
    let folder = tempfile::tempdir().unwrap();
    let joined = join_with(folder.path(), &broker.token("sh1", LOCAL))
        .await
        .unwrap();
    broker.rule(|rules| rules.refuse = Some(("version", 500)));
    let _shutdown = start(folder.path(), joined, None);
    // Refused for now: it comes again.
    broker.next_link().await;
    broker.rule(|rules| rules.refuse = Some(("revoked", 0)));
    broker.next_link().await;
    let again = tokio::time::timeout(Duration::from_secs(12), broker.next_link());
    assert!(again.await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_at_half_of_its_life_and_the_link_goes_on() {
    let mut broker = TestBroker::start(LOCAL).await;
    // It is valid from an hour before it was made, so it is past its half already.
    broker.rule(|rules| {
        rules.answers = vec![
            Answer::Issue { life_ms: 1_000_000 },
            Answer::Issue { life_ms: 1_000_000 },
        ]
    });
    let folder = tempfile::tempdir().unwrap();
    let joined = join_with(folder.path(), &broker.token("sh1", LOCAL))
        .await
        .unwrap();
    let before = joined.identity.about().serial_hex.clone();
    let _shutdown = start(folder.path(), joined, None);
    let kept = StateFolder::open(folder.path()).unwrap();
    let mut link = broker.next_link().await;
    let renewed = async {
        loop {
            link.report(|_| true).await;
            if kept.joined().unwrap().unwrap().identity.about().serial_hex != before {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, renewed).await.unwrap();
    // The new one is past its half, too, and is not renewed again at once.
    link.report(|report| report.number >= 3).await;
    broker.rule(|rules| {
        assert!(rules.asked[1].starts_with("renew"), "{:?}", rules.asked);
        assert_eq!(rules.asked.len(), 2, "{:?}", rules.asked);
    });
}

/// Time is set by hand once nothing is on its way, so that no limit of a connection is reached.
#[tokio::test]
async fn an_agent_that_renews_too_soon_keeps_its_certificate_and_asks_again_later() {
    let broker = TestBroker::start(LOCAL).await;
    broker.rule(|rules| {
        rules.answers = vec![
            // Past its half already.
            Answer::Issue { life_ms: 1_000_000 },
            Answer::Refuse("too-soon"),
            Answer::Refuse("too-soon"),
            Answer::Issue { life_ms: 1_000_000 },
        ]
    });
    let folder = tempfile::tempdir().unwrap();
    let joined = join_with(folder.path(), &broker.token("sh1", LOCAL))
        .await
        .unwrap();
    let before = joined.identity.about().serial_hex.clone();
    let state = StateFolder::open(folder.path()).unwrap();
    let renewing = tokio::spawn(async move { renewed(&state, &joined, &clock()).await });
    let kept = StateFolder::open(folder.path()).unwrap();
    for refused in [2, 3] {
        let answered = || broker.rules.lock().unwrap().answered;
        while answered() < refused {
            tokio::task::yield_now().await;
        }
        let serial = kept
            .joined()
            .unwrap()
            .unwrap()
            .identity
            .about()
            .serial_hex
            .clone();
        assert_eq!(serial, before);
        pass(RENEW_PAUSE - Duration::from_secs(1)).await;
        assert_eq!(answered(), refused, "it was told that it is too soon");
        pass(RENEW_PAUSE / 2 + Duration::from_secs(1)).await;
    }
    let next = tokio::time::timeout(SOON, renewing).await.unwrap().unwrap();
    assert_ne!(next.identity.about().serial_hex, before);
    broker.rule(|rules| {
        let waits = rules.asked_at.windows(2).map(|two| two[1] - two[0]);
        let waits: Vec<Duration> = waits.skip(1).collect();
        assert_eq!(waits.len(), 2);
        assert!(waits.iter().all(|wait| *wait >= RENEW_PAUSE), "{waits:?}");
    });
}

#[tokio::test]
async fn an_agent_whose_identities_change_too_often_comes_again_when_it_was_told_to() {
    const TOLD: Duration = Duration::from_secs(50);
    let mut broker = TestBroker::start(LOCAL).await;
    let folder = tempfile::tempdir().unwrap();
    let joined = join_with(folder.path(), &broker.token("sh1", LOCAL))
        .await
        .unwrap();
    let told_ms = u64::try_from(TOLD.as_millis()).unwrap();
    broker.rule(|rules| rules.refuse = Some(("identities-too-often", told_ms)));
    let shutdown = start(folder.path(), joined, None);
    let mut refused = broker.next_link().await;
    while refused.message().await.is_some() {}
    broker.rule(|rules| rules.refuse = None);
    pass(TOLD - Duration::from_secs(1)).await;
    assert!(broker.link_by_now().is_none(), "it was told to wait");
    pass(TOLD / 2 + Duration::from_secs(1)).await;
    let mut link = broker.next_link().await;
    // What it shows was not lost by the refusal: it is told again.
    assert_eq!(link.hello.identities, refused.hello.identities);
    link.report(|_| true).await;
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_listens_takes_links_of_brokers_of_its_authority_only() {
    let broker = TestBroker::start(LOCAL).await;
    let other = TestBroker::start(LOCAL).await;
    broker.rule(|rules| rules.link = AgentLink::Listen);
    let folder = tempfile::tempdir().unwrap();
    let joined = join_with(folder.path(), &broker.token("sh1", LOCAL))
        .await
        .unwrap();
    // A port that was free a moment ago.
    let free = portico_net::TcpListener::bind(
        portico_net::flows::BROKER_AGENT_LINK,
        SocketAddr::from((LOCAL, 0)),
    )
    .await
    .unwrap();
    let address = free.local_addr();
    drop(free);
    let _shutdown = start(folder.path(), joined, Some(address));
    // The agent's listener comes up with its task.
    let mut link = loop {
        let dialled = portico_net::dial_tcp(
            portico_net::flows::BROKER_AGENT_LINK,
            "127.0.0.1",
            address.port(),
            SOON,
        )
        .await;
        if dialled.is_ok() {
            break broker.dial(address).await;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(link.hello.host.as_str(), "sh1");
    link.report(|_| true).await;
    let refused = tokio::spawn(async move { other.dial(address).await.hello });
    assert!(refused.await.is_err());
    link.report(|_| true).await;
}
