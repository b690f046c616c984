//! The port check of the running deployment: who is asked for what, what is kept, and what it
//! means for placement.
#![allow(
    clippy::disallowed_methods,
    reason = "servers of the tests are no sockets of Portico"
)]

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use portico_broker::{
    AgentState, CauseKind, FlowQuestion, HostActError, LinkId, PortCheckFilter, PortCheckRow,
    PortCheckSettings, PortVantageState,
};
use portico_brokering::Sight;
use portico_model::{HostId, UserId, launch::Refusal, session::EndReason};
use portico_net::tasks::ShutdownToken;
use portico_probe::check::{Limits, Means};
use portico_wire::agent::{FlowOutcome, FlowTarget};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinHandle};

use crate::{
    agents::{Agents, FakeLink, host_id},
    estate::{TestEstate, closed, owner, resource},
};

const PROBE: &str = "portico.gateway-host-ssh-probe";

/// An SSH server as far as a greeting goes.
struct Ssh {
    port: u16,
    serving: JoinHandle<()>,
}

impl Ssh {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _gone = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await;
            }
        });
        Self { port, serving }
    }

    async fn stop(self) {
        self.serving.abort();
        let _cancelled = self.serving.await;
    }
}

/// One host with an agent, reached by SSH at `port`, and this process.
fn estate(port: u16) -> String {
    format!(
        r#"
version = 1
[[pools]]
id = "terminals"
title = "Terminals"
[[hosts]]
id = "m1"
pool = "terminals"
address = "127.0.0.1"
port = {port}
protocol = "ssh"
agent = "required"
pins = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"]
[[hosts]]
id = "gate"
roles = ["portico.gateway", "portico.broker", "portico.engine"]
address = "192.0.2.9"
[[resources]]
id = "terminal"
title = "Terminal"
kind = "terminal"
pool = "terminals"
[[entitlements]]
id = "staff"
users = ["ina"]
resources = ["terminal"]
[[users]]
id = "ina"
display_name = "Ina"
password = "violet anchor tin"
[[users]]
id = "hanna"
display_name = "Hanna"
role = "help-desk"
"#
    )
}

pub(crate) fn settings() -> PortCheckSettings {
    PortCheckSettings {
        every: Duration::from_secs(600),
        again: Duration::from_secs(60),
        own: Vec::new(),
    }
}

pub(crate) fn means(agents: &Agents) -> Means {
    means_of(&agents.estate)
}

fn means_of(estate: &TestEstate) -> Means {
    portico_net::tls::install_provider();
    Means::of_machine(Limits::default(), Arc::new(estate.clock.clone())).unwrap()
}

pub(crate) fn all() -> PortCheckFilter {
    PortCheckFilter {
        limit: 1_000,
        ..PortCheckFilter::default()
    }
}

/// Everybody who is due does a round; how many were.
async fn round(estate: &TestEstate) -> usize {
    let means = means_of(estate);
    let done = estate.broker.check_due_ports(settings(), &means).await;
    done.unwrap()
}

async fn row(estate: &TestEstate, from: &str, flow: &str) -> PortCheckRow {
    let table = estate.broker.port_checks(&all()).await.unwrap();
    let mut rows = table.rows.into_iter();
    rows.find(|row| row.from.as_str() == from && row.flow.id == flow)
        .unwrap()
}

