//! The built-in catalogue, documents that are wrong, and plans.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests, which read their files"
)]

mod built_in;
mod counts;
mod data;
mod diagram;
mod drift;
mod firewall;
mod page;
mod plan;
mod questions;
mod rules;
mod rules_hostile;
mod rules_plans;
mod schema;
mod seeds;
mod wrong_documents;
