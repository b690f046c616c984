//! The key that signs heads: made once, in a file beside the journal, readable by its owner only.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use portico_model::Timestamp;

use super::chain::{Anchor, AnchorVersion, AuditHash, signed_bytes};
use crate::error::OpenError;

/// The key.
pub(super) struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads the key beside `journal`, or makes one.
    pub(super) fn open_or_make(journal: &Path) -> Result<Self, OpenError> {
        match Self::open(journal)? {
            Some(key) => Ok(key),
            None => Self::make(&key_path(journal)),
        }
    }

    /// Reads the key beside `journal`, if there is one.
    pub(super) fn open(journal: &Path) -> Result<Option<Self>, OpenError> {
        let path = key_path(journal);
        let document = match std::fs::read(&path) {
            Ok(document) => document,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(OpenError::NoAccess { file: path, source }),
        };
        check_private(&path)?;
        let pair = Ed25519KeyPair::from_pkcs8(&document).map_err(|e| OpenError::BadKey {
            file: path,
            detail: e.to_string(),
        })?;
        Ok(Some(Self(pair)))
    }

    /// A key that is never stored.
    pub(super) fn in_memory(path: &Path) -> Result<Self, OpenError> {
        let pair = Ed25519KeyPair::generate().map_err(|e| OpenError::BadKey {
            file: path.to_owned(),
            detail: e.to_string(),
        })?;
        Ok(Self(pair))
    }

    fn make(path: &Path) -> Result<Self, OpenError> {
        let bad = |detail: String| OpenError::BadKey {
            file: path.to_owned(),
            detail,
        };
        let Self(pair) = Self::in_memory(path)?;
        let document = pair.to_pkcs8().map_err(|e| bad(e.to_string()))?;
        write_private(path, document.as_ref()).map_err(|source| OpenError::NoAccess {
            file: path.to_owned(),
            source,
        })?;
        Ok(Self(pair))
    }

    pub(super) fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    pub(super) fn sign(&self, writer: &str, seq: u64, hash: AuditHash, at: Timestamp) -> Anchor {
        let signature = self.0.sign(&signed_bytes(writer, seq, &hash, at));
        Anchor {
            v: AnchorVersion,
            writer: writer.to_owned(),
            seq,
            hash,
            at,
            public_key: self.public_key().to_vec(),
            signature: signature.as_ref().to_vec(),
        }
    }
}

fn key_path(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".signing-key");
    name.into()
}

/// A key that others could read signs nothing.
fn check_private(path: &Path) -> Result<(), OpenError> {
    let no_access = |source| OpenError::NoAccess {
        file: path.to_owned(),
        source,
    };
    let mode = std::fs::metadata(path)
        .map_err(no_access)?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(OpenError::BadKey {
            file: path.to_owned(),
            detail: format!("its mode is {:o} and must be 600", mode & 0o777),
        });
    }
    Ok(())
}

/// Whole or not at all: under another name first, so that a crash leaves no half key.
fn write_private(path: &Path, document: &[u8]) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    if part.try_exists()? {
        std::fs::remove_file(&part)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)?;
    file.write_all(document)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    match path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
