//! The last launches with their reasons, as operators see them.

use portico_broker::{LaunchOutcome, LaunchRecord};
use portico_model::{
    estate::Estate,
    launch::{HostVerdict, Refusal},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::words;

/// A launch that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaunchRecordView {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// For whom.
    pub(crate) user: String,
    /// Of what.
    pub(crate) resource: String,
    /// Its name; the id when it is not published any more.
    pub(crate) title: String,
    /// What came of it.
    pub(crate) outcome: LaunchOutcomeView,
    /// The chosen host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// Why it was chosen, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// Why it was chosen, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) choice: Option<serde_json::Value>,
    /// Every other host that counts, with the reason it was not chosen; of many like ones, some.
    pub(crate) others: Vec<VerdictView>,
    /// Why it was refused, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) refusal: Option<serde_json::Value>,
    /// Why it was refused or failed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_step: Option<String>,
    /// The session it led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// Where the client is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_address: Option<String>,
    /// Milliseconds until it was decided and written.
    pub(crate) took_ms: u64,
}

/// What came of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LaunchOutcomeView {
    /// It got a new session.
    Placed,
    /// It came back to its session.
    Resumed,
    /// It was refused.
    Refused,
    /// It could not be granted for another reason.
    Failed,
}

/// A host that was not chosen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerdictView {
    /// Which host, and the reason with its facts, for programs: `host`, `reason` and what belongs
    /// to that reason.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(crate) verdict: serde_json::Value,
    /// The reason in words.
    pub(crate) message: String,
    /// What would change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_step: Option<String>,
    /// Whether it could have taken the session.
    pub(crate) was_eligible: bool,
}

impl From<&HostVerdict> for VerdictView {
    fn from(verdict: &HostVerdict) -> Self {
        let reason = &verdict.reason;
        Self {
            verdict: serde_json::to_value(verdict).unwrap_or_default(),
            message: reason.why(),
            next_step: reason.next_step().map(Into::into),
            was_eligible: reason.was_eligible(),
        }
    }
}

impl LaunchRecordView {
    /// The view of a record in an estate.
    pub(crate) fn new(record: &LaunchRecord, estate: &Estate) -> Self {
        let resource = estate.resources.get(&record.resource);
        let view = Self {
            at_ms: record.at.unix_ms(),
            user: record.user.to_string(),
            resource: record.resource.to_string(),
            title: resource.map_or_else(|| record.resource.to_string(), |r| r.title.clone()),
            outcome: LaunchOutcomeView::Failed,
            host: None,
            why: None,
            choice: None,
            others: Vec::new(),
            refusal: None,
            detail: None,
            next_step: None,
            session: record.session.as_ref().map(ToString::to_string),
            client_address: record.client_address.map(|address| address.to_string()),
            took_ms: record.took_ms,
        };
        match &record.outcome {
            LaunchOutcome::Placed { placement, resumed } => Self {
                outcome: match resumed {
                    true => LaunchOutcomeView::Resumed,
                    false => LaunchOutcomeView::Placed,
                },
                host: Some(placement.host.to_string()),
                why: Some(placement.choice.why()),
                choice: serde_json::to_value(&placement.choice).ok(),
                others: placement.others.iter().map(VerdictView::from).collect(),
                ..view
            },
            LaunchOutcome::Refused(refusal) => {
                let words = words::refusal(refusal);
                let others = match refusal {
                    Refusal::NoHost { hosts, .. } => hosts.iter().map(VerdictView::from).collect(),
                    _ => Vec::new(),
                };
                Self {
                    outcome: LaunchOutcomeView::Refused,
                    others,
                    refusal: serde_json::to_value(refusal).ok(),
                    detail: Some(words.message),
                    next_step: Some(words.next_step),
                    ..view
                }
            }
            LaunchOutcome::Failed { detail } => Self {
                detail: Some(detail.clone()),
                ..view
            },
        }
    }
}
