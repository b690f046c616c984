//! Who listens: sockets of a host, read from `/proc` by the shell or from what `ss -Hlntup` prints.

use std::net::{IpAddr, Ipv6Addr};

use super::DumpError;
use crate::flow::Transport;

/// Sockets that are read, at most.
const SOCKETS_MAX: usize = 65_536;

/// Processes of one socket that are kept, at most.
const PROCESSES_MAX: usize = 8;

/// A socket that takes connections or datagrams.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// TCP or UDP.
    pub transport: Transport,
    /// Where; `0.0.0.0` and `::` are all addresses.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Whether one at `::` takes IPv4, too.
    pub takes_ipv4: bool,
    /// Interface that it is bound to, if any.
    pub interface: Option<String>,
    /// Processes that have it open; empty when they are not known.
    pub processes: Vec<Process>,
}

/// A running program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its short name. Free text.
    pub name: String,
}

impl Listener {
    /// Whether only programs of the host itself reach it.
    pub fn is_local_only(&self) -> bool {
        self.address.to_canonical().is_loopback() || self.interface.as_deref() == Some("lo")
    }

    /// Whether what is sent to `address` of the host comes to it.
    pub fn serves(&self, address: IpAddr) -> bool {
        let own = self.address.to_canonical();
        if self.is_local_only() {
            return false;
        }
        match (own, address) {
            (IpAddr::V4(own), IpAddr::V4(_)) if own.is_unspecified() => true,
            (IpAddr::V6(own), IpAddr::V6(_)) if own.is_unspecified() => true,
            (IpAddr::V6(own), IpAddr::V4(_)) if own.is_unspecified() => self.takes_ipv4,
            _ => own == address.to_canonical(),
        }
    }
}

/// Sockets of a host.
#[derive(Debug, Clone, Default)]
pub struct Listeners {
    /// Those that listen, sorted.
    pub sockets: Vec<Listener>,
    /// Lines that were not understood.
    pub unread: Vec<String>,
}

/// Reads what `ss -Hlntup` prints; lines of other kinds of sockets are passed over.
///
/// # Errors
/// When there is not one socket in it, or too many.
pub fn read_ss(text: &str) -> Result<Listeners, DumpError> {
    let mut found = Listeners::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match socket(line) {
            Line::Listener(listener) => found.sockets.push(listener),
            Line::Other => {}
            Line::Unknown if found.unread.len() < 20 => found.unread.push(line.to_owned()),
            Line::Unknown => {}
        }
        if found.sockets.len() > SOCKETS_MAX {
            return Err(DumpError::TooManySockets { max: SOCKETS_MAX });
        }
    }
    if found.sockets.is_empty() && !found.unread.is_empty() {
        return Err(DumpError::NoSocket);
    }
    found.sockets.sort();
    found.sockets.dedup();
    Ok(found)
}

enum Line {
    Listener(Listener),
    Other,
    Unknown,
}

fn socket(line: &str) -> Line {
    let mut words = line.split_ascii_whitespace().peekable();
    let transport = match words.peek().copied() {
        Some("tcp") => Some(Transport::Tcp),
        Some("udp") => Some(Transport::Udp),
        // Without the first column there are only sockets of one kind.
        Some("LISTEN" | "UNCONN" | "ESTAB") => None,
        Some("Netid" | "State" | "nl" | "u_str" | "u_dgr" | "u_seq" | "p_raw" | "p_dgr") => {
            return Line::Other;
        }
        _ => return Line::Unknown,
    };
    if transport.is_some() {
        words.next();
    }
    let transport = match (words.next(), transport) {
        (Some("LISTEN"), None | Some(Transport::Tcp)) => Transport::Tcp,
        (Some("UNCONN"), None | Some(Transport::Udp)) => Transport::Udp,
        // It has a peer, and takes nothing from others.
        (Some("ESTAB"), _) => return Line::Other,
        _ => return Line::Unknown,
    };
    let local = words.nth(2);
    let processes = line
        .split_once("users:((")
        .map(|(_, users)| processes(users))
        .unwrap_or_default();
    match local.and_then(local_end) {
        Some((address, takes_ipv4, interface, port)) => Line::Listener(Listener {
            transport,
            address,
            port,
            takes_ipv4,
            interface,
            processes,
        }),
        None => Line::Unknown,
    }
}

