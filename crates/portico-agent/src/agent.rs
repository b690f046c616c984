//! The agent as a whole: looks at the host, keeps a link to every broker, renews its certificate.
//! Each of these is a task of its own; one that breaks does not take the others with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use portico_model::{
    estate::AgentLink,
    seen::{AgentHello, REPORT_EVERY_MS},
};
use portico_net::{
    ListenError, TcpListener,
    clock::Clock,
    dial_tcp, flows,
    places::Places,
    tasks::{ShutdownToken, Tasks},
    tls::{
        ClientCertificate, ExpectedPeer, MachineTlsError, machine_client_config,
        machine_server_config, machine_server_name,
    },
};
use portico_wire::agent::BROKERS_MAX;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{Instant, MissedTickBehavior},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{
    address::split,
    backoff::{Backoff, Ended},
    child::Program,
    enrollment::{RENEW_PAUSE, renewed},
    idle::keep_asking,
    link::{LinkEnded, LinkParts, REVOKED, Seen, run as run_link},
    lot,
    orders::Host,
    sampler::{Sampler, Sessions},
    shown::{Told, keep_looking, something_new},
    state::{Joined, StateFolder},
};

/// Time between two looks at the sessions: one that vanished is told within 2 s.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks after which the load is measured.
const MEASURE_EVERY_LOOKS: u64 = REPORT_EVERY_MS / 1_000;
/// Time to connect to a broker, and for TLS with it.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Links that brokers may have opened at the same time.
pub const LISTEN_LINKS_MAX: usize = 64;
/// Connections of which the agent does not know yet whether a broker opened them, in all and from
/// one address or one /64 of IPv6. They take no places of links: otherwise whoever reaches the
/// port could keep the brokers out.
pub const STRANGERS_MAX: (usize, usize) = (32, 8);
/// Time for `getent`.
const GETENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for tasks to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// An agent that has joined.
pub struct Agent {
    /// The host.
    pub host: Host,
    /// Its certificate and brokers.
    pub joined: Joined,
    /// Where the certificate is kept.
    pub folder: StateFolder,
    /// Where to listen for brokers, beside dialling them; a host of the estate with
    /// `agent_link = "listen"` listens in any case.
    pub listen: Option<SocketAddr>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// What all links share.
#[derive(Clone)]
struct Shared {
    host: Host,
    clock: Arc<dyn Clock>,
    joined: watch::Receiver<Joined>,
    parts: LinkParts,
    shown: Told,
}

impl Agent {
    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// [`ListenError`] when it shall listen and cannot.
    pub async fn run(self, shutdown: &ShutdownToken) -> Result<(), ListenError> {
        let tasks = Tasks::under("agent", shutdown);
        let (seen_to, seen) = watch::channel(Arc::default());
        let (joined_to, joined) = watch::channel(self.joined.clone());
        let (brokers_to, brokers) = mpsc::channel(16);
        let (shown_to, shown) = watch::channel(self.host.identities().await.into());
        let shared = Shared {
            host: self.host.clone(),
            clock: Arc::clone(&self.clock),
            joined,
            parts: LinkParts {
                host: self.host.clone(),
                seen,
                brokers: brokers_to,
            },
            shown,
        };
        let default = SocketAddr::from((
            [0, 0, 0, 0],
            portico_net::default_port(flows::BROKER_AGENT_LINK),
        ));
        let wanted = match self.joined.link {
            AgentLink::Listen => Some(self.listen.unwrap_or(default)),
            AgentLink::Dial => self.listen,
        };
        if let Some(address) = wanted {
            let listener = TcpListener::bind(flows::BROKER_AGENT_LINK, address).await?;
            tasks.spawn("listen", listen(listener, shared.clone()));
        }
        tasks.spawn(
            "look",
            look(self.host.clone(), Arc::clone(&self.clock), seen_to),
        );
        tasks.spawn("idle", keep_asking(self.host.clone()));
        let host = self.host.clone();
        let look = move || {
            let host = host.clone();
            async move { host.identities().await }
        };
        tasks.spawn("identities", keep_looking(look, shown_to));
        let (folder, clock, first) = (self.folder, self.clock, self.joined.clone());
        tasks.spawn("renew", async move {
            let mut current = first;
            loop {
                current = renewed(&folder, &current, &clock).await;
                if joined_to.send(current.clone()).is_err() {
                    return;
                }
                // A certificate that is past its half when it comes must not make a storm.
                tokio::time::sleep(RENEW_PAUSE).await;
            }
        });
        let dials = self.joined.link == AgentLink::Dial;
        let known = self.joined.brokers;
        tasks.spawn("links", links(known, brokers, shared, dials));
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            // A task that panicked is logged; without it the agent would only seem to work, so
            // whoever started it starts it again.
            broken = tasks.panicked() => tracing::error!(task = %broken.task, "The agent stops because a part of it broke"),
        }
        tasks.join(STOP_TIMEOUT).await;
        Ok(())
    }
}