#[tokio::test]
async fn a_stopped_server_turns_its_flow_and_keeps_sessions_away_until_it_is_back() {
    let ssh = Ssh::start().await;
    let port = ssh.port;
    let agents = Agents::with(&estate(port)).await;
    let estate = &agents.estate;
    agents.reporting("m1").await;
    let before = row(estate, "gate", PROBE).await;
    assert_eq!(before.verdict, "not-checked");
    assert!(before.is_required && before.next_step.is_some());

    assert_eq!(round(estate).await, 1);
    let proven = row(estate, "gate", PROBE).await;
    assert_eq!(proven.verdict, "proven", "{proven:?}");
    assert_eq!(agents.overview("m1").await.why_not, []);
    assert_eq!(round(estate).await, 0, "nothing is due");

    ssh.stop().await;
    agents.clock().advance_ms(59_000);
    assert_eq!(round(estate).await, 0, "what works is not due for long");
    agents.clock().advance_ms(601_000);
    assert_eq!(round(estate).await, 1);
    let refused = row(estate, "gate", PROBE).await;
    assert_eq!(refused.verdict, "refused");
    assert_eq!(refused.since, refused.checked_at);
    let m1 = agents.overview("m1").await;
    assert!(
        matches!(m1.sight, Sight::Unreachable { .. }),
        "{:?}",
        m1.sight
    );
    assert_eq!(m1.agent.unwrap().state, AgentState::Connected);
    let Refusal::NoHost { hosts, .. } = estate.refused("ina", "terminal").await else {
        panic!("another refusal");
    };
    let why = hosts[0].reason.why();
    assert_eq!(hosts[0].reason.code(), "unreachable");
    assert!(
        why.contains("from gate") && why.contains("portico."),
        "{why}"
    );

    let changes = estate.broker.port_changes(Some(PROBE), None, None).await;
    let changes = changes.unwrap();
    let told: Vec<(&str, &str)> = changes
        .iter()
        .map(|change| (change.before.as_str(), change.verdict.as_str()))
        .collect();
    assert_eq!(told, [("proven", "refused"), ("not-checked", "proven")]);
    let audited = estate.audited().await;
    let events = audited
        .iter()
        .filter(|action| *action == "port-check.changed");
    assert_eq!(events.count(), 1, "{audited:?}");

    // Another process knows it from the store.
    let again = estate.killed_and_restarted().await;
    assert_eq!(row(&again, "gate", PROBE).await.verdict, "refused");

    // What fails is looked at again soon, and the host comes back.
    let back = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = back.accept().await.unwrap();
            let _gone = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await;
        }
    });
    agents.clock().advance_ms(66_000);
    assert_eq!(round(estate).await, 1);
    assert_eq!(row(estate, "gate", PROBE).await.verdict, "proven");
    assert_eq!(agents.overview("m1").await.why_not, []);
    serving.abort();
}

#[tokio::test]
async fn a_failure_that_nobody_checks_anew_keeps_nobody_away_for_ever() {
    let ssh = Ssh::start().await;
    let agents = Agents::with(&estate(ssh.port)).await;
    ssh.stop().await;
    agents.reporting("m1").await;
    assert_eq!(round(&agents.estate).await, 1);
    assert_ne!(agents.overview("m1").await.why_not, []);
    agents.clock().advance_ms(180_000);
    assert_eq!(agents.overview("m1").await.why_not, []);
}

#[tokio::test]
async fn a_host_that_comes_and_a_launch_that_fails_are_looked_at_at_once() {
    let ssh = Ssh::start().await;
    let agents = Agents::with(&estate(ssh.port)).await;
    let estate = &agents.estate;
    let (peer, _, _) = agents.reporting("m1").await;
    assert_eq!(round(estate).await, 1);
    agents.clock().advance_ms(5_000);
    agents.link(&peer).await.unwrap();
    assert_eq!(
        round(estate).await,
        1,
        "it is looked at, and nothing is old enough"
    );
    let first = row(estate, "gate", PROBE).await;
    agents.clock().advance_ms(5_001);
    assert_eq!(round(estate).await, 1);
    let second = row(estate, "gate", PROBE).await;
    assert!(second.checked_at > first.checked_at);
    assert_eq!(second.since, first.since);
}

