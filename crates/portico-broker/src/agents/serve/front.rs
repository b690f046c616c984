//! Taking connections: at most so many that are not known yet, and so many from one address.

use std::{net::SocketAddr, sync::Arc};

use portico_net::{
    TcpListener,
    places::{Place, Places},
    tasks::Spawner,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{Shell, enroll, link, refusals::Refusals};

/// Connections of which it is not known yet who opened them.
pub(super) const STRANGERS_MAX: usize = 128;
/// Such connections from one address, or from one /64 of IPv6.
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

/// Takes links until shutdown.
pub(super) async fn links(shell: Arc<Shell>, listener: TcpListener, spawner: Spawner) {
    let places = Places::of_known(LINKS_PER_ADDRESS_MAX, LINKS_MAX);
    take(&shell, listener, places, |taken| {
        let shell = Arc::clone(&shell);
        let name = format!("link from {}", taken.address);
        spawner.spawn(name, link::taken(shell, taken));
    })
    .await;
}

/// Takes requests for certificates until shutdown.
pub(super) async fn enrollments(shell: Arc<Shell>, listener: TcpListener, spawner: Spawner) {
    let places = Places::of_strangers(STRANGERS_PER_ADDRESS_MAX, STRANGERS_MAX);
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
    places: Arc<Places>,
    mut serve: impl FnMut(Taken),
) {
    let permits = Arc::new(Semaphore::new(STRANGERS_MAX));
    let strangers = Places::of_strangers(STRANGERS_PER_ADDRESS_MAX, STRANGERS_MAX);
    let mut refusals = Refusals::default();
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
            if let Some(refused) = refusals.count(Instant::now()) {
                tracing::warn!(flow = %listener.flow(), %address, refused, "Too many connections from one address");
            }
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
