//! The broker's decisions, as pure functions: who may launch what, where it runs, and what each
//! event makes of a session. No I/O, no clock, no chance that is not an argument.
//!
//! Read [`placement::place`] (where a session runs) and [`life_cycle::step`] (what becomes of it)
//! first.
#![warn(missing_docs)]

pub mod authorize;
pub mod entitlement;
pub mod life_cycle;
pub mod maintenance;
pub mod placement;
mod weekly_time;
pub mod witness;

pub use authorize::{Action, Forbidden, authorize};
pub use entitlement::{Asker, Entitled, entitled};
pub use life_cycle::{Event, Step, Unchanged, step};
pub use placement::{
    HostSnapshot, Penalty, PlacementInput, Reachability, Resumable, Sight, load, penalty, place,
};
