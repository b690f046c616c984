//! One viewer and its engine, until either is gone.

use portico_model::session::EndReason;
use portico_wire::terminal::{
    EngineFrame, TYPE_OUTPUT, VIEWER_FRAME_LEN_MAX, ViewerFrame, header::Refused,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout},
};
use tracing::{debug, info, warn};

use super::{engine::EngineLink, leave};
use crate::{
    BrokerSeam,
    channel::Channel,
    close_code::host_failed_detail,
    limits::Limits,
    websocket::{Incoming, WebSocketError, WebSocketTransport},
};

pub(super) struct Relay<'a, B: BrokerSeam, S, P> {
    viewer: WebSocketTransport<S>,
    engine: EngineLink,
    channel: Channel<B>,
    limits: &'a Limits,
    /// Held until the terminal is open.
    permit: Option<P>,
    bytes_down: u64,
    bytes_up: u64,
    exit_status: Option<i32>,
    /// When the viewer is next asked for a sign of life.
    ask_at: Instant,
    /// What the transport had heard when the viewer was last asked; none before.
    heard_when_asked: Option<u64>,
}

/// Codes of refusals of the engine that say that the host was not reached.
const UNREACHED: [&str; 4] = [
    "host-unknown",
    "host-refused",
    "host-timed-out",
    "host-unreachable",
];

/// How it ended.
enum End {
    /// The engine refused; the viewer has been told.
    Refused {
        /// For operators.
        detail: String,
        /// Whether the host was not reached, as opposed to what it said.
        is_unreached: bool,
    },
    /// The engine closed; the viewer has been told.
    Engine(EndReason),
    /// The viewer is gone.
    Viewer(EndReason),
    /// Something here ended it; both have to be told.
    Here(EndReason),
}

