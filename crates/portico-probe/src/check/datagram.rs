//! Checks over UDP. A question is repeated, because any datagram can be lost.

use std::{io, net::SocketAddr, time::Duration};

use portico_net::{
    race::addresses_of,
    udp::{AnswerPort, UdpPeer},
};
use portico_wire::probe::{Ask, Conversation, Turn};
use tokio::time::Instant;

use super::{Clue, Means, Outcome, Target, Verdict};

/// How often a question is asked.
const ASKED_MAX: u32 = 3;
/// Longest datagram that is read.
const DATAGRAM_LEN_MAX: usize = 64 << 10;

/// Speaks the protocol of the service with the addresses of the host, one after the other.
pub(super) async fn speak(target: &Target, means: &Means, deadline: Instant, ask: Ask) -> Outcome {
    let resolved = addresses_of(target.flow, &target.host, target.port, means.limits.connect);
    let addresses = match resolved.await {
        Ok(addresses) => addresses,
        Err(error) => return Outcome::undialled(&error),
    };
    let mut last = no_answer(target, &ask);
    let end = deadline.min(Instant::now() + means.limits.first_byte);
    for (index, address) in addresses.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let tries = u32::try_from(addresses.len() - index).unwrap_or(1);
        let outcome = one(target, *address, left / tries, &ask).await;
        if !matches!(outcome.verdict, Verdict::NoAnswer | Verdict::Blocked) {
            return outcome;
        }
        last = outcome;
    }
    last
}

async fn one(target: &Target, address: SocketAddr, time: Duration, ask: &Ask) -> Outcome {
    let answers = match ask.service.answers_from_other_port() {
        true => AnswerPort::Any,
        false => AnswerPort::Same,
    };
    let peer = match UdpPeer::open(target.flow, address, answers).await {
        Ok(peer) => peer,
        Err(error) => return broken(target, &error).at(address),
    };
    let mut conversation = Conversation::new(ask.clone());
    let question = conversation.opening();
    let mut buffer = vec![0; DATAGRAM_LEN_MAX];
    let mut stray = None;
    let end = Instant::now() + time;
    for asked in 0..ASKED_MAX {
        if let Err(error) = peer.send(&question).await {
            return broken(target, &error).at(address);
        }
        let until = end - time / ASKED_MAX * (ASKED_MAX - 1 - asked);
        while let Ok(received) = tokio::time::timeout_at(until, peer.receive(&mut buffer)).await {
            let len = match received {
                Ok(len) => len,
                Err(error) => return broken(target, &error).at(address),
            };
            match conversation.datagram(buffer.get(..len).unwrap_or_default()) {
                Turn::Proven(proof) => {
                    if !proof.parting.is_empty() {
                        let _parted = peer.send(&proof.parting).await;
                    }
                    return Outcome::proven(proof).at(address);
                }
                // It may be a late answer to somebody else; a right one may still come.
                Turn::Wrong(wrong) => stray = Some(wrong),
                Turn::Listen | Turn::Say(_) => {}
            }
        }
    }
    match stray {
        Some(wrong) => Outcome::wrong(target, ask.service.name(), wrong),
        None => no_answer(target, ask),
    }
    .at(address)
}

fn no_answer(target: &Target, ask: &Ask) -> Outcome {
    Outcome::new(
        Verdict::NoAnswer,
        format!("no answer of {} over UDP", ask.service.name()),
        format!(
            "see that the service runs on {} and that firewalls let {}/udp and its answers through \
             (flow {})",
            target.host, target.port, target.flow
        ),
    )
}

/// What the network says about a datagram.
fn broken(target: &Target, error: &io::Error) -> Outcome {
    let port = target.port;
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Outcome::new(
            Verdict::Refused,
            format!("the host says that nothing listens on {port}/udp (ICMP port unreachable)"),
            "start the service on the host, or correct the port in the estate; a firewall that \
             rejects answers the same",
        ),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::PermissionDenied => Outcome::new(
            Verdict::Blocked,
            format!("a firewall forbids it, or there is no route: {error}"),
            format!(
                "let {port}/udp through (flow {}), and check the routes of this machine",
                target.flow
            ),
        )
        .with_clue(match error.kind() {
            io::ErrorKind::PermissionDenied => Clue::Prohibited,
            _ => Clue::Unreachable,
        }),
        _ => Outcome::new(
            Verdict::NoAnswer,
            format!("the question could not be sent: {error}"),
            "check the network of this machine",
        ),
    }
}
