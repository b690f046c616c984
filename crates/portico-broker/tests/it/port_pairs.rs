//! Paired probes of the running deployment: which flows, who listens, who sends, and what is said
//! of it.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, sync::atomic::Ordering, time::Duration};

use portico_broker::{LinkId, PortCheckRow};
use portico_wire::agent::{HeardBy, PairHeard, PairListen, PairSend, SentOutcome};

use crate::{
    agents::{Agents, FakeLink, host_id},
    port_checks::{all, means, settings},
};

/// `app` opens flows of the classes C, D and E to `main`, and both have an agent.
const ESTATE: &str = r#"
version = 1
[ports.features]
"tarantella.load-balancing" = true
[[pools]]
id = "terminals"
title = "Terminals"
[[hosts]]
id = "app"
pool = "terminals"
address = "192.0.2.1"
protocol = "ssh"
agent = "required"
roles = ["tarantella.application-server", "windows.snmp-agent"]
[[hosts]]
id = "main"
pool = "terminals"
address = "192.0.2.2"
protocol = "ssh"
agent = "required"
roles = ["tarantella.primary-server", "windows.snmp-trap-receiver"]
"#;
const TRAP: &str = "windows-services.snmp-trap";
const X11: &str = "tarantella.x11";
const LOAD: &str = "tarantella.load-balancing-reports";

struct End {
    host: &'static str,
    link: Arc<FakeLink>,
    id: LinkId,
}

