//! Source routes of IPv4 (RFC 791 section 3.1, RFC 1122 section 3.2.1.8 (c)).

use core::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use smallvec::SmallVec;

use super::ipv4::{self, Ipv4Option, Ipv4Options, Route};
use super::{IpHeader, Packet};

/// The routers by which a packet shall reach its destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceRoute {
    strict: bool,
    /// At least one, at most [`MAX_HOPS`](Self::MAX_HOPS).
    hops: SmallVec<[Ipv4Addr; 4]>,
}

impl SourceRoute {
    /// The most routers that an option has room for.
    pub const MAX_HOPS: usize = (Ipv4Options::MAX_LEN - PREFIX_LEN - 1) / 4;

    /// A route through `hops`, in this order: these and no others if it is `strict`. `None` if there are
    /// no hops, or too many.
    pub fn new(strict: bool, hops: &[Ipv4Addr]) -> Option<Self> {
        let fits = (1..=Self::MAX_HOPS).contains(&hops.len());
        fits.then(|| Self { strict, hops: hops.into() })
    }

    /// Whether packets may take no other hops than these.
    pub const fn is_strict(&self) -> bool {
        self.strict
    }

    /// The routers on the way, the next one first.
    pub fn hops(&self) -> &[Ipv4Addr] {
        &self.hops
    }

