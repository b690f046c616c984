//! `portico get`: what there is.

use clap::{Args, ValueEnum};
use portico_estate::{Passwords, document::nearest, to_toml};
use portico_model::estate::Estate;
use serde_json::{Map, Value};

use super::{
    Globals,
    client::{ApiClient, typed},
    failure::Failure,
    listed::{self, Column, number, span, text, time},
    output, teach,
};

/// End of its help.
pub(crate) const HELP: &str = teach![
    "portico get hosts                    # what answers, and what does not, and why",
    "portico get hosts sh1 -o yaml        # everything about one host",
    "portico get sessions -o json         # for programs, in the schema of the HTTP API",
    "portico get port-checks -o json      # each flow of the plan with its last verdict",
    "portico get estate > estate.toml     # the whole estate as a file, without passwords",
];

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Kind of objects.
    #[arg(value_enum, value_name = "KIND")]
    pub(crate) kind: GetKind,

    /// Only the one with this id.
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// Kinds of objects that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GetKind {
    /// Sets of like hosts.
    #[value(alias = "pool")]
    Pools,
    /// Session hosts, with what was seen of them.
    #[value(alias = "host")]
    Hosts,
    /// What is published.
    #[value(alias = "resource")]
    Resources,
    /// Sessions that are not over.
    #[value(alias = "session")]
    Sessions,
    /// People.
    #[value(alias = "user")]
    Users,
    /// Groups of people.
    #[value(alias = "group")]
    Groups,
    /// Who may launch what.
    #[value(alias = "entitlement")]
    Entitlements,
    /// What sessions may do.
    #[value(alias = "policy", alias = "session-policies")]
    Policies,
    /// Flows of the plan, with what agents and Portico itself saw of each last.
    #[value(alias = "port-check")]
    PortChecks,
    /// The whole estate, as a file that `portico apply` takes.
    Estate,
}

/// Where the objects of a kind come from.
enum Source {
    /// A list of the API.
    List(&'static str),
    /// A table of the estate, by id.
    OfEstate(&'static str),
    /// Rows within an answer.
    PortChecks,
}

impl GetKind {
    /// The words for one and for none of them.
    pub(crate) fn one(self) -> &'static str {
        match self {
            Self::Pools => "pool",
            Self::Hosts => "host",
            Self::Resources => "resource",
            Self::Sessions => "session",
            Self::Users => "user",
            Self::Groups => "group",
            Self::Entitlements => "entitlement",
            Self::Policies => "session policy",
            Self::PortChecks => "flow to check",
            Self::Estate => "estate",
        }
    }

    fn source(self) -> Source {
        match self {
            Self::Pools => Source::List("/pools"),
            Self::Hosts => Source::List("/hosts"),
            Self::Resources => Source::List("/resources"),
            Self::Sessions => Source::List("/sessions"),
            Self::Users => Source::List("/users"),
            Self::Groups => Source::OfEstate("groups"),
            Self::Entitlements => Source::OfEstate("entitlements"),
            Self::Policies => Source::OfEstate("session_policies"),
            Self::PortChecks => Source::PortChecks,
            Self::Estate => Source::OfEstate(""),
        }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Pools => POOLS,
            Self::Hosts => HOSTS,
            Self::Resources => RESOURCES,
            Self::Sessions => SESSIONS,
            Self::Users => USERS,
            Self::Groups => GROUPS,
            Self::Entitlements => ENTITLEMENTS,
            Self::Policies => POLICIES,
            Self::PortChecks => PORT_CHECKS,
            Self::Estate => &[],
        }
    }
}

/// All rows that one answer may have.
const PORT_CHECKS_PATH: &str = "/ports/checks?limit=20000";

