//! Times and limits, with settings small enough to reach them.

use std::time::Duration;

use portico_gateway::{Limits, close_code};
use portico_model::session::{ConnectionEventKind, EndReason};
use portico_rdp::cleanpath::Failure;
use tokio::{io::AsyncReadExt, time::Instant};

use crate::kit::{HostStream, ORIGIN, TestGateway, TestHost, Viewer, soon};

/// A frame acknowledgement, which browsers send without a user.
const NO_INPUT: [u8; 44] = {
    let mut pdu = [0; 44];
    let head = [
        3, 0, 0, 44, 2, 0xf0, 0x80, 0x64, 0, 6, 3, 0xeb, 0x70, 0x80, 29, 29, 0, 0x17, 0, 0xef, 3,
        1, 0, 0, 0, 0, 1, 29, 0, 0x38,
    ];
    let mut at = 0;
    while at < head.len() {
        pdu[at] = head[at];
        at += 1;
    }
    pdu
};

/// A key.
const INPUT: [u8; 4] = [0x04, 0x04, 0x00, 0x1e];

async fn open(
    gateway: &TestGateway,
    host: &TestHost,
    idle_timeout_s: u32,
    total_timeout_s: u32,
) -> (Viewer, HostStream) {
    let ticket = gateway.broker.ticket_with(host.target(), |grant| {
        grant.idle_timeout_s = idle_timeout_s;
        grant.total_timeout_s = total_timeout_s;
    });
    let mut viewer = gateway.viewer().await;
    viewer.request(&ticket).await;
    let ((session, _), ()) = tokio::join!(host.accept_session(), async {
        viewer.ready().await;
        viewer.connect_sequence().await;
    });
    assert_eq!(gateway.broker.kind().await, ConnectionEventKind::Opened);
    (viewer, session)
}

