//! Manifests: tiers, edges between crates, inherited lints.

use std::collections::BTreeMap;

use super::{Files, Finding, line_of};

/// Services that may know another service, with the reason.
const SERVICE_EDGES: &[(&str, &str)] = &[
    // The portal's handlers call the broker's public API in the same process; the API of the two
    // is one and the wiring in the binary would only repeat it.
    ("portico-portal", "portico-broker"),
];

/// Crates that words and cores must not know: runtimes, sockets, files, randomness.
const IMPURE: &[&str] = &[
    "aws-lc-rs",
    "getrandom",
    "hyper",
    "libc",
    "mio",
    "rand",
    "reqwest",
    "rusqlite",
    "russh",
    "rustix",
    "rustls",
    "socket2",
    "tokio",
    "tokio-rustls",
    "tokio-util",
    "tracing-subscriber",
];

/// The one crate that names the RDP libraries.
const RDP_CRATE: &str = "portico-rdp";

/// Place of a crate in the order of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    Words,
    Core,
    Edge,
    Services,
    Binary,
    Bindings,
    Tests,
    Tools,
}

impl Tier {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "words" => Self::Words,
            "core" => Self::Core,
            "edge" => Self::Edge,
            "services" => Self::Services,
            "binary" => Self::Binary,
            "bindings" => Self::Bindings,
            "tests" => Self::Tests,
            "tools" => Self::Tools,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Core => "core",
            Self::Edge => "edge",
            Self::Services => "services",
            Self::Binary => "binary",
            Self::Bindings => "bindings",
            Self::Tests => "tests",
            Self::Tools => "tools",
        }
    }

    pub(crate) fn is_pure(self) -> bool {
        matches!(self, Self::Words | Self::Core)
    }

    fn may_use(self, other: Self) -> bool {
        use Tier::{Binary, Bindings, Core, Edge, Services, Tests, Tools, Words};
        match self {
            Words => other == Words,
            Core => matches!(other, Words | Core),
            Edge => matches!(other, Words | Core | Edge | Bindings),
            Services => matches!(other, Words | Core | Edge | Bindings),
            Binary => matches!(other, Words | Core | Edge | Services | Bindings),
            Bindings => other == Words,
            Tests => matches!(other, Words | Core | Edge | Services | Bindings | Tests),
            Tools => matches!(other, Words | Core | Tools),
        }
    }
}

/// What a crate needs another for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// To be built.
    Build,
    /// For its own tests.
    Tests,
}

/// What a rule wants to know of a crate.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) tier: Option<Tier>,
    text: String,
    inherits_lints: bool,
    dependencies: Vec<(String, Need)>,
}

impl Manifest {
    pub(crate) fn folder(&self) -> &str {
        self.file.strip_suffix("/Cargo.toml").unwrap_or(&self.file)
    }

    fn line_of_dependency(&self, name: &str) -> usize {
        line_of(&self.text, |line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '.', '=']))
        })
    }
}

/// Reads the manifests of all crates of the workspace.
pub(crate) fn read(files: &Files, findings: &mut Vec<Finding>) -> Vec<Manifest> {
    let is_member = |name: &str| {
        name == "xtask/Cargo.toml"
            || (name.starts_with("crates/")
                && name.ends_with("/Cargo.toml")
                && name.matches('/').count() == 2)
    };
    let mut manifests = Vec::new();
    for (file, text) in files.iter().filter(|(name, _)| is_member(name)) {
        match parse(file, text) {
            Ok(manifest) => manifests.push(manifest),
            Err(error) => findings.push(Finding::new(file, 1, error, "write a whole manifest")),
        }
    }
    manifests
}

