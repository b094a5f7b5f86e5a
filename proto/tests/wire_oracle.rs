//! Our codecs beside those of etherparse, which knows nothing of ours: what one writes the other reads.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{Bytes, BytesMut};
use etherparse::{
    Icmpv4Type, Icmpv6Type, IpHeaders, Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6Header,
    NetHeaders, PacketBuilder, PacketHeaders, TcpHeader, TcpOptionElement, TransportHeader,
    icmpv4::DestUnreachableHeader,
};
use netmart_proto::wire::icmp::{self, Echo, IcmpError, IcmpErrorKind, IcmpMessage};
use netmart_proto::wire::tcp::{
    self, Flags, Options, PortedSegment, SackBlocks, Segment, SeqNumber, Timestamps,
};
use netmart_proto::wire::udp::{self, Datagram};
use netmart_proto::wire::{
    ChecksumMode, Ecn, Fragment, IpHeader, IpVersion, Packet, Protocol, emit_ip, parse_ip,
};
use proptest::prelude::*;

prop_compose! {
    fn ipv4()(src: Ipv4Addr, dst: Ipv4Addr, ttl: u8, tos: u8, ident: u16, dont_fragment: bool)
        -> IpHeader
    {
        let header = IpHeader::new(src.into(), dst.into(), Protocol::NONE);
        IpHeader { ttl, tos, ident: ident.into(), dont_fragment, ..header }
    }
}

prop_compose! {
    fn ipv6()(src: Ipv6Addr, dst: Ipv6Addr, ttl: u8, tos: u8, flow_label in 0u32..1 << 20)
        -> IpHeader
    {
        IpHeader { ttl, tos, flow_label, ..IpHeader::new(src.into(), dst.into(), Protocol::NONE) }
    }
}

fn ip(protocol: Protocol) -> impl Strategy<Value = IpHeader> {
    prop_oneof![ipv4(), ipv6()].prop_map(move |header| IpHeader { protocol, ..header })
}

/// Options that fit, all of known kinds.
fn options() -> impl Strategy<Value = Options> {
    let timestamps = any::<Option<(u32, u32)>>()
        .prop_map(|pair| pair.map(|(value, echo)| Timestamps { value, echo }));
    let syn = (any::<Option<u16>>(), any::<Option<u8>>(), any::<bool>(), timestamps.clone())
        .prop_map(|(mss, window_scale, sack_permitted, timestamps)| Options {
            mss,
            window_scale,
            sack_permitted,
            timestamps,
            ..Options::default()
        });
    let blocks = prop::collection::vec(any::<(u32, u32)>(), 0..=3);
    let later = (timestamps, blocks).prop_map(|(timestamps, blocks)| {
        let mut sack = SackBlocks::default();
        for (left, right) in blocks {
            sack.push(SeqNumber(left), SeqNumber(right));
        }
        Options { timestamps, sack, ..Options::default() }
    });
    prop_oneof![syn, later]
}

prop_compose! {
    fn ported()(
        src_port: u16, dst_port: u16, seq: u32, ack: u32, flags in 0u16..0x200, window: u16,
        urgent: u16, options in options(), payload: Vec<u8>,
    ) -> PortedSegment {
        let segment = Segment {
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            flags: Flags(flags),
            window,
            urgent,
            options,
            payload: payload.into(),
            ..Segment::default()
        };
        PortedSegment { src_port, dst_port, segment }
    }
}

/// Our header in the words of etherparse, for a payload of `len` octets.
fn translate(header: &IpHeader, len: usize) -> IpHeaders {
    let protocol = header.protocol.0.into();
    match (header.src, header.dst) {
        (std::net::IpAddr::V4(src), std::net::IpAddr::V4(dst)) => {
            let (src, dst) = (src.octets(), dst.octets());
            let mut theirs = Ipv4Header::new(len as u16, header.ttl, protocol, src, dst).unwrap();
            theirs.dscp = (header.tos >> 2).try_into().unwrap();
            theirs.ecn = (header.tos & 3).try_into().unwrap();
            theirs.identification = header.ident as u16;
            theirs.dont_fragment = header.dont_fragment;
            theirs.header_checksum = theirs.calc_header_checksum();
            IpHeaders::Ipv4(theirs, Ipv4Extensions::default())
        }
        (std::net::IpAddr::V6(src), std::net::IpAddr::V6(dst)) => {
            let theirs = Ipv6Header {
                traffic_class: header.tos,
                flow_label: header.flow_label.try_into().unwrap(),
                payload_length: len as u16,
                next_header: protocol,
                hop_limit: header.ttl,
                source: src.octets(),
                destination: dst.octets(),
            };
            IpHeaders::Ipv6(theirs, Ipv6Extensions::default())
        }
        _ => unreachable!("both are of one version"),
    }
}

