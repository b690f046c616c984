//! Parsing of the command line, its help, and what people see of answers, hostile names included.

use std::fmt::Write as _;

use clap::{CommandFactory, Parser};
use expect_test::{expect, expect_file};
use portico_estate::{Passwords, parse, samples, to_toml};
use portico_model::{
    EntitlementId, HostId, PoolId, ResourceId, SessionId, UserId,
    launch::{
        Choice, Condition, Explanation, ExplanationOutcome, FailedCondition, HostVerdict,
        NotChosen, Placement, Refusal,
    },
    text::is_unsafe_to_show,
};
use portico_store::Verdict;
use serde_json::{Value, json};

use super::{
    Command, Globals, apply, audit,
    client::CallError,
    explain,
    failure::{ApiFault, Failure},
    get::{self, GetKind},
    output::{self, Format},
    server::Server,
    sessions, sign_in,
};

/// The command line as `portico` has it, without its server side.
#[derive(Debug, Parser)]
#[command(name = "portico")]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// The commands without the options that all of them have.
#[derive(Debug, Parser)]
#[command(name = "portico")]
struct Commands {
    #[command(subcommand)]
    _command: Command,
}

fn line(words: &str) -> Result<Line, clap::Error> {
    Line::try_parse_from(std::iter::once("portico").chain(words.split_whitespace()))
}

fn check_safe(text: &str) {
    let found = text.chars().find(|c| *c != '\n' && is_unsafe_to_show(*c));
    assert_eq!(found, None, "{text}");
}

#[test]
fn the_definition_of_the_command_line_is_consistent() {
    Line::command().debug_assert();
}

#[test]
fn the_help_of_each_command_teaches_by_examples_and_names_the_exit_codes() {
    let mut all = String::new();
    let mut open = vec![(String::new(), Commands::command().term_width(100))];
    let mut commands = 0;
    while let Some((path, mut command)) = open.pop() {
        let help = command.render_long_help().to_string();
        if command.has_subcommands() {
            let below = command
                .get_subcommands()
                .filter(|below| below.get_name() != "help")
                .map(|below| (format!("{path} {}", below.get_name()), below.clone()));
            open.extend(below.map(|(path, below)| (path, below.term_width(100))));
        } else {
            assert!(help.contains("Examples:\n  portico"), "{path}: {help}");
            assert!(help.contains("Exit codes:\n  0  done"), "{path}: {help}");
            commands += 1;
        }
        writeln!(all, "== portico{path}\n{help}").unwrap();
    }
    assert!(commands > 30, "{commands} commands were found");
    expect_file!["golden/help.txt"].assert_eq(&all);
}

#[test]
fn wrong_usage_is_refused_with_the_code_two() {
    for words in [
        "",
        "got hosts",
        "get",
        "get nodes",
        "get hosts -o xml",
        "apply",
        "apply estate.toml",
        "explain launch --user Anna --resource desktop",
        "explain launch --user anna --resource desktop --client-address here",
        "sessions end",
        "sessions end ../..",
        "hosts trust SH1",
        "hosts trust sh1 --fingerprint 12",
        "hosts approve sh1 --fingerprint",
        "hosts drain",
        "hosts revoke sh1",
        "hosts message sh1",
        "hosts restart sh1 --after 5",
        "hosts probe sh1",
        "tokens create",
        "tokens create --host sh1 --life 1w",
        "tokens revoke ../x",
        "sessions message 0f",
        "explain session ../x",
        "audit list --limit 0",
        "get hosts --server http://localhost",
        "login --fingerprint 12",
    ] {
        let error = line(words).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words}");
    }
    assert_eq!(line("get --help").unwrap_err().exit_code(), 0);
}

#[test]
fn options_for_all_commands_stand_anywhere() {
    for words in [
        "--server https://a -o json --no-color get hosts",
        "get --server https://a hosts -o json --no-color",
        "get host -o json --server https://a --no-color",
    ] {
        let line = line(words).unwrap();
        assert_eq!(line.globals.output, Format::Json);
        assert_eq!(line.globals.server, Some("https://a".parse().unwrap()));
        assert!(matches!(line.command, Command::Get(args) if args.kind == GetKind::Hosts));
    }
}

