//! What both Terraform formats share.

use serde_json::{Map, Value};

use super::RuleFile;

/// `text` as a Terraform template string that means itself.
pub(super) fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

/// The document; keys are sorted, so that it is the same each time.
pub(super) fn document(name: &str, notes: String, parts: Map<String, Value>) -> RuleFile {
    let mut root = parts;
    root.insert("//".to_owned(), Value::String(literal(&notes)));
    RuleFile {
        name: name.to_owned(),
        text: format!("{:#}\n", Value::Object(root)),
    }
}

/// What is said at the beginning of a document.
pub(super) fn notes(job: &super::Job<'_>) -> String {
    let mut lines = vec![
        "Portico firewall rules.".to_owned(),
        job.outbound_note().to_owned(),
    ];
    lines.extend(job.notes.iter().map(|note| super::text::one_line(note)));
    lines.join("\n")
}
