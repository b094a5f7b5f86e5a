//! What is written can be read, what is read can be written again, and no octets make a parser panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Bytes, BytesMut};
use netmart_proto::wire::icmp::{self, Echo, IcmpError, IcmpErrorKind, IcmpMessage, Quote};
use netmart_proto::wire::tcp::{
    self, Flags, Options, PortedSegment, SackBlocks, Segment, SeqNumber, Timestamps,
};
use netmart_proto::wire::udp::{self, Datagram};
use netmart_proto::wire::{
    ChecksumMode, ChecksumState, Ecn, Fragment, IpHeader, IpVersion, Ipv4Options, Likeness, Packet,
    Protocol, checksum, emit_ip, parse_ip,
};
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

prop_compose! {
    fn fragment()(units in 0u16..4096, more: bool) -> Fragment {
        Fragment { offset: units * 8, more }
    }
}

prop_compose! {
    fn ipv4()(
        src: Ipv4Addr, dst: Ipv4Addr, ttl: u8, tos: u8, ident: u16, dont_fragment: bool,
        fragment in prop::option::of(fragment()),
        options in prop::collection::vec(any::<u8>(), 0..=40),
    ) -> IpHeader {
        IpHeader {
            ttl,
            tos,
            ident: ident.into(),
            dont_fragment,
            fragment: fragment.filter(|fragment| !fragment.is_whole()),
            options: Ipv4Options::new(&options).unwrap(),
            ..IpHeader::new(src.into(), dst.into(), Protocol::NONE)
        }
    }
}

prop_compose! {
    fn ipv6()(
        src: Ipv6Addr, dst: Ipv6Addr, ttl: u8, tos: u8, flow_label in 0u32..1 << 20,
        fragment in prop::option::of((fragment(), any::<u32>())),
    ) -> IpHeader {
        IpHeader {
            ttl,
            tos,
            flow_label,
            ident: fragment.map_or(0, |(_, ident)| ident),
            fragment: fragment.map(|(fragment, _)| fragment),
            ..IpHeader::new(src.into(), dst.into(), Protocol::NONE)
        }
    }
}

/// A header of either version; of a whole datagram, for what a transport stands behind.
fn whole(protocol: fn(IpVersion) -> Protocol) -> impl Strategy<Value = IpHeader> {
    prop_oneof![ipv4(), ipv6()].prop_map(move |header| IpHeader {
        protocol: protocol(header.version()),
        fragment: None,
        ident: if header.version() == IpVersion::V6 { 0 } else { header.ident },
        ..header
    })
}

fn icmp_of(version: IpVersion) -> Protocol {
    match version {
        IpVersion::V4 => Protocol::ICMP,
        IpVersion::V6 => Protocol::ICMPV6,
    }
}

