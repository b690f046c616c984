//! The estate file: from text to a checked [`Draft`], and from what is and what is wanted to a
//! [`Plan`]. No I/O, no clock.
//!
//! Read [`parse()`] and [`plan()`] first. Applying a file goes so:
//!
//! 1. [`parse()`] the text; all errors come at once.
//! 2. [`Draft::wanted`] completes it with what only the store knows: passwords that the file does
//!    not state, and users who were made at set-up.
//! 3. The caller finds which plain passwords differ from the stored hashes, and hashes those.
//! 4. [`plan()`] tells the changes; applying the same file again gives an empty plan.
#![warn(missing_docs)]

mod deployment;
pub mod document;
mod draft;
mod fields;
pub mod fuzzing;
mod kind;
pub mod limits;

mod parse;
mod plan;
pub mod samples;
mod values;
mod write;

pub use deployment::deployment;
pub use document::DocumentError as EstateError;
pub use draft::{Draft, Unstated};
pub use kind::Kind;
pub use parse::{ICONS, parse};
pub use plan::{Action, Change, FieldChange, Plan, plan};
pub use values::address as read_address;
pub use write::{Passwords, to_toml};
