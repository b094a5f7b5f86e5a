//! The stack under attack, with users of its own, and somebody who behaves.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use netmart::Config;
use netmart::actors::address::{Direction, FlowPattern, Listener, RemoteAddress};
use netmart::actors::clock::instant;
use netmart::actors::ledger::Discards;
use netmart::actors::message::{
    Arrival, ConnectionKey, DatagramsIn, Echo, EchoPattern, Established, HalfOpen, IcmpErrorIn,
    LinkId, OfListenerPattern, OfProtocolPattern, OnLink, SegmentsIn, TimeWait, UdpDatagram,
    UdpError, UdpKey, UdpPattern,
};
use netmart::bus::{
    Actor, ActorId, Context, Counters, Delivery, Down, DownPattern, Footprint, Handler, Spawn,
};
use netmart::proto::tcp::{self, KeepAlive};
use netmart::proto::wire::Packet;
use netmart::sim::{Plug, Simulation, StackId, WireConfig};

use crate::common::{App, Script, Server, Shared, Story};
use crate::spy::{Knowledge, LEGITIMATE, Spy};

/// Packets that arrive together.
pub(crate) const BATCH: usize = 32;

/// The ports of TCP that listen and are aimed at: one whose users speak first and close, one whose users wait.
pub(crate) const PORTS: [u16; 2] = [7, 9];

/// The port of UDP that somebody has bound.
pub(crate) const UDP_PORT: u16 = 9;

/// The addresses of the target.
pub(crate) const OURS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)),
];

const LINK: OnLink = OnLink { link: LinkId(1) };

/// The most connections the target is willing to have.
const CONNECTIONS: usize = 1000;

/// Between two batches.
const PAUSE: Duration = Duration::from_millis(2);

/// Octets of each legitimate transfer, both ways.
const TRANSFER: usize = 200_000;

/// Less patient than a stack usually is, so that connections come and go while the attack lasts.
fn config() -> Config {
    let second = Duration::from_secs(1);
    let keep_alive = KeepAlive { idle: second * 2, interval: second, probes: 3 };
    let tcp = tcp::Config {
        r2: R2,
        syn_r2: R2,
        msl: MSL,
        fin_wait_2: R2,
        keep_alive: Some(keep_alive),
        ..tcp::Config::default()
    };
    Config { tcp, max_connections: CONNECTIONS, half_open: 128, backlog: 64, ..Config::default() }
}

/// How long the target repeats itself; no less than fragments of IPv6 wait for the rest.
pub(crate) const R2: Duration = Duration::from_secs(60);

/// How long it takes segments to be old.
pub(crate) const MSL: Duration = Duration::from_secs(2);

/// What the users of the target and those who look on have met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    datagrams: u64,
    segments: u64,
    udp: u64,
    echoes: u64,
    errors: u64,
    udp_errors: u64,
}

/// What became of one packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    discarded: u64,
    /// Came to codec, udp, or whoever listens to ICMP.
    delivered: u64,
    /// Went on from codec or udp.
    handed_up: u64,
    is_transport: bool,
}

impl Fate {
    pub(crate) fn is_accounted_for(self) -> bool {
        let went_up = if self.is_transport { self.handed_up } else { self.delivered };
        self.discarded + went_up > 0
    }
}

pub(crate) struct Target {
    sim: Simulation,
    client: StackId,
    server: StackId,
    knowledge: Shared<Knowledge>,
    blind: Shared<bool>,
    seen: Shared<Seen>,
    /// What there was before anybody used the stacks.
    before: [Footprint; 2],
    users: Vec<ActorId>,
    legitimate: Option<Shared<Story>>,
    served: Shared<BTreeMap<RemoteAddress, Shared<Story>>>,
    transfers: usize,
    dials: u64,
    largest: Footprint,
    crowd: [usize; 3],
}

impl Target {
    pub(crate) fn new(seed: u64) -> Self {
        let mut sim = Simulation::new(seed);
        let tcp = tcp::Config { msl: MSL, ..tcp::Config::default() };
        let client = sim.add_stack("client", Config { tcp, ..Config::default() });
        let server = sim.add_stack("server", config());
        let (knowledge, blind): (Shared<Knowledge>, Shared<bool>) = Default::default();
        let spy = Spy { knowledge: Rc::clone(&knowledge), blind: Rc::clone(&blind) };
        let mut far = Plug::at(server).tap(Box::new(spy));
        for ip in OURS {
            let prefix = if ip.is_ipv4() { 24 } else { 64 };
            far = far.address(format!("{ip}/{prefix}").parse().unwrap());
        }
        let near = Plug::at(client).address("10.0.0.1/24".parse().unwrap());
        let near = near.address("fd00::1/64".parse().unwrap());
        sim.connect(near, far, WireConfig::with_delay(Duration::from_millis(1)));
        let _ = sim.run_for(Duration::from_millis(10));
        let before = [sim[client].footprint(), sim[server].footprint()];
        let mut target = Self {
            sim,
            client,
            server,
            knowledge,
            blind,
            seen: Shared::default(),
            before,
            users: Vec::new(),
            legitimate: None,
            served: Shared::default(),
            transfers: 0,
            dials: 0,
            largest: Footprint::default(),
            crowd: [0; 3],
        };
        target.everybody_comes();
        target
    }

