//! `portico explain session`: where a session stands, and who says so.

use clap::Args;
use portico_model::SessionId;
use serde_json::Value;

use super::{
    super::{Globals, failure::Failure, humane, listed::utc, teach},
    Node, cause_node, draw,
};

/// End of its help.
pub(super) const HELP: &str = teach![
    "portico explain session 0f3c…                # where it stands, how it came there, and who says so",
    "portico sessions list --user anna -o json | jq -r '.[0].id' | xargs portico explain session",
];

/// Which session.
#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    /// Id of the session, as `portico sessions list` shows it.
    #[arg(value_name = "ID", value_parser = session_id)]
    pub(crate) id: SessionId,
}

fn session_id(text: &str) -> Result<SessionId, String> {
    SessionId::new(text).map_err(|error| error.to_string())
}

/// Explains.
pub(super) async fn explain(globals: &Globals, args: &SessionArgs) -> Result<String, Failure> {
    let client = globals.client()?;
    let path = format!("/explain/session/{}", args.id);
    let answer = client.get(&path).await?;
    globals
        .output
        .show(&answer, |answer| Ok(tree(&args.id, answer)))
}

/// The session as a tree: what the directory says, what the agent sees, what happened.
pub(crate) fn tree(id: &SessionId, answer: &Value) -> String {
    let part = |name| answer.get(name).unwrap_or(&Value::Null);
    let history = part("history").as_array();
    let nodes = [
        directory(part("session")),
        agent(part("on_host")),
        flows(part("broken_flows"), part("causes")),
        Node {
            text: "History".into(),
            children: history
                .into_iter()
                .flatten()
                .map(|record| Node::leaf(happened(record)))
                .collect(),
        },
    ];
    let mut out = format!("Session {id}\n");
    draw(&mut out, &nodes, "");
    out
}

fn directory(session: &Value) -> Node {
    let Value::Object(_) = session else {
        return Node::leaf("Directory: has it no more; it is over");
    };
    let state = state(session);
    Node {
        text: format!("Directory: on {}, {state}", text(session, "host")),
        children: leaves(
            session,
            &[
                ("user", "user"),
                ("account on the host", "account"),
                ("resource", "resource"),
                ("pool", "pool"),
                ("protocol", "protocol"),
                ("launched", "created_at_ms"),
                ("in this state since", "since_ms"),
                ("client", "client_address"),
                ("its host is silent since", "unknown_since_ms"),
            ],
        ),
    }
}

fn agent(on_host: &Value) -> Node {
    let Value::Object(_) = on_host else {
        return Node::leaf("Agent of the host: sees no such session, or there is none");
    };
    Node {
        text: format!(
            "Agent of the host: {} as {}",
            text(on_host, "state"),
            text(on_host, "key")
        ),
        children: leaves(
            on_host,
            &[
                ("account", "account"),
                ("kind", "kind"),
                ("display", "display"),
                ("exists for", "age_s"),
                ("nobody typed for", "idle_s"),
            ],
        ),
    }
}

/// The flows to the host that do not work, each with what to do, and why they do not.
fn flows(broken: &Value, causes: &Value) -> Node {
    let broken = broken.as_array().map(Vec::as_slice).unwrap_or_default();
    if broken.is_empty() {
        return Node::leaf("Flows to the host: none is known not to work");
    }
    let told = broken.iter().map(|row| Node {
        text: format!(
            "{} from {}: {} ({})",
            text(row, "verdict"),
            text(row, "from"),
            text(row, "evidence"),
            text(row, "flow")
        ),
        children: leaves(row, &[("next step", "next_step"), ("since", "since_ms")]),
    });
    Node {
        text: "Flows to the host that do not work".into(),
        children: told
            .chain(causes.as_array().into_iter().flatten().map(cause_node))
            .collect(),
    }
}

/// Fields that are there, under names for people.
fn leaves(object: &Value, fields: &[(&str, &str)]) -> Vec<Node> {
    fields
        .iter()
        .filter_map(|(label, field)| {
            let value = match object.get(field)? {
                Value::String(text) if !text.is_empty() => text.clone(),
                Value::Number(number) if field.ends_with("_ms") => utc(number.as_i64()?),
                Value::Number(number) => humane::duration(number.as_u64()?),
                _ => return None,
            };
            Some(Node::leaf(format!("{label}: {value}")))
        })
        .collect()
}

