//! `portico ports plan`.

use std::path::PathBuf;

use clap::Args;
use portico_catalogue::{
    Catalogue,
    markdown::{condition_text, ports_text},
    plan::{self, Change, Comparison, FlowPlan, GapKind, HostSet, PlannedFlow, Why},
};
use portico_estate::deployment;
use portico_model::printable;
use serde_json::json;

use super::{
    EstateArgs, Source,
    catalogue::{value, wire_of},
    source,
};
use crate::cli::{
    Globals,
    failure::Failure,
    output::{Format, Rows},
};

/// Hosts of a set that are named; the others are counted.
const NAMED_MAX: usize = 4;

/// Which plan.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    estate: EstateArgs,

    /// Only this host, in both directions.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["why", "compare"])]
    host: Option<String>,

    /// Say why this flow is planned, or why it is not.
    #[arg(long, value_name = "FLOW", conflicts_with = "compare")]
    why: Option<String>,

    /// Show which flows another estate file gains and loses.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

/// Plans an estate.
pub(crate) async fn plan(globals: &Globals, args: &PlanArgs) -> Result<String, Failure> {
    let catalogue = Catalogue::portico();
    let source = Source::read(globals, &args.estate).await?;
    if let Some(id) = &args.why {
        let why = plan::why(catalogue, &source.deployment, id).map_err(|error| {
            Failure::new("This flow cannot be explained")
                .reason(error)
                .next_step("look for it with `portico ports search WORDS`")
        })?;
        return globals.output.show(&value(&why)?, |_| Ok(why_page(&why)));
    }
    let planned = plan::plan(catalogue, &source.deployment);
    if let Some(path) = &args.compare {
        let (other, _) = source::from_file(path)?;
        let mut other = deployment(&other);
        other.with_optional |= args.estate.optional;
        other.features.extend(args.estate.feature.iter().cloned());
        let comparison = plan::compare(&planned, &plan::plan(catalogue, &other));
        return globals
            .output
            .show_rows(&value(&comparison)?, |_| compared(&comparison));
    }
    if let Some(host) = &args.host {
        return of_host(globals, &planned, host, &source.name);
    }
    let format = globals.output;
    match format {
        Format::Table => Ok(page(&planned)),
        _ => format.show_rows(&value(&planned.report())?, |_| rows(&planned)),
    }
}

/// The plan for people: each host that listens, and what must reach it.
fn page(plan: &FlowPlan) -> String {
    let mut out = String::new();
    for (place, host) in (0u32..).zip(&plan.hosts) {
        let inbound = plan.of_host(place).inbound;
        if inbound.is_empty() {
            continue;
        }
        let zone = host.zone.as_ref().map(|zone| format!(", zone {zone}"));
        out.push_str(&format!(
            "{}  {}{}\n",
            printable(&host.id),
            printable(&host.roles.join(", ")),
            zone.unwrap_or_default()
        ));
        let mut inbound: Vec<_> = inbound.iter().collect();
        inbound.sort_by_key(|row| (row.planned.ports.clone(), row.planned.transport));
        let lines: Vec<[String; 3]> = inbound
            .iter()
            .map(|row| {
                let peers: Vec<u32> = row.peers().collect();
                let protocol = row.planned.flow.application_protocol.clone();
                [
                    wire(row.planned),
                    format!("from {}", names(plan, &peers)),
                    format!("{protocol} [{}]", row.planned.flow.id),
                ]
            })
            .collect();
        out.push_str(&aligned(&lines));
        out.push('\n');
    }
    if out.is_empty() {
        out.push_str("Nothing has to be opened: no host needs another one.\n\n");
    }
    out.push_str(&remarks(plan));
    out
}

