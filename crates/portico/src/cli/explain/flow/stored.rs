//! What the server has stored of the flows to a host: the last verdict from each vantage point.

use portico_catalogue::Catalogue;
use portico_probe::check::{Clue, Verdict, cause::Observation};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::{
    Globals, explain::Node, failure::Failure, humane, listed::utc, ports::EstateArgs,
};

/// Rows that are asked for: as many as the server gives.
const ROWS_MAX: usize = 20_000;
/// Vantage points that are shown to people.
const SHOWN_MAX: usize = 30;

/// The last verdicts of all flows to a host.
#[derive(Debug, Default)]
pub(super) struct Stored {
    rows: Vec<Row>,
    /// As they came.
    values: Vec<Value>,
    /// Why there are none.
    failure: Option<String>,
}

/// A row as the API tells it.
#[derive(Debug, Clone, Deserialize)]
struct Row {
    flow: String,
    from: String,
    to: String,
    address: String,
    transport: String,
    port: Option<u16>,
    verdict: String,
    evidence: String,
    next_step: Option<String>,
    #[serde(default)]
    clue: Option<String>,
    took_ms: Option<u32>,
    checked_at_ms: Option<i64>,
    since_ms: Option<i64>,
}

impl Stored {
    /// Asks the server, when the estate is the server's; a file is explained without one.
    pub(super) async fn read(
        globals: &Globals,
        args: &EstateArgs,
        to: &str,
    ) -> Result<Option<Self>, Failure> {
        if args.file.is_some() {
            return Ok(None);
        }
        let path = format!("/ports/checks?to={to}&limit={ROWS_MAX}");
        Ok(Some(match globals.client()?.get(&path).await {
            Ok(answer) => Self::of(&answer),
            // What is checked from here is worth showing all the same.
            Err(error) => Self {
                failure: Some(Failure::from(error).what),
                ..Self::default()
            },
        }))
    }

    /// Reads an answer of the server. Rows of another form, of a later version, are left out.
    pub(super) fn of(answer: &Value) -> Self {
        let rows = answer.get("rows").and_then(Value::as_array);
        let values = rows.cloned().unwrap_or_default();
        let read = |value: &Value| Row::deserialize(value).ok().map(|row| (row, value.clone()));
        let (rows, values) = values.iter().filter_map(read).unzip();
        Self {
            rows,
            values,
            failure: None,
        }
    }

    /// What somebody saw of any flow to the host.
    pub(super) fn observations(&self) -> Vec<Observation> {
        self.rows.iter().filter_map(Row::observation).collect()
    }

    /// The rows of these flows as the server gave them, those of `from` first.
    pub(super) fn values(&self, flows: &[&str], from: &str) -> Vec<&Value> {
        let shown = self.of_flows(flows, from).into_iter();
        shown.map(|(_, value)| value).collect()
    }

    fn of_flows(&self, flows: &[&str], from: &str) -> Vec<(&Row, &Value)> {
        let rows = self.rows.iter().zip(&self.values);
        let mut rows: Vec<(&Row, &Value)> = rows
            .filter(|(row, _)| flows.contains(&row.flow.as_str()))
            .collect();
        rows.sort_by_key(|(row, _)| row.from != from);
        rows
    }

    /// Each vantage point with its last verdict, for people.
    pub(super) fn node(&self, flows: &[&str], from: &str, now_ms: i64) -> Node {
        if let Some(failure) = &self.failure {
            return Node::leaf(format!("Last seen: the server did not tell: {failure}"));
        }
        let rows = self.of_flows(flows, from);
        if rows.is_empty() {
            return Node::leaf("Last seen: the server's plan has no such flow");
        }
        let shown = rows.iter().take(SHOWN_MAX);
        let mut children: Vec<Node> = shown.map(|(row, _)| row.node(now_ms)).collect();
        let more = rows.len().saturating_sub(children.len());
        if more > 0 {
            children.push(Node::leaf(format!(
                "and {more} more: portico get port-checks"
            )));
        }
        Node {
            text: "Last seen, from each vantage point".into(),
            children,
        }
    }
}

