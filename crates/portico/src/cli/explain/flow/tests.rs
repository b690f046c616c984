use std::{fmt::Write, path::Path};

use clap::Parser;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::cli::answer;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: crate::cli::Command,
}

async fn try_run(line: &str) -> Result<String, Failure> {
    portico_net::tls::install_provider();
    let line = Line::try_parse_from(std::iter::once("portico").chain(line.split(' ')))
        .unwrap_or_else(|error| panic!("{error}"));
    answer(&line.globals, line.command).await
}

/// A server on loopback that greets everybody so.
async fn server(greeting: &'static [u8]) -> u16 {
    let address = "127.0.0.1:0".parse().unwrap();
    let flow = portico_net::flows::ENGINE_HOST_SSH;
    let listener = portico_net::TcpListener::bind(flow, address).await.unwrap();
    let port = listener.local_addr().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _gone = stream.write_all(greeting).await;
        }
    });
    port
}

/// An engine, and a host whose SSH is at `address` and `port`.
fn estate(folder: &Path, engine: &str, address: &str, port: u16) -> String {
    let path = folder.join("estate.toml");
    let mut text = "version = 1\n".to_owned();
    for (id, role, address, ports) in [
        ("engine", "portico.engine", engine, String::new()),
        (
            "app",
            "portico.session-host",
            address,
            format!("ports = {{ \"22/tcp\" = {port} }}\n"),
        ),
    ] {
        let _ = write!(
            text,
            "[[hosts]]\nid = \"{id}\"\nroles = [\"{role}\"]\naddress = \"{address}\"\n{ports}"
        );
    }
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

async fn explained(engine: &str, address: &str, port: u16) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = estate(folder.path(), engine, address, port);
    let line = format!("explain flow --from engine --to app --port {port}/tcp -f {path}");
    try_run(&line)
        .await
        .unwrap_or_else(|failure| panic!("{failure}"))
}