fn octets(max: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

/// Options of kinds we do not know, one behind the other.
fn unknown_options() -> impl Strategy<Value = Option<Box<[u8]>>> {
    let option = (9u8..=255, prop::collection::vec(any::<u8>(), 0..12));
    prop::collection::vec(option, 0..4).prop_map(|options| {
        let octets: Vec<u8> = options
            .into_iter()
            .flat_map(|(kind, data)| [vec![kind, data.len() as u8 + 2], data].concat())
            .collect();
        (!octets.is_empty()).then(|| octets.into())
    })
}

prop_compose! {
    fn options()(
        mss: Option<u16>, window_scale: Option<u8>, sack_permitted: bool,
        timestamps: Option<(u32, u32)>,
        blocks in prop::collection::vec((any::<u32>(), any::<u32>()), 0..=4),
        unknown in unknown_options(),
    ) -> Options {
        let mut sack = SackBlocks::default();
        for (left, right) in blocks {
            sack.push(SeqNumber(left), SeqNumber(right));
        }
        let timestamps = timestamps.map(|(value, echo)| Timestamps { value, echo });
        Options { mss, window_scale, sack_permitted, sack, timestamps, unknown }
    }
}

prop_compose! {
    fn segment()(
        src_port: u16, dst_port: u16, seq: u32, ack: u32, flags in 0u16..0x200, window: u16,
        urgent: u16, options in options(), payload in octets(200),
    ) -> PortedSegment {
        let segment = Segment {
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            flags: Flags(flags),
            window,
            urgent,
            options,
            payload,
            ..Segment::default()
        };
        PortedSegment { src_port, dst_port, segment }
    }
}

fn error_kind() -> impl Strategy<Value = IcmpErrorKind> {
    prop_oneof![
        // 4 is what "packet too big" is called in IPv4.
        (0u8..4).prop_map(|code| IcmpErrorKind::Unreachable { code }),
        (5u8..).prop_map(|code| IcmpErrorKind::Unreachable { code }),
        (0u32..65_536).prop_map(|mtu| IcmpErrorKind::PacketTooBig { mtu }),
        any::<u8>().prop_map(|code| IcmpErrorKind::TimeExceeded { code }),
        (any::<u8>(), 0u32..256)
            .prop_map(|(code, pointer)| IcmpErrorKind::ParameterProblem { code, pointer }),
    ]
}

fn message() -> impl Strategy<Value = IcmpMessage> {
    let echo = || {
        (any::<u16>(), any::<u16>(), octets(100)).prop_map(|(ident, seq, data)| Echo {
            ident,
            seq,
            data,
        })
    };
    prop_oneof![
        echo().prop_map(IcmpMessage::EchoRequest),
        echo().prop_map(IcmpMessage::EchoReply),
        (error_kind(), octets(100))
            .prop_map(|(kind, quote)| IcmpMessage::Error(IcmpError { kind, quote })),
        (13u8..128, any::<u8>(), octets(100)).prop_map(|(kind, code, rest)| IcmpMessage::Unknown {
            kind,
            code,
            rest
        }),
    ]
}

fn mode() -> impl Strategy<Value = ChecksumMode> {
    prop_oneof![Just(ChecksumMode::Full), Just(ChecksumMode::Partial)]
}

/// Reads the IP header back and hands on what lies behind it.
fn open(packet: Packet) -> (IpHeader, Packet) {
    let parsed = parse_ip(&packet).expect("what we emit is well formed");
    (parsed.header, packet.narrow(parsed.payload))
}

/// Any whole packet of ours, in one piece.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let tcp = (whole(|_| Protocol::TCP), segment()).prop_map(|(ip, segment)| {
        tcp::emit(&mut BytesMut::new(), &ip, segment, None, ChecksumMode::Full)
    });
    let udp = (whole(|_| Protocol::UDP), octets(50)).prop_map(|(ip, payload)| {
        let datagram = Datagram { src_port: 1, dst_port: 2, payload };
        udp::emit(&mut BytesMut::new(), &ip, datagram, ChecksumMode::Full)
    });
    let icmp = (whole(icmp_of), message())
        .prop_map(|(ip, message)| icmp::emit(&mut BytesMut::new(), &ip, message));
    prop_oneof![tcp, udp, icmp].prop_map(|packet| packet.unwrap().to_vec())
}

/// Reads octets with every parser that may meet them, and writes again what could be read.
fn read_everything(octets: &[u8], state: ChecksumState) -> Result<(), TestCaseError> {
    let mut packet = Packet::from(octets.to_vec());
    packet.offload.checksum = state;
    let _ = Quote::parse(octets);
    let Ok(parsed) = parse_ip(&packet) else { return Ok(()) };
    prop_assert!(parsed.payload.start <= parsed.payload.end);
    prop_assert!(parsed.payload.end <= packet.len());
    prop_assert!(parsed.header.options.iter().count() <= 40);
    // What comes back may be shorter, padding gone, and then no longer fit a fragment.
    let ip = IpHeader { fragment: None, ..parsed.header };
    let payload = packet.narrow(parsed.payload);
    if ip.protocol == Protocol::TCP
        && let Ok(ported) = tcp::parse(&ip, payload.clone())
    {
        let again = tcp::emit(&mut BytesMut::new(), &ip, ported.clone(), None, ChecksumMode::Full);
        let (_, again) = open(again.unwrap());
        prop_assert_eq!(tcp::parse(&ip, again).unwrap(), ported);
    }
    if ip.protocol == Protocol::UDP
        && let Ok(datagram) = udp::parse(&ip, payload.clone())
    {
        let again = udp::emit(&mut BytesMut::new(), &ip, datagram.clone(), ChecksumMode::Full);
        let (_, again) = open(again.unwrap());
        prop_assert_eq!(udp::parse(&ip, again).unwrap(), datagram);
    }
    if ip.protocol == icmp_of(ip.version())
        && let Ok(message) = icmp::parse(&ip, payload)
    {
        let again = icmp::emit(&mut BytesMut::new(), &ip, message.clone()).unwrap();
        let (_, again) = open(again);
        prop_assert_eq!(icmp::parse(&ip, again).unwrap(), message);
    }
    Ok(())
}

