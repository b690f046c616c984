//! Documents of one kind as they are in the store, kept in memory so that a launch can ask for
//! thousands of them. Own writes are seen at once, those of other brokers when the watch tells.
//!
//! It may be behind. Whoever changes a document reads it from the store and compares.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use portico_store::{Change, KeyValue, Revision, Store, StoreError, WatchError};
use serde::de::DeserializeOwned;

use crate::documents;

/// Documents read at once.
const PAGE_LEN: usize = 500;

/// Documents by the last part of their key.
pub(crate) struct Mirror<T> {
    loaded: AtomicBool,
    known: Mutex<BTreeMap<String, Known<T>>>,
}

/// A document at the revision at which it was written; `None`: it was deleted then.
struct Known<T> {
    revision: Revision,
    body: Option<Arc<T>>,
}

/// Why following the store ended. It is begun anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Watch(#[from] WatchError),
}

impl<T> Default for Mirror<T> {
    fn default() -> Self {
        Self {
            loaded: AtomicBool::new(false),
            known: Mutex::default(),
        }
    }
}

impl<T> Mirror<T> {
    pub(crate) fn get(&self, id: &str) -> Option<Arc<T>> {
        self.lock().get(id).and_then(|known| known.body.clone())
    }

    /// All of them, by id.
    pub(crate) fn all(&self) -> Vec<(String, Arc<T>)> {
        let known = self.lock();
        let bodies = known
            .iter()
            .filter_map(|(id, known)| Some((id.clone(), known.body.clone()?)));
        bodies.collect()
    }

    /// Whether it was read from the store once.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Takes what was written at `revision`, unless something later is known.
    pub(crate) fn learn(&self, id: &str, revision: Revision, body: Option<Arc<T>>) {
        let mut known = self.lock();
        if known.get(id).is_none_or(|known| known.revision < revision) {
            known.insert(id.to_owned(), Known { revision, body });
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known<T>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: DeserializeOwned> Mirror<T> {
    /// Reads all documents under `prefix`; gives the revision they are of.
    pub(crate) async fn load(
        &self,
        store: &dyn Store,
        prefix: &str,
    ) -> Result<Revision, StoreError> {
        let mut found = BTreeMap::new();
        let mut at = None;
        let mut after: Option<String> = None;
        loop {
            let page = store
                .range_after(prefix, after.as_deref(), at, Some(PAGE_LEN))
                .await?;
            let revision = *at.get_or_insert(page.revision);
            for item in &page.items {
                if let Some(body) = read(item) {
                    let id = id_of(prefix, &item.key).to_owned();
                    found.insert(id, (item.mod_revision, body));
                }
            }
            match page.items.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => {
                    self.replace(found, revision);
                    return Ok(revision);
                }
            }
        }
    }

    /// Reads all documents and then every change; `changed` is told the id of each that may have
    /// changed. Ends by an error only.
    pub(crate) async fn follow(
        &self,
        store: &dyn Store,
        prefix: &str,
        mut changed: impl FnMut(&str) + Send,
    ) -> Result<std::convert::Infallible, FollowError> {
        let revision = self.load(store, prefix).await?;
        for (id, _) in self.all() {
            changed(&id);
        }
        let mut watch = store.watch(prefix, revision.saturating_add(1)).await?;
        loop {
            let event = watch.next().await?;
            for change in &event.changes {
                let id = id_of(prefix, change.key());
                let body = match change {
                    Change::Put(stored) => read(stored).map(Arc::new),
                    Change::Deleted { .. } => None,
                };
                self.learn(id, event.revision, body);
                changed(id);
            }
        }
    }

    fn replace(&self, found: BTreeMap<String, (Revision, T)>, at: Revision) {
        let mut known = self.lock();
        known.retain(|id, known| known.revision > at || found.contains_key(id));
        drop(known);
        for (id, (revision, body)) in found {
            self.learn(&id, revision, Some(Arc::new(body)));
        }
        self.loaded.store(true, Ordering::Release);
    }
}

/// A damaged document costs its host, not the broker.
fn read<T: DeserializeOwned>(stored: &KeyValue) -> Option<T> {
    match documents::read(stored) {
        Ok(body) => Some(body),
        Err(error) => {
            tracing::error!(%error, "Document of the store is passed over");
            None
        }
    }
}

fn id_of<'a>(prefix: &str, key: &'a str) -> &'a str {
    key.strip_prefix(prefix).unwrap_or(key)
}
