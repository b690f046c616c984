//! Sign-in records: from a cookie to a principal, until they end.
//!
//! The cookie is `<id secret>.<key>`, both in base64url. The store knows the record by the SHA-256
//! of the id secret, and the password in it is sealed by the key: neither the store nor a copy of
//! it can sign anybody in or show a password.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portico_model::{
    Secret, SignInId, Timestamp, UserId,
    estate::Estate,
    people::{Principal, Strength},
};
use portico_net::clock::Clock;
use portico_store::{Compare, KeyValue, Op, Store, StoreError, Txn};
use serde::{Deserialize, Serialize};

use crate::{
    custody::{CustodyError, SignInKey},
    keys,
    tokens::{self, NoRandomness, TOKEN_LEN},
};

/// Sign-ins one user may have; one more ends the one that was used least recently.
pub const SIGN_INS_PER_USER_MAX: usize = 32;
/// Longest cookie that is looked at, in bytes.
const COOKIE_LEN_MAX: usize = 128;
/// A sign-in's time of use is written at most so often.
const TOUCH_EVERY_MS: u64 = 60_000;
/// Records read at once when all are gone through.
const PAGE_LEN: usize = 500;

/// How long a sign-in lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInSettings {
    /// It ends when it was not used for so long, in seconds.
    pub idle_timeout_s: u64,
    /// It ends after so long in any case, in seconds.
    pub total_timeout_s: u64,
}

impl Default for SignInSettings {
    fn default() -> Self {
        Self {
            idle_timeout_s: 3600,
            total_timeout_s: 12 * 3600,
        }
    }
}

