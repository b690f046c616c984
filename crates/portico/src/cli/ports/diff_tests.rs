//! `ports diff` with the real tools, in a network namespace of the test's own; needs root, `ip`,
//! `nsenter`, `nft` and iptables, and says so where they are not.
#![allow(
    clippy::disallowed_methods,
    reason = "the test runs the tools of administrators, and its listener belongs to no flow"
)]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;

use super::tests::{example_plan, examples, run, try_run};

/// Gone when this is dropped, also in a panic.
struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

impl Namespace {
    fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        for tool in ["nsenter", "nft", "iptables-restore", "ip6tables-restore"] {
            let asked = Command::new(tool).arg("--version").output();
            if !asked.is_ok_and(|output| output.status.success()) {
                eprintln!("not run: this machine has no {tool}");
                return None;
            }
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("drfc{}-{number}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        if !made.is_ok_and(|output| output.status.success()) {
            eprintln!("not run: this machine allows no network namespace (ip netns add)");
            return None;
        }
        Some(Self(name))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.0))
            .args(words);
        command
    }

    #[track_caller]
    fn tool(&self, words: &[&str], text: &str) -> String {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Loads the files of a folder that `ports rules --into` made; there are two for iptables.
    fn load(&self, folder: &Path) {
        self.tool(&["nft", "flush", "ruleset"], "");
        let files = fs::read_dir(folder).unwrap();
        for path in files.map(|file| file.unwrap().path()) {
            let text = fs::read_to_string(&path).unwrap();
            let program = match path.extension().and_then(|ending| ending.to_str()) {
                Some("nft") => {
                    self.tool(&["nft", "-f", "-"], &text);
                    continue;
                }
                Some("v4") => "iptables",
                _ => "ip6tables",
            };
            self.tool(&[&format!("{program}-restore"), "--noflush"], &text);
            self.tool(&[program, "-I", "INPUT", "-j", "PORTICO-IN"], "");
        }
    }
}

