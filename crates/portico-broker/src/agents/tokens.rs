//! Join tokens: an operator's word that a machine may become the agent of one host. One host, one
//! hour at most, one machine. Only the hash of the secret is kept.

use portico_brokering::{Action, Forbidden, authorize};
use portico_identity::tokens::{self, NoRandomness};
use portico_model::{HostId, JoinTokenId, Timestamp, people::Principal};
use portico_store::{Compare, Op, StoreError, Txn};
use portico_wire::agent::{BROKERS_MAX, JoinToken};

use super::{
    HostActError,
    records::{self, StoredToken},
};
use crate::{
    audit::Note,
    broker::{Broker, Inner},
    documents,
};

/// Longest life of a token, in seconds.
pub const JOIN_TOKEN_LIFE_MAX_S: u32 = 3_600;
/// Shortest life of a token, in seconds.
pub const JOIN_TOKEN_LIFE_MIN_S: u32 = 60;
/// Tokens that are kept at once, lapsed ones of the last day included.
pub const JOIN_TOKENS_MAX: usize = 10_000;
/// A token stays in the list for so long after it lapsed.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Hexadecimal digits of the hash that name a token.
const ID_LEN: usize = 16;
/// Tokens read at once.
const PAGE_LEN: usize = 500;

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJoinToken {
    /// Host it is for.
    pub host: HostId,
    /// Whether a host that joins for the first time takes sessions at once; else it starts in
    /// drain.
    pub enable: bool,
    /// Whether it is the operator's approval for another machine in the place of the one that
    /// joined before.
    pub rejoin: bool,
    /// Its life in seconds, [`JOIN_TOKEN_LIFE_MIN_S`] to [`JOIN_TOKEN_LIFE_MAX_S`].
    pub life_s: u32,
}

/// A token that was made, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinTokenView {
    /// Its name.
    pub id: JoinTokenId,
    /// Host it is for.
    pub host: HostId,
    /// Whether a new host takes sessions at once.
    pub enable: bool,
    /// Whether it approves a re-join.
    pub rejoin: bool,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
    /// Whether it can be used.
    pub state: TokenState,
}

/// Whether a token can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenState {
    /// It can.
    Usable,
    /// Its time is over.
    Lapsed,
    /// A machine has used it.
    Used {
        /// When.
        at: Timestamp,
        /// SHA-256 of the machine's key, in lower-case hexadecimal.
        key_sha256: String,
    },
}

