//! A browser as far as the gateway can tell.

use portico_model::estate::Pin;
use portico_net::flows;
use portico_rdp::{
    cleanpath::{Answer, Failure, decode_answer, encode_request},
    fuzzing::connect_sequence,
};
use portico_wire::websocket::{Decoder, Event, Opcode, Role, encode_frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{ORIGIN, PATIENCE, TestGateway, soon};

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// How the gateway ended the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By a close frame.
    Close { code: u16, reason: String },
    /// Without one.
    Broken,
}

pub(crate) struct Viewer {
    pub(crate) stream: TlsStream<TcpStream>,
    decoder: Decoder,
    unread: Vec<u8>,
    pub(crate) pongs: usize,
    /// Whether pings are answered.
    pub(crate) answers_pings: bool,
}

impl Viewer {
    pub(crate) async fn tls(gateway: &TestGateway) -> TlsStream<TcpStream> {
        let flow = flows::CLIENT_PORTAL_HTTPS;
        let tcp = portico_net::dial_tcp(flow, "127.0.0.1", gateway.port, PATIENCE)
            .await
            .unwrap();
        let pins = [Pin::CertificateSha256(gateway.sha256)];
        let connector = TlsConnector::from(portico_net::tls::client_config_pinned(&pins));
        let name = rustls::pki_types::ServerName::try_from("test.host").unwrap();
        soon(connector.connect(name, tcp)).await.unwrap()
    }

    /// Sends an upgrade request and gives the stream and the head of the answer.
    pub(crate) async fn upgrade(
        gateway: &TestGateway,
        path: &str,
        origin: &str,
    ) -> (TlsStream<TcpStream>, String) {
        let mut stream = Self::tls(gateway).await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: portal.test\r\nOrigin: {origin}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        (stream, String::from_utf8(head).unwrap())
    }

    pub(crate) async fn connect(gateway: &TestGateway) -> Self {
        let (stream, head) = Self::upgrade(gateway, "/session/desktop", ORIGIN).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self {
            stream,
            decoder: Decoder::new(Role::Client, u64::MAX),
            unread: Vec::new(),
            pongs: 0,
            answers_pings: true,
        }
    }

    pub(crate) async fn send(&mut self, payload: &[u8]) {
        self.frame(Opcode::Binary, payload).await;
    }

    pub(crate) async fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        self.raw(&encode_frame(opcode, Some(MASK), payload)).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The RDCleanPath request for a ticket, with a destination that must not matter.
    pub(crate) async fn request(&mut self, ticket: &str) {
        self.send(&encode_request("192.0.2.99:1", ticket, 1)).await;
    }

    /// The next message, or how it ended.
    pub(crate) async fn message(&mut self) -> Result<Vec<u8>, Ended> {
        soon(self.next_message()).await
    }

    async fn next_message(&mut self) -> Result<Vec<u8>, Ended> {
        let mut message = Vec::new();
        loop {
            let mut unread = std::mem::take(&mut self.unread);
            let mut input = unread.as_mut_slice();
            let mut pings = Vec::new();
            let mut whole = false;
            while let Some(event) = self.decoder.decode(&mut input).unwrap() {
                match event {
                    Event::Data { payload, end, .. } => {
                        message.extend_from_slice(payload);
                        if end {
                            whole = true;
                            break;
                        }
                    }
                    Event::Ping(payload) => pings.push(payload),
                    Event::Pong(_) => self.pongs += 1,
                    Event::Close(frame) => {
                        return Err(Ended::Close {
                            code: frame.code.map_or(1005, |code| code.value()),
                            reason: frame.reason,
                        });
                    }
                }
            }
            self.unread = input.to_vec();
            for ping in pings {
                if self.answers_pings {
                    self.frame(Opcode::Pong, ping.as_ref()).await;
                }
            }
            if whole {
                return Ok(message);
            }
            let mut more = vec![0; 32 * 1024];
            match self.stream.read(&mut more).await {
                Ok(0) | Err(_) => return Err(Ended::Broken),
                Ok(read) => self.unread.extend_from_slice(&more[..read]),
            }
        }
    }

    /// Bytes until there are `len` of them.
    pub(crate) async fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            bytes.extend(self.message().await.unwrap());
        }
        assert_eq!(bytes.len(), len);
        bytes
    }

    /// How the connection ends; messages before that are dropped.
    pub(crate) async fn ended(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.message().await {
                return ended;
            }
        }
    }

    /// The code of the close frame.
    pub(crate) async fn close_code(&mut self) -> u16 {
        match self.ended().await {
            Ended::Close { code, .. } => code,
            Ended::Broken => panic!("no close frame"),
        }
    }

    /// The RDCleanPath answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let message = self.message().await.unwrap();
        decode_answer(&message).expect("an RDCleanPath PDU")
    }

    /// The error PDU.
    pub(crate) async fn failure(&mut self) -> Failure {
        match self.answer().await {
            Answer::Failed(failure) => failure,
            Answer::Ready { .. } => panic!("it was opened"),
        }
    }

    /// The answer of a host that is ready.
    pub(crate) async fn ready(&mut self) -> (Vec<u8>, Vec<Vec<u8>>) {
        match self.answer().await {
            Answer::Ready {
                confirm,
                certificates,
            } => (confirm, certificates),
            Answer::Failed(failure) => panic!("{failure:?}"),
        }
    }

    /// What a browser sends until it is logged on.
    pub(crate) async fn connect_sequence(&mut self) {
        for pdu in connect_sequence(&["cliprdr", "rdpdr"]) {
            self.send(&pdu).await;
        }
    }
}
