//! Firewall rules and listeners that agents tell.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use portico_broker::{
    Broker, HostActError, HostPortsError, LinkId, PORTS_ASKED_MAX, PORTS_TIMEOUT,
};
use portico_model::HostId;
use portico_wire::agent::{
    HostPorts, HostProcess, HostSocket, PortsError, PortsPart, RulesDump, RulesTold, RulesTool,
    SocketTransport,
};

use super::{Agents, FakeLink, MANAGED, host_id};
use crate::estate::owner;

pub(super) fn told() -> HostPorts {
    HostPorts {
        rules: vec![RulesDump {
            tool: RulesTool::Nft,
            told: RulesTold::Text {
                text: "\"".repeat(200_000),
            },
        }],
        sockets: vec![HostSocket {
            transport: SocketTransport::Tcp,
            address: "::".parse().unwrap(),
            port: 22,
            takes_ipv4: true,
            interface: None,
            processes: vec![HostProcess {
                pid: 1,
                name: "sshd".into(),
            }],
        }],
        sockets_fault: None,
        interfaces: vec![],
        client_ports: (32_768, 60_999),
        as_root: true,
    }
}

/// The number of the question that came, once there is one.
async fn question(link: &FakeLink) -> u64 {
    loop {
        if let Some(ask) = link.ports_asked.lock().unwrap().pop() {
            return ask;
        }
        tokio::task::yield_now().await;
    }
}

/// A host whose agent can tell its ports.
async fn able(agents: &Agents, host: &str) -> (HostId, LinkId, Arc<FakeLink>) {
    let (peer, welcome, link) = agents.reporting(host).await;
    link.tells_ports.store(true, SeqCst);
    (peer.host, welcome.link, link)
}

/// What comes of a question that is answered with these parts.
async fn answered(parts: impl FnOnce(u64) -> Vec<PortsPart>) -> Result<HostPorts, HostPortsError> {
    let agents = Agents::new().await;
    let (m1, open, link) = able(&agents, "m1").await;
    let broker = &agents.estate.broker;
    let actor = owner();
    let (outcome, ()) = tokio::join!(broker.host_ports(&actor, &m1), async {
        for part in parts(question(&link).await) {
            broker.agent_ports(&m1, open, part);
        }
    });
    outcome
}

