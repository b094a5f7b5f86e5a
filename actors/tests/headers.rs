//! What IP headers say besides their ends, and what the network says of packets.

mod common;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use common::apps::{Client, EchoServer, Idle, Story, connection, pattern};
use common::{CLIENT, Cable, SERVER};
use netmart_actors::address::FlowPattern;
use netmart_actors::address::{Direction, HandleId, Local};
use netmart_actors::config::Config;
use netmart_actors::message::{
    Body, Channel, ChannelKey, ChannelPattern, Connected, ConnectionPattern, PacketTerms,
    PathDoubted, Setting, Terms,
};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn, Topic};
use netmart_proto::tcp::{IcmpKind, Trouble};
use netmart_proto::wire::icmp::{self, IcmpError, IcmpErrorKind, IcmpMessage};
use netmart_proto::wire::{
    Dscp, IpHeader, Ipv4Options, Packet, Protocol, SourceRoute, checksum, parse_ip,
};

const HANDLE: Local = Local::Handle(HandleId::new(1));

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);

const MS: Duration = Duration::from_millis(1);

type Shared<T> = Rc<RefCell<Vec<T>>>;

/// Lets the cable note the headers of all packets.
fn note_headers(cable: &mut Cable) -> Shared<IpHeader> {
    let headers = Shared::default();
    let noted = Rc::clone(&headers);
    cable.touch = Box::new(move |_, packet| {
        noted.borrow_mut().push(parse_ip(&packet).expect("a packet of ours").header);
        Some(packet)
    });
    headers
}

/// What the packets from `source` say: time to live and Diffserv code point, repetitions left out.
fn said(headers: &Shared<IpHeader>, source: IpAddr) -> Vec<(u8, u8)> {
    let headers = headers.take();
    let from = headers.iter().filter(|header| header.src == source);
    let mut said: Vec<_> = from.map(|header| (header.ttl, Dscp::of(header.tos).bits())).collect();
    said.dedup();
    said
}

fn packets(ttl: u8, dscp: u8) -> Option<Rc<PacketTerms>> {
    let (ttl, dscp) = (NonZeroU8::new(ttl), Dscp::new(dscp));
    Some(Rc::new(PacketTerms { ttl, dscp, source_route: None }))
}

fn serve_and_dial(cable: &mut Cable, data: usize) -> Rc<RefCell<Story>> {
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(MS);
    let story = Rc::default();
    cable.client.dataspace.spawn(Client::dial(1, 7, pattern(data), &story));
    story
}

/// The client's end at kernel level, once it is connected.
fn outbound(cable: &Cable) -> ChannelKey {
    let connected: Vec<Connected> = cable.client.dataspace.facts(&ConnectionPattern::any());
    let connection = connected.first().expect("it is connected");
    let local = Local::Address(connection.address);
    ChannelKey {
        direction: Direction::Outbound,
        local,
        remote: connection.connection.remote,
        ip: None,
    }
}

fn set(cable: &mut Cable, setting: Setting) {
    let message = Channel { key: outbound(cable), body: Body::Set(setting) };
    cable.client.dataspace.inject(message).expect("there is room");
    cable.run_for(MS);
}

#[test]
fn time_to_live_and_diffserv_are_those_of_the_stack_or_of_the_terms_must_48_must_49() {
    let dscp = Dscp::new(10).expect("six bits");
    let config = Config { ttl: 77, dscp, ..Config::default() };
    let mut cable = Cable::with(&config);
    let headers = note_headers(&mut cable);
    serve_and_dial(&mut cable, 10);
    cable.run_for(20 * MS);
    assert_eq!(said(&headers, CLIENT), [(77, 10)]);

    let mut cable = Cable::with(&config);
    let headers = note_headers(&mut cable);
    let terms = Terms { packets: packets(3, 46), ..Terms::of(HANDLE) };
    cable.client.dataspace.assert(terms).keep();
    serve_and_dial(&mut cable, 10);
    cable.run_for(20 * MS);
    assert_eq!(said(&headers, CLIENT), [(3, 46)], "from the SYN on");
}

#[test]
fn they_change_with_the_next_segment_shld_21_shld_22() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(MS);
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    cable.run_for(20 * MS);
    let headers = note_headers(&mut cable);
    set(&mut cable, Setting::Diffserv(Dscp::new(63)));
    set(&mut cable, Setting::TimeToLive(NonZeroU8::new(1)));
    let data = Body::Data([pattern(10)].into_iter().collect());
    let message = Channel { key: outbound(&cable), body: data };
    cable.client.dataspace.inject(message).expect("there is room");
    cable.run_for(MS);
    assert_eq!(said(&headers, CLIENT), [(1, 63)]);
    set(&mut cable, Setting::TimeToLive(None));
    let message = Channel { key: outbound(&cable), body: Body::End };
    cable.client.dataspace.inject(message).expect("there is room");
    cable.run_for(20 * MS);
    assert_eq!(said(&headers, CLIENT), [(64, 63)]);
}

