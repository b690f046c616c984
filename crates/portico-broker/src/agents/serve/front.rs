//! Taking connections: at most so many that are not known yet, and so many from one address.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use portico_net::{TcpListener, tasks::Spawner};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{Shell, enroll, link};

/// Connections of which it is not known yet who opened them.
pub(super) const STRANGERS_MAX: usize = 128;
/// Such connections from one address.
pub(super) const STRANGERS_PER_ADDRESS_MAX: usize = 32;
/// Links at once.
pub(super) const LINKS_MAX: usize = 20_000;
/// Links from one address, behind which there may be many hosts.
pub(super) const LINKS_PER_ADDRESS_MAX: usize = 2_048;

/// A connection that was taken.
pub(super) struct Taken {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    /// Given back when it is known who opened it.
    pub(super) stranger: Stranger,
    /// Given back when it ends.
    pub(super) place: Place,
}

/// A place among those who are not known yet.
pub(super) struct Stranger {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// A place among the connections of one address.
#[derive(Debug)]
pub(super) struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

/// How many there are from each address.
#[derive(Debug)]
pub(super) struct Addresses {
    counts: Mutex<BTreeMap<IpAddr, usize>>,
    per_address_max: usize,
    all_max: usize,
}

impl Addresses {
    pub(super) fn new(per_address_max: usize, all_max: usize) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            per_address_max,
            all_max,
        })
    }

    /// A place for one more, unless there are too many.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let count = counts.entry(address).or_default();
        if *count >= self.per_address_max || all >= self.all_max {
            return None;
        }
        *count += 1;
        Some(Place {
            addresses: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let counts = self.addresses.counts.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Takes links until shutdown.
pub(super) async fn links(shell: Arc<Shell>, listener: TcpListener, spawner: Spawner) {
    let places = Addresses::new(LINKS_PER_ADDRESS_MAX, LINKS_MAX);
    take(&shell, listener, places, |taken| {
        let shell = Arc::clone(&shell);
        let name = format!("link from {}", taken.address);
        spawner.spawn(name, link::taken(shell, taken));
    })
    .await;
}

/// Takes requests for certificates until shutdown.
pub(super) async fn enrollments(shell: Arc<Shell>, listener: TcpListener, spawner: Spawner) {
    let places = Addresses::new(STRANGERS_PER_ADDRESS_MAX, STRANGERS_MAX);
    take(&shell, listener, places, |taken| {
        let shell = Arc::clone(&shell);
        let name = format!("enrollment from {}", taken.address);
        spawner.spawn(name, enroll::taken(shell, taken));
    })
    .await;
}

async fn take(
    shell: &Shell,
    listener: TcpListener,
    places: Arc<Addresses>,
    mut serve: impl FnMut(Taken),
) {
    let permits = Arc::new(Semaphore::new(STRANGERS_MAX));
    let strangers = Addresses::new(STRANGERS_PER_ADDRESS_MAX, STRANGERS_MAX);
    loop {
        let next = async {
            // Before the connection: those that are too many wait in the kernel.
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            () = shell.shutdown.cancelled() => return,
            next = next => next,
        };
        // Nobody closes the semaphore.
        let Ok(permit) = permit else { return };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(flow = %listener.flow(), %error, "No more agents can be taken");
                return;
            }
        };
        let (stranger, place) = (strangers.take(address.ip()), places.take(address.ip()));
        let (Some(stranger), Some(place)) = (stranger, place) else {
            tracing::warn!(flow = %listener.flow(), %address, "Too many connections from one address");
            continue;
        };
        serve(Taken {
            stream,
            address,
            stranger: Stranger {
                _permit: permit,
                _place: stranger,
            },
            place,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_by_address_and_in_all_and_come_back() {
        let addresses = Addresses::new(2, 3);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let other: IpAddr = "192.0.2.2".parse().unwrap();
        let first = addresses.take(one).unwrap();
        let _second = addresses.take(one).unwrap();
        assert!(addresses.take(one).is_none());
        let _third = addresses.take(other).unwrap();
        assert!(addresses.take(other).is_none(), "three in all");
        drop(first);
        assert!(addresses.take(one).is_some());
        assert_eq!(addresses.counts.lock().unwrap().len(), 2);
    }
}
