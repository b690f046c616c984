//! Tests of the estate file through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests, which read their files"
)]

mod any_estate;
mod any_text;
mod deployments;
mod drafts;
mod errors;
mod limits;
mod plans;
mod samples;
