use expect_test::{expect, expect_file};
use portico_model::text::is_unsafe_to_show;
use portico_net::flows;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinHandle,
};

use super::*;
use crate::cli::{credentials::Credentials, output::Format, server::Server};

const NOW_MS: i64 = 1_763_696_000_000;
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{202e}<script>\r\n\"x\"";

fn check_safe(text: &str) {
    let found = text.chars().find(|c| *c != '\n' && is_unsafe_to_show(*c));
    assert_eq!(found, None, "{text}");
}

fn ago(seconds: i64) -> i64 {
    NOW_MS - seconds * 1_000
}

/// As the API gives hosts: managed and busy, silent, not managed, never joined.
fn hosts() -> Value {
    json!([
        {"id": "sh1", "title": HOSTILE, "pool": "desktops", "site": "berlin",
         "address": "10.0.0.1", "port": 3389, "protocol": "rdp", "weight": 200,
         "mode": "enabled", "wanted_mode": "enabled", "state": "up", "detail": "",
         "since_ms": ago(7_500), "takes_new": true, "why_not": [], "agent": "required",
         "agent_state": {"state": "connected", "since_ms": ago(4_000),
            "software": "portico-agent 0.0.0", "system": HOSTILE, "boot": "b", "cpus": 4,
            "certificate_expires_ms": NOW_MS + 600_000_000, "link": "dial"},
         "load": {"at_ms": ago(1), "cpu": 4_200, "memory": 6_650,
            "memory_total_bytes": 8_589_934_592_u64, "run_queue": 15_000, "disk_wait": 20,
            "pressure": {"cpu": 120, "memory": 0, "io": 3}, "received_bytes_s": 12_000,
            "sent_bytes_s": 3_400_000, "index": 2_300},
         "identity": "accepted", "sessions": 3, "sessions_max": 20, "sign_ins": 1,
         "unmanaged_sessions": 2, "roles": [], "pins": []},
        {"id": "sh2", "title": "b", "pool": "desktops", "address": "10.0.0.2", "port": 3389,
         "protocol": "rdp", "weight": 100, "mode": "drain", "wanted_mode": "enabled",
         "mode_set": {"mode": "drain", "by": "olga", "at_ms": ago(300), "reason": HOSTILE,
            "until_restart": true},
         "state": "silent", "detail": "", "since_ms": ago(130), "takes_new": false,
         "why_not": [
            {"code": "silent", "message": "its agent has said nothing for 2m",
             "next_step": "see whether portico-agent runs on the host"},
            {"code": "draining", "message": format!("olga drains it: {HOSTILE}"),
             "next_step": "portico hosts undrain sh2"}],
         "agent": "required",
         "agent_state": {"state": "silent", "since_ms": ago(130), "link": "listen"},
         "identity": "changed", "sessions": 7, "sessions_max": 20, "sign_ins": 0,
         "unmanaged_sessions": 0, "penalty": {"failures": 3, "until_ms": NOW_MS + 42_000},
         "roles": [], "pins": []},
        {"id": "nla1", "title": "c", "pool": "windows", "address": "2001:db8::1", "port": 3389,
         "protocol": "rdp", "weight": 100, "mode": "enabled", "wanted_mode": "enabled",
         "state": "down", "detail": "connection refused", "since_ms": null, "takes_new": false,
         "why_not": [{"code": "unreachable", "message": "It does not answer.", "next_step": ""}],
         "agent": "none", "identity": "none", "sessions": 0, "sessions_max": 5, "sign_ins": 0,
         "unmanaged_sessions": 0, "roles": [], "pins": []},
        {"id": "ssh1", "title": "d", "pool": "terminals", "address": "10.0.0.4", "port": 22,
         "protocol": "ssh", "weight": 100, "mode": "enabled", "wanted_mode": "enabled",
         "state": "never-joined", "detail": "", "since_ms": null, "takes_new": false,
         "why_not": [], "agent": "required",
         "agent_state": {"state": "never-joined", "link": "dial"}, "identity": "pinned",
         "sessions": 0, "sessions_max": 5, "sign_ins": 0, "unmanaged_sessions": 0,
         "roles": [], "pins": []},
    ])
}

