//! The original, as the specification describes it.

use core::net::SocketAddr;
use std::collections::VecDeque;

use super::super::super::tests::original::{OURS, Original, Said};
use super::super::super::tests::script::DOOR;
use super::*;
use crate::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinSent,
    Closed,
}

/// Either side; it goes astray where the original does, and says so in `broken`.
#[derive(Debug)]
pub(super) struct Seed {
    state: State,
    me: SocketAddr,
    peer: SocketAddr,
    iss: i64,
    irs: i64,
    una: i64,
    nxt: i64,
    wnd: i64,
    queue: VecDeque<Bytes>,
    to_send: VecDeque<Bytes>,
    pub(super) received: Vec<Bytes>,
    rcv_nxt: i64,
    ack_due: bool,
    retransmit: Option<Instant>,
    acknowledge: Option<Instant>,
    pub(super) broken: bool,
}

impl Seed {
    pub(super) fn server() -> Self {
        Self::new(State::Listen, Vec::new(), 50_255)
    }

    pub(super) fn client(to_send: Vec<Bytes>) -> Self {
        Self::new(State::SynSent, to_send, 1_541)
    }

    fn new(state: State, to_send: Vec<Bytes>, iss: i64) -> Self {
        Self {
            state,
            me: address(DOOR),
            peer: address(OURS),
            iss,
            irs: 0,
            una: iss + 1,
            nxt: iss + 1,
            wnd: 16,
            queue: VecDeque::new(),
            to_send: to_send.into(),
            received: Vec::new(),
            rcv_nxt: 0,
            ack_due: false,
            retransmit: None,
            acknowledge: None,
            broken: false,
        }
    }

    fn say(&self, flags: Flags, seq: i64) -> (SocketAddr, SocketAddr, P) {
        (self.me, self.peer, packet(flags, seq as i32, self.rcv_nxt as i32, 16))
    }

    /// It looks at no number.
    fn take_ack(&mut self, ack: i64, win: i64) {
        if ack < self.una {
            // Older than what it knows: the wrong datagrams go, or there are none.
            self.broken = true;
            return;
        }
        for _ in self.una..ack {
            if self.queue.pop_front().is_none() {
                self.broken = true;
                return;
            }
        }
        self.una = ack;
        self.wnd = win;
        if self.nxt < self.una {
            self.broken = true;
        }
    }

    fn pump(&mut self, now: Instant) -> Said<P> {
        let mut said = Vec::new();
        if self.state != State::Established || self.broken {
            return said;
        }
        while self.queue.len() < 16
            && let Some(payload) = self.to_send.pop_front()
        {
            self.queue.push_back(payload);
        }
        while self.wnd > 0
            && let Some(payload) = self.queue.get((self.nxt - self.una) as usize)
        {
            let (me, peer, packet) = self.say(DATA, self.nxt);
            said.push((me, peer, P { payload: payload.clone(), ..packet }));
            self.wnd -= 1;
            self.nxt += 1;
            self.retransmit.get_or_insert(now + MS * 400);
            self.ack_due = false;
        }
        let is_sender = self.retransmit.is_some();
        if is_sender && self.queue.is_empty() && self.to_send.is_empty() {
            said.push((self.me, self.peer, P::fin()));
            self.state = State::FinSent;
        }
        said
    }

    fn take_data(&mut self, p: P, now: Instant) -> Said<P> {
        self.acknowledge.get_or_insert(now + MS * 20);
        let seq = i64::from(p.seq);
        if seq == self.rcv_nxt {
            self.received.push(p.payload.slice(..p.payload.len().min(4080)));
            self.rcv_nxt += 1;
            self.ack_due = true;
            self.wnd = p.win.into();
        } else if seq > self.rcv_nxt {
            return vec![self.say(NACK, self.nxt)];
        }
        Vec::new()
    }
}

impl Original<P> for Seed {
    fn take(&mut self, p: P, from: SocketAddr, at: SocketAddr, now: Instant) -> Said<P> {
        if self.broken || self.state == State::Closed || at != self.me {
            return Vec::new();
        }
        match self.state {
            State::Listen if p.flags.has(Flags::SYN) => {
                self.me = address(PEER);
                self.peer = from;
                self.irs = p.seq.into();
                self.rcv_nxt = self.irs + 1;
                self.state = State::SynReceived;
                vec![self.say(SYN_ACK, self.iss)]
            }
            // Whatever else this carried is thrown away.
            State::SynReceived if p.flags.has(ACK) => {
                self.state = State::Established;
                Vec::new()
            }
            State::SynSent if p.flags.has(SYN_ACK) => {
                self.peer = from;
                self.rcv_nxt = i64::from(p.seq) + 1;
                self.wnd = p.win.into();
                self.state = State::Established;
                let mut said = vec![self.say(ACK, self.nxt)];
                said.extend(self.pump(now));
                said
            }
            State::FinSent if p.is_fin() => {
                self.state = State::Closed;
                Vec::new()
            }
            State::Established if p.is_fin() => {
                self.state = State::Closed;
                vec![(self.me, self.peer, P::fin_ack())]
            }
            State::Established if p.flags.has(Flags::SYN) => {
                self.broken |= self.una > self.iss + 1;
                Vec::new()
            }
            State::Established => {
                let is_answer = p.flags.has(ACK) || p.flags.has(NACK);
                if is_answer {
                    self.take_ack(p.ack.into(), p.win.into());
                }
                if p.flags.has(NACK) {
                    self.nxt = self.una;
                }
                let mut said = Vec::new();
                if p.flags.has(Flags::DATA) {
                    said = self.take_data(p, now);
                } else if is_answer && self.retransmit.is_some() {
                    self.retransmit = Some(now + MS * 400);
                }
                said.extend(self.pump(now));
                said
            }
            _ => Vec::new(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let runs = self.state == State::Established && !self.broken;
        self.retransmit.into_iter().chain(self.acknowledge).min().filter(|_| runs)
    }

    fn wake(&mut self, now: Instant) -> Said<P> {
        if self.state == State::SynSent {
            return vec![(self.me, self.peer, packet(Flags::SYN, self.iss as i32, 0, 16))];
        }
        let mut said = Vec::new();
        if self.acknowledge.is_some_and(|at| at <= now) {
            self.acknowledge = Some(now + MS * 20);
            if core::mem::take(&mut self.ack_due) {
                said.push(self.say(ACK, self.nxt));
            }
        }
        if self.retransmit.is_some_and(|at| at <= now) {
            self.retransmit = Some(now + MS * 400);
            self.nxt = self.una;
            said.extend(self.pump(now));
        }
        said
    }
}