const POOLS: &[Column] = &[
    text("id"),
    text("title"),
    text("placement"),
    text("account"),
    text("hosts"),
    number("sessions"),
];
const HOSTS: &[Column] = &[
    text("id"),
    text("pool"),
    text("address"),
    number("port"),
    text("protocol"),
    text("mode"),
    text("state"),
    number("sessions"),
    Column {
        heading: "max",
        ..number("sessions_max")
    },
    text("detail"),
];
const RESOURCES: &[Column] = &[
    text("id"),
    text("title"),
    text("kind"),
    text("pool"),
    text("folder"),
    text("entitlements"),
];
/// Columns of sessions.
pub(crate) const SESSIONS: &[Column] = &[
    text("id"),
    text("user"),
    text("resource"),
    text("host"),
    text("state"),
    time("since", "since_ms"),
    span("idle", "idle_s"),
    Column {
        heading: "client",
        ..text("client_address")
    },
    text("reason"),
    time("host silent since", "unknown_since_ms"),
];
const USERS: &[Column] = &[
    text("id"),
    Column {
        heading: "name",
        ..text("display_name")
    },
    text("role"),
    text("groups"),
    Column {
        heading: "password",
        ..text("has_password")
    },
];
const GROUPS: &[Column] = &[text("id"), text("title"), text("users"), text("groups")];
const ENTITLEMENTS: &[Column] = &[
    text("id"),
    text("groups"),
    text("users"),
    text("resources"),
    Column {
        heading: "networks",
        ..text("client_networks")
    },
    text("strength"),
];
const POLICIES: &[Column] = &[
    text("id"),
    text("clipboard"),
    text("drive"),
    text("printer"),
    number("idle_timeout_s"),
    number("total_timeout_s"),
    text("microphone"),
];

const PORT_CHECKS: &[Column] = &[
    text("verdict"),
    text("from"),
    text("to"),
    text("address"),
    text("transport"),
    number("port"),
    text("flow"),
    text("required"),
    time("since", "since_ms"),
    time("checked", "checked_at_ms"),
    text("evidence"),
    Column {
        heading: "next step",
        ..text("next_step")
    },
];

/// Shows what there is.
pub(crate) async fn get(globals: &Globals, args: &GetArgs) -> Result<String, Failure> {
    let client = globals.client()?;
    if args.kind == GetKind::Estate {
        let estate = client.get("/estate").await?;
        return globals.output.show(&estate, estate_file);
    }
    let items = items(&client, args.kind).await?;
    match &args.id {
        Some(id) => {
            let item = find(args.kind, items, id)?;
            globals.output.show(&item, |item| Ok(output::yaml(item)))
        }
        None => globals
            .output
            .show(&Value::Array(items), |items| Ok(list(args.kind, items))),
    }
}

/// A list of the API for people.
pub(crate) fn list(kind: GetKind, items: &Value) -> String {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    let none = format!("There is no {}.", kind.one());
    listed::table(items, kind.columns(), &none)
}

/// The estate of the API as a file.
pub(crate) fn estate_file(estate: &Value) -> Result<String, Failure> {
    let estate: Estate = typed(estate)?;
    Ok(to_toml(&estate, Passwords::LeftOut))
}

async fn items(client: &ApiClient, kind: GetKind) -> Result<Vec<Value>, Failure> {
    match kind.source() {
        Source::List(path) => typed(&client.get(path).await?),
        Source::PortChecks => {
            let answer = client.get(PORT_CHECKS_PATH).await?;
            typed(answer.get("rows").unwrap_or(&Value::Null))
        }
        Source::OfEstate(field) => Ok(of_estate(&client.get("/estate").await?, field)),
    }
}

/// The objects of one table of the estate, each with its id as a field.
pub(crate) fn of_estate(estate: &Value, field: &str) -> Vec<Value> {
    let Some(Value::Object(objects)) = estate.get(field) else {
        return Vec::new();
    };
    objects
        .iter()
        .map(|(id, object)| {
            let mut fields = Map::from_iter([("id".to_owned(), Value::from(id.as_str()))]);
            if let Value::Object(object) = object {
                fields.extend(object.clone());
            }
            Value::Object(fields)
        })
        .collect()
}

/// The one of `items` with `id`.
pub(crate) fn find(kind: GetKind, items: Vec<Value>, id: &str) -> Result<Value, Failure> {
    let id_of = |item: &Value| item.get("id").and_then(Value::as_str).map(str::to_owned);
    let ids: Vec<String> = items.iter().filter_map(id_of).collect();
    let found = items
        .into_iter()
        .find(|item| id_of(item).as_deref() == Some(id));
    found.ok_or_else(|| {
        let failure = Failure::new(format!("There is no {} \"{id}\"", kind.one()));
        match nearest(id, ids.iter().map(String::as_str)) {
            Some(like) => failure.next_step(format!("did you mean \"{like}\"?")),
            None => failure.next_step("leave the id out to see all of them"),
        }
    })
}
