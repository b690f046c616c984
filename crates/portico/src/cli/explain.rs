//! `portico explain`: the decision about a launch as a tree that can be read.

mod flow;
mod session;

use std::{fmt::Write, net::IpAddr};

use clap::{Args, Subcommand};
use portico_model::{
    ResourceId, UserId,
    launch::{Choice, Condition, Explanation, ExplanationOutcome, NotChosen, Placement, Refusal},
    printable,
};
use serde_json::{Value, json};

use super::{
    Globals,
    client::{ApiClient, typed},
    failure::Failure,
    teach,
};

const LAUNCH_HELP: &str = teach![
    "portico explain launch --user anna --resource desktop",
    "portico explain launch --user anna --resource desktop --client-address 192.0.2.7",
    "portico explain launch --user anna --resource desktop -o json",
];

/// What to explain.
#[derive(Debug, Subcommand)]
pub(crate) enum ExplainCommand {
    /// Where a launch would be placed, or why it would be refused. Nothing is launched.
    #[command(after_help = LAUNCH_HELP)]
    Launch(LaunchArgs),
    /// Where a session stands, how it came there, and what each witness says of it.
    #[command(after_help = session::HELP)]
    Session(session::SessionArgs),
    /// Why a network flow works or does not: who needs it, what each vantage point saw last, a check
    /// now, and the likely cause.
    ///
    /// The server tells what agents and its own process saw last; on another machine than the one
    /// that opens the flow that counts more than the check from here. Works without a server: give
    /// an estate file with -f. Only planned flows between the two hosts are sent anything.
    #[command(after_help = flow::HELP)]
    Flow(flow::FlowArgs),
}

/// Which launch.
#[derive(Debug, Args)]
pub(crate) struct LaunchArgs {
    /// Who would launch.
    #[arg(long, value_name = "USER", value_parser = user_id)]
    pub(crate) user: UserId,
    /// What would be launched.
    #[arg(long, value_name = "RESOURCE", value_parser = resource_id)]
    pub(crate) resource: ResourceId,
    /// Where the client would be; matters for entitlements with networks.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) client_address: Option<IpAddr>,
}

fn user_id(text: &str) -> Result<UserId, String> {
    UserId::new(text).map_err(|error| error.to_string())
}

fn resource_id(text: &str) -> Result<ResourceId, String> {
    ResourceId::new(text).map_err(|error| error.to_string())
}

/// Explains.
pub(crate) async fn explain(globals: &Globals, what: &ExplainCommand) -> Result<String, Failure> {
    match what {
        ExplainCommand::Launch(args) => launch(globals, args).await,
        ExplainCommand::Session(args) => session::explain(globals, args).await,
        ExplainCommand::Flow(args) => flow::explain(globals, args).await,
    }
}

async fn launch(globals: &Globals, args: &LaunchArgs) -> Result<String, Failure> {
    let client = globals.client()?;
    let question = json!({
        "user": args.user,
        "resource": args.resource,
        "client_address": args.client_address,
    });
    let answer = client.post("/explain/launch", &question).await?;
    let pool = match globals.output {
        super::output::Format::Table => pool_of(&client, &args.resource).await,
        _ => None,
    };
    globals.output.show(&answer, |answer| {
        let causes = answer.get("causes").and_then(Value::as_array);
        let causes = causes.map(Vec::as_slice).unwrap_or_default();
        Ok(tree(&typed(answer)?, pool.as_deref(), causes))
    })
}

/// The pool of a resource. It only completes the picture, so a failure leaves it out.
async fn pool_of(client: &ApiClient, resource: &ResourceId) -> Option<String> {
    let resources = client.get("/resources").await.ok()?;
    let found = resources
        .as_array()?
        .iter()
        .find(|item| item.get("id").and_then(Value::as_str) == Some(resource.as_str()))?;
    found.get("pool")?.as_str().map(str::to_owned)
}

/// A node of the tree.
struct Node {
    text: String,
    children: Vec<Node>,
}

impl Node {
    fn leaf(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            children: Vec::new(),
        }
    }
}

/// An explanation for people. `causes` are those of hosts that are not reached.
pub(crate) fn tree(explanation: &Explanation, pool: Option<&str>, causes: &[Value]) -> String {
    let mut children = vec![entitlement(explanation)];
    let pool = match &explanation.outcome {
        ExplanationOutcome::Refused(Refusal::NoHost { pool, .. }) => Some(pool.as_str()),
        _ => pool,
    };
    children.extend(pool.map(|pool| Node::leaf(format!("Pool: {pool}"))));
    let outcome = match &explanation.outcome {
        ExplanationOutcome::Placed(placement) => {
            children.push(placed(placement, causes));
            match placement.choice {
                Choice::Resumed { .. } => format!("resumed on {}", placement.host),
                _ => format!("placed on {}", placement.host),
            }
        }
        ExplanationOutcome::Refused(refusal) => {
            children.push(refused(refusal, causes));
            "refused".to_owned()
        }
    };
    let root = format!(
        "The launch of {} by {} would be {outcome}.",
        explanation.resource, explanation.user
    );
    let mut out = String::new();
    out.push_str(&printable(&root));
    out.push('\n');
    draw(&mut out, &children, "");
    out
}

