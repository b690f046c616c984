//! The whole catalogue as one page of Markdown: `docs/ports.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use crate::{
    catalogue::Catalogue,
    flow::{
        Answer, Condition, Direction, End, ErratumEffect, FeatureEntry, Flow, OsGeneration,
        PortRange, Proof, RoleEntry, Source,
    },
};

const INTRO: &str = "# Ports

<!-- Generated from crates/portico-catalogue/data: change the data, then run
     UPDATE_EXPECT=1 cargo test -p portico-catalogue -->

This page lists every network flow of the documents that the catalogue holds: who opens a connection to whom, over which ports, why, and where that is written.
`portico ports list`, `show`, `search`, `coverage` and `errata` print the same data, and `portico ports plan` picks out what an estate needs.

- **Written** is the port cell of the document, word for word; **Ports** is what it means, and what an erratum corrects stands behind an arrow.
- **When** lists what has to hold for a plan to have the flow: features (see [Features](#features)), generations of the operating system at one end, and other conditions.
- **Proof** is a class of [How flows are proven](#how-flows-are-proven).
- **Portico** is the answer to the flow: built, replaced, catalogued (known, planned and written as rules), or declined.

";

/// The page; ends with a line break.
pub fn ports_page(catalogue: &Catalogue) -> String {
    let mut page = String::from(INTRO);
    coverage(&mut page, catalogue);
    for (document, title) in catalogue.documents() {
        write_document(&mut page, catalogue, document, title);
    }
    errata(&mut page, catalogue);
    roles(&mut page, catalogue);
    features(&mut page, catalogue);
    proofs(&mut page);
    page
}

/// Ports as people write them: `53`, `1024-65535`, `4000, 4002, … (formula)`.
pub fn ports_text(ports: &[PortRange]) -> String {
    let texts: Vec<String> = ports
        .iter()
        .map(|range| {
            let PortRange {
                first,
                last,
                formula,
            } = range;
            match formula {
                Some(formula) => format!("{first} and on: {}", formula.text),
                None if first == last => first.to_string(),
                None => format!("{first}-{last}"),
            }
        })
        .collect();
    texts.join(", ")
}

/// A condition as a few words.
pub fn condition_text(condition: &Condition) -> String {
    match condition {
        Condition::Feature { feature } => format!("feature {feature}"),
        Condition::Os { at, first, last } => {
            let end = match at {
                End::From => "who opens",
                End::To => "who listens",
            };
            let os = match (first, last) {
                (Some(first), Some(last)) if first == last => os_text(*first).to_owned(),
                (Some(first), Some(last)) => format!("{} to {}", os_text(*first), os_text(*last)),
                (Some(first), None) => format!("{} or later", os_text(*first)),
                (None, Some(last)) => format!("{} or earlier", os_text(*last)),
                (None, None) => "any Windows".to_owned(),
            };
            format!("{end} runs {os}")
        }
        Condition::SameSite => "both at one site".to_owned(),
        Condition::Optional { why } => format!("optional: {why}"),
        Condition::PortGiven { name, question } => {
            format!("port {name} from the estate: {question}")
        }
        Condition::Note { text } => text.clone(),
    }
}

/// Name of a generation.
pub const fn os_text(generation: OsGeneration) -> &'static str {
    match generation {
        OsGeneration::Windows2000 => "Windows 2000",
        OsGeneration::WindowsXp => "Windows XP",
        OsGeneration::Windows2003 => "Windows Server 2003",
        OsGeneration::Windows2008 => "Windows Vista or Server 2008",
        OsGeneration::Windows2008R2 => "Windows 7 or Server 2008 R2",
        OsGeneration::Windows2012 => "Windows 8 or Server 2012",
        OsGeneration::Windows2012R2 => "Windows 8.1 or Server 2012 R2",
        OsGeneration::Windows2016 => "Windows 10 or Server 2016",
        OsGeneration::Other => "another system",
    }
}

/// An answer as a few words.
pub fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Built { by } => format!("built: {by}"),
        Answer::Replaced { by, why } => format!("replaced by {by}. {why}"),
        Answer::Catalogued { why } => format!("catalogued. {why}"),
        Answer::Declined { why } => format!("declined. {why}"),
    }
}

