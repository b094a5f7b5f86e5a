//! Inner IP headers, put on what came and taken off what leaves.

use std::net::{IpAddr, Ipv4Addr};

use bytes::{Bytes, BytesMut};
use netmart_proto::wire::icmp::{self, IcmpError, IcmpErrorKind, IcmpMessage};
use netmart_proto::wire::{
    Checksum, ChecksumState, Ecn, IpHeader, Offload, Packet, Protocol, emit_ip,
};
use quinn_udp::EcnCodepoint;

use super::HERE;

/// Octets of a TCP header without options.
const TCP_HEADER: usize = 20;
/// Where the checksum stands in it (RFC 9293 section 3.1).
const CHECKSUM: usize = 16;
/// Where its length and the flags stand.
const OFFSET: usize = 12;
const FLAGS: usize = 13;
const SYN: u8 = 1 << 1;
const ACK: u8 = 1 << 4;
/// Where an IPv4 header has its type of service, protocol and destination.
const TOS: usize = 1;
const PROTOCOL: usize = 9;
const DESTINATION: std::ops::Range<usize> = 16..20;

/// A segment that came.
pub(super) struct Segment(Bytes);

impl Segment {
    /// `octets`, if they are a TCP header and what it says of its own length is true.
    pub(super) fn of(octets: Bytes) -> Option<Self> {
        let header = header_len(&octets)?;
        (TCP_HEADER..=octets.len()).contains(&header).then_some(Self(octets))
    }

    /// Whether it begins a connection.
    pub(super) fn opens(&self) -> bool {
        self.0[FLAGS] & (SYN | ACK) == SYN
    }

    /// The packet that it would be if `from` had sent it by IP. Its payload is not copied.
    pub(super) fn into_packet(
        self,
        arena: &mut BytesMut,
        from: Ipv4Addr,
        ecn: Option<EcnCodepoint>,
    ) -> Option<Packet> {
        let Self(mut octets) = self;
        let header = IpHeader {
            tos: ecn.map_or(0, |ecn| ecn as u8),
            ..IpHeader::new(from.into(), HERE.into(), Protocol::TCP)
        };
        let payload = octets.split_off(header_len(&octets)?);
        emit_ip(arena, &header, octets.len() + payload.len()).ok()?;
        arena.extend_from_slice(&octets);
        let offload = Offload { checksum: ChecksumState::Verified, gso_size: None };
        Some(Packet { head: arena.split().freeze(), body: payload, offload })
    }
}

fn header_len(octets: &[u8]) -> Option<usize> {
    octets.get(OFFSET).map(|octet| usize::from(octet >> 4) * 4)
}

/// What a packet on its way out is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) to: Ipv4Addr,
    pub(super) ecn: Option<EcnCodepoint>,
    /// Octets of its inner IP header.
    header: usize,
    /// Octets of the segment.
    pub(super) len: usize,
}

impl Outline {
    /// The outline of `packet`, if it is a whole TCP segment by IPv4: nothing else can leave here.
    pub(super) fn of(packet: &Packet) -> Option<Self> {
        let head = &packet.head;
        let version_and_len = *head.first()?;
        let header = usize::from(version_and_len & 0xf) * 4;
        let is_tcp = version_and_len >> 4 == 4 && head.get(PROTOCOL) == Some(&Protocol::TCP.0);
        let to = <[u8; 4]>::try_from(head.get(DESTINATION)?).ok()?;
        let whole = head.len() >= header + TCP_HEADER && packet.offload.gso_size.is_none();
        let ecn = EcnCodepoint::from_bits(Ecn::of(*head.get(TOS)?).bits());
        let len = packet.len() - header.min(packet.len());
        (is_tcp && whole).then_some(Self { to: to.into(), ecn, header, len })
    }

    /// Appends the segment in `packet` to `run`, as one from `ours` to `peer`.
    pub(super) fn append(&self, packet: &Packet, ours: IpAddr, peer: IpAddr, run: &mut BytesMut) {
        let start = run.len();
        run.extend_from_slice(&packet.head[self.header..]);
        run.extend_from_slice(&packet.body);
        let segment = &mut run[start..];
        segment[CHECKSUM..CHECKSUM + 2].fill(0);
        // Both addresses are of one socket, so they have one version.
        let Ok(mut sum) = Checksum::pseudo(&ours, &peer, Protocol::TCP, segment.len()) else {
            return;
        };
        sum.add(segment);
        segment[CHECKSUM..CHECKSUM + 2].copy_from_slice(&sum.finish().to_be_bytes());
    }
}

