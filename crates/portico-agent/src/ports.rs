//! What a broker may know of this host's firewall rules and listeners: read when it asks, with the
//! tools of the host, and told in parts that leave the link to its reports.

use std::{sync::Arc, time::Duration};

use portico_net::host_ports::{self, ReadLimits};
use portico_wire::agent::{PortsPart, RULES_LEN_MAX, SOCKETS_MAX, ToBroker};
use tokio::sync::mpsc;

use crate::orders::Host;

/// Questions that are answered at the same time, whichever brokers ask; more are refused.
pub const TELLING_MAX: usize = 1;
/// Parts that wait for their turn on a link.
pub(crate) const PARTS_WAITING_MAX: usize = 2;
/// What is read. A broker waits 20 s for the answer.
const LIMITS: ReadLimits = ReadLimits {
    tool: Duration::from_secs(10),
    rules_len_max: RULES_LEN_MAX,
    sockets_max: SOCKETS_MAX,
};

/// Begins to read and tell, or answers why not. The place is given back when all is told, so that
/// there is never more than one such answer in memory.
pub(crate) fn begin(
    host: &Host,
    parts: &mpsc::Sender<ToBroker>,
    ask: u64,
) -> Result<(), Box<ToBroker>> {
    let place = Arc::clone(&host.0.telling).try_acquire_owned();
    let place = place.map_err(|_full| {
        let why = "it tells them already, to whoever asked before; try again";
        Box::new(ToBroker::Ports(PortsPart::refused(ask, why.into())))
    })?;
    tracing::info!(ask, "Rules and listeners are read for a broker");
    let parts = parts.clone();
    tokio::spawn(async move {
        let told = host_ports::read(LIMITS).await;
        for part in told.parts(ask) {
            // A link that is gone has nobody who wants to know.
            if parts.send(ToBroker::Ports(part)).await.is_err() {
                break;
            }
        }
        drop(place);
    });
    Ok(())
}
