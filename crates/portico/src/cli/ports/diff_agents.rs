//! `portico ports diff` of hosts whose agents are asked, over the server: each is compared by itself,
//! and one that cannot be asked or judged keeps no other from its answer.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use portico_catalogue::{drift::Drift, plan::FlowPlan};
use portico_model::printable;
use portico_net::host_ports::HostPorts;
use serde::Serialize;
use tokio::task::JoinSet;

use super::{
    catalogue::value, diff::compared, drifted::Drifted, host_state::HostState, plan::place,
};
use crate::cli::{
    Globals,
    client::{ApiClient, CallError, typed},
    failure::Failure,
    output::{Format, Rows},
};

/// Agents that are asked at the same time. The server takes twice as many, whoever asks.
const ASKED_AT_ONCE: usize = 4;

/// What is compared with what agents tell.
pub(super) struct Asking<'a> {
    pub(super) plan: &'a FlowPlan,
    /// Ids of the hosts that have an agent.
    pub(super) with_agent: &'a BTreeSet<String>,
    /// What the estate is called.
    pub(super) estate: &'a str,
    pub(super) estate_option: &'a str,
    /// Whether a difference, or a host that is not judged, is a failure.
    pub(super) is_strict: bool,
}

/// What came of one host.
#[derive(Debug)]
struct Compared {
    host: String,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    /// It was compared.
    Drift {
        drift: Drift,
        /// Whether rules and sockets were judged.
        is_whole: bool,
    },
    /// It was not.
    Failed(Failure),
}

/// How a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Standing {
    /// As it is planned.
    Clean,
    /// Not as it is planned.
    Drifted,
    /// No difference in what could be judged, which was not all.
    Partly,
    /// It could not be asked, or what it said not be judged.
    NotAsked,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Clean, Self::Drifted, Self::Partly, Self::NotAsked];

    const fn words(self) -> &'static str {
        match self {
            Self::Clean => "as planned",
            Self::Drifted => "drifted",
            Self::Partly => "judged in part",
            Self::NotAsked => "could not be asked",
        }
    }
}

impl Asking<'_> {
    /// Asks the agents of `named` hosts, or of all that have one, and shows what differs there.
    pub(super) async fn ask(&self, globals: &Globals, named: &[String]) -> Result<String, Failure> {
        let mut hosts: Vec<(u32, String)> = Vec::new();
        for id in named {
            let place = place(self.plan, id, self.estate)?;
            if !hosts.iter().any(|(known, _)| *known == place) {
                hosts.push((place, id.clone()));
            }
        }
        let mut without_agent = Vec::new();
        if named.is_empty() {
            for (place, host) in (0_u32..).zip(&self.plan.hosts) {
                match self.with_agent.contains(&host.id) {
                    true => hosts.push((place, host.id.clone())),
                    false => without_agent.push(host.id.clone()),
                }
            }
            if hosts.is_empty() {
                return Err(
                    Failure::new(format!("No host of {} has an agent", self.estate))
                        .reason("without an agent nobody reads a host's rules and sockets")
                        .next_step(
                            "set agent = \"required\" for hosts and let their agents join: \
                             `portico tokens create --host NAME`; or compare dumps with --rules \
                             and --sockets",
                        ),
                );
            }
        }
        let client = Arc::new(globals.client()?);
        let compared = self.each(client, hosts).await?;
        let report = Report {
            compared,
            without_agent,
        };
        report.show(globals.output, self.is_strict)
    }

    /// What came of each, in the order in which they were given.
    async fn each(
        &self,
        client: Arc<ApiClient>,
        hosts: Vec<(u32, String)>,
    ) -> Result<Vec<Compared>, Failure> {
        let mut progress = Progress::new(hosts.len(), io::stderr().is_terminal());
        let mut waiting = hosts.into_iter().enumerate();
        let mut asked = JoinSet::new();
        let mut done = Vec::new();
        loop {
            while asked.len() < ASKED_AT_ONCE
                && let Some((order, (place, host))) = waiting.next()
            {
                let client = Arc::clone(&client);
                asked.spawn(async move {
                    let told = client.get(&format!("/hosts/{host}/ports/state")).await;
                    (order, place, host, told)
                });
            }
            let (order, place, host, told) = match asked.join_next().await {
                None => break,
                Some(Ok(answer)) => answer,
                Some(Err(error)) => {
                    progress.end();
                    return Err(Failure::new("An agent was not asked to the end").reason(error));
                }
            };
            if let Err(CallError::Refused(fault)) = &told
                && ["role-missing", "not-signed-in"].contains(&fault.code.as_str())
            {
                // So it would be at every host.
                progress.end();
                return Err((**fault).clone().into());
            }
            let outcome = match told {
                Ok(told) => self.judged(place, &host, &told),
                Err(error) => Outcome::Failed(error.into()),
            };
            done.push((order, Compared { host, outcome }));
            progress.step();
        }
        progress.end();
        done.sort_by_key(|(order, _)| *order);
        Ok(done.into_iter().map(|(_, compared)| compared).collect())
    }

    fn judged(&self, place: u32, host: &str, told: &serde_json::Value) -> Outcome {
        let state = typed::<HostPorts>(told).and_then(|told| HostState::of_agent(host, &told));
        match state {
            Ok(state) => Outcome::Drift {
                is_whole: state.is_whole(),
                drift: compared(self.plan, place, state, self.estate_option),
            },
            Err(failure) => Outcome::Failed(failure),
        }
    }
}

