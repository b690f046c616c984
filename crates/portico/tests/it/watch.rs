use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{estate, portico};

/// Watches `port` until a line was told, then as after Ctrl-C: the lines, and the exit code.
fn watched(port: u16, form: &str) -> (Vec<String>, i32) {
    let folder = tempfile::tempdir().unwrap();
    let path = estate(folder.path(), port);
    let mut child = portico(folder.path())
        .args([
            "ports", "check", "--watch", "--every", "5s", "--from", "engine",
        ])
        .args(["-o", form, "-f"])
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let status = child.wait().unwrap();
    let lines = std::iter::once(first.trim_end()).chain(rest.lines());
    (lines.map(str::to_owned).collect(), status.code().unwrap())
}

#[test]
fn ctrl_c_ends_a_watch_with_its_summary_and_the_exit_code_of_a_check() {
    // Nothing listens on the port of the discard service here.
    let (lines, code) = watched(9, "table");
    assert!(
        lines[0].contains("new -> refused  nothing listens there"),
        "{lines:#?}"
    );
    assert!(
        lines.iter().any(|line| line == "Flows: 1 refused."),
        "{lines:#?}"
    );
    assert_eq!(code, 1);
    let (lines, code) = watched(9, "json");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let change: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(change["cause"]["kind"], "nothing-listens");
    let end: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(end["summary"]["required_not_good"], 1);
    assert_eq!(code, 1);
}
