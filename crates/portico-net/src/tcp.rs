//! TCP: listeners and dialled connections, each with its flow.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use portico_catalogue::FlowId;
use tokio::{net::TcpStream, time::Instant};

use crate::holders::{Holder, holder_of};

/// Connections that wait to be accepted. The kernel lowers it to `net.core.somaxconn`.
pub const LISTEN_BACKLOG: i32 = 4096;
/// Addresses of one name that are tried.
pub const ADDRESSES_MAX: usize = 8;
/// Longest host name, in bytes (RFC 1035 §2.3.4).
pub const HOST_NAME_LEN_MAX: usize = 253;
/// Pause before the next accept when the process has no file descriptors left. Without it the
/// accept loop would spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How an operator chooses where to listen.
const CHOOSE: &str = "listen = \"ADDRESS:PORT\" in the settings";

/// A TCP socket that listens for one flow.
#[derive(Debug)]
pub struct TcpListener {
    inner: tokio::net::TcpListener,
    local: SocketAddr,
    flow: FlowId,
}

/// Why listening failed.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody listens there already.
    #[error("cannot listen on {address} for {flow}: {}", held(.holder.as_ref()))]
    AddressInUse {
        /// Flow.
        flow: FlowId,
        /// Address that was asked for.
        address: SocketAddr,
        /// Who holds it, as far as this process may see.
        holder: Option<Holder>,
    },
    /// The process may not listen there.
    #[error(
        "cannot listen on {address} for {flow}: ports below 1024 need root or CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// Flow.
        flow: FlowId,
        /// Address that was asked for.
        address: SocketAddr,
    },
    /// No interface of the machine has this address.
    #[error("cannot listen on {address} for {flow}: this machine does not have the address {}", address.ip())]
    NoSuchAddress {
        /// Flow.
        flow: FlowId,
        /// Address that was asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address} for {flow}: {source}")]
    Other {
        /// Flow.
        flow: FlowId,
        /// Address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl ListenError {
    /// What the operator can do.
    pub fn next_step(&self) -> String {
        match self {
            Self::AddressInUse { holder, .. } => {
                let stop = match holder {
                    Some(holder) => format!("stop {holder}"),
                    None => "stop the program that holds it (`ss -ltnp` as root names it)".into(),
                };
                format!("{stop}, or choose another port with {CHOOSE}")
            }
            Self::Denied { .. } => {
                format!("start as root, or choose a port from 1024 with {CHOOSE}")
            }
            Self::NoSuchAddress { .. } => {
                "use an address that `ip address` shows, or 0.0.0.0 for all".into()
            }
            Self::Other { .. } => {
                format!("choose another address or port with {CHOOSE}")
            }
        }
    }
}

fn held(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!("{holder} holds the port"),
        None => "another program holds the port".into(),
    }
}

impl TcpListener {
    /// Binds and listens; port 0 takes a free one. `[::]` takes IPv4 too.
    pub async fn bind(flow: FlowId, address: SocketAddr) -> Result<Self, ListenError> {
        match bind(address) {
            Ok((inner, local)) => {
                tracing::info!(%flow, address = %local, "Listening");
                Ok(Self { inner, local, flow })
            }
            Err(error) => Err(listen_error(flow, address, error).await),
        }
    }

    /// The next connection, with TCP_NODELAY set, and where it comes from.
    ///
    /// A connection that ended while it waited is passed over, and a lack of file descriptors
    /// waited out; what is returned as an error is final.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.inner.accept().await {
                Ok((stream, peer)) => match stream.set_nodelay(true) {
                    Ok(()) => return Ok((stream, unmapped(peer))),
                    Err(error) => {
                        tracing::debug!(flow = %self.flow, %error, "Connection ended at once")
                    }
                },
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(flow = %self.flow, %error, "Connection ended before it was accepted");
                }
                Err(error) if is_lack_of_resources(&error) => {
                    tracing::warn!(flow = %self.flow, %error, "No resources for a new connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The flow it listens for.
    pub fn flow(&self) -> FlowId {
        self.flow
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this crate is where sockets are opened"
)]
fn bind(address: SocketAddr) -> io::Result<(tokio::net::TcpListener, SocketAddr)> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Connections of an earlier process that are still closing must not keep the port.
    socket.set_reuse_address(true)?;
    if let IpAddr::V6(ip) = address.ip() {
        socket.set_only_v6(!ip.is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    let inner = tokio::net::TcpListener::from_std(socket.into())?;
    let local = inner.local_addr()?;
    Ok((inner, local))
}

async fn listen_error(flow: FlowId, address: SocketAddr, error: io::Error) -> ListenError {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let found = tokio::task::spawn_blocking(move || holder_of(address)).await;
            ListenError::AddressInUse {
                flow,
                address,
                holder: found.ok().flatten(),
            }
        }
        io::ErrorKind::PermissionDenied => ListenError::Denied { flow, address },
        io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress { flow, address },
        _ => ListenError::Other {
            flow,
            address,
            source: error,
        },
    }
}

/// Errors of `accept(2)` that concern the connection and not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
    )
}

fn is_lack_of_resources(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    error.kind() == io::ErrorKind::OutOfMemory
        || matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS))
}

