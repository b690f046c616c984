//! The agent on captured hosts, on this machine, and against a broker of the tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod broker;
mod captured;
mod idle;
mod joining;
mod lab;
mod machine;
mod package;
