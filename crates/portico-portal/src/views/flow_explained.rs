//! Why a flow works or does not, as the API shows it.

use portico_broker::{ExplainedFlow, FlowCause, FlowExplanation, FlowQuestion};
use portico_catalogue::Transport;
use serde::Serialize;
use utoipa::ToSchema;

use super::PortCheckRowView;

/// Hosts of a flow that are named.
const NEEDED_BY_MAX: usize = 20;

/// What is known of a flow, and why it does not work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FlowExplanationView {
    /// The host that opens it, when one was asked for.
    from: Option<String>,
    /// The host that listens.
    to: String,
    port: u16,
    /// `tcp` or `udp`, when one was asked for.
    transport: Option<String>,
    /// The flows of the plan that are meant.
    flows: Vec<ExplainedFlowView>,
    /// Their last verdicts from every vantage point, those of `from` first.
    seen: Vec<PortCheckRowView>,
    /// What is most likely wrong, the surest first; none when it works.
    causes: Vec<FlowCauseView>,
    /// Whether the plan has no such flow.
    not_planned: bool,
}

/// A flow of the plan, and who needs it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainedFlowView {
    /// Id in the catalogue.
    id: String,
    application_protocol: String,
    purpose: String,
    /// `tcp` or `udp`.
    transport: String,
    /// Whether the services fail without it.
    required: bool,
    /// In words, a host each.
    needed_by: Vec<String>,
}

/// What is most likely wrong with a flow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FlowCauseView {
    /// What it is, in one word.
    kind: String,
    /// The same in words for people.
    title: String,
    /// `certain`, `likely` or `possible`.
    certainty: String,
    /// The evidence.
    why: String,
    /// What to do.
    next_step: String,
    /// Id of the flow in the catalogue; `null` when the plan has none.
    flow: Option<String>,
    /// The host that opens it.
    from: Option<String>,
    /// The host that listens.
    to: String,
}

impl FlowExplanationView {
    /// The answer to a question.
    pub(crate) fn new(question: &FlowQuestion, told: &FlowExplanation) -> Self {
        let transport = question.transport.map(|transport| match transport {
            Transport::Udp => "udp".to_owned(),
            _ => "tcp".to_owned(),
        });
        Self {
            from: question.from.as_ref().map(ToString::to_string),
            to: question.to.to_string(),
            port: question.port,
            transport,
            flows: told.flows.iter().map(ExplainedFlowView::from).collect(),
            seen: told.seen.iter().map(PortCheckRowView::from).collect(),
            causes: told.causes.iter().map(FlowCauseView::from).collect(),
            not_planned: told.is_not_planned,
        }
    }
}

impl From<&ExplainedFlow> for ExplainedFlowView {
    fn from(told: &ExplainedFlow) -> Self {
        let flow = told.flow;
        let named = told.from.iter().take(NEEDED_BY_MAX);
        let mut needed_by: Vec<String> = named
            .map(|from| format!("{from} as {}, of {} as {}", flow.from, told.to, flow.to))
            .collect();
        let more = told.from.len().saturating_sub(needed_by.len());
        if more > 0 {
            needed_by.push(format!("and {more} more hosts"));
        }
        Self {
            id: flow.id.clone(),
            application_protocol: flow.application_protocol.clone(),
            purpose: flow.purpose.clone(),
            transport: flow.transport_name(),
            required: told.is_required,
            needed_by,
        }
    }
}

impl From<&FlowCause> for FlowCauseView {
    fn from(found: &FlowCause) -> Self {
        let cause = &found.cause;
        Self {
            kind: cause.kind.slug().into(),
            title: cause.kind.title().into(),
            certainty: cause.certainty.name().into(),
            why: cause.why.clone(),
            next_step: cause.next_step.clone(),
            flow: found.flow.clone(),
            from: found.from.as_ref().map(ToString::to_string),
            to: found.to.to_string(),
        }
    }
}
