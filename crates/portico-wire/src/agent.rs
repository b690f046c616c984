//! Agent link (port 30004) and enrollment (port 30030): agent ⇄ broker.
//!
//! Read [`ToBroker`] and [`ToAgent`] first, then [`EnrollmentRequest`]. Both run inside mutual TLS
//! of the built-in certificate authority; enrollment's first request runs inside TLS that is
//! pinned by the [`JoinToken`]. A message is JSON with its `kind`, in a frame: four bytes of
//! length, big-endian, then the JSON ([`FrameDecoder`], [`encode`], [`decode`]). Over the link the
//! `kind` stands first in it, and in a report its `number` second, without white space, so that a
//! broker can refuse a message by its first bytes (its module `head`).
//!
//! # How versions get along
//!
//! - A field is added only with a default, and fields that are not known are passed over: no new
//!   version.
//! - A kind that is not known is [`DecodeError::UnknownKind`], which names it; the reader notes it
//!   and reads on, because the frame around it was whole. So a kind that the other side may ignore
//!   is added without a new version, too. Where the sender has to know whether the other side can
//!   do it, the agent names it among the `abilities` of its `hello`; [`CHECKS_FLOWS`], [`PAIRS_FLOWS`]
//!   and [`TELLS_PORTS`] are such.
//! - Everything else is a new [`LINK_VERSION`]. The agent says in its `hello` which versions it
//!   speaks, the broker chooses the highest that both speak and says so in its `welcome`, or
//!   answers `refused`. `hello` and `refused` themselves stay readable in every version.
//!
//! # Limits
//!
//! A frame has at most [`FRAME_LEN_MAX`] bytes, those of enrollment at most
//! [`ENROLLMENT_FRAME_LEN_MAX`]; longer ones are refused by their length, before anything is
//! allocated. Lists and texts of the messages' own are checked both when writing and when reading.
//! What an agent says of its host is checked by whoever takes it, with
//! [`HostReport::check`](portico_model::seen::HostReport::check) and
//! [`AgentHello::check`](portico_model::seen::AgentHello::check).

mod check;
mod codec;
mod enrollment;
mod framing;
mod head;
mod link;
mod pair;
mod ports;
mod token;

pub use check::{
    ABILITIES_MAX, ABILITY_LEN_MAX, CHECK_TARGETS_MAX, CHECK_TEXT_LEN_MAX, CHECKS_FLOWS,
    FLOW_LEN_MAX, FlowOutcome, FlowTarget, TARGET_ADDRESS_LEN_MAX, VERDICT_LEN_MAX,
};
pub use codec::{DecodeError, EncodeError, KIND_LEN_MAX, LimitError, Message, decode, encode};
pub use enrollment::{
    CHAIN_LEN_MAX, DER_LEN_MAX, ENROLLMENT_FRAME_LEN_MAX, EnrollmentAnswer, EnrollmentRequest,
};
pub use framing::{FRAME_LEN_MAX, FrameDecoder, FrameError, LENGTH_LEN};
pub use head::{Head, ReportError, decode_report, head};
pub use link::{
    ADDRESS_LEN_MAX, BROKERS_MAX, LINK_VERSION, LONG_TEXT_LEN_MAX, ToAgent, ToBroker, VERSIONS_MAX,
};
pub use pair::{
    AH, ESP, GRE, HeardBy, NoNonce, PAIR_NONCE_LEN, PAIR_PACKET_LEN, PAIR_SECONDS_MAX,
    PAIR_SOURCES_MAX, PAIRS_FLOWS, PairHeard, PairListen, PairNonce, PairSend, SentOutcome,
    captured_udp,
};
pub use ports::{
    HostInterface, HostPorts, HostProcess, HostSocket, INTERFACES_MAX, NAME_LEN_MAX, PORTS_LEN_MAX,
    PORTS_PART_LEN_MAX, PORTS_PARTS_MAX, PROCESSES_MAX, PortsError, PortsPart, PortsParts,
    RULES_LEN_MAX, RulesDump, RulesTold, RulesTool, SOCKETS_MAX, SocketTransport, TELLS_PORTS,
    WHY_LEN_MAX,
};
pub use token::{JoinToken, SECRET_LEN_MAX, TOKEN_LEN_MAX, TOKEN_PREFIX, TokenError};

#[cfg(test)]
mod tests;
