//! By which link a datagram leaves, in how many pieces, and what comes straight back.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use netmart_actors::clock::instant;
use netmart_actors::message::{
    DatagramsIn, DatagramsOut, IcmpErrorIn, OfProtocol, OutgoingDatagram,
};
use netmart_proto::wire::icmp::{IcmpError, IcmpErrorKind, IcmpMessage};
use netmart_proto::wire::{
    ChecksumMode, ChecksumState, Fragment, IpHeader, Offload, Packet, Protocol, parse_ip, tcp,
    udp as wire_udp,
};

use crate::bench::{
    Bench, OURS, OURS6, THEIRS, THEIRS6, icmp, ip, packets, read_udp, udp, udp_with,
};

const UDP: OfProtocol = OfProtocol { protocol: Protocol::UDP };
const TCP: OfProtocol = OfProtocol { protocol: Protocol::TCP };

fn out(of: OfProtocol, destination: &str, packet: Packet) -> DatagramsOut {
    let destination = ip(destination);
    DatagramsOut { of, datagrams: vec![OutgoingDatagram { destination, packet }] }
}

fn header(from: &str, to: &str, dont_fragment: bool) -> IpHeader {
    IpHeader { dont_fragment, ..IpHeader::new(ip(from), ip(to), Protocol::UDP) }
}

#[test]
fn a_batch_leaves_as_a_batch_in_its_order() {
    let mut bench = Bench::with_ip();
    let heard = bench.packets_out();
    let datagrams = (1..=3).map(|port| OutgoingDatagram {
        destination: ip(THEIRS),
        packet: udp((OURS, 9), (THEIRS, port), b"x"),
    });
    bench.inject(DatagramsOut { of: UDP, datagrams: datagrams.collect() });
    assert_eq!(heard.borrow().len(), 1);
    let ports: Vec<u16> = packets(&heard).iter().map(|p| read_udp(p).1.dst_port).collect();
    assert_eq!(ports, [1, 2, 3]);
}

#[test]
fn a_datagram_without_a_route_is_dropped() {
    let mut bench = Bench::with_ip();
    let heard = bench.packets_out();
    let to = "2001:db8:9::1";
    bench.inject(out(UDP, to, udp((OURS6, 9), (to, 53), b"x")));
    assert_eq!(packets(&heard), []);
    bench.assert_discarded(&[("ip/no_route", 1)]);
}

#[test]
fn what_we_send_to_ourselves_comes_straight_back_and_its_checksum_is_not_looked_at() {
    for address in [OURS, OURS6, "127.0.0.1", "::1"] {
        let mut bench = Bench::with_ip();
        let heard = bench.packets_out();
        let up = bench.subscribe::<DatagramsIn>(UDP.exactly());
        let header = IpHeader::new(ip(address), ip(address), Protocol::UDP);
        let datagram =
            wire_udp::Datagram { src_port: 9, dst_port: 53, payload: Bytes::from(vec![1; 20_000]) };
        for mode in [ChecksumMode::Full, ChecksumMode::Partial] {
            let packet =
                wire_udp::emit(&mut BytesMut::new(), &header, datagram.clone(), mode).unwrap();
            bench.inject(out(UDP, address, packet));
        }
        assert_eq!(packets(&heard), []);
        let up = up.borrow();
        let datagrams: Vec<_> = up.iter().flat_map(|batch| &batch.datagrams).collect();
        assert_eq!(datagrams.len(), 2);
        assert_eq!(up[0].at, instant(bench.now));
        for datagram in datagrams {
            assert_ne!(datagram.transport.offload.checksum, ChecksumState::Unverified);
            let read = wire_udp::parse(&datagram.header, datagram.transport.clone()).unwrap();
            assert_eq!(read.payload.len(), 20_000);
        }
        bench.assert_discarded(&[]);
    }
}

