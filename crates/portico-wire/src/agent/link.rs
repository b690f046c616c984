//! Messages of the agent link.

use portico_model::seen::{
    AgentHello, HostReport, IDENTITIES_MAX, Order, OrderOutcome, TEXT_LEN_MAX,
};
use serde::{Deserialize, Serialize};

use super::{
    check::{FlowOutcome, FlowTarget, check_abilities, check_outcomes, check_targets},
    codec::{LimitError, Message, at_most, text},
    framing::FRAME_LEN_MAX,
    pair::{PairHeard, PairListen, PairSend, SentOutcome, check_listen, check_refused, check_send},
    ports::{PortsPart, check_part},
};

/// Highest version of the link that this program speaks, and the only one so far.
pub const LINK_VERSION: u16 = 1;
/// Versions in one hello.
pub const VERSIONS_MAX: usize = 16;
/// Brokers in one welcome or issued certificate.
pub const BROKERS_MAX: usize = 32;
/// Longest `host:port`, in bytes: a name, a colon and a port.
pub const ADDRESS_LEN_MAX: usize = 260;
/// Longest text that is shown to people, in bytes: a message, a refusal, an outcome.
pub const LONG_TEXT_LEN_MAX: usize = 2_048;

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ToBroker {
    /// First message of a link.
    Hello {
        /// Versions of the link that the agent speaks.
        versions: Vec<u16>,
        /// Who it is.
        hello: AgentHello,
        /// What it can do beyond the first version, such as [`CHECKS_FLOWS`](super::CHECKS_FLOWS).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        abilities: Vec<String>,
    },
    /// How the host is.
    Report(HostReport),
    /// What became of an order.
    Outcome {
        /// Number of the order.
        order: u64,
        /// What became of it.
        outcome: OrderOutcome,
    },
    /// Answer to a ping.
    Pong {
        /// Its number.
        ping: u64,
    },
    /// Answer to a check: one for each.
    Checked {
        /// Number of the check.
        check: u64,
        /// What came of the targets, each once.
        outcomes: Vec<FlowOutcome>,
        /// Why nothing was checked; then there are no outcomes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
    /// First answer to a listen: the far end listens from here on, or will not.
    Listens {
        /// Number of the test.
        pair: u64,
        /// Why it does not; then nothing more is said about this test.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
    /// Second answer to a listen: what the far end heard.
    Heard(PairHeard),
    /// Answer to a send.
    Sent {
        /// Number of the test.
        pair: u64,
        /// What became of it.
        outcome: SentOutcome,
        /// Why it was not sent, or what the network says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A piece of the answer to a question for rules and listeners.
    Ports(PortsPart),
}

/// From the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ToAgent {
    /// Answer to a hello: reports are welcome.
    Welcome {
        /// Version that both speak from here on.
        version: u16,
        /// Time between two reports, in milliseconds.
        report_every_ms: u64,
        /// Link addresses of every broker, `host:port`. The agent keeps a link to each.
        brokers: Vec<String>,
    },
    /// Answer to a hello or a report: the link ends.
    Refused {
        /// Which case, in kebab-case.
        code: String,
        /// What is wrong.
        message: String,
        /// What somebody can do about it.
        next_step: String,
        /// Time before the next try, in milliseconds.
        retry_after_ms: u64,
    },
    /// Something to do. Answered by [`ToBroker::Outcome`].
    Order {
        /// Its number on this link.
        id: u64,
        /// What.
        order: Order,
    },
    /// Are you there? Answered by [`ToBroker::Pong`].
    Ping {
        /// Its number.
        ping: u64,
    },
    /// Prove these flows from there, and nothing else. Answered by [`ToBroker::Checked`].
    Check {
        /// Its number on this link.
        check: u64,
        /// What.
        targets: Vec<FlowTarget>,
    },
    /// Listen for this, for this test alone. Answered by [`ToBroker::Listens`], and when it listens
    /// by [`ToBroker::Heard`], too.
    Listen(PairListen),
    /// Send this. Answered by [`ToBroker::Sent`].
    Send(PairSend),
    /// Which firewall rules are loaded there, and who listens? Answered by [`ToBroker::Ports`], in
    /// pieces.
    TellPorts {
        /// Its number on this link.
        ask: u64,
    },
}

impl Message for ToBroker {
    const KINDS: &'static [&'static str] = &[
        "hello", "report", "outcome", "pong", "checked", "listens", "heard", "sent", "ports",
    ];
    const LEN_MAX: usize = FRAME_LEN_MAX;

    fn check(&self) -> Result<(), LimitError> {
        match self {
            Self::Hello {
                versions,
                abilities,
                ..
            } => {
                at_most("versions", "items", versions.len(), VERSIONS_MAX)?;
                check_abilities(abilities)
            }
            Self::Outcome { outcome, .. } => check_outcome(outcome),
            Self::Checked {
                outcomes, refused, ..
            } => {
                check_outcomes(outcomes)?;
                match refused {
                    Some(refused) => text("refused", refused, LONG_TEXT_LEN_MAX),
                    None => Ok(()),
                }
            }
            Self::Listens { refused, .. } => check_refused(refused.as_ref()),
            Self::Sent { detail, .. } => match detail {
                Some(detail) => text("detail", detail, LONG_TEXT_LEN_MAX),
                None => Ok(()),
            },
            Self::Ports(part) => check_part(part),
            // The broker checks a report whole and says which host sent it.
            Self::Report(_) | Self::Pong { .. } | Self::Heard(_) => Ok(()),
        }
    }
}

impl Message for ToAgent {
    const KINDS: &'static [&'static str] = &[
        "welcome",
        "refused",
        "order",
        "ping",
        "check",
        "listen",
        "send",
        "tell-ports",
    ];
    const LEN_MAX: usize = FRAME_LEN_MAX;

    fn check(&self) -> Result<(), LimitError> {
        match self {
            Self::Welcome { brokers, .. } => check_brokers(brokers),
            Self::Refused {
                code,
                message,
                next_step,
                ..
            } => check_refusal(code, message, next_step),
            Self::Order { order, .. } => check_order(order),
            Self::Ping { .. } | Self::TellPorts { .. } => Ok(()),
            Self::Check { targets, .. } => check_targets(targets),
            Self::Listen(listen) => check_listen(listen),
            Self::Send(send) => check_send(send),
        }
    }
}

