//! What brokers order, done. Every session is looked up anew, with its key and its account, before
//! anything is done to it.

mod desktop;
mod log_off;
mod message;
mod restart;
mod signals;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use portico_model::{
    estate::RdpSecurity,
    printable,
    seen::{HostSessionKind, Order, OrderOutcome, SessionOnHost},
};
use portico_net::clock::Clock;
use portico_probe::{NetProber, ProbeTarget, Prober as _};
use portico_wire::agent::LONG_TEXT_LEN_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    checks::CHECKS_MAX, identities::identities, pairs::PAIRS_MAX, ports::TELLING_MAX,
    sampler::Sampler, sessions::SeenSession,
};

pub use restart::RESTART_AFTER_MAX_S;

/// Orders that are carried out at the same time, whichever brokers gave them; more are refused.
pub const ORDERS_MAX: usize = 16;
/// Messages that are on screens at the same time; more are refused.
pub const MESSAGES_MAX: usize = 64;
/// Time for a probe in all. A broker waits 10 s for an outcome.
const PROBE_TIMEOUT: Duration = Duration::from_secs(8);

/// A place among the [`ORDERS_MAX`]; given back when it is dropped.
pub struct OrderPlace {
    host: Host,
    _permit: OwnedSemaphorePermit,
}

impl OrderPlace {
    /// Carries out an order; the outcome fits into a message.
    pub async fn carry_out(&self, order: Order) -> OrderOutcome {
        self.host.carry_out(order).await
    }
}

/// The outcome of an order that finds no place.
pub(crate) fn too_many() -> OrderOutcome {
    OrderOutcome::Failed {
        detail: format!("the agent carries out {ORDERS_MAX} orders already; try again"),
    }
}

/// What orders need of the host.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) sampler: Mutex<Sampler>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) root: PathBuf,
    pub(crate) rdp_port: u16,
    /// Program and arguments that restart the machine.
    pub(crate) restart_command: Vec<String>,
    pub(crate) restarting: AtomicBool,
    pub(crate) at_once: Arc<Semaphore>,
    pub(crate) messages: Arc<Semaphore>,
    pub(crate) checks: Arc<Semaphore>,
    pub(crate) listening: Arc<Semaphore>,
    pub(crate) sending: Arc<Semaphore>,
    pub(crate) telling: Arc<Semaphore>,
}

impl Host {
    /// The host that `sampler` looks at.
    pub fn new(
        sampler: Sampler,
        clock: Arc<dyn Clock>,
        rdp_port: u16,
        restart_command: Vec<String>,
    ) -> Self {
        Self(Arc::new(Parts {
            sampler: Mutex::new(sampler),
            clock,
            root: "/".into(),
            rdp_port,
            restart_command,
            restarting: AtomicBool::new(false),
            at_once: Arc::new(Semaphore::new(ORDERS_MAX)),
            messages: Arc::new(Semaphore::new(MESSAGES_MAX)),
            checks: Arc::new(Semaphore::new(CHECKS_MAX)),
            listening: Arc::new(Semaphore::new(PAIRS_MAX)),
            sending: Arc::new(Semaphore::new(PAIRS_MAX)),
            telling: Arc::new(Semaphore::new(TELLING_MAX)),
        }))
    }