fn entitlement(explanation: &Explanation) -> Node {
    let names: Vec<&str> = explanation
        .allowed_by
        .iter()
        .map(|id| id.as_str())
        .collect();
    Node::leaf(match names.as_slice() {
        [] => "Entitlement: none that holds".to_owned(),
        names => format!("Entitlement: {}", names.join(", ")),
    })
}

fn placed(placement: &Placement, causes: &[Value]) -> Node {
    let chosen = format!("{}: chosen: {}", placement.host, placement.choice.why());
    let mut hosts = vec![Node::leaf(chosen)];
    hosts.extend(
        placement
            .others
            .iter()
            .map(|verdict| not_chosen(verdict.host.as_str(), &verdict.reason, causes)),
    );
    Node {
        text: "Hosts".into(),
        children: hosts,
    }
}

fn refused(refusal: &Refusal, causes: &[Value]) -> Node {
    let reason = |text: String, steps: Vec<String>| Node {
        text: format!("Reason: {text}"),
        children: steps.into_iter().map(Node::leaf).collect(),
    };
    match refusal {
        Refusal::NotFound { resource } => reason(
            format!("{resource} is not published, or no entitlement gives it to this user"),
            vec![
                "would change with: the resource in an entitlement that names the user or one of \
                 their groups (`portico get entitlements`)"
                    .into(),
            ],
        ),
        Refusal::NotNow { conditions, .. } => reason(
            "an entitlement exists, but a condition of it does not hold".into(),
            conditions
                .iter()
                .map(|failed| format!("{}: {}", failed.entitlement, condition(failed.condition)))
                .collect(),
        ),
        Refusal::IsLink { .. } => reason(
            "a link is opened by the browser itself, and runs on no host".into(),
            vec![],
        ),
        Refusal::NoHost { hosts, .. } if hosts.is_empty() => reason(
            "the pool has no hosts".into(),
            vec!["would change with: a host that names the pool in the estate file".into()],
        ),
        Refusal::NoHost { hosts, .. } => Node {
            text: "Hosts: none can take the session".into(),
            children: hosts
                .iter()
                .map(|verdict| not_chosen(verdict.host.as_str(), &verdict.reason, causes))
                .collect(),
        },
        Refusal::ResumeElsewhere {
            session,
            host,
            network,
        } => reason(
            format!(
                "the session {session} on {host} may only be resumed from {network}, where it was \
                 used last"
            ),
            vec![
                "would change with: a client in that network, the end of the session, or \
                 resume_from = \"anywhere\" of the pool"
                    .into(),
            ],
        ),
        Refusal::StoreAway { detail } => reason(
            format!("the state cannot be read or written: {detail}"),
            vec!["would change with: room on the disk, and a store that answers".into()],
        ),
        Refusal::Busy => reason(
            "others kept changing the same hosts".into(),
            vec!["would change with: another try in a few seconds".into()],
        ),
    }
}

fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::ClientNetwork => {
            "the client is not in its networks; would change with a client_networks that has the \
             client's address"
        }
        Condition::Time => "it is not one of its times; would change with its times, or later",
        Condition::Strength => {
            "the sign-in is not strong enough; would change with a second factor at sign-in"
        }
    }
}

/// A host that was not chosen: why, what would change it, and what most likely keeps it from being
/// reached.
fn not_chosen(host: &str, reason: &NotChosen, causes: &[Value]) -> Node {
    let change = reason
        .next_step()
        .map(|change| Node::leaf(format!("would change with: {change}")));
    let of_host = |cause: &&Value| cause.get("to").and_then(Value::as_str) == Some(host);
    let causes = causes.iter().filter(of_host).map(cause_node);
    Node {
        text: format!("{host}: {}", reason.why()),
        children: change.into_iter().chain(causes).collect(),
    }
}

/// A cause as the API tells it.
fn cause_node(cause: &Value) -> Node {
    let text = |name| cause.get(name).and_then(Value::as_str).unwrap_or_default();
    let from = match text("from") {
        "" => String::new(),
        from => format!(", seen from {from}"),
    };
    let mut children = vec![
        Node::leaf(format!("because: {}", text("why"))),
        Node::leaf(format!("next step: {}", text("next_step"))),
    ];
    match text("flow") {
        "" => {}
        flow => children.push(Node::leaf(format!("flow: {flow}"))),
    }
    Node {
        text: format!("{} cause{from}: {}", text("certainty"), text("title")),
        children,
    }
}

fn draw(out: &mut String, nodes: &[Node], indent: &str) {
    for (index, node) in nodes.iter().enumerate() {
        let last = index + 1 == nodes.len();
        let (branch, below) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{indent}{branch}{}", printable(&node.text));
        draw(out, &node.children, &format!("{indent}{below}"));
    }
}
