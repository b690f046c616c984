//! Who somebody is and what they may do in Portico itself.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{GroupId, SignInId, Timestamp, UserId};

/// Role of a person. Ordered: each role may do what the ones before it may, except that an
/// auditor reads everything and changes nothing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Uses what is published.
    #[default]
    User,
    /// Reads the estate, the sessions and the audit log.
    Auditor,
    /// Helps users: sees and ends their sessions.
    HelpDesk,
    /// Changes the estate.
    Operator,
    /// May do everything, people and roles included.
    Owner,
}

/// How strongly somebody proved who they are.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// One factor.
    #[default]
    Password,
    /// Two factors.
    SecondFactor,
}

/// Who asks: the outcome of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub user: UserId,
    /// Name to show.
    pub display_name: String,
    /// All groups, nested ones included.
    pub groups: Vec<GroupId>,
    /// Role in Portico.
    pub role: Role,
    /// How strongly signed in.
    pub strength: Strength,
    /// The sign-in record; `None` for root on the Unix socket.
    pub sign_in: Option<SignInId>,
    /// When they signed in.
    pub signed_in_at: Timestamp,
    /// Address they come from, as far as trusted proxies tell; `None` on the Unix socket.
    pub client_address: Option<IpAddr>,
}
