//! Signing in and out.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use portico_identity::{NewSignIn, SignInError, SignedIn};
use portico_store::AuditEntry;

use crate::{
    ApiError, ApiResult, Peer, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{COOKIE, Changing, Proof, proof},
    views::{Me, SignInRequest, SiteView, TokenView},
};

/// What the sign-in page needs to know.
#[utoipa::path(get, path = "/site", tag = "sign-in", security(()),
    responses((status = OK, body = SiteView)))]
pub(super) async fn site(State(portal): State<Portal>) -> ApiResult<Json<SiteView>> {
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    Ok(Json(SiteView {
        name: estate.site.name.clone(),
        notice: estate.site.notice.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        setup_needed: !estate
            .users
            .values()
            .any(|user| user.password_hash.is_some()),
    }))
}

/// Signs in with a cookie.
#[utoipa::path(post, path = "/sign-in", tag = "sign-in", security(()),
    request_body = SignInRequest,
    responses((status = OK, body = Me), (status = UNAUTHORIZED, body = ErrorBody),
        (status = TOO_MANY_REQUESTS, body = ErrorBody)))]
pub(super) async fn sign_in(
    State(portal): State<Portal>,
    peer: Peer,
    Json(request): Json<SignInRequest>,
) -> ApiResult<Response> {
    let (made, me) = check(&portal, peer, request).await?;
    let mut response = Json(me).into_response();
    let cookie = format!(
        "{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
        made.cookie.expose(),
        made.expires_at.ms_since(made.signed_in_at) / 1000
    );
    set_cookie(&mut response, &cookie)?;
    Ok(response)
}

/// Signs in with a token, for programs.
#[utoipa::path(post, path = "/tokens", tag = "sign-in", security(()),
    request_body = SignInRequest,
    responses((status = CREATED, body = TokenView), (status = UNAUTHORIZED, body = ErrorBody),
        (status = TOO_MANY_REQUESTS, body = ErrorBody)))]
pub(super) async fn create_token(
    State(portal): State<Portal>,
    peer: Peer,
    Json(request): Json<SignInRequest>,
) -> ApiResult<(StatusCode, Json<TokenView>)> {
    let (made, me) = check(&portal, peer, request).await?;
    let view = TokenView {
        token: made.cookie.expose().to_owned(),
        me,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Signs out: the cookie or token is good for nothing any more.
#[utoipa::path(post, path = "/sign-out", tag = "sign-in", responses((status = NO_CONTENT)))]
pub(super) async fn sign_out(
    State(portal): State<Portal>,
    Changing(principal): Changing,
) -> ApiResult<Response> {
    if let Some(id) = &principal.sign_in {
        portal
            .sign_ins
            .revoke(id)
            .await
            .map_err(ApiError::unavailable)?;
        portal.broker.signed_out(&principal).await;
    }
    let entry = AuditEntry {
        at: portal.clock.now(),
        actor: principal.user.to_string(),
        action: "sign-out".into(),
        object: "portal".into(),
        outcome: "ok".into(),
        client_address: principal.client_address,
        detail: serde_json::Value::Null,
    };
    if let Err(error) = portal.journal.append_audit(entry).await {
        tracing::error!(%error, "The audit log cannot be written");
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let gone = format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    set_cookie(&mut response, &gone)?;
    Ok(response)
}

/// Who is signed in.
#[utoipa::path(get, path = "/me", tag = "sign-in",
    responses((status = OK, body = Me), (status = UNAUTHORIZED, body = ErrorBody)))]
pub(super) async fn me(State(portal): State<Portal>, request: Request) -> ApiResult<Json<Me>> {
    let (parts, _): (Parts, _) = request.into_parts();
    let me = match proof(&portal, &parts)
        .await?
        .ok_or_else(ApiError::not_signed_in)?
    {
        Proof::Cookie(sign_in) => me_of(&sign_in),
        Proof::Token(sign_in) => Me::new(
            &sign_in.principal,
            String::new(),
            Some(sign_in.expires_at.unix_ms()),
        ),
        Proof::Local(principal) => Me::new(&principal, String::new(), None),
    };
    Ok(Json(me))
}

fn me_of(sign_in: &SignedIn) -> Me {
    let csrf = sign_in.csrf_token().expose().to_owned();
    Me::new(&sign_in.principal, csrf, Some(sign_in.expires_at.unix_ms()))
}

async fn check(portal: &Portal, peer: Peer, request: SignInRequest) -> ApiResult<(NewSignIn, Me)> {
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let (principal, made) = portal
        .door
        .sign_in(&estate, &request.user, request.password, peer.address())
        .await
        .map_err(refused)?;
    let csrf = made.csrf_token.expose().to_owned();
    let me = Me::new(&principal, csrf, Some(made.expires_at.unix_ms()));
    Ok((made, me))
}

fn refused(error: SignInError) -> ApiError {
    match error {
        SignInError::WrongCredentials => ApiError::new(
            StatusCode::UNAUTHORIZED,
            "wrong-credentials",
            "The name or the password is wrong",
        )
        .next_step("Check both and try again"),
        SignInError::Locked { retry_after_s } => ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "locked",
            "Too many wrong attempts",
        )
        .reason("after several wrong passwords each further attempt has to wait")
        .next_step(format!("Try again in {retry_after_s} seconds"))
        .retry_after(retry_after_s),
        SignInError::Busy => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Many people are signing in",
        )
        .next_step("Try again in a few seconds")
        .retry_after(3),
        SignInError::State(error) => ApiError::unavailable(error),
    }
}

fn set_cookie(response: &mut Response, cookie: &str) -> ApiResult<()> {
    let value = HeaderValue::from_str(cookie).map_err(ApiError::unavailable)?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}
