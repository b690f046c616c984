//! From an estate to exactly the flows that it needs.
//!
//! Read [`Deployment`] (what goes in) and [`FlowPlan`] (what comes out) first; [`plan()`] has the
//! rules. [`FlowPlan::of_host`] and [`FlowPlan::report`] show a plan host by host, [`why()`] one flow
//! of it or its absence, [`compare()`] the difference of two, and [`roles()`] what an estate may
//! give to its hosts.

mod compare;
mod deployment;
mod gaps;
mod lessons;
mod planner;
mod ports;
mod report;
mod survey;
mod why;

use std::sync::Arc;

pub use compare::{Change, Comparison, compare};
pub use deployment::{Address, DeployedHost, Deployment, PortKey, Zone};
pub use lessons::{FlowLesson, RoleLesson, roles};
pub use planner::plan;
pub use report::{HostFlow, HostFlows, HostReport, InboundRow, PlanReport};
pub use why::{FailedCondition, UnknownFlow, Why, WhyBundle, WhyEnd, why};

use serde::Serialize;

use crate::flow::{Flow, PortRange, Transport};

/// Every flow that an estate needs. Hosts are told by their place in [`FlowPlan::hosts`].
#[derive(Debug, Clone)]
pub struct FlowPlan {
    /// The hosts, in the order of the deployment.
    pub hosts: Vec<DeployedHost>,
    /// Parts of the network.
    pub zones: Vec<Zone>,
    /// What is needed, sorted by flow id, then by hosts. No pair of hosts has one flow over one
    /// port twice.
    pub flows: Vec<PlannedFlow>,
    /// What could not be planned, and what the estate has to say for it.
    pub gaps: Vec<Gap>,
    /// What was taken for granted where the estate does not say, and what it says without effect;
    /// sentences for the reader.
    pub assumptions: Vec<String>,
}

/// One flow of the catalogue between hosts: each of `from` opens connections to each of `to`, but
/// none to itself.
#[derive(Debug, Clone)]
pub struct PlannedFlow {
    /// The line of the catalogue.
    pub flow: &'static Flow,
    /// Hosts that open connections, in ascending order.
    pub from: HostSet,
    /// Hosts that listen, in ascending order.
    pub to: HostSet,
    /// Role of `from` that needs it; the flow's, or of a [`Direction::BothWays`](crate::Direction)
    /// flow also the other one.
    pub from_role: &'static str,
    /// Role of `to` that answers.
    pub to_role: &'static str,
    /// What carries it.
    pub transport: Transport,
    /// Number of the IP protocol when the transport is [`Transport::Ip`].
    pub ip_protocol: Option<u8>,
    /// Ports at `to`, sorted, none overlapping: those of the hosts, of their operating systems,
    /// and of formulas.
    pub ports: Vec<PortRange>,
}

/// Hosts by their place in [`FlowPlan::hosts`], ascending, each once. Shared: flows of one role
/// have the same set.
pub type HostSet = Arc<[u32]>;

/// A need that the plan cannot meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Gap {
    /// What kind of thing is missing: the first two leave a planned flow incomplete, the others may
    /// be what the administrator wants.
    pub kind: GapKind,
    /// Hosts whose need it is, by id; at most a handful, for the message.
    pub hosts: Vec<String>,
    /// Id of the flow.
    pub flow: String,
    /// What is missing.
    pub reason: String,
    /// What to write into the estate.
    pub next_step: String,
}

/// What a [`Gap`] lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapKind {
    /// A port that the documents leave open.
    Port,
    /// Ports for all hosts that a formula counts.
    Formula,
    /// A host with the role at the other end.
    Counterpart,
    /// Any use of a role that a host has.
    Unused,
}

impl GapKind {
    /// Whether flows between hosts of the estate are missing from the plan; otherwise a host is,
    /// perhaps on purpose.
    pub const fn leaves_a_flow_out(self) -> bool {
        matches!(self, Self::Port | Self::Formula)
    }
}
