//! What went wrong, why, and what to do next: the only way a command fails.

use std::fmt;

use portico_model::printable;
use serde::Deserialize;

/// A failed command, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What happened.
    pub(crate) what: String,
    /// Why.
    pub(crate) reason: Option<String>,
    /// What to do about it.
    pub(crate) next_step: Option<String>,
    /// More lines, such as the errors of a file.
    pub(crate) lines: Vec<String>,
    /// An answer that is there all the same, for standard output.
    pub(crate) answer: Option<String>,
}

/// The error object of the HTTP API.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ApiFault {
    /// Stable name for programs.
    #[serde(default)]
    pub(crate) code: String,
    /// What happened.
    pub(crate) message: String,
    /// Why.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// What to do.
    #[serde(default)]
    pub(crate) next_step: Option<String>,
    /// Seconds after which another try makes sense.
    #[serde(default)]
    pub(crate) retry_after_s: Option<u64>,
    /// More, depending on `code`.
    #[serde(default)]
    pub(crate) details: serde_json::Value,
}

impl Failure {
    /// A failure of which only is known what happened.
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        Self {
            what: what.to_string(),
            reason: None,
            next_step: None,
            lines: Vec::new(),
            answer: None,
        }
    }

    /// Adds why.
    #[must_use]
    pub(crate) fn reason(mut self, reason: impl fmt::Display) -> Self {
        self.reason = Some(reason.to_string());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn next_step(mut self, next_step: impl fmt::Display) -> Self {
        self.next_step = Some(next_step.to_string());
        self
    }

    /// Adds an answer that is shown before it.
    #[must_use]
    pub(crate) fn answer(mut self, answer: String) -> Self {
        self.answer = Some(answer);
        self
    }

    /// Adds more lines.
    #[must_use]
    pub(crate) fn lines(mut self, lines: Vec<String>) -> Self {
        self.lines = lines;
        self
    }
}

impl From<ApiFault> for Failure {
    fn from(fault: ApiFault) -> Self {
        let wait = fault
            .retry_after_s
            .map(|seconds| format!("try again in {seconds} s"));
        let next_step = match (fault.next_step, wait) {
            (Some(step), Some(wait)) => Some(format!("{step} ({wait})")),
            (step, wait) => step.or(wait),
        };
        let next_step = match fault.code.as_str() {
            "not-signed-in" => Some(
                "run `portico login --server URL`, or run the command as root on the server itself"
                    .to_owned(),
            ),
            _ => next_step,
        };
        Self {
            what: fault.message,
            reason: fault.reason,
            next_step,
            lines: Vec::new(),
            answer: None,
        }
    }
}

/// Safe for a terminal, whatever a server or a file put into it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", printable(self.what.trim_end_matches('.')))?;
        for line in &self.lines {
            writeln!(f, "  {}", printable(line))?;
        }
        if let Some(reason) = &self.reason {
            // A reason may have lines of its own, such as the errors of a settings file.
            for (index, line) in reason.lines().enumerate() {
                let label = if index == 0 { "reason:" } else { "       " };
                writeln!(f, "  {label}    {}", printable(line))?;
            }
        }
        if let Some(next_step) = &self.next_step {
            writeln!(f, "  next step: {}", printable(next_step))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
