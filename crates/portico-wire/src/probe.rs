//! What proves that a service speaks its protocol: what to say to it, and what its answer shows.
//!
//! Read [`Ask`] (which service, over what) and [`Conversation`] (one exchange with it) first. Each
//! protocol is one request and a checked answer, without log-on and without anything that stays at
//! the server. [`Turn`] tells whoever holds the socket what comes next. An answer proves nothing
//! before it is whole, and everything that a server sent comes out of here printable.

mod ber;
mod database;
mod dhcp;
mod directory;
mod dtls;
mod framing;
mod greeting;
mod http;
mod kerberos;
mod login;
mod names;
mod pdu;
mod queuing;
mod radius;
mod recognise;
mod rpc;
mod screen;
mod service;
mod simple;
mod snmp;
#[cfg(test)]
mod tests;
mod tunnel;
mod windows;
mod wins;

use std::net::IpAddr;

use portico_model::Secret;

pub use recognise::{recognise, shown};
pub use service::{Over, Service};

/// Longest answer that is listened to, in bytes; what is longer is no answer of these protocols.
pub const ANSWER_LEN_MAX: usize = 64 << 10;
/// Longest text of a server that is shown, in characters.
pub const SHOWN_LEN_MAX: usize = 160;
/// Name under which the probe presents itself where a protocol wants one.
pub const OWN_NAME: &str = "portico-probe";

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The service that should be there.
    pub service: Service,
    /// What carries it.
    pub over: Over,
    /// Name or address of the server as the estate has it, for protocols that want it said.
    pub host: String,
    /// Drawn for this question: by it an answer shows that it is one to this question.
    pub nonce: [u8; 8],
    /// The time here, in milliseconds since 1970, to compare a clock with.
    pub now_unix_ms: i64,
    /// The secret that the service answers to: RADIUS' shared secret, SNMP's community.
    pub secret: Option<Secret>,
    /// The address that the question is sent from, for protocols that want it said.
    pub own_address: Option<IpAddr>,
}

/// One exchange with a server.
#[derive(Debug, Clone)]
pub struct Conversation {
    ask: Ask,
    step: u8,
    heard: Vec<u8>,
    /// First line of a server that speaks first; printable.
    greeting: String,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// More of the answer has to come.
    Listen,
    /// Send these bytes and listen again.
    Say(Vec<u8>),
    /// It is the service.
    Proven(Proof),
    /// It is of the form of the service, and does not show that it is it: why, printable.
    Unproven(String),
    /// It is something else.
    Wrong(Wrong),
}

/// Shows that it is the service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// What the server said of itself; printable.
    pub evidence: String,
    /// What to send before leaving, so that the server sees a client that goes in order.
    pub parting: Vec<u8>,
    /// The server agreed to begin TLS on this connection now.
    pub starts_tls: bool,
    /// How far the server's clock is ahead, in milliseconds, when it told.
    pub clock_ahead_ms: Option<i64>,
    /// What listens on the host besides, as an endpoint mapper names it.
    pub endpoints: Vec<Endpoint>,
}

/// Something that listens on TCP, as an endpoint mapper names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its port.
    pub port: u16,
    /// Its RPC interface, as a UUID is written.
    pub interface: String,
    /// What it calls itself; printable, may be empty.
    pub annotation: String,
}

/// Shows that it is something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What it says, printable; empty when it closed without a word.
    pub said: String,
    /// The protocol that this looks like.
    pub looks_like: Option<&'static str>,
}

/// What an answer shows so far. Made by one function for each protocol out of all that was heard
/// since the last [`Reading::Say`], so that how the bytes were cut cannot matter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    More,
    Say(Vec<u8>),
    Proven(Proof),
    Unproven(String),
    Wrong,
}

impl Reading {
    fn proven(evidence: impl Into<String>) -> Self {
        Self::Proven(Proof {
            evidence: evidence.into(),
            ..Proof::default()
        })
    }

    fn proven_parting(evidence: impl Into<String>, parting: &[u8]) -> Self {
        Self::Proven(Proof {
            evidence: evidence.into(),
            parting: parting.to_vec(),
            ..Proof::default()
        })
    }
}

/// What was heard of an answer.
#[derive(Debug, Clone, Copy)]
struct Heard<'a> {
    bytes: &'a [u8],
    /// Nothing more comes: the server closed, or the datagram ends here.
    is_all: bool,
}

impl Heard<'_> {
    /// What to make of an answer that is not whole.
    fn unfinished(self) -> Reading {
        if self.is_all {
            Reading::Wrong
        } else {
            Reading::More
        }
    }
}

impl Conversation {
    /// Begins one.
    pub fn new(ask: Ask) -> Self {
        Self {
            ask,
            step: 0,
            heard: Vec::new(),
            greeting: String::new(),
        }
    }

    /// What to send first; empty when the server speaks first.
    pub fn opening(&self) -> Vec<u8> {
        self.question(0)
    }

    /// What to send as a datagram for the first time (`asked` is zero), the second, and so on, as
    /// long as nothing is answered: what was lost is asked again, and some services are asked
    /// another way that more servers know.
    pub fn question(&self, asked: u32) -> Vec<u8> {
        service::question(&self.ask, asked)
    }

    /// Takes bytes of a stream.
    pub fn hear(&mut self, bytes: &[u8]) -> Turn {
        self.heard.extend_from_slice(bytes);
        let turn = self.read(false);
        match turn {
            Turn::Listen if self.heard.len() > ANSWER_LEN_MAX => self.wrong(),
            turn => turn,
        }
    }

    /// Takes one datagram. One that is no answer of the service is wrong and not half of one.
    pub fn datagram(&mut self, bytes: &[u8]) -> Turn {
        self.heard.clear();
        self.heard
            .extend_from_slice(bytes.get(..ANSWER_LEN_MAX).unwrap_or(bytes));
        self.read(true)
    }

    /// The server closed the stream.
    pub fn ended(&mut self) -> Turn {
        self.read(true)
    }

    /// What was heard since the last thing that was said.
    pub fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// What is asked.
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// What is heard is taken for the wrong service, whatever it is.
    pub fn wrong(&self) -> Turn {
        Turn::Wrong(Wrong {
            said: shown(&self.heard),
            looks_like: recognise(&self.heard),
        })
    }

    fn read(&mut self, is_all: bool) -> Turn {
        let heard = Heard {
            bytes: &self.heard,
            is_all,
        };
        match service::read(&self.ask, self.step, heard) {
            Reading::More if is_all => self.wrong(),
            Reading::More => Turn::Listen,
            Reading::Say(bytes) => {
                if self.step == 0 && self.opening().is_empty() {
                    let line = greeting::line(&self.heard).map_or(&*self.heard, |(line, _)| line);
                    self.greeting = shown(line);
                }
                self.step = self.step.saturating_add(1);
                self.heard.clear();
                Turn::Say(bytes)
            }
            Reading::Proven(mut proof) => {
                if !self.greeting.is_empty() {
                    proof.evidence = format!("{}; {}", self.greeting, proof.evidence);
                }
                Turn::Proven(proof)
            }
            Reading::Unproven(why) => Turn::Unproven(why),
            Reading::Wrong => self.wrong(),
        }
    }
}
