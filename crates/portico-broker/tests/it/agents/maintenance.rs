//! Planned maintenance, from the drain to the way back.

use std::sync::Arc;

use portico_broker::{
    HostActError, MAINTENANCE_HOSTS_MAX, Maintenance, MaintenanceError, NewMaintenance,
};
use portico_model::{
    estate::HostMode,
    seen::{AgentHello, Order, OrderOutcome},
};

use portico_store::StoreError;

use super::{Agents, FakeLink, at, hello, host_id, report};
use crate::estate::owner;

const MINUTE: i64 = 60_000;

fn plan() -> NewMaintenance {
    NewMaintenance {
        hosts: vec![host_id("m1")],
        starts_at: at(10 * MINUTE),
        ends_at: at(60 * MINUTE),
        warn_before_s: 60,
        drain_before_s: 300,
        text: "This host restarts soon".into(),
        restart: true,
        at_once: 1,
    }
}

async fn the_one(agents: &Agents) -> Maintenance {
    let all = agents.estate.broker.maintenances().await.unwrap();
    all.into_iter().next().unwrap()
}

/// Does what is due at a time; orders are answered with `outcome`. The orders.
async fn step(
    agents: &Agents,
    link: &Arc<FakeLink>,
    id: portico_broker::LinkId,
    ms: i64,
    outcome: OrderOutcome,
) -> Vec<Order> {
    let (done, orders) = try_step(agents, link, id, ms, outcome).await;
    done.unwrap();
    orders
}

/// [`step`], which may fail.
async fn try_step(
    agents: &Agents,
    link: &Arc<FakeLink>,
    id: portico_broker::LinkId,
    ms: i64,
    outcome: OrderOutcome,
) -> (Result<(), StoreError>, Vec<Order>) {
    agents.clock().set(at(ms));
    let broker = agents.estate.broker.clone();
    let seen = std::cell::RefCell::new(Vec::new());
    let answering = async {
        loop {
            let order = link.orders.lock().unwrap().pop();
            if let Some((number, order)) = order {
                seen.borrow_mut().push(order);
                broker.agent_outcome(&host_id("m1"), id, number, outcome.clone());
            }
            tokio::task::yield_now().await;
        }
    };
    let done = tokio::select! {
        done = broker.do_maintenance() => done,
        () = answering => unreachable!("it answers for ever"),
    };
    (done, seen.into_inner())
}

fn done() -> OrderOutcome {
    OrderOutcome::Done {
        detail: "ok".into(),
    }
}

#[tokio::test]
async fn a_host_is_drained_warned_restarted_and_given_back() {
    let agents = Agents::new().await;
    let (peer, welcome, link) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    broker.plan_maintenance(&owner(), plan()).await.unwrap();
    let (link_id, mode) = (welcome.link, async || agents.overview("m1").await.mode);
    assert_eq!(step(&agents, &link, link_id, 4 * MINUTE, done()).await, []);
    assert_eq!(mode().await, HostMode::Enabled);

    step(&agents, &link, link_id, 5 * MINUTE, done()).await;
    assert_eq!(mode().await, HostMode::Drain);
    let set = agents.overview("m1").await.mode_set.unwrap();
    assert_eq!(set.reason, "This host restarts soon");

    let warned = step(&agents, &link, link_id, 9 * MINUTE, done()).await;
    assert!(matches!(&warned[..], [Order::Message { text, .. }] if text.contains("restarts")));
    assert_eq!(
        step(&agents, &link, link_id, 9 * MINUTE, done()).await,
        [],
        "once"
    );

    step(&agents, &link, link_id, 10 * MINUTE, done()).await;
    let failed = OrderOutcome::Failed {
        detail: "no rights".into(),
    };
    let restarted = step(&agents, &link, link_id, 10 * MINUTE, failed).await;
    assert!(matches!(&restarted[..], [Order::Restart { .. }]));
    let so_far = the_one(&agents).await.progress[&host_id("m1")].clone();
    assert_eq!(so_far.trouble.as_deref(), Some("no rights"));
    // What failed is tried again.
    let again = step(&agents, &link, link_id, 10 * MINUTE, done()).await;
    assert!(matches!(&again[..], [Order::Restart { .. }]));
    assert_eq!(step(&agents, &link, link_id, 11 * MINUTE, done()).await, []);

    let rebooted = AgentHello {
        boot: "boot-2".into(),
        ..hello("m1")
    };
    let (next, link) = agents.link_with(&peer, rebooted).await.unwrap();
    broker
        .agent_report(&peer.host, next.link, report(1, 1))
        .await
        .unwrap();
    step(&agents, &link, next.link, 12 * MINUTE, done()).await;
    assert_eq!(mode().await, HostMode::Enabled);
}

