//! A simulation: stacks, wires between them, and one virtual clock.
//!
//! A stack in here is the very stack that runs on a real device: the same actors on the same
//! dataspace, only that the time is ours and packets travel through an impairment model. Nothing in it
//! depends on threads, clocks or hash order, so the same seed makes the same things happen, event for
//! event.
//!
//! ```
//! use netmart::Config;
//! use netmart::sim::{Plug, Simulation, WireConfig};
//! use std::time::Duration;
//!
//! let mut sim = Simulation::new(7);
//! let client = sim.add_stack("client", Config::default());
//! let server = sim.add_stack("server", Config::default());
//! let wire = WireConfig::with_delay(Duration::from_millis(10));
//! sim.connect(
//!     Plug::at(client).address("10.0.0.1/24".parse()?),
//!     Plug::at(server).address("10.0.0.2/24".parse()?),
//!     wire,
//! );
//! // Actors are spawned on `sim[client]` and `sim[server]`, and then:
//! let stopped = sim.run_for(Duration::from_secs(1));
//! assert!(stopped.is_orderly());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod wire;

use std::cell::RefCell;
use std::ops::{Index, IndexMut};
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;
use netmart_actors::cast::Cast;
use netmart_actors::clock::{instant, time};
use netmart_actors::config::Config;
use netmart_actors::ledger::Discards;
use netmart_actors::link::{Link, LinkConfig, LinkCounters, Tap};
use netmart_actors::message::{Arrival, LinkCapabilities, LinkId, OnLink};
use netmart_bus::{Dataspace, Ran, Time};
use netmart_proto::netem;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

pub use self::config::WireConfig;
use self::wire::{Outbox, Side, Wire};
use crate::addresses::Addresses;

/// One of the stacks of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StackId(usize);

/// One of the wires of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WireId(usize);

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stopped {
    /// Nothing is under way, and no timer is set.
    Idle,
    /// The time given is over.
    TimeIsUp,
    /// The condition of [`run_while`](Simulation::run_while) no longer holds.
    ConditionMet,
    /// The stacks keep each other busy without the clock ever moving on.
    Stuck,
}

impl Stopped {
    /// Whether it ended for any reason but being stuck.
    pub fn is_orderly(self) -> bool {
        self != Self::Stuck
    }
}

/// Stacks, the wires between them, and the clock they share.
pub struct Simulation {
    now: Time,
    nodes: Vec<Node>,
    wires: Vec<Wire>,
    rng: ChaCha8Rng,
}

/// A stack of the simulation.
struct Node {
    name: String,
    dataspace: Dataspace,
    discards: Rc<RefCell<Discards>>,
    /// The number that its next link gets.
    next_link: u16,
    /// Batches of packets lost because its queue was at its limit.
    overrun: u64,
}

/// Where a wire ends: a link of a stack.
pub struct Plug {
    stack: StackId,
    addresses: Addresses,
    tap: Option<Box<dyn Tap>>,
}

impl Plug {
    /// A new link of `stack`, without addresses.
    pub fn at(stack: StackId) -> Self {
        Self { stack, addresses: Addresses::default(), tap: None }
    }

    /// Gives the stack this address on the link; its subnet is routed there.
    #[must_use]
    pub fn address(mut self, address: IpNet) -> Self {
        self.addresses.own.push(address);
        self
    }

    /// Routes packets to `network` by this link.
    #[must_use]
    pub fn route(mut self, network: IpNet) -> Self {
        self.addresses.routes.push(network);
        self
    }

    /// Shows all packets that pass to `tap`.
    #[must_use]
    pub fn tap(mut self, tap: Box<dyn Tap>) -> Self {
        self.tap = Some(tap);
        self
    }
}

/// A stack that is run this often without the clock moving on will not stop by itself.
const STUCK_AFTER: u32 = 1_000_000;

impl Simulation {
    /// An empty simulation at time 0. All that is left to chance follows from `seed`.
    pub fn new(seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { now: Time::ZERO, nodes: Vec::new(), wires: Vec::new(), rng }
    }

    /// Adds a stack without links. Its seed is drawn by the simulation; that in `config` is not used.
    pub fn add_stack(&mut self, name: impl Into<String>, config: Config) -> StackId {
        let config = Config { seed: self.rng.next_u64(), ..config };
        let limits =
            netmart_bus::Config { hash_seed: Some(self.rng.next_u64()), ..Default::default() };
        let mut dataspace = Dataspace::new(limits);
        let Cast { discards } = Cast::enter(&mut dataspace, &config);
        self.nodes.push(Node { name: name.into(), dataspace, discards, next_link: 1, overrun: 0 });
        StackId(self.nodes.len() - 1)
    }

    /// Lays a wire between two stacks, or from one to itself.
    pub fn connect(&mut self, from: Plug, to: Plug, config: WireConfig) -> WireId {
        let WireConfig { there, back, capabilities } = config;
        let there = netem::Netem::new(there, self.rng.next_u64());
        let back = netem::Netem::new(back, self.rng.next_u64());
        let from = self.plug_in(from, capabilities);
        let to = self.plug_in(to, capabilities);
        self.wires.push(Wire::between(from, to, there, back));
        WireId(self.wires.len() - 1)
    }

