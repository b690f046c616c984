//! The only place that opens sockets; a lint forbids them elsewhere. Each socket names the flow of
//! the catalogue that it belongs to, so what a firewall must let through can be read there.
//!
//! Read [`tcp::TcpListener`] and [`tcp::dial_tcp`] first. Beside the sockets stand what every
//! service needs around them: [`tls`], the [`clock`], supervised [`tasks`], and the framed agent
//! [`link`].
#![warn(missing_docs)]

pub mod clock;
pub mod holders;
pub mod host_ports;
pub mod link;
pub mod own;
pub mod pair;
pub mod places;
pub mod race;
pub mod tasks;
pub mod tcp;
pub mod tls;
pub mod udp;
pub mod unix;

pub use portico_catalogue::{FlowId, LocalSocketId, default_port, flows};
pub use tcp::{DialError, ListenError, TcpListener, dial_tcp};
