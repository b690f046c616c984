//! Names are hostile: what of a text may stand in a comment, a string or a name of another tool.

use std::collections::{BTreeMap, BTreeSet};

use super::HostRules;
use crate::{flow::Flow, plan::FlowPlan};

/// Shown instead of what must not be shown.
const REPLACEMENT: char = '\u{fffd}';

/// Characters that change how others are shown, or cannot be seen.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// One line that shows what it holds.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if is_hidden(c) { REPLACEMENT } else { c })
        .collect()
}

/// Characters that mean nothing in any of the tools, in a comment as well as in a string: no quote,
/// no `$`, no backslash, no angle bracket, nothing hidden.
fn is_plain(c: char) -> bool {
    (c.is_alphanumeric() && !is_hidden(c)) || " .,:;_-/()+=@".contains(c)
}

/// `text` with `?` for all that might mean something to a tool.
pub(super) fn plain(text: &str) -> String {
    only(text, is_plain)
}

/// `text` with `?` for all that is not `allowed`.
pub(super) fn only(text: &str, allowed: fn(char) -> bool) -> String {
    text.chars()
        .map(|c| if allowed(c) { c } else { '?' })
        .collect()
}

/// At most `len_max` bytes of `text`, never half a character; what was cut ends with `...`.
pub(super) fn cut(text: &str, len_max: usize) -> &str {
    let mut end = len_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Comment of a rule: ids of its flows, as many as fit, then the purpose of the first. Plain.
pub(super) fn comment(flows: &[&Flow], len_max: usize) -> String {
    const MORE_LEN: usize = " and 65535 more".len();
    let mut line = String::new();
    for (index, flow) in flows.iter().enumerate() {
        let id = plain(&flow.id);
        let rest = flows.len() - index;
        let room = len_max.saturating_sub(if rest > 1 { MORE_LEN } else { 0 });
        if index > 0 && line.len() + 2 + id.len() > room {
            line.push_str(&format!(" and {rest} more"));
            return line;
        }
        if index > 0 {
            line.push_str(", ");
        }
        line.push_str(cut(&id, room.saturating_sub(line.len())));
    }
    let purpose = flows.first().map(|flow| plain(&flow.purpose));
    if let Some(purpose) = purpose.filter(|_| line.len() + 10 < len_max) {
        let whole = format!("{line}: {purpose}");
        if whole.len() <= len_max {
            return whole;
        }
        return format!("{}...", cut(&whole, len_max - 3));
    }
    line
}

/// Names of hosts that other tools take as identifiers: lower-case letters, digits and `-`, beginning
/// with a letter (Terraform wants one), ending with a letter or digit, each only once.
#[derive(Debug)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// Names of at most `len_max` characters for all hosts of the plan, so that a host has the same
    /// one when its rules are written alone.
    pub(super) fn of(plan: &FlowPlan, len_max: usize) -> Self {
        let mut taken = BTreeSet::new();
        let mut names = BTreeMap::new();
        // Where to go on counting: thousands of ids may begin alike.
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        for host in &plan.hosts {
            let base = identifier(&host.id, len_max);
            let mut unique = base.clone();
            let number = numbers.entry(base.clone()).or_insert(1);
            while !taken.insert(unique.clone()) {
                *number += 1;
                unique = format!("{base}-{number}");
            }
            names.insert(host.id.clone(), unique);
        }
        Self(names)
    }

    /// The one of this host.
    pub(super) fn of_host(&self, host: &HostRules<'_>) -> &str {
        // Every host that has rules is one of the plan's.
        self.0.get(&host.host.id).map_or("host", String::as_str)
    }
}

/// At most `len_max` characters, with room for a number.
fn identifier(text: &str, len_max: usize) -> String {
    const NUMBER_LEN: usize = 8;
    let begun = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let mut name = String::new();
    if begun.starts_with(|c: char| c.is_ascii_digit()) {
        name.push_str("host-");
    }
    for c in begun.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    match cut(&name, len_max.saturating_sub(NUMBER_LEN)).trim_end_matches('-') {
        "" => "host".to_owned(),
        base => base.to_owned(),
    }
}
