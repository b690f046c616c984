//! The portal: HTTP API, sign-in, and the files of the web application.
//!
//! Read [`Portal::router`] first, then `api` (one file a topic) and `signed_in` (who is asking).

mod api;
mod assets;
mod error;
mod json;
mod peer;
pub mod setup;
mod signed_in;
mod views;
mod words;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::HeaderMap,
    middleware::{self, Next},
    response::Response,
    routing::any,
};
use portico_broker::Broker;
use portico_identity::{Door, LocalUsers, SignInSettings, SignIns};
use portico_net::{clock::Clock, tasks::ShutdownToken};
use portico_store::{Journal, Store};
use tower_http::timeout::TimeoutLayer;

pub use api::{PREFIX, openapi_json};
pub use assets::has_pages;
pub use error::{ApiError, ApiResult};
pub use peer::Peer;

/// Longest body of a request, in bytes. Anybody may send one before it is known who they are.
pub const BODY_LEN_MAX: usize = 64 * 1024;
/// Longest body with an estate file, in bytes; read only of people who are signed in.
pub const ESTATE_BODY_LEN_MAX: usize = 10 * 1024 * 1024;
/// Time for an API call.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How often records that are over are removed.
const REAP_EVERY: Duration = Duration::from_secs(600);

/// What a portal is made of.
pub struct PortalParts {
    /// The broker.
    pub broker: Broker,
    /// The state.
    pub store: Arc<dyn Store>,
    /// The history.
    pub journal: Arc<dyn Journal>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Checks passwords.
    pub local_users: LocalUsers,
}

/// The portal; cheap to clone.
#[derive(Clone)]
pub struct Portal {
    broker: Broker,
    store: Arc<dyn Store>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    local_users: LocalUsers,
    sign_ins: SignIns,
    door: Arc<Door>,
}

impl Portal {
    /// A portal.
    pub fn new(parts: PortalParts) -> Self {
        let sign_ins = SignIns::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.clock),
            SignInSettings::default(),
        );
        let door = Door::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.journal),
            Arc::clone(&parts.clock),
            parts.local_users.clone(),
            sign_ins.clone(),
        );
        Self {
            sign_ins,
            door: Arc::new(door),
            broker: parts.broker,
            store: parts.store,
            journal: parts.journal,
            clock: parts.clock,
            local_users: parts.local_users,
        }
    }

    /// Everything the portal answers. Requests carry a [`Peer`] in their extensions.
    pub fn router(&self) -> Router {
        let (api, _) = api::router().split_for_parts();
        api.with_state(self.clone())
            .route(&format!("{PREFIX}/{{*path}}"), any(no_such_endpoint))
            .fallback(assets::serve)
            .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
            .layer(TimeoutLayer::with_status_code(
                axum::http::StatusCode::SERVICE_UNAVAILABLE,
                CALL_TIMEOUT,
            ))
            .layer(middleware::from_fn(headers))
    }

    /// Whether a request with these headers comes from somebody signed in. For what is served
    /// beside the [`router`](Self::router): strangers shall not even knock there.
    pub async fn is_signed_in(&self, headers: &HeaderMap, peer: Peer) -> ApiResult<bool> {
        let proof = signed_in::proof_of(self, headers, peer).await?;
        Ok(proof.is_some())
    }

    /// Removes sign-ins that are over, now and then, until shutdown.
    pub async fn run(&self, shutdown: ShutdownToken) {
        loop {
            if let Err(error) = self.sign_ins.reap().await {
                tracing::warn!(%error, "Sign-ins that are over stay for now");
            }
            if let Err(error) = self.door.reap().await {
                tracing::warn!(%error, "Lock-outs that are over stay for now");
            }
            tokio::select! {
                () = tokio::time::sleep(REAP_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}

async fn no_such_endpoint() -> ApiError {
    ApiError::not_found("endpoint").next_step("See openapi/portico.json, or `portico openapi`")
}

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    assets::security_headers(&mut response);
    response
}
