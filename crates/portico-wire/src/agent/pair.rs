//! Paired probes: one agent listens for the length of one test, another sends, and the first says
//! whether what was sent arrived. They show flows that never answer, that bind on demand and that
//! come back.
//!
//! The kinds are of their own, so that an agent that does not know them passes over them. A broker
//! sends them only to agents whose hello names [`PAIRS_FLOWS`].

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    check::FLOW_LEN_MAX,
    codec::{LimitError, at_most, text},
    link::LONG_TEXT_LEN_MAX,
};

/// Ability of an agent that answers [`ToAgent::Listen`](super::ToAgent::Listen) and
/// [`ToAgent::Send`](super::ToAgent::Send).
pub const PAIRS_FLOWS: &str = "pair-flows";
/// Longest time that a far end listens, in seconds.
pub const PAIR_SECONDS_MAX: u16 = 15;
/// Source addresses of one test.
pub const PAIR_SOURCES_MAX: usize = 8;
/// Bytes of a nonce.
pub const PAIR_NONCE_LEN: usize = 16;
/// What stands before the nonce, so that who sees it in a capture knows what it is.
const MARK: &str = "PORTICO-PAIR ";
/// Bytes of a packet: the mark, the nonce in hexadecimal, the end of the line.
pub const PAIR_PACKET_LEN: usize = MARK.len() + 2 * PAIR_NONCE_LEN + 1;

/// What one test is known by: whoever says it back was sent it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PairNonce(pub [u8; PAIR_NONCE_LEN]);

impl PairNonce {
    /// What is sent: a line of text.
    pub fn packet(&self) -> Vec<u8> {
        format!("{MARK}{self}\n").into_bytes()
    }

    /// What is sent as an IP protocol of its own: the least header that firewalls take for that
    /// protocol, then the line. GRE is RFC 2784 §2.1 "GRE Header" with the protocol type for local
    /// experiments (IEEE 802, 0x88b5); ESP is RFC 4303 §2 "Encapsulating Security Payload Packet
    /// Format"; AH is RFC 4302 §2 "Authentication Header Format" with no next header (59) and an
    /// ICV of zeros. `None` for other protocols.
    pub fn raw_packet(&self, ip_protocol: u8) -> Option<Vec<u8>> {
        let [a, b, c, ..] = self.0;
        // Values up to 255 are reserved (RFC 4303 §2.1).
        let spi = [a | 1, b, c, 1];
        let mut packet = match ip_protocol {
            GRE => vec![0, 0, 0x88, 0xb5],
            ESP => [spi, [0, 0, 0, 1]].concat(),
            AH => {
                let (next_header, words) = (59, 4);
                let mut header = vec![next_header, words, 0, 0];
                header.extend(spi);
                header.extend([0, 0, 0, 1]);
                header.extend([0; 12]);
                header
            }
            _ => return None,
        };
        packet.extend(self.packet());
        Some(packet)
    }

    /// Whether these bytes of an IP protocol of its own end as [`PairNonce::raw_packet`] does.
    pub fn ends(&self, bytes: &[u8]) -> bool {
        bytes.ends_with(&self.packet())
    }
}

/// Number of GRE (RFC 2784 §2).
pub const GRE: u8 = 47;
/// Number of ESP (RFC 4303 §2).
pub const ESP: u8 = 50;
/// Number of AH (RFC 4302 §2).
pub const AH: u8 = 51;

impl fmt::Display for PairNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PairNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairNonce({self})")
    }
}

/// A text is no nonce of a paired probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a nonce has {} hexadecimal digits", 2 * PAIR_NONCE_LEN)]
pub struct NoNonce;

impl FromStr for PairNonce {
    type Err = NoNonce;

    fn from_str(text: &str) -> Result<Self, NoNonce> {
        if text.len() != 2 * PAIR_NONCE_LEN {
            return Err(NoNonce);
        }
        let mut nonce = [0; PAIR_NONCE_LEN];
        for (byte, digits) in nonce.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
            let digits = std::str::from_utf8(digits).ok().filter(|_| is_hex);
            *byte = u8::from_str_radix(digits.ok_or(NoNonce)?, 16).map_err(|_| NoNonce)?;
        }
        Ok(Self(nonce))
    }
}

impl Serialize for PairNonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PairNonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What the far end shall listen for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairListen {
    /// Number of the test on this link.
    pub pair: u64,
    /// Id of the flow in the catalogue; it says what carries it.
    pub flow: String,
    /// Address of that host.
    pub address: IpAddr,
    /// Port; zero when the transport has none.
    pub port: u16,
    /// Where what counts comes from.
    pub from: Vec<IpAddr>,
    /// What counts.
    pub nonce: PairNonce,
    /// So long, at most [`PAIR_SECONDS_MAX`].
    pub seconds: u16,
}

/// What the near end shall send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairSend {
    /// Number of the test on this link.
    pub pair: u64,
    /// Id of the flow in the catalogue; it says what carries it.
    pub flow: String,
    /// Address of the far end.
    pub address: IpAddr,
    /// Port; zero when the transport has none.
    pub port: u16,
    /// What is sent.
    pub nonce: PairNonce,
}

/// How the far end came to hear something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeardBy {
    /// It had the port, for this test alone.
    Listened,
    /// A service has the port; it saw a copy of what came.
    Captured,
}

