//! Logging, set up once.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{Log, LogFormat};

/// Sends log lines to standard error. `quiet` raises the least level to warnings.
pub(crate) fn start(log: Log, quiet: bool) {
    let level = if quiet { "warn" } else { log.level.as_str() };
    // Other crates' lines are for their own developers.
    let filter = EnvFilter::new(format!(
        "warn,portico={level},portico_broker={level},portico_engine={level},\
         portico_gateway={level},portico_identity={level},portico_net={level},\
         portico_portal={level},portico_probe={level},portico_rdp={level},portico_store={level}"
    ));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().init(),
    }
}
