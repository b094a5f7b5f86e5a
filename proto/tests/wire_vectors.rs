//! Packets written out by hand, octet by octet, and what they mean.

use bytes::{Bytes, BytesMut};
use netmart_proto::wire::icmp::{self, Echo, IcmpError, IcmpErrorKind, IcmpMessage, Quote};
use netmart_proto::wire::tcp::{
    self, Flags, Options, PortedSegment, SackBlocks, Segment, SeqNumber, Timestamps,
};
use netmart_proto::wire::udp::{self, Datagram};
use netmart_proto::wire::{
    ChecksumMode, ChecksumState, Fragment, IpHeader, Ipv4Option, Ipv4Options, Packet, Protocol,
    emit_ip, parse_ip,
};

/// Octets written as hexadecimal digits; blanks are for the reader.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The headers and the payload of a packet.
fn open(octets: Vec<u8>) -> (IpHeader, Packet) {
    let packet = Packet::from(octets);
    let parsed = parse_ip(&packet).expect("it is well formed");
    (parsed.header, packet.narrow(parsed.payload))
}

/// A SYN as Linux sends it: `<mss 1460,sackOK,TS val 2712847316 ecr 0,nop,wscale 7>`.
const SYN: &str = "4510 003c 5c11 4000 4006 f263 c000 0201 c633 6402
     9c40 0050 0000 0001 0000 0000 a002 faf0 5ebf 0000
     0204 05b4 0402 080a a1b2 c3d4 0000 0000 0103 0307";

#[test]
fn a_syn_with_the_usual_options() {
    let (ip, packet) = open(hex(SYN));
    let expected = IpHeader {
        tos: 0x10,
        ident: 0x5c11,
        ..IpHeader::new([192, 0, 2, 1].into(), [198, 51, 100, 2].into(), Protocol::TCP)
    };
    assert_eq!(ip, expected);
    let ported = tcp::parse(&ip, packet).unwrap();
    let expected = PortedSegment {
        src_port: 40_000,
        dst_port: 80,
        segment: Segment {
            seq: SeqNumber(1),
            flags: Flags::SYN,
            window: 64_240,
            options: Options {
                mss: Some(1460),
                window_scale: Some(7),
                sack_permitted: true,
                timestamps: Some(Timestamps { value: 0xa1b2_c3d4, echo: 0 }),
                ..Options::default()
            },
            ..Segment::default()
        },
    };
    assert_eq!(ported, expected);

    let emitted = tcp::emit(&mut BytesMut::new(), &ip, ported, None, ChecksumMode::Full).unwrap();
    assert_eq!(emitted.to_vec(), hex(SYN));
}

#[test]
fn a_segment_whose_payload_is_cut_off_at_the_stated_length() {
    let mut octets = hex("4500 0037 0000 4000 4006 26bf 0a00 0001 0a00 0002
         0050 9c40 1122 3344 5566 7788 8018 01f6 2968 0000
         0101 080a 0000 0001 0000 0002 6869 21");
    octets.extend([0xee; 11]);
    let (ip, packet) = open(octets);
    assert_eq!(packet.len(), 35);
    let segment = tcp::parse(&ip, packet).unwrap().segment;
    assert_eq!(segment.payload, &b"hi!"[..]);
    assert_eq!(segment.flags, Flags::PSH | Flags::ACK);
    assert_eq!(segment.seq, SeqNumber(0x1122_3344));
    assert_eq!(segment.ack, SeqNumber(0x5566_7788));
    assert_eq!(segment.options.timestamps, Some(Timestamps { value: 1, echo: 2 }));
}

#[test]
fn a_payload_is_a_slice_of_what_the_device_gave() {
    let (ip, body) = (header_v4(Protocol::TCP), Bytes::from(vec![7; 1000]));
    let segment = Segment { payload: body.clone(), ..Segment::default() };
    let ported = PortedSegment { segment, ..PortedSegment::default() };
    let sent = tcp::emit(&mut BytesMut::new(), &ip, ported, None, ChecksumMode::Full).unwrap();
    assert_eq!(sent.body.as_ptr(), body.as_ptr(), "sent without a copy");

    let whole = Packet::from(sent.to_vec());
    let begin = whole.head.as_ptr();
    let parsed = parse_ip(&whole).unwrap();
    let received = tcp::parse(&parsed.header, whole.narrow(parsed.payload)).unwrap();
    assert_eq!(received.segment.payload.as_ptr(), begin.wrapping_add(40), "received without one");
    assert_eq!(received.segment.payload, body);

    // In two pieces, as another stack of the same process sent it.
    let parsed = parse_ip(&sent).unwrap();
    let received = tcp::parse(&parsed.header, sent.narrow(parsed.payload)).unwrap();
    assert_eq!(received.segment.payload.as_ptr(), body.as_ptr());
}

#[test]
fn an_empty_payload_keeps_no_buffer_alive() {
    let octets = Bytes::from(hex(SYN));
    let packet = Packet::from(octets.clone());
    let parsed = parse_ip(&packet).unwrap();
    let _held = tcp::parse(&parsed.header, packet.narrow(parsed.payload)).unwrap();
    assert!(octets.is_unique());
}

fn header_v4(protocol: Protocol) -> IpHeader {
    IpHeader::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), protocol)
}

