//! Log-offs that hosts have not confirmed. The directory says a session is over as soon as
//! somebody ended it; on its host it is over when the agent says so. Until then the log-off is in
//! the store, and the agent is told again and again, also after the broker was started anew.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portico_brokering::witness::{kind_of, same_account};
use portico_model::{
    HostId, SessionId,
    estate::{AgentMode, Estate, Protocol},
    seen::{HostSession, Order, OrderOutcome, SessionOnHost},
    session::{EndReason, Session, SessionState},
};
use portico_net::tasks::Spawner;
use portico_store::{Op, StoreError, Txn};
use tokio::time::Instant;

use crate::{
    broker::{Broker, Inner},
    documents::{self, LogOff},
};

/// A host that did not do it is told again after so long.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Log-offs that are sent in one round; the next one goes on with the hosts after these.
const SENT_AT_ONCE_MAX: usize = 64;
/// Log-offs of one host that are on their way at once.
const OF_HOST_AT_ONCE_MAX: usize = 4;

/// When each log-off was sent last, and whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct LogOffs(Mutex<Sent>);

#[derive(Debug, Default)]
struct Sent {
    at: BTreeMap<SessionId, Instant>,
    /// How many of each host were sent and have no answer.
    on_their_way: BTreeMap<HostId, usize>,
    /// The host that had the last turn.
    last: Option<HostId>,
}

impl LogOffs {
    /// Takes those that are due, one of each host in turn, and counts them as sent.
    fn take_due(
        &self,
        all: &BTreeMap<HostId, Vec<SessionId>>,
        now: Instant,
    ) -> Vec<(HostId, SessionId)> {
        let mut sent = self.lock();
        let mut waiting: Vec<(&HostId, Vec<&SessionId>)> = Vec::new();
        for (host, ids) in all {
            let on_their_way = sent.on_their_way.get(host).copied().unwrap_or(0);
            let is_due = |id: &&SessionId| {
                let at = sent.at.get(*id);
                at.is_none_or(|at| now >= *at + AGAIN_AFTER)
            };
            let mut due: Vec<&SessionId> = ids.iter().filter(is_due).collect();
            // Those never sent first, then those sent longest ago: none waits for ever.
            due.sort_by_key(|id| sent.at.get(*id).copied());
            due.truncate(OF_HOST_AT_ONCE_MAX.saturating_sub(on_their_way));
            due.reverse();
            waiting.push((host, due));
        }
        let next = waiting.partition_point(|(host, _)| sent.last.as_ref() >= Some(*host));
        waiting.rotate_left(next);
        let mut taken = Vec::new();
        for _ in 0..OF_HOST_AT_ONCE_MAX {
            for (host, due) in &mut waiting {
                if taken.len() < SENT_AT_ONCE_MAX
                    && let Some(id) = due.pop()
                {
                    taken.push((host.clone(), id.clone()));
                }
            }
        }
        for (host, id) in &taken {
            sent.at.insert(id.clone(), now);
            let on_their_way = sent.on_their_way.entry(host.clone()).or_default();
            *on_their_way = on_their_way.saturating_add(1);
        }
        if let Some((host, _)) = taken.last() {
            sent.last = Some(host.clone());
        }
        taken
    }

    /// One of a host was answered, or its time is over.
    fn answered(&self, host: &HostId) {
        let mut sent = self.lock();
        let left = sent.on_their_way.get(host).copied().unwrap_or(0);
        if left > 1 {
            sent.on_their_way.insert(host.clone(), left - 1);
        } else {
            sent.on_their_way.remove(host);
        }
    }

