//! The client of each relay: raw TLS, or a WebSocket in it, with RDCleanPath or without.

use std::sync::Arc;

use portico_net::flows;
use portico_rdp::{cleanpath::encode_request, fuzzing::connect_sequence};
use portico_wire::websocket::{
    Decoder, Event, FrameHeader, Opcode, Role, apply_mask, encode_frame,
};
use rustls::{ClientConfig, crypto::CryptoProvider};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const MASK: [u8; 4] = [0x5a, 0x3c, 0x99, 0x01];

/// How a relay is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Tls,
    WebSocket,
    CleanPath,
}

/// The one cipher suite of the bench.
pub(crate) fn one_suite() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.suite() == rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

/// TLS of the clients.
pub(crate) fn tls_config(sha256: [u8; 32]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(one_suite())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyLeaf(sha256)))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// Takes the leaf with this fingerprint; the bench does not measure its clients.
#[derive(Debug)]
struct AnyLeaf([u8; 32]);

impl rustls::client::danger::ServerCertVerifier for AnyLeaf {
    fn verify_server_cert(
        &self,
        end_entity: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        assert_eq!(portico_net::tls::sha256(end_entity), self.0);
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![
            rustls::SignatureScheme::ECDSA_NISTP256_SHA256,
            rustls::SignatureScheme::RSA_PSS_SHA256,
        ]
    }
}

/// One connection through a relay.
pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    websocket: Option<Decoder>,
}

impl Client {
    /// Connects and goes through everything until bytes are relayed.
    pub(crate) async fn connect(
        dialect: Dialect,
        port: u16,
        config: &Arc<ClientConfig>,
    ) -> std::io::Result<Self> {
        let patience = std::time::Duration::from_secs(20);
        let tcp = portico_net::dial_tcp(flows::CLIENT_PORTAL_HTTPS, "127.0.0.1", port, patience)
            .await
            .map_err(std::io::Error::other)?;
        let name = rustls::pki_types::ServerName::try_from("bench.test").unwrap();
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name, tcp)
            .await?;
        let mut client = Self {
            stream,
            websocket: None,
        };
        if dialect != Dialect::Tls {
            client.upgrade().await?;
        }
        if dialect == Dialect::CleanPath {
            client
                .send(&encode_request("ignored:1", "ticket", 1))
                .await?;
            let mut answer = Vec::new();
            while answer.len() < 4 || answer.len() < der_len(&answer) {
                client.receive(&mut answer).await?;
            }
            let sequence = connect_sequence(&["cliprdr"]).concat();
            client.send(&sequence).await?;
        }
        Ok(client)
    }

    async fn upgrade(&mut self) -> std::io::Result<()> {
        let request = "GET /session/desktop HTTP/1.1\r\nHost: bench.test\r\n\
            Origin: https://bench.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await?);
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101 "),
            "{}",
            String::from_utf8_lossy(&head)
        );
        self.websocket = Some(Decoder::new(Role::Client, u64::MAX));
        Ok(())
    }

    /// Sends bytes to the backend.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.websocket.is_some() {
            let frame = encode_frame(Opcode::Binary, Some(MASK), bytes);
            self.stream.write_all(&frame).await?;
        } else {
            self.stream.write_all(bytes).await?;
        }
        self.stream.flush().await
    }

    /// A frame of `len` bytes that can be sent again and again.
    pub(crate) fn chunk(&self, len: usize) -> Vec<u8> {
        if self.websocket.is_none() {
            return vec![0x5a; len];
        }
        let header = FrameHeader {
            fin: true,
            opcode: Opcode::Binary,
            mask: Some(MASK),
            payload_len: len as u64,
        };
        let mut chunk = header.encode().as_ref().to_vec();
        let start = chunk.len();
        chunk.resize(start + len, 0x5a);
        apply_mask(&mut chunk[start..], MASK, 0);
        chunk
    }

    pub(crate) async fn send_chunk(&mut self, chunk: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(chunk).await
    }

    pub(crate) async fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush().await
    }

    /// Appends what comes next to `bytes`.
    pub(crate) async fn receive(&mut self, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        let before = bytes.len();
        while bytes.len() == before {
            // Not kept: idle connections shall cost the load process little as well.
            let mut buffer = vec![0; 16 * 1024];
            let len = self.stream.read(&mut buffer).await?;
            if len == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.decode(&mut buffer[..len], |part| bytes.extend_from_slice(part))?;
        }
        Ok(())
    }

    /// Takes `len` bytes and throws them away.
    pub(crate) async fn drain(&mut self, mut len: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        while len > 0 {
            let read = self.stream.read(buffer).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let mut got = 0;
            self.decode(&mut buffer[..read], |part| got += part.len() as u64)?;
            len -= got;
        }
        Ok(())
    }

    fn decode(&mut self, read: &mut [u8], mut take: impl FnMut(&[u8])) -> std::io::Result<()> {
        let Some(decoder) = &mut self.websocket else {
            take(read);
            return Ok(());
        };
        let mut input = read;
        while let Some(event) = decoder.decode(&mut input).map_err(std::io::Error::other)? {
            match event {
                Event::Data { payload, .. } => take(payload),
                Event::Close(frame) => return Err(std::io::Error::other(format!("{frame:?}"))),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Length of the DER sequence at the front.
fn der_len(bytes: &[u8]) -> usize {
    match bytes[1] {
        len @ ..=0x7f => 2 + usize::from(len),
        0x81 => 3 + usize::from(bytes[2]),
        _ => 4 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]])),
    }
}
