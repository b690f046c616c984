//! Changing the estate.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use portico_brokering::{Action, Forbidden, authorize};
use portico_estate::{Draft, EstateError, Kind, Plan};
use portico_identity::{HashError, Verdict, VerifyBusy};
use portico_model::{
    UserId,
    estate::{Estate, User, UserOrigin},
    people::{Principal, Role},
};
use portico_store::{Compare, Op, Revision, StoreError, Txn};

use crate::{
    audit::Note,
    broker::{Broker, Inner},
    documents,
};

/// Times that an application is tried against others who apply at the same instant.
const TRIES_MAX: usize = 8;
/// Name for errors that only show when the file meets the store.
const FILE_NAME: &str = "estate.toml";

/// Why an estate was not applied or planned. Nothing was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// The role does not allow it at all.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// People with a role are added, changed or removed, and the actor is no owner.
    #[error("only an owner adds, changes or removes people who have a role")]
    NotAllowed,
    /// The file is right by itself and wrong for this store.
    #[error("the estate file cannot be applied here")]
    Invalid {
        /// What is wrong.
        errors: Vec<EstateError>,
    },
    /// A password of the file cannot be hashed.
    #[error("the password of user {user} cannot be used")]
    Password {
        /// Whose.
        user: UserId,
        /// Why.
        source: HashError,
    },
    /// Too many sign-ins are being checked to hash passwords.
    #[error("too many sign-ins are waiting to check the passwords of the file")]
    Busy(#[from] VerifyBusy),
    /// Somebody else kept changing the estate.
    #[error("the estate was changed by others at the same time; try again")]
    Conflict,
    /// The store refused or did not answer.
    #[error("the estate could not be read or written")]
    Store(#[from] StoreError),
}

impl Broker {
    /// What applying `draft` would change, as far as `actor` may know: a password for somebody
    /// whom they may not change counts as another one, right or not.
    pub async fn plan(&self, actor: &Principal, draft: &Draft) -> Result<Plan, ApplyError> {
        authorize(actor, Action::PlanEstate)?;
        let (_, seen) = self.0.estate().await?;
        let wanted = wanted(draft, &seen)?;
        let changed = self.0.changed_passwords(actor, draft, &seen).await?;
        Ok(portico_estate::plan(&seen, &wanted, &changed))
    }

    /// Makes `draft` the estate, and says what that changed. Applying it again changes nothing.
    ///
    /// People whose password changes, or who go, are signed out and disconnected.
    pub async fn apply(&self, actor: &Principal, draft: Draft) -> Result<Plan, ApplyError> {
        let outcome = self.0.apply(actor, &draft).await;
        let (text, detail) = match &outcome {
            Ok(plan) => ("ok".to_owned(), changes(plan)),
            Err(error) => (error.to_string(), serde_json::Value::Null),
        };
        self.0
            .note(Note {
                outcome: &text,
                detail,
                ..Note::by(actor, "estate.apply", "estate")
            })
            .await;
        outcome
    }

    /// Makes the first owner and names the site, as the one-time set-up link does. The caller has
    /// checked the link and the password. Not allowed when there is an owner.
    pub async fn make_owner(
        &self,
        user: &UserId,
        display_name: &str,
        password_hash: String,
        site_name: &str,
        client_address: Option<IpAddr>,
    ) -> Result<(), ApplyError> {
        let inner = &self.0;
        for _ in 0..TRIES_MAX {
            let (revision, seen) = inner.estate().await?;
            if seen.users.values().any(|user| user.role == Role::Owner) {
                return Err(ApplyError::NotAllowed);
            }
            let mut wanted = Estate::clone(&seen);
            wanted.site.name = site_name.to_owned();
            wanted.users.insert(
                user.clone(),
                User {
                    display_name: display_name.to_owned(),
                    role: Role::Owner,
                    password_hash: Some(password_hash.clone()),
                    origin: UserOrigin::Setup,
                },
            );
            if inner.write_estate(revision, &wanted).await? {
                inner
                    .note(Note {
                        actor: "setup",
                        action: "setup.owner",
                        object: user.as_str(),
                        outcome: "ok",
                        client_address,
                        detail: serde_json::Value::Null,
                    })
                    .await;
                return Ok(());
            }
        }
        Err(ApplyError::Conflict)
    }
}

impl Inner {
    async fn apply(&self, actor: &Principal, draft: &Draft) -> Result<Plan, ApplyError> {
        authorize(actor, Action::ApplyEstate)?;
        let mut hashed: BTreeMap<UserId, String> = BTreeMap::new();
        for _ in 0..TRIES_MAX {
            let (revision, seen) = self.estate().await?;
            let mut wanted = wanted(draft, &seen)?;
            let changed = self.changed_passwords(actor, draft, &seen).await?;
            let plan = portico_estate::plan(&seen, &wanted, &changed);
            if plan.is_empty() {
                return Ok(plan);
            }
            people_are_allowed(actor, &plan, &seen, &wanted)?;
            for id in &changed {
                let hash = match hashed.get(id) {
                    Some(hash) => hash.clone(),
                    None => self.hash(draft, id).await?,
                };
                if let Some(user) = wanted.users.get_mut(id) {
                    user.password_hash = Some(hash.clone());
                }
                hashed.insert(id.clone(), hash);
            }
            if self.write_estate(revision, &wanted).await? {
                self.sign_out_changed(&seen, &wanted).await;
                return Ok(plan);
            }
        }
        Err(ApplyError::Conflict)
    }

    /// The users whose plain password in the file is not the one that is stored.
    async fn changed_passwords(
        &self,
        actor: &Principal,
        draft: &Draft,
        seen: &Estate,
    ) -> Result<BTreeSet<UserId>, ApplyError> {
        let may_know_all = authorize(actor, Action::ChangePeople).is_ok();
        let mut changed = BTreeSet::new();
        for (id, password) in &draft.plain_passwords {
            let stored = seen.users.get(id);
            // Comparing would tell whether a guess is right, and no lock-out counts it.
            if !may_know_all && stored.is_some_and(|user| user.role > Role::User) {
                changed.insert(id.clone());
                continue;
            }
            let same = match stored.and_then(|user| user.password_hash.as_deref()) {
                Some(hash) => {
                    let verdict = self
                        .local_users
                        .verify(Some(hash), password.clone())
                        .await?;
                    verdict == Verdict::Right
                }
                None => false,
            };
            if !same {
                changed.insert(id.clone());
            }
        }
        Ok(changed)
    }

    async fn hash(&self, draft: &Draft, user: &UserId) -> Result<String, ApplyError> {
        let password = draft.plain_passwords.get(user).cloned().unwrap_or_default();
        let hashed = self.local_users.hash(password).await?;
        hashed.map_err(|source| ApplyError::Password {
            user: user.clone(),
            source,
        })
    }

    /// False when somebody else was first.
    async fn write_estate(&self, revision: Revision, wanted: &Estate) -> Result<bool, StoreError> {
        let key = documents::estate_key();
        let value = documents::write(&key, wanted)?;
        let txn = Txn::when([Compare::unchanged(&key, revision)], [Op::put(&key, value)]);
        Ok(self.store.txn(txn).await?.succeeded)
    }

    async fn sign_out_changed(&self, seen: &Estate, wanted: &Estate) {
        for (id, before) in &seen.users {
            let keeps_password = wanted
                .users
                .get(id)
                .is_some_and(|after| after.password_hash == before.password_hash);
            if keeps_password {
                continue;
            }
            if let Err(error) = self.sign_ins.revoke_user(id).await {
                tracing::error!(user = %id, %error, "Sign-ins of a changed user were not ended");
            }
            self.cut_off(id);
        }
    }
}

fn wanted(draft: &Draft, seen: &Estate) -> Result<Estate, ApplyError> {
    draft
        .wanted(FILE_NAME, seen)
        .map_err(|errors| ApplyError::Invalid { errors })
}

/// Whoever may change the estate must not be able to make themselves, or a friend, an owner.
fn people_are_allowed(
    actor: &Principal,
    plan: &Plan,
    seen: &Estate,
    wanted: &Estate,
) -> Result<(), ApplyError> {
    if authorize(actor, Action::ChangePeople).is_ok() {
        return Ok(());
    }
    let has_role = |estate: &Estate, id: &str| {
        estate
            .users
            .get(id)
            .is_some_and(|user| user.role > Role::User)
    };
    let touches_a_role = plan
        .changes
        .iter()
        .filter(|change| change.kind == Kind::User)
        .any(|change| has_role(seen, &change.id) || has_role(wanted, &change.id));
    if touches_a_role {
        return Err(ApplyError::NotAllowed);
    }
    Ok(())
}

/// The changes for the audit log: what, but no values, as those may be anything.
fn changes(plan: &Plan) -> serde_json::Value {
    const LISTED_MAX: usize = 100;
    let listed: Vec<String> = plan
        .changes
        .iter()
        .take(LISTED_MAX)
        .map(|change| format!("{:?} {} {}", change.action, change.kind, change.id))
        .collect();
    serde_json::json!({ "changes": listed, "count": plan.changes.len() })
}
