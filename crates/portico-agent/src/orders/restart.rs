//! Restarting the machine.

use std::{sync::atomic::Ordering, time::Duration};

use portico_model::seen::OrderOutcome;

use super::Host;
use crate::child::Program;

/// Longest time until a restart, in seconds.
pub const RESTART_AFTER_MAX_S: u32 = 86_400;
/// Time for the command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

impl Host {
    /// Tells the people, waits, and runs the command. The order is answered at once.
    pub(super) async fn restart(&self, after_s: u32, text: String) -> OrderOutcome {
        if after_s > RESTART_AFTER_MAX_S {
            return OrderOutcome::Failed {
                detail: format!("a restart is planned at most {RESTART_AFTER_MAX_S} s ahead"),
            };
        }
        let Some((path, arguments)) = self.0.restart_command.split_first() else {
            return OrderOutcome::NotSupported {
                detail: "the agent's settings switch restarts off (restart_command = [])".into(),
            };
        };
        if self.0.restarting.swap(true, Ordering::SeqCst) {
            return OrderOutcome::Failed {
                detail: "a restart is planned already".into(),
            };
        }
        let program = Program::new(path).arguments(arguments);
        if !program.path.is_absolute() || !program.path.exists() {
            self.0.restarting.store(false, Ordering::SeqCst);
            return OrderOutcome::Failed {
                detail: format!("there is no {path}; set restart_command in the agent's settings"),
            };
        }
        if !text.is_empty() {
            // Whoever cannot be told does not keep the host from being restarted.
            let _told = self.message(None, "the operator", &text).await;
        }
        tracing::warn!(after_s, command = %path, "The machine restarts on an operator's order");
        let host = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(after_s.into())).await;
            match program.run(COMMAND_TIMEOUT).await {
                Ok(ended) if ended.status.success() => {}
                Ok(ended) => {
                    tracing::error!(status = %ended.status, errors = %portico_model::printable(&ended.errors), "The restart failed");
                }
                Err(error) => tracing::error!(%error, "The restart failed"),
            }
            host.0.restarting.store(false, Ordering::SeqCst);
        });
        OrderOutcome::Done {
            detail: format!("the machine restarts in {after_s} s"),
        }
    }
}
