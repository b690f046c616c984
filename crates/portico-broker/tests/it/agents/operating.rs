//! Modes and orders.

use std::{sync::Arc, time::Duration};

use portico_broker::{
    HostActError, MESSAGE_LEN_MAX, ORDER_TIMEOUT, ORDERS_MAX, OrderError, RESTART_AFTER_MAX_S,
};
use portico_model::{
    estate::{HostMode, Protocol},
    seen::{AgentHello, Order, OrderOutcome},
};

use super::{Agents, FakeLink, MANAGED, hello, host_id};
use crate::estate::{TestEstate, owner};

fn done() -> OrderOutcome {
    OrderOutcome::Done {
        detail: "2 people".into(),
    }
}

/// The order that came, once there is one.
async fn order_of(link: &FakeLink) -> (u64, Order) {
    loop {
        if let Some(order) = link.orders.lock().unwrap().pop() {
            return order;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_order_goes_to_the_agent_and_its_answer_comes_back() {
    let agents = Agents::new().await;
    let (peer, welcome, link) = agents.reporting("m1").await;
    let broker = agents.estate.broker.clone();
    let (actor, m1) = (owner(), host_id("m1"));
    let (outcome, ()) = tokio::join!(broker.message_host(&actor, &m1, "Hello"), async {
        let (id, order) = order_of(&link).await;
        assert!(matches!(order, Order::Message { session: None, from, text }
            if from == "root" && text == "Hello"));
        broker.agent_outcome(&peer.host, welcome.link, id, done());
    });
    assert_eq!(outcome.unwrap(), done());
    assert!(
        agents
            .estate
            .audited()
            .await
            .iter()
            .any(|a| a == "host.message")
    );
}

#[tokio::test]
async fn where_to_probe_comes_from_the_estate() {
    let agents = Agents::new().await;
    let (peer, welcome, link) = agents.reporting("m1").await;
    let broker = agents.estate.broker.clone();
    let (actor, m1, plain) = (owner(), host_id("m1"), host_id("plain"));
    let (outcome, ()) = tokio::join!(broker.probe_from(&actor, &m1, &plain), async {
        let (id, order) = order_of(&link).await;
        let expected = Order::Probe {
            protocol: Protocol::Rdp,
            address: "192.0.2.3".into(),
            port: 3389,
        };
        assert_eq!(order, expected);
        broker.agent_outcome(&peer.host, welcome.link, id, done());
    });
    outcome.unwrap();
    let nowhere = broker.probe_from(&actor, &m1, &host_id("nowhere")).await;
    assert!(matches!(nowhere, Err(HostActError::NoSuchHost { .. })));
}

#[tokio::test]
async fn an_agent_has_ten_seconds_and_a_late_answer_is_for_nobody() {
    let agents = Agents::new().await;
    let (peer, welcome, link) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    let (actor, m1) = (owner(), host_id("m1"));
    let waiting = broker.restart_host(&actor, &m1, 0, "");
    let late = async {
        let (id, _) = order_of(&link).await;
        tokio::time::pause();
        tokio::time::advance(ORDER_TIMEOUT).await;
        tokio::time::resume();
        id
    };
    let (outcome, id) = tokio::join!(waiting, late);
    assert!(matches!(
        outcome,
        Err(HostActError::Order(OrderError::TimedOut { .. }))
    ));
    broker.agent_outcome(&peer.host, welcome.link, id, done());
}

#[tokio::test]
async fn an_answer_over_another_link_is_passed_over_and_the_end_of_the_link_ends_the_wait() {
    let agents = Agents::new().await;
    let (peer, welcome, link) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    let (actor, m1) = (owner(), host_id("m1"));
    let (outcome, ()) = tokio::join!(broker.message_host(&actor, &m1, "Hello"), async {
        let (id, _) = order_of(&link).await;
        let (next, _) = agents.link(&peer).await.unwrap();
        broker.agent_outcome(&peer.host, welcome.link, id, done());
        broker.agent_outcome(&peer.host, next.link, id, done());
    });
    assert!(matches!(
        outcome,
        Err(HostActError::Order(OrderError::NoAgent { .. }))
    ));
}

#[tokio::test]
async fn an_agent_has_so_many_orders_at_once_and_no_more() {
    let agents = Agents::new().await;
    let (_, _, link) = agents.reporting("m1").await;
    let broker = agents.estate.broker.clone();
    let tasks: Vec<_> = (0..ORDERS_MAX)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move { broker.message_host(&owner(), &host_id("m1"), "x").await })
        })
        .collect();
    while link.orders.lock().unwrap().len() < ORDERS_MAX {
        tokio::task::yield_now().await;
    }
    let m1 = host_id("m1");
    let one_more = broker.message_host(&owner(), &m1, "x").await;
    let too_many = |outcome| {
        matches!(
            outcome,
            Err(HostActError::Order(OrderError::TooMany { .. }))
        )
    };
    assert!(too_many(one_more));
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    for task in tasks {
        assert!(task.await.unwrap_err().is_cancelled());
    }
    // Those who went away have made room; a link that is full has none.
    link.is_full
        .store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(too_many(broker.message_host(&owner(), &m1, "x").await));
}

