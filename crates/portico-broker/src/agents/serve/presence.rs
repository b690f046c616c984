//! Other brokers learn where this one is found, so that each can name all of them to agents.

use std::{sync::Arc, time::Duration};

use portico_store::{LeaseId, Op, StoreError, Txn};

use super::Shell;
use crate::{agents::records, documents};

/// A broker that is gone is forgotten after so long.
const LIFE: Duration = Duration::from_secs(30);
/// How often it says that it is there.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// Keeps this broker in the store until shutdown.
pub(super) async fn keep(shell: Arc<Shell>) {
    let store = &shell.broker.0.store;
    let mut lease: Option<LeaseId> = None;
    loop {
        let kept = match lease {
            Some(lease) => store.lease_keep_alive(lease).await.map(|_ttl| lease),
            None => register(&shell).await,
        };
        lease = match kept {
            Ok(lease) => Some(lease),
            Err(error) => {
                tracing::debug!(%error, "Other brokers do not know of this one");
                None
            }
        };
        tokio::select! {
            biased;
            () = shell.shutdown.cancelled() => break,
            () = tokio::time::sleep(KEEP_EVERY) => {}
        }
    }
    if let Some(lease) = lease {
        // Otherwise it lapses by itself.
        let _late = store.lease_revoke(lease).await;
    }
}

async fn register(shell: &Shell) -> Result<LeaseId, StoreError> {
    let inner = &shell.broker.0;
    let lease = inner.store.lease_grant(LIFE).await?.id;
    let key = records::broker_key(&inner.id);
    let op = Op::Put {
        value: documents::write(&key, &shell.advertise)?,
        key,
        lease: Some(lease),
    };
    inner.store.txn(Txn::of([op])).await?;
    Ok(lease)
}
