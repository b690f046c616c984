//! The built-in certificate authority: made once, kept in the state folder, signs the portal's
//! certificate when no files are given. File access is blocking: it is used at start.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use portico_model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use time::OffsetDateTime;

use super::{CaCertificate, IdentityError, ServerIdentity, fingerprint_sha256};

/// Life of the authority's own certificate.
pub const CA_LIFE_DAYS: i64 = 3650;
/// Life of a server's certificate.
pub const SERVER_LIFE_DAYS: i64 = 365;
/// A server's certificate is renewed when it has less than this left.
pub const RENEW_BEFORE_DAYS: i64 = 30;
/// Names in one certificate.
pub(super) const NAMES_MAX: usize = 100;

const DAY_MS: i64 = 86_400_000;
const KEY_MODE: u32 = 0o600;
const CERT_MODE: u32 = 0o644;

/// Certificate authority of one installation.
#[derive(Debug)]
pub struct BuiltInCa {
    folder: PathBuf,
    key: KeyPair,
    cert_pem: String,
    cert: CertificateDer<'static>,
}

/// Why the authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Only one of key and certificate is there.
    #[error("{} is missing, and its other half is there; restore it from a backup, or remove both for a new authority", path.display())]
    HalfMissing {
        /// The one that is missing.
        path: PathBuf,
    },
    /// Others can read the key.
    #[error("{} can be read by others (mode {mode:o}); if nobody did, run `chmod 600` on it, otherwise remove it and its certificate for a new authority", path.display())]
    KeyExposed {
        /// The key's file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file is damaged.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A name cannot stand in a certificate.
    #[error("{name:?} is neither a DNS name nor an address")]
    Name {
        /// It.
        name: String,
    },
    /// No name, or too many.
    #[error("a certificate has 1 to {NAMES_MAX} names, not {count}")]
    NameCount {
        /// How many there are.
        count: usize,
    },
    /// A certificate or key could not be made.
    #[error("the certificate could not be made: {reason}")]
    Make {
        /// What was said.
        reason: String,
    },
    /// What was issued cannot be used.
    #[error("the issued certificate cannot be used")]
    Identity(#[from] IdentityError),
}

impl BuiltInCa {
    /// Takes the authority from `folder`, or makes it there when there is none.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self, CaError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let (key_path, cert_path) = (folder.join("ca.key.pem"), folder.join("ca.cert.pem"));
        match (read_if_there(&key_path)?, read_if_there(&cert_path)?) {
            (Some(key_pem), Some(cert_pem)) => {
                check_private(&key_path)?;
                let key = parse_key(&key_path, &key_pem)?;
                Self::of(folder, key, cert_pem, &cert_path)
            }
            (None, None) => {
                let key = generate()?;
                let cert = ca_params(now).and_then(|params| params.self_signed(&key));
                let cert_pem = cert.map_err(make)?.pem();
                // The key comes last: with a key there is a certificate, whenever the power fails.
                // A certificate without key is reported as such.
                write_whole(&cert_path, &cert_pem, CERT_MODE)?;
                write_whole(&key_path, &key.serialize_pem(), KEY_MODE)?;
                tracing::info!(folder = %folder.display(), "Made a certificate authority");
                Self::of(folder, key, cert_pem, &cert_path)
            }
            (None, Some(_)) => Err(CaError::HalfMissing { path: key_path }),
            (Some(_), None) => Err(CaError::HalfMissing { path: cert_path }),
        }
    }

    fn of(folder: &Path, key: KeyPair, cert_pem: String, path: &Path) -> Result<Self, CaError> {
        let cert = CertificateDer::from_pem_slice(cert_pem.as_bytes()).map_err(|error| {
            CaError::Damaged {
                path: path.to_owned(),
                reason: error.to_string(),
            }
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            key,
            cert_pem,
            cert,
        })
    }

    /// The authority's certificate, for import into browsers.
    pub fn certificate_pem(&self) -> &str {
        &self.cert_pem
    }

    /// SHA-256 of the authority's certificate as browsers show it.
    pub fn fingerprint(&self) -> String {
        fingerprint_sha256(&self.cert)
    }

    /// A server identity for `names` (DNS names and addresses).
    ///
    /// The one that is kept is used as long as it is for the same names, signed by this authority,
    /// and has at least [`RENEW_BEFORE_DAYS`] left; otherwise a new one is made and kept.
    pub fn server_identity(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<ServerIdentity, CaError> {
        let names = canonical(names)?;
        let key_path = self.folder.join("server.key.pem");
        let cert_path = self.folder.join("server.cert.pem");
        if let (Some(key), Some(cert)) = (read_if_there(&key_path)?, read_if_there(&cert_path)?)
            && let Ok(kept) = ServerIdentity::from_pem(cert.as_bytes(), key.as_bytes())
            && self.is_good(&kept, &names, now)
        {
            check_private(&key_path)?;
            return Ok(kept);
        }
        let key = generate()?;
        let chain = format!("{}{}", self.issue(&names, &key, now)?, self.cert_pem);
        let key_pem = key.serialize_pem();
        let made = ServerIdentity::from_pem(chain.as_bytes(), key_pem.as_bytes())?;
        // A crash between the two leaves a pair that does not match, and the next start makes anew.
        write_whole(&key_path, &key_pem, KEY_MODE)?;
        write_whole(&cert_path, &chain, CERT_MODE)?;
        tracing::info!(names = ?names, fingerprint = %made.fingerprint(), "Issued a server certificate");
        Ok(made)
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> CaCertificate {
        CaCertificate::of_own(self.cert.clone())
    }

    /// What signs certificates in the name of this authority.
    pub(super) fn issuer(&self) -> Result<Issuer<'_, &KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_der(&self.cert, &self.key)
    }

    fn is_good(&self, kept: &ServerIdentity, names: &[String], now: Timestamp) -> bool {
        kept.names() == names
            && kept.chain().get(1) == Some(&self.cert)
            && kept.not_before() <= now
            && now.plus_ms(RENEW_BEFORE_DAYS * DAY_MS) < kept.not_after()
    }

    fn issue(&self, names: &[String], key: &KeyPair, now: Timestamp) -> Result<String, CaError> {
        let mut params = CertificateParams::new(names).map_err(make)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Portico");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(now, SERVER_LIFE_DAYS).map_err(make)?;
        let issuer = self.issuer().map_err(make)?;
        Ok(params.signed_by(key, &issuer).map_err(make)?.pem())
    }
}

fn ca_params(now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Portico built-in CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = validity(now, CA_LIFE_DAYS)?;
    Ok(params)
}

/// From a day ago, because clients' clocks may be behind, to `days` from now.
fn validity(now: Timestamp, days: i64) -> Result<(OffsetDateTime, OffsetDateTime), rcgen::Error> {
    let at = |time: Timestamp| {
        OffsetDateTime::from_unix_timestamp(time.unix_ms() / 1000).map_err(|_| rcgen::Error::Time)
    };
    Ok((at(now.plus_ms(-DAY_MS))?, at(now.plus_ms(days * DAY_MS))?))
}

fn generate() -> Result<KeyPair, CaError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)
}