/// What ICMP would say to the stack about a segment of its own to `to` that begins with `quote`.
pub(super) fn error_about(quote: &[u8], to: Ipv4Addr, kind: IcmpErrorKind) -> Option<Packet> {
    let mut quoted = BytesMut::new();
    let header = IpHeader::new(HERE.into(), to.into(), Protocol::TCP);
    emit_ip(&mut quoted, &header, quote.len()).ok()?;
    quoted.extend_from_slice(quote);
    let message = IcmpMessage::Error(IcmpError { kind, quote: quoted.freeze() });
    let header = IpHeader::new(to.into(), HERE.into(), Protocol::ICMP);
    icmp::emit(&mut BytesMut::new(), &header, message).ok()
}

#[cfg(test)]
mod tests {
    use netmart_proto::wire::parse_ip;

    use super::*;
    use crate::link::udp::FIRST_PEER;

    /// A SYN from port 1000 to port 80, its checksum that of no addresses we know.
    const SYN_SEGMENT: [u8; 24] = [
        3, 232, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0xab, 0xcd, 0, 0, 2, 4, 5, 180,
    ];

    fn packet() -> Packet {
        let segment = Segment::of(Bytes::from_static(&SYN_SEGMENT)).unwrap();
        assert!(segment.opens());
        segment.into_packet(&mut BytesMut::new(), FIRST_PEER, Some(EcnCodepoint::Ce)).unwrap()
    }

    #[test]
    fn what_comes_gets_a_header_and_is_trusted() {
        let packet = packet();
        let parsed = parse_ip(&packet).unwrap();
        assert_eq!(parsed.header.src, IpAddr::from(FIRST_PEER));
        assert_eq!(parsed.header.dst, IpAddr::from(HERE));
        assert_eq!(parsed.header.tos, 3);
        assert_eq!(packet.offload.checksum, ChecksumState::Verified);
        assert_eq!(packet.to_vec()[20..], SYN_SEGMENT);
    }

    #[test]
    fn what_leaves_has_a_checksum_that_udps_addresses_verify() {
        let packet = packet();
        let outline = Outline::of(&packet).unwrap();
        assert_eq!((outline.to, outline.len), (HERE, SYN_SEGMENT.len()));
        let ends: [(IpAddr, IpAddr); 2] = [
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()),
            ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()),
        ];
        for (ours, peer) in ends {
            let mut run = BytesMut::from(&b"before"[..]);
            outline.append(&packet, ours, peer, &mut run);
            let segment = &run[6..];
            assert_eq!(segment[..16], SYN_SEGMENT[..16]);
            let mut sum = Checksum::pseudo(&ours, &peer, Protocol::TCP, segment.len()).unwrap();
            sum.add(segment);
            assert!(sum.is_good());
        }
    }

    #[test]
    fn what_is_no_segment_is_not_taken_for_one() {
        for len in 0..20 {
            assert!(Segment::of(Bytes::copy_from_slice(&SYN_SEGMENT[..len])).is_none());
        }
        let mut lying = SYN_SEGMENT;
        for words in [0, 4, 7, 15] {
            lying[OFFSET] = words << 4;
            assert!(Segment::of(Bytes::copy_from_slice(&lying)).is_none(), "{words}");
        }
        assert_eq!(Outline::of(&Packet::default()), None);
        let error = error_about(&SYN_SEGMENT, FIRST_PEER, IcmpErrorKind::SourceQuench).unwrap();
        assert_eq!(Outline::of(&error), None);
    }

    #[test]
    fn an_error_of_the_network_quotes_what_the_stack_had_sent() {
        let kind = IcmpErrorKind::PacketTooBig { mtu: 1400 };
        let packet = error_about(&SYN_SEGMENT, FIRST_PEER, kind).unwrap();
        let parsed = parse_ip(&packet).unwrap();
        let message = icmp::parse(&parsed.header, packet.narrow(parsed.payload)).unwrap();
        let IcmpMessage::Error(error) = message else { panic!("{message:?}") };
        assert_eq!(error.kind, kind);
        assert_eq!(error.quote[20..], SYN_SEGMENT);
    }
}
