//! The stack under test, the wire at its one link, and the clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use netmart_actors::cast::Cast;
use netmart_actors::clock::instant;
use netmart_actors::config::Config;
use netmart_actors::link::{Device, Link, LinkConfig};
use netmart_actors::message::{Arrival, LinkCapabilities, LinkId, OnLink};
use netmart_bus::{Dataspace, EventId, Ran, Time};
use netmart_proto::wire::Packet;

use super::ast::Script;
use super::ear::{self, Heard};
use super::story::Story;

/// The addresses of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    /// Ours, of both versions.
    pub(super) local: (Ipv4Addr, Ipv6Addr),
    /// The peer's.
    pub(super) remote: (Ipv4Addr, Ipv6Addr),
}

impl Default for Addresses {
    /// Private and documentation addresses, as scripts assume them.
    fn default() -> Self {
        let local_v6 = Ipv6Addr::new(0xfd3d, 0x0a0b, 0x17d6, 0x8888, 0, 0, 0, 1);
        let remote_v6 = Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0x8888, 0, 0, 0, 1);
        Self {
            local: (Ipv4Addr::new(192, 168, 0, 1), local_v6),
            remote: (Ipv4Addr::new(192, 0, 2, 1), remote_v6),
        }
    }
}

impl Addresses {
    /// Those that the options of `script` name, the usual ones for the rest.
    pub(super) fn of_script(script: &Script) -> Self {
        let mut addresses = Self::default();
        let option = |name: &str| script.option(name).and_then(|ip| ip.parse().ok());
        match option("local_ip") {
            Some(IpAddr::V4(ip)) => addresses.local.0 = ip,
            Some(IpAddr::V6(ip)) => addresses.local.1 = ip,
            None => {}
        }
        match option("remote_ip").or_else(|| option("connect_ip")) {
            Some(IpAddr::V4(ip)) => addresses.remote.0 = ip,
            Some(IpAddr::V6(ip)) => addresses.remote.1 = ip,
            None => {}
        }
        addresses
    }

    /// Our address and the peer's, of IPv6 or of IPv4.
    pub(super) fn of(&self, v6: bool) -> (IpAddr, IpAddr) {
        if v6 {
            (self.local.1.into(), self.remote.1.into())
        } else {
            (self.local.0.into(), self.remote.0.into())
        }
    }
}

/// A packet that the stack has sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// When.
    pub(super) at: Time,
    /// The packet as it left.
    pub(super) packet: Packet,
    /// The event it left with.
    pub(super) cause: EventId,
}

/// A stack in virtual time, its wire in our hands.
pub(super) struct World {
    pub(super) dataspace: Dataspace,
    now: Time,
    wire: Wire,
    causes: Heard<EventId>,
    sent: VecDeque<Sent>,
    story: Story,
    /// Runs since the clock last moved.
    runs: u32,
}

/// What the link hands its packets to.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<VecDeque<Packet>>>);

impl Device for Wire {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        self.0.borrow_mut().append(packets);
    }
}

/// The stack keeps itself busy without the clock ever moving on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stack keeps itself busy without time passing")]
pub(super) struct Stuck;

const LINK: LinkId = LinkId(1);

/// Runs at one moment after which the stack counts as stuck.
const STUCK_AFTER: u32 = 100_000;

/// When scripts begin: not at the beginning of time, so that a moment before can be told.
pub(super) const START: Time = Time::from_micros(1_000_000);

impl World {
    /// A stack with a link of this MTU, in octets, that leads everywhere.
    pub(super) fn new(config: &Config, addresses: &Addresses, mtu: u16) -> Self {
        let limits = netmart_bus::Config { hash_seed: Some(config.seed), ..Default::default() };
        let mut dataspace = Dataspace::new(limits);
        let story = Story::default();
        dataspace.set_recorder(Some(story.recorder()));
        Cast::enter(&mut dataspace, config);
        let wire = Wire::default();
        let capabilities = LinkCapabilities { mtu, checksum_offload: false, gso_max: 0 };
        let link = LinkConfig {
            addresses: vec![(addresses.local.0.into(), 24), (addresses.local.1.into(), 64)],
            routes: vec![(Ipv4Addr::UNSPECIFIED.into(), 0), (Ipv6Addr::UNSPECIFIED.into(), 0)],
            ..LinkConfig::new(LINK, capabilities)
        };
        let causes = Heard::default();
        dataspace.spawn(ear::causes(&causes));
        dataspace.spawn(Link::new(link, wire.clone()).spawn());
        Self { dataspace, now: START, wire, causes, sent: VecDeque::new(), story, runs: 0 }
    }

    /// What time it is.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// How long the script has run.
    pub(super) fn elapsed(&self) -> Duration {
        self.now.saturating_since(START)
    }

    /// Moves the clock forward; it never goes back.
    pub(super) fn set_time(&mut self, now: Time) {
        if now > self.now {
            self.now = now;
            self.runs = 0;
        }
    }

    /// When something happens by itself.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.dataspace.next_deadline()
    }

    /// Lets a packet arrive at the link now.
    pub(super) fn deliver(&mut self, packet: Packet) {
        let arrival =
            Arrival { on: OnLink { link: LINK }, packets: vec![packet], at: instant(self.now) };
        // A queue of 65536 events that is full at this moment shows as `Stuck` soon enough.
        let _ = self.dataspace.inject(arrival);
    }

    /// Does what there is to do at this moment.
    ///
    /// # Errors
    ///
    /// [`Stuck`] if it has been asked to so often that there seems to be no end to it.
    pub(super) fn run(&mut self) -> Result<(), Stuck> {
        loop {
            self.runs += 1;
            if self.runs > STUCK_AFTER {
                return Err(Stuck);
            }
            let ran = self.dataspace.run(self.now);
            self.collect();
            if ran == Ran::Idle {
                return Ok(());
            }
        }
    }

    fn collect(&mut self) {
        for packet in self.wire.0.take() {
            let cause = self.causes.borrow_mut().pop_front().unwrap_or(EventId::NONE);
            self.sent.push_back(Sent { at: self.now, packet, cause });
        }
    }

    /// The packets that the stack has sent and nobody has looked at, oldest first.
    pub(super) fn sent(&mut self) -> &mut VecDeque<Sent> {
        &mut self.sent
    }

    /// What has happened on the bus.
    pub(super) fn story(&self) -> &Story {
        &self.story
    }
}