fn make(error: rcgen::Error) -> CaError {
    CaError::Make {
        reason: error.to_string(),
    }
}

fn parse_key(path: &Path, pem: &str) -> Result<KeyPair, CaError> {
    // The error's text could hold a line of the key.
    KeyPair::from_pem(pem).map_err(|_| CaError::Damaged {
        path: path.to_owned(),
        reason: "it is not a private key in PEM form".into(),
    })
}

/// The names as the certificate will hold them: lower case, each once, sorted.
pub(super) fn canonical(names: &[String]) -> Result<Vec<String>, CaError> {
    let mut checked = Vec::new();
    for name in names {
        match ServerName::try_from(name.as_str()) {
            Ok(ServerName::DnsName(dns)) => checked.push(dns.as_ref().to_ascii_lowercase()),
            Ok(ServerName::IpAddress(ip)) => checked.push(std::net::IpAddr::from(ip).to_string()),
            _ => return Err(CaError::Name { name: name.clone() }),
        }
    }
    checked.sort_unstable();
    checked.dedup();
    match checked.len() {
        1..=NAMES_MAX => Ok(checked),
        count => Err(CaError::NameCount { count }),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CaError {
    let path = path.to_owned();
    move |source| CaError::File { path, source }
}

fn read_if_there(path: &Path) -> Result<Option<String>, CaError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

fn check_private(path: &Path) -> Result<(), CaError> {
    let mode = fs::metadata(path).map_err(at(path))?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(CaError::KeyExposed {
            path: path.to_owned(),
            mode,
        })
    }
}

/// Writes a file so that it is there whole or not at all, with its permissions from the beginning.
fn write_whole(path: &Path, text: &str, mode: u32) -> Result<(), CaError> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let attempt = || {
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        path.parent()
            .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    attempt().map_err(at(path))
}
