//! The viewer's end while a desktop is set up.

use std::time::Duration;

use portico_rdp::cleanpath::{Failure, REQUEST_LEN_MAX, Request, RequestError};
use portico_wire::websocket::CloseFrame;
use tokio::time::timeout;

use super::Stop;
use crate::websocket::{Incoming, WebSocketError, WebSocketTransport};

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRequest {
    /// The WebSocket broke or was closed; it was answered as far as possible.
    #[error("the viewer went away")]
    Gone,
    /// What came is no request.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// The WebSocket of a viewer that gets one answer.
pub(super) struct Viewer {
    transport: WebSocketTransport,
    close_timeout: Duration,
}

impl Viewer {
    pub(super) fn new(transport: WebSocketTransport, close_timeout: Duration) -> Self {
        Self {
            transport,
            close_timeout,
        }
    }

    /// Waits for the request, which may come in several messages.
    pub(super) async fn request(&mut self) -> Result<Request, NoRequest> {
        let mut bytes = Vec::new();
        loop {
            let message = match self.transport.recv_message(REQUEST_LEN_MAX).await {
                Ok(Incoming::Binary(message)) => message,
                Ok(Incoming::Close(frame)) => {
                    self.close(&frame).await;
                    return Err(NoRequest::Gone);
                }
                Err(WebSocketError::TooLong { .. }) => return Err(RequestError::TooLong.into()),
                Err(error) => {
                    if let Some(code) = error.close_code() {
                        self.close(&CloseFrame::new(code, &error.to_string())).await;
                    }
                    return Err(NoRequest::Gone);
                }
            };
            if bytes.is_empty() {
                bytes = message;
            } else {
                bytes.extend_from_slice(&message);
            }
            if bytes.len() > REQUEST_LEN_MAX {
                return Err(RequestError::TooLong.into());
            }
            match Request::detect(&bytes)? {
                Some(len) if len <= bytes.len() => return Ok(Request::decode(&bytes)?),
                _ => {}
            }
        }
    }

    /// Resolves when the viewer goes away or sends something, which it must not while it waits
    /// for the answer. Cancel safe.
    pub(super) async fn gone_or_early(&mut self) -> Stop {
        match self.transport.recv_message(REQUEST_LEN_MAX).await {
            Ok(Incoming::Binary(_))
            | Err(WebSocketError::TooLong { .. } | WebSocketError::Text) => Stop::Early,
            Ok(Incoming::Close(_)) | Err(_) => Stop::ViewerGone,
        }
    }

    /// Sends the answer; false when the viewer is gone.
    pub(super) async fn send(&mut self, message: &[u8]) -> bool {
        let sent = timeout(self.close_timeout, self.transport.send_message(message)).await;
        matches!(sent, Ok(Ok(())))
    }

    /// Tells why there is no desktop: the error PDU, then the close frame.
    pub(super) async fn refuse(&mut self, (failure, frame): (Failure, CloseFrame)) {
        if self.send(&failure.encode()).await {
            self.close(&frame).await;
        }
    }

    /// Sends the close frame and waits a moment for the viewer to go.
    pub(super) async fn close(&mut self, frame: &CloseFrame) {
        // Whether it arrives or not, it is over.
        let _ = timeout(self.close_timeout, self.transport.close(frame)).await;
    }

    pub(super) fn into_transport(self) -> WebSocketTransport {
        self.transport
    }
}