/// Text that stands in one cell of a table and is nothing but text there.
pub fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' => {
                safe.push('\\');
                safe.push(c);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\t' | '\n' | '\r' => safe.push(' '),
            c if c.is_control() || is_invisible(c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Characters that change how others are shown.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn line(page: &mut String, cells: &[String]) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn table_head(page: &mut String, names: &[&str]) {
    let _ = writeln!(page, "| {} |", names.join(" | "));
    let _ = writeln!(page, "|{}", " --- |".repeat(names.len()));
}

fn coverage(page: &mut String, catalogue: &Catalogue) {
    page.push_str("## Coverage\n\n");
    table_head(
        page,
        &[
            "Document",
            "Id",
            "Rows",
            "Flows",
            "Built",
            "Replaced",
            "Catalogued",
            "Declined",
        ],
    );
    for entry in catalogue.coverage() {
        line(
            page,
            &[
                cell(entry.title),
                format!("`{}`", entry.document),
                entry.rows.to_string(),
                entry.flows.to_string(),
                entry.built.len().to_string(),
                entry.replaced.len().to_string(),
                entry.catalogued.len().to_string(),
                entry.declined.len().to_string(),
            ],
        );
    }
    page.push('\n');
}

fn write_document(page: &mut String, catalogue: &Catalogue, document: &str, title: &str) {
    let mut sections: BTreeMap<&str, Vec<(&Source, &Flow)>> = BTreeMap::new();
    for flow in catalogue.flows() {
        for source in flow
            .sources
            .iter()
            .filter(|source| source.document == document)
        {
            let rows = sections.entry(&source.section).or_default();
            rows.push((source, flow));
        }
    }
    let _ = writeln!(page, "## {}\n", cell(title));
    for (section, mut rows) in sections {
        // What stands in prose comes last.
        rows.sort_by_key(|(source, flow)| (source.row.unwrap_or(u32::MAX), &flow.id));
        let _ = writeln!(page, "### {}\n", cell(section));
        table_head(
            page,
            &[
                "Row", "Written", "Flow", "From", "To", "Ports", "Protocol", "Purpose", "When",
                "Proof", "Portico",
            ],
        );
        for (source, flow) in rows {
            line(page, &flow_cells(source, flow));
        }
        page.push('\n');
    }
}

fn flow_cells(source: &Source, flow: &Flow) -> [String; 11] {
    let when: Vec<String> = flow.conditions.iter().map(condition_text).collect();
    let row = source
        .row
        .map_or_else(|| "prose".to_owned(), |row| row.to_string());
    let arrow = match flow.direction {
        Direction::OneWay => "",
        Direction::BothWays => " (both ways)",
    };
    [
        row,
        cell(&source.as_written),
        format!("`{}`", flow.id),
        format!("`{}`", flow.from),
        format!("`{}`{arrow}", flow.to),
        cell(&carried_by(flow)),
        cell(&flow.application_protocol),
        cell(&flow.purpose),
        cell(&when.join("; ")),
        format!("{:?}", flow.proof),
        cell(&answer_text(&flow.portico)),
    ]
}

fn carried_by(flow: &Flow) -> String {
    let written = ports_text(&flow.ports);
    let corrected = ports_text(flow.corrected_ports());
    let mut text = flow.transport_name();
    if !written.is_empty() {
        let _ = write!(text, " {written}");
    }
    if corrected != written {
        let _ = write!(text, " → {corrected}");
    }
    if flow.is_left_out() {
        text.push_str(" → none");
    }
    text
}

fn errata(page: &mut String, catalogue: &Catalogue) {
    page.push_str("## Errata\n\nWhat the documents get wrong, and what would be right.\n\n");
    table_head(
        page,
        &["Flow", "Where", "Written", "Correction", "Effect on plans"],
    );
    for entry in catalogue.errata() {
        let places: BTreeSet<String> = entry.sources.iter().map(place).collect();
        let places: Vec<String> = places.into_iter().collect();
        let effect = match &entry.erratum.effect {
            ErratumEffect::Words => String::new(),
            ErratumEffect::Ports { ports } => format!("{} instead", ports_text(ports)),
            ErratumEffect::LeaveOut => "left out".to_owned(),
        };
        line(
            page,
            &[
                format!("`{}`", entry.flow),
                cell(&places.join("; ")),
                cell(&entry.erratum.written),
                cell(&entry.erratum.correction),
                effect,
            ],
        );
    }
    page.push('\n');
}

fn place(source: &Source) -> String {
    match source.row {
        Some(row) => format!("{}, row {row}", source.section),
        None => format!("{}, prose", source.section),
    }
}

fn roles(page: &mut String, catalogue: &Catalogue) {
    page.push_str("## Roles\n\n");
    table_head(page, &["Role", "Name", "What it is", "Includes", "Where"]);
    for role in catalogue.roles() {
        let RoleEntry {
            id,
            title,
            description,
            includes,
            external,
        } = role;
        let includes: Vec<String> = includes.iter().map(|id| format!("`{id}`")).collect();
        let place = if *external { "outside" } else { "estate" };
        line(
            page,
            &[
                format!("`{id}`"),
                cell(title),
                cell(description),
                includes.join(", "),
                place.to_owned(),
            ],
        );
    }
    page.push('\n');
}

fn features(page: &mut String, catalogue: &Catalogue) {
    page.push_str("## Features\n\n");
    table_head(
        page,
        &["Feature", "Name", "What it does", "Unless the estate says"],
    );
    for feature in catalogue.features() {
        let FeatureEntry {
            id,
            title,
            description,
            default,
        } = feature;
        let default = if *default { "on" } else { "off" };
        line(
            page,
            &[
                format!("`{id}`"),
                cell(title),
                cell(description),
                default.to_owned(),
            ],
        );
    }
    page.push('\n');
}

fn proofs(page: &mut String) {
    page.push_str("## How flows are proven\n\n");
    table_head(page, &["Class", "Meaning"]);
    for proof in [Proof::A, Proof::B, Proof::C, Proof::D, Proof::E, Proof::F] {
        line(page, &[format!("{proof:?}"), proof.meaning().to_owned()]);
    }
}
