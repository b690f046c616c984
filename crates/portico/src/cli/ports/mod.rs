//! `portico ports`: what network traffic products need, what an estate needs of it, and the
//! firewall rules for that. Needs no server: the catalogue is in the program, and an estate may
//! come from a file.

mod catalogue;
mod check;
mod checked;
mod diagram;
mod diff;
mod diff_agents;
#[cfg(test)]
mod diff_tests;
mod drifted;
mod host_state;
mod plan;
mod report;
mod rules;
mod secrets;
mod source;
#[cfg(test)]
mod tests;
mod watch;

use clap::{Args, Subcommand};

use super::{Globals, failure::Failure, teach};
pub(crate) use check::means;
pub(crate) use checked::wire;
pub(crate) use plan::place;
pub(crate) use source::{Source, from_file};
pub(crate) use watch::cause_value;

/// What to do with ports.
#[derive(Debug, Subcommand)]
pub(crate) enum PortsCommand {
    /// List the flows of the documents: who talks to whom, over which ports, and why.
    #[command(after_help = LIST_HELP)]
    List(catalogue::ListArgs),

    /// Show all that is known of one flow.
    #[command(after_help = SHOW_HELP)]
    Show {
        /// Id of the flow, as `portico ports list` shows it.
        #[arg(value_name = "ID")]
        id: String,
    },

    /// Search the flows by words: names, purposes, roles, port numbers.
    #[command(after_help = SEARCH_HELP)]
    Search {
        /// What to look for; all words count.
        #[arg(required = true, value_name = "WORDS")]
        words: Vec<String>,
    },

    /// Say for each document what Portico does about its flows.
    #[command(after_help = teach!["portico ports coverage", "portico ports coverage -o json"])]
    Coverage,

    /// List what the documents get wrong, with the correction.
    #[command(after_help = teach!["portico ports errata", "portico ports errata -o markdown"])]
    Errata,

    /// Teach which roles hosts can have, and what each brings.
    #[command(after_help = ROLES_HELP)]
    Roles(catalogue::RolesArgs),

    /// Compute exactly the flows that an estate needs, host by host.
    #[command(after_help = PLAN_HELP)]
    Plan(plan::PlanArgs),

    /// Write the plan of an estate as firewall rules.
    #[command(after_help = RULES_HELP)]
    Rules(rules::RulesArgs),

    /// Prove the planned flows by speaking their protocols, from this machine.
    ///
    /// Nothing is sent to an address or port that the plan does not have, and nobody is logged on.
    /// Ends with 1 if a required flow is not proven.
    #[command(after_help = CHECK_HELP)]
    Check(check::CheckArgs),

    /// Compare the plan with the firewall rules that are loaded here, or on hosts with agents, and
    /// with what really listens there.
    ///
    /// Reads nftables, iptables and the sockets of the network namespace it runs in, as root, and
    /// changes nothing. With hosts of the server's estate their agents read the same there, which
    /// needs the role operator. What a firewall elsewhere drops is for `ports check`.
    #[command(after_help = DIFF_HELP)]
    Diff(diff::DiffArgs),

    /// Draw the plan of an estate: zones, hosts, and what runs between them.
    #[command(after_help = DIAGRAM_HELP)]
    Diagram(diagram::DiagramArgs),
}

const LIST_HELP: &str = teach![
    "portico ports list --document rds-2012",
    "portico ports list --role windows.domain-controller -o csv > dc.csv",
    "portico ports list --port 3389 --transport udp",
    "portico ports list -o json               # docs/schemas/port-flows.schema.json describes it",
];
const SHOW_HELP: &str = teach!["portico ports show rds-2012.gateway-dc-kerberos"];
const SEARCH_HELP: &str = teach![
    "portico ports search gateway udp",
    "portico ports search kerberos password -o json",
];
const ROLES_HELP: &str = teach![
    "portico ports roles                      # all of them",
    "portico ports roles rds.gateway          # one, with the flows it opens and answers",
    "portico ports roles --features           # what can be on or off",
];
const PLAN_HELP: &str = teach![
    "portico ports plan -f estate.toml                      # without any server",
    "portico ports plan -f estate.toml --host gw1           # both directions of one host",
    "portico ports plan -f estate.toml --why rds-2012.client-gateway-udp",
    "portico ports plan -f estate.toml --compare other.toml # flows gained and lost",
    "portico ports plan                                     # of the estate of the server",
];
const RULES_HELP: &str = teach![
    "portico ports rules -f estate.toml --format nftables --host gw1 > gw1.nft",
    "portico ports rules -f estate.toml --format windows --into rules/   # a file for each host",
    "portico ports rules -f estate.toml --format html > plan.html",
];
const CHECK_HELP: &str = teach![
    "portico ports check -f estate.toml --dry-run           # what would be sent where",
    "portico ports check -f estate.toml --from gw1          # run on gw1: what gw1 needs",
    "portico ports check -f estate.toml --from gw1 --accept skipped,reachable",
    "portico ports check -f estate.toml -o junit > check.xml",
    "portico ports check -f estate.toml --watch --every 5m  # tell each change, until Ctrl-C",
    "portico ports check -f estate.toml -o html > check.html # one page with a picture",
];
const DIFF_HELP: &str = teach![
    "portico ports diff -f estate.toml                      # this host, found by its address",
    "portico ports diff -f estate.toml --host gw1 --strict  # ends with 1 if anything differs",
    "portico ports diff -f estate.toml --host gw1 --rules gw1.nft.json --sockets gw1.ss",
    "portico ports diff -f estate.toml -o json",
    "portico ports diff --host sh1 --host sh2               # of the server's estate: asks the agents",
    "portico ports diff --all-hosts --strict -o json        # every host that has an agent",
];
const DIAGRAM_HELP: &str = teach![
    "portico ports diagram -f estate.toml -o svg > estate.svg",
    "portico ports diagram -f estate.toml -o mermaid",
];

/// Which estate, and what is different about it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EstateArgs {
    /// The estate file; `-` for standard input [default: the estate of the server].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<std::path::PathBuf>,

    /// Plan also what is not needed for the services to work.
    #[arg(long)]
    pub(crate) optional: bool,

    /// Take a feature as on or off everywhere, as in `rds.gateway-udp=off`.
    #[arg(long, value_name = "FEATURE=on|off", value_parser = source::feature)]
    pub(crate) feature: Vec<(String, bool)>,
}

/// Answers a question about ports.
pub(crate) async fn ports(globals: &Globals, command: &PortsCommand) -> Result<String, Failure> {
    match command {
        PortsCommand::List(args) => catalogue::list(globals, args),
        PortsCommand::Show { id } => catalogue::show(globals, id),
        PortsCommand::Search { words } => catalogue::search(globals, words),
        PortsCommand::Coverage => catalogue::coverage(globals),
        PortsCommand::Errata => catalogue::errata(globals),
        PortsCommand::Roles(args) => catalogue::roles(globals, args),
        PortsCommand::Plan(args) => plan::plan(globals, args).await,
        PortsCommand::Rules(args) => rules::rules(globals, args).await,
        PortsCommand::Check(args) => check::check(globals, args).await,
        PortsCommand::Diff(args) => diff::diff(globals, args).await,
        PortsCommand::Diagram(args) => diagram::diagram(globals, args).await,
    }
}