/// Why a sign-in could not be made, read or ended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SignInsError {
    /// The store refused or did not answer.
    #[error("the sign-in could not be read or written")]
    Store(#[from] StoreError),
    /// The password is too long to be kept.
    #[error("the password could not be taken into custody")]
    Custody(#[from] CustodyError),
    /// No random bytes.
    #[error("the sign-in could not be made")]
    NoRandomness(#[from] NoRandomness),
}

/// The sign-ins, in the store. Keeps no state of its own.
#[derive(Clone)]
pub struct SignIns {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: SignInSettings,
}

/// A sign-in that was just made. The cookie exists only here.
#[derive(Debug)]
pub struct NewSignIn {
    /// Its id.
    pub id: SignInId,
    /// Value for the cookie, or for `Authorization: Bearer`.
    pub cookie: Secret,
    /// Value for the CSRF header.
    pub csrf_token: Secret,
    /// When it was made.
    pub signed_in_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

/// A sign-in as its cookie opens it.
pub struct SignedIn {
    /// Who it is; role and groups are those of the estate now.
    pub principal: Principal,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    id: SignInId,
    key: SignInKey,
    sealed_password: Option<Vec<u8>>,
}

/// A sign-in as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInInfo {
    /// Its id, which opens nothing.
    pub id: SignInId,
    /// Whose.
    pub user: UserId,
    /// How strong.
    pub strength: Strength,
    /// Since when.
    pub signed_in_at: Timestamp,
    /// Last use, to the minute.
    pub last_used_at: Timestamp,
    /// Where it was made.
    pub client_address: Option<IpAddr>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    user: UserId,
    strength: Strength,
    signed_in_at: Timestamp,
    last_used_at: Timestamp,
    client_address: Option<IpAddr>,
    sealed_password: Option<String>,
}

impl SignIns {
    /// Sign-ins over `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: SignInSettings) -> Self {
        Self {
            store,
            clock,
            settings,
        }
    }

    /// Makes a sign-in of `user`, who has just proved who they are. `password` is kept sealed, to
    /// be used for hosts.
    pub async fn create(
        &self,
        user: &UserId,
        strength: Strength,
        client_address: Option<IpAddr>,
        password: Option<&Secret>,
    ) -> Result<NewSignIn, SignInsError> {
        let id_secret = tokens::random_bytes::<TOKEN_LEN>()?;
        let key = SignInKey::generate()?;
        let id = id_of(&id_secret)?;
        let sealed_password = match password {
            Some(password) => Some(STANDARD.encode(key.seal(id.as_str(), password)?)),
            None => None,
        };
        let now = self.clock.now();
        let record = Record {
            user: user.clone(),
            strength,
            signed_in_at: now,
            last_used_at: now,
            client_address,
            sealed_password,
        };
        let record_key = keys::sign_in(&id);
        let mut ops = vec![
            Op::put(&record_key, keys::write(&record_key, &record)?),
            Op::put(keys::sign_in_of(user, &id), Vec::new()),
        ];
        for surplus in self.surplus(user).await? {
            ops.push(Op::delete(keys::sign_in(&surplus)));
            ops.push(Op::delete(keys::sign_in_of(user, &surplus)));
        }
        self.store.txn(Txn::of(ops)).await?;
        let cookie = format!("{}.{}", tokens::encode(&id_secret), key.to_text().expose());
        Ok(NewSignIn {
            csrf_token: key.csrf_token(id.as_str()),
            id,
            cookie: Secret::new(cookie),
            signed_in_at: now,
            expires_at: self.expires_at(now),
        })
    }

    /// Opens the sign-in of `cookie`. `Ok(None)` when it is none, has ended, or its user is gone.
    /// Writes the time of use at most once a minute; a store that cannot be written keeps nobody
    /// out.
    pub async fn resolve(
        &self,
        estate: &Estate,
        cookie: &str,
        client_address: Option<IpAddr>,
    ) -> Result<Option<SignedIn>, SignInsError> {
        let Some((id_secret, key)) = parse(cookie) else {
            return Ok(None);
        };
        let id = id_of(&id_secret)?;
        let record_key = keys::sign_in(&id);
        let Some(stored) = self.store.get(&record_key).await? else {
            return Ok(None);
        };
        let record: Record = keys::read(&record_key, &stored.value)?;
        let now = self.clock.now();
        if self.is_over(&record, now) {
            self.delete(&record.user, &id).await?;
            return Ok(None);
        }
        let Some(user) = estate.users.get(&record.user) else {
            return Ok(None);
        };
        self.touch(&stored, &record, now).await;
        let sealed_password = match &record.sealed_password {
            Some(text) => Some(STANDARD.decode(text).map_err(|_| CustodyError::Open)?),
            None => None,
        };
        Ok(Some(SignedIn {
            principal: Principal {
                groups: estate.groups_of(&record.user),
                user: record.user,
                display_name: user.display_name.clone(),
                role: user.role,
                strength: record.strength,
                sign_in: Some(id.clone()),
                signed_in_at: record.signed_in_at,
                client_address,
            },
            expires_at: self.expires_at(record.signed_in_at),
            id,
            key,
            sealed_password,
        }))
    }

    /// Ends one sign-in. Whether there was one.
    pub async fn revoke(&self, id: &SignInId) -> Result<bool, SignInsError> {
        let key = keys::sign_in(id);
        let Some(stored) = self.store.get(&key).await? else {
            return Ok(false);
        };
        let record: Record = keys::read(&key, &stored.value)?;
        self.delete(&record.user, id).await?;
        Ok(true)
    }

    /// Ends all sign-ins of a user, as after a change of the password. How many.
    pub async fn revoke_user(&self, user: &UserId) -> Result<usize, SignInsError> {
        let ids = self.ids_of(user).await?;
        for id in &ids {
            self.delete(user, id).await?;
        }
        Ok(ids.len())
    }

    /// All sign-ins that have not ended, of everybody or of one user.
    pub async fn list(&self, of: Option<&UserId>) -> Result<Vec<SignInInfo>, SignInsError> {
        let now = self.clock.now();
        let mut found = Vec::new();
        self.each(|id, record| {
            if !self.is_over(&record, now) && of.is_none_or(|user| *user == record.user) {
                found.push(SignInInfo {
                    id,
                    user: record.user,
                    strength: record.strength,
                    signed_in_at: record.signed_in_at,
                    last_used_at: record.last_used_at,
                    client_address: record.client_address,
                });
            }
        })
        .await?;
        Ok(found)
    }

    /// Deletes the records of sign-ins that have ended. How many.
    pub async fn reap(&self) -> Result<usize, SignInsError> {
        let now = self.clock.now();
        let mut over = Vec::new();
        self.each(|id, record| {
            if self.is_over(&record, now) {
                over.push((record.user, id));
            }
        })
        .await?;
        for (user, id) in &over {
            self.delete(user, id).await?;
        }
        Ok(over.len())
    }

    /// A clock that was set back makes a sign-in live longer by so much at most, and its idle time
    /// begins anew with its next use.
    fn is_over(&self, record: &Record, now: Timestamp) -> bool {
        let over = |since: Timestamp, timeout_s: u64| {
            now.ms_since(since) >= timeout_s.saturating_mul(1000)
        };
        over(record.signed_in_at, self.settings.total_timeout_s)
            || over(record.last_used_at, self.settings.idle_timeout_s)
    }

    fn expires_at(&self, signed_in_at: Timestamp) -> Timestamp {
        let ms = self.settings.total_timeout_s.saturating_mul(1000);
        signed_in_at.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    async fn touch(&self, stored: &KeyValue, record: &Record, now: Timestamp) {
        let is_recent = now.ms_since(record.last_used_at) < TOUCH_EVERY_MS;
        if is_recent && now >= record.last_used_at {
            return;
        }
        let touched = Record {
            last_used_at: now,
            ..record.clone()
        };
        let Ok(value) = keys::write(&stored.key, &touched) else {
            return;
        };
        // Compared, so that a sign-in revoked in between does not come back.
        let txn = Txn::when(
            [Compare::unchanged(&stored.key, stored.mod_revision)],
            [Op::put(&stored.key, value)],
        );
        if let Err(error) = self.store.txn(txn).await {
            tracing::warn!(user = %record.user, %error, "Time of use of a sign-in was not written");
        }
    }

    async fn delete(&self, user: &UserId, id: &SignInId) -> Result<(), StoreError> {
        let ops = [
            Op::delete(keys::sign_in(id)),
            Op::delete(keys::sign_in_of(user, id)),
        ];
        self.store.txn(Txn::of(ops)).await.map(|_| ())
    }

    /// The sign-ins that must go so that one more is within the limit.
    async fn surplus(&self, user: &UserId) -> Result<Vec<SignInId>, StoreError> {
        let ids = self.ids_of(user).await?;
        let count = (ids.len() + 1).saturating_sub(SIGN_INS_PER_USER_MAX);
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut by_use = Vec::with_capacity(ids.len());
        for id in ids {
            let key = keys::sign_in(&id);
            let last_used_at = match self.store.get(&key).await? {
                Some(stored) => keys::read::<Record>(&key, &stored.value)?.last_used_at,
                None => Timestamp::default(),
            };
            by_use.push((last_used_at, id));
        }
        by_use.sort();
        // A transaction has room for this many; a race may leave more, which go the next time.
        let count = count.min(SIGN_INS_PER_USER_MAX);
        Ok(by_use.into_iter().take(count).map(|(_, id)| id).collect())
    }

    async fn ids_of(&self, user: &UserId) -> Result<Vec<SignInId>, StoreError> {
        let prefix = keys::sign_ins_of(user);
        let found = self.store.range(&prefix, None, None).await?;
        Ok(found
            .items
            .iter()
            .filter_map(|item| SignInId::new(item.key.strip_prefix(&prefix)?).ok())
            .collect())
    }

    async fn each(&self, mut visit: impl FnMut(SignInId, Record)) -> Result<(), StoreError> {
        let prefix = keys::sign_ins();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .store
                .range_after(&prefix, after.as_deref(), None, Some(PAGE_LEN))
                .await?;
            for item in &page.items {
                let id = item.key.strip_prefix(&prefix);
                if let Some(id) = id.and_then(|id| SignInId::new(id).ok()) {
                    visit(id, keys::read(&item.key, &item.value)?);
                }
            }
            match page.items.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok(()),
            }
        }
    }
}

