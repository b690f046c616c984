//! Flows that only both ends together can show: which they are, and what is said of them.

use std::net::IpAddr;

use portico_catalogue::{Catalogue, Flow, PortRange, Proof, Transport};
use portico_model::HostId;
use portico_probe::check::{Target, Verdict};
use portico_wire::agent::{
    AH, ESP, GRE, HeardBy, PAIR_NONCE_LEN, PAIR_SOURCES_MAX, PairListen, PairNonce, SentOutcome,
};

use super::{
    records::Found,
    wanted::{Vantage, WantedRow},
};
use crate::{
    broker::Inner,
    hosts::{PairError, PairSeen},
};

/// Time that a far end listens, in seconds. Three packets are sent within one.
const LISTEN_S: u16 = 5;
/// Tests of one round of a host, one after the other.
pub(super) const PAIRS_OF_ROUND_MAX: usize = 8;

/// A test that is possible as far as the estate tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) to: HostId,
    transport: String,
    address: IpAddr,
    /// Ports of which this is the first.
    of_ports: u32,
}

/// Whether this is a test for both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairing {
    /// Both agents can.
    Possible,
    /// One of them is silent or too old.
    Waits(&'static str),
}

impl Pair {
    /// The test of a target that is skipped otherwise. `None` when its flow is none for two agents
    /// or its address is a name.
    pub(crate) fn of(target: &Target, to: &HostId, ports: Option<&PortRange>) -> Option<Self> {
        let flow = Catalogue::portico().find(target.flow.as_str())?;
        let is_for_both = matches!(flow.proof, Proof::C | Proof::D | Proof::E);
        (is_for_both && is_carried(flow)).then_some(())?;
        let of_ports = ports.map_or(1, |ports| u32::from(ports.last - ports.first) + 1);
        Some(Self {
            to: to.clone(),
            transport: flow.transport_name(),
            address: target.host.parse().ok()?,
            of_ports,
        })
    }

    /// What was tested, for people.
    fn what(&self, port: u16) -> String {
        match (port, self.of_ports) {
            (0, _) => self.transport.clone(),
            (port, 1) => format!("{port}/{}", self.transport),
            (port, many) => format!("{port}/{} (the first of {many} ports)", self.transport),
        }
    }
}

fn is_carried(flow: &Flow) -> bool {
    match flow.transport {
        Transport::Tcp | Transport::Udp => true,
        Transport::Icmp => false,
        Transport::Ip => matches!(flow.ip_protocol, Some(GRE | ESP | AH)),
    }
}

impl Vantage {
    /// The test of a row that is skipped otherwise.
    pub(super) fn pair(&self, row: &WantedRow) -> Option<&Pair> {
        self.pairs.get(&row.target)
    }
}

impl Inner {
    /// Whether both agents can do a test now.
    pub(super) fn pairing(&self, from: &HostId, pair: &Pair) -> Pairing {
        match (
            self.agent_pairs_flows(from),
            self.agent_pairs_flows(&pair.to),
        ) {
            (Some(true), Some(true)) => Pairing::Possible,
            (None, _) => Pairing::Waits("the agent of the near end says nothing"),
            (_, None) => Pairing::Waits("the agent of the far end says nothing"),
            (Some(false), _) | (_, Some(false)) => {
                Pairing::Waits("the agent of one end is too old for a paired probe")
            }
        }
    }

    /// Does one test; `None` when nothing can be said and it is tried again later.
    pub(super) async fn do_pair(
        &self,
        from: &HostId,
        vantage: &Vantage,
        target: &Target,
        pair: &Pair,
    ) -> Option<Found> {
        let mut nonce = [0; PAIR_NONCE_LEN];
        if self.chance.fill(&mut nonce).is_err() {
            tracing::warn!("No random bytes; no paired probe is done");
            return None;
        }
        let own = &vantage.own_addresses;
        let listen = PairListen {
            // The number is given where it is sent.
            pair: 0,
            flow: target.flow.as_str().to_owned(),
            address: pair.address,
            port: target.port,
            from: own.get(..PAIR_SOURCES_MAX).unwrap_or(own).to_vec(),
            nonce: PairNonce(nonce),
            seconds: LISTEN_S,
        };
        let begun = tokio::time::Instant::now();
        let outcome = self.order_pair(from, &pair.to, listen).await;
        let took_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        let (verdict, evidence, next_step) = match outcome {
            Ok(seen) => told(from, pair, target, own, &seen),
            Err(PairError::Refused { host, why }) => (
                Verdict::Skipped,
                format!("the agent of {host} did not listen for it: {why}"),
                Some("look at a capture on the far end while it is sent".into()),
            ),
            Err(error) => {
                tracing::debug!(%from, to = %pair.to, flow = %target.flow, %error, "No paired probe");
                return None;
            }
        };
        Some(Found {
            verdict,
            evidence,
            next_step,
            clue: None,
            took_ms,
        })
    }
}

/// What a test says.
fn told(
    from: &HostId,
    pair: &Pair,
    target: &Target,
    own: &[IpAddr],
    seen: &PairSeen,
) -> (Verdict, String, Option<String>) {
    let (to, what, heard) = (&pair.to, pair.what(target.port), &seen.heard);
    let detail = seen.detail.as_deref();
    let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
    let firewall = format!(
        "let {what} from {from} to {} through (flow {})",
        pair.address, target.flow
    );
    // An address that was not asked for shows nothing, whatever the agent says of it.
    let source = heard.from.filter(|source| own.contains(source));
    let arrived = source.filter(|_| heard.arrived);
    let is_whole = match target_is_tcp(pair) {
        true => seen.sent == SentOutcome::Echoed,
        false => true,
    };
    match (arrived, is_whole) {
        (Some(source), true) => {
            let how = match heard.by {
                HeardBy::Listened => "",
                HeardBy::Captured => ", where a service has the port,",
            };
            let evidence = format!(
                "the agent of {to} heard the nonce on {what}{how} from {source}, {} ms after it \
                 began to listen",
                heard.after_ms
            );
            (Verdict::Proven, evidence, None)
        }
        (Some(source), false) => (
            Verdict::NoAnswer,
            format!(
                "the agent of {to} heard the nonce on {what} from {source}, and it did not come \
                 back to {from}{detail}"
            ),
            Some(format!("let the answers to {from} through")),
        ),
        (None, _) => match (heard.from, seen.sent) {
            (Some(other), _) => (
                Verdict::NoAnswer,
                format!(
                    "the nonce came to {to} from {other}, which is no address of {from} in the \
                     estate"
                ),
                Some(format!(
                    "correct the address of {from} in the estate, or look for address translation \
                     on the way"
                )),
            ),
            (None, SentOutcome::NotSent) => (
                Verdict::Skipped,
                format!("the agent of {from} did not send it{detail}"),
                Some("see the log of that agent".into()),
            ),
            (None, SentOutcome::Rejected) => (
                Verdict::Blocked,
                format!("{to} listened, and {from} was told that it may not get there{detail}"),
                Some(firewall),
            ),
            (None, _) => (
                Verdict::NoAnswer,
                format!("sent by {from} on {what}{detail}, not heard by {to} within {LISTEN_S} s"),
                Some(firewall),
            ),
        },
    }
}

fn target_is_tcp(pair: &Pair) -> bool {
    pair.transport == "tcp"
}
