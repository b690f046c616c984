//! The state folder: what is where, and who may read it.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::settings::Settings;

/// The state folder of a server.
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    /// Makes the folder if it is missing, for its owner only.
    pub(crate) fn open(settings: &Settings) -> anyhow::Result<Self> {
        let path = settings.state_dir.clone();
        let name = path.display();
        if path.exists() {
            let mode = fs::metadata(&path)
                .with_context(|| format!("cannot look at the state folder {name}"))?
                .permissions()
                .mode();
            if mode & 0o077 != 0 {
                bail!(
                    "others may read the state folder {name} (mode {:o}); run: chmod 700 {name}",
                    mode & 0o777
                );
            }
        } else {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .with_context(|| {
                    format!(
                        "cannot make the state folder {name}; make it, or name another with --state"
                    )
                })?;
        }
        Ok(Self(path))
    }

    /// The store's file.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.sqlite")
    }

    /// The journal's file.
    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal.sqlite")
    }

    /// Folder of the built-in authority and its certificates.
    pub(crate) fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// The last signed head of the audit log, renewed every minute.
    pub(crate) fn anchor(&self) -> PathBuf {
        self.0.join("audit-anchor.json")
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}
