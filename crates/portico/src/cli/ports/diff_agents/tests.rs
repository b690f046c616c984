use std::collections::BTreeMap;

use portico_model::text::is_unsafe_to_show;
use portico_net::flows;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::cli::ports::tests::{example, try_run};

/// An estate of a server: `examples/estates/portico.toml`, where three hosts have agents.
fn estate() -> Value {
    let (mut estate, _) = super::super::from_file(&example("portico.toml")).unwrap();
    for (id, host) in &mut estate.hosts {
        if ["sh1", "sh2", "ssh1"].contains(&id.as_str()) {
            host.agent = portico_model::estate::AgentMode::Required;
        }
    }
    serde_json::to_value(&estate).unwrap()
}

/// What an agent tells of a host where everything is let in and one program listens.
fn told(port: u16, process: &str) -> Value {
    json!({
        "rules": [
            {"tool": "iptables-save", "state": "text", "text": ""},
            {"tool": "ip6tables-save", "state": "text", "text": ""},
            {"tool": "nft", "state": "absent"},
        ],
        "sockets": [{"transport": "tcp", "address": "0.0.0.0", "port": port, "takes_ipv4": false,
            "interface": null, "processes": [{"pid": 7, "name": process}]}],
        "sockets_fault": null,
        "interfaces": [{"name": "eth0", "address": "10.30.1.1"}],
        "client_ports": [32768, 60999],
        "as_root": true,
    })
}

fn fault(code: &str, message: &str) -> (&'static str, Value) {
    let error = json!({"code": code, "message": message, "next_step": "Update the agent"});
    ("409 Conflict", json!({ "error": error }))
}

