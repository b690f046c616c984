//! A document with one table for each host.

use super::{
    Job, RuleFile,
    report::{COLUMNS, rows},
    text::one_line,
};

pub(super) fn write(job: &Job<'_>) -> Vec<RuleFile> {
    let mut text = format!("# Firewall rules\n\n{}\n", job.outbound_note());
    for note in &job.notes {
        text.push_str(&format!("\n**{}**\n", escaped(note)));
    }
    for host in job.hosts {
        let (id, title) = (escaped(&host.host.id), escaped(&host.host.title));
        text.push_str(&format!("\n## {id}: {title}\n\n"));
        let rows = rows(job, host);
        let titles = COLUMNS.map(str::to_owned);
        text.push_str(&line(&titles));
        text.push_str(&line(&COLUMNS.map(|_| "---".to_owned())));
        for row in &rows {
            text.push_str(&line(&row.cells.clone().map(|cell| escaped(&cell))));
        }
    }
    vec![RuleFile {
        name: "portico-rules.md".to_owned(),
        text,
    }]
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Text that means itself: no emphasis, link, picture, code, tag, entity or end of a cell.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in one_line(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // GitHub makes links of bare addresses.
            '@' => safe.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    safe.replace("://", "&#58;//").replace("www.", "www&#46;")
}