#[tokio::test]
async fn a_cancelled_maintenance_gives_its_hosts_back_and_leaves_an_operators_mode() {
    let agents = Agents::new().await;
    let (_, welcome, link) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    let one = broker.plan_maintenance(&owner(), plan()).await.unwrap();
    step(&agents, &link, welcome.link, 5 * MINUTE, done()).await;
    broker.cancel_maintenance(&owner(), &one.id).await.unwrap();
    step(&agents, &link, welcome.link, 5 * MINUTE, done()).await;
    assert_eq!(agents.overview("m1").await.mode, HostMode::Enabled);

    let two = broker.plan_maintenance(&owner(), plan()).await.unwrap();
    let disabled = Some(HostMode::Disabled);
    broker
        .set_host_mode(&owner(), &host_id("m1"), disabled, "mine", false)
        .await
        .unwrap();
    step(&agents, &link, welcome.link, 6 * MINUTE, done()).await;
    broker.cancel_maintenance(&owner(), &two.id).await.unwrap();
    step(&agents, &link, welcome.link, 6 * MINUTE, done()).await;
    assert_eq!(agents.overview("m1").await.mode, HostMode::Disabled);
}

#[tokio::test]
async fn two_brokers_do_each_step_once() {
    let agents = Agents::new().await;
    let (_, welcome, link) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    broker.plan_maintenance(&owner(), plan()).await.unwrap();
    step(&agents, &link, welcome.link, 5 * MINUTE, done()).await;
    agents.clock().set(at(9 * MINUTE));
    let other = agents.estate.second_broker();
    // The other one has no link; it was first all the same.
    other.broker.do_maintenance().await.unwrap();
    let sent = step(&agents, &link, welcome.link, 9 * MINUTE, done()).await;
    assert_eq!(sent, []);
}

/// Writes of a whole maintenance of one host, and some more.
const WRITES_MAX: usize = 60;

/// Every step is written down before it is begun and again when it was carried out: wherever the
/// broker is killed between, the next process takes it up again.
#[tokio::test]
async fn a_broker_killed_at_any_write_of_a_maintenance_loses_no_step_of_it() {
    for is_written in [false, true] {
        let mut write = 0;
        while killed_at(write, is_written).await {
            write += 1;
            assert!(write < WRITES_MAX, "it never came through alive");
        }
        assert!(
            write > 10,
            "{write} writes are too few for this to say much"
        );
    }
}

/// A whole maintenance in which the broker is killed once, at `write`. False: it was not.
async fn killed_at(write: usize, is_written: bool) -> bool {
    let mut agents = Agents::new().await;
    let (peer, welcome, mut link) = agents.reporting("m1").await;
    let mut id = welcome.link;
    let broker = &agents.estate.broker;
    broker.plan_maintenance(&owner(), plan()).await.unwrap();
    agents.estate.trouble.die_at(write, is_written);
    let (mut was_killed, mut orders) = (false, Vec::new());
    for (minute, boot) in [(5, 1), (9, 1), (10, 1), (12, 2)] {
        if boot == 2 {
            (id, link) = linked(&agents, &peer, boot).await;
        }
        // Four looks: two steps are due at the start, one look may be the last of its process,
        // and one more finds nothing.
        for _ in 0..4 {
            let (ended, seen) = try_step(&agents, &link, id, minute * MINUTE, done()).await;
            orders.extend(seen);
            let is_dead = agents.estate.trouble.is_dead();
            assert!(is_dead || ended.is_ok(), "{ended:?}");
            if is_dead {
                was_killed = true;
                agents.estate.trouble.live_again();
                agents.estate = agents.estate.second_broker();
                (id, link) = linked(&agents, &peer, boot).await;
            }
        }
        let case = format!("killed at {write}, written: {is_written}, minute {minute}");
        let progress = the_one(&agents).await.progress[&host_id("m1")].clone();
        assert_eq!(progress.doing, None, "{case}");
        let mode = agents.overview("m1").await.mode;
        let steps = [
            progress.drained_at.is_some(),
            progress.warned_at.is_some(),
            progress.ended_at.is_some() && progress.restarted_at.is_some(),
            progress.back_at.is_some(),
        ];
        let expected = match minute {
            5 => [true, false, false, false],
            9 => [true, true, false, false],
            10 => [true, true, true, false],
            _ => [true, true, true, true],
        };
        assert_eq!(steps, expected, "{case}");
        let is_back = minute == 12;
        let wanted = if is_back {
            HostMode::Enabled
        } else {
            HostMode::Drain
        };
        assert_eq!(mode, wanted, "{case}");
    }
    let count = |is: fn(&Order) -> bool| orders.iter().filter(|order| is(order)).count();
    let most = 1 + usize::from(was_killed);
    let warned = count(|order| matches!(order, Order::Message { .. }));
    let restarted = count(|order| matches!(order, Order::Restart { .. }));
    assert!((1..=most).contains(&warned), "warned {warned} times");
    assert!(
        (1..=most).contains(&restarted),
        "restarted {restarted} times"
    );
    was_killed
}

