//! Hosts that do not do what they should: always an error PDU for the viewer, and a report that
//! tells operators what to do.

use std::time::Duration;

use portico_gateway::{Limits, close_code};
use portico_model::{
    estate::RdpSecurity,
    grant::{ChannelGrant, Target},
    session::{ConnectionEventKind, EndReason},
};
use portico_rdp::cleanpath::Failure;
use tokio::io::AsyncWriteExt;

use crate::kit::{Ended, TestGateway, TestHost};

/// Opens a desktop on `target` while `host` does its part, and checks what both sides are told.
async fn check_failure(
    gateway: &TestGateway,
    target: Target,
    change: impl FnOnce(&mut ChannelGrant),
    host: impl Future,
    expected: &Failure,
    words: &[&str],
) {
    let ticket = gateway.broker.ticket_with(target, change);
    let mut viewer = gateway.viewer().await;
    viewer.request(&ticket).await;
    let (_, failure) = tokio::join!(host, viewer.failure());
    assert_eq!(failure, *expected);
    assert_eq!(viewer.close_code().await, close_code(EndReason::HostFailed));
    match gateway.broker.kind().await {
        ConnectionEventKind::Failed { detail } => {
            for word in words {
                assert!(detail.contains(word), "{word:?} is not in {detail:?}");
            }
            assert!(!detail.contains("pass wörd"));
        }
        other => panic!("{other:?}"),
    }
    assert!(gateway.broker.is_quiet().await);
    assert_eq!(gateway.gateway.connections(), 0);
}

