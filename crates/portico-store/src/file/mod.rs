//! What the store and the journal share: opening a SQLite file, one writer thread with group
//! commit, a few connections for reading, backup.

pub(crate) mod backup;
pub(crate) mod examine;
pub(crate) mod lock;
pub(crate) mod open;
pub(crate) mod readers;
pub(crate) mod trouble;
pub(crate) mod writer;
