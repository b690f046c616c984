//! The API over a real broker and store, without sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod agents;
mod authorization;
mod estate;
mod hostile;
mod pages;
mod ports;
mod sign_in;
mod test_portal;
mod workspace;
