//! `portico sessions`: what runs, and ending it.

use std::fmt::Write;

use clap::{Args, Subcommand};
use portico_model::{SessionId, printable};
use serde_json::{Value, json};

use super::{
    Globals,
    failure::Failure,
    get::{GetKind, list},
    teach,
};

const LIST_HELP: &str = teach![
    "portico sessions list",
    "portico sessions list --user anna -o json",
];
const DISCONNECT_HELP: &str = teach![
    "portico sessions disconnect 0f3c…        # the programs go on; the user can come back",
];
const MESSAGE_HELP: &str = teach![
    "portico sessions message 0f3c… --text 'Please save your work'",
    "portico hosts message sh1 --text '…'      # to everybody on a host",
];
const END_HELP: &str = teach![
    "portico sessions end 0f3c…               # the session is over",
    "portico sessions list --user anna -o json | jq -r '.[].id' | xargs portico sessions end",
];

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List the sessions that are not over.
    #[command(after_help = LIST_HELP)]
    List {
        /// Only those of this user.
        #[arg(long)]
        user: Option<String>,
        /// Only those on this host.
        #[arg(long)]
        host: Option<String>,
        /// Only those of this pool.
        #[arg(long)]
        pool: Option<String>,
        /// Only those in this state: pending, active or disconnected.
        #[arg(long)]
        state: Option<String>,
    },
    /// Show a text to the people in sessions.
    #[command(after_help = MESSAGE_HELP)]
    Message {
        /// Which sessions.
        #[command(flatten)]
        ids: Ids,
        /// What they shall read.
        #[arg(long, value_name = "TEXT")]
        text: String,
    },
    /// Close the connection of sessions; the sessions go on.
    #[command(after_help = DISCONNECT_HELP)]
    Disconnect(Ids),
    /// End sessions.
    #[command(after_help = END_HELP)]
    End(Ids),
}

/// Which sessions.
#[derive(Debug, Args)]
pub(crate) struct Ids {
    /// Ids of sessions, as `portico sessions list` shows them.
    #[arg(required = true, value_name = "ID", value_parser = session_id)]
    pub(crate) ids: Vec<SessionId>,
}

fn session_id(text: &str) -> Result<SessionId, String> {
    SessionId::new(text).map_err(|error| error.to_string())
}

/// Does it.
pub(crate) async fn sessions(globals: &Globals, what: &SessionsCommand) -> Result<String, Failure> {
    let client = globals.client()?;
    match what {
        SessionsCommand::List {
            user,
            host,
            pool,
            state,
        } => {
            let mut sessions = client.get("/sessions").await?;
            keep(&mut sessions, "user", user.as_deref());
            keep(&mut sessions, "host", host.as_deref());
            keep(&mut sessions, "pool", pool.as_deref());
            keep(&mut sessions, "state", state.as_deref());
            globals
                .output
                .show(&sessions, |sessions| Ok(list(GetKind::Sessions, sessions)))
        }
        SessionsCommand::Message {
            ids: Ids { ids },
            text,
        } => {
            let mut done = Vec::new();
            for id in ids {
                let body = json!({ "text": text });
                let outcome = client
                    .post(&format!("/sessions/{id}/message"), &body)
                    .await
                    .map_err(|error| at(id, &done, error.into()))?;
                let shown = shown(id, &outcome).map_err(|error| at(id, &done, error))?;
                done.push(shown);
            }
            globals
                .output
                .show(&Value::Array(done), |done| Ok(messages(done)))
        }
        SessionsCommand::Disconnect(Ids { ids }) => {
            let mut done = Vec::new();
            for id in ids {
                client
                    .post(&format!("/sessions/{id}/disconnect"), &json!({}))
                    .await
                    .map_err(|error| at(id, &done, error.into()))?;
                done.push(json!({ "id": id, "message": "Disconnected; the session goes on" }));
            }
            globals
                .output
                .show(&Value::Array(done), |done| Ok(messages(done)))
        }
        SessionsCommand::End(Ids { ids }) => {
            let mut done = Vec::new();
            for id in ids {
                let mut answer = client
                    .delete(&format!("/sessions/{id}"))
                    .await
                    .map_err(|error| at(id, &done, error.into()))?;
                if let Value::Object(answer) = &mut answer {
                    answer.insert("id".into(), json!(id));
                }
                done.push(answer);
            }
            globals
                .output
                .show(&Value::Array(done), |done| Ok(messages(done)))
        }
    }
}

/// What became of a message; other outcomes than done are failures.
pub(crate) fn shown(id: &SessionId, outcome: &Value) -> Result<Value, Failure> {
    let text = |field| outcome.get(field).and_then(Value::as_str);
    let detail = text("detail").filter(|detail| !detail.is_empty());
    match text("outcome") {
        None | Some("done") => Ok(json!({ "id": id, "message": detail.unwrap_or("Shown") })),
        Some(other) => Err(Failure::new("The text was not shown")
            .reason(detail.unwrap_or(other))
            .next_step("see `portico explain session ID`, and whether the host has an agent")),
    }
}

/// A failure at one of several sessions, which says what was done before it.
fn at(id: &SessionId, done: &[Value], failure: Failure) -> Failure {
    let lines = messages(&Value::Array(done.to_vec()));
    Failure {
        what: format!("Session {id}: {}", failure.what),
        lines: lines.lines().map(str::to_owned).collect(),
        ..failure
    }
}

fn keep(sessions: &mut Value, field: &str, wanted: Option<&str>) {
    if let (Value::Array(sessions), Some(wanted)) = (sessions, wanted) {
        sessions.retain(|session| session.get(field).and_then(Value::as_str) == Some(wanted));
    }
}

/// One line for each session that something was done to.
pub(crate) fn messages(done: &Value) -> String {
    let mut out = String::new();
    for item in done.as_array().into_iter().flatten() {
        let text = |field| item.get(field).and_then(Value::as_str).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{}: {}.",
            printable(text("id")),
            printable(text("message").trim_end_matches('.'))
        );
    }
    out
}