impl Compared {
    fn standing(&self) -> Standing {
        match &self.outcome {
            Outcome::Failed(_) => Standing::NotAsked,
            Outcome::Drift { drift, .. } if !drift.findings.is_empty() => Standing::Drifted,
            Outcome::Drift { is_whole: true, .. } => Standing::Clean,
            Outcome::Drift { .. } => Standing::Partly,
        }
    }
}

/// What came of all.
struct Report {
    compared: Vec<Compared>,
    /// Hosts that were meant and have no agent.
    without_agent: Vec<String>,
}

#[derive(Serialize)]
struct ReportView<'r> {
    hosts: Vec<HostView<'r>>,
    summary: SummaryView<'r>,
}

#[derive(Serialize)]
struct HostView<'r> {
    host: &'r str,
    state: Standing,
    drift: Option<&'r Drift>,
    fault: Option<FaultView<'r>>,
}

#[derive(Serialize)]
struct FaultView<'r> {
    message: &'r str,
    reason: Option<&'r str>,
    next_step: Option<&'r str>,
}

#[derive(Serialize)]
struct SummaryView<'r> {
    clean: usize,
    drifted: usize,
    partly: usize,
    not_asked: usize,
    without_agent: &'r [String],
}

impl Report {
    fn show(&self, format: Format, is_strict: bool) -> Result<String, Failure> {
        let text = match format {
            Format::Table => self.page(),
            format => format.show_rows(&value(&self.view())?, |_| self.rows())?,
        };
        let is_clean = self.count(Standing::Clean) == self.compared.len();
        if !is_strict || is_clean {
            return Ok(text);
        }
        Err(Failure::new("Not every host is as it is planned")
            .reason(self.tally())
            .next_step("do what is written at each of them")
            .answer(text))
    }

    fn count(&self, standing: Standing) -> usize {
        let meant = self.compared.iter();
        meant.filter(|one| one.standing() == standing).count()
    }

