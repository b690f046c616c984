//! Tools for tests that need more than one crate: a [`MemoryStore`] with etcd's semantics, a
//! [`MemoryJournal`], and the simulator `Sim`, which runs real brokers over fake
//! hosts, agents, gateways and people in virtual time, and checks what a broker promises.
//!
//! Read `sim::Scenario` (what happens, as data) and `sim::invariants` (what must hold) first;
//! `docs/simulator.md` says how to replay a seed.
#![warn(missing_docs)]

pub mod chance;
pub mod journal;
pub mod sim;
pub mod store;

pub use journal::MemoryJournal;
pub use store::MemoryStore;
