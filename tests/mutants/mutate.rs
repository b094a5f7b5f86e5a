//! Changes to octets, and the checksums made right again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netmart::proto::wire::tcp::{self, PortedSegment};
use netmart::proto::wire::{Checksum, Packet, ParsedIp, Protocol, parse_ip};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt};

/// Octets that tell signed from unsigned, and full from empty.
const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 4, 0x45, 0x60];

/// Changes something at `from` or behind.
pub(crate) fn mutate(rng: &mut ChaCha8Rng, octets: &mut Vec<u8>, from: usize, other: &[u8]) {
    if octets.len() <= from {
        return octets.push(rng.next_u32() as u8);
    }
    let at = rng.random_range(from..octets.len());
    match rng.random_range(0..9) {
        0..3 => octets[at] ^= 1 << rng.random_range(0..8),
        3 => octets[at] = TELLING[rng.random_range(0..TELLING.len())],
        4 => octets[at] = rng.next_u32() as u8,
        5 => octets.truncate(at),
        6 => octets.extend((0..rng.random_range(1..64)).map(|_| rng.next_u32() as u8)),
        7 => {
            // The tail of another packet.
            octets.truncate(at);
            octets.extend_from_slice(other.get(at..).unwrap_or_default());
        }
        _ => length_field(rng, octets),
    }
}

/// Changes a field that says how long something is.
fn length_field(rng: &mut ChaCha8Rng, octets: &mut [u8]) {
    let (len, offset) = match octets.first().map(|first| first >> 4) {
        Some(4) => (2, 20 + 12),
        _ => (4, 40 + 12),
    };
    let value = [rng.next_u32() as u8, rng.next_u32() as u8];
    match rng.random_range(0..3) {
        0 => {
            if let Some(field) = octets.get_mut(len..len + 2) {
                field.copy_from_slice(&value);
            }
        }
        // How many words the header has: of IPv4, of TCP.
        1 => octets.iter_mut().take(1).for_each(|first| *first = *first & 0xf0 | value[0] & 0x0f),
        _ => {
            if let Some(words) = octets.get_mut(offset) {
                *words = *words & 0x0f | value[0] & 0xf0;
            }
        }
    }
}

/// Makes the checksums right, as far as the headers can be read.
pub(crate) fn amend(octets: &mut [u8]) {
    if octets.first().is_some_and(|first| first >> 4 == 4) {
        let len = usize::from(octets[0] & 0x0f) * 4;
        if let Some(header) = octets.get_mut(..len).filter(|header| header.len() >= 20) {
            write_sum(header, 10, Checksum::new());
        }
    }
    let Ok(ParsedIp { header, payload }) = parse_ip(&Packet::from(octets.to_vec())) else { return };
    let Ok(pseudo) = Checksum::pseudo(&header.src, &header.dst, header.protocol, payload.len())
    else {
        return;
    };
    let transport = &mut octets[payload];
    match header.protocol {
        Protocol::TCP => write_sum(transport, 16, pseudo),
        Protocol::UDP => write_sum(transport, 6, pseudo),
        Protocol::ICMP => write_sum(transport, 2, Checksum::new()),
        Protocol::ICMPV6 => write_sum(transport, 2, pseudo),
        _ => {}
    }
}

fn write_sum(octets: &mut [u8], at: usize, mut sum: Checksum) {
    if octets.len() < at + 2 {
        return;
    }
    octets[at..at + 2].fill(0);
    sum.add(octets);
    octets[at..at + 2].copy_from_slice(&sum.finish().to_be_bytes());
}

/// Whether it is a piece of a datagram that may be kept until the rest comes.
pub(crate) fn is_fragment(packet: &Packet) -> bool {
    parse_ip(packet).is_ok_and(|parsed| parsed.header.fragment.is_some())
}

/// The segment in a packet, and its ends, if every check lets it pass.
pub(crate) fn intact_segment(packet: &Packet) -> Option<(IpAddr, IpAddr, PortedSegment)> {
    let parsed = parse_ip(packet).ok()?;
    let (src, dst) = (parsed.header.src, parsed.header.dst);
    if parsed.header.fragment.is_some() || parsed.header.protocol != Protocol::TCP {
        return None;
    }
    let transport = packet.clone().narrow(parsed.payload);
    Some((src, dst, tcp::parse(&parsed.header, transport).ok()?))
}

/// An address of the version of `like`, on the target's network, where nobody is.
pub(crate) fn nobody(rng: &mut ChaCha8Rng, like: IpAddr) -> IpAddr {
    let host = rng.random_range(10..250);
    match like {
        IpAddr::V4(_) => Ipv4Addr::new(10, 0, 0, host).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host.into()).into(),
    }
}