/// Looks at the host every second, and asks directories for the names of accounts.
async fn look(host: Host, clock: Arc<dyn Clock>, seen_to: watch::Sender<Arc<Seen>>) {
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    // After a pause of the machine one look is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut change = 0_u64;
    let mut looks = 0_u64;
    loop {
        ticks.tick().await;
        let now = clock.now();
        let measure = looks.is_multiple_of(MEASURE_EVERY_LOOKS);
        looks += 1;
        let (report, changed, unknown) = host.with_sampler(|sampler| {
            let changed = sampler.look(now);
            if measure && let Err(error) = sampler.measure(begun.elapsed()) {
                tracing::warn!(%error, "The load could not be measured");
            }
            (sampler.report(0), changed, sampler.unknown_ids())
        });
        if changed == Sessions::Changed {
            change += 1;
        }
        if measure || changed == Sessions::Changed {
            let seen = Seen {
                load: report.load,
                sessions: report.sessions,
                change,
            };
            if seen_to.send(Arc::new(seen)).is_err() {
                return;
            }
        }
        ask_names(&host, unknown).await;
    }
}

/// Asks the host's directories who these ids are.
pub async fn ask_names(host: &Host, unknown: BTreeSet<u32>) {
    for uid in unknown {
        let getent =
            Program::new("/usr/bin/getent").arguments(["passwd".to_owned(), uid.to_string()]);
        let line = match getent.run(GETENT_TIMEOUT).await {
            Ok(ended) if ended.status.success() => Some(ended.output),
            Ok(_unknown) => None,
            Err(error) => {
                tracing::warn!(uid, %error, "The name of an account cannot be asked for");
                None
            }
        };
        host.with_sampler(|sampler| sampler.learn(uid, line.as_deref()));
    }
}

/// Keeps one task for each broker that is known.
async fn links(
    mut known: Vec<String>,
    mut told: mpsc::Receiver<Vec<String>>,
    shared: Shared,
    dials: bool,
) {
    let mut running: BTreeMap<String, Tasks> = BTreeMap::new();
    loop {
        let wanted: BTreeSet<String> = known.into_iter().take(BROKERS_MAX).collect();
        if dials {
            // Dropping the tasks of a broker that is no more ends its link.
            running.retain(|broker, _| wanted.contains(broker));
            for broker in wanted {
                running.entry(broker.clone()).or_insert_with(|| {
                    let tasks = Tasks::new("link");
                    tasks.spawn(
                        format!("link to {broker}"),
                        dial_for_ever(broker, shared.clone()),
                    );
                    tasks
                });
            }
        }
        match told.recv().await {
            // A broker that knows of none does not end the link to itself.
            Some(brokers) if brokers.is_empty() => known = running.keys().cloned().collect(),
            Some(brokers) => known = brokers,
            None => return,
        }
    }
}

async fn dial_for_ever(broker: String, shared: Shared) {
    let mut backoff = Backoff::default();
    // The first try of a machine that was just started: many may have been started together.
    let mut wait = backoff.after(Ended::Lost, lot()) / 4;
    loop {
        tokio::time::sleep(wait).await;
        let ended = dial(&broker, &shared).await;
        let kind = match &ended {
            LinkEnded::Closed => Ended::Lost,
            LinkEnded::Lost(_) => Ended::Lost,
            LinkEnded::Refused { code, .. } if code == REVOKED => Ended::Revoked,
            LinkEnded::Refused { retry_after_ms, .. } => Ended::Refused {
                retry_after_ms: *retry_after_ms,
            },
            LinkEnded::Version { .. } | LinkEnded::NoWelcome | LinkEnded::Failed(_) => {
                Ended::Failed
            }
        };
        wait = backoff.after(kind, lot());
        let again_ms = wait.as_millis();
        match &ended {
            LinkEnded::Closed => tracing::info!(%broker, "Link closed, opening another"),
            // Links to a broker that is down fail every few seconds; one line is enough.
            LinkEnded::Failed(error) if !backoff.is_first() => {
                tracing::debug!(%broker, %error, again_ms, "Still no link");
            }
            ended => {
                let next_step = ended.next_step();
                tracing::warn!(%broker, error = %portico_model::printable(&ended.to_string()), next_step, again_ms, "No link to the broker");
            }
        }
    }
}

