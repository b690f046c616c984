//! Each limit is reached once.

use std::fmt::Write;

use portico_estate::{limits, parse};

use crate::errors::lines;

fn check_refused(text: &str, reason: &str) {
    let errors = lines(&parse("estate.toml", text).unwrap_err());
    assert!(errors.contains(reason), "{reason:?} is not in {errors}");
}

#[test]
fn a_file_of_five_megabytes_is_refused_at_once() {
    let text = "#".repeat(5_000_000);
    let errors = parse("estate.toml", &text).unwrap_err();
    assert_eq!(
        lines(&errors),
        "estate.toml:1:1: the file has 5000000 bytes; give at most 4194304 bytes\n"
    );
    let allowed = format!("version = 1\n#{}", "#".repeat(limits::FILE_BYTES_MAX - 13));
    assert_eq!(allowed.len(), limits::FILE_BYTES_MAX);
    assert!(parse("estate.toml", &allowed).is_ok());
}

#[test]
fn each_section_has_a_limit() {
    for (section, max) in [
        ("sites", limits::OBJECTS_MAX),
        ("pools", limits::OBJECTS_MAX),
        ("hosts", limits::HOSTS_MAX),
        ("resources", limits::OBJECTS_MAX),
        ("entitlements", limits::OBJECTS_MAX),
        ("session_policies", limits::OBJECTS_MAX),
        ("groups", limits::GROUPS_MAX),
        ("users", limits::USERS_MAX),
    ] {
        let mut text = "version = 1\n".to_owned();
        for id in 0..=max {
            writeln!(text, "[[{section}]]\nid = \"x{id}\"").unwrap();
        }
        check_refused(
            &text,
            &format!("has {} entries; describe at most {max}", max + 1),
        );
    }
}

#[test]
fn lists_have_a_limit() {
    let many = "\"10.0.0.0/8\", ".repeat(limits::LIST_LEN_MAX + 1);
    let entitlement = "version = 1\n[[entitlements]]\nid = \"e\"\nresources = []\n";
    check_refused(
        &format!("{entitlement}client_networks = [{many}]\n"),
        "has 1001 elements; give at most 1000",
    );
    let many = "{}, ".repeat(limits::LIST_LEN_MAX + 1);
    check_refused(
        &format!("{entitlement}times = [{many}]\n"),
        "has 1001 elements; give at most 1000",
    );
}

#[test]
fn texts_have_a_limit() {
    let long = "x".repeat(limits::NOTICE_LEN_MAX + 1);
    check_refused(
        &format!("version = 1\n[site]\nnotice = \"{long}\"\n"),
        "is 10001 characters long",
    );
    let long = "x".repeat(limits::DESCRIPTION_LEN_MAX + 1);
    check_refused(
        &format!("version = 1\n[[resources]]\nid = \"r\"\ndescription = \"{long}\"\n"),
        "is 2001 characters long",
    );
    let long = "x".repeat(limits::PASSWORD_LEN_MAX + 1);
    check_refused(
        &format!("version = 1\n[[users]]\nid = \"u\"\npassword = \"{long}\"\n"),
        "is not a password",
    );
}

#[test]
fn more_errors_than_anybody_reads_are_counted() {
    let mut text = "version = 1\n".to_owned();
    for id in 0..2000 {
        writeln!(text, "[[users]]\nid = \"u{id}\"\nrolle = 1").unwrap();
    }
    let errors = parse("estate.toml", &text).unwrap_err();
    assert_eq!(errors.len(), 1001);
    assert!(lines(&errors[1000..]).contains("at least 1000 more errors follow"));
}

#[test]
fn a_file_made_of_errors_ends_the_search() {
    let errors = parse("estate.toml", &"=\n".repeat(limits::FILE_BYTES_MAX / 2)).unwrap_err();
    assert!(lines(&errors[1000..]).contains(" more errors follow"));
}

/// Ten thousand groups in one chain: neither the stack nor the time may depend on its square.
#[test]
fn a_long_chain_of_groups_is_followed_without_recursion() {
    let mut text = "version = 1\n".to_owned();
    for id in 0..limits::GROUPS_MAX {
        let next = (id + 1) % limits::GROUPS_MAX;
        writeln!(
            text,
            "[[groups]]\nid = \"g{id}\"\nmembers = [\"group:g{next}\"]"
        )
        .unwrap();
    }
    check_refused(&text, "the groups contain each other: g0 → g1 → ");
}
