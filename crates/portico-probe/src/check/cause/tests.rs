use std::collections::BTreeMap;

use portico_catalogue::plan::Address;

use super::*;

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;
const SSH: &str = "portico.engine-host-ssh";

/// What `gw` saw of SSH on `app`, whose address is 192.0.2.7.
fn seen(verdict: Verdict) -> Observation {
    Observation {
        vantage: "gw".into(),
        flow: SSH.into(),
        to: "app".into(),
        host: "192.0.2.7".into(),
        port: 22,
        transport: Transport::Tcp,
        verdict,
        clue: None,
        evidence: "as the check saw it".into(),
        next_step: Some("as the check said".into()),
        addresses: vec![],
        tls: None,
        clock_ahead_ms: None,
        took_ms: 3,
        at_ms: NOW,
    }
}

/// Another port of the same host.
fn beside(verdict: Verdict) -> Observation {
    Observation {
        flow: "portico.gateway-host-rdp".into(),
        port: 3389,
        ..seen(verdict)
    }
}

fn elsewhere(verdict: Verdict) -> Observation {
    Observation {
        vantage: "broker".into(),
        ..seen(verdict)
    }
}

fn with_tls(faults: &[TlsFault], issuer: &str) -> Observation {
    Observation {
        flow: "portico.client-portal-https".into(),
        tls: Some(Certificate {
            subject: "CN=app".into(),
            issuer: issuer.into(),
            sha256: "ab12".into(),
            not_before_ms: NOW - 400 * DAY,
            not_after_ms: NOW - 3 * DAY,
            names: vec!["app.example".into()],
            faults: faults.to_vec(),
        }),
        ..seen(Verdict::Proven)
    }
}

fn hosts() -> Vec<DeployedHost> {
    let host = |id: &str, addresses: Vec<Address>| DeployedHost {
        id: id.into(),
        title: String::new(),
        roles: vec![],
        addresses,
        zone: None,
        site: None,
        os: None,
        features: BTreeMap::new(),
        ports: BTreeMap::new(),
        reaches: None,
    };
    let ip = |text: &str| Address::Ip(text.parse().unwrap());
    let name = |text: &str| Address::Name(text.into());
    vec![
        host("gw", vec![ip("192.0.2.1")]),
        host("app", vec![ip("192.0.2.7"), name("app.example")]),
        host("other", vec![ip("192.0.2.8")]),
        host("named", vec![name("named.example")]),
    ]
}

fn explain(observations: &[Observation], issuers: &[&str]) -> Vec<Cause> {
    let hosts = hosts();
    let issuers: Vec<String> = issuers.iter().map(|issuer| (*issuer).to_owned()).collect();
    let first = observations.first();
    causes(&Case {
        flow: first.map_or(SSH, |first| &first.flow),
        from: "gw",
        to: first.map_or("app", |first| &first.to),
        port: 22,
        observations,
        hosts: &hosts,
        issuers: &issuers,
    })
}

/// The causes of `observations`, of which the first one is to be explained, most likely first.
fn check(observations: &[Observation], expected: &[(CauseKind, Certainty)]) -> Vec<Cause> {
    let causes = explain(observations, &[]);
    let found: Vec<(CauseKind, Certainty)> = causes
        .iter()
        .map(|cause| (cause.kind, cause.certainty))
        .collect();
    assert_eq!(found, expected, "{observations:#?}\n{causes:#?}");
    for cause in &causes {
        assert!(
            !cause.why.is_empty() && !cause.next_step.is_empty(),
            "{cause:?}"
        );
    }
    // The order in which observations come in means nothing.
    let mut turned = observations.to_vec();
    turned.reverse();
    let hosts = hosts();
    let again = super::causes(&Case {
        flow: &observations[0].flow,
        from: "gw",
        to: &observations[0].to,
        port: 22,
        observations: &turned,
        hosts: &hosts,
        issuers: &[],
    });
    assert_eq!(again, causes);
    causes
}

use Certainty::{Likely, Possible, Sure};

#[test]
fn a_proven_flow_has_no_cause() {
    check(&[seen(Verdict::Proven)], &[]);
    check(&[seen(Verdict::Proven), beside(Verdict::NoAnswer)], &[]);
}

