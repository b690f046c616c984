//! `portico explain flow`: which flow it is, who needs it, what each vantage point saw last, what a
//! check says now, and why.

mod stored;

use std::{collections::BTreeSet, net::IpAddr, num::NonZeroU32, str::FromStr, time::Duration};

use clap::Args;
use portico_catalogue::{
    Catalogue, Transport,
    markdown::condition_text,
    plan::{self, Address, FlowPlan},
};
use portico_net::{FlowId, own, race};
use portico_probe::check::{
    CheckedFlow, Means, Pace, Target, Targets, Verdict, What,
    cause::{Case, Cause, CauseKind, Certainty, Observation, causes},
    targets, walk,
};
use serde_json::{Value, json};

use super::{
    super::{
        Globals,
        failure::Failure,
        listed::utc,
        ports::{EstateArgs, Source, cause_value, means, place, wire},
        teach,
    },
    Node, draw,
};
use stored::{Merged, Stored, merged, worst};

/// End of its help.
pub(super) const HELP: &str = teach![
    "portico explain flow --from gw1 --to host7 --port 3389 -f estate.toml  # on gw1, no server",
    "portico explain flow --from host7 --to dc1 --port 88/udp       # with what its agent saw last",
    "portico explain flow --from gw1 --to host7 --port 3389 -o json",
];

/// Other planned ports of the host that may be looked at, to tell a port from a host.
const BESIDE_MAX: usize = 4;
/// Flows that are shown when the plan does not have the one that was asked for.
const NEAREST_MAX: usize = 6;

/// Time for resolving the name of the host that opens the connection.
const NAME_TIMEOUT: Duration = Duration::from_secs(3);

/// Which flow.
#[derive(Debug, Args)]
pub(crate) struct FlowArgs {
    #[command(flatten)]
    estate: EstateArgs,

    /// The host that opens the connection, by its id or address.
    #[arg(long, value_name = "HOST")]
    from: String,

    /// The host that should listen, by its id or address.
    #[arg(long, value_name = "HOST")]
    to: String,

    /// The port, as in 3389 or 88/udp.
    #[arg(long, value_name = "PORT")]
    port: Port,

    /// Seconds that the check may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=300))]
    timeout: u32,
}

/// A port, perhaps with its transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Port {
    number: u16,
    transport: Option<Transport>,
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, transport) = match text.split_once('/') {
            Some((number, "tcp")) => (number, Some(Transport::Tcp)),
            Some((number, "udp")) => (number, Some(Transport::Udp)),
            Some(_) => return Err("give a port such as 3389, 3389/tcp or 88/udp".into()),
            None => (text, None),
        };
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self { number, transport }),
            _ => Err("give a port of 1 to 65535".into()),
        }
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.transport {
            Some(Transport::Udp) => write!(f, "{}/udp", self.number),
            Some(_) => write!(f, "{}/tcp", self.number),
            None => write!(f, "{}", self.number),
        }
    }
}

/// Explains.
pub(super) async fn explain(globals: &Globals, args: &FlowArgs) -> Result<String, Failure> {
    let source = Source::read(globals, &args.estate).await?;
    let planned = plan::plan(Catalogue::portico(), &source.deployment);
    let from = host_place(&planned, &args.from, &source.name)?;
    let to = host_place(&planned, &args.to, &source.name)?;
    let all = targets(&planned, Some(&[from]));
    let is_asked = |flow: &&CheckedFlow| flow.to == to && has_port(flow, args.port);
    let asked: Vec<&CheckedFlow> = all.flows.iter().filter(is_asked).collect();
    let asking = Asking {
        plan: &planned,
        from,
        to,
        port: args.port,
    };
    if asked.is_empty() {
        return Err(asking.not_planned(globals, &source)?);
    }
    let means = means(Duration::from_secs(args.timeout.into()))?;
    let is_here = is_here(&planned, from, &all, &asked).await;
    let observations = look(&asking, &all, &asked, &means).await;
    let explained = Explained {
        asking,
        asked,
        observations,
        stored: Stored::read(globals, &args.estate, asking.id(to)).await?,
        causes: Vec::new(),
        is_here,
        rests_on: RestsOn::Check,
        now_ms: means.clock.now().unix_ms(),
    };
    let explained = explained.with_causes();
    globals
        .output
        .show(&explained.answer(), |_| Ok(explained.tree()))
}

