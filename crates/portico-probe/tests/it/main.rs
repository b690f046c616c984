//! The prober against servers on loopback that answer, stall, reset, and talk nonsense.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod check;
mod lab;
mod rdp;
mod ssh;

use std::{future::Future, time::Duration};

use portico_model::estate::{Protocol, RdpSecurity};
use portico_net::{TcpListener, flows};
use portico_probe::{NetProber, ProbeError, ProbeOk, ProbeTarget, Prober};
use tokio::net::TcpStream;

/// Time that no answer on loopback needs, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(60);
/// Time for tests in which no answer comes.
const IMPATIENT: Duration = Duration::from_millis(300);

/// Probes a server that treats its one connection with `serve`, and waits for it to answer.
async fn probe_with<F, Fut>(
    protocol: Protocol,
    security: RdpSecurity,
    serve: F,
) -> Result<ProbeOk, ProbeError>
where
    F: FnOnce(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    probe_within(PATIENT, protocol, security, serve).await
}

/// As [`probe_with`], with a time of its own.
async fn probe_within<F, Fut>(
    answer_timeout: Duration,
    protocol: Protocol,
    security: RdpSecurity,
    serve: F,
) -> Result<ProbeOk, ProbeError>
where
    F: FnOnce(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    // Which flow it is does not matter to a loopback socket.
    let flow = flows::GATEWAY_HOST_RDP;
    let listener = TcpListener::bind(flow, "127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let port = listener.local_addr().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await;
    });
    let target = ProbeTarget {
        address: "127.0.0.1".into(),
        port,
        protocol,
        security,
    };
    let prober = NetProber {
        answer_timeout,
        ..NetProber::default()
    };
    let outcome = prober.probe(&target).await;
    server.abort();
    outcome
}

/// Holds the connection without a word until it is dropped.
async fn stall(stream: TcpStream) {
    let _stream = stream;
    std::future::pending::<()>().await;
}

/// Resets the connection: closing with unread data does.
async fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

fn refused(outcome: Result<ProbeOk, ProbeError>, part: &str) -> ProbeError {
    let error = outcome.expect_err("the probe must fail");
    assert!(
        error.detail.contains(part),
        "{error:?} must contain {part:?}"
    );
    assert!(!error.next_step.is_empty());
    assert!(!error.detail.chars().any(char::is_control), "{error:?}");
    error
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_refused_with_host_port_and_next_step() {
    let listener = TcpListener::bind(
        flows::GATEWAY_HOST_SSH_PROBE,
        "127.0.0.1:0".parse().unwrap(),
    )
    .await
    .unwrap();
    let port = listener.local_addr().port();
    drop(listener);
    let target = ProbeTarget {
        address: "127.0.0.1".into(),
        port,
        protocol: Protocol::Ssh,
        security: RdpSecurity::default(),
    };
    let error = refused(NetProber::default().probe(&target).await, "refused");
    assert!(
        error.detail.contains(&format!("127.0.0.1 port {port}")),
        "{error:?}"
    );
    assert!(error.next_step.contains("start the service"), "{error:?}");
}
