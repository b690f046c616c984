//! Connections for reading, so that reads never wait for the disk of a commit.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Semaphore;

use super::{
    open::{Schema, open_to_read},
    trouble::{Fault, Trouble, TroubleKind},
};
use crate::{error::OpenError, limits::READERS};

/// A cheap handle to them.
#[derive(Clone)]
pub(crate) struct Readers {
    place: Arc<str>,
    path: PathBuf,
    connections: Connections,
}

#[derive(Clone)]
enum Connections {
    /// Idle ones; the semaphore has a permit for each.
    Pool(Arc<Semaphore>, Arc<Mutex<Vec<Connection>>>),
    /// The writer's: what is in memory only has one connection.
    Shared(Arc<Mutex<Connection>>),
}

impl Readers {
    pub(crate) fn open(path: &Path, schema: &Schema) -> Result<Self, OpenError> {
        let pool = (0..READERS)
            .map(|_| open_to_read(path, schema))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            place: place(path),
            path: path.to_owned(),
            connections: Connections::Pool(
                Arc::new(Semaphore::new(READERS)),
                Arc::new(Mutex::new(pool)),
            ),
        })
    }

    pub(crate) fn shared(writer: Arc<Mutex<Connection>>) -> Self {
        let path = Path::new(":memory:");
        Self {
            place: place(path),
            path: path.to_owned(),
            connections: Connections::Shared(writer),
        }
    }

    pub(crate) fn place(&self) -> Arc<str> {
        Arc::clone(&self.place)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `read` on a thread where blocking is allowed, inside one read transaction, so that
    /// all it sees is of one state.
    pub(crate) async fn read<T, E>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Fault<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Trouble> + Send + 'static,
    {
        let done = match &self.connections {
            Connections::Pool(permits, pool) => {
                let permit = Arc::clone(permits)
                    .acquire_owned()
                    .await
                    .map_err(|_| self.trouble(TroubleKind::Away("it was closed".into())))?;
                let pool = Arc::clone(pool);
                tokio::task::spawn_blocking(move || {
                    // The connection goes back also when nobody waits for the answer any more.
                    let taken = lock(&pool).pop();
                    let mut conn = taken?;
                    let result = in_transaction(&mut conn, read);
                    lock(&pool).push(conn);
                    drop(permit);
                    Some(result)
                })
                .await
            }
            Connections::Shared(writer) => {
                let writer = Arc::clone(writer);
                tokio::task::spawn_blocking(move || Some(in_transaction(&mut lock(&writer), read)))
                    .await
            }
        };
        match done {
            Ok(Some(Ok(value))) => Ok(value),
            Ok(Some(Err(Fault::Refused(error)))) => Err(error),
            Ok(Some(Err(Fault::Sql(error)))) => Err(self.trouble(TroubleKind::of(&error)).into()),
            Ok(None) => Err(self
                .trouble(TroubleKind::Away("a reader was lost".into()))
                .into()),
            Err(error) => Err(self.trouble(TroubleKind::Away(error.to_string())).into()),
        }
    }

    fn trouble(&self, kind: TroubleKind) -> Trouble {
        Trouble {
            place: self.place(),
            kind,
        }
    }
}

/// How messages name a file.
pub(crate) fn place(path: &Path) -> Arc<str> {
    path.display().to_string().into()
}

/// Locks; a panic of another holder left nothing half done, as SQLite rolls back.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn in_transaction<T, E>(
    conn: &mut Connection,
    read: impl FnOnce(&Connection) -> Result<T, Fault<E>>,
) -> Result<T, Fault<E>> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let result = read(&tx);
    tx.rollback()?;
    result
}