/// The agent after another boot of its host, or with another process of the broker.
async fn linked(
    agents: &Agents,
    peer: &portico_broker::PeerIdentity,
    boot: u32,
) -> (portico_broker::LinkId, Arc<FakeLink>) {
    let hello = || AgentHello {
        boot: format!("boot-{boot}"),
        ..hello("m1")
    };
    let (welcome, link) = agents.link_with(peer, hello()).await.unwrap();
    let broker = &agents.estate.broker;
    let reported = broker.agent_report(&peer.host, welcome.link, report(1, 1));
    reported.await.unwrap();
    (welcome.link, link)
}

#[tokio::test]
async fn a_step_that_another_broker_is_at_is_left_to_it_while_it_runs() {
    let agents = Agents::new().await;
    let (_, welcome, link) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    broker.plan_maintenance(&owner(), plan()).await.unwrap();
    agents.clock().set(at(5 * MINUTE));
    let other = agents.estate.broker_called("b2");
    // It dies in the step: after it was written down as begun, before it is carried out.
    agents.estate.trouble.die_at(2, false);
    other.broker.do_maintenance().await.unwrap_err();
    assert!(agents.estate.trouble.is_dead());
    agents.estate.trouble.live_again();
    let doing = the_one(&agents).await.progress[&host_id("m1")]
        .doing
        .clone();
    assert_eq!(doing.unwrap().by.as_str(), "b2");
    step(&agents, &link, welcome.link, 5 * MINUTE, done()).await;
    assert_eq!(agents.overview("m1").await.mode, HostMode::Enabled);
    // Nothing is heard of it any more: its lease lapses.
    agents.estate.forget_broker("b2").await;
    step(&agents, &link, welcome.link, 5 * MINUTE, done()).await;
    assert_eq!(agents.overview("m1").await.mode, HostMode::Drain);
}

#[tokio::test]
async fn plans_that_cannot_be_are_refused() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let hanna = agents.estate.principal("hanna").await;
    let forbidden = broker.plan_maintenance(&hanna, plan()).await;
    assert!(matches!(forbidden, Err(MaintenanceError::Forbidden(_))));
    let many = (0..=MAINTENANCE_HOSTS_MAX).map(|n| host_id(&format!("h{n}")));
    for (wrong, says) in [
        (
            NewMaintenance {
                hosts: vec![],
                ..plan()
            },
            "one host or more",
        ),
        (
            NewMaintenance {
                hosts: vec![host_id("m1"), host_id("m1")],
                ..plan()
            },
            "each once",
        ),
        (
            NewMaintenance {
                ends_at: plan().starts_at,
                ..plan()
            },
            "after its start",
        ),
        (
            NewMaintenance {
                drain_before_s: 8 * 86_400,
                ..plan()
            },
            "a week",
        ),
        (
            NewMaintenance {
                at_once: 0,
                ..plan()
            },
            "restart at once",
        ),
        (
            NewMaintenance {
                hosts: vec![host_id("plain")],
                ..plan()
            },
            "not managed",
        ),
        (
            NewMaintenance {
                hosts: many.collect(),
                ..plan()
            },
            "number of hosts",
        ),
    ] {
        let error = broker.plan_maintenance(&owner(), wrong).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(!matches!(
            error,
            MaintenanceError::Host(HostActError::Store(_))
        ));
    }
}
