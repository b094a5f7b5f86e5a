//! Two stacks and a cable: the whole cast on both sides, virtual time, nothing lost.

#![allow(dead_code, unreachable_pub)]

pub mod apps;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use netmart_actors::cast::Cast;
use netmart_actors::clock::instant;
use netmart_actors::config::Config;
use netmart_actors::link::{Device, Link, LinkConfig};
use netmart_actors::message::{Arrival, LinkCapabilities, LinkId, OnLink, Route, RouteKey};
use netmart_bus::{Config as BusConfig, Dataspace, Time};
use netmart_proto::wire::Packet;

pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
pub const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
pub const LINK: LinkId = LinkId(1);

/// One plug of the cable: what a stack sends waits here.
#[derive(Clone, Default)]
pub struct Plug(Rc<RefCell<VecDeque<Packet>>>);

impl Device for Plug {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        self.0.borrow_mut().append(packets);
    }
}

/// A stack and its plug.
pub struct Station {
    pub dataspace: Dataspace,
    pub cast: Cast,
    plug: Plug,
}

impl Station {
    pub fn new(ip: IpAddr, config: &Config) -> Self {
        let bus = BusConfig { hash_seed: Some(config.seed), ..BusConfig::default() };
        let mut dataspace = Dataspace::new(bus);
        let cast = Cast::enter(&mut dataspace, config);
        let plug = Plug::default();
        let capabilities = LinkCapabilities { mtu: 1500, checksum_offload: false, gso_max: 0 };
        let link = LinkConfig { addresses: vec![(ip, 24)], ..LinkConfig::new(LINK, capabilities) };
        dataspace.spawn(Link::new(link, plug.clone()).spawn());
        Self { dataspace, cast, plug }
    }

    /// What the stack has sent since the last time.
    pub fn sent(&mut self) -> Vec<Packet> {
        self.plug.0.borrow_mut().drain(..).collect()
    }

    /// Adds a route by the cable.
    pub fn route(&mut self, network: IpAddr, prefix_len: u8) {
        let to = RouteKey { network, prefix_len, link: LINK };
        self.dataspace.assert(Route { to }).keep();
    }

    pub fn deliver(&mut self, packets: Vec<Packet>, now: Time) {
        let arrival = Arrival { on: OnLink { link: LINK }, packets, at: instant(now) };
        self.dataspace.inject(arrival).expect("the queue has room");
    }
}

/// Both stations, one clock. The cable takes a millisecond.
pub struct Cable {
    pub client: Station,
    pub server: Station,
    pub now: Time,
    flying: VecDeque<(Time, Towards, Vec<Packet>)>,
    /// What the cable does to a packet: told its number from the start, both ways counted together.
    pub touch: Box<dyn FnMut(u64, Packet) -> Option<Packet>>,
    carried: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Towards {
    Client,
    Server,
}

impl Cable {
    pub fn new() -> Self {
        Self::with(&Config::default())
    }

    pub fn with(config: &Config) -> Self {
        Self {
            client: Station::new(CLIENT, &Config { seed: 1, ..config.clone() }),
            server: Station::new(SERVER, &Config { seed: 2, ..config.clone() }),
            now: Time::from_micros(1_000_000),
            flying: VecDeque::new(),
            touch: Box::new(|_, packet| Some(packet)),
            carried: 0,
        }
    }

    /// Lets everything happen that happens within `duration`.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.settle();
            let next = [
                self.flying.front().map(|flight| flight.0),
                self.client.dataspace.next_deadline(),
                self.server.dataspace.next_deadline(),
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                break;
            };
            self.now = next.max(self.now);
        }
        self.now = end;
        self.settle();
    }

    fn settle(&mut self) {
        while self.flying.front().is_some_and(|flight| flight.0 <= self.now) {
            if let Some((_, towards, packets)) = self.flying.pop_front() {
                match towards {
                    Towards::Client => self.client.deliver(packets, self.now),
                    Towards::Server => self.server.deliver(packets, self.now),
                }
            }
        }
        let _ = self.client.dataspace.run(self.now);
        let _ = self.server.dataspace.run(self.now);
        self.carry(Towards::Server);
        self.carry(Towards::Client);
    }

    fn carry(&mut self, towards: Towards) {
        let plug = match towards {
            Towards::Server => &self.client.plug,
            Towards::Client => &self.server.plug,
        };
        let mut packets = Vec::new();
        for packet in plug.0.borrow_mut().drain(..) {
            self.carried += 1;
            packets.extend((self.touch)(self.carried, packet));
        }
        if !packets.is_empty() {
            self.flying.push_back((self.now + Duration::from_millis(1), towards, packets));
        }
    }
}
