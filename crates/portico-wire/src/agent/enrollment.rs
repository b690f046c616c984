//! Messages of enrollment: how an agent comes to its certificate. One request and one answer on
//! each connection.

use portico_model::{HostId, Secret, estate::AgentLink, seen::TEXT_LEN_MAX};
use serde::{Deserialize, Serialize, Serializer};

use super::{
    codec::{LimitError, Message, at_most, base64_bytes, base64_list, text},
    link::{LONG_TEXT_LEN_MAX, check_brokers, check_refusal},
    token::SECRET_LEN_MAX,
};

/// Longest frame of enrollment, in bytes.
pub const ENROLLMENT_FRAME_LEN_MAX: usize = 64 * 1024;
/// Longest certificate or certificate signing request, in bytes of DER.
pub const DER_LEN_MAX: usize = 8 * 1024;
/// Certificates in a chain.
pub const CHAIN_LEN_MAX: usize = 4;

/// From the machine that wants a certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EnrollmentRequest {
    /// The first one, with the secret of a join token. The client showed no certificate.
    Join {
        /// Host that the token is for.
        host: HostId,
        /// The token's secret.
        #[serde(serialize_with = "expose")]
        secret: Secret,
        /// Certificate signing request (PKCS#10, DER). Only its key counts.
        #[serde(with = "base64_bytes")]
        csr_der: Vec<u8>,
        /// Name and version of the program.
        software: String,
    },
    /// Asks again after [`EnrollmentAnswer::Waiting`], with the same key. The client showed no
    /// certificate: the request's own signature proves that it has the key.
    Poll {
        /// Host that the token was for.
        host: HostId,
        /// Certificate signing request of the same key.
        #[serde(with = "base64_bytes")]
        csr_der: Vec<u8>,
    },
    /// The next certificate. The client showed its current one, which also says for which host.
    Renew {
        /// Certificate signing request.
        #[serde(with = "base64_bytes")]
        csr_der: Vec<u8>,
    },
}

/// From the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EnrollmentAnswer {
    /// Here it is.
    Issued {
        /// The certificates in DER, the machine's first, the authority's last.
        #[serde(with = "base64_list")]
        chain_der: Vec<Vec<u8>>,
        /// Link addresses of every broker, `host:port`.
        brokers: Vec<String>,
        /// Who opens the link.
        link: AgentLink,
    },
    /// An operator must approve it first.
    Waiting {
        /// Time before the next [`EnrollmentRequest::Poll`], in seconds.
        retry_after_s: u32,
        /// What is waited for, in words.
        message: String,
    },
    /// No.
    Refused {
        /// Which case, in kebab-case.
        code: String,
        /// What is wrong.
        message: String,
        /// What somebody can do about it.
        next_step: String,
    },
}

impl Message for EnrollmentRequest {
    const KINDS: &'static [&'static str] = &["join", "poll", "renew"];
    const LEN_MAX: usize = ENROLLMENT_FRAME_LEN_MAX;

    fn check(&self) -> Result<(), LimitError> {
        match self {
            Self::Join {
                secret,
                csr_der,
                software,
                ..
            } => {
                text("secret", secret.expose(), SECRET_LEN_MAX)?;
                text("software", software, TEXT_LEN_MAX)?;
                check_der("csr_der", csr_der)
            }
            Self::Poll { csr_der, .. } | Self::Renew { csr_der } => check_der("csr_der", csr_der),
        }
    }
}

impl Message for EnrollmentAnswer {
    const KINDS: &'static [&'static str] = &["issued", "waiting", "refused"];
    const LEN_MAX: usize = ENROLLMENT_FRAME_LEN_MAX;

    fn check(&self) -> Result<(), LimitError> {
        match self {
            Self::Issued {
                chain_der, brokers, ..
            } => {
                at_most("chain_der", "items", chain_der.len(), CHAIN_LEN_MAX)?;
                chain_der
                    .iter()
                    .try_for_each(|der| check_der("certificate", der))?;
                check_brokers(brokers)
            }
            Self::Waiting { message, .. } => text("message", message, LONG_TEXT_LEN_MAX),
            Self::Refused {
                code,
                message,
                next_step,
            } => check_refusal(code, message, next_step),
        }
    }
}

fn check_der(field: &'static str, der: &[u8]) -> Result<(), LimitError> {
    at_most(field, "bytes", der.len(), DER_LEN_MAX)
}

fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    secret.expose().serialize(serializer)
}
