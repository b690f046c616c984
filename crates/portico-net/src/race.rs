//! Connecting to whichever address of a name answers first (RFC 8305, "Happy Eyeballs Version 2"),
//! and telling what became of the others. The port check wants that: a service that answers over
//! IPv4 alone works, and an IPv6 address that leads nowhere is worth knowing.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use portico_catalogue::FlowId;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::Instant,
};

use crate::tcp::{ADDRESSES_MAX, Destination, DialError, resolve};

/// Time between two attempts (RFC 8305 §8).
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses of one name that are looked at, to take [`ADDRESSES_MAX`] of both families from them.
pub const RESOLVED_MAX: usize = 256;
/// Ports below 1024 that a client takes, from above (rresvport(3)).
const PRIVILEGED: std::ops::RangeInclusive<u16> = 512..=1023;

/// Which port the connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourcePort {
    /// Any.
    Any,
    /// One below 1024, which only root has: servers of rlogin and rsh want it.
    Privileged,
}

/// A connection and what led to it.
#[derive(Debug)]
pub struct Dialled {
    /// The connection; TCP_NODELAY is set.
    pub stream: TcpStream,
    /// Where it leads.
    pub address: SocketAddr,
    /// Addresses that failed before it was made.
    pub failed: Vec<(SocketAddr, io::Error)>,
}

/// Connects to `host`, a name or an address, within `timeout`: addresses of both families by turns,
/// IPv6 first, each next one after [`ATTEMPT_DELAY`] or as soon as the one before has failed.
///
/// # Errors
/// Those of the last address that failed, but a refusal before anything else: it shows that the
/// host is there.
pub async fn dial_tcp_first(
    flow: FlowId,
    host: &str,
    port: u16,
    timeout: Duration,
    source: SourcePort,
) -> Result<Dialled, DialError> {
    let deadline = Instant::now() + timeout;
    let at = Destination {
        flow,
        host,
        port,
        timeout,
    };
    let resolved = resolve(&at, deadline, RESOLVED_MAX).await?;
    race(&at, deadline, by_turns(resolved), source).await
}

/// Addresses of a name, both families by turns, at most [`ADDRESSES_MAX`]; for protocols without
/// connections.
///
/// # Errors
/// [`DialError::Resolve`].
pub async fn addresses_of(
    flow: FlowId,
    host: &str,
    port: u16,
    timeout: Duration,
) -> Result<Vec<SocketAddr>, DialError> {
    let at = Destination {
        flow,
        host,
        port,
        timeout,
    };
    let resolved = resolve(&at, Instant::now() + timeout, RESOLVED_MAX).await?;
    Ok(by_turns(resolved).into())
}

