//! `portico hosts maintain`: times in which hosts are drained, emptied and restarted.

use clap::{Args, Subcommand};
use portico_model::{HostId, MaintenanceId, printable};
use serde_json::{Value, json};

use super::{
    super::{Globals, client::ApiClient, failure::Failure, humane, listed, teach},
    host_id, text_of,
};

const PLAN_HELP: &str = teach![
    "portico hosts maintain plan sh1 sh2 --at 2026-12-01T02:00Z --for 2h --restart --text 'Updates'",
    "portico hosts maintain plan sh1 --at +1h --drain 1h --warn 10m --restart",
];
const LIST_HELP: &str = teach!["portico hosts maintain list",];
const CANCEL_HELP: &str = teach!["portico hosts maintain cancel m-0f3c",];

/// What to do with maintenances.
#[derive(Debug, Subcommand)]
pub(crate) enum MaintainCommand {
    /// Plan one.
    #[command(after_help = PLAN_HELP)]
    Plan(PlanArgs),
    /// List those that are planned or going on.
    #[command(after_help = LIST_HELP)]
    List,
    /// Cancel one; its hosts take again what they took before.
    #[command(after_help = CANCEL_HELP)]
    Cancel {
        /// Id of the maintenance.
        #[arg(value_name = "ID", value_parser = maintenance_id)]
        id: MaintenanceId,
    },
}

/// What is planned.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Ids of hosts, as `portico hosts list` shows them.
    #[arg(required = true, value_name = "NAME", value_parser = host_id)]
    names: Vec<HostId>,
    /// When sessions are ended: now, +2h, or a date and time such as 2026-12-01T02:00Z.
    #[arg(long, value_name = "TIME", value_parser = humane::when)]
    at: humane::When,
    /// How long it lasts at most.
    #[arg(long = "for", value_name = "DURATION", value_parser = humane::duration_s, default_value = "2h")]
    lasts: u32,
    /// How long before it people are warned.
    #[arg(long, value_name = "DURATION", value_parser = humane::duration_s, default_value = "15m")]
    warn: u32,
    /// How long before it hosts take no new sessions.
    #[arg(long, value_name = "DURATION", value_parser = humane::duration_s, default_value = "1h")]
    drain: u32,
    /// Restart the hosts, once nobody is on them.
    #[arg(long)]
    restart: bool,
    /// How many hosts are restarted at once.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    at_once: u32,
    /// What people are told.
    #[arg(long, value_name = "TEXT", default_value = "")]
    text: String,
}

fn maintenance_id(text: &str) -> Result<MaintenanceId, String> {
    MaintenanceId::new(text).map_err(|error| error.to_string())
}

/// Does it.
pub(super) async fn maintain(
    globals: &Globals,
    client: &ApiClient,
    what: &MaintainCommand,
    now_ms: i64,
) -> Result<String, Failure> {
    match what {
        MaintainCommand::Plan(args) => {
            let planned = client.post("/maintenances", &request(args, now_ms)).await?;
            globals.output.show(&planned, |planned| {
                Ok(list(&Value::Array(vec![planned.clone()])))
            })
        }
        MaintainCommand::List => {
            let all = client.get("/maintenances").await?;
            globals.output.show(&all, |all| Ok(list(all)))
        }
        MaintainCommand::Cancel { id } => {
            client.delete(&format!("/maintenances/{id}")).await?;
            let done = json!({ "id": id, "message": "Cancelled" });
            globals.output.show(&done, |done| {
                Ok(format!("{}: cancelled.\n", printable(text_of(done, "id"))))
            })
        }
    }
}

/// The body of the API for a plan that is made at `now_ms`.
pub(super) fn request(args: &PlanArgs, now_ms: i64) -> Value {
    let starts_at_ms = args.at.at_ms(now_ms);
    json!({
        "hosts": args.names,
        "starts_at_ms": starts_at_ms,
        "ends_at_ms": starts_at_ms.saturating_add(i64::from(args.lasts) * 1000),
        "warn_before_s": args.warn,
        "drain_before_s": args.drain,
        "text": args.text,
        "restart": args.restart,
        "at_once": args.at_once,
    })
}

/// Maintenances as a table.
pub(super) fn list(all: &Value) -> String {
    let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
    let columns = [
        listed::text("id"),
        listed::text("hosts"),
        listed::time("from", "starts_at_ms"),
        listed::time("until", "ends_at_ms"),
        listed::span("drains before", "drain_before_s"),
        listed::span("warns before", "warn_before_s"),
        listed::text("restart"),
        listed::text("state"),
        listed::text("text"),
    ];
    listed::table(all, &columns, "No maintenance is planned.")
}
