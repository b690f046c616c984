//! A session host as far as the gateway can tell: X.224, TLS, then whatever a test wants.

use portico_model::{
    HostId,
    estate::{Pin, Protocol, RdpSecurity},
    grant::Target,
};
use portico_net::{TcpListener, flows};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Identity, soon};

pub(crate) type HostStream = TlsStream<TcpStream>;

pub(crate) const CONFIRM_TLS: [u8; 19] = [
    3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0,
];

pub(crate) struct TestHost {
    listener: TcpListener,
    identity: Identity,
    pub(crate) port: u16,
}

impl TestHost {
    pub(crate) async fn start() -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = TcpListener::bind(flows::GATEWAY_HOST_RDP, any)
            .await
            .unwrap();
        Self {
            port: listener.local_addr().port(),
            listener,
            identity: Identity::generate(),
        }
    }

    /// The host as the estate describes it, pinned.
    pub(crate) fn target(&self) -> Target {
        Target {
            host: HostId::new("sh1").unwrap(),
            address: "127.0.0.1".into(),
            port: self.port,
            protocol: Protocol::Rdp,
            security: RdpSecurity::Tls,
            pins: vec![Pin::CertificateSha256(self.identity.sha256)],
        }
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.identity.sha256
    }

    /// The next connection, raw.
    pub(crate) async fn accept_tcp(&self) -> TcpStream {
        soon(self.listener.accept()).await.unwrap().0
    }

    /// The next connection, after X.224.
    pub(crate) async fn accept_x224(&self, confirm: &[u8]) -> TcpStream {
        let mut tcp = self.accept_tcp().await;
        let mut request = [0; 19];
        tcp.read_exact(&mut request).await.unwrap();
        assert_eq!(request[..6], [3, 0, 0, 19, 14, 0xe0]);
        tcp.write_all(confirm).await.unwrap();
        tcp
    }

    /// The next connection, after TLS.
    pub(crate) async fn accept(&self) -> HostStream {
        let tcp = self.accept_x224(&CONFIRM_TLS).await;
        self.try_tls(tcp).await.unwrap()
    }

    /// TLS on a connection, which the gateway may refuse.
    pub(crate) async fn try_tls(&self, tcp: TcpStream) -> std::io::Result<HostStream> {
        let acceptor = TlsAcceptor::from(std::sync::Arc::clone(&self.identity.config));
        acceptor.accept(tcp).await
    }

    /// The next connection, with the connect sequence as the host gets it.
    pub(crate) async fn accept_session(&self) -> (HostStream, Vec<Vec<u8>>) {
        let mut stream = self.accept().await;
        let mut pdus = Vec::new();
        for _ in 0..6 {
            let mut pdu = vec![0; 4];
            stream.read_exact(&mut pdu).await.unwrap();
            let len = usize::from(u16::from_be_bytes([pdu[2], pdu[3]]));
            pdu.resize(len, 0);
            stream.read_exact(&mut pdu[4..]).await.unwrap();
            pdus.push(pdu);
        }
        (stream, pdus)
    }

    /// Whether nobody has connected.
    pub(crate) async fn is_untouched(&self) -> bool {
        let wait = std::time::Duration::from_millis(50);
        tokio::time::timeout(wait, self.listener.accept())
            .await
            .is_err()
    }
}
