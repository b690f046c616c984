//! Paired probes: this host listens for the length of one test, or sends what another listens for.
//!
//! An order names a flow of the catalogue that answers nobody, binds on demand or comes back, an
//! address of this host and a port. What is sent is a line with a nonce, never bytes of the broker.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use portico_catalogue::{Catalogue, Flow, Proof, Transport};
use portico_net::{
    DialError, FlowId, ListenError, TcpListener, dial_tcp,
    own::is_own,
    pair::PairSocket,
    udp::{AnswerPort, UdpPeer},
};
use portico_wire::agent::{
    AH, ESP, GRE, HeardBy, PAIR_PACKET_LEN, PAIR_SECONDS_MAX, PairHeard, PairListen, PairNonce,
    PairSend, SentOutcome, ToBroker, captured_udp,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::Instant,
};

use crate::{checks::fit, orders::Host};

/// Tests that this host listens for at the same time, and that it sends for, whichever brokers gave
/// them; more are refused.
pub const PAIRS_MAX: usize = 1;
/// Times that a packet without a connection is sent, because any can be lost.
const SENT_MAX: u32 = 3;
/// Time between two of them.
const SEND_EVERY: Duration = Duration::from_millis(500);
/// Time for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for the nonce over a connection, at either end.
const LINE_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections that are listened to in one test; later ones are closed.
const CONNECTIONS_MAX: usize = 16;
/// Longest packet that is read: what counts is much shorter.
const PACKET_LEN_MAX: usize = 2048;
const UDP: u8 = 17;

/// What is open for one test.
#[derive(Debug)]
enum Open {
    Tcp(TcpListener),
    /// The port of this host.
    Udp(PairSocket),
    /// Copies of what comes to a port that a service has.
    CapturedUdp(PairSocket),
    /// An IP protocol without ports.
    Raw(PairSocket),
}

/// Begins to listen, or answers why not.
pub(crate) fn listen(
    host: &Host,
    answers: &mpsc::Sender<ToBroker>,
    order: PairListen,
) -> Result<(), Box<ToBroker>> {
    let busy = || {
        Box::new(ToBroker::Listens {
            pair: order.pair,
            refused: Some("the agent listens for another test; try again".into()),
        })
    };
    let slots = (
        answers.clone().try_reserve_owned(),
        answers.clone().try_reserve_owned(),
    );
    let (Ok(first), Ok(second)) = slots else {
        return Err(busy());
    };
    let place = Arc::clone(&host.0.listening).try_acquire_owned();
    let place = place.map_err(|_full| busy())?;
    tokio::spawn(async move {
        let pair = order.pair;
        match open(&order).await {
            Ok(opened) => {
                tracing::info!(pair, flow = order.flow, "Listening for one test");
                first.send(ToBroker::Listens {
                    pair,
                    refused: None,
                });
                let heard = hear(opened, &order).await;
                drop(place);
                // A link that is gone has nobody who wants to know.
                second.send(ToBroker::Heard(heard));
            }
            Err(why) => {
                drop(place);
                first.send(ToBroker::Listens {
                    pair,
                    refused: Some(fit(&why)),
                });
            }
        }
    });
    Ok(())
}

/// Begins to send, or answers why not.
pub(crate) fn send(
    host: &Host,
    answers: &mpsc::Sender<ToBroker>,
    order: PairSend,
) -> Result<(), Box<ToBroker>> {
    let busy = || {
        Box::new(ToBroker::Sent {
            pair: order.pair,
            outcome: SentOutcome::NotSent,
            detail: Some("the agent sends for another test; try again".into()),
        })
    };
    let slot = answers.clone().try_reserve_owned();
    let slot = slot.map_err(|_full| busy())?;
    let place = Arc::clone(&host.0.sending).try_acquire_owned();
    let place = place.map_err(|_full| busy())?;
    tokio::spawn(async move {
        let (outcome, detail) = match flow_of(&order.flow, order.port) {
            Ok(flow) => sent(flow, &order).await,
            Err(why) => (SentOutcome::NotSent, Some(why)),
        };
        drop(place);
        slot.send(ToBroker::Sent {
            pair: order.pair,
            outcome,
            detail: detail.as_deref().map(fit),
        });
    });
    Ok(())
}

/// The flow of a test, or why there is none for it.
fn flow_of(id: &str, port: u16) -> Result<&'static Flow, String> {
    let Some(flow) = Catalogue::portico().find(id) else {
        return Err(format!("the agent does not know the flow {id}"));
    };
    if !matches!(flow.proof, Proof::C | Proof::D | Proof::E) {
        return Err(format!(
            "the flow {id} is shown by its own service: it {}",
            flow.proof.meaning()
        ));
    }
    if port == 0 && flow.transport.has_ports() {
        return Err("the port is zero".into());
    }
    Ok(flow)
}

