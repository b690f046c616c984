//! ARCHITECTURE.md: its map has every crate, in the right tier, and no other.

use std::collections::BTreeMap;

use super::{Finding, crates::Manifest};

const FILE: &str = "ARCHITECTURE.md";
/// Longest map that is still read.
const LINES_MAX: usize = 300;

pub(crate) fn check(manifests: &[Manifest], text: Option<&str>, findings: &mut Vec<Finding>) {
    let Some(text) = text else {
        findings.push(Finding::new(
            FILE,
            1,
            "is missing",
            "write the map of the crates: a table with the columns tier, crate, what it is",
        ));
        return;
    };
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(Finding::new(
            FILE,
            lines,
            format!("has {lines} lines, more than {LINES_MAX}"),
            "move details to docs/",
        ));
    }
    let rows = rows(text);
    for manifest in manifests {
        let tier = manifest.tier.map_or("", super::crates::Tier::name);
        match rows.get(manifest.name.as_str()) {
            None => findings.push(Finding::new(
                FILE,
                1,
                format!("the map has no row for {}", manifest.name),
                format!("add | {tier} | `{}` | what it is |", manifest.name),
            )),
            Some((line, stated)) if *stated != tier => findings.push(Finding::new(
                FILE,
                *line,
                format!(
                    "the map puts {} in the tier {stated}, its manifest in {tier}",
                    manifest.name
                ),
                "make them the same",
            )),
            Some(_) => {}
        }
    }
    for (name, (line, _)) in &rows {
        if manifests.iter().all(|manifest| manifest.name != *name) {
            findings.push(Finding::new(
                FILE,
                *line,
                format!("the map has {name}, which is no crate"),
                "remove the row",
            ));
        }
    }
}

/// Crate → line and tier, from rows like "| core | `name` | … |".
fn rows(text: &str) -> BTreeMap<&str, (usize, &str)> {
    let mut rows = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let mut cells = line.split('|').map(str::trim);
        let (Some(""), Some(tier), Some(name)) = (cells.next(), cells.next(), cells.next()) else {
            continue;
        };
        if let Some(name) = name
            .strip_prefix('`')
            .and_then(|name| name.strip_suffix('`'))
        {
            rows.insert(name, (index + 1, tier));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::crates::tests::manifest;

    fn found(text: Option<&str>) -> Vec<String> {
        let manifests = [manifest("a", "core", ""), manifest("b", "edge", "")];
        let mut findings = Vec::new();
        check(&manifests, text, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_map_has_each_crate_once_in_its_tier() {
        assert!(found(Some("| core | `a` | x |\n| edge | `b` | y |\n")).is_empty());
        assert_eq!(
            found(Some(
                "# Map\n| core | `a` | x |\n| core | `b` | y |\n| core | `c` | z |\n"
            )),
            vec![
                "ARCHITECTURE.md:3: the map puts b in the tier core, its manifest in edge — make them the same",
                "ARCHITECTURE.md:4: the map has c, which is no crate — remove the row",
            ]
        );
        assert_eq!(
            found(Some("| core | `a` | x |\n")),
            vec!["ARCHITECTURE.md:1: the map has no row for b — add | edge | `b` | what it is |"]
        );
    }

    #[test]
    fn a_missing_or_long_map_is_a_finding() {
        assert!(found(None)[0].contains("is missing"));
        let long = format!(
            "| core | `a` | x |\n| edge | `b` | y |\n{}",
            "\n".repeat(LINES_MAX)
        );
        assert!(found(Some(&long))[0].contains("lines"));
    }
}
