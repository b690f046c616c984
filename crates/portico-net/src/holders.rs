//! Who listens where, read from `/proc`: for the error of a taken port, for the test that what
//! really listens equals the catalogue, and for `portico ports diff`. Blocking: call it off the
//! runtime.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use portico_catalogue::{
    PortRange, Transport,
    drift::{Listener, Process},
};

/// A process that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its short name, without control characters.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name)
    }
}

/// TCP addresses on which the process `pid` listens, sorted, in its own network namespace.
///
/// # Errors
/// When `/proc/<pid>` cannot be read, as for another user's process.
pub fn listening_sockets(pid: u32) -> io::Result<Vec<SocketAddr>> {
    let process = Path::new("/proc").join(pid.to_string());
    let own = socket_inodes(&process.join("fd"))?;
    let mut found: Vec<SocketAddr> = listening_in(&process.join("net"), Transport::Tcp)?
        .into_iter()
        .filter(|socket| own.contains(&socket.inode))
        .map(|socket| socket.address)
        .collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The process that listens where `address` wants to; `None` when it cannot be found, as when it
/// is another user's.
pub fn holder_of(address: SocketAddr) -> Option<Holder> {
    let inodes: BTreeSet<u64> = listening_in(Path::new("/proc/self/net"), Transport::Tcp)
        .ok()?
        .into_iter()
        .filter(|socket| collides(socket.address, address))
        .map(|socket| socket.inode)
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let mut processes = processes().ok()?;
    processes.find_map(|(pid, own)| {
        (!own.is_disjoint(&inodes)).then(|| Holder {
            pid,
            name: name_of(pid),
        })
    })
}

/// Every socket of this process's network namespace that takes TCP connections, or datagrams from
/// anybody, with the processes that hold it; those of other users' processes only for root. Sorted.
///
/// One at `::` is taken for one that takes IPv4, too: `/proc` does not tell.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn all_listeners() -> io::Result<Vec<Listener>> {
    let mut holders: BTreeMap<u64, Vec<Process>> = BTreeMap::new();
    for (pid, inodes) in processes()? {
        let name = name_of(pid);
        for inode in inodes {
            let process = Process {
                pid,
                name: name.clone(),
            };
            holders.entry(inode).or_default().push(process);
        }
    }
    let net = Path::new("/proc/self/net");
    let mut found = Vec::new();
    for transport in [Transport::Tcp, Transport::Udp] {
        found.extend(
            listening_in(net, transport)?
                .into_iter()
                .map(|socket| Listener {
                    transport,
                    address: socket.address.ip(),
                    port: socket.address.port(),
                    takes_ipv4: socket.address.is_ipv6(),
                    interface: None,
                    processes: holders.get(&socket.inode).cloned().unwrap_or_default(),
                }),
        );
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Ports that the kernel gives to programs that ask for any.
pub fn client_ports() -> PortRange {
    let read = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = read.split_ascii_whitespace().map(str::parse);
    match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) => PortRange::new(first, last),
        // What the kernel begins with.
        _ => PortRange::new(32_768, 60_999),
    }
}

/// Processes that may be looked at, with the inodes of their sockets.
fn processes() -> io::Result<impl Iterator<Item = (u32, BTreeSet<u64>)>> {
    Ok(fs::read_dir("/proc")?.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, socket_inodes(&entry.path().join("fd")).ok()?))
    }))
}

/// The short name of a process, without control characters.
fn name_of(pid: u32) -> String {
    let path = Path::new("/proc").join(pid.to_string()).join("comm");
    let name = fs::read_to_string(path).unwrap_or_default();
    let characters = name.trim_end().chars();
    characters.filter(|c| !c.is_control()).collect()
}

fn collides(held: SocketAddr, wanted: SocketAddr) -> bool {
    let any = |ip: IpAddr| ip.is_unspecified();
    held.port() == wanted.port()
        && (any(held.ip())
            || any(wanted.ip())
            || held.ip().to_canonical() == wanted.ip().to_canonical())
}

#[derive(Debug, PartialEq, Eq)]
struct Listening {
    address: SocketAddr,
    inode: u64,
}

fn listening_in(net: &Path, transport: Transport) -> io::Result<Vec<Listening>> {
    let (v4, v6, state) = match transport {
        Transport::Udp => ("udp", "udp6", STATE_UNCONNECTED),
        _ => ("tcp", "tcp6", STATE_LISTEN),
    };
    let mut found = parse_table(&fs::read_to_string(net.join(v4))?, state);
    // The file is not there when IPv6 is switched off.
    if let Ok(table) = fs::read_to_string(net.join(v6)) {
        found.extend(parse_table(&table, state));
    }
    Ok(found)
}

/// State of a TCP socket that takes connections.
const STATE_LISTEN: &str = "0A";

/// State of a UDP socket that takes datagrams from anybody.
const STATE_UNCONNECTED: &str = "07";

/// Reads the format of `/proc/net/tcp` (proc(5)); lines that are not understood are passed over.
fn parse_table(table: &str, wanted: &str) -> Vec<Listening> {
    let lines = table.lines().skip(1);
    lines.filter_map(|line| parse_line(line, wanted)).collect()
}

fn parse_line(line: &str, wanted: &str) -> Option<Listening> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    if state != wanted {
        return None;
    }
    let (ip, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(ip)?)),
        32 => {
            let mut bytes = [0_u8; 16];
            for (to, index) in bytes.chunks_exact_mut(4).zip((0..).step_by(8)) {
                to.copy_from_slice(&word(ip.get(index..index + 8)?)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(Listening {
        address: SocketAddr::new(ip, port),
        inode,
    })
}

/// Four bytes of an address: the kernel prints the word as the machine reads it.
fn word(hex: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(hex, 16).ok().map(u32::to_ne_bytes)
}

fn socket_inodes(fds: &Path) -> io::Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(fds)? {
        // A descriptor may be closed while the folder is read.
        let Ok(target) = entry.and_then(|entry| fs::read_link(entry.path())) else {
            continue;
        };
        let inode: Option<u64> = target
            .to_str()
            .and_then(|text| text.strip_prefix("socket:["))
            .and_then(|text| text.strip_suffix(']'))
            .and_then(|text| text.parse().ok());
        found.extend(inode);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn only_listening_lines_are_taken_from_the_table() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0
   1: 0100007F:20FB 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0
   2: 00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0
   3: garbage
";
        assert_eq!(
            parse_table(table, STATE_LISTEN),
            vec![
                Listening {
                    address: "127.0.0.1:8443".parse().unwrap(),
                    inode: 4242
                },
                Listening {
                    address: "[::1]:443".parse().unwrap(),
                    inode: 77
                },
            ]
        );
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn datagrams_from_anybody_are_told_from_those_of_one_peer() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1234: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 0
 1235: 0100007F:D431 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 98 2 0000000000000000 0
";
        assert_eq!(
            parse_table(table, STATE_UNCONNECTED),
            vec![Listening {
                address: "0.0.0.0:53".parse().unwrap(),
                inode: 99
            }]
        );
    }

    #[test]
    fn a_listener_on_all_addresses_collides_with_each() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(collides(at("0.0.0.0:443"), at("10.0.0.1:443")));
        assert!(collides(at("[::]:443"), at("10.0.0.1:443")));
        assert!(collides(at("10.0.0.1:443"), at("[::]:443")));
        assert!(!collides(at("10.0.0.1:443"), at("10.0.0.2:443")));
        assert!(!collides(at("0.0.0.0:443"), at("0.0.0.0:80")));
    }
}
