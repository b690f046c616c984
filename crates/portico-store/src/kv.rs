//! Keys, values, revisions and transactions, as etcd defines them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    limits::{KEY_LEN_MAX, OP_OVERHEAD, TXN_BYTES_MAX, TXN_OPS_MAX, VALUE_LEN_MAX},
};

/// Number of a state of the whole store: it grows by one with every transaction that changes
/// something. 0 means never.
pub type Revision = u64;

/// A lease. Keys that carry it are deleted when it lapses or is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(u64);

impl LeaseId {
    /// The lease with this number, which an adapter was given by its store.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Its number.
    pub const fn raw(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A key with its value and history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// Revision at which the key came to be.
    pub create_revision: Revision,
    /// Revision at which it was last put.
    pub mod_revision: Revision,
    /// How often it was put since it came to be, from 1.
    pub version: u64,
    /// Lease it is bound to.
    pub lease: Option<LeaseId>,
}

/// A condition of a transaction. For an absent key the revisions and the version are 0, the
/// lease is none, and a comparison of the value never holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// Revision of the last put; 0: the key is absent.
    ModRevision {
        /// The key.
        key: String,
        /// What it must be.
        equals: Revision,
    },
    /// Revision at which the key came to be; 0: the key is absent.
    CreateRevision {
        /// The key.
        key: String,
        /// What it must be.
        equals: Revision,
    },
    /// Number of puts; 0: the key is absent.
    Version {
        /// The key.
        key: String,
        /// What it must be.
        equals: u64,
    },
    /// The value.
    Value {
        /// The key.
        key: String,
        /// What it must be.
        equals: Vec<u8>,
    },
    /// The lease the key is bound to.
    Lease {
        /// The key.
        key: String,
        /// What it must be.
        equals: Option<LeaseId>,
    },
}

impl Compare {
    /// The condition that `key` does not exist.
    pub fn absent(key: impl Into<String>) -> Self {
        Self::ModRevision {
            key: key.into(),
            equals: 0,
        }
    }

    /// The condition that `key` was not put since `revision`.
    pub fn unchanged(key: impl Into<String>, revision: Revision) -> Self {
        Self::ModRevision {
            key: key.into(),
            equals: revision,
        }
    }

    /// The key it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::ModRevision { key, .. }
            | Self::CreateRevision { key, .. }
            | Self::Version { key, .. }
            | Self::Value { key, .. }
            | Self::Lease { key, .. } => key,
        }
    }

    /// Whether it holds for what the key is now.
    pub fn holds(&self, seen: Option<&KeyValue>) -> bool {
        match self {
            Self::ModRevision { equals, .. } => seen.map_or(0, |kv| kv.mod_revision) == *equals,
            Self::CreateRevision { equals, .. } => {
                seen.map_or(0, |kv| kv.create_revision) == *equals
            }
            Self::Version { equals, .. } => seen.map_or(0, |kv| kv.version) == *equals,
            Self::Value { equals, .. } => seen.is_some_and(|kv| kv.value == *equals),
            Self::Lease { equals, .. } => seen.and_then(|kv| kv.lease) == *equals,
        }
    }
}

/// A step of a transaction. Steps are done in order and see what earlier ones did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Sets a value, and binds the key to `lease` or to none.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
        /// Lease to bind it to.
        lease: Option<LeaseId>,
    },
    /// Removes a key if it exists.
    Delete {
        /// The key.
        key: String,
    },
    /// Removes every key that begins so; the empty prefix means all.
    DeletePrefix {
        /// The prefix.
        prefix: String,
    },
    /// Reads a key.
    Get {
        /// The key.
        key: String,
    },
    /// Reads every key that begins so, up to the limits of a range.
    Range {
        /// The prefix.
        prefix: String,
    },
}

impl Op {
    /// A put without lease.
    pub fn put(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put {
            key: key.into(),
            value: value.into(),
            lease: None,
        }
    }

    /// A deletion of one key.
    pub fn delete(key: impl Into<String>) -> Self {
        Self::Delete { key: key.into() }
    }

    /// Whether it can change something.
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Self::Put { .. } | Self::Delete { .. } | Self::DeletePrefix { .. }
        )
    }
}