#[test]
fn nothing_known_is_said_with_how_to_know() {
    let causes = explain(&[], &[]);
    assert_eq!(causes.len(), 1);
    assert_eq!(causes[0].kind, CauseKind::Unchecked);
    check(&[seen(Verdict::Skipped)], &[(CauseKind::Unchecked, Sure)]);
}

#[test]
fn silence_is_a_firewall_when_another_port_of_the_host_answers() {
    for answer in [
        Verdict::Proven,
        Verdict::Refused,
        Verdict::WrongService,
        Verdict::ReachableNotProven,
    ] {
        check(
            &[seen(Verdict::NoAnswer), beside(answer)],
            &[(CauseKind::FirewallDrops, Likely)],
        );
    }
    let causes = check(
        &[seen(Verdict::NoAnswer), elsewhere(Verdict::Proven)],
        &[(CauseKind::FirewallDrops, Likely)],
    );
    assert!(causes[0].why.contains("proven from broker"), "{causes:?}");
}

#[test]
fn silence_of_every_port_is_a_host_that_is_down() {
    let causes = check(
        &[seen(Verdict::NoAnswer), beside(Verdict::NoAnswer)],
        &[(CauseKind::HostDown, Likely)],
    );
    assert!(causes[0].why.contains("any of 1 other"), "{causes:?}");
    check(
        &[seen(Verdict::NoAnswer)],
        &[(CauseKind::HostDown, Possible)],
    );
    // What somebody else saw of another port says nothing about this way, nor does another host.
    let mut far = elsewhere(Verdict::Proven);
    far.port = 3389;
    let mut other = beside(Verdict::Proven);
    other.to = "other".into();
    check(
        &[seen(Verdict::NoAnswer), far, other],
        &[(CauseKind::HostDown, Possible)],
    );
}

#[test]
fn what_was_seen_hours_ago_does_not_show_that_the_host_is_there() {
    let mut old = beside(Verdict::Proven);
    old.at_ms = NOW - 2 * 3_600_000;
    check(
        &[seen(Verdict::NoAnswer), old],
        &[(CauseKind::HostDown, Possible)],
    );
}

#[test]
fn the_newest_observation_counts() {
    let mut old = seen(Verdict::WrongService);
    old.at_ms = NOW - 600_000;
    check(
        &[seen(Verdict::Refused), old],
        &[
            (CauseKind::NothingListens, Likely),
            (CauseKind::FirewallRejects, Possible),
        ],
    );
}

#[test]
fn of_two_addresses_checked_together_the_one_that_fails_is_explained() {
    let mut second = seen(Verdict::Refused);
    second.host = "2001:db8::7".into();
    second.at_ms = NOW - 5;
    let causes = explain(&[seen(Verdict::Proven), second], &[]);
    assert_eq!(causes[0].kind, CauseKind::NothingListens);
}

#[test]
fn a_refusal_is_a_firewall_when_the_service_answers_others() {
    check(
        &[seen(Verdict::Refused), elsewhere(Verdict::Proven)],
        &[(CauseKind::FirewallRejects, Likely)],
    );
}

#[test]
fn blocked_is_read_by_its_clue() {
    let blocked = |clue| Observation {
        clue: Some(clue),
        ..seen(Verdict::Blocked)
    };
    check(
        &[blocked(Clue::Prohibited)],
        &[(CauseKind::FirewallRejects, Sure)],
    );
    check(
        &[blocked(Clue::Reset)],
        &[(CauseKind::ConnectionReset, Likely)],
    );
    check(
        &[blocked(Clue::Unreachable), beside(Verdict::Proven)],
        &[(CauseKind::FirewallRejects, Likely)],
    );
    check(
        &[blocked(Clue::Unreachable), beside(Verdict::Blocked)],
        &[(CauseKind::HostDown, Likely)],
    );
    // A result that was stored without clue is no worse.
    check(
        &[seen(Verdict::Blocked)],
        &[(CauseKind::HostDown, Possible)],
    );
}

#[test]
fn udp_without_answer_misses_its_way_back_when_the_host_is_there() {
    let udp = Observation {
        transport: Transport::Udp,
        ..seen(Verdict::NoAnswer)
    };
    let causes = check(
        &[udp.clone(), beside(Verdict::Proven)],
        &[(CauseKind::ReversePathMissing, Likely)],
    );
    assert!(causes[0].next_step.contains("tcpdump udp port 22"));
    check(&[udp], &[(CauseKind::HostDown, Possible)]);
}

