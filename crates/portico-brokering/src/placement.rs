//! Where a session runs: a function of a snapshot.
//!
//! Read [`PlacementInput`] (what is looked at) and [`decide`] (the rules, in their order) first.
//! Everything is computed in integers and ends in a total order, so that the same input gives the
//! same host everywhere, whatever order the hosts come in.

mod candidates;
mod eligibility;
pub mod load;
pub mod penalty;
mod resume;
mod rules;

use std::net::IpAddr;

use portico_model::{
    HostId, PoolId, SiteId, Timestamp,
    estate::{Host, Pool, Protocol},
    launch::{Choice, HostVerdict, NotChosen, Placement, Refusal},
    seen::{Load, ModeSet},
    session::Session,
};

use self::{candidates::Candidates, rules::Winner};
pub use self::{eligibility::why_not, penalty::Penalty, resume::is_resumable};

/// Everything that placement looks at.
#[derive(Debug, Clone)]
pub struct PlacementInput<'a> {
    /// Pool of the resource.
    pub pool_id: &'a PoolId,
    /// Its rules.
    pub pool: &'a Pool,
    /// Protocol that the resource needs.
    pub protocol: Protocol,
    /// Name of the user on the hosts.
    pub account: &'a str,
    /// Every host of the pool, in any order, none twice.
    pub hosts: Vec<HostSnapshot<'a>>,
    /// The session that this launch comes back to, when there is one. Which that is, the pool's
    /// `sessions_per_user` says; the caller looks it up.
    pub session: Option<Resumable<'a>>,
    /// Where the user's last session of this pool ran.
    pub last_host: Option<&'a HostId>,
    /// The site that the client is at; `None`: at none, or its address is not known.
    pub client_site: Option<&'a SiteId>,
    /// The client's address, as far as trusted proxies tell.
    pub client_address: Option<IpAddr>,
    /// Launches of this pool so far: whose turn it is, for `round-robin`.
    pub turn: u64,
    /// Decides between equally good hosts: the caller's dice.
    pub lot: u64,
}

/// One host, as it is seen now.
#[derive(Debug, Clone)]
pub struct HostSnapshot<'a> {
    /// Which.
    pub id: &'a HostId,
    /// What is wanted of it.
    pub host: &'a Host,
    /// Whether it can be used, as far as is known.
    pub sight: Sight,
    /// The mode that was set beside the estate's; the stricter of the two counts.
    pub mode: Option<ModeSet>,
    /// Whether its identity can be checked: by the estate's pins, or by accepted ones.
    pub trusted: bool,
    /// How busy it is; `None` when no agent told, or not lately.
    pub load: Option<Load>,
    /// Sessions on it: pending, active and disconnected ones, and those the agent sees and the
    /// directory does not know.
    pub sessions: u32,
    /// Of those, the ones whose sign-in is in progress: pending ones.
    pub sign_ins: u32,
    /// Accounts of the sessions that the directory has on it. Only whether
    /// [`PlacementInput::account`] is among them matters, so the others may be left out.
    pub accounts: Vec<&'a str>,
    /// The agent sees a running RDP session of the account that the directory does not have.
    pub holds_account: bool,
    /// Set when launches failed on it lately.
    pub penalty: Option<Penalty>,
}

/// Whether a host can be used, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// It has no agent, and was not probed yet.
    NotProbed,
    /// Its protocol does not answer the gateway: by its probe, or, when its agent reports, by the
    /// port check.
    Unreachable {
        /// What was seen.
        detail: String,
    },
    /// It has no agent, and its probe succeeded.
    Reachable,
    /// It needs an agent, and none ever joined.
    NeverJoined,
    /// A machine waits for an operator to let it be the agent.
    WaitingForApproval,
    /// An operator shut its agent out.
    Revoked,
    /// Nothing was heard of its agent for too long.
    Silent {
        /// When it was heard last.
        since: Timestamp,
    },
    /// Its agent reports.
    Fresh,
}

/// What the last probe of a host's protocol saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reachability {
    /// There was none yet.
    NotProbed,
    /// It answered in its protocol.
    Reachable,
    /// It did not.
    Unreachable {
        /// What was seen.
        detail: String,
    },
}

impl From<Reachability> for Sight {
    fn from(reachability: Reachability) -> Self {
        match reachability {
            Reachability::NotProbed => Self::NotProbed,
            Reachability::Reachable => Self::Reachable,
            Reachability::Unreachable { detail } => Self::Unreachable { detail },
        }
    }
}