fn parse(file: &str, text: &str) -> Result<Manifest, String> {
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| e.message().to_owned())?;
    let at = |path: &[&str]| {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(table.get(*first)?, |value, key| value.get(key))
    };
    let name = at(&["package", "name"])
        .and_then(toml::Value::as_str)
        .ok_or("has no name")?;
    let tier = at(&["package", "metadata", "portico", "tier"]).and_then(toml::Value::as_str);
    let mut dependencies = Vec::new();
    collect_dependencies(&table, &mut dependencies);
    if let Some(targets) = table.get("target").and_then(toml::Value::as_table) {
        for target in targets.values().filter_map(toml::Value::as_table) {
            collect_dependencies(target, &mut dependencies);
        }
    }
    Ok(Manifest {
        file: file.to_owned(),
        name: name.to_owned(),
        tier: tier.and_then(Tier::parse),
        text: text.to_owned(),
        inherits_lints: at(&["lints", "workspace"]).and_then(toml::Value::as_bool) == Some(true),
        dependencies,
    })
}

fn collect_dependencies(table: &toml::Table, into: &mut Vec<(String, Need)>) {
    let kinds = [
        ("dependencies", Need::Build),
        ("build-dependencies", Need::Build),
        ("dev-dependencies", Need::Tests),
    ];
    for (key, need) in kinds {
        let Some(entries) = table.get(key).and_then(toml::Value::as_table) else {
            continue;
        };
        for (alias, entry) in entries {
            let real = entry
                .get("package")
                .and_then(toml::Value::as_str)
                .unwrap_or(alias);
            into.push((real.to_owned(), need));
        }
    }
}

/// Tiers, edges, lints and the RDP libraries.
pub(crate) fn check(manifests: &[Manifest], findings: &mut Vec<Finding>) {
    let tiers: BTreeMap<&str, Option<Tier>> = manifests
        .iter()
        .map(|m| (m.name.as_str(), m.tier))
        .collect();
    for manifest in manifests {
        if manifest.tier.is_none() {
            findings.push(Finding::new(
                &manifest.file,
                line_of(&manifest.text, |line| line.starts_with("tier")),
                "states no tier of the workspace",
                "add [package.metadata.portico] tier = \"words\", \"core\", \"edge\", \"services\", \"binary\", \"bindings\", \"tests\" or \"tools\"",
            ));
        }
        if !manifest.inherits_lints {
            findings.push(Finding::new(
                &manifest.file,
                line_of(&manifest.text, |line| line.starts_with("[lints")),
                "does not inherit the lints of the workspace",
                "add [lints] workspace = true",
            ));
        }
        for (dependency, need) in &manifest.dependencies {
            check_edge(manifest, dependency, *need, &tiers, findings);
        }
    }
}

fn check_edge(
    manifest: &Manifest,
    dependency: &str,
    need: Need,
    tiers: &BTreeMap<&str, Option<Tier>>,
    findings: &mut Vec<Finding>,
) {
    let line = manifest.line_of_dependency(dependency);
    let mut found = |what: String, to_do: &str| {
        findings.push(Finding::new(&manifest.file, line, what, to_do));
    };
    let rdp = dependency.starts_with("ironrdp") || dependency == "sspi";
    if rdp && manifest.name != RDP_CRATE {
        found(
            format!("{} names {dependency}", manifest.name),
            "only portico-rdp does; use what it offers, or add to it",
        );
    }
    let Some(tier) = manifest.tier else { return };
    if need == Need::Build && tier.is_pure() && IMPURE.contains(&dependency) {
        found(
            format!(
                "{} is of the tier {} and needs {dependency}",
                manifest.name,
                tier.name()
            ),
            "words and cores do no I/O: let a service read, and hand over the text",
        );
    }
    let Some(Some(other)) = tiers.get(dependency) else {
        return;
    };
    let for_tests = need == Need::Tests && *other == Tier::Tests;
    let named = SERVICE_EDGES.contains(&(manifest.name.as_str(), dependency));
    if tier.may_use(*other) || for_tests || named {
        return;
    }
    let to_do = if tier == Tier::Services && *other == Tier::Services {
        "a service never depends on another: let the binary wire them, through a trait of this crate"
    } else {
        "turn the edge round, or move what is needed to a lower tier (ARCHITECTURE.md)"
    };
    found(
        format!(
            "{} ({}) depends on {dependency} ({})",
            manifest.name,
            tier.name(),
            other.name()
        ),
        to_do,
    );
}

