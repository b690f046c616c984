//! Supervised tasks: named, told of shutdown, ended when their owner is dropped. A panic ends the
//! task that had it, is logged with the task's name, and is told to who waits for it.

use std::{
    any::Any,
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use tokio::sync::Notify;
pub use tokio_util::sync::CancellationToken as ShutdownToken;
use tokio_util::task::TaskTracker;

/// Panics that are remembered until somebody asks; later ones are only logged.
pub const PANICS_KEPT_MAX: usize = 16;

/// Name of a task in logs.
pub type TaskName = Cow<'static, str>;

/// A set of tasks with one owner. Dropping it ends them all.
#[derive(Debug)]
pub struct Tasks {
    spawner: Spawner,
}

/// Spawns into a set of [`Tasks`] without owning it.
#[derive(Debug, Clone)]
pub struct Spawner {
    shared: Arc<Shared>,
    shutdown: ShutdownToken,
}

/// A task that ended by a panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// Its name.
    pub task: TaskName,
    /// Text of the panic.
    pub message: String,
}

/// How a set of tasks ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// Tasks that did not stop in time and were ended, by name.
    pub aborted: Vec<TaskName>,
    /// Tasks that panicked and nobody was told of yet.
    pub panicked: Vec<Panicked>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    tracker: TaskTracker,
    abort: ShutdownToken,
    next: AtomicU64,
    running: Mutex<BTreeMap<u64, TaskName>>,
    panicked: Mutex<VecDeque<Panicked>>,
    panic_seen: Notify,
}

impl Tasks {
    /// An empty set; `name` stands before the tasks' names in logs.
    pub fn new(name: &'static str) -> Self {
        Self::under(name, &ShutdownToken::new())
    }

    /// An empty set that is told of shutdown when `parent` is.
    pub fn under(name: &'static str, parent: &ShutdownToken) -> Self {
        let shared = Arc::new(Shared {
            name,
            tracker: TaskTracker::new(),
            abort: ShutdownToken::new(),
            next: AtomicU64::new(0),
            running: Mutex::default(),
            panicked: Mutex::default(),
            panic_seen: Notify::new(),
        });
        Self {
            spawner: Spawner {
                shared,
                shutdown: parent.child_token(),
            },
        }
    }

    /// Starts a task on the current runtime.
    pub fn spawn<F>(&self, name: impl Into<TaskName>, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawner.spawn(name, future);
    }

    /// A handle that spawns into this set.
    pub fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// The token by which tasks learn of shutdown. Tasks are expected to watch it.
    pub fn shutdown_token(&self) -> ShutdownToken {
        self.spawner.shutdown_token()
    }

    /// Names of the tasks that run.
    pub fn running(&self) -> Vec<TaskName> {
        self.spawner.shared.running()
    }

    /// Waits until a task panics. For tasks that a service cannot do without.
    pub async fn panicked(&self) -> Panicked {
        let shared = &self.spawner.shared;
        loop {
            let seen = shared.panic_seen.notified();
            if let Some(first) = lock(&shared.panicked).pop_front() {
                return first;
            }
            seen.await;
        }
    }

    /// Tells all tasks to stop, waits at most `deadline`, and ends those that still run.
    pub async fn join(self, deadline: Duration) -> Joined {
        let shared = &self.spawner.shared;
        self.spawner.shutdown.cancel();
        shared.tracker.close();
        let mut joined = Joined::default();
        if tokio::time::timeout(deadline, shared.tracker.wait())
            .await
            .is_err()
        {
            joined.aborted = shared.running();
            for task in &joined.aborted {
                tracing::warn!(set = shared.name, %task, "Task did not stop in time and is ended");
            }
            shared.abort.cancel();
            shared.tracker.wait().await;
        }
        joined.panicked = std::mem::take(&mut *lock(&shared.panicked)).into();
        joined
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.spawner.shutdown.cancel();
        self.spawner.shared.tracker.close();
        self.spawner.shared.abort.cancel();
    }
}