/// Our header, read by etherparse; checks that nothing but what we meant is in it.
fn check_ip(headers: &PacketHeaders<'_>, ours: &IpHeader, len: usize) -> Result<(), TestCaseError> {
    let theirs = match headers.net.clone() {
        Some(NetHeaders::Ipv4(header, extensions)) => IpHeaders::Ipv4(header, extensions),
        Some(NetHeaders::Ipv6(header, extensions)) => IpHeaders::Ipv6(header, extensions),
        other => panic!("no IP header: {other:?}"),
    };
    prop_assert_eq!(theirs, translate(ours, len));
    Ok(())
}

/// Our segment's header in the words of etherparse, but for options and checksum.
fn translate_tcp(ported: &PortedSegment) -> TcpHeader {
    let segment = &ported.segment;
    let has = |flag| segment.flags.contains(flag);
    let mut theirs =
        TcpHeader::new(ported.src_port, ported.dst_port, segment.seq.0, segment.window);
    theirs.acknowledgment_number = segment.ack.0;
    theirs.urgent_pointer = segment.urgent;
    // What RFC 3540 called NS is AE today.
    theirs.ns = has(Flags::AE);
    theirs.cwr = has(Flags::CWR);
    theirs.ece = has(Flags::ECE);
    theirs.urg = has(Flags::URG);
    theirs.ack = has(Flags::ACK);
    theirs.psh = has(Flags::PSH);
    theirs.rst = has(Flags::RST);
    theirs.syn = has(Flags::SYN);
    theirs.fin = has(Flags::FIN);
    theirs
}

/// Our options in the words of etherparse, in our order.
fn translate_options(options: &Options) -> Vec<TcpOptionElement> {
    let mut theirs = Vec::new();
    theirs.extend(options.mss.map(TcpOptionElement::MaximumSegmentSize));
    if options.sack_permitted {
        theirs.push(TcpOptionElement::SelectiveAcknowledgementPermitted);
    }
    theirs.extend(options.timestamps.map(|t| TcpOptionElement::Timestamp(t.value, t.echo)));
    theirs.extend(options.window_scale.map(TcpOptionElement::WindowScale));
    let mut blocks = options.sack.as_slice().iter().map(|(left, right)| (left.0, right.0));
    if let Some(first) = blocks.next() {
        let rest = [blocks.next(), blocks.next(), blocks.next()];
        theirs.push(TcpOptionElement::SelectiveAcknowledgement(first, rest));
    }
    theirs
}

fn calc_checksum(ip: &IpHeader, header: &TcpHeader, payload: &[u8]) -> u16 {
    match translate(ip, 0) {
        IpHeaders::Ipv4(ip, _) => header.calc_checksum_ipv4(&ip, payload).unwrap(),
        IpHeaders::Ipv6(ip, _) => header.calc_checksum_ipv6(&ip, payload).unwrap(),
    }
}

/// Reads the IP header and hands on what lies behind it.
fn open(octets: Vec<u8>) -> (IpHeader, Packet) {
    let packet = Packet::from(octets);
    let parsed = parse_ip(&packet).expect("etherparse writes what is well formed");
    (parsed.header, packet.narrow(parsed.payload))
}

