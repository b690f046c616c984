//! How the agent comes to its certificate, and to the next one: port 30030 of a broker.

use std::{sync::Arc, time::Duration};

use portico_model::Timestamp;
use portico_net::{
    DialError,
    clock::Clock,
    dial_tcp, flows,
    link::{LinkError, LinkReader, LinkWriter},
    tls::{
        ExpectedPeer, MachineKey, MachineTlsError, RenewAt, enrollment_client_config,
        machine_client_config, machine_server_name, renew_at,
    },
};
use portico_wire::agent::{
    ENROLLMENT_FRAME_LEN_MAX, EnrollmentAnswer, EnrollmentRequest, JoinToken,
};
use tokio_rustls::TlsConnector;

use crate::{
    SOFTWARE,
    address::{AddressError, split},
    lot,
    state::{Joined, Joining, StateError, StateFolder},
};

/// Time to connect to one address.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for TLS and for the answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Least and longest time between two questions of a host that waits for approval, in seconds.
pub const POLL_BOUNDS_S: (u32, u32) = (2, 300);
/// Time between two tries when no broker answers, in milliseconds.
const RETRY_MS: u64 = 5_000;
/// Codes of refusals that pass: the broker is in trouble, not the token.
const PASSING: [&str; 3] = ["busy", "store-away", "authority-failed"];
/// Code of a refusal to renew a certificate that was renewed a short time ago.
const TOO_SOON: &str = "too-soon";
/// Least time between two renewals. Brokers refuse earlier ones as too soon.
pub const RENEW_PAUSE: Duration = Duration::from_secs(600);
/// Time between two tries to renew, at first and at most, in milliseconds.
const RENEW_RETRY_MS: (u64, u64) = (60_000, 3_600_000);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The broker says no.
    #[error("the broker refuses ({code}): {message}")]
    Refused {
        /// Which case.
        code: String,
        /// What is wrong.
        message: String,
        /// What somebody can do about it.
        next_step: String,
    },
    /// No address of the token leads to a broker. The reasons are for the last one.
    #[error("no broker can be reached for enrollment: {0}")]
    Away(#[source] ExchangeError),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why one broker gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// There is no address to ask.
    #[error("there is no address of a broker")]
    NoAddress,
    /// An address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It cannot be connected to.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// TLS failed, which tells what is wrong with one of the certificates.
    #[error("{address}: {error}")]
    Tls {
        /// Where.
        address: String,
        /// Why.
        error: MachineTlsError,
    },
    /// The connection broke.
    #[error("{address}: {source}")]
    Link {
        /// Where.
        address: String,
        /// Why.
        source: LinkError,
    },
    /// It took too long.
    #[error("{address} did not finish TLS within {} s", ANSWER_TIMEOUT.as_secs())]
    TimedOut {
        /// Where.
        address: String,
    },
    /// This side's TLS settings cannot be made.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl EnrollError {
    /// What the operator can do.
    pub fn next_step(&self) -> String {
        match self {
            Self::Refused { next_step, .. } => next_step.clone(),
            Self::Away(error) => error.next_step(),
            Self::State(_) => {
                "put the state folder right, or choose another with --state-dir".into()
            }
        }
    }
}

impl ExchangeError {
    /// What the operator can do.
    pub fn next_step(&self) -> String {
        match self {
            Self::Dial(error) => match error {
                DialError::Resolve { host, .. } => {
                    format!("check that `getent hosts {host}` finds the broker")
                }
                DialError::Refused { port, .. } => {
                    format!("check that Portico runs and listens on {port}/tcp")
                }
                _ => format!("let the host reach the broker (flow {})", error.flow()),
            },
            Self::Tls { error, .. } => error.next_step().into(),
            _ => "check that the address leads to Portico's enrollment port".into(),
        }
    }
}

