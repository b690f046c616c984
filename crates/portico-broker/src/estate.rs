//! The estate in the store, with what was last read of it.

use std::sync::{Arc, Mutex, PoisonError};

use portico_model::estate::Estate;
use portico_store::{Compare, KeyValue, Op, OpResult, Revision, Store, StoreError, Txn};

use crate::{
    broker::{Broker, Inner},
    documents,
};

/// The estate could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the estate could not be read")]
pub struct EstateReadError(#[from] pub StoreError);

/// The estate as it was read last. The revision tells whether it still is.
#[derive(Default)]
pub(crate) struct EstateCache(Mutex<Option<(Revision, Arc<Estate>)>>);

impl Broker {
    /// The wanted estate; an empty one before the first was applied.
    pub async fn estate(&self) -> Result<Arc<Estate>, EstateReadError> {
        Ok(self.0.estate().await?.1)
    }
}

/// The wanted estate of a store that no broker runs on, as at set-up.
pub async fn stored_estate(store: &dyn Store) -> Result<Estate, EstateReadError> {
    let stored = store.get(&documents::estate_key()).await?;
    let (estate, _): (Estate, Revision) = documents::read_or_default(stored.as_ref())?;
    Ok(estate)
}

impl Inner {
    /// The estate as it was read last, which is a few seconds ago at most while the broker runs:
    /// for what happens thousands of times a second.
    pub(crate) async fn estate_as_known(&self) -> Result<Arc<Estate>, StoreError> {
        match self.estate.get() {
            Some((_, estate)) => Ok(estate),
            None => Ok(self.estate().await?.1),
        }
    }

    /// The estate and its revision. Asks the store each time, but reads the document only when it
    /// has changed.
    pub(crate) async fn estate(&self) -> Result<(Revision, Arc<Estate>), StoreError> {
        let cached = self.estate.get();
        let key = documents::estate_key();
        let revision = cached.as_ref().map_or(0, |(revision, _)| *revision);
        let txn = Txn {
            compare: vec![Compare::unchanged(&key, revision)],
            then: Vec::new(),
            otherwise: vec![Op::Get { key }],
        };
        let outcome = self.store.txn(txn).await?;
        if outcome.succeeded {
            return Ok(cached.unwrap_or_default());
        }
        let stored: Option<KeyValue> =
            outcome.results.into_iter().find_map(|result| match result {
                OpResult::Get(stored) => stored,
                _ => None,
            });
        let (estate, revision): (Estate, Revision) = documents::read_or_default(stored.as_ref())?;
        let read = (revision, Arc::new(estate));
        self.estate.set(read.clone());
        Ok(read)
    }
}

impl EstateCache {
    fn get(&self) -> Option<(Revision, Arc<Estate>)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, read: (Revision, Arc<Estate>)) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
    }
}
