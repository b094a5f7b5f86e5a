//! The edge to a device: packets in and out, in batches.
//!
//! The world injects an [`Arrival`] for what the device has received, and [`DeviceReady`] when a device
//! that was full takes packets again. The link hands what leaves to its [`Device`], keeps a bounded
//! backlog of what the device does not take, and states what the stack may know of it: [`LinkUp`],
//! [`InterfaceAddress`], [`Route`]. When the link actor ends, so do these.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

use netmart_bus::{Actor, Context, Delivery, Handler, Publisher, Spawn};
use netmart_proto::Instant;
use netmart_proto::wire::Packet;

use crate::address::Direction;
use crate::clock::instant;
use crate::message::{
    Arrival, DeviceReady, Discard, DiscardKey, InterfaceAddress, LinkCapabilities, LinkId, LinkUp,
    OnLink, OwnAddress, PacketsIn, PacketsOut, Route, RouteKey,
};

/// What a link hands its packets to.
pub trait Device: 'static {
    /// Takes packets from the front of `packets`, as many as it can carry now, and leaves the rest.
    /// A device that leaves any sees to it that [`DeviceReady`] is injected when it has room again.
    fn transmit(&mut self, packets: &mut VecDeque<Packet>);
}

/// Somebody who looks at all packets of a link, such as a capture file.
pub trait Tap: 'static {
    /// `packet` came in or was taken by the device at `at`.
    fn captured(&mut self, direction: Direction, packet: &Packet, at: Instant);
}

/// What a link is, and what the stack shall know of it.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Its number; not that of the loopback link.
    pub id: LinkId,
    /// What its device can do.
    pub capabilities: LinkCapabilities,
    /// The stack's addresses on this link, each with the length of its subnet's prefix in bits.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The networks that this link leads to besides those subnets, as address and prefix length.
    pub routes: Vec<(IpAddr, u8)>,
    /// The most packets that wait for the device; of what it does not take the rest is dropped.
    pub backlog_packets: usize,
    /// The most octets that wait for the device, but a single packet always may.
    pub backlog_octets: usize,
}

impl LinkConfig {
    /// A link without addresses, and with room for 1000 packets or 4 MiB while its device is busy.
    pub const fn new(id: LinkId, capabilities: LinkCapabilities) -> Self {
        Self {
            id,
            capabilities,
            addresses: Vec::new(),
            routes: Vec::new(),
            backlog_packets: 1000,
            backlog_octets: 4 << 20,
        }
    }
}

/// What has passed a link so far. Super-segments count as one packet.
#[derive(Debug, Default)]
pub struct LinkCounters {
    received: Cell<Volume>,
    sent: Cell<Volume>,
    dropped: Cell<Volume>,
}

/// Packets and their octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// How many packets.
    pub packets: u64,
    /// How many octets, IP headers included.
    pub octets: u64,
}

impl LinkCounters {
    /// What the device has delivered.
    pub fn received(&self) -> Volume {
        self.received.get()
    }

    /// What the device has taken.
    pub fn sent(&self) -> Volume {
        self.sent.get()
    }

    /// What found no room in the backlog.
    pub fn dropped(&self) -> Volume {
        self.dropped.get()
    }
}

impl Volume {
    fn of<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> Self {
        packets.into_iter().fold(Self::default(), |sum, packet| Self {
            packets: sum.packets + 1,
            octets: sum.octets + packet.len() as u64,
        })
    }
}

fn add(tally: &Cell<Volume>, more: Volume) {
    let Volume { packets, octets } = tally.get();
    tally.set(Volume { packets: packets + more.packets, octets: octets + more.octets });
}

/// The actor of one link.
pub struct Link<D> {
    config: LinkConfig,
    device: D,
    tap: Option<Box<dyn Tap>>,
    backlog: VecDeque<Packet>,
    counters: Rc<LinkCounters>,
    packets_in: Option<Publisher<PacketsIn>>,
}

impl<D: Device> Link<D> {
    /// A link over `device`.
    pub fn new(config: LinkConfig, device: D) -> Self {
        Self {
            config,
            device,
            tap: None,
            backlog: VecDeque::new(),
            counters: Rc::default(),
            packets_in: None,
        }
    }

