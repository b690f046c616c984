//! What a port check shows: for people, for programs, and for build servers.

use std::{collections::BTreeMap, fmt::Write};

use portico_catalogue::{markdown::ports_text, plan::FlowPlan};
use portico_model::printable;
use portico_net::tls::TlsSurvey;
use portico_probe::check::{CheckedFlow, Outcome, Target, Verdict, What};
use serde_json::{Value, json};

use super::{
    catalogue::wire_of,
    plan::names,
    report::{self, Run},
};
use crate::cli::{
    failure::Failure,
    output::{Format, Rows},
};

/// A check that is done.
pub(super) struct Checked<'c> {
    pub(super) plan: &'c FlowPlan,
    pub(super) targets: &'c [Target],
    pub(super) flows: &'c [CheckedFlow],
    pub(super) outcomes: &'c [Outcome],
    /// Verdicts that are good enough.
    pub(super) accepted: &'c [Verdict],
    /// When and where.
    pub(super) run: &'c Run,
}

/// A flow, what was checked for it, and what came of it.
pub(super) type Checkup<'c> = (&'c CheckedFlow, &'c Target, &'c Outcome);

/// What would be sent where.
pub(super) fn dry(
    format: Format,
    plan: &FlowPlan,
    targets: &[Target],
    flows: &[CheckedFlow],
) -> Result<String, Failure> {
    let rows = flows.iter().filter_map(|flow| {
        let target = targets.get(flow.target)?;
        Some((flow, target))
    });
    let answer = rows
        .clone()
        .map(|(flow, target)| described(plan, flow, target));
    format.show_rows(&answer.collect(), |_| Rows {
        headings: &["from", "to", "address", "ports", "flow", "would"],
        numbers: &[],
        cells: rows
            .map(|(flow, target)| {
                let mut cells = cells(plan, flow, target);
                cells.push(would(&target.what));
                cells
            })
            .collect(),
        none: NONE,
    })
}

const NONE: &str = "The plan has nothing to check.";

fn would(what: &What) -> String {
    match what {
        What::Speak { service, tls, .. } => match tls {
            portico_probe::check::Tls::Never => format!("speak {}", service.name()),
            portico_probe::check::Tls::FromTheStart => format!("speak {} in TLS", service.name()),
        },
        What::Portico(link) => format!("look at TLS of {}", link.name()),
        What::Mapped { mapper, range, .. } => format!(
            "ask the endpoint mapper at {mapper}/tcp, and speak RPC with what it names of {} to {}",
            range.first, range.last
        ),
        What::Tls { why } => format!("look at TLS: {why}"),
        What::Connect { why } => format!("connect: {why}"),
        What::Skip { why, .. } => format!("skip: {why}"),
    }
}

pub(super) fn host(plan: &FlowPlan, place: u32) -> &str {
    let host = plan.hosts.get(place as usize);
    host.map_or("", |host| host.id.as_str())
}

pub(crate) fn wire(flow: &CheckedFlow) -> String {
    let ports = flow.ports.as_ref().map(std::slice::from_ref);
    let ports = ports_text(ports.unwrap_or_default());
    wire_of(
        &flow.flow.transport_name(),
        flow.flow.transport.has_ports(),
        &ports,
    )
}

fn cells(plan: &FlowPlan, flow: &CheckedFlow, target: &Target) -> Vec<String> {
    vec![
        names(plan, &flow.from),
        host(plan, flow.to).to_owned(),
        target.host.clone(),
        wire(flow),
        flow.flow.id.clone(),
    ]
}

fn described(plan: &FlowPlan, flow: &CheckedFlow, target: &Target) -> Value {
    let from: Vec<&str> = flow.from.iter().map(|place| host(plan, *place)).collect();
    json!({
        "flow": flow.flow.id, "from": from, "to": host(plan, flow.to),
        "address": target.host, "transport": flow.flow.transport_name(), "ports": flow.ports,
        "application_protocol": flow.flow.application_protocol, "required": flow.required,
        "would": would(&target.what),
    })
}

