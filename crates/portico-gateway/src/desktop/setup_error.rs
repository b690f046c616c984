//! Why a desktop was not opened: what the viewer is told (a code, no names), and what operators
//! read (everything, and what to do).

use std::{error::Error as _, fmt::Write as _, io};

use portico_model::{
    grant::{RedeemError, Target},
    session::EndReason,
};
use portico_net::{DialError, tls::hex};
use portico_rdp::{
    account::FieldError,
    certificate::CertificateError,
    cleanpath::{Failure, RequestError},
    credssp::CredSspError,
    negotiation::NegotiationError,
};
use portico_wire::websocket::{CloseCode, CloseFrame};

use crate::{channel::OpenError, close_code::close_frame};

/// A step of the handshake with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// X.224.
    Negotiation,
    /// TLS.
    Tls,
    /// Network level authentication.
    CredSsp,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Negotiation => "the RDP negotiation",
            Self::Tls => "the TLS handshake",
            Self::CredSsp => "network level authentication",
        })
    }
}

/// Why a host was not reached or did not accept.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    /// No TCP connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection broke.
    #[error("the connection broke during {step}")]
    Io {
        step: Step,
        #[source]
        source: io::Error,
    },
    /// The host did not answer.
    #[error("the host did not answer in time during {step}")]
    TimedOut { step: Step },
    /// X.224 failed.
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    /// Nobody said which certificate the host has.
    #[error(
        "no certificate is trusted for the host; it shows sha256:{}",
        hex(seen)
    )]
    NotTrusted { seen: [u8; 32] },
    /// Another certificate than those pinned.
    #[error(
        "the host shows another certificate than those pinned: sha256:{}",
        hex(seen)
    )]
    OtherCertificate { seen: [u8; 32] },
    /// TLS failed otherwise.
    #[error("the TLS handshake failed")]
    Tls {
        #[source]
        source: io::Error,
    },
    /// TLS without a certificate.
    #[error("the host showed no certificate")]
    NoCertificate,
    /// A certificate that CredSSP cannot bind to.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Network level authentication without anything to authenticate with.
    #[error("the host wants network level authentication, but the sign-in has no password")]
    NoPassword,
    /// Network level authentication failed.
    #[error(transparent)]
    CredSsp(#[from] CredSspError),
    /// The account, password or program does not fit into RDP.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// More certificates than an answer can carry.
    #[error("the certificates of the host are too long")]
    CertificatesTooLong,
}

impl SetupError {
    /// What the viewer is told.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Dial(error) => Failure::Socket(match error {
                DialError::Resolve { .. } => 11001,
                DialError::Refused { .. } => 10061,
                DialError::TimedOut { .. } => 10060,
                DialError::Unreachable { .. } => 10065,
                DialError::Other { .. } => 10050,
            }),
            Self::Io { .. } | Self::CredSsp(CredSspError::Io(_)) => Failure::Socket(10054),
            Self::TimedOut { .. } => Failure::Socket(10060),
            Self::Negotiation(NegotiationError::Refused { confirm, .. }) => {
                Failure::Negotiation(confirm.clone())
            }
            Self::Negotiation(_)
            | Self::NoCertificate
            | Self::Certificate(_)
            | Self::CertificatesTooLong
            | Self::CredSsp(CredSspError::Protocol { .. } | CredSspError::Limit) => {
                Failure::Http(502)
            }
            Self::NotTrusted { .. } => Failure::Tls(48),
            Self::OtherCertificate { .. } => Failure::Tls(42),
            Self::Tls { source } => tls_failure(source),
            Self::NoPassword | Self::CredSsp(CredSspError::LogonRefused { .. }) => {
                Failure::Http(403)
            }
            Self::Field(_) | Self::Random => Failure::Http(500),
        }
    }

    /// Whether the host was not reached, as opposed to what it said.
    pub(super) const fn is_unreached(&self) -> bool {
        matches!(
            self,
            Self::Dial(_) | Self::Io { .. } | Self::TimedOut { .. }
        )
    }

    /// What operators read: the chain of causes and the next step. No secrets.
    pub(super) fn detail(&self, target: &Target) -> String {
        let host = &target.host;
        let mut detail = format!("host {host}: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !detail.ends_with(&text) {
                // Writing to a string does not fail.
                let _ = write!(detail, ": {text}");
            }
            cause = error.source();
        }
        let next_step = match self {
            Self::Dial(error) => Some(error.next_step()),
            Self::NotTrusted { .. } => Some(format!(
                "compare the fingerprint with the host's, then run `portico hosts trust {host}` or add it to `pins` in the estate"
            )),
            Self::OtherCertificate { .. } => Some(format!(
                "if the host got a new certificate, compare the fingerprint, then run `portico hosts trust {host}`; if it did not, somebody is in between"
            )),
            Self::NoPassword => {
                Some("set `security = \"tls\"` for the host, or sign in with a password".into())
            }
            Self::Negotiation(NegotiationError::NoCredSsp) => {
                Some("correct `security` of the host in the estate".into())
            }
            _ => None,
        };
        if let Some(next_step) = next_step {
            let _ = write!(detail, "; {next_step}");
        }
        detail
    }
}

fn tls_failure(error: &io::Error) -> Failure {
    let inner = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match (inner, error.kind()) {
        (Some(rustls::Error::AlertReceived(alert)), _) => Failure::Tls(u8::from(*alert)),
        (Some(_), _) => Failure::Tls(40),
        (None, _) => Failure::Socket(10054),
    }
}

/// Answer to what is no request.
pub(super) fn of_request(error: RequestError) -> (Failure, CloseFrame) {
    let status = match error {
        RequestError::TooLong | RequestError::TicketTooLong => 413,
        _ => 400,
    };
    let frame = CloseFrame::new(CloseCode::POLICY, &error.to_string());
    (Failure::Http(status), frame)
}

/// Answer to a viewer that keeps the gateway waiting.
pub(super) fn ticket_too_late() -> (Failure, CloseFrame) {
    let frame = CloseFrame::new(CloseCode::POLICY, "the ticket did not come in time");
    (Failure::Http(408), frame)
}

/// Answer to a viewer that does not wait for the answer.
pub(super) fn early() -> (Failure, CloseFrame) {
    let frame = CloseFrame::new(CloseCode::POLICY, "data came before the answer");
    (Failure::Http(400), frame)
}

/// Answer to a ticket that was not redeemed. All tickets that are not good look the same.
pub(super) fn of_ticket(error: &OpenError) -> (Failure, CloseFrame) {
    let (status, reason) = match error {
        OpenError::Redeem(RedeemError::NotGood | RedeemError::OtherProtocol { .. }) => {
            (401, EndReason::TicketLapsed)
        }
        OpenError::Redeem(RedeemError::HostGone { .. }) => (410, EndReason::HostFailed),
        OpenError::Redeem(RedeemError::StoreAway { .. }) => (503, EndReason::HostFailed),
        OpenError::Full(_) => (503, EndReason::LimitReached),
        OpenError::Password(_) => (500, EndReason::HostFailed),
    };
    (Failure::Http(status), close_frame(reason))
}

/// Answer when the broker ends the connection before it is open.
pub(super) fn of_close(reason: EndReason) -> (Failure, CloseFrame) {
    let status = match reason {
        EndReason::ProcessStopped => 503,
        _ => 409,
    };
    (Failure::Http(status), close_frame(reason))
}
