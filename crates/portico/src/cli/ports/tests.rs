//! The commands as an administrator without a server uses them, on the estates of `examples/`.

use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::cli::{answer, failure::Failure, output::Format};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: crate::cli::Command,
}

pub(super) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/estates")
        .join(name)
}

/// The plan of an example estate.
pub(super) fn example_plan(name: &str) -> portico_catalogue::plan::FlowPlan {
    let (estate, _) = source::from_file(&example(name)).unwrap();
    let deployment = portico_estate::deployment(&estate);
    portico_catalogue::plan::plan(portico_catalogue::Catalogue::portico(), &deployment)
}

/// Runs a command line; `@name` is an example estate.
pub(super) async fn try_run(line: &str) -> Result<String, Failure> {
    let words = line.split(' ').map(|word| match word.strip_prefix('@') {
        Some(name) => example(name).display().to_string(),
        None => word.to_owned(),
    });
    let line = Line::try_parse_from(std::iter::once("portico".to_owned()).chain(words))
        .unwrap_or_else(|error| panic!("{error}"));
    answer(&line.globals, line.command).await
}

pub(super) async fn run(line: &str) -> String {
    try_run(line)
        .await
        .unwrap_or_else(|failure| panic!("{line}: {failure}"))
}

async fn json(line: &str) -> Value {
    serde_json::from_str(&run(&format!("{line} -o json")).await).unwrap()
}

