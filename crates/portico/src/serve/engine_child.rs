//! The engine as a process of its own: started, watched and started again.

use std::{process::Stdio, time::Duration};

use anyhow::Context;
use portico_broker::Broker;
use portico_net::tasks::ShutdownToken;
use tokio::process::{Child, Command};

use crate::cli::Globals;

/// Pause before the engine is started again; doubled each time up to the maximum.
const RESTART_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// An engine that ran so long is not to blame for an earlier failure.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// Time the engine gets to end its sessions when Portico stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// How the engine's process is started: with the same settings.
#[derive(Debug, Clone)]
pub(super) struct Place(Vec<std::ffi::OsString>);

impl Place {
    pub(super) fn of(globals: &Globals, quiet: bool) -> Self {
        let mut arguments: Vec<std::ffi::OsString> = Vec::new();
        for (option, value) in [
            ("--settings", &globals.settings),
            ("--state", &globals.state),
        ] {
            if let Some(value) = value {
                arguments.extend([option.into(), value.clone().into_os_string()]);
            }
        }
        arguments.extend(["serve", "--roles", "engine", "--with-parent"].map(Into::into));
        if quiet {
            arguments.push("--quiet".into());
        }
        Self(arguments)
    }
}

/// Keeps an engine running until shutdown. The engine ends by itself when its standard input
/// does, so that it never outlives a Portico that was killed.
pub(super) async fn supervise(place: Place, broker: Broker, shutdown: ShutdownToken) {
    let mut pause = RESTART_PAUSE;
    loop {
        // Terminals live in the engine: those of the one before, or of a Portico before, are gone.
        if let Err(error) = broker.engine_stopped().await {
            tracing::warn!(%error, "Terminals of an engine that stopped are still listed");
        }
        let started = tokio::time::Instant::now();
        match start(&place) {
            Ok(mut child) => {
                // Held here, because `wait` would close it, and that is the order to stop.
                let order = child.stdin.take();
                tokio::select! {
                    status = child.wait() => match status {
                        Ok(status) => tracing::warn!(%status, "The engine ended; starting it again"),
                        Err(error) => tracing::warn!(%error, "The engine cannot be watched"),
                    },
                    () = shutdown.cancelled() => {
                        drop(order);
                        stop(child).await;
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "The engine does not start")
            }
        }
        pause = if started.elapsed() > HEALTHY_AFTER {
            RESTART_PAUSE
        } else {
            (pause * 2).min(RESTART_PAUSE_MAX)
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

fn start(place: &Place) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find the program's own file")?;
    let mut command = Command::new(program);
    command.args(&place.0);
    command.stdin(Stdio::piped()).kill_on_drop(true);
    command.spawn().context("cannot start the engine's process")
}

async fn stop(mut child: Child) {
    if tokio::time::timeout(STOP_TIMEOUT, child.wait())
        .await
        .is_err()
    {
        tracing::warn!("The engine did not stop in time and is ended");
        let _ = child.kill().await;
    }
}
