//! [`Journal`] in a SQLite file of its own.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use portico_model::Timestamp;

use super::{
    chain::Anchor,
    entry::{
        AuditEntry, AuditPage, AuditQuery, AuditRecord, SessionEvent, SessionPage, SessionQuery,
    },
    ledger::{JournalLedger, Reply, Request},
    read,
    schema::SCHEMA,
    seam::{Journal, JournalError},
    signing::SigningKey,
    verify::{self, Verdict},
};
use crate::{
    error::OpenError,
    file::{
        backup::{BackupError, back_up, blocking},
        examine::{FileReport, examine},
        lock::FileLock,
        open::{failed, open_in_memory, open_to_write},
        readers::{Readers, lock},
        writer::Writer,
    },
    seam::BoxFuture,
};

/// A journal in a SQLite file, for one writing process. The key that signs the audit chain is in
/// a file beside it with `.signing-key` after its name and mode 0600.
pub struct SqliteJournal {
    /// `None` when opened for reading.
    writer: Option<Writer<JournalLedger>>,
    readers: Readers,
    public_key: Option<Arc<[u8]>>,
}

impl SqliteJournal {
    /// Opens the file, which is made if it does not exist (its folder is not), and the key.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file_lock = FileLock::take(path)?;
        let conn = open_to_write(path, &SCHEMA)?;
        let key = SigningKey::open_or_make(path)?;
        let readers = Readers::open(path, &SCHEMA)?;
        let conn = Arc::new(Mutex::new(conn));
        Self::start(path, conn, readers, Some(file_lock), key)
    }

    /// Opens a file that exists, which a running portico may be writing: to list and verify.
    pub fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        let public_key = SigningKey::open(path)?.map(|key| key.public_key().into());
        Ok(Self {
            writer: None,
            readers: Readers::open(path, &SCHEMA)?,
            public_key,
        })
    }

    /// Looks at a file that another process may be using, and changes nothing; `None` when it does
    /// not exist.
    ///
    /// # Errors
    /// It, or its signing key, is damaged, of a later version, something else, or may not be read.
    pub fn examine(path: &Path) -> Result<Option<FileReport>, OpenError> {
        let report = examine(path, &SCHEMA)?;
        if report.is_some() {
            SigningKey::open(path)?;
        }
        Ok(report)
    }

    /// A journal in memory with a key of its own, for tests. It is gone when dropped.
    pub fn open_in_memory() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let conn = Arc::new(Mutex::new(open_in_memory(&SCHEMA)?));
        let readers = Readers::shared(Arc::clone(&conn));
        Self::start(path, conn, readers, None, SigningKey::in_memory(path)?)
    }

    fn start(
        path: &Path,
        conn: Arc<Mutex<rusqlite::Connection>>,
        readers: Readers,
        file_lock: Option<FileLock>,
        key: SigningKey,
    ) -> Result<Self, OpenError> {
        let public_key = Some(key.public_key().into());
        let ledger = JournalLedger::load(&lock(&conn), key).map_err(|e| failed(path, &e))?;
        let writer = Writer::start("portico-journal", readers.place(), conn, file_lock, ledger)
            .map_err(|source| OpenError::NoAccess {
                file: path.to_owned(),
                source,
            })?;
        Ok(Self {
            writer: Some(writer),
            readers,
            public_key,
        })
    }

    /// The Ed25519 public key that signs heads; note it elsewhere when the journal is new.
    pub fn public_key(&self) -> Option<&[u8]> {
        self.public_key.as_deref()
    }

    /// Copies one consistent state to `to`, which must not exist, while the journal is in use.
    /// The signing key is not part of it.
    pub async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let (from, to) = (self.readers.path().to_owned(), to.to_owned());
        blocking(move || back_up(&from, &to)).await
    }

    async fn write(&self, request: Request) -> Result<Reply, JournalError> {
        match &self.writer {
            Some(writer) => writer.submit(request).await,
            None => Err(JournalError::ReadOnly {
                place: self.readers.place().to_string(),
            }),
        }
    }

    fn odd_reply(&self) -> JournalError {
        JournalError::Away {
            place: self.readers.place().to_string(),
            detail: "its writer answered something else".into(),
        }
    }
}

impl Journal for SqliteJournal {
    fn append_audit(&self, entry: AuditEntry) -> BoxFuture<'_, Result<AuditRecord, JournalError>> {
        Box::pin(async move {
            match self.write(Request::Audit(entry)).await? {
                Reply::Record(record) => Ok(record),
                Reply::Head(_) | Reply::Done => Err(self.odd_reply()),
            }
        })
    }

    fn session_event(&self, event: SessionEvent) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.write(Request::Session(event)).await.map(drop) })
    }

    fn audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<AuditPage, JournalError>> {
        Box::pin(async move {
            self.readers
                .read(move |conn| read::audit(conn, &query))
                .await
        })
    }

    fn sessions(&self, query: SessionQuery) -> BoxFuture<'_, Result<SessionPage, JournalError>> {
        Box::pin(async move {
            self.readers
                .read(move |conn| read::sessions(conn, &query))
                .await
        })
    }

    fn sign_head(&self, now: Timestamp) -> BoxFuture<'_, Result<Option<Anchor>, JournalError>> {
        Box::pin(async move {
            match self.write(Request::Sign(now)).await? {
                Reply::Head(anchor) => Ok(anchor),
                Reply::Record(_) | Reply::Done => Err(self.odd_reply()),
            }
        })
    }

    fn anchor(&self) -> BoxFuture<'_, Result<Option<Anchor>, JournalError>> {
        Box::pin(async move { self.readers.read(|conn| Ok(verify::last_head(conn)?)).await })
    }

    fn verify(&self, anchor: Option<Anchor>) -> BoxFuture<'_, Result<Verdict, JournalError>> {
        let public_key = self.public_key.clone();
        Box::pin(async move {
            self.readers
                .read(move |conn| {
                    Ok(verify::verify(
                        conn,
                        public_key.as_deref(),
                        anchor.as_ref(),
                    )?)
                })
                .await
        })
    }
}
