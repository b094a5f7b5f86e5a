//! One cell of a grid: a path, the flows that share it, a seed.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;
use netmart_actors::address::Listener;
use netmart_actors::config::Config;
use netmart_actors::message::{ConnectionKey, Terms};
use netmart_actors::serve::serve;
use netmart_bus::Time;
use netmart_proto::tcp::{self, CongestionControl};
use thiserror::Error;

use super::apps::{self, Flow, SERVER, Schedule, port};
use super::{FlowOutcome, Outcome, Path};
use crate::sim::{Plug, Simulation, StackId, Stopped, WireId};
use crate::stack::Capture;

/// A measurement to be made.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The path.
    pub path: Path,
    /// The controllers of the flows that share it, one each.
    pub flows: Vec<CongestionControl>,
    /// How long to measure, from the moment at which the first flow connects.
    pub duration: Duration,
    /// How much later each flow begins than the one before it.
    pub stagger: Duration,
    /// What all chance follows from.
    pub seed: u64,
    /// How often to look at the senders on the way, if at all.
    pub sample: Option<Duration>,
    /// All other settings of TCP; buffers are made to [fit](Path::fitted) the path.
    pub tcp: tcp::Config,
}

/// Why there is no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// A cell has at least one flow, and not more than [`Cell::FLOWS_MAX`].
    #[error("{0} flows cannot share a path: from 1 to {max} can", max = Cell::FLOWS_MAX)]
    Flows(usize),
    /// An address of the simulation is refused.
    #[error("no network: {0}")]
    Network(String),
    /// The stacks keep each other busy without the clock ever moving on.
    #[error("the stacks keep each other busy for ever")]
    Stuck,
    /// A connection was not made, or has ended.
    #[error("flow {flow}: {reason}")]
    Connection {
        /// Which, counted from 1.
        flow: usize,
        /// Why.
        reason: String,
    },
}

impl Cell {
    /// The most flows of a cell.
    pub const FLOWS_MAX: usize = 64;

    /// A measurement of `duration` with default settings of TCP. Flows begin together.
    pub fn new(
        path: Path,
        flows: impl Into<Vec<CongestionControl>>,
        duration: Duration,
        seed: u64,
    ) -> Self {
        Self {
            path,
            flows: flows.into(),
            duration,
            stagger: Duration::ZERO,
            seed,
            sample: None,
            tcp: tcp::Config::default(),
        }
    }

    /// Makes the measurement.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub fn run(&self) -> Result<Outcome, Failure> {
        self.run_watched([None, None], |_, _, _| {})
    }

    /// The same, while the packets are captured at the senders' end and at the receivers', wherever there
    /// is a capture, and `prepare` may put recorders on the stacks: first that of the senders, then that of
    /// the receivers.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub fn run_watched(
        &self,
        captures: [Option<&Capture>; 2],
        prepare: impl FnOnce(&mut Simulation, StackId, StackId),
    ) -> Result<Outcome, Failure> {
        if !(1..=Self::FLOWS_MAX).contains(&self.flows.len()) {
            return Err(Failure::Flows(self.flows.len()));
        }
        let mut stage = self.set(captures)?;
        prepare(&mut stage.sim, stage.client, stage.server);
        let flows = self.play(&mut stage)?;
        self.judge(&stage, &flows)
    }

    fn set(&self, [at_client, at_server]: [Option<&Capture>; 2]) -> Result<Stage, Failure> {
        let mut sim = Simulation::new(self.seed);
        let config = Config { tcp: self.path.fitted(self.tcp.clone()), ..Config::default() };
        let client = sim.add_stack("client", config.clone());
        let server = sim.add_stack("server", config);
        let plug = |stack, name, address: IpAddr, capture: Option<&Capture>| {
            let net =
                IpNet::new(address, 24).map_err(|error| Failure::Network(error.to_string()))?;
            let plug = Plug::at(stack).address(net);
            Ok(match capture {
                Some(capture) => plug.tap(capture.interface(name)),
                None => plug,
            })
        };
        let near = plug(client, "client", CLIENT, at_client)?;
        let far = plug(server, "server", SERVER, at_server)?;
        let wire = sim.connect(near, far, self.path.wire());
        Ok(Stage { sim, client, server, wire })
    }

    fn play(&self, stage: &mut Stage) -> Result<Vec<Rc<RefCell<Flow>>>, Failure> {
        let Stage { sim, client, server, .. } = stage;
        let finish = Time::ZERO + self.duration;
        let tcp = self.path.fitted(self.tcp.clone());
        let window = tcp.receive_buffer_max;
        let flows: Vec<Rc<RefCell<Flow>>> = self.flows.iter().map(|_| Rc::default()).collect();
        for (number, flow) in flows.iter().enumerate() {
            let flow = Rc::clone(flow);
            let sinks = move |connection| apps::sink(connection, window, finish, Rc::clone(&flow));
            sim[*server].spawn(serve("sinks", Listener::on(port(number)), sinks));
        }
        // Whoever is spawned now finds them listening.
        if sim.run_until_idle(Duration::ZERO) == Stopped::Stuck {
            return Err(Failure::Stuck);
        }
        for (number, (flow, &congestion)) in flows.iter().zip(&self.flows).enumerate() {
            let begin = Time::ZERO + self.stagger * number as u32;
            let schedule = Schedule { begin, end: finish, every: self.sample };
            let remote = SocketAddr::new(SERVER, port(number));
            let connection = ConnectionKey::outbound(number as u64 + 1, remote);
            let tcp = Some(Rc::new(tcp::Config { congestion, ..tcp.clone() }));
            sim[*client].assert(Terms { tcp, ..Terms::of(connection.local) }).keep();
            sim[*client].spawn(apps::source(connection, schedule, Rc::clone(flow)));
        }
        match sim.run_until(finish) {
            Stopped::Stuck => Err(Failure::Stuck),
            _ => Ok(flows),
        }
    }

    fn judge(&self, stage: &Stage, flows: &[Rc<RefCell<Flow>>]) -> Result<Outcome, Failure> {
        let judge = |(number, (flow, &controller)): (usize, (&Rc<RefCell<Flow>>, _))| {
            let flow = flow.borrow();
            let failed = |reason: &str| Failure::Connection {
                flow: number + 1,
                reason: flow.failure.clone().unwrap_or_else(|| reason.to_owned()),
            };
            if flow.failure.is_some() {
                return Err(failed("it failed"));
            }
            let sender = flow.sender.clone().ok_or_else(|| failed("it was never established"))?;
            Ok(FlowOutcome {
                controller,
                octets: flow.received,
                goodput: flow.received as f64 * 8.0 / self.duration.as_secs_f64().max(1e-6),
                spurious: flow.duplicates,
                sender,
                moments: flow.moments.clone(),
            })
        };
        let flows =
            flows.iter().zip(&self.flows).enumerate().map(judge).collect::<Result<_, _>>()?;
        let [losses, _] = stage.sim.loss_patterns(stage.wire);
        Ok(Outcome {
            duration: self.duration,
            flows,
            wire: stage.sim.wire_counters(stage.wire),
            losses: losses.cloned(),
        })
    }
}

/// The two stacks and the wire between them.
struct Stage {
    sim: Simulation,
    client: StackId,
    server: StackId,
    wire: WireId,
}

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
