//! Loaded firewall rules, whichever tool loaded them, as far as packets for this host go through
//! them.

use std::collections::BTreeSet;

use super::{
    packets::{Dimension, Version},
    ranges::Ranges,
};

/// The rules of a host.
#[derive(Debug, Clone, Default)]
pub struct Ruleset {
    /// Chains of all tables.
    pub chains: Vec<Chain>,
    /// Rules of all chains.
    pub rules: Vec<Rule>,
    /// Versions of which all rules are known.
    pub versions: BTreeSet<Version>,
    /// What was found and cannot be judged, a sentence each.
    pub unread: Vec<String>,
    /// Tables that iptables keeps in nftables, by version and name: `nft` shows them, too.
    pub(super) kept_in_nftables: BTreeSet<(Version, String)>,
    /// Interfaces that rules name, by name or by a beginning with `*`.
    pub(super) named_interfaces: BTreeSet<String>,
}

/// A chain, by its place in [`Ruleset::chains`].
pub type ChainId = usize;

/// A rule, by its place in [`Ruleset::rules`].
pub type RuleId = usize;

/// A list of rules.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Family and name of the table, as in `inet filter`, or `iptables filter`.
    pub table: String,
    /// Its name in the table.
    pub name: String,
    /// Whose packets it gets; of both versions when absent.
    pub version: Option<Version>,
    /// Where packets come into it, when it is not only jumped to.
    pub base: Option<Base>,
    /// Its rules, in order.
    pub rules: Vec<RuleId>,
}

/// Where packets come into a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// When.
    pub hook: Hook,
    /// Lower ones come first.
    pub priority: i64,
    /// What happens to a packet at the end of the chain.
    pub policy: Policy,
}

/// A moment on a packet's way into the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Before it is known for whom it is.
    Prerouting,
    /// When it is known to be for this host.
    Input,
}

/// What happens at the end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The packet goes on.
    Accept,
    /// It is gone.
    Drop,
}

/// Conditions, all of which must hold, and what happens then.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Which rule it is, for people.
    pub name: String,
    /// The chain it stands in.
    pub chain: ChainId,
    /// Command that takes it out.
    pub removal: Option<String>,
    /// In the order in which they are looked at.
    pub conditions: Vec<Condition>,
    /// What happens to a packet for which they hold.
    pub action: Action,
}

/// What has to be true of a new connection's first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It is of that version.
    Version(Version),
    /// A number of it is one of these, or is none of them.
    Within {
        /// Which number.
        dimension: Dimension,
        /// These.
        ranges: Ranges,
        /// Whether it has to be one of them.
        is_in: bool,
    },
    /// It comes in by one of these interfaces, or by none of them. A name may end with `*`.
    Interface {
        /// These.
        names: Vec<String>,
        /// Whether it has to be one of them.
        is_in: bool,
    },
    /// One of these lists of conditions holds; they are plain, none of this kind.
    AnyOf(Vec<Vec<Condition>>),
    /// Known before: of a new connection it always holds, or never does.
    Always(bool),
    /// Not understood: it may hold or not.
    Unknown(String),
}

impl Condition {
    /// A number is one of `ranges`.
    pub(super) const fn within(dimension: Dimension, ranges: Ranges) -> Self {
        Self::Within {
            dimension,
            ranges,
            is_in: true,
        }
    }
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing that decides: it counts, logs or marks.
    Nothing,
    /// This.
    Do(Verdict),
    /// The first of these whose conditions hold; nothing when none do.
    Choose(Vec<(Vec<Condition>, Verdict)>),
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let through, by this base chain.
    Accept,
    /// Gone, with or without an answer.
    Drop,
    /// The chain that jumped here goes on.
    Return,
    /// Another chain, and then on from here.
    Jump(ChainId),
    /// Another chain, and then on from where this one was jumped to.
    Goto(ChainId),
    /// Out of sight: another address or port, or a program decides.
    Elsewhere(String),
    /// Not understood: anything, or nothing.
    Unclear(String),
}

/// Longest name of a rule that is kept, in characters.
const NAME_LEN_MAX: usize = 300;

/// Chains and rules by names while they are read; jumps are resolved at the end.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) set: Ruleset,
}

impl Builder {
    /// The chain of that name in the table, if it was added.
    pub(super) fn chain(&self, table: &str, name: &str) -> Option<ChainId> {
        let mut chains = self.set.chains.iter();
        chains.position(|chain| chain.table == table && chain.name == name)
    }

    /// Adds a rule at the end of its chain.
    pub(super) fn push(&mut self, rule: Rule) {
        let id = self.set.rules.len();
        let mut rule = rule;
        if rule.name.chars().count() > NAME_LEN_MAX {
            rule.name = rule.name.chars().take(NAME_LEN_MAX).collect();
            rule.name.push('…');
        }
        let chosen: Vec<&Condition> = match &rule.action {
            Action::Choose(choices) => choices.iter().flat_map(|(when, _)| when).collect(),
            Action::Nothing | Action::Do(_) => Vec::new(),
        };
        for condition in rule.conditions.iter().chain(chosen) {
            named(condition, &mut self.set.named_interfaces);
        }
        if let Some(chain) = self.set.chains.get_mut(rule.chain) {
            chain.rules.push(id);
            self.set.rules.push(rule);
        }
    }
}

