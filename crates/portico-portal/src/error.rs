//! The one shape of every refusal of the HTTP API.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// What an API call answers when it does not do what was asked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// The error.
    pub(crate) error: ErrorObject,
}

/// An error, for people and for programs.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct ErrorObject {
    /// Stable name for programs, in kebab case.
    pub(crate) code: String,
    /// What happened.
    pub(crate) message: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_step: Option<String>,
    /// Why a host cannot be reached, as far as the port check knows, in one word that names nothing:
    /// a `kind` of the causes that administrators see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// Seconds after which another try makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_s: Option<u64>,
    /// More, in a shape that depends on `code`.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    #[schema(value_type = Object)]
    pub(crate) details: serde_json::Value,
}

/// A refusal: status, the external text, and an internal one that only the log sees.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    external: Box<ErrorObject>,
    internal: Option<String>,
}

/// Outcome of an API call.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A refusal with `status` and `code`.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            external: Box::new(ErrorObject {
                code: code.into(),
                message: message.into(),
                ..ErrorObject::default()
            }),
            internal: None,
        }
    }

    /// Nobody is signed in.
    pub fn not_signed_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not-signed-in",
            "You are not signed in",
        )
        .next_step("Sign in and try again")
    }

    /// Signed in, but the role does not allow it.
    pub fn role_missing(needed: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "role-missing",
            "Your role does not allow this",
        )
        .reason(format!("it needs the role {needed} or one above it"))
        .next_step("Ask an owner of this installation for the role")
    }

    /// The thing does not exist, or is none of the asker's business: the two are not told apart.
    pub fn not_found(thing: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("There is no such {thing}"),
        )
    }

    /// Something on the server's side failed. `internal` goes to the log, never to the client.
    pub fn unavailable(internal: impl ToString) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store-away",
            "Portico cannot read or write its state at the moment",
        )
        .next_step("Try again in a moment; running sessions are not affected")
        .retry_after(5)
        .internal(internal)
    }

    /// Adds why.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.external.reason = Some(reason.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn next_step(mut self, next_step: impl Into<String>) -> Self {
        self.external.next_step = Some(next_step.into());
        self
    }

    /// Adds why a host cannot be reached, in the word of the port check.
    #[must_use]
    pub fn cause(mut self, kind: Option<&'static str>) -> Self {
        self.external.cause = kind.map(Into::into);
        self
    }

    /// Adds when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.external.retry_after_s = Some(seconds);
        self
    }

    /// Adds data for programs.
    #[must_use]
    pub fn details(mut self, details: impl Serialize) -> Self {
        self.external.details = serde_json::to_value(details).unwrap_or(serde_json::Value::Null);
        self
    }

    /// Adds what only the log sees.
    #[must_use]
    pub fn internal(mut self, internal: impl ToString) -> Self {
        self.internal = Some(internal.to_string());
        self
    }

    /// The status it answers with.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(internal) = &self.internal {
            tracing::warn!(code = %self.external.code, error = %internal, "API call failed");
        }
        let retry_after = self.external.retry_after_s;
        let mut response = (
            self.status,
            Json(ErrorBody {
                error: *self.external,
            }),
        )
            .into_response();
        if let Some(seconds) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