/// Every crate that cargo builds was checked, and every one that was checked is built.
pub(crate) fn check_members(
    manifests: &[Manifest],
    members: &[String],
    findings: &mut Vec<Finding>,
) {
    for member in members
        .iter()
        .filter(|name| manifests.iter().all(|m| m.name != **name))
    {
        findings.push(Finding::new(
            "Cargo.toml",
            1,
            format!("{member} is a member outside crates/"),
            "move it to crates/, with a folder of its own name",
        ));
    }
    for manifest in manifests {
        if !members.contains(&manifest.name) {
            findings.push(Finding::new(
                &manifest.file,
                1,
                format!("{} is no member of the workspace", manifest.name),
                "add it to members, or remove it",
            ));
        }
        let folder = manifest.folder().rsplit('/').next().unwrap_or_default();
        if folder != manifest.name {
            findings.push(Finding::new(
                &manifest.file,
                line_of(&manifest.text, |line| line.starts_with("name")),
                format!("{} stands in the folder {folder}", manifest.name),
                "give folder and crate the same name",
            ));
        }
    }
}

/// Words and cores have one clippy.toml, in copies, and it begins as the root's does.
pub(crate) fn check_clippy_copies(
    manifests: &[Manifest],
    files: &Files,
    findings: &mut Vec<Finding>,
) {
    const ORIGINAL: &str = "crates/portico-model/clippy.toml";
    let original = files.get(ORIGINAL).map(String::as_str).unwrap_or_default();
    let general = |text: &str| {
        text.split("\n\n")
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    let root = files
        .get("clippy.toml")
        .map(String::as_str)
        .unwrap_or_default();
    if general(root) != general(original) {
        findings.push(Finding::new(
            ORIGINAL,
            1,
            "its general settings differ from those of the root's clippy.toml",
            "make the lines before the first empty one the same",
        ));
    }
    for manifest in manifests
        .iter()
        .filter(|m| m.tier.is_some_and(Tier::is_pure))
    {
        let file = format!("{}/clippy.toml", manifest.folder());
        if files.get(&file).map(String::as_str) != Some(original) {
            findings.push(Finding::new(
                &file,
                1,
                "is not the clippy.toml of words and cores",
                format!("copy {ORIGINAL}"),
            ));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A good manifest with these dependency lines.
    pub(crate) fn manifest(name: &str, tier: &str, dependencies: &str) -> Manifest {
        let text = format!(
            "[package]\nname = \"{name}\"\n[package.metadata.portico]\ntier = \"{tier}\"\n[lints]\nworkspace = true\n{dependencies}"
        );
        parse(&format!("crates/{name}/Cargo.toml"), &text).unwrap()
    }

    fn found(manifests: &[Manifest]) -> Vec<String> {
        let mut findings = Vec::new();
        check(manifests, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn check_pair(from: (&str, &str), table: &str, to: (&str, &str), allowed: bool) {
        let from = manifest(
            from.0,
            from.1,
            &format!("[{table}]\n{}.workspace = true\n", to.0),
        );
        let to = manifest(to.0, to.1, "");
        let findings = found(&[from, to]);
        assert_eq!(findings.is_empty(), allowed, "{findings:?}");
    }

    #[test]
    fn an_edge_goes_down_and_never_up() {
        for (from, to, allowed) in [
            ("words", "words", true),
            ("words", "core", false),
            ("core", "words", true),
            ("core", "edge", false),
            ("edge", "edge", true),
            ("edge", "bindings", true),
            ("edge", "services", false),
            ("services", "edge", true),
            ("services", "services", false),
            ("services", "binary", false),
            ("services", "tests", false),
            ("binary", "services", true),
            ("binary", "tools", false),
            ("bindings", "core", false),
            ("tests", "services", true),
            ("tools", "edge", false),
        ] {
            check_pair(("a", from), "dependencies", ("b", to), allowed);
        }
    }

    #[test]
    fn tests_may_use_the_test_tier_but_not_another_service() {
        check_pair(("a", "core"), "dev-dependencies", ("b", "tests"), true);
        check_pair(
            ("a", "services"),
            "dev-dependencies",
            ("b", "services"),
            false,
        );
        check_pair(("a", "core"), "dev-dependencies", ("b", "edge"), false);
    }

    #[test]
    fn the_portal_may_know_the_broker_and_no_other_service() {
        let portal = ("portico-portal", "services");
        check_pair(portal, "dependencies", ("portico-broker", "services"), true);
        check_pair(
            portal,
            "dependencies",
            ("portico-gateway", "services"),
            false,
        );
        check_pair(
            ("portico-broker", "services"),
            "dependencies",
            portal,
            false,
        );
    }

    #[test]
    fn a_dependency_of_one_platform_or_under_another_name_is_seen() {
        let edge = manifest("b", "edge", "");
        let core = manifest(
            "a",
            "core",
            "[target.'cfg(unix)'.dependencies]\nb.workspace = true\n",
        );
        assert_eq!(found(&[core, edge]).len(), 1);
        let core = manifest(
            "a",
            "core",
            "[dependencies]\nrt = { package = \"tokio\", version = \"1\" }\n",
        );
        assert_eq!(found(&[core]).len(), 1);
    }

    #[test]
    fn a_core_without_io_crates() {
        let core = manifest(
            "a",
            "core",
            "[dependencies]\nserde.workspace = true\ntokio.workspace = true\n",
        );
        assert_eq!(
            found(&[core]),
            vec![
                "crates/a/Cargo.toml:9: a is of the tier core and needs tokio — words and cores do no I/O: let a service read, and hand over the text"
            ]
        );
    }

    #[test]
    fn rdp_libraries_are_named_in_one_crate() {
        let table = "[dependencies]\nironrdp-pdu.workspace = true\nsspi.workspace = true\n";
        assert_eq!(
            found(&[manifest("portico-gateway", "services", table)]).len(),
            2
        );
        assert!(found(&[manifest("portico-rdp", "edge", table)]).is_empty());
    }

    #[test]
    fn tier_and_lints_must_be_stated() {
        let parsed = parse("crates/a/Cargo.toml", "[package]\nname = \"a\"\n").unwrap();
        let findings = found(&[parsed]);
        assert!(findings[0].contains("no tier"), "{findings:?}");
        assert!(findings[1].contains("lints"), "{findings:?}");
        let wrong = manifest("a", "edgy", "");
        assert!(found(&[wrong])[0].contains(":4: states no tier"));
    }

    #[test]
    fn members_and_folders_match() {
        let manifests = [manifest("a", "core", "")];
        let mut findings = Vec::new();
        check_members(&manifests, &["b".to_owned()], &mut findings);
        assert_eq!(findings.len(), 2, "{findings:?}");
        let other = parse("crates/x/Cargo.toml", "[package]\nname = \"a\"\n").unwrap();
        findings.clear();
        check_members(&[other], &["a".to_owned()], &mut findings);
        assert!(findings[0].what.contains("folder x"), "{findings:?}");
    }

    #[test]
    fn each_core_has_the_same_clippy_file() {
        let manifests = [
            manifest("portico-model", "words", ""),
            manifest("a", "core", ""),
        ];
        let mut files = Files::new();
        files.insert("clippy.toml".into(), "x = 1\n\nroot = 1\n".into());
        files.insert(
            "crates/portico-model/clippy.toml".into(),
            "x = 1\n\ncore = 1\n".into(),
        );
        let mut findings = Vec::new();
        check_clippy_copies(&manifests, &files, &mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
        files.insert("crates/a/clippy.toml".into(), "x = 1\n\ncore = 1\n".into());
        findings.clear();
        check_clippy_copies(&manifests, &files, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        files.insert("clippy.toml".into(), "x = 2\n\nroot = 1\n".into());
        check_clippy_copies(&manifests, &files, &mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
}
