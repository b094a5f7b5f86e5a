//! Flows that share a path: machines at its ends, netem between, one virtual clock.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use netmart_proto::Instant;
use netmart_proto::netem::{self, Impaired, Netem};
use netmart_proto::tcp::{Config, CongestionControl, Event, Info, StateVector, Transmit};
use netmart_proto::wire::Ecn;
use netmart_proto::wire::tcp::{Flags, Segment, SeqNumber};

/// A segment on its way, of one of the flows.
#[derive(Clone, Debug)]
struct Packet {
    flow: usize,
    segment: Segment,
}

impl Impaired for Packet {
    fn wire_len(&self) -> usize {
        // IPv4, TCP and timestamps: what SACK blocks add does not matter to a queue.
        52 + self.segment.payload.len()
    }

    fn flip_bit(&mut self, _bit: usize) {}

    fn mark(&mut self) -> bool {
        let capable = self.segment.ecn != Ecn::NotEct;
        if capable {
            self.segment.ecn = Ecn::Ce;
        }
        capable
    }
}

/// What the path is like.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Bits per second, of IP packets.
    pub(crate) rate: u64,
    /// There and back without a queue.
    pub(crate) rtt: Duration,
    /// The queue, in bandwidth-delay products.
    pub(crate) queue: f64,
    pub(crate) loss: netem::Loss,
    pub(crate) reordering: netem::Reordering,
    /// Routers mark packets from so much of a bandwidth-delay product in the queue on.
    pub(crate) mark_above: Option<f64>,
    pub(crate) seed: u64,
}

impl Path {
    /// 100 Mbit/s, 50 ms, one bandwidth-delay product of queue, and nothing is lost by chance.
    pub(crate) fn usual(seed: u64) -> Self {
        Self {
            rate: 100_000_000,
            rtt: Duration::from_millis(50),
            queue: 1.0,
            loss: netem::Loss::None,
            reordering: netem::Reordering::default(),
            mark_above: None,
            seed,
        }
    }

    pub(crate) fn with_loss(mut self, share: f64) -> Self {
        self.loss = netem::Loss::Independent(share);
        self
    }

    fn lanes(&self) -> [Netem<Packet>; 2] {
        let delay = self.rtt / 2;
        let bdp = self.rate as f64 / 8.0 * self.rtt.as_secs_f64();
        let queue = bdp * self.queue;
        let there = netem::Config {
            rate: Some(self.rate),
            queue: netem::QueueLimit::Octets(queue as usize),
            delay,
            loss: self.loss.clone(),
            mark_above: self.mark_above.map(|share| (bdp * share) as usize),
            reordering: self.reordering,
            ..netem::Config::default()
        };
        let back = netem::Config { delay, ..netem::Config::default() };
        [Netem::new(there, self.seed), Netem::new(back, self.seed + 1)]
    }
}

/// A sender with endless data and its receiver.
#[derive(Debug)]
struct Flow {
    starts_at: Instant,
    ends: [Option<StateVector>; 2],
    received: u64,
    config: Rc<Config>,
}

/// The whole of it.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) now: Instant,
    lanes: [Netem<Packet>; 2],
    flows: Vec<Flow>,
    data: Bytes,
    seed: u64,
}

