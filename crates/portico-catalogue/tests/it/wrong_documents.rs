use portico_catalogue::{Catalogue, DocumentText};

const ROLES: &str = r#"document = "d"
title = "D"
[[role]]
id = "d.a"
title = "A"
description = "one"
[[role]]
id = "d.b"
title = "B"
description = "two"
"#;

const FLOW: &str = r#"[[flow]]
id = "d.x"
from = "d.a"
to = "d.b"
transport = "tcp"
ports = [{ first = 1, last = 2 }]
application_protocol = "X"
service = "X"
purpose = "to test"
direction = "one-way"
proof = "A"
sources = [{ document = "d", section = "S", row = 1, as_written = "1-2" }]
portico = { answer = "catalogued", why = "to test" }
"#;

const SOCKET: &str = r#"[[local_socket]]
id = "d.s"
from = "d.a"
to = "d.b"
purpose = "to test"
file_name = "s.sock"
mode = 0o600
"#;

fn errors(text: &str) -> Vec<String> {
    match Catalogue::parse(&[DocumentText {
        file_name: "d.toml",
        text,
    }]) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    let good = format!("{ROLES}{FLOW}{SOCKET}");
    assert!(good.contains(from), "{from}");
    assert_eq!(errors(&good.replacen(from, to, 1)), expected);
}

#[test]
fn the_document_that_the_cases_start_from_is_right() {
    check("to test", "to prove", &[]);
}

#[test]
fn an_id_that_is_there_twice_is_found_at_its_second_place() {
    let twice = format!("{ROLES}{FLOW}{FLOW}{SOCKET}{SOCKET}");
    assert_eq!(
        errors(&twice),
        [
            "d.toml:24: flow \"d.x\" is there twice; give one another id",
            "d.toml:44: local socket \"d.s\" is there twice",
        ]
    );
    check(
        "id = \"d.b\"",
        "id = \"d.a\"",
        &[
            "d.toml:7: role \"d.a\" is there twice; remove one",
            "d.toml:14: role \"d.b\" is not known; did you mean \"d.a\"?",
            "d.toml:27: role \"d.b\" is not known; did you mean \"d.a\"?",
        ],
    );
}

#[test]
fn an_unknown_role_or_document_is_found_with_the_nearest() {
    check(
        "from = \"d.a\"",
        "from = \"d.aa\"",
        &["d.toml:13: role \"d.aa\" is not known; did you mean \"d.a\"?"],
    );
    check(
        "from = \"d.a\"",
        "from = \"elsewhere\"",
        &["d.toml:13: role \"elsewhere\" is not known"],
    );
    check(
        "document = \"d\", section",
        "document = \"rds\", section",
        &["d.toml:22: document \"rds\" is not known"],
    );
}

#[test]
fn ports_are_ranges_and_belong_to_transports_that_have_them() {
    for range in ["{ first = 2, last = 1 }", "{ first = 0, last = 1 }"] {
        let found = errors(&format!("{ROLES}{FLOW}").replace("{ first = 1, last = 2 }", range));
        assert!(found[0].starts_with("d.toml:16: ports "), "{found:?}");
    }
    check(
        "[{ first = 1, last = 2 }]",
        "[]",
        &["d.toml:15: has no ports; give at least one { first, last }"],
    );
    check(
        "\"tcp\"",
        "\"icmp\"",
        &["d.toml:15: has ports, but its transport has none; remove them"],
    );
    check(
        "\"tcp\"\nports = [{ first = 1, last = 2 }]",
        "\"ip\"",
        &["d.toml:15: ip_protocol belongs to the transport \"ip\", and to no other"],
    );
    check(
        "\"tcp\"\nports = [{ first = 1, last = 2 }]",
        "\"ip\"\nip_protocol = 47",
        &[],
    );
}

