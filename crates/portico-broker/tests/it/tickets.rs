//! Tickets, grants and custody of the password.

use std::time::Duration;

use portico_broker::LaunchError;
use portico_model::{
    GatewayId, Secret,
    estate::Protocol,
    grant::RedeemError,
    launch::Refusal,
    session::{ConnectionEventKind, EndReason, SessionState},
};

use crate::estate::{ESTATE, TestEstate, bytes_in, client, closed, gateway_id, viewer_of};

#[tokio::test]
async fn a_ticket_that_is_wrong_or_foreign_is_not_good() {
    let estate = TestEstate::new().await;
    let launch = estate.launch("ina", "desktop").await.unwrap();
    let good = launch.ticket.expose();
    assert!(good.starts_with("b1."));
    let foreign = good.replacen("b1.", "b2.", 1);
    let long = good.repeat(10_000);
    for wrong in [
        "",
        "b1.",
        "\u{0}\r\n",
        &foreign,
        &long,
        &good[..good.len() - 1],
    ] {
        let redeemed = estate
            .broker
            .redeem(wrong, Protocol::Rdp, &gateway_id())
            .await;
        assert_eq!(redeemed.unwrap_err(), RedeemError::NotGood);
    }
    estate.redeem(&launch).await.unwrap();
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let estate = TestEstate::new().await;
    let launch = estate.launch("ina", "desktop").await.unwrap();
    estate.redeem(&launch).await.unwrap();
    assert_eq!(
        estate.redeem(&launch).await.unwrap_err(),
        RedeemError::NotGood
    );
}

#[tokio::test]
async fn a_ticket_of_another_broker_process_is_not_good() {
    let estate = TestEstate::new().await;
    let other = estate.second_broker();
    let launch = estate.launch("ina", "desktop").await.unwrap();
    assert_eq!(
        other.redeem(&launch).await.unwrap_err(),
        RedeemError::NotGood
    );
}

#[tokio::test]
async fn another_gateway_or_viewer_uses_the_ticket_up() {
    let estate = TestEstate::new().await;
    let launch = estate.launch("ina", "desktop").await.unwrap();
    let other = GatewayId::new("other").unwrap();
    let ticket = launch.ticket.expose();
    let redeemed = estate.broker.redeem(ticket, launch.protocol, &other).await;
    assert_eq!(redeemed.unwrap_err(), RedeemError::NotGood);
    assert_eq!(
        estate.redeem(&launch).await.unwrap_err(),
        RedeemError::NotGood
    );

    let launch = estate.launch("ina", "desktop").await.unwrap();
    let wrong = viewer_of(launch.protocol);
    let redeemed = estate
        .broker
        .redeem(launch.ticket.expose(), wrong, &gateway_id())
        .await;
    let expected = launch.protocol;
    assert_eq!(
        redeemed.unwrap_err(),
        RedeemError::OtherProtocol { expected }
    );
    assert_eq!(
        estate.redeem(&launch).await.unwrap_err(),
        RedeemError::NotGood
    );
}

#[tokio::test]
async fn a_ticket_lapses_after_a_minute_whatever_the_clock_says() {
    let estate = TestEstate::new().await;
    let (in_time, late) = (
        estate.launch("ina", "desktop").await.unwrap(),
        estate.launch("ina", "desktop").await.unwrap(),
    );
    estate.clock.advance_ms(-3_600_000);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    tokio::time::resume();
    estate.redeem(&in_time).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(
        estate.redeem(&late).await.unwrap_err(),
        RedeemError::NotGood
    );
}

#[tokio::test]
async fn a_ticket_for_a_host_that_has_gone_says_so() {
    let estate = TestEstate::new().await;
    let launch = estate.launch("ina", "desktop").await.unwrap();
    let host = launch.placement.host.clone();
    let gone = format!("id = \"{host}\"");
    estate.apply(&ESTATE.replace(&gone, "id = \"d9\"")).await;
    assert_eq!(
        estate.redeem(&launch).await.unwrap_err(),
        RedeemError::HostGone { host }
    );
}

