//! Pictures of plans.

mod estates;
mod formats;
mod room;
