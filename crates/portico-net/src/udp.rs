//! UDP, as far as a question and its answers go.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Mutex,
};

use portico_catalogue::FlowId;
use tokio::net::UdpSocket;

/// Which port answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerPort {
    /// The one that was asked. What the network says about the question (ICMP) comes as an error.
    Same,
    /// Any of the host's, as TFTP does (RFC 1350 §4). What the network says is not seen then.
    Any,
}

/// A socket for questions to one address.
#[derive(Debug)]
pub struct UdpPeer {
    socket: UdpSocket,
    peer: SocketAddr,
    answers: AnswerPort,
    /// Where the last answer came from.
    answered_from: Mutex<Option<SocketAddr>>,
}

impl UdpPeer {
    /// Opens one for a flow; nothing is sent.
    ///
    /// # Errors
    /// What the system says, for example that there is no route.
    pub async fn open(flow: FlowId, peer: SocketAddr, answers: AnswerPort) -> io::Result<Self> {
        Self::open_at(flow, peer, answers, 0).await
    }

    /// As [`UdpPeer::open`], at a port of this machine; zero is any.
    ///
    /// # Errors
    /// What the system says, for example that the port is taken, or that it is below 1024 and this
    /// is not root.
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate is where sockets are opened"
    )]
    pub async fn open_at(
        flow: FlowId,
        peer: SocketAddr,
        answers: AnswerPort,
        own_port: u16,
    ) -> io::Result<Self> {
        let local: IpAddr = match peer {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(local, own_port)).await?;
        if answers == AnswerPort::Same {
            socket.connect(peer).await?;
        }
        tracing::trace!(%flow, %peer, "Opened a UDP socket");
        Ok(Self {
            socket,
            peer,
            answers,
            answered_from: Mutex::new(None),
        })
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Asks.
    ///
    /// # Errors
    /// What the system says, also of an earlier datagram: [`io::ErrorKind::ConnectionRefused`] is
    /// "port unreachable". A connected socket is told only of what is final, so that "host
    /// unreachable" here means that somebody on the way forbids it (RFC 1812 §5.2.7.1, code 13).
    pub async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = match self.answers {
            AnswerPort::Same => self.socket.send(bytes).await?,
            AnswerPort::Any => {
                let answered_from = self.answered_from.lock().ok().and_then(|from| *from);
                let to = answered_from.unwrap_or(self.peer);
                self.socket.send_to(bytes, to).await?
            }
        };
        match sent == bytes.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Waits for a datagram of the peer; those of others are passed over.
    ///
    /// # Errors
    /// As [`UdpPeer::send`].
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.answers {
                AnswerPort::Same => return self.socket.recv(buffer).await,
                AnswerPort::Any => {
                    let (len, from) = self.socket.recv_from(buffer).await?;
                    if from.ip() == self.peer.ip() {
                        if let Ok(mut answered_from) = self.answered_from.lock() {
                            *answered_from = Some(from);
                        }
                        return Ok(len);
                    }
                }
            }
        }
    }
}
