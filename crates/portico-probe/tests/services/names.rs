//! Wrong answers of a real DNS server, the lab's BIND.
//!
//! `scripts/test-services` gives these tests an /etc/resolv.conf that names it.

use std::time::Duration;

use portico_probe::check::{Limits, Outcome, Tls, Verdict, What, check};
use portico_wire::probe::{Over, Service};

use crate::{
    PATIENT, expect,
    lab::{Lab, lab},
    means, target,
};

const SSH: What = What::Speak {
    service: Service::Ssh,
    over: Over::Stream,
    tls: Tls::Never,
};

/// The lab, when its names are resolved here.
fn lab_with_names() -> Option<Lab> {
    let lab = lab()?;
    let is_there = std::fs::read_to_string("/etc/resolv.conf")
        .is_ok_and(|text| text.contains(lab.address("svc3")));
    if !is_there {
        println!("/etc/resolv.conf does not name svc3: not run");
        assert!(
            std::env::var("PORTICO_SERVICES").as_deref() != Ok("required"),
            "scripts/test-services gives an /etc/resolv.conf"
        );
    }
    is_there.then_some(lab)
}

async fn at(lab: &Lab, limits: Limits, name: &str) -> Outcome {
    check(
        &target(&format!("{name}.portico.test"), 22, SSH),
        &means(lab, limits),
    )
    .await
}

#[tokio::test]
async fn a_right_name_is_proven_and_one_that_is_not_there_is_not_resolvable() {
    let Some(lab) = lab_with_names() else { return };
    expect(
        &at(&lab, PATIENT, "svc2").await,
        Verdict::Proven,
        "OpenSSH",
        "",
    );
    expect(
        &at(&lab, PATIENT, "gone").await,
        Verdict::NotResolvable,
        "gone.portico.test",
        "getent hosts gone.portico.test",
    );
}

#[tokio::test]
async fn a_name_that_leads_to_the_wrong_host_shows_the_address_that_was_asked() {
    let Some(lab) = lab_with_names() else { return };
    // A host that is there and has no such service.
    let elsewhere = at(&lab, PATIENT, "elsewhere").await;
    expect(
        &elsewhere,
        Verdict::Refused,
        lab.address("svc3"),
        "start the service on the host, or correct",
    );
    // An address of nobody.
    let limits = Limits {
        connect: Duration::from_secs(5),
        ..PATIENT
    };
    let nobody = at(&lab, limits, "nobody").await;
    assert!(
        matches!(nobody.verdict, Verdict::NoAnswer | Verdict::Blocked),
        "{nobody:?}"
    );
    assert!(
        nobody.evidence.contains(&format!("{}.250", lab.net)),
        "{nobody:?}"
    );
}

#[tokio::test]
async fn a_broken_ipv6_address_before_a_good_one_is_told_and_costs_little() {
    let Some(lab) = lab_with_names() else { return };
    let outcome = at(&lab, PATIENT, "broken6").await;
    expect(&outcome, Verdict::Proven, "OpenSSH", "");
    assert!(outcome.took < Duration::from_secs(5), "{outcome:?}");
    assert_eq!(
        outcome.address.unwrap().ip().to_string(),
        lab.address("svc2")
    );
}

#[tokio::test]
async fn of_a_name_with_200_addresses_eight_are_tried() {
    let Some(lab) = lab_with_names() else { return };
    let outcome = at(&lab, PATIENT, "many").await;
    // All but one are addresses of this machine, where port 22 may have a server of its own.
    assert!(
        matches!(
            outcome.verdict,
            Verdict::Proven | Verdict::Refused | Verdict::WrongService
        ),
        "{outcome:?}"
    );
    assert!(outcome.took < Duration::from_secs(20), "{outcome:?}");
    assert!(
        outcome.evidence.matches("failed before").count() < 8,
        "{outcome:?}"
    );
}
