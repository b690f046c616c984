//! Planned maintenances of hosts.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use portico_broker::MaintenanceError;
use portico_brokering::Action;
use portico_model::MaintenanceId;

use super::hosts::{capital, host_id, refused as host_refused};
use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{Changing, SignedIn, forbidden, require},
    views::{MaintenanceRequest, MaintenanceView},
};

/// Hosts in one maintenance.
const HOSTS_MAX: usize = 10_000;

/// All maintenances that are planned, or were lately.
#[utoipa::path(get, path = "/maintenances", tag = "console",
    responses((status = OK, body = Vec<MaintenanceView>)))]
pub(super) async fn list(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<Vec<MaintenanceView>>> {
    require(&principal, Action::ReadEstate)?;
    let now = portal.clock.now();
    let maintenances = portal
        .broker
        .maintenances()
        .await
        .map_err(ApiError::unavailable)?;
    let views = maintenances.iter();
    Ok(Json(
        views
            .map(|maintenance| MaintenanceView::new(maintenance, now))
            .collect(),
    ))
}

/// Plans a maintenance.
#[utoipa::path(post, path = "/maintenances", tag = "console", request_body = MaintenanceRequest,
    responses((status = CREATED, body = MaintenanceView), (status = NOT_FOUND, body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn plan(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Json(request): Json<MaintenanceRequest>,
) -> ApiResult<(StatusCode, Json<MaintenanceView>)> {
    require(&principal, Action::OperateHosts)?;
    if request.hosts.len() > HOSTS_MAX {
        return Err(wrong(format!(
            "A maintenance has at most {HOSTS_MAX} hosts"
        )));
    }
    let hosts = request.hosts.iter().map(|host| host_id(host));
    let hosts = hosts.collect::<ApiResult<Vec<_>>>()?;
    let planned = portal
        .broker
        .plan_maintenance(&principal, request.with_hosts(hosts))
        .await
        .map_err(refused)?;
    let view = MaintenanceView::new(&planned, portal.clock.now());
    Ok((StatusCode::CREATED, Json(view)))
}

/// Cancels a maintenance; its hosts go back to what they were.
#[utoipa::path(delete, path = "/maintenances/{id}", tag = "console",
    params(("id" = String, Path, description = "Id of the maintenance")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn cancel(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    require(&principal, Action::OperateHosts)?;
    let id = MaintenanceId::new(&id).map_err(|_| no_such_maintenance())?;
    portal
        .broker
        .cancel_maintenance(&principal, &id)
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_such_maintenance() -> ApiError {
    ApiError::not_found("maintenance")
}

fn wrong(message: String) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "wrong-maintenance",
        message,
    )
    .next_step("Correct it and plan it again")
}

fn refused(error: MaintenanceError) -> ApiError {
    match error {
        MaintenanceError::Forbidden(missing) => forbidden(&missing),
        MaintenanceError::Host(host) => host_refused(host),
        MaintenanceError::NotFound => no_such_maintenance(),
        MaintenanceError::Store(source) => ApiError::unavailable(source),
        #[allow(unreachable_patterns, reason = "the vocabulary grows")]
        other => wrong(capital(&other.to_string())),
    }
}