/// A host by its id, or by an address that only it has.
fn host_place(plan: &FlowPlan, text: &str, source: &str) -> Result<u32, Failure> {
    let ip = text.parse::<IpAddr>().ok();
    let is_its = |address: &Address| match address {
        Address::Ip(own) => Some(*own) == ip,
        Address::Name(name) => name.eq_ignore_ascii_case(text),
        Address::Network(_) => false,
    };
    let by_address = || {
        let hosts = (0u32..).zip(&plan.hosts);
        let mut found = hosts.filter(|(_, host)| host.addresses.iter().any(is_its));
        let (only, _) = found.next()?;
        found.next().is_none().then_some(only)
    };
    match plan.place(text).or_else(by_address) {
        Some(place) => Ok(place),
        None => place(plan, text, source),
    }
}

fn has_port(flow: &CheckedFlow, port: Port) -> bool {
    let is_carried = port
        .transport
        .is_none_or(|transport| transport == flow.flow.transport);
    let ports = flow.ports.as_ref();
    is_carried && ports.is_some_and(|ports| (ports.first..=ports.last).contains(&port.number))
}

/// Whether this machine is the one that opens the connection: its address is one of here, or what
/// is sent to the other host leaves from it.
async fn is_here(plan: &FlowPlan, from: u32, all: &Targets, asked: &[&CheckedFlow]) -> bool {
    let targets = asked.iter().filter_map(|flow| all.targets.get(flow.target));
    let (Some(host), Some(target)) = (plan.hosts.get(from as usize), targets.clone().next()) else {
        return false;
    };
    for address in &host.addresses {
        let ips = match address {
            Address::Ip(ip) => vec![*ip],
            Address::Name(name) => resolved(target.flow, name, NAME_TIMEOUT).await,
            Address::Network(_) => vec![],
        };
        for ip in ips {
            if own::is_own(ip).await {
                return true;
            }
        }
    }
    let mut ips = targets.filter_map(|target| target.host.parse::<IpAddr>().ok());
    let source = match ips.next() {
        Some(ip) => own::source_towards(ip).await,
        None => None,
    };
    let Some(source) = source else {
        return false;
    };
    let is_of = |address: &Address| match address {
        Address::Ip(ip) => *ip == source,
        Address::Network(network) => network.contains(&source),
        Address::Name(_) => false,
    };
    host.addresses.iter().any(is_of)
}

/// Checks the flow, and other planned flows to the same host when it takes them to tell why.
async fn look(
    asking: &Asking<'_>,
    all: &Targets,
    asked: &[&CheckedFlow],
    means: &Means,
) -> Vec<Observation> {
    let mut done = BTreeSet::new();
    let first: Vec<&CheckedFlow> = asked
        .iter()
        .copied()
        .filter(|flow| done.insert(flow.target))
        .collect();
    let mut out = observe(asking, all, &first, means).await;
    let is_clear = |seen: &Observation| {
        let faults = seen.tls.as_ref().map_or(0, |tls| tls.faults.len());
        seen.verdict == Verdict::Proven && faults == 0
    };
    if out.iter().all(is_clear) {
        return out;
    }
    let hosts: BTreeSet<&str> = asked
        .iter()
        .filter_map(|flow| all.targets.get(flow.target))
        .map(|target| target.host.as_str())
        .collect();
    let mut ports = BTreeSet::new();
    let mut beside: Vec<&CheckedFlow> = all
        .flows
        .iter()
        .filter(|flow| flow.to == asking.to && !done.contains(&flow.target))
        .filter(|flow| {
            let target = all.targets.get(flow.target);
            target.is_some_and(|target| {
                !matches!(target.what, What::Skip { .. })
                    && hosts.contains(target.host.as_str())
                    && ports.insert((target.port, flow.flow.transport == Transport::Udp))
            })
        })
        .collect();
    // TCP tells most surely whether a host is there; NTP tells its time.
    beside.sort_by_key(|flow| {
        let is_time = flow.flow.application_protocol.contains("NTP");
        (flow.flow.transport != Transport::Tcp && !is_time, !is_time)
    });
    beside.truncate(BESIDE_MAX);
    out.extend(observe(asking, all, &beside, means).await);
    out
}