impl Row {
    fn observation(&self) -> Option<Observation> {
        let flow = Catalogue::portico().find(&self.flow)?;
        Some(Observation {
            vantage: self.from.clone(),
            flow: self.flow.clone(),
            to: self.to.clone(),
            host: self.address.clone(),
            port: self.port.unwrap_or_default(),
            transport: flow.transport,
            verdict: Verdict::from_slug(&self.verdict)?,
            clue: self.clue.as_deref().and_then(Clue::from_slug),
            evidence: self.evidence.clone(),
            next_step: self.next_step.clone(),
            addresses: Vec::new(),
            tls: None,
            clock_ahead_ms: None,
            took_ms: self.took_ms.unwrap_or_default().into(),
            // What nobody has checked, nobody saw.
            at_ms: self.checked_at_ms?,
        })
    }

    fn node(&self, now_ms: i64) -> Node {
        let known = Verdict::from_slug(&self.verdict);
        let verdict = known.map_or(&*self.verdict, |known| known.name());
        let when = match self.checked_at_ms {
            Some(at) => format!(" {} ago", humane::since(at, now_ms)),
            None => String::new(),
        };
        let port = self.port.map(|port| format!("{port}/"));
        let since = self.since_ms.filter(|_| self.checked_at_ms.is_some());
        let since = since.map(|at| Node::leaf(format!("so since {}", utc(at))));
        let next_step = self
            .next_step
            .as_ref()
            .map(|step| Node::leaf(format!("next step: {step}")));
        Node {
            text: format!(
                "{}: {verdict}{when}, {}{} at {}: {}",
                self.from,
                port.unwrap_or_default(),
                self.transport,
                self.address,
                self.evidence
            ),
            children: since.into_iter().chain(next_step).collect(),
        }
    }
}

/// What the causes rest on: what was seen just now, and what is stored of everything that was not.
/// `is_here`: it was seen from `from` itself; else it is a hint only, as soon as `from` itself has
/// seen something of these flows.
pub(super) fn merged(
    local: &[Observation],
    stored: &Stored,
    (flows, from, is_here): (&[&str], &str, bool),
) -> Merged {
    let mut evidence = local.to_vec();
    let stored = stored.observations();
    let is_own = |seen: &Observation| seen.vantage == from && flows.contains(&seen.flow.as_str());
    let rests_on_stored = !is_here && stored.iter().any(is_own);
    if rests_on_stored {
        for seen in &mut evidence {
            seen.vantage.clear();
        }
    }
    // The same from the same place is older there.
    let is_news = |old: &Observation| {
        let same = |new: &Observation| {
            (&new.vantage, &new.host, new.port, new.transport)
                == (&old.vantage, &old.host, old.port, old.transport)
        };
        !evidence.iter().any(same)
    };
    let stored: Vec<Observation> = stored.into_iter().filter(is_news).collect();
    let explained = match rests_on_stored {
        true => worst(stored.iter().filter(|seen| is_own(seen))).cloned(),
        false => None,
    };
    evidence.extend(stored);
    if let Some(explained) = &explained {
        // Of several addresses of the host this one is to be explained.
        evidence.retain(|seen| {
            seen.host == explained.host
                || (&seen.vantage, &seen.flow, seen.port)
                    != (&explained.vantage, &explained.flow, explained.port)
        });
    }
    Merged {
        evidence,
        explained,
    }
}

/// Everything that is known.
pub(super) struct Merged {
    pub(super) evidence: Vec<Observation>,
    /// What `from` itself saw last, when that is to be explained instead of what is seen from here.
    pub(super) explained: Option<Observation>,
}

/// Of a port over TCP and UDP, or at several addresses, the one that does not work is the one to
/// explain.
pub(super) fn worst<'o>(seen: impl Iterator<Item = &'o Observation>) -> Option<&'o Observation> {
    let mut seen = seen.peekable();
    let first = seen.peek().copied();
    seen.find(|seen| seen.verdict != Verdict::Proven).or(first)
}