/// A session that a launch may come back to, with its host.
#[derive(Debug, Clone)]
pub struct Resumable<'a> {
    /// The session.
    pub session: &'a Session,
    /// Its host, of whatever pool; `None` when it was taken out of the estate.
    pub host: Option<&'a Host>,
    /// The mode that was set on that host beside the estate's.
    pub mode: Option<&'a ModeSet>,
    /// Whether that host's identity can be checked.
    pub trusted: bool,
}

/// Chooses a host.
///
/// 1. A session that runs is resumed, wherever its host stands: reconnecting wins over placement,
///    and neither drain nor a full, silent or slow host sends the user to a second session. Only a
///    host that is disabled, that nobody trusts, or that speaks another protocol by now refuses,
///    and the pool's `resume_from`. A session whose host left the estate, or whose reservation has
///    lapsed unused, is nothing to come back to: a new place is chosen, and the caller ends the
///    old session in the same transaction.
/// 2. A host on which the account has a desktop that the directory does not know is the next
///    best: it would lead the user into that desktop, so anywhere else a second one would arise.
///    Not in pools that give a person any number of sessions.
/// 3. Of the others the eligible ones: not drained, trusted, seen, with room, without too many
///    sign-ins in progress, and without another session of the account where a host gives each
///    account one only (a second launch would land in the first one's desktop and start nothing).
/// 4. Of those, hosts without a penalty come first, then those of the client's site.
/// 5. Of those, the user's last host where the pool says so, else the one the pool's rule names.
///
/// A refusal names every host of the pool once, with its reason; [`Decision::others`] does so for
/// those that were not chosen.
pub fn decide<'i, 'a>(
    input: &'i PlacementInput<'a>,
    now: Timestamp,
) -> Result<Decision<'i, 'a>, Refusal> {
    if let Some(home) = resume::home(input, now) {
        return resume::resume(input, home);
    }
    if let Some(decision) = resume::runs_there(input) {
        return decision;
    }
    let candidates = Candidates::of(input, now);
    match rules::choose(input, &candidates) {
        Some(winner) => Ok(Decision {
            input,
            host: winner.host.id,
            choice: winner.choice(),
            others: Others::Lost { candidates, winner },
        }),
        None => Err(Refusal::NoHost {
            pool: input.pool_id.clone(),
            hosts: candidates.verdicts(input).collect(),
        }),
    }
}

/// Chooses a host as [`decide`] does, and says of every other one why it was not chosen.
pub fn place(input: &PlacementInput<'_>, now: Timestamp) -> Result<Placement, Refusal> {
    decide(input, now).map(|decision| decision.placement())
}

/// A chosen host. The reasons of the others are made when they are asked for: of ten thousand
/// hosts they cost more than the choice.
#[derive(Debug)]
pub struct Decision<'i, 'a> {
    input: &'i PlacementInput<'a>,
    host: &'a HostId,
    choice: Choice,
    others: Others<'i, 'a>,
}

#[derive(Debug)]
enum Others<'i, 'a> {
    /// They were not looked at: the session runs where it runs.
    NotLookedAt,
    /// They are not eligible, or were not the best.
    Lost {
        candidates: Candidates<'i, 'a>,
        winner: Winner<'i, 'a>,
    },
}

impl<'i, 'a> Decision<'i, 'a> {
    /// The chosen host.
    pub fn host(&self) -> &'a HostId {
        self.host
    }

    /// How the choice came about.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// Every other host of the pool, with the reason it was not chosen, in the order of the input.
    pub fn others(&self) -> impl Iterator<Item = HostVerdict> + '_ {
        let hosts = self.input.hosts.iter().enumerate();
        hosts
            .filter(|(_, other)| other.id != self.host)
            .map(|(at, other)| {
                let reason = match &self.others {
                    Others::NotLookedAt => NotChosen::SessionElsewhere,
                    Others::Lost { candidates, winner } => candidates
                        .set_aside(self.input, at)
                        .unwrap_or_else(|| winner.over(other)),
                };
                verdict(other.id, reason)
            })
    }

    /// The whole of it.
    pub fn placement(&self) -> Placement {
        let mut others = Vec::with_capacity(self.input.hosts.len());
        others.extend(self.others());
        Placement {
            host: self.host.clone(),
            choice: self.choice.clone(),
            others,
        }
    }
}

fn verdict(host: &HostId, reason: NotChosen) -> HostVerdict {
    HostVerdict {
        host: host.clone(),
        reason,
    }
}

#[cfg(test)]
mod tests;
