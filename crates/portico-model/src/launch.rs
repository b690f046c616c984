//! What a launch asks and what it is told.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    EntitlementId, HostId, PoolId, ResourceId, SessionId, SiteId, Timestamp, UserId, seen::ModeSet,
};

mod reasons;

/// The client a launch is for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Client {
    /// Address, as far as trusted proxies tell.
    pub address: Option<IpAddr>,
}

/// Which host was chosen, and why not each other one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The chosen host.
    pub host: HostId,
    /// How the choice came about.
    pub choice: Choice,
    /// Every other host of the pool, with the reason it was not chosen.
    pub others: Vec<HostVerdict>,
}

/// How a host came to be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "choice", rename_all = "kebab-case")]
pub enum Choice {
    /// The user's session of this resource already runs there.
    Resumed {
        /// That session.
        session: SessionId,
    },
    /// The account already has a session there that the directory does not know: the host leads
    /// the user into it, so anywhere else a second one would arise.
    RunsThere,
    /// The user's last session of the pool was there, and it is as good as any other.
    LastHost {
        /// Sessions on it, pending ones included.
        sessions: u32,
        /// Its limit.
        sessions_max: u32,
    },
    /// It had the lowest load index.
    ResourceBased {
        /// Its load index, per ten thousand.
        index: u32,
        /// Sessions on it, pending ones included.
        sessions: u32,
        /// Its limit.
        sessions_max: u32,
    },
    /// It was its turn.
    RoundRobin,
    /// It was the fullest that still had room.
    Pack {
        /// Sessions on it, pending ones included.
        sessions: u32,
        /// Its limit.
        sessions_max: u32,
    },
    /// It had the fewest sessions for its capacity.
    FewestSessions {
        /// Sessions on it, pending ones included.
        sessions: u32,
        /// Its limit.
        sessions_max: u32,
    },
}

/// A host and the reason it was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostVerdict {
    /// The host.
    pub host: HostId,
    /// The reason.
    #[serde(flatten)]
    pub reason: NotChosen,
}

/// Why a host was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum NotChosen {
    /// Its mode is `disabled`.
    Disabled {
        /// Who set it so; `None`: the estate does, so that only a change of it helps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set: Option<ModeSet>,
    },
    /// Its mode is `drain`: reconnections only.
    Draining {
        /// Who set it so; `None`: the estate does, so that only a change of it helps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set: Option<ModeSet>,
    },
    /// It needs an agent, and none ever joined.
    NeverJoined,
    /// Its agent asked to join, or showed another key, and no operator approved it yet.
    WaitingForApproval,
    /// The certificate of its agent was revoked.
    Revoked,
    /// Its agent has said nothing for too long.
    Silent {
        /// When it was heard last.
        since: Timestamp,
    },
    /// Its protocol does not answer the gateway.
    Unreachable {
        /// What the probe or the port check saw.
        detail: String,
    },
    /// It was not probed yet.
    NotProbed,
    /// It has no pin, and no accepted identity of its agent, so that it cannot be checked.
    NotTrusted,
    /// It speaks another protocol than the resource needs.
    OtherProtocol,
    /// It has as many sessions as it may.
    Full {
        /// Sessions on it.
        sessions: u32,
        /// Its limit.
        sessions_max: u32,
    },
    /// Storm guard: as many sign-ins are in progress on it as the pool allows.
    SignInsInProgress {
        /// Sign-ins in progress.
        sign_ins: u32,
        /// The pool's limit for each host.
        sign_ins_max: u32,
    },
    /// It stands at another site than the client, and the site rule puts those of the client's
    /// site first.
    OtherSite {
        /// Where it stands.
        site: SiteId,
    },
    /// Launches failed on it lately, so hosts without failures come first. It recovers by itself.
    Penalised {
        /// When it is as good as the others again.
        until: Timestamp,
        /// Failures in a row.
        failures: u32,
    },
    /// It was eligible, but the user's last session was on another that was eligible too.
    NotLastHost,
    /// It was eligible, but its load index is higher than that of the chosen one.
    HigherLoad {
        /// Its load index, per ten thousand.
        index: u32,
        /// The load index of the chosen one.
        chosen: u32,
    },
    /// It was eligible with the same load as the chosen one; the choice between them is by lot.
    SameLoad {
        /// Its load index, per ten thousand.
        index: u32,
    },
    /// It was eligible, but it was another's turn.
    NotItsTurn,
    /// It was eligible, but it is emptier than the chosen one, and the pool fills one host after
    /// the other.
    EmptierThanChosen {
        /// Sessions on it.
        sessions: u32,
        /// Its limit.
        sessions_max: u32,
    },
    /// It was eligible and as full as the chosen one, which comes first by weight or name.
    AsFull {
        /// Sessions on it.
        sessions: u32,
        /// Its limit.
        sessions_max: u32,
    },
    /// It was eligible, but another had fewer sessions for its capacity.
    MoreSessions {
        /// Sessions on it.
        sessions: u32,
        /// Its limit.
        sessions_max: u32,
    },
    /// It was eligible with as few sessions as the chosen one; the choice between them is by lot.
    AsFewSessions {
        /// Sessions on it.
        sessions: u32,
        /// Its limit.
        sessions_max: u32,
    },
    /// The user's session runs on another host.
    SessionElsewhere,
    /// Another session of the same account runs there, and the host gives each account one
    /// session only: a second launch would land in the first one.
    AccountInUse {
        /// The account.
        account: String,
    },
}

/// Why a launch is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refusal", rename_all = "kebab-case")]
pub enum Refusal {
    /// No such resource, or none that this person may know of: the two are not told apart.
    NotFound {
        /// What was asked for.
        resource: ResourceId,
    },
    /// An entitlement exists but a condition of it does not hold.
    NotNow {
        /// What was asked for.
        resource: ResourceId,
        /// Each entitlement that names the person and resource, and the condition that failed.
        conditions: Vec<FailedCondition>,
    },
    /// A link is opened by the browser, not launched.
    IsLink {
        /// What was asked for.
        resource: ResourceId,
    },
    /// No host of the pool can take the session.
    NoHost {
        /// The pool.
        pool: PoolId,
        /// Why, host by host; empty when the pool has no hosts.
        hosts: Vec<HostVerdict>,
    },
    /// The session may only be resumed from the network it was used from last, and the client is
    /// somewhere else.
    ResumeElsewhere {
        /// The session.
        session: SessionId,
        /// Where it runs.
        host: HostId,
        /// The network it may be resumed from.
        network: IpNet,
    },
    /// The state could not be written; nothing was changed.
    StoreAway {
        /// What the store said.
        detail: String,
    },
    /// Others kept changing the same hosts; worth another try.
    Busy,
}

/// A condition of an entitlement that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCondition {
    /// Which entitlement.
    pub entitlement: EntitlementId,
    /// Which condition.
    pub condition: Condition,
}

/// Conditions of an entitlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The client's address is outside the networks.
    ClientNetwork,
    /// It is not one of the times.
    Time,
    /// The sign-in is not strong enough.
    Strength,
}

/// The whole decision about a launch, for `portico explain launch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// For whom.
    pub user: UserId,
    /// What.
    pub resource: ResourceId,
    /// Entitlements that allow it.
    pub allowed_by: Vec<EntitlementId>,
    /// The outcome.
    pub outcome: ExplanationOutcome,
}

/// Outcome of an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ExplanationOutcome {
    /// It would be placed so.
    Placed(Placement),
    /// It would be refused so.
    Refused(Refusal),
}
