//! A stack with a bulk sender on it, for links that the simulation does not know.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use netmart_actors::cast::Cast;
use netmart_actors::clock::instant;
use netmart_actors::config::Config;
use netmart_actors::link::{Device, Link, LinkConfig};
use netmart_actors::message::{Arrival, ConnectionKey, LinkCapabilities, LinkId, OnLink};
use netmart_bus::{Dataspace, Ran, Time};
use netmart_proto::tcp::{self, Info};
use netmart_proto::wire::Packet;

use super::apps::{self, Flow, Schedule};

/// One end of a path: a stack whose only application always has something to send.
///
/// The contract: [`step`](Self::step) whenever packets have come and when [`next_deadline`] is reached,
/// with times that never go back. Packets are whole: no super-segments, every checksum complete.
///
/// [`next_deadline`]: Self::next_deadline
pub struct Sender {
    dataspace: Dataspace,
    outbox: Outbox,
    flow: Rc<RefCell<Flow>>,
}

impl Sender {
    /// A stack with the address `own` on a link with this MTU, in octets, and with a route to all of
    /// `own`'s subnet of 24 bits. It dials `remote` in its first step and sends until `duration` has
    /// passed since time 0.
    pub fn new(
        own: IpAddr,
        remote: SocketAddr,
        mtu: u16,
        tcp: tcp::Config,
        duration: Duration,
        seed: u64,
    ) -> Self {
        let limits = netmart_bus::Config { hash_seed: Some(seed), ..Default::default() };
        let mut dataspace = Dataspace::new(limits);
        Cast::enter(&mut dataspace, &Config { seed, tcp, ..Config::default() });
        let outbox = Outbox::default();
        let capabilities = LinkCapabilities { mtu, checksum_offload: false, gso_max: 0 };
        let link = LinkConfig { addresses: vec![(own, 24)], ..LinkConfig::new(LINK, capabilities) };
        dataspace.spawn(Link::new(link, outbox.clone()).spawn());
        let flow = Rc::default();
        let schedule = Schedule { begin: Time::ZERO, end: Time::ZERO + duration, every: None };
        let connection = ConnectionKey::outbound(1, remote);
        dataspace.spawn(apps::source(connection, schedule, Rc::clone(&flow)));
        Self { dataspace, outbox, flow }
    }

    /// Takes in what has arrived, works, and hands what is to be sent to `send`.
    ///
    /// # Errors
    ///
    /// Why there is nothing more to measure, once the connection has failed.
    pub fn step(
        &mut self,
        now: Time,
        arrived: Vec<Packet>,
        mut send: impl FnMut(Packet),
    ) -> Result<(), String> {
        if !arrived.is_empty() {
            let on = OnLink { link: LINK };
            let arrival = Arrival { on, packets: arrived, at: instant(now) };
            // A full queue loses packets, as a network card does.
            let _ = self.dataspace.inject(arrival);
        }
        // What a spent budget leaves undone is due at once.
        let (Ran::Idle | Ran::BudgetSpent) = self.dataspace.run(now);
        self.outbox.0.take().into_iter().for_each(&mut send);
        self.flow.borrow().failure.clone().map_or(Ok(()), Err)
    }

    /// When to step next, if nothing arrives before.
    pub fn next_deadline(&self) -> Option<Time> {
        self.dataspace.next_deadline()
    }

    /// How the connection did when the duration was over.
    pub fn info(&self) -> Option<Box<Info>> {
        self.flow.borrow().sender.clone()
    }
}

/// Where the link puts its packets; it is emptied after every step.
#[derive(Clone, Default)]
struct Outbox(Rc<RefCell<VecDeque<Packet>>>);

impl Device for Outbox {
    fn transmit(&mut self, packets: &mut VecDeque<Packet>) {
        self.0.borrow_mut().append(packets);
    }
}

const LINK: LinkId = LinkId(1);