fn history() -> Value {
    let points: Vec<Value> = (0..360)
        .map(|n| {
            json!({"at_ms": ago(3_600 - n * 10), "cpu": n * 10_000 / 359, "memory": 6_650,
                "run_queue": 0, "disk_wait": 0, "sessions": n / 90})
        })
        .collect();
    json!({ "period_s": 10, "points": points })
}

fn sessions() -> Value {
    json!([
        {"key": "xrdp:10", "account": "anna", "kind": "rdp", "display": ":10", "state": "active",
         "age_s": 5_400, "idle_s": 12, "session": "0123456789abcdef0123456789abcdef"},
        {"key": HOSTILE, "account": HOSTILE, "kind": "console", "state": "disconnected",
         "age_s": 90},
    ])
}

#[test]
fn lists_say_why_a_host_takes_nobody_and_hostile_names_are_escaped() {
    let shown = show::list(&hosts(), NOW_MS);
    check_safe(&shown);
    expect_file!["../golden/hosts.txt"].assert_eq(&shown);
    assert_eq!(show::list(&json!([]), NOW_MS), "There is no host.\n");
}

#[test]
fn one_host_is_shown_with_its_load_its_past_and_its_sessions() {
    let mut all = String::new();
    let hosts = hosts();
    let hosts = hosts.as_array().unwrap();
    for (host, history, sessions) in [
        (&hosts[0], history(), sessions()),
        (&hosts[1], Value::Null, Value::Null),
        (
            &hosts[2],
            json!({ "period_s": 10, "points": [] }),
            json!([]),
        ),
    ] {
        all.push_str(&show::one(host, &history, &sessions, NOW_MS));
        all.push_str("--\n");
    }
    check_safe(&all);
    expect_file!["../golden/host.txt"].assert_eq(&all);
}

#[test]
fn an_answer_of_another_version_is_shown_as_far_as_it_is_understood() {
    for odd in [
        json!({}),
        json!([1]),
        json!([{}]),
        json!([{"load": 7, "why_not": 3}]),
    ] {
        show::list(&odd, NOW_MS);
        show::one(&odd, &odd, &odd, NOW_MS);
        show::modes(&odd);
        show::waiting(&odd, NOW_MS);
        maintain::list(&odd);
    }
}

/// A machine waits at sh1, and other identities at sh2.
fn waiting() -> Value {
    json!([
        {"host": "sh1", "kind": "join", "at_ms": ago(60), "fingerprint": "1".repeat(64),
         "address": "10.0.0.1", "software": HOSTILE, "key_sha256": "1".repeat(64),
         "accepted": [], "offered": []},
        {"host": "sh2", "kind": "identity", "at_ms": ago(7_200), "fingerprint": "2".repeat(64),
         "accepted": ["sha256:aa"], "offered": ["sha256:bb", HOSTILE]},
    ])
}

#[test]
fn what_waits_for_an_operator_is_shown_with_what_to_compare() {
    let shown = show::waiting(&waiting(), NOW_MS);
    check_safe(&shown);
    expect![[r#"
        sh1: a machine wants to be its agent (since 60s)
          address     10.0.0.1
          software    \u{1b}]0;owned\u{7}\u{202e}<script>\r\n"x"
          fingerprint 1111111111111111111111111111111111111111111111111111111111111111 (of its key)
          answer      `portico hosts approve sh1 --fingerprint 1111111111111111` or `portico hosts reject sh1 --fingerprint 1111111111111111`
        sh2: its agent reports another identity than the accepted one (since 2h)
          accepted    sha256:aa
          offered     sha256:bb, \u{1b}]0;owned\u{7}\u{202e}<script>\r\n"x"
          fingerprint 2222222222222222222222222222222222222222222222222222222222222222 (of all that is offered)
          answer      `portico hosts trust sh2 --fingerprint 2222222222222222`
    "#]]
    .assert_eq(&shown);
    assert_eq!(
        show::waiting(&json!([]), NOW_MS),
        "Nothing waits for an operator.\n"
    );
}

