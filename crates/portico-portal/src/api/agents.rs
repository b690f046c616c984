//! Agents that wait for an operator, and the join tokens by which they come.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use portico_broker::{NewJoinToken, TokenError};
use portico_brokering::Action;
use portico_model::JoinTokenId;

use super::hosts::{capital, host_id, refused as host_refused};
use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{Changing, SignedIn, forbidden, require},
    views::{JoinTokenRequest, JoinTokenView, NewJoinTokenView, WaitingView},
};

/// Life of a join token unless told, in seconds.
const LIFE_S: u32 = 3_600;

/// What about agents waits for an operator.
#[utoipa::path(get, path = "/agents/waiting", tag = "console",
    responses((status = OK, body = Vec<WaitingView>)))]
pub(super) async fn waiting(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<Vec<WaitingView>>> {
    require(&principal, Action::ReadEstate)?;
    let waiting = portal
        .broker
        .agents_waiting()
        .await
        .map_err(ApiError::unavailable)?;
    Ok(Json(waiting.iter().map(WaitingView::from).collect()))
}

/// The join tokens of the last day, without their secrets.
#[utoipa::path(get, path = "/join-tokens", tag = "console",
    responses((status = OK, body = Vec<JoinTokenView>)))]
pub(super) async fn tokens(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<Vec<JoinTokenView>>> {
    require(&principal, Action::ReadEstate)?;
    let tokens = portal
        .broker
        .join_tokens()
        .await
        .map_err(ApiError::unavailable)?;
    Ok(Json(tokens.iter().map(JoinTokenView::from).collect()))
}

/// Makes a join token. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/join-tokens", tag = "console", request_body = JoinTokenRequest,
    responses((status = CREATED, body = NewJoinTokenView), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody), (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn create_token(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Json(request): Json<JoinTokenRequest>,
) -> ApiResult<(StatusCode, Json<NewJoinTokenView>)> {
    require(&principal, Action::OperateHosts)?;
    let new = NewJoinToken {
        host: host_id(&request.host)?,
        enable: request.enable,
        rejoin: request.rejoin,
        life_s: request.life_s.unwrap_or(LIFE_S),
    };
    let (token, view) = portal
        .broker
        .create_join_token(&principal, new)
        .await
        .map_err(refused)?;
    let text = token.to_text();
    let token = text.expose();
    let answer = NewJoinTokenView {
        id: view.id.to_string(),
        token: token.to_owned(),
        host: view.host.to_string(),
        expires_at_ms: view.expires_at.unix_ms(),
        command: format!("portico agent --join {token}"),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Revokes a join token that was not used.
#[utoipa::path(delete, path = "/join-tokens/{id}", tag = "console",
    params(("id" = String, Path, description = "Id of the token")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn revoke_token(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    require(&principal, Action::OperateHosts)?;
    let id = JoinTokenId::new(&id).map_err(|_| no_such_token())?;
    portal
        .broker
        .revoke_join_token(&principal, &id)
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_such_token() -> ApiError {
    ApiError::not_found("join token").next_step("See which there are: portico tokens list")
}

fn refused(error: TokenError) -> ApiError {
    let answer = |status, code: &str, next: &str| {
        ApiError::new(status, code, capital(&error.to_string())).next_step(next)
    };
    match &error {
        TokenError::Forbidden(missing) => forbidden(missing),
        TokenError::Host(host) => host_refused(host.clone()),
        TokenError::Life { .. } => answer(
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong-life",
            "Leave the life out for one hour",
        ),
        TokenError::NotServed => answer(
            StatusCode::CONFLICT,
            "agents-not-served",
            "Add the section [agents] to the server's settings and restart it",
        ),
        TokenError::TooMany => answer(
            StatusCode::CONFLICT,
            "too-many-tokens",
            "Revoke tokens that are not needed: portico tokens list",
        ),
        TokenError::NotFound => no_such_token(),
        TokenError::NoRandomness(source) => ApiError::unavailable(source),
        TokenError::Store(source) => ApiError::unavailable(source),
    }
}
