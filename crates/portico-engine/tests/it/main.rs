//! The engine through its socket, against an SSH server in this process and against the lab.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod flow;
mod lab;

mod refusals;
mod sessions;
mod ssh_server;
mod viewer;
