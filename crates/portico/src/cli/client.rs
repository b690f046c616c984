//! The API client: one method per kind of call, JSON in and out.

use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use portico_model::Secret;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    credentials::{Credentials, fingerprint_text},
    failure::{ApiFault, Failure},
    server::Server,
    transport::{self, ConnectError, Fingerprint},
};

/// Time for a whole call. Applying a large estate hashes passwords, which takes a while.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A server, and who is signed in there.
#[derive(Debug)]
pub(crate) struct ApiClient {
    server: Server,
    token: Option<Secret>,
    fingerprint: Option<Fingerprint>,
}

/// Body of an answer that refuses.
#[derive(Deserialize)]
struct FaultBody {
    error: ApiFault,
}

/// An answer that refuses, with all that a command may want to know of it.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The API refused.
    Refused(Box<ApiFault>),
    /// There was no answer, or none of the API.
    Failed(Failure),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(fault) => (*fault).into(),
            CallError::Failed(failure) => failure,
        }
    }
}

impl ApiClient {
    /// A client with what `credentials` know of `server`.
    pub(crate) fn new(server: Server, credentials: &Credentials) -> Self {
        let known = credentials.servers.get(&server.to_string());
        Self {
            token: known.map(|known| known.token.clone()),
            fingerprint: known.map(|known| known.fingerprint.0),
            server,
        }
    }

    /// A client that is not signed in yet.
    pub(crate) fn anonymous(server: Server, fingerprint: Option<Fingerprint>) -> Self {
        Self {
            server,
            token: None,
            fingerprint,
        }
    }

    /// Reads `path`, which is below `/api/v1`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, CallError> {
        self.call::<()>(Method::GET, path, None).await
    }

    /// Sends `body` to `path`.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, CallError> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Removes `path`.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value, CallError> {
        self.call::<()>(Method::DELETE, path, None).await
    }

    async fn call<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<Value, CallError> {
        let call = self.call_now(method, path, body);
        match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Failed(
                Failure::new(format!("{} does not answer", self.server))
                    .reason(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))
                    .next_step("look at the server's log"),
            )),
        }
    }

    async fn call_now<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<Value, CallError> {
        let request = self.request(method, path, body)?;
        let stream = transport::connect(&self.server, self.fingerprint)
            .await
            .map_err(|error| CallError::Failed(self.not_connected(error)))?;
        let broken = |error: &dyn std::fmt::Display| {
            CallError::Failed(
                Failure::new(format!("{} broke the connection off", self.server))
                    .reason(error)
                    .next_step("try again, and look at the server's log if it stays so"),
            )
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(|error| broken(&error))?;
        // The connection must be driven while the answer is awaited, and ends with it.
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let (head, body) = answer.into_parts();
            Ok::<_, hyper::Error>((
                head.status,
                Limited::new(body, ANSWER_BYTES_MAX).collect().await,
            ))
        };
        tokio::pin!(exchange, connection);
        let mut driving = true;
        let (status, body) = loop {
            tokio::select! {
                answer = &mut exchange => break answer.map_err(|error| broken(&error))?,
                // Its end is no failure by itself: the answer may be complete.
                _ = &mut connection, if driving => driving = false,
            }
        };
        let body = body.map_err(|error| broken(&error))?.to_bytes();
        self.read(status, &body)
    }

    fn request<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let wrong = |error: &dyn std::fmt::Display| {
            CallError::Failed(Failure::new("The request cannot be written").reason(error))
        };
        let host = match &self.server {
            Server::Socket(_) => "localhost".to_owned(),
            server => server.to_string().trim_start_matches("https://").to_owned(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json");
        if let Some(token) = &self.token {
            let value = format!("Bearer {}", token.expose());
            request = request.header(header::AUTHORIZATION, value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(serde_json::to_vec(body).map_err(|error| wrong(&error))?)
            }
            None => Bytes::new(),
        };
        request.body(Full::new(body)).map_err(|error| wrong(&error))
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Value, CallError> {
        if status.is_success() {
            if body.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(body)
                .map_err(|error| CallError::Failed(self.not_portico(&error.to_string())));
        }
        Err(match serde_json::from_slice::<FaultBody>(body) {
            Ok(body) => CallError::Refused(Box::new(body.error)),
            Err(_) => CallError::Failed(self.not_portico(&format!("it answered {status}"))),
        })
    }

    fn not_portico(&self, reason: &str) -> Failure {
        Failure::new(format!("{} does not answer as Portico does", self.server))
            .reason(reason)
            .next_step("check the address, and that client and server are of the same version")
    }

    fn not_connected(&self, error: ConnectError) -> Failure {
        let seen = match error {
            ConnectError::Failed(failure) => return failure,
            ConnectError::OtherCertificate(seen) => fingerprint_text(&seen),
        };
        match self.fingerprint {
            None => Failure::new(format!("You are not signed in to {}", self.server))
                .reason("its certificate was never accepted on this machine")
                .next_step(format!("run `portico login --server {}`", self.server)),
            Some(pinned) => Failure::new(format!("{} has another certificate", self.server))
                .reason(format!(
                    "its fingerprint is {seen}, and {} was accepted",
                    fingerprint_text(&pinned)
                ))
                .next_step(
                    "if the certificate was renewed, compare the new fingerprint with the one \
                     that the server prints and run `portico login` again; otherwise somebody \
                     stands between you and the server",
                ),
        }
    }
}

/// Reads an answer as `T`.
pub(crate) fn typed<T: DeserializeOwned>(answer: &Value) -> Result<T, Failure> {
    T::deserialize(answer).map_err(|error| {
        Failure::new("The server's answer is not understood")
            .reason(error)
            .next_step("use a client of the server's version, or -o json to see the answer")
    })
}
