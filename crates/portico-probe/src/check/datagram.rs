//! Checks over UDP. A question is repeated, because any datagram can be lost.

use std::{io, net::SocketAddr, time::Duration};

use portico_net::{
    race::addresses_of,
    udp::{AnswerPort, UdpPeer},
};
use portico_wire::probe::{Ask, Conversation, Service, Turn};
use tokio::{sync::Mutex, time::Instant};

use super::{Clue, Means, Outcome, Target, Verdict};

/// How often a question is asked.
const ASKED_MAX: u32 = 3;
/// Longest datagram that is read.
const DATAGRAM_LEN_MAX: usize = 64 << 10;

/// Only one check at a time has the port of this machine that servers answer to.
static OWN_PORT: Mutex<()> = Mutex::const_new(());

/// Speaks the protocol of the service with the addresses of the host, one after the other.
pub(super) async fn speak(target: &Target, means: &Means, deadline: Instant, ask: Ask) -> Outcome {
    let resolved = addresses_of(target.flow, &target.host, target.port, means.limits.connect);
    let mut addresses = match resolved.await {
        Ok(addresses) => addresses,
        Err(error) => return Outcome::undialled(&error),
    };
    if ask.service == Service::Dhcp {
        addresses.retain(SocketAddr::is_ipv4);
        if addresses.is_empty() {
            return Outcome::skipped(
                "DHCP is of IPv4, and the host has no such address",
                "give the host its IPv4 address in the estate",
            );
        }
    }
    let turn = match ask.service.answers_to_port() {
        Some(_) => Some(OWN_PORT.lock().await),
        None => None,
    };
    // The server is not to blame for the wait.
    let deadline = match &turn {
        Some(_) => Instant::now() + means.limits.whole,
        None => deadline,
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
    let own_port = ask.service.answers_to_port();
    let opened = UdpPeer::open_at(target.flow, address, answers, own_port.unwrap_or(0)).await;
    let peer = match (opened, own_port) {
        (Ok(peer), _) => peer,
        (Err(error), Some(port)) => {
            let not_ours = port_not_ours(port, ask.service, &error);
            return not_ours
                .unwrap_or_else(|| broken(target, &error))
                .at(address);
        }
        (Err(error), None) => return broken(target, &error).at(address),
    };
    let mut conversation = Conversation::new(Ask {
        own_address: peer.local_addr().ok().map(|own| own.ip()),
        ..ask.clone()
    });
    let mut buffer = vec![0; DATAGRAM_LEN_MAX];
    let (mut stray, mut unproven) = (None, None);
    let end = Instant::now() + time;
    for asked in 0..ASKED_MAX {
        if let Err(error) = peer.send(&conversation.question(asked)).await {
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
                Turn::Unproven(why) => unproven = Some(why),
                Turn::Listen | Turn::Say(_) => {}
            }
        }
    }
    match (unproven, stray) {
        (Some(why), _) => Outcome::unproven(ask, &why),
        (None, Some(wrong)) if wrong.said.is_empty() => Outcome {
            evidence: format!("answers with an empty datagram, not {}", ask.service.name()),
            ..Outcome::wrong(target, ask.service.name(), wrong)
        },
        (None, Some(wrong)) => Outcome::wrong(target, ask.service.name(), wrong),
        (None, None) => no_answer(target, ask),
    }
    .at(address)
}

fn no_answer(target: &Target, ask: &Ask) -> Outcome {
    let service = ask.service.name();
    let because = match (ask.service, &ask.secret) {
        (Service::Radius | Service::RadiusAccounting, None) => {
            "; it never answers who does not know its shared secret, so that this says only that \
             nothing refuses the port"
        }
        (Service::Radius | Service::RadiusAccounting, Some(_)) => {
            "; it never answers an address that is none of its clients, or another secret than its \
             own"
        }
        (Service::SnmpCommunity, _) => "; it never answers another community than its own",
        (Service::Snmp, _) => "; it may know communities only, and none was given",
        _ => "",
    };
    let more = match (ask.service, &ask.secret) {
        (Service::Radius | Service::RadiusAccounting, None) => {
            "name the file of the shared secret (--radius-secret-file); else "
        }
        (Service::Radius | Service::RadiusAccounting, Some(_)) => {
            "see that this machine is a client of the server, with this secret, and that the \
             server knows Status-Server; else "
        }
        (Service::Snmp, _) => "name the file of the community (--snmp-community-file); else ",
        _ => "",
    };
    Outcome::new(
        Verdict::NoAnswer,
        format!("no answer of {service} over UDP{because}"),
        format!(
            "{more}see that the service runs on {} and that firewalls let {}/udp and its answers \
             through (flow {})",
            target.host, target.port, target.flow
        ),
    )
}

/// The port of this machine that servers answer to cannot be had.
fn port_not_ours(port: u16, service: Service, error: &io::Error) -> Option<Outcome> {
    let service = service.name();
    match error.kind() {
        io::ErrorKind::AddrInUse => Some(Outcome::skipped(
            &format!(
                "{service} servers answer to port {port}, and another program of this machine has \
                 it, most likely its own client"
            ),
            "check from a machine whose address is set by hand",
        )),
        io::ErrorKind::PermissionDenied => Some(Outcome::skipped(
            &format!("{service} servers answer to port {port}, which only root can have"),
            "run the check as root",
        )),
        _ => None,
    }
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