/// IPv6, IPv4, IPv6, …, each family in the resolver's order.
fn by_turns(resolved: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = resolved.into_iter().partition(SocketAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut out = VecDeque::new();
    while out.len() < ADDRESSES_MAX {
        let begun = out.len();
        out.extend(v6.next());
        out.extend(v4.next());
        if out.len() == begun {
            break;
        }
    }
    out.truncate(ADDRESSES_MAX);
    out
}

async fn race(
    at: &Destination<'_>,
    deadline: Instant,
    mut waiting: VecDeque<SocketAddr>,
    source: SourcePort,
) -> Result<Dialled, DialError> {
    let mut tries = FuturesUnordered::new();
    let mut failed: Vec<(SocketAddr, io::Error)> = Vec::new();
    let mut next_at = Instant::now();
    loop {
        if (tries.is_empty() || Instant::now() >= next_at)
            && let Some(address) = waiting.pop_front()
        {
            tries.push(async move { (address, connect(address, source).await) });
            next_at = Instant::now() + ATTEMPT_DELAY;
        }
        if tries.is_empty() {
            return Err(worst(at, failed));
        }
        tokio::select! {
            ended = tries.next() => match ended {
                Some((address, Ok(stream))) => {
                    tracing::debug!(flow = %at.flow, host = at.host, %address, "Connected");
                    return Ok(Dialled { stream, address, failed });
                }
                Some((address, Err(error))) => {
                    failed.push((address, error));
                    next_at = Instant::now();
                }
                None => {}
            },
            () = tokio::time::sleep_until(next_at), if !waiting.is_empty() => {}
            () = tokio::time::sleep_until(deadline) => {
                return Err(match refusal(&mut failed) {
                    Some((address, error)) => at.error(address, error),
                    None => at.timed_out(),
                });
            }
        }
    }
}

fn refusal(failed: &mut Vec<(SocketAddr, io::Error)>) -> Option<(SocketAddr, io::Error)> {
    let is_refusal =
        |(_, error): &(SocketAddr, io::Error)| error.kind() == io::ErrorKind::ConnectionRefused;
    let place = failed.iter().position(is_refusal)?;
    Some(failed.swap_remove(place))
}

fn worst(at: &Destination<'_>, mut failed: Vec<(SocketAddr, io::Error)>) -> DialError {
    match refusal(&mut failed).or_else(|| failed.pop()) {
        Some((address, error)) => at.error(address, error),
        None => at.timed_out(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this crate is where sockets are opened"
)]
async fn connect(address: SocketAddr, source: SourcePort) -> io::Result<TcpStream> {
    let stream = match source {
        SourcePort::Any => TcpStream::connect(address).await?,
        SourcePort::Privileged => privileged(address)?.connect(address).await?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A socket at the highest port below 1024 that is free.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate is where sockets are opened"
)]
fn privileged(address: SocketAddr) -> io::Result<TcpSocket> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for port in PRIVILEGED.rev() {
        let (socket, local) = match address {
            SocketAddr::V4(_) => (TcpSocket::new_v4()?, [0, 0, 0, 0].into()),
            SocketAddr::V6(_) => (TcpSocket::new_v6()?, [0_u16; 8].into()),
        };
        match socket.bind(SocketAddr::new(local, port)) {
            Ok(()) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_a_name_with_200_addresses_is_bounded() {
        let turns = by_turns(addresses(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"]));
        assert_eq!(
            Vec::from(turns),
            addresses(&["[::1]:1", "1.1.1.1:1", "2.2.2.2:1"])
        );
        // 199 of one family do not keep the only one of the other out.
        let mut many: Vec<SocketAddr> = (0..199_u16)
            .map(|n| SocketAddr::new([0xfd00, 0, 0, 0, 0, 0, 0, n].into(), 1))
            .collect();
        many.extend(addresses(&["1.1.1.1:1"]));
        let turns = by_turns(many);
        assert_eq!(turns.len(), ADDRESSES_MAX);
        assert!(turns.contains(&"1.1.1.1:1".parse().unwrap()), "{turns:?}");
    }

    #[tokio::test]
    async fn ipv6_first_and_broken_leaves_ipv4_and_is_told() {
        let listener = crate::TcpListener::bind(
            crate::flows::CLIENT_PORTAL_HTTPS,
            "127.0.0.1:0".parse().unwrap(),
        )
        .await
        .unwrap();
        let port = listener.local_addr().port();
        let at = Destination {
            flow: crate::flows::CLIENT_PORTAL_HTTPS,
            host: "name",
            port,
            timeout: Duration::from_secs(20),
        };
        // Nobody has ::1 with this port, and a link-local address without its link leads nowhere.
        let waiting = by_turns(vec![
            SocketAddr::new([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), port),
            SocketAddr::new([0, 0, 0, 0, 0, 0, 0, 1].into(), port),
            SocketAddr::new([127, 0, 0, 1].into(), port),
        ]);
        let deadline = Instant::now() + at.timeout;
        let dialled = race(&at, deadline, waiting, SourcePort::Any).await.unwrap();
        assert_eq!(dialled.address, listener.local_addr());
        assert!(dialled.failed.iter().all(|(address, _)| address.is_ipv6()));
    }

    #[tokio::test]
    async fn a_refusal_counts_before_an_address_that_leads_nowhere() {
        let free = crate::TcpListener::bind(
            crate::flows::CLIENT_PORTAL_HTTPS,
            "127.0.0.1:0".parse().unwrap(),
        )
        .await
        .unwrap();
        let refusing = free.local_addr();
        drop(free);
        let at = Destination {
            flow: crate::flows::CLIENT_PORTAL_HTTPS,
            host: "name",
            port: refusing.port(),
            timeout: Duration::from_secs(1),
        };
        let nowhere = "[fe80::1]:9".parse().unwrap();
        let waiting = VecDeque::from([refusing, nowhere]);
        let deadline = Instant::now() + at.timeout;
        let error = race(&at, deadline, waiting, SourcePort::Any)
            .await
            .unwrap_err();
        assert!(matches!(error, DialError::Refused { .. }), "{error:?}");
    }
}
