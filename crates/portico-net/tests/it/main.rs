//! Real sockets on loopback, port 0, and files in temporary folders.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod built_in_ca;
mod link;
mod machine;
mod machine_certificate;
mod pinned;
mod server;
mod tcp;
mod unix;

use std::sync::Arc;

use portico_model::Timestamp;
use portico_net::{TcpListener, dial_tcp, flows, tls::ServerIdentity};
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);
const DAY_MS: i64 = 86_400_000;

async fn loopback() -> TcpListener {
    let address = "127.0.0.1:0".parse().unwrap();
    TcpListener::bind(flows::CLIENT_PORTAL_HTTPS, address)
        .await
        .unwrap()
}

/// A self-signed identity and its certificate, with a key of rcgen's default kind.
fn self_signed(names: &[&str]) -> (ServerIdentity, Vec<u8>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let cert = rcgen::CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let identity =
        ServerIdentity::from_pem(cert.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    (identity, cert.der().to_vec())
}

/// One handshake over loopback; the server sends one byte after it.
async fn handshake(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
) -> std::io::Result<client::TlsStream<TcpStream>> {
    let listener = loopback().await;
    let port = listener.local_addr().port();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = TlsAcceptor::from(server).accept(stream).await {
            // The byte makes sure that the client reads the tickets, too.
            let _gone = tokio::io::AsyncWriteExt::write_all(&mut stream, b"x").await;
            let _gone = tokio::io::AsyncWriteExt::flush(&mut stream).await;
        }
    };
    let connect = async {
        let timeout = std::time::Duration::from_secs(10);
        let stream = dial_tcp(flows::CLIENT_PORTAL_HTTPS, "127.0.0.1", port, timeout)
            .await
            .unwrap();
        let name = ServerName::try_from("portal.example.org").unwrap();
        let mut stream = TlsConnector::from(client).connect(name, stream).await?;
        stream.read_u8().await?;
        Ok(stream)
    };
    let (_, outcome) = tokio::join!(serve, connect);
    outcome
}