async fn dial(broker: &str, shared: &Shared) -> LinkEnded {
    match connect(broker, shared).await {
        Ok((stream, close)) => {
            let hello = hello(shared);
            tracing::info!(%broker, "Connected");
            run_link(stream, hello, shared.parts.clone(), close).await
        }
        Err(error) => LinkEnded::Failed(portico_net::link::LinkError::Io(error)),
    }
}

type Dialled = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

async fn connect(
    broker: &str,
    shared: &Shared,
) -> std::io::Result<(Dialled, impl Future<Output = ()> + use<>)> {
    let (host, port) = split(broker).map_err(std::io::Error::other)?;
    let mut joined = shared.joined.clone();
    let current = joined.borrow_and_update().clone();
    let mut shown = shared.shown.clone();
    // What is new after this is told by the next link.
    shown.mark_unchanged();
    let config = machine_client_config(
        &current.identity,
        &current.ca,
        ExpectedPeer::Broker,
        Arc::clone(&shared.clock),
    )
    .map_err(std::io::Error::other)?;
    let stream = dial_tcp(flows::AGENT_BROKER_LINK, host, port, CONNECT_TIMEOUT)
        .await
        .map_err(std::io::Error::other)?;
    let connecting = TlsConnector::from(config).connect(machine_server_name(), stream);
    let tls = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await??;
    Ok((tls, wants_another(joined, shown)))
}

/// Completes when the link is to be opened anew: with another certificate, or to tell what the
/// host's servers show now.
async fn wants_another(joined: watch::Receiver<Joined>, shown: Told) {
    tokio::select! {
        () = renewed_certificate(joined) => {}
        () = something_new(shown, lot) => {}
    }
}

/// Completes a while after the certificate was renewed: the link is opened anew with it.
async fn renewed_certificate(mut joined: watch::Receiver<Joined>) {
    if joined.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(lot() % 60_000)).await;
}

/// Who the agent is and what its host's servers show.
fn hello(shared: &Shared) -> AgentHello {
    let identities = shared.shown.borrow().to_vec();
    let host = shared.joined.borrow().joining.host.clone();
    let hello = shared
        .host
        .with_sampler(|sampler: &mut Sampler| sampler.hello(host));
    AgentHello {
        identities,
        ..hello
    }
}

/// Takes links that brokers open.
async fn listen(listener: TcpListener, shared: Shared) {
    let tasks = Tasks::new("link");
    let room = Arc::new(Semaphore::new(LISTEN_LINKS_MAX));
    let (strangers_max, together_max) = STRANGERS_MAX;
    let strangers = Places::of_strangers(together_max, strangers_max);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "Brokers can no longer open links");
                return;
            }
        };
        let Some(stranger) = strangers.take(peer.ip()) else {
            tracing::debug!(%peer, "Too many connections that are no links yet; this one is dropped");
            continue;
        };
        let (shared, room) = (shared.clone(), Arc::clone(&room));
        tasks.spawn(format!("link from {peer}"), async move {
            let mut joined = shared.joined.clone();
            let current = joined.borrow_and_update().clone();
            let config = machine_server_config(
                &current.identity,
                &current.ca,
                ClientCertificate::Required,
                ExpectedPeer::Broker,
                Arc::clone(&shared.clock),
            );
            let acceptor = match config {
                Ok(config) => TlsAcceptor::from(config),
                Err(error) => return tracing::error!(%error, "TLS cannot be set up"),
            };
            let tls = match tokio::time::timeout(CONNECT_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(tls)) => tls,
                Ok(Err(error)) => {
                    let why = MachineTlsError::in_io(&error);
                    let why = why.map_or_else(|| error.to_string(), |why| why.to_string());
                    return tracing::warn!(%peer, error = why, "A link was not accepted");
                }
                Err(_elapsed) => return tracing::debug!(%peer, "A link took too long to open"),
            };
            // TLS has shown that it is a broker.
            drop(stranger);
            let Ok(_permit) = room.try_acquire_owned() else {
                return tracing::warn!(%peer, "Too many links; this one is dropped");
            };
            let mut shown = shared.shown.clone();
            shown.mark_unchanged();
            let hello = hello(&shared);
            tracing::info!(broker = %peer, "Connected");
            let close = wants_another(joined, shown);
            let ended = run_link(tls, hello, shared.parts.clone(), close).await;
            tracing::warn!(broker = %peer, error = %portico_model::printable(&ended.to_string()), next_step = ended.next_step(), "Link ended");
        });
    }
}