#[tokio::test]
async fn the_rules_of_every_host_of_every_example_differ_in_nothing_once_loaded() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for name in examples() {
        for host in example_plan(&name).hosts {
            for format in ["nftables", "iptables"] {
                let into = folder.path().join(format!("{name}-{}-{format}", host.id));
                let shown = into.display();
                let rules = format!("--host {} --format {format} --into {shown}", host.id);
                let written = try_run(&format!("ports rules -f @{name} {rules}")).await;
                // Peers with names only cannot be written.
                if written.is_err() {
                    continue;
                }
                namespace.load(&into);
                let mut dumps = String::new();
                for words in [
                    &["nft", "-j", "list", "ruleset"][..],
                    &["iptables-save"],
                    &["ip6tables-save"],
                ] {
                    let text = namespace.tool(words, "");
                    if !text.trim().is_empty() {
                        let path = into.join(words[0]);
                        fs::write(&path, text).unwrap();
                        dumps.push_str(&format!(" --rules {}", path.display()));
                    }
                }
                let diff = format!(
                    "ports diff -f @{name} --host {}{dumps} -o json --strict",
                    host.id
                );
                let found = run(&diff).await;
                let found: Value = serde_json::from_str(&found).unwrap();
                assert_eq!(found["rules_judged"], true);
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}

const JOB: &str = "PORTICO_DIFF_TEST_JOB";

/// What runs in the namespace: this program again, with a listener of its own. Nothing when it is
/// run by itself.
#[tokio::test]
async fn does_its_job() {
    let Ok(line) = std::env::var(JOB) else { return };
    let _rdp = std::net::TcpListener::bind("0.0.0.0:3389").unwrap();
    let _unplanned = std::net::TcpListener::bind("10.30.1.1:5555").unwrap();
    let _local = std::net::TcpListener::bind("127.0.0.1:6666").unwrap();
    let shown = match try_run(&line).await {
        Ok(text) => text,
        Err(failure) => format!("{}{failure}", failure.answer.clone().unwrap_or_default()),
    };
    println!(
        "child: {}",
        serde_json::to_string(&(std::process::id(), shown)).unwrap()
    );
}

fn told(namespace: &Namespace, line: &str) -> (u32, String) {
    let program = std::env::current_exe().unwrap();
    let output = namespace
        .command(&[])
        .arg(program)
        .args([
            "--exact",
            "cli::ports::diff_tests::does_its_job",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(JOB, line)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = text
        .lines()
        .find_map(|line| Some(line.split_once("child: ")?.1));
    let answer =
        answer.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(answer).unwrap()
}

#[tokio::test]
async fn a_machine_is_found_in_the_estate_and_compared_with_its_processes() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    for words in [
        "ip link set lo up",
        "ip link add eth0 type veth peer name far",
        "ip link set far up",
        "ip link set eth0 up",
        "ip address add 10.30.1.1/24 dev eth0",
    ] {
        namespace.tool(&words.split(' ').collect::<Vec<_>>(), "");
    }
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().display();
    run(&format!(
        "ports rules -f @rds.toml --host rdsh1 --format nftables --into {into}"
    ))
    .await;
    namespace.load(folder.path());
    namespace.tool(
        &[
            "nft", "add", "rule", "inet", "portico", "input", "tcp", "dport", "22", "accept",
        ],
        "",
    );
    let (pid, text) = told(&namespace, "ports diff -f @rds.toml --strict");
    let text = text.replace(&format!("pid {pid}"), "pid PID");
    let example = super::tests::example("rds.toml").display().to_string();
    let text = text.replace(&example, "rds.toml");
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    let text = text.replace(name.trim_end(), "PROCESS");
    // A child of another test that has not become its own program yet holds the socket, too.
    let text: String = text
        .split_inclusive('\n')
        .map(|line| match line.split_once("(pid PID)") {
            Some((own, _)) => format!("{own}(pid PID)\n"),
            None => line.to_owned(),
        })
        .collect();
    expect_test::expect_file!["../golden/diff.txt"].assert_eq(&text);

    let (pid, text) = told(&namespace, "ports diff -f @rds.toml -o json");
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["host"], "rdsh1");
    let listener = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["class"] == "superfluous" && finding["side"] == "listener");
    let listener = listener.unwrap();
    assert_eq!(listener["traffic"][0]["ports"][0]["first"], 5555);
    assert_eq!(listener["processes"][0]["pid"], pid);
}

#[tokio::test]
async fn dumps_are_read_from_files_and_what_is_not_given_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    let sockets = folder.path().join("sockets");
    let (rules, sockets) = (rules.display(), sockets.display());
    fs::write(rules.to_string(), "*filter\n:INPUT DROP\nCOMMIT\n").unwrap();
    fs::write(
        sockets.to_string(),
        "tcp LISTEN 0 5 0.0.0.0:3389 *:* users:((\"\u{1b}[2Jx\",pid=7,fd=1))\n",
    )
    .unwrap();
    let text = run(&format!(
        "ports diff -f @rds.toml --host rdsh1 --rules {rules}"
    ))
    .await;
    assert!(text.contains("MISSING ("), "{text}");
    assert!(text.contains("sockets are not judged"), "{text}");
    let text = run(&format!(
        "ports diff -f @rds.toml --host rdsh1 --sockets {sockets}"
    ))
    .await;
    assert!(text.contains("rules are not judged"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let line = format!("ports diff -f @rds.toml --host rdsh1 --sockets {sockets} --strict");
    let failure = try_run(&line).await.unwrap_err();
    assert!(failure.answer.is_some());
    assert!(failure.reason.unwrap().contains("missing"));
    let csv = run(&format!(
        "ports diff -f @rds.toml --host rdsh1 --sockets {sockets} -o csv"
    ))
    .await;
    assert!(
        csv.starts_with("class,side,ports,flows,needed by,from,process,"),
        "{csv}"
    );

    for (line, what) in [
        (
            format!("--host rdsh1 --rules {sockets}"),
            "cannot be judged",
        ),
        (
            format!("--host rdsh1 --sockets {rules}"),
            "cannot be judged",
        ),
        (
            "--host rdsh1 --rules /nowhere/at/all".to_owned(),
            "cannot be read",
        ),
        (format!("--host rdsh9 --rules {rules}"), "There is no host"),
    ] {
        let failure = try_run(&format!("ports diff -f @rds.toml {line}"))
            .await
            .unwrap_err();
        assert!(failure.what.contains(what), "{line}: {failure}");
        assert!(failure.next_step.is_some(), "{failure}");
    }
}
