//! What runs at a host: this test program again, in the host's network namespace.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

const JOB: &str = "PORTICO_FIREWALL_TEST_JOB";

/// How long an answer may take; the only thing that is waited for in vain is a dropped packet.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What a child does.
#[derive(Serialize, Deserialize)]
pub(super) enum Job {
    /// Sends one packet of each kind, and waits for nothing.
    Probe {
        to: Vec<IpAddr>,
        ports: Vec<u16>,
        ip_protocols: Vec<u8>,
        source_port: u16,
    },
    /// Answers until it is stopped.
    Listen {
        addresses: Vec<IpAddr>,
        tcp: Vec<u16>,
        udp: Vec<u16>,
        ip: Vec<u8>,
    },
    /// Uses these as a program would, and tells what failed.
    Use { targets: Vec<Target> },
}

/// Something that has to answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Target {
    Port {
        address: IpAddr,
        port: u16,
        udp: bool,
    },
    Ping {
        address: IpAddr,
    },
    Ip {
        address: IpAddr,
        number: u8,
    },
}

/// A command that does `job` in `namespace`.
pub(super) fn command(namespace: &str, job: &Job) -> Command {
    let mut command = super::lab::enter(namespace);
    command
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "firewall::child::does_its_job",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(JOB, serde_json::to_string(job).unwrap())
        .stdin(Stdio::null());
    command
}

/// What a child tells.
pub(super) fn told(lines: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    // The test harness prints on the same line before the first of ours.
    lines.filter_map(|line| Some(line.split_once("child: ")?.1.to_owned()))
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "child: {line}").unwrap();
    out.flush().unwrap();
}

/// The child's work; nothing when it is run by itself.
#[test]
fn does_its_job() {
    let Ok(job) = std::env::var(JOB) else { return };
    match serde_json::from_str(&job).unwrap() {
        Job::Probe {
            to,
            ports,
            ip_protocols,
            source_port,
        } => {
            for address in to {
                probe(address, &ports, &ip_protocols, source_port);
            }
        }
        Job::Listen {
            addresses,
            tcp,
            udp,
            ip,
        } => listen(&addresses, &tcp, &udp, &ip),
        Job::Use { targets } => {
            for target in targets {
                if let Err(error) = answer_of(&target) {
                    tell(&format!("{target:?}: {error}"));
                }
            }
        }
    }
    tell("done");
}

fn domain(address: IpAddr) -> Domain {
    match address {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    }
}

fn any(address: IpAddr, port: u16) -> SocketAddr {
    match address {
        IpAddr::V4(_) => ([0, 0, 0, 0], port).into(),
        IpAddr::V6(_) => ([0; 16], port).into(),
    }
}

/// A rule of this host may forbid to send: the far end sees what left.
fn probe(address: IpAddr, ports: &[u16], ip_protocols: &[u8], source_port: u16) {
    let udp = UdpSocket::bind(any(address, source_port)).unwrap();
    for port in ports {
        let to = SocketAddr::from((address, *port));
        // Errors of earlier datagrams come out here: once more.
        for _ in 0..3 {
            let sent = udp.send_to(b"probe", to);
            if !sent.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
                break;
            }
        }
        let tcp = Socket::new(domain(address), Type::STREAM, None).unwrap();
        tcp.set_nonblocking(true).unwrap();
        // The first packet leaves at once.
        let _ = tcp.connect(&to.into());
    }
    for number in ip_protocols {
        let socket = raw(address, *number);
        let _ = socket.send_to(
            &payload(address, *number),
            &SocketAddr::from((address, 0)).into(),
        );
    }
}

/// ICMP means the one of the address's IP version.
fn raw(address: IpAddr, number: u8) -> Socket {
    let protocol = match (number, address) {
        (1, IpAddr::V6(_)) => Protocol::ICMPV6,
        _ => Protocol::from(i32::from(number)),
    };
    // SOCK_RAW; its name is behind a feature of socket2 that nothing else here needs.
    Socket::new(domain(address), Type::from(3), Some(protocol)).unwrap()
}

