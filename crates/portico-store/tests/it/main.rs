//! Tests of the store and the journal through their public face.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod child;
mod conformance;
mod crash;
mod files;
mod full;
mod journal;
