//! What was found about rules, in words.

use std::collections::BTreeSet;

use super::{Found, Gathered, SHOWN_MAX};
use crate::drift::{
    Class, Drift, Finding, Side,
    compare::{Seen, some_of},
    judge::Cause,
    ruleset::{Action, Condition, Interfaces, Rule, RuleId, Ruleset, Verdict},
};

impl Found {
    pub(super) fn tell(
        self,
        seen: &Seen<'_>,
        rules: &Ruleset,
        interfaces: &Interfaces,
        drift: &mut Drift,
    ) {
        let words = Words {
            seen,
            rules,
            interfaces,
        };
        let missing = self.missing.values().map(|of| words.missing(of));
        let by_interface = self.by_interface.values();
        let by_interface = by_interface.map(|of| words.by_interface(of));
        let superfluous = self.superfluous.iter();
        let superfluous = superfluous.map(|(cause, of)| words.superfluous(*cause, of));
        let doubtful = self.doubtful.iter();
        let doubtful = doubtful.map(|(rule, of)| words.doubtful(*rule, of));
        let all = missing
            .chain(by_interface)
            .chain(superfluous)
            .chain(doubtful);
        drift.findings.extend(all);
    }
}

/// Findings in words.
struct Words<'w> {
    seen: &'w Seen<'w>,
    rules: &'w Ruleset,
    interfaces: &'w Interfaces,
}

impl Words<'_> {
    fn finding(&self, class: Class, of: &Gathered, evidence: String, next_step: String) -> Finding {
        Finding {
            class,
            side: Side::Rule,
            traffic: of.traffic(),
            flows: of.flows.iter().cloned().collect(),
            needed_by: some_of(&of.peers, SHOWN_MAX),
            from: of.networks(),
            processes: Vec::new(),
            evidence,
            next_step,
        }
    }

    fn missing(&self, of: &Gathered) -> Finding {
        let causes = self.causes(of);
        let evidence = format!("not let in: {causes}");
        let is_own = of.causes.iter().any(|cause| self.is_portico(*cause));
        let next_step = match is_own {
            true => format!("load the rules anew: {}", self.load()),
            false => format!("let it in there; {} writes the rule", self.command()),
        };
        self.finding(Class::Missing, of, evidence, next_step)
    }

    fn by_interface(&self, of: &Gathered) -> Finding {
        let numbers = of.interfaces.as_ref();
        let names = numbers.and_then(|numbers| self.interfaces.shown(numbers));
        let evidence = format!(
            "not let in by interface {}, and let in by another one: {}",
            names.unwrap_or_default(),
            self.causes(of)
        );
        let next_step = "see by which interface it comes; on the host itself the command knows";
        self.finding(Class::Unexplained, of, evidence, next_step.to_owned())
    }

    fn superfluous(&self, cause: Cause, of: &Gathered) -> Finding {
        let by = of.interfaces.as_ref();
        let by = by.and_then(|numbers| self.interfaces.shown(numbers));
        let by = by.map_or_else(String::new, |names| format!(" by interface {names}"));
        let evidence = match cause {
            Cause::Rule(id) => {
                let name = self.rules.rules.get(id).map(|rule| rule.name.as_str());
                format!("let in{by} by {}", name.unwrap_or_default())
            }
            Cause::Policy(chain) => format!(
                "let in{by} by the policy \"accept\" of {}",
                self.rules.chain_name(chain)
            ),
            Cause::Nothing => format!("let in{by}: no chain looks at what comes in"),
        };
        let removal = match cause {
            Cause::Rule(id) => self
                .rules
                .rules
                .get(id)
                .and_then(|rule| rule.removal.clone()),
            Cause::Policy(_) | Cause::Nothing => None,
        };
        let next_step = match (cause, removal) {
            (Cause::Rule(_), Some(removal)) => {
                format!("take it out, unless something outside of the estate needs it: {removal}")
            }
            (Cause::Rule(_), None) => {
                "take it out, unless something outside of the estate needs it".to_owned()
            }
            _ => format!("let in only what is planned: {}", self.load()),
        };
        self.finding(Class::Superfluous, of, evidence, next_step)
    }

    fn doubtful(&self, id: RuleId, of: &Gathered) -> Finding {
        let rule = self.rules.rules.get(id);
        let name = rule.map_or("", |rule| rule.name.as_str());
        let why: Vec<&str> = rule.map(reasons).unwrap_or_default();
        let evidence = format!("{name} is not judged: {}", why.join(", "));
        let next_step = "see whether it is as the plan wants it: it may let in or drop these";
        self.finding(Class::Unexplained, of, evidence, next_step.to_owned())
    }

    fn causes(&self, of: &Gathered) -> String {
        let causes: BTreeSet<String> = of
            .causes
            .iter()
            .map(|cause| match cause {
                Cause::Rule(id) => {
                    let name = self.rules.rules.get(*id).map(|rule| rule.name.clone());
                    format!("dropped by {}", name.unwrap_or_default())
                }
                Cause::Policy(chain) => {
                    format!("the policy of {} drops it", self.rules.chain_name(*chain))
                }
                Cause::Nothing => "nothing drops it".to_owned(),
            })
            .collect();
        some_of(&causes, SHOWN_MAX).join("; ")
    }

    /// Whether a rule or policy is of the rules that Portico writes.
    fn is_portico(&self, cause: Cause) -> bool {
        let chain = match cause {
            Cause::Rule(id) => self.rules.rules.get(id).map(|rule| rule.chain),
            Cause::Policy(chain) => Some(chain),
            Cause::Nothing => None,
        };
        let chain = chain.and_then(|chain| self.rules.chains.get(chain));
        chain.is_some_and(|chain| chain.table == "inet portico" || chain.name == "PORTICO-IN")
    }

    /// iptables where its rules are Portico's, nftables anywhere else.
    fn format(&self) -> &'static str {
        let mut chains = self.rules.chains.iter();
        let only_iptables = !self.rules.chains.is_empty()
            && self
                .rules
                .chains
                .iter()
                .all(|chain| chain.table.contains("tables "));
        match only_iptables || chains.any(|chain| chain.name == "PORTICO-IN") {
            true => "iptables",
            false => "nftables",
        }
    }

    fn command(&self) -> String {
        self.seen.rules_command(self.format())
    }

    fn load(&self) -> String {
        match self.format() {
            "iptables" => format!(
                "{} --into DIR, then as the first lines of the files say",
                self.command()
            ),
            _ => format!("{} | nft -f -", self.command()),
        }
    }
}

/// Why a rule is not understood.
fn reasons(rule: &Rule) -> Vec<&str> {
    let mut found: Vec<&str> = rule
        .conditions
        .iter()
        .filter_map(|condition| match condition {
            Condition::Unknown(why) => Some(why.as_str()),
            _ => None,
        })
        .collect();
    let verdicts: Vec<&Verdict> = match &rule.action {
        Action::Nothing => Vec::new(),
        Action::Do(verdict) => vec![verdict],
        Action::Choose(choices) => {
            let conditions = choices.iter().flat_map(|(when, _)| when);
            found.extend(conditions.filter_map(|condition| match condition {
                Condition::Unknown(why) => Some(why.as_str()),
                _ => None,
            }));
            choices.iter().map(|(_, verdict)| verdict).collect()
        }
    };
    found.extend(verdicts.into_iter().filter_map(|verdict| match verdict {
        Verdict::Unclear(why) | Verdict::Elsewhere(why) => Some(why.as_str()),
        _ => None,
    }));
    found.dedup();
    found
}
