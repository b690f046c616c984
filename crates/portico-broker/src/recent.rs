//! The last launches with their reasons, for the console. In memory: the audit log keeps them.

use std::{collections::VecDeque, net::IpAddr};

use portico_model::{
    ResourceId, SessionId, Timestamp, UserId,
    launch::{Placement, Refusal},
};

use crate::broker::Broker;

/// Launches that are remembered.
pub const RECENT_LAUNCHES_MAX: usize = 500;
/// Verdicts that are kept of one launch; those of further hosts with a like reason go first.
pub(crate) const VERDICTS_MAX: usize = 50;

/// A launch as it came out.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchRecord {
    /// When.
    pub at: Timestamp,
    /// For whom.
    pub user: UserId,
    /// Of what.
    pub resource: ResourceId,
    /// What came of it.
    pub outcome: LaunchOutcome,
    /// The session it led to.
    pub session: Option<SessionId>,
    /// Where the client is.
    pub client_address: Option<IpAddr>,
    /// Time until it was decided and written, in milliseconds.
    pub took_ms: u64,
}

/// What came of a launch.
#[derive(Debug, Clone, PartialEq)]
pub enum LaunchOutcome {
    /// It got a place, or came back to its session.
    Placed {
        /// Where, and why not elsewhere: 50 verdicts at most.
        placement: Placement,
        /// Whether the session was there before.
        resumed: bool,
    },
    /// It was refused, with 50 verdicts at most.
    Refused(Refusal),
    /// It could not be granted for another reason.
    Failed {
        /// Why, in words.
        detail: String,
    },
}

/// The last launches, oldest first.
#[derive(Debug, Default)]
pub(crate) struct RecentLaunches(VecDeque<LaunchRecord>);

impl Broker {
    /// The last launches, the latest first; [`RECENT_LAUNCHES_MAX`] at most.
    pub fn recent_launches(&self, limit: usize) -> Vec<LaunchRecord> {
        let recent = self.0.recent();
        recent.0.iter().rev().take(limit).cloned().collect()
    }
}

impl RecentLaunches {
    pub(crate) fn push(&mut self, mut record: LaunchRecord) {
        match &mut record.outcome {
            LaunchOutcome::Placed { placement, .. } => shorten(&mut placement.others),
            LaunchOutcome::Refused(Refusal::NoHost { hosts, .. }) => shorten(hosts),
            LaunchOutcome::Refused(_) | LaunchOutcome::Failed { .. } => {}
        }
        if self.0.len() >= RECENT_LAUNCHES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(record);
    }
}

/// Keeps [`VERDICTS_MAX`] verdicts, and of each kind of reason some: of a thousand hosts that are
/// full, the one that is disabled is worth seeing.
fn shorten(verdicts: &mut Vec<portico_model::launch::HostVerdict>) {
    if verdicts.len() <= VERDICTS_MAX {
        return;
    }
    let mut kinds: Vec<std::mem::Discriminant<_>> = Vec::new();
    for verdict in verdicts.iter() {
        let kind = std::mem::discriminant(&verdict.reason);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let of_each = VERDICTS_MAX
        .checked_div(kinds.len())
        .unwrap_or(VERDICTS_MAX);
    let mut kept = vec![0_usize; kinds.len()];
    verdicts.retain(|verdict| {
        let kind = std::mem::discriminant(&verdict.reason);
        let at = kinds.iter().position(|known| *known == kind);
        let Some(count) = at.and_then(|at| kept.get_mut(at)) else {
            return false;
        };
        *count += 1;
        *count <= of_each
    });
}

#[cfg(test)]
mod tests {
    use portico_model::{
        HostId, PoolId,
        launch::{HostVerdict, NotChosen},
    };

    use super::*;

    fn verdict(n: usize, reason: NotChosen) -> HostVerdict {
        HostVerdict {
            host: HostId::new(format!("h{n}")).unwrap(),
            reason,
        }
    }

    fn record(n: i64, hosts: Vec<HostVerdict>) -> LaunchRecord {
        LaunchRecord {
            at: Timestamp::from_unix_ms(n),
            user: UserId::new("ina").unwrap(),
            resource: ResourceId::new("desktop").unwrap(),
            outcome: LaunchOutcome::Refused(Refusal::NoHost {
                pool: PoolId::new("p").unwrap(),
                hosts,
            }),
            session: None,
            client_address: None,
            took_ms: 0,
        }
    }

    #[test]
    fn the_oldest_launches_are_forgotten() {
        let mut recent = RecentLaunches::default();
        for n in 0..=RECENT_LAUNCHES_MAX {
            recent.push(record(i64::try_from(n).unwrap(), vec![]));
        }
        assert_eq!(recent.0.len(), RECENT_LAUNCHES_MAX);
        assert_eq!(recent.0.front().unwrap().at, Timestamp::from_unix_ms(1));
    }

    #[test]
    fn a_rare_reason_is_kept_among_many_like_ones() {
        let mut hosts: Vec<_> = (0..1_000)
            .map(|n| verdict(n, NotChosen::NotProbed))
            .collect();
        hosts.push(verdict(1_000, NotChosen::NotTrusted));
        let mut recent = RecentLaunches::default();
        recent.push(record(0, hosts));
        let LaunchOutcome::Refused(Refusal::NoHost { hosts, .. }) = &recent.0[0].outcome else {
            panic!("other outcome");
        };
        assert_eq!(hosts.len(), 26);
        assert!(hosts.iter().any(|v| v.reason == NotChosen::NotTrusted));
    }
}