impl Spawner {
    /// Starts a task on the current runtime. Does nothing but drop the future when the owner of
    /// the set is gone.
    pub fn spawn<F>(&self, name: impl Into<TaskName>, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        let shared = Arc::clone(&self.shared);
        let entry = Entry::new(Arc::clone(&self.shared), name.clone());
        self.shared.tracker.spawn(async move {
            let _entry = entry;
            tokio::select! {
                biased;
                () = shared.abort.cancelled() => {}
                outcome = AssertUnwindSafe(future).catch_unwind() => {
                    if let Err(payload) = outcome {
                        shared.record(name, payload.as_ref());
                    }
                }
            }
        });
    }

    /// The token by which tasks learn of shutdown.
    pub fn shutdown_token(&self) -> ShutdownToken {
        self.shutdown.clone()
    }
}

impl Shared {
    fn running(&self) -> Vec<TaskName> {
        lock(&self.running).values().cloned().collect()
    }

    fn record(&self, task: TaskName, payload: &(dyn Any + Send)) {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without text".to_owned());
        tracing::error!(set = self.name, %task, error = %message, "Task panicked");
        let mut kept = lock(&self.panicked);
        if kept.len() < PANICS_KEPT_MAX {
            kept.push_back(Panicked { task, message });
        }
        drop(kept);
        self.panic_seen.notify_waiters();
    }
}

/// A task's line in the list of those that run; gone when the task is, however it ends.
struct Entry {
    shared: Arc<Shared>,
    number: u64,
}

impl Entry {
    fn new(shared: Arc<Shared>, name: TaskName) -> Self {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        lock(&shared.running).insert(number, name);
        Self { shared, number }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.shared.running).remove(&self.number);
    }
}

/// A panic cannot happen while these are held, and if it did the lists would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn tasks_are_told_of_shutdown_and_joined() {
        let tasks = Tasks::new("test");
        let token = tasks.shutdown_token();
        tasks.spawn("waits", async move { token.cancelled().await });
        assert_eq!(tasks.running(), vec!["waits"]);
        assert_eq!(tasks.join(Duration::from_secs(10)).await, Joined::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_is_ended_at_the_deadline_and_named() {
        let tasks = Tasks::new("test");
        tasks.spawn("stubborn", std::future::pending());
        let joined = tasks.join(Duration::from_secs(1)).await;
        assert_eq!(joined.aborted, vec!["stubborn"]);
    }

    #[tokio::test]
    async fn dropping_the_owner_drops_the_futures() {
        let tasks = Tasks::new("test");
        let (sender, receiver) = oneshot::channel::<()>();
        let spawner = tasks.spawner();
        tasks.spawn("holds", async move {
            let _sender = sender;
            std::future::pending::<()>().await;
        });
        drop(tasks);
        receiver.await.unwrap_err();
        // A late spawn is dropped too.
        let (sender, receiver) = oneshot::channel::<()>();
        spawner.spawn("late", async move {
            let _sender = sender;
            std::future::pending::<()>().await;
        });
        receiver.await.unwrap_err();
    }

    #[tokio::test]
    async fn a_panic_is_reported_and_other_tasks_go_on() {
        let tasks = Tasks::new("test");
        let token = tasks.shutdown_token();
        tasks.spawn("goes on", async move { token.cancelled().await });
        tasks.spawn(format!("breaks {}", 7), async { panic!("on purpose") });
        let seen = tasks.panicked().await;
        assert_eq!(
            seen,
            Panicked {
                task: "breaks 7".into(),
                message: "on purpose".into()
            }
        );
        assert_eq!(tasks.running(), vec!["goes on"]);
        assert_eq!(tasks.join(Duration::from_secs(10)).await, Joined::default());
    }

    #[tokio::test]
    async fn a_set_under_a_token_stops_with_it() {
        let parent = ShutdownToken::new();
        let tasks = Tasks::under("test", &parent);
        let token = tasks.shutdown_token();
        parent.cancel();
        token.cancelled().await;
        assert!(tasks.join(Duration::from_secs(10)).await.aborted.is_empty());
    }
}
