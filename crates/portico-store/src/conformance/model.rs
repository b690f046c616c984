//! The simplest thing that behaves like a store: a list of revisions in memory. Leases are left
//! out, as their time is not a function of the steps.

use std::collections::BTreeMap;

use crate::{
    Change, KeyValue, Op, OpResult, RangeOutcome, Revision, StoreError, Txn, TxnOutcome, WatchEvent,
};

/// The model. Clear before fast.
#[derive(Debug)]
pub struct Model {
    first: Revision,
    compacted: Revision,
    events: Vec<WatchEvent>,
    now: BTreeMap<String, KeyValue>,
}

impl Model {
    /// An empty store at this revision.
    pub fn at(revision: Revision) -> Self {
        Self {
            first: revision,
            compacted: 0,
            events: Vec::new(),
            now: BTreeMap::new(),
        }
    }

    pub fn revision(&self) -> Revision {
        self.events
            .last()
            .map_or(self.first, |event| event.revision)
    }

    pub fn compacted(&self) -> Revision {
        self.compacted
    }

    pub fn get(&self, key: &str) -> Option<KeyValue> {
        self.now.get(key).cloned()
    }

    pub fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
        limit: Option<usize>,
    ) -> Result<RangeOutcome, StoreError> {
        let revision = self.revision();
        let at = at.filter(|at| *at != 0).unwrap_or(revision);
        if at > revision {
            return Err(StoreError::FutureRevision {
                asked: at,
                current: revision,
            });
        }
        if at < self.compacted {
            return Err(StoreError::Compacted {
                asked: at,
                oldest: self.compacted,
            });
        }
        let mut items: Vec<_> = self
            .state_at(at)
            .into_values()
            .filter(|kv| kv.key.starts_with(prefix) && after.is_none_or(|after| *kv.key > *after))
            .collect();
        let all = items.len();
        items.truncate(limit.unwrap_or(usize::MAX));
        Ok(RangeOutcome {
            revision,
            more: items.len() < all,
            items,
        })
    }

    pub fn txn(&mut self, txn: &Txn) -> Result<TxnOutcome, StoreError> {
        txn.check()?;
        let succeeded = txn
            .compare
            .iter()
            .all(|compare| compare.holds(self.now.get(compare.key())));
        let revision = self.revision() + 1;
        let (mut changes, mut results) = (Vec::new(), Vec::new());
        for op in if succeeded { &txn.then } else { &txn.otherwise } {
            results.push(self.op(op, revision, &mut changes));
        }
        if !changes.is_empty() {
            self.events.push(WatchEvent { revision, changes });
        }
        Ok(TxnOutcome {
            succeeded,
            revision: self.revision(),
            results,
        })
    }

    pub fn compact(&mut self, revision: Revision) -> Result<(), StoreError> {
        if revision > self.revision() {
            return Err(StoreError::FutureRevision {
                asked: revision,
                current: self.revision(),
            });
        }
        if revision <= self.compacted {
            return Err(StoreError::Compacted {
                asked: revision,
                oldest: self.compacted,
            });
        }
        self.compacted = revision;
        Ok(())
    }

    /// What a watch of `prefix` sees from `from` on.
    pub fn watched(&self, prefix: &str, from: Revision) -> Vec<WatchEvent> {
        self.events
            .iter()
            .filter(|event| event.revision >= from)
            .map(|event| WatchEvent {
                revision: event.revision,
                changes: event
                    .changes
                    .iter()
                    .filter(|change| change.key().starts_with(prefix))
                    .cloned()
                    .collect(),
            })
            .filter(|event| !event.changes.is_empty())
            .collect()
    }

    fn op(&mut self, op: &Op, revision: Revision, changes: &mut Vec<Change>) -> OpResult {
        match op {
            Op::Put { key, value, lease } => {
                let before = self.now.get(key);
                let kv = KeyValue {
                    key: key.clone(),
                    value: value.clone(),
                    create_revision: before.map_or(revision, |kv| kv.create_revision),
                    mod_revision: revision,
                    version: before.map_or(0, |kv| kv.version) + 1,
                    lease: *lease,
                };
                self.now.insert(key.clone(), kv.clone());
                changes.push(Change::Put(kv));
                OpResult::Put
            }
            Op::Delete { key } => self.delete(|it| it == key, changes),
            Op::DeletePrefix { prefix } => self.delete(|it| it.starts_with(prefix), changes),
            Op::Get { key } => OpResult::Get(self.get(key)),
            Op::Range { prefix } => OpResult::Range {
                items: self
                    .now
                    .values()
                    .filter(|kv| kv.key.starts_with(prefix))
                    .cloned()
                    .collect(),
                more: false,
            },
        }
    }

    fn delete(&mut self, wanted: impl Fn(&str) -> bool, changes: &mut Vec<Change>) -> OpResult {
        let keys: Vec<_> = self.now.keys().filter(|key| wanted(key)).cloned().collect();
        for key in &keys {
            self.now.remove(key);
            changes.push(Change::Deleted { key: key.clone() });
        }
        OpResult::Deleted { count: keys.len() }
    }

    fn state_at(&self, at: Revision) -> BTreeMap<String, KeyValue> {
        let mut state = BTreeMap::new();
        let changes = self.events.iter().filter(|event| event.revision <= at);
        for change in changes.flat_map(|event| &event.changes) {
            match change {
                Change::Put(kv) => drop(state.insert(kv.key.clone(), kv.clone())),
                Change::Deleted { key } => drop(state.remove(key)),
            }
        }
        state
    }
}
