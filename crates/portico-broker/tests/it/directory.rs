//! The directory between its witnesses, its rules for a person's sessions, and its crashes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use portico_broker::{LaunchError, LaunchOutcome, PeerIdentity};
use portico_model::{
    HostId, SessionId,
    launch::{Choice, Refusal},
    seen::{AgentHello, HostReport, HostSession, Order, OrderOutcome},
    session::{ConnectionEventKind, EndReason, Session, SessionState},
};
use portico_net::tasks::ShutdownToken;

use crate::{
    agents::{Agents, FakeLink, MANAGED, hello, report, session as on_host},
    estate::{ESTATE, TestEstate, client, closed},
};

/// A host with agent, linked.
struct Linked<'a> {
    agents: &'a Agents,
    peer: PeerIdentity,
    host: HostId,
    link_id: portico_broker::LinkId,
    link: Arc<FakeLink>,
    number: u64,
}

impl<'a> Linked<'a> {
    async fn new(agents: &'a Agents, host: &str) -> Self {
        let (peer, welcome, link) = agents.reporting(host).await;
        Self {
            agents,
            host: peer.host.clone(),
            peer,
            link_id: welcome.link,
            link,
            number: 1,
        }
    }

    async fn reports(&mut self, sessions: &[HostSession]) {
        self.number += 1;
        let report = HostReport {
            sessions: sessions.to_vec(),
            ..report(self.number, 1)
        };
        let broker = &self.agents.estate.broker;
        broker
            .agent_report(&self.host, self.link_id, report)
            .await
            .unwrap();
    }

    fn answer(&self, order: u64, outcome: OrderOutcome) {
        let broker = &self.agents.estate.broker;
        broker.agent_outcome(&self.host, self.link_id, order, outcome);
    }

    fn orders(&self) -> Vec<(u64, Order)> {
        self.link.orders.lock().unwrap().clone()
    }
}

/// One host with an agent, so that everything is there.
fn one_managed() -> String {
    MANAGED
        .replace("id = \"m2\"", "id = \"m2\"\nmode = \"disabled\"")
        .replace("id = \"plain\"", "id = \"plain\"\nmode = \"disabled\"")
}