    fn everybody_comes(&mut self) {
        let stories = Rc::clone(&self.served);
        // Those who speak first and close; those who wait; those who behave.
        let scripts = [(PORTS[0], 3_000), (PORTS[1], 0), (LEGITIMATE, TRANSFER)];
        let server = self.server;
        for (port, send) in scripts {
            let stories = if port == LEGITIMATE { Rc::clone(&stories) } else { Shared::default() };
            let script = move |_| Script::new(2, send, 1);
            let spawn = Server::spawn(Listener::on(port), stories, script);
            self.users.push(self.sim[server].spawn(spawn));
        }
        let onlooker = Spawn::new("onlooker", Onlooker { seen: Rc::clone(&self.seen) })
            .observe::<DatagramsIn>(OfProtocolPattern::any())
            .observe::<SegmentsIn>(FlowPattern::any())
            .observe::<IcmpErrorIn>(OfProtocolPattern::any())
            .observe::<UdpError>(UdpPattern::any())
            .subscribe::<Echo>(EchoPattern::any().direction(Direction::Inbound));
        self.users.push(self.sim[server].spawn(onlooker));
        let local = std::net::SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), UDP_PORT).into();
        let udp = Spawn::new("udp echo", UdpEcho { seen: Rc::clone(&self.seen) })
            .subscribe::<UdpDatagram>(UdpPattern::any().direction(Direction::Inbound).local(local));
        self.users.push(self.sim[server].spawn(udp));
        self.pass(Duration::from_millis(10));
    }

    pub(crate) fn spy(&self) -> Shared<Knowledge> {
        Rc::clone(&self.knowledge)
    }

    pub(crate) fn seen(&self) -> std::cell::Ref<'_, Seen> {
        self.seen.borrow()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.sim[self.server].counters()
    }

    pub(crate) fn discards(&self) -> Discards {
        self.sim.discards(self.server).borrow().clone()
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        assert!(self.sim.run_for(duration).is_orderly());
    }

    fn inject(&mut self, packets: Vec<Packet>) {
        *self.blind.borrow_mut() = true;
        let at = instant(self.sim.now());
        let now = self.sim.now();
        let server = &mut self.sim[self.server];
        server.inject(Arrival { on: LINK, packets, at }).expect("the queue has room");
        let _ = server.run(now);
        *self.blind.borrow_mut() = false;
    }

    /// So many packets at once, and then a pause in which others do their work.
    pub(crate) fn hit(&mut self, packets: Vec<Packet>) {
        self.inject(packets);
        self.behave();
        self.pass(PAUSE);
    }

    /// One packet, and what it led to at once.
    pub(crate) fn watch_one(&mut self, packet: Packet) -> Fate {
        let now = self.sim.now();
        let _ = self.sim[self.server].run(now);
        let before = (self.discarded(), self.seen.borrow().clone(), self.counters().spawned);
        self.inject(vec![packet]);
        let (discarded, seen) = (self.discarded() - before.0, self.seen.borrow());
        let datagrams = seen.datagrams - before.1.datagrams;
        Fate {
            discarded,
            delivered: seen.echoes - before.1.echoes + seen.errors - before.1.errors,
            // A SYN goes with the state vector that is spawned for it.
            handed_up: self.counters().spawned - before.2 + seen.segments - before.1.segments
                + seen.udp
                - before.1.udp
                + seen.udp_errors
                - before.1.udp_errors,
            is_transport: datagrams > 0,
        }
    }

    fn discarded(&self) -> u64 {
        self.sim.discards(self.server).borrow().values().sum()
    }

    /// The next legitimate transfer when the last one is over; and now and then the target itself dials somebody
    /// who is not there.
    fn behave(&mut self) {
        let is_over = self.legitimate.as_ref().is_none_or(|story| story.borrow().ended);
        self.dials += 1;
        if self.dials.is_multiple_of(16) {
            let remote = (Ipv4Addr::new(10, 0, 0, 9), 4711).into();
            self.dial(self.server, remote, Script::new(2, 100, 1));
        }
        if is_over {
            self.check_transfer();
            let remote = (Ipv4Addr::new(10, 0, 0, 2), LEGITIMATE).into();
            let story = self.dial(self.client, remote, Script::new(1, TRANSFER, 2));
            self.legitimate = Some(story);
        }
    }

    fn dial(
        &mut self,
        stack: StackId,
        remote: std::net::SocketAddr,
        script: Script,
    ) -> Shared<Story> {
        let connection = ConnectionKey::outbound(self.dials, remote);
        let story = Shared::default();
        self.sim[stack].spawn(App::spawn(connection, script, Rc::clone(&story)));
        story
    }

    /// The last transfer that nobody aimed at was exact.
    fn check_transfer(&mut self) {
        let Some(story) = self.legitimate.take() else { return };
        let story = story.borrow();
        assert_eq!((story.received, story.wrong_at), (TRANSFER, None), "{story:?}");
        self.transfers += 1;
    }

    pub(crate) fn finish_legitimate_transfers(&mut self) {
        let story = self.legitimate.clone();
        let over = |story: &Shared<Story>| story.borrow().ended;
        let most = Duration::from_secs(300);
        let _ = self.sim.run_while(most, |_| !story.as_ref().is_none_or(over));
        self.check_transfer();
        assert!(self.transfers > 0);
        self.pass(Duration::from_secs(1));
        for (remote, story) in self.served.borrow().iter() {
            let story = story.borrow();
            assert_eq!((story.received, story.wrong_at), (TRANSFER, None), "{remote}: {story:?}");
        }
    }

    /// All that is held has its bound.
    pub(crate) fn check_bounds(&mut self) {
        let server = &self.sim[self.server];
        let footprint = server.footprint();
        // Each connection has a state vector, a relay and a user.
        assert!(footprint.actors <= 3 * CONNECTIONS + 200, "{footprint:?}");
        assert!(footprint.timers <= 3 * CONNECTIONS + 200, "{footprint:?}");
        assert!(footprint.leases <= 30 * CONNECTIONS + 1000, "{footprint:?}");
        assert_eq!(server.counters().panics, 0, "{:?}", server.facts::<Down>(&DownPattern::any()));
        if footprint.actors > self.largest.actors {
            self.largest = footprint;
            let half_open = server.facts::<HalfOpen>(&OfListenerPattern::any()).len();
            let established = server.facts::<Established>(&OfListenerPattern::any()).len();
            let time_wait = server.facts::<TimeWait>(&FlowPattern::any()).len();
            self.crowd = [half_open, established, time_wait];
        }
    }

    /// Connections in their handshake, established, and in TIME-WAIT, when there were most actors.
    pub(crate) fn crowd(&self) -> [usize; 3] {
        self.crowd
    }

    pub(crate) fn print_table(&self) {
        println!("{} legitimate transfers, at most {:?}", self.transfers, self.largest);
        println!("{:?}, crowd {:?}", self.seen(), self.crowd);
        for ((place, reason), count) in self.discards() {
            println!("{count:>9} {place} {reason}");
        }
    }

    /// Nobody wants anything of the stacks any more.
    pub(crate) fn everybody_leaves(&mut self) {
        for user in std::mem::take(&mut self.users) {
            self.sim[self.server].stop(user);
        }
        for stack in [self.client, self.server] {
            for (actor, name) in self.sim[stack].actors() {
                if name == "app" {
                    self.sim[stack].stop(actor);
                }
            }
        }
    }

    pub(crate) fn assert_nothing_is_left(&self) {
        for (stack, before) in [(self.client, self.before[0]), (self.server, self.before[1])] {
            let dataspace = &self.sim[stack];
            let downs = dataspace.facts::<Down>(&DownPattern::any());
            assert!(downs.is_empty(), "{downs:?}");
            assert_eq!(dataspace.counters().panics, 0);
            assert_eq!(dataspace.footprint(), before, "{:?}", dataspace.actors());
        }
    }
}

