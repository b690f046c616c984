//! The workspace: what one person is offered, and what they have running.

use portico_brokering::{Asker, Entitled, entitled};
use portico_model::{
    ResourceId,
    estate::{Estate, ResourceKind},
    launch::{NotChosen, Refusal},
    people::Principal,
    session::Session,
};
use portico_store::{Compare, Op, StoreError, Txn};

use crate::{
    broker::{Broker, Inner},
    candidates::Question,
    documents::{self, Favourites},
    launch::Startable,
};

/// Favourites one user may have.
const FAVOURITES_MAX: usize = 500;
/// Times that a change of favourites is tried against others.
const TRIES_MAX: usize = 8;

/// What a person is offered and runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// The resources that an entitlement names them for, by id.
    pub resources: Vec<OfferedResource>,
    /// Their sessions that are not over.
    pub sessions: Vec<Session>,
}

/// A resource as it is offered.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferedResource {
    /// Its id.
    pub id: ResourceId,
    /// Name to show. Free text.
    pub title: String,
    /// What it is.
    pub kind: ResourceKind,
    /// Name of its icon.
    pub icon: String,
    /// Folders, separated by `/`. Free text.
    pub folder: String,
    /// Free text.
    pub description: String,
    /// Whether they marked it.
    pub favourite: bool,
    /// Why a launch would be refused now; `None`: it would not, as far as is known.
    pub refusal: Option<Refusal>,
}

impl Broker {
    /// What `principal` may launch, whether it would work now, and what they have running. Nothing
    /// is launched or probed for it.
    pub async fn workspace(&self, principal: &Principal) -> Result<Workspace, StoreError> {
        let inner = &self.0;
        let (_, estate) = inner.estate().await?;
        let favourites = inner.favourites(principal).await?.0;
        inner.freshen().await?;
        let mut resources = Vec::new();
        for (id, resource) in &estate.resources {
            let asker = Asker::from(principal);
            let refusal = match entitled(&estate, &asker, id, inner.clock.now()) {
                Entitled::Never => continue,
                Entitled::NotNow { conditions } => Some(Refusal::NotNow {
                    resource: id.clone(),
                    conditions,
                }),
                Entitled::Now { .. } => inner.foreseen_refusal(&estate, principal, id),
            };
            resources.push(OfferedResource {
                id: id.clone(),
                title: resource.title.clone(),
                kind: resource.kind.clone(),
                icon: resource.icon.clone(),
                folder: resource.folder.clone(),
                description: resource.description.clone(),
                favourite: favourites.resources.contains(id),
                refusal,
            });
        }
        Ok(Workspace {
            resources,
            sessions: inner.sessions_of(&principal.user).await?,
        })
    }

    /// Marks a resource as a favourite or not. False when there is no such resource for them.
    pub async fn set_favourite(
        &self,
        principal: &Principal,
        resource: &ResourceId,
        favourite: bool,
    ) -> Result<bool, StoreError> {
        let inner = &self.0;
        let (_, estate) = inner.estate().await?;
        let asker = Asker::from(principal);
        if entitled(&estate, &asker, resource, inner.clock.now()) == Entitled::Never {
            return Ok(false);
        }
        let key = documents::favourites_key(&principal.user);
        for _ in 0..TRIES_MAX {
            let (mut favourites, revision) = inner.favourites(principal).await?;
            favourites.resources.retain(|id| id != resource);
            if favourite {
                favourites.resources.push(resource.clone());
            }
            // The oldest marks go; those of resources that are gone go with them.
            let surplus = favourites.resources.len().saturating_sub(FAVOURITES_MAX);
            favourites.resources.drain(..surplus);
            let value = documents::write(&key, &favourites)?;
            let txn = Txn::when([Compare::unchanged(&key, revision)], [Op::put(&key, value)]);
            if inner.store.txn(txn).await?.succeeded {
                return Ok(true);
            }
        }
        Err(StoreError::Away {
            place: key,
            detail: "others kept changing the favourites".into(),
        })
    }
}

impl Inner {
    async fn favourites(&self, principal: &Principal) -> Result<(Favourites, u64), StoreError> {
        let key = documents::favourites_key(&principal.user);
        documents::read_or_default(self.store.get(&key).await?.as_ref())
    }

    /// Why a launch would be refused, from what this broker knows. A host that was not probed yet
    /// gets the benefit of the doubt: a launch would probe it.
    fn foreseen_refusal(
        &self,
        estate: &Estate,
        principal: &Principal,
        resource: &ResourceId,
    ) -> Option<Refusal> {
        let start = match Startable::of(estate, resource) {
            Ok(start) => start,
            Err(Refusal::IsLink { .. }) => return None,
            Err(refusal) => return Some(refusal),
        };
        let snapshot = self.known_snapshot(&principal.user);
        let found = snapshot.session(start.wanted(resource));
        let question = Question {
            estate,
            start: &start,
            account: &start.pool.account.account(&principal.user),
            session: found.map(|(session, _)| session),
            last_host: None,
            client_address: principal.client_address,
            lot: 0,
        };
        match self.foresee(&question, self.clock.now()) {
            Ok(_) => None,
            Err(Refusal::NoHost { hosts, .. })
                if hosts.iter().any(|host| host.reason == NotChosen::NotProbed) =>
            {
                None
            }
            Err(refusal) => Some(refusal),
        }
    }
}
