//! The life cycle through the store, and who may act on sessions.

use portico_broker::SessionActError;
use portico_model::{
    ConnectionId, SessionId,
    session::{ConnectionEvent, ConnectionEventKind, EndReason, SessionState},
};

use crate::estate::{TestEstate, closed};

#[tokio::test]
async fn only_the_user_and_those_with_a_role_may_end_a_session() {
    let estate = TestEstate::new().await;
    let (launch, grant) = estate.connect("ina", "desktop").await;
    let tom = estate.principal("tom").await;
    let nowhere = SessionId::from_random(1);
    for id in [&launch.session, &nowhere] {
        let refused = estate.broker.end(&tom, id).await.unwrap_err();
        assert_eq!(refused, SessionActError::NotFound);
        let refused = estate.broker.disconnect(&tom, id).await.unwrap_err();
        assert_eq!(refused, SessionActError::NotFound);
    }
    let hanna = estate.principal("hanna").await;
    let ended = estate.broker.end(&hanna, &launch.session).await.unwrap();
    assert!(ended.host_keeps_it, "no agent could log the user off");
    let session = estate.session(&launch.session).await;
    let reason = EndReason::OperatorEnded;
    assert_eq!(session.state, SessionState::Ended { reason });
    let closings = estate.gateway.closed.lock().unwrap().clone();
    assert_eq!(closings, [(grant.connection, reason)]);
    // Ending it again is no error and changes nothing.
    let ended = estate.broker.end(&hanna, &launch.session).await.unwrap();
    assert!(!ended.host_keeps_it);
}

#[tokio::test]
async fn ending_a_terminal_ends_its_program() {
    let estate = TestEstate::new().await;
    let (launch, _) = estate.connect("ina", "terminal").await;
    let ina = estate.principal("ina").await;
    let ended = estate.broker.end(&ina, &launch.session).await.unwrap();
    assert!(!ended.host_keeps_it);
    assert_eq!(
        *estate.gateway.terminals_ended.lock().unwrap(),
        [launch.session]
    );
}

#[tokio::test]
async fn disconnecting_closes_the_connection_and_keeps_the_session() {
    let estate = TestEstate::new().await;
    let (launch, grant) = estate.connect("ina", "desktop").await;
    let ina = estate.principal("ina").await;
    estate
        .broker
        .disconnect(&ina, &launch.session)
        .await
        .unwrap();
    let session = estate.session(&launch.session).await;
    let reason = EndReason::UserDisconnected;
    assert_eq!(session.state, SessionState::Disconnected { reason });
    let closings = estate.gateway.closed.lock().unwrap().clone();
    assert_eq!(closings, [(grant.connection, reason)]);
    assert!(estate.launch("ina", "desktop").await.unwrap().resumed);
}

#[tokio::test]
async fn a_connection_that_fails_ends_the_launch_and_the_next_one_starts_anew() {
    let estate = TestEstate::new().await;
    let launch = estate.launch("ina", "desktop").await.unwrap();
    let grant = estate.redeem(&launch).await.unwrap();
    let detail = "refused".into();
    estate
        .report(&grant, ConnectionEventKind::Failed { detail })
        .await;
    let session = estate.session(&launch.session).await;
    let reason = EndReason::HostFailed;
    assert_eq!(session.state, SessionState::Ended { reason });
    assert!(!estate.launch("ina", "desktop").await.unwrap().resumed);
}

#[tokio::test]
async fn a_connection_that_was_never_granted_is_closed_and_changes_nothing() {
    let estate = TestEstate::new().await;
    let (launch, grant) = estate.connect("ina", "desktop").await;
    let connection = ConnectionId::from_random(99);
    for kind in [
        ConnectionEventKind::Opened,
        ConnectionEventKind::Failed {
            detail: String::new(),
        },
        closed(EndReason::HostClosed),
    ] {
        let session = launch.session.clone();
        let connection = connection.clone();
        let event = ConnectionEvent {
            session,
            connection,
            kind,
        };
        estate.broker.report(event).await;
    }
    let session = estate.session(&launch.session).await;
    assert!(matches!(
        session.state,
        SessionState::Active { connection, .. } if connection == grant.connection
    ));
    let closings = estate.gateway.closed.lock().unwrap().clone();
    assert_eq!(closings, [(connection, EndReason::ProcessStopped)]);
    // A granted connection that claims another session is no better.
    let other = estate.launch("tom", "desktop").await.unwrap();
    let session = other.session.clone();
    let connection = grant.connection.clone();
    let kind = ConnectionEventKind::Opened;
    estate
        .broker
        .report(ConnectionEvent {
            session,
            connection,
            kind,
        })
        .await;
    let state = estate.session(&other.session).await.state;
    assert!(matches!(state, SessionState::Pending { .. }));
}

#[tokio::test]
async fn an_engine_that_stops_ends_its_shells_and_no_desktop() {
    let estate = TestEstate::new().await;
    let (terminal, grant) = estate.connect("ina", "terminal").await;
    let (desktop, _) = estate.connect("ina", "desktop").await;
    estate.report(&grant, closed(EndReason::ClientLost)).await;
    estate.broker.engine_stopped().await.unwrap();
    assert!(!estate.session(&terminal.session).await.state.is_running());
    let state = estate.session(&desktop.session).await.state;
    assert!(matches!(state, SessionState::Active { .. }));
}

#[tokio::test]
async fn the_history_of_a_session_is_in_the_journal() {
    let estate = TestEstate::new().await;
    let (launch, grant) = estate.connect("ina", "desktop").await;
    estate.report(&grant, closed(EndReason::HostClosed)).await;
    let query = portico_store::SessionQuery {
        session: Some(launch.session),
        ..Default::default()
    };
    let page = estate.journal.sessions(query).await.unwrap();
    let kinds: Vec<String> = page
        .records
        .iter()
        .rev()
        .map(|record| {
            let text = format!("{:?}", record.event.kind);
            text.split_whitespace().next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "Created",
            "StateChanged",
            "Connection",
            "StateChanged",
            "Connection"
        ]
    );
}