#[tokio::test]
async fn a_flow_that_works_is_named_with_who_needs_it_and_what_was_seen() {
    let port = server(b"SSH-2.0-real\r\n").await;
    let shown = explained("127.0.0.2", "127.0.0.1", port).await;
    for part in [
        "Flow: portico.engine-host-ssh: SSH over",
        "needed by: engine as portico.engine, of app as portico.session-host",
        "document: portico",
        "Check from engine, now",
        "proven",
        "SSH-2.0-real",
        "Cause: none; the flow works",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[tokio::test]
async fn a_closed_port_and_a_wrong_service_have_their_causes() {
    let shown = explained("127.0.0.2", "127.0.0.1", 9).await;
    assert!(
        shown.contains("Most likely cause: nothing listens there"),
        "{shown}"
    );
    assert!(
        shown.contains("next step: start the service on app"),
        "{shown}"
    );
    let port = server(b"RFB 003.008\n\x1b]0;<x>\x07").await;
    let shown = explained("127.0.0.2", "127.0.0.1", port).await;
    assert!(
        shown.contains("Cause: another service is there") && shown.contains("speaks VNC, not SSH"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[tokio::test]
async fn a_name_without_address_is_the_cause() {
    let shown = explained("127.0.0.2", "nothing.invalid", 22).await;
    assert!(
        shown.contains("Cause: the name does not resolve"),
        "{shown}"
    );
}

#[tokio::test]
async fn whoever_asks_from_another_machine_is_told_so() {
    let port = server(b"SSH-2.0-real\r\n").await;
    let shown = explained("192.0.2.77", "127.0.0.1", port).await;
    assert!(
        shown.contains("which is not engine: run it there"),
        "{shown}"
    );
    assert!(
        !explained("127.0.0.2", "127.0.0.1", port)
            .await
            .contains("which is not")
    );
}

#[tokio::test]
async fn programs_get_flows_checks_and_causes() {
    let folder = tempfile::tempdir().unwrap();
    let path = estate(folder.path(), "127.0.0.2", "127.0.0.1", 9);
    let line = format!("explain flow --from engine --to 127.0.0.1 --port 9 -o json -f {path}");
    let answer: Value = serde_json::from_str(&try_run(&line).await.unwrap()).unwrap();
    assert_eq!(answer["flows"][0]["flow"], "portico.engine-host-ssh");
    assert_eq!(answer["checks"][0]["verdict"], "refused");
    assert_eq!(answer["checks"][0]["of_this_port"], true);
    assert_eq!(answer["causes"][0]["kind"], "nothing-listens");
    assert_eq!(answer["seen_from_there"], true);
}

#[tokio::test]
async fn what_the_plan_does_not_have_is_not_checked_but_shown_with_what_is_near() {
    let folder = tempfile::tempdir().unwrap();
    let path = estate(folder.path(), "127.0.0.2", "127.0.0.1", 9);
    let line = format!("explain flow --from engine --to app --port 3389 -f {path}");
    let failure = try_run(&line).await.unwrap_err().to_string();
    assert!(
        failure.contains("The plan has no flow from engine to app on port 3389"),
        "{failure}"
    );
    assert!(
        failure.contains("planned: engine -> app 9/tcp SSH [portico.engine-host-ssh]"),
        "{failure}"
    );
    let failure = try_run(&format!("{line} -o json")).await.unwrap_err();
    let answer: Value = serde_json::from_str(&failure.answer.unwrap()).unwrap();
    assert_eq!(answer["causes"][0]["kind"], "not-planned");
    // The other way around is not the same flow.
    let line = format!("explain flow --from app --to engine --port 9 -f {path}");
    let failure = try_run(&line).await.unwrap_err().to_string();
    assert!(
        failure.contains("planned: engine -> app 9/tcp"),
        "{failure}"
    );
    let line = format!("explain flow --from nobody --to app --port 9 -f {path}");
    let failure = try_run(&line).await.unwrap_err();
    assert_eq!(failure.what, "There is no host \"nobody\"");
}

#[test]
fn ports_are_read_with_and_without_transport() {
    let port = |text: &str| text.parse::<Port>().map(|port| port.to_string());
    assert_eq!(port("22"), Ok("22".into()));
    assert_eq!(port("22/tcp"), Ok("22/tcp".into()));
    assert_eq!(port("88/udp"), Ok("88/udp".into()));
    for wrong in ["", "0", "65536", "ssh", "22/icmp", "/tcp", "-1"] {
        assert!(port(wrong).is_err(), "{wrong}");
    }
}

const AT_MS: i64 = 1_763_696_000_000;

/// A row of the server's answer.
fn stored_row(from: &str, verdict: &str, at_ms: Option<i64>) -> Value {
    json!({
        "flow": "portico.engine-host-ssh", "application_protocol": "SSH", "purpose": "p",
        "from": from, "to": "app", "address": "192.0.2.1", "transport": "tcp", "port": 22,
        "port_last": null, "required": true, "verdict": verdict,
        "evidence": format!("evidence of {from}\u{1b}[2J"), "next_step": null, "clue": null,
        "took_ms": at_ms.map(|_| 3), "checked_at_ms": at_ms, "since_ms": at_ms,
    })
}

/// What is told of `engine` to `app` when the check here said `here`, and the server has `rows`.
fn told(is_here: bool, here: Verdict, rows: &[Value]) -> (String, Value) {
    let text = "version = 1\n[[hosts]]\nid = \"engine\"\nroles = [\"portico.engine\"]\naddress = \
                \"192.0.2.9\"\n[[hosts]]\nid = \"app\"\nroles = [\"portico.session-host\"]\n\
                address = \"192.0.2.1\"\n";
    let estate = portico_estate::parse("e", text).unwrap().estate;
    let planned = plan::plan(Catalogue::portico(), &portico_estate::deployment(&estate));
    let place = |id: &str| planned.place(id).unwrap();
    let asking = Asking {
        plan: &planned,
        from: place("engine"),
        to: place("app"),
        port: "22/tcp".parse().unwrap(),
    };
    let all = targets(&planned, Some(&[asking.from]));
    let asked: Vec<&CheckedFlow> = all
        .flows
        .iter()
        .filter(|flow| flow.to == asking.to && has_port(flow, asking.port))
        .collect();
    let mut local =
        Stored::of(&json!({ "rows": [stored_row("engine", here.slug(), Some(AT_MS))] }))
            .observations();
    local[0].evidence = "seen from here".into();
    let explained = Explained {
        asking,
        asked,
        observations: local,
        stored: Some(Stored::of(&json!({ "rows": rows }))),
        causes: Vec::new(),
        is_here,
        rests_on: RestsOn::Check,
        now_ms: AT_MS,
    }
    .with_causes();
    (explained.tree(), explained.answer())
}

#[test]
fn elsewhere_what_the_source_saw_last_counts_more_than_the_check_from_here() {
    let rows = [
        stored_row("other", "proven", Some(AT_MS - 60_000)),
        stored_row("engine", "no-answer", Some(AT_MS - 150_000)),
        stored_row("third", "not-checked", None),
        json!({ "form": "of a later version" }),
    ];
    let (tree, answer) = told(false, Verdict::Proven, &rows);
    assert!(!tree.contains('\u{1b}'), "{tree}");
    let (_, seen) = tree.split_once("├─ Last seen").unwrap();
    expect_test::expect![[r"
        , from each vantage point
        │  ├─ engine: no answer 2m 30s ago, 22/tcp at 192.0.2.1: evidence of engine\u{1b}[2J
        │  │  └─ so since 2025-11-21 03:30:50Z
        │  ├─ other: proven 60s ago, 22/tcp at 192.0.2.1: evidence of other\u{1b}[2J
        │  │  └─ so since 2025-11-21 03:32:20Z
        │  └─ third: not-checked, 22/tcp at 192.0.2.1: evidence of third\u{1b}[2J
        ├─ Check from this machine (2025-11-21 03:33:20Z), which is not engine: what engine saw last counts more
        │  └─ 22/tcp at 192.0.2.1: proven, 3 ms: seen from here
        └─ Most likely cause: a firewall drops it
           ├─ because: 22/tcp of app is proven from this machine, and has no answer from engine
           └─ next step: let 22/tcp from engine through on app and on the way (flow portico.engine-host-ssh); check the routes of both, too
    "]]
    .assert_eq(seen);
    assert_eq!(answer["causes_rest_on"], "last-seen");
    assert_eq!(answer["causes"][0]["kind"], "firewall-drops");
    assert_eq!(answer["last_seen"][0], rows[1]);
    assert_eq!(answer["last_seen"].as_array().unwrap().len(), 3);
}

#[test]
fn on_the_source_the_check_now_counts_and_others_are_evidence() {
    let old = stored_row("engine", "no-answer", Some(AT_MS - 5_000));
    // A minute ago it did not work; now it does.
    let (tree, answer) = told(true, Verdict::Proven, std::slice::from_ref(&old));
    assert!(tree.contains("Cause: none; the flow works"), "{tree}");
    assert_eq!(answer["causes_rest_on"], "check");
    // Refused here: that it works from elsewhere tells that it is no service that is down.
    let other = stored_row("other", "proven", Some(AT_MS - 5_000));
    let (_, answer) = told(true, Verdict::Refused, &[old, other]);
    assert_eq!(answer["causes"][0]["kind"], "firewall-rejects");
    // Nobody looked from there: the check from here is all there is, and it stands as it was.
    let unseen = stored_row("engine", "not-checked", None);
    let (tree, answer) = told(false, Verdict::Refused, &[unseen]);
    assert!(tree.contains("which is not engine: run it there"), "{tree}");
    assert!(tree.contains("engine: not-checked, 22/tcp"), "{tree}");
    assert_eq!(answer["causes"][0]["kind"], "nothing-listens");
}

#[test]
fn a_server_that_does_not_tell_is_said_and_a_file_has_no_such_section() {
    let stored = Stored::of(&json!({ "rows": [] }));
    let node = stored.node(&["portico.engine-host-ssh"], "engine", AT_MS);
    assert_eq!(node.text, "Last seen: the server's plan has no such flow");
}
