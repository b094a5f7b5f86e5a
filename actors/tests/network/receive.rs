//! What ip lets in, and what it hands to whom.

use std::time::Duration;

use netmart_actors::message::{DatagramsIn, OfProtocol};
use netmart_proto::wire::icmp::{IcmpErrorKind, IcmpMessage};
use netmart_proto::wire::{Fragment, IpHeader, Packet, Protocol};

use crate::bench::{
    Bench, Heard, OURS, OURS6, THEIRS, THEIRS6, icmp, icmp_protocol, ip, packets, read_icmp, udp,
    udp_with, with_octet,
};

const UDP: OfProtocol = OfProtocol { protocol: Protocol::UDP };
const TCP: OfProtocol = OfProtocol { protocol: Protocol::TCP };

fn with_udp() -> (Bench, Heard<DatagramsIn>) {
    let mut bench = Bench::with_ip();
    let heard = bench.subscribe::<DatagramsIn>(UDP.exactly());
    (bench, heard)
}

/// The destination ports of everything heard: enough to tell test datagrams apart.
fn ports(heard: &Heard<DatagramsIn>) -> Vec<u16> {
    let batches = heard.borrow_mut().split_off(0);
    let datagrams = batches.into_iter().flat_map(|batch| batch.datagrams);
    let head = |d: netmart_actors::message::Datagram| d.transport.into_bytes();
    datagrams.map(head).map(|head| u16::from_be_bytes([head[2], head[3]])).collect()
}

/// A packet with a payload of zeros, enough for any transport's ports.
fn of_protocol(from: &str, to: &str, protocol: Protocol) -> Packet {
    let header = IpHeader::new(ip(from), ip(to), protocol);
    udp_with(header, 1, 2, &[0; 12])
}

#[test]
fn datagrams_that_follow_each_other_travel_together_in_their_order() {
    let (mut bench, udp_heard) = with_udp();
    let tcp_heard = bench.subscribe::<DatagramsIn>(TCP.exactly());
    let port = |port| udp((THEIRS, 9), (OURS, port), b"x");
    bench.arrive(vec![port(1), port(2), of_protocol(THEIRS, OURS, Protocol::TCP), port(3)]);
    let sizes: Vec<usize> = udp_heard.borrow().iter().map(|batch| batch.datagrams.len()).collect();
    assert_eq!(sizes, [2, 1]);
    assert_eq!(ports(&udp_heard), [1, 2, 3]);
    assert_eq!(tcp_heard.borrow().len(), 1);
    bench.assert_discarded(&[]);
}

#[test]
fn only_packets_from_possible_sources_to_us_come_in() {
    let cases = [
        (THEIRS, OURS, None, "a neighbour"),
        ("198.51.100.9", OURS, None, "somebody far away"),
        (THEIRS6, OURS6, None, "a neighbour over IPv6"),
        (THEIRS, "192.0.2.255", None, "broadcast of the subnet"),
        (THEIRS, "255.255.255.255", None, "limited broadcast"),
        (THEIRS, "224.0.0.1", None, "all hosts"),
        (THEIRS6, "ff02::1", None, "all nodes"),
        (THEIRS, "192.0.2.77", Some("not_for_us"), "somebody else's"),
        (THEIRS6, "2001:db8::77", Some("not_for_us"), "somebody else's over IPv6"),
        (THEIRS, "224.0.0.251", Some("not_for_us"), "a group we are not in"),
        (THEIRS6, "ff02::16", Some("not_for_us"), "a group of routers"),
        (OURS, OURS, Some("martian_source"), "from ourselves, by wire"),
        ("127.0.0.1", OURS, Some("martian_source"), "from loopback, by wire"),
        ("::1", OURS6, Some("martian_source"), "from loopback, by wire"),
        ("0.0.0.0", OURS, Some("martian_source"), "from nobody"),
        ("::", OURS6, Some("martian_source"), "from nobody"),
        ("224.0.0.1", OURS, Some("martian_source"), "from a group"),
        ("192.0.2.255", OURS, Some("martian_source"), "from everybody"),
        (THEIRS, "127.0.0.1", Some("martian_destination"), "to loopback, by wire"),
        (THEIRS6, "::1", Some("martian_destination"), "to loopback, by wire"),
    ];
    for (from, to, refused, why) in cases {
        let (mut bench, heard) = with_udp();
        bench.arrive(vec![udp((from, 9), (to, 53), b"x")]);
        assert_eq!(ports(&heard), if refused.is_none() { vec![53] } else { vec![] }, "{why}");
        let expected = refused.map(|reason| (format!("ip/{reason}"), 1));
        assert_eq!(bench.discards().into_iter().next(), expected, "{why}");
    }
}

