//! Random histories, done by a store and by the model side by side.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestCaseError, TestRunner},
};

use super::{MUST_HAPPEN_WITHIN, Subject, model::Model};
use crate::{Compare, Op, Revision, Store, StoreError, Txn, Watch, WatchError};

/// Few keys, so that steps meet; prefixes of one another, so that prefixes matter.
const KEYS: [&str; 7] = ["a", "a/1", "a/2", "a0", "b", "b/1", "ü"];
const PREFIXES: [&str; 5] = ["", "a", "a/", "b/", "none"];

/// Steps of one history.
const STEPS_MAX: usize = 60;

/// A step. Revisions are picked when it is done, from those there are.
#[derive(Debug, Clone)]
pub enum Step {
    Txn(Vec<(usize, Index, Index)>, Vec<Op>, Vec<Op>),
    Get(&'static str),
    Range {
        prefix: &'static str,
        after: Option<&'static str>,
        at: Option<Index>,
        limit: Option<usize>,
    },
    Compact(Index),
    Watch(&'static str, Option<Index>),
    Restart,
}

/// Runs `cases` random histories; panics with the smallest that goes wrong.
pub fn histories_are_those_of_the_model(subject: &dyn Subject, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let strategy = vec(step(), 1..STEPS_MAX);
    TestRunner::new(config)
        .run(&strategy, |steps| runtime.block_on(check(subject, &steps)))
        .unwrap_or_else(|error| panic!("{error}"));
}

struct OpenWatch {
    prefix: &'static str,
    from: Revision,
    watch: Watch,
}

async fn check(subject: &dyn Subject, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut running = subject.start().await;
    let mut model = Model::at(super::revision(running.store()).await);
    let mut watches = Vec::new();
    for step in steps {
        let store = running.store();
        match step {
            Step::Txn(compare, then, otherwise) => {
                let txn = Txn {
                    compare: compare.iter().map(|c| comparison(&model, c)).collect(),
                    then: then.clone(),
                    otherwise: otherwise.clone(),
                };
                same(store.txn(txn.clone()).await, model.txn(&txn))?;
            }
            Step::Get(key) => same(store.get(key).await, Ok(model.get(key)))?,
            Step::Range {
                prefix,
                after,
                at,
                limit,
            } => {
                let at = at.map(|at| revision(&model, &at));
                same(
                    store.range_after(prefix, *after, at, *limit).await,
                    model.range(prefix, *after, at, *limit),
                )?;
            }
            Step::Compact(to) => {
                let to = revision(&model, to);
                same(store.compact(to).await, model.compact(to))?;
            }
            Step::Watch(prefix, from) => {
                let given = from.map_or(0, |from| revision(&model, &from));
                let watch = store.watch(prefix, given).await.map_err(fail)?;
                let from = if given == 0 {
                    model.revision() + 1
                } else {
                    given
                };
                watches.push(OpenWatch {
                    prefix,
                    from,
                    watch,
                });
            }
            Step::Restart => {
                drain(&model, std::mem::take(&mut watches)).await?;
                running = running.restart().await;
            }
        }
    }
    drain(&model, watches).await?;
    same_now(running.store(), &model).await
}

/// Every watch has seen what the model has, or was told that it was compacted.
async fn drain(model: &Model, watches: Vec<OpenWatch>) -> Result<(), TestCaseError> {
    for OpenWatch {
        prefix,
        mut from,
        mut watch,
    } in watches
    {
        for expected in model.watched(prefix, from) {
            let seen = tokio::time::timeout(MUST_HAPPEN_WITHIN, watch.next()).await;
            match seen.map_err(fail)? {
                Err(WatchError::Compacted { revision }) => {
                    prop_assert!(from < model.compacted(), "from {from} is readable");
                    prop_assert_eq!(revision, model.compacted());
                    break;
                }
                seen => prop_assert_eq!(seen, Ok(expected.clone())),
            }
            from = expected.revision + 1;
        }
        let more = tokio::time::timeout(std::time::Duration::ZERO, watch.next()).await;
        prop_assert!(
            !matches!(more, Ok(Ok(_))),
            "{prefix}: one too many: {more:?}"
        );
    }
    Ok(())
}

async fn same_now(store: &dyn Store, model: &Model) -> Result<(), TestCaseError> {
    for at in model.compacted().max(1)..=model.revision() {
        same(
            store.range("", Some(at), None).await,
            model.range("", None, Some(at), None),
        )?;
    }
    Ok(())
}

/// Equal outcomes, or errors of the same kind: their texts are the adapter's.
fn same<T: std::fmt::Debug + PartialEq>(
    seen: Result<T, StoreError>,
    expected: Result<T, StoreError>,
) -> Result<(), TestCaseError> {
    match (&seen, &expected) {
        (Err(seen), Err(expected)) => {
            prop_assert_eq!(
                std::mem::discriminant(seen),
                std::mem::discriminant(expected),
                "{} / {}",
                seen,
                expected
            );
        }
        _ => prop_assert_eq!(seen, expected),
    }
    Ok(())
}

fn fail(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// One of the revisions from before the first to after the last.
fn revision(model: &Model, index: &Index) -> Revision {
    let last = usize::try_from(model.revision()).unwrap();
    Revision::try_from(index.index(last + 2)).unwrap()
}

/// A comparison that has a fair chance to hold.
fn comparison(model: &Model, (kind, key, value): &(usize, Index, Index)) -> Compare {
    let key = (*key.get(&KEYS)).to_owned();
    let seen = model.get(&key);
    let is_right = value.index(3) > 0;
    let off = u64::from(!is_right);
    match kind {
        0 => Compare::ModRevision {
            equals: seen.map_or(0, |kv| kv.mod_revision) + off,
            key,
        },
        1 => Compare::CreateRevision {
            equals: seen.map_or(0, |kv| kv.create_revision) + off,
            key,
        },
        2 => Compare::Version {
            equals: seen.map_or(0, |kv| kv.version) + off,
            key,
        },
        3 => Compare::Lease { key, equals: None },
        _ => Compare::Value {
            equals: seen.filter(|_| is_right).map_or(vec![9], |kv| kv.value),
            key,
        },
    }
}

fn step() -> impl Strategy<Value = Step> {
    let comparisons = vec((0..5_usize, any::<Index>(), any::<Index>()), 0..3);
    prop_oneof![
        12 => (comparisons, vec(op(), 0..5), vec(op(), 0..3))
            .prop_map(|(compare, then, otherwise)| Step::Txn(compare, then, otherwise)),
        2 => select(&KEYS[..]).prop_map(Step::Get),
        4 => (
            select(&PREFIXES[..]),
            proptest::option::of(select(&KEYS[..])),
            proptest::option::of(any::<Index>()),
            proptest::option::of(0..5_usize),
        )
            .prop_map(|(prefix, after, at, limit)| Step::Range { prefix, after, at, limit }),
        1 => any::<Index>().prop_map(Step::Compact),
        3 => (select(&PREFIXES[..]), proptest::option::of(any::<Index>()))
            .prop_map(|(prefix, from)| Step::Watch(prefix, from)),
        1 => Just(Step::Restart),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = || select(&KEYS[..]);
    prop_oneof![
        6 => (key(), vec(0..3_u8, 0..3)).prop_map(|(key, value)| Op::put(key, value)),
        2 => key().prop_map(Op::delete),
        1 => select(&PREFIXES[1..]).prop_map(|prefix| Op::DeletePrefix { prefix: prefix.into() }),
        1 => key().prop_map(|key| Op::Get { key: key.into() }),
        1 => select(&PREFIXES[..]).prop_map(|prefix| Op::Range { prefix: prefix.into() }),
    ]
}
