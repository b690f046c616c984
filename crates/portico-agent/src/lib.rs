//! The agent on a session host: it tells every broker how busy the host is and which sessions
//! exist on it, and does what a broker orders.
//!
//! Read [`sampler::Sampler`] (one look at the host) and [`agent::Agent`] (the whole) first.
//!
//! It runs as root, because the sessions of all users are its business, and trusts nothing that a
//! user can write: names of processes, titles, environments and sockets count only together with
//! what the kernel says about their owners.
#![warn(missing_docs)]

pub mod accounts;
pub mod address;
pub mod agent;
pub mod backoff;
pub mod checks;
pub mod child;
pub mod cli;
pub mod enrollment;
pub mod files;
pub mod identities;
pub mod idle;
pub mod link;
pub mod load;
pub mod orders;
pub mod pairs;
pub mod parse;
pub mod ports;
pub mod processes;
pub mod sampler;
pub mod sessions;
pub mod settings;
mod shown;
pub mod state;

/// What the agent calls itself.
pub const SOFTWARE: &str = concat!("portico-agent ", env!("CARGO_PKG_VERSION"));

/// A random number for waits. Without randomness, which does not happen on a running system,
/// every wait is the shortest.
pub(crate) fn lot() -> u64 {
    let mut bytes = [0_u8; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(_) => u64::from_ne_bytes(bytes),
        Err(_) => 0,
    }
}
