//! What a user is offered and runs.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use portico_model::ResourceId;

use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{Changing, SignedIn},
    views::{AvailabilityState, AvailabilityView, KindView, OfferView, SessionView, WorkspaceView},
};

/// What this person may launch, and what they have running.
#[utoipa::path(get, path = "/workspace", tag = "workspace", responses(
    (status = OK, body = WorkspaceView), (status = UNAUTHORIZED, body = ErrorBody)))]
pub(super) async fn workspace(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<WorkspaceView>> {
    let workspace = portal
        .broker
        .workspace(&principal)
        .await
        .map_err(ApiError::unavailable)?;
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let resources = workspace
        .resources
        .into_iter()
        .map(|offer| OfferView {
            id: offer.id.to_string(),
            kind: KindView::from(&offer.kind),
            url: match &offer.kind {
                portico_model::estate::ResourceKind::Link { url } => Some(url.clone()),
                _ => None,
            },
            title: offer.title,
            icon: offer.icon,
            folder: offer.folder,
            description: offer.description,
            favourite: offer.favourite,
            availability: availability(offer.refusal.as_ref()),
        })
        .collect();
    let sessions = workspace
        .sessions
        .iter()
        .map(|s| SessionView::new(s, &estate))
        .collect();
    Ok(Json(WorkspaceView {
        resources,
        sessions,
    }))
}

fn availability(refusal: Option<&portico_model::launch::Refusal>) -> AvailabilityView {
    match refusal {
        None => AvailabilityView {
            state: AvailabilityState::Available,
            reason: None,
            next_step: None,
            refusal: None,
        },
        Some(refusal) => {
            let words = crate::words::refusal(refusal);
            AvailabilityView {
                state: AvailabilityState::Unavailable,
                reason: Some(words.reason),
                next_step: Some(words.next_step),
                refusal: serde_json::to_value(crate::words::for_users(refusal)).ok(),
            }
        }
    }
}

/// Marks a resource as a favourite.
#[utoipa::path(put, path = "/favourites/{resource}", tag = "workspace",
    params(("resource" = String, Path, description = "Id of the resource")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn add_favourite(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(resource): Path<String>,
) -> ApiResult<StatusCode> {
    set_favourite(&portal, &principal, &resource, true).await
}

/// Takes the mark away.
#[utoipa::path(delete, path = "/favourites/{resource}", tag = "workspace",
    params(("resource" = String, Path, description = "Id of the resource")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn remove_favourite(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Path(resource): Path<String>,
) -> ApiResult<StatusCode> {
    set_favourite(&portal, &principal, &resource, false).await
}

async fn set_favourite(
    portal: &Portal,
    principal: &portico_model::people::Principal,
    resource: &str,
    favourite: bool,
) -> ApiResult<StatusCode> {
    let resource = ResourceId::new(resource).map_err(|_| ApiError::not_found("resource"))?;
    let found = portal
        .broker
        .set_favourite(principal, &resource, favourite)
        .await
        .map_err(ApiError::unavailable)?;
    if found {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("resource"))
    }
}
