//! What operators ask of a host and its agent.

use portico_model::estate::HostMode;
use serde::Deserialize;
use utoipa::ToSchema;

/// A mode to set on a host.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ModeRequest {
    /// Which; `estate` goes back to what the estate says.
    pub(crate) mode: WantedModeView,
    /// Why. Free text.
    #[serde(default)]
    pub(crate) reason: String,
    /// Whether it ends with the next start of the host.
    #[serde(default)]
    pub(crate) until_restart: bool,
}

/// A mode to set on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WantedModeView {
    /// New sessions and reconnections.
    Enabled,
    /// Reconnections only.
    Drain,
    /// Nothing.
    Disabled,
    /// What the estate says.
    Estate,
}

impl From<WantedModeView> for Option<HostMode> {
    fn from(mode: WantedModeView) -> Self {
        match mode {
            WantedModeView::Enabled => Some(HostMode::Enabled),
            WantedModeView::Drain => Some(HostMode::Drain),
            WantedModeView::Disabled => Some(HostMode::Disabled),
            WantedModeView::Estate => None,
        }
    }
}

/// A reason. Free text.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ReasonRequest {
    /// The reason.
    #[serde(default)]
    pub(crate) reason: String,
}

/// A text to show to people.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MessageRequest {
    /// The text.
    pub(crate) text: String,
}

/// A restart.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RestartRequest {
    /// Seconds from now.
    pub(crate) after_s: u32,
    /// What people there are told.
    #[serde(default)]
    pub(crate) text: String,
}

/// What an agent shall probe.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ProbeRequest {
    /// Host whose protocol it tries.
    pub(crate) host: String,
}

/// What an operator was shown, and answers.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SeenRequest {
    /// Fingerprint of what was shown, all 64 hexadecimal digits of it. When something else waits
    /// by now, nothing is done.
    pub(crate) fingerprint: String,
}

/// Which machine to turn away.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RejectRequest {
    /// Fingerprint of what was shown; without it whichever machine waits is turned away.
    #[serde(default)]
    pub(crate) fingerprint: Option<String>,
}
