//! netmart in memory: two whole casts on two dataspaces, packets handed from one to the other.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use netmart::Config;
use netmart::actors::address::{Address, Direction, Listener, Local, RemoteAddress};
use netmart::actors::cast::Cast;
use netmart::actors::clock::instant;
use netmart::actors::end::{ChannelEnd, Heard};
use netmart::actors::link::{Device, Link, LinkConfig};
use netmart::actors::message::{
    Arrival, Channel, ChannelPattern, ConnectionKey, LinkCapabilities, LinkId, OnLink,
};
use netmart::bus::{self, Actor, Context, Dataspace, Delivery, Handler, Spawn, Time};
use netmart::proto::wire::Packet;

use super::Contender;

/// The contender.
pub(crate) struct Netmart;

impl Contender for Netmart {
    fn name(&self) -> &'static str {
        "netmart"
    }

    fn bulk(&self, buffer: usize) -> Box<dyn FnMut() -> u64> {
        let mut pair = Pair::new(buffer);
        let received = Rc::new(Cell::new(0));
        pair.server.dataspace.spawn(Sink::on(PORT, buffer, &received));
        pair.settle();
        pair.client.dataspace.spawn(Source::dial(PORT));
        Box::new(move || {
            pair.step();
            received.replace(0)
        })
    }

    fn connect_and_close(&self) -> Box<dyn FnMut()> {
        let mut pair = Pair::new(64 << 10);
        pair.server.dataspace.spawn(Sink::on(PORT, 64 << 10, &Rc::default()));
        pair.settle();
        let mut handle = 0;
        Box::new(move || {
            handle += 1;
            let over = Rc::new(Cell::new(false));
            pair.client.dataspace.spawn(Visitor::dial(handle, PORT, &over));
            while !over.get() {
                pair.step();
            }
            pair.settle();
        })
    }
}

/// A stack and the packets it has sent.
struct Station {
    dataspace: Dataspace,
    sent: Rc<RefCell<VecDeque<Packet>>>,
}

struct Queue(Rc<RefCell<VecDeque<Packet>>>);

impl Device for Queue {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        let mut sent = self.0.borrow_mut();
        if sent.is_empty() {
            mem::swap(&mut *sent, packets);
        } else {
            sent.append(packets);
        }
    }
}

impl Station {
    fn new(ip: IpAddr, seed: u64, buffer: usize) -> Self {
        let mut config = Config { seed, ..Config::default() };
        config.tcp.send_buffer_max = buffer;
        config.tcp.receive_buffer_max = buffer;
        config.tcp.receive_buffer_initial = buffer;
        // The rival cuts TIME-WAIT short; here it is over when its time is.
        config.tcp.msl = Duration::from_millis(1);
        let mut dataspace = Dataspace::new(bus::Config::default());
        Cast::enter(&mut dataspace, &config);
        let sent = Rc::default();
        let capabilities = LinkCapabilities { mtu: 1500, checksum_offload: false, gso_max: 0 };
        let link = LinkConfig { addresses: vec![(ip, 24)], ..LinkConfig::new(LINK, capabilities) };
        dataspace.spawn(Link::new(link, Queue(Rc::clone(&sent))).spawn());
        Self { dataspace, sent }
    }

    fn take(&mut self, packets: &mut VecDeque<Packet>, now: Time) {
        while !packets.is_empty() {
            let rest = packets.split_off(packets.len().min(BATCH));
            let batch = mem::replace(packets, rest).into();
            let arrival = Arrival { on: OnLink { link: LINK }, packets: batch, at: instant(now) };
            self.dataspace.inject(arrival).expect("the queue has room");
        }
        let _ = self.dataspace.run(now);
    }
}

/// Both stations and a clock that goes on when nobody has anything to do.
struct Pair {
    client: Station,
    server: Station,
    now: Time,
}

impl Pair {
    fn new(buffer: usize) -> Self {
        Self {
            client: Station::new(CLIENT, 1, buffer),
            server: Station::new(SERVER, 2, buffer),
            now: Time::from_micros(1_000_000),
        }
    }

    /// Lets both ends work, and exchanges what they sent. Answers whether they sent anything.
    fn step(&mut self) -> bool {
        let mut from_server = mem::take(&mut *self.server.sent.borrow_mut());
        self.client.take(&mut from_server, self.now);
        let mut from_client = mem::take(&mut *self.client.sent.borrow_mut());
        let busy = !from_client.is_empty();
        self.server.take(&mut from_client, self.now);
        if !busy {
            self.now += Duration::from_millis(1);
        }
        busy
    }

