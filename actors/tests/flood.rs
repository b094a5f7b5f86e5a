//! A flood of SYNs from addresses that do not exist: what it costs, and that others still get in. A test
//! of its own process, so that nobody else allocates meanwhile.

mod common;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use common::apps::{Client, EchoServer, Story, pattern};
use common::{Cable, SERVER};
use netmart_actors::config::{Config, SynCookies};
use netmart_proto::wire::tcp::{
    Flags, Options, PortedSegment, Segment, SeqNumber, Timestamps, emit,
};
use netmart_proto::wire::{ChecksumMode, IpHeader, Packet, Protocol};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const FLOOD: u32 = 100_000;

/// How many arrive at a time.
const BATCH: u32 = 50;

fn spoofed_syn(number: u32) -> Packet {
    let [_, high, middle, low] = number.to_be_bytes();
    let source = IpAddr::V4(Ipv4Addr::new(11, high, middle, low));
    let header = IpHeader::new(source, SERVER, Protocol::TCP);
    let options = Options {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: number, echo: 0 }),
        ..Options::default()
    };
    let seq = SeqNumber(number.wrapping_mul(2_654_435_761));
    let segment = Segment { seq, flags: Flags::SYN, window: 64_000, options, ..Segment::default() };
    let ported = PortedSegment { src_port: 1_024 + low as u16, dst_port: 7, segment };
    let mut arena = BytesMut::with_capacity(128);
    emit(&mut arena, &header, ported, None, ChecksumMode::Full).expect("it is short")
}

/// Floods a server and dials it in the midst of it; what the server's memory grew by, in octets, the
/// number of actors it grew by, and how long the client waited for its answer.
fn flooded(syn_cookies: SynCookies) -> (usize, usize, Option<Duration>) {
    let mut cable = Cable::with(&Config { syn_cookies, ..Config::default() });
    cable.server.dataspace.spawn(EchoServer::on(7));
    cable.server.route(Ipv4Addr::new(11, 0, 0, 0).into(), 8);
    cable.run_for(Duration::from_millis(1));
    // What the cable carries to those who do not exist is dropped.
    let seen = Rc::new(RefCell::new(Story::default()));
    let mut answered = None;
    let (before, actors) = (ALLOCATOR.current_usage(), cable.server.dataspace.footprint().actors);
    for start in (0..FLOOD).step_by(BATCH as usize) {
        let packets = (start..start + BATCH).map(spoofed_syn).collect();
        cable.server.deliver(packets, cable.now);
        if start == FLOOD / 2 {
            cable.client.dataspace.spawn(Client::dial(1, 7, pattern(2_000), &seen));
        }
        cable.run_for(Duration::from_micros(500));
        if start >= FLOOD / 2 && answered.is_none() && seen.borrow().ended {
            answered = Some(Duration::from_micros(500) * ((start - FLOOD / 2) / BATCH + 1));
            assert_eq!(seen.borrow().received, pattern(2_000));
        }
    }
    let grown = ALLOCATOR.current_usage().saturating_sub(before);
    (grown, cable.server.dataspace.footprint().actors - actors, answered)
}

#[test]
fn a_flood_of_100_000_syns_takes_little_and_keeps_nobody_out() {
    let (octets, actors, waited) = flooded(SynCookies::WhenFull);
    println!("cookies when full: {octets} octets in {actors} actors, answered after {waited:?}");
    println!("a half-open connection: {} octets", octets / actors.max(1));
    assert!(octets < 10 << 20, "{octets} octets");
    assert!(waited.is_some_and(|waited| waited < Duration::from_millis(20)), "{waited:?}");

    let (octets, actors, waited) = flooded(SynCookies::Always);
    println!("cookies always: {octets} octets in {actors} actors, answered after {waited:?}");
    assert!(octets < 1 << 20, "{octets} octets");
    assert!(actors <= 3, "none but those of the true client, which may linger");
    assert!(waited.is_some_and(|waited| waited < Duration::from_millis(20)), "{waited:?}");

    let (_, _, waited) = flooded(SynCookies::Off);
    assert_eq!(waited, None, "without cookies nobody gets in: the test means something");
}