    /// Works with the sampler. The lock is held for one look at the host.
    pub fn with_sampler<T>(&self, work: impl FnOnce(&mut Sampler) -> T) -> T {
        work(
            &mut self
                .0
                .sampler
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// What the host's servers show.
    pub async fn identities(&self) -> Vec<portico_model::estate::Pin> {
        identities(&self.0.root, self.0.rdp_port).await
    }

    /// A place for one more order. It is taken before a task is begun for the order, so that a
    /// flood of them makes no more tasks than places.
    ///
    /// # Errors
    /// The outcome of an order for which there is no place.
    pub fn place(&self) -> Result<OrderPlace, OrderOutcome> {
        let permit = Arc::clone(&self.0.at_once).try_acquire_owned();
        match permit {
            Ok(permit) => Ok(OrderPlace {
                host: self.clone(),
                _permit: permit,
            }),
            Err(_full) => Err(too_many()),
        }
    }

    async fn carry_out(&self, order: Order) -> OrderOutcome {
        let outcome = match order {
            Order::LogOff { session } => self.log_off(&session).await,
            Order::Disconnect { session } => self.disconnect(&session).await,
            Order::Message {
                session,
                from,
                text,
            } => self.message(session.as_ref(), &from, &text).await,
            Order::Probe {
                protocol,
                address,
                port,
            } => {
                let target = ProbeTarget {
                    address,
                    port,
                    protocol,
                    security: RdpSecurity::Negotiate,
                };
                probe(&target).await
            }
            Order::Restart { after_s, text } => self.restart(after_s, text).await,
            Order::TellIdentities => OrderOutcome::Identities {
                identities: self.identities().await,
            },
        };
        fit(outcome)
    }

    /// The sessions that exist now.
    pub(crate) fn sessions(&self) -> Vec<SeenSession> {
        let now = self.0.clock.now();
        self.with_sampler(|sampler| {
            sampler.look(now);
            sampler.sessions().to_vec()
        })
    }

    async fn log_off(&self, wanted: &SessionOnHost) -> OrderOutcome {
        let found = chosen(&self.sessions(), wanted);
        let mut said = Said::default();
        for seen in &found {
            said.add(&seen.session.key, log_off::log_off(self, seen).await);
        }
        said.outcome()
    }

    async fn disconnect(&self, wanted: &SessionOnHost) -> OrderOutcome {
        if wanted.kind != HostSessionKind::Rdp {
            return OrderOutcome::NotSupported {
                detail: "only desktops go on without a connection; log the session off".into(),
            };
        }
        let found = chosen(&self.sessions(), wanted);
        let mut said = Said::default();
        for seen in &found {
            said.add(&seen.session.key, desktop::disconnect(self, seen).await);
        }
        said.outcome()
    }

    async fn message(
        &self,
        wanted: Option<&SessionOnHost>,
        from: &str,
        text: &str,
    ) -> OrderOutcome {
        let all = self.sessions();
        let found = match wanted {
            Some(wanted) => chosen(&all, wanted),
            None => all,
        };
        let mut said = Said::default();
        for seen in &found {
            said.add(
                &seen.session.key,
                message::show(self, seen, from, text).await,
            );
        }
        match (wanted, found.is_empty()) {
            (None, true) => OrderOutcome::Done {
                detail: "nobody is there".into(),
            },
            _ => said.outcome(),
        }
    }
}

/// The sessions that an order means: the key must still be of the account and kind.
pub fn chosen(all: &[SeenSession], wanted: &SessionOnHost) -> Vec<SeenSession> {
    all.iter()
        .filter(|seen| {
            let session = &seen.session;
            session.account == wanted.account
                && session.kind == wanted.kind
                && wanted.key.as_ref().is_none_or(|key| *key == session.key)
        })
        .cloned()
        .collect()
}

async fn probe(target: &ProbeTarget) -> OrderOutcome {
    let prober = NetProber::default();
    match tokio::time::timeout(PROBE_TIMEOUT, prober.probe(target)).await {
        Ok(Ok(ok)) => OrderOutcome::Done {
            detail: format!("{} ({} ms)", ok.detail, ok.rtt.as_millis()),
        },
        Ok(Err(error)) => OrderOutcome::Failed {
            detail: format!("{}; {}", error.detail, error.next_step),
        },
        Err(_elapsed) => OrderOutcome::Failed {
            detail: format!("no answer within {} s", PROBE_TIMEOUT.as_secs()),
        },
    }
}

/// What was done to each session.
#[derive(Debug, Default)]
struct Said {
    done: Vec<String>,
    failed: Vec<String>,
    unsupported: Vec<String>,
}

impl Said {
    fn add(&mut self, key: &str, outcome: OrderOutcome) {
        match outcome {
            OrderOutcome::Done { detail } => self.done.push(format!("{key}: {detail}")),
            OrderOutcome::Failed { detail } => self.failed.push(format!("{key}: {detail}")),
            OrderOutcome::NotSupported { detail } => {
                self.unsupported.push(format!("{key}: {detail}"));
            }
            // One that ended by itself meanwhile is what was wanted, or nobody to talk to.
            OrderOutcome::NotFound | OrderOutcome::Identities { .. } => {}
        }
    }

    fn outcome(mut self) -> OrderOutcome {
        self.failed.append(&mut self.unsupported.clone());
        let all: Vec<String> = self.failed.iter().chain(&self.done).cloned().collect();
        let detail = all.join("; ");
        if !self.failed.is_empty() {
            if self.done.is_empty() && self.failed.len() == self.unsupported.len() {
                return OrderOutcome::NotSupported { detail };
            }
            return OrderOutcome::Failed { detail };
        }
        if self.done.is_empty() {
            return OrderOutcome::NotFound;
        }
        OrderOutcome::Done { detail }
    }
}

/// Cut to what a message may hold, and without control characters of programs' output.
fn fit(outcome: OrderOutcome) -> OrderOutcome {
    let cut = |detail: String| {
        let detail = printable(&detail);
        let end = (0..=LONG_TEXT_LEN_MAX.min(detail.len()))
            .rev()
            .find(|at| detail.is_char_boundary(*at))
            .unwrap_or(0);
        detail.get(..end).unwrap_or_default().to_owned()
    };
    match outcome {
        OrderOutcome::Done { detail } => OrderOutcome::Done {
            detail: cut(detail),
        },
        OrderOutcome::Failed { detail } => OrderOutcome::Failed {
            detail: cut(detail),
        },
        OrderOutcome::NotSupported { detail } => OrderOutcome::NotSupported {
            detail: cut(detail),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests;
