//! The hosts that a launch may go to, as they are at one moment, and the place that is planned on
//! the chosen one until it is written.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use portico_brokering::{
    HostSnapshot, PlacementInput, Resumable,
    penalty::{self, Penalty},
    place, witness,
};
use portico_model::{
    HostId, PoolId, SessionId, SiteId, Timestamp,
    estate::{Estate, Host},
    launch::{Choice, Placement, Refusal},
    seen::HostSessionKind,
    session::Session,
};

use crate::{
    broker::{Broker, Inner},
    directory::{Index, Taken},
    documents::Reserved,
    hosts::SeenHost,
    launch::Startable,
    port_checks::RecheckFrom,
};

/// Hosts where launches failed lately, and whose turn it is in each pool.
#[derive(Debug, Default)]
pub(crate) struct Lots {
    penalties: Mutex<BTreeMap<HostId, Penalty>>,
    turns: Mutex<BTreeMap<PoolId, u64>>,
}

/// A host of the pool with what is seen of it.
type Seen<'a> = (&'a HostId, &'a Host, SeenHost);

/// What a decision is about.
pub(crate) struct Question<'a> {
    pub(crate) estate: &'a Estate,
    pub(crate) start: &'a Startable<'a>,
    pub(crate) account: &'a str,
    pub(crate) session: Option<&'a Session>,
    pub(crate) last_host: Option<&'a HostId>,
    pub(crate) client_address: Option<IpAddr>,
    pub(crate) lot: u64,
}

/// A place that counts on its host while it is being written.
pub(crate) struct Planned<'a> {
    inner: &'a Inner,
    host: HostId,
    session: SessionId,
    account: String,
    /// What was taken when it was planned.
    taken: Taken,
}

impl Planned<'_> {
    /// Whether nobody took a place since that was not counted.
    pub(crate) fn still_stands(&self, index: &Index) -> bool {
        let now = index.written(&self.host, &self.account);
        now.sessions <= self.taken.sessions
            && now.sign_ins <= self.taken.sign_ins
            && (!now.has_account || self.taken.has_account)
    }
}

impl Drop for Planned<'_> {
    fn drop(&mut self) {
        self.inner.index().unplan(&self.host, &self.session);
    }
}

impl Broker {
    /// The penalty of a host where launches failed lately; also one that is over, until a launch
    /// works there.
    pub fn host_penalty(&self, host: &HostId) -> Option<Penalty> {
        lock(&self.0.lots.penalties).get(host).copied()
    }
}

impl Inner {
    /// Decides, and nothing else.
    pub(crate) fn foresee(
        &self,
        question: &Question<'_>,
        now: Timestamp,
    ) -> Result<Placement, Refusal> {
        let seen = self.seen_hosts(question, now);
        let turn = self.turn(question.start.pool_id);
        let resumed_at = self.seen_of_session(question, now);
        let seen = (&seen[..], resumed_at.as_ref());
        let input = self.input(question, seen, &self.index(), turn);
        place(&input, now)
    }

    /// Decides. A new session gets the id `session` and a place that counts from now on.
    pub(crate) fn plan(
        &self,
        question: &Question<'_>,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(Placement, Option<Planned<'_>>), Refusal> {
        let seen = self.seen_hosts(question, now);
        let turn = self.turn(question.start.pool_id);
        let resumed_at = self.seen_of_session(question, now);
        let seen = (&seen[..], resumed_at.as_ref());
        // From looking to counting nobody else decides.
        let mut index = self.index();
        let placement = place(&self.input(question, seen, &index, turn), now)?;
        if let Choice::Resumed { .. } = placement.choice {
            return Ok((placement, None));
        }
        let host = placement.host.clone();
        let account = question.account.to_owned();
        let taken = index.taken(&host, &account);
        let reserved = Reserved {
            id: session.clone(),
            account: account.clone(),
        };
        index.plan(&host, reserved);
        drop(index);
        self.take_turn(question.start.pool_id);
        let planned = Planned {
            inner: self,
            host,
            session,
            account,
            taken,
        };
        Ok((placement, Some(planned)))
    }

