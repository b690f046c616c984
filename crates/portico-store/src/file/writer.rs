//! The one writer of a file: a thread fed by a bounded queue. What waits in the queue is written
//! in one SQLite transaction, a savepoint each, and acknowledged after its commit, so that many
//! writers share one flush of the disk.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError, TryRecvError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    lock::FileLock,
    readers::lock,
    trouble::{Fault, Trouble, TroubleKind},
};
use crate::limits::{COMMIT_BYTES, COMMIT_WRITES_MAX, OWN_RETRY_AFTER, WRITE_QUEUE_LEN_MAX};

/// What is written and what it means in memory. All methods are called by the writer's thread.
pub(crate) trait Ledger: Send + 'static {
    type Request: Send + 'static;
    type Reply: Send + 'static;
    type Error: From<Trouble> + Send + 'static;

    /// Bytes a request adds to a commit.
    fn bytes(request: &Self::Request) -> usize;

    /// Does one request inside a savepoint. When it fails, nothing in memory was changed.
    fn apply(
        &mut self,
        conn: &Connection,
        request: &Self::Request,
    ) -> Result<Self::Reply, Fault<Self::Error>>;

    /// What was applied since the last commit is durable: tell others.
    fn committed(&mut self);

    /// What was applied since the last commit is undone.
    fn rolled_back(&mut self);

    /// How long to wait for requests before asking [`Ledger::due`]; `None`: for ever.
    fn wait_max(&self) -> Option<Duration>;

    /// What has to be written although nobody asks.
    fn due(&mut self) -> Vec<Self::Request>;
}

/// Handle of the writer. Dropping it writes what is queued, ends the thread and gives the lock
/// of the file back.
pub(crate) struct Writer<L: Ledger> {
    queue: Option<mpsc::Sender<Job<L>>>,
    slots: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
    place: Arc<str>,
}

struct Job<L: Ledger> {
    request: L::Request,
    answer: Option<Answer<L>>,
}

struct Answer<L: Ledger> {
    to: oneshot::Sender<Result<L::Reply, L::Error>>,
    _slot: OwnedSemaphorePermit,
}

impl<L: Ledger> Writer<L> {
    pub(crate) fn start(
        name: &str,
        place: Arc<str>,
        conn: Arc<Mutex<Connection>>,
        file_lock: Option<FileLock>,
        ledger: L,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let run = Run {
            place: Arc::clone(&place),
            conn,
            ledger,
            jobs,
            broken: None,
            own_again_at: None,
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                run.until_closed();
                drop(file_lock);
            })?;
        Ok(Self {
            queue: Some(queue),
            slots: Arc::new(Semaphore::new(WRITE_QUEUE_LEN_MAX)),
            thread: Some(thread),
            place,
        })
    }

    /// Queues a request and waits until it is durable. A caller that stops waiting once the
    /// request is queued does not undo it.
    pub(crate) async fn submit(&self, request: L::Request) -> Result<L::Reply, L::Error> {
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| self.stopped())?;
        let (to, answer) = oneshot::channel();
        let job = Job {
            request,
            answer: Some(Answer { to, _slot: slot }),
        };
        let queue = self.queue.as_ref().ok_or_else(|| self.stopped())?;
        queue.send(job).map_err(|_| self.stopped())?;
        answer.await.map_err(|_| self.stopped())?
    }

    fn stopped(&self) -> L::Error {
        Trouble {
            place: Arc::clone(&self.place),
            kind: TroubleKind::Away("its writer has stopped".into()),
        }
        .into()
    }
}

impl<L: Ledger> Drop for Writer<L> {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was printed by its thread; here nothing is left to do.
            let _ = thread.join();
        }
    }
}

struct Run<L: Ledger> {
    place: Arc<str>,
    conn: Arc<Mutex<Connection>>,
    ledger: L,
    jobs: mpsc::Receiver<Job<L>>,
    /// Set when the disk refused a flush: what it holds is not known, so no more is written.
    broken: Option<Trouble>,
    /// Set when a write of the ledger's own failed: not before this is it tried again.
    own_again_at: Option<Instant>,
}

type Applied<L> = Result<<L as Ledger>::Reply, <L as Ledger>::Error>;

impl<L: Ledger> Run<L> {
    fn until_closed(mut self) {
        loop {
            let wait = match self.own_again_at {
                Some(at) => Some(at.saturating_duration_since(Instant::now())),
                None => self.ledger.wait_max(),
            };
            let first = match wait {
                None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => self.jobs.recv_timeout(wait),
            };
            if matches!(first, Err(RecvTimeoutError::Disconnected)) {
                return;
            }
            let batch = self.batch(first.ok());
            if !batch.is_empty() {
                self.write(batch);
            }
        }
    }

