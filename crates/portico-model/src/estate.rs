//! What an administrator asks for: the *wanted* side of everything. Made only by
//! `portico-estate`, which checks references and limits; a value of these types is consistent.

mod host;
mod session_policy;

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    EntitlementId, GroupId, HostId, PoolId, ResourceId, SessionPolicyId, SiteId, UserId, ZoneId,
    network::{OtherHost, PortSettings, Zone},
    people::{Role, Strength},
};

pub use host::{
    AgentLink, AgentMode, Host, HostMode, Pin, Protocol, RdpSecurity, SessionsPerAccount,
    WEIGHT_DEFAULT, WEIGHT_MAX,
};
pub use session_policy::{Clipboard, Drive, Microphone, Printer, SessionPolicy};

/// The whole described deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estate {
    /// Names and notice of the site.
    pub site: Site,
    /// Places that clients and hosts are at.
    #[serde(default)]
    pub sites: BTreeMap<SiteId, ClientSite>,
    /// Parts of the network.
    #[serde(default)]
    pub zones: BTreeMap<ZoneId, Zone>,
    /// What holds for the port plan.
    #[serde(default)]
    pub ports: PortSettings,
    /// Sets of like hosts.
    pub pools: BTreeMap<PoolId, Pool>,
    /// Session hosts.
    pub hosts: BTreeMap<HostId, Host>,
    /// Hosts that are described for their ports only; no session host has the same id.
    #[serde(default)]
    pub other_hosts: BTreeMap<HostId, OtherHost>,
    /// What may be launched.
    pub resources: BTreeMap<ResourceId, Resource>,
    /// Who may launch it.
    pub entitlements: BTreeMap<EntitlementId, Entitlement>,
    /// What a session may do.
    pub session_policies: BTreeMap<SessionPolicyId, SessionPolicy>,
    /// Groups of people.
    pub groups: BTreeMap<GroupId, Group>,
    /// People checked by Portico itself.
    pub users: BTreeMap<UserId, User>,
}

/// How the installation presents itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Name on the sign-in page. Free text.
    pub name: String,
    /// Text shown before sign-in, such as terms of use. Free text.
    pub notice: Option<String>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            name: "Portico".into(),
            notice: None,
        }
    }
}

/// A place: clients are at it by their network, hosts by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSite {
    /// Name to show. Free text.
    pub title: String,
    /// Networks whose clients are at this site; of overlapping ones the longest prefix wins.
    pub client_networks: Vec<IpNet>,
}

/// A set of like hosts that placement chooses from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Name to show. Free text.
    pub title: String,
    /// How a host is chosen.
    pub placement: PlacementRule,
    /// How a principal is called on the hosts.
    pub account: AccountMapping,
    /// Policy of its sessions; the built-in default when absent.
    pub session_policy: Option<SessionPolicyId>,
    /// What counts how much for [`PlacementRule::ResourceBased`].
    #[serde(default)]
    pub load_weights: LoadWeights,
    /// Storm guard: sign-ins in progress that one host may have before it gets no further new
    /// session; 0 means any number. Reconnections are exempt.
    #[serde(default = "sign_ins_max_default")]
    pub sign_ins_max: u32,
    /// How many sessions one person may have.
    #[serde(default)]
    pub sessions_per_user: SessionsPerUser,
    /// From where a session may be resumed.
    #[serde(default)]
    pub resume_from: ResumeFrom,
    /// Whether a new session goes to the host of the user's last one, when it is eligible.
    #[serde(default = "affinity_default")]
    pub affinity: bool,
    /// Whether hosts of the client's site come first.
    #[serde(default)]
    pub site_rule: SiteRule,
}

/// Sign-ins in progress on one host unless the pool says otherwise.
pub const SIGN_INS_MAX_DEFAULT: u32 = 2;

const fn sign_ins_max_default() -> u32 {
    SIGN_INS_MAX_DEFAULT
}

const fn affinity_default() -> bool {
    true
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            title: String::new(),
            placement: PlacementRule::default(),
            account: AccountMapping::default(),
            session_policy: None,
            load_weights: LoadWeights::default(),
            sign_ins_max: SIGN_INS_MAX_DEFAULT,
            sessions_per_user: SessionsPerUser::default(),
            resume_from: ResumeFrom::default(),
            affinity: affinity_default(),
            site_rule: SiteRule::default(),
        }
    }
}