/// Counts what comes up.
struct Onlooker {
    seen: Shared<Seen>,
}

impl Actor for Onlooker {}

impl Handler<DatagramsIn> for Onlooker {
    fn handle(&mut self, message: Delivery<'_, DatagramsIn>, _ctx: &mut Context<'_, Self>) {
        self.seen.borrow_mut().datagrams += message.datagrams.len() as u64;
    }
}

impl Handler<SegmentsIn> for Onlooker {
    fn handle(&mut self, _message: Delivery<'_, SegmentsIn>, _ctx: &mut Context<'_, Self>) {
        self.seen.borrow_mut().segments += 1;
    }
}

impl Handler<IcmpErrorIn> for Onlooker {
    fn handle(&mut self, _message: Delivery<'_, IcmpErrorIn>, _ctx: &mut Context<'_, Self>) {
        self.seen.borrow_mut().errors += 1;
    }
}

impl Handler<UdpError> for Onlooker {
    fn handle(&mut self, _message: Delivery<'_, UdpError>, _ctx: &mut Context<'_, Self>) {
        self.seen.borrow_mut().udp_errors += 1;
    }
}

impl Handler<Echo> for Onlooker {
    fn handle(&mut self, _message: Delivery<'_, Echo>, _ctx: &mut Context<'_, Self>) {
        self.seen.borrow_mut().echoes += 1;
    }
}

/// Sends back every datagram.
struct UdpEcho {
    seen: Shared<Seen>,
}

impl Actor for UdpEcho {}

impl Handler<UdpDatagram> for UdpEcho {
    fn handle(&mut self, message: Delivery<'_, UdpDatagram>, ctx: &mut Context<'_, Self>) {
        self.seen.borrow_mut().udp += 1;
        let UdpDatagram { key, ip, payload } = message.take();
        let key = UdpKey { direction: Direction::Outbound, ..key };
        ctx.send(UdpDatagram { key, ip, payload });
    }
}
