//! The defects of the source that concern the cast, one test each; the others are tested where the
//! knowledge lives, in the protocols.

mod common;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::apps::{Client, EchoServer, Idle, Story, connection, pattern};
use common::{CLIENT, Cable, LINK, SERVER};
use netmart_actors::address::{Address, Direction, HandleId, Listener, Local, RemoteAddress};
use netmart_actors::config::{Config, SynCookies};
use netmart_actors::end::{ChannelEnd, Heard};
use netmart_actors::link::{Link, LinkConfig};
use netmart_actors::message::{
    Channel, ChannelPattern, Closed, Connected, ConnectionKey, ConnectionPattern, LinkCapabilities,
    LinkId, Listening, ListeningPattern, Refusal, Refused,
};
use netmart_bus::{Actor, Context, Delivery, Handler, Spawn, Timer, TimerToken};
use netmart_proto::netem::Impaired;
use netmart_proto::wire::tcp::{
    Flags, Options, PortedSegment, Segment, SeqNumber, Timestamps, emit, parse,
};
use netmart_proto::wire::{ChecksumMode, IpHeader, Packet, Protocol, parse_ip};

fn moment(cable: &mut Cable) {
    cable.run_for(Duration::from_millis(20));
}

fn segment_of(packet: &Packet) -> Segment {
    let parsed = parse_ip(packet).expect("we sent it");
    let payload = packet.clone().narrow(parsed.payload);
    parse(&parsed.header, payload).expect("we sent it").segment
}

/// A segment from `source` to the server's `port`.
fn forged(source: IpAddr, src_port: u16, port: u16, segment: Segment) -> Packet {
    let header = IpHeader::new(source, SERVER, Protocol::TCP);
    let ported = PortedSegment { src_port, dst_port: port, segment };
    let mut arena = BytesMut::with_capacity(128);
    emit(&mut arena, &header, ported, None, ChecksumMode::Full).expect("it is short")
}

fn echoed(cable: &mut Cable, handle: u64, port: u16, data: Bytes) -> Rc<RefCell<Story>> {
    let story = Rc::default();
    cable.client.dataspace.spawn(Client::dial(handle, port, data, &story));
    cable.run_for(Duration::from_secs(5));
    story
}

#[test]
fn lineage_09_a_restarted_listener_delivers_once() {
    let mut cable = Cable::new();
    for _ in 0..3 {
        let server = cable.server.dataspace.spawn(EchoServer::on(7));
        moment(&mut cable);
        cable.server.dataspace.stop(server);
        moment(&mut cable);
    }
    cable.server.dataspace.spawn(EchoServer::on(7));
    moment(&mut cable);
    let story = echoed(&mut cable, 1, 7, pattern(10_000));
    assert_eq!(story.borrow().received, pattern(10_000));
    assert_eq!(cable.server.dataspace.facts::<Listening>(&ListeningPattern::any()).len(), 1);
}

#[test]
fn lineage_10_dialling_a_remote_port_does_not_wake_the_local_listener() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(80));
    cable.client.dataspace.spawn(EchoServer::on(80));
    moment(&mut cable);
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 80)));
    moment(&mut cable);
    let connected = cable.client.dataspace.facts::<Connected>(&ConnectionPattern::any());
    assert_eq!(connected.len(), 1);
    assert_eq!(connected[0].connection.local, Local::Handle(HandleId::new(1)));
}

#[test]
fn lineage_11_connected_is_told_when_the_handshake_is_done_and_not_before() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    moment(&mut cable);
    let answers = Rc::new(Cell::new(false));
    let may_answer = Rc::clone(&answers);
    cable.touch = Box::new(move |_, packet| {
        let is_answer = segment_of(&packet).flags.contains(Flags::ACK);
        (may_answer.get() || !is_answer).then_some(packet)
    });
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    cable.run_for(Duration::from_millis(900));
    let connected =
        |cable: &Cable| cable.client.dataspace.facts::<Connected>(&ConnectionPattern::any()).len();
    assert_eq!(connected(&cable), 0);
    answers.set(true);
    cable.run_for(Duration::from_secs(3));
    assert_eq!(connected(&cable), 1);
}