#[tokio::test]
async fn why_a_host_is_not_reached_operators_read_and_users_get_in_a_word() {
    let ssh = Ssh::start().await;
    let port = ssh.port;
    let text = estate(port).replace("users = [\"ina\"]", "users = [\"ina\", \"hanna\"]");
    let agents = Agents::with(&text).await;
    let estate = &agents.estate;
    agents.reporting("m1").await;
    assert_eq!(round(estate).await, 1);
    let (_, grant) = estate.connect("ina", "terminal").await;
    assert_eq!(grant.cause, None);
    let question = FlowQuestion {
        from: Some(host_id("gate")),
        to: host_id("m1"),
        port,
        transport: None,
    };
    let told = estate.broker.explain_flow(&question).await.unwrap();
    assert_eq!((told.flows.len(), told.seen.len()), (2, 2));
    assert_eq!(told.causes, []);

    estate.report(&grant, closed(EndReason::ClientLost)).await;
    ssh.stop().await;
    agents.clock().advance_ms(11_000);
    estate.broker.check_ports_now(&owner(), None).await.unwrap();
    assert_eq!(round(estate).await, 1);
    let kind = CauseKind::NothingListens;
    let told = estate.broker.explain_flow(&question).await.unwrap();
    assert_eq!(told.causes[0].cause.kind, kind);
    let broken = estate.broker.broken_flows(&host_id("m1")).await.unwrap();
    assert_eq!((broken.rows.len(), broken.causes[0].cause.kind), (2, kind));
    let hanna = UserId::new("hanna").unwrap();
    let terminal = resource("terminal");
    let explained = estate.broker.explain(&hanna, &terminal, None, None);
    let explained = explained.await.unwrap();
    let causes = estate.broker.causes_of_launch(&explained).await.unwrap();
    assert_eq!((causes[0].to.as_str(), causes[0].cause.kind), ("m1", kind));
    assert_eq!(causes[0].from, Some(host_id("gate")));
    let refusal = estate.refused("hanna", "terminal").await;
    assert_eq!(estate.broker.cause_of_refusal(&refusal).await, Some(kind));
    // Whoever has a session there comes back to it, and is told why that does not work.
    let again = estate.launch("ina", "terminal").await.unwrap();
    assert!(again.resumed);
    let grant = estate.redeem(&again).await.unwrap();
    assert_eq!(grant.cause.as_deref(), Some(kind.slug()));

    let nobody = FlowQuestion {
        to: host_id("nobody"),
        ..question
    };
    let error = estate.broker.explain_flow(&nobody).await.unwrap_err();
    assert!(error.to_string().contains("nobody"), "{error}");
}

