//! Who listens where, read from `/proc`: for the error of a taken port, and for the test that what
//! really listens equals the catalogue. Blocking: call it off the runtime.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
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
    let mut found: Vec<SocketAddr> = listening_in(&process.join("net"))?
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
    let inodes: BTreeSet<u64> = listening_in(Path::new("/proc/self/net"))
        .ok()?
        .into_iter()
        .filter(|socket| collides(socket.address, address))
        .map(|socket| socket.inode)
        .collect();
    if inodes.is_empty() {
        return None;
    }
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(own) = socket_inodes(&entry.path().join("fd")) else {
            continue;
        };
        if own.is_disjoint(&inodes) {
            continue;
        }
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let name = name
            .trim_end()
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        return Some(Holder { pid, name });
    }
    None
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

fn listening_in(net: &Path) -> io::Result<Vec<Listening>> {
    let mut found = parse_table(&fs::read_to_string(net.join("tcp"))?);
    // The file is not there when IPv6 is switched off.
    if let Ok(table) = fs::read_to_string(net.join("tcp6")) {
        found.extend(parse_table(&table));
    }
    Ok(found)
}

/// Reads the format of `/proc/net/tcp` (proc(5)); lines that are not understood are passed over.
fn parse_table(table: &str) -> Vec<Listening> {
    table.lines().skip(1).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Listening> {
    const STATE_LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    if state != STATE_LISTEN {
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
            parse_table(table),
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
