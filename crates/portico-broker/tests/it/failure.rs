//! Store away or full, processes killed, clocks set back, hostile names.

use std::sync::Arc;

use portico_broker::LaunchError;
use portico_model::{
    grant::RedeemError,
    launch::Refusal,
    session::{ConnectionEventKind, EndReason, SessionState},
};
use portico_net::tasks::ShutdownToken;
use portico_store::{SqliteStore, SqliteStoreOptions};

use crate::{
    estate::{ESTATE, TestEstate, closed},
    trouble::Trouble,
};

#[tokio::test]
async fn a_killed_broker_loses_no_desktop() {
    let estate = TestEstate::new().await;
    let (desktop, _) = estate.connect("ina", "desktop").await;
    let (shell, _) = estate.connect("ina", "terminal").await;
    let (left, left_grant) = estate.connect("tom", "desktop").await;
    estate
        .report(&left_grant, closed(EndReason::ClientLost))
        .await;
    let pending = estate.launch("hanna", "desktop").await.unwrap();

    let estate = estate.killed_and_restarted().await;
    let state = estate.session(&desktop.session).await.state;
    let reason = EndReason::ProcessStopped;
    assert_eq!(state, SessionState::Disconnected { reason });
    assert_eq!(
        estate.session(&shell.session).await.state,
        SessionState::Ended { reason }
    );
    assert_eq!(
        estate.redeem(&pending).await.unwrap_err(),
        RedeemError::NotGood
    );
    for (user, before) in [("ina", &desktop), ("tom", &left), ("hanna", &pending)] {
        let (again, grant) = estate.connect(user, "desktop").await;
        assert!(again.resumed);
        assert_eq!(again.session, before.session);
        assert_eq!(grant.target.host, before.placement.host);
    }
    // Looking again, now with connections of this process, changes nothing.
    estate.broker.recover().await.unwrap();
    let state = estate.session(&desktop.session).await.state;
    assert!(matches!(state, SessionState::Active { .. }));
}

#[tokio::test]
async fn a_viewer_reconnects_with_its_grant_after_the_broker_was_killed() {
    let estate = TestEstate::new().await;
    let (launch, _) = estate.connect("ina", "desktop").await;
    let estate = estate.killed_and_restarted().await;
    let ina = estate.principal("ina").await;
    let grant = launch.reconnect_grant.expose();
    let again = estate
        .broker
        .reconnect(
            &ina,
            &launch.session,
            grant,
            crate::estate::client(None),
            None,
        )
        .await
        .unwrap();
    assert!(again.resumed);
}

