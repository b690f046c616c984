//! `portico ports check --watch`: the same check again and again, and a line for each change.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use portico_model::printable;
use portico_probe::check::{
    Outcome, Verdict,
    cause::{Case, Cause, Observation, causes},
    check, walk_over,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};

use super::{
    check::Prepared,
    checked::{host, wire},
    plan::names,
};
use crate::cli::{
    failure::Failure,
    listed::utc,
    output::{Format, json_line},
};

/// Other ports of a host that are looked at when one falls silent: is it the port, or the host?
const SIBLINGS_MAX: usize = 2;
/// What was seen of them within this time is good enough, in milliseconds.
const SIBLING_FRESH_MS: i64 = 10_000;

/// Watches until Ctrl-C, and ends with what was seen last.
pub(super) async fn watch(
    format: Format,
    prepared: Prepared,
    every: Duration,
) -> Result<String, Failure> {
    if !matches!(format, Format::Table | Format::Json) {
        return Err(Failure::new("A watch cannot be shown in this form")
            .reason("it is lines that come one after the other")
            .next_step("use -o table or -o json"));
    }
    let mut watch = Watch::new(format, &prepared, io::stdout(), io::stderr().is_terminal());
    let stop = async {
        // Without a handler for it Ctrl-C ends the process at once, without the summary.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    watch.run(every, stop).await;
    watch.end()
}

/// A change of a verdict.
struct Change {
    /// Place of the target.
    target: usize,
    /// What it was; `None` when it is seen for the first time.
    old: Option<Verdict>,
}

/// What is known, and where changes are told.
struct Watch<'w, W> {
    format: Format,
    prepared: &'w Prepared,
    out: W,
    /// Whether somebody looks at a line that says how it stands.
    has_line: bool,
    /// By place of the target.
    latest: Vec<Option<(Outcome, i64)>>,
    /// Places in the flows, by place of the target.
    flows_of: BTreeMap<usize, Vec<usize>>,
    rounds: u64,
    changes: u64,
    is_reader_gone: bool,
}

