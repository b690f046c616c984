//! [`Store`](crate::Store) in a SQLite file.
//!
//! Every put and deletion is a row of `log`, with the revision it belongs to; `current` points
//! at the last row of each key that exists. A compaction deletes rows of `log` that no revision
//! from it on needs. The approach is that of kine.

mod apply;
mod feed;
mod ledger;
mod read;
mod schema;
mod store;
mod watch;

pub use store::{SqliteStore, SqliteStoreOptions};
