//! The port check against servers on loopback that behave, and against all kinds that do not.

mod bad;
mod encrypted;
mod mapped;
mod plans;
mod portico;
mod secret;

use std::{future::Future, num::NonZeroU32, sync::Arc, time::Duration};

use portico_model::Timestamp;
use portico_net::{FlowId, TcpListener, clock::ManualClock, flows, tls::Authorities};
use portico_probe::check::{
    Limits, Means, Outcome, Pace, Secrets, Target, Tls, Verdict, What, check,
};
use portico_wire::probe::{Over, Service};
use tokio::net::TcpStream;

/// Which flow it is does not matter to a loopback socket.
pub(crate) const FLOW: FlowId = flows::GATEWAY_HOST_RDP;
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);

pub(crate) fn means(limits: Limits) -> Means {
    Means {
        limits,
        clock: Arc::new(ManualClock::at(NOW)),
        authorities: Authorities::from_pem(b"").unwrap(),
        nonce: Arc::new(|| *b"Portico!"),
        secrets: Secrets::default(),
    }
}

/// Time that no answer on loopback needs, however busy the machine is.
pub(crate) const PATIENT: Limits = Limits {
    connect: Duration::from_secs(60),
    first_byte: Duration::from_secs(60),
    whole: Duration::from_secs(60),
};
/// For checks of which no answer is awaited.
pub(crate) const IMPATIENT: Limits = Limits {
    connect: Duration::from_millis(500),
    first_byte: Duration::from_millis(500),
    whole: Duration::from_millis(1000),
};

pub(crate) fn target(host: &str, port: u16, what: What) -> Target {
    Target {
        flow: FLOW,
        host: host.into(),
        port,
        what,
    }
}

pub(crate) fn speak(service: Service, tls: Tls) -> What {
    What::Speak {
        service,
        over: Over::Stream,
        tls,
    }
}

pub(crate) async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(FLOW, "127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let port = listener.local_addr().port();
    (listener, port)
}

/// Checks a server that treats its one connection with `serve`.
pub(crate) async fn check_with<F, Fut>(limits: Limits, what: What, serve: F) -> Outcome
where
    F: FnOnce(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (listener, port) = listener().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await;
    });
    let outcome = check(&target("127.0.0.1", port, what), &means(limits)).await;
    server.abort();
    is_fit_to_show(&outcome);
    outcome
}

/// What holds for every outcome.
pub(crate) fn is_fit_to_show(outcome: &Outcome) {
    assert!(!outcome.evidence.is_empty(), "{outcome:?}");
    assert!(
        !outcome.evidence.chars().any(char::is_control),
        "{outcome:?}"
    );
    if outcome.verdict != Verdict::Proven {
        assert!(outcome.next_step.is_some(), "{outcome:?}");
    }
}

pub(crate) fn pace(parallel: u32, per_second: u32) -> Pace {
    Pace {
        parallel: NonZeroU32::new(parallel).unwrap(),
        per_second: NonZeroU32::new(per_second).unwrap(),
    }
}

/// The verdict, and that the evidence says this.
pub(crate) fn expect(outcome: &Outcome, verdict: Verdict, part: &str) {
    assert_eq!(outcome.verdict, verdict, "{outcome:?}");
    assert!(
        outcome.evidence.contains(part),
        "{outcome:?} must say {part:?}"
    );
}
