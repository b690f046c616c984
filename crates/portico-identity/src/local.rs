//! Verifying the passwords of local users, on a bounded pool and with uniform timing.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use portico_model::Secret;
use tokio::sync::Semaphore;

use crate::password::{self, HashError, Memory};

/// Computations that run at once; each takes [`password::MEMORY_KIB`] and one thread.
pub const WORKERS: usize = 2;
/// Computations that may wait for a worker; more are turned away.
pub const QUEUE_LEN_MAX: usize = 64;

/// Whether the password was right. Why it was not is deliberately not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the user's password.
    Right,
    /// Unknown user, wrong password, or a user without a password.
    Wrong,
}

/// Too many sign-ins are waiting to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins are waiting; try again in a few seconds")]
pub struct VerifyBusy;

/// Checks passwords against argon2id hashes, a few at a time.
#[derive(Clone)]
pub struct LocalUsers {
    queue: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    /// Of workers that are idle; as many as ever worked at once.
    memories: Arc<Mutex<Vec<Memory>>>,
    dummy_hash: Arc<str>,
    computations: Arc<AtomicU64>,
}

impl LocalUsers {
    /// A pool with the limits of this module. Computes one hash: the one that stands in for
    /// users who do not exist.
    pub fn new() -> Result<Self, HashError> {
        Self::with_limits(WORKERS, QUEUE_LEN_MAX)
    }

    /// A pool with `workers` computations at once and `queue_len_max` waiting.
    pub fn with_limits(workers: usize, queue_len_max: usize) -> Result<Self, HashError> {
        let unknown = crate::tokens::random_token().map_err(|_| HashError::Failed)?;
        Ok(Self {
            queue: Arc::new(Semaphore::new(workers.saturating_add(queue_len_max))),
            workers: Arc::new(Semaphore::new(workers)),
            memories: Arc::default(),
            dummy_hash: password::hash_password(&unknown)?.into(),
            computations: Arc::default(),
        })
    }

    /// Checks `password` against `hash`. `None` (unknown user, or one without a password) takes
    /// as long as any other wrong password and gives the same answer. A hash that an estate file
    /// brought along with other costs than ours takes its own time.
    pub async fn verify(
        &self,
        hash: Option<&str>,
        password: Secret,
    ) -> Result<Verdict, VerifyBusy> {
        let known = hash.is_some_and(|hash| password::check_hash(hash).is_ok());
        let hash: Arc<str> = match hash {
            Some(hash) if known => hash.into(),
            _ => Arc::clone(&self.dummy_hash),
        };
        self.run(
            move |memory| match password::verify_password_in(memory, &password, &hash) {
                Ok(true) if known => Verdict::Right,
                _ => Verdict::Wrong,
            },
        )
        .await
        .map(|verdict| verdict.unwrap_or(Verdict::Wrong))
    }

    /// Hashes a new password on the same pool. `Ok(Err(_))` when it cannot be hashed.
    pub async fn hash(&self, password: Secret) -> Result<Result<String, HashError>, VerifyBusy> {
        self.run(move |memory| password::hash_password_in(memory, &password))
            .await
            .map(|hashed| hashed.unwrap_or(Err(HashError::Failed)))
    }

    /// How many computations were begun, for whatever name.
    pub fn computations(&self) -> u64 {
        self.computations.load(Ordering::Relaxed)
    }

    /// `Ok(None)` when the computation itself broke down.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<Option<T>, VerifyBusy> {
        let place = Arc::clone(&self.queue)
            .try_acquire_owned()
            .map_err(|_| VerifyBusy)?;
        let worker = Arc::clone(&self.workers)
            .acquire_owned()
            .await
            .map_err(|_| VerifyBusy)?;
        self.computations.fetch_add(1, Ordering::Relaxed);
        // The permits travel with the work: a caller that goes away frees nothing early.
        let memories = Arc::clone(&self.memories);
        let task = tokio::task::spawn_blocking(move || {
            let kept = memories
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let mut memory = kept.unwrap_or_default();
            let outcome = work(&mut memory);
            memories
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(memory);
            drop((worker, place));
            outcome
        });
        Ok(task.await.ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn unknown_user_wrong_password_and_no_password_get_the_same_answer() {
        let users = LocalUsers::new().unwrap();
        let hash = users.hash(secret("right password")).await.unwrap().unwrap();
        let check =
            async |hash: Option<&str>, text: &str| users.verify(hash, secret(text)).await.unwrap();
        assert_eq!(check(Some(&hash), "right password").await, Verdict::Right);
        assert_eq!(check(Some(&hash), "wrong password").await, Verdict::Wrong);
        assert_eq!(check(None, "right password").await, Verdict::Wrong);
        assert_eq!(
            check(Some("not a hash"), "right password").await,
            Verdict::Wrong
        );
        assert_eq!(check(Some(&hash), &"x".repeat(5000)).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn unknown_users_cost_one_computation_like_wrong_passwords() {
        let users = LocalUsers::new().unwrap();
        let hash = users.hash(secret("right password")).await.unwrap().unwrap();
        // The same parameters make the same work: that is what a clock on the outside would see.
        let parameters = |hash: &str| hash.split('$').nth(3).map(str::to_owned);
        assert_eq!(parameters(&users.dummy_hash), parameters(&hash));
        let begun = users.computations();
        for hash in [Some(&*hash), None, Some("not a hash")] {
            users.verify(hash, secret("wrong password")).await.unwrap();
        }
        assert_eq!(users.computations() - begun, 3);
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let users = LocalUsers::with_limits(1, 1).unwrap();
        let worker = Arc::clone(&users.workers).acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let users = users.clone();
                tokio::spawn(async move { users.verify(None, secret("x")).await })
            })
            .collect();
        while users.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(users.verify(None, secret("x")).await, Err(VerifyBusy));
        drop(worker);
        for task in waiting {
            assert_eq!(task.await.unwrap(), Ok(Verdict::Wrong));
        }
        assert_eq!(users.verify(None, secret("x")).await, Ok(Verdict::Wrong));
    }
}