#[test]
fn a_maintenance_is_planned_in_times_of_people_and_sent_in_those_of_the_api() {
    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(subcommand)]
        what: MaintainCommand,
    }
    let line = |words: &str| {
        <Line as clap::Parser>::try_parse_from(words.split_whitespace()).map(|line| line.what)
    };
    let words = "maintain plan sh1 sh2 --at +1h --for 30m --drain 1h30m --restart --text Updates";
    let Ok(MaintainCommand::Plan(args)) = line(words) else {
        panic!("{words}");
    };
    assert_eq!(
        maintain::request(&args, NOW_MS),
        json!({ "hosts": ["sh1", "sh2"], "starts_at_ms": NOW_MS + 3_600_000,
            "ends_at_ms": NOW_MS + 5_400_000, "warn_before_s": 900, "drain_before_s": 5_400,
            "text": "Updates", "restart": true, "at_once": 1 })
    );
    for wrong in [
        "maintain plan sh1",
        "maintain plan --at now",
        "maintain plan sh1 --at tomorrow",
        "maintain plan sh1 --at now --at-once 0",
        "maintain plan sh1 --at now --for 1",
        "maintain cancel ../x",
    ] {
        assert!(line(wrong).is_err(), "{wrong}");
    }
    let planned = json!([{"id": "m1", "hosts": ["sh1", "sh2"], "starts_at_ms": NOW_MS,
        "ends_at_ms": NOW_MS + 1_800_000, "warn_before_s": 900, "drain_before_s": 5_400,
        "text": HOSTILE, "restart": true, "at_once": 1, "state": "planned"}]);
    let shown = maintain::list(&planned);
    check_safe(&shown);
    expect![[r#"
        ID  HOSTS     FROM                  UNTIL                 DRAINS BEFORE  WARNS BEFORE  RESTART  STATE    TEXT
        m1  sh1, sh2  2025-11-21 03:33:20Z  2025-11-21 04:03:20Z  1h 30m         15m           yes      planned  \u{1b}]0;owned\u{7}\u{202e}<script>\r\n"x"
    "#]].assert_eq(&shown);
}