#[test]
fn a_flow_has_a_source_an_answer_and_an_id_of_its_document() {
    let source = "{ document = \"d\", section = \"S\", row = 1, as_written = \"1-2\" }";
    check(
        source,
        "",
        &["d.toml:11: flow \"d.x\" has no source; say where it is written"],
    );
    check(
        "id = \"d.x\"",
        "id = \"e.x\"",
        &["d.toml:11: id \"e.x\" must begin with its document, as in \"d.name\""],
    );
    let found = errors(&format!("{ROLES}{FLOW}").replace("portico = ", "# "));
    assert!(found[0].contains("portico"), "{found:?}");
    check(
        "id = \"d.x\"",
        "id = \"d.X\"",
        &["d.toml:11: flow id \"d.X\" must be of a-z, 0-9, '-' and '.'"],
    );
}

#[test]
fn a_wrong_type_or_an_unknown_key_is_found_with_its_line() {
    for (from, to, line) in [
        ("first = 1", "first = 70000", 16),
        ("first = 1", "first = \"1\"", 16),
        ("purpose =", "porpoise =", 11),
        ("\"tcp\"", "\"sctp\"", 15),
        ("service = \"X\"", "service = ", 18),
    ] {
        let found = errors(&format!("{ROLES}{FLOW}").replace(from, to));
        let [only] = found.as_slice() else {
            panic!("{from}: {found:?}")
        };
        let at: usize = only.split(':').nth(1).unwrap().parse().unwrap();
        // serde reports an unknown key at the key or at its table, by its choice.
        assert!(at == line || at == 19, "{from}: {only}");
    }
}

#[test]
fn a_local_socket_has_a_bare_name_and_a_mode() {
    for name in ["", "a/b"] {
        let found = errors(&format!("{ROLES}{SOCKET}").replace("s.sock", name));
        assert!(found[0].contains("must be a bare name"), "{found:?}");
    }
    let found = errors(&format!("{ROLES}{SOCKET}").replace("0o600", "0o4600"));
    assert!(found[0].contains("mode 0o4600"), "{found:?}");
}

#[test]
fn a_local_socket_of_another_program_has_an_absolute_path_and_nothing_else() {
    let own = "file_name = \"s.sock\"\nmode = 0o600\n";
    let with = |lines: &str| errors(&format!("{ROLES}{SOCKET}").replace(own, lines));
    assert_eq!(
        with("foreign_path = \"/tmp/x\"\n"),
        errors(&format!("{ROLES}{SOCKET}"))
    );
    let found = with("foreign_path = \"tmp/x\"\n");
    assert!(found[0].contains("must be absolute"), "{found:?}");
    for lines in [
        "",
        "mode = 0o600\n",
        "file_name = \"s.sock\"\n",
        "file_name = \"s.sock\"\nmode = 0o600\nforeign_path = \"/tmp/x\"\n",
    ] {
        let found = with(lines);
        assert!(found[0].contains("or foreign_path alone"), "{found:?}");
    }
}

#[test]
fn a_document_that_is_too_long_is_refused() {
    let long = "#".repeat((4 << 20) + 1);
    assert_eq!(errors(&long), ["d.toml:1: is longer than 4194304 bytes"]);
}

#[test]
fn errors_of_all_files_come_together_and_roles_are_shared() {
    let other = "document = \"e\"\ntitle = \"E\"\n[[local_socket]]\nid = \"e.s\"\nfrom = \"d.a\"\nto = \"d.z\"\npurpose = \"\"\nfile_name = \"s\"\nmode = 0\n";
    let errors = Catalogue::parse(&[
        DocumentText {
            file_name: "e.toml",
            text: other,
        },
        DocumentText {
            file_name: "d.toml",
            text: &format!("{ROLES}{FLOW}{FLOW}"),
        },
    ])
    .unwrap_err();
    let places: Vec<(&str, usize)> = errors
        .iter()
        .map(|error| (error.file_name.as_str(), error.line))
        .collect();
    assert_eq!(places, [("d.toml", 24), ("e.toml", 6)]);
}

const FEATURE: &str = r#"[[feature]]
id = "d.f"
title = "F"
description = "on or off"
default = true
"#;

