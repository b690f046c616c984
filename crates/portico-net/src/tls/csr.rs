//! Certificate signing requests (PKCS#10, RFC 2986): of everything in them only the key counts,
//! and that the request is signed with it.

use rcgen::{PublicKeyData as _, SubjectPublicKeyInfo};
use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};

use super::{hex, sha256};

/// Longest request that is read, in bytes.
pub const CSR_LEN_MAX: usize = 8 * 1024;

/// Elliptic curve keys and Ed25519; RSA is not needed by any agent, and short keys would be.
const KEY_KINDS: [&str; 2] = ["1.2.840.10045.2.1", "1.3.101.112"];

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// It is too long.
    #[error("the certificate signing request has {len} bytes; at most {CSR_LEN_MAX} are taken")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It is not PKCS#10.
    #[error("the certificate signing request is not PKCS#10 in DER")]
    Malformed,
    /// Whoever made it does not have the key.
    #[error("the certificate signing request is not signed with its own key")]
    Signature,
    /// A key that is not taken.
    #[error("the key is of a kind that is not taken; make one on the curve P-256")]
    KeyKind,
}

/// SHA-256 of the public key in a request, in lower-case hexadecimal, after a check that the
/// request is signed with that key.
///
/// # Errors
/// [`CsrError`] says what is wrong with the request.
pub fn csr_key_sha256(csr_der: &[u8]) -> Result<String, CsrError> {
    proven_key(csr_der).map(|key| key_sha256(&key.subject_public_key_info()))
}

/// The key of a request that is signed with it.
pub(super) fn proven_key(csr_der: &[u8]) -> Result<SubjectPublicKeyInfo, CsrError> {
    if csr_der.len() > CSR_LEN_MAX {
        return Err(CsrError::TooLong { len: csr_der.len() });
    }
    let (rest, request) =
        X509CertificationRequest::from_der(csr_der).map_err(|_| CsrError::Malformed)?;
    if !rest.is_empty() {
        return Err(CsrError::Malformed);
    }
    let key = &request.certification_request_info.subject_pki;
    if !KEY_KINDS.contains(&key.algorithm.algorithm.to_id_string().as_str()) {
        return Err(CsrError::KeyKind);
    }
    request
        .verify_signature()
        .map_err(|_| CsrError::Signature)?;
    SubjectPublicKeyInfo::from_der(key.raw).map_err(|_| CsrError::KeyKind)
}

/// SHA-256 of a SubjectPublicKeyInfo in DER.
pub(super) fn key_sha256(public_key_der: &[u8]) -> String {
    hex(&sha256(public_key_der))
}
