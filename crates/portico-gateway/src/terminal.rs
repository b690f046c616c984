//! Terminals: from the viewer's WebSocket to the engine role.
//!
//! A frame of the viewer is one WebSocket message; to the engine it goes with a length in front.
//! Nothing is held here but the frame that is on its way, so a slow viewer slows the engine, and
//! the engine decides what that means for the program.

mod engine;
mod refusal;
mod relay;

use std::{path::Path, sync::Arc};

use portico_model::{estate::Protocol, session::EndReason};
use portico_wire::terminal::{
    EngineFrame, FrameError, VIEWER_FRAME_LEN_MAX, ViewerFrame,
    header::{Open, ProgramToRun, RefusedError, TERM},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, info};

pub use self::engine::{EngineError, end_session, sessions};
use self::{engine::EngineLink, relay::Relay};
use crate::{
    BrokerSeam,
    channel::{Channel, Channels},
    close_code::close_frame_with,
    gateway::{HandshakePermit, Shared},
    limits::Limits,
    websocket::{Incoming, WebSocketError, WebSocketTransport},
};

/// Sub-protocol of the WebSocket.
pub(crate) const SUB_PROTOCOL: &str = portico_wire::terminal::SUB_PROTOCOL;

/// What the viewer's Hello said.
struct Hello {
    cols: u16,
    rows: u16,
    received: u64,
    ticket: String,
}

/// Why there was no Hello.
#[derive(Debug, thiserror::Error)]
enum HelloError {
    #[error("the viewer sent no Hello in time")]
    Late,
    #[error("the viewer closed before its Hello")]
    Closed,
    #[error("the viewer's first frame is no Hello")]
    Other,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
}

/// Serves one viewer until its connection is over. `permit` is dropped when the terminal is open.
pub(crate) async fn serve<B, S>(
    shared: Arc<Shared<B>>,
    viewer: WebSocketTransport<S>,
    permit: HandshakePermit,
) where
    B: BrokerSeam,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Shared {
        channels,
        limits,
        engine_socket,
        ..
    } = &*shared;
    Terminals {
        channels,
        limits,
        engine_socket,
    }
    .serve(viewer, permit)
    .await;
}

/// What is needed to serve viewers.
struct Terminals<'a, B> {
    channels: &'a Arc<Channels<B>>,
    limits: &'a Limits,
    engine_socket: &'a Path,
}

impl<B: BrokerSeam> Terminals<'_, B> {
    async fn serve<S, P>(&self, mut viewer: WebSocketTransport<S>, permit: P)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
        P: Send,
    {
        let limits = self.limits;
        let hello = match hello(&mut viewer, limits).await {
            Ok(hello) => hello,
            Err(error) => {
                debug!(%error, "Terminal refused");
                refuse(
                    viewer,
                    &refusal::hello(&error),
                    EndReason::TicketLapsed,
                    limits,
                )
                .await;
                return;
            }
        };
        let channel = match self.channels.open(&hello.ticket, Protocol::Ssh).await {
            Ok(channel) => channel,
            Err(error) => {
                debug!(%error, "Terminal refused");
                let (refused, reason) = refusal::channel(&error);
                refuse(viewer, &refused, reason, limits).await;
                return;
            }
        };
        match EngineLink::open(self.engine_socket, &open(&channel, &hello)).await {
            Ok(engine) => {
                Relay::new(viewer, engine, channel, limits, permit)
                    .run()
                    .await
            }
            Err(error) => {
                let session = &channel.grant.session;
                info!(session_id = %session, %error, "The engine cannot be reached");
                let refused = refusal::engine_away();
                tokio::join!(
                    channel.failed(format!("the engine cannot be reached: {error}")),
                    refuse(viewer, &refused, EndReason::ProcessStopped, limits),
                );
            }
        }
    }
}

async fn hello<S: AsyncRead + AsyncWrite + Unpin>(
    viewer: &mut WebSocketTransport<S>,
    limits: &Limits,
) -> Result<Hello, HelloError> {
    let first = viewer.recv_message(VIEWER_FRAME_LEN_MAX);
    let first = tokio::time::timeout(limits.ticket_timeout, first)
        .await
        .map_err(|_| HelloError::Late)??;
    let Incoming::Binary(frame) = first else {
        return Err(HelloError::Closed);
    };
    match ViewerFrame::decode(&frame)? {
        ViewerFrame::Hello {
            cols,
            rows,
            received,
            ticket,
        } => Ok(Hello {
            cols,
            rows,
            received,
            ticket: ticket.to_owned(),
        }),
        _ => Err(HelloError::Other),
    }
}

/// What the engine is asked: where to go comes from the grant alone, the screen from the viewer.
fn open<B: BrokerSeam>(channel: &Channel<B>, hello: &Hello) -> Open {
    let grant = &channel.grant;
    Open {
        session: grant.session.clone(),
        connection: grant.connection.clone(),
        user: grant.user.clone(),
        host: grant.target.host.clone(),
        address: grant.target.address.clone(),
        port: grant.target.port,
        pins: grant.target.pins.clone(),
        account: grant.account.clone(),
        password: channel.password.clone(),
        program: grant.program.as_ref().map(|program| ProgramToRun {
            command: program.command.clone(),
            work_dir: program.work_dir.clone(),
        }),
        cols: hello.cols,
        rows: hello.rows,
        received: hello.received,
        term: TERM.to_owned(),
        idle_timeout_s: grant.idle_timeout_s,
        total_timeout_s: grant.total_timeout_s,
    }
}

/// Tells the viewer why it gets no terminal, then closes.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    viewer: WebSocketTransport<S>,
    error: &RefusedError,
    reason: EndReason,
    limits: &Limits,
) {
    let mut frame = Vec::new();
    if let Err(error) = EngineFrame::Refused(&error.to_json()).encode(&mut frame) {
        debug!(%error, "Refusal not written");
    }
    leave(viewer, &frame, (reason, None), limits).await;
}

/// Sends a last frame and closes with a reason and a detail, within the limit.
async fn leave<S: AsyncRead + AsyncWrite + Unpin>(
    mut viewer: WebSocketTransport<S>,
    last: &[u8],
    (reason, detail): (EndReason, Option<&str>),
    limits: &Limits,
) {
    let leaving = async {
        if !last.is_empty() {
            viewer.send_message(last).await?;
        }
        viewer.close(&close_frame_with(reason, detail)).await
    };
    match tokio::time::timeout(limits.close_timeout, leaving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "Viewer was gone already"),
        Err(_) => debug!("Viewer did not take its last frames in time"),
    }
}

#[cfg(test)]
mod tests;
