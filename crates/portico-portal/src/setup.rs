//! The one-time set-up link: a token in the store until the owner exists.

use std::sync::Arc;

use portico_identity::tokens;
use portico_model::{Secret, Timestamp, estate::Estate, people::Role};
use portico_store::{Compare, KeyValue, Op, Store, StoreError, Txn};
use serde::{Deserialize, Serialize};

/// Where the token's hash is.
const KEY: &str = "/portico/v1/default/setup/token";
/// A set-up link is good for this time.
pub const LIFE_MS: i64 = 24 * 3_600_000;

/// Why no set-up link could be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The store failed.
    #[error("the set-up link could not be written")]
    Store(#[from] StoreError),
    /// The system has no randomness.
    #[error("the system gave no random numbers")]
    Random(#[from] tokens::NoRandomness),
}

#[derive(Serialize, Deserialize)]
struct Record {
    v: u32,
    hash: String,
    expires_at: Timestamp,
}

/// Whether there is no owner yet. One that an estate file named without a password counts: the
/// file gives the password.
pub fn is_needed(estate: &Estate) -> bool {
    !estate.users.values().any(|user| user.role == Role::Owner)
}

/// Makes a token; an earlier one is void from now on.
pub async fn issue(store: &dyn Store, now: Timestamp) -> Result<Secret, IssueError> {
    let token = tokens::random_token()?;
    let record = Record {
        v: 1,
        hash: tokens::sha256_hex(token.expose().as_bytes()),
        expires_at: now.plus_ms(LIFE_MS),
    };
    let value = serde_json::to_vec(&record).unwrap_or_default();
    store.txn(Txn::of([Op::put(KEY, value)])).await?;
    Ok(token)
}

/// A token that was found good and is not used up yet.
pub(crate) struct Good {
    found: KeyValue,
}

/// Looks whether `token` is the one; `None` when it is wrong, used or lapsed.
pub(crate) async fn check(
    store: &dyn Store,
    token: &Secret,
    now: Timestamp,
) -> Result<Option<Good>, StoreError> {
    let Some(found) = store.get(KEY).await? else {
        return Ok(None);
    };
    let good = serde_json::from_slice::<Record>(&found.value).is_ok_and(|record| {
        tokens::matches_hash(token.expose(), &record.hash) && now < record.expires_at
    });
    Ok(good.then_some(Good { found }))
}

/// Uses the token up; false when another request was faster.
pub(crate) async fn use_up(store: &Arc<dyn Store>, good: Good) -> Result<bool, StoreError> {
    let unchanged = Compare::unchanged(KEY, good.found.mod_revision);
    Ok(store
        .txn(Txn::when([unchanged], [Op::delete(KEY)]))
        .await?
        .succeeded)
}
