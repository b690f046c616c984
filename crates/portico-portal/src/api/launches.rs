//! Launching, and coming back to a session.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use portico_broker::{CauseKind, Launch, LaunchError};
use portico_model::{ResourceId, SessionId, launch::Client, people::Principal};

use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::ChangingWithPassword,
    views::{GatewayView, LaunchRequest, LaunchView, ReconnectRequest, ViewerKind},
    words,
};

/// Seconds after which somebody asks again who was refused because others are just signing in.
const SIGN_IN_RETRY_S: u64 = 3;

/// Launches a resource, or resumes the running session of it.
#[utoipa::path(post, path = "/launches", tag = "workspace", request_body = LaunchRequest,
    responses((status = CREATED, body = LaunchView),
        (status = NOT_FOUND, body = ErrorBody, description = "No such resource for this person"),
        (status = CONFLICT, body = ErrorBody, description = "Refused; `details` has the reasons"),
        (status = SERVICE_UNAVAILABLE, body = ErrorBody)))]
pub(super) async fn launch(
    State(portal): State<Portal>,
    caller: ChangingWithPassword,
    Json(request): Json<LaunchRequest>,
) -> ApiResult<(StatusCode, Json<LaunchView>)> {
    let resource =
        ResourceId::new(&request.resource).map_err(|_| ApiError::not_found("resource"))?;
    let client = client(&caller.principal);
    let password = caller.password()?;
    let launch = portal
        .broker
        .launch(&caller.principal, &resource, client, password)
        .await;
    let launch = granted(&portal, launch).await?;
    view(&portal, launch)
        .await
        .map(|view| (StatusCode::CREATED, Json(view)))
}

/// Comes back to a session with its reconnect grant.
#[utoipa::path(post, path = "/sessions/{id}/reconnect", tag = "workspace",
    params(("id" = String, Path, description = "Id of the session")),
    request_body = ReconnectRequest,
    responses((status = OK, body = LaunchView), (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, body = ErrorBody)))]
pub(super) async fn reconnect(
    State(portal): State<Portal>,
    caller: ChangingWithPassword,
    Path(id): Path<String>,
    Json(request): Json<ReconnectRequest>,
) -> ApiResult<Json<LaunchView>> {
    let session = SessionId::new(&id).map_err(|_| ApiError::not_found("session"))?;
    let client = client(&caller.principal);
    let password = caller.password()?;
    let launch = portal
        .broker
        .reconnect(
            &caller.principal,
            &session,
            request.grant.expose(),
            client,
            password,
        )
        .await;
    let launch = granted(&portal, launch).await?;
    view(&portal, launch).await.map(Json)
}

fn client(principal: &Principal) -> Client {
    Client {
        address: principal.client_address,
    }
}

async fn view(portal: &Portal, launch: Launch) -> ApiResult<LaunchView> {
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let title = estate.resources.get(&launch.resource).map_or_else(
        || launch.resource.to_string(),
        |resource| resource.title.clone(),
    );
    let viewer = ViewerKind::from(launch.protocol);
    let path = match viewer {
        ViewerKind::Desktop => "/session/desktop",
        ViewerKind::Terminal => "/session/terminal",
    };
    Ok(LaunchView {
        session: launch.session.to_string(),
        resource: launch.resource.to_string(),
        title,
        viewer,
        ticket: launch.ticket.expose().to_owned(),
        ticket_expires_at_ms: launch.ticket_expires_at.unix_ms(),
        reconnect_grant: launch.reconnect_grant.expose().to_owned(),
        resumed: launch.resumed,
        gateway: GatewayView { path: path.into() },
        policy: (&launch.policy).into(),
        host: launch.placement.host.to_string(),
    })
}

/// What was granted; a refusal gets the cause that the port check knows.
async fn granted(portal: &Portal, outcome: Result<Launch, LaunchError>) -> ApiResult<Launch> {
    let error = match outcome {
        Ok(launch) => return Ok(launch),
        Err(error) => error,
    };
    let cause = match &error {
        LaunchError::Refused(refusal) => portal.broker.cause_of_refusal(refusal).await,
        _ => None,
    };
    Err(refused(error, cause))
}

