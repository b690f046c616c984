//! `portico init`: a state folder, and the one-time link that makes the owner.

use std::sync::Arc;

use clap::Args;
use portico_model::estate::Estate;
use portico_net::clock::{Clock, SystemClock};
use portico_store::{SqliteStore, Store};

use crate::{
    cli::{failure::Failure, teach},
    serve::{self, StateDir},
    settings::Settings,
};

pub(crate) const HELP: &str = teach![
    "portico init                          prepare /var/lib/portico and print the link",
    "portico init --state /srv/portico     another state folder",
    "portico init --if-needed              print nothing when an owner exists already",
];

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Do nothing when an owner exists.
    #[arg(long)]
    if_needed: bool,
}

/// Prepares the state folder and prints the link.
pub(crate) fn run(settings: &Settings, args: InitArgs) -> Result<(), Failure> {
    let failed = |reason: String| {
        Failure::new("The installation cannot be prepared")
            .reason(reason)
            .next_step("mend that and run `portico init` again; nothing is lost")
    };
    portico_net::tls::install_provider();
    let state = StateDir::open(settings).map_err(|error| failed(format!("{error:#}")))?;
    let clock = SystemClock;
    let identity =
        serve::identity(settings, &state, &clock).map_err(|error| failed(format!("{error:#}")))?;
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&state.store()).map_err(|error| failed(error.to_string()))?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let link = runtime.block_on(async {
        let estate: Estate = portico_broker::stored_estate(store.as_ref())
            .await
            .map_err(|error| failed(error.to_string()))?;
        if !portico_portal::setup::is_needed(&estate) {
            return Ok::<_, Failure>(None);
        }
        let token = portico_portal::setup::issue(store.as_ref(), clock.now())
            .await
            .map_err(|error| failed(error.to_string()))?;
        Ok(Some(token))
    })?;
    match link {
        Some(token) => {
            let origin = settings
                .origins
                .first()
                .map(String::as_str)
                .unwrap_or_default();
            println!("Set-up link, good once and for a day; it makes the owner:");
            println!("{origin}/setup#token={}", token.expose());
            println!(
                "Fingerprint of the certificate (SHA-256): {}",
                identity.fingerprint()
            );
            Ok(())
        }
        None if args.if_needed => Ok(()),
        None => Err(Failure::new("There is nothing to set up")
            .reason("an owner exists already")
            .next_step("sign in as the owner")),
    }
}