    fn forget(&self, id: &SessionId) {
        self.lock().at.remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker {
    /// Sends the log-offs that are due, each in a task of its own: a host that does not answer
    /// keeps no other waiting.
    pub(crate) async fn send_log_offs(&self, tasks: &Spawner) -> Result<(), StoreError> {
        let inner = &self.0;
        inner.freshen().await?;
        let mut all = BTreeMap::<HostId, Vec<SessionId>>::new();
        for (host, session, _) in inner.index().log_offs() {
            all.entry(host.clone()).or_default().push(session.clone());
        }
        for (host, id) in inner.log_offs.take_due(&all, Instant::now()) {
            let broker = self.clone();
            tasks.spawn("log off", async move {
                let sent = broker.0.send_log_off(&host, &id).await;
                broker.0.log_offs.answered(&host);
                broker.log(sent, "A log-off was not sent");
            });
        }
        Ok(())
    }
}

impl Inner {
    /// The log-off that the end of a session takes, if any. Shells end with the engine's
    /// connection; of desktops those that may be there and that nobody has seen go.
    pub(crate) async fn log_off_of(
        &self,
        before: &Session,
        after: &Session,
    ) -> Result<Option<LogOff>, StoreError> {
        let SessionState::Ended { reason } = after.state else {
            return Ok(None);
        };
        let was_used = !matches!(before.state, SessionState::Pending { .. });
        let is_desktop = before.protocol == Protocol::Rdp;
        if !is_desktop || !is_order(reason) || !(was_used || before.on_host.is_some()) {
            return Ok(None);
        }
        let (_, estate) = self.estate().await?;
        Ok(can_log_off(&estate, before).then(|| LogOff {
            session: SessionOnHost {
                key: before.on_host.as_ref().map(|seen| seen.key.clone()),
                account: before.account.clone(),
                kind: kind_of(before.protocol),
            },
            boot: before.on_host.as_ref().map(|seen| seen.boot.clone()),
            reason,
            at: self.clock.now(),
        }))
    }

    /// Tells the agent of the host. What it does not confirm is told again later.
    pub(crate) async fn send_log_off(
        &self,
        host: &HostId,
        id: &SessionId,
    ) -> Result<(), StoreError> {
        let log_off = {
            let index = self.index();
            let mut of_host = index.log_offs_of(host);
            let Some((_, log_off)) = of_host.find(|(of, _)| *of == id) else {
                return Ok(());
            };
            log_off.clone()
        };
        match self.standing(host, &log_off).await? {
            Standing::Good => {}
            Standing::Waits => return Ok(()),
            Standing::Void => return self.forget_log_off(host, id).await,
        }
        let session = log_off.session;
        match self.order(host, Order::LogOff { session }).await {
            Ok(OrderOutcome::Done { .. } | OrderOutcome::NotFound) => {
                self.forget_log_off(host, id).await
            }
            Ok(outcome) => {
                tracing::warn!(host_id = %host, session_id = %id, ?outcome, "The host did not log a session off");
                Ok(())
            }
            Err(error) => {
                tracing::debug!(host_id = %host, session_id = %id, %error, "A log-off waits");
                Ok(())
            }
        }
    }

    /// Forgets the log-offs of a host that its agent's report confirms.
    pub(crate) async fn confirm_log_offs(
        &self,
        host: &HostId,
        boot: &str,
        reported: &[HostSession],
    ) -> Result<(), StoreError> {
        let done: Vec<SessionId> = {
            let index = self.index();
            let of_host = index.log_offs_of(host);
            of_host
                .filter(|(_, log_off)| !is_there(log_off, boot, reported))
                .map(|(id, _)| id.clone())
                .collect()
        };
        for id in &done {
            self.forget_log_off(host, id).await?;
        }
        Ok(())
    }

    async fn forget_log_off(&self, host: &HostId, id: &SessionId) -> Result<(), StoreError> {
        let key = documents::log_off_key(host, id);
        self.commit(Txn::of([Op::delete(&key)])).await?;
        self.log_offs.forget(id);
        Ok(())
    }

    /// Whether it would hit somebody who came back meanwhile, or a host that is gone.
    async fn standing(&self, host: &HostId, log_off: &LogOff) -> Result<Standing, StoreError> {
        let (_, estate) = self.estate().await?;
        let known = estate.hosts.get(host);
        let Some(known) = known.filter(|known| known.agent != AgentMode::None) else {
            return Ok(Standing::Void);
        };
        let index = self.index();
        let alike = index.on_host(host).filter(|entry| {
            let session = &entry.session;
            let has_key = session.on_host.as_ref().map(|seen| &seen.key);
            let is_it = log_off.session.key.is_some() && has_key == log_off.session.key.as_ref();
            let is_like = session.protocol == Protocol::Rdp
                && same_account(&session.account, &log_off.session.account);
            is_like && (is_it || known.gives_each_account_one_session())
        });
        let is_waiting = |state: &SessionState| matches!(state, SessionState::Pending { .. });
        let waiting: Vec<bool> = alike
            .map(|entry| is_waiting(&entry.session.state))
            .collect();
        Ok(match waiting.iter().all(|is_waiting| *is_waiting) {
            _ if waiting.is_empty() => Standing::Good,
            true => Standing::Waits,
            false => Standing::Void,
        })
    }
}

/// Whether a log-off is to be done.
enum Standing {
    Good,
    /// The user is coming back to what was to be logged off, and may not arrive.
    Waits,
    /// The user came back, or the host is gone.
    Void,
}

/// Whether the reason is somebody's wish, which the host does not know of yet.
fn is_order(reason: EndReason) -> bool {
    matches!(
        reason,
        EndReason::UserEnded
            | EndReason::OperatorEnded
            | EndReason::DisconnectedTimeout
            | EndReason::SessionTimeout
            | EndReason::Maintenance
    )
}

/// Whether the host can be told which session is meant: by its name there, or by the account
/// where that has one session at most.
pub(crate) fn can_log_off(estate: &Estate, session: &Session) -> bool {
    estate.hosts.get(&session.host).is_some_and(|host| {
        host.agent == AgentMode::Required
            && (session.on_host.is_some() || host.gives_each_account_one_session())
    })
}

fn is_there(log_off: &LogOff, boot: &str, reported: &[HostSession]) -> bool {
    if log_off.boot.as_deref().is_some_and(|of| of != boot) {
        return false;
    }
    let wanted = &log_off.session;
    reported.iter().any(|found| {
        found.kind == wanted.kind
            && same_account(&found.account, &wanted.account)
            && wanted.key.as_ref().is_none_or(|key| *key == found.key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(hosts: u128, of_each: u128) -> BTreeMap<HostId, Vec<SessionId>> {
        (0..hosts)
            .map(|host| {
                let ids = (0..of_each).map(|n| SessionId::from_random(host * 1_000 + n));
                (HostId::new(format!("h{host:03}")).unwrap(), ids.collect())
            })
            .collect()
    }

    fn hosts(taken: &[(HostId, SessionId)]) -> Vec<&str> {
        taken.iter().map(|(host, _)| host.as_str()).collect()
    }

    #[tokio::test]
    async fn a_host_with_many_log_offs_leaves_turns_to_the_others() {
        let (log_offs, now) = (LogOffs::default(), Instant::now());
        let mut all = waiting(1, 500);
        all.extend(waiting(3, 1).into_iter().skip(1));
        let taken = log_offs.take_due(&all, now);
        assert_eq!(
            hosts(&taken),
            ["h000", "h001", "h002", "h000", "h000", "h000"]
        );
        // It does not answer, so it gets no more, however long that lasts.
        assert!(
            log_offs
                .take_due(&waiting(1, 500), now + AGAIN_AFTER * 3)
                .is_empty()
        );
        log_offs.answered(&taken[0].0);
        let next = log_offs.take_due(&all, now + Duration::from_secs(1));
        assert_eq!(hosts(&next), ["h000"]);
        assert!(!taken.contains(&next[0]), "one that was not sent yet");
    }

    #[tokio::test]
    async fn every_host_has_its_turn_though_none_answers() {
        let (log_offs, now) = (LogOffs::default(), Instant::now());
        let all = waiting(200, 10);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let taken = log_offs.take_due(&all, now);
            assert_eq!(taken.len(), SENT_AT_ONCE_MAX);
            seen.extend(taken.into_iter().map(|(host, _)| host));
        }
        assert_eq!(seen.len(), 200);
    }
}
