//! What is taken, and how it is acknowledged.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::queue::Inbox;
use super::super::{Discard, Outcome, TimerKind};
use super::packet::Flags;
use super::session::{KEEP_ALIVE, Session, State};
use crate::Instant;

/// Datagrams that we take beyond what is acknowledged. Anything but 16 shows that we are careful, and an
/// original gets into less trouble the more it is offered.
const WINDOW: usize = 1024;
/// How long an original's data waits to be acknowledged.
const ACK_DELAY: Duration = Duration::from_millis(20);
/// The least time between two acknowledgements to an original: if one overtakes another, it goes astray.
const ACK_GAP: Duration = Duration::from_millis(60);
/// After so long without data an original is told where we are; its last acknowledgement may have got lost,
/// and its window with it.
const SILENCE: Duration = Duration::from_millis(600);

/// The receive variables.
#[derive(Clone, Debug, Default)]
pub(super) struct Receiver {
    /// The next number wanted.
    nxt: i64,
    /// The last number that was acknowledged.
    acked: i64,
    /// What came before its turn.
    early: BTreeMap<i64, Bytes>,
    need: Need,
    /// The peer was last told that there is no room.
    is_shut: bool,
    /// When an acknowledgement of its own was last sent.
    acked_at: Option<Instant>,
    /// Whether there was data.
    began: bool,
}

/// What kind of acknowledgement is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Need {
    #[default]
    None,
    /// Towards an original one waits for its timer.
    Delayed {
        nack: bool,
    },
    Now {
        nack: bool,
    },
}

impl Receiver {
    pub(super) fn begin(&mut self, first: i64) {
        self.nxt = first;
        self.acked = first;
    }

    /// How many datagrams there is room for.
    pub(super) fn window(&self, inbox: &Inbox) -> i32 {
        if inbox.has_room() { WINDOW.saturating_sub(inbox.chunks()) as i32 } else { 0 }
    }

    pub(super) fn is_in_window(&self, seq: i64) -> bool {
        (self.nxt..self.nxt + WINDOW as i64).contains(&seq)
    }

    pub(super) fn acked(&self) -> i64 {
        self.acked
    }

    /// The number that data to a careful peer carries: then no other acknowledgement is needed, unless something
    /// is missing.
    pub(super) fn acknowledge(&mut self) -> i64 {
        if !matches!(self.need, Need::Now { nack: true }) {
            self.need = Need::None;
        }
        self.acked = self.nxt;
        self.nxt
    }

    /// The delay of an acknowledgement is over, or it has none.
    pub(super) fn acknowledge_now(&mut self) {
        let nack = matches!(self.need, Need::Delayed { nack: true } | Need::Now { nack: true });
        self.need = Need::Now { nack };
    }

    pub(super) fn made_room(&mut self, inbox: &Inbox) {
        if self.is_shut && self.window(inbox) as usize >= WINDOW / 2 {
            self.is_shut = false;
            self.acknowledge_now();
        }
    }

    /// Whether something is missing below what has come.
    pub(super) fn has_hole(&self) -> bool {
        !self.early.is_empty()
    }

    pub(super) fn nxt(&self) -> i64 {
        self.nxt
    }
}

impl Session {
    pub(super) fn take_data(&mut self, seq: i64, payload: Bytes, now: Instant) -> Outcome {
        if seq < self.rcv.nxt {
            // The peer missed our acknowledgement.
            self.need_ack(false, now);
            return Outcome::Dropped(Discard::Duplicate);
        }
        if !matches!(self.state, State::Established) {
            return Outcome::Dropped(Discard::Unexpected);
        }
        self.rcv.began = true;
        if self.faces_original() {
            self.common.timers.set(TimerKind::Probe, now + SILENCE);
        }
        if !self.common.inbox.has_room() {
            self.need_ack(false, now);
            return Outcome::Dropped(Discard::NoRoom);
        }
        if seq > self.rcv.nxt {
            return self.take_early(seq, payload, now);
        }
        self.take_next(payload, now);
        while let Some(payload) = self.rcv.early.remove(&self.rcv.nxt) {
            self.take_next(payload, now);
        }
        self.need_ack(false, now);
        Outcome::Taken
    }

    fn take_next(&mut self, payload: Bytes, now: Instant) {
        self.rcv.nxt += 1;
        self.common.counters.received(payload.len(), now);
        self.common.deliver(0, payload, true);
    }

    /// What comes before its turn is kept; but not if it is empty, because that may only be a question how far we
    /// are.
    fn take_early(&mut self, seq: i64, payload: Bytes, now: Instant) -> Outcome {
        self.need_ack(true, now);
        if payload.is_empty() || !self.rcv.is_in_window(seq) {
            return Outcome::Dropped(Discard::OutOfOrder);
        }
        if self.rcv.early.contains_key(&seq) {
            return Outcome::Dropped(Discard::Duplicate);
        }
        self.rcv.early.insert(seq, payload);
        Outcome::Taken
    }

    /// Asks for an acknowledgement: at once towards a careful peer, at a distance from the last one towards an
    /// original.
    fn need_ack(&mut self, nack: bool, now: Instant) {
        let nack = nack
            || matches!(self.rcv.need, Need::Delayed { nack: true } | Need::Now { nack: true });
        if !self.faces_original() {
            self.rcv.need = Need::Now { nack };
            return;
        }
        let delay = if nack { Duration::ZERO } else { ACK_DELAY };
        let soonest = self.rcv.acked_at.map_or(now, |at| at + ACK_GAP);
        self.rcv.need = Need::Delayed { nack };
        let is_set = self.common.timers.is_set(TimerKind::Acknowledge);
        if !is_set || nack {
            self.common.timers.set(TimerKind::Acknowledge, soonest.max(now + delay));
        }
    }

    /// Sends an acknowledgement that is due.
    pub(super) fn send_ack(&mut self, now: Instant) {
        let Need::Now { nack } = self.rcv.need else { return };
        if self.faces_original() && self.rcv.acked_at.is_some_and(|at| now < at + ACK_GAP) {
            // Whoever asked did not know.
            self.rcv.need = Need::None;
            self.need_ack(nack, now);
            return;
        }
        self.rcv.need = Need::None;
        self.rcv.acked = self.rcv.nxt;
        self.rcv.acked_at = Some(now);
        self.common.timers.stop(TimerKind::Acknowledge);
        let flags = if nack { Flags::NACK } else { Flags::ACK };
        let packet = self.packet(flags, self.snd.nxt(), self.rcv.nxt);
        self.rcv.is_shut = packet.win == 0;
        self.common.send(packet);
    }

    /// The peer has not heard from us for a while.
    pub(super) fn remind(&mut self, now: Instant) {
        if self.faces_original() {
            if self.rcv.began {
                self.need_ack(true, now);
                self.common.timers.set(TimerKind::Probe, now + SILENCE);
            }
            return;
        }
        let since = self.common.spoke + KEEP_ALIVE;
        if since <= now {
            self.rcv.acknowledge_now();
        }
        self.common.timers.set(TimerKind::Probe, since.max(now + KEEP_ALIVE / 4));
    }
}
