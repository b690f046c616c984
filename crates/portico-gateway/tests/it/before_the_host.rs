//! What is refused before any host is dialled.

use portico_gateway::{Limits, close_code};
use portico_model::{HostId, estate::Protocol, grant::RedeemError, session::EndReason};
use portico_rdp::cleanpath::{Failure, REQUEST_LEN_MAX, encode_request};
use portico_wire::websocket::Opcode;
use tokio::io::AsyncReadExt;

use crate::kit::{ORIGIN, TestGateway, TestHost, Viewer, soon};

#[tokio::test]
async fn tickets_that_are_not_good_all_look_the_same() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let tickets = [
        "never-given".to_owned(),
        gateway.broker.bad_ticket(RedeemError::NotGood),
        gateway.broker.bad_ticket(RedeemError::OtherProtocol {
            expected: Protocol::Ssh,
        }),
    ];
    for ticket in tickets {
        let mut viewer = gateway.viewer().await;
        viewer.request(&ticket).await;
        assert_eq!(viewer.failure().await, Failure::Http(401));
        assert_eq!(
            viewer.close_code().await,
            close_code(EndReason::TicketLapsed)
        );
    }
    assert!(host.is_untouched().await);
    assert!(gateway.broker.is_quiet().await);
}

#[tokio::test]
async fn a_ticket_works_once() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let ticket = gateway.broker.ticket(host.target());
    let mut first = gateway.viewer().await;
    first.request(&ticket).await;
    let (_session, _) = tokio::join!(host.accept(), first.ready());
    let mut second = gateway.viewer().await;
    second.request(&ticket).await;
    assert_eq!(second.failure().await, Failure::Http(401));
    assert!(host.is_untouched().await);
}

#[tokio::test]
async fn a_host_that_has_gone_and_a_store_that_is_away_are_told_apart() {
    let gateway = TestGateway::start().await;
    let gone = RedeemError::HostGone {
        host: HostId::new("sh9").unwrap(),
    };
    let away = RedeemError::StoreAway {
        detail: "disk full".into(),
    };
    for (error, status) in [(gone, 410), (away, 503)] {
        let ticket = gateway.broker.bad_ticket(error);
        let mut viewer = gateway.viewer().await;
        viewer.request(&ticket).await;
        assert_eq!(viewer.failure().await, Failure::Http(status));
    }
}

#[tokio::test]
async fn a_foreign_origin_gets_403_with_a_text() {
    let gateway = TestGateway::start().await;
    for path in ["/session/desktop", "/session/terminal"] {
        let (mut stream, head) = Viewer::upgrade(&gateway, path, "https://evil.test").await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        let mut text = vec![0; 24];
        soon(stream.read_exact(&mut text)).await.unwrap();
        assert_eq!(text, b"this page of another sit");
    }
    let (_, head) = Viewer::upgrade(&gateway, "/session/other", ORIGIN).await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

#[tokio::test]
async fn the_destination_of_the_request_is_ignored() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let elsewhere = TestHost::start().await;
    let ticket = gateway.broker.ticket(host.target());
    let mut viewer = gateway.viewer().await;
    let destination = format!("127.0.0.1:{}", elsewhere.port);
    viewer.send(&encode_request(&destination, &ticket, 1)).await;
    let (_session, _) = tokio::join!(host.accept(), viewer.ready());
    assert!(elsewhere.is_untouched().await);
}

#[tokio::test]
async fn a_request_cut_at_any_length_dials_nobody() {
    let limits = Limits {
        ticket_timeout: std::time::Duration::from_millis(300),
        ..Limits::default()
    };
    let (gateway, host) = (
        TestGateway::with_limits(limits).await,
        TestHost::start().await,
    );
    let ticket = gateway.broker.ticket(host.target());
    let request = encode_request("host", &ticket, 1);
    let mut waiting = Vec::new();
    for len in 0..request.len() {
        let mut viewer = gateway.viewer().await;
        viewer.send(&request[..len]).await;
        waiting.push(tokio::spawn(async move { viewer.failure().await }));
    }
    for outcome in waiting {
        assert_eq!(outcome.await.unwrap(), Failure::Http(408));
    }
    assert_eq!(gateway.broker.redemptions(), 0);
    assert!(host.is_untouched().await);
}

#[tokio::test]
async fn a_request_may_come_in_pieces() {
    let (gateway, host) = (TestGateway::start().await, TestHost::start().await);
    let ticket = gateway.broker.ticket(host.target());
    let mut viewer = gateway.viewer().await;
    for byte in encode_request("host", &ticket, 1) {
        viewer.send(&[byte]).await;
    }
    let (_session, _) = tokio::join!(host.accept(), viewer.ready());
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let gateway = TestGateway::start().await;
    let ticket = "t".repeat(513);
    let mut trailing = encode_request("host", "ticket", 1);
    trailing.push(0);
    let mut claims_more = encode_request("host", "ticket", 1);
    claims_more.splice(0..2, [0x30, 0x83, 0x01, 0x00, 0x00]);
    for (request, status) in [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 400),
        (encode_request("host", "ticket", 2), 400),
        (encode_request("host", &ticket, 1), 413),
        (trailing, 400),
        (claims_more, 413),
        (vec![0x30; REQUEST_LEN_MAX], 400),
        (vec![0x30; REQUEST_LEN_MAX + 1], 413),
    ] {
        let mut viewer = gateway.viewer().await;
        viewer.send(&request).await;
        assert_eq!(
            viewer.failure().await,
            Failure::Http(status),
            "{:x?}",
            &request[..request.len().min(20)]
        );
    }
    let mut viewer = gateway.viewer().await;
    viewer.frame(Opcode::Text, b"hello").await;
    assert_eq!(viewer.close_code().await, 1003);
    assert_eq!(gateway.broker.redemptions(), 0);
}