/// Columns under one another, indented.
fn aligned(lines: &[[String; 3]]) -> String {
    let width = |column: usize| {
        let widths = lines.iter().filter_map(|line| line.get(column));
        widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    lines
        .iter()
        .map(|[a, b, c]| {
            format!(
                "  {:<first$}  {:<second$}  {}\n",
                printable(a),
                printable(b),
                printable(c)
            )
        })
        .collect()
}

/// What is missing and what was taken for granted.
fn remarks(plan: &FlowPlan) -> String {
    let mut out = String::new();
    let mut section = |heading: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("{heading}\n"));
            for line in lines {
                out.push_str(&format!("  {}\n", printable(&line)));
            }
            out.push('\n');
        }
    };
    let gaps = |leave_out: bool| -> Vec<String> {
        plan.gaps
            .iter()
            .filter(|gap| gap.kind.leaves_a_flow_out() == leave_out)
            .map(|gap| {
                let hosts = match gap.hosts.is_empty() {
                    true => String::new(),
                    false => format!(" ({})", gap.hosts.join(", ")),
                };
                let flow = match gap.kind {
                    GapKind::Unused => String::new(),
                    _ => format!("{}{hosts}: ", gap.flow),
                };
                format!("{flow}{}; {}", gap.reason, gap.next_step)
            })
            .collect()
    };
    section(
        "Not planned, because the estate does not say enough:",
        gaps(true),
    );
    section(
        "Is a host missing? These needs have nobody to answer them:",
        gaps(false),
    );
    section("Taken for granted:", plan.assumptions.clone());
    let flows = plan.flows.len();
    out.push_str(&format!(
        "{} hosts, {flows} {} of flows. Firewall rules: portico ports rules; why a flow is here: --why FLOW.\n",
        plan.hosts.len(),
        if flows == 1 { "bundle" } else { "bundles" },
    ));
    out
}

