//! `/proc/net/dev`, `/proc/net/unix`, `/proc/net/tcp` and `tcp6` (proc(5)). They show the network
//! namespace of the reader.

/// Bytes through all interfaces but loopback since they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

/// `/proc/net/dev`.
pub fn net_dev(text: &str) -> Option<Traffic> {
    let mut all = Traffic::default();
    let mut heads = 0;
    for line in text.lines() {
        let Some((name, counters)) = line.split_once(':') else {
            heads += 1;
            continue;
        };
        if name.trim() == "lo" {
            continue;
        }
        let mut counters = counters.split_ascii_whitespace();
        let received: u64 = counters.next()?.parse().ok()?;
        let sent: u64 = counters.nth(7)?.parse().ok()?;
        all.received = all.received.saturating_add(received);
        all.sent = all.sent.saturating_add(sent);
    }
    (heads >= 2).then_some(all)
}

/// Paths of the Unix sockets that somebody is connected to, in the order of `/proc/net/unix`.
/// A socket that only listens is not among them.
pub fn connected_unix(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(1).filter_map(|line| {
        // Num RefCount Protocol Flags Type St Inode Path; a path may have blanks.
        let mut rest = line;
        let mut state = "";
        for place in 0..7 {
            rest = rest.trim_start_matches(' ');
            let (field, after) = rest.split_once(' ')?;
            if place == 5 {
                state = field;
            }
            rest = after;
        }
        // SS_CONNECTED of <linux/net.h>.
        (state == "03" && !rest.is_empty()).then_some(rest)
    })
}

/// Local ports of the established connections of `/proc/net/tcp` or `tcp6` between addresses of
/// this machine's loopback.
pub fn loopback_ports(text: &str) -> impl Iterator<Item = u16> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (address, port) = fields.next()?.split_once(':')?;
        let (peer, _) = fields.next()?.split_once(':')?;
        // TCP_ESTABLISHED of <net/tcp_states.h>.
        let established = fields.next()? == "01";
        if !established || !is_loopback(address) || !is_loopback(peer) {
            return None;
        }
        u16::from_str_radix(port, 16).ok()
    })
}

/// Four bytes each are written as one number of the machine, so the first byte of 127.0.0.1
/// stands last.
fn is_loopback(address: &str) -> bool {
    match address.len() {
        8 => address.ends_with("7F"),
        32 => {
            address == "00000000000000000000000001000000"
                || (address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_no_traffic() {
        let text = "Inter-|   Receive |  Transmit\n face |bytes packets|bytes\n    lo: 49 6 0 0 0 0 0 0 49 6 0 0 0 0 0 0\n  eth0: 2106 11 0 0 0 0 0 0 8533 8 0 0 0 0 0 0\nwlan0:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n";
        assert_eq!(
            net_dev(text),
            Some(Traffic {
                received: 2107,
                sent: 8535
            })
        );
        assert_eq!(net_dev(""), None);
        assert_eq!(net_dev("a\nb\n eth0: 1 2"), None);
    }

    #[test]
    fn only_connected_sockets_count_and_paths_keep_their_blanks() {
        let text = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000: 00000002 00000000 00010000 0001 01 1966163 /run/xrdp/sockdir/xrdp_display_10\n\
            0000000: 00000003 00000000 00000000 0001 03 1966172 /run/xrdp/sockdir/xrdp_display_10\n\
            0000000: 00000003 00000000 00000000 0001 03 1966173\n\
            0000000: 00000003 00000000 00000000 0001 03      73 @/a b c\n\
            broken\n";
        let found: Vec<&str> = connected_unix(text).collect();
        assert_eq!(found, ["/run/xrdp/sockdir/xrdp_display_10", "@/a b c"]);
    }

    #[test]
    fn only_established_connections_of_loopback_count() {
        let text = "  sl  local_address rem_address   st\n\
             0: 0100007F:170D 0100007F:A000 01 00000000:00000000\n\
             1: 0100007F:170E 00000000:0000 0A 00000000:00000000\n\
             2: 0B5E5B0A:170F 015E5B0A:A000 01 00000000:00000000\n\
             3: broken\n";
        assert_eq!(loopback_ports(text).collect::<Vec<_>>(), [5901]);
        let text = "head\n\
             0: 0000000000000000FFFF00000100007F:1710 0000000000000000FFFF00000100007F:0001 01\n\
             1: 00000000000000000000000001000000:1711 00000000000000000000000001000000:0001 01\n";
        assert_eq!(loopback_ports(text).collect::<Vec<_>>(), [5904, 5905]);
    }
}
