//! What goes wrong, made for real: stopped servers, firewalls, certificates, clocks, and services
//! that behave badly. Each has its verdict and its next step.

use std::time::Duration;

use portico_probe::check::{Limits, Outcome, Tls, Verdict, What, check};
use portico_wire::probe::{Over, Service};

use crate::{
    PATIENT, expect,
    lab::{Lab, lab},
    means, target,
};

/// For checks of which no answer is awaited.
const SHORT: Limits = Limits {
    connect: Duration::from_secs(2),
    first_byte: Duration::from_secs(2),
    whole: Duration::from_secs(4),
};

const fn over_tcp(service: Service, tls: Tls) -> What {
    What::Speak {
        service,
        over: Over::Stream,
        tls,
    }
}

const SSH: What = over_tcp(Service::Ssh, Tls::Never);
const HTTPS: What = over_tcp(Service::Http, Tls::FromTheStart);
const ECHO: What = over_tcp(Service::Echo, Tls::Never);
const ECHO_UDP: What = What::Speak {
    service: Service::Echo,
    over: Over::Datagram,
    tls: Tls::Never,
};

async fn at(lab: &Lab, limits: Limits, port: u16, what: What) -> Outcome {
    check(
        &target(lab.address("svc4"), port, what),
        &means(lab, limits),
    )
    .await
}

#[tokio::test]
async fn a_stopped_server_refuses_and_the_next_step_is_to_start_it() {
    let Some(lab) = lab() else { return };
    let _alone = Lab::faults_alone().await;
    expect(
        &at(&lab, PATIENT, 22, SSH).await,
        Verdict::Proven,
        "SSH-2.0-",
        "",
    );
    lab.command("stop", "svc4");
    let tcp = at(&lab, PATIENT, 22, SSH).await;
    let udp = at(&lab, PATIENT, 7, ECHO_UDP).await;
    lab.command("start", "svc4");
    expect(
        &tcp,
        Verdict::Refused,
        "refused",
        "start the service on the host",
    );
    expect(
        &udp,
        Verdict::Refused,
        "ICMP port unreachable",
        "start the service on the host",
    );
    expect(
        &at(&lab, PATIENT, 22, SSH).await,
        Verdict::Proven,
        "SSH-2.0-",
        "",
    );
}

#[tokio::test]
async fn an_unplugged_host_is_told_from_a_stopped_one() {
    let Some(lab) = lab() else { return };
    let _alone = Lab::faults_alone().await;
    lab.command("unplug", "svc4");
    let tcp = at(&lab, SHORT, 22, SSH).await;
    let udp = at(&lab, SHORT, 7, ECHO_UDP).await;
    lab.command("plug", "svc4");
    expect(
        &tcp,
        Verdict::NoAnswer,
        "",
        "the host is up and that firewalls let 22/tcp through",
    );
    expect(
        &udp,
        Verdict::NoAnswer,
        "no answer of echo",
        "firewalls let 7/udp",
    );
}

/// A rule of the firewall, and the verdict and next step that it gives.
struct Rule {
    port: u16,
    what: What,
    limits: Limits,
    rule: &'static str,
    verdict: Verdict,
    evidence: &'static str,
    next_step: &'static str,
}

fn rule(
    (port, what): (u16, What),
    rule: &'static str,
    verdict: Verdict,
    evidence: &'static str,
    next_step: &'static str,
) -> Rule {
    Rule {
        port,
        what,
        limits: PATIENT,
        rule,
        verdict,
        evidence,
        next_step,
    }
}

fn in_vain(rule: Rule) -> Rule {
    Rule {
        limits: SHORT,
        ..rule
    }
}

