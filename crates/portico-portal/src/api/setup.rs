//! Making the owner with the one-time set-up link.

use axum::{extract::State, http::StatusCode};
use portico_identity::{WeakPassword, check_new_password};
use portico_model::UserId;

use crate::{
    ApiError, ApiResult, Peer, Portal, error::ErrorBody, json::Json, setup, views::SetupRequest,
};

/// Longest name of a person or site.
const NAME_LEN_MAX: usize = 200;

/// Makes the owner. The token works once.
#[utoipa::path(post, path = "/setup", tag = "sign-in", security(()), request_body = SetupRequest,
    responses((status = NO_CONTENT), (status = FORBIDDEN, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody), (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn set_up(
    State(portal): State<Portal>,
    peer: Peer,
    Json(request): Json<SetupRequest>,
) -> ApiResult<StatusCode> {
    let now = portal.clock.now();
    let store = &portal.store;
    let token_invalid = || {
        ApiError::new(
            StatusCode::FORBIDDEN,
            "setup-token-invalid",
            "This set-up link is not good any more",
        )
        .reason("it was used, is older than a day, or a newer one was made")
        .next_step("Run `portico init` on the server to get a new link")
    };
    let good = setup::check(store.as_ref(), &request.token, now)
        .await
        .map_err(ApiError::unavailable)?
        .ok_or_else(token_invalid)?;
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    if !setup::is_needed(&estate) {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "setup-done",
            "The owner exists already",
        )
        .next_step("Sign in as the owner"));
    }
    let user = UserId::new(request.user.trim().to_lowercase())
        .map_err(|error| wrong("user", format!("the name {error}")))?;
    let display_name = text("display_name", &request.display_name, user.as_str())?;
    let site_name = text("site_name", &request.site_name, &estate.site.name)?;
    check_new_password(&user, &request.password).map_err(|weak| {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "weak-password",
            "This password is too weak",
        )
        .reason(weak.to_string())
        .next_step("Choose another one")
        .details(serde_json::json!({ "weakness": weakness(weak) }))
    })?;
    let hash = portal
        .local_users
        .hash(request.password)
        .await
        .map_err(ApiError::unavailable)?
        .map_err(ApiError::unavailable)?;
    if !setup::use_up(store, good)
        .await
        .map_err(ApiError::unavailable)?
    {
        return Err(token_invalid());
    }
    portal
        .broker
        .make_owner(&user, &display_name, hash, &site_name, peer.address())
        .await
        .map_err(ApiError::unavailable)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The rule that a password breaks, for pages in other languages.
fn weakness(weak: WeakPassword) -> &'static str {
    match weak {
        WeakPassword::TooShort { .. } => "too-short",
        WeakPassword::TooLong => "too-long",
        WeakPassword::Repeats => "repeats",
        WeakPassword::UserName => "user-name",
        WeakPassword::Common => "common",
    }
}

fn text(key: &str, value: &str, otherwise: &str) -> ApiResult<String> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(otherwise.to_owned());
    }
    if value.chars().count() > NAME_LEN_MAX {
        return Err(wrong(
            key,
            format!("at most {NAME_LEN_MAX} characters are allowed"),
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(wrong(key, "control characters are not allowed".into()));
    }
    Ok(value.to_owned())
}

fn wrong(key: &str, reason: String) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "wrong-argument",
        format!("\"{key}\" cannot be used"),
    )
    .reason(reason)
}