/// Runs a command against a server that answers each path as it is told, an estate among them; gives
/// the paths of the hosts that were asked, too.
async fn against(
    mut answers: BTreeMap<&'static str, (&'static str, Value)>,
    line: &str,
) -> (Result<String, Failure>, Vec<String>) {
    answers.insert("/estate", ("200 OK", estate()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portico.sock");
    let listener = portico_net::unix::listen(flows::CLI_PORTAL, &path, 0o600)
        .await
        .unwrap();
    let (asked_to, mut asked_from) = tokio::sync::mpsc::unbounded_channel();
    let answers = Arc::new(answers);
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (answers, asked_to) = (Arc::clone(&answers), asked_to.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let len = stream.read(&mut request).await.unwrap();
                let text = String::from_utf8(request[..len].to_vec()).unwrap();
                let path = text.split(' ').nth(1).unwrap();
                let path = path.strip_prefix("/api/v1").unwrap().to_owned();
                let (status, body) = answers.get(path.as_str()).unwrap();
                let body = body.to_string();
                asked_to.send(path).unwrap();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                // The client may have enough before the answer is out.
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    let line = format!("--server {} {line}", path.display());
    let shown = try_run(&line).await;
    server.abort();
    let mut asked = Vec::new();
    while let Ok(path) = asked_from.try_recv() {
        asked.push(path);
    }
    asked.retain(|path| path != "/estate");
    asked.sort();
    (shown, asked)
}

const SH1: &str = "/hosts/sh1/ports/state";
const SH2: &str = "/hosts/sh2/ports/state";
const SSH1: &str = "/hosts/ssh1/ports/state";

fn check_safe(text: &str) {
    let found = text.chars().find(|c| *c != '\n' && is_unsafe_to_show(*c));
    assert_eq!(found, None, "{text}");
}

#[tokio::test]
async fn each_host_is_compared_by_itself_and_all_are_counted() {
    let answers = || {
        BTreeMap::from([
            (SH1, ("200 OK", told(5555, "x\u{1b}[2J\u{202e}"))),
            (
                SH2,
                fault("agent-too-old", "The agent \u{1b}[2J is too old"),
            ),
            (
                SSH1,
                ("200 OK", {
                    let mut garbage = told(443, "w3wp");
                    garbage["rules"][2] = json!({"tool": "nft", "state": "text",
                    "text": "{\"nftables\": [\u{1b}[2J"});
                    garbage
                }),
            ),
        ])
    };
    let (shown, asked) = against(answers(), "ports diff --all-hosts").await;
    let shown = shown.unwrap();
    check_safe(&shown);
    assert_eq!(asked, [SH1, SH2, SSH1]);
    for part in [
        "Host sh1: ",
        "listener  x\\u{1b}[2J\\u{202e} (pid 7)",
        "Host sh2 could not be asked.\nerror: The agent \\u{1b}[2J is too old\n  \
         next step: Update the agent\n",
        "Host ssh1 could not be asked.\nerror: What nft prints on host ssh1 cannot be judged\n  \
         reason:    it begins as JSON and is not a whole document",
        "\n3 hosts: 1 drifted, 2 could not be asked.\nWithout an agent, and not compared: ",
        "gate1",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for form in ["json", "yaml", "csv", "markdown"] {
        let (shown, _) = against(answers(), &format!("ports diff --all-hosts -o {form}")).await;
        check_safe(&shown.unwrap());
    }
    let (shown, _) = against(answers(), "ports diff --all-hosts --strict -o json").await;
    let failure = shown.unwrap_err();
    let reason = failure.reason.as_deref();
    assert_eq!(reason, Some("3 hosts: 1 drifted, 2 could not be asked"));
    let told: Value = serde_json::from_str(failure.answer.as_ref().unwrap()).unwrap();
    assert_eq!(told["summary"]["drifted"], 1);
    assert_eq!(told["summary"]["not_asked"], 2);
    let states = told["hosts"].as_array().unwrap().iter();
    let states: Vec<&Value> = states.map(|host| &host["state"]).collect();
    assert_eq!(states, ["drifted", "not-asked", "not-asked"]);
    let findings = told["hosts"][0]["drift"]["findings"].as_array().unwrap();
    let stray = findings
        .iter()
        .find(|one| one["traffic"][0]["ports"][0]["first"] == 5555);
    assert_eq!(stray.unwrap()["class"], "superfluous");
    assert_eq!(told["hosts"][1]["fault"]["next_step"], "Update the agent");
    let (csv, _) = against(answers(), "ports diff --all-hosts -o csv").await;
    let csv = csv.unwrap();
    assert!(csv.starts_with("host,state,class,side,"), "{csv}");
    let row = "sh2,could not be asked,,,,,,,,The agent \\u{1b}[2J is too old,Update the agent\n";
    assert!(csv.contains(row), "{csv}");
}

#[tokio::test]
async fn a_host_that_is_judged_in_part_is_not_taken_for_clean() {
    let mut part = told(443, "w3wp");
    part["as_root"] = json!(false);
    part["sockets"] = json!([]);
    part["sockets_fault"] = json!("it has 20000 sockets, of which 16384 are told");
    for tool in 0..3 {
        part["rules"][tool]["state"] = json!("absent");
        part["rules"][tool]["text"] = Value::Null;
    }
    let answers = || BTreeMap::from([(SH1, ("200 OK", part.clone()))]);
    let (shown, asked) = against(answers(), "ports diff --host sh1 --host sh1").await;
    let shown = shown.unwrap();
    assert_eq!(asked, [SH1], "named twice, asked once");
    for part in [
        "rules are not judged: it has none of iptables-save, ip6tables-save, nft; run the agent",
        "sockets are not judged: it has 20000 sockets",
        "does not run as root",
        "\n1 host: 1 judged in part.\n",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("All is as it is planned"), "{shown}");
    let (shown, _) = against(answers(), "ports diff --host sh1 --strict").await;
    assert!(shown.unwrap_err().answer.is_some());
}

#[tokio::test]
async fn what_cannot_be_at_any_host_ends_the_command_and_hosts_are_checked_before() {
    let refused = fault("role-missing", "Your role does not allow this");
    let all = BTreeMap::from([
        (SH1, refused.clone()),
        (SH2, refused.clone()),
        (SSH1, refused),
    ]);
    let (shown, _) = against(all, "ports diff --all-hosts").await;
    let failure = shown.unwrap_err();
    assert_eq!(failure.what, "Your role does not allow this");
    assert_eq!(failure.answer, None);
    let (shown, asked) = against(BTreeMap::new(), "ports diff --host sh1 --host sh9").await;
    assert!(shown.unwrap_err().what.contains("no host \"sh9\""));
    assert_eq!(asked, [""; 0]);
    // An answer of another server, or of another version.
    let other = BTreeMap::from([(SH1, ("200 OK", json!({"rules": 7})))]);
    let (shown, _) = against(other, "ports diff --host sh1").await;
    let shown = shown.unwrap();
    assert!(shown.contains("answer is not understood"), "{shown}");
    // This machine, and a dump, are one host.
    let failure = try_run("ports diff -f @portico.toml --host sh1 --host sh2").await;
    assert_eq!(failure.unwrap_err().what, "2 hosts are named");
}

#[test]
fn progress_is_shown_for_several_hosts_where_somebody_looks() {
    assert!(!Progress::new(1, true).is_shown);
    assert!(!Progress::new(2, false).is_shown);
    let mut progress = Progress::new(2, false);
    progress.step();
    assert_eq!(progress.text(), "1 of 2 hosts compared");
}