#[tokio::test]
async fn an_answer_is_put_together_whoever_else_speaks() {
    let agents = Agents::new().await;
    let (m1, open, link) = able(&agents, "m1").await;
    let (m2, other, _) = able(&agents, "m2").await;
    let broker = &agents.estate.broker;
    let actor = agents.estate.principal("otto").await;
    let (outcome, ()) = tokio::join!(broker.host_ports(&actor, &m1), async {
        let ask = question(&link).await;
        let parts = told().parts(ask);
        assert!(parts.len() > 2);
        for part in parts {
            // Another host, another link, and another question.
            broker.agent_ports(&m2, other, part.clone());
            broker.agent_ports(&m1, other, part.clone());
            broker.agent_ports(&m1, open, PortsPart::refused(ask + 1, "no".into()));
            broker.agent_ports(&m1, open, part);
        }
    });
    assert_eq!(outcome, Ok(told()));
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_with_its_reason() {
    let refused = answered(|ask| vec![PortsPart::refused(ask, "no\u{1b}[2J".into())]).await;
    let Err(HostPortsError::Refused { why, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(why, "no\\u{1b}[2J");
    let skipped = answered(|ask| {
        let mut parts = told().parts(ask);
        parts.remove(1);
        parts
    })
    .await;
    let fault = PortsError::Order { part: 2, wanted: 1 };
    assert!(
        matches!(&skipped, Err(HostPortsError::Unreadable { fault: seen, .. }) if *seen == fault),
        "{skipped:?}"
    );
    let garbage = answered(|ask| {
        vec![PortsPart {
            bytes: b"\x1b[2J{".to_vec(),
            refused: None,
            ..PortsPart::refused(ask, String::new())
        }]
    })
    .await;
    let error = garbage.unwrap_err().to_string();
    assert!(
        error.contains("is not the expected JSON (line 1"),
        "{error}"
    );
}

#[tokio::test]
async fn who_cannot_be_asked_is_told_with_the_reason() {
    let agents = Agents::with(MANAGED).await;
    let broker = &agents.estate.broker;
    let (actor, m1) = (owner(), host_id("m1"));
    let ask = async |host: &str| broker.host_ports(&actor, &host_id(host)).await.unwrap_err();
    assert!(matches!(
        ask("nowhere").await,
        HostPortsError::Host(HostActError::NoSuchHost { .. })
    ));
    assert!(matches!(
        ask("plain").await,
        HostPortsError::Host(HostActError::NotManaged { .. })
    ));
    assert!(matches!(ask("m1").await, HostPortsError::NoAgent { .. }));
    let (peer, welcome, link) = agents.reporting("m1").await;
    assert!(matches!(ask("m1").await, HostPortsError::NotAble { .. }));
    link.tells_ports.store(true, SeqCst);
    link.is_full.store(true, SeqCst);
    assert!(matches!(ask("m1").await, HostPortsError::Busy { .. }));
    link.is_full.store(false, SeqCst);
    // Rules and processes are for operators.
    for user in ["hanna", "ina"] {
        let actor = agents.estate.principal(user).await;
        let outcome = broker.host_ports(&actor, &m1).await;
        assert!(matches!(outcome, Err(HostPortsError::Forbidden(_))));
    }
    // One that says nothing, and the one who comes meanwhile.
    let (silent, ()) = tokio::join!(ask("m1"), async {
        question(&link).await;
        assert!(matches!(ask("m1").await, HostPortsError::Busy { .. }));
        tokio::time::pause();
        tokio::time::advance(PORTS_TIMEOUT).await;
        tokio::time::resume();
    });
    assert!(
        matches!(silent, HostPortsError::TimedOut { .. }),
        "{silent}"
    );
    // A link that ends, and one that has reported nothing for long.
    agents.reporting("m2").await;
    let again = super::report(2, 1_000);
    let taken = broker.agent_report(&peer.host, welcome.link, again).await;
    taken.unwrap();
    let (gone, ()) = tokio::join!(ask("m1"), async {
        question(&link).await;
        broker.agent_gone(&peer.host, welcome.link, "it went away");
    });
    assert!(matches!(gone, HostPortsError::NoAgent { .. }), "{gone}");
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    tokio::time::resume();
    assert!(matches!(ask("m2").await, HostPortsError::NoAgent { .. }));
}

#[tokio::test]
async fn so_many_are_asked_at_once_and_the_next_one_afterwards() {
    let mut text = MANAGED.to_owned();
    for number in 0..PORTS_ASKED_MAX {
        text.push_str(&format!(
            "\n[[hosts]]\nid = \"n{number}\"\npool = \"desktops\"\naddress = \"192.0.2.1{number}\"\n\
             protocol = \"rdp\"\nagent = \"required\"\n"
        ));
    }
    let agents = Agents::with(&text).await;
    let ask = |broker: Broker, host: HostId| {
        tokio::spawn(async move { broker.host_ports(&owner(), &host).await })
    };
    let mut first = Vec::new();
    for number in 0..PORTS_ASKED_MAX {
        let (host, _, link) = able(&agents, &format!("n{number}")).await;
        first.push(ask(agents.estate.broker.clone(), host));
        question(&link).await;
    }
    let (m1, open, link) = able(&agents, "m1").await;
    let last = ask(agents.estate.broker.clone(), m1.clone());
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*link.ports_asked.lock().unwrap(), [0; 0], "it waits");
    // Whoever goes away makes room.
    first.pop().unwrap().abort();
    for part in told().parts(question(&link).await) {
        agents.estate.broker.agent_ports(&m1, open, part);
    }
    assert_eq!(last.await.unwrap(), Ok(told()));
    first.iter().for_each(tokio::task::JoinHandle::abort);
}