/// What the far end heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairHeard {
    /// Number of the test.
    pub pair: u64,
    /// Whether the nonce came from an address that counts.
    pub arrived: bool,
    /// Where the nonce came from, also when that does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// Time from when it began to listen, in milliseconds.
    pub after_ms: u32,
    /// How.
    pub by: HeardBy,
}

/// What became of what the near end sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentOutcome {
    /// It went out, and nothing is known of it, which is all there is without a connection.
    Sent,
    /// Connected, and the nonce came back.
    Echoed,
    /// Connected, and the nonce did not come back.
    NotEchoed,
    /// Somebody says that nothing listens there, or that it is forbidden, or there is no way.
    Rejected,
    /// No connection in time.
    NoAnswer,
    /// Nothing was sent.
    NotSent,
}

pub(super) fn check_listen(listen: &PairListen) -> Result<(), LimitError> {
    text("flow", &listen.flow, FLOW_LEN_MAX)?;
    at_most("from", "items", listen.from.len(), PAIR_SOURCES_MAX)?;
    let (seconds, max) = (usize::from(listen.seconds), usize::from(PAIR_SECONDS_MAX));
    at_most("seconds", "s", seconds, max)
}

pub(super) fn check_send(send: &PairSend) -> Result<(), LimitError> {
    text("flow", &send.flow, FLOW_LEN_MAX)
}

pub(super) fn check_refused(refused: Option<&String>) -> Result<(), LimitError> {
    match refused {
        Some(refused) => text("refused", refused, LONG_TEXT_LEN_MAX),
        None => Ok(()),
    }
}

/// The port and the bytes of a UDP datagram as a raw socket gives it: over IPv4 with the header of
/// IP (RFC 791 §3.1 "Internet Header Format"), over IPv6 without; then that of UDP (RFC 768
/// "Format"). `None` for anything shorter or of another protocol.
pub fn captured_udp(is_ipv4: bool, bytes: &[u8]) -> Option<(u16, &[u8])> {
    let udp = match is_ipv4 {
        true => {
            let first = *bytes.first()?;
            let header_len = usize::from(first & 0x0f) * 4;
            let is_udp = first >> 4 == 4 && header_len >= 20 && *bytes.get(9)? == 17;
            bytes.get(header_len..).filter(|_| is_udp)?
        }
        false => bytes,
    };
    let (header, payload) = udp.split_at_checked(8)?;
    let [_, _, high, low, len_high, len_low, ..] = *header else {
        return None;
    };
    let len = usize::from(u16::from_be_bytes([len_high, len_low])).checked_sub(8)?;
    Some((u16::from_be_bytes([high, low]), payload.get(..len)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: PairNonce = PairNonce([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);

    #[test]
    fn a_nonce_is_read_as_it_is_written_and_nothing_else_is_one() {
        let text = NONCE.to_string();
        assert_eq!(text, "000102030405060708090a0b0c0d0eff");
        assert_eq!(text.parse(), Ok(NONCE));
        for cut in 0..text.len() {
            assert_eq!(text[..cut].parse::<PairNonce>(), Err(NoNonce), "{cut}");
        }
        for wrong in ["+1", "-1", "0x", " 1", "é"] {
            let text = format!("{wrong}{}", "0".repeat(32 - wrong.len()));
            assert_eq!(text.parse::<PairNonce>(), Err(NoNonce), "{text}");
        }
        assert_eq!(NONCE.packet().len(), PAIR_PACKET_LEN);
    }

    #[test]
    fn raw_packets_have_the_header_of_their_protocol_and_end_with_the_nonce() {
        for (protocol, header) in [(GRE, 4), (ESP, 8), (AH, 24)] {
            let packet = NONCE.raw_packet(protocol).unwrap();
            assert_eq!(packet.len(), header + PAIR_PACKET_LEN);
            assert!(NONCE.ends(&packet) && !PairNonce([9; 16]).ends(&packet));
            for cut in 0..packet.len() {
                assert!(!NONCE.ends(&packet[..cut]), "{protocol} cut at {cut}");
            }
        }
        assert_eq!(NONCE.raw_packet(17), None);
    }

    #[test]
    fn a_datagram_is_found_behind_its_headers_and_refused_when_cut_anywhere() {
        let udp = [&[0, 9, 0, 162, 0, 11, 0, 0][..], b"abc"].concat();
        let mut ip = [0x46; 24];
        ip[9] = 17;
        let whole = [&ip[..], &udp].concat();
        assert_eq!(captured_udp(false, &udp), Some((162, &b"abc"[..])));
        assert_eq!(captured_udp(true, &whole), Some((162, &b"abc"[..])));
        for cut in 0..whole.len() {
            assert_eq!(captured_udp(true, &whole[..cut]), None, "{cut}");
        }
        for cut in 0..udp.len() {
            assert_eq!(captured_udp(false, &udp[..cut]), None, "{cut}");
        }
        let mut tcp = whole.clone();
        tcp[9] = 6;
        assert_eq!(captured_udp(true, &tcp), None);
        tcp[9] = 17;
        tcp[0] = 0x44;
        assert_eq!(captured_udp(true, &tcp), None, "a header shorter than any");
        let lies = [&[0, 9, 0, 162, 0, 12, 0, 0][..], b"abc"].concat();
        assert_eq!(captured_udp(false, &lies), None, "longer than it is");
    }
}