#[tokio::test]
async fn while_the_store_is_away_launches_are_refused_and_reports_are_kept() {
    let estate = TestEstate::new().await;
    let (launch, grant) = estate.connect("ina", "desktop").await;
    let waiting = estate.launch("tom", "desktop").await.unwrap();
    let hanna = estate.principal("hanna").await;
    estate.trouble.away(true);
    let what = crate::estate::resource("desktop");
    let client = crate::estate::client(None);
    let refused = estate.broker.launch(&hanna, &what, client, None).await;
    assert!(matches!(
        refused,
        Err(LaunchError::Refused(Refusal::StoreAway { .. }))
    ));
    let redeemed = estate.redeem(&waiting).await.unwrap_err();
    assert!(matches!(redeemed, RedeemError::StoreAway { .. }));
    estate.report(&grant, closed(EndReason::ClientLost)).await;

    estate.trouble.away(false);
    let state = estate.session(&launch.session).await.state;
    assert!(
        matches!(state, SessionState::Active { .. }),
        "not known yet"
    );
    let shutdown = ShutdownToken::new();
    let running = {
        let (broker, shutdown) = (estate.broker.clone(), shutdown.clone());
        tokio::spawn(async move { broker.run(shutdown).await })
    };
    let reason = EndReason::ClientLost;
    while estate.session(&launch.session).await.state != (SessionState::Disconnected { reason }) {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_full_store_refuses_clearly_and_works_again_when_there_is_room() {
    let estate = TestEstate::new().await;
    let (launch, grant) = estate.connect("ina", "desktop").await;
    estate.trouble.full(true);
    let Refusal::StoreAway { detail } = estate.refused("tom", "desktop").await else {
        panic!("placed");
    };
    assert!(detail.contains("no room"), "{detail}");
    // What needs no write goes on: a running session is resumed.
    assert!(estate.launch("ina", "desktop").await.unwrap().resumed);
    estate.report(&grant, closed(EndReason::ClientLost)).await;
    estate.trouble.full(false);
    estate.launch("tom", "desktop").await.unwrap();
    let state = estate.session(&launch.session).await.state;
    assert!(state.is_running());
}

#[tokio::test]
async fn a_store_file_that_may_not_grow_refuses_and_stays_whole() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let file = folder.path().join("small.db");
    let options = SqliteStoreOptions {
        page_count_max: Some(64),
        ..SqliteStoreOptions::default()
    };
    let small = Arc::new(SqliteStore::open_with(&file, options).unwrap());
    let estate = TestEstate::new().await;
    let estate = estate.over_store(Arc::new(Trouble::over(small)));
    estate.apply(ESTATE).await;
    let mut refused = false;
    for _ in 0..2_000 {
        match estate.launch("ina", "desktop").await {
            Ok(launch) => {
                let ina = estate.principal("ina").await;
                // Ending writes as well; at some point either one is refused.
                if estate.broker.end(&ina, &launch.session).await.is_err() {
                    refused = true;
                    break;
                }
            }
            Err(LaunchError::Refused(Refusal::StoreAway { detail })) => {
                assert!(detail.contains("no room"), "{detail}");
                refused = true;
                break;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused);
    let sessions = estate.broker.sessions().await.unwrap();
    assert!(sessions.len() <= 1);
    estate.broker.estate().await.unwrap();
}

#[tokio::test]
async fn an_unused_reservation_lapses_even_when_the_clock_was_set_back() {
    for set_back_ms in [0, 3_600_000] {
        let estate = TestEstate::new().await;
        let launch = estate.launch("ina", "desktop").await.unwrap();
        estate.clock.advance_ms(-set_back_ms);
        let shutdown = ShutdownToken::new();
        let running = {
            let (broker, shutdown) = (estate.broker.clone(), shutdown.clone());
            tokio::spawn(async move { broker.run(shutdown).await })
        };
        // The first round corrects a reservation from the future; a later one ends it.
        let corrected = estate.clock_now().plus_ms(76_000);
        loop {
            let session = estate.session(&launch.session).await;
            if matches!(session.state, SessionState::Pending { until } if until < corrected) {
                break;
            }
            tokio::task::yield_now().await;
        }
        shutdown.cancel();
        running.await.unwrap();
        estate.clock.advance_ms(76_000);
        // A launch does not come back to it.
        assert!(!estate.launch("ina", "desktop").await.unwrap().resumed);
        let state = estate.session(&launch.session).await.state;
        let reason = EndReason::TicketLapsed;
        assert_eq!(state, SessionState::Ended { reason });
    }
}

#[tokio::test]
async fn a_launch_that_always_loses_is_refused_as_busy() {
    let estate = TestEstate::new().await;
    estate.trouble.always_late(true);
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert_eq!(estate.refused("ina", "desktop").await, Refusal::Busy);
    assert!(begun.elapsed().as_secs() >= 5, "it waits in line first");
    tokio::time::resume();
    estate.trouble.always_late(false);
    estate.launch("ina", "desktop").await.unwrap();
}

#[tokio::test]
async fn hostile_names_stay_what_they_are() {
    let hostile = "\\\"'; --${HOME}`id`=cmd|' /C calc'!A0 <script> \u{202e}evil\u{2066} {user}%00";
    let toml = ESTATE.replace(
        "title = \"Desktop\"",
        &format!("title = {}", toml_text(hostile)),
    );
    let estate = TestEstate::with(&toml).await;
    let ina = estate.principal("ina").await;
    let workspace = estate.broker.workspace(&ina).await.unwrap();
    assert!(
        workspace
            .resources
            .iter()
            .any(|offer| offer.title == hostile)
    );
    let (launch, grant) = estate.connect("ina", "desktop").await;
    let detail = format!("{hostile}\r\nSet-Cookie: x\u{1b}[2J\u{0}");
    estate
        .report(&grant, ConnectionEventKind::Failed { detail })
        .await;
    let client = crate::estate::client(None);
    let again = estate
        .broker
        .launch(&ina, &launch.resource, client, None)
        .await
        .unwrap();
    estate.redeem(&again).await.unwrap();
    // The journal keeps it as data and its chain stands.
    let verdict = estate.journal.verify(None).await.unwrap();
    assert!(format!("{verdict:?}").contains("faults: []"), "{verdict:?}");
}

/// A TOML basic string with everything escaped that must be.
fn toml_text(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}