/// Joins with a token, or goes on with a join that waits for approval. Asks until somebody
/// decides; returns early only when the broker refuses.
///
/// # Errors
/// [`EnrollError`]: the token is of no use, or the state folder is not.
pub async fn join(
    folder: &StateFolder,
    joining: Joining,
    token: Option<&JoinToken>,
    clock: &Arc<dyn Clock>,
) -> Result<Joined, EnrollError> {
    let (key, mut request) = match (folder.joining()?, token) {
        (Some((waiting, key)), _) if waiting.token_sha256 == joining.token_sha256 => {
            let request = poll(&joining, &key)?;
            // Nobody knows whether the first request arrived, so it is made again if it can be.
            let request = match token {
                Some(token) => first(token, &key)?,
                None => request,
            };
            (key, request)
        }
        (Some((_, key)), None) => {
            let request = poll(&joining, &key)?;
            (key, request)
        }
        (_, Some(token)) => {
            let key = folder.begin(&joining)?;
            let request = first(token, &key)?;
            (key, request)
        }
        (None, None) => return Err(EnrollError::Away(ExchangeError::NoAddress)),
    };
    tracing::info!(host_id = %joining.host, key_sha256 = %key.key_sha256(), "Joining");
    loop {
        let asked = ask(&joining, &request, clock).await;
        match asked {
            Ok(issued @ EnrollmentAnswer::Issued { .. }) => {
                let joined = folder.keep(joining, &key, issued)?;
                tracing::info!(host_id = %joined.joining.host, brokers = ?joined.brokers, "Joined");
                return Ok(joined);
            }
            Ok(EnrollmentAnswer::Waiting {
                retry_after_s,
                message,
            }) => {
                tracing::info!(host_id = %joining.host, %message, "Waiting for approval; `portico hosts approve` decides");
                request = poll(&joining, &key)?;
                pause(u64::from(retry_after_s.clamp(POLL_BOUNDS_S.0, POLL_BOUNDS_S.1)) * 1_000)
                    .await;
            }
            Ok(EnrollmentAnswer::Refused {
                code,
                message,
                next_step,
            }) if PASSING.contains(&code.as_str()) => {
                let message = portico_model::printable(&message);
                tracing::warn!(code, %message, next_step, "The broker cannot decide now; trying again");
                pause(RETRY_MS).await;
            }
            Ok(EnrollmentAnswer::Refused {
                code,
                message,
                next_step,
            }) => {
                folder.forget_joining();
                return Err(EnrollError::Refused {
                    code,
                    message,
                    next_step,
                });
            }
            Err(error) => {
                tracing::warn!(%error, next_step = error.next_step(), "No broker for enrollment; trying again");
                pause(RETRY_MS).await;
            }
        }
    }
}

/// Waits until the certificate has lived half of its life, then asks for the next until it is
/// there. A refusal is final only for a while: an operator may think better of it.
pub async fn renewed(folder: &StateFolder, joined: &Joined, clock: &Arc<dyn Clock>) -> Joined {
    let mut retry_ms = RENEW_RETRY_MS.0;
    loop {
        // The clock may be set, so it is asked again at least every hour.
        while let RenewAt::Later(at) = renew_at(joined.identity.about(), clock.now()) {
            let left = at.unix_ms().saturating_sub(clock.now().unix_ms());
            pause_exactly(u64::try_from(left).unwrap_or(0).clamp(1, 3_600_000)).await;
        }
        match renew(folder, joined, clock).await {
            Ok(next) => return next,
            // Nothing is wrong: the certificate counts, and is to be kept. Asking sooner would
            // only be refused again, so this wait is not one of those that double.
            Err(EnrollError::Refused { code, .. }) if code == TOO_SOON => {
                tracing::info!(
                    "The broker has renewed the certificate a short time ago; it is kept"
                );
                let pause_ms = u64::try_from(RENEW_PAUSE.as_millis()).unwrap_or(u64::MAX);
                pause(pause_ms).await;
                retry_ms = RENEW_RETRY_MS.0;
            }
            Err(error) => {
                let expires_at = joined.identity.about().expires_at;
                tracing::warn!(%error, next_step = error.next_step(), left = %left(expires_at, clock.now()), "The certificate could not be renewed");
                pause(retry_ms).await;
                retry_ms = (retry_ms * 2).min(RENEW_RETRY_MS.1);
            }
        }
    }
}

fn left(expires_at: Timestamp, now: Timestamp) -> String {
    let minutes = expires_at.unix_ms().saturating_sub(now.unix_ms()) / 60_000;
    match minutes {
        ..0 => "expired".into(),
        0..120 => format!("{minutes} min"),
        _ => format!("{} h", minutes / 60),
    }
}

