//! The sign-in of local users: from a name and a password to a sign-in, or to one of few answers
//! that say nothing about which names exist.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, PoisonError},
};

use portico_model::{
    Secret, Timestamp, UserId,
    estate::Estate,
    people::{Principal, Strength},
};
use portico_net::clock::Clock;
use portico_store::{AuditEntry, Compare, Journal, KeyValue, Op, OpResult, Store, StoreError, Txn};
use tokio::sync::Mutex;

use crate::{
    keys,
    local::{LocalUsers, Verdict, VerifyBusy},
    lockout::{self, Attempt, BY_NETWORK, BY_USER, LockOutRecord, LockOutRule},
    sign_ins::{NewSignIn, SignIns, SignInsError},
};

/// Longest user name that is looked at, in bytes.
const NAME_LEN_MAX: usize = 256;
/// Times that counting an attempt is tried against others who count at the same instant.
const TRIES_MAX: usize = 8;
/// Attempts while locked are written once for each name and network in so long.
const LOCKED_SAID_FOR_MS: u64 = 60_000;
/// Of so many names and networks at most.
const LOCKED_SAID_MAX: usize = 1000;

/// Why somebody is not signed in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SignInError {
    /// Unknown name, wrong password, or a user without one: not told apart.
    #[error("the user name or the password is wrong")]
    WrongCredentials,
    /// Too many wrong attempts for this name or from this network.
    #[error("too many wrong attempts; try again in {retry_after_s} s")]
    Locked {
        /// Seconds until the next attempt.
        retry_after_s: u64,
    },
    /// Too many sign-ins at once.
    #[error("too many sign-ins are waiting; try again in a few seconds")]
    Busy,
    /// Attempts cannot be counted or the sign-in not be written, so nobody is let in.
    #[error("signing in is not possible while the state cannot be written")]
    State(#[from] SignInsError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::State(error.into())
    }
}

impl From<VerifyBusy> for SignInError {
    fn from(_: VerifyBusy) -> Self {
        Self::Busy
    }
}

/// Where local users sign in.
pub struct Door {
    store: Arc<dyn Store>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    users: LocalUsers,
    sign_ins: SignIns,
    /// Attempts of this process are counted one after the other; the compare-and-set is for those
    /// of other processes.
    counting: Mutex<()>,
    said: std::sync::Mutex<Said>,
}

/// The lock-outs that the audit log has told of lately. Attempts while locked cost nothing and
/// have no limit, so a line for each would let anybody fill the disk.
#[derive(Default)]
struct Said {
    since: Timestamp,
    locked: BTreeSet<(String, Option<ipnet::IpNet>)>,
}

impl Said {
    /// Whether a lock-out of `actor` from `address` is news.
    fn is_new(&mut self, actor: &str, address: Option<IpAddr>, now: Timestamp) -> bool {
        if now < self.since || now.ms_since(self.since) >= LOCKED_SAID_FOR_MS {
            self.since = now;
            self.locked.clear();
        }
        let who = (actor.to_owned(), address.map(lockout::network));
        self.locked.len() < LOCKED_SAID_MAX && self.locked.insert(who)
    }
}

/// The records an attempt counts for, each with its rule.
struct Counted {
    key: String,
    rule: LockOutRule,
    stored: Option<KeyValue>,
    record: Option<LockOutRecord>,
}

impl Door {
    /// A door over `store`; the sign-ins it makes are those of `sign_ins`.
    pub fn new(
        store: Arc<dyn Store>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        users: LocalUsers,
        sign_ins: SignIns,
    ) -> Self {
        Self {
            store,
            journal,
            clock,
            users,
            sign_ins,
            counting: Mutex::new(()),
            said: std::sync::Mutex::default(),
        }
    }

    /// Signs `name` in, or not. The attempt is counted before the password is looked at.
    pub async fn sign_in(
        &self,
        estate: &Estate,
        name: &str,
        password: Secret,
        client_address: Option<IpAddr>,
    ) -> Result<(Principal, NewSignIn), SignInError> {
        let name = name.trim().to_lowercase();
        let outcome = self.enter(estate, &name, password, client_address).await;
        self.audit(estate, &name, &outcome, client_address).await;
        outcome
    }

    /// Deletes lock-out records that say nothing any more. How many.
    pub async fn reap(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let found = self.store.range(&keys::lock_outs(), None, None).await?;
        let mut count = 0;
        for item in &found.items {
            let record: LockOutRecord = keys::read(&item.key, &item.value)?;
            if lockout::is_forgotten(&BY_USER, &record, now) {
                let txn = Txn::when(
                    [Compare::unchanged(&item.key, item.mod_revision)],
                    [Op::delete(&item.key)],
                );
                count += usize::from(self.store.txn(txn).await?.succeeded);
            }
        }
        Ok(count)
    }

    async fn enter(
        &self,
        estate: &Estate,
        name: &str,
        password: Secret,
        client_address: Option<IpAddr>,
    ) -> Result<(Principal, NewSignIn), SignInError> {
        let counted = counted(name, client_address);
        self.charge(&counted).await?;
        let user = Some(name)
            .filter(|name| name.len() <= NAME_LEN_MAX)
            .and_then(|name| UserId::new(name).ok());
        let known = user.as_ref().and_then(|id| estate.users.get(id));
        let hash = known.and_then(|user| user.password_hash.as_deref());
        let verdict = self.users.verify(hash, password.clone()).await?;
        let (Verdict::Right, Some(id), Some(known)) = (verdict, user, known) else {
            return Err(SignInError::WrongCredentials);
        };
        self.pardon(&counted).await?;
        let strength = Strength::Password;
        let made = self
            .sign_ins
            .create(&id, strength, client_address, Some(&password))
            .await?;
        let principal = Principal {
            groups: estate.groups_of(&id),
            user: id,
            display_name: known.display_name.clone(),
            role: known.role,
            strength,
            sign_in: Some(made.id.clone()),
            signed_in_at: made.signed_in_at,
            client_address,
        };
        Ok((principal, made))
    }

