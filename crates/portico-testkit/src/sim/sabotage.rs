//! Rules broken on purpose, to see that each promise is really looked at: somebody between the
//! broker and the world does not do what the rule needs.

use portico_store::{Compare, Op, Txn};

use super::invariants::Invariant;

/// A rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The store does not compare the placement keys: two launches of one user both win.
    PlacementUnchecked,
    /// The brokers read a limit of sessions that is one too high.
    LimitMisread,
    /// The brokers read a storm guard that is off.
    GuardMisread,
    /// The store says that it took new sessions and did not.
    SessionDropped,
    /// Agents leave a session out of their reports while it lives.
    SessionHidden,
    /// The store does not compare the records of places: of two at once one is forgotten.
    PlacesUnchecked,
    /// The store says that it took records of places and did not.
    PlacesDropped,
    /// The brokers read that every host is disabled.
    HostsMisread,
    /// Gateways do not tell that a connection is over.
    EndsUntold,
    /// Agents say that a session is logged off, and leave it.
    LogOffPretended,
    /// The store never answers writes of sessions.
    StoreHangs,
}

impl Sabotage {
    /// Every one, with the promise that breaks.
    pub const ALL: [(Self, Invariant); 11] = [
        (Self::PlacementUnchecked, Invariant::OneSession),
        (Self::LimitMisread, Invariant::Limit),
        (Self::GuardMisread, Invariant::Limit),
        (Self::SessionDropped, Invariant::Known),
        (Self::SessionHidden, Invariant::Known),
        (Self::PlacesUnchecked, Invariant::Counted),
        (Self::PlacesDropped, Invariant::Counted),
        (Self::HostsMisread, Invariant::NoStarvation),
        (Self::EndsUntold, Invariant::Quiet),
        (Self::LogOffPretended, Invariant::Quiet),
        (Self::StoreHangs, Invariant::Answers),
    ];

    /// What the store does of a transaction; `None`: it never answers.
    pub(crate) fn transaction(self, mut txn: Txn) -> Option<Txn> {
        let compares = |txn: &mut Txn, part: &str| {
            txn.compare
                .retain(|compare: &Compare| !compare.key().contains(part));
        };
        let writes = |op: &Op, part: &str| matches!(op, Op::Put { key, .. } if key.contains(part));
        match self {
            Self::PlacementUnchecked => compares(&mut txn, "/user-session/"),
            Self::PlacesUnchecked => compares(&mut txn, "/host-load/"),
            Self::PlacesDropped => txn.then.retain(|op| !writes(op, "/host-load/")),
            Self::SessionDropped if txn.then.iter().any(|op| writes(op, "/session/")) => {
                txn.then.clear();
            }
            Self::StoreHangs if txn.then.iter().any(|op| writes(op, "/session/")) => return None,
            _ => {}
        }
        Some(txn)
    }
}
