//! The HTTP API, `/api/v1`. One file a topic; every endpoint has a row in
//! `tests/authorization.txt`.

mod agents;
mod console;
mod estate;
mod explain;
mod hosts;
mod launches;
mod maintenances;
mod port_checks;
mod ports;
mod sessions;
mod setup;
mod sign_in;
mod workspace;

use axum::extract::DefaultBodyLimit;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use crate::{ESTATE_BODY_LEN_MAX, Portal};

/// Where the API lives.
pub const PREFIX: &str = "/api/v1";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portico",
        description = "Portico's HTTP API. State-changing calls made with the cookie need the \
            header `X-Portico-Csrf`; the command line sends `Authorization: Bearer` instead.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    modifiers(&Security),
    tags(
        (name = "sign-in", description = "Who asks"),
        (name = "workspace", description = "What a user is offered and runs"),
        (name = "console", description = "What operators see and change"),
    ),
)]
struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme(
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("__Host-portico"))),
        );
        components.add_security_scheme(
            "token",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
    }
}

/// Every endpoint, with its description.
pub(crate) fn router() -> OpenApiRouter<Portal> {
    let estate_body = DefaultBodyLimit::max(ESTATE_BODY_LEN_MAX);
    let endpoints = OpenApiRouter::new()
        .routes(routes!(sign_in::site))
        .routes(routes!(setup::set_up))
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(sign_in::create_token))
        .routes(routes!(sign_in::sign_out))
        .routes(routes!(sign_in::me))
        .routes(routes!(workspace::workspace))
        .routes(routes!(
            workspace::add_favourite,
            workspace::remove_favourite
        ))
        .routes(routes!(launches::launch))
        .routes(routes!(launches::reconnect))
        .routes(routes!(sessions::disconnect))
        .routes(routes!(sessions::end))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::message))
        .routes(routes!(explain::explain_session))
        .routes(routes!(console::pools))
        .routes(routes!(hosts::hosts))
        .routes(routes!(hosts::load))
        .routes(routes!(hosts::sessions))
        .routes(routes!(hosts::set_mode))
        .routes(routes!(hosts::approve))
        .routes(routes!(hosts::reject))
        .routes(routes!(hosts::trust))
        .routes(routes!(hosts::revoke))
        .routes(routes!(hosts::message))
        .routes(routes!(hosts::restart))
        .routes(routes!(hosts::probe))
        .routes(routes!(agents::waiting))
        .routes(routes!(agents::tokens, agents::create_token))
        .routes(routes!(agents::revoke_token))
        .routes(routes!(maintenances::list, maintenances::plan))
        .routes(routes!(maintenances::cancel))
        .routes(routes!(console::launches))
        .routes(routes!(console::resources))
        .routes(routes!(console::users))
        .routes(routes!(console::audit))
        .routes(routes!(estate::current))
        .routes(routes!(estate::plan).layer(estate_body))
        .routes(routes!(estate::apply).layer(estate_body))
        .routes(routes!(explain::explain_launch))
        .routes(routes!(ports::flows))
        .routes(routes!(ports::roles))
        .routes(routes!(ports::plan))
        .routes(routes!(ports::rules))
        .routes(routes!(ports::diagram))
        .routes(routes!(port_checks::checks, port_checks::check))
        .routes(routes!(port_checks::history))
        .routes(routes!(port_checks::explain));
    OpenApiRouter::with_openapi(Description::openapi()).nest(PREFIX, endpoints)
}

/// The description of the API as OpenAPI 3.1 JSON, stable between runs.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    let (_, description) = router().split_for_parts();
    serde_json::to_string_pretty(&description).map(|text| text + "\n")
}
