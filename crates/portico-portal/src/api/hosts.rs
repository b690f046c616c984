//! Hosts: what is seen of them, and what operators do to them.

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use portico_broker::{Fingerprint, HostActError, OrderError};
use portico_brokering::Action;
use portico_model::HostId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{Changing, SignedIn, forbidden, require},
    views::{
        HostSessionView, HostView, LoadHistoryView, MessageRequest, ModeRequest, OutcomeView,
        ProbeRequest, ReasonRequest, RejectRequest, RestartRequest, SeenRequest,
    },
};

/// Minutes of history unless told.
const HISTORY_MINUTES: u32 = 60;

/// All hosts, with what is seen of them.
#[utoipa::path(get, path = "/hosts", tag = "console", responses((status = OK, body = Vec<HostView>)))]
pub(super) async fn hosts(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<Vec<HostView>>> {
    require(&principal, Action::ReadEstate)?;
    let hosts = portal
        .broker
        .host_views()
        .await
        .map_err(ApiError::unavailable)?;
    Ok(Json(hosts.iter().map(HostView::from).collect()))
}

/// Which part of the history to read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LoadParams {
    /// How many minutes back, 60 unless told, 60 at most.
    minutes: Option<u32>,
}

/// Load of a host over time.
#[utoipa::path(get, path = "/hosts/{id}/load", tag = "console",
    params(("id" = String, Path, description = "Id of the host"), LoadParams),
    responses((status = OK, body = LoadHistoryView), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn load(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Path(id): Path<String>,
    Query(params): Query<LoadParams>,
) -> ApiResult<Json<LoadHistoryView>> {
    require(&principal, Action::ReadEstate)?;
    let host = known_host(&portal, &id).await?;
    let minutes = params.minutes.unwrap_or(HISTORY_MINUTES);
    Ok(Json(portal.broker.load_history(&host, minutes).into()))
}

/// Sessions on a host, as its agent sees them.
#[utoipa::path(get, path = "/hosts/{id}/sessions", tag = "console",
    params(("id" = String, Path, description = "Id of the host")),
    responses((status = OK, body = Vec<HostSessionView>), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn sessions(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Path(id): Path<String>,
) -> ApiResult<Json<Vec<HostSessionView>>> {
    require(&principal, Action::ReadSessions)?;
    let host = known_host(&portal, &id).await?;
    let sessions = portal
        .broker
        .host_sessions(&host)
        .await
        .map_err(ApiError::unavailable)?;
    let view = |session: &portico_broker::HostSessionView| {
        HostSessionView::new(
            &session.seen,
            session.session.as_ref().map(ToString::to_string),
        )
    };
    Ok(Json(sessions.iter().map(view).collect()))
}

/// Sets what a host takes, beside what the estate says; the stricter counts.
#[utoipa::path(post, path = "/hosts/{id}/mode", tag = "console", request_body = ModeRequest,
    params(("id" = String, Path, description = "Id of the host")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody)))]
pub(super) async fn set_mode(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
    Json(request): Json<ModeRequest>,
) -> ApiResult<StatusCode> {
    require(&principal, Action::OperateHosts)?;
    portal
        .broker
        .set_host_mode(
            &principal,
            &host_id(&id)?,
            request.mode.into(),
            &request.reason,
            request.until_restart,
        )
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets the machine that waits be the agent of a host, if it is the one that was shown.
#[utoipa::path(post, path = "/hosts/{id}/approve", tag = "console", request_body = SeenRequest,
    params(("id" = String, Path, description = "Id of the host")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody), (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn approve(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
    Json(request): Json<SeenRequest>,
) -> ApiResult<StatusCode> {
    require(&principal, Action::OperateHosts)?;
    portal
        .broker
        .approve_agent(&principal, &host_id(&id)?, &seen(&request.fingerprint)?)
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Turns the machine that waits away; with a fingerprint only the one that was shown.
#[utoipa::path(post, path = "/hosts/{id}/reject", tag = "console", request_body = RejectRequest,
    params(("id" = String, Path, description = "Id of the host")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody), (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn reject(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
    Json(request): Json<RejectRequest>,
) -> ApiResult<StatusCode> {
    require(&principal, Action::OperateHosts)?;
    let seen = request.fingerprint.as_deref().map(seen).transpose()?;
    portal
        .broker
        .reject_agent(&principal, &host_id(&id)?, seen.as_ref())
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accepts the identities that the agent of a host reports, if they are the ones that were shown.
#[utoipa::path(post, path = "/hosts/{id}/trust", tag = "console", request_body = SeenRequest,
    params(("id" = String, Path, description = "Id of the host")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody), (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn trust(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
    Json(request): Json<SeenRequest>,
) -> ApiResult<StatusCode> {
    require(&principal, Action::OperateHosts)?;
    portal
        .broker
        .trust_host(&principal, &host_id(&id)?, &seen(&request.fingerprint)?)
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shuts the agent of a host out; it needs a new join token to come back.
#[utoipa::path(post, path = "/hosts/{id}/revoke", tag = "console", request_body = ReasonRequest,
    params(("id" = String, Path, description = "Id of the host")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody)))]
pub(super) async fn revoke(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
    Json(request): Json<ReasonRequest>,
) -> ApiResult<StatusCode> {
    require(&principal, Action::OperateHosts)?;
    portal
        .broker
        .revoke_agent(&principal, &host_id(&id)?, &request.reason)
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows a text to everybody who has a session on a host.
#[utoipa::path(post, path = "/hosts/{id}/message", tag = "console", request_body = MessageRequest,
    params(("id" = String, Path, description = "Id of the host")),
    responses((status = OK, body = OutcomeView), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody)))]
pub(super) async fn message(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
    Json(request): Json<MessageRequest>,
) -> ApiResult<Json<OutcomeView>> {
    require(&principal, Action::OperateHosts)?;
    portal
        .broker
        .message_host(&principal, &host_id(&id)?, &request.text)
        .await
        .map(|outcome| Json(outcome.into()))
        .map_err(refused)
}

/// Restarts a host.
#[utoipa::path(post, path = "/hosts/{id}/restart", tag = "console", request_body = RestartRequest,
    params(("id" = String, Path, description = "Id of the host")),
    responses((status = OK, body = OutcomeView), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody)))]