#[tokio::test]
async fn a_host_without_link_and_a_silent_one_get_no_orders() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let (actor, m1) = (owner(), host_id("m1"));
    let unmanaged = broker.message_host(&actor, &host_id("plain"), "x").await;
    assert!(matches!(unmanaged, Err(HostActError::NotManaged { .. })));
    let none = broker.message_host(&actor, &m1, "x").await;
    assert!(matches!(
        none,
        Err(HostActError::Order(OrderError::NoAgent { .. }))
    ));
    agents.reporting("m1").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    let silent = broker.message_host(&actor, &m1, "x").await;
    assert!(matches!(
        silent,
        Err(HostActError::Order(OrderError::Silent { .. }))
    ));
}

#[tokio::test]
async fn texts_and_times_have_limits() {
    let agents = Agents::new().await;
    agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    let (actor, m1) = (owner(), host_id("m1"));
    let long = "x".repeat(MESSAGE_LEN_MAX + 1);
    for outcome in [
        broker.message_host(&actor, &m1, &long).await,
        broker.restart_host(&actor, &m1, 0, &long).await,
        broker
            .restart_host(&actor, &m1, RESTART_AFTER_MAX_S + 1, "")
            .await,
    ] {
        assert!(matches!(outcome, Err(HostActError::TooLarge { .. })));
    }
}

#[tokio::test]
async fn the_stricter_of_the_estates_mode_and_the_one_that_was_set_counts() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let (actor, m1) = (owner(), host_id("m1"));
    let set = |mode| broker.set_host_mode(&actor, &m1, mode, "a disk is broken", false);
    set(Some(HostMode::Drain)).await.unwrap();
    let view = agents.overview("m1").await;
    assert_eq!(view.mode, HostMode::Drain);
    assert_eq!(view.mode_set.unwrap().reason, "a disk is broken");
    set(Some(HostMode::Disabled)).await.unwrap();
    assert_eq!(agents.overview("m1").await.mode, HostMode::Disabled);
    for back in [Some(HostMode::Enabled), None] {
        set(Some(HostMode::Drain)).await.unwrap();
        set(back).await.unwrap();
        let view = agents.overview("m1").await;
        assert_eq!((view.mode, view.mode_set), (HostMode::Enabled, None));
    }
    let drained = MANAGED.replacen("id = \"m1\"", "id = \"m1\"\nmode = \"drain\"", 1);
    agents.estate.apply(&drained).await;
    let refused = set(Some(HostMode::Enabled)).await;
    assert!(matches!(
        refused,
        Err(HostActError::EstateIsStricter {
            mode: HostMode::Drain,
            ..
        })
    ));
    set(Some(HostMode::Disabled)).await.unwrap();
    assert_eq!(agents.overview("m1").await.mode, HostMode::Disabled);
}

#[tokio::test]
async fn a_mode_until_restart_ends_when_the_host_has_another_boot() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let (actor, m1) = (owner(), host_id("m1"));
    let drain = Some(HostMode::Drain);
    let unknown = broker.set_host_mode(&actor, &m1, drain, "", true).await;
    assert!(matches!(unknown, Err(HostActError::BootUnknown { .. })));
    let (peer, _, _) = agents.reporting("m1").await;
    broker
        .set_host_mode(&actor, &m1, drain, "", true)
        .await
        .unwrap();
    agents.link(&peer).await.unwrap();
    assert_eq!(agents.overview("m1").await.mode, HostMode::Drain);
    let restarted = AgentHello {
        boot: "boot-2".into(),
        ..hello("m1")
    };
    agents.link_with(&peer, restarted).await.unwrap();
    assert_eq!(agents.overview("m1").await.mode, HostMode::Enabled);
    assert_eq!(agents.overview("m1").await.mode_set, None);
}

#[tokio::test]
async fn a_mode_survives_the_broker() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let drain = Some(HostMode::Drain);
    broker
        .set_host_mode(&owner(), &host_id("m1"), drain, "", false)
        .await
        .unwrap();
    let next: TestEstate = agents.estate.killed_and_restarted().await;
    let views = next.broker.host_views().await.unwrap();
    let m1 = views.iter().find(|view| view.id.as_str() == "m1").unwrap();
    assert_eq!(m1.mode, HostMode::Drain);
}

#[tokio::test]
async fn only_operators_operate() {
    let agents = Agents::new().await;
    agents.reporting("m1").await;
    let broker = Arc::new(&agents.estate.broker);
    let (hanna, m1) = (agents.estate.principal("hanna").await, host_id("m1"));
    for outcome in [
        broker.message_host(&hanna, &m1, "x").await,
        broker.restart_host(&hanna, &m1, 0, "").await,
        broker.probe_from(&hanna, &m1, &m1).await,
    ] {
        assert!(matches!(outcome, Err(HostActError::Forbidden(_))));
    }
    let mode = broker.set_host_mode(&hanna, &m1, None, "", false).await;
    assert!(matches!(mode, Err(HostActError::Forbidden(_))));
}
