//! The agent as a program of its own, for packages. `portico agent` is the same.

use std::process::ExitCode;

use clap::Parser;
use portico_agent::cli::{self, AgentArgs};
use tracing_subscriber::filter::LevelFilter;

/// Tells Portico's brokers how busy this host is and which sessions run on it, and does what they
/// order.
#[derive(Parser)]
#[command(name = "portico-agent", version, max_term_width = 100, after_help = cli::HELP)]
struct Arguments {
    #[command(flatten)]
    agent: AgentArgs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(arguments.agent)),
        Err(error) => {
            eprintln!("The agent cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{failure}");
            ExitCode::FAILURE
        }
    }
}
