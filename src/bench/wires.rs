//! Bulk transfers over the wires in datagrams, measured in virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use netmart_proto::Instant;
use netmart_proto::netem::{self, Impaired, Netem};
use netmart_proto::wires::{
    Borders, Chunk, Codec, Config, Event, Info, Kind, Visitor, Wire, WriteError,
};

use super::{Failure, Path};

/// A measurement to be made: one connection over a path, data from the side that connects.
#[derive(Clone, Debug)]
pub struct WireCell {
    /// The wire.
    pub kind: Kind,
    /// The path.
    pub path: Path,
    /// What is sent.
    pub load: Load,
    /// The settings of both ends.
    pub config: Config,
    /// What all chance follows from.
    pub seed: u64,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// As much as the wire takes, for so long from the first packet on.
    For(Duration),
    /// A file of so many octets on each of so many streams; on wires without streams, one after the other.
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
    pub wire: [netem::Counters; 2],
}

impl WireOutcome {
    /// Payload in bits per second.
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
        self.kind.visit(self)
    }
}

impl Visitor for &WireCell {
    type Output = Result<WireOutcome, Failure>;

    fn visit<W: Wire>(self) -> Self::Output {
        Drive::<W>::new(self).run(self)
    }
}

#[derive(Clone)]
struct Datagram(SocketAddr, Bytes);

impl Impaired for Datagram {
    fn wire_len(&self) -> usize {
        self.1.len() + 28
    }

    fn flip_bit(&mut self, bit: usize) {
        let mut octets = BytesMut::from(&self.1[..]);
        octets[bit / 8] ^= 1 << (bit % 8);
        self.1 = octets.freeze();
    }
}

struct Drive<W> {
    now: Instant,
    client: W,
    server: Option<W>,
    links: [Netem<Datagram>; 2],
    left: Vec<u64>,
    turn: usize,
    octets: u64,
    latest: Instant,
}

const CLIENT: &str = "10.0.0.1:40000";
const SERVER: &str = "10.0.0.2:5000";

impl<W: Wire> Drive<W> {
    fn new(cell: &WireCell) -> Self {
        let now = Instant::ZERO;
        let left = match cell.load {
            Load::For(_) => vec![u64::MAX],
            Load::Streams { count, octets } => vec![octets; count as usize],
        };
        Self {
            now,
            client: W::connect(&cell.config, SERVER.parse().unwrap(), cell.seed, now),
            server: None,
            links: [
                Netem::new(cell.path.forward(), cell.seed * 2),
                Netem::new(cell.path.backward(), cell.seed * 2 + 1),
            ],
            left,
            turn: 0,
            octets: 0,
            latest: now,
        }
    }

    fn run(mut self, cell: &WireCell) -> Result<WireOutcome, Failure> {
        let end = match cell.load {
            Load::For(time) => Some(Instant::ZERO + time),
            Load::Streams { .. } => None,
        };
        loop {
            self.settle(cell)?;
            let ends = [Some(&self.client), self.server.as_ref()];
            let deadlines =
                ends.into_iter().flatten().filter_map(|e| e.next_deadline()).map(|d| d.0);
            let next = self.links.iter().filter_map(Netem::next_deadline).chain(deadlines).min();
            let Some(next) = next else { break };
            if end.is_some_and(|end| next > end) {
                self.latest = end.unwrap();
                break;
            }
            if end.is_none() && self.client.is_over() {
                break;
            }
            self.now = self.now.max(next);
            while let Some(Datagram(from, octets)) = self.links[0].poll(self.now) {
                let packet = W::Packet::parse(octets).expect("sound");
                match &mut self.server {
                    Some(server) => drop(server.handle_packet(packet, from, self.now)),
                    None => self.server = W::accept(&cell.config, &packet, from, 7, self.now),
                }
                self.settle(cell)?;
            }
            while let Some(Datagram(from, octets)) = self.links[1].poll(self.now) {
                let packet = W::Packet::parse(octets).expect("sound");
                self.client.handle_packet(packet, from, self.now);
                self.settle(cell)?;
            }
            self.client.handle_deadline(self.now);
            if let Some(server) = &mut self.server {
                server.handle_deadline(self.now);
            }
        }
        let server = self.server.as_ref().ok_or(Failure::Stuck)?;
        Ok(WireOutcome {
            octets: self.octets,
            time: self.latest.saturating_since(Instant::ZERO),
            receiver: server.info(),
            sender: self.client.info(),
            wire: self.links.each_ref().map(|link| *link.counters()),
        })
    }

    fn settle(&mut self, _cell: &WireCell) -> Result<(), Failure> {
        let most = match W::PROFILE.borders {
            Borders::Datagram(most) => most.min(1400),
            _ => 16 * 1024,
        };
        loop {
            while let Some(n) = (0..self.left.len())
                .map(|n| (self.turn + n) % self.left.len())
                .find(|n| self.left[*n] > 0)
            {
                let len = self.left[n].min(most as u64);
                let chunk = Chunk {
                    stream: n as u32 + 1,
                    data: vec![0x6e; len as usize].into(),
                    end: len == self.left[n],
                };
                match self.client.write(chunk, self.now) {
                    Ok(()) => self.left[n] -= len,
                    Err(WriteError::Full) => break,
                    Err(error) => panic!("{error}"),
                }
                self.turn = n + 1;
                if self.left.iter().all(|left| *left == 0) {
                    self.client.close(self.now);
                }
            }
            let mut quiet = true;
            while let Some(transmit) = self.client.poll_transmit(self.now) {
                quiet = false;
                let datagram = Datagram(CLIENT.parse().unwrap(), transmit.packet.to_bytes());
                self.links[0].handle_packet(self.now, datagram);
            }
            if let Some(server) = &mut self.server {
                while let Some(transmit) = server.poll_transmit(self.now) {
                    quiet = false;
                    let datagram = Datagram(SERVER.parse().unwrap(), transmit.packet.to_bytes());
                    self.links[1].handle_packet(self.now, datagram);
                }
                while let Some(chunk) = server.read() {
                    self.octets += chunk.data.len() as u64;
                    self.latest = self.now;
                }
            }
            for end in [Some(&mut self.client), self.server.as_mut()].into_iter().flatten() {
                while let Some(event) = end.poll_event() {
                    if let Event::Refused(reason) = event {
                        return Err(Failure::Connection { flow: 1, reason: reason.to_string() });
                    }
                }
            }
            if quiet {
                return Ok(());
            }
        }
    }
}
