//! One network namespace with nothing in it but rules.
#![allow(
    clippy::disallowed_methods,
    reason = "the test runs the tools of administrators"
)]

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use portico_catalogue::drift::{self, Ruleset};

/// Gone when this is dropped, also in a panic.
pub(super) struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

impl Namespace {
    /// None, and a word about it, where this machine cannot do it.
    pub(super) fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        for tool in ["nsenter", "nft", "iptables-restore", "ip6tables-restore"] {
            let asked = Command::new(tool).arg("--version").output();
            if !asked.is_ok_and(|output| output.status.success()) {
                eprintln!("not run: this machine has no {tool}");
                return None;
            }
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("drf{}-{number}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        if !made.is_ok_and(|output| output.status.success()) {
            eprintln!("not run: this machine allows no network namespace (ip netns add)");
            return None;
        }
        Some(Self(name))
    }

    /// Runs a tool with `text` as its input; what it prints.
    #[track_caller]
    pub(super) fn tool(&self, words: &[&str], text: &str) -> String {
        let mut child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.0))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {errors}\n{text}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Loads rules with nft.
    #[track_caller]
    pub(super) fn nft(&self, text: &str) {
        self.tool(&["nft", "-f", "-"], text);
    }

    /// Takes out all rules.
    pub(super) fn flush(&self) {
        self.nft("flush ruleset\n");
    }

    /// What is loaded, read as `portico ports diff` does.
    #[track_caller]
    pub(super) fn rules(&self) -> Ruleset {
        let nft = self.tool(&["nft", "-j", "list", "ruleset"], "");
        let mut dumps = vec![nft];
        for program in ["iptables-save", "ip6tables-save"] {
            let dump = self.tool(&[program], "");
            if !dump.trim().is_empty() {
                dumps.push(dump);
            }
        }
        let dumps: Vec<&str> = dumps.iter().map(String::as_str).collect();
        drift::read_rules(&dumps).unwrap()
    }
}