#[test]
fn tcp_to_many_is_dropped() {
    let mut bench = Bench::with_ip();
    let heard = bench.subscribe::<DatagramsIn>(TCP.exactly());
    bench.arrive(vec![of_protocol(THEIRS, "192.0.2.255", Protocol::TCP)]);
    assert_eq!(heard.borrow().len(), 0);
    bench.assert_discarded(&[("ip/not_for_us", 1)]);
}

#[test]
fn what_cannot_be_read_is_counted_by_its_fault() {
    let (mut bench, heard) = with_udp();
    let good = udp((THEIRS, 9), (OURS, 53), b"x");
    let bad_checksum = with_octet(&good, 8, 1);
    let bad_version = with_octet(&good, 0, 0x55);
    let truncated = good.clone().narrow(0..19);
    bench.arrive(vec![bad_checksum.clone(), bad_version, truncated, bad_checksum, good]);
    assert_eq!(ports(&heard), [53]);
    let expected = [("ip/bad_checksum", 2), ("ip/bad_version", 1), ("ip/truncated", 1)];
    bench.assert_discarded(&expected);
}

#[test]
fn a_protocol_that_nobody_wants_is_unreachable_until_somebody_does() {
    const SCTP: Protocol = Protocol(132);
    let mut bench = Bench::with_ip();
    let out = bench.packets_out();
    let (v4, v6) = (of_protocol(THEIRS, OURS, SCTP), of_protocol(THEIRS6, OURS6, SCTP));
    bench.arrive(vec![v4.clone(), v6.clone()]);
    bench.assert_discarded(&[("ip/unknown_protocol", 2)]);
    let out = packets(&out);
    let [to_v4, to_v6] = &out[..] else { panic!("{out:?}") };
    let (header, IcmpMessage::Error(error)) = read_icmp(to_v4) else { panic!() };
    assert_eq!((header.src, header.dst), (ip(OURS), ip(THEIRS)));
    assert_eq!(error.kind, IcmpErrorKind::Unreachable { code: 2 });
    assert_eq!(error.quote, v4.to_vec());
    let (header, IcmpMessage::Error(error)) = read_icmp(to_v6) else { panic!() };
    assert_eq!((header.src, header.dst), (ip(OURS6), ip(THEIRS6)));
    assert_eq!(error.kind, IcmpErrorKind::ParameterProblem { code: 1, pointer: 6 });
    assert_eq!(error.quote, v6.to_vec());

    let heard = bench.subscribe::<DatagramsIn>(OfProtocol { protocol: SCTP }.exactly());
    bench.arrive(vec![v4]);
    assert_eq!(heard.borrow().len(), 1);
    bench.assert_discarded(&[]);
}

#[test]
fn a_packet_without_a_payload_is_dropped_in_silence() {
    let mut bench = Bench::with_ip();
    let out = bench.packets_out();
    bench.arrive(vec![of_protocol(THEIRS6, OURS6, Protocol::NONE)]);
    assert_eq!(packets(&out), []);
    bench.assert_discarded(&[("ip/no_payload", 1)]);
}

/// An IPv6 packet with an extension header of 8 octets before its payload of UDP.
fn with_extension(to: &str, kind: u8, extension: [u8; 8]) -> Packet {
    let mut octets = udp((THEIRS6, 9), (to, 53), b"x").to_vec();
    octets[6] = kind;
    octets[5] += 8;
    octets.splice(40..40, extension);
    octets.into()
}

