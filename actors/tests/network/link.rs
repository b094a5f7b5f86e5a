//! The edge to a device.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use netmart_actors::address::Direction;
use netmart_actors::link::{Device, Link, LinkConfig, LinkCounters, Tap, Volume};
use netmart_actors::message::{
    Arrival, DeviceReady, InterfaceAddress, InterfaceAddress as Address, LinkCapabilities, LinkId,
    LinkUp, OnLink, OnLinkPattern, OwnAddress, OwnAddressPattern, PacketsIn, PacketsOut, Route,
    RouteKey, RoutePattern,
};
use netmart_bus::ActorId;
use netmart_proto::Instant;
use netmart_proto::wire::Packet;

use crate::bench::{Bench, LINK, ip};

const ON: OnLink = OnLink { link: LINK };
const CAPABILITIES: LinkCapabilities =
    LinkCapabilities { mtu: 1500, checksum_offload: false, gso_max: 0 };

/// A device that takes as many packets as it has room for.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    room: usize,
    carried: Vec<Packet>,
}

impl Device for Wire {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        let mut inner = self.0.borrow_mut();
        let taken = packets.len().min(inner.room);
        inner.room -= taken;
        inner.carried.extend(packets.drain(..taken));
    }
}

impl Wire {
    fn with_room(room: usize) -> Self {
        let wire = Self::default();
        wire.make_room(room);
        wire
    }

    fn make_room(&self, room: usize) {
        self.0.borrow_mut().room = room;
    }

    /// The first octets of the packets carried so far.
    fn carried(&self) -> Vec<u8> {
        self.0.borrow().carried.iter().map(|packet| packet.head[0]).collect()
    }
}

fn packet(name: u8, len: usize) -> Packet {
    vec![name; len].into()
}

struct Setup {
    bench: Bench,
    wire: Wire,
    counters: Rc<LinkCounters>,
    actor: ActorId,
}

fn setup(config: LinkConfig, wire: Wire) -> Setup {
    let mut bench = Bench::new();
    let link = Link::new(config, wire.clone());
    let counters = link.counters();
    let actor = bench.dataspace.spawn(link.spawn());
    bench.run();
    Setup { bench, wire, counters, actor }
}

impl Setup {
    fn send(&mut self, packets: impl IntoIterator<Item = (u8, usize)>) {
        let packets = packets.into_iter().map(|(name, len)| packet(name, len)).collect();
        self.bench.inject(PacketsOut { on: ON, packets });
    }
}

