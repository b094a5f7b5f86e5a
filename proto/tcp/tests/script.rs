//! A small language, so that a test reads like a packet trace.
//!
//! A segment is written `FLAGS START:END key=value ...`, sequence numbers counted from the SYN of
//! its sender, as in `P. 1:101 ack=1 win=5000`. Flags are those of packetdrill. Keys: `ack`, `win`, `urg`,
//! `mss`, `ws`, `ts` (`value/echo`), `sack` (`1:10,20:30`) and the bare word `sackok`.
//! `ce`, `ect0` and `noect` are the ECN field of the packet. In a segment that is expected only what is
//! written is compared, the window and the options only if named.

use core::time::Duration;
use std::rc::Rc;

use bytes::Bytes;

use super::super::{Config, Event, MtuProbing, State, StateVector, Transmit};
use super::pair::pattern;
use crate::Instant;
use crate::wire::Ecn;
use crate::wire::tcp::{Flags, Segment, SeqNumber, Timestamps};

pub(super) const LOCAL: SeqNumber = SeqNumber(0xffff_fff0);
pub(super) const REMOTE: SeqNumber = SeqNumber(0x7fff_fff0);

/// The machine under test and the clock.
pub(super) struct Trace {
    pub(super) vector: StateVector,
    pub(super) now: Instant,
}

/// Settings without timestamps and scaling, so that traces stay short, and without probes.
pub(super) fn plain() -> Config {
    let mtu_probing = MtuProbing::Off;
    Config { timestamps: false, window_scaling: false, mtu_probing, ..Config::default() }
}

impl Trace {
    pub(super) fn connect(config: Config) -> Self {
        let now = Instant::from_millis(10_000);
        Self { vector: StateVector::connect(Rc::new(config), LOCAL, now), now }
    }

    pub(super) fn accept(config: Config, syn: &str) -> Self {
        let now = Instant::from_millis(10_000);
        let syn = parse(syn, REMOTE, LOCAL);
        Self { vector: StateVector::accept(Rc::new(config), &syn, LOCAL, now), now }
    }

    /// In ESTABLISHED after an active open; the peer's SYN said `options`.
    pub(super) fn established_with(config: Config, options: &str) -> Self {
        let mut trace = Self::connect(config);
        trace.send("S 0:0");
        trace.pass(10);
        trace.recv(&format!("S. 0:0 ack=1 {options}"));
        trace.send(". 1:1 ack=1");
        trace.silent();
        assert_eq!(trace.state(), State::Established);
        trace.events();
        trace
    }

    /// In ESTABLISHED with an MSS of 1000, SACK, a window of 65535 and a round trip of 10 ms.
    pub(super) fn established() -> Self {
        Self::established_with(Config { mss: 1000, ..plain() }, "win=65535 mss=1000 sackok")
    }

    /// In the state asked for, one of those after the handshake.
    pub(super) fn in_state(state: State) -> Self {
        if state == State::SynReceived {
            let mut trace = Self::accept(plain(), "S 0:0 win=65535 mss=1000 sackok");
            trace.send("S. 0:0 ack=1");
            return trace;
        }
        let mut trace = Self::established();
        let peer_first = matches!(state, State::CloseWait | State::LastAck);
        if peer_first {
            trace.recv("F. 1:1 ack=1");
            trace.send(". 1:1 ack=2");
        }
        if !matches!(state, State::Established | State::CloseWait) {
            trace.vector.shutdown(trace.now);
            trace.send(if peer_first { "F. 1:1 ack=2" } else { "F. 1:1 ack=1" });
        }
        match state {
            State::FinWait2 => trace.recv(". 1:1 ack=2"),
            State::Closing => {
                trace.recv("F. 1:1 ack=1");
                trace.send(". 2:2 ack=2");
            }
            State::TimeWait => {
                trace.recv("F. 1:1 ack=2");
                trace.send(". 2:2 ack=2");
            }
            _ => {}
        }
        trace.silent();
        assert_eq!(trace.state(), state);
        trace.events();
        trace
    }

    /// A segment arrives.
    pub(super) fn recv(&mut self, segment: &str) {
        self.vector.handle_segment(parse(segment, REMOTE, LOCAL), self.now);
        self.vector.check_invariants();
    }

    /// The machine sends this.
    #[track_caller]
    pub(super) fn send(&mut self, expected: &str) -> Transmit {
        let Some(transmit) = self.vector.poll_transmit(self.now) else {
            panic!("nothing was sent, expected {expected}");
        };
        self.vector.check_invariants();
        let actual = print(&transmit.segment);
        let same = expected.split(' ').all(|word| actual.split(' ').any(|other| other == word));
        assert!(same, "sent {actual}, expected {expected}");
        let payload = &transmit.segment.payload;
        if !payload.is_empty() {
            let start = transmit.segment.seq.distance_from(LOCAL + 1) as usize;
            let wanted = pattern(start + payload.len());
            assert_eq!(*payload, wanted[start..], "wrong octets in {actual}");
        }
        transmit
    }