/// A router that packets name in their source route: sends them on as RFC 791 section 3.1 says.
fn route_on(packet: Packet, router: Ipv4Addr) -> Packet {
    let header = parse_ip(&packet).expect("a packet of ours").header;
    if header.dst != IpAddr::from(router) || !SourceRoute::is_under_way(&header) {
        return packet;
    }
    let mut octets = packet.to_vec();
    // The option stands behind one octet of padding: type, length, pointer.
    let slot = 21 + usize::from(octets[23]) - 1;
    let next: [u8; 4] = octets[slot..slot + 4].try_into().expect("four octets");
    octets[16..20].copy_from_slice(&next);
    octets[slot..slot + 4].copy_from_slice(&router.octets());
    octets[23] += 4;
    octets[10..12].fill(0);
    let header_len = usize::from(octets[0] & 0xf) * 4;
    let sum = checksum(&octets[..header_len]);
    octets[10..12].copy_from_slice(&sum.to_be_bytes());
    octets.into()
}

/// Where packets from `source` have gone, repetitions left out.
fn next_hops(headers: &Shared<IpHeader>, source: IpAddr) -> Vec<IpAddr> {
    let headers = headers.borrow();
    let mut hops: Vec<_> =
        headers.iter().filter(|header| header.src == source).map(|header| header.dst).collect();
    hops.dedup();
    hops
}

/// A cable with [`ROUTER`] on it, and what it saw.
fn routed(config: &Config) -> (Cable, Shared<IpHeader>) {
    let mut cable = Cable::with(config);
    let headers = Shared::default();
    let noted: Shared<IpHeader> = Rc::clone(&headers);
    cable.touch = Box::new(move |_, packet| {
        noted.borrow_mut().push(parse_ip(&packet).expect("a packet of ours").header);
        Some(route_on(packet, ROUTER))
    });
    (cable, headers)
}

fn by_router() -> Terms {
    let source_route = SourceRoute::new(false, &[ROUTER]);
    let packets = Some(Rc::new(PacketTerms { source_route, ..PacketTerms::default() }));
    Terms { packets, ..Terms::of(HANDLE) }
}

#[test]
fn a_source_route_is_taken_on_dialling_and_answered_in_reverse_must_51_must_53() {
    let cases = [(true, IpAddr::from(ROUTER)), (false, CLIENT)];
    for (accept_source_routes, answers_go_to) in cases {
        let config = Config { accept_source_routes, ..Config::default() };
        let (mut cable, headers) = routed(&config);
        cable.client.dataspace.assert(by_router()).keep();
        let story = serve_and_dial(&mut cable, 100_000);
        cable.run_for(1_000 * MS);
        assert_eq!(story.borrow().received, pattern(100_000));
        assert_eq!(next_hops(&headers, CLIENT), [IpAddr::from(ROUTER)]);
        assert_eq!(next_hops(&headers, SERVER), [answers_go_to], "from the SYN and ACK on");
    }
}

#[test]
fn the_route_of_the_application_takes_precedence_must_52() {
    const ANOTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 51);
    let config = Config { accept_source_routes: true, ..Config::default() };
    let mut cable = Cable::with(&config);
    let headers = Shared::default();
    let noted: Shared<IpHeader> = Rc::clone(&headers);
    cable.touch = Box::new(move |_, packet| {
        noted.borrow_mut().push(parse_ip(&packet).expect("a packet of ours").header);
        Some(route_on(route_on(packet, ROUTER), ANOTHER))
    });
    cable.client.dataspace.assert(by_router()).keep();
    let source_route = SourceRoute::new(true, &[ANOTHER]);
    let packets = Some(Rc::new(PacketTerms { source_route, ..PacketTerms::default() }));
    let listener = Local::Listener(netmart_actors::address::Listener::on(7));
    cable.server.dataspace.assert(Terms { packets, ..Terms::of(listener) }).keep();
    let story = serve_and_dial(&mut cable, 10_000);
    cable.run_for(1_000 * MS);
    assert_eq!(story.borrow().received, pattern(10_000));
    assert_eq!(next_hops(&headers, SERVER), [IpAddr::from(ANOTHER)]);
}