    /// Shows every packet to `tap`.
    #[must_use]
    pub fn tapped(mut self, tap: Box<dyn Tap>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// What has passed; goes on counting when the link has been spawned.
    pub fn counters(&self) -> Rc<LinkCounters> {
        Rc::clone(&self.counters)
    }

    /// The link with its facts, ready to be spawned.
    pub fn spawn(self) -> Spawn<Self> {
        let link = self.config.id;
        let on = OnLink { link };
        let up = LinkUp { on, capabilities: self.config.capabilities };
        let addresses = self.config.addresses.clone();
        let routes = self.config.routes.clone();
        let spawn = Spawn::new(format!("link {}", link.0), self)
            .subscribe::<Arrival>(on.exactly())
            .subscribe::<PacketsOut>(on.exactly())
            .subscribe::<DeviceReady>(on.exactly())
            .assert(up);
        let spawn = addresses.into_iter().fold(spawn, |spawn, (ip, prefix_len)| {
            spawn.assert(InterfaceAddress { own: OwnAddress { link, ip }, prefix_len })
        });
        routes.into_iter().fold(spawn, |spawn, (network, prefix_len)| {
            spawn.assert(Route { to: RouteKey { network, prefix_len, link } })
        })
    }

    fn transmit(&mut self, ctx: &mut Context<'_, Self>) {
        // Only a tap needs to know afterwards what it was that the device took.
        let offered = self.tap.is_some().then(|| self.backlog.clone());
        let before = Volume::of(&self.backlog);
        self.device.transmit(&mut self.backlog);
        let left = Volume::of(&self.backlog);
        let taken = Volume {
            packets: before.packets.saturating_sub(left.packets),
            octets: before.octets.saturating_sub(left.octets),
        };
        add(&self.counters.sent, taken);
        if let (Some(tap), Some(offered)) = (&mut self.tap, offered) {
            let at = instant(ctx.now());
            for packet in offered.iter().take(taken.packets as usize) {
                tap.captured(Direction::Outbound, packet, at);
            }
        }
    }

    /// Drops the last packets until the rest fits the backlog; tells how many.
    fn drop_excess(&mut self) -> u32 {
        let mut octets = 0;
        let fits = |packet: &&Packet| {
            octets += packet.len();
            octets <= self.config.backlog_octets
        };
        let kept = self.backlog.iter().take(self.config.backlog_packets).take_while(fits).count();
        let excess = self.backlog.split_off(kept.max(1).min(self.backlog.len()));
        add(&self.counters.dropped, Volume::of(&excess));
        excess.len() as u32
    }

    fn discard(reason: &'static str, count: u32, ctx: &mut Context<'_, Self>) {
        if count > 0 {
            ctx.send(Discard { why: DiscardKey { place: "link", reason }, count });
        }
    }
}

impl<D: Device> Actor for Link<D> {
    fn started(&mut self, ctx: &mut Context<'_, Self>) {
        self.packets_in = Some(ctx.publisher());
    }
}

impl<D: Device> Handler<Arrival> for Link<D> {
    fn handle(&mut self, message: Delivery<'_, Arrival>, ctx: &mut Context<'_, Self>) {
        let Arrival { on, mut packets, at } = message.take();
        let mut empty = 0;
        packets.retain(|packet| {
            empty += u32::from(packet.is_empty());
            !packet.is_empty()
        });
        Self::discard("empty_packet", empty, ctx);
        add(&self.counters.received, Volume::of(&packets));
        if let Some(tap) = &mut self.tap {
            packets.iter().for_each(|packet| tap.captured(Direction::Inbound, packet, at));
        }
        if let Some(packets_in) = self.packets_in.as_ref().filter(|_| !packets.is_empty()) {
            packets_in.send(ctx, PacketsIn { on, packets, at });
        }
    }
}

impl<D: Device> Handler<PacketsOut> for Link<D> {
    fn handle(&mut self, message: Delivery<'_, PacketsOut>, ctx: &mut Context<'_, Self>) {
        let PacketsOut { packets, .. } = message.take();
        if self.backlog.is_empty() {
            self.backlog = packets.into();
        } else {
            self.backlog.extend(packets);
        }
        self.transmit(ctx);
        if !self.backlog.is_empty() {
            let dropped = self.drop_excess();
            Self::discard("backlog_full", dropped, ctx);
        }
    }
}

impl<D: Device> Handler<DeviceReady> for Link<D> {
    fn handle(&mut self, _message: Delivery<'_, DeviceReady>, ctx: &mut Context<'_, Self>) {
        // Also with nothing to hand over: a device may have something of its own to do.
        self.transmit(ctx);
    }
}