impl Checked<'_> {
    /// Shows it; a required flow that is not good enough makes a failure of it.
    pub(super) fn show(&self, format: Format) -> Result<String, Failure> {
        let text = match format {
            Format::Junit => self.junit(),
            Format::Html => report::html(self),
            Format::Table => self.page(self.results()),
            format => format.show_rows(&self.answer(), |_| self.rows())?,
        };
        self.conclude(text)
    }

    /// `text` as the answer; a required flow that is not good enough makes a failure of it.
    pub(super) fn conclude(&self, text: String) -> Result<String, Failure> {
        let (bad, required) = self.counts();
        if bad == 0 {
            return Ok(text);
        }
        Err(
            Failure::new(format!("{bad} of {required} required flows are not proven"))
                .next_step(
                    "do what is written at each of them; --accept names verdicts that are good \
                     enough",
                )
                .answer(text),
        )
    }

    pub(super) fn results(&self) -> impl Iterator<Item = Checkup<'_>> {
        self.flows.iter().filter_map(|flow| {
            let target = self.targets.get(flow.target)?;
            Some((flow, target, self.outcomes.get(flow.target)?))
        })
    }

    pub(super) fn is_good(&self, outcome: &Outcome) -> bool {
        self.accepted.contains(&outcome.verdict)
    }

    /// Required flows that are not good enough, and all that are required.
    pub(super) fn counts(&self) -> (usize, usize) {
        let required = self.results().filter(|(flow, ..)| flow.required);
        required.fold((0, 0), |(bad, all), (_, _, outcome)| {
            (bad + usize::from(!self.is_good(outcome)), all + 1)
        })
    }

    /// Flows of each verdict, best first.
    fn tally(&self) -> Vec<(Verdict, usize)> {
        let mut of: BTreeMap<Verdict, usize> = BTreeMap::new();
        for (_, _, outcome) in self.results() {
            *of.entry(outcome.verdict).or_default() += 1;
        }
        of.into_iter().collect()
    }

    fn rows(&self) -> Rows {
        Rows {
            headings: &[
                "verdict",
                "from",
                "to",
                "address",
                "ports",
                "flow",
                "ms",
                "evidence",
                "next step",
            ],
            numbers: &["ms"],
            cells: self
                .results()
                .map(|(flow, target, outcome)| {
                    let mut row = vec![outcome.verdict.name().to_owned()];
                    row.extend(cells(self.plan, flow, target));
                    row.push(outcome.took.as_millis().to_string());
                    row.push(outcome.evidence.clone());
                    row.push(outcome.next_step.clone().unwrap_or_default());
                    row
                })
                .collect(),
            none: NONE,
        }
    }

    /// For people: a line for each of these flows, and below it what to do where there is something
    /// to do.
    fn page<'r>(&'r self, results: impl Iterator<Item = Checkup<'r>>) -> String {
        let lines: Vec<(Vec<String>, &Outcome)> = results
            .map(|(flow, target, outcome)| {
                let [from, to, _, ports, id] = cells(self.plan, flow, target)
                    .try_into()
                    .unwrap_or_default();
                let verdict = outcome.verdict.name().to_owned();
                let ends = format!("{from} -> {to}");
                (vec![verdict, ends, ports, format!("[{id}]")], outcome)
            })
            .collect();
        if self.flows.is_empty() {
            return format!("{NONE}\n");
        }
        let shown = |text: &str| printable(text).into_owned();
        let width = |column: usize| {
            let widths = lines.iter().filter_map(|(cells, _)| cells.get(column));
            widths
                .map(|cell| shown(cell).chars().count())
                .max()
                .unwrap_or(0)
        };
        let (first, second, third) = (width(0), width(1), width(2));
        let mut out = String::new();
        for (cells, outcome) in &lines {
            if let [verdict, ends, ports, id] = cells.as_slice() {
                let (ends, ports) = (shown(ends), shown(ports));
                // Writing to a String cannot fail.
                let _ = writeln!(
                    out,
                    "{verdict:<first$}  {ends:<second$}  {ports:<third$}  {id}"
                );
            }
            let _ = writeln!(out, "    {}", shown(&outcome.evidence));
            if let Some(next_step) = &outcome.next_step {
                let _ = writeln!(out, "    next step: {}", shown(next_step));
            }
        }
        let _ = writeln!(out, "\nFlows: {}.", self.tally_words());
        out
    }

    /// For people who saw it all go by: only what is not good enough.
    pub(super) fn bad_page(&self) -> String {
        self.page(
            self.results()
                .filter(|(_, _, outcome)| !self.is_good(outcome)),
        )
    }

    pub(super) fn tally_words(&self) -> String {
        let tally = self.tally();
        let tally = tally.iter();
        let words: Vec<String> = tally
            .map(|(verdict, count)| format!("{count} {}", verdict.name()))
            .collect();
        words.join(", ")
    }

    /// Counts for programs.
    pub(super) fn totals(&self) -> Value {
        let tally: serde_json::Map<String, Value> = self
            .tally()
            .into_iter()
            .map(|(verdict, count)| (verdict.slug().to_owned(), count.into()))
            .collect();
        let (bad, required) = self.counts();
        json!({ "verdicts": tally, "required": required, "required_not_good": bad })
    }

    fn answer(&self) -> Value {
        let flows: Vec<Value> = self
            .results()
            .map(|(flow, target, outcome)| {
                let mut row = described(self.plan, flow, target);
                let more = json!({
                    "verdict": outcome.verdict.slug(), "good": self.is_good(outcome),
                    "evidence": outcome.evidence, "next_step": outcome.next_step,
                    "took_ms": u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
                    "spoke_with": outcome.address.map(|address| address.to_string()),
                    "clock_ahead_ms": outcome.clock_ahead_ms,
                    "tls": outcome.tls.as_ref().map(tls),
                });
                if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
                    row.remove("would");
                    row.extend(more);
                }
                row
            })
            .collect();
        let mut answer = self.totals();
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("flows".to_owned(), flows.into());
        }
        answer
    }

    /// JUnit's XML as build servers read it: a suite with a case for each flow.
    fn junit(&self) -> String {
        let (mut failures, mut skipped, mut cases) = (0, 0, String::new());
        for (flow, target, outcome) in self.results() {
            let name = format!(
                "{} {} {}",
                host(self.plan, flow.to),
                target.host,
                wire(flow)
            );
            let _ = write!(
                cases,
                "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">",
                xml(&flow.flow.id),
                xml(&name),
                outcome.took.as_secs_f64()
            );
            let next_step = outcome.next_step.as_deref().unwrap_or_default();
            let text = xml(&format!("{}; next step: {next_step}", outcome.evidence));
            let verdict = outcome.verdict.name();
            if self.is_good(outcome) {
                let _ = write!(cases, "<system-out>{}</system-out>", xml(&outcome.evidence));
            } else if !flow.required || outcome.verdict == Verdict::Skipped {
                skipped += 1;
                let _ = write!(cases, "<skipped message=\"{verdict}: {text}\"/>");
            } else {
                failures += 1;
                let _ = write!(
                    cases,
                    "<failure type=\"{verdict}\" message=\"{verdict}\">{text}</failure>"
                );
            }
            cases.push_str("</testcase>\n");
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"portico ports check\" \
             tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\">\n{cases}</testsuite>\n",
            self.results().count()
        )
    }
}

fn tls(survey: &TlsSurvey) -> Value {
    let chain: Vec<Value> = survey
        .chain
        .iter()
        .map(|certificate| {
            json!({
                "subject": certificate.subject, "issuer": certificate.issuer,
                "names": certificate.names, "sha256": certificate.sha256,
                "not_before": certificate.not_before, "not_after": certificate.not_after,
            })
        })
        .collect();
    json!({ "version": survey.version, "findings": survey.findings, "chain": chain })
}

/// Text for an XML document or attribute; what XML cannot have is made printable before.
fn xml(text: &str) -> String {
    let mut out = String::new();
    for character in printable(text).chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}
