//! One session and a model of its wire's original, which behaves as badly as the specification says.

use core::net::SocketAddr;
use core::time::Duration;

use super::super::{Codec, Config, Wire};
use super::pair::{Datagram, End};
use super::script::{DOOR, address};
use crate::Instant;
use crate::netem::{self, Netem};

/// A model of an original program.
pub(crate) trait Original<P> {
    /// A packet has come to it from `from`, at its address `at`.
    fn take(&mut self, packet: P, from: SocketAddr, at: SocketAddr, now: Instant) -> Said<P>;

    /// When it wants to be woken.
    fn deadline(&self) -> Option<Instant>;

    /// What it does then; what it does at the beginning, too.
    fn wake(&mut self, now: Instant) -> Said<P>;
}

/// What it says: from which of its addresses, to whom, and what.
pub(crate) type Said<P> = Vec<(SocketAddr, SocketAddr, P)>;

/// Where the session is.
pub(crate) const OURS: &str = "10.0.0.1:40000";

/// The two of them.
#[derive(Debug)]
pub(crate) struct Duel<W, O> {
    pub(crate) now: Instant,
    pub(crate) end: Option<End<W>>,
    pub(crate) original: O,
    /// To us, and to the original.
    pub(crate) links: [Netem<Datagram>; 2],
    started: bool,
}

impl<W: Wire, O: Original<W::Packet>> Duel<W, O> {
    /// We connect to the original at [`DOOR`].
    pub(crate) fn client(original: O, link: &netem::Config, seed: u64) -> Self {
        let mut duel = Self::server(original, link, seed);
        let session = W::connect(&Config::default(), address(DOOR), seed, duel.now);
        duel.end = Some(End::new(address(OURS), session));
        duel
    }

    /// The original connects to us.
    pub(crate) fn server(original: O, link: &netem::Config, seed: u64) -> Self {
        let links = [seed * 2, seed * 2 + 1].map(|seed| Netem::new(link.clone(), seed));
        Self { now: Instant::from_millis(1), end: None, original, links, started: false }
    }

    pub(crate) fn end(&mut self) -> &mut End<W> {
        self.end.as_mut().expect("a session")
    }

    /// Runs until nothing is left to do, or `limit` has passed.
    pub(crate) fn run(&mut self, limit: Duration) {
        let end = self.now + limit;
        if !core::mem::replace(&mut self.started, true) {
            self.wake();
        }
        self.settle();
        while self.now < end {
            let deadline = self.end.as_ref().and_then(|end| end.session.next_deadline());
            let arrivals = self.links.iter().filter_map(Netem::next_deadline);
            let moments = arrivals.chain(self.original.deadline());
            let Some(next) = moments.chain(deadline.map(|(at, _)| at)).min() else { return };
            self.now = self.now.max(next);
            self.step();
        }
    }

    fn step(&mut self) {
        while let Some(datagram) = self.links[0].poll(self.now) {
            self.deliver_to_us(datagram);
            self.settle();
        }
        while let Some(datagram) = self.links[1].poll(self.now) {
            let packet = W::Packet::parse(datagram.octets).expect("we send packets");
            let said = self.original.take(packet, datagram.from, datagram.to, self.now);
            self.carry(said);
        }
        if self.original.deadline().is_some_and(|at| at <= self.now) {
            self.wake();
        }
        if let Some(end) = &mut self.end {
            end.session.handle_deadline(self.now);
        }
        self.settle();
    }

    fn wake(&mut self) {
        let said = self.original.wake(self.now);
        self.carry(said);
    }

    fn carry(&mut self, said: Said<W::Packet>) {
        for (from, to, packet) in said {
            let datagram = Datagram { from, to, octets: packet.to_bytes() };
            self.links[0].handle_packet(self.now, datagram);
        }
    }

    fn deliver_to_us(&mut self, datagram: Datagram) {
        let packet = W::Packet::parse(datagram.octets).expect("it sends packets");
        if let Some(end) = &mut self.end {
            end.session.handle_packet(packet, datagram.from, self.now);
        } else {
            let config = Config::default();
            let session = W::accept(&config, &packet, datagram.from, 5, self.now);
            self.end = session.map(|session| End::new(address(OURS), session));
        }
    }

    fn settle(&mut self) {
        let Some(end) = &mut self.end else { return };
        loop {
            end.attend(self.now);
            let Some(transmit) = end.session.poll_transmit(self.now) else { return };
            let octets = transmit.packet.to_bytes();
            let datagram = Datagram { from: end.local, to: transmit.to, octets };
            self.links[1].handle_packet(self.now, datagram);
        }
    }
}