/// `0.0.0.0:22`, `*:80`, `[::]:80`, `127.0.0.53%lo:53`, `[fe80::1]%eth0:546`.
fn local_end(text: &str) -> Option<(IpAddr, bool, Option<String>, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let (address, interface) = match address.split_once('%') {
        Some((address, interface)) => (address, Some(interface.to_owned())),
        None => (address, None),
    };
    if address == "*" {
        // How ss shows a socket at `::` that takes both versions.
        return Some((Ipv6Addr::UNSPECIFIED.into(), true, interface, port));
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address: IpAddr = bare.unwrap_or(address).parse().ok()?;
    Some((address, false, interface, port))
}

/// `"sshd",pid=1,fd=3),("systemd",pid=1,fd=77))`
fn processes(users: &str) -> Vec<Process> {
    let mut found: Vec<Process> = users
        .split("),(")
        .filter_map(|user| {
            let (name, rest) = user.strip_prefix('"')?.rsplit_once("\",pid=")?;
            let pid = rest.split(',').next()?.parse().ok()?;
            let name = name.chars().filter(|c| !c.is_control()).collect();
            Some(Process { pid, name })
        })
        .take(PROCESSES_MAX)
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SS: &str = r#"udp   UNCONN 0      0      127.0.0.53%lo:53         0.0.0.0:*    users:(("systemd-resolve",pid=512,fd=12))
udp   UNCONN 0      0      [fe80::1%eth0]:546 [::]:*
udp   UNCONN 0      0      [fe80::1]%eth0:546 [::]:* users:(("dhc,pid=1\"x",pid=7,fd=1))
tcp   LISTEN 0      128    0.0.0.0:22               0.0.0.0:*    users:(("sshd",pid=801,fd=3),("systemd",pid=1,fd=77))
tcp   LISTEN 0      511    *:443                    *:*
tcp   LISTEN 0      511    [::]:80                  [::]:*
tcp   LISTEN 0      5      [::1]:631                [::]:*
nl    UNCONN 0      0      rtnl:kernel *
something else
"#;

    #[test]
    fn sockets_are_read_as_ss_prints_them() {
        let found = read_ss(SS).unwrap();
        let shown: Vec<String> = found
            .sockets
            .iter()
            .map(|one| {
                let names: Vec<&str> = one.processes.iter().map(|p| p.name.as_str()).collect();
                format!(
                    "{:?} {} {} {} {:?} {}",
                    one.transport,
                    one.address,
                    one.port,
                    one.takes_ipv4,
                    one.interface,
                    names.join(" ")
                )
            })
            .collect();
        expect_test::expect![[r#"
            Tcp 0.0.0.0 22 false None systemd sshd
            Tcp :: 80 false None 
            Tcp :: 443 true None 
            Tcp ::1 631 false None 
            Udp 127.0.0.53 53 false Some("lo") systemd-resolve
            Udp fe80::1 546 false Some("eth0") dhc,pid=1\"x"#]]
        .assert_eq(&shown.join("\n"));
        assert_eq!(found.unread.len(), 2, "{:?}", found.unread);
        assert!(matches!(
            read_ss("no sockets here\n"),
            Err(DumpError::NoSocket)
        ));
        assert_eq!(read_ss("").unwrap().sockets, []);
    }

    #[test]
    fn every_beginning_of_the_dump_is_read() {
        for cut in (0..SS.len()).filter(|cut| SS.is_char_boundary(*cut)) {
            if let Ok(found) = read_ss(&SS[..cut]) {
                assert!(found.sockets.len() <= 6);
            }
        }
    }

    #[test]
    fn a_listener_serves_the_addresses_that_it_is_bound_to() {
        let at = |line: &str| read_ss(line).unwrap().sockets.remove(0);
        let (v4, v6) = ("10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap());
        for (local, serves) in [
            ("0.0.0.0:1", [true, false]),
            ("*:1", [true, true]),
            ("[::]:1", [false, true]),
            ("[::ffff:10.0.0.1]:1", [true, false]),
            ("10.0.0.2:1", [false, false]),
            ("127.0.0.1:1", [false, false]),
            ("0.0.0.0%lo:1", [false, false]),
        ] {
            let listener = at(&format!("tcp LISTEN 0 1 {local} *:*"));
            assert_eq!(
                [listener.serves(v4), listener.serves(v6)],
                serves,
                "{local}"
            );
        }
    }
}
