//! Join tokens.

use portico_broker::TokenState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A join token to make.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct JoinTokenRequest {
    /// Host that may join with it.
    pub(crate) host: String,
    /// Whether the host takes sessions at once instead of starting in drain.
    #[serde(default)]
    pub(crate) enable: bool,
    /// Whether it may take the place of an agent that has joined before.
    #[serde(default)]
    pub(crate) rejoin: bool,
    /// Seconds for which it is good, an hour unless told, an hour at most.
    #[serde(default)]
    pub(crate) life_s: Option<u32>,
}

/// A join token, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewJoinTokenView {
    /// Its id, for revoking.
    pub(crate) id: String,
    /// The token: a secret.
    pub(crate) token: String,
    /// Host that may join with it.
    pub(crate) host: String,
    /// Until when, in milliseconds since 1970.
    pub(crate) expires_at_ms: i64,
    /// What to run on the host.
    pub(crate) command: String,
}

/// A join token without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JoinTokenView {
    /// Its id, for revoking.
    pub(crate) id: String,
    /// Host that may join with it.
    pub(crate) host: String,
    /// Until when, in milliseconds since 1970.
    pub(crate) expires_at_ms: i64,
    /// Whether the host takes sessions at once.
    pub(crate) enable: bool,
    /// Whether it may take the place of an agent that has joined before.
    pub(crate) rejoin: bool,
    /// `usable`, `lapsed` or `used`.
    pub(crate) state: String,
    /// Who made it.
    pub(crate) created_by: String,
}

impl From<&portico_broker::JoinTokenView> for JoinTokenView {
    fn from(token: &portico_broker::JoinTokenView) -> Self {
        Self {
            id: token.id.to_string(),
            host: token.host.to_string(),
            expires_at_ms: token.expires_at.unix_ms(),
            enable: token.enable,
            rejoin: token.rejoin,
            state: match &token.state {
                TokenState::Usable => "usable",
                TokenState::Lapsed => "lapsed",
                TokenState::Used { .. } => "used",
            }
            .into(),
            created_by: token.created_by.clone(),
        }
    }
}