#[tokio::test]
async fn a_ticket_for_a_session_that_was_ended_or_a_resource_taken_back_is_not_good() {
    let estate = TestEstate::new().await;
    let launch = estate.launch("ina", "desktop").await.unwrap();
    let ina = estate.principal("ina").await;
    estate.broker.end(&ina, &launch.session).await.unwrap();
    assert_eq!(
        estate.redeem(&launch).await.unwrap_err(),
        RedeemError::NotGood
    );

    let launch = estate.launch("ina", "editor").await.unwrap();
    estate
        .apply(
            &ESTATE
                .replace("id = \"editor\"", "id = \"other\"")
                .replace("\"editor\", ", ""),
        )
        .await;
    assert_eq!(
        estate.redeem(&launch).await.unwrap_err(),
        RedeemError::NotGood
    );
}

#[tokio::test]
async fn signing_out_voids_tickets_and_closes_connections() {
    let estate = TestEstate::new().await;
    let (_, grant) = estate.connect("ina", "desktop").await;
    let (_, of_tom) = estate.connect("tom", "desktop").await;
    let launch = estate.launch("ina", "editor").await;
    let terminal = estate.launch("ina", "terminal").await.unwrap();
    estate
        .broker
        .signed_out(&estate.principal("ina").await)
        .await;
    assert_eq!(
        estate.redeem(&terminal).await.unwrap_err(),
        RedeemError::NotGood
    );
    assert!(launch.is_err() || estate.redeem(&launch.unwrap()).await.is_err());
    let closings = estate.gateway.closed.lock().unwrap().clone();
    assert_eq!(closings, [(grant.connection, EndReason::SignedOut)]);
    assert_ne!(closings[0].0, of_tom.connection);
}

#[tokio::test]
async fn only_the_gateway_can_read_the_password_and_nothing_keeps_it() {
    let estate = TestEstate::new().await;
    let ina = estate.principal("ina").await;
    let password = Some(Secret::new("correct-horse-7f3a".into()));
    let desktop = crate::estate::resource("desktop");
    let launch = estate
        .broker
        .launch(&ina, &desktop, client(None), password)
        .await
        .unwrap();
    let grant = estate.redeem(&launch).await.unwrap();
    let sealed = grant.sealed_password.as_deref().unwrap();
    let opened = estate.gateway.keys.open(sealed).unwrap();
    assert_eq!(opened.expose(), "correct-horse-7f3a");
    let stored = bytes_in(estate.folder.path());
    for secret in [
        "correct-horse-7f3a",
        launch.ticket.expose(),
        launch.reconnect_grant.expose(),
    ] {
        let secret = secret.as_bytes();
        assert!(!stored.windows(secret.len()).any(|part| part == secret));
    }
    assert!(!format!("{launch:?}").contains(launch.ticket.expose()));

    let too_long = Some(Secret::new("x".repeat(5000)));
    let refused = estate
        .broker
        .launch(&ina, &desktop, client(None), too_long)
        .await;
    assert!(matches!(refused, Err(LaunchError::Password(_))));
}