/// Checks the targets of these flows, all at once.
async fn observe(
    asking: &Asking<'_>,
    all: &Targets,
    flows: &[&CheckedFlow],
    means: &Means,
) -> Vec<Observation> {
    let targets: Vec<Target> = flows
        .iter()
        .filter_map(|flow| all.targets.get(flow.target).cloned())
        .collect();
    let at_once = NonZeroU32::new(Pace::PARALLEL).unwrap_or(NonZeroU32::MIN);
    let pace = Pace {
        parallel: at_once,
        per_second: at_once,
    };
    let outcomes = walk(&targets, means, pace, |_, _| {}).await;
    let at_ms = means.clock.now().unix_ms();
    let (from, to) = (asking.id(asking.from), asking.id(asking.to));
    let mut out = Vec::new();
    for ((flow, target), outcome) in flows.iter().zip(&targets).zip(&outcomes) {
        let mut seen = Observation::of(from, to, flow.flow, target, outcome, at_ms);
        seen.addresses.extend(addresses(target, means).await);
        seen.addresses.sort_unstable();
        seen.addresses.dedup();
        out.push(seen);
    }
    out
}

/// What the name of a target resolves to; nothing when it is no name.
async fn addresses(target: &Target, means: &Means) -> Vec<IpAddr> {
    match target.host.parse::<IpAddr>().is_ok() || matches!(target.what, What::Skip { .. }) {
        true => vec![],
        false => resolved(target.flow, &target.host, means.limits.connect).await,
    }
}

/// The addresses of a name; none when it has none.
async fn resolved(flow: FlowId, name: &str, timeout: Duration) -> Vec<IpAddr> {
    let found = race::addresses_of(flow, name, 0, timeout).await;
    let found = found.unwrap_or_default();
    found.into_iter().map(|address| address.ip()).collect()
}

/// What is asked.
#[derive(Clone, Copy)]
struct Asking<'p> {
    plan: &'p FlowPlan,
    from: u32,
    to: u32,
    port: Port,
}