/// Why a token was not made or revoked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The host is not there, or has no agent.
    #[error(transparent)]
    Host(HostActError),
    /// Its life is too short or too long.
    #[error(
        "a join token lives {JOIN_TOKEN_LIFE_MIN_S} to {JOIN_TOKEN_LIFE_MAX_S} seconds, not {life_s}"
    )]
    Life {
        /// What was asked for, in seconds.
        life_s: u32,
    },
    /// This broker serves no agents.
    #[error("this broker serves no agents: its settings have no section [agents]")]
    NotServed,
    /// Too many tokens.
    #[error("there are {JOIN_TOKENS_MAX} join tokens; revoke some, or wait until they lapse")]
    TooMany,
    /// No such token.
    #[error("there is no such join token")]
    NotFound,
    /// No random bytes.
    #[error("no token could be made")]
    NoRandomness(#[from] NoRandomness),
    /// The store refused or did not answer.
    #[error("the tokens could not be read or written")]
    Store(#[from] StoreError),
}

impl Broker {
    /// Makes a join token. Its secret exists only in the return value.
    pub async fn create_join_token(
        &self,
        actor: &Principal,
        new: NewJoinToken,
    ) -> Result<(JoinToken, JoinTokenView), TokenError> {
        authorize(actor, Action::OperateHosts)?;
        let inner = &self.0;
        inner
            .managed_host(&new.host)
            .await
            .map_err(|error| match error {
                HostActError::Store(error) => TokenError::Store(error),
                other => TokenError::Host(other),
            })?;
        let life_s = new.life_s;
        if !(JOIN_TOKEN_LIFE_MIN_S..=JOIN_TOKEN_LIFE_MAX_S).contains(&life_s) {
            return Err(TokenError::Life { life_s });
        }
        let served = inner.agents.served().ok_or(TokenError::NotServed)?;
        if inner.stored_tokens().await?.len() >= JOIN_TOKENS_MAX {
            return Err(TokenError::TooMany);
        }
        let secret = tokens::token_of(&*inner.chance)?;
        let now = inner.clock.now();
        let secret_sha256 = tokens::sha256_hex(secret.expose().as_bytes());
        let id = token_id(&secret_sha256).ok_or(TokenError::NotFound)?;
        let stored = StoredToken {
            host: new.host.clone(),
            secret_sha256,
            created_by: actor.user.as_str().to_owned(),
            created_at: now,
            expires_at: now.plus_ms(i64::from(life_s) * 1_000),
            enable: new.enable,
            rejoin: new.rejoin,
            used: None,
        };
        let key = records::token_key(&id);
        let put = Op::put(&key, documents::write(&key, &stored)?);
        inner
            .store
            .txn(Txn::when([Compare::absent(&key)], [put]))
            .await?;
        inner
            .note(Note {
                detail: serde_json::json!({
                    "token": id, "enable": new.enable, "rejoin": new.rejoin, "life_s": life_s,
                }),
                ..Note::by(actor, "join-token.create", new.host.as_str())
            })
            .await;
        let mut enrollment = served.advertise.enrollment;
        for (_, other) in inner.agents.brokers.all() {
            for address in &other.enrollment {
                if !enrollment.contains(address) {
                    enrollment.push(address.clone());
                }
            }
        }
        enrollment.truncate(BROKERS_MAX);
        let token = JoinToken {
            host: new.host,
            enrollment,
            ca_sha256: served.ca_sha256,
            secret,
        };
        Ok((token, view(id, stored, now)))
    }

    /// The tokens of the last day, by host.
    pub async fn join_tokens(&self) -> Result<Vec<JoinTokenView>, StoreError> {
        let now = self.0.clock.now();
        let stored = self.0.stored_tokens().await?;
        let mut views: Vec<JoinTokenView> = stored
            .into_iter()
            .map(|(id, stored)| view(id, stored, now))
            .collect();
        views.sort_by(|a, b| (&a.host, a.created_at).cmp(&(&b.host, b.created_at)));
        Ok(views)
    }

    /// Makes a token useless. What it was used for stays.
    pub async fn revoke_join_token(
        &self,
        actor: &Principal,
        id: &JoinTokenId,
    ) -> Result<(), TokenError> {
        authorize(actor, Action::OperateHosts)?;
        let key = records::token_key(id);
        let stored = self.0.store.get(&key).await?;
        let stored = stored.ok_or(TokenError::NotFound)?;
        let token: StoredToken = documents::read(&stored)?;
        self.0.store.txn(Txn::of([Op::delete(&key)])).await?;
        let host = token.host.as_str();
        self.0
            .note(Note {
                detail: serde_json::json!({ "token": id }),
                ..Note::by(actor, "join-token.revoke", host)
            })
            .await;
        Ok(())
    }
}

impl Inner {
    /// Makes the tokens of a host useless: they were made for what it was before.
    pub(super) async fn delete_tokens_of(&self, host: &HostId) -> Result<(), StoreError> {
        for (id, token) in self.stored_tokens().await? {
            if token.host == *host {
                let key = records::token_key(&id);
                self.store.txn(Txn::of([Op::delete(&key)])).await?;
            }
        }
        Ok(())
    }

    /// All tokens that are kept; those whose time is long over are deleted on the way.
    async fn stored_tokens(&self) -> Result<Vec<(JoinTokenId, StoredToken)>, StoreError> {
        let prefix = records::tokens_prefix();
        let now = self.clock.now();
        let (mut kept, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self
                .store
                .range_after(&prefix, after.as_deref(), None, Some(PAGE_LEN))
                .await?;
            for item in &page.items {
                let token: StoredToken = documents::read(item)?;
                if now >= token.expires_at.plus_ms(KEPT_MS) {
                    let compare = [Compare::unchanged(&item.key, item.mod_revision)];
                    let txn = Txn::when(compare, [Op::delete(&item.key)]);
                    self.store.txn(txn).await?;
                } else if let Some(id) = token_id(&token.secret_sha256) {
                    kept.push((id, token));
                }
            }
            match page.items.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok(kept),
            }
        }
    }
}

/// The name of a token, from the hash of its secret.
pub(super) fn token_id(secret_sha256: &str) -> Option<JoinTokenId> {
    JoinTokenId::new(secret_sha256.get(..ID_LEN)?).ok()
}

fn view(id: JoinTokenId, stored: StoredToken, now: Timestamp) -> JoinTokenView {
    JoinTokenView {
        id,
        state: match stored.used {
            Some(used) => TokenState::Used {
                at: used.at,
                key_sha256: used.key_sha256,
            },
            None if stored.expires_at <= now => TokenState::Lapsed,
            None => TokenState::Usable,
        },
        host: stored.host,
        enable: stored.enable,
        rejoin: stored.rejoin,
        created_by: stored.created_by,
        created_at: stored.created_at,
        expires_at: stored.expires_at,
    }
}
