//! Why rules are not written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{Format, HostRules, Rule, text};
use crate::{flow::Flow, plan::Gap};

/// How many hosts or flows a message names before it counts.
const SHOWN_MAX: usize = 20;

/// Why rules are not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The plan has no such host.
    #[error("the plan has no host {host:?}; it has {}", shown(.known))]
    UnknownHost {
        /// What was asked for.
        host: String,
        /// The ids that there are, those most like it first.
        known: Vec<String>,
    },
    /// The plan lacks flows because the estate does not say enough.
    #[error("the plan has gaps, and rules without these flows would block them:{}", gap_lines(.0))]
    Gaps(
        /// What is missing.
        Vec<Gap>,
    ),
    /// The format has no words for some flows. Sorted by flow, then by reason.
    #[error("{} rules cannot say all that is planned:{}", .format.name(), unsayable_lines(.flows))]
    Unsayable {
        /// The format.
        format: Format,
        /// The flows.
        flows: Vec<Unsayable>,
    },
}

/// Flows for which a format has no words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unsayable {
    /// Id of the flow; `*` when it is the number of all flows together.
    pub flow: String,
    /// Hosts whose rules it would be in, by id, sorted.
    pub hosts: Vec<String>,
    /// Why the format cannot say it.
    pub reason: String,
    /// What to do.
    pub next_step: String,
}

/// Collects what a format cannot say, so that all of it is told at once.
pub(super) struct Problems {
    format: Format,
    found: BTreeMap<(String, String, String), BTreeSet<String>>,
}

impl Problems {
    pub(super) const fn new(format: Format) -> Self {
        Self {
            format,
            found: BTreeMap::new(),
        }
    }

    /// `rule` of `host` cannot be said.
    pub(super) fn add(&mut self, host: &HostRules<'_>, rule: &Rule, why: &str, next: &str) {
        for flow in &rule.flows {
            self.add_flow(host, flow, why, next);
        }
    }

    fn add_flow(&mut self, host: &HostRules<'_>, flow: &Flow, why: &str, next: &str) {
        self.insert(&flow.id, &host.host.id, why, next);
    }

    /// All rules of `host` together cannot be said.
    pub(super) fn add_host(&mut self, host: &HostRules<'_>, why: &str, next: &str) {
        self.insert("*", &host.host.id, why, next);
    }

    /// Peers of `host` that have a name and no address.
    pub(super) fn add_names(&mut self, host: &HostRules<'_>) {
        for rule in host.inbound.iter().chain(&host.outbound) {
            if let Some(name) = rule.peers.names.first() {
                let why = match rule.peers.names.len() {
                    1 => format!("the peer is known by name only ({name})"),
                    n => format!("{n} peers are known by name only ({name}, …)"),
                };
                let next = "give these hosts an address or a network in the estate, or use csv, markdown or html";
                self.add(host, rule, &why, next);
            }
        }
    }

    /// Error when anything was added.
    pub(super) fn result(self) -> Result<(), RulesError> {
        if self.found.is_empty() {
            return Ok(());
        }
        let flows = self.found.into_iter();
        Err(RulesError::Unsayable {
            format: self.format,
            flows: flows
                .map(|((flow, reason, next_step), hosts)| Unsayable {
                    flow,
                    hosts: hosts.into_iter().collect(),
                    reason,
                    next_step,
                })
                .collect(),
        })
    }

    fn insert(&mut self, flow: &str, host: &str, why: &str, next: &str) {
        self.found
            .entry((flow.to_owned(), why.to_owned(), next.to_owned()))
            .or_default()
            .insert(host.to_owned());
    }
}

fn shown(names: &[String]) -> String {
    let mut line: Vec<String> = names
        .iter()
        .take(SHOWN_MAX)
        .map(|name| text::one_line(name))
        .collect();
    if names.len() > SHOWN_MAX {
        line.push(format!("and {} more", names.len() - SHOWN_MAX));
    }
    if line.is_empty() {
        return "none".to_owned();
    }
    line.join(", ")
}

fn gap_lines(gaps: &[Gap]) -> String {
    let mut lines = String::new();
    for gap in gaps {
        // Writing to a String does not fail.
        let _ = write!(
            lines,
            "\n  {}, hosts {}: {}; {}",
            text::one_line(&gap.flow),
            shown(&gap.hosts),
            text::one_line(&gap.reason),
            text::one_line(&gap.next_step)
        );
    }
    lines
}

fn unsayable_lines(flows: &[Unsayable]) -> String {
    let mut lines = String::new();
    for one in flows {
        let _ = write!(
            lines,
            "\n  {}, hosts {}: {}; {}",
            match one.flow.as_str() {
                "*" => "all flows together".to_owned(),
                flow => text::one_line(flow),
            },
            shown(&one.hosts),
            text::one_line(&one.reason),
            one.next_step
        );
    }
    lines
}
