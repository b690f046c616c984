//! The certificate authority as enrollment sees it.

use portico_model::{HostId, Timestamp};
use portico_net::tls::{BuiltInCa, IssueError, MACHINE_LIFE_MS, csr_key_sha256};

/// What a certificate authority issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedMachine {
    /// The certificates in DER, the machine's first.
    pub chain_der: Vec<Vec<u8>>,
    /// Serial number in lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of the public key, in lower-case hexadecimal.
    pub key_sha256: String,
    /// When it lapses.
    pub expires_at: Timestamp,
}

/// Why nothing was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineCaError {
    /// The request is wrong.
    #[error("the certificate signing request is not taken: {0}")]
    Request(String),
    /// The authority cannot do it.
    #[error("the authority failed: {0}")]
    Authority(String),
}

/// Issues certificates for agents.
pub trait MachineCa: Send + Sync {
    /// SHA-256 of the key of a request that is signed with it, in lower-case hexadecimal.
    fn key_of(&self, csr_der: &[u8]) -> Result<String, MachineCaError>;

    /// A certificate for the agent of `host`.
    fn issue(
        &self,
        csr_der: &[u8],
        host: &HostId,
        now: Timestamp,
    ) -> Result<IssuedMachine, MachineCaError>;
}

impl MachineCa for BuiltInCa {
    fn key_of(&self, csr_der: &[u8]) -> Result<String, MachineCaError> {
        csr_key_sha256(csr_der).map_err(|error| MachineCaError::Request(error.to_string()))
    }

    fn issue(
        &self,
        csr_der: &[u8],
        host: &HostId,
        now: Timestamp,
    ) -> Result<IssuedMachine, MachineCaError> {
        let issued = self.issue_machine(csr_der, host, now, MACHINE_LIFE_MS);
        let issued = issued.map_err(|error| match error {
            IssueError::Csr(error) => MachineCaError::Request(error.to_string()),
            IssueError::Ca(error) => MachineCaError::Authority(error.to_string()),
        })?;
        Ok(IssuedMachine {
            chain_der: issued.chain_der,
            serial: issued.serial_hex,
            key_sha256: issued.key_sha256,
            expires_at: issued.expires_at,
        })
    }
}
