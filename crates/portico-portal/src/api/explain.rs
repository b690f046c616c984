//! Why a launch would go as it would, and what became of a session.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use portico_broker::{BrokenFlows, ExplainError};
use portico_brokering::Action;
use portico_model::{ResourceId, SessionId, UserId, session::Session};
use portico_store::SessionQuery;

use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{Changing, SignedIn, require},
    views::{
        ExplainLaunchRequest, FlowCauseView, HostSessionView, LaunchExplanationView,
        PortCheckRowView, SessionExplanationView, SessionView,
    },
};

/// Events of a session that are told.
const HISTORY_MAX: usize = 500;

/// Explains a launch without launching.
#[utoipa::path(post, path = "/explain/launch", tag = "console",
    request_body = ExplainLaunchRequest,
    responses((status = OK, body = LaunchExplanationView),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn explain_launch(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Json(request): Json<ExplainLaunchRequest>,
) -> ApiResult<Json<LaunchExplanationView>> {
    require(&principal, Action::ExplainLaunch)?;
    let wrong = |what: &str, value: &str, why: String| {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong-argument",
            format!("\"{value}\" is not a {what}"),
        )
        .reason(why)
    };
    let user = UserId::new(&request.user)
        .map_err(|error| wrong("user name", &request.user, error.to_string()))?;
    let resource = ResourceId::new(&request.resource)
        .map_err(|error| wrong("resource id", &request.resource, error.to_string()))?;
    let address = match request.client_address.as_deref() {
        None | Some("") => None,
        Some(text) => Some(text.parse().map_err(|_| {
            wrong(
                "client address",
                text,
                "give an IPv4 or IPv6 address such as 192.0.2.7".into(),
            )
        })?),
    };
    let explanation = portal
        .broker
        .explain(&user, &resource, address, None)
        .await
        .map_err(|error| match error {
            ExplainError::NoSuchUser { .. } => {
                ApiError::not_found("user").next_step("See who there is: portico get users")
            }
            other => ApiError::unavailable(other),
        })?;
    let causes = portal.broker.causes_of_launch(&explanation).await;
    let causes = causes.map_err(ApiError::unavailable)?;
    Ok(Json(LaunchExplanationView {
        user: explanation.user.to_string(),
        resource: explanation.resource.to_string(),
        allowed_by: explanation
            .allowed_by
            .iter()
            .map(ToString::to_string)
            .collect(),
        outcome: serde_json::to_value(&explanation.outcome).map_err(ApiError::unavailable)?,
        causes: causes.iter().map(FlowCauseView::from).collect(),
    }))
}

/// What is known of a session: the directory's record, what its host's agent sees, and its
/// history.
#[utoipa::path(get, path = "/explain/session/{id}", tag = "console",
    params(("id" = String, Path, description = "Id of the session")),
    responses((status = OK, body = SessionExplanationView), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn explain_session(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<Json<SessionExplanationView>> {
    require(&principal, Action::ReadSessions)?;
    let not_found =
        || ApiError::not_found("session").next_step("See which there are: portico sessions list");
    let id = SessionId::new(&id).map_err(|_| not_found())?;
    let query = SessionQuery {
        session: Some(id.clone()),
        limit: HISTORY_MAX,
        ..SessionQuery::default()
    };
    let history = portal
        .journal
        .sessions(query)
        .await
        .map_err(ApiError::unavailable)?;
    let session = portal
        .broker
        .session(&id)
        .await
        .map_err(ApiError::unavailable)?;
    if session.is_none() && history.records.is_empty() {
        return Err(not_found());
    }
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let seen = match &session {
        Some(session) => on_host(&portal, session).await?,
        None => None,
    };
    let broken = match &session {
        Some(session) => portal.broker.broken_flows(&session.host).await,
        None => Ok(BrokenFlows::default()),
    };
    let broken = broken.map_err(ApiError::unavailable)?;
    let records = history.records.iter().rev();
    Ok(Json(SessionExplanationView {
        session: session
            .as_ref()
            .map(|session| SessionView::new(session, &estate)),
        on_host: seen,
        broken_flows: broken.rows.iter().map(PortCheckRowView::from).collect(),
        causes: broken.causes.iter().map(FlowCauseView::from).collect(),
        history: serde_json::to_value(records.collect::<Vec<_>>())
            .map_err(ApiError::unavailable)?,
    }))
}

/// The session as the agent of its host sees it.
async fn on_host(portal: &Portal, session: &Session) -> ApiResult<Option<HostSessionView>> {
    let seen = portal
        .broker
        .host_sessions(&session.host)
        .await
        .map_err(ApiError::unavailable)?;
    let ours = seen
        .iter()
        .find(|seen| seen.session.as_ref() == Some(&session.id));
    Ok(ours.map(|ours| HostSessionView::new(&ours.seen, Some(session.id.to_string()))))
}