/// If all of `compare` hold, do `then`, else `otherwise`; all at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Txn {
    /// Conditions.
    pub compare: Vec<Compare>,
    /// What to do when all hold.
    pub then: Vec<Op>,
    /// What to do when one does not.
    pub otherwise: Vec<Op>,
}

impl Txn {
    /// A transaction of these steps, without condition.
    pub fn of(then: impl Into<Vec<Op>>) -> Self {
        Self {
            then: then.into(),
            ..Self::default()
        }
    }

    /// A transaction of these steps if all of `compare` hold.
    pub fn when(compare: impl Into<Vec<Compare>>, then: impl Into<Vec<Op>>) -> Self {
        Self {
            compare: compare.into(),
            then: then.into(),
            otherwise: Vec::new(),
        }
    }

    /// Whether neither branch can change something.
    pub fn is_read_only(&self) -> bool {
        !self.then.iter().chain(&self.otherwise).any(Op::is_write)
    }

    /// Bytes it counts towards [`TXN_BYTES_MAX`].
    pub fn bytes(&self) -> usize {
        let compare = self.compare.iter().map(|compare| match compare {
            Compare::Value { key, equals } => key.len() + equals.len(),
            other => other.key().len(),
        });
        let ops = self.then.iter().chain(&self.otherwise).map(|op| match op {
            Op::Put { key, value, .. } => key.len() + value.len(),
            Op::Delete { key } | Op::Get { key } => key.len(),
            Op::DeletePrefix { prefix } | Op::Range { prefix } => prefix.len(),
        });
        compare.chain(ops).map(|len| len + OP_OVERHEAD).sum()
    }

    /// Checks it against the limits and etcd's rule that no key is written twice in a branch.
    /// Every adapter calls it first.
    pub fn check(&self) -> Result<(), StoreError> {
        within("number of comparisons", self.compare.len(), TXN_OPS_MAX)?;
        for compare in &self.compare {
            check_key(compare.key())?;
        }
        for branch in [&self.then, &self.otherwise] {
            within("number of operations", branch.len(), TXN_OPS_MAX)?;
            for op in branch {
                check_op(op)?;
            }
            check_written_once(branch)?;
        }
        within(
            "size of the transaction in bytes",
            self.bytes(),
            TXN_BYTES_MAX,
        )
    }
}

/// What a step of a transaction gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResult {
    /// Of a put.
    Put,
    /// Of a deletion.
    Deleted {
        /// Number of keys that existed and are gone.
        count: usize,
    },
    /// Of a get.
    Get(Option<KeyValue>),
    /// Of a range.
    Range {
        /// The items, by key.
        items: Vec<KeyValue>,
        /// Whether there are more than the limits of a range allow.
        more: bool,
    },
}

/// What a transaction gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnOutcome {
    /// Whether all conditions held.
    pub succeeded: bool,
    /// Revision of the store after it.
    pub revision: Revision,
    /// One result for each step of the branch that was taken.
    pub results: Vec<OpResult>,
}

/// What a range gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeOutcome {
    /// Revision of the store now, also when an old revision was asked for.
    pub revision: Revision,
    /// The items, by key in byte order.
    pub items: Vec<KeyValue>,
    /// Whether there are more.
    pub more: bool,
}

/// The least text greater than every text that begins with `prefix`; `None` when there is none.
pub fn prefix_end(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // The order of UTF-8 bytes is the order of code points; surrogates are none.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// Checks a key against the limits.
pub fn check_key(key: &str) -> Result<(), StoreError> {
    if key.is_empty() {
        return Err(StoreError::BadKey {
            key: String::new(),
            reason: "is empty",
        });
    }
    check_prefix(key)
}

/// Checks a prefix against the limits; it may be empty.
pub fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    within("length of the key in bytes", prefix.len(), KEY_LEN_MAX)?;
    if prefix.contains('\0') {
        return Err(StoreError::BadKey {
            key: prefix.to_owned(),
            reason: "contains NUL",
        });
    }
    Ok(())
}