    fn settle(&mut self) {
        while self.step() {}
    }
}

/// Takes what comes from whoever connects, counts it, and forgets it.
struct Sink {
    window: usize,
    ends: Vec<ChannelEnd>,
    received: Rc<Cell<u64>>,
}

impl Sink {
    fn on(port: u16, window: usize, received: &Rc<Cell<u64>>) -> Spawn<Self> {
        let anybody = ChannelPattern::any().local(Local::Listener(Listener::on(port)));
        let sink = Self { window, ends: Vec::new(), received: Rc::clone(received) };
        Spawn::new("sink", sink).subscribe::<Channel>(anybody.direction(Direction::Inbound))
    }
}

impl Actor for Sink {}

impl Handler<Channel> for Sink {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Channel { key, body } = message.take();
        let connection = key.connection();
        let place = self.ends.iter().position(|end| *end.connection() == connection);
        let place = place.unwrap_or_else(|| {
            self.ends.push(ChannelEnd::new(connection, self.window, ctx));
            self.ends.len() - 1
        });
        let end = &mut self.ends[place];
        match end.hear(body, ctx) {
            Some(Heard::Data(chunks)) => {
                let octets = chunks.iter().map(Bytes::len).sum::<usize>();
                self.received.set(self.received.get() + octets as u64);
                end.consumed(octets, ctx);
            }
            Some(Heard::End) => end.finish(ctx),
            Some(Heard::Closed(_)) => drop(self.ends.swap_remove(place)),
            _ => {}
        }
    }
}

/// Sends without end, as much as it may, octets that it has at hand: the rival's application does not
/// write them either.
struct Source {
    connection: ConnectionKey,
    end: Option<ChannelEnd>,
}

impl Source {
    fn dial(port: u16) -> Spawn<Self> {
        let connection = connection(0, port);
        let [inbound, outbound] = ChannelEnd::patterns(&connection);
        let source = Self { connection, end: None };
        Spawn::new("source", source).subscribe::<Channel>(inbound).provide::<Channel>(outbound)
    }
}

impl Actor for Source {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.end = Some(ChannelEnd::new(self.connection, 65_536, ctx));
    }
}

impl Handler<Channel> for Source {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Some(end) = &mut self.end else { return };
        if let Some(Heard::Room(mut room)) = end.hear(message.take().body, ctx) {
            while room > 0 {
                let portion = room.min(OCTETS.len());
                end.write(Bytes::from_static(&OCTETS[..portion]), ctx);
                room -= portion;
            }
        }
    }
}

/// Connects, says goodbye, and leaves when the other side has.
struct Visitor {
    connection: ConnectionKey,
    end: Option<ChannelEnd>,
    over: Rc<Cell<bool>>,
}

impl Visitor {
    fn dial(handle: u64, port: u16, over: &Rc<Cell<bool>>) -> Spawn<Self> {
        let connection = connection(handle, port);
        let [inbound, outbound] = ChannelEnd::patterns(&connection);
        let visitor = Self { connection, end: None, over: Rc::clone(over) };
        Spawn::new("visitor", visitor).subscribe::<Channel>(inbound).provide::<Channel>(outbound)
    }
}

impl Actor for Visitor {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.end = Some(ChannelEnd::new(self.connection, 65_536, ctx));
    }
}

impl Handler<Channel> for Visitor {
    fn handle(&mut self, message: Delivery<'_, Channel>, ctx: &mut Context<'_, Self>) {
        let Some(end) = &mut self.end else { return };
        match end.hear(message.take().body, ctx) {
            Some(Heard::Room(_)) => end.finish(ctx),
            Some(Heard::End) => {
                self.over.set(true);
                ctx.stop();
            }
            _ => {}
        }
    }
}

fn connection(handle: u64, port: u16) -> ConnectionKey {
    let remote = RemoteAddress(Address::new(SERVER, port));
    ConnectionKey::outbound(handle, remote)
}

static OCTETS: [u8; 64 << 10] = [7; 64 << 10];
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const LINK: LinkId = LinkId(1);
const PORT: u16 = 80;
/// Packets that a link hands over at a time.
const BATCH: usize = 64;
