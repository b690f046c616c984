//! `deny.toml`: licences, banned crates, duplicates with dated exceptions, sources. What cargo-deny
//! checks too, but for the advisories, which need its database.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Files, Finding, licence, line_of};

const FILE: &str = "deny.toml";

/// The parts of `deny.toml` that are read here.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Lists {
    #[serde(default)]
    pub(crate) graph: Graph,
    #[serde(default)]
    licenses: Licences,
    #[serde(default)]
    bans: Bans,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Graph {
    #[serde(default)]
    pub(crate) targets: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Licences {
    #[serde(default)]
    allow: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Bans {
    #[serde(default)]
    deny: Vec<Entry>,
    #[serde(default)]
    skip: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "crate")]
    krate: String,
    #[serde(default)]
    reason: String,
}

impl Entry {
    /// Whether it means this package: `name`, or `name@version` with a whole part of a version.
    fn means(&self, package: &Package) -> bool {
        match self.krate.split_once('@') {
            None => self.krate == package.name,
            Some((name, version)) => {
                name == package.name
                    && package
                        .version
                        .strip_prefix(version)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '+']))
            }
        }
    }
}

/// A package of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    name: String,
    version: String,
    licence: String,
}

impl Lists {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }
}

/// Reads `cargo tree --prefix none --format {p}|{l}`; each package once.
pub(crate) fn parse_tree(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = text
        .lines()
        .filter_map(|line| {
            let line = line.strip_suffix(" (*)").unwrap_or(line);
            let (package, licence) = line.split_once('|')?;
            let mut words = package.split(' ');
            let name = words.next()?.to_owned();
            let version = words.next()?.strip_prefix('v')?.to_owned();
            Some(Package {
                name,
                version,
                licence: licence.trim().to_owned(),
            })
        })
        .collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    packages.dedup();
    packages
}

/// Licences, bans and duplicates.
pub(crate) fn check(lists: &Lists, text: &str, packages: &[Package], findings: &mut Vec<Finding>) {
    let allow_line = line_of(text, |line| line.starts_with("allow"));
    for package in packages {
        let Package {
            name,
            version,
            licence,
        } = package;
        let trouble = match licence::is_allowed(licence, &lists.licenses.allow) {
            Ok(true) => None,
            Ok(false) => Some(format!(
                "{name} {version} is under {licence:?}, which is not allowed"
            )),
            Err(error) => Some(format!(
                "{name} {version} has the licence {licence:?}: {error}"
            )),
        };
        if let Some(what) = trouble {
            let to_do = "use another crate, or allow the licence after reading it";
            findings.push(Finding::new(FILE, allow_line, what, to_do));
        }
        if let Some(ban) = lists.bans.deny.iter().find(|entry| entry.means(package)) {
            findings.push(Finding::new(
                FILE,
                entry_line(text, ban),
                format!(
                    "{name} {version} is in the build and banned: {}",
                    ban.reason
                ),
                format!(
                    "`cargo tree --invert {name}` shows who brings it; switch that feature off"
                ),
            ));
        }
    }
    check_duplicates(lists, text, packages, findings);
}

fn check_duplicates(lists: &Lists, text: &str, packages: &[Package], findings: &mut Vec<Finding>) {
    let mut versions: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(package);
    }
    for (name, packages) in &versions {
        let skipped =
            |package: &&&Package| lists.bans.skip.iter().any(|entry| entry.means(package));
        let kept = packages.iter().filter(|package| !skipped(package)).count();
        if packages.len() > 1 && kept > 1 {
            let numbers: Vec<&str> = packages.iter().map(|p| p.version.as_str()).collect();
            findings.push(Finding::new(
                FILE,
                line_of(text, |line| line.starts_with("skip")),
                format!("{name} is in the build as {}", numbers.join(" and ")),
                "bring it to one version, or add a dated skip with the reason",
            ));
        }
    }
    for entry in &lists.bans.skip {
        let line = entry_line(text, entry);
        let name = entry.krate.split('@').next().unwrap_or_default();
        let needed = versions.get(name).is_some_and(|packages| {
            packages.len() > 1 && packages.iter().any(|package| entry.means(package))
        });
        if !needed {
            findings.push(Finding::new(
                FILE,
                line,
                format!("the skip of {} is not needed any more", entry.krate),
                "remove it",
            ));
        }
        if !begins_with_date(&entry.reason) {
            findings.push(Finding::new(
                FILE,
                line,
                format!("the skip of {} has no date", entry.krate),
                "begin the reason with the day on which you looked, as in \"2026-01-31: …\"",
            ));
        }
    }
}

