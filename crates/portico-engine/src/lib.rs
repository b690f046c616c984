//! The engine role: terminals over SSH, in a process of its own.
//!
//! Read [`Engine`] first, then `session.rs` (one terminal, from sign-in to exit) and `outflow.rs`
//! (the pure core: what a viewer gets, and when the host has to wait).
//!
//! # What a session is
//!
//! A session is a program on a host, in a terminal, reached by one SSH connection of its own. It
//! outlives its viewers: when a viewer goes, the program goes on, its output is kept up to a limit
//! and the oldest is dropped, so that nothing waits for somebody who is not there. A viewer that
//! comes back gets exactly what it misses while that is still kept; any other one gets a reset and
//! what is kept, cut where a line begins, and a full-screen program is made to draw again.
//!
//! A viewer that stays but does not draw makes the host wait, as a terminal does. After
//! [`EngineSettings::stall_max`] the program goes on without it.
//!
//! # Invariants
//!
//! - A host is spoken to only when its key is one of the pins of the request.
//! - Memory of a session is bounded, whatever the host or the viewer does.
//! - No password is logged; it is wiped when the sign-in is over.
#![forbid(unsafe_code)]

mod engine;
mod host;
mod input;
mod outflow;
mod ring;
mod screen;
mod session;
mod viewer;

pub use engine::{BindError, Engine, EngineSettings, run, stop_with_parent};