proptest! {
    #[test]
    fn etherparse_reads_our_segments(ip in ip(Protocol::TCP), ported in ported()) {
        let packet = tcp::emit(&mut BytesMut::new(), &ip, ported.clone(), None, ChecksumMode::Full);
        let octets = packet.unwrap().to_vec();
        let theirs = PacketHeaders::from_ip_slice(&octets).unwrap();
        check_ip(&theirs, &ip, octets.len() - ip.emitted_len())?;
        prop_assert_eq!(theirs.payload.slice(), &ported.segment.payload[..]);
        let Some(TransportHeader::Tcp(header)) = theirs.transport else { panic!("no TCP header") };
        prop_assert_eq!(header.checksum, calc_checksum(&ip, &header, &ported.segment.payload));
        let mut expected = translate_tcp(&ported);
        expected.checksum = header.checksum;
        expected.options = header.options.clone();
        prop_assert_eq!(&header, &expected);
        let options: Vec<_> = header
            .options_iterator()
            .map(Result::unwrap)
            .filter(|option| *option != TcpOptionElement::Noop)
            .collect();
        prop_assert_eq!(options, translate_options(&ported.segment.options));
    }

    #[test]
    fn we_read_the_segments_of_etherparse(ip in ip(Protocol::TCP), mut ported in ported()) {
        ported.segment.ecn = Ecn::of(ip.tos);
        let mut header = translate_tcp(&ported);
        header.set_options(&translate_options(&ported.segment.options)).unwrap();
        let mut octets = Vec::new();
        PacketBuilder::ip(translate(&ip, 0))
            .tcp_header(header)
            .write(&mut octets, &ported.segment.payload)
            .unwrap();
        let (parsed, payload) = open(octets);
        prop_assert_eq!(&parsed, &ip);
        prop_assert_eq!(tcp::parse(&parsed, payload).unwrap(), ported);
    }

    #[test]
    fn datagrams_are_the_same_octets(
        ip in ip(Protocol::UDP), src_port: u16, dst_port: u16, payload: Vec<u8>,
    ) {
        let mut theirs = Vec::new();
        PacketBuilder::ip(translate(&ip, 0))
            .udp(src_port, dst_port)
            .write(&mut theirs, &payload)
            .unwrap();
        let datagram = Datagram { src_port, dst_port, payload: payload.into() };
        let ours = udp::emit(&mut BytesMut::new(), &ip, datagram.clone(), ChecksumMode::Full);
        prop_assert_eq!(ours.unwrap().to_vec(), &theirs[..]);
        let (parsed, payload) = open(theirs);
        prop_assert_eq!(udp::parse(&parsed, payload).unwrap(), datagram);
    }

    #[test]
    fn icmp_messages_are_the_same_octets(
        v4 in ipv4(), v6 in ipv6(), ident: u16, seq: u16, data: Vec<u8>, mtu in 0u16..,
    ) {
        let data = Bytes::from(data);
        let echo = Echo { ident, seq, data: data.clone() };
        let their_echo = etherparse::IcmpEchoHeader { id: ident, seq };
        let too_big = IcmpMessage::Error(IcmpError {
            kind: IcmpErrorKind::PacketTooBig { mtu: mtu.into() },
            quote: data.clone(),
        });
        let needed = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: mtu };
        let cases = [
            (
                IcmpMessage::EchoRequest(echo.clone()),
                Icmpv4Type::EchoRequest(their_echo),
                Icmpv6Type::EchoRequest(their_echo),
            ),
            (
                IcmpMessage::EchoReply(echo),
                Icmpv4Type::EchoReply(their_echo),
                Icmpv6Type::EchoReply(their_echo),
            ),
            (
                too_big,
                Icmpv4Type::DestinationUnreachable(needed),
                Icmpv6Type::PacketTooBig { mtu: mtu.into() },
            ),
        ];
        for (message, their_v4, their_v6) in cases {
            for header in [&v4, &v6] {
                let is_v4 = header.version() == IpVersion::V4;
                let protocol = if is_v4 { Protocol::ICMP } else { Protocol::ICMPV6 };
                let ip = IpHeader { protocol, ..header.clone() };
                let builder = PacketBuilder::ip(translate(&ip, 0));
                let mut theirs = Vec::new();
                if is_v4 {
                    builder.icmpv4(their_v4.clone()).write(&mut theirs, &data).unwrap();
                } else {
                    builder.icmpv6(their_v6).write(&mut theirs, &data).unwrap();
                }
                let ours = icmp::emit(&mut BytesMut::new(), &ip, message.clone()).unwrap();
                prop_assert_eq!(ours.to_vec(), &theirs[..]);
                let (parsed, payload) = open(theirs);
                prop_assert_eq!(icmp::parse(&parsed, payload).unwrap(), message.clone());
            }
        }
    }

    #[test]
    fn etherparse_reads_our_fragments(
        header in ip(Protocol::UDP), units in 0u16..4096, more: bool, ident: u32,
    ) {
        let fragment = Fragment { offset: units * 8, more };
        let ident = if header.version() == IpVersion::V4 { ident & 0xffff } else { ident };
        let header = IpHeader { fragment: Some(fragment), ident, ..header };
        let mut octets = BytesMut::new();
        emit_ip(&mut octets, &header, 8).unwrap();
        octets.resize(octets.len() + 8, 0);
        let theirs = PacketHeaders::from_ip_slice(&octets).unwrap();
        let read = match theirs.net {
            Some(NetHeaders::Ipv4(header, _)) => {
                prop_assert_eq!(header.header_checksum, header.calc_header_checksum());
                (header.fragment_offset, header.more_fragments, header.identification.into())
            }
            Some(NetHeaders::Ipv6(_, extensions)) => {
                let header = extensions.fragment.unwrap();
                (header.fragment_offset, header.more_fragments, header.identification)
            }
            other => panic!("no IP header: {other:?}"),
        };
        prop_assert_eq!((read.0.value(), read.1, read.2), (units, more, ident));
    }

    #[test]
    fn we_read_no_packet_that_etherparse_refuses(
        ip in ip(Protocol::TCP), ported in ported(), cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(), octet: u8,
    ) {
        let packet = tcp::emit(&mut BytesMut::new(), &ip, ported, None, ChecksumMode::Full);
        let mut octets = packet.unwrap().to_vec();
        let at = at.index(octets.len());
        octets[at] = octet;
        octets.truncate(cut.index(octets.len()) + 1);
        if PacketHeaders::from_ip_slice(&octets).is_err() {
            let packet = Packet::from(octets);
            let read = parse_ip(&packet)
                .and_then(|parsed| tcp::parse(&parsed.header, packet.narrow(parsed.payload)));
            prop_assert!(read.is_err());
        }
    }
}
