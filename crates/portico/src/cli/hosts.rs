//! `portico hosts`: what is seen of session hosts, and acts of operators on them.

mod decide;
mod maintain;
mod show;
#[cfg(test)]
mod tests;

use clap::{Args, Subcommand};
use portico_model::{HostId, printable};
use portico_net::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{
    Globals,
    client::ApiClient,
    failure::Failure,
    get::{GetKind, find},
    humane, listed, output,
    sign_in::Console,
    teach,
};
use decide::{DecideArgs, Decision};
pub(crate) use maintain::MaintainCommand;

/// Seconds to a restart unless told.
const RESTART_AFTER: &str = "60s";

const LIST_HELP: &str = teach![
    "portico hosts list                            # who takes sessions, who does not, and why",
    "portico hosts list --pool desktops",
    "portico hosts list -o json | jq -r '.[] | select(.takes_new | not) | .id'",
];
const SHOW_HELP: &str = teach![
    "portico hosts show sh1                        # with its load now, over the last hour, and its sessions",
    "portico hosts show sh1 -o yaml",
];
const DRAIN_HELP: &str = teach![
    "portico hosts drain sh1 --reason 'new disks'",
    "portico hosts drain sh1 sh2 --until-restart   # over when the host was restarted",
];
const UNDRAIN_HELP: &str = teach!["portico hosts undrain sh1",];
const DISABLE_HELP: &str = teach!["portico hosts disable sh1 --reason 'fan is broken'",];
const ENABLE_HELP: &str =
    teach!["portico hosts enable sh1                      # new hosts start in drain",];
const TRUST_HELP: &str = teach![
    "portico hosts waiting                         # compare the identities with the host itself first",
    "portico hosts trust sh1                       # shows them again, and asks",
    "portico hosts trust sh1 --fingerprint 5f0c2a9be1d47738",
];
const WAITING_HELP: &str = teach!["portico hosts waiting",];
const APPROVE_HELP: &str = teach![
    "portico hosts waiting                         # shows the key; `portico agent` shows it on the host",
    "portico hosts approve sh1                     # shows it again, and asks",
    "portico hosts approve sh1 --fingerprint 5f0c2a9be1d47738",
];
const REJECT_HELP: &str = teach![
    "portico hosts reject sh1                      # whichever machine waits",
    "portico hosts reject sh1 --fingerprint 5f0c2a9be1d47738",
];
const REVOKE_HELP: &str = teach![
    "portico hosts revoke sh1 --reason 'machine was stolen'",
    "portico tokens create --host sh1 --rejoin     # how it may come back",
];
const MESSAGE_HELP: &str =
    teach!["portico hosts message sh1 sh2 --text 'Please save your work: restart at 12:00'",];
const RESTART_HELP: &str = teach![
    "portico hosts restart sh1 --after 5m --text 'Please save your work'",
    "portico hosts maintain plan sh1 sh2 --restart # drains first, and takes a few at a time",
];
const PROBE_HELP: &str =
    teach!["portico hosts probe sh1 --to ssh1             # from sh1's own network",];

/// What to do with hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum HostsCommand {
    /// List session hosts: state, mode, sessions, load and agent, and why one takes nobody.
    #[command(after_help = LIST_HELP)]
    List {
        /// Only those of this pool.
        #[arg(long)]
        pool: Option<String>,
    },
    /// Show all that is known of a host.
    #[command(after_help = SHOW_HELP)]
    Show {
        /// Id of the host.
        #[arg(value_name = "NAME", value_parser = host_id)]
        name: HostId,
    },
    /// Let hosts take reconnections only; their sessions go on.
    #[command(after_help = DRAIN_HELP)]
    Drain(ModeArgs),
    /// Let hosts take again what the estate says.
    #[command(after_help = UNDRAIN_HELP)]
    Undrain(Names),
    /// Let hosts take nothing, not even reconnections.
    #[command(after_help = DISABLE_HELP)]
    Disable(ModeArgs),
    /// Let hosts take new sessions, unless the estate is stricter.
    #[command(after_help = ENABLE_HELP)]
    Enable(Names),
    /// Accept the identities that the agents of hosts report, when they are the ones you saw.
    #[command(after_help = TRUST_HELP)]
    Trust(DecideArgs),
    /// List what about agents waits for an operator.
    #[command(after_help = WAITING_HELP)]
    Waiting,
    /// Let the machines that wait be the agents of hosts, when they are the ones you saw.
    #[command(after_help = APPROVE_HELP)]
    Approve(DecideArgs),
    /// Turn the machines that wait away.
    #[command(after_help = REJECT_HELP)]
    Reject(DecideArgs),
    /// Shut the agents of hosts out: their certificates count no more.
    #[command(after_help = REVOKE_HELP)]
    Revoke {
        /// Which hosts.
        #[command(flatten)]
        names: Names,
        /// Why; stands in the audit log.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Show a text to everybody who has a session on hosts.
    #[command(after_help = MESSAGE_HELP)]
    Message {
        /// Which hosts.
        #[command(flatten)]
        names: Names,
        /// What they shall read.
        #[arg(long, value_name = "TEXT")]
        text: String,
    },
    /// Restart hosts. All their sessions end.
    #[command(after_help = RESTART_HELP)]
    Restart {
        /// Which hosts.
        #[command(flatten)]
        names: Names,
        /// How long people have, such as 90s or 5m.
        #[arg(long, value_name = "DURATION", value_parser = humane::duration_s, default_value = RESTART_AFTER)]
        after: u32,
        /// What people there are told.
        #[arg(long, value_name = "TEXT", default_value = "")]
        text: String,
    },
    /// Prove from one host that another one answers its protocol.
    #[command(after_help = PROBE_HELP)]
    Probe {
        /// Id of the host that tries.
        #[arg(value_name = "NAME", value_parser = host_id)]
        name: HostId,
        /// Id of the host that is tried.
        #[arg(long, value_name = "NAME", value_parser = host_id)]
        to: HostId,
    },
    /// Plan times in which hosts are drained, emptied and restarted.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Maintain {
        /// What to do.
        #[command(subcommand)]
        what: MaintainCommand,
    },
}

