//! One thing that is wrong with a file.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong with a file, with its place and what would be right.
///
/// Shown as `file:line:column: key of object: reason; expected`, which editors can jump to. All
/// parts are safe to show on a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentError {
    /// Name of the file as it was given.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// Path of the key, such as `hosts[2].port`; empty for the file as a whole.
    pub key: String,
    /// What the key belongs to, such as `host "sh1"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = portico_model::printable(&self.file);
        write!(f, "{file}:{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(object) = &self.object {
                write!(f, " of {object}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.reason)?;
        match &self.expected {
            Some(expected) => write!(f, "; {expected}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DocumentError {}