impl Network {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            now: Instant::from_millis(1_000),
            lanes: path.lanes(),
            flows: Vec::new(),
            data: Bytes::from(vec![7; 64 << 10]),
            seed: path.seed,
        }
    }

    /// A flow of this kind, which begins after `delay`.
    pub(crate) fn add(&mut self, control: CongestionControl, delay: Duration) {
        self.add_with(Config { congestion: control, ..Config::default() }, delay);
    }

    pub(crate) fn add_with(&mut self, config: Config, delay: Duration) {
        let starts_at = self.now + delay;
        let config = Rc::new(config);
        self.flows.push(Flow { starts_at, ends: [None, None], received: 0, config });
    }

    /// Octets that the receiving application of each flow has read.
    pub(crate) fn received(&self) -> Vec<u64> {
        self.flows.iter().map(|flow| flow.received).collect()
    }

    pub(crate) fn sender(&self, flow: usize) -> Option<Info> {
        self.flows[flow].ends[0].as_ref().map(StateVector::info)
    }

    pub(crate) fn counters(&self) -> &netem::Counters {
        self.lanes[0].counters()
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    fn next(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter_map(Netem::next_deadline);
        let flows = self.flows.iter().flat_map(|flow| {
            let starts = flow.ends[0].is_none().then_some(flow.starts_at);
            let ends = flow.ends.iter().flatten().filter_map(|end| end.next_deadline());
            starts.into_iter().chain(ends.map(|(at, _)| at))
        });
        lanes.chain(flows).min()
    }

    fn step(&mut self) {
        let mut touched = vec![[false; 2]; self.flows.len()];
        for (index, flow) in self.flows.iter_mut().enumerate() {
            if flow.ends[0].is_none() && flow.starts_at <= self.now {
                let iss = SeqNumber((self.seed as u32).wrapping_mul(77_777) + index as u32 * 999);
                flow.ends[0] = Some(StateVector::connect(flow.config.clone(), iss, self.now));
                touched[index][0] = true;
            }
        }
        for (to, lane) in [1, 0].into_iter().zip(&mut self.lanes) {
            while let Some(Packet { flow, segment }) = lane.poll(self.now) {
                touched[flow][to] = true;
                let Flow { ends, config, .. } = &mut self.flows[flow];
                match &mut ends[to] {
                    Some(vector) => vector.handle_segment(segment, self.now),
                    empty => {
                        let iss = SeqNumber(4_000_000_000);
                        let config = config.clone();
                        *empty = Some(StateVector::accept(config, &segment, iss, self.now));
                    }
                }
            }
        }
        for (index, touched) in touched.into_iter().enumerate() {
            for (side, mut touched) in touched.into_iter().enumerate() {
                let Some(vector) = &mut self.flows[index].ends[side] else { continue };
                if vector.next_deadline().is_some_and(|(at, _)| at <= self.now) {
                    vector.handle_deadline(self.now);
                    touched = true;
                }
                if touched {
                    self.serve(index, side);
                }
            }
        }
    }

    fn serve(&mut self, index: usize, side: usize) {
        let flow = &mut self.flows[index];
        let Some(vector) = &mut flow.ends[side] else { return };
        if side == 1 {
            vector.grant(8 << 20, self.now);
            while let Some(chunk) = vector.read() {
                flow.received += chunk.len() as u64;
            }
        } else {
            while vector.writable() >= self.data.len() {
                vector.write(self.data.clone());
            }
        }
        while let Some(event) = vector.poll_event() {
            assert!(!matches!(event, Event::Closed(_) | Event::Refused(_)), "{event:?}");
        }
        while let Some(transmit) = vector.poll_transmit(self.now) {
            send(&mut self.lanes[side], index, transmit, self.now);
        }
    }
}

/// Splits a super-segment like a device.
fn send(lane: &mut Netem<Packet>, flow: usize, transmit: Transmit, now: Instant) {
    let size = transmit.gso_size.map_or(usize::MAX, usize::from);
    let mut segment = transmit.segment;
    loop {
        let rest = segment.payload.split_off(size.min(segment.payload.len()));
        let mut next = segment.clone();
        if !rest.is_empty() {
            segment.flags.0 &= !(Flags::FIN | Flags::PSH).0;
        }
        next.seq = segment.seq + segment.payload.len() as u32;
        lane.handle_packet(now, Packet { flow, segment });
        if rest.is_empty() {
            return;
        }
        next.payload = rest;
        segment = next;
    }
}

/// Megabits per second.
pub(crate) fn megabits(octets: u64, duration: Duration) -> f64 {
    octets as f64 * 8.0 / 1e6 / duration.as_secs_f64()
}