/// Which hosts.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// Ids of hosts, as `portico hosts list` shows them.
    #[arg(required = true, value_name = "NAME", value_parser = host_id)]
    pub(crate) names: Vec<HostId>,
}

/// Which hosts, and why.
#[derive(Debug, Args)]
pub(crate) struct ModeArgs {
    #[command(flatten)]
    names: Names,
    /// Why; other operators see it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Until each host was restarted, instead of until `portico hosts undrain`.
    #[arg(long)]
    until_restart: bool,
}

fn host_id(text: &str) -> Result<HostId, String> {
    HostId::new(text).map_err(|error| error.to_string())
}

/// Does it.
pub(crate) async fn hosts(globals: &Globals, what: &HostsCommand) -> Result<String, Failure> {
    let client = globals.client()?;
    let now_ms = SystemClock.now().unix_ms();
    match what {
        HostsCommand::List { pool } => {
            let mut hosts = client.get("/hosts").await?;
            if let (Value::Array(hosts), Some(pool)) = (&mut hosts, pool) {
                hosts.retain(|host| text_of(host, "pool") == pool);
            }
            globals
                .output
                .show(&hosts, |hosts| Ok(show::list(hosts, now_ms)))
        }
        HostsCommand::Show { name } => show_one(globals, &client, name, now_ms).await,
        HostsCommand::Waiting => {
            let waiting = client.get("/agents/waiting").await?;
            globals
                .output
                .show(&waiting, |waiting| Ok(show::waiting(waiting, now_ms)))
        }
        HostsCommand::Drain(args) => set_mode(globals, &client, "drain", args).await,
        HostsCommand::Disable(args) => set_mode(globals, &client, "disabled", args).await,
        HostsCommand::Undrain(names) => set_plain_mode(globals, &client, "estate", names).await,
        HostsCommand::Enable(names) => set_plain_mode(globals, &client, "enabled", names).await,
        HostsCommand::Maintain { what } => maintain::maintain(globals, &client, what, now_ms).await,
        act => {
            let done = order(&client, act).await?;
            globals.output.show(&Value::Array(done), |done| {
                Ok(outcomes(
                    done.as_array().map(Vec::as_slice).unwrap_or_default(),
                ))
            })
        }
    }
}

async fn order(client: &ApiClient, what: &HostsCommand) -> Result<Vec<Value>, Failure> {
    match what {
        HostsCommand::Trust(args) => {
            decide::decide(client, Decision::Trust, args, &mut Console).await
        }
        HostsCommand::Approve(args) => {
            decide::decide(client, Decision::Approve, args, &mut Console).await
        }
        HostsCommand::Reject(args) => {
            decide::decide(client, Decision::Reject, args, &mut Console).await
        }
        HostsCommand::Revoke { names, reason } => {
            let body = json!({ "reason": reason });
            let done = "its agent is shut out";
            each(client, &names.names, "revoke", &body, done).await
        }
        HostsCommand::Message { names, text } => {
            let body = json!({ "text": text });
            each(client, &names.names, "message", &body, "shown").await
        }
        HostsCommand::Restart { names, after, text } => {
            let body = json!({ "after_s": after, "text": text });
            each(client, &names.names, "restart", &body, "restarts").await
        }
        HostsCommand::Probe { name, to } => {
            let body = json!({ "host": to });
            let done = "it answers";
            each(client, std::slice::from_ref(name), "probe", &body, done).await
        }
        // The caller has dealt with all others.
        _ => Ok(Vec::new()),
    }
}