pub(super) async fn restart(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
    Json(request): Json<RestartRequest>,
) -> ApiResult<Json<OutcomeView>> {
    require(&principal, Action::OperateHosts)?;
    portal
        .broker
        .restart_host(&principal, &host_id(&id)?, request.after_s, &request.text)
        .await
        .map(|outcome| Json(outcome.into()))
        .map_err(refused)
}

/// Lets the agent of a host try the protocol of another host of the estate.
#[utoipa::path(post, path = "/hosts/{id}/probe", tag = "console", request_body = ProbeRequest,
    params(("id" = String, Path, description = "Id of the host that probes")),
    responses((status = OK, body = OutcomeView), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody)))]
pub(super) async fn probe(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
    Json(request): Json<ProbeRequest>,
) -> ApiResult<Json<OutcomeView>> {
    require(&principal, Action::OperateHosts)?;
    portal
        .broker
        .probe_from(&principal, &host_id(&id)?, &host_id(&request.host)?)
        .await
        .map(|outcome| Json(outcome.into()))
        .map_err(refused)
}

pub(super) fn host_id(text: &str) -> ApiResult<HostId> {
    HostId::new(text).map_err(|_| no_such_host())
}

/// What an operator says to have seen.
fn seen(text: &str) -> ApiResult<Fingerprint> {
    Fingerprint::new(text).map_err(|error| {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong-fingerprint",
            capital(&error.to_string()),
        )
        .next_step("Give the one that is shown: portico hosts waiting")
    })
}

async fn known_host(portal: &Portal, text: &str) -> ApiResult<HostId> {
    let host = host_id(text)?;
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    if estate.hosts.contains_key(&host) {
        Ok(host)
    } else {
        Err(no_such_host())
    }
}

pub(super) fn no_such_host() -> ApiError {
    ApiError::not_found("host").next_step("See which there are: portico hosts list")
}

/// Why an act on a host was refused, as the API says it.
pub(super) fn refused(error: HostActError) -> ApiError {
    let conflict = |code: &str, next: &str| {
        ApiError::new(StatusCode::CONFLICT, code, capital(&error.to_string())).next_step(next)
    };
    match &error {
        HostActError::Forbidden(missing) => forbidden(missing),
        HostActError::NoSuchHost { .. } => no_such_host(),
        HostActError::NotManaged { .. } => conflict(
            "not-managed",
            "Set agent = \"required\" for the host in the estate, apply it, and let its agent join",
        ),
        HostActError::NothingWaits { .. } => {
            conflict("nothing-waits", "See what waits: portico hosts waiting")
        }
        HostActError::AnotherWaits { seen, waiting, .. } => conflict(
            "waiting-changed",
            "Look at what waits now, compare it with the host itself, and decide about that: \
             portico hosts waiting",
        )
        .details(serde_json::json!({ "seen": seen.as_str(), "waiting": waiting.as_str() })),
        HostActError::NeverJoined { .. } => conflict(
            "never-joined",
            "Make a join token and run the agent on the host: portico tokens create --host NAME",
        ),
        HostActError::EstateIsStricter { .. } => conflict(
            "estate-is-stricter",
            "Change the host's mode in the estate file and apply it",
        ),
        HostActError::BootUnknown { .. } => conflict(
            "boot-unknown",
            "Leave \"until restart\" out, or try again when the agent is connected",
        ),
        HostActError::TooLarge { .. } => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too-large",
            capital(&error.to_string()),
        )
        .next_step("Give less"),
        HostActError::Order(order) => conflict(
            "agent-did-not-answer",
            match order {
                OrderError::NoAgent { .. } | OrderError::Silent { .. } => {
                    "See whether the agent runs on the host and reaches port 30004 of the broker"
                }
                OrderError::TimedOut { .. } | OrderError::TooMany { .. } => {
                    "Look at the host, then try again"
                }
            },
        ),
        HostActError::Busy { .. } => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            capital(&error.to_string()),
        )
        .next_step("Try again")
        .retry_after(1),
        HostActError::Store(store) => ApiError::unavailable(store),
    }
}

/// Errors of the broker begin in lower case, answers to people do not.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
