//! Bytes that are no packets: which layer says so, what the fault is, and where it lies.

use bytes::{Bytes, BytesMut};
use netmart_proto::wire::icmp::{self, Echo, IcmpError, IcmpErrorKind, IcmpMessage};
use netmart_proto::wire::tcp::{self, PortedSegment, Segment};
use netmart_proto::wire::udp::{self, Datagram};
use netmart_proto::wire::{
    ChecksumMode, ChecksumState, EmitError, Fault, Fragment, IpHeader, Ipv4Options, Layer, Packet,
    ParseError, Protocol, checksum, emit_ip, parse_ip,
};

fn error(layer: Layer, fault: Fault, offset: usize) -> ParseError {
    ParseError::new(layer, fault, offset)
}

fn header(protocol: Protocol) -> IpHeader {
    IpHeader::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), protocol)
}

fn header_v6(protocol: Protocol) -> IpHeader {
    let [src, dst] = ["2001:db8::1", "2001:db8::2"].map(|address| address.parse().unwrap());
    IpHeader::new(src, dst, protocol)
}

/// A whole packet with `payload` octets of zero behind the IP header.
fn packet(header: &IpHeader, payload: usize) -> Vec<u8> {
    let mut octets = BytesMut::new();
    emit_ip(&mut octets, header, payload).unwrap();
    octets.resize(octets.len() + payload, 0);
    octets.to_vec()
}

fn parse(octets: &[u8]) -> ParseError {
    parse_ip(&octets.to_vec().into()).unwrap_err()
}

/// Changes octets of a packet; the checksum of an IPv4 header is made right again.
fn with(octets: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    changes.iter().for_each(|&(at, octet)| octets[at] = octet);
    let len = usize::from(octets[0] & 0xf) * 4;
    if octets[0] >> 4 == 4 && len >= 20 && len <= octets.len() {
        octets[10..12].fill(0);
        let checksum = checksum(&octets[..len]);
        octets[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    octets
}

#[test]
fn neither_version() {
    assert_eq!(parse(&[]), error(Layer::Ip, Fault::Truncated, 0));
    assert_eq!(parse(&[0x55; 40]), error(Layer::Ip, Fault::BadVersion, 0));
}

#[test]
fn ipv4() {
    let whole = packet(&header(Protocol::TCP), 4);
    let later = |offset, more| {
        let fragment = Some(Fragment { offset, more });
        packet(&IpHeader { fragment, ..header(Protocol::UDP) }, 12)
    };
    let cases = [
        (whole[..19].to_vec(), Fault::Truncated, 19),
        (with(&whole, &[(0, 0x44)]), Fault::BadHeaderLen, 0),
        (with(&whole, &[(0, 0x4f)]), Fault::Truncated, 24),
        (with(&whole, &[(3, 19)]), Fault::BadTotalLen, 2),
        (with(&whole, &[(3, 25)]), Fault::BadTotalLen, 2),
        (with(&whole, &[(0, 0x46), (3, 20)]), Fault::BadTotalLen, 2),
        (later(65_528, false), Fault::BadFragment, 6),
        (later(0, true), Fault::BadFragment, 6),
    ];
    for (octets, fault, offset) in cases {
        assert_eq!(parse(&octets), error(Layer::Ipv4, fault, offset), "{octets:02x?}");
    }
    for bit in 32..160 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(parse(&flipped), error(Layer::Ipv4, Fault::BadChecksum, 10), "bit {bit}");
    }
    assert!(parse_ip(&later(65_472, false).into()).is_ok());
}

#[test]
fn ipv4_options() {
    for (octets, offset) in [
        (&[1, 1, 1, 7][..], 23),
        (&[7, 0, 0, 0], 20),
        (&[7, 1, 0, 0], 20),
        (&[130, 5, 0, 0], 20),
        (&[130, 4, 0, 0, 1, 1, 68, 3], 26),
    ] {
        let options = Ipv4Options::new(octets).unwrap();
        let last = options.iter().last().unwrap();
        let expected = error(Layer::Ipv4, Fault::BadOptionLen, offset);
        assert_eq!(last, Err(expected), "{octets:?}");
    }
}

/// An IPv6 packet with this next header and payload.
fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = packet(&header_v6(Protocol(next)), payload.len());
    octets[40..].copy_from_slice(payload);
    octets
}

/// A header of destination or hop-by-hop options, UDP behind it.
fn options(six: [u8; 6]) -> [u8; 8] {
    let [a, b, c, d, e, f] = six;
    [17, 0, a, b, c, d, e, f]
}

