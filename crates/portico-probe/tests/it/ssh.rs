use portico_model::estate::{Protocol, RdpSecurity};
use portico_probe::{ProbeError, ProbeOk};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
};

use crate::{IMPATIENT, probe_with, probe_within, refused, reset, stall};

async fn answer(sent: Vec<u8>) -> Result<ProbeOk, ProbeError> {
    probe_with(
        Protocol::Ssh,
        RdpSecurity::default(),
        move |mut stream| async move {
            stream.write_all(&sent).await.unwrap();
            stall(stream).await;
        },
    )
    .await
}

#[tokio::test]
async fn the_identification_string_is_the_detail_and_ours_is_sent() {
    let (sender, receiver) = oneshot::channel();
    let ok = probe_with(
        Protocol::Ssh,
        RdpSecurity::default(),
        |mut stream| async move {
            stream
                .write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
                .await
                .unwrap();
            let mut ours = Vec::new();
            stream.read_to_end(&mut ours).await.unwrap();
            sender.send(ours).unwrap();
            stall(stream).await;
        },
    );
    let (ok, ours) = tokio::join!(ok, receiver);
    assert_eq!(ok.unwrap().detail, "SSH-2.0-OpenSSH_9.2p1 Debian-2");
    // The server is ended with the probe; when it lived long enough, it saw ours.
    if let Ok(ours) = ours {
        assert_eq!(ours, b"SSH-2.0-Portico_probe\r\n");
    }
}

#[tokio::test]
async fn lines_before_the_identification_are_passed_over() {
    for sent in [
        "Welcome\r\nto this host\r\nSSH-2.0-x\r\n".to_owned(),
        "SSH-1.99-x\n".to_owned(),
        format!("{}SSH-2.0-x\r\n", "a line\n".repeat(50)),
    ] {
        let ok = answer(sent.into_bytes()).await.unwrap();
        assert!(ok.detail.starts_with("SSH-"), "{ok:?}");
    }
}

#[tokio::test]
async fn what_is_not_ssh_2_is_named_so() {
    for (sent, part) in [
        ("SSH-1.5-old\r\n".to_owned(), "version other than 2"),
        ("a line\n".repeat(51), "within 50 lines"),
        ("x".repeat(100_000), "more than 255 bytes"),
        (
            format!("SSH-2.0-{}", "x".repeat(300)),
            "more than 255 bytes",
        ),
        ("\x1b[2J\u{7f}".repeat(60), "more than 255 bytes"),
    ] {
        refused(answer(sent.into_bytes()).await, part);
    }
}

#[tokio::test]
async fn an_endless_banner_ends_at_the_limit_of_lines() {
    let outcome = probe_with(
        Protocol::Ssh,
        RdpSecurity::default(),
        |mut stream| async move { while stream.write_all(b"still talking\r\n").await.is_ok() {} },
    )
    .await;
    refused(outcome, "within 50 lines");
}

#[tokio::test]
async fn a_host_that_stalls_resets_or_closes_is_refused() {
    let any = RdpSecurity::default();
    refused(
        probe_within(IMPATIENT, Protocol::Ssh, any, stall).await,
        "said nothing",
    );
    refused(probe_with(Protocol::Ssh, any, reset).await, "connection");
    let close = |stream| async move { drop(stream) };
    refused(
        probe_with(Protocol::Ssh, any, close).await,
        "closed the connection",
    );
    let half = |mut stream: tokio::net::TcpStream| async move {
        stream.write_all(b"SSH-2.0").await.unwrap();
    };
    refused(
        probe_with(Protocol::Ssh, any, half).await,
        "and then the end",
    );
    // An identification that never ends its line is ended by the time.
    let endless = |mut stream: tokio::net::TcpStream| async move {
        stream.write_all(b"SSH-2.0-x").await.unwrap();
        stall(stream).await;
    };
    let outcome = probe_within(IMPATIENT, Protocol::Ssh, any, endless).await;
    refused(outcome, "said nothing");
}
