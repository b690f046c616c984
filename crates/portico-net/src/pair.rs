//! Sockets of paired probes: a port that is open for one test, copies of what comes to a port that
//! a service has, and IP protocols without ports. The last two need root or `CAP_NET_RAW`.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use portico_catalogue::FlowId;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// The kind of a raw socket (socket(2)); the crate names it only with a feature that would be built
/// for everybody.
const SOCK_RAW: i32 = 3;

/// A socket that takes datagrams at one address of this machine.
#[derive(Debug)]
pub struct PairSocket {
    socket: UdpSocket,
}

impl PairSocket {
    /// Takes a UDP port of this machine; nobody else can have it meanwhile.
    ///
    /// # Errors
    /// What the system says: [`io::ErrorKind::AddrInUse`] when a service has it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate is where sockets are opened"
    )]
    pub async fn at_port(flow: FlowId, address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        tracing::debug!(%flow, %address, "Listening over UDP for one test");
        Ok(Self { socket })
    }

    /// Opens an IP protocol by its number at an address of this machine. What comes is a copy, with
    /// the header of IP over IPv4 and without over IPv6 (raw(7), ipv6(7)). Of UDP (17) these are the
    /// datagrams to every port of the address.
    ///
    /// # Errors
    /// What the system says: [`io::ErrorKind::PermissionDenied`] without the privilege.
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate is where sockets are opened"
    )]
    pub fn raw(flow: FlowId, address: IpAddr, ip_protocol: u8) -> io::Result<Self> {
        let address = SocketAddr::new(address, 0);
        let socket = Socket::new(
            Domain::for_address(address),
            Type::from(SOCK_RAW),
            Some(Protocol::from(i32::from(ip_protocol))),
        )?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        tracing::debug!(%flow, %address, ip_protocol, "Opened a raw socket for one test");
        // For receiving with an address and sending to one, a raw socket is as one of UDP.
        let socket = UdpSocket::from_std(socket.into())?;
        Ok(Self { socket })
    }

    /// The next datagram, and where it comes from.
    ///
    /// # Errors
    /// What the system says.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, IpAddr)> {
        let (len, from) = self.socket.recv_from(buffer).await?;
        Ok((len, from.ip().to_canonical()))
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// What the system says.
    pub async fn send_to(&self, bytes: &[u8], to: IpAddr) -> io::Result<()> {
        let sent = self.socket.send_to(bytes, SocketAddr::new(to, 0)).await?;
        match sent == bytes.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}