#[tokio::test]
async fn a_viewer_comes_back_with_its_grant_after_a_network_drop() {
    let estate = TestEstate::new().await;
    let (launch, grant) = estate.connect("ina", "desktop").await;
    estate.report(&grant, closed(EndReason::ClientLost)).await;
    let ina = estate.principal("ina").await;
    let reconnect = async |who: &_, grant: &str| {
        let session = &launch.session;
        estate
            .broker
            .reconnect(who, session, grant, client(None), None)
            .await
    };
    let good = launch.reconnect_grant.expose();
    for wrong in ["", "x", &good[1..]] {
        let refused = reconnect(&ina, wrong).await.unwrap_err();
        assert_eq!(refused, LaunchError::GrantNotGood);
    }
    let tom = estate.principal("tom").await;
    let refused = reconnect(&tom, good).await.unwrap_err();
    assert_eq!(
        refused,
        LaunchError::SessionNotFound,
        "not even with the grant"
    );

    let again = reconnect(&ina, good).await.unwrap();
    assert!(again.resumed);
    assert_eq!(again.session, launch.session);
    // Until the new connection is open the old grant is still the viewer's only one.
    let once_more = reconnect(&ina, good).await.unwrap();
    let grant = estate.redeem(&once_more).await.unwrap();
    estate.report(&grant, ConnectionEventKind::Opened).await;
    assert_eq!(
        reconnect(&ina, good).await.unwrap_err(),
        LaunchError::GrantNotGood
    );
    reconnect(&ina, once_more.reconnect_grant.expose())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_reconnect_needs_the_entitlement_still() {
    let estate = TestEstate::new().await;
    let (launch, _) = estate.connect("ina", "desktop").await;
    let ina = estate.principal("ina").await;
    estate
        .apply(&ESTATE.replace("groups = [\"staff\"]", "users = [\"tom\"]"))
        .await;
    let grant = launch.reconnect_grant.expose();
    let refused = estate
        .broker
        .reconnect(&ina, &launch.session, grant, client(None), None)
        .await;
    assert!(matches!(
        refused.unwrap_err(),
        LaunchError::Refused(Refusal::NotFound { .. })
    ));
}

#[tokio::test]
async fn a_second_viewer_takes_over_and_the_first_is_told_and_cannot_take_it_back() {
    let estate = TestEstate::new().await;
    let (first, first_grant) = estate.connect("ina", "desktop").await;
    let (second, second_grant) = estate.connect("ina", "desktop").await;
    assert_eq!(first.session, second.session);
    let closings = estate.gateway.closed.lock().unwrap().clone();
    assert_eq!(
        closings,
        [(first_grant.connection.clone(), EndReason::TakenOver)]
    );
    // The report of the closed connection does not touch the new one.
    estate
        .report(&first_grant, closed(EndReason::TakenOver))
        .await;
    let session = estate.session(&second.session).await;
    assert!(matches!(
        session.state,
        SessionState::Active { connection, .. } if connection == second_grant.connection
    ));
    let ina = estate.principal("ina").await;
    let grant = first.reconnect_grant.expose();
    let refused = estate
        .broker
        .reconnect(&ina, &first.session, grant, client(None), None)
        .await;
    assert_eq!(refused.unwrap_err(), LaunchError::GrantNotGood);
}

#[tokio::test]
async fn a_ticket_is_not_good_when_the_entitlement_was_taken_back() {
    let estate = TestEstate::new().await;
    let launch = estate.launch("ina", "desktop").await.unwrap();
    estate
        .apply(&ESTATE.replace("members = [\"ina\", ", "members = ["))
        .await;
    assert_eq!(
        estate.redeem(&launch).await.unwrap_err(),
        RedeemError::NotGood
    );
}

#[tokio::test]
async fn a_new_password_voids_the_tickets_and_closes_the_connections_of_its_user_only() {
    let estate = TestEstate::new().await;
    let open = estate.launch("ina", "desktop").await.unwrap();
    let open = estate.redeem(&open).await.unwrap();
    let others = estate.launch("tom", "desktop").await.unwrap();
    let others = estate.redeem(&others).await.unwrap();
    let unused = estate.launch("ina", "terminal").await.unwrap();
    estate
        .apply(&ESTATE.replacen("violet anchor tin", "another anchor tin", 1))
        .await;
    assert_eq!(
        estate.redeem(&unused).await.unwrap_err(),
        RedeemError::NotGood
    );
    let closed = estate.gateway.closed.lock().unwrap().clone();
    assert!(closed.contains(&(open.connection, EndReason::SignedOut)));
    assert!(closed.iter().all(|(id, _)| *id != others.connection));
}