#[test]
fn the_server_is_the_named_one_or_that_of_the_state_or_that_of_the_last_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portico.toml");
    std::fs::write(&file, "state_dir = \"/srv/portico\"\n").unwrap();
    let file = file.display();
    for (words, current, server) in [
        (
            "logout --server https://a --state /s",
            Some("https://b"),
            "https://a",
        ),
        (
            "logout --state /s",
            Some("https://b"),
            "unix:/s/portico.sock",
        ),
        ("logout", Some("https://b"), "https://b"),
        (
            &format!("logout --settings {file}"),
            Some("https://b"),
            "unix:/srv/portico/portico.sock",
        ),
    ] {
        let found = line(words).unwrap().globals.server_or(current).unwrap();
        assert_eq!(found, server.parse::<Server>().unwrap(), "{words}");
    }
}

fn hostile_lists() -> Vec<(GetKind, Value)> {
    let name = "\u{1b}]0;owned\u{7}\u{202e}=cmd|' /C calc'!A0 <script>${HOME}\r\n\"x\"";
    vec![
        (
            GetKind::Pools,
            json!([{"id": "p", "title": name, "placement": "fewest-sessions",
                "account": "EXAMPLE\\{user}", "session_policy": null, "hosts": ["a", "b"], "sessions": 3}]),
        ),
        (
            GetKind::Hosts,
            json!([
                {"id": "sh1", "title": name, "pool": "p", "address": "10.0.0.1", "port": 3389,
                 "protocol": "rdp", "mode": "enabled", "agent": "none", "state": "up",
                 "detail": "", "since_ms": 1_763_696_000_000_i64, "sessions": 3, "sessions_max": 20,
                 "roles": ["portico.session-host"], "pins": []},
                {"id": "a-longer-name", "title": "b", "pool": "p", "address": "2001:db8::1",
                 "port": 22, "protocol": "ssh", "mode": "drain", "agent": "none", "state": "down",
                 "detail": name, "since_ms": null, "sessions": 0, "sessions_max": 100,
                 "roles": [], "pins": []},
            ]),
        ),
        (
            GetKind::Resources,
            json!([{"id": "r", "title": "日本 👩\u{200d}💻", "kind": "link", "folder": name, "pool": null,
                "entitlements": []}]),
        ),
        (
            GetKind::Sessions,
            json!([{"id": "0123456789abcdef0123456789abcdef", "user": "anna", "resource": "r",
                "title": name, "kind": "desktop", "host": "sh1", "protocol": "rdp",
                "state": "disconnected", "since_ms": 1_763_696_000_000_i64,
                "created_at_ms": 1_763_695_000_000_i64, "reason": "client-lost"}]),
        ),
        (
            GetKind::Users,
            json!([{"id": "anna", "display_name": name, "role": "help-desk",
                "groups": ["staff", "all"], "has_password": true}]),
        ),
        (GetKind::Groups, json!([])),
        (
            GetKind::Entitlements,
            json!([{"id": "e", "users": [], "groups": ["staff"], "resources": ["r", "s"],
                "client_networks": ["10.0.0.0/8"], "times": [], "strength": "password"}]),
        ),
        (
            GetKind::Policies,
            json!([{"id": "d", "clipboard": "both", "drive": "read-write", "printer": "off",
                "idle_timeout_s": 3600, "total_timeout_s": 0, "microphone": "on"}]),
        ),
        (
            GetKind::PortChecks,
            json!([{"flow": "portico.gateway-host-rdp", "application_protocol": "RDP",
                "purpose": "Desktops", "from": "gate", "to": "sh1", "address": "10.0.0.1",
                "transport": "tcp", "port": 3389, "port_last": null, "required": true,
                "verdict": "refused", "evidence": name, "next_step": name, "took_ms": 3,
                "checked_at_ms": 1_763_696_000_000_i64, "since_ms": 1_763_695_000_000_i64}]),
        ),
    ]
}

#[test]
fn tables_of_all_kinds_are_aligned_and_safe_for_a_terminal() {
    let mut all = String::new();
    for (kind, items) in hostile_lists() {
        let table = get::list(kind, &items);
        check_safe(&table);
        writeln!(all, "== {kind:?}\n{table}").unwrap();
        let machine = Format::Json.show(&items, |_| unreachable!()).unwrap();
        check_safe(&machine);
        assert_eq!(serde_json::from_str::<Value>(&machine).unwrap(), items);
        check_safe(&Format::Yaml.show(&items, |_| unreachable!()).unwrap());
    }
    expect_file!["golden/tables.txt"].assert_eq(&all);
}

