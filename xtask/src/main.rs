//! Tools of the workspace. `cargo xtask tidy` checks what the compiler cannot; read [`tidy`].

mod tidy;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;

const USAGE: &str = "\
Usage: cargo xtask <command>

Commands:
  tidy    Check tiers, the map of crates, manifests, licences, test modules and prose;
          each finding is printed as file:line: what — what to do
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["tidy"] => match run_tidy() {
            Ok(0) => ExitCode::SUCCESS,
            Ok(count) => {
                eprintln!("tidy: {count} finding{}", if count == 1 { "" } else { "s" });
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("tidy could not run: {error:#}");
                ExitCode::FAILURE
            }
        },
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run_tidy() -> anyhow::Result<usize> {
    // The manifest's folder is fixed when xtask is built; the workspace is its parent.
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = root.parent().context("xtask has no parent folder")?;
    let findings = tidy::run(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    Ok(findings.len())
}