/// Does the same to each host. `done` is said where the API answers without words.
async fn each(
    client: &ApiClient,
    names: &[HostId],
    act: &str,
    body: &Value,
    done: &str,
) -> Result<Vec<Value>, Failure> {
    let mut answers = Vec::new();
    for name in names {
        let answer = one(client, name, act, body, done).await;
        answers.push(answer.map_err(|failure| at(name, &answers, failure))?);
    }
    Ok(answers)
}

/// Does something to one host.
async fn one(
    client: &ApiClient,
    name: &HostId,
    act: &str,
    body: &Value,
    done: &str,
) -> Result<Value, Failure> {
    let answer = client.post(&format!("/hosts/{name}/{act}"), body).await?;
    let answer = outcome(name, answer, done);
    if text_of(&answer, "outcome") == "done" {
        return Ok(answer);
    }
    Err(Failure::new(format!("{act} was not done"))
        .reason(text_of(&answer, "detail"))
        .next_step(format!("see `portico hosts show {name}`")))
}

/// The outcome of an order with its host; without words of its own it is `done`.
fn outcome(name: &HostId, answer: Value, done: &str) -> Value {
    let mut whole = json!({ "host": name, "outcome": "done", "detail": done });
    if let (Value::Object(whole), Value::Object(answer)) = (&mut whole, answer) {
        whole.extend(answer);
    }
    whole
}

/// One line for each host that something was done to.
fn outcomes(done: &[Value]) -> String {
    done.iter()
        .map(|item| {
            let detail = match text_of(item, "detail") {
                "" => "done",
                detail => detail,
            };
            format!(
                "{}: {}.\n",
                printable(text_of(item, "host")),
                printable(detail.trim_end_matches('.'))
            )
        })
        .collect()
}

/// A failure at one of several hosts, which says what was done before it.
fn at(name: &HostId, done: &[Value], failure: Failure) -> Failure {
    Failure {
        what: format!("Host {name}: {}", failure.what),
        lines: outcomes(done).lines().map(str::to_owned).collect(),
        ..failure
    }
}

async fn set_plain_mode(
    globals: &Globals,
    client: &ApiClient,
    mode: &str,
    names: &Names,
) -> Result<String, Failure> {
    let body = json!({ "mode": mode });
    change_mode(globals, client, &names.names, &body).await
}

async fn set_mode(
    globals: &Globals,
    client: &ApiClient,
    mode: &str,
    args: &ModeArgs,
) -> Result<String, Failure> {
    let body = json!({
        "mode": mode,
        "reason": args.reason,
        "until_restart": args.until_restart,
    });
    change_mode(globals, client, &args.names.names, &body).await
}

/// Sets the mode, and says what each host takes now: what was set is not all that counts.
async fn change_mode(
    globals: &Globals,
    client: &ApiClient,
    names: &[HostId],
    body: &Value,
) -> Result<String, Failure> {
    each(client, names, "mode", body, "done").await?;
    let Value::Array(mut hosts) = client.get("/hosts").await? else {
        return Ok(String::new());
    };
    hosts.retain(|host| {
        names
            .iter()
            .any(|name| name.as_str() == text_of(host, "id"))
    });
    globals
        .output
        .show(&Value::Array(hosts), |hosts| Ok(show::modes(hosts)))
}

async fn show_one(
    globals: &Globals,
    client: &ApiClient,
    name: &HostId,
    now_ms: i64,
) -> Result<String, Failure> {
    let hosts = match client.get("/hosts").await? {
        Value::Array(hosts) => hosts,
        _ => Vec::new(),
    };
    let host = find(GetKind::Hosts, hosts, name.as_str())?;
    if globals.output != output::Format::Table {
        return globals.output.show(&host, |_| Ok(String::new()));
    }
    // These only complete the picture, so that a failure leaves them out.
    let history = client.get(&format!("/hosts/{name}/load?minutes=60")).await;
    let sessions = client.get(&format!("/hosts/{name}/sessions")).await;
    Ok(show::one(
        &host,
        &history.unwrap_or_default(),
        &sessions.unwrap_or_default(),
        now_ms,
    ))
}

/// A field that is a text.
fn text_of<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A field that is a number which fits a table.
fn number_of(object: &Value, field: &str) -> u32 {
    let number = object.get(field).and_then(Value::as_u64).unwrap_or(0);
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A time in a field, in milliseconds since 1970.
fn ms_of(object: &Value, field: &str) -> Option<i64> {
    object.get(field).and_then(Value::as_i64)
}
