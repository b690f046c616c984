//! From the viewer to the host: frames are taken apart in place, their payloads moved together,
//! and handed to the host's TLS at once; through the rewriter as long as it is there.

use std::task::{Context, Poll, ready};

use portico_model::session::EndReason;
use portico_rdp::connect::Progress;
use portico_wire::websocket::{CloseCode, CloseFrame, Event, MessageKind, Opcode, encode_frame};
use zeroize::Zeroizing;

use super::{
    End, Relay,
    scratch::{HEADROOM, Scratch},
    tls_end::Filled,
};

impl Relay {
    /// Reads from the viewer once and hands it to the host's TLS. Call it only when everything
    /// before is sent.
    pub(super) fn poll_up(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<Result<(), Box<End>>> {
        if !self.unread.is_empty() {
            let mut unread = std::mem::take(&mut self.unread);
            return Poll::Ready(self.decode(&mut unread));
        }
        let len = match ready!(self.client.poll_fill(cx, scratch)) {
            Ok(Filled::Plain(len)) => len,
            // A browser that closes a page sends a close frame first.
            Ok(Filled::End) => return Poll::Ready(Err(Box::new(End::new(EndReason::ClientLost)))),
            Err(error) => return Poll::Ready(Err(Box::new(End::client_lost(&error)))),
        };
        let plain = scratch.plain.get_mut(HEADROOM..HEADROOM + len);
        Poll::Ready(self.decode(plain.unwrap_or_default()))
    }

    fn decode(&mut self, plain: &mut [u8]) -> Result<(), Box<End>> {
        if plain.is_empty() {
            return Ok(());
        }
        self.timers.sign_of_life();
        // INVARIANT: `packed` bytes of payload lie at the front of `plain`, and what is not
        // decoded yet begins at or after their end.
        let mut packed = 0;
        let mut done = 0;
        let mut close = None;
        let mut ping = None;
        let total = plain.len();
        while close.is_none() {
            let mut input = plain.get_mut(done..).unwrap_or_default();
            let event = match self.decoder.decode(&mut input) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => return Err(Box::new(End::breach(error.close_code(), error))),
            };
            match event {
                Event::Data {
                    kind: MessageKind::Binary,
                    payload,
                    ..
                } => {
                    let len = payload.len();
                    done = total - input.len();
                    plain.copy_within(done - len..done, packed);
                    packed += len;
                    continue;
                }
                Event::Data { .. } => {
                    let text = "only binary messages are taken";
                    return Err(Box::new(End::breach(CloseCode::UNSUPPORTED, text)));
                }
                Event::Ping(payload) => ping = Some(payload),
                Event::Pong(_) => {}
                Event::Close(frame) => close = Some(frame),
            }
            done = total - input.len();
        }
        if let Some(payload) = ping {
            self.pong(payload.as_ref())?;
        }
        self.forward(plain.get(..packed).unwrap_or_default())?;
        match close {
            None => Ok(()),
            Some(frame) => Err(Box::new(End {
                reason: EndReason::ClientClosed,
                frame: echo(frame),
                detail: None,
            })),
        }
    }

    fn forward(&mut self, payload: &[u8]) -> Result<(), Box<End>> {
        if payload.is_empty() {
            return Ok(());
        }
        self.bytes_up += super::len_u64(payload.len());
        let host_lost = |error| Box::new(End::host_lost(&error));
        let Some(rewriter) = &mut self.rewriter else {
            if self.input.feed(payload) {
                self.timers.input();
            }
            return self.host.write(payload).map_err(host_lost);
        };
        // Whoever logs on is there.
        self.timers.input();
        let mut output = Zeroizing::default();
        let progress = rewriter
            .feed(payload, &mut output)
            .map_err(|error| Box::new(End::breach(CloseCode::PROTOCOL, error)))?;
        if progress == Progress::Done {
            self.rewriter = None;
            self.timers.rewritten();
        }
        self.host.write(&output).map_err(host_lost)
    }

    /// Answers the latest ping, which is all that RFC 6455, section 5.5.3, asks for; and not at
    /// all while the viewer does not read, so that it cannot make the gateway hoard answers.
    fn pong(&mut self, payload: &[u8]) -> Result<(), Box<End>> {
        if !self.client.is_flushed() {
            return Ok(());
        }
        self.client
            .write(&encode_frame(Opcode::Pong, None, payload))
            .map_err(|error| Box::new(End::client_lost(&error)))
    }
}

/// A close frame is answered with its own code (RFC 6455, section 5.5.1).
fn echo(frame: CloseFrame) -> CloseFrame {
    CloseFrame {
        code: frame.code,
        reason: String::new(),
    }
}