/// How a host is chosen among the eligible ones. Each rule but `pack` divides by the host's
/// weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlacementRule {
    /// The host with the lowest load index: sessions, processor, memory, run queue and disk wait
    /// against its capacity, weighted. Of a host without agent only the sessions are known.
    #[default]
    ResourceBased,
    /// The host with the fewest sessions in relation to its capacity.
    FewestSessions,
    /// One host after the other.
    RoundRobin,
    /// The fullest host that still has room, so that others can be switched off; of equally full
    /// ones the one with the highest weight.
    Pack,
}

/// What counts how much in the load index; the index is the weighted mean, so only the relation
/// between the numbers matters. All 0 is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadWeights {
    /// Sessions, pending ones included, against `sessions_max`.
    pub sessions: u32,
    /// Processor time in use.
    pub cpu: u32,
    /// Memory in use.
    pub memory: u32,
    /// Tasks that wait for a processor.
    pub run_queue: u32,
    /// Time in which tasks waited for a disk.
    pub disk_wait: u32,
}

/// Highest number in [`LoadWeights`]. The lowest is 0.
pub const LOAD_WEIGHT_MAX: u32 = 1_000;

impl Default for LoadWeights {
    fn default() -> Self {
        Self {
            sessions: 40,
            cpu: 25,
            memory: 20,
            run_queue: 10,
            disk_wait: 5,
        }
    }
}

/// How many sessions one person may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionsPerUser {
    /// One of each resource: launching it again resumes that one.
    #[default]
    Resource,
    /// One in the pool: launching any of its resources resumes that one.
    Pool,
    /// Any number: each launch is a new session; running ones are resumed from the webtop.
    Many,
}

/// From where a session may be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResumeFrom {
    /// Anywhere.
    #[default]
    Anywhere,
    /// Only from the network of the client that had it last (IPv4 /24, IPv6 /64).
    SameNetwork,
}

/// Whether hosts of the client's site come first. Hosts without site serve every site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteRule {
    /// They do; others are taken when none of them is eligible.
    #[default]
    Prefer,
    /// Only they are eligible.
    Require,
    /// Sites do not matter.
    Ignore,
}

/// How a principal's name on a host is made. Never typed by the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountMapping {
    /// Template with `{user}` in it, for example `{user}` or `EXAMPLE\{user}`.
    pub template: String,
    /// Exceptions, tried first.
    pub exceptions: BTreeMap<UserId, String>,
}

impl Default for AccountMapping {
    fn default() -> Self {
        Self {
            template: "{user}".into(),
            exceptions: BTreeMap::new(),
        }
    }
}

impl AccountMapping {
    /// The account of `user`.
    pub fn account(&self, user: &UserId) -> String {
        match self.exceptions.get(user) {
            Some(account) => account.clone(),
            None => self.template.replace("{user}", user.as_str()),
        }
    }
}

/// What a user may launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Name to show. Free text.
    pub title: String,
    /// What it is about. Free text.
    pub description: String,
    /// Folders in the webtop, outermost first, separated by `/`. Free text.
    pub folder: String,
    /// Name of one of the built-in icons.
    pub icon: String,
    /// What is started.
    pub kind: ResourceKind,
}

/// What is started when a resource is launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ResourceKind {
    /// A whole desktop on a host of the pool.
    Desktop {
        /// Where.
        pool: PoolId,
    },
    /// One program instead of the desktop.
    Application {
        /// Where.
        pool: PoolId,
        /// Command line on the host.
        program: String,
        /// Folder it starts in; the account's home when empty.
        work_dir: String,
    },
    /// A shell.
    Terminal {
        /// Where.
        pool: PoolId,
    },
    /// A web page, opened by the browser itself.
    Link {
        /// Absolute http or https address.
        url: String,
    },
}

