//! Portico: connection broker, gateway, portal and engine in one program.
//!
//! Read [`serve`] (the server) and [`cli`] (everything that asks a running one) first.

mod cli;
mod init;
mod log;
mod serve;
mod settings;
mod status;

use std::{collections::BTreeSet, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    cli::{Globals, failure::Failure, teach},
    settings::{ProcessRole, Settings},
};

/// Connection broker, gateway and web portal for desktops, programs and terminals.
///
/// Start with `portico init`, which prints a one-time link to make the owner, and `portico serve`.
/// Then describe your hosts in a file and `portico apply -f estate.toml`.
#[derive(Parser)]
#[command(
    name = "portico",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(flatten)]
    globals: Globals,

    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Prepare the state folder and print a one-time link that makes the owner.
    #[command(after_help = init::HELP)]
    Init(init::InitArgs),

    /// Run Portico: broker, gateway and portal, with the engine beside them.
    #[command(after_help = SERVE_HELP)]
    Serve {
        /// What this process does, separated by commas.
        #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLES")]
        roles: Vec<ProcessRole>,

        /// Log only what somebody should look at.
        #[arg(long)]
        quiet: bool,

        /// Stop when standard input ends: how the default serve starts its engine.
        #[arg(long, hide = true)]
        with_parent: bool,
    },

    /// Say whether the Portico of this machine answers.
    #[command(after_help = status::HELP)]
    Status(status::StatusArgs),

    /// Print the description of the HTTP API (OpenAPI 3.1, JSON).
    #[command(after_help = OPENAPI_HELP)]
    Openapi,

    #[command(flatten)]
    Ask(cli::Command),
}

const SERVE_HELP: &str = teach![
    "portico serve                              with /etc/portico/portico.toml, or the defaults",
    "portico serve --settings portico.toml      with settings of your own",
    "portico serve --state /srv/portico         with another state folder",
    "portico serve --roles engine               only the engine; the default serve starts one itself",
];

const OPENAPI_HELP: &str = teach!["portico openapi > portico.json"];

fn main() -> ExitCode {
    let Arguments { globals, command } = Arguments::parse();
    match command {
        Verb::Serve {
            roles,
            quiet,
            with_parent,
        } => conclude(server_settings(&globals).and_then(|mut settings| {
            if !roles.is_empty() {
                settings.roles = BTreeSet::from_iter(roles);
            }
            log::start(settings.log, quiet);
            serve::run(settings, &globals, serve::Process { with_parent, quiet })
                .map_err(|error| Failure::new("Portico stops").reason(format!("{error:#}")))
        })),
        Verb::Init(args) => {
            conclude(server_settings(&globals).and_then(|settings| init::run(&settings, args)))
        }
        Verb::Status(args) => {
            conclude(server_settings(&globals).and_then(|settings| status::run(&settings, args)))
        }
        Verb::Openapi => match portico_portal::openapi_json() {
            Ok(json) => cli::print(&json),
            Err(error) => conclude(Err(
                Failure::new("The API cannot be described").reason(error)
            )),
        },
        Verb::Ask(command) => {
            portico_net::tls::install_provider();
            match tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            {
                Ok(runtime) => runtime.block_on(cli::run(&globals, command)),
                Err(error) => conclude(Err(Failure::new("The program cannot start").reason(error))),
            }
        }
    }
}

fn conclude(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The settings of the installation on this machine, with the state folder of `--state`.
fn server_settings(globals: &Globals) -> Result<Settings, Failure> {
    let mut settings = globals.settings()?;
    if let Some(state) = &globals.state {
        settings.state_dir.clone_from(state);
        settings.socket = state.join("portico.sock");
        settings.engine_socket = state.join("engine.sock");
    }
    Ok(settings)
}