impl<'p> Asking<'p> {
    fn id(&self, place: u32) -> &'p str {
        let host = self.plan.hosts.get(place as usize);
        host.map_or("", |host| host.id.as_str())
    }

    /// The plan has no such flow: what it has instead, and why the catalogue's is not planned.
    fn not_planned(&self, globals: &Globals, source: &Source) -> Result<Failure, Failure> {
        let (from, to) = (self.id(self.from), self.id(self.to));
        let (reasons, nearest) = (self.reasons(source), self.nearest());
        let cause = Cause {
            kind: CauseKind::NotPlanned,
            certainty: Certainty::Sure,
            why: "nothing that the two hosts do by their roles and features needs it".into(),
            next_step: format!(
                "correct the port, the roles or the features of the two in {}; `portico ports plan \
                 --host {to}` shows what it needs",
                source.name
            ),
        };
        let answer = json!({
            "from": from, "to": to, "port": self.port.number, "flows": [], "checks": [],
            "causes": [cause_value(&cause)], "reasons": reasons, "nearest": nearest,
        });
        // People read all of it in the failure.
        let text = globals.output.show(&answer, |_| Ok(String::new()))?;
        Ok(Failure::new(format!(
            "The plan has no flow from {from} to {to} on port {}",
            self.port
        ))
        .reason(cause.why)
        .lines(reasons.into_iter().chain(nearest).collect())
        .next_step(cause.next_step)
        .answer(text))
    }

    /// Flows of the catalogue over this port between roles of the two, which are not planned.
    fn reasons(&self, source: &Source) -> Vec<String> {
        let catalogue = Catalogue::portico();
        let has_port = |flow: &&portico_catalogue::Flow| {
            let mut ports = flow.corrected_ports().iter();
            ports.any(|range| (range.first..=range.last).contains(&self.port.number))
        };
        let (from, to) = (self.id(self.from), self.id(self.to));
        let mut out = Vec::new();
        for flow in catalogue.flows().filter(has_port) {
            let Ok(why) = plan::why(catalogue, &source.deployment, &flow.id) else {
                continue;
            };
            let has = |hosts: &[String], id: &str| hosts.iter().any(|host| host == id);
            if has(&why.from.hosts, from) && has(&why.to.hosts, to) && !why.not_planned.is_empty() {
                out.push(format!(
                    "not planned: {}: {}",
                    flow.id,
                    why.not_planned.join("; ")
                ));
            }
        }
        out.truncate(NEAREST_MAX);
        out
    }

    /// Flows that are most like the one that was asked for.
    fn nearest(&self) -> Vec<String> {
        let all = targets(self.plan, None);
        let mut near: Vec<(u8, u16, &CheckedFlow)> = all
            .flows
            .iter()
            .filter_map(|flow| {
                let is_from = flow.from.contains(&self.from);
                let is_to = flow.to == self.to;
                let is_turned = flow.from.contains(&self.to) && flow.to == self.from;
                let is_port = has_port(
                    flow,
                    Port {
                        transport: None,
                        ..self.port
                    },
                );
                let rank = match (is_from, is_to, is_turned, is_port) {
                    (true, true, ..) => 0,
                    (_, _, true, true) => 1,
                    (_, true, _, true) => 2,
                    (true, _, _, true) => 3,
                    _ => return None,
                };
                let first = flow.ports.as_ref().map_or(u16::MAX, |ports| ports.first);
                Some((rank, first.abs_diff(self.port.number), flow))
            })
            .collect();
        near.sort_by_key(|(rank, distance, flow)| (*rank, *distance, &flow.flow.id));
        let mut lines: Vec<String> = Vec::new();
        for (_, _, flow) in near {
            let from = match flow.from.contains(&self.from) {
                true => self.from,
                false => flow.from.first().copied().unwrap_or_default(),
            };
            let line = format!(
                "planned: {} -> {} {} {} [{}]",
                self.id(from),
                self.id(flow.to),
                wire(flow),
                flow.flow.application_protocol,
                flow.flow.id
            );
            // One for each address of the host.
            if !lines.contains(&line) {
                lines.push(line);
            }
            if lines.len() == NEAREST_MAX {
                break;
            }
        }
        lines
    }
}

/// All that there is to say.
struct Explained<'p> {
    asking: Asking<'p>,
    asked: Vec<&'p CheckedFlow>,
    /// What was seen just now: of the flow first, then of other ports.
    observations: Vec<Observation>,
    /// What the server knows; `None` when it was not asked.
    stored: Option<Stored>,
    causes: Vec<Cause>,
    /// Whether this machine opens the connection.
    is_here: bool,
    rests_on: RestsOn,
    now_ms: i64,
}

/// Whose view of the flow is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RestsOn {
    /// That of the check just now.
    Check,
    /// What the host that opens it saw last.
    LastSeen,
}

