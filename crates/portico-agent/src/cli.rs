//! The command line: the same for `portico agent` and for `portico-agent`.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use portico_net::{
    clock::{Clock, SystemClock},
    tasks::ShutdownToken,
};
use portico_wire::agent::{JoinToken, TOKEN_LEN_MAX};

use crate::{
    agent::{Agent, ask_names},
    enrollment::join,
    load::LoadOf,
    orders::Host,
    sampler::Sampler,
    settings::Settings,
    state::{Joined, Joining, StateFolder},
};

/// Time over which `--once` measures the load.
const ONCE_FOR: Duration = Duration::from_secs(1);

/// Options of the agent.
#[derive(Debug, Clone, clap::Args)]
pub struct AgentArgs {
    /// Join token of `portico tokens create --host NAME`; `-` reads it from standard input, so
    /// that it is in no list of processes. Needed once; afterwards the agent has a certificate.
    #[arg(long, value_name = "TOKEN")]
    pub join: Option<String>,

    /// Folder of the agent's key and certificate [default: /var/lib/portico-agent].
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Listen there for brokers, for hosts with agent_link = "listen" in the estate.
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,

    /// What the load is measured of: the machine, or the control group of the agent (containers).
    #[arg(long, value_enum, value_name = "OF")]
    pub load: Option<LoadOf>,

    /// Settings of the agent [default: /etc/portico/agent.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,

    /// Look at the host once and end; needs no broker and no certificate.
    #[arg(long, requires = "print")]
    pub once: bool,

    /// Print the report as JSON, together with --once.
    #[arg(long, requires = "once")]
    pub print: bool,
}

/// What `--help` ends with.
pub const HELP: &str = "\
Examples:
  portico-agent --join -                 join with the token on standard input, then stay
  portico-agent                          go on with the certificate of an earlier join
  portico-agent --load cgroup            for a host that is a container
  portico-agent --once --print           show what the agent sees of this host

Exit codes:
  0  done
  1  refused or failed; what, why and the next step are on standard error
  2  wrong usage";

/// A command that failed, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentFailure {
    /// What happened.
    pub what: String,
    /// Why.
    pub reason: String,
    /// What to do.
    pub next_step: String,
}

impl fmt::Display for AgentFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| portico_model::printable(text).replace("\\n", "\n");
        writeln!(f, "{}", shown(&self.what))?;
        writeln!(f, "  why: {}", shown(&self.reason))?;
        if !self.next_step.is_empty() {
            writeln!(f, "  next: {}", shown(&self.next_step))?;
        }
        Ok(())
    }
}

fn failure(what: &str, reason: impl fmt::Display, next_step: impl Into<String>) -> AgentFailure {
    AgentFailure {
        what: what.into(),
        reason: reason.to_string(),
        next_step: next_step.into(),
    }
}

/// Runs the command until it is done, or until the agent is told to stop by SIGTERM or SIGINT.
/// Needs a tokio runtime with everything enabled, and logging set up.
///
/// # Errors
/// [`AgentFailure`].
pub async fn run(args: AgentArgs) -> Result<(), AgentFailure> {
    let settings = Settings::load(args.settings.as_deref()).map_err(|error| {
        failure(
            "The agent's settings cannot be used",
            error,
            "mend the file",
        )
    })?;
    let settings = overridden(settings, &args);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sampler = Sampler::new("/", settings.load);
    let host = Host::new(
        sampler,
        Arc::clone(&clock),
        settings.rdp_port,
        settings.restart_command.clone(),
    );
    if args.once {
        return once(&host, clock.as_ref()).await;
    }
    if !rustix::process::geteuid().is_root() {
        return Err(failure(
            "The agent must run as root",
            "the sessions of all users are its business",
            "start it with sudo or by its systemd unit",
        ));
    }
    portico_net::tls::install_provider();
    let shutdown = stop_signal().map_err(|error| failure("The agent cannot start", error, ""))?;
    let folder = StateFolder::open(&settings.state_dir).map_err(|error| {
        failure(
            "The state folder cannot be used",
            error,
            "choose another with --state-dir",
        )
    })?;
    let joined = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        joined = certificate(&folder, args.join, &clock) => joined?,
    };
    tracing::info!(host_id = %joined.joining.host, expires_at = %joined.identity.about().expires_at.unix_ms(), "Agent runs");
    let agent = Agent {
        host,
        joined,
        folder,
        listen: settings.listen,
        clock,
    };
    agent.run(&shutdown).await.map_err(|error| {
        let next_step = error.next_step();
        failure("The agent cannot listen", error, next_step)
    })
}

