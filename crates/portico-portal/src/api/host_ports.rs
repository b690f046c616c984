//! Firewall rules and listeners of a host, asked of its agent.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use portico_broker::{HostActError, HostPortsError};
use portico_brokering::Action;

use super::hosts::{capital, host_id, refused};
use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{SignedIn, forbidden, require},
    views::HostPortsView,
};

/// Firewall rules that are loaded on a host, and who listens there: its agent is asked now, and has
/// 20 s. Only for operators, because rules and processes show an attacker where to begin.
#[utoipa::path(get, path = "/hosts/{id}/ports/state", tag = "console",
    params(("id" = String, Path, description = "Id of the host")),
    responses((status = OK, body = HostPortsView), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody), (status = BAD_GATEWAY, body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, body = ErrorBody)))]
pub(super) async fn state(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<Json<HostPortsView>> {
    require(&principal, Action::OperateHosts)?;
    let told = portal.broker.host_ports(&principal, &host_id(&id)?).await;
    told.map(|told| Json(told.into())).map_err(not_told)
}

/// Why an agent's answer is not there, as the API says it.
fn not_told(error: HostPortsError) -> ApiError {
    let because = |status, code: &str, next: &str| {
        ApiError::new(status, code, capital(&error.to_string())).next_step(next)
    };
    match error {
        HostPortsError::Forbidden(missing) => forbidden(&missing),
        HostPortsError::Host(HostActError::NotManaged { .. }) => because(
            StatusCode::CONFLICT,
            "not-managed",
            "Set agent = \"required\" for the host in the estate, apply it, and let its agent join; \
             or compare dumps of its tools: portico ports diff --help",
        ),
        HostPortsError::Host(error) => refused(error),
        HostPortsError::NoAgent { .. } => because(
            StatusCode::CONFLICT,
            "agent-away",
            "See whether the agent runs on the host and reaches port 30004 of the broker",
        ),
        HostPortsError::NotAble { .. } => because(
            StatusCode::CONFLICT,
            "agent-too-old",
            "Update the agent on the host, or run portico ports diff there",
        ),
        HostPortsError::Busy { .. } => because(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Try again in some seconds",
        )
        .retry_after(5),
        HostPortsError::TimedOut { .. } => because(
            StatusCode::CONFLICT,
            "agent-did-not-answer",
            "Look at the load of the host and at the log of its agent, then try again",
        ),
        HostPortsError::Refused { .. } => because(
            StatusCode::CONFLICT,
            "agent-refused",
            "Try again, or run portico ports diff on the host",
        ),
        HostPortsError::Unreadable { .. } => because(
            StatusCode::BAD_GATEWAY,
            "agent-answer-unreadable",
            "Update the agent; if it stays so, look at the host: its agent may not be what it was",
        ),
    }
}
