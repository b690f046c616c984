//! `portico status`: whether the Portico of this machine answers, and what it shows.

use clap::Args;
use portico_net::{clock::SystemClock, flows, tls, unix};

use crate::{
    cli::{failure::Failure, teach},
    serve::{self, StateDir},
    settings::Settings,
};

pub(crate) const HELP: &str = teach![
    "portico status                  the address, and whether it answers",
    "portico status --fingerprint    only the SHA-256 fingerprint of the certificate",
];

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print only the SHA-256 fingerprint of the certificate.
    #[arg(long)]
    fingerprint: bool,
}

/// Prints the status; fails when nothing answers.
pub(crate) fn run(settings: &Settings, args: StatusArgs) -> Result<(), Failure> {
    tls::install_provider();
    let failed = |reason: String| Failure::new("The status cannot be found out").reason(reason);
    if args.fingerprint {
        let state = StateDir::open(settings).map_err(|error| failed(format!("{error:#}")))?;
        let identity = serve::identity(settings, &state, &SystemClock)
            .map_err(|error| failed(format!("{error:#}")))?;
        println!("{}", identity.fingerprint());
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    runtime
        .block_on(unix::dial(flows::CLI_PORTAL, &settings.socket))
        .map_err(|error| {
            Failure::new("Portico does not answer")
                .reason(error.to_string())
                .next_step(error.next_step())
        })?;
    let origin = settings
        .origins
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    println!("Portico answers at {origin}/");
    Ok(())
}