/// Makes the header checksum of IPv4 right again, so that a mutated packet comes further than that.
fn repair(octets: &mut [u8]) {
    let Some(first) = octets.first() else { return };
    let len = usize::from(first & 0xf) * 4;
    if first >> 4 == 4 && (20..=octets.len()).contains(&len) {
        octets[10..12].fill(0);
        let checksum = checksum(&octets[..len]);
        octets[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
}

proptest! {
    #[test]
    fn an_ip_header_comes_back(header in prop_oneof![ipv4(), ipv6()], units in 0usize..1000) {
        // Whole units, so that a fragment may have them; and none that reaches too far.
        let payload = units * 8;
        let offset = header.fragment.map_or(0, |fragment| usize::from(fragment.offset));
        prop_assume!(offset + payload + header.emitted_len() <= 65_535);
        let mut arena = BytesMut::new();
        emit_ip(&mut arena, &header, payload).unwrap();
        prop_assert_eq!(arena.len(), header.emitted_len());
        arena.resize(arena.len() + payload + 3, 0);
        let (parsed, rest) = open(arena.freeze().into());
        prop_assert_eq!(parsed, header);
        prop_assert_eq!(rest.len(), payload);
    }

    #[test]
    fn a_segment_comes_back(
        ip in whole(|_| Protocol::TCP), mut ported in segment(), mode in mode(), gso: Option<u16>,
    ) {
        ported.segment.ecn = Ecn::of(ip.tos);
        let sent = tcp::emit(&mut BytesMut::new(), &ip, ported.clone(), gso, mode).unwrap();
        prop_assert_eq!(&sent.body, &ported.segment.payload);
        prop_assert_eq!(sent.offload.gso_size, gso);
        let (parsed, payload) = open(sent);
        prop_assert_eq!(&parsed, &ip);
        let mut received = tcp::parse(&ip, payload).unwrap();
        // Of the options what fits comes back; of SACK blocks and unknown ones, the first.
        let (got, want) = (&mut received.segment.options, &ported.segment.options);
        prop_assert!(want.sack.as_slice().starts_with(got.sack.as_slice()));
        let (octets, whole) = (got.unknown.take(), want.unknown.as_deref());
        let octets = octets.unwrap_or_default();
        prop_assert!(whole.unwrap_or_default().starts_with(&octets));
        got.sack.clone_from(&want.sack);
        got.unknown.clone_from(&want.unknown);
        prop_assert_eq!(received, ported);
    }

    #[test]
    fn what_is_recognised_is_what_would_have_been_read(
        first in prop_oneof![ipv4(), ipv6()], ident: u16, other in prop_oneof![ipv4(), ipv6()],
        (plain, same, len, padding) in (any::<bool>(), any::<bool>(), 0usize..300, 0usize..3),
        spoilt in prop::option::weighted(0.3, (0usize..40, any::<u8>())),
    ) {
        let tidy = |header: IpHeader| match plain {
            true => IpHeader {
                fragment: None, dont_fragment: true, options: <_>::default(), protocol: Protocol::TCP,
                ..header
            },
            false => header,
        };
        let packet = |header: &IpHeader, len, padding| {
            let mut octets = BytesMut::new();
            emit_ip(&mut octets, header, len).ok()?;
            octets.resize(octets.len() + len + padding, 7);
            Some(octets)
        };
        let first = tidy(first);
        let second = if same { IpHeader { ident: ident.into(), ..first.clone() } } else { tidy(other) };
        let (Some(one), Some(mut two)) = (packet(&first, 8, 0), packet(&second, len, padding)) else {
            return Ok(());
        };
        if let Some((at, octet)) = spoilt && at < two.len() {
            two[at] ^= octet;
        }
        let (one, two) = (Packet::from(one.freeze()), Packet::from(two.freeze()));
        let Ok(parsed) = parse_ip(&one) else { return Ok(()) };
        let likeness = Likeness::of(&one, &parsed);
        prop_assert!(likeness.is_some() || !plain);
        let recognised = likeness.and_then(|likeness| likeness.payload_of(&two));
        prop_assert!(recognised.is_some() || !(plain && same && spoilt.is_none() && len > 0));
        if let Some(payload) = recognised {
            let read = parse_ip(&two).unwrap();
            prop_assert_eq!(read.payload, payload);
            let ident = if read.header.version() == IpVersion::V4 { read.header.ident } else { 0 };
            prop_assert_eq!(read.header, IpHeader { ident, ..parsed.header });
        }
    }

    #[test]
    fn a_super_segment_is_cut_into_what_would_have_been_written_one_by_one(
        ip in whole(|_| Protocol::TCP), ported in segment(), payload in octets(3000), size in 1u16..1500,
        mode in mode(),
    ) {
        let mut ported = ported;
        ported.segment.payload = payload;
        let whole = &ported.segment.payload;
        let emit = |ported, gso, mode| tcp::emit(&mut BytesMut::new(), &ip, ported, gso, mode).unwrap();
        let one_by_one = whole.chunks(size.into()).enumerate().map(|(index, payload)| {
            let mut piece = ported.clone();
            let offset = index * usize::from(size);
            piece.segment.seq += offset as u32;
            piece.segment.payload = whole.slice_ref(payload);
            if offset > 0 {
                piece.segment.flags.0 &= !Flags::CWR.0;
            }
            if offset + payload.len() < whole.len() {
                piece.segment.flags.0 &= !(Flags::PSH | Flags::FIN).0;
            }
            emit(piece, None, mode)
        });
        let packet = emit(ported.clone(), Some(size), ChecksumMode::Partial);
        let pieces = tcp::split(&mut BytesMut::new(), packet, mode);
        prop_assert_eq!(pieces.is_some(), !whole.is_empty());
        let pieces: Vec<Packet> = pieces.into_iter().flatten().collect();
        prop_assert_eq!(pieces, one_by_one.collect::<Vec<_>>());
    }

    #[test]
    fn a_datagram_comes_back(
        ip in whole(|_| Protocol::UDP),
        src_port: u16, dst_port: u16, payload in octets(200), mode in mode(),
    ) {
        let datagram = Datagram { src_port, dst_port, payload };
        let sent = udp::emit(&mut BytesMut::new(), &ip, datagram.clone(), mode).unwrap();
        let (parsed, payload) = open(sent);
        prop_assert_eq!(udp::parse(&parsed, payload).unwrap(), datagram);
    }

    #[test]
    fn an_icmp_message_comes_back(ip in whole(icmp_of), message in message()) {
        let sent = icmp::emit(&mut BytesMut::new(), &ip, message.clone()).unwrap();
        let (parsed, payload) = open(sent);
        prop_assert_eq!(icmp::parse(&parsed, payload).unwrap(), message);
    }

    #[test]
    fn one_arena_serves_many_packets(
        ip in whole(|_| Protocol::TCP), segments in prop::collection::vec(segment(), 1..20),
    ) {
        let mut arena = BytesMut::with_capacity(500);
        let emit = |arena: &mut BytesMut, ported: &PortedSegment| {
            tcp::emit(arena, &ip, ported.clone(), None, ChecksumMode::Full).unwrap()
        };
        let packets: Vec<_> = segments.iter().map(|ported| emit(&mut arena, ported)).collect();
        for (packet, ported) in packets.iter().zip(&segments) {
            prop_assert_eq!(packet, &emit(&mut BytesMut::new(), ported));
        }
    }

    #[test]
    fn a_narrowed_packet_is_what_a_slice_would_be(
        head in octets(50), body in octets(50), begin in 0usize..110, len in 0usize..110,
    ) {
        let packet = Packet { head, body, ..Packet::default() };
        let whole = packet.to_vec();
        let range = begin..begin + len;
        let slice = &whole[begin.min(whole.len())..range.end.min(whole.len())];
        let narrowed = packet.clone().narrow(range);
        prop_assert_eq!(narrowed.to_vec(), slice);
        prop_assert_eq!(narrowed.len(), slice.len());
        prop_assert_eq!(narrowed.clone().into_bytes(), slice);
        let mut buffer = vec![0; slice.len()];
        prop_assert_eq!(narrowed.copy_to(&mut buffer), Some(slice.len()));
        prop_assert_eq!(&buffer, slice);
        if let Some(short) = slice.len().checked_sub(1) {
            prop_assert_eq!(narrowed.copy_to(&mut buffer[..short]), None);
        }
    }

    #[test]
    fn no_octets_make_a_parser_panic(mut octets in prop::collection::vec(any::<u8>(), 0..200)) {
        for first in [0x45, 0x4f, 0x60] {
            if let Some(octet) = octets.first_mut() {
                *octet = first;
            }
            read_everything(&octets, ChecksumState::Verified)?;
            read_everything(&octets, ChecksumState::Unverified)?;
            for ip in [
                IpHeader::new(IpAddr::from([0; 4]), IpAddr::from([0; 4]), Protocol::TCP),
                IpHeader::new(IpAddr::from([0; 16]), IpAddr::from([0; 16]), Protocol::TCP),
            ] {
                let mut packet = Packet::from(octets.clone());
                packet.offload.checksum = ChecksumState::Partial { start: 7, offset: 900 };
                let _ = tcp::parse(&ip, packet.clone());
                let _ = udp::parse(&ip, packet.clone());
                let _ = icmp::parse(&ip, packet.clone());
                packet.complete_checksum();
            }
        }
    }

    #[test]
    fn no_mutation_of_a_good_packet_makes_a_parser_panic(
        good in packet(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut octets = good;
        for (at, octet) in mutations {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if let Some(cut) = cut {
            octets.truncate(cut.index(octets.len()));
        }
        repair(&mut octets);
        read_everything(&octets, ChecksumState::Verified)?;
        read_everything(&octets, ChecksumState::Unverified)?;
    }
}

#[test]
fn fifty_thousand_flips_from_one_seed_make_no_parser_panic() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(9293);
    let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
    let ips = [
        IpHeader::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), Protocol::TCP),
        IpHeader::new(IpAddr::from([1; 16]), IpAddr::from([2; 16]), Protocol::TCP),
    ];
    let mut sack = SackBlocks::default();
    sack.push(SeqNumber(1), SeqNumber(2));
    let options = Options { timestamps: Some(Timestamps::default()), sack, ..Options::default() };
    let segment = Segment { options, payload: vec![1; 9].into(), ..Segment::default() };
    let ported = PortedSegment { segment, ..PortedSegment::default() };
    let good = ips.map(|ip| {
        let packet = tcp::emit(&mut BytesMut::new(), &ip, ported.clone(), None, ChecksumMode::Full);
        packet.unwrap().to_vec()
    });
    for round in 0..50_000 {
        let mut octets = good[round % 2].clone();
        for _ in 0..=below(3) {
            let at = below(octets.len());
            octets[at] ^= 1 << below(8);
        }
        if below(4) == 0 {
            octets.truncate(below(octets.len()));
        }
        repair(&mut octets);
        read_everything(&octets, ChecksumState::Verified).unwrap();
    }
}