fn check_op(op: &Op) -> Result<(), StoreError> {
    match op {
        Op::Put { key, value, .. } => {
            check_key(key)?;
            within("length of the value in bytes", value.len(), VALUE_LEN_MAX)
        }
        Op::Delete { key } | Op::Get { key } => check_key(key),
        Op::DeletePrefix { prefix } | Op::Range { prefix } => check_prefix(prefix),
    }
}

/// A branch has at most [`TXN_OPS_MAX`] steps, so comparing each with each is cheap.
fn check_written_once(branch: &[Op]) -> Result<(), StoreError> {
    for (index, op) in branch.iter().enumerate() {
        let Op::Put { key, .. } = op else { continue };
        let twice = branch.iter().enumerate().any(|(other, op)| match op {
            Op::Put { key: again, .. } => other < index && again == key,
            Op::Delete { key: again } => again == key,
            Op::DeletePrefix { prefix } => key.starts_with(prefix.as_str()),
            Op::Get { .. } | Op::Range { .. } => false,
        });
        if twice {
            return Err(StoreError::DuplicateKey { key: key.clone() });
        }
    }
    Ok(())
}

fn within(what: &'static str, len: usize, max: usize) -> Result<(), StoreError> {
    if len > max {
        return Err(StoreError::TooLarge { what, len, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_follows_all_that_begins_with_it() {
        for (prefix, end) in [
            ("/a/", Some("/a0")),
            ("", None),
            ("\u{10ffff}", None),
            ("a\u{10ffff}", Some("b")),
            ("\u{d7ff}", Some("\u{e000}")),
        ] {
            assert_eq!(prefix_end(prefix).as_deref(), end, "{prefix:?}");
        }
    }

    #[test]
    fn each_limit_is_reached_and_not_passed() {
        let key = "k".repeat(KEY_LEN_MAX);
        assert_eq!(check_key(&key), Ok(()));
        assert!(matches!(
            check_key(&format!("{key}k")),
            Err(StoreError::TooLarge { len: 1025, .. })
        ));
        assert!(matches!(check_key(""), Err(StoreError::BadKey { .. })));
        assert!(matches!(check_key("a\0"), Err(StoreError::BadKey { .. })));

        let value = |len| Txn::of([Op::put("k", vec![0; len])]).check();
        assert_eq!(value(VALUE_LEN_MAX), Ok(()));
        assert!(matches!(
            value(VALUE_LEN_MAX + 1),
            Err(StoreError::TooLarge {
                max: VALUE_LEN_MAX,
                ..
            })
        ));
        let two = Txn::of([
            Op::put("a", vec![0; VALUE_LEN_MAX]),
            Op::put("b", vec![0; 9000]),
        ]);
        assert!(matches!(
            two.check(),
            Err(StoreError::TooLarge {
                max: TXN_BYTES_MAX,
                ..
            })
        ));

        let ops = |n: usize| {
            Txn::of(
                (0..n)
                    .map(|i| Op::put(i.to_string(), ""))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(ops(TXN_OPS_MAX).check(), Ok(()));
        assert!(ops(TXN_OPS_MAX + 1).check().is_err());
        let compares = |n: usize| Txn::when(vec![Compare::absent("k"); n], []).check();
        assert_eq!(compares(TXN_OPS_MAX), Ok(()));
        assert!(compares(TXN_OPS_MAX + 1).is_err());
    }

    #[test]
    fn a_branch_writes_a_key_once_but_both_branches_may() {
        for twice in [
            vec![Op::put("a", "1"), Op::put("a", "2")],
            vec![Op::put("a", "1"), Op::delete("a")],
            vec![
                Op::DeletePrefix {
                    prefix: String::new(),
                },
                Op::put("a", "1"),
            ],
        ] {
            assert_eq!(
                Txn::of(twice).check(),
                Err(StoreError::DuplicateKey { key: "a".into() })
            );
        }
        let both = Txn {
            then: vec![Op::put("a", "1")],
            otherwise: vec![Op::put("a", "2")],
            ..Txn::default()
        };
        assert_eq!(both.check(), Ok(()));
        assert_eq!(Txn::of([Op::delete("a"), Op::delete("a")]).check(), Ok(()));
    }
}
