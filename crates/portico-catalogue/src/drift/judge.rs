//! What the rules do with every packet that might come: not one packet at a time, but all of them
//! in sets that the conditions of rules cut into parts.

use std::collections::BTreeMap;

use super::{
    packets::{Dimension, Packets, Version},
    ranges::Ranges,
    ruleset::{Action, ChainId, Condition, Interfaces, Policy, Rule, RuleId, Ruleset, Verdict},
};

/// Chains that jump to one another, at most: the kernel's own limit (`NFT_JUMP_STACK_SIZE`).
const DEPTH_MAX: usize = 16;

/// Looks of one rule at one set of packets in one judgement, at most.
const LOOKS_MAX: usize = 20_000_000;

/// Sets of packets that are under way at the same time, at most.
const PARTS_MAX: usize = 50_000;

/// Rules not understood that one set of packets remembers, at most.
const DOUBTS_MAX: usize = 8;

/// Ways to one place that are compared with each other, at most.
const WAYS_MAX: usize = 32;

/// What became of some packets. Parts overlap only where they have doubts: then the packets of
/// both may end either way.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) packets: Packets,
    pub(super) outcome: Outcome,
    pub(super) cause: Cause,
    /// Rules that were not understood on the way.
    pub(super) doubts: Vec<Doubt>,
}

/// A rule that was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Doubt {
    pub(super) rule: RuleId,
    /// Whether these packets went as if it had held; otherwise they went on.
    pub(super) is_taken: bool,
}

/// How it ended for a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Dropped,
    Unclear,
}

/// What decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Rule(RuleId),
    Policy(ChainId),
    /// There is no chain.
    Nothing,
}

/// Too many rules that cut packets into too many parts.
#[derive(Debug)]
pub(super) struct TooMany;

/// What becomes of the first packets of new connections, out of `start`.
pub(super) fn judge(
    rules: &Ruleset,
    interfaces: &Interfaces,
    version: Version,
    start: Packets,
) -> Result<Vec<Part>, TooMany> {
    let mut judge = Judge {
        rules,
        interfaces,
        version,
        looks: 0,
        ended: Vec::new(),
    };
    let mut under_way = vec![UnderWay {
        packets: start,
        doubts: Vec::new(),
        accepted_by: Cause::Nothing,
    }];
    for (chain, base) in rules.bases(version) {
        let accepted = judge.base(chain, base.policy, under_way)?;
        under_way = accepted;
    }
    judge.ended.extend(under_way.into_iter().map(|last| Part {
        packets: last.packets,
        outcome: Outcome::Accepted,
        cause: last.accepted_by,
        doubts: last.doubts,
    }));
    Ok(judge.ended)
}

#[derive(Debug, Clone)]
struct UnderWay {
    packets: Packets,
    doubts: Vec<Doubt>,
    /// What let it through so far.
    accepted_by: Cause,
}

impl UnderWay {
    fn with(&self, packets: Packets) -> Self {
        Self {
            packets,
            ..self.clone()
        }
    }

    fn doubting(mut self, rule: RuleId, is_taken: bool) -> Self {
        add_doubt(&mut self.doubts, Doubt { rule, is_taken });
        self
    }

    /// A rule says more than a policy, and the last one more than those before.
    fn accepted(mut self, cause: Cause) -> Self {
        if !matches!(
            (self.accepted_by, cause),
            (Cause::Rule(_), Cause::Policy(_))
        ) {
            self.accepted_by = cause;
        }
        self
    }
}

struct Judge<'r> {
    rules: &'r Ruleset,
    interfaces: &'r Interfaces,
    version: Version,
    looks: usize,
    ended: Vec<Part>,
}

/// What comes out of a chain that is jumped to.
struct Out {
    /// Goes on where the jump was.
    back: Vec<UnderWay>,
    /// Let through.
    accepted: Vec<UnderWay>,
}

/// Packets for which all conditions hold, and the others.
struct Matched {
    inside: Vec<Packets>,
    outside: Vec<Packets>,
    is_in_doubt: bool,
}