#[test]
fn ipv6_and_its_chain() {
    const HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const DESTINATION: u8 = 60;
    let whole = ipv6(17, &[0; 8]);
    let nine = [[DESTINATION, 0, 1, 4, 0, 0, 0, 0]; 9].concat();
    let fragment_twice = [[FRAGMENT, 0, 0, 0, 0, 0, 0, 1]; 2].concat();
    let hop_second = [[HOP, 0, 1, 4, 0, 0, 0, 0]; 2].concat();
    let cases = [
        (whole[..39].to_vec(), Fault::Truncated, 39),
        (with(&whole, &[(5, 9)]), Fault::BadTotalLen, 4),
        (ipv6(HOP, &[17, 0, 1]), Fault::Truncated, 43),
        (ipv6(DESTINATION, &[17, 1, 1, 4, 0, 0, 0, 0]), Fault::Truncated, 48),
        (ipv6(FRAGMENT, &[17, 0, 0, 0]), Fault::Truncated, 44),
        (ipv6(DESTINATION, &nine), Fault::TooManyExtensions, 40 + 64),
        (ipv6(HOP, &hop_second), Fault::MisplacedExtension, 40),
        (ipv6(FRAGMENT, &fragment_twice), Fault::MisplacedExtension, 40),
        (ipv6(ROUTING, &[17, 0, 0, 1, 0, 0, 0, 0]), Fault::UnsupportedRouting, 42),
        (ipv6(FRAGMENT, &[17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3]), Fault::BadFragment, 4),
        (
            ipv6(FRAGMENT, &[17, 0, 0xff, 0xf8, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8]),
            Fault::BadFragment,
            42,
        ),
        (ipv6(HOP, &options([1, 5, 0, 0, 0, 0])), Fault::BadOptionLen, 42),
        (ipv6(HOP, &options([0, 0, 0, 0, 0, 1])), Fault::BadOptionLen, 47),
        (ipv6(HOP, &options([0x43, 0, 0, 0, 0, 0])), Fault::UnknownOptionDiscard, 42),
        (ipv6(HOP, &options([1, 0, 0x83, 0, 0, 0])), Fault::UnknownOptionReport, 44),
        // A jumbo payload (RFC 2675) is one of these.
        (ipv6(HOP, &options([0xc2, 4, 0, 1, 0, 0])), Fault::UnknownOptionReportUnicast, 42),
    ];
    for (octets, fault, offset) in cases {
        assert_eq!(parse(&octets), error(Layer::Ipv6, fault, offset), "{octets:02x?}");
    }
    // An unknown option that may be skipped, and exactly as many extensions as we walk.
    assert!(parse_ip(&ipv6(HOP, &options([5, 2, 0, 0, 1, 0])).into()).is_ok());
    let mut eight = nine[..64].to_vec();
    eight[56] = 17;
    assert!(parse_ip(&ipv6(DESTINATION, &eight).into()).is_ok());
}

#[test]
fn tcp() {
    let ip = header(Protocol::TCP);
    let parse = |octets: Vec<u8>| tcp::parse(&ip, octets.into()).unwrap_err();
    let mut fixed = vec![0; 20];
    fixed[12] = 0x40;
    assert_eq!(parse(vec![0; 19]), error(Layer::Tcp, Fault::Truncated, 19));
    assert_eq!(parse(fixed.clone()), error(Layer::Tcp, Fault::BadHeaderLen, 12));
    fixed[12] = 0x60;
    assert_eq!(parse(fixed.clone()), error(Layer::Tcp, Fault::Truncated, 20));
    fixed[12] = 0x50;
    assert_eq!(parse(fixed), error(Layer::Tcp, Fault::BadChecksum, 16));
}

#[test]
fn every_bit_of_a_segment_is_covered_by_its_checksum() {
    for ip in [header(Protocol::TCP), header_v6(Protocol::TCP)] {
        let segment = Segment { payload: Bytes::from_static(b"payload"), ..Segment::default() };
        let ported = PortedSegment { src_port: 1, dst_port: 2, segment };
        let packet = tcp::emit(&mut BytesMut::new(), &ip, ported, None, ChecksumMode::Full);
        let octets = packet.unwrap().narrow(ip.emitted_len()..1000).to_vec();
        for bit in (0..octets.len() * 8).filter(|bit| !(96..104).contains(bit)) {
            let mut flipped = octets.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let parsed = tcp::parse(&ip, flipped.clone().into());
            assert_eq!(parsed, Err(error(Layer::Tcp, Fault::BadChecksum, 16)), "bit {bit}");
            let mut verified = Packet::from(flipped);
            verified.offload.checksum = ChecksumState::Verified;
            assert!(tcp::parse(&ip, verified).is_ok(), "the device has looked at it");
        }
    }
}