#[test]
fn a_later_source_route_replaces_the_first_if_the_peer_can_have_sent_it_shld_24() {
    let config = Config { accept_source_routes: true, ..Config::default() };
    for (genuine, answers_go_to) in [(true, IpAddr::from(ROUTER)), (false, CLIENT)] {
        let mut cable = Cable::with(&config);
        let headers: Shared<IpHeader> = Shared::default();
        let noted = Rc::clone(&headers);
        cable.touch = Box::new(move |number, packet| {
            let parsed = parse_ip(&packet).expect("a packet of ours");
            noted.borrow_mut().push(parsed.header.clone());
            let packet = route_on(packet, ROUTER);
            if parsed.header.src != CLIENT || number == 1 {
                return Some(packet);
            }
            Some(with_recorded_route(packet, genuine))
        });
        let story = serve_and_dial(&mut cable, 10);
        cable.run_for(50 * MS);
        let hops = next_hops(&headers, SERVER);
        assert_eq!(hops.first(), Some(&CLIENT), "the SYN came without one");
        assert_eq!(hops.last(), Some(&answers_go_to));
        assert_eq!(story.borrow().ended, genuine);
    }
}

/// The packet as if it had come by [`ROUTER`]; unless `genuine`, with a sequence number out of any window.
fn with_recorded_route(packet: Packet, genuine: bool) -> Packet {
    let parsed = parse_ip(&packet).expect("a packet of ours");
    let transport = packet.narrow(parsed.payload);
    let mut ported =
        netmart_proto::wire::tcp::parse(&parsed.header, transport).expect("a segment of ours");
    if !genuine {
        ported.segment.seq += 1 << 30;
    }
    let [a, b, c, d] = ROUTER.octets();
    let options = Ipv4Options::new(&[131, 7, 8, a, b, c, d, 0]).expect("eight octets");
    let header = IpHeader { options, ..parsed.header };
    let mode = netmart_proto::wire::ChecksumMode::Full;
    let emitted = netmart_proto::wire::tcp::emit(&mut BytesMut::new(), &header, ported, None, mode);
    emitted.expect("it fits").to_vec().into()
}

#[test]
fn a_host_is_no_hop_of_source_routes() {
    let mut cable = Cable::new();
    cable.client.dataspace.assert(by_router()).keep();
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(MS);
    // The server is taken for the router.
    let reports: Shared<IcmpErrorKind> = Shared::default();
    let noted = Rc::clone(&reports);
    cable.touch = Box::new(move |_, packet| {
        let parsed = parse_ip(&packet).expect("a packet of ours");
        if parsed.header.protocol == Protocol::ICMP
            && let Ok(IcmpMessage::Error(error)) =
                icmp::parse(&parsed.header, packet.clone().narrow(parsed.payload))
        {
            noted.borrow_mut().push(error.kind);
            return None;
        }
        let mut octets = packet.to_vec();
        let IpAddr::V4(server) = SERVER else { return None };
        octets[16..20].copy_from_slice(&server.octets());
        octets[10..12].fill(0);
        let sum = checksum(&octets[..usize::from(octets[0] & 0xf) * 4]);
        octets[10..12].copy_from_slice(&sum.to_be_bytes());
        Some(octets.into())
    });
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    cable.run_for(20 * MS);
    assert_eq!(*reports.borrow(), [IcmpErrorKind::Unreachable { code: 5 }]);
}

#[test]
fn ip_options_that_nobody_understands_change_nothing_must_50() {
    let options = [
        vec![0x99, 4, 1, 2],
        vec![1, 1, 1, 0],
        vec![7, 7, 4, 0, 0, 0, 0, 0],
        vec![68, 8, 5, 0, 0, 0, 0, 0],
        vec![0x99, 0, 0, 0],
        vec![0x99; 40],
    ];
    for octets in options {
        let mut cable = Cable::new();
        cable.touch = Box::new(move |_, packet| {
            let parsed = parse_ip(&packet).expect("a packet of ours");
            let transport = packet.narrow(parsed.payload);
            let options = Ipv4Options::new(&octets).expect("they fit");
            let header = IpHeader { options, ..parsed.header };
            let mut arena = BytesMut::new();
            netmart_proto::wire::emit_ip(&mut arena, &header, transport.len()).expect("it fits");
            arena.extend_from_slice(&transport.to_vec());
            Some(arena.freeze().into())
        });
        let story = serve_and_dial(&mut cable, 10_000);
        cable.run_for(1_000 * MS);
        assert_eq!(story.borrow().received, pattern(10_000));
    }
}

/// Somebody who looks on and keeps what was said.
struct Lookout<T>(Shared<T>);

impl<T: 'static> Actor for Lookout<T> {}

impl Handler<PathDoubted> for Lookout<PathDoubted> {
    fn handle(&mut self, message: Delivery<'_, PathDoubted>, _: &mut Context<'_, Self>) {
        self.0.borrow_mut().push(message.take());
    }
}

