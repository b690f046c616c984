//! `portico serve`: opens the state, wires the roles and runs them until a signal.

mod engine_child;
mod front;
mod state;
mod wiring;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use axum::{body::Body, response::IntoResponse};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use portico_broker::{Advertised, AgentListeners, Broker, BrokerParts};
use portico_engine::EngineSettings;
use portico_gateway::{Gateway, GatewayParts, Limits};
use portico_identity::{GatewayKeyPair, LocalUsers};
use portico_model::{BrokerId, GatewayId};
use portico_net::{
    TcpListener,
    clock::{Clock, SystemClock},
    flows,
    tasks::{ShutdownToken, Tasks},
    tls::{BuiltInCa, ServerIdentity},
    unix,
};
use portico_portal::{ApiError, Peer, Portal, PortalParts};
use portico_probe::{
    NetProber,
    check::{self, Means},
};
use portico_store::{Journal, SqliteJournal, SqliteStore, Store};
use tower::ServiceExt;

use crate::{
    cli::Globals,
    settings::{Agents, ProcessRole, Settings, Tls},
};
pub(crate) use state::StateDir;
use wiring::{BrokerForGateway, GatewayForBroker};

/// Time that services get to end in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// How often the head of the audit log is signed.
const ANCHOR_EVERY: Duration = Duration::from_secs(60);

/// How this process was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    /// An engine ends when its standard input does, so that it never outlives the process that
    /// started it.
    pub(crate) with_parent: bool,
    /// Log only what somebody should look at.
    pub(crate) quiet: bool,
}

/// Runs the roles of the settings until SIGINT or SIGTERM.
pub(crate) fn run(settings: Settings, globals: &Globals, process: Process) -> anyhow::Result<()> {
    let engine_alone = settings.roles.len() == 1 && settings.roles.contains(&ProcessRole::Engine);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    portico_net::tls::install_provider();
    if engine_alone {
        return runtime.block_on(engine(settings, process.with_parent));
    }
    if settings.roles != ProcessRole::ALL.into() {
        bail!(
            "broker, gateway and portal in separate processes are not built yet; \
             run them together (leave --roles out), or --roles engine alone"
        );
    }
    runtime.block_on(all(
        settings,
        engine_child::Place::of(globals, process.quiet),
    ))
}

/// The engine's process.
async fn engine(settings: Settings, with_parent: bool) -> anyhow::Result<()> {
    let shutdown = ShutdownToken::new();
    if with_parent {
        portico_engine::stop_with_parent(shutdown.clone())
            .context("cannot watch the process that started the engine")?;
    }
    let tasks = Tasks::new("engine process");
    let stop = shutdown.clone();
    tasks.spawn("signals", async move {
        wiring::stop_signal().await;
        stop.cancel();
    });
    portico_engine::run(EngineSettings::new(settings.engine_socket), shutdown)
        .await
        .context("the engine cannot run")
}

/// Broker, gateway and portal in this process, the engine beside it.
async fn all(settings: Settings, place: engine_child::Place) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let state = StateDir::open(&settings)?;
    // Listeners bind first: a taken port is said before anything is opened.
    let listener = TcpListener::bind(flows::CLIENT_PORTAL_HTTPS, settings.listen)
        .await
        .map_err(|error| anyhow::anyhow!("{error}; {}", error.next_step()))?;
    let identity = identity(&settings, &state, clock.as_ref())?;
    let agents = match &settings.agents {
        Some(agents) => Some(agent_listeners(agents, &state, clock.as_ref()).await?),
        None => None,
    };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&state.store())?);
    let journal: Arc<dyn Journal> = Arc::new(SqliteJournal::open(&state.journal())?);
    let local = unix::listen(flows::CLI_PORTAL, &settings.socket, 0o600)
        .await
        .map_err(|error| anyhow::anyhow!("{error}; {}", error.next_step()))?;

    let gateway_id = GatewayId::new("gateway")?;
    let local_users = LocalUsers::new().context("cannot prepare the sign-in of local users")?;
    let keys = GatewayKeyPair::generate().context("cannot make the gateway's keys")?;
    let link = GatewayForBroker::new(settings.engine_socket.clone());
    let broker = Broker::new(BrokerParts {
        store: Arc::clone(&store),
        journal: Arc::clone(&journal),
        clock: Arc::clone(&clock),
        broker_id: BrokerId::new("broker")?,
        prober: Arc::new(NetProber::default()),
        local_users: local_users.clone(),
        chance: Arc::new(portico_identity::tokens::SystemChance),
    });
    broker.register_gateway(gateway_id.clone(), keys.public(), Arc::new(link.clone()));
    let gateway = Gateway::new(GatewayParts {
        broker: BrokerForGateway {
            broker: broker.clone(),
            gateway: gateway_id,
        },
        keys,
        allowed_origins: settings.origins.clone(),
        limits: Limits::default(),
        engine_socket: settings.engine_socket.clone(),
    });
    link.connect(gateway.clone());
    let portal = Portal::new(PortalParts {
        broker: broker.clone(),
        store,
        journal: Arc::clone(&journal),
        clock: Arc::clone(&clock),
        local_users,
    });

    let services = Tasks::new("services");
    let stop = services.shutdown_token();
    services.spawn(
        "engine",
        engine_child::supervise(place, broker.clone(), stop.clone()),
    );
    {
        let (broker, stop) = (broker.clone(), stop.clone());
        services.spawn("broker", async move { broker.run(stop).await });
    }
    if let Some(listeners) = agents {
        let (broker, stop) = (broker.clone(), stop.clone());
        services.spawn("agents", async move {
            broker.serve_agents(listeners, stop).await;
        });
    }
    if let Some(checks) = settings.port_checks.clone() {
        let (broker, stop) = (broker.clone(), stop.clone());
        match Means::of_machine(check::Limits::default(), Arc::clone(&clock)) {
            Ok(means) => services.spawn("port checks", async move {
                broker.check_ports(checks, means, stop).await;
            }),
            Err(error) => tracing::error!(
                %error,
                "Ports are not checked: the certificate authorities of this machine cannot be read"
            ),
        }
    }
    {
        let (portal, stop) = (portal.clone(), stop.clone());
        services.spawn("portal", async move { portal.run(stop).await });
    }
    services.spawn(
        "audit anchor",
        anchor(journal, clock, state.anchor(), stop.clone()),
    );
    let app = App {
        router: portal.router(),
        portal,
        gateway: gateway.clone(),
    };
    services.spawn(
        "front",
        front::serve_tls(listener, identity.config(), app.clone(), stop.clone()),
    );
    services.spawn("local", front::serve_unix(local, app, stop.clone()));

    tracing::info!(
        address = %settings.listen,
        fingerprint = %identity.fingerprint(),
        state = %state.path().display(),
        "Portico is ready"
    );
    tokio::select! {
        () = wiring::stop_signal() => tracing::info!("Stopping"),
        panicked = services.panicked() => {
            tracing::error!(task = %panicked.task, error = %panicked.message, "A service failed");
        }
    }
    gateway.shutdown().await;
    services.join(STOP_TIMEOUT).await;
    Ok(())
}

