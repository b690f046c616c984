//! A gateway behind a real TLS listener, a broker of the test, hosts and viewers on loopback.

mod broker;
mod host;
mod viewer;

use std::{path::PathBuf, sync::Arc, time::Duration};

use hyper_util::rt::{TokioExecutor, TokioIo};
use portico_gateway::{Gateway, GatewayParts, Limits, Peer};
use portico_identity::custody::GatewayKeyPair;
use portico_net::{TcpListener, flows};
use tokio_rustls::TlsAcceptor;

pub(crate) use broker::TestBroker;
pub(crate) use host::{HostStream, TestHost};
pub(crate) use viewer::{Ended, Viewer};

pub(crate) const ORIGIN: &str = "https://portal.test";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A self-signed identity.
pub(crate) struct Identity {
    pub(crate) config: Arc<rustls::ServerConfig>,
    pub(crate) sha256: [u8; 32],
}

impl Identity {
    pub(crate) fn generate() -> Self {
        portico_net::tls::install_provider();
        let made = rcgen::generate_simple_self_signed(["test.host".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Self {
            config: portico_net::tls::server_config(cert.as_bytes(), key.as_bytes()).unwrap(),
            sha256: portico_net::tls::sha256(made.cert.der()),
        }
    }
}

/// A gateway that listens.
pub(crate) struct TestGateway {
    pub(crate) gateway: Gateway<Arc<TestBroker>>,
    pub(crate) broker: Arc<TestBroker>,
    pub(crate) port: u16,
    pub(crate) sha256: [u8; 32],
}

impl TestGateway {
    pub(crate) async fn start() -> Self {
        Self::with_limits(Limits::default()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        let identity = Identity::generate();
        let keys = GatewayKeyPair::generate().unwrap();
        let broker = Arc::new(TestBroker::new(keys.public()));
        let gateway = Gateway::new(GatewayParts {
            broker: Arc::clone(&broker),
            keys,
            allowed_origins: vec![ORIGIN.into()],
            limits,
            engine_socket: PathBuf::from("/nonexistent"),
        });
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = TcpListener::bind(flows::CLIENT_PORTAL_HTTPS, any)
            .await
            .unwrap();
        let port = listener.local_addr().port();
        tokio::spawn(accept(listener, identity.config, gateway.clone()));
        Self {
            gateway,
            broker,
            port,
            sha256: identity.sha256,
        }
    }

    /// A viewer after the upgrade.
    pub(crate) async fn viewer(&self) -> Viewer {
        Viewer::connect(self).await
    }

    /// A viewer of a desktop on `host`, through RDCleanPath and the connect sequence.
    pub(crate) async fn desktop(&self, host: &TestHost) -> Viewer {
        let ticket = self.broker.ticket(host.target());
        let mut viewer = self.viewer().await;
        viewer.request(&ticket).await;
        viewer.ready().await;
        viewer.connect_sequence().await;
        viewer
    }
}

async fn accept(
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
    gateway: Gateway<Arc<TestBroker>>,
) {
    let acceptor = TlsAcceptor::from(config);
    while let Ok((tcp, address)) = listener.accept().await {
        let (acceptor, gateway) = (acceptor.clone(), gateway.clone());
        tokio::spawn(async move {
            let Ok(tls) = acceptor.accept(tcp).await else {
                return;
            };
            let service = hyper::service::service_fn(move |request| {
                let gateway = gateway.clone();
                async move {
                    let answer = gateway.handle(request, Peer { address }).await;
                    Ok::<_, std::convert::Infallible>(answer)
                }
            });
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder
                .serve_connection_with_upgrades(TokioIo::new(tls), service)
                .await;
        });
    }
}

/// Bounds a wait of a test.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("it took too long")
}
