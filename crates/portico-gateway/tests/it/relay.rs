//! What a desktop does when all is well, and how it ends.

use portico_gateway::close_code;
use portico_model::session::{ConnectionEventKind, EndReason};
use portico_rdp::fuzzing::connect_sequence;
use portico_wire::websocket::{CloseCode, CloseFrame, Opcode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kit::{Ended, TestGateway, TestHost, soon};

fn contains_utf16(bytes: &[u8], text: &str) -> bool {
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.windows(utf16.len()).any(|part| part == utf16)
}

fn closed(reason: EndReason, bytes_down: u64, bytes_up: u64) -> ConnectionEventKind {
    ConnectionEventKind::Closed {
        reason,
        bytes_down,
        bytes_up,
        exit_status: None,
    }
}

#[tokio::test]
async fn a_desktop_is_opened_rewritten_relayed_and_closed() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let ticket = gateway.broker.ticket(host.target());
    let mut viewer = gateway.viewer().await;
    viewer.request(&ticket).await;
    let (mut session, pdus) = tokio::join!(host.accept_session(), async {
        let (confirm, certificates) = viewer.ready().await;
        assert_eq!(confirm[15..], [1, 0, 0, 0]);
        assert_eq!(portico_net::tls::sha256(&certificates[0]), host.sha256());
        viewer.connect_sequence().await;
    })
    .0;
    assert_eq!(gateway.broker.kind().await, ConnectionEventKind::Opened);

    let sent = connect_sequence(&["cliprdr", "rdpdr"]);
    assert_eq!(pdus[1..5], sent[1..5]);
    assert!(!pdus[0].windows(7).any(|name| name == b"cliprdr"));
    assert!(contains_utf16(&pdus[5], "pass wörd"));
    assert!(contains_utf16(&pdus[5], "xterm"));
    assert!(!contains_utf16(&pdus[5], "mallory"));

    // Both ways, large and small, with the frames cut anywhere.
    let large: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    viewer.send(&large).await;
    viewer.frame(Opcode::Ping, b"?").await;
    let mut got = vec![0; large.len()];
    soon(session.read_exact(&mut got)).await.unwrap();
    assert_eq!(got, large);
    let (_, down) = tokio::join!(
        async {
            session.write_all(&large).await.unwrap();
            session.flush().await.unwrap();
        },
        viewer.bytes(large.len())
    );
    assert_eq!(down, large);
    assert_eq!(viewer.pongs, 1);

    let bye = CloseFrame::new(CloseCode::NORMAL, "bye").encode();
    viewer.frame(Opcode::Close, &bye).await;
    assert_eq!(
        viewer.ended().await,
        Ended::Close {
            code: 1000,
            reason: String::new()
        }
    );
    // The host is told by close_notify: a clean end, not an error.
    assert_eq!(soon(session.read(&mut got)).await.unwrap(), 0);
    let up = sent.concat().len() + large.len();
    let expected = closed(
        EndReason::ClientClosed,
        u64::try_from(large.len()).unwrap(),
        u64::try_from(up).unwrap(),
    );
    assert_eq!(gateway.broker.kind().await, expected);
    assert_eq!(gateway.gateway.connections(), 0);
}

async fn open(
    gateway: &TestGateway,
    host: &TestHost,
) -> (crate::kit::Viewer, crate::kit::HostStream) {
    let (viewer, (session, _)) = tokio::join!(gateway.desktop(host), host.accept_session());
    assert_eq!(gateway.broker.kind().await, ConnectionEventKind::Opened);
    (viewer, session)
}

