//! Estate files that tests of all crates share.

/// An estate in which every name is hostile and allowed. It runs through every page, table, file
/// and terminal output in the tests.
pub const HOSTILE: &str = include_str!("../fixtures/hostile.toml");