impl SignedIn {
    /// The password that was given at sign-in, unsealed. Ask for it only when a host needs it.
    pub fn password(&self) -> Result<Option<Secret>, CustodyError> {
        self.sealed_password
            .as_ref()
            .map(|sealed| self.key.open(self.id.as_str(), sealed))
            .transpose()
    }

    /// Value for the CSRF header.
    pub fn csrf_token(&self) -> Secret {
        self.key.csrf_token(self.id.as_str())
    }

    /// Whether `token` is that value, in constant time.
    pub fn csrf_token_is(&self, token: &str) -> bool {
        self.key.csrf_token_is(self.id.as_str(), token)
    }
}

impl std::fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedIn")
            .field("principal", &self.principal)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn parse(cookie: &str) -> Option<([u8; TOKEN_LEN], SignInKey)> {
    if cookie.len() > COOKIE_LEN_MAX {
        return None;
    }
    let (id_secret, key) = cookie.split_once('.')?;
    Some((tokens::decode(id_secret)?, SignInKey::from_text(key)?))
}

fn id_of(id_secret: &[u8; TOKEN_LEN]) -> Result<SignInId, NoRandomness> {
    // Hexadecimal is always an id; the error cannot occur and needs no variant of its own.
    SignInId::new(tokens::sha256_hex(id_secret)).map_err(|_| NoRandomness)
}

#[cfg(test)]
mod tests;