#[test]
fn lineage_12_an_impossible_address_is_the_askers_error_alone() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    moment(&mut cable);
    let impossible = [
        (Ipv4Addr::UNSPECIFIED, 7, Refusal::InvalidAddress),
        (Ipv4Addr::new(224, 0, 0, 1), 7, Refusal::InvalidAddress),
        (Ipv4Addr::BROADCAST, 7, Refusal::InvalidAddress),
        (Ipv4Addr::new(10, 0, 0, 255), 7, Refusal::InvalidAddress),
        (Ipv4Addr::new(10, 0, 0, 2), 0, Refusal::InvalidAddress),
        (Ipv4Addr::new(192, 0, 2, 1), 7, Refusal::NoRoute),
    ];
    for (handle, (ip, port, reason)) in (100..).zip(impossible) {
        let remote = RemoteAddress(Address::new(ip.into(), port));
        let wished = ConnectionKey::outbound(handle, remote);
        let asker = cable.client.dataspace.spawn(Idle::dial(&wished));
        moment(&mut cable);
        let facts = cable.client.dataspace.facts::<Refused>(&wished.exactly());
        assert_eq!(facts, [Refused { connection: wished, reason }]);
        cable.client.dataspace.stop(asker);
        moment(&mut cable);
        assert!(cable.client.dataspace.facts::<Refused>(&wished.exactly()).is_empty());
    }
    assert_eq!(echoed(&mut cable, 1, 7, pattern(100)).borrow().received, pattern(100));
    assert_eq!(cable.client.dataspace.counters().panics, 0);
}

#[test]
fn lineage_13_a_wildcard_interest_is_a_value_and_kills_nobody() {
    let mut cable = Cable::new();
    for station in [&mut cable.client, &mut cable.server] {
        station.dataspace.spawn(
            Spawn::new("wildcard", Idle)
                .subscribe::<Channel>(ChannelPattern::any())
                .provide::<Channel>(ChannelPattern::any()),
        );
    }
    cable.server.dataspace.spawn(EchoServer::on(7));
    moment(&mut cable);
    assert_eq!(echoed(&mut cable, 1, 7, pattern(100)).borrow().received, pattern(100));
    for station in [&cable.client, &cable.server] {
        assert_eq!(station.dataspace.counters().panics, 0);
    }
}

#[test]
fn lineage_15_a_segment_with_a_wrong_checksum_is_dropped_and_counted() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    moment(&mut cable);
    let mut spoilt = false;
    cable.touch = Box::new(move |_, mut packet| {
        if !spoilt && packet.len() > 1_000 {
            spoilt = true;
            packet.flip_bit(8 * 600);
        }
        Some(packet)
    });
    let story = echoed(&mut cable, 1, 7, pattern(50_000));
    assert_eq!(story.borrow().received, pattern(50_000));
    assert_eq!(cable.server.cast.discards.borrow()[&("codec", "bad_checksum")], 1);
}

#[test]
fn lineage_16_options_are_written_aligned_and_counted() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    moment(&mut cable);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let seen_by_cable = Rc::clone(&seen);
    cable.touch = Box::new(move |_, packet| {
        let segment = segment_of(&packet);
        if segment.flags.contains(Flags::SYN) {
            let offset = packet.head[20 + 12] >> 4;
            seen_by_cable.borrow_mut().push((segment.options, offset, packet.head.len()));
        }
        Some(packet)
    });
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    moment(&mut cable);
    let seen = seen.borrow();
    assert_eq!(seen.len(), 2, "SYN, and SYN and ACK");
    for (options, offset, len) in seen.iter() {
        assert_eq!(options.mss, Some(1460));
        assert!(options.window_scale.is_some() && options.sack_permitted);
        assert!(options.timestamps.is_some());
        assert_eq!(20 + 4 * usize::from(*offset), *len, "the offset counts what is there");
    }
}

