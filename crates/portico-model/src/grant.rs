//! What a gateway or engine gets for a ticket: everything it needs for one connection.

use std::net::IpAddr;

use crate::{
    ConnectionId, HostId, SessionId, Timestamp, UserId,
    estate::{Clipboard, Drive, Microphone, Pin, Printer, Protocol, RdpSecurity},
};

/// Life of a launch ticket.
pub const LAUNCH_TICKET_LIFE_MS: i64 = 60_000;

/// Right to open one connection to one host, given for a launch ticket that was redeemed.
#[derive(Debug, Clone)]
pub struct ChannelGrant {
    /// Session the connection belongs to.
    pub session: SessionId,
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it is.
    pub user: UserId,
    /// Where to go. Never taken from the client.
    pub target: Target,
    /// Name to log on with.
    pub account: String,
    /// Password to log on with, sealed to the gateway's public key; `None` when the sign-in
    /// has none.
    pub sealed_password: Option<Vec<u8>>,
    /// Program instead of the desktop, and the folder it starts in.
    pub program: Option<Program>,
    /// Where the client was when it launched.
    pub client_address: Option<IpAddr>,
    /// Directions of the clipboard.
    pub clipboard: Clipboard,
    /// What the host may do in a folder of the device.
    pub drive: Drive,
    /// Whether the host may print on the device.
    pub printer: Printer,
    /// Close after so long without input; 0 means never.
    pub idle_timeout_s: u32,
    /// Close after so long in any case; 0 means never.
    pub total_timeout_s: u32,
    /// Whether the host may listen to the device.
    pub microphone: Microphone,
    /// When the grant was given.
    pub granted_at: Timestamp,
    /// What most likely keeps the host from being reached, when checks say that something does: one
    /// word, which names nothing, for the user of a connection that fails.
    pub cause: Option<String>,
}

/// A host as the gateway dials it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub host: HostId,
    /// Address or name.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// RDP security it wants.
    pub security: RdpSecurity,
    /// Identities to accept.
    pub pins: Vec<Pin>,
}

/// A published program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Command line.
    pub command: String,
    /// Folder; empty for the account's home.
    pub work_dir: String,
}

/// Why a ticket was not redeemed. What the client is told is the same for all of them but
/// `HostGone`: a ticket that is not good says nothing about why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedeemError {
    /// Not a ticket of this broker, never was, used already, or lapsed.
    #[error("the launch ticket is unknown, used or lapsed")]
    NotGood,
    /// The ticket is for another kind of viewer.
    #[error("the launch ticket is for {expected:?}")]
    OtherProtocol {
        /// What it is for.
        expected: Protocol,
    },
    /// The host was taken out of the estate meanwhile.
    #[error("host {host} is not part of the estate any more")]
    HostGone {
        /// The host.
        host: HostId,
    },
    /// The store could not be read.
    #[error("the state could not be read: {detail}")]
    StoreAway {
        /// What it said.
        detail: String,
    },
}
