//! What an operator decides about agents: who may be one, and by what their hosts are known.

use portico_brokering::{Action, authorize};
use portico_model::{HostId, estate::Pin, people::Principal};
use portico_store::StoreError;

use super::{
    HostActError,
    noted::Doer,
    records::Act,
    waiting::{AgentWaiting, Fingerprint},
};
use crate::{
    audit::Note,
    broker::{Broker, Inner},
};

/// Longest reason, in bytes.
pub(super) const REASON_LEN_MAX: usize = 256;

impl Broker {
    /// What waits for an operator, by host.
    pub async fn agents_waiting(&self) -> Result<Vec<AgentWaiting>, StoreError> {
        self.0.agents_loaded().await?;
        let now = self.0.clock.now();
        let mut all = Vec::new();
        for (host, record) in self.0.agents.records.all() {
            if let Ok(host) = HostId::new(&host) {
                all.extend(record.waits(&host, now));
            }
        }
        Ok(all)
    }

    /// Lets the machine that waits be the agent of `host`, if it is the one with the key `seen`.
    /// It gets its certificate when it asks again; the one that was the agent loses its right
    /// then.
    pub async fn approve_agent(
        &self,
        actor: &Principal,
        host: &HostId,
        seen: &Fingerprint,
    ) -> Result<(), HostActError> {
        let key_sha256 = self
            .decide(actor, host, Some(seen), |record, act| {
                let waiting = record.waiting.as_mut()?;
                let key_sha256 = waiting.key_sha256.clone();
                waiting.approved.get_or_insert(act);
                Some(key_sha256)
            })
            .await?;
        self.0
            .note_agent(actor, "agent.approve", host, &key_sha256)
            .await;
        Ok(())
    }

    /// Sends the machine that waits away; with `seen` only the one with that key. Without it
    /// whichever waits: nobody gets a right by that, and it may come again with another token.
    pub async fn reject_agent(
        &self,
        actor: &Principal,
        host: &HostId,
        seen: Option<&Fingerprint>,
    ) -> Result<(), HostActError> {
        let key_sha256 = self
            .decide(actor, host, seen, |record, _| {
                record.waiting.take().map(|waiting| waiting.key_sha256)
            })
            .await?;
        self.0
            .note_agent(actor, "agent.reject", host, &key_sha256)
            .await;
        Ok(())
    }

    /// Shuts the agent of `host` out, whatever certificate it has: its links are closed at every
    /// broker, and the join tokens of the host are deleted. It comes back only by another join
    /// token that an operator makes afterwards.
    pub async fn revoke_agent(
        &self,
        actor: &Principal,
        host: &HostId,
        reason: &str,
    ) -> Result<(), HostActError> {
        authorize(actor, Action::OperateHosts)?;
        at_most("the reason's length in bytes", reason.len(), REASON_LEN_MAX)?;
        let act = self.0.act(actor, reason);
        let never_joined = || HostActError::NeverJoined { host: host.clone() };
        if !self.0.agent_record(host).await?.0.has_joined() {
            return Err(never_joined());
        }
        // Before the record: who joins meanwhile is shut out with the rest.
        self.0.delete_tokens_of(host).await?;
        let outcome = self.0.change_agent(host, |record| {
            if !record.has_joined() {
                return Err(never_joined());
            }
            record.waiting = None;
            record.revoked.get_or_insert_with(|| act.clone());
            Ok(())
        });
        outcome.await?;
        self.0
            .note(Note {
                detail: serde_json::json!({ "reason": reason }),
                ..Note::by(actor, "agent.revoke", host.as_str())
            })
            .await;
        Ok(())
    }

    /// Accepts the identities that the agent of `host` tells of, in the place of those before, if
    /// they are the ones that were `seen`.
    pub async fn trust_host(
        &self,
        actor: &Principal,
        host: &HostId,
        seen: &Fingerprint,
    ) -> Result<(), HostActError> {
        authorize(actor, Action::OperateHosts)?;
        let outcome = self.0.change_agent(host, |record| {
            let offered = record.offered.take();
            let offered =
                offered.ok_or_else(|| HostActError::NothingWaits { host: host.clone() })?;
            still(host, seen, Fingerprint::of_identities(&offered))?;
            let before = std::mem::replace(&mut record.accepted, offered.pins.clone());
            Ok((before, offered.pins))
        });
        let (before, after) = outcome.await?;
        self.0
            .note(Note {
                detail: serde_json::json!({
                    "before": before, "after": after, "fingerprint": seen.as_str(),
                }),
                ..Note::by(actor, "host.trust", host.as_str())
            })
            .await;
        Ok(())
    }

    async fn decide(
        &self,
        actor: &Principal,
        host: &HostId,
        seen: Option<&Fingerprint>,
        decide: impl Fn(&mut super::AgentRecord, Act) -> Option<String>,
    ) -> Result<String, HostActError> {
        authorize(actor, Action::OperateHosts)?;
        let act = self.0.act(actor, "");
        let outcome = self.0.change_agent(host, |record| {
            let nothing = || HostActError::NothingWaits { host: host.clone() };
            let waiting = record.waiting(act.at).ok_or_else(nothing)?;
            if let Some(seen) = seen {
                still(host, seen, Fingerprint::of_machine(waiting))?;
            }
            decide(record, act.clone()).ok_or_else(nothing)
        });
        outcome.await
    }
}

impl Inner {
    /// Keeps what an agent says that its host's servers show.
    pub(super) async fn take_identities(
        &self,
        host: &HostId,
        told: &[Pin],
    ) -> Result<(), HostActError> {
        let now = self.clock.now();
        let change = self.change_agent(host, |record| {
            let before = (record.accepted.clone(), record.offered.clone());
            record.take_identities(told, now);
            let accepted = record.accepted != before.0;
            let offered = record.offered != before.1 && record.offered.is_some();
            Ok((accepted, offered))
        });
        let (accepted, offered) = change.await?;
        let action = match (accepted, offered) {
            (true, _) => "host.identity-accepted",
            (_, true) => "host.identity-changed",
            (false, false) => return Ok(()),
        };
        if !self.agents.may_note(Doer::Host(host)) {
            return Ok(());
        }
        self.note(Note {
            actor: "agent",
            action,
            object: host.as_str(),
            outcome: if accepted { "ok" } else { "waiting" },
            client_address: None,
            detail: serde_json::json!({ "identities": told }),
        })
        .await;
        Ok(())
    }

    fn act(&self, actor: &Principal, reason: &str) -> Act {
        Act {
            by: actor.user.as_str().to_owned(),
            at: self.clock.now(),
            reason: reason.to_owned(),
        }
    }

    async fn note_agent(&self, actor: &Principal, action: &str, host: &HostId, key: &str) {
        self.note(Note {
            detail: serde_json::json!({ "key_sha256": key }),
            ..Note::by(actor, action, host.as_str())
        })
        .await;
    }
}

/// Whether what was seen is what waits.
fn still(host: &HostId, seen: &Fingerprint, waiting: Fingerprint) -> Result<(), HostActError> {
    if *seen == waiting {
        return Ok(());
    }
    Err(HostActError::AnotherWaits {
        host: host.clone(),
        seen: seen.clone(),
        waiting,
    })
}

pub(super) fn at_most(field: &'static str, value: usize, max: usize) -> Result<(), HostActError> {
    if value > max {
        return Err(HostActError::TooLarge { field, value, max });
    }
    Ok(())
}