#[test]
fn lineage_17_what_a_peer_offers_is_used() {
    let mut cable = Cable::new();
    cable.server.dataspace.spawn(EchoServer::on(7));
    moment(&mut cable);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let seen_by_cable = Rc::clone(&seen);
    cable.touch = Box::new(move |_, packet| {
        seen_by_cable.borrow_mut().push(segment_of(&packet));
        None
    });
    let say = |cable: &mut Cable, segment| {
        cable.server.deliver(vec![forged(CLIENT, 1_000, 7, segment)], cable.now);
        moment(cable);
    };
    let options = Options {
        mss: Some(600),
        window_scale: Some(2),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 77, echo: 0 }),
        ..Options::default()
    };
    let syn = Segment { flags: Flags::SYN, window: 500, options, ..Segment::default() };
    say(&mut cable, syn);
    let iss = seen.borrow()[0].seq;
    let timestamps = seen.borrow()[0].options.timestamps.expect("they were offered");
    assert_eq!(timestamps.echo, 77);

    let options = Options {
        timestamps: Some(Timestamps { value: 78, echo: timestamps.value }),
        ..Options::default()
    };
    // A window of 500 octets, were it not scaled to 2,000.
    let data = Segment {
        seq: SeqNumber(1),
        ack: SeqNumber(iss.0.wrapping_add(1)),
        flags: Flags::ACK,
        window: 500,
        options,
        payload: pattern(5_000),
        ..Segment::default()
    };
    say(&mut cable, data);
    let seen = seen.borrow();
    let echoed: Vec<_> = seen.iter().filter(|segment| !segment.payload.is_empty()).collect();
    // The timestamps take 12 octets of each segment.
    assert!(echoed[..3].iter().all(|segment| segment.payload.len() == 588));
    assert!(echoed.iter().all(|segment| segment.options.timestamps.unwrap().echo == 78));
    let furthest = echoed.iter().map(|segment| segment.sequence_end().distance_from(iss)).max();
    assert_eq!(furthest, Some(1 + 3 * 588), "the whole segments that the scaled window lets pass");
}

#[test]
fn lineage_22_stray_segments_cost_no_actor_and_no_timer() {
    let mut cable = Cable::new();
    moment(&mut cable);
    let before = format!("{:?}", cable.server.dataspace.footprint());
    let resets = Rc::new(Cell::new(0));
    let counted = Rc::clone(&resets);
    cable.touch = Box::new(move |_, packet| {
        counted.set(counted.get() + u32::from(segment_of(&packet).flags.contains(Flags::RST)));
        None
    });
    for port in 1..=10_000 {
        let flags = if port % 2 == 0 { Flags::SYN } else { Flags::ACK };
        let segment = Segment { seq: SeqNumber(port.into()), flags, ..Segment::default() };
        cable.server.deliver(vec![forged(CLIENT, port, port, segment)], cable.now);
    }
    moment(&mut cable);
    assert_eq!(resets.get(), 10_000, "each is answered");
    assert_eq!(format!("{:?}", cable.server.dataspace.footprint()), before);
}

#[test]
fn lineage_22_half_open_connections_are_limited_and_end() {
    let mut cable =
        Cable::with(&Config { half_open: 16, syn_cookies: SynCookies::Off, ..Config::default() });
    cable.server.dataspace.spawn(EchoServer::on(7));
    moment(&mut cable);
    let before = cable.server.dataspace.footprint().actors;
    cable.touch = Box::new(|_, _| None);
    for port in 1..=1_000 {
        let segment = Segment { flags: Flags::SYN, window: 1_000, ..Segment::default() };
        cable.server.deliver(vec![forged(CLIENT, port, 7, segment)], cable.now);
        moment(&mut cable);
    }
    assert_eq!(cable.server.dataspace.footprint().actors, before + 16);
    assert_eq!(cable.server.cast.discards.borrow()[&("codec", "backlog_full")], 1_000 - 16);
    cable.run_for(Duration::from_secs(1_000));
    assert_eq!(cable.server.dataspace.footprint().actors, before);
}

#[test]
fn lineage_24_the_source_address_follows_the_route() {
    let mut cable = Cable::new();
    let inner = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 65));
    let capabilities = LinkCapabilities { mtu: 1500, checksum_offload: false, gso_max: 0 };
    let other = LinkId(LINK.0 + 1);
    let link = LinkConfig { addresses: vec![(inner, 26)], ..LinkConfig::new(other, capabilities) };
    cable.client.dataspace.spawn(Link::new(link, common::Plug::default()).spawn());
    moment(&mut cable);
    let sources = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&sources);
    cable.touch = Box::new(move |_, packet| {
        seen.borrow_mut().extend(parse_ip(&packet).map(|parsed| parsed.header.src));
        None
    });
    // 10.0.0.2 lies in the /24 of the one link only, 10.0.0.70 in the /26 of the other as well.
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    moment(&mut cable);
    assert_eq!(*sources.borrow(), [CLIENT]);
    let remote = RemoteAddress(Address::new(Ipv4Addr::new(10, 0, 0, 70).into(), 7));
    let inner_wish = ConnectionKey::outbound(2, remote);
    cable.client.dataspace.spawn(Idle::dial(&inner_wish));
    moment(&mut cable);
    assert_eq!(sources.borrow().len(), 1, "it left by the other link");
}

