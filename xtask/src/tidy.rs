//! The rules of the workspace that a machine can check. Each rule is a function of texts, with
//! tests that make it fail; [`run`] reads the texts.

mod crates;
mod licence;
mod lists;
mod map;
mod prose;
mod source;

use std::{collections::BTreeMap, fmt, fs, path::Path, process::Command};

use anyhow::Context;

/// Largest file that is looked at; larger ones are data.
const FILE_LEN_MAX: u64 = 1 << 20;

/// Something to put right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) to_do: String,
}

impl Finding {
    fn new(
        file: impl Into<String>,
        line: usize,
        what: impl Into<String>,
        to_do: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            line,
            what: what.into(),
            to_do: to_do.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {} — {}",
            self.file, self.line, self.what, self.to_do
        )
    }
}

/// Texts of the workspace by path from its root, with `/`.
pub(crate) type Files = BTreeMap<String, String>;

/// Reads the workspace and applies all rules; findings are sorted by file and line.
pub(crate) fn run(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let files = read_files(root)?;
    let mut findings = Vec::new();
    let manifests = crates::read(&files, &mut findings);
    crates::check(&manifests, &mut findings);
    crates::check_members(&manifests, &member_names(root)?, &mut findings);
    crates::check_clippy_copies(&manifests, &files, &mut findings);
    map::check(
        &manifests,
        files.get("ARCHITECTURE.md").map(String::as_str),
        &mut findings,
    );
    source::check(&files, &mut findings);
    prose::check(&files, &mut findings);
    let lists = lists::Lists::parse(
        files
            .get("deny.toml")
            .map(String::as_str)
            .unwrap_or_default(),
    );
    match lists {
        Ok(lists) => {
            let text = files
                .get("deny.toml")
                .map(String::as_str)
                .unwrap_or_default();
            lists::check(&lists, text, &packages(root, &lists)?, &mut findings);
        }
        Err(error) => findings.push(Finding::new(
            "deny.toml",
            1,
            format!("cannot be read: {error}"),
            "write it as cargo-deny expects it",
        )),
    }
    lists::check_sources(&files, &mut findings);
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// All texts that are in git or would be added to it.
fn read_files(root: &Path) -> anyhow::Result<Files> {
    let listed = output(
        root,
        "git",
        &[
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
    )?;
    let mut files = Files::new();
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let path = root.join(name);
        // A file can be deleted and not yet committed so; links and data are not looked at.
        let Ok(about) = fs::symlink_metadata(&path) else {
            continue;
        };
        let is_lock = name.ends_with("package-lock.json");
        if !about.is_file() || (about.len() > FILE_LEN_MAX && !is_lock) {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("reading {name}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.insert(name.to_owned(), text);
        }
    }
    Ok(files)
}

fn member_names(root: &Path) -> anyhow::Result<Vec<String>> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata")?;
    Ok(metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect())
}

/// Packages that are really built, with their licences. `cargo tree` and not `cargo metadata`:
/// the latter counts packages of features that are off.
fn packages(root: &Path, lists: &lists::Lists) -> anyhow::Result<Vec<lists::Package>> {
    let mut arguments: Vec<&str> =
        "tree --workspace --locked --edges normal,build,dev --prefix none --format {p}|{l}"
            .split(' ')
            .collect();
    for target in &lists.graph.targets {
        arguments.extend(["--target", target]);
    }
    Ok(lists::parse_tree(&output(root, env!("CARGO"), &arguments)?))
}

fn output(root: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .with_context(|| format!("starting {program}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{program} {} failed: {}",
        arguments.first().copied().unwrap_or_default(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).with_context(|| format!("output of {program}"))
}

/// Line, from 1, of the first line that `wanted` says yes to; 1 when there is none.
fn line_of(text: &str, wanted: impl Fn(&str) -> bool) -> usize {
    text.lines().position(wanted).map_or(1, |index| index + 1)
}
