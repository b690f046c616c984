//! Sets of packets: products of ranges, one for each thing that rules look at.

use std::net::IpAddr;

use super::ranges::Ranges;

/// Which Internet Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The one of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    const fn address_max(self) -> u128 {
        match self {
            Self::V4 => u32::MAX as u128,
            Self::V6 => u128::MAX,
        }
    }

    /// Number of ICMP in packets of this version.
    pub(super) const fn icmp(self) -> u128 {
        match self {
            Self::V4 => 1,
            Self::V6 => 58,
        }
    }

    /// Type of an echo request.
    pub(super) const fn echo_request(self) -> u128 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }
}

/// An address as a number.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// Something that a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Number of the IP protocol.
    Protocol,
    /// Where the packet comes from.
    Source,
    /// Where it goes.
    Destination,
    /// Port that it comes from; of protocols without ports, any.
    SourcePort,
    /// Port that it goes to.
    DestinationPort,
    /// Type of an ICMP message.
    IcmpType,
    /// Code of an ICMP message.
    IcmpCode,
    /// Time to live, or hop limit.
    Hops,
    /// Interface by which it comes in, by its number in [`Interfaces`](super::ruleset::Interfaces).
    Interface,
}

/// Packets of one version: all combinations of the numbers in each dimension. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packets {
    protocol: Ranges,
    source: Ranges,
    destination: Ranges,
    source_port: Ranges,
    destination_port: Ranges,
    icmp_type: Ranges,
    icmp_code: Ranges,
    hops: Ranges,
    interface: Ranges,
}

const DIMENSIONS: [Dimension; 9] = [
    Dimension::Protocol,
    Dimension::Source,
    Dimension::DestinationPort,
    Dimension::Interface,
    Dimension::Destination,
    Dimension::SourcePort,
    Dimension::IcmpType,
    Dimension::IcmpCode,
    Dimension::Hops,
];

impl Packets {
    /// All of a version that come in by `interface`.
    pub fn all(version: Version, interface: Ranges) -> Self {
        let byte = Ranges::up_to(u8::MAX.into());
        let port = Ranges::up_to(u16::MAX.into());
        let address = Ranges::up_to(version.address_max());
        Self {
            protocol: byte.clone(),
            source: address.clone(),
            destination: address,
            source_port: port.clone(),
            destination_port: port,
            icmp_type: byte.clone(),
            icmp_code: byte.clone(),
            hops: byte,
            interface,
        }
    }

    /// Its numbers in one dimension.
    pub const fn get(&self, dimension: Dimension) -> &Ranges {
        match dimension {
            Dimension::Protocol => &self.protocol,
            Dimension::Source => &self.source,
            Dimension::Destination => &self.destination,
            Dimension::SourcePort => &self.source_port,
            Dimension::DestinationPort => &self.destination_port,
            Dimension::IcmpType => &self.icmp_type,
            Dimension::IcmpCode => &self.icmp_code,
            Dimension::Hops => &self.hops,
            Dimension::Interface => &self.interface,
        }
    }

    /// The same with other numbers in one dimension; `None` when these are none.
    pub fn with(&self, dimension: Dimension, ranges: Ranges) -> Option<Self> {
        if ranges.is_empty() {
            return None;
        }
        let mut changed = self.clone();
        *match dimension {
            Dimension::Protocol => &mut changed.protocol,
            Dimension::Source => &mut changed.source,
            Dimension::Destination => &mut changed.destination,
            Dimension::SourcePort => &mut changed.source_port,
            Dimension::DestinationPort => &mut changed.destination_port,
            Dimension::IcmpType => &mut changed.icmp_type,
            Dimension::IcmpCode => &mut changed.icmp_code,
            Dimension::Hops => &mut changed.hops,
            Dimension::Interface => &mut changed.interface,
        } = ranges;
        Some(changed)
    }

    /// Those with these numbers in one dimension.
    pub fn only(&self, dimension: Dimension, ranges: &Ranges) -> Option<Self> {
        self.with(dimension, self.get(dimension).both(ranges))
    }

    /// Those in `ranges`, and the others.
    pub fn split(&self, dimension: Dimension, ranges: &Ranges) -> (Option<Self>, Option<Self>) {
        let own = self.get(dimension);
        (
            self.only(dimension, ranges),
            self.with(dimension, own.without(ranges)),
        )
    }

    /// Whether no packet is in both.
    pub fn is_apart(&self, other: &Self) -> bool {
        DIMENSIONS
            .iter()
            .any(|dimension| self.get(*dimension).is_apart(other.get(*dimension)))
    }

    /// Those in both.
    pub fn both(&self, other: &Self) -> Option<Self> {
        DIMENSIONS.iter().try_fold(self.clone(), |packets, at| {
            packets.only(*at, other.get(*at))
        })
    }

    /// Those that are not in `other`, in parts of which no two have a packet in common.
    pub fn without(&self, other: &Self) -> Vec<Self> {
        if self.is_apart(other) {
            return vec![self.clone()];
        }
        let mut parts = Vec::new();
        let mut left = self.clone();
        for dimension in DIMENSIONS {
            let (inside, outside) = left.split(dimension, other.get(dimension));
            parts.extend(outside);
            match inside {
                Some(inside) => left = inside,
                None => break,
            }
        }
        parts
    }
}

/// What of `packets` is in none of `others`; `None` when it falls into more than `parts_max` parts.
pub(super) fn without_all<'o>(
    packets: &Packets,
    others: impl IntoIterator<Item = &'o Packets>,
    parts_max: usize,
) -> Option<Vec<Packets>> {
    let mut left = vec![packets.clone()];
    for other in others {
        if left.is_empty() {
            break;
        }
        if left.iter().all(|part| part.is_apart(other)) {
            continue;
        }
        left = left.iter().flat_map(|part| part.without(other)).collect();
        if left.len() > parts_max {
            return None;
        }
    }
    Some(left)
}
