//! What a session may do with the device of its user, and for how long.

use serde::{Deserialize, Serialize};

/// What a session may do. Each item says in `docs/` which paths enforce it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPolicy {
    /// Directions in which text may be copied.
    pub clipboard: Clipboard,
    /// What the host may do in a folder of the user's device.
    #[serde(default)]
    pub drive: Drive,
    /// Whether the host may print on the user's device.
    #[serde(default)]
    pub printer: Printer,
    /// A session nobody uses is disconnected after this time; 0 means never.
    pub idle_timeout_s: u32,
    /// A connection is ended after this time; 0 means never.
    pub total_timeout_s: u32,
    /// A session that is disconnected for this time is ended; 0 means never.
    #[serde(default)]
    pub disconnected_timeout_s: u32,
    /// A session is ended this long after it was launched; 0 means never.
    #[serde(default)]
    pub session_timeout_s: u32,
    /// Whether the host may listen to the user's device.
    #[serde(default)]
    pub microphone: Microphone,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            clipboard: Clipboard::Both,
            drive: Drive::default(),
            printer: Printer::default(),
            idle_timeout_s: 3600,
            total_timeout_s: 86_400,
            disconnected_timeout_s: 0,
            session_timeout_s: 0,
            microphone: Microphone::default(),
        }
    }
}

/// Whether a host may listen to the user's device, once the user switches that on.
///
/// Off by default, as policies that were written before there was a microphone must not grant more
/// after an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Microphone {
    /// It may not.
    #[default]
    Off,
    /// The user decides, each time.
    On,
}

/// Directions of the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clipboard {
    /// Neither.
    None,
    /// From the user's device to the host.
    ToHost,
    /// From the host to the user's device.
    FromHost,
    /// Both.
    #[default]
    Both,
}

/// What a host may do in the folder that a user shares with it.
///
/// Off by default, as policies that were written before there were drives must not grant more
/// after an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drive {
    /// No folder is shared.
    #[default]
    Off,
    /// The host reads.
    Read,
    /// The host reads and writes.
    ReadWrite,
}

/// Whether a host may print on the user's device. Off by default, as [`Drive`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Printer {
    /// It has no printer there.
    #[default]
    Off,
    /// What it prints becomes a download.
    On,
}