#[test]
fn an_extension_header_that_cannot_be_honoured_is_reported_as_rfc_8200_wants() {
    const DESTINATION_OPTIONS: u8 = 60;
    const ROUTING: u8 = 43;
    let udp = Protocol::UDP.0;
    let option = |kind| [udp, 0, kind, 0, 1, 2, 0, 0];
    let problem = |code, pointer| Some(IcmpErrorKind::ParameterProblem { code, pointer });
    let group = "ff02::1";
    type Case = (&'static str, u8, [u8; 8], Option<IcmpErrorKind>, &'static str);
    let cases: &[Case] = &[
        (OURS6, DESTINATION_OPTIONS, option(0x3e), None, "an option to be skipped"),
        (OURS6, DESTINATION_OPTIONS, option(0x7e), None, "an option to be discarded for"),
        (OURS6, DESTINATION_OPTIONS, option(0xbe), problem(2, 42), "an option to be reported"),
        (OURS6, DESTINATION_OPTIONS, option(0xfe), problem(2, 42), "to be reported to one host"),
        (group, DESTINATION_OPTIONS, option(0xbe), problem(2, 42), "to be reported even to many"),
        (group, DESTINATION_OPTIONS, option(0xfe), None, "not to be reported to many"),
        ("2001:db8::77", DESTINATION_OPTIONS, option(0xbe), None, "not for us at all"),
        (OURS6, ROUTING, [udp, 0, 0, 1, 0, 0, 0, 0], problem(0, 42), "to be routed on"),
        (
            OURS6,
            DESTINATION_OPTIONS,
            [132, 0, 1, 4, 0, 0, 0, 0],
            problem(1, 40),
            "unknown protocol",
        ),
    ];
    for (to, kind, extension, expected, why) in cases {
        let (mut bench, _heard) = with_udp();
        let out = bench.packets_out();
        let packet = with_extension(to, *kind, *extension);
        bench.arrive(vec![packet.clone()]);
        let out = packets(&out);
        let reports = out.iter().map(read_icmp).map(|(header, message)| {
            assert_eq!((header.src, header.dst), (ip(OURS6), ip(THEIRS6)), "{why}");
            let IcmpMessage::Error(error) = message else { panic!("{message:?}") };
            assert_eq!(error.quote, packet.to_vec(), "{why}");
            error.kind
        });
        assert_eq!(
            reports.collect::<Vec<_>>(),
            expected.iter().copied().collect::<Vec<_>>(),
            "{why}"
        );
    }
}

/// A datagram from their side to ours in fragments of at most `step` octets of payload.
fn fragments(from: &str, to: &str, port: u16, len: usize, step: usize) -> Vec<Packet> {
    let whole = udp((from, 9), (to, port), &vec![7; len]);
    let header_len = if ip(to).is_ipv4() { 20 } else { 40 };
    let transport = whole.to_vec().split_off(header_len);
    let pieces = transport.chunks(step).enumerate().map(|(number, piece)| {
        let offset = (number * step) as u16;
        let more = (number + 1) * step < transport.len();
        let header = IpHeader {
            ident: 77,
            dont_fragment: false,
            fragment: Some(Fragment { offset, more }),
            ..IpHeader::new(ip(from), ip(to), Protocol::UDP)
        };
        let mut packet = bytes::BytesMut::new();
        netmart_proto::wire::emit_ip(&mut packet, &header, piece.len()).unwrap();
        packet.extend_from_slice(piece);
        Packet::from(packet.freeze())
    });
    pieces.collect()
}

#[test]
fn fragments_are_put_together_before_they_are_handed_on() {
    for (from, to) in [(THEIRS, OURS), (THEIRS6, OURS6)] {
        let (mut bench, heard) = with_udp();
        let mut pieces = fragments(from, to, 53, 3000, 1000);
        pieces.reverse();
        let last = pieces.pop().unwrap();
        bench.arrive(pieces);
        assert_eq!(heard.borrow().len(), 0);
        bench.arrive(vec![last]);
        let heard = heard.borrow();
        let [batch] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(batch.datagrams[0].transport.len(), 3008);
        bench.assert_discarded(&[]);
        assert_eq!(bench.dataspace.next_deadline(), None, "nothing is waited for");
    }
}

#[test]
fn fragments_not_for_us_are_not_kept() {
    let (mut bench, _heard) = with_udp();
    bench.arrive(fragments(THEIRS, "192.0.2.77", 53, 3000, 1000));
    assert_eq!(bench.dataspace.next_deadline(), None);
    bench.assert_discarded(&[("ip/not_for_us", 4)]);
}