impl Judge<'_> {
    fn base(
        &mut self,
        chain: ChainId,
        policy: Policy,
        packets: Vec<UnderWay>,
    ) -> Result<Vec<UnderWay>, TooMany> {
        let mut out = self.chain(chain, packets, 0)?;
        let cause = Cause::Policy(chain);
        for last in out.back {
            match policy {
                Policy::Accept => out.accepted.push(last.accepted(cause)),
                Policy::Drop => self.end(last, Outcome::Dropped, cause),
            }
        }
        Ok(joined(out.accepted))
    }

    fn end(&mut self, last: UnderWay, outcome: Outcome, cause: Cause) {
        self.ended.push(Part {
            packets: last.packets,
            outcome,
            cause,
            doubts: last.doubts,
        });
    }

    fn chain(
        &mut self,
        chain: ChainId,
        mut packets: Vec<UnderWay>,
        depth: usize,
    ) -> Result<Out, TooMany> {
        let mut out = Out {
            back: Vec::new(),
            accepted: Vec::new(),
        };
        let rules = self.rules;
        let ids = rules.chains.get(chain).map(|chain| &chain.rules);
        for id in ids.into_iter().flatten() {
            let Some(rule) = rules.rules.get(*id) else {
                continue;
            };
            if rule.action == Action::Nothing || packets.is_empty() {
                continue;
            }
            let mut left = Vec::with_capacity(packets.len());
            for one in packets {
                self.rule(*id, rule, one, &mut left, &mut out, depth)?;
            }
            packets = joined(left);
            if packets.len() + self.ended.len() + out.accepted.len() > PARTS_MAX {
                return Err(TooMany);
            }
        }
        out.back.extend(packets);
        out.back = joined(out.back);
        Ok(out)
    }

    /// One rule and one set of packets; `left` goes on to the next rule.
    fn rule(
        &mut self,
        id: RuleId,
        rule: &Rule,
        one: UnderWay,
        left: &mut Vec<UnderWay>,
        out: &mut Out,
        depth: usize,
    ) -> Result<(), TooMany> {
        self.looks += 1;
        if self.looks > LOOKS_MAX {
            return Err(TooMany);
        }
        // Most rules have nothing to do with most packets.
        let is_apart = |condition: &Condition| match condition {
            Condition::Within {
                dimension,
                ranges,
                is_in: true,
            } => one.packets.get(*dimension).is_apart(ranges),
            _ => false,
        };
        if rule.conditions.iter().any(is_apart) {
            left.push(one);
            return Ok(());
        }
        let matched = self.matched(&rule.conditions, one.packets.clone());
        if matched.inside.is_empty() {
            left.push(one);
            return Ok(());
        }
        left.extend(matched.outside.into_iter().map(|packets| one.with(packets)));
        for packets in matched.inside {
            let mut inside = one.with(packets);
            if matched.is_in_doubt {
                // It may as well not hold.
                left.push(inside.clone().doubting(id, false));
                inside = inside.doubting(id, true);
            }
            match &rule.action {
                Action::Nothing => left.push(inside),
                Action::Do(verdict) => self.verdict(id, verdict, inside, left, out, depth)?,
                Action::Choose(choices) => {
                    self.choose(id, choices, inside, left, out, depth)?;
                }
            }
        }
        Ok(())
    }

    fn choose(
        &mut self,
        id: RuleId,
        choices: &[(Vec<Condition>, Verdict)],
        one: UnderWay,
        left: &mut Vec<UnderWay>,
        out: &mut Out,
        depth: usize,
    ) -> Result<(), TooMany> {
        let mut rest = vec![one];
        for (conditions, verdict) in choices {
            let mut others = Vec::new();
            for one in rest {
                self.looks += 1;
                if self.looks > LOOKS_MAX {
                    return Err(TooMany);
                }
                let matched = self.matched(conditions, one.packets.clone());
                others.extend(matched.outside.into_iter().map(|packets| one.with(packets)));
                for packets in matched.inside {
                    let mut inside = one.with(packets);
                    if matched.is_in_doubt {
                        others.push(inside.clone().doubting(id, false));
                        inside = inside.doubting(id, true);
                    }
                    self.verdict(id, verdict, inside, left, out, depth)?;
                }
            }
            rest = others;
        }
        left.extend(rest);
        Ok(())
    }

    fn verdict(
        &mut self,
        id: RuleId,
        verdict: &Verdict,
        one: UnderWay,
        left: &mut Vec<UnderWay>,
        out: &mut Out,
        depth: usize,
    ) -> Result<(), TooMany> {
        let cause = Cause::Rule(id);
        match verdict {
            Verdict::Accept => out.accepted.push(one.accepted(cause)),
            Verdict::Drop => self.end(one, Outcome::Dropped, cause),
            // Where a chain drops all the rest, this is what lets it through.
            Verdict::Return => out.back.push(one.accepted(cause)),
            Verdict::Elsewhere(_) => self.end(one.doubting(id, true), Outcome::Unclear, cause),
            Verdict::Unclear(_) => {
                left.push(one.clone().doubting(id, false));
                self.end(one.doubting(id, true), Outcome::Unclear, cause);
            }
            Verdict::Jump(chain) | Verdict::Goto(chain) => {
                if depth == DEPTH_MAX {
                    // The kernel refuses to load a loop, so this is no loaded ruleset.
                    return Err(TooMany);
                }
                let inner = self.chain(*chain, vec![one], depth + 1)?;
                out.accepted.extend(inner.accepted);
                match verdict {
                    Verdict::Goto(_) => out.back.extend(inner.back),
                    _ => left.extend(inner.back),
                }
            }
        }
        Ok(())
    }

    fn matched(&self, conditions: &[Condition], packets: Packets) -> Matched {
        let mut matched = Matched {
            inside: vec![packets],
            outside: Vec::new(),
            is_in_doubt: false,
        };
        for condition in conditions {
            let before = std::mem::take(&mut matched.inside);
            for packets in before {
                self.condition(condition, packets, &mut matched);
            }
            if matched.inside.is_empty() {
                break;
            }
        }
        matched
    }

    fn condition(&self, condition: &Condition, packets: Packets, matched: &mut Matched) {
        match condition {
            Condition::Version(version) => match *version == self.version {
                true => matched.inside.push(packets),
                false => matched.outside.push(packets),
            },
            Condition::Always(true) => matched.inside.push(packets),
            Condition::Always(false) => matched.outside.push(packets),
            Condition::Unknown(_) => {
                matched.is_in_doubt = true;
                matched.inside.push(packets);
            }
            Condition::Within {
                dimension,
                ranges,
                is_in,
            } => cut(*dimension, ranges, *is_in, &packets, matched),
            Condition::Interface { names, is_in } => {
                let numbers = self.interfaces.numbers(names);
                cut(Dimension::Interface, &numbers, *is_in, &packets, matched);
            }
            Condition::AnyOf(lists) => {
                let mut rest = vec![packets];
                for list in lists {
                    let mut others = Vec::new();
                    for packets in rest {
                        let inner = self.matched(list, packets);
                        matched.is_in_doubt |= inner.is_in_doubt;
                        matched.inside.extend(inner.inside);
                        others.extend(inner.outside);
                    }
                    rest = others;
                }
                matched.outside.extend(rest);
            }
        }
    }
}

