//! A server's certificate chain and key.

use std::{io, net::IpAddr, path::Path, sync::Arc};

use portico_model::Timestamp;
use rustls::ServerConfig;
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error as PemError, PemObject},
};
use x509_parser::{extensions::GeneralName, prelude::FromDer};

use super::{fingerprint_sha256, provider};

/// TLS 1.2 sessions and unused TLS 1.3 tickets that are kept for clients without tickets.
const SESSIONS_KEPT_MAX: usize = 1024;
/// Largest file of certificates or keys, in bytes.
const PEM_LEN_MAX: u64 = 1 << 20;

/// Certificate chain and key of a server, checked to belong together.
#[derive(Debug, Clone)]
pub struct ServerIdentity {
    config: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why a certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("{file} cannot be read: {source}")]
    Read {
        /// Which.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate text is not PEM.
    #[error("the certificate is not in PEM form: {reason}")]
    CertificatePem {
        /// What is wrong.
        reason: String,
    },
    /// No certificate in the certificate text.
    #[error(
        "there is no CERTIFICATE section; give a PEM file with the server's certificate first and the intermediate ones after it"
    )]
    NoCertificate,
    /// The certificate is not X.509.
    #[error("the first certificate is not X.509: {reason}")]
    Certificate {
        /// What is wrong.
        reason: String,
    },
    /// The key text is not PEM.
    #[error("the key is not in PEM form: {reason}")]
    KeyPem {
        /// What is wrong.
        reason: String,
    },
    /// No key in the key text.
    #[error(
        "there is no PRIVATE KEY section; give a PEM file with the key in PKCS#8, PKCS#1 or SEC1 form"
    )]
    NoKey,
    /// The key needs a passphrase.
    #[error(
        "the key is encrypted; decrypt it with `openssl pkey -in KEY -out PLAIN` and keep it with mode 0600"
    )]
    EncryptedKey,
    /// The key is of another certificate.
    #[error(
        "the key does not belong to the certificate; give the two files that were made together, the server's certificate first"
    )]
    KeyMismatch,
    /// The key is of a kind that is not supported.
    #[error("the key cannot be used: {reason}")]
    Key {
        /// What is wrong.
        reason: String,
    },
}

/// TLS settings for the certificate and key in PEM form.
pub fn server_config(cert_pem: &[u8], key_pem: &[u8]) -> Result<Arc<ServerConfig>, IdentityError> {
    ServerIdentity::from_pem(cert_pem, key_pem).map(|identity| identity.config())
}

impl ServerIdentity {
    /// Reads certificate and key from files. Blocking.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Self, IdentityError> {
        Self::from_pem(&read(cert)?, &read(key)?)
    }

    /// Reads certificate and key in PEM form.
    pub fn from_pem(cert_pem: &[u8], key_pem: &[u8]) -> Result<Self, IdentityError> {
        let chain = read_chain(cert_pem)?;
        let key = read_key(key_pem)?;
        let leaf = chain.first().ok_or(IdentityError::NoCertificate)?;
        let facts = Facts::of(leaf)?;
        let config = Arc::new(make_config(chain.clone(), key)?);
        let Facts {
            names,
            not_before,
            not_after,
        } = facts;
        Ok(Self {
            config,
            chain,
            names,
            not_before,
            not_after,
        })
    }

    /// TLS settings with this identity: TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1, resumption on.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The certificates, the server's first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// SHA-256 of the server's certificate as browsers show it.
    pub fn fingerprint(&self) -> String {
        self.chain
            .first()
            .map(|leaf| fingerprint_sha256(leaf))
            .unwrap_or_default()
    }

    /// DNS names and addresses of the certificate, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When the certificate begins to be valid.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When the certificate lapses.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    use std::io::Read as _;
    let attempt = || {
        let mut text = Vec::new();
        std::fs::File::open(path)?
            .take(PEM_LEN_MAX)
            .read_to_end(&mut text)?;
        Ok(text)
    };
    attempt().map_err(|source| IdentityError::Read {
        file: path.display().to_string(),
        source,
    })
}

fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, PemError>>()
        .map_err(|error| IdentityError::CertificatePem {
            reason: error.to_string(),
        })?;
    if chain.is_empty() {
        Err(IdentityError::NoCertificate)
    } else {
        Ok(chain)
    }
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let has = |text: &[u8]| pem.windows(text.len()).any(|window| window == text);
    if has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(IdentityError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound => IdentityError::NoKey,
        // The error's text could hold a line of the key.
        PemError::Base64Decode(_) | PemError::IllegalSectionStart { .. } => IdentityError::KeyPem {
            reason: "a line is damaged".into(),
        },
        other => IdentityError::KeyPem {
            reason: other.to_string(),
        },
    })
}

fn make_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, IdentityError> {
    let unusable = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => IdentityError::KeyMismatch,
        other => IdentityError::Key {
            reason: other.to_string(),
        },
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A viewer that comes back after a network drop resumes without the private key's work.
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(SESSIONS_KEPT_MAX);
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(unusable)?;
    Ok(config)
}

struct Facts {
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Facts {
    fn of(leaf: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let wrong = |reason: String| IdentityError::Certificate { reason };
        let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(leaf)
            .map_err(|error| wrong(error.to_string()))?;
        let alternative = parsed
            .subject_alternative_name()
            .map_err(|error| wrong(error.to_string()))?;
        let mut names: Vec<String> = alternative
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(name_text)
            .collect();
        names.sort_unstable();
        let at = |seconds: i64| Timestamp::from_unix_ms(seconds.saturating_mul(1000));
        let validity = parsed.validity();
        Ok(Self {
            names,
            not_before: at(validity.not_before.timestamp()),
            not_after: at(validity.not_after.timestamp()),
        })
    }
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from).ok();
            let v6 = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from).ok();
            v4.or_else(v6).map(|ip| ip.to_string())
        }
        _ => None,
    }
}