#[test]
fn udp() {
    let fault = |ip: &IpHeader, octets: &[u8]| {
        let error = udp::parse(ip, octets.to_vec().into()).unwrap_err();
        assert_eq!(error.layer, Layer::Udp);
        (error.fault, error.offset)
    };
    let (v4, v6) = (header(Protocol::UDP), header_v6(Protocol::UDP));
    assert_eq!(fault(&v4, &[0; 7]), (Fault::Truncated, 7));
    assert_eq!(fault(&v4, &[0, 1, 0, 2, 0, 7, 0, 0]), (Fault::BadTotalLen, 4));
    assert_eq!(fault(&v4, &[0, 1, 0, 2, 0, 9, 0, 0]), (Fault::BadTotalLen, 4));
    assert_eq!(fault(&v4, &[0, 1, 0, 2, 0, 8, 0, 1]), (Fault::BadChecksum, 6));
    assert_eq!(fault(&v6, &[0, 1, 0, 2, 0, 8, 0, 0]), (Fault::MissingChecksum, 6));
    assert!(udp::parse(&v4, vec![0, 1, 0, 2, 0, 8, 0, 0].into()).is_ok());
}

#[test]
fn icmp() {
    let (v4, v6) = (header(Protocol::ICMP), header_v6(Protocol::ICMPV6));
    let parse = |ip: &IpHeader, octets: &[u8]| icmp::parse(ip, octets.to_vec().into()).unwrap_err();
    assert_eq!(parse(&v4, &[8, 0, 0]), error(Layer::Icmpv4, Fault::Truncated, 3));
    assert_eq!(parse(&v4, &[8, 0, 0xf7, 0xff, 0]), error(Layer::Icmpv4, Fault::Truncated, 5));
    assert_eq!(parse(&v4, &[8, 0, 0, 0, 0, 0, 0, 0]), error(Layer::Icmpv4, Fault::BadChecksum, 2));
    assert_eq!(
        parse(&v6, &[128, 0, 0, 0, 0, 0, 0, 0]),
        error(Layer::Icmpv6, Fault::BadChecksum, 2)
    );
}

#[test]
fn an_error_reads_as_a_sentence_and_names_what_can_be_counted() {
    let error = error(Layer::Tcp, Fault::BadOptionLen, 22);
    assert_eq!(error.to_string(), "tcp: impossible option length at octet 22");
    assert_eq!((error.layer.name(), error.fault.name()), ("tcp", "bad_option_len"));
}

#[test]
fn what_no_packet_can_carry_is_refused_and_leaves_the_arena_empty() {
    let mut arena = BytesMut::new();
    let segment = Segment { payload: vec![0; 65_496].into(), ..Segment::default() };
    let ported = PortedSegment { segment, ..PortedSegment::default() };
    let v4 = header(Protocol::TCP);
    let emitted = tcp::emit(&mut arena, &v4, ported.clone(), None, ChecksumMode::Full);
    assert_eq!(emitted, Err(EmitError::TooLong(65_536)));
    // The length of IPv6 does not count its header.
    let v6 = header_v6(Protocol::TCP);
    assert!(tcp::emit(&mut arena, &v6, ported, None, ChecksumMode::Full).is_ok());

    let mixed = IpHeader { src: v4.src, ..v6.clone() };
    let datagram = Datagram { payload: vec![0; 65_528].into(), ..Datagram::default() };
    let emitted = udp::emit(&mut arena, &v6, datagram, ChecksumMode::Full);
    assert_eq!(emitted, Err(EmitError::TooLong(65_536)));
    let emitted = udp::emit(&mut arena, &mixed, Datagram::default(), ChecksumMode::Full);
    assert_eq!(emitted, Err(EmitError::MixedVersions));

    let quench = IcmpErrorKind::SourceQuench;
    let quench = IcmpMessage::Error(IcmpError { kind: quench, quote: Bytes::new() });
    let emitted = icmp::emit(&mut arena, &header_v6(Protocol::ICMPV6), quench);
    assert_eq!(emitted, Err(EmitError::NoSuchMessage));
    let echo = Echo { data: vec![0; 65_528].into(), ..Echo::default() };
    let emitted = icmp::emit(&mut arena, &v4, IcmpMessage::EchoReply(echo));
    assert_eq!(emitted, Err(EmitError::TooLong(65_556)));
    assert!(arena.is_empty());

    arena.extend_from_slice(b"kept");
    assert_eq!(emit_ip(&mut arena, &mixed, 0), Err(EmitError::MixedVersions));
    assert_eq!(arena, &b"kept"[..]);
}
