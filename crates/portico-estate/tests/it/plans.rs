//! What a plan says.

use std::collections::BTreeSet;

use expect_test::expect;
use portico_estate::{Plan, parse, plan};
use portico_model::estate::Estate;

const BEFORE: &str = r#"
version = 1
[site]
name = "Portico"
notice = "Be careful"
[[pools]]
id = "desktops"
title = "Desktops"
[[hosts]]
id = "sh1"
pool = "desktops"
address = "10.0.0.1"
protocol = "rdp"
[[hosts]]
id = "sh2"
pool = "desktops"
address = "10.0.0.2"
protocol = "rdp"
sessions_max = 20
[[users]]
id = "anna"
password_hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA"
[[users]]
id = "ben"
"#;

const AFTER: &str = r#"
version = 1
[site]
name = "Portico of \u001Bnobody"
[[pools]]
id = "desktops"
title = "\u202Eguest"
account_exceptions = { anna = "administrator" }
[[hosts]]
id = "sh2"
pool = "desktops"
address = "10.0.0.2"
protocol = "rdp"
sessions_max = 30
mode = "drain"
[[hosts]]
id = "sh3"
pool = "desktops"
address = "10.0.0.3"
protocol = "rdp"
[[groups]]
id = "staff"
members = ["anna"]
[[users]]
id = "anna"
password_hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$b3RoZXI"
role = "operator"
"#;

fn estate(text: &str) -> Estate {
    parse("estate.toml", text).unwrap().estate
}

fn changes() -> Plan {
    let after = AFTER.replace("\\u001B", "");
    plan(&estate(BEFORE), &estate(&after), &BTreeSet::new())
}

#[test]
fn a_plan_tells_each_change_with_old_and_new() {
    expect![[r#"
        ~ site: name "Portico" → "Portico of nobody", notice "Be careful" → none
        ~ pool desktops: title "Desktops" → "\u202Eguest", account_exceptions none → { "anna" = "administrator" }
        - host sh1
        ~ host sh2: sessions_max 20 → 30, mode "enabled" → "drain"
        + host sh3
        + group staff
        ~ user anna: role "user" → "operator", password
        - user ben
        2 added, 4 changed, 2 removed.
    "#]]
    .assert_eq(&changes().to_string());
}

#[test]
fn the_same_estate_twice_changes_nothing() {
    let same = plan(&estate(BEFORE), &estate(BEFORE), &BTreeSet::new());
    assert!(same.is_empty());
    assert_eq!(same.to_string(), "Nothing to change.\n");
}

#[test]
fn a_plan_as_json_never_has_a_hash_and_comes_back() {
    let json = serde_json::to_string_pretty(&changes()).unwrap();
    assert!(!json.contains("argon2id"), "{json}");
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), changes());
    let first_fields = serde_json::to_string(&changes().changes[3]).unwrap();
    expect![[
        r#"{"kind":"host","id":"sh2","action":"changed","fields":[{"field":"sessions_max","old":"20","new":"30"},{"field":"mode","old":"\"enabled\"","new":"\"drain\""}]}"#
    ]]
    .assert_eq(&first_fields);
}

#[test]
fn a_plan_from_a_hostile_server_is_safe_to_show() {
    let json = r#"{"changes":[{"kind":"host","id":"\u001b[2J","action":"changed",
        "fields":[{"field":"\r","old":"\u202e","new":"\u009b"}]}]}"#;
    let plan: Plan = serde_json::from_str(json).unwrap();
    assert_eq!(
        plan.to_string(),
        "~ host \\u{1b}[2J: \\r \\u{202e} → \\u{9b}\n0 added, 1 changed, 0 removed.\n"
    );
}

#[test]
fn a_plan_tells_what_changes_of_sites_and_placement() {
    let read = |text: &str| parse("estate.toml", text).unwrap().estate;
    let seen = read("version = 1\n[[pools]]\nid = \"p\"\ntitle = \"P\"\n");
    let wanted = read(
        "version = 1\n[[sites]]\nid = \"oslo\"\n[[pools]]\nid = \"p\"\ntitle = \"P\"\n\
         placement = \"pack\"\nload_weights = { cpu = 1 }\nsign_ins_max = 0\naffinity = false\n",
    );
    let plan = plan(&seen, &wanted, &BTreeSet::new()).to_string();
    expect![[r#"
        + client site oslo
        ~ pool p: placement "resource-based" → "pack", load_weights { sessions = 40, cpu = 25, memory = 20, run_queue = 10, disk_wait = 5 } → { sessions = 0, cpu = 1, memory = 0, run_queue = 0, disk_wait = 0 }, sign_ins_max 2 → 0, affinity true → false
        1 added, 1 changed, 0 removed.
    "#]]
    .assert_eq(&plan);
}