impl<'w, W: Write> Watch<'w, W> {
    fn new(format: Format, prepared: &'w Prepared, out: W, has_line: bool) -> Self {
        let mut flows_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, flow) in prepared.flows.iter().enumerate() {
            flows_of.entry(flow.target).or_default().push(place);
        }
        Self {
            format,
            prepared,
            out,
            has_line,
            latest: vec![None; prepared.targets.len()],
            flows_of,
            rounds: 0,
            changes: 0,
            is_reader_gone: false,
        }
    }

    async fn run(&mut self, every: Duration, stop: impl Future<Output = ()>) {
        let prepared = self.prepared;
        // Holds no more than the outcomes of checks that ran at the same time.
        let (send, mut receive) = mpsc::unbounded_channel();
        let rounds = async {
            loop {
                let begun = Instant::now();
                let ended = |place: usize, outcome: &Outcome| {
                    let _gone = send.send(Some((place, outcome.clone())));
                };
                let Prepared {
                    targets,
                    means,
                    pace,
                    ..
                } = prepared;
                walk_over(targets, means, *pace, every, ended).await;
                let _gone = send.send(None);
                tokio::time::sleep_until(begun + every).await;
            }
        };
        let told = async {
            while let Some(message) = receive.recv().await {
                match message {
                    Some((place, outcome)) => self.take(place, outcome).await,
                    None => self.rounds += 1,
                }
                if self.is_reader_gone {
                    return;
                }
                self.line();
            }
        };
        tokio::select! {
            () = rounds => {}
            () = told => {}
            () = stop => {}
        }
    }

    /// Takes an outcome and tells the changes that it brings.
    async fn take(&mut self, place: usize, outcome: Outcome) {
        let mut changes = Vec::new();
        changes.extend(self.note(place, outcome));
        if changes.iter().any(|change| self.is_silent(change.target)) {
            for sibling in self.stale_siblings(place) {
                if let Some(target) = self.prepared.targets.get(sibling) {
                    let outcome = check(target, &self.prepared.means).await;
                    changes.extend(self.note(sibling, outcome));
                }
            }
        }
        for change in &changes {
            self.tell(change);
        }
    }

    /// Keeps an outcome; whether it is a change. What is good from the start is none.
    fn note(&mut self, place: usize, outcome: Outcome) -> Option<Change> {
        let at_ms = self.prepared.means.clock.now().unix_ms();
        let verdict = outcome.verdict;
        let slot = self.latest.get_mut(place)?;
        let old = slot.replace((outcome, at_ms)).map(|(old, _)| old.verdict);
        let is_change = match old {
            None => !self.prepared.accepted.contains(&verdict),
            Some(old) => old != verdict,
        };
        is_change.then_some(Change { target: place, old })
    }

    fn is_silent(&self, place: usize) -> bool {
        let latest = self.latest.get(place).and_then(Option::as_ref);
        latest.is_some_and(|(outcome, _)| {
            matches!(outcome.verdict, Verdict::NoAnswer | Verdict::Blocked)
        })
    }

    /// Other targets at the same address of which nothing new is known; planned ones, as all.
    fn stale_siblings(&self, place: usize) -> Vec<usize> {
        let targets = &self.prepared.targets;
        let Some(own) = targets.get(place) else {
            return vec![];
        };
        let now = self.prepared.means.clock.now().unix_ms();
        let is_fresh = |other: usize| {
            let latest = self.latest.get(other).and_then(Option::as_ref);
            latest.is_some_and(|(_, at_ms)| now - at_ms < SIBLING_FRESH_MS)
        };
        let siblings = targets.iter().enumerate().filter(|(other, target)| {
            *other != place && target.host == own.host && target.port != own.port
        });
        let siblings: Vec<usize> = siblings.map(|(other, _)| other).collect();
        match siblings.iter().any(|other| is_fresh(*other)) {
            true => vec![],
            false => siblings.into_iter().take(SIBLINGS_MAX).collect(),
        }
    }

    fn tell(&mut self, change: &Change) {
        let Some((outcome, at_ms)) = self.latest.get(change.target).cloned().flatten() else {
            return;
        };
        let flows = self.flows_of.get(&change.target).cloned();
        for flow in flows.unwrap_or_default() {
            let line = match self.format {
                Format::Json => self.object(flow, change, &outcome, at_ms),
                _ => self.text(flow, change, &outcome, at_ms),
            };
            self.changes += 1;
            if let Some(line) = line {
                self.print(&line);
            }
        }
    }

    fn print(&mut self, line: &str) {
        self.clear_line();
        let printed = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        // A reader such as `head` that went away has seen enough.
        self.is_reader_gone |= printed.is_err();
    }

    fn text(&self, flow: usize, change: &Change, outcome: &Outcome, at_ms: i64) -> Option<String> {
        let flow = self.prepared.flows.get(flow)?;
        let plan = &self.prepared.plan;
        let old = change.old.map_or("new", Verdict::name);
        let why = match self.cause(flow.target, at_ms) {
            Some(cause) => format!("{}: {}", cause.kind.title(), cause.why),
            None => outcome.evidence.clone(),
        };
        let line = format!(
            "{}  {} -> {}  {}  {old} -> {}  {why}  [{}]",
            utc(at_ms),
            names(plan, &flow.from),
            host(plan, flow.to),
            wire(flow),
            outcome.verdict.name(),
            flow.flow.id
        );
        Some(printable(&line).into_owned())
    }

    fn object(
        &self,
        flow: usize,
        change: &Change,
        outcome: &Outcome,
        at_ms: i64,
    ) -> Option<String> {
        let flow = self.prepared.flows.get(flow)?;
        let target = self.prepared.targets.get(flow.target)?;
        let plan = &self.prepared.plan;
        let from: Vec<&str> = flow.from.iter().map(|place| host(plan, *place)).collect();
        let cause = self.cause(flow.target, at_ms);
        Some(json_line(&json!({
            "at_ms": at_ms, "flow": flow.flow.id, "from": from, "to": host(plan, flow.to),
            "address": target.host, "port": target.port,
            "transport": flow.flow.transport_name(), "required": flow.required,
            "old": change.old.map(Verdict::slug), "new": outcome.verdict.slug(),
            "good": self.prepared.accepted.contains(&outcome.verdict),
            "evidence": outcome.evidence, "next_step": outcome.next_step,
            "cause": cause.map(|cause| cause_value(&cause)),
        })))
    }

    /// The most likely cause of what was seen of a target last.
    fn cause(&self, target: usize, at_ms: i64) -> Option<Cause> {
        let Prepared {
            plan,
            targets,
            flows,
            vantage,
            ..
        } = self.prepared;
        let own = targets.get(target)?;
        let flow = flows.iter().find(|flow| flow.target == target)?;
        let to = host(plan, flow.to);
        let mut seen_targets = BTreeSet::new();
        let of_host = flows.iter().filter(|other| other.to == flow.to);
        let observations: Vec<Observation> = of_host
            .filter(|other| seen_targets.insert(other.target))
            .filter_map(|other| {
                let target = targets.get(other.target)?;
                let (outcome, at) = self.latest.get(other.target)?.as_ref()?;
                // What was seen a round ago may be over.
                let is_new = other.target == flow.target || at_ms - at < SIBLING_FRESH_MS;
                is_new.then(|| Observation::of(vantage, to, other.flow, target, outcome, *at))
            })
            .collect();
        let found = causes(&Case {
            flow: &flow.flow.id,
            from: vantage,
            to,
            port: own.port,
            observations: &observations,
            hosts: &plan.hosts,
            issuers: &[],
        });
        found.into_iter().next()
    }

    /// How it stands, written over and over on standard error; nothing depends on it.
    fn line(&self) {
        if self.has_line {
            let _ = write!(io::stderr(), "\r{}", self.standing());
        }
    }

    fn standing(&self) -> String {
        let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
        for (outcome, _) in self.latest.iter().flatten() {
            *counts.entry(outcome.verdict).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(verdict, count)| format!("{count} {}", verdict.name()))
            .collect();
        let text = format!(
            "watching {}: {}; round {}",
            self.latest.len(),
            counts.join(", "),
            self.rounds + 1
        );
        // As wide as the narrowest terminal, so that it never becomes two lines.
        let text: String = text.chars().take(LINE_WIDTH).collect();
        format!("{text:<LINE_WIDTH$}")
    }

    fn clear_line(&self) {
        if self.has_line {
            let _ = write!(io::stderr(), "\r{}\r", " ".repeat(LINE_WIDTH));
        }
    }

    /// What was seen last.
    fn end(self) -> Result<String, Failure> {
        self.clear_line();
        let outcomes = self.latest.into_iter();
        let outcomes: Vec<Outcome> = outcomes
            .map(|latest| latest.map_or_else(Outcome::unchecked, |(outcome, _)| outcome))
            .collect();
        let (rounds, changes) = (self.rounds, self.changes);
        self.prepared.checked(&outcomes, |checked| {
            let text = match self.format {
                Format::Json => {
                    let mut totals = checked.totals();
                    if let Some(totals) = totals.as_object_mut() {
                        totals.insert("rounds".into(), rounds.into());
                        totals.insert("changes".into(), changes.into());
                    }
                    format!("{}\n", json_line(&json!({ "summary": totals })))
                }
                _ => format!(
                    "{}Rounds: {rounds}. Changes: {changes}.\n",
                    checked.bad_page()
                ),
            };
            checked.conclude(text)
        })
    }
}

/// Width of the line that says how it stands.
const LINE_WIDTH: usize = 78;

/// A cause for programs.
pub(crate) fn cause_value(cause: &Cause) -> Value {
    json!({
        "kind": cause.kind.slug(), "title": cause.kind.title(),
        "certainty": cause.certainty.name(), "why": cause.why, "next_step": cause.next_step,
    })
}

#[cfg(test)]
mod tests;