impl Explained<'_> {
    /// Looks for the causes in everything that is known.
    fn with_causes(mut self) -> Self {
        let (from, to) = self.ends();
        let flows = self.flow_ids();
        let known = match &self.stored {
            Some(stored) => merged(&self.observations, stored, (&flows, from, self.is_here)),
            None => Merged {
                evidence: self.observations.clone(),
                explained: None,
            },
        };
        let is_asked = |seen: &&Observation| flows.contains(&seen.flow.as_str());
        let explained = match &known.explained {
            Some(seen) => Some(seen),
            None => worst(self.observations.iter().filter(is_asked)),
        };
        let found = causes(&Case {
            flow: explained.map_or("", |seen| &seen.flow),
            from,
            to,
            port: explained.map_or(self.asking.port.number, |seen| seen.port),
            observations: &known.evidence,
            hosts: &self.asking.plan.hosts,
            issuers: &[],
        });
        self.rests_on = match known.explained {
            Some(_) => RestsOn::LastSeen,
            None => RestsOn::Check,
        };
        self.causes = found;
        self
    }

    /// The flows that are meant, each once.
    fn flow_ids(&self) -> Vec<&str> {
        let mut ids = BTreeSet::new();
        let asked = self.asked.iter().map(|flow| flow.flow.id.as_str());
        asked.filter(|id| ids.insert(*id)).collect()
    }

    fn ends(&self) -> (&str, &str) {
        let Asking { from, to, .. } = self.asking;
        (self.asking.id(from), self.asking.id(to))
    }

    fn is_own(&self, seen: &Observation) -> bool {
        let mut asked = self.asked.iter();
        asked.any(|flow| flow.flow.transport == seen.transport)
            && seen.port == self.asking.port.number
    }

    fn answer(&self) -> Value {
        let (from, to) = self.ends();
        let mut ids = BTreeSet::new();
        let asked = self.asked.iter().filter(|flow| ids.insert(&flow.flow.id));
        let flows: Vec<Value> = asked
            .map(|flow| {
                json!({
                    "flow": flow.flow.id, "purpose": flow.flow.purpose,
                    "application_protocol": flow.flow.application_protocol,
                    "transport": flow.flow.transport_name(), "required": flow.required,
                    "from_role": flow.flow.from, "to_role": flow.flow.to,
                    "conditions": flow.flow.conditions, "sources": flow.flow.sources,
                })
            })
            .collect();
        let checks: Vec<Value> = self
            .observations
            .iter()
            .map(|seen| {
                json!({
                    "vantage": if self.is_here { from } else { "" }, "flow": seen.flow,
                    "address": seen.host, "port": seen.port, "transport": seen.transport,
                    "verdict": seen.verdict.slug(), "evidence": seen.evidence,
                    "resolves_to": seen.addresses, "took_ms": seen.took_ms, "at_ms": seen.at_ms,
                    "clock_ahead_ms": seen.clock_ahead_ms, "of_this_port": self.is_own(seen),
                })
            })
            .collect();
        let causes: Vec<Value> = self.causes.iter().map(cause_value).collect();
        let mut answer = json!({
            "from": from, "to": to, "port": self.asking.port.number, "flows": flows,
            "seen_from_there": self.is_here, "checks": checks, "causes": causes,
        });
        if let (Some(stored), Some(answer)) = (&self.stored, answer.as_object_mut()) {
            let last_seen = stored.values(&self.flow_ids(), from);
            answer.insert("last_seen".into(), json!(last_seen));
            let rests_on = match self.rests_on {
                RestsOn::Check => "check",
                RestsOn::LastSeen => "last-seen",
            };
            answer.insert("causes_rest_on".into(), rests_on.into());
        }
        answer
    }

    fn tree(&self) -> String {
        let (from, to) = self.ends();
        let mut nodes = self.flow_nodes();
        if let Some(stored) = &self.stored {
            nodes.push(stored.node(&self.flow_ids(), from, self.now_ms));
        }
        nodes.push(self.seen_node());
        nodes.extend(self.cause_nodes());
        let mut out = String::new();
        let root = format!("{from} -> {to}, port {}", self.asking.port);
        out.push_str(&portico_model::printable(&root));
        out.push('\n');
        draw(&mut out, &nodes, "");
        out
    }

    /// Which flows it is, and who needs them.
    fn flow_nodes(&self) -> Vec<Node> {
        let (from, to) = self.ends();
        let mut ids = BTreeSet::new();
        let asked = self.asked.iter().filter(|flow| ids.insert(&flow.flow.id));
        asked
            .map(|checked| {
                let flow = checked.flow;
                let need = if checked.required {
                    "required"
                } else {
                    "optional"
                };
                let mut children = vec![
                    Node::leaf(format!("for: {}", flow.purpose)),
                    Node::leaf(format!(
                        "needed by: {from} as {}, of {to} as {}",
                        flow.from, flow.to
                    )),
                ];
                let conditions = flow.conditions.iter();
                children.extend(
                    conditions.map(|when| Node::leaf(format!("when: {}", condition_text(when)))),
                );
                children.extend(flow.sources.iter().map(|source| {
                    let row = source.row.map(|row| format!(", row {row}"));
                    Node::leaf(format!(
                        "document: {}, {}{}",
                        source.document,
                        source.section,
                        row.unwrap_or_default()
                    ))
                }));
                Node {
                    text: format!(
                        "Flow: {}: {} over {}, {need}",
                        flow.id,
                        flow.application_protocol,
                        wire(checked)
                    ),
                    children,
                }
            })
            .collect()
    }

    fn seen_node(&self) -> Node {
        let (from, _) = self.ends();
        let at = self.observations.first().map(|seen| utc(seen.at_ms));
        let at = at.unwrap_or_default();
        let text = match (self.is_here, self.rests_on) {
            (true, _) => format!("Check from {from}, now ({at})"),
            (false, RestsOn::Check) => format!(
                "Check from this machine ({at}), which is not {from}: run it there, as the way \
                 from here may be another"
            ),
            (false, RestsOn::LastSeen) => format!(
                "Check from this machine ({at}), which is not {from}: what {from} saw last counts \
                 more"
            ),
        };
        let children = self.observations.iter().map(|seen| {
            let wire = match seen.transport {
                Transport::Udp => format!("{}/udp", seen.port),
                _ => format!("{}/tcp", seen.port),
            };
            let other = if self.is_own(seen) { "" } else { "beside it, " };
            let resolved: Vec<String> = seen.addresses.iter().map(ToString::to_string).collect();
            let address = match seen.host.parse::<IpAddr>().is_ok() || resolved.is_empty() {
                true => seen.host.clone(),
                false => format!("{} ({})", seen.host, resolved.join(", ")),
            };
            Node::leaf(format!(
                "{other}{wire} at {address}: {}, {} ms: {}",
                seen.verdict.name(),
                seen.took_ms,
                seen.evidence
            ))
        });
        Node {
            text,
            children: children.collect(),
        }
    }

    fn cause_nodes(&self) -> Vec<Node> {
        if self.causes.is_empty() {
            return vec![Node::leaf("Cause: none; the flow works")];
        }
        let mut nodes = Vec::new();
        for (place, cause) in self.causes.iter().enumerate() {
            let label = match (place, cause.certainty) {
                (0, Certainty::Sure) => "Cause",
                (0, Certainty::Likely) => "Most likely cause",
                (0, Certainty::Possible) => "Possible cause",
                (_, Certainty::Sure) => "Also",
                _ => "Also possible",
            };
            nodes.push(Node {
                text: format!("{label}: {}", cause.kind.title()),
                children: vec![
                    Node::leaf(format!("because: {}", cause.why)),
                    Node::leaf(format!("next step: {}", cause.next_step)),
                ],
            });
        }
        nodes
    }
}

#[cfg(test)]
mod tests;