/// A row for each bundle of flows.
fn rows(plan: &FlowPlan) -> Rows {
    let all = |set: &HostSet| -> String {
        let ids = set
            .iter()
            .filter_map(|place| plan.hosts.get(*place as usize));
        ids.map(|host| host.id.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let cells = plan.flows.iter().map(|planned| {
        vec![
            all(&planned.from),
            all(&planned.to),
            planned.flow.transport_name(),
            ports_text(&planned.ports),
            planned.flow.application_protocol.clone(),
            planned.flow.id.clone(),
            planned.reason(),
        ]
    });
    Rows {
        headings: &[
            "from",
            "to",
            "transport",
            "ports",
            "protocol",
            "flow",
            "reason",
        ],
        numbers: &[],
        cells: cells.collect(),
        none: "Nothing has to be opened.",
    }
}

/// The place of a host that somebody named.
pub(crate) fn place(plan: &FlowPlan, id: &str, source: &str) -> Result<u32, Failure> {
    plan.place(id).ok_or_else(|| {
        let known = plan.hosts.iter().map(|host| host.id.as_str());
        let hint = portico_estate::document::nearest(id, known)
            .map(|near| format!("; the nearest is {near:?}"))
            .unwrap_or_default();
        Failure::new(format!("There is no host {id:?}"))
            .reason(format!("{source} has none with this id{hint}"))
            .next_step("name one of its [[hosts]]")
    })
}

fn of_host(globals: &Globals, plan: &FlowPlan, id: &str, source: &str) -> Result<String, Failure> {
    let place = place(plan, id, source)?;
    let flows = plan.of_host(place);
    let sides = [("in", &flows.inbound), ("out", &flows.outbound)];
    let host_rows = || {
        sides
            .iter()
            .flat_map(|(side, rows)| rows.iter().map(move |row| (*side, row)))
    };
    let peers = |row: &plan::HostFlow<'_>| -> Vec<u32> { row.peers().collect() };
    let answer: Vec<_> = host_rows()
        .map(|(side, row)| {
            let ids: Vec<&str> = row
                .peers()
                .filter_map(|peer| plan.hosts.get(peer as usize))
                .map(|host| host.id.as_str())
                .collect();
            json!({
                "side": side, "peers": ids, "flow": row.planned.flow.id,
                "transport": row.planned.transport, "ip_protocol": row.planned.ip_protocol,
                "ports": row.planned.ports, "reason": row.planned.reason(),
                "sources": row.planned.flow.sources,
            })
        })
        .collect();
    globals.output.show_rows(&answer.into(), |_| Rows {
        headings: &["side", "peers", "ports", "protocol", "flow"],
        numbers: &[],
        cells: host_rows()
            .map(|(side, row)| {
                vec![
                    side.to_owned(),
                    names(plan, &peers(row)),
                    wire(row.planned),
                    row.planned.flow.application_protocol.clone(),
                    row.planned.flow.id.clone(),
                ]
            })
            .collect(),
        none: "Nothing is planned at this host.",
    })
}

fn compared(comparison: &Comparison) -> Rows {
    let row = |side: &str, change: &Change| {
        let some = |set: &HostSet| some_of(comparison.names(set).map(str::to_owned).collect());
        let flow = Catalogue::portico().find(change.flow);
        let transport = flow.map(|flow| flow.transport_name()).unwrap_or_default();
        vec![
            side.to_owned(),
            some(&change.from),
            some(&change.to),
            wire_of(
                &transport,
                change.transport.has_ports(),
                &ports_text(&change.ports),
            ),
            change.flow.to_owned(),
            change.reason.clone(),
        ]
    };
    let gained = comparison.gained.iter().map(|change| row("gained", change));
    let lost = comparison.lost.iter().map(|change| row("lost", change));
    Rows {
        headings: &["change", "from", "to", "ports", "flow", "reason"],
        numbers: &[],
        cells: gained.chain(lost).collect(),
        none: "Both estates need the same flows.",
    }
}

fn why_page(why: &Why) -> String {
    let mut lines = vec![why.flow.id.clone(), format!("  {}", why.flow.purpose)];
    for (end, of) in [("opens it", &why.from), ("answers it", &why.to)] {
        let through: Vec<&String> = of.through.iter().filter(|role| *role != of.role).collect();
        let through = match through.as_slice() {
            [] => String::new(),
            roles => {
                let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                format!(", also by {}", roles.join(", "))
            }
        };
        let hosts = match of.hosts.is_empty() {
            true => "no host".to_owned(),
            false => some_of(of.hosts.clone()),
        };
        lines.push(format!("  {} {end}{through}: {hosts}", of.role));
    }
    for condition in &why.flow.conditions {
        lines.push(format!("  when: {}", condition_text(condition)));
    }
    for failed in &why.failed {
        let hosts: Vec<String> = failed.from.iter().chain(&failed.to).cloned().collect();
        lines.push(format!("  fails: {} ({})", failed.asks, some_of(hosts)));
    }
    for bundle in &why.planned {
        let ports = wire_of(
            &why.flow.transport_name(),
            why.flow.transport.has_ports(),
            &ports_text(&bundle.ports),
        );
        lines.push(format!(
            "  planned: {} to {} {ports}",
            some_of(bundle.from.clone()),
            some_of(bundle.to.clone()),
        ));
    }
    for reason in &why.not_planned {
        lines.push(format!("  not planned: {reason}"));
    }
    for source in &why.flow.sources {
        let row = source.row.map(|row| format!(", row {row}"));
        lines.push(format!(
            "  source: {}, {}{}: {}",
            source.document,
            source.section,
            row.unwrap_or_default(),
            source.as_written
        ));
    }
    lines
        .iter()
        .map(|line| format!("{}\n", printable(line)))
        .collect()
}

fn wire(planned: &PlannedFlow) -> String {
    wire_of(
        &planned.flow.transport_name(),
        planned.transport.has_ports(),
        &ports_text(&planned.ports),
    )
}

/// Hosts by their places, of which there may be thousands: only those that are named are copied.
pub(super) fn names(plan: &FlowPlan, places: &[u32]) -> String {
    let named = places.iter().take(NAMED_MAX);
    let ids = named.filter_map(|place| plan.hosts.get(*place as usize));
    let ids = ids.map(|host| host.id.clone()).collect();
    shortened(ids, places.len())
}

fn some_of(mut names: Vec<String>) -> String {
    let count = names.len();
    names.truncate(NAMED_MAX);
    shortened(names, count)
}

/// The first names of `count`.
fn shortened(mut shown: Vec<String>, count: usize) -> String {
    if count > NAMED_MAX {
        shown.push(format!("and {} more", count - NAMED_MAX));
    }
    shown.join(", ")
}
