//! Why mutual TLS between machines failed, in words for operators.

use std::{error::Error as StdError, io};

use rustls::{AlertDescription, CertificateError, Error, OtherError};

use super::{ExpectedPeer, MachineError, MachineRole};

/// Why a TLS connection between machines ended. `Peer…` is what the other side said of our
/// certificate; it comes as an alert, with TLS 1.3 often only at the first read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineTlsError {
    /// The other side's certificate is of another authority.
    #[error(
        "the other side's certificate was not issued by the certificate authority of this installation"
    )]
    OtherAuthority,
    /// The other side's certificate has lapsed.
    #[error("the other side's certificate has expired")]
    Expired,
    /// The other side's certificate is for later, or a clock is wrong.
    #[error("the other side's certificate is not valid yet")]
    NotYetValid,
    /// The other side is somebody else.
    #[error("the other side is the {seen}, not {wanted}")]
    WrongRole {
        /// Who was wanted.
        wanted: ExpectedPeer,
        /// Who it is.
        seen: MachineRole,
    },
    /// The other side's certificate names no machine.
    #[error("the other side is no agent and no broker")]
    NoMachine(#[source] MachineError),
    /// The other side showed none.
    #[error("the other side showed no certificate")]
    NoCertificate,
    /// The other side finds our certificate expired, or not valid yet.
    #[error("the other side says that our certificate has expired, or is not valid yet")]
    PeerSaysExpired,
    /// The other side does not know our authority.
    #[error("the other side says that our certificate is of an unknown certificate authority")]
    PeerSaysOtherAuthority,
    /// The other side wants a certificate.
    #[error("the other side wants a certificate, and none was shown")]
    PeerWantsCertificate,
    /// The other side refuses our certificate for another reason, for example our role.
    #[error("the other side does not accept our certificate here")]
    PeerRefuses,
    /// Another fault of TLS.
    #[error("TLS failed: {reason}")]
    Tls {
        /// What was said.
        reason: String,
    },
}

/// In [`CertificateError::Other`]: the chain is good, the machine is not the right one.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Unfit {
    #[error("the certificate is of the {seen}, not of {wanted}")]
    Role {
        wanted: ExpectedPeer,
        seen: MachineRole,
    },
    #[error("the certificate is of no machine")]
    NoMachine(#[source] MachineError),
}

impl MachineTlsError {
    /// The TLS error in an error of tokio-rustls, which wraps rustls's; `None` when it is another
    /// error, such as a reset connection.
    pub fn in_io(error: &io::Error) -> Option<Self> {
        let mut next: Option<&(dyn StdError + 'static)> = error
            .get_ref()
            .map(|inner| inner as &(dyn StdError + 'static));
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Error>() {
                return Some(Self::of(found));
            }
            next = error.source();
        }
        None
    }

    /// The meaning of an error of rustls.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateExpired => Self::PeerSaysExpired,
                AlertDescription::UnknownCA => Self::PeerSaysOtherAuthority,
                AlertDescription::CertificateRequired => Self::PeerWantsCertificate,
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                | AlertDescription::AccessDenied => Self::PeerRefuses,
                _ => Self::tls(error),
            },
            _ => Self::tls(error),
        }
    }

    /// What somebody can do about it, for the log of an agent or broker.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::OtherAuthority | Self::PeerSaysOtherAuthority => {
                "the two belong to different installations, or the authority was made anew: join the host again with a new token (`portico tokens create --host NAME --rejoin`)"
            }
            Self::Expired | Self::PeerSaysExpired => {
                "check the clocks of both machines; an agent that was away for longer than its certificate lives joins again (`portico tokens create --host NAME --rejoin`)"
            }
            Self::NotYetValid => "check the clocks of both machines (`timedatectl`)",
            Self::WrongRole { .. } | Self::NoMachine(_) | Self::PeerRefuses => {
                "check that the address and port lead to the right machine"
            }
            Self::NoCertificate | Self::PeerWantsCertificate => {
                "join the host with a token first (`portico tokens create --host NAME`)"
            }
            Self::Tls { .. } => "check that the address and port lead to the agent link of Portico",
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::UnknownIssuer => Self::OtherAuthority,
            CertificateError::Other(OtherError(inner)) => match inner.downcast_ref::<Unfit>() {
                Some(Unfit::Role { wanted, seen }) => Self::WrongRole {
                    wanted: wanted.clone(),
                    seen: seen.clone(),
                },
                Some(Unfit::NoMachine(error)) => Self::NoMachine(error.clone()),
                None => Self::Tls {
                    reason: error.to_string(),
                },
            },
            other => Self::Tls {
                reason: other.to_string(),
            },
        }
    }

    fn tls(error: &Error) -> Self {
        Self::Tls {
            reason: error.to_string(),
        }
    }
}
