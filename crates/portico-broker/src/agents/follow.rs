//! Following what other brokers write about agents: modes, certificates, revocations.

use std::{convert::Infallible, time::Duration};

use portico_model::HostId;
use portico_net::tasks::{ShutdownToken, Tasks};
use serde::de::DeserializeOwned;

use super::{
    mirror::{FollowError, Mirror},
    records,
};
use crate::broker::{Broker, Inner};

/// Maintenances are looked at so often.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(5);
/// Pause before the store is followed anew.
const AGAIN: Duration = Duration::from_secs(1);

impl Broker {
    /// Follows the store until shutdown.
    pub(crate) fn follow_agents(&self, tasks: &Tasks) {
        let shutdown = tasks.shutdown_token();
        let broker = self.clone();
        let stop = shutdown.clone();
        tasks.spawn("follow agents", async move {
            let inner = &broker.0;
            let prefix = records::agents_prefix();
            follow(inner, &inner.agents.records, &prefix, &stop, |host| {
                if let Ok(host) = HostId::new(host) {
                    inner.enforce(&host);
                }
            })
            .await;
        });
        let (broker, stop) = (self.clone(), shutdown.clone());
        tasks.spawn("follow modes", async move {
            let inner = &broker.0;
            let prefix = records::modes_prefix();
            follow(inner, &inner.agents.modes, &prefix, &stop, |_| {}).await;
        });
        let (broker, stop) = (self.clone(), shutdown.clone());
        tasks.spawn("do maintenance", async move {
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    done = broker.do_maintenance() => if let Err(error) = done {
                        tracing::warn!(%error, "Maintenances were not looked at");
                    },
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(MAINTENANCE_EVERY) => {}
                }
            }
        });
        let (broker, stop) = (self.clone(), shutdown);
        tasks.spawn("follow brokers", async move {
            let inner = &broker.0;
            let prefix = records::brokers_prefix();
            follow(inner, &inner.agents.brokers, &prefix, &stop, |_| {}).await;
        });
    }
}

/// Keeps a mirror as the store is, until shutdown; `changed` is told of each document.
pub(crate) async fn follow<T: DeserializeOwned + Send + Sync>(
    inner: &Inner,
    mirror: &Mirror<T>,
    prefix: &str,
    shutdown: &ShutdownToken,
    mut changed: impl FnMut(&str) + Send,
) {
    loop {
        let following = mirror.follow(inner.store.as_ref(), prefix, &mut changed);
        let ended: Result<Infallible, FollowError> = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            ended = following => ended,
        };
        let Err(error) = ended;
        tracing::warn!(%error, prefix, "The store is followed anew");
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}