impl ResourceKind {
    /// Pool it runs in; none for links.
    pub fn pool(&self) -> Option<&PoolId> {
        match self {
            Self::Desktop { pool } | Self::Application { pool, .. } | Self::Terminal { pool } => {
                Some(pool)
            }
            Self::Link { .. } => None,
        }
    }
}

/// Grant of published resources to people, under conditions that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlement {
    /// People named one by one.
    pub users: Vec<UserId>,
    /// Groups, with all who are in them directly or through other groups.
    pub groups: Vec<GroupId>,
    /// What they may launch.
    pub resources: Vec<ResourceId>,
    /// Networks the client must come from; empty means any.
    pub client_networks: Vec<IpNet>,
    /// Times of the week; empty means always.
    pub times: Vec<WeeklyTime>,
    /// Least strength of the sign-in.
    pub strength: Strength,
}

/// A span of the week, in a named time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeeklyTime {
    /// Days on which it begins, 0 = Monday to 6 = Sunday, sorted, at least one.
    pub days: Vec<u8>,
    /// Minute of the day at which it begins, 0 to 1439.
    pub from_min: u16,
    /// Minute of the day at which it ends, 1 to 1440; when not after `from_min`, on the next day.
    pub to_min: u16,
    /// IANA name, for example `Europe/Berlin`.
    pub time_zone: String,
}

/// A group of people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Name to show. Free text.
    pub title: String,
    /// People in it directly.
    pub users: Vec<UserId>,
    /// Groups in it, without cycles.
    pub groups: Vec<GroupId>,
}

/// A person checked by Portico itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Name to show. Free text.
    pub display_name: String,
    /// Role in Portico.
    pub role: Role,
    /// Password as a PHC string (argon2id). A plain password of the estate file is hashed before
    /// it comes here; `None` keeps the one that the store already has.
    pub password_hash: Option<String>,
    /// Who made the user; decides whether leaving it out of the estate file removes it.
    #[serde(default)]
    pub origin: UserOrigin,
}

/// Who made a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserOrigin {
    /// The estate file: the user goes when the file no longer names them.
    #[default]
    File,
    /// Set-up or a command: an estate file never removes the user, so that applying one cannot
    /// lock out the owner.
    Setup,
}

impl Estate {
    /// All groups that `user` is in, directly or through other groups, sorted.
    pub fn groups_of(&self, user: &UserId) -> Vec<GroupId> {
        let mut found: std::collections::BTreeSet<&GroupId> = self
            .groups
            .iter()
            .filter(|(_, group)| group.users.contains(user))
            .map(|(id, _)| id)
            .collect();
        // Each round adds at least one group or stops, so at most `groups.len()` rounds.
        loop {
            let more: Vec<&GroupId> = self
                .groups
                .iter()
                .filter(|(id, group)| {
                    !found.contains(id) && group.groups.iter().any(|inner| found.contains(inner))
                })
                .map(|(id, _)| id)
                .collect();
            if more.is_empty() {
                return found.into_iter().cloned().collect();
            }
            found.extend(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_groups_count_and_a_cycle_ends() {
        let user = UserId::new("ina").unwrap();
        let id = |s: &str| GroupId::new(s).unwrap();
        let mut estate = Estate::default();
        estate.groups.insert(
            id("a"),
            Group {
                users: vec![user.clone()],
                ..Group::default()
            },
        );
        estate.groups.insert(
            id("b"),
            Group {
                groups: vec![id("a"), id("c")],
                ..Group::default()
            },
        );
        estate.groups.insert(
            id("c"),
            Group {
                groups: vec![id("b")],
                ..Group::default()
            },
        );
        estate.groups.insert(id("d"), Group::default());
        assert_eq!(estate.groups_of(&user), vec![id("a"), id("b"), id("c")]);
    }

    #[test]
    fn exceptions_of_the_account_mapping_come_first() {
        let mut mapping = AccountMapping {
            template: "EX\\{user}".into(),
            ..Default::default()
        };
        let ina = UserId::new("ina").unwrap();
        assert_eq!(mapping.account(&ina), "EX\\ina");
        mapping
            .exceptions
            .insert(ina.clone(), "administrator".into());
        assert_eq!(mapping.account(&ina), "administrator");
    }
}
