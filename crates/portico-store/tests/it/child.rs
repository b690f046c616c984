//! Child processes: this test binary again, told by the environment what to do.
//!
//! A test that is a child's work does nothing when it is run by itself.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const FOLDER: &str = "PORTICO_STORE_TEST_CHILD_FOLDER";

/// The folder to work in, in a child.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// A command that runs only `test` in a child; `wrap` is put before it.
pub(crate) fn command(test: &str, folder: &Path, wrap: &[&str]) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut words = wrap.iter().map(|word| (*word).into());
    let mut command = match words.next() {
        Some(first) => {
            let first: std::ffi::OsString = first;
            let mut command = Command::new(first);
            command.args(words).arg(&own);
            command
        }
        None => Command::new(&own),
    };
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdin(Stdio::null());
    command
}

/// Tells the parent, at once.
pub(crate) fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "child: {line}").unwrap();
    out.flush().unwrap();
}

/// What a child tells, until it ends.
pub(crate) fn told(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        // The test harness prints on the same line before the first of ours.
        .filter_map(|line| Some(line.split_once("child: ")?.1.to_owned()))
}