#[test]
fn a_name_without_address_is_told_from_a_resolver_that_lacks_it() {
    let causes = check(
        &[seen(Verdict::NotResolvable)],
        &[(CauseKind::NameUnknown, Sure)],
    );
    assert!(causes[0].next_step.contains("add 192.0.2.7 to the DNS"));
    let causes = check(
        &[seen(Verdict::NotResolvable), elsewhere(Verdict::Refused)],
        &[(CauseKind::NameUnknown, Sure)],
    );
    assert!(causes[0].why.contains("has one on broker"), "{causes:?}");
}

#[test]
fn a_name_that_leads_elsewhere_is_the_first_cause() {
    let at = |to: &str, host: &str, ip: &str| Observation {
        to: to.into(),
        host: host.into(),
        addresses: vec![ip.parse().unwrap()],
        ..seen(Verdict::NoAnswer)
    };
    let stray = (CauseKind::AddressOfAnother, Sure);
    let down = (CauseKind::HostDown, Possible);
    for (ip, whose) in [
        ("192.0.2.8", "the address of other"),
        ("192.0.2.99", "none that the estate has"),
        ("127.0.1.1", "an address of gw itself"),
    ] {
        let causes = check(&[at("app", "app.example", ip)], &[stray, down]);
        assert!(causes[0].why.contains(whose), "{causes:?}");
    }
    // A host that the estate knows by name alone may have any address, but that of another.
    check(&[at("named", "named.example", "192.0.2.99")], &[down]);
    check(&[at("named", "named.example", "192.0.2.8")], &[stray, down]);
    check(&[at("app", "app.example", "192.0.2.7")], &[down]);
    check(&[at("app", "192.0.2.7", "192.0.2.7")], &[down]);
    // It works at an address that the estate does not have: perhaps the estate is old.
    let proven = Observation {
        verdict: Verdict::Proven,
        ..at("app", "app.example", "192.0.2.99")
    };
    check(&[proven], &[(CauseKind::AddressOfAnother, Possible)]);
}

#[test]
fn another_service_is_named_by_the_evidence() {
    let wrong = Observation {
        evidence: "speaks VNC, not SSH".into(),
        ..seen(Verdict::WrongService)
    };
    let causes = check(&[wrong], &[(CauseKind::WrongService, Sure)]);
    assert_eq!(causes[0].why, "speaks VNC, not SSH");
    assert_eq!(causes[0].next_step, "as the check said");
}

#[test]
fn slow_silent_and_refusing_services_are_told_apart() {
    let reachable = |clue| Observation {
        clue,
        ..seen(Verdict::ReachableNotProven)
    };
    check(
        &[reachable(Some(Clue::Unfinished))],
        &[(CauseKind::TooSlow, Likely)],
    );
    check(
        &[reachable(Some(Clue::Silent))],
        &[(CauseKind::TooSlow, Likely)],
    );
    check(
        &[reachable(Some(Clue::TlsRefused))],
        &[(CauseKind::TlsRefused, Sure)],
    );
    check(&[reachable(None)], &[(CauseKind::NotShown, Possible)]);
    let slow = |took_ms| Observation {
        took_ms,
        ..seen(Verdict::Proven)
    };
    check(&[slow(SLOW_MS + 1)], &[(CauseKind::TooSlow, Likely)]);
    check(&[slow(SLOW_MS)], &[]);
}

#[test]
fn each_fault_of_a_certificate_is_a_cause() {
    for (fault, kind) in [
        (TlsFault::Expired, CauseKind::CertificateExpired),
        (TlsFault::IssuerExpired, CauseKind::CertificateExpired),
        (TlsFault::ExpiresSoon, CauseKind::CertificateExpiresSoon),
        (TlsFault::NotYetValid, CauseKind::CertificateNotYetValid),
        (TlsFault::WrongName, CauseKind::CertificateWrongName),
        (TlsFault::SelfSigned, CauseKind::CertificateSelfSigned),
        (TlsFault::UnknownIssuer, CauseKind::CertificateUntrusted),
        (TlsFault::Unverifiable, CauseKind::CertificateUntrusted),
        (TlsFault::NoCertificate, CauseKind::TlsRefused),
    ] {
        let causes = explain(&[with_tls(&[fault], "CN=Own CA")], &[]);
        assert_eq!(causes.len(), 1, "{causes:?}");
        assert_eq!(causes[0].kind, kind);
    }
    let causes = explain(&[with_tls(&[TlsFault::Expired], "CN=Own CA")], &[]);
    assert!(causes[0].why.contains("ended 3 days ago"), "{causes:?}");
    let causes = explain(&[with_tls(&[TlsFault::WrongName], "CN=Own CA")], &[]);
    assert!(causes[0].why.contains("for app.example, not for 192.0.2.7"));
}