    /// What the ledger wants first: a lease that lapsed must not be seen by a later request.
    fn batch(&mut self, first: Option<Job<L>>) -> Vec<Job<L>> {
        let own = |request| Job {
            request,
            answer: None,
        };
        let may_own = self.own_again_at.is_none_or(|at| at <= Instant::now());
        let due = if may_own {
            self.ledger.due()
        } else {
            Vec::new()
        };
        if may_own {
            self.own_again_at = None;
        }
        let mut batch: Vec<_> = due.into_iter().map(own).collect();
        let mut bytes = first.as_ref().map_or(0, |job| L::bytes(&job.request));
        batch.extend(first);
        while batch.len() < COMMIT_WRITES_MAX && bytes < COMMIT_BYTES {
            match self.jobs.try_recv() {
                Ok(job) => {
                    bytes += L::bytes(&job.request);
                    batch.push(job);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        batch
    }

    fn write(&mut self, batch: Vec<Job<L>>) {
        match self.attempt(&batch) {
            Ok(results) => {
                for (job, result) in batch.into_iter().zip(results) {
                    self.answer(job, result);
                }
            }
            // One that needs no room must not fail because of another that does.
            Err(_) if batch.len() > 1 => {
                for job in batch {
                    let result = self.attempt_one(&job);
                    self.answer(job, result);
                }
            }
            Err(trouble) => {
                for job in batch {
                    self.answer(job, Err(trouble.clone().into()));
                }
            }
        }
    }

    fn attempt_one(&mut self, job: &Job<L>) -> Applied<L> {
        let mut results = self.attempt(std::slice::from_ref(job))?;
        results.pop().unwrap_or_else(|| {
            let kind = TroubleKind::Away("a write had no result".into());
            Err(self.trouble(kind).into())
        })
    }

    /// All of the batch in one transaction; `Err` when nothing of it was written.
    fn attempt(&mut self, batch: &[Job<L>]) -> Result<Vec<Applied<L>>, Trouble> {
        if let Some(trouble) = &self.broken {
            return Err(trouble.clone());
        }
        let shared = Arc::clone(&self.conn);
        let conn = lock(&shared);
        match in_one_commit(&conn, &mut self.ledger, batch) {
            Ok(results) => {
                // Before the lock is given back: a reader that shares the connection must not
                // see a revision that watches do not know yet.
                self.ledger.committed();
                Ok(results)
            }
            Err(error) => {
                if !conn.is_autocommit() {
                    // When this fails too, the next BEGIN says so.
                    let _ = conn.execute_batch("ROLLBACK");
                }
                self.ledger.rolled_back();
                let trouble = self.trouble(TroubleKind::of(&error));
                if matches!(trouble.kind, TroubleKind::Unsynced(_)) {
                    tracing::error!(place = %self.place, %error, "Writing stopped: the disk refused a flush");
                    self.broken = Some(trouble.clone());
                }
                Err(trouble)
            }
        }
    }

    fn answer(&mut self, job: Job<L>, result: Applied<L>) {
        match job.answer {
            // Nobody may wait any more; then the result is of no interest.
            Some(answer) => drop(answer.to.send(result)),
            None if result.is_err() => {
                tracing::warn!(place = %self.place, "A write by the store itself failed and will be tried again");
                self.own_again_at = Some(Instant::now() + OWN_RETRY_AFTER);
            }
            None => {}
        }
    }

    fn trouble(&self, kind: TroubleKind) -> Trouble {
        Trouble {
            place: Arc::clone(&self.place),
            kind,
        }
    }
}

fn in_one_commit<L: Ledger>(
    conn: &Connection,
    ledger: &mut L,
    batch: &[Job<L>],
) -> rusqlite::Result<Vec<Applied<L>>> {
    conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut results = Vec::with_capacity(batch.len());
    for job in batch {
        conn.prepare_cached("SAVEPOINT request")?.execute([])?;
        match ledger.apply(conn, &job.request) {
            Ok(reply) => results.push(Ok(reply)),
            Err(Fault::Sql(error)) => return Err(error),
            Err(Fault::Refused(error)) => {
                conn.prepare_cached("ROLLBACK TO request")?.execute([])?;
                results.push(Err(error));
            }
        }
        conn.prepare_cached("RELEASE request")?.execute([])?;
    }
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(results)
}