    /// The machine has nothing (more) to send.
    #[track_caller]
    pub(super) fn silent(&mut self) {
        if let Some(transmit) = self.vector.poll_transmit(self.now) {
            panic!("sent {}, expected nothing", print(&transmit.segment));
        }
    }

    /// Time passes, in milliseconds; timers expire on their way.
    pub(super) fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.vector.handle_deadline(self.now);
    }

    /// Time passes until the next timer, whose delay in milliseconds is returned.
    #[track_caller]
    pub(super) fn pass_to_deadline(&mut self) -> u64 {
        let (at, _) = self.vector.next_deadline().expect("no timer runs");
        let millis = at.saturating_since(self.now).as_micros().div_ceil(1_000) as u64;
        self.pass(millis);
        millis
    }

    /// The application writes octets of the pattern up to this sequence number.
    pub(super) fn write_to(&mut self, end: usize) {
        let written = self.vector.data_end().distance_from(LOCAL + 1) as usize;
        assert_eq!(self.vector.write(pattern(end - 1).slice(written..)), None);
    }

    /// The application reads all it was granted.
    pub(super) fn read(&mut self) -> Bytes {
        std::iter::from_fn(|| self.vector.read()).flatten().collect()
    }

    pub(super) fn grant(&mut self, octets: usize) {
        self.vector.grant(octets, self.now);
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.vector.poll_event()).collect()
    }

    pub(super) fn state(&self) -> State {
        self.vector.state()
    }

    #[track_caller]
    pub(super) fn assert_state(&self, state: State) {
        assert_eq!(self.vector.state(), state);
    }
}

/// Reads a segment of a sender with this initial sequence number.
pub(super) fn parse(text: &str, from: SeqNumber, to: SeqNumber) -> Segment {
    let mut words = text.split_whitespace();
    let mut segment = Segment { window: u16::MAX, ..Segment::default() };
    for letter in words.next().unwrap_or_default().chars() {
        segment.flags |= match letter {
            'S' => Flags::SYN,
            'F' => Flags::FIN,
            'R' => Flags::RST,
            'P' => Flags::PSH,
            'U' => Flags::URG,
            'E' => Flags::ECE,
            'W' => Flags::CWR,
            '.' => Flags::ACK,
            '-' => Flags::default(),
            other => panic!("no flag {other}"),
        };
    }
    let (start, end) = range(words.next().unwrap_or_default());
    segment.seq = from + start;
    if start < end {
        let before = start.saturating_sub(1) as usize;
        segment.payload = pattern(before + (end - start) as usize).slice(before..);
    }
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse().expect("a number");
        match key {
            "ack" => segment.ack = to + number(),
            "win" => segment.window = number() as u16,
            "urg" => segment.urgent = number() as u16,
            "mss" => segment.options.mss = Some(number() as u16),
            "ws" => segment.options.window_scale = Some(number() as u8),
            "sackok" => segment.options.sack_permitted = true,
            "ce" => segment.ecn = Ecn::Ce,
            "ts" => {
                let (value, echo) = value.split_once('/').expect("value/echo");
                segment.options.timestamps = Some(Timestamps {
                    value: value.parse().expect("a number"),
                    echo: echo.parse().expect("a number"),
                });
            }
            "sack" => {
                for block in value.split(',') {
                    let (left, right) = range(block);
                    assert!(segment.options.sack.push(to + left, to + right));
                }
            }
            other => panic!("no key {other}"),
        }
    }
    segment
}

fn range(text: &str) -> (u32, u32) {
    let (start, end) = text.split_once(':').expect("START:END");
    (start.parse().expect("a number"), end.parse().expect("a number"))
}

/// Prints a segment of the machine under test.
fn print(segment: &Segment) -> String {
    let start = segment.seq.0.wrapping_sub(LOCAL.0);
    let end = start.wrapping_add(segment.payload.len() as u32);
    let relative = |seq: SeqNumber| seq.0.wrapping_sub(REMOTE.0);
    let mut text = format!("{} {start}:{end}", segment.flags);
    if segment.flags.contains(Flags::ACK) {
        text += &format!(" ack={}", relative(segment.ack));
    }
    text += &format!(" win={}", segment.window);
    if segment.urgent > 0 {
        text += &format!(" urg={}", segment.urgent);
    }
    text += match segment.ecn {
        Ecn::NotEct => " noect",
        Ecn::Ect0 => " ect0",
        Ecn::Ect1 => " ect1",
        Ecn::Ce => " ce",
    };
    let options = &segment.options;
    if let Some(mss) = options.mss {
        text += &format!(" mss={mss}");
    }
    if let Some(shift) = options.window_scale {
        text += &format!(" ws={shift}");
    }
    if options.sack_permitted {
        text += " sackok";
    }
    if let Some(timestamps) = options.timestamps {
        text += &format!(" ts={}/{}", timestamps.value, timestamps.echo);
    }
    let blocks: Vec<String> = options
        .sack
        .as_slice()
        .iter()
        .map(|(left, right)| format!("{}:{}", relative(*left), relative(*right)))
        .collect();
    if blocks.is_empty() { text + " nosack" } else { text + " sack=" + &blocks.join(",") }
}
