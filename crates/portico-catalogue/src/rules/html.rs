//! One page that needs nothing else.

use super::{
    Job, RuleFile,
    report::{COLUMNS, rows},
    text::one_line,
};

/// No scripts, and readable on paper, too.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Firewall rules</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; overflow-wrap: anywhere; padding: .35rem .7rem .35rem 0; text-align: left; vertical-align: top; }
th { white-space: nowrap; } td:nth-child(-n+3) { font-variant-numeric: tabular-nums; }
.note { border-left: .3rem solid #c60; font-weight: 600; padding-left: .7rem; }
@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>Firewall rules</h1>
"#;

pub(super) fn write(job: &Job<'_>) -> Vec<RuleFile> {
    let mut text = HEAD.to_owned();
    text.push_str(&format!("<p>{}</p>\n", job.outbound_note()));
    for note in &job.notes {
        text.push_str(&format!("<p class=\"note\">{}</p>\n", escaped(note)));
    }
    for host in job.hosts {
        let (id, title) = (escaped(&host.host.id), escaped(&host.host.title));
        text.push_str(&format!(
            "<h2><bdi>{id}</bdi>: <bdi>{title}</bdi></h2>\n<div class=\"wide\">\n<table>\n<thead><tr>"
        ));
        for column in COLUMNS {
            text.push_str(&format!("<th scope=\"col\">{column}</th>"));
        }
        text.push_str("</tr></thead>\n<tbody>\n");
        for row in rows(job, host) {
            let cells = row.cells.iter();
            let cells: Vec<String> = cells.map(|c| format!("<td>{}</td>", escaped(c))).collect();
            text.push_str(&format!("<tr>{}</tr>\n", cells.concat()));
        }
        text.push_str("</tbody>\n</table>\n</div>\n");
    }
    text.push_str("</body>\n</html>\n");
    vec![RuleFile {
        name: "portico-rules.html".to_owned(),
        text,
    }]
}

fn escaped(text: &str) -> String {
    one_line(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
