//! Students' programs, as the specification describes them.

use core::net::SocketAddr;
use std::collections::VecDeque;

use bytes::Bytes;

use super::super::super::tests::original::{OURS, Original, Said};
use super::super::super::tests::script::DOOR;
use super::*;
use crate::Instant;

/// Its habits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Both sides share one counter; otherwise each counts for itself.
    pub(super) shares: bool,
    /// SYN, SYN-ACK and FIN are repeated.
    pub(super) repeats: bool,
    /// Every acknowledgement that was not expected is answered with a copy of the segment.
    pub(super) echoes: bool,
    /// Repeats of the last data are acknowledged while it waits for FIN.
    pub(super) hears_the_end: bool,
    /// ACK and FIN come apart.
    pub(super) splits: bool,
    /// What follows a separator in the data is lost.
    pub(super) stops_at_bars: bool,
}

/// The reference peer, and two of the programs that were measured.
pub(super) const REFERENCE: Habits = Habits {
    shares: true,
    repeats: true,
    echoes: false,
    hears_the_end: true,
    splits: false,
    stops_at_bars: false,
};
pub(super) const K: Habits =
    Habits { repeats: false, hears_the_end: false, stops_at_bars: true, ..REFERENCE };
pub(super) const J: Habits = Habits {
    shares: false,
    repeats: true,
    echoes: true,
    hears_the_end: false,
    splits: true,
    stops_at_bars: false,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinSent,
    LastAck,
    Closed,
}

/// One of them, as a client with a message or as a server.
#[derive(Debug)]
pub(super) struct Student {
    habits: Habits,
    state: State,
    me: SocketAddr,
    peer: SocketAddr,
    /// The number of its SYN, or of its SYN-ACK.
    x: u64,
    snd: u64,
    rcv: u64,
    pieces: VecDeque<Bytes>,
    left: Option<u64>,
    pub(super) received: Vec<u8>,
    pub(super) sent: usize,
    timer: Option<Instant>,
    tries: u32,
}

impl Student {
    pub(super) fn server(habits: Habits) -> Self {
        Self::new(habits, State::Listen, 72)
    }

    pub(super) fn client(habits: Habits, message: &Bytes) -> Self {
        let mut student = Self::new(habits, State::SynSent, 44);
        student.pieces.push_back(message.len().to_string().into());
        student.pieces.extend(message.chunks(16).map(|piece| message.slice_ref(piece)));
        student
    }

