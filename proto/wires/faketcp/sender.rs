//! What is sent, and when again.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;

use super::super::cwnd::Cwnd;
use super::super::{Discard, Outcome, Phase, Reason, TimerKind};
use super::packet::Flags;
use super::session::{Session, State};
use crate::Instant;

/// How many datagrams an original lets us have unacknowledged.
const ORIGINAL_FLIGHT: usize = 16;
/// The same towards a careful peer, whatever it offers.
const MOST_FLIGHT: usize = 1024;
/// Packets handed out at a time.
const BATCH: usize = 64;
/// How far behind all that was sent a datagram is that the peer cannot take, and has to answer.
const PROBE_DISTANCE: i64 = 32;
/// After so many time-outs without progress the peer is asked how far it is.
const TRIES_BEFORE_PROBE: u32 = 2;
/// An original is not made to go back more often than this.
const NACK_GAP: Duration = Duration::from_millis(20);

/// The send variables.
///
/// ```text
///   una          redo      recover    high             edge
///    |-- in flight -|----------|--------|-- may be sent --|
/// ```
#[derive(Clone, Debug)]
pub(super) struct Sender {
    /// The lowest number that is not acknowledged.
    una: i64,
    /// One more than the highest that was sent.
    high: i64,
    /// The peer has room for all below.
    edge: i64,
    /// What was sent and not acknowledged, from `una` on.
    flight: VecDeque<Sent>,
    /// The next to be sent again, if it is below `recover`.
    redo: i64,
    /// `high` at the moment of the last loss.
    recover: i64,
    /// How many from `una` on may be sent again before one is acknowledged.
    redo_window: usize,
    /// Holes found since the last loss, beside the first.
    holes: u32,
    /// How many may be in flight towards a careful peer.
    cwnd: Cwnd,
    /// When the peer last made us go back.
    went_back: Instant,
    /// The peer is to be asked how far it is.
    probe: bool,
    /// Why it went back, until the log has said so.
    cause: Option<Cause>,
}

/// What makes it go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Nack,
    Timeout,
}

#[derive(Clone, Debug)]
struct Sent {
    payload: Bytes,
    at: Instant,
    times: u32,
}

impl Sender {
    pub(super) fn new(first: i64) -> Self {
        Self {
            una: first,
            high: first,
            edge: first,
            flight: VecDeque::new(),
            redo: first,
            recover: first,
            redo_window: 0,
            holes: 0,
            cwnd: Cwnd::new(MOST_FLIGHT),
            went_back: Instant::ZERO,
            probe: false,
            cause: None,
        }
    }

    /// The peer has room for so many from `ack` on. What it has once offered stays: an original counts what it
    /// has got, but not handed on, twice.
    pub(super) fn offer(&mut self, win: i64, ack: i64) {
        self.edge = self.edge.max(ack.saturating_add(win.max(0)));
    }

    pub(super) fn is_done(&self) -> bool {
        self.flight.is_empty()
    }

    pub(super) fn unacknowledged(&self) -> usize {
        self.flight.iter().map(|sent| sent.payload.len()).sum()
    }

    /// What is not acknowledged, what is sent next, what was handed out, and how many more may follow that.
    pub(super) fn pointers(&self) -> (i64, i64, i64, i64) {
        let nxt = if self.redo < self.recover { self.redo } else { self.high };
        (self.una, nxt, self.high, self.edge - self.high)
    }

    pub(super) fn una(&self) -> i64 {
        self.una
    }

    pub(super) fn nxt(&self) -> i64 {
        self.high
    }

    /// Why it went back, if that was not asked since.
    pub(super) fn take_cause(&mut self) -> Option<Cause> {
        self.cause.take()
    }

    /// Something got lost: begins again at the lowest number, `window` datagrams at a time.
    fn go_back(&mut self, cause: Cause, window: usize, now: Instant) {
        self.cause = Some(cause);
        self.redo = self.una;
        self.recover = self.high;
        self.redo_window = window;
        self.holes = 0;
        self.went_back = now;
    }
}

impl Session {
    fn flight_limit(&self) -> usize {
        if self.faces_original() { ORIGINAL_FLIGHT } else { self.snd.cwnd.size() }
    }

    /// Sends what is to be sent again, and what is new as far as the windows allow.
    pub(super) fn send_data(&mut self, now: Instant) {
        for _ in 0..BATCH {
            if !self.send_again(now) && !self.send_new(now) {
                break;
            }
        }
        if core::mem::take(&mut self.snd.probe) {
            // Beyond any window, and empty so that nobody could take it for data.
            let seq = self.snd.high.max(self.snd.edge) + PROBE_DISTANCE;
            let probe = self.data(seq, Bytes::new());
            self.common.send(probe);
        }
        let waits = !self.snd.flight.is_empty() || !self.common.outbox.is_empty();
        if waits && !self.common.timers.is_set(TimerKind::Repeat) && !self.common.has_ended() {
            self.wait(now);
        }
    }

    fn data(&mut self, seq: i64, payload: Bytes) -> super::FaketcpPacket {
        // An original would be confused if this overtook an acknowledgement: it repeats the last one.
        let ack = if self.faces_original() { self.rcv.acked() } else { self.rcv.acknowledge() };
        let packet = self.packet(Flags::ACK.with(Flags::DATA), seq, ack);
        super::FaketcpPacket { payload, ..packet }
    }

