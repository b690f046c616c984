//! The key of a machine: made on it, never leaves it.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::Zeroizing;

use super::csr::key_sha256;

const KEY_MODE: u32 = 0o600;
/// Longest key file that is read, in bytes.
const KEY_FILE_LEN_MAX: u64 = 16 * 1024;

/// Key pair of a machine, on the curve P-256. Its `Debug` shows nothing of it.
pub struct MachineKey(KeyPair);

/// Why a key cannot be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read the key.
    #[error("{} can be read by others (mode {mode:o}); if nobody did, run `chmod 600` on it, otherwise remove it and join again", path.display())]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds no key.
    #[error("{} is damaged: it is not a private key in PEM form; remove it and join again", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// A key or request could not be made.
    #[error("the key could not be made: {reason}")]
    Make {
        /// What was said.
        reason: String,
    },
}

impl MachineKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyFileError::Make`] when the system gives no random numbers.
    pub fn generate() -> Result<Self, KeyFileError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        Ok(Self(pair))
    }

    /// A certificate signing request for this key, in DER. It asks for nothing: the name is the
    /// broker's choice.
    ///
    /// # Errors
    /// [`KeyFileError::Make`], which never happens with a sound key.
    pub fn csr_der(&self) -> Result<Vec<u8>, KeyFileError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&self.0).map_err(make)?;
        Ok(request.der().to_vec())
    }

    /// SHA-256 of the public key (SubjectPublicKeyInfo), in lower-case hexadecimal, as operators
    /// see it when they approve.
    pub fn key_sha256(&self) -> String {
        key_sha256(&self.public_key_der())
    }

    /// Keeps the key in a file of mode 0600, whole or not at all. Blocking.
    ///
    /// # Errors
    /// [`KeyFileError::File`].
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let pem = Zeroizing::new(self.0.serialize_pem());
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
                .mode(KEY_MODE)
                .open(&fresh)?;
            file.write_all(pem.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, path)?;
            match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => {
                    fs::File::open(folder)?.sync_all()
                }
                _ => Ok(()),
            }
        };
        attempt().map_err(at(path))
    }

    /// Reads a key that [`MachineKey::save`] wrote. Blocking.
    ///
    /// # Errors
    /// [`KeyFileError::Exposed`] when anybody but the owner may read it.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let file = fs::File::open(path).map_err(at(path))?;
        let about = file.metadata().map_err(at(path))?;
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(KeyFileError::Exposed { path, mode });
        }
        let mut pem = Zeroizing::new(String::new());
        file.take(KEY_FILE_LEN_MAX)
            .read_to_string(&mut pem)
            .map_err(at(path))?;
        // The error's text could hold a line of the key.
        let pair = KeyPair::from_pem(&pem).map_err(|_| KeyFileError::Damaged {
            path: path.to_owned(),
        })?;
        Ok(Self(pair))
    }

    pub(super) fn pair(&self) -> &KeyPair {
        &self.0
    }

    pub(super) fn public_key_der(&self) -> Vec<u8> {
        rcgen::PublicKeyData::subject_public_key_info(&self.0)
    }
}

impl std::fmt::Debug for MachineKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MachineKey(…)")
    }
}

fn make(error: rcgen::Error) -> KeyFileError {
    KeyFileError::Make {
        reason: error.to_string(),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError::File { path, source }
}
