//! The program as it is installed: exit codes, signals, standard output and error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod causes;
mod doctor;
mod watch;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The program, with nothing of the machine's own settings and sign-ins.
fn portico(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portico"));
    command
        .env_clear()
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"));
    command
}

/// An estate with an engine, and a host on loopback that serves SSH on `port`.
fn estate(folder: &Path, port: u16) -> PathBuf {
    let path = folder.join("estate.toml");
    let text = format!(
        r#"version = 1
[[hosts]]
id = "engine"
roles = ["portico.engine"]
address = "127.0.0.2"
[[hosts]]
id = "app"
roles = ["portico.session-host"]
address = "127.0.0.1"
ports = {{ "22/tcp" = {port} }}
"#
    );
    std::fs::write(&path, text).unwrap();
    path
}