#[test]
fn an_unknown_or_double_feature_is_found() {
    let good = format!("{ROLES}{FEATURE}{FLOW}").replace(
        "proof =",
        "conditions = [{ when = \"feature\", feature = \"d.f\" }]\nproof =",
    );
    assert_eq!(errors(&good), Vec::<String>::new());
    assert_eq!(
        errors(&good.replace("feature = \"d.f\"", "feature = \"d.g\"")),
        ["d.toml:26: feature \"d.g\" is not known; did you mean \"d.f\"?"]
    );
    let twice = format!("{ROLES}{FEATURE}{FEATURE}");
    assert_eq!(
        errors(&twice),
        ["d.toml:16: feature \"d.f\" is there twice; remove one"]
    );
    let wrong = good.replace("id = \"d.f\"", "id = \"D f\"");
    assert!(
        errors(&wrong)[0].contains("must be of a-z"),
        "{:?}",
        errors(&wrong)
    );
}

#[test]
fn a_condition_that_never_holds_or_is_not_known_is_found() {
    let with = |condition: &str| {
        let line = format!("conditions = [{condition}]\nproof =");
        errors(&format!("{ROLES}{FLOW}").replace("proof =", &line))
    };
    assert_eq!(
        with("{ when = \"os\", at = \"to\", first = \"windows-2008\", last = \"windows-2003\" }"),
        ["d.toml:21: no operating system is that new and that old"]
    );
    for unknown in [
        "{ when = \"full-moon\" }",
        "{ when = \"os\", at = \"middle\" }",
    ] {
        assert_eq!(with(unknown).len(), 1, "{unknown}");
    }
}

#[test]
fn a_role_includes_roles_that_there_are_and_never_itself() {
    let with = |a: &str, b: &str| {
        let roles = ROLES
            .replace(
                "description = \"one\"",
                &format!("description = \"one\"\nincludes = [{a}]"),
            )
            .replace(
                "description = \"two\"",
                &format!("description = \"two\"\nincludes = [{b}]"),
            );
        errors(&roles)
    };
    assert_eq!(with("\"d.b\"", ""), Vec::<String>::new());
    assert_eq!(
        with("\"d.c\"", ""),
        ["d.toml:3: role \"d.c\" is not known; did you mean \"d.a\"?"]
    );
    assert_eq!(
        with("\"d.a\"", ""),
        ["d.toml:3: role \"d.a\" includes itself; break the circle"]
    );
    assert_eq!(
        with("\"d.b\"", "\"d.a\""),
        [
            "d.toml:3: role \"d.a\" includes itself; break the circle",
            "d.toml:8: role \"d.b\" includes itself; break the circle",
        ]
    );
}

#[test]
fn a_formula_steps_and_counts_hosts_of_a_role() {
    let with = |formula: &str| {
        errors(
            &format!("{ROLES}{FLOW}")
                .replace("last = 2 }", &format!("last = 2, formula = {formula} }}")),
        )
    };
    assert_eq!(
        with("{ text = \"n\", step = 1, each = \"d.a\" }"),
        Vec::<String>::new()
    );
    assert_eq!(
        with("{ text = \"n\", step = 0, each = \"d.a\" }"),
        ["d.toml:16: a formula's step is 1 or more"]
    );
    assert_eq!(
        with("{ text = \"n\", step = 1, each = \"d.q\" }"),
        ["d.toml:16: role \"d.q\" is not known; did you mean \"d.a\"?"]
    );
}

#[test]
fn a_document_of_several_files_has_one_title() {
    let parse = |texts: &[&str]| -> Vec<String> {
        let names = ["a.toml", "b.toml"];
        let files: Vec<DocumentText<'_>> = names
            .iter()
            .zip(texts)
            .map(|(file_name, text)| DocumentText { file_name, text })
            .collect();
        match Catalogue::parse(&files) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(ToString::to_string).collect(),
        }
    };
    let more = format!("document = \"d\"\n{FLOW}");
    assert_eq!(parse(&[ROLES, &more]), Vec::<String>::new());
    assert_eq!(
        parse(&[ROLES, "document = \"d\"\ntitle = \"E\"\n"]),
        ["b.toml:1: document \"d\" has the title \"D\" already; a further file of it has none"]
    );
    assert_eq!(
        parse(&["document = \"d\"\n"]),
        ["a.toml:1: document \"d\" has no title; give it one in one file"]
    );
}
