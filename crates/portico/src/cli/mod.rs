//! The command line as a client of the HTTP API: everything but `serve` and `init`.
//!
//! Read [`Command`] and [`ApiClient`] first. A command returns the text it
//! shows; only [`run`] prints, so that every command can be tested by its text.

pub(crate) mod agent;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod client;
pub(crate) mod credentials;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod failure;
pub(crate) mod get;
pub(crate) mod hosts;
pub(crate) mod humane;
pub(crate) mod listed;
pub(crate) mod output;
pub(crate) mod ports;
pub(crate) mod server;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod tokens;
pub(crate) mod transport;

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand};

use crate::settings::Settings;
use client::ApiClient;
use credentials::Credentials;
use failure::Failure;
use output::Format;
use server::Server;

/// What the help of each command ends with: its examples and the exit codes.
macro_rules! teach {
    ($($example:literal),+ $(,)?) => {
        concat!(
            "Examples:\n",
            $("  ", $example, "\n",)+
            "\nExit codes:\n",
            "  0  done\n",
            "  1  refused or failed; what, why and the next step are on standard error\n",
            "  2  wrong usage",
        )
    };
}
pub(crate) use teach;

/// Heading of the options that every command understands.
const EVERYWHERE: &str = "Options of all commands";

/// Options that every command understands.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Globals {
    /// Where Portico is: https://HOST or https://HOST:PORT, or the path of its Unix socket.
    ///
    /// Without it: the socket of --state or --settings when one of them is given, else the server
    /// of the last `portico login`, else the socket of the installation on this machine.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "URL|PATH")]
    pub(crate) server: Option<Server>,

    /// State folder of the installation on this machine; its socket is in it.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Settings of the installation on this machine [default: /etc/portico/portico.toml].
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,

    /// How to show the answer: for people, or for programs in the schema of the HTTP API.
    #[arg(
        long,
        short,
        global = true,
        help_heading = EVERYWHERE,
        value_enum,
        value_name = "FORM",
        default_value_t
    )]
    pub(crate) output: Format,

    /// Never use colours. Nothing depends on them, and none are used outside of this help.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) no_color: bool,
}

/// The commands that ask a running Portico.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in to a Portico on another machine, for the commands that follow.
    #[command(after_help = sign_in::LOGIN_HELP)]
    Login(sign_in::LoginArgs),

    /// Forget the sign-in of a server.
    #[command(after_help = sign_in::LOGOUT_HELP)]
    Logout,

    /// Make an estate file true: pools, hosts, resources, entitlements, people.
    #[command(after_help = apply::HELP)]
    Apply(apply::ApplyArgs),

    /// Show what there is.
    #[command(after_help = get::HELP)]
    Get(get::GetArgs),

    /// Say why something would be decided as it would, without doing it.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Explain {
        /// What to explain.
        #[command(subcommand)]
        what: explain::ExplainCommand,
    },

    /// List, message, disconnect and end sessions.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Sessions {
        /// What to do.
        #[command(subcommand)]
        what: sessions::SessionsCommand,
    },

    /// See session hosts and act on them: drain, trust, approve, restart, maintain.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Hosts {
        /// What to do.
        #[command(subcommand)]
        what: hosts::HostsCommand,
    },

    /// Make and revoke the tokens by which agents of session hosts join.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Tokens {
        /// What to do.
        #[command(subcommand)]
        what: tokens::TokensCommand,
    },

    /// Say which network ports products and estates need, and write the firewall rules for them.
    ///
    /// Works without a server: give an estate file with -f.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Ports {
        /// What to do.
        #[command(subcommand)]
        what: ports::PortsCommand,
    },

    /// Say whether this node is ready: settings, ports, names, certificates, store, disk, flows.
    ///
    /// Works before the installation and while the server runs, and changes nothing. Ends with 1
    /// when something failed.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::DoctorArgs),

    /// Read the audit log and prove that nobody changed it.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Audit {
        /// What to do.
        #[command(subcommand)]
        what: audit::AuditCommand,
    },

    /// Run the agent on a session host: it tells the brokers of load and sessions.
    #[command(after_help = agent::HELP)]
    Agent(portico_agent::cli::AgentArgs),
}

/// Runs a command: shows its answer on standard output, or on standard error what went wrong.
/// Answers with the exit code, 0 or 1.
pub(crate) async fn run(globals: &Globals, command: Command) -> ExitCode {
    match answer(globals, command).await {
        Ok(text) => print(&text),
        Err(failure) => {
            if let Some(answer) = &failure.answer {
                // A reader who left early has seen enough of it; the exit code is 1 in any case.
                let _ = print(answer);
            }
            // Nothing can be done when even this cannot be written.
            let _ = write!(io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

/// What a command shows on standard output.
pub(crate) async fn answer(globals: &Globals, command: Command) -> Result<String, Failure> {
    match command {
        Command::Login(args) => sign_in::login(globals, args).await,
        Command::Logout => sign_in::logout(globals).await,
        Command::Apply(args) => apply::apply(globals, &args).await,
        Command::Get(args) => get::get(globals, &args).await,
        Command::Explain { what } => explain::explain(globals, &what).await,
        Command::Sessions { what } => sessions::sessions(globals, &what).await,
        Command::Hosts { what } => hosts::hosts(globals, &what).await,
        Command::Tokens { what } => tokens::tokens(globals, &what).await,
        Command::Ports { what } => ports::ports(globals, &what).await,
        Command::Doctor(args) => doctor::doctor(globals, &args).await,
        Command::Audit { what } => audit::audit(globals, &what).await,
        Command::Agent(args) => agent::agent(args).await,
    }
}

/// Prints `text`; a reader that closed the pipe early, such as `head`, has what it wanted.
pub(crate) fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

impl Globals {
    /// The server that is meant, and who is signed in there.
    pub(crate) fn client(&self) -> Result<ApiClient, Failure> {
        let credentials = Credentials::load()?;
        let server = self.server_or(credentials.current.as_deref())?;
        Ok(ApiClient::new(server, &credentials))
    }

    /// The server that is meant when `current` is the one of the last sign-in.
    fn server_or(&self, current: Option<&str>) -> Result<Server, Failure> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        if let Some(state) = &self.state {
            return Ok(Server::Socket(state.join("portico.sock")));
        }
        if self.settings.is_none()
            && let Some(Ok(server)) = current.map(str::parse)
        {
            return Ok(server);
        }
        Ok(Server::Socket(self.settings()?.socket))
    }

    /// The settings of the installation on this machine.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Settings::load(self.settings.as_deref()).map_err(|error| {
            Failure::new("The settings cannot be used")
                .reason(error)
                .next_step("mend the file, or name another one with --settings")
        })
    }
}
