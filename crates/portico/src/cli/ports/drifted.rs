//! What `ports diff` shows: for people, and for programs.

use std::{collections::BTreeMap, fmt::Write};

use portico_catalogue::{
    Catalogue,
    drift::{Class, Drift, Finding, Process, Traffic},
    markdown::ports_text,
};
use portico_model::printable;

use super::catalogue::{value, wire_of};
use crate::cli::{
    failure::Failure,
    output::{Format, Rows},
};

/// A comparison that is done.
pub(super) struct Drifted<'d> {
    pub(super) drift: &'d Drift,
    /// Whether a difference is a failure.
    pub(super) is_strict: bool,
}

impl Drifted<'_> {
    /// Shows it.
    pub(super) fn show(&self, format: Format) -> Result<String, Failure> {
        let text = match format {
            Format::Table => self.page(),
            format => format.show_rows(&value(self.drift)?, |_| self.rows())?,
        };
        if !self.is_strict || self.drift.findings.is_empty() {
            return Ok(text);
        }
        let host = &self.drift.host;
        Err(Failure::new(format!("Host {host} is not as it is planned"))
            .reason(self.tally().join(", "))
            .next_step("do what is written at each of them")
            .answer(text))
    }

    fn of_class(&self, class: Class) -> impl Iterator<Item = &Finding> {
        let findings = self.drift.findings.iter();
        findings.filter(move |finding| finding.class == class)
    }

    fn tally(&self) -> Vec<String> {
        let counted = Class::ALL
            .iter()
            .map(|class| (self.of_class(*class).count(), class));
        counted
            .filter(|(count, _)| *count > 0)
            .map(|(count, class)| format!("{count} {}", class.name()))
            .collect()
    }

    /// For people: the classes one after another, each finding with what to do.
    pub(super) fn page(&self) -> String {
        let drift = self.drift;
        let compared = match (drift.rules_judged, drift.sockets) {
            (true, 0) => "the rules".to_owned(),
            (true, sockets) => format!("the rules and {sockets} sockets"),
            (false, 0) => "nothing of it".to_owned(),
            (false, sockets) => format!("{sockets} sockets"),
        };
        let mut out = format!(
            "Host {}: {} planned flows come in, compared with {compared}.\n",
            printable(&drift.host),
            drift.flows
        );
        for class in Class::ALL {
            let findings: Vec<&Finding> = self.of_class(class).collect();
            if findings.is_empty() {
                continue;
            }
            let what = match class {
                Class::Missing => "planned, and not so on this host",
                Class::Superfluous => "on this host, and not planned",
                Class::Unexplained => "cannot be judged",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "\n{} ({}): {what}",
                class.name().to_uppercase(),
                findings.len()
            );
            let width = findings.iter().map(|one| wire(one).chars().count());
            let width = width.max().unwrap_or(0).min(28);
            for finding in findings {
                one(&mut out, finding, width);
            }
        }
        if drift.findings.is_empty() {
            out.push_str(match drift.rules_judged && drift.sockets > 0 {
                true => "\nAll is as it is planned.\n",
                false => "\nWhat was judged is as it is planned.\n",
            });
        }
        if !drift.notes.is_empty() {
            out.push_str("\nTo know:\n");
            for note in &drift.notes {
                let _ = writeln!(out, "  {}", printable(note));
            }
        }
        if !drift.findings.is_empty() {
            let _ = writeln!(out, "\nDifferences: {}.", self.tally().join(", "));
        }
        out
    }

    pub(super) fn rows(&self) -> Rows {
        Rows {
            headings: &[
                "class",
                "side",
                "ports",
                "flows",
                "needed by",
                "from",
                "process",
                "evidence",
                "next step",
            ],
            numbers: &[],
            cells: self
                .drift
                .findings
                .iter()
                .map(|finding| {
                    vec![
                        finding.class.name().to_owned(),
                        finding.side.name().to_owned(),
                        wire(finding),
                        finding.flows.join(" "),
                        finding.needed_by.join(" "),
                        finding.from.join(" "),
                        processes(&finding.processes),
                        finding.evidence.clone(),
                        finding.next_step.clone(),
                    ]
                })
                .collect(),
            none: "All is as it is planned.",
        }
    }
}

/// One finding: ports, side and process; flows with who needs them; what was seen; what to do.
fn one(out: &mut String, finding: &Finding, width: usize) {
    /// Flows that are told with their purpose.
    const FLOWS_MAX: usize = 8;
    let shown = |text: &str| printable(text).into_owned();
    let processes = processes(&finding.processes);
    let line = format!(
        "  {:<width$}  {:<8}  {}",
        shown(&wire(finding)),
        finding.side.name(),
        shown(&processes)
    );
    let _ = writeln!(out, "{}", line.trim_end());
    for id in finding.flows.iter().take(FLOWS_MAX) {
        let flow = Catalogue::portico().find(id);
        let purpose = flow.map(|flow| format!(": {}", flow.purpose));
        let _ = writeln!(
            out,
            "      [{}]{}",
            shown(id),
            shown(&purpose.unwrap_or_default())
        );
    }
    if finding.flows.len() > FLOWS_MAX {
        let more = finding.flows.len() - FLOWS_MAX;
        let _ = writeln!(out, "      and {more} more flows");
    }
    if !finding.needed_by.is_empty() {
        let _ = writeln!(
            out,
            "      needed by {}",
            shown(&finding.needed_by.join(", "))
        );
    }
    let from = match finding.from.is_empty() {
        true => String::new(),
        false => format!("; from {}", finding.from.join(", ")),
    };
    let _ = writeln!(
        out,
        "      {}",
        shown(&format!("{}{from}", finding.evidence))
    );
    let _ = writeln!(out, "      next step: {}", shown(&finding.next_step));
}

fn wire(finding: &Finding) -> String {
    // `80/tcp, 443/tcp` would be long where many ports are; each protocol is told once.
    let mut of: BTreeMap<&str, Vec<&Traffic>> = BTreeMap::new();
    for traffic in &finding.traffic {
        of.entry(&traffic.protocol).or_default().push(traffic);
    }
    let told: Vec<String> = of
        .into_iter()
        .map(|(protocol, all)| {
            let ports: Vec<_> = all
                .iter()
                .flat_map(|traffic| traffic.ports.clone())
                .collect();
            match ports.as_slice() {
                [whole] if whole.first <= 1 && whole.last == u16::MAX => format!("all {protocol}"),
                ports => wire_of(protocol, !ports.is_empty(), &ports_text(ports)),
            }
        })
        .collect();
    match told.is_empty() {
        true => "?".to_owned(),
        false => told.join("; "),
    }
}

fn processes(processes: &[Process]) -> String {
    let shown = processes.iter();
    let shown = shown.map(|process| format!("{} (pid {})", process.name, process.pid));
    shown.collect::<Vec<_>>().join(", ")
}
