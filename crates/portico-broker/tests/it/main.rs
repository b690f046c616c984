//! The broker over the real SQLite store, with fake hosts and a fake gateway.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod agents;
mod directory;
mod estate;
mod failure;
mod launch;
mod people;
mod port_checks;
mod port_pairs;
mod sessions;
mod tickets;
mod trouble;
