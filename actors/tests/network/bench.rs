//! A dataspace with some of the cast, and probes that keep what they hear.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use netmart_actors::clock::instant;
use netmart_actors::config::Config;
use netmart_actors::ip::Ip;
use netmart_actors::ledger::{Discards, Ledger};
use netmart_actors::message::{
    InterfaceAddress, LinkCapabilities, LinkId, LinkUp, OnLink, OnLinkPattern, OwnAddress,
    PacketsIn, PacketsOut, Route, RouteKey,
};
use netmart_bus::{
    Actor, Config as BusConfig, Context, Dataspace, Delivery, Handler, PatternOf, Ran, Spawn, Time,
    Topic,
};
use netmart_proto::wire::icmp::{self, IcmpMessage};
use netmart_proto::wire::{ChecksumMode, IpHeader, Packet, Protocol, parse_ip, udp as wire_udp};

pub const LINK: LinkId = LinkId(1);

/// Ours and a neighbour's.
pub const OURS: &str = "192.0.2.1";
pub const THEIRS: &str = "192.0.2.2";
pub const OURS6: &str = "2001:db8::1";
pub const THEIRS6: &str = "2001:db8::2";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What a probe has heard.
pub type Heard<T> = Rc<RefCell<Vec<T>>>;

/// Keeps every message of one topic.
struct Probe<T>(Heard<T>);

impl<T: Topic> Actor for Probe<T> {}

impl<T: Topic> Handler<T> for Probe<T> {
    fn handle(&mut self, message: Delivery<'_, T>, _ctx: &mut Context<'_, Self>) {
        self.0.borrow_mut().push(message.take());
    }
}

/// The dataspace, its clock and its ledger.
pub struct Bench {
    pub dataspace: Dataspace,
    pub now: Time,
    discards: Rc<RefCell<Discards>>,
}

impl Bench {
    pub fn new() -> Self {
        let config = BusConfig { hash_seed: Some(1), ..BusConfig::default() };
        let mut dataspace = Dataspace::new(config);
        let discards = Rc::default();
        dataspace.spawn(Ledger::spawn(Rc::clone(&discards)));
        Self { dataspace, now: Time::from_millis(1000), discards }
    }

    /// A bench with ip on it, one link with addresses of both versions, and a default route of IPv4.
    pub fn with_ip() -> Self {
        Self::with_ip_over(1500, &Config::default())
    }

    pub fn with_ip_over(mtu: u16, config: &Config) -> Self {
        let mut bench = Self::new();
        bench.dataspace.spawn(Ip::spawn(config));
        bench.link(LinkCapabilities { mtu, checksum_offload: false, gso_max: 0 });
        bench.run();
        bench
    }

    fn link(&mut self, capabilities: LinkCapabilities) {
        let on = OnLink { link: LINK };
        self.dataspace.assert(LinkUp { on, capabilities }).keep();
        for (address, prefix_len) in [(OURS, 24), (OURS6, 64)] {
            let own = OwnAddress { link: LINK, ip: ip(address) };
            self.dataspace.assert(InterfaceAddress { own, prefix_len }).keep();
        }
        let to = RouteKey { network: ip("0.0.0.0"), prefix_len: 0, link: LINK };
        self.dataspace.assert(Route { to }).keep();
    }

    /// A probe that takes part.
    pub fn subscribe<T: Topic>(&mut self, pattern: PatternOf<T>) -> Heard<T> {
        let heard = Heard::default();
        let probe = Probe(Rc::clone(&heard));
        self.dataspace.spawn(Spawn::new("probe", probe).subscribe::<T>(pattern));
        self.run();
        heard
    }

    pub fn packets_out(&mut self) -> Heard<PacketsOut> {
        self.subscribe(OnLinkPattern::any())
    }

    pub fn inject<T: Topic>(&mut self, message: T) {
        self.dataspace.inject(message).unwrap();
        self.run();
    }

    /// Packets come in by the link.
    pub fn arrive(&mut self, packets: Vec<Packet>) {
        let on = OnLink { link: LINK };
        self.inject(PacketsIn { on, packets, at: instant(self.now) });
    }

    pub fn run(&mut self) {
        assert_eq!(self.dataspace.run(self.now), Ran::Idle);
    }

    /// Lets the time pass, deadline by deadline.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self.dataspace.next_deadline().filter(|due| *due <= end) {
            self.now = deadline;
            self.run();
        }
        self.now = end;
        self.run();
    }

    /// How often something was thrown away since the last call, by `place/reason`.
    pub fn discards(&mut self) -> BTreeMap<String, u64> {
        let counts = std::mem::take(&mut *self.discards.borrow_mut());
        counts.into_iter().map(|((place, reason), n)| (format!("{place}/{reason}"), n)).collect()
    }

    pub fn assert_discarded(&mut self, expected: &[(&str, u64)]) {
        let expected: BTreeMap<String, u64> =
            expected.iter().map(|(why, count)| ((*why).to_owned(), *count)).collect();
        assert_eq!(self.discards(), expected);
    }
}

/// The packets of all batches, each in one piece.
pub fn packets(heard: &Heard<PacketsOut>) -> Vec<Packet> {
    let batches = heard.borrow_mut().split_off(0);
    let packets = batches.into_iter().flat_map(|batch| batch.packets);
    packets.map(|packet| Packet { offload: packet.offload, ..packet.to_vec().into() }).collect()
}

pub fn udp(from: (&str, u16), to: (&str, u16), payload: &[u8]) -> Packet {
    udp_with(IpHeader::new(ip(from.0), ip(to.0), Protocol::UDP), from.1, to.1, payload)
}

pub fn udp_with(header: IpHeader, src_port: u16, dst_port: u16, payload: &[u8]) -> Packet {
    let payload = Bytes::copy_from_slice(payload);
    let datagram = wire_udp::Datagram { src_port, dst_port, payload };
    let emitted = wire_udp::emit(&mut BytesMut::new(), &header, datagram, ChecksumMode::Full);
    emitted.unwrap().to_vec().into()
}

pub fn read_udp(packet: &Packet) -> (IpHeader, wire_udp::Datagram) {
    let parsed = parse_ip(packet).unwrap();
    let transport = packet.clone().narrow(parsed.payload);
    let datagram = wire_udp::parse(&parsed.header, transport).unwrap();
    (parsed.header, datagram)
}

pub fn icmp_protocol(dst: &IpAddr) -> Protocol {
    if dst.is_ipv4() { Protocol::ICMP } else { Protocol::ICMPV6 }
}

pub fn icmp(from: &str, to: &str, message: IcmpMessage) -> Packet {
    let header = IpHeader::new(ip(from), ip(to), icmp_protocol(&ip(to)));
    icmp::emit(&mut BytesMut::new(), &header, message).unwrap().to_vec().into()
}

pub fn read_icmp(packet: &Packet) -> (IpHeader, IcmpMessage) {
    let parsed = parse_ip(packet).unwrap();
    let transport = packet.clone().narrow(parsed.payload);
    let message = icmp::parse(&parsed.header, transport).unwrap();
    (parsed.header, message)
}

/// The same packet with one octet replaced.
pub fn with_octet(packet: &Packet, at: usize, octet: u8) -> Packet {
    let mut octets = packet.to_vec();
    octets[at] = octet;
    octets.into()
}
