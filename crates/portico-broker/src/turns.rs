//! Turns: those of this broker who change the same thing (the reservation record of a host, the
//! sessions of a user) do it one after the other, so that they lose against other brokers only.
//! Different ones go on at once, and their writes share the store's commits.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

/// Lines that are kept although nobody stands in them.
const LINES_KEPT_MAX: usize = 10_000;

/// A line for each thing.
#[derive(Debug)]
pub(crate) struct Turns<K>(Mutex<BTreeMap<K, Line>>);

type Line = Arc<tokio::sync::Mutex<()>>;

/// A turn at some things; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "held, not read")] Vec<OwnedMutexGuard<()>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone> Turns<K> {
    /// Waits for a turn at all of `things`; first come, first served.
    pub(crate) async fn of<'a>(&self, things: impl IntoIterator<Item = &'a K>) -> Turn
    where
        K: 'a,
    {
        // In one order everywhere, so that nobody waits for each other.
        let things: BTreeSet<&K> = things.into_iter().collect();
        let mut held = Vec::with_capacity(things.len());
        for thing in things {
            let line = self.line(thing);
            held.push(line.lock_owned().await);
        }
        Turn(held)
    }

    fn line(&self, thing: &K) -> Line {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() > LINES_KEPT_MAX {
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        Arc::clone(lines.entry(thing.clone()).or_default())
    }
}
