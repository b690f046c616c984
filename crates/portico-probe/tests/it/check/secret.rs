//! Services that answer only who knows a secret, and those that answer to a port of the client.

use portico_model::Secret;
use portico_net::udp::{AnswerPort, UdpPeer};
use portico_probe::check::{Means, Outcome, Secrets, Tls, Verdict, What, check};
use portico_wire::probe::{Over, Service};

use super::{FLOW, IMPATIENT, PATIENT, expect, is_fit_to_show, means, target};

const STATUS: &[u8] =
    include_bytes!("../../../../portico-wire/tests/corpus/probe/radius-status-0.bin");
const REJECT: &[u8] =
    include_bytes!("../../../../portico-wire/tests/corpus/probe/radius-reject-0.bin");
const ACCOUNTING: &[u8] =
    include_bytes!("../../../../portico-wire/tests/corpus/probe/radius-accounting-0.bin");
const COMMUNITY: &[u8] =
    include_bytes!("../../../../portico-wire/tests/corpus/probe/snmp-v2c-0.bin");
const VERSION_3: &[u8] = include_bytes!("../../../../portico-wire/tests/corpus/probe/snmp-0.bin");
const DHCP: &[u8] = include_bytes!("../../../../portico-wire/tests/corpus/probe/dhcp-0.bin");

fn knows(secret: Option<&str>) -> Means {
    let secret = || secret.map(|secret| Secret::new(secret.into()));
    means(PATIENT).with_secrets(Secrets {
        radius: secret(),
        snmp_community: secret(),
    })
}

/// Checks a server that answers a question as `answer` says.
async fn ask(
    means: &Means,
    service: Service,
    answer: impl Fn(&[u8]) -> Option<&'static [u8]> + Send + 'static,
) -> Outcome {
    // Whoever asks is answered: the peer of this socket is set by what it receives.
    let server = UdpPeer::open(FLOW, "127.0.0.1:9".parse().unwrap(), AnswerPort::Any);
    let server = server.await.unwrap();
    let port = server.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut question = [0; 4096];
        loop {
            let len = server.receive(&mut question).await.unwrap();
            if let Some(answer) = answer(&question[..len]) {
                server.send(answer).await.unwrap();
            }
        }
    });
    let what = What::Speak {
        service,
        over: Over::Datagram,
        tls: Tls::Never,
    };
    let outcome = check(&target("127.0.0.1", port, what), means).await;
    task.abort();
    is_fit_to_show(&outcome);
    outcome
}

/// A RADIUS server that knows these questions.
fn radius(codes: &'static [u8]) -> impl Fn(&[u8]) -> Option<&'static [u8]> + Send + 'static {
    |question| {
        let code = question.first().filter(|code| codes.contains(code))?;
        Some(if *code == 12 { STATUS } else { REJECT })
    }
}

#[tokio::test]
async fn radius_is_proven_by_its_status_or_else_by_a_refusal_of_nobody() {
    let means = knows(Some("testing123"));
    let outcome = ask(&means, Service::Radius, radius(&[1, 12])).await;
    expect(
        &outcome,
        Verdict::Proven,
        "answers Status-Server with Access-Accept",
    );
    let mut means = means;
    means.limits.first_byte = std::time::Duration::from_secs(3);
    let outcome = ask(&means, Service::Radius, radius(&[1])).await;
    expect(
        &outcome,
        Verdict::Proven,
        "answers Access-Request of nobody with Access-Reject",
    );
    let accounting = |_: &[u8]| Some(ACCOUNTING);
    let outcome = ask(&means, Service::RadiusAccounting, accounting).await;
    expect(&outcome, Verdict::Proven, "Accounting-Response");
}

#[tokio::test]
async fn radius_with_another_secret_or_none_is_not_proven_and_says_so() {
    for (secret, part) in [
        (Some("another"), "another secret"),
        (None, "without the shared"),
    ] {
        let mut means = knows(secret);
        means.limits = IMPATIENT;
        let outcome = ask(&means, Service::Radius, radius(&[1, 12])).await;
        expect(&outcome, Verdict::ReachableNotProven, part);
    }
    for (secret, part, next_step) in [
        (
            None,
            "who does not know its shared secret",
            "--radius-secret-file",
        ),
        (
            Some("another"),
            "none of its clients",
            "is a client of the server",
        ),
    ] {
        let mut means = knows(secret);
        means.limits = IMPATIENT;
        let outcome = ask(&means, Service::Radius, |_| None).await;
        expect(&outcome, Verdict::NoAnswer, part);
        assert!(outcome.next_step.unwrap().contains(next_step));
    }
}

#[tokio::test]
async fn snmp_is_asked_by_its_community_and_else_for_version_3() {
    let by_version = |question: &[u8]| match question.get(4) {
        Some(1) => Some(COMMUNITY),
        _ => Some(VERSION_3),
    };
    let outcome = ask(&knows(Some("testing123")), Service::Snmp, by_version).await;
    expect(&outcome, Verdict::Proven, "SNMP v2c, ");
    let outcome = ask(&knows(None), Service::Snmp, by_version).await;
    expect(&outcome, Verdict::Proven, "SNMP v3, engine");
    let mut means = knows(Some("testing123"));
    means.limits.first_byte = std::time::Duration::from_secs(2);
    let outcome = ask(&means, Service::Snmp, move |question| {
        by_version(question).filter(|answer| *answer == VERSION_3)
    })
    .await;
    expect(&outcome, Verdict::Proven, "no answer to the community");
}

/// As root with port 68 free it is proven; else it is skipped and says why. Both happen where tests
/// run. One test, because there is one such port.
#[tokio::test]
async fn dhcp_is_asked_from_the_port_that_servers_answer_to_or_not_at_all() {
    let own = UdpPeer::open_at(FLOW, "127.0.0.1:9".parse().unwrap(), AnswerPort::Any, 68).await;
    let is_ours = own.is_ok();
    let what = What::Speak {
        service: Service::Dhcp,
        over: Over::Datagram,
        tls: Tls::Never,
    };
    // It is taken now, by us or by another, or this is not root.
    let outcome = check(&target("127.0.0.1", 67, what.clone()), &means(IMPATIENT)).await;
    expect(&outcome, Verdict::Skipped, "port 68");
    let outcome = check(&target("::1", 67, what), &means(IMPATIENT)).await;
    expect(&outcome, Verdict::Skipped, "of IPv4");
    drop(own);
    let outcome = ask(&knows(None), Service::Dhcp, |question| {
        let is_informing = question.len() == 300 && question[12..16] == [127, 0, 0, 1];
        is_informing.then_some(DHCP)
    })
    .await;
    match is_ours {
        true => expect(&outcome, Verdict::Proven, "DHCP, server"),
        false => expect(&outcome, Verdict::Skipped, "port 68"),
    }
}