/// A client whose server gives one answer to each call, and the requests it got.
async fn server(
    answers: Vec<(&'static str, String)>,
) -> (ApiClient, JoinHandle<Vec<String>>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portico.sock");
    let listener = portico_net::unix::listen(flows::CLI_PORTAL, &path, 0o600)
        .await
        .unwrap();
    let task = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let len = stream.read(&mut request).await.unwrap();
            let text = String::from_utf8(request[..len].to_vec()).unwrap();
            let head = text.lines().next().unwrap().to_owned();
            let sent = text.split_once("\r\n\r\n").unwrap().1;
            asked.push(format!("{} {sent}", head.trim_end_matches(" HTTP/1.1")));
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    let client = ApiClient::new(Server::Socket(path), &Credentials::default());
    (client, task, folder)
}

fn names(ids: &[&str]) -> Vec<HostId> {
    ids.iter().map(|id| HostId::new(id).unwrap()).collect()
}

#[tokio::test]
async fn draining_says_what_each_host_takes_now() {
    let (client, asked, _folder) = server(vec![
        ("204 No Content", String::new()),
        ("204 No Content", String::new()),
        ("200 OK", hosts().to_string()),
    ])
    .await;
    let args = ModeArgs {
        names: Names {
            names: names(&["sh1", "sh2"]),
        },
        reason: "new disks".into(),
        until_restart: true,
    };
    let globals = Globals {
        output: Format::Table,
        ..Globals::default()
    };
    let shown = set_mode(&globals, &client, "drain", &args).await.unwrap();
    check_safe(&shown);
    expect![[r#"
        sh1: takes new sessions.
        sh2: takes no new session: its agent has said nothing for 2m; olga drains it: \u{1b}]0;owned\u{7}\u{202e}<script>\r\n"x". It has 7 of 20 sessions.
    "#]].assert_eq(&shown);
    expect![[r#"
        POST /api/v1/hosts/sh1/mode {"mode":"drain","reason":"new disks","until_restart":true}
        POST /api/v1/hosts/sh2/mode {"mode":"drain","reason":"new disks","until_restart":true}
        GET /api/v1/hosts "#]]
    .assert_eq(&asked.await.unwrap().join("\n"));
}

#[tokio::test]
async fn a_failure_at_one_host_says_what_was_done_before() {
    let (client, asked, _folder) = server(vec![
        (
            "200 OK",
            json!({"outcome": "done", "detail": "3 people were told."}).to_string(),
        ),
        (
            "200 OK",
            json!({"outcome": "not-supported", "detail": "nobody is there to see it"}).to_string(),
        ),
    ])
    .await;
    let act = HostsCommand::Message {
        names: Names {
            names: names(&["sh1", "sh2", "ssh1"]),
        },
        text: "Save!".into(),
    };
    let failure = order(&client, &act).await.unwrap_err().to_string();
    expect![[r#"
        error: Host sh2: message was not done
          sh1: 3 people were told.
          reason:    nobody is there to see it
          next step: see `portico hosts show sh2`
    "#]]
    .assert_eq(&failure);
    expect![[r#"
        POST /api/v1/hosts/sh1/message {"text":"Save!"}
        POST /api/v1/hosts/sh2/message {"text":"Save!"}"#]]
    .assert_eq(&asked.await.unwrap().join("\n"));
}

#[tokio::test]
async fn acts_without_words_of_the_server_are_told_in_ours() {
    for (act, path, body, told) in [
        (
            HostsCommand::Reject(answer(&["sh1"], &[])),
            "reject",
            "{}",
            "sh1: turned away.\n",
        ),
        (
            HostsCommand::Revoke {
                names: Names {
                    names: names(&["sh1"]),
                },
                reason: "stolen".into(),
            },
            "revoke",
            r#"{"reason":"stolen"}"#,
            "sh1: its agent is shut out.\n",
        ),
        (
            HostsCommand::Restart {
                names: Names {
                    names: names(&["sh1"]),
                },
                after: 60,
                text: String::new(),
            },
            "restart",
            r#"{"after_s":60,"text":""}"#,
            "sh1: restarts.\n",
        ),
        (
            HostsCommand::Probe {
                name: names(&["sh1"]).remove(0),
                to: names(&["ssh1"]).remove(0),
            },
            "probe",
            r#"{"host":"ssh1"}"#,
            "sh1: it answers.\n",
        ),
    ] {
        let (client, asked, _folder) = server(vec![("204 No Content", String::new())]).await;
        let done = order(&client, &act).await.unwrap();
        assert_eq!(outcomes(&done), told);
        let wanted = format!("POST /api/v1/hosts/sh1/{path} {body}");
        assert_eq!(asked.await.unwrap(), [wanted]);
    }
}

fn answer(hosts: &[&str], seen: &[&str]) -> DecideArgs {
    DecideArgs {
        names: Names {
            names: names(hosts),
        },
        fingerprints: seen.iter().map(|&seen| seen.to_owned()).collect(),
    }
}

/// Somebody who answers everything with the same word, or nobody.
struct Somebody {
    says: Option<&'static str>,
    asked: String,
}

impl crate::cli::sign_in::Ask for Somebody {
    fn ask(&mut self, question: &str) -> Result<String, Failure> {
        self.asked.push_str(question);
        self.says
            .map(str::to_owned)
            .ok_or_else(|| Failure::new("Nobody").reason("standard input is not a terminal"))
    }
}

/// What is told, what is asked of a person, and what the server was asked.
async fn decided(
    decision: Decision,
    args: &DecideArgs,
    says: Option<&'static str>,
    answers: &[(&'static str, String)],
) -> (String, String, Vec<String>) {
    let mut all = vec![("200 OK", waiting().to_string())];
    all.extend_from_slice(answers);
    let (client, asked, _folder) = server(all).await;
    let mut somebody = Somebody {
        says,
        asked: String::new(),
    };
    let told = match decide::decide(&client, decision, args, &mut somebody).await {
        Ok(done) => outcomes(&done),
        Err(failure) => failure.to_string(),
    };
    check_safe(&somebody.asked);
    (told, somebody.asked, asked.await.unwrap())
}

#[tokio::test]
async fn what_was_seen_goes_to_the_server_in_whole_however_little_of_it_was_typed() {
    let done = [("204 No Content", String::new())];
    for (decision, host, digit, told) in [
        (
            Decision::Approve,
            "sh1",
            "1",
            "sh1: approved; its agent comes within seconds.\n",
        ),
        (Decision::Reject, "sh1", "1", "sh1: turned away.\n"),
        (
            Decision::Trust,
            "sh2",
            "2",
            "sh2: its identities are accepted.\n",
        ),
    ] {
        for len in [16, 17, 64] {
            let args = answer(&[host], &[&digit.repeat(len)]);
            let (says, question, asked) = decided(decision, &args, None, &done).await;
            assert_eq!((says.as_str(), question.as_str()), (told, ""));
            let act = told.contains("approved").then_some("approve");
            let act = act.or(told.contains("turned").then_some("reject"));
            let wanted = format!(
                r#"POST /api/v1/hosts/{host}/{} {{"fingerprint":"{}"}}"#,
                act.unwrap_or("trust"),
                digit.repeat(64)
            );
            assert_eq!(asked, ["GET /api/v1/agents/waiting ".to_owned(), wanted]);
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_when_something_else_waits_than_was_seen() {
    let args = answer(&["sh2"], &["3333333333333333"]);
    let (told, _, asked) = decided(Decision::Trust, &args, Some("yes"), &[]).await;
    expect![[r#"
        error: Host sh2: something else waits than what you name
          reason:    2222222222222222222222222222222222222222222222222222222222222222 waits, and you name 3333333333333333
          next step: look at what waits with `portico hosts waiting`, compare it with the host itself, and trust that
    "#]]
    .assert_eq(&told);
    assert_eq!(asked.len(), 1, "{asked:?}");
    let one_too_many = answer(&["sh2"], &["2222222222222222", "3333333333333333"]);
    let (told, ..) = decided(Decision::Trust, &one_too_many, None, &[]).await;
    assert!(told.contains("3333333333333333 waits at none"), "{told}");
    // What a machine shows does not answer for identities, nor the other way round.
    let (told, ..) = decided(Decision::Trust, &answer(&["sh1"], &[]), Some("yes"), &[]).await;
    assert!(told.contains("Host sh1: nothing waits"), "{told}");
}

#[tokio::test]
async fn a_person_at_the_terminal_is_shown_what_waits_and_asked() {
    let done = [("204 No Content", String::new())];
    let args = answer(&["sh2"], &[]);
    let (told, question, asked) = decided(Decision::Trust, &args, Some("yes"), &done).await;
    assert_eq!(told, "sh2: its identities are accepted.\n");
    assert!(question.contains("offered     sha256:bb"), "{question}");
    assert!(question.contains(&"2".repeat(64)), "{question}");
    assert!(question.ends_with("Accept it? (yes/no) "), "{question}");
    assert!(asked[1].contains(&"2".repeat(64)), "{asked:?}");
    for says in ["", "y", "no"] {
        let (told, _, asked) = decided(Decision::Trust, &args, Some(says), &[]).await;
        assert!(told.contains("nothing was done"), "{told}");
        assert_eq!(asked.len(), 1, "{asked:?}");
    }
}

#[tokio::test]
async fn without_a_terminal_the_command_that_says_what_was_seen_is_named() {
    let (told, _, asked) = decided(Decision::Approve, &answer(&["sh1"], &[]), None, &[]).await;
    expect![[r#"
        error: Host sh1: it was not said what you looked at
          reason:    standard input is not a terminal
          next step: compare what `portico hosts waiting` shows with the host itself, then `portico hosts approve sh1 --fingerprint 1111111111111111111111111111111111111111111111111111111111111111`
    "#]]
    .assert_eq(&told);
    assert_eq!(asked.len(), 1, "{asked:?}");
}

#[tokio::test]
async fn a_change_between_the_look_and_the_answer_is_told_in_the_servers_words() {
    let fault = json!({"error": {"code": "waiting-changed",
        "message": "At host sh2 now waits 33, and not 22, which the answer is about",
        "next_step": "Look at what waits now"}});
    let conflict = [("409 Conflict", fault.to_string())];
    let args = answer(&["sh2"], &["2222222222222222"]);
    let (told, ..) = decided(Decision::Trust, &args, None, &conflict).await;
    expect![[r#"
        error: Host sh2: At host sh2 now waits 33, and not 22, which the answer is about
          next step: Look at what waits now
    "#]]
    .assert_eq(&told);
}
