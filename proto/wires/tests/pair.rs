//! Two hosts, one virtual clock, and a bad link between them: whatever the wire.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::super::{
    AnswersFrom, Chunk, Codec, Config, Event, Fault, Outcome, Reason, Wire, WriteError,
};
use crate::Instant;
use crate::netem::{self, Impaired, Loss, Netem, Reordering};

/// A UDP datagram under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) octets: Bytes,
}

impl Impaired for Datagram {
    fn wire_len(&self) -> usize {
        self.octets.len()
    }

    fn flip_bit(&mut self, bit: usize) {
        let mut octets = BytesMut::from(&self.octets[..]);
        octets[bit / 8] ^= 1 << (bit % 8);
        self.octets = octets.freeze();
    }
}

/// One session with its application.
#[derive(Debug)]
pub(crate) struct End<W> {
    pub(crate) local: SocketAddr,
    pub(crate) session: W,
    pub(crate) to_send: VecDeque<Chunk>,
    pub(crate) received: Vec<Chunk>,
    octets: usize,
    pub(crate) events: Vec<Event>,
    /// Close once all is written and so many octets have come.
    pub(crate) closes_after: Option<usize>,
}

impl<W: Wire> End<W> {
    pub(crate) fn new(local: SocketAddr, session: W) -> Self {
        let (to_send, received, events) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { local, session, to_send, received, octets: 0, events, closes_after: None }
    }

    pub(super) fn attend(&mut self, now: Instant) {
        while let Some(chunk) = self.session.read() {
            self.octets += chunk.data.len();
            self.received.push(chunk);
        }
        while let Some(chunk) = self.to_send.front() {
            match self.session.write(chunk.clone(), now) {
                Ok(()) => drop(self.to_send.pop_front()),
                Err(WriteError::Full) => break,
                Err(WriteError::Closed) => self.to_send.clear(),
                Err(error) => panic!("{error}"),
            }
        }
        if self.to_send.is_empty() && self.closes_after.is_some_and(|enough| self.octets >= enough)
        {
            self.closes_after = None;
            self.session.close(now);
        }
        while let Some(event) = self.session.poll_event() {
            self.events.push(event);
        }
    }

    /// How it ended for the application.
    pub(crate) fn ended(&self) -> Option<&Reason> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(reason) | Event::Refused(reason) => Some(reason),
            _ => None,
        })
    }
}

/// A client, a server with its listening port, and a link in each direction.
#[derive(Debug)]
pub(crate) struct Pair<W> {
    pub(crate) now: Instant,
    pub(crate) config: Config,
    pub(crate) client: End<W>,
    pub(crate) servers: Vec<End<W>>,
    /// What each server session is to send, and when it closes by itself.
    pub(crate) reply: (Vec<Chunk>, Option<usize>),
    links: [Netem<Datagram>; 2],
    /// Datagrams that could not be read, by fault.
    pub(crate) faults: [u64; Fault::ALL.len()],
    /// All that was sent, for tests of order and determinism.
    pub(crate) log: Vec<(Instant, Datagram)>,
    seed: u64,
}

pub(crate) const CLIENT: &str = "10.0.0.1:40000";
pub(crate) const LISTENING: &str = "10.0.0.2:5000";

/// Loss, duplication and reordering, each with this probability.
pub(crate) fn weather(loss: f64, duplication: f64, reordering: f64) -> netem::Config {
    netem::Config {
        delay: Duration::from_millis(5),
        loss: Loss::Independent(loss),
        duplication,
        reordering: Reordering { probability: reordering, extra: Duration::from_millis(8) },
        ..netem::Config::default()
    }
}

