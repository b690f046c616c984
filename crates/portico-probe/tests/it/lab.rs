//! Against real hosts. These run when `PORTICO_LAB_FACTS` names the facts of a lab (`lab facts -o
//! json`); otherwise they say so and do nothing.

use portico_probe::check::{Tls, Verdict, check};
use portico_wire::probe::{Over, Service};

use crate::check::{PATIENT, expect, is_fit_to_show, means, speak, target};

/// Name, address, port and protocol of the servers that are up; none without a lab.
fn servers() -> Vec<(String, String, u16, String)> {
    let Ok(path) = std::env::var("PORTICO_LAB_FACTS") else {
        eprintln!("PORTICO_LAB_FACTS is not set: not run");
        return Vec::new();
    };
    let facts = std::fs::read_to_string(path).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    let servers = facts["servers"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    servers
        .map(|server| {
            let port = u16::try_from(server["port"].as_u64().unwrap()).unwrap();
            let address = text(&server["address"]);
            (
                text(&server["name"]),
                address,
                port,
                text(&server["protocol"]),
            )
        })
        // Those of the port check are the matter of the tests in `services`.
        .filter(|server| server.3 != "services")
        .collect()
}

#[tokio::test]
async fn real_hosts_are_proven_with_what_they_say_of_themselves() {
    for (name, address, port, protocol) in servers() {
        let service = match protocol.as_str() {
            "rdp" => Service::Rdp,
            "ssh" => Service::Ssh,
            other => panic!("{name} speaks {other}"),
        };
        let target = target(&address, port, speak(service, Tls::Never));
        let outcome = check(&target, &means(PATIENT)).await;
        is_fit_to_show(&outcome);
        match service {
            Service::Ssh => expect(&outcome, Verdict::Proven, "SSH-2.0-OpenSSH"),
            _ => {
                expect(&outcome, Verdict::Proven, "RDP with");
                // Session hosts sign their own certificates.
                let tls = outcome.tls.unwrap();
                assert!(tls.chain[0].sha256.len() == 64, "{name}: {tls:?}");
            }
        }
    }
}

/// Every probe at servers of another service: none takes them for its own.
#[tokio::test]
async fn a_real_host_of_another_service_is_never_proven() {
    let servers = servers();
    for kind in ["rdp", "ssh"] {
        let Some((name, address, port, _)) = servers.iter().find(|server| server.3 == kind) else {
            continue;
        };
        for service in Service::ALL.iter().copied() {
            let is_own = matches!(
                (kind, service),
                ("rdp", Service::Rdp) | ("ssh", Service::Ssh)
            );
            if is_own || !service.carriers().contains(&Over::Stream) {
                continue;
            }
            let mut means = means(PATIENT);
            means.limits.first_byte = std::time::Duration::from_secs(2);
            means.limits.whole = std::time::Duration::from_secs(4);
            let target = target(address, *port, speak(service, Tls::Never));
            let outcome = check(&target, &means).await;
            is_fit_to_show(&outcome);
            assert_ne!(
                outcome.verdict,
                Verdict::Proven,
                "{name}: {service:?} {outcome:?}"
            );
            // A host that greets is named; one that only closes at nonsense cannot be.
            if kind == "ssh" {
                expect(&outcome, Verdict::WrongService, "speaks SSH");
            }
        }
    }
}
