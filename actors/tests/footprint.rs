//! What an idle connection costs: every octet that the server's side keeps for it, counted by the
//! allocator. A test of its own process, so that nobody else allocates meanwhile.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::BytesMut;
use common::apps::Idle;
use common::{Cable, SERVER, Station};
use netmart_actors::address::{Direction, Listener, Local};
use netmart_actors::config::Config;
use netmart_actors::message::{Channel, ChannelPattern, Connected, ConnectionPattern};
use netmart_bus::Spawn;
use netmart_proto::wire::tcp::{Flags, Options, PortedSegment, Segment, Timestamps, emit, parse};
use netmart_proto::wire::{ChecksumMode, IpHeader, Packet, Protocol, parse_ip};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A client that exists only as the two segments it sends.
fn client_segment(number: usize, segment: Segment) -> Packet {
    let [.., high, low] = (number / 50_000).to_be_bytes();
    let source = IpAddr::V4(Ipv4Addr::new(10, 0, high + 1, low + 1));
    let port = 10_000 + u16::try_from(number % 50_000).expect("less than 50,000");
    let header = IpHeader::new(source, SERVER, Protocol::TCP);
    let ported = PortedSegment { src_port: port, dst_port: 7, segment };
    let mut arena = BytesMut::with_capacity(128);
    emit(&mut arena, &header, ported, None, ChecksumMode::Full).expect("it is short")
}

fn connect(server: &mut Station, cable_now: netmart_bus::Time, number: usize) {
    let timestamps = Some(Timestamps { value: 1, echo: 0 });
    let options = Options {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps,
        ..Options::default()
    };
    let syn = Segment { flags: Flags::SYN, window: 64_000, options, ..Segment::default() };
    server.deliver(vec![client_segment(number, syn)], cable_now);
    let _ = server.dataspace.run(cable_now);
    let answer = server.sent().pop().expect("SYN and ACK");
    let parsed = parse_ip(&answer).expect("we sent it");
    let answer = parse(&parsed.header, answer.clone().narrow(parsed.payload)).expect("we sent it");
    let echo = answer.segment.options.timestamps.expect("they were offered").value;
    let ack = Segment {
        seq: answer.segment.ack,
        ack: answer.segment.seq + 1,
        flags: Flags::ACK,
        window: 500,
        options: Options { timestamps: Some(Timestamps { value: 2, echo }), ..Options::default() },
        ..Segment::default()
    };
    server.deliver(vec![client_segment(number, ack)], cable_now);
    let _ = server.dataspace.run(cable_now);
}

/// Octets per idle connection when there are `count`.
fn octets_per_connection(count: usize) -> usize {
    let mut cable = Cable::with(&Config { seed: 3, ..Config::default() });
    let everybody =
        ChannelPattern::any().local(Local::Listener(Listener::on(7))).direction(Direction::Inbound);
    cable.server.dataspace.spawn(Spawn::new("server", Idle).subscribe::<Channel>(everybody));
    cable.server.route(Ipv4Addr::new(10, 0, 0, 0).into(), 8);
    cable.run_for(Duration::from_millis(1));
    // Whatever grows once has grown.
    connect(&mut cable.server, cable.now, 0);
    let before = ALLOCATOR.current_usage();
    for number in 1..=count {
        connect(&mut cable.server, cable.now, number);
    }
    // Handshakes, delayed acknowledgements and the relays' patience are over.
    cable.run_for(Duration::from_secs(10));
    let octets = ALLOCATOR.current_usage() - before;
    let connected = cable.server.dataspace.facts::<Connected>(&ConnectionPattern::any());
    assert_eq!(connected.len(), count + 1);
    octets / count
}

#[test]
fn an_idle_connection_keeps_at_most_4_kib_however_many_there_are() {
    let many = octets_per_connection(10_000);
    let few = octets_per_connection(100);
    println!("octets per idle connection: {few} at 100, {many} at 10,000");
    assert!(many <= 4_096, "{many} octets per connection at 10,000");
    // Tables double when they are full, so the share of empty places differs from count to count.
    assert!(many * 20 <= few * 21, "{many} octets at 10,000, {few} at 100");
}
