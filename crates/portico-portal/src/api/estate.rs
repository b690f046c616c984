//! The estate: what it is, what a file would change, and changing it.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};
use portico_broker::ApplyError;
use portico_brokering::Action;
use portico_estate::{Draft, EstateError};

use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{Changing, SignedIn, require},
    views::{EstateRequest, PlanView},
};

/// How long an apply waits for the first look at new hosts.
const PROBE_PATIENCE: Duration = Duration::from_millis(1500);

/// The whole wanted estate, without password hashes.
#[utoipa::path(get, path = "/estate", tag = "console", responses((status = OK, body = Object)))]
pub(super) async fn current(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<serde_json::Value>> {
    require(&principal, Action::ReadEstate)?;
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let mut shown = portico_model::estate::Estate::clone(&estate);
    for user in shown.users.values_mut() {
        user.password_hash = None;
    }
    serde_json::to_value(shown)
        .map(Json)
        .map_err(ApiError::unavailable)
}

/// What an estate file would change.
#[utoipa::path(post, path = "/estate/plan", tag = "console", request_body = EstateRequest,
    responses((status = OK, body = PlanView), (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn plan(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Json(request): Json<EstateRequest>,
) -> ApiResult<Json<PlanView>> {
    require(&principal, Action::PlanEstate)?;
    let draft = read(&request)?;
    let plan = portal
        .broker
        .plan(&principal, &draft)
        .await
        .map_err(refused)?;
    view(&plan)
}

/// Makes an estate file true.
#[utoipa::path(post, path = "/estate/apply", tag = "console", request_body = EstateRequest,
    responses((status = OK, body = PlanView), (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn apply(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Json(request): Json<EstateRequest>,
) -> ApiResult<Json<PlanView>> {
    require(&principal, Action::ApplyEstate)?;
    let draft = read(&request)?;
    let plan = portal
        .broker
        .apply(&principal, draft)
        .await
        .map_err(refused)?;
    // So that who looks right afterwards sees which of the new hosts answer. Slow ones are left
    // to the next round.
    let _ = tokio::time::timeout(PROBE_PATIENCE, portal.broker.probe_hosts()).await;
    view(&plan)
}

fn view(plan: &portico_estate::Plan) -> ApiResult<Json<PlanView>> {
    let changes = serde_json::to_value(&plan.changes).map_err(ApiError::unavailable)?;
    Ok(Json(PlanView { changes }))
}

fn read(request: &EstateRequest) -> ApiResult<Draft> {
    portico_estate::parse(&request.file_name, &request.text).map_err(|errors| invalid(&errors))
}

fn invalid(errors: &[EstateError]) -> ApiError {
    let count = errors.len();
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "estate-invalid",
        format!(
            "The estate file has {count} {}",
            if count == 1 { "error" } else { "errors" }
        ),
    )
    .next_step("Mend the lines named and apply it again; nothing was changed")
    .details(serde_json::json!({ "errors": errors }))
}

fn refused(error: ApplyError) -> ApiError {
    match error {
        ApplyError::Forbidden(forbidden) => crate::signed_in::forbidden(&forbidden),
        ApplyError::NotAllowed => ApiError::role_missing("owner").reason(error.to_string()),
        ApplyError::Invalid { errors } => invalid(&errors),
        ApplyError::Password { .. } => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "password-unusable",
            error.to_string(),
        )
        .next_step("Give the user another password in the file and apply it again"),
        ApplyError::Busy(_) | ApplyError::Conflict => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string())
                .next_step("Try again in a few seconds; nothing was changed")
                .retry_after(3)
        }
        ApplyError::Store(error) => ApiError::unavailable(error),
    }
}
