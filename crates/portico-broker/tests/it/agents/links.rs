//! Who may link, and what a link ends by.

use portico_broker::{CONNECTS_AT_ONCE, CONNECTS_OF_HOST_AT_ONCE, LinkState};
use portico_model::seen::{AgentHello, TEXT_LEN_MAX};
use portico_net::tasks::ShutdownToken;

use super::{Agents, MANAGED, hello, host_id, report};
use crate::estate::owner;

#[tokio::test]
async fn an_agent_is_welcome_and_told_every_broker() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    let (welcome, _) = agents.link(&peer).await.unwrap();
    assert_eq!(welcome.report_every_ms, 2_000);
    assert_eq!(welcome.brokers, ["broker.example.org:30004"]);
    let m1 = agents.overview("m1").await.agent.unwrap();
    assert_eq!(m1.link, LinkState::Open);
    assert_eq!(m1.software.as_deref(), Some("portico-agent test"));
    assert_eq!(m1.certificate_expires_at, Some(peer.expires_at));
}

#[tokio::test]
async fn an_agent_that_says_it_is_another_host_is_refused() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    let refused = agents.link_with(&peer, hello("m2")).await.err().unwrap();
    assert_eq!(refused.code, "other-host");
    assert!(refused.message.contains("m2") && refused.message.contains("m1"));
    assert!(refused.retry_after_ms >= 60_000);
}

#[tokio::test]
async fn an_absurd_hello_is_refused_with_the_field() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    let long = AgentHello {
        system: "x".repeat(TEXT_LEN_MAX + 1),
        ..hello("m1")
    };
    let refused = agents.link_with(&peer, long).await.err().unwrap();
    assert_eq!(refused.code, "bad-hello");
    assert!(refused.message.contains("system"), "{refused}");
}

#[tokio::test]
async fn a_host_that_is_not_in_the_estate_any_more_is_refused_and_its_link_ends() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    let (_, link) = agents.link(&peer).await.unwrap();
    let gone = MANAGED.replace("id = \"m1\"", "id = \"m9\"");
    agents.estate.apply(&gone).await;
    agents.estate.broker.probe_hosts().await.unwrap();
    assert!(link.closed().unwrap().contains("estate"));
    let refused = agents.link(&peer).await.err().unwrap();
    assert_eq!(refused.code, "host-not-managed");
}

#[tokio::test]
async fn a_second_link_takes_the_place_of_the_first() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    let (first, old) = agents.link(&peer).await.unwrap();
    let (second, new) = agents.link(&peer).await.unwrap();
    assert!(old.closed().is_some() && new.closed().is_none());
    let broker = &agents.estate.broker;
    let late = broker.agent_report(&peer.host, first.link, report(1, 1));
    assert!(late.await.is_err());
    // The end of the first is not the end of the second.
    broker.agent_gone(&peer.host, first.link, "closed");
    let report = broker.agent_report(&peer.host, second.link, report(1, 1));
    report.await.unwrap();
    broker.agent_gone(&peer.host, second.link, "closed");
    let m1 = agents.overview("m1").await.agent.unwrap();
    assert_eq!(m1.link, LinkState::Closed);
}

#[tokio::test]
async fn an_agent_that_links_again_and_again_is_told_when_to_come_and_keeps_nobody_out() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    let (other, _) = agents.joined("m2").await;
    // Time stands still, so that nobody is let in meanwhile.
    tokio::time::pause();
    for _ in 0..CONNECTS_OF_HOST_AT_ONCE {
        agents.link(&peer).await.unwrap();
    }
    let mut waits = Vec::new();
    for _ in 0..CONNECTS_AT_ONCE {
        let refused = agents.link(&peer).await.err().unwrap();
        assert_eq!(refused.code, "busy");
        waits.push(refused.retry_after_ms);
    }
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 50, "they do not all come at one time");
    agents.link(&other).await.unwrap();
}

#[tokio::test]
async fn a_revoked_agent_takes_no_place_at_the_gate() {
    let agents = Agents::new().await;
    let (revoked, _) = agents.joined("m1").await;
    let (other, _) = agents.joined("m2").await;
    let broker = &agents.estate.broker;
    let m1 = host_id("m1");
    broker.revoke_agent(&owner(), &m1, "").await.unwrap();
    tokio::time::pause();
    for _ in 0..=CONNECTS_AT_ONCE {
        assert_eq!(agents.link(&revoked).await.err().unwrap().code, "revoked");
    }
    agents.link(&other).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_away_refuses_links_for_a_short_time_and_keeps_those_there_are() {
    let agents = Agents::new().await;
    let (peer, welcome, link) = agents.reporting("m1").await;
    agents.estate.trouble.away(true);
    let refused = agents.link(&peer).await.err().unwrap();
    assert_eq!(refused.code, "store-away");
    assert!(refused.retry_after_ms < 5_000);
    let broker = &agents.estate.broker;
    let report = broker.agent_report(&peer.host, welcome.link, report(2, 1));
    report.await.unwrap();
    assert_eq!(link.closed(), None);
}

#[tokio::test]
async fn a_revocation_at_one_broker_closes_the_link_at_another() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    let (_, link) = agents.link(&peer).await.unwrap();
    let shutdown = ShutdownToken::new();
    let broker = agents.estate.broker.clone();
    let stop = shutdown.clone();
    let running = tokio::spawn(async move { broker.run(stop).await });
    let other = agents.estate.second_broker();
    let m1 = host_id("m1");
    other.broker.revoke_agent(&owner(), &m1, "").await.unwrap();
    while link.closed().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    shutdown.cancel();
    running.await.unwrap();
}
