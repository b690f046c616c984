//! `portico agent`: the agent of a session host, the same as the small program `portico-agent`.

use portico_agent::cli::{AgentArgs, AgentFailure};

use super::{failure::Failure, teach};

pub(crate) const HELP: &str = teach![
    "portico agent --join -                 join with the token on standard input, then stay",
    "portico agent                          go on with the certificate of an earlier join",
    "portico agent --load cgroup            for a host that is a container",
    "portico agent --once --print           show what the agent sees of this host",
];

/// Runs until it is told to stop; shows nothing but its log.
pub(crate) async fn agent(args: AgentArgs) -> Result<String, Failure> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::level_filters::LevelFilter::INFO)
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    match portico_agent::cli::run(args).await {
        Ok(()) => Ok(String::new()),
        Err(AgentFailure {
            what,
            reason,
            next_step,
        }) => Err(Failure::new(what).reason(reason).next_step(next_step)),
    }
}
