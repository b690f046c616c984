//! Ports: the catalogue, and the plan of the live estate as data, rules and pictures.
//!
//! A plan is computed when it is asked for: it takes milliseconds, and a stored one could be old.

use axum::{
    extract::{Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use portico_brokering::Action;
use portico_catalogue::{
    Catalogue, RoleEntry,
    diagram::{self, DiagramFormat, DiagramOptions},
    plan::{self, FlowPlan},
    rules::{self, Format, GapRule, Options, OutboundRule, RuleFile, RulesError},
};
use portico_estate::{deployment, document::nearest};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use crate::{
    ApiError, ApiResult, Portal,
    error::ErrorBody,
    json::Json,
    signed_in::{SignedIn, require},
    views::PortPlanView,
};

/// All flows of the catalogue, as `docs/schemas/port-flows.schema.json` describes them.
#[utoipa::path(get, path = "/ports/flows", tag = "console",
    responses((status = OK, body = Vec<Object>)))]
pub(super) async fn flows(SignedIn(principal): SignedIn) -> ApiResult<Json<serde_json::Value>> {
    require(&principal, Action::ReadEstate)?;
    let flows: Vec<_> = Catalogue::portico().flows().collect();
    data(&flows)
}

/// All roles that hosts of an estate can have.
#[utoipa::path(get, path = "/ports/roles", tag = "console",
    responses((status = OK, body = Vec<Object>)))]
pub(super) async fn roles(SignedIn(principal): SignedIn) -> ApiResult<Json<serde_json::Value>> {
    require(&principal, Action::ReadEstate)?;
    let roles: Vec<&RoleEntry> = Catalogue::portico().roles().collect();
    data(&roles)
}

/// Which flows the estate needs, between which hosts.
#[utoipa::path(get, path = "/ports/plan", tag = "console",
    responses((status = OK, body = PortPlanView)))]
pub(super) async fn plan(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
) -> ApiResult<Json<PortPlanView>> {
    require(&principal, Action::ReadEstate)?;
    planned(&portal, |plan| Json(PortPlanView::from(plan))).await
}

/// Which rules to write.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RulesParams {
    /// `nftables`, `iptables`, `windows`, `terraform-aws`, `terraform-azure`, `kubernetes`, `csv`,
    /// `markdown` or `html`.
    #[serde(default)]
    format: String,
    /// Only the rules of this host. Formats of one file for each host need it.
    host: Option<String>,
    /// Whether hosts may open only what is planned, too.
    #[serde(default)]
    planned_outbound: bool,
}

/// The plan as firewall rules.
#[utoipa::path(get, path = "/ports/rules", tag = "console", params(RulesParams),
    responses((status = OK, body = String, content_type = "text/plain"),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn rules(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Query(params): Query<RulesParams>,
) -> ApiResult<Response> {
    require(&principal, Action::ReadEstate)?;
    let Some(format) = Format::by_name(&params.format) else {
        return Err(unknown(
            "format",
            &params.format,
            &Format::ALL.map(Format::name),
        ));
    };
    let options = Options {
        outbound: match params.planned_outbound {
            true => OutboundRule::Planned,
            false => OutboundRule::Any,
        },
        gaps: GapRule::Refuse,
    };
    let host = params.host.filter(|host| !host.is_empty());
    let written = planned(&portal, move |plan| {
        if host.is_none() && plan.hosts.len() > HOSTS_MAX {
            return Err(too_many(plan.hosts.len()));
        }
        rules::write(format, plan, host.as_deref(), &options).map_err(|error| not_written(&error))
    });
    download(&written.await??)
}

/// Which picture to draw.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DiagramParams {
    /// `svg`, `mermaid`, `dot`, or `json` for the places of everything in the picture.
    #[serde(default)]
    format: String,
}

/// The plan as a picture.
#[utoipa::path(get, path = "/ports/diagram", tag = "console", params(DiagramParams),
    responses((status = OK, body = String, content_type = "image/svg+xml"),
        (status = UNPROCESSABLE_ENTITY, body = ErrorBody)))]
