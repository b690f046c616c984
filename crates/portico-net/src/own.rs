//! Which addresses are this machine's own. Nothing is sent to find out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;

/// Port to look for a way to; nothing is sent there (discard, RFC 863).
const NO_PORT: u16 = 9;

/// Whether `ip` is an address of this machine: a socket can be bound to it.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate is where sockets are opened; this one is closed at once"
)]
pub async fn is_own(ip: IpAddr) -> bool {
    !ip.is_unspecified() && UdpSocket::bind(SocketAddr::new(ip, 0)).await.is_ok()
}

/// The address that this machine would speak from to `to`; `None` without a way there.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate is where sockets are opened; this one is closed at once"
)]
pub async fn source_towards(to: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await.ok()?;
    // Of a UDP socket this only looks up the route.
    socket.connect(SocketAddr::new(to, NO_PORT)).await.ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_is_own_and_documentation_addresses_are_not() {
        for (address, own) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
            // Every machine can listen there, and it is the address of none.
            ("0.0.0.0", false),
        ] {
            assert_eq!(is_own(address.parse().unwrap()).await, own, "{address}");
        }
    }

    #[tokio::test]
    async fn to_loopback_one_speaks_from_loopback() {
        let from = source_towards("127.0.0.1".parse().unwrap()).await;
        assert_eq!(from, Some("127.0.0.1".parse().unwrap()));
    }
}