#[test]
fn a_partial_checksum_is_completed_for_a_device_that_does_not() {
    let mut bench = Bench::with_ip();
    let heard = bench.packets_out();
    let datagram =
        wire_udp::Datagram { src_port: 9, dst_port: 53, payload: Bytes::from_static(b"sum me") };
    let header = header(OURS, THEIRS, true);
    let packet =
        wire_udp::emit(&mut BytesMut::new(), &header, datagram, ChecksumMode::Partial).unwrap();
    bench.inject(out(UDP, THEIRS, packet));
    let sent = packets(&heard);
    assert_eq!(sent[0].offload.checksum, ChecksumState::Unverified);
    assert_eq!(read_udp(&sent[0]).1.payload, Bytes::from_static(b"sum me"));
}

/// The places of the fragments, and their payloads joined.
fn joined(sent: &[Packet]) -> (Vec<Fragment>, Vec<u8>) {
    let mut octets = Vec::new();
    let places = sent.iter().map(|packet| {
        let parsed = parse_ip(packet).unwrap();
        octets.extend_from_slice(&packet.clone().narrow(parsed.payload).to_vec());
        parsed.header.fragment.unwrap()
    });
    (places.collect(), octets)
}

#[test]
fn a_datagram_too_large_for_the_link_is_fragmented_if_it_may_be() {
    for (from, to, header_len) in [(OURS, THEIRS, 20), (OURS6, THEIRS6, 40)] {
        let mut bench = Bench::with_ip();
        let heard = bench.packets_out();
        let whole = udp_with(header(from, to, false), 9, 53, &[3; 4000]);
        bench.inject(out(UDP, to, whole.clone()));
        let sent = packets(&heard);
        assert!(sent.iter().all(|packet| packet.len() <= 1500));
        let (places, octets) = joined(&sent);
        assert_eq!(places.iter().map(|place| place.more).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(octets, whole.to_vec()[header_len..]);
        let idents: Vec<u32> = sent.iter().map(|p| parse_ip(p).unwrap().header.ident).collect();
        assert!(idents.iter().all(|ident| *ident == idents[0] && *ident != 0));
        bench.assert_discarded(&[]);
    }
}

#[test]
fn what_we_fragment_our_neighbour_puts_together() {
    for (ours, theirs) in [(OURS, THEIRS), (OURS6, THEIRS6)] {
        let mut sender = Bench::with_ip();
        let wire = sender.packets_out();
        // The neighbour has the same addresses as we have, so the datagram goes the other way round.
        let whole = udp_with(header(theirs, ours, false), 9, 53, &[3; 4000]);
        let datagram = OutgoingDatagram { destination: ip(theirs), packet: whole };
        sender.inject(DatagramsOut { of: UDP, datagrams: vec![datagram] });
        let mut receiver = Bench::with_ip();
        let up = receiver.subscribe::<DatagramsIn>(UDP.exactly());
        receiver.arrive(packets(&wire));
        let up = up.borrow();
        let datagram = &up[0].datagrams[0];
        let read = wire_udp::parse(&datagram.header, datagram.transport.clone()).unwrap();
        assert_eq!(read.payload, vec![3; 4000]);
    }
}

#[test]
fn a_sender_who_forbids_fragments_is_told_what_would_fit() {
    let mut bench = Bench::with_ip();
    let heard = bench.packets_out();
    let errors = bench.subscribe::<IcmpErrorIn>(UDP.exactly());
    bench.inject(out(UDP, THEIRS, udp_with(header(OURS, THEIRS, true), 9, 53, &[3; 4000])));
    assert_eq!(packets(&heard), []);
    let errors = errors.borrow();
    let [error] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(error.kind, IcmpErrorKind::PacketTooBig { mtu: 1500 });
    assert_eq!((error.local.0.port, error.remote.0.port), (9, 53));
    bench.assert_discarded(&[("ip/too_big", 1)]);
}

#[test]
fn tcp_over_ipv6_would_rather_know_than_be_fragmented() {
    let mut bench = Bench::with_ip();
    let heard = bench.packets_out();
    let errors = bench.subscribe::<IcmpErrorIn>(TCP.exactly());
    let header = IpHeader::new(ip(OURS6), ip(THEIRS6), Protocol::TCP);
    bench.inject(out(TCP, THEIRS6, udp_with(header, 9, 80, &[3; 4000])));
    assert_eq!(packets(&heard), []);
    assert_eq!(errors.borrow()[0].kind, IcmpErrorKind::PacketTooBig { mtu: 1500 });
    bench.assert_discarded(&[("ip/too_big", 1)]);
}

/// A super-segment of 4000 octets, to be cut into pieces of `size`.
fn super_segment(from: &str, to: &str, size: u16) -> Packet {
    let header = IpHeader::new(ip(from), ip(to), Protocol::TCP);
    let payload = Bytes::from(vec![3; 4000]);
    let segment = tcp::Segment { flags: tcp::Flags::ACK, payload, ..tcp::Segment::default() };
    let ported = tcp::PortedSegment { src_port: 9, dst_port: 80, segment };
    tcp::emit(&mut BytesMut::new(), &header, ported, Some(size), ChecksumMode::Partial).unwrap()
}

#[test]
fn a_super_segment_is_cut_for_a_link_whose_device_does_not() {
    for (from, to) in [(OURS, THEIRS), (OURS6, THEIRS6)] {
        let mut bench = Bench::with_ip();
        let heard = bench.packets_out();
        let datagram =
            || OutgoingDatagram { destination: ip(to), packet: super_segment(from, to, 1400) };
        bench.inject(DatagramsOut { of: TCP, datagrams: vec![datagram(), datagram()] });
        assert_eq!(heard.borrow().len(), 1, "they stay one batch");
        let parts = packets(&heard).into_iter().map(|packet| {
            assert_eq!(packet.offload, Offload::default());
            let parsed = parse_ip(&packet).unwrap();
            let read = tcp::parse(&parsed.header, packet.narrow(parsed.payload));
            let segment = read.expect("the checksums are complete").segment;
            (segment.seq.0, segment.payload.len())
        });
        let once = [(0, 1400), (1400, 1400), (2800, 1200)];
        assert_eq!(parts.collect::<Vec<_>>(), [once, once].concat());
        bench.assert_discarded(&[]);
    }
}

#[test]
fn a_super_segment_whose_pieces_are_too_big_for_the_link_is_told() {
    let mut bench = Bench::with_ip();
    let heard = bench.packets_out();
    let errors = bench.subscribe::<IcmpErrorIn>(TCP.exactly());
    bench.inject(out(TCP, THEIRS, super_segment(OURS, THEIRS, 1461)));
    assert_eq!((packets(&heard).len(), errors.borrow().len()), (0, 1));
    assert_eq!(errors.borrow()[0].kind, IcmpErrorKind::PacketTooBig { mtu: 1500 });
    bench.assert_discarded(&[("ip/too_big", 1)]);
}

#[test]
fn a_narrower_path_of_ipv6_is_remembered_for_a_while() {
    let mut bench = Bench::with_ip();
    let heard = bench.packets_out();
    let packet = udp((OURS6, 9), (THEIRS6, 53), &[3; 1400]);
    let sizes = |bench: &mut Bench| {
        bench.inject(out(UDP, THEIRS6, packet.clone()));
        packets(&heard).iter().map(Packet::len).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&mut bench), [1448]);
    let kind = IcmpErrorKind::PacketTooBig { mtu: 1300 };
    let quote = packet.clone().into_bytes();
    let error = IcmpMessage::Error(IcmpError { kind, quote });
    bench.arrive(vec![icmp("2001:db8::99", OURS6, error)]);
    assert_eq!(sizes(&mut bench), [1296, 208]);
    bench.pass(Duration::from_secs(600));
    assert_eq!(sizes(&mut bench), [1448]);
}