impl<'a, B, S, P> Relay<'a, B, S, P>
where
    B: BrokerSeam,
    S: AsyncRead + AsyncWrite + Unpin + Send,
    P: Send,
{
    pub(super) fn new(
        viewer: WebSocketTransport<S>,
        engine: EngineLink,
        channel: Channel<B>,
        limits: &'a Limits,
        permit: P,
    ) -> Self {
        Self {
            viewer,
            engine,
            channel,
            limits,
            permit: Some(permit),
            bytes_down: 0,
            bytes_up: 0,
            exit_status: None,
            ask_at: Instant::now() + limits.ping_interval,
            heard_when_asked: None,
        }
    }

    /// Until either side is gone; then tells the other, and the broker.
    pub(super) async fn run(mut self) {
        let end = loop {
            if let Some(end) = self.step().await {
                break end;
            }
        };
        let limits = self.limits;
        let (down, up, exit) = (self.bytes_down, self.bytes_up, self.exit_status);
        // The broker is told at once: a viewer may take its time to close.
        match end {
            End::Refused {
                detail,
                is_unreached,
            } => {
                let grant = &self.channel.grant;
                let cause = grant.cause.as_deref().filter(|_| is_unreached);
                let cause = host_failed_detail(cause);
                info!(
                    session_id = %grant.session, host_id = %grant.target.host, user = %grant.user,
                    error = detail, "Terminal refused"
                );
                tokio::join!(
                    self.channel.failed(detail),
                    leave(
                        self.viewer,
                        &[],
                        (EndReason::HostFailed, cause.as_deref()),
                        limits
                    ),
                );
            }
            End::Engine(reason) => {
                tokio::join!(
                    self.channel.ended(reason, down, up, exit),
                    leave(self.viewer, &[], (reason, None), limits),
                );
            }
            End::Viewer(reason) => {
                // What was typed last still counts.
                self.engine.finish(limits.close_timeout).await;
                self.channel.ended(reason, down, up, exit).await;
            }
            End::Here(reason) => {
                self.tell_engine(reason);
                let mut closed = Vec::new();
                if let Err(error) = EngineFrame::Closed(reason).encode(&mut closed) {
                    debug!(%error, "Close not written");
                }
                let detail = self.channel.closed.detail().map(str::to_owned);
                tokio::join!(
                    self.channel.ended(reason, down, up, exit),
                    self.engine.finish(limits.close_timeout),
                    leave(self.viewer, &closed, (reason, detail.as_deref()), limits),
                );
            }
        }
    }

    async fn step(&mut self) -> Option<End> {
        tokio::select! {
            // In this order: an order to close is never missed, and a viewer is heard before it is
            // called silent.
            biased;
            reason = self.channel.closed.wait() => Some(End::Here(reason)),
            incoming = self.viewer.recv_message(VIEWER_FRAME_LEN_MAX), if self.engine.is_flushed() =>
                self.take(incoming),
            progress = self.engine.progress() => match progress {
                Ok(true) => self.pass_on().await,
                Ok(false) => None,
                Err(error) => {
                    warn!(
                        session_id = %self.channel.grant.session, %error,
                        "The engine is gone"
                    );
                    Some(End::Here(EndReason::ProcessStopped))
                }
            },
            () = tokio::time::sleep_until(self.ask_at) => self.ask().await,
        }
    }

    /// A message of the viewer.
    fn take(&mut self, incoming: Result<Incoming, WebSocketError>) -> Option<End> {
        let frame = match incoming {
            Ok(Incoming::Binary(frame)) => frame,
            Ok(Incoming::Close(_)) => return Some(End::Viewer(EndReason::ClientClosed)),
            Err(error) => {
                debug!(session_id = %self.channel.grant.session, %error, "The viewer is gone");
                return Some(match error.close_code() {
                    None => End::Viewer(EndReason::ClientLost),
                    Some(_) => End::Here(EndReason::ClientLost),
                });
            }
        };
        match ViewerFrame::decode(&frame) {
            Ok(ViewerFrame::Hello { .. }) | Err(_) => {
                warn!(session_id = %self.channel.grant.session, "Viewer sent what is no frame");
                return Some(End::Here(EndReason::ClientLost));
            }
            Ok(ViewerFrame::Input(bytes)) => self.bytes_up += length(bytes),
            Ok(_) => {}
        }
        match self.engine.put(&frame) {
            Ok(()) => None,
            Err(_) => Some(End::Here(EndReason::ClientLost)),
        }
    }

    /// All frames of the engine that are here. Waits for the viewer to take them, so that it slows
    /// the engine down.
    async fn pass_on(&mut self) -> Option<End> {
        loop {
            let frame = match self.engine.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return None,
                Err(error) => return self.nonsense(&error),
            };
            let end = match frame.split_first() {
                Some((&TYPE_OUTPUT, output)) => {
                    self.bytes_down += length(output);
                    None
                }
                _ => match EngineFrame::decode(&frame) {
                    Ok(frame) => self.note(&frame).await,
                    Err(error) => return self.nonsense(&error),
                },
            };
            // A viewer that takes nothing for that long would not answer a ping either.
            let patience = self.limits.ping_interval * 2;
            let sending = async {
                tokio::select! {
                    sent = timeout(patience, self.viewer.send_message(&frame)) => match sent {
                        Ok(Ok(())) => None,
                        Ok(Err(_)) | Err(_) => Some(End::Viewer(EndReason::ClientLost)),
                    },
                    reason = self.channel.closed.wait() => Some(End::Here(reason)),
                }
            };
            let cut_short = sending.await;
            if let Some(end) = end.or(cut_short) {
                return Some(end);
            }
        }
    }

    /// What a frame of the engine means here.
    async fn note(&mut self, frame: &EngineFrame<'_>) -> Option<End> {
        match frame {
            EngineFrame::Opened { .. } => {
                // It comes again when a slow viewer is given a new start.
                if self.permit.take().is_some() {
                    self.channel.opened().await;
                }
                None
            }
            EngineFrame::Output(_) => None,
            EngineFrame::Exited { status, .. } => {
                self.exit_status = Some(*status);
                None
            }
            EngineFrame::Refused(json) => {
                let refused = Refused::from_json(json).map(|refused| refused.error);
                let code = refused.as_ref().map(|error| error.code.as_str());
                let is_unreached = code.is_some_and(|code| UNREACHED.contains(&code));
                let detail = match refused {
                    Some(error) => {
                        let reason = error.reason.unwrap_or_default();
                        format!("{}: {}; {reason}", error.code, error.message)
                    }
                    None => "the engine refused".to_owned(),
                };
                Some(End::Refused {
                    detail,
                    is_unreached,
                })
            }
            EngineFrame::Closed(reason) => Some(End::Engine(*reason)),
        }
    }

    fn nonsense(&self, error: &portico_wire::terminal::FrameError) -> Option<End> {
        warn!(session_id = %self.channel.grant.session, %error, "The engine sent what is no frame");
        Some(End::Here(EndReason::ProcessStopped))
    }

    /// A viewer that stays silent from one question to the next is lost.
    async fn ask(&mut self) -> Option<End> {
        self.ask_at = Instant::now() + self.limits.ping_interval;
        if !self.engine.is_flushed() {
            // It is not listened to while a program takes no input, so it cannot be judged.
            self.heard_when_asked = None;
            return None;
        }
        let heard = self.viewer.heard();
        if self.heard_when_asked.replace(heard) == Some(heard) {
            debug!(session_id = %self.channel.grant.session, "The viewer shows no sign of life");
            return Some(End::Viewer(EndReason::ClientLost));
        }
        match timeout(self.limits.ping_interval, self.viewer.send_ping()).await {
            Ok(Ok(())) => None,
            Ok(Err(_)) | Err(_) => Some(End::Viewer(EndReason::ClientLost)),
        }
    }

    /// Whether the program ends with the connection depends on who ended it.
    fn tell_engine(&mut self, reason: EndReason) {
        let frame = match reason {
            EndReason::UserEnded | EndReason::OperatorEnded => ViewerFrame::End,
            _ => ViewerFrame::Disconnect,
        };
        let mut bytes = Vec::new();
        let put = frame
            .encode(&mut bytes)
            .and_then(|()| self.engine.put(&bytes));
        if let Err(error) = put {
            debug!(%error, "The engine is not told");
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