    /// Counts one attempt for the name and the network, or finds one of them locked.
    async fn charge(&self, counted: &[(String, LockOutRule)]) -> Result<(), SignInError> {
        let _one_after_the_other = self.counting.lock().await;
        for _ in 0..TRIES_MAX {
            let now = self.clock.now();
            let seen = self.read(counted).await?;
            let (mut compare, mut puts, mut locked) = (Vec::new(), Vec::new(), None);
            for item in &seen {
                let record = match lockout::attempt(&item.rule, item.record, now) {
                    Attempt::Charged(record) => record,
                    Attempt::Locked {
                        retry_after_s,
                        record,
                    } => {
                        locked = locked.max(Some(retry_after_s));
                        record
                    }
                };
                let revision = item.stored.as_ref().map_or(0, |stored| stored.mod_revision);
                compare.push(Compare::unchanged(&item.key, revision));
                puts.push((item, record));
            }
            // A locked attempt counts for nobody; only a time from the future is corrected.
            puts.retain(|(item, record)| match locked {
                None => true,
                Some(_) => item.record.is_some_and(|before| {
                    before.last_at > record.last_at && before.attempts == record.attempts
                }),
            });
            let mut ops = Vec::new();
            for (item, record) in puts {
                ops.push(Op::put(&item.key, keys::write(&item.key, &record)?));
            }
            if let (Some(retry_after_s), true) = (locked, ops.is_empty()) {
                return Err(SignInError::Locked { retry_after_s });
            }
            if self.store.txn(Txn::when(compare, ops)).await?.succeeded {
                return match locked {
                    Some(retry_after_s) => Err(SignInError::Locked { retry_after_s }),
                    None => Ok(()),
                };
            }
        }
        Err(SignInError::Busy)
    }

    /// Gives an attempt back: the password was right.
    async fn pardon(&self, counted: &[(String, LockOutRule)]) -> Result<(), SignInError> {
        let _one_after_the_other = self.counting.lock().await;
        for _ in 0..TRIES_MAX {
            let (mut compare, mut ops) = (Vec::new(), Vec::new());
            for item in self.read(counted).await? {
                let (Some(stored), Some(record)) = (&item.stored, item.record) else {
                    continue;
                };
                compare.push(Compare::unchanged(&item.key, stored.mod_revision));
                let after = match item.rule == BY_USER {
                    true => None,
                    false => lockout::after_success(record),
                };
                ops.push(match after {
                    Some(record) => Op::put(&item.key, keys::write(&item.key, &record)?),
                    None => Op::delete(&item.key),
                });
            }
            if self.store.txn(Txn::when(compare, ops)).await?.succeeded {
                return Ok(());
            }
        }
        Err(SignInError::Busy)
    }

    async fn read(&self, counted: &[(String, LockOutRule)]) -> Result<Vec<Counted>, StoreError> {
        let gets: Vec<Op> = counted
            .iter()
            .map(|(key, _)| Op::Get { key: key.clone() })
            .collect();
        let results = self.store.txn(Txn::of(gets)).await?.results;
        let mut seen = Vec::new();
        for ((key, rule), result) in counted.iter().zip(results) {
            let OpResult::Get(stored) = result else {
                continue;
            };
            let record = match &stored {
                // A record that cannot be read must not lock anybody out for ever.
                Some(stored) => keys::read(key, &stored.value).ok(),
                None => None,
            };
            seen.push(Counted {
                key: key.clone(),
                rule: *rule,
                stored,
                record,
            });
        }
        Ok(seen)
    }

    /// Writes what happened. A name is kept only when somebody has it: people type passwords there.
    async fn audit(
        &self,
        estate: &Estate,
        name: &str,
        outcome: &Result<(Principal, NewSignIn), SignInError>,
        client_address: Option<IpAddr>,
    ) {
        let (action, text) = match outcome {
            Ok(_) => ("sign-in.ok", "ok".to_owned()),
            Err(error @ SignInError::WrongCredentials) => ("sign-in.wrong", error.to_string()),
            Err(error @ SignInError::Locked { .. }) => ("sign-in.locked", error.to_string()),
            Err(error) => ("sign-in.failed", error.to_string()),
        };
        let known = estate.users.contains_key(name);
        let actor = if known { name } else { "(unknown)" }.to_owned();
        let now = self.clock.now();
        if let Err(SignInError::Locked { .. }) = outcome {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if !said.is_new(&actor, client_address, now) {
                return;
            }
        }
        let entry = AuditEntry {
            at: now,
            actor,
            action: action.to_owned(),
            object: "portal".to_owned(),
            outcome: text,
            client_address,
            detail: serde_json::Value::Null,
        };
        if let Err(error) = self.journal.append_audit(entry).await {
            tracing::error!(%error, action, "Audit log was not written");
        }
    }
}

fn counted(name: &str, client_address: Option<IpAddr>) -> Vec<(String, LockOutRule)> {
    let mut counted = vec![(keys::lock_out_of_name(name), BY_USER)];
    if let Some(address) = client_address {
        let network = lockout::network(address);
        counted.push((keys::lock_out_of_network(network), BY_NETWORK));
    }
    counted
}

#[cfg(test)]
mod tests;