pub(super) async fn diagram(
    State(portal): State<Portal>,
    SignedIn(principal): SignedIn,
    Query(params): Query<DiagramParams>,
) -> ApiResult<Response> {
    require(&principal, Action::ReadEstate)?;
    let options = DiagramOptions::new(Catalogue::portico());
    let (format, content_type) = match params.format.as_str() {
        "json" => {
            let layout = planned(&portal, move |plan| diagram::layout(plan, &options)).await?;
            return Ok(data(&layout)?.into_response());
        }
        "svg" => (DiagramFormat::Svg, "image/svg+xml"),
        "mermaid" => (DiagramFormat::Mermaid, "text/plain; charset=utf-8"),
        "dot" => (DiagramFormat::Dot, "text/plain; charset=utf-8"),
        other => {
            return Err(unknown("format", other, &["svg", "mermaid", "dot", "json"]));
        }
    };
    let text = planned(&portal, move |plan| {
        diagram::diagram(plan, format, &options)
    })
    .await?;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        // The picture brings its own style, and nothing else.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
    ];
    Ok((headers, text).into_response())
}

/// Plans at once: the rules of a large estate take hundreds of megabytes while they are written.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Hosts of which all rules are written in one answer.
const HOSTS_MAX: usize = 1_000;

/// What `make` makes of the plan of the live estate, away from the threads that serve others.
async fn planned<T: Send + 'static>(
    portal: &Portal,
    make: impl FnOnce(&FlowPlan) -> T + Send + 'static,
) -> ApiResult<T> {
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let place = AT_ONCE.acquire().await.map_err(ApiError::unavailable)?;
    tokio::task::spawn_blocking(move || {
        // Held by the work and not by the call, which ends when the browser goes away.
        let _place = place;
        make(&plan::plan(Catalogue::portico(), &deployment(&estate)))
    })
    .await
    .map_err(ApiError::unavailable)
}

fn data<T: Serialize>(of: &T) -> ApiResult<Json<serde_json::Value>> {
    serde_json::to_value(of)
        .map(Json)
        .map_err(ApiError::unavailable)
}

pub(super) fn unknown(what: &str, given: &str, known: &[&'static str]) -> ApiError {
    let hint = nearest(given, known.iter().copied())
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    let code = format!("unknown-{what}");
    let message = format!("There is no such {what}");
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, &code, message)
        .next_step(format!("Give one of {}{hint}", known.join(", ")))
}

fn too_many(hosts: usize) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "choose-host",
        "The rules of all hosts are too long for one answer",
    )
    .reason(format!(
        "the estate has {hosts} hosts, and {HOSTS_MAX} are written at once"
    ))
    .next_step("Choose a host, or write them into a folder: `portico ports rules --into DIR`")
}

fn not_written(error: &RulesError) -> ApiError {
    let refused = |code, message: &str| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message).reason(error.to_string())
    };
    match error {
        RulesError::UnknownHost { .. } => refused("unknown-host", "There is no such host")
            .next_step("Choose one of the plan's hosts"),
        RulesError::Gaps(_) => refused("plan-incomplete", "The plan lacks flows")
            .next_step("Write into the estate what each line asks for"),
        RulesError::Unsayable { .. } => {
            refused("unsayable", "This format cannot say all that is planned")
                .next_step("Change the estate as each line says, or choose another format")
        }
    }
}

/// One file as it is; of several each begins with a line that names it.
fn download(files: &[RuleFile]) -> ApiResult<Response> {
    let (name, text) = match files {
        [] => {
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "no-rules",
                "There are no rules to write",
            )
            .reason("no host of the estate takes connections")
            .next_step("Give hosts of the estate roles"));
        }
        [file] => (file.name.clone(), file.text.clone()),
        files => {
            let parts = files
                .iter()
                .map(|file| format!("# ---- {} ----\n{}\n", file.name, file.text));
            ("rules.txt".to_owned(), parts.collect())
        }
    };
    // The name has no other characters; without this line the browser names the file.
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut response = ([(header::CONTENT_TYPE, plain)], text).into_response();
    if let Ok(disposition) = disposition {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}