async fn reason(gateway: &TestGateway) -> EndReason {
    match gateway.broker.kind().await {
        ConnectionEventKind::Closed { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// Sends `pdu` ten times a second for `time`; gives how the connection stood then.
async fn keep_sending(viewer: &mut Viewer, pdu: &[u8], time: Duration) -> Option<u16> {
    let end = Instant::now() + time;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while Instant::now() < end {
        tokio::select! {
            code = viewer.close_code() => return Some(code),
            _ = tick.tick() => {}
        }
        viewer.send(pdu).await;
    }
    None
}

#[tokio::test]
async fn only_a_users_input_keeps_a_session_from_being_idle() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let (mut viewer, _session) = open(&gateway, &host, 1, 0).await;
    let still_there = keep_sending(&mut viewer, &INPUT, Duration::from_millis(1800)).await;
    assert_eq!(still_there, None);
    let ended = keep_sending(&mut viewer, &NO_INPUT, Duration::from_secs(10)).await;
    assert_eq!(ended, Some(close_code(EndReason::IdleTimeout)));
    drop(viewer);
    assert_eq!(reason(&gateway).await, EndReason::IdleTimeout);
}

#[tokio::test]
async fn the_total_time_ends_a_busy_session_too() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let (mut viewer, _session) = open(&gateway, &host, 0, 1).await;
    let ended = keep_sending(&mut viewer, &INPUT, Duration::from_secs(10)).await;
    assert_eq!(ended, Some(close_code(EndReason::TotalTimeout)));
    drop(viewer);
    assert_eq!(reason(&gateway).await, EndReason::TotalTimeout);
}

#[tokio::test]
async fn a_silent_viewer_stays_while_it_answers_pings() {
    let limits = Limits {
        ping_interval: Duration::from_millis(200),
        ..Limits::default()
    };
    let (gateway, host) = (
        TestGateway::with_limits(limits).await,
        TestHost::start().await,
    );
    let (mut viewer, _session) = open(&gateway, &host, 0, 0).await;
    let answering = tokio::time::timeout(Duration::from_secs(1), viewer.close_code()).await;
    assert!(answering.is_err(), "it was closed");
    viewer.answers_pings = false;
    assert_eq!(viewer.close_code().await, close_code(EndReason::ClientLost));
    drop(viewer);
    assert_eq!(reason(&gateway).await, EndReason::ClientLost);
}

#[tokio::test]
async fn a_viewer_that_does_not_log_on_is_dropped() {
    let limits = Limits {
        rewrite_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let (gateway, host) = (
        TestGateway::with_limits(limits).await,
        TestHost::start().await,
    );
    let ticket = gateway.broker.ticket(host.target());
    let mut viewer = gateway.viewer().await;
    viewer.request(&ticket).await;
    let (mut session, _) = tokio::join!(host.accept(), viewer.ready());
    assert_eq!(viewer.close_code().await, 1008);
    drop(viewer);
    assert_eq!(soon(session.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(gateway.broker.kind().await, ConnectionEventKind::Opened);
    assert_eq!(reason(&gateway).await, EndReason::ClientLost);
}

#[tokio::test]
async fn a_connection_is_closed_while_it_is_set_up() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let mut connection = None;
    let ticket = gateway.broker.ticket_with(host.target(), |grant| {
        connection = Some(grant.connection.clone());
    });
    let mut viewer = gateway.viewer().await;
    viewer.request(&ticket).await;
    let _tcp = host.accept_tcp().await;
    assert!(
        gateway
            .gateway
            .close(&connection.unwrap(), EndReason::UserEnded, None)
    );
    assert_eq!(viewer.failure().await, Failure::Http(409));
    assert_eq!(viewer.close_code().await, close_code(EndReason::UserEnded));
    assert_eq!(reason(&gateway).await, EndReason::UserEnded);
}

#[tokio::test]
async fn a_viewer_that_goes_or_talks_during_setup_frees_the_host() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    for talks in [false, true] {
        let ticket = gateway.broker.ticket(host.target());
        let mut viewer = gateway.viewer().await;
        viewer.request(&ticket).await;
        let mut tcp = host.accept_tcp().await;
        if talks {
            viewer.send(b"early").await;
            assert_eq!(viewer.failure().await, Failure::Http(400));
        }
        drop(viewer);
        let mut rest = Vec::new();
        soon(tcp.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(reason(&gateway).await, EndReason::ClientLost);
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_keep_their_ticket() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let (gateway, host) = (
        TestGateway::with_limits(limits).await,
        TestHost::start().await,
    );
    let (first, _session) = open(&gateway, &host, 0, 0).await;
    let ticket = gateway.broker.ticket(host.target());
    let mut second = gateway.viewer().await;
    second.request(&ticket).await;
    assert_eq!(second.failure().await, Failure::Http(503));
    assert_eq!(
        second.close_code().await,
        close_code(EndReason::LimitReached)
    );
    drop(first);
    assert_eq!(reason(&gateway).await, EndReason::ClientLost);
    let mut third = gateway.viewer().await;
    third.request(&ticket).await;
    let (_session, _) = tokio::join!(host.accept(), third.ready());
}

#[tokio::test]
async fn handshakes_beyond_the_limit_are_put_off() {
    let limits = Limits {
        handshakes_max: 1,
        ..Limits::default()
    };
    let (gateway, host) = (
        TestGateway::with_limits(limits).await,
        TestHost::start().await,
    );
    let waiting = gateway.viewer().await;
    let (_, head) = Viewer::upgrade(&gateway, "/session/desktop", ORIGIN).await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("retry-after: 5"), "{head}");
    drop(waiting);
    // An open desktop is no handshake any more.
    let mut opened = None;
    for _ in 0..200 {
        let (_, head) = Viewer::upgrade(&gateway, "/session/other", ORIGIN).await;
        assert!(head.starts_with("HTTP/1.1 404 "));
        let (stream, head) = Viewer::upgrade(&gateway, "/session/desktop", ORIGIN).await;
        if head.starts_with("HTTP/1.1 101 ") {
            opened = Some(stream);
            break;
        }
    }
    assert!(opened.is_some(), "the permit was not given back");
    drop((opened, host));
}