    fn plug_in(&mut self, plug: Plug, capabilities: LinkCapabilities) -> Side {
        let Plug { stack, addresses, tap } = plug;
        let node = &mut self.nodes[stack.0];
        let id = LinkId(node.next_link);
        node.next_link += 1;
        let outbox = Outbox::default();
        let config = addresses.applied_to(LinkConfig::new(id, capabilities));
        let link = Link::new(config, outbox.clone());
        let counters = link.counters();
        let link = match tap {
            Some(tap) => link.tapped(tap),
            None => link,
        };
        node.dataspace.spawn(link.spawn());
        Side { stack: stack.0, link: id, outbox, counters }
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The name of a stack.
    pub fn name(&self, stack: StackId) -> &str {
        &self.nodes[stack.0].name
    }

    /// What a stack has discarded so far.
    pub fn discards(&self, stack: StackId) -> Rc<RefCell<Discards>> {
        Rc::clone(&self.nodes[stack.0].discards)
    }

    /// How many batches of packets a stack lost because its queue was at its limit.
    pub fn overrun(&self, stack: StackId) -> u64 {
        self.nodes[stack.0].overrun
    }

    /// What the links at both ends of a wire have counted, in the order of [`connect`](Self::connect).
    pub fn link_counters(&self, wire: WireId) -> [Rc<LinkCounters>; 2] {
        self.wires[wire.0].lanes.each_ref().map(|lane| Rc::clone(&lane.from.counters))
    }

    /// What a wire has done to packets, there and back.
    pub fn wire_counters(&self, wire: WireId) -> [netem::Counters; 2] {
        self.wires[wire.0].lanes.each_ref().map(|lane| *lane.netem.counters())
    }

    /// Which packets a wire has lost, there and back, where it was to note that.
    pub fn loss_patterns(&self, wire: WireId) -> [Option<&netem::LossPattern>; 2] {
        self.wires[wire.0].lanes.each_ref().map(|lane| lane.netem.loss_pattern())
    }

    /// Cuts a wire: what is sent from now on is lost. What is under way still arrives.
    pub fn cut(&mut self, wire: WireId) {
        self.wires[wire.0].is_cut = true;
    }

    /// Mends a wire that was cut.
    pub fn mend(&mut self, wire: WireId) {
        self.wires[wire.0].is_cut = false;
    }

    /// When the next thing happens by itself.
    pub fn next_event(&self) -> Option<Time> {
        let stacks = self.nodes.iter().filter_map(|node| node.dataspace.next_deadline());
        let packets = self.wires.iter().filter_map(Wire::next_arrival);
        stacks.chain(packets.map(time)).min()
    }

    /// Runs until `end`, and leaves the clock there.
    pub fn run_until(&mut self, end: Time) -> Stopped {
        match self.run(end, |_| true) {
            Stopped::Idle | Stopped::TimeIsUp => {
                self.now = self.now.max(end);
                Stopped::TimeIsUp
            }
            other => other,
        }
    }

    /// Runs for so long, and moves the clock by as much.
    pub fn run_for(&mut self, duration: Duration) -> Stopped {
        self.run_until(self.now + duration)
    }

    /// Runs until nothing is left to do, for `most` at most.
    pub fn run_until_idle(&mut self, most: Duration) -> Stopped {
        self.run(self.now + most, |_| true)
    }

    /// Runs while `condition` holds, for `most` at most. It is asked before each moment at which
    /// something happens.
    pub fn run_while(&mut self, most: Duration, condition: impl FnMut(&Self) -> bool) -> Stopped {
        self.run(self.now + most, condition)
    }

    fn run(&mut self, end: Time, mut condition: impl FnMut(&Self) -> bool) -> Stopped {
        loop {
            if !condition(self) {
                return Stopped::ConditionMet;
            }
            let Some(next) = self.next_event() else { return Stopped::Idle };
            if next > end {
                self.now = end;
                return Stopped::TimeIsUp;
            }
            self.now = self.now.max(next);
            if !self.settle() {
                return Stopped::Stuck;
            }
        }
    }

    /// Does all there is to do at the present moment; tells whether there was an end to it.
    fn settle(&mut self) -> bool {
        for _ in 0..STUCK_AFTER {
            self.deliver();
            let busy = self.run_stacks();
            self.collect();
            if !busy {
                return true;
            }
        }
        false
    }

    /// Hands each link what has arrived for it.
    fn deliver(&mut self) {
        let now = instant(self.now);
        for lane in self.wires.iter_mut().flat_map(|wire| &mut wire.lanes) {
            let packets: Vec<_> = std::iter::from_fn(|| lane.netem.poll(now)).collect();
            if packets.is_empty() {
                continue;
            }
            let node = &mut self.nodes[lane.to.0];
            let on = OnLink { link: lane.to.1 };
            let taken = node.dataspace.inject(Arrival { on, packets, at: now });
            node.overrun += u64::from(taken.is_err());
        }
    }

    /// Lets each stack work that has something to do; tells whether one had.
    fn run_stacks(&mut self) -> bool {
        let mut busy = false;
        for Node { dataspace, .. } in &mut self.nodes {
            if dataspace.next_deadline().is_some_and(|due| due <= self.now) {
                busy = true;
                // What a spent budget leaves undone is due at once, and met in the next round.
                let (Ran::Idle | Ran::BudgetSpent) = dataspace.run(self.now);
            }
        }
        busy
    }

    /// Puts on the wires what the stacks have sent.
    fn collect(&mut self) {
        let now = instant(self.now);
        for wire in &mut self.wires {
            for lane in &mut wire.lanes {
                for packet in lane.from.outbox.drain() {
                    if !wire.is_cut {
                        lane.netem.handle_packet(now, packet);
                    }
                }
            }
        }
    }
}

impl Index<StackId> for Simulation {
    type Output = Dataspace;

    fn index(&self, stack: StackId) -> &Dataspace {
        &self.nodes[stack.0].dataspace
    }
}

impl IndexMut<StackId> for Simulation {
    fn index_mut(&mut self, stack: StackId) -> &mut Dataspace {
        &mut self.nodes[stack.0].dataspace
    }
}