    fn new(habits: Habits, state: State, x: u64) -> Self {
        Self {
            habits,
            state,
            me: address(DOOR),
            peer: address(OURS),
            x,
            snd: 0,
            rcv: 0,
            pieces: VecDeque::new(),
            left: None,
            received: Vec::new(),
            sent: 0,
            timer: None,
            tries: 0,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    fn say(&mut self, packets: impl IntoIterator<Item = P>) -> Said<P> {
        let said: Said<P> = packets.into_iter().map(|p| (self.me, self.peer, p)).collect();
        self.sent += said.len();
        said
    }

    /// What it waits for an answer to.
    fn present(&mut self, now: Instant) -> Said<P> {
        self.tries += 1;
        let repeats = match self.state {
            State::Established => self.pieces.front().is_some(),
            State::SynSent | State::SynReceived | State::FinSent => self.habits.repeats,
            State::LastAck => self.tries < 3,
            State::Listen | State::Closed => false,
        };
        self.timer = repeats.then(|| now + MS * 50);
        let packets = match self.state {
            State::SynSent => vec![P::syn(self.x)],
            State::SynReceived => vec![P::syn_ack(self.x)],
            State::Established => match self.pieces.front() {
                Some(piece) => vec![P::data(self.snd, piece.clone())],
                None => Vec::new(),
            },
            State::FinSent => vec![P::fin(self.snd)],
            State::LastAck if self.habits.splits => {
                vec![P::ack(self.x + 1), P::fin(self.x + 1)]
            }
            State::LastAck => vec![P::fin_ack(self.rcv + 1)],
            State::Listen | State::Closed => Vec::new(),
        };
        self.say(packets)
    }

    fn enter(&mut self, state: State, now: Instant) -> Said<P> {
        self.state = state;
        self.tries = 0;
        self.present(now)
    }

    fn take_data(&mut self, mut p: P, now: Instant) -> Said<P> {
        if p.seq < self.rcv {
            let is_done = self.left == Some(0);
            let answers = !is_done || self.habits.hears_the_end;
            return if answers { self.say([P::ack(self.rcv)]) } else { Vec::new() };
        }
        if p.seq > self.rcv {
            return Vec::new();
        }
        let _ = now;
        let bars = p.data.windows(3).position(|octets| octets == b"|||");
        p.data.truncate(bars.filter(|_| self.habits.stops_at_bars).unwrap_or(p.data.len()));
        self.rcv += p.data.len() as u64;
        match self.left {
            None => {
                let digits = core::str::from_utf8(&p.data).expect("digits");
                self.left = Some(digits.parse().expect("a length"));
            }
            Some(left) => {
                self.left = Some(left - p.data.len() as u64);
                self.received.extend_from_slice(&p.data);
            }
        }
        self.say([P::ack(self.rcv)])
    }
}

impl Original<P> for Student {
    fn take(&mut self, p: P, from: SocketAddr, at: SocketAddr, now: Instant) -> Said<P> {
        if at != self.me {
            return Vec::new();
        }
        match (self.state, p.syn, p.ack, p.fin) {
            (State::Listen, true, false, false) => {
                self.me = address(PEER);
                self.peer = from;
                if self.habits.shares {
                    self.x = p.seq + 1;
                }
                self.rcv = if self.habits.shares { p.seq + 2 } else { p.seq + 1 };
                self.enter(State::SynReceived, now)
            }
            (State::SynReceived, false, true, false) => {
                self.timer = None;
                self.state = State::Established;
                Vec::new()
            }
            (State::SynReceived, false, false, false) => {
                self.timer = None;
                self.state = State::Established;
                self.take_data(p, now)
            }
            (State::SynSent, true, true, false) => {
                self.peer = from;
                self.snd = if self.habits.shares { self.x + 2 } else { self.x + 1 };
                let mut said = self.say([P::ack(self.snd)]);
                said.extend(self.enter(State::Established, now));
                said
            }
            // A repeated SYN-ACK is answered again.
            (State::Established | State::FinSent, true, true, false) => {
                let greeting = if self.habits.shares { self.x + 2 } else { self.x + 1 };
                self.say([P::ack(greeting)])
            }
            (State::Established, false, true, false) if !self.pieces.is_empty() => {
                let len = self.pieces[0].len() as u64;
                if p.seq != self.snd + len {
                    return if self.habits.echoes { self.present(now) } else { Vec::new() };
                }
                self.snd = p.seq;
                self.pieces.pop_front();
                let is_done = self.pieces.is_empty();
                self.enter(if is_done { State::FinSent } else { State::Established }, now)
            }
            (State::Established, false, false, false) => self.take_data(p, now),
            (State::Established | State::LastAck, false, false, true) => {
                self.rcv = p.seq;
                self.enter(State::LastAck, now)
            }
            (State::FinSent, false, _, true) => {
                self.state = State::Closed;
                self.timer = None;
                let last = if self.habits.shares { self.snd + 2 } else { self.snd + 1 };
                self.say(vec![P::ack(last); 3])
            }
            (State::LastAck, false, true, false) => {
                self.state = State::Closed;
                self.timer = None;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.timer
    }

    fn wake(&mut self, now: Instant) -> Said<P> {
        if self.state == State::FinSent && self.tries >= 3 {
            self.state = State::Closed;
            self.timer = None;
            return Vec::new();
        }
        self.present(now)
    }
}