fn cut(
    dimension: Dimension,
    ranges: &Ranges,
    is_in: bool,
    packets: &Packets,
    matched: &mut Matched,
) {
    let (inside, outside) = packets.split(dimension, ranges);
    let (inside, outside) = match is_in {
        true => (inside, outside),
        false => (outside, inside),
    };
    matched.inside.extend(inside);
    matched.outside.extend(outside);
}

fn add_doubt(doubts: &mut Vec<Doubt>, doubt: Doubt) {
    if !doubts.contains(&doubt) && doubts.len() < DOUBTS_MAX {
        doubts.push(doubt);
    }
}

/// Parts with the same packets and history are one: both ways around a rule that was not
/// understood come to the same place, and then it made no difference.
fn joined(parts: Vec<UnderWay>) -> Vec<UnderWay> {
    if parts.len() < 2 || parts.iter().all(|part| part.doubts.is_empty()) {
        return parts;
    }
    let mut known: BTreeMap<(Packets, Cause), Vec<Vec<Doubt>>> = BTreeMap::new();
    for part in parts {
        let ways = known.entry((part.packets, part.accepted_by)).or_default();
        ways.push(part.doubts);
    }
    let whole = known.into_iter();
    whole
        .map(|((packets, accepted_by), ways)| UnderWay {
            packets,
            doubts: doubts_of(ways),
            accepted_by,
        })
        .collect()
}

