//! `portico ports list`, `show`, `search`, `coverage`, `errata` and `roles`.

use clap::Args;
use portico_catalogue::{
    Catalogue, Flow, FlowFilter,
    markdown::{answer_text, condition_text, ports_text},
    plan,
};
use portico_model::printable;
use serde::Serialize;
use serde_json::Value;

use crate::cli::{
    Globals,
    failure::Failure,
    output::{Format, Rows},
};

/// What the list is narrowed to.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only flows of this document: portico, ras-connection-broker, rds-2012, tarantella or
    /// windows-services.
    #[arg(long, value_name = "ID")]
    document: Option<String>,

    /// Only flows with this role at either end; a role brings those that it includes.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,

    /// Only flows of services with these words in their name.
    #[arg(long, value_name = "WORDS")]
    service: Option<String>,

    /// Only flows that use this port.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Only flows over tcp, udp, icmp, gre, esp, ah or ip.
    #[arg(long, value_name = "NAME")]
    transport: Option<String>,

    /// Only flows whose application protocol has this in its name.
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
}

/// Which roles.
#[derive(Debug, Args)]
pub(crate) struct RolesArgs {
    /// Only this one, with all of its flows.
    #[arg(value_name = "ROLE", conflicts_with = "features")]
    role: Option<String>,

    /// Show the features that can be on or off instead.
    #[arg(long)]
    features: bool,
}

/// Lists flows.
pub(crate) fn list(globals: &Globals, args: &ListArgs) -> Result<String, Failure> {
    let filter = FlowFilter {
        document: args.document.clone(),
        role: args.role.clone(),
        service: args.service.clone(),
        port: args.port,
        transport: args.transport.clone(),
        protocol: args.protocol.clone(),
    };
    let flows = Catalogue::portico()
        .list(&filter)
        .map_err(|error| Failure::new("The flows cannot be listed").reason(error))?;
    show_flows(globals, &flows, "No flow is like that.")
}

/// Searches flows.
pub(crate) fn search(globals: &Globals, words: &[String]) -> Result<String, Failure> {
    let found = Catalogue::portico().search(&words.join(" "));
    let flows: Vec<&Flow> = found.iter().map(|found| found.flow).collect();
    show_flows(globals, &flows, "No flow has these words.")
}

fn show_flows(globals: &Globals, flows: &[&Flow], none: &'static str) -> Result<String, Failure> {
    let format = globals.output;
    format.show_rows(&value(&flows)?, |_| match format {
        Format::Csv | Format::Markdown => wide(flows, none),
        _ => narrow(flows, none),
    })
}

/// What fits into a terminal.
fn narrow(flows: &[&Flow], none: &'static str) -> Rows {
    let cells = flows.iter().map(|flow| {
        vec![
            flow.id.clone(),
            flow.from.clone(),
            flow.to.clone(),
            wire(flow),
            flow.application_protocol.clone(),
        ]
    });
    Rows {
        headings: &["id", "from", "to", "ports", "protocol"],
        numbers: &[],
        cells: cells.collect(),
        none,
    }
}

/// One row for each place where a flow is written.
fn wide(flows: &[&Flow], none: &'static str) -> Rows {
    let cells = flows.iter().flat_map(|flow| {
        flow.sources.iter().map(|source| {
            let conditions: Vec<String> = flow.conditions.iter().map(condition_text).collect();
            let errata: Vec<&str> = flow
                .errata
                .iter()
                .map(|erratum| erratum.correction.as_str())
                .collect();
            vec![
                flow.id.clone(),
                flow.from.clone(),
                flow.to.clone(),
                flow.transport_name(),
                ports_text(&flow.ports),
                flow.application_protocol.clone(),
                flow.service.clone(),
                flow.system_service_name.clone().unwrap_or_default(),
                flow.purpose.clone(),
                conditions.join("; "),
                source.document.clone(),
                source.section.clone(),
                source.row.map(|row| row.to_string()).unwrap_or_default(),
                source.as_written.clone(),
                errata.join(" "),
                answer_text(&flow.portico),
            ]
        })
    });
    Rows {
        headings: &[
            "id",
            "from",
            "to",
            "transport",
            "ports",
            "protocol",
            "service",
            "system service",
            "purpose",
            "conditions",
            "document",
            "section",
            "row",
            "as written",
            "errata",
            "portico",
        ],
        numbers: &["row"],
        cells: cells.collect(),
        none,
    }
}

