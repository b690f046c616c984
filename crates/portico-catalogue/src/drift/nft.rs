//! What `nft -j list ruleset` prints (libnftables-json(5)), read into a [`Ruleset`].
//!
//! What is not understood is kept as such: a condition that may hold or not, or a verdict that may
//! be any.

pub(in crate::drift) mod key;
pub(super) mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use self::key::Key;
use super::{
    DumpError,
    packets::Version,
    ruleset::{Action, Base, Builder, Chain, Condition, Hook, Policy, Rule, Ruleset, Verdict},
};

/// Rules that are read, at most.
const RULES_MAX: usize = 100_000;

/// Families whose chains get the packets of hosts.
fn version_of(family: &str) -> Option<Option<Version>> {
    match family {
        "ip" => Some(Some(Version::V4)),
        "ip6" => Some(Some(Version::V6)),
        "inet" => Some(None),
        _ => None,
    }
}

/// Reads a document. Tables that `others` has in iptables' own words are left out.
///
/// # Errors
/// When it is no JSON, as when the tool was interrupted, or has no list of objects.
pub(super) fn read(text: &str, others: &Ruleset) -> Result<Ruleset, DumpError> {
    let document: Value = serde_json::from_str(text).map_err(DumpError::NotJson)?;
    let objects = document
        .get("nftables")
        .and_then(Value::as_array)
        .ok_or(DumpError::NoRuleset)?;
    let mut reader = Reader::default();
    reader.builder.set.versions = Version::ALL.into();
    reader.tables(objects);
    reader.chains_and_sets(objects, others);
    let mut count = 0_usize;
    for rule in objects.iter().filter_map(|object| object.get("rule")) {
        count += 1;
        if count > RULES_MAX {
            return Err(DumpError::TooManyRules { max: RULES_MAX });
        }
        reader.rule(rule);
    }
    Ok(reader.builder.set)
}

/// A set or map with a name.
#[derive(Debug, Default)]
struct NamedSet<'d> {
    elements: Vec<&'d Value>,
    /// Whether packets change it.
    is_dynamic: bool,
}

type Place = (String, String);

#[derive(Default)]
struct Reader<'d> {
    builder: Builder,
    dormant: BTreeSet<String>,
    /// By table, then by name.
    sets: BTreeMap<Place, NamedSet<'d>>,
    /// Chains of tables that are judged from another dump, or see other packets.
    left_out: BTreeSet<Place>,
    /// Chains that would have to be judged, and cannot.
    unjudged: BTreeMap<Place, bool>,
}

fn text<'v>(object: &'v Value, key: &str) -> &'v str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn table_of(object: &Value) -> String {
    format!("{} {}", text(object, "family"), text(object, "table"))
}

/// A value that may be one or a list of them.
pub(super) fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        other => std::slice::from_ref(other),
    }
}

impl<'d> Reader<'d> {
    fn tables(&mut self, objects: &'d [Value]) {
        for table in objects.iter().filter_map(|object| object.get("table")) {
            let flags = table.get("flags").map_or(&[][..], list);
            if flags.iter().any(|flag| flag.as_str() == Some("dormant")) {
                let name = format!("{} {}", text(table, "family"), text(table, "name"));
                self.dormant.insert(name);
            }
        }
    }