fn refused(error: LaunchError, cause: Option<CauseKind>) -> ApiError {
    use portico_model::launch::Refusal;
    let refusal = match error {
        LaunchError::Refused(refusal) => refusal,
        LaunchError::SessionNotFound => {
            return ApiError::new(
                StatusCode::NOT_FOUND,
                "session-not-found",
                "There is no such session any more",
            )
            .next_step("Launch it again");
        }
        LaunchError::GrantNotGood => {
            return ApiError::new(
                StatusCode::CONFLICT,
                "taken-over",
                "The session was taken over by another viewer",
            )
            .next_step("Launch it again to take it back");
        }
        other => return ApiError::unavailable(other),
    };
    let (status, code) = match &refusal {
        Refusal::NotFound { .. } => (StatusCode::NOT_FOUND, "resource-not-found"),
        Refusal::StoreAway { .. } => (StatusCode::SERVICE_UNAVAILABLE, "store-away"),
        _ => (StatusCode::CONFLICT, "launch-refused"),
    };
    let cause = cause.map(CauseKind::slug);
    let (words, details) = match words::unreached(&refusal, cause) {
        // The reasons would name the hosts.
        Some(words) => (words, None),
        None => (words::refusal(&refusal), Some(words::for_users(&refusal))),
    };
    let error = ApiError::new(status, code, words.message)
        .reason(words.reason)
        .next_step(words.next_step)
        .cause(cause)
        .details(details);
    match &refusal {
        Refusal::StoreAway { detail } => error.retry_after(5).internal(detail),
        Refusal::Busy => error.retry_after(SIGN_IN_RETRY_S),
        Refusal::NoHost { hosts, .. } if words::waits_for_sign_ins(hosts) => {
            error.retry_after(SIGN_IN_RETRY_S)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::header, response::IntoResponse};
    use portico_model::{
        HostId, PoolId,
        launch::{HostVerdict, NotChosen, Refusal},
    };

    use super::*;

    /// What `Retry-After` says when the hosts of a pool are not chosen for `reasons`.
    fn retry_after(reasons: Vec<NotChosen>) -> Option<String> {
        let hosts = reasons.into_iter().enumerate().map(|(at, reason)| {
            let host = HostId::new(format!("h{at}")).unwrap();
            HostVerdict { host, reason }
        });
        let refusal = Refusal::NoHost {
            pool: PoolId::new("p").unwrap(),
            hosts: hosts.collect(),
        };
        let response = refused(LaunchError::Refused(refusal), None).into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        let value = response.headers().get(header::RETRY_AFTER)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_who_waits_for_others_to_sign_in_is_told_when_to_ask_again() {
        let storm = NotChosen::SignInsInProgress {
            sign_ins: 2,
            sign_ins_max: 2,
        };
        let full = NotChosen::Full {
            sessions: 20,
            sessions_max: 20,
        };
        assert_eq!(retry_after(vec![storm.clone()]), Some("3".into()));
        assert_eq!(retry_after(vec![full.clone(), storm]), Some("3".into()));
        assert_eq!(retry_after(vec![full]), None);
        assert_eq!(retry_after(Vec::new()), None);
    }

    #[tokio::test]
    async fn that_nobody_answers_is_told_with_its_cause_and_without_names() {
        let refusal = Refusal::NoHost {
            pool: PoolId::new("p").unwrap(),
            hosts: vec![HostVerdict {
                host: HostId::new("inner7").unwrap(),
                reason: NotChosen::Unreachable {
                    detail: "192.0.2.7 port 3389".into(),
                },
            }],
        };
        let kind = CauseKind::FirewallDrops;
        let response = refused(LaunchError::Refused(refusal), Some(kind)).into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
        let error: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(error["error"]["cause"], "firewall-drops");
        assert_eq!(error["error"]["code"], "launch-refused");
        for inner in ["inner7", "192.0.2.7", "details"] {
            assert!(!body.contains(inner), "{body}");
        }
    }
}
