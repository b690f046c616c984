//! The port check: what was found out last, how it changed, why a flow is as it is, and checking
//! now.

use axum::{
    extract::{Query, State},
    http::StatusCode,
};
use portico_broker::{FlowExplainError, FlowQuestion, PORT_CHECK_ROWS_MAX, PortCheckFilter};
use portico_brokering::Action;
use portico_catalogue::Transport;
use portico_model::HostId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    hosts::{host_id, no_such_host, refused},
    ports::unknown,
};
use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{Changing, SignedIn, require},
    views::{FlowExplanationView, PortChangeView, PortCheckRequest, PortChecksView},
};

/// Rows of one answer unless told.
const ROWS: usize = 2_000;
/// Hosts that one request may name.
const FROM_MAX: usize = 1_000;
/// Every verdict there is.
const VERDICTS: &[&str] = &[
    "proven",
    "reachable",
    "wrong-service",
    "refused",
    "no-answer",
    "blocked",
    "not-resolvable",
    "skipped",
    "not-checked",
];

/// Which flows to tell of.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChecksParams {
    /// Only those that this host opens.
    from: Option<String>,
    /// Only those to this host.
    to: Option<String>,
    /// Only those with this verdict.
    verdict: Option<String>,
    /// How many at most, 2000 unless told, 20000 at most.
    limit: Option<usize>,
}

/// The flows of the plan with their last verdicts.
#[utoipa::path(get, path = "/ports/checks", tag = "console", params(ChecksParams),
    responses((status = OK, body = PortChecksView), (status = NOT_FOUND, body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn checks(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Query(params): Query<ChecksParams>,
) -> ApiResult<Json<PortChecksView>> {
    require(&principal, Action::ReadEstate)?;
    let verdict = params.verdict.filter(|verdict| !verdict.is_empty());
    if let Some(verdict) = &verdict
        && !VERDICTS.contains(&verdict.as_str())
    {
        return Err(unknown("verdict", verdict, VERDICTS));
    }
    let filter = PortCheckFilter {
        from: host(params.from)?,
        to: host(params.to)?,
        verdict,
        limit: params.limit.unwrap_or(ROWS).min(PORT_CHECK_ROWS_MAX),
    };
    let table = portal.broker.port_checks(&filter).await;
    let table = table.map_err(ApiError::unavailable)?;
    Ok(Json(PortChecksView::from(&table)))
}

/// Which changes to tell of.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesParams {
    /// Only those of this flow.
    flow: Option<String>,
    /// Only those of flows that this host opens.
    from: Option<String>,
    /// Only those of flows to this host.
    to: Option<String>,
}

/// How verdicts changed, newest first; the last changes between each two hosts are kept.
#[utoipa::path(get, path = "/ports/checks/history", tag = "console", params(ChangesParams),
    responses((status = OK, body = Vec<PortChangeView>), (status = NOT_FOUND, body = ErrorBody)))]
pub(super) async fn history(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Query(params): Query<ChangesParams>,
) -> ApiResult<Json<Vec<PortChangeView>>> {
    require(&principal, Action::ReadEstate)?;
    let flow = params.flow.filter(|flow| !flow.is_empty());
    let (from, to) = (host(params.from)?, host(params.to)?);
    let changes = portal
        .broker
        .port_changes(flow.as_deref(), from.as_ref(), to.as_ref())
        .await
        .map_err(ApiError::unavailable)?;
    Ok(Json(changes.iter().map(PortChangeView::from).collect()))
}

/// Which flow to explain.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExplainParams {
    /// The host that listens.
    #[serde(default)]
    #[param(required = true)]
    to: String,
    /// The port, 1 to 65535.
    #[serde(default)]
    #[param(required = true, value_type = u16)]
    port: String,
    /// `tcp` or `udp`; both when not told.
    transport: Option<String>,
    /// The host that opens it; every host that does when not told.
    from: Option<String>,
}

/// Why a flow works or does not, from the last verdicts of every vantage point.
#[utoipa::path(get, path = "/ports/explain", tag = "console", params(ExplainParams),
    responses((status = OK, body = FlowExplanationView), (status = NOT_FOUND, body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn explain(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Query(params): Query<ExplainParams>,
) -> ApiResult<Json<FlowExplanationView>> {
    require(&principal, Action::ReadEstate)?;
    let question = FlowQuestion {
        from: host(params.from)?,
        to: host_id(&params.to)?,
        port: port(&params.port)?,
        transport: transport(params.transport.as_deref())?,
    };
    let told = portal.broker.explain_flow(&question).await;
    let told = told.map_err(|error| match error {
        FlowExplainError::NoSuchHost { .. } => no_such_host(),
        FlowExplainError::Store(error) => ApiError::unavailable(error),
    })?;
    Ok(Json(FlowExplanationView::new(&question, &told)))
}

/// Checks now, as soon as the agents come to it.
#[utoipa::path(post, path = "/ports/checks", tag = "console", request_body = PortCheckRequest,
    responses((status = ACCEPTED), (status = NOT_FOUND, body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn check(
    State(portal): State<Portal>,
    Changing(principal): Changing,
    Json(request): Json<PortCheckRequest>,
) -> ApiResult<StatusCode> {
    require(&principal, Action::OperateHosts)?;
    let from = match &request.from {
        Some(from) if from.len() > FROM_MAX => {
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too-many-hosts",
                format!("One request names {FROM_MAX} hosts at most"),
            )
            .next_step("Leave \"from\" out to check everything"));
        }
        Some(from) => {
            let hosts = from.iter().map(|host| host_id(host));
            Some(hosts.collect::<ApiResult<Vec<_>>>()?)
        }
        None => None,
    };
    portal
        .broker
        .check_ports_now(&principal, from.as_deref())
        .await
        .map_err(refused)?;
    Ok(StatusCode::ACCEPTED)
}

fn port(text: &str) -> ApiResult<u16> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong-port",
            "There is no such port",
        )
        .next_step("Give a port of 1 to 65535")),
    }
}

fn transport(text: Option<&str>) -> ApiResult<Option<Transport>> {
    match text {
        None | Some("") => Ok(None),
        Some("tcp") => Ok(Some(Transport::Tcp)),
        Some("udp") => Ok(Some(Transport::Udp)),
        Some(other) => Err(unknown("transport", other, &["tcp", "udp"])),
    }
}

fn host(text: Option<String>) -> ApiResult<Option<HostId>> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| host_id(&text)).transpose()
}
