//! The whole exchange as a machine without a socket.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{
    Cookie, ExtensionReply, IdleInfo, QueryExtension, QueryInfo, SetupReply, SetupRequest,
    X11Error, messages::is_event, packet_len, setup_len,
};

/// Messages that are passed over: a server tells all clients of a new keyboard and the like.
pub const PASSED_OVER_MAX: u32 = 64;

/// Requests are numbered from 1 on.
const EXTENSION_SEQUENCE: u16 = 1;
const INFO_SEQUENCE: u16 = 2;

/// Asks one server once.
///
/// Send what [`IdleQuestion::poll_transmit`] gives, at the beginning and after each
/// [`IdleQuestion::push`]; hand what the server sends to `push`, until [`IdleQuestion::answer`] or
/// an error. What it keeps of the server is less than one message, 64 KiB, and what it reads in all
/// less than 400 KiB.
#[derive(Debug)]
pub struct IdleQuestion {
    state: State,
    pub(super) received: Zeroizing<Vec<u8>>,
    transmit: Option<Zeroizing<Vec<u8>>>,
    passed_over: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    ExpectSetup,
    ExpectExtension { root: u32 },
    ExpectInfo,
    Answered(Duration),
    Failed(X11Error),
}

impl IdleQuestion {
    /// A question to a server that takes `cookie`.
    pub fn new(cookie: Cookie) -> Self {
        Self {
            state: State::ExpectSetup,
            received: Zeroizing::default(),
            transmit: Some(SetupRequest { cookie }.encode()),
            passed_over: 0,
        }
    }

    /// Bytes for the server, once.
    pub fn poll_transmit(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.transmit.take()
    }

    /// For how long nobody has used the display, when the server has said it.
    pub fn answer(&self) -> Option<Duration> {
        match self.state {
            State::Answered(idle) => Some(idle),
            _ => None,
        }
    }

    /// Takes bytes of the server. Those after the answer do not matter.
    ///
    /// # Errors
    /// [`X11Error`], also from then on: the server is not asked further.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), X11Error> {
        if !matches!(self.state, State::Answered(_) | State::Failed(_)) {
            self.received.extend_from_slice(bytes);
        }
        loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    self.state = State::Failed(error);
                    self.received.clear();
                    return Err(error);
                }
            }
        }
    }

    /// Takes one whole message; `false` when there is none.
    fn step(&mut self) -> Result<bool, X11Error> {
        let len = match self.state {
            State::ExpectSetup => setup_len(&self.received)?,
            State::ExpectExtension { .. } | State::ExpectInfo => packet_len(&self.received)?,
            State::Answered(_) => None,
            State::Failed(error) => return Err(error),
        };
        let Some(packet) = len.and_then(|len| self.received.get(..len)) else {
            return Ok(false);
        };
        let taken = packet.len();
        let next = match self.state {
            State::ExpectExtension { .. } | State::ExpectInfo if is_event(packet) => {
                self.passed_over += 1;
                if self.passed_over > PASSED_OVER_MAX {
                    return Err(X11Error::PassedOver);
                }
                self.state
            }
            State::ExpectSetup => {
                let SetupReply::Accepted { root } = SetupReply::decode(packet)? else {
                    return Err(X11Error::NotLetIn);
                };
                self.transmit = Some(Zeroizing::new(QueryExtension.encode()));
                State::ExpectExtension { root }
            }
            State::ExpectExtension { root } => {
                let reply = ExtensionReply::decode(packet, EXTENSION_SEQUENCE)?;
                let opcode = reply.opcode.ok_or(X11Error::NoExtension)?;
                let info = QueryInfo {
                    opcode,
                    drawable: root,
                };
                self.transmit = Some(Zeroizing::new(info.encode()));
                State::ExpectInfo
            }
            State::ExpectInfo => {
                let info = IdleInfo::decode(packet, INFO_SEQUENCE)?;
                State::Answered(Duration::from_millis(info.idle_ms.into()))
            }
            State::Answered(_) | State::Failed(_) => return Ok(false),
        };
        self.state = next;
        self.received.drain(..taken);
        if matches!(next, State::Answered(_)) {
            self.received.clear();
        }
        Ok(true)
    }
}
