//! What the host's servers show, looked at again and again: a certificate that was exchanged must
//! be known to the brokers before the next launch fails for it, and the link may last for weeks.

use std::{sync::Arc, time::Duration};

use portico_model::estate::Pin;
use tokio::sync::watch;

/// Time between two looks at the identities of the host's servers.
pub(crate) const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A link is opened anew within so many milliseconds after something new was seen, by lot.
const ANEW_WITHIN_MS: u64 = 2_000;

/// What is told, as all links read it.
pub(crate) type Told = watch::Receiver<Arc<[Pin]>>;

/// Looks again and again, until nobody is left who wants to know.
///
/// Only an identity that was not there before is worth telling: a server that is down for a moment
/// shows none, and has not changed.
pub(crate) async fn keep_looking<F: Future<Output = Vec<Pin>>>(
    mut look: impl FnMut() -> F,
    told: watch::Sender<Arc<[Pin]>>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN_AFTER) => {}
            () = told.closed() => return,
        }
        let shown = look().await;
        let is_news = told.send_if_modified(|told| {
            let is_new = shown.iter().any(|pin| !told.contains(pin));
            if is_new {
                *told = shown.into();
            }
            is_new
        });
        if is_news {
            tracing::warn!("The host's servers show another identity; the brokers are told");
        }
    }
}

/// Completes when something new is to be told since `told` was read last, a little later for each
/// link: the hello of the next link tells it.
pub(crate) async fn something_new(mut told: Told, lot: impl FnOnce() -> u64) {
    if told.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    let wait_ms = lot().checked_rem(ANEW_WITHIN_MS).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn pin(byte: u8) -> Pin {
        Pin::CertificateSha256([byte; 32])
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_identity_that_was_not_there_before_is_told() {
        let (to, mut told) = watch::channel(Arc::from([pin(1), pin(2)]));
        let looks = [
            vec![pin(1), pin(2)],
            // One server is down, then both.
            vec![pin(1)],
            vec![],
            vec![pin(2), pin(1)],
            vec![pin(3), pin(2)],
            vec![pin(3), pin(2)],
        ];
        let at = Cell::new(0);
        let looking = keep_looking(
            || {
                let seen = looks.get(at.get()).cloned().unwrap_or_default();
                at.set(at.get() + 1);
                std::future::ready(seen)
            },
            to,
        );
        let reading = async {
            told.changed().await.unwrap();
            assert_eq!(at.get(), 5, "nothing was told before");
            assert_eq!(**told.borrow_and_update(), [pin(3), pin(2)]);
            let more = tokio::time::timeout(LOOK_AGAIN_AFTER * 10, told.changed()).await;
            assert!(more.is_err(), "told once");
            drop(told);
        };
        tokio::join!(looking, reading);
        assert!(at.get() > 6, "and it went on looking");
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_is_opened_anew_soon_after_a_change_and_only_then() {
        let (to, mut told) = watch::channel(Arc::from([pin(1)]));
        told.borrow_and_update();
        let waiting = tokio::time::timeout(
            LOOK_AGAIN_AFTER,
            something_new(told.clone(), || unreachable!("nothing is new")),
        );
        assert!(waiting.await.is_err());
        to.send(Arc::from([pin(2)])).unwrap();
        let begun = tokio::time::Instant::now();
        something_new(told, || u64::MAX).await;
        assert!(begun.elapsed() <= Duration::from_millis(ANEW_WITHIN_MS));
    }
}
