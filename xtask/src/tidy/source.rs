//! Rust files: forbidden macros and names, forgotten modules, fuzz targets without a test.

use proc_macro2::{TokenStream, TokenTree};

use super::{Files, Finding, line_of};

/// Macros of unfinished work.
const MACROS: &[&str] = &["todo", "unimplemented", "dbg"];

pub(crate) fn check(files: &Files, findings: &mut Vec<Finding>) {
    for (file, text) in rust_files(files) {
        match text.parse::<TokenStream>() {
            Ok(tokens) => walk(file, tokens, findings),
            Err(error) => findings.push(Finding::new(
                file,
                error.span().start().line,
                "is not Rust",
                "correct it",
            )),
        }
        check_is_a_module(file, files, findings);
    }
    check_test_binaries(files, findings);
    check_fuzz_targets(files, findings);
}

fn rust_files(files: &Files) -> impl Iterator<Item = (&String, &String)> {
    let is_ours = |name: &str| {
        name.starts_with("crates/") || name.starts_with("xtask/") || name.starts_with("fuzz/")
    };
    files
        .iter()
        .filter(move |(name, _)| is_ours(name) && name.ends_with(".rs"))
}

/// Looks at tokens and not at text: comments and strings are no code.
fn walk(file: &str, tokens: TokenStream, findings: &mut Vec<Finding>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => walk(file, group.stream(), findings),
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                let line = ident.span().start().line;
                let called =
                    matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '!');
                if called && MACROS.contains(&name.as_str()) {
                    findings.push(Finding::new(
                        file,
                        line,
                        format!("calls {name}!"),
                        "finish it, or return an error that says what is missing",
                    ));
                }
                let rdp = name.starts_with("ironrdp") || name == "sspi";
                if rdp && !file.starts_with("crates/portico-rdp/") {
                    findings.push(Finding::new(
                        file,
                        line,
                        format!("names {name}"),
                        "only portico-rdp does; use what it offers, or add to it",
                    ));
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Folders of test binaries; the second is for tests with servers that only a suite of its own starts.
const TEST_ROOTS: [&str; 2] = ["tests/it", "tests/services"];

/// Every file is the module of another, or the root of a target: a forgotten test never runs.
fn check_is_a_module(file: &str, files: &Files, findings: &mut Vec<Finding>) {
    let Some((folder, name)) = file.rsplit_once('/') else {
        return;
    };
    let is_root = ["src/lib.rs", "src/main.rs", "build.rs"]
        .iter()
        .any(|root| file.ends_with(root))
        || ["src/bin", "benches", "examples", "tests", "fuzz_targets"]
            .iter()
            .any(|f| folder.ends_with(f))
        || TEST_ROOTS
            .iter()
            .any(|root| file.ends_with(&format!("{root}/main.rs")));
    if is_root {
        return;
    }
    let (folder, module) = match name {
        "mod.rs" => folder.rsplit_once('/').unwrap_or(("", folder)),
        other => (folder, other.trim_end_matches(".rs")),
    };
    let is_target =
        folder.ends_with("/src") || TEST_ROOTS.iter().any(|root| folder.ends_with(root));
    let is_below = folder.contains("/benches") || folder.contains("/examples");
    let parents = if is_target {
        vec![format!("{folder}/lib.rs"), format!("{folder}/main.rs")]
    } else {
        vec![
            format!("{folder}.rs"),
            format!("{folder}/mod.rs"),
            format!("{folder}/main.rs"),
        ]
    };
    let declares = |text: &String| {
        text.lines().any(|line| {
            let line = line.trim();
            line.strip_suffix(';')
                .and_then(|line| line.rsplit_once("mod "))
                .is_some_and(|(before, named)| {
                    named == module && (before.is_empty() || before.starts_with("pub"))
                })
                || line.contains(&format!("\"{name}\""))
        })
    };
    if !is_below
        && !parents
            .iter()
            .filter_map(|parent| files.get(parent))
            .any(declares)
    {
        findings.push(Finding::new(
            file,
            1,
            "is no module of its crate, so it is never compiled",
            format!(
                "add `mod {module};` to {}",
                parents.first().map_or("its parent", String::as_str)
            ),
        ));
    }
}

/// One test binary per crate: each costs a link.
fn check_test_binaries(files: &Files, findings: &mut Vec<Finding>) {
    for name in files
        .keys()
        .filter(|name| name.starts_with("crates/") && name.ends_with(".rs"))
    {
        let parts: Vec<&str> = name.split('/').collect();
        if let [_, krate, "tests", file] = parts.as_slice() {
            findings.push(Finding::new(
                name,
                1,
                "is a test binary of its own",
                format!("make it a module of crates/{krate}/tests/it/main.rs: tests/it/{file}"),
            ));
        }
    }
}

/// The body of each fuzz target runs in an ordinary test too, where no fuzzer is.
fn check_fuzz_targets(files: &Files, findings: &mut Vec<Finding>) {
    let manifest = files
        .get("fuzz/Cargo.toml")
        .map(String::as_str)
        .unwrap_or_default();
    for (file, text) in files {
        let Some(name) = file
            .strip_prefix("fuzz/fuzz_targets/")
            .and_then(|n| n.strip_suffix(".rs"))
        else {
            continue;
        };
        if !manifest.contains(&format!("fuzz_targets/{name}.rs")) {
            findings.push(Finding::new(
                file,
                1,
                "is no target of fuzz/Cargo.toml",
                "add a [[bin]] for it",
            ));
        }
        let bodies = called_bodies(text);
        if bodies.is_empty() {
            findings.push(Finding::new(
                file,
                line_of(text, |line| line.contains("fuzz_target!")),
                "calls no body of a `fuzzing` module",
                "put the body into the crate's `fuzzing` module, where tests can call it",
            ));
        }
        for body in bodies {
            let call = format!("fuzzing::{body}");
            let replayed = files.iter().any(|(other, text)| {
                other.starts_with("crates/")
                    && other.ends_with(".rs")
                    && text.contains(&call)
                    && (text.contains("#[test]") || text.contains("proptest!"))
            });
            if !replayed {
                findings.push(Finding::new(
                    file,
                    line_of(text, |line| line.contains(&call)),
                    format!("no test replays {call}"),
                    "call it in a test with seeded bytes and saved crashes",
                ));
            }
        }
    }
}

/// Names after `fuzzing::` in a fuzz target.
fn called_bodies(text: &str) -> Vec<&str> {
    text.split("fuzzing::")
        .skip(1)
        .map(|rest| {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &[(&str, &str)]) -> Vec<String> {
        let files: Files = list
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        let mut findings = Vec::new();
        check(&files, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn macros_of_unfinished_work_are_found_in_code_only() {
        let code = "// todo!()\nfn f() {\n    let x = \"dbg!(1)\";\n    vec![todo!(), x];\n}\n";
        assert_eq!(
            found(&[("crates/a/src/lib.rs", code)]),
            vec![
                "crates/a/src/lib.rs:4: calls todo! — finish it, or return an error that says what is missing"
            ]
        );
        for name in MACROS {
            assert_eq!(
                found(&[("xtask/src/main.rs", &format!("fn f() {{ {name}!() }}"))]).len(),
                1
            );
        }
    }

    #[test]
    fn rdp_names_stand_in_one_crate() {
        let code = "/// As ironrdp_pdu does.\nuse ironrdp_pdu::X;\nuse sspi::Y;\n";
        assert_eq!(found(&[("crates/a/src/lib.rs", code)]).len(), 2);
        assert!(found(&[("crates/portico-rdp/src/lib.rs", code)]).is_empty());
    }

    #[test]
    fn a_forgotten_module_is_found() {
        let main = ("crates/a/tests/it/main.rs", "mod used;\n");
        let used = ("crates/a/tests/it/used.rs", "");
        assert!(found(&[main, used]).is_empty());
        let lost = found(&[main, used, ("crates/a/tests/it/lost.rs", "")]);
        assert!(
            lost[0].starts_with("crates/a/tests/it/lost.rs:1: is no module"),
            "{lost:?}"
        );
        let lib = ("crates/a/src/lib.rs", "pub(crate) mod b;\n");
        let module = ("crates/a/src/b.rs", "#[cfg(test)]\nmod tests;\n");
        assert!(found(&[lib, module, ("crates/a/src/b/tests.rs", "")]).is_empty());
        assert_eq!(
            found(&[lib, module, ("crates/a/src/b/more.rs", "")]).len(),
            1
        );
        assert_eq!(
            found(&[("crates/a/src/lib.rs", "// mod b;\n"), module]).len(),
            1
        );
        assert!(found(&[lib, ("crates/a/src/b/mod.rs", "")]).is_empty());
    }

    #[test]
    fn a_second_test_binary_is_found() {
        let found = found(&[("crates/a/tests/more.rs", "")]);
        assert!(found[0].contains("test binary"), "{found:?}");
    }

    #[test]
    fn a_fuzz_target_has_a_manifest_entry_a_body_and_a_replay() {
        let manifest = ("fuzz/Cargo.toml", "path = \"fuzz_targets/x.rs\"");
        let target = (
            "fuzz/fuzz_targets/x.rs",
            "fuzz_target!(|b: &[u8]| w::fuzzing::x(b));",
        );
        let body = ("crates/w/src/lib.rs", "pub fn x() {}");
        let replay = (
            "crates/w/src/lib.rs",
            "#[test]\nfn r() { crate::fuzzing::x(b\"\") }",
        );
        assert!(found(&[manifest, target, replay]).is_empty());
        assert!(found(&[manifest, target, body])[0].contains("no test replays"));
        assert!(found(&[target, replay])[0].contains("no target"));
        let empty = ("fuzz/fuzz_targets/x.rs", "fuzz_target!(|b: &[u8]| {});");
        assert!(found(&[manifest, empty])[0].contains("no body"));
    }

    #[test]
    fn what_is_no_rust_is_found() {
        assert!(found(&[("crates/a/src/lib.rs", "fn f( {\n")])[0].contains("is not Rust"));
    }
}
