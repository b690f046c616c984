//! Integration tests of portico-gateway, over real sockets on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod before_the_host;
mod host_failures;
mod kit;
mod lab;
mod relay;
mod times_and_limits;