pub(super) fn check_brokers(brokers: &[String]) -> Result<(), LimitError> {
    at_most("brokers", "items", brokers.len(), BROKERS_MAX)?;
    brokers
        .iter()
        .try_for_each(|broker| text("address of a broker", broker, ADDRESS_LEN_MAX))
}

pub(super) fn check_refusal(code: &str, message: &str, next_step: &str) -> Result<(), LimitError> {
    text("code", code, TEXT_LEN_MAX)?;
    text("message", message, LONG_TEXT_LEN_MAX)?;
    text("next_step", next_step, LONG_TEXT_LEN_MAX)
}

fn check_outcome(outcome: &OrderOutcome) -> Result<(), LimitError> {
    match outcome {
        OrderOutcome::Done { detail }
        | OrderOutcome::Failed { detail }
        | OrderOutcome::NotSupported { detail } => text("detail", detail, LONG_TEXT_LEN_MAX),
        OrderOutcome::Identities { identities } => {
            at_most("identities", "items", identities.len(), IDENTITIES_MAX)
        }
        OrderOutcome::NotFound => Ok(()),
    }
}

fn check_order(order: &Order) -> Result<(), LimitError> {
    match order {
        Order::LogOff { session } | Order::Disconnect { session } => {
            text("session.account", &session.account, TEXT_LEN_MAX)
        }
        Order::Message {
            from, text: says, ..
        } => {
            text("from", from, TEXT_LEN_MAX)?;
            text("text", says, LONG_TEXT_LEN_MAX)
        }
        Order::Probe { address, .. } => text("address", address, TEXT_LEN_MAX),
        Order::Restart { text: says, .. } => text("text", says, LONG_TEXT_LEN_MAX),
        Order::TellIdentities => Ok(()),
    }
}
