//! A table, RFC 4180: each cell in quotes, lines end with CR LF.

use portico_model::text::without_formulas;

use super::{
    Job, RuleFile,
    report::{COLUMNS, rows},
    text::one_line,
};

pub(super) fn write(job: &Job<'_>) -> Vec<RuleFile> {
    let mut text = line(["Host", "Name"].into_iter().chain(COLUMNS));
    for note in &job.notes {
        text.push_str(&line(
            ["", "", "note", "", "", "", "", "", note].into_iter(),
        ));
    }
    for host in job.hosts {
        for row in rows(job, host) {
            let names = [host.host.id.as_str(), host.host.title.as_str()];
            let cells = row.cells.iter().map(String::as_str);
            text.push_str(&line(names.into_iter().chain(cells)));
        }
    }
    vec![RuleFile {
        name: "portico-rules.csv".to_owned(),
        text,
    }]
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

fn cell(text: &str) -> String {
    let text = one_line(text).replace('"', "\"\"");
    format!("\"{}\"", without_formulas(&text))
}
