//! Every probe at real servers of another protocol.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use portico_probe::check::{Limits, Outcome, Tls, Verdict, What, check};
use portico_wire::probe::{Over, Service};

use crate::{
    PATIENT,
    lab::lab,
    means,
    table::{ROWS, ports},
    target, unlike,
};

/// Most servers say nothing to what they do not understand: waiting for them is what takes time.
const IMPATIENT: Limits = Limits {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_millis(1500),
    whole: Duration::from_secs(4),
};
const PARALLEL: usize = 48;

/// Everything that can be asked: a service, what carries it, and TLS around it where a row has it.
fn questions() -> BTreeSet<(Service, Over, bool)> {
    let of_rows = ROWS
        .iter()
        .map(|row| (row.service, row.over, row.tls == Tls::FromTheStart));
    let of_services = Service::ALL.iter().flat_map(|service| {
        let carriers = service.carriers().iter();
        carriers.map(|over| (*service, *over, false))
    });
    of_rows.chain(of_services).collect()
}

const fn what((service, over, in_tls): (Service, Over, bool)) -> What {
    let tls = match in_tls {
        true => Tls::FromTheStart,
        false => Tls::Never,
    };
    What::Speak { service, over, tls }
}

/// A real server that is the wrong one for this question, and what is said of it.
fn wrong_server(
    (service, over, in_tls): (Service, Over, bool),
) -> (&'static str, u16, &'static str) {
    match (service, over, in_tls) {
        (Service::Imap, _, true) => ("svc2", 995, "speaks POP3"),
        (_, _, true) => ("svc2", 993, "speaks IMAP"),
        (Service::Ssh, ..) => ("svc2", 25, "speaks SMTP"),
        (_, Over::Stream, _) => ("svc2", 22, "speaks SSH"),
        (Service::Echo, ..) => ("svc2", 19, "does not speak echo"),
        // These ask with an empty line, of which nothing is left to show when it comes back.
        (Service::Daytime | Service::Quote | Service::Chargen, ..) => ("svc2", 7, "empty datagram"),
        // It sends back what it gets, which is no answer to anything.
        (_, Over::Datagram, _) => ("svc2", 7, "does not speak"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_probe_calls_a_real_server_of_another_protocol_the_wrong_service() {
    let Some(lab) = lab() else { return };
    // A datagram that is no answer is not the end: a right one may still come.
    let limits = Limits {
        first_byte: Duration::from_secs(3),
        ..PATIENT
    };
    let means = means(&lab, limits);
    let (lab, means) = (&lab, &means);
    let checks = questions().into_iter().map(|question| async move {
        let (server, port, part) = wrong_server(question);
        let outcome = check(&target(lab.address(server), port, what(question)), means).await;
        let unlike = unlike(&outcome, Verdict::WrongService, part);
        unlike.map(|why| format!("{question:?} at {server} port {port}: {why}"))
    });
    let wrong: Vec<Option<String>> = stream::iter(checks).buffered(PARALLEL).collect().await;
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a server may be proven by the probe of a relative, and why that is right.
fn is_relative(service: Service, over: Over, server: &str, port: u16) -> bool {
    use Service as S;
    let own = ROWS
        .iter()
        .any(|row| (row.service, row.over, row.server, row.port) == (service, over, server, port));
    own || match service {
        // CUPS, InfluxDB, etcd and ACME are web servers, too; nginx tells who comes to HTTPS without
        // TLS so in HTTP, and GStreamer's RTSP server speaks HTTP for clients behind proxies.
        S::Http => matches!(port, 80 | 443 | 554 | 631 | 2379 | 8086 | 14443),
        // The three refuse with the same byte and any text.
        S::Rlogin | S::Rsh | S::Rexec => matches!(port, 512..=514),
        // Samba takes both on both of its ports.
        S::Smb | S::NetbiosSession => matches!(port, 139 | 445),
        // The endpoint mapper is an RPC server as all are.
        S::Rpc => port == 135,
        // Any short text is a quote (RFC 865), the time of day too.
        S::Quote => port == 13,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_probe_takes_a_real_server_of_another_protocol_for_its_own() {
    let Some(lab) = lab() else { return };
    let means = means(&lab, IMPATIENT);
    let mut pairs = Vec::new();
    for question in questions() {
        for (server, address, port) in ports(&lab, question.1) {
            if !is_relative(question.0, question.1, server, port) {
                pairs.push((question, server, address, port));
            }
        }
    }
    let count = pairs.len();
    let checks = pairs.into_iter().map(|(question, server, address, port)| {
        let means = &means;
        async move {
            let outcome = check(&target(&address, port, what(question)), means).await;
            (question, server, port, outcome)
        }
    });
    let outcomes: Vec<(_, _, _, Outcome)> = stream::iter(checks)
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    assert_eq!(outcomes.len(), count);
    let mut verdicts: BTreeMap<(Service, Over, bool), BTreeMap<Verdict, usize>> = BTreeMap::new();
    let mut taken = Vec::new();
    for (question, server, port, outcome) in &outcomes {
        *verdicts
            .entry(*question)
            .or_default()
            .entry(outcome.verdict)
            .or_default() += 1;
        // Anything but proven is right: many say nothing to what they do not understand.
        if outcome.verdict == Verdict::Proven {
            taken.push(format!(
                "{question:?} at {server} port {port}: {}",
                outcome.evidence
            ));
        }
        assert_eq!(unlike(outcome, outcome.verdict, ""), None);
        assert!(
            !matches!(outcome.verdict, Verdict::Skipped | Verdict::NotResolvable),
            "{outcome:?}"
        );
    }
    for ((service, over, in_tls), counts) in &verdicts {
        let counts: Vec<String> = counts
            .iter()
            .map(|(verdict, count)| format!("{count} {}", verdict.name()))
            .collect();
        let around = if *in_tls { " in TLS" } else { "" };
        println!(
            "{}{around} over {over:?}: {}",
            service.name(),
            counts.join(", ")
        );
    }
    println!("{count} pairs");
    assert!(taken.is_empty(), "{}", taken.join("\n"));
}