async fn end(agents: &Agents, host: &'static str) -> End {
    let (_, welcome, link) = agents.reporting(host).await;
    link.is_able.store(true, Ordering::SeqCst);
    link.pairs.store(true, Ordering::SeqCst);
    End {
        host,
        link,
        id: welcome.link,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn row(agents: &Agents, flow: &str) -> PortCheckRow {
    let table = agents.estate.broker.port_checks(&all()).await.unwrap();
    let mut rows = table.rows.into_iter();
    rows.find(|row| row.from.as_str() == "app" && row.flow.id == flow)
        .unwrap()
}

/// What the ends say of a flow: why the far one does not listen, or where it heard the nonce from,
/// and what became of sending.
#[derive(Clone, Copy)]
enum Says {
    Refuses,
    Heard(Option<&'static str>, SentOutcome),
}

/// Both ends answer for a while; what was ordered.
async fn answered(
    agents: &Agents,
    (near, far): (&End, &End),
    says: impl Fn(&str) -> Says,
) -> Vec<(PairListen, Option<PairSend>)> {
    let broker = &agents.estate.broker;
    let means = means(agents);
    let mut open: BTreeMap<u64, PairListen> = BTreeMap::new();
    let mut done = Vec::new();
    let answer = async {
        loop {
            // Nothing else is of interest here.
            for end in [near, far] {
                for (check, _) in end.link.checks.lock().unwrap().drain(..) {
                    let why = Some("not now".to_owned());
                    broker.agent_checked(&host_id(end.host), end.id, check, Vec::new(), why);
                }
            }
            assert!(near.link.listens.lock().unwrap().is_empty());
            let next = far.link.listens.lock().unwrap().pop();
            if let Some(listen) = next {
                let host = host_id(far.host);
                match says(&listen.flow) {
                    Says::Refuses => {
                        let why = Some("it is in use\u{1b}".to_owned());
                        broker.agent_listens(&host, far.id, listen.pair, why);
                        done.push((listen, None));
                    }
                    Says::Heard(..) => {
                        broker.agent_listens(&host, far.id, listen.pair, None);
                        open.insert(listen.pair, listen);
                    }
                }
            }
            let next = near.link.sends.lock().unwrap().pop();
            if let Some(send) = next {
                let listen = open.remove(&send.pair).expect("it listens before");
                let Says::Heard(from, sent) = says(&send.flow) else {
                    panic!("sent though nobody listens");
                };
                broker.agent_sent(&host_id(near.host), near.id, send.pair, sent, None);
                let heard = PairHeard {
                    pair: send.pair,
                    arrived: from.is_some(),
                    from: from.map(ip),
                    after_ms: 2,
                    by: HeardBy::Listened,
                };
                broker.agent_heard(&host_id(far.host), far.id, heard);
                done.push((listen, Some(send)));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        round = broker.check_due_ports(settings(), &means) => { round.unwrap(); }
        () = answer => {}
    }
    done
}

#[tokio::test]
async fn both_ends_together_show_what_one_alone_cannot() {
    let agents = Agents::with(ESTATE).await;
    let (near, far) = (end(&agents, "app").await, end(&agents, "main").await);
    for flow in [TRAP, X11, LOAD] {
        assert_eq!(row(&agents, flow).await.verdict, "not-checked", "{flow}");
    }
    let done = answered(&agents, (&near, &far), |flow| match flow {
        X11 => Says::Heard(Some("192.0.2.1"), SentOutcome::Echoed),
        TRAP => Says::Heard(Some("192.0.2.1"), SentOutcome::Sent),
        _ => Says::Heard(None, SentOutcome::Sent),
    })
    .await;
    assert!(done.len() >= 3, "{done:?}");
    for (listen, send) in &done {
        let send = send.as_ref().unwrap();
        assert_eq!(
            (listen.address, listen.from.as_slice()),
            (ip("192.0.2.2"), &[ip("192.0.2.1")][..])
        );
        assert_eq!(
            (send.address, send.port, send.nonce),
            (listen.address, listen.port, listen.nonce)
        );
    }
    let ports: BTreeMap<&str, u16> = done
        .iter()
        .map(|(listen, _)| (listen.flow.as_str(), listen.port))
        .collect();
    assert_eq!((ports[TRAP], ports[X11], ports[LOAD]), (162, 6010, 3579));
    let nonces: std::collections::BTreeSet<String> = done
        .iter()
        .map(|(listen, _)| listen.nonce.to_string())
        .collect();
    assert_eq!(nonces.len(), done.len(), "each test has its own");

    let trap = row(&agents, TRAP).await;
    assert_eq!(trap.verdict, "proven", "{trap:?}");
    assert!(
        trap.evidence
            .contains("agent of main heard the nonce on 162/udp"),
        "{trap:?}"
    );
    assert!(trap.evidence.contains("from 192.0.2.1"), "{trap:?}");
    let x11 = row(&agents, X11).await;
    assert_eq!(x11.verdict, "proven", "{x11:?}");
    assert!(x11.evidence.contains("the first of 59526 ports"), "{x11:?}");
    let load = row(&agents, LOAD).await;
    assert_eq!(load.verdict, "no-answer", "{load:?}");
    assert!(
        load.evidence.contains("not heard by main within 5 s"),
        "{load:?}"
    );
    assert!(load.next_step.unwrap().contains("3579/udp"));
}

#[tokio::test]
async fn what_an_end_says_counts_only_as_far_as_it_was_asked() {
    let agents = Agents::with(ESTATE).await;
    let (near, far) = (end(&agents, "app").await, end(&agents, "main").await);
    answered(&agents, (&near, &far), |flow| match flow {
        // Arrived, from an address that does not count.
        TRAP => Says::Heard(Some("198.51.100.7"), SentOutcome::Sent),
        X11 => Says::Heard(Some("192.0.2.1"), SentOutcome::NotEchoed),
        _ => Says::Refuses,
    })
    .await;
    let trap = row(&agents, TRAP).await;
    assert_eq!(trap.verdict, "no-answer", "{trap:?}");
    assert!(
        trap.evidence
            .contains("198.51.100.7, which is no address of app"),
        "{trap:?}"
    );
    assert_eq!(row(&agents, X11).await.verdict, "no-answer");
    let load = row(&agents, LOAD).await;
    assert_eq!(load.verdict, "skipped", "{load:?}");
    assert!(load.evidence.contains("it is in use") && !load.evidence.contains('\u{1b}'));
}

#[tokio::test]
async fn an_end_that_is_too_old_or_silent_is_not_asked_and_the_flow_says_so() {
    let agents = Agents::with(ESTATE).await;
    let near = end(&agents, "app").await;
    let silent = row(&agents, TRAP).await;
    assert_eq!(silent.verdict, "skipped");
    assert!(
        silent.evidence.contains("far end says nothing"),
        "{silent:?}"
    );
    let far = end(&agents, "main").await;
    far.link.pairs.store(false, Ordering::SeqCst);
    let done = answered(&agents, (&near, &far), |_| Says::Refuses).await;
    assert!(done.is_empty(), "{done:?}");
    let old = row(&agents, TRAP).await;
    assert_eq!(old.verdict, "skipped");
    assert!(old.evidence.contains("too old"), "{old:?}");
}
