use std::sync::atomic::Ordering;

use portico_model::{Secret, estate::Pin};
use portico_net::{TcpListener, flows::ENGINE_HOST_SSH};
use portico_wire::terminal::header::Open;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use tokio::io::AsyncWriteExt;

use crate::{
    ssh_server::{SignIn, SshServer, pin_of},
    viewer::{Last, PATIENCE, TestEngine, open},
};

async fn refusal(wanted: &Open) -> portico_wire::terminal::header::RefusedError {
    let engine = TestEngine::start().await;
    let refused = engine.view(wanted).await.wait_refused().await;
    assert!(refused.next_step.is_some(), "{refused:?}");
    assert!(refused.message.contains("ssh1"), "{refused:?}");
    refused
}

#[tokio::test]
async fn a_host_with_another_key_is_not_signed_in_to() {
    let server = SshServer::start(SignIn::Password).await;
    let mut wanted = open(&server, 1);
    let other = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
    wanted.pins = vec![pin_of(&other)];
    let refused = refusal(&wanted).await;
    assert_eq!(refused.code, "host-key-changed");
    let print = |key: &PrivateKey| key.public_key().fingerprint(HashAlg::Sha256).to_string();
    let details = refused.details.unwrap();
    assert_eq!(details["seen"], print(&server.key));
    assert_eq!(details["expected"][0], print(&other));
    assert!(print(&other).starts_with("SHA256:"));
    assert_eq!(
        server.failures.load(Ordering::Relaxed),
        0,
        "no password was sent"
    );
    assert_eq!(server.shells.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_host_without_pins_is_not_even_dialled() {
    let server = SshServer::start(SignIn::Password).await;
    let mut wanted = open(&server, 1);
    for pins in [vec![], vec![Pin::CertificateSha256([0; 32])]] {
        wanted.pins = pins;
        wanted.port = 1;
        assert_eq!(refusal(&wanted).await.code, "host-not-trusted");
    }
}

#[tokio::test]
async fn a_wrong_password_counts_once_and_is_said() {
    for sign_in in [SignIn::Password, SignIn::Questions] {
        let server = SshServer::start(sign_in).await;
        let mut wanted = open(&server, 1);
        wanted.password = Some(Secret::new("wrong".into()));
        let refused = refusal(&wanted).await;
        assert_eq!(refused.code, "wrong-password");
        assert!(!format!("{refused:?}").contains("wrong\""));
        assert_eq!(server.failures.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_host_that_wants_something_else_than_a_password_is_named() {
    let server = SshServer::start(SignIn::KeysOnly).await;
    assert_eq!(refusal(&open(&server, 1)).await.code, "sign-in-method");
    let server = SshServer::start(SignIn::TwoQuestions).await;
    assert_eq!(refusal(&open(&server, 1)).await.code, "sign-in-method");
    let server = SshServer::start(SignIn::Password).await;
    let mut wanted = open(&server, 1);
    wanted.password = None;
    assert_eq!(refusal(&wanted).await.code, "no-password");
}

#[tokio::test]
async fn hosts_that_refuse_or_speak_something_else_are_told_apart() {
    let server = SshServer::start(SignIn::Password).await;
    let any = "127.0.0.1:0".parse().unwrap();
    let closed = TcpListener::bind(ENGINE_HOST_SSH, any)
        .await
        .unwrap()
        .local_addr();
    let mut wanted = open(&server, 1);
    wanted.port = closed.port();
    assert_eq!(refusal(&wanted).await.code, "host-refused");
    wanted.address = "no-such-host.invalid".into();
    assert_eq!(refusal(&wanted).await.code, "host-unknown");

    let web = TcpListener::bind(ENGINE_HOST_SSH, any).await.unwrap();
    let mut wanted = open(&server, 1);
    wanted.port = web.local_addr().port();
    let (refused, ()) = tokio::join!(refusal(&wanted), async {
        let (mut stream, _) = web.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    assert_eq!(refused.code, "host-protocol");
}

#[tokio::test]
async fn a_host_that_says_nothing_does_not_hold_an_order_to_end() {
    let any = "127.0.0.1:0".parse().unwrap();
    let silent = TcpListener::bind(ENGINE_HOST_SSH, any).await.unwrap();
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut wanted = open(&server, 1);
    wanted.port = silent.local_addr().port();
    let mut viewer = engine.view(&wanted).await;
    let (_stream, _) = silent.accept().await.unwrap();
    let end = portico_wire::terminal::header::Control::End {
        session: wanted.session.clone(),
        reason: portico_model::session::EndReason::UserEnded,
    };
    engine.ask(&end).await;
    let last = tokio::time::timeout(PATIENCE, viewer.wait_end())
        .await
        .unwrap();
    assert_eq!(
        last,
        Last::Closed(portico_model::session::EndReason::UserEnded)
    );
}

#[tokio::test]
async fn a_connection_that_is_not_a_header_is_dropped() {
    let engine = TestEngine::start().await;
    for wrong in [
        &b"\0\0\0\x02\x01x"[..],
        b"\xff\xff\xff\xff",
        b"\0\0\0\x03\x7f{}",
        b"\0\0\0\0",
    ] {
        let mut stream =
            portico_net::unix::dial(portico_net::flows::GATEWAY_ENGINE, &engine.socket())
                .await
                .unwrap();
        stream.write_all(wrong).await.unwrap();
        let mut rest = Vec::new();
        use tokio::io::AsyncReadExt;
        let reading = stream.read_to_end(&mut rest);
        // The engine may close with our bytes unread, which resets the stream.
        let _ = tokio::time::timeout(PATIENCE, reading).await.unwrap();
        assert!(rest.is_empty());
    }
}
