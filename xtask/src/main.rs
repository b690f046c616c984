//! Tools of the workspace. `cargo xtask tidy` checks what the compiler cannot; read [`tidy`].
//! `cargo xtask rdp-client` builds the browser's RDP client; read [`rdp_client`].

mod rdp_client;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use rdp_client::Pace;

const USAGE: &str = "\
Usage: cargo xtask <command>

Commands:
  tidy    Check tiers, the map of crates, manifests, licences, test modules and prose;
          each finding is printed as file:line: what — what to do
  rdp-client [--quick]
          Build the browser's RDP client into web/rdp-client/dist, if it is not up to date;
          --quick builds without link-time optimisation, for those who change it
          (settings: PORTICO_RDP_CLIENT_CACHE, PORTICO_RDP_CLIENT_QUICK=1,
          PORTICO_RDP_CLIENT_TOOLCHAIN=rustup|debian)
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
        ["rdp-client"] => build_rdp_client(quick_by_setting()),
        ["rdp-client", "--quick"] => build_rdp_client(Pace::Quick),
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

/// `PORTICO_RDP_CLIENT_QUICK`: for scripts that build the client on their way.
fn quick_by_setting() -> Pace {
    match std::env::var("PORTICO_RDP_CLIENT_QUICK").as_deref() {
        Err(_) | Ok("" | "0") => Pace::Release,
        Ok(_) => Pace::Quick,
    }
}

fn build_rdp_client(pace: Pace) -> ExitCode {
    match root().and_then(|root| rdp_client::run(&root, pace)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rdp-client could not be built: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The manifest's folder is fixed when xtask is built; the workspace is its parent.
fn root() -> anyhow::Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = folder.parent().context("xtask has no parent folder")?;
    Ok(root.to_owned())
}

fn run_tidy() -> anyhow::Result<usize> {
    let findings = tidy::run(&root()?)?;
    for finding in &findings {
        println!("{finding}");
    }
    Ok(findings.len())
}