fn payload(address: IpAddr, number: u8) -> Vec<u8> {
    match (number, address) {
        // Echo request, number 1 of the series 1, with its checksum; for IPv6 the kernel makes it.
        (1, IpAddr::V4(_)) => vec![8, 0, 0xf7, 0xfd, 0, 1, 0, 1],
        (1, IpAddr::V6(_)) => vec![128, 0, 0, 0, 0, 1, 0, 1],
        // GRE: version 0, no options, an IPv4 packet inside.
        (47, _) => vec![0, 0, 8, 0, 0, 0, 0, 0],
        // ESP, AH and the rest: enough for a header.
        _ => vec![
            4, 4, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
    }
}

fn listen(addresses: &[IpAddr], tcp: &[u16], udp: &[u16], ip: &[u8]) {
    let mut connections = Vec::new();
    for address in addresses {
        for port in tcp {
            connections.push(TcpListener::bind((*address, *port)).unwrap());
        }
        for port in udp {
            let socket = UdpSocket::bind((*address, *port)).unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 100];
                while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(&buffer[..len], from);
                }
            });
        }
        for number in ip {
            let socket = raw(*address, *number);
            socket
                .bind(&SocketAddr::from((*address, 0)).into())
                .unwrap();
            let (address, number) = (*address, *number);
            thread::spawn(move || answer_raw(socket, address, number));
        }
    }
    tell("listening");
    // The kernel takes the connections; the parent ends this.
    loop {
        thread::park();
    }
}

/// The socket is not connected, and a safe read does not tell from whom: the payload does.
fn answer_raw(mut socket: Socket, address: IpAddr, number: u8) {
    let mut buffer = [0; 200];
    while let Ok(len) = socket.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        let from = text
            .rsplit("from ")
            .next()
            .and_then(|from| from.parse().ok());
        if let Some(from) = from.filter(|_| text.contains("from ")) {
            let from: IpAddr = from;
            let mut answer = payload(address, number);
            answer.extend(b"answer");
            let _ = socket.send_to(&answer, &SocketAddr::from((from, 0)).into());
        }
    }
}

fn answer_of(target: &Target) -> std::io::Result<()> {
    match *target {
        Target::Port {
            address,
            port,
            udp: false,
        } => TcpStream::connect_timeout(&(address, port).into(), ANSWER_TIMEOUT).map(drop),
        Target::Port {
            address,
            port,
            udp: true,
        } => {
            let socket = UdpSocket::bind(any(address, 0))?;
            socket.connect((address, port))?;
            socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            socket.send(b"hello")?;
            let mut buffer = [0; 100];
            let len = socket.recv(&mut buffer)?;
            match &buffer[..len] {
                b"hello" => Ok(()),
                other => Err(std::io::Error::other(format!("{other:?}"))),
            }
        }
        Target::Ping { address } => {
            let kind = if address.is_ipv4() { 0 } else { 129 };
            raw_answer(address, 1, &payload(address, 1), &[kind, 0])
        }
        Target::Ip { address, number } => {
            let probe = UdpSocket::bind(any(address, 0))?;
            probe.connect((address, 9))?;
            let mut message = payload(address, number);
            message.extend(format!("from {}", probe.local_addr()?.ip()).bytes());
            raw_answer(address, number, &message, b"answer")
        }
    }
}

/// Sends `message`, and waits for a packet of that address which has `wanted` at its end or, as an
/// echo reply, at its beginning.
fn raw_answer(address: IpAddr, number: u8, message: &[u8], wanted: &[u8]) -> std::io::Result<()> {
    let mut socket = raw(address, number);
    socket.connect(&SocketAddr::from((address, 0)).into())?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    socket.write_all(message)?;
    let begun = Instant::now();
    let mut buffer = [0; 200];
    while begun.elapsed() < ANSWER_TIMEOUT {
        let len = socket.read(&mut buffer)?;
        // IPv4 hands the IP header over, too.
        let header = if address.is_ipv4() { 20 } else { 0 };
        let received = buffer.get(header..len).unwrap_or_default();
        if received.starts_with(wanted) || received.ends_with(wanted) {
            return Ok(());
        }
    }
    Err(std::io::ErrorKind::TimedOut.into())
}