    /// Where a packet is sent first.
    pub fn first_hop(&self) -> Ipv4Addr {
        self.hops.first().copied().unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// How many octets the options of a packet on this route take.
    pub fn options_len(&self) -> usize {
        PREFIX_LEN + 1 + 4 * self.hops.len()
    }

    /// The options of a packet for `destination` that is sent to the [first hop](Self::first_hop).
    pub fn options_to(&self, destination: Ipv4Addr) -> Ipv4Options {
        let kind = if self.strict {
            Ipv4Option::STRICT_SOURCE_ROUTE
        } else {
            Ipv4Option::LOOSE_SOURCE_ROUTE
        };
        // The padding first, so that addresses lie on a word boundary.
        let mut octets = Vec::with_capacity(Ipv4Options::MAX_LEN);
        octets.extend([Ipv4Option::NOP, kind, (self.options_len() - 1) as u8, FIRST_POINTER]);
        let behind_first = self.hops.iter().skip(1).chain([&destination]);
        behind_first.for_each(|address| octets.extend(address.octets()));
        Ipv4Options::new(&octets).unwrap_or_default()
    }

    /// The way back to the sender of a packet that has come by a source route to its end; `None` if
    /// there is no such route in its header.
    pub fn back(header: &IpHeader) -> Option<Self> {
        let IpAddr::V4(sender) = header.src else { return None };
        let (strict, route) = source_route(&header.options)?;
        if !route.is_complete() {
            return None;
        }
        // Some senders record themselves as the first hop (RFC 1122 section 3.2.1.8 (c)).
        let from = usize::from(route.addresses().next() == Some(sender));
        let hops: SmallVec<[Ipv4Addr; 4]> = route.addresses().skip(from).collect();
        let back: SmallVec<[Ipv4Addr; 4]> = hops.into_iter().rev().collect();
        Self::new(strict, &back)
    }

    /// Whether a packet with this header is still on its way through a source route, although it has
    /// reached one of its hops.
    pub fn is_under_way(header: &IpHeader) -> bool {
        source_route(&header.options).is_some_and(|(_, route)| !route.is_complete())
    }

    /// Sends a packet to the first hop, whose header names the destination; checksums of transports
    /// cover the latter (RFC 1122 section 4.1.3.5).
    #[must_use]
    pub fn divert(&self, mut packet: Packet) -> Packet {
        let mut head = BytesMut::from(core::mem::take(&mut packet.head));
        ipv4::redirect(&mut head, self.first_hop());
        packet.head = head.freeze();
        packet
    }
}

/// The first source route among the options, and whether it is strict.
fn source_route(options: &Ipv4Options) -> Option<(bool, Route<'_>)> {
    if options.is_empty() {
        return None;
    }
    options.iter().map_while(Result::ok).find_map(|option| match option {
        Ipv4Option::LooseSourceRoute(route) => Some((false, route)),
        Ipv4Option::StrictSourceRoute(route) => Some((true, route)),
        _ => None,
    })
}

/// Type, length and pointer.
const PREFIX_LEN: usize = 3;

/// The pointer of a packet that has just been sent.
const FIRST_POINTER: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Protocol, emit_ip, parse_ip};

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    fn header(options: Ipv4Options) -> IpHeader {
        let header = IpHeader::new(ip(1).into(), ip(9).into(), Protocol::TCP);
        IpHeader { options, ..header }
    }

    fn packet(header: &IpHeader) -> Packet {
        let mut octets = BytesMut::new();
        emit_ip(&mut octets, header, 0).unwrap();
        Packet::new(octets.freeze())
    }

    #[test]
    fn a_route_has_as_many_hops_as_its_option_has_room_for() {
        let hops: Vec<Ipv4Addr> = (1..=10).map(ip).collect();
        assert_eq!(SourceRoute::MAX_HOPS, 9);
        for (count, expected) in [(0, None), (1, Some(8)), (9, Some(40)), (10, None)] {
            let route = SourceRoute::new(false, &hops[..count]);
            let len = route.map(|route| {
                let options = route.options_to(ip(99));
                assert_eq!(options.as_slice().len(), route.options_len());
                route.options_len()
            });
            assert_eq!(len, expected, "{count} hops");
        }
    }

    #[test]
    fn a_packet_leaves_for_the_first_hop_and_names_the_others_and_the_end() {
        for strict in [false, true] {
            let route = SourceRoute::new(strict, &[ip(2), ip(3)]).unwrap();
            let sent = route.divert(packet(&header(route.options_to(ip(9)))));
            let parsed = parse_ip(&sent).expect("the checksum is right again").header;
            assert_eq!((parsed.src, parsed.dst), (ip(1).into(), ip(2).into()));
            let (found, rest) = source_route(&parsed.options).unwrap();
            assert_eq!((found, rest.pointer), (strict, 4));
            assert_eq!(rest.addresses().collect::<Vec<_>>(), [ip(3), ip(9)]);
            assert!(SourceRoute::is_under_way(&parsed));
            assert_eq!(SourceRoute::back(&parsed), None, "it is not complete");
        }
    }

    /// The header of a packet that has passed `recorded`.
    fn arrived(kind: u8, recorded: &[Ipv4Addr]) -> IpHeader {
        let mut octets = vec![kind, 3 + 4 * recorded.len() as u8, 4 + 4 * recorded.len() as u8];
        recorded.iter().for_each(|address| octets.extend(address.octets()));
        header(Ipv4Options::new(&octets).unwrap())
    }

    #[test]
    fn the_way_back_is_the_way_there_reversed() {
        let cases: &[(&[Ipv4Addr], Option<&[Ipv4Addr]>)] = &[
            (&[ip(2), ip(3)], Some(&[ip(3), ip(2)])),
            (&[ip(2)], Some(&[ip(2)])),
            (&[ip(1), ip(2), ip(3)], Some(&[ip(3), ip(2)])),
            (&[ip(1)], None),
            (&[], None),
        ];
        for (recorded, expected) in cases {
            let header = arrived(Ipv4Option::LOOSE_SOURCE_ROUTE, recorded);
            let back = SourceRoute::back(&header);
            assert_eq!(back.as_ref().map(SourceRoute::hops), *expected, "{recorded:?}");
            assert!(!SourceRoute::is_under_way(&header));
        }
        let strict = arrived(Ipv4Option::STRICT_SOURCE_ROUTE, &[ip(2)]);
        assert!(SourceRoute::back(&strict).unwrap().is_strict());
        assert_eq!(SourceRoute::back(&arrived(Ipv4Option::RECORD_ROUTE, &[ip(2)])), None);
        assert_eq!(SourceRoute::back(&header(Ipv4Options::default())), None);
    }
}
