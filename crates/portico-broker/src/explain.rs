//! The decision about a launch, without launching.

use std::net::IpAddr;

use portico_brokering::{Asker, Entitled, entitled};
use portico_identity::tokens::{self, NoRandomness};
use portico_model::{
    ResourceId, UserId,
    estate::Estate,
    launch::{Explanation, ExplanationOutcome, Placement, Refusal},
    people::{Principal, Strength},
};
use portico_store::StoreError;

use crate::{
    broker::{Broker, Inner},
    candidates::Question,
    launch::Startable,
};

/// Why there is no explanation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExplainError {
    /// Nobody has that name.
    #[error("there is no user {user}")]
    NoSuchUser {
        /// Who was asked about.
        user: UserId,
    },
    /// The store refused or did not answer.
    #[error("the state could not be read")]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Broker {
    /// What a launch of `resource` by `user` would come to, now, from `client_address` and with a
    /// sign-in of this strength (a password, when not told). Changes nothing; the caller has
    /// checked that the asker may know.
    pub async fn explain(
        &self,
        user: &UserId,
        resource: &ResourceId,
        client_address: Option<IpAddr>,
        strength: Option<Strength>,
    ) -> Result<Explanation, ExplainError> {
        let inner = &self.0;
        let (_, estate) = inner.estate().await?;
        let Some(known) = estate.users.get(user) else {
            return Err(ExplainError::NoSuchUser { user: user.clone() });
        };
        let principal = Principal {
            user: user.clone(),
            display_name: known.display_name.clone(),
            groups: estate.groups_of(user),
            role: known.role,
            strength: strength.unwrap_or_default(),
            sign_in: None,
            signed_in_at: inner.clock.now(),
            client_address,
        };
        let asker = Asker::from(&principal);
        let answer = entitled(&estate, &asker, resource, inner.clock.now());
        let allowed_by = match &answer {
            Entitled::Now { allowed_by } => allowed_by.clone(),
            Entitled::NotNow { .. } | Entitled::Never => Vec::new(),
        };
        let placed = match answer.into_result(resource) {
            Ok(_) => inner.would_place(&estate, &principal, resource).await?,
            Err(refusal) => Err(refusal),
        };
        Ok(Explanation {
            user: user.clone(),
            resource: resource.clone(),
            allowed_by,
            outcome: match placed {
                Ok(placement) => ExplanationOutcome::Placed(placement),
                Err(refusal) => ExplanationOutcome::Refused(refusal),
            },
        })
    }
}

impl Inner {
    async fn would_place(
        &self,
        estate: &Estate,
        principal: &Principal,
        resource: &ResourceId,
    ) -> Result<Result<Placement, Refusal>, ExplainError> {
        let start = match Startable::of(estate, resource) {
            Ok(start) => start,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.probe_new(&start.hosts(estate)).await;
        let snapshot = self.snapshot(&principal.user, start.pool_id).await?;
        self.freshen().await?;
        let found = snapshot.session(start.wanted(resource));
        let question = Question {
            estate,
            start: &start,
            account: &start.pool.account.account(&principal.user),
            session: found.map(|(session, _)| session),
            last_host: snapshot.last_host.as_ref(),
            client_address: principal.client_address,
            lot: tokens::u64_of(&*self.chance)?,
        };
        Ok(self.foresee(&question, self.clock.now()))
    }
}
