//! The relay: WebSocket over TLS on the viewer's side, TLS on the host's side, RDP bytes between.
//!
//! Each direction reads only when what it read before has been sent, so a slow side holds the
//! other back and a session never holds more than one reading per direction. The buffers belong
//! to the thread ([`scratch`]).

mod down;
mod scratch;
mod timers;
mod tls_end;
mod up;

use std::{
    io,
    task::{Context, Poll},
    time::Duration,
};

use portico_model::session::EndReason;
use portico_rdp::{connect::ConnectRewriter, input::InputWatch};
use portico_wire::websocket::{CloseCode, CloseFrame, Decoder, Opcode, encode_frame};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    channel::CloseSignal,
    close_code::{close_frame, close_frame_with},
    websocket::{ClientStream, WebSocketTransport},
};
use scratch::Scratch;
use timers::{Due, Timers};
use tls_end::TlsEnd;

/// Times of a relay; 0 seconds mean never.
#[derive(Debug, Clone)]
pub(super) struct RelaySettings {
    pub(super) idle_timeout_s: u32,
    pub(super) total_timeout_s: u32,
    pub(super) rewrite_timeout: Duration,
    pub(super) ping_interval: Duration,
    pub(super) close_timeout: Duration,
}

/// How a relay ended.
pub(super) struct Outcome {
    pub(super) reason: EndReason,
    /// More for operators.
    pub(super) detail: Option<String>,
    /// RDP bytes from the host to the client.
    pub(super) bytes_down: u64,
    /// RDP bytes from the client to the host.
    pub(super) bytes_up: u64,
    client: TlsEnd,
    patience: Duration,
}

impl Outcome {
    /// Waits until the viewer has ended its side. Closing with bytes unread would reset the
    /// connection, and the viewer might lose the close frame.
    pub(super) async fn let_viewer_go(mut self) {
        // A viewer that keeps the connection open loses it.
        let _ = timeout(self.patience, self.client.discard_rest()).await;
    }
}

/// Why a relay ends.
struct End {
    reason: EndReason,
    frame: CloseFrame,
    detail: Option<String>,
}

impl End {
    fn new(reason: EndReason) -> Self {
        Self {
            reason,
            frame: close_frame(reason),
            detail: None,
        }
    }

    /// The viewer broke a rule of a protocol.
    fn breach(code: CloseCode, detail: impl ToString) -> Self {
        let detail = detail.to_string();
        Self {
            reason: EndReason::ClientLost,
            frame: CloseFrame::new(code, &detail),
            detail: Some(detail),
        }
    }

    fn client_lost(error: &io::Error) -> Self {
        Self {
            detail: Some(format!("viewer: {error}")),
            ..Self::new(EndReason::ClientLost)
        }
    }

    fn host_lost(error: &io::Error) -> Self {
        Self {
            detail: Some(format!("host: {error}")),
            ..Self::new(EndReason::HostLost)
        }
    }
}

/// One relay.
pub(super) struct Relay {
    client: TlsEnd,
    host: TlsEnd,
    decoder: Decoder,
    /// Decrypted before the relay began and not decoded yet.
    unread: Vec<u8>,
    /// Until the client is through the part of the connect sequence that is rewritten.
    rewriter: Option<Box<ConnectRewriter>>,
    input: InputWatch,
    timers: Timers,
    close_timeout: Duration,
    bytes_down: u64,
    bytes_up: u64,
}

impl Relay {
    pub(super) fn new(
        transport: WebSocketTransport,
        host: tokio_rustls::client::TlsStream<TcpStream>,
        rewriter: ConnectRewriter,
        settings: RelaySettings,
    ) -> Self {
        let (client, mut decoder, unread): (ClientStream, _, _) = transport.into_parts();
        // Parts of frames are passed on as they come, so their length does not matter here.
        decoder.set_frame_len_max(u64::MAX);
        let (client_tcp, client_tls) = client.into_inner();
        let (host_tcp, host_tls) = host.into_inner();
        Self {
            client: TlsEnd::new(client_tcp, client_tls),
            host: TlsEnd::new(host_tcp, host_tls),
            decoder,
            unread,
            rewriter: Some(Box::new(rewriter)),
            input: InputWatch::new(),
            timers: Timers::start(&settings),
            close_timeout: settings.close_timeout,
            bytes_down: 0,
            bytes_up: 0,
        }
    }

    /// Relays until one side ends, a time is up, or the broker wants it closed.
    pub(super) async fn run(mut self, closed: &mut CloseSignal) -> Outcome {
        let end = std::future::poll_fn(|cx| {
            if let Poll::Ready(reason) = closed.poll(cx) {
                return Poll::Ready(End {
                    frame: close_frame_with(reason, closed.detail()),
                    ..End::new(reason)
                });
            }
            if let Poll::Ready(end) = self.poll_timers(cx) {
                return Poll::Ready(end);
            }
            scratch::with(|scratch| self.poll(cx, scratch))
        })
        .await;
        Box::pin(self.finish(end)).await
    }

    fn poll_timers(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        while let Poll::Ready(due) = self.timers.poll(cx) {
            match due {
                // A host that does not take what the viewer sent keeps us from reading more of it,
                // which is not the viewer's silence.
                Due::Ping | Due::End(EndReason::ClientLost) if !self.host.is_flushed() => {
                    self.timers.sign_of_life();
                }
                Due::End(reason) => return Poll::Ready(End::new(reason)),
                Due::RewriteTooLong => {
                    let detail = "the viewer did not log on in time";
                    return Poll::Ready(End::breach(CloseCode::POLICY, detail));
                }
                Due::Ping => {
                    if let Err(error) = self.client.write(&encode_frame(Opcode::Ping, None, &[])) {
                        return Poll::Ready(End::client_lost(&error));
                    }
                }
            }
        }
        Poll::Pending
    }

    /// Moves bytes both ways until neither can go on. Fair to other tasks by tokio's budget,
    /// which the sockets' readiness draws on.
    fn poll(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<End> {
        loop {
            let client_ready = match self.client.poll_flush(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(End::client_lost(&error)),
                flushed => flushed.is_ready(),
            };
            let host_ready = match self.host.poll_flush(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(End::host_lost(&error)),
                flushed => flushed.is_ready(),
            };
            let mut moved = false;
            if client_ready && let Poll::Ready(outcome) = self.poll_down(cx, scratch) {
                match outcome {
                    Ok(()) => moved = true,
                    Err(end) => return Poll::Ready(*end),
                }
            }
            if host_ready && let Poll::Ready(outcome) = self.poll_up(cx, scratch) {
                match outcome {
                    Ok(()) => moved = true,
                    Err(end) => return Poll::Ready(*end),
                }
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// Tells both sides in order, as far as they listen and within the time for it.
    async fn finish(mut self, end: End) -> Outcome {
        let patience = self.close_timeout;
        let Self { client, host, .. } = &mut self;
        let to_client = async {
            client.write(&encode_frame(Opcode::Close, None, &end.frame.encode()))?;
            client.close().await
        };
        let closing = async { tokio::join!(to_client, host.close()) };
        // A side that is broken or does not listen cannot be told.
        let _ = timeout(patience, closing).await;
        Outcome {
            reason: end.reason,
            detail: end.detail,
            bytes_down: self.bytes_down,
            bytes_up: self.bytes_up,
            client: self.client,
            patience,
        }
    }
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