#[tokio::test]
async fn each_kind_of_firewall_rule_has_its_verdict_and_the_service_is_proven_without_it() {
    let Some(lab) = lab() else { return };
    let _alone = Lab::faults_alone().await;
    let rules = [
        in_vain(rule(
            (2201, SSH),
            "tcp dport 2201 drop",
            Verdict::NoAnswer,
            "2201",
            "firewalls let 2201/tcp through",
        )),
        rule(
            (2202, SSH),
            "tcp dport 2202 reject with tcp reset",
            Verdict::Refused,
            "refused",
            "start the service",
        ),
        rule(
            (2203, SSH),
            "tcp dport 2203 reject with icmpx type admin-prohibited",
            Verdict::Blocked,
            "2203",
            "",
        ),
        rule(
            (2204, SSH),
            "tcp dport 2204 reject with icmpx type port-unreachable",
            Verdict::Refused,
            "refused",
            "start the service",
        ),
        // Lets connections be made, and ends them at the first thing that is said.
        rule(
            (7, ECHO),
            "tcp dport 7 tcp flags & (syn | psh) == psh reject with tcp reset",
            Verdict::Blocked,
            "reset before an answer",
            "something on the way resets the connection",
        ),
        in_vain(rule(
            (7, ECHO),
            "tcp dport 7 tcp flags & (syn | psh) == psh drop",
            Verdict::ReachableNotProven,
            "says nothing of echo",
            "its log",
        )),
        in_vain(rule(
            (7, ECHO_UDP),
            "udp dport 7 drop",
            Verdict::NoAnswer,
            "no answer of echo",
            "firewalls let 7/udp",
        )),
        rule(
            (7, ECHO_UDP),
            "udp dport 7 reject with icmpx type port-unreachable",
            Verdict::Refused,
            "ICMP port unreachable",
            "a firewall that rejects answers the same",
        ),
        rule(
            (7, ECHO_UDP),
            "udp dport 7 reject with icmpx type admin-prohibited",
            Verdict::Blocked,
            "a firewall forbids it",
            "let 7/udp through",
        ),
    ];
    for rule in rules {
        let loaded = lab.firewall("svc4", "portico_fault", &[rule.rule.to_owned()]);
        let outcome = at(&lab, rule.limits, rule.port, rule.what.clone()).await;
        drop(loaded);
        println!(
            "{}: {}: {}; {:?}",
            rule.rule,
            outcome.verdict.name(),
            outcome.evidence,
            outcome.next_step
        );
        expect(&outcome, rule.verdict, rule.evidence, rule.next_step);
        let without = at(&lab, PATIENT, rule.port, rule.what).await;
        expect(&without, Verdict::Proven, "", "");
    }
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_found_and_the_service_is_proven_all_the_same() {
    let Some(lab) = lab() else { return };
    let _up = Lab::faults_in_use().await;
    for (port, finding) in [
        (8441, "the certificate has expired"),
        (8442, "the certificate is self-signed"),
        (8443, "the certificate is not for"),
        (
            8446,
            "the certificate is not valid yet, or a clock is wrong",
        ),
    ] {
        let outcome = at(&lab, PATIENT, port, HTTPS).await;
        let findings = &outcome.tls.as_ref().unwrap().findings;
        assert!(
            findings.len() == 1 && findings[0].contains(finding),
            "{port}: {findings:?}"
        );
        expect(&outcome, Verdict::Proven, "nginx", finding);
    }
    let good = at(&lab, PATIENT, 443, HTTPS).await;
    expect(&good, Verdict::Proven, "nginx", "");
    assert_eq!(good.next_step, None, "{good:?}");
    // An authority that nobody here trusts, as that of somebody who looks into TLS on the way.
    let mut means = means(&lab, PATIENT);
    means.authorities = portico_net::tls::Authorities::from_pem(b"").unwrap();
    let intercepted = check(&target(lab.address("svc4"), 443, HTTPS), &means).await;
    expect(
        &intercepted,
        Verdict::Proven,
        "nginx",
        "no authority that this machine trusts has issued it; its issuer is CN=The lab",
    );
}

#[tokio::test]
async fn tls_of_long_ago_is_reachable_and_the_next_step_is_a_newer_version() {
    let Some(lab) = lab() else { return };
    let _up = Lab::faults_in_use().await;
    expect(
        &at(&lab, PATIENT, 8444, HTTPS).await,
        Verdict::ReachableNotProven,
        "refuses the handshake",
        "TLS 1.2 or 1.3",
    );
}

#[tokio::test]
async fn a_clock_that_is_ten_minutes_ahead_is_told_by_kerberos_and_ntp() {
    let Some(lab) = lab() else { return };
    let _up = Lab::faults_in_use().await;
    let kerberos = over_tcp(Service::Kerberos, Tls::Never);
    let over_udp = |service| What::Speak {
        service,
        over: Over::Datagram,
        tls: Tls::Never,
    };
    for (port, what) in [
        (88, kerberos),
        (88, over_udp(Service::Kerberos)),
        (123, over_udp(Service::Ntp)),
    ] {
        let outcome = at(&lab, PATIENT, port, what).await;
        expect(
            &outcome,
            Verdict::Proven,
            "",
            "ahead of that of this machine",
        );
        let ahead_ms = outcome.clock_ahead_ms.unwrap();
        assert!((590_000..=610_000).contains(&ahead_ms), "{outcome:?}");
    }
}

#[tokio::test]
async fn each_service_that_behaves_badly_has_its_verdict() {
    let Some(lab) = lab() else { return };
    let _up = Lab::faults_in_use().await;
    let cases = [
        (
            9001,
            PATIENT,
            Verdict::WrongService,
            "does not speak SSH",
            "which program listens on 9001",
        ),
        (
            9002,
            SHORT,
            Verdict::ReachableNotProven,
            "begins an answer and does not end it",
            "its log",
        ),
        (
            9003,
            SHORT,
            Verdict::ReachableNotProven,
            "says nothing of SSH",
            "its log",
        ),
        (
            9004,
            PATIENT,
            Verdict::WrongService,
            "does not speak SSH",
            "which program",
        ),
        (
            9005,
            PATIENT,
            Verdict::Proven,
            "\\x1b[2J\\x1b]0;owned\\x07",
            "",
        ),
        (9007, SHORT, Verdict::WrongService, "", "which program"),
    ];
    for (port, limits, verdict, evidence, next_step) in cases {
        let outcome = at(&lab, limits, port, SSH).await;
        expect(&outcome, verdict, evidence, next_step);
    }
    // It waits for a word before it resets.
    let reset = at(&lab, PATIENT, 9006, ECHO).await;
    expect(
        &reset,
        Verdict::Blocked,
        "reset before an answer",
        "see the log of the service",
    );
}
