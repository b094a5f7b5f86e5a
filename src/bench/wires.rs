//! Bulk transfers over the wires in datagrams, measured in virtual time.

mod apps;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;
use netmart_actors::address::{Listener, Local, Transport};
use netmart_actors::config::Config;
use netmart_actors::message::{ConnectionKey, Terms, WireTerms};
use netmart_actors::serve::serve;
use netmart_bus::Time;
use netmart_proto::netem;
use netmart_proto::wires::{self, Info};

use self::apps::Flow;
use super::{Failure, Path};
use crate::sim::{Plug, Simulation, StackId, Stopped, WireId};

/// A measurement to be made: one connection over a path, data from the side that connects to the one that
/// listens. Two stacks, as in a [`Cell`](super::Cell).
///
/// ```
/// use std::time::Duration;
/// use netmart::bench::{Load, Path, WireCell};
/// use netmart::proto::wires::{Config, Kind};
///
/// let path = Path { rate: 10_000_000, rtt: Duration::from_millis(20), ..Path::default() };
/// let load = Load::For(Duration::from_secs(2));
/// let cell = WireCell { wire: Kind::Cs488, path, load, config: Config::default(), seed: 1 };
/// let outcome = cell.run()?;
/// // 512 octets for each round trip, which takes a little more than 20 ms: stop and wait.
/// assert!((180_000.0..210_000.0).contains(&outcome.goodput()));
/// # Ok::<(), netmart::bench::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct WireCell {
    /// The wire.
    pub wire: wires::Kind,
    /// The path.
    pub path: Path,
    /// What is sent.
    pub load: Load,
    /// The settings of both ends.
    pub config: wires::Config,
    /// What all chance follows from.
    pub seed: u64,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// As much as the wire takes, for so long from the first packet on.
    For(Duration),
    /// A file on each of so many streams, in turns, and then the end; on wires without streams all in one.
    Streams {
        /// How many.
        count: u32,
        /// Octets of each.
        octets: u64,
    },
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct WireOutcome {
    /// Octets that the receiving application got.
    pub octets: u64,
    /// From the first packet of the handshake to the last of these octets, or to the end of the measurement.
    pub time: Duration,
    /// What the receiving session has counted.
    pub receiver: Info,
    /// What the sending session has counted.
    pub sender: Info,
    /// What the path did, there and back.
    pub path: [netem::Counters; 2],
}

impl WireOutcome {
    /// Octets of the application in bits per second.
    pub fn goodput(&self) -> f64 {
        self.octets as f64 * 8.0 / self.time.as_secs_f64().max(1e-6)
    }
}

impl WireCell {
    /// Makes the measurement.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub fn run(&self) -> Result<WireOutcome, Failure> {
        let mut stage = self.set()?;
        let flow = self.play(&mut stage)?;
        let mut flow = flow.borrow_mut();
        let failed = |reason: &str| Failure::Connection { flow: 1, reason: reason.to_owned() };
        if let Some(failure) = &flow.failure {
            return Err(failed(failure));
        }
        let [Some(sender), Some(receiver)] = flow.infos.each_mut().map(Option::take) else {
            return Err(failed("it was never established"));
        };
        let time = match self.load {
            Load::For(duration) => duration,
            Load::Streams { .. } => Duration::from_micros(flow.latest.as_micros()),
        };
        let path = stage.sim.wire_counters(stage.wire);
        Ok(WireOutcome { octets: flow.received, time, receiver: *receiver, sender: *sender, path })
    }

    fn set(&self) -> Result<Stage, Failure> {
        let mut sim = Simulation::new(self.seed);
        let [client, server] =
            ["client", "server"].map(|name| sim.add_stack(name, Config::default()));
        let plug = |stack, address: IpAddr| {
            let net =
                IpNet::new(address, 24).map_err(|error| Failure::Network(error.to_string()))?;
            Ok(Plug::at(stack).address(net))
        };
        let wire = sim.connect(plug(client, CLIENT)?, plug(server, SERVER)?, self.path.wire());
        Ok(Stage { sim, client, server, wire })
    }

    fn play(&self, stage: &mut Stage) -> Result<Rc<RefCell<Flow>>, Failure> {
        let Stage { sim, client, server, .. } = stage;
        let over = Transport::Wire(self.wire);
        let flow = Rc::<RefCell<Flow>>::default();
        let finish = match self.load {
            Load::For(duration) => Some(Time::ZERO + duration),
            Load::Streams { .. } => None,
        };
        let terms = |local| {
            let wire = WireTerms { config: self.config.clone(), ..WireTerms::default() };
            Terms { wire: Some(Rc::new(wire)), ..Terms::of(local) }
        };
        let listener = Listener::on(PORT).over(over);
        sim[*server].assert(terms(Local::Listener(listener))).keep();
        let of_sink = Rc::clone(&flow);
        let sinks = move |connection| apps::sink(connection, finish, Rc::clone(&of_sink));
        sim[*server].spawn(serve("sinks", listener, sinks));
        // Whoever is spawned now finds it listening.
        if sim.run_until_idle(Duration::ZERO) == Stopped::Stuck {
            return Err(Failure::Stuck);
        }
        let remote = SocketAddr::new(SERVER, PORT);
        let connection = ConnectionKey::outbound(1, remote).over(over);
        sim[*client].assert(terms(connection.local)).keep();
        sim[*client].spawn(apps::source(connection, self.load, finish, Rc::clone(&flow)));
        let stopped = match finish {
            Some(finish) => sim.run_until(finish),
            None => {
                let is_over = Rc::clone(&flow);
                sim.run_while(LONGEST, move |_| !is_over.borrow().is_over())
            }
        };
        match stopped {
            Stopped::Stuck => Err(Failure::Stuck),
            _ => Ok(flow),
        }
    }
}

/// The two stacks and the wire between them.
struct Stage {
    sim: Simulation,
    client: StackId,
    server: StackId,
    wire: WireId,
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
const PORT: u16 = 5001;
/// A transfer that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