    /// How many hosts stand how.
    fn tally(&self) -> String {
        let counted = Standing::ALL
            .iter()
            .map(|standing| (self.count(*standing), standing.words()))
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}"));
        let noun = match self.compared.len() {
            1 => "host",
            _ => "hosts",
        };
        let counted: Vec<String> = counted.collect();
        format!("{} {noun}: {}", self.compared.len(), counted.join(", "))
    }

    fn view(&self) -> ReportView<'_> {
        let hosts = self.compared.iter().map(|one| HostView {
            host: &one.host,
            state: one.standing(),
            drift: match &one.outcome {
                Outcome::Drift { drift, .. } => Some(drift),
                Outcome::Failed(_) => None,
            },
            fault: match &one.outcome {
                Outcome::Failed(failure) => Some(FaultView {
                    message: &failure.what,
                    reason: failure.reason.as_deref(),
                    next_step: failure.next_step.as_deref(),
                }),
                Outcome::Drift { .. } => None,
            },
        });
        ReportView {
            hosts: hosts.collect(),
            summary: SummaryView {
                clean: self.count(Standing::Clean),
                drifted: self.count(Standing::Drifted),
                partly: self.count(Standing::Partly),
                not_asked: self.count(Standing::NotAsked),
                without_agent: &self.without_agent,
            },
        }
    }

    /// For people: one host after another, and how many stand how.
    fn page(&self) -> String {
        let mut out = String::new();
        for one in &self.compared {
            match &one.outcome {
                Outcome::Drift { drift, .. } => out.push_str(&drifted(drift).page()),
                Outcome::Failed(failure) => {
                    // Writing to a String cannot fail.
                    let _ = writeln!(
                        out,
                        "Host {} could not be asked.\n{failure}",
                        printable(&one.host)
                    );
                    out.truncate(out.trim_end().len());
                    out.push('\n');
                }
            }
            out.push('\n');
        }
        let _ = writeln!(out, "{}.", self.tally());
        if !self.without_agent.is_empty() {
            let names = self.without_agent.join(", ");
            let _ = writeln!(
                out,
                "Without an agent, and not compared: {}.",
                printable(&names)
            );
        }
        out
    }

    fn rows(&self) -> Rows {
        let mut cells = Vec::new();
        for one in &self.compared {
            let standing = one.standing();
            let begin = || vec![one.host.clone(), standing.words().to_owned()];
            let rows = match &one.outcome {
                Outcome::Drift { drift, .. } => drifted(drift).rows().cells,
                Outcome::Failed(_) => Vec::new(),
            };
            if rows.is_empty() {
                let (evidence, next_step) = match &one.outcome {
                    Outcome::Failed(failure) => {
                        let reason = failure.reason.iter().map(String::as_str);
                        let told: Vec<&str> =
                            [failure.what.as_str()].into_iter().chain(reason).collect();
                        let next_step = failure.next_step.clone().unwrap_or_default();
                        (told.join(": "), next_step)
                    }
                    Outcome::Drift { drift, .. } => (drift.notes.join("; "), String::new()),
                };
                let empty = vec![String::new(); Self::HEADINGS.len() - 4];
                let end = [evidence, next_step];
                cells.push([begin(), empty, end.to_vec()].concat());
            }
            cells.extend(rows.into_iter().map(|row| [begin(), row].concat()));
        }
        Rows {
            headings: &Self::HEADINGS,
            numbers: &[],
            cells,
            none: "No host was asked.",
        }
    }

    const HEADINGS: [&'static str; 11] = [
        "host",
        "state",
        "class",
        "side",
        "ports",
        "flows",
        "needed by",
        "from",
        "process",
        "evidence",
        "next step",
    ];
}

fn drifted(drift: &Drift) -> Drifted<'_> {
    Drifted {
        drift,
        is_strict: false,
    }
}

/// A line on standard error that is written over and over; none for one host, and none where nobody
/// looks.
struct Progress {
    all: usize,
    done: usize,
    is_shown: bool,
}

impl Progress {
    fn new(all: usize, is_terminal: bool) -> Self {
        let progress = Self {
            all,
            done: 0,
            is_shown: is_terminal && all > 1,
        };
        progress.write(&progress.text());
        progress
    }

    fn step(&mut self) {
        self.done += 1;
        self.write(&self.text());
    }

    fn text(&self) -> String {
        format!("{} of {} hosts compared", self.done, self.all)
    }

    fn end(&self) {
        self.write(&" ".repeat(self.text().len()));
        self.write("");
    }

    fn write(&self, text: &str) {
        if self.is_shown {
            // Nothing depends on it.
            let _ = write!(io::stderr(), "\r{text}");
        }
    }
}

#[cfg(test)]
mod tests;