    pub(crate) fn launch_failed(&self, host: &HostId) {
        let now = self.clock.now();
        let mut penalties = lock(&self.lots.penalties);
        let penalty = penalty::after_failure(penalties.get(host).copied(), now);
        tracing::info!(host_id = %host, failures = penalty.failures, "A launch failed on the host");
        penalties.insert(host.clone(), penalty);
        drop(penalties);
        self.recheck_ports(host, RecheckFrom::Here);
    }

    pub(crate) fn launch_opened(&self, host: &HostId) {
        lock(&self.lots.penalties).remove(host);
    }

    fn turn(&self, pool: &PoolId) -> u64 {
        lock(&self.lots.turns).get(pool).copied().unwrap_or(0)
    }

    fn take_turn(&self, pool: &PoolId) {
        let mut turns = lock(&self.lots.turns);
        let turn = turns.entry(pool.clone()).or_default();
        *turn = turn.wrapping_add(1);
    }

    fn seen_hosts<'a>(&self, question: &Question<'a>, now: Timestamp) -> Vec<Seen<'a>> {
        let hosts = question.start.hosts(question.estate).into_iter();
        hosts
            .map(|(id, host)| (id, host, self.seen_host(id, host, now)))
            .collect()
    }

    /// The host of the session that may be resumed, of whatever pool.
    fn seen_of_session(&self, question: &Question<'_>, now: Timestamp) -> Option<SeenHost> {
        let session = question.session?;
        let host = question.estate.hosts.get(&session.host)?;
        Some(self.seen_host(&session.host, host, now))
    }

    fn input<'a>(
        &self,
        question: &'a Question<'a>,
        (seen, resumed_at): (&'a [Seen<'a>], Option<&'a SeenHost>),
        index: &Index,
        turn: u64,
    ) -> PlacementInput<'a> {
        let account = question.account;
        let penalties = lock(&self.lots.penalties);
        let hosts = seen.iter().map(|(id, host, seen)| {
            let taken = index.taken(id, account);
            let holds_account = !taken.has_account
                && seen.unmanaged.iter().any(|other| {
                    other.kind == HostSessionKind::Rdp
                        && witness::same_account(&other.account, account)
                });
            HostSnapshot {
                id,
                host,
                sight: seen.sight.clone(),
                mode: seen.mode.clone(),
                trusted: seen.trusted,
                load: seen.load,
                sessions: count(taken.sessions + seen.unmanaged.len()),
                sign_ins: count(taken.sign_ins),
                accounts: if taken.has_account {
                    vec![account]
                } else {
                    Vec::new()
                },
                holds_account,
                penalty: penalties.get(*id).copied(),
            }
        });
        let start = question.start;
        let resumable = question.session.map(|session| Resumable {
            session,
            host: question.estate.hosts.get(&session.host),
            mode: resumed_at.and_then(|seen| seen.mode.as_ref()),
            trusted: resumed_at.is_some_and(|seen| seen.trusted),
        });
        PlacementInput {
            pool_id: start.pool_id,
            pool: start.pool,
            protocol: start.protocol,
            account,
            hosts: hosts.collect(),
            session: resumable,
            last_host: question.last_host,
            client_site: site_of(question.estate, question.client_address),
            client_address: question.client_address,
            turn,
            lot: question.lot,
        }
    }
}

/// The site that a client is at: of the networks it is in, the longest prefix wins.
fn site_of(estate: &Estate, client: Option<IpAddr>) -> Option<&SiteId> {
    let client = client?;
    let networks = estate.sites.iter().flat_map(|(id, site)| {
        let networks = site.client_networks.iter();
        networks.map(move |network| (network, id))
    });
    networks
        .filter(|(network, _)| network.contains(&client))
        .max_by_key(|(network, id)| (network.prefix_len(), std::cmp::Reverse(*id)))
        .map(|(_, id)| id)
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

// Nothing that can panic runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
