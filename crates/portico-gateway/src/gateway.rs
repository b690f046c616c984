//! The gateway itself: requests in, supervised connections out.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use portico_identity::custody::GatewayKeyPair;
use portico_model::{ConnectionId, session::EndReason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::{
    BrokerSeam, Limits,
    channel::Channels,
    desktop, terminal,
    upgrade::{self, UpgradeError},
    websocket::{ClientStream, WebSocketTransport},
};

/// Body of the gateway's answers.
pub type Body = Full<Bytes>;

/// Where viewers of desktops connect.
pub const DESKTOP_PATH: &str = "/session/desktop";

/// Where viewers of terminals connect.
pub const TERMINAL_PATH: &str = "/session/terminal";

/// What a gateway is made of.
pub struct GatewayParts<B> {
    /// The broker.
    pub broker: B,
    /// Keys that passwords are sealed to.
    pub keys: GatewayKeyPair,
    /// Origins whose pages may open sessions, such as `https://portal.example:8443`.
    pub allowed_origins: Vec<String>,
    /// Limits.
    pub limits: Limits,
    /// Unix socket of the engine role.
    pub engine_socket: PathBuf,
}

/// Who connects.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Address of the client, as far as trusted proxies tell.
    pub address: SocketAddr,
}

/// What all connections of a gateway share.
pub(crate) struct Shared<B> {
    /// Open channels; the way to the broker.
    pub(crate) channels: Arc<Channels<B>>,
    /// Limits.
    pub(crate) limits: Limits,
    /// Unix socket of the engine role.
    pub(crate) engine_socket: PathBuf,
    allowed_origins: Vec<String>,
    handshakes: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// A gateway.
pub struct Gateway<B> {
    shared: Arc<Shared<B>>,
}

impl<B> Clone for Gateway<B> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// A connection that is not open yet counts against a limit of its own; dropping this ends that.
pub(crate) struct HandshakePermit(
    #[expect(dead_code, reason = "held until dropped")] OwnedSemaphorePermit,
);

#[derive(Clone, Copy)]
enum Viewer {
    Desktop,
    Terminal,
}

impl<B: BrokerSeam> Gateway<B> {
    /// A gateway that has no connections yet.
    pub fn new(parts: GatewayParts<B>) -> Self {
        let channels = Channels::new(parts.broker, parts.keys, parts.limits.connections_max);
        Self {
            shared: Arc::new(Shared {
                channels: Arc::new(channels),
                handshakes: Arc::new(Semaphore::new(parts.limits.handshakes_max)),
                limits: parts.limits,
                engine_socket: parts.engine_socket,
                allowed_origins: parts.allowed_origins,
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Answers a request for a path under `/session/`. After an upgrade the connection goes on in
    /// a task of its own.
    ///
    /// The connection must be served with upgrades by `hyper_util`'s auto builder over
    /// `TokioIo<tokio_rustls::server::TlsStream<tokio::net::TcpStream>>`.
    pub async fn handle(&self, mut request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let viewer = match request.uri().path() {
            DESKTOP_PATH => Viewer::Desktop,
            TERMINAL_PATH => Viewer::Terminal,
            _ => return text(StatusCode::NOT_FOUND, "There is nothing at this address."),
        };
        let sub_protocol = match viewer {
            Viewer::Desktop => None,
            Viewer::Terminal => Some(terminal::SUB_PROTOCOL),
        };
        let headers = match upgrade::check(&request, &self.shared.allowed_origins, sub_protocol) {
            Ok(headers) => headers,
            Err(error) => return refuse(error, peer, &request),
        };
        let Ok(permit) = Arc::clone(&self.shared.handshakes).try_acquire_owned() else {
            warn!(peer = %peer.address, "Too many connections are being set up");
            let mut response = text(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many connections are being set up. Try again in a few seconds.",
            );
            let retry = HeaderValue::from_static("5");
            response.headers_mut().insert(header::RETRY_AFTER, retry);
            return response;
        };
        let upgrade = hyper::upgrade::on(&mut request);
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move {
            match upgrade.await {
                Ok(upgraded) => serve(shared, viewer, upgraded, HandshakePermit(permit)).await,
                Err(error) => debug!(peer = %peer.address, %error, "Upgrade failed"),
            }
        });
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers;
        response
    }

    /// Ends a connection; false when it is not open here. The viewer is told the reason and, when
    /// there is one, the detail.
    pub fn close(
        &self,
        connection: &ConnectionId,
        reason: EndReason,
        detail: Option<&str>,
    ) -> bool {
        self.shared.channels.close(connection, reason, detail)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.channels.count()
    }

    /// Ends all connections, tells the viewers, and returns when they are gone. Bounded by the
    /// limits on closing.
    pub async fn shutdown(&self) {
        self.shared.channels.stop();
        self.shared.handshakes.close();
        self.shared.tasks.close();
        let patience = self.shared.limits.close_timeout * 2;
        if tokio::time::timeout(patience, self.shared.tasks.wait())
            .await
            .is_err()
        {
            let left = self.shared.tasks.len();
            warn!(left, "Connections did not end in time and are dropped");
        }
    }
}

async fn serve<B: BrokerSeam>(
    shared: Arc<Shared<B>>,
    viewer: Viewer,
    upgraded: hyper::upgrade::Upgraded,
    permit: HandshakePermit,
) {
    type Io = TokioIo<ClientStream>;
    let Ok(parts) = hyper_util::server::conn::auto::upgrade::downcast::<Io>(upgraded) else {
        warn!("A WebSocket came over something else than TLS over TCP");
        return;
    };
    let transport = WebSocketTransport::new(parts.io.into_inner(), &parts.read_buf);
    match viewer {
        Viewer::Terminal => terminal::serve(shared, transport, permit).await,
        Viewer::Desktop => desktop::serve(shared, transport, permit).await,
    }
}

fn refuse<T>(error: UpgradeError, peer: Peer, request: &Request<T>) -> Response<Body> {
    if error == UpgradeError::Origin {
        let origin = request.headers().get(header::ORIGIN);
        warn!(peer = %peer.address, ?origin, "Session refused: foreign origin");
    }
    let mut response = text(error.status(), &format!("{error}"));
    if error.status() == StatusCode::UPGRADE_REQUIRED {
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        let version = HeaderValue::from_static("13");
        headers.insert(header::SEC_WEBSOCKET_VERSION, version);
    }
    response
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
