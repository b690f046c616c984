//! The words of Portico: typed ids and domain nouns, with their limits. No I/O.
//!
//! Read [`estate::Estate`] (what an administrator asks for) and [`session::Session`] (what a user
//! has running) first; everything else describes one of them or carries one to another place.
#![warn(missing_docs)]

pub mod estate;
pub mod grant;
pub mod launch;
pub mod names;
pub mod network;
pub mod people;
pub mod secret;
pub mod seen;
pub mod session;
pub mod text;
pub mod time;

pub use names::{
    BrokerId, ConnectionId, EntitlementId, GatewayId, GroupId, HostId, JoinTokenId, MaintenanceId,
    NameError, PoolId, ResourceId, SessionId, SessionPolicyId, SignInId, SiteId, TenantId, UserId,
    ZoneId,
};
pub use secret::Secret;
pub use text::printable;
pub use time::Timestamp;
