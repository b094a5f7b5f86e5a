//! Requirements of RFC 9293 that concern the whole cast (`docs/RFC.md` lists all).

mod common;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use common::apps::{Client, EchoServer, Idle, connection, pattern};
use common::{CLIENT, Cable, LINK, SERVER};
use netmart_actors::address::{HandleId, Local};
use netmart_actors::config::{Config, TcpConfigs};
use netmart_actors::message::{
    Connected, ConnectionPattern, InterfaceAddress, LinkCapabilities, Listening, ListeningPattern,
    OwnAddress, Refused, Terms,
};
use netmart_proto::tcp;
use netmart_proto::wire::tcp::{Flags, PortedSegment, Segment, SeqNumber, emit, parse};
use netmart_proto::wire::{ChecksumMode, IpHeader, IpVersion, Packet, Protocol, parse_ip};

const MS: Duration = Duration::from_millis(1);

/// A segment from `source` to the server's `port`.
fn forged(source: IpAddr, port: u16, segment: Segment) -> Packet {
    let header = IpHeader::new(source, SERVER, Protocol::TCP);
    let ported = PortedSegment { src_port: 4711, dst_port: port, segment };
    let mut arena = BytesMut::with_capacity(128);
    emit(&mut arena, &header, ported, None, ChecksumMode::Full).expect("it is short")
}

fn segment_of(packet: Packet) -> (IpHeader, Segment) {
    let parsed = parse_ip(&packet).expect("a packet of ours");
    let ported = parse(&parsed.header, packet.narrow(parsed.payload)).expect("a segment of ours");
    (parsed.header, ported.segment)
}

/// The headers and segments that cross the cable from now on.
fn overheard(cable: &mut Cable) -> Rc<RefCell<Vec<(IpHeader, Segment)>>> {
    let heard = Rc::<RefCell<Vec<_>>>::default();
    let noted = Rc::clone(&heard);
    cable.touch = Box::new(move |_, packet| {
        noted.borrow_mut().push(segment_of(packet.clone()));
        Some(packet)
    });
    heard
}

#[test]
fn the_mss_offered_fits_what_the_link_can_receive_must_67_shld_6() {
    let mut configs = TcpConfigs::new(tcp::Config::default());
    for mtu in [576, 1280, 1500, 9000] {
        let capabilities = LinkCapabilities { mtu, checksum_offload: false, gso_max: 0 };
        for (version, ip_header) in [(IpVersion::V4, 20), (IpVersion::V6, 40)] {
            let config = configs.over(capabilities, version);
            assert_eq!(config.mss, mtu - ip_header - 20, "MMS_R less the header of TCP");
        }
    }
    let mut cable = Cable::new();
    let heard = overheard(&mut cable);
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(MS);
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    cable.run_for(20 * MS);
    let offered: Vec<_> =
        heard.borrow().iter().filter_map(|(_, segment)| segment.options.mss).collect();
    assert_eq!(offered, [1460, 1460]);
}

#[test]
fn a_passive_handshake_that_is_reset_changes_nothing_for_its_listener_must_11_must_41() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(MS);
    let before = cable.server.dataspace.footprint().actors;
    let syn = Segment { flags: Flags::SYN, window: 1_000, ..Segment::default() };
    cable.server.deliver(vec![forged(CLIENT, 7, syn)], cable.now);
    cable.touch = Box::new(|_, _| None);
    cable.run_for(MS);
    assert_eq!(cable.server.dataspace.footprint().actors, before + 1);
    let reset = Segment { flags: Flags::RST, seq: SeqNumber(1), ..Segment::default() };
    cable.server.deliver(vec![forged(CLIENT, 7, reset)], cable.now);
    cable.run_for(MS);
    assert_eq!(cable.server.dataspace.footprint().actors, before);
    let listening: Vec<Listening> = cable.server.dataspace.facts(&ListeningPattern::any());
    let told: Vec<Refused> = cable.server.dataspace.facts(&ConnectionPattern::any());
    assert_eq!((listening.len(), told.len()), (1, 0), "nobody need know");
    cable.touch = Box::new(|_, packet| Some(packet));
    let story = Rc::default();
    cable.client.dataspace.spawn(Client::dial(1, 7, pattern(10), &story));
    cable.run_for(20 * MS);
    assert_eq!(story.borrow().received, pattern(10));
}

#[test]
fn a_listener_comes_to_a_port_that_a_connection_in_the_making_has_must_41_must_42() {
    let mut cable = Cable::new();
    cable.touch = Box::new(|_, _| None);
    let handle = Local::Handle(HandleId::new(1));
    cable.client.dataspace.assert(Terms { port: Some(4000), ..Terms::of(handle) }).keep();
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    cable.run_for(20 * MS);
    // The SYN is out and unanswered: the port is taken towards that end only.
    cable.client.dataspace.spawn(EchoServer::on(4000));
    cable.run_for(20 * MS);
    let listening: Vec<Listening> = cable.client.dataspace.facts(&ListeningPattern::any());
    assert_eq!(listening.iter().map(|fact| fact.at.port).collect::<Vec<_>>(), [4000]);
    // The connection is made all the same.
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.touch = Box::new(|_, packet| Some(packet));
    cable.run_for(Duration::from_secs(4));
    let connected: Vec<Connected> = cable.client.dataspace.facts(&ConnectionPattern::any());
    assert_eq!(connected.iter().map(|fact| fact.address.0.port).collect::<Vec<_>>(), [4000]);
}

#[test]
fn a_connection_keeps_the_address_it_began_with_must_44_must_45() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(MS);
    cable.client.dataspace.spawn(Client::dial(1, 7, pattern(3_000_000), &Rc::default()));
    cable.run_for(20 * MS);
    let heard = overheard(&mut cable);
    // An address that is nearer to the server than the first.
    let nearer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));
    let own = OwnAddress { link: LINK, ip: nearer };
    cable.client.dataspace.assert(InterfaceAddress { own, prefix_len: 30 }).keep();
    cable.client.dataspace.spawn(Idle::dial(&connection(2, 7)));
    cable.run_for(50 * MS);
    let heard = heard.borrow();
    let sources = |is_syn: bool| {
        let from_client = heard.iter().filter(|(header, segment)| {
            header.dst == SERVER && segment.flags.contains(Flags::SYN) == is_syn
        });
        from_client.map(|(header, _)| header.src).collect::<Vec<_>>()
    };
    assert_eq!(sources(true), [nearer], "a new connection asks the route");
    assert!(sources(false).iter().filter(|source| **source == CLIENT).count() > 10);
}

#[test]
fn a_syn_from_nobody_in_particular_is_ignored_must_63() {
    let invalid = [
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(10, 0, 0, 255),
        Ipv4Addr::LOCALHOST,
    ];
    for source in invalid {
        let mut cable = Cable::with(&Config::default());
        cable.server.dataspace.spawn(EchoServer::on(7));
        cable.run_for(MS);
        let before = cable.server.dataspace.footprint().actors;
        let syn = Segment { flags: Flags::SYN, window: 1_000, ..Segment::default() };
        cable.server.deliver(vec![forged(source.into(), 7, syn)], cable.now);
        let _ = cable.server.dataspace.run(cable.now);
        assert_eq!(cable.server.dataspace.footprint().actors, before, "{source}");
        assert!(cable.server.sent().is_empty(), "{source}");
    }
}