impl<W: Wire> Pair<W> {
    pub(crate) fn new(config: Config, weather: &netem::Config, seed: u64) -> Self {
        let now = Instant::from_millis(1_000);
        let listening: SocketAddr = LISTENING.parse().expect("an address");
        let local = CLIENT.parse().expect("an address");
        let client = End::new(local, W::connect(&config, listening, seed, now));
        Self {
            now,
            config,
            client,
            servers: Vec::new(),
            reply: (Vec::new(), None),
            links: [seed * 2, seed * 2 + 1].map(|seed| Netem::new(weather.clone(), seed)),
            faults: [0; Fault::ALL.len()],
            log: Vec::new(),
            seed,
        }
    }

    /// Runs until nothing is left to do, or `limit` has passed; tells whether it came to rest.
    pub(crate) fn run(&mut self, limit: Duration) -> bool {
        let end = self.now + limit;
        self.settle();
        while self.now < end {
            if !self.step() {
                return true;
            }
        }
        false
    }

    /// Goes to the next moment at which something happens; false if there is none.
    pub(crate) fn step(&mut self) -> bool {
        let arrivals = self.links.iter().filter_map(Netem::next_deadline);
        let ends = core::iter::once(&self.client).chain(&self.servers);
        let deadlines = ends.filter_map(|end| end.session.next_deadline()).map(|(at, _)| at);
        let Some(next) = arrivals.chain(deadlines).min() else { return false };
        self.now = self.now.max(next);
        for direction in 0..2 {
            while let Some(datagram) = self.links[direction].poll(self.now) {
                self.deliver(datagram);
                self.settle();
            }
        }
        for end in core::iter::once(&mut self.client).chain(&mut self.servers) {
            end.session.handle_deadline(self.now);
        }
        self.settle();
        true
    }

    /// What a driver does with a datagram; nothing comes of one that cannot be read, or that nobody wants.
    pub(crate) fn deliver(&mut self, datagram: Datagram) -> Option<Outcome> {
        let packet = match W::Packet::parse(datagram.octets) {
            Ok(packet) => packet,
            Err(fault) => {
                self.faults[fault as usize] += 1;
                return None;
            }
        };
        let (from, to) = (datagram.from, datagram.to);
        if to == self.client.local {
            return Some(self.client.session.handle_packet(packet, from, self.now));
        }
        let is_listening = to == LISTENING.parse().expect("an address");
        let owner = self.servers.iter_mut().find(|end| {
            let is_peer = is_listening && end.session.common().remote == from;
            !end.session.is_over() && (end.local == to && !is_listening || is_peer)
        });
        let outcome = owner.map(|end| end.session.handle_packet(packet.clone(), from, self.now));
        if is_listening && matches!(outcome, None | Some(Outcome::Opens)) {
            self.accept(&packet, from, to);
        }
        outcome
    }

    fn accept(&mut self, packet: &W::Packet, from: SocketAddr, listening: SocketAddr) {
        let seed = self.seed.wrapping_add(77 + self.servers.len() as u64);
        let Some(session) = W::accept(&self.config, packet, from, seed, self.now) else { return };
        let mut local = listening;
        if W::PROFILE.answers_from == AnswersFrom::NewPort {
            local.set_port(20_000 + self.servers.len() as u16);
        }
        let mut end = End::new(local, session);
        end.to_send = self.reply.0.clone().into();
        end.closes_after = self.reply.1;
        self.servers.push(end);
    }

    pub(crate) fn settle(&mut self) {
        let ends = core::iter::once((0, &mut self.client))
            .chain(self.servers.iter_mut().map(|end| (1, end)));
        for (direction, end) in ends {
            loop {
                end.attend(self.now);
                let Some(transmit) = end.session.poll_transmit(self.now) else { break };
                let octets = transmit.packet.to_bytes();
                assert!(octets.len() <= W::PROFILE.max_datagram, "{:?}", transmit.packet);
                assert_eq!(W::Packet::parse(octets.clone()).as_ref(), Ok(&transmit.packet));
                let datagram = Datagram { from: end.local, to: transmit.to, octets };
                self.log.push((self.now, datagram.clone()));
                self.links[direction].handle_packet(self.now, datagram);
            }
        }
    }
}