async fn reason(gateway: &TestGateway) -> EndReason {
    match gateway.broker.kind().await {
        ConnectionEventKind::Closed { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_host_sent_before_it_closed_arrives() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let (mut viewer, mut session) = open(&gateway, &host).await;
    session.write_all(b"last words").await.unwrap();
    session.shutdown().await.unwrap();
    assert_eq!(viewer.message().await.unwrap(), b"last words");
    assert_eq!(
        viewer.ended().await,
        Ended::Close {
            code: close_code(EndReason::HostClosed),
            reason: "host-closed".into()
        }
    );
    assert_eq!(reason(&gateway).await, EndReason::HostClosed);
}

#[tokio::test]
async fn a_host_that_resets_is_lost() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let (mut viewer, session) = open(&gateway, &host).await;
    let (tcp, _tls) = session.into_inner();
    tcp.set_zero_linger().unwrap();
    drop(tcp);
    assert_eq!(viewer.close_code().await, close_code(EndReason::HostLost));
    assert_eq!(reason(&gateway).await, EndReason::HostLost);
}

#[tokio::test]
async fn a_viewer_that_vanishes_is_lost_and_the_host_is_told() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let (viewer, mut session) = open(&gateway, &host).await;
    drop(viewer);
    assert_eq!(soon(session.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(reason(&gateway).await, EndReason::ClientLost);
}

#[tokio::test]
async fn the_broker_closes_a_connection_with_its_reason() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let mut connection = None;
    let ticket = gateway.broker.ticket_with(host.target(), |grant| {
        connection = Some(grant.connection.clone());
    });
    let connection = connection.unwrap();
    let mut viewer = gateway.viewer().await;
    viewer.request(&ticket).await;
    let ((mut session, _), ()) = tokio::join!(host.accept_session(), async {
        viewer.ready().await;
        viewer.connect_sequence().await;
    });
    assert_eq!(gateway.broker.kind().await, ConnectionEventKind::Opened);
    let by = Some("by=192.0.2.7");
    assert!(gateway.gateway.close(&connection, EndReason::TakenOver, by));
    assert!(!gateway.gateway.close(&connection, EndReason::TakenOver, by));
    assert_eq!(viewer.close_code().await, close_code(EndReason::TakenOver));
    assert_eq!(soon(session.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(reason(&gateway).await, EndReason::TakenOver);
}

#[tokio::test]
async fn shutting_down_tells_every_viewer() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let (mut viewer, _session) = open(&gateway, &host).await;
    let (code, ()) = tokio::join!(
        async {
            let code = viewer.close_code().await;
            drop(viewer);
            code
        },
        gateway.gateway.shutdown()
    );
    assert_eq!(code, close_code(EndReason::ProcessStopped));
    assert_eq!(reason(&gateway).await, EndReason::ProcessStopped);
}

#[tokio::test]
async fn breaches_of_the_protocol_end_with_their_code() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    for (opcode, payload, code) in [
        (Opcode::Text, &b"hello"[..], 1003),
        (Opcode::Continuation, b"x", 1002),
    ] {
        let (mut viewer, _session) = open(&gateway, &host).await;
        viewer.frame(opcode, payload).await;
        assert_eq!(viewer.close_code().await, code);
        assert_eq!(reason(&gateway).await, EndReason::ClientLost);
    }
}

#[tokio::test]
async fn a_viewer_that_skips_the_connect_sequence_is_refused() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let ticket = gateway.broker.ticket(host.target());
    let mut viewer = gateway.viewer().await;
    viewer.request(&ticket).await;
    let (mut session, _) = tokio::join!(host.accept(), viewer.ready());
    viewer
        .send(&[3, 0, 0, 12, 2, 0xf0, 0x80, 0x64, 0, 0, 0, 0])
        .await;
    assert_eq!(viewer.close_code().await, 1002);
    assert_eq!(soon(session.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(gateway.broker.kind().await, ConnectionEventKind::Opened);
    assert_eq!(reason(&gateway).await, EndReason::ClientLost);
}

/// Sends until nothing was taken for a while; gives how much was.
async fn flood(writer: &mut (impl AsyncWriteExt + Unpin)) -> usize {
    let chunk = vec![7; 64 * 1024];
    let mut sent = 0;
    let patience = std::time::Duration::from_millis(500);
    while let Ok(Ok(())) = tokio::time::timeout(patience, writer.write_all(&chunk)).await {
        sent += chunk.len();
        assert!(sent < 64 << 20, "nothing holds the sender back");
    }
    sent
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_viewer_that_does_not_read_stops_the_host_and_costs_no_memory() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let (mut viewer, mut session) = open(&gateway, &host).await;
    let before = resident_kib();
    let sent = flood(&mut session).await;
    assert!(
        resident_kib().saturating_sub(before) < 16 * 1024,
        "the gateway hoards"
    );
    // It goes on as soon as the viewer reads.
    let reading = async {
        let mut received = 0;
        while received < sent {
            received += viewer.message().await.unwrap().len();
        }
    };
    let (flushed, ()) = soon(async { tokio::join!(session.flush(), reading) }).await;
    flushed.unwrap();
}

#[tokio::test]
async fn a_host_that_does_not_read_stops_the_viewer() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let (mut viewer, mut session) = open(&gateway, &host).await;
    let frame = portico_wire::websocket::FrameHeader {
        fin: true,
        opcode: Opcode::Binary,
        mask: Some([0; 4]),
        payload_len: 1 << 40,
    };
    viewer.raw(frame.encode().as_ref()).await;
    let before = resident_kib();
    let sent = flood(&mut viewer.stream).await;
    assert!(
        resident_kib().saturating_sub(before) < 16 * 1024,
        "the gateway hoards"
    );
    let reading = async {
        let mut received = 0;
        let mut buffer = vec![0; 64 * 1024];
        while received < sent {
            received += session.read(&mut buffer).await.unwrap();
        }
    };
    let (flushed, ()) = soon(async { tokio::join!(viewer.stream.flush(), reading) }).await;
    flushed.unwrap();
}
