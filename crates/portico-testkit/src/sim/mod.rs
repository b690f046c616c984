//! The simulator: real brokers over one store in memory, with fake hosts, agents, gateways and
//! people, in virtual time. Every random number comes from the seed, so a run is a function of
//! its [`Scenario`].
//!
//! [`Scenario::of_seed`] draws what happens, [`run()`] lets it happen and returns the first broken
//! rule of [`invariants`], [`shrink()`] makes a failing scenario small.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests that happen to be in a library: what is not as expected must fail loudly"
)]

mod agent;
mod connection;
pub mod invariants;
mod people;
mod process;
mod run;
mod sabotage;
mod scenario;
mod shrink;
mod store;
mod trace;
mod truth;
mod world;

pub use invariants::{Invariant, Violation};
pub use run::{Counts, Outcome, run, run_sabotaged, run_traced};
pub use sabotage::Sabotage;
pub use scenario::{Action, Chances, HostPlan, Scenario, Size, Timed};
pub use shrink::shrink;