/// Ports and transport as people write them: `443/tcp`, `icmp`, `?/tcp`.
pub(super) fn wire(flow: &Flow) -> String {
    wire_of(
        &flow.transport_name(),
        flow.transport.has_ports(),
        &ports_text(&flow.ports),
    )
}

/// The same of its parts.
pub(super) fn wire_of(transport: &str, has_ports: bool, ports: &str) -> String {
    match (has_ports, ports) {
        (false, _) => transport.to_owned(),
        (true, "") => format!("?/{transport}"),
        (true, ports) => format!("{ports}/{transport}"),
    }
}

/// Shows one flow.
pub(crate) fn show(globals: &Globals, id: &str) -> Result<String, Failure> {
    let catalogue = Catalogue::portico();
    let Some(flow) = catalogue.find(id) else {
        let ids = catalogue.flows().map(|flow| flow.id.as_str());
        let hint = portico_estate::document::nearest(id, ids)
            .map(|near| format!("; the nearest is {near:?}"))
            .unwrap_or_default();
        return Err(Failure::new(format!("There is no flow {id:?}"))
            .reason(format!("the catalogue has no such id{hint}"))
            .next_step("look for it with `portico ports search WORDS`"));
    };
    let format = globals.output;
    match format {
        Format::Csv | Format::Markdown => format.show_rows(&value(flow)?, |_| wide(&[flow], "")),
        _ => format.show(&value(flow)?, |_| Ok(flow_page(flow))),
    }
}

fn flow_page(flow: &Flow) -> String {
    let catalogue = Catalogue::portico();
    let role = |id: &str| match catalogue.role(id) {
        Some(role) => format!("{id} ({})", role.title),
        None => id.to_owned(),
    };
    let mut lines = vec![
        ("", flow.id.clone()),
        ("from", role(&flow.from)),
        ("to", role(&flow.to)),
        ("ports", wire(flow)),
        ("protocol", flow.application_protocol.clone()),
        ("service", flow.service.clone()),
    ];
    if let Some(name) = &flow.system_service_name {
        lines.push(("system service", name.clone()));
    }
    lines.push(("purpose", flow.purpose.clone()));
    for condition in &flow.conditions {
        lines.push(("when", condition_text(condition)));
    }
    for source in &flow.sources {
        let row = source.row.map(|row| format!(", row {row}"));
        let (document, section) = (&source.document, &source.section);
        let place = format!("{document}, {section}{}", row.unwrap_or_default());
        lines.push(("source", format!("{place}: {}", source.as_written)));
    }
    for erratum in &flow.errata {
        let text = format!(
            "written: {}; right: {}",
            erratum.written, erratum.correction
        );
        lines.push(("erratum", text));
    }
    if flow.corrected_ports() != flow.ports {
        lines.push(("in plans", ports_text(flow.corrected_ports())));
    }
    lines.push(("proof", flow.proof.meaning().to_owned()));
    lines.push(("portico", answer_text(&flow.portico)));
    let shown = lines.iter().map(|(name, text)| match *name {
        "" => format!("{}\n", printable(text)),
        name => format!("  {name:<15} {}\n", printable(text)),
    });
    shown.collect()
}

/// What Portico does about each document.
pub(crate) fn coverage(globals: &Globals) -> Result<String, Failure> {
    let coverage = Catalogue::portico().coverage();
    globals.output.show_rows(&value(&coverage)?, |_| Rows {
        headings: &[
            "document",
            "rows",
            "flows",
            "built",
            "replaced",
            "catalogued",
            "declined",
        ],
        numbers: &[
            "rows",
            "flows",
            "built",
            "replaced",
            "catalogued",
            "declined",
        ],
        cells: coverage
            .iter()
            .map(|of| {
                let counts = [
                    of.rows,
                    of.flows,
                    of.built.len(),
                    of.replaced.len(),
                    of.catalogued.len(),
                    of.declined.len(),
                ];
                let mut row = vec![of.document.to_owned()];
                row.extend(counts.map(|count| count.to_string()));
                row
            })
            .collect(),
        none: "There is no document.",
    })
}