#[test]
fn an_incomplete_datagram_is_reported_to_its_sender_in_time() {
    for (from, to, seconds) in [(THEIRS, OURS, 30), (THEIRS6, OURS6, 60)] {
        let (mut bench, _heard) = with_udp();
        let out = bench.packets_out();
        let mut pieces = fragments(from, to, 53, 3000, 1000);
        let first = pieces[0].clone();
        pieces.pop();
        bench.arrive(pieces);
        bench.pass(Duration::from_secs(seconds - 1));
        assert_eq!(packets(&out), []);
        bench.pass(Duration::from_secs(1));
        let out = packets(&out);
        let [error] = &out[..] else { panic!("{out:?}") };
        let (header, IcmpMessage::Error(error)) = read_icmp(error) else { panic!() };
        assert_eq!((header.dst, error.kind), (ip(from), IcmpErrorKind::TimeExceeded { code: 1 }));
        assert!(first.to_vec().starts_with(&error.quote));
        bench.assert_discarded(&[("ip/reassembly_timed_out", 3)]);
        assert_eq!(bench.dataspace.next_deadline(), None);
    }
}

#[test]
fn an_incomplete_datagram_without_its_beginning_is_dropped_in_silence() {
    let (mut bench, _heard) = with_udp();
    let out = bench.packets_out();
    bench.arrive(fragments(THEIRS, OURS, 53, 3000, 1000).split_off(1));
    bench.pass(Duration::from_secs(30));
    assert_eq!(packets(&out), []);
    bench.assert_discarded(&[("ip/reassembly_timed_out", 3)]);
}

#[test]
fn overlapping_fragments_spoil_their_datagram() {
    for (from, to) in [(THEIRS, OURS), (THEIRS6, OURS6)] {
        let (mut bench, heard) = with_udp();
        let mut pieces = fragments(from, to, 53, 3000, 1000);
        pieces.insert(1, fragments(from, to, 53, 3000, 1008).remove(1));
        pieces.insert(2, fragments(from, to, 53, 3000, 1016).remove(1));
        bench.arrive(pieces);
        assert_eq!(heard.borrow().len(), 0);
        assert!(bench.discards()["ip/fragment_overlap"] > 0);
    }
}

#[test]
fn a_datagram_made_whole_may_begin_with_an_extension_header() {
    let (mut bench, heard) = with_udp();
    let whole = with_extension(OURS6, 60, [Protocol::UDP.0, 0, 1, 4, 0, 0, 0, 0]);
    let payload = whole.to_vec().split_off(40);
    let pieces = payload.chunks(8).enumerate().map(|(number, piece)| {
        let offset = number as u16 * 8;
        let more = usize::from(offset) + 8 < payload.len();
        let header = IpHeader {
            ident: 1,
            fragment: Some(Fragment { offset, more }),
            ..IpHeader::new(ip(THEIRS6), ip(OURS6), Protocol(60))
        };
        let mut packet = bytes::BytesMut::new();
        netmart_proto::wire::emit_ip(&mut packet, &header, piece.len()).unwrap();
        packet.extend_from_slice(piece);
        Packet::from(packet.freeze())
    });
    bench.arrive(pieces.collect());
    assert_eq!(ports(&heard), [53]);
}

#[test]
fn arbitrary_octets_cannot_make_it_fail() {
    let (mut bench, _heard) = with_udp();
    let seeds = [
        udp((THEIRS, 9), (OURS, 53), &[1; 40]),
        udp((THEIRS6, 9), (OURS6, 53), &[1; 40]),
        icmp(THEIRS, OURS, IcmpMessage::EchoRequest(Default::default())),
        fragments(THEIRS6, OURS6, 53, 100, 48).remove(1),
        with_extension(OURS6, 60, [17, 0, 1, 4, 0, 0, 0, 0]),
    ];
    assert_eq!(icmp_protocol(&ip(OURS)), Protocol::ICMP);
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut random = move |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for _ in 0..20_000 {
        let mut octets = seeds[random(seeds.len())].to_vec();
        for _ in 0..=random(4) {
            let at = random(octets.len());
            octets[at] = random(256) as u8;
        }
        octets.truncate(octets.len() - if random(4) == 0 { random(octets.len()) } else { 0 });
        bench.arrive(vec![octets.into()]);
    }
    assert_eq!(bench.dataspace.counters().panics, 0);
    bench.pass(Duration::from_secs(61));
    assert_eq!(bench.dataspace.next_deadline(), None, "nothing is left over");
}