fn header_v6(protocol: Protocol) -> IpHeader {
    IpHeader::new("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap(), protocol)
}

#[test]
fn a_partial_checksum_is_the_sum_of_the_pseudo_header_and_can_be_completed() {
    for ip in [header_v4(Protocol::TCP), header_v6(Protocol::TCP)] {
        let mut sack = SackBlocks::default();
        sack.push(SeqNumber(5), SeqNumber(9));
        let segment = Segment {
            options: Options { sack, ..Options::default() },
            payload: Bytes::from_static(b"odd"),
            ..Segment::default()
        };
        let ported = PortedSegment { src_port: 1, dst_port: 2, segment };
        let emit = |gso, mode| tcp::emit(&mut BytesMut::new(), &ip, ported.clone(), gso, mode);
        let mut partial = emit(Some(1448), ChecksumMode::Partial).unwrap();
        let full = emit(None, ChecksumMode::Full).unwrap();
        let start = ip.emitted_len() as u16;
        assert_eq!(partial.offload.checksum, ChecksumState::Partial { start, offset: 16 });
        assert_eq!(partial.offload.gso_size, Some(1448));
        assert_ne!(partial.head, full.head);

        // Trusted as it is by the receiver, as coming from the same machine.
        let parsed = parse_ip(&partial).unwrap();
        let received = partial.clone().narrow(parsed.payload.clone());
        assert_eq!(
            received.offload.checksum,
            ChecksumState::Partial { start: 0, offset: 16 },
            "the place moves with the packet"
        );
        assert_eq!(tcp::parse(&parsed.header, received), Ok(ported.clone()));

        partial.complete_checksum();
        assert_eq!(partial.head, full.head);
        assert_eq!(partial.offload.checksum, ChecksumState::Unverified);
        let twice = partial.clone();
        partial.complete_checksum();
        assert_eq!(partial, twice);
    }
}

#[test]
fn a_udp_datagram_over_ipv6() {
    let octets = hex("6000 0000 000b 1140 2001 0db8 0000 0000 0000 0000 0000 0001
         2001 0db8 0000 0000 0000 0000 0000 0002
         04d2 0035 000b daf9 6162 63");
    let (ip, packet) = open(octets.clone());
    let datagram = udp::parse(&ip, packet).unwrap();
    let expected = Datagram { src_port: 1234, dst_port: 53, payload: Bytes::from_static(b"abc") };
    assert_eq!(datagram, expected);
    let emitted = udp::emit(&mut BytesMut::new(), &ip, datagram, ChecksumMode::Full).unwrap();
    assert_eq!(emitted.to_vec(), octets);
}

#[test]
fn a_udp_checksum_of_zero_is_written_as_all_ones() {
    // The payload that makes the sum of everything else come out as 0xffff.
    let ip = header_v4(Protocol::UDP);
    let datagram = |payload: [u8; 2]| Datagram {
        src_port: 1,
        dst_port: 1,
        payload: Bytes::copy_from_slice(&payload),
    };
    let emit = |payload| {
        udp::emit(&mut BytesMut::new(), &ip, datagram(payload), ChecksumMode::Full).unwrap()
    };
    let first = emit([0, 0]);
    let checksum = [first.head[26], first.head[27]];
    let packet = emit(checksum);
    assert_eq!(packet.head[26..28], [0xff, 0xff]);
    let parsed = parse_ip(&packet).unwrap();
    let read = udp::parse(&parsed.header, packet.narrow(parsed.payload));
    assert_eq!(read, Ok(datagram(checksum)));
}

#[test]
fn udp_without_a_checksum_is_taken_over_ipv4_and_cut_at_its_own_length() {
    let (ip, packet) = open(hex(
        "4500 0020 0000 4000 4011 26cb 0a00 0001 0a00 0002 0001 0002 000a 0000 6162 ffff",
    ));
    assert_eq!(packet.len(), 12);
    assert_eq!(udp::parse(&ip, packet).unwrap().payload, &b"ab"[..]);
}

#[test]
fn an_echo_request_and_its_reply() {
    let octets =
        hex("4500 0020 0001 4000 4001 26da 0a00 0001 0a00 0002 0800 2a26 1234 0001 6261 5943");
    let (ip, packet) = open(octets.clone());
    let IcmpMessage::EchoRequest(echo) = icmp::parse(&ip, packet).unwrap() else {
        panic!("it is an echo request")
    };
    let expected = Echo { ident: 0x1234, seq: 1, data: Bytes::from_static(b"baYC") };
    assert_eq!(echo, expected);
    let request = IcmpMessage::EchoRequest(echo.clone());
    let emitted = icmp::emit(&mut BytesMut::new(), &ip, request).unwrap();
    assert_eq!(emitted.to_vec(), octets);

    let reply = icmp::emit(&mut BytesMut::new(), &ip, IcmpMessage::EchoReply(echo)).unwrap();
    assert_eq!(reply.head[20..24], hex("0000 3226"));
}

#[test]
fn fragmentation_needed_quotes_a_segment_of_ours() {
    let quote = &hex(SYN)[..28];
    let octets = [&hex("0304 0000 0000 0578")[..], quote].concat();
    let ip = header_v4(Protocol::ICMP);
    let mut packet = Packet::from(octets);
    packet.offload.checksum = ChecksumState::Verified;
    let message = icmp::parse(&ip, packet).unwrap();
    let IcmpMessage::Error(IcmpError { kind, quote }) = message else { panic!("an error") };
    assert_eq!(kind, IcmpErrorKind::PacketTooBig { mtu: 1400 });
    let quote = Quote::parse(&quote).unwrap();
    assert_eq!(quote.ip.dst, core::net::IpAddr::from([198, 51, 100, 2]));
    assert_eq!(quote.ports, Some((40_000, 80)));
    assert_eq!(quote.seq, Some(SeqNumber(1)));
}

#[test]
fn a_quote_is_read_as_far_as_it_goes() {
    let syn = hex(SYN);
    for (len, ports, seq) in [
        (60, true, true),
        (28, true, true),
        (27, true, false),
        (24, true, false),
        (23, false, false),
        (20, false, false),
    ] {
        let quote = Quote::parse(&syn[..len]).unwrap();
        assert_eq!((quote.ports.is_some(), quote.seq.is_some()), (ports, seq), "{len} octets");
    }
    // Routers have counted down the time to live; some leave the checksum as it was.
    let mut stale = syn.clone();
    stale[8] = 1;
    assert_eq!(Quote::parse(&stale).unwrap().ip.ttl, 1);
    // What a later fragment begins with are no ports.
    let mut fragment = syn;
    fragment[7] = 1;
    let quote = Quote::parse(&fragment).unwrap();
    assert_eq!((quote.ports, quote.seq), (None, None));
}

#[test]
fn every_icmp_error_has_its_numbers() {
    use IcmpErrorKind::{PacketTooBig, ParameterProblem, SourceQuench, TimeExceeded, Unreachable};
    let v4 = [
        (Unreachable { code: 3 }, "0303 0000 0000"),
        (PacketTooBig { mtu: 1280 }, "0304 0000 0500"),
        (PacketTooBig { mtu: 70_000 }, "0304 0000 ffff"),
        (SourceQuench, "0400 0000 0000"),
        (TimeExceeded { code: 1 }, "0b01 0000 0000"),
        (ParameterProblem { code: 0, pointer: 20 }, "0c00 1400 0000"),
        (ParameterProblem { code: 0, pointer: 300 }, "0c00 ff00 0000"),
    ];
    let v6 = [
        (Unreachable { code: 4 }, "0104 0000 0000"),
        (PacketTooBig { mtu: 70_000 }, "0200 0001 1170"),
        (TimeExceeded { code: 0 }, "0300 0000 0000"),
        (ParameterProblem { code: 2, pointer: 300 }, "0402 0000 012c"),
    ];
    let v4 = v4.map(|(kind, octets)| (header_v4(Protocol::ICMP), kind, octets));
    let v6 = v6.map(|(kind, octets)| (header_v6(Protocol::ICMPV6), kind, octets));
    for (ip, kind, octets) in v4.into_iter().chain(v6) {
        let error = IcmpMessage::Error(IcmpError { kind, quote: Bytes::from_static(b"quote") });
        let packet = icmp::emit(&mut BytesMut::new(), &ip, error).unwrap();
        let message = packet.narrow(ip.emitted_len()..1000).to_vec();
        assert_eq!([&message[..2], &message[4..8]].concat(), hex(octets), "{kind:?}");
        assert_eq!(&message[8..], b"quote");
    }
}

#[test]
fn an_ipv4_fragment() {
    let fragment = Fragment { offset: 1480, more: true };
    let header = IpHeader {
        ident: 0xbeef,
        dont_fragment: false,
        fragment: Some(fragment),
        ..header_v4(Protocol::UDP)
    };
    let mut octets = BytesMut::new();
    emit_ip(&mut octets, &header, 8).unwrap();
    assert_eq!(octets[4..8], hex("beef 20b9"));
    octets.extend_from_slice(&[0; 8]);
    let (parsed, _) = open(octets.to_vec());
    assert_eq!(parsed, header);
}

#[test]
fn ipv4_options_are_told_one_by_one() {
    let octets = hex("01 8307 04 c0000201  01 4404 0500  0703 04  94 02  00 ff");
    let options = Ipv4Options::new(&octets).unwrap();
    assert_eq!(options.as_slice(), octets);
    let options: Vec<_> = options.iter().map(Result::unwrap).collect();
    let [
        Ipv4Option::LooseSourceRoute(route),
        Ipv4Option::Timestamp(timestamp),
        Ipv4Option::RecordRoute(record),
        Ipv4Option::Unknown { kind: 0x94, data: [] },
    ] = options[..]
    else {
        panic!("{options:?}")
    };
    assert!(route.addresses().eq([core::net::Ipv4Addr::new(192, 0, 2, 1)]));
    assert_eq!((route.pointer, route.is_complete()), (4, false));
    assert_eq!(timestamp, [5, 0]);
    assert!(record.is_complete());
    assert_eq!(Ipv4Options::new(&[1; 41]), None);
    assert!(Ipv4Options::new(&[]).unwrap().is_empty());
}

#[test]
fn ipv4_options_travel_with_their_header() {
    let options = Ipv4Options::new(&hex("8307 04 c0000201")).unwrap();
    let header = IpHeader { options, ..header_v4(Protocol::TCP) };
    let mut octets = BytesMut::new();
    emit_ip(&mut octets, &header, 0).unwrap();
    assert_eq!(octets.len(), 28);
    assert_eq!(octets[0], 0x47);
    assert_eq!(parse_ip(&octets.freeze().into()).unwrap().header, header);
}

/// An IPv6 header to a chain of extensions; `payload` octets in all.
fn ipv6(next: u8, payload: &str) -> Vec<u8> {
    let payload = hex(payload);
    let mut octets = hex("6120 3456 0000 0040");
    octets[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    octets[6] = next;
    octets.extend([0x20; 32]);
    octets.extend(payload);
    octets
}

#[test]
fn an_ipv6_chain_is_walked_to_its_end() {
    let chain = "2b00 0104 0000 0000
                 3c02 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000
                 2c00 1e04 0000 0000
                 0600 0000 1234 5678
                 ffff";
    let (header, packet) = open(ipv6(0, chain));
    assert_eq!(header.protocol, Protocol::TCP);
    assert_eq!(header.tos, 0x12);
    assert_eq!(header.flow_label, 0x03456);
    assert_eq!(header.ident, 0x1234_5678);
    assert_eq!(header.fragment, Some(Fragment::default()));
    assert!(header.fragment.unwrap().is_whole());
    assert_eq!(packet.to_vec(), [0xff, 0xff]);
}

#[test]
fn an_ipv6_fragment_is_not_walked_into() {
    let (header, packet) = open(ipv6(44, "3c00 0001 0000 0007  0600 0104 0000 0000"));
    assert_eq!(header.fragment, Some(Fragment { offset: 0, more: true }));
    assert_eq!(header.protocol, Protocol(60));
    assert_eq!(packet.len(), 8);
}

#[test]
fn a_packet_that_ends_its_chain_with_no_next_header_has_an_odd_payload() {
    let (header, packet) = open(ipv6(59, "01 02"));
    assert_eq!(header.protocol, Protocol::NONE);
    assert_eq!(packet.len(), 2);
}