fn reason_of(session: &Session) -> Option<EndReason> {
    match session.state {
        SessionState::Ended { reason } => Some(reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_log_off_inside_the_desktop_ends_the_session_with_the_next_report() {
    let agents = Agents::with(&one_managed()).await;
    let estate = &agents.estate;
    let mut m1 = Linked::new(&agents, "m1").await;
    let (launch, grant) = estate.connect("ina", "desktop").await;
    m1.reports(&[on_host("xrdp:10")]).await;
    let seen = estate.session(&launch.session).await.on_host.unwrap();
    assert_eq!(
        (seen.key.as_str(), seen.boot.as_str()),
        ("xrdp:10", "boot-1")
    );

    estate.report(&grant, closed(EndReason::HostClosed)).await;
    let state = estate.session(&launch.session).await.state;
    let reason = EndReason::HostClosed;
    assert_eq!(state, SessionState::Disconnected { reason });
    // A report that was on its way says nothing new.
    m1.reports(&[on_host("xrdp:10")]).await;
    assert!(estate.session(&launch.session).await.state.is_running());
    m1.reports(&[]).await;
    let session = estate.session(&launch.session).await;
    assert_eq!(reason_of(&session), Some(EndReason::LoggedOff));
    assert!(!estate.launch("ina", "desktop").await.unwrap().resumed);
}

#[tokio::test]
async fn a_restarted_host_ends_its_sessions_and_silence_ends_none() {
    let agents = Agents::with(&one_managed()).await;
    let estate = &agents.estate;
    let mut m1 = Linked::new(&agents, "m1").await;
    let (launch, _) = estate.connect("ina", "desktop").await;
    m1.reports(&[on_host("xrdp:10")]).await;
    estate.broker.agent_gone(&m1.host, m1.link_id, "test");
    agents.clock().advance_ms(3_600_000);
    assert!(estate.session(&launch.session).await.state.is_running());

    let again = AgentHello {
        boot: "boot-2".into(),
        ..hello("m1")
    };
    let (welcome, _) = agents.link_with(&m1.peer, again).await.unwrap();
    let broker = &estate.broker;
    broker
        .agent_report(&m1.host, welcome.link, report(1, 1))
        .await
        .unwrap();
    let session = estate.session(&launch.session).await;
    assert_eq!(reason_of(&session), Some(EndReason::HostRestarted));
}

#[tokio::test]
async fn a_reservation_whose_desktop_exists_becomes_disconnected() {
    let agents = Agents::with(&one_managed()).await;
    let estate = &agents.estate;
    let mut m1 = Linked::new(&agents, "m1").await;
    let launch = estate.launch("ina", "desktop").await.unwrap();
    m1.reports(&[on_host("xrdp:10")]).await;
    agents.clock().advance_ms(80_000);
    // Also before anybody has noticed that its ticket lapsed, a launch comes back to it.
    m1.reports(&[on_host("xrdp:10")]).await;
    let again = estate.launch("ina", "desktop").await.unwrap();
    assert!(again.resumed);
    assert_eq!(again.session, launch.session);
    run_until(&agents, |session| {
        matches!(
            session.state,
            SessionState::Disconnected {
                reason: EndReason::TicketLapsed
            }
        )
    })
    .await;
}

/// Runs the broker until the only session is as wanted.
async fn run_until(agents: &Agents, is_wanted: impl Fn(&Session) -> bool) {
    let broker = agents.estate.broker.clone();
    let shutdown = ShutdownToken::new();
    let running = {
        let (broker, shutdown) = (broker.clone(), shutdown.clone());
        tokio::spawn(async move { broker.run(shutdown).await })
    };
    let watching = async {
        loop {
            let sessions = broker.sessions().await.unwrap();
            if sessions.iter().any(&is_wanted) {
                return;
            }
            agents.clock().advance_ms(100);
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(30), watching).await;
    shutdown.cancel();
    running.await.unwrap();
    seen.unwrap();
}

#[tokio::test]
async fn a_user_is_brought_to_the_desktop_that_the_directory_does_not_know() {
    let agents = Agents::with(MANAGED).await;
    let mut m1 = Linked::new(&agents, "m1").await;
    let mut m2 = Linked::new(&agents, "m2").await;
    m1.reports(&[]).await;
    m2.reports(&[on_host("xrdp:12")]).await;
    let launch = agents.estate.launch("ina", "desktop").await.unwrap();
    assert_eq!(launch.placement.host.as_str(), "m2");
    assert_eq!(launch.placement.choice, Choice::RunsThere);
}

#[tokio::test]
async fn absurd_accounts_in_reports_move_no_session() {
    let agents = Agents::with(&one_managed()).await;
    let estate = &agents.estate;
    let mut m1 = Linked::new(&agents, "m1").await;
    let (launch, _) = estate.connect("ina", "desktop").await;
    m1.reports(&[on_host("xrdp:10")]).await;
    let mut all = vec![on_host("xrdp:10")];
    for (n, account) in [
        "\u{202e}ani",
        "ina\0",
        "../../ina",
        "'; --",
        "INA ",
        "@",
        "\\",
    ]
    .into_iter()
    .enumerate()
    {
        all.push(HostSession {
            account: account.into(),
            ..on_host(&format!("absurd:{n}"))
        });
    }
    m1.reports(&all).await;
    let session = estate.session(&launch.session).await;
    assert_eq!(session.on_host.unwrap().key, "xrdp:10");
    assert_eq!(estate.broker.sessions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_store_does_not_take_the_next_report_says_again() {
    let agents = Agents::with(&one_managed()).await;
    let estate = &agents.estate;
    let mut m1 = Linked::new(&agents, "m1").await;
    let (launch, grant) = estate.connect("ina", "desktop").await;
    m1.reports(&[on_host("xrdp:10")]).await;
    estate.report(&grant, closed(EndReason::ClientLost)).await;
    estate.trouble.away(true);
    m1.reports(&[]).await;
    estate.trouble.away(false);
    assert!(estate.session(&launch.session).await.state.is_running());
    m1.reports(&[]).await;
    let session = estate.session(&launch.session).await;
    assert_eq!(reason_of(&session), Some(EndReason::LoggedOff));
}

#[tokio::test]
async fn a_log_off_waits_for_its_host_even_over_a_restart_of_the_broker() {
    let agents = Agents::with(&one_managed()).await;
    let estate = &agents.estate;
    let ina = estate.principal("ina").await;
    let mut m1 = Linked::new(&agents, "m1").await;
    let (launch, _) = estate.connect("ina", "desktop").await;
    m1.reports(&[on_host("xrdp:10")]).await;
    estate.broker.agent_gone(&m1.host, m1.link_id, "test");
    let ended = estate.broker.end(&ina, &launch.session).await.unwrap();
    assert!(!ended.host_keeps_it);
    let prefix = "/portico/v1/default/log-off/";
    let kept = || async { estate.store.range(prefix, None, None).await.unwrap() };
    assert_eq!(kept().await.items.len(), 1);
    let restarted = estate.second_broker();
    let shutdown = ShutdownToken::new();
    let running = {
        let (broker, shutdown) = (restarted.broker.clone(), shutdown.clone());
        tokio::spawn(async move { broker.run(shutdown).await })
    };
    assert_eq!(kept().await.items.len(), 1);
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn ending_a_session_logs_it_off_on_its_host() {
    let agents = Agents::with(&one_managed()).await;
    let estate = &agents.estate;
    let ina = estate.principal("ina").await;
    let mut m1 = Linked::new(&agents, "m1").await;
    let (launch, _) = estate.connect("ina", "desktop").await;
    m1.reports(&[on_host("xrdp:10")]).await;
    let hanna = estate.principal("hanna").await;
    let said = "Save your work";
    let (outcome, ()) = tokio::join!(
        estate.broker.message_session(&hanna, &launch.session, said),
        answered(&m1, 1)
    );
    assert!(matches!(outcome, Ok(OrderOutcome::Done { .. })));
    let refused = estate.broker.message_session(&ina, &launch.session, said);
    assert!(refused.await.is_err(), "it takes a role");
    let (ended, ()) = tokio::join!(estate.broker.end(&ina, &launch.session), answered(&m1, 2));
    assert!(!ended.unwrap().host_keeps_it);
    let orders = m1.orders();
    let Order::Message { text, .. } = &orders[0].1 else {
        panic!("{orders:?}");
    };
    assert_eq!(text, said);
    let Order::LogOff { session } = &orders[1].1 else {
        panic!("{orders:?}");
    };
    assert_eq!(session.key.as_deref(), Some("xrdp:10"));
    let prefix = "/portico/v1/default/log-off/";
    let kept = estate.store.range(prefix, None, None).await.unwrap();
    assert!(kept.items.is_empty(), "the host has confirmed it");
}

/// Answers the order at this place once it is there.
async fn answered(host: &Linked<'_>, count: usize) {
    loop {
        let orders = host.orders();
        if orders.len() >= count {
            let detail = "done".to_owned();
            host.answer(orders[count - 1].0, OrderOutcome::Done { detail });
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_log_off_is_void_once_its_user_came_back() {
    let agents = Agents::with(&one_managed()).await;
    let estate = &agents.estate;
    let ina = estate.principal("ina").await;
    let mut m1 = Linked::new(&agents, "m1").await;
    let (launch, _) = estate.connect("ina", "desktop").await;
    m1.reports(&[on_host("xrdp:10")]).await;
    m1.link
        .is_full
        .store(true, std::sync::atomic::Ordering::SeqCst);
    estate.broker.end(&ina, &launch.session).await.unwrap();
    let _back = estate.connect("ina", "desktop").await;
    m1.link
        .is_full
        .store(false, std::sync::atomic::Ordering::SeqCst);
    run_until(&agents, |session| session.state.is_running()).await;
    m1.reports(&[on_host("xrdp:10")]).await;
    let told = m1.orders();
    assert!(
        !told
            .iter()
            .any(|(_, order)| matches!(order, Order::LogOff { .. })),
        "{told:?}"
    );
}

fn with_rule(rule: &str) -> String {
    ESTATE.replacen(
        "sign_ins_max = 0\n",
        &format!("sign_ins_max = 0\nsessions_per_user = \"{rule}\"\n"),
        1,
    )
}

#[tokio::test]
async fn one_session_per_pool_is_resumed_by_any_of_its_resources() {
    let estate = TestEstate::with(&with_rule("pool")).await;
    let (first, _) = estate.connect("ina", "editor").await;
    let second = estate.launch("ina", "paint").await.unwrap();
    assert!(second.resumed);
    assert_eq!(second.session, first.session);
    assert_eq!(estate.broker.sessions().await.unwrap().len(), 1);
    let ina = estate.principal("ina").await;
    estate.broker.end(&ina, &first.session).await.unwrap();
    assert!(!estate.launch("ina", "paint").await.unwrap().resumed);
}

#[tokio::test]
async fn many_sessions_are_new_ones_and_a_chosen_one_is_resumed() {
    let text = with_rule("many").replace(
        "protocol = \"rdp\"",
        "protocol = \"rdp\"\nsessions_per_account = \"many\"",
    );
    let estate = TestEstate::with(&text).await;
    let (one, _) = estate.connect("ina", "desktop").await;
    let (two, _) = estate.connect("ina", "desktop").await;
    assert_ne!(one.session, two.session);
    let ina = estate.principal("ina").await;
    let broker = &estate.broker;
    let again = broker.resume(&ina, &one.session, client(None), None).await;
    let again = again.unwrap();
    assert!(again.resumed);
    assert_eq!(again.session, one.session);
    let tom = estate.principal("tom").await;
    let other = broker.resume(&tom, &one.session, client(None), None).await;
    assert!(matches!(other, Err(LaunchError::SessionNotFound)));
    broker.end(&ina, &one.session).await.unwrap();
    let over = broker.resume(&ina, &one.session, client(None), None).await;
    assert!(matches!(over, Err(LaunchError::SessionNotFound)));
    let left = estate.broker.workspace(&ina).await.unwrap().sessions;
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn a_new_session_goes_where_the_last_one_was() {
    let estate = TestEstate::new().await;
    let ina = estate.principal("ina").await;
    let first = estate.launch("ina", "desktop").await.unwrap();
    for _ in 0..8 {
        let last = estate.broker.sessions().await.unwrap().remove(0);
        estate.broker.end(&ina, &last.id).await.unwrap();
        let next = estate.launch("ina", "desktop").await.unwrap();
        assert_eq!(next.placement.host, first.placement.host);
    }
}

#[tokio::test]
async fn who_takes_over_is_named_to_the_first_viewer() {
    let estate = TestEstate::new().await;
    let _first = estate.connect("ina", "desktop").await;
    let ina = estate.principal("ina").await;
    let from = Some("192.0.2.7".parse().unwrap());
    let what = crate::estate::resource("desktop");
    let launch = estate
        .broker
        .launch(&ina, &what, client(from), None)
        .await
        .unwrap();
    let grant = estate.redeem(&launch).await.unwrap();
    estate.report(&grant, ConnectionEventKind::Opened).await;
    assert_eq!(*estate.gateway.told.lock().unwrap(), ["by=192.0.2.7"]);
}

#[tokio::test]
async fn the_last_launches_are_kept_with_their_outcome() {
    let estate = TestEstate::new().await;
    estate.launch("ina", "desktop").await.unwrap();
    estate.refused("eve", "desktop").await;
    estate.launch("ina", "desktop").await.unwrap();
    let recent = estate.broker.recent_launches(2);
    assert_eq!(recent.len(), 2);
    assert!(matches!(
        recent[0].outcome,
        LaunchOutcome::Placed { resumed: true, .. }
    ));
    assert!(matches!(
        recent[1].outcome,
        LaunchOutcome::Refused(Refusal::NotFound { .. })
    ));
}

const LIMITS: &str = "\n[[session_policies]]\nid = \"short\"\ndisconnected_timeout_s = 300\n\
                      session_timeout_s = 3000\n";

#[tokio::test]
async fn limits_end_sessions_and_no_clock_does() {
    let text = ESTATE.replacen(
        "sign_ins_max = 0\n",
        "sign_ins_max = 0\nsession_policy = \"short\"\n",
        1,
    ) + LIMITS;
    let estate = TestEstate::with(&text).await;
    let (left, grant) = estate.connect("ina", "desktop").await;
    let (open, _) = estate.connect("tom", "desktop").await;
    estate.report(&grant, closed(EndReason::ClientLost)).await;
    tokio::time::pause();
    let shutdown = ShutdownToken::new();
    let running = {
        let (broker, shutdown) = (estate.broker.clone(), shutdown.clone());
        tokio::spawn(async move { broker.run(shutdown).await })
    };
    for set_ms in [86_400_000, -2 * 86_400_000] {
        estate.clock.advance_ms(set_ms);
        tokio::time::sleep(Duration::from_secs(20)).await;
        for id in [&left.session, &open.session] {
            assert!(estate.session(id).await.state.is_running());
        }
    }
    for (session, reason) in [
        (&left.session, EndReason::DisconnectedTimeout),
        (&open.session, EndReason::SessionTimeout),
    ] {
        // The store has threads of its own, which virtual time does not wait for.
        while estate.session(session).await.state.is_running() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(reason_of(&estate.session(session).await), Some(reason));
    }
    shutdown.cancel();
    running.await.unwrap();
}

/// The process dies before or after the n-th write from `begun` on; then another one starts over
/// the same store.
#[tokio::test]
async fn a_broker_killed_at_any_write_of_a_session_doubles_and_loses_nothing() {
    for done in [false, true] {
        for at in 0..12 {
            let estate = TestEstate::new().await;
            estate.trouble.die_at(at, done);
            let opened = async {
                let launch = estate.launch("ina", "desktop").await.ok()?;
                let again = estate.launch("ina", "desktop").await.ok()?;
                assert_eq!(launch.session, again.session);
                let grant = estate.redeem(&again).await.ok()?;
                estate.report(&grant, ConnectionEventKind::Opened).await;
                estate.report(&grant, closed(EndReason::ClientLost)).await;
                let ina = estate.principal_if_there("ina").await?;
                let back = estate.launch("ina", "desktop").await.ok()?;
                let grant = estate.redeem(&back).await.ok()?;
                estate.report(&grant, ConnectionEventKind::Opened).await;
                let _ended = estate.broker.end(&ina, &launch.session).await;
                Some(launch.session)
            }
            .await;
            estate.trouble.live_again();
            check_after_crash(&estate.second_broker(), opened, (at, done)).await;
        }
    }
}

async fn check_after_crash(estate: &TestEstate, opened: Option<SessionId>, case: (usize, bool)) {
    estate.broker.recover().await.unwrap();
    let sessions = estate.broker.sessions().await.unwrap();
    assert!(sessions.len() <= 1, "{case:?}: {sessions:?}");
    let launch = estate.launch("ina", "desktop").await.unwrap();
    if let Some(before) = sessions.first() {
        assert_eq!(launch.session, before.id, "{case:?}");
    }
    assert_eq!(estate.broker.sessions().await.unwrap().len(), 1, "{case:?}");
    // After the life of a reservation nothing is held by what nobody used.
    estate.clock.advance_ms(76_000);
    let shutdown = ShutdownToken::new();
    let running = {
        let (broker, shutdown) = (estate.broker.clone(), shutdown.clone());
        tokio::spawn(async move { broker.run(shutdown).await })
    };
    let settled = async {
        loop {
            let sessions = estate.broker.sessions().await.unwrap();
            let is_pending = |session: &Session| matches!(session.state, SessionState::Pending { until } if until <= estate.clock_now());
            if !sessions.iter().any(is_pending) {
                return sessions;
            }
            tokio::task::yield_now().await;
        }
    };
    let sessions = tokio::time::timeout(Duration::from_secs(30), settled)
        .await
        .unwrap();
    shutdown.cancel();
    running.await.unwrap();
    let reserved = reserved(estate).await;
    let running: Vec<SessionId> = sessions.iter().map(|session| session.id.clone()).collect();
    assert_eq!(reserved, running, "{case:?} {opened:?}");
}

/// The sessions that have a place on some host.
async fn reserved(estate: &TestEstate) -> Vec<SessionId> {
    let prefix = "/portico/v1/default/host-load/";
    let records = estate.store.range(prefix, None, None).await.unwrap();
    let mut ids = Vec::new();
    for record in records.items {
        let json: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
        for place in json["body"]["sessions"].as_array().unwrap() {
            ids.push(SessionId::new(place["id"].as_str().unwrap()).unwrap());
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_brokers_launch_for_one_user_at_once_and_there_is_one_session() {
    let one = Arc::new(TestEstate::with(&crate::launch::crowd(8, 3, 9)).await);
    let two = Arc::new(one.second_broker());
    for n in 0..8 {
        let mut launches = Vec::new();
        for estate in [&one, &two, &one, &two] {
            let estate = Arc::clone(estate);
            let user = format!("u{n}");
            launches.push(tokio::spawn(async move {
                estate.launch(&user, "desktop").await
            }));
        }
        let mut ids = Vec::new();
        for launch in launches {
            ids.push(launch.await.unwrap().unwrap().session);
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }
    assert_eq!(one.broker.sessions().await.unwrap().len(), 8);
    assert_eq!(two.broker.sessions().await.unwrap().len(), 8);
    assert_eq!(reserved(&one).await.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_launches_at_once_spread_over_fifty_hosts() {
    let estate = Arc::new(TestEstate::with(&crate::launch::crowd(1_000, 50, 20)).await);
    let begun = tokio::time::Instant::now();
    let launches: Vec<_> = (0..1_000)
        .map(|n| {
            let estate = Arc::clone(&estate);
            tokio::spawn(async move { estate.launch(&format!("u{n}"), "desktop").await })
        })
        .collect();
    let mut on: BTreeMap<String, usize> = BTreeMap::new();
    for launch in launches {
        let launch = launch.await.unwrap().unwrap();
        *on.entry(launch.placement.host.to_string()).or_default() += 1;
    }
    assert_eq!(on.len(), 50);
    assert!(on.values().all(|count| *count == 20), "{on:?}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{begun:?}");
    let recent = estate.broker.recent_launches(usize::MAX);
    assert_eq!(recent.len(), portico_broker::RECENT_LAUNCHES_MAX);
}

#[tokio::test]
async fn an_index_that_is_behind_decides_again_and_never_doubles_a_place() {
    let estate = TestEstate::with(&crate::launch::crowd(6, 2, 3)).await;
    let other = estate.second_broker();
    for n in 0..6 {
        let from = if n % 2 == 0 { &estate } else { &other };
        from.launch(&format!("u{n}"), "desktop").await.unwrap();
    }
    assert_eq!(reserved(&estate).await.len(), 6);
}

/// Hosts and sessions of the resynchronisation; `benches/broker.rs` takes 1,000 by 20.
const RESYNC: (usize, usize) = (20, 20);

#[tokio::test]
async fn a_restarted_broker_learns_every_session_again_from_the_agents() {
    let (hosts, each) = RESYNC;
    let text = crate::launch::crowd(hosts * each, hosts, each).replace(
        "protocol = \"rdp\"",
        "protocol = \"rdp\"\nagent = \"required\"",
    );
    let agents = Agents::with(&text).await;
    let estate = &agents.estate;
    let mut linked = Vec::new();
    for n in 0..hosts {
        linked.push(Linked::new(&agents, &format!("h{n}")).await);
    }
    let mut on: BTreeMap<HostId, Vec<HostSession>> = BTreeMap::new();
    let mut reported = tokio::time::Instant::now();
    for n in 0..hosts * each {
        // On a busy machine this takes longer than silent hosts are trusted.
        if reported.elapsed() > Duration::from_secs(2) {
            for host in &mut linked {
                let sessions = on.get(&host.host).cloned().unwrap_or_default();
                host.reports(&sessions).await;
            }
            reported = tokio::time::Instant::now();
        }
        let (launch, _) = estate.connect(&format!("u{n}"), "desktop").await;
        let of_host = on.entry(launch.placement.host).or_default();
        of_host.push(HostSession {
            account: format!("u{n}"),
            ..on_host(&format!("xrdp:{n}"))
        });
    }
    let peers: Vec<_> = linked.into_iter().map(|host| host.peer).collect();
    let after = estate.second_broker();
    let begun = tokio::time::Instant::now();
    after.broker.recover().await.unwrap();
    let mut links = Vec::new();
    for peer in &peers {
        let link = Arc::new(FakeLink::default());
        let hello = hello(peer.host.as_str());
        let welcome = after.broker.agent_connected(peer, hello, link).await;
        links.push(welcome.unwrap().link);
    }
    // One of each host has logged off while no broker was there.
    for number in 1..=2 {
        for (peer, link) in peers.iter().zip(&links) {
            let report = HostReport {
                sessions: on[&peer.host][1..].to_vec(),
                ..report(number, 1)
            };
            let told = after.broker.agent_report(&peer.host, *link, report).await;
            told.unwrap();
        }
        if number == 1 {
            assert!(begun.elapsed() < Duration::from_secs(30), "{begun:?}");
            // What was never seen is believed to be starting for a while.
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(11)).await;
            tokio::time::resume();
        }
    }
    let sessions = after.broker.sessions().await.unwrap();
    assert_eq!(sessions.len(), hosts * (each - 1));
    for session in &sessions {
        let reason = EndReason::ProcessStopped;
        assert_eq!(session.state, SessionState::Disconnected { reason });
        assert!(session.on_host.is_some());
    }
    assert_eq!(reserved(&after).await.len(), sessions.len());
}