    fn send_again(&mut self, now: Instant) -> bool {
        let snd = &mut self.snd;
        if snd.redo >= snd.recover || snd.redo >= snd.una + snd.redo_window as i64 {
            return false;
        }
        let seq = snd.redo;
        let Some(sent) = snd.flight.get_mut((seq - snd.una) as usize) else { return false };
        sent.at = now;
        sent.times += 1;
        let payload = sent.payload.clone();
        snd.redo += 1;
        let packet = self.data(seq, payload);
        self.common.send_again(packet);
        true
    }

    fn send_new(&mut self, now: Instant) -> bool {
        let seq = self.snd.high;
        let is_full = self.snd.flight.len() >= self.flight_limit() || seq >= self.snd.edge;
        if is_full || self.state != State::Established {
            return false;
        }
        if seq + 2 * PROBE_DISTANCE + MOST_FLIGHT as i64 > i64::from(i32::MAX) {
            self.state = State::Closed;
            self.common.give_up(Reason::Exhausted);
            return false;
        }
        let Some(payload) = self.common.outbox.pop() else { return false };
        self.snd.high += 1;
        self.snd.flight.push_back(Sent { payload: payload.clone(), at: now, times: 1 });
        self.common.counters.sent(payload.len(), now);
        let packet = self.data(seq, payload);
        self.common.send(packet);
        true
    }

    /// An acknowledgement of what was acknowledged before may only offer more room; an original that is given
    /// such a one goes astray, and we had better not.
    pub(super) fn take_ack(&mut self, ack: i64, win: i64, now: Instant) -> Outcome {
        if ack > self.snd.high {
            return Outcome::Dropped(Discard::WildAck);
        }
        if ack < self.snd.una {
            return Outcome::Dropped(Discard::StaleAck);
        }
        self.snd.offer(win, ack);
        if ack == self.snd.una {
            if self.snd.flight.is_empty() {
                // It has no room, but it is there.
                self.common.rto.answered();
            }
            return Outcome::Taken;
        }
        let count = (ack - self.snd.una) as usize;
        let mut last = None;
        for sent in self.snd.flight.drain(..count) {
            last = Some(sent);
        }
        if let Some(sent) = last
            && sent.times == 1
        {
            self.common.rto.sample(now.saturating_since(sent.at));
        }
        self.common.counters.acknowledged(now);
        self.advance(ack, count);
        self.common.rto.answered();
        self.common.timers.stop(TimerKind::Repeat);
        if self.state == State::Deserted && self.snd.is_done() && self.common.outbox.is_empty() {
            self.depart(now);
        }
        Outcome::Taken
    }

    /// Moves on to `ack`, and while a loss is being repaired, to what is missing next.
    fn advance(&mut self, ack: i64, count: usize) {
        let faces_original = self.faces_original();
        let snd = &mut self.snd;
        snd.una = ack;
        if ack >= snd.recover {
            snd.redo = snd.recover;
            snd.cwnd.grow(count);
        } else if faces_original {
            snd.redo = snd.redo.max(ack);
        } else if ack > snd.redo {
            // It had kept what came behind the hole: there is another one. Nobody tells how many follow; if they
            // are many, as when a queue has overflowed, one for each round trip would take for ever.
            snd.redo = ack;
            snd.holes += 1;
            snd.redo_window = (1 << (snd.holes - 1).min(10)).min(snd.cwnd.size());
        } else {
            // It may have kept nothing: all is sent again, faster and faster.
            snd.redo_window = (snd.redo_window * 2).min(snd.cwnd.size());
        }
    }

    pub(super) fn take_nack(&mut self, ack: i64, win: i64, now: Instant) -> Outcome {
        let outcome = self.take_ack(ack, win, now);
        if outcome != Outcome::Taken || self.snd.flight.is_empty() {
            return outcome;
        }
        if self.faces_original() {
            if now.saturating_since(self.snd.went_back) >= NACK_GAP {
                self.snd.go_back(Cause::Nack, ORIGINAL_FLIGHT, now);
            }
            return outcome;
        }
        let is_new = self.snd.una >= self.snd.recover;
        let srtt = self.common.rto.smoothed().unwrap_or(NACK_GAP);
        let first = self.snd.flight.front().map_or(now, |sent| sent.at);
        if is_new {
            self.snd.cwnd.shrink();
            self.snd.go_back(Cause::Nack, 1, now);
        } else if now.saturating_since(first) > srtt + srtt / 2 {
            // What was sent again got lost again.
            let recover = self.snd.recover;
            self.snd.go_back(Cause::Nack, 1, now);
            self.snd.recover = recover;
        }
        outcome
    }

    /// Nothing was acknowledged in time.
    pub(super) fn repeat_data(&mut self, now: Instant) {
        let tries = self.common.rto.tries();
        if tries >= self.common.config.data_tries {
            if self.state != State::Deserted {
                self.state = State::Closed;
                self.common.time_out(Phase::Data);
            }
            return;
        }
        let has_room = self.snd.high < self.snd.edge;
        if self.snd.flight.is_empty() {
            if has_room {
                return;
            }
            self.snd.probe = true;
        } else if self.faces_original() {
            self.snd.go_back(Cause::Timeout, ORIGINAL_FLIGHT, now);
            self.snd.probe = tries >= TRIES_BEFORE_PROBE;
        } else {
            self.snd.cwnd.collapse();
            self.snd.go_back(Cause::Timeout, 1, now);
        }
        self.wait(now);
    }
}