/// The number of an IP protocol that is sent and heard as it is.
fn raw_protocol(flow: &Flow) -> Result<u8, String> {
    match flow.ip_protocol {
        Some(number @ (GRE | ESP | AH)) if flow.transport == Transport::Ip => Ok(number),
        _ => Err(format!("{} is not sent for a test", flow.transport_name())),
    }
}

async fn open(order: &PairListen) -> Result<Open, String> {
    let flow = flow_of(&order.flow, order.port)?;
    let ip = order.address;
    if !is_own(ip).await {
        return Err(format!("{ip} is no address of this host"));
    }
    let (id, address) = (FlowId::checked(flow), SocketAddr::new(ip, order.port));
    match flow.transport {
        Transport::Tcp => match TcpListener::bind(id, address).await {
            Ok(listener) => Ok(Open::Tcp(listener)),
            Err(error @ ListenError::AddressInUse { .. }) => {
                Err(format!("{error}; a service that is there is not disturbed"))
            }
            Err(error) => Err(error.to_string()),
        },
        Transport::Udp => match PairSocket::at_port(id, address).await {
            Ok(socket) => Ok(Open::Udp(socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => raw(id, ip, UDP)
                .map(Open::CapturedUdp)
                .map_err(|why| format!("a service has {}/udp, and {why}", order.port)),
            Err(error) => Err(format!("cannot listen on {address} over UDP: {error}")),
        },
        Transport::Icmp | Transport::Ip => raw(id, ip, raw_protocol(flow)?).map(Open::Raw),
    }
}

fn raw(flow: FlowId, ip: IpAddr, protocol: u8) -> Result<PairSocket, String> {
    PairSocket::raw(flow, ip, protocol).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "IP protocol {protocol} can be seen only by root or with CAP_NET_RAW, which the agent \
             has not"
        ),
        _ => format!("IP protocol {protocol} cannot be seen: {error}"),
    })
}

/// Listens until the nonce has come from where it counts, or the time is over.
async fn hear(opened: Open, order: &PairListen) -> PairHeard {
    let begun = Instant::now();
    let time = Duration::from_secs(order.seconds.min(PAIR_SECONDS_MAX).into());
    let by = match opened {
        Open::CapturedUdp(_) => HeardBy::Captured,
        Open::Tcp(_) | Open::Udp(_) | Open::Raw(_) => HeardBy::Listened,
    };
    let mut heard = PairHeard {
        pair: order.pair,
        arrived: false,
        from: None,
        after_ms: 0,
        by,
    };
    let listening = async {
        match &opened {
            Open::Tcp(listener) => hear_connections(listener, order, &mut heard).await,
            Open::Udp(socket) | Open::CapturedUdp(socket) | Open::Raw(socket) => {
                hear_packets(socket, &opened, order, &mut heard).await;
            }
        }
    };
    let _elapsed = tokio::time::timeout(time, listening).await;
    heard.after_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    heard
}

async fn hear_packets(
    socket: &PairSocket,
    opened: &Open,
    order: &PairListen,
    heard: &mut PairHeard,
) {
    let mut buffer = vec![0; PACKET_LEN_MAX];
    loop {
        let (len, from) = match socket.receive(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%error, "What comes for a test cannot be read");
                return;
            }
        };
        let bytes = buffer.get(..len).unwrap_or_default();
        let is_it = match opened {
            Open::CapturedUdp(_) => captured_udp(from.is_ipv4(), bytes)
                .is_some_and(|(port, said)| port == order.port && is_nonce(&order.nonce, said)),
            Open::Raw(_) => order.nonce.ends(bytes),
            Open::Tcp(_) | Open::Udp(_) => is_nonce(&order.nonce, bytes),
        };
        if is_it && note(order, heard, from) {
            return;
        }
    }
}

/// Takes down where the nonce came from; whether that counts.
fn note(order: &PairListen, heard: &mut PairHeard, from: IpAddr) -> bool {
    heard.from = Some(from);
    heard.arrived = order.from.contains(&from);
    heard.arrived
}

fn is_nonce(nonce: &PairNonce, bytes: &[u8]) -> bool {
    nonce.packet() == bytes
}

