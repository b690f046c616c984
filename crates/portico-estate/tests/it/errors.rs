//! Each file of `tests/errors` is wrong; beside it is what the reader says. After a change:
//! `UPDATE_EXPECT=1 cargo test -p portico-estate`, and read the difference.

use std::{collections::BTreeSet, fs, path::Path};

use portico_estate::{EstateError, fuzzing, parse};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors")
}

pub(crate) fn lines(errors: &[EstateError]) -> String {
    errors.iter().map(|error| format!("{error}\n")).collect()
}

#[test]
fn every_error_is_told_with_place_reason_and_what_would_be_right() {
    let mut checked = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let errors = parse("estate.toml", &text).expect_err(&path.display().to_string());
        assert!(
            errors.iter().all(|error| error.expected.is_some()),
            "{path:?}"
        );
        expect_test::expect_file![path.with_extension("txt")].assert_eq(&lines(&errors));
        fuzzing::check_parse(&text).unwrap();
        checked += 1;
    }
    assert!(checked >= 20, "{checked} files only");
}

#[test]
fn no_expectation_is_left_without_its_file() {
    let names = |extension: &str| -> BTreeSet<String> {
        fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == extension))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("toml"), names("txt"));
}

#[test]
fn fifteen_errors_are_found_in_one_run() {
    let text = fs::read_to_string(folder().join("fifteen-at-once.toml")).unwrap();
    let errors = parse("estate.toml", &text).unwrap_err();
    assert_eq!(errors.len(), 15, "{}", lines(&errors));
}

#[test]
fn an_error_as_json_has_the_fields_of_the_api() {
    let errors = parse(
        "estate.toml",
        "version = 1\n[[hosts]]\nid = \"sh1\"\nport = \"x\"\n",
    );
    let json = serde_json::to_value(&errors.unwrap_err()[0]).unwrap();
    expect_test::expect![[r#"
        {
          "column": 1,
          "expected": "add pool = \"…\", the id of its pool; or, for a host that is here for its ports only, roles = [\"…\"]",
          "file": "estate.toml",
          "key": "hosts[0].pool",
          "line": 2,
          "object": "host \"sh1\"",
          "reason": "is missing"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn no_error_repeats_a_password() {
    let number = parse(
        "estate.toml",
        "version = 1\n[[users]]\nid = \"a\"\npassword = 40961\n",
    );
    assert!(!lines(&number.unwrap_err()).contains("40961"));
    let hidden = "correct-horse";
    for line in [
        format!("password = [\"{hidden}\"]"),
        format!("password_hash = \"{hidden}\""),
        format!("password = \"{hidden}\\n\""),
        format!("display_name = {{ password = \"{hidden}\" }}"),
    ] {
        let text = format!("version = 1\n[[users]]\nid = \"a\"\n{line}\n");
        let errors = lines(&parse("estate.toml", &text).unwrap_err());
        assert!(!errors.contains(hidden), "{errors}");
    }
}