fn overridden(mut settings: Settings, args: &AgentArgs) -> Settings {
    if let Some(state_dir) = &args.state_dir {
        settings.state_dir.clone_from(state_dir);
    }
    settings.listen = args.listen.or(settings.listen);
    settings.load = args.load.unwrap_or(settings.load);
    settings
}

/// Prints one report.
async fn once(host: &Host, clock: &dyn Clock) -> Result<(), AgentFailure> {
    let begun = Instant::now();
    let look = |measure: bool| {
        host.with_sampler(|sampler| {
            sampler.look(clock.now());
            if measure {
                sampler.measure(begun.elapsed())
            } else {
                Ok(())
            }
        })
    };
    let failed = |error| {
        failure(
            "The host cannot be looked at",
            error,
            "is this Linux with /proc?",
        )
    };
    look(true).map_err(failed)?;
    ask_names(host, host.with_sampler(Sampler::unknown_ids)).await;
    tokio::time::sleep(ONCE_FOR).await;
    look(true).map_err(failed)?;
    let report = host.with_sampler(|sampler| sampler.report(1));
    let text = serde_json::to_string_pretty(&report)
        .map_err(|error| failure("The report cannot be written", error, ""))?;
    // A reader that closed the pipe early has what it wanted.
    let _closed = writeln!(io::stdout(), "{text}");
    Ok(())
}

/// The certificate of an earlier join, or a new one.
async fn certificate(
    folder: &StateFolder,
    token: Option<String>,
    clock: &Arc<dyn Clock>,
) -> Result<Joined, AgentFailure> {
    let unusable = |error| {
        failure(
            "The state folder cannot be used",
            error,
            "put it right, or choose another with --state-dir",
        )
    };
    let token = token.map(read_token).transpose()?;
    let waiting = folder.joining().map_err(unusable)?;
    // An earlier certificate that cannot be read is no reason to refuse a new token.
    let earlier = match (folder.joined(), &token) {
        (Ok(joined), _) => joined,
        (Err(error), Some(_)) => {
            tracing::warn!(%error, "The earlier certificate cannot be used");
            None
        }
        (Err(_), None) if waiting.is_some() => None,
        (Err(error), None) => return Err(unusable(error)),
    };
    let of_token = token.as_ref().map(Joining::of);
    let joining = match (of_token, waiting, earlier) {
        (Some(new), _, Some(joined)) if joined.joining.is_of_same_token(&new) => return Ok(joined),
        (Some(new), _, _) => new,
        (None, Some((waiting, _)), _) => waiting,
        (None, None, Some(joined)) => return Ok(joined),
        (None, None, None) => {
            return Err(failure(
                "The agent has no certificate",
                "it has not joined yet",
                "run `portico tokens create --host NAME` where Portico runs, and start the agent with --join TOKEN",
            ));
        }
    };
    join(folder, joining, token.as_ref(), clock)
        .await
        .map_err(|error| {
            let next_step = error.next_step();
            failure("The host could not join", error, next_step)
        })
}

fn read_token(text: String) -> Result<JoinToken, AgentFailure> {
    let text = if text == "-" {
        let mut text = String::new();
        let limit = u64::try_from(TOKEN_LEN_MAX).unwrap_or(u64::MAX);
        let read = io::stdin().lock().take(limit + 2).read_to_string(&mut text);
        read.map_err(|error| {
            failure(
                "The token cannot be read",
                error,
                "give it on standard input",
            )
        })?;
        portico_model::Secret::new(text)
    } else {
        portico_model::Secret::new(text)
    };
    JoinToken::parse(text.expose()).map_err(|error| {
        failure(
            "The join token cannot be used",
            error,
            "make another with `portico tokens create --host NAME`",
        )
    })
}

/// A token that is cancelled when the process is told to stop.
fn stop_signal() -> io::Result<ShutdownToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = ShutdownToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("The agent stops");
        told.cancel();
    });
    Ok(shutdown)
}