fn entry_line(text: &str, entry: &Entry) -> usize {
    line_of(text, |line| line.contains(&format!("\"{}\"", entry.krate)))
}

fn begins_with_date(reason: &str) -> bool {
    let date = reason.as_bytes().get(..10).unwrap_or_default();
    date.len() == 10
        && date.iter().enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Lock files name no source but the public registry: cargo's by its index, npm's by leaving it
/// out, as `web/.npmrc` asks.
pub(crate) fn check_sources(files: &Files, findings: &mut Vec<Finding>) {
    for (file, text) in files {
        let (key, public): (&str, &[&str]) = match file.rsplit('/').next() {
            Some("Cargo.lock") => (
                "source = \"",
                &["registry+https://github.com/rust-lang/crates.io-index\""],
            ),
            Some("package-lock.json") => ("\"resolved\": \"", &["node_modules/"]),
            _ => continue,
        };
        for (index, line) in text.lines().enumerate() {
            let Some(source) = line.trim_start().strip_prefix(key) else {
                continue;
            };
            if !public.iter().any(|public| source.starts_with(public)) {
                findings.push(Finding::new(
                    file,
                    index + 1,
                    "names a source other than the public registry",
                    "resolve it again from the public registry",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[licenses]
allow = ["MIT", "ISC"]
[bans]
deny = [
  { crate = "native-tls", reason = "one TLS stack" },
]
skip = [
  { crate = "syn@2", reason = "2026-11-21: macros" },
]
"#;

    fn found(text: &str, tree: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(
            &Lists::parse(text).unwrap(),
            text,
            &parse_tree(tree),
            &mut findings,
        );
        findings.iter().map(ToString::to_string).collect()
    }

    const GOOD: &str =
        "a v0.1.0 (/x/a)|MIT\nsyn v2.0.1|MIT OR GPL-3.0\nsyn v3.0.0|ISC\nsyn v3.0.0|ISC (*)\n";

    #[test]
    fn a_build_within_the_lists_has_no_findings() {
        assert_eq!(found(TEXT, GOOD), Vec::<String>::new());
    }

    #[test]
    fn a_licence_that_is_not_allowed_is_found() {
        for licence in ["GPL-3.0", "", "MIT OR"] {
            let findings = found(TEXT, &format!("{GOOD}b v1.0.0|{licence}\n"));
            assert!(
                findings[0].starts_with("deny.toml:3: b 1.0.0"),
                "{findings:?}"
            );
        }
    }

    #[test]
    fn a_banned_crate_is_found() {
        let findings = found(TEXT, &format!("{GOOD}native-tls v0.2.0|MIT\n"));
        assert!(
            findings[0].starts_with("deny.toml:6: native-tls 0.2.0"),
            "{findings:?}"
        );
    }

    #[test]
    fn a_duplicate_needs_a_dated_skip_that_is_still_needed() {
        let twice = found(TEXT, &format!("{GOOD}b v1.0.0|MIT\nb v2.0.0|MIT\n"));
        assert!(
            twice[0].contains("b is in the build as 1.0.0 and 2.0.0"),
            "{twice:?}"
        );
        let once = found(TEXT, "syn v3.0.0|MIT\n");
        assert!(once[0].contains("not needed any more"), "{once:?}");
        let undated = found(&TEXT.replace("2026-11-21: ", ""), GOOD);
        assert!(undated[0].contains("has no date"), "{undated:?}");
        // "2" is a whole part of "2.0.1", and not of "20.0.1".
        assert_eq!(found(TEXT, "syn v20.0.1|MIT\nsyn v3.0.0|ISC\n").len(), 2);
    }

    #[test]
    fn another_registry_in_a_lock_file_is_found() {
        let files = Files::from([
            ("Cargo.lock".to_owned(), "source = \"git+https://example.org\"\n".to_owned()),
            (
                "web/package-lock.json".to_owned(),
                "  \"resolved\": \"node_modules/a\",\n  \"resolved\": \"https://example.org/a.tgz\",\n".to_owned(),
            ),
        ]);
        let mut findings = Vec::new();
        check_sources(&files, &mut findings);
        let lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, vec![1, 2]);
    }
}
