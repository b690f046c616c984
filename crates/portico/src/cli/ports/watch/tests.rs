use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use portico_catalogue::{Catalogue, plan};
use portico_net::{
    clock::ManualClock,
    tls::{Authorities, install_provider},
};
use portico_probe::check::{Limits, Means, Pace, Targets, targets};
use tokio::{io::AsyncWriteExt, sync::Notify};

use super::*;

/// An engine that opens SSH, and VNC, to one host on loopback.
fn prepared(ssh: u16, clock: &ManualClock) -> Prepared {
    install_provider();
    let estate = format!(
        r#"version = 1
[[hosts]]
id = "engine"
roles = ["portico.engine"]
address = "127.0.0.2"
[[hosts]]
id = "app"
roles = ["portico.session-host"]
address = "127.0.0.1"
ports = {{ "22/tcp" = {ssh} }}
"#
    );
    let draft = portico_estate::parse("estate.toml", &estate).unwrap();
    let deployment = portico_estate::deployment(&draft.estate);
    let plan = plan::plan(Catalogue::portico(), &deployment);
    let Targets { targets, flows } = targets(&plan, None);
    assert_eq!(targets.len(), 1, "{targets:?}");
    Prepared {
        plan,
        targets,
        flows,
        accepted: vec![Verdict::Proven],
        estate: "estate.toml".into(),
        vantage: "engine".into(),
        means: Means {
            secrets: portico_probe::check::Secrets::default(),
            limits: Limits::default(),
            clock: Arc::new(clock.clone()),
            authorities: Authorities::from_pem(b"").unwrap(),
            nonce: Arc::new(|| [7; 8]),
        },
        pace: Pace {
            parallel: NonZeroU32::MIN,
            per_second: NonZeroU32::new(1000).unwrap(),
        },
    }
}

fn outcome(verdict: Verdict, evidence: &str) -> Outcome {
    Outcome {
        verdict,
        evidence: evidence.into(),
        ..Outcome::unchecked()
    }
}

/// A server that greets the first visitors with the first greeting, and so on; and tells when it
/// has greeted one with none left.
async fn server(greetings: &'static [&'static [u8]]) -> (u16, Arc<Notify>) {
    let address = "127.0.0.1:0".parse().unwrap();
    let flow = portico_net::flows::ENGINE_HOST_SSH;
    let listener = portico_net::TcpListener::bind(flow, address).await.unwrap();
    let port = listener.local_addr().port();
    let (done, served) = (Arc::new(Notify::new()), AtomicUsize::new(0));
    let all = Arc::clone(&done);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let visit = served.fetch_add(1, Ordering::SeqCst);
            match greetings.get(visit).or(greetings.last()) {
                Some(greeting) => drop(stream.write_all(greeting).await),
                None => return,
            }
            if visit >= greetings.len() {
                all.notify_one();
            }
        }
    });
    (port, done)
}

const SSH: &[u8] = b"SSH-2.0-real\r\n";
const VNC: &[u8] = b"RFB 003.008\n\x1b]0;<x>\x07";

async fn watched(format: Format, greetings: &'static [&'static [u8]]) -> (String, String) {
    let (port, done) = server(greetings).await;
    let prepared = prepared(port, &ManualClock::default());
    let mut watch = Watch::new(format, &prepared, Vec::new(), false);
    watch.run(Duration::from_millis(5), done.notified()).await;
    let lines = String::from_utf8(watch.out.clone()).unwrap();
    let end = match watch.end() {
        Ok(text) => text,
        Err(failure) => failure.answer.unwrap(),
    };
    (lines, end)
}

#[tokio::test]
async fn each_change_is_a_line_and_what_stays_is_none() {
    let (lines, end) = watched(Format::Table, &[SSH, SSH, VNC, VNC, SSH, SSH]).await;
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let first = "engine -> app";
    assert!(lines[0].contains(first), "{lines:?}");
    assert!(
        lines[0].contains("proven -> wrong service  another service is there: speaks VNC, not SSH"),
        "{lines:?}"
    );
    assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
    assert!(
        lines[1].contains("wrong service -> proven  SSH-2.0-real"),
        "{lines:?}"
    );
    assert!(end.contains("Flows: 1 proven."), "{end}");
    assert!(end.contains("Changes: 2."), "{end}");
}

#[tokio::test]
async fn programs_get_an_object_for_each_change_and_one_at_the_end() {
    let (lines, end) = watched(Format::Json, &[VNC, VNC, SSH, SSH]).await;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["old"], Value::Null);
    assert_eq!(lines[0]["new"], "wrong-service");
    assert_eq!(lines[0]["cause"]["kind"], "wrong-service");
    assert_eq!(lines[1]["old"], "wrong-service");
    assert_eq!(lines[1]["new"], "proven");
    assert_eq!(lines[1]["cause"], Value::Null);
    assert_eq!(end.lines().count(), 1);
    let end: Value = serde_json::from_str(&end).unwrap();
    assert_eq!(end["summary"]["required_not_good"], 0);
    assert_eq!(end["summary"]["changes"], 2);
}

#[tokio::test]
async fn a_watch_that_ends_before_anything_was_seen_does_not_say_that_all_is_well() {
    let prepared = prepared(1, &ManualClock::default());
    let mut watch = Watch::new(Format::Table, &prepared, Vec::new(), false);
    watch
        .run(Duration::from_secs(60), std::future::ready(()))
        .await;
    let failure = watch.end().unwrap_err();
    assert_eq!(failure.what, "1 of 1 required flows are not proven");
}

#[test]
fn what_was_seen_of_a_host_before_does_not_make_a_firewall_of_a_host_that_went_down() {
    let clock = ManualClock::default();
    let mut prepared = prepared(22, &clock);
    // A second port of the same host.
    let mut other = prepared.targets[0].clone();
    other.port = 23;
    prepared.targets.push(other);
    let mut flow = prepared.flows[0].clone();
    flow.target = 1;
    prepared.flows.push(flow);
    let mut watch = Watch::new(Format::Table, &prepared, Vec::new(), false);
    watch.note(1, outcome(Verdict::Proven, "there"));
    clock.advance_ms(SIBLING_FRESH_MS);
    let change = watch.note(0, outcome(Verdict::NoAnswer, "silence"));
    assert_eq!(change.and_then(|change| change.old), None);
    assert!(watch.is_silent(0));
    assert_eq!(watch.stale_siblings(0), [1], "it is looked at again");
    let at_ms = watch.latest[0].as_ref().unwrap().1;
    assert_eq!(watch.cause(0, at_ms).unwrap().kind.slug(), "host-down");
    watch.note(1, outcome(Verdict::Proven, "there"));
    assert_eq!(watch.stale_siblings(0), Vec::<usize>::new());
    assert_eq!(watch.cause(0, at_ms).unwrap().kind.slug(), "firewall-drops");
    assert!(
        watch
            .standing()
            .starts_with("watching 2: 1 proven, 1 no answer; round 1")
    );
    assert_eq!(watch.standing().chars().count(), LINE_WIDTH);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_watch() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (port, _) = server(&[VNC]).await;
    let prepared = prepared(port, &ManualClock::default());
    let mut watch = Watch::new(Format::Table, &prepared, Gone, false);
    watch
        .run(Duration::from_millis(5), std::future::pending())
        .await;
    assert!(watch.is_reader_gone);
}