#[test]
fn the_hostile_estate_is_shown_as_a_file_that_reads_back() {
    let mut estate = parse("hostile.toml", samples::HOSTILE).unwrap().estate;
    for user in estate.users.values_mut() {
        user.password_hash = None;
    }
    let answer = serde_json::to_value(&estate).unwrap();
    let file = get::estate_file(&answer).unwrap();
    check_safe(&file);
    assert_eq!(file, to_toml(&estate, Passwords::LeftOut));
    assert_eq!(parse("shown.toml", &file).unwrap().estate, estate);
    for (kind, field) in [
        (GetKind::Groups, "groups"),
        (GetKind::Entitlements, "entitlements"),
        (GetKind::Policies, "session_policies"),
    ] {
        let items = get::of_estate(&answer, field);
        assert!(!items.is_empty());
        check_safe(&get::list(kind, &Value::Array(items)));
    }
}

#[test]
fn an_id_that_is_not_there_is_answered_with_the_one_that_was_meant() {
    let (kind, Value::Array(items)) = hostile_lists().swap_remove(1) else {
        panic!()
    };
    assert_eq!(get::find(kind, items.clone(), "sh1").unwrap()["port"], 3389);
    expect![[r#"
        error: There is no host "sh2"
          next step: did you mean "sh1"?
    "#]]
    .assert_eq(&get::find(kind, items, "sh2").unwrap_err().to_string());
}

#[test]
fn plans_say_when_nothing_was_changed() {
    let empty = json!({ "changes": [] });
    assert_eq!(apply::shown(&empty, true).unwrap(), "Nothing to change.\n");
    let one = json!({ "changes": [{ "kind": "host", "id": "sh1", "action": "added" }] });
    expect![[r"
        + host sh1
        1 added, 0 changed, 0 removed.
        This was a dry run: nothing was changed.
    "]]
    .assert_eq(&apply::shown(&one, true).unwrap());
    assert!(apply::shown(&json!({ "plan": 1 }), true).is_err());
}

fn fault(value: Value) -> ApiFault {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_refused_estate_lists_all_its_errors() {
    let text = "version = 1\n[[hosts]]\nid = \"sh1\"\nport = \"\\u001b\"\nadress = \"a\"\n";
    let errors = parse("esta\u{1b}te.toml", text).unwrap_err();
    let refused = fault(
        json!({ "code": "estate-invalid", "message": "The estate file has 5 errors",
        "next_step": "Mend the lines named and apply it again; nothing was changed",
        "details": { "errors": errors } }),
    );
    let shown = apply::refused(CallError::Refused(Box::new(refused))).to_string();
    check_safe(&shown);
    expect![[r#"
        error: The estate file has 5 errors
          esta\u{1b}te.toml:2:1: hosts[0].pool of host "sh1": is missing; add pool = "…", the id of its pool; or, for a host that is here for its ports only, roles = ["…"]
          esta\u{1b}te.toml:2:1: hosts[0].address of host "sh1": is missing; add address = "…", an IP address or a host name
          esta\u{1b}te.toml:2:1: hosts[0].protocol of host "sh1": is missing; add protocol = "rdp" or "ssh"
          esta\u{1b}te.toml:4:8: hosts[0].port of host "sh1": is a text; give a whole number from 1 to 65535, without quotes
          esta\u{1b}te.toml:5:1: hosts[0].adress of host "sh1": "adress" is not a key that is known here; did you mean "address"?
          next step: Mend the lines named and apply it again; nothing was changed
    "#]].assert_eq(&shown);
}

#[test]
fn failures_say_what_why_and_what_to_do_and_are_safe_for_a_terminal() {
    let failure = Failure::from(fault(
        json!({ "code": "locked", "message": "Too many\u{1b}[2J tries.",
        "reason": "line 1\nline 2\u{202e}", "next_step": "Wait", "retry_after_s": 30 }),
    ));
    check_safe(&failure.to_string());
    expect![[r"
        error: Too many\u{1b}[2J tries
          reason:    line 1
                     line 2\u{202e}
          next step: Wait (try again in 30 s)
    "]]
    .assert_eq(&failure.to_string());
    let failure = Failure::from(fault(
        json!({ "code": "not-signed-in", "message": "You are not signed in" }),
    ));
    assert!(failure.next_step.unwrap().contains("portico login"));
}

#[test]
fn ended_sessions_are_told_one_by_one() {
    let done =
        json!([{ "id": "0f", "message": "The session is ended\u{1b}.", "host_keeps_it": false }]);
    assert_eq!(
        sessions::messages(&done),
        "0f: The session is ended\\u{1b}.\n"
    );
}

#[test]
fn a_message_that_was_not_shown_is_a_failure() {
    let id = SessionId::from_random(7);
    let shown = |outcome: Value| sessions::shown(&id, &outcome);
    let done = shown(json!({ "outcome": "done", "detail": "" })).unwrap();
    assert_eq!(done, json!({ "id": id, "message": "Shown" }));
    assert!(shown(json!(null)).is_ok());
    let failure = shown(json!({ "outcome": "not-found", "detail": "it is gone\u{1b}" }))
        .unwrap_err()
        .to_string();
    check_safe(&failure);
    assert!(failure.contains("it is gone"), "{failure}");
}

fn host(id: &str) -> HostId {
    HostId::new(id).unwrap()
}

fn verdicts() -> Vec<HostVerdict> {
    let (sessions, sessions_max) = (7, 20);
    [
        NotChosen::Disabled { set: None },
        NotChosen::Draining {
            set: Some(portico_model::seen::ModeSet {
                mode: portico_model::estate::HostMode::Drain,
                by: "olga\u{1b}[2J".into(),
                at: portico_model::Timestamp::from_unix_ms(0),
                reason: "disks\u{202e}".into(),
                until_restart_of: None,
            }),
        },
        NotChosen::Silent {
            since: portico_model::Timestamp::from_unix_ms(0),
        },
        NotChosen::HigherLoad {
            index: 9_000,
            chosen: 10,
        },
        NotChosen::Unreachable {
            detail: "connection refused\u{1b}[2J".into(),
        },
        NotChosen::NotProbed,
        NotChosen::NotTrusted,
        NotChosen::OtherProtocol,
        NotChosen::Full {
            sessions,
            sessions_max,
        },
        NotChosen::MoreSessions {
            sessions,
            sessions_max,
        },
        NotChosen::AsFewSessions {
            sessions,
            sessions_max,
        },
        NotChosen::SessionElsewhere,
        NotChosen::AccountInUse {
            account: "EX\\anna\u{202e}".into(),
        },
    ]
    .into_iter()
    .enumerate()
    .map(|(n, reason)| HostVerdict {
        host: host(&format!("sh{n}")),
        reason,
    })
    .collect()
}

#[test]
fn explanations_are_trees_with_what_would_change_them() {
    let resource = ResourceId::new("desktop").unwrap();
    let pool = PoolId::new("desktops").unwrap();
    let everyone = EntitlementId::new("everyone").unwrap();
    let failed = |condition| FailedCondition {
        entitlement: everyone.clone(),
        condition,
    };
    let placed = |choice, others| {
        ExplanationOutcome::Placed(Placement {
            host: host("best"),
            choice,
            others,
        })
    };
    let fewest = Choice::FewestSessions {
        sessions: 3,
        sessions_max: 20,
    };
    let resumed = Choice::Resumed {
        session: SessionId::from_random(7),
    };
    let no_host = |hosts| {
        ExplanationOutcome::Refused(Refusal::NoHost {
            pool: pool.clone(),
            hosts,
        })
    };
    let outcomes = [
        placed(fewest, verdicts()),
        placed(resumed, vec![]),
        no_host(verdicts()),
        no_host(vec![]),
        ExplanationOutcome::Refused(Refusal::NotFound {
            resource: resource.clone(),
        }),
        ExplanationOutcome::Refused(Refusal::NotNow {
            resource: resource.clone(),
            conditions: [
                Condition::ClientNetwork,
                Condition::Time,
                Condition::Strength,
            ]
            .map(failed)
            .into(),
        }),
        ExplanationOutcome::Refused(Refusal::IsLink {
            resource: resource.clone(),
        }),
        ExplanationOutcome::Refused(Refusal::StoreAway {
            detail: "disk full".into(),
        }),
        ExplanationOutcome::Refused(Refusal::Busy),
    ];
    let causes = [json!({
        "kind": "firewall-drops", "title": "a firewall drops it", "certainty": "likely",
        "why": "3389/tcp of sh4 says nothing at all\u{1b}[2J", "next_step": "let it through",
        "flow": "portico.gateway-host-rdp", "from": "gate", "to": "sh4",
    })];
    let mut all = String::new();
    for outcome in outcomes {
        let explanation = Explanation {
            user: UserId::new("anna").unwrap(),
            resource: resource.clone(),
            allowed_by: match &outcome {
                ExplanationOutcome::Refused(Refusal::NotFound { .. } | Refusal::NotNow { .. }) => {
                    vec![]
                }
                _ => vec![everyone.clone()],
            },
            outcome,
        };
        let tree = explain::tree(&explanation, Some("desktops"), &causes);
        check_safe(&tree);
        all.push_str(&tree);
        all.push('\n');
    }
    expect_file!["golden/explanations.txt"].assert_eq(&all);
}

#[test]
fn audit_records_are_a_table_that_says_how_to_go_on() {
    let page = json!({ "records": [
        { "seq": 12, "at": 1_763_696_000_000_i64, "actor": "anna\u{1b}", "action": "estate.apply",
          "object": "estate", "outcome": "ok", "client_address": "10.0.0.1", "detail": {}, "hash": "00" },
        { "seq": 11, "at": 1_763_695_000_000_i64, "actor": "portico", "action": "sign-in.refused",
          "object": "\u{202e}", "outcome": "refused", "client_address": null, "detail": {}, "hash": "00" },
    ], "next": 11 });
    let shown = audit::listed_page(&page);
    check_safe(&shown);
    expect![[r#"
        SEQ  AT                    ACTOR       ACTION           OBJECT    OUTCOME  CLIENT
         12  2025-11-21 03:33:20Z  anna\u{1b}  estate.apply     estate    ok       10.0.0.1
         11  2025-11-21 03:16:40Z  portico     sign-in.refused  \u{202e}  refused  -
        Older ones: portico audit list --before 11
    "#]]
    .assert_eq(&shown);
    assert_eq!(
        audit::listed_page(&json!({ "records": [], "next": null })),
        "There is no record.\n"
    );
}

#[test]
fn a_changed_audit_log_is_a_failure() {
    let verdict = |anchored_seq, faults| Verdict {
        last_seq: 40,
        signed_seq: 38,
        anchored_seq,
        faults,
    };
    expect![[r"
        The audit log is intact: 40 records, signed up to record 38.
        Only an anchor kept elsewhere (--anchor) can show that it was not rewritten as a whole.
    "]]
    .assert_eq(&audit::judged(&verdict(None, vec![])).unwrap());
    assert_eq!(
        audit::judged(&verdict(Some(30), vec![])).unwrap(),
        "The audit log is intact: 40 records, proven by the anchor up to record 30.\n"
    );
    let fault = portico_store::Fault {
        seq: 17,
        kind: portico_store::FaultKind::Edited,
    };
    let failure = audit::judged(&verdict(None, vec![fault]))
        .unwrap_err()
        .to_string();
    assert!(failure.contains("  record 17 was edited"), "{failure}");
}

/// Answers every question with the same words, and keeps what was asked.
struct Person(Option<&'static str>, String);

impl sign_in::Ask for Person {
    fn ask(&mut self, question: &str) -> Result<String, Failure> {
        self.1.push_str(question);
        self.0
            .map(str::to_owned)
            .ok_or_else(|| Failure::new("nobody is there"))
    }
}

#[test]
fn a_certificate_is_only_accepted_when_it_is_given_known_or_confirmed() {
    let (seen, other) = ([1; 32], [2; 32]);
    for (known, given, answer, accepted) in [
        (None, Some(seen), None, true),
        (None, Some(other), Some("yes"), false),
        (Some(seen), Some(other), Some("yes"), false),
        (Some(seen), None, None, true),
        (Some(other), None, None, false),
        (Some(other), None, Some("no"), false),
        (Some(other), None, Some("Yes\n"), true),
        (None, None, Some("y"), false),
        (None, None, Some(""), false),
        (None, None, Some("yes"), true),
        (None, None, None, false),
    ] {
        let mut person = Person(answer, String::new());
        let result = sign_in::accept("https://a", seen, known, given, &mut person);
        assert_eq!(result.is_ok(), accepted, "{known:?} {given:?} {answer:?}");
        assert_eq!(
            person.1.contains("CHANGED"),
            known == Some(other),
            "{}",
            person.1
        );
        assert_eq!(person.1.contains("01:01:"), !person.1.is_empty());
    }
}

#[test]
fn json_is_the_answer_of_the_api_unchanged() {
    let answer = json!({ "changes": [], "later": { "x": [1, null] } });
    let shown = Format::Json.show(&answer, |_| unreachable!()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), answer);
    assert!(output::json(&answer).ends_with("}\n"));
}