/// A record of the journal on one line.
fn happened(record: &Value) -> String {
    let at = record.get("at").and_then(Value::as_i64).map(utc);
    let what = match text(record, "kind") {
        "created" => {
            let from = text(record, "client_address");
            let from = if from.is_empty() {
                ""
            } else {
                &format!(" from {from}")
            };
            format!("launched{from}, placed on {}", text(record, "host"))
        }
        "state-changed" => state(record.get("to").unwrap_or(&Value::Null)),
        "connection" => connection(record),
        // Of a later version.
        other => other.to_owned(),
    };
    format!("{}  {what}", at.unwrap_or_default())
}

/// A state, why, and with which connection.
fn state(state: &Value) -> String {
    let mut out = text(state, "state").to_owned();
    match text(state, "reason") {
        "" => {}
        reason => out.push_str(&format!(" ({reason})")),
    }
    match text(state, "connection") {
        "" => {}
        connection => out.push_str(&format!(", on connection {connection}")),
    }
    if let Some(until) = state.get("until").and_then(Value::as_i64) {
        out.push_str(&format!(" until {}", utc(until)));
    }
    out
}

fn connection(record: &Value) -> String {
    let mut out = format!(
        "connection {} {}",
        text(record, "connection"),
        text(record, "event")
    );
    for field in ["reason", "detail"] {
        match text(record, field) {
            "" => {}
            value => out.push_str(&format!(": {value}")),
        }
    }
    let bytes = |field| record.get(field).and_then(Value::as_u64);
    if let (Some(down), Some(up)) = (bytes("bytes_down"), bytes("bytes_up")) {
        let (down, up) = (humane::bytes(down), humane::bytes(up));
        out.push_str(&format!(", {down} to the client, {up} to the host"));
    }
    out
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use portico_model::{ConnectionId, ResourceId, Timestamp};
    use portico_model::{
        HostId, UserId,
        session::{ConnectionEventKind, EndReason, SessionState},
        text::is_unsafe_to_show,
    };
    use portico_store::{SessionEvent, SessionEventKind};
    use serde_json::json;

    use super::*;

    const AT_MS: i64 = 1_763_696_000_000;

    fn history() -> Value {
        let connection = ConnectionId::from_random(9);
        let kinds = [
            SessionEventKind::Created {
                client_address: Some([10, 0, 0, 1].into()),
            },
            SessionEventKind::StateChanged {
                to: SessionState::Pending {
                    until: Timestamp::from_unix_ms(AT_MS + 60_000),
                },
            },
            SessionEventKind::Connection {
                connection: connection.clone(),
                event: ConnectionEventKind::Opened,
            },
            SessionEventKind::StateChanged {
                to: SessionState::Active {
                    connection: connection.clone(),
                    client_address: None,
                },
            },
            SessionEventKind::Connection {
                connection: connection.clone(),
                event: ConnectionEventKind::Failed {
                    detail: "\u{1b}[2J\u{202e}".into(),
                },
            },
            SessionEventKind::Connection {
                connection,
                event: ConnectionEventKind::Closed {
                    reason: EndReason::ClientLost,
                    bytes_down: 3_400_000,
                    bytes_up: 512,
                    exit_status: None,
                },
            },
            SessionEventKind::StateChanged {
                to: SessionState::Disconnected {
                    reason: EndReason::ClientLost,
                },
            },
        ];
        let records = kinds.into_iter().enumerate().map(|(n, kind)| SessionEvent {
            at: Timestamp::from_unix_ms(AT_MS + 1_000 * i64::try_from(n).unwrap()),
            session: SessionId::from_random(7),
            user: UserId::new("anna").unwrap(),
            resource: ResourceId::new("desktop").unwrap(),
            host: HostId::new("sh1").unwrap(),
            kind,
        });
        serde_json::to_value(records.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn every_witness_is_shown_and_hostile_names_are_escaped() {
        let answer = json!({
            "session": { "user": "anna", "host": "sh1", "state": "disconnected",
                "reason": "client-lost", "since_ms": AT_MS + 7_000, "created_at_ms": AT_MS,
                "account": "\u{1b}[2J\u{202e}", "resource": "desktop", "pool": "desktops",
                "protocol": "rdp", "client_address": null, "unknown_since_ms": AT_MS + 9_000 },
            "on_host": { "key": "xrdp:10\u{7}", "account": "anna", "kind": "rdp", "display": ":10",
                "state": "disconnected", "age_s": 5_400, "idle_s": 12 },
            "broken_flows": [{ "flow": "portico.gateway-host-rdp", "from": "gate",
                "verdict": "refused", "evidence": "nothing listens\u{1b}[2J",
                "next_step": "start the service", "since_ms": AT_MS }],
            "causes": [{ "kind": "nothing-listens", "title": "nothing listens there",
                "certainty": "likely", "why": "sh1 answers so\u{1b}[2J", "from": "gate",
                "next_step": "start the service", "flow": "portico.gateway-host-rdp", "to": "sh1" }],
            "history": history(),
        });
        let shown = tree(&SessionId::from_random(7), &answer);
        assert!(!shown.chars().any(|c| c != '\n' && is_unsafe_to_show(c)));
        expect_test::expect![[r#"
            Session 00000000000000000000000000000007
            ├─ Directory: on sh1, disconnected (client-lost)
            │  ├─ user: anna
            │  ├─ account on the host: \u{1b}[2J\u{202e}
            │  ├─ resource: desktop
            │  ├─ pool: desktops
            │  ├─ protocol: rdp
            │  ├─ launched: 2025-11-21 03:33:20Z
            │  ├─ in this state since: 2025-11-21 03:33:27Z
            │  └─ its host is silent since: 2025-11-21 03:33:29Z
            ├─ Agent of the host: disconnected as xrdp:10\u{7}
            │  ├─ account: anna
            │  ├─ kind: rdp
            │  ├─ display: :10
            │  ├─ exists for: 1h 30m
            │  └─ nobody typed for: 12s
            ├─ Flows to the host that do not work
            │  ├─ refused from gate: nothing listens\u{1b}[2J (portico.gateway-host-rdp)
            │  │  ├─ next step: start the service
            │  │  └─ since: 2025-11-21 03:33:20Z
            │  └─ likely cause, seen from gate: nothing listens there
            │     ├─ because: sh1 answers so\u{1b}[2J
            │     ├─ next step: start the service
            │     └─ flow: portico.gateway-host-rdp
            └─ History
               ├─ 2025-11-21 03:33:20Z  launched from 10.0.0.1, placed on sh1
               ├─ 2025-11-21 03:33:21Z  pending until 2025-11-21 03:34:20Z
               ├─ 2025-11-21 03:33:22Z  connection 00000000000000000000000000000009 opened
               ├─ 2025-11-21 03:33:23Z  active, on connection 00000000000000000000000000000009
               ├─ 2025-11-21 03:33:24Z  connection 00000000000000000000000000000009 failed: \u{1b}[2J\u{202e}
               ├─ 2025-11-21 03:33:25Z  connection 00000000000000000000000000000009 closed: client-lost, 3.2 MiB to the client, 512 B to the host
               └─ 2025-11-21 03:33:26Z  disconnected (client-lost)
        "#]].assert_eq(&shown);
    }

    #[test]
    fn a_session_that_is_long_over_has_only_its_history() {
        let answer = json!({ "session": null, "on_host": null, "history": [
            { "at": AT_MS, "kind": "danced" } ] });
        let shown = tree(&SessionId::from_random(7), &answer);
        expect_test::expect![[r#"
            Session 00000000000000000000000000000007
            ├─ Directory: has it no more; it is over
            ├─ Agent of the host: sees no such session, or there is none
            ├─ Flows to the host: none is known not to work
            └─ History
               └─ 2025-11-21 03:33:20Z  danced
        "#]]
        .assert_eq(&shown);
        tree(&SessionId::from_random(7), &json!([7]));
    }
}
