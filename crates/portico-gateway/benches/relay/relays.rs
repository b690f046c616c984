//! The relays that are this program: Portico's gateway, and the bare one.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper_util::rt::{TokioExecutor, TokioIo};
use portico_gateway::{BrokerSeam, Gateway, GatewayParts, Limits, Peer};
use portico_identity::custody::{GatewayKeyPair, seal_for_gateway};
use portico_model::{
    ConnectionId, HostId, Secret, SessionId, Timestamp, UserId,
    estate::{Clipboard, Drive, Microphone, Pin, Printer, Protocol, RdpSecurity},
    grant::{ChannelGrant, RedeemError, Target},
    session::ConnectionEvent,
};
use portico_net::{TcpListener, flows};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{
    backend,
    client::{one_suite, tls_config},
};

/// Runs a role until it is killed: name, folder, port to relay to.
pub(crate) fn run_role(arguments: &[String]) {
    let folder = PathBuf::from(&arguments[1]);
    let to = arguments.get(2).and_then(|port| port.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match arguments[0].as_str() {
            "backend" => backend::serve(server_config(&folder)).await,
            "portico" => portico(&folder, to.unwrap()).await,
            _ => bare(&folder, to.unwrap()).await,
        }
    });
}

fn server_config(folder: &Path) -> Arc<ServerConfig> {
    let cert = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let mut config = ServerConfig::builder_with_provider(one_suite())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap();
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

fn sha256(folder: &Path) -> [u8; 32] {
    fs::read(folder.join("cert.sha256"))
        .unwrap()
        .try_into()
        .unwrap()
}

async fn listen() -> TcpListener {
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = TcpListener::bind(flows::CLIENT_PORTAL_HTTPS, any)
        .await
        .unwrap();
    println!("{}", listener.local_addr().port());
    listener
}

/// A grant for every ticket.
struct AlwaysYes {
    target: Target,
    sealed_password: Vec<u8>,
    made: AtomicU64,
}

impl BrokerSeam for AlwaysYes {
    async fn redeem(&self, _: &str, _: Protocol) -> Result<ChannelGrant, RedeemError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed).into();
        Ok(ChannelGrant {
            session: SessionId::from_random(number),
            connection: ConnectionId::from_random(number),
            user: UserId::new("bench").unwrap(),
            target: self.target.clone(),
            account: "bench".into(),
            sealed_password: Some(self.sealed_password.clone()),
            program: None,
            client_address: None,
            clipboard: Clipboard::None,
            drive: Drive::Off,
            printer: Printer::Off,
            idle_timeout_s: 3600,
            total_timeout_s: 86_400,
            microphone: Microphone::Off,
            granted_at: Timestamp::from_unix_ms(0),
            cause: None,
        })
    }

    async fn report(&self, _: ConnectionEvent) {}
}

async fn portico(folder: &Path, to: u16) {
    let keys = GatewayKeyPair::generate().unwrap();
    let password = Secret::new("password".into());
    let broker = AlwaysYes {
        target: Target {
            host: HostId::new("bench").unwrap(),
            address: "127.0.0.1".into(),
            port: to,
            protocol: Protocol::Rdp,
            security: RdpSecurity::Tls,
            pins: vec![Pin::CertificateSha256(sha256(folder))],
        },
        sealed_password: seal_for_gateway(&keys.public(), &password).unwrap(),
        made: AtomicU64::new(1),
    };
    let gateway = Gateway::new(GatewayParts {
        broker,
        keys,
        allowed_origins: vec!["https://bench.test".into()],
        limits: Limits {
            connections_max: 20_000,
            ..Limits::default()
        },
        engine_socket: PathBuf::from("/nonexistent"),
    });
    let listener = listen().await;
    let acceptor = TlsAcceptor::from(server_config(folder));
    loop {
        let (tcp, address) = listener.accept().await.unwrap();
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
            let io = TokioIo::new(tls);
            let _ = builder.serve_connection_with_upgrades(io, service).await;
        });
    }
}

/// What a relay of TLS costs at the least when it is written the plain way.
async fn bare(folder: &Path, to: u16) {
    let listener = listen().await;
    let acceptor = TlsAcceptor::from(server_config(folder));
    let connector = TlsConnector::from(tls_config(sha256(folder)));
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (acceptor, connector) = (acceptor.clone(), connector.clone());
        tokio::spawn(async move {
            let mut client = acceptor.accept(tcp).await?;
            let patience = std::time::Duration::from_secs(10);
            let tcp = portico_net::dial_tcp(flows::GATEWAY_HOST_RDP, "127.0.0.1", to, patience)
                .await
                .map_err(std::io::Error::other)?;
            let name = rustls::pki_types::ServerName::try_from("bench.test").unwrap();
            let mut host = connector.connect(name, tcp).await?;
            let len = 64 * 1024;
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut host, len, len).await
        });
    }
}
