//! What CredSSP and RDCleanPath need of the host's certificate.

use x509_parser::prelude::{FromDer, X509Certificate};

/// The certificate could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate of the host is not a readable X.509 certificate")]
pub struct CertificateError;

/// The subject's public key as CredSSP binds to it: the content of the bit string
/// (MS-CSSP 3.1.5).
pub fn public_key(der: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError)?;
    let key = &certificate.tbs_certificate.subject_pki.subject_public_key;
    Ok(key.data.to_vec())
}
