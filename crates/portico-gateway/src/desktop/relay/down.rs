//! From the host to the viewer: plain text becomes one binary WebSocket frame per reading.

use std::task::{Context, Poll, ready};

use portico_model::session::EndReason;
use portico_wire::websocket::{FrameHeader, Opcode};

use super::{
    End, Relay,
    scratch::{HEADROOM, Scratch},
    tls_end::Filled,
};

impl Relay {
    /// Reads from the host once and hands it to the viewer's TLS. Call it only when everything
    /// before is sent.
    pub(super) fn poll_down(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<Result<(), Box<End>>> {
        let len = match ready!(self.host.poll_fill(cx, scratch)) {
            Ok(Filled::Plain(0)) => return Poll::Ready(Ok(())),
            Ok(Filled::Plain(len)) => len,
            Ok(Filled::End) => return Poll::Ready(Err(Box::new(End::new(EndReason::HostClosed)))),
            Err(error) => return Poll::Ready(Err(Box::new(End::host_lost(&error)))),
        };
        self.bytes_down += super::len_u64(len);
        let header = FrameHeader {
            fin: true,
            opcode: Opcode::Binary,
            mask: None,
            payload_len: super::len_u64(len),
        }
        .encode();
        // The header goes right before the payload, so that both are encrypted together.
        let header = header.as_ref();
        let start = HEADROOM - header.len();
        if let Some(place) = scratch.plain.get_mut(start..HEADROOM) {
            place.copy_from_slice(header);
        }
        let frame = scratch.plain.get(start..HEADROOM + len).unwrap_or_default();
        Poll::Ready(
            self.client
                .write(frame)
                .map_err(|error| Box::new(End::client_lost(&error))),
        )
    }
}
