//! One session and a scripted peer: what a test says, it says octet by octet.

use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use super::super::{Chunk, Codec, Config, Event, Fault, Outcome, Reason, Wire};
use crate::Instant;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// Where the scripted peer listens, or connects from.
pub(crate) const DOOR: &str = "10.0.0.9:5000";
/// Where it answers from, on wires with a port per connection.
pub(crate) const PEER: &str = "10.0.0.9:6000";

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Octets in hexadecimal; blanks do not matter.
pub(crate) fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a digit") as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2));
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Checks that the octets are read as `packet`, and that it is written as these octets.
pub(crate) fn check_vector<P: Codec>(octets: impl Into<Bytes>, packet: &P) {
    let octets = octets.into();
    assert_eq!(P::parse(octets.clone()).as_ref(), Ok(packet));
    assert_eq!(packet.to_bytes(), octets, "{packet:?}");
}

/// A session under test.
#[derive(Debug)]
pub(crate) struct Script<W: Wire> {
    pub(crate) session: W,
    pub(crate) now: Instant,
    pub(crate) peer: SocketAddr,
    /// What was sent, and where to, since it was last heard.
    pub(crate) sent: Vec<(Instant, SocketAddr, W::Packet)>,
}

impl<W: Wire> Script<W> {
    /// A client that has just connected to [`DOOR`].
    pub(crate) fn client(seed: u64) -> Self {
        let now = Instant::from_millis(10);
        let session = W::connect(&Config::default(), address(DOOR), seed, now);
        let mut script = Self { session, now, peer: address(DOOR), sent: Vec::new() };
        script.drain();
        script
    }

    /// A server that has just got `opening` from [`PEER`].
    pub(crate) fn server(opening: &W::Packet, seed: u64) -> Self {
        let now = Instant::from_millis(10);
        let session = W::accept(&Config::default(), opening, address(PEER), seed, now)
            .expect("an opening packet");
        let mut script = Self { session, now, peer: address(PEER), sent: Vec::new() };
        script.drain();
        script
    }

    /// The peer says something.
    pub(crate) fn say(&mut self, packet: W::Packet) -> Outcome {
        self.say_from(packet, self.peer)
    }

    pub(crate) fn say_from(&mut self, packet: W::Packet, from: SocketAddr) -> Outcome {
        let outcome = self.session.handle_packet(packet, from, self.now);
        self.drain();
        outcome
    }

    /// The peer says these octets.
    pub(crate) fn say_octets(&mut self, octets: impl Into<Bytes>) -> Result<Outcome, Fault> {
        W::Packet::parse(octets.into()).map(|packet| self.say(packet))
    }

    pub(crate) fn write(&mut self, data: impl Into<Bytes>) {
        self.write_chunk(Chunk::message(data));
    }

    pub(crate) fn write_chunk(&mut self, chunk: Chunk) {
        self.session.write(chunk, self.now).expect("room");
        self.drain();
    }

    pub(crate) fn close(&mut self) {
        self.session.close(self.now);
        self.drain();
    }

    /// What was sent since the last time this was asked.
    pub(crate) fn heard(&mut self) -> Vec<W::Packet> {
        self.sent.drain(..).map(|(_, _, packet)| packet).collect()
    }

    /// Checks what was sent since the last time.
    pub(crate) fn expect(&mut self, expected: &[W::Packet]) {
        assert_eq!(self.heard(), expected);
    }

    /// Lets time pass, with all that is due on the way.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.session.next_deadline().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.session.handle_deadline(self.now);
            self.drain();
        }
        self.now = end;
        self.drain();
    }

    /// Lets time pass until the session has nothing more to do; not for ever.
    pub(crate) fn wait_for_end(&mut self) {
        for _ in 0..200 {
            if self.session.is_over() {
                return;
            }
            self.wait(MS * 1000);
        }
        panic!("no end: {:?}", self.session);
    }

    /// All octets that can be read.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while let Some(chunk) = self.session.read() {
            octets.extend_from_slice(&chunk.data);
        }
        self.drain();
        octets
    }

    /// How it ended, if it has; what is left to read is thrown away.
    pub(crate) fn ended(&mut self) -> Option<Reason> {
        self.read();
        let mut ended = None;
        while let Some(event) = self.session.poll_event() {
            if let Event::Closed(reason) | Event::Refused(reason) = event {
                ended = Some(reason);
            }
        }
        ended
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.session.poll_transmit(self.now) {
            self.sent.push((self.now, transmit.to, transmit.packet));
        }
    }
}