async fn hear_connections(listener: &TcpListener, order: &PairListen, heard: &mut PairHeard) {
    let mut connections: JoinSet<Option<IpAddr>> = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(done) = connections.join_next(), if !connections.is_empty() => {
                if let Ok(Some(from)) = done && note(order, heard, from) {
                    return;
                }
            }
            accepted = listener.accept() => {
                let Ok((stream, peer)) = accepted else {
                    return;
                };
                if connections.len() < CONNECTIONS_MAX {
                    let (nonce, from) = (order.nonce, peer.ip());
                    let counts = order.from.contains(&from);
                    connections.spawn(async move {
                        said_nonce(stream, nonce, counts).await.then_some(from)
                    });
                }
            }
        }
    }
}

/// Whether somebody says the nonce over a connection; it is said back only where it counts.
async fn said_nonce(mut stream: TcpStream, nonce: PairNonce, counts: bool) -> bool {
    let mut line = [0; PAIR_PACKET_LEN];
    let read = tokio::time::timeout(LINE_TIMEOUT, stream.read_exact(&mut line)).await;
    if !matches!(read, Ok(Ok(_))) || !is_nonce(&nonce, &line) {
        return false;
    }
    if counts {
        let echo = async {
            stream.write_all(&line).await?;
            stream.shutdown().await
        };
        // Whether it arrives, the other end says.
        let _told = tokio::time::timeout(LINE_TIMEOUT, echo).await;
    }
    true
}

type Sent = (SentOutcome, Option<String>);

async fn sent(flow: &'static Flow, order: &PairSend) -> Sent {
    let id = FlowId::checked(flow);
    match flow.transport {
        Transport::Tcp => sent_over_tcp(id, order).await,
        Transport::Udp => {
            let to = SocketAddr::new(order.address, order.port);
            let peer = match UdpPeer::open(id, to, AnswerPort::Same).await {
                Ok(peer) => peer,
                Err(error) => return not_sent(&error),
            };
            let packet = order.nonce.packet();
            repeated(Way::Udp(&peer), &packet).await
        }
        Transport::Icmp | Transport::Ip => {
            let protocol = match raw_protocol(flow) {
                Ok(protocol) => protocol,
                Err(why) => return (SentOutcome::NotSent, Some(why)),
            };
            let any: IpAddr = match order.address {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = match raw(id, any, protocol) {
                Ok(socket) => socket,
                Err(why) => return (SentOutcome::NotSent, Some(why)),
            };
            let packet = order.nonce.raw_packet(protocol).unwrap_or_default();
            repeated(Way::Raw(&socket, order.address), &packet).await
        }
    }
}

/// How a packet without a connection goes out.
#[derive(Clone, Copy)]
enum Way<'a> {
    Udp(&'a UdpPeer),
    Raw(&'a PairSocket, IpAddr),
}

/// Sends a few times; an error of a later one is what the network says about an earlier one.
async fn repeated(way: Way<'_>, packet: &[u8]) -> Sent {
    for sent in 0..SENT_MAX {
        if sent > 0 {
            tokio::time::sleep(SEND_EVERY).await;
        }
        let sent = match way {
            Way::Udp(peer) => peer.send(packet).await,
            Way::Raw(socket, to) => socket.send_to(packet, to).await,
        };
        if let Err(error) = sent {
            return not_sent(&error);
        }
    }
    (SentOutcome::Sent, None)
}

fn not_sent(error: &io::Error) -> Sent {
    let outcome = match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::PermissionDenied => SentOutcome::Rejected,
        _ => SentOutcome::NotSent,
    };
    (outcome, Some(error.to_string()))
}

async fn sent_over_tcp(flow: FlowId, order: &PairSend) -> Sent {
    let host = order.address.to_string();
    let mut stream = match dial_tcp(flow, &host, order.port, CONNECT_TIMEOUT).await {
        Ok(stream) => stream,
        Err(error) => {
            let outcome = match &error {
                DialError::TimedOut { .. } => SentOutcome::NoAnswer,
                DialError::Refused { .. } | DialError::Unreachable { .. } => SentOutcome::Rejected,
                DialError::Resolve { .. } | DialError::Other { .. } => SentOutcome::NotSent,
            };
            return (outcome, Some(error.to_string()));
        }
    };
    let packet = order.nonce.packet();
    let mut echo = [0; PAIR_PACKET_LEN];
    let spoken = async {
        stream.write_all(&packet).await?;
        stream.read_exact(&mut echo).await.map(|_| ())
    };
    match tokio::time::timeout(LINE_TIMEOUT, spoken).await {
        Ok(Ok(())) if is_nonce(&order.nonce, &echo) => (SentOutcome::Echoed, None),
        Ok(Ok(())) => (SentOutcome::NotEchoed, Some("something else came".into())),
        Ok(Err(error)) => (SentOutcome::NotEchoed, Some(error.to_string())),
        Err(_elapsed) => (SentOutcome::NotEchoed, Some("nothing came".into())),
    }
}

#[cfg(test)]
mod tests;