/// Takes connections and grants nothing until its time has come.
struct Hoarder {
    until: Duration,
    timer: Option<Timer>,
    end: Option<ChannelEnd>,
    unheard: Vec<Channel>,
    received: Rc<RefCell<Vec<u8>>>,
}

impl Actor for Hoarder {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.timer = Some(ctx.set_timer(ctx.now() + self.until, TimerToken(0)));
    }

    fn timeout(&mut self, _: TimerToken, ctx: &mut Context<'_, Self>) {
        let Some(first) = self.unheard.first() else { return };
        let connection = first.key.connection();
        self.end = Some(ChannelEnd::new(connection, 65_536, ctx));
        for message in std::mem::take(&mut self.unheard) {
            self.hear(message, ctx);
        }
    }
}

impl Hoarder {
    fn hear(&mut self, message: Channel, ctx: &mut Context<'_, Self>) {
        let Some(end) = &mut self.end else { return self.unheard.push(message) };
        if let Some(Heard::Data(chunks)) = end.hear(message.body, ctx) {
            for chunk in chunks {
                end.consumed(chunk.len(), ctx);
                self.received.borrow_mut().extend_from_slice(&chunk);
            }
        }
    }
}

impl Handler<Channel> for Hoarder {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        self.hear(message.take(), ctx);
    }
}

#[test]
fn lineage_26_no_credit_closes_the_window_and_credit_opens_it_without_loss() {
    let mut config = Config::default();
    config.tcp.receive_buffer_initial = 65_536;
    config.tcp.receive_buffer_max = 65_536;
    config.tcp.send_buffer_max = 65_536;
    let mut cable = Cable::with(&config);
    let received = Rc::new(RefCell::new(Vec::new()));
    let hoarder = Hoarder {
        until: Duration::from_secs(300),
        timer: None,
        end: None,
        unheard: Vec::new(),
        received: Rc::clone(&received),
    };
    let inbound =
        ChannelPattern::any().direction(Direction::Inbound).local(Local::Listener(Listener::on(9)));
    cable.server.dataspace.spawn(Spawn::new("hoarder", hoarder).subscribe::<Channel>(inbound));
    moment(&mut cable);
    let carried = Rc::new(Cell::new(0));
    let closed = Rc::new(Cell::new(false));
    let (carried_by_cable, closed_by_cable) = (Rc::clone(&carried), Rc::clone(&closed));
    cable.touch = Box::new(move |_, packet| {
        let segment = segment_of(&packet);
        carried_by_cable.set(carried_by_cable.get() + segment.payload.len());
        if segment.window == 0 && !segment.flags.contains(Flags::RST) {
            closed_by_cable.set(true);
        }
        Some(packet)
    });
    let story: Rc<RefCell<Story>> = Rc::default();
    cable.client.dataspace.spawn(Client::dial(1, 9, pattern(1_000_000), &story));
    cable.run_for(Duration::from_secs(250));
    assert!(received.borrow().is_empty());
    assert!(closed.get(), "the window was closed");
    assert!(carried.get() < 80_000, "{} octets were carried towards nobody", carried.get());
    cable.run_for(Duration::from_secs(300));
    assert!(*received.borrow() == pattern(1_000_000), "{}", received.borrow().len());
}

/// Aborts whatever connection is made to it.
struct Aborter;

impl Actor for Aborter {}

impl Handler<Channel> for Aborter {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let connection = message.key.connection();
        ChannelEnd::new(connection, 65_536, ctx).abort(ctx);
    }
}

#[test]
fn lineage_28_how_a_connection_ended_is_a_fact() {
    let mut cable = Cable::new();
    let aborted =
        ChannelPattern::any().direction(Direction::Inbound).local(Local::Listener(Listener::on(7)));
    cable.server.dataspace.spawn(Spawn::new("aborter", Aborter).subscribe::<Channel>(aborted));
    moment(&mut cable);
    cable.client.dataspace.spawn(Idle::dial(&connection(1, 7)));
    cable.client.dataspace.spawn(Idle::dial(&connection(2, 8)));
    moment(&mut cable);
    let refused = cable.client.dataspace.facts::<Refused>(&ConnectionPattern::any());
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].connection, connection(2, 8));
    assert_eq!(refused[0].reason.to_string(), "reset by the peer");
    let closed = cable.client.dataspace.facts::<Closed>(&ConnectionPattern::any());
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].connection, connection(1, 7));
    assert_eq!(closed[0].reason.to_string(), "reset by the peer");
}
