//! The port catalogue: every network flow as data, with its source and Portico's answer. No I/O.
//!
//! Read [`Flow`] (one line of a document) and [`Catalogue`] (all of them, checked) first. Portico's
//! own sockets are named by the constants of [`flows`], and the code takes its default ports from
//! here and nowhere else.
#![warn(missing_docs)]

pub mod catalogue;
pub mod diagram;
pub mod drift;
pub mod flow;
pub mod flows;
pub mod fuzzing;
pub mod markdown;
mod parse;
pub mod plan;
pub mod query;
pub mod rules;

pub use catalogue::{Catalogue, default_port, flow_of};
pub use flow::{
    Answer, Condition, Direction, End, Erratum, ErratumEffect, FeatureEntry, Flow, Formula,
    LocalSocket, OsGeneration, PortRange, Proof, RoleEntry, SocketFile, Source, Transport,
};
pub use flows::{FlowId, LocalSocketId};
pub use parse::{CatalogueError, DocumentText};
pub use query::{DocumentCoverage, ErratumEntry, FlowFilter, Found, QueryError};
