//! Who a machine is: read from its certificate.

use std::{fmt, sync::Arc};

use portico_model::{HostId, Timestamp};
use rustls::{CommonState, sign::CertifiedKey};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer,
    pem::{Error as PemError, PemObject as _},
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::{MachineKey, csr::key_sha256, hex, sha256};

const HOST_URI: &str = "portico:host:";
const BROKER_URI: &str = "portico:broker";

/// What a machine certificate makes of its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineRole {
    /// Agent of this host.
    Host(HostId),
    /// Broker.
    Broker,
}

/// A machine as its certificate describes it. Only the handshake proves that it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerMachine {
    /// What it is.
    pub role: MachineRole,
    /// Serial number of its certificate, in lower-case hexadecimal.
    pub serial_hex: String,
    /// SHA-256 of its public key (SubjectPublicKeyInfo), in lower-case hexadecimal.
    pub key_sha256: String,
    /// When its certificate begins to be valid.
    pub valid_from: Timestamp,
    /// When its certificate lapses.
    pub expires_at: Timestamp,
}

/// Certificate chain and key of a machine, checked to belong together.
#[derive(Clone)]
pub struct MachineIdentity {
    certified: Arc<CertifiedKey>,
    about: PeerMachine,
}

/// The certificate of an authority that machines trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaCertificate(CertificateDer<'static>);

/// Why a certificate is not a machine's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// No certificate at all.
    #[error("there is no certificate")]
    NoCertificate,
    /// Not X.509.
    #[error("the certificate is not X.509 in DER or PEM")]
    Malformed,
    /// It names no role.
    #[error("the certificate is of no machine: it has no name `{HOST_URI}…` or `{BROKER_URI}`")]
    NoRole,
    /// It names several roles.
    #[error("the certificate names more than one machine")]
    SeveralRoles,
    /// The key is of another certificate.
    #[error("the key does not belong to the certificate")]
    KeyMismatch,
    /// The key cannot be used.
    #[error("the key cannot be used: {reason}")]
    Key {
        /// What is wrong.
        reason: String,
    },
}

/// When to ask for the next certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewAt {
    /// It is time.
    Now,
    /// At this time.
    Later(Timestamp),
}

/// When to renew a certificate: at half of its life.
pub fn renew_at(about: &PeerMachine, now: Timestamp) -> RenewAt {
    let life_ms = about
        .expires_at
        .unix_ms()
        .saturating_sub(about.valid_from.unix_ms());
    let half = about.valid_from.plus_ms(life_ms / 2);
    if half <= now {
        RenewAt::Now
    } else {
        RenewAt::Later(half)
    }
}

impl MachineRole {
    /// The name that stands in the certificate.
    pub fn uri(&self) -> String {
        match self {
            Self::Host(host) => format!("{HOST_URI}{host}"),
            Self::Broker => BROKER_URI.into(),
        }
    }

    /// The role with this name in the certificate.
    pub fn from_uri(uri: &str) -> Option<Self> {
        if uri == BROKER_URI {
            return Some(Self::Broker);
        }
        let host = uri.strip_prefix(HOST_URI)?;
        HostId::new(host).ok().map(Self::Host)
    }
}

impl fmt::Display for MachineRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "agent of {host}"),
            Self::Broker => f.write_str("broker"),
        }
    }
}

impl PeerMachine {
    /// The other end of a TLS connection; `None` when it showed no certificate.
    ///
    /// # Errors
    /// [`MachineError`], which cannot happen on a connection whose configuration is of this module.
    pub fn of(connection: &CommonState) -> Result<Option<Self>, MachineError> {
        match connection.peer_certificates() {
            Some([leaf, ..]) => Self::of_certificate(leaf).map(Some),
            Some([]) | None => Ok(None),
        }
    }

    /// The machine that a chain in DER is of.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn of_chain<C: AsRef<[u8]>>(chain_der: &[C]) -> Result<Self, MachineError> {
        let leaf = chain_der.first().ok_or(MachineError::NoCertificate)?;
        Self::of_certificate(leaf.as_ref())
    }

    /// The machine that a certificate in DER is of.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn of_certificate(der: &[u8]) -> Result<Self, MachineError> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| MachineError::Malformed)?;
        if !rest.is_empty() {
            return Err(MachineError::Malformed);
        }
        let at = |seconds: i64| Timestamp::from_unix_ms(seconds.saturating_mul(1000));
        let validity = parsed.validity();
        Ok(Self {
            role: role(&parsed)?,
            serial_hex: hex(parsed.raw_serial()),
            key_sha256: key_sha256(parsed.public_key().raw),
            valid_from: at(validity.not_before.timestamp()),
            expires_at: at(validity.not_after.timestamp()),
        })
    }
}

fn role(parsed: &X509Certificate<'_>) -> Result<MachineRole, MachineError> {
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| MachineError::Malformed)?;
    let mut roles = names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(MachineRole::from_uri(uri)),
            _ => None,
        });
    match (roles.next(), roles.next()) {
        (Some(Some(role)), None) => Ok(role),
        (_, Some(_)) => Err(MachineError::SeveralRoles),
        (Some(None) | None, None) => Err(MachineError::NoRole),
    }
}

impl MachineIdentity {
    /// Joins a key and its certificates, in DER, the machine's first.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn new(key: &MachineKey, chain_der: Vec<Vec<u8>>) -> Result<Self, MachineError> {
        let about = PeerMachine::of_chain(&chain_der)?;
        if about.key_sha256 != key.key_sha256() {
            return Err(MachineError::KeyMismatch);
        }
        let chain = chain_der.into_iter().map(CertificateDer::from).collect();
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.pair().serialize_der()));
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).map_err(|error| {
            MachineError::Key {
                reason: error.to_string(),
            }
        })?;
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(chain, key)),
            about,
        })
    }

    /// Who it is, and until when.
    pub fn about(&self) -> &PeerMachine {
        &self.about
    }

    /// The certificates in DER, the machine's first.
    pub fn chain_der(&self) -> Vec<Vec<u8>> {
        self.certified.cert.iter().map(|c| c.to_vec()).collect()
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for MachineIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MachineIdentity").field(&self.about).finish()
    }
}

impl CaCertificate {
    /// Takes a certificate in DER.
    ///
    /// # Errors
    /// [`MachineError::Malformed`].
    pub fn from_der(der: Vec<u8>) -> Result<Self, MachineError> {
        match X509Certificate::from_der(&der) {
            Ok(([], _)) => Ok(Self(der.into())),
            _ => Err(MachineError::Malformed),
        }
    }

    /// Takes the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, MachineError> {
        match CertificateDer::from_pem_slice(pem) {
            Ok(der) => Self::from_der(der.to_vec()),
            Err(PemError::NoItemsFound) => Err(MachineError::NoCertificate),
            Err(_) => Err(MachineError::Malformed),
        }
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the certificate, as a join token carries it.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.0)
    }

    pub(super) fn of_own(der: CertificateDer<'static>) -> Self {
        Self(der)
    }

    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.0
    }
}
