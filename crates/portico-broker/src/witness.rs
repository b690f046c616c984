//! What the agents of hosts tell about sessions, against what the directory has.

use portico_brokering::{
    Event, Step, step,
    witness::{Testimony, judge},
};
use portico_model::{HostId, SessionId, seen::HostSession};
use portico_store::{Compare, Op, StoreError, Txn};
use tokio::time::Instant;

use crate::{broker::Inner, directory::Entry, documents};

/// Sessions whose names on the host are written at once.
const NOTED_AT_ONCE: usize = 40;

/// What follows from a report, for sessions as the index has them.
struct Findings {
    events: Vec<(Entry, Event)>,
    unmanaged: Vec<HostSession>,
    has_log_offs: bool,
}

impl Inner {
    /// Takes the sessions of an accepted report of the agent of `host`, which booted as `boot`.
    /// Gives the sessions that the directory does not have. When the store does not take what
    /// follows, the next report says it again.
    pub(crate) async fn witness(
        &self,
        host: &HostId,
        boot: &str,
        sessions: &[HostSession],
    ) -> Result<Vec<HostSession>, StoreError> {
        self.freshen().await?;
        let estate = self.estate_as_known().await?;
        let one_per_account = estate
            .hosts
            .get(host)
            .is_some_and(|host| host.gives_each_account_one_session());
        let findings = self.findings(host, boot, sessions, one_per_account);
        if findings.has_log_offs {
            self.confirm_log_offs(host, boot, sessions).await?;
        }
        self.conclude(findings.events).await?;
        // Names that were learnt just now are from this report: the next one may miss them.
        self.index().sighted(host, boot, sessions);
        Ok(findings.unmanaged)
    }

    fn findings(
        &self,
        host: &HostId,
        boot: &str,
        sessions: &[HostSession],
        one_per_account: bool,
    ) -> Findings {
        let now = Instant::now();
        let mut index = self.index();
        index.sighted(host, boot, sessions);
        let testimony = Testimony {
            known: index.on_host(host).map(|entry| entry.known(now)).collect(),
            reported: sessions,
            boot,
            one_per_account,
        };
        let judgement = judge(&testimony);
        let entry_of = |id: &SessionId| index.session(id).cloned();
        let events = judgement.events.into_iter();
        Findings {
            events: events
                .filter_map(|(id, event)| Some((entry_of(id)?, event)))
                .collect(),
            unmanaged: judgement.unmanaged.into_iter().cloned().collect(),
            has_log_offs: index.log_offs_of(host).next().is_some(),
        }
    }

    /// Applies the events to the sessions as they were looked at. One that has changed meanwhile
    /// stays as it is: the next report judges it anew.
    async fn conclude(&self, events: Vec<(Entry, Event)>) -> Result<(), StoreError> {
        let mut noted = Vec::new();
        for (entry, event) in events {
            match &event {
                Event::SeenOnHost { .. } => noted.push((entry, event)),
                _ => {
                    let _moved = self
                        .try_move(&entry.session, entry.revision, &event)
                        .await?;
                }
            }
        }
        for some in noted.chunks(NOTED_AT_ONCE) {
            self.note_names(some).await?;
        }
        Ok(())
    }

    /// Writes what sessions are called on their host, many at once.
    async fn note_names(&self, events: &[(Entry, Event)]) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut compare = Vec::with_capacity(events.len());
        let mut ops = Vec::with_capacity(events.len());
        for (entry, event) in events {
            if let Step::Changed { session, .. } = step(&entry.session, now, event) {
                let key = documents::session_key(&session.id);
                compare.push(Compare::unchanged(&key, entry.revision));
                ops.push(Op::put(&key, documents::write(&key, &session)?));
            }
        }
        if !ops.is_empty() {
            self.commit(Txn::when(compare, ops)).await?;
        }
        Ok(())
    }
}