impl Handler<Channel> for Lookout<Trouble> {
    fn handle(&mut self, message: Delivery<'_, Channel>, _: &mut Context<'_, Self>) {
        let Channel { key, body } = message.take();
        if let (Local::Handle(_), Body::Trouble(trouble)) = (key.local, body) {
            self.0.borrow_mut().push(trouble);
        }
    }
}

/// Everything of a topic that is said from now on, as `Lookout` notes it.
fn overhear<T: 'static, M: Topic>(
    cable: &mut Cable,
    pattern: netmart_bus::PatternOf<M>,
) -> Shared<T>
where
    Lookout<T>: Handler<M>,
{
    let said = Shared::default();
    let lookout = Spawn::new("lookout", Lookout(Rc::clone(&said)));
    cable.client.dataspace.spawn(lookout.observe::<M>(pattern));
    said
}

/// An error about the last packet that the client has sent, as a router would send it.
fn report(about: &Packet, kind: IcmpErrorKind) -> Packet {
    let parsed = parse_ip(about).expect("a packet of ours");
    let quote = about.to_vec()[..parsed.payload.start + 8].to_vec().into();
    let header = IpHeader::new(ROUTER.into(), CLIENT, Protocol::ICMP);
    let message = IcmpMessage::Error(IcmpError { kind, quote });
    icmp::emit(&mut BytesMut::new(), &header, message).expect("it fits").to_vec().into()
}

/// A connection whose data is lost from now on, and the last packet lost.
fn silenced() -> (Cable, Shared<Packet>) {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.run_for(MS);
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    cable.run_for(20 * MS);
    let lost = Shared::default();
    let noted: Shared<Packet> = Rc::clone(&lost);
    cable.touch = Box::new(move |_, packet| {
        *noted.borrow_mut() = vec![packet];
        None
    });
    (cable, lost)
}

fn send_data(cable: &mut Cable) {
    let data = Body::Data([pattern(10)].into_iter().collect());
    let message = Channel { key: outbound(cable), body: data };
    cable.client.dataspace.inject(message).expect("there is room");
    cable.run_for(MS);
}

#[test]
fn soft_errors_are_told_unless_that_was_not_wished_must_47_shld_20_shld_25() {
    let unreachable = |code| (IcmpErrorKind::Unreachable { code }, IcmpKind::HostUnreachable);
    let cases = [
        unreachable(0),
        unreachable(1),
        unreachable(5),
        (IcmpErrorKind::TimeExceeded { code: 0 }, IcmpKind::TimeExceeded),
        (IcmpErrorKind::ParameterProblem { code: 0, pointer: 1 }, IcmpKind::ParameterProblem),
        (IcmpErrorKind::Unreachable { code: 3 }, IcmpKind::PortUnreachable),
    ];
    for (kind, expected) in cases {
        for wished in [true, false] {
            let (mut cable, lost) = silenced();
            if !wished {
                set(&mut cable, Setting::TellTrouble(false));
            }
            let told = overhear::<Trouble, Channel>(&mut cable, ChannelPattern::any());
            send_data(&mut cable);
            let packet = report(&lost.borrow()[0], kind);
            let now = cable.now;
            cable.client.deliver(vec![packet], now);
            cable.run_for(MS);
            let expected = if wished { vec![Trouble::Icmp(expected)] } else { vec![] };
            assert_eq!(*told.borrow(), expected);
            outbound(&cable);
        }
    }
}

#[test]
fn at_r1_ip_and_the_application_are_told_and_at_r2_the_connection_ends_must_20_shld_9() {
    let (mut cable, _) = silenced();
    let doubts = overhear::<PathDoubted, PathDoubted>(&mut cable, FlowPattern::any());
    let told = overhear::<Trouble, Channel>(&mut cable, ChannelPattern::any());
    send_data(&mut cable);
    cable.run_for(Duration::from_secs(1));
    assert!(doubts.borrow().is_empty(), "not before three retransmissions (SHLD-10)");
    cable.run_for(Duration::from_secs(3));
    assert_eq!(doubts.borrow().len(), 1);
    assert_eq!(doubts.borrow()[0].retransmissions, 3);
    assert_eq!(*told.borrow(), [Trouble::Retransmitting(3)]);
    cable.run_for(Duration::from_secs(96));
    outbound(&cable);
    cable.run_for(Duration::from_secs(30));
    let connected: Vec<Connected> = cable.client.dataspace.facts(&ConnectionPattern::any());
    assert!(connected.is_empty(), "R2 is between 100 and 130 seconds (SHLD-11)");
}