fn impatient() -> Limits {
    Limits {
        dial_timeout: Duration::from_millis(300),
        host_step_timeout: Duration::from_millis(300),
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_host_that_refuses() {
    let gateway = TestGateway::start().await;
    let target = TestHost::start().await.target(); // dropped: nobody listens
    let words = ["host sh1", "refused", "ss -ltn"];
    let failure = Failure::Socket(10061);
    check_failure(&gateway, target, |_| {}, async {}, &failure, &words).await;
}

#[tokio::test]
async fn of_a_host_that_is_not_reached_the_known_cause_is_told() {
    let gateway = TestGateway::start().await;
    let host = TestHost::start().await;
    let cause = |grant: &mut ChannelGrant| grant.cause = Some("nothing-listens".into());
    // It is reached, and speaks something else: the cause is not that one.
    let ticket = gateway.broker.ticket_with(host.target(), cause);
    let mut viewer = gateway.viewer().await;
    viewer.request(&ticket).await;
    let (_, ended) = tokio::join!(host.accept_x224(b"SSH-2.0-OpenSSH\r\n"), viewer.ended());
    assert_eq!(ended, failed("host-failed"));
    let target = host.target();
    drop(host);
    let ticket = gateway.broker.ticket_with(target, cause);
    let mut viewer = gateway.viewer().await;
    viewer.request(&ticket).await;
    let ended = viewer.ended().await;
    assert_eq!(ended, failed("host-failed cause=nothing-listens"));
}

fn failed(text: &str) -> Ended {
    Ended::Close {
        code: close_code(EndReason::HostFailed),
        reason: text.into(),
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let gateway = TestGateway::start().await;
    let mut target = TestHost::start().await.target();
    target.address = "no-such-host.invalid".into();
    let words = ["no-such-host.invalid"];
    let failure = Failure::Socket(11001);
    check_failure(&gateway, target, |_| {}, async {}, &failure, &words).await;
}

#[tokio::test]
async fn a_host_that_says_nothing_at_each_step() {
    let gateway = TestGateway::with_limits(impatient()).await;
    let host = TestHost::start().await;
    let failure = Failure::Socket(10060);
    let silent = async {
        let tcp = host.accept_tcp().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(tcp);
    };
    let words = ["in time", "RDP negotiation"];
    check_failure(&gateway, host.target(), |_| {}, silent, &failure, &words).await;
    let silent = async {
        let tcp = host.accept_x224(&CONFIRM_TLS).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(tcp);
    };
    let words = ["in time", "TLS handshake"];
    check_failure(&gateway, host.target(), |_| {}, silent, &failure, &words).await;
}

const CONFIRM_TLS: [u8; 19] = [
    3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0,
];

#[tokio::test]
async fn a_host_that_closes_at_any_byte_of_its_confirm() {
    let gateway = TestGateway::start().await;
    let host = TestHost::start().await;
    for len in 0..CONFIRM_TLS.len() {
        let cut = async {
            let mut tcp = host.accept_x224(&CONFIRM_TLS[..len]).await;
            tcp.shutdown().await.unwrap();
        };
        let failure = Failure::Socket(10054);
        let words = ["broke", "RDP negotiation"];
        check_failure(&gateway, host.target(), |_| {}, cut, &failure, &words).await;
    }
}

#[tokio::test]
async fn a_host_that_speaks_something_else() {
    let gateway = TestGateway::start().await;
    let host = TestHost::start().await;
    let ssh = async { host.accept_x224(b"SSH-2.0-OpenSSH\r\n").await };
    let words = ["is it an RDP server?"];
    let failure = Failure::Http(502);
    check_failure(&gateway, host.target(), |_| {}, ssh, &failure, &words).await;
    let not_tls = async {
        let mut tcp = host.accept_x224(&CONFIRM_TLS).await;
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        tcp
    };
    let failure = Failure::Tls(40);
    let words = ["TLS handshake failed"];
    check_failure(&gateway, host.target(), |_| {}, not_tls, &failure, &words).await;
}

#[tokio::test]
async fn a_host_that_refuses_the_negotiation() {
    let gateway = TestGateway::start().await;
    let host = TestHost::start().await;
    let mut confirm = CONFIRM_TLS;
    confirm[11] = 3;
    confirm[15] = 5;
    let refusing = async { host.accept_x224(&confirm).await };
    let failure = Failure::Negotiation(confirm.to_vec());
    let words = ["refused the negotiation", "CredSSP"];
    check_failure(&gateway, host.target(), |_| {}, refusing, &failure, &words).await;
}

#[tokio::test]
async fn a_host_that_shows_another_certificate() {
    let gateway = TestGateway::start().await;
    let (host, other) = (TestHost::start().await, TestHost::start().await);
    let mut target = host.target();
    target.pins = other.target().pins;
    let seen = portico_net::tls::hex(&host.sha256());
    let showing = async { host.accept_x224(&CONFIRM_TLS).await };
    let accepting = async {
        let tcp = showing.await;
        host.try_tls(tcp).await
    };
    let words = ["another certificate", &seen, "portico hosts trust sh1"];
    check_failure(
        &gateway,
        target,
        |_| {},
        accepting,
        &Failure::Tls(42),
        &words,
    )
    .await;
}

#[tokio::test]
async fn a_host_that_nobody_trusts_yet() {
    let gateway = TestGateway::start().await;
    let host = TestHost::start().await;
    let mut target = host.target();
    target.pins.clear();
    let seen = portico_net::tls::hex(&host.sha256());
    let accepting = async {
        let tcp = host.accept_x224(&CONFIRM_TLS).await;
        host.try_tls(tcp).await
    };
    let words = [
        "no certificate is trusted",
        &seen,
        "portico hosts trust sh1",
    ];
    check_failure(
        &gateway,
        target,
        |_| {},
        accepting,
        &Failure::Tls(48),
        &words,
    )
    .await;
}

#[tokio::test]
async fn a_host_set_to_nla_that_chooses_tls() {
    let gateway = TestGateway::start().await;
    let host = TestHost::start().await;
    let mut target = host.target();
    target.security = RdpSecurity::Nla;
    let weak = async { host.accept_x224(&CONFIRM_TLS).await };
    let failure = Failure::Http(502);
    let words = ["without network level authentication"];
    check_failure(&gateway, target, |_| {}, weak, &failure, &words).await;
}

#[tokio::test]
async fn nla_without_a_password() {
    let gateway = TestGateway::start().await;
    let host = TestHost::start().await;
    let mut target = host.target();
    target.security = RdpSecurity::Nla;
    let mut confirm = CONFIRM_TLS;
    confirm[15] = 2;
    let accepting = async {
        let tcp = host.accept_x224(&confirm).await;
        host.try_tls(tcp).await
    };
    let change = |grant: &mut ChannelGrant| grant.sealed_password = None;
    let words = ["no password", "security"];
    check_failure(
        &gateway,
        target,
        change,
        accepting,
        &Failure::Http(403),
        &words,
    )
    .await;
}

#[tokio::test]
async fn credssp_with_a_host_that_breaks_it() {
    let gateway = TestGateway::start().await;
    let host = TestHost::start().await;
    let mut target = host.target();
    target.security = RdpSecurity::Nla;
    let mut confirm = CONFIRM_TLS;
    confirm[15] = 2;
    let breaking = async {
        let tcp = host.accept_x224(&confirm).await;
        let mut tls = host.try_tls(tcp).await.unwrap();
        tls.write_all(b"\x30\x03abc").await.unwrap();
        tls.flush().await.unwrap();
        tls
    };
    let failure = Failure::Http(502);
    let words = ["network level authentication failed"];
    check_failure(&gateway, target, |_| {}, breaking, &failure, &words).await;
}

#[tokio::test]
async fn fields_that_do_not_fit_and_a_password_for_somebody_else() {
    let gateway = TestGateway::start().await;
    let host = TestHost::start().await;
    let change = |grant: &mut ChannelGrant| grant.account = "x".repeat(300);
    let words = ["user name", "300"];
    let failure = Failure::Http(500);
    check_failure(&gateway, host.target(), change, async {}, &failure, &words).await;
    let change = |grant: &mut ChannelGrant| grant.sealed_password = Some(vec![1; 80]);
    let words = ["not sealed to this gateway"];
    check_failure(&gateway, host.target(), change, async {}, &failure, &words).await;
    assert!(host.is_untouched().await);
}
