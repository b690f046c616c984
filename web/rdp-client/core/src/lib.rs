//! Portico's RDP client, without I/O: bytes of the gateway in; bytes, pictures and events out.
//!
//! Read [`Client`] first: it is all that the browser's worker sees (through the crate
//! `rdp-client`, which only translates types). Then [`Event`], which is what it learns.
//!
//! The protocol's codecs come from the IronRDP crates; what is here decides: what is asked for,
//! in which order, what a host may cost, and what an end means.
//! No clock is read and nothing is random: the time comes through [`Client::tick`].

pub mod limits;
mod settings;
pub use settings::{
    AutoReconnect, DriveSetting, Monitor, Settings, SettingsError, TimeZone, TransitionDate,
};
mod event;
pub use event::{ClipboardFormat, Event, PointerChange, Step};
mod end;
pub use end::{CleanPathError, End, EndCode};

mod drive;
pub use drive::{DriveAnswer, DriveError, DriveOp, DriveRequest, Entry, Kind, NamedEntry};
mod files;
pub use files::{ClipboardFile, DriveState, FileEvent};
mod printer;

mod client;
pub use client::Client;
mod active;
mod cleanpath;
mod connect;
mod h264;
mod inbox;
mod input;
mod monitors;
mod output;
mod peek;
mod screen;
mod stats;
mod touch;
pub use stats::Stats;
pub use touch::{FingerPhase, PenSample};
mod channels;
pub use channels::video::{VideoJob, VideoLayout};
pub mod fuzzing;