#[test]
fn what_the_device_received_goes_up_with_its_arrival_time() {
    let mut setup = setup(LinkConfig::new(LINK, CAPABILITIES), Wire::default());
    let heard = setup.bench.subscribe::<PacketsIn>(OnLinkPattern::any());
    let at = Instant::from_micros(123);
    setup.bench.inject(Arrival { on: ON, packets: vec![packet(1, 20), packet(2, 30)], at });
    let heard = heard.borrow();
    let [PacketsIn { on: ON, packets, at: told }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((packets.len(), *told), (2, at));
    assert_eq!(setup.counters.received(), Volume { packets: 2, octets: 50 });
}

#[test]
fn empty_packets_are_dropped() {
    let mut setup = setup(LinkConfig::new(LINK, CAPABILITIES), Wire::default());
    let heard = setup.bench.subscribe::<PacketsIn>(OnLinkPattern::any());
    let at = Instant::ZERO;
    setup.bench.inject(Arrival { on: ON, packets: vec![packet(0, 0), packet(1, 20)], at });
    setup.bench.inject(Arrival { on: ON, packets: vec![packet(0, 0)], at });
    assert_eq!(heard.borrow().len(), 1, "nothing is said of a batch of nothing");
    setup.bench.assert_discarded(&[("link/empty_packet", 2)]);
}

#[test]
fn packets_of_other_links_are_none_of_its_business() {
    let mut setup = setup(LinkConfig::new(LINK, CAPABILITIES), Wire::with_room(10));
    let on = OnLink { link: LinkId(2) };
    setup.bench.inject(PacketsOut { on, packets: vec![packet(1, 20)] });
    assert_eq!(setup.wire.carried(), []);
}

#[test]
fn what_the_device_does_not_take_waits_in_order() {
    let mut setup = setup(LinkConfig::new(LINK, CAPABILITIES), Wire::with_room(1));
    setup.send([(1, 20), (2, 20), (3, 20)]);
    assert_eq!(setup.wire.carried(), [1]);
    setup.wire.make_room(1);
    setup.send([(4, 20)]);
    assert_eq!(setup.wire.carried(), [1, 2], "the next send tries again");
    setup.wire.make_room(10);
    setup.bench.inject(DeviceReady { on: ON });
    assert_eq!(setup.wire.carried(), [1, 2, 3, 4], "and so does the device's word");
    assert_eq!(setup.counters.sent(), Volume { packets: 4, octets: 80 });
    setup.bench.assert_discarded(&[]);
}

#[test]
fn a_backlog_that_is_full_drops_what_comes_last() {
    let config = LinkConfig { backlog_packets: 3, ..LinkConfig::new(LINK, CAPABILITIES) };
    let mut setup = setup(config, Wire::default());
    setup.send((1..=5).map(|name| (name, 20)));
    setup.send([(6, 20)]);
    setup.bench.assert_discarded(&[("link/backlog_full", 3)]);
    assert_eq!(setup.counters.dropped(), Volume { packets: 3, octets: 60 });
    setup.wire.make_room(10);
    setup.bench.inject(DeviceReady { on: ON });
    assert_eq!(setup.wire.carried(), [1, 2, 3]);
}

#[test]
fn the_backlog_is_bounded_in_octets_as_well_but_has_room_for_one_packet() {
    let config = LinkConfig { backlog_octets: 100, ..LinkConfig::new(LINK, CAPABILITIES) };
    let mut setup = setup(config, Wire::default());
    setup.send([(1, 60), (2, 40), (3, 1)]);
    setup.bench.assert_discarded(&[("link/backlog_full", 1)]);
    setup.wire.make_room(2);
    setup.bench.inject(DeviceReady { on: ON });
    setup.send([(4, 1000), (5, 1)]);
    setup.bench.assert_discarded(&[("link/backlog_full", 1)]);
    setup.wire.make_room(2);
    setup.bench.inject(DeviceReady { on: ON });
    assert_eq!(setup.wire.carried(), [1, 2, 4]);
}

#[test]
fn a_batch_larger_than_the_backlog_passes_a_device_that_takes_it() {
    let config = LinkConfig { backlog_packets: 1, ..LinkConfig::new(LINK, CAPABILITIES) };
    let mut setup = setup(config, Wire::with_room(10));
    setup.send((1..=5).map(|name| (name, 20)));
    assert_eq!(setup.wire.carried(), [1, 2, 3, 4, 5]);
    setup.bench.assert_discarded(&[]);
}

#[test]
fn the_facts_of_a_link_hold_while_its_actor_lives() {
    let config = LinkConfig {
        addresses: vec![(ip("192.0.2.1"), 24), (ip("fd00::1"), 64)],
        routes: vec![(ip("::"), 0)],
        ..LinkConfig::new(LINK, CAPABILITIES)
    };
    let mut setup = setup(config, Wire::default());
    let address =
        |text, prefix_len| Address { own: OwnAddress { link: LINK, ip: ip(text) }, prefix_len };
    let dataspace = &mut setup.bench.dataspace;
    let up = dataspace.facts::<LinkUp>(&OnLinkPattern::any());
    assert_eq!(up, [LinkUp { on: ON, capabilities: CAPABILITIES }]);
    let addresses = dataspace.facts::<InterfaceAddress>(&OwnAddressPattern::any());
    assert_eq!(addresses, [address("192.0.2.1", 24), address("fd00::1", 64)]);
    let routes = dataspace.facts::<Route>(&RoutePattern::any());
    assert_eq!(routes, [Route { to: RouteKey { network: ip("::"), prefix_len: 0, link: LINK } }]);

    dataspace.stop(setup.actor);
    setup.bench.run();
    let dataspace = &setup.bench.dataspace;
    assert_eq!(dataspace.facts::<LinkUp>(&OnLinkPattern::any()), []);
    assert_eq!(dataspace.facts::<InterfaceAddress>(&OwnAddressPattern::any()), []);
    assert_eq!(dataspace.facts::<Route>(&RoutePattern::any()), []);
}

#[derive(Clone, Default)]
struct Capture(Rc<RefCell<Vec<(Direction, u8, Instant)>>>);

impl Tap for Capture {
    fn captured(&mut self, direction: Direction, packet: &Packet, at: Instant) {
        self.0.borrow_mut().push((direction, packet.head[0], at));
    }
}

#[test]
fn a_tap_sees_what_came_in_and_what_the_device_took_when_it_took_it() {
    let mut bench = Bench::new();
    let (wire, capture) = (Wire::with_room(1), Capture::default());
    let link = Link::new(LinkConfig::new(LINK, CAPABILITIES), wire.clone());
    bench.dataspace.spawn(link.tapped(Box::new(capture.clone())).spawn());
    bench.run();
    let at = Instant::from_micros(5);
    bench.inject(Arrival { on: ON, packets: vec![packet(9, 20)], at });
    bench.inject(PacketsOut { on: ON, packets: vec![packet(1, 20), packet(2, 20)] });
    wire.make_room(1);
    bench.pass(std::time::Duration::from_secs(1));
    bench.inject(DeviceReady { on: ON });
    let expected = [
        (Direction::Inbound, 9, at),
        (Direction::Outbound, 1, Instant::from_millis(1000)),
        (Direction::Outbound, 2, Instant::from_millis(2000)),
    ];
    assert_eq!(capture.0.borrow()[..], expected);
}