#[test]
fn session_hosts_may_sign_their_own_certificates() {
    let rdp = Observation {
        flow: "portico.gateway-host-rdp".into(),
        ..with_tls(&[TlsFault::SelfSigned, TlsFault::WrongName], "CN=app")
    };
    check(&[rdp], &[]);
}

#[test]
fn an_issuer_that_others_do_not_see_is_an_interception() {
    let own = with_tls(&[TlsFault::UnknownIssuer], "CN=\u{1b}[31mBox");
    let theirs = Observation {
        vantage: "broker".into(),
        ..with_tls(&[], "CN=Own CA")
    };
    let causes = check(
        &[own.clone(), theirs],
        &[(CauseKind::CertificateIntercepted, Likely)],
    );
    assert!(causes[0].why.contains("broker sees one of \"CN=Own CA\""));
    assert!(!causes[0].why.contains('\u{1b}'), "{causes:?}");
    let causes = explain(std::slice::from_ref(&own), &["Own CA"]);
    assert_eq!(causes[0].kind, CauseKind::CertificateIntercepted);
    let causes = explain(&[own], &["Box"]);
    assert_eq!(causes[0].kind, CauseKind::CertificateUntrusted);
}

#[test]
fn a_clock_is_the_cause_of_a_certificate_that_is_valid_by_it() {
    let mut own = with_tls(&[TlsFault::Expired], "CN=Own CA");
    own.clock_ahead_ms = Some(-10 * DAY);
    let causes = explain(&[own.clone()], &[]);
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert_eq!(causes[0].kind, CauseKind::ClockSkew);
    assert!(causes[0].why.contains("864000 s behind"), "{causes:?}");
    // Not a clock that would not make it valid, either.
    own.clock_ahead_ms = Some(-DAY);
    assert_eq!(explain(&[own], &[]).len(), 2);
}

#[test]
fn a_clock_told_by_another_flow_of_the_host_counts_too() {
    let ntp = Observation {
        clock_ahead_ms: Some(90_000),
        ..beside(Verdict::Proven)
    };
    check(
        &[seen(Verdict::Proven), ntp],
        &[(CauseKind::ClockSkew, Sure)],
    );
    let fine = Observation {
        clock_ahead_ms: Some(60_000),
        ..seen(Verdict::Proven)
    };
    check(&[fine], &[]);
}

#[test]
fn the_clock_from_which_all_others_are_off_is_the_wrong_one() {
    let own = Observation {
        clock_ahead_ms: Some(600_000),
        ..seen(Verdict::Proven)
    };
    let other = Observation {
        to: "other".into(),
        host: "192.0.2.8".into(),
        clock_ahead_ms: Some(601_000),
        ..seen(Verdict::Proven)
    };
    let causes = check(&[own, other], &[(CauseKind::ClockSkew, Sure)]);
    assert!(causes[0].why.contains("gw is wrong"), "{causes:?}");
    assert!(causes[0].next_step.contains("clock of gw"), "{causes:?}");
}

#[test]
fn what_another_machine_saw_is_a_hint_and_not_more() {
    check(
        &[elsewhere(Verdict::WrongService)],
        &[(CauseKind::WrongService, Possible)],
    );
}

#[test]
fn slugs_are_read_back() {
    for kind in CauseKind::ALL {
        assert_eq!(CauseKind::from_slug(kind.slug()), Some(*kind));
        assert!(!kind.title().is_empty());
    }
    for clue in Clue::ALL {
        assert_eq!(Clue::from_slug(clue.slug()), Some(*clue));
    }
    for verdict in Verdict::ALL {
        assert_eq!(Verdict::from_slug(verdict.slug()), Some(*verdict));
    }
    for fault in TlsFault::ALL {
        assert_eq!(TlsFault::from_slug(fault.slug()), Some(*fault));
    }
    assert_eq!(CauseKind::from_slug("none"), None);
}