fn named(condition: &Condition, into: &mut BTreeSet<String>) {
    match condition {
        Condition::Interface { names, .. } => into.extend(names.iter().cloned()),
        Condition::AnyOf(lists) => {
            for condition in lists.iter().flatten() {
                named(condition, into);
            }
        }
        _ => {}
    }
}

impl Ruleset {
    /// Whether iptables keeps the table of that name in nftables, and its own words for it are
    /// known.
    pub(super) fn is_of_iptables(&self, family: &str, table: &str) -> bool {
        let version = match family {
            "ip" => Version::V4,
            "ip6" => Version::V6,
            _ => return false,
        };
        self.kept_in_nftables.contains(&(version, table.to_owned()))
    }

    /// These rules and those of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let (chains, rules) = (self.chains.len(), self.rules.len());
        self.chains
            .extend(other.chains.into_iter().map(|mut chain| {
                chain.rules.iter_mut().for_each(|rule| *rule += rules);
                chain
            }));
        let moved = |verdict: &mut Verdict| {
            if let Verdict::Jump(chain) | Verdict::Goto(chain) = verdict {
                *chain += chains;
            }
        };
        self.rules.extend(other.rules.into_iter().map(|mut rule| {
            rule.chain += chains;
            match &mut rule.action {
                Action::Nothing => {}
                Action::Do(verdict) => moved(verdict),
                Action::Choose(choices) => choices.iter_mut().for_each(|(_, to)| moved(to)),
            }
            rule
        }));
        self.versions.extend(other.versions);
        self.unread.extend(other.unread);
        self.kept_in_nftables.extend(other.kept_in_nftables);
        self.named_interfaces.extend(other.named_interfaces);
        self
    }

    /// Base chains that packets of `version` go through, in their order.
    pub(super) fn bases(&self, version: Version) -> Vec<(ChainId, Base)> {
        let mut bases: Vec<(ChainId, Base)> = self
            .chains
            .iter()
            .enumerate()
            .filter(|(_, chain)| chain.version.is_none_or(|of| of == version))
            .filter_map(|(id, chain)| Some((id, chain.base?)))
            .collect();
        bases.sort_by_key(|(_, base)| (base.hook, base.priority));
        bases
    }

    /// What a chain is called.
    pub(super) fn chain_name(&self, chain: ChainId) -> String {
        self.chains.get(chain).map_or_else(String::new, |chain| {
            format!("chain {} of table {}", chain.name, chain.table)
        })
    }
}

/// The interfaces that make a difference: those that rules name, and those that the host has. Any
/// other one is like all others.
#[derive(Debug, Clone)]
pub struct Interfaces {
    /// Names, and beginnings with `*` that stand for all that begin so and are not named better.
    names: Vec<String>,
}

impl Interfaces {
    /// Those of rules and host.
    pub(super) fn new(rules: &Ruleset, host: impl IntoIterator<Item = String>) -> Self {
        let mut names: BTreeSet<String> = rules.named_interfaces.clone();
        names.extend(host);
        names.insert("lo".to_owned());
        Self {
            names: names.into_iter().collect(),
        }
    }

    /// The numbers that `names` mean.
    pub(super) fn numbers(&self, names: &[String]) -> Ranges {
        let means = |wanted: &String, known: &String| match wanted.strip_suffix('*') {
            // A more general beginning means also the more special one, and not the other way.
            Some(beginning) => known.trim_end_matches('*').starts_with(beginning),
            None => wanted == known,
        };
        let numbered = (0_u128..).zip(&self.names);
        Ranges::new(
            numbered
                .filter(|(_, known)| names.iter().any(|wanted| means(wanted, known)))
                .map(|(number, _)| (number, number)),
        )
    }

    /// All but the one on which the host talks to itself.
    pub(super) fn outside(&self) -> Ranges {
        let others = u128::try_from(self.names.len()).unwrap_or(u128::MAX);
        Ranges::up_to(others).without(&self.numbers(&["lo".to_owned()]))
    }

    /// Names of `numbers`; `None` when it is all from outside.
    pub(super) fn shown(&self, numbers: &Ranges) -> Option<String> {
        if self.outside().without(numbers).is_empty() {
            return None;
        }
        let numbered = (0_u128..).zip(&self.names);
        let mut shown: Vec<&str> = numbered
            .filter(|(number, _)| numbers.contains(*number))
            .map(|(_, name)| name.as_str())
            .collect();
        if numbers.contains(u128::try_from(self.names.len()).unwrap_or(u128::MAX)) {
            shown.push("others");
        }
        Some(shown.join(", "))
    }
}