/// `::ffff:192.0.2.1` as `192.0.2.1`, so that networks of the estate match it.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("{host} could not be resolved: {reason}")]
    Resolve {
        /// Flow.
        flow: FlowId,
        /// Name.
        host: String,
        /// Port.
        port: u16,
        /// What the resolver said.
        reason: String,
    },
    /// The host answers, and nothing listens there.
    #[error("{host} port {port} refused the connection ({address})")]
    Refused {
        /// Flow.
        flow: FlowId,
        /// Name.
        host: String,
        /// Port.
        port: u16,
        /// Address that was tried last.
        address: SocketAddr,
    },
    /// Nothing came back.
    #[error("{host} port {port} did not answer within {} ms", timeout.as_millis())]
    TimedOut {
        /// Flow.
        flow: FlowId,
        /// Name.
        host: String,
        /// Port.
        port: u16,
        /// Time that was waited in all.
        timeout: Duration,
    },
    /// No route.
    #[error("{host} port {port} cannot be reached ({address}): {source}")]
    Unreachable {
        /// Flow.
        flow: FlowId,
        /// Name.
        host: String,
        /// Port.
        port: u16,
        /// Address that was tried last.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error("{host} port {port} could not be connected to ({address}): {source}")]
    Other {
        /// Flow.
        flow: FlowId,
        /// Name.
        host: String,
        /// Port.
        port: u16,
        /// Address that was tried last.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl DialError {
    /// The flow that failed.
    pub fn flow(&self) -> FlowId {
        match self {
            Self::Resolve { flow, .. }
            | Self::Refused { flow, .. }
            | Self::TimedOut { flow, .. }
            | Self::Unreachable { flow, .. }
            | Self::Other { flow, .. } => *flow,
        }
    }

    /// What the operator can do.
    pub fn next_step(&self) -> String {
        match self {
            Self::Resolve { host, .. } => {
                format!(
                    "check the address of the host in the estate, and that `getent hosts {host}` finds it"
                )
            }
            Self::Refused { port, .. } => format!(
                "start the service on the host, or correct the port in the estate (`ss -ltn` on the host shows whether {port} is listened on)"
            ),
            Self::TimedOut { flow, port, .. } => format!(
                "check that the host is up and that firewalls let {port}/tcp through (flow {flow})"
            ),
            Self::Unreachable { flow, port, .. } => format!(
                "check the address in the estate, the routes of this machine (`ip route get`), and that no firewall rejects {port}/tcp (flow {flow})"
            ),
            Self::Other {
                flow, port, source, ..
            } if source.kind() == io::ErrorKind::PermissionDenied => {
                format!("let {port}/tcp through the firewall that forbids it (flow {flow})")
            }
            Self::Other { .. } => "check the network of this machine".into(),
        }
    }
}

/// Connects to `host`, a name or an address, within `timeout`; TCP_NODELAY is set.
///
/// Addresses of a name are tried one after the other, each with its share of the time that is
/// left, so that one that does not answer leaves time for the next.
pub async fn dial_tcp(
    flow: FlowId,
    host: &str,
    port: u16,
    timeout: Duration,
) -> Result<TcpStream, DialError> {
    let deadline = Instant::now() + timeout;
    let at = Destination {
        flow,
        host,
        port,
        timeout,
    };
    let addresses = resolve(&at, deadline, ADDRESSES_MAX).await?;
    let mut last = DialError::TimedOut {
        flow,
        host: host.to_owned(),
        port,
        timeout,
    };
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let tries = u32::try_from(addresses.len() - index).unwrap_or(1);
        match tokio::time::timeout(left / tries, connect(*address)).await {
            Ok(Ok(stream)) => {
                tracing::debug!(%flow, host, port, %address, "Connected");
                return Ok(stream);
            }
            Ok(Err(error)) => last = at.error(*address, error),
            Err(_elapsed) => last = at.timed_out(),
        }
    }
    Err(last)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this crate is where sockets are opened"
)]
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this crate is where names are resolved"
)]
pub(crate) async fn resolve(
    at: &Destination<'_>,
    deadline: Instant,
    addresses_max: usize,
) -> Result<Vec<SocketAddr>, DialError> {
    // Addresses may come in the brackets of a URL.
    let host = at
        .host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(at.host);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, at.port)]);
    }
    if host.is_empty() || host.len() > HOST_NAME_LEN_MAX {
        return Err(at.unresolved(format!("a name has 1 to {HOST_NAME_LEN_MAX} characters")));
    }
    match tokio::time::timeout_at(deadline, tokio::net::lookup_host((host, at.port))).await {
        Ok(Ok(found)) => {
            let found: Vec<SocketAddr> = found.take(addresses_max).collect();
            if found.is_empty() {
                Err(at.unresolved("it has no address".into()))
            } else {
                Ok(found)
            }
        }
        Ok(Err(error)) => Err(at.unresolved(error.to_string())),
        Err(_elapsed) => Err(at.unresolved("the name server did not answer in time".into())),
    }
}

pub(crate) struct Destination<'a> {
    pub(crate) flow: FlowId,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) timeout: Duration,
}

impl Destination<'_> {
    fn unresolved(&self, reason: String) -> DialError {
        DialError::Resolve {
            flow: self.flow,
            host: self.host.to_owned(),
            port: self.port,
            reason,
        }
    }

    pub(crate) fn timed_out(&self) -> DialError {
        let host = self.host.to_owned();
        DialError::TimedOut {
            flow: self.flow,
            host,
            port: self.port,
            timeout: self.timeout,
        }
    }

    pub(crate) fn error(&self, address: SocketAddr, source: io::Error) -> DialError {
        let (flow, host, port) = (self.flow, self.host.to_owned(), self.port);
        match source.kind() {
            io::ErrorKind::ConnectionRefused => DialError::Refused {
                flow,
                host,
                port,
                address,
            },
            io::ErrorKind::TimedOut => self.timed_out(),
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => DialError::Unreachable {
                flow,
                host,
                port,
                address,
                source,
            },
            _ => DialError::Other {
                flow,
                host,
                port,
                address,
                source,
            },
        }
    }
}
