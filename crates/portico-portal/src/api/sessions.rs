//! Sessions: the user's own, and everybody's for those with a role.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use portico_broker::SessionActError;
use portico_brokering::Action;
use portico_model::SessionId;

use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{Changing, SignedIn, require},
    views::{EndView, MessageRequest, OutcomeView, SessionView},
};

/// All sessions that are not over.
#[utoipa::path(get, path = "/sessions", tag = "console",
    responses((status = OK, body = Vec<SessionView>)))]
pub(super) async fn list(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<Vec<SessionView>>> {
    require(&principal, Action::ReadSessions)?;
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let sessions = portal
        .broker
        .sessions()
        .await
        .map_err(ApiError::unavailable)?;
    Ok(Json(
        sessions
            .iter()
            .map(|session| SessionView::new(session, &estate))
            .collect(),
    ))
}

/// Closes the connection of a session; the session goes on.
#[utoipa::path(post, path = "/sessions/{id}/disconnect", tag = "workspace",
    params(("id" = String, Path, description = "Id of the session")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn disconnect(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let session = SessionId::new(&id).map_err(|_| ApiError::not_found("session"))?;
    portal
        .broker
        .disconnect(&principal, &session)
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "workspace",
    params(("id" = String, Path, description = "Id of the session")),
    responses((status = OK, body = EndView), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn end(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
) -> ApiResult<Json<EndView>> {
    let session = SessionId::new(&id).map_err(|_| ApiError::not_found("session"))?;
    let ended = portal
        .broker
        .end(&principal, &session)
        .await
        .map_err(refused)?;
    let message = if ended.host_keeps_it {
        format!(
            "The session is closed here. Host {} has no agent, so programs may still run there; \
             to end them, log off inside the desktop",
            ended.host
        )
    } else {
        "The session and its programs are ended".to_owned()
    };
    Ok(Json(EndView {
        host_keeps_it: ended.host_keeps_it,
        message,
    }))
}

/// Shows a text to the user of a session, on their screen.
#[utoipa::path(post, path = "/sessions/{id}/message", tag = "console",
    request_body = MessageRequest,
    params(("id" = String, Path, description = "Id of the session")),
    responses((status = OK, body = OutcomeView), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody)))]
pub(super) async fn message(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
    Json(request): Json<MessageRequest>,
) -> ApiResult<Json<OutcomeView>> {
    require(&principal, Action::MessageSessions)?;
    let session = SessionId::new(&id).map_err(|_| ApiError::not_found("session"))?;
    portal
        .broker
        .message_session(&principal, &session, &request.text)
        .await
        .map(|outcome| Json(outcome.into()))
        .map_err(refused)
}

fn refused(error: SessionActError) -> ApiError {
    match error {
        SessionActError::NotFound => ApiError::not_found("session"),
        other => ApiError::unavailable(other),
    }
}
