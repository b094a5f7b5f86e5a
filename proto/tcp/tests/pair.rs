//! Two machines, one virtual clock, and a link between them that loses, repeats and reorders.

use core::time::Duration;
use std::rc::Rc;

use bytes::Bytes;

use super::super::{Config, Event, State, StateVector, Transmit};
use crate::Instant;
use crate::wire::tcp::{Segment, SeqNumber};

/// What the link does, chances being those of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) loss: u32,
    pub(super) duplication: u32,
    pub(super) reordering: u32,
    /// Segments with more payload vanish, unless it is 0.
    pub(super) largest: usize,
}

/// A small generator with a long enough period; tests need no better.
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 33) as u32) % sides
    }
}

/// One end with its application: writes `to_send`, reads everything into `received`.
#[derive(Debug)]
pub(super) struct End {
    pub(super) vector: StateVector,
    pub(super) to_send: Bytes,
    pub(super) received: Vec<u8>,
    pub(super) events: Vec<Event>,
    /// Octets granted at a time; nothing for an application that does not read.
    pub(super) appetite: usize,
    /// Shut down once all is written.
    pub(super) closes: bool,
}

impl End {
    fn new(vector: StateVector, to_send: Bytes) -> Self {
        let (received, events) = (Vec::new(), Vec::new());
        Self { vector, to_send, received, events, appetite: 1 << 20, closes: true }
    }

    fn attend(&mut self, now: Instant) {
        self.vector.grant(self.appetite, now);
        while let Some(chunk) = self.vector.read() {
            self.received.extend_from_slice(&chunk);
            self.vector.grant(chunk.len().min(self.appetite), now);
        }
        let room = self.vector.writable().min(self.to_send.len());
        if room > 0 {
            assert_eq!(self.vector.write(self.to_send.split_to(room)), None);
        }
        if self.to_send.is_empty() && self.closes {
            self.vector.shutdown(now);
        }
        while let Some(event) = self.vector.poll_event() {
            self.events.push(event);
        }
    }
}

/// Two ends and the segments between them.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) ends: [End; 2],
    /// Segments under way: when they arrive, a tie-breaker, to which end.
    under_way: Vec<(Instant, u64, usize, Segment)>,
    sent: u64,
    pub(super) delay: Duration,
    /// How long the wire takes for an octet of the client's data, and how much may wait for it.
    pub(super) bottleneck: Option<(Duration, usize)>,
    /// When the wire is free again.
    busy_until: Instant,
    pub(super) weather: Weather,
    pub(super) dice: Dice,
}

impl Pair {
    /// A client about to connect; the server starts with the first SYN that arrives.
    pub(super) fn new(config: Config, data: [Bytes; 2], weather: Weather, seed: u64) -> Self {
        let config = Rc::new(config);
        let now = Instant::from_millis(1_000);
        let [client_data, server_data] = data;
        // Near the end of the circle, so that every transfer goes round it.
        let client = StateVector::connect(config.clone(), SeqNumber(u32::MAX - 500), now);
        let mut idle = StateVector::connect(config, SeqNumber(u32::MAX - 70_000), now);
        idle.state = State::Closed;
        Self {
            now,
            ends: [End::new(client, client_data), End::new(idle, server_data)],
            under_way: Vec::new(),
            sent: 0,
            delay: Duration::from_millis(10),
            bottleneck: None,
            busy_until: now,
            weather,
            dice: Dice(seed.wrapping_mul(2_685_821_657_736_338_717) | 1),
        }
    }

    /// Runs until both ends are closed or `limit` has passed.
    pub(super) fn run(&mut self, limit: Duration) {
        let end = self.now + limit;
        self.settle();
        while self.now < end && self.step() {}
    }

    /// Goes to the next moment at which something happens; false if there is none.
    pub(super) fn step(&mut self) -> bool {
        let arrival = self.under_way.iter().map(|(at, ..)| *at).min();
        let deadline =
            self.ends.iter().filter_map(|end| end.vector.next_deadline()).map(|(at, _)| at).min();
        let Some(next) = arrival.into_iter().chain(deadline).min() else { return false };
        self.now = self.now.max(next);
        self.deliver();
        for end in &mut self.ends {
            end.vector.handle_deadline(self.now);
        }
        self.settle();
        true
    }

    fn deliver(&mut self) {
        self.under_way.sort_by_key(|(at, order, ..)| (*at, *order));
        let due = self.under_way.partition_point(|(at, ..)| *at <= self.now);
        for (_, _, to, segment) in self.under_way.drain(..due) {
            let end = &mut self.ends[to];
            if end.vector.state() == State::Closed && end.events.is_empty() && to == 1 {
                let config = end.vector.config.clone();
                let iss = end.vector.snd.iss;
                end.vector = StateVector::accept(config, &segment, iss, self.now);
            } else {
                end.vector.handle_segment(segment, self.now);
            }
        }
    }

    pub(super) fn settle(&mut self) {
        for from in 0..2 {
            self.ends[from].attend(self.now);
            while let Some(transmit) = self.ends[from].vector.poll_transmit(self.now) {
                self.ends[from].vector.check_invariants();
                self.send(transmit, 1 - from);
            }
            self.ends[from].attend(self.now);
            while let Some(transmit) = self.ends[from].vector.poll_transmit(self.now) {
                self.send(transmit, 1 - from);
            }
        }
    }

    /// Splits a super-segment like a device and hands the parts to the weather.
    fn send(&mut self, transmit: Transmit, to: usize) {
        let size = transmit.gso_size.map_or(usize::MAX, usize::from);
        let mut whole = transmit.segment;
        loop {
            let rest = whole.payload.split_off(size.min(whole.payload.len()));
            let mut next = whole.clone();
            if !rest.is_empty() {
                whole.flags.0 &= !(crate::wire::tcp::Flags::FIN | crate::wire::tcp::Flags::PSH).0;
            }
            next.seq = whole.seq + whole.payload.len() as u32;
            self.expose(whole, to);
            if rest.is_empty() {
                break;
            }
            next.payload = rest;
            whole = next;
        }
    }

    fn expose(&mut self, segment: Segment, to: usize) {
        if self.weather.largest > 0 && segment.payload.len() > self.weather.largest {
            return;
        }
        assert!(self.under_way.len() < 100_000, "it does not end: {segment:?}");
        let copies = 1 + usize::from(self.dice.roll(1_000) < self.weather.duplication);
        for _ in 0..copies {
            if self.dice.roll(1_000) < self.weather.loss {
                continue;
            }
            let late = self.dice.roll(1_000) < self.weather.reordering;
            let most = self.delay.as_micros() as u32 * 4 / 5;
            let extra = if late { self.dice.roll(most) } else { 0 };
            let mut at = self.now + self.delay + Duration::from_micros(extra.into());
            if let (Some((each, queue)), 1) = (self.bottleneck, to) {
                let wait = self.busy_until.saturating_since(self.now);
                let len = segment.payload.len() + 52;
                if wait > each * queue as u32 {
                    continue;
                }
                self.busy_until = self.now + wait + each * len as u32;
                at = at + wait + each * len as u32;
            }
            self.sent += 1;
            self.under_way.push((at, self.sent, to, segment.clone()));
        }
    }
}

/// Octets that differ from their neighbours and from those a segment further.
pub(super) fn pattern(len: usize) -> Bytes {
    (0..len).map(|i| (i.wrapping_mul(31) ^ (i >> 8).wrapping_mul(7)) as u8).collect()
}