/// Waits for the next order, and answers it with these verdicts.
async fn answered(
    agents: &Agents,
    (link, id): (&FakeLink, LinkId),
    verdicts: &[(u16, &str)],
) -> Vec<FlowTarget> {
    let means = means(agents);
    let broker = &agents.estate.broker;
    let round = broker.check_due_ports(settings(), &means);
    let answer = async {
        loop {
            let next = link.checks.lock().unwrap().pop();
            if let Some((check, targets)) = next {
                let outcomes = verdicts.iter().map(|(target, verdict)| FlowOutcome {
                    target: *target,
                    verdict: (*verdict).into(),
                    evidence: "seen".into(),
                    next_step: None,
                    clue: None,
                    took_ms: 1,
                });
                let (host, outcomes) = (host_id("m1"), outcomes.collect());
                broker.agent_checked(&host, id, check, outcomes, None);
                return targets;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (done, targets) = tokio::join!(round, answer);
    done.unwrap();
    targets
}

#[tokio::test]
async fn an_agent_is_asked_for_its_own_flows_and_cannot_answer_for_others() {
    let ssh = Ssh::start().await;
    let agents = Agents::with(&estate(ssh.port)).await;
    let estate = &agents.estate;
    let (_, welcome, link) = agents.reporting("m1").await;
    let own = (&*link, welcome.link);

    // An agent of an older release is not asked.
    round(estate).await;
    assert!(link.checks.lock().unwrap().is_empty());
    let table = estate.broker.port_checks(&all()).await.unwrap();
    let m1 = table.vantages.iter().find(|v| v.host.as_str() == "m1");
    let m1 = m1.unwrap();
    assert_eq!(m1.state, PortVantageState::Silent);
    assert!(m1.detail.contains("too old"), "{}", m1.detail);

    link.is_able.store(true, Ordering::SeqCst);
    let asked = answered(&agents, own, &[(0, "proven"), (2, "proven")]).await;
    let flows: Vec<&str> = asked.iter().map(|target| target.flow.as_str()).collect();
    assert_eq!(
        flows,
        [
            "portico.agent-broker-enrollment",
            "portico.agent-broker-link"
        ]
    );
    assert!(asked.iter().all(|target| target.address == "192.0.2.9"));
    let link_flow = "portico.agent-broker-link";
    assert_eq!(row(estate, "m1", link_flow).await.verdict, "not-checked");

    // Nothing came of that order: the next one waits a little.
    assert_eq!(round(estate).await, 0);
    agents.clock().advance_ms(30_000);
    answered(&agents, own, &[(1, "refused"), (0, "of-a-later-release")]).await;
    assert_eq!(row(estate, "m1", link_flow).await.verdict, "refused");
    let other = "portico.agent-broker-enrollment";
    assert_eq!(row(estate, "m1", other).await.verdict, "not-checked");
    // What an agent says of its own flows bars nobody.
    assert_eq!(agents.overview("m1").await.why_not, []);
    ssh.stop().await;
}

#[tokio::test]
async fn operators_check_now_and_it_is_audited() {
    let ssh = Ssh::start().await;
    let agents = Agents::with(&estate(ssh.port)).await;
    let estate = &agents.estate;
    assert_eq!(round(estate).await, 1);
    agents.clock().advance_ms(11_000);
    assert_eq!(round(estate).await, 0);
    let hanna = estate.principal("hanna").await;
    let refused = estate.broker.check_ports_now(&hanna, None).await;
    assert!(
        matches!(refused, Err(HostActError::Forbidden(_))),
        "{refused:?}"
    );
    let nobody: &[HostId] = &[host_id("nobody")];
    let unknown = estate.broker.check_ports_now(&owner(), Some(nobody)).await;
    assert!(
        matches!(unknown, Err(HostActError::NoSuchHost { .. })),
        "{unknown:?}"
    );
    let gate: &[HostId] = &[host_id("gate")];
    let before = row(estate, "gate", PROBE).await.checked_at;
    let asked = estate.broker.check_ports_now(&owner(), Some(gate)).await;
    asked.unwrap();
    assert_eq!(round(estate).await, 1);
    assert!(row(estate, "gate", PROBE).await.checked_at > before);
    assert!(
        estate
            .audited()
            .await
            .contains(&"port-check.now".to_owned())
    );
    ssh.stop().await;
}

#[tokio::test]
async fn the_work_begins_by_itself_and_forgets_what_the_estate_has_no_more() {
    let ssh = Ssh::start().await;
    let agents = Agents::with(&estate(ssh.port)).await;
    let broker = &agents.estate.broker;
    let shutdown = ShutdownToken::new();
    let running = tokio::spawn({
        let (broker, means, stop) = (broker.clone(), means(&agents), shutdown.clone());
        async move { broker.check_ports(settings(), means, stop).await }
    });
    let until = async |wanted: &str| loop {
        let table = broker.port_checks(&all()).await.unwrap();
        let found = table.rows.iter().find(|row| row.flow.id == PROBE);
        let verdict = found.map_or("gone", |row| row.verdict.as_str());
        if verdict == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    until("proven").await;
    let changed = estate(ssh.port).replace("id = \"m1\"", "id = \"m9\"");
    agents.estate.apply(&changed).await;
    // The same address under another name is another flow: it is checked without anybody asking.
    until("proven").await;
    let left = async || {
        let changes = broker.port_changes(None, None, Some(&host_id("m1"))).await;
        changes.unwrap().len()
    };
    while left().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shutdown.cancel();
    running.await.unwrap();
    ssh.stop().await;
}