async fn renew(
    folder: &StateFolder,
    joined: &Joined,
    clock: &Arc<dyn Clock>,
) -> Result<Joined, EnrollError> {
    let key = folder.key()?;
    let csr_der = key.csr_der().map_err(StateError::from)?;
    let config = machine_client_config(
        &joined.identity,
        &joined.ca,
        ExpectedPeer::Broker,
        Arc::clone(clock),
    )
    .map_err(|error| EnrollError::Away(ExchangeError::Setup(error.to_string())))?;
    let connector = TlsConnector::from(config);
    let request = EnrollmentRequest::Renew { csr_der };
    let answer = first_answer(&joined.joining.enrollment, &connector, &request).await;
    match answer.map_err(EnrollError::Away)? {
        issued @ EnrollmentAnswer::Issued { .. } => {
            let next = folder.keep(joined.joining.clone(), &key, issued)?;
            tracing::info!(host_id = %next.joining.host, "The certificate is renewed");
            Ok(next)
        }
        EnrollmentAnswer::Refused {
            code,
            message,
            next_step,
        } => Err(EnrollError::Refused {
            code,
            message,
            next_step,
        }),
        EnrollmentAnswer::Waiting { message, .. } => Err(EnrollError::Refused {
            code: "waiting".into(),
            message,
            next_step: "an operator decides with `portico hosts approve`".into(),
        }),
    }
}

fn first(token: &JoinToken, key: &MachineKey) -> Result<EnrollmentRequest, StateError> {
    Ok(EnrollmentRequest::Join {
        host: token.host.clone(),
        secret: token.secret.clone(),
        csr_der: key.csr_der()?,
        software: SOFTWARE.into(),
    })
}

fn poll(joining: &Joining, key: &MachineKey) -> Result<EnrollmentRequest, StateError> {
    Ok(EnrollmentRequest::Poll {
        host: joining.host.clone(),
        csr_der: key.csr_der()?,
    })
}

async fn ask(
    joining: &Joining,
    request: &EnrollmentRequest,
    clock: &Arc<dyn Clock>,
) -> Result<EnrollmentAnswer, ExchangeError> {
    let authority = joining.authority();
    let authority = authority
        .ok_or_else(|| ExchangeError::Setup("the authority's SHA-256 is damaged".into()))?;
    let config = enrollment_client_config(authority, Arc::clone(clock))
        .map_err(|error| ExchangeError::Setup(error.to_string()))?;
    first_answer(&joining.enrollment, &TlsConnector::from(config), request).await
}

/// The answer of the first broker that gives one.
async fn first_answer(
    addresses: &[String],
    connector: &TlsConnector,
    request: &EnrollmentRequest,
) -> Result<EnrollmentAnswer, ExchangeError> {
    let mut last = ExchangeError::NoAddress;
    for address in addresses {
        match exchange(address, connector, request).await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                tracing::debug!(address, %error, "No answer for enrollment");
                last = error;
            }
        }
    }
    Err(last)
}

async fn exchange(
    address: &str,
    connector: &TlsConnector,
    request: &EnrollmentRequest,
) -> Result<EnrollmentAnswer, ExchangeError> {
    let (host, port) = split(address)?;
    let stream = dial_tcp(flows::AGENT_BROKER_ENROLLMENT, host, port, CONNECT_TIMEOUT).await?;
    let connecting = connector.connect(machine_server_name(), stream);
    let tls = match tokio::time::timeout(ANSWER_TIMEOUT, connecting).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return Err(broken(address, LinkError::Io(error))),
        Err(_elapsed) => {
            return Err(ExchangeError::TimedOut {
                address: address.to_owned(),
            });
        }
    };
    let (read, write) = tokio::io::split(tls);
    let mut writer = LinkWriter::new(write);
    let mut reader = LinkReader::with_max(read, ENROLLMENT_FRAME_LEN_MAX);
    let talk = async {
        writer.write(request, ANSWER_TIMEOUT).await?;
        reader.read::<EnrollmentAnswer>(ANSWER_TIMEOUT).await
    };
    let answer = talk.await.map_err(|error| broken(address, error))?;
    writer.close(Duration::from_secs(1)).await;
    Ok(answer)
}

fn broken(address: &str, error: LinkError) -> ExchangeError {
    if let LinkError::Io(io) = &error
        && let Some(tls) = MachineTlsError::in_io(io)
    {
        return ExchangeError::Tls {
            address: address.to_owned(),
            error: tls,
        };
    }
    ExchangeError::Link {
        address: address.to_owned(),
        source: error,
    }
}

/// Between the time and one and a half of it: hosts that were started together part.
async fn pause(ms: u64) {
    pause_exactly(ms.saturating_add(lot() % (ms / 2 + 1))).await;
}

async fn pause_exactly(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
