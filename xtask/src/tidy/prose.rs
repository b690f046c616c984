//! All texts: no paths of one machine, no trailing spaces in prose.

use super::{Files, Finding};

/// Folders that exist on one machine only. Put together here, so that this file is clean itself.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/portico"),
];
/// Lines longer than this are data.
const LINE_LEN_MAX: usize = 2000;

pub(crate) fn check(files: &Files, findings: &mut Vec<Finding>) {
    for (file, text) in files {
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.len() <= LINE_LEN_MAX)
        {
            for path in MACHINE_PATHS.iter().filter(|path| mentions(line, path)) {
                findings.push(Finding::new(
                    file,
                    index + 1,
                    format!("mentions {path}, a folder of one machine"),
                    "use a path from the project's root, or a variable",
                ));
            }
            if file.ends_with(".md") && line.ends_with([' ', '\t']) {
                findings.push(Finding::new(
                    file,
                    index + 1,
                    "ends with a space",
                    "remove it",
                ));
            }
        }
        let prose = [".md", ".toml", ".rs"]
            .iter()
            .any(|ending| file.ends_with(ending));
        if prose && !text.is_empty() && !text.ends_with('\n') {
            findings.push(Finding::new(
                file,
                text.lines().count(),
                "does not end with a line break",
                "add it",
            ));
        }
    }
}

/// Whether `path` begins in `line` as an absolute path, and not in the middle of another or of an
/// address.
fn mentions(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "_-./})".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(
            &Files::from([(file.to_owned(), text.to_owned())]),
            &mut findings,
        );
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for path in MACHINE_PATHS {
            let text = format!("fine\ncd {path}x\n");
            assert!(
                found("run", &text)[0].starts_with("run:2: mentions"),
                "{path}"
            );
            assert!(found("run", &format!("https://example.org{path}x\n")).is_empty());
            assert!(found("run", &format!("$HOME{path}x\n")).is_empty());
        }
    }

    #[test]
    fn prose_has_no_trailing_spaces_and_ends_its_last_line() {
        assert_eq!(found("a.md", "one \ntwo\t\n").len(), 2);
        assert!(found("a.txt", "one \n").is_empty());
        assert!(found("a.md", "one")[0].contains("line break"));
    }
}