pub(super) fn examples() -> Vec<String> {
    let entries = std::fs::read_dir(example("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".toml")).collect();
    names.sort();
    assert!(names.len() >= 6, "{names:?}");
    names
}

#[tokio::test]
async fn every_example_estate_is_planned_drawn_and_written_as_rules() {
    for name in examples() {
        let plan = json(&format!("ports plan -f @{name}")).await;
        let incomplete: Vec<&Value> = plan["gaps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|gap| gap["kind"] == "port" || gap["kind"] == "formula")
            .collect();
        assert!(incomplete.is_empty(), "{name}: {incomplete:?}");
        let hosts = plan["hosts"].as_array().unwrap();
        let with_flows = hosts
            .iter()
            .filter(|host| !host["inbound"].as_array().unwrap().is_empty());
        assert!(with_flows.count() >= 2, "{name}");
        let svg = run(&format!("ports diagram -f @{name} -o svg")).await;
        assert!(
            svg.starts_with("<svg") || svg.starts_with("<?xml"),
            "{name}"
        );
        for format in ["html", "markdown", "csv"] {
            let rules = run(&format!("ports rules -f @{name} --format {format}")).await;
            assert!(rules.len() > 500, "{name} {format}");
        }
    }
}

#[tokio::test]
async fn lists_are_filtered_and_have_every_form() {
    let all = json("ports list").await.as_array().unwrap().len();
    let rds = json("ports list --document rds-2012").await;
    let rds = rds.as_array().unwrap();
    assert!(all > 400 && rds.len() < all, "{all} {}", rds.len());
    let udp = json("ports list --port 3391 --transport udp").await;
    assert_eq!(udp[0]["to"], "rds.gateway");
    let csv = run("ports list --document tarantella -o csv").await;
    assert!(csv.starts_with("id,from,to,transport,ports,"), "{csv}");
    assert!(csv.contains("6010/tcp and above"), "as written");
    let one = run("ports show tarantella.x11 -o csv").await;
    assert_eq!(one.lines().count(), 2, "{one}");
    let table = run("ports list --role rds.gateway").await;
    assert!(table.starts_with("ID "), "{table}");
    assert!(
        run("ports list --document tarantella -o markdown")
            .await
            .contains("| ---: |")
    );
    let yaml = run("ports list --document portico -o yaml").await;
    let yaml: Value = serde_yaml_ng::from_str(&yaml).unwrap();
    assert_eq!(yaml.as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn what_is_not_known_is_told_with_the_nearest() {
    for (line, nearest) in [
        ("ports list --document rds-2021", "rds-2012"),
        ("ports list --role rds.gatway", "rds.gateway"),
        (
            "ports show rds-2012.client-gateway-htps",
            "rds-2012.client-gateway-https",
        ),
        ("ports roles rds.gatway", "rds.gateway"),
        ("ports plan -f @rds.toml --host rdsh11", "rdsh1"),
        (
            "ports plan -f @rds.toml --why rds-2012.client-gateway-htps",
            "rds-2012.client-gateway-https",
        ),
    ] {
        let failure = try_run(line).await.unwrap_err().to_string();
        assert!(failure.contains(nearest), "{line}: {failure}");
    }
    let failure = try_run("ports plan -f nowhere.toml").await.unwrap_err();
    assert!(
        failure.to_string().contains("nowhere.toml cannot be read"),
        "{failure}"
    );
}

#[tokio::test]
async fn why_names_hosts_conditions_and_the_row_of_the_document() {
    let why = run("ports plan -f @rds-perimeter.toml --why rds-2012.client-gateway-udp").await;
    for part in [
        "clients",
        "gateway1",
        "3391",
        "source: rds-2012, Remote Desktop Gateway",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let off = "ports plan -f @rds-perimeter.toml --why rds-2012.client-gateway-udp --feature rds.gateway-udp=off";
    assert!(
        run(off).await.contains("not planned: "),
        "{}",
        run(off).await
    );
}

#[tokio::test]
async fn what_another_estate_gains_and_loses_is_shown() {
    let same = run("ports plan -f @rds.toml --compare @rds.toml").await;
    expect_test::expect!["Both estates need the same flows.\n"]
        .assert_eq(&same.replace(&example("").display().to_string(), ""));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.toml");
    let text = std::fs::read_to_string(example("rds.toml")).unwrap();
    std::fs::write(
        &path,
        text.replace(
            "id = \"rdsh2\"",
            "ports = { \"3389/tcp\" = 3390 }\nid = \"rdsh2\"",
        ),
    )
    .unwrap();
    let changed = json(&format!(
        "ports plan -f @rds.toml --compare {}",
        path.display()
    ))
    .await;
    let ports = |side: &str| -> Vec<u64> {
        let changes = changed[side].as_array().unwrap().iter();
        changes
            .map(|change| change["ports"][0]["first"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(
        ports("gained"),
        [3390, 3390],
        "from the broker and from clients"
    );
    assert_eq!(ports("lost"), [3389, 3389]);
}

#[tokio::test]
async fn rules_are_printed_alone_and_saved_together() {
    let one = run("ports rules -f @rds-perimeter.toml --format nftables --host gateway1").await;
    assert!(one.contains("rds-2012.client-gateway-https"), "{one}");
    let failure = try_run("ports rules -f @rds-perimeter.toml --format nftables")
        .await
        .unwrap_err();
    assert!(failure.to_string().contains("--into DIR"), "{failure}");
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("rules");
    let line = format!(
        "ports rules -f @rds-perimeter.toml --format windows --into {}",
        into.display()
    );
    let saved = run(&line).await;
    assert_eq!(
        saved.lines().count(),
        std::fs::read_dir(&into).unwrap().count()
    );
    let first = std::fs::read_to_string(saved.lines().next().unwrap()).unwrap();
    run(&line).await;
    assert_eq!(
        std::fs::read_to_string(saved.lines().next().unwrap()).unwrap(),
        first,
        "the same again"
    );
}

#[tokio::test]
async fn what_a_format_cannot_say_is_an_error_that_lists_the_flows() {
    let failure = try_run("ports rules -f @active-directory.toml --format kubernetes")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("windows-services.active-directory-icmp"),
        "{failure}"
    );
    assert!(failure.contains("next step: "), "{failure}");
    let failure =
        try_run("ports rules -f @ras.toml --format nftables --host broker1 --planned-outbound")
            .await
            .unwrap_err()
            .to_string();
    assert!(failure.contains("ras.parallels.com"), "{failure}");
}

#[tokio::test]
async fn a_port_that_the_documents_leave_open_is_asked_for_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("estate.toml");
    let text = std::fs::read_to_string(example("rds-perimeter.toml")).unwrap();
    std::fs::write(&path, text.replace("ports = { \"wmi-fixed\" = 24158 }", "")).unwrap();
    let path = path.display();
    let plan = run(&format!("ports plan -f {path}")).await;
    assert!(plan.contains("wmi-fixed"), "{plan}");
    let line = format!("ports rules -f {path} --format html");
    let failure = try_run(&line).await.unwrap_err().to_string();
    assert!(failure.contains("--with-gaps"), "{failure}");
    assert!(
        run(&format!("{line} --with-gaps"))
            .await
            .contains("wmi-fixed")
    );
}

#[tokio::test]
async fn an_estate_with_errors_lists_them_and_one_without_hosts_teaches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("estate.toml");
    std::fs::write(
        &path,
        "version = 1\n[[hosts]]\nid = \"a\"\nroles = [\"rds.gatway\"]\naddress = \"10.0.0.1\"\n",
    )
    .unwrap();
    let failure = try_run(&format!("ports plan -f {}", path.display())).await;
    let failure = failure.unwrap_err().to_string();
    assert!(
        failure.contains("did you mean \"rds.gateway\"?"),
        "{failure}"
    );
    std::fs::write(&path, "version = 1\n").unwrap();
    let failure = try_run(&format!("ports plan -f {}", path.display())).await;
    assert!(
        failure
            .unwrap_err()
            .to_string()
            .contains("portico ports roles")
    );
}

#[tokio::test]
async fn forms_that_do_not_fit_are_refused_with_those_that_do() {
    for (line, fits) in [
        ("ports list -o svg", "table, json, yaml, csv or markdown"),
        (
            "ports show portico.client-portal-https -o svg",
            "table, json or yaml",
        ),
        ("ports diagram -f @rds.toml", "-o svg"),
        ("ports diagram -f @rds.toml -o csv", "-o svg"),
    ] {
        let failure = try_run(line).await.unwrap_err().to_string();
        assert!(failure.contains(fits), "{line}: {failure}");
    }
    assert_eq!(Format::default(), Format::Table);
}

/// A server on loopback that greets as SSH does, on a port of its own, and an estate with it.
async fn checked_estate(greeting: &'static [u8]) -> (tempfile::TempDir, String) {
    use tokio::io::AsyncWriteExt;
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = portico_net::TcpListener::bind(portico_net::flows::ENGINE_HOST_SSH, address)
        .await
        .unwrap();
    let port = listener.local_addr().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _gone = stream.write_all(greeting).await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("estate.toml");
    let estate = format!(
        r#"version = 1
[[hosts]]
id = "engine"
roles = ["portico.engine"]
address = "127.0.0.2"
[[hosts]]
id = "ssh"
roles = ["portico.session-host"]
address = "127.0.0.1"
ports = {{ "22/tcp" = {port} }}
"#
    );
    std::fs::write(&path, estate).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

#[tokio::test]
async fn check_proves_what_the_plan_has_and_shows_it_in_every_form() {
    let (_folder, path) = checked_estate(b"SSH-2.0-real\r\n").await;
    let dry = run(&format!("ports check -f {path} --dry-run")).await;
    assert!(dry.contains("speak SSH"), "{dry}");
    let shown = run(&format!("ports check -f {path}")).await;
    assert!(shown.contains("proven  engine -> ssh"), "{shown}");
    assert!(
        shown.contains("SSH-2.0-real") && shown.contains("Flows: 1 proven."),
        "{shown}"
    );
    let answer = json(&format!("ports check -f {path} --from engine")).await;
    assert_eq!(answer["required"], 1);
    assert_eq!(answer["required_not_good"], 0);
    assert_eq!(answer["flows"][0]["verdict"], "proven");
    let junit = run(&format!("ports check -f {path} -o junit")).await;
    assert!(
        junit.contains("tests=\"1\" failures=\"0\" skipped=\"0\""),
        "{junit}"
    );
    // Nothing that the other host opens.
    let none = run(&format!("ports check -f {path} --from ssh")).await;
    assert_eq!(none, "The plan has nothing to check.\n");
}

#[tokio::test]
async fn check_fails_with_its_answer_when_a_required_flow_is_not_proven() {
    let (_folder, path) = checked_estate(b"RFB 003.008\n\x1b]0;<x>&\x07").await;
    let failure = try_run(&format!("ports check -f {path} -o junit"))
        .await
        .unwrap_err();
    assert_eq!(failure.what, "1 of 1 required flows are not proven");
    let answer = failure.answer.unwrap();
    assert!(answer.contains("failures=\"1\""), "{answer}");
    assert!(answer.contains("speaks VNC, not SSH"), "{answer}");
    assert!(
        !answer.contains('\u{1b}') && !answer.contains("<x>"),
        "{answer}"
    );
    let accepted = format!("ports check -f {path} --accept wrong-service");
    let shown = run(&accepted).await;
    assert!(shown.contains("wrong service  engine -> ssh"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let failure = try_run(&format!("ports check -f {path} --from nobody"))
        .await
        .unwrap_err();
    assert_eq!(failure.what, "There is no host \"nobody\"");
}