/// The doubts of several ways to the same place: two that differ in one rule alone, which held on
/// one of them and not on the other, leave no doubt about it. A rule that was met twice on a way may
/// have done both, and stays in doubt.
fn doubts_of(mut ways: Vec<Vec<Doubt>>) -> Vec<Doubt> {
    let mut settled = ways.len() <= WAYS_MAX;
    while settled {
        settled = false;
        'pairs: for one in 0..ways.len() {
            for other in one + 1..ways.len() {
                if let Some(doubts) = ways.get(one).zip(ways.get(other)).and_then(without_one) {
                    ways.swap_remove(other);
                    if let Some(place) = ways.get_mut(one) {
                        *place = doubts;
                    }
                    settled = true;
                    break 'pairs;
                }
            }
        }
    }
    let mut all = Vec::new();
    for doubt in ways.into_iter().flatten() {
        add_doubt(&mut all, doubt);
    }
    all
}

/// What is left of two ways that differ in one rule alone, or that are the same.
fn without_one((one, other): (&Vec<Doubt>, &Vec<Doubt>)) -> Option<Vec<Doubt>> {
    if one.len() != other.len() {
        return None;
    }
    let mut apart = one.iter().filter(|doubt| !other.contains(doubt));
    let Some(doubt) = apart.next() else {
        return Some(one.clone());
    };
    let opposite = Doubt {
        is_taken: !doubt.is_taken,
        ..*doubt
    };
    let is_all = apart.next().is_none() && other.contains(&opposite) && !one.contains(&opposite);
    is_all.then(|| one.iter().copied().filter(|own| own != doubt).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drift::ruleset::{Base, Builder, Chain, Hook};

    /// Numbers of the dimensions that the test's rules look at.
    const END: u128 = 4;

    /// What becomes of one packet: rule by rule, as the kernel does it. `None`: the chain came to
    /// its end.
    fn walk(rules: &Ruleset, chain: ChainId, packet: &[u128; 2], is_unknown: bool) -> Option<bool> {
        for id in &rules.chains[chain].rules {
            let rule = &rules.rules[*id];
            let holds = rule.conditions.iter().all(|condition| match condition {
                Condition::Within {
                    dimension,
                    ranges,
                    is_in,
                } => {
                    let at = usize::from(*dimension == Dimension::DestinationPort);
                    ranges.contains(packet[at]) == *is_in
                }
                Condition::AnyOf(lists) => lists.iter().any(|list| {
                    list.iter().all(|condition| match condition {
                        Condition::Within {
                            dimension, ranges, ..
                        } => {
                            let at = usize::from(*dimension == Dimension::DestinationPort);
                            ranges.contains(packet[at])
                        }
                        _ => unreachable!(),
                    })
                }),
                Condition::Unknown(_) => is_unknown,
                _ => unreachable!(),
            });
            if !holds {
                continue;
            }
            let Action::Do(verdict) = &rule.action else {
                unreachable!()
            };
            match verdict {
                Verdict::Accept => return Some(true),
                Verdict::Drop => return Some(false),
                Verdict::Return => return None,
                Verdict::Jump(to) => {
                    if let Some(done) = walk(rules, *to, packet, is_unknown) {
                        return Some(done);
                    }
                }
                Verdict::Goto(to) => return walk(rules, *to, packet, is_unknown),
                _ => unreachable!(),
            }
        }
        None
    }

    fn condition() -> impl Strategy<Value = Condition> {
        let plain =
            (any::<bool>(), 0..END, 0..END, any::<bool>()).prop_map(|(port, first, len, is_in)| {
                Condition::Within {
                    dimension: match port {
                        true => Dimension::DestinationPort,
                        false => Dimension::Source,
                    },
                    ranges: Ranges::new([(first, first + len)]),
                    is_in,
                }
            });
        let pair = (0..END, 0..END).prop_map(|(source, port)| {
            vec![
                Condition::within(Dimension::Source, Ranges::one(source)),
                Condition::within(Dimension::DestinationPort, Ranges::one(port)),
            ]
        });
        prop_oneof![
            6 => plain,
            2 => prop::collection::vec(pair, 0..4).prop_map(Condition::AnyOf),
            1 => Just(Condition::Unknown("test".into())),
        ]
    }

    fn rules() -> impl Strategy<Value = Ruleset> {
        let verdict = (0..6_usize, 1..3_usize);
        let rule = (
            0..3_usize,
            prop::collection::vec(condition(), 0..3),
            verdict,
        );
        (prop::collection::vec(rule, 0..12), any::<bool>()).prop_map(|(rules, is_drop)| {
            let mut builder = Builder::default();
            for chain in 0..3 {
                builder.set.chains.push(Chain {
                    table: "t".into(),
                    name: chain.to_string(),
                    version: None,
                    base: (chain == 0).then_some(Base {
                        hook: Hook::Input,
                        priority: 0,
                        policy: if is_drop {
                            Policy::Drop
                        } else {
                            Policy::Accept
                        },
                    }),
                    rules: Vec::new(),
                });
            }
            for (chain, conditions, (verdict, target)) in rules {
                let target = (chain + target).min(3);
                let verdict = match (verdict, target) {
                    (0, _) => Verdict::Drop,
                    (1, _) => Verdict::Return,
                    (2, to @ 0..3) => Verdict::Goto(to),
                    (3, to @ 0..3) => Verdict::Jump(to),
                    _ => Verdict::Accept,
                };
                builder.push(Rule {
                    name: String::new(),
                    chain,
                    removal: None,
                    conditions,
                    action: Action::Do(verdict),
                });
            }
            builder.set
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn sets_of_packets_end_as_each_packet_does(rules in rules()) {
            let interfaces = Interfaces::new(&rules, []);
            let start = Packets::all(Version::V4, Ranges::one(0))
                .only(Dimension::Source, &Ranges::up_to(END - 1))
                .and_then(|all| all.only(Dimension::DestinationPort, &Ranges::up_to(END - 1)))
                .unwrap();
            let parts = judge(&rules, &interfaces, Version::V4, start).unwrap();
            let is_open = matches!(rules.chains[0].base, Some(Base { policy: Policy::Accept, .. }));
            for source in 0..END {
                for port in 0..END {
                    let of: Vec<&Part> = parts
                        .iter()
                        .filter(|part| {
                            part.packets.get(Dimension::Source).contains(source)
                                && part.packets.get(Dimension::DestinationPort).contains(port)
                        })
                        .collect();
                    let ends = |outcome| of.iter().any(|part| part.outcome == outcome);
                    // Whether the unknown conditions all hold or none does, the end is foreseen.
                    for is_unknown in [false, true] {
                        let end = walk(&rules, 0, &[source, port], is_unknown).unwrap_or(is_open);
                        let outcome = match end {
                            true => Outcome::Accepted,
                            false => Outcome::Dropped,
                        };
                        prop_assert!(ends(outcome));
                    }
                    // Where nothing is in doubt there is one end.
                    if of.iter().any(|part| part.doubts.is_empty()) {
                        prop_assert_eq!(of.len(), 1);
                    }
                }
            }
        }
    }
}