    fn chains_and_sets(&mut self, objects: &'d [Value], others: &Ruleset) {
        for object in objects {
            let Some((kind, body)) = object.as_object().and_then(|object| object.iter().next())
            else {
                continue;
            };
            match kind.as_str() {
                "chain" => self.chain(body, others),
                "set" | "map" => {
                    let flags = body.get("flags").map_or(&[][..], list);
                    let is_dynamic = body.get("timeout").is_some()
                        || flags
                            .iter()
                            .any(|flag| matches!(flag.as_str(), Some("dynamic" | "timeout")));
                    let set = self.set_at(body);
                    set.is_dynamic |= is_dynamic;
                    set.elements.extend(body.get("elem").map_or(&[][..], list));
                }
                "element" => {
                    let set = self.set_at(body);
                    set.elements.extend(body.get("elem").map_or(&[][..], list));
                }
                "rule" => {
                    let statements = body.get("expr").and_then(Value::as_array);
                    for statement in statements.into_iter().flatten() {
                        // `add @set { … }`: packets change the set.
                        let changed = statement.get("set").map(|set| text(set, "set"));
                        let name = changed.and_then(|name| name.strip_prefix('@'));
                        if let Some(name) = name {
                            let place = (table_of(body), name.to_owned());
                            self.sets.entry(place).or_default().is_dynamic = true;
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn set_at(&mut self, set: &Value) -> &mut NamedSet<'d> {
        let place = (table_of(set), text(set, "name").to_owned());
        self.sets.entry(place).or_default()
    }

    fn chain(&mut self, chain: &Value, others: &Ruleset) {
        let (family, table) = (text(chain, "family"), table_of(chain));
        let place = (table.clone(), text(chain, "name").to_owned());
        let hook = text(chain, "hook");
        if self.dormant.contains(&table) || others.is_of_iptables(family, text(chain, "table")) {
            self.left_out.insert(place);
            return;
        }
        let Some(version) = version_of(family).filter(|_| hook != "ingress") else {
            // ARP and bridges carry no packets for services of this host.
            match family == "netdev" || hook == "ingress" {
                true => self.unjudged.insert(place, false).map_or((), drop),
                false => drop(self.left_out.insert(place)),
            }
            return;
        };
        let hook = match hook {
            "prerouting" => Some(Hook::Prerouting),
            "input" => Some(Hook::Input),
            _ => None,
        };
        let policy = match text(chain, "policy") {
            "drop" => Policy::Drop,
            _ => Policy::Accept,
        };
        let priority = chain.get("prio").and_then(Value::as_i64).unwrap_or(0);
        self.builder.set.chains.push(Chain {
            table,
            name: place.1,
            version,
            base: hook.map(|hook| Base {
                hook,
                priority,
                policy,
            }),
            rules: Vec::new(),
        });
    }

    fn rule(&mut self, rule: &'d Value) {
        let table = table_of(rule);
        let place = (table.clone(), text(rule, "chain").to_owned());
        if let Some(is_told) = self.unjudged.get_mut(&place) {
            if !std::mem::replace(is_told, true) {
                self.builder.set.unread.push(format!(
                    "chain {} of table {table} sees packets before the input chains do, and is not judged",
                    place.1
                ));
            }
            return;
        }
        if self.left_out.contains(&place) {
            return;
        }
        let Some(chain) = self.builder.chain(&table, &place.1) else {
            let unread = format!(
                "a rule of table {table} is in chain {}, which is not there",
                place.1
            );
            self.builder.set.unread.push(unread);
            return;
        };
        let mut conditions = Vec::new();
        let mut action = Action::Nothing;
        let statements = rule.get("expr").and_then(Value::as_array);
        for statement in statements.into_iter().flatten() {
            match self.statement(&table, statement) {
                Step::Nothing => {}
                Step::If(condition) => conditions.extend(condition),
                Step::Then(done) => {
                    action = done;
                    break;
                }
            }
        }
        let handle = rule.get("handle").and_then(Value::as_u64);
        let of = format!("chain {} of table {table}", place.1);
        let name = match (handle, rule.get("comment").and_then(Value::as_str)) {
            (Some(handle), Some(comment)) => format!("rule {handle} ({comment:?}) in {of}"),
            (Some(handle), None) => format!("rule {handle} in {of}"),
            (None, Some(comment)) => format!("rule {comment:?} in {of}"),
            (None, None) => format!("a rule in {of}"),
        };
        let is_plain = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            !text.is_empty() && text.chars().all(plain) && !text.starts_with('-')
        };
        let removal = handle
            .filter(|_| is_plain(&place.1) && table.split(' ').all(is_plain))
            .map(|handle| format!("nft delete rule {table} {} handle {handle}", place.1));
        self.builder.push(Rule {
            name,
            chain,
            removal,
            conditions,
            action,
        });
    }

    fn statement(&self, table: &str, statement: &'d Value) -> Step {
        let Some((kind, body)) = statement.as_object().and_then(only_member) else {
            return Step::unclear("a statement of a kind that is not known");
        };
        match kind {
            "match" => Step::If(self.condition(table, body)),
            "vmap" => self.vmap(table, body),
            "counter" | "log" | "comment" | "mangle" | "ct helper" | "ct timeout"
            | "ct expectation" | "secmark" | "last" | "flow" | "dup" => Step::Nothing,
            "limit" | "quota" | "ct count" | "meter" => {
                Step::If(vec![Condition::Unknown(kind.to_owned())])
            }
            "set" if body.get("stmt").is_some() => {
                Step::If(vec![Condition::Unknown("a limit for each element".into())])
            }
            "set" => Step::Nothing,
            "xt" => match (text(body, "type"), text(body, "name")) {
                (_, "comment") | ("target", "LOG" | "NFLOG" | "MARK" | "CONNMARK") => Step::Nothing,
                ("match", name) => {
                    Step::If(vec![Condition::Unknown(format!("iptables match {name}"))])
                }
                (_, name) => Step::unclear(&format!("iptables target {name}")),
            },
            "dnat" | "redirect" | "tproxy" | "queue" | "synproxy" | "fwd" => {
                Step::Then(Action::Do(Verdict::Elsewhere(kind.to_owned())))
            }
            "snat" | "masquerade" => Step::Then(Action::Do(Verdict::Accept)),
            _ => Step::Then(self.verdict(table, kind, body).map_or(
                Action::Do(Verdict::Unclear(format!("statement {kind}"))),
                |verdict| verdict.map_or(Action::Nothing, Action::Do),
            )),
        }
    }

    /// `Some(None)` goes on with the next rule.
    fn verdict(&self, table: &str, kind: &str, body: &Value) -> Option<Option<Verdict>> {
        let to = || {
            let target = text(body, "target");
            self.builder.chain(table, target).ok_or_else(|| {
                Verdict::Unclear(format!("a jump to chain {target}, which is not there"))
            })
        };
        let verdict = match kind {
            "accept" => Verdict::Accept,
            "drop" | "reject" => Verdict::Drop,
            "return" => Verdict::Return,
            "continue" => return Some(None),
            "jump" => to().map_or_else(|unclear| unclear, Verdict::Jump),
            "goto" => to().map_or_else(|unclear| unclear, Verdict::Goto),
            _ => return None,
        };
        Some(Some(verdict))
    }

    fn condition(&self, table: &str, body: &'d Value) -> Vec<Condition> {
        let (Some(left), Some(right)) = (body.get("left"), body.get("right")) else {
            return vec![Condition::Unknown("a comparison without two sides".into())];
        };
        let key = Key::of(left);
        match self.elements(table, right) {
            Ok(elements) => key.compared(text(body, "op"), &elements),
            Err(unknown) => key.unknown(&unknown),
        }
    }

    /// The alternatives of the right side of a comparison, or why they are not known.
    fn elements(&self, table: &str, right: &'d Value) -> Result<Vec<&'d Value>, String> {
        if let Some(name) = right.as_str().and_then(|text| text.strip_prefix('@')) {
            let set = self.sets.get(&(table.to_owned(), name.to_owned()));
            let set = set.ok_or_else(|| format!("set {name} is not there"))?;
            return match set.is_dynamic {
                true => Err(format!("set {name} changes while packets come")),
                false => Ok(set.elements.iter().copied().map(bare).collect()),
            };
        }
        match right.get("set") {
            Some(set) => Ok(list(set).iter().map(bare).collect()),
            None => Ok(vec![right]),
        }
    }

    fn vmap(&self, table: &str, body: &'d Value) -> Step {
        let (Some(key), Some(data)) = (body.get("key"), body.get("data")) else {
            return Step::unclear("a verdict map without key or data");
        };
        let key = Key::of(key);
        let pairs = match self.elements(table, data) {
            Ok(pairs) => pairs,
            Err(unknown) => return Step::unclear(&unknown),
        };
        let mut choices = Vec::new();
        let mut otherwise = None;
        for pair in pairs {
            let [element, verdict] = list(pair) else {
                return Step::unclear("an element of a verdict map that is not known");
            };
            let element = bare(element);
            let verdict = verdict
                .as_object()
                .and_then(only_member)
                .and_then(|(kind, body)| self.verdict(table, kind, body))
                .unwrap_or_else(|| Some(Verdict::Unclear("a verdict that is not known".into())));
            // Without a verdict the next rule is looked at, as when no element fits.
            let Some(verdict) = verdict else { continue };
            if element.as_str() == Some("*") {
                otherwise = Some((Vec::new(), verdict));
                continue;
            }
            choices.push((key.compared("==", &[element]), verdict));
        }
        choices.extend(otherwise);
        Step::Then(Action::Choose(choices))
    }
}

/// What a statement of a rule means.
enum Step {
    /// Nothing for the verdict.
    Nothing,
    /// Only if these hold.
    If(Vec<Condition>),
    /// This is done.
    Then(Action),
}

impl Step {
    fn unclear(why: &str) -> Self {
        Self::Then(Action::Do(Verdict::Unclear(why.to_owned())))
    }
}

fn only_member(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut members = object.iter();
    let (kind, body) = members.next()?;
    members.next().is_none().then_some((kind.as_str(), body))
}

/// An element without its counters, comment and time.
fn bare(element: &Value) -> &Value {
    element
        .get("elem")
        .and_then(|elem| elem.get("val"))
        .unwrap_or(element)
}
