//! What operators look at.

use axum::extract::{Query, State};
use portico_brokering::Action;
use portico_store::AuditQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    ApiError, ApiResult, Portal,
    json::Json,
    signed_in::{SignedIn, require},
    views::{KindView, LaunchRecordView, PoolView, ResourceView, UserView, placement_rule},
};

/// Most audit records of one answer.
const AUDIT_LIMIT_MAX: usize = 1000;
/// Launches of one answer unless told.
const LAUNCHES_LIMIT: usize = 100;

/// All pools.
#[utoipa::path(get, path = "/pools", tag = "console", responses((status = OK, body = Vec<PoolView>)))]
pub(super) async fn pools(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<Vec<PoolView>>> {
    require(&principal, Action::ReadEstate)?;
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
    let pools = estate
        .pools
        .iter()
        .map(|(id, pool)| PoolView {
            id: id.to_string(),
            title: pool.title.clone(),
            placement: placement_rule(pool.placement).into(),
            account: pool.account.template.clone(),
            session_policy: pool.session_policy.as_ref().map(ToString::to_string),
            hosts: estate
                .hosts
                .iter()
                .filter(|(_, host)| host.pool == *id)
                .map(|(host, _)| host.to_string())
                .collect(),
            sessions: count(
                sessions
                    .iter()
                    .filter(|s| s.pool == *id && s.state.is_running()),
            ),
        })
        .collect();
    Ok(Json(pools))
}

/// How many launches to read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LaunchesParams {
    /// How many at most, 100 unless told.
    limit: Option<usize>,
}

/// The last launches with their reasons, newest first.
#[utoipa::path(get, path = "/launches", tag = "console", params(LaunchesParams),
    responses((status = OK, body = Vec<LaunchRecordView>)))]
pub(super) async fn launches(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Query(params): Query<LaunchesParams>,
) -> ApiResult<Json<Vec<LaunchRecordView>>> {
    require(&principal, Action::ReadSessions)?;
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let records = portal
        .broker
        .recent_launches(params.limit.unwrap_or(LAUNCHES_LIMIT));
    let views = records.iter();
    Ok(Json(
        views
            .map(|record| LaunchRecordView::new(record, &estate))
            .collect(),
    ))
}

/// All published resources.
#[utoipa::path(get, path = "/resources", tag = "console",
    responses((status = OK, body = Vec<ResourceView>)))]
pub(super) async fn resources(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<Vec<ResourceView>>> {
    require(&principal, Action::ReadEstate)?;
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let resources = estate
        .resources
        .iter()
        .map(|(id, resource)| ResourceView {
            id: id.to_string(),
            title: resource.title.clone(),
            kind: KindView::from(&resource.kind),
            folder: resource.folder.clone(),
            pool: resource.kind.pool().map(ToString::to_string),
            entitlements: estate
                .entitlements
                .iter()
                .filter(|(_, entitlement)| entitlement.resources.contains(id))
                .map(|(entitlement, _)| entitlement.to_string())
                .collect(),
        })
        .collect();
    Ok(Json(resources))
}

/// All people known to Portico itself.
#[utoipa::path(get, path = "/users", tag = "console", responses((status = OK, body = Vec<UserView>)))]
pub(super) async fn users(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<Vec<UserView>>> {
    require(&principal, Action::ReadEstate)?;
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    Ok(Json(
        estate
            .users
            .iter()
            .map(|(id, user)| UserView::new(id, user, &estate))
            .collect(),
    ))
}

/// Which part of the audit log to read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// How many records at most, 100 unless told, 1000 at most.
    limit: Option<usize>,
    /// Only records before this sequence number.
    before: Option<u64>,
    /// Only what this person or part did.
    actor: Option<String>,
    /// Only actions that begin so, for example `agent.`.
    action: Option<String>,
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/audit", tag = "console", params(AuditParams),
    responses((status = OK, body = Vec<Object>)))]
pub(super) async fn audit(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Query(params): Query<AuditParams>,
) -> ApiResult<Json<serde_json::Value>> {
    require(&principal, Action::ReadAudit)?;
    let query = AuditQuery {
        limit: params.limit.unwrap_or(100).min(AUDIT_LIMIT_MAX),
        before: params.before,
        actor: params.actor.filter(|actor| !actor.is_empty()),
        action: params.action.filter(|action| !action.is_empty()),
        ..AuditQuery::default()
    };
    let records = portal
        .journal
        .audit(query)
        .await
        .map_err(ApiError::unavailable)?;
    serde_json::to_value(records)
        .map(Json)
        .map_err(ApiError::unavailable)
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
