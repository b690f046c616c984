//! How much of what agents and strangers do goes into the audit log. None of them must fill it;
//! the process's log has all of it.

use std::{collections::BTreeMap, time::Duration};

use portico_model::HostId;
use tokio::time::Instant;

/// Refused requests of strangers for certificates that go into the audit log in a minute.
pub const REFUSALS_NOTED_MAX: u32 = 60;
/// Refused requests with a join token that exists which go into it in a minute: those of
/// strangers do not hide them.
pub const TOKEN_REFUSALS_NOTED_MAX: u32 = 60;
/// What one host's agent did that goes into it in a minute.
pub const NOTED_OF_HOST_MAX: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// Whose doing it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doer<'a> {
    Stranger,
    /// Refused although it has a token.
    HasToken,
    /// Its agent, by certificate or by a token that was good.
    Host(&'a HostId),
}

/// What was noted of late.
#[derive(Debug, Default)]
pub(super) struct Noted {
    strangers: Count,
    with_token: Count,
    of_hosts: BTreeMap<HostId, Count>,
}

#[derive(Debug, Default)]
struct Count {
    since: Option<Instant>,
    count: u32,
}

impl Noted {
    /// Whether one more goes into the audit log.
    pub(super) fn may_note(&mut self, doer: Doer<'_>, now: Instant) -> bool {
        match doer {
            Doer::Stranger => self.strangers.spend(REFUSALS_NOTED_MAX, now),
            Doer::HasToken => self.with_token.spend(TOKEN_REFUSALS_NOTED_MAX, now),
            Doer::Host(host) => {
                let count = self.of_hosts.entry(host.clone()).or_default();
                count.spend(NOTED_OF_HOST_MAX, now)
            }
        }
    }

    /// Forgets hosts whose minute is over.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.of_hosts.retain(|_, count| !count.is_over(now));
    }
}

impl Count {
    fn is_over(&self, now: Instant) -> bool {
        self.since
            .is_none_or(|since| now.duration_since(since) >= MINUTE)
    }

    fn spend(&mut self, max: u32, now: Instant) -> bool {
        if self.is_over(now) {
            (self.since, self.count) = (Some(now), 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= max
    }
}