/// Binds where agents come; certificates are issued by the built-in authority, whatever
/// certificate the portal shows.
async fn agent_listeners(
    agents: &Agents,
    state: &StateDir,
    clock: &dyn Clock,
) -> anyhow::Result<AgentListeners> {
    let listen = async |flow, address| {
        TcpListener::bind(flow, address)
            .await
            .map_err(|error| anyhow::anyhow!("{error}; {}", error.next_step()))
    };
    let ca = BuiltInCa::open(&state.tls(), clock.now())?;
    Ok(AgentListeners {
        link: Some(listen(flows::AGENT_BROKER_LINK, agents.link).await?),
        enrollment: Some(listen(flows::AGENT_BROKER_ENROLLMENT, agents.enrollment).await?),
        ca: Arc::new(ca),
        advertise: Advertised {
            link: agents.link_addresses(),
            enrollment: agents.enrollment_addresses(),
        },
    })
}

/// The certificate that the portal shows.
pub(crate) fn identity(
    settings: &Settings,
    state: &StateDir,
    clock: &dyn Clock,
) -> anyhow::Result<ServerIdentity> {
    Ok(match &settings.tls {
        Tls::BuiltIn { names } => {
            let ca = BuiltInCa::open(&state.tls(), clock.now())?;
            ca.server_identity(names, clock.now())?
        }
        Tls::Files { certificate, key } => ServerIdentity::from_files(certificate, key)?,
    })
}

/// Signs the head of the audit log now and then, and leaves it where it can be sent elsewhere.
async fn anchor(
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    file: PathBuf,
    shutdown: ShutdownToken,
) {
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(ANCHOR_EVERY) => false,
            () = shutdown.cancelled() => true,
        };
        if let Err(error) = sign(journal.as_ref(), clock.as_ref(), &file).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "The audit log's head was not signed"
            );
        }
        if last {
            return;
        }
    }
}

async fn sign(journal: &dyn Journal, clock: &dyn Clock, file: &Path) -> anyhow::Result<()> {
    if let Some(anchor) = journal.sign_head(clock.now()).await? {
        replace(file, &anchor.to_json()?).await?;
    }
    Ok(())
}

/// Puts `text` in place of `file`, whole or not at all.
async fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let fresh = file.with_extension("new");
    tokio::fs::write(&fresh, text).await?;
    tokio::fs::rename(&fresh, file).await
}

/// Sends each request where it belongs.
#[derive(Clone)]
struct App {
    portal: Portal,
    router: axum::Router,
    gateway: Gateway<BrokerForGateway>,
}

impl App {
    /// Sessions are opened by people who are signed in; what a ticket is worth the gateway finds
    /// out. Strangers must not take up its handshakes, nor use a ticket they have found.
    async fn session(&self, request: Request<Incoming>, address: SocketAddr) -> Response<Body> {
        let peer = Peer::Network(address);
        match self.portal.is_signed_in(request.headers(), peer).await {
            Ok(true) => {
                let peer = portico_gateway::Peer { address };
                self.gateway.handle(request, peer).await.map(Body::new)
            }
            Ok(false) => ApiError::not_signed_in().into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl front::Answer for App {
    async fn answer(&self, request: Request<Incoming>, origin: front::Origin) -> Response<Body> {
        let session = request.uri().path().starts_with("/session/");
        let peer = match origin {
            front::Origin::Network(address) if session => {
                return self.session(request, address).await;
            }
            front::Origin::Network(address) => Peer::Network(address),
            front::Origin::Local { uid } if wiring::may_administer(uid) => Peer::Local,
            front::Origin::Local { .. } => {
                let mut response = Response::new(Body::from("only root may use this socket\n"));
                *response.status_mut() = StatusCode::FORBIDDEN;
                return response;
            }
        };
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