/// What the documents get wrong.
pub(crate) fn errata(globals: &Globals) -> Result<String, Failure> {
    let errata = Catalogue::portico().errata();
    globals.output.show_rows(&value(&errata)?, |_| Rows {
        headings: &["flow", "section", "written", "right"],
        numbers: &[],
        cells: errata
            .iter()
            .map(|entry| {
                let section = entry.sources.first().map(|source| source.section.clone());
                vec![
                    entry.flow.to_owned(),
                    section.unwrap_or_default(),
                    entry.erratum.written.clone(),
                    entry.erratum.correction.clone(),
                ]
            })
            .collect(),
        none: "The documents get nothing wrong.",
    })
}

/// Which roles there are, or which features.
pub(crate) fn roles(globals: &Globals, args: &RolesArgs) -> Result<String, Failure> {
    let catalogue = Catalogue::portico();
    if args.features {
        let features: Vec<_> = catalogue.features().collect();
        return globals.output.show_rows(&value(&features)?, |_| Rows {
            headings: &["feature", "default", "what it does"],
            numbers: &[],
            cells: features
                .iter()
                .map(|feature| {
                    let default = if feature.default { "on" } else { "off" };
                    let text = format!("{}: {}", feature.title, feature.description);
                    vec![feature.id.clone(), default.into(), text]
                })
                .collect(),
            none: "There is no feature.",
        });
    }
    let lessons = plan::roles(catalogue);
    let Some(id) = &args.role else {
        return globals.output.show_rows(&value(&lessons)?, |_| Rows {
            headings: &["role", "title", "opens", "answers", "includes"],
            numbers: &["opens", "answers"],
            cells: lessons
                .iter()
                .map(|role| {
                    vec![
                        role.id.to_owned(),
                        role.title.to_owned(),
                        role.opens.len().to_string(),
                        role.answers.len().to_string(),
                        role.includes.join(", "),
                    ]
                })
                .collect(),
            none: "There is no role.",
        });
    };
    let Some(lesson) = lessons.iter().find(|lesson| lesson.id == *id) else {
        let hint = portico_estate::document::nearest(id, lessons.iter().map(|lesson| lesson.id))
            .map(|near| format!("; the nearest is {near:?}"))
            .unwrap_or_default();
        return Err(Failure::new(format!("There is no role {id:?}"))
            .reason(format!("the catalogue has no such role{hint}"))
            .next_step("`portico ports roles` lists them"));
    };
    globals
        .output
        .show(&value(lesson)?, |_| Ok(role_page(lesson)))
}

fn role_page(role: &plan::RoleLesson) -> String {
    let mut out = format!("{}: {}\n  {}\n", role.id, role.title, role.description);
    if role.external {
        out.push_str("  It stands outside of the estate.\n");
    }
    if !role.includes.is_empty() {
        out.push_str(&format!("  It includes {}.\n", role.includes.join(", ")));
    }
    for (heading, arrow, flows) in [
        ("opens", "to", &role.opens),
        ("answers", "from", &role.answers),
    ] {
        if flows.is_empty() {
            continue;
        }
        out.push_str(&format!("\n  It {heading}:\n"));
        for flow in flows {
            let ports = Catalogue::portico().find(flow.flow).map(wire);
            let ports = ports.unwrap_or_default();
            out.push_str(&format!(
                "    {ports:<18} {arrow} {}: {} [{}]\n",
                flow.peer, flow.purpose, flow.flow
            ));
        }
    }
    out
}

pub(super) fn value<T: Serialize + ?Sized>(of: &T) -> Result<Value, Failure> {
    serde_json::to_value(of)
        .map_err(|error| Failure::new("The answer cannot be written").reason(error))
}
